//! What one variant came to: its trials added up.
//!
//! Trials are innermost in the plan, so the records of one variant stand one behind the other, and a tally is whole
//! as soon as a record of another variant comes. It counts; it keeps no text but the variant's names.

use std::collections::BTreeMap;

use super::{EndCounts, OutcomeCounts, SourceCounts, VerdictCounts};
use crate::event::{CheckDone, Record, TurnDone};
use crate::model::{End, Source, VariantKey, Verdict};
use crate::stats::decide_over_trials;

/// What calls took.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Usage {
    /// Calls that were made, to a provider or the embedded model; tries after the first not counted.
    pub calls: u64,
    /// Tries after the first.
    pub retries: u64,
    /// Replies by where they came from.
    pub replies: SourceCounts,
    /// Of `calls`, those beside the turns: votes of judges, embeddings, and why a fact is not there.
    pub judge_calls: u64,
    /// Tokens of the turns' requests, where known; no window hangs on what else was asked.
    pub tokens_sent: Option<u64>,
    /// Tokens of the turns' replies, where known.
    pub tokens_reply: Option<u64>,
    /// Tokens of the calls beside the turns, requests and answers together, where known.
    pub judge_tokens: Option<u64>,
    /// Tokens that the turns' requests would have had with the whole history, where known.
    pub tokens_full_history: Option<u64>,
    /// Of `tokens_sent`, those of requests for which `tokens_full_history` is known too.
    pub tokens_compared: u64,
    /// USD of all calls, where a price is known.
    pub cost_usd: Option<f64>,
    /// USD of a budget that stay reserved beside `cost_usd`, for calls whose usage is unknown; where there are any.
    pub reserved_usd: Option<f64>,
    /// Milliseconds, from each last try's sending to its reply's end, added up; where measured.
    pub latency_ms: Option<f64>,
}

impl Usage {
    fn count_turn(&mut self, turn: &TurnDone) {
        self.count(turn);
        if let Some(usage) = turn.usage {
            count(&mut self.tokens_sent, Some(usage.sent));
            count(&mut self.tokens_reply, Some(usage.reply));
            if turn.tokens_full_history.is_some() {
                self.tokens_compared = self.tokens_compared.saturating_add(usage.sent);
                count(&mut self.tokens_full_history, turn.tokens_full_history);
            }
        }
    }

    fn count_beside(&mut self, call: &TurnDone) {
        self.count(call);
        self.judge_calls += u64::from(is_call(call));
        count(&mut self.judge_tokens, call.usage.map(crate::model::Usage::total));
    }

    fn count(&mut self, turn: &TurnDone) {
        if turn.reply.is_some() {
            self.replies.count(turn.source);
        }
        self.calls += u64::from(is_call(turn));
        self.retries += u64::from(turn.attempts.saturating_sub(1));
        add(&mut self.cost_usd, turn.cost_usd);
        // What such a turn cost is an estimate, and a part of what stays reserved.
        add(&mut self.reserved_usd, turn.reserved_usd.map(|usd| usd - turn.cost_usd.unwrap_or(0.0)));
        add(&mut self.latency_ms, turn.latency_ms);
    }

    /// Adds what other calls took.
    pub fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.judge_calls += other.judge_calls;
        self.retries += other.retries;
        self.replies.add(&other.replies);
        count(&mut self.tokens_sent, other.tokens_sent);
        count(&mut self.tokens_reply, other.tokens_reply);
        count(&mut self.judge_tokens, other.judge_tokens);
        count(&mut self.tokens_full_history, other.tokens_full_history);
        self.tokens_compared = self.tokens_compared.saturating_add(other.tokens_compared);
        add(&mut self.cost_usd, other.cost_usd);
        add(&mut self.reserved_usd, other.reserved_usd);
        add(&mut self.latency_ms, other.latency_ms);
    }

    /// Tokens of the turns' requests and replies together, where known.
    #[must_use]
    pub fn tokens(&self) -> Option<u64> {
        self.tokens_sent.map(|sent| sent.saturating_add(self.tokens_reply.unwrap_or(0)))
    }

    /// The share of the whole history's tokens that the windows saved, 0 to 1; `None` where it is not known.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "it is shown in whole percent")]
    pub fn saved(&self) -> Option<f64> {
        let full = self.tokens_full_history.filter(|full| *full > 0)?;
        Some(1.0 - self.tokens_compared as f64 / full as f64)
    }
}

/// Whether it was made: one that came too late for its model, or whose window was too small, was not.
fn is_call(call: &TurnDone) -> bool {
    call.attempts > 0 && call.source != Source::Canned
}

/// What is known stays known: a sum is empty only where every part is.
fn add(sum: &mut Option<f64>, part: Option<f64>) {
    *sum = sum.zip(part).map(|(sum, part)| sum + part).or(*sum).or(part);
}

/// The same of numbers that a journal may have from anybody: a sum that would overflow stays at the greatest.
fn count(sum: &mut Option<u64>, part: Option<u64>) {
    *sum = sum.zip(part).map(|(sum, part)| sum.saturating_add(part)).or(*sum).or(part);
}

/// The trials of one check.
#[derive(Debug, Clone, Default)]
struct Trials {
    verdicts: VerdictCounts,
    is_marked: bool,
}

/// One check decided over its trials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decided {
    /// Its number in the conversation.
    pub index: u32,
    /// The decision.
    pub verdict: Verdict,
    /// Its trials by verdict.
    pub trials: VerdictCounts,
    /// Whether it bears `known_failure`.
    pub is_marked: bool,
}

impl Decided {
    /// Trials in which it really held and in which it did not, whatever its mark says of that; `None` unless there are both.
    #[must_use]
    pub fn flaky(&self) -> Option<(u64, u64)> {
        let VerdictCounts { pass, fail, known_failure, .. } = self.trials;
        // Of a marked check, `fail` is a trial that held, as journals of earlier versions have it.
        let (held, not) = if self.is_marked { (pass + fail, known_failure) } else { (pass, fail) };
        (held > 0 && not > 0).then_some((held, not))
    }
}

/// What one variant came to.
#[derive(Debug, Clone)]
pub struct Tally {
    /// The variant.
    pub key: VariantKey,
    /// How many of its trials there are records of.
    pub trials: u32,
    /// Every trial of every check by its verdict.
    pub verdicts: VerdictCounts,
    /// Every trial of every retention check by its outcome; those without an outcome are not counted.
    pub outcomes: OutcomeCounts,
    /// How many retention checks one trial has.
    pub retention_checks: u32,
    /// Its conversations by their end.
    pub ends: EndCounts,
    /// Its conversations that could not be carried through.
    pub broken: u32,
    /// Some of these outcomes are those of a bot that keeps its history itself: where the fact was visible is unknown.
    pub is_unseen: bool,
    /// What its calls took.
    pub usage: Usage,
    /// Milliseconds of each call that was measured, in plan order.
    pub latencies_ms: Vec<f64>,
    /// Milliseconds to the first token of each streamed call.
    pub ttfts_ms: Vec<f64>,
    pass_rate: f64,
    checks: BTreeMap<u32, Trials>,
}

impl Tally {
    /// The tally of the variant that the record belongs to, with the record in it.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        let mut tally = Self {
            key: record.begin.key.variant.clone(),
            trials: 0,
            verdicts: VerdictCounts::default(),
            outcomes: OutcomeCounts::default(),
            retention_checks: 0,
            ends: EndCounts::default(),
            broken: 0,
            is_unseen: false,
            usage: Usage::default(),
            latencies_ms: Vec::new(),
            ttfts_ms: Vec::new(),
            pass_rate: record.begin.pass_rate,
            checks: BTreeMap::new(),
        };
        tally.add(record);
        tally
    }

    /// Adds one more trial.
    pub fn add(&mut self, record: &Record) {
        self.trials += 1;
        self.ends.count(record.end());
        self.broken += u32::from(is_broken(record));
        self.latencies_ms.reserve(record.turns.len());
        for turn in &record.turns {
            self.usage.count_turn(turn);
            self.latencies_ms.extend(turn.latency_ms);
            self.ttfts_ms.extend(turn.ttft_ms);
        }
        record.calls.iter().for_each(|call| self.usage.count_beside(&call.done));
        for attempt in &record.attempts {
            add(&mut self.usage.reserved_usd, attempt.reserved_usd);
        }
        add(&mut self.usage.reserved_usd, record.unsettled.usd());
        for check in &record.checks {
            self.add_check(check, record.begin.keeps_history);
        }
        let retention_checks = record.checks.iter().filter(|check| check.retention.is_some()).count();
        self.retention_checks = self.retention_checks.max(u32::try_from(retention_checks).unwrap_or(u32::MAX));
    }

    fn add_check(&mut self, check: &CheckDone, keeps_history: bool) {
        self.verdicts.count(check.verdict);
        if let Some(outcome) = check.retention.as_ref().and_then(|retention| retention.outcome) {
            self.outcomes.count(outcome);
            self.is_unseen |= keeps_history;
        }
        let trials = self.checks.entry(check.index).or_default();
        trials.verdicts.count(check.verdict);
        trials.is_marked |= check.known_failure.is_some();
    }

    /// Its checks, each decided over its trials, in order.
    pub fn decided(&self) -> impl Iterator<Item = Decided> + '_ {
        self.checks.iter().map(|(index, trials)| {
            let Trials { verdicts, is_marked } = *trials;
            let verdict = decide_over_trials(verdicts.each(), self.pass_rate, is_marked);
            Decided { index: *index, verdict, trials: verdicts, is_marked }
        })
    }

    /// How the variant ended, told from the decisions over its trials: one failed trial that `pass_rate` allows is no
    /// failure. A conversation that could not be carried through makes it `errored` all the same.
    #[must_use]
    pub fn end(&self, decided: &VerdictCounts) -> End {
        if decided.fail > 0 {
            End::Failed
        } else if decided.unknown > 0 || self.broken > 0 {
            End::Errored
        } else if self.ends.interrupted > 0 {
            End::Interrupted
        } else if self.ends.skipped > 0 {
            End::Skipped
        } else {
            End::Passed
        }
    }
}

/// Whether the conversation itself could not be carried through, rather than a check staying unknown.
pub(super) fn is_broken(record: &Record) -> bool {
    record.end() == End::Errored
        && (record.done.as_ref().is_some_and(|done| done.error.is_some())
            || record.turns.iter().any(|turn| turn.error.is_some())
            || !record.checks.iter().any(|check| check.verdict == Verdict::Unknown))
}

/// Cuts the stream of records into variants.
#[derive(Debug, Default)]
pub(super) struct Variants {
    current: Option<Tally>,
}

impl Variants {
    /// Adds a record; gives the tally of the variant before it when the record begins another.
    pub(super) fn add(&mut self, record: &Record) -> Option<Tally> {
        match &mut self.current {
            Some(tally) if tally.key == record.begin.key.variant => {
                tally.add(record);
                None
            }
            current => current.replace(Tally::of(record)),
        }
    }

    /// The last variant.
    pub(super) fn finish(self) -> Option<Tally> {
        self.current
    }
}
