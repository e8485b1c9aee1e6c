//! Who answers in a run, and what that costs.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::Usage;
use crate::provider::ChatModel;
use crate::text::tokens::Tokenizer;

/// Who answers, and what it costs.
#[derive(Clone)]
pub struct Model {
    /// The provider.
    pub chat: Arc<dyn ChatModel>,
    /// Its price, where it is known.
    pub price: Option<Price>,
    /// What token windows count with.
    pub tokenizer: Tokenizer,
}

/// USD a million tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Price {
    /// Of the request.
    pub input: f64,
    /// Of the reply.
    pub output: f64,
}

impl Price {
    /// What a call with this usage cost.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "token counts are far below 2^52")]
    pub fn of(self, usage: Usage) -> f64 {
        (usage.sent as f64 * self.input + usage.reply as f64 * self.output) / 1e6
    }
}

/// The models of a run, by their names in the config.
pub type Models = HashMap<String, Model>;
