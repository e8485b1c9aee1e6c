//! `mutate`: which checks notice that a reply was changed for the worse, and which pass whatever it says.

use serde_json::Value;

use crate::support::answer::Answer;
use crate::support::sandbox::{Ran, Sandbox};
use crate::support::server::Server;

const SCRIPT: &str = "\
facts: {name: Priya}
turns:
  - {user: I am Priya.}
  - user: What's my name?
    expect:
      - {recalls: name}
      - {matches: '.+', name: says anything}
      - {max_words: 9}
      - {not_contains: [Bob]}
      - {min_words: 2}
      - {contains: Priya}
      - {contains: Bob}
      - {sent: {max_messages: 9}}
      - {finish_reason: stop}
      - {contains: x, known_failure: \"no x\"}
";

fn server() -> Server {
    Server::start(|request| {
        let asks = request.last_user().contains("name");
        Answer::reply(request, if asks { "You are Priya." } else { "Noted, and how are you?" })
    })
}

fn played(script: &str, server: &Server) -> Sandbox {
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", script);
    let ran = sandbox.run(&["run", "s", "--snapshots", "off"]);
    assert!(matches!(ran.code, Some(0 | 1)), "{}", ran.stderr);
    sandbox
}

fn mutate(sandbox: &Sandbox, arguments: &[&str]) -> Ran {
    sandbox.run(&[&["mutate", "latest"], arguments].concat())
}

fn as_json(sandbox: &Sandbox) -> Value {
    serde_json::from_str(&mutate(sandbox, &["--format", "json"]).expect(0).stdout).unwrap()
}

#[test]
fn each_check_is_shown_what_it_ought_to_notice_and_nothing_else() {
    let server = server();
    let sandbox = played(SCRIPT, &server);
    let asked = server.requests().len();
    let found = as_json(&sandbox);
    assert_eq!(server.requests().len(), asked, "nobody is called");
    let told = |check: &Value| {
        let by: Vec<String> = check["by"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(mutant, of)| format!("{mutant} {}/{}", of["killed"], of["mutants"]))
            .collect();
        format!("{} {}: {}", check["line"], check["check"].as_str().unwrap(), by.join(", "))
    };
    let checks: Vec<String> = found["checks"].as_array().unwrap().iter().map(told).collect();
    assert_eq!(
        checks,
        [
            "6 recalls: blank 1/1, swapped 1/1, other_facts 1/1",
            "7 matches: blank 0/1, swapped 0/1",
            "8 max_words: forbidden 1/1",
            "9 not_contains: forbidden 1/1",
            "10 min_words: blank 1/1",
            "11 contains: blank 1/1, swapped 1/1, other_facts 1/1",
        ]
    );
    let vacuous: Vec<&Value> =
        found["checks"].as_array().unwrap().iter().filter(|check| check["vacuous"] == true).collect();
    assert_eq!(vacuous.len(), 1);
    assert_eq!(vacuous[0]["name"], "says anything");
    let left_out =
        serde_json::json!({"not_passed": 2, "not_on_reply": 2, "from_outside": 0, "on_transcript": 0, "no_mutant": 0});
    assert_eq!(found["left_out"], left_out);
    assert_eq!((&found["killed"], &found["mutants"]), (&9.into(), &11.into()));
}

#[test]
fn a_rate_that_is_too_low_fails() {
    let server = server();
    let sandbox = played(SCRIPT, &server);
    for (least, code) in [("0.8", 0), ("0.9", 1)] {
        let ran = mutate(&sandbox, &["--min-kill", least]).expect(code);
        assert!(ran.stdout.contains("9 of 11 changed replies noticed, 82 %"), "{}", ran.stdout);
        let vacuous =
            "s/one.yaml:7 · one · matches \".+\" (says anything) · 0 of 2 noticed; passed: blank 1, swapped 1";
        assert!(ran.stdout.contains(vacuous), "{}", ran.stdout);
    }
    mutate(&sandbox, &["--min-kill", "1.5"]).expect(2);
    assert_eq!(sandbox.files("results").iter().filter(|file| file.ends_with("journal.jsonl")).count(), 1);
    // Nothing that could be noticed is no all-clear.
    let sandbox = played("turns: [{user: Hi}]\n", &server);
    mutate(&sandbox, &[]).expect(0);
    mutate(&sandbox, &["--min-kill", "0.9"]).expect(3);
}

#[test]
fn a_fact_that_must_be_forgotten_is_told_and_one_that_was_not_visible_too() {
    let server = Server::saying("I don't know.");
    let sandbox = played(
        "window: none\nfacts: {name: Priya}\nturns:\n  - {user: I am Priya.}\n  - {user: Who am I?, expect: [{forgets: name}, {forgets: {fact: name, admits: true}}, {retains_iff_visible: name}]}\n",
        &server,
    );
    let found = as_json(&sandbox);
    let by: Vec<&Value> = found["checks"].as_array().unwrap().iter().map(|check| &check["by"]).collect();
    let one = serde_json::json!({"mutants": 1, "killed": 1, "kill_rate": 1.0});
    assert_eq!(by.len(), 3, "{found}");
    assert_eq!(*by[0], serde_json::json!({"forbidden": one}));
    assert_eq!(*by[1], serde_json::json!({"blank": one, "forbidden": one}));
    assert_eq!(*by[2], serde_json::json!({"forbidden": one}));
}

#[test]
fn later_turns_hear_what_was_said_and_what_they_captured() {
    let server = Server::start(|request| {
        let opens = request.messages().len() == 1;
        Answer::reply(request, if opens { "It is T-41." } else { "T-41 it is." })
    });
    let sandbox = played(
        "facts: {ticket: \"{{ ticket }}\"}\nturns:\n  - {user: Help., capture: {ticket: '(T-\\d+)'}, expect: [{contains: T-}]}\n  - {user: \"Close {{ ticket }}.\", expect: [{contains: \"{{ ticket }}\"}, {not: {contains: \"no {{ ticket }}\"}}]}\n",
        &server,
    );
    let found = as_json(&sandbox);
    let checks = found["checks"].as_array().unwrap();
    assert_eq!(checks.len(), 3, "{found}");
    // The other reply has the ticket too, which is the bot's way.
    assert_eq!(checks[0]["by"]["blank"]["killed"], 1);
    assert_eq!(checks[1]["by"]["other_facts"]["killed"], 1);
    assert_eq!(checks[2]["by"]["forbidden"]["killed"], 1, "what is captured is what was said: {found}");
}

#[test]
fn the_checks_of_the_shipped_scenarios_notice_every_changed_reply() {
    let sandbox = Sandbox::shipped();
    sandbox.run(&["run", "scenarios", "--snapshots", "off"]).expect(0);
    let first = mutate(&sandbox, &["--min-kill", "1"]).expect(0).stdout;
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let noticed = "223 of 223 changed replies noticed, 100 % (at least 100 % asked for); 21 checks, 0 vacuous";
    assert!(words(&first).contains(noticed), "{first}");
    assert_eq!(mutate(&sandbox, &["--min-kill", "1"]).expect(0).stdout, first, "no chance in it");
    // What was said to another script is not judged.
    let path = "scenarios/whats-my-name.yaml";
    sandbox.write(path, sandbox.read(path).replace("I work at Google.", "I work at IBM."));
    let ran = mutate(&sandbox, &[]).expect(3);
    assert!(ran.stderr.contains("cannot be judged again: turn 2 asks something else now"), "{}", ran.stderr);
    assert!(ran.stdout.contains("2 conversations could not be judged again"), "{}", ran.stdout);
}
