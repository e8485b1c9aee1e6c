//! Tests of the module beside this file.

use super::super::sample::{check, ended, record, story, summary, turn};
use super::*;
use crate::model::{End, Verdict};

fn said(summary: &Summary, snapshots: &[SnapshotNote]) -> Vec<String> {
    let text = annotations(summary, snapshots, "results/r", &|file| format!("bot/{file}"));
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines().map(str::to_owned).collect()
}

fn snapshot(what: &str, is_failure: bool) -> SnapshotNote {
    SnapshotNote {
        plan: Some(0),
        path: "s/a@b%2E.snap".into(),
        what: what.into(),
        is_failure,
        is_pending: false,
        ..SnapshotNote::default()
    }
}

#[test]
fn failures_are_errors_at_their_lines_and_what_nobody_could_judge_a_warning() {
    insta::assert_snapshot!(
        said(&summary(&story()), &[snapshot("differs: turn 2", true), snapshot("new", false)]).join("\n")
    );
}

#[test]
fn nothing_wrong_is_nothing_said() {
    assert_eq!(said(&summary(&story()[..1]), &[snapshot("written", false)]), Vec::<String>::new());
}

#[test]
fn no_text_ends_its_property_or_its_line() {
    let mut hostile = record(0, "s");
    hostile.begin.file = "a,b: 100%\n::add-mask::x.yaml".into();
    turn(&mut hostile, "Hi", "ok");
    let check = check(&mut hostile, "contains", "\"x::y, z\"", Verdict::Fail);
    check.detail = "one\r\n::error::two\n##[error]three ##vso[task]\u{1b}[2J 100%".into();
    ended(&mut hostile, End::Failed);
    let lines = said(&summary(&[hostile]), &[]);
    assert_eq!(
        lines,
        [
            "::error file=bot/a%2Cb%3A 100%25 %3A%3Aadd-mask%3A%3Ax.yaml,line=12,col=9,title=s · default · builtin · turn 1 · contains \
          \"x%3A%3Ay%2C z\"::one%0A\\::error::two%0A#\\#[error]three #\\#vso[task]‹U+001B›[2J 100%25%0Areply \"ok\""
        ]
    );
}

#[test]
fn a_journal_without_columns_gives_the_line_alone() {
    let mut old = record(0, "s");
    turn(&mut old, "Hi", "ok");
    let done = check(&mut old, "asks", "true", Verdict::Fail);
    done.detail = "no".into();
    let mut json = serde_json::to_value(&*done).unwrap();
    json.as_object_mut().unwrap().remove("column");
    *done = serde_json::from_value(json).unwrap();
    assert!(said(&summary(&[old]), &[])[0].contains(",line=12,title=s · "));
}

#[test]
fn what_came_on_standard_input_has_no_file() {
    let mut input = record(0, "s");
    input.begin.file = "-".into();
    turn(&mut input, "Hi", "ok");
    check(&mut input, "asks", "true", Verdict::Fail).detail = "no".into();
    assert_eq!(
        said(&summary(&[input]), &[]),
        ["::error title=s · default · builtin · turn 1 · asks true::no%0Areply \"ok\""]
    );
}

#[test]
fn ten_errors_and_ten_warnings_are_said_and_the_last_counts_the_rest() {
    let failing = |plan: u32, verdict: Verdict| {
        let mut record = record(plan, &format!("s{plan}"));
        turn(&mut record, "Hi", "ok");
        check(&mut record, "asks", "true", verdict).detail = "no".into();
        ended(&mut record, if verdict == Verdict::Fail { End::Failed } else { End::Errored });
        record
    };
    for (failed, unknown, errors, warnings, rest) in [
        (10, 10, 10, 10, &[][..]),
        (11, 0, 10, 0, &["2 more"]),
        (40, 11, 10, 1, &["31 more", "11 more"]),
        (0, 30, 0, 10, &["21 more"]),
    ] {
        let records: Vec<_> = (0..failed)
            .map(|plan| failing(plan, Verdict::Fail))
            .chain((failed..failed + unknown).map(|plan| failing(plan, Verdict::Unknown)))
            .collect();
        let lines = said(&summary(&records), &[]);
        let of = |command: &str| lines.iter().filter(|line| line.starts_with(command)).count();
        assert_eq!((of("::error "), of("::warning ")), (errors, warnings), "{failed} and {unknown}: {lines:#?}");
        let counted: Vec<&String> = lines.iter().filter(|line| line.contains("title=chat-eval::and ")).collect();
        assert_eq!(counted.len(), rest.len(), "{lines:#?}");
        for (line, rest) in counted.iter().zip(rest) {
            assert!(line.contains(&format!("::and {rest}: see the log, results/r/checks.csv")), "{line}");
        }
    }
}
