//! What is written to a bot that is a program, and what it writes: JSON, a line each.

use serde_json::{Value, json};

use crate::model::Usage;
use crate::provider::Said;
use crate::provider::attempt::count;
use crate::provider::secrets::Secrets;
use crate::text::escape;

/// How much of a line that is no answer is quoted, in characters.
const QUOTED: usize = 120;

/// The line of a message.
pub(super) fn line_of(said: &Said<'_>, session: &str) -> String {
    let Said { system, user, turn, stream } = said;
    let mut line =
        json!({"session": session, "turn": turn, "system": system, "user": user, "stream": stream}).to_string();
    line.push('\n');
    line
}

/// What a line of the bot says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Line {
    /// The whole reply.
    Reply(String, End),
    /// A piece of it.
    Delta(String),
    /// The pieces were all.
    Done(End),
    /// Why there is no reply.
    Error(String),
}

/// What is said beside a reply.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct End {
    pub(super) finish_reason: Option<String>,
    pub(super) usage: Option<Usage>,
}

impl Line {
    /// Reads a line that answers a message of this number. What is quoted of it shows no secret.
    ///
    /// # Errors
    /// Why it is no answer to it, in words.
    pub(super) fn read(line: &[u8], turn: u32, secrets: &Secrets) -> Result<Self, String> {
        let text = str::from_utf8(line).map_err(|_| "wrote a line that is no UTF-8 text".to_owned())?;
        let text = text.trim();
        let quoted = || escape::quote(&secrets.mask(text.to_owned()), QUOTED);
        let answer: Value =
            serde_json::from_str(text).map_err(|_| format!("wrote a line that is no JSON: {}", quoted()))?;
        let other = answer.get("turn").filter(|other| **other != json!(turn));
        if let Some(other) = other {
            return Err(format!("answered turn {other} when it was asked turn {turn}"));
        }
        let is_said = |key: &str| !matches!(answer.get(key), None | Some(Value::Null | Value::Bool(false)));
        // A `done` beside a whole reply says nothing else.
        for [one, other] in
            [["error", "reply"], ["error", "delta"], ["error", "done"], ["reply", "delta"], ["delta", "done"]]
        {
            if is_said(one) && is_said(other) {
                return Err(format!("wrote `{one}` and `{other}` in one line: {}", quoted()));
            }
        }
        let text_of = |key: &str| answer.get(key).and_then(Value::as_str).map(str::to_owned);
        if let Some(error) = text_of("error") {
            return Ok(Self::Error(error));
        }
        if let Some(reply) = text_of("reply") {
            return Ok(Self::Reply(reply, End::of(&answer)));
        }
        if let Some(piece) = text_of("delta") {
            return Ok(Self::Delta(piece));
        }
        if answer.get("done") == Some(&Value::Bool(true)) {
            return Ok(Self::Done(End::of(&answer)));
        }
        Err(format!("wrote a line without `reply`, `delta`, `done` or `error`: {}", quoted()))
    }
}

impl End {
    fn of(answer: &Value) -> Self {
        let number = |key: &str| count(answer.get("usage")?.get(key)?.as_u64());
        let usage = number("sent").zip(number("reply"));
        Self {
            finish_reason: answer.get("finish_reason").and_then(Value::as_str).map(str::to_owned),
            usage: usage.map(|(sent, reply)| Usage { sent, reply, estimated: false }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_whatever_it_says() {
        let said = Said { system: None, user: "a\nb\u{2028}\"", turn: 3, stream: true };
        let line = line_of(&said, "s");
        assert_eq!(line.matches('\n').count(), 1);
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read, json!({"session": "s", "turn": 3, "system": null, "user": "a\nb\u{2028}\"", "stream": true}));
    }

    #[test]
    fn a_line_is_a_reply_a_piece_an_end_or_an_error() {
        let reply = |text: &str| Line::Reply(text.into(), End::default());
        let usage = Some(Usage { sent: 7, reply: 3, estimated: false });
        let end = End { finish_reason: Some("length".into()), usage };
        for (line, expected) in [
            (r#"{"reply": "Hi"}"#, Ok(reply("Hi"))),
            (r#" {"reply": "", "turn": 2} "#, Ok(reply(""))),
            (r#"{"delta": "H"}"#, Ok(Line::Delta("H".into()))),
            (r#"{"done": true, "finish_reason": "length", "usage": {"sent": 7, "reply": 3}}"#, Ok(Line::Done(end))),
            (
                r#"{"reply": "Hi", "usage": {"sent": 18446744073709551615, "reply": 18446744073709551615}}"#,
                Ok(reply("Hi")),
            ),
            (r#"{"error": "no model"}"#, Ok(Line::Error("no model".into()))),
            (r#"{"reply": "Hi", "turn": 1}"#, Err("answered turn 1 when it was asked turn 2")),
            ("Hello!", Err("wrote a line that is no JSON: \"Hello!\"")),
            (r#"{"reply": "Hi", "done": true, "error": null, "delta": null}"#, Ok(reply("Hi"))),
            (
                r#"{"reply":"a","delta":"b"}"#,
                Err("wrote `reply` and `delta` in one line: \"{\"reply\":\"a\",\"delta\":\"b\"}\""),
            ),
            (
                r#"{"delta":"a","done":true}"#,
                Err("wrote `delta` and `done` in one line: \"{\"delta\":\"a\",\"done\":true}\""),
            ),
            (
                r#"{"reply":"a","error":"b"}"#,
                Err("wrote `error` and `reply` in one line: \"{\"reply\":\"a\",\"error\":\"b\"}\""),
            ),
            ("7", Err("wrote a line without `reply`, `delta`, `done` or `error`: \"7\"")),
            (
                r#"{"done": false}"#,
                Err("wrote a line without `reply`, `delta`, `done` or `error`: \"{\"done\": false}\""),
            ),
        ] {
            assert_eq!(Line::read(line.as_bytes(), 2, &Secrets::default()), expected.map_err(str::to_owned), "{line}");
        }
        assert_eq!(Line::read(&[0xff], 1, &Secrets::default()), Err("wrote a line that is no UTF-8 text".to_owned()));
    }
}
