//! Who answers in a run, and what that costs.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::Price;
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

/// The models of a run, by their names in the config.
pub type Models = HashMap<String, Model>;
