//! Where a cassette lies, and how it is read and written.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use super::entry::Line;
use super::{Cassette, Damaged};
use crate::disk;

/// The largest file that is read, in bytes.
const LARGEST: u64 = 256 << 20;
/// No first line has more bytes.
const LONGEST_HEADER: u64 = 4096;
/// The folder of recordings, beside the scenarios.
pub const FOLDER: &str = "cassettes";
/// How the name of a file begins that is not whole yet. Random letters and digits follow, so many.
const DRAFT: &str = ".cassette-";
const DRAFT_RANDOM: usize = 6;

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

/// The scenarios of which recordings lie beside the scenarios of a folder: what lies there and does not say of itself that it is
/// the cassette of that name is left out.
#[must_use]
pub fn names(scenario_folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(scenario_folder.join(FOLDER)) else { return Vec::new() };
    let name = |entry: std::fs::DirEntry| {
        // A link is nothing that was written here, and a pipe would be waited for.
        let file = entry.file_type().is_ok_and(|kind| kind.is_file()).then(|| std::fs::File::open(entry.path()))?;
        let name = entry.file_name().to_str()?.strip_suffix(".jsonl")?.to_owned();
        let mut header = String::new();
        BufReader::new(file.ok()?.take(LONGEST_HEADER)).read_line(&mut header).ok()?;
        Line::is_header_of(&header, &name).then_some(name)
    };
    entries.flatten().filter_map(name).collect()
}

/// Removes a cassette whose scenario is gone.
///
/// # Errors
/// When it cannot be removed.
pub fn remove(path: &Path) -> Result<(), CassetteError> {
    let unwritable = |source| CassetteError::Unwritable { path: path.to_owned(), source };
    not_elsewhere(path)?;
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(unwritable(error)),
        _ => Ok(()),
    }
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
        return remove(path);
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(unwritable)?;
    sweep(folder);
    let mut file = draft(folder).map_err(unwritable)?;
    file.write_all(cassette.to_text(scenario).as_bytes()).map_err(unwritable)?;
    file.as_file().sync_all().map_err(unwritable)?;
    file.persist(path).map_err(|error| unwritable(error.error))?;
    Ok(())
}

/// A file to write into, whose lock is held until it has its name or is gone, so that nobody takes it for one that was left.
fn draft(folder: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(DRAFT).rand_bytes(DRAFT_RANDOM);
    // A temporary file is its maker's alone; what is kept under version control is whose the system says.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    loop {
        let draft = builder.tempfile_in(folder)?;
        // A file system without locks has none that a sweep could get either.
        let is_locked = draft.as_file().lock().is_ok();
        // Who sweeps may have been quicker than the lock.
        if !is_locked || draft.path().exists() {
            return Ok(draft);
        }
    }
}

/// Removes what a process that was killed while it wrote has left. What another one is writing is locked.
fn sweep(folder: &Path) {
    let is_draft = |name: &str| {
        let random = name.strip_prefix(DRAFT).unwrap_or_default();
        random.len() == DRAFT_RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if !is_file || !entry.file_name().to_str().is_some_and(is_draft) {
            continue;
        }
        // What cannot be swept is in nobody's way.
        if let Ok(left) = std::fs::File::open(entry.path())
            && left.try_lock().is_ok()
        {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn not_elsewhere(path: &Path) -> Result<(), CassetteError> {
    let is_link = |path: &Path| path.symlink_metadata().is_ok_and(|meta| meta.is_symlink());
    match [path.parent(), Some(path)].into_iter().flatten().find(|path| is_link(path)) {
        Some(path) => Err(CassetteError::Elsewhere { path: path.to_owned() }),
        None => Ok(()),
    }
}
