//! What a project begins with: a scenario with its accepted snapshots, a config file, a CI workflow. All of it passes at once.
//!
//! Nothing is overwritten: a file that is there is left as it is, and named.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::super::super::console::{Console, shown};
use super::super::super::exit::Exit;
use super::super::super::sources::CONFIG_FILE;
use super::super::schema;
use crate::disk;

const SCENARIO: &str = "scenarios/first-name.yaml";
const WORKFLOW: &str = ".github/workflows/chat-eval.yml";
const IGNORED: &str = ".gitignore";

/// The snapshots belong to the scenario as it is here.
const SNAPSHOTS: [(&str, &str); 2] = [
    ("scenarios/snapshots/first-name@concierge.builtin.2.snap", include_str!("first-name.2.snap")),
    ("scenarios/snapshots/first-name@concierge.builtin.full.snap", include_str!("first-name.full.snap")),
];

/// What editors read. It is beside what they edit, and not on some host: it works without a network, and is of the version that
/// wrote it.
const SCHEMAS: [(&str, bool); 2] =
    [(".chat-eval/scenario.schema.json", false), (".chat-eval/config.schema.json", true)];

/// What is made, a file for each folder.
const PLACES: [&str; 4] = [SCENARIO, SNAPSHOTS[0].0, WORKFLOW, SCHEMAS[0].0];

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Made {
    New,
    /// It was there, and says the same.
    Same,
    /// It was there, and says something else.
    Other,
}

/// Writes what is not there yet, says what it did and what comes next.
pub(super) fn begin(folder: &Path, console: &Console) -> Exit {
    let link = PLACES.into_iter().find_map(|file| disk::link_above(folder, Path::new(file)));
    if let Some(link) = link {
        return super::linked(&link, console);
    }
    match write_all(folder) {
        Ok(files) => {
            for (file, made) in &files {
                let shown = shown(&folder.join(file));
                console.line(&match made {
                    Made::New => format!("made  {shown}"),
                    Made::Same => format!("kept  {shown}, which was there already"),
                    Made::Other => format!("kept  {shown}, which was there already and says something else"),
                });
            }
            console.print(&next(folder, &files));
            Exit::Passed
        }
        Err((path, error)) => {
            console.fatal(format!("cannot write `{}`: {error}", path.display()));
            console.error("help: what was there already is as it was; `chat-eval init DIR` takes another folder");
            Exit::NotWritten
        }
    }
}

fn write_all(folder: &Path) -> Result<Vec<(&'static str, Made)>, (PathBuf, io::Error)> {
    let workflow = include_str!("workflow.yml").replace("@VERSION@", env!("CARGO_PKG_VERSION"));
    let write = |file: &str, text: &str| {
        let path = folder.join(file);
        make(&path, text).map_err(|error| (path, error))
    };
    let scenario = write(SCENARIO, include_str!("first-name.yaml"))?;
    let mut files = vec![(SCENARIO, scenario)];
    // Of a scenario that was changed since, ours would be the wrong ones.
    if scenario != Made::Other {
        for (file, text) in SNAPSHOTS {
            files.push((file, write(file, text)?));
        }
    }
    files.push((CONFIG_FILE, write(CONFIG_FILE, include_str!("chat-eval.yaml"))?));
    files.push((WORKFLOW, write(WORKFLOW, &workflow)?));
    files.push((IGNORED, write(IGNORED, include_str!("gitignore"))?));
    for (file, is_config) in SCHEMAS {
        files.push((file, write(file, &schema::text(is_config))?));
    }
    Ok(files)
}

/// Makes a file, with the folders above it, unless there is something of its name.
fn make(path: &Path, text: &str) -> io::Result<Made> {
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    match fs::File::create_new(path) {
        Ok(mut file) => file.write_all(text.as_bytes()).map(|()| Made::New),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let is_same = disk::read(path).is_ok_and(|there| there == text.as_bytes());
            Ok(if is_same { Made::Same } else { Made::Other })
        }
        Err(error) => Err(error),
    }
}

/// What the user does next.
fn next(folder: &Path, files: &[(&str, Made)]) -> String {
    let made = |name: &str| files.iter().find(|(file, _)| *file == name).map(|(_, made)| *made);
    let is_here = folder.components().all(|part| part == std::path::Component::CurDir);
    let mut lines = vec![String::new()];
    if made(IGNORED) == Some(Made::Other) {
        let missing = missing_rules(&String::from_utf8_lossy(&disk::read(&folder.join(IGNORED)).unwrap_or_default()));
        if !missing.is_empty() {
            lines.push(format!("add to {}: {}", shown(&folder.join(IGNORED)), missing.join(" and ")));
        }
    }
    if let Some(root) = root_above(folder).filter(|_| made(WORKFLOW) == Some(Made::New)) {
        let own = folder.canonicalize().ok();
        let own = own.as_ref().and_then(|own| own.strip_prefix(&root).ok()).unwrap_or(folder);
        lines.push(format!(
            "GitHub looks for workflows in {} only: move it there, and let its steps run in {}",
            shown(&root.join(".github/workflows")),
            shown(own)
        ));
    }
    lines.push("next:".to_owned());
    if !is_here {
        lines.push(format!("  cd {}", shown(folder)));
    }
    lines.push("  chat-eval run scenarios/".to_owned());
    lines.join("\n") + "\n"
}

/// The rules that a `.gitignore` lacks.
fn missing_rules(text: &str) -> Vec<&'static str> {
    let rules = include_str!("gitignore").lines().filter(|rule| !rule.starts_with('#'));
    let bare = |rule: &str| rule.trim().trim_matches('/').to_owned();
    rules.filter(|rule| !text.lines().any(|line| bare(line) == bare(rule))).collect()
}

/// The root of the repository that the folder lies in, where that is not the folder itself.
fn root_above(folder: &Path) -> Option<PathBuf> {
    let folder = folder.canonicalize().ok()?;
    let root = folder.ancestors().find(|above| above.join(".git").exists())?;
    (root != folder).then(|| root.to_owned())
}
