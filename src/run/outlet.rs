//! Where events go: one consumer writes them to the journal first and shows them to whoever watches then.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::event::{Event, Live};
use crate::journal::{JournalError, Writer};

/// How long what is written may wait before it is forced to the disk.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// One thing on its way to the consumer.
#[derive(Debug)]
pub enum Note {
    /// For the journal; the sender hears when it is there.
    Event(Event, Option<oneshot::Sender<()>>),
    /// For whoever watches.
    Live(Live),
}

/// The journal takes nothing any more: nothing further may be sent to a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the journal cannot be written")]
pub struct JournalLost;

/// The way to the consumer; cheap to clone.
#[derive(Debug, Clone)]
pub struct Outlet {
    sender: Sender<Note>,
}

impl Outlet {
    /// An outlet and the other end, for [`consume`].
    #[must_use]
    pub fn new() -> (Self, Receiver<Note>) {
        let (sender, receiver) = channel();
        (Self { sender }, receiver)
    }

    /// Sends an event without waiting for it. Events of one task keep their order.
    ///
    /// # Errors
    /// When the journal is lost.
    pub fn tell(&self, event: Event) -> Result<(), JournalLost> {
        self.sender.send(Note::Event(event, None)).map_err(|_| JournalLost)
    }

    /// Sends an event and waits until the journal has it.
    ///
    /// # Errors
    /// When the journal is lost.
    pub async fn keep(&self, event: Event) -> Result<(), JournalLost> {
        let (done, kept) = oneshot::channel();
        self.sender.send(Note::Event(event, Some(done))).map_err(|_| JournalLost)?;
        kept.await.map_err(|_| JournalLost)
    }

    /// Shows something that is in no journal. Nobody is missed when nobody watches.
    pub fn live(&self, live: Live) {
        let _ = self.sender.send(Note::Live(live));
    }
}

/// Who watches a run while it goes on. Called on the consumer's thread, after the journal.
pub trait Watcher {
    /// An event is in the journal.
    fn event(&mut self, event: &Event);
    /// Something passing.
    fn live(&mut self, live: &Live);
    /// Called at least once a second, whether anything happened or not.
    fn tick(&mut self) {}
}

/// Writes what comes to the journal, in batches of what is there, until every outlet is gone.
///
/// # Errors
/// When the journal cannot be written: what was acknowledged before is in it.
pub fn consume(receiver: &Receiver<Note>, journal: &mut Writer, watcher: &mut dyn Watcher) -> Result<(), JournalError> {
    let mut dirty_since: Option<Instant> = None;
    loop {
        let wait = dirty_since.map_or(SYNC_EVERY, |since| SYNC_EVERY.saturating_sub(since.elapsed()));
        let first = match receiver.recv_timeout(wait) {
            Ok(note) => Some(note),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        if let Some(first) = first {
            let batch: Vec<Note> = std::iter::once(first).chain(receiver.try_iter().take(1_000)).collect();
            if write(batch, journal, watcher)? {
                dirty_since.get_or_insert_with(Instant::now);
            }
        }
        if dirty_since.is_some_and(|since| since.elapsed() >= SYNC_EVERY) {
            journal.sync()?;
            dirty_since = None;
        }
        watcher.tick();
    }
    journal.sync()
}

/// Writes one batch, acknowledges it, shows it. Says whether anything was written.
fn write(batch: Vec<Note>, journal: &mut Writer, watcher: &mut dyn Watcher) -> Result<bool, JournalError> {
    let mut events = Vec::with_capacity(batch.len());
    let mut acknowledgements = Vec::new();
    let mut order = Vec::with_capacity(batch.len());
    for note in batch {
        match note {
            Note::Event(event, done) => {
                order.push(None);
                events.push(event);
                acknowledgements.extend(done);
            }
            Note::Live(live) => order.push(Some(live)),
        }
    }
    if !events.is_empty() {
        journal.append(&events)?;
    }
    for done in acknowledgements {
        // A conversation that was aborted meanwhile does not listen any more.
        let _ = done.send(());
    }
    let mut shown = events.iter();
    for live in order {
        match live {
            Some(live) => watcher.live(&live),
            None => shown.next().into_iter().for_each(|event| watcher.event(event)),
        }
    }
    Ok(!events.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ends the run at the first tick, so that a consumer that never ticks would wait for ever.
    struct UntilTicked(Option<Outlet>);

    impl Watcher for UntilTicked {
        fn event(&mut self, _: &Event) {}
        fn live(&mut self, _: &Live) {}
        fn tick(&mut self) {
            self.0 = None;
        }
    }

    #[test]
    fn time_passes_also_where_nothing_happens() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Writer::create(folder.path().join("journal.jsonl")).unwrap();
        let (outlet, notes) = Outlet::new();
        consume(&notes, &mut journal, &mut UntilTicked(Some(outlet))).unwrap();
    }
}
