//! What a check wants of a reply: so that it can be known which replies it ought to notice, and whether it does.
//!
//! A check that wants something must notice a reply that says nothing, or something else. One that only forbids passes on
//! those by its nature; it must notice a reply that has what it forbids.

use crate::event::Retention;
use crate::model::{CheckKind, Text};

/// Which replies a check ought to notice, each in the place of one that it passes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a reply of its own that may be shown or not")]
pub struct Wanted {
    /// One that says nothing.
    pub is_something: bool,
    /// One that answers something else.
    pub is_fitting: bool,
    /// One with another value in the place of the fact's.
    pub is_fact: bool,
    /// One that is JSON, and other than it is to be.
    pub is_json: bool,
    /// One with what it forbids: that reply.
    pub forbidden: Option<String>,
}

impl Wanted {
    const NOTHING: Self =
        Self { is_something: false, is_fitting: false, is_fact: false, is_json: false, forbidden: None };
    const AMOUNT: Self = Self { is_something: true, ..Self::NOTHING };
    const WORDS: Self = Self { is_fitting: true, ..Self::AMOUNT };
    const JSON: Self = Self { is_json: true, ..Self::WORDS };
    const FACT: Self = Self { is_fact: true, ..Self::WORDS };

    /// Whether there is any reply that it ought to notice.
    #[must_use]
    pub fn is_any(&self) -> bool {
        *self != Self::NOTHING
    }
}

/// Whether a check is about what a reply says at all.
#[must_use]
pub fn is_on_reply(kind: &CheckKind) -> bool {
    match kind {
        CheckKind::Sent(_)
        | CheckKind::FinishReason(_)
        | CheckKind::MaxLatencyMs(_)
        | CheckKind::MaxTtftMs(_)
        | CheckKind::MaxTokensSent(_)
        | CheckKind::MaxCostUsd(_) => false,
        CheckKind::Not(inner) => is_on_reply(inner),
        _ => true,
    }
}

/// What a check wants that passes on a reply. `evidence` is that of a check on a fact.
#[must_use]
pub fn wanted(kind: &CheckKind, reply: &str, evidence: Option<&Retention>) -> Wanted {
    match kind {
        // What somebody else makes of a reply is not known of another, and what the call took is no matter of the reply.
        CheckKind::Sent(_)
        | CheckKind::FinishReason(_)
        | CheckKind::Judge(_)
        | CheckKind::Run(_)
        | CheckKind::MaxLatencyMs(_)
        | CheckKind::MaxTtftMs(_)
        | CheckKind::MaxTokensSent(_)
        | CheckKind::MaxCostUsd(_) => Wanted::NOTHING,
        CheckKind::MinWords(_) => Wanted::AMOUNT,
        CheckKind::Recalls(_) => Wanted::FACT,
        CheckKind::RetainsIffVisible(_) if evidence.is_some_and(|found| found.visible.is_visible()) => Wanted::FACT,
        CheckKind::RetainsIffVisible(_) => forbids(told(reply, evidence)),
        CheckKind::Forgets(_, admits) => {
            // One that says nothing does not say that it does not know.
            Wanted { is_something: admits.is_some(), ..forbids(told(reply, evidence)) }
        }
        CheckKind::Contains(_)
        | CheckKind::ContainsAny(_)
        | CheckKind::Equals(_)
        | CheckKind::StartsWith(_)
        | CheckKind::EndsWith(_)
        | CheckKind::Matches(_)
        | CheckKind::Asks(true)
        | CheckKind::Json(true)
        | CheckKind::Similar(_) => Wanted::WORDS,
        CheckKind::JsonSchema(_) | CheckKind::JsonPath(..) => Wanted::JSON,
        CheckKind::NotContains(_)
        | CheckKind::NotContainsAny(_)
        | CheckKind::NotMatches(_)
        | CheckKind::MaxWords(_)
        | CheckKind::MaxChars(_)
        | CheckKind::MaxSentences(_)
        | CheckKind::Asks(false)
        | CheckKind::Json(false) => forbids(broken(kind, reply)),
        CheckKind::Not(inner) => inverted(inner, reply, evidence),
    }
}

fn forbids(forbidden: Option<String>) -> Wanted {
    Wanted { forbidden, ..Wanted::NOTHING }
}

/// What `not` makes of a check: who forbade wants, who wanted forbids.
fn inverted(inner: &CheckKind, reply: &str, evidence: Option<&Retention>) -> Wanted {
    match inner {
        CheckKind::Not(twice) => wanted(twice, reply, evidence),
        // Only a reply that has the fact changes what became of it, where it has it not, and the other way round.
        CheckKind::Recalls(_) | CheckKind::RetainsIffVisible(_) | CheckKind::Forgets(..) => match evidence {
            Some(found) if found.recalled == Some(true) => Wanted::FACT,
            _ => forbids(told(reply, evidence)),
        },
        _ => match broken(inner, reply) {
            Some(_) => Wanted::AMOUNT,
            None => forbids(satisfied(inner, reply)),
        },
    }
}

/// A reply that tells the fact.
fn told(reply: &str, evidence: Option<&Retention>) -> Option<String> {
    evidence.map(|found| format!("{reply} {}.", found.value))
}

/// Longer replies than this are not made.
const MOST: u64 = 100_000;

/// A reply that has what a check forbids; `None` of one that forbids nothing, or nothing that could be written out.
fn broken(kind: &CheckKind, reply: &str) -> Option<String> {
    let more = |what: &str, times: u64| {
        let times = usize::try_from(times).ok().filter(|_| times <= MOST)?;
        Some(format!("{reply}{}", what.repeat(times)))
    };
    match kind {
        CheckKind::NotContains(texts) | CheckKind::NotContainsAny(texts) => Some(format!("{reply} {}", first(texts))),
        CheckKind::NotMatches(pattern) => {
            let example = pattern.example()?;
            // Where it may only stand at an edge, the reply is in the way.
            let added = format!("{reply} {example}");
            Some(if pattern.is_match(&added) { added } else { example })
        }
        CheckKind::MaxWords(limit) => more(" on", limit.saturating_add(1)),
        CheckKind::MaxChars(limit) => more(" on", limit / 3 + 1),
        CheckKind::MaxSentences(limit) => more(" It goes on.", limit.saturating_add(1)),
        CheckKind::Asks(false) => Some(format!("{reply} Is that so?")),
        CheckKind::Json(false) => Some("{}".to_owned()),
        _ => None,
    }
}

/// A reply that has what a check wants; `None` where none could be written out.
fn satisfied(kind: &CheckKind, reply: &str) -> Option<String> {
    match kind {
        CheckKind::Contains(texts) => {
            let texts: Vec<&str> = texts.iter().map(|text| text.text.as_str()).collect();
            Some(format!("{reply} {}", texts.join(" ")))
        }
        CheckKind::ContainsAny(texts) => Some(format!("{reply} {}", first(texts))),
        CheckKind::Equals(text) => Some(text.text.clone()),
        CheckKind::StartsWith(text) => Some(format!("{} {reply}", text.text)),
        CheckKind::EndsWith(text) => Some(format!("{reply} {}", text.text)),
        CheckKind::Matches(pattern) => pattern.example(),
        CheckKind::MinWords(limit) if *limit <= MOST => {
            Some(format!("{reply}{}", " on".repeat(usize::try_from(*limit).ok()?)))
        }
        CheckKind::Asks(true) => Some(format!("{reply} Is that so?")),
        CheckKind::Json(true) => Some("{}".to_owned()),
        _ => None,
    }
}

fn first(texts: &[Text]) -> &str {
    texts.first().map_or("", |text| &text.text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{Measured, TurnView, decide};
    use crate::model::{Admits, FactRef, Message, Origin, Pattern, Reply, Role, TurnId, Verdict, Visibility};

    fn texts(texts: &[&str]) -> Vec<Text> {
        texts.iter().map(|text| Text { text: (*text).into(), case: false }).collect()
    }

    fn verdict(kind: &CheckKind, reply: &str) -> Verdict {
        let question = Message::new(Role::User, Origin::User(1), "Well?");
        let reply = Reply { text: reply.into(), finish_reason: Some("stop".into()) };
        let view = TurnView {
            turn: TurnId::Turn(1),
            sent: &[&question],
            history: &[],
            list_positions: &[0],
            reply: &reply,
            facts: &[],
            system: None,
            keeps_history: false,
            tokens_sent: None,
            measured: Measured::default(),
            gathered: None,
        };
        decide(kind, &view).verdict
    }

    #[test]
    fn what_a_check_forbids_is_written_out_and_breaks_it() {
        let not = |kind: CheckKind| CheckKind::Not(Box::new(kind));
        let pattern = |source: &str| Pattern::new(source).unwrap();
        for kind in [
            CheckKind::NotContains(texts(&["Bali"])),
            CheckKind::NotContainsAny(texts(&["Bali", "Rome"])),
            CheckKind::NotMatches(pattern(r"(?i)\b(is like|imagine|as if)\b")),
            CheckKind::NotMatches(pattern(r"^\d{2}-[a-f]+$")),
            CheckKind::NotMatches(pattern(r"[^a-z .]")),
            CheckKind::MaxWords(150),
            CheckKind::MaxChars(20),
            CheckKind::MaxSentences(4),
            CheckKind::Asks(false),
            CheckKind::Json(false),
            not(CheckKind::Contains(texts(&["a b", "c"]))),
            not(CheckKind::ContainsAny(texts(&["Rome"]))),
            not(CheckKind::Equals(texts(&["Yes"]).remove(0))),
            not(CheckKind::StartsWith(texts(&["Yes"]).remove(0))),
            not(CheckKind::EndsWith(texts(&["Yes"]).remove(0))),
            not(CheckKind::Matches(pattern("T-[0-9]{3,}"))),
            not(CheckKind::MinWords(30)),
            not(CheckKind::Asks(true)),
            not(CheckKind::Json(true)),
        ] {
            let reply = "it goes well.";
            assert_eq!(verdict(&kind, reply), Verdict::Pass, "{kind:?}");
            let wanted = wanted(&kind, reply, None);
            let forbidden = wanted.forbidden.clone().unwrap_or_else(|| panic!("{kind:?}"));
            assert_eq!(verdict(&kind, &forbidden), Verdict::Fail, "{kind:?}: {forbidden:?}");
            assert!(!wanted.is_something && !wanted.is_fitting && !wanted.is_fact, "{kind:?}");
        }
    }

    #[test]
    fn what_a_check_wants_is_missed_in_a_reply_that_says_nothing() {
        for kind in [
            CheckKind::Contains(texts(&["well"])),
            CheckKind::MinWords(2),
            CheckKind::Not(Box::new(CheckKind::MaxWords(2))),
            CheckKind::Not(Box::new(CheckKind::NotContains(texts(&["well"])))),
        ] {
            let wanted = wanted(&kind, "it goes well.", None);
            assert!(wanted.is_something && wanted.forbidden.is_none(), "{kind:?}");
            assert_eq!(verdict(&kind, "it goes well."), Verdict::Pass, "{kind:?}");
            assert_eq!(verdict(&kind, "…"), Verdict::Fail, "{kind:?}");
        }
        assert!(!wanted(&CheckKind::FinishReason("stop".into()), "", None).is_any());
        assert!(!is_on_reply(&CheckKind::Not(Box::new(CheckKind::FinishReason("stop".into())))));
        assert!(!wanted(&CheckKind::MaxWords(u64::MAX), "", None).is_any(), "no such reply can be written out");
    }

    #[test]
    fn a_fact_is_to_be_missed_where_it_was_visible_and_told_where_it_was_not() {
        let evidence = |visible, recalled| Retention {
            fact: "name".into(),
            value: "Priya".into(),
            visible,
            distance: None,
            recalled: Some(recalled),
            outcome: None,
            carrier: None,
            spellings: Vec::new(),
        };
        let fact = || FactRef { fact: 0, value: None };
        let (seen, unseen) = (evidence(Visibility::User, true), evidence(Visibility::No, false));
        let told = forbids(Some("Hm. Priya.".into()));
        assert_eq!(wanted(&CheckKind::Recalls(fact()), "Hm.", Some(&seen)), Wanted::FACT);
        assert_eq!(wanted(&CheckKind::RetainsIffVisible(fact()), "Hm.", Some(&seen)), Wanted::FACT);
        assert_eq!(wanted(&CheckKind::RetainsIffVisible(fact()), "Hm.", Some(&unseen)), told);
        assert_eq!(wanted(&CheckKind::Forgets(fact(), None), "Hm.", Some(&unseen)), told);
        let admitting = CheckKind::Forgets(fact(), Some(Admits::Phrases));
        assert_eq!(wanted(&admitting, "Hm.", Some(&unseen)), Wanted { is_something: true, ..told.clone() });
        assert_eq!(wanted(&CheckKind::Not(Box::new(CheckKind::Recalls(fact()))), "Hm.", Some(&unseen)), told);
    }
}
