//! Reads checks: a map with one check key, and beside it what it may carry.

use globset::Glob;

use super::decode::{Fields, Findings, list_words, one_or_many};
use super::read_transcript::TRANSCRIPT_KEYS;
use super::yaml::{Node, Scalar, Value};
use super::{read_json, read_outside, read_similar};
use crate::diagnostic::Code;
use crate::model::{Admits, Check, CheckKind, Fact, FactRef, KnownFailure, Pattern, Role, SentCheck, Text};
use crate::text::nearest::nearest;

/// Every check key.
pub const CHECK_KEYS: &[&str] = &[
    "contains",
    "contains_any",
    "not_contains",
    "not_contains_any",
    "equals",
    "starts_with",
    "ends_with",
    "matches",
    "not_matches",
    "min_words",
    "max_words",
    "max_chars",
    "max_sentences",
    "asks",
    "json",
    "json_schema",
    "json_path",
    "similar",
    "max_latency_ms",
    "max_ttft_ms",
    "max_tokens_sent",
    "max_cost_usd",
    "sent",
    "finish_reason",
    "recalls",
    "forgets",
    "retains_iff_visible",
    "judge",
    "run",
    "not",
];
const MODIFIERS: &[&str] = &["name", "models", "known_failure", "needs_model"];
const MAX_COUNT: u64 = 1_000_000_000;

/// Reads a list of checks, or one check alone.
pub fn checks(findings: &mut Findings, node: &Node, facts: &[Fact]) -> Vec<Check> {
    one_or_many(node).iter().filter_map(|item| check(findings, item, facts, &[])).collect()
}

/// Reads one check. `extra` are keys that may stand beside it and are read by the caller.
pub fn check(findings: &mut Findings, node: &Node, facts: &[Fact], extra: &[&str]) -> Option<Check> {
    let elsewhere = Elsewhere {
        keys: TRANSCRIPT_KEYS,
        what: "on the whole transcript, and this is a place for checks on one reply",
        help: "checks on the whole transcript stand under the scenario's own `expect:`",
    };
    let check = framed(findings, node, (CHECK_KEYS, &elsewhere), extra, |findings, key, value, _| {
        check_kind(findings, key, value, facts)
    })?;
    Some(Check { needs_model: check.needs_model || check.kind.needs_model(), ..check })
}

/// Check keys that stand in another place.
pub(super) struct Elsewhere<'e> {
    /// The keys.
    pub keys: &'e [&'e str],
    /// What they are checks on.
    pub what: &'e str,
    /// Where they belong.
    pub help: &'e str,
}

/// Reads one check of any kind: the one key of `keys`, which `read_kind` reads, and what every check may carry beside it.
pub(super) fn framed<K>(
    findings: &mut Findings,
    node: &Node,
    (keys, elsewhere): (&[&str], &Elsewhere<'_>),
    extra: &[&str],
    read_kind: impl FnOnce(&mut Findings, &str, &Node, &Fields<'_>) -> Option<K>,
) -> Option<Check<K>> {
    if !matches!(node.value, Value::Map(_)) {
        let message = format!("a check must be a map with one key, and this is {}", node.shown());
        findings.error_help(Code::WrongType, node, message, "", "write it like `- contains: hello`");
        return None;
    }
    let fields = findings.open_fields(node, "a check")?;
    let mut kind = None;
    let mut several = false;
    for (key, key_node, value) in fields.iter() {
        if keys.contains(&key) {
            if kind.is_some() {
                several = true;
                let message = "this check has two check keys";
                findings.error_help(
                    Code::SeveralChecks,
                    key_node,
                    message,
                    "",
                    "write each check as an item of its own",
                );
            } else {
                kind = Some((key, value));
            }
        } else if !MODIFIERS.contains(&key) && !extra.contains(&key) {
            let known: Vec<&str> = keys.iter().chain(MODIFIERS).chain(extra).copied().collect();
            let message = format!("`{key}` is no check");
            if elsewhere.keys.contains(&key) {
                let message = format!("`{key}` is a check {}", elsewhere.what);
                findings.error_help(Code::MisplacedCheck, key_node, message, "", elsewhere.help);
            } else if let Some(near) = nearest(key, known.iter().copied()) {
                findings.error(Code::UnknownCheck, key_node, message, format!("did you mean `{near}`?"));
            } else {
                let help = format!("checks are {}", list_words(keys));
                findings.error_help(Code::UnknownCheck, key_node, message, "", help);
            }
            return None;
        }
    }
    let Some((key, value)) = kind else {
        findings.error(Code::CheckWithoutKey, node, "this check asserts nothing", "no check key here");
        return None;
    };
    let kind = read_kind(findings, key, value, &fields);
    let models = match fields.get("models") {
        Some(models) => model_globs(findings, models),
        None => Vec::new(),
    };
    let check = Check {
        kind: kind?,
        name: fields.get("name").and_then(|name| findings.filled_text(name, "name")),
        models,
        known_failure: fields.get("known_failure").and_then(|mark| known_failure(findings, mark)),
        needs_model: fields.get("needs_model").and_then(|flag| findings.flag(flag, "needs_model")).unwrap_or(false),
        position: node.position,
    };
    (!several).then_some(check)
}

/// Reads why a check is expected to fail, or `{why, models}`.
fn known_failure(findings: &mut Findings, node: &Node) -> Option<KnownFailure> {
    if !matches!(node.value, Value::Map(_)) {
        return findings.filled_text(node, "known_failure").map(|why| KnownFailure { why, models: Vec::new() });
    }
    let fields = findings.fields(node, "`known_failure`", &["why", "models"])?;
    let models = fields.get("models").map_or_else(Vec::new, |models| model_globs(findings, models));
    let why = fields.require(findings, "why", "`known_failure`")?;
    findings.filled_text(why, "why").map(|why| KnownFailure { why, models })
}

fn model_globs(findings: &mut Findings, node: &Node) -> Vec<String> {
    if matches!(node.value, Value::List(_)) {
        findings.filled_list(node, "models");
    }
    let globs = one_or_many(node).iter().filter_map(|item| {
        let glob = findings.filled_text(item, "models")?;
        if let Err(error) = Glob::new(&glob) {
            findings.error(Code::InvalidGlob, item, format!("`{glob}` is no glob: {}", error.kind()), "");
            return None;
        }
        Some(glob)
    });
    globs.collect()
}

fn check_kind(findings: &mut Findings, key: &str, value: &Node, facts: &[Fact]) -> Option<CheckKind> {
    let count = |findings: &mut Findings| findings.whole(value, key, 0..=MAX_COUNT);
    Some(match key {
        "contains" => CheckKind::Contains(texts(findings, value, key)?),
        "contains_any" => CheckKind::ContainsAny(texts(findings, value, key)?),
        "not_contains" => CheckKind::NotContains(texts(findings, value, key)?),
        "not_contains_any" => CheckKind::NotContainsAny(texts(findings, value, key)?),
        "equals" => CheckKind::Equals(text(findings, value, key, true)?),
        "starts_with" => CheckKind::StartsWith(text(findings, value, key, true)?),
        "ends_with" => CheckKind::EndsWith(text(findings, value, key, true)?),
        "matches" => CheckKind::Matches(pattern(findings, value, key)?),
        "not_matches" => CheckKind::NotMatches(pattern(findings, value, key)?),
        "min_words" => CheckKind::MinWords(count(findings)?),
        "max_words" => CheckKind::MaxWords(count(findings)?),
        "max_chars" => CheckKind::MaxChars(count(findings)?),
        "max_sentences" => CheckKind::MaxSentences(count(findings)?),
        "asks" => CheckKind::Asks(findings.flag(value, key)?),
        "json" => CheckKind::Json(findings.flag(value, key)?),
        "json_schema" => read_json::json_schema(findings, value)?,
        "json_path" => read_json::json_path(findings, value)?,
        "similar" => CheckKind::Similar(read_similar::similar(findings, value)?),
        "max_latency_ms" => CheckKind::MaxLatencyMs(count(findings)?),
        "max_ttft_ms" => CheckKind::MaxTtftMs(count(findings)?),
        "max_tokens_sent" => CheckKind::MaxTokensSent(count(findings)?),
        "max_cost_usd" => CheckKind::MaxCostUsd(read_similar::usd(findings, value, key)?),
        "sent" => CheckKind::Sent(sent(findings, value)?),
        "finish_reason" => CheckKind::FinishReason(findings.filled_text(value, key)?),
        "recalls" => CheckKind::Recalls(fact_ref(findings, value, key, facts)?.0),
        "forgets" => {
            let (fact, admits) = fact_ref(findings, value, key, facts)?;
            CheckKind::Forgets(fact, admits)
        }
        "retains_iff_visible" => CheckKind::RetainsIffVisible(fact_ref(findings, value, key, facts)?.0),
        "judge" => CheckKind::Judge(Box::new(read_outside::judge(findings, value)?)),
        "run" => CheckKind::Run(read_outside::program(findings, value)?),
        _ => CheckKind::Not(Box::new(inner_check(findings, value, facts, "`not`")?)),
    })
}

/// Reads a check that stands inside of another, with its key alone.
pub(super) fn inner_check(findings: &mut Findings, node: &Node, facts: &[Fact], outer: &str) -> Option<CheckKind> {
    let fields = findings.fields(node, outer, CHECK_KEYS)?;
    let mut entries = fields.iter().filter(|(key, ..)| CHECK_KEYS.contains(key));
    let Some((key, _, value)) = entries.next() else {
        // Of a key that is none it is said already.
        if fields.iter().next().is_none() {
            findings.error(Code::CheckWithoutKey, node, format!("{outer} has no check in it"), "no check key here");
        }
        return None;
    };
    if let Some((_, second, _)) = entries.next() {
        findings.error(Code::SeveralChecks, second, format!("{outer} takes one check"), "");
        return None;
    }
    check_kind(findings, key, value, facts)
}

/// Reads texts to look for: a list of them, or one alone.
pub(super) fn texts(findings: &mut Findings, node: &Node, key: &str) -> Option<Vec<Text>> {
    if matches!(node.value, Value::List(_)) {
        findings.filled_list(node, key)?;
    }
    let texts: Vec<Text> = one_or_many(node).iter().filter_map(|item| text(findings, item, key, false)).collect();
    (texts.len() == one_or_many(node).len()).then_some(texts)
}

fn text(findings: &mut Findings, node: &Node, key: &str, case: bool) -> Option<Text> {
    if !matches!(node.value, Value::Map(_)) {
        return findings.filled_text(node, key).map(|text| Text { text, case });
    }
    let fields = findings.fields(node, &format!("`{key}`"), &["text", "case"])?;
    let text = fields.require(findings, "text", &format!("`{key}`"))?;
    let case = fields.get("case").and_then(|flag| findings.flag(flag, "case")).unwrap_or(case);
    findings.filled_text(text, key).map(|text| Text { text, case })
}

/// Reads a regular expression.
pub fn pattern(findings: &mut Findings, node: &Node, key: &str) -> Option<Pattern> {
    let text = findings.filled_text(node, key)?;
    if !findings.takes_regex(node) {
        return None;
    }
    match Pattern::new(&text) {
        Ok(pattern) => Some(pattern),
        Err(regex::Error::CompiledTooBig(_)) => {
            let message = format!("`{key}` is too large a regular expression: it needs more than 1 MiB");
            findings.error_help(Code::InvalidRegex, node, message, "", "repetitions of repetitions grow fast");
            None
        }
        Err(error) => {
            // The library's message is a picture of several lines; its last line says what is wrong.
            let message = error.to_string();
            let reason = message.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned();
            let help = "expressions are of Rust's regex crate: no look-around and no back-references";
            findings.error_help(
                Code::InvalidRegex,
                node,
                format!("`{key}` is no regular expression: {reason}"),
                "",
                help,
            );
            None
        }
    }
}

fn sent(findings: &mut Findings, node: &Node) -> Option<SentCheck> {
    const KEYS: &[&str] = &["contains", "not_contains", "max_messages", "max_tokens", "first_role", "system_first"];
    let fields = findings.fields(node, "`sent`", KEYS)?;
    if fields.iter().next().is_none() {
        findings.error(Code::CheckWithoutKey, node, "`sent` asserts nothing", "");
        return None;
    }
    let mut list = |key: &str| match fields.get(key) {
        Some(node) => texts(findings, node, key),
        None => Some(Vec::new()),
    };
    let (contains, not_contains) = (list("contains")?, list("not_contains")?);
    let mut count = |key: &str| fields.get(key).and_then(|node| findings.whole(node, key, 0..=MAX_COUNT));
    let (max_messages, max_tokens) = (count("max_messages"), count("max_tokens"));
    Some(SentCheck {
        contains,
        not_contains,
        max_messages,
        max_tokens,
        first_role: fields.get("first_role").and_then(|node| role(findings, node, "first_role")),
        system_first: fields.get("system_first").and_then(|node| findings.flag(node, "system_first")),
    })
}

/// Reads `user` or `assistant`.
pub fn role(findings: &mut Findings, node: &Node, key: &str) -> Option<Role> {
    let word = findings.filled_text(node, key)?;
    match word.as_str() {
        "user" => Some(Role::User),
        "assistant" => Some(Role::Assistant),
        _ => {
            let message = format!("`{word}` is no role here");
            findings.unknown_word(Code::UnknownRole, node, message, &word, &["user", "assistant"]);
            None
        }
    }
}

/// Reads a fact's name, or `{fact, value}` and with `forgets` also `{admits}`.
fn fact_ref(findings: &mut Findings, node: &Node, key: &str, facts: &[Fact]) -> Option<(FactRef, Option<Admits>)> {
    if !matches!(node.value, Value::Map(_)) {
        let fact = fact_index(findings, node, key, facts)?;
        return Some((FactRef { fact, value: None }, None));
    }
    let known: &[&str] = if key == "forgets" { &["fact", "value", "admits"] } else { &["fact", "value"] };
    let fields: Fields<'_> = findings.fields(node, &format!("`{key}`"), known)?;
    let admits = fields.get("admits").and_then(|node| admits(findings, node));
    let name = fields.require(findings, "fact", &format!("`{key}`"))?;
    let fact = fact_index(findings, name, key, facts)?;
    let value = match fields.get("value") {
        Some(node) => Some(fact_value(findings, node, &facts[fact])?),
        None => None,
    };
    Some((FactRef { fact, value }, admits))
}

fn admits(findings: &mut Findings, node: &Node) -> Option<Admits> {
    match &node.value {
        Value::Scalar(Scalar::Bool(true), _) => Some(Admits::Phrases),
        Value::Scalar(Scalar::Bool(false), _) => None,
        _ => pattern(findings, node, "admits").map(Admits::Pattern),
    }
}

fn fact_index(findings: &mut Findings, node: &Node, key: &str, facts: &[Fact]) -> Option<usize> {
    let name = findings.filled_text(node, key)?;
    if let Some(index) = facts.iter().position(|fact| fact.name == name) {
        return Some(index);
    }
    let message = format!("`{key}` names `{name}`, which is no fact of this scenario");
    let label = nearest(&name, facts.iter().map(|fact| fact.name.as_str()))
        .map_or_else(String::new, |near| format!("did you mean `{near}`?"));
    findings.error_help(Code::UnknownFact, node, message, label, "facts are declared under `facts:`");
    None
}

fn fact_value(findings: &mut Findings, node: &Node, fact: &Fact) -> Option<String> {
    let value = findings.filled_text(node, "value")?;
    // A fact without a value is wrong itself, and that is said already.
    if fact.value.is_empty() || fact.value == value || fact.outdated.contains(&value) {
        return Some(value);
    }
    let known: Vec<&str> = std::iter::once(&fact.value).chain(&fact.outdated).map(String::as_str).collect();
    let message = format!("`{value}` is no value of the fact `{}`", fact.name);
    findings.unknown_word(Code::UnknownValue, node, message, &value, &known);
    None
}
