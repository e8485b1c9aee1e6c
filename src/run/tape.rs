//! What a run does with recordings: replays them, or sees to it that the same request is recorded once.

use std::sync::Arc;
use std::time::Duration;

use super::cells::Cells;
use crate::event::{Record, WireMessage};
use crate::model::{Message, Reply, TurnId};
use crate::provider::ChatReply;
use crate::provider::cassette::{Cassette, Key, Recorded, Request, recorded};

/// The recordings of one scenario in a run.
#[derive(Debug)]
pub enum Tape {
    /// They are replayed.
    Replay(Arc<Cassette>),
    /// They are made: requests that are the same are sent once.
    Record(Cells<Key>),
}

impl Tape {
    /// A tape that records, on which stands already what the journal of a run that goes on holds.
    #[must_use]
    pub fn recording(earlier: impl IntoIterator<Item = Record>) -> Self {
        let cells = Cells::default();
        for record in earlier {
            let by = |turn: TurnId| record.turns.iter().find(|known| known.turn == turn)?.shared_from;
            let live =
                recorded(&record).into_iter().filter(|(entry, source)| source.is_live() && !entry.place.is_beside());
            for (entry, _) in live {
                let by = by(entry.place.turn).unwrap_or(record.begin.plan);
                cells.know(entry.key, by, replayed(&entry.reply));
            }
        }
        Self::Record(cells)
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
