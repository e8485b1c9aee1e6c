//! The one way in: takes a check and a turn, gives the verdict.
//!
//! Decides here what holds for every check: that there is nothing to judge in a withheld reply, what `not` does, and
//! when a detail is told. What each check asserts is decided in the file of its family. A family answers with what it
//! found, in words that are true whether that is wanted or not, so that `not` needs no wording of its own.
//!
//! `known_failure`, `models` and `needs_model` are not looked at: they belong to the check's frame, not to its kind.

use crate::event::Retention;
use crate::model::{CheckKind, Fact, Message, Reply, Verdict};

use super::{request, retention, text};

/// All of a turn that a check may look at.
#[derive(Debug, Clone, Copy)]
pub struct TurnView<'a> {
    /// The turn, counted from 1.
    pub turn: u32,
    /// The messages as sent, the turn's own user message last.
    pub sent: &'a [&'a Message],
    /// The whole history before this turn, without the system message.
    pub history: &'a [Message],
    /// Of each message in `sent`, its position in the conversation's own list.
    pub list_positions: &'a [usize],
    /// The reply.
    pub reply: &'a Reply,
    /// The script's facts, to which checks point by index.
    pub facts: &'a [Fact],
    /// The system message, where there is one.
    pub system: Option<&'a Message>,
    /// Tokens of the request; `None` where nobody counted them.
    pub tokens_sent: Option<u64>,
}

/// How a check came out.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// `pass`, `fail` or `unknown`; nothing else.
    pub verdict: Verdict,
    /// What was measured, for checks that count.
    pub score: Option<f64>,
    /// Why, in words, without the check's key and expectation; empty for a pass that needs none.
    pub detail: String,
    /// The evidence of a retention check, an inverted one included.
    pub retention: Option<Retention>,
}

/// What a family of checks found.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Finding {
    /// Whether the assertion holds; `None` where that cannot be known.
    pub holds: Option<bool>,
    /// What was measured.
    pub score: Option<f64>,
    /// What was found, true in either case.
    pub detail: String,
    /// What is said even of a pass.
    pub note: Option<&'static str>,
    /// The evidence of a retention check.
    pub retention: Option<Retention>,
}

impl Finding {
    pub(super) fn new(holds: impl Into<Option<bool>>, detail: impl Into<String>) -> Self {
        Self { holds: holds.into(), score: None, detail: detail.into(), note: None, retention: None }
    }
}

/// Decides one check on one turn.
#[must_use]
pub fn decide(kind: &CheckKind, view: &TurnView<'_>) -> Decision {
    let Finding { holds, score, detail, note, retention } = find(kind, view);
    let verdict = match holds {
        Some(true) => Verdict::Pass,
        Some(false) => Verdict::Fail,
        None => Verdict::Unknown,
    };
    let detail = if verdict == Verdict::Pass { note.unwrap_or_default().to_owned() } else { detail };
    Decision { verdict, score, detail, retention }
}

fn find(kind: &CheckKind, view: &TurnView<'_>) -> Finding {
    let reply = view.reply;
    match kind {
        // Each family's own rule for a cut reply says only what holds however the reply would have gone on. That makes
        // its opposite as sure, and `not` needs no rule for cut replies.
        CheckKind::Not(inner) => {
            let found = find(inner, view);
            Finding { holds: found.holds.map(|holds| !holds), ..found }
        }
        CheckKind::Sent(limits) => request::sent(limits, view),
        CheckKind::FinishReason(wanted) => finish_reason(wanted, reply),
        CheckKind::Recalls(fact) => retention::recalls(fact, view),
        CheckKind::Forgets(fact, admits) => retention::forgets(fact, admits.as_ref(), view),
        CheckKind::RetainsIffVisible(fact) => retention::retains_iff_visible(fact, view),
        _ if reply.is_withheld() => Finding::new(None, withheld(reply)),
        CheckKind::Contains(texts) => text::contains(texts, reply),
        CheckKind::ContainsAny(texts) => text::contains_any(texts, reply),
        CheckKind::NotContains(texts) | CheckKind::NotContainsAny(texts) => text::not_contains(texts, reply),
        CheckKind::Equals(text) => text::equals(text, reply),
        CheckKind::StartsWith(text) => text::starts_with(text, reply),
        CheckKind::EndsWith(text) => text::ends_with(text, reply),
        CheckKind::Matches(pattern) => text::matches(pattern, reply),
        CheckKind::NotMatches(pattern) => text::not_matches(pattern, reply),
        CheckKind::MinWords(limit) => text::min_words(*limit, reply),
        CheckKind::MaxWords(limit) => text::max_words(*limit, reply),
        CheckKind::MaxChars(limit) => text::max_chars(*limit, reply),
        CheckKind::MaxSentences(limit) => text::max_sentences(*limit, reply),
        CheckKind::Asks(wanted) => text::asks(*wanted, reply),
        CheckKind::Json(wanted) => text::json(*wanted, reply),
    }
}

/// Why there is nothing to judge in a withheld reply.
pub(super) fn withheld(reply: &Reply) -> String {
    match reply.finish_reason.as_deref() {
        Some("content_filter") => "the reply was withheld by a content filter".to_owned(),
        Some("length") => "the reply is empty: its length limit was reached before its first word".to_owned(),
        _ => "the reply is empty".to_owned(),
    }
}

fn finish_reason(wanted: &str, reply: &Reply) -> Finding {
    match &reply.finish_reason {
        Some(reason) => Finding::new(reason == wanted, format!("the reply ended with `{reason}`")),
        None => Finding::new(None, "the provider gave no finish reason"),
    }
}
