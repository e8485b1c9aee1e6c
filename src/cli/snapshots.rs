//! Compares the transcripts of a run with the accepted snapshots.

use std::path::{Path, PathBuf};

use super::args::Snapshots;
use crate::event::Record;
use crate::journal::{JournalError, Reader};
use crate::model::Source;
use crate::report::SnapshotNote;
use crate::snapshot::{self, Difference, Mode, Snapshot, SnapshotError, Status};

/// How snapshots are compared.
#[derive(Debug, Clone)]
pub struct SnapshotSettings {
    /// What is done where one differs.
    pub mode: Mode,
    /// Whether one that is missing fails the run.
    pub is_ci: bool,
    /// The folder that `source` in a snapshot is relative to.
    pub base: PathBuf,
}

impl SnapshotSettings {
    /// From the flag and the environment. `source` in a snapshot is relative to the config's folder.
    pub fn new(flag: Snapshots, config_folder: Option<&Path>) -> Self {
        let is_ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false" && value != "0");
        let mode = match flag {
            Snapshots::Auto if is_ci => Mode::No,
            Snapshots::Auto | Snapshots::New => Mode::New,
            Snapshots::No => Mode::No,
            Snapshots::Always => Mode::Always,
            Snapshots::Off => Mode::Off,
        };
        let base = config_folder.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Self { mode, is_ci, base: base.to_owned() }
    }
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Compared {
    /// What is to be said.
    pub notes: Vec<SnapshotNote>,
    /// Files that could not be read or written.
    pub errors: Vec<String>,
}

/// Compares the first trial of every variant.
///
/// # Errors
/// When the journal cannot be read.
pub fn compare(journal: &Reader, settings: &SnapshotSettings) -> Result<Compared, JournalError> {
    let mut compared = Compared::default();
    if settings.mode == Mode::Off {
        return Ok(compared);
    }
    for record in journal.records() {
        let record = record?;
        // A scenario on standard input has no folder that its snapshots could lie in.
        if record.begin.key.trial != 1 || record.begin.file == "-" {
            continue;
        }
        let Some(snapshot) = Snapshot::from_record(&record, &relative(&record.begin.file, &settings.base)) else {
            continue;
        };
        let path = snapshot::path(Path::new(&record.begin.file), &record.begin.key.variant);
        match snapshot::check(&path, &snapshot, settings.mode) {
            Ok(status) => compared.notes.extend(note(&path, &record, status, settings)),
            Err(SnapshotError::Malformed { source, .. }) => compared.notes.push(SnapshotNote {
                plan: Some(record.begin.plan),
                path: path.display().to_string(),
                what: format!("no snapshot: {source}; remove it, or bring back the one under version control"),
                is_failure: true,
                is_pending: false,
            }),
            Err(error) => compared.errors.push(error.to_string()),
        }
    }
    Ok(compared)
}

fn note(path: &Path, record: &Record, status: Status, settings: &SnapshotSettings) -> Option<SnapshotNote> {
    let is_live = |turn: u32| record.turns.iter().any(|done| done.turn == turn && done.source == Source::Live);
    let is_pending = matches!(status, Status::Missing { pending: Some(_) } | Status::Differs { pending: Some(_), .. });
    let (what, is_failure) = match status {
        Status::Off | Status::Matched => return None,
        Status::Missing { pending } => {
            let waits = if pending.is_some() { "new, waits for review" } else { "not accepted yet" };
            (waits.to_owned(), settings.is_ci)
        }
        Status::Differs { difference, .. } => {
            let is_failure = difference.is_regression(is_live);
            let kind = match difference {
                Difference::Words { .. } if !is_failure => "differs in words only, as live replies do: ",
                _ => "differs: ",
            };
            (format!("{kind}{difference}"), is_failure)
        }
        Status::Written { difference: Some(difference) } => (format!("overwritten: {difference}"), false),
        Status::Written { difference: None } => ("written".to_owned(), false),
    };
    let plan = Some(record.begin.plan);
    Some(SnapshotNote { plan, path: path.display().to_string(), what, is_failure, is_pending })
}

/// A path as a snapshot names it: relative to `base` where it lies below, with `/` on every system.
fn relative(file: &str, base: &Path) -> String {
    let absolute = |path: &Path| std::path::absolute(path).ok();
    let below = absolute(Path::new(file)).zip(absolute(base)).and_then(|(file, base)| {
        let below = file.strip_prefix(&base).ok()?;
        Some(below.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/"))
    });
    below.unwrap_or_else(|| file.replace('\\', "/"))
}
