//! The pure comparison, on records made by hand.

use super::super::paint::Look;
use super::super::sample::{check, ended, key, manifest, record, retention, turn};
use super::*;
use crate::event::{CallDone, CallKind};
use crate::model::{End, Outcome, TurnId, Verdict};
use crate::text::layout::width;

/// A conversation of one turn with one check for each verdict; it ends as they say.
fn conversation(plan: u32, scenario: &str, reply: &str, verdicts: &[Verdict]) -> Record {
    let mut record = record(plan, scenario);
    turn(&mut record, "Hi", reply);
    for (number, verdict) in verdicts.iter().enumerate() {
        let check = check(&mut record, "contains", &format!("\"{number}\""), *verdict);
        check.detail = if *verdict == Verdict::Fail { format!("no {number}") } else { String::new() };
    }
    let is = |verdict: Verdict| verdicts.contains(&verdict);
    let end = if is(Verdict::Fail) {
        End::Failed
    } else if is(Verdict::Unknown) {
        End::Errored
    } else {
        End::Passed
    };
    ended(&mut record, end);
    record
}

fn gathered(runs: &[&[Record]]) -> Gathered {
    let mut gathered = Gathered::default();
    for records in runs {
        gathered.begin(manifest(u32::try_from(records.len()).unwrap()));
        records.iter().for_each(|record| gathered.add(record));
    }
    gathered
}

fn between(base: &[Record], new: &[Record]) -> Contrast {
    gathered(&[base, new]).between(None, 0).unwrap().contrasts.remove(0)
}

/// The same variant in so many trials, of which the first so many pass.
fn trials(all: u32, passed: u32, pass_rate: f64) -> Vec<Record> {
    let trial = |number: u32| {
        let verdict = if number <= passed { Verdict::Pass } else { Verdict::Fail };
        let mut record = conversation(number, "a", "Hello", &[verdict]);
        (record.begin.key.trial, record.begin.trials, record.begin.pass_rate) = (number, all, pass_rate);
        record
    };
    (1..=all).map(trial).collect()
}

#[test]
fn each_variant_is_in_one_list() {
    use Verdict::{Fail, Pass, Unknown};
    let base = [
        conversation(0, "worse", "Hello", &[Pass, Pass]),
        conversation(1, "better", "Hello", &[Fail]),
        conversation(2, "words", "Hello", &[Pass]),
        conversation(3, "same", "Hello", &[Pass]),
        conversation(4, "both", "Hello", &[Pass, Fail]),
        conversation(5, "errored", "Hello", &[Pass]),
        conversation(6, "gone", "Hello", &[Pass]),
    ];
    let new = [
        conversation(0, "worse", "Hello", &[Pass, Fail]),
        conversation(1, "better", "Hello", &[Pass]),
        conversation(2, "words", "Hi there", &[Pass]),
        conversation(3, "same", "Hello", &[Pass]),
        conversation(4, "both", "Hello", &[Fail, Pass]),
        conversation(5, "errored", "", &[Unknown]),
        conversation(6, "new", "Hello", &[Pass]),
    ];
    let contrast = between(&base, &new);
    let names = |changes: &[Change]| changes.iter().map(|change| change.key.scenario.clone()).collect::<Vec<_>>();
    assert_eq!(names(&contrast.worse), ["worse", "both"], "what got worse in one thing is not made up for by another");
    assert_eq!(names(&contrast.better), ["better"]);
    assert_eq!(contrast.words.iter().map(|key| key.scenario.as_str()).collect::<Vec<_>>(), ["words"]);
    assert_eq!((contrast.variants, contrast.same, contrast.left_out.len()), (6, 1, 1));
    assert_eq!((contrast.left_out[0].base, contrast.left_out[0].new), (End::Passed, End::Errored));
    assert_eq!(contrast.unshared.each_ref().map(|alone| alone.variants[0].scenario.as_str()), ["gone", "new"]);
    assert_eq!((contrast.pairs.number(), contrast.pairs.worsened, contrast.pairs.improved), (5, 1, 1));
    let check = &contrast.worse[0].checks[0];
    assert_eq!((check.base, check.new, check.turn), (Some(Pass), Some(Fail), Some(TurnId::Turn(1))));
    assert_eq!((check.title.as_str(), check.detail.as_str()), ("contains \"1\"", "no 1"));
    assert_eq!(
        wording::answer(&contrast),
        "of 6 variants, 2 worse, 1 better, 1 changed only in words, 1 the same, 1 without a verdict on one side"
    );
}

#[test]
fn what_a_pass_rate_allows_is_not_worse_and_is_said() {
    let contrast = between(&trials(4, 4, 0.5), &trials(4, 2, 0.5));
    assert_eq!((contrast.worse.len(), contrast.wavering.len()), (0, 1));
    assert_eq!((contrast.pairs.number(), contrast.pairs.worsened), (4, 2));
    assert_eq!((contrast.flaky[0].len(), contrast.flaky[1].len()), (0, 1));
    assert_eq!((contrast.flaky[1][0].passed, contrast.flaky[1][0].failed), (2, 2));
    let (base, new) = contrast.repeated.last().unwrap();
    assert_eq!((base.k, base.all.to_bits(), new.at_least_one.to_bits()), (4, 1.0_f64.to_bits(), 1.0_f64.to_bits()));
    let beyond = between(&trials(4, 4, 0.75), &trials(4, 2, 0.75));
    assert_eq!(beyond.worse.len(), 1);
}

#[test]
fn variants_of_one_trial_say_nothing_of_trying_several_times() {
    // A hundred of them that pass would make pass@1 larger than pass@2.
    let with_single = |passed: u32| {
        let mut records = trials(4, passed, 0.5);
        records.push(conversation(9, "single", "Hello", &[Verdict::Pass]));
        records
    };
    let contrast = between(&with_single(4), &with_single(2));
    assert_eq!(
        contrast.repeated.iter().map(|(base, _)| (base.k, base.variants)).collect::<Vec<_>>(),
        [(1, 1), (2, 1), (4, 1)]
    );
    assert!((contrast.repeated[0].1.at_least_one - 0.5).abs() < 1e-12, "{:?}", contrast.repeated[0]);
}

#[test]
fn trials_that_could_decide_nothing_are_as_if_they_had_not_been_planned() {
    let mut decided = trials(4, 4, 0.5);
    for record in &mut decided[2..] {
        (record.turns, record.checks) = (Vec::new(), Vec::new());
        ended(record, End::Skipped);
        record.done.as_mut().unwrap().left_out = Some(1);
    }
    let all = trials(4, 4, 0.5);
    let comparison = gathered(&[&all, &decided]).between(None, 0).unwrap();
    let contrast = &comparison.contrasts[0];
    assert_eq!((contrast.pairs.number(), contrast.same, contrast.unshared[0].conversations), (2, 1, 2));
    assert_eq!(comparison.remarks.len(), 1, "{:?}", comparison.remarks);
    assert!(comparison.remarks[0].contains("left 2 trials out that could decide nothing"), "{:?}", comparison.remarks);
}

#[test]
fn a_mark_makes_nothing_worse_and_one_that_can_go_is_better() {
    use Verdict::{Fail, KnownFailure, Pass};
    let marked = |verdict: Verdict| {
        let mut record = conversation(0, "a", "Hello", &[verdict]);
        record.checks[0].known_failure = Some("known".into());
        vec![record]
    };
    let unmarked = |verdict: Verdict| vec![conversation(0, "a", "Hello", &[verdict])];
    for (base, new, worse, better, by_marks) in [
        (unmarked(Pass), marked(KnownFailure), 0, 0, 1),
        (unmarked(Fail), marked(KnownFailure), 0, 0, 1),
        (marked(KnownFailure), unmarked(Fail), 0, 0, 1),
        (marked(KnownFailure), marked(Fail), 0, 1, 0),
        (marked(KnownFailure), unmarked(Pass), 0, 1, 0),
        (marked(KnownFailure), marked(KnownFailure), 0, 0, 0),
        (unmarked(Pass), unmarked(Fail), 1, 0, 0),
    ] {
        let found = between(&base, &new);
        let told = (found.worse.len(), found.better.len(), found.marked.len());
        assert_eq!(told, (worse, better, by_marks), "{:?} and {:?}", base[0].checks, new[0].checks);
        // The bot did better where a mark can go: no pair says otherwise.
        let lost = u64::from(base[0].end() == End::Passed && new == unmarked(Fail));
        assert_eq!(found.pairs.worsened, lost, "{:?} and {:?}", base[0].checks, new[0].checks);
    }
}

#[test]
fn a_marked_check_that_holds_in_one_of_several_trials_is_no_failure_on_any_side() {
    use Verdict::{Fail, KnownFailure, Pass};
    // As it was written before, and as it is written.
    for held in [Fail, Pass] {
        let with = |passed: u32| -> Vec<Record> {
            let mut records = trials(4, 0, 0.5);
            for (record, number) in records.iter_mut().zip(1..) {
                let verdict = if number <= passed { held } else { KnownFailure };
                (record.checks[0].verdict, record.checks[0].known_failure) = (verdict, Some("moody".into()));
                ended(record, if verdict == Fail { End::Failed } else { End::Passed });
            }
            records
        };
        let contrast = between(&with(0), &with(1));
        let told = (contrast.worse.len(), contrast.better.len(), contrast.wavering.len(), contrast.same);
        assert_eq!(told, (0, 0, 0, 1), "{held:?}");
        assert_eq!((contrast.pairs.worsened, contrast.pairs.improved), (0, 0), "{held:?}");
        assert_eq!((contrast.flaky[1][0].passed, contrast.flaky[1][0].failed), (1, 3), "{held:?}");
        assert_eq!(between(&with(1), &with(3)).better.len(), 1, "{held:?}: three of four reach the rate");
    }
}

/// A conversation whose check on the fact passes, whatever became of it.
fn remembering(outcome: Outcome) -> Record {
    let mut record = record(0, "a");
    turn(&mut record, "What's my name?", &format!("{outcome:?}"));
    retention(&mut record, "retains_iff_visible", outcome, Verdict::Pass);
    ended(&mut record, End::Passed);
    record
}

#[test]
fn a_fact_that_is_forgotten_now_is_no_matter_of_words_though_the_check_passes() {
    use Outcome::{Forgotten, Retained};
    let trial = |number: u32, outcome: Outcome| {
        let mut record = remembering(outcome);
        (record.begin.key.trial, record.begin.trials) = (number, 3);
        record
    };
    let side = |outcomes: [Outcome; 3]| (1..).zip(outcomes).map(|(number, one)| trial(number, one)).collect::<Vec<_>>();
    let contrast = between(&side([Retained; 3]), &side([Retained, Forgotten, Forgotten]));
    assert_eq!((contrast.remembered.len(), contrast.words.len(), contrast.same), (1, 0, 0));
    let change = &contrast.remembered[0].checks[0];
    assert_eq!((change.base, change.new, change.trials, change.turn), (Retained, Forgotten, 2, Some(TurnId::Turn(1))));
    assert_eq!(wording::answer(&contrast), "of 1 variant, 1 changed in what was remembered");
    let comparison =
        gathered(&[&side([Retained; 3]), &side([Retained, Forgotten, Forgotten])]).between(None, 0).unwrap();
    let text = terminal::render(&comparison, Look { width: 80, is_coloured: false, is_ascii: false });
    let told = "changed in what was remembered (1)\n  a · default · builtin\n    turn 1 · retains_iff_visible name: retained → forgotten in 2 of 3 trials\n";
    assert!(text.contains(told), "{text}");
    let page = markdown::render(&comparison);
    let told = "#### Changed in what was remembered (1)\n\n- `a · default · builtin`: turn 1, `retains_iff_visible name`: retained → forgotten in 2 of 3 trials\n";
    assert!(page.contains(told), "{page}");
    let json: serde_json::Value = serde_json::from_str(&json::render(&comparison).unwrap()).unwrap();
    assert_eq!(
        json["contrasts"][0]["remembered"][0]["checks"][0],
        serde_json::json!({"title": "retains_iff_visible name", "turn": 1, "base": "retained", "new": "forgotten", "trials": 2})
    );
    // What the bot says otherwise of the same fact is words.
    assert_eq!(between(&side([Forgotten; 3]), &side([Forgotten; 3])).same, 1);
}

#[test]
fn what_has_a_verdict_on_neither_side_is_told_from_what_has_it_on_one() {
    use Verdict::{Pass, Unknown};
    let base = [conversation(0, "a", "", &[Unknown]), conversation(1, "b", "Hello", &[Pass])];
    let new = [conversation(0, "a", "", &[Unknown]), conversation(1, "b", "", &[Unknown])];
    let contrast = between(&base, &new);
    assert_eq!(contrast.undecided, Undecided { on_one: 1, on_both: 1 });
    let said = "of 2 variants, 1 without a verdict on one side, 1 without a verdict on either side";
    assert_eq!(wording::answer(&contrast), said);
    let comparison = gathered(&[&base, &new]).between(None, 0).unwrap();
    let text = terminal::render(&comparison, Look { width: 80, is_coloured: false, is_ascii: false });
    for told in ["left out: no verdict on one side (1)\n  b ·", "left out: no verdict on either side (1)\n  a ·"] {
        assert!(text.contains(told), "{text}");
    }
    let page = markdown::render(&comparison);
    for told in ["Left out: no verdict on one side (1)\n\n- `b ·", "Left out: no verdict on either side (1)\n\n- `a ·"]
    {
        assert!(page.contains(told), "{page}");
    }
}

#[test]
fn what_is_so_of_the_first_side_is_said_once_however_many_are_set_against_it() {
    let mut run = Vec::new();
    for window in ["1", "2", "full"] {
        for mut record in trials(4, 3, 0.5) {
            key(&mut record).window = window.into();
            run.push(record);
        }
    }
    let comparison = gathered(&[&run]).within(Dimension::Window, Some("full"), 0).unwrap();
    let text = terminal::render(&comparison, Look { width: 100, is_coloured: false, is_ascii: false });
    let page = markdown::render(&comparison);
    for (said, times) in [
        ("laky in window full", 1),
        ("laky in window 1", 1),
        ("laky in window 2", 1),
        ("no interval of the difference", 1),
        ("pass@k: at least one of k", 1),
        ("window 2 against window full", 2),
    ] {
        assert_eq!(text.matches(said).count(), times, "{said}\n{text}");
        assert_eq!(page.replace('`', "").matches(said).count(), 1, "{said}\n{page}");
    }
    assert!(text.contains("0 passed in window full alone and 0 in window 1 alone"), "{text}");
}

#[test]
fn verdicts_part_at_the_first_turn_where_they_do_whichever_way() {
    use Verdict::{Fail, Pass};
    let two_turns = |first: Verdict, second: Verdict| {
        let mut record = conversation(0, "a", "Hello", &[first]);
        turn(&mut record, "Well?", "Hello");
        check(&mut record, "asks", "true", second).detail = "no question".into();
        ended(&mut record, End::Failed);
        record
    };
    let comparison = gathered(&[&[two_turns(Fail, Pass)], &[two_turns(Pass, Fail)]]).between(None, 0).unwrap();
    let change = &comparison.contrasts[0].worse[0];
    assert_eq!(
        (change.turn, change.checks.len(), change.checks[0].turn),
        (Some(TurnId::Turn(1)), 1, Some(TurnId::Turn(2)))
    );
    let text = terminal::render(&comparison, Look { width: 80, is_coloured: false, is_ascii: false });
    let told =
        "turn 2 · asks true\n    pass → fail; no question\n    verdicts part at turn 1 already, for the better\n";
    assert!(text.contains(told), "{text}");
    assert!(markdown::render(&comparison).contains("; verdicts part at turn 1 already, for the better"));
}

#[test]
fn a_check_is_known_by_what_it_asserts_and_not_by_its_number() {
    use Verdict::{Fail, Pass};
    let base = [conversation(0, "a", "Hello", &[Pass])];
    let mut longer = conversation(0, "a", "Hello", &[Pass, Fail]);
    longer.checks.swap(0, 1);
    longer.checks.iter_mut().zip(0..).for_each(|(check, index)| check.index = index);
    let contrast = between(&base, &[longer.clone()]);
    assert_eq!(contrast.worse.len(), 1, "it was green and is red");
    let check = &contrast.worse[0].checks;
    assert_eq!((check.len(), check[0].title.as_str(), check[0].base), (1, "contains \"1\"", None), "by the new check");
    assert_eq!(between(&[longer], &base).better.len(), 1, "and green again where it is taken away");
}

#[test]
fn a_check_that_one_side_could_not_judge_decides_where_all_others_agree() {
    use Verdict::{Fail, Pass, Skip};
    let (skipped, failed) =
        ([conversation(0, "a", "Hello", &[Pass, Skip])], [conversation(0, "a", "Hello", &[Pass, Fail])]);
    assert_eq!(between(&skipped, &failed).worse[0].checks[0].base, Some(Skip));
    assert_eq!(between(&failed, &skipped).better[0].checks[0].new, Some(Skip));
}

/// A run in which each scenario has these personas, each with its verdict.
fn personas(scenarios: &[(&str, &[(&str, Verdict)])]) -> Vec<Record> {
    let mut records = Vec::new();
    for (scenario, personas) in scenarios {
        for (persona, verdict) in *personas {
            let mut record = conversation(u32::try_from(records.len()).unwrap(), scenario, "Hello", &[*verdict]);
            key(&mut record).persona = (*persona).into();
            records.push(record);
        }
    }
    records
}

#[test]
fn every_variant_is_set_against_the_first_of_its_scenario() {
    use Verdict::{Fail, Pass};
    let run = personas(&[
        ("one", &[("tutor", Pass), ("reviewer", Fail), ("cook", Pass)]),
        ("two", &[("tutor", Pass), ("reviewer", Fail)]),
        ("three", &[("brisk", Pass), ("friendly", Pass)]),
        ("four", &[("default", Pass)]),
    ]);
    let gathered = gathered(&[&run]);
    let sides = |comparison: &Comparison| -> Vec<String> {
        let told = |one: &Contrast| {
            format!("{} against {}: {} pairs, {} worse", one.new, one.base, one.pairs.number(), one.worse.len())
        };
        comparison.contrasts.iter().map(told).collect()
    };
    let comparison = gathered.within(Dimension::Persona, None, 0).unwrap();
    assert_eq!(
        sides(&comparison),
        [
            "reviewer against tutor: 2 pairs, 2 worse",
            "cook against tutor: 1 pairs, 0 worse",
            "friendly against brisk: 1 pairs, 0 worse",
        ]
    );
    assert_eq!(comparison.alone.variants.len(), 1);
    let comparison = gathered.within(Dimension::Persona, Some("cook"), 0).unwrap();
    assert_eq!(sides(&comparison), ["tutor against cook: 1 pairs, 0 worse", "reviewer against cook: 1 pairs, 1 worse"]);
    assert_eq!(comparison.alone.conversations, 5);
    for (by, base, told) in [
        (Dimension::Model, None, "the run has one model only, `builtin`"),
        (
            Dimension::Persona,
            Some("cok"),
            "the run has no persona `cok`; it has `tutor`, `reviewer`, `cook`, `brisk`, `friendly` and 1 more; did you mean `cook`?",
        ),
    ] {
        let error = gathered.within(by, base, 0).unwrap_err().to_string();
        assert!(error.starts_with(told), "{error}");
    }
}

#[test]
fn two_runs_on_other_models_are_paired_where_that_is_asked() {
    let with_model = |model: &str| {
        let mut record = conversation(0, "a", "Hello", &[Verdict::Pass]);
        key(&mut record).model = model.into();
        record
    };
    let runs = gathered(&[&[with_model("small")], &[with_model("large")]]);
    let error = runs.between(None, 0).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the runs share no conversation: the model is `small` in the first, and `large` in the second"
    );
    assert!(matches!(error, CompareError::NothingShared { by: Some(Dimension::Model), .. }));
    assert_eq!(runs.between(Some(Dimension::Model), 0).unwrap().contrasts[0].pairs.number(), 1);
    let several = gathered(&[&[with_model("small"), with_model("large")], &[with_model("large")]]);
    assert!(matches!(several.between(Some(Dimension::Model), 0), Err(CompareError::Several { .. })));
}

#[test]
fn what_is_not_known_of_one_side_is_compared_on_neither() {
    let with_tokens = |plan: u32, scenario: &str, is_known: bool| {
        let mut record = conversation(plan, scenario, "one two three", &[Verdict::Pass]);
        if !is_known {
            record.turns[0].usage = None;
        }
        record
    };
    let base = [with_tokens(0, "a", true), with_tokens(1, "b", true)];
    let new = [with_tokens(0, "a", true), with_tokens(1, "b", false)];
    let measures = between(&base, &new).measures;
    assert_eq!(measures.tokens_sent, Both { base: Some(100.0), new: Some(100.0) });
    assert_eq!(measures.words_per_reply, Both { base: Some(3.0), new: Some(3.0) });
    assert_eq!((measures.cost_usd, measures.latency_ms), (Both::default(), Both::default()), "of the embedded model");
}

#[test]
fn eighty_columns_suffice_and_forty_do_for_what_can_be_wrapped() {
    use Verdict::{Fail, Pass};
    let name = "a-scenario-with-a-name-that-is-longer-than-anybody-would-like-to-read-in-a-table";
    let long = |verdict| {
        (0..30)
            .map(|n| {
                let mut record = conversation(n, &format!("{name}-{n}"), "Hello \u{1b}[31m", &[verdict, Pass]);
                (record.turns[0].cost_usd, record.turns[0].source) = (Some(1234.5), crate::model::Source::Live);
                record.turns[0].latency_ms = Some(123_456.0 + f64::from(n));
                record
            })
            .collect::<Vec<_>>()
    };
    let runs = gathered(&[&long(Pass), &long(Fail)]);
    let comparison = runs.between(None, 0).unwrap();
    for (is_coloured, is_ascii) in [(false, false), (false, true)] {
        let text = terminal::render(&comparison, Look { width: 80, is_coloured, is_ascii });
        let wide: Vec<&str> = text.lines().filter(|line| width(line) > 80).collect();
        assert!(wide.is_empty(), "{wide:#?}");
        assert!(!is_ascii || text.replace('\u{e9}', "").is_ascii(), "{text}");
        assert!(text.contains("and 10 more: `--format json` has them all"), "{text}");
    }
    assert_eq!(markdown::render(&comparison), markdown::render(&comparison));
    assert!(markdown::render(&comparison).chars().count() <= crate::text::markdown::PAGE);
}

#[test]
fn the_cost_is_all_that_was_paid_and_the_tokens_are_those_of_the_turns() {
    let judged = |votes: usize, usd: Option<f64>| {
        let mut record = conversation(0, "a", "one two three", &[Verdict::Pass]);
        record.turns[0].cost_usd = Some(0.5);
        let mut vote = record.turns[0].clone();
        vote.cost_usd = usd;
        record.calls.extend(vec![CallDone::new(CallKind::Judge, vote.clone()); votes]);
        vote.cost_usd = None;
        record.calls.push(CallDone::new(CallKind::Program, vote));
        record
    };
    let measures = between(&[judged(1, Some(0.25))], &[judged(3, Some(0.25))]).measures;
    assert_eq!(measures.cost_usd, Both { base: Some(0.75), new: Some(1.25) });
    assert_eq!(measures.tokens_sent, Both { base: Some(100.0), new: Some(100.0) });
    let measures = between(&[judged(1, Some(0.25))], &[judged(1, None)]).measures;
    assert_eq!(measures.cost_usd, Both::default(), "a judge without a price");
}
