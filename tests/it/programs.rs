//! `run`: a program judges. What it is given, what its end means, and that nothing of it is left behind.

#![cfg(unix)]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::priced::journal;
use crate::support::sandbox::{Ran, Sandbox};
use crate::support::server::Server;

/// A scenario whose second turn is judged by a shell script.
fn sandbox(script: &str, check: &str) -> Sandbox {
    let sandbox = Sandbox::new().env("OPENAI_API_KEY", "sk-secret").env("MY_TOKEN", "secret-too").env("LANG", "C");
    sandbox.write("s/check.sh", script);
    let turns = "persona: Be kind.\nturns:\n  - {user: Hello}\n";
    sandbox.write("s/one.yaml", format!("{turns}  - {{user: How are you?, expect: [{check}]}}\n"));
    sandbox
}

fn run(sandbox: &Sandbox) -> Ran {
    sandbox.run(&["run", "s", "--allow-run", "--snapshots", "off"])
}

fn check(sandbox: &Sandbox) -> (String, String) {
    let row = sandbox.rows("checks.csv").remove(0);
    (row["verdict"].clone(), row["detail"].clone())
}

const CHECK: &str = "{run: [sh, check.sh]}";

/// A process that the script wrote the number of into a file of its folder.
fn left_behind(sandbox: &Sandbox) -> String {
    sandbox.read("s/pid").trim().to_owned()
}

/// Waits until a process is gone; one that nobody has taken off the list yet is gone too.
fn is_gone(pid: &str) -> bool {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        let state = Command::new("ps").args(["-o", "stat=", "-p", pid]).output().expect("ps").stdout;
        let state = String::from_utf8_lossy(&state).trim().to_owned();
        if state.is_empty() || state.starts_with('Z') {
            return true;
        }
        std::thread::yield_now();
    }
    false
}

#[test]
fn the_exit_code_decides_and_the_last_line_says_why() {
    for (script, code, verdict, detail) in [
        ("exit 0", 0, "pass", ""),
        ("echo a; echo good", 0, "pass", "the program ended well: \"good\""),
        ("echo a; echo 'too long by 3'; exit 4", 1, "fail", "the program ended with exit code 4: \"too long by 3\""),
        ("echo oh no >&2; exit 1", 1, "fail", "the program ended with exit code 1: \"oh no\""),
        ("kill -TERM $$", 3, "unknown", "the program was ended by signal 15"),
    ] {
        let sandbox = sandbox(script, CHECK);
        run(&sandbox).expect(code);
        assert_eq!(check(&sandbox), (verdict.into(), detail.into()), "{script}");
    }
    let sandbox = sandbox("", "{run: [./nothing-here, x]}, {not: {run: [sh, -c, exit 1]}}");
    run(&sandbox).expect(3);
    let (verdict, detail) = check(&sandbox);
    assert!(verdict == "unknown" && detail.starts_with("the program `./nothing-here` cannot be started: "), "{detail}");
    assert_eq!(sandbox.rows("checks.csv")[1]["verdict"], "pass");
}

#[test]
fn it_reads_the_turn_as_json_in_the_folder_of_the_scenario_without_keys() {
    let sandbox = sandbox("cat > input.json; env > env.txt; pwd > pwd.txt", CHECK);
    run(&sandbox).expect(0);
    let input: Value = serde_json::from_str(&sandbox.read("s/input.json")).unwrap();
    assert_eq!((&input["scenario"], &input["turn"], &input["format"]), (&json!("one"), &json!("2"), &json!(1)));
    assert_eq!((&input["user"], &input["model"]), (&json!("How are you?"), &json!("builtin")));
    let reply = sandbox.rows("transcripts.csv")[1]["reply"].clone();
    assert_eq!(input["reply"], reply);
    assert_eq!(input["messages"][0], json!({"role": "system", "content": "Be kind."}));
    assert_eq!(input["messages"].as_array().unwrap().len(), 4, "{input}");
    let environment = sandbox.read("s/env.txt");
    assert!(environment.contains("PATH=") && environment.contains("LANG=C"), "{environment}");
    assert!(!environment.contains("secret"), "{environment}");
    let folder = std::fs::canonicalize(sandbox.path().join("s")).unwrap();
    assert_eq!(Path::new(sandbox.read("s/pwd.txt").trim()).canonicalize().unwrap(), folder);
}

#[test]
fn nothing_is_started_unless_that_is_allowed() {
    let sandbox = sandbox("touch started", CHECK);
    let ran = sandbox.run(&["run", "s"]).expect(2);
    assert!(ran.stderr.contains("error[program-not-allowed]") && ran.stderr.contains("--allow-run"), "{}", ran.stderr);
    assert!(ran.stderr.contains("s/one.yaml:4:35"), "{}", ran.stderr);
    sandbox.run(&["check", "s"]).expect(0);
    assert!(!sandbox.has("s/started") && !sandbox.has("results"));
    run(&sandbox).expect(0);
    assert!(sandbox.has("s/started"));
    // A run may have come from anywhere: what it was allowed there is not allowed here.
    let ran = sandbox.run(&["run", "--resume"]).expect(2);
    assert!(ran.stderr.contains("error[program-not-allowed]"), "{}", ran.stderr);
}

#[test]
fn one_that_takes_too_long_is_ended_with_all_that_it_started() {
    let script = "sleep 1000 & echo $! > pid; echo working; wait";
    let sandbox = sandbox(script, "{run: {program: [sh, check.sh], timeout_s: 1}}");
    run(&sandbox).expect(3);
    let detail = "the program took longer than 1 s and was ended: \"working\"";
    assert_eq!(check(&sandbox), ("unknown".into(), detail.into()));
    assert!(is_gone(&left_behind(&sandbox)));
}

#[test]
fn a_child_that_it_leaves_behind_is_ended_and_holds_nothing_up() {
    let sandbox = sandbox("sleep 1000 & echo $! > pid; echo fine", CHECK);
    let started = Instant::now();
    run(&sandbox).expect(0);
    assert_eq!(check(&sandbox).1, "the program ended well: \"fine\"");
    assert!(is_gone(&left_behind(&sandbox)));
    assert!(started.elapsed() < Duration::from_secs(100), "nobody waited for it");
}

#[test]
fn what_it_writes_beyond_the_limit_is_dropped_and_what_it_does_not_read_harms_nothing() {
    let script =
        "i=0; while [ $i -lt 3000 ]; do echo 'a line of more than thirty bytes, again'; i=$((i+1)); done; exit 1";
    let sandbox = sandbox(script, CHECK);
    let long = "x".repeat(1 << 20);
    sandbox.write("s/one.yaml", format!("turns:\n  - user: {long}\n    expect: [{CHECK}]\n"));
    run(&sandbox).expect(1);
    let (verdict, detail) = check(&sandbox);
    assert!(verdict == "fail" && detail.ends_with("; it wrote more than is kept"), "{detail}");
    let calls: Vec<Value> = journal(&sandbox).into_iter().filter(|event| event["event"] == "call").collect();
    let program = &calls[0]["program"];
    assert_eq!((&calls[0]["kind"], &program["code"]), (&json!("program"), &json!(1)));
    assert_eq!((&program["is_cut"], &program["program"]), (&json!(true), &json!(["sh", "check.sh"])));
    assert_eq!(program["stdout"].as_str().unwrap().len(), 64 * 1024);
}

#[test]
fn ctrl_c_ends_it_with_all_that_it_started() {
    let server = Server::saying("Fine.");
    for signals in [1, 2] {
        let sandbox = sandbox("sleep 1000 & echo $! > pid.new; mv pid.new pid; wait", CHECK);
        sandbox.point_bot_at(&server.base_url());
        let mut running = sandbox.start(&["run", "s", "--allow-run", "--snapshots", "off"]);
        while !sandbox.has("s/pid") {
            assert!(!running.has_ended(), "it waits");
            std::thread::yield_now();
        }
        running.signal("INT");
        running.until_told("10 s");
        if signals == 2 {
            running.signal("INT");
        }
        running.finish().expect(130);
        assert!(is_gone(&left_behind(&sandbox)), "{signals}");
    }
}

#[test]
fn a_run_that_goes_on_starts_no_program_again_that_its_journal_holds() {
    let server = Server::saying("Fine.");
    let sandbox = sandbox("echo started >> log; [ \"$1\" != wait ] || { echo $$ > pid; exec sleep 1000; }", CHECK);
    sandbox.point_bot_at(&server.base_url());
    let checks = "[{run: [sh, check.sh]}, {run: {program: [sh, check.sh, wait], timeout_s: 3000}}]";
    sandbox.write("s/one.yaml", format!("turns: [{{user: Hi, expect: {checks}}}]\n"));
    let running = sandbox.start(&["run", "s", "--allow-run", "--snapshots", "off"]);
    let log = || std::fs::read_to_string(sandbox.path().join("s/log")).unwrap_or_default();
    while log().lines().count() < 2 || !sandbox.has("s/pid") {
        std::thread::yield_now();
    }
    running.signal("KILL");
    running.finish();
    // Nobody is left who could have ended it.
    Command::new("kill").arg(left_behind(&sandbox)).status().expect("kill");
    sandbox.write("s/check.sh", "echo again >> log");
    sandbox.run(&["run", "--resume", "--allow-run"]).expect(0);
    assert_eq!(log(), "started\nstarted\nagain\n");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_program_reads_the_whole_transcript_where_it_judges_that() {
    let sandbox = sandbox("cat > all.json; exit 7", CHECK);
    sandbox.write("s/one.yaml", format!("expect: [{CHECK}, {{always: {{run: [sh, -c, exit 0]}}}}]\npersona: Be kind.\nturns:\n  - {{user: Hello}}\n  - {{user: Bye}}\n"));
    run(&sandbox).expect(1);
    let input: Value = serde_json::from_str(&sandbox.read("s/all.json")).unwrap();
    assert_eq!((&input["turn"], input["messages"].as_array().unwrap().len()), (&json!(null), 5));
    let rows = sandbox.rows("checks.csv");
    let verdicts: Vec<[&str; 3]> =
        rows.iter().map(|row| ["turn", "check", "verdict"].map(|column| row[column].as_str())).collect();
    assert_eq!(verdicts, [["", "run", "fail"], ["", "always", "pass"]]);
}
