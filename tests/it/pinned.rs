//! `--history pinned[:RUN]`: each turn sees earlier replies of a recording or of a run, so that what fails in it is its own.

use crate::support::answer::Answer;
use crate::support::sandbox::{Ran, Sandbox};
use crate::support::server::Server;

const TRIP: &str = "\
persona: Be kind.
windows: [1, full]
turns:
  - user: My name is Priya.
  - user: Where to?
  - user: What's my name?
";

fn saying(word: &'static str) -> Server {
    Server::start(move |request| Answer::reply(request, &format!("{word} {}", request.messages().len())))
}

fn run(sandbox: &Sandbox, arguments: &[&str]) -> Ran {
    sandbox.run(&[&["run", "s", "--snapshots", "off"], arguments].concat())
}

/// What the assistant had said in the requests that reached a server, sorted.
fn heard(server: &Server) -> Vec<String> {
    let said = |messages: Vec<(String, String)>| {
        let replies = messages.into_iter().filter(|(role, _)| role == "assistant").map(|(_, text)| text);
        replies.collect::<Vec<_>>().join(", ")
    };
    let mut heard: Vec<String> = server.requests().iter().map(|request| said(request.messages())).collect();
    heard.sort();
    heard
}

/// Recorded with one model, played on with a persona that was changed and a model that says otherwise.
fn recorded() -> (Server, Sandbox) {
    let first = saying("old");
    let sandbox = Sandbox::with_bot(&first.base_url());
    sandbox.write("s/trip.yaml", TRIP);
    run(&sandbox, &["--cassettes", "record"]).expect(0);
    sandbox.write("s/trip.yaml", TRIP.replace("kind", "terse"));
    let second = saying("new");
    sandbox.point_bot_at(&second.base_url());
    (second, sandbox)
}

// Of window 1: nothing, the reply to turn 1, the reply to turn 2 (which had three messages); of the full one all of them, but
// for turn 1, which is sent once.
const OLD: [&str; 5] = ["", "old 2", "old 2", "old 2, old 4", "old 3"];

#[test]
fn every_turn_sees_what_was_recorded_and_not_what_is_said_now() {
    let (server, sandbox) = recorded();
    run(&sandbox, &["--history", "pinned"]).expect(0);
    assert_eq!(heard(&server), OLD);
    let replies: Vec<String> =
        sandbox.rows("transcripts.csv").into_iter().map(|mut row| row.remove("reply").unwrap()).collect();
    assert!(replies.iter().all(|reply| reply.starts_with("new ")), "{replies:?}");
    let tables = sandbox.steady_tables();
    sandbox.run(&["report", "latest"]).expect(0);
    assert_eq!(sandbox.steady_tables(), tables);
    // Live, it sees what it says itself.
    run(&sandbox, &[]).expect(0);
    assert!(heard(&server).iter().any(|heard| heard.contains("new ")));
}

#[test]
fn a_run_is_pinned_by_its_name() {
    let first = saying("old");
    let sandbox = Sandbox::with_bot(&first.base_url());
    sandbox.write("s/trip.yaml", TRIP);
    run(&sandbox, &[]).expect(0);
    let second = saying("new");
    sandbox.point_bot_at(&second.base_url());
    run(&sandbox, &["--history", "pinned:latest"]).expect(0);
    assert_eq!(heard(&second), OLD);
    let ran = run(&sandbox, &["--history", "pinned:nothing"]).expect(2);
    assert!(ran.stderr.contains("there is no run `nothing`"), "{}", ran.stderr);
}

#[test]
fn another_window_sees_the_replies_of_the_one_that_was_recorded() {
    let (server, sandbox) = recorded();
    run(&sandbox, &["--history", "pinned", "--window", "2"]).expect(0);
    assert_eq!(server.requests().len(), 3);
    assert!(heard(&server).iter().all(|heard| !heard.contains("new")), "{:?}", heard(&server));
}

#[test]
fn what_is_missing_is_named_before_anything_is_sent() {
    let (server, sandbox) = recorded();
    sandbox.write("s/trip.yaml", format!("{TRIP}  - user: And now?\n"));
    let ran = run(&sandbox, &["--history", "pinned", "--trials", "2"]).expect(2);
    // The fourth turn was never recorded, and nobody would see it; of the third there is a reply, of the second trial nothing.
    assert!(
        ran.stderr.contains("nothing is pinned for turn 1 of trip · default · bot · window 1, trial 2"),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains("trial 1") && !ran.stderr.contains("turn 4"), "{}", ran.stderr);
    assert!(ran.stderr.contains("help: `--cassettes record` records them"), "{}", ran.stderr);
    let ran = run(&sandbox, &["--history", "pinned", "--cassettes", "record"]).expect(2);
    assert!(ran.stderr.contains("is not recorded"), "{}", ran.stderr);
    run(&sandbox, &["--history", "pin"]).expect(2);
    assert!(server.requests().is_empty());
}

#[test]
fn a_run_with_a_pinned_history_goes_on_with_it() {
    let (_server, sandbox) = recorded();
    let down = Server::start(|request| match request.last_user().as_str() {
        "Where to?" => Answer::error(400, "bad", "not today"),
        _ => Answer::reply(request, "new"),
    });
    sandbox.point_bot_at(&down.base_url());
    run(&sandbox, &["--history", "pinned"]).expect(3);
    let up = saying("newer");
    sandbox.point_bot_at(&up.base_url());
    sandbox.run(&["run", "--resume"]).expect(0);
    assert_eq!(heard(&up), ["old 2", "old 2", "old 2, old 4", "old 3"]);
}

#[test]
fn every_window_sees_its_own_replies_though_they_were_recorded_once() {
    let server = saying("old");
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/trip.yaml", TRIP.replace("[1, full]", "[1, 2, full]"));
    run(&sandbox, &["--cassettes", "record"]).expect(0);
    run(&sandbox, &["--history", "pinned", "--offline"]).expect(0);
}

#[test]
fn a_turn_that_was_reworded_or_moved_is_named_before_anything_is_sent() {
    let (server, sandbox) = recorded();
    run(&sandbox, &["--cassettes", "off"]).expect(0);
    let before = server.requests().len();
    for history in ["pinned", "pinned:latest"] {
        sandbox.write("s/trip.yaml", TRIP.replace("Where to?", "Where now?"));
        let ran = run(&sandbox, &["--history", history]).expect(2);
        let told = "what is pinned for turn 2 of trip · default · bot · window 1, trial 1 answers another user message: \
                    \"Where to?\" then, \"Where now?\" now";
        assert!(ran.stderr.contains(told), "{}", ran.stderr);
        assert!(!ran.stderr.contains("turn 1 ") && ran.stderr.contains("help: "), "{}", ran.stderr);
        // A turn in front: what answered the first one is no answer to it.
        sandbox.write("s/trip.yaml", TRIP.replace("turns:\n", "turns:\n  - user: Hello.\n"));
        let ran = run(&sandbox, &["--history", history]).expect(2);
        assert!(ran.stderr.contains("\"My name is Priya.\" then, \"Hello.\" now"), "{}", ran.stderr);
        assert!(ran.stderr.contains("turn 3 of trip"), "{}", ran.stderr);
    }
    assert_eq!(server.requests().len(), before);
    // Nobody sees the answer to the last one.
    sandbox.write("s/trip.yaml", TRIP.replace("What's my name?", "Who am I?"));
    run(&sandbox, &["--history", "pinned"]).expect(0);
}
