//! Tests of the modules beside this file. That the file keeps to the schema is held by `tests/it`.

use proptest::prelude::*;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus};

use super::super::sample::{check, ended, manifest, record, story, turn};
use super::super::tally::Variants;
use super::*;
use crate::model::{End, Verdict};

fn written(records: &[Record], snapshots: Vec<SnapshotNote>, not_begun: u64) -> String {
    let (mut junit, mut variants) = (Junit::new(&manifest(1), snapshots, Vec::new()), Variants::default());
    for record in records {
        variants.add(record).iter().for_each(|tally| junit.close(tally).unwrap());
        junit.add(record);
    }
    variants.finish().iter().for_each(|tally| junit.close(tally).unwrap());
    let Whole { front, suites, behind } = junit.finish(not_begun, Some(Duration::from_millis(12_400))).unwrap();
    front + &String::from_utf8(suites).unwrap() + behind
}

/// The file as the library reads it.
fn read(text: &str) -> Report {
    Report::deserialize_from_str(text).unwrap_or_else(|error| panic!("{error}:\n{text}"))
}

fn note(plan: Option<u32>, what: &str, is_failure: bool, is_pending: bool) -> SnapshotNote {
    SnapshotNote {
        plan,
        path: "s/snapshots/a.snap".into(),
        what: what.into(),
        is_failure,
        is_pending,
        ..SnapshotNote::default()
    }
}

/// Trials of one variant whose only check came out so.
fn trials(verdicts: &[Verdict], pass_rate: f64) -> Vec<Record> {
    let trial = |(number, verdict): (u32, &Verdict)| {
        let mut record = record(number - 1, "s");
        record.begin.key.trial = number;
        (record.begin.trials, record.begin.pass_rate) = (u32::try_from(verdicts.len()).unwrap(), pass_rate);
        turn(&mut record, "Hi", &format!("Hello {number}"));
        check(&mut record, "contains", "\"x\"", *verdict).detail = format!("no x in {number}");
        record
    };
    (1..).zip(verdicts).map(trial).collect()
}

fn only_case(report: &Report) -> &TestCase {
    let [suite] = &report.test_suites[..] else { panic!("{report:?}") };
    let [case] = &suite.test_cases[..] else { panic!("{suite:?}") };
    case
}

#[test]
fn a_run_with_one_of_everything_reads_well() {
    insta::assert_snapshot!(written(&story(), vec![note(Some(1), "differs: turn 2 reply", true, true)], 2));
}

#[test]
fn a_check_that_passes_by_its_rate_is_flaky_and_tells_the_trials_that_did_not() {
    let report =
        read(&written(&trials(&[Verdict::Pass, Verdict::Fail, Verdict::Unknown, Verdict::Pass], 0.6), vec![], 0));
    let TestCaseStatus::Success { flaky_runs } = &only_case(&report).status else { panic!("{report:?}") };
    let told: Vec<_> = flaky_runs.iter().map(|run| (run.kind, run.message.as_deref().unwrap())).collect();
    assert_eq!(told, [(NonSuccessKind::Failure, "trial 2: no x in 2"), (NonSuccessKind::Error, "trial 3: no x in 3")]);
    assert!(flaky_runs[0].description.as_ref().unwrap().contains("Hello 2"));
    assert_eq!((report.tests, report.failures, report.errors), (1, 0, 0));
}

#[test]
fn a_check_that_fails_by_its_rate_tells_its_first_failed_trial_and_the_others_as_reruns() {
    let verdicts = [Verdict::Unknown, Verdict::Pass, Verdict::Fail, Verdict::Fail];
    let report = read(&written(&trials(&verdicts, 0.6), vec![], 0));
    let TestCaseStatus::NonSuccess { kind, message, description, reruns, .. } = &only_case(&report).status else {
        panic!("{report:?}")
    };
    assert_eq!(*kind, NonSuccessKind::Failure);
    assert_eq!(message.as_deref(), Some("failed in 2 of 4 trials: no x in 3"));
    assert!(description.as_ref().unwrap().contains("reply\n  Hello 3"), "{description:?}");
    let told: Vec<_> = reruns.runs.iter().map(|run| (run.kind, run.message.as_deref().unwrap())).collect();
    assert_eq!(told, [(NonSuccessKind::Error, "trial 1: no x in 1"), (NonSuccessKind::Failure, "trial 4: no x in 4")]);
    assert_eq!((report.tests, report.failures, report.errors), (1, 1, 0));
}

#[test]
fn a_check_without_a_decided_trial_is_an_error() {
    let report = read(&written(&trials(&[Verdict::Unknown, Verdict::Skip], 1.0), vec![], 0));
    let TestCaseStatus::NonSuccess { kind, message, .. } = &only_case(&report).status else { panic!("{report:?}") };
    assert_eq!((*kind, message.as_deref()), (NonSuccessKind::Error, Some("unknown in 1 of 2 trials: no x in 1")));
    let report = read(&written(&trials(&[Verdict::Skip, Verdict::Skip], 1.0), vec![], 0));
    let TestCaseStatus::Skipped { message, .. } = &only_case(&report).status else { panic!("{report:?}") };
    assert_eq!(message.as_deref(), Some("no x in 1"));
}

#[test]
fn a_mark_that_holds_is_skipped_with_its_reason_and_one_that_does_not_is_a_failure() {
    for (verdicts, is_skipped) in [
        (&[Verdict::KnownFailure, Verdict::Fail, Verdict::KnownFailure][..], true),
        (&[Verdict::Fail, Verdict::Fail, Verdict::KnownFailure], false),
    ] {
        let mut records = trials(verdicts, 0.6);
        for record in &mut records {
            record.checks[0].known_failure = Some("BOT-1".into());
        }
        let report = read(&written(&records, vec![], 0));
        match &only_case(&report).status {
            TestCaseStatus::Skipped { message, ty, description } => {
                assert!(is_skipped, "{report:?}");
                assert_eq!((message.as_deref(), ty.as_deref()), (Some("BOT-1"), Some("known_failure")));
                assert!(description.as_ref().unwrap().contains("Hello 1"), "{description:?}");
            }
            TestCaseStatus::NonSuccess { kind, .. } => {
                assert!(!is_skipped && *kind == NonSuccessKind::Failure, "{report:?}");
            }
            TestCaseStatus::Success { .. } => panic!("{report:?}"),
        }
    }
}

#[test]
fn a_thousand_failed_trials_are_counted_and_ten_of_them_told() {
    let text = written(&trials(&[Verdict::Fail; 1000], 1.0), vec![], 0);
    let report = read(&text);
    let TestCaseStatus::NonSuccess { message, reruns, .. } = &only_case(&report).status else { panic!("{report:?}") };
    assert_eq!(message.as_deref(), Some("failed in 1,000 of 1,000 trials: no x in 1"));
    assert_eq!(reruns.runs.len(), 9);
}

#[test]
fn the_same_check_twice_has_two_names() {
    let mut record = record(0, "s");
    turn(&mut record, "Hi", "Hello");
    for _ in 0..3 {
        check(&mut record, "asks", "true", Verdict::Pass);
    }
    let report = read(&written(&[record], vec![], 0));
    let names: Vec<&str> = report.test_suites[0].test_cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names, ["turn 1 · asks true", "turn 1 · asks true (2)", "turn 1 · asks true (3)"]);
}

#[test]
fn what_xml_gives_a_meaning_is_escaped_once_in_a_name_that_is_there_twice() {
    let mut record = record(0, "a <b> & 'c'");
    turn(&mut record, "Hi", "Hello");
    for _ in 0..2 {
        check(&mut record, "contains", "\"<b>\t& \u{1b}'c'\"", Verdict::Pass);
    }
    let text = written(&[record], vec![], 0);
    assert!(!text.contains('\t') && !text.contains("&amp;amp;"), "{text}");
    let suite = &read(&text).test_suites[0];
    let names: Vec<&str> = suite.test_cases.iter().map(|case| case.name.as_str()).collect();
    let name = "turn 1 · contains \"<b> & ‹U+001B›'c'\"";
    assert_eq!(names, [name.to_owned(), format!("{name} (2)")]);
    assert!(suite.name.as_str().starts_with("a <b> & 'c'"), "{suite:?}");
}

#[test]
fn a_suite_is_never_empty() {
    for (end, skip) in
        [(End::Passed, None), (End::Skipped, Some("the budget is spent")), (End::Interrupted, Some("it was cut short"))]
    {
        let mut record = record(0, "s");
        ended(&mut record, end);
        let report = read(&written(&[record], vec![], 0));
        let case = only_case(&report);
        assert_eq!(case.name.as_str(), "conversation");
        match &case.status {
            TestCaseStatus::Success { .. } => assert_eq!(skip, None),
            TestCaseStatus::Skipped { message, .. } => assert_eq!(message.as_deref(), skip),
            TestCaseStatus::NonSuccess { .. } => panic!("{report:?}"),
        }
    }
}

#[test]
fn a_snapshot_is_a_case_of_its_suite_and_one_of_no_conversation_has_a_suite_of_its_own() {
    let mut conversation = record(0, "s");
    turn(&mut conversation, "Hi", "Hello");
    check(&mut conversation, "asks", "true", Verdict::Pass);
    let unreferenced = note(None, "unreferenced", false, false);
    assert_eq!(read(&written(std::slice::from_ref(&conversation), vec![unreferenced], 0)).tests, 1);
    for (note, failures, skipped) in [
        (note(Some(0), "differs", true, false), 1, 0),
        (note(Some(0), "new, waits for review", false, true), 0, 1),
        (note(Some(0), "written", false, false), 0, 0),
        (note(None, "unreadable", true, false), 1, 0),
        (note(Some(7), "differs", true, false), 1, 0),
    ] {
        let is_own = note.plan == Some(0);
        let report = read(&written(std::slice::from_ref(&conversation), vec![note], 0));
        let counts = |report: &Report| -> (usize, usize, usize) {
            let suites = report.test_suites.iter();
            suites.fold((0, 0, 0), |(tests, failures, skipped), suite| {
                (tests + suite.tests, failures + suite.failures, skipped + suite.skipped)
            })
        };
        assert_eq!(counts(&report), (2, failures, skipped));
        let last = report.test_suites.last().unwrap();
        let case = last.test_cases.last().unwrap();
        let names = (last.name.as_str(), case.name.as_str());
        let expected = if is_own {
            ("s · default · builtin · window full", "snapshot")
        } else {
            ("snapshots", "s/snapshots/a.snap")
        };
        assert_eq!(names, expected);
    }
}

#[test]
fn a_long_reply_is_cut_and_it_is_said() {
    let mut record = record(0, "s");
    turn(&mut record, "Hi", &"é".repeat(1 << 20));
    check(&mut record, "max_words", "1", Verdict::Fail).detail = "x".repeat(1 << 20);
    let text = written(&[record], vec![], 0);
    assert!(text.len() < 16 * 1024, "{} bytes", text.len());
    assert!(text.contains("… (cut here; 1,048,576 characters in all; turn 1 of transcripts.csv)"), "{text}");
}

#[test]
fn viewers_find_one_dot_between_scenario_and_variant() {
    let mut record = record(0, "v1.2");
    record.begin.key.variant.model = "gpt-4.1".into();
    let report = read(&written(&[record], vec![], 0));
    assert_eq!(only_case(&report).classname.as_deref(), Some("v1_2.default · gpt-4_1 · window full"));
}

proptest! {
    #[test]
    fn whatever_a_bot_says_comes_out_of_the_file_as_it_would_be_shown(
        reply in "([a-z<>&\"' \n\t]|\\]\\]>|[\u{0}-\u{20}\u{7f}-\u{a0}\u{fffd}-\u{10000}]|\u{1b}\\[|.){1,60}"
    ) {
        let mut record = record(0, "s");
        turn(&mut record, "Hi", &reply);
        check(&mut record, "contains", &reply, Verdict::Fail).detail.clone_from(&reply);
        let text = written(&[record], vec![], 0);
        let is_allowed = |c: char| matches!(c, '\n' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
        prop_assert!(text.chars().all(is_allowed));
        let report = read(&text);
        let TestCaseStatus::NonSuccess { description, .. } = &only_case(&report).status else { panic!() };
        if !reply.trim().is_empty() {
            let shown = crate::text::escape::visible(reply.trim_matches('\n')).replace('\t', "    ").replace('\n', "\n  ");
            let description = description.as_ref().unwrap();
            prop_assert!(description.contains(&format!("\nreply\n  {shown}\n")), "{:?} has no {:?}", description, shown);
        }
    }
}
