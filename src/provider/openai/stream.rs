//! Collects a streamed reply, and says when it is complete: with a finish reason, or with a `[DONE]`. Anything less is no
//! reply, however much of it arrived.
//!
//! The library reads the stream in a task of its own, which ends as soon as the stream is dropped; what it reads ahead is
//! bounded by the longest body that the tap lets through.

use std::time::Duration;

use async_openai::error::{OpenAIError, StreamError};
use async_openai::types::stream::StreamResponse;
use futures::StreamExt;
use tokio::time::{Instant, timeout};

use super::endpoint::MaskedPieces;
use super::service::Exchange;
use super::thinking::Split;
use super::wire::{Answer, Choice};
use super::{Read, failure};
use crate::provider::{CallError, Observer};

/// How long is waited for the token counts and the `[DONE]` behind a finish reason.
const AFTER_FINISH: Duration = Duration::from_secs(2);

/// Collects the stream, with at most `idle` between two chunks.
///
/// # Errors
/// When the stream is not complete.
pub(super) async fn collect(
    mut chunks: StreamResponse<Answer>,
    exchange: &Exchange,
    idle: Duration,
    started: Instant,
    observer: &dyn Observer,
) -> Result<Read, CallError> {
    let mut reply = Growing::new(started, observer, exchange);
    loop {
        let is_finished = reply.read.finish_reason.is_some();
        let wait = if is_finished { AFTER_FINISH.min(idle) } else { idle };
        match timeout(wait, chunks.next()).await {
            Ok(Some(Ok(chunk))) => reply.take(chunk)?,
            // The reply is whole; what is missing is only what is said about it.
            Ok(Some(Err(_))) | Err(_) if is_finished => break,
            Ok(Some(Err(error))) => return Err(broken(error, exchange)),
            Ok(None) => break,
            Err(_) => {
                return Err(CallError::Connection(format!("the stream was silent for {}", failure::seconds(idle))));
            }
        }
    }
    reply.finish(exchange)
}

fn broken(error: OpenAIError, exchange: &Exchange) -> CallError {
    exchange.broken().unwrap_or_else(|| match error {
        OpenAIError::JSONDeserialize(_, chunk) => exchange.malformed("a chunk of the stream is not JSON", &chunk),
        OpenAIError::StreamError(error) => CallError::Malformed(match *error {
            StreamError::EventStream(text) => format!("the stream cannot be read: {text}"),
            StreamError::UnknownEvent(event) => format!("the stream has an unknown event `{}`", event.event),
        }),
        other => CallError::Malformed(other.to_string()),
    })
}

/// The reply as far as it came.
struct Growing<'a> {
    started: Instant,
    observer: &'a dyn Observer,
    split: Split,
    masked: MaskedPieces<'a>,
    read: Read,
    has_choice: bool,
}

impl<'a> Growing<'a> {
    fn new(started: Instant, observer: &'a dyn Observer, exchange: &'a Exchange) -> Self {
        let masked = MaskedPieces::new(&exchange.endpoint);
        Self { started, observer, split: Split::new(), masked, read: Read::default(), has_choice: false }
    }

    fn take(&mut self, chunk: Answer) -> Result<(), CallError> {
        if let Some(error) = &chunk.error {
            return Err(failure::of_error_object(error));
        }
        let read = &mut self.read;
        // Counts may come with every chunk; those of the last one are those of the whole.
        read.usage = chunk.usage.or(read.usage);
        read.model = read.model.take().or(chunk.model);
        read.fingerprint = read.fingerprint.take().or(chunk.fingerprint);
        let Some(Choice { text, thinking, finish_reason }) = chunk.choice else { return Ok(()) };
        self.has_choice = true;
        read.thinking.push_str(&thinking);
        let text = self.split.push(&text);
        self.grow(&text);
        if finish_reason.is_some() {
            self.read.finish_reason = finish_reason;
            self.read.latency = Some(self.started.elapsed());
        }
        Ok(())
    }

    fn grow(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        self.read.ttft.get_or_insert_with(|| self.started.elapsed());
        let text = self.masked.push(text);
        self.show(&text);
    }

    fn show(&mut self, text: &str) {
        if !text.is_empty() {
            self.read.text.push_str(text);
            self.observer.delta(text);
        }
    }

    fn finish(mut self, exchange: &Exchange) -> Result<Read, CallError> {
        if let Some(error) = exchange.broken().filter(|_| self.read.finish_reason.is_none()) {
            return Err(error);
        }
        if self.read.finish_reason.is_none() && !exchange.is_done() {
            return Err(CallError::Malformed("the stream ended without a finish reason or [DONE]".to_owned()));
        }
        if !self.has_choice {
            return Err(CallError::Malformed("the stream has no choices".to_owned()));
        }
        let (rest, thought) = std::mem::replace(&mut self.split, Split::new()).finish();
        self.grow(&rest);
        let held = self.masked.finish();
        self.show(&held);
        self.read.add_thought(thought);
        self.read.latency.get_or_insert_with(|| self.started.elapsed());
        Ok(self.read)
    }
}
