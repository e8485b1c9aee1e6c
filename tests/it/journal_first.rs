//! The journal has everything first, and every report can be made of it again.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::support::answer::Answer;
use crate::support::sandbox::{Ran, Sandbox};
use crate::support::server::Server;

const TWO_TURNS: &str = "\
facts: {name: Priya}
turns:
  - user: My name is Priya.
  - {user: I work at Google., reply: Good for you.}
  - {user: What's my name?, expect: [{recalls: name}, {max_words: 2}]}
";

const DERIVED: [&str; 6] = ["transcripts.csv", "checks.csv", "retention.csv", "summary.csv", "run.json", "report.html"];

fn events(journal: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(journal).expect("a journal");
    text.lines().map(|line| serde_json::from_str(line).expect("an event")).collect()
}

/// The journal of the only run below a folder.
fn journal(results: &Path) -> PathBuf {
    let mut runs = std::fs::read_dir(results).expect("results").map(|entry| entry.unwrap().path());
    runs.find(|path| !path.is_symlink()).expect("a run").join("journal.jsonl")
}

#[test]
fn a_turn_is_in_the_journal_before_the_next_request_is_sent() {
    let place: Arc<Mutex<PathBuf>> = Arc::default();
    let found: Arc<Mutex<Vec<Value>>> = Arc::default();
    let (of_server, seen) = (Arc::clone(&place), Arc::clone(&found));
    let server = Server::start(move |request| {
        if request.number == 2 {
            *seen.lock().unwrap() = events(&journal(&of_server.lock().unwrap()));
        }
        Answer::reply(request, "Your name is Priya.")
    });
    let sandbox = Sandbox::with_bot(&server.base_url());
    *place.lock().unwrap() = sandbox.path().join("results");
    sandbox.write("s/one.yaml", TWO_TURNS);
    sandbox.run(&["run", "s", "--snapshots", "off"]).expect(1);

    let found = found.lock().unwrap();
    let names: Vec<&str> = found.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names[..3], ["run", "begin", "turn"]);
    assert_eq!((&found[2]["turn"], &found[2]["reply"]), (&Value::from(1), &Value::from("Your name is Priya.")));
    let whole = events(&sandbox.run_folder().join("journal.jsonl"));
    let turns: Vec<_> = whole.iter().filter(|event| event["event"] == "turn").map(|event| &event["turn"]).collect();
    assert_eq!(turns, [1, 2, 3]);
    let last: Vec<&Value> = whole.iter().rev().take(2).map(|event| &event["event"]).collect();
    assert_eq!(last, ["stop", "conversation"]);
}

#[test]
fn the_reports_made_again_from_the_journal_are_the_same_bytes() {
    let server = Server::saying("Your name is Priya.");
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", TWO_TURNS);
    let first = sandbox.run(&["run", "s", "--trials", "3", "--window", "1", "--window", "full", "--snapshots", "off"]);
    let first = first.expect(1);
    let run = sandbox.run_folder();
    let read = || DERIVED.map(|file| std::fs::read_to_string(run.join(file)).expect(file));
    let before = read();
    for file in DERIVED {
        std::fs::remove_file(run.join(file)).unwrap();
    }
    let id = run.file_name().unwrap().to_str().unwrap().to_owned();
    for name in [id.as_str(), "latest", "results/latest", run.to_str().unwrap()] {
        let again = sandbox.run(&["report", name]).expect(0);
        assert_eq!(read(), before, "{name}");
        let without_folder = |text: &str| text.lines().rev().skip(1).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(without_folder(&again.stdout), without_folder(&first.stdout), "{name}");
    }
    let ran = sandbox.run(&["report", "previous"]).expect(2);
    assert!(ran.stderr.contains("there is no run `previous`"), "{}", ran.stderr);
}

#[test]
fn latest_is_the_run_that_began_last_even_within_one_second() {
    let sandbox = Sandbox::new();
    sandbox.write("s/one.yaml", "turns: [{user: Hi}]");
    for _ in 0..4 {
        sandbox.run(&["run", "s", "--snapshots", "off"]).expect(0);
        let latest = sandbox.run_folder();
        let shown = sandbox.run(&["report", "latest"]).expect(0).stdout;
        let id = latest.file_name().unwrap().to_str().unwrap();
        assert!(shown.ends_with(&format!("{id}/report.html\n")), "{id} is the latest:\n{shown}");
    }
}

/// The disk is full, as far as a limit on the size of files can play that.
#[cfg(unix)]
#[test]
fn when_the_journal_takes_nothing_any_more_nothing_more_is_sent() {
    let server = Server::saying("Hello!");
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", "trials: 200\nturns: [{user: Hi}, {user: More}]");
    let limited = "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\"";
    let mut command = std::process::Command::new("sh");
    command.args(["-c", limited, env!("CARGO_BIN_EXE_chat-eval"), "run", "s", "-j", "3"]).current_dir(sandbox.path());
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let ran = Ran::from(command.output().unwrap()).expect(5);
    assert!(ran.stderr.contains("cannot write the journal"), "{}", ran.stderr);
    assert!(ran.stderr.contains("what was done until then is in "), "{}", ran.stderr);
    let sent = server.requests().len();
    // What it has is whole, and the reports can be made of it.
    let kept = events(&journal(&sandbox.path().join("results")));
    let turns = kept.iter().filter(|event| event["event"] == "turn").count();
    assert!(turns > 0 && (turns..=turns + 3).contains(&sent), "{sent} requests, {turns} turns kept");
    sandbox.run(&["report"]).expect(0);
}

#[test]
fn a_folder_that_cannot_be_written_fails_before_anything_is_sent() {
    let server = Server::saying("Hello!");
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", "turns: [{user: Hi}]");
    sandbox.write("taken", "a file");
    for out in ["taken", "taken/below", "/proc/chat-eval"] {
        let ran = sandbox.run(&["run", "s", "--out", out]).expect(2);
        assert!(ran.stderr.contains(&format!("cannot make the folder `{out}`")), "{}", ran.stderr);
        assert!(ran.stderr.contains("nothing was sent"), "{}", ran.stderr);
    }
    assert!(server.requests().is_empty());
    assert_eq!(sandbox.read("taken"), "a file");
}
