//! Collects a streamed reply, and says when it is complete: with a finish reason, or with a `[DONE]`. Anything less is no
//! reply, however much of it arrived.
//!
//! The library reads the stream in a task of its own, which ends as soon as the stream is dropped; what it reads ahead is
//! bounded by the longest body that the tap lets through.

use std::time::Duration;

use async_openai::error::{OpenAIError, StreamError};
use async_openai::types::stream::StreamResponse;
use futures::StreamExt;
use tokio::time::{Instant, timeout_at};

use super::endpoint::MaskedPieces;
use super::halves::Halves;
use super::service::Exchange;
use super::thinking::Split;
use super::wire::{Answer, Choice};
use super::{Read, failure, halves};
use crate::provider::{CallError, Observer};

/// How long is waited for the token counts and the `[DONE]` behind a finish reason.
const AFTER_FINISH: Duration = Duration::from_secs(2);

/// How many times as long as it may be silent a stream may take in all. A long answer is written in far less; a server that
/// sends a piece now and then for ever would hold up the run without end.
const WHOLE: u32 = 10;

/// Collects the stream, with at most `idle` between two chunks, and at most ten times as long from the sending of the request
/// to its end.
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
    let whole = idle.saturating_mul(WHOLE);
    let mut end = started + whole;
    loop {
        let is_finished = reply.read.finish_reason.is_some();
        let silent = Instant::now() + idle;
        match timeout_at(silent.min(end), chunks.next()).await {
            Ok(Some(Ok(chunk))) => reply.take(chunk)?,
            // The reply is whole; what is missing is only what is said about it.
            Ok(Some(Err(_))) | Err(_) if is_finished => break,
            Ok(Some(Err(error))) => match halves::mended_chunk(&error) {
                Some(chunk) => reply.take_halves(chunk)?,
                None => return Err(broken(error, exchange)),
            },
            Ok(None) => break,
            Err(_) if silent <= end => {
                return Err(CallError::Connection(format!("the stream was silent for {}", failure::seconds(idle))));
            }
            Err(_) => {
                return Err(CallError::Connection(format!(
                    "the stream did not end within {}",
                    failure::seconds(whole)
                )));
            }
        }
        if !is_finished && reply.read.finish_reason.is_some() {
            end = end.min(Instant::now() + AFTER_FINISH);
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
    /// Those of the text and of the thinking, once there are any.
    halves: Option<[Halves; 2]>,
}

impl<'a> Growing<'a> {
    fn new(started: Instant, observer: &'a dyn Observer, exchange: &'a Exchange) -> Self {
        let masked = MaskedPieces::new(&exchange.endpoint);
        Self { started, observer, split: Split::new(), masked, read: Read::default(), has_choice: false, halves: None }
    }

    /// Takes a chunk in which halves of characters are marked.
    fn take_halves(&mut self, chunk: Answer) -> Result<(), CallError> {
        self.halves.get_or_insert_default();
        self.take(chunk)
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
        let Some(Choice { mut text, mut thinking, finish_reason }) = chunk.choice else { return Ok(()) };
        self.has_choice = true;
        if let Some([of_text, of_thinking]) = &mut self.halves {
            text = of_text.push(&text);
            thinking = of_thinking.push(&thinking);
        }
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
            self.read.chunks.push(u32::try_from(text.len()).unwrap_or(u32::MAX));
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
        if let Some([of_text, of_thinking]) = &mut self.halves {
            self.read.thinking.push_str(of_thinking.finish());
            let text = self.split.push(of_text.finish());
            self.grow(&text);
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::super::endpoint::Endpoint;
    use super::*;
    use crate::provider::AttemptFailed;

    struct Nobody;

    impl Observer for Nobody {
        fn delta(&self, _: &str) {}
        fn attempt_failed(&self, _: AttemptFailed) {}
    }

    const IDLE: Duration = Duration::from_secs(120);
    const EACH: Duration = Duration::from_secs(1);

    /// A stream of these chunks, and then of the last one for ever, one a second.
    fn dribble(chunks: Vec<Value>) -> StreamResponse<Answer> {
        Box::pin(futures::stream::unfold(0, move |number| {
            let chunk = Answer::from(chunks[number.min(chunks.len() - 1)].clone());
            async move {
                tokio::time::sleep(EACH).await;
                Some((Ok(chunk), number + 1))
            }
        }))
    }

    async fn collected(chunks: Vec<Value>) -> (Result<String, CallError>, Duration) {
        let endpoint = Arc::new(Endpoint::new("http://127.0.0.1:1", None).unwrap());
        let exchange = Exchange::new(&endpoint, true);
        let started = Instant::now();
        let read = collect(dribble(chunks), &exchange, IDLE, started, &Nobody).await;
        (read.map(|read| read.text), started.elapsed())
    }

    fn piece(text: &str) -> Value {
        json!({"choices": [{"delta": {"content": text}}]})
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_dribbles_for_ever_is_given_up() {
        for endless in [piece("a"), piece(""), json!({"choices": []})] {
            let (read, took) = collected(vec![endless]).await;
            let error = CallError::Connection("the stream did not end within 1200 s".to_owned());
            assert_eq!((read, took), (Err(error), 10 * IDLE));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_goes_on_behind_its_finish_reason_is_whole_soon() {
        let finish = json!({"choices": [{"delta": {}, "finish_reason": "stop"}]});
        let (read, took) = collected(vec![piece("Hi"), finish, json!({"choices": []})]).await;
        assert_eq!(read.unwrap(), "Hi");
        assert!(took <= 2 * EACH + AFTER_FINISH, "{took:?}");
    }
}
