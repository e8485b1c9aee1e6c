//! Input that nobody wrote for these tests: the shipped scenarios, a real model, a published conversation.
//!
//! The last two need what is not in the repository and say so where it is not there: `CHAT_EVAL_LIVE_BASE_URL`, an
//! OpenAI-compatible server (`CHAT_EVAL_LIVE_MODEL` for the model's name there), and `CHAT_EVAL_DATA_DIR`, a folder with
//! BFCL's memory track (`bfcl-v4-memory/memory_customer.json` and its questions and answers).

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;

use regex::Regex;
use serde_json::{Value, json};

use crate::support::answer::Answer;
use crate::support::sandbox::Sandbox;
use crate::support::server::Server;

/// The paths of its scenarios.
fn scenario_files(sandbox: &Sandbox) -> Vec<String> {
    let files = sandbox.files("scenarios").into_iter();
    let files = files.filter(|file| Path::new(file).extension().is_some_and(|end| end == "yaml"));
    files.map(|file| format!("scenarios/{file}")).collect()
}

/// Captured output would hide it.
fn left_out(what: &str, variable: &str) {
    let line = format!("\n!!! LEFT OUT: {what}: {variable} is not set\n");
    std::io::stderr().lock().write_all(line.as_bytes()).unwrap();
}

#[test]
fn every_shipped_scenario_passes_and_its_accepted_snapshots_match() {
    let again = Sandbox::shipped().env("CI", "true");
    again.run(&["check", "scenarios"]).expect(0);
    for how in [["-j", "16", "--no-stream"], ["-j", "1", "--stream"]] {
        let ran = again.run(&[&["run", "scenarios"][..], &how].concat()).expect(0);
        assert!(!ran.stdout.contains(".snap"), "{}", ran.stdout);
    }
    again.run(&["run", "scenarios", "--model", "builtin"]).expect(0);
    let ran = again.run(&["run", "scenarios"]).expect(0);
    assert!(!ran.stdout.contains("unreferenced"), "{}", ran.stdout);
    // Nothing is passed by leaving everything out.
    let mut decided: BTreeMap<String, usize> = BTreeMap::new();
    for row in again.rows("checks.csv") {
        *decided.entry(row["scenario"].clone()).or_default() += usize::from(row["verdict"] == "pass");
    }
    assert_eq!(decided.len(), scenario_files(&again).len());
    assert!(decided.values().all(|passed| *passed > 0), "{decided:?}");
}

/// How often each verdict was given.
fn verdicts(sandbox: &Sandbox) -> BTreeMap<String, usize> {
    let mut verdicts = BTreeMap::new();
    for row in sandbox.rows("checks.csv") {
        *verdicts.entry(row["verdict"].clone()).or_default() += 1;
    }
    verdicts
}

#[test]
fn a_fresh_copy_replays_a_real_models_words_and_calls_nobody() {
    let nobody = Server::saying("Nobody asked me.");
    let copy = Sandbox::shipped().env("CI", "true");
    let config = copy.read("chat-eval.yaml");
    assert!(config.contains("http://127.0.0.1:8089/v1"));
    copy.write("chat-eval.yaml", config.replace("http://127.0.0.1:8089/v1", &nobody.base_url()));
    for how in [&[][..], &["--offline"], &["-j", "1", "-k", "model=qwen-1.5b"]] {
        let ran = copy.run(&[&["run", "scenarios/"][..], how].concat()).expect(0);
        assert!(!ran.stderr.contains("used no more"), "every recording is of use: {}", ran.stderr);
        let rows = copy.rows("transcripts.csv");
        let replayed: Vec<_> = rows.iter().filter(|row| row["source"] == "cassette").collect();
        assert!(replayed.len() >= 25, "{} with {how:?}", replayed.len());
        assert!(replayed.iter().all(|row| row["model"] == "qwen-1.5b" && !row["reply"].is_empty()));
        assert_eq!(rows.iter().filter(|row| row["model"] == "qwen-1.5b").count(), replayed.len());
    }
    assert!(nobody.requests().is_empty());
}

#[test]
fn what_the_shipped_scenarios_mark_as_known_failures_fails() {
    let marked = Sandbox::shipped();
    marked.run(&["run", "scenarios/", "--snapshots", "off"]).expect(0);
    let known = verdicts(&marked)["known_failure"];
    assert!(known >= 10, "{known}");
    let journal = marked.read("results/latest/journal.jsonl");
    let events = journal.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let failing = events.filter(|event| event["verdict"] == "known_failure");
    let reasons: BTreeSet<String> = failing.map(|event| event["known_failure"].to_string()).collect();
    let memory = |persona: &str| -> Vec<String> {
        let rows = marked.rows("retention.csv").into_iter();
        let rows = rows.filter(|row| row["model"] == "qwen-1.5b" && row["persona"] == persona);
        rows.map(|row| row["outcome"].clone()).collect()
    };
    assert_eq!((memory("planner"), memory("planner-strict")), (vec!["missed".to_owned()], vec!["retained".to_owned()]));
    // Full history, then a window of two.
    assert_eq!(memory("default"), ["retained", "forgotten"]);

    // Another model is held to all of it: this one says nothing that is asked for.
    let other = Server::saying("Indeed, I would go to Paris. ``` ```");
    let config = marked.read("chat-eval.yaml").replace("http://127.0.0.1:8089/v1", &other.base_url());
    marked.write("chat-eval.yaml", config.replace("qwen-1.5b:", "another:"));
    let ran = marked.run(&["run", "scenarios/", "--model", "another", "--snapshots", "off"]).expect(1);
    assert!(!ran.stdout.contains("known"), "{}", ran.stdout);
    let rows = marked.rows("checks.csv");
    for name in ["asks", "no place yet", "explains with an analogy", "stays in the kitchen", "writes no code"] {
        let of_check = |row: &&BTreeMap<String, String>| row["name"] == name || row["check"] == name;
        let failed = rows.iter().filter(of_check).filter(|row| row["verdict"] == "fail").count();
        assert!(failed > 0, "{name}: {rows:?}");
    }

    // Without a mark, each of them is a failure, and nothing else is.
    let unmarked = Sandbox::shipped();
    let mut marks = 0;
    for path in scenario_files(&unmarked) {
        let text = unmarked.read(&path);
        let is_mark = |line: &&str| line.trim_start().starts_with("known_failure:");
        marks += text.lines().filter(is_mark).count();
        let lines: Vec<&str> = text.lines().filter(|line| !is_mark(line)).collect();
        unmarked.write(&path, lines.join("\n"));
    }
    assert_eq!(reasons.len(), marks, "a mark on what never fails: {reasons:?}");
    unmarked.run(&["run", "scenarios/", "-k", "!four-planners", "--snapshots", "off"]).expect(1);
    let failed = verdicts(&unmarked);
    assert_eq!((failed.get("fail"), failed.get("known_failure")), (Some(&known), None), "{failed:?}");
}

/// Plays all shipped scenarios on a live model, streaming and not. Whatever it says, every conversation must be whole.
fn play_shipped(base_url: &str, model: &str) {
    for stream in ["--no-stream", "--stream"] {
        let sandbox = Sandbox::shipped();
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
    let sandbox = Sandbox::shipped();
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
    sandbox.run(&["report", "--svg"]).expect(0);
    for picture in ["retention.svg", "tokens.svg"] {
        assert_eq!(read(picture), sandbox.read(&format!("results/latest/{picture}")), "{picture}");
    }
    let events = |journal: &str| {
        let event = |line: &str| json(line)["event"].as_str().expect("an event").to_owned();
        let mut events: Vec<String> = journal.lines().map(event).collect();
        events.sort();
        events
    };
    assert_eq!(events(&read("journal.jsonl")), events(&sandbox.read("results/latest/journal.jsonl")));
    sandbox.write("kept/journal.jsonl", read("journal.jsonl"));
    sandbox.run(&["report", "kept"]).expect(0);
    let is_same = sandbox.read("kept/report.html") == read("report.html");
    assert!(is_same, "`cargo run -- report results/sample` writes the page anew");
}
