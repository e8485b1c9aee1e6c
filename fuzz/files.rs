//! Files of ours that somebody else may have written: cassettes, snapshots, journals.

use std::fs;
use std::path::Path;

use chat_eval::journal::Reader;
use chat_eval::provider::cassette::Cassette;
use chat_eval::report::files::{write_all, write_pictures};
use chat_eval::snapshot::Snapshot;

use super::driver::Target;

#[test]
fn cassettes() {
    let words = [
        "\"seal\":",
        "\"key\":\"",
        "\"also\":[",
        "\"chunks\":[1,2]",
        "{\"format\":1,\"cassette\":\"a\"}\n",
        "\"turn\":\"p1\"",
        "\"thinking\":\"a\"",
    ];
    Target::new("cassette").words(&words).run(|input| {
        let text = String::from_utf8_lossy(input);
        match Cassette::parse(&text) {
            Ok(cassette) => {
                let written = cassette.to_text("a");
                let again = Cassette::parse(&written).unwrap_or_else(|damaged| panic!("{damaged}\n{written}"));
                assert_eq!(again, cassette);
                assert_eq!(again.to_text("a"), written);
                with_text(&cassette, &text);
            }
            Err(damaged) => assert!(damaged.line <= text.lines().count().max(1) && !damaged.what.is_empty()),
        }
        with_text(&Cassette::parse(GOOD).expect("a cassette"), &text);
    });
}

const GOOD: &str = include_str!("seeds/cassette/streamed.jsonl");

/// Whatever a reply or a message says, it is read back as it was.
fn with_text(cassette: &Cassette, text: &str) {
    let entries = cassette.entries().iter().take(3).cloned().map(|mut entry| {
        text.clone_into(&mut entry.reply.text);
        entry.reply.chunks = Vec::new();
        entry.reply.thinking = Some(text.to_owned());
        if let Some(message) = entry.messages.last_mut() {
            message.content = text.into();
        }
        entry.key = entry.request().key(entry.occurrence);
        entry
    });
    let hostile = Cassette::new(entries);
    let written = hostile.to_text("a");
    assert_eq!(written.lines().count(), hostile.entries().len() + 1, "a recording is one line");
    assert_eq!(Cassette::parse(&written).unwrap_or_else(|damaged| panic!("{damaged}")), hostile);
}

#[test]
fn snapshots() {
    let words = [
        "---\n",
        "source: a\n",
        "assertion_line: 3\n",
        "description: \"a: b\"\n",
        "info:\n  a: b\n",
        "expression: x\n",
        "input_file: a\n",
        "snapshot_kind: text\n",
        "snapshot_kind: binary\n",
        "extension: png\n",
        "Created: a\n",
        "\n---\n",
    ];
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.snap");
    Target::new("snapshot").with("scenarios/snapshots", ".snap").words(&words).run(|input| {
        let text = String::from_utf8_lossy(input);
        let Ok(snapshot) = Snapshot::parse(&text) else { return };
        let written = snapshot.to_string();
        let again = Snapshot::parse(&written).unwrap_or_else(|error| panic!("{error}\n{written}"));
        assert_eq!(again.contents(), snapshot.contents());
        assert_eq!(again.metadata, snapshot.metadata);
        assert_eq!(again.to_string(), written, "written once and for all");
        let accepted = snapshot.accepted();
        let twice = Snapshot::parse(&accepted.to_string()).expect("accepted").accepted();
        assert_eq!(twice.to_string(), accepted.to_string());
        // A structure under `info:` is carried along as it was written, and may be none that insta reads.
        if accepted.metadata.info.is_none() {
            fs::write(&path, accepted.to_string()).expect("a file");
            let theirs = insta::Snapshot::from_file(&path).unwrap_or_else(|error| panic!("insta: {error}\n{accepted}"));
            assert_eq!(theirs.metadata().source(), accepted.metadata.source.as_deref());
            assert_eq!(theirs.metadata().description(), accepted.metadata.description.as_deref());
        }
    });
}

/// The files of a folder but its journal.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file"));
    let mut files: Vec<_> = entries
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).expect("a file")))
        .filter(|(name, _)| name != "journal.jsonl")
        .collect();
    files.sort();
    files
}

#[test]
fn journals() {
    let words = [
        "{\"event\":\"begin\",\"plan\":0,",
        "{\"event\":\"turn\",\"plan\":0,\"turn\":1,",
        "{\"event\":\"done\",\"plan\":0,",
        "\"outcome\":\"passed\"",
        "\"verdict\":\"fail\"",
        "\"plan\":1,",
        "\"plan\":4294967295,",
        "\"sent\":[[0,4294967295]]",
        "\"turn\":\"p1\"",
        "\"index\":9",
        "\"latency_ms\":1e300",
        "\"latency_ms\":-1",
        "\"trial\":0",
        "\"trials\":4294967295",
        "=1+1",
        "]]>",
        "</script>",
        "\\u001b[2J",
        "::error::x",
        "\"usage\":{\"sent\":18446744073709551615,\"reply\":18446744073709551615}",
        "\"cost_usd\":1e308",
        "\"window\":\"none\"",
        "\"\"",
    ];
    let folder = tempfile::tempdir().expect("a folder");
    Target::new("journal").words(&words).run(|input| {
        let run = folder.path();
        for entry in fs::read_dir(run).expect("a folder") {
            fs::remove_file(entry.expect("a file").path()).expect("removed");
        }
        fs::write(run.join("journal.jsonl"), input).expect("a file");
        let reader = match Reader::open(run.join("journal.jsonl")) {
            Ok(reader) => reader,
            Err(error) => return assert!(!error.to_string().is_empty()),
        };
        let mut last = None;
        for record in reader.records() {
            match record {
                Ok(record) => {
                    assert!(last.is_none_or(|last| last < record.begin.plan), "in the order of the plan, each once");
                    last = Some(record.begin.plan);
                }
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    break;
                }
            }
        }
        let summary = match write_all(run, &reader) {
            Ok(summary) => summary,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                assert!(contents(run).is_empty(), "reports are made whole or not at all");
                return;
            }
        };
        let first = contents(run);
        write_all(run, &Reader::open(run.join("journal.jsonl")).expect("opened before")).expect("written before");
        assert!(first == contents(run), "the same bytes of the same journal");
        for (name, bytes) in &first {
            let text = std::str::from_utf8(bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
            if Path::new(name).extension().is_some_and(|extension| extension == "csv") {
                // Every row is as wide as the first: the reader says so otherwise.
                csv::Reader::from_reader(&**bytes).into_records().for_each(|row| drop(row.expect("a row")));
            } else if name == "run.json" {
                serde_json::from_str::<serde_json::Value>(text).expect("JSON");
            } else if name == "junit.xml" {
                well_formed(text);
            }
        }
        for picture in write_pictures(run, &summary).expect("pictures") {
            well_formed(&fs::read_to_string(run.join(picture)).expect("a picture"));
        }
    });
}

fn well_formed(xml: &str) {
    let mut reader = quick_xml::Reader::from_str(xml);
    while reader.read_event().unwrap_or_else(|error| panic!("{error}: {xml}")) != quick_xml::events::Event::Eof {}
    let raw = xml.chars().find(|character| character.is_control() && !"\n\t\r".contains(*character));
    assert_eq!(raw, None, "a control character, which no XML may have");
}
