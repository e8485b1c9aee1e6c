//! Tests of the module beside this file.

use proptest::prelude::*;

use super::super::body::tests::{check, record, retention};
use super::super::header::Metadata;
use super::*;
use crate::event::Record;
use crate::model::{SnapshotMode, Source};

fn base() -> Record {
    let mut record = record(
        Some("Be kind."),
        &[("My name is Priya.", &[(0, 2)], "Noted."), ("What's my name?", &[(0, 4)], "Your name is Priya.")],
    );
    record.checks.push(check(Some(2), "asks", "false", "pass"));
    record.checks.push(retention(check(Some(2), "recalls", "name", "pass"), Some("retained"), Some(0)));
    record
}

/// How the base differs from the same with a change.
fn after(change: impl FnOnce(&mut Record)) -> Difference {
    let mut changed = base();
    change(&mut changed);
    let contents = |record| Snapshot::from_record(record, "s.yaml").unwrap().contents().to_owned();
    compare_contents(&contents(&base()), &contents(&changed))
}

fn drawn(change: impl FnOnce(&mut Record)) -> (bool, String) {
    let difference = after(change);
    (matches!(difference, Difference::Words { .. }), difference.to_string())
}

#[test]
fn what_the_bot_says_is_words() {
    let words = |text: &str| (true, text.to_owned());
    assert_eq!(after(|_| {}), Difference::Same);
    assert_eq!(drawn(|record| record.turns[1].reply = Some("Priya!".into())), words("words: turn 2"));
    assert_eq!(drawn(|record| record.turns[0].reply = Some(String::new())), words("words: turn 1"));
    assert_eq!(drawn(|record| record.turns[0].finish_reason = Some("length".into())), words("words: turn 1"));
    assert_eq!(drawn(|record| record.checks[1].retention.as_mut().unwrap().distance = Some(1)), words("words: turn 2"));
}

#[test]
fn verdicts_outcomes_requests_and_the_script_are_substance() {
    type Change = fn(&mut Record);
    let table: [(Change, &str); 16] = [
        (|record| record.checks[0].verdict = crate::model::Verdict::Fail, "turn 2: asks false ✓ → ✗"),
        (
            |record| record.checks[1].retention.as_mut().unwrap().outcome = Some(Outcome::Leaked),
            "turn 2: recalls name ✓ retained → ✓ leaked",
        ),
        (|record| drop(record.checks.pop()), "turn 2: recalls name ✓ retained → absent"),
        (
            |record| record.checks[0].expected = "true".into(),
            "turn 2: asks false ✓ → absent; turn 2: asks true absent → ✓",
        ),
        (|record| record.checks.push(check(None, "always", "x", "fail")), "transcript: always x absent → ✗"),
        (|record| record.turns[1].sent = vec![(0, 1), (3, 4)], "sent: turn 2"),
        (
            |record| record.turns[1].source = Source::Canned,
            "outdated-script: turn 2's canned reply changed; sent: turn 2",
        ),
        (|record| record.turns[0].user = "I am Priya.".into(), "outdated-script: turn 1's user message changed"),
        (|record| record.begin.system = Some("Be curt.".into()), "outdated-script: the persona's text changed"),
        (
            |record| {
                record.begin.system = None;
                record.turns[0].sent = vec![(0, 1)];
                record.turns[1].sent = vec![(0, 3)];
            },
            "outdated-script: the persona's text changed; sent: turn 1, turn 2",
        ),
        (|record| record.begin.key.variant.window = "3".into(), "outdated-script: the window changed"),
        (|record| record.begin.key.variant.model = "other".into(), "outdated-script: the names changed"),
        (
            |record| {
                record.begin.history = serde_json::from_str(r#"[{"role": "user", "content": "Hi"}]"#).unwrap();
                // The ranges of what was sent count the history too.
                record.turns[0].sent = vec![(0, 1), (2, 3)];
                record.turns[1].sent = vec![(0, 1), (2, 5)];
            },
            "outdated-script: message 1 of the history changed",
        ),
        (
            |record| {
                record.turns.pop();
                record.begin.turns = 1;
                record.checks.clear();
            },
            "outdated-script: turn 2 is gone; turn 2: asks false ✓ → absent; turn 2: recalls name ✓ retained → absent",
        ),
        (
            |record| {
                record.turns[1].reply = Some("No idea.".into());
                record.turns[1].user = "Who am I?".into();
            },
            "outdated-script: turn 2's user message changed; words: turn 2",
        ),
        (
            |record| {
                let mut third = record.turns[1].clone();
                third.turn = TurnId::Turn(3);
                record.turns.push(third);
                record.begin.turns = 3;
                record.checks.push(check(Some(3), "asks", "false", "pass"));
            },
            "outdated-script: turn 3 is new; turn 3: asks false absent → ✓",
        ),
    ];
    for (change, expected) in table {
        assert_eq!(drawn(change), (false, expected.to_owned()));
    }
}

#[test]
fn a_changed_script_is_told_from_a_changed_bot() {
    assert!(after(|record| record.begin.system = Some("Be curt.".into())).is_outdated_script());
    assert!(!after(|record| record.turns[0].reply = Some("Well noted.".into())).is_outdated_script());
    assert!(!after(|record| record.checks[0].verdict = crate::model::Verdict::Fail).is_outdated_script());
    assert!(!after(|record| record.turns[1].sent = vec![(0, 1), (3, 4)]).is_outdated_script());
    // Replies that follow from it are told beside it, and it fails whatever a live model may say.
    let both = after(|record| {
        record.begin.system = Some("Be curt.".into());
        record.turns[1].reply = Some("Priya.".into());
    });
    assert_eq!(both.to_string(), "outdated-script: the persona's text changed; words: turn 2");
    assert!(both.is_regression(|_| true));
}

#[test]
fn of_many_changed_parts_the_first_are_named() {
    let difference = after(|record| {
        record.turns = (1..=7)
            .map(|turn| crate::event::TurnDone { turn: TurnId::Turn(turn), ..record.turns[0].clone() })
            .collect();
        record.begin.turns = 7;
        record.begin.system = None;
        record.checks.clear();
    });
    let text = difference.to_string();
    let expected = "outdated-script: the persona's text changed, turn 2's user message changed, turn 3 is new, turn 4 is \
        new, turn 5 is new, and 2 more; ";
    assert!(text.starts_with(expected), "{text}");
}

#[test]
fn a_snapshot_of_another_mode_is_outdated_and_its_replies_are_not_compared() {
    let structure = |record: &mut Record| record.begin.snapshot.mode = SnapshotMode::Structure;
    assert_eq!(drawn(structure), (false, "outdated-script: `snapshot:` changed".to_owned()));
    // What both have is still compared.
    let failed = drawn(|record| {
        structure(record);
        record.checks[0].verdict = crate::model::Verdict::Fail;
    });
    assert_eq!(failed, (false, "outdated-script: `snapshot:` changed; turn 2: asks false ✓ → ✗".to_owned()));
}

#[test]
fn the_text_of_a_canned_reply_is_script() {
    let canned = |text: &str| {
        let mut record = base();
        record.turns[0].source = Source::Canned;
        record.turns[0].reply = Some(text.into());
        Snapshot::from_record(&record, "s").unwrap().contents().to_owned()
    };
    assert_eq!(
        compare_contents(&canned("It is mild."), &canned("It is hot.")).to_string(),
        "outdated-script: turn 1's canned reply changed"
    );
}

#[test]
fn an_edit_that_no_part_explains_is_no_mere_words() {
    let contents = Snapshot::from_record(&base(), "s").unwrap().contents().to_owned();
    let spaced = contents.replacen("\n\nturn 2", "\n\n\nturn 2", 1);
    assert_eq!(compare_contents(&spaced, &contents).to_string(), "edited by hand: blank lines or order");
    let conflict = contents.replacen("turn 2", "<<<<<<< HEAD\nturn 2", 1);
    assert_eq!(compare_contents(&conflict, &contents).to_string(), "edited by hand: <<<<<<< HEAD");
}

#[test]
fn only_a_live_reply_may_word_itself_differently() {
    let words = Difference::Words { turns: vec![TurnId::Turn(1), TurnId::Turn(3)] };
    assert!(!words.is_regression(|_| true));
    assert!(words.is_regression(|turn| turn == TurnId::Turn(1)));
    assert!(!Difference::Same.is_regression(|_| false));
    assert!(after(|record| record.checks[0].verdict = crate::model::Verdict::Fail).is_regression(|_| true));
}

#[test]
fn of_an_accepted_file_that_was_emptied_everything_is_new_and_nothing_is_nameless() {
    let new = "# a\n\nturn 1 · sent: u1\nuser\n  Hi\n";
    assert_eq!(compare_contents("", new).to_string(), "outdated-script: the names changed, turn 1 is new");
    assert_eq!(compare_contents("\n\n# a\n", new).to_string(), "outdated-script: turn 1 is new");
}

#[test]
fn of_checks_that_assert_the_same_each_is_paired_with_its_own() {
    let difference = after(|record| {
        let twice = check(Some(2), "asks", "false", "fail");
        record.checks.insert(1, twice);
    });
    assert_eq!(difference.to_string(), "turn 2: asks false absent → ✗");
}

proptest! {
    #[test]
    fn whatever_a_reply_says_it_is_words_and_nothing_else(
        reply in "([ \n✓✗?·#-]|turn 2|turn 9 · canned|checks|  ✗ recalls name · leaked|---|user|distance 3){0,14}",
    ) {
        match after(|record| record.turns[0].reply = Some(reply)) {
            Difference::Words { turns } => prop_assert_eq!(turns, [TurnId::Turn(1)]),
            other => prop_assert_eq!(other, Difference::Same),
        }
    }

    #[test]
    fn a_change_is_seen_whatever_the_replies_say(reply in any::<String>()) {
        let difference = after(|record| {
            record.turns[0].reply = Some(reply);
            record.checks[1].verdict = crate::model::Verdict::Fail;
        });
        prop_assert!(difference.to_string().contains("recalls name ✓ retained → ✗ retained"));
        prop_assert!(difference.is_regression(|_| true));
    }
}

#[test]
fn texts_under_other_redactions_differ_because_of_them() {
    let base = Snapshot::from_record(&base(), "s").unwrap().contents().to_owned();
    let snapshot = |redactions: Option<&str>, contents: &str| {
        Snapshot::new(Metadata::default().with_redactions(redactions), contents)
    };
    let told = |new: &str| compare(&snapshot(None, &base), &snapshot(Some("sha256-1"), new)).to_string();
    let same = |new: &str| compare(&snapshot(Some("sha256-1"), &base), &snapshot(Some("sha256-1"), new)).to_string();
    assert_eq!(told(&base), "unchanged");
    for (from, to, moved) in [
        ("  Be kind.", "  Be [how].", "the persona's text changed"),
        ("assistant\n  Noted.", "assistant\n  [reply]", "words: turn 1"),
    ] {
        assert!(base.contains(from), "{from:?} in {base}");
        let new = base.replacen(from, to, 1);
        assert!(same(&new).ends_with(moved), "{}", same(&new));
        assert!(told(&new).starts_with("outdated-script: `snapshot_redact:` changed"), "{}", told(&new));
        assert!(!told(&new).contains("persona"), "{}", told(&new));
    }
    // What no redaction does is said as ever.
    let other = base.replacen("✓", "✗", 1);
    assert_eq!(told(&other), same(&other));
}
