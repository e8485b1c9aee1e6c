//! How a run ends: its reports, its snapshots, its summary, the exit code, and what is said where it could not be written.

use std::path::Path;

use super::console::Console;
use super::environment;
use super::exit::Exit;
use super::look;
use super::runs::JOURNAL;
use super::snapshots::{self, Compared, SnapshotSettings};
use crate::journal::{JournalError, Reader};
use crate::report::{ReportError, SnapshotNote, Summary, files, markdown, terminal};
use crate::run::Ended;
use crate::text::escape::{no_command, visible};

/// Makes the reports from the journal, compares the snapshots, prints the summary.
pub fn finish(folder: &Path, ended: Ended, settings: &SnapshotSettings, console: &Console) -> Exit {
    let mut outcomes = Vec::new();
    if ended == Ended::Interrupted {
        outcomes.push(Exit::Interrupted);
    }
    let written = Reader::open(folder.join(JOURNAL))
        .map_err(anyhow::Error::from)
        .and_then(|journal| Ok((files::write_all(folder, &journal)?, journal)));
    outcomes.push(match written {
        Err(error) => not_written(&[with_causes(&error)], folder, console),
        Ok((summary, journal)) => {
            let link = files::point_latest(folder).err().map(|error| error.to_string());
            conclude(folder, (&summary, &journal), link, settings, console)
        }
    });
    if ended == Ended::Interrupted {
        console.error(&format!("`chat-eval run --resume {}` goes on with it", folder.display()));
    }
    Exit::worst(&outcomes)
}

/// Compares the snapshots of a run whose reports are written, and prints the summary. `wrong` is what could not be written
/// before.
pub fn conclude(
    folder: &Path,
    (summary, journal): (&Summary, &Reader),
    wrong: Option<String>,
    settings: &SnapshotSettings,
    console: &Console,
) -> Exit {
    let mut outcomes = Vec::new();
    let compared = snapshots::compare(journal, settings)
        .unwrap_or_else(|error| Compared { errors: vec![error.to_string()], ..Compared::default() });
    let shown = folder.display().to_string();
    let shard = journal.manifest().shard;
    let around = terminal::Around { folder: &shown, wall: journal.wall(), snapshots: &compared.notes, shard };
    console.settle();
    console.print(&terminal::render(summary, around, look(console)));
    if let Err(error) = show_in_step(summary, journal, &compared.notes) {
        // The page is a courtesy of the service's: the run has all that is on it.
        console.error(&format!("warning: {}", no_command(&visible(&error.to_string()))));
    }
    if summary.totals.has_failures() || compared.notes.iter().any(|note| note.is_failure) {
        outcomes.push(Exit::Failed);
    }
    if summary.totals.has_errors() {
        outcomes.push(Exit::Errored);
    }
    let wrong: Vec<String> = wrong.into_iter().chain(compared.errors).collect();
    if !wrong.is_empty() {
        outcomes.push(not_written(&wrong, folder, console));
    }
    Exit::worst(&outcomes)
}

/// Shows the run, and what became of its snapshots, where GitHub Actions shows what steps have to say.
fn show_in_step(summary: &Summary, journal: &Reader, notes: &[SnapshotNote]) -> Result<(), ReportError> {
    let Some(file) = environment::step_summary() else { return Ok(()) };
    let around = markdown::Around { manifest: journal.manifest(), wall: journal.wall(), snapshots: Some(notes) };
    let page = markdown::render(summary, around, |plan| journal.record_of(plan))?;
    files::append_to_step(&file, &page)
}

/// Says what could not be written, and where all is that was said.
fn not_written(errors: &[String], folder: &Path, console: &Console) -> Exit {
    console.settle();
    for error in errors {
        console.fatal(error);
    }
    console.error(&format!(
        "everything that was said is in {}, and `chat-eval report {}` makes the other files of it",
        folder.join(JOURNAL).display(),
        folder.display()
    ));
    Exit::NotWritten
}

/// What is left of a run that cannot be written any more, and how it goes on.
pub fn what_is_safe(error: &anyhow::Error, folder: &Path) -> String {
    match error.downcast_ref::<JournalError>() {
        Some(JournalError::Gone { .. }) => format!(
            "nothing more was sent; where the folder was only moved, what was done until then is in its journal, and \
             `chat-eval run --resume FOLDER` goes on with it; nothing is left in {}",
            folder.display()
        ),
        _ => format!(
            "nothing more was sent; what was done until then is in {}, and once that can be written again, \
             `chat-eval run --resume {}` goes on with it",
            folder.join(JOURNAL).display(),
            folder.display()
        ),
    }
}

/// The error with its causes, but for those that it names itself.
pub fn with_causes(error: &anyhow::Error) -> String {
    error
        .chain()
        .skip(1)
        .map(ToString::to_string)
        .fold(error.to_string(), |text, cause| if text.contains(&cause) { text } else { format!("{text}: {cause}") })
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn a_cause_is_said_once() {
        let gone = || std::io::Error::other("the disk is full");
        let told: anyhow::Error = crate::journal::JournalError::NotRead { path: "j".into(), source: gone() }.into();
        assert_eq!(with_causes(&told), "cannot read the journal `j`: the disk is full");
        let untold = Err::<(), _>(gone()).context("cannot make the folder `r`").unwrap_err();
        assert_eq!(with_causes(&untold), "cannot make the folder `r`: the disk is full");
    }
}
