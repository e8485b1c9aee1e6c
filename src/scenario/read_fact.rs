//! Reads `facts:`.
//!
//! A fact may be a canary, whose value is no text of the file: it is told once which facts are, and their values come in.

use std::ops::Range;

use super::decode::Findings;
use super::header::entry;
use super::matrix::{Variables, is_variable_name};
use super::read_check::pattern;
use super::yaml::{Node, Value};
use crate::diagnostic::Code;
use crate::model::{CanaryKind, Fact, MatchKind};

const KEYS: &[&str] = &["value", "aliases", "match", "regex", "asks", "outdated"];

/// How many texts the facts of a scenario may have in all. Each is looked for in every message that is sent.
const MOST_TEXTS: usize = 1000;

/// The names of the facts, in the order of the file, and where they stand. What is wrong with them is found where they are read.
pub fn declared(node: &Node) -> Vec<(String, Range<usize>)> {
    let Value::Map(entries) = &node.value else { return Vec::new() };
    entries.iter().filter_map(|(key, _)| Some((key.scalar_text()?.to_owned(), key.span.clone()))).collect()
}

/// Reads which facts are canaries, and of which kind. Whatever else is wrong is found where the facts are read.
pub fn canaries(findings: &mut Findings, node: &Node) -> Vec<(String, CanaryKind)> {
    let Value::Map(entries) = &node.value else { return Vec::new() };
    let kinds = CanaryKind::ALL.map(|(word, _)| word);
    let canaries = entries.iter().filter_map(|(key, fact)| {
        let (name, kind) = (key.scalar_text()?, entry(fact, "canary")?);
        let word = findings.filled_text(kind, "canary")?;
        let Some((_, found)) = CanaryKind::ALL.into_iter().find(|(known, _)| *known == word) else {
            findings.unknown_word(Code::UnknownWord, kind, format!("`{word}` is no kind of canary"), &word, &kinds);
            return None;
        };
        is_variable_name(findings, name, key).then(|| (name.to_owned(), found))
    });
    canaries.collect()
}

/// Reads the facts, in the order of the file. `own` has the values of those that are canaries.
pub fn facts(findings: &mut Findings, node: &Node, own: &Variables) -> Vec<Fact> {
    let Some(fields) = findings.open_fields(node, "`facts`") else { return Vec::new() };
    let facts = fields.iter().filter_map(|(name, key, value)| {
        if name.is_empty() || !name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-') {
            let message = format!("`{name}` is no name for a fact");
            findings.error_help(Code::InvalidName, key, message, "", "names have letters, digits, `_` and `-`");
            return None;
        }
        // A fact that is wrong keeps its name, so that the checks that name it are not called wrong too.
        Some(fact(findings, name, value, own).unwrap_or_else(|| empty(name)))
    });
    let facts: Vec<Fact> = facts.collect();
    let texts: usize = facts.iter().map(|fact| 1 + fact.aliases.len() + fact.asks.len() + fact.outdated.len()).sum();
    if texts > MOST_TEXTS {
        let message =
            format!("the facts have {texts} values, aliases and `asks` in all, and at most {MOST_TEXTS} are allowed");
        findings.error_help(
            Code::OutOfRange,
            node,
            message,
            "",
            "each of them is looked for in every message; a `regex` has alternatives: `a|b`",
        );
    }
    facts
}

fn empty(name: &str) -> Fact {
    Fact {
        name: name.to_owned(),
        value: String::new(),
        aliases: Vec::new(),
        matching: MatchKind::Word,
        regex: None,
        asks: Vec::new(),
        outdated: Vec::new(),
    }
}

fn fact(findings: &mut Findings, name: &str, node: &Node, own: &Variables) -> Option<Fact> {
    let mut fact = empty(name);
    if !matches!(node.value, Value::Map(_)) {
        findings.filled_text(node, name)?.trim().clone_into(&mut fact.value);
        return Some(fact);
    }
    if entry(node, "canary").is_some() {
        let fields = findings.fields(node, &format!("the canary `{name}`"), &["canary", "asks"])?;
        fact.asks = fields.get("asks").map_or_else(Vec::new, |node| findings.texts(node, "asks"));
        own.get(name)?.as_str()?.clone_into(&mut fact.value);
        return Some(fact);
    }
    let fields = findings.fields(node, &format!("the fact `{name}`"), KEYS)?;
    let value = fields.require(findings, "value", &format!("the fact `{name}`"));
    value.and_then(|node| findings.filled_text(node, "value"))?.trim().clone_into(&mut fact.value);
    let mut texts = |key: &str| fields.get(key).map_or_else(Vec::new, |node| findings.texts(node, key));
    fact.aliases = texts("aliases");
    fact.asks = texts("asks");
    fact.outdated = texts("outdated");
    if let Some(node) = fields.get("match") {
        let word = findings.filled_text(node, "match")?;
        fact.matching = match word.as_str() {
            "word" => MatchKind::Word,
            "text" => MatchKind::Text,
            "regex" => MatchKind::Regex,
            _ => {
                let message = format!("`{word}` is no way to match a fact");
                findings.unknown_word(Code::UnknownMatch, node, message, &word, &["word", "text", "regex"]);
                return None;
            }
        };
    }
    fact.regex = match fields.get("regex") {
        Some(node) => Some(pattern(findings, node, "regex")?),
        None => None,
    };
    let is_regex = fact.matching == MatchKind::Regex;
    if is_regex != fact.regex.is_some() {
        let message = format!("the fact `{name}` needs `match: regex` and `regex: EXPRESSION` together");
        findings.error(Code::RegexWithoutMatch, fields.node(), message, "");
        return None;
    }
    if let (Some(pattern), Some(node)) = (&fact.regex, fields.get("value"))
        && !pattern.is_match(&fact.value)
    {
        let message = format!("the expression of the fact `{name}` does not match its own value `{}`", fact.value);
        findings.error_help(Code::RegexMissesValue, node, message, "", "even a perfect answer would count as missed");
        return None;
    }
    if fact.outdated.contains(&fact.value) {
        let message = format!("the fact `{name}` has `{}` as its value and as an outdated one", fact.value);
        findings.error(Code::DuplicateValue, fields.node(), message, "");
        return None;
    }
    Some(fact)
}
