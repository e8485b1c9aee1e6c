//! A model that is never called: its replies are recorded, or there are none.

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::model::Source;
use crate::provider::{CallError, ChatModel, ChatReply, ChatRequest, Observer};

/// Stands in the place of a provider that must not be called, or cannot be for want of its key; with why nothing is asked.
#[derive(Debug, Clone, Copy)]
pub struct Uncalled(pub &'static str);

impl Uncalled {
    /// Its recordings are all that there is, and there is none of what is asked.
    pub const UNRECORDED: Self = Self("not recorded, and nothing was sent; nothing is recorded of this scenario");

    fn refusal<'a>(self) -> BoxFuture<'a, Result<ChatReply, CallError>> {
        std::future::ready(Err(CallError::NotRecorded(self.0.to_owned()))).boxed()
    }
}

impl ChatModel for Uncalled {
    fn source(&self) -> Source {
        Source::Cassette
    }

    fn chat<'a>(
        &'a self,
        _request: ChatRequest<'a>,
        _observer: &'a dyn Observer,
    ) -> BoxFuture<'a, Result<ChatReply, CallError>> {
        self.refusal()
    }

    fn embed<'a>(&'a self, _text: &'a str, _observer: &'a dyn Observer) -> BoxFuture<'a, Result<ChatReply, CallError>> {
        self.refusal()
    }
}
