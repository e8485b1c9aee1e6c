//! A talk with a bot that keeps its history itself: one message after another, and no more than the message is known.

use futures::FutureExt;
use futures::future::BoxFuture;

use super::chat_model::{CallError, ChatReply, ChatRequest, Observer};
use super::gate::Estimate;
use crate::model::{Message, Origin, Params, Role};

/// What a bot is told in one turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said<'a> {
    /// The system prompt, where the script has one. It is the same in all turns of a talk.
    pub system: Option<&'a str>,
    /// The user's message.
    pub user: &'a str,
    /// Which message of the talk it is, from 1.
    pub turn: u32,
    /// Whether the reply is asked for piece by piece.
    pub stream: bool,
}

impl Said<'_> {
    /// How it weighs on the rates of a bot.
    pub(super) fn weight(&self) -> Estimate {
        let system = self.system.map(|text| Message::new(Role::System, Origin::System, text));
        let user = Message::new(Role::User, Origin::User(self.turn), self.user);
        let messages: Vec<Message> = system.into_iter().chain([user]).collect();
        Estimate::of(&ChatRequest { messages: &messages, params: &Params::default(), stream: self.stream, facts: &[] })
    }
}

/// Why a bot that keeps its history itself takes no list of messages.
pub(super) fn one_at_a_time() -> CallError {
    let message = "the bot keeps its history itself, and is told one message at a time".to_owned();
    CallError::NotAgain { status: None, message }
}

/// One talk. Nobody else knows its id, and the bot forgets it, or may, when this is dropped.
///
/// Messages are told in their order, each once the one before has its reply. A message that may have been taken is not told again:
/// the bot would have heard it twice. After an error nothing more is told.
pub trait Session: Send + Sync {
    /// Tells the bot the next message.
    ///
    /// # Errors
    /// When no whole reply could be had.
    fn say<'a>(&'a self, said: Said<'a>, observer: &'a dyn Observer) -> BoxFuture<'a, Result<ChatReply, CallError>>;

    /// Nothing more will be told: what the bot has said beside its replies is looked for.
    ///
    /// # Errors
    /// When it said more than it was asked for, so that nobody knows what its replies answered.
    fn finish(&self) -> BoxFuture<'_, Result<(), CallError>> {
        std::future::ready(Ok(())).boxed()
    }
}
