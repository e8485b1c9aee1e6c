//! The wire format of chat completions: what is asked, and whatever comes back read leniently.
//!
//! Compatible servers leave fields out, add their own and change types. So a reply is read as a plain JSON value and only
//! what is understood is taken from it: nothing that is missing or odd is an error here. Whether what was taken makes a
//! reply is decided by the callers.

use serde::de::Error;
use serde::ser::{self, SerializeMap, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::super::attempt::{ErrorObject, count, text};
use super::usual;

use crate::model::{Message, Usage};
use crate::provider::ChatRequest;

/// The body of a request, written straight from the messages: a copy of a long history would cost as much as to send it.
pub(super) struct RequestBody<'a> {
    model: &'a str,
    messages: &'a [Message],
    /// All but the model and the messages.
    options: Map<String, Value>,
}

impl<'a> RequestBody<'a> {
    /// Of the parameters, what the run records; and whether the reply is streamed.
    pub(super) fn new(model: &'a str, request: &ChatRequest<'a>) -> Self {
        let mut options = request.params.effective();
        if request.stream {
            options.insert("stream".to_owned(), true.into());
            // A server that knows none is told so under `extra`.
            options.entry("stream_options").or_insert_with(|| json!({"include_usage": true}));
        }
        Self { model, messages: request.messages, options }
    }
}

impl Serialize for RequestBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut body = serializer.serialize_map(None)?;
        body.serialize_entry("model", self.model)?;
        body.serialize_entry("messages", &WireMessages(self.messages))?;
        for (name, value) in &self.options {
            body.serialize_entry(name, value)?;
        }
        body.end()
    }
}

struct WireMessages<'a>(&'a [Message]);

impl Serialize for WireMessages<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut messages = serializer.serialize_seq(Some(self.0.len()))?;
        for message in self.0 {
            messages.serialize_element(&*message.wire().map_err(ser::Error::custom)?)?;
        }
        messages.end()
    }
}

/// A whole completion, or one chunk of a streamed one.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    /// The error that came in place of a reply, or instead of its rest.
    pub(super) error: Option<ErrorObject>,
    /// The first choice.
    pub(super) choice: Option<Choice>,
    /// Token counts, where both are there.
    pub(super) usage: Option<Usage>,
    /// The model that the server says it is.
    pub(super) model: Option<String>,
    /// The server's fingerprint.
    pub(super) fingerprint: Option<String>,
    /// All that came, to be shown where there is no choice in it.
    pub(super) whole: Value,
}

impl<'de> Deserialize<'de> for Answer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        match usual::read(text.get()) {
            Some(answer) => Ok(answer),
            None => serde_json::from_str::<Value>(text.get()).map(Self::from).map_err(D::Error::custom),
        }
    }
}

impl From<Value> for Answer {
    fn from(whole: Value) -> Self {
        let choice = whole["choices"].as_array().and_then(|choices| choices.iter().find(|choice| is_first(choice)));
        let error = [Some(&whole), choice].into_iter().flatten().find_map(ErrorObject::in_answer);
        Self {
            error,
            choice: choice.and_then(Choice::read),
            usage: usage(&whole["usage"]),
            model: text(&whole["model"]),
            fingerprint: text(&whole["system_fingerprint"]),
            whole,
        }
    }
}

/// What one choice, or one piece of it, says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Choice {
    /// The text; a refusal where there is no text.
    pub(super) text: String,
    /// What a reasoning model thought.
    pub(super) thinking: String,
    /// Why it ended, in the provider's word.
    pub(super) finish_reason: Option<String>,
}

impl Choice {
    /// `None` where the choice has neither a message nor a piece of one nor an end.
    fn read(choice: &Value) -> Option<Self> {
        let message = ["message", "delta"].iter().map(|name| &choice[name]).find(|message| message.is_object());
        let finish_reason = text(&choice["finish_reason"]);
        let Some(message) = message else {
            return finish_reason.map(|reason| Self { finish_reason: Some(reason), ..Self::default() });
        };
        let mut spoken = Self { finish_reason, ..Self::default() };
        spoken.thinking =
            text(&message["reasoning_content"]).or_else(|| text(&message["reasoning"])).unwrap_or_default();
        spoken.take_content(&message["content"]);
        if spoken.text.is_empty() {
            spoken.text = text(&message["refusal"]).unwrap_or_default();
        }
        Some(spoken)
    }

    /// Content is a text, a list of parts, or null.
    fn take_content(&mut self, content: &Value) {
        match content {
            Value::String(text) => self.text.push_str(text),
            Value::Array(parts) => parts.iter().for_each(|part| self.take_part(part)),
            _ => {}
        }
    }

    fn take_part(&mut self, part: &Value) {
        if let Some(thought) = part.get("thinking") {
            let mut inner = Self::default();
            inner.take_content(thought);
            self.thinking.push_str(&inner.text);
        } else {
            let said = part.as_str().or_else(|| part["text"].as_str()).or_else(|| part["refusal"].as_str());
            self.text.push_str(said.unwrap_or_default());
        }
    }
}

/// Where several choices were asked for, the first is the reply.
fn is_first(choice: &Value) -> bool {
    choice["index"].as_u64().unwrap_or_default() == 0
}

/// Half a usage is none: a missing number must not become a zero in a sum.
fn usage(usage: &Value) -> Option<Usage> {
    let count = |name: &str| count(usage[name].as_u64());
    Some(Usage { sent: count("prompt_tokens")?, reply: count("completion_tokens")?, estimated: false })
}
