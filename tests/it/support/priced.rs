//! Calls that cost money: a model with a price, and replies with a usage.

use serde_json::{Value, json};

use super::answer::{Answer, completion};
use super::sandbox::Sandbox;
use super::server::Server;

/// One dollar a token, so that a call of `Hi` with a reply of at most 100 tokens can cost 2 + 16 + 64 + 100 dollars.
pub const MOST: f64 = 182.0;

/// A sandbox with the model `bot` at a server and a price of a dollar a token, and with a second line of the config.
pub fn priced(server: &Server, limits: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let config = format!(
        "model: bot\n{limits}models:\n  bot: {{provider: openai, model: m, base_url: \"{}\", api_key_env: none, \
         price: {{input: 1000000, output: 1000000}}}}\n",
        server.base_url()
    );
    sandbox.write("chat-eval.yaml", config);
    sandbox
}

/// A reply with this usage as it comes from the server: `null` for none.
pub fn with_usage(usage: Value) -> Answer {
    let mut body = completion("Fine.");
    body["usage"] = usage;
    Answer::json(&body)
}

/// So many tokens sent, so many of the reply.
pub fn used(sent: u32, reply: u32) -> Value {
    json!({"prompt_tokens": sent, "completion_tokens": reply, "total_tokens": sent + reply})
}

/// The events of the latest run.
pub fn journal(sandbox: &Sandbox) -> Vec<Value> {
    let text = std::fs::read_to_string(sandbox.run_folder().join("journal.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).expect("whole lines")).collect()
}

/// The totals of the latest run.
pub fn totals(sandbox: &Sandbox) -> Value {
    serde_json::from_str::<Value>(&sandbox.read("results/latest/run.json")).unwrap()["totals"].clone()
}
