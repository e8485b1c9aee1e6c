//! The runner: what is to be played, how one conversation goes (read [`conversation`] first), and how many at once.

pub mod bounds;
mod call;
mod cells;
pub mod contamination;
pub mod conversation;
mod dispatch;
mod fail_fast;
mod filter;
pub mod lint;
mod models;
mod order;
mod outlet;
mod overflow;
mod pins;
pub mod plan;
pub mod requests;
mod shard;
mod sharing;
mod so_far;
mod tape;
mod until_decided;

pub use cells::Cells;
pub use conversation::triage_calls;
pub use dispatch::{Ended, Job, dispatch};
pub use filter::{Filter, FilterError, is_selected};
pub use models::{Model, Models};
pub use outlet::{JournalLost, Note, Notes, Outlet, Watcher, consume};
pub use overflow::overflows;
pub use pins::{Pinned, PinnedRun, Pins, Replies};
pub use shard::ShardError;
pub use so_far::SoFar;
pub use tape::Tape;
