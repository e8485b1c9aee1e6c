//! Anthropic's Messages API (`POST /v1/messages`, version 2023-06-01): how a request is written, and an answer or an event of a
//! stream read.
//!
//! Kinds of blocks and events that are not known are passed over, as the API asks of its clients. A stream is whole with its
//! `message_stop` alone.

use serde_json::{Map, Value, json};

use super::super::attempt::text;
use super::unsupported::Unsupported;
use super::{Format, Said, count};
use crate::model::{Params, Role, Usage};
use crate::provider::ChatRequest;

/// The longest reply where neither the scenario nor the config says one: the API wants a number, and this one every model takes.
pub const DEFAULT_MAX_TOKENS: u32 = 4096;

/// What the request says itself, or says in other words.
const OWN: [&str; 6] = ["system", "stop_sequences", "max_completion_tokens", "messages", "model", "stream"];

/// Reads one answer.
#[derive(Debug, Default)]
pub struct Messages {
    /// The counts as they came, the later ones over the earlier ones.
    usage: Map<String, Value>,
    model: Option<String>,
    /// Whether a block of thinking came before.
    has_thought: bool,
}

impl Format for Messages {
    const NAME: &'static str = "anthropic";
    const KEY: &'static str = "x-api-key";
    const HEADERS: &'static [(&'static str, &'static str)] = &[("anthropic-version", "2023-06-01")];
    const NO_REPLY: &'static str = "the answer has no content";
    const NO_END: &'static str = "the stream ended without `message_stop`";

    fn path(base: &str, _model: &str, _is_stream: bool) -> (String, &'static str) {
        // Both spellings of the base URL are in use.
        let path = if base.ends_with("/v1") { "/messages" } else { "/v1/messages" };
        (path.to_owned(), "")
    }

    fn body(model: &str, request: &ChatRequest<'_>) -> Value {
        let params = request.params;
        let mut body = Map::new();
        body.insert("model".to_owned(), model.into());
        body.insert("max_tokens".to_owned(), params.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS).into());
        let of = |role| request.messages.iter().filter(move |message| (message.role == Role::System) == role);
        if let Some(system) = of(true).next() {
            body.insert("system".to_owned(), (*system.content).into());
        }
        let messages = of(false).map(|message| json!({"role": message.role.as_str(), "content": *message.content}));
        body.insert("messages".to_owned(), messages.collect());
        let stop = (!params.stop.is_empty()).then(|| params.stop.clone().into());
        let own = [
            ("temperature", params.temperature.map(Value::from)),
            ("top_p", params.top_p.map(Value::from)),
            ("stop_sequences", stop),
            ("stream", request.stream.then_some(Value::Bool(true))),
        ];
        body.extend(own.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        let extra = params.extra.iter().filter(|(name, _)| !OWN.contains(&name.as_str()));
        body.extend(extra.map(|(name, value)| (name.clone(), value.clone())));
        body.into()
    }

    fn whole(&mut self, answer: &Value) -> Option<Said> {
        let blocks = answer["content"].as_array()?;
        let finish_reason = finish_reason(&answer["stop_reason"]);
        if blocks.is_empty() && finish_reason.is_none() {
            return None;
        }
        self.note(answer);
        let mut said = Said { finish_reason, is_end: true, ..Said::default() };
        for block in blocks {
            self.begin(&mut said, block);
        }
        Some(said)
    }

    fn event(&mut self, event: &Value) -> Said {
        let mut said = Said::default();
        match event["type"].as_str().unwrap_or_default() {
            "message_start" => self.note(&event["message"]),
            "content_block_start" => self.begin(&mut said, &event["content_block"]),
            "content_block_delta" => match event["delta"]["type"].as_str().unwrap_or_default() {
                "text_delta" => said.text = text(&event["delta"]["text"]).unwrap_or_default(),
                "thinking_delta" => said.thinking = text(&event["delta"]["thinking"]).unwrap_or_default(),
                // Signatures, citations, the input of tools: no part of what is said.
                _ => {}
            },
            "message_delta" => {
                self.note(event);
                said.finish_reason = finish_reason(&event["delta"]["stop_reason"]);
            }
            "message_stop" => said.is_end = true,
            _ => {}
        }
        said
    }

    /// Tokens that were read from a cache, or written into one, are tokens of the request too.
    fn usage(&self) -> Option<Usage> {
        let usage = Value::Object(self.usage.clone());
        let cached = ["cache_creation_input_tokens", "cache_read_input_tokens"];
        let cached: u64 = cached.iter().filter_map(|name| count(&usage, name)).sum();
        Some(Usage {
            sent: count(&usage, "input_tokens")? + cached,
            reply: count(&usage, "output_tokens")?,
            estimated: false,
        })
    }

    fn model(&mut self) -> Option<String> {
        self.model.take()
    }
}

impl Messages {
    /// Takes what is said about a message beside its content.
    fn note(&mut self, message: &Value) {
        if let Value::Object(usage) = &message["usage"] {
            let known = usage.iter().filter(|(_, value)| value.is_u64());
            self.usage.extend(known.map(|(name, value)| (name.clone(), value.clone())));
        }
        self.model = text(&message["model"]).or(self.model.take());
    }

    /// Takes a block, whole or as it begins.
    fn begin(&mut self, said: &mut Said, block: &Value) {
        match block["type"].as_str().unwrap_or_default() {
            "text" => said.text.push_str(block["text"].as_str().unwrap_or_default()),
            "thinking" => {
                if std::mem::replace(&mut self.has_thought, true) {
                    said.thinking.push('\n');
                }
                said.thinking.push_str(block["thinking"].as_str().unwrap_or_default());
            }
            // Thinking that is not shown, tools, and whatever comes to be.
            _ => {}
        }
    }
}

/// Why a message ends, in the words that checks know.
fn finish_reason(reason: &Value) -> Option<String> {
    let reason = text(reason)?;
    Some(match reason.as_str() {
        "end_turn" | "stop_sequence" => "stop".to_owned(),
        "max_tokens" | "model_context_window_exceeded" => "length".to_owned(),
        "refusal" => "content_filter".to_owned(),
        "tool_use" => "tool_calls".to_owned(),
        _ => reason,
    })
}

/// What of these parameters the API does not take.
#[must_use]
pub fn unsupported(params: &Params) -> Vec<Unsupported> {
    let mut found = Vec::new();
    if let Some(temperature) = params.temperature.filter(|temperature| *temperature > 1.0) {
        let why = format!("is from 0 to 1 there, and this is {temperature}");
        found.push(Unsupported::new("temperature", why, "1 is the most that it takes"));
    }
    if params.temperature.is_some() && params.top_p.is_some() {
        let why = "cannot stand beside `temperature` there: current models refuse a request with both";
        found.push(Unsupported::new("top_p", why, "keep the one that matters"));
    }
    if is_thinking(params) {
        found.extend(bound_by_thinking(params));
    }
    let unknown = [
        ("seed", params.seed.is_some()),
        ("presence_penalty", params.presence_penalty.is_some()),
        ("frequency_penalty", params.frequency_penalty.is_some()),
    ];
    let help = "leave it out, or play the scenario on other models";
    found.extend(unknown.into_iter().filter(|(_, is_set)| *is_set).map(|(param, _)| Unsupported::unknown(param, help)));
    for param in OWN.iter().filter(|param| params.extra.contains_key(**param)) {
        let help = match *param {
            "system" => "the system prompt is the persona's",
            "stop_sequences" => "`params: {stop: […]}` says it",
            "max_completion_tokens" => "`params: {max_tokens: …}` says it",
            _ => "the tool sets it itself",
        };
        found.push(Unsupported::new(&format!("extra.{param}"), "cannot stand there", help));
    }
    found
}

/// Whether the model is asked to think before it answers. A type that is not known may be a new way to do so.
fn is_thinking(params: &Params) -> bool {
    params.extra.get("thinking").and_then(|thinking| thinking["type"].as_str()).is_some_and(|kind| kind != "disabled")
}

/// What a model that thinks does not take.
fn bound_by_thinking(params: &Params) -> Vec<Unsupported> {
    let mut found = Vec::new();
    let help = "leave it out, or `extra: {thinking: …}`";
    // More than 1 is refused anyhow.
    if let Some(temperature) = params.temperature.filter(|temperature| *temperature < 1.0) {
        let why = format!("must be 1 where `extra.thinking` is enabled, and this is {temperature}");
        found.push(Unsupported::new("temperature", why, help));
    }
    if let Some(top_p) = params.top_p.filter(|top_p| *top_p < 0.95) {
        let why = format!("must be from 0.95 to 1 where `extra.thinking` is enabled, and this is {top_p}");
        found.push(Unsupported::new("top_p", why, help));
    }
    if params.extra.contains_key("top_k") {
        found.push(Unsupported::new("extra.top_k", "cannot stand beside `extra.thinking`", help));
    }
    found
}

#[cfg(test)]
#[path = "anthropic_tests.rs"]
mod tests;
