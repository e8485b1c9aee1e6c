//! `run --resume`: a run goes on where it stopped, with what it began with, and nothing that its journal holds is sent again.

#![cfg(unix)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::support::answer::{Answer, Gate};
use crate::support::sandbox::{Ran, Sandbox};
use crate::support::server::{Request, Server};

const THREE_TURNS: &str = "\
persona: {system_file: prompts/brief.md}
facts: {name: Priya}
turns:
  - {user: My name is Priya., expect: [{max_words: 3}]}
  - {user: I work at Google., expect: [{max_words: 9}]}
  - {user: What's my name?, expect: [{recalls: name}]}
";

/// A server that refuses the request for the second turn until it is mended, and a sandbox whose run has met it.
fn broken_off() -> (Server, Sandbox, Arc<AtomicBool>) {
    let is_mended = Arc::new(AtomicBool::new(false));
    let of_server = Arc::clone(&is_mended);
    let server = Server::start(move |request| {
        if request.last_user().contains("Google") && !of_server.load(Ordering::Relaxed) {
            return Answer::error(400, "bad", "not today");
        }
        Answer::reply(request, &format!("Priya, after {} messages.", request.messages().len()))
    });
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", THREE_TURNS);
    sandbox.write("s/prompts/brief.md", "You are brief.");
    sandbox.run(&["run", "s", "--snapshots", "off", "--trials", "2", "-j", "1"]).expect(1);
    assert_eq!(server.requests().len(), 4);
    (server, sandbox, is_mended)
}

/// What is told where a run may not go on; nothing is sent then.
#[track_caller]
fn refused(server: &Server, sandbox: &Sandbox, arguments: &[&str], told: &[&str]) {
    let sent = server.requests().len();
    let before = std::fs::read(sandbox.only_run().join("journal.jsonl")).unwrap();
    let ran = sandbox.run(arguments).expect(2);
    for told in told {
        assert!(ran.stderr.contains(told), "{}", ran.stderr);
    }
    assert_eq!(server.requests().len(), sent);
    assert_eq!(std::fs::read(sandbox.only_run().join("journal.jsonl")).unwrap(), before);
}

fn shape(request: &Request) -> Vec<String> {
    request.messages().into_iter().map(|(_, content)| content).collect()
}

#[test]
fn a_conversation_goes_on_at_its_first_missing_turn_with_its_history() {
    let (server, sandbox, is_mended) = broken_off();
    is_mended.store(true, Ordering::Relaxed);
    let ran = sandbox.run(&["run", "--resume", "-j", "1"]).expect(1);
    assert!(ran.stderr.contains("0 of 2 conversations are done"), "{}", ran.stderr);
    let requests = server.requests();
    assert_eq!(requests.len(), 8, "the two missing turns of each, and nothing else");
    let (system, first, second) = ("You are brief.", "My name is Priya.", "I work at Google.");
    assert_eq!(shape(&requests[4]), [system, first, "Priya, after 2 messages.", second]);
    let last = [system, first, "Priya, after 2 messages.", second, "Priya, after 4 messages.", "What's my name?"];
    assert_eq!(shape(&requests[5]), last);

    let fresh = Sandbox::with_bot(&server.base_url());
    fresh.write("s/one.yaml", THREE_TURNS);
    fresh.write("s/prompts/brief.md", "You are brief.");
    fresh.run(&["run", "s", "--snapshots", "off", "--trials", "2"]).expect(1);
    assert_eq!(sandbox.steady_tables(), fresh.steady_tables());
    assert_eq!(sandbox.run_folder().canonicalize().unwrap(), sandbox.only_run().canonicalize().unwrap());
    let run: Value = serde_json::from_str(&sandbox.read("results/latest/run.json")).unwrap();
    assert_eq!(run["totals"]["conversations"]["errored"], 0);
}

#[test]
fn a_conversation_that_errored_is_made_good_and_the_run_passes() {
    let is_mended = Arc::new(AtomicBool::new(false));
    let of_server = Arc::clone(&is_mended);
    let server = Server::start(move |request| {
        let is_mended = of_server.load(Ordering::Relaxed);
        if is_mended { Answer::reply(request, "Hello!") } else { Answer::error(400, "bad", "not today") }
    });
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", "turns: [{user: Hi, expect: [{contains: hello}]}]");
    sandbox.run(&["run", "s"]).expect(3);
    sandbox.run(&["run", "--resume"]).expect(3);
    is_mended.store(true, Ordering::Relaxed);
    let ran = sandbox.run(&["run", "--resume"]).expect(0);
    assert!(ran.stdout.contains("1 passed") && !ran.stdout.contains("errored"), "{}", ran.stdout);
    assert_eq!(sandbox.run(&["report"]).expect(0).stdout.matches("errored").count(), 0);
}

#[test]
fn an_interrupted_run_comes_out_as_one_that_was_left_alone() {
    let gate = Gate::default();
    let of_server = gate.clone();
    let server = Server::start(move |request| {
        let answer = Answer::reply(request, &format!("Re: {}", request.last_user()));
        if request.number == 1 { answer } else { answer.delay(&of_server) }
    });
    let scenario = "cases: [{id: a}, {id: b}, {id: c}, {id: d}]\nturns:\n  - {user: 'Hi {{ id }}', expect: [{max_words: 3}]}\n  - {user: More, expect: [{max_words: 1}]}\n";
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", scenario);
    let mut running = sandbox.start(&["run", "s", "-j", "2", "--snapshots", "off"]);
    server.wait_for_requests(3);
    running.signal("INT");
    running.until_told("stopping:");
    gate.open();
    let ran = running.finish().expect(130);
    let folder = format!("results/{}", sandbox.only_run().file_name().unwrap().to_str().unwrap());
    let told = format!("`chat-eval run --resume {folder}` goes on with it\n");
    assert!(ran.stderr.ends_with(&told), "{}", ran.stderr);
    sandbox.run(&["run", "--resume", &folder]).expect(1);
    assert_eq!(server.requests().len(), 8, "nothing was sent twice");

    let fresh = Sandbox::with_bot(&server.base_url());
    fresh.write("s/one.yaml", scenario);
    fresh.run(&["run", "s", "--snapshots", "off"]).expect(1);
    assert_eq!(sandbox.steady_tables(), fresh.steady_tables());
}

#[test]
fn files_that_changed_are_refused_each_by_its_name() {
    let (server, sandbox, _) = broken_off();
    let resume = ["run", "--resume"];
    sandbox.write("s/prompts/brief.md", "You are wordy.");
    let told = "`s/prompts/brief.md`, which `s/one.yaml` reads, has changed since the run began";
    refused(&server, &sandbox, &resume, &[told]);
    sandbox.write("s/prompts/brief.md", "You are brief.");
    sandbox.write("s/one.yaml", THREE_TURNS.replace("Google", "home"));
    refused(&server, &sandbox, &resume, &["`s/one.yaml` has changed since the run began"]);
    std::fs::remove_file(sandbox.path().join("s/one.yaml")).unwrap();
    refused(&server, &sandbox, &resume, &["`s/one.yaml` is gone", "nothing was sent"]);
    sandbox.write("s/one.yaml", THREE_TURNS);
    sandbox.write("s/two.yaml", "turns: [{user: Hi}]");
    refused(&server, &sandbox, &resume, &["`s/two.yaml` is new since the run began"]);
    std::fs::remove_file(sandbox.path().join("s/two.yaml")).unwrap();
    let config = sandbox.read("chat-eval.yaml");
    sandbox.write("chat-eval.yaml", config.replace("model: bot", "model: builtin"));
    let told = "where `one · default · bot · window full` was planned when the run began, the config file now makes it \
                `one · default · builtin · window full`";
    refused(&server, &sandbox, &resume, &[told]);
    sandbox.write("chat-eval.yaml", config);
    sandbox.run(&resume).expect(1);
}

#[test]
fn what_does_not_go_with_it_is_refused_by_name() {
    let (server, sandbox, _) = broken_off();
    refused(&server, &sandbox, &["run", "s", "--resume"], &["`--resume` takes no PATH"]);
    refused(&server, &sandbox, &["run", "--resume", "--model", "x"], &["`--model` does not go with `--resume`"]);
    refused(&server, &sandbox, &["run", "--resume", "s"], &["there is no run `s`"]);
    refused(&server, &sandbox, &["run"], &["which scenarios?", "chat-eval run PATH…"]);
    sandbox.run(&["run", "--resume", "latest", "-j", "3", "--timeout", "9", "--retries", "0", "-q"]).expect(1);
}

/// The story: the config says where keys go, and a run's folder may have come from anywhere.
#[test]
fn a_config_that_the_run_names_gets_no_key_unless_the_command_line_names_it_too() {
    let (server, sandbox, _) = broken_off();
    let other = Server::saying("Priya.");
    let config = |server: &Server| {
        format!(
            "model: bot\nmodels:\n  bot: {{provider: openai, model: test-model, base_url: \"{}\", api_key_env: SECRET}}\n",
            server.base_url()
        )
    };
    let sandbox = sandbox.env("SECRET", "sk-very-secret");
    sandbox.write("other/config.yaml", config(&other));
    let journal = sandbox.only_run().join("journal.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap();
    let named = text.replacen("[\"run\",", "[\"run\",\"--config\",\"other/config.yaml\",", 1);
    assert_ne!(named, text);
    std::fs::write(&journal, named).unwrap();
    let told = [
        "the run began with `--config other/config.yaml`, which says where keys go\nnothing was sent\n",
        "help: say `--config other/config.yaml` to use it here too\n",
    ];
    refused(&server, &sandbox, &["run", "--resume"], &told);
    for what in ["errored", "failed"] {
        refused(&server, &sandbox, &["run", "--rerun", what], &told);
    }
    assert_eq!(other.requests().len(), 0);
    // Another one that is named is used, and so is that one.
    let sent = server.requests().len();
    sandbox.run(&["run", "--resume", "--config", "chat-eval.yaml", "-j", "1"]).expect(1);
    assert_eq!((server.requests().len() - sent, other.requests().len()), (2, 0));
    sandbox.run(&["run", "--resume", "--config", "other/config.yaml"]).expect(1);
    assert_eq!((server.requests().len() - sent, other.requests().len()), (2, 4));
}

#[test]
fn the_environment_is_that_of_the_beginning() {
    let server = Server::start(|_| Answer::error(400, "bad", "not today"));
    let sandbox = Sandbox::with_bot(&server.base_url()).env("CHAT_EVAL_MODEL", "bot");
    sandbox.write("s/one.yaml", "model: builtin\nturns: [{user: Hi}]");
    sandbox.run(&["run", "s"]).expect(3);
    let mut command = sandbox.command(&["run", "--resume"]);
    Ran::from(command.env("CHAT_EVAL_MODEL", "builtin").output().unwrap()).expect(3);
    Ran::from(command.env_remove("CHAT_EVAL_MODEL").output().unwrap()).expect(3);
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn a_torn_tail_is_cut_off_and_a_damaged_line_refused() {
    let (server, sandbox, is_mended) = broken_off();
    let journal = sandbox.only_run().join("journal.jsonl");
    let whole = std::fs::read_to_string(&journal).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let damaged = format!("{}\n{}\n{}\n", lines[0], &lines[1][..20], lines[2..].join("\n"));
    std::fs::write(&journal, damaged).unwrap();
    refused(&server, &sandbox, &["run", "--resume"], &["line 2 of the journal `results/", "is damaged"]);
    // A line that is JSON and no event is found too, and before anything is sent.
    std::fs::write(&journal, format!("{whole}{{\"event\":\"turn\",\"plan\":1}}\n")).unwrap();
    refused(&server, &sandbox, &["run", "--resume"], &["is damaged"]);
    let newer = whole.replacen("\"format\":1", "\"format\":2", 1);
    std::fs::write(&journal, newer).unwrap();
    refused(&server, &sandbox, &["run", "--resume"], &["has `format: 2`"]);

    std::fs::write(&journal, format!("{whole}{{\"event\":\"turn\",\"pl")).unwrap();
    is_mended.store(true, Ordering::Relaxed);
    let ran = sandbox.run(&["run", "--resume"]).expect(1);
    assert!(ran.stderr.contains("the journal did not end in a whole line: what stood"), "{}", ran.stderr);
    assert!(std::fs::read_to_string(&journal).unwrap().starts_with(&whole));
    assert_eq!(server.requests().len(), 8);
}

/// Removes the only line of the journal that has all of these.
fn without_line(journal: &str, all: &[&str]) -> String {
    let has_all = |line: &&str| all.iter().all(|text| line.contains(text));
    let (gone, left): (Vec<&str>, Vec<&str>) = journal.lines().partition(has_all);
    assert_eq!(gone.len(), 1, "{all:?}");
    left.join("\n") + "\n"
}

/// The story: a journal lost a line in its middle, and the run was merged and reported without that turn, as if all were well.
#[test]
fn a_conversation_that_has_lost_a_line_is_refused_by_name_and_can_be_played_again() {
    let (server, sandbox, is_mended) = broken_off();
    is_mended.store(true, Ordering::Relaxed);
    sandbox.run(&["run", "--resume", "-j", "1"]).expect(1);
    let journal = sandbox.only_run().join("journal.jsonl");
    let complete = std::fs::read_to_string(&journal).unwrap();
    let tables = sandbox.steady_tables();
    let first = without_line(&complete, &["\"event\":\"turn\",\"plan\":0,\"turn\":1,"]);
    // It is there once more: its call failed at first.
    let second = without_line(&complete, &["\"event\":\"turn\",\"plan\":0,\"turn\":2,", "\"reply\":"]);
    let last = without_line(&complete, &["\"event\":\"turn\",\"plan\":0,\"turn\":3,"]);
    let check = complete
        .lines()
        .filter(|line| line.contains("\"event\":\"check\",\"plan\":0,") && line.contains("\"index\":2,"));
    let without_check = check.fold(complete.clone(), |text, line| text.replace(&format!("{line}\n"), ""));
    let whose = "of `one · default · bot · window full · trial 1`: remove all lines of `\"plan\":0`, and `--resume` plays it \
                 again\n";
    for (text, lost) in
        [(first, "turn 1"), (second, "turn 2"), (last, "turn 3"), (without_check, "the check of `index` 2")]
    {
        assert_ne!(text, complete);
        std::fs::write(&journal, text).unwrap();
        let told = format!("journal.jsonl` has lost {lost} {whose}");
        refused(&server, &sandbox, &["run", "--resume"], &[&told, "nothing was sent"]);
        refused(&server, &sandbox, &["merge", "latest", "-o", "merged", "--snapshots", "off"], &[&told]);
        refused(&server, &sandbox, &["run", "--rerun", "failed"], &[&told]);
        let ran = sandbox.run(&["report"]).expect(5);
        assert!(ran.stderr.contains(&told), "{}", ran.stderr);
        assert_eq!(sandbox.steady_tables(), tables, "no report was changed");
    }
    let sent = server.requests().len();
    let others: Vec<&str> = complete.lines().filter(|line| !line.contains("\"plan\":0,")).collect();
    std::fs::write(&journal, others.join("\n") + "\n").unwrap();
    sandbox.run(&["run", "--resume"]).expect(1);
    assert_eq!(server.requests().len(), sent + 3);
    assert_eq!(sandbox.steady_tables(), tables);

    // What was merged is mended by another merge.
    sandbox.run(&["merge", "latest", "-o", "merged", "--snapshots", "off"]).expect(1);
    let merged = sandbox.read("merged/journal.jsonl");
    sandbox.write("merged/journal.jsonl", without_line(&merged, &["\"event\":\"turn\",\"plan\":1,\"turn\":1,"]));
    let ran = sandbox.run(&["report", "merged/"]).expect(5);
    assert!(
        ran.stderr.contains("has lost turn 1 of `one") && ran.stderr.contains("merge its runs again"),
        "{}",
        ran.stderr
    );
}

/// The story: somebody looked at a journal in an editor, which put line feeds behind it.
#[test]
fn empty_lines_at_the_end_of_a_journal_do_no_harm_and_are_cut_off() {
    let (server, sandbox, is_mended) = broken_off();
    let journal = sandbox.only_run().join("journal.jsonl");
    let whole = std::fs::read_to_string(&journal).unwrap();
    let tables = sandbox.steady_tables();
    std::fs::write(&journal, format!("{whole}\n\n \r\n")).unwrap();
    sandbox.run(&["report"]).expect(0);
    sandbox.run(&["merge", "latest", "-o", "elsewhere/merged", "--snapshots", "off"]).expect(1);
    assert_eq!(sandbox.steady_tables(), tables);
    is_mended.store(true, Ordering::Relaxed);
    let ran = sandbox.run(&["run", "--resume"]).expect(1);
    assert!(ran.stderr.contains("what stood behind the last one was cut off"), "{}", ran.stderr);
    let text = std::fs::read_to_string(&journal).unwrap();
    assert!(text.starts_with(&whole) && text.lines().all(|line| line.starts_with('{')), "{text}");
    assert_eq!(server.requests().len(), 8);
}

#[test]
fn a_run_that_is_still_going_on_is_left_alone() {
    let gate = Gate::default();
    let of_server = gate.clone();
    let server = Server::start(move |request| Answer::reply(request, "Fine.").delay(&of_server));
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", "turns: [{user: Hi}]");
    let running = sandbox.start(&["run", "s", "--snapshots", "off"]);
    server.wait_for_requests(1);
    let ran = sandbox.run(&["run", "--resume"]).expect(2);
    assert!(ran.stderr.contains("is being written by another process"), "{}", ran.stderr);
    gate.open();
    running.finish().expect(0);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_complete_run_sends_nothing_and_gets_its_reports_again() {
    let server = Server::saying("Good day.");
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", "turns: [{user: Hi, expect: [{contains: hello}]}]");
    sandbox.run(&["run", "s", "--snapshots", "off"]).expect(1);
    let run = sandbox.only_run();
    let files = || sandbox.files("results").into_iter().map(|file| (sandbox.read(&format!("results/{file}")), file));
    let before: Vec<_> = files().collect();
    std::fs::remove_file(run.join("checks.csv")).unwrap();
    std::fs::write(run.join(".draft-left"), "half").unwrap();
    sandbox.run(&["run", "--resume"]).expect(1);
    assert_eq!(files().collect::<Vec<_>>(), before);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn the_run_that_went_on_last_is_the_latest() {
    let (_server, sandbox, is_mended) = broken_off();
    let first = sandbox.only_run();
    let id = first.file_name().unwrap().to_str().unwrap();
    is_mended.store(true, Ordering::Relaxed);
    sandbox.run(&["run", "s", "--snapshots", "off"]).expect(1);
    let latest = || sandbox.run(&["report", "latest"]).expect(0).stdout;
    assert!(!latest().contains(id));
    sandbox.run(&["run", "--resume", id]).expect(1);
    assert!(latest().contains(id), "{}", latest());
    assert!(!sandbox.run(&["report", "previous"]).expect(0).stdout.contains(id));
}
