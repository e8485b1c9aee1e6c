//! Plays at most N conversations at once, and stops in good order when asked.

use std::any::Any;
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
use crate::event::{Begin, ConversationDone, Event, Live};
use crate::model::{ConversationId, End};

/// How long requests in flight may still take after a run was told to stop.
const GRACE: Duration = Duration::from_secs(10);

/// Everything that a run needs.
pub struct Job {
    /// What is played.
    pub plan: Plan,
    /// Who answers.
    pub models: Models,
    /// Conversations in flight.
    pub concurrency: usize,
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

/// The switch that stops a run: no new turn is begun once it is thrown.
#[derive(Debug, Default)]
struct Stop(AtomicBool);

impl Stop {
    fn throw(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_thrown(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Plays the whole plan. `interrupt` ends when the run is to stop: turns in flight get ten seconds to finish then.
pub async fn dispatch(job: Job, outlet: Outlet, interrupt: impl Future<Output = ()>) -> Ended {
    let job = Arc::new(job);
    let stop = Arc::new(Stop::default());
    let lost = Arc::new(AtomicBool::new(false));
    let next = Arc::new(AtomicUsize::new(0));
    let mut workers = JoinSet::new();
    for _ in 0..job.concurrency.clamp(1, job.plan.conversations.len().max(1)) {
        workers.spawn(worker(
            Arc::clone(&job),
            outlet.clone(),
            Arc::clone(&stop),
            Arc::clone(&lost),
            Arc::clone(&next),
        ));
    }
    let mut interrupted = false;
    tokio::select! {
        () = finish(&mut workers) => {}
        () = interrupt => {
            interrupted = true;
            stop.throw();
            outlet.live(Live::Stopping { grace: GRACE });
            // What does not finish in time is dropped with the set: its request ends, and no half reply was kept.
            let _ = tokio::time::timeout(GRACE, finish(&mut workers)).await;
        }
    }
    match (lost.load(Ordering::Relaxed), interrupted) {
        (true, _) => Ended::JournalLost,
        (false, true) => Ended::Interrupted,
        (false, false) => Ended::Complete,
    }
}

async fn finish(workers: &mut JoinSet<()>) {
    while workers.join_next().await.is_some() {}
}

async fn worker(job: Arc<Job>, outlet: Outlet, stop: Arc<Stop>, lost: Arc<AtomicBool>, next: Arc<AtomicUsize>) {
    while !stop.is_thrown() {
        let index = next.fetch_add(1, Ordering::Relaxed);
        if index >= job.plan.conversations.len() {
            return;
        }
        if play_one(&job, index, &outlet, &stop).await == Err(JournalLost) {
            lost.store(true, Ordering::Relaxed);
            stop.throw();
        }
    }
}

/// Plays one conversation. A panic ends this conversation and nothing else.
async fn play_one(job: &Job, index: usize, outlet: &Outlet, stop: &Stop) -> Result<End, JournalLost> {
    let prepared = std::panic::catch_unwind(AssertUnwindSafe(|| conversation(job, index)));
    let conversation = match prepared.unwrap_or_else(|panic| Err(broke_off(&*panic))) {
        Ok(conversation) => conversation,
        Err(error) => {
            outlet.tell(Event::Begin(Box::new(bare_begin(job, index))))?;
            return errored(outlet, index, error).await;
        }
    };
    let is_stopping = || stop.is_thrown();
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
    })
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
