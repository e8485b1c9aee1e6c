//! Pending snapshots: find them, look at one, accept or reject it. What people see of it is the caller's.

use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::compare::{Difference, compare};
use super::format::Snapshot;
use super::name::{described_variant, variant};
use super::store::{SnapshotError, accept_as, pending_path, read, remove, write};
use crate::disk;
use crate::model::VariantKey;

/// Bytes of a file in which its metadata are looked for.
const LONGEST_HEAD: u64 = 64 << 10;

/// A snapshot that waits for review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Where it lies.
    pub path: PathBuf,
    /// The file that accepting it writes.
    pub target: PathBuf,
    /// The snapshot accepted so far, where there is one.
    pub old: Option<Snapshot>,
    /// The one that waits.
    pub new: Snapshot,
}

/// The pending snapshots below `root` (or `root` itself), in byte order of their paths.
///
/// Git's ignore rules are not asked, since pending snapshots are usually ignored themselves. Left out are hidden
/// folders, `target` and `node_modules`, symbolic links, and snapshots of Rust tests, which are `cargo insta`'s
/// business: ours lie in a folder `snapshots`, have an `@` in their name and do not come from a `.rs` file. One that
/// cannot be read as a snapshot is listed, so that it is not passed over in silence.
///
/// # Errors
/// When `root` or a folder below it cannot be read.
pub fn find(root: &Path) -> Result<Vec<PathBuf>, SnapshotError> {
    let walk = ignore::WalkBuilder::new(root)
        .standard_filters(false)
        // The root itself is not asked about: whoever names `target` means it.
        .filter_entry(|entry| !is_passed_over(entry))
        .sort_by_file_path(|a, b| a.as_os_str().as_encoded_bytes().cmp(b.as_os_str().as_encoded_bytes()))
        .build();
    let mut found = Vec::new();
    for entry in walk {
        let entry = entry.map_err(|error| SnapshotError::Unreadable {
            path: root.to_owned(),
            source: error.into_io_error().unwrap_or_else(|| std::io::Error::other("a folder below it cannot be read")),
        })?;
        if entry.file_type().is_some_and(|kind| kind.is_file()) && is_ours(entry.path()) {
            found.push(entry.into_path());
        }
    }
    Ok(found)
}

fn is_passed_over(entry: &ignore::DirEntry) -> bool {
    let name = entry.file_name();
    let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir());
    is_folder && (name.as_encoded_bytes().starts_with(b".") || name == "target" || name == "node_modules")
}

fn is_ours(path: &Path) -> bool {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    let lies_in_snapshots = std::path::absolute(path)
        .is_ok_and(|path| path.parent().and_then(Path::file_name).is_some_and(|folder| folder == "snapshots"));
    let is_of_a_rust_test = || {
        let source = head(path).and_then(|head| Snapshot::parse(&head).ok()?.metadata.source);
        source.is_some_and(|source| Path::new(&source).extension().is_some_and(|extension| extension == "rs"))
    };
    lies_in_snapshots && name.contains('@') && name.ends_with(".snap.new") && !is_of_a_rust_test()
}

/// The variant whose snapshot waits at `path`: told by the file's name, which says what accepting it replaces; of a name
/// that was cut, by its description.
#[must_use]
pub fn variant_of(path: &Path) -> Option<VariantKey> {
    variant(path.file_name()?.to_str()?).or_else(|| {
        let description = Snapshot::parse(&head(path)?).ok()?.metadata.description?;
        described_variant(&description)
    })
}

/// The beginning of a file, with the metadata of any snapshot that a tool writes: there may be a great many of them, and
/// replies may be long.
fn head(path: &Path) -> Option<String> {
    let mut head = Vec::new();
    disk::open(path).ok()?.take(LONGEST_HEAD).read_to_end(&mut head).ok()?;
    Some(String::from_utf8_lossy(&head).into_owned())
}

impl Pending {
    /// Reads a pending snapshot and the accepted one that it is to replace.
    ///
    /// # Errors
    /// When its name does not end in `.new`, when it is gone, or when one of the two cannot be read as a snapshot.
    pub fn load(path: &Path) -> Result<Self, SnapshotError> {
        let target = path.with_extension("");
        if pending_path(&target) != path {
            return Err(SnapshotError::NotPending { path: path.to_owned() });
        }
        let gone = || SnapshotError::Unreadable { path: path.to_owned(), source: std::io::ErrorKind::NotFound.into() };
        let new = read(path)?.ok_or_else(gone)?;
        Ok(Self { old: read(&target)?, path: path.to_owned(), target, new })
    }

    /// What moved; `None` where nothing has been accepted yet.
    #[must_use]
    pub fn difference(&self) -> Option<Difference> {
        self.old.as_ref().map(|old| compare(old, &self.new))
    }

    /// Makes it the accepted one, as `cargo insta accept` would, byte for byte.
    ///
    /// # Errors
    /// When the accepted file cannot be written or the pending one not removed.
    pub fn accept(self) -> Result<(), SnapshotError> {
        // In this order, so that a crash between the two leaves both rather than neither.
        accept_as(&self.target, self.new)?;
        remove(&self.path)
    }

    /// Throws it away.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn reject(self) -> Result<(), SnapshotError> {
        remove(&self.path)
    }
}

/// Throws away the pending file at `path`, whatever it holds.
///
/// # Errors
/// When it is no pending file's path, or it cannot be removed.
pub fn discard(path: &Path) -> Result<(), SnapshotError> {
    if path.extension() != Some(OsStr::new("new")) {
        return Err(SnapshotError::NotPending { path: path.to_owned() });
    }
    remove(path)
}

/// The two files of a pending snapshot as they stood at a moment, byte for byte: to see whether they are still what was
/// shown, and to take a decision back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    path: PathBuf,
    pending: Option<Vec<u8>>,
    accepted: Option<Vec<u8>>,
}

impl Files {
    /// As they stand now.
    ///
    /// # Errors
    /// When one is there and cannot be read.
    pub fn now(path: &Path) -> Result<Self, SnapshotError> {
        let bytes = |path: &Path| match disk::read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(SnapshotError::Unreadable { path: path.to_owned(), source }),
        };
        Ok(Self { path: path.to_owned(), pending: bytes(path)?, accepted: bytes(&path.with_extension(""))? })
    }

    /// Whether the pending one is there.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.pending.is_some()
    }

    /// Brings both back as they were.
    ///
    /// # Errors
    /// When one cannot be written or removed.
    pub fn restore(&self) -> Result<(), SnapshotError> {
        // The pending one first: a crash between the two leaves something to decide on.
        let target = self.path.with_extension("");
        for (path, bytes) in [(&self.path, &self.pending), (&target, &self.accepted)] {
            match bytes {
                Some(bytes) => write(path, bytes)?,
                None => remove(path)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "review_tests.rs"]
mod tests;
