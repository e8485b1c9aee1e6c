//! Tests of the module beside this file.

use super::super::sample::{RUN, check, ended, journal, record, story, turn};
use super::*;
use crate::model::{End, Verdict};

const NAMES: [&str; 8] =
    ["transcripts.csv", "checks.csv", "retention.csv", "summary.csv", "junit.xml", "run.json", "summary.md", PAGE];

fn contents(folder: &Path) -> Vec<(String, String)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn two_calls_on_one_journal_give_the_same_bytes_and_leave_nothing_else() {
    let (folder, reader) = journal(&story());
    let one = write_all(folder.path(), &reader).unwrap();
    let first = contents(folder.path());
    let two = write_all(folder.path(), &Reader::open(reader.path()).unwrap()).unwrap();
    assert_eq!(contents(folder.path()), first);
    assert_eq!(one, two);
    let names: Vec<&str> = first.iter().map(|(name, _)| name.as_str()).collect();
    let mut expected = NAMES.to_vec();
    expected.push("journal.jsonl");
    expected.sort_unstable();
    assert_eq!(names, expected);
    for (name, text) in first {
        assert!(text.ends_with('\n') && !text.contains("\r\n"), "{name}");
    }
}

#[test]
fn run_json_is_the_manifest_with_the_totals() {
    let (folder, reader) = journal(&story());
    write_all(folder.path(), &reader).unwrap();
    insta::assert_snapshot!(fs::read_to_string(folder.path().join("run.json")).unwrap());
}

#[test]
fn the_order_of_completion_changes_no_byte() {
    let (folder, reader) = journal(&story());
    write_all(folder.path(), &reader).unwrap();
    let mut reversed = story();
    reversed.reverse();
    let (other, reader) = journal(&reversed);
    write_all(other.path(), &reader).unwrap();
    for name in NAMES {
        assert_eq!(fs::read(folder.path().join(name)).unwrap(), fs::read(other.path().join(name)).unwrap(), "{name}");
    }
}

#[test]
fn a_variant_whose_trials_go_to_the_other_thread_in_parts_is_one_variant_and_the_next_another() {
    let trial = |number: u32| {
        let mut trial = record(number, if number < 699 { "s" } else { "t" });
        trial.begin.key.trial = number + 1;
        trial.begin.trials = 700;
        turn(&mut trial, "Hi", "Hello");
        check(&mut trial, "contains", "\"Hello\"", Verdict::Pass);
        ended(&mut trial, End::Passed);
        trial
    };
    let (folder, reader) = journal(&(0..700).map(trial).collect::<Vec<_>>());
    let summary = write_all(folder.path(), &reader).unwrap();
    assert_eq!((summary.totals.variants.passed, summary.totals.conversations.passed), (2, 700));
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(read("transcripts.csv").lines().count(), 701);
    let rows = read("summary.csv");
    assert!(rows.lines().count() == 3 && rows.lines().nth(1).unwrap().contains(",699,"), "{rows}");
    assert_eq!(read("junit.xml").matches("<testsuite ").count(), 2);
}

#[test]
fn a_file_that_cannot_be_written_is_named_and_the_old_ones_stay() {
    let (folder, reader) = journal(&story());
    let missing = folder.path().join("gone");
    let error = write_all(&missing, &reader).unwrap_err().to_string();
    assert!(error.contains("gone/transcripts.csv"), "{error}");

    // A damaged journal is found out after the tables were begun.
    let text = fs::read_to_string(reader.path()).unwrap() + "{\"event\":\"dream\",\"plan\":3}\n";
    fs::write(reader.path(), text).unwrap();
    fs::write(folder.path().join("checks.csv"), "old\n").unwrap();
    let error = write_all(folder.path(), &Reader::open(reader.path()).unwrap()).unwrap_err();
    assert!(matches!(error, ReportError::Journal(_)), "{error}");
    assert_eq!(fs::read_to_string(folder.path().join("checks.csv")).unwrap(), "old\n");
    assert_eq!(contents(folder.path()).len(), 2);
}

#[cfg(unix)]
#[test]
fn result_files_are_as_readable_as_others_that_the_user_makes() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, reader) = journal(&story());
    write_all(folder.path(), &reader).unwrap();
    let mode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
    assert_eq!(mode("run.json"), mode("journal.jsonl"));
}

#[cfg(unix)]
#[test]
fn latest_is_a_relative_link_that_is_replaced() {
    let runs = tempfile::tempdir().unwrap();
    for name in ["older", RUN] {
        fs::create_dir(runs.path().join(name)).unwrap();
        point_latest(&runs.path().join(name)).unwrap();
        assert_eq!(fs::read_link(runs.path().join(LATEST_LINK)).unwrap(), Path::new(name));
    }
    assert_eq!(fs::read_dir(runs.path()).unwrap().count(), 3);
}

#[test]
fn where_the_link_cannot_be_made_a_file_names_the_latest_run() {
    let runs = tempfile::tempdir().unwrap();
    // The user's own folder of that name is in the way, and stays.
    fs::create_dir(runs.path().join(LATEST_LINK)).unwrap();
    point_latest(&runs.path().join(RUN)).unwrap();
    assert_eq!(fs::read_to_string(runs.path().join(LATEST_FILE)).unwrap(), format!("{RUN}\n"));
    assert_eq!(fs::read_dir(runs.path()).unwrap().count(), 2);
}
