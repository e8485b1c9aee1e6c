//! Two sides conversation by conversation: what got worse, what got better, by how much, and whether that may be luck.

use std::collections::HashMap;

use indexmap::IndexMap;

use super::super::Flaky;
use super::measures::{Measures, Sums};
use super::outcomes::{Check, CheckId, Dimension, Key, Names, Outcomes, Trial, Variant};
use crate::model::{End, Outcome, TurnId, VariantKey, Verdict};
use crate::stats::{Cluster, Interval, Repeated, RepeatedRate, difference_interval, holm, mcnemar, wilson};

/// One side of a contrast: those variants of a run that are compared, each by the names that its counterpart has too.
#[derive(Debug)]
pub(super) struct Side<'a> {
    /// What the side is called.
    pub(super) name: String,
    pub(super) run: &'a Outcomes,
    pub(super) variants: IndexMap<Key, (Key, &'a Variant)>,
}

/// How many of the pairs passed.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rate {
    /// Those that passed.
    pub passed: u64,
    /// All of them.
    pub decided: u64,
}

impl Rate {
    /// The share, 0 to 1; `None` of nothing.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "numbers of conversations lie far below 2^52")]
    pub fn share(self) -> Option<f64> {
        (self.decided > 0).then(|| self.passed as f64 / self.decided as f64)
    }

    /// Wilson's 95 % interval.
    #[must_use]
    pub fn interval(self) -> Option<Interval> {
        wilson(self.passed, self.decided)
    }

    fn add(&mut self, is_passed: bool) {
        self.passed += u64::from(is_passed);
        self.decided += 1;
    }
}

/// Pairs of conversations, by how each side ended.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Pairs {
    /// The first side.
    pub base: Rate,
    /// The second side.
    pub new: Rate,
    /// Those that passed on the first side alone.
    pub worsened: u64,
    /// Those that passed on the second side alone.
    pub improved: u64,
}

impl Pairs {
    fn add(&mut self, base: bool, new: bool) {
        self.base.add(base);
        self.new.add(new);
        self.worsened += u64::from(base && !new);
        self.improved += u64::from(!base && new);
    }

    /// How many there are.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.base.decided
    }

    /// The second side's rate minus the first's; `None` without a pair.
    #[must_use]
    pub fn difference(&self) -> Option<f64> {
        Some(self.new.share()? - self.base.share()?)
    }

    /// `McNemar`'s exact p.
    #[must_use]
    pub fn p(&self) -> f64 {
        mcnemar(self.worsened, self.improved)
    }
}

/// The pairs of one scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct ScenarioPairs {
    /// Its name.
    pub scenario: String,
    /// Its pairs.
    pub pairs: Pairs,
    /// `McNemar`'s p, corrected by Holm's method for the number of scenarios.
    pub p_holm: f64,
}

/// A check on both sides, decided over its trials.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckChange {
    /// What it asserts.
    pub title: String,
    /// Its turn; none where it is on the whole transcript.
    pub turn: Option<TurnId>,
    /// How it came out; `None` where that side does not ask it.
    pub base: Option<Verdict>,
    /// The same of the second side.
    pub new: Option<Verdict>,
    /// Why it fails, of the side on which it does.
    pub detail: String,
}

/// A variant whose verdicts are not what they were.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Its names on the second side.
    pub key: VariantKey,
    /// How it ended on the first side, its checks decided over their trials.
    pub base: End,
    /// How it ended on the second.
    pub new: End,
    /// The first turn at which the verdicts part, for the worse or for the better; none where they part on the transcript alone.
    pub turn: Option<TurnId>,
    /// The checks that decide it, of a variant that got worse those that did, in their order: at least one.
    pub checks: Vec<CheckChange>,
}

/// A check that came out alike on both sides, while something else became of its fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutcomeChange {
    /// What it asserts.
    pub title: String,
    /// Its turn.
    pub turn: Option<TurnId>,
    /// What became of the fact on the first side, in the first trial in which the sides differ.
    pub base: Outcome,
    /// The same of the second side.
    pub new: Outcome,
    /// In how many trials the sides differ.
    pub trials: u32,
}

/// A variant whose verdicts are as they were, while something else became of facts.
#[derive(Debug, Clone, PartialEq)]
pub struct Remembered {
    /// Its names on the second side.
    pub key: VariantKey,
    /// How many trials are on both sides.
    pub trials: u32,
    /// The checks that tell it, in their order: at least one.
    pub checks: Vec<OutcomeChange>,
}

/// Variants that are on both sides and of which nothing can be said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Undecided {
    /// Those that have a verdict on one side.
    pub on_one: u64,
    /// Those that have it on neither.
    pub on_both: u64,
}

/// A conversation that is on both sides and says nothing: on one of them it came to no end that is a verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Its variant's names on the second side.
    pub key: VariantKey,
    /// Its trial.
    pub trial: u32,
    /// How it ended on the first side.
    pub base: End,
    /// How it ended on the second.
    pub new: End,
}

/// What is on one side alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unshared {
    /// Variants, by name.
    pub variants: Vec<VariantKey>,
    /// Their conversations, and further trials of shared variants.
    pub conversations: u64,
}

/// One side against another.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Contrast {
    /// What the names of the sides are names of, where they are variants of one run.
    pub by: Option<Dimension>,
    /// What the first side is called.
    pub base: String,
    /// What the second side is called.
    pub new: String,
    /// How many variants are on both sides.
    pub variants: u64,
    /// Conversations that ended `passed` or `failed` on both sides.
    pub pairs: Pairs,
    /// The 95 % interval of the difference, by a bootstrap over scenarios; `None` where it could say nothing.
    pub interval: Option<Interval>,
    /// `McNemar`'s p, corrected by Holm's method for the number of contrasts.
    pub p_holm: f64,
    /// By scenario, in the first side's order.
    pub scenarios: Vec<ScenarioPairs>,
    /// What the replies of the pairs took.
    pub measures: Measures,
    /// pass@k and pass^k of both sides, over the trials of shared variants that have several; empty without such.
    pub repeated: Vec<(RepeatedRate, RepeatedRate)>,
    /// What passed and fails now.
    pub worse: Vec<Change>,
    /// What failed and passes now.
    pub better: Vec<Change>,
    /// Variants that came out otherwise although no check did: marks of known failures were put or taken away.
    pub marked: Vec<VariantKey>,
    /// Variants that are decided alike, while single trials came out otherwise.
    pub wavering: Vec<VariantKey>,
    /// Variants whose verdicts are as they were, while something else became of facts.
    pub remembered: Vec<Remembered>,
    /// Variants of which nothing changed but words of replies.
    pub words: Vec<VariantKey>,
    /// Variants of which nothing changed.
    pub same: u64,
    /// Variants of which nothing can be said: a conversation of theirs was not carried through.
    pub undecided: Undecided,
    /// Flaky checks of the first side and of the second.
    pub flaky: [Vec<Flaky>; 2],
    /// Conversations that are in no pair.
    pub left_out: Vec<LeftOut>,
    /// What only the first side has, and what only the second has.
    pub unshared: [Unshared; 2],
}

/// Compares two sides; `seed` draws the bootstrap.
pub(super) fn contrast(base: &Side<'_>, new: &Side<'_>, names: &Names, seed: u64) -> Contrast {
    let mut contrast = Contrast { base: base.name.clone(), new: new.name.clone(), p_holm: 1.0, ..Contrast::default() };
    let mut scenarios: IndexMap<u32, Pairs> = IndexMap::new();
    let mut sums = Sums::default();
    let mut repeated = [Repeated::default(), Repeated::default()];
    for (key, (base_key, of_base)) in &base.variants {
        let Some((new_key, of_new)) = new.variants.get(key) else {
            contrast.unshared[0].add(base_key.names(names), of_base.trials.len());
            continue;
        };
        contrast.variants += 1;
        let shared = Shared::of(of_base, of_new);
        let mut pairs = Pairs::default();
        for (one, other) in &shared.pairs {
            if one.is_decided() && other.is_decided() {
                pairs.add(one.end == End::Passed, other.end == End::Passed);
                sums.add((base.run, one), (new.run, other));
            } else {
                let (key, trial) = (new_key.names(names), one.number);
                contrast.left_out.push(LeftOut { key, trial, base: one.end, new: other.end });
            }
        }
        scenarios.entry(key.scenario).or_default().merge(&pairs);
        if of_base.is_repeated() && of_new.is_repeated() {
            for (repeated, rate) in repeated.iter_mut().zip([pairs.base, pairs.new]) {
                repeated.add(rate.decided, rate.passed);
            }
        }
        contrast.unshared[0].conversations += shared.alone[0];
        contrast.unshared[1].conversations += shared.alone[1];
        for (flaky, (key, variant)) in contrast.flaky.iter_mut().zip([(base_key, of_base), (new_key, of_new)]) {
            flaky.extend(variant.flaky(*key, names));
        }
        contrast.sort(new_key.names(names), (of_base, of_new), &shared, names);
    }
    for (key, (new_key, of_new)) in &new.variants {
        if !base.variants.contains_key(key) {
            contrast.unshared[1].add(new_key.names(names), of_new.trials.len());
        }
    }
    contrast.measures = sums.finish();
    let [of_base, of_new] = repeated;
    contrast.repeated = of_base.rates().into_iter().zip(of_new.rates()).collect();
    contrast.reckon(scenarios, names, seed);
    contrast
}

/// The conversations of a variant on both sides.
struct Shared<'a> {
    pairs: Vec<(&'a Trial, &'a Trial)>,
    /// How many have no counterpart, on each side.
    alone: [u64; 2],
}

impl<'a> Shared<'a> {
    fn of(base: &'a Variant, new: &'a Variant) -> Self {
        let of_new: HashMap<u32, &Trial> = new.trials.iter().map(|trial| (trial.number, trial)).collect();
        let pairs: Vec<_> = base.trials.iter().filter_map(|trial| Some((trial, *of_new.get(&trial.number)?))).collect();
        let alone = [base, new].map(|side| (side.trials.len() - pairs.len()) as u64);
        Self { pairs, alone }
    }

    /// Whether there is such a pair among those that were carried through on both sides.
    fn has(&self, is_such: impl Fn(&Trial, &Trial) -> bool) -> bool {
        self.pairs.iter().any(|(one, other)| one.is_decided() && other.is_decided() && is_such(one, other))
    }
}

impl Pairs {
    fn merge(&mut self, other: &Self) {
        self.base.passed += other.base.passed;
        self.base.decided += other.base.decided;
        self.new.passed += other.new.passed;
        self.new.decided += other.new.decided;
        self.worsened += other.worsened;
        self.improved += other.improved;
    }
}

impl Unshared {
    pub(super) fn add(&mut self, variant: VariantKey, conversations: usize) {
        self.variants.push(variant);
        self.conversations += conversations as u64;
    }
}

impl Contrast {
    /// The p-values and intervals, once all pairs are there.
    fn reckon(&mut self, scenarios: IndexMap<u32, Pairs>, names: &Names, seed: u64) {
        let scenarios: Vec<(u32, Pairs)> = scenarios.into_iter().filter(|(_, pairs)| pairs.number() > 0).collect();
        let corrected = holm(&scenarios.iter().map(|(_, pairs)| pairs.p()).collect::<Vec<_>>());
        let clusters: Vec<Cluster> = scenarios
            .iter()
            .map(|(_, pairs)| Cluster { pairs: pairs.number(), worsened: pairs.worsened, improved: pairs.improved })
            .collect();
        self.interval = difference_interval(&clusters, seed);
        for ((scenario, pairs), p_holm) in scenarios.into_iter().zip(corrected) {
            self.pairs.merge(&pairs);
            self.scenarios.push(ScenarioPairs { scenario: names.text(scenario).to_owned(), pairs, p_holm });
        }
        self.p_holm = self.pairs.p();
    }

    /// Puts a variant where it belongs: into one list, or among those that are the same.
    fn sort(&mut self, key: VariantKey, (base, new): (&Variant, &Variant), shared: &Shared<'_>, names: &Names) {
        let ends = [base.end(), new.end()];
        let Moves { worse, better, is_marked } = Moves::of(base, new, ends, names);
        let turn = worse.iter().chain(&better).filter_map(|check| check.turn).min();
        // What got worse in one thing is not made up for by another.
        let (list, checks) = if worse.is_empty() { (&mut self.better, better) } else { (&mut self.worse, worse) };
        if !checks.is_empty() {
            list.push(Change { key, base: ends[0], new: ends[1], turn, checks });
        } else if is_marked || ends == [End::Passed, End::Failed] || ends == [End::Failed, End::Passed] {
            self.marked.push(key);
        } else if shared.has(|one, other| one.end != other.end) {
            self.wavering.push(key);
        } else if let Some(remembered) = Remembered::of(&key, base, new, shared, names) {
            self.remembered.push(remembered);
        } else if shared.has(|one, other| one.said != other.said) {
            self.words.push(key);
        } else {
            match ends.map(|end| matches!(end, End::Passed | End::Failed)) {
                [true, true] => self.same += 1,
                [false, false] => self.undecided.on_both += 1,
                _ => self.undecided.on_one += 1,
            }
        }
    }
}

impl Remembered {
    fn of(key: &VariantKey, base: &Variant, new: &Variant, shared: &Shared<'_>, names: &Names) -> Option<Self> {
        let of_base: HashMap<CheckId, &Check> = base.checks.iter().map(|check| (check.id(), check)).collect();
        let is_decided = |number: u32| {
            shared.pairs.iter().any(|(one, other)| one.number == number && one.is_decided() && other.is_decided())
        };
        let change = |check: &Check| {
            let before: HashMap<u32, Outcome> = of_base.get(&check.id())?.outcomes.iter().copied().collect();
            let pairs = check.outcomes.iter().filter_map(|(trial, new)| Some((*trial, *before.get(trial)?, *new)));
            let mut changed = pairs.filter(|(trial, base, new)| base != new && is_decided(*trial));
            let (_, base, new) = changed.next()?;
            let trials = u32::try_from(changed.count()).unwrap_or(u32::MAX).saturating_add(1);
            Some(OutcomeChange { title: names.text(check.title).to_owned(), turn: check.turn, base, new, trials })
        };
        let checks: Vec<OutcomeChange> = new.checks.iter().filter_map(change).collect();
        let trials = u32::try_from(shared.pairs.len()).unwrap_or(u32::MAX);
        (!checks.is_empty()).then(|| Self { key: key.clone(), trials, checks })
    }
}

/// What the checks of a variant say.
struct Moves {
    worse: Vec<CheckChange>,
    better: Vec<CheckChange>,
    /// A check that held does not any more, and is marked now.
    is_marked: bool,
}

impl Moves {
    fn of(base: &Variant, new: &Variant, ends: [End; 2], names: &Names) -> Self {
        let by_id =
            |variant: &Variant| variant.checks.iter().enumerate().map(|(place, check)| (check.id(), place)).collect();
        let (in_base, in_new): (HashMap<CheckId, usize>, HashMap<CheckId, usize>) = (by_id(base), by_id(new));
        let mut moves = Self { worse: Vec::new(), better: Vec::new(), is_marked: false };
        for check in &new.checks {
            let before = in_base.get(&check.id()).map(|place| (&base.checks[*place], base));
            let told = || change(before, Some((check, new)), names);
            match (before.and_then(|(check, base)| holds(check, base)), holds(check, new)) {
                (Some(true), Some(false)) if check.is_marked => moves.is_marked = true,
                (Some(true), Some(false)) => moves.worse.push(told()),
                (Some(false), Some(true)) => moves.better.push(told()),
                // What the first side did not ask, or could not judge, decides where all else passed there.
                (None, Some(false)) if !check.is_marked && ends == [End::Passed, End::Failed] => {
                    moves.worse.push(told());
                }
                _ => {}
            }
        }
        if ends == [End::Failed, End::Passed] {
            for check in base.checks.iter().filter(|check| !check.is_marked && holds(check, base) == Some(false)) {
                let now = in_new.get(&check.id()).map(|place| (&new.checks[*place], new));
                if now.and_then(|(check, new)| holds(check, new)).is_none() {
                    moves.better.push(change(Some((check, base)), now, names));
                }
            }
        }
        moves
    }
}

/// Whether the check really holds, decided over its trials, whatever its mark says of that; `None` where it is not decided.
fn holds(check: &Check, variant: &Variant) -> Option<bool> {
    match check.decided(variant.pass_rate) {
        Verdict::Pass => Some(true),
        Verdict::KnownFailure => Some(false),
        Verdict::Fail => Some(check.is_marked),
        Verdict::Unknown | Verdict::Skip => None,
    }
}

type Decided<'a> = (&'a Check, &'a Variant);

fn change(base: Option<Decided<'_>>, new: Option<Decided<'_>>, names: &Names) -> CheckChange {
    let verdict = |side: Option<Decided<'_>>| side.map(|(check, variant)| check.decided(variant.pass_rate));
    let is_failing = |(check, variant): &Decided<'_>| holds(check, variant) == Some(false);
    let failing = new.filter(is_failing).or_else(|| base.filter(is_failing));
    let any = new.or(base).map(|(check, _)| check);
    CheckChange {
        title: any.map_or("", |check| names.text(check.title)).to_owned(),
        turn: any.and_then(|check| check.turn),
        base: verdict(base),
        new: verdict(new),
        detail: failing.and_then(|(check, _)| check.detail.as_deref()).unwrap_or_default().to_owned(),
    }
}

impl Variant {
    fn flaky(&self, key: Key, names: &Names) -> impl Iterator<Item = Flaky> {
        self.checks.iter().filter_map(move |check| {
            let (passed, failed) = check.held();
            (passed > 0 && failed > 0).then(|| Flaky {
                key: key.names(names),
                turn: check.turn,
                title: names.text(check.title).to_owned(),
                passed,
                failed,
            })
        })
    }
}
