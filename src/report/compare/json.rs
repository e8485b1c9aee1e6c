//! A comparison for other programs: one JSON object. Its names are fixed; more may be added.

use serde::Serialize;

use super::super::Flaky;
use super::contrast::{
    Change, CheckChange, Contrast, LeftOut, OutcomeChange, Pairs, Remembered, ScenarioPairs, Unshared,
};
use super::{Both, Comparison};
use crate::model::{End, Outcome, TurnId, VariantKey, Verdict, without_dust};
use crate::stats::{Interval, RepeatedRate};
use crate::text::escape::json_line;

/// The format's number. A reader should refuse a greater one.
const FORMAT: u32 = 1;

/// The whole object, ending in a line feed.
///
/// # Errors
/// When a value cannot be written as JSON, which none of ours is.
pub fn render(comparison: &Comparison) -> serde_json::Result<String> {
    let document = Document {
        format: FORMAT,
        runs: comparison
            .runs
            .iter()
            .map(|run| WireRun { run: &run.run, started: &run.started, commit: run.commit.as_deref() })
            .collect(),
        by: comparison.by.map(super::Dimension::as_str),
        is_worse: comparison.is_worse(),
        remarks: &comparison.remarks,
        contrasts: comparison.contrasts.iter().map(Wire::of).collect(),
        alone: unshared(&comparison.alone),
    };
    let text = serde_json::to_string_pretty(&document)?;
    Ok(json_line(&text).into_owned() + "\n")
}

#[derive(Serialize)]
struct Document<'a> {
    format: u32,
    runs: Vec<WireRun<'a>>,
    by: Option<&'static str>,
    is_worse: bool,
    remarks: &'a [String],
    contrasts: Vec<Wire<'a>>,
    alone: WireUnshared<'a>,
}

#[derive(Serialize)]
struct WireRun<'a> {
    run: &'a str,
    started: &'a str,
    commit: Option<&'a str>,
}

#[derive(Serialize)]
struct Wire<'a> {
    base: &'a str,
    new: &'a str,
    variants: u64,
    #[serde(flatten)]
    pairs: WirePairs,
    difference: Option<f64>,
    difference_low: Option<f64>,
    difference_high: Option<f64>,
    p: f64,
    p_holm: f64,
    same: u64,
    undecided: WireUndecided,
    worse: Vec<WireChange<'a>>,
    better: Vec<WireChange<'a>>,
    wavering: &'a [VariantKey],
    marked: &'a [VariantKey],
    remembered: Vec<WireRemembered<'a>>,
    words: &'a [VariantKey],
    scenarios: Vec<WireScenario<'a>>,
    measures: WireMeasures,
    repeated: Vec<WireRepeated>,
    flaky: Sides<Vec<WireFlaky<'a>>>,
    left_out: Vec<WireLeftOut<'a>>,
    unshared: Sides<WireUnshared<'a>>,
}

#[derive(Serialize)]
struct Sides<T> {
    base: T,
    new: T,
}

#[derive(Serialize)]
struct WirePairs {
    pairs: u64,
    base_passed: u64,
    new_passed: u64,
    worsened: u64,
    improved: u64,
    base_rate: Option<f64>,
    base_low: Option<f64>,
    base_high: Option<f64>,
    new_rate: Option<f64>,
    new_low: Option<f64>,
    new_high: Option<f64>,
}

impl WirePairs {
    fn of(pairs: &Pairs) -> Self {
        let (base, new) = (pairs.base.interval(), pairs.new.interval());
        let (low, high) = (|one: Interval| one.low, |one: Interval| one.high);
        Self {
            pairs: pairs.number(),
            base_passed: pairs.base.passed,
            new_passed: pairs.new.passed,
            worsened: pairs.worsened,
            improved: pairs.improved,
            base_rate: pairs.base.share(),
            base_low: base.map(low),
            base_high: base.map(high),
            new_rate: pairs.new.share(),
            new_low: new.map(low),
            new_high: new.map(high),
        }
    }
}

#[derive(Serialize)]
struct WireChange<'a> {
    #[serde(flatten)]
    key: &'a VariantKey,
    base: End,
    new: End,
    turn: Option<TurnId>,
    checks: Vec<WireCheck<'a>>,
}

#[derive(Serialize)]
struct WireCheck<'a> {
    title: &'a str,
    turn: Option<TurnId>,
    base: Option<Verdict>,
    new: Option<Verdict>,
    detail: &'a str,
}

#[derive(Serialize)]
struct WireUndecided {
    on_one: u64,
    on_both: u64,
}

#[derive(Serialize)]
struct WireRemembered<'a> {
    #[serde(flatten)]
    key: &'a VariantKey,
    trials: u32,
    checks: Vec<WireOutcome<'a>>,
}

#[derive(Serialize)]
struct WireOutcome<'a> {
    title: &'a str,
    turn: Option<TurnId>,
    base: Outcome,
    new: Outcome,
    trials: u32,
}

fn remembered(one: &Remembered) -> WireRemembered<'_> {
    let checks = one.checks.iter().map(|OutcomeChange { title, turn, base, new, trials }| WireOutcome {
        title,
        turn: *turn,
        base: *base,
        new: *new,
        trials: *trials,
    });
    WireRemembered { key: &one.key, trials: one.trials, checks: checks.collect() }
}

fn changes(changes: &[Change]) -> Vec<WireChange<'_>> {
    changes
        .iter()
        .map(|change| WireChange {
            key: &change.key,
            base: change.base,
            new: change.new,
            turn: change.turn,
            checks: change
                .checks
                .iter()
                .map(|CheckChange { title, turn, base, new, detail }| WireCheck {
                    title,
                    turn: *turn,
                    base: *base,
                    new: *new,
                    detail,
                })
                .collect(),
        })
        .collect()
}

#[derive(Serialize)]
struct WireScenario<'a> {
    scenario: &'a str,
    #[serde(flatten)]
    pairs: WirePairs,
    p: f64,
    p_holm: f64,
}

#[derive(Serialize)]
struct WireMeasures {
    words_per_reply: Sides<Option<f64>>,
    tokens_sent: Sides<Option<f64>>,
    tokens_reply: Sides<Option<f64>>,
    cost_usd: Sides<Option<f64>>,
    latency_ms: Sides<Option<f64>>,
}

#[derive(Serialize)]
struct WireRepeated {
    k: u64,
    variants: u64,
    pass_at_k: Sides<f64>,
    pass_hat_k: Sides<f64>,
}

#[derive(Serialize)]
struct WireFlaky<'a> {
    #[serde(flatten)]
    key: &'a VariantKey,
    turn: Option<TurnId>,
    title: &'a str,
    passed: u64,
    failed: u64,
}

#[derive(Serialize)]
struct WireLeftOut<'a> {
    #[serde(flatten)]
    key: &'a VariantKey,
    trial: u32,
    base: End,
    new: End,
}

#[derive(Serialize)]
struct WireUnshared<'a> {
    conversations: u64,
    variants: &'a [VariantKey],
}

impl<'a> Wire<'a> {
    fn of(contrast: &'a Contrast) -> Self {
        let measures = &contrast.measures;
        let [base, new] = &contrast.flaky;
        let [only_base, only_new] = &contrast.unshared;
        Self {
            base: &contrast.base,
            new: &contrast.new,
            variants: contrast.variants,
            pairs: WirePairs::of(&contrast.pairs),
            difference: contrast.pairs.difference(),
            difference_low: contrast.interval.map(|interval| interval.low),
            difference_high: contrast.interval.map(|interval| interval.high),
            p: contrast.pairs.p(),
            p_holm: contrast.p_holm,
            same: contrast.same,
            undecided: WireUndecided { on_one: contrast.undecided.on_one, on_both: contrast.undecided.on_both },
            worse: changes(&contrast.worse),
            better: changes(&contrast.better),
            wavering: &contrast.wavering,
            marked: &contrast.marked,
            remembered: contrast.remembered.iter().map(remembered).collect(),
            words: &contrast.words,
            scenarios: contrast.scenarios.iter().map(scenario).collect(),
            measures: WireMeasures {
                words_per_reply: both(measures.words_per_reply),
                tokens_sent: both(measures.tokens_sent),
                tokens_reply: both(measures.tokens_reply),
                cost_usd: Sides {
                    base: measures.cost_usd.base.map(without_dust),
                    new: measures.cost_usd.new.map(without_dust),
                },
                latency_ms: both(measures.latency_ms),
            },
            repeated: contrast.repeated.iter().map(repeated).collect(),
            flaky: Sides { base: base.iter().map(flaky).collect(), new: new.iter().map(flaky).collect() },
            left_out: contrast.left_out.iter().map(left_out).collect(),
            unshared: Sides { base: unshared(only_base), new: unshared(only_new) },
        }
    }
}

fn both(both: Both) -> Sides<Option<f64>> {
    Sides { base: both.base, new: both.new }
}

fn scenario(one: &ScenarioPairs) -> WireScenario<'_> {
    WireScenario { scenario: &one.scenario, pairs: WirePairs::of(&one.pairs), p: one.pairs.p(), p_holm: one.p_holm }
}

fn repeated((base, new): &(RepeatedRate, RepeatedRate)) -> WireRepeated {
    WireRepeated {
        k: base.k,
        variants: base.variants,
        pass_at_k: Sides { base: base.at_least_one, new: new.at_least_one },
        pass_hat_k: Sides { base: base.all, new: new.all },
    }
}

fn flaky(one: &Flaky) -> WireFlaky<'_> {
    WireFlaky { key: &one.key, turn: one.turn, title: &one.title, passed: one.passed, failed: one.failed }
}

fn left_out(one: &LeftOut) -> WireLeftOut<'_> {
    WireLeftOut { key: &one.key, trial: one.trial, base: one.base, new: one.new }
}

fn unshared(one: &Unshared) -> WireUnshared<'_> {
    WireUnshared { conversations: one.conversations, variants: &one.variants }
}
