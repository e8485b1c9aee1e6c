//! Checks as values: what is asserted, with all its variables filled in.

use super::{JudgeCheck, Pattern, ProgramCheck, script::Position};

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
    /// A model says that the criterion holds.
    Judge(Box<JudgeCheck>),
    /// A program ends well.
    Run(ProgramCheck),
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
            Self::Sent(_) => "sent",
            Self::FinishReason(_) => "finish_reason",
            Self::Recalls(_) => "recalls",
            Self::Forgets(..) => "forgets",
            Self::RetainsIffVisible(_) => "retains_iff_visible",
            Self::Judge(_) => "judge",
            Self::Run(_) => "run",
            Self::Not(_) => "not",
        }
    }
}
