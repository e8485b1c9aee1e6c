//! `cargo insta` works on our snapshots, in a folder that is no Cargo project and without a network, and accepts them
//! byte for byte as we do.
//!
//! Needs `cargo-insta` 1.49 on the PATH. Where it is missing the test says so and passes; with
//! `CHAT_EVAL_REQUIRE_CARGO_INSTA=1`, as in CI, it fails.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use chat_eval::event::Record;
use chat_eval::snapshot::{
    Metadata, Mode, Pending, STUB_MANIFEST, Snapshot, check, file_name, find, path, pending_path, stub_manifest,
};
use serde_json::json;

/// Replies that a file format might stumble over.
const HOSTILE: [&str; 8] = [
    "---\nsource: forged\n---",
    "hard break  \nand\tblanks at the end \t \n\n",
    "one\r\ntwo\rthree\r\n",
    "",
    "checks\n  ✓ forgets name · forgotten\nturn 9 · canned",
    "\u{1b}[31mred\u{202e}\u{200b} ‹U+001B›",
    "\"quotes\" 'and' \\slashes\\ {{ braces }} # no comment",
    "naïve ☃ 🦀 \u{a0}\u{2028}",
];

fn record(persona: &str, reply: &str) -> Record {
    let begin = json!({
        "plan": 0, "conversation": "c", "scenario": "s.1", "case": "", "persona": persona, "model": "org/model-1", "window": "2-drop",
        "vars": "{\"gap\":1}", "trial": 1, "trials": 1, "pass_rate": 1.0, "file": "scenarios/s.yaml", "system": reply, "turns": 1,
    });
    let turn = json!({"event": "turn", "plan": 0, "turn": 1, "user": "Hi", "sent": [[0, 2]], "source": "live", "reply": reply, "attempts": 1});
    let done = json!({"event": "conversation", "plan": 0, "end": "passed"});
    let mut record = Record::new(serde_json::from_value(begin).unwrap());
    record.add(serde_json::from_value(turn).unwrap());
    record.add(serde_json::from_value(done).unwrap());
    record
}

/// The structure alone, with a redaction in the user's text.
fn structure() -> Record {
    let mut record = record("structure", "a reply that is left out");
    let rules = json!({"mode": "structure", "redact": [{"match": "Hi", "with": "[greeting]: {x}"}]});
    record.begin.snapshot = serde_json::from_value(rules).unwrap();
    record
}

/// Snapshots of hostile replies in a project of YAML files, every other one with an accepted one before it.
fn project() -> tempfile::TempDir {
    let project = tempfile::tempdir().unwrap();
    let manifest = project.path().join(STUB_MANIFEST);
    fs::create_dir_all(manifest.parent().unwrap()).unwrap();
    fs::write(&manifest, stub_manifest(Path::new("scenarios"))).unwrap();
    // Pending snapshots are ignored in most repositories, and must be found all the same.
    fs::create_dir(project.path().join(".git")).unwrap();
    fs::write(project.path().join(".gitignore"), "*.snap.new\n").unwrap();
    let scenario = project.path().join("scenarios/s.yaml");
    for (n, reply) in HOSTILE.into_iter().enumerate() {
        let record = record(&format!("P {n}"), reply);
        let snapshot = Snapshot::from_record(&record, "scenarios/s.yaml").unwrap();
        let path = path(&scenario, &record.begin.key.variant);
        if n % 2 == 0 {
            check(&path, &Snapshot::new(Metadata::default(), "before"), Mode::Always).unwrap();
        }
        check(&path, &snapshot, Mode::New).unwrap();
    }
    let record = structure();
    let snapshot = Snapshot::from_record(&record, "scenarios/s.yaml").unwrap();
    check(&path(&scenario, &record.begin.key.variant), &snapshot, Mode::New).unwrap();
    let odd = Metadata {
        source: Some("scenarios/@: odd.yaml".into()),
        assertion_line: Some(3),
        description: Some("yes".into()),
        expression: Some("a + b".into()),
        info: Some("\n  key: 1\n  list:\n    - \"x: y\"".into()),
        input_file: Some("0x1F".into()),
    };
    check(&scenario.with_file_name("deep/snapshots/odd@p.m.full.snap"), &Snapshot::new(odd, "body"), Mode::New)
        .unwrap();
    project
}

fn files(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path).into_iter().map(|(below, text)| (path.join(below), text)));
        } else {
            files.insert(path.clone(), fs::read_to_string(&path).unwrap());
        }
    }
    files.into_iter().map(|(path, text)| (path.strip_prefix(folder).unwrap().to_owned(), text)).collect()
}

fn cargo_insta(project: &Path, command: &str) -> std::io::Result<String> {
    let mut process = Command::new("cargo-insta");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"INSTA_")) {
        process.env_remove(name);
    }
    process
        .args(["insta", command, "--manifest-path", STUB_MANIFEST])
        .current_dir(project)
        .env("CARGO_NET_OFFLINE", "true");
    let output = process.output()?;
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{command}: {stdout}\n{}", String::from_utf8_lossy(&output.stderr));
    Ok(stdout)
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that was left out must not look like one that passed")]
fn cargo_insta_finds_and_accepts_our_snapshots_byte_for_byte_as_we_do() {
    let (ours, theirs) = (project(), project());
    assert_eq!(files(ours.path()), files(theirs.path()));
    let listed = match cargo_insta(theirs.path(), "pending-snapshots") {
        Ok(listed) => listed,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let required = std::env::var_os("CHAT_EVAL_REQUIRE_CARGO_INSTA").is_some_and(|value| value == "1");
            assert!(!required, "cargo-insta is not on the PATH: `cargo install cargo-insta --version 1.49.0 --locked`");
            eprintln!("LEFT OUT: cargo-insta is not on the PATH, so our accept was not compared with its own");
            return;
        }
        Err(error) => panic!("cargo-insta: {error}"),
    };

    let pending = find(ours.path()).unwrap();
    assert_eq!(pending.len(), HOSTILE.len() + 2);
    for path in &pending {
        let target = Pending::load(path).unwrap().target;
        let name = target.file_name().unwrap().to_str().unwrap();
        assert!(listed.contains(name), "{name} is not in {listed}");
    }
    for record in [record("P 0", ""), structure()] {
        let name = file_name(&record.begin.key.variant);
        assert!(listed.contains(&name), "{name} is not in {listed}");
    }

    cargo_insta(theirs.path(), "accept").unwrap();
    for path in pending {
        Pending::load(&path).unwrap().accept().unwrap();
        assert!(!pending_path(&path).exists());
    }
    // Cargo leaves a lock file beside the stub manifest, which is nobody's snapshot.
    let [ours, theirs] = [ours, theirs].map(|project| files(&project.path().join("scenarios")));
    assert_eq!(ours, theirs);
    assert_eq!(ours.len(), HOSTILE.len() + 2);
    let structure = &ours[&Path::new("snapshots").join(file_name(&structure().begin.key.variant))];
    assert!(
        structure.contains("\nreplies · left out\n") && structure.ends_with("\nuser\n  [greeting]: {x}\n"),
        "{structure}"
    );
    assert!(ours.keys().all(|path| path.extension().is_some_and(|extension| extension == "snap")));
}
