//! What is told to GitHub Actions beside the plain text: annotations at the lines of the scenario files.
//!
//! A failed check and a snapshot that fails the run are errors; what nobody could judge, and a conversation that could not
//! be carried through, are warnings: *failed is not errored*. GitHub shows ten of each a step; where there are more, the last
//! says how many.
//!
//! An annotation is one line that begins with our own `::`; all that comes from elsewhere is escaped into it.

use super::failure::{Evidence, Failure, FailureKind};
use super::summary::Summary;
use super::terminal::heading;
use super::wording::{one_line, several};
use crate::event::SnapshotNote;
use crate::text::escape::{no_command, quote, visible};
use crate::text::layout::{floor_boundary, truncate};

/// So many errors, and as many warnings, GitHub shows of a step.
const SHOWN: usize = 10;
/// How much is shown of a reason, in bytes, and of a reply and a title, in characters.
const DETAIL_MOST: usize = 2 * 1024;
const REPLY_MOST: usize = 400;
const TITLE_MOST: usize = 200;

/// One annotation.
struct Annotation {
    is_error: bool,
    file: Option<String>,
    /// Line and column; the column where it is known.
    place: Option<(u32, Option<u32>)>,
    title: String,
    message: String,
}

/// The annotations of a run, a line each; empty where there is nothing to say. `in_repository` gives a file's path as seen
/// from the root of the repository.
#[must_use]
pub fn annotations(
    summary: &Summary,
    snapshots: &[SnapshotNote],
    folder: &str,
    in_repository: &dyn Fn(&str) -> String,
) -> String {
    let of_checks = summary.failures.iter().map(|failure| of_failure(failure, in_repository));
    let failed = snapshots.iter().filter(|note| note.is_failure);
    let of_snapshots = failed.map(|note| of_snapshot(note, in_repository));
    let (errors, warnings): (Vec<_>, Vec<_>) =
        of_checks.chain(of_snapshots).partition(|annotation: &Annotation| annotation.is_error);
    // The summary has the first failures in full, and of all others their number.
    let failed = summary.failures.iter().filter(|failure| failure.kind == FailureKind::Failed).count() as u64;
    let more_errors = summary.totals.checks.fail.saturating_sub(failed);
    let more_warnings = summary.more_failures.saturating_sub(more_errors);
    let errors = limited(errors, more_errors, true, folder);
    let lines = errors.into_iter().chain(limited(warnings, more_warnings, false, folder));
    lines.map(|annotation| annotation.line() + "\n").collect()
}

/// As many as are shown, the last of them a word on the others.
fn limited(mut annotations: Vec<Annotation>, more: u64, is_error: bool, folder: &str) -> Vec<Annotation> {
    if more == 0 && annotations.len() <= SHOWN {
        return annotations;
    }
    let shown = annotations.len().min(SHOWN - 1);
    let rest = several((annotations.len() - shown) as u64 + more, "more", "more");
    annotations.truncate(shown);
    annotations.push(Annotation {
        is_error,
        file: None,
        place: None,
        title: "chat-eval".into(),
        message: format!("and {rest}: see the log, {folder}/checks.csv and {folder}/junit.xml"),
    });
    annotations
}

fn of_failure(failure: &Failure, in_repository: &dyn Fn(&str) -> String) -> Annotation {
    let detail = &failure.detail[..floor_boundary(&failure.detail, DETAIL_MOST)];
    let reply = match &failure.evidence {
        Evidence::Exchange { reply, .. } => Some(reply),
        Evidence::Request(request) => request.reply.as_ref(),
        Evidence::None => None,
    };
    let reply = reply.map_or_else(String::new, |reply| format!("\nreply {}", quote(reply, REPLY_MOST)));
    Annotation {
        is_error: failure.kind == FailureKind::Failed,
        // What came on standard input has no place.
        file: (failure.file != "-").then(|| in_repository(&failure.file)),
        place: failure.line.map(|line| (line, failure.column)),
        title: heading(&failure.key, failure.trial, failure.turn, &failure.title),
        message: format!("{detail}{reply}"),
    }
}

fn of_snapshot(note: &SnapshotNote, in_repository: &dyn Fn(&str) -> String) -> Annotation {
    Annotation {
        is_error: true,
        // The pull request changed the scenario, as a rule, and nothing is shown at a file that it did not touch.
        file: Some(in_repository(note.scenario.as_ref().unwrap_or(&note.path))),
        place: note.scenario.as_ref().map(|_| (1, None)),
        title: "snapshot".into(),
        message: note.scenario.as_ref().map_or_else(|| note.what.clone(), |_| format!("{}: {}", note.path, note.what)),
    }
}

impl Annotation {
    fn line(&self) -> String {
        let command = if self.is_error { "error" } else { "warning" };
        let file = self.file.as_ref().map(|file| format!("file={}", property(&one_line(file))));
        let place = self.place.filter(|_| file.is_some()).map(|(line, column)| match column {
            Some(column) => format!("line={line},col={column}"),
            None => format!("line={line}"),
        });
        let title = format!("title={}", property(&truncate(&one_line(&self.title), TITLE_MOST)));
        let properties: Vec<String> = file.into_iter().chain(place).chain([title]).collect();
        // An empty message is shown as nothing at all.
        let message = if self.message.trim().is_empty() { &self.title } else { &self.message };
        format!("::{command} {}::{}", properties.join(","), data(&visible(message)))
    }
}

/// A message as a command has it: on one line.
fn data(text: &str) -> String {
    no_command(text).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property, which ends at a comma, and all of them at a colon.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests;
