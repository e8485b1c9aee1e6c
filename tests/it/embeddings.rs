//! `similar` by embeddings: how alike a reply and a text are to a model that turns both into numbers.

use serde_json::{Value, json};

use crate::support::answer::Answer;
use crate::support::priced::{journal, totals};
use crate::support::sandbox::{Ran, Sandbox};
use crate::support::server::{Request, Server};

const PRICE: &str = "price: {input: 1000000, output: 1000000}";

fn is_embedding(request: &Request) -> bool {
    request.path == "/v1/embeddings"
}

/// A bot that says yes, and a model whose numbers stand for three meanings.
fn server() -> Server {
    Server::start(|request| {
        if !is_embedding(request) {
            return Answer::reply(request, "Yes, of course.");
        }
        let numbers = match request.body["input"].as_str().unwrap() {
            "Yes, of course." => json!([1, 0]),
            "Certainly." => json!([0.8, 0.6]),
            _ => json!([-1, 0.1]),
        };
        Answer::json(&json!({
            "object": "list", "model": "numbers-2026",
            "data": [{"object": "embedding", "index": 0, "embedding": numbers}],
            "usage": {"prompt_tokens": 4, "total_tokens": 4},
        }))
    })
}

fn sandbox(server: &Server, to: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let url = server.base_url();
    let model =
        |name: &str| format!("{{provider: openai, model: {name}, base_url: \"{url}\", api_key_env: none, {PRICE}}}");
    let config =
        format!("model: bot\nembedding: {{model: vec}}\nmodels:\n  bot: {}\n  vec: {}\n", model("b"), model("v"));
    sandbox.write("chat-eval.yaml", config);
    let check = format!("{{similar: {{to: {to}, min: 0.75, by: embedding}}}}");
    let turns = format!("turns:\n  - {{user: Hi, expect: [{check}]}}\n  - {{user: Sure?, expect: [{check}]}}\n");
    sandbox.write("s/one.yaml", format!("params: {{max_tokens: 9}}\n{turns}"));
    sandbox
}

fn run(sandbox: &Sandbox, arguments: &[&str]) -> Ran {
    sandbox.run(&[&["run", "s", "-j", "1", "--snapshots", "off"], arguments].concat())
}

fn rows(sandbox: &Sandbox) -> Vec<[String; 2]> {
    sandbox.rows("checks.csv").into_iter().map(|row| ["verdict", "score"].map(|column| row[column].clone())).collect()
}

#[test]
fn the_cosine_decides_and_each_text_is_asked_for_once() {
    for (to, code, row) in [("Certainly.", 0, ["pass", "0.8000"]), ("Never.", 1, ["fail", "-0.9950"])] {
        let server = server();
        let sandbox = sandbox(&server, to);
        let ran = run(&sandbox, &["--max-cost", "10000"]).expect(code);
        assert_eq!(rows(&sandbox), [row, row]);
        let asked: Vec<Value> =
            server.requests().into_iter().filter(is_embedding).map(|request| request.body).collect();
        assert_eq!(asked, [json!({"model": "v", "input": "Yes, of course."}), json!({"model": "v", "input": to})]);
        assert!(ran.stdout.contains("4 calls in"), "{}", ran.stdout);
        // Two replies of ten tokens, and two texts of four.
        assert_eq!(totals(&sandbox)["cost_usd"], 28.0);
        let calls: Vec<Value> = journal(&sandbox).into_iter().filter(|event| event["event"] == "call").collect();
        assert_eq!((calls.len(), &calls[0]["kind"], &calls[0]["reply"]), (2, &json!("embedding"), &json!("[1.0,0.0]")));
    }
}

#[test]
fn a_recording_has_the_numbers() {
    let server = server();
    let sandbox = sandbox(&server, "Certainly.");
    run(&sandbox, &["--cassettes", "record"]).expect(0);
    assert_eq!(sandbox.read("s/cassettes/one.jsonl").matches("\"embedding\":\"vec\"").count(), 2);
    let asked = server.requests().len();
    run(&sandbox, &["--offline"]).expect(0);
    assert_eq!((rows(&sandbox)[1].clone(), server.requests().len()), (["pass".into(), "0.8000".into()], asked));
    sandbox.write("s/one.yaml", sandbox.read("s/one.yaml").replace("Certainly.", "Surely."));
    let ran = run(&sandbox, &["--offline"]).expect(3);
    let detail = sandbox.rows("checks.csv")[0]["detail"].clone();
    assert!(detail.starts_with("there is no embedding: not recorded, and nothing was sent; "), "{}", ran.stdout);
}

#[test]
fn an_odd_answer_is_no_embedding_and_the_embedded_model_needs_none() {
    let server = Server::start(|request| {
        if is_embedding(request) { Answer::json(&json!({"data": []})) } else { Answer::reply(request, "Yes.") }
    });
    let sandbox = sandbox(&server, "Certainly.");
    run(&sandbox, &["--retries", "0"]).expect(3);
    let detail = sandbox.rows("checks.csv")[0]["detail"].clone();
    assert!(detail.starts_with("there is no embedding: the answer has no embedding"), "{detail}");
    run(&sandbox, &["--model", "builtin"]).expect(0);
    assert_eq!(sandbox.rows("checks.csv")[0]["verdict"], "skip");
}
