//! The transcript that a snapshot holds, written for people who read diffs.
//!
//! Nothing in it varies from run to run when the replies are the same: no times, tokens, attempts, scores or reasons.
//! Its layout cannot be forged by a reply: structure begins at the left edge, every line of a text is indented by two
//! spaces or empty. What a text would hide (control characters, a blank at a line's end) is made visible; blanks and
//! line ends at the end of a text are left out.

use std::fmt::Write;

use super::format::Snapshot;
use super::header::Metadata;
use crate::event::{CheckDone, Record, TurnDone};
use crate::model::{End, Message, Role, Source, Verdict};
use crate::text::escape::visible;

/// Runs of messages longer than this are written as `u1 … u7`.
const LONGEST_RUN: usize = 6;

/// What every line of a text begins with.
pub(super) const INDENT: &str = "  ";

impl Snapshot {
    /// The snapshot of a conversation. `source` is its scenario file as the metadata are to name it.
    ///
    /// `None` for a conversation that was not carried through to its last turn: errors vary from run to run, and half
    /// a transcript would hide the rest of an accepted one. A conversation that is `errored` only because a check
    /// stayed `unknown` has one. Which trial it was is not asked; snapshots are made of trial 1.
    #[must_use]
    pub fn from_record(record: &Record, source: &str) -> Option<Self> {
        if !is_whole(record) {
            return None;
        }
        let variant = &record.begin.key.variant;
        let window = format!("window {}", variant.window);
        let names = [&variant.scenario, &variant.case, &variant.persona, &variant.model, &window, &variant.vars];
        let names: Vec<&str> = names.into_iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
        let line = record.checks.iter().map(|check| check.line).find(|&line| line > 0);
        let metadata = Metadata {
            source: Some(one_line(source)),
            assertion_line: Some(line.unwrap_or(1)),
            description: Some(one_line(&names.join(" / "))),
            ..Metadata::default()
        };
        Some(Self::new(metadata, &body(record)))
    }
}

/// Every turn has its reply, and the conversation came to its end by itself.
fn is_whole(record: &Record) -> bool {
    let has_ended = record
        .done
        .as_ref()
        .is_some_and(|done| done.error.is_none() && matches!(done.end, End::Passed | End::Failed | End::Errored));
    let is_played = |turn: &TurnDone| turn.error.is_none() && turn.reply.is_some();
    has_ended && record.turns.len() == record.begin.turns as usize && record.turns.iter().all(is_played)
}

/// The transcript of a conversation that is whole.
fn body(record: &Record) -> String {
    let messages = record.messages();
    let mut body = format!("# {}\n", one_line(&record.begin.key.variant.to_string()));
    if let Some(system) = &record.begin.system {
        body.push('\n');
        push_text(&mut body, "system", system);
    }
    for (n, message) in (1..).zip(&record.begin.history) {
        if n == 1 {
            body.push('\n');
        }
        push_text(&mut body, &format!("h{n} · {}", message.role), &message.content);
    }
    for turn in &record.turns {
        push_turn(&mut body, turn, &messages);
        push_checks(&mut body, record.checks.iter().filter(|check| check.turn == Some(turn.turn)));
    }
    if record.checks.iter().any(|check| check.turn.is_none()) {
        body.push_str("\ntranscript\n");
        push_checks(&mut body, record.checks.iter().filter(|check| check.turn.is_none()));
    }
    body
}

fn push_turn(body: &mut String, turn: &TurnDone, messages: &[Message]) {
    let sent = match turn.source {
        Source::Canned => "canned".to_owned(),
        Source::Live | Source::Builtin | Source::Cassette | Source::Shared => format!("sent: {}", sent(turn, messages)),
    };
    // Writing to a String cannot fail.
    let _ = writeln!(body, "\nturn {} · {sent}", turn.turn);
    push_text(body, "user", &turn.user);
    let heading = match turn.finish_reason.as_deref() {
        None | Some("stop") => "assistant".to_owned(),
        Some(reason) => format!("assistant · {}", one_line(reason)),
    };
    push_text(body, &heading, turn.reply.as_deref().unwrap_or_default());
}

/// The messages sent: `system, a2, u3, a3, u4`; a run of more than six that follow one another as `u1 … u7`.
fn sent(turn: &TurnDone, messages: &[Message]) -> String {
    let positions: Vec<usize> = turn.sent_positions().collect();
    let name = |position: usize| {
        messages.get(position).map_or_else(|| format!("message {position}"), |message| message.origin.to_string())
    };
    let is_system = |position: usize| messages.get(position).is_some_and(|message| message.role == Role::System);
    let mut names = Vec::new();
    for run in positions.chunk_by(|&a, &b| a + 1 == b && !is_system(a)) {
        match run {
            [first, .., last] if run.len() > LONGEST_RUN => names.push(format!("{} … {}", name(*first), name(*last))),
            _ => names.extend(run.iter().copied().map(name)),
        }
    }
    names.join(", ")
}

/// A heading and the text below it; `· empty` behind the heading where there is none.
fn push_text(body: &mut String, heading: &str, text: &str) {
    body.push_str(heading);
    let text = visible(text);
    let text = text.trim_end();
    if text.is_empty() {
        body.push_str(" · empty\n");
        return;
    }
    body.push('\n');
    for line in text.split('\n') {
        push_line(body, line);
    }
}

/// Editors and commit hooks drop blanks at the end of a line, and a snapshot must survive them: the last one is shown.
fn push_line(body: &mut String, line: &str) {
    if !line.is_empty() {
        body.push_str(INDENT);
    }
    match line.chars().next_back().filter(|last| last.is_whitespace()) {
        Some(blank) => {
            body.push_str(&line[..line.len() - blank.len_utf8()]);
            let _ = write!(body, "‹U+{:04X}›", u32::from(blank));
        }
        None => body.push_str(line),
    }
    body.push('\n');
}

fn push_checks<'a>(body: &mut String, checks: impl Iterator<Item = &'a CheckDone>) {
    let mut checks = checks.peekable();
    if checks.peek().is_some() {
        body.push_str("checks\n");
    }
    for check in checks {
        push_line(body, &check_line(check));
    }
}

/// `✓ forgets name (its name for the user) · forgotten · distance 2`
fn check_line(check: &CheckDone) -> String {
    let mut line = format!("{} {} {}", sign(check.verdict), check.check, check.expected);
    if let Some(name) = &check.name {
        let _ = write!(line, " ({name})");
    }
    if let Some(retention) = &check.retention {
        if let Some(outcome) = retention.outcome {
            let _ = write!(line, " · {outcome}");
        }
        if let Some(distance) = retention.distance {
            let _ = write!(line, " · distance {distance}");
        }
    }
    one_line(&line)
}

const fn sign(verdict: Verdict) -> char {
    match verdict {
        Verdict::Pass => '✓',
        Verdict::Fail => '✗',
        Verdict::Unknown => '?',
        Verdict::Skip => '–',
        Verdict::KnownFailure => '~',
    }
}

/// A name or a label, which must not break its line.
fn one_line(text: &str) -> String {
    visible(text).trim_end().replace('\n', "‹U+000A›")
}

#[cfg(test)]
#[path = "body_tests.rs"]
pub(in crate::snapshot) mod tests;
