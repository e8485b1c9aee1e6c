//! Decides one check on one reply, or on a whole transcript. Pure.

mod admits;
mod decide;
mod expected;
mod json;
mod json_work;
mod limits;
mod request;
mod retention;
mod similar;
#[cfg(test)]
mod tests;
mod text;
mod transcript;
mod view;

pub use admits::admits_not_knowing;
pub use decide::{Decision, decide};
pub use expected::{expected, expected_of_transcript};
pub use json_work::is_endless;
pub use limits::Measured;
pub use similar::{LONGEST, length};
pub use transcript::{Exchange, TranscriptView, decide_transcript};
pub use view::TurnView;
