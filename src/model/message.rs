//! A message of a conversation, and where in the script it comes from.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The persona's system prompt.
    System,
    /// The scripted user.
    User,
    /// The bot.
    Assistant,
}

impl Role {
    /// The role as it is spelled on the wire and in every output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where in its conversation a message comes from; displays as the short name used in snapshots and failures:
/// `system`, `h1` (first message of `history:`), `u1` (user message of turn 1), `a1` (its reply), `p1` (what probe 1 asks).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Origin {
    /// The system prompt.
    System,
    /// The n-th message of `history:`, counted from 1.
    History(u32),
    /// The user message of a turn, counted from 1.
    User(u32),
    /// The reply of a turn, counted from 1.
    Reply(u32),
    /// The user message of a probe, counted from 1. Its reply is in no history.
    Probe(u32),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("system"),
            Self::History(n) => write!(f, "h{n}"),
            Self::User(n) => write!(f, "u{n}"),
            Self::Reply(n) => write!(f, "a{n}"),
            Self::Probe(n) => write!(f, "p{n}"),
        }
    }
}

/// One message. Cloning is cheap: the text is shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// Where it comes from.
    pub origin: Origin,
    /// What is said.
    pub content: Arc<str>,
}

impl Message {
    /// A message.
    #[must_use]
    pub fn new(role: Role, origin: Origin, content: impl Into<Arc<str>>) -> Self {
        Self { role, origin, content: content.into() }
    }
}
