//! Decides one check on one reply. Pure.

mod admits;
mod decide;
mod expected;
pub mod judge;
mod outside;
mod request;
mod retention;
#[cfg(test)]
mod tests;
mod text;
mod view;

pub use admits::admits_not_knowing;
pub use decide::{Decision, decide};
pub use expected::expected;
pub use outside::{Gathered, outside};
pub use view::TurnView;
