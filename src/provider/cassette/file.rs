//! Where a cassette lies, and how it is read and written.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::{Cassette, Damaged};
use crate::disk;

/// The largest file that is read, in bytes.
const LARGEST: u64 = 256 << 20;
const FOLDER: &str = "cassettes";

/// Why a cassette cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CassetteError {
    /// It is no cassette, or not any more.
    #[error("`{path}` is damaged: {source}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where and how.
        source: Damaged,
    },
    /// It is larger than any cassette.
    #[error("`{path}` has more than {} MiB", LARGEST >> 20, path = path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The folder is a link: whoever records would write elsewhere.
    #[error("`{path}` is a link; recordings lie in the scenario's own folder", path = path.display())]
    Elsewhere {
        /// The folder, or the file.
        path: PathBuf,
    },
    /// It cannot be read.
    #[error("cannot read `{path}`: {source}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It cannot be written.
    #[error("cannot write `{path}`: {source}", path = path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Where the recordings of a scenario lie: in the folder `cassettes` beside its file.
#[must_use]
pub fn path(scenario_file: &Path, scenario: &str) -> PathBuf {
    scenario_file.with_file_name(FOLDER).join(format!("{scenario}.jsonl"))
}

/// Reads a cassette; `None` where there is none.
///
/// # Errors
/// When it cannot be read, or is no cassette.
pub fn read(path: &Path) -> Result<Option<Cassette>, CassetteError> {
    let unreadable = |source| CassetteError::Unreadable { path: path.to_owned(), source };
    not_elsewhere(path)?;
    let length = match std::fs::metadata(path) {
        Ok(meta) => meta.len(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    if length > LARGEST {
        return Err(CassetteError::TooLarge { path: path.to_owned() });
    }
    let text = disk::read(path).map_err(unreadable)?;
    let damaged = |source| CassetteError::Damaged { path: path.to_owned(), source };
    let text = String::from_utf8(text).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()].split(|byte| *byte == b'\n').count();
        damaged(Damaged { line, what: "not UTF-8".to_owned() })
    })?;
    Cassette::parse(&text).map(Some).map_err(damaged)
}

/// Writes a cassette, whole or not at all; one without recordings is removed.
///
/// # Errors
/// When it cannot be written.
pub fn write(path: &Path, scenario: &str, cassette: &Cassette) -> Result<(), CassetteError> {
    let unwritable = |source| CassetteError::Unwritable { path: path.to_owned(), source };
    not_elsewhere(path)?;
    if cassette.entries().is_empty() {
        return match std::fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(unwritable(error)),
            _ => Ok(()),
        };
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(unwritable)?;
    let mut file = draft(folder).map_err(unwritable)?;
    file.write_all(cassette.to_text(scenario).as_bytes()).map_err(unwritable)?;
    file.as_file().sync_all().map_err(unwritable)?;
    file.persist(path).map_err(|error| unwritable(error.error))?;
    Ok(())
}

/// A temporary file is its maker's alone; what is kept under version control is whose the system says.
fn draft(folder: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".cassette-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

fn not_elsewhere(path: &Path) -> Result<(), CassetteError> {
    let is_link = |path: &Path| path.symlink_metadata().is_ok_and(|meta| meta.is_symlink());
    match [path.parent(), Some(path)].into_iter().flatten().find(|path| is_link(path)) {
        Some(path) => Err(CassetteError::Elsewhere { path: path.to_owned() }),
        None => Ok(()),
    }
}
