//! Why a report could not be made.

use std::io;
use std::path::PathBuf;

use crate::journal::JournalError;

/// Why a report could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The journal that it is made of could not be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A file could not be written.
    #[error("cannot write `{}`: {source}", path.display())]
    NotWritten {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Whoever wanted the files wants them no longer.
    #[error("stopped before all was written")]
    Stopped,
}
