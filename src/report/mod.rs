//! What people and other programs read of a run: every report is a pure function of the journal's records.
//!
//! One pass over the records feeds the [`Summary`], from which the terminal's text ([`terminal`]), the page for a pull request
//! ([`markdown`]) and the annotations of a CI service ([`github`]) are made, and pictures ([`svg`]); the CSV tables ([`csv`]), `junit`
//! and `html` are fed beside it, in a thread of their own. [`compare`] puts two runs, or the variants
//! of one, side by side. [`files`] is the only place that writes result files. [`progress`]
//! words what is said while a run is going; [`lines`] says it to programs.
//!
//! Texts of models, users and providers are strangers' texts: each writer here escapes them for its own format, as late
//! as possible.

mod bound;
pub mod changes;
pub mod compare;
mod counts;
pub mod csv;
mod error;
mod failure;
pub mod files;
pub mod github;
mod grid;
mod html;
mod junit;
pub mod lines;
pub mod markdown;
mod measures;
pub mod mutation;
mod paint;
pub mod plan;
pub mod progress;
#[cfg(test)]
mod sample;
mod summary;
pub mod svg;
mod tally;
pub mod terminal;
mod wording;

pub use crate::event::SnapshotNote;
pub use counts::{EndCounts, OutcomeCounts, SourceCounts, VerdictCounts};
pub use error::ReportError;
pub use failure::{Evidence, Failure, FailureKind, Request};
pub use measures::Measures;
pub use paint::ascii;
pub use summary::{FAILURES_IN_FULL, Flaky, KnownFailure, Row, Summary, SummaryBuilder, Totals};
pub use tally::{Tally, Usage};
