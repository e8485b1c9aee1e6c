//! What a check asserts, in a few words: for the column `expected` and for headings, behind the check's key.

use crate::model::{Admits, CheckKind, Fact, FactRef, SentCheck, Similar, Text, Throughout, TranscriptKind};
use crate::text::escape::quote;
use crate::text::layout::truncate;

use super::text::SHOWN;

/// `150`, `"a", "b"`, `name`, `name = Brown`, `name, admits`, `true`, `contains "x", max_messages 5`; for an inverted
/// check the inner one with its key: `contains "x"`.
#[must_use]
pub fn expected(kind: &CheckKind, facts: &[Fact]) -> String {
    match kind {
        CheckKind::Contains(texts)
        | CheckKind::ContainsAny(texts)
        | CheckKind::NotContains(texts)
        | CheckKind::NotContainsAny(texts) => list(texts),
        CheckKind::Equals(text) | CheckKind::StartsWith(text) | CheckKind::EndsWith(text) => one(text),
        CheckKind::Matches(pattern) | CheckKind::NotMatches(pattern) => quote(pattern.as_str(), SHOWN),
        CheckKind::MinWords(limit)
        | CheckKind::MaxWords(limit)
        | CheckKind::MaxChars(limit)
        | CheckKind::MaxSentences(limit) => limit.to_string(),
        CheckKind::Asks(wanted) | CheckKind::Json(wanted) => wanted.to_string(),
        CheckKind::JsonSchema(schema) => schema.name().to_owned(),
        CheckKind::JsonPath(path, wanted) => {
            format!("{} = {}", path.as_str(), truncate(&wanted.to_string(), SHOWN))
        }
        CheckKind::Similar(Similar { to, min, by }) => format!("{} {min} to {}", by.as_str(), quote(to, SHOWN)),
        CheckKind::MaxLatencyMs(limit) | CheckKind::MaxTtftMs(limit) | CheckKind::MaxTokensSent(limit) => {
            limit.to_string()
        }
        CheckKind::MaxCostUsd(limit) => limit.to_string(),
        CheckKind::Sent(limits) => sent(limits),
        CheckKind::FinishReason(reason) => reason.clone(),
        CheckKind::Recalls(reference)
        | CheckKind::RetainsIffVisible(reference)
        | CheckKind::Forgets(reference, None) => fact(reference, facts),
        CheckKind::Forgets(reference, Some(Admits::Phrases)) => format!("{}, admits", fact(reference, facts)),
        CheckKind::Forgets(reference, Some(Admits::Pattern(pattern))) => {
            format!("{}, admits {}", fact(reference, facts), quote(pattern.as_str(), SHOWN))
        }
        CheckKind::Not(inner) => format!("{} {}", inner.key(), expected(inner, facts)),
    }
}

/// The same of a check on the transcript: `max_words 150`, `max_words 150, from 2, until 6`, `"a", "b"`, `true`.
#[must_use]
pub fn expected_of_transcript(kind: &TranscriptKind, facts: &[Fact]) -> String {
    match kind {
        TranscriptKind::Always(throughout)
        | TranscriptKind::Never(throughout)
        | TranscriptKind::Eventually(throughout) => {
            let Throughout { kind, from, until } = throughout;
            let from = if *from > 1 { format!(", from {from}") } else { String::new() };
            let until = until.map(|until| format!(", until {until}")).unwrap_or_default();
            format!("{} {}{from}{until}", kind.key(), expected(kind, facts))
        }
        TranscriptKind::ContainsInOrder(texts) => list(texts),
        TranscriptKind::NoRepeatedReply(wanted) => wanted.to_string(),
        TranscriptKind::MaxTotalCostUsd(limit) => limit.to_string(),
        TranscriptKind::Not(inner) => format!("{} {}", inner.key(), expected_of_transcript(inner, facts)),
    }
}

fn one(text: &Text) -> String {
    let case = if text.case { " (exact case)" } else { "" };
    format!("{}{case}", quote(&text.text, SHOWN))
}

fn list(texts: &[Text]) -> String {
    texts.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn fact(reference: &FactRef, facts: &[Fact]) -> String {
    let name = facts.get(reference.fact).map_or("?", |fact| fact.name.as_str());
    match &reference.value {
        Some(value) => format!("{name} = {value}"),
        None => name.to_owned(),
    }
}

fn sent(limits: &SentCheck) -> String {
    let SentCheck { contains, not_contains, max_messages, max_tokens, first_role, system_first } = limits;
    let texts = [("contains", contains), ("not_contains", not_contains)];
    let texts =
        texts.into_iter().filter(|(_, texts)| !texts.is_empty()).map(|(key, texts)| format!("{key} {}", list(texts)));
    let rest = [
        max_messages.map(|limit| format!("max_messages {limit}")),
        max_tokens.map(|limit| format!("max_tokens {limit}")),
        first_role.map(|role| format!("first_role {role}")),
        system_first.map(|is_first| format!("system_first {is_first}")),
    ];
    texts.chain(rest.into_iter().flatten()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MatchKind, Pattern, Role};

    #[test]
    fn what_is_asserted_reads_shortly() {
        let text = |text: &str| Text { text: text.into(), case: false };
        let exact = Text { text: "X".into(), case: true };
        let name = |value: Option<&str>| FactRef { fact: 0, value: value.map(str::to_owned) };
        let facts = [Fact {
            name: "name".into(),
            value: "Priya".into(),
            aliases: vec![],
            matching: MatchKind::Word,
            regex: None,
            asks: vec![],
            outdated: vec![],
        }];
        let limits = SentCheck {
            contains: vec![text("x")],
            max_messages: Some(5),
            first_role: Some(Role::User),
            system_first: Some(true),
            ..SentCheck::default()
        };
        for (kind, words) in [
            (CheckKind::MaxWords(150), "150"),
            (CheckKind::Contains(vec![text("a"), text("b")]), "\"a\", \"b\""),
            (CheckKind::Equals(exact), "\"X\" (exact case)"),
            (CheckKind::Matches(Pattern::new("T-[0-9]+").unwrap()), "\"T-[0-9]+\""),
            (CheckKind::Asks(true), "true"),
            (CheckKind::FinishReason("stop".into()), "stop"),
            (CheckKind::Recalls(name(None)), "name"),
            (CheckKind::RetainsIffVisible(name(Some("Brown"))), "name = Brown"),
            (CheckKind::Forgets(name(None), Some(Admits::Phrases)), "name, admits"),
            (
                CheckKind::Forgets(name(None), Some(Admits::Pattern(Pattern::new("no idea").unwrap()))),
                "name, admits \"no idea\"",
            ),
            (CheckKind::Sent(limits), "contains \"x\", max_messages 5, first_role user, system_first true"),
            (CheckKind::Not(Box::new(CheckKind::Contains(vec![text("x")]))), "contains \"x\""),
            (CheckKind::Not(Box::new(CheckKind::Not(Box::new(CheckKind::MinWords(3))))), "not min_words 3"),
        ] {
            assert_eq!(expected(&kind, &facts), words, "{kind:?}");
        }
    }
}
