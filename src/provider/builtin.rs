//! The embedded model: a perfect reader with no knowledge, and its controls.
//!
//! It answers from the messages that it is sent and from nothing else, so that what it recalls is what the window let
//! through. It is a measuring instrument for windows and scripts and no language model: it knows which facts may be
//! asked (that is all that it takes from the scenario), takes every message at its word and never misreads. Equal
//! requests get equal replies; sampling parameters, `max_tokens` among them, are ignored, so no reply is ever cut.

mod reading;

use std::sync::LazyLock;
use std::time::Instant;

use futures::FutureExt;
use futures::future::BoxFuture;
use regex::Regex;

use super::{CallError, ChatModel, ChatReply, ChatRequest, Observer};
use crate::model::{Fact, Message, Reply, Role, Source, Usage};
use crate::text::normalise::{contains_word, fold};
use crate::text::tokens;
use crate::window::FactMatcher;
use reading::{Picked, compiled, pick_up};

const UNKNOWN: &str = "I don't know. You haven't told me.";
const NOTED: &str = "Noted.";

/// Which of the embedded models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BuiltinKind {
    /// Recalls what it is sent, and only that.
    Reader,
    /// As the reader, but repeats the user's words where it only has to acknowledge them.
    Echo,
    /// Never knows: a control under which every `recalls` must fail.
    Amnesiac,
    /// Knows all facts, whatever it is sent: a control under which every `forgets` must fail.
    Omniscient,
}

/// An embedded model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Builtin {
    kind: BuiltinKind,
}

impl Builtin {
    /// The names under which scenarios ask for the embedded models.
    pub const MODELS: [&'static str; 4] = ["builtin", "builtin:echo", "builtin:amnesiac", "builtin:omniscient"];

    /// An embedded model of this kind.
    #[must_use]
    pub const fn new(kind: BuiltinKind) -> Self {
        Self { kind }
    }

    /// The kind that a model's name asks for; `None` when it is no name of an embedded model.
    #[must_use]
    pub fn kind_of(model: &str) -> Option<BuiltinKind> {
        match model {
            "builtin" => Some(BuiltinKind::Reader),
            "builtin:echo" => Some(BuiltinKind::Echo),
            "builtin:amnesiac" => Some(BuiltinKind::Amnesiac),
            "builtin:omniscient" => Some(BuiltinKind::Omniscient),
            _ => None,
        }
    }

    /// What it says to a request, and the tokens that it estimates for that.
    #[must_use]
    pub fn answer(self, messages: &[Message], facts: &[Fact]) -> (String, Usage) {
        let text = self.reply(messages, facts);
        let usage = usage(messages, &text);
        (text, usage)
    }

    fn reply(self, messages: &[Message], facts: &[Fact]) -> String {
        let Some(last) = messages.iter().rposition(|message| message.role == Role::User) else {
            return NOTED.to_owned();
        };
        let (before, user) = (&messages[..last], &*messages[last].content);
        match (is_question(user), self.kind) {
            (false, BuiltinKind::Echo) => format!("You said: {user}"),
            (false, _) => NOTED.to_owned(),
            (true, BuiltinKind::Amnesiac) => UNKNOWN.to_owned(),
            (true, BuiltinKind::Omniscient) => answer(asked(facts, user).map(|fact| sentence(fact, &fact.value))),
            (true, BuiltinKind::Reader | BuiltinKind::Echo) if facts.is_empty() => {
                let picked = pick_up(before);
                let is_asked = |item: &Picked| item.is_asked_in(user);
                let is_any_asked = picked.iter().any(is_asked);
                answer(picked.iter().filter(|item| !is_any_asked || is_asked(item)).map(Picked::sentence))
            }
            (true, BuiltinKind::Reader | BuiltinKind::Echo) => answer(asked(facts, user).filter_map(|fact| {
                let value = visible_value(fact, before)?;
                Some(sentence(fact, value))
            })),
        }
    }
}

impl ChatModel for Builtin {
    fn source(&self) -> Source {
        Source::Builtin
    }

    fn is_language_model(&self) -> bool {
        false
    }

    fn chat<'a>(
        &'a self,
        request: ChatRequest<'a>,
        observer: &'a dyn Observer,
    ) -> BoxFuture<'a, Result<ChatReply, CallError>> {
        async move {
            let start = Instant::now();
            let (text, usage) = self.answer(request.messages, request.facts);
            let mut ttft = None;
            if request.stream {
                for word in text.split_inclusive(' ') {
                    ttft.get_or_insert_with(|| start.elapsed());
                    observer.delta(word);
                }
            }
            Ok(ChatReply {
                usage: Some(usage),
                reply: Reply { text, finish_reason: Some("stop".to_owned()) },
                chunks: Vec::new(),
                thinking: None,
                latency: start.elapsed(),
                ttft,
                model_reported: None,
                fingerprint: None,
                attempts: 1,
                reserved_usd: None,
            })
        }
        .boxed()
    }
}

fn usage(messages: &[Message], reply: &str) -> Usage {
    let message = |message: &Message| tokens::estimate(&message.content) + tokens::PER_MESSAGE as u64;
    Usage { sent: messages.iter().map(message).sum(), reply: tokens::estimate(reply), estimated: true }
}

/// A question has a question mark, or begins as one.
fn is_question(text: &str) -> bool {
    static BEGINNING: LazyLock<Regex> = LazyLock::new(|| {
        compiled(r"(?i)^\W*(?:what|whats|who|whos|whom|whose|where|wheres|when|why|how|which|tell me|remind me)\b")
    });
    text.contains(['?', '？', '؟', '՞', '፧']) || BEGINNING.is_match(text)
}

/// The facts whose name or phrase stands in the question; where none does, all.
fn asked<'f>(facts: &'f [Fact], question: &str) -> impl Iterator<Item = &'f Fact> {
    let question = fold(question);
    let is_asked = move |fact: &Fact| {
        let name = fact.name.replace('_', " ");
        let mut phrases = [name.as_str()].into_iter().chain(fact.asks.iter().map(String::as_str));
        phrases.any(|phrase| contains_word(&question, &fold(phrase)))
    };
    let is_any_asked = facts.iter().any(&is_asked);
    facts.iter().filter(move |fact| !is_any_asked || is_asked(fact))
}

/// The value of a fact that the messages give: of several the one that they mention first the latest, which is the
/// present one where each replaced the one before.
fn visible_value<'f>(fact: &'f Fact, messages: &[Message]) -> Option<&'f str> {
    let values = FactMatcher::of_fact(fact);
    let latest = FactMatcher::latest(&values, &messages.iter().map(|message| &*message.content))?;
    Some(values[latest].0)
}

fn sentence(fact: &Fact, value: &str) -> String {
    format!("Your {} is {value}.", fact.name.replace('_', " "))
}

fn answer(sentences: impl Iterator<Item = String>) -> String {
    let answer = sentences.collect::<Vec<_>>().join(" ");
    if answer.is_empty() { UNKNOWN.to_owned() } else { answer }
}

#[cfg(test)]
mod tests;
