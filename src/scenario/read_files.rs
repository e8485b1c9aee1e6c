//! Which other files a scenario is made of: what they said is part of what is played.

use std::cell::RefCell;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::{FileProblem, Files};
use crate::diagnostic::SourceFile;

/// A file that a scenario reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadFile {
    /// Its path, as far as the scenario's own is known.
    pub path: String,
    /// SHA-256 of its bytes.
    pub sha256: [u8; 32],
}

/// Remembers what is read through it, without the texts.
pub(super) struct Remembered<'f> {
    files: &'f dyn Files,
    reads: RefCell<Vec<ReadFile>>,
}

impl<'f> Remembered<'f> {
    pub(super) fn new(files: &'f dyn Files) -> Self {
        Self { files, reads: RefCell::default() }
    }

    pub(super) fn into_reads(self) -> Vec<ReadFile> {
        self.reads.into_inner()
    }
}

impl Files for Remembered<'_> {
    fn read(&self, relative: &str) -> Result<Arc<SourceFile>, FileProblem> {
        let file = self.files.read(relative)?;
        let mut reads = self.reads.borrow_mut();
        if !reads.iter().any(|read| read.path == file.path) {
            reads.push(ReadFile { path: file.path.clone(), sha256: Sha256::digest(file.text.as_bytes()).into() });
        }
        Ok(file)
    }
}
