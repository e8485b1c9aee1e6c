//! What `retention.csv` says of a fact: where it was visible, how far back, whether the reply had it, and what that is.

use crate::support::answer::Answer;
use crate::support::sandbox::Sandbox;
use crate::support::server::Server;

/// The question says what the bot is to answer, backwards: an answer that stood in it would make its fact visible.
fn obedient() -> Server {
    Server::start(|request| {
        let question = request.last_user();
        let (_, answer) = question.split_once("Say: ").expect("an order");
        Answer::reply(request, &answer.chars().rev().collect::<String>())
    })
}

const HEAD: &str = "\
facts:
  name: Priya
  colour: {value: Red, outdated: [Brown]}
turns:
  - {user: My name is Priya and I like Brown., reply: Hello.}
  - {user: Now I like Red., reply: Noted.}
  - {user: How are you?, reply: Fine.}
";

#[test]
fn the_four_outcomes_and_stale_are_told_with_their_evidence() {
    let server = obedient();
    let sandbox = Sandbox::with_bot(&server.base_url());
    let files = [
        ("a-retained", "full", "name", "Priya it is."),
        ("b-missed", "full", "name", "Nobody."),
        ("c-forgotten", "none", "name", "Nobody."),
        ("d-leaked", "none", "name", "Priya it is."),
        ("e-stale", "full", "colour", "Brown it is."),
        ("f-present", "2", "colour", "Red it is."),
    ];
    for (name, window, fact, answer) in files {
        let answer: String = answer.chars().rev().collect();
        let turn = format!("  - {{user: \"Say: {answer}\", expect: [{{retains_iff_visible: {fact}}}]}}\n");
        sandbox.write(&format!("s/{name}.yaml"), format!("window: {window}\n{HEAD}{turn}"));
    }
    let ran = sandbox.run(&["run", "s", "--snapshots", "off"]).expect(1);
    let columns = ["scenario", "turn", "fact", "value", "visible", "distance", "recalled", "outcome", "verdict"];
    let rows: Vec<String> = sandbox
        .rows("retention.csv")
        .iter()
        .map(|row| columns.iter().map(|column| row[*column].as_str()).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        rows,
        [
            "a-retained 4 name Priya user 2 true retained pass",
            "b-missed 4 name Priya user 2 false missed fail",
            "c-forgotten 4 name Priya no 2 false forgotten pass",
            "d-leaked 4 name Priya no 2 true leaked fail",
            "e-stale 4 colour Red user 1 false stale fail",
            "f-present 4 colour Red no 1 true leaked fail",
        ]
    );
    for told in ["b-missed", "d-leaked", "e-stale"] {
        assert!(ran.stdout.contains(told), "{}", ran.stdout);
    }
}

#[test]
fn the_place_where_a_fact_is_visible_is_named() {
    let server = obedient();
    let sandbox = Sandbox::with_bot(&server.base_url());
    let check = "expect: [{retains_iff_visible: name}]";
    let scenarios = [
        ("system", "persona: You serve Priya.\nwindow: none", "{user: Hi, reply: Hello.}", "Say: ayirP"),
        ("assistant", "window: {messages: 2}", "{user: I am Priya., reply: \"Hello, Priya.\"}", "Say: ayirP"),
        ("question", "window: none", "{user: Hi, reply: Hello.}", "I am Priya. Say: ayirP"),
    ];
    for (name, head, first, question) in scenarios {
        let turns = format!("turns:\n  - {first}\n  - {{user: \"{question}\", {check}}}\n");
        sandbox.write(&format!("s/{name}.yaml"), format!("{head}\nfacts: {{name: Priya}}\n{turns}"));
    }
    sandbox.run(&["run", "s", "--snapshots", "off"]).expect(0);
    let rows = sandbox.rows("retention.csv");
    let places: Vec<[&str; 3]> =
        rows.iter().map(|row| ["scenario", "visible", "outcome"].map(|column| row[column].as_str())).collect();
    assert_eq!(
        places,
        [
            ["assistant", "assistant", "retained"],
            ["question", "question", "retained"],
            ["system", "system", "retained"],
        ]
    );
}
