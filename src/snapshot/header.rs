//! A snapshot's metadata, in the YAML that insta writes.
//!
//! This is insta's dialect and no YAML reader: one key a line, with a scalar behind it or an indented block below it.
//! What is quoted, and what counts as a text at all, follows insta's rules even where YAML's differ (`0o17` is written
//! bare and read back as a number), because a file must come out of `cargo insta accept` as it comes out of ours.

use std::fmt::{self, Write};
use std::str::Chars;

/// A text that is no snapshot file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason} (line {line})")]
pub struct FormatError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// Where a snapshot comes from. A key that is absent is not written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The scenario file, relative to the config's folder, else to the working directory.
    pub source: Option<String>,
    /// The line in `source`, counted from 1; in pending files only.
    pub assertion_line: Option<u32>,
    /// What a person reads above the diff.
    pub description: Option<String>,
    /// A Rust expression, in files that other tools wrote.
    pub expression: Option<String>,
    /// All that stands behind `info:`, as it was written: a structure that is carried along and not read.
    pub info: Option<String>,
    /// The input file, in files that other tools wrote.
    pub input_file: Option<String>,
}

/// What our own `info:` is: one key below it.
const REDACTIONS: &str = "\n  snapshot_redact: ";

impl Metadata {
    /// With what tells the redactions of its texts from others; `None` where there are none.
    pub(super) fn with_redactions(self, digest: Option<&str>) -> Self {
        Self { info: digest.map(|digest| format!("{REDACTIONS}{digest}")), ..self }
    }

    /// What tells the redactions of its texts from others, where it has any.
    pub(super) fn redactions(&self) -> Option<&str> {
        self.info.as_deref()?.strip_prefix(REDACTIONS)
    }
}

impl fmt::Display for Metadata {
    /// The lines between the two `---`, in insta's order.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::default() {
            return f.write_str("{}\n");
        }
        write_text(f, "source", self.source.as_deref())?;
        if let Some(line) = self.assertion_line {
            writeln!(f, "assertion_line: {line}")?;
        }
        write_text(f, "description", self.description.as_deref())?;
        write_text(f, "expression", self.expression.as_deref())?;
        if let Some(info) = &self.info {
            writeln!(f, "info:{info}")?;
        }
        write_text(f, "input_file", self.input_file.as_deref())
    }
}

fn write_text(f: &mut fmt::Formatter<'_>, key: &str, value: Option<&str>) -> fmt::Result {
    match value {
        None => Ok(()),
        Some(value) if needs_quotes(value) => writeln!(f, "{key}: {}", quoted(value)),
        Some(value) => writeln!(f, "{key}: {value}"),
    }
}

/// insta's rule, letter for letter.
fn needs_quotes(value: &str) -> bool {
    const INDICATORS: [char; 12] = ['&', '*', '?', '|', '-', '<', '>', '=', '!', '%', '@', '.'];
    const WORDS: [&str; 22] = [
        "yes", "Yes", "YES", "no", "No", "NO", "True", "TRUE", "true", "False", "FALSE", "false", "on", "On", "ON",
        "off", "Off", "OFF", "null", "Null", "NULL", "~",
    ];
    let is_special = |c: char| {
        matches!(c, ':' | '{' | '}' | '[' | ']' | ',' | '#' | '`' | '"' | '\'' | '\\' | '\t' | '\n' | '\r')
            || matches!(c, '\0'..='\x06' | '\x0e'..='\x1a' | '\x1c'..='\x1f')
    };
    value.is_empty()
        || value.starts_with(' ')
        || value.ends_with(' ')
        || value.starts_with(INDICATORS)
        || value.starts_with("0x")
        || value.contains(is_special)
        || WORDS.contains(&value)
        || value.parse::<i64>().is_ok()
        || value.parse::<f64>().is_ok()
}

/// Quoted with the escapes that insta writes.
fn quoted(value: &str) -> String {
    let mut quoted = String::with_capacity(value.len() + 2);
    quoted.push('"');
    for c in value.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\x08' => quoted.push_str("\\b"),
            '\t' => quoted.push_str("\\t"),
            '\n' => quoted.push_str("\\n"),
            '\x0c' => quoted.push_str("\\f"),
            '\r' => quoted.push_str("\\r"),
            c if c.is_ascii_control() => {
                // Writing to a String cannot fail.
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// What stands behind a key.
enum Value {
    /// A text.
    Text(String),
    /// A bare scalar that insta takes for a number, a boolean or null.
    Bare(String),
    /// A structure.
    Structure(String),
}

/// Reads the lines between the two `---`; the first of them is line 2 of its file. Keys that are not known are passed
/// over, and a value of another type than its key's counts as absent, as insta has it.
pub(super) fn parse(lines: &[&str]) -> Result<Metadata, FormatError> {
    let mut metadata = Metadata::default();
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at];
        let begin = at;
        let fail = |reason| FormatError { line: begin + 2, reason };
        at += 1;
        if line.trim().is_empty() || line.starts_with('#') || line.trim() == "{}" {
            continue;
        }
        let is_key = |key: &str| !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let (key, behind) = line
            .split_once(':')
            .filter(|(key, behind)| is_key(key) && (behind.is_empty() || behind.starts_with([' ', '\t'])))
            .ok_or_else(|| fail("the metadata have a line that is no `key: value`"))?;
        while at < lines.len() && belongs_above(lines[at]) {
            at += 1;
        }
        let value = value(behind, &lines[begin + 1..at]).map_err(fail)?;
        metadata.set(key, value).map_err(fail)?;
    }
    Ok(metadata)
}

/// Whether a line goes on with the value of the key above it.
fn belongs_above(line: &str) -> bool {
    line.is_empty() || line.starts_with([' ', '\t']) || line == "-" || line.starts_with("- ")
}

impl Metadata {
    fn set(&mut self, key: &str, value: Value) -> Result<(), &'static str> {
        match (key, value) {
            ("source", Value::Text(text)) => self.source = Some(text),
            ("description", Value::Text(text)) => self.description = Some(text),
            ("expression", Value::Text(text)) => self.expression = Some(text),
            ("input_file", Value::Text(text)) => self.input_file = Some(text),
            ("assertion_line", Value::Bare(number)) => self.assertion_line = number.parse().ok(),
            ("snapshot_kind", Value::Text(kind)) if kind == "binary" => return Err("this is a binary snapshot"),
            ("info", Value::Bare(word)) if matches!(word.as_str(), "~" | "null" | "") => {}
            ("info", Value::Bare(value) | Value::Structure(value)) => self.info = Some(joined_to_key(&value)),
            ("info", Value::Text(text)) => {
                self.info = Some(format!(" {}", if needs_quotes(&text) { quoted(&text) } else { text }));
            }
            _ => {}
        }
        Ok(())
    }
}

/// A structure begins on its own line; a scalar or a flow structure stands behind the key.
fn joined_to_key(value: &str) -> String {
    if value.starts_with('\n') { value.to_owned() } else { format!(" {value}") }
}

fn value(behind: &str, below: &[&str]) -> Result<Value, &'static str> {
    // What YAML takes for white space; any other is a part of the text.
    let scalar = behind.trim_matches([' ', '\t', '\r']);
    let has_block = below.iter().any(|line| !line.trim().is_empty());
    match scalar.chars().next() {
        Some('|') => Ok(Value::Text(literal_block(&scalar[1..], below)?)),
        Some('"') if !has_block => double_quoted(&scalar[1..]).map(Value::Text),
        Some('\'') if !has_block => single_quoted(&scalar[1..]).map(Value::Text),
        Some('[' | '{') => Ok(Value::Structure(with_block(scalar, below))),
        None if has_block => Ok(Value::Structure(with_block("", below))),
        _ if has_block => Err("a text in the metadata goes on on the next line"),
        _ => {
            let bare = scalar.find(" #").map_or(scalar, |comment| scalar[..comment].trim_end());
            Ok(if is_text(bare) { Value::Text(bare.to_owned()) } else { Value::Bare(bare.to_owned()) })
        }
    }
}

fn with_block(scalar: &str, below: &[&str]) -> String {
    let mut whole = scalar.to_owned();
    for line in below {
        whole.push('\n');
        whole.push_str(line);
    }
    whole.truncate(whole.trim_end().len());
    whole
}

/// Whether insta takes a bare scalar for a text.
fn is_text(bare: &str) -> bool {
    const WORDS: [&str; 16] = [
        "", "~", "null", "true", "false", ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF",
        ".nan", ".NAN",
    ];
    let radix =
        |prefix, radix| bare.strip_prefix(prefix).is_some_and(|digits| i64::from_str_radix(digits, radix).is_ok());
    !(WORDS.contains(&bare)
        || radix("0x", 16)
        || radix("0o", 8)
        || radix("+", 10)
        || bare.parse::<i64>().is_ok()
        || bare.parse::<f64>().is_ok())
}

/// The rest of a double-quoted text behind its first quote.
fn double_quoted(rest: &str) -> Result<String, &'static str> {
    let mut text = String::new();
    let mut chars = rest.chars();
    loop {
        match chars.next() {
            Some('"') => return only_comment(chars.as_str()).map(|()| text),
            Some('\\') => text.push(escape(&mut chars)?),
            Some(c) => text.push(c),
            None => return Err("a quoted text in the metadata has no end"),
        }
    }
}

/// The character that an escape stands for; `chars` is behind the backslash.
fn escape(chars: &mut Chars<'_>) -> Result<char, &'static str> {
    const UNKNOWN: &str = "a quoted text in the metadata has an escape that insta does not know";
    Ok(match chars.next().ok_or(UNKNOWN)? {
        '0' => '\0',
        'a' => '\x07',
        'b' => '\x08',
        't' | '\t' => '\t',
        'n' => '\n',
        'v' => '\x0b',
        'f' => '\x0c',
        'r' => '\r',
        'e' => '\x1b',
        'N' => '\u{85}',
        '_' => '\u{a0}',
        'L' => '\u{2028}',
        'P' => '\u{2029}',
        c @ (' ' | '"' | '\'' | '\\') => c,
        'x' => hexadecimal(chars, 2).ok_or(UNKNOWN)?,
        'u' => hexadecimal(chars, 4).ok_or(UNKNOWN)?,
        'U' => hexadecimal(chars, 8).ok_or(UNKNOWN)?,
        _ => return Err(UNKNOWN),
    })
}

fn hexadecimal(chars: &mut Chars<'_>, digits: usize) -> Option<char> {
    let code = chars.as_str().get(..digits)?;
    *chars = chars.as_str()[digits..].chars();
    char::from_u32(u32::from_str_radix(code, 16).ok()?)
}

/// The rest of a single-quoted text behind its first quote.
fn single_quoted(rest: &str) -> Result<String, &'static str> {
    let mut text = String::new();
    let mut rest = rest;
    loop {
        let (part, behind) = rest.split_once('\'').ok_or("a quoted text in the metadata has no end")?;
        text.push_str(part);
        match behind.strip_prefix('\'') {
            Some(more) => {
                text.push('\'');
                rest = more;
            }
            None => return only_comment(behind).map(|()| text),
        }
    }
}

fn only_comment(rest: &str) -> Result<(), &'static str> {
    let rest = rest.trim();
    if rest.is_empty() || rest.starts_with('#') { Ok(()) } else { Err("the metadata have text behind a quoted text") }
}

/// A literal block, which insta writes for texts of several lines under `INSTA_YAML_BLOCK_STYLE=1`.
fn literal_block(chomping: &str, below: &[&str]) -> Result<String, &'static str> {
    let indent =
        below.iter().find(|line| !line.trim().is_empty()).map_or(0, |line| line.len() - line.trim_start().len());
    let lines: Vec<&str> = below.iter().map(|line| line.get(indent..).unwrap_or("")).collect();
    let text = lines.join("\n");
    let body = text.trim_end_matches('\n');
    match chomping {
        "-" => Ok(body.to_owned()),
        "" if body.is_empty() => Ok(String::new()),
        "" => Ok(format!("{body}\n")),
        "+" => Ok(format!("{text}\n")),
        _ => Err("the metadata have a block of a kind that insta does not write"),
    }
}
