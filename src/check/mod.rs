//! Decides one check on one reply. Pure.

mod admits;
mod decide;
mod expected;
mod request;
mod retention;
#[cfg(test)]
mod tests;
mod text;

pub use decide::{Decision, TurnView, decide};
pub use expected::expected;
