//! Calls beside the turns: what was asked, and what came back. The journal keeps them whole, so that whoever reads it can decide
//! again what hung on them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{TurnDone, WireMessage};

/// What a call beside the turns is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallKind {
    /// Why a reply does not have a fact.
    Triage,
    /// Whether a criterion holds: a model was asked.
    Judge,
    /// A text as a list of numbers, which is the reply in JSON.
    Embedding,
    /// Whether a program takes what was said.
    Program,
    /// A turn of the script, said once more to a bot that keeps its history itself, so that a probe has a branch of its own.
    Replay,
}

/// A call beside the turns: what was asked, and what came back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallDone {
    /// What it was, as of a turn that asks the same, the one that it belongs to; turn 0 where it is about the whole
    /// transcript.
    #[serde(flatten)]
    pub done: TurnDone,
    /// What it is for.
    pub kind: CallKind,
    /// Messages that were sent just before the last, beside those of the conversation's own list; to a judge these are all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inserted: Vec<WireMessage>,
    /// Who was asked, by its name in the config, where that is not the conversation's own model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The parameters that were sent, where they are not the conversation's own.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub params: Map<String, Value>,
    /// The version of the prompt that a judge was asked with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// Which vote of its check it is, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vote: Option<u32>,
    /// The program that was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<ProgramDone>,
}

impl CallDone {
    /// A call of a kind, of which nothing more is known.
    #[must_use]
    pub fn new(kind: CallKind, done: TurnDone) -> Self {
        let (inserted, params) = (Vec::new(), Map::new());
        Self { done, kind, inserted, model: None, params, prompt: None, vote: None, program: None }
    }
}

/// What came of a program that was started to judge.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramDone {
    /// The program and its arguments.
    pub program: Vec<String>,
    /// SHA-256 of what it had on its standard input, as hexadecimal digits: that is made of the conversation alone.
    pub input_sha256: String,
    /// The code that it ended with; absent where it did not end by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// Why it gave no verdict: it could not be started, took too long, or was ended by a signal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What it wrote to standard output, up to a limit.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stdout: String,
    /// What it wrote to standard error, up to a limit.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stderr: String,
    /// Whether it wrote more than is kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_cut: bool,
    /// How long it took, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
}
