//! How a review looks on a screen of a size: always as many rows as the screen has, none of them too wide. Pure.

use super::rows::{Line, Row, Span, Tone, between, columns, tail};
use super::state::{Fate, Mode, Review};
use crate::text::layout::{truncate, width};

/// A screen's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Its height.
    pub rows: usize,
    /// Its width.
    pub columns: usize,
}

/// The least that shows anything worth deciding on.
const LEAST: Size = Size { rows: 8, columns: 24 };

/// Rows that a message may take.
const LONGEST_MESSAGE: usize = 3;

/// What the keys do, the longest that fits is shown.
const HINTS: [&str; 4] = [
    "a accept · r reject · s skip · A accept the rest · R reject the rest · ↑↓ scroll · ←→ go · u undo · q quit · ? help",
    "a accept · r reject · s skip · A/R the rest · ↑↓ ←→ · u undo · q quit · ? help",
    "a accept · r reject · s skip · ? help",
    "a · r · s · q · ? help",
];

const HELP: [&str; 14] = [
    "a          accept: it becomes the snapshot that runs are held to",
    "r          reject: the pending file is thrown away",
    "s          skip: it waits for the next review",
    "A, R       accept or reject all that are left, skipped ones not",
    "u          take back the last decision",
    "",
    "↑ ↓, k j   a row up or down",
    "PgUp PgDn  a page up or down, also b and space",
    "g G        to the beginning, to the end",
    "← →, p n   the one before, the next one, without a decision",
    "",
    "q          quit: what is decided stays decided, the rest waits",
    "",
    "any key leads back",
];

impl Review {
    /// The rows of the screen.
    pub fn draw(&mut self, size: Size) -> Vec<Row> {
        self.is_too_small = size.rows < LEAST.rows || size.columns < LEAST.columns;
        let mut rows = match self.mode {
            _ if self.is_too_small => too_small(size),
            Mode::Help => help(size),
            Mode::Done => self.end(size),
            Mode::Reviewing | Mode::Asking(_) => self.snapshot(size),
        };
        rows.resize(size.rows, Row::new());
        rows
    }

    fn snapshot(&mut self, size: Size) -> Vec<Row> {
        let counter = format!("{} of {}", self.at + 1, self.fates.len());
        let (title, path) = self.view.as_ref().map_or(("", ""), |view| (&view.title, &view.path));
        let mut rows =
            vec![between(Tone::Strong, title, &counter, size.columns), row(Tone::Quiet, tail(path, size.columns))];
        let footer = self.footer(size);
        self.page = size.rows.saturating_sub(rows.len() + 1 + footer.len()).max(1);
        let page = self.page;
        let (body, scroll) = self.body(size.columns);
        let last = (scroll + page).min(body.len());
        rows.push(rule(scroll, last, body.len(), size.columns));
        rows.extend_from_slice(&body[scroll..last]);
        rows.resize(size.rows - footer.len(), Row::new());
        rows.extend(footer);
        rows
    }

    /// The rows of what is looked at, and the first of them that is shown: the last page is the end.
    fn body(&mut self, columns: usize) -> (&[Row], usize) {
        if self.rows.as_ref().is_none_or(|(width, _)| *width != columns) {
            let lines = self.view.iter().flat_map(|view| &view.lines);
            self.rows = Some((columns, lines.flat_map(|line| line.wrap(columns)).collect()));
        }
        let rows = self.rows.as_ref().map_or(&[][..], |(_, rows)| rows);
        self.scroll = self.scroll.min(rows.len().saturating_sub(self.page));
        (rows, self.scroll)
    }

    fn footer(&self, size: Size) -> Vec<Row> {
        let mut rows = self.message(size.columns);
        rows.push(between(Tone::Plain, &self.counts(), &format!("{} left", self.count(Fate::Waiting)), size.columns));
        rows.push(match self.mode {
            Mode::Asking(decision) => {
                let question = match self.rest().len() {
                    1 => format!("{} the one that is left? y/n", decision.word()),
                    count => format!("{} all {count} that are left? y/n", decision.word()),
                };
                row(Tone::Strong, truncate(&question, size.columns))
            }
            _ => row(Tone::Quiet, hint(size.columns)),
        });
        rows
    }

    fn message(&self, columns: usize) -> Vec<Row> {
        let Some(message) = &self.message else { return Vec::new() };
        let mut rows = Line::new(Tone::Strong, message.clone()).wrap(columns);
        rows.truncate(LONGEST_MESSAGE);
        rows
    }

    /// What was decided so far; what is nothing is left out.
    pub fn counts(&self) -> String {
        let count = |(fate, word): (Fate, &str)| match self.count(fate) {
            0 => None,
            count => Some(format!("{count} {word}")),
        };
        let words = [
            (Fate::Accepted, "accepted"),
            (Fate::Rejected, "rejected"),
            (Fate::Skipped, "skipped"),
            (Fate::Gone, "decided elsewhere"),
        ];
        let counts: Vec<String> = words.into_iter().filter_map(count).collect();
        if counts.is_empty() { "nothing decided yet".to_owned() } else { counts.join(" · ") }
    }

    fn end(&self, size: Size) -> Vec<Row> {
        let skipped = match self.count(Fate::Skipped) {
            0 => "nothing waits any more",
            _ => "what was skipped waits for the next review",
        };
        let back = if self.count(Fate::Skipped) > 0 { "← back · " } else { "" };
        let mut rows = vec![row(Tone::Strong, truncate("the end of the list", size.columns)), Row::new()];
        rows.extend(
            [self.counts().as_str(), skipped]
                .into_iter()
                .flat_map(|text| Line::new(Tone::Plain, text).wrap(size.columns)),
        );
        let mut footer = self.message(size.columns);
        footer.push(row(Tone::Quiet, truncate(&format!("Enter, q leave · {back}u undo"), size.columns)));
        rows.resize(size.rows.saturating_sub(footer.len()), Row::new());
        rows.extend(footer);
        rows
    }
}

fn row(tone: Tone, text: impl Into<String>) -> Row {
    vec![Span { tone, text: text.into() }]
}

/// A line across the screen that says which rows of how many are shown, where that is not all.
fn rule(first: usize, last: usize, all: usize, columns: usize) -> Row {
    let place = if last - first < all { format!(" {}–{last} of {all} ──", first + 1) } else { String::new() };
    let length = columns.saturating_sub(width(&place));
    row(Tone::Quiet, truncate(&("─".repeat(length) + &place), columns))
}

fn hint(columns: usize) -> String {
    let fitting = HINTS.into_iter().find(|hint| width(hint) <= columns);
    fitting.map_or_else(|| truncate(HINTS[HINTS.len() - 1], columns), str::to_owned)
}

fn help(size: Size) -> Vec<Row> {
    let lines = HELP.iter().filter(|line| size.rows >= HELP.len() || !line.is_empty());
    let mut rows: Vec<Row> = lines.map(|line| row(Tone::Plain, truncate(line, size.columns))).collect();
    rows.truncate(size.rows);
    rows
}

fn too_small(size: Size) -> Vec<Row> {
    let text = format!("too small: {}×{} at least; q quits", LEAST.columns, LEAST.rows);
    let mut rows = Line::new(Tone::Plain, text).wrap(size.columns.max(1));
    rows.truncate(size.rows);
    rows.retain(|row| columns(row) <= size.columns);
    rows
}

#[cfg(test)]
#[path = "screen_tests.rs"]
mod tests;
