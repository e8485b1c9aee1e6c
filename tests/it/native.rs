//! Anthropic, Gemini and Azure OpenAI, against servers that speak as their documentation says and refuse what they refuse.

use chat_eval::provider::{Anthropic, ApiSettings, ChatModel, Gemini, http_client};
use serde_json::{Value, json};

use crate::provider::{KEY as OTHER_KEY, Told, ask, settings, shown};
use crate::support::answer::{Answer, completion, event};
use crate::support::priced::journal;
use crate::support::sandbox::Sandbox;
use crate::support::server::{Request, Server};
use crate::support::vendors::{
    KEY, anthropic, anthropic_error, anthropic_message, anthropic_stream, azure, gemini, gemini_answer, gemini_error,
};

/// Remembers what it is told in the messages that it is sent.
fn remembers(messages: &[(String, String)]) -> String {
    let is_told = messages[..messages.len() - 1].iter().any(|(_, content)| content.contains("My name is Priya"));
    let asked = messages.last().is_some_and(|(_, content)| content.contains("What's my name"));
    if !asked {
        return "Nice to meet you.".to_owned();
    }
    if is_told { "Your name is Priya.".to_owned() } else { "You have not told me.".to_owned() }
}

fn anthropic_server() -> Server {
    Server::start(|request| anthropic(request, remembers))
}

fn gemini_server() -> Server {
    Server::start(|request| gemini(request, remembers))
}

fn azure_server() -> Server {
    Server::start(|request| azure(request, remembers))
}

/// The root of a server, without the path that OpenAI's format has.
fn root(server: &Server) -> String {
    server.base_url().trim_end_matches("/v1").to_owned()
}

/// A project with a model of each vendor at these servers.
fn project(claude: &Server, gemini: &Server, azure: &Server) -> Sandbox {
    let sandbox =
        Sandbox::new().env("ANTHROPIC_API_KEY", KEY).env("GEMINI_API_KEY", KEY).env("AZURE_OPENAI_API_KEY", KEY);
    let config = format!(
        "model: claude\nmodels:\n  claude: {{provider: anthropic, model: claude-test, base_url: \"{}\", price: {{input: 3, output: 15}}}}\n  \
         gem: {{provider: gemini, model: gemini-test, base_url: \"{}/v1beta\", price: {{input: 1, output: 10}}}}\n  \
         azure: {{provider: azure, deployment: my-gpt, api_version: \"2024-10-21\", base_url: \"{}\"}}\n  \
         azure-v1: {{provider: azure, deployment: my-gpt, base_url: \"{}/openai/v1\"}}\n",
        root(claude),
        root(gemini),
        root(azure),
        root(azure),
    );
    sandbox.write("chat-eval.yaml", config);
    sandbox
}

const NAME: &str = "persona: Be brief.\nmodels: [claude, gem, azure, azure-v1]\nparams: {temperature: 0, max_tokens: 50, stop: [END]}\n\
                    facts: {name: Priya}\nturns:\n  - user: My name is Priya.\n  - user: What's my name?\n    expect: [{recalls: name}]\n";

#[test]
fn each_vendor_plays_a_scenario_plain_and_streamed_and_its_usage_is_counted_and_paid() {
    let servers = (anthropic_server(), gemini_server(), azure_server());
    let sandbox = project(&servers.0, &servers.1, &servers.2);
    sandbox.write("scenarios/name.yaml", NAME);
    for stream in ["--no-stream", "--stream"] {
        sandbox.run(&["run", stream, "--max-cost", "1", "-k", "!model=azure*"]).expect(0);
        sandbox.run(&["run", stream]).expect(0);
        let rows = sandbox.rows("transcripts.csv");
        assert_eq!(rows.len(), 8);
        for (model, sent, reply, cost) in [
            ("claude", "9", "3", Some((9.0 * 3.0 + 3.0 * 15.0) / 1e6)),
            ("gem", "9", "3", Some((9.0 + 3.0 * 10.0) / 1e6)),
            ("azure", "7", "", None),
            ("azure-v1", "7", "", None),
        ] {
            let row = rows.iter().find(|row| row["model"] == model && row["turn"] == "2").expect("a turn");
            assert_eq!(
                (row["reply"].as_str(), row["finish_reason"].as_str()),
                ("Your name is Priya.", "stop"),
                "{model}"
            );
            assert_eq!(row["tokens_sent"], sent, "{model}");
            if !reply.is_empty() {
                assert_eq!(row["tokens_reply"], reply, "{model}");
            }
            if let Some(cost) = cost {
                assert!((row["cost_usd"].parse::<f64>().unwrap() - cost).abs() < 1e-9, "{model}: {}", row["cost_usd"]);
            }
        }
    }
    let claude = &servers.0.requests()[1].body;
    assert_eq!(
        (&claude["system"], &claude["max_tokens"], &claude["stop_sequences"]),
        (&json!("Be brief."), &json!(50), &json!(["END"]))
    );
    let gem = &servers.1.requests()[1].body;
    assert_eq!(gem["generationConfig"], json!({"temperature": 0.0, "maxOutputTokens": 50, "stopSequences": ["END"]}));
    let paths: Vec<String> = servers.2.requests().into_iter().map(|request: Request| request.path).collect();
    assert!(
        paths.iter().any(|path| path.starts_with("/openai/deployments/"))
            && paths.iter().any(|path| path.starts_with("/openai/v1/"))
    );
    let written = sandbox
        .files("results")
        .into_iter()
        .map(|file| std::fs::read(sandbox.path().join("results").join(file)).unwrap());
    assert!(written.into_iter().all(|bytes| !String::from_utf8_lossy(&bytes).contains(KEY)), "the key is in no file");
}

#[test]
fn what_is_recorded_is_replayed_without_a_key_and_without_a_server() {
    let servers = (anthropic_server(), gemini_server(), azure_server());
    let sandbox = project(&servers.0, &servers.1, &servers.2);
    sandbox.write("scenarios/name.yaml", NAME);
    sandbox.run(&["run", "--cassettes", "record"]).expect(0);
    let tables = sandbox.rows("transcripts.csv");
    let requests = [&servers.0, &servers.1, &servers.2].map(|server| server.requests().len());
    drop(servers);
    let offline = Sandbox::new();
    for file in ["chat-eval.yaml", "scenarios/name.yaml", "scenarios/cassettes/name.jsonl"] {
        offline.write(file, sandbox.read(file));
    }
    offline.run(&["run", "--offline"]).expect(0);
    let replies = |rows: &[std::collections::BTreeMap<String, String>]| {
        rows.iter()
            .map(|row| (row["model"].clone(), row["reply"].clone(), row["tokens_sent"].clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(replies(&offline.rows("transcripts.csv")), replies(&tables));
    assert_eq!(requests, [2, 2, 4]);
}

#[test]
fn a_model_of_anthropics_has_a_longest_reply_whatever_the_scenario_says() {
    let servers = (anthropic_server(), gemini_server(), azure_server());
    let sandbox = project(&servers.0, &servers.1, &servers.2);
    sandbox.write("scenarios/hi.yaml", "turns: [{user: Hi}]\n");
    sandbox.run(&["run", "--max-cost", "1"]).expect(0);
    let begin = journal(&sandbox).into_iter().find(|event| event["event"] == "begin" || event.get("begin").is_some());
    let begin = begin.expect("a beginning").to_string();
    assert!(begin.contains("\"max_tokens\":4096"), "the journal has what was sent: {begin}");
    assert_eq!(servers.0.requests()[0].body["max_tokens"], 4096);
    let plan = sandbox.run(&["plan"]).expect(0);
    assert!(
        plan.stdout.contains("4096") || plan.stdout.contains("4,096") || plan.stdout.contains("4.1k"),
        "{}",
        plan.stdout
    );

    let config = sandbox.read("chat-eval.yaml").replace("model: claude-test,", "model: claude-test, max_tokens: 77,");
    sandbox.write("chat-eval.yaml", config);
    sandbox.run(&["run"]).expect(0);
    assert_eq!(servers.0.requests()[1].body["max_tokens"], 77);
}

#[test]
fn a_judge_may_be_a_vendors_model_and_is_judged_again_without_a_call() {
    let server = Server::start(|request| {
        anthropic(request, |messages| {
            let (_, asked) = messages.last().expect("a message");
            let Some((_, rest)) = asked.split_once("The mark is ") else { return "Hello!".to_owned() };
            let mark = rest.split('.').next().unwrap_or_default();
            json!({"mark": mark, "reason": "It greets.", "verdict": "yes"}).to_string()
        })
    });
    let others = (gemini_server(), azure_server());
    let sandbox = project(&server, &others.0, &others.1);
    let config = sandbox.read("chat-eval.yaml") + "judge: {model: claude}\n";
    sandbox.write("chat-eval.yaml", config);
    sandbox.write("scenarios/hi.yaml", "turns:\n  - user: Hi\n    expect: [{judge: It greets.}]\n");
    sandbox.run(&["run"]).expect(0);
    let calls = server.requests().len();
    assert_eq!(server.requests()[calls - 1].body["max_tokens"], 4096);
    sandbox.run(&["recheck", "latest"]).expect(0);
    assert_eq!(server.requests().len(), calls);
}

/// Asks a model at a server that gives each answer once, and compares all results at once.
async fn assert_table(make: impl Fn(&Server) -> Box<dyn ChatModel>, stream: bool, table: Vec<(Answer, &str)>) {
    let (answers, expected): (Vec<_>, Vec<_>) = table.into_iter().unzip();
    let server = Server::in_turn(answers);
    let mut results = Vec::new();
    for _ in &expected {
        let told = Told::default();
        let result = ask(&*make(&server), stream, &told).await;
        if let Ok(reply) = &result
            && stream
        {
            assert_eq!(told.deltas().concat(), reply.reply.text, "what is shown is what is kept");
        }
        results.push(shown(&result).replace(&server.base_url(), "BASE").replace(&root(&server), "ROOT"));
    }
    let wrong: Vec<_> = results.iter().zip(&expected).filter(|(result, expected)| result != expected).collect();
    assert!(wrong.is_empty(), "result and what was expected: {wrong:#?}");
    assert_eq!(server.requests().len(), expected.len());
}

fn claude(server: &Server) -> Box<dyn ChatModel> {
    Box::new(Anthropic::new(settings(&root(server)), &http_client().unwrap()).unwrap())
}

fn gem(server: &Server) -> Box<dyn ChatModel> {
    Box::new(Gemini::new(settings(&root(server)), &http_client().unwrap()).unwrap())
}

fn json_error(status: u16, body: &Value) -> Answer {
    Answer::status(status, &[("Content-Type", "application/json")], body.to_string())
}

#[tokio::test]
async fn anthropics_failures_are_the_kinds_that_they_mean() {
    let text = json!({"type": "text", "text": "Hi"});
    let message = |content: &[Value], stop| Answer::json(&anthropic_message(content, stop));
    assert_table(
        claude,
        false,
        vec![
            (message(std::slice::from_ref(&text), "end_turn"), r#""Hi" stop usage 9/3"#),
            (message(&[json!({"type": "thinking", "thinking": "Hm", "signature": "x"}), text.clone()], "end_turn"), r#""Hi" stop thinking "Hm" usage 9/3"#),
            (message(std::slice::from_ref(&text), "max_tokens"), r#""Hi" length usage 9/3"#),
            (message(&[], "refusal"), r#""" content_filter usage 9/3"#),
            (Answer::json(&json!({"type": "message", "content": [text], "stop_reason": "end_turn"})), r#""Hi" stop"#),
            (Answer::json(&json!({"type": "message"})), r#"Malformed: the answer has no content: "{"type":"message"}""#),
            (Answer::body("application/json", "Hi"), r#"Malformed: the answer is not JSON: "Hi""#),
            (Answer::body("text/html", "<html>"), "Malformed: the answer is a page for people (text/html), not JSON"),
            (Answer::json(&json!({"type": "error", "error": {"type": "api_error", "message": "oh"}})), "Malformed: 200 with an error: api_error: oh"),
            (anthropic_error(400, "invalid_request_error", "max_tokens: too large"), "Refused [400]: 400 invalid_request_error: max_tokens: too large (request req_1)"),
            (
                anthropic_error(400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API."),
                "ModelUnusable [400]: 400 invalid_request_error: Your credit balance is too low to access the Anthropic API. (request req_1)",
            ),
            (anthropic_error(401, "authentication_error", OTHER_KEY), "ModelUnusable [401]: 401 authentication_error: *** (request req_1)"),
            (anthropic_error(403, "permission_error", "no"), "ModelUnusable [403]: 403 permission_error: no (request req_1)"),
            (anthropic_error(404, "not_found_error", "model: claude-9"), "ModelUnusable [404]: 404 not_found_error: model: claude-9 (request req_1)"),
            (anthropic_error(413, "request_too_large", "big"), "Refused [413]: 413 request_too_large: big (request req_1)"),
            (anthropic_error(429, "rate_limit_error", "slow").header("retry-after", "7"), "RateLimited [429] (wait 7 s): 429 rate_limit_error: slow (request req_1)"),
            (anthropic_error(500, "api_error", "oh"), "Server [500]: 500 api_error: oh (request req_1)"),
            (anthropic_error(529, "overloaded_error", "Overloaded"), "Server [529]: 529 overloaded_error: Overloaded (request req_1)"),
            (
                Answer::status(307, &[("Location", "http://elsewhere.example/v1")], ""),
                "Refused [307]: 307: redirected to http://elsewhere.example/v1, and redirects are not followed",
            ),
            (message(&[], "end_turn").cut(20), "Connection: the connection to ROOT broke: it was closed"),
        ],
    )
    .await;
}

#[tokio::test]
async fn anthropics_streams_are_whole_with_their_last_event_alone() {
    let whole = || anthropic_stream(&["Hi ", "you"]);
    let but_last = |number: usize| {
        let events = whole();
        Answer::events(events[..events.len() - number].to_vec())
    };
    let with = |at: usize, data: &Value| {
        let mut events = whole();
        events.insert(at, format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap()));
        Answer::events(events)
    };
    let error = |kind: &str| json!({"type": "error", "error": {"type": kind, "message": "Overloaded"}});
    let joined = whole().concat();
    let bytes: Vec<String> = joined.chars().map(String::from).collect();
    assert_table(
        claude,
        true,
        vec![
            (Answer::events(whole()), r#""Hi you" stop usage 9/3"#),
            (Answer::events(bytes), r#""Hi you" stop usage 9/3"#),
            (Answer::events([joined.replace('\n', "\r\n")]), r#""Hi you" stop usage 9/3"#),
            (with(3, &json!({"type": "ping"})), r#""Hi you" stop usage 9/3"#),
            (
                Answer::events(anthropic_stream(&["It is sk-test-\"4f", "9a\"-secret, ", "no?"])),
                r#""It is ***, no?" stop usage 9/3"#,
            ),
            (with(5, &json!({"type": "something_new", "data": [1]})), r#""Hi you" stop usage 9/3"#),
            (
                Answer::json(&anthropic_message(&[json!({"type": "text", "text": "Hi you"})], "end_turn")),
                r#""Hi you" stop usage 9/3"#,
            ),
            (but_last(1), "Malformed: the stream ended without `message_stop`"),
            (but_last(2), "Malformed: the stream ended without `message_stop`"),
            (but_last(4), "Malformed: the stream ended without `message_stop`"),
            (with(4, &error("overloaded_error")), "RateLimited [200]: 200 with an error: overloaded_error: Overloaded"),
            (with(4, &error("api_error")), "Malformed: 200 with an error: api_error: Overloaded"),
            (
                Answer::events(["data: {\"type\": \"mess\n\n"]),
                r#"Malformed: a chunk of the stream is not JSON: "{"type": "mess""#,
            ),
            (Answer::events(whole()).cut(joined.len() - 30), "Connection: the connection to ROOT broke: it was closed"),
            (Answer::events([""]), "Malformed: the answer is empty"),
            (
                anthropic_error(529, "overloaded_error", "Overloaded"),
                "Server [529]: 529 overloaded_error: Overloaded (request req_1)",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn geminis_failures_are_the_kinds_that_they_mean() {
    let details = |details: Value| gemini_error(429, "RESOURCE_EXHAUSTED", "quota", &details);
    let retry = json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"});
    let quota =
        |id: &str| json!({"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": id}]});
    let reason = json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]);
    assert_table(
        gem,
        false,
        vec![
            (Answer::json(&gemini_answer("Hi", Some("STOP"))), r#""Hi" stop usage 9/3"#),
            (Answer::json(&gemini_answer("Hi", Some("MAX_TOKENS"))), r#""Hi" length usage 9/3"#),
            (Answer::json(&json!({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 4, "totalTokenCount": 4}})), r#""" content_filter usage 4/0"#),
            (Answer::json(&json!({"candidates": [{"finishReason": "SAFETY"}]})), r#""" content_filter"#),
            (Answer::json(&json!({"candidates": []})), r#"Malformed: the answer has no candidates: "{"candidates":[]}""#),
            (Answer::json(&json!({"error": {"code": 503, "message": "oh", "status": "UNAVAILABLE"}})), "Malformed: 200 with error 503: UNAVAILABLE: oh"),
            (gemini_error(400, "INVALID_ARGUMENT", "bad", &json!([])), "Refused [400]: 400 INVALID_ARGUMENT: bad"),
            (gemini_error(400, "INVALID_ARGUMENT", "API key not valid.", &reason), "ModelUnusable [400]: 400 API_KEY_INVALID: API key not valid."),
            (gemini_error(400, "FAILED_PRECONDITION", "User location is not supported", &json!([])), "ModelUnusable [400]: 400 FAILED_PRECONDITION: User location is not supported"),
            (gemini_error(403, "PERMISSION_DENIED", "no", &json!([])), "ModelUnusable [403]: 403 PERMISSION_DENIED: no"),
            (gemini_error(404, "NOT_FOUND", "models/g is not found for API version v1beta", &json!([])), "ModelUnusable [404]: 404 NOT_FOUND: models/g is not found for API version v1beta"),
            (details(json!([])), "RateLimited [429]: 429 RESOURCE_EXHAUSTED: quota"),
            (details(json!([quota("RequestsPerMinute"), retry])), "RateLimited [429] (wait 34 s): 429 RESOURCE_EXHAUSTED: quota"),
            (details(json!([quota("RequestsPerDayPerProject"), retry])), "ModelUnusable [429]: 429 RESOURCE_EXHAUSTED: quota"),
            (json_error(429, &json!([{"error": {"code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED"}}])), "RateLimited [429]: 429 RESOURCE_EXHAUSTED: quota"),
            (gemini_error(503, "UNAVAILABLE", "The model is overloaded.", &json!([])), "Server [503]: 503 UNAVAILABLE: The model is overloaded."),
        ],
    )
    .await;
}

#[tokio::test]
async fn geminis_streams_are_whole_with_a_finish_reason_alone() {
    let piece = |text: &str, finish: Option<&str>| event(&gemini_answer(text, finish));
    let thought = event(&json!({"candidates": [{"content": {"parts": [{"text": "Hm", "thought": true}]}}]}));
    let error = event(&json!({"error": {"code": 503, "message": "oh", "status": "UNAVAILABLE"}}));
    assert_table(
        gem,
        true,
        vec![
            (Answer::events([piece("Hi ", None), piece("you", Some("STOP"))]), r#""Hi you" stop usage 9/3"#),
            (Answer::events([thought, piece("Hi", Some("STOP"))]), r#""Hi" stop thinking "Hm" usage 9/3"#),
            (Answer::events([event(&json!({"promptFeedback": {"blockReason": "SAFETY"}}))]), r#""" content_filter"#),
            (Answer::events([piece("Hi ", None)]), "Malformed: the stream ended without a finish reason"),
            (Answer::events([piece("Hi ", None), error]), "Malformed: 200 with error 503: UNAVAILABLE: oh"),
            (gemini_error(503, "UNAVAILABLE", "oh", &json!([])), "Server [503]: 503 UNAVAILABLE: oh"),
        ],
    )
    .await;
}

#[tokio::test]
async fn silence_is_not_waited_out() {
    let begun = anthropic_stream(&["Hi ", "you"])[..5].concat();
    let server = Server::in_turn(vec![Answer::hang(), Answer::events([begun.clone() + " "]).hang_after(begun.len())]);
    for (stream, said) in [(false, "no answer within 0.3 s"), (true, "the stream was silent for 0.3 s")] {
        let settings = ApiSettings { timeout: std::time::Duration::from_millis(300), ..settings(&root(&server)) };
        let model = Anthropic::new(settings, &http_client().unwrap()).unwrap();
        let result = ask(&model, stream, &Told::default()).await;
        assert_eq!(shown(&result), format!("Connection: {said}"));
    }
}

#[test]
fn what_failed_is_tried_again_and_half_a_reply_is_nowhere() {
    let half = anthropic_stream(&["Half ", "of "]);
    let server = Server::start(move |request| match request.number {
        1 => Answer::events(half[..5].to_vec()),
        2 => anthropic_error(529, "overloaded_error", "Overloaded").header("retry-after", "0"),
        _ => anthropic(request, |_| "Whole.".to_owned()),
    });
    let others = (gemini_server(), azure_server());
    let sandbox = project(&server, &others.0, &others.1);
    sandbox.write("scenarios/hi.yaml", "stream: true\nturns: [{user: Hi}, {user: And?}]\n");
    sandbox.run(&["run"]).expect(0);
    let requests = server.requests();
    assert_eq!(requests.len(), 4);
    assert_eq!(
        requests[3].messages().iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>(),
        ["Hi", "Whole.", "And?"]
    );
}

#[test]
fn an_empty_reply_ends_a_conversation_before_it_would_be_sent_along() {
    let server = Server::start(|request| match request.number {
        1 => Answer::json(&anthropic_message(&[], "end_turn")),
        _ => anthropic(request, remembers),
    });
    let others = (gemini_server(), azure_server());
    let sandbox = project(&server, &others.0, &others.1);
    sandbox.write("scenarios/hi.yaml", "turns: [{user: Hi}, {user: And?}]\n");
    let ran = sandbox.run(&["run"]).expect(3);
    let said = "not sent: `a1` has no text in it, and anthropic takes no such list";
    assert!(ran.stdout.contains(said), "{}\n{}", ran.stdout, ran.stderr);
    assert_eq!(server.requests().len(), 1, "nothing else was sent");
}

#[test]
fn azures_filter_is_final_for_its_conversation_and_says_what_it_found() {
    let server = Server::start(|request| {
        if request.last_user().contains("bomb") {
            return json_error(
                400,
                &json!({"error": {
                    "message": "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
                    "type": null, "param": "prompt", "code": "content_filter", "status": 400,
                    "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {
                        "violence": {"filtered": true, "severity": "high"}, "hate": {"filtered": false, "severity": "safe"}}},
                }}),
            );
        }
        if request.last_user().contains("cut") {
            let mut answer = completion("");
            answer["choices"][0]["finish_reason"] = json!("content_filter");
            answer["choices"][0]["content_filter_results"] =
                json!({"violence": {"filtered": true, "severity": "high"}});
            return Answer::json(&answer);
        }
        azure(request, remembers)
    });
    let others = (anthropic_server(), gemini_server());
    let sandbox = project(&others.0, &others.1, &server);
    sandbox.write("scenarios/bomb.yaml", "model: azure\nturns: [{user: a bomb}]\n");
    sandbox.write("scenarios/cut.yaml", "model: azure\nturns:\n  - user: cut it\n    expect: [{not_contains: x}]\n");
    sandbox.write("scenarios/fine.yaml", "model: azure\nturns: [{user: Hi}]\n");
    let ran = sandbox.run(&["run"]).expect(3);
    assert!(
        ran.stdout.contains("content_filter: filtered for violence high: The response was filtered"),
        "{}",
        ran.stdout
    );
    assert_eq!(server.requests().len(), 3, "neither is tried again, and other conversations go on");
    let row =
        |scenario: &str| sandbox.rows("transcripts.csv").into_iter().find(|row| row["scenario"] == scenario).unwrap();
    assert_eq!(row("cut")["finish_reason"], "content_filter");
    assert_eq!(row("fine")["reply"], "Nice to meet you.");
}

#[test]
fn a_list_that_does_not_alternate_is_an_error_before_anything_is_sent_wherever_it_is_asked() {
    let servers = (anthropic_server(), gemini_server(), azure_server());
    let sandbox = project(&servers.0, &servers.1, &servers.2);
    let scenario = |window: &str, models: &str| {
        format!("models: [{models}]\nwindow: {window}\nturns:\n  - user: One\n  - user: Two\n  - user: Three\n")
    };
    sandbox.write("scenarios/w.yaml", scenario("2", "claude, gem, azure"));
    let mut said = Vec::new();
    for command in ["run", "check", "plan"] {
        let ran = sandbox.run(&[command, "scenarios"]).expect(2);
        assert_eq!(ran.stderr.matches("error[roles-must-alternate]").count(), 2, "{}", ran.stderr);
        said.push(ran.stderr);
    }
    assert_eq!((&said[0], &said[0]), (&said[1], &said[2]), "all say the same");
    insta::assert_snapshot!(said[0]);
    sandbox.write("scenarios/w.yaml", scenario("{exchanges: 2, orphan_reply: drop}", "claude, gem, azure"));
    sandbox.run(&["check", "scenarios"]).expect(0);
    sandbox.run(&["run", "scenarios"]).expect(0);
    sandbox.write("scenarios/w.yaml", scenario("2", "azure"));
    sandbox.run(&["run", "scenarios"]).expect(0);
}

#[test]
fn params_that_a_vendor_does_not_take_are_errors_before_anything_is_sent() {
    let servers = (anthropic_server(), gemini_server(), azure_server());
    let sandbox = project(&servers.0, &servers.1, &servers.2);
    let config = sandbox.read("chat-eval.yaml") + "judge: {model: claude, params: {seed: 1}}\n";
    sandbox.write("chat-eval.yaml", config);
    let scenario = "models: [claude, gem, azure]\nparams:\n  temperature: 1.5\n  seed: 3\n  extra: {top_k: 5}\n\
                    turns:\n  - user: Hi\n    expect: [{judge: It greets.}]\n";
    sandbox.write("scenarios/p.yaml", scenario);
    let mut said = Vec::new();
    for command in ["run", "check", "plan"] {
        said.push(sandbox.run(&[command, "scenarios"]).expect(2).stderr);
    }
    assert_eq!((&said[0], &said[0]), (&said[1], &said[2]), "all say the same");
    insta::assert_snapshot!(said[0]);
    assert!(servers.0.requests().is_empty() && servers.1.requests().is_empty());
}

/// Nobody but the vendor has the tokenizer: what it may count is bounded by bytes, and `plan` says that it only estimates.
#[test]
fn the_cap_holds_where_a_vendor_counts_a_token_a_byte_and_plan_says_what_it_does_not_know() {
    let text = "これはトークナイザーが知らない文字の長い文です。".repeat(4);
    let claude = Server::start(|request: &Request| {
        let mut message = anthropic_message(&[json!({"type": "text", "text": "Hi"})], "end_turn");
        let bytes = request.messages().iter().map(|(_, text)| text.len()).sum::<usize>();
        message["usage"] = json!({"input_tokens": bytes, "output_tokens": 3});
        Answer::json(&message)
    });
    let gem = Server::start(|request: &Request| {
        let bytes = request.body["contents"][0]["parts"][0]["text"].as_str().unwrap_or_default().len();
        let mut answer = gemini_answer("Hi", Some("STOP"));
        answer["usageMetadata"] = json!({"promptTokenCount": bytes, "candidatesTokenCount": 3});
        Answer::json(&answer)
    });
    let azure = azure_server();
    let sandbox = project(&claude, &gem, &azure);
    let config = sandbox.read("chat-eval.yaml");
    // A dollar a token that is sent, and nothing for replies.
    let config = config.replace("{input: 3, output: 15}", "{input: 1000000, output: 0}");
    sandbox.write("chat-eval.yaml", config.replace("{input: 1, output: 10}", "{input: 1000000, output: 0}"));
    let (cap, counted) = (1000.0, f64::from(u16::try_from(text.len()).unwrap()));
    for (model, server) in [("claude", &claude), ("gem", &gem)] {
        let scenario =
            format!("model: {model}\nparams: {{max_tokens: 10}}\ntrials: 9\nturns: [{{user: \"{text}\"}}]\n");
        sandbox.write("scenarios/long.yaml", scenario);
        sandbox.run(&["run", "-j", "9", "--max-cost", &cap.to_string(), "--snapshots", "off"]).expect(3);
        let spent: f64 = journal(&sandbox)
            .iter()
            .filter(|line| line["event"] == "turn")
            .filter_map(|line| line["cost_usd"].as_f64())
            .sum();
        assert!(spent <= cap && (spent - 3.0 * counted).abs() < 1e-6, "{model}: {spent} of {cap}");
        assert_eq!(server.requests().len(), 3, "{model}: a fourth one could cost more than is left");
        let plan = sandbox.run(&["plan"]).expect(0).stdout;
        assert!(plan.contains("are estimates and no bound; `--max-cost` reserves by bytes"), "{plan}");
    }
    sandbox.write("scenarios/long.yaml", "model: azure\nparams: {max_tokens: 10}\nturns: [{user: Hi}]\n");
    let plan = sandbox.run(&["plan"]).expect(0).stdout;
    assert!(!plan.contains("estimates"), "{plan}");
}

/// The story: Claude answered 400 to each call of such a scenario, and a run with eight candidates paid for seven that nobody read.
#[test]
fn params_that_only_some_requests_may_have_are_errors_before_anything_is_sent() {
    let servers = (anthropic_server(), gemini_server(), azure_server());
    let sandbox = project(&servers.0, &servers.1, &servers.2);
    let scenario = |model: &str, params: &str| {
        sandbox.write("scenarios/p.yaml", format!("model: {model}\nparams: {params}\nturns: [{{user: Hi}}]\n"));
    };
    for (model, params, param) in [
        ("claude", "{temperature: 1, top_p: 0.99}", "top_p"),
        ("claude", "{temperature: 0, extra: {thinking: {type: enabled, budget_tokens: 1024}}}", "temperature"),
        ("gem", "{extra: {generationConfig: {candidateCount: 8}}}", "extra.generationConfig.candidateCount"),
        ("gem", "{extra: {generationConfig: {max_output_tokens: 8}}}", "extra.generationConfig.max_output_tokens"),
    ] {
        scenario(model, params);
        for command in ["run", "check", "plan"] {
            let told = sandbox.run(&[command, "scenarios"]).expect(2).stderr;
            assert!(told.contains("error[unsupported-param]") && told.contains(&format!("`{param}`")), "{told}");
        }
    }
    assert!(servers.0.requests().is_empty() && servers.1.requests().is_empty());
    // What is taken is taken by the server too, which refuses the others.
    for params in [
        "{temperature: 1, extra: {thinking: {type: enabled, budget_tokens: 1024}}}",
        "{temperature: 0, extra: {thinking: {type: disabled}}}",
        "{top_p: 0.5}",
    ] {
        scenario("claude", params);
        sandbox.run(&["run", "scenarios", "--snapshots", "off"]).expect(0);
    }
}

#[test]
fn a_run_goes_on_with_the_model_that_it_began_with_and_no_other() {
    let server = Server::start(|request| {
        if request.number == 1 {
            anthropic_error(400, "invalid_request_error", "no")
        } else {
            anthropic(request, remembers)
        }
    });
    let others = (gemini_server(), azure_server());
    let sandbox = project(&server, &others.0, &others.1);
    sandbox.write("scenarios/hi.yaml", "turns: [{user: Hi}]\n");
    sandbox.run(&["run"]).expect(3);
    let manifest = sandbox.read("results/latest/journal.jsonl");
    assert!(manifest.lines().next().unwrap().contains("anthropic claude-test"), "{manifest}");
    let config = sandbox.read("chat-eval.yaml");
    sandbox.write("chat-eval.yaml", config.replace("model: claude-test,", "model: claude-other,"));
    let ran = sandbox.run(&["run", "--resume"]).expect(2);
    assert!(ran.stderr.contains("claude"), "{}", ran.stderr);
    sandbox.write("chat-eval.yaml", config);
    sandbox.run(&["run", "--resume"]).expect(0);
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn a_vendor_that_makes_no_embeddings_is_not_asked_for_any() {
    let servers = (anthropic_server(), gemini_server(), azure_server());
    let sandbox = project(&servers.0, &servers.1, &servers.2);
    let config = sandbox.read("chat-eval.yaml");
    sandbox.write(
        "scenarios/e.yaml",
        "model: builtin\nturns:\n  - {user: Hi, expect: [{similar: {to: Hello, min: 0.1, by: embedding}}]}\n",
    );
    for (model, vendor) in [("claude", "anthropic"), ("gem", "gemini")] {
        sandbox.write("chat-eval.yaml", format!("{config}embedding: {{model: {model}}}\n"));
        for command in ["run", "check", "plan"] {
            let told = sandbox.run(&[command, "scenarios"]).expect(2).stderr;
            let expected =
                format!("error[unusable-model]: `{model}` is a model of `{vendor}`, which is asked for no embeddings");
            assert!(told.contains(&expected) && told.contains("chat-eval.yaml:7:"), "{told}");
            assert!(told.contains("name a model of `openai` or `azure` that makes them"), "{told}");
        }
    }
    // Azure speaks OpenAI's format, which has them.
    sandbox.write("chat-eval.yaml", format!("{config}embedding: {{model: azure}}\n"));
    sandbox.run(&["check", "scenarios"]).expect(0);
    assert!(servers.0.requests().is_empty() && servers.1.requests().is_empty());
}

#[test]
fn a_missing_key_or_place_is_named_and_nothing_is_sent() {
    let sandbox = Sandbox::new();
    sandbox.write("scenarios/hi.yaml", "turns: [{user: Hi}]\n");
    for (model, said) in [
        ("{provider: anthropic, model: c}", "needs the environment variable `ANTHROPIC_API_KEY`"),
        ("{provider: gemini, model: g}", "needs the environment variable `GEMINI_API_KEY`"),
        (
            "{provider: azure, deployment: d, base_url: \"https://x.openai.azure.com\"}",
            "needs the environment variable `AZURE_OPENAI_API_KEY`",
        ),
        (
            "{provider: azure, deployment: d, api_key_env: none}",
            "neither `base_url` nor the environment variable `AZURE_OPENAI_ENDPOINT`",
        ),
        ("{provider: anthropic, deployment: d}", "`deployment` is no key of the model `m`"),
        ("{provider: gemini, max_tokens: 5}", "`max_tokens` is no key of the model `m`"),
        ("{provider: antropic}", "did you mean `anthropic`?"),
    ] {
        sandbox.write("chat-eval.yaml", format!("model: m\nmodels:\n  m: {model}\n"));
        let ran = sandbox.run(&["run"]).expect(2);
        assert!(ran.stderr.contains(said), "{model}\n{}", ran.stderr);
    }
    let sandbox = Sandbox::new().env("ANTHROPIC_API_KEY", KEY);
    sandbox.write("scenarios/hi.yaml", "turns: [{user: Hi}]\n");
    sandbox.write(
        "chat-eval.yaml",
        "model: m\nmodels:\n  m: {provider: anthropic, base_url: \"http://models.example\"}\n",
    );
    let ran = sandbox.run(&["run"]).expect(2);
    assert!(ran.stderr.contains("only to https and to loopback") && !ran.stderr.contains(KEY), "{}", ran.stderr);
}
