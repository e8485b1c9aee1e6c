//! A run folded into what the terminal shows and the exit code is told from.
//!
//! Records come in plan order, one at a time; of each variant one row stays, and of its failures at most
//! [`FAILURES_IN_FULL`] in the whole run with their texts, so that memory does not grow with what was said.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::bound::Work;
use super::failure::{Failure, title};
use super::measures::Measures;
use super::tally::{Decided, Variants, is_broken};
use super::{EndCounts, OutcomeCounts, Tally, Usage, VerdictCounts};
use crate::event::Record;
use crate::model::{End, TurnId, VariantKey, Verdict};
use crate::stats::Repeated;

/// So many failures are kept and shown in full; of the rest, only how many there are.
pub const FAILURES_IN_FULL: usize = 20;

/// The table has so many lines at most: in a run of more variants, those that did not pass.
pub const ROWS_IN_FULL: usize = 200;

/// One variant, a line of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The variant.
    pub key: VariantKey,
    /// How many of its trials there are records of.
    pub trials: u32,
    /// How it ended, its checks decided over its trials.
    pub end: End,
    /// Its checks by verdict, each decided over its trials.
    pub checks: VerdictCounts,
    /// Trials of retention checks by outcome.
    pub outcomes: OutcomeCounts,
    /// How many retention checks one trial has.
    pub retention_checks: u32,
    /// What its calls took.
    pub usage: Usage,
}

/// A check that failed as its mark says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownFailure {
    /// The variant.
    pub key: VariantKey,
    /// The turn.
    pub turn: Option<TurnId>,
    /// What was asserted.
    pub title: String,
    /// What the mark says.
    pub reason: String,
}

/// A check whose decided trials both passed and failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaky {
    /// The variant.
    pub key: VariantKey,
    /// The turn.
    pub turn: Option<TurnId>,
    /// What was asserted.
    pub title: String,
    /// Trials in which it held.
    pub passed: u64,
    /// Trials in which it did not.
    pub failed: u64,
}

/// The sums of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Totals {
    /// Conversations by how each ended by itself.
    pub conversations: EndCounts,
    /// Variants by how they ended, their checks decided over their trials.
    pub variants: EndCounts,
    /// Checks by verdict, decided over their trials.
    pub checks: VerdictCounts,
    /// Conversations that could not be carried through.
    pub broken: u64,
    /// Conversations of the plan that were not begun: the run was interrupted, or stopped at a failed check.
    pub not_begun: u64,
    /// Conversations that were left out, since the verdicts of their variants were decided without them.
    pub left_out: u64,
    /// How many calls they would have made at most.
    pub calls_left_out: u64,
    /// What all calls took.
    pub usage: Usage,
    /// How long the calls took, those of the longest conversation apart.
    pub work: Work,
    /// The least time that the run could have taken; where it is known how much was in flight.
    pub bound: Option<Duration>,
    /// What the run might spend, in USD, where there was a limit to it.
    pub max_cost_usd: Option<f64>,
    /// Variants with several trials, by how many of those passed.
    pub repeated: Repeated,
    /// Some outcomes are those of a bot that keeps its history itself.
    pub has_unseen: bool,
}

impl Totals {
    /// Whether a check failed.
    #[must_use]
    pub fn has_failures(&self) -> bool {
        self.checks.fail > 0
    }

    /// Whether a conversation could not be carried through, for want of money too, or a check stayed unknown.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.broken > 0 || self.checks.unknown > 0 || self.conversations.skipped > 0
    }

    fn add(&mut self, tally: &Tally, row: &Row) {
        self.conversations.add(&tally.ends);
        self.variants.count(row.end);
        self.checks.add(&row.checks);
        self.broken += u64::from(tally.broken);
        self.usage.add(&row.usage);
        self.has_unseen |= tally.is_unseen;
        if tally.trials > 1 && row.checks.total() > 0 {
            self.repeated.add(tally.ends.passed + tally.ends.failed, tally.ends.passed);
        }
    }
}

/// A run as the terminal shows it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// The variants that may be shown, in plan order: those of a matrix, of which grids are drawn, and of the others the first
    /// `ROWS_IN_FULL` and as many that did not pass.
    pub rows: Vec<Row>,
    /// The first failures, in plan order.
    pub failures: Vec<Failure>,
    /// How many more there are.
    pub more_failures: u64,
    /// The first known failures, in plan order.
    pub known_failures: Vec<KnownFailure>,
    /// How many more of these there are.
    pub more_known_failures: u64,
    /// The first flaky checks, in plan order, as far as a failure of theirs was kept.
    pub flaky: Vec<Flaky>,
    /// How many more of these there are.
    pub more_flaky: u64,
    /// The sums.
    pub totals: Totals,
    /// What pictures show beside.
    pub measures: Measures,
}

/// Folds records into a [`Summary`].
#[derive(Debug, Default)]
pub struct SummaryBuilder {
    summary: Summary,
    variants: Variants,
    findings: Findings,
    kept: Kept,
    /// The models to which no further call was made, with the place of their failure among those in full.
    stopped: HashMap<String, Option<usize>>,
}

/// How many rows are kept.
#[derive(Debug, Default)]
struct Kept {
    first: usize,
    not_passed: usize,
}

/// What the variant at hand may have to show, by check: which of it is a failure is known when all trials are in.
#[derive(Debug, Default)]
struct Findings {
    broken: Option<Failure>,
    broken_trials: u32,
    /// A conversation that ended with all calls to its model.
    stopped: Option<Failure>,
    stopped_trials: u32,
    failed: BTreeMap<u32, Failure>,
    unknown: BTreeMap<u32, Failure>,
    known: BTreeMap<u32, KnownFailure>,
}

impl SummaryBuilder {
    /// A summary of nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next record of the plan.
    pub fn add(&mut self, record: &Record) {
        if let Some(tally) = self.variants.add(record) {
            self.close(&tally);
        }
        self.summary.totals.work.add(record);
        self.summary.measures.add(record);
        let is_full = self.summary.failures.len() >= FAILURES_IN_FULL;
        self.findings.add(record, is_full);
    }

    /// Counts a conversation that was left out and would have made so many calls at most.
    pub fn left_out(&mut self, calls: u32) {
        self.summary.totals.left_out += 1;
        self.summary.totals.calls_left_out += u64::from(calls);
    }

    /// The summary of all that was added.
    #[must_use]
    pub fn finish(mut self) -> Summary {
        if let Some(tally) = std::mem::take(&mut self.variants).finish() {
            self.close(&tally);
        }
        self.summary
    }

    fn close(&mut self, tally: &Tally) {
        let decided: Vec<Decided> = tally.decided().collect();
        let mut checks = VerdictCounts::default();
        for check in &decided {
            checks.count(check.verdict);
        }
        let row = Row {
            key: tally.key.clone(),
            trials: tally.trials,
            end: tally.end(&checks),
            checks,
            outcomes: tally.outcomes,
            retention_checks: tally.retention_checks,
            usage: tally.usage.clone(),
        };
        self.summary.totals.add(tally, &row);
        self.keep_row(row);
        let findings = std::mem::take(&mut self.findings);
        if tally.trials > 1 {
            self.flaky(tally, &findings, &decided);
        }
        self.report(findings, &decided);
    }

    fn keep_row(&mut self, row: Row) {
        let Kept { first, not_passed } = &mut self.kept;
        let (is_first, is_passed) = (*first < ROWS_IN_FULL, row.end == End::Passed);
        if is_first || !row.key.vars.is_empty() || !is_passed && *not_passed < ROWS_IN_FULL {
            *first += 1;
            *not_passed += usize::from(!is_passed);
            self.summary.rows.push(row);
        }
    }

    fn flaky(&mut self, tally: &Tally, findings: &Findings, decided: &[Decided]) {
        for check in decided {
            let Some((passed, failed)) = check.flaky() else { continue };
            let failure = findings.failed.get(&check.index).map(|failure| (failure.turn, &failure.title));
            let found = failure.or_else(|| findings.known.get(&check.index).map(|known| (known.turn, &known.title)));
            match found {
                Some((turn, title)) if self.summary.flaky.len() < FAILURES_IN_FULL => {
                    let (key, title) = (tally.key.clone(), title.clone());
                    self.summary.flaky.push(Flaky { key, turn, title, passed, failed });
                }
                _ => self.summary.more_flaky += 1,
            }
        }
    }

    fn report(&mut self, mut findings: Findings, decided: &[Decided]) {
        let is_broken = findings.broken_trials + findings.stopped_trials > 0;
        for check in decided {
            let several = (check.trials.total() > 1).then_some(check.trials);
            let with_trials = |failure: Failure| Failure { trials: several, ..failure };
            match check.verdict {
                Verdict::Fail => self.failure(findings.failed.remove(&check.index).map(with_trials)),
                // What a broken call left undecided is said once, by the call's own error.
                Verdict::Unknown if !is_broken => {
                    self.failure(findings.unknown.remove(&check.index).map(with_trials));
                }
                Verdict::KnownFailure => self.known_failure(findings.known.remove(&check.index)),
                Verdict::Unknown | Verdict::Pass | Verdict::Skip => {}
            }
        }
        if findings.broken_trials > 0 {
            self.failure(findings.broken.take());
        }
        if let Some(stopped) = findings.stopped {
            self.stopped_model(stopped, u64::from(findings.stopped_trials));
        }
    }

    /// One error stands for all conversations of a model that was stopped.
    fn stopped_model(&mut self, failure: Failure, trials: u64) {
        match self.stopped.get(&failure.key.model) {
            Some(Some(place)) => self.summary.failures[*place].others += trials,
            Some(None) => {}
            None => {
                let place = self.summary.failures.len();
                let is_shown = place < FAILURES_IN_FULL;
                self.stopped.insert(failure.key.model.clone(), is_shown.then_some(place));
                self.failure(Some(Failure { others: trials - 1, ..failure }));
            }
        }
    }

    fn failure(&mut self, failure: Option<Failure>) {
        match failure {
            Some(failure) if self.summary.failures.len() < FAILURES_IN_FULL => self.summary.failures.push(failure),
            _ => self.summary.more_failures += 1,
        }
    }

    fn known_failure(&mut self, known: Option<KnownFailure>) {
        match known {
            Some(known) if self.summary.known_failures.len() < FAILURES_IN_FULL => {
                self.summary.known_failures.push(known);
            }
            _ => self.summary.more_known_failures += 1,
        }
    }
}

impl Findings {
    /// Notes what may be a failure; with `is_full`, only that there is one.
    fn add(&mut self, record: &Record, is_full: bool) {
        if record.turns.iter().any(|turn| turn.model_stopped) {
            self.stopped_trials += 1;
            self.stopped.get_or_insert_with(|| Failure::of_conversation(record));
        } else if is_broken(record) {
            self.broken_trials += 1;
            if self.broken.is_none() && !is_full {
                self.broken = Some(Failure::of_conversation(record));
            }
        }
        for check in &record.checks {
            match (&check.known_failure, check.verdict) {
                (Some(reason), Verdict::KnownFailure) => {
                    self.known.entry(check.index).or_insert_with(|| KnownFailure {
                        key: record.begin.key.variant.clone(),
                        turn: check.turn,
                        title: title(check),
                        reason: reason.clone(),
                    });
                }
                (Some(_), Verdict::Pass) | (_, Verdict::Fail | Verdict::Unknown) if !is_full => {
                    let is_unknown = check.verdict == Verdict::Unknown;
                    let found = if is_unknown { &mut self.unknown } else { &mut self.failed };
                    if !found.contains_key(&check.index) {
                        found.extend(Failure::of_check(record, check).map(|failure| (check.index, failure)));
                    }
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
