//! Checks as values: what is asserted, with all its variables filled in.

use super::{JsonPath, Pattern, Schema, script::Position};

/// One assertion: on a reply, or with another kind on the whole transcript.
#[derive(Debug, Clone, PartialEq)]
pub struct Check<K = CheckKind> {
    /// What is asserted.
    pub kind: K,
    /// The user's own name for it.
    pub name: Option<String>,
    /// Globs of the models that it is for; empty for all.
    pub models: Vec<String>,
    /// That it is expected to fail.
    pub known_failure: Option<KnownFailure>,
    /// Skipped on the embedded model, which is no language model.
    pub needs_model: bool,
    /// Where it stands in its file.
    pub position: Position,
}

/// The mark of a check that is expected to fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownFailure {
    /// Why.
    pub why: String,
    /// Globs of the models on which it is; empty for all. On others the check is held to as any other is.
    pub models: Vec<String>,
}

/// A text to look for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The text.
    pub text: String,
    /// Whether upper and lower case differ.
    pub case: bool,
}

/// A fact as a check names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactRef {
    /// Index into the script's facts.
    pub fact: usize,
    /// The value that counts as the present one, where the check says so itself.
    pub value: Option<String>,
}

/// How a reply must own up to not knowing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admits {
    /// By one of the kept phrases.
    Phrases,
    /// By a match of this expression.
    Pattern(Pattern),
}

/// Limits on the request that was really sent. All given ones must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SentCheck {
    /// Some message has each of these.
    pub contains: Vec<Text>,
    /// No message has any of these.
    pub not_contains: Vec<Text>,
    /// At most so many messages, the system message included.
    pub max_messages: Option<u64>,
    /// At most so many tokens.
    pub max_tokens: Option<u64>,
    /// The first message after the system message, or without one the first of all, has this role.
    pub first_role: Option<super::Role>,
    /// The system message is first and there is exactly one (`true`), or there is none (`false`).
    pub system_first: Option<bool>,
}

/// How alike a reply must be to a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Similar {
    /// The text.
    pub to: String,
    /// The least measure, from 0 to 1.
    pub min: f64,
    /// How it is measured.
    pub by: Similarity,
}

/// How it is measured how alike two texts are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Similarity {
    /// By the words that they have in the same order.
    RougeL,
    /// By the characters that must be changed.
    Levenshtein,
}

impl Similarity {
    /// As it is written in YAML.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RougeL => "rouge_l",
            Self::Levenshtein => "levenshtein",
        }
    }

    /// Its name in sentences.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::RougeL => "ROUGE-L",
            Self::Levenshtein => "Levenshtein similarity",
        }
    }

    /// What it counts.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::RougeL => "words",
            Self::Levenshtein => "characters",
        }
    }
}

/// What a check asserts.
#[derive(Debug, Clone, PartialEq)]
pub enum CheckKind {
    /// The reply has all of them.
    Contains(Vec<Text>),
    /// The reply has at least one of them.
    ContainsAny(Vec<Text>),
    /// The reply has none of them.
    NotContains(Vec<Text>),
    /// The reply has none of them; the same, spelled as the counterpart of `contains_any`.
    NotContainsAny(Vec<Text>),
    /// The trimmed reply is the text.
    Equals(Text),
    /// The trimmed reply begins with the text.
    StartsWith(Text),
    /// The trimmed reply ends with the text.
    EndsWith(Text),
    /// The expression matches somewhere.
    Matches(Pattern),
    /// The expression matches nowhere.
    NotMatches(Pattern),
    /// At least so many Unicode words.
    MinWords(u64),
    /// At most so many Unicode words.
    MaxWords(u64),
    /// At most so many characters (Unicode scalar values).
    MaxChars(u64),
    /// At most so many Unicode sentences.
    MaxSentences(u64),
    /// It asks at least one question (`true`) or none (`false`).
    Asks(bool),
    /// It parses as JSON (`true`) or does not (`false`).
    Json(bool),
    /// It is JSON that is valid against the schema.
    JsonSchema(Schema),
    /// It is JSON in which all that the path finds is the value, and the path finds something.
    JsonPath(JsonPath, serde_json::Value),
    /// It is like the text.
    Similar(Similar),
    /// The call took at most so many milliseconds.
    MaxLatencyMs(u64),
    /// Its first token took at most so many milliseconds.
    MaxTtftMs(u64),
    /// The request has at most so many tokens.
    MaxTokensSent(u64),
    /// The call cost at most so many USD.
    MaxCostUsd(f64),
    /// The request really sent is so.
    Sent(SentCheck),
    /// The reply ended for this reason.
    FinishReason(String),
    /// The outcome is `retained`.
    Recalls(FactRef),
    /// The outcome is `forgotten`, and the reply admits it where that is asked.
    Forgets(FactRef, Option<Admits>),
    /// The outcome is `retained` or `forgotten`.
    RetainsIffVisible(FactRef),
    /// The inner one does not hold.
    Not(Box<CheckKind>),
}

impl CheckKind {
    /// The key under which it is written in YAML; `not` for an inverted one.
    #[must_use]
    pub const fn key(&self) -> &'static str {
        match self {
            Self::Contains(_) => "contains",
            Self::ContainsAny(_) => "contains_any",
            Self::NotContains(_) => "not_contains",
            Self::NotContainsAny(_) => "not_contains_any",
            Self::Equals(_) => "equals",
            Self::StartsWith(_) => "starts_with",
            Self::EndsWith(_) => "ends_with",
            Self::Matches(_) => "matches",
            Self::NotMatches(_) => "not_matches",
            Self::MinWords(_) => "min_words",
            Self::MaxWords(_) => "max_words",
            Self::MaxChars(_) => "max_chars",
            Self::MaxSentences(_) => "max_sentences",
            Self::Asks(_) => "asks",
            Self::Json(_) => "json",
            Self::JsonSchema(_) => "json_schema",
            Self::JsonPath(..) => "json_path",
            Self::Similar(_) => "similar",
            Self::MaxLatencyMs(_) => "max_latency_ms",
            Self::MaxTtftMs(_) => "max_ttft_ms",
            Self::MaxTokensSent(_) => "max_tokens_sent",
            Self::MaxCostUsd(_) => "max_cost_usd",
            Self::Sent(_) => "sent",
            Self::FinishReason(_) => "finish_reason",
            Self::Recalls(_) => "recalls",
            Self::Forgets(..) => "forgets",
            Self::RetainsIffVisible(_) => "retains_iff_visible",
            Self::Not(_) => "not",
        }
    }
    /// Whether it says nothing of the embedded model, which is no language model.
    #[must_use]
    pub fn needs_model(&self) -> bool {
        match self {
            Self::Similar(_) => true,
            Self::Not(inner) => inner.needs_model(),
            _ => false,
        }
    }
}
