//! Where events go: one consumer writes them to the journal first and shows them to whoever watches then.

use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval};

use crate::event::{Event, Live};
use crate::journal::{JournalError, Writer};

/// How long what is written may wait before it is forced to the disk, and the journal go unseen.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// How many things are written and acknowledged together at most.
const BATCH: usize = 1_000;

/// How often those that are awake have their turn before what they sent is written, as long as they send something and few wait.
const ROUNDS: usize = 8;

/// Once so many wait for a write it is not put off any longer. All that are written together are acknowledged together, and send
/// their next requests together: a server answers them so, and every reply of such a crowd waits for the others.
const ENOUGH: usize = 8;

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

impl Notes {
    /// Everything that is told until every outlet is gone, acknowledged at once: for conversations that no journal is kept of.
    pub(super) async fn gather(mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(note) = self.receiver.recv().await {
            if let Note::Event(event, done) = note {
                events.push(event);
                // Whoever does not wait for it does not listen.
                let _ = done.map(|done| done.send(()));
            }
        }
        events
    }
}

/// The way to the consumer; cheap to clone.
#[derive(Debug, Clone)]
pub struct Outlet {
    sender: UnboundedSender<Note>,
    is_there: watch::Receiver<()>,
}

/// The other end of all outlets of a run. When it is dropped, they know.
#[derive(Debug)]
pub struct Notes {
    receiver: UnboundedReceiver<Note>,
    _is_there: watch::Sender<()>,
}

impl Outlet {
    /// An outlet and the other end, for [`consume`].
    #[must_use]
    pub fn new() -> (Self, Notes) {
        let (sender, receiver) = unbounded_channel();
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

/// Who watches a run while it goes on. Called by the consumer, after the journal; nothing here may wait for anything.
pub trait Watcher {
    /// An event is in the journal.
    fn event(&mut self, event: &Event);
    /// Something passing.
    fn live(&mut self, live: &Live);
}

/// Writes what comes to the journal, in batches of what is there, until every outlet is gone, and gives the journal back.
///
/// It is a task beside those that it serves, and no thread of its own: a turn waits for its acknowledgement, and to wake
/// two threads for each turn took longer than all that is written. Only what may take its time is done elsewhere: the disk's
/// sync, and whatever a watcher shows.
///
/// # Errors
/// When the journal cannot be written, or is no longer where it was: what was acknowledged before is in it.
pub async fn consume(
    mut notes: Notes,
    mut journal: Writer,
    watcher: &mut (dyn Watcher + Send),
) -> Result<Writer, JournalError> {
    let mut batch = Vec::new();
    let (mut clock, mut synced) = (interval(SYNC_EVERY), Instant::now());
    let mut syncing = None;
    loop {
        let is_open = tokio::select! {
            biased;
            note = notes.receiver.recv() => {
                let is_open = note.is_some();
                batch.extend(note);
                is_open
            }
            _ = clock.tick() => true,
        };
        if !is_open {
            break;
        }
        gather(&mut notes, &mut batch).await;
        write(&mut batch, &mut journal, watcher)?;
        if synced.elapsed() >= SYNC_EVERY && syncing.as_ref().is_none_or(JoinHandle::is_finished) {
            done(syncing.take()).await?;
            journal.look_in_place()?;
            // Not here: for as long as a disk takes, no reply would be heard, and its latency told wrong.
            syncing = journal.begin_sync().map(tokio::task::spawn_blocking);
            synced = Instant::now();
        }
    }
    done(syncing).await?;
    journal.look_in_place()?;
    journal.sync()?;
    Ok(journal)
}

/// How a sync ended that was begun.
async fn done(syncing: Option<JoinHandle<Result<(), JournalError>>>) -> Result<(), JournalError> {
    match syncing {
        // A panic in it goes on here; one that the end of the program cut off has nobody to tell.
        Some(syncing) => syncing.await.unwrap_or_else(|error| match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Ok(()),
        }),
        None => Ok(()),
    }
}

/// Whoever is awake has its turn before anything is written: what they send comes along in one write.
async fn gather(notes: &mut Notes, batch: &mut Vec<Note>) {
    for _ in 0..ROUNDS {
        tokio::task::yield_now().await;
        let before = batch.len();
        while batch.len() < BATCH
            && let Ok(note) = notes.receiver.try_recv()
        {
            batch.push(note);
        }
        let waiting = batch.iter().filter(|note| matches!(note, Note::Event(_, Some(_)))).count();
        if batch.len() == before || waiting >= ENOUGH {
            break;
        }
    }
}

/// Writes what came together, acknowledges it, shows it.
fn write(notes: &mut Vec<Note>, journal: &mut Writer, watcher: &mut (dyn Watcher + Send)) -> Result<(), JournalError> {
    let events = notes.iter().filter_map(|note| match note {
        Note::Event(event, _) => Some(event),
        Note::Live(_) => None,
    });
    journal.append(events)?;
    for note in notes.iter_mut() {
        if let Note::Event(_, done) = note {
            // A conversation that was aborted meanwhile does not listen any more.
            let _ = done.take().map(|done| done.send(()));
        }
    }
    for note in notes.drain(..) {
        match note {
            Note::Event(event, _) => watcher.event(&event),
            Note::Live(live) => watcher.live(&live),
        }
    }
    Ok(())
}
