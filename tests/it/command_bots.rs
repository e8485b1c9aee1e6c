//! `provider: command`: what a program is told, what each way of misbehaving is called, and that nothing of it is left behind.

#![cfg(unix)]

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::priced::journal;
use crate::support::sandbox::{Ran, Sandbox};

const TURNS: &str = "turns:\n  - {user: Hello}\n  - {user: Bye, expect: [{contains: bye}]}\n";

/// A folder with a bot that is a shell script.
fn sandbox(script: &str) -> Sandbox {
    let sandbox = Sandbox::new().env("OPENAI_API_KEY", "sk-secret").env("MY_TOKEN", "token-of-mine").env("LANG", "C");
    sandbox.write("bots/bot.sh", script);
    sandbox.write(
        "bots/chat-eval.yaml",
        "model: bot\nmodels:\n  bot: {provider: command, command: [sh, bot.sh], env: {KEY: \"k-${MY_TOKEN}\", MODE: test}}\n",
    );
    sandbox.write("s/one.yaml", TURNS);
    sandbox
}

fn run(sandbox: &Sandbox, more: &[&str]) -> Ran {
    let all = ["run", "s", "--config", "bots/chat-eval.yaml", "--allow-run", "--snapshots", "off"];
    sandbox.run(&[&all[..], more].concat())
}

/// The error of the turn that has one.
fn error(sandbox: &Sandbox) -> String {
    sandbox.rows("transcripts.csv").into_iter().map(|row| row["error"].clone()).find(|error| !error.is_empty()).unwrap()
}

pub fn is_gone(pid: &str) -> bool {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        let state = Command::new("ps").args(["-o", "stat=", "-p", pid.trim()]).output().expect("ps").stdout;
        let state = String::from_utf8_lossy(&state).trim().to_owned();
        if state.is_empty() || state.starts_with('Z') {
            return true;
        }
        std::thread::yield_now();
    }
    false
}

const GOOD: &str = "while read line; do echo \"$line\" >> told; echo '{\"reply\": \"Well, bye.\"}'; done";

#[test]
fn it_is_told_one_line_a_turn_in_the_folder_of_the_config_without_keys_that_are_not_listed() {
    let sandbox = sandbox(&format!("env > env; {GOOD}"));
    sandbox.write("s/one.yaml", format!("persona: Be kind.\n{TURNS}"));
    run(&sandbox, &[]).expect(0);
    let told: Vec<Value> =
        sandbox.read("bots/told").lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let session = told[0]["session"].as_str().unwrap();
    let line = |turn: u32, user: &str| json!({"session": session, "turn": turn, "system": "Be kind.", "user": user, "stream": false});
    assert_eq!(told, [line(1, "Hello"), line(2, "Bye")]);
    let environment = sandbox.read("bots/env");
    assert!(environment.contains("KEY=k-token-of-mine") && environment.contains("MODE=test"), "{environment}");
    assert!(!environment.contains("sk-secret") && !environment.contains("MY_TOKEN"), "{environment}");
}

#[test]
fn nothing_is_started_unless_that_is_allowed_and_a_variable_that_is_missing_is_said_before() {
    let sandbox = sandbox("touch started");
    let ran = sandbox.run(&["run", "s", "--config", "bots/chat-eval.yaml"]).expect(2);
    assert!(ran.stderr.contains("error[program-not-allowed]") && ran.stderr.contains("--allow-run"), "{}", ran.stderr);
    sandbox.run(&["check", "s", "--config", "bots/chat-eval.yaml"]).expect(0);
    sandbox.run(&["plan", "s", "--config", "bots/chat-eval.yaml"]).expect(0);
    let ran = run(&sandbox.env("MY_TOKEN", ""), &[]).expect(2);
    assert!(ran.stderr.contains("error[missing-api-key]: the model `bot` needs the environment variable `MY_TOKEN`"));
}

#[test]
fn each_conversation_and_each_probe_has_a_process_and_a_session_of_its_own() {
    let sandbox = sandbox("while read line; do echo \"$$ $line\" >> told; echo '{\"reply\": \"bye\"}'; done");
    let probes = "probes: [{user: One?}, {user: Two?}]\n";
    sandbox.write("s/one.yaml", format!("trials: 2\n{TURNS}{probes}"));
    run(&sandbox, &[]).expect(0);
    let told = sandbox.read("bots/told");
    let told = told.lines().map(|line| line.split_once(' ').unwrap());
    let mut talks = std::collections::BTreeMap::<&str, (String, Vec<String>)>::new();
    for (pid, line) in told {
        let line: Value = serde_json::from_str(line).unwrap();
        let talk = talks.entry(pid).or_default();
        let session = line["session"].as_str().unwrap();
        assert!(talk.0.is_empty() || talk.0 == session, "one session a process");
        session.clone_into(&mut talk.0);
        talk.1.push(format!("{} {}", line["turn"], line["user"].as_str().unwrap()));
    }
    let sessions: std::collections::BTreeSet<&String> = talks.values().map(|(session, _)| session).collect();
    assert_eq!((talks.len(), sessions.len()), (6, 6));
    let mut all: Vec<String> = talks.values().map(|(_, lines)| lines.join(", ")).collect();
    all.sort();
    let expected = ["1 Hello, 2 Bye", "1 Hello, 2 Bye, 3 One?", "1 Hello, 2 Bye, 3 Two?"];
    assert_eq!(all, expected.iter().flat_map(|talk| [*talk; 2]).collect::<Vec<_>>());
    let replays = journal(&sandbox).into_iter().filter(|event| event["kind"] == "replay").count();
    assert_eq!(replays, 2 * 2 * 2, "what was said once more is in the journal");
    let plan = sandbox.run(&["plan", "s", "--config", "bots/chat-eval.yaml", "--format", "json"]).expect(0).stdout;
    assert!(plan.contains("\"max_calls\":16"), "{plan}");
}

#[test]
fn a_reply_may_come_in_pieces() {
    let script = "while read line; do for word in Good bye now; do echo \"{\\\"delta\\\": \\\"$word \\\"}\"; done; \
                  echo '{\"done\": true, \"finish_reason\": \"stop\", \"usage\": {\"sent\": 9, \"reply\": 3}}'; done";
    let sandbox = sandbox(script);
    run(&sandbox, &["--stream"]).expect(0);
    let row = &sandbox.rows("transcripts.csv")[1];
    assert_eq!((&*row["reply"], &*row["finish_reason"], &*row["tokens_sent"]), ("Good bye now ", "stop", "9"));
    assert!(!row["ttft_ms"].is_empty());
}

#[test]
fn each_way_of_misbehaving_is_called_by_its_name() {
    let once = "read line; echo '{\"reply\": \"Hi\"}'; ";
    for (script, expected) in [
        (format!("{once}exit 3"), "the program ended with exit code 3 before it answered"),
        (
            format!("{once}read line; echo 'no model here' >&2; exit 4"),
            "the program ended with exit code 4 before it answered; its last words: \"no model here\"",
        ),
        (format!("{once}read line; kill -TERM $$"), "the program was ended by signal 15 before it answered"),
        (
            format!("{once}read line; echo 'Hello, token-of-mine!'"),
            "the program wrote a line that is no JSON: \"Hello, ***!\"",
        ),
        (
            format!("{once}read line; echo '{{\"text\": 1}}'"),
            "the program wrote a line without `reply`, `delta`, `done` or `error`: \"{\"text\": 1}\"",
        ),
        (
            format!("{once}read line; echo '{{\"turn\": 1, \"reply\": \"x\"}}'"),
            "the program answered turn 1 when it was asked turn 2",
        ),
        (
            format!("{once}read line; echo '{{\"error\": \"the model k-token-of-mine is down\"}}'"),
            "the program says: \"the model *** is down\"",
        ),
        (
            "read line; printf '{\"reply\": \"a\"}\\n{\"reply\": \"b\"}\\n'; read line".to_owned(),
            "the program wrote before it was asked: \"{\"reply\": \"b\"}\"",
        ),
        (
            format!("{once}read line; echo '{{\"reply\": \"bye\", \"delta\": \"b\"}}'"),
            "the program wrote `reply` and `delta` in one line: \"{\"reply\": \"bye\", \"delta\": \"b\"}\"",
        ),
        // At its start, which the first question does not wait for: one answer is too many at the end, or there before a question.
        (
            "echo '{\"reply\": \"bye\"}'; while read line; do echo '{\"reply\": \"bye\"}'; done".to_owned(),
            "the program wrote before it was asked: \"{\"reply\": \"bye\"}\"|the program wrote more than the answers it was asked for: \"{\"reply\": \"bye\"}\"",
        ),
        // Behind the last answer, as late as it can be.
        (
            "while read line; do echo '{\"reply\": \"bye\"}'; done; echo '{\"reply\": \"late\"}'".to_owned(),
            "the program wrote more than the answers it was asked for: \"{\"reply\": \"late\"}\"",
        ),
        (
            format!("{once}read line; printf '{{\"reply\": \"bye\"}}\\nand more'"),
            "the program wrote more than the answers it was asked for: \"and more\"",
        ),
        (format!("{once}read line; exec cat /dev/zero"), "the program wrote more than 8 MiB in one turn"),
    ] {
        let sandbox = sandbox(&script);
        let ran = run(&sandbox, &[]).expect(3);
        let error = error(&sandbox);
        assert!(expected.split('|').any(|expected| error == expected), "{script}\n{error}\n{}", ran.stderr);
    }
    let sandbox = sandbox("");
    sandbox.write("bots/chat-eval.yaml", "model: bot\nmodels:\n  bot: {provider: command, command: [./nothing]}\n");
    let ran = run(&sandbox, &[]).expect(2);
    assert!(ran.stderr.contains("there is no program `./nothing`"), "{}", ran.stderr);
}

#[test]
fn one_that_takes_too_long_is_ended_with_all_that_it_started() {
    let sandbox = sandbox("sleep 1000 & echo $! > pid; read line; wait");
    run(&sandbox, &["--timeout", "1"]).expect(3);
    let hint = "an answer that stays in a buffer is none: `print(…, flush=True)`";
    assert_eq!(error(&sandbox), format!("the program took longer than 1 s for one turn and was ended ({hint})"));
    assert!(is_gone(&sandbox.read("bots/pid")));
}

#[test]
fn one_that_ends_is_not_waited_for_though_something_that_it_started_holds_its_outputs() {
    let held = "sleep 1000 & echo $! > pid; read line; ";
    for (script, expected) in [
        (format!("{held}exit 1"), "the program ended with exit code 1 before it answered"),
        (format!("{held}printf '{{\"error\": \"no model\"}}'; exit 1"), "the program says: \"no model\""),
        // What it answered before it ended counts; asked once more it is found to be gone.
        (
            format!("{held}echo '{{\"reply\": \"Hi\"}}'; exit 3"),
            "the program ended with exit code 3 before it answered",
        ),
    ] {
        let sandbox = sandbox(&script);
        // The time of a turn is longer than a test may take.
        let ran = run(&sandbox, &["--timeout", "3000"]).expect(3);
        assert_eq!(error(&sandbox), expected, "{script}\n{}", ran.stderr);
        assert!(is_gone(&sandbox.read("bots/pid")));
    }
}

#[test]
fn what_is_written_behind_the_answer_to_a_probe_is_found_too() {
    let sandbox = sandbox(
        "while read line; do echo '{\"reply\": \"bye\"}'; case $line in *One*) probe=1;; esac; done; \
         [ -z $probe ] || echo late",
    );
    sandbox.write("s/one.yaml", format!("{TURNS}probes: [{{user: One?}}]\n"));
    run(&sandbox, &[]).expect(3);
    let rows = sandbox.rows("transcripts.csv");
    let errors: Vec<&str> = rows.iter().map(|row| &*row["error"]).collect();
    assert_eq!(errors, ["", "", "the program wrote more than the answers it was asked for: \"late\""]);
}

#[test]
fn at_the_end_of_a_conversation_all_that_it_started_is_ended() {
    let sandbox = sandbox(&format!("sleep 1000 & echo $! > pid; {GOOD}"));
    run(&sandbox, &[]).expect(0);
    assert!(is_gone(&sandbox.read("bots/pid")));
}

#[test]
fn ctrl_c_ends_it_and_resume_starts_the_conversation_again_in_a_new_session() {
    let script = "echo $$ > pid.new; while read line; do echo \"$line\" >> told; \
                  case $line in *Bye*) [ -e open ] || { mv pid.new pid; sleep 1000; };; esac; echo '{\"reply\": \"bye\"}'; done";
    for signals in [1, 2] {
        let sandbox = sandbox(script);
        let arguments = ["run", "s", "--config", "bots/chat-eval.yaml", "--allow-run", "--snapshots", "off"];
        let mut running = sandbox.start(&arguments);
        while !sandbox.has("bots/pid") {
            assert!(!running.has_ended(), "it waits");
            std::thread::yield_now();
        }
        running.signal("INT");
        running.until_told("10 s");
        if signals == 2 {
            running.signal("INT");
            running.finish().expect(130);
            assert!(is_gone(&sandbox.read("bots/pid")));
            sandbox.write("bots/open", "");
            sandbox.run(&["run", "--resume", "--config", "bots/chat-eval.yaml", "--allow-run"]).expect(0);
            let told = sandbox.read("bots/told");
            let told: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            let users: Vec<&str> = told.iter().map(|line| line["user"].as_str().unwrap()).collect();
            assert_eq!(users, ["Hello", "Bye", "Hello", "Bye"]);
            assert!(told[0]["session"] != told[2]["session"] && told[2]["session"] == told[3]["session"]);
            let rows = sandbox.rows("transcripts.csv");
            assert_eq!(rows.iter().map(|row| row["turn"].as_str()).collect::<Vec<_>>(), ["1", "2"]);
        } else {
            // It is over when the program is.
            Command::new("kill").arg(sandbox.read("bots/pid").trim()).status().expect("kill");
            running.finish().expect(130);
        }
    }
}
