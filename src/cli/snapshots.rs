//! Compares the transcripts of a run with the accepted snapshots.

use std::path::{Path, PathBuf};

use super::args::Snapshots;
use super::unreferenced::References;
use crate::event::{Begin, Record};
use crate::journal::{JournalError, Reader};
use crate::model::TurnId;
use crate::report::SnapshotNote;
use crate::snapshot::{self, Difference, Mode, Sign, Snapshot, SnapshotError, Status, Transcriber};
use crate::text::layout::truncate;

/// Of so many snapshots the difference is told, so many lines of it, and so many characters of each.
const DIFFS: usize = 20;
const DIFF_LINES: usize = 60;
const DIFF_WIDTH: usize = 300;

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
    let (mut transcriber, mut references) = (Transcriber::default(), References::of(journal.manifest()));
    for record in journal.records() {
        let record = record?;
        if let Some(references) = &mut references {
            references.add(&record);
        }
        // A scenario on standard input has no folder that its snapshots could lie in.
        if record.begin.key.trial != 1 || record.begin.file == "-" {
            continue;
        }
        let path = snapshot::path(Path::new(&record.begin.file), &record.begin.key.variant);
        let snapshot = match transcriber.snapshot(&record, &relative(&record.begin.file, &settings.base)) {
            Ok(Some(snapshot)) => snapshot,
            Ok(None) => continue,
            Err(error) => {
                compared.notes.push(failure(&path, &record, format!("no snapshot: {error}")));
                continue;
            }
        };
        match snapshot::check(&path, &snapshot, settings.mode) {
            Ok(status) => {
                let told = note(&path, &record, status, settings);
                let diffs = compared.notes.iter().filter(|note| note.diff.is_some()).count();
                compared.notes.extend(told.map(|note| {
                    let is_shown = note.is_failure && diffs < DIFFS;
                    let diff = is_shown.then(|| beginning_of_difference(&path, &snapshot)).flatten();
                    SnapshotNote { diff, ..note }
                }));
            }
            Err(SnapshotError::Malformed { source, .. }) => compared.notes.push(failure(
                &path,
                &record,
                format!("no snapshot: {source}; remove it, or bring back the one under version control"),
            )),
            Err(SnapshotError::Foreign { what, .. }) => {
                compared.notes.push(failure(&path, &record, format!("no snapshot: {what}")));
            }
            Err(error) => compared.errors.push(error.to_string()),
        }
    }
    compared.notes.extend(references.into_iter().flat_map(|references| references.notes(journal.manifest())));
    Ok(compared)
}

fn failure(path: &Path, record: &Record, what: String) -> SnapshotNote {
    SnapshotNote { what, is_failure: true, ..of(path, record) }
}

fn note(path: &Path, record: &Record, status: Status, settings: &SnapshotSettings) -> Option<SnapshotNote> {
    let is_live = |turn: TurnId| record.turns.iter().any(|done| done.turn == turn && done.source.is_live());
    let is_pending = matches!(status, Status::Missing { pending: Some(_) } | Status::Differs { pending: Some(_), .. });
    let (what, is_failure) = match status {
        Status::Off | Status::Matched => return None,
        Status::Missing { pending } => {
            let waits = if pending.is_some() { "new, waits for review" } else { "not accepted yet" };
            (waits.to_owned(), settings.is_ci)
        }
        Status::Differs { difference, .. } => {
            let is_failure = difference.is_regression(is_live);
            (different(&difference, is_failure, is_pending), is_failure)
        }
        Status::Written { difference: Some(difference) } => (format!("overwritten: {difference}"), false),
        Status::Written { difference: None } => ("written".to_owned(), false),
    };
    Some(SnapshotNote { what, is_failure, is_pending, ..of(path, record) })
}

/// A note of which nothing is said yet but whose it is.
fn of(path: &Path, record: &Record) -> SnapshotNote {
    let Begin { plan, file, .. } = &record.begin;
    let (plan, scenario) = (Some(*plan), Some(file.clone()));
    SnapshotNote { plan, scenario, path: path.display().to_string(), ..SnapshotNote::default() }
}

/// The beginning of what differs from the accepted snapshot. Where CI is set nothing is written, so whoever reads the reports sees
/// it there or nowhere.
fn beginning_of_difference(path: &Path, new: &Snapshot) -> Option<String> {
    // One that cannot be read is said already.
    let old = snapshot::read(path).ok().flatten()?;
    let lines = snapshot::diff(old.contents(), new.contents());
    let shown = lines.iter().take(DIFF_LINES).map(|line| match line.sign {
        Sign::Gap => "…\n".to_owned(),
        sign => format!("{} {}\n", sign.mark(), truncate(&line.text, DIFF_WIDTH)),
    });
    let text: String = shown.collect();
    let more = lines.len().saturating_sub(DIFF_LINES);
    Some(if more > 0 { format!("{text}… and {more} lines more\n") } else { text })
}

/// What is said of a transcript that is not the accepted one.
fn different(difference: &Difference, is_failure: bool, is_pending: bool) -> String {
    match difference {
        Difference::Words { .. } if !is_failure => {
            format!("differs in words only, as live replies do: {difference}")
        }
        // Nothing is wrong with the bot: what it was asked is another thing than what was accepted.
        _ if difference.is_outdated_script() => {
            let way = if is_pending { "`chat-eval review`" } else { "`run --snapshots new` and `chat-eval review`" };
            format!("{difference} (the script moved; {way} to accept that)")
        }
        _ => format!("differs: {difference}"),
    }
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
