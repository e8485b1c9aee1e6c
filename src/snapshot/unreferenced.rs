//! Accepted snapshots whose scenario or variant is gone.
//!
//! A snapshot lies beside its scenario and its name begins with the scenario's, so it can be judged from what is known of
//! one folder. Nothing is said of a snapshot whose scenario may only not have been looked at.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::name::file_name;
use super::store::{SnapshotError, read};
use crate::model::VariantKey;
use crate::text::escape::file_name_part;

/// What is known of a folder of scenarios.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The files of the snapshots that its variants have: of each name only a hash, since there may be a great many. Where
    /// two should share one, a snapshot is taken to be in use.
    files: HashSet<u64>,
    hasher: RandomState,
    /// How the names of its scenarios begin a file's name.
    scenarios: HashSet<String>,
    /// Whether these are all the scenarios that lie there. Of others nothing can be said, unless they are.
    is_whole: bool,
}

impl Known {
    /// That these are all the scenarios that lie there.
    #[must_use]
    pub fn whole(self) -> Self {
        Self { is_whole: true, ..self }
    }

    /// A variant that has a snapshot in this folder; without one where its scenario wants none.
    pub fn add(&mut self, variant: &VariantKey, has_snapshot: bool) {
        if has_snapshot {
            self.files.insert(self.hasher.hash_one(file_name(variant).as_str()));
        }
        self.scenarios.insert(file_name_part(&variant.scenario));
    }

    /// What is gone of the snapshot with this file name; `None` where it is in use, or that is not known.
    fn gone(&self, name: &str) -> Option<Gone> {
        let (scenario, _) = name.split_once('@')?;
        if self.files.contains(&self.hasher.hash_one(name)) {
            None
        } else if self.scenarios.contains(scenario) {
            Some(Gone::Variant)
        } else {
            self.is_whole.then_some(Gone::Scenario)
        }
    }
}

/// What a snapshot was of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// Its scenario is there, and has no such variant, or wants no snapshots.
    Variant,
    /// No scenario of its folder has its name.
    Scenario,
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Variant => "its scenario has no such variant",
            Self::Scenario => "its scenario is gone",
        })
    }
}

/// A snapshot that nothing refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreferenced {
    /// Where it lies.
    pub path: PathBuf,
    /// What is gone.
    pub gone: Gone,
    /// Whether it was accepted; else it waits for review.
    pub is_accepted: bool,
}

impl Unreferenced {
    /// Removes it.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self) -> Result<(), SnapshotError> {
        super::store::remove(&self.path)
    }
}

/// The snapshots, accepted and pending, of this folder of scenarios to which nothing refers, in byte order of their names.
///
/// # Errors
/// When the snapshots' folder cannot be read. One that is not there has none.
pub fn unreferenced(scenario_folder: &Path, known: &Known) -> Result<Vec<Unreferenced>, SnapshotError> {
    let folder = scenario_folder.join("snapshots");
    let mut found = Vec::new();
    for name in file_names(&folder)? {
        let accepted = name.strip_suffix(".new").unwrap_or(&name);
        let path = folder.join(&name);
        let Some(gone) = known.gone(accepted) else { continue };
        if source(&path).is_some_and(|source| gone == Gone::Variant || !is_played_by_name(scenario_folder, &source)) {
            found.push(Unreferenced { gone, is_accepted: accepted.len() == name.len(), path });
        }
    }
    Ok(found)
}

/// The names of the files of a folder that may be snapshots.
fn file_names(folder: &Path) -> Result<BTreeSet<String>, SnapshotError> {
    let unreadable = |source| SnapshotError::Unreadable { path: folder.to_owned(), source };
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeSet::new()),
        result => result.map_err(unreadable)?,
    };
    let mut names = BTreeSet::new();
    for entry in entries {
        let entry = entry.map_err(unreadable)?;
        // A link is nothing that was written here.
        let is_file = entry.file_type().map_err(unreadable)?.is_file();
        let name = entry.file_name();
        let is_snapshot = |name: &&str| name.strip_suffix(".new").unwrap_or(name).strip_suffix(".snap").is_some();
        names.extend(name.to_str().filter(is_snapshot).filter(|_| is_file).map(str::to_owned));
    }
    Ok(names)
}

/// Whether a scenario lies there that no folder's run looks at, and that is played where its file is named: nobody knows what
/// snapshots it has.
fn is_played_by_name(scenario_folder: &Path, source: &Path) -> bool {
    let name = source.file_name().unwrap_or_default();
    let is_left_out = matches!(name.as_encoded_bytes().first(), Some(b'_' | b'.'));
    is_left_out && scenario_folder.join(name).is_file()
}

/// The scenario that a snapshot is of. Others, those of Rust tests above all, are none of our business, and one that cannot be
/// read is looked at by people.
fn source(path: &Path) -> Option<PathBuf> {
    let source = read(path).ok().flatten()?.metadata.source.map(PathBuf::from)?;
    let extension = source.extension().and_then(OsStr::to_str);
    extension.is_some_and(|extension| matches!(extension, "yaml" | "yml")).then_some(source)
}

/// The folders below `root`, itself included, that have snapshots beside their scenarios, in order; where `root` is such
/// a folder of snapshots, the one that it lies in. Folders in which nothing is a scenario are left out.
///
/// # Errors
/// When `root` or a folder below it cannot be read.
pub fn scenario_folders(root: &Path) -> Result<Vec<PathBuf>, SnapshotError> {
    let is_passed_over = |entry: &ignore::DirEntry| {
        let name = entry.file_name();
        let is_hidden = name.as_encoded_bytes().starts_with(b".") || name.as_encoded_bytes().starts_with(b"_");
        entry.depth() > 0 && (is_hidden || name == "target" || name == "node_modules")
    };
    let walk = ignore::WalkBuilder::new(root)
        .standard_filters(false)
        .filter_entry(move |entry| entry.file_type().is_some_and(|kind| kind.is_dir()) && !is_passed_over(entry))
        .build();
    let mut folders = Vec::new();
    for entry in walk {
        let entry = entry.map_err(|error| SnapshotError::Unreadable {
            path: root.to_owned(),
            source: error.into_io_error().unwrap_or_else(|| std::io::Error::other("a folder below it cannot be read")),
        })?;
        let is_snapshots = |path: &Path| path.file_name().is_some_and(|name| name == "snapshots");
        if entry.depth() > 0 && is_snapshots(entry.path()) {
            folders.extend(entry.path().parent().map(Path::to_owned));
        } else if entry.depth() == 0 && std::path::absolute(root).is_ok_and(|root| is_snapshots(&root)) {
            folders.push(root.join(".."));
        }
    }
    folders.sort();
    Ok(folders)
}
