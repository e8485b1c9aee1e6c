//! Decides one check on one reply, or on a whole transcript. Pure.

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
mod transcript;
mod view;
mod wanted;

pub use admits::admits_not_knowing;
pub use decide::{Decision, decide};
pub use expected::{expected, expected_of_transcript};
pub use outside::{Gathered, outside};
pub use transcript::{Exchange, TranscriptView, decide_transcript};
pub use view::TurnView;
pub use wanted::{Wanted, is_on_reply, wanted};
