//! What the page knows of a run: lines of JSON, one a conversation, as arrays so that they are short.
//!
//! The first line is [`Head`], the last one [`Tail`]; between them, in plan order, stand conversations, and behind the trials of a
//! variant that has several what they came to together ([`variant`]). `data.js` reads them, and nothing else does: they
//! are no format to rely on.
//!
//! Conversations of one script say the same again and again: a system prompt, a user message, a history or what a check
//! asserts is `0` where the last conversation that is there whole has the same in its place.

use std::io;

use serde::Serialize;

use super::Around;
use crate::event::{Begin, CheckDone, Manifest, Record, Retention, Shard, SnapshotNote, TurnDone, WireMessage};
use crate::model::{End, Outcome, Source, TurnId, Verdict, Visibility};
use crate::report::files::RunTotals;
use crate::report::{EndCounts, Tally, VerdictCounts};

/// What the run is.
#[derive(Serialize)]
pub(super) struct Head<'a> {
    run: &'a str,
    version: &'a str,
    started: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shard: Option<Shard>,
    /// Name, path and tags of each.
    scenarios: Vec<(&'a str, &'a str, &'a [String])>,
}

impl<'a> Head<'a> {
    pub(super) fn of(manifest: &'a Manifest) -> Self {
        let Manifest { run, version, started, commit, shard, scenarios, .. } = manifest;
        let scenarios = scenarios.iter().map(|file| (file.name.as_str(), file.path.as_str(), file.tags.as_slice()));
        Self { run, version, started, commit: commit.as_deref(), shard: *shard, scenarios: scenarios.collect() }
    }
}

/// What had no room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Left {
    /// Conversations of which only the verdicts are there.
    pub(super) transcripts: u64,
    /// Conversations of which nothing is there.
    pub(super) conversations: u64,
}

/// What the run came to.
#[derive(Serialize)]
pub(super) struct Tail {
    totals: RunTotals,
    /// Variants by how they ended, their checks decided over their trials.
    variants: EndCounts,
    #[serde(skip_serializing_if = "Option::is_none")]
    wall_ms: Option<u128>,
    /// The share of the whole history's tokens that the windows saved.
    #[serde(skip_serializing_if = "Option::is_none")]
    saved: Option<f64>,
    failed_snapshots: usize,
    pending_snapshots: usize,
    left_out: Left,
}

impl Tail {
    pub(super) fn of(around: Around<'_>, left_out: Left) -> Self {
        let count = |is: fn(&SnapshotNote) -> bool| around.snapshots.iter().filter(|note| is(note)).count();
        Self {
            totals: RunTotals::of(around.totals),
            variants: around.totals.variants,
            wall_ms: around.wall.map(|wall| wall.as_millis()),
            saved: around.totals.usage.saved(),
            failed_snapshots: count(|note| note.is_failure),
            pending_snapshots: count(|note| note.is_pending),
            left_out,
        }
    }
}

/// How a variant of several trials ended, and its checks, each decided over them: index and verdict.
pub(super) fn variant(tally: &Tally) -> impl Serialize {
    let decided: Vec<_> = tally.decided().map(|check| (check.index, check.verdict)).collect();
    let mut checks = VerdictCounts::default();
    for (_, verdict) in &decided {
        checks.count(*verdict);
    }
    ("variant", tally.end(&checks), decided)
}

/// Something that the conversation before may have had already.
#[derive(Serialize)]
#[serde(untagged)]
enum Said<T> {
    Again(u8),
    New(T),
}

impl<T> Said<T> {
    fn new(is_again: bool, what: T) -> Self {
        if is_again { Self::Again(0) } else { Self::New(what) }
    }
}

#[derive(Serialize)]
struct Conversation<'a>(
    /// Scenario, case, persona, model, window, vars.
    [&'a str; 6],
    /// Trial, and how many there are.
    (u32, u32),
    End,
    /// Why, where it errored beside its turns.
    Option<&'a str>,
    /// The system message.
    Said<Option<&'a str>>,
    Said<&'a [WireMessage]>,
    /// Its turns; none where they had no room.
    Option<Vec<Turn<'a>>>,
    Vec<Check<'a>>,
);

#[derive(Serialize)]
struct Turn<'a>(
    TurnId,
    /// The user message.
    Said<&'a str>,
    Option<&'a str>,
    Source,
    /// The messages that were sent, as ranges of the conversation's list.
    &'a [(u32, u32)],
    /// Tokens of the request, of the reply, of the request with the whole history.
    Option<u64>,
    Option<u64>,
    Option<u64>,
    /// Latency in microseconds: whole numbers are written sooner than fractions.
    Option<u64>,
    Rare<'a>,
);

/// What few turns have.
#[derive(Serialize)]
struct Rare<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    /// Where it is not the usual `stop`.
    #[serde(skip_serializing_if = "Option::is_none")]
    finish_reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pinned: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_usd: Option<f64>,
    /// In microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    ttft: Option<u64>,
    /// Where there was more than one.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<u32>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    estimated: bool,
    /// Whether the bot keeps its history itself: what was not sent is not cut.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    keeps_history: bool,
}

#[derive(Serialize)]
struct Check<'a>(Said<Asserted<'a>>, Verdict, &'a str, Option<Fact<'a>>);

/// What a check asserts: its turn, key, name, what is expected, its line in the file, and what its mark says.
#[derive(Serialize)]
struct Asserted<'a>(Option<TurnId>, &'a str, Option<&'a str>, &'a str, u32, Option<&'a str>);

/// The fact's name and value, where it was visible, how far away its last mention was, what became of it, and what else than the
/// value counted as it.
#[derive(Serialize)]
struct Fact<'a>(&'a str, &'a str, Visibility, Option<u32>, Option<Outcome>, &'a [String]);

/// Writes conversations, and knows the last one that was written whole.
#[derive(Debug, Default)]
pub(super) struct Rows {
    before: Option<Record>,
}

impl Rows {
    /// Writes a conversation, with what was said in it or without.
    pub(super) fn conversation(&self, record: &Record, is_whole: bool, line: &mut Vec<u8>) -> io::Result<()> {
        let begin = &record.begin;
        let key = &begin.key.variant;
        let before = self.before.as_ref().map(|before| &before.begin);
        let is_again = |same: fn(&Begin, &Begin) -> bool| !is_whole || before.is_some_and(|before| same(before, begin));
        let row = Conversation(
            [&key.scenario, &key.case, &key.persona, &key.model, &key.window, &key.vars],
            (begin.key.trial, begin.trials),
            record.end(),
            record.done.as_ref().and_then(|done| done.error.as_deref()),
            Said::new(is_again(|before, begin| before.system == begin.system), begin.system.as_deref()),
            Said::new(is_again(|before, begin| before.history == begin.history), &begin.history),
            is_whole.then(|| {
                record.turns.iter().zip(0..).map(|(turn, place)| self.turn(turn, place, begin.keeps_history)).collect()
            }),
            record.checks.iter().zip(0..).map(|(check, place)| self.check(check, place, is_whole)).collect(),
        );
        Ok(serde_json::to_writer(line, &row)?)
    }

    /// Keeps the conversation that was written last, whole.
    pub(super) fn keep(&mut self, record: Record) {
        self.before = Some(record);
    }

    fn turn<'a>(&self, turn: &'a TurnDone, place: usize, keeps_history: bool) -> Turn<'a> {
        Turn(
            turn.turn,
            Said::new(self.has(|before| Some(before.turns.get(place)?.user == turn.user)), &turn.user),
            turn.reply.as_deref(),
            turn.source,
            &turn.sent,
            turn.usage.map(|usage| usage.sent),
            turn.usage.map(|usage| usage.reply),
            turn.tokens_full_history,
            turn.latency_ms.map(micros),
            Rare {
                error: turn.error.as_deref(),
                finish_reason: turn.finish_reason.as_deref().filter(|reason| *reason != "stop"),
                pinned: turn.pinned.as_deref(),
                thinking: turn.thinking.as_deref(),
                cost_usd: turn.cost_usd,
                ttft: turn.ttft_ms.map(micros),
                attempts: (turn.attempts > 1).then_some(turn.attempts),
                estimated: turn.usage.is_some_and(|usage| usage.estimated),
                keeps_history,
            },
        )
    }

    fn check<'a>(&self, check: &'a CheckDone, place: usize, is_whole: bool) -> Check<'a> {
        let is_again = self.has(|before| Some(asserted(before.checks.get(place)?) == asserted(check)));
        let fact = |Retention { fact, value, visible, distance, outcome, spellings, .. }: &'a Retention| {
            Fact(fact, value, *visible, *distance, *outcome, spellings)
        };
        let detail = if is_whole { check.detail.as_str() } else { "" };
        let (turn, key, name, expected, line, known) = asserted(check);
        let asserted = Asserted(turn, key, name, expected, line, known);
        Check(Said::new(is_again, asserted), check.verdict, detail, check.retention.as_ref().map(fact))
    }

    fn has(&self, same: impl Fn(&Record) -> Option<bool>) -> bool {
        self.before.as_ref().and_then(same).unwrap_or(false)
    }
}

/// What is the same in every trial.
fn asserted(check: &CheckDone) -> (Option<TurnId>, &str, Option<&str>, &str, u32, Option<&str>) {
    let CheckDone { turn, check, name, expected, line, known_failure, .. } = check;
    (*turn, check, name.as_deref(), expected, *line, known_failure.as_deref())
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rounded, and what does not fit is cut to fit"
)]
fn micros(milliseconds: f64) -> u64 {
    (milliseconds * 1000.0).round() as u64
}
