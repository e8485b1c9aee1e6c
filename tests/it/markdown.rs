//! `summary.md`, and what GitHub Actions shows of a step.

use std::fs;

use crate::support::answer::Answer;
use crate::support::sandbox::Sandbox;
use crate::support::server::Server;

const SCENARIO: &str = "facts: {name: Priya}\nwindows: [1, full]\nturns:\n  - user: My name is Priya.\n  - user: And I like tea.\n  - {user: What's my name?, expect: [{recalls: name}]}\n";

fn summary(sandbox: &Sandbox) -> String {
    fs::read_to_string(sandbox.run_folder().join("summary.md")).unwrap()
}

#[test]
fn a_run_leaves_a_page_for_the_pull_request_and_report_makes_the_same_again() {
    let sandbox = Sandbox::new();
    sandbox.write("s/one.yaml", SCENARIO);
    sandbox.run(&["run", "s"]).expect(1);
    let page = summary(&sandbox);
    assert!(page.starts_with("### ✗ chat-eval: 1 check failed\n\n1 passed, 1 failed · 6 calls in "), "{page}");
    assert!(page.contains("|  | scenario | model | window | checks | memory | tokens | time |\n| --- |"), "{page}");
    assert!(page.contains("| ✗ | `one` | `builtin` | `1` | 0/1 | ○ |"), "{page}");
    assert!(page.contains("<details><summary>transcript of the conversation, 3 turns</summary>"), "{page}");
    let file = sandbox.run_folder().join("summary.md");
    fs::remove_file(&file).unwrap();
    for run in ["latest", &sandbox.run_folder().display().to_string()] {
        sandbox.run(&["report", run]).expect(0);
        assert_eq!(fs::read_to_string(&file).unwrap(), page, "report {run}");
    }
}

#[test]
fn what_a_model_says_pings_nobody_and_runs_nothing() {
    let server =
        Server::start(|request| Answer::reply(request, "@octocat ``` </details>\n````\n::error::x\n![a](b) | c"));
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", "turns: [{user: Hi, expect: [{contains: never}]}]");
    sandbox.run(&["run", "s"]).expect(1);
    let page = summary(&sandbox);
    let (_, transcript) = page.split_once("</summary>\n\n`````text\n").expect("a fence longer than any in the reply");
    let (transcript, _) = transcript.split_once("\n`````\n\n</details>\n").expect("its end");
    assert!(
        transcript.contains("\n  @octocat ``` </details>\n  ````\n  \\::error::x\n  ![a](b) | c\n"),
        "{transcript}"
    );
}

#[test]
fn github_shows_the_run_and_its_snapshots_below_what_the_step_showed_before() {
    let sandbox = Sandbox::new().env("GITHUB_STEP_SUMMARY", "step.md").env("CI", "true");
    sandbox.write("s/one.yaml", SCENARIO.replace("windows: [1, full]\n", ""));
    sandbox.write("step.md", "before\n");
    sandbox.run(&["run", "s"]).expect(1);
    let shown = sandbox.read("step.md");
    let page = shown.strip_prefix("before\n\n").expect("what was there stays");
    assert!(page.starts_with("### ✗ chat-eval: 1 snapshot failed\n"), "{page}");
    assert!(page.contains("- ✗ `s/snapshots/one@default.builtin.full.snap`: `not accepted yet`"), "{page}");
    assert_eq!(summary(&sandbox), page);
    // Reports that are made again are no news of the step's.
    sandbox.run(&["report"]).expect(0);
    assert_eq!(sandbox.read("step.md"), shown);
    assert_eq!(summary(&sandbox), page);
}

#[test]
fn where_nothing_is_written_beside_the_scenarios_what_differs_is_in_the_reports() {
    let sandbox = Sandbox::new().env("CI", "true");
    sandbox.write("s/one.yaml", "persona: Be kind.\nturns: [{user: Hi there}]\n");
    sandbox.run(&["run", "s", "--snapshots", "always"]).expect(0);
    sandbox.write("s/one.yaml", "persona: Be terse.\nturns: [{user: Hi there}]\n");
    sandbox.run(&["run", "s"]).expect(1);
    let shown = summary(&sandbox);
    assert!(shown.contains("```diff\n") && shown.contains("\n-   Be kind.\n+   Be terse.\n"), "{shown}");
    let junit = fs::read_to_string(sandbox.run_folder().join("junit.xml")).unwrap();
    assert!(junit.contains("-   Be kind.\n+   Be terse.\n"), "{junit}");
    assert_eq!(sandbox.files("s/snapshots").len(), 1);
}

#[test]
fn a_step_that_cannot_be_shown_is_said_and_changes_no_exit_code() {
    let sandbox = Sandbox::new().env("GITHUB_STEP_SUMMARY", "step.md");
    sandbox.write("s/one.yaml", "turns: [{user: Hi}]");
    fs::create_dir(sandbox.path().join("step.md")).unwrap();
    let ran = sandbox.run(&["run", "s"]).expect(0);
    assert!(ran.stderr.contains("warning: cannot write `step.md`: "), "{}", ran.stderr);

    // More than GitHub takes would hide the whole step.
    let sandbox = Sandbox::new().env("GITHUB_STEP_SUMMARY", "step.md");
    sandbox.write("s/one.yaml", "turns: [{user: Hi}]");
    let full = "x".repeat(1024 * 1024 - 10);
    sandbox.write("step.md", &full);
    let ran = sandbox.run(&["run", "s"]).expect(0);
    assert!(ran.stderr.contains("GitHub shows 1 MiB of a step"), "{}", ran.stderr);
    assert_eq!(sandbox.read("step.md"), full);
}
