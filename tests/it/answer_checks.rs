//! Checks on a reply as JSON, on how like a text it is, and on what its call took.

use serde_json::{Value, json};

use crate::support::answer::{Answer, completion};
use crate::support::sandbox::{Ran, Sandbox};
use crate::support::server::{Request, Server};

/// A bot at $1 a million tokens each way, beside one without a price.
fn priced(server: &Server) -> Sandbox {
    let sandbox = Sandbox::new();
    let url = server.base_url();
    let config = format!(
        "models:\n  bot: {{provider: openai, base_url: '{url}', api_key_env: none, price: {{input: 1, output: 1}}}}\n  \
         free: {{provider: openai, base_url: '{url}', api_key_env: none}}\nmodel: bot\n"
    );
    sandbox.write("chat-eval.yaml", config);
    sandbox
}

fn run(sandbox: &Sandbox, arguments: &[&str]) -> Ran {
    sandbox.run(&[&["run", "s", "--snapshots", "off"], arguments].concat())
}

/// `check`, `verdict` and `detail` of each row.
fn told(sandbox: &Sandbox) -> Vec<[String; 3]> {
    let rows = sandbox.rows("checks.csv").into_iter();
    rows.map(|row| ["check", "verdict", "detail"].map(|column| row[column].clone())).collect()
}

fn verdicts(sandbox: &Sandbox) -> String {
    told(sandbox).into_iter().map(|[_, verdict, _]| verdict).collect::<Vec<_>>().join(" ")
}

/// 2,000 tokens sent and 500 said.
fn counted(request: &Request, text: &str) -> Answer {
    let mut body = completion(text);
    body["usage"] = json!({"prompt_tokens": 2000, "completion_tokens": 500, "total_tokens": 2500});
    if request.last_user() == "Cut" {
        body["choices"][0]["finish_reason"] = "length".into();
    }
    Answer::json(&body)
}

const ORDER: &str =
    r#"{"type": "object", "required": ["items"], "properties": {"items": {"items": {"$ref": "schemas/item.json"}}}}"#;

#[test]
fn json_is_held_to_a_schema_in_a_file_or_in_the_scenario_and_looked_into_by_a_path() {
    let server = Server::start(|request| {
        let text = match request.last_user().as_str() {
            "Fenced" => "```json\n{\"items\": [{\"price\": 3}]}\n```",
            "Wrong" => "{\"items\": [{\"price\": 3}, {\"price\": \"\\u001b[31mfree\"}]}",
            "Cut" => "{\"items\": [",
            "Empty" => " ",
            _ => "No JSON.",
        };
        counted(request, text)
    });
    let sandbox = priced(&server);
    sandbox.write(
        "s/schemas/order.json",
        ORDER.replace("schemas/item.json", "#/$defs/item").replace(
            "\"type\"",
            "\"$defs\": {\"item\": {\"properties\": {\"price\": {\"type\": \"number\"}}}}, \"type\"",
        ),
    );
    let scenario = "\
vars: {most: 5}
each_reply:
  - json_schema: schemas/order.json
  - json_schema: {type: object, properties: {items: {type: array, maxItems: '{{ most }}'}}}
  - json_path: {path: '$.items[*].price', equals: 3}
turns: [{user: Fenced}, {user: Wrong}, {user: Cut}, {user: Empty}, {user: Words}]
";
    sandbox.write("s/one.yaml", scenario.replace("'{{ most }}'", "5"));
    let ran = run(&sandbox, &[]).expect(1);
    let rows = sandbox.rows("checks.csv");
    let shown = rows
        .iter()
        .map(|row| ["turn", "check", "expected", "verdict", "detail"].map(|column| row[column].clone()).join(" | "));
    insta::assert_snapshot!("json", shown.collect::<Vec<_>>().join("\n"));
    assert!(!ran.stdout.contains('\u{1b}'), "{}", ran.stdout);
    // What a schema says is part of the scenario: it is not the same run with another one.
    sandbox.write("s/schemas/order.json", "{\"type\": \"array\"}");
    let resumed = sandbox.run(&["run", "--resume", "latest"]).expect(2);
    assert!(resumed.stderr.contains("order.json"), "{}", resumed.stderr);
}

#[test]
fn a_schema_that_leads_outside_is_refused_and_nothing_is_fetched() {
    let server = Server::saying("{}");
    let sandbox = priced(&server);
    let url = server.base_url();
    sandbox.write("s/schema.json", format!("{{\"$ref\": \"{url}/schema.json\"}}"));
    sandbox.write("s/one.yaml", "turns: [{user: Hi, expect: {json_schema: schema.json}}]\n");
    let ran = run(&sandbox, &[]).expect(2);
    assert!(ran.stderr.contains("error[invalid-schema]: `schema.json` refers to `http://"), "{}", ran.stderr);
    assert!(server.requests().is_empty());
}

#[test]
fn a_reply_is_compared_with_a_text_by_words_or_by_characters_and_one_too_long_is_not() {
    let server = Server::start(|request| match request.last_user().as_str() {
        "Long" => Answer::text(&"ab ".repeat(350_000)),
        _ => counted(request, "The capital of Portugal is Lisbon."),
    });
    let sandbox = priced(&server);
    let scenario = "\
models: [bot, builtin]
each_reply:
  - similar: {to: Lisbon is the capital of Portugal., min: 0.6, by: rouge_l}
  - similar: {to: Lisbon is the capital of Portugal., min: 0.7, by: rouge_l}
  - similar: {to: the capital of  PORTUGAL is Lisbon, min: 0.9, by: levenshtein}
  - not: {similar: {to: Paris, min: 0.9, by: levenshtein}}
turns: [{user: Short}, {user: Cut}, {user: Long}]
expect: {always: {similar: {to: Lisbon, min: 0.1, by: rouge_l}, }}
";
    sandbox.write("s/one.yaml", scenario);
    run(&sandbox, &["--model", "bot"]).expect(1);
    assert_eq!(
        verdicts(&sandbox),
        "pass fail pass pass unknown unknown unknown unknown unknown unknown unknown unknown unknown"
    );
    let rows = sandbox.rows("checks.csv");
    let scores: Vec<&str> = rows.iter().map(|row| row["score"].as_str()).collect();
    assert_eq!(scores[..4], ["0.6667", "0.6667", "0.9706", "0.1471"]);
    assert_eq!(rows[1]["detail"], "ROUGE-L with the text is 0.6667");
    assert_eq!(rows[8]["detail"], "the reply has 350000 words, and at most 5000 are compared");
    run(&sandbox, &["--model", "builtin"]).expect(0);
    assert!(told(&sandbox).iter().all(|[_, verdict, detail]| verdict == "skip" && detail == "needs a language model"));
}

const LIMITS: &str = "\
turns:
  - user: One
    expect:
      - {max_latency_ms: 600000}
      - {max_latency_ms: 0}
      - {max_ttft_ms: 600000}
      - {max_tokens_sent: 2000}
      - {max_tokens_sent: 1999}
      - {max_cost_usd: 0.0025}
      - {max_cost_usd: 0.0024}
  - {user: Two}
expect:
  - {max_total_cost_usd: 0.005}
  - {max_total_cost_usd: 0.004}
  - {always: {max_tokens_sent: 2000}}
";

#[test]
fn what_a_call_took_is_held_to_limits() {
    let server = Server::start(|request| counted(request, "Yes."));
    let sandbox = priced(&server);
    sandbox.write("s/one.yaml", LIMITS);
    run(&sandbox, &[]).expect(1);
    assert_eq!(verdicts(&sandbox), "pass fail unknown pass fail pass fail pass fail pass");
    let told = told(&sandbox);
    let detail = |at: usize| told[at][2].as_str();
    assert!(detail(1).starts_with("the reply took "), "{}", detail(1));
    assert!(detail(2).contains("`stream: true` or `--stream`"), "{}", detail(2));
    assert_eq!(
        [detail(4), detail(6), detail(8)],
        ["2000 tokens were sent", "the call cost $0.0025", "the calls up to turn 2 cost $0.005"]
    );
    // What is not steady from run to run is in no column but the detail of what failed.
    assert!(sandbox.rows("checks.csv")[0]["score"].is_empty());

    // Without a price nobody knows.
    run(&sandbox, &["--model", "free"]).expect(1);
    assert_eq!(verdicts(&sandbox), "pass fail unknown pass fail unknown unknown unknown unknown pass");
    // The embedded model costs nothing, and counts by an estimate.
    run(&sandbox, &["--model", "builtin"]).expect(1);
    assert!(verdicts(&sandbox).ends_with("pass pass pass pass pass pass"), "{}", verdicts(&sandbox));
}

#[test]
fn the_first_token_of_a_streamed_reply_is_measured() {
    let server = Server::start(|_| Answer::stream(["Yes", "."]));
    let sandbox = priced(&server);
    sandbox
        .write("s/one.yaml", "stream: true\nturns: [{user: One, expect: [{max_ttft_ms: 600000}, {max_ttft_ms: 0}]}]\n");
    run(&sandbox, &[]).expect(1);
    assert_eq!(verdicts(&sandbox), "pass fail");
}

#[test]
fn a_replayed_reply_took_nothing_and_its_limits_are_passed_over() {
    let server = Server::start(|request| counted(request, "Yes."));
    let sandbox = priced(&server);
    sandbox.write("s/one.yaml", LIMITS);
    run(&sandbox, &["--cassettes", "record"]).expect(1);
    run(&sandbox, &["--offline"]).expect(1);
    assert_eq!(verdicts(&sandbox), "skip skip skip pass fail skip skip skip skip pass");
    assert!(told(&sandbox)[0][2].contains("its time was not measured in this run"), "{:?}", told(&sandbox)[0]);
}

#[test]
fn conversations_that_share_a_call_are_judged_alike_whoever_made_it() {
    let server = Server::start(|request| counted(request, "Yes."));
    let sandbox = priced(&server);
    let scenario = "\
windows: [1, 2, full]
turns: [{user: One, expect: [{max_cost_usd: 0.0025}, {max_cost_usd: 0.001}, {max_latency_ms: 600000}]}]
expect: {max_total_cost_usd: 0.001}
";
    sandbox.write("s/one.yaml", scenario);
    for concurrency in ["1", "8"] {
        run(&sandbox, &["-j", concurrency]).expect(1);
        assert_eq!(verdicts(&sandbox), ["pass fail pass fail"; 3].join(" "));
        let before = std::fs::read(sandbox.run_folder().join("checks.csv")).unwrap();
        sandbox.run(&["report", "latest"]).expect(0);
        assert_eq!(std::fs::read(sandbox.run_folder().join("checks.csv")).unwrap(), before);
    }
    assert_eq!(server.requests().len(), 2, "one call a run");
    // Sums count it once.
    let costs: Vec<String> = sandbox.rows("transcripts.csv").into_iter().map(|row| row["cost_usd"].clone()).collect();
    assert_eq!(costs, ["0.002500", "", ""]);
    let journal = std::fs::read_to_string(sandbox.run_folder().join("journal.jsonl")).unwrap();
    let events = journal.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let shared: Vec<Value> = events.filter(|event| event["source"] == "shared").collect();
    assert!(shared.iter().all(|turn| turn["shared_took"]["cost_usd"] == 0.0025) && shared.len() == 2, "{shared:?}");
}

#[test]
fn a_trial_that_was_replayed_leaves_a_limit_open_for_those_that_are_not() {
    let server = Server::start(|request| counted(request, "Yes."));
    let sandbox = priced(&server);
    let scenario = |trials: u32| {
        format!(
            "trials: {trials}\nturns: [{{user: One, expect: [{{max_latency_ms: 0}}, {{not: {{contains: yes}}}}]}}]\n"
        )
    };
    sandbox.write("s/one.yaml", scenario(1));
    run(&sandbox, &["--cassettes", "record"]).expect(1);
    sandbox.write("s/one.yaml", scenario(3));
    // The first trial fails the second check; of the first check nothing is known before the second trial.
    run(&sandbox, &["--until-decided", "-j", "1"]).expect(1);
    assert_eq!(verdicts(&sandbox), "skip fail fail fail");
}
