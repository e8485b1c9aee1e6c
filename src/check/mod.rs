//! Decides one check on one reply. Pure.

mod admits;
mod decide;
mod expected;
mod request;
mod retention;
#[cfg(test)]
mod tests;
mod text;
mod view;
mod wanted;

pub use admits::admits_not_knowing;
pub use decide::{Decision, decide};
pub use expected::expected;
pub use view::TurnView;
pub use wanted::{Wanted, is_on_reply, wanted};
