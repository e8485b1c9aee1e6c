//! How a run ends: its reports, its snapshots, its summary, the exit code, and what is said where it could not be written.

use std::path::Path;

use super::console::Console;
use super::environment;
use super::exit::Exit;
use super::output::{self, Format, Said};
use super::runs::JOURNAL;
use super::snapshots::{self, Compared, SnapshotSettings};
use crate::event::{Event, SnapshotsDone};
use crate::journal::{JournalError, Reader, Writer};
use crate::report::terminal::Around;
use crate::report::{ReportError, SnapshotNote, Summary, files, markdown};
use crate::run::{Ended, contamination};
use crate::text::escape::{no_command, visible};

/// Compares the snapshots, makes the reports from the journal, says what came of the run. `kept` is what became of its
/// recordings. Where it has canaries, those of one conversation are looked for in what was said to others first.
pub fn finish(
    folder: &Path,
    (ended, kept): (Ended, Exit),
    journal: &mut Writer,
    (settings, format, has_canaries): (&SnapshotSettings, Format, bool),
    console: &Console,
) -> Exit {
    let mut outcomes = vec![kept];
    outcomes.extend((ended == Ended::Interrupted).then_some(Exit::Interrupted));
    let written = Reader::open(folder.join(JOURNAL)).map_err(anyhow::Error::from).and_then(|reader| {
        let reader = if has_canaries { contaminated(reader, journal, format, console)? } else { reader };
        let (compared, reader) = compared(reader, journal, settings)?;
        Ok((files::write_all(folder, &reader)?, compared, reader))
    });
    let exit = match written {
        Err(error) => {
            outcomes.push(Exit::NotWritten);
            let exit = Exit::worst(&outcomes);
            not_written(&[with_causes(&error)], folder, console);
            nothing_known(folder, exit, format, console);
            exit
        }
        Ok((summary, mut compared, reader)) => {
            compared.errors.extend(files::point_latest(folder).err().map(|error| error.to_string()));
            conclude(folder, (&summary, &compared, &reader), outcomes, format, console)
        }
    };
    if ended == Ended::Interrupted {
        console.error(&format!("`chat-eval run --resume {}` goes on with it", folder.display()));
    }
    exit
}

/// Looks for canaries where they have no business, and writes what came of it to the journal. Gives the journal as it then is.
///
/// # Errors
/// When the journal cannot be read, or takes nothing more.
fn contaminated(
    reader: Reader,
    journal: &mut Writer,
    format: Format,
    console: &Console,
) -> Result<Reader, JournalError> {
    let events = contamination::find(&reader)?;
    if events.is_empty() {
        return Ok(reader);
    }
    journal.append(&events).and_then(|()| journal.sync())?;
    if format.here(console) == Format::Json {
        for event in &events {
            output::say_late(&reader, event, console)?;
        }
    }
    Reader::open(reader.path())
}

/// Compares the snapshots of a run and writes what came of it to its journal, of which the reports are made. Gives the journal
/// as it then is.
///
/// # Errors
/// When the journal cannot be read.
pub fn compared(
    reader: Reader,
    journal: &mut Writer,
    settings: &SnapshotSettings,
) -> Result<(Compared, Reader), JournalError> {
    let mut compared = snapshots::compare(&reader, settings)?;
    // That all match goes without saying, unless it was otherwise when the run came to its end before.
    if compared.notes == reader.snapshots()? {
        return Ok((compared, reader));
    }
    let done = Event::Snapshots(SnapshotsDone { snapshots: compared.notes.clone() });
    match journal.append([&done]).and_then(|()| journal.sync()) {
        Ok(()) => Ok((compared, Reader::open(reader.path())?)),
        Err(error) => {
            compared.errors.push(error.to_string());
            Ok((compared, reader))
        }
    }
}

/// Says what came of a run whose reports are written, and what could not be written.
pub fn conclude(
    folder: &Path,
    (summary, compared, journal): (&Summary, &Compared, &Reader),
    mut outcomes: Vec<Exit>,
    format: Format,
    console: &Console,
) -> Exit {
    if summary.totals.has_failures() || compared.notes.iter().any(|note| note.is_failure) {
        outcomes.push(Exit::Failed);
    }
    if summary.totals.has_errors() {
        outcomes.push(Exit::Errored);
    }
    if !compared.errors.is_empty() {
        outcomes.push(Exit::NotWritten);
    }
    let exit = Exit::worst(&outcomes);
    let shown = folder.display().to_string();
    let shard = journal.manifest().shard;
    let around = Around { folder: &shown, wall: journal.wall(), snapshots: &compared.notes, shard };
    output::say(&Said { summary: Some(summary), around, exit_code: exit.code() }, format, console);
    if let Err(error) = show_in_step(summary, journal, &compared.notes) {
        // The page is a courtesy of the service's: the run has all that is on it.
        console.error(&format!("warning: {}", no_command(&visible(&error.to_string()))));
    }
    if !compared.errors.is_empty() {
        not_written(&compared.errors, folder, console);
    }
    exit
}

/// The last word on a run of which there are no reports.
pub fn nothing_known(folder: &Path, exit: Exit, format: Format, console: &Console) {
    let shown = folder.display().to_string();
    let around = Around { folder: &shown, wall: None, snapshots: &[], shard: None };
    output::say(&Said { summary: None, around, exit_code: exit.code() }, format, console);
}

/// Shows the run, and what became of its snapshots, where GitHub Actions shows what steps have to say.
fn show_in_step(summary: &Summary, journal: &Reader, notes: &[SnapshotNote]) -> Result<(), ReportError> {
    let Some(file) = environment::step_summary() else { return Ok(()) };
    let around = markdown::Around { manifest: journal.manifest(), wall: journal.wall(), snapshots: notes };
    let page = markdown::render(summary, around, |plan| journal.record_of(plan))?;
    files::append_to_step(&file, &page)
}

/// Says what could not be written, and where all is that was said.
fn not_written(errors: &[String], folder: &Path, console: &Console) {
    console.settle();
    for error in errors {
        console.fatal(error);
    }
    console.error(&format!(
        "everything that was said is in {}, and `chat-eval report {}` makes the other files of it",
        folder.join(JOURNAL).display(),
        folder.display()
    ));
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
