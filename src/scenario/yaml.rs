//! YAML text as a tree in which every node knows its place. The only module that knows the YAML library.
//!
//! The tree keeps what a decoder needs for good errors: spans, the text of a scalar as it was written (`1.10` stays
//! `1.10` where a text is wanted), and keys that are there twice. What a key or value means is decided elsewhere.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::{DuplicateKeyPolicy, Error, Location, NonFiniteFloatPolicy, Spanned};

use crate::diagnostic::{Code, Diagnostic, SourceFile};
use crate::model::Position;
use crate::text::layout::floor_boundary;

/// The largest file that is read, in bytes.
pub const MAX_FILE_BYTES: usize = 10 << 20;
/// The longest value that a message repeats, in bytes.
const MAX_SHOWN: usize = 40;
const MAX_NODES: usize = 200_000;
const MAX_ALIASES: usize = 10_000;
const MAX_DEPTH: usize = 64;
const MAX_SCALAR_BYTES: usize = 32 << 20;

/// A value with its place.
#[derive(Debug, Clone)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Its bytes in the source; for a collection where it starts.
    pub span: Range<usize>,
    /// Its line and column.
    pub position: Position,
}

/// What a node is. A copy shares its texts and what it holds: scripts are made from one tree for case after case, which differ in
/// few of them.
#[derive(Debug, Clone)]
pub enum Value {
    /// `null`, `~` or nothing at all.
    Null,
    /// A scalar.
    Scalar(Scalar, Arc<str>),
    /// A list.
    List(Arc<[Node]>),
    /// A map, in the order of the file, with what is there twice.
    Map(Arc<[(Node, Node)]>),
}

/// What a scalar's spelling says that it is.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number; apart, so that nodes, of which there are a great many and few of numbers, are small.
    Int(Box<i128>),
    /// Any other number.
    Float(f64),
    /// A text, or anything in quotes.
    Text,
}

impl Node {
    /// Nothing, nowhere.
    pub const NOTHING: Self = Self { value: Value::Null, span: 0..0, position: Position { line: 1, column: 1 } };

    /// Its kind in words, for messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Scalar(Scalar::Bool(_), _) => "`true` or `false`",
            Value::Scalar(Scalar::Int(_) | Scalar::Float(_), _) => "a number",
            Value::Scalar(Scalar::Text, _) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }

    /// The same with the value of a scalar, where it is short.
    #[must_use]
    pub fn shown(&self) -> String {
        match &self.value {
            Value::Scalar(Scalar::Bool(_), text) => format!("`{text}`"),
            Value::Scalar(kind, text) if (1..=MAX_SHOWN).contains(&text.len()) && !text.contains('\n') => {
                let kind = if *kind == Scalar::Text { "the text" } else { "the number" };
                format!("{kind} `{text}`")
            }
            Value::Scalar(Scalar::Text, text) if text.is_empty() => "an empty text".to_owned(),
            _ => self.kind().to_owned(),
        }
    }

    /// The text of a scalar as it was written.
    #[must_use]
    pub fn scalar_text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(_, text) => Some(text),
            _ => None,
        }
    }

    /// The same as JSON; a number keeps its value, not its spelling.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Scalar(Scalar::Bool(value), _) => (*value).into(),
            Value::Scalar(Scalar::Int(value), text) => match (i64::try_from(**value), u64::try_from(**value)) {
                (Ok(value), _) => value.into(),
                (_, Ok(value)) => value.into(),
                _ => (&**text).into(),
            },
            Value::Scalar(Scalar::Float(value), text) => {
                serde_json::Number::from_f64(*value).map_or_else(|| (&**text).into(), serde_json::Value::Number)
            }
            Value::Scalar(Scalar::Text, text) => (&**text).into(),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(entries) => serde_json::Value::Object(
                entries
                    .iter()
                    .map(|(key, value)| (key.scalar_text().unwrap_or_default().to_owned(), value.to_json()))
                    .collect(),
            ),
        }
    }
}

/// Parses one YAML document.
///
/// # Errors
/// The one thing that keeps the text from being a single YAML document within the limits, at its place.
pub fn parse(source: &Arc<SourceFile>) -> Result<Node, Box<Diagnostic>> {
    let text = source.text.as_str();
    if text.len() > MAX_FILE_BYTES {
        return Err(Box::new(
            Diagnostic::error(
                Code::FileTooLarge,
                format!("the file has {} bytes; at most 10 MiB are read", text.len()),
            )
            .at(source, 0..0, "")
            .help("split it, or move long texts into files of their own"),
        ));
    }
    let options = serde_saphyr::options! {
        strict_booleans: true,
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_nodes: MAX_NODES,
            max_aliases: MAX_ALIASES,
            max_depth: MAX_DEPTH,
            max_total_scalar_bytes: MAX_SCALAR_BYTES,
            flow_nesting_limit: MAX_DEPTH,
            max_documents: 1,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MAX_NODES,
            max_replay_stack_depth: 16,
            max_alias_expansions_per_anchor: MAX_ALIASES,
        },
    };
    let raw: RawNode =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| Box::new(syntax_error(source, &error)))?;
    Ok(raw.into_node(text))
}

fn syntax_error(source: &Arc<SourceFile>, error: &serde_saphyr::Error) -> Diagnostic {
    let text = source.text.as_str();
    let offset = error.location().map_or(0, |place| match place.span().byte_offset() {
        Some(offset) => usize::try_from(offset).unwrap_or(0),
        None => byte_offset(text, place.line(), place.column()),
    });
    let offset = floor_boundary(text, offset);
    let end = text[offset..].chars().next().map_or(offset, |c| offset + c.len_utf8());
    let at = |diagnostic: Diagnostic, label: &str| diagnostic.at(source, offset..end, label);
    let error = innermost(error);
    if let Error::Budget { breach: BudgetBreach::Documents { .. }, .. } | Error::MultipleDocuments { .. } = error {
        return at(
            Diagnostic::error(Code::SeveralDocuments, "the file has more than one YAML document"),
            "the second one starts here",
        )
        .help("one file is one scenario: put the second document into a file of its own");
    }
    let full = error.to_string();
    if let Some(limit) = limit(error, &full) {
        return at(Diagnostic::error(Code::YamlLimit, format!("this YAML {limit}")), "the limit is reached here")
            .help("a scenario is short: put long texts, fillers and cases into files of their own");
    }
    // The library ends its messages with the place, which stands in our heading already, and quotes like a letter.
    let message = full.rsplit_once(" at line ").map_or(full.as_str(), |(message, _)| message).replace('\'', "`");
    let diagnostic = at(Diagnostic::error(Code::InvalidYaml, format!("this is not YAML: {message}")), "");
    let line = text[..offset].rfind('\n').map_or(0, |at| at + 1);
    match syntax_help(&message, &text[line..offset], &text[offset..]) {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}

/// The error itself, where the library wraps it to tell of the alias that led there.
fn innermost(error: &Error) -> &Error {
    match error {
        Error::AliasError { error, .. } | Error::WithSnippet { error, .. } => innermost(error),
        error => error,
    }
}

/// Which limit was reached, if it was one.
fn limit(error: &Error, message: &str) -> Option<String> {
    let limit = match error {
        Error::Budget { breach: BudgetBreach::Nodes { .. } | BudgetBreach::Events { .. }, .. } => {
            format!("has more than {MAX_NODES} values")
        }
        Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => format!("is more than {MAX_DEPTH} levels deep"),
        Error::Budget { breach: BudgetBreach::Aliases { .. }, .. } => format!("has more than {MAX_ALIASES} aliases"),
        Error::Budget { .. } => format!("unfolds to more than {} MiB of text", MAX_SCALAR_BYTES >> 20),
        Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => {
            format!("has aliases that unfold to more than {MAX_NODES} values")
        }
        _ if message.contains("recursion limit") || message.contains("nesting") => {
            format!("is more than {MAX_DEPTH} levels deep")
        }
        _ => return None,
    };
    Some(limit)
}

fn syntax_help(message: &str, before: &str, rest: &str) -> Option<&'static str> {
    if before.contains(": {{") || before.contains("- {{") {
        Some("a text that begins with `{{` needs quotes")
    } else if message.contains("quoted scalar") {
        Some("a text in quotes ends with the quote that it began with")
    } else if message.contains("mapping values are not allowed") {
        Some("a text that has `: ` in it needs quotes")
    } else if rest.starts_with('\t') || message.contains("tab") {
        Some("YAML is indented with blanks, not with tabs")
    } else if rest.starts_with(['{', '}', '%', '@', '`']) {
        Some("a text that begins with such a character needs quotes")
    } else {
        None
    }
}

/// The byte offset of a line and column, both counted from 1, the column in characters.
fn byte_offset(text: &str, line: u64, column: u64) -> usize {
    let skipped = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
    let start: usize = text.split_inclusive('\n').take(skipped).map(str::len).sum();
    let column = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
    text[start..].char_indices().nth(column).map_or(text.len(), |(at, _)| start + at)
}

/// A node as the library gives it, before scalars are given back the text that they were written as.
struct RawNode {
    value: RawValue,
    place: Location,
    defined: Location,
}

enum RawValue {
    Null,
    Scalar(Scalar, Option<Arc<str>>),
    List(Vec<RawNode>),
    Map(Vec<(RawNode, RawNode)>),
}

impl RawNode {
    fn into_node(self, text: &str) -> Node {
        let span = byte_range(self.place, text);
        let position = Position {
            line: u32::try_from(self.place.line()).unwrap_or(u32::MAX),
            column: u32::try_from(self.place.column()).unwrap_or(u32::MAX),
        };
        let value = match self.value {
            RawValue::Null => Value::Null,
            RawValue::Scalar(kind, Some(written)) => Value::Scalar(kind, written),
            // Behind an alias the text stands where the anchor is.
            RawValue::Scalar(kind, None) => Value::Scalar(kind, text[byte_range(self.defined, text)].into()),
            RawValue::List(items) => Value::List(items.into_iter().map(|item| item.into_node(text)).collect()),
            RawValue::Map(entries) => Value::Map(
                entries.into_iter().map(|(key, value)| (key.into_node(text), value.into_node(text))).collect(),
            ),
        };
        Node { value, span, position }
    }
}

fn byte_range(place: Location, text: &str) -> Range<usize> {
    let span = place.span();
    let start = span.byte_offset().and_then(|at| usize::try_from(at).ok()).unwrap_or(0).min(text.len());
    let length = span.byte_len().and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    let end = start.saturating_add(length).min(text.len());
    if text.is_char_boundary(start) && text.is_char_boundary(end) { start..end } else { 0..0 }
}

impl<'de> Deserialize<'de> for RawNode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<RawValue>::deserialize(deserializer)?;
        Ok(Self { value: spanned.value, place: spanned.referenced, defined: spanned.defined })
    }
}

impl<'de> Deserialize<'de> for RawValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = RawValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<RawValue, E> {
        Ok(RawValue::Null)
    }

    fn visit_none<E>(self) -> Result<RawValue, E> {
        Ok(RawValue::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<RawValue, E> {
        Ok(RawValue::Scalar(Scalar::Bool(value), None))
    }

    fn visit_i64<E>(self, value: i64) -> Result<RawValue, E> {
        Ok(RawValue::Scalar(Scalar::Int(Box::new(value.into())), None))
    }

    fn visit_u64<E>(self, value: u64) -> Result<RawValue, E> {
        Ok(RawValue::Scalar(Scalar::Int(Box::new(value.into())), None))
    }

    fn visit_i128<E>(self, value: i128) -> Result<RawValue, E> {
        Ok(RawValue::Scalar(Scalar::Int(Box::new(value)), None))
    }

    fn visit_f64<E>(self, value: f64) -> Result<RawValue, E> {
        Ok(RawValue::Scalar(Scalar::Float(value), None))
    }

    fn visit_str<E>(self, value: &str) -> Result<RawValue, E> {
        Ok(RawValue::Scalar(Scalar::Text, Some(value.into())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<RawValue, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(RawValue::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<RawValue, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(RawValue::Map(map))
    }
}
