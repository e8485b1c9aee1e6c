//! The transcript that a snapshot holds, written for people who read diffs.
//!
//! Nothing in it varies from run to run when the replies are the same: no times, tokens, attempts, scores or reasons.
//! Its layout cannot be forged by a reply: structure begins at the left edge, every line of a text is indented by two
//! spaces or empty. What a text would hide (control characters, a blank at a line's end) is made visible; blanks and
//! line ends at the end of a text are left out.
//!
//! A snapshot of the structure alone leaves out all that hangs on a reply's words: the replies, how they ended, and
//! distances. What was sent, verdicts and outcomes stay.

use std::fmt::Write;

use super::format::Snapshot;
use super::header::Metadata;
use super::redact::{RedactError, Redactions, Texts};
use crate::event::{CheckDone, Record, TurnDone};
use crate::model::{End, Message, Role, SnapshotMode, Source, Verdict};
use crate::text::escape::visible;

/// Runs of messages longer than this are written as `u1 … u7`.
const LONGEST_RUN: usize = 6;

/// What every line of a text begins with.
pub(super) const INDENT: &str = "  ";

/// Says below the title that replies are not kept, lest one take them for empty.
const LEFT_OUT: &str = "replies · left out";

/// Makes snapshots of conversations. Those of one scenario share their redactions, which are made ready once.
#[derive(Debug, Default)]
pub struct Transcriber {
    redactions: Redactions,
}

impl Transcriber {
    /// The snapshot of a conversation, as its scenario asks for it. `source` is its scenario file as the metadata are to
    /// name it.
    ///
    /// `None` for a scenario that wants none, and for a conversation that was not carried through to its last turn: errors
    /// vary from run to run, and half a transcript would hide the rest of an accepted one. A conversation that is `errored`
    /// only because a check stayed `unknown` has one. Which trial it was is not asked; snapshots are made of trial 1.
    ///
    /// # Errors
    /// When a redaction cannot be applied.
    pub fn snapshot(&mut self, record: &Record, source: &str) -> Result<Option<Snapshot>, RedactError> {
        let rules = &record.begin.snapshot;
        if rules.mode == SnapshotMode::Off || !is_whole(record) {
            return Ok(None);
        }
        self.redactions.prepare(&rules.redact)?;
        let body =
            Body { text: String::new(), mode: rules.mode, redacted: self.redactions.begin(&record.begin.canaries) };
        Ok(Some(Snapshot::new(metadata(record, source, self.redactions.digest()), &body.of(record)?)))
    }
}

impl Snapshot {
    /// The snapshot of a conversation, as [`Transcriber::snapshot`] makes it; `None` also where a redaction cannot be
    /// applied.
    #[must_use]
    pub fn from_record(record: &Record, source: &str) -> Option<Self> {
        Transcriber::default().snapshot(record, source).ok().flatten()
    }
}

/// The transcript of a conversation, as far as it has replies, with all that was said: for a report, and not for a file that is kept.
#[must_use]
pub fn transcript(record: &Record) -> String {
    let nothing = Redactions::default();
    // Only a redaction can fail.
    Body { text: String::new(), mode: SnapshotMode::Full, redacted: nothing.begin(&serde_json::Map::new()) }
        .of(record)
        .unwrap_or_default()
}

fn metadata(record: &Record, source: &str, redactions: Option<&str>) -> Metadata {
    let variant = &record.begin.key.variant;
    let window = format!("window {}", variant.window);
    let names = [&variant.scenario, &variant.case, &variant.persona, &variant.model, &window, &variant.vars];
    let names: Vec<&str> = names.into_iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
    let line = record.checks.iter().map(|check| check.line).find(|&line| line > 0);
    Metadata {
        source: Some(one_line(source)),
        assertion_line: Some(line.unwrap_or(1)),
        description: Some(one_line(&names.join(" / "))),
        ..Metadata::default()
    }
    .with_redactions(redactions)
}

/// Every turn has its reply, and the conversation came to its end by itself.
fn is_whole(record: &Record) -> bool {
    let has_ended = record
        .done
        .as_ref()
        .is_some_and(|done| done.error.is_none() && matches!(done.end, End::Passed | End::Failed | End::Errored));
    let is_played = |turn: &TurnDone| turn.error.is_none() && turn.reply.is_some();
    has_ended
        && record.turns.len() == record.begin.turns as usize + record.begin.probes as usize
        && record.turns.iter().all(is_played)
}

/// A transcript while it is written.
struct Body<'r> {
    text: String,
    mode: SnapshotMode,
    redacted: Texts<'r>,
}

impl Body<'_> {
    /// The transcript of a conversation.
    fn of(mut self, record: &Record) -> Result<String, RedactError> {
        let messages = record.messages();
        self.line(&format!("# {}", one_line(&record.begin.key.variant.to_string())));
        if !self.keeps_replies() {
            self.line(LEFT_OUT);
        }
        if let Some(system) = &record.begin.system {
            self.line("");
            self.message("system", system)?;
        }
        for (n, message) in (1..).zip(&record.begin.history) {
            if n == 1 {
                self.line("");
            }
            self.message(&format!("h{n} · {}", message.role), &message.content)?;
        }
        for turn in &record.turns {
            self.turn(turn, &messages)?;
            self.checks(record.checks.iter().filter(|check| check.turn == Some(turn.turn)));
        }
        if record.checks.iter().any(|check| check.turn.is_none()) {
            self.line("\ntranscript");
            self.checks(record.checks.iter().filter(|check| check.turn.is_none()));
        }
        Ok(self.text)
    }

    fn keeps_replies(&self) -> bool {
        self.mode != SnapshotMode::Structure
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn turn(&mut self, turn: &TurnDone, messages: &[Message]) -> Result<(), RedactError> {
        let is_canned = turn.source == Source::Canned;
        let sent = if is_canned { "canned".to_owned() } else { format!("sent: {}", sent(turn, messages)) };
        self.line(&format!("\n{} · {sent}", turn.turn.named()));
        self.message("user", &turn.user)?;
        // A canned reply is of the script. Of any other not even its end is kept: whether it was cut off or empty
        // hangs on its words.
        if !is_canned && !self.keeps_replies() {
            return Ok(());
        }
        let heading = match turn.finish_reason.as_deref() {
            None | Some("stop") => "assistant".to_owned(),
            Some(reason) => format!("assistant · {}", one_line(reason)),
        };
        self.message(&heading, turn.reply.as_deref().unwrap_or_default())
    }

    /// A heading and the text below it; `· empty` behind the heading where there is none.
    fn message(&mut self, heading: &str, text: &str) -> Result<(), RedactError> {
        self.text.push_str(heading);
        let text = self.redacted.redact(text)?;
        let text = visible(&text);
        let text = text.trim_end();
        if text.is_empty() {
            self.text.push_str(" · empty\n");
            return Ok(());
        }
        self.text.push('\n');
        for line in text.split('\n') {
            push_line(&mut self.text, line);
        }
        Ok(())
    }

    fn checks<'a>(&mut self, checks: impl Iterator<Item = &'a CheckDone>) {
        let mut checks = checks.peekable();
        if checks.peek().is_some() {
            self.line("checks");
        }
        let with_distance = self.keeps_replies();
        for check in checks {
            let line = check_line(check, with_distance);
            push_line(&mut self.text, &self.redacted.without_canaries(&line));
        }
    }
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

/// `✓ forgets name (its name for the user) · forgotten · distance 2`. A distance hangs on the words of replies that mention
/// the fact, and is left out with them.
fn check_line(check: &CheckDone, with_distance: bool) -> String {
    let mut line = format!("{} {} {}", sign(check.verdict), check.check, check.expected);
    // Writing to a String cannot fail.
    if let Some(name) = &check.name {
        let _ = write!(line, " ({name})");
    }
    if let Some(retention) = &check.retention {
        if let Some(outcome) = retention.outcome {
            let _ = write!(line, " · {outcome}");
        }
        if let Some(distance) = retention.distance.filter(|_| with_distance) {
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
