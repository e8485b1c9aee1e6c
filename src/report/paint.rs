//! Signs and colours: which stand for what, and what takes their place where colour or Unicode cannot be shown.
//!
//! Colour never carries meaning alone: every coloured thing is a sign or a word that says the same.

use std::borrow::Cow;

use console::Style;

use crate::model::{End, Outcome, Verdict};

/// How a report for the terminal is to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// The width of the terminal in columns; 80 off a terminal.
    pub width: usize,
    /// Whether colours are used.
    pub is_coloured: bool,
    /// Whether signs and lines are spelled in ASCII, for a terminal that is not UTF-8.
    pub is_ascii: bool,
}

/// What a colour says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Good,
    Bad,
    Uncertain,
    Quiet,
    Cut,
    Old,
    Heading,
}

impl Look {
    /// A text in the colour of its tone.
    pub(super) fn paint(self, tone: Tone, text: &str) -> String {
        let style = match tone {
            _ if text.is_empty() => return String::new(),
            Tone::Plain => return text.to_owned(),
            Tone::Good => Style::new().green(),
            Tone::Bad => Style::new().red(),
            Tone::Uncertain => Style::new().yellow(),
            Tone::Quiet => Style::new().dim(),
            Tone::Cut => Style::new().blue(),
            Tone::Old => Style::new().magenta(),
            Tone::Heading => Style::new().bold(),
        };
        style.force_styling(self.is_coloured).apply_to(text).to_string()
    }

    /// The text with the signs and lines of this report spelled in ASCII, where that is asked.
    pub(super) fn spell(self, text: &str) -> Cow<'_, str> {
        if !self.is_ascii || text.is_ascii() {
            return text.into();
        }
        let mut spelled = String::with_capacity(text.len());
        for sign in text.chars() {
            match sign {
                '…' => spelled.push_str("..."),
                other => spelled.push(ascii(other)),
            }
        }
        spelled.into()
    }
}

/// The sign of a verdict with its colour.
pub(super) fn of_verdict(verdict: Verdict) -> (char, Tone) {
    match verdict {
        Verdict::Pass => ('✓', Tone::Good),
        Verdict::Fail => ('✗', Tone::Bad),
        Verdict::Unknown => ('?', Tone::Uncertain),
        Verdict::Skip => ('–', Tone::Quiet),
        Verdict::KnownFailure => ('~', Tone::Quiet),
    }
}

/// The sign of a conversation's end with its colour.
pub(super) fn of_end(end: End) -> (char, Tone) {
    of_verdict(match end {
        End::Passed => Verdict::Pass,
        End::Failed => Verdict::Fail,
        End::Errored => Verdict::Unknown,
        End::Skipped | End::Interrupted => Verdict::Skip,
    })
}

/// The sign of an outcome with its colour.
pub(super) fn of_outcome(outcome: Outcome) -> (char, Tone) {
    match outcome {
        Outcome::Retained => ('●', Tone::Good),
        Outcome::Missed => ('◐', Tone::Uncertain),
        Outcome::Forgotten => ('○', Tone::Cut),
        Outcome::Leaked => ('▲', Tone::Bad),
        Outcome::Stale => ('◇', Tone::Old),
    }
}

/// One sign or line in ASCII, of the same width; a character that is none stays.
#[must_use]
pub fn ascii(sign: char) -> char {
    match sign {
        '✓' => '+',
        '✗' | '×' => 'x',
        '–' | '·' | '─' => '-',
        '●' => 'R',
        '◐' => 'M',
        '○' => 'F',
        '▲' => 'L',
        '◇' => 'S',
        '│' => '|',
        '→' | '›' => '>',
        '‹' => '<',
        other => other,
    }
}
