//! Snapshots whose scenario or variant is gone: said by a run that can know it, removed by `review --prune`.

use crate::support::sandbox::{Ran, Sandbox};
use crate::support::server::Server;

const ONE: &str = "personas: [{name: kind}, {name: curt}]\nturns: [{user: Hello}]\n";
const TWO: &str = "turns: [{user: Hello}]\n";

/// Two scenarios and one below, all accepted; then a persona, a scenario, and the only scenario of a folder are gone.
fn with_leftovers() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("s/one.yaml", ONE);
    sandbox.write("s/two.yaml", TWO);
    sandbox.write("s/sub/three.yaml", TWO);
    sandbox.run(&["run", "s", "--snapshots", "always"]).expect(0);
    sandbox.write("s/one.yaml", ONE.replace(", {name: curt}", ""));
    std::fs::remove_file(sandbox.path().join("s/two.yaml")).unwrap();
    std::fs::remove_file(sandbox.path().join("s/sub/three.yaml")).unwrap();
    sandbox
}

const VARIANT: &str = "s/snapshots/one@curt.builtin.full.snap: unreferenced: its scenario has no such variant; `chat-eval review --prune` removes it\n";
const SCENARIO: &str = "s/snapshots/two@default.builtin.full.snap: unreferenced: its scenario is gone; `chat-eval review --prune` removes it\n";
const FOLDER: &str = "s/sub/snapshots/three@default.builtin.full.snap: unreferenced: its scenario is gone; ";

fn said(ran: &Ran) -> Vec<&str> {
    ran.stdout.lines().filter(|line| line.contains("unreferenced")).collect()
}

#[test]
fn a_whole_run_says_what_nothing_refers_to_and_fails_nothing() {
    let sandbox = with_leftovers();
    for arguments in
        [&["run", "s"][..], &["run", "./s/", "--snapshots", "no"], &["run", "s/one.yaml", "s", "--trials", "2"]]
    {
        let ran = sandbox.run(arguments).expect(0);
        for note in [VARIANT, SCENARIO, FOLDER] {
            assert!(ran.stdout.contains(note), "{arguments:?}: `{note}` is not in:\n{}", ran.stdout);
        }
        assert_eq!(said(&ran).len(), 3, "{}", ran.stdout);
    }
    // Under CI too.
    let mut ci = sandbox.command(&["run", "s"]);
    ci.env("CI", "true");
    assert_eq!(said(&Ran::from(ci.output().unwrap()).expect(0)).len(), 3);
    // What is gone on with says what it would have said.
    let resumed = sandbox.run(&["run", "--resume"]).expect(0);
    assert_eq!(said(&resumed).len(), 3);
    assert_eq!(said(&sandbox.run(&["run", "s", "--snapshots", "off"]).expect(0)), [""; 0]);
}

#[test]
fn a_part_of_a_run_says_nothing() {
    let sandbox = with_leftovers();
    sandbox.write("s/one.yaml", ONE.replace(", {name: curt}", "").replace("Hello", "Bye") + "tags: [t]\n");
    sandbox.run(&["run", "s", "--snapshots", "always"]).expect(0);
    for arguments in [
        &["run", "s", "-k", "one"][..],
        &["run", "s", "--tag", "t"],
        &["run", "s", "--persona", "kind"],
        &["run", "s", "--model", "builtin"],
        &["run", "s", "--window", "full"],
        &["run", "s", "--shard", "1/2"],
        &["run", "s", "--shard", "2/2"],
    ] {
        assert_eq!(said(&sandbox.run(arguments).expect(0)), [""; 0], "{arguments:?}");
    }
    let mut by_environment = sandbox.command(&["run", "s"]);
    by_environment.env("CHAT_EVAL_MODEL", "builtin");
    assert_eq!(said(&Ran::from(by_environment.output().unwrap()).expect(0)), [""; 0]);
    sandbox.write("s/one.yaml", "turns: [{user: Hello, expect: [{contains: nothing of the kind}]}]");
    assert_eq!(said(&sandbox.run(&["run", "s"]).expect(1)).len(), 4);
    assert_eq!(said(&sandbox.run(&["run", "--rerun", "failed"]).expect(1)), [""; 0]);
}

#[test]
fn a_run_that_was_stopped_says_nothing() {
    let sandbox = with_leftovers();
    sandbox.write("s/a.yaml", "turns: [{user: Hello, expect: [{contains: nothing of the kind}]}]");
    sandbox.run(&["run", "s", "-j", "1", "--snapshots", "new"]).expect(1);
    sandbox.run(&["review", "s", "--accept"]).expect(0);
    assert_eq!(said(&sandbox.run(&["run", "s", "-j", "1"]).expect(1)).len(), 3);
    // What was not begun is not gone.
    assert_eq!(said(&sandbox.run(&["run", "s", "-j", "1", "--fail-fast"]).expect(1)), [""; 0]);
}

#[test]
fn the_parts_of_a_whole_say_it_when_they_are_put_together() {
    let sandbox = with_leftovers();
    sandbox.run(&["run", "s", "--shard", "1/2", "--out", "parts/1"]).expect(0);
    sandbox.run(&["run", "s", "--shard", "2/2", "--out", "parts/2"]).expect(0);
    let ran = sandbox.run(&["merge", "parts/1", "parts/2", "-o", "results/merged"]).expect(0);
    assert_eq!(said(&ran).len(), 3, "{}", ran.stdout);
}

#[test]
fn of_files_that_were_given_one_by_one_only_their_own_snapshots_are_judged() {
    let sandbox = with_leftovers();
    sandbox.write("s/four.yaml", TWO);
    // `four` was not looked at, so `two` may be the name of what is in it.
    assert_eq!(said(&sandbox.run(&["run", "s/one.yaml"]).expect(0)), [format!("  {}", VARIANT.trim_end())]);
    assert_eq!(said(&sandbox.run(&["run", "s/four.yaml"]).expect(0)), [""; 0]);
    // All that lie there, one by one, and from within.
    let ran = sandbox.run(&["run", "s/one.yaml", "s/four.yaml"]).expect(0);
    assert_eq!(said(&ran).len(), 2, "{}", ran.stdout);
    let mut within = sandbox.command(&["run", "one.yaml", "four.yaml"]);
    within.current_dir(sandbox.path().join("s"));
    let ran = Ran::from(within.output().unwrap()).expect(0);
    assert_eq!(said(&ran).len(), 2, "{}", ran.stdout);
    assert!(ran.stdout.contains("  snapshots/one@curt.builtin.full.snap: unreferenced"), "{}", ran.stdout);
}

#[test]
fn an_errored_conversation_still_has_its_snapshot() {
    let server = Server::saying("Hi.");
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", TWO);
    sandbox.run(&["run", "s", "--snapshots", "always"]).expect(0);
    drop(server);
    let ran = sandbox.run(&["run", "s", "--retries", "0"]).expect(3);
    assert_eq!(said(&ran), [""; 0], "{}", ran.stdout);
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let sandbox = Sandbox::new();
    sandbox.write("s/one.yaml", TWO);
    sandbox.run(&["run", "s", "--snapshots", "always"]).expect(0);
    let of_rust = "---\nsource: src/lib.rs\n---\nx\n";
    for (path, text) in [
        ("s/snapshots/crate__test@one.snap", of_rust),
        ("s/snapshots/crate__test.snap", "---\nsource: s/one.yaml\n---\nx\n"),
        ("s/snapshots/gone@broken.snap", "---\nsource: \"\n---\n"),
        ("s/snapshots/gone@elsewhere.txt", "---\nsource: s/one.yaml\n---\nx\n"),
        ("s/_old/snapshots/gone@p.builtin.full.snap", "---\nsource: s/one.yaml\n---\nx\n"),
        ("s/target/snapshots/gone@p.builtin.full.snap", "---\nsource: s/one.yaml\n---\nx\n"),
    ] {
        sandbox.write(path, text);
    }
    let files = sandbox.files("s");
    assert_eq!(said(&sandbox.run(&["run", "s"]).expect(0)), [""; 0]);
    let pruned = sandbox.run(&["review", "--prune"]).expect(0);
    assert_eq!(pruned.stdout, "no snapshot is unreferenced\n");
    assert_eq!(sandbox.files("s"), files);
}

#[test]
fn prune_lists_what_it_removes_and_removes_nothing_else() {
    let sandbox = with_leftovers();
    // One that waits for what is gone would come back at every review.
    sandbox.write(
        "s/snapshots/two@default.builtin.full.snap.new",
        sandbox.read("s/snapshots/two@default.builtin.full.snap"),
    );
    sandbox.write("elsewhere/docker-compose.yaml", "services: {}");
    let listed = sandbox.run(&["review", "--prune", "--list"]).expect(0);
    let expected = "\
s/snapshots/one@curt.builtin.full.snap: its scenario has no such variant
s/snapshots/two@default.builtin.full.snap: its scenario is gone
s/snapshots/two@default.builtin.full.snap.new: its scenario is gone
s/sub/snapshots/three@default.builtin.full.snap: its scenario is gone
4 snapshots unreferenced
";
    assert_eq!(listed.stdout, expected);
    assert_eq!(sandbox.files("s").iter().filter(|file| file.contains(".snap")).count(), 5);
    // Only below the folder that was named.
    let sub = sandbox.run(&["review", "s/sub", "--prune"]).expect(0);
    assert_eq!(
        sub.stdout,
        "✗ s/sub/snapshots/three@default.builtin.full.snap: its scenario is gone\n1 snapshot removed\n"
    );
    let rest = sandbox.run(&["review", "--prune"]).expect(0);
    assert!(rest.stdout.ends_with("3 snapshots removed\n"), "{}", rest.stdout);
    assert_eq!(sandbox.files("s"), ["one.yaml", "snapshots/one@kind.builtin.full.snap"]);
    assert_eq!(said(&sandbox.run(&["run", "s"]).expect(0)), [""; 0]);
    assert_eq!(sandbox.run(&["review", "--prune"]).expect(0).stdout, "no snapshot is unreferenced\n");
}

#[test]
fn prune_asks_the_config_and_the_scenarios_for_what_they_have() {
    let server = Server::saying("Hi.");
    let sandbox = Sandbox::with_bot(&server.base_url());
    let one = "windows: [1, full]\nmatrix: {gap: [0, 1]}\nturns: [{filler: \"{{ gap }}\"}, {user: Hello}]\n";
    sandbox.write("s/one.yaml", one);
    sandbox.write("s/deep/two.yaml", "persona: {name: p, system_file: ../p.md}\nturns: [{user: Hello}]\n");
    sandbox.write("s/p.md", "Be kind.");
    sandbox.run(&["run", "s", "--snapshots", "always"]).expect(0);
    assert_eq!(sandbox.run(&["review", "s", "--prune"]).expect(0).stdout, "no snapshot is unreferenced\n");
    sandbox.write("s/one.yaml", one.replace("[1, full]", "[full]").replace("[0, 1]", "[1]"));
    let listed = sandbox.run(&["review", "s", "--prune", "--list"]).expect(0);
    assert!(listed.stdout.ends_with("3 snapshots unreferenced\n"), "{}", listed.stdout);
    // A scenario that wants none refers to none.
    sandbox.write("s/one.yaml", format!("snapshot: off\n{one}"));
    let ran = sandbox.run(&["run", "s"]).expect(0);
    assert_eq!(said(&ran).len(), 4, "{}", ran.stdout);
    let pruned = sandbox.run(&["review", "s", "--prune"]).expect(0);
    assert!(pruned.stdout.ends_with("4 snapshots removed\n"), "{}", pruned.stdout);
    assert_eq!(sandbox.files("s/deep/snapshots"), ["two@p.bot.full.snap"]);
}

#[test]
fn prune_removes_nothing_where_a_scenario_or_the_config_is_wrong() {
    let sandbox = with_leftovers();
    sandbox.write("s/one.yaml", "turns: [{usr: Hello}]");
    let files = sandbox.files("s");
    let refused = sandbox.run(&["review", "--prune"]).expect(2);
    assert!(
        refused.stderr.contains("did you mean `user`?") && refused.stderr.ends_with("no snapshot was removed\n"),
        "{}",
        refused.stderr
    );
    sandbox.write("chat-eval.yaml", "modl: builtin\n");
    sandbox.run(&["review", "--prune"]).expect(2);
    sandbox.run(&["review", "nowhere", "--prune"]).expect(2);
    assert_eq!(sandbox.files("s"), files);
    for beside in ["--accept", "--reject"] {
        sandbox.run(&["review", "--prune", beside]).expect(2);
    }
    sandbox.run(&["review", "--accept", "--reject"]).expect(2);
    sandbox.run(&["review", "--list", "--accept"]).expect(2);
    assert_eq!(sandbox.files("s"), files);
}

#[test]
fn a_folder_with_a_config_of_its_own_is_left_alone_from_elsewhere() {
    let sandbox = Sandbox::new();
    sandbox.write("y/one/chat-eval.yaml", "model: builtin:echo\n");
    sandbox.write("y/one/s/a.yaml", "turns: [{user: Hi}]\n");
    let config = ["--config", "y/one/chat-eval.yaml"];
    sandbox.run(&[&["run", "y/one/s", "--snapshots", "always"][..], &config].concat()).expect(0);
    let snapshots = sandbox.files("y/one/s/snapshots");
    assert_eq!(snapshots.len(), 1);
    let ran = sandbox.run(&["review", "--prune", "y"]).expect(0);
    assert!(ran.stderr.contains("was left alone: its config is"), "{}", ran.stderr);
    sandbox.run(&[&["review", "--prune", "y"][..], &config].concat()).expect(0);
    assert_eq!(sandbox.files("y/one/s/snapshots"), snapshots);
}

#[test]
fn a_scenario_that_is_played_by_its_name_alone_keeps_its_snapshots() {
    let sandbox = Sandbox::new();
    sandbox.write("s/a.yaml", "turns: [{user: Hi}]\n");
    sandbox.write("s/_h.yaml", "turns: [{user: Hi}]\n");
    sandbox.run(&["run", "s", "s/_h.yaml", "--snapshots", "always"]).expect(0);
    let snapshots = sandbox.files("s/snapshots");
    assert_eq!(snapshots.len(), 2);
    let ran = sandbox.run(&["run", "s"]).expect(0);
    assert!(!ran.stdout.contains("unreferenced"), "{}", ran.stdout);
    sandbox.run(&["review", "--prune", "s"]).expect(0);
    assert_eq!(sandbox.files("s/snapshots"), snapshots);
    std::fs::remove_file(sandbox.path().join("s/_h.yaml")).unwrap();
    sandbox.run(&["review", "--prune", "s"]).expect(0);
    assert_eq!(sandbox.files("s/snapshots").len(), 1);
}
