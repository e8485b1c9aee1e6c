//! What a run does with recordings: replays them, or sees to it that the same request is recorded once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;

use crate::event::{Record, WireMessage};
use crate::model::{Message, Reply, Source};
use crate::provider::cassette::{Cassette, Key, Recorded, Request, recorded};
use crate::provider::{CallError, ChatReply};

/// The recordings of one scenario in a run.
#[derive(Debug)]
pub enum Tape {
    /// They are replayed.
    Replay(Arc<Cassette>),
    /// They are made: requests that are the same are sent once.
    Record(Cells),
}

/// A reply to each request of a run that records.
#[derive(Debug, Default)]
pub struct Cells(Mutex<HashMap<Key, Arc<OnceCell<ChatReply>>>>);

impl Tape {
    /// A tape that records, on which stands already what the journal of a run that goes on holds.
    #[must_use]
    pub fn recording(earlier: impl IntoIterator<Item = Record>) -> Self {
        let cells = Cells::default();
        let known = earlier.into_iter().flat_map(|record| recorded(&record)).filter(|(_, source)| source.is_live());
        for (entry, _) in known {
            // Of two with one key the first is recorded.
            let _ = cells.cell(&entry.key).set(replayed(&entry.reply));
        }
        Self::Record(cells)
    }
}

impl Cells {
    fn cell(&self, key: &Key) -> Arc<OnceCell<ChatReply>> {
        let mut cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(cells.entry(*key).or_default())
    }

    /// The reply to a request, from `call` where nobody has sent it yet. Whoever sends the same meanwhile waits for that; where it
    /// fails, one of those tries. Says where the reply came from.
    pub(super) async fn once(
        &self,
        key: &Key,
        call: impl Future<Output = Result<ChatReply, CallError>>,
    ) -> (Result<ChatReply, CallError>, Source) {
        let mut source = Source::Shared;
        let slot = self.cell(key);
        let asked = async {
            source = Source::Live;
            call.await
        };
        let reply = slot.get_or_try_init(|| asked).await.cloned();
        (reply, source)
    }
}

/// A recorded reply, as a provider would give it. It took no time.
pub(super) fn replayed(recorded: &Recorded) -> ChatReply {
    ChatReply {
        reply: Reply { text: recorded.text.clone(), finish_reason: recorded.finish_reason.clone() },
        chunks: recorded.chunks.clone(),
        thinking: recorded.thinking.clone(),
        usage: recorded.usage,
        latency: Duration::ZERO,
        ttft: None,
        model_reported: recorded.model.clone(),
        fingerprint: recorded.fingerprint.clone(),
        attempts: 0,
        reserved_usd: None,
    }
}

/// The messages of a request, as a recording has them.
pub(super) fn wire(messages: &[Message]) -> Vec<WireMessage> {
    messages.iter().map(|message| WireMessage { role: message.role, content: message.content.to_string() }).collect()
}

/// A request that is not recorded, in words.
pub(super) fn missing(cassette: &Cassette, request: &Request<'_>, occurrence: u32) -> String {
    let difference = cassette.difference(request, occurrence);
    format!("not recorded, and nothing was sent; {difference}; `--cassettes record` records it")
}
