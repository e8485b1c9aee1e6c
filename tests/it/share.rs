//! Shared turns: what variants of a scenario would send alike, at one place in one trial, is sent once.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::support::answer::{Answer, Gate};
use crate::support::priced::{journal, priced, totals};
use crate::support::sandbox::{Ran, Sandbox};
use crate::support::server::{Request, Server};

const SWEEP: &str = "\
windows: [1, 2, 4, full]
facts: {name: Priya}
turns:
  - {user: My name is Priya.}
  - {user: one}
  - {user: two}
  - {user: three}
  - {user: four}
  - {user: five}
  - {user: six}
  - {user: What's my name?, expect: [{retains_iff_visible: name}]}
";

const USERS: [&str; 8] = ["My name is Priya.", "one", "two", "three", "four", "five", "six", "What's my name?"];

/// What the server says to messages: another text to each other number of them.
fn said(messages: usize) -> String {
    format!("Priya, after {messages}.")
}

fn server() -> Server {
    Server::start(|request| Answer::reply(request, &said(request.messages().len())))
}

/// The requests that differ in turn or messages, reckoned with the rule of the window alone: the last `2N` messages.
fn distinct_requests(windows: &[usize]) -> usize {
    let mut requests = HashSet::new();
    for window in windows {
        let mut list: Vec<String> = Vec::new();
        for (turn, user) in USERS.iter().enumerate() {
            list.push((*user).to_owned());
            let sent = list[list.len().saturating_sub(2 * window)..].to_vec();
            list.push(said(sent.len()));
            requests.insert((turn, sent));
        }
    }
    requests.len()
}

fn run(sandbox: &Sandbox, arguments: &[&str]) -> Ran {
    sandbox.run(&[&["run", "s", "--snapshots", "off"], arguments].concat())
}

fn sources(sandbox: &Sandbox) -> BTreeMap<String, usize> {
    let mut sources = BTreeMap::new();
    for row in sandbox.rows("transcripts.csv") {
        *sources.entry(row["source"].clone()).or_default() += 1;
    }
    sources
}

#[test]
fn the_common_beginning_of_a_window_sweep_is_paid_for_once() {
    let server = server();
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", SWEEP);
    let expected = distinct_requests(&[1, 2, 4, usize::MAX / 2]);
    // Turn 1 alike in all, turn 2 in all but one, 3 and 4 in two.
    assert_eq!(expected, 32 - 3 - 2 - 1 - 1);
    let ran = run(&sandbox, &["-j", "1"]).expect(0);
    assert_eq!(server.requests().len(), expected);
    assert!(ran.stdout.contains("25 calls in"), "{}", ran.stdout);
    assert!(ran.stdout.contains("7 calls saved, since another sent the same"), "{}", ran.stdout);
    assert_eq!(sources(&sandbox), BTreeMap::from([("live".to_owned(), 25), ("shared".to_owned(), 7)]));
    let calls = totals(&sandbox);
    assert_eq!((&calls["calls"], &calls["replies"]["shared"]), (&25.into(), &7.into()));
    let shared = sandbox.rows("transcripts.csv").into_iter().find(|row| row["source"] == "shared").unwrap();
    assert_eq!((shared["window"].as_str(), shared["turn"].as_str()), ("2", "1"), "the first of them is the sender");
    assert_eq!((shared["tokens_sent"].as_str(), shared["attempts"].as_str()), ("7", "0"));
    assert!(shared["cost_usd"].is_empty() && shared["latency_ms"].is_empty(), "{shared:?}");

    run(&sandbox, &["--no-share"]).expect(0);
    assert_eq!(server.requests().len(), expected + 32);
    assert_eq!(sources(&sandbox), BTreeMap::from([("live".to_owned(), 32)]));
}

#[test]
fn who_sent_it_first_is_in_no_table() {
    let tables = ["1", "64"].map(|concurrency| {
        let server = server();
        let sandbox = priced(&server, "");
        sandbox.write("s/one.yaml", SWEEP.replace("windows:", "trials: 3\nwindows:"));
        sandbox.write("s/two.yaml", SWEEP.replace("[1, 2, 4, full]", "[full, 4, 2, 1]"));
        run(&sandbox, &["-j", concurrency]).expect(0);
        assert_eq!(server.requests().len(), 4 * 25);
        sandbox.steady_tables()
    });
    assert_eq!(tables[0], tables[1]);
}

#[test]
fn the_first_in_the_plan_has_the_call_though_another_made_it() {
    let gate = Gate::default();
    let of_server = gate.clone();
    // The first conversation of the plan hangs in a request of its own, until the others are done.
    let server = Server::start(move |request| {
        let answer = Answer::text("Fine.");
        if request.last_user() == "alone" { answer.delay(&of_server) } else { answer }
    });
    let sandbox = priced(&server, "");
    let scenario = "\
matrix: {word: [alone, together, together again]}
turns: [{user: \"{{ word }}\"}, {user: Hi}]
window: none
";
    sandbox.write("s/one.yaml", scenario);
    let running = sandbox.start(&["run", "s", "-j", "3", "--snapshots", "off"]);
    server.wait_for_requests(4);
    gate.open();
    running.finish().expect(0);
    assert_eq!(server.requests().len(), 4, "`Hi` is sent once");
    let rows = sandbox.rows("transcripts.csv");
    let told: Vec<(&str, bool)> =
        rows.iter().map(|row| (row["source"].as_str(), !row["cost_usd"].is_empty())).collect();
    let (live, shared) = (("live", true), ("shared", false));
    assert_eq!(told, [live, live, live, shared, live, shared]);
    let journal = journal(&sandbox);
    let hi =
        |plan: u32| journal.iter().find(|line| line["plan"] == plan && line["turn"] == 2 && line["event"] == "turn");
    let first = hi(0).unwrap();
    let sender = first["shared_from"].as_u64().expect("that it has it from another");
    assert_eq!((first["source"].as_str(), first["cost_usd"].as_f64()), (Some("shared"), None));
    assert_eq!(hi(u32::try_from(sender).unwrap()).unwrap()["source"], "live");
    let before = sandbox.read("results/latest/transcripts.csv");
    sandbox.run(&["report"]).expect(0);
    assert_eq!(sandbox.read("results/latest/transcripts.csv"), before);
}

#[test]
fn personas_cases_trials_and_other_places_share_nothing() {
    for (scenario, requests) in [
        ("personas: [{name: a, system: Be a.}, {name: b, system: Be b.}]\nturns: [{user: Hi}]", 2),
        ("personas: [{name: a, system: Be.}, {name: b, system: Be.}]\nturns: [{user: Hi}]", 1),
        ("cases: [{x: 1}, {x: 2}]\nwindows: [1, full]\nturns: [{user: Hi}]", 2),
        ("trials: 3\nwindows: [1, full]\nturns: [{user: Hi}]", 3),
        ("windows: [none, full]\nturns: [{user: Hi}, {user: Hi}]", 3),
        ("window: none\nturns: [{user: Hi}, {user: Hi}]", 2),
        ("window: none\nmatrix: {n: [0, 1]}\nturns: [{filler: \"{{ n }}\"}, {user: Hi}]", 2),
    ] {
        let server = Server::saying("Fine.");
        let sandbox = Sandbox::with_bot(&server.base_url());
        sandbox.write("s/one.yaml", scenario);
        run(&sandbox, &[]).expect(0);
        assert_eq!(server.requests().len(), requests, "{scenario}");
    }
}

#[test]
fn a_request_that_is_refused_is_refused_for_all_who_send_it() {
    let server = Server::start(|request| match request.last_user().as_str() {
        "one" if request.messages().len() > 2 => Answer::error(400, "bad", "not today"),
        _ => Answer::text("Fine."),
    });
    let tables = ["1", "64"].map(|concurrency| {
        let sandbox = Sandbox::with_bot(&server.base_url());
        let before = server.requests().len();
        sandbox.write("s/one.yaml", SWEEP);
        run(&sandbox, &["-j", concurrency]).expect(3);
        let refused = server.requests()[before..].iter().filter(|request| request.messages().len() == 3).count();
        assert_eq!(refused, 1);
        let errors = sandbox.rows("transcripts.csv").into_iter().filter(|row| !row["error"].is_empty());
        assert_eq!(errors.count(), 3);
        sandbox.steady_tables()
    });
    assert_eq!(tables[0], tables[1]);
}

/// An outage hit whoever came later once more, and its row said so.
#[test]
fn a_call_that_fails_after_its_retries_has_failed_for_all_who_would_send_it_whoever_comes_later() {
    let server = Server::start(|request| match request.last_user().as_str() {
        "one" if request.messages().len() > 2 => Answer::error(503, "overloaded", "come back later"),
        _ => Answer::text("Fine."),
    });
    let tables = ["1", "2", "64"].map(|concurrency| {
        let sandbox = Sandbox::with_bot(&server.base_url());
        let before = server.requests().len();
        sandbox.write("s/one.yaml", SWEEP);
        run(&sandbox, &["-j", concurrency, "--retries", "0"]).expect(3);
        let failed = server.requests()[before..].iter().filter(|request| request.messages().len() == 3).count();
        assert_eq!(failed, 1, "-j {concurrency}");
        let rows = sandbox.rows("transcripts.csv");
        let told: Vec<(&str, &str)> = rows
            .iter()
            .filter(|row| !row["error"].is_empty())
            .map(|row| (row["window"].as_str(), row["source"].as_str()))
            .collect();
        assert_eq!(told, [("2", "live"), ("4", "shared"), ("full", "shared")], "-j {concurrency}");
        sandbox.steady_tables()
    });
    assert_eq!(tables[0], tables[1]);
    assert_eq!(tables[0], tables[2]);
}

#[test]
fn what_the_journal_holds_is_shared_when_the_run_goes_on() {
    let is_mended = Arc::new(AtomicBool::new(false));
    let of_server = Arc::clone(&is_mended);
    // Window 1 gets no further than turn 1; the others are played while it is broken.
    let server = Server::start(move |request| {
        let is_broken = request.messages().len() == 2 && !of_server.load(Ordering::Relaxed);
        if is_broken {
            return Answer::error(400, "bad", "not today");
        }
        Answer::reply(request, &said(request.messages().len()))
    });
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", SWEEP);
    run(&sandbox, &[]).expect(3);
    let before = server.requests().len();
    is_mended.store(true, Ordering::Relaxed);
    sandbox.run(&["run", "--resume"]).expect(0);
    let requests = server.requests();
    let asked = |requests: &[Request]| -> BTreeSet<_> { requests.iter().map(Request::messages).collect() };
    let twice: Vec<_> = asked(&requests[..before]).intersection(&asked(&requests[before..])).cloned().collect();
    // Nothing but what was refused, by which window 1 is told.
    assert_eq!(twice.iter().map(Vec::len).collect::<Vec<_>>(), [2]);
    assert_eq!((asked(&requests).len(), requests.len()), (25, 26));
    let fresh = Sandbox::with_bot(&server.base_url());
    fresh.write("s/one.yaml", SWEEP);
    run(&fresh, &["-j", "1"]).expect(0);
    assert_eq!(sandbox.steady_tables(), fresh.steady_tables());
}

#[test]
fn a_part_of_a_sweep_that_is_done_gives_its_replies_to_the_rest() {
    let server = server();
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", SWEEP);
    run(&sandbox, &["-j", "1"]).expect(0);
    let whole = sandbox.steady_tables();
    // As if killed behind each of the journal's lines.
    let path = sandbox.run_folder().join("journal.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    for kept in [2, 5, 12, 14, 20, 30] {
        std::fs::write(&path, lines[..kept].join("\n") + "\n").unwrap();
        let known = lines[..kept].iter().filter(|line| line.contains(r#""source":"live""#)).count();
        let before = server.requests().len();
        sandbox.run(&["run", "--resume"]).expect(0);
        assert_eq!(server.requests().len() - before, 25 - known, "behind line {kept}");
        assert_eq!(sandbox.steady_tables(), whole, "behind line {kept}");
    }
}

#[test]
fn a_cap_counts_a_shared_call_once() {
    let server = server();
    let sandbox = priced(&server, "");
    sandbox.write("s/one.yaml", SWEEP.replace("facts:", "params: {max_tokens: 10}\nfacts:"));
    // Each of 25 calls costs ten dollars.
    run(&sandbox, &["--max-cost", "2000"]).expect(0);
    assert_eq!(totals(&sandbox)["cost_usd"], 250.0);
}

#[test]
fn a_sender_that_is_cut_off_leaves_nobody_waiting() {
    let server = Server::start(|_| Answer::hang());
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", SWEEP);
    run(&sandbox, &["--timeout", "0.05", "--retries", "0"]).expect(3);
    assert_eq!(server.requests().len(), 1, "all wait for one call, and it fails for all");
    let errors: BTreeSet<String> =
        sandbox.rows("transcripts.csv").into_iter().map(|row| row["error"].clone()).collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
}

#[test]
fn a_recording_is_the_same_whoever_shares() {
    let files = [&["-j", "1"][..], &["-j", "64"], &["--no-share"]].map(|arguments| {
        let server = server();
        let sandbox = Sandbox::with_bot(&server.base_url());
        sandbox.write("s/one.yaml", SWEEP);
        run(&sandbox, &[arguments, &["--cassettes", "record"]].concat()).expect(0);
        assert_eq!(server.requests().len(), 25);
        let tables = sandbox.steady_tables();
        (sandbox.read("s/cassettes/one.jsonl"), tables)
    });
    assert_eq!(files[0], files[1]);
    assert_eq!(files[0], files[2]);
}

#[test]
fn what_is_not_recorded_is_sent_once_and_what_is_replayed_is_not_shared() {
    let server = server();
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", SWEEP.replace("[1, 2, 4, full]", "[1]"));
    run(&sandbox, &["--cassettes", "record"]).expect(0);
    sandbox.write("s/one.yaml", SWEEP);
    let before = server.requests().len();
    run(&sandbox, &[]).expect(0);
    // Of the 25 the eight of window 1 are recorded.
    assert_eq!(server.requests().len() - before, 25 - 8);
    assert_eq!(sources(&sandbox)["cassette"], 8 + 3);
    assert_eq!(sources(&sandbox)["shared"], 2 + 1 + 1);
}

#[test]
fn the_embedded_model_answers_each_by_itself() {
    let sandbox = Sandbox::new();
    sandbox.write("s/one.yaml", SWEEP);
    run(&sandbox, &[]).expect(0);
    assert_eq!(sources(&sandbox), BTreeMap::from([("builtin".to_owned(), 32)]));
}

#[test]
fn a_shared_reply_is_shown_and_stands_in_snapshots_as_any_other() {
    let server = server();
    let (shared, alone) = (Sandbox::with_bot(&server.base_url()), Sandbox::with_bot(&server.base_url()));
    for (sandbox, flags) in [(&shared, &["--stream"][..]), (&alone, &["--stream", "--no-share"])] {
        sandbox.write("s/one.yaml", SWEEP);
        let ran = sandbox.run(&[&["run", "s", "--show", "--snapshots", "always"], flags].concat()).expect(0);
        assert_eq!(ran.stdout.matches("Priya, after 1.").count(), 4, "{}", ran.stdout);
    }
    let snapshots = |sandbox: &Sandbox| -> Vec<String> {
        sandbox.files("s/snapshots").iter().map(|file| sandbox.read(&format!("s/snapshots/{file}"))).collect()
    };
    assert_eq!(snapshots(&shared).len(), 4);
    assert_eq!(snapshots(&shared), snapshots(&alone));
    let manifest: Value = serde_json::from_str(&alone.read("results/latest/run.json")).unwrap();
    assert!(manifest["arguments"].to_string().contains("--no-share"));
}
