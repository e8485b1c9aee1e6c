//! Sampling parameters of a request.

use serde_json::{Map, Value};

/// What goes along with the messages. `None` leaves a parameter to the provider's default.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Params {
    /// 0 to 2.
    pub temperature: Option<f64>,
    /// 0 to 1.
    pub top_p: Option<f64>,
    /// The longest reply, in tokens.
    pub max_tokens: Option<u32>,
    /// For providers that can repeat a draw.
    pub seed: Option<i64>,
    /// Texts that end a reply.
    pub stop: Vec<String>,
    /// -2 to 2.
    pub presence_penalty: Option<f64>,
    /// -2 to 2.
    pub frequency_penalty: Option<f64>,
    /// What a vendor adds, sent as it stands.
    pub extra: Map<String, Value>,
}

impl Params {
    /// How many tokens a reply may have at most; `None` where nothing limits it. Newer models of `OpenAI` take the limit as
    /// `max_completion_tokens`, which stands under `extra`.
    #[must_use]
    pub fn longest_reply(&self) -> Option<u64> {
        let newer = self.extra.get("max_completion_tokens").and_then(Value::as_u64);
        self.max_tokens.map(u64::from).max(newer)
    }
}
