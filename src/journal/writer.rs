//! Appends events to a journal: a new one, or one of a run that goes on.
//!
//! One call of [`Writer::append`] is one write: its lines are handed to the operating system together before it
//! returns, which is what *acknowledged* means. When they must also survive a power cut is the caller's to say, by
//! [`Writer::sync`]: this file reads no clock.
//!
//! Two rules hold. A journal has its first line before it has its name, so that whatever kills the process leaves one
//! that can be read; and as long as a writer lives, no second one gets hold of the same journal.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempPath;

use super::index::MOST_BYTES;
use super::{DRAFT, JournalError, Reader};
use crate::event::Event;

/// A journal that is being written.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    file: Arc<File>,
    /// Kept from call to call for its capacity alone.
    buffer: Vec<u8>,
    /// How many bytes of whole lines the file has.
    length: u64,
    is_dirty: bool,
    /// Whether its folder was marked as read-only from the beginning, which keeps not everybody out.
    is_read_only: bool,
}

impl Writer {
    /// Makes a new journal that begins with this event.
    ///
    /// # Errors
    /// When the file is there already, or cannot be made; then there is none.
    pub fn create(path: impl Into<PathBuf>, first: &Event) -> Result<Self, JournalError> {
        let path = path.into();
        let (file, draft) = match draft(&path) {
            Ok(made) => made,
            Err(source) => return Err(JournalError::NotWritten { path, source }),
        };
        let mut writer = Self::locked(path, file)?;
        writer.append([first])?;
        writer.sync()?;
        match draft.persist_noclobber(&writer.path) {
            Ok(()) => Ok(writer),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                Err(JournalError::AlreadyThere { path: writer.path })
            }
            Err(error) => Err(JournalError::NotWritten { path: writer.path, source: error.error }),
        }
    }

    /// Opens the journal of a run that goes on, and reads it. A torn last line is cut off, and so are empty ones at the
    /// end; [`Reader::is_torn`] of the reader says whether there was such.
    ///
    /// # Errors
    /// When another process writes it, when it cannot be read, and when it cannot be written.
    pub fn reopen(path: impl Into<PathBuf>) -> Result<(Self, Reader), JournalError> {
        let path = path.into();
        let file = match OpenOptions::new().append(true).open(&path) {
            Ok(file) => file,
            Err(source) => return Err(JournalError::NotWritten { path, source }),
        };
        let mut writer = Self::locked(path, file)?;
        let reader = Reader::open(&writer.path)?;
        writer.length = reader.whole_length();
        if reader.is_torn() {
            writer.file.set_len(writer.length).map_err(|source| writer.not_written(source))?;
            writer.is_dirty = true;
        }
        Ok((writer, reader))
    }

    fn locked(path: PathBuf, file: File) -> Result<Self, JournalError> {
        // A lock of Windows keeps readers out too, this process's own reports among them.
        if cfg!(unix) && matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
            return Err(JournalError::InUse { path });
        }
        // A file system without locks keeps nobody out, which is no reason not to write.
        let is_read_only = is_read_only(&path);
        Ok(Self { path, file: Arc::new(file), buffer: Vec::new(), length: 0, is_dirty: false, is_read_only })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends events, a line each. When it returns `Ok`, the operating system has all of them.
    ///
    /// # Errors
    /// When they could not be written; the journal then has none of them.
    pub fn append<'e>(&mut self, events: impl IntoIterator<Item = &'e Event>) -> Result<(), JournalError> {
        self.buffer.clear();
        for event in events {
            serde_json::to_writer(&mut self.buffer, event).map_err(|error| self.not_written(error.into()))?;
            self.buffer.push(b'\n');
        }
        self.write_buffer()
    }

    /// Half a line in the middle of the file would make all that follows unreadable. Where even the cut fails, the disk is
    /// gone, and the first error is the one that says why.
    fn cut_back(&self, source: io::Error) -> JournalError {
        let _ = self.file.set_len(self.length);
        self.not_written(source)
    }

    fn write_buffer(&mut self) -> Result<(), JournalError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let length = self.length + self.buffer.len() as u64;
        if length > MOST_BYTES {
            return Err(JournalError::TooLarge { path: self.path.clone() });
        }
        (&*self.file).write_all(&self.buffer).map_err(|source| self.cut_back(source))?;
        (self.length, self.is_dirty) = (length, true);
        Ok(())
    }

    /// Appends whole lines of another journal as they stand there: what they say is not looked at.
    ///
    /// # Errors
    /// When they could not be written; the journal then has none of them.
    pub fn append_lines(&mut self, lines: &[u8]) -> Result<(), JournalError> {
        self.buffer.clear();
        self.buffer.extend_from_slice(lines);
        self.write_buffer()
    }

    /// Waits until all that was appended is on the disk; at once when nothing is new.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        self.begin_sync().map_or(Ok(()), |sync| sync())
    }

    /// What [`Writer::sync`] does, to be done elsewhere while this goes on: a disk may take its time. `None` when nothing is new.
    pub fn begin_sync(&mut self) -> Option<impl FnOnce() -> Result<(), JournalError> + Send + use<>> {
        let (file, path) = (Arc::clone(&self.file), self.path.clone());
        let sync = move || file.sync_data().map_err(|source| JournalError::NotWritten { path, source });
        std::mem::take(&mut self.is_dirty).then_some(sync)
    }

    /// Looks whether its path still leads to it. A file that was removed takes every write in silence, and all of them
    /// would be lost.
    ///
    /// # Errors
    /// When the path leads to nothing or to something else, or its folder has become read-only.
    pub fn look_in_place(&self) -> Result<(), JournalError> {
        match is_same(&self.file, &self.path) {
            Ok(true) if !self.is_read_only && is_read_only(&self.path) => {
                Err(JournalError::ReadOnly { path: self.path.clone() })
            }
            Ok(true) => Ok(()),
            Ok(false) => Err(JournalError::Gone { path: self.path.clone() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(JournalError::Gone { path: self.path.clone() })
            }
            Err(source) => Err(self.not_written(source)),
        }
    }

    fn not_written(&self, source: io::Error) -> JournalError {
        JournalError::NotWritten { path: self.path.clone(), source }
    }
}

fn folder(journal: &Path) -> &Path {
    journal.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether the journal's folder is marked as one that nobody may write to.
fn is_read_only(journal: &Path) -> bool {
    // Of a folder Windows has no such mark that means anything.
    cfg!(unix) && std::fs::metadata(folder(journal)).is_ok_and(|folder| folder.permissions().readonly())
}

/// A file in the journal's folder that vanishes unless it is given a name.
fn draft(journal: &Path) -> io::Result<(File, TempPath)> {
    let folder = folder(journal);
    let mut builder = tempfile::Builder::new();
    builder.prefix(DRAFT).append(true);
    // As readable as any other file that the user makes.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    Ok(builder.tempfile_in(folder)?.into_parts())
}

#[cfg(unix)]
fn is_same(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let (open, there) = (file.metadata()?, std::fs::metadata(path)?);
    Ok((open.dev(), open.ino()) == (there.dev(), there.ino()))
}

/// Windows removes no file that is open.
#[cfg(not(unix))]
fn is_same(_: &File, path: &Path) -> io::Result<bool> {
    path.try_exists()
}

#[cfg(test)]
mod tests;
