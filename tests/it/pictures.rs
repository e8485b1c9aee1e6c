//! `report --svg`: the pictures of a run.

use std::collections::BTreeSet;

use crate::support::answer::Answer;
use crate::support::sandbox::Sandbox;
use crate::support::server::Server;

/// The pictures in the folder of the latest run.
fn pictures(sandbox: &Sandbox) -> BTreeSet<String> {
    let files = sandbox.files("results/latest/.").into_iter();
    files.filter(|file| file.rsplit_once('.').is_some_and(|(_, end)| end == "svg")).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn a_grid_and_its_tokens_are_drawn_when_they_are_asked_for() {
    let sandbox = Sandbox::shipped();
    sandbox.run(&["run", "scenarios/retention-grid.yaml"]).expect(0);
    sandbox.run(&["report"]).expect(0);
    assert_eq!(pictures(&sandbox), set(&[]));
    let tables = sandbox.steady_tables();

    // Of an earlier time, when the run had more to show.
    sandbox.write("results/latest/latency.svg", "<svg/>");
    let ran = sandbox.run(&["report", "--svg"]).expect(0);
    assert_eq!(ran.stderr, "pictures: retention.svg, tokens.svg\n");
    assert_eq!(pictures(&sandbox), set(&["retention.svg", "tokens.svg"]));
    assert_eq!(sandbox.steady_tables(), tables);

    let read = || ["retention.svg", "tokens.svg"].map(|file| sandbox.read(&format!("results/latest/{file}")));
    let [retention, tokens] = read();
    assert!(retention.contains("smallest window that keeps the fact at gap 0, 1, 2, 4, 8: 2, 4, 4, full, full."));
    assert!(retention.contains("<title>gap 4, window 4: forgotten</title>"), "{retention}");
    assert!(tokens.contains("window full: nothing cut (5 conversations)"), "{tokens}");
    let quiet = sandbox.run(&["report", "--svg", "--quiet"]).expect(0);
    assert_eq!((quiet.stderr.as_str(), read()), ("", [retention, tokens]));
}

#[test]
fn live_calls_have_their_times_drawn_and_streamed_ones_those_to_the_first_token() {
    let server = Server::start(|request| Answer::reply(request, "Hello there."));
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s.yaml", "turns: [{user: Hi}, {user: And now?}]");
    for (how, there) in [
        ("--no-stream", &["tokens.svg", "latency.svg"][..]),
        ("--stream", &["tokens.svg", "latency.svg", "first-token.svg"]),
    ] {
        sandbox.run(&["run", "s.yaml", "--snapshots", "off", how]).expect(0);
        sandbox.run(&["report", "--svg"]).expect(0);
        assert_eq!(pictures(&sandbox), set(there), "{how}");
        let latency = sandbox.read("results/latest/latency.svg");
        assert!(latency.contains("bot: 2 calls, median "), "{latency}");
    }
}

#[test]
fn a_run_with_nothing_to_draw_says_so() {
    let sandbox = Sandbox::new();
    sandbox.write("s.yaml", "turns: [{user: Hi, reply: Hello.}]");
    sandbox.run(&["run", "s.yaml", "--snapshots", "off"]).expect(0);
    let ran = sandbox.run(&["report", "--svg"]).expect(0);
    assert!(ran.stderr.starts_with("no pictures: "), "{}", ran.stderr);
    assert_eq!(pictures(&sandbox), set(&[]));
}

#[test]
fn a_picture_that_cannot_be_written_is_named_and_leaves_nothing_half_done() {
    let sandbox = Sandbox::shipped();
    sandbox.run(&["run", "scenarios/retention-grid.yaml"]).expect(0);
    sandbox.write("results/latest/retention.svg/in-the-way", "");
    let ran = sandbox.run(&["report", "--svg"]).expect(5);
    assert!(
        ran.stderr.starts_with("error: cannot write `results/") && ran.stderr.contains("retention.svg"),
        "{}",
        ran.stderr
    );
    assert!(!sandbox.files("results/latest/.").iter().any(|file| file.contains("draft")));
}
