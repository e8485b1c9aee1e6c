//! One broken input for each kind of diagnostic, with the exact words that the user reads.
//!
//! `tests/fixtures/invalid/` holds them: `CODE.yaml` or, where one is not enough, `CODE.WHAT.yaml` is a scenario; a folder of
//! such a name is a whole project. The few that cannot lie in a repository are made here. A new code without its fixture
//! fails a test, and so does a fixture that does not give the code that it is named after.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use chat_eval::diagnostic::Code;

use crate::support::sandbox::{Ran, Sandbox};
use crate::support::server::Server;

/// Codes whose inputs are made by tests, below, in `cassettes.rs`, in `controls.rs`, in `import.rs` and in `lint.rs`: too large, no text, a
/// matter of the file system, or nothing that keeps a run from being played.
const MADE: [Code; 14] = [
    Code::CanNeverPass,
    Code::OnlyByReply,
    Code::AnswerInQuestion,
    Code::OrphanReply,
    Code::NeverPlanted,
    Code::UnusedFact,
    Code::MissingPath,
    Code::Unreadable,
    Code::FileTooLarge,
    Code::NotUtf8,
    Code::TooManyCases,
    Code::UnusableCassette,
    Code::CannotFail,
    Code::InvalidImport,
];

/// Codes that only `run` gives: `check` needs no keys, calls nobody, starts nothing and spends nothing.
const ONLY_RUN: [&str; 5] =
    ["missing-api-key", "missing-max-tokens", "missing-price", "program-not-allowed", "unusable-model"];

fn fixtures() -> BTreeMap<String, PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/invalid");
    let entries = std::fs::read_dir(folder).expect("the fixtures").map(|entry| entry.expect("a fixture").path());
    let named = entries.map(|path| {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        (name.trim_end_matches(".yaml").to_owned(), path)
    });
    named.collect()
}

/// The kind of diagnostic that a fixture is for.
fn code(fixture: &str) -> &str {
    fixture.split('.').next().expect("a name")
}

/// A folder with the fixture in it.
fn project(fixture: &Path) -> Sandbox {
    let sandbox = Sandbox::new().env("TEST_KEY", "sk-test");
    if fixture.is_file() {
        let name = fixture.file_name().expect("a name").to_string_lossy();
        sandbox.write(&format!("scenarios/{name}"), std::fs::read(fixture).expect("the fixture"));
        return sandbox;
    }
    for entry in ignore::WalkBuilder::new(fixture).standard_filters(false).build() {
        let path = entry.expect("an entry").into_path();
        if path.is_file() {
            let inner = path.strip_prefix(fixture).expect("below").to_string_lossy().into_owned();
            sandbox.write(&inner, std::fs::read(&path).expect("a file"));
        }
    }
    sandbox
}

fn shown(command: &str, ran: &Ran) -> String {
    let stdout = if ran.stdout.is_empty() { String::new() } else { format!("{}\n", ran.stdout) };
    format!("$ chat-eval {command} scenarios\n{stdout}{}\nexit code {}", ran.stderr, ran.code.expect("a code"))
}

/// What is said of a fixture.
fn said(name: &str, path: &Path) -> String {
    let sandbox = project(path);
    let run = sandbox.run(&["run", "scenarios"]).expect(2);
    assert!(run.stdout.is_empty(), "{name}: {}", run.stdout);
    assert!(!sandbox.has("results"), "{name}: a run's folder was made");
    if ONLY_RUN.contains(&code(name)) {
        return shown("run", &run);
    }
    let check = sandbox.run(&["check", "scenarios"]).expect(2);
    assert_eq!(check.stderr, run.stderr, "{name}: `check` and `run` say the same");
    shown("check", &check)
}

#[test]
fn each_message_says_where_what_and_how_to_mend_it() {
    let fixtures: Vec<(String, PathBuf)> = fixtures().into_iter().collect();
    let said: Vec<(String, String)> = std::thread::scope(|scope| {
        let threads: Vec<_> = fixtures
            .chunks(fixtures.len().div_ceil(4))
            .map(|part| {
                scope.spawn(|| part.iter().map(|(name, path)| (name.clone(), said(name, path))).collect::<Vec<_>>())
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a fixture")).collect()
    });
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("snapshots/invalid");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let _bound = settings.bind_to_scope();
    for (name, text) in said {
        // A hundred times the same is not worth reading; the end of it is.
        let text = if name == "too-many-errors" { last_lines(&text, 16) } else { text };
        assert!(text.contains(&format!("error[{}]", code(&name))), "{name}:\n{text}");
        insta::assert_snapshot!(name, text);
    }
}

fn last_lines(text: &str, number: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(number)..].join("\n")
}

#[test]
fn every_code_has_its_fixture_and_every_fixture_a_code() {
    let fixtures = fixtures();
    let present: BTreeSet<&str> = fixtures.keys().map(|name| code(name)).chain(MADE.map(Code::as_str)).collect();
    let known: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(known.difference(&present).collect::<Vec<_>>(), Vec::<&&str>::new(), "codes without a fixture");
    assert_eq!(present.difference(&known).collect::<Vec<_>>(), Vec::<&&str>::new(), "fixtures without a code");
    assert_eq!(known.len(), Code::ALL.len(), "two codes of one word");
}

#[test]
fn every_code_is_used_somewhere() {
    let files = ignore::WalkBuilder::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).build();
    let sources: String = files
        .filter_map(Result::ok)
        .filter(|entry| entry.path().is_file() && !entry.path().starts_with("diagnostic"))
        .map(|entry| std::fs::read_to_string(entry.path()).expect("a source"))
        .collect();
    let unused: Vec<String> = Code::ALL
        .iter()
        .map(|code| format!("Code::{code:?}"))
        .filter(|name| !sources.contains(name.as_str()))
        .collect();
    assert_eq!(unused, Vec::<String>::new());
}

const GOOD: &str = "turns:\n  - user: Hello\n";

#[test]
fn one_bad_file_among_good_ones_and_nothing_is_sent_with_all_errors_of_all_files_shown() {
    let server = Server::saying("Hello!");
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("scenarios/a.yaml", GOOD);
    sandbox
        .write("scenarios/b.yaml", "trails: 2\nturns:\n  - usr: Hello\n  - user: Bye\n    expect: {max_words: many}\n");
    sandbox.write("scenarios/c.yaml", "turns: [\n");
    sandbox.write("scenarios/d.yaml", "window: 0\nturns:\n  - user: Hello\n");
    let ran = sandbox.run(&["run", "scenarios", "scenarios/e.yaml"]).expect(2);
    for expected in [
        "error[missing-path]: `scenarios/e.yaml` does not exist",
        "scenarios/b.yaml:1:1",
        "scenarios/b.yaml:3:5",
        "scenarios/b.yaml:5:25",
        "scenarios/c.yaml:",
        "scenarios/d.yaml:1:9",
        "6 errors; nothing was sent",
    ] {
        assert!(ran.stderr.contains(expected), "{expected}\n{}", ran.stderr);
    }
    assert!(server.requests().is_empty());
    assert!(!sandbox.has("results"));

    sandbox.write("scenarios/b.yaml", "name: b\nturns:\n  - user: Hello\n");
    sandbox.write("scenarios/c.yaml", "name: c\nturns:\n  - user: Hello\n");
    sandbox.write("scenarios/d.yaml", "name: d\nturns:\n  - user: Hello\n");
    sandbox.run(&["run", "scenarios"]).expect(0);
    assert_eq!(server.requests().len(), 4, "the same folder without the errors is played");
}
