//! Appends events to a new journal.
//!
//! One call of [`Writer::append`] is one write: its lines are handed to the operating system together before it
//! returns, which is what *acknowledged* means. When they must also survive a power cut is the caller's to say, by
//! [`Writer::sync`]: this file reads no clock.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::JournalError;
use crate::event::Event;

/// A journal that is being written.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    file: File,
    /// Kept from call to call for its capacity alone.
    buffer: Vec<u8>,
    /// How many bytes of whole lines the file has.
    length: u64,
    is_dirty: bool,
}

impl Writer {
    /// Makes a new, empty journal.
    ///
    /// # Errors
    /// When the file is there already, or cannot be made.
    pub fn create(path: impl Into<PathBuf>) -> Result<Self, JournalError> {
        let path = path.into();
        match OpenOptions::new().append(true).create_new(true).open(&path) {
            Ok(file) => Ok(Self { path, file, buffer: Vec::new(), length: 0, is_dirty: false }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(JournalError::AlreadyThere { path }),
            Err(source) => Err(JournalError::NotWritten { path, source }),
        }
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
    pub fn append(&mut self, events: &[Event]) -> Result<(), JournalError> {
        self.write(events).map_err(|source| {
            // Half a line in the middle of the file would make all that follows unreadable. Where even the cut fails,
            // the disk is gone, and the first error is the one that says why.
            let _ = self.file.set_len(self.length);
            JournalError::NotWritten { path: self.path.clone(), source }
        })
    }

    fn write(&mut self, events: &[Event]) -> io::Result<()> {
        self.buffer.clear();
        for event in events {
            serde_json::to_writer(&mut self.buffer, event)?;
            self.buffer.push(b'\n');
        }
        self.file.write_all(&self.buffer)?;
        self.length += self.buffer.len() as u64;
        self.is_dirty |= !events.is_empty();
        Ok(())
    }

    /// Whether events were appended since the last [`Writer::sync`].
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        self.is_dirty
    }

    /// Waits until all that was appended is on the disk; at once when nothing is new.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        if !self.is_dirty {
            return Ok(());
        }
        self.file.sync_data().map_err(|source| JournalError::NotWritten { path: self.path.clone(), source })?;
        self.is_dirty = false;
        Ok(())
    }
}
