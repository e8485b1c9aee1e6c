//! One snapshot file as a value: reads what insta reads, writes what insta writes.
//!
//! A file is `---`, the metadata (see the header's own file), `---`, and the contents with white space at their end
//! trimmed and one line feed behind. `cargo insta accept` rewrites a file in just this form, so nothing else is ever
//! written here.

use std::fmt;

use super::header::{self, FormatError, Metadata};

/// A snapshot: a text and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Where it comes from. Never part of a comparison.
    pub metadata: Metadata,
    contents: String,
}

impl Snapshot {
    /// A snapshot of `contents`. White space at their end is dropped and every line end becomes a line feed.
    #[must_use]
    pub fn new(metadata: Metadata, contents: &str) -> Self {
        let mut contents = contents.trim_end().to_owned();
        // Again and again, because `\r\r\n` holds another line end once its first carriage return is gone.
        while contents.contains("\r\n") {
            contents = contents.replace("\r\n", "\n");
        }
        Self { metadata, contents }
    }

    /// The text, without the line feed that ends the file.
    #[must_use]
    pub fn contents(&self) -> &str {
        &self.contents
    }

    /// Reads a file's text: the present format, and the one that insta wrote before it had metadata in YAML.
    ///
    /// # Errors
    /// When the metadata are not such as insta writes them, or belong to a binary snapshot.
    pub fn parse(file: &str) -> Result<Self, FormatError> {
        let (first, rest) = split_line(file);
        let (metadata, contents) = if first.trim_end() == "---" {
            let (lines, contents) = split_header(rest);
            (header::parse(&lines)?, contents)
        } else {
            parse_legacy(rest)
        };
        // As insta reads: a carriage return belongs to the line end behind it, and what is left is normalised once.
        let lines: Vec<&str> = contents.split_terminator('\n').collect();
        let ends_in_line_feed = contents.ends_with('\n');
        let last = lines.len().saturating_sub(1);
        let strip = |(index, line): (usize, &str)| {
            let is_whole = index < last || ends_in_line_feed;
            if is_whole { line.strip_suffix('\r').unwrap_or(line).to_owned() } else { line.to_owned() }
        };
        let joined = lines.iter().copied().enumerate().map(strip).collect::<Vec<_>>().join("\n");
        Ok(Self { metadata, contents: joined.trim_end().replace("\r\n", "\n") })
    }

    /// What accepting makes of it: `assertion_line` is for reviewers only and is not kept.
    #[must_use]
    pub fn accepted(mut self) -> Self {
        self.metadata.assertion_line = None;
        self
    }
}

impl fmt::Display for Snapshot {
    /// The whole file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "---\n{}---\n{}\n", self.metadata, self.contents)
    }
}

/// The first line with its line feed, and the rest.
fn split_line(text: &str) -> (&str, &str) {
    text.split_at(text.find('\n').map_or(text.len(), |end| end + 1))
}

/// The lines of the metadata, and the contents behind them. Without a closing `---` all is metadata.
fn split_header(mut rest: &str) -> (Vec<&str>, &str) {
    let mut lines = Vec::new();
    while !rest.is_empty() {
        let (line, behind) = split_line(rest);
        rest = behind;
        if line.trim_end() == "---" {
            break;
        }
        lines.push(line.trim_end_matches(['\r', '\n']));
    }
    (lines, rest)
}

/// `Key: value` lines up to an empty one; what stands in the first line was never read by insta either.
fn parse_legacy(mut rest: &str) -> (Metadata, &str) {
    let mut metadata = Metadata::default();
    while !rest.is_empty() {
        let (line, behind) = split_line(rest);
        rest = behind;
        if line.trim_end().is_empty() {
            break;
        }
        if let Some((key, value)) = line.split_once(':') {
            match key.to_lowercase().as_str() {
                "expression" => metadata.expression = Some(value.trim().to_owned()),
                "source" => metadata.source = Some(value.trim().to_owned()),
                _ => {}
            }
        }
    }
    (metadata, rest)
}

#[cfg(test)]
#[path = "format_tests.rs"]
mod tests;
