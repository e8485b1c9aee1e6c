//! Tests of the module beside this file.

use super::super::sample::{check, ended, key, record, story, summary, turn};
use super::*;
use crate::event::Record;
use crate::model::{End, Source};
use crate::report::FAILURES_IN_FULL;

const PLAIN: Look = Look { width: 80, is_coloured: false, is_ascii: false };

fn shown(records: &[Record], look: Look) -> String {
    let around =
        Around { folder: "results/latest", wall: Some(Duration::from_millis(12_400)), snapshots: &[], shard: None };
    render(&summary(records), around, look)
}

fn failing(plan: u32) -> Record {
    let mut record = record(plan, &format!("s{plan:03}"));
    turn(&mut record, "Hi", "Hello");
    check(&mut record, "contains", "\"x\"", Verdict::Fail).detail = "`x` is not in the reply".into();
    ended(&mut record, End::Failed);
    record
}

#[test]
fn a_run_reads_well_at_80_columns() {
    insta::assert_snapshot!(shown(&story(), PLAIN));
}

#[test]
fn a_run_uses_the_room_of_120_columns() {
    insta::assert_snapshot!(shown(&story(), Look { width: 120, ..PLAIN }));
}

#[test]
fn a_terminal_without_unicode_gets_ascii_signs_and_the_same_columns() {
    let text = shown(&story(), Look { is_ascii: true, ..PLAIN });
    assert!(text.is_ascii(), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn colours_stand_beside_the_same_text() {
    let coloured = shown(&story(), Look { is_coloured: true, ..PLAIN });
    assert!(coloured.contains("\u{1b}[31m✗\u{1b}[0m"));
    assert_eq!(console::strip_ansi_codes(&coloured), shown(&story(), PLAIN));
}

#[test]
fn no_line_of_a_models_text_is_a_command_to_a_ci_service() {
    let mut hostile = failing(0);
    hostile.turns[0].reply = Some("::error::a\n  ::set-output name=x::y\n\u{1b}]0;title\u{7}".into());
    hostile.checks[0].detail = "::warning::b\n::c \u{1b}[2J".into();
    hostile.turns[0].user = "::add-mask::d".into();
    let text = shown(&[hostile], PLAIN);
    assert!(text.lines().all(|line| !line.trim_start().starts_with("::")), "{text}");
    assert!(!text.contains(['\u{1b}', '\u{7}']));
}

#[test]
fn no_line_but_that_with_a_path_is_wider_than_the_terminal() {
    for width in [80, 100, 120] {
        let text = shown(&story(), Look { width, ..PLAIN });
        for line in text.lines().filter(|line| !line.contains("results/latest")) {
            assert!(crate::text::layout::width(line) <= width, "{width}: {line}");
        }
    }
}

#[test]
fn after_twenty_failures_the_others_are_counted() {
    let records: Vec<Record> = (0..25).map(failing).collect();
    let text = shown(&records, PLAIN);
    assert_eq!(text.matches("`x` is not in the reply").count(), FAILURES_IN_FULL);
    assert!(text.contains("… and 5 more failures: see results/latest/checks.csv\n"), "{text}");
    assert!(text.contains("\n0 passed, 25 failed · 25 calls in 12.4 s"), "{text}");
}

#[test]
fn a_large_run_shows_the_variants_that_did_not_pass_and_counts_the_others() {
    let mut records: Vec<Record> = (0..300).map(|plan| record(plan, &format!("s{plan}"))).collect();
    records[7] = failing(7);
    let text = shown(&records, PLAIN);
    assert!(text.contains("\n    and 299 that passed\n"), "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with("  ✗ s007")).count(), 1);
    assert!(!text.contains("✓"));
}

#[test]
fn trials_are_one_line_and_a_failure_says_how_many_of_them_failed() {
    let trial = |trial: u32| {
        let mut record = if trial == 2 { failing(trial) } else { record(trial, "s") };
        key(&mut record).scenario = "s".into();
        (record.begin.key.trial, record.begin.trials) = (trial, 3);
        if trial != 2 {
            turn(&mut record, "Hi", "Hello x");
            check(&mut record, "contains", "\"x\"", Verdict::Pass);
        }
        record
    };
    let mut records: Vec<Record> = (1..=3).map(trial).collect();
    let text = shown(&records, PLAIN);
    assert!(text.contains("✗ s · default · builtin · trial 2 · turn 1 · contains \"x\"\n"), "{text}");
    assert!(text.contains("    failed in 1 of 3 trials\n"), "{text}");
    assert!(text.contains("\n0 passed, 1 failed of 1 variant (3 conversations) · 3 calls"), "{text}");

    // What the rate allows is no failure.
    for record in &mut records {
        record.begin.pass_rate = 0.6;
    }
    let text = shown(&records, PLAIN);
    assert!(text.contains("\n1 passed of 1 variant (3 conversations)"), "{text}");
    assert!(!text.contains('✗'), "{text}");
}

fn note(path: &str, what: &str, is_failure: bool) -> SnapshotNote {
    SnapshotNote {
        plan: None,
        path: path.into(),
        what: what.into(),
        is_failure,
        is_pending: false,
        ..SnapshotNote::default()
    }
}

#[test]
fn a_snapshot_that_waits_is_told_with_the_command_that_decides_on_it() {
    let help = "  help: `chat-eval review` goes through what waits; `--list` shows it, `--accept` accepts it\n";
    for is_pending in [true, false] {
        let notes = [SnapshotNote { is_pending, ..note("a.snap", "new", false) }];
        let around = Around { folder: "results/r", wall: None, snapshots: &notes, shard: None };
        let text = render(&summary(&[record(0, "s")]), around, PLAIN);
        assert_eq!(text.contains(&format!("  a.snap: new\n{help}")), is_pending, "{text}");
        assert_eq!(text.contains("help:"), is_pending, "{text}");
    }
}

#[test]
fn snapshots_that_fail_the_run_come_first_and_are_counted() {
    let notes = [
        note("a.snap", "snapshot changed (words only)", false),
        note("b.snap", "snapshot changed: turn 4 verdict", true),
    ];
    let around = Around { folder: "results/r", wall: None, snapshots: &notes, shard: None };
    let text = render(&summary(&[record(0, "s")]), around, PLAIN);
    let notes = "✗ b.snap: snapshot changed: turn 4 verdict\n  a.snap: snapshot changed (words only)\n";
    assert!(text.contains(notes), "{text}");
    assert!(text.ends_with("\n1 passed · 1 snapshot failed · 0 calls\nresults/r/report.html\n"), "{text}");
}

#[test]
fn the_column_of_cases_is_called_after_matrix_values_where_there_are_only_these() {
    for (case, vars, title) in [("7", "", "case"), ("", r#"{"gap":4}"#, "vars"), ("7", r#"{"gap":4}"#, "case")] {
        let mut record = record(0, "s");
        (key(&mut record).case, key(&mut record).vars) = (case.into(), vars.into());
        let text = shown(&[record], PLAIN);
        assert!(text.starts_with(&format!("    scenario  {title}  ")), "{text}");
    }
}

#[test]
fn a_long_request_is_listed_by_its_ends() {
    let mut long = record(0, "s");
    for number in 0..30 {
        turn(&mut long, &format!("question {number}"), "answer").source = Source::Canned;
    }
    let forgets = super::super::sample::retention(&mut long, "forgets", crate::model::Outcome::Leaked, Verdict::Fail);
    forgets.detail = "leaked".into();
    ended(&mut long, End::Failed);
    let text = shown(&[long], PLAIN);
    assert!(text.contains("sent    system · u1 · a1 · … 51 more … · a27 · u28 · a28 · u29 · a29 · u30\n"), "{text}");
}

#[test]
fn a_reply_that_fails_two_checks_is_quoted_once() {
    let mut record = record(0, "s");
    turn(&mut record, "Hi", "A reply to be quoted.");
    check(&mut record, "contains", "\"x\"", Verdict::Fail);
    check(&mut record, "asks", "true", Verdict::Fail);
    turn(&mut record, "Again", "A reply to be quoted.");
    check(&mut record, "asks", "true", Verdict::Fail);
    ended(&mut record, End::Failed);
    let text = shown(&[record], PLAIN);
    assert_eq!(text.matches("→ A reply to be quoted.").count(), 2, "once a turn: {text}");
    assert_eq!(text.matches("asks true").count(), 2, "{text}");
}

#[test]
fn no_run_saves_all_of_its_tokens() {
    for (share, said) in [(0.996, Some("99 %")), (0.114, Some("11 %")), (0.004, None), (-0.2, None)] {
        let saved = saved(share);
        assert_eq!(saved.as_deref().and_then(|text| text.split_once(" fewer")).map(|(percent, _)| percent), said);
    }
}

#[test]
fn the_time_stands_beside_its_bound_where_calls_took_it() {
    for (wall, said) in [(12_400, "0 calls in 12.4 s (bound 11.8 s)"), (999, "0 calls in 1.0 s\n")] {
        let mut summary = summary(&[record(0, "s")]);
        summary.totals.bound = Some(Duration::from_millis(11_800));
        let around =
            Around { folder: "results/r", wall: Some(Duration::from_millis(wall)), snapshots: &[], shard: None };
        let text = render(&summary, around, PLAIN);
        assert!(text.contains(said), "{text}");
    }
}

#[test]
fn a_budget_stands_beside_what_was_spent_of_it() {
    for (cap, cost, reserved, said) in [
        (None, Some(0.5), None, "0 calls · $0.500\n"),
        (None, Some(0.0), None, "0 calls · $0.000\n"),
        (Some(0.0), None, None, "0 calls · nothing spent: the budget is $0\n"),
        (Some(0.0), Some(0.0), None, "0 calls · nothing spent: the budget is $0\n"),
        (Some(5.0), Some(4.98), None, "0 calls · $4.98 of $5.00\n"),
        (Some(5.0), Some(5.0 + 1e-12), None, "0 calls · $5.00 of $5.00\n"),
        (
            Some(5.0),
            Some(5.5),
            None,
            "$5.50 of $5.00, which is more than it: a provider counted more tokens than it was asked for\n",
        ),
        (Some(5.0), None, Some(0.02), "0 calls\n$0.000 of $5.00, $0.020 more reserved for calls of unknown usage\n"),
    ] {
        let mut summary = summary(&[record(0, "s")]);
        summary.totals.max_cost_usd = cap;
        (summary.totals.usage.cost_usd, summary.totals.usage.reserved_usd) = (cost, reserved);
        let text = render(&summary, Around { folder: "results/r", wall: None, snapshots: &[], shard: None }, PLAIN);
        assert!(text.contains(said), "{text}");
    }
}
