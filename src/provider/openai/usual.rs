//! The answers that nearly all servers give, read straight into their places.
//!
//! [`Answer`] takes what it understands out of a JSON value, whatever its shape. To build that value takes several times
//! as long as to read the text, so an answer of the usual shape is read without. What is not, and all that could mean
//! something else, is left to the other way: this one gives what that would have given, or nothing.

use serde::de::{Error, IgnoredAny};
use serde::{Deserialize, Deserializer};

use super::super::attempt::count;
use super::wire::{Answer, Choice};
use crate::model::Usage;

#[derive(Deserialize)]
struct UsualAnswer<'a> {
    #[serde(borrow)]
    choices: Vec<UsualChoice<'a>>,
    usage: Option<UsualUsage>,
    model: Option<String>,
    system_fingerprint: Option<String>,
    error: Option<IgnoredAny>,
    object: Option<&'a str>,
    r#type: Option<&'a str>,
}

#[derive(Deserialize)]
struct UsualChoice<'a> {
    index: Option<u64>,
    message: Option<UsualMessage>,
    delta: Option<UsualMessage>,
    finish_reason: Option<String>,
    error: Option<IgnoredAny>,
    object: Option<&'a str>,
    r#type: Option<&'a str>,
}

#[derive(Deserialize)]
struct UsualMessage {
    content: Option<String>,
    reasoning_content: Option<String>,
    reasoning: Option<String>,
    refusal: Option<String>,
}

#[derive(Deserialize)]
struct UsualUsage {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
}

/// An answer of the usual shape with a choice; `None` for every other.
pub(super) fn read(text: &str) -> Option<Answer> {
    serde_json::from_str::<UsualAnswer<'_>>(text).ok()?.read()
}

/// An answer that is an error unless it is of the usual shape with a choice.
pub(super) struct Usual(pub(super) Answer);

impl<'de> Deserialize<'de> for Usual {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let answer = UsualAnswer::deserialize(deserializer)?.read();
        answer.map(Self).ok_or_else(|| D::Error::custom("an answer of another shape"))
    }
}

impl UsualAnswer<'_> {
    fn read(self) -> Option<Answer> {
        let Self { choices, usage, model, system_fingerprint, error, object, r#type } = self;
        let choice = choices.into_iter().find(|choice| choice.index.unwrap_or_default() == 0)?;
        let is_error = |mark: Option<&str>| mark == Some("error");
        let marks = [object, r#type, choice.object, choice.r#type];
        if error.is_some() || choice.error.is_some() || marks.into_iter().any(is_error) {
            return None;
        }
        Some(Answer {
            error: None,
            choice: Some(choice.read()?),
            usage: usage.and_then(UsualUsage::read),
            model: filled(model),
            fingerprint: filled(system_fingerprint),
            whole: serde_json::Value::Null,
        })
    }
}

impl UsualChoice<'_> {
    fn read(self) -> Option<Choice> {
        let finish_reason = filled(self.finish_reason);
        let Some(message) = self.message.or(self.delta) else {
            return finish_reason.map(|reason| Choice { finish_reason: Some(reason), ..Choice::default() });
        };
        let text = filled(message.content).or_else(|| filled(message.refusal)).unwrap_or_default();
        let thinking = filled(message.reasoning_content).or_else(|| filled(message.reasoning)).unwrap_or_default();
        Some(Choice { text, thinking, finish_reason })
    }
}

impl UsualUsage {
    fn read(self) -> Option<Usage> {
        Some(Usage { sent: count(self.prompt_tokens)?, reply: count(self.completion_tokens)?, estimated: false })
    }
}

fn filled(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    /// Whether both ways give the same; whether the quick one gives anything.
    fn agrees(answer: &Value) -> bool {
        let Some(quick) = read(&answer.to_string()) else { return false };
        let slow = Answer::from(answer.clone());
        assert_eq!((&quick.error, &quick.choice), (&slow.error, &slow.choice), "{answer}");
        assert_eq!((&quick.usage, &quick.model), (&slow.usage, &slow.model), "{answer}");
        assert_eq!(quick.fingerprint, slow.fingerprint, "{answer}");
        true
    }

    #[test]
    fn the_answers_of_the_usual_servers_are_read_the_quick_way() {
        let usage = json!({"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11, "details": {"cached": 1}});
        for usual in [
            json!({"id": "x", "object": "chat.completion", "created": 1, "model": "m", "service_tier": null, "choices": [
                {"index": 0, "message": {"role": "assistant", "content": "Hi", "refusal": null}, "logprobs": null, "finish_reason": "stop"}
            ], "usage": usage, "system_fingerprint": "fp"}),
            json!({"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "H\u{e9}\n"}, "finish_reason": null}]}),
            json!({"choices": [{"delta": {"role": "assistant", "content": null}}], "usage": null, "error": null}),
            json!({"choices": [{"finish_reason": "length"}]}),
        ] {
            assert!(agrees(&usual), "{usual}");
        }
    }

    #[test]
    fn what_may_mean_something_else_is_left_alone() {
        for other in [
            json!({"choices": []}),
            json!({"choices": [{}]}),
            json!({"choices": [{"message": {"content": [{"type": "text", "text": "Hi"}]}}]}),
            json!({"error": {"message": "no"}, "choices": [{"message": {"content": "Hi"}}]}),
            json!({"object": "error", "choices": [{"message": {"content": "Hi"}}]}),
            json!({"choices": [{"error": "no", "message": {"content": "Hi"}}]}),
            json!({"choices": [{"index": 1, "message": {"content": "Hi"}}]}),
            json!({"choices": [{"message": {"content": "Hi"}, "index": "0"}]}),
            json!(["choices"]),
        ] {
            assert!(!agrees(&other), "{other}");
        }
        assert!(read("{\"choices\": [{\"message\": {\"content\": \"\\ud83d\"}}]}").is_none());
    }

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (0_u64..5_000_000_000).prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "error|stop|[a-z]{0,3}|\\PC{0,4}".prop_map(Value::from),
            Just(json!([])),
            Just(json!({})),
            Just(json!([{"type": "text", "text": "part"}])),
            Just(json!({"content": "inner", "message": "m"})),
        ]
    }

    fn object(names: &'static [&'static str], inner: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
        let name = prop::sample::select(names).prop_map(str::to_owned);
        let fields = prop::collection::vec((name, prop_oneof![2 => value(), 3 => inner]), 0..6);
        fields.prop_map(|fields| fields.into_iter().collect::<serde_json::Map<_, _>>().into()).boxed()
    }

    fn answer() -> impl Strategy<Value = Value> {
        let texts = "\\PC{0,6}".prop_map(Value::from).boxed();
        let message = object(&["content", "reasoning_content", "reasoning", "refusal", "role"], texts.clone());
        let choice = object(&["index", "message", "delta", "finish_reason", "error", "object", "type"], message);
        let choices = prop::collection::vec(choice, 0..3).prop_map(Value::from).boxed();
        let counts = (0_u64..5_000_000_000).prop_map(Value::from).boxed();
        let usage = object(&["prompt_tokens", "completion_tokens"], counts);
        let rest = object(&["model", "system_fingerprint", "error", "object", "type", "id"], texts);
        (choices, usage, rest).prop_map(|(choices, usage, mut rest)| {
            rest["choices"] = choices;
            rest["usage"] = usage;
            rest
        })
    }

    proptest! {
        #[test]
        fn both_ways_give_the_same(answer in answer()) {
            agrees(&answer);
        }
    }
}
