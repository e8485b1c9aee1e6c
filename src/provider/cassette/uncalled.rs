//! A model that is never called: its replies are recorded, or there are none.

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::model::Source;
use crate::provider::{CallError, ChatModel, ChatReply, ChatRequest, Observer};

/// Stands in the place of a provider that must not be called, or cannot be for want of its key.
#[derive(Debug, Clone, Copy, Default)]
pub struct Uncalled;

impl ChatModel for Uncalled {
    fn source(&self) -> Source {
        Source::Cassette
    }

    fn chat<'a>(
        &'a self,
        _request: ChatRequest<'a>,
        _observer: &'a dyn Observer,
    ) -> BoxFuture<'a, Result<ChatReply, CallError>> {
        not_recorded()
    }

    fn embed<'a>(&'a self, _text: &'a str, _observer: &'a dyn Observer) -> BoxFuture<'a, Result<ChatReply, CallError>> {
        not_recorded()
    }
}

fn not_recorded<'a>() -> BoxFuture<'a, Result<ChatReply, CallError>> {
    let why = "not recorded, and nothing was sent; nothing is recorded of this scenario".to_owned();
    std::future::ready(Err(CallError::NotRecorded(why))).boxed()
}
