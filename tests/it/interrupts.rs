//! Ctrl-C and SIGTERM, and a reader that goes away: nothing that was done is lost.

#![cfg(unix)]

use std::io::Read;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::answer::{Answer, Gate};
use crate::support::priced::{priced, used, with_usage};
use crate::support::sandbox::Sandbox;
use crate::support::server::Server;

/// Six conversations of two turns. The first request is answered at once, all behind it when the gate is open.
fn held() -> (Server, Sandbox, Gate) {
    let gate = Gate::default();
    let of_server = gate.clone();
    let server = Server::start(move |request| {
        let answer = Answer::reply(request, "Fine.");
        if request.number == 1 { answer } else { answer.delay(&of_server) }
    });
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write(
        "s/one.yaml",
        "cases: [{id: a}, {id: b}, {id: c}, {id: d}, {id: e}, {id: f}]\nturns:\n  - {user: Hi, expect: [{max_words: 3}]}\n  - {user: More, expect: [{max_words: 3}]}\n",
    );
    (server, sandbox, gate)
}

fn journal(sandbox: &Sandbox) -> Vec<Value> {
    let runs = std::fs::read_dir(sandbox.path().join("results")).unwrap().map(|entry| entry.unwrap().path());
    let run = runs.filter(|path| !path.is_symlink()).max().expect("a run");
    let text = std::fs::read_to_string(run.join("journal.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).expect("whole lines")).collect()
}

fn count(journal: &[Value], event: &str) -> usize {
    journal.iter().filter(|line| line["event"] == event).count()
}

/// Where nothing is left to play, and the run is held up at its end, a signal ends it.
fn is_ended_behind_its_last_conversation(arguments: &[&str], signal: &str) {
    let sandbox = Sandbox::new().env("GITHUB_STEP_SUMMARY", "step");
    sandbox.write("s/one.yaml", "turns: [{user: Hi}]");
    sandbox.run(&["run", "s", "--snapshots", "always"]).expect(0);
    std::fs::remove_file(sandbox.path().join("step")).unwrap();
    // Nobody reads what is said there behind the last line, and so it waits.
    assert!(std::process::Command::new("mkfifo").arg(sandbox.path().join("step")).status().unwrap().success());
    let mut running = sandbox.start(arguments);
    running.until_said(
        "/report.html
",
    );
    running.signal(signal);
    running.finish().expect(130);
}

#[test]
fn where_nothing_is_left_to_play_the_first_signal_ends_a_run_that_goes_on() {
    is_ended_behind_its_last_conversation(&["run", "--resume"], "TERM");
}

#[test]
fn once_all_is_played_a_terminal_that_goes_away_ends_the_run_as_other_signals_do() {
    is_ended_behind_its_last_conversation(&["run", "s"], "TERM");
    is_ended_behind_its_last_conversation(&["run", "s"], "HUP");
}

fn is_told_to_stop_and_writes_all(signal: &str) {
    let (server, sandbox, gate) = held();
    let mut running = sandbox.start(&["run", "s", "-j", "2", "--snapshots", "new"]);
    // One conversation is at its second turn, another at its first.
    server.wait_for_requests(3);
    running.signal(signal);
    running.until_told("stopping: requests in flight get 10 s to finish");
    gate.open();
    let ran = running.finish().expect(130);
    assert_eq!(server.requests().len(), 3, "nothing more was sent");

    let journal = journal(&sandbox);
    let counts = ["begin", "turn", "conversation"].map(|event| count(&journal, event));
    assert_eq!(counts, [2, 3, 2], "what was in flight is done and kept");
    // Which of the two was answered first is the machine's to say.
    let mut verdicts: Vec<String> = sandbox.rows("checks.csv").iter().map(|row| row["verdict"].clone()).collect();
    verdicts.sort();
    assert_eq!(verdicts, ["pass", "pass", "pass", "skip"]);
    assert!(ran.stdout.contains("4 conversations not begun"), "{}", ran.stdout);
    let run: Value = serde_json::from_str(&sandbox.read("results/latest/run.json")).unwrap();
    assert_eq!((&run["conversations"], &run["totals"]["not_begun"]), (&6.into(), &4.into()));
    let ends = &run["totals"]["conversations"];
    assert_eq!((&ends["passed"], &ends["interrupted"]), (&1.into(), &1.into()));
    assert_eq!(sandbox.files("s/snapshots").len(), 1, "the whole conversation has its snapshot, half of one has none");
    sandbox.run(&["report"]).expect(0);
}

#[test]
fn ctrl_c_lets_what_is_in_flight_finish_and_writes_everything() {
    is_told_to_stop_and_writes_all("INT");
}

#[test]
fn sigterm_is_heard_as_ctrl_c_is() {
    is_told_to_stop_and_writes_all("TERM");
}

#[test]
fn a_second_signal_ends_at_once_and_the_journal_stays() {
    let (server, sandbox, _gate) = held();
    let mut running = sandbox.start(&["run", "s", "-j", "2"]);
    server.wait_for_requests(3);
    running.signal("INT");
    running.until_told("a second Ctrl-C ends at once");
    running.signal("INT");
    let ran = running.finish().expect(130);
    let told = "stays: `--resume` goes on with it, and `chat-eval report` makes the reports of it\n";
    assert!(ran.stderr.ends_with(told), "{}", ran.stderr);
    server.wait_for_hang_ups(2);
    let journal = journal(&sandbox);
    assert_eq!(["run", "turn", "conversation"].map(|event| count(&journal, event)), [1, 1, 0]);
    // The reports can be made of what there is.
    let ran = sandbox.run(&["report"]).expect(0);
    assert!(ran.stdout.contains("4 conversations not begun"), "{}", ran.stdout);
}

#[test]
fn what_does_not_finish_in_its_ten_seconds_is_given_up_and_made_when_the_run_goes_on() {
    let server = Server::start(|request| if request.number == 2 { Answer::hang() } else { with_usage(used(10, 10)) });
    let sandbox = priced(&server, "");
    sandbox.write("s/one.yaml", "params: {max_tokens: 100}\nturns: [{user: Hi}, {user: Hi}]");
    let mut running = sandbox.start(&["run", "s", "--max-cost", "1000", "--snapshots", "off"]);
    server.wait_for_requests(2);
    running.signal("INT");
    running.until_told("stopping: requests in flight get 10 s to finish");
    let ran = running.finish().expect(130);
    server.wait_for_hang_ups(1);
    let told = "$20.00 of $1000.00, $221.00 more reserved for calls of unknown usage";
    assert!(ran.stdout.contains(told), "nobody knows what it used: {}", ran.stdout);
    assert_eq!(sandbox.rows("transcripts.csv").len(), 1);
    sandbox.run(&["run", "--resume"]).expect(0);
    assert_eq!(server.requests()[2..].iter().map(|request| request.messages().len()).collect::<Vec<_>>(), [3]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_terminal_that_takes_nothing_keeps_nobody_from_ending_the_program() {
    let (server, sandbox, _gate) = held();
    let (_nobody_reads, full) = std::io::pipe().unwrap();
    // As much as a pipe takes; whatever is written behind it waits for a reader.
    let mut much = Command::new("sh");
    assert!(much.args(["-c", "yes | head -c 65536"]).stdout(full.try_clone().unwrap()).status().unwrap().success());
    let mut command = sandbox.command(&["run", "s", "-j", "2", "--quiet", "--snapshots", "off"]);
    let mut child = command.stdout(Stdio::null()).stderr(full).spawn().unwrap();
    server.wait_for_requests(3);
    for signal in ["-INT", "-TERM"] {
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
    }
    let (sender, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait().unwrap()));
    let status = ended.recv_timeout(std::time::Duration::from_secs(60)).expect("the program ends");
    assert_eq!(status.code(), Some(130));
}

#[test]
fn a_signal_while_pieces_are_shown_keeps_the_lines_whole() {
    let gate = Gate::default();
    let of_server = gate.clone();
    let server = Server::start(move |_| Answer::stream(["One, ", "two."]).hold_event(2, &of_server));
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", "stream: true\nturns: [{user: Count.}, {user: Again.}]");
    let mut running = sandbox.start(&["run", "s", "--show", "--snapshots", "off"]);
    running.until_said("One, ");
    running.signal("INT");
    running.until_told("stopping:");
    gate.open();
    let ran = running.finish().expect(130);
    assert!(ran.stdout.contains("  assistant\n  │ One, \n  │ two.\n"), "{}", ran.stdout);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_reader_that_goes_away_breaks_neither_the_run_nor_its_files() {
    let server = Server::saying("Good day.");
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", "trials: 20\nturns: [{user: Hi, expect: [{contains: hello}]}]");
    for arguments in [&["--show"][..], &[]] {
        let mut command = sandbox.command(&[&["run", "s", "--snapshots", "off"], arguments].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut told = String::new();
        child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(1), "{told}");
        assert_eq!(sandbox.rows("checks.csv").len(), 20);
        assert!(!told.contains("panicked"), "{told}");
    }
}
