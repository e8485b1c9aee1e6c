//! A server that misbehaves by seed: every conversation comes through, and every history that arrives is exactly right.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::answer::{Answer, delta, event};
use crate::support::sandbox::Sandbox;
use crate::support::server::{Request, Server};

/// What goes wrong, each with five in a hundred requests.
const FAULTS: [&str; 8] = ["429", "500", "503", "cut body", "cut stream", "no JSON", "no choices", "hang"];

/// What the server knows of the run.
#[derive(Default)]
struct Known {
    /// The one good reply that was given to each conversation and turn.
    replies: HashMap<(String, usize), String>,
    faults: HashMap<&'static str, usize>,
    wrong: Vec<String>,
}

/// The fault for a request, or none. A request's number decides, so that a seed means the same whatever comes first.
fn fault(seed: u64, number: usize) -> Option<&'static str> {
    let drawn =
        fastrand::Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(number as u64)).usize(..100);
    FAULTS.get(drawn / 5).copied()
}

fn answer(seed: u64, known: &Mutex<Known>, request: &Request) -> Answer {
    let mut known = known.lock().unwrap();
    let messages = request.messages();
    let (turn, conversation) = (messages.len() / 2, messages[0].1.clone());
    let mut expected = vec![("system".to_owned(), conversation.clone())];
    for earlier in 1..=turn {
        expected.push(("user".to_owned(), format!("turn {earlier} of {conversation}")));
        if earlier < turn {
            let reply = known.replies.get(&(conversation.clone(), earlier)).cloned();
            expected.push(("assistant".to_owned(), reply.unwrap_or_else(|| "no reply was given".to_owned())));
        }
    }
    if messages != expected {
        known.wrong.push(format!("request {}: {messages:?}, and not {expected:?}", request.number));
    }
    let text = format!("reply {} to turn {turn} of {conversation}", request.number);
    if let Some(fault) = fault(seed, request.number) {
        *known.faults.entry(fault).or_default() += 1;
        return misbehave(fault, request, &text);
    }
    if let Some(first) = known.replies.insert((conversation, turn), text.clone()) {
        known.wrong.push(format!("request {} asks again for what was answered by `{first}`", request.number));
    }
    Answer::reply(request, &text)
}

fn misbehave(fault: &str, request: &Request, text: &str) -> Answer {
    match fault {
        "429" => Answer::status(429, &[("retry-after-ms", "5")], "{\"error\": {\"message\": \"slow down\"}}"),
        "500" => Answer::error(500, "server_error", "oops"),
        "503" => Answer::status(503, &[("Retry-After", "0")], "busy"),
        "cut body" => Answer::reply(request, text).cut(40),
        // Where no stream is asked for, its events are no JSON.
        "cut stream" => Answer::events([event(&delta(&json!({"content": text})))]),
        "no JSON" => Answer::body("application/json", "{\"choices\": [{\"message\": {\"content\": \"half"),
        "no choices" => Answer::json(&json!({"choices": []})),
        _ => Answer::hang(),
    }
}

/// Plays conversations of five turns against a server with this seed, and holds all that must hold.
fn comes_through(seed: u64, conversations: usize, is_streamed: bool) {
    let known: Arc<Mutex<Known>> = Arc::default();
    let of_server = Arc::clone(&known);
    let server = Server::start(move |request| answer(seed, &of_server, request));
    let sandbox = Sandbox::with_bot(&server.base_url());
    let cases: Vec<String> = (0..conversations).map(|n| format!("{{id: c{n}}}")).collect();
    let turns: Vec<String> = (1..=5)
        .map(|turn| format!("  - {{user: \"turn {turn} of {{{{ id }}}}\", expect: [{{contains: \"to turn {turn} of {{{{ id }}}}\"}}]}}\n"))
        .collect();
    let scenario = format!(
        "stream: {is_streamed}\npersona: \"{{{{ id }}}}\"\ncases: [{}]\nturns:\n{}",
        cases.join(", "),
        turns.concat()
    );
    sandbox.write("s/one.yaml", scenario);
    let arguments = ["run", "s", "-j", "64", "--retries", "30", "--timeout", "1", "--snapshots", "off"];
    let ran = sandbox.run(&arguments);
    let known = known.lock().unwrap();
    assert_eq!(ran.code, Some(0), "seed {seed}:\n{}\n{}", ran.stdout, ran.stderr);
    assert!(known.wrong.is_empty(), "seed {seed}: {:#?}", known.wrong);
    assert!(FAULTS.iter().all(|fault| known.faults.contains_key(fault)), "seed {seed}: {:?}", known.faults);

    let text = std::fs::read_to_string(sandbox.run_folder().join("journal.jsonl")).unwrap();
    let journal: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |event: &'static str| journal.iter().filter(move |line| line["event"] == event);
    assert!(of("conversation").all(|done| done["end"] == "passed"), "seed {seed}");
    assert_eq!(of("conversation").count(), conversations, "seed {seed}");
    let mut kept: Vec<&str> = of("turn").map(|turn| turn["reply"].as_str().unwrap()).collect();
    let mut given: Vec<&str> = known.replies.values().map(String::as_str).collect();
    kept.sort_unstable();
    given.sort_unstable();
    assert_eq!(kept, given, "seed {seed}: each reply is kept once, and nothing else is");
    assert_eq!(
        of("attempt").count(),
        known.faults.values().sum::<usize>(),
        "seed {seed}: each fault is in the journal"
    );
}

#[test]
fn every_conversation_comes_through_a_server_that_misbehaves() {
    comes_through(1, 24, false);
}

#[test]
fn every_streamed_conversation_comes_through_a_server_that_misbehaves() {
    comes_through(2, 24, true);
}

#[test]
fn a_large_batch_comes_through_a_server_that_misbehaves() {
    if std::env::var_os("CHAT_EVAL_LARGE").is_some() {
        for (seed, is_streamed) in [(3, false), (4, true)] {
            comes_through(seed, 2_000, is_streamed);
        }
    }
}
