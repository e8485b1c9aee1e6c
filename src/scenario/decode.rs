//! Reads typed values out of a YAML tree and collects everything that is wrong on the way.
//!
//! A method that finds something wrong notes it and gives `None` (or leaves the item out), so that the rest of the
//! file is still looked at. Nothing here knows scenarios: the config file is read with it too.

use std::collections::{BTreeMap, HashSet};
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use super::read_json::Schemas;
use super::yaml::{Node, Scalar, Value};
use crate::diagnostic::{Code, Diagnostic, SourceFile};
use crate::text::nearest::nearest;

/// The most errors of one file that are shown: nobody reads more, and a hostile file could have a great many.
const MAX_ERRORS: usize = 100;
/// So many words are listed even where the one that was meant is known.
const FEW: usize = 8;
/// The most regular expressions in one script: each may take 1 MiB.
const MAX_REGEXES: usize = 500;

/// What was found wrong in one file so far.
#[derive(Debug)]
pub struct Findings {
    source: Arc<SourceFile>,
    diagnostics: Vec<Diagnostic>,
    seen: HashSet<Identity>,
    /// Places whose templates could not be filled in: whatever else is said of the value there is a consequence.
    unfilled: HashSet<Range<usize>>,
    left_out: usize,
    regexes: usize,
    schemas: Arc<Schemas>,
}

/// What makes two findings the same.
type Identity = (Code, Option<Range<usize>>, String);

impl Findings {
    /// Nothing found yet in this file.
    #[must_use]
    pub fn new(source: Arc<SourceFile>) -> Self {
        Self {
            source,
            diagnostics: Vec::new(),
            seen: HashSet::new(),
            unfilled: HashSet::new(),
            left_out: 0,
            regexes: 0,
            schemas: Arc::default(),
        }
    }

    /// The same, with the schemas of files that the scenario names.
    #[must_use]
    pub(super) fn with_schemas(self, schemas: Arc<Schemas>) -> Self {
        Self { schemas, ..self }
    }

    /// The schemas of files.
    pub(super) const fn schemas(&self) -> &Arc<Schemas> {
        &self.schemas
    }

    /// The file.
    #[must_use]
    pub const fn source(&self) -> &Arc<SourceFile> {
        &self.source
    }

    /// All that was found; of very much, the first of it and how much is left out.
    #[must_use]
    pub fn into_diagnostics(mut self) -> Vec<Diagnostic> {
        if self.left_out > 0 {
            let errors = if self.left_out == 1 { "error" } else { "errors" };
            let message = format!("this file has {} more {errors}", self.left_out);
            let help = format!("the first {MAX_ERRORS} are shown; one cause may stand behind many of them");
            // At the end of the file, so that it is read after those that are shown.
            let end = self.source.text.len();
            self.diagnostics
                .push(Diagnostic::error(Code::TooManyErrors, message).at(&self.source, end..end, "").help(help));
        }
        self.diagnostics
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.diagnostics.is_empty()
    }

    /// Adds what was found, unless it is known.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        let place = diagnostic.labels.first().map(|label| label.span.clone());
        let is_own = diagnostic.source.as_ref().is_some_and(|source| Arc::ptr_eq(source, &self.source));
        if is_own && place.as_ref().is_some_and(|place| self.unfilled.contains(place)) {
            return;
        }
        if !self.seen.insert((diagnostic.code, place, diagnostic.message.clone())) {
            return;
        }
        if self.diagnostics.len() < MAX_ERRORS {
            self.diagnostics.push(diagnostic);
        } else {
            self.left_out += 1;
        }
    }

    /// The same, of several things.
    pub fn extend(&mut self, diagnostics: impl IntoIterator<Item = Diagnostic>) {
        diagnostics.into_iter().for_each(|diagnostic| self.push(diagnostic));
    }

    /// Remembers that a value could not be made: what else is wrong with it follows from that, and is not said.
    pub fn unfilled(&mut self, at: &Node) {
        self.unfilled.insert(self.first_line(&at.span));
    }

    /// Whether one more regular expression may be read.
    pub fn takes_regex(&mut self, at: &Node) -> bool {
        self.regexes += 1;
        if self.regexes == MAX_REGEXES + 1 {
            let message = format!("a scenario has at most {MAX_REGEXES} regular expressions");
            self.error_help(Code::TooManyRegexes, at, message, "one more", "`contains_any` takes a list of texts");
        }
        self.regexes <= MAX_REGEXES
    }

    /// Notes an error at a node.
    pub fn error(&mut self, code: Code, at: &Node, message: impl Into<String>, label: impl Into<String>) {
        let diagnostic = Diagnostic::error(code, message).at(&self.source, self.first_line(&at.span), label);
        self.push(diagnostic);
    }

    /// The same, with something to do about it.
    pub fn error_help(
        &mut self,
        code: Code,
        at: &Node,
        message: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<String>,
    ) {
        let diagnostic = Diagnostic::error(code, message).at(&self.source, self.first_line(&at.span), label).help(help);
        self.push(diagnostic);
    }

    /// A text over many lines is marked on its first line only.
    fn first_line(&self, span: &Range<usize>) -> Range<usize> {
        let text = &self.source.text[span.clone()];
        let line = text.split(['\n', '\r']).next().unwrap_or(text);
        span.start..span.start + line.len()
    }

    /// Notes a node of the wrong type.
    pub fn wrong_type(&mut self, at: &Node, what: &str, wanted: &str) {
        let message = format!("`{what}` must be {wanted}, and this is {}", at.shown());
        self.type_error(at, message);
    }

    fn type_error(&mut self, at: &Node, message: String) {
        if self.is_bare_template(at) {
            let help = "a text that begins with `{{` needs quotes: YAML takes a brace for a map";
            self.error_help(Code::WrongType, at, message, "", help);
        } else {
            self.error(Code::WrongType, at, message, "");
        }
    }

    /// Whether it is a template without quotes, which YAML takes for a map with a map for its key.
    fn is_bare_template(&self, node: &Node) -> bool {
        matches!(node.value, Value::Map(_)) && self.source.text[node.span.start..].starts_with("{{")
    }

    /// Notes a word that is none of the known ones.
    pub fn unknown_word(&mut self, code: Code, at: &Node, message: String, word: &str, known: &[&str]) {
        let near = nearest(word, known.iter().copied());
        let label = near.map_or_else(String::new, |near| format!("did you mean `{near}`?"));
        // A long list would bury the word that was meant.
        if near.is_some() && known.len() > FEW {
            self.error(code, at, message, label);
        } else {
            let help = if known.is_empty() {
                "none are known here".to_owned()
            } else {
                format!("known are {}", list_words(known))
            };
            self.error_help(code, at, message, label, help);
        }
    }

    /// Reads a map whose keys are all in `known`; `what` says in messages whose keys they are.
    pub fn fields<'n>(&mut self, node: &'n Node, what: &str, known: &[&str]) -> Option<Fields<'n>> {
        let mut fields = self.open_fields(node, what)?;
        for (key, _) in &fields.entries {
            let word = key.scalar_text().unwrap_or_default();
            if !known.contains(&word) {
                fields.meant.extend(nearest(word, known.iter().copied()).map(str::to_owned));
                self.unknown_word(Code::UnknownKey, key, format!("`{word}` is no key of {what}"), word, known);
            }
        }
        Some(fields)
    }

    /// Reads a map with any keys, each there once.
    pub fn open_fields<'n>(&mut self, node: &'n Node, what: &str) -> Option<Fields<'n>> {
        let Value::Map(entries) = &node.value else {
            self.error(Code::WrongType, node, format!("{what} must be a map, and this is {}", node.shown()), "");
            return None;
        };
        if self.is_bare_template(node) {
            self.type_error(node, format!("{what} cannot begin with `{{{{` without quotes"));
            return None;
        }
        let mut kept: Vec<(&Node, &Node)> = Vec::with_capacity(entries.len());
        // A map of a few keys, as nearly all are, is looked through; one of a great many must not take the square of them.
        let is_small = entries.len() <= 16;
        let mut seen: BTreeMap<&str, &Node> = BTreeMap::new();
        for (key, value) in entries.iter() {
            let Some(word) = key.scalar_text() else {
                self.error(
                    Code::WrongType,
                    key,
                    format!("a key of {what} must be a text, and this is {}", key.shown()),
                    "",
                );
                continue;
            };
            let first = if is_small {
                kept.iter().map(|(key, _)| *key).find(|key| key.scalar_text() == Some(word))
            } else {
                seen.get(word).copied()
            };
            if let Some(first) = first {
                let message = format!("`{word}` is there twice in {what}");
                let diagnostic = Diagnostic::error(Code::DuplicateKey, message)
                    .at(&self.source, key.span.clone(), "again here")
                    .at(&self.source, first.span.clone(), "first here");
                self.push(diagnostic);
                continue;
            }
            if !is_small {
                seen.insert(word, key);
            }
            kept.push((key, value));
        }
        Some(Fields { entries: kept, node, meant: Vec::new() })
    }

    /// Reads any scalar as the text that it was written as.
    pub fn text(&mut self, node: &Node, what: &str) -> Option<String> {
        Some(self.scalar(node, what)?.to_string())
    }

    fn scalar<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n Arc<str>> {
        let Value::Scalar(_, text) = &node.value else {
            self.wrong_type(node, what, "a text");
            return None;
        };
        Some(text)
    }

    /// Reads a text that must not be blank.
    pub fn filled_text(&mut self, node: &Node, what: &str) -> Option<String> {
        self.shared_text(node, what).map(|text| text.to_string())
    }

    /// The same, shared with the tree: for texts that conversations have by the thousands.
    pub(super) fn shared_text(&mut self, node: &Node, what: &str) -> Option<Arc<str>> {
        let text = self.scalar(node, what)?;
        if text.trim().is_empty() {
            self.error(Code::EmptyText, node, format!("`{what}` is empty"), "");
            return None;
        }
        Some(Arc::clone(text))
    }

    /// Reads `true` or `false`.
    pub fn flag(&mut self, node: &Node, what: &str) -> Option<bool> {
        match &node.value {
            Value::Scalar(Scalar::Bool(value), _) => Some(*value),
            // What a template gave is a text.
            Value::Scalar(Scalar::Text, text) if matches!(text.trim(), "true" | "false") => Some(text.trim() == "true"),
            _ => {
                self.wrong_type(node, what, "`true` or `false`");
                None
            }
        }
    }

    /// Reads a whole number within a range.
    pub fn whole(&mut self, node: &Node, what: &str, range: RangeInclusive<u64>) -> Option<u64> {
        let value = match &node.value {
            Value::Scalar(Scalar::Int(value), _) => **value,
            // What a template gave is a text that looks like a number.
            Value::Scalar(Scalar::Text, text) if text.trim().parse::<i128>().is_ok() => text.trim().parse().ok()?,
            // Too many digits for any whole number that the reader knows.
            Value::Scalar(Scalar::Float(value), text) if value.abs() > 1e30 && !text.contains(['.', 'e', 'E']) => {
                let message =
                    format!("`{what}` must be from {} to {}, and this is far beyond", range.start(), range.end());
                self.error(Code::OutOfRange, node, message, "");
                return None;
            }
            _ => {
                self.wrong_type(node, what, "a whole number");
                return None;
            }
        };
        match u64::try_from(value) {
            Ok(value) if range.contains(&value) => Some(value),
            _ => {
                let message =
                    format!("`{what}` must be from {} to {}, and this is {value}", range.start(), range.end());
                self.error(Code::OutOfRange, node, message, "");
                None
            }
        }
    }

    /// Reads a number within a range.
    pub fn number(&mut self, node: &Node, what: &str, range: RangeInclusive<f64>) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "the ranges that are asked for are small")]
        let value = match &node.value {
            Value::Scalar(Scalar::Int(value), _) => **value as f64,
            Value::Scalar(Scalar::Float(value), _) => *value,
            _ => {
                self.wrong_type(node, what, "a number");
                return None;
            }
        };
        if range.contains(&value) {
            return Some(value);
        }
        let message = format!("`{what}` must be from {} to {}, and this is {value}", range.start(), range.end());
        self.error(Code::OutOfRange, node, message, "");
        None
    }

    /// Reads a list.
    pub fn list<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [Node]> {
        let Value::List(items) = &node.value else {
            self.wrong_type(node, what, "a list");
            return None;
        };
        Some(items)
    }

    /// Reads a list that must have something in it.
    pub fn filled_list<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [Node]> {
        let items = self.list(node, what)?;
        if items.is_empty() {
            self.error(Code::EmptyList, node, format!("`{what}` is an empty list"), "");
            return None;
        }
        Some(items)
    }

    /// Reads texts: a list of them, or one alone.
    pub fn texts(&mut self, node: &Node, what: &str) -> Vec<String> {
        one_or_many(node).iter().filter_map(|item| self.filled_text(item, what)).collect()
    }
}

/// The items of a list, or the one node that stands where a list may stand.
#[must_use]
pub fn one_or_many(node: &Node) -> &[Node] {
    match &node.value {
        Value::List(items) => items,
        _ => std::slice::from_ref(node),
    }
}

/// `a`, `b` and `c`, in backticks.
#[must_use]
pub fn list_words(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => "none".to_owned(),
    }
}

/// The entries of a map, each key once.
#[derive(Debug)]
pub struct Fields<'n> {
    entries: Vec<(&'n Node, &'n Node)>,
    node: &'n Node,
    /// The known keys that unknown ones were probably meant to be.
    meant: Vec<String>,
}

impl<'n> Fields<'n> {
    /// The value of a key. A key without a value (`system:` and nothing behind it) counts as absent.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&'n Node> {
        self.pair(key).map(|(_, value)| value).filter(|value| !matches!(value.value, Value::Null))
    }

    /// The key itself and its value, `null` included.
    #[must_use]
    pub fn pair(&self, key: &str) -> Option<(&'n Node, &'n Node)> {
        self.entries.iter().find(|(name, _)| name.scalar_text() == Some(key)).copied()
    }

    /// All entries, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = (&'n str, &'n Node, &'n Node)> + '_ {
        self.entries.iter().map(|(key, value)| (key.scalar_text().unwrap_or_default(), *key, *value))
    }

    /// The map itself.
    #[must_use]
    pub const fn node(&self) -> &'n Node {
        self.node
    }

    /// Whether a key is there, only misspelled: that is said already.
    #[must_use]
    pub fn is_meant(&self, key: &str) -> bool {
        self.meant.iter().any(|meant| meant == key)
    }

    /// Reads a key that must be there, else notes its absence.
    pub fn require(&self, findings: &mut Findings, key: &str, what: &str) -> Option<&'n Node> {
        let value = self.get(key);
        if value.is_none() && !self.is_meant(key) {
            let at = self.entries.first().map_or(self.node, |(key, _)| key);
            findings.error(Code::MissingKey, at, format!("{what} needs `{key}`"), format!("`{key}` is missing here"));
        }
        value
    }

    /// Notes an error where two keys are there of which only one can be meant.
    pub fn exclude(&self, findings: &mut Findings, one: &str, other: &str) {
        if let (Some((first, _)), Some((second, _))) = (self.pair(one), self.pair(other)) {
            let message = format!("`{one}` and `{other}` cannot stand together");
            let source = Arc::clone(findings.source());
            let diagnostic = Diagnostic::error(Code::ExclusiveKeys, message)
                .at(&source, second.span.clone(), "")
                .at(&source, first.span.clone(), "")
                .help("keep one of the two");
            findings.push(diagnostic);
        }
    }
}
