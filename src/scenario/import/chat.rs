//! `openai-chat`: a line a conversation, each with `messages` as OpenAI's chat completions have them. Bodies of requests
//! and rows of fine-tuning are such lines, and so are lines of a batch, where they stand below `body`.

use std::io::BufRead;

use serde_json::{Map, Value as Json};

use super::Importer;
use super::draft::Draft;
use super::json_stream::{Origin, lines};
use super::messages::{Said, Speaker, arrange};

const HELP: &str = "a line has one conversation: {\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}]}; `jq -c .` makes such lines";
/// Sampling parameters of a request that scenarios have too, with the ranges that they allow.
const PARAMS: [(&str, f64, f64); 6] = [
    ("temperature", 0.0, 2.0),
    ("top_p", 0.0, 1.0),
    ("max_tokens", 1.0, 1e9),
    ("seed", -9e15, 9e15),
    ("presence_penalty", -2.0, 2.0),
    ("frequency_penalty", -2.0, 2.0),
];
/// What of a line names it.
const NAMES: [&str; 4] = ["id", "custom_id", "conversation_id", "name"];

/// Reads all lines.
pub fn read(importer: &mut Importer<'_>, input: &mut dyn BufRead) {
    lines(importer, input, HELP, &mut |importer, json, origin| match conversation(importer, json, &origin) {
        Ok(draft) => importer.add(draft),
        Err(reason) => importer.wrong(format!("{origin}: {reason}"), Some(HELP)),
    });
}

fn conversation(importer: &Importer<'_>, json: Json, origin: &Origin) -> Result<Draft, String> {
    let Json::Object(mut fields) = json else { return Err(format!("{} is no conversation", kind(&json))) };
    let mut draft = Draft { origin: origin.clone(), hint: name(&fields, &NAMES), ..Draft::default() };
    let mut below = String::new();
    // A line of a batch.
    if let (None, Some(Json::Object(_))) = (fields.get("messages"), fields.get("body"))
        && let Some(Json::Object(body)) = fields.remove("body")
    {
        leave_out_fields(&mut draft, "", &fields, &NAMES);
        fields = body;
        below.push_str("body.");
    }
    let Some(messages) = fields.remove("messages") else { return Err("it has no `messages`".to_owned()) };
    let Json::Array(messages) = messages else {
        return Err(format!("`messages` must be a list, and this is {}", kind(&messages)));
    };
    for (key, low, high) in PARAMS {
        let is_right = |value: &f64| (low..=high).contains(value);
        if fields.get(key).and_then(Json::as_f64).as_ref().is_some_and(is_right)
            && let Some(value) = fields.remove(key)
        {
            draft.params.push((key.to_owned(), value));
        }
    }
    let known: &[&str] = if below.is_empty() { &NAMES } else { &[] };
    leave_out_fields(&mut draft, &below, &fields, known);
    let mut said = Vec::new();
    for (at, message) in messages.into_iter().enumerate() {
        let path = format!("{below}messages[{at}]");
        said.extend(read_message(&mut draft, message, path)?);
    }
    arrange(said, importer.settings.replies, &mut draft);
    Ok(draft)
}

fn read_message(draft: &mut Draft, message: Json, path: String) -> Result<Option<Said>, String> {
    let Json::Object(mut fields) = message else {
        return Err(format!("`{path}` must be a map, and this is {}", kind(&message)));
    };
    let Some(Json::String(role)) = fields.remove("role") else { return Err(format!("`{path}` has no `role`")) };
    let content = fields.remove("content").unwrap_or(Json::Null);
    let by = match role.as_str() {
        "system" | "developer" => Speaker::System,
        "user" => Speaker::User,
        "assistant" => Speaker::Assistant,
        "tool" | "function" => {
            draft.leave_out(path, format!("a message of the role `{role}`; a scenario calls no tools"));
            return Ok(None);
        }
        _ => {
            return Err(format!(
                "`{path}` has the role `{role}`, and roles are system, developer, user, assistant, tool"
            ));
        }
    };
    for (key, value) in &fields {
        let is_nothing = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        let what = match key.as_str() {
            _ if is_nothing => continue,
            "tool_calls" | "function_call" => "a call of tools; a scenario calls none".to_owned(),
            "refusal" => "a refusal".to_owned(),
            "audio" => "sound".to_owned(),
            _ => format!("the field `{key}`"),
        };
        draft.leave_out(format!("{path}.{key}"), what);
    }
    let text = content_text(draft, content, &path)?;
    Ok(Some(Said { by, text, path }))
}

/// The text of a message; of parts those that are text, one below another.
fn content_text(draft: &mut Draft, content: Json, path: &str) -> Result<String, String> {
    let parts = match content {
        Json::Null => return Ok(String::new()),
        Json::String(text) => return Ok(text),
        Json::Array(parts) => parts,
        other => {
            return Err(format!("`{path}.content` must be a text or a list of parts, and this is {}", kind(&other)));
        }
    };
    let mut texts = Vec::new();
    for (at, part) in parts.into_iter().enumerate() {
        let kind = part.get("type").and_then(Json::as_str).unwrap_or("unknown");
        let text = part.as_str().or_else(|| part.get("text").and_then(Json::as_str));
        match (kind, text) {
            ("text" | "input_text" | "output_text", Some(text)) => texts.push(text.to_owned()),
            (_, Some(text)) if part.is_string() => texts.push(text.to_owned()),
            _ => draft.leave_out(format!("{path}.content[{at}]"), format!("a part of the type `{kind}`")),
        }
    }
    Ok(texts.join("\n"))
}

/// What names a conversation.
pub fn name(fields: &Map<String, Json>, keys: &[&str]) -> String {
    let name = keys.iter().find_map(|key| match fields.get(*key)? {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    });
    name.unwrap_or_default()
}

/// Notes all fields but those that are known.
pub fn leave_out_fields(draft: &mut Draft, below: &str, fields: &Map<String, Json>, known: &[&str]) {
    for (key, value) in fields {
        if !known.contains(&key.as_str()) && !value.is_null() {
            draft.leave_out(format!("{below}{key}"), format!("the field `{key}`"));
        }
    }
}

/// What a value is, in words.
pub fn kind(json: &Json) -> &'static str {
    match json {
        Json::Null => "nothing",
        Json::Bool(_) => "`true` or `false`",
        Json::Number(_) => "a number",
        Json::String(_) => "a text",
        Json::Array(_) => "a list",
        Json::Object(_) => "a map",
    }
}
