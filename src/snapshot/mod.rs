//! Snapshots: reviewed transcripts under version control, in insta's file format.
//!
//! [`Transcriber`] makes one from a conversation, [`path`] says where it lies, [`check`] compares it with the
//! accepted one and leaves a pending one beside it, [`find`] and [`Pending`] serve the review. Files are written as
//! `cargo insta` writes them, byte for byte, so that either tool can take over from the other.
//!
//! [`unreferenced`] finds those that nothing refers to any more.
//!
//! Only [`check`], [`read`], [`find`], [`scenario_folders`], [`unreferenced`], [`Pending`] and [`Unreferenced`] touch files; all
//! else is pure.

mod body;
mod compare;
mod diff;
mod format;
mod header;
mod insta_stub;
mod name;
mod outdated;
mod redact;
mod review;
mod store;
mod unreferenced;

pub use body::{Transcriber, transcript};
pub use compare::{Changes, CheckChange, Difference, compare};
pub use diff::{Line, Sign, diff};
pub use format::Snapshot;
pub use header::{FormatError, Metadata};
pub use insta_stub::{STUB_MANIFEST, stub_manifest};
pub use name::{clashes, file_name, path};
pub use outdated::ScriptPart;
pub use redact::RedactError;
pub use review::{Pending, find};
pub use store::{Mode, SnapshotError, Status, check, pending_path, read};
pub use unreferenced::{Gone, Known, Unreferenced, scenario_folders, unreferenced};
