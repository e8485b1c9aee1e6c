//! What came back for a request.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Token counts of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the request.
    pub sent: u64,
    /// Tokens of the reply.
    pub reply: u64,
    /// Whether these are our estimate because the provider gave none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub estimated: bool,
}

impl Usage {
    /// Both together. A file may say any number: nothing overflows here.
    #[must_use]
    pub const fn total(self) -> u64 {
        self.sent.saturating_add(self.reply)
    }
}

/// A reply as checks see it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reply {
    /// The text, without what a reasoning model thought.
    pub text: String,
    /// Why it ended, as the provider says: `stop`, `length`, `content_filter`, …
    pub finish_reason: Option<String>,
}

impl Reply {
    /// Cut off by a length limit: what would have come is not known.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.finish_reason.as_deref() == Some("length")
    }

    /// Nothing to judge: empty, or withheld by a content filter.
    #[must_use]
    pub fn is_withheld(&self) -> bool {
        self.text.trim().is_empty() || self.finish_reason.as_deref() == Some("content_filter")
    }
}

/// Where a reply came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A provider was called.
    Live,
    /// Written in the script.
    Canned,
    /// The embedded model.
    Builtin,
    /// A recording was replayed.
    Cassette,
    /// A call of the same run that sent the same.
    Shared,
}

impl Source {
    /// Whether a provider said it in this very run.
    #[must_use]
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Live | Self::Shared)
    }

    /// The word used in every output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Canned => "canned",
            Self::Builtin => "builtin",
            Self::Cassette => "cassette",
            Self::Shared => "shared",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
