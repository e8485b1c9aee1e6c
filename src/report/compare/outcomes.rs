//! What is kept of a run that is compared: of each conversation how it ended and what it took, of each check how its trials
//! came out. No reply stays, so that memory does not grow with what was said.

use std::hash::{DefaultHasher, Hash, Hasher};

use indexmap::{IndexMap, IndexSet};

use super::super::VerdictCounts;
use super::super::failure::title;
use super::super::tally::is_broken;
use crate::event::{CallKind, CheckDone, Record, TurnDone};
use crate::model::{End, Outcome, Source, TurnId, VariantKey, Verdict};
use crate::stats::decide_over_trials;
use crate::text::count::words;

/// So much is kept of the reason of a check that failed, in characters.
const DETAIL: usize = 200;

/// Names that come again and again, each kept once.
#[derive(Debug, Default)]
pub(super) struct Names(IndexSet<Box<str>>);

impl Names {
    fn number(&mut self, name: &str) -> u32 {
        let place = self.0.get_index_of(name).unwrap_or_else(|| self.0.insert_full(name.into()).0);
        u32::try_from(place).unwrap_or(u32::MAX)
    }

    pub(super) fn text(&self, number: u32) -> &str {
        self.0.get_index(number as usize).map_or("", |name| name)
    }
}

/// What two variants may differ in that are compared with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dimension {
    /// The persona.
    Persona,
    /// The model.
    Model,
    /// The window.
    Window,
}

impl Dimension {
    /// The word used in every output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Persona => "persona",
            Self::Model => "model",
            Self::Window => "window",
        }
    }
}

/// The names of a variant, by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) scenario: u32,
    case: u32,
    vars: u32,
    persona: u32,
    model: u32,
    window: u32,
}

impl Key {
    fn of(key: &VariantKey, names: &mut Names) -> Self {
        let VariantKey { scenario, case, persona, model, window, vars } = key;
        let [scenario, case, vars, persona, model, window] =
            [scenario, case, vars, persona, model, window].map(|name| names.number(name));
        Self { scenario, case, vars, persona, model, window }
    }

    pub(super) fn names(self, names: &Names) -> VariantKey {
        let text = |number| names.text(number).to_owned();
        VariantKey {
            scenario: text(self.scenario),
            case: text(self.case),
            persona: text(self.persona),
            model: text(self.model),
            window: text(self.window),
            vars: text(self.vars),
        }
    }

    pub(super) const fn value(self, dimension: Dimension) -> u32 {
        match dimension {
            Dimension::Persona => self.persona,
            Dimension::Model => self.model,
            Dimension::Window => self.window,
        }
    }

    /// The same whatever the name in this dimension. No number is this large.
    pub(super) const fn without(self, dimension: Dimension) -> Self {
        match dimension {
            Dimension::Persona => Self { persona: u32::MAX, ..self },
            Dimension::Model => Self { model: u32::MAX, ..self },
            Dimension::Window => Self { window: u32::MAX, ..self },
        }
    }
}

/// One conversation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trial {
    pub(super) number: u32,
    pub(super) end: End,
    /// Of its replies and their turns, so that a change of words is seen.
    pub(super) said: u64,
    pub(super) took: Took,
    /// Its measured times, as a range of [`Outcomes::latencies`].
    latencies: (u32, u32),
}

/// How a conversation ended as far as the bot is concerned: that a check held in spite of its mark fails an only trial, so that
/// the mark goes, and is no failure of the bot's.
fn end_of_bot(record: &Record) -> End {
    let fails = || record.checks.iter().filter(|check| check.verdict == Verdict::Fail);
    if record.end() != End::Failed || fails().next().is_none() || fails().any(|check| !check.holds_in_spite()) {
        return record.end();
    }
    let is_unknown = record.checks.iter().any(|check| check.verdict == Verdict::Unknown);
    if is_unknown { End::Errored } else { End::Passed }
}

/// What the replies of a conversation took, and what all its calls cost. A sum is known only where each of its parts is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Took {
    pub(super) replies: u64,
    pub(super) words: u64,
    pub(super) tokens_sent: Option<u64>,
    pub(super) tokens_reply: Option<u64>,
    pub(super) cost_usd: Option<f64>,
}

impl Trial {
    pub(super) fn is_decided(&self) -> bool {
        matches!(self.end, End::Passed | End::Failed)
    }
}

/// One check over the trials of its variant.
#[derive(Debug, Clone)]
pub(super) struct Check {
    index: u32,
    pub(super) turn: Option<TurnId>,
    pub(super) title: u32,
    /// Which of those that are called alike and stand at the same turn, from 0.
    nth: u32,
    pub(super) trials: VerdictCounts,
    pub(super) is_marked: bool,
    /// What became of its fact, by trial; of those alone in which that was decided.
    pub(super) outcomes: Vec<(u32, Outcome)>,
    /// Why the first trial failed that did.
    pub(super) detail: Option<Box<str>>,
}

/// What makes a check of another run the same check: its place in the script and what it asserts, not its number, which a
/// new check in front of it would move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct CheckId(Option<TurnId>, u32, u32);

impl Check {
    pub(super) fn id(&self) -> CheckId {
        CheckId(self.turn, self.title, self.nth)
    }

    pub(super) fn decided(&self, pass_rate: f64) -> Verdict {
        decide_over_trials(self.trials.each(), pass_rate, self.is_marked)
    }

    /// Decided trials in which it really held, and in which it did not, whatever its mark says of that.
    pub(super) fn held(&self) -> (u64, u64) {
        let VerdictCounts { pass, fail, known_failure, .. } = self.trials;
        if self.is_marked { (pass + fail, known_failure) } else { (pass, fail + known_failure) }
    }
}

/// One variant with its trials.
#[derive(Debug, Clone)]
pub(super) struct Variant {
    pub(super) pass_rate: f64,
    /// How many trials it was planned with.
    planned: u32,
    pub(super) checks: Vec<Check>,
    pub(super) trials: Vec<Trial>,
    broken: u32,
}

impl Variant {
    /// Whether its trials tell what trying several times comes to: of one trial, or without checks, that is nothing.
    pub(super) fn is_repeated(&self) -> bool {
        self.planned > 1 && !self.checks.is_empty()
    }

    /// How it ended, its checks decided over its trials.
    pub(super) fn end(&self) -> End {
        let (mut failed, mut unknown) = (false, false);
        for check in &self.checks {
            let verdict = check.decided(self.pass_rate);
            failed |= verdict == Verdict::Fail;
            unknown |= verdict == Verdict::Unknown;
        }
        let is_any = |end: End| self.trials.iter().any(|trial| trial.end == end);
        match (failed, unknown || self.broken > 0) {
            (true, _) => End::Failed,
            (false, true) => End::Errored,
            _ if is_any(End::Interrupted) => End::Interrupted,
            _ if is_any(End::Skipped) => End::Skipped,
            _ => End::Passed,
        }
    }
}

/// A run, in plan order.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    pub(super) variants: IndexMap<Key, Variant>,
    /// Milliseconds of calls that a provider answered in this run.
    latencies: Vec<f32>,
    pub(super) conversations: u64,
    pub(super) interrupted: u64,
    /// Trials that were not played, since they could decide nothing any more.
    pub(super) left_out: u64,
}

impl Outcomes {
    pub(super) fn add(&mut self, record: &Record, names: &mut Names) {
        if record.left_out().is_some() {
            self.left_out += 1;
            return;
        }
        let key = Key::of(&record.begin.key.variant, names);
        let trial = self.trial(record);
        self.conversations += 1;
        self.interrupted += u64::from(trial.end == End::Interrupted);
        let variant = self.variants.entry(key).or_insert_with(|| Variant {
            pass_rate: record.begin.pass_rate,
            planned: record.begin.trials,
            checks: Vec::with_capacity(record.checks.len()),
            trials: Vec::with_capacity(1),
            broken: 0,
        });
        variant.broken += u32::from(is_broken(record));
        variant.trials.push(trial);
        for check in &record.checks {
            variant.add_check(check, record.begin.key.trial, names);
        }
    }

    fn trial(&mut self, record: &Record) -> Trial {
        let from = self.latencies.len();
        let mut said = DefaultHasher::new();
        let mut took = Took { replies: 0, words: 0, tokens_sent: Some(0), tokens_reply: Some(0), cost_usd: Some(0.0) };
        for turn in record.turns.iter().filter(|turn| turn.source != Source::Canned) {
            (turn.turn, &turn.reply).hash(&mut said);
            took.add(turn);
            // What a recording or the embedded model took is no time of the bot's.
            let live = turn.latency_ms.filter(|_| turn.source == Source::Live && turn.reply.is_some());
            #[expect(clippy::cast_possible_truncation, reason = "a hundredth of a percent is enough")]
            self.latencies.extend(live.map(|milliseconds| milliseconds as f32));
        }
        record.calls.iter().filter(|call| call.kind != CallKind::Program).for_each(|call| took.pay(&call.done));
        let place = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Trial {
            number: record.begin.key.trial,
            end: end_of_bot(record),
            said: said.finish(),
            took,
            latencies: (place(from), place(self.latencies.len())),
        }
    }

    pub(super) fn latencies_of(&self, trial: &Trial) -> &[f32] {
        let (from, to) = trial.latencies;
        self.latencies.get(from as usize..to as usize).unwrap_or_default()
    }

    /// The values that the variants have in a dimension, in plan order.
    pub(super) fn values(&self, dimension: Dimension) -> IndexSet<u32> {
        self.variants.keys().map(|key| key.value(dimension)).collect()
    }
}

impl Took {
    fn add(&mut self, turn: &TurnDone) {
        let Some(reply) = &turn.reply else { return };
        self.replies += 1;
        self.words += words(reply) as u64;
        let usage = turn.usage;
        self.tokens_sent = self.tokens_sent.zip(usage).map(|(sum, usage)| sum.saturating_add(usage.sent));
        self.tokens_reply = self.tokens_reply.zip(usage).map(|(sum, usage)| sum.saturating_add(usage.reply));
        self.pay(turn);
    }

    /// Adds what one call cost. Of one that brought no answer that is what is known of it.
    fn pay(&mut self, call: &TurnDone) {
        let cost = call.cost_usd.or_else(|| call.reply.is_none().then_some(0.0));
        self.cost_usd = self.cost_usd.zip(cost).map(|(sum, usd)| sum + usd);
    }
}

impl Variant {
    fn add_check(&mut self, done: &CheckDone, trial: u32, names: &mut Names) {
        let place = self.checks.binary_search_by_key(&done.index, |check| check.index).unwrap_or_else(|place| {
            let title = names.number(&title(done));
            // Checks of one turn stand one behind the other.
            let before = self.checks[..place].iter().rev().take_while(|check| check.turn == done.turn);
            let nth = before.filter(|check| check.title == title).count();
            self.checks.insert(
                place,
                Check {
                    index: done.index,
                    turn: done.turn,
                    title,
                    nth: u32::try_from(nth).unwrap_or(u32::MAX),
                    trials: VerdictCounts::default(),
                    is_marked: false,
                    outcomes: Vec::new(),
                    detail: None,
                },
            );
            place
        });
        let check = &mut self.checks[place];
        check.trials.count(done.verdict);
        check.is_marked |= done.known_failure.is_some();
        if let Some(outcome) = done.retention.as_ref().and_then(|retention| retention.outcome) {
            check.outcomes.push((trial, outcome));
        }
        if matches!(done.verdict, Verdict::Fail | Verdict::KnownFailure) && check.detail.is_none() {
            check.detail = Some(done.detail.chars().take(DETAIL).collect());
        }
    }
}
