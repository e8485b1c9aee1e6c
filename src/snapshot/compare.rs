//! What moved between an accepted transcript and a new one: words alone, or something that a test is about.
//!
//! A live model words its replies differently every time. That must be told from a verdict, an outcome or a request
//! that changed, so transcripts are taken apart by the left edge (which no reply can reach) and compared part by part.
//! Pure.

use std::collections::BTreeMap;
use std::fmt;

use super::body::INDENT;
use super::format::Snapshot;
use super::outdated::{self, ScriptPart};
use crate::model::{Outcome, TurnId};

/// How two transcripts differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// Not at all.
    Same,
    /// Only in what the bot says: in its words, in why a reply ended, or in the distance of a fact that its words
    /// mention.
    Words {
        /// The turns whose replies differ.
        turns: Vec<TurnId>,
    },
    /// In more than that.
    Substance(Box<Changes>),
}

/// What moved, by kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Checks whose verdict or outcome changed, that are new or that are gone.
    pub checks: Vec<CheckChange>,
    /// Turns for which other messages were sent.
    pub sent: Vec<TurnId>,
    /// Parts of the script that changed, so that the accepted transcript is one of another script.
    pub script: Vec<ScriptPart>,
    /// Lines that no transcript has, in a file that was edited by hand.
    pub foreign: Vec<String>,
    /// Whether the file was edited so that no part tells it: blank lines, an order.
    pub is_rearranged: bool,
    /// Turns whose replies differ.
    pub words: Vec<TurnId>,
}

/// A check that came out differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckChange {
    /// The turn; absent for a check on the whole transcript.
    pub turn: Option<TurnId>,
    /// The check, as its line names it: `forgets name`.
    pub check: String,
    /// How it came out before: `✓ forgotten`; absent where the accepted transcript does not have it.
    pub old: Option<String>,
    /// How it comes out now; absent where the new transcript does not have it.
    pub new: Option<String>,
}

impl Difference {
    /// Whether this is more than a live model's other words, given which turns got their replies from a live call.
    pub fn is_regression(&self, is_live: impl Fn(TurnId) -> bool) -> bool {
        match self {
            Self::Same => false,
            Self::Words { turns } => !turns.iter().all(|&turn| is_live(turn)),
            Self::Substance(_) => true,
        }
    }

    /// The same, with `snapshot_redact:` in the place of the texts that it may have changed.
    fn of_redactions(self) -> Self {
        let mut changes = match self {
            Self::Words { turns } if !turns.is_empty() => Changes { words: turns, ..Changes::default() },
            Self::Substance(changes) => *changes,
            other => return other,
        };
        // A turn that is canned now, or not any more, has more than another text.
        let is_text = |part: &ScriptPart| {
            part.is_text() && !matches!(part, ScriptPart::CannedReply(turn) if changes.sent.contains(turn))
        };
        let parts = changes.script.len();
        changes.script.retain(|part| !is_text(part));
        if changes.script.len() < parts || !changes.words.is_empty() {
            changes.script.insert(0, ScriptPart::Redactions);
        }
        Self::Substance(Box::new(changes))
    }

    /// Whether the accepted transcript is one of another script: the persona's text, the history, turns or the window
    /// changed since. Verdicts and replies may differ as well, and because of it.
    #[must_use]
    pub fn is_outdated_script(&self) -> bool {
        matches!(self, Self::Substance(changes) if !changes.script.is_empty())
    }
}

impl fmt::Display for Difference {
    /// One line: `outdated-script: turn 2's user message changed; turn 4: forgets name ✓ forgotten → ✗ leaked; sent: turn 4;
    /// words: turn 2, turn 4`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same => f.write_str("unchanged"),
            Self::Words { turns } => write!(f, "words: {}", list(turns)),
            Self::Substance(changes) => changes.fmt(f),
        }
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        // First, since the rest may follow from it.
        if !self.script.is_empty() {
            parts.push(format!("outdated-script: {}", outdated::in_words(&self.script)));
        }
        parts.extend(self.checks.iter().map(CheckChange::to_string));
        if !self.sent.is_empty() {
            parts.push(format!("sent: {}", list(&self.sent)));
        }
        if !self.foreign.is_empty() {
            parts.push(format!("edited by hand: {}", self.foreign.join(", ")));
        }
        if self.is_rearranged {
            parts.push("edited by hand: blank lines or order".to_owned());
        }
        if !self.words.is_empty() {
            parts.push(format!("words: {}", list(&self.words)));
        }
        f.write_str(&parts.join("; "))
    }
}

impl fmt::Display for CheckChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.turn {
            Some(turn) => write!(f, "{}: ", turn.named())?,
            None => f.write_str("transcript: ")?,
        }
        let side = |side: &Option<String>| side.clone().unwrap_or_else(|| "absent".to_owned());
        write!(f, "{} {} → {}", self.check, side(&self.old), side(&self.new))
    }
}

fn list(turns: &[TurnId]) -> String {
    turns.iter().map(|turn| turn.named().to_string()).collect::<Vec<_>>().join(", ")
}

/// Compares the contents of two snapshots. Where their scenario replaced other things in the texts of one than of the other,
/// that is why texts differ.
#[must_use]
pub fn compare(old: &Snapshot, new: &Snapshot) -> Difference {
    let difference = compare_contents(old.contents(), new.contents());
    if old.metadata.redactions() == new.metadata.redactions() { difference } else { difference.of_redactions() }
}

fn compare_contents(old: &str, new: &str) -> Difference {
    if old == new {
        return Difference::Same;
    }
    let (old, new) = (Transcript::parse(old), Transcript::parse(new));
    let mut changes = Changes::default();
    compare_frames(&old, &new, &mut changes);
    // Where one of the two leaves replies out, all of them differ, and it says nothing.
    let has_replies = !changes.script.contains(&ScriptPart::Mode);
    let absent = Turn::default();
    let mut numbers: Vec<&TurnId> = old.turns.keys().chain(new.turns.keys()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    for &turn in numbers {
        match (old.turns.get(&turn), new.turns.get(&turn)) {
            (Some(a), Some(b)) => compare_turns(turn, a, b, has_replies, &mut changes),
            (a, b) => {
                changes.script.push(if a.is_some() { ScriptPart::TurnGone(turn) } else { ScriptPart::TurnAdded(turn) });
                compare_checks(Some(turn), &a.unwrap_or(&absent).checks, &b.unwrap_or(&absent).checks, &mut changes);
            }
        }
    }
    compare_checks(None, &old.checks, &new.checks, &mut changes);
    changes.into_difference()
}

impl Changes {
    fn into_difference(mut self) -> Difference {
        self.is_rearranged = self == Self::default();
        let words = std::mem::take(&mut self.words);
        if self == Self::default() {
            return Difference::Words { turns: words };
        }
        Difference::Substance(Box::new(Self { words, ..self }))
    }
}

/// A transcript taken apart. All texts are as they stand in it, their indents included.
#[derive(Default)]
struct Transcript<'a> {
    /// What stands before the first turn, and what this version does not know: heading line and text, by name.
    frame: BTreeMap<&'a str, Block<'a>>,
    turns: BTreeMap<TurnId, Turn<'a>>,
    checks: Vec<&'a str>,
}

#[derive(Default)]
struct Turn<'a> {
    /// The rest of its heading: `canned` or `sent: …`.
    sent: &'a str,
    user: Block<'a>,
    assistant: Block<'a>,
    checks: Vec<&'a str>,
}

/// A heading line and the lines below it.
#[derive(Default, PartialEq, Eq, Clone)]
struct Block<'a> {
    heading: &'a str,
    lines: Vec<&'a str>,
}

impl<'a> Transcript<'a> {
    fn parse(contents: &'a str) -> Self {
        let mut transcript = Self::default();
        let mut turn = None;
        for block in blocks(contents) {
            let (name, rest) = block.heading.split_once(" · ").unwrap_or((block.heading, ""));
            if let Some(number) = TurnId::of_name(name) {
                turn = Some(number);
                transcript.turns.entry(number).or_default().sent = rest;
                continue;
            }
            if name == "transcript" {
                turn = None;
                continue;
            }
            let current = turn.and_then(|turn| transcript.turns.get_mut(&turn));
            match (name, current) {
                ("user", Some(turn)) => turn.user = block,
                ("assistant", Some(turn)) => turn.assistant = block,
                ("checks", Some(turn)) => turn.checks = block.lines,
                ("checks", None) => transcript.checks = block.lines,
                _ => {
                    let name = if block.heading.starts_with("# ") { "heading" } else { name };
                    transcript.frame.insert(name, block);
                }
            }
        }
        transcript
    }
}

/// Every line at the left edge begins a block; what is indented or empty belongs to it.
fn blocks(contents: &str) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    for line in contents.split('\n') {
        match blocks.last_mut() {
            Some(block) if line.is_empty() || line.starts_with(INDENT) => block.lines.push(line),
            None if line.is_empty() => {}
            _ => blocks.push(Block { heading: line, lines: Vec::new() }),
        }
    }
    for block in &mut blocks {
        while block.lines.last().is_some_and(|line| line.is_empty()) {
            block.lines.pop();
        }
    }
    blocks
}

fn compare_frames<'a>(old: &Transcript<'a>, new: &Transcript<'a>, changes: &mut Changes) {
    let mut names: Vec<&str> = old.frame.keys().chain(new.frame.keys()).copied().collect();
    names.sort_unstable();
    names.dedup();
    for name in names.into_iter().filter(|name| old.frame.get(name) != new.frame.get(name)) {
        let heading = |transcript: &Transcript<'a>| transcript.frame.get(name).map_or("", |block| block.heading);
        match outdated::part_of_frame(name, heading(old), heading(new)) {
            Some(part) => changes.script.push(part),
            None => changes.foreign.push(name.to_owned()),
        }
    }
}

fn compare_turns(turn: TurnId, old: &Turn<'_>, new: &Turn<'_>, has_replies: bool, changes: &mut Changes) {
    if old.sent != new.sent {
        changes.sent.push(turn);
    }
    if old.user != new.user {
        changes.script.push(ScriptPart::User(turn));
    }
    let (was_canned, is_canned) = (old.sent == "canned", new.sent == "canned");
    if was_canned != is_canned || is_canned && old.assistant != new.assistant {
        changes.script.push(ScriptPart::CannedReply(turn));
    } else if has_replies && old.assistant != new.assistant {
        changes.words.push(turn);
    }
    let distance_moved = compare_checks(Some(turn), &old.checks, &new.checks, changes);
    if distance_moved && has_replies && changes.words.last() != Some(&turn) {
        changes.words.push(turn);
    }
}

/// A check's line, taken apart.
#[derive(PartialEq, Eq)]
struct CheckLine<'a> {
    check: &'a str,
    sign: &'a str,
    outcome: Option<&'a str>,
    distance: Option<&'a str>,
}

impl<'a> CheckLine<'a> {
    fn parse(line: &'a str) -> Self {
        let (sign, rest) = line.trim_start().split_once(' ').unwrap_or(("", line));
        let (rest, distance) = match rest.rsplit_once(" · distance ") {
            Some((rest, distance)) if distance.parse::<u32>().is_ok() => (rest, Some(distance)),
            _ => (rest, None),
        };
        let (check, outcome) = match rest.rsplit_once(" · ") {
            Some((check, outcome)) if is_outcome(outcome) => (check, Some(outcome)),
            _ => (rest, None),
        };
        Self { check, sign, outcome, distance }
    }

    fn result(&self) -> String {
        self.outcome.map_or_else(|| self.sign.to_owned(), |outcome| format!("{} {outcome}", self.sign))
    }
}

fn is_outcome(word: &str) -> bool {
    const ALL: [Outcome; 5] = [Outcome::Retained, Outcome::Missed, Outcome::Forgotten, Outcome::Leaked, Outcome::Stale];
    ALL.iter().any(|outcome| outcome.as_str() == word)
}

/// Pairs checks by what they assert, the first with the first where several assert the same. Whether a distance moved
/// is returned: replies that mention a fact move it, so it goes with the words.
fn compare_checks(turn: Option<TurnId>, old: &[&str], new: &[&str], changes: &mut Changes) -> bool {
    let mut left: Vec<CheckLine<'_>> = new.iter().map(|line| CheckLine::parse(line)).collect();
    let mut distance_moved = false;
    for a in old.iter().map(|line| CheckLine::parse(line)) {
        let pair = left.iter().position(|b| b.check == a.check).map(|at| left.remove(at));
        let new = pair.as_ref().map(CheckLine::result);
        distance_moved |= pair.is_some_and(|b| b.distance != a.distance);
        let old = Some(a.result());
        if old != new {
            changes.checks.push(CheckChange { turn, check: a.check.to_owned(), old, new });
        }
    }
    for b in left {
        changes.checks.push(CheckChange { turn, check: b.check.to_owned(), old: None, new: Some(b.result()) });
    }
    distance_moved
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
