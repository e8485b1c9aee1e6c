//! Recordings whose scenario is gone, deleted or renamed: told from the scenarios that lie beside them, and only where all
//! of those were loaded.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use super::sources;
use super::unreferenced::{file_identity, identity, is_whole};
use crate::provider::cassette;
use crate::scenario::Scenario;
use crate::snapshot;

/// The files of recordings, beside these scenarios and below the folders among `paths`, of which no scenario has the name; in
/// order. Nothing is said of a folder in which a scenario lies that was not loaded.
pub fn recordings(scenarios: &[Scenario], paths: &[PathBuf]) -> BTreeSet<PathBuf> {
    // What stands on standard input lies in no folder.
    let placed = scenarios.iter().filter(|scenario| scenario.source.path != "-");
    let files = placed.map(|scenario| (Path::new(&scenario.source.path), scenario.name.as_str()));
    let mut folders: BTreeSet<PathBuf> =
        files.clone().filter_map(|(file, _)| Some(file.parent()?.to_owned())).collect();
    // The last scenario of a folder may be gone, and its recordings be left.
    let roots = paths.iter().filter(|path| path.is_dir());
    folders.extend(roots.flat_map(|root| snapshot::scenario_folders(root, cassette::FOLDER).unwrap_or_default()));
    let recorded = folders.into_iter().map(|folder| (cassette::names(&folder), folder));
    let recorded: Vec<(Vec<String>, PathBuf)> = recorded.filter(|(names, _)| !names.is_empty()).collect();
    let mut gone = BTreeSet::new();
    if recorded.is_empty() {
        return gone;
    }
    let loaded: HashSet<PathBuf> = files.clone().map(|(file, _)| file_identity(file)).collect();
    let mut known: HashSet<PathBuf> = files.map(|(file, name)| cassette::path(&file_identity(file), name)).collect();
    let in_folder = |folder: &Path, name: &str| folder.join(cassette::FOLDER).join(format!("{name}.jsonl"));
    for (names, folder) in recorded {
        let real = identity(&folder);
        // In a folder that two paths lead to, all is known the second time.
        let left: Vec<String> = names.into_iter().filter(|name| known.insert(in_folder(&real, name))).collect();
        if left.is_empty() || !is_whole(&folder, &loaded) {
            continue;
        }
        let left = left.iter().filter(|name| !is_left_out(&folder, name));
        gone.extend(left.map(|name| in_folder(&folder, name)));
    }
    gone
}

/// Whether a file lies there that no folder's run looks at, and that may be the scenario of this name: it is played where it is
/// named.
fn is_left_out(folder: &Path, scenario: &str) -> bool {
    let shown = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let Ok(entries) = std::fs::read_dir(shown) else { return true };
    entries.flatten().map(|entry| entry.path()).any(|path| {
        let is_hidden =
            path.file_name().is_some_and(|name| matches!(name.as_encoded_bytes().first(), Some(b'_' | b'.')));
        let is_yaml = path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml");
        let is_named = || path.file_stem().is_some_and(|stem| stem == scenario);
        // One that cannot be read may be anything.
        is_hidden
            && is_yaml
            && path.is_file()
            && (is_named() || sources::read_text(&path).map_or(true, |text| text.contains(scenario)))
    })
}
