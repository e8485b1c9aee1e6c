//! What is sent to a bot, with places for what differs from message to message. They are filled as data: whatever a message says,
//! it stays one string of the body, and one value of a URL or a header.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

/// Characters of a value that stand in a URL as they are.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A place to be filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The user's message.
    Message,
    /// The session's id.
    Session,
    /// Which message of the session it is, from 1.
    Turn,
    /// The system prompt.
    System,
    /// Whether the reply is asked for piece by piece.
    Stream,
}

impl Place {
    /// As they are written.
    pub const NAMES: [(&'static str, Self); 5] = [
        ("message", Self::Message),
        ("session", Self::Session),
        ("turn", Self::Turn),
        ("system", Self::System),
        ("stream", Self::Stream),
    ];
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Place(Place),
    /// A variable of the environment.
    Variable(String),
}

/// A text with places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
    source: String,
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A place that is none.
    #[error("`{{{{ {0} }}}}` is no place of a message to a bot")]
    Unknown(String),
    /// Braces that are never closed.
    #[error("`{0}` is never closed")]
    Open(&'static str),
    /// A name that no variable of the environment has.
    #[error("`${{{0}}}` names no variable of the environment")]
    NoVariable(String),
    /// The text of a body is no JSON.
    #[error("the body is no JSON: {0}")]
    NoJson(String),
}

/// What the places are filled with.
#[derive(Debug, Clone, Copy)]
pub struct Values<'v> {
    /// The user's message.
    pub message: &'v str,
    /// The session's id, as JSON.
    pub session: &'v Value,
    /// Which message of the session it is.
    pub turn: u32,
    /// The system prompt.
    pub system: Option<&'v str>,
    /// Whether the reply is asked for piece by piece.
    pub stream: bool,
}

impl Values<'_> {
    fn json(&self, place: Place) -> Value {
        match place {
            Place::Message => self.message.into(),
            Place::Session => self.session.clone(),
            Place::Turn => self.turn.into(),
            Place::System => self.system.into(),
            Place::Stream => self.stream.into(),
        }
    }

    fn text(&self, place: Place) -> String {
        match self.json(place) {
            Value::Null => String::new(),
            Value::String(text) => text,
            other => other.to_string(),
        }
    }
}

impl Template {
    /// Reads a text. `${NAME}` is looked at only `with_variables`.
    ///
    /// # Errors
    /// When it has a place that is none, or braces that are never closed.
    pub fn new(source: &str, with_variables: bool) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let mut rest = source;
        let opens = |rest: &str| {
            let place = rest.find("{{").map(|at| (at, "{{", "}}"));
            let variable = rest.find("${").filter(|_| with_variables).map(|at| (at, "${", "}"));
            place.into_iter().chain(variable).min()
        };
        while let Some((at, open, close)) = opens(rest) {
            if at > 0 {
                pieces.push(Piece::Text(rest[..at].to_owned()));
            }
            let inside = &rest[at + open.len()..];
            let Some(end) = inside.find(close) else { return Err(TemplateError::Open(open)) };
            let name = inside[..end].trim();
            pieces.push(if open == "${" {
                let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
                if !is_name {
                    return Err(TemplateError::NoVariable(name.to_owned()));
                }
                Piece::Variable(name.to_owned())
            } else {
                let place = Place::NAMES.iter().find(|(known, _)| *known == name);
                Piece::Place(place.ok_or_else(|| TemplateError::Unknown(name.to_owned()))?.1)
            });
            rest = &inside[end + close.len()..];
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Ok(Self { pieces, source: source.to_owned() })
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// Whether it has a place.
    #[must_use]
    pub fn has(&self, place: Place) -> bool {
        self.pieces.contains(&Piece::Place(place))
    }

    /// The variables of the environment that it names.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.pieces
            .iter()
            .filter_map(|piece| if let Piece::Variable(name) = piece { Some(name.as_str()) } else { None })
    }

    /// Filled in, each value written by `write`.
    fn fill(&self, values: &Values<'_>, variable: &dyn Fn(&str) -> String, write: &dyn Fn(&str) -> String) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Place(place) => write(&values.text(*place)),
            Piece::Variable(name) => variable(name),
        };
        self.pieces.iter().map(piece).collect()
    }

    /// The URL that it stands for.
    #[must_use]
    pub fn url(&self, values: &Values<'_>) -> String {
        self.fill(values, &|_| String::new(), &|value| utf8_percent_encode(value, PLAIN).to_string())
    }

    /// The text that it stands for.
    #[must_use]
    pub fn text(&self, values: &Values<'_>, variable: &dyn Fn(&str) -> String) -> String {
        self.fill(values, variable, &str::to_owned)
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

/// A body: JSON whose strings have places.
#[derive(Debug, Clone, PartialEq)]
pub enum Tree {
    /// What is sent as it is.
    Leaf(Value),
    /// A string.
    Text(Template),
    /// A list.
    List(Vec<Tree>),
    /// A map.
    Map(Vec<(String, Tree)>),
}

impl Tree {
    /// Of JSON.
    ///
    /// # Errors
    /// When a string of it is no template.
    pub fn new(value: Value) -> Result<Self, TemplateError> {
        Ok(match value {
            Value::String(text) => Self::Text(Template::new(&text, false)?),
            Value::Array(items) => Self::List(items.into_iter().map(Self::new).collect::<Result<_, _>>()?),
            Value::Object(fields) => {
                let fields = fields.into_iter().map(|(key, value)| Ok((key, Self::new(value)?)));
                Self::Map(fields.collect::<Result<_, TemplateError>>()?)
            }
            leaf => Self::Leaf(leaf),
        })
    }

    /// Of JSON as a text, in which places may also stand where a value does: `{"turn": {{ turn }}}`.
    ///
    /// # Errors
    /// When it is no JSON, or a string of it no template.
    pub fn of_text(text: &str) -> Result<Self, TemplateError> {
        let quoted = quoted(text)?;
        let value = serde_json::from_str(&quoted).map_err(|error| TemplateError::NoJson(error.to_string()))?;
        Self::new(value)
    }

    /// Whether it has a place.
    #[must_use]
    pub fn has(&self, place: Place) -> bool {
        match self {
            Self::Leaf(_) => false,
            Self::Text(template) => template.has(place),
            Self::List(items) => items.iter().any(|item| item.has(place)),
            Self::Map(fields) => fields.iter().any(|(_, field)| field.has(place)),
        }
    }

    /// Filled in. A string that is one place and nothing else becomes what stands there: a number, `null`, a truth value.
    #[must_use]
    pub fn fill(&self, values: &Values<'_>) -> Value {
        match self {
            Self::Leaf(value) => value.clone(),
            Self::Text(template) => match &template.pieces[..] {
                [Piece::Place(place)] => values.json(*place),
                _ => template.text(values, &|_| String::new()).into(),
            },
            Self::List(items) => items.iter().map(|item| item.fill(values)).collect(),
            Self::Map(fields) => {
                let fields = fields.iter().map(|(key, field)| (key.clone(), field.fill(values)));
                Value::Object(fields.collect::<Map<_, _>>())
            }
        }
    }
}

/// The text with quotes around each place that stands outside of a string, where JSON can have no two braces.
fn quoted(text: &str) -> Result<String, TemplateError> {
    let mut quoted = String::with_capacity(text.len());
    let (mut is_string, mut is_escaped) = (false, false);
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        if !is_string && rest.starts_with("{{") {
            let end = rest.find("}}").ok_or(TemplateError::Open("{{"))? + 2;
            quoted.push_str(&Value::from(&rest[..end]).to_string());
            rest = &rest[end..];
            continue;
        }
        match next {
            _ if is_escaped => is_escaped = false,
            '\\' if is_string => is_escaped = true,
            '"' => is_string = !is_string,
            _ => {}
        }
        quoted.push(next);
        rest = &rest[next.len_utf8()..];
    }
    Ok(quoted)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn values<'v>(message: &'v str, session: &'v Value) -> Values<'v> {
        Values { message, session, turn: 2, system: None, stream: true }
    }

    #[test]
    fn a_string_that_is_one_place_becomes_its_value_and_one_with_more_stays_a_string() {
        let body = json!({
            "input": [{"text": "{{ message }}"}], "n": "{{turn}}", "all": "{{ turn }}: {{ message }} ({{ session }})",
            "system": "{{ system }}", "stream": "{{ stream }}", "session": "{{ session }}", "k": 5,
        });
        let tree = Tree::new(body).unwrap();
        let filled = tree.fill(&values("Hi", &Value::Null));
        let expected = json!({
            "input": [{"text": "Hi"}], "n": 2, "all": "2: Hi ()", "system": null, "stream": true, "session": null, "k": 5,
        });
        assert_eq!(filled, expected);
        assert!(tree.has(Place::Message) && tree.has(Place::System));
    }

    #[test]
    fn a_text_of_json_may_have_places_without_quotes() {
        let tree = Tree::of_text(r#"{"a": {{ message }}, "b\"{": "x {{ turn }}", "c": [{{turn}}]}"#).unwrap();
        assert_eq!(tree.fill(&values("\"", &Value::Null)), json!({"a": "\"", "b\"{": "x 2", "c": [2]}));
    }

    #[test]
    fn what_is_no_template_says_why() {
        let error = |text: &str| Template::new(text, true).unwrap_err().to_string();
        assert_eq!(error("{{ mesage }}"), "`{{ mesage }}` is no place of a message to a bot");
        assert_eq!(error("a {{ message"), "`{{` is never closed");
        assert_eq!(error("Bearer ${KEY"), "`${` is never closed");
        assert_eq!(error("${A B}"), "`${A B}` names no variable of the environment");
        assert!(Tree::of_text("{").unwrap_err().to_string().starts_with("the body is no JSON: "));
        assert_eq!(Template::new("${KEY}", false).unwrap().variables().count(), 0);
    }

    #[test]
    fn values_stay_one_value_of_a_url() {
        let url = Template::new("http://127.0.0.1/{{ session }}?q={{ message }}", false).unwrap();
        let session = json!("a/b");
        assert_eq!(url.url(&values("x&y=1 ü", &session)), "http://127.0.0.1/a%2Fb?q=x%26y%3D1%20%C3%BC");
    }

    proptest! {
        /// Whatever is said stays one string of the body: it is never looked at as a template, and ends no string.
        #[test]
        fn whatever_is_said_is_one_string_of_the_body(message in "\\PC{0,30}", session in "\\PC{0,10}") {
            let tree = Tree::of_text(r#"{"m": "{{ message }}", "all": "<{{ message }}|{{ session }}>"}"#).unwrap();
            let session = Value::from(session);
            let sent = tree.fill(&values(&message, &session)).to_string();
            let read: Value = serde_json::from_str(&sent).unwrap();
            let all = format!("<{message}|{}>", session.as_str().unwrap());
            prop_assert_eq!(read, json!({"m": message, "all": all}));
        }
    }
}
