//! Writes YAML that says exactly what it is given, whatever that is, and that people like to read.
//!
//! Written by hand: what is written has comments in it, and texts are to be seen as they are. A text of several lines
//! is a block, a plain sentence stands without quotes, and all else is quoted, with every character that nobody sees as
//! its number. A property holds all of it to the reader of scenarios.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::text::escape::visible;

/// The most blanks that a level is indented by, and the only number.
const STEP: usize = 2;

/// The longest list on one line.
const MAX_ROW: usize = 60;
/// Words that mean something else than themselves, to our reader or to another.
const WORDS: [&str; 11] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"];

/// A value to be written.
#[derive(Debug, Clone, PartialEq)]
pub enum Yaml {
    /// A text that means itself: braces that the template language would take for its own are written so that it does not.
    Text(String),
    /// A text as it is, be it a template or not.
    Template(String),
    /// A number, `true`, `false` or `null`.
    Bare(String),
    /// A list.
    List(Vec<Yaml>),
    /// A map, in this order, with comments between its entries. The first part is an entry.
    Map(Vec<Part>),
}

/// A part of a map.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// A key with its value.
    Entry(String, Yaml),
    /// Lines for people.
    Comment(String),
}

impl Yaml {
    /// A text that means itself.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A map without comments.
    #[must_use]
    pub fn map<K: Into<String>>(entries: impl IntoIterator<Item = (K, Self)>) -> Self {
        Self::Map(entries.into_iter().map(|(key, value)| Part::Entry(key.into(), value)).collect())
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::List(items) => items.is_empty(),
            Self::Map(parts) => !parts.iter().any(|part| matches!(part, Part::Entry(..))),
            _ => false,
        }
    }
}

impl From<serde_json::Value> for Yaml {
    /// Texts stay templates.
    fn from(json: serde_json::Value) -> Self {
        use serde_json::Value as Json;
        match json {
            Json::String(text) => Self::Template(text),
            Json::Array(items) => Self::List(items.into_iter().map(Self::from).collect()),
            Json::Object(fields) => Self::map(fields.into_iter().map(|(key, value)| (key, Self::from(value)))),
            bare => Self::Bare(bare.to_string()),
        }
    }
}

/// The document of a map, with a comment at its head.
#[must_use]
pub fn document(head: &str, parts: &[Part]) -> String {
    let mut out = String::new();
    comment(&mut out, head, 0);
    map(&mut out, parts, 0);
    out
}

fn map(out: &mut String, parts: &[Part], indent: usize) {
    for (at, part) in parts.iter().enumerate() {
        // The first one stands behind the dash or at the margin already.
        if at > 0 || indent == 0 {
            pad(out, indent);
        }
        match part {
            Part::Entry(key, value) => {
                out.push_str(&key_text(key));
                out.push(':');
                value_behind(out, value, indent);
            }
            Part::Comment(text) => {
                out.truncate(out.trim_end_matches(' ').len());
                comment(out, text, indent);
            }
        }
    }
}

/// A value behind its key, up to the end of its last line.
fn value_behind(out: &mut String, value: &Yaml, indent: usize) {
    match value {
        _ if value.is_empty() => out.push_str(if matches!(value, Yaml::List(_)) { " []\n" } else { " {}\n" }),
        Yaml::Map(parts) => {
            out.push('\n');
            pad(out, indent + STEP);
            map(out, parts, indent + STEP);
        }
        Yaml::List(items) => {
            if let Some(row) = row(items) {
                out.push(' ');
                out.push_str(&row);
                out.push('\n');
                return;
            }
            out.push('\n');
            list(out, items, indent + STEP);
        }
        scalar => {
            out.push(' ');
            scalar_behind(out, scalar, indent + STEP);
        }
    }
}

/// A list of a few words and numbers on one line.
fn row(items: &[Yaml]) -> Option<String> {
    let words: Option<Vec<&str>> = items
        .iter()
        .map(|item| match item {
            Yaml::Bare(word) => Some(word.as_str()),
            Yaml::Text(text) | Yaml::Template(text) if is_word(text) && !text.ends_with(',') => Some(text.as_str()),
            _ => None,
        })
        .collect();
    words.map(|words| format!("[{}]", words.join(", "))).filter(|row| row.len() <= MAX_ROW)
}

fn list(out: &mut String, items: &[Yaml], indent: usize) {
    for item in items {
        pad(out, indent);
        out.push('-');
        match item {
            _ if item.is_empty() => out.push_str(if matches!(item, Yaml::List(_)) { " []\n" } else { " {}\n" }),
            Yaml::Map(parts) => {
                out.push(' ');
                map(out, parts, indent + STEP);
            }
            Yaml::List(items) => {
                out.push('\n');
                list(out, items, indent + STEP);
            }
            scalar => {
                out.push(' ');
                scalar_behind(out, scalar, indent + STEP);
            }
        }
    }
}

fn scalar_behind(out: &mut String, scalar: &Yaml, indent: usize) {
    match scalar {
        Yaml::Text(text) => text_behind(out, &verbatim(text), indent),
        Yaml::Template(text) => text_behind(out, text, indent),
        Yaml::Bare(word) => out.push_str(word),
        Yaml::List(_) | Yaml::Map(_) => {}
    }
    if !out.ends_with('\n') {
        out.push('\n');
    }
}

fn text_behind(out: &mut String, text: &str, indent: usize) {
    if let Some(mark) = block_mark(text) {
        out.push_str(mark);
        for line in text.trim_end_matches('\n').split('\n') {
            out.push('\n');
            if !line.is_empty() {
                pad(out, indent);
                out.push_str(line);
            }
        }
        out.push('\n');
    } else if is_plain(text) {
        out.push_str(text);
    } else {
        quoted(out, text, indent);
    }
}

fn pad(out: &mut String, indent: usize) {
    out.extend(std::iter::repeat_n(' ', indent));
}

/// How a block of this text begins, where it may be one: several lines, of which the first and the last show something.
fn block_mark(text: &str) -> Option<&'static str> {
    let body = text.strip_suffix('\n').unwrap_or(text);
    let is_shown = |line: &str| line.contains(|c: char| !c.is_whitespace());
    let (first, last) = (body.split('\n').next()?, body.rsplit('\n').next()?);
    // A block is indented as its first line is, so that one may not begin with a blank.
    let is_block = text.contains('\n')
        && is_shown(first)
        && is_shown(last)
        && !first.starts_with([' ', '\t'])
        && !text.contains('\t')
        && matches!(visible(text), Cow::Borrowed(_));
    is_block.then(|| if text.ends_with('\n') { "|" } else { "|-" })
}

/// Whether a text is one word that YAML takes for nothing else.
fn is_word(text: &str) -> bool {
    let bare = text.trim_end_matches(['.', '!', '?', ',']);
    bare.starts_with(|c: char| c.is_ascii_alphabetic())
        && bare.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
        && !WORDS.contains(&bare.to_lowercase().as_str())
}

/// Whether a text is a sentence, or a word, that YAML takes for nothing else.
fn is_plain(text: &str) -> bool {
    if is_word(text) {
        return true;
    }
    text.starts_with(char::is_alphabetic)
        && text.contains(' ')
        && !text.ends_with([' ', ':'])
        && !text.contains(['\n', '\t'])
        && ![": ", " #"].iter().any(|sign| text.contains(sign))
        && matches!(visible(text), Cow::Borrowed(_))
}

fn quoted(out: &mut String, text: &str, indent: usize) {
    out.push('"');
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\n' => {
                out.push_str("\\n");
                // The text goes on in the next line, whose blanks at the beginning do not count.
                if let Some(next) = characters.peek() {
                    out.push_str("\\\n");
                    pad(out, indent);
                    if *next == ' ' {
                        out.push('\\');
                    }
                }
            }
            _ if is_hidden(character) => {
                let number = u32::from(character);
                let written =
                    if number <= 0xffff { write!(out, "\\u{number:04X}") } else { write!(out, "\\U{number:08X}") };
                debug_assert!(written.is_ok(), "a string takes all");
            }
            _ => out.push(character),
        }
    }
    out.push('"');
}

fn is_hidden(character: char) -> bool {
    let mut buffer = [0; 4];
    matches!(visible(character.encode_utf8(&mut buffer)), Cow::Owned(_))
}

/// A key: a name stands as it is, all else in quotes.
fn key_text(key: &str) -> Cow<'_, str> {
    if is_word(key) && !key.ends_with(['.', '!', '?', ',']) {
        return key.into();
    }
    let mut out = String::new();
    quoted(&mut out, &key.replace('\n', " "), 0);
    out.into()
}

/// Lines for people. Whatever is said there, it stays a comment.
fn comment(out: &mut String, text: &str, indent: usize) {
    if out.ends_with('\n') || out.is_empty() {
        pad(out, indent);
    }
    for (at, line) in visible(text).lines().enumerate() {
        if at > 0 {
            pad(out, indent);
        }
        out.push_str("# ");
        out.push_str(line);
        out.truncate(out.trim_end_matches([' ', '\t']).len());
        out.push('\n');
    }
}

/// The template that gives this text.
#[must_use]
pub fn verbatim(text: &str) -> Cow<'_, str> {
    if !["{{", "{%", "{#"].iter().any(|mark| text.contains(mark)) {
        return text.into();
    }
    if !text.contains("endraw") {
        return format!("{{% raw %}}{text}{{% endraw %}}").into();
    }
    // Such a text would end the other way of writing it: here each run of braces is a value of its own.
    let mut out = String::with_capacity(text.len() * 2);
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        out.push_str(&rest[..at]);
        let run = rest[at..].find(|c| c != '{').unwrap_or(rest.len() - at);
        let end = at + run + usize::from(rest[at + run..].starts_with(['%', '#']));
        out.push_str("{{ '");
        out.push_str(&rest[at..end]);
        out.push_str("' }}");
        rest = &rest[end..];
    }
    out.push_str(rest);
    out.into()
}
