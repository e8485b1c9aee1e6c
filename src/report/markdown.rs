//! `summary.md`: what the terminal says of a run, as Markdown for the comment on a pull request.
//!
//! The answer first: how the run came out in words, the counts, a table of the variants; then each failure with its
//! evidence, and folded away the transcript of its conversation. A function of the journal, so that it can be made again
//! byte for byte.
//!
//! No text of a model, a user or a file stands outside of a code span or a fence, and the page is no longer than GitHub
//! takes: what has no room is counted, and it is said where it is.

mod failures;
mod table;
mod transcript;

use std::fmt::Write;
use std::time::Duration;

use self::failures::name;
use super::paint::{self, Look};
use super::summary::{Flaky, KnownFailure, Summary, Totals};
use super::terminal::{self, grids};
use super::wording::{grouped, several};
use crate::event::{Manifest, Record, SnapshotNote};
use crate::model::Verdict;
use crate::text::markdown::{PAGE, Page, code, fence, folded_away, with_short_lines};

/// What the parts may take of a page, in characters. The failures with their transcripts have the rest.
const GRIDS: usize = 6_000;
const KNOWN: usize = 5_000;
const FLAKY: usize = 5_000;
const SNAPSHOTS: usize = 6_000;
const DIFFS: usize = 15_000;
const FOOT: usize = 2_000;

/// Names and short texts are cut behind so many characters, paths behind `PATH`.
const NAME: usize = 100;
const REASON: usize = 300;
const PATH: usize = 400;

const LOOK: Look = Look { width: 100, is_coloured: false, is_ascii: false };

/// What is shown of a run beside its records.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// What the run is.
    pub manifest: &'a Manifest,
    /// How long it took; `None` where that is not known.
    pub wall: Option<Duration>,
    /// What became of the snapshots.
    pub snapshots: &'a [SnapshotNote],
}

/// The whole page, ending in a line feed. `record_of` gives the conversation at a place of the plan; one at a time is
/// asked for.
///
/// # Errors
/// When a conversation cannot be read.
pub fn render<E>(
    summary: &Summary,
    around: Around<'_>,
    record_of: impl Fn(u32) -> Result<Option<Record>, E>,
) -> Result<String, E> {
    let totals = &summary.totals;
    let known = known_failures(summary);
    let snapshots = snapshots(around.snapshots);
    let flaky = flaky(summary);
    let below = [&known, &flaky, &snapshots].map(|part| part.chars().count() + 2).iter().sum::<usize>() + FOOT;
    let mut page = Page::new(PAGE);
    page.push(&answer(totals, around.snapshots));
    page.push(&counts(totals, around));
    page.push(&table::table(&summary.rows, totals));
    page.push(&retention(summary));
    let below = page.reserve(below);
    let left_out = failures::push(&mut page, summary, &around.manifest.run, record_of)?;
    page.grant(below);
    for part in [known, flaky, snapshots, left_out, foot(around)] {
        page.push(&part);
    }
    Ok(page.finish())
}

/// How the run came out, in words.
fn answer(totals: &Totals, snapshots: &[SnapshotNote]) -> String {
    let differing = snapshots.iter().filter(|note| note.is_failure).count() as u64;
    let cut_short = totals.not_begun + totals.conversations.interrupted;
    let unknown = if totals.broken > 0 { 0 } else { totals.checks.unknown };
    let words = [
        (totals.checks.fail, "check failed", "checks failed"),
        (differing, "snapshot failed", "snapshots failed"),
        (totals.broken, "conversation could not be carried through", "conversations could not be carried through"),
        (unknown, "check stayed unknown", "checks stayed unknown"),
        (totals.conversations.skipped, "conversation had no budget left", "conversations had no budget left"),
        (cut_short, "conversation was not played to its end", "conversations were not played to their end"),
    ];
    let verdict = match (totals.has_failures() || differing > 0, totals.has_errors(), cut_short) {
        (true, _, _) => Verdict::Fail,
        (false, true, _) => Verdict::Unknown,
        (false, false, 0) => Verdict::Pass,
        (false, false, _) => Verdict::Skip,
    };
    let words: Vec<String> = words
        .into_iter()
        .filter(|(number, ..)| *number > 0)
        .map(|(number, one, many)| several(number, one, many))
        .collect();
    let words = match words.is_empty() {
        true if totals.checks.total() == 0 => "no check was asked".to_owned(),
        true => "every check passed".to_owned(),
        false => words.join(", "),
    };
    format!("### {} chat-eval: {words}\n", paint::of_verdict(verdict).0)
}

fn counts(totals: &Totals, around: Around<'_>) -> String {
    let Around { manifest, wall, snapshots } = around;
    let shown = terminal::Around { folder: "", wall, snapshots, shard: manifest.shard };
    let counts = terminal::counts(totals, shown, LOOK).join(" · ");
    let replies = terminal::replies(&totals.usage.replies).map(|replies| replies.collect::<Vec<_>>().join(", "));
    let unseen = terminal::unseen(totals).map(|words| words.join(" · "));
    let lines =
        [terminal::empty_shard(totals, manifest.shard), Some(counts), terminal::trials(totals), unseen, replies];
    // Two blanks at its end break a line.
    lines.into_iter().flatten().collect::<Vec<_>>().join("  \n")
}

fn retention(summary: &Summary) -> String {
    let mut page = Page::new(GRIDS);
    let grids = grids(&summary.rows, LOOK);
    let shown = grids.iter().take_while(|grid| page.push(&fence("text", grid))).count();
    let more = (grids.len() - shown) as u64;
    if more == 0 {
        return page.finish();
    }
    page.finish() + &format!("\nAnd {}.\n", several(more, "more retention grid", "more retention grids"))
}

fn known_failures(summary: &Summary) -> String {
    let sign = paint::of_verdict(Verdict::KnownFailure).0;
    let lines = summary.known_failures.iter().map(|KnownFailure { key, turn, title, reason }| {
        format!("- {sign} {}: {}", name(key, None, *turn, title), code(reason, REASON))
    });
    listed("Known failures", lines, summary.more_known_failures, "more known to fail", KNOWN)
}

fn flaky(summary: &Summary) -> String {
    let lines = summary.flaky.iter().map(|Flaky { key, turn, title, passed, failed }| {
        format!("- {}: {passed} of {} passed", name(key, None, *turn, title), passed + failed)
    });
    listed("Flaky: passed in some trials and failed in others", lines, summary.more_flaky, "more", FLAKY)
}

fn snapshots(notes: &[SnapshotNote]) -> String {
    let sign = paint::of_verdict(Verdict::Fail).0;
    // Those that fail the run come first: they must not be among the ones that are left out.
    let (failures, others): (Vec<_>, Vec<_>) = notes.iter().partition(|note| note.is_failure);
    let lines = failures.into_iter().chain(others).map(|note| {
        let sign = if note.is_failure { format!("{sign} ") } else { String::new() };
        format!("- {sign}{}: {}", code(&note.path, PATH), code(&note.what, REASON))
    });
    let list = listed("Snapshots", lines, 0, "more", SNAPSHOTS);
    let mut page = Page::new(SNAPSHOTS + DIFFS);
    page.push(&list);
    for (note, diff) in notes.iter().filter_map(|note| Some((note, note.diff.as_ref()?))) {
        let diff = fence("diff", &with_short_lines(diff, PATH));
        // A summary is no Markdown, so no text of a stranger stands in it.
        let block = format!("{}\n\n{}", code(&note.path, PATH), folded_away("what differs", &diff));
        if !page.push(&block) {
            break;
        }
    }
    if list.is_empty() { list } else { page.finish() }
}

/// A list that takes at most so much room; what has none is counted with the `more` that are not in it anyway.
fn listed(title: &str, lines: impl Iterator<Item = String>, more: u64, word: &str, room: usize) -> String {
    let mut list = String::new();
    let mut left_out = more;
    let mut room = room.saturating_sub(2 * NAME);
    for line in lines {
        match room.checked_sub(line.chars().count() + 1) {
            Some(rest) if left_out == more => {
                room = rest;
                list += &line;
                list.push('\n');
            }
            _ => left_out += 1,
        }
    }
    if left_out > 0 {
        // Writing to a String cannot fail.
        let _ = writeln!(list, "- and {} {word}", grouped(left_out));
    }
    if list.is_empty() { list } else { format!("#### {title}\n\n{list}") }
}

/// Which run it is.
fn foot(around: Around<'_>) -> String {
    let Manifest { run, version, commit, .. } = around.manifest;
    let commit =
        commit.as_ref().map(|commit| format!(" · commit {}", code(&commit.chars().take(12).collect::<String>(), NAME)));
    let run = format!("run {} · chat-eval {}{}", code(run, NAME), code(version, NAME), commit.unwrap_or_default());
    run
}

#[cfg(test)]
mod tests;
