//! Tests of the module beside this file.

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::event::{Attempt, Stopped};
use crate::model::TurnId;

fn event(wall_ms: u64) -> Event {
    Event::Stop(Stopped { wall_ms })
}

fn first() -> Event {
    let manifest = serde_json::json!({
        "event": "run", "format": 1, "run": "r", "version": "0", "arguments": [], "started": "", "plan_digest": "",
        "conversations": 1, "scenarios": [],
    });
    serde_json::from_value(manifest).unwrap()
}

fn fresh() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    (folder, path)
}

#[test]
fn a_new_journal_has_its_first_line_and_nothing_lies_beside_it() {
    let (folder, path) = fresh();
    let _writer = Writer::create(&path, &first()).unwrap();
    assert_eq!(Reader::open(&path).unwrap().manifest().run, "r");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_journal_takes_no_line_that_could_not_be_read_back() {
    let (_folder, path) = fresh();
    let mut writer = Writer::create(&path, &first()).unwrap();
    let before = fs::read_to_string(&path).unwrap();
    let line = serde_json::to_string(&event(7)).unwrap() + "\n";
    writer.length = MOST_BYTES - line.len() as u64 + 1;
    for refused in [writer.append(&[event(7)]), writer.append_lines(line.as_bytes())] {
        assert!(matches!(refused, Err(JournalError::TooLarge { .. })), "{refused:?}");
        assert_eq!(fs::read_to_string(&path).unwrap(), before);
    }
    writer.length -= 1;
    writer.append(&[event(7)]).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), before + &line);
}

#[test]
fn a_journal_is_never_written_over() {
    let (folder, path) = fresh();
    fs::write(&path, "precious\n").unwrap();
    assert!(matches!(Writer::create(&path, &first()), Err(JournalError::AlreadyThere { .. })));
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious\n");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_torn_tail_is_cut_off_and_what_is_appended_stands_on_lines_of_its_own() {
    let whole = serde_json::to_string(&first()).unwrap() + "\n";
    for tail in ["", "{\"event\":\"st", "\0\0\0\0", "\0\0\n", "\u{fffd}garbage", "{\"event\":\"stop\",\"wall_ms\":1}"] {
        let (_folder, path) = fresh();
        fs::write(&path, whole.clone() + tail).unwrap();
        let (mut writer, reader) = Writer::reopen(&path).unwrap();
        assert_eq!(reader.is_torn(), !tail.is_empty(), "{tail:?}");
        assert_eq!(fs::read_to_string(&path).unwrap(), whole, "{tail:?}");
        writer.append(&[event(7)]).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), whole.clone() + "{\"event\":\"stop\",\"wall_ms\":7}\n");
    }
}

#[cfg(unix)]
#[test]
fn two_writers_never_have_one_journal() {
    let (_folder, path) = fresh();
    let one = Writer::create(&path, &first()).unwrap();
    assert!(matches!(Writer::reopen(&path), Err(JournalError::InUse { .. })));
    drop(one);
    let (two, _) = Writer::reopen(&path).unwrap();
    assert!(matches!(Writer::reopen(&path), Err(JournalError::InUse { .. })));
    drop(two);
}

#[cfg(unix)]
#[test]
fn a_journal_that_was_removed_or_replaced_is_found_out() {
    let (_folder, path) = fresh();
    let mut writer = Writer::create(&path, &first()).unwrap();
    writer.look_in_place().unwrap();
    fs::remove_file(&path).unwrap();
    writer.append(&[event(1)]).expect("an unlinked file takes everything");
    assert!(matches!(writer.look_in_place(), Err(JournalError::Gone { .. })));
    fs::write(&path, "another").unwrap();
    assert!(matches!(writer.look_in_place(), Err(JournalError::Gone { .. })));
}

#[test]
fn a_conversation_is_read_back_while_another_handle_appends() {
    let (_folder, path) = fresh();
    let attempt = |error: &str| {
        Event::Attempt(Attempt {
            plan: 3,
            turn: TurnId::Turn(1),
            attempt: 1,
            status: None,
            error: error.to_owned(),
            latency_ms: None,
            wait_ms: None,
            reserved_usd: None,
        })
    };
    let begin = serde_json::json!({
        "event": "begin", "plan": 3, "conversation": "c", "scenario": "s", "case": "", "persona": "p", "model": "m",
        "window": "full", "vars": "", "trial": 1, "trials": 1, "pass_rate": 1.0, "file": "s.yaml", "turns": 1,
    });
    let mut writer = Writer::create(&path, &first()).unwrap();
    writer.append(&[serde_json::from_value(begin).unwrap(), attempt("before")]).unwrap();
    drop(writer);
    let (mut writer, reader) = Writer::reopen(&path).unwrap();
    writer.append(&[attempt("after")]).unwrap();
    let record = reader.record_of(3).unwrap().expect("it has begun");
    assert_eq!(record.attempts.iter().map(|attempt| attempt.error.as_str()).collect::<Vec<_>>(), ["before"]);
    assert!(reader.record_of(2).unwrap().is_none() && reader.record_of(4).unwrap().is_none());
}
