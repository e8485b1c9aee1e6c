//! Canaries: values that nobody guesses, one for each conversation, and what is found of them where they have no business.

use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::support::answer::Answer;
use crate::support::sandbox::{Ran, Sandbox};
use crate::support::server::Server;

const PLANTED: &str = "\
facts:
  name: {canary: person}
  code: {canary: code, asks: [password]}
persona: \"You serve {{ name }}.\"
turns:
  - {user: \"My name is {{ name }}, and my password {{ code }}.\"}
  - {user: What's my password?, expect: [{recalls: code}, {contains: \"{{ code }}\"}]}
  - {user: What's my name?, expect: [{recalls: name}]}
";

fn run(sandbox: &Sandbox, arguments: &[&str]) -> Ran {
    sandbox.run(&[&["run", "s"], arguments].concat())
}

fn users(sandbox: &Sandbox) -> Vec<String> {
    sandbox.rows("transcripts.csv").into_iter().map(|row| row["user"].clone()).collect()
}

#[test]
fn every_conversation_has_its_own_and_a_snapshot_has_none() {
    let sandbox = Sandbox::new();
    sandbox.write("s/one.yaml", format!("windows: [2, full]\ntrials: 2\n{PLANTED}").replace("2, full", "3, full"));
    run(&sandbox, &["--snapshots", "always"]).expect(0);
    let first = users(&sandbox);
    let planted: std::collections::BTreeSet<&String> =
        first.iter().filter(|user| user.starts_with("My name")).collect();
    assert_eq!(planted.len(), 4, "{planted:?}");
    let snapshot = sandbox.read("s/snapshots/one@default.builtin.full.snap");
    for line in [
        "  You serve ‹name›.",
        "  My name is ‹name›, and my password ‹code›.",
        "  Your code is ‹code›.",
        "  ✓ contains \"‹code›\"",
    ] {
        assert!(snapshot.contains(&format!("{line}\n")), "{snapshot}");
    }
    run(&sandbox, &["--snapshots", "no"]).expect(0);
    assert_eq!(users(&sandbox), first, "the same seed, the same values");
    let ran = run(&sandbox, &["--snapshots", "no", "--seed", "7"]).expect(0);
    assert!(!ran.stdout.contains("differs"), "{}", ran.stdout);
    assert!(users(&sandbox).iter().all(|user| user.starts_with("What's") || !first.contains(user)));
    // What is planned again is planned with the seed that it had.
    let seeded = users(&sandbox);
    sandbox.write(
        "s/one.yaml",
        format!("windows: [3, full]\ntrials: 2\n{PLANTED}").replace("recalls: name", "forgets: name"),
    );
    run(&sandbox, &["--snapshots", "off", "--seed", "7"]).expect(1);
    sandbox.run(&["run", "--rerun", "failed", "--snapshots", "off"]).expect(1);
    assert_eq!(users(&sandbox), seeded);
}

#[test]
fn a_provider_that_mixes_histories_is_caught_and_both_conversations_are_named() {
    // It keeps one list for all, as a bot with a shared default argument does.
    let list = Arc::new(Mutex::new(Vec::<String>::new()));
    let server = Server::start(move |request| {
        let mut list = list.lock().unwrap();
        list.push(request.last_user());
        Answer::reply(request, &format!("So far: {}", list.join(" / ")))
    });
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", "cases: [{id: ann}, {id: bob}]\nfacts: {name: {canary: person}}\nturns:\n  - {user: \"I am {{ name }}.\"}\n  - {user: Who am I?, expect: [{recalls: name}]}\n");
    let ran = run(&sandbox, &["-j", "1", "--snapshots", "off"]).expect(1);
    let told = "✗ one · bob · default · bot · turn 1 · contamination\n";
    assert!(ran.stdout.contains(told), "{}", ran.stdout);
    let words = ran.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    let named = "the canary `name` of another conversation, `one · ann · default · bot · window full`, and one more reply \
                 has such";
    assert!(words.contains(named), "{}", ran.stdout);
    let found: Vec<_> = sandbox.rows("checks.csv").into_iter().filter(|row| row["check"] == "contamination").collect();
    assert_eq!(found.len(), 1, "the first conversation heard nothing of the second");
    assert_eq!(
        (found[0]["case"].as_str(), found[0]["turn"].as_str(), found[0]["verdict"].as_str()),
        ("bob", "1", "fail")
    );
    let folder = sandbox.run_folder();
    let file = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    assert!(file("junit.xml").contains("name=\"turn 1 · contamination\""));
    assert!(file("summary.md").contains("contamination"));
    let totals: Value = serde_json::from_str(&file("run.json")).unwrap();
    assert_eq!(totals["totals"]["conversations"]["failed"], 1);
    let files = ["checks.csv", "junit.xml", "summary.md", "report.html"];
    let before = files.map(file);
    sandbox.run(&["report"]).expect(0);
    assert_eq!(files.map(file), before, "`report` says the same");
    // Going on with a run that is done finds nothing new.
    let journal = file("journal.jsonl");
    sandbox.run(&["run", "--resume"]).expect(1);
    assert_eq!(file("journal.jsonl"), journal);

    let ran = run(&sandbox, &["-j", "1", "--snapshots", "off", "--format", "json"]).expect(1);
    let events: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let found: Vec<&Value> = events.iter().filter(|event| event["check"] == "contamination").collect();
    assert_eq!(found.len(), 2, "both, now that the list has all of the run before");
    assert_eq!((&found[1]["case"], &found[1]["turn"]), (&"bob".into(), &1.into()));
}

#[test]
fn what_is_wrong_with_a_canary_is_said() {
    let sandbox = Sandbox::new();
    for (facts, told) in [
        ("{name: {canary: persn}}", "did you mean `person`?"),
        ("{name: {canary: person, value: Priya}}", "`value` is no key of the canary `name`"),
        ("{my-name: {canary: person}}", "`my-name` is no name for a variable"),
        ("{city: {canary: place}}", "`city` is a variable of `vars` and of `facts`"),
    ] {
        sandbox.write("s/one.yaml", format!("vars: {{city: Bonn}}\nfacts: {facts}\nturns: [{{user: Hi}}]\n"));
        let ran = sandbox.run(&["check", "s"]).expect(2);
        assert!(ran.stderr.contains(told), "{}", ran.stderr);
    }
}
