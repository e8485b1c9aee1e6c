//! Anthropic, Gemini and Azure OpenAI as their documentation has them: they refuse what the real services refuse, and answer
//! in their own shapes.

use serde_json::{Value, json};

use super::answer::{Answer, completion, event};
use super::server::Request;

/// The key that each of them wants.
pub const KEY: &str = "sk-vendor-4f9a-secret";

/// Role and text of each message.
type Messages = Vec<(String, String)>;

/// Why a request is refused: status, kind, words.
type Refusal = (u16, &'static str, String);

/// Anthropic's Messages API. `says` makes the reply of the messages.
pub fn anthropic(request: &Request, says: impl Fn(&[(String, String)]) -> String) -> Answer {
    let judged = judge_anthropic(request);
    let messages = match judged {
        Ok(messages) => messages,
        Err((status, kind, message)) => return anthropic_error(status, kind, &message),
    };
    let text = says(&messages);
    if !request.wants_stream() {
        return Answer::json(&anthropic_message(&[json!({"type": "text", "text": text})], "end_turn"))
            .header("request-id", "req_whole");
    }
    let pieces: Vec<&str> = text.split_inclusive(' ').collect();
    Answer::events(anthropic_stream(&pieces)).header("request-id", "req_stream")
}

fn judge_anthropic(request: &Request) -> Result<Messages, Refusal> {
    let invalid = |message: &str| Err((400, "invalid_request_error", message.to_owned()));
    if request.path != "/v1/messages" {
        return Err((404, "not_found_error", "Not Found".to_owned()));
    }
    if request.header("x-api-key") != Some(KEY) || request.header("authorization").is_some() {
        return Err((401, "authentication_error", "invalid x-api-key".to_owned()));
    }
    if request.header("anthropic-version") != Some("2023-06-01") {
        return invalid("anthropic-version: header is required");
    }
    let known = [
        "model",
        "max_tokens",
        "system",
        "messages",
        "temperature",
        "top_p",
        "top_k",
        "stop_sequences",
        "stream",
        "metadata",
        "thinking",
    ];
    let fields = request.body.as_object().expect("an object");
    if let Some(name) = fields.keys().find(|name| !known.contains(&name.as_str())) {
        return invalid(&format!("{name}: Extra inputs are not permitted"));
    }
    if !request.body["max_tokens"].is_u64() {
        return invalid("max_tokens: Field required");
    }
    if request.body["temperature"].as_f64().is_some_and(|temperature| temperature > 1.0) {
        return invalid("temperature: range: 0..1");
    }
    let has = |name: &str| !request.body[name].is_null();
    if has("temperature") && has("top_p") {
        return invalid("`temperature` and `top_p` cannot both be specified for this model. Please use only one.");
    }
    let is_thinking = request.body["thinking"]["type"].as_str().is_some_and(|kind| kind != "disabled");
    if is_thinking && has("temperature") && request.body["temperature"].as_f64() != Some(1.0) {
        return invalid("`temperature` may only be set to 1 when thinking is enabled.");
    }
    if is_thinking && has("top_k") {
        return invalid("`top_k` must be unset when thinking is enabled.");
    }
    let messages = request.messages();
    alternates(&messages, "assistant").map_err(|message| (400, "invalid_request_error", message))?;
    Ok(messages)
}

/// A whole message.
pub fn anthropic_message(content: &[Value], stop_reason: &str) -> Value {
    json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-test-2026", "content": content,
        "stop_reason": stop_reason, "stop_sequence": null,
        "usage": {"input_tokens": 7, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 2, "output_tokens": 3},
    })
}

/// The events of a streamed message with these pieces of text.
pub fn anthropic_stream(pieces: &[&str]) -> Vec<String> {
    let named = |event: Value| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().expect("a type"));
    let usage =
        json!({"input_tokens": 7, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 2, "output_tokens": 1});
    let start = json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant",
        "model": "claude-test-2026", "content": [], "stop_reason": null, "stop_sequence": null, "usage": usage}});
    let mut events = vec![
        named(start),
        named(json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})),
        named(json!({"type": "ping"})),
    ];
    events.extend(pieces.iter().map(|piece| {
        named(json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}))
    }));
    events.push(named(json!({"type": "content_block_stop", "index": 0})));
    events.push(named(json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null}, "usage": {"output_tokens": 3}})));
    events.push(named(json!({"type": "message_stop"})));
    events
}

/// An error of Anthropic's.
pub fn anthropic_error(status: u16, kind: &str, message: &str) -> Answer {
    let body = json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"});
    Answer::status(status, &[("Content-Type", "application/json"), ("request-id", "req_1")], body.to_string())
}

/// Google's Gemini API.
pub fn gemini(request: &Request, says: impl Fn(&[(String, String)]) -> String) -> Answer {
    let (is_stream, messages) = match judge_gemini(request) {
        Ok(judged) => judged,
        Err((code, status, message)) => return gemini_error(code, status, &message, &json!([])),
    };
    let text = says(&messages);
    if !is_stream {
        return Answer::json(&gemini_answer(&text, Some("STOP")));
    }
    let mut events: Vec<String> = text.split_inclusive(' ').map(|piece| event(&gemini_answer(piece, None))).collect();
    events.push(event(&gemini_answer("", Some("STOP"))));
    Answer::events(events)
}

fn judge_gemini(request: &Request) -> Result<(bool, Messages), Refusal> {
    let invalid = |message: &str| Err((400, "INVALID_ARGUMENT", message.to_owned()));
    let is_stream = match request.path.as_str() {
        "/v1beta/models/gemini-test:generateContent" => false,
        "/v1beta/models/gemini-test:streamGenerateContent?alt=sse" => true,
        path => {
            assert!(!path.contains(KEY), "the key is in no URL");
            let message =
                format!("models/{path} is not found for API version v1beta, or is not supported for generateContent.");
            return Err((404, "NOT_FOUND", message));
        }
    };
    if request.header("x-goog-api-key") != Some(KEY) || request.header("authorization").is_some() {
        return Err((403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers".to_owned()));
    }
    let known = |body: &Value, known: &[&str]| {
        let unknown =
            body.as_object().and_then(|fields| fields.keys().find(|name| !known.contains(&name.as_str())).cloned());
        unknown.map(|name| (400, "INVALID_ARGUMENT", format!("Unknown name \"{name}\": Cannot find field.")))
    };
    let config = [
        "temperature",
        "topP",
        "topK",
        "maxOutputTokens",
        "seed",
        "stopSequences",
        "presencePenalty",
        "frequencyPenalty",
        "thinkingConfig",
        "candidateCount",
    ];
    let wrong = known(&request.body, &["systemInstruction", "contents", "generationConfig", "safetySettings"])
        .or_else(|| known(&request.body["generationConfig"], &config));
    if let Some(wrong) = wrong {
        return Err(wrong);
    }
    let mut messages = Vec::new();
    if let Some(system) = request.body["systemInstruction"]["parts"][0]["text"].as_str() {
        messages.push(("system".to_owned(), system.to_owned()));
    }
    let contents = request.body["contents"].as_array().cloned().unwrap_or_default();
    let said: Vec<(String, String)> = contents
        .iter()
        .map(|content| {
            let text = content["parts"][0]["text"].as_str().unwrap_or_default();
            (content["role"].as_str().unwrap_or_default().to_owned(), text.to_owned())
        })
        .collect();
    if let Err(message) = alternates(&said, "model") {
        return invalid(&message);
    }
    messages.extend(said);
    Ok((is_stream, messages))
}

/// An answer, or a piece of one.
pub fn gemini_answer(text: &str, finish_reason: Option<&str>) -> Value {
    json!({
        "candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": text}]}, "finishReason": finish_reason}],
        "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 3, "totalTokenCount": 12},
        "modelVersion": "gemini-test-2026", "responseId": "r1",
    })
}

/// An error of Google's.
pub fn gemini_error(code: u16, status: &str, message: &str, details: &Value) -> Answer {
    let body = json!({"error": {"code": code, "message": message, "status": status, "details": details}});
    Answer::status(code, &[("Content-Type", "application/json; charset=UTF-8")], body.to_string())
}

/// Azure OpenAI, by deployments and below `/openai/v1`.
pub fn azure(request: &Request, says: impl Fn(&[(String, String)]) -> String) -> Answer {
    let (by_deployment, below_v1) =
        ("/openai/deployments/my-gpt/chat/completions?api-version=2024-10-21", "/openai/v1/chat/completions");
    if request.header("api-key") != Some(KEY) || request.header("authorization").is_some() {
        let body = json!({"error": {"code": "401", "message": "Access denied due to invalid subscription key or wrong API endpoint."}});
        return Answer::status(401, &[("Content-Type", "application/json")], body.to_string());
    }
    if ![by_deployment, below_v1].contains(&request.path.as_str()) || request.body["model"] != "my-gpt" {
        let body = json!({"error": {"code": "DeploymentNotFound", "message": "The API deployment for this resource does not exist."}});
        return Answer::status(404, &[("Content-Type", "application/json")], body.to_string());
    }
    let text = says(&request.messages());
    if request.wants_stream() {
        // Azure begins with what its filters say of the prompt, without a choice.
        let mut events = vec![event(
            &json!({"choices": [], "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}]}),
        )];
        let whole = Answer::stream(text.split_inclusive(' '));
        events.extend(whole.pieces());
        return Answer::events(events);
    }
    let mut answer = completion(&text);
    answer["choices"][0]["content_filter_results"] = json!({"hate": {"filtered": false, "severity": "safe"}});
    Answer::json(&answer)
}

fn alternates(messages: &[(String, String)], reply: &str) -> Result<(), String> {
    for (at, (role, content)) in messages.iter().enumerate() {
        let expected = if at % 2 == 0 { "user" } else { reply };
        if role != expected {
            return Err(format!("messages.{at}: roles must alternate between \"user\" and \"{reply}\""));
        }
        if content.trim().is_empty() {
            return Err(format!("messages.{at}: text content blocks must be non-empty"));
        }
    }
    if messages.len().is_multiple_of(2) { Err("messages: must end with a user message".to_owned()) } else { Ok(()) }
}
