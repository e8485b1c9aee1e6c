//! Snapshots: reviewed transcripts under version control, in insta's file format.
//!
//! [`Snapshot::from_record`] makes one from a conversation, [`path`] says where it lies, [`check`] compares it with the
//! accepted one and leaves a pending one beside it, [`find`] and [`Pending`] serve the review. Files are written as
//! `cargo insta` writes them, byte for byte, so that either tool can take over from the other.
//!
//! Only [`check`], [`read`], [`find`] and [`Pending`] touch files; all else is pure.

mod body;
mod compare;
mod diff;
mod format;
mod header;
mod insta_stub;
mod name;
mod review;
mod store;

pub use compare::{Changes, CheckChange, Difference, compare};
pub use diff::{Line, Sign, diff};
pub use format::Snapshot;
pub use header::{FormatError, Metadata};
pub use insta_stub::{STUB_MANIFEST, stub_manifest};
pub use name::{clashes, file_name, path};
pub use review::{Files, Pending, discard, find, variant_of};
pub use store::{Mode, SnapshotError, Status, check, pending_path, read};
