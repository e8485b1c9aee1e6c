//! Windows: which part of the history goes along with a request.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::words::{Whole, exactly_one, exclusive, not_null};

/// Which part of the history goes along with a request.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub enum Window {
    /// `full`: the whole history. `none`: no history, every call a blank slate.
    Word(WindowWord),
    /// The last so many exchanges, the question included: the last `2N` messages.
    Exchanges(Size),
    /// A window with its size.
    Sized(WindowMap),
}

/// A window without a size.
#[derive(JsonSchema)]
#[schemars(inline, rename_all = "snake_case")]
pub enum WindowWord {
    /// The whole history.
    Full,
    /// No history: every call a blank slate.
    None,
}

/// A size of a window.
pub struct Size;

impl JsonSchema for Size {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({"type": "integer", "minimum": 1, "maximum": 1_000_000_000})
    }
}

/// A window with its size: exactly one of `exchanges`, `past_exchanges`, `messages` and `tokens`.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, transform = one_size)]
pub struct WindowMap {
    /// The last `2N` messages, the question included: the sliding window that people write first. From turn N+1 on it may
    /// start with a reply whose question is gone.
    #[schemars(transform = not_null)]
    exchanges: Option<Size>,
    /// The last so many whole exchanges before the question; never an orphan reply.
    #[schemars(transform = not_null)]
    past_exchanges: Option<Size>,
    /// The last so many messages, the question included.
    #[schemars(transform = not_null)]
    messages: Option<Size>,
    /// The longest end of the history with which the request counts at most so many tokens.
    #[schemars(transform = not_null)]
    tokens: Option<Size>,
    /// What becomes of replies at the head whose question was cut. Default: `keep`.
    orphan_reply: Option<OrphanReply>,
    /// So many messages of the history's beginning are kept, too.
    pin_first: Option<Whole<1, 1_000_000>>,
}

fn one_size(schema: &mut Schema) {
    exactly_one(schema, ["exchanges", "past_exchanges", "messages", "tokens"]);
    exclusive(schema, &[["past_exchanges", "orphan_reply"]]);
}

/// What becomes of orphan replies.
#[derive(JsonSchema)]
#[schemars(inline, rename_all = "snake_case")]
pub enum OrphanReply {
    /// They stay, and may carry a fact that their question gave away.
    Keep,
    /// They are cut, too.
    Drop,
}
