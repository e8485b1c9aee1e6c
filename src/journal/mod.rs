//! The journal of a run: one event a line, appended as it happens, read back in plan order.
//!
//! It decides where an event stands on disk and what a damaged file means; what an event says is the business of
//! [`crate::event`]. Two rules hold. What [`Writer::append`] has taken is with the operating system, so that a crash
//! of the process loses none of it; and a [`Reader`] holds places of lines in memory, never the conversations.

mod blocks;
mod index;
mod merge;
mod reader;
mod senders;
mod writer;

use std::io;
use std::path::PathBuf;

use crate::event::Lost;
use crate::model::ConversationKey;

pub use index::MOST_CONVERSATIONS;
use merge::named;
pub use merge::{Merge, NamedRun, Problem};
pub use reader::Reader;
pub use writer::Writer;

/// How the names of files and folders begin that are not whole yet.
pub const DRAFT: &str = ".draft-";

/// Why a journal could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// It was to be made new, and is there already.
    #[error("the journal `{}` is there already", path.display())]
    AlreadyThere {
        /// The journal.
        path: PathBuf,
    },
    /// Another process writes it.
    #[error("the journal `{}` is being written by another process: the run is still going on", path.display())]
    InUse {
        /// The journal.
        path: PathBuf,
    },
    /// It was removed, moved or replaced while it was being written.
    #[error("the journal `{}` was removed, moved or replaced while the run was going on", path.display())]
    Gone {
        /// Where it was.
        path: PathBuf,
    },
    /// Its folder became read-only while it was being written: what was begun could be written on, but no report made.
    #[error("the folder of the journal `{}` became read-only while the run was going on", path.display())]
    ReadOnly {
        /// The journal.
        path: PathBuf,
    },
    /// The operating system would not make it or take a line.
    #[error("cannot write the journal `{}`: {source}", path.display())]
    NotWritten {
        /// The journal.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The operating system would not give it.
    #[error("cannot read the journal `{}`: {source}", path.display())]
    NotRead {
        /// The journal.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A later version of the tool wrote it.
    #[error(
        "the journal `{}` has `format: {format}`, and this version of chat-eval reads formats up to {known}",
        path.display()
    )]
    NewerFormat {
        /// The journal.
        path: PathBuf,
        /// Its format.
        format: u32,
        /// The newest format that is read.
        known: u32,
    },
    /// It has more bytes than are read back, or would have them with what is to be written.
    #[error("the journal `{}` has no room for more: 256 GiB are the most that is read back", path.display())]
    TooLarge {
        /// The journal.
        path: PathBuf,
    },
    /// It has no whole first line that says which run it is.
    #[error("the journal `{}` does not begin with the event `run`", path.display())]
    NoBeginning {
        /// The journal.
        path: PathBuf,
    },
    /// A line other than a torn last one is no event, or stands where it cannot.
    #[error("line {line} of the journal `{}` is damaged: {reason}", path.display())]
    DamagedLine {
        /// The journal.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A conversation has lost a line: cut out by hand, or by a disk.
    #[error("the journal `{}` has lost {lost} of `{}`: {mend}", path.display(), named(key))]
    Lost {
        /// The journal.
        path: PathBuf,
        /// The conversation.
        key: Box<ConversationKey>,
        /// The line.
        lost: Lost,
        /// What helps.
        mend: String,
    },
}
