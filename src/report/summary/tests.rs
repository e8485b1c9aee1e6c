//! Tests of the module beside this file.

use super::super::sample::{check, ended, record, retention, summary, turn};
use super::*;
use crate::model::{Outcome, Source};
use crate::report::FailureKind;

fn broken(plan: u32) -> Record {
    let mut record = record(plan, "s");
    turn(&mut record, "Hi", "Hello");
    check(&mut record, "contains", "\"Hello\"", Verdict::Pass);
    let call = turn(&mut record, "And now?", "");
    (call.source, call.reply, call.error) = (Source::Live, None, Some("connection refused".into()));
    ended(&mut record, End::Errored);
    record
}

#[test]
fn a_call_that_failed_is_an_error_though_every_check_passed() {
    let summary = summary(&[broken(0)]);
    assert_eq!((summary.rows[0].end, summary.totals.broken), (End::Errored, 1));
    assert!(summary.totals.has_errors() && !summary.totals.has_failures());
    let [failure] = &summary.failures[..] else { panic!("{:?}", summary.failures) };
    assert_eq!(
        (failure.kind, failure.turn, failure.detail.as_str()),
        (FailureKind::Errored, Some(TurnId::Turn(2)), "connection refused")
    );
}

#[test]
fn a_conversation_that_errored_before_its_first_turn_says_why() {
    let mut record = record(0, "s");
    ended(&mut record, End::Errored);
    record.done.as_mut().unwrap().error = Some("the window has no room".into());
    let summary = summary(&[record]);
    assert_eq!(summary.failures[0].detail, "the window has no room");
    assert!(summary.totals.has_errors());
}

#[test]
fn an_unknown_trial_beside_decided_ones_is_no_error() {
    let trial = |trial: u32, verdict: Verdict, end: End| {
        let mut record = record(trial, "s");
        (record.begin.key.trial, record.begin.trials) = (trial, 2);
        turn(&mut record, "Hi", "");
        check(&mut record, "contains", "\"x\"", verdict);
        ended(&mut record, end);
        record
    };
    let one = trial(1, Verdict::Unknown, End::Errored);
    let both = summary(&[one.clone(), trial(2, Verdict::Pass, End::Passed)]);
    assert_eq!(both.rows[0].end, End::Passed);
    assert!(!both.totals.has_errors() && both.failures.is_empty());
    assert_eq!((both.totals.conversations.errored, both.totals.variants.passed), (1, 1));

    let alone = summary(&[one]);
    assert_eq!(alone.rows[0].end, End::Errored);
    assert!(alone.totals.has_errors() && !alone.totals.has_failures());
    assert_eq!(alone.failures[0].kind, FailureKind::Unknown);
}

#[test]
fn a_mark_on_a_check_that_passes_is_a_failure() {
    let mut record = record(0, "s");
    turn(&mut record, "Hi", "Hello");
    check(&mut record, "asks", "true", Verdict::Fail).known_failure = Some("BOT-12".into());
    check(&mut record, "json", "true", Verdict::KnownFailure).known_failure = Some("BOT-13".into());
    let summary = summary(&[record]);
    assert!(summary.totals.has_failures());
    assert_eq!((summary.failures.len(), summary.known_failures.len()), (1, 1));
    assert_eq!(summary.known_failures[0].reason, "BOT-13");
}

#[test]
fn a_fact_carried_by_a_reply_with_its_question_is_no_orphans_fault() {
    // Sent are ranges of: system, u1, a1, u2, a2, u3. The carrier is a1 (2) or a2 (4).
    for (window, sent, carrier, is_orphan) in [
        ("2", vec![(0, 1), (2, 6)], 2, true),
        ("2", vec![(0, 1), (2, 6)], 4, false),
        ("2", vec![(0, 6)], 2, false),
        ("messages-2", vec![(0, 1), (4, 6)], 4, true),
        ("tokens-90", vec![(0, 1), (4, 6)], 4, true),
        ("2-drop", vec![(0, 1), (2, 6)], 2, false),
        ("full", vec![(0, 6)], 4, false),
        ("2", vec![(0, 1), (3, 6)], 3, false),
    ] {
        let mut record = record(0, "s");
        record.begin.key.variant.window = window.into();
        turn(&mut record, "My name is Priya.", "Hello Priya!");
        turn(&mut record, "What now, Priya?", "Priya!");
        turn(&mut record, "Who am I?", "Priya.").sent.clone_from(&sent);
        let forgets = retention(&mut record, "forgets", Outcome::Retained, Verdict::Fail);
        forgets.retention.as_mut().unwrap().carrier = Some(carrier);
        let summary = summary(&[record]);
        let crate::report::Evidence::Request(request) = &summary.failures[0].evidence else { panic!("no request") };
        assert_eq!(request.is_kept_by_orphan, is_orphan, "{window} {sent:?} {carrier}");
    }
}

#[test]
fn an_orphan_is_blamed_only_where_the_fact_should_have_been_forgotten() {
    let mut record = record(0, "s");
    turn(&mut record, "My name is Priya.", "Hello Priya!");
    turn(&mut record, "I work at Google.", "Noted.");
    turn(&mut record, "Who am I?", "I cannot say.").sent = vec![(0, 1), (2, 6)];
    let missed = retention(&mut record, "recalls", Outcome::Missed, Verdict::Fail);
    missed.retention.as_mut().unwrap().carrier = Some(2);
    let summary = summary(&[record]);
    let crate::report::Evidence::Request(request) = &summary.failures[0].evidence else { panic!("no request") };
    assert!(request.carrier.is_some() && !request.is_kept_by_orphan);
}

#[test]
fn tokens_saved_are_told_from_calls_whose_full_history_is_known() {
    let mut record = record(0, "s");
    turn(&mut record, "a", "b");
    turn(&mut record, "c", "d").tokens_full_history = None;
    let usage = summary(&[record]).totals.usage;
    assert_eq!((usage.tokens_sent, usage.tokens_full_history), (Some(200), Some(160)));
    assert!((usage.saved().unwrap() - 0.375).abs() < 1e-12);
}
