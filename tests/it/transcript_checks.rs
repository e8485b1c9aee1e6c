//! Checks on the whole transcript: what a persona keeps to over its turns, and where it first does not.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::support::answer::{Answer, completion};
use crate::support::sandbox::{Ran, Sandbox};
use crate::support::server::{Request, Server};

/// A tutor that gets longer and longer, says the same twice, and names what it should ask for.
const DRIFTING: &str = "\
persona: Answer in at most five words.
turns:
  - {user: One, id: first}
  - {user: Canned, reply: These are far more than five words of a canned reply.}
  - {user: Three}
  - {user: Four}
  - {user: Five, id: last}
probes:
  - {user: Aside}
expect:
  - {always: {max_words: 5}, name: stays short}
  - {always: {max_words: 5}, until: first}
  - {never: {contains: boat}}
  - {eventually: {contains: goodbye}, from: 3}
  - {eventually: {contains: ship}}
  - {contains_in_order: [hello, train, goodbye]}
  - {contains_in_order: [goodbye, hello]}
  - no_repeated_reply: true
  - not: {always: {max_words: 5}, until: first}
";

fn said(user: &str) -> &'static str {
    match user {
        "One" => "Hello there.",
        "Three" => "You could take the train, or a boat, if you like.",
        "Four" => "HELLO  there.",
        "Five" => "Well, that is all that there was: Goodbye!",
        _ => "This is a probe, and far too long to be of five words.",
    }
}

fn answer(request: &Request) -> Answer {
    Answer::reply(request, said(&request.last_user()))
}

fn drifting(server: &Server) -> Sandbox {
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/drift.yaml", DRIFTING);
    sandbox
}

fn run(sandbox: &Sandbox, arguments: &[&str]) -> Ran {
    sandbox.run(&[&["run", "s", "-j", "1"], arguments].concat())
}

/// Turn, check, expected, verdict and detail of each row.
fn checks(sandbox: &Sandbox) -> Vec<[String; 5]> {
    let rows = sandbox.rows("checks.csv").into_iter();
    rows.map(|row| ["turn", "check", "expected", "verdict", "detail"].map(|column| row[column].clone())).collect()
}

fn of_transcript(sandbox: &Sandbox) -> Vec<(String, String)> {
    checks(sandbox)
        .into_iter()
        .filter(|[turn, ..]| turn.is_empty())
        .map(|[.., verdict, detail]| (verdict, detail))
        .collect()
}

fn file(sandbox: &Sandbox, name: &str) -> String {
    std::fs::read_to_string(sandbox.run_folder().join(name)).unwrap()
}

#[test]
fn a_persona_that_drifts_is_told_where_it_did_first() {
    let server = Server::start(answer);
    let sandbox = drifting(&server);
    let ran = run(&sandbox, &["--snapshots", "always", "--format", "plain"]).expect(1);
    let rows: Vec<String> = checks(&sandbox).iter().map(|row| row.join(" | ")).collect();
    // The turn that broke it is quoted.
    let failures =
        ran.stdout.split_once("\n✗ drift · ").unwrap().1.split_once("\n0 passed").map_or("", |(shown, _)| shown);
    let snapshot = sandbox.read("s/snapshots/drift@default.bot.full.snap");
    let snapshot = snapshot.split_once("\ntranscript\n").unwrap().1;
    insta::assert_snapshot!("drift", [&rows.join("\n"), failures, snapshot].join("\n\n"));
    let junit = file(&sandbox, "junit.xml");
    let case = junit.split("name=\"stays short\"").nth(1).unwrap().split("</testcase>").next().unwrap();
    assert!(case.contains("first broken in turn 3 (2 of 4 replies)"), "{case}");
    assert!(case.contains("reply\n  You could take the train, or a boat"), "{case}");
    let summary = file(&sandbox, "summary.md");
    assert!(summary.contains("`stays short`") && summary.contains("first broken in turn 3"), "{summary}");
    let github = run(&sandbox, &["--snapshots", "off", "--format", "github"]).expect(1);
    let annotation = github.stdout.lines().find(|line| line.starts_with("::error") && line.contains("stays short"));
    assert!(annotation.unwrap().contains("line=11,col=5,title=drift · default · bot · stays short"), "{annotation:?}");
}

#[test]
fn what_was_decided_is_the_same_from_the_journal_alone_and_in_another_run() {
    let server = Server::start(answer);
    let sandbox = drifting(&server);
    run(&sandbox, &["--snapshots", "off"]).expect(1);
    let before = file(&sandbox, "checks.csv");
    sandbox.run(&["report", "latest"]).expect(0);
    assert_eq!(file(&sandbox, "checks.csv"), before);
    run(&sandbox, &["--snapshots", "off"]).expect(1);
    let compared = sandbox.run(&["compare", "previous", "latest", "--fail-on", "worse"]).expect(0);
    assert!(!compared.stdout.contains("got worse:"), "{}", compared.stdout);
}

/// A script of four turns whose third call fails for good until it is mended.
const BREAKING: &str = "\
turns: [{user: One}, {user: Three}, {user: Four}, {user: Five}]
probes: [{user: Aside}]
expect:
  - {always: {max_words: 5}}
  - {always: {max_words: 50}}
  - {always: {max_words: 50}, until: 2}
  - {never: {contains: boat}}
  - {never: {contains: submarine}}
  - {eventually: {contains: train}}
  - {eventually: {contains: goodbye}}
  - {contains_in_order: [hello, train]}
  - {contains_in_order: [hello, goodbye]}
  - {no_repeated_reply: true}
";

#[test]
fn of_a_conversation_that_broke_off_only_what_the_rest_cannot_change_is_decided_and_the_rest_when_it_goes_on() {
    let has_failed = AtomicBool::new(false);
    let server = Server::start(move |request| match request.last_user().as_str() {
        "Four" if !has_failed.swap(true, Ordering::Relaxed) => Answer::error(400, "bad_request", "not that"),
        _ => answer(request),
    });
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", BREAKING);
    run(&sandbox, &["--snapshots", "off"]).expect(1);
    let verdicts =
        |sandbox: &Sandbox| of_transcript(sandbox).into_iter().map(|(verdict, _)| verdict).collect::<Vec<_>>();
    assert_eq!(verdicts(&sandbox), ["fail", "skip", "pass", "fail", "skip", "pass", "skip", "pass", "skip", "skip"]);
    let open = of_transcript(&sandbox).remove(1).1;
    assert_eq!(open, "the conversation ended before its last turn");

    run_on(&sandbox);
    assert_eq!(verdicts(&sandbox), ["fail", "pass", "pass", "fail", "pass", "pass", "pass", "pass", "pass", "fail"]);
    let journal = file(&sandbox, "journal.jsonl");
    let events: Vec<Value> = journal.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // What stayed as it was is not written again.
    let written =
        |index: u64| events.iter().filter(|event| event["event"] == "check" && event["index"] == index).count();
    assert_eq!([written(2), written(5), written(7), written(1)], [1, 1, 1, 2]);
}

fn run_on(sandbox: &Sandbox) {
    sandbox.run(&["run", "--resume", "latest"]).expect(1);
}

#[test]
fn marks_models_and_trials_hold_for_them_too() {
    let server = Server::start(answer);
    let sandbox = Sandbox::with_bot(&server.base_url());
    let scenario = "\
models: [bot, builtin]
trials: 2
turns: [{user: One}, {user: Three}]
expect:
  - {always: {max_words: 5}, known_failure: rambles, models: [bot]}
  - {always: {max_words: 50}, known_failure: {why: none, models: [bot]}}
  - {never: {contains: boat}, needs_model: true, name: no boats}
";
    sandbox.write("s/one.yaml", scenario);
    run(&sandbox, &["--snapshots", "off"]).expect(1);
    let verdicts: Vec<String> = checks(&sandbox).into_iter().map(|[_, _, _, verdict, _]| verdict).collect();
    // Of several trials one that holds in spite of its mark is no failure: the decision over all of them is.
    let (bot, builtin) = (["known_failure", "pass", "fail"], ["skip", "pass", "skip"]);
    assert_eq!(verdicts, [bot, bot, builtin, builtin].concat());
    sandbox
        .write("s/one.yaml", "models: [bot]\ntrials: 5\nturns: [{user: Three}]\nexpect: {never: {contains: boat}}\n");
    run(&sandbox, &["--snapshots", "off", "--until-decided"]).expect(1);
    assert_eq!(of_transcript(&sandbox).len(), 1, "one trial decides it");
}

#[test]
fn replies_that_cannot_be_judged_leave_open_what_hangs_on_them() {
    let server = Server::start(|request| {
        let mut body = completion(said(&request.last_user()));
        if request.last_user() == "Four" {
            body["choices"][0]["finish_reason"] = "length".into();
        }
        Answer::json(&body)
    });
    let sandbox = Sandbox::with_bot(&server.base_url());
    let scenario = "\
turns: [{user: One}, {user: Four}]
expect:
  - {always: {max_words: 5}}
  - {always: {max_words: 1}}
  - {never: {contains: there}}
  - {never: {contains: boat}}
  - {eventually: {contains: there}}
  - {eventually: {contains: boat}}
  - {contains_in_order: [hello, there]}
  - {contains_in_order: [hello, boat]}
  - {no_repeated_reply: true}
";
    sandbox.write("s/one.yaml", scenario);
    run(&sandbox, &["--snapshots", "off"]).expect(1);
    let verdicts: Vec<String> = of_transcript(&sandbox).into_iter().map(|(verdict, _)| verdict).collect();
    let (pass, fail, unknown) = ("pass", "fail", "unknown");
    assert_eq!(verdicts, [unknown, fail, fail, unknown, pass, unknown, pass, unknown, unknown]);
}

#[test]
fn a_variable_that_a_turn_captures_is_known_to_them() {
    let server = Server::start(|request| {
        let text = if request.last_user() == "One" { "Your ticket is T-77." } else { "T-77 is lost." };
        Answer::reply(request, text)
    });
    let sandbox = Sandbox::with_bot(&server.base_url());
    let scenario = "\
turns: [{user: One, capture: {ticket: '(T-[0-9]+)'}}, {user: Two}]
expect: {always: {contains: '{{ ticket }}'}}
";
    sandbox.write("s/one.yaml", scenario);
    run(&sandbox, &["--snapshots", "off"]).expect(0);
    assert_eq!(checks(&sandbox)[0], ["", "always", "contains \"T-77\"", "pass", ""]);
    // Before it is captured nothing is known of it.
    sandbox.write("s/one.yaml", scenario.replace("T-[0-9]+", "U-[0-9]+"));
    run(&sandbox, &["--snapshots", "off"]).expect(3);
    assert_eq!(checks(&sandbox)[0][3], "skip");
}

#[test]
fn what_belongs_beside_always_is_told_its_place_and_once() {
    let told = |check: &str| {
        let sandbox = Sandbox::new();
        sandbox.write("s/one.yaml", format!("turns: [{{user: Hi}}, {{user: Ho}}]\nexpect: [{check}]\n"));
        sandbox.run(&["check", "s"]).expect(2).stderr
    };
    let text = told("{always: {contains: x, from: 2}}");
    assert!(text.contains("help: `from` stands beside `always`: `{always: {…}, from: 2}`"), "{text}");
    assert!(!text.contains("known are"), "{text}");
    for check in ["{always: {always: {contains: x}}}", "{never: {from: 2}}", "{always: {contans: x}}"] {
        let text = told(check);
        assert_eq!(text.matches("error[").count(), 1, "{check}: {text}");
    }
}
