//! Collects a streamed reply, and says when it is complete: with a finish reason, or with a `[DONE]`. Anything less is no
//! reply, however much of it arrived.
//!
//! The library reads the stream in a task of its own, which ends as soon as the stream is dropped; what it reads ahead is
//! bounded by the longest body that the tap lets through.

use std::time::Duration;

use async_openai::error::{OpenAIError, StreamError};
use async_openai::types::stream::StreamResponse;
use tokio::time::Instant;

use super::super::attempt::{Exchange, Growing, Next, Patience, Read, failure};
use super::halves::{self, Halves};
use super::thinking::Split;
use super::wire::{Answer, Choice};
use crate::provider::{CallError, Observer};

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
    let mut reply = Completion::new(Growing::new(started, observer, exchange));
    let mut patience = Patience::new(idle, started);
    loop {
        match patience.next(&mut chunks).await? {
            Next::Piece(Ok(chunk)) => reply.take(chunk)?,
            // The reply is whole; what is missing is only what is said about it.
            Next::Piece(Err(_)) if reply.is_finished() => break,
            Next::Piece(Err(error)) => match halves::mended_chunk(&error) {
                Some(chunk) => reply.take_halves(chunk)?,
                None => return Err(broken(error, exchange)),
            },
            Next::End => break,
        }
        if reply.is_finished() {
            patience.finished();
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

/// The reply as far as its chunks say it.
struct Completion<'a> {
    growing: Growing<'a>,
    split: Split,
    has_choice: bool,
    /// Those of the text and of the thinking, once there are any.
    halves: Option<[Halves; 2]>,
}

impl<'a> Completion<'a> {
    const fn new(growing: Growing<'a>) -> Self {
        Self { growing, split: Split::new(), has_choice: false, halves: None }
    }

    const fn is_finished(&self) -> bool {
        self.growing.read.finish_reason.is_some()
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
        let read = &mut self.growing.read;
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
        self.growing.say(&self.split.push(&text));
        self.growing.end(finish_reason);
        Ok(())
    }

    fn finish(mut self, exchange: &Exchange) -> Result<Read, CallError> {
        let is_finished = self.is_finished();
        if let Some(error) = exchange.broken().filter(|_| !is_finished) {
            return Err(error);
        }
        if !is_finished && !exchange.is_done() {
            return Err(CallError::Malformed("the stream ended without a finish reason or [DONE]".to_owned()));
        }
        if !self.has_choice {
            return Err(CallError::Malformed("the stream has no choices".to_owned()));
        }
        if let Some([of_text, of_thinking]) = &mut self.halves {
            self.growing.read.thinking.push_str(of_thinking.finish());
            self.growing.say(&self.split.push(of_text.finish()));
        }
        let (rest, thought) = self.split.finish();
        self.growing.say(&rest);
        let mut read = self.growing.whole();
        read.add_thought(thought);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::super::super::attempt::{Endpoint, KeyHeader};
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
        let endpoint = Arc::new(Endpoint::new("http://127.0.0.1:1", None, KeyHeader::Bearer).unwrap());
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
        assert!(took <= 4 * EACH, "{took:?}");
    }
}
