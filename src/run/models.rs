//! Who answers in a run, and what that costs.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::{Params, Price};
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
    /// The longest reply, in tokens, where the parameters of a request set none: some services want a number.
    pub longest_reply: Option<u32>,
}

impl Model {
    /// The parameters that go along, of those that are asked for.
    #[must_use]
    pub fn params(&self, asked: &Params) -> Params {
        Params { max_tokens: asked.max_tokens.or(self.longest_reply), ..asked.clone() }
    }
}

/// The models of a run, by their names in the config.
pub type Models = HashMap<String, Model>;
