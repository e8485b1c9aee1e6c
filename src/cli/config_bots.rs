//! What the config says of bots that keep their history themselves: `provider: http` and `provider: command`.

use super::config::{CommandConfig, ProviderConfig};
use crate::diagnostic::Code;
use crate::model::JsonPath;
use crate::provider::http_bot::{
    HttpBotConfig, Mark, Pieces, Place, ReplyAt, SessionAt, SessionPlace, StreamAt, Template, TemplateError, Tree,
    UsageAt,
};
use crate::scenario::decode::{Fields, Findings, list_words};
use crate::scenario::yaml::{Node, Value};

const HTTP_KEYS: &[&str] = &[
    "provider",
    "url",
    "method",
    "headers",
    "body",
    "reply",
    "session",
    "stream",
    "finish_reason",
    "usage",
    "price",
    "tokenizer",
];
const COMMAND_KEYS: &[&str] = &["provider", "command", "env", "price", "tokenizer"];

/// Headers that carry keys. One that is written out would be in a file that is committed.
const KEYS: [&str; 7] =
    ["authorization", "proxy-authorization", "api-key", "x-api-key", "x-auth-token", "x-access-token", "cookie"];

/// What the names of other headers and of parameters end in that carry keys: `X-Session-Token`, `apikey`, but not `max_tokens`.
const KEY_WORDS: [&str; 6] = ["key", "token", "secret", "cookie", "password", "passwd"];
/// What such names end with that say something about a key, and are none: `X-Auth-Scheme`, `token_type`.
const ABOUT_KEYS: [&str; 9] = ["type", "mode", "kind", "scheme", "provider", "version", "limit", "count", "name"];

/// Whether a header or a parameter of this name carries a key.
fn carries_key(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    if KEYS.contains(&name.as_str()) {
        return true;
    }
    let words: Vec<&str> = name.split(|character: char| !character.is_ascii_alphanumeric()).collect();
    // Of names of people: `X-Author`.
    let is_auth = |word: &str| word.contains("auth") && (!word.contains("author") || word.contains("authori"));
    let is_key = |word: &&str| is_auth(word) || KEY_WORDS.iter().any(|key| word.ends_with(key));
    words.iter().any(is_key) && words.last().is_none_or(|last| !ABOUT_KEYS.contains(last))
}

/// Whether something of a value is written out, beside the places.
fn is_written_out(value: &str) -> bool {
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("{{") {
        if !before.trim().is_empty() {
            return true;
        }
        rest = after.split_once("}}").map_or("", |(_, rest)| rest);
    }
    !rest.trim().is_empty()
}

/// The first parameter of a URL that carries a key which is written out.
fn key_in_query(url: &str) -> Option<String> {
    let query = url.split('#').next()?.split_once('?')?.1;
    query.split('&').filter_map(|pair| pair.split_once('=')).find_map(|(name, value)| {
        let name = percent_encoding::percent_decode_str(name).decode_utf8_lossy();
        (is_written_out(value) && carries_key(&name)).then(|| name.into_owned())
    })
}

/// The keys of a model whose provider is one of these; `None` where it is another.
pub(super) fn keys(node: &Node) -> Option<&'static [&'static str]> {
    let Value::Map(entries) = &node.value else { return None };
    let provider = entries.iter().find(|(key, _)| key.scalar_text() == Some("provider"))?;
    match provider.1.scalar_text()? {
        "http" => Some(HTTP_KEYS),
        "command" => Some(COMMAND_KEYS),
        _ => None,
    }
}

/// Reads a bot behind a URL.
pub(super) fn http(findings: &mut Findings, name: &str, fields: &Fields<'_>, node: &Node) -> Option<ProviderConfig> {
    let what = format!("the model `{name}`");
    let url = fields.require(findings, "url", &what).and_then(|node| {
        let url = template(findings, node, "url", false)?;
        if let Some(parameter) = key_in_query(url.as_str()) {
            let message = format!(
                "the parameter `{parameter}` of the URL carries a key, and keys come from the environment only"
            );
            let help = "a header takes it from there: `headers: {Authorization: \"Bearer ${MY_BOT_KEY}\"}`";
            findings.error_help(Code::KeyInConfig, node, message, "", help);
        }
        Some(url)
    });
    let method = fields.get("method").and_then(|node| findings.filled_text(node, "method"));
    let method = method.map_or_else(|| "POST".to_owned(), |method| method.to_ascii_uppercase());
    let headers = fields.get("headers").map_or_else(Vec::new, |node| headers(findings, node));
    let body = match fields.get("body") {
        Some(node) => Some(body(findings, node)?),
        None if matches!(method.as_str(), "GET" | "HEAD" | "DELETE") => None,
        None => Tree::new(serde_json::json!({"message": "{{ message }}", "session": "{{ session }}"})).ok(),
    };
    let reply = match fields.get("reply") {
        Some(node) if node.scalar_text() == Some("text") => Some(ReplyAt::Body),
        Some(node) => path(findings, node, "reply", "`text` takes the whole body").map(ReplyAt::Path),
        None => JsonPath::new("$.reply").ok().map(ReplyAt::Path),
    };
    let session = fields.get("session").map(|node| session(findings, node));
    let stream = fields.get("stream").map(|node| stream(findings, node));
    let finish_reason = fields.get("finish_reason").map(|node| path(findings, node, "finish_reason", ""));
    let usage = fields.get("usage").map(|node| usage(findings, node));
    let config = HttpBotConfig {
        url: url?,
        method,
        headers,
        body,
        reply: reply?,
        session: transposed(session)?,
        stream: transposed(stream)?,
        finish_reason: transposed(finish_reason)?,
        usage: transposed(usage)?,
    };
    if !config.has(Place::Message) {
        let message = format!("nothing in a request to `{name}` has the message");
        let help = "`{{ message }}` stands for it, in `body` or in `url`";
        findings.error_help(Code::MissingKey, node, message, "", help);
    }
    if !config.has(Place::Session) {
        let message = format!("nothing in a request to `{name}` says which conversation it belongs to");
        let help = "`{{ session }}` stands for its id, in `body`, `url` or `headers`: without one all conversations are one to the bot";
        findings.error_help(Code::MissingSession, node, message, "", help);
    }
    Some(ProviderConfig::Http(Box::new(config)))
}

/// Reads a bot that is a program.
pub(super) fn command(findings: &mut Findings, name: &str, fields: &Fields<'_>) -> Option<ProviderConfig> {
    let node = fields.require(findings, "command", &format!("the model `{name}`"))?;
    let words = findings.filled_list(node, "command")?;
    let program: Vec<String> = words.iter().filter_map(|word| findings.text(word, "command")).collect();
    if program.first().is_some_and(|first| first.trim().is_empty()) {
        findings.error(Code::EmptyText, &words[0], "the program of `command` has no name", "");
    }
    let env = fields.get("env").map_or_else(Vec::new, |node| variables(findings, node));
    (program.len() == words.len()).then(|| ProviderConfig::Command(CommandConfig { program, env }))
}

/// `None` where what was there is wrong.
#[expect(clippy::option_option, reason = "absent is not wrong")]
fn transposed<T>(read: Option<Option<T>>) -> Option<Option<T>> {
    match read {
        Some(None) => None,
        Some(read) => Some(read),
        None => Some(None),
    }
}

fn template(findings: &mut Findings, node: &Node, what: &str, with_variables: bool) -> Option<Template> {
    let text = findings.filled_text(node, what)?;
    let template = Template::new(&text, with_variables);
    template.map_err(|error| template_error(findings, node, &error)).ok()
}

fn template_error(findings: &mut Findings, node: &Node, error: &TemplateError) {
    let known: Vec<&str> = Place::NAMES.iter().map(|(name, _)| *name).collect();
    match error {
        TemplateError::Unknown(name) => {
            findings.unknown_word(Code::UnknownVariable, node, error.to_string(), name, &known);
        }
        TemplateError::NoJson(_) => {
            let help = "a tree of YAML is written more easily: `body: {message: \"{{ message }}\"}`";
            findings.error_help(Code::TemplateSyntax, node, error.to_string(), "", help);
        }
        TemplateError::Open(_) | TemplateError::NoVariable(_) => {
            let help = format!("places are written as `{{{{ message }}}}`, and are {}", list_words(&known));
            findings.error_help(Code::TemplateSyntax, node, error.to_string(), "", help);
        }
    }
}

fn headers(findings: &mut Findings, node: &Node) -> Vec<(String, Template)> {
    let Some(fields) = findings.open_fields(node, "`headers`") else { return Vec::new() };
    let entries: Vec<(String, &Node)> = fields.iter().map(|(name, _, node)| (name.to_owned(), node)).collect();
    let mut headers = Vec::new();
    for (name, node) in entries {
        let Some(value) = template(findings, node, &name, true) else { continue };
        let is_known = value.variables().next().is_some() || value.has(Place::Session);
        if !is_known && is_written_out(value.as_str()) && carries_key(&name) {
            let message = format!("the header `{name}` carries a key, and keys come from the environment only");
            let help = format!("`{name}: \"Bearer ${{MY_BOT_KEY}}\"` takes it from the variable `MY_BOT_KEY`");
            findings.error_help(Code::KeyInConfig, node, message, "", help);
            continue;
        }
        headers.push((name, value));
    }
    headers
}

/// Variables of a program; those without `${…}` are no secrets.
fn variables(findings: &mut Findings, node: &Node) -> Vec<(String, Template)> {
    let Some(fields) = findings.open_fields(node, "`env`") else { return Vec::new() };
    let entries: Vec<(String, &Node, &Node)> =
        fields.iter().map(|(name, key, node)| (name.to_owned(), key, node)).collect();
    let mut variables = Vec::new();
    for (name, key, node) in entries {
        if name.is_empty() || name.contains(['=', '\0']) {
            findings.error(Code::InvalidName, key, format!("`{name}` is no name of a variable"), "");
            continue;
        }
        let Some(text) = findings.text(node, &name) else { continue };
        match Template::new(&text, true) {
            Ok(value) if Place::NAMES.iter().all(|(_, place)| !value.has(*place)) => variables.push((name, value)),
            Ok(_) => {
                let message = "a program gets its variables once, before anything is said".to_owned();
                findings.error_help(Code::TemplateRefused, node, message, "", "messages come as lines of JSON");
            }
            Err(error) => template_error(findings, node, &error),
        }
    }
    variables
}

fn body(findings: &mut Findings, node: &Node) -> Option<Tree> {
    let tree = match &node.value {
        Value::Map(_) | Value::List(_) => {
            quoted(findings, node)?;
            Tree::new(node.to_json())
        }
        _ => Tree::of_text(&findings.filled_text(node, "body")?),
    };
    tree.map_err(|error| template_error(findings, node, &error)).ok()
}

/// Looks for places without quotes, which are maps to YAML.
fn quoted(findings: &mut Findings, node: &Node) -> Option<()> {
    match &node.value {
        Value::Map(_) => {
            let fields = findings.open_fields(node, "`body`")?;
            let values: Vec<&Node> = fields.iter().map(|(_, _, value)| value).collect();
            values.into_iter().try_for_each(|value| quoted(findings, value))
        }
        Value::List(items) => items.iter().try_for_each(|item| quoted(findings, item)),
        _ => Some(()),
    }
}

fn path(findings: &mut Findings, node: &Node, what: &str, more: &str) -> Option<JsonPath> {
    let text = findings.filled_text(node, what)?;
    match JsonPath::new(&text) {
        Ok(path) => Some(path),
        Err(why) => {
            let help = "paths are those of RFC 9535, such as `$.choices[0].text`";
            let help = if more.is_empty() { help.to_owned() } else { format!("{help}; {more}") };
            findings.error_help(Code::InvalidPath, node, format!("`{text}` is no JSON path: {why}"), "", help);
            None
        }
    }
}

fn session(findings: &mut Findings, node: &Node) -> Option<SessionAt> {
    let fields = findings.fields(node, "`session`", &["path", "header", "first"])?;
    let place = match (fields.get("path"), fields.get("header")) {
        (Some(node), None) => SessionPlace::Path(path(findings, node, "path", "")?),
        (None, Some(node)) => SessionPlace::Header(findings.filled_text(node, "header")?),
        (Some(_), Some(_)) => {
            findings.error(Code::ExclusiveKeys, node, "`session` has either `path` or `header`", "");
            return None;
        }
        (None, None) => {
            let help = "`session:` says where the first answer has the id; leave it out where chat-eval is to make it";
            findings.error_help(Code::MissingKey, node, "`session` has neither `path` nor `header`", "", help);
            return None;
        }
    };
    let first = fields.pair("first").map_or(serde_json::Value::Null, |(_, node)| node.to_json());
    Some(SessionAt { first, place })
}

fn stream(findings: &mut Findings, node: &Node) -> Option<StreamAt> {
    if let Value::Scalar(..) = node.value {
        let word = findings.filled_text(node, "stream")?;
        if word == "text" {
            return Some(StreamAt::Text);
        }
        let message = format!("`stream` is `text` or a map, and this is `{word}`");
        let help = "`stream: {events: $.delta, done: \"[DONE]\"}` reads server-sent events";
        findings.error_help(Code::UnknownWord, node, message, "", help);
        return None;
    }
    let fields = findings.fields(node, "`stream`", &["events", "done"])?;
    let events = fields.require(findings, "events", "`stream`")?;
    let piece = if events.scalar_text() == Some("data") {
        Pieces::Data
    } else {
        Pieces::Path(path(findings, events, "events", "`data` takes the data of each event as it is")?)
    };
    let done = fields.get("done").map(|node| done(findings, node));
    Some(StreamAt::Events { piece, done: transposed(done)? })
}

fn done(findings: &mut Findings, node: &Node) -> Option<Mark> {
    if let Value::Map(_) = node.value {
        let fields = findings.fields(node, "`done`", &["path", "equals"])?;
        let at = fields.require(findings, "path", "`done`")?;
        let Some((_, equals)) = fields.pair("equals") else {
            fields.require(findings, "equals", "`done`");
            return None;
        };
        return Some(Mark::At(path(findings, at, "path", "")?, equals.to_json()));
    }
    findings.filled_text(node, "done").map(|text| Mark::Data(text.trim().to_owned()))
}

fn usage(findings: &mut Findings, node: &Node) -> Option<UsageAt> {
    let fields = findings.fields(node, "`usage`", &["sent", "reply"])?;
    let mut at = |key: &str| {
        let node = fields.require(findings, key, "`usage`")?;
        path(findings, node, key, "")
    };
    let (sent, reply) = (at("sent"), at("reply"));
    Some(UsageAt { sent: sent?, reply: reply? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_carry_keys_are_told_from_names_that_look_like_it() {
        for name in [
            "Authorization",
            "Cookie",
            "X-Session-Token",
            "apikey",
            "api_key",
            "X-Functions-Key",
            "Client-Secret",
            "X-Auth",
            "x-goog-authenticated",
            "X-OAuth-Bearer",
            "access_token",
            "Ocp-Apim-Subscription-Key",
        ] {
            assert!(carries_key(name), "{name}");
        }
        for name in ["max_tokens", "X-Author", "X-Keyword", "token_type", "X-Auth-Scheme", "Accept", "X-Tokenizer", "q"]
        {
            assert!(!carries_key(name), "{name}");
        }
    }

    #[test]
    fn a_value_is_written_out_where_anything_stands_beside_its_places() {
        for (value, expected) in [
            ("{{ session }}", false),
            (" {{a}} {{b}} ", false),
            ("", false),
            ("x{{ turn }}", true),
            ("{{ turn }}x", true),
        ] {
            assert_eq!(is_written_out(value), expected, "{value}");
        }
        assert_eq!(key_in_query("http://a/?x=1&api%5Fkey=abc#y"), Some("api_key".to_owned()));
        for url in ["http://a/?max_tokens=5", "http://a/?key={{ session }}", "http://a/?token=", "http://a/#?key=a"] {
            assert_eq!(key_in_query(url), None, "{url}");
        }
    }
}
