//! Tests of the module beside this file.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::event::Event;

/// A user message, the ranges that were sent, and the reply.
type Played<'a> = (&'a str, &'a [(u32, u32)], &'a str);

/// A conversation of these turns.
pub(in crate::snapshot) fn record(system: Option<&str>, turns: &[Played<'_>]) -> Record {
    let begin = json!({
        "plan": 0, "conversation": "c", "scenario": "whats-my-name", "persona": "default", "model": "builtin", "window": "2",
        "trial": 1, "trials": 1, "pass_rate": 1.0, "file": "scenarios/whats-my-name.yaml", "system": system, "turns": turns.len(),
    });
    let mut record = Record::new(serde_json::from_value(begin).unwrap());
    for (n, (user, sent, reply)) in (1..).zip(turns) {
        let mut turn = turn(n, user, reply);
        turn.sent = sent.to_vec();
        record.add(Event::Turn(Box::new(turn)));
    }
    record.done = Some(serde_json::from_value(json!({"plan": 0, "end": "passed"})).unwrap());
    record
}

fn turn(n: u32, user: &str, reply: &str) -> TurnDone {
    let turn = json!({"plan": 0, "turn": n, "user": user, "source": "builtin", "reply": reply, "finish_reason": "stop", "attempts": 1});
    serde_json::from_value(turn).unwrap()
}

pub(in crate::snapshot) fn check(turn: Option<u32>, key: &str, expected: &str, verdict: &str) -> CheckDone {
    let check = json!({
        "plan": 0, "turn": turn, "index": 0, "check": key, "expected": expected, "verdict": verdict, "line": 14,
        "score": 0.25, "detail": "the reply has 214 words",
    });
    serde_json::from_value(check).unwrap()
}

pub(in crate::snapshot) fn retention(check: CheckDone, outcome: Option<&str>, distance: Option<u32>) -> CheckDone {
    let retention =
        json!({"fact": "name", "value": "Priya", "visible": "no", "distance": distance, "outcome": outcome});
    CheckDone { retention: Some(serde_json::from_value(retention).unwrap()), ..check }
}

/// The scenario that the design draws, played with a window of two exchanges.
fn whats_my_name() -> Record {
    let mut record = record(
        Some("You are a helpful assistant.\n"),
        &[
            ("My name is Priya.", &[(0, 2)], "Noted."),
            ("I work at Google.", &[(0, 4)], "Noted."),
            ("I'm learning ML.", &[(0, 1), (2, 6)], "Noted."),
            ("What's my name?", &[(0, 1), (4, 8)], "I don't know. You haven't told me."),
        ],
    );
    record.checks.push(retention(check(Some(4), "forgets", "name", "pass"), Some("forgotten"), Some(2)));
    record
}

fn body_of(record: &Record) -> String {
    Snapshot::from_record(record, "s.yaml").unwrap().contents().to_owned()
}

#[test]
fn a_transcript_reads_as_the_conversation_went() {
    let snapshot = Snapshot::from_record(&whats_my_name(), "scenarios/whats-my-name.yaml").unwrap();
    let expected = "\
---
source: scenarios/whats-my-name.yaml
assertion_line: 14
description: whats-my-name / default / builtin / window 2
---
# whats-my-name · default · builtin · window 2

system
  You are a helpful assistant.

turn 1 · sent: system, u1
user
  My name is Priya.
assistant
  Noted.

turn 2 · sent: system, u1, a1, u2
user
  I work at Google.
assistant
  Noted.

turn 3 · sent: system, a1, u2, a2, u3
user
  I'm learning ML.
assistant
  Noted.

turn 4 · sent: system, a2, u3, a3, u4
user
  What's my name?
assistant
  I don't know. You haven't told me.
checks
  ✓ forgets name · forgotten · distance 2
";
    assert_eq!(snapshot.to_string(), expected);
}

fn structure(mut record: Record) -> Record {
    record.begin.snapshot.mode = SnapshotMode::Structure;
    record
}

#[test]
fn the_structure_has_all_but_what_the_bot_says() {
    let mut record = structure(whats_my_name());
    record.turns[1].source = Source::Canned;
    record.turns[1].reply = Some("Good for you.".into());
    let expected = "\
# whats-my-name · default · builtin · window 2
replies · left out

system
  You are a helpful assistant.

turn 1 · sent: system, u1
user
  My name is Priya.

turn 2 · canned
user
  I work at Google.
assistant
  Good for you.

turn 3 · sent: system, a1, u2, a2, u3
user
  I'm learning ML.

turn 4 · sent: system, a2, u3, a3, u4
user
  What's my name?
checks
  ✓ forgets name · forgotten";
    assert_eq!(body_of(&record), expected);
}

#[test]
fn off_has_no_snapshot() {
    let mut record = whats_my_name();
    record.begin.snapshot.mode = SnapshotMode::Off;
    assert_eq!(Snapshot::from_record(&record, "s.yaml"), None);
}

#[test]
fn redactions_are_for_the_texts_of_system_user_and_assistant_and_for_nothing_else() {
    let mut record = whats_my_name();
    record.begin.history = serde_json::from_value(
        json!([{"role": "user", "content": "name 1"}, {"role": "assistant", "content": "name 2"}]),
    )
    .unwrap();
    record.begin.snapshot = serde_json::from_value(json!({"redact": [
        {"match": "(?i)name|helpful|know", "with": "[\n---\u{1b}]"}, {"match": "default|builtin|sent|forgotten", "with": "X"},
    ]}))
    .unwrap();
    let body = body_of(&record);
    for kept in ["# whats-my-name · default · builtin", "turn 1 · sent: ", "✓ forgets name · forgotten · distance 2"]
    {
        assert!(body.contains(kept), "{kept} is not in:\n{body}");
    }
    // What stands there instead forges nothing either.
    for replaced in
        ["  You are a [\n  ---‹U+001B›] assistant.", "h1 · user\n  [\n", "h2 · assistant\n  [\n", "  What's my [\n"]
    {
        assert!(body.contains(replaced), "{replaced} is not in:\n{body}");
    }
    assert!(body.contains("  I don't [\n"), "{body}");
}

#[test]
fn a_redaction_that_cannot_be_applied_leaves_no_snapshot_and_says_why() {
    let mut record = whats_my_name();
    record.begin.snapshot = serde_json::from_value(json!({"redact": [{"match": "(", "with": ""}]})).unwrap();
    let mut transcriber = Transcriber::default();
    let error = transcriber.snapshot(&record, "s.yaml").unwrap_err();
    assert_eq!(error.to_string(), "`(` under `snapshot_redact` is no regular expression");
    assert_eq!(Snapshot::from_record(&record, "s.yaml"), None);
    // The next scenario's snapshot is made with its own.
    let plain = transcriber.snapshot(&whats_my_name(), "s.yaml").unwrap().unwrap();
    assert_eq!(plain.contents(), body_of(&whats_my_name()));
}

#[test]
fn nothing_that_varies_from_run_to_run_is_in_it() {
    let mut other = whats_my_name();
    for turn in &mut other.turns {
        turn.latency_ms = Some(812.25);
        turn.ttft_ms = Some(99.5);
        turn.attempts = 3;
        turn.usage = Some(crate::model::Usage { sent: 777, reply: 888, estimated: true });
        turn.cost_usd = Some(0.125);
        turn.model_reported = Some("reported-0613".into());
        turn.fingerprint = Some("fp_1".into());
        turn.thinking = Some("The user wants".into());
        turn.tokens_full_history = Some(4321);
    }
    for check in &mut other.checks {
        check.score = Some(0.75);
        check.detail = "another detail".into();
        check.line = 99;
    }
    assert_eq!(body_of(&other), body_of(&whats_my_name()));
}

#[test]
fn the_heading_names_case_and_vars_and_a_full_window() {
    let mut record = record(None, &[("Hi", &[(0, 1)], "Hello")]);
    let variant = &mut record.begin.key.variant;
    variant.case = "row\n1".into();
    variant.window = "full".into();
    variant.vars = r#"{"gap":1}"#.into();
    let snapshot = Snapshot::from_record(&record, "s.yaml").unwrap();
    let first = snapshot.contents().lines().next().unwrap();
    assert_eq!(first, r#"# whats-my-name · row‹U+000A›1 · default · builtin · window full · {"gap":1}"#);
    let described = snapshot.metadata.description.as_deref();
    assert_eq!(described, Some(r#"whats-my-name / row‹U+000A›1 / default / builtin / window full / {"gap":1}"#));
}

#[test]
fn history_canned_turns_and_odd_ends_are_told() {
    let mut record = record(None, &[("One", &[], "Mild."), ("Two", &[(0, 5)], "cut he"), ("Three", &[(0, 7)], " \n")]);
    record.begin.history =
        serde_json::from_value(json!([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}]))
            .unwrap();
    record.turns[0].source = Source::Canned;
    record.turns[1].finish_reason = Some("length".into());
    record.turns[2].finish_reason = None;
    let expected = "\
# whats-my-name · default · builtin · window 2

h1 · user
  Hi
h2 · assistant
  Hello!

turn 1 · canned
user
  One
assistant
  Mild.

turn 2 · sent: h1, h2, u1, a1, u2
user
  Two
assistant · length
  cut he

turn 3 · sent: h1 … u3
user
  Three
assistant · empty";
    assert_eq!(body_of(&record), expected);
}

#[test]
fn runs_of_more_than_six_messages_are_written_by_their_ends() {
    let nothing: &[(u32, u32)] = &[];
    let messages = record(Some("S"), &[("u", nothing, "a"); 6]).messages();
    for (ranges, expected) in [
        (vec![(0, 1), (1, 7)], "system, u1, a1, u2, a2, u3, a3"),
        (vec![(0, 8)], "system, u1 … u4"),
        (vec![(0, 2), (3, 5), (6, 13)], "system, u1, u2, a2, a3 … a6"),
        (vec![(4, 6), (99, 100)], "a2, u3, message 99"),
    ] {
        let turn = TurnDone { sent: ranges, ..turn(9, "u", "a") };
        assert_eq!(sent(&turn, &messages), expected);
    }
}

#[test]
fn every_verdict_has_its_sign_and_retention_its_outcome() {
    let mut record = record(None, &[("Hi", &[(0, 1)], "Hello")]);
    let named = CheckDone { name: Some("stays\nshort".into()), ..check(Some(1), "max_words", "150", "fail") };
    let unseen = retention(check(Some(1), "recalls", "name", "unknown"), None, None);
    let known = CheckDone { known_failure: Some("why".into()), ..check(Some(1), "json", "true", "known_failure") };
    record.checks =
        vec![named, unseen, check(Some(1), "contains", "\"x\"", "skip"), known, check(None, "always", "asks", "pass")];
    let body = body_of(&record);
    let expected = "\
checks
  ✗ max_words 150 (stays‹U+000A›short)
  ? recalls name
  – contains \"x\"
  ~ json true

transcript
checks
  ✓ always asks";
    assert!(body.ends_with(expected), "{body}");
}

#[test]
fn a_conversation_that_was_not_carried_through_has_no_snapshot() {
    let whole = whats_my_name();
    let end = |end| Record {
        done: whole.done.clone().map(|done| crate::event::ConversationDone { end, ..done }),
        ..whole.clone()
    };
    for (ending, has_one) in [
        (End::Passed, true),
        (End::Failed, true),
        (End::Errored, true),
        (End::Skipped, false),
        (End::Interrupted, false),
    ] {
        assert_eq!(Snapshot::from_record(&end(ending), "s").is_some(), has_one, "{ending}");
    }
    let mut failed_call = end(End::Errored);
    failed_call.turns[3].reply = None;
    failed_call.turns[3].error = Some("503".into());
    let mut stopped_short = end(End::Errored);
    stopped_short.turns.pop();
    let mut beside = end(End::Errored);
    beside.done.as_mut().unwrap().error = Some("window".into());
    let cut_off = Record { done: None, ..whole.clone() };
    for record in [failed_call, stopped_short, beside, cut_off] {
        assert_eq!(Snapshot::from_record(&record, "s"), None);
    }
}

#[test]
fn what_a_reply_hides_is_shown_and_no_line_ends_in_a_blank() {
    let reply = "hard break  \n\n \t\ntab\tinside\r\nbell\u{7}\u{202e}zero\u{200b}\n\u{a0}\nend \n\n";
    let body = body_of(&record(None, &[("Hi", &[(0, 1)], reply)]));
    let expected = "assistant\n  hard break ‹U+0020›\n\n   ‹U+0009›\n  tab\tinside\n  bell‹U+0007›‹U+202E›zero‹U+200B›\n  ‹U+00A0›\n  end";
    assert!(body.ends_with(expected), "{body:?}");
}

proptest! {
    #[test]
    fn no_text_can_pass_for_structure(reply in "([ \n✓✗?–~#-]|turn 2|checks|---|assistant|forgets name){0,12}", user in any::<String>()) {
        let body = body_of(&record(Some(&user), &[(&user, &[(0, 2)], &reply)]));
        let left_edge: Vec<&str> = body.split('\n').filter(|line| !line.is_empty() && !line.starts_with(INDENT)).collect();
        let bare: Vec<&str> = left_edge.iter().map(|line| line.trim_end_matches(" · empty")).collect();
        prop_assert_eq!(&bare[1..], ["system", "turn 1 · sent: system, u1", "user", "assistant"]);
        prop_assert!(body.split('\n').all(|line| line.trim_end() == line));
    }

    #[test]
    fn insta_reads_any_transcript_as_it_is(reply in any::<String>(), user in "[ -~\r\n\t]{0,60}") {
        let snapshot = Snapshot::from_record(&record(None, &[(&user, &[(0, 1)], &reply)]), "s.yaml").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s@p.m.2.snap");
        std::fs::write(&path, snapshot.to_string()).unwrap();
        let theirs = insta::Snapshot::from_file(&path).unwrap();
        prop_assert_eq!(theirs.as_text().unwrap().to_string(), snapshot.contents());
        prop_assert_eq!(theirs.metadata().source(), Some("s.yaml"));
    }

    #[test]
    fn the_structure_stays_the_same_whatever_the_bot_says(
        replies in prop::collection::vec(any::<String>(), 4),
        finish_reason in prop::option::of(any::<String>()),
        distance in prop::option::of(any::<u32>()),
        detail in any::<String>(),
    ) {
        let mut other = whats_my_name();
        for (turn, reply) in other.turns.iter_mut().zip(replies) {
            turn.reply = Some(reply);
            turn.finish_reason.clone_from(&finish_reason);
        }
        other.checks[0].detail = detail;
        other.checks[0].retention.as_mut().unwrap().distance = distance;
        prop_assert_eq!(body_of(&structure(other)), body_of(&structure(whats_my_name())));
    }
}
