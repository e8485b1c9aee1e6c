//! Snapshots from a run's side: what is written where, when a difference fails the run, and how it is decided on.

use std::fs;

use crate::support::answer::Answer;
use crate::support::sandbox::{Ran, Sandbox};
use crate::support::server::Server;

const SCENARIO: &str = "facts: {name: Priya}\nturns:\n  - user: My name is Priya.\n  - {user: What's my name?, expect: [{recalls: name}]}\n";
const ACCEPTED: &str = "s/snapshots/one@default.builtin.full.snap";
const PENDING: &str = "s/snapshots/one@default.builtin.full.snap.new";
const OF_BOT: &str = "s/snapshots/one@default.bot.full.snap";
const PENDING_OF_BOT: &str = "s/snapshots/one@default.bot.full.snap.new";

/// With an accepted snapshot of the embedded model.
fn accepted() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("s/one.yaml", SCENARIO);
    sandbox.run(&["run", "s"]).expect(0);
    sandbox.run(&["review", "s", "--accept"]).expect(0);
    sandbox
}

/// A config whose model `bot` is the server, and an accepted snapshot of it.
fn accepted_of_bot(server: &Server, scenario: &str) -> Sandbox {
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", scenario);
    sandbox.run(&["run", "s", "--snapshots", "always"]).expect(0);
    assert!(sandbox.has(OF_BOT) && !sandbox.has(PENDING_OF_BOT));
    sandbox
}

fn says(ran: &Ran, text: &str) {
    assert!(ran.stdout.contains(text), "`{text}` is not in:\n{}", ran.stdout);
}

#[test]
fn a_new_snapshot_waits_for_review_is_accepted_and_matches_from_then_on() {
    let sandbox = Sandbox::new();
    sandbox.write("s/one.yaml", SCENARIO);
    let ran = sandbox.run(&["run", "s"]).expect(0);
    says(&ran, &format!("{ACCEPTED}: new, waits for review\n  help: `chat-eval review` goes through what waits"));
    assert_eq!(sandbox.files("s/snapshots"), ["one@default.builtin.full.snap.new"]);

    let listed = sandbox.run(&["review", "s", "--list"]).expect(0);
    says(&listed, ACCEPTED);
    says(&listed, "+   Your name is Priya.");
    says(&listed, "1 snapshot waiting for review");
    let here = sandbox.run(&["review", "--list"]).expect(0);
    assert!(here.stdout.starts_with(&format!("{ACCEPTED}\n")), "the path as `run` shows it:\n{}", here.stdout);
    says(&sandbox.run(&["review", "s", "--accept"]).expect(0), "1 snapshot accepted");
    assert_eq!(sandbox.files("s/snapshots"), ["one@default.builtin.full.snap"]);

    let ran = sandbox.run(&["run", "s"]).expect(0);
    assert!(!ran.stdout.contains("snap"), "what matches is not worth a line:\n{}", ran.stdout);
    says(&sandbox.run(&["review", "--list"]).expect(0), "no snapshot waits for review");
}

#[cfg(unix)]
#[test]
fn a_folder_whose_name_is_a_command_gives_the_terminal_none() {
    let sandbox = Sandbox::new();
    sandbox.write("s/a\n::error::b\u{1b}[2J/one.yaml", SCENARIO);
    let harmless = |ran: &Ran| {
        let text = ran.stdout.clone() + &ran.stderr;
        assert!(!text.contains('\u{1b}') && !text.contains("\n::"), "{text}");
    };
    harmless(&sandbox.run(&["run", "s"]).expect(0));
    let listed = sandbox.run(&["review", "s", "--list"]).expect(0);
    says(&listed, "s/a‹U+000A›\\::error::b‹U+001B›[2J/snapshots/one");
    harmless(&listed);
    harmless(&sandbox.run(&["review", "s", "--accept"]).expect(0));
    sandbox.write("s/a\n::error::b\u{1b}[2J/snapshots/one@default.builtin.full.snap.new", b"\xff");
    let broken = sandbox.run(&["review", "s", "--list"]).expect(5);
    assert!(broken.stderr.contains("‹U+001B›[2J"), "{}", broken.stderr);
    harmless(&broken);
    sandbox.write("s/a\n::error::b\u{1b}[2J/one.yaml", "turns: 5");
    harmless(&sandbox.run(&["check", "s"]).expect(2));
}

#[test]
fn a_rejected_snapshot_leaves_nothing() {
    let sandbox = Sandbox::new();
    sandbox.write("s/one.yaml", SCENARIO);
    sandbox.run(&["run", "s"]).expect(0);
    says(&sandbox.run(&["review", "s", "--reject"]).expect(0), "1 snapshot rejected");
    assert!(sandbox.files("s/snapshots").is_empty());
}

#[test]
fn a_changed_reply_of_the_embedded_model_or_of_the_script_fails() {
    let sandbox = accepted();
    let text = sandbox.read(ACCEPTED).replace("Your name is Priya.", "You are Priya.");
    sandbox.write(ACCEPTED, text);
    let ran = sandbox.run(&["run", "s"]).expect(1);
    says(&ran, &format!("{ACCEPTED}: differs: words: turn 2"));
    says(&ran, "1 snapshot failed");
    says(&sandbox.run(&["review", "s", "--list"]).expect(0), "words: turn 2");

    let canned = |reply: &str| format!("turns:\n  - {{user: Hi, reply: {reply}}}\n  - user: Thanks\n");
    let server = Server::saying("Welcome.");
    let sandbox = accepted_of_bot(&server, &canned("Hello."));
    sandbox.write("s/one.yaml", canned("Good day."));
    says(&sandbox.run(&["run", "s"]).expect(1), "outdated-script: turn 1's canned reply changed");
}

#[test]
fn other_words_of_a_live_reply_are_reported_and_wait_and_fail_nothing() {
    let server = Server::saying("Your name is Priya.");
    let sandbox = accepted_of_bot(&server, SCENARIO);
    let other = Server::saying("Priya, of course.");
    sandbox.point_bot_at(&other.base_url());
    let ran = sandbox.run(&["run", "s"]).expect(0);
    says(&ran, &format!("{OF_BOT}: differs in words only, as live replies do: words: turn 1, turn 2"));
    assert!(sandbox.read(PENDING_OF_BOT).contains("Priya, of course."));
    assert!(sandbox.read(OF_BOT).contains("Your name is Priya."));
    // With the old words again, the pending file is out of date and goes.
    sandbox.point_bot_at(&server.base_url());
    sandbox.run(&["run", "s"]).expect(0);
    assert!(!sandbox.has(PENDING_OF_BOT));
}

#[test]
fn a_changed_verdict_or_request_fails_whatever_the_words_are() {
    let server = Server::saying("Your name is Priya.");
    let sandbox = accepted_of_bot(&server, SCENARIO);
    let forgetful = Server::saying("I don't know.");
    sandbox.point_bot_at(&forgetful.base_url());
    let ran = sandbox.run(&["run", "s"]).expect(1);
    says(&ran, "turn 2: recalls name ✓ retained → ✗ missed");

    sandbox.point_bot_at(&server.base_url());
    sandbox.write("s/one.yaml", SCENARIO.replace("My name is Priya.", "My name is Priya!"));
    says(&sandbox.run(&["run", "s"]).expect(1), "outdated-script: turn 1's user message changed");
    let windowed = Server::start(|request| Answer::reply(request, "Your name is Priya."));
    sandbox.point_bot_at(&windowed.base_url());
    sandbox.write("s/one.yaml", format!("history: [{{role: user, content: Hi}}]\n{SCENARIO}"));
    says(&sandbox.run(&["run", "s"]).expect(1), "sent: turn 1, turn 2");
}

#[test]
fn in_ci_nothing_is_written_and_what_is_missing_fails() {
    let sandbox = Sandbox::new().env("CI", "true");
    sandbox.write("s/one.yaml", SCENARIO);
    let ran = sandbox.run(&["run", "s"]).expect(1);
    says(&ran, &format!("{ACCEPTED}: not accepted yet"));
    assert!(!sandbox.has("s/snapshots"));
    sandbox.run(&["run", "s", "--snapshots", "off"]).expect(0);
    // One that is written as pending is still none that was accepted.
    sandbox.run(&["run", "s", "--snapshots", "new"]).expect(1);
    sandbox.run(&["review", "s", "--accept"]).expect(0);
    sandbox.run(&["run", "s"]).expect(0);
}

#[test]
fn ci_that_is_empty_or_false_is_no_ci() {
    for value in ["", "false", "0"] {
        let sandbox = Sandbox::new().env("CI", value);
        sandbox.write("s/one.yaml", SCENARIO);
        sandbox.run(&["run", "s"]).expect(0);
        assert!(sandbox.has(PENDING), "CI={value:?}");
    }
}

#[test]
fn the_mode_says_what_is_written() {
    let fresh = || {
        let sandbox = Sandbox::new();
        sandbox.write("s/one.yaml", SCENARIO);
        sandbox
    };
    for (mode, files) in [
        ("always", &["one@default.builtin.full.snap"][..]),
        ("new", &["one@default.builtin.full.snap.new"]),
        ("no", &[]),
        ("off", &[]),
    ] {
        let sandbox = fresh();
        sandbox.run(&["run", "s", "--snapshots", mode]).expect(0);
        assert_eq!(sandbox.files("s/snapshots"), files, "{mode}");
    }
    let sandbox = accepted();
    let changed = sandbox.read(ACCEPTED).replace("Your name is Priya.", "You are Priya.");
    for (mode, code) in [("no", 1), ("off", 0), ("always", 0)] {
        sandbox.write(ACCEPTED, &changed);
        sandbox.run(&["run", "s", "--snapshots", mode]).expect(code);
        assert_eq!(sandbox.files("s/snapshots"), ["one@default.builtin.full.snap"], "{mode}");
        assert_eq!(sandbox.read(ACCEPTED) == changed, mode != "always", "{mode}");
    }
}

#[test]
fn only_the_first_trial_and_whole_conversations_have_snapshots() {
    let server = Server::start(|request| match request.last_user().as_str() {
        "Fail" => Answer::error(400, "bad", "no"),
        _ => Answer::reply(request, &format!("Fine, {}.", request.number)),
    });
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/broken.yaml", "turns: [{user: Hi}, {user: Fail}]");
    sandbox.write("s/whole.yaml", "trials: 3\nturns: [{user: Hi}]");
    sandbox.run(&["run", "s", "-j", "1"]).expect(3);
    assert_eq!(sandbox.files("s/snapshots"), ["whole@default.bot.full.snap.new"]);
    // The other scenario made two requests before the first trial's.
    let snapshot = sandbox.read("s/snapshots/whole@default.bot.full.snap.new");
    assert!(snapshot.contains("Fine, 3."), "{snapshot}");
}

#[test]
fn a_scenario_on_standard_input_has_no_snapshot() {
    let sandbox = Sandbox::new();
    let scenario = sandbox.write("elsewhere.yaml", SCENARIO);
    let mut command = sandbox.command(&["run", "-"]);
    command.stdin(fs::File::open(scenario).unwrap());
    Ran::from(command.output().unwrap()).expect(0);
    assert!(sandbox.files(".").iter().all(|file| !file.contains(".snap")), "{:?}", sandbox.files("."));
}

#[test]
fn an_accepted_snapshot_that_is_none_fails_and_says_what_to_do() {
    let sandbox = accepted();
    for text in [&b"---\n<<<<<<< ours\nsource: s/one.yaml\n---\n# one\n"[..], b"---\nsource: \xff\n---\n"] {
        sandbox.write(ACCEPTED, text);
        let ran = sandbox.run(&["run", "s"]).expect(1);
        says(&ran, &format!("{ACCEPTED}: no snapshot: "));
        says(&ran, "remove it, or bring back the one under version control");
    }
}

#[test]
fn a_snapshot_that_cannot_be_written_is_an_error_of_its_own_and_the_summary_stays() {
    let sandbox = Sandbox::new();
    sandbox.write("s/one.yaml", SCENARIO);
    sandbox.write("s/snapshots", "a file where the folder should be");
    let ran = sandbox.run(&["run", "s"]).expect(5);
    assert!(ran.stderr.contains("s/snapshots"), "{}", ran.stderr);
    says(&ran, "1 passed");
}

#[test]
fn source_is_relative_to_the_folder_of_the_config() {
    let sandbox = Sandbox::new();
    sandbox.write("chat-eval.yaml", "model: builtin\n");
    sandbox.write("tests/s/one.yaml", SCENARIO);
    let mut command = sandbox.command(&["run", "s", "--snapshots", "always"]);
    command.current_dir(sandbox.path().join("tests"));
    Ran::from(command.output().unwrap()).expect(0);
    let text = sandbox.read("tests/s/snapshots/one@default.builtin.full.snap");
    assert!(text.contains("source: tests/s/one.yaml"), "{text}");
}
