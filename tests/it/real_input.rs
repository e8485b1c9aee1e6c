//! Input that nobody wrote for these tests: the shipped scenarios, a real model, a published conversation.
//!
//! The last two need what is not in the repository and say so where it is not there: `CHAT_EVAL_LIVE_BASE_URL`, an
//! OpenAI-compatible server (`CHAT_EVAL_LIVE_MODEL` for the model's name there), and `CHAT_EVAL_DATA_DIR`, a folder with
//! BFCL's memory track (`bfcl-v4-memory/memory_customer.json` and its questions and answers).

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use regex::Regex;
use serde_json::{Value, json};

use crate::support::answer::Answer;
use crate::support::sandbox::Sandbox;
use crate::support::server::Server;

/// A copy of the shipped scenarios, so that no test writes beside them.
fn shipped() -> Sandbox {
    let sandbox = Sandbox::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    for entry in ignore::WalkBuilder::new(&root).build().map(Result::unwrap) {
        let name = entry.path().strip_prefix(&root).unwrap().to_str().unwrap();
        // A pending snapshot is its author's own; only accepted ones are shipped.
        if entry.path().is_file() && !name.ends_with(".snap.new") {
            sandbox.write(&format!("scenarios/{name}"), std::fs::read(entry.path()).unwrap());
        }
    }
    sandbox
}

/// Captured output would hide it.
fn left_out(what: &str, variable: &str) {
    let line = format!("\n!!! LEFT OUT: {what}: {variable} is not set\n");
    std::io::stderr().lock().write_all(line.as_bytes()).unwrap();
}

#[test]
fn every_shipped_scenario_passes_on_the_embedded_model_and_its_accepted_snapshots_match() {
    let again = shipped().env("CI", "true");
    again.run(&["check", "scenarios"]).expect(0);
    for how in [["-j", "16", "--no-stream"], ["-j", "1", "--stream"]] {
        let ran = again.run(&[&["run", "scenarios"][..], &how].concat()).expect(0);
        assert!(!ran.stdout.contains(".snap") && !ran.stdout.contains("known to fail"), "{}", ran.stdout);
    }
    // Nothing is passed by leaving everything out.
    let mut decided: BTreeMap<String, usize> = BTreeMap::new();
    for row in again.rows("checks.csv") {
        *decided.entry(row["scenario"].clone()).or_default() += usize::from(row["verdict"] == "pass");
    }
    let scenarios = again
        .files("scenarios")
        .iter()
        .filter(|file| Path::new(file).extension().is_some_and(|end| end == "yaml"))
        .count();
    assert_eq!(decided.len(), scenarios);
    assert!(decided.values().all(|passed| *passed > 0), "{decided:?}");
}

/// Plays all shipped scenarios on a live model, streaming and not. Whatever it says, every conversation must be whole.
fn play_shipped(base_url: &str, model: &str) {
    for stream in ["--no-stream", "--stream"] {
        let sandbox = shipped();
        let config = json!({"models": {"live": {
            "provider": "openai", "model": model, "base_url": base_url, "api_key_env": "none",
        }}});
        sandbox.write("chat-eval.yaml", config.to_string());
        let arguments = ["run", "scenarios", "--model", "live", "--snapshots", "new", "--timeout", "900", "-j", "2"];
        let ran = sandbox.run(&[&arguments[..], &[stream]].concat());
        assert!(matches!(ran.code, Some(0 | 1)), "{:?}\n{}\n{}", ran.code, ran.stdout, ran.stderr);
        let run: Value = serde_json::from_str(&sandbox.read("results/latest/run.json")).unwrap();
        let ends = &run["totals"]["conversations"];
        let whole = ends["passed"].as_u64().unwrap() + ends["failed"].as_u64().unwrap();
        assert_eq!(Some(whole), run["conversations"].as_u64(), "{ends}");
        for row in sandbox.rows("transcripts.csv").iter().filter(|row| row["source"] == "live") {
            assert!(!row["reply"].trim().is_empty() && !row["finish_reason"].is_empty(), "{row:?}");
            assert_eq!(row["ttft_ms"].is_empty(), stream == "--no-stream", "{row:?}");
        }
        assert!(!sandbox.files("scenarios/snapshots").is_empty());
    }
}

#[test]
fn the_shipped_scenarios_are_carried_through_on_a_server_that_talks() {
    let server = Server::start(|request| Answer::reply(request, "Could you tell me more about that, please?"));
    play_shipped(&server.base_url(), "test-model");
}

#[test]
fn the_shipped_scenarios_are_carried_through_on_a_real_model() {
    let Ok(base_url) = std::env::var("CHAT_EVAL_LIVE_BASE_URL") else {
        return left_out("the shipped scenarios on a real model", "CHAT_EVAL_LIVE_BASE_URL");
    };
    let model = std::env::var("CHAT_EVAL_LIVE_MODEL").unwrap_or_else(|_| "default".to_owned());
    play_shipped(&base_url, &model);
}

fn json_lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Whether a text has a value as a whole word. Written anew, and not as the tool does it.
fn has_word(text: &str, value: &str) -> bool {
    let (text, value) = (text.to_lowercase(), value.to_lowercase());
    let is_edge = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
    text.match_indices(&value)
        .any(|(at, found)| is_edge(text[..at].chars().next_back()) && is_edge(text[at + found.len()..].chars().next()))
}

#[test]
fn a_published_conversation_is_visible_as_a_plain_loop_says() {
    let Ok(folder) = std::env::var("CHAT_EVAL_DATA_DIR") else {
        return left_out("a published conversation", "CHAT_EVAL_DATA_DIR");
    };
    let folder = Path::new(&folder).join("bfcl-v4-memory");
    let content = |turn: &Value| turn[0]["content"].as_str().expect("a text").to_owned();
    let users: Vec<String> = json_lines(&folder.join("memory_customer.json"))
        .iter()
        .flat_map(|session| session["question"].as_array().expect("turns").iter().map(content).collect::<Vec<_>>())
        .collect();
    assert_eq!(users.len(), 109);
    let asked: BTreeMap<String, String> = json_lines(&folder.join("BFCL_v4_memory.json"))
        .iter()
        .map(|line| (line["id"].as_str().unwrap().to_owned(), content(&line["question"][0])))
        .collect();
    // The embedded model answers questions alone, and a value in the question itself proves nothing.
    let cases: Vec<(String, String)> = json_lines(&folder.join("possible_answer_BFCL_v4_memory.json"))
        .iter()
        .filter(|line| line["id"].as_str().unwrap().contains("-customer-"))
        .map(|line| (asked[line["id"].as_str().unwrap()].clone(), line["ground_truth"][0].as_str().unwrap().to_owned()))
        .filter(|(question, value)| question.contains('?') && !has_word(question, value))
        .collect();
    assert!(cases.len() >= 20, "{}", cases.len());

    let reply = "I see.";
    let canned = users.iter().map(|user| json!({"user": user, "reply": reply}));
    let question = json!({"user": "{{ question }}", "expect": [{"retains_iff_visible": "fact"}]});
    let scenario = json!({
        "windows": [5, "full"],
        "facts": {"fact": "{{ value }}"},
        "cases": cases.iter().map(|(question, value)| json!({"question": question, "value": value})).collect::<Vec<_>>(),
        "turns": canned.chain([question]).collect::<Vec<_>>(),
    });
    let sandbox = Sandbox::new();
    // JSON is YAML.
    sandbox.write("customer.yaml", serde_json::to_string_pretty(&scenario).unwrap());
    sandbox.run(&["run", "customer.yaml", "--snapshots", "off"]).expect(0);

    let rows = sandbox.rows("retention.csv");
    assert_eq!(rows.len(), 2 * cases.len());
    let mut seen: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (rows, (question, value)) in rows.chunks(2).zip(&cases) {
        let mut list: Vec<&str> = users.iter().flat_map(|user| [user.as_str(), reply]).collect();
        list.push(question);
        for (row, sent) in rows.iter().zip([&list[list.len() - 10..], &list[..]]) {
            let mut visible = "no";
            for message in &sent[..sent.len() - 1] {
                if has_word(message, value) {
                    visible = "user";
                }
            }
            assert_eq!(row["visible"], visible, "{value} under window {}", row["window"]);
            let outcome = if visible == "user" { "retained" } else { "forgotten" };
            assert_eq!(row["outcome"], outcome, "{value} under window {}", row["window"]);
            *seen.entry((if row["window"] == "5" { "5" } else { "full" }, visible)).or_default() += 1;
        }
    }
    for both in [("5", "no"), ("5", "user"), ("full", "user")] {
        assert!(seen.contains_key(&both), "the conversation tries both sides: {seen:?}");
    }
    let ends = sandbox.rows("transcripts.csv").iter().filter(|row| row["source"] == "builtin").count();
    assert_eq!(ends, 2 * cases.len(), "one call each");
}

#[test]
fn the_committed_sample_is_what_a_run_of_the_shipped_scenarios_writes() {
    let sandbox = shipped();
    sandbox.run(&["run", "scenarios/"]).expect(0);
    let sample = |file: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("results/sample").join(file);
    let varies = |column: &String| {
        ["run", "attempts"].contains(&column.as_str()) || column.starts_with("latency_") || column.starts_with("ttft_")
    };
    for table in ["transcripts.csv", "checks.csv", "retention.csv", "summary.csv"] {
        let rows = csv::Reader::from_path(sample(table)).expect(table).into_deserialize();
        let sample: Vec<BTreeMap<String, String>> = rows.map(|row| row.expect("a row")).collect();
        let written = sandbox.rows(table);
        assert_eq!(sample.len(), written.len(), "{table}");
        for (mut sample, mut written) in sample.into_iter().zip(written) {
            sample.retain(|column, _| !varies(column));
            written.retain(|column, _| !varies(column));
            assert_eq!(sample, written, "{table}");
        }
    }
    let steady = |junit: &str| Regex::new(r#" (time|timestamp)="[^"]*""#).unwrap().replace_all(junit, "").into_owned();
    let junit = std::fs::read_to_string(sample("junit.xml")).expect("the sample");
    assert_eq!(steady(&junit), steady(&sandbox.read("results/latest/junit.xml")));
    let json = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
    let read = |file: &str| std::fs::read_to_string(sample(file)).expect("the sample");
    let (old, new) = (json(&read("run.json")), json(&sandbox.read("results/latest/run.json")));
    for key in ["version", "format", "arguments", "plan_digest", "scenarios", "totals"] {
        assert_eq!(old[key], new[key], "{key}");
    }
    let events = |journal: &str| {
        let event = |line: &str| json(line)["event"].as_str().expect("an event").to_owned();
        let mut events: Vec<String> = journal.lines().map(event).collect();
        events.sort();
        events
    };
    assert_eq!(events(&read("journal.jsonl")), events(&sandbox.read("results/latest/journal.jsonl")));
}
