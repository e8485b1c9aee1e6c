//! The one way in: takes a check and a turn, gives the verdict.
//!
//! Decides here what holds for every check: that there is nothing to judge in a withheld reply, what `not` does, and
//! when a detail is told. What each check asserts is decided in the file of its family. A family answers with what it
//! found, in words that are true whether that is wanted or not, so that `not` needs no wording of its own.
//!
//! `known_failure`, `models` and `needs_model` are not looked at: they belong to the check's frame, not to its kind.

use crate::event::Retention;
use crate::model::{CheckKind, Reply, TurnId, Verdict};

use super::view::{Finding, TurnView, withheld};
use super::{json, limits, request, retention, similar, text};

/// How a check came out.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// `pass`, `fail` or `unknown`; `skip` of what was not measured in this run, or of a transcript whose rest decides.
    pub verdict: Verdict,
    /// What was measured, for checks that count.
    pub score: Option<f64>,
    /// Why, in words, without the check's key and expectation; empty for a pass that needs none.
    pub detail: String,
    /// The evidence of a retention check, an inverted one included.
    pub retention: Option<Retention>,
    /// Of a check on a transcript, the turn that decided it, where one did.
    pub decided_at: Option<TurnId>,
}

/// Decides one check on one turn.
#[must_use]
pub fn decide(kind: &CheckKind, view: &TurnView<'_>) -> Decision {
    let Finding { holds, is_skipped, score, detail, note, retention } = find(kind, view);
    let verdict = match holds {
        Some(true) => Verdict::Pass,
        Some(false) => Verdict::Fail,
        None if is_skipped => Verdict::Skip,
        None => Verdict::Unknown,
    };
    let detail = if verdict == Verdict::Pass { note.unwrap_or_default().to_owned() } else { detail };
    Decision { verdict, score, detail, retention, decided_at: None }
}

pub(super) fn find(kind: &CheckKind, view: &TurnView<'_>) -> Finding {
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
        CheckKind::MaxTokensSent(limit) => limits::max_tokens_sent(*limit, &view.measured),
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
        CheckKind::JsonSchema(schema) => json::json_schema(schema, reply),
        CheckKind::JsonPath(path, wanted) => json::json_path(path, wanted, reply),
        CheckKind::Similar(wanted) => similar::similar(wanted, reply),
        CheckKind::MaxLatencyMs(limit) => limits::max_latency_ms(*limit, &view.measured, reply),
        CheckKind::MaxTtftMs(limit) => limits::max_ttft_ms(*limit, &view.measured),
        CheckKind::MaxCostUsd(limit) => limits::max_cost_usd(*limit, &view.measured, reply),
    }
}

fn finish_reason(wanted: &str, reply: &Reply) -> Finding {
    match &reply.finish_reason {
        Some(reason) => Finding::new(reason == wanted, format!("the reply ended with `{reason}`")),
        None => Finding::new(None, "the provider gave no finish reason"),
    }
}
