//! Which snapshots nothing refers to any more, as far as a run can say: only a run of all that its scenarios have knows
//! what they do not have.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use super::args::RunArgs;
use super::environment::Environment;
use super::{earlier, sources};
use crate::event::{Manifest, Record};
use crate::model::{End, SnapshotMode};
use crate::report::SnapshotNote;
use crate::snapshot::{self, Known};

/// The snapshots that the conversations of a run refer to.
#[derive(Debug)]
pub struct References {
    /// The paths of the run.
    paths: Vec<PathBuf>,
    /// What is known of each folder of scenarios, by its path without links; with the path as it is shown.
    folders: BTreeMap<PathBuf, (PathBuf, Known)>,
    /// The folder of the last conversation as its file has it, and without links: the next one is often of the same.
    last: Option<(PathBuf, PathBuf)>,
    /// How many conversations were played to their end.
    ended: u32,
}

impl References {
    /// None yet; `None` where the run had only a part of what its scenarios have.
    pub fn of(manifest: &Manifest) -> Option<Self> {
        let paths = unfiltered(manifest)?.selection.paths;
        Some(Self { paths, folders: BTreeMap::new(), last: None, ended: 0 })
    }

    /// Takes in a conversation.
    pub fn add(&mut self, record: &Record) {
        if record.end() != End::Interrupted {
            self.ended += 1;
        }
        // A scenario on standard input lies in no folder.
        if record.begin.key.trial == 1 && record.begin.file != "-" {
            let has_snapshot = record.begin.snapshot.mode != SnapshotMode::Off;
            let folder = Path::new(&record.begin.file).parent().unwrap_or(Path::new(""));
            self.folder(folder).add(&record.begin.key.variant, has_snapshot);
        }
    }

    fn folder(&mut self, folder: &Path) -> &mut Known {
        let identity = match self.last.take().filter(|(last, _)| last == folder) {
            Some((_, identity)) => identity,
            None => identity(folder),
        };
        self.last = Some((folder.to_owned(), identity.clone()));
        &mut self.folders.entry(identity).or_insert_with(|| (folder.to_owned(), Known::default())).1
    }

    /// What is to be said of accepted snapshots to which nothing refers; nothing where the run was not played to its end.
    pub fn notes(mut self, manifest: &Manifest) -> Vec<SnapshotNote> {
        if self.ended != manifest.conversations {
            return Vec::new();
        }
        // The last scenario of a folder may be gone, and its snapshots be left.
        for root in std::mem::take(&mut self.paths).iter().filter(|path| path.is_dir()) {
            for folder in snapshot::scenario_folders(root, "snapshots").unwrap_or_default() {
                self.folder(&folder);
            }
        }
        let loaded = manifest.scenarios.iter().map(|scenario| file_identity(Path::new(&scenario.path))).collect();
        let mut notes = Vec::new();
        for (folder, known) in self.folders.into_values() {
            let known = if is_whole(&folder, &loaded) { known.whole() } else { known };
            // Of a folder that cannot be read nothing is known, and it is no failure: nothing there was asked for.
            let found = snapshot::unreferenced(&folder, &known).unwrap_or_default();
            notes.extend(found.into_iter().filter(|unreferenced| unreferenced.is_accepted).map(|unreferenced| {
                let what = format!("unreferenced: {}; `chat-eval review --prune` removes it", unreferenced.gone);
                let path = unreferenced.path.display().to_string();
                SnapshotNote { plan: None, path, what, is_failure: false, is_pending: false, ..SnapshotNote::default() }
            }));
        }
        notes
    }
}

/// The arguments of a run that plays everything in its scenarios.
fn unfiltered(manifest: &Manifest) -> Option<RunArgs> {
    let is_part = manifest.shard.is_some() || manifest.rerun.is_some() || manifest.recheck.is_some();
    if is_part || Environment::of_run(manifest).model().is_some() {
        return None;
    }
    // The parts of a merged run are all there, so that theirs do not count.
    let (args, _) = earlier::command_line(earlier::plan_arguments(manifest)).ok()?;
    let is_whole = args.filter.is_empty()
        && args.tag.is_empty()
        && args.persona.is_empty()
        && args.model.is_empty()
        && args.window.is_empty();
    is_whole.then_some(args)
}

/// Whether all the scenarios that lie in a folder are among those that were loaded.
pub(super) fn is_whole(folder: &Path, loaded: &HashSet<PathBuf>) -> bool {
    let (files, diagnostics) = sources::in_folder(folder);
    diagnostics.is_empty() && files.iter().all(|file| loaded.contains(&file_identity(file)))
}

pub(super) fn identity(folder: &Path) -> PathBuf {
    let shown = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    shown.canonicalize().unwrap_or_else(|_| folder.to_owned())
}

/// A scenario is the file that has its name in its folder, not what that may be a link to.
pub(super) fn file_identity(file: &Path) -> PathBuf {
    identity(file.parent().unwrap_or(Path::new(""))).join(file.file_name().unwrap_or_default())
}
