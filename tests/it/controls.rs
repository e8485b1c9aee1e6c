//! `check --controls`: checks on facts that pass whatever a bot remembers are found, and no others.

use crate::support::sandbox::{Ran, Sandbox};

fn check(script: &str) -> Ran {
    let sandbox = Sandbox::new();
    sandbox.write("s/one.yaml", script);
    sandbox.run(&["check", "s"]).expect(0);
    let ran = sandbox.run(&["check", "--controls", "s"]);
    assert!(!sandbox.has("results"), "nothing is kept");
    ran
}

#[test]
fn the_shipped_scenarios_have_no_check_that_cannot_fail() {
    let ran = Sandbox::shipped().run(&["check", "--controls", "scenarios"]).expect(0);
    assert_eq!(ran.stdout, "12 scenarios, 85 conversations: no errors; each of 10 checks on facts can fail\n");
}

#[test]
fn a_check_that_cannot_fail_is_shown_with_its_place_and_why() {
    for (script, told, why) in [
        (
            "window: none\nfacts: {name: Priya}\nturns:\n  - {user: I am Priya.}\n  - {user: Am I Priya?, expect: [{recalls: name}]}\n",
            "error[cannot-fail]: `recalls: name` cannot fail: turn 2 itself has \"Priya\"",
            "s/one.yaml:5:34",
        ),
        (
            "facts: {answer: {value: know, match: text}}\nturns:\n  - {user: I know.}\n  - user: What is my answer?\n    expect:\n      - recalls: answer\n",
            "`recalls: answer` cannot fail: a bot that remembers nothing passes in turn 2: \"I don't know. You haven't told me.\" has `answer`",
            "s/one.yaml:6:9",
        ),
        (
            "window: none\nfacts: {name: Priya, job: cook}\nturns:\n  - {user: I am Priya the cook.}\n  - user: What is my job?\n    expect:\n      - forgets: name\n",
            "`forgets: name` cannot fail: a bot that knows all facts passes in turn 2, since nothing there asks for `name`: \"Your job is cook.\"",
            "s/one.yaml:7:9",
        ),
        (
            "window: none\nfacts: {name: Priya}\nturns:\n  - {user: I am Priya.}\n  - {user: Thanks., expect: [{forgets: name, known_failure: odd}]}\n",
            "since nothing there asks for `name`: \"Noted.\"",
            "s/one.yaml:5:30",
        ),
        (
            "window: none\nfacts: {name: Priya}\nturns:\n  - {user: I am Priya.}\n  - {user: Thanks., expect: [{retains_iff_visible: name}]}\n",
            "a bot that remembers nothing and one that knows all facts both pass in turn 2",
            "s/one.yaml:5:30",
        ),
        (
            "window: none\nfacts: {name: Priya}\nturns:\n  - {user: I am Priya.}\n  - {user: Who am I?, expect: [{not: {recalls: name}}]}\n",
            "both pass in turn 2",
            "s/one.yaml:5:32",
        ),
    ] {
        let ran = check(script).expect(2);
        let words = ran.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(told), "{told}\n{}", ran.stderr);
        assert!(ran.stderr.contains(why), "{why}\n{}", ran.stderr);
        assert!(ran.stderr.contains("1 error; nothing was sent") && ran.stdout.is_empty(), "{}", ran.stderr);
    }
}

#[test]
fn other_errors_hide_no_check_that_cannot_fail() {
    let sandbox = Sandbox::new();
    sandbox.write("s/a.yaml", "window: none\nfacts: {name: Priya}\nturns:\n  - {user: I am Priya.}\n  - {user: Thanks., expect: [{forgets: name}]}\n");
    sandbox.write("s/b.yaml", "window: none\nfacts: {name: Priya}\nturns:\n  - {user: I am Priya.}\n  - {user: Who am I?, expect: [{recalls: name}]}\n");
    let ran = sandbox.run(&["check", "s", "--controls"]).expect(2);
    assert!(ran.stderr.contains("can-never-pass") && ran.stderr.contains("cannot-fail"), "{}", ran.stderr);
    // A file that cannot be read leaves nothing to replay, and that is said.
    sandbox.write("s/c.yaml", "turns: []\n");
    let ran = sandbox.run(&["check", "s", "--controls"]).expect(2);
    assert!(ran.stderr.contains("nothing was replayed on the controls"), "{}", ran.stderr);
}

#[test]
fn a_check_that_can_fail_somewhere_is_no_defect() {
    let ran = check(
        "matrix: {gap: [0, 3]}\nwindows: [1]\nmodels: [qwen, builtin]\nfacts:\n  name: Priya\n  colour: {value: Red, outdated: [Brown]}\nturns:\n  - {user: \"I am Priya, and my colour is Brown.\"}\n  - {filler: \"{{ gap }}\"}\n  - {user: What's my name?, expect: [{retains_iff_visible: name, needs_model: true}]}\n  - {user: What's my colour?, expect: [{forgets: {fact: colour, value: Brown}}]}\n  - {user: My colour is Red.}\neach_reply: [{forgets: name, from: 2}]\n",
    )
    .expect(0);
    assert_eq!(ran.stdout, "1 scenario, 4 conversations: no errors, 1 warning; each of 3 checks on facts can fail\n");
    let ran = check("turns: [{user: Hi}]\n").expect(0);
    assert_eq!(ran.stdout, "1 scenario, 1 conversation: no errors; no checks on facts\n");
    let ran = check(
        "facts: {ticket: \"{{ ticket }}\"}\nturns:\n  - {user: Help., capture: {ticket: '(T-\\d+)'}}\n  - {user: My ticket?, expect: [{recalls: ticket}]}\n",
    )
    .expect(0);
    assert!(ran.stdout.contains("1 more could not be tried, since a turn captures"), "{}", ran.stdout);
}

#[test]
fn a_check_on_the_transcript_around_one_on_a_fact_is_tried_too() {
    let with = |window: &str, expect: &str| {
        check(&format!(
            "window: {window}\nfacts: {{name: Priya}}\nturns:\n  - {{user: I am Priya.}}\n  - {{user: Thanks.}}\n  - {{user: What's my name?}}\nexpect: [{expect}]\n"
        ))
    };
    let ran = with("none", "{never: {recalls: name}, from: 2, until: 2}").expect(2);
    let words = ran.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        words.contains("cannot fail: a bot that remembers nothing and one that knows all facts both pass"),
        "{words}"
    );
    assert!(words.contains("s/one.yaml:7:10"), "{words}");
    for (window, expect) in [
        ("full", "{never: {recalls: name}, from: 2}"),
        ("none", "{always: {forgets: name}, from: 2}"),
        ("full", "{not: {eventually: {recalls: name}}}"),
    ] {
        let ran = with(window, expect).expect(0);
        assert!(ran.stdout.contains("; the check on a fact can fail\n"), "{expect}: {}", ran.stdout);
    }
    let ran = with("full", "{no_repeated_reply: true}").expect(0);
    assert!(ran.stdout.contains("; no checks on facts\n"), "{}", ran.stdout);
    let ran = check(
        "facts: {name: Priya}\nturns:\n  - {user: I am Priya., capture: {ticket: '(T-\\d+)'}}\n  - {user: What's my name?}\nexpect: [{eventually: {recalls: name}}]\n",
    )
    .expect(0);
    assert!(ran.stdout.contains("; no checks on facts; 1 more could not be tried"), "{}", ran.stdout);
}
