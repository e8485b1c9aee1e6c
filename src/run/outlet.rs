//! Where events go: one consumer writes them to the journal first and shows them to whoever watches then.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};

use crate::event::{Event, Live};
use crate::journal::{JournalError, Writer};

/// How long what is written may wait before it is forced to the disk, and the journal go unseen.
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
    is_there: watch::Receiver<()>,
}

/// The other end of all outlets of a run. When it is dropped, they know.
#[derive(Debug)]
pub struct Notes {
    receiver: Receiver<Note>,
    _is_there: watch::Sender<()>,
}

impl Outlet {
    /// An outlet and the other end, for [`consume`].
    #[must_use]
    pub fn new() -> (Self, Notes) {
        let (sender, receiver) = channel();
        let (here, is_there) = watch::channel(());
        (Self { sender, is_there }, Notes { receiver, _is_there: here })
    }

    /// Ends when the journal takes nothing any more.
    pub async fn lost(&self) {
        // It is never changed: only its end is waited for.
        let _ = self.is_there.clone().changed().await;
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
/// When the journal cannot be written, or is no longer where it was: what was acknowledged before is in it.
pub fn consume(notes: &Notes, journal: &mut Writer, watcher: &mut dyn Watcher) -> Result<(), JournalError> {
    let mut synced = Instant::now();
    loop {
        let first = match notes.receiver.recv_timeout(SYNC_EVERY.saturating_sub(synced.elapsed())) {
            Ok(note) => Some(note),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        if let Some(first) = first {
            let batch = std::iter::once(first).chain(notes.receiver.try_iter().take(1_000)).collect();
            write(batch, journal, watcher)?;
        }
        if synced.elapsed() >= SYNC_EVERY {
            secure(journal)?;
            synced = Instant::now();
        }
        watcher.tick();
    }
    secure(journal)
}

/// Makes sure that what was written outlives a power cut, and can be found.
fn secure(journal: &mut Writer) -> Result<(), JournalError> {
    journal.look_in_place()?;
    journal.sync()
}

/// Writes one batch, acknowledges it, shows it.
fn write(batch: Vec<Note>, journal: &mut Writer, watcher: &mut dyn Watcher) -> Result<(), JournalError> {
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
    Ok(())
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
        let first = Event::Stop(crate::event::Stopped { wall_ms: 0 });
        let mut journal = Writer::create(folder.path().join("journal.jsonl"), &first).unwrap();
        let (outlet, notes) = Outlet::new();
        consume(&notes, &mut journal, &mut UntilTicked(Some(outlet))).unwrap();
    }
}
