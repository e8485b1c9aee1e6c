//! Chat completions against a server that misbehaves on order: what each odd answer becomes, word for word.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chat_eval::model::{Message, Origin, Params, Role, Usage};
use chat_eval::provider::openai::{OpenAi, OpenAiSettings, http_client};
use chat_eval::provider::{
    AttemptFailed, CallError, ChatModel, ChatReply, ChatRequest, Gate as ProviderGate, Observer, RetryPolicy,
};
use futures::FutureExt;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::support::answer::{Answer, Gate, completion, delta, event, finish, usage_chunk};
use crate::support::server::Server;

pub const KEY: &str = "sk-test-\"4f9a\"-secret";

/// What an observer is told, in its order.
#[derive(Default)]
pub struct Told(Mutex<Vec<Event>>);

#[derive(Debug, Clone, PartialEq)]
enum Event {
    Delta(String),
    Failed(AttemptFailed),
}

impl Told {
    fn events(&self) -> Vec<Event> {
        self.0.lock().unwrap().clone()
    }

    /// The pieces of text.
    pub fn deltas(&self) -> Vec<String> {
        let text = |event| if let Event::Delta(text) = event { Some(text) } else { None };
        self.events().into_iter().filter_map(text).collect()
    }
}

impl Observer for Told {
    fn delta(&self, text: &str) {
        self.0.lock().unwrap().push(Event::Delta(text.to_owned()));
    }

    fn attempt_failed(&self, attempt: AttemptFailed) {
        // How long it took is the machine's to say.
        self.0.lock().unwrap().push(Event::Failed(AttemptFailed { latency: Duration::ZERO, ..attempt }));
    }
}

/// How a model at a URL is reached, without a second try.
pub fn settings(base_url: &str) -> OpenAiSettings {
    OpenAiSettings {
        base_url: base_url.to_owned(),
        model: "test-model".to_owned(),
        api_key: Some(SecretString::from(KEY)),
        timeout: Duration::from_secs(20),
        retry: RetryPolicy { retries: 0, base: Duration::ZERO, cap: Duration::ZERO },
        gate: Arc::new(ProviderGate::open()),
        purse: None,
    }
}

fn model(settings: OpenAiSettings) -> OpenAi {
    OpenAi::new(settings, &http_client().unwrap()).unwrap()
}

fn with_retries(base_url: &str, retries: u32) -> OpenAi {
    let retry = RetryPolicy { retries, base: Duration::ZERO, cap: Duration::ZERO };
    model(OpenAiSettings { retry, ..settings(base_url) })
}

/// Asks a model one question.
pub async fn ask(model: &dyn ChatModel, stream: bool, told: &Told) -> Result<ChatReply, CallError> {
    let messages = [
        Message::new(Role::System, Origin::System, "Be brief."),
        Message::new(Role::User, Origin::User(1), "What's my name?"),
    ];
    let params = Params::default();
    model.chat(ChatRequest { messages: &messages, params: &params, stream, facts: &[] }, told).await
}

/// A result in one line: what of it a test is about.
pub fn shown(result: &Result<ChatReply, CallError>) -> String {
    let reply = match result {
        Ok(reply) => reply,
        Err(error) => return shown_error(error),
    };
    let mut line = format!("{:?} {}", reply.reply.text, reply.reply.finish_reason.as_deref().unwrap_or("-"));
    if let Some(thinking) = &reply.thinking {
        let _ = write!(line, " thinking {thinking:?}");
    }
    if let Some(Usage { sent, reply, .. }) = reply.usage {
        let _ = write!(line, " usage {sent}/{reply}");
    }
    line
}

fn shown_error(error: &CallError) -> String {
    let kind = match error {
        CallError::OverBudget(_) => "OverBudget",
        CallError::Unreachable(_) => "Unreachable",
        CallError::Connection(_) => "Connection",
        CallError::RateLimited { .. } => "RateLimited",
        CallError::Server { .. } => "Server",
        CallError::Malformed(_) => "Malformed",
        CallError::Refused { .. } => "Refused",
        CallError::ModelUnusable { .. } => "ModelUnusable",
        CallError::Unsendable(_) => "Unsendable",
        CallError::ModelStopped(_) => "ModelStopped",
        CallError::Interrupted => "Interrupted",
        CallError::NotRecorded(_) => "NotRecorded",
        CallError::NotAgain { .. } => "NotAgain",
    };
    let status = error.status().map(|status| format!(" [{status}]")).unwrap_or_default();
    let wait = error.retry_after().map(|wait| format!(" (wait {} s)", wait.as_secs_f64())).unwrap_or_default();
    format!("{kind}{status}{wait}: {error}")
}

/// Asks a server that gives each answer once, and compares all results at once.
async fn assert_table(stream: bool, table: Vec<(Answer, &str)>) {
    let (answers, expected): (Vec<_>, Vec<_>) = table.into_iter().unzip();
    let server = Server::in_turn(answers);
    let mut results = Vec::new();
    for _ in &expected {
        let told = Told::default();
        // What one answer does to the gate is no business of the next.
        let model = model(settings(&server.base_url()));
        let result = ask(&model, stream, &told).await;
        if let Ok(reply) = &result
            && stream
        {
            assert_eq!(told.deltas().concat(), reply.reply.text, "what is shown is what is kept");
        }
        results.push(shown(&result).replace(&server.base_url(), "BASE"));
    }
    let wrong: Vec<_> = results.iter().zip(&expected).filter(|(result, expected)| result != expected).collect();
    assert!(wrong.is_empty(), "result and what was expected: {wrong:#?}");
    assert_eq!(server.requests().len(), expected.len());
}

/// A whole completion whose only choice is this.
fn choice(choice: &Value) -> Answer {
    Answer::json(&json!({"choices": [choice]}))
}

fn message(message: &Value) -> Answer {
    choice(&json!({"message": message, "finish_reason": "stop"}))
}

#[tokio::test]
async fn odd_replies_are_read_leniently() {
    let with_usage = |usage: Value| Answer::json(&json!({"choices": [{"message": {"content": "Hi"}}], "usage": usage}));
    assert_table(
        false,
        vec![
            (Answer::text("You are Priya."), r#""You are Priya." stop usage 7/3"#),
            (message(&json!({"content": "Hi"})), r#""Hi" stop"#),
            (choice(&json!({"message": {"content": "Hi"}})), r#""Hi" -"#),
            (choice(&json!({"message": {"content": "Hi"}, "finish_reason": ""})), r#""Hi" -"#),
            (choice(&json!({"message": {"content": "Hi"}, "finish_reason": "eos_token"})), r#""Hi" eos_token"#),
            (choice(&json!({"message": {"content": "Hi"}, "finish_reason": "length"})), r#""Hi" length"#),
            (choice(&json!({"message": {"content": null}, "finish_reason": "content_filter"})), r#""" content_filter"#),
            (message(&json!({"content": null, "refusal": "I cannot."})), r#""I cannot." stop"#),
            (message(&json!({"content": "Hi", "refusal": null})), r#""Hi" stop"#),
            (message(&json!({"role": "assistant", "tool_calls": [{"id": 1}]})), r#""" stop"#),
            (message(&json!({"content": [{"type": "text", "text": "Hi "}, "you", {"type": "image"}]})), r#""Hi you" stop"#),
            (message(&json!({"content": [{"type": "refusal", "refusal": "No."}]})), r#""No." stop"#),
            (
                message(&json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}, {"type": "text", "text": "Hi"}]})),
                r#""Hi" stop thinking "Hm""#,
            ),
            (message(&json!({"content": "Hi", "reasoning_content": "Hm"})), r#""Hi" stop thinking "Hm""#),
            (message(&json!({"content": "Hi", "reasoning": "Hm"})), r#""Hi" stop thinking "Hm""#),
            (message(&json!({"content": "<think>\nHm\n</think>\n\nHi"})), r#""Hi" stop thinking "Hm""#),
            (message(&json!({"content": "<think></think>Hi"})), r#""Hi" stop"#),
            (with_usage(json!({"prompt_tokens": 5})), r#""Hi" -"#),
            (with_usage(json!({"prompt_tokens": 5, "completion_tokens": null})), r#""Hi" -"#),
            (with_usage(json!("none")), r#""Hi" -"#),
            (with_usage(json!({"prompt_tokens": 5, "completion_tokens": 0})), r#""Hi" - usage 5/0"#),
            (
                Answer::json(&json!({"object": 7, "created": "now", "service_tier": "on_demand", "error": null,
                    "choices": [{"index": 0, "message": {"content": "Hi"}, "logprobs": [1]}]})),
                r#""Hi" -"#,
            ),
            (
                Answer::json(&json!({"choices": [{"index": 1, "message": {"content": "b"}}, {"index": 0, "message": {"content": "a"}}]})),
                r#""a" -"#,
            ),
            // Numbers that no call has would break the sums of the run.
            (with_usage(json!({"prompt_tokens": u64::MAX, "completion_tokens": 1})), r#""Hi" -"#),
            (with_usage(json!({"prompt_tokens": 1, "completion_tokens": 5_000_000_000_u64})), r#""Hi" -"#),
            (with_usage(json!({"prompt_tokens": -1, "completion_tokens": 1e99})), r#""Hi" -"#),
            (Answer::body("application/json", &format!("\u{feff}{}", completion("Hi"))), r#""Hi" stop usage 7/3"#),
            (Answer::body("text/plain", &completion("Hi").to_string()), r#""Hi" stop usage 7/3"#),
            (Answer::status(201, &[], completion("Hi").to_string()), r#""Hi" stop usage 7/3"#),
        ],
    )
    .await;
}

#[tokio::test]
async fn answers_that_are_no_reply_say_what_they_are() {
    let cut = Answer::text("A long reply that never comes whole.");
    assert_table(
        false,
        vec![
            (Answer::json(&json!({"choices": []})), r#"Malformed: the answer has no choices: "{"choices":[]}""#),
            (Answer::json(&json!({"choices": [{}]})), r#"Malformed: the answer has no choices: "{"choices":[{}]}""#),
            (Answer::json(&json!(["hi"])), r#"Malformed: the answer has no choices: "["hi"]""#),
            (Answer::json(&Value::Null), r#"Malformed: the answer has no choices: "null""#),
            (Answer::body("application/json", "It's fine!\n\u{1b}[2J"), r#"Malformed: the answer is not JSON: "It's fine! ‹U+001B›[2J""#),
            (Answer::body("application/json", ""), "Malformed: the answer is not JSON: it is empty"),
            (Answer::body("application/json", r#"{"choices": [{"mess"#), r#"Malformed: the answer is not JSON: "{"choices": [{"mess""#),
            (
                Answer::body("text/html; charset=utf-8", "<html><title>Sign in</title></html>"),
                "Malformed: the answer is a page for people (text/html; charset=utf-8), not JSON",
            ),
            (
                Answer::json(&json!({"error": {"message": "overloaded", "type": "server_error", "code": null}})),
                "Malformed: 200 with an error: server_error: overloaded",
            ),
            (Answer::json(&json!({"error": "out of memory"})), "Malformed: 200 with an error: out of memory"),
            (
                Answer::json(&json!({"object": "error", "message": "no worker", "code": 503})),
                "Malformed: 200 with error 503: no worker",
            ),
            (
                Answer::json(&json!({"error": {"message": "slow down", "code": "rate_limit_exceeded"}})),
                "RateLimited [200]: 200 with an error: rate_limit_exceeded: slow down",
            ),
            (
                Answer::json(&json!({"error": {"message": "slow down", "code": 429, "status": "RESOURCE_EXHAUSTED"}})),
                "RateLimited [200]: 200 with error 429: RESOURCE_EXHAUSTED: slow down",
            ),
            (
                Answer::json(&json!({"error": {"message": "pay first", "type": "insufficient_quota"}})),
                "ModelUnusable [200]: 200 with an error: insufficient_quota: pay first",
            ),
            (
                choice(&json!({"message": {"content": "ha"}, "finish_reason": "error", "error": {"code": 502, "message": "upstream died"}})),
                "Malformed: 200 with error 502: upstream died",
            ),
            (cut.clone().cut(40), "Connection: the connection to BASE broke: it was closed"),
            (cut.clone().promise_more(100), "Connection: the connection to BASE broke: it was closed"),
            (Answer::raw("220 mail.example.com ESMTP\r\n"), "Connection: the connection to BASE broke: invalid HTTP version parsed"),
            (Answer::raw(""), "Connection: the connection to BASE broke: connection closed before message completed"),
        ],
    )
    .await;
}

#[tokio::test]
async fn each_status_is_the_kind_of_failure_that_it_means() {
    let openai = Answer::error;
    let plain = |status, body: &str| Answer::status(status, &[("Content-Type", "text/plain")], body);
    let json = |status, body: Value| Answer::status(status, &[("Content-Type", "application/json")], body.to_string());
    assert_table(
        false,
        vec![
            (
                openai(400, "context_length_exceeded", "too many tokens"),
                "Refused [400]: 400 context_length_exceeded: too many tokens",
            ),
            (openai(401, "invalid_api_key", "Incorrect API key"), "ModelUnusable [401]: 401 invalid_api_key: Incorrect API key"),
            (plain(402, "Insufficient Balance"), "ModelUnusable [402]: 402: Insufficient Balance"),
            (json(403, json!({"message": "not in your region"})), "ModelUnusable [403]: 403: not in your region"),
            (openai(404, "model_not_found", "no such model"), "ModelUnusable [404]: 404 model_not_found: no such model"),
            (
                json(404, json!({"error": {"type": "not_found_error", "message": "model: claude-9"}})),
                "ModelUnusable [404]: 404 not_found_error: model: claude-9",
            ),
            (
                json(404, json!({"object": "error", "message": "The model `x` does not exist.", "type": "NotFoundError", "code": 404})),
                "ModelUnusable [404]: 404 NotFoundError: The model `x` does not exist.",
            ),
            (json(404, json!({"error": "model 'x' not found"})), "ModelUnusable [404]: 404: model 'x' not found"),
            (plain(404, "404 page not found"), "Refused [404]: 404: 404 page not found"),
            (json(404, json!({"detail": "Not Found"})), "Refused [404]: 404: Not Found"),
            (plain(408, ""), "RateLimited [408]: 408 Request Timeout"),
            (plain(409, "busy"), "RateLimited [409]: 409: busy"),
            (plain(413, "too large"), "Refused [413]: 413: too large"),
            (
                json(422, json!({"detail": [{"loc": ["body", "top_p"], "msg": "must be below 1"}, {"msg": "bad seed"}]})),
                "Refused [422]: 422: must be below 1; bad seed",
            ),
            (json(422, json!({"odd": true})), r#"Refused [422]: 422: "{"odd":true}""#),
            (plain(425, ""), "RateLimited [425]: 425 Too Early"),
            (
                openai(429, "rate_limit_exceeded", "Rate limit reached").header("x-request-id", "req_123"),
                "RateLimited [429]: 429 rate_limit_exceeded: Rate limit reached (request req_123)",
            ),
            (openai(429, "insufficient_quota", "pay first"), "ModelUnusable [429]: 429 insufficient_quota: pay first"),
            (
                json(429, json!([{"error": {"code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED"}}])),
                "RateLimited [429]: 429 RESOURCE_EXHAUSTED: quota",
            ),
            (plain(418, "teapot"), "Refused [418]: 418: teapot"),
            (plain(500, "oh\nno\u{7}"), "Server [500]: 500: oh no‹U+0007›"),
            (plain(501, ""), "Refused [501]: 501 Not Implemented"),
            (
                Answer::status(502, &[("Content-Type", "text/html")], "<html><head><title>502 Bad Gateway</title>"),
                "Server [502]: 502: an HTML page, `502 Bad Gateway`",
            ),
            (plain(503, "<html>x</html>"), "Server [503]: 503: an HTML page"),
            (plain(504, ""), "Server [504]: 504 Gateway Timeout"),
            (plain(505, ""), "Refused [505]: 505 HTTP Version Not Supported"),
            (plain(529, "overloaded"), "Server [529]: 529: overloaded"),
            (plain(599, ""), "Server [599]: 599 without a message"),
            (plain(500, "half of a mess").cut(7), "Server [500]: 500: half of"),
            (
                Answer::status(307, &[("Location", "http://elsewhere.example/v1")], ""),
                "Refused [307]: 307: redirected to http://elsewhere.example/v1, and redirects are not followed",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn what_the_provider_asks_to_wait_goes_along_with_the_error() {
    let limited = |headers: &[(&str, &str)]| Answer::status(429, headers, "");
    assert_table(
        false,
        vec![
            (limited(&[("Retry-After", "7")]), "RateLimited [429] (wait 7 s): 429 Too Many Requests"),
            (
                limited(&[("retry-after-ms", "250"), ("Retry-After", "7")]),
                "RateLimited [429] (wait 0.25 s): 429 Too Many Requests",
            ),
            (
                limited(&[("Date", "Sun, 22 Nov 2026 10:00:00 GMT"), ("Retry-After", "Sun, 22 Nov 2026 10:01:30 GMT")]),
                "RateLimited [429] (wait 90 s): 429 Too Many Requests",
            ),
            (limited(&[("Retry-After", "soon")]), "RateLimited [429]: 429 Too Many Requests"),
            (Answer::status(503, &[("Retry-After", "20")], ""), "Server [503] (wait 20 s): 503 Service Unavailable"),
        ],
    )
    .await;
}

/// Events of a stream whose chunks carry these texts, with no end.
fn chunks(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| event(&delta(&json!({"content": text})))).collect()
}

fn done() -> String {
    "data: [DONE]\n\n".to_owned()
}

#[expect(clippy::too_many_lines, reason = "a table")]
#[tokio::test]
async fn odd_streams_are_a_whole_reply_or_none() {
    let with = |texts: &[&str], rest: &[String]| Answer::events([chunks(texts), rest.to_vec()].concat());
    let error = |error: Value| event(&json!({"error": error}));
    let bytes = chunks(&["Pri", "ya 🙂"]).concat() + &event(&finish("stop"));
    assert_table(
        true,
        vec![
            (Answer::stream(["You ", "are Priya."]), r#""You are Priya." stop usage 7/2"#),
            (with(&["Hi"], &[event(&finish("stop"))]), r#""Hi" stop"#),
            (with(&["Hi"], &[done()]), r#""Hi" -"#),
            (with(&["Hi"], &["data:[DONE]".to_owned()]), r#""Hi" -"#),
            (with(&["Hi"], &[event(&finish("length")), done()]), r#""Hi" length"#),
            (
                with(&["Hi"], &[event(&finish("odd_reason")), event(&usage_chunk(5, 1)), done()]),
                r#""Hi" odd_reason usage 5/1"#,
            ),
            (with(&[], &[event(&finish("content_filter")), done()]), r#""" content_filter"#),
            (with(&["Hi"], &[event(&json!({"usage": {"prompt_tokens": 5}})), done()]), r#""Hi" -"#),
            // Every byte a chunk of its own, in the middle of characters too.
            (Answer::events(bytes.bytes().map(|byte| [byte])), r#""Priya 🙂" stop"#),
            (Answer::events([bytes.replace('\n', "\r\n")]), r#""Priya 🙂" stop"#),
            (Answer::events(format!("\u{feff}{bytes}").bytes().map(|byte| [byte])), r#""Priya 🙂" stop"#),
            (Answer::events([format!("\u{feff}{bytes}")]), r#""Priya 🙂" stop"#),
            (Answer::body("text/event-stream", &format!("\u{feff}{}", completion("Hi"))), r#""Hi" stop usage 7/3"#),
            (
                Answer::events(
                    [": PROCESSING\n\n".to_owned(), "event: ping\nid: 3\nretry: 5\n\n".to_owned()]
                        .into_iter()
                        .chain(chunks(&["Hi"]))
                        .chain([done()]),
                ),
                r#""Hi" -"#,
            ),
            (
                with(&["<th", "ink>Hm", ".</thi", "nk>\n", "\nHi", " <think>"], &[event(&finish("stop"))]),
                r#""Hi <think>" stop thinking "Hm.""#,
            ),
            (with(&["<think>Hm", " and cut"], &[event(&finish("length"))]), r#""" length thinking "Hm and cut""#),
            (with(&["<thi"], &[event(&finish("stop"))]), r#""<thi" stop"#),
            (
                Answer::events([
                    event(&delta(&json!({"reasoning_content": "H"}))),
                    event(&delta(&json!({"reasoning": "m", "content": null}))),
                    chunks(&["Hi"]).concat(),
                    done(),
                ]),
                r#""Hi" - thinking "Hm""#,
            ),
            (
                Answer::events([
                    event(&delta(&json!({"refusal": "I can"}))),
                    event(&delta(&json!({"refusal": "not."}))),
                    event(&finish("stop")),
                ]),
                r#""I cannot." stop"#,
            ),
            (
                Answer::events([
                    event(&json!({"choices": [{"index": 1, "delta": {"content": "b"}}]})),
                    chunks(&["a"]).concat(),
                    done(),
                ]),
                r#""a" -"#,
            ),
            (Answer::json(&completion("Whole.")), r#""Whole." stop usage 7/3"#),
            (Answer::body("text/plain", &(chunks(&["Hi"]).concat() + &done())), r#""Hi" -"#),
            (with(&["Hi"], &[event(&finish("stop")), "data: {broken\n\n".to_owned()]), r#""Hi" stop"#),
            // No reply.
            (with(&["Half a re"], &[]), "Malformed: the stream ended without a finish reason or [DONE]"),
            (with(&[], &[]), "Malformed: the answer is empty"),
            (with(&[], &[done()]), "Malformed: the stream has no choices"),
            (
                with(&["Half"], &["data: {broken\n\n".to_owned(), done()]),
                r#"Malformed: a chunk of the stream is not JSON: "{broken""#,
            ),
            (
                with(&["Half"], &[error(json!({"message": "died", "code": 500})), done()]),
                "Malformed: 200 with error 500: died",
            ),
            (
                with(&["Half"], &[error(json!({"message": "slow down", "type": "rate_limit_error"}))]),
                "RateLimited [200]: 200 with an error: rate_limit_error: slow down",
            ),
            (
                Answer::json(&json!({"error": {"message": "died", "type": "server_error"}}))
                    .header("x-request-id", "req_9"),
                "Malformed: 200 with an error: server_error: died (request req_9)",
            ),
            (
                Answer::body("application/json", "{broken"),
                r#"Malformed: the answer is neither a stream nor JSON: "{broken""#,
            ),
            (Answer::body("text/html", "<html>"), "Malformed: the answer is a page for people (text/html), not JSON"),
            (
                Answer::body("text/event-stream", "nonsense\n\nmore"),
                "Malformed: the stream ended without a finish reason or [DONE]",
            ),
            (
                Answer::events([b"data: \xff\xfe\n\n".as_slice()]),
                "Malformed: the stream cannot be read: UTF8 error: invalid utf-8 sequence of 1 bytes from index 0",
            ),
            (Answer::error(503, "overloaded", "come back"), "Server [503]: 503 overloaded: come back"),
            (Answer::stream(["Half", " a reply"]).cut(240), "Connection: the connection to BASE broke: it was closed"),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_stream_that_breaks_behind_its_finish_reason_is_whole() {
    let answer = Answer::events([chunks(&["Hi"]).concat(), event(&finish("stop")), done()]);
    let whole = answer.body_len() - done().len();
    assert_table(true, vec![(answer.cut(whole), r#""Hi" stop"#)]).await;
}

#[tokio::test]
async fn a_stream_that_never_ends_behind_its_finish_reason_is_whole() {
    let answer = Answer::events([chunks(&["Hi"]).concat(), event(&finish("stop"))]);
    let bytes = answer.body_len();
    let server = Server::in_turn(vec![answer.hang_after(bytes)]);
    let model = model(OpenAiSettings { timeout: Duration::from_millis(50), ..settings(&server.base_url()) });
    assert_eq!(shown(&ask(&model, true, &Told::default()).await), r#""Hi" stop"#);
}

#[tokio::test]
async fn an_answer_without_end_is_given_up() {
    let endless = Answer::body("application/json", &" ".repeat((64 << 20) + 1));
    assert_table(false, vec![(endless, "Malformed: the answer is longer than 64 MiB")]).await;
}

/// The story: a server cut the texts of its chunks by the units of UTF-16, and half a character is no JSON for a strict
/// reader. The call was made six times, to fail for good.
#[tokio::test]
async fn a_character_that_is_cut_in_two_by_its_escapes_is_joined_and_half_of_one_is_unknown() {
    let content = |json: &str| event(&delta(&json!({"content": "CONTENT"}))).replace("CONTENT", json);
    let thought = |json: &str| event(&delta(&json!({"reasoning": "CONTENT"}))).replace("CONTENT", json);
    let stop = || event(&finish("stop"));
    assert_table(
        true,
        vec![
            (Answer::events([content(r"Hi \ud83d"), content(r"\ude42!"), stop()]), r#""Hi 🙂!" stop"#),
            (Answer::events([content(r"\ud83d"), content(""), content(r"\ude42"), stop()]), r#""🙂" stop"#),
            (Answer::events([content(r"a\ud83d"), content("b"), stop()]), "\"a\u{fffd}b\" stop"),
            (Answer::events([content(r"a\ud83d"), event(&finish("length"))]), "\"a\u{fffd}\" length"),
            (
                Answer::events([thought(r"\ud83d"), thought(r"\ude42"), content("Hi"), stop()]),
                r#""Hi" stop thinking "🙂""#,
            ),
            (
                Answer::events([event(&json!({"error": {"message": "CONTENT"}})).replace("CONTENT", r"died \ud83d")]),
                "Malformed: 200 with an error: died \u{fffd}",
            ),
            (
                Answer::body("application/json", &completion("CONTENT").to_string().replace("CONTENT", r"a\ud83d")),
                "\"a\u{fffd}\" stop usage 7/3",
            ),
        ],
    )
    .await;
    let whole = completion("CONTENT").to_string().replace("CONTENT", r"a\ud83d");
    assert_table(false, vec![(Answer::body("application/json", &whole), "\"a\u{fffd}\" stop usage 7/3")]).await;
}

/// The story: the library's reader of events begins an unfinished line anew with every piece, and moves all that is left
/// of a piece with every line. A line of three megabytes took twenty seconds, and an endless one the whole run.
#[tokio::test]
async fn a_long_line_and_a_flood_of_empty_ones_are_read_as_fast_as_they_come() {
    let long = "x".repeat(4 << 20);
    let line = chunks(&["Hi"]).concat() + &event(&json!({ "choices": [], "odd": long })) + &event(&finish("stop"));
    let pieces = line.as_bytes().chunks(2_000);
    let blank = "\n".repeat(1 << 18) + &chunks(&["Hi", " you"]).concat() + &"\n".repeat(1 << 18) + &done();
    let spaces = " ".repeat(4 << 20);
    assert_table(
        true,
        vec![
            (Answer::events(pieces), r#""Hi" stop"#),
            (Answer::body("text/event-stream", &blank), r#""Hi you" -"#),
            (Answer::events(spaces.as_bytes().chunks(200)), "Malformed: the answer is empty"),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_reply_carries_what_the_server_says_of_itself() {
    let server = Server::saying("You are Priya.");
    let model = model(settings(&server.base_url()));
    for stream in [false, true] {
        let told = Told::default();
        let reply = ask(&model, stream, &told).await.unwrap();
        assert_eq!(reply.model_reported.as_deref(), Some("test-model-2026"));
        assert_eq!(reply.fingerprint.is_some(), !stream);
        assert_eq!(reply.attempts, 1);
        assert_eq!(reply.ttft.is_some(), stream, "only a stream has a first piece");
        assert!(reply.ttft.unwrap_or_default() <= reply.latency);
        assert_eq!(told.deltas(), if stream { vec!["You ", "are ", "Priya."] } else { vec![] });
    }
}

#[tokio::test]
async fn a_half_streamed_reply_is_void_before_the_next_try() {
    let half = Answer::events(chunks(&["I think ", "you are"]));
    let server = Server::in_turn(vec![half, Answer::stream(["You are ", "Priya."])]);
    let told = Told::default();
    let reply = ask(&with_retries(&server.base_url(), 3), true, &told).await.unwrap();
    assert_eq!((reply.reply.text.as_str(), reply.attempts), ("You are Priya.", 2));
    let failed = AttemptFailed {
        attempt: 1,
        status: None,
        error: "the stream ended without a finish reason or [DONE]".to_owned(),
        latency: Duration::ZERO,
        wait: Some(Duration::ZERO),
        reserved_usd: None,
    };
    let delta = |text: &str| Event::Delta(text.to_owned());
    assert_eq!(
        told.events(),
        [delta("I think "), delta("you are"), Event::Failed(failed), delta("You are "), delta("Priya.")]
    );
    let requests = server.requests();
    assert_eq!(requests[0].body, requests[1].body, "nothing of the half reply is in the next request");
}

#[tokio::test]
async fn only_what_another_try_can_help_is_tried_again() {
    for (answer, tries) in [
        (Answer::error(429, "rate_limit_exceeded", "slow down"), 4),
        (Answer::error(500, "server_error", "oops"), 4),
        (Answer::body("application/json", "nonsense"), 4),
        (Answer::json(&json!({"error": {"message": "odd"}})), 4),
        (Answer::raw(""), 4),
        (Answer::status(408, &[], ""), 4),
        (Answer::status(409, &[], ""), 4),
        (Answer::status(425, &[], ""), 4),
        (Answer::status(502, &[], ""), 4),
        (Answer::status(503, &[], ""), 4),
        (Answer::status(504, &[], ""), 4),
        (Answer::status(529, &[], ""), 4),
        (Answer::json(&json!({"choices": []})), 4),
        (Answer::status(402, &[], ""), 1),
        (Answer::status(403, &[], ""), 1),
        (Answer::status(404, &[], ""), 1),
        (Answer::status(413, &[], ""), 1),
        (Answer::status(422, &[], ""), 1),
        (Answer::error(400, "invalid_request_error", "no"), 1),
        (Answer::error(401, "invalid_api_key", "no"), 1),
        (Answer::error(404, "model_not_found", "no"), 1),
        (Answer::error(429, "insufficient_quota", "no"), 1),
        (Answer::json(&json!({"error": {"code": "insufficient_quota"}})), 1),
    ] {
        let server = Server::in_turn(vec![answer]);
        let told = Told::default();
        let error = ask(&with_retries(&server.base_url(), 3), false, &told).await.unwrap_err();
        assert_eq!(server.requests().len(), tries, "{error}");
        let Some(Event::Failed(last)) = told.events().pop() else { panic!("nothing was said") };
        assert_eq!((last.attempt as usize, last.wait, last.error), (tries, None, error.to_string()));
        assert_eq!(told.events().len(), tries);
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_or_says_nothing_is_tried_again() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let silent = Server::in_turn(vec![Answer::hang()]);
    for (base_url, told_last) in
        [(format!("http://{free}/v1"), "connection refused"), (silent.base_url(), "no answer within 0.05 s")]
    {
        let retry = RetryPolicy { retries: 2, base: Duration::ZERO, cap: Duration::ZERO };
        let timeout = Duration::from_millis(50);
        let model = model(OpenAiSettings { retry, timeout, ..settings(&base_url) });
        let told = Told::default();
        let error = ask(&model, false, &told).await.unwrap_err().to_string();
        assert!(error.ends_with(told_last), "{error}");
        assert_eq!(told.events().len(), 3, "{error}");
    }
    assert_eq!(silent.requests().len(), 3);
}

#[tokio::test]
async fn every_half_of_a_stream_is_followed_by_another_try_and_leaves_nothing() {
    let half = || Answer::events(chunks(&["I think ", "you are"]));
    let with = |rest: String| Answer::events([chunks(&["I think ", "you are"]), vec![rest]].concat());
    for broken in [
        half(),
        half().cut(half().body_len()),
        half().cut(half().body_len() - 10),
        with(event(&json!({"error": {"message": "died"}}))),
        with(event(&json!({"error": {"message": "slow down", "code": 429}}))),
        with("data: {broken\n\n".to_owned()),
    ] {
        let server = Server::in_turn(vec![broken, Answer::stream(["You are ", "Priya."])]);
        let reply = ask(&with_retries(&server.base_url(), 3), true, &Told::default()).await.unwrap();
        assert_eq!((reply.reply.text.as_str(), reply.attempts), ("You are Priya.", 2));
        let requests = server.requests();
        assert_eq!(requests[0].body, requests[1].body);
    }
}

#[tokio::test]
async fn two_failures_and_a_reply_are_three_attempts() {
    let server = Server::in_turn(vec![Answer::error(503, "busy", "later"), Answer::raw("x"), Answer::text("Hi")]);
    let reply = ask(&with_retries(&server.base_url(), 5), false, &Told::default()).await.unwrap();
    assert_eq!((reply.attempts, reply.reply.text.as_str()), (3, "Hi"));
}

/// Waits until the client has closed its connection. The tasks that do so run meanwhile, since the wait blocks a thread of
/// its own.
async fn wait_for_hang_up(server: Server) {
    tokio::task::spawn_blocking(move || server.wait_for_hang_ups(1)).await.unwrap();
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_after_the_timeout() {
    let half = Answer::events(chunks(&["Half"]));
    let bytes = half.body_len();
    for (stream, answer, text) in [
        (false, Answer::hang(), "Connection: no answer within 0.05 s"),
        (false, Answer::text("Hi").hang_after(10), "Connection: no answer within 0.05 s"),
        (true, Answer::hang(), "Connection: no answer within 0.05 s"),
        (true, half.hang_after(bytes), "Connection: the stream was silent for 0.05 s"),
    ] {
        let server = Server::in_turn(vec![answer]);
        let timeout = Duration::from_millis(50);
        let model = model(OpenAiSettings { timeout, ..settings(&server.base_url()) });
        assert_eq!(shown(&ask(&model, stream, &Told::default()).await), text);
        wait_for_hang_up(server).await;
    }
}

#[tokio::test]
async fn dropping_a_call_ends_its_request() {
    let half = Answer::events(chunks(&["Half"]));
    let bytes = half.body_len();
    for (stream, answer) in [(false, Answer::hang()), (true, half.hang_after(bytes))] {
        let server = Server::in_turn(vec![answer]);
        let model = model(settings(&server.base_url()));
        let told = Told::default();
        let mut call = Box::pin(ask(&model, stream, &told));
        while server.requests().is_empty() || (stream && told.events().is_empty()) {
            assert!((&mut call).now_or_never().is_none());
            tokio::task::yield_now().await;
        }
        drop(call);
        wait_for_hang_up(server).await;
    }
}

#[tokio::test]
async fn answers_can_come_in_any_order() {
    let server = Server::start(|request| Answer::reply(request, "Hi").until_in_flight(8));
    let model = model(settings(&server.base_url()));
    let told = Told::default();
    let calls = (0..20).map(|number| ask(&model, number % 2 == 0, &told));
    let replies = futures::future::join_all(calls).await;
    assert!(replies.iter().all(|reply| reply.as_ref().is_ok_and(|reply| reply.reply.text == "Hi")));
    assert!((8..=20).contains(&server.most_in_flight()), "{}", server.most_in_flight());
}

#[tokio::test]
async fn an_answer_waits_for_its_gate() {
    let gate = Gate::default();
    let held = gate.clone();
    let server = Arc::new(Server::start(move |_| Answer::text("Hi").delay(&held)));
    let model = model(settings(&server.base_url()));
    let call = tokio::spawn(async move { ask(&model, false, &Told::default()).await });
    let waiting = Arc::clone(&server);
    tokio::task::spawn_blocking(move || waiting.wait_for_requests(1)).await.unwrap();
    assert!(!call.is_finished());
    gate.open();
    assert_eq!(shown(&call.await.unwrap()), r#""Hi" stop usage 7/3"#);
}

#[tokio::test]
async fn connections_are_used_again_after_streams_too() {
    for stream in [false, true] {
        let server = Server::saying("Hi there");
        let model = model(settings(&server.base_url()));
        let is_used_again = || {
            let mut seen = HashSet::new();
            server.requests().iter().any(|request| !seen.insert(request.connection))
        };
        // The connection goes back to the pool in a task of its own, when the very last bytes have come. How many requests
        // are faster than that is the machine's to say, but not all are.
        for _ in 0..200 {
            ask(&model, stream, &Told::default()).await.unwrap();
            if is_used_again() {
                break;
            }
        }
        assert!(is_used_again(), "streamed: {stream}");
    }
}

#[tokio::test]
async fn a_request_is_exactly_what_was_asked_for() {
    let server = Server::saying("Hi");
    let base_url = format!("{}/?api-version=2026-01", server.base_url());
    let model = model(settings(&base_url));
    let messages = [
        Message::new(Role::System, Origin::System, "Be brief.\n\"Yes\"."),
        Message::new(Role::User, Origin::User(1), "I'm Priya 🙂"),
        Message::new(Role::Assistant, Origin::Reply(1), "Hello!"),
        Message::new(Role::User, Origin::User(2), "What's my name?"),
    ];
    let extra = json!({"top_k": 40, "seed": 9, "model": "other", "stream": "yes", "messages": []});
    let full = Params {
        temperature: Some(0.0),
        top_p: Some(0.5),
        max_tokens: Some(300),
        seed: Some(-1),
        stop: vec!["END".to_owned()],
        presence_penalty: Some(-2.0),
        frequency_penalty: Some(2.0),
        extra: extra.as_object().unwrap().clone(),
    };
    for (params, stream) in [(Params::default(), false), (full, true)] {
        let request = ChatRequest { messages: &messages, params: &params, stream, facts: &[] };
        model.chat(request, &Told::default()).await.unwrap();
    }
    let requests = server.requests();
    let sent = r#"[{"role":"system","content":"Be brief.\n\"Yes\"."},{"role":"user","content":"I'm Priya 🙂"},{"role":"assistant","content":"Hello!"},{"role":"user","content":"What's my name?"}]"#;
    assert_eq!(requests[0].body.to_string(), format!(r#"{{"model":"test-model","messages":{sent}}}"#));
    let params = r#""temperature":0.0,"top_p":0.5,"max_tokens":300,"seed":9,"stop":["END"],"presence_penalty":-2.0,"frequency_penalty":2.0"#;
    assert_eq!(
        requests[1].body.to_string(),
        format!(
            r#"{{"model":"test-model","messages":{sent},{params},"top_k":40,"stream":true,"stream_options":{{"include_usage":true}}}}"#
        )
    );
    assert_eq!(requests[0].last_user(), "What's my name?");
    assert_eq!(requests[0].messages()[2], ("assistant".to_owned(), "Hello!".to_owned()));
    for request in &requests {
        assert_eq!(request.path, "/v1/chat/completions?api-version=2026-01");
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert_eq!(request.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
        assert!(request.header("user-agent").unwrap().starts_with("chat-eval/"));
    }
}

#[tokio::test]
async fn without_a_key_no_authorization_is_sent() {
    let server = Server::saying("Hi");
    for api_key in [None, Some(SecretString::from(""))] {
        let model = model(OpenAiSettings { api_key, ..settings(&server.base_url()) });
        ask(&model, false, &Told::default()).await.unwrap();
    }
    assert_eq!(server.requests().len(), 2);
    assert!(server.requests().iter().all(|request| request.header("authorization").is_none()));
}

#[tokio::test]
async fn the_key_stands_in_no_error_whatever_the_server_echoes() {
    let echo = format!("Incorrect API key provided: {KEY}. ");
    let quoted = json!({"error": {"message": echo, "type": KEY, "code": KEY}});
    // The key begins where the quote of an odd body ends, so that only a part of it would be left.
    let at_the_edge = format!("{}{KEY}{}", "x".repeat(106), "y".repeat(400));
    let answers = vec![
        Answer::status(401, &[("Content-Type", "application/json")], quoted.to_string()),
        Answer::status(500, &[("x-request-id", KEY)], format!("{}{KEY}", "x".repeat(290))),
        Answer::status(422, &[], json!({ "odd": at_the_edge }).to_string()),
        Answer::status(302, &[("Location", &format!("http://evil.example/{KEY}"))], ""),
        Answer::json(&quoted),
        Answer::json(&json!({ "odd": at_the_edge })),
        Answer::body("application/json", &at_the_edge),
        Answer::events([format!("data: {at_the_edge}\n\n")]),
        Answer::events([format!("data: {quoted}\n\n")]),
        Answer::body("text/html", &echo),
    ];
    let (server, count) = (Server::in_turn(answers.clone()), answers.len());
    let model = model(settings(&server.base_url()));
    for number in 0..count {
        let told = Told::default();
        let error = ask(&model, (7..9).contains(&number), &told).await.unwrap_err();
        let said = format!("{error} {error:?} {:?}", told.events());
        assert!(!said.contains("sk-t") && !said.contains("4f9a"), "{number}: {said}");
        assert!(number == 9 || said.contains("***") || said.contains("xxx"), "{number}: {said}");
        assert!(error.to_string().chars().count() <= 400, "{error}");
    }
    assert!(!format!("{model:?} {:?}", settings("http://127.0.0.1")).contains("4f9a"));
}

#[tokio::test]
async fn the_key_stands_in_no_reply_whatever_the_server_echoes_and_however_it_is_cut() {
    let whole = json!({
        "model": KEY, "system_fingerprint": KEY,
        "choices": [{"message": {"content": format!("a {KEY} b"), "reasoning_content": KEY}, "finish_reason": KEY}],
    });
    let text = format!("sk {KEY}{KEY} s");
    let cut = |at: usize| Answer::stream([&text[..at], &text[at..]]);
    let answers = std::iter::once(Answer::json(&whole)).chain((1..text.len()).map(cut)).collect::<Vec<_>>();
    let (server, count) = (Server::in_turn(answers.clone()), answers.len());
    let model = model(settings(&server.base_url()));
    for number in 0..count {
        let told = Told::default();
        let reply = ask(&model, number > 0, &told).await.unwrap();
        let said = format!("{reply:?} {:?}", told.events());
        assert!(!said.contains("sk-t") && !said.contains("4f9a"), "{number}: {said}");
        assert_eq!(reply.reply.text, if number == 0 { "a *** b" } else { "sk ****** s" });
        assert!(number == 0 || told.deltas().concat() == reply.reply.text, "{number}: {said}");
    }
}

#[tokio::test]
async fn a_key_that_is_streamed_in_pieces_is_not_shown_while_it_arrives() {
    let text = format!("Your key is {KEY}, and sk-test- is none. {}", &KEY[..9]);
    let pieces: Vec<String> = text.chars().map(String::from).collect();
    let server = Server::in_turn(vec![Answer::stream(pieces.iter().map(String::as_str))]);
    let told = Told::default();
    let reply = ask(&model(settings(&server.base_url())), true, &told).await.unwrap();
    assert_eq!(told.deltas().concat(), reply.reply.text);
    assert_eq!(reply.reply.text, format!("Your key is ***, and sk-test- is none. {}", &KEY[..9]));
}

#[tokio::test]
async fn a_connection_that_cannot_be_made_says_where_and_why() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Server::in_turn(vec![Answer::text("Hi")]);
    let https = server.base_url().replace("http:", "https:");
    for (base_url, text) in [
        (format!("http://{free}/v1"), format!("cannot connect to http://{free}/v1: connection refused")),
        (https.clone(), format!("cannot connect to {https}: TLS: received corrupt message of type InvalidContentType")),
    ] {
        let error = ask(&model(settings(&base_url)), false, &Told::default()).await.unwrap_err();
        assert_eq!(error, CallError::Unreachable(text));
    }
}

#[test]
fn settings_that_would_show_the_key_are_refused_before_anything_is_sent() {
    let http = http_client().unwrap();
    let refused = |base_url: &str, key: &str| {
        let api_key = Some(SecretString::from(key));
        OpenAi::new(OpenAiSettings { api_key, ..settings(base_url) }, &http).unwrap_err().to_string()
    };
    assert_eq!(
        refused("http://models.example.com/v1", KEY),
        "keys are sent only to https and to loopback addresses, and `http://models.example.com/v1` is neither"
    );
    assert_eq!(refused("https://api.example.com/v1", "sk-x\n"), "key contains characters that no header can carry");
    let error = refused("https://me:hunter2@api.example.com/v1", KEY);
    assert_eq!(error, "the base URL has a user name or password in it; keys come from the environment");
}
