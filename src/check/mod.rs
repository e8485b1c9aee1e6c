//! Decides one check on one reply, or on a whole transcript. Pure.

mod admits;
mod decide;
mod embedding;
mod expected;
mod json;
mod json_work;
pub mod judge;
mod limits;
mod other_json;
mod outside;
mod request;
mod retention;
mod similar;
#[cfg(test)]
mod tests;
mod text;
mod transcript;
mod view;
mod wanted;

pub use admits::admits_not_knowing;
pub use decide::{Decision, decide};
pub use expected::{expected, expected_of_transcript};
pub use json_work::is_endless;
pub use limits::Measured;
pub use other_json::{empty_json, retyped};
pub use outside::{Gathered, outside};
pub use similar::{LONGEST, length};
pub use transcript::{Exchange, NOT_PLAYED, TranscriptView, decide_transcript};
pub use view::TurnView;
pub use wanted::{Wanted, is_on_reply, wanted};
