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
fn before_a_run_the_first_ten_cases_are_looked_at_and_every_cell_of_each() {
    let cases = |silent: usize| {
        let case = |number: usize| {
            let hello = if number == silent { "Hello." } else { "I am Priya." };
            format!("  - {{id: c{number}, hello: {hello}}}\n")
        };
        (1..=12).map(case).collect::<String>()
    };
    let scenario = |cases: &str, matrix: &str| {
        format!(
            "matrix: {matrix}\ncases:\n{cases}facts: {{name: Priya}}\nturns:\n  - {{user: \"{{{{ hello }}}} {{{{ n }}}}\", reply: \
             Hi.}}\nprobes:\n  - {{user: Who am I?, expect: [{{recalls: name}}]}}\n"
        )
    };
    let said = |scenario: &str| {
        let sandbox = Sandbox::new();
        sandbox.write("s/one.yaml", scenario);
        let [run, plan] = ["run", "plan"].map(|command| sandbox.run(&[command, "s"]).stderr.contains("can-never-pass"));
        assert_eq!(run, plan, "a run and its plan say the same");
        (run, sandbox.run(&["check", "s"]).code)
    };
    let one = "{n: [1]}";
    assert_eq!(said(&scenario(&cases(10), one)), (true, Some(2)));
    assert_eq!(said(&scenario(&cases(11), one)), (false, Some(2)), "`check` looks at all of them");
    assert_eq!(said(&scenario(&cases(0), one)), (false, Some(0)));
    // Of twenty-four cells, of which each has a script of its own, those with the last value say nothing of the name.
    let matrix = |last: &str| {
        let values: Vec<String> = (1..=11).map(|number| format!("I am Priya {number}.")).collect();
        format!("{{n: [{}, {last}], m: [1, 2]}}", values.join(", "))
    };
    let two = "  - {hello: Hey.}\n  - {hello: Ho.}\n";
    assert_eq!(said(&scenario(two, &matrix("Hm."))), (true, Some(2)));
    assert_eq!(said(&scenario(two, &matrix("I am Priya."))), (false, Some(0)));

    // What is said of a sample says so, of each file by itself.
    let of = |cases: u32| {
        let case = |number: u32| {
            let hello = if number > 10 { "I am Priya." } else { "Hello." };
            format!("  - {{id: c{number}, hello: {hello}}}\n")
        };
        scenario(&(1..=cases).map(case).collect::<String>(), one)
    };
    let sandbox = Sandbox::new();
    sandbox.write("s/all.yaml", of(10));
    sandbox.write("s/some.yaml", of(12));
    let ran = sandbox.run(&["run", "s"]);
    let lines: Vec<&str> = ran.stderr.lines().filter(|line| line.starts_with("warning[")).collect();
    let of_file = |file: &str, sample: &str| {
        let ends = lines.iter().filter(|line| line.contains(file)).all(|line| line.contains(sample));
        ends && lines.iter().filter(|line| line.contains(file)).count() == 2
    };
    assert!(of_file("s/some.yaml", "of the first 10 cases"), "{lines:#?}");
    assert!(
        of_file("s/all.yaml", "") && !lines.iter().any(|line| line.contains("all.yaml") && line.contains("first")),
        "{lines:#?}"
    );
    let checked = sandbox.run(&["check", "s"]).expect(2);
    assert!(!checked.stderr.contains("first"), "{}", checked.stderr);
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

const THROUGHOUT: &str = "\
windows: [1, 2, full]
facts: {name: Priya}
turns:
  - {user: I am Priya.}
  - {user: Thanks., reply: Welcome.}
  - {user: Who am I?}
  - {user: Who is it?}
expect: [CHECK]
";

#[test]
fn a_check_on_the_transcript_asks_for_its_fact_and_may_be_impossible() {
    let with = |expect: &str| check(&THROUGHOUT.replace("CHECK", expect));
    for (expect, said) in [
        (
            "{always: {recalls: name}, from: 3}",
            "`always: {recalls: name}` can never pass: no message that is sent has `Priya`",
        ),
        ("{eventually: {recalls: name}, from: 3, until: 3}", "`eventually: {recalls: name}` can never pass"),
        ("{always: {forgets: name}}", "`always: {forgets: name}` can never pass: `Priya` is in what is sent"),
    ] {
        let ran = with(expect).expect(2);
        assert!(ran.stderr.contains(said), "{expect}\n{}", ran.stderr);
        assert!(!ran.stderr.contains("unused-fact") && ran.stderr.matches("error[").count() == 1, "{}", ran.stderr);
    }
    let ran = with("{always: {recalls: name}, from: 3}").expect(2);
    assert!(ran.stderr.contains("^ turn 3, window 1\n"), "{}", ran.stderr);
    for expect in [
        // One turn that can pass is enough.
        "{eventually: {recalls: name}}",
        "{never: {recalls: name}, from: 3}",
        "{not: {always: {recalls: name}, from: 3}}",
        "{always: {not: {recalls: name}}, from: 3}",
        "{always: {recalls: name}, until: 1}",
        "{always: {recalls: name}, from: 3, known_failure: small}",
        "{always: {recalls: name}, from: 3, models: [gpt-*]}",
        "{always: {retains_iff_visible: name}, from: 3}",
    ] {
        let ran = with(expect).expect(0);
        assert!(!ran.stderr.contains("can-never-pass") && !ran.stderr.contains("unused-fact"), "{}", ran.stderr);
    }
    // What it asks for may hang on a capture.
    let open = "\
vars: {x: 1}
facts: {name: Priya, job: cook}
turns:
  - {user: Hello., capture: {number: \"(T-[0-9]+)\"}}
  - {user: Bye.}
expect: [{always: {recalls: \"{% if number == 'T-7' %}name{% else %}job{% endif %}\"}}]
";
    let ran = check(open);
    assert!(!ran.stderr.contains("can-never-pass"), "{}", ran.stderr);
}

#[test]
fn what_is_said_of_turns_and_windows_holds_for_each_pair_of_them() {
    let scenario = "\
windows: [1, 2, full]
facts: {name: Priya}
turns:
  - {user: I am Priya., reply: Hi.}
  - {user: Thanks., reply: Welcome.}
  - {user: Who am I?}
  - {user: I am Priya., reply: Yes.}
  - {user: Who am I?}
each_reply: [{recalls: name}]
";
    let ran = check(scenario).expect(2);
    assert!(ran.stderr.contains("^ turn 3: window 1, window 2; turn 5: window 1\n"), "{}", ran.stderr);
    // Where the fact is, is said only where it is so everywhere.
    let ran = check(&scenario.replace("recalls", "forgets")).expect(2);
    assert!(ran.stderr.contains("^ turn 3: window full; turn 5: window 2, window full\n"), "{}", ran.stderr);
    let cases = "\
cases: [{id: a, hello: Hello.}, {id: b, hello: Hey Priya.}]
facts: {name: Priya}
turns:
  - {user: I am Priya., reply: \"{{ hello }}\"}
  - {user: Who am I?, expect: [{forgets: name}]}
";
    assert!(check(cases).expect(2).stderr.contains("^ turn 2, window full\n"));
    assert!(check(&cases.replace("Hey Priya.", "Hey.")).expect(2).stderr.contains("^ turn 2, window full, in u1\n"));
    // Eight turns, no two with the same windows, and no more than a few of them named.
    let mut many =
        "windows: [2, 3, 4, 5, 6, 7, 8, 9]\nfacts: {name: Priya}\nturns:\n  - {user: I am Priya., reply: Hi.}\n"
            .to_owned();
    for _ in 0..9 {
        many += "  - {user: Who am I?}\n";
    }
    let ran = check(&(many + "each_reply: [{forgets: name}]\n")).expect(2);
    assert!(ran.stderr.contains("turn 2: every window; turn 3: window 3, "), "{}", ran.stderr);
    assert!(ran.stderr.contains("; … and 3 more turns; in u1\n"), "{}", ran.stderr);
}

#[test]
fn no_larger_window_is_advised_where_nothing_states_the_fact_before() {
    let scenario = "\
window: full
facts: {name: Priya}
turns:
  - {user: Who am I?, expect: [{recalls: name}]}
  - {user: I am Priya.}
";
    for scenario in [scenario.to_owned(), scenario.replace("full", "none")] {
        let ran = check(&scenario).expect(2);
        assert!(ran.stderr.contains("no scripted message states it before such a turn"), "{}", ran.stderr);
        assert!(!ran.stderr.contains("a larger window"), "{}", ran.stderr);
    }
    let by_reply = scenario.replace("turns:\n", "turns:\n  - {user: Hello.}\n");
    let ran = check(&by_reply).expect(0);
    assert!(ran.stderr.contains("[only-by-reply]") && !ran.stderr.contains("a larger window"), "{}", ran.stderr);
    // Both, where both are so.
    let ran = check(
        "window: none\nfacts: {name: Priya}\nturns:\n  - {user: Hello.}\n  - {user: I am Priya.}\n  - {user: Who am I?}\neach_reply: [{recalls: name}]\n",
    )
    .expect(2);
    assert!(ran.stderr.contains("no scripted message states it before such a turn"), "{}", ran.stderr);
    assert!(ran.stderr.contains("; a larger window may keep it"), "{}", ran.stderr);
}

#[test]
fn a_probe_of_a_file_is_allowed_by_its_own_line_and_a_turn_allows_nothing_of_the_scenario() {
    let sandbox = Sandbox::new();
    let scenario =
        "window: 1\nfacts: {name: Priya}\nturns:\n  - {user: I am Priya.}\n  - {user: Hello.}\nprobes: p.jsonl\n";
    sandbox.write("one.yaml", scenario);
    let probe = |allow: &str| format!("{{\"user\": \"Who?\", \"expect\": [{{\"recalls\": \"name\"}}]{allow}}}\n");
    let allow = ", \"allow\": [\"only-by-reply\"]";
    for (first, second, said) in [
        ("", "", Some("turns p1, p2")),
        (allow, "", Some("probe p2")),
        ("", allow, Some("probe p1")),
        (allow, allow, None),
    ] {
        sandbox.write("p.jsonl", probe(first) + &probe(second));
        let ran = sandbox.run(&["check", "one.yaml"]).expect(0);
        match said {
            None => assert_eq!(ran.stderr, ""),
            Some(said) => assert!(ran.stderr.contains(&format!("^ {said}, window 1")), "{said}\n{}", ran.stderr),
        }
    }
    sandbox.write("p.jsonl", probe("") + &probe(", \"allow\": [\"orphans\"]"));
    let ran = sandbox.run(&["check", "one.yaml"]).expect(2);
    assert!(ran.stderr.contains("p.jsonl:2:") && ran.stderr.contains("`orphans` is no warning"), "{}", ran.stderr);

    for code in ["never-planted", "unused-fact"] {
        let ran = check(&ORPHAN.replace("    expect", &format!("    allow: {code}\n    expect"))).expect(2);
        let said = format!("`{code}` is said of a fact of the whole scenario, and no turn silences it");
        assert!(ran.stderr.contains(&said), "{}", ran.stderr);
    }
}
