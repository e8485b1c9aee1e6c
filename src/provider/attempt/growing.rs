//! A streamed reply while it arrives: how long its next piece is waited for, and what of it is shown as it comes.

use std::time::Duration;

use futures::{Stream, StreamExt};
use tokio::time::{Instant, timeout_at};

use super::exchange::Exchange;
use super::failure;
use super::read::Read;
use crate::provider::secrets::MaskedPieces;
use crate::provider::{CallError, Observer};

/// How long is waited for the token counts and the end of a stream behind a finish reason.
const AFTER_FINISH: Duration = Duration::from_secs(2);

/// How many times as long as it may be silent a stream may take in all. A long answer is written in far less; a server that
/// sends a piece now and then for ever would hold up the run without end.
const WHOLE: u32 = 10;

/// How long a stream is waited for: at most `idle` between two pieces, and at most ten times as long from the sending of the
/// request to its end.
pub(in crate::provider) struct Patience {
    idle: Duration,
    end: Instant,
    is_finished: bool,
}

/// What comes next of a stream.
pub(in crate::provider) enum Next<T> {
    /// A piece.
    Piece(T),
    /// Nothing: it ended, or the reply is whole and what is said about it was waited for long enough.
    End,
}

impl Patience {
    /// With a stream whose request was sent then.
    pub(in crate::provider) fn new(idle: Duration, started: Instant) -> Self {
        Self { idle, end: started + idle.saturating_mul(WHOLE), is_finished: false }
    }

    /// The reply is whole: what may follow is not waited for as long.
    pub(in crate::provider) fn finished(&mut self) {
        if !std::mem::replace(&mut self.is_finished, true) {
            self.end = self.end.min(Instant::now() + AFTER_FINISH);
        }
    }

    /// The next piece.
    ///
    /// # Errors
    /// When none comes in time, and the reply is not whole.
    pub(in crate::provider) async fn next<S: Stream + Unpin>(
        &self,
        pieces: &mut S,
    ) -> Result<Next<S::Item>, CallError> {
        let silent = Instant::now() + self.idle;
        match timeout_at(silent.min(self.end), pieces.next()).await {
            Ok(Some(piece)) => Ok(Next::Piece(piece)),
            Ok(None) => Ok(Next::End),
            Err(_) if self.is_finished => Ok(Next::End),
            Err(_) if silent <= self.end => {
                let message = format!("the stream was silent for {}", failure::seconds(self.idle));
                Err(CallError::Connection(message))
            }
            Err(_) => {
                let whole = self.idle.saturating_mul(WHOLE);
                Err(CallError::Connection(format!("the stream did not end within {}", failure::seconds(whole))))
            }
        }
    }
}

/// The reply as far as it came.
pub(in crate::provider) struct Growing<'a> {
    started: Instant,
    observer: &'a dyn Observer,
    masked: MaskedPieces<'a>,
    /// What was read so far.
    pub(in crate::provider) read: Read,
}

impl<'a> Growing<'a> {
    /// Nothing yet of the reply to a request that was sent then.
    pub(in crate::provider) fn new(started: Instant, observer: &'a dyn Observer, exchange: &'a Exchange) -> Self {
        Self { started, observer, masked: MaskedPieces::new(exchange.endpoint.secrets()), read: Read::default() }
    }

    /// Takes a piece of the text.
    pub(in crate::provider) fn say(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        self.read.ttft.get_or_insert_with(|| self.started.elapsed());
        let text = self.masked.push(text);
        self.show(&text);
    }

    /// Takes the reason for which the reply ends here.
    pub(in crate::provider) fn end(&mut self, finish_reason: Option<String>) {
        if finish_reason.is_some() {
            self.read.finish_reason = finish_reason;
            self.read.latency = Some(self.started.elapsed());
        }
    }

    fn show(&mut self, text: &str) {
        if !text.is_empty() {
            self.read.text.push_str(text);
            self.read.chunks.push(u32::try_from(text.len()).unwrap_or(u32::MAX));
            self.observer.delta(text);
        }
    }

    /// All of it: nothing more comes.
    pub(in crate::provider) fn whole(mut self) -> Read {
        let held = self.masked.finish();
        self.show(&held);
        self.read.latency.get_or_insert_with(|| self.started.elapsed());
        self.read
    }
}
