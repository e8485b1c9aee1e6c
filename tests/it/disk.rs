//! A disk that is full, a journal that vanishes, an output that takes nothing, a terminal that goes away: the run stops
//! sending or goes on, and says which.

#![cfg(unix)]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};

use crate::support::answer::{Answer, Gate};
use crate::support::child::Running;
use crate::support::sandbox::{Ran, Sandbox};
use crate::support::server::Server;

/// The binary started by a shell that does something before.
fn after(sandbox: &Sandbox, before: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{before}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_chat-eval")]).args(arguments);
    command.current_dir(sandbox.path()).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.stdin(Stdio::null());
    command
}

#[test]
fn a_limit_on_the_size_of_files_stops_the_run_and_it_goes_on_without_the_limit() {
    let server = Server::saying("Hello!");
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", "trials: 100\nturns: [{user: Hi}, {user: More}]");
    let mut command = after(&sandbox, "ulimit -f 8", &["run", "s", "-j", "3", "--snapshots", "off"]);
    let ran = Ran::from(command.output().unwrap()).expect(5);
    assert!(ran.stderr.contains("cannot write the journal"), "{}", ran.stderr);
    assert!(ran.stderr.contains("`chat-eval run --resume results/"), "{}", ran.stderr);
    let sent = server.requests().len();
    assert!(sent < 100, "{sent} requests");
    sandbox.run(&["run", "--resume"]).expect(0);
    assert_eq!(sandbox.rows("transcripts.csv").len(), 200);
    assert!(server.requests().len() <= 203, "at most what was in flight was sent twice");
}

#[test]
fn a_disk_that_fills_while_reports_are_written_leaves_the_old_ones() {
    let reply = "word ".repeat(300);
    let server = Server::start(move |request| Answer::reply(request, &reply));
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", "trials: 100\nturns: [{user: Hi}, {user: More}]");
    sandbox.run(&["run", "s", "--snapshots", "off"]).expect(0);
    let folder = run_in(&sandbox.path().join("results"));
    std::fs::write(folder.join("transcripts.csv"), "old\n").unwrap();
    // Half of what the table has, so that it is met while the journal is read.
    let ran = Ran::from(after(&sandbox, "trap '' XFSZ; ulimit -f 64", &["report"]).output().unwrap()).expect(5);
    assert!(ran.stderr.contains("transcripts.csv"), "{}", ran.stderr);
    assert_eq!(std::fs::read_to_string(folder.join("transcripts.csv")).unwrap(), "old\n");
    let names = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let drafts: Vec<String> = names.filter(|name| name.starts_with('.')).collect();
    assert!(drafts.is_empty(), "{drafts:?}");
    sandbox.run(&["report"]).expect(0);
    assert_eq!(sandbox.rows("transcripts.csv").len(), 200);
}

/// A run whose folder meets something when the third request arrives; later requests are never answered.
fn meets(what: fn(&PathBuf)) -> (Sandbox, Ran, usize) {
    let results: Arc<OnceLock<PathBuf>> = Arc::default();
    let of_server = Arc::clone(&results);
    let server = Server::start(move |request| {
        if request.number == 3 {
            what(of_server.get().expect("the folder of runs"));
        }
        if request.number < 3 { Answer::reply(request, "Hello!") } else { Answer::hang() }
    });
    let sandbox = Sandbox::with_bot(&server.base_url());
    results.set(sandbox.path().join("results")).unwrap();
    sandbox.write("s/one.yaml", "trials: 10\nturns: [{user: Hi}]");
    let ran = sandbox.run(&["run", "s", "-j", "1", "--snapshots", "off"]).expect(5);
    assert!(ran.stderr.contains("while the run was going on"), "{}", ran.stderr);
    (sandbox, ran, server.requests().len())
}

/// A server that answers, and that the sandbox's config names now.
fn answering(sandbox: &Sandbox) -> Server {
    let server = Server::saying("Hello!");
    let config = format!(
        "model: bot\nmodels:\n  bot: {{provider: openai, model: test-model, base_url: \"{}\", api_key_env: none}}\n",
        server.base_url()
    );
    sandbox.write("chat-eval.yaml", config);
    server
}

fn set_mode(folder: &Path, mode: u32) {
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn run_in(results: &PathBuf) -> PathBuf {
    std::fs::read_dir(results).unwrap().next().unwrap().unwrap().path()
}

#[test]
fn a_folder_that_vanishes_stops_the_run() {
    let (sandbox, ran, sent) = meets(|results| std::fs::remove_dir_all(run_in(results)).unwrap());
    assert_eq!(sent, 3, "nothing was sent behind it");
    assert!(ran.stderr.contains("was removed, moved or replaced"), "{}", ran.stderr);
    assert!(ran.stderr.contains("nothing is left in results/"), "{}", ran.stderr);
    assert!(sandbox.files("results").is_empty());
}

#[test]
fn a_folder_that_becomes_read_only_stops_the_run_which_goes_on_when_it_is_writable_again() {
    let (sandbox, ran, sent) = meets(|results| set_mode(&run_in(results), 0o555));
    assert_eq!(sent, 3, "nothing was sent behind it");
    assert!(ran.stderr.contains("became read-only"), "{}", ran.stderr);
    assert!(ran.stderr.contains("`chat-eval run --resume results/"), "{}", ran.stderr);
    set_mode(&sandbox.only_run(), 0o755);
    let server = answering(&sandbox);
    sandbox.run(&["run", "--resume"]).expect(0);
    assert_eq!(server.requests().len(), 8, "what was done before is not sent again");
}

#[test]
fn a_journal_that_is_replaced_stops_the_run() {
    let (sandbox, _, sent) = meets(|results| {
        let journal = run_in(results).join("journal.jsonl");
        std::fs::remove_file(&journal).unwrap();
        std::fs::write(&journal, "mine\n").unwrap();
    });
    assert_eq!(sent, 3);
    assert_eq!(std::fs::read_to_string(sandbox.only_run().join("journal.jsonl")).unwrap(), "mine\n");
}

#[test]
fn a_folder_that_is_moved_stops_the_run_which_goes_on_from_its_new_place() {
    let (sandbox, ran, _) = meets(|results| {
        std::fs::rename(run_in(results), results.parent().unwrap().join("kept")).unwrap();
    });
    assert!(ran.stderr.contains("`chat-eval run --resume FOLDER`"), "{}", ran.stderr);
    let server = answering(&sandbox);
    sandbox.run(&["run", "--resume", "kept"]).expect(0);
    assert_eq!(server.requests().len(), 8, "what the moved journal holds is not sent again");
}

#[test]
fn a_standard_output_that_takes_nothing_is_an_error_and_a_closed_one_is_none() {
    let sandbox = Sandbox::new();
    sandbox.write("s/one.yaml", "turns: [{user: Hi}]");
    for arguments in [&["run", "s", "--snapshots", "off"][..], &["report"], &["--help"]] {
        let mut command = after(&sandbox, "exec >/dev/full", arguments);
        let ran = Ran::from(command.output().unwrap()).expect(5);
        assert_eq!(ran.stderr.matches("cannot write to standard output").count(), 1, "{}", ran.stderr);
    }
    assert_eq!(sandbox.rows("transcripts.csv").len(), 1, "the files are written all the same");
}

/// A run whose only request is answered when the gate is open.
fn held() -> (Server, Sandbox, Gate) {
    let gate = Gate::default();
    let of_server = gate.clone();
    let server = Server::start(move |request| Answer::reply(request, "Fine.").delay(&of_server));
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", "trials: 2\nturns: [{user: Hi}]");
    (server, sandbox, gate)
}

#[test]
fn a_terminal_that_goes_away_stops_the_run_in_good_order_however_often_it_says_so() {
    let (server, sandbox, gate) = held();
    let mut running = sandbox.start(&["run", "s", "-j", "1", "--snapshots", "off"]);
    server.wait_for_requests(1);
    running.signal("HUP");
    running.until_told("stopping:");
    running.signal("HUP");
    gate.open();
    running.finish().expect(130);
    assert_eq!(sandbox.rows("transcripts.csv").len(), 1);
    sandbox.run(&["run", "--resume"]).expect(0);
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn a_run_that_was_started_to_outlive_its_terminal_does() {
    let (server, sandbox, gate) = held();
    let running = Running::of(after(&sandbox, "trap '' HUP", &["run", "s", "-j", "1", "--snapshots", "off"]));
    server.wait_for_requests(1);
    running.signal("HUP");
    gate.open();
    running.finish().expect(0);
    assert_eq!(server.requests().len(), 2);
}
