//! What a check looks at, and what a family of checks answers.

use std::borrow::Cow;

use super::limits::Measured;
use super::outside::Gathered;
use crate::event::Retention;
use crate::model::{Fact, Message, Reply, TurnId};

/// All of a turn that a check may look at.
#[derive(Debug, Clone, Copy)]
pub struct TurnView<'a> {
    /// The turn or the probe.
    pub turn: TurnId,
    /// The messages as sent, the turn's own user message last.
    pub sent: &'a [&'a Message],
    /// The whole history before this turn, without the system message.
    pub history: &'a [Message],
    /// Of each message in `sent`, its position in the conversation's own list.
    pub list_positions: &'a [usize],
    /// The reply.
    pub reply: &'a Reply,
    /// The script's facts, to which checks point by index.
    pub facts: &'a [Fact],
    /// The system message, where there is one.
    pub system: Option<&'a Message>,
    /// Whether the bot keeps its history itself: what it saw beside `sent` is not known.
    pub keeps_history: bool,
    /// Tokens of the request; `None` where nobody counted them.
    pub tokens_sent: Option<u64>,
    /// What its call took.
    pub measured: Measured,
    /// What was gathered outside for the check that is decided; `None` where it needs nothing, or nobody was asked.
    pub gathered: Option<&'a Gathered>,
}

/// What a family of checks found.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Finding {
    /// Whether the assertion holds; `None` where that cannot be known.
    pub holds: Option<bool>,
    /// That it is not known since it was not measured in this run: the check is passed over.
    pub is_skipped: bool,
    /// What was measured.
    pub score: Option<f64>,
    /// What was found, true in either case.
    pub detail: String,
    /// What is said even of a pass.
    pub note: Option<Cow<'static, str>>,
    /// The evidence of a retention check.
    pub retention: Option<Retention>,
}

impl Finding {
    pub(super) fn new(holds: impl Into<Option<bool>>, detail: impl Into<String>) -> Self {
        Self { holds: holds.into(), is_skipped: false, score: None, detail: detail.into(), note: None, retention: None }
    }
}

/// Why there is nothing to judge in a withheld reply.
pub(super) fn withheld(reply: &Reply) -> String {
    match reply.finish_reason.as_deref() {
        Some("content_filter") => "the reply was withheld by a content filter".to_owned(),
        Some("length") => "the reply is empty: its length limit was reached before its first word".to_owned(),
        _ => "the reply is empty".to_owned(),
    }
}

/// Why a reply that was cut off is not judged as a whole.
pub(super) const CUT: &str = "the reply was cut off by its length limit";
