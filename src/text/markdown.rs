//! A stranger's text inside Markdown as GitHub shows it: in a code span or in a fence, never bare.
//!
//! Backslashes are not enough there: mentions, links, issue numbers and emoji are looked for after the Markdown was read,
//! in whatever is shown, and notify people. In code nothing is looked for. So a text is put into a span or a fence with
//! more backticks than it has in a row itself, with all that is hidden in it made visible. And because such a page may be
//! printed to a CI log, no line of it is a command there.

use std::borrow::Cow;

use super::escape::{no_command, quote, visible};

/// A comment on GitHub has 65,536 characters at most. Below that is room for what others put around a page.
pub const PAGE: usize = 60_000;

/// The text as a code span on one line, its white space folded, cut with `…` beyond `most` characters; `(empty)`, which is
/// no code, for a text without any.
#[must_use]
pub fn code(text: &str, most: usize) -> String {
    span(&folded(text, most))
}

/// The same for the cell of a table, whose columns a `|` would move.
///
/// A table's `\|` is a bar inside code too, and readers do not agree on what a backslash before that means: one that stands
/// there in the text is spelled out.
#[must_use]
pub fn code_in_cell(text: &str, most: usize) -> String {
    span(&folded(text, most).replace("\\|", "‹U+005C›|")).replace('|', "\\|")
}

fn folded(text: &str, most: usize) -> String {
    let quoted = quote(text, most);
    let text = quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or_default();
    no_command(text).into_owned()
}

fn span(text: &str) -> String {
    if text.is_empty() {
        return "(empty)".to_owned();
    }
    let ticks = "`".repeat(longest_run(text) + 1);
    // A blank at both ends belongs to the ticks.
    let blank = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{ticks}{blank}{text}{blank}{ticks}")
}

/// The text, line by line, in a fence that it cannot close; ends in a line feed. `language` is the caller's own word.
#[must_use]
pub fn fence(language: &str, text: &str) -> String {
    let text = visible(text);
    let text = no_command(text.trim_end_matches('\n'));
    let ticks = "`".repeat(longest_run(&text).max(2) + 1);
    format!("{ticks}{language}\n{text}\n{ticks}\n")
}

/// What is shown when somebody opens it; `inside` is Markdown already, and `summary` the caller's own words: what stands there is read
/// as HTML.
#[must_use]
pub fn folded_away(summary: &str, inside: &str) -> String {
    // Without the empty lines what is inside would not be read as Markdown.
    format!("<details><summary>{summary}</summary>\n\n{}\n\n</details>\n", inside.trim_end_matches('\n'))
}

/// The text with no line longer than `most` characters: of the rest, how much it is.
#[must_use]
pub fn with_short_lines(text: &str, most: usize) -> Cow<'_, str> {
    // Bytes are at least as many as characters.
    if text.lines().all(|line| line.len() <= most) {
        return Cow::Borrowed(text);
    }
    let short = |line: &str| match line.char_indices().nth(most) {
        Some((end, _)) => format!("{}… ({} more characters)", &line[..end], line[end..].chars().count()),
        None => line.to_owned(),
    };
    Cow::Owned(text.split('\n').map(short).collect::<Vec<_>>().join("\n"))
}

fn longest_run(text: &str) -> usize {
    text.split(|sign| sign != '`').map(str::len).max().unwrap_or(0)
}

/// Markdown put together block by block, as long as there is room.
#[derive(Debug)]
pub struct Page {
    text: String,
    room: usize,
}

impl Page {
    /// An empty page of so many characters.
    #[must_use]
    pub fn new(room: usize) -> Self {
        Self { text: String::new(), room }
    }

    /// How many characters still have room.
    #[must_use]
    pub fn room(&self) -> usize {
        self.room
    }

    /// Adds a block, an empty line before it; `false`, and nothing is added, where it has no room. A block without
    /// anything has always room.
    pub fn push(&mut self, block: &str) -> bool {
        let block = block.trim_end_matches('\n');
        if block.is_empty() {
            return true;
        }
        let gap = if self.text.is_empty() { "" } else { "\n" };
        let Some(room) = self.room.checked_sub(block.chars().count() + gap.len() + 1) else { return false };
        self.room = room;
        for part in [gap, block, "\n"] {
            self.text.push_str(part);
        }
        true
    }

    /// Sets room aside for what comes later, as much as there is, and gives how much that is.
    #[must_use]
    pub fn reserve(&mut self, room: usize) -> usize {
        let reserved = room.min(self.room);
        self.room -= reserved;
        reserved
    }

    /// Gives back what was set aside.
    pub fn grant(&mut self, room: usize) {
        self.room += room;
    }

    /// The text, ending in a line feed.
    #[must_use]
    pub fn finish(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests;
