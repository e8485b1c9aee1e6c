//! Google's Gemini API (`models/MODEL:generateContent` and `:streamGenerateContent`): how a request is written, and an answer,
//! which is also what each event of a stream is, read.
//!
//! A prompt that the service blocks comes back without a candidate: that is a reply with nothing in it and the finish reason
//! `content_filter`, as a filtered reply is. A stream is whole with a finish reason.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::super::attempt::text;
use super::unsupported::Unsupported;
use super::{Format, Said, count};
use crate::model::{Params, Role, Usage};
use crate::provider::ChatRequest;

/// What stays as it is in the name of a model; a slash parts its folder from it.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'/');

/// The most texts that may end a reply.
const MOST_STOPS: usize = 5;

/// What stands in the request by itself.
const OWN: [&str; 3] = ["systemInstruction", "system_instruction", "contents"];

/// What the parameters are called there.
const CONFIG: &str = "generationConfig";

/// Other spellings of what `params` says in it. The service reads names in either of two spellings.
const SAID: [(&[&str], &str); 8] = [
    (&["temperature"], "temperature"),
    (&["topP", "top_p"], "top_p"),
    (&["maxOutputTokens", "max_output_tokens"], "max_tokens"),
    (&["seed"], "seed"),
    (&["stopSequences", "stop_sequences"], "stop"),
    (&["presencePenalty", "presence_penalty"], "presence_penalty"),
    (&["frequencyPenalty", "frequency_penalty"], "frequency_penalty"),
    (&["topK", "top_k"], "extra.top_k"),
];

/// How many replies it is asked for, in both spellings: one is read, and all of them are paid.
const COUNT: [&str; 2] = ["candidateCount", "candidate_count"];

/// Reads one answer.
#[derive(Debug, Default)]
pub struct Content {
    usage: Value,
    model: Option<String>,
}

impl Format for Content {
    const NAME: &'static str = "gemini";
    const KEY: &'static str = "x-goog-api-key";
    const HEADERS: &'static [(&'static str, &'static str)] = &[];
    const NO_REPLY: &'static str = "the answer has no candidates";
    const NO_END: &'static str = "the stream ended without a finish reason";

    fn path(_base: &str, model: &str, is_stream: bool) -> (String, &'static str) {
        let folder = if model.contains('/') { "" } else { "models/" };
        let model = utf8_percent_encode(model, IN_PATH);
        if is_stream {
            (format!("/{folder}{model}:streamGenerateContent"), "alt=sse")
        } else {
            (format!("/{folder}{model}:generateContent"), "")
        }
    }

    fn body(_model: &str, request: &ChatRequest<'_>) -> Value {
        let params = request.params;
        let parts = |text: &str| json!([{"text": text}]);
        let mut body = Map::new();
        let of = |role| request.messages.iter().filter(move |message| (message.role == Role::System) == role);
        if let Some(system) = of(true).next() {
            body.insert("systemInstruction".to_owned(), json!({"parts": parts(&system.content)}));
        }
        let contents = of(false).map(|message| {
            let role = if message.role == Role::Assistant { "model" } else { "user" };
            json!({"role": role, "parts": parts(&message.content)})
        });
        body.insert("contents".to_owned(), contents.collect());
        let config = config(params);
        if !config.is_empty() {
            body.insert(CONFIG.to_owned(), config.into());
        }
        let is_free = |name: &str| !OWN.contains(&name) && name != CONFIG && name != "top_k";
        let extra = params.extra.iter().filter(|(name, _)| is_free(name));
        body.extend(extra.map(|(name, value)| (name.clone(), value.clone())));
        body.into()
    }

    fn whole(&mut self, answer: &Value) -> Option<Said> {
        let said = self.event(answer);
        let candidate = &answer["candidates"][0];
        (said.is_end || candidate["content"].is_object()).then_some(said)
    }

    fn event(&mut self, event: &Value) -> Said {
        // Counts may come with every event; those of the last one are those of the whole.
        if event["usageMetadata"].is_object() {
            self.usage = event["usageMetadata"].clone();
        }
        self.model = self.model.take().or_else(|| text(&event["modelVersion"]));
        let candidates = event["candidates"].as_array().map_or(&[][..], Vec::as_slice);
        let first = candidates.iter().find(|candidate| candidate["index"].as_u64().unwrap_or_default() == 0);
        let Some(candidate) = first else {
            let is_blocked = text(&event["promptFeedback"]["blockReason"]).is_some();
            let finish_reason = is_blocked.then(|| "content_filter".to_owned());
            return Said { finish_reason, is_end: is_blocked, ..Said::default() };
        };
        let mut said = Said { finish_reason: finish_reason(&candidate["finishReason"]), ..Said::default() };
        said.is_end = said.finish_reason.is_some();
        for part in candidate["content"]["parts"].as_array().into_iter().flatten() {
            // Calls of functions, pictures and whatever comes to be have no text.
            let words = part["text"].as_str().unwrap_or_default();
            if part["thought"] == true { said.thinking.push_str(words) } else { said.text.push_str(words) }
        }
        said
    }

    /// What is thought belongs to the reply, as it is paid like that. The service leaves out what is 0.
    fn usage(&self) -> Option<Usage> {
        let count = |name: &str| count(&self.usage, name);
        let sent = count("promptTokenCount")? + count("toolUsePromptTokenCount").unwrap_or_default();
        let said = count("candidatesTokenCount");
        let thought = count("thoughtsTokenCount");
        let reply = match (said, thought) {
            (None, None) => count("totalTokenCount")?.checked_sub(sent)?,
            (said, thought) => said.unwrap_or_default() + thought.unwrap_or_default(),
        };
        Some(Usage { sent, reply, estimated: false })
    }

    fn model(&mut self) -> Option<String> {
        self.model.take()
    }
}

/// The parameters as the service calls them, with what the scenario adds to them.
fn config(params: &Params) -> Map<String, Value> {
    let stop = (!params.stop.is_empty()).then(|| params.stop.clone().into());
    let own = [
        ("temperature", params.temperature.map(Value::from)),
        ("topP", params.top_p.map(Value::from)),
        ("topK", params.extra.get("top_k").cloned()),
        ("maxOutputTokens", params.max_tokens.map(Value::from)),
        ("seed", params.seed.map(Value::from)),
        ("stopSequences", stop),
        ("presencePenalty", params.presence_penalty.map(Value::from)),
        ("frequencyPenalty", params.frequency_penalty.map(Value::from)),
    ];
    let mut config: Map<String, Value> =
        own.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    if let Some(Value::Object(extra)) = params.extra.get(CONFIG) {
        config.extend(extra.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
    config
}

/// Why a candidate ends, in the words that checks know; other constants in lower case.
fn finish_reason(reason: &Value) -> Option<String> {
    let reason = text(reason)?;
    Some(match reason.as_str() {
        "FINISH_REASON_UNSPECIFIED" => return None,
        "STOP" => "stop".to_owned(),
        "MAX_TOKENS" => "length".to_owned(),
        "SAFETY"
        | "RECITATION"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "LANGUAGE"
        | "MODEL_ARMOR"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION" => "content_filter".to_owned(),
        // A key that it quotes keeps its spelling, by which it is found.
        word if word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_') => word.to_lowercase(),
        _ => reason,
    })
}

/// What of these parameters the API does not take.
#[must_use]
pub fn unsupported(params: &Params) -> Vec<Unsupported> {
    let mut found = Vec::new();
    if let Some(seed) = params.seed.filter(|seed| i32::try_from(*seed).is_err()) {
        let why = format!("has at most 32 bits there, and this is {seed}");
        found.push(Unsupported::new("seed", why, "take a smaller one"));
    }
    if params.stop.len() > MOST_STOPS {
        let why = format!("has at most {MOST_STOPS} texts there, and this has {}", params.stop.len());
        found.push(Unsupported::new("stop", why, "keep those that matter"));
    }
    for param in OWN.iter().filter(|param| params.extra.contains_key(**param)) {
        found.push(Unsupported::new(&format!("extra.{param}"), "cannot stand there", "the tool sets it itself"));
    }
    if params.extra.contains_key("max_completion_tokens") {
        let help = "`params: {max_tokens: …}` says it";
        found.push(Unsupported::unknown("extra.max_completion_tokens", help));
    }
    match params.extra.get(CONFIG) {
        Some(Value::Object(config)) => {
            for (spellings, param) in SAID {
                found.extend(spellings.iter().filter(|name| config.contains_key(**name)).map(|name| {
                    let help = format!("`params.{param}` says it, for every model");
                    Unsupported::new(&format!("extra.{CONFIG}.{name}"), "cannot stand there", help)
                }));
            }
            found.extend(COUNT.iter().filter(|name| config.contains_key(**name)).map(|name| {
                let why = "cannot stand there: one reply is read, and each would be paid";
                Unsupported::new(&format!("extra.{CONFIG}.{name}"), why, "`trials` asks more than once")
            }));
        }
        Some(_) => {
            let help = "`generationConfig: {topK: …}`";
            found.push(Unsupported::new(&format!("extra.{CONFIG}"), "must be a map", help));
        }
        None => {}
    }
    if params.extra.contains_key("generation_config") {
        let help = "it is spelled `generationConfig`";
        found.push(Unsupported::unknown("extra.generation_config", help));
    }
    found
}

#[cfg(test)]
#[path = "gemini_tests.rs"]
mod tests;
