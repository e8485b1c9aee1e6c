//! Plays at most N conversations at once, and stops in good order when asked.

use std::any::Any;
use std::cmp::Reverse;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures::FutureExt;
use tokio::task::JoinSet;

use super::conversation::{self, Conversation};
use super::models::Models;
use super::outlet::{JournalLost, Outlet};
use super::plan::Plan;
use super::so_far::SoFar;
use crate::event::{Begin, ConversationDone, Event, Live};
use crate::journal::Reader;
use crate::model::{ConversationId, End};

/// How long requests in flight may still take after a run was told to stop.
const GRACE: Duration = Duration::from_secs(10);

/// Everything that a run needs.
pub struct Job {
    /// The conversations, and the scenarios that they point into.
    pub plan: Plan,
    /// Places in the plan of the conversations that are played, in plan order.
    pub places: Vec<usize>,
    /// Who answers.
    pub models: Models,
    /// Conversations in flight.
    pub concurrency: usize,
    /// The journal as it was when the run went on; none where it begins.
    pub earlier: Option<Reader>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Every conversation was played.
    Complete,
    /// It was told to stop.
    Interrupted,
    /// The journal could not be written.
    JournalLost,
}

/// What the workers of a run share.
struct Course {
    job: Job,
    /// Places in the plan, in the order in which they are begun.
    order: Vec<usize>,
    /// How many of them were begun.
    begun: AtomicUsize,
    /// No new turn is begun once this is true.
    is_stopping: AtomicBool,
    is_journal_lost: AtomicBool,
}

impl Course {
    fn new(job: Job) -> Self {
        let order = order(&job);
        let (is_stopping, is_journal_lost) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { job, order, begun: AtomicUsize::new(0), is_stopping, is_journal_lost }
    }

    fn next(&self) -> Option<usize> {
        self.order.get(self.begun.fetch_add(1, Ordering::Relaxed)).copied()
    }

    /// Begins no new turn anywhere, and ends what waits to be sent.
    fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
        self.job.models.values().for_each(|model| model.chat.stop_waiting());
    }

    fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }
}

/// The order in which conversations are begun: those with the most calls first, so that a long one does not run alone at
/// the end. One at a time they are played in plan order, where the order changes nothing but what is seen first.
fn order(job: &Job) -> Vec<usize> {
    let conversations = &job.plan.conversations;
    let mut order = job.places.clone();
    if job.concurrency > 1 {
        order.sort_by_cached_key(|at| {
            let planned = &conversations[*at];
            (Reverse(job.plan.scenarios[planned.scenario].live_turns(planned.case, planned.cell)), *at)
        });
    }
    order
}

/// Plays the conversations of the job. `interrupt` ends when the run is to stop: turns in flight get ten seconds to finish
/// then. Where the journal is lost, nothing more is sent.
pub async fn dispatch(job: Job, outlet: Outlet, interrupt: impl Future<Output = ()>) -> Ended {
    let course = Arc::new(Course::new(job));
    let mut workers = JoinSet::new();
    for _ in 0..course.job.concurrency.clamp(1, course.order.len().max(1)) {
        workers.spawn(worker(Arc::clone(&course), outlet.clone()));
    }
    let mut interrupted = false;
    tokio::select! {
        () = finish(&mut workers) => {}
        // What is in flight could not be kept any more, and a call that is waited for would be made in vain.
        () = outlet.lost() => return Ended::JournalLost,
        () = interrupt => {
            interrupted = true;
            course.stop();
            outlet.live(Live::Stopping { grace: GRACE });
            // What does not finish in time is dropped with the set: its request ends, and no half reply was kept.
            let _ = tokio::time::timeout(GRACE, finish(&mut workers)).await;
        }
    }
    match (course.is_journal_lost.load(Ordering::Relaxed), interrupted) {
        (true, _) => Ended::JournalLost,
        (false, true) => Ended::Interrupted,
        (false, false) => Ended::Complete,
    }
}

async fn finish(workers: &mut JoinSet<()>) {
    while workers.join_next().await.is_some() {}
}

async fn worker(course: Arc<Course>, outlet: Outlet) {
    while !course.is_stopping() {
        let Some(index) = course.next() else { return };
        if play_one(&course, index, &outlet).await == Err(JournalLost) {
            course.is_journal_lost.store(true, Ordering::Relaxed);
            course.stop();
        }
    }
}

/// Plays one conversation. A panic ends this conversation and nothing else.
async fn play_one(course: &Course, index: usize, outlet: &Outlet) -> Result<End, JournalLost> {
    let job = &course.job;
    let prepared = std::panic::catch_unwind(AssertUnwindSafe(|| conversation(job, index)));
    let conversation = match prepared.unwrap_or_else(|panic| Err(broke_off(&*panic))) {
        Ok(conversation) => conversation,
        Err(error) => {
            outlet.tell(Event::Begin(Box::new(bare_begin(job, index))))?;
            return errored(outlet, index, error).await;
        }
    };
    let is_stopping = || course.is_stopping();
    match AssertUnwindSafe(conversation::play(&conversation, outlet, &is_stopping)).catch_unwind().await {
        Ok(end) => end,
        Err(panic) => errored(outlet, index, broke_off(&*panic)).await,
    }
}

/// What a panic said.
fn broke_off(panic: &(dyn Any + Send)) -> String {
    let said = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("a defect of chat-eval ended this conversation: {}", said.unwrap_or("it says nothing of itself"))
}

/// Puts together what the conversation at a place of the plan needs, or says why it cannot be played.
fn conversation(job: &Job, index: usize) -> Result<Conversation, String> {
    let planned = &job.plan.conversations[index];
    let scenario = &job.plan.scenarios[planned.scenario];
    let name = &planned.key.model;
    let model = job.models.get(name).ok_or_else(|| format!("there is no provider for the model `{name}`"))?;
    let first_message = |diagnostics: Vec<crate::diagnostic::Diagnostic>| {
        diagnostics.into_iter().next().map_or_else(String::new, |diagnostic| diagnostic.message)
    };
    Ok(Conversation {
        plan: u32::try_from(index).unwrap_or(u32::MAX),
        key: planned.conversation_key(),
        trials: job.plan.trials_of(planned),
        pass_rate: scenario.pass_rate,
        file: scenario.source.path.clone(),
        matrix: scenario.cells[planned.cell].clone(),
        script: scenario.script(planned.case, planned.cell).map_err(first_message)?,
        persona: planned.persona,
        window: planned.window,
        params: scenario.params.clone(),
        stream: job.plan.is_streamed(planned),
        model: model.clone(),
        so_far: so_far(job, index)?,
    })
}

/// What was played of a conversation before the run went on: read when it is begun, so that memory does not grow with
/// what the others said.
fn so_far(job: &Job, index: usize) -> Result<SoFar, String> {
    let Some(journal) = &job.earlier else { return Ok(SoFar::default()) };
    let record = journal.record_of(u32::try_from(index).unwrap_or(u32::MAX)).map_err(|error| error.to_string())?;
    Ok(record.map(SoFar::from).unwrap_or_default())
}

/// The beginning of a conversation that could not be put together.
fn bare_begin(job: &Job, index: usize) -> Begin {
    let planned = &job.plan.conversations[index];
    let scenario = &job.plan.scenarios[planned.scenario];
    let key = planned.conversation_key();
    Begin {
        plan: u32::try_from(index).unwrap_or(u32::MAX),
        conversation: ConversationId::new(&key).to_string(),
        key,
        trials: job.plan.trials_of(planned),
        pass_rate: scenario.pass_rate,
        file: scenario.source.path.clone(),
        matrix: scenario.cells[planned.cell].clone(),
        system: None,
        history: Vec::new(),
        turns: 0,
    }
}

/// Ends a conversation that has begun and cannot be carried through.
async fn errored(outlet: &Outlet, index: usize, error: String) -> Result<End, JournalLost> {
    let plan = u32::try_from(index).unwrap_or(u32::MAX);
    outlet.keep(Event::Conversation(ConversationDone { plan, end: End::Errored, error: Some(error) })).await?;
    Ok(End::Errored)
}
