//! What a scenario asks of its snapshots.

use serde::{Deserialize, Serialize};

/// How much of a conversation its snapshot keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotMode {
    /// All of the transcript.
    #[default]
    Full,
    /// All but what a live model words differently every time.
    Structure,
    /// There is none.
    Off,
}

/// What a scenario asks of its snapshots; nothing by default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SnapshotRules {
    /// How much of the conversation they keep.
    #[serde(default)]
    pub mode: SnapshotMode,
    /// What is replaced in their texts, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redact: Vec<Redaction>,
}

impl SnapshotRules {
    /// Whether nothing is asked.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A text that varies and what stands in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redaction {
    /// The regular expression of what is replaced, as it is written.
    #[serde(rename = "match")]
    pub pattern: String,
    /// What stands there instead, as it is: `$1` means nothing.
    pub with: String,
}
