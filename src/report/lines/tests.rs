//! Tests of the module beside this file.

use super::super::sample::{check, events, manifest, record, story, summary, turn};
use super::*;
use crate::model::Verdict;

#[test]
fn what_is_told_while_a_run_is_going_is_what_is_told_of_it_later() {
    for record in story() {
        let mut live = Lines::default();
        let told: String = events(&record).iter().filter_map(|event| live.event(event)).collect();
        assert_eq!(told, conversation(&record));
        assert!(live.names.is_empty(), "what has ended is forgotten");
    }
}

#[test]
fn each_line_can_be_read_by_itself() {
    let story = story();
    let note = SnapshotNote {
        plan: Some(1),
        path: "a.snap".into(),
        what: "new".into(),
        is_failure: true,
        is_pending: false,
        ..SnapshotNote::default()
    };
    let text = run(&manifest(7), "results/r")
        + &conversation(&story[1])
        + &conversation(&story[3])
        + &snapshot(&note)
        + &end(Some(&summary(&story)), &[note], Some(std::time::Duration::from_millis(5)), "results/r", 1)
        + &end(None, &[], None, "results/r", 5);
    insta::assert_snapshot!(text);
}

#[test]
fn a_line_says_what_was_said_and_commands_nobody() {
    let hostile = "::error::x\n##[error]y ##vso[task]z \u{1b}[2J \u{9b}31m \u{202e} \u{e0041} \\ \" ##";
    let mut record = record(0, "s");
    turn(&mut record, "Hi", "ok");
    check(&mut record, "contains", "\"x\"", Verdict::Fail).detail = hostile.into();
    let text = conversation(&record);
    assert!(!text.contains("##[") && !text.contains("##vso["), "{text}");
    assert!(!text.contains(|c: char| c != '\n' && c.is_control() || "\u{202e}\u{e0041}".contains(c)), "{text}");
    let line: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(line["detail"], hostile);
}
