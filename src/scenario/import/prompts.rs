//! The prompts of promptfoo: a text, or messages in JSON or YAML, both with places for variables.
//!
//! Of the template language promptfoo uses, what conversation tests need is understood: names of variables, and the loop
//! over `_conversation`, which stands for the earlier turns and which the runner's history replaces. All else is named.

use std::sync::{Arc, LazyLock};

use regex::{Captures, Regex};
use serde_json::Value as Json;

use super::super::yaml;
use crate::diagnostic::SourceFile;
use crate::model::Role;

/// What opens and closes the place of a variable inside a text. Of private use: nobody's words.
const OPEN: char = '\u{e000}';
const CLOSE: char = '\u{e001}';

#[expect(clippy::expect_used, reason = "fixed expressions, each compiled by a test")]
fn regex(expression: &str) -> Regex {
    Regex::new(expression).expect("an expression")
}

static LOOP: LazyLock<Regex> =
    LazyLock::new(|| regex(r"(?s)\{%-?\s*for\s+\w+\s+in\s+_conversation\s*-?%\}(.*?)\{%-?\s*endfor\s*-?%\}"));
static QUOTED: LazyLock<Regex> =
    LazyLock::new(|| regex(r#"("?)\{\{-?\s*([\w.]+)\s*\|\s*(?:dump|tojson)\s*(?:\|\s*safe\s*)?-?\}\}("?)"#));
static PLACE: LazyLock<Regex> = LazyLock::new(|| regex(r"\{\{-?\s*([\w.]+)\s*(?:\|\s*(?:safe|trim)\s*)?-?\}\}"));
static REST: LazyLock<Regex> = LazyLock::new(|| regex(r"\{[{%#][^\n]{0,40}"));

/// A text with places for variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(String);

impl Template {
    /// Reads a text; what is left of the template language is the reason why it cannot be.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.contains([OPEN, CLOSE]) {
            return Err("it has characters of private use".to_owned());
        }
        let marked = PLACE.replace_all(text, |found: &Captures<'_>| format!("{OPEN}{}{CLOSE}", &found[1]));
        match REST.find(&marked) {
            Some(rest) => {
                let rest = rest.as_str().trim_end().replace(OPEN, "{{ ").replace(CLOSE, " }}");
                Err(format!("`{rest}` is not understood"))
            }
            None => Ok(Self(marked.into_owned())),
        }
    }

    /// The text with the variables filled in, and the names of those that have no value.
    pub fn fill(&self, variables: &Json) -> (String, Vec<String>) {
        let (mut filled, mut missing) = (String::new(), Vec::new());
        for part in self.0.split_inclusive(CLOSE) {
            let Some((before, name)) = part.split_once(OPEN) else {
                filled.push_str(part);
                continue;
            };
            let name = name.trim_end_matches(CLOSE);
            filled.push_str(before);
            match variables.pointer(&format!("/{}", name.replace('.', "/"))) {
                Some(Json::String(value)) => filled.push_str(value),
                Some(Json::Null) | None => missing.push(name.to_owned()),
                Some(value) => filled.push_str(&value.to_string()),
            }
        }
        (filled, missing)
    }
}

/// What a prompt is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// The system prompt.
    pub system: Option<Template>,
    /// What is said before the user's message.
    pub history: Vec<(Role, Template)>,
    /// The user's message.
    pub user: Template,
    /// Whether it has the earlier turns of its conversation in it.
    pub is_conversation: bool,
    /// Whether those stand in one message with the new one.
    pub is_one_text: bool,
}

/// Reads a prompt.
///
/// # Errors
/// Why it cannot be carried over.
pub fn prompt(text: &str) -> Result<Prompt, String> {
    let is_conversation = text.contains("_conversation");
    let without = LOOP.replace_all(text, |found: &Captures<'_>| {
        // A loop that says something else than what was said is no history.
        let is_history = found[1].contains(".input") && found[1].contains(".output");
        if is_history { String::new() } else { found[0].to_owned() }
    });
    let trimmed = without.trim_start();
    if !(trimmed.starts_with('[') || trimmed.starts_with("- ")) {
        let user = Template::new(without.trim())?;
        return Ok(Prompt { system: None, history: Vec::new(), user, is_conversation, is_one_text: is_conversation });
    }
    let quoted = QUOTED.replace_all(&without, |found: &Captures<'_>| format!("\"{{{{ {} }}}}\"", &found[2]));
    let marked = Template::new(&quoted)?.0;
    let json = serde_json::from_str(&marked).or_else(|error| {
        let source = Arc::new(SourceFile { path: "prompt".to_owned(), text: marked });
        yaml::parse(&source).map(|node| node.to_json()).map_err(|_| format!("its messages are no JSON: {error}"))
    })?;
    let Json::Array(messages) = json else { return Err("it is no list of messages".to_owned()) };
    let mut said = messages.iter().map(message).collect::<Result<Vec<_>, _>>()?;
    let Some((role, user)) = said.pop() else { return Err("it has no messages".to_owned()) };
    if role != "user" {
        return Err("its last message is not the user's".to_owned());
    }
    let mut prompt = Prompt { system: None, history: Vec::new(), user, is_conversation, is_one_text: false };
    for (role, text) in said {
        match role.as_str() {
            "system" | "developer" if prompt.system.is_none() && prompt.history.is_empty() => {
                prompt.system = Some(text);
            }
            "user" => prompt.history.push((Role::User, text)),
            "assistant" => prompt.history.push((Role::Assistant, text)),
            _ => return Err(format!("it has a message of the role `{role}` amid the others")),
        }
    }
    Ok(prompt)
}

/// Role and text of one message of a prompt.
fn message(message: &Json) -> Result<(String, Template), String> {
    let role = message.get("role").and_then(Json::as_str);
    let content = match message.get("content") {
        Some(Json::String(text)) => Some(text.clone()),
        Some(Json::Array(parts)) => {
            let texts: Option<Vec<&str>> = parts.iter().map(|part| part.get("text").and_then(Json::as_str)).collect();
            texts.map(|texts| texts.join("\n"))
        }
        _ => None,
    };
    match (role, content) {
        (Some(role), Some(content)) => Ok((role.to_owned(), Template(content))),
        _ => Err("it has a message that is not `{role, content}` with a text".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn filled(text: &str) -> Result<(Option<String>, Vec<String>, String), String> {
        let prompt = prompt(text)?;
        let fill = |template: &Template| template.fill(&json!({"q": "Say \"hi\"\n", "who": {"name": "Ann"}})).0;
        let history = prompt.history.iter().map(|(_, text)| fill(text)).collect();
        Ok((prompt.system.as_ref().map(fill), history, fill(&prompt.user)))
    }

    #[test]
    fn prompts_are_texts_or_messages_in_json_or_yaml() {
        let said = |system: Option<&str>, history: &[&str], user: &str| {
            Ok((system.map(str::to_owned), history.iter().map(|&text| text.to_owned()).collect(), user.to_owned()))
        };
        for (text, expected) in [
            ("Answer {{q}} for {{ who.name }}.", said(None, &[], "Answer Say \"hi\"\n for Ann.")),
            (r#"[{"role": "user", "content": "{{ q | dump }}"}]"#, said(None, &[], "Say \"hi\"\n")),
            (r#"[{"role": "user", "content": {{ q | dump }}}]"#, said(None, &[], "Say \"hi\"\n")),
            (
                "- role: system\n  content: Be {{ who.name }}\n- role: user\n  content: {{q}}\n",
                said(Some("Be Ann"), &[], "Say \"hi\"\n"),
            ),
            (
                r#"[{"role": "system", "content": "S"}{% for c in _conversation %}, {"role": "user", "content": "{{ c.input }}"},
                {"role": "assistant", "content": "{{ c.output }}"}{% endfor %}, {"role": "user", "content": [{"type": "input_text", "text": "{{ q }}"}]}]"#,
                said(Some("S"), &[], "Say \"hi\"\n"),
            ),
            (
                r#"[{"role": "user", "content": "A"}, {"role": "assistant", "content": "B"}, {"role": "user", "content": "C"}]"#,
                said(None, &["A", "B"], "C"),
            ),
        ] {
            assert_eq!(filled(text), expected, "{text}");
        }
        for (text, reason) in [
            ("{% if q %}{{ q }}{% endif %}", "`{% if q %}{{ q }}{% endif %}` is not understood"),
            ("{% for c in _conversation %}{{ c.prompt }}{% endfor %}{{ q }}", "is not understood"),
            ("[{{ messages }}", "its messages are no JSON"),
            ("[]", "it has no messages"),
            (r#"[{"role": "system", "content": "S"}]"#, "its last message is not the user's"),
            (r#"[{"role": "user"}]"#, "it has a message that is not"),
            ("\u{e000}", "it has characters of private use"),
        ] {
            assert!(filled(text).unwrap_err().contains(reason), "{text}: {:?}", filled(text));
        }
    }

    #[test]
    fn a_variable_without_a_value_is_named() {
        let template = Template::new("{{ a }} and {{ b.c }}").unwrap();
        assert_eq!(template.fill(&json!({"a": 1})), ("1 and ".to_owned(), vec!["b.c".to_owned()]));
    }
}
