//! Checks on a whole transcript as values.
//!
//! A transcript is the live replies of a conversation's turns. Canned replies and probes are no part of it.

use super::{Check, CheckKind, Text};

/// One assertion on the whole transcript.
pub type TranscriptCheck = Check<TranscriptKind>;

/// A check on each reply of a stretch of turns.
#[derive(Debug, Clone, PartialEq)]
pub struct Throughout {
    /// What is asserted of a reply.
    pub kind: CheckKind,
    /// The first turn of the stretch, counted from 1.
    pub from: u32,
    /// The last turn of the stretch; without one it goes on to the end.
    pub until: Option<u32>,
}

impl Throughout {
    /// Whether a turn is in the stretch.
    #[must_use]
    pub fn has(&self, turn: u32) -> bool {
        self.from <= turn && self.until.is_none_or(|until| turn <= until)
    }
}

/// What a check asserts of a transcript.
#[derive(Debug, Clone, PartialEq)]
pub enum TranscriptKind {
    /// Each reply passes the check.
    Always(Throughout),
    /// No reply passes the check.
    Never(Throughout),
    /// At least one reply passes the check.
    Eventually(Throughout),
    /// The replies have the texts, each behind the one before.
    ContainsInOrder(Vec<Text>),
    /// No two replies are the same (`true`), or two are (`false`).
    NoRepeatedReply(bool),
    /// The calls together cost at most so many USD.
    MaxTotalCostUsd(f64),
    /// The inner one does not hold.
    Not(Box<TranscriptKind>),
}

impl TranscriptKind {
    /// The key under which it is written in YAML; `not` for an inverted one.
    #[must_use]
    pub const fn key(&self) -> &'static str {
        match self {
            Self::Always(_) => "always",
            Self::Never(_) => "never",
            Self::Eventually(_) => "eventually",
            Self::ContainsInOrder(_) => "contains_in_order",
            Self::NoRepeatedReply(_) => "no_repeated_reply",
            Self::MaxTotalCostUsd(_) => "max_total_cost_usd",
            Self::Not(_) => "not",
        }
    }
    /// Whether it says nothing of the embedded model, which is no language model.
    #[must_use]
    pub fn needs_model(&self) -> bool {
        match self {
            Self::Always(throughout) | Self::Never(throughout) | Self::Eventually(throughout) => {
                throughout.kind.needs_model()
            }
            Self::Not(inner) => inner.needs_model(),
            Self::ContainsInOrder(_) | Self::NoRepeatedReply(_) | Self::MaxTotalCostUsd(_) => false,
        }
    }
}
