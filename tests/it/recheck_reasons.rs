//! `recheck`: how a conversation ends of which not all that is asked now was played, and what is said where nobody is asked anew.

use serde_json::Value;

use crate::support::answer::{Answer, completion};
use crate::support::priced::used;
use crate::support::sandbox::{Ran, Sandbox};
use crate::support::server::Server;

fn recheck(sandbox: &Sandbox) -> Ran {
    sandbox.run(&["recheck", "latest", "--snapshots", "off"])
}

/// The end of the only conversation of the latest run, and why.
fn end(sandbox: &Sandbox) -> (String, Option<String>) {
    let journal = std::fs::read_to_string(sandbox.run_folder().join("journal.jsonl")).unwrap();
    let events = journal.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let ends: Vec<Value> = events.filter(|event| event["event"] == "conversation").collect();
    assert_eq!(ends.len(), 1, "{journal}");
    (ends[0]["end"].as_str().unwrap().to_owned(), ends[0]["error"].as_str().map(str::to_owned))
}

const PLAYED: &str = "turns:\n  - {user: Hi}\n  - {user: Well?, expect: [{contains: fine}]}\n";

fn played(script: &str, server: &Server) -> (Sandbox, String) {
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", script);
    sandbox.run(&["run", "s", "--snapshots", "off"]);
    let run = sandbox.run_folder().file_name().unwrap().to_string_lossy().into_owned();
    (sandbox, run)
}

#[test]
fn what_was_added_without_a_check_changes_no_end() {
    let server = Server::saying("Fine.");
    for added in ["  - {user: And?}\n", "probes:\n  - {user: And?}\n"] {
        let (sandbox, run) = played(PLAYED, &server);
        sandbox.write("s/one.yaml", format!("{PLAYED}{added}"));
        let ran = recheck(&sandbox).expect(0);
        assert!(ran.stderr.contains(&format!("is new since {run}, and was not played")), "{}", ran.stderr);
        assert_eq!(end(&sandbox), ("passed".to_owned(), None), "{added}");
        sandbox.write("s/one.yaml", format!("{PLAYED}{added}").replace("fine", "great"));
        recheck(&sandbox).expect(1);
        assert_eq!(end(&sandbox), ("failed".to_owned(), None), "{added}");
    }
}

#[test]
fn what_stays_open_for_what_was_added_says_so() {
    let server = Server::saying("Fine.");
    let not_played = |what: &str, run: &str| Some(format!("{what} was not played in `{run}`"));
    let check = "{user: And?, expect: [{contains: fine}]}";
    for (added, what) in [
        (format!("  - {check}\n"), "turn 3"),
        (format!("probes:\n  - {check}\n"), "probe p1"),
        // It might be so in the new turn.
        ("  - {user: And?}\nexpect: [{eventually: {contains: great}}]\n".to_owned(), "turn 3"),
    ] {
        let (sandbox, run) = played(PLAYED, &server);
        sandbox.write("s/one.yaml", format!("{PLAYED}{added}"));
        let ran = recheck(&sandbox).expect(3);
        let why = not_played(what, &run);
        assert_eq!(end(&sandbox), ("errored".to_owned(), why.clone()), "{added}");
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words(&ran.stdout).contains(&words(&why.unwrap())), "{}", ran.stdout);
        // What one gave up is no reason any more, though the earlier run has it.
        sandbox.write("s/one.yaml", format!("{PLAYED}  - {{user: And?}}\n"));
        recheck(&sandbox).expect(0);
        assert_eq!(end(&sandbox), ("passed".to_owned(), None), "{added}");
    }
}

#[test]
fn a_call_that_failed_then_is_the_reason_now() {
    let server = Server::start(|request| match request.last_user().as_str() {
        "Well?" => Answer::error(400, "bad", "not today"),
        _ => Answer::reply(request, "Fine."),
    });
    let (sandbox, _) = played("turns:\n  - {user: Hi}\n  - {user: Well?}\n", &server);
    sandbox.write(
        "s/one.yaml",
        "turns:\n  - {user: Hi, expect: [{contains: fine}]}\n  - {user: Well?}\n  - {user: And?}\n",
    );
    recheck(&sandbox).expect(3);
    let (end, why) = end(&sandbox);
    assert_eq!(end, "errored");
    assert!(why.as_ref().is_some_and(|why| why.contains("not today")), "{why:?}");
}

#[test]
fn what_the_run_did_not_ask_for_is_not_said_to_be_another_fault() {
    let server = Server::start(|request| {
        if request.path == "/v1/embeddings" {
            let data = serde_json::json!([{"object": "embedding", "index": 0, "embedding": [1, 0]}]);
            return Answer::json(&serde_json::json!({"object": "list", "model": "v", "data": data}));
        }
        Answer::reply(request, "Fine.")
    });
    let sandbox = Sandbox::new();
    let model = format!("{{provider: openai, model: m, base_url: \"{}\", api_key_env: none}}", server.base_url());
    let config = format!("model: bot\nembedding: {{model: vec}}\nmodels:\n  bot: {model}\n  vec: {model}\n");
    sandbox.write("chat-eval.yaml", config);
    let script = "turns:\n  - user: Hi\n    expect:\n      - {similar: {to: Good., min: 0.5, by: embedding}}\n      - {run: [no-such-program]}\n";
    sandbox.write("s/one.yaml", script);
    sandbox.run(&["run", "s", "--allow-run", "--snapshots", "off"]).expect(3);
    sandbox.write("s/one.yaml", script.replace("Good.", "Well.").replace("no-such", "no-other"));
    recheck(&sandbox).expect(3);
    for row in sandbox.rows("checks.csv") {
        let detail = &row["detail"];
        assert!(detail.contains("it was not asked this in the run that is judged again"), "{detail}");
        assert!(!detail.contains("--allow-run") && !detail.contains("makes no embeddings"), "{detail}");
    }
}

/// The rows of a table of the latest run, but for its name.
fn rows(sandbox: &Sandbox, table: &str) -> Vec<std::collections::BTreeMap<String, String>> {
    let mut rows = sandbox.rows(table);
    for row in &mut rows {
        row.remove("run");
    }
    rows
}

#[test]
fn a_judge_or_an_embedding_that_failed_then_has_failed_as_it_did() {
    let server = Server::start(|request| {
        let is_outside = !request.body["input"].is_null() || request.last_user().contains("===== data");
        if is_outside { Answer::error(400, "bad", "no such thing") } else { Answer::reply(request, "Fine.") }
    });
    let sandbox = Sandbox::with_bot(&server.base_url());
    let config = sandbox.read("chat-eval.yaml");
    sandbox.write("chat-eval.yaml", format!("{config}judge: {{model: bot}}\nembedding: {{model: bot}}\n"));
    let checks = "[{judge: is kind}, {similar: {to: Fine, min: 0.5, by: embedding}}]";
    sandbox.write("s/one.yaml", format!("turns: [{{user: Hi, expect: {checks}}}]\n"));
    sandbox.run(&["run", "s", "--snapshots", "off"]).expect(3);
    let before = rows(&sandbox, "checks.csv");
    assert!(before.iter().all(|row| row["detail"].contains("no such thing")), "{before:?}");
    recheck(&sandbox).expect(3);
    assert_eq!(rows(&sandbox, "checks.csv"), before);
}

#[test]
fn what_could_not_be_paid_is_not_decided_by_what_was() {
    let server = Server::start(|request| {
        let user = request.last_user();
        let mark = user.split("===== data ").nth(1).and_then(|rest| rest.split(' ').next());
        let yes = mark.map(|mark| serde_json::json!({"mark": mark, "reason": "so", "verdict": "yes"}).to_string());
        let mut body = completion(yes.as_deref().unwrap_or("Fine."));
        body["usage"] = used(10, 10);
        Answer::json(&body)
    });
    let price = "price: {input: 1000000, output: 1000000}";
    let model =
        format!("{{provider: openai, model: m, base_url: \"{}\", api_key_env: none, {price}}}", server.base_url());
    let sandbox = Sandbox::new();
    sandbox.write(
        "chat-eval.yaml",
        format!("model: bot\njudge: {{model: bot, params: {{max_tokens: 15}}}}\nmodels:\n  bot: {model}\n"),
    );
    sandbox.write(
        "s/one.yaml",
        "params: {max_tokens: 5}\nturns: [{user: Hi}, {user: Ho}]\nexpect: [{eventually: {judge: is polite}}]\n",
    );
    let paying = |usd: f64| {
        let cap = usd.to_string();
        sandbox.run(&["run", "s", "-j", "1", "--snapshots", "off", "--max-cost", &cap]).expect(3);
    };
    // With money for both turns alone it says what a vote can cost; then there is enough for one of the two.
    paying(100.0);
    let detail = end(&sandbox).1.expect("why it was not paid");
    let usd = detail
        .split("can cost $")
        .nth(1)
        .and_then(|rest| rest.split([' ', ';', ',']).next())
        .unwrap_or_else(|| panic!("{detail}"));
    paying(40.0 + usd.parse::<f64>().expect("dollars") + 10.0);
    let before = (rows(&sandbox, "checks.csv"), end(&sandbox));
    assert_eq!((before.0[0]["verdict"].as_str(), before.1.0.as_str()), ("skip", "skipped"), "{before:?}");
    recheck(&sandbox).expect(3);
    assert_eq!((rows(&sandbox, "checks.csv"), end(&sandbox)), before);
}
