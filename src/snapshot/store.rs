//! Accepted and pending snapshots on disk.
//!
//! A file is written under a temporary name in its own folder and renamed, so that nobody ever reads half of one; a
//! file that already says what is to be written is left alone. Nothing is synced to the disk: what is accepted is
//! under version control, what is pending comes back with the next run.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::compare::{Difference, compare};
use super::format::Snapshot;
use super::header::FormatError;
use crate::disk;

/// What is done where a new transcript is not the accepted one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The new one is written beside it as pending.
    New,
    /// Nothing is written.
    No,
    /// The new one is accepted.
    Always,
    /// Snapshots are not even read.
    Off,
}

/// How a new transcript stands to the accepted one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Snapshots are off.
    Off,
    /// It is the same.
    Matched,
    /// There is no accepted one.
    Missing {
        /// Where the new one waits for review; absent under [`Mode::No`].
        pending: Option<PathBuf>,
    },
    /// It is another.
    Differs {
        /// What moved.
        difference: Difference,
        /// Where the new one waits for review; absent under [`Mode::No`].
        pending: Option<PathBuf>,
    },
    /// It has been accepted unseen, as [`Mode::Always`] asks.
    Written {
        /// What moved; absent where there was no accepted one that could be read.
        difference: Option<Difference>,
    },
}

/// A snapshot that could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The file, or the folder, could not be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What lies there is not read and not written.
    #[error("`{}` is no snapshot: {what}", path.display())]
    Foreign {
        /// Which.
        path: PathBuf,
        /// What it is instead.
        what: &'static str,
    },
    /// It is no snapshot.
    #[error("`{}` is no snapshot: {source}", path.display())]
    Malformed {
        /// Which.
        path: PathBuf,
        /// Why.
        source: FormatError,
    },
    /// The file could not be written or removed.
    #[error("cannot write `{}`: {source}", path.display())]
    Unwritable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not called `….new`.
    #[error("`{}` is no pending snapshot: its name does not end in `.new`", path.display())]
    NotPending {
        /// Which.
        path: PathBuf,
    },
}

/// Where the snapshot that waits for review lies: `.new` behind the whole name.
#[must_use]
pub fn pending_path(path: &Path) -> PathBuf {
    let mut pending = path.as_os_str().to_owned();
    pending.push(".new");
    pending.into()
}

/// Compares a new snapshot with the accepted one at `path` and does what `mode` says. Only contents are compared: from
/// where a run was started may change `source`, and that is no difference. A pending file that is out of date is
/// removed.
///
/// # Errors
/// When the accepted file cannot be read (under [`Mode::Always`] one that is no snapshot is replaced), or a file
/// cannot be written or removed.
pub fn check(path: &Path, new: &Snapshot, mode: Mode) -> Result<Status, SnapshotError> {
    if mode == Mode::Off {
        return Ok(Status::Off);
    }
    let accepted = match read(path) {
        Err(SnapshotError::Malformed { .. }) if mode == Mode::Always => None,
        result => result?,
    };
    let difference = accepted.as_ref().map(|accepted| compare(accepted, new));
    match (mode, difference) {
        (Mode::No, Some(Difference::Same)) => Ok(Status::Matched),
        (Mode::Always | Mode::New, Some(Difference::Same)) => {
            remove(&pending_path(path))?;
            Ok(Status::Matched)
        }
        (Mode::Always, difference) => {
            accept_as(path, new.clone())?;
            remove(&pending_path(path))?;
            Ok(Status::Written { difference })
        }
        (_, difference) => {
            let pending = (mode == Mode::New).then(|| pending_path(path));
            if let Some(pending) = &pending {
                write(pending, new.to_string().as_bytes())?;
            }
            Ok(match difference {
                Some(difference) => Status::Differs { difference, pending },
                None => Status::Missing { pending },
            })
        }
    }
}

/// Reads a snapshot; `None` where there is no such file.
///
/// # Errors
/// When there is one that cannot be read, is no snapshot, or lies elsewhere by a link.
pub fn read(path: &Path) -> Result<Option<Snapshot>, SnapshotError> {
    no_stranger(path)?;
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        result => result.map_err(|source| SnapshotError::Unreadable { path: path.to_owned(), source })?,
    };
    let not_text = FormatError { line: 1, reason: "it is not UTF-8" };
    let parsed = String::from_utf8(bytes).map_err(|_| not_text).and_then(|file| Snapshot::parse(&file));
    parsed.map(Some).map_err(|source| SnapshotError::Malformed { path: path.to_owned(), source })
}

/// Refuses what would be waited for, and what leads out of the scenario's folder, the one above the folder of snapshots: a
/// stranger's link would have shown whatever it leads to, and be written through.
fn no_stranger(path: &Path) -> Result<(), SnapshotError> {
    let foreign = |what| Err(SnapshotError::Foreign { path: path.to_owned(), what });
    if let Some(what) = disk::no_file(path) {
        return foreign(what);
    }
    match path.parent().and_then(Path::parent) {
        Some(folder) if disk::leads_out(path, folder) => foreign(
            "it lies elsewhere: it is a link, or its folder is one, that leads out of the scenario's folder; put the file itself there",
        ),
        _ => Ok(()),
    }
}

/// Makes `snapshot` the accepted one at `path`, in the form that `cargo insta accept` gives it.
pub(super) fn accept_as(path: &Path, snapshot: Snapshot) -> Result<(), SnapshotError> {
    write(path, snapshot.accepted().to_string().as_bytes())
}

/// Removes a file that may not be there.
pub(super) fn remove(path: &Path) -> Result<(), SnapshotError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(SnapshotError::Unwritable { path: path.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}

/// Writes a file whole, with the folders above it, unless it says so already.
pub(super) fn write(path: &Path, text: &[u8]) -> Result<(), SnapshotError> {
    no_stranger(path)?;
    if fs::read(path).is_ok_and(|present| present == text) {
        return Ok(());
    }
    write_atomically(path, text).map_err(|source| SnapshotError::Unwritable { path: path.to_owned(), source })
}

fn write_atomically(path: &Path, text: &[u8]) -> io::Result<()> {
    // The parent of a bare file name is the empty path, which no system call takes.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".chat-eval-").suffix(".tmp");
    // Temporary files are the user's alone by default; a snapshot is as readable as any other file in the repository.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(text)?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
