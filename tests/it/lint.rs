//! The memory lint as people meet it: at its line, once, before anything is sent; and silent where it is meant.

use std::path::Path;

use crate::support::sandbox::{Ran, Sandbox};

fn check(scenario: &str) -> Ran {
    let sandbox = Sandbox::new();
    sandbox.write("one.yaml", scenario);
    sandbox.run(&["check", "one.yaml"])
}

fn page() -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/memory-lint.md");
    std::fs::read_to_string(page).expect("the page")
}

#[test]
fn every_example_of_the_page_is_what_check_says() {
    let page = page();
    let mut codes = Vec::new();
    for section in page.split("\n## ").skip(1).filter(|section| section.contains("```yaml")) {
        let code = section.lines().next().expect("a heading");
        let (_, rest) = section.split_once("```yaml\n").expect("a scenario");
        let (scenario, rest) = rest.split_once("```").expect("its end");
        let (_, rest) = rest.split_once("```\n").expect("what is said");
        let (said, _) = rest.split_once("\n```").expect("its end");
        let ran = check(scenario);
        let lines =
            |text: &str| -> Vec<String> { text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect() };
        assert_eq!(lines(&(ran.stderr.clone() + &ran.stdout)), lines(said), "{code}");
        assert!(said.contains(&format!("[{code}]")), "{code}");
        assert_eq!(ran.code, Some(if said.starts_with("error") { 2 } else { 0 }), "{code}");
        codes.push(code.to_owned());
    }
    codes.sort();
    let all = ["answer-in-question", "can-never-pass", "never-planted", "only-by-reply", "orphan-reply", "unused-fact"];
    assert_eq!(codes, all);
}

const ORPHAN: &str = "\
window: 2
facts: {name: Priya}
turns:
  - user: My name is Priya.
  - user: I work at Google.
  - user: What's my name?
    expect: [{recalls: name}, {forgets: name}]
";

#[test]
fn what_is_meant_is_allowed_on_its_turn_or_everywhere_and_an_error_nowhere() {
    let both = check(ORPHAN).expect(0);
    assert!(both.stdout.contains("no errors, 2 warnings"), "{}", both.stdout);
    let turn = ORPHAN.replace("    expect", "    allow: only-by-reply\n    expect");
    let turn = check(&turn).expect(0);
    assert!(turn.stderr.contains("[orphan-reply]") && !turn.stderr.contains("[only-by-reply]"), "{}", turn.stderr);
    let elsewhere = ORPHAN.replace("Google.\n", "Google.\n    allow: only-by-reply\n");
    assert!(check(&elsewhere).expect(0).stderr.contains("[only-by-reply]"));
    let everywhere = check(&format!("allow: [only-by-reply, orphan-reply]\n{ORPHAN}")).expect(0);
    assert_eq!((everywhere.stderr.as_str(), everywhere.stdout.contains("no errors\n")), ("", true));

    let error = check(&format!("allow: can-never-pass\n{ORPHAN}")).expect(2);
    assert!(error.stderr.contains("`can-never-pass` is an error, and no `allow` silences one"), "{}", error.stderr);
    let unknown = check(&format!("allow: [orphan]\n{ORPHAN}")).expect(2);
    assert!(unknown.stderr.contains("`orphan` is no warning that can be allowed"), "{}", unknown.stderr);
}

const IMPOSSIBLE: &str = "\
facts: {name: Priya}
window: none
turns:
  - user: My name is Priya.
  - user: What's my name?
    expect: [{recalls: name}]
";

#[test]
fn a_run_says_it_before_the_check_fails_by_itself() {
    let sandbox = Sandbox::new();
    sandbox.write("s/one.yaml", IMPOSSIBLE);
    let ran = sandbox.run(&["run", "s"]).expect(1);
    let line = "warning[can-never-pass]: s/one.yaml:6: `recalls: name` can never pass: no message that is sent has `Priya` (turn 2, window none)";
    assert!(ran.stderr.contains(line), "{}", ran.stderr);
    assert!(!sandbox.run(&["run", "s", "-q"]).expect(1).stderr.contains("warning"));
    // With a window that keeps it, nothing is said.
    let ran = sandbox.run(&["run", "s", "--window", "full"]).expect(0);
    assert!(!ran.stderr.contains("warning"), "{}", ran.stderr);
    sandbox.run(&["check", "s"]).expect(2);
}

#[test]
fn a_check_that_is_marked_or_not_for_a_model_is_passed_over() {
    let with = |more: &str| IMPOSSIBLE.replace("{recalls: name}", &format!("{{recalls: name, {more}}}"));
    for (more, code) in [
        ("known_failure: the window is too small", 0),
        ("known_failure: {why: small, models: [builtin]}", 0),
        ("known_failure: {why: small, models: [other]}", 2),
        ("models: [gpt-*]", 0),
        ("models: [built*]", 2),
        ("needs_model: true", 0),
        ("name: own", 2),
    ] {
        check(&with(more)).expect(code);
    }
    check(&IMPOSSIBLE.replace("{recalls: name}", "{not: {recalls: name}}")).expect(0);
}

#[test]
fn what_is_captured_is_not_known_and_nothing_is_claimed_of_it() {
    let scenario = "\
facts: {ticket: {value: \"{{ number }}\"}, name: Priya}
window: 1
turns:
  - {user: Open a ticket., capture: {number: \"(T-[0-9]+)\"}}
  - user: \"{% if number == 'T-7' %}I am Priya.{% else %}Hm.{% endif %}\"
    reply: Fine.
  - user: What is it, and who am I?
    expect: [{recalls: ticket}]
probes:
  - {user: \"Is it {{ number }}?\", expect: [{recalls: name}, {forgets: name}]}
";
    let ran = check(scenario).expect(0);
    assert_eq!(ran.stderr, "", "the lint claims what it cannot know");
}

#[test]
fn probes_and_personas_and_cases_are_looked_at_and_a_place_is_named_once() {
    let scenario = "\
personas: [{name: knows, system: The user is Priya.}, {name: new, system: Be brief.}]
cases: [{id: a, hello: I am Priya.}, {id: b, hello: Hello.}, {id: c, hello: Hey.}]
facts: {name: Priya}
turns:
  - {user: \"{{ hello }}\", reply: Hi.}
probes:
  - {user: Who am I?, expect: [{recalls: name}]}
";
    let ran = check(scenario).expect(2);
    assert_eq!(ran.stderr.matches("error[").count(), 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("probe p1, window full (case b new, case c new)"), "{}", ran.stderr);
}

#[test]
fn the_shipped_scenarios_are_clean() {
    let shipped = Sandbox::shipped();
    let ran = shipped.run(&["check", "scenarios"]).expect(0);
    assert_eq!(ran.stderr, "");
    assert!(ran.stdout.contains("no errors\n"), "{}", ran.stdout);
}

#[test]
fn a_thousand_warnings_are_counted_and_the_first_are_shown() {
    let sandbox = Sandbox::new();
    for number in 0..60 {
        sandbox.write(&format!("s/{number:03}.yaml"), ORPHAN);
    }
    let ran = sandbox.run(&["check", "s"]).expect(0);
    assert_eq!(ran.stderr.matches("warning[").count(), 50);
    assert!(ran.stderr.starts_with("120 warnings, of which the first 50 are shown"), "{}", &ran.stderr[..200]);
    let ran = sandbox.run(&["run", "s", "--snapshots", "off"]).expect(1);
    assert_eq!(ran.stderr.matches("warning[").count(), 10);
    assert!(ran.stderr.contains("… and 110 warnings more;"), "{}", ran.stderr);
}
