//! The files of recordings: those whose scenario is gone, what a filtered recording leaves behind, and damaged ones.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::answer::Answer;
use crate::support::sandbox::{Ran, Sandbox};
use crate::support::server::Server;

const HELLO: &str = "turns: [{user: Hi}]\n";
const GONE: &str = "warning: s/cassettes/old.jsonl: its scenario is gone; `--prune` removes it\n";

fn run(sandbox: &Sandbox, arguments: &[&str]) -> Ran {
    sandbox.run(&[&["run", "s", "--snapshots", "off"], arguments].concat())
}

/// Three recorded scenarios, of which one is there still. The server is gone too.
fn with_gone() -> Sandbox {
    let server = Server::saying("Hello!");
    let sandbox = Sandbox::with_bot(&server.base_url());
    for file in ["s/trip.yaml", "s/old.yaml", "s/sub/last.yaml"] {
        sandbox.write(file, HELLO);
    }
    run(&sandbox, &["--cassettes", "record"]).expect(0);
    for file in ["s/old.yaml", "s/sub/last.yaml"] {
        std::fs::remove_file(sandbox.path().join(file)).unwrap();
    }
    sandbox
}

/// Its words are nowhere else: it plays without them in the very run that would remove them.
#[test]
fn recordings_of_a_scenario_that_was_moved_are_never_pruned() {
    let server = Server::saying("Hello!");
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/trip.yaml", HELLO);
    sandbox.write("s/moved.yaml", HELLO);
    run(&sandbox, &["--cassettes", "record"]).expect(0);
    std::fs::create_dir(sandbox.path().join("s/sub")).unwrap();
    std::fs::rename(sandbox.path().join("s/moved.yaml"), sandbox.path().join("s/sub/moved.yaml")).unwrap();
    let told = run(&sandbox, &["--offline", "--prune"]).expect(3).stderr;
    let warning = "warning: s/cassettes/moved.jsonl: its scenario lies in another folder; move it there\n";
    assert!(told.contains(warning), "{told}");
    assert!(sandbox.files("s").contains(&"cassettes/moved.jsonl".to_owned()));
}

#[test]
fn recordings_of_a_scenario_that_is_gone_are_told_and_pruned_on_a_whole_run_only() {
    let sandbox = with_gone();
    let files = sandbox.files("s");
    for whole in [&["--offline"][..], &[], &["--no-stream"]] {
        let told = run(&sandbox, whole).expect(0).stderr;
        assert!(told.contains(GONE) && told.contains("s/sub/cassettes/last.jsonl: its scenario is gone"), "{told}");
    }
    for part in [
        &["-k", "trip"][..],
        &["--persona", "default"],
        &["--model", "bot"],
        &["--window", "full"],
        &["--trials", "1"],
        &["--fail-fast"],
        &["--shard", "1/2"],
    ] {
        let ran = run(&sandbox, &[&["--offline"], part].concat());
        assert!(matches!(ran.code, Some(0 | 4)), "{part:?}: {}", ran.stderr);
        assert!(!ran.stderr.contains("is gone"), "{part:?}: {}", ran.stderr);
    }
    // Who names one file of several says nothing of their folder.
    sandbox.write("s/too.yaml", HELLO);
    let alone = ["run", "s/trip.yaml", "--snapshots", "off", "--offline", "--prune"];
    let ran = sandbox.run(&alone).expect(0);
    assert!(!ran.stderr.contains("is gone"), "{}", ran.stderr);
    std::fs::remove_file(sandbox.path().join("s/too.yaml")).unwrap();
    assert_eq!(sandbox.files("s"), files);

    let ran = run(&sandbox, &["--offline", "--prune"]).expect(0);
    assert!(ran.stderr.contains("removed s/cassettes/old.jsonl: its scenario is gone\n"), "{}", ran.stderr);
    assert_eq!(sandbox.files("s"), ["cassettes/trip.jsonl", "trip.yaml"]);
    assert!(!run(&sandbox, &["--offline"]).expect(0).stderr.contains("is gone"));
}

#[test]
fn a_scenario_with_another_name_leaves_the_recordings_of_the_old_one() {
    let sandbox = with_gone();
    sandbox.write("s/trip.yaml", format!("name: journey\n{HELLO}"));
    let ran = run(&sandbox, &["--offline"]).expect(3);
    assert!(ran.stderr.contains("s/cassettes/trip.jsonl: its scenario is gone"), "{}", ran.stderr);
}

#[test]
fn what_is_no_recording_or_may_be_played_by_its_name_is_left_alone() {
    let sandbox = with_gone();
    let trip = sandbox.read("s/cassettes/trip.jsonl");
    sandbox.write("s/cassettes/copy.jsonl", &trip);
    sandbox.write("s/cassettes/notes.jsonl", "{}\n");
    sandbox.write("s/cassettes/old.txt", &trip);
    // The one is called so, of the other nobody knows.
    sandbox.write("s/_old.yaml", format!("name: old\n{HELLO}"));
    std::fs::rename(
        sandbox.path().join("s/sub/cassettes/last.jsonl"),
        sandbox.path().join("s/sub/cassettes/_last.jsonl"),
    )
    .unwrap();
    sandbox.write("s/sub/_last.yaml", HELLO);
    let files = sandbox.files("s");
    let ran = run(&sandbox, &["--offline", "--prune"]).expect(0);
    assert!(!ran.stderr.contains("is gone"), "{}", ran.stderr);
    assert_eq!(sandbox.files("s"), files);
    std::fs::remove_file(sandbox.path().join("s/_old.yaml")).unwrap();
    assert!(run(&sandbox, &["--offline"]).expect(0).stderr.contains(GONE));
}

const TRIP: &str = "\
windows: [1, full]
trials: 2
turns:
  - user: My name is Priya.
  - user: Where to?
  - user: What's my name?
";

/// What a recording of a part says that has to be recorded too.
fn left_behind(ran: &Ran) -> Vec<String> {
    let marks = "warning: record these too, they share a turn that has another reply now: ";
    let line = ran.stderr.lines().find_map(|line| line.strip_prefix(marks));
    line.map_or_else(Vec::new, |line| line.split(", ").map(str::to_owned).collect())
}

#[test]
fn who_shares_a_turn_that_is_recorded_anew_is_named() {
    let said = AtomicUsize::new(0);
    let server = Server::start(move |request| {
        Answer::reply(request, &format!("reply {}", said.fetch_add(1, Ordering::Relaxed)))
    });
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/trip.yaml", TRIP);
    assert!(left_behind(&run(&sandbox, &["--cassettes", "record"]).expect(0)).is_empty());
    let ran = run(&sandbox, &["--cassettes", "record", "-k", "window=full"]).expect(0);
    let others = [1, 2].map(|trial| format!("trip · default · bot · window 1 · trial {trial}"));
    assert_eq!(left_behind(&ran), others, "{}", ran.stderr);
    // So it is.
    run(&sandbox, &["--offline"]).expect(3);
    assert!(left_behind(&run(&sandbox, &["--cassettes", "record"]).expect(0)).is_empty());
    run(&sandbox, &["--offline"]).expect(0);

    // Who says the same all along hears the new replies all along.
    sandbox.write("s/trip.yaml", format!("cases: [{{id: one}}, {{id: two}}]\n{TRIP}"));
    run(&sandbox, &["--cassettes", "record"]).expect(0);
    let ran = run(&sandbox, &["--cassettes", "record", "-k", "case=one"]).expect(0);
    assert!(left_behind(&ran).is_empty(), "{}", ran.stderr);
    run(&sandbox, &["--offline"]).expect(0);
}

#[test]
fn the_same_words_once_more_leave_nobody_behind() {
    let server = Server::start(|request| Answer::reply(request, &format!("{} messages", request.messages().len())));
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/trip.yaml", TRIP);
    run(&sandbox, &["--cassettes", "record"]).expect(0);
    let ran = run(&sandbox, &["--cassettes", "record", "-k", "window=full"]).expect(0);
    assert!(left_behind(&ran).is_empty(), "{}", ran.stderr);
    run(&sandbox, &["--offline"]).expect(0);
}

#[test]
fn check_finds_a_damaged_cassette() {
    let sandbox = with_gone();
    sandbox.run(&["check", "s"]).expect(0);
    let text = sandbox.read("s/cassettes/trip.jsonl");
    sandbox.write("s/cassettes/trip.jsonl", text.replace("Hello!", "Goodbye!"));
    let ran = sandbox.run(&["check", "s"]).expect(2);
    for word in ["error[unusable-cassette]", "s/cassettes/trip.jsonl", "line 2", "its reply was changed", "help: "] {
        assert!(ran.stderr.contains(word), "{word:?} in {}", ran.stderr);
    }
}

#[test]
fn what_a_killed_run_left_half_written_goes_with_the_next_recording() {
    let server = Server::saying("Hello!");
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/trip.yaml", HELLO);
    sandbox.write("s/cassettes/.cassette-aB3dE9", "{\"format\":1,");
    run(&sandbox, &["--cassettes", "record"]).expect(0);
    assert_eq!(sandbox.files("s"), ["cassettes/trip.jsonl", "trip.yaml"]);
}
