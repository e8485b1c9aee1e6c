//! What stands before the calls to a model: rates, what the provider asks for, and the end of all calls to it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chat_eval::model::{Message, Origin, Params, Role};
use chat_eval::provider::openai::{OpenAi, OpenAiSettings, http_client};
use chat_eval::provider::{AttemptFailed, ChatModel, ChatRequest, Gate, Observer, RetryPolicy};
use serde_json::Value;

use crate::support::answer::Answer;
use crate::support::priced::{used, with_usage};
use crate::support::sandbox::Sandbox;
use crate::support::server::Server;

struct Deaf;

impl Observer for Deaf {
    fn delta(&self, _text: &str) {}
    fn attempt_failed(&self, _attempt: AttemptFailed) {}
}

fn journal(sandbox: &Sandbox) -> Vec<Value> {
    let text = std::fs::read_to_string(sandbox.run_folder().join("journal.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).expect("an event")).collect()
}

fn of<'j>(journal: &'j [Value], event: &str) -> Vec<&'j Value> {
    journal.iter().filter(|line| line["event"] == event).collect()
}

/// A server that notes when each request arrived.
fn timed(answer: impl Fn(usize) -> Answer + Send + Sync + 'static) -> (Server, Arc<Mutex<Vec<Instant>>>) {
    let arrived: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let of_server = Arc::clone(&arrived);
    let server = Server::start(move |request| {
        of_server.lock().unwrap().push(Instant::now());
        answer(request.number)
    });
    (server, arrived)
}

#[tokio::test]
async fn what_a_provider_asks_one_call_to_wait_every_call_to_it_waits() {
    let date = [("Date", "Sun, 22 Nov 2026 10:00:00 GMT"), ("Retry-After", "Sun, 22 Nov 2026 10:00:01 GMT")];
    for (headers, asked) in [(&[("retry-after-ms", "300")][..], 300), (&date[..], 1_000)] {
        let headers = headers.to_vec();
        let (server, arrived) = timed(move |number| match number {
            1 => Answer::status(429, &headers, "{\"error\": {\"message\": \"slow down\"}}"),
            _ => Answer::text("Hello."),
        });
        let gate = Arc::new(Gate::open());
        let http = http_client().unwrap();
        let model = || {
            let retry = RetryPolicy { retries: 0, ..RetryPolicy::default() };
            let settings = OpenAiSettings {
                base_url: server.base_url(),
                model: "test-model".to_owned(),
                api_key: None,
                timeout: Duration::from_secs(20),
                retry,
                gate: Arc::clone(&gate),
                purse: None,
            };
            OpenAi::new(settings, &http).unwrap()
        };
        let messages = [Message::new(Role::User, Origin::User(1), "Hi")];
        let params = Params::default();
        let request = ChatRequest { messages: &messages, params: &params, stream: false, facts: &[] };
        assert!(model().chat(request, &Deaf).await.is_err());
        model().chat(request, &Deaf).await.unwrap();
        let arrived = arrived.lock().unwrap();
        // The hold began when the answer to the first came, which is later than that one arrived however slow the machine is.
        let between = arrived[1] - arrived[0];
        assert!(between >= Duration::from_millis(asked), "{between:?}");
    }
}

#[test]
fn a_wrong_key_ends_all_calls_to_its_model_with_one_error() {
    for (status, code, message, asks) in [
        (401, "invalid_api_key", "Incorrect API key", "0"),
        (404, "model_not_found", "No such model", "0"),
        (429, "insufficient_quota", "You exceeded your quota", "0"),
        (429, "daily", "Later; it asks to wait 3600 s", "3600"),
    ] {
        let (said, _) = message.split_once("; it asks").unwrap_or((message, ""));
        let server = Server::start(move |_| Answer::error(status, code, said).header("Retry-After", asks));
        let good = Server::saying("Hello.");
        let sandbox = Sandbox::new();
        let config = format!(
            "models:\n  bad: {{provider: openai, base_url: \"{}\", api_key_env: none}}\n  good: {{provider: openai, base_url: \"{}\", api_key_env: none}}\n",
            server.base_url(),
            good.base_url()
        );
        sandbox.write("chat-eval.yaml", config);
        sandbox.write("s/one.yaml", "turns: [{user: Hi, expect: [{contains: Hello}]}, {user: More}]");
        let arguments =
            ["run", "s", "--model", "bad", "--model", "good", "--trials", "100", "-j", "16", "--snapshots", "off"];
        let ran = sandbox.run(&arguments).expect(3);
        let sent = server.requests().len();
        assert!((1..=16).contains(&sent), "{sent} requests with {code}");
        assert_eq!(good.requests().len(), 200, "the other model goes on");
        let shown: Vec<&str> = ran.stdout.lines().filter(|line| line.contains(message)).collect();
        assert_eq!(shown.len(), 1, "{}", ran.stdout);
        assert!(ran.stdout.contains("99 others of `bad` ended for the same reason"), "{}", ran.stdout);
        assert!(ran.stdout.contains(&format!(" · {} calls in ", 200 + sent)), "those that were made: {}", ran.stdout);
        let ends = journal(&sandbox);
        let errored = of(&ends, "conversation").iter().filter(|done| done["end"] == "errored").count();
        assert_eq!(errored, 100);
        let turns = of(&ends, "turn");
        let stopped: Vec<_> = turns.iter().filter(|turn| turn["model_stopped"] == true).collect();
        assert_eq!(stopped.len(), 100);
        assert_eq!(stopped.iter().filter(|turn| turn["attempts"] == 1).count(), sent, "the others were not sent");
        assert!(stopped.iter().all(|turn| turn["error"].as_str().unwrap().contains(message)));
    }
}

#[test]
fn tokens_a_minute_are_paced_by_what_the_provider_counts() {
    let (server, arrived) = timed(|_| with_usage(used(100, 100)));
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", "trials: 6\nturns: [{user: Hi}]");
    // A thousand a second, and so each call its fifth of a second: the estimate for it is a few tokens only.
    let started = Instant::now();
    sandbox.run(&["run", "s", "-j", "1", "--tpm", "60000", "--snapshots", "off"]).expect(0);
    // Not from the first arrival, which may itself be late.
    let until_last = arrived.lock().unwrap()[5] - started;
    assert!(until_last >= Duration::from_secs(1), "{until_last:?}");
    let journal = journal(&sandbox);
    let waited = of(&journal, "turn").iter().filter(|turn| turn["waited_ms"].as_f64().is_some()).count();
    assert_eq!(waited, 5, "all but the first");
}

#[test]
fn without_retries_a_429_is_final_for_its_call_and_for_no_other() {
    let server = Server::start(|request| {
        if request.number == 1 { Answer::error(429, "rate_limit_exceeded", "slow down") } else { Answer::text("Fine.") }
    });
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", "trials: 3\nturns: [{user: Hi}]");
    let ran = sandbox.run(&["run", "s", "-j", "1", "--retries", "0", "--snapshots", "off"]).expect(3);
    assert_eq!(server.requests().len(), 3);
    assert!(ran.stdout.contains("429 rate_limit_exceeded: slow down"), "{}", ran.stdout);
    assert!(of(&journal(&sandbox), "attempt")[0].get("wait_ms").is_none());
}

#[test]
fn two_names_of_one_model_share_its_rates_and_the_command_line_goes_before_the_config() {
    let (server, arrived) = timed(|_| Answer::text("Hello."));
    let sandbox = Sandbox::new();
    let config = |rpm: u32| {
        let model = format!("{{provider: openai, model: m, base_url: \"{}\", api_key_env: none}}", server.base_url());
        format!("limits: {{rpm: {rpm}}}\nmodels:\n  one: {model}\n  two: {model}\n")
    };
    sandbox.write("s/one.yaml", "turns: [{user: Hi}]");
    let paced = |arguments: &[&str]| {
        arrived.lock().unwrap().clear();
        let started = Instant::now();
        let run = ["run", "s", "--model", "one", "--model", "two", "--trials", "5", "--snapshots", "off"];
        sandbox.run(&[&run[..], arguments].concat()).expect(0);
        let arrived = arrived.lock().unwrap();
        assert_eq!(arrived.len(), 10);
        arrived[9] - started
    };
    // Nine gaps of 50 ms. The first request may itself arrive late, and so they are counted from before it.
    let least = Duration::from_millis(450);
    sandbox.write("chat-eval.yaml", config(1_200));
    assert!(paced(&[]) >= least, "the config's");
    let waited = |turn: &&Value| turn["waited_ms"].as_f64().is_some_and(|waited| waited > 0.0);
    assert!(of(&journal(&sandbox), "turn").iter().filter(|turn| waited(turn)).count() >= 8);
    sandbox.write("chat-eval.yaml", config(1_000_000));
    assert!(paced(&["--rpm", "1200"]) >= least, "the command line's");
}

#[cfg(unix)]
#[test]
fn a_call_that_waits_to_be_sent_ends_at_once_when_the_run_is_told_to_stop() {
    let server = Server::start(|_| Answer::status(429, &[("Retry-After", "300")], ""));
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", "turns: [{user: Hi, expect: [{contains: x}]}]");
    let mut running = sandbox.start(&["run", "s", "--show", "--snapshots", "off"]);
    running.until_said("  – waiting to try again\n");
    running.signal("INT");
    running.finish().expect(130);
    let journal = journal(&sandbox);
    // Had the wait been sat out, the conversation would have been cut off without an end.
    assert_eq!(of(&journal, "conversation")[0]["end"], "interrupted");
    assert_eq!(of(&journal, "check")[0]["verdict"], "skip");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn limits_that_are_none_are_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("s/one.yaml", "turns: [{user: Hi}]");
    for flag in ["--rpm", "--tpm"] {
        sandbox.run(&["run", "s", flag, "0"]).expect(2);
    }
    sandbox.write("chat-eval.yaml", "limits: {rpm: 0}");
    sandbox.run(&["run", "s"]).expect(2);
}
