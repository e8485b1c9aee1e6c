//! `--triage`: whose fault it is that a reply does not have a fact, by calls that change no verdict.

use serde_json::Value;

use crate::support::answer::{Answer, Gate};
use crate::support::priced::{journal, priced, totals};
use crate::support::sandbox::{Ran, Sandbox};
use crate::support::server::{Request, Server};

const SCRIPT: &str = "\
params: {max_tokens: 20}
window: 1
facts: {name: Priya}
turns:
  - {user: My name is Priya.}
  - {user: I work at Google.}
  - {user: What's my name?, expect: [{recalls: name}]}
";

/// What a bot makes of what it hears: `reader` knows what it is sent, others do not.
fn bot(kind: &'static str) -> Server {
    Server::start(move |request| {
        let heard: Vec<String> = request.messages().into_iter().map(|(_, text)| text).collect();
        let (question, before) = heard.split_last().unwrap();
        let knows = match kind {
            "reader" => before.iter().any(|text| text.contains("Priya")),
            "short" => before.iter().any(|text| text == "Remember: name is Priya."),
            _ => false,
        };
        Answer::reply(
            request,
            match (question.as_str(), kind) {
                ("What's my name?", _) if knows => "Priya.",
                ("What's my name?", "chatty") => "Names are a fine thing to have.",
                ("What's my name?", _) => "I don't know your name.",
                _ => "Noted.",
            },
        )
    })
}

fn sandbox(server: &Server) -> Sandbox {
    let sandbox = priced(server, "");
    sandbox.write("s/one.yaml", SCRIPT);
    sandbox
}

fn run(sandbox: &Sandbox, arguments: &[&str]) -> Ran {
    sandbox.run(&[&["run", "s", "-j", "1", "--snapshots", "off", "--triage"], arguments].concat())
}

fn contents(request: &Request) -> Vec<String> {
    request.messages().into_iter().map(|(_, content)| content).collect()
}

fn detail(sandbox: &Sandbox) -> String {
    sandbox.rows("checks.csv")[0]["detail"].clone()
}

#[test]
fn a_failure_says_window_model_or_question() {
    for (kind, window, calls, told) in [
        ("reader", "1", 4, "triage: window; with the full history the reply has it"),
        ("short", "1", 5, "triage: model; only told just before the question it has it"),
        ("forgetful", "1", 5, "triage: model; told just before the question, it still does not know"),
        ("chatty", "1", 5, "triage: question; told just before it, the reply is about something else"),
        // What was sent is the full history already.
        ("chatty", "full", 4, "triage: question; told just before it, the reply is about something else"),
    ] {
        let server = bot(kind);
        let sandbox = sandbox(&server);
        let ran = run(&sandbox, &["--window", window]).expect(1);
        assert_eq!(server.requests().len(), calls, "{kind}");
        assert!(detail(&sandbox).ends_with(&format!("; {told}")), "{kind}: {}", detail(&sandbox));
        assert!(ran.stderr.contains("5 calls at most"), "{}", ran.stderr);
        assert!(ran.stdout.contains(&format!("{calls} calls in")), "{}", ran.stdout);
        let junit = std::fs::read_to_string(sandbox.run_folder().join("junit.xml")).unwrap();
        let summary = std::fs::read_to_string(sandbox.run_folder().join("summary.md")).unwrap();
        let label = told.split(';').next().unwrap();
        for text in [ran.stdout, junit, summary] {
            // Lines are as long as there is room.
            assert!(text.split_whitespace().collect::<Vec<_>>().join(" ").contains(label), "{text}");
        }
        assert_eq!(totals(&sandbox)["calls"], calls);
    }
}

#[test]
fn the_two_calls_have_the_whole_history_and_the_fact_restated_and_join_nothing() {
    let server = bot("short");
    let sandbox = sandbox(&server);
    sandbox.write("s/one.yaml", format!("persona: Be brief.\n{SCRIPT}  - {{user: And?}}\n"));
    run(&sandbox, &[]).expect(1);
    let requests = server.requests();
    let (name, work, question) = ("My name is Priya.", "I work at Google.", "What's my name?");
    assert_eq!(contents(&requests[2]), ["Be brief.", "Noted.", question]);
    assert_eq!(contents(&requests[3]), ["Be brief.", name, "Noted.", work, "Noted.", question]);
    assert_eq!(contents(&requests[4]), ["Be brief.", "Noted.", "Remember: name is Priya.", "Noted.", question]);
    assert_eq!(contents(&requests[5]), ["Be brief.", "I don't know your name.", "And?"]);
    let journal = journal(&sandbox);
    let calls: Vec<&Value> = journal.iter().filter(|event| event["event"] == "call").collect();
    assert_eq!(
        (&calls[0]["kind"], &calls[0]["turn"], &calls[1]["reply"]),
        (&"triage".into(), &3.into(), &"Priya.".into())
    );
    assert!(calls.iter().all(|call| call["cost_usd"].as_f64() > Some(0.0)), "{calls:?}");
    assert_eq!(sandbox.rows("transcripts.csv").len(), 4);
    let verdicts: Vec<String> = sandbox.rows("retention.csv").into_iter().map(|row| row["outcome"].clone()).collect();
    assert_eq!(verdicts, ["forgotten"], "no verdict changes");
}

#[test]
fn it_asks_nothing_where_the_fact_is_there_or_nobody_wants_it() {
    let server = bot("reader");
    let sandbox = sandbox(&server);
    sandbox.write("s/one.yaml", SCRIPT.replace("recalls", "forgets"));
    run(&sandbox, &[]).expect(0);
    sandbox.write("s/one.yaml", SCRIPT.replace("recalls: name", "forgets: name").replace("window: 1", "window: full"));
    run(&sandbox, &[]).expect(1);
    sandbox
        .write("s/one.yaml", SCRIPT.replace("{recalls: name}", "{recalls: name, known_failure: the window is small}"));
    run(&sandbox, &[]).expect(0);
    assert_eq!(server.requests().len(), 9);
}

#[test]
fn a_recording_has_the_calls_too_and_a_history_pinned_to_it_does_not() {
    let server = bot("short");
    let sandbox = sandbox(&server);
    run(&sandbox, &["--cassettes", "record"]).expect(1);
    let said = detail(&sandbox);
    let recorded = server.requests().len();
    assert_eq!(sandbox.read("s/cassettes/one.jsonl").matches("\"triage\":true").count(), 2);
    run(&sandbox, &["--offline"]).expect(1);
    assert_eq!((detail(&sandbox), server.requests().len()), (said, recorded));
    run(&sandbox, &["--history", "pinned"]).expect(1);
    assert_eq!(server.requests().len(), recorded);
    sandbox.write("s/one.yaml", SCRIPT.replace("My name is Priya.", "I am called Priya."));
    sandbox.run(&["run", "s", "-j", "1", "--snapshots", "off", "--cassettes", "record"]).expect(1);
    let ran = run(&sandbox, &["--offline"]).expect(1);
    assert!(detail(&sandbox).contains("; not triaged: not recorded"), "{}", ran.stdout);
}

#[test]
#[cfg(unix)]
fn a_run_that_is_killed_between_the_two_asks_only_the_second() {
    let gate = Gate::default();
    let of_server = gate.clone();
    let server = Server::start(move |request| {
        let answer = Answer::reply(request, "I don't know.");
        if request.number == 5 { answer.delay(&of_server) } else { answer }
    });
    let sandbox = sandbox(&server);
    let running = sandbox.start(&["run", "s", "-j", "1", "--snapshots", "off", "--triage"]);
    server.wait_for_requests(5);
    running.signal("KILL");
    running.finish();
    sandbox.run(&["run", "--resume"]).expect(1);
    let requests = server.requests();
    assert_eq!(requests.len(), 6);
    assert_eq!(requests[5].messages(), requests[4].messages());
    gate.open();
    assert!(detail(&sandbox).ends_with("it still does not know"), "{}", detail(&sandbox));
    assert_eq!(journal(&sandbox).iter().filter(|event| event["event"] == "call").count(), 2);
}
