//! What the call behind a turn took, whoever made it.

use serde::{Deserialize, Serialize};

use super::TurnDone;
use crate::model::Source;

/// What a call took that this turn and others share: for its checks alone. Sums count a call once, where it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Took {
    /// From the last try's sending to the reply's end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<f64>,
    /// From the last try's sending to the first token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttft_ms: Option<f64>,
    /// What it cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
}

impl TurnDone {
    /// What its call took, also where another conversation made it.
    #[must_use]
    pub fn took(&self) -> Took {
        let own = Took { latency_ms: self.latency_ms, ttft_ms: self.ttft_ms, cost_usd: self.cost_usd };
        match self.source {
            Source::Shared => self.shared_took.unwrap_or(own),
            // It answers from what it is sent, at nobody's cost.
            Source::Builtin => Took { cost_usd: own.cost_usd.or(Some(0.0)), ..own },
            Source::Live | Source::Canned | Source::Cassette => own,
        }
    }
}
