//! `mutate`: JSON that is JSON still, checks on each reply of a stretch, and long conversations.

use serde_json::Value;

use crate::support::sandbox::Sandbox;
use crate::support::server::Server;

fn mutated(script: &str, says: &'static str) -> (Sandbox, Vec<Value>) {
    let server = Server::saying(says);
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", script);
    sandbox.run(&["run", "s", "--snapshots", "off"]).expect(0);
    let found = sandbox.run(&["mutate", "latest", "--format", "json"]).expect(0).stdout;
    let found: Value = serde_json::from_str(&found).unwrap();
    (sandbox, found["checks"].as_array().unwrap().clone())
}

fn told(check: &Value) -> String {
    let by = check["by"].as_object().unwrap().iter();
    let by: Vec<String> = by.map(|(mutant, of)| format!("{mutant} {}/{}", of["killed"], of["mutants"])).collect();
    format!("{} {}{}", check["line"], by.join(", "), if check["vacuous"] == true { ", vacuous" } else { "" })
}

#[test]
fn a_check_on_json_must_notice_other_json() {
    let script = "turns:\n  - user: Hi\n    expect:\n      - {json_schema: {}}\n      - {json_schema: {type: object, required: [age], properties: {age: {type: integer}}}}\n      - {json_path: {path: $.age, equals: 7}}\n      - {json_schema: {type: object}}\n";
    let (sandbox, checks) = mutated(script, "{\"name\": \"Priya\", \"age\": 7}");
    assert_eq!(
        checks.iter().map(told).collect::<Vec<_>>(),
        [
            "4 blank 1/1, empty_json 0/2, retyped 0/1, vacuous",
            "5 blank 1/1, empty_json 2/2, retyped 1/1",
            "6 blank 1/1, empty_json 2/2, retyped 1/1",
            "7 blank 1/1, empty_json 1/2, retyped 0/1",
        ]
    );
    let text = sandbox.run(&["mutate", "latest"]).expect(0).stdout;
    assert!(text.contains("1 vacuous check, passing whatever the reply says, or whatever JSON it is"), "{text}");
    assert!(text.contains("1 of 4 noticed; passed: empty JSON 2, other type 1"), "{text}");
}

#[test]
fn of_a_long_conversation_each_turn_is_tried() {
    let turns: Vec<String> = (1..=400).map(|turn| format!("  - {{user: This is number {turn}.}}\n")).collect();
    let turns = turns.concat();
    let each = "each_reply: [{contains: number}, {min_words: 2}, {not_contains: Bob}, {max_words: 90}]\n";
    let sandbox = Sandbox::new();
    sandbox.write("s/one.yaml", format!("{each}turns:\n{turns}"));
    sandbox.run(&["run", "s", "--model", "builtin:echo", "--snapshots", "off"]).expect(0);
    let text = sandbox.run(&["mutate", "latest", "--min-kill", "0.7"]).expect(0).stdout;
    assert!(text.contains("2,000"), "{text}");
}

#[test]
fn a_check_on_a_stretch_is_shown_changed_replies_of_it() {
    let script = "turns:\n  - {user: Hi}\n  - {user: Ho, reply: Hm}\n  - {user: He}\nexpect:\n  - {always: {matches: '.*'}}\n  - {always: {contains: fine}}\n  - {never: {contains: Bob}}\n  - {never: {finish_reason: length}}\n  - {eventually: {min_words: 1}}\n  - {eventually: {contains: fine}}\n  - {eventually: {not_contains: Bob}}\n  - {no_repeated_reply: false}\n";
    let (sandbox, checks) = mutated(script, "I am fine.");
    assert_eq!(
        checks.iter().map(told).collect::<Vec<_>>(),
        ["6 blank 0/1, vacuous", "7 blank 1/1", "8 forbidden 1/1", "10 blank 1/1", "11 blank 1/1", "12 forbidden 1/1",]
    );
    let found = sandbox.run(&["mutate", "latest", "--format", "json"]).expect(0).stdout;
    let found: Value = serde_json::from_str(&found).unwrap();
    assert_eq!((&found["left_out"]["on_transcript"], &found["left_out"]["not_on_reply"]), (&1.into(), &1.into()));
}
