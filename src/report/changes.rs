//! What changed in snapshots, as Markdown for the comment on a pull request.
//!
//! The answer first: how many, then the verdicts and outcomes that moved, then what was sent otherwise, and only then the
//! words: of every snapshot that differs the turns that did, of every new one, folded away, its transcript. No text of a snapshot stands outside of a code span or a fence;
//! what has no room on the page is named, or at least counted.

use std::fmt::Write;

use super::wording::{grouped, several};
use crate::snapshot::{CheckChange, Difference, Line, Sign, diff};
use crate::text::markdown::{PAGE, Page, code, code_in_cell, fence, folded_away, with_short_lines};

/// By this line a workflow finds its own comment again. Nobody sees it.
pub const MARK: &str = "<!-- chat-eval diff -->";

/// What the parts may take, in characters. The changed turns have the rest.
const VERDICTS: usize = 12_000;
const NAMES: usize = 5_000;
/// The difference of one snapshot.
const ONE: usize = 10_000;
/// A difference is folded away behind so many lines or characters.
const SHORT_LINES: usize = 40;
const SHORT: usize = 2_500;
const LINE: usize = 2_000;

/// Paths and names are cut behind so many characters.
const PATH: usize = 400;
const NAME: usize = 120;

/// One snapshot that is not what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Its path from the top of the repository, in bytes as git has it.
    pub path: Vec<u8>,
    /// What became of it.
    pub kind: Kind,
}

/// What became of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// It differs.
    Differs(Difference),
    /// It was not there.
    New,
    /// It is there no more.
    Removed,
    /// There is a file that is no snapshot, with the reason.
    Unreadable(String),
}

/// What is shown beside the changes.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// The commit that is compared with.
    pub commit: &'a str,
    /// How that commit was found.
    pub base: Base<'a>,
    /// How many snapshots there are on either side.
    pub compared: u64,
    /// How many others wait for review, and are on neither side.
    pub waiting: u64,
}

/// How the commit was found.
#[derive(Debug, Clone, Copy)]
pub enum Base<'a> {
    /// It was asked for.
    Revision(&'a str),
    /// `HEAD` left this branch there.
    MergeBase(&'a str),
}

/// The whole page, ending in a line feed. `texts` gives the old and the new transcript of a path; those of one snapshot at a
/// time are asked for.
///
/// # Errors
/// When a transcript cannot be had.
pub fn render<E>(
    changed: &[Changed],
    around: Around<'_>,
    mut texts: impl FnMut(&[u8]) -> Result<(String, String), E>,
) -> Result<String, E> {
    let mut differing: Vec<(&Changed, &Difference)> = changed.iter().filter_map(difference).collect();
    differing.sort_by_key(|(_, difference)| rank(difference));
    let named = |title: &str, is_wanted: fn(&Kind) -> bool| {
        let names = changed.iter().filter(|one| is_wanted(&one.kind));
        list(title, names.map(named).collect())
    };
    let gone = [
        named("Removed", |kind| matches!(kind, Kind::Removed)),
        named("No snapshots any more", |kind| matches!(kind, Kind::Unreadable(_))),
    ];
    let mut page = Page::new(PAGE);
    page.push(MARK);
    page.push(&answer(changed, around.compared));
    page.push(&waiting(around.waiting));
    page.push(&counts(&differing, around));
    page.push(&verdicts(&differing));
    page.push(&sent(&differing));
    let below = gone.iter().map(|part| part.chars().count() + 2).sum::<usize>() + 2 * (NAMES + NAME);
    let below = page.reserve(below);
    let left_out = [turns(&mut page, &differing, &mut texts)?, new_ones(&mut page, changed, &mut texts)?];
    page.grant(below);
    for part in gone.iter().chain(&left_out) {
        page.push(part);
    }
    Ok(page.finish())
}

fn difference(changed: &Changed) -> Option<(&Changed, &Difference)> {
    match &changed.kind {
        Kind::Differs(difference) => Some((changed, difference)),
        Kind::New | Kind::Removed | Kind::Unreadable(_) => None,
    }
}

/// What a reviewer should see first: 0 for verdicts and outcomes, 1 for what was sent, 2 for the script, 3 for words.
fn rank(difference: &Difference) -> usize {
    match difference {
        Difference::Substance(changes) if !changes.checks.is_empty() => 0,
        Difference::Substance(changes) if !changes.sent.is_empty() => 1,
        Difference::Substance(_) => 2,
        Difference::Words { .. } | Difference::Same => 3,
    }
}

fn path(changed: &Changed) -> String {
    code(&String::from_utf8_lossy(&changed.path), PATH)
}

fn named(changed: &Changed) -> String {
    match &changed.kind {
        Kind::Unreadable(reason) => format!("- {}: {}\n", path(changed), code(reason, PATH)),
        Kind::Differs(_) | Kind::New | Kind::Removed => format!("- {}\n", path(changed)),
    }
}

/// How many changed.
fn answer(changed: &[Changed], compared: u64) -> String {
    let count = |is_wanted: fn(&Kind) -> bool| changed.iter().filter(|one| is_wanted(&one.kind)).count() as u64;
    let kinds = [
        (count(|kind| matches!(kind, Kind::Differs(_))), "changed"),
        (count(|kind| matches!(kind, Kind::New)), "new"),
        (count(|kind| matches!(kind, Kind::Removed)), "removed"),
        (count(|kind| matches!(kind, Kind::Unreadable(_))), "no longer readable"),
    ];
    let words: Vec<String> = kinds
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| format!("{} {word}", grouped(number)))
        .collect();
    let all = several(compared, "snapshot", "snapshots");
    if words.is_empty() {
        return format!("### chat-eval: no snapshot changed ({all})\n");
    }
    format!("### chat-eval: of {all}, {}\n", words.join(", "))
}

/// What is not compared, since nobody has decided on it.
fn waiting(number: u64) -> String {
    if number == 0 {
        return String::new();
    }
    let (waits, are) = if number == 1 { ("waits", "is") } else { ("wait", "are") };
    let snapshots = several(number, "snapshot", "snapshots");
    format!("{snapshots} {waits} for review and {are} not compared: `chat-eval review` at the top of the repository")
}

/// How grave the changes are, and since when.
fn counts(differing: &[(&Changed, &Difference)], around: Around<'_>) -> String {
    let words =
        ["with other verdicts or outcomes", "with other messages sent", "with another script", "in words alone"];
    let count = |wanted: usize| differing.iter().filter(|(_, difference)| rank(difference) == wanted).count() as u64;
    let parts = words.iter().enumerate().map(|(rank, words)| (count(rank), words)).filter(|(number, _)| *number > 0);
    let parts: Vec<String> = parts.map(|(number, words)| format!("{} {words}", grouped(number))).collect();
    let commit = code(&around.commit.chars().take(12).collect::<String>(), NAME);
    let since = match around.base {
        Base::Revision(revision) => format!("since {} ({commit})", code(revision, NAME)),
        Base::MergeBase(branch) => format!("since {commit}, where `HEAD` left {}", code(branch, NAME)),
    };
    if parts.is_empty() { since } else { format!("{}  \n{since}", parts.join(" · ")) }
}

/// The checks that came out otherwise, those that fail now before the others.
fn verdicts(differing: &[(&Changed, &Difference)]) -> String {
    let checks = |one: &Difference| match one {
        Difference::Substance(changes) => changes.checks.clone(),
        Difference::Words { .. } | Difference::Same => Vec::new(),
    };
    let mut moved: Vec<(&Changed, CheckChange)> = differing
        .iter()
        .flat_map(|(changed, difference)| checks(difference).into_iter().map(move |check| (*changed, check)))
        .collect();
    if moved.is_empty() {
        return String::new();
    }
    moved.sort_by_key(|(_, check)| check.new.as_ref().is_none_or(|new| !new.starts_with('✗')));
    let mut table =
        "#### Verdicts and outcomes\n\n| snapshot | turn | check | before | now |\n|---|--:|---|---|---|\n".to_owned();
    let mut room = VERDICTS;
    for (place, (changed, check)) in moved.iter().enumerate() {
        let side =
            |side: &Option<String>| side.as_ref().map_or_else(|| "–".to_owned(), |side| code_in_cell(side, NAME));
        let line = format!(
            "| {} | {} | {} | {} | {} |\n",
            code_in_cell(&String::from_utf8_lossy(&changed.path), PATH),
            check.turn.map_or_else(|| "–".to_owned(), |turn| turn.to_string()),
            code_in_cell(&check.check, NAME),
            side(&check.old),
            side(&check.new),
        );
        let Some(rest) = room.checked_sub(line.chars().count()) else {
            // Writing to a String cannot fail.
            let _ = writeln!(table, "\nand {} more", grouped((moved.len() - place) as u64));
            break;
        };
        room = rest;
        table += &line;
    }
    table
}

/// The turns for which other messages were sent.
fn sent(differing: &[(&Changed, &Difference)]) -> String {
    let lines = differing.iter().filter_map(|(changed, difference)| match difference {
        Difference::Substance(changes) if !changes.sent.is_empty() => {
            let turns = changes.sent.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            Some(format!("- {}: turn {}\n", path(changed), code(&turns, NAME)))
        }
        _ => None,
    });
    list("Other messages were sent", lines.collect())
}

/// The differences themselves, as many as have room. Gives what is to be said of the others.
fn turns<E>(
    page: &mut Page,
    differing: &[(&Changed, &Difference)],
    mut texts: impl FnMut(&[u8]) -> Result<(String, String), E>,
) -> Result<String, E> {
    let mut left_out = Vec::new();
    for (place, (changed, difference)) in differing.iter().enumerate() {
        let title = if place == 0 { "#### Changed turns\n\n" } else { "" };
        // Where hardly anything has room any more, the rest is not even read.
        let is_shown = page.room() > SHORT && {
            let (old, new) = texts(&changed.path)?;
            page.push(&format!(
                "{title}{}: {}\n\n{}",
                path(changed),
                code(&difference.to_string(), PATH),
                drawn(&old, &new)
            ))
        };
        if !is_shown {
            left_out.push(named(changed));
        }
    }
    Ok(list("Changed, and too much for this page", left_out))
}

/// The transcripts of new snapshots, as many as have room. Gives what is to be said of the others.
fn new_ones<E>(
    page: &mut Page,
    changed: &[Changed],
    mut texts: impl FnMut(&[u8]) -> Result<(String, String), E>,
) -> Result<String, E> {
    let mut left_out = Vec::new();
    let mut title = "#### New\n\n";
    for new in changed.iter().filter(|one| one.kind == Kind::New) {
        let is_shown = page.room() > SHORT && {
            let (_, text) = texts(&new.path)?;
            page.push(&format!("{title}{}\n\n{}", path(new), transcript(&text)))
        };
        if is_shown {
            title = "";
        } else {
            left_out.push(named(new));
        }
    }
    Ok(list(if title.is_empty() { "New, and too much for this page" } else { "New" }, left_out))
}

/// A transcript in a fence, folded away.
fn transcript(text: &str) -> String {
    let lines = text.lines().count();
    let mut shown = String::new();
    let (mut more, mut room) = (lines, ONE);
    for line in text.lines() {
        let line = with_short_lines(line, LINE);
        let Some(rest) = room.checked_sub(line.chars().count() + 1) else { break };
        room = rest;
        more -= 1;
        shown += &line;
        shown.push('\n');
    }
    let mut block = fence("text", &shown);
    if more > 0 {
        let _ = writeln!(block, "\n… and {}", several(more as u64, "more line", "more lines"));
    }
    folded_away(&several(lines as u64, "line", "lines"), &block)
}

/// The lines that changed in a fence; folded away where they are many.
fn drawn(old: &str, new: &str) -> String {
    let lines = diff(old, new);
    let mut text = String::new();
    let mut room = ONE;
    let mut shown = 0;
    for Line { sign, text: line, .. } in &lines {
        let line = with_short_lines(line, LINE);
        let Some(rest) = room.checked_sub(line.chars().count() + 2) else { break };
        room = rest;
        shown += 1;
        let _ = match sign {
            Sign::Gap => writeln!(text, "@@ … @@"),
            sign => writeln!(text, "{}{line}", sign.mark()),
        };
    }
    let more = lines.len() - shown;
    let mut block = fence("diff", &text);
    if more > 0 {
        let _ = writeln!(block, "\n… and {}", several(more as u64, "more line", "more lines"));
    }
    if lines.len() <= SHORT_LINES && text.chars().count() <= SHORT {
        return block;
    }
    folded_away(&several(lines.len() as u64, "line", "lines"), &block)
}

/// A list of lines under a title, as many as have room; empty without any.
fn list(title: &str, lines: Vec<String>) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let mut text = format!("#### {title}\n\n");
    let mut room = NAMES;
    let number = lines.len();
    for (place, line) in lines.into_iter().enumerate() {
        let Some(rest) = room.checked_sub(line.chars().count()) else {
            let _ = writeln!(text, "- and {} more", grouped((number - place) as u64));
            break;
        };
        room = rest;
        text += &line;
    }
    text
}

#[cfg(test)]
mod tests;
