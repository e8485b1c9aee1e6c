//! `sharegpt`: a list of `{conversations: [{from, value}]}`, or one of them a line.

use std::io::BufRead;

use serde_json::Value as Json;

use super::Importer;
use super::chat::{kind, leave_out_fields, name};
use super::draft::Draft;
use super::json_stream::items;
use super::messages::{Said, Speaker, arrange};

const HELP: &str = "the file is a list of {\"conversations\": [{\"from\": \"human\", \"value\": \"Hi\"}]}";
const NAMES: [&str; 2] = ["id", "name"];

/// Reads all conversations.
pub fn read(importer: &mut Importer<'_>, input: &mut dyn BufRead) {
    items(importer, input, HELP, &mut |importer, json, origin| match conversation(importer, json, &origin) {
        Ok(draft) => importer.add(draft),
        Err(reason) => importer.wrong(format!("{origin}: {reason}"), Some(HELP)),
    });
}

fn conversation(importer: &Importer<'_>, json: Json, origin: &str) -> Result<Draft, String> {
    let Json::Object(mut fields) = json else { return Err(format!("{} is no conversation", kind(&json))) };
    let Some(messages) = fields.remove("conversations").or_else(|| fields.remove("conversation")) else {
        return Err("it has no `conversations`".to_owned());
    };
    let Json::Array(messages) = messages else {
        return Err(format!("`conversations` must be a list, and this is {}", kind(&messages)));
    };
    let mut draft = Draft { origin: origin.to_owned(), hint: name(&fields, &NAMES), ..Draft::default() };
    let mut said = Vec::new();
    if let Some(Json::String(text)) = fields.remove("system") {
        said.push(Said { by: Speaker::System, text, path: "system".to_owned() });
    }
    leave_out_fields(&mut draft, "", &fields, &NAMES);
    for (at, message) in messages.into_iter().enumerate() {
        said.extend(read_message(&mut draft, message, format!("conversations[{at}]"))?);
    }
    arrange(said, importer.settings.replies, &mut draft);
    Ok(draft)
}

fn read_message(draft: &mut Draft, message: Json, path: String) -> Result<Option<Said>, String> {
    let Json::Object(mut fields) = message else {
        return Err(format!("`{path}` must be a map, and this is {}", kind(&message)));
    };
    let mut text = |key: &str| match fields.remove(key) {
        Some(Json::String(text)) => Some(text),
        _ => None,
    };
    let Some(from) = text("from").or_else(|| text("role")) else { return Err(format!("`{path}` has no `from`")) };
    let Some(text) = text("value").or_else(|| text("content")) else {
        return Err(format!("`{path}` has no text in `value`"));
    };
    leave_out_fields(draft, &format!("{path}."), &fields, &[]);
    let by = match from.to_lowercase().as_str() {
        "system" => Speaker::System,
        "human" | "user" => Speaker::User,
        "gpt" | "assistant" | "chatgpt" | "bot" | "model" | "bard" | "bing" => Speaker::Assistant,
        "tool" | "function" | "function_call" | "function_response" | "observation" => {
            draft.leave_out(path, format!("a message from `{from}`; a scenario calls no tools"));
            return Ok(None);
        }
        _ => return Err(format!("`{path}` is from `{from}`, and messages are from system, human, gpt or tool")),
    };
    Ok(Some(Said { by, text, path }))
}
