//! Cases of window policies, most of them asserted by the tests of other frameworks, played through our windows.
//!
//! The table is vendored as it is; its head explains its notation and names the origins. Every case is either played
//! or listed here with the reason why its policy is none of ours.

use std::collections::BTreeMap;

use chat_eval::model::{Message, Origin, Role, Window, WindowLabelError};
use chat_eval::window::{TooLong, choose};
use serde::Deserialize;
use serde_json::Value;

const CASES: &str = include_str!("../fixtures/window-cases.json");

/// How many cases of the table are played.
const PLAYED: usize = 28;

/// The cases that are not, and why.
const NOT_OURS: [(&str, &str); 27] = [
    ("W10", "an empty system prompt: we send no system message"),
    ("X03", "a window of 0 is an error here"),
    ("X04", "a window of 0 is an error here"),
    ("X06", "has no user message, and so is no request"),
    ("M06", "a window that changes its size while a conversation runs"),
    ("M07", "the pinned message counts towards n; our pins come on top"),
    ("M08", "puts a note in the place of what it cut; our pins and tail stand side by side"),
    ("S01", "the system message counts towards n; ours never does"),
    ("S02", "the system message counts towards n; ours never does"),
    ("S03", "the system message counts towards n; ours never does"),
    ("S04", "the system message counts towards n; ours never does"),
    ("S06", "two system messages; a persona has one"),
    ("S07", "two system messages; a persona has one"),
    ("S08", "two system messages; a persona has one"),
    ("S09", "a system message within the history; ours is always first"),
    ("S10", "a second system message; a persona has one"),
    ("S11", "a second system message; a persona has one"),
    ("S12", "a system message within the history; ours is always first"),
    ("O05", "keeps one message more than n; n is a limit here"),
    ("O06", "keeps more messages than n; n is a limit here"),
    ("B02", "keeps the beginning; our tail is the end"),
    ("B04", "cuts a reply at the end; our requests end on the user message"),
    ("B06", "cuts within a message; we send whole messages"),
    ("B07", "an overhead for each request; ours is for each message"),
    ("B08", "an overhead for each request; ours is for each message"),
    ("B10", "cuts within a message; we send whole messages"),
    ("B11", "has no user message, and so is no request"),
];

#[derive(Deserialize)]
struct Table {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    policy: String,
    params: Params,
    input: Vec<String>,
    expected: Value,
}

/// All parameters that the table knows: one that is new is an error, not a case that is played without it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    max_turns: Option<u32>,
    k: Option<u32>,
    n: Option<Value>,
    head: Option<u32>,
    tail: Option<u32>,
    budget: Option<u32>,
    #[serde(default)]
    cost: BTreeMap<String, usize>,
    cost_each: Option<usize>,
    /// `dropped` where the system message of the input is not sent at all.
    system: Option<String>,
    /// Present and null where there is no system prompt.
    #[serde(default = "some_prompt")]
    system_prompt: Option<String>,
    #[serde(default)]
    seed_history: Vec<String>,
    model: Option<String>,
    // Read by cases that are none of ours, or by people.
    #[serde(rename = "fact_in")]
    _fact_in: Option<String>,
    #[serde(rename = "keep_first")]
    _keep_first: Option<bool>,
    #[serde(rename = "keep_system_first")]
    _keep_system_first: Option<bool>,
    #[serde(rename = "threshold")]
    _threshold: Option<u32>,
    #[serde(rename = "strategy")]
    _strategy: Option<String>,
    #[serde(rename = "partial")]
    _partial: Option<String>,
    #[serde(rename = "overhead")]
    _overhead: Option<usize>,
    #[serde(rename = "on_oversize")]
    _on_oversize: Option<String>,
}

#[expect(clippy::unnecessary_wraps, reason = "serde wants the field's own type")]
fn some_prompt() -> Option<String> {
    Some("a prompt".to_owned())
}

fn cases() -> Vec<Case> {
    serde_json::from_str::<Table>(CASES).expect("the table reads").cases
}

fn is_ours(case: &Case) -> bool {
    !NOT_OURS.iter().any(|(id, _)| *id == case.id)
}

#[test]
fn every_case_is_played_or_named_with_its_reason() {
    let cases = cases();
    for (id, reason) in NOT_OURS {
        assert!(cases.iter().any(|case| case.id == id), "{id} is in the table");
        assert!(!reason.is_empty());
    }
    let mut played = 0;
    for case in cases.iter().filter(|case| is_ours(case)) {
        play(case);
        played += 1;
    }
    assert_eq!(played, PLAYED);
    assert_eq!(played + NOT_OURS.len(), cases.len());
}

fn play(case: &Case) {
    match case.id.as_str() {
        "M02" => a_size_of_zero_is_no_window(),
        "B09" | "B12" => {
            assert!(matches!(flat(case), Err(TooLong { .. })), "{}: what must be sent is too long", case.id);
        }
        "W12" | "W13" => the_fact_is_visible_where_it_should_be(case),
        _ if case.expected.is_object() => {
            let turns = live(case);
            for (turn, expected) in case.expected.as_object().expect("turns") {
                assert_eq!(turns.get(turn), Some(&names(expected)), "{} at {turn}", case.id);
            }
        }
        _ => assert_eq!(flat(case), Ok(names(&case.expected)), "{}", case.id),
    }
}

fn a_size_of_zero_is_no_window() {
    assert_eq!("messages-0".parse::<Window>(), Err(WindowLabelError::Zero));
    assert_eq!("messages--1".parse::<Window>(), Err(WindowLabelError::Unknown));
}

/// Whether the fact of `U1`, or of a reply that echoes it, is in the request of each turn.
fn the_fact_is_visible_where_it_should_be(case: &Case) {
    let model = case.params.model.as_deref().expect("a model");
    let echoes = match model {
        "echoes the fact in every reply" => true,
        "constant reply \"ok\"" => false,
        other => panic!("{}: what does the model `{other}` reply?", case.id),
    };
    let turns = live(case);
    let visible: Vec<&str> = turns
        .iter()
        .filter(|(_, sent)| sent.iter().any(|name| name == "U1" || echoes && name.starts_with('A')))
        .map(|(turn, _)| turn.as_str())
        .collect();
    let shown = match case.expected["fact visible at"].as_str().expect("turns") {
        "T1..T6" => vec!["T1", "T2", "T3", "T4", "T5", "T6"],
        list => list.split(", ").collect(),
    };
    assert_eq!(visible, shown, "{}", case.id);
}

/// Our window of the same meaning.
fn window(case: &Case) -> Window {
    let Params { max_turns, k, n, head, tail, budget, .. } = &case.params;
    let n = n.as_ref().and_then(Value::as_u64);
    let label = match case.policy.as_str() {
        "tutorial" => max_turns.map(|n| n.to_string()),
        "last_exchanges" => k.map(|k| format!("past-{k}")),
        "last_messages" | "last_messages, no system present" => n.map(|n| format!("messages-{n}")),
        "snap forward to user" | "must start on user" => n.map(|n| format!("messages-{n}-drop")),
        "head_and_tail" => head.zip(*tail).map(|(head, tail)| format!("messages-{tail}-pin-{head}")),
        // B05 takes the other end of the list, but at the exact boundary the whole list fits from either.
        "token_budget" | "token_budget exact boundary" | "single message over budget" | "system over budget" => {
            budget.map(|budget| format!("tokens-{budget}"))
        }
        "token_budget, must start on user" => budget.map(|budget| format!("tokens-{budget}-drop")),
        other => panic!("{}: `{other}` is played by no window and not listed as none of ours", case.id),
    };
    label.expect("the policy's own parameter").parse().expect("a label")
}

/// The request for a list of messages, the last of which is taken as the new one, whoever speaks it.
fn flat(case: &Case) -> Result<Vec<String>, TooLong> {
    let (system, messages) = match case.input.split_first() {
        Some((first, rest)) if first == "S" => (Some("S"), rest),
        _ => (None, case.input.as_slice()),
    };
    let system = system.filter(|_| case.params.system.as_deref() != Some("dropped"));
    let (user, history) = messages.split_last().expect("a new message");
    request(case, system, history, user)
}

/// The request of each turn of a conversation in which every user message gets its reply.
fn live(case: &Case) -> BTreeMap<String, Vec<String>> {
    let system = case.params.system_prompt.as_deref().map(|_| "S");
    let mut history = case.params.seed_history.clone();
    let mut turns = BTreeMap::new();
    for user in &case.input {
        let sent = request(case, system, &history, user).expect("no window of tokens");
        turns.insert(user.replace('U', "T"), sent);
        history.extend([user.clone(), user.replace('U', "A")]);
    }
    turns
}

fn request(case: &Case, system: Option<&str>, history: &[String], user: &str) -> Result<Vec<String>, TooLong> {
    let system = system.map(message);
    let history: Vec<Message> = history.iter().map(|name| message(name)).collect();
    let user = message(user);
    let count = |message: &Message| {
        let cost = case.params.cost.get(&*message.content).copied().or(case.params.cost_each);
        cost.expect("a cost for every message")
    };
    let choice = choose(window(case), system.as_ref(), &history, &user, &count)?;
    let chosen = choice.history.iter().map(|&position| &history[position]);
    Ok(system.iter().chain(chosen).chain([&user]).map(|message| message.content.to_string()).collect())
}

fn message(name: &str) -> Message {
    let role = match name.chars().next() {
        Some('S') => Role::System,
        Some('U' | 'u') => Role::User,
        // A message with tool calls is an assistant's too.
        Some('A' | 'a' | 'C') => Role::Assistant,
        _ => panic!("who speaks `{name}`?"),
    };
    Message::new(role, Origin::User(1), name)
}

fn names(list: &Value) -> Vec<String> {
    list.as_array().expect("a list").iter().map(|name| name.as_str().expect("a name").to_owned()).collect()
}
