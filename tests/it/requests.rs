//! What arrives at the server, message for message, for every kind of window.

use std::collections::BTreeMap;
use std::fmt::Write;

use chat_eval::text::tokens::{PER_MESSAGE, Tokenizer};
use serde_json::Value;

use crate::support::answer::Answer;
use crate::support::sandbox::Sandbox;
use crate::support::server::{Request, Server};

const CASES: &str = include_str!("../fixtures/window-cases.json");

/// A server that replies to `U3` with `A3`.
fn mirror() -> Server {
    Server::start(|request| Answer::reply(request, &request.last_user().replace('U', "A")))
}

/// Plays one scenario for each window, all at once, each on a model of its own name, and gives the texts of each
/// request by window and turn.
fn play(windows: &[&str], turns: usize) -> BTreeMap<String, Vec<Vec<String>>> {
    let server = mirror();
    let sandbox = Sandbox::new();
    let mut config = "models:\n".to_owned();
    let users: Vec<String> = (1..=turns).map(|turn| format!("  - user: U{turn}\n")).collect();
    let users = users.concat();
    for (place, window) in windows.iter().enumerate() {
        let url = server.base_url();
        writeln!(
            config,
            "  m{place}: {{provider: openai, model: \"{place}\", base_url: \"{url}\", api_key_env: none}}"
        )
        .unwrap();
        let text = format!("persona: S\nmodel: m{place}\nwindow: {window}\nturns:\n{users}");
        sandbox.write(&format!("s/window-{place}.yaml"), text);
    }
    sandbox.write("chat-eval.yaml", config);
    sandbox.run(&["run", "s", "-j", "8", "--snapshots", "off"]).expect(0);
    let mut arrived = BTreeMap::new();
    for request in server.requests() {
        let place: usize = request.body["model"].as_str().unwrap().parse().unwrap();
        let of_window: &mut Vec<Vec<String>> = arrived.entry(windows[place].to_owned()).or_default();
        of_window.push(texts(&request));
    }
    arrived
}

/// The texts of a request; the roles must be those that the texts say.
fn texts(request: &Request) -> Vec<String> {
    let messages = request.messages();
    for (role, text) in &messages {
        let expected = match text.chars().next() {
            Some('S') => "system",
            Some('U') => "user",
            _ => "assistant",
        };
        assert_eq!(role, expected, "{text}");
    }
    messages.into_iter().map(|(_, text)| text).collect()
}

fn expected(id: &str) -> Vec<Vec<String>> {
    let table: Value = serde_json::from_str(CASES).unwrap();
    let case = table["cases"].as_array().unwrap().iter().find(|case| case["id"] == id).expect(id);
    let turns = case["expected"].as_object().unwrap();
    let of_turn = |turn: usize| serde_json::from_value(turns[&format!("T{turn}")].clone()).unwrap();
    (1..=turns.len()).map(of_turn).collect()
}

#[test]
fn six_live_turns_arrive_as_the_worked_cases_say() {
    let arrived = play(&["1", "2", "3"], 6);
    for (window, case) in [("1", "W01"), ("2", "W02"), ("3", "W03")] {
        assert_eq!(arrived[window], expected(case), "{case}");
    }
}

#[test]
fn every_other_kind_of_window_arrives_as_the_scenario_page_says() {
    let tokenizer = Tokenizer::default();
    let cost = |text: &str| tokenizer.count(text) + PER_MESSAGE;
    let exact = cost("S") + cost("A2") + cost("U3");
    let exactly = format!("{{tokens: {exact}}}");
    let one_less = format!("{{tokens: {}}}", exact - 1);
    let table: [(&str, &[&str], &[&str]); 9] = [
        ("{past_exchanges: 1}", &["S", "U1", "A1", "U2"], &["S", "U2", "A2", "U3"]),
        ("{messages: 2}", &["S", "A1", "U2"], &["S", "A2", "U3"]),
        ("{exchanges: 2, orphan_reply: drop}", &["S", "U1", "A1", "U2"], &["S", "U2", "A2", "U3"]),
        ("{messages: 2, orphan_reply: drop}", &["S", "U2"], &["S", "U3"]),
        ("{exchanges: 1, pin_first: 1}", &["S", "U1", "A1", "U2"], &["S", "U1", "A2", "U3"]),
        ("none", &["S", "U2"], &["S", "U3"]),
        ("full", &["S", "U1", "A1", "U2"], &["S", "U1", "A1", "U2", "A2", "U3"]),
        (&exactly, &["S", "A1", "U2"], &["S", "A2", "U3"]),
        (&one_less, &["S", "U2"], &["S", "U3"]),
    ];
    let windows: Vec<&str> = table.iter().map(|(window, ..)| *window).collect();
    let arrived = play(&windows, 3);
    for (window, second, third) in table {
        assert_eq!(arrived[window], [&["S", "U1"][..], second, third], "{window}");
    }
    assert_eq!(arrived["{past_exchanges: 1}"], expected("X01"));
}

#[test]
fn an_empty_or_absent_system_prompt_sends_no_system_message() {
    let server = mirror();
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/absent.yaml", "turns: [{user: U1}]");
    sandbox.write("s/empty.yaml", "persona: \"\"\nturns: [{user: U1}]");
    sandbox.write("s/inline.yaml", "personas: [{name: nobody, system: \"\"}]\nturns: [{user: U1}]");
    sandbox.run(&["run", "s", "--snapshots", "off"]).expect(0);
    let arrived: Vec<Vec<String>> = server.requests().iter().map(texts).collect();
    assert_eq!(arrived, vec![vec!["U1".to_owned()]; 3]);
}

#[test]
fn canned_turns_history_and_fillers_make_no_call_and_arrive_in_later_requests() {
    let server = mirror();
    let sandbox = Sandbox::with_bot(&server.base_url());
    let scenario = "\
persona: S
history: [{role: user, content: Uh}, {role: assistant, content: Ah}]
turns:
  - {user: U1, reply: A canned reply}
  - filler: {count: 1, from: _fillers.yaml}
  - user: U3
  - {user: U4, reply: A4}
  - user: U5
";
    sandbox.write("s/canned.yaml", scenario);
    sandbox.write("s/_fillers.yaml", "- {user: U filler, reply: A filler}\n");
    sandbox.run(&["run", "s", "--snapshots", "off"]).expect(0);
    let arrived: Vec<Vec<String>> = server.requests().iter().map(texts).collect();
    let first = ["S", "Uh", "Ah", "U1", "A canned reply", "U filler", "A filler", "U3"];
    let second = [&first[..], &["A3", "U4", "A4", "U5"]].concat();
    assert_eq!(arrived, [first.to_vec(), second]);
    let sources: Vec<String> = sandbox.rows("transcripts.csv").iter().map(|row| row["source"].clone()).collect();
    assert_eq!(sources, ["canned", "canned", "live", "canned", "live"]);
}
