//! Plays at most N conversations at once, and stops in good order when asked.

use std::any::Any;
use std::collections::HashMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::conversation::{self, Conversation, Played, Steering, judge_calls, replay_calls, triage_calls};
use super::fail_fast::{FailFast, FailedTrial};
use super::models::{Model, Models};
use super::order::{Order, Slot};
use super::outlet::{JournalLost, Outlet};
use super::outsiders::Outsiders;
use super::pins::{Pins, Replies};
use super::plan::{Plan, Planned};
use super::sessions::Sessions;
use super::sharing::Sharing;
use super::so_far::SoFar;
use super::tape::Tape;
use super::until_decided::UntilDecided;
use crate::diagnostic::Diagnostic;
use crate::event::{Begin, CheckDone, ConversationDone, Event, Live};
use crate::journal::Reader;
use crate::model::{ConversationId, End, Script, SnapshotRules, Source, Verdict};
use crate::provider::Budget;
use crate::scenario::Variables;

/// How long requests in flight may still take after a run was told to stop.
const GRACE: Duration = Duration::from_secs(10);

/// Everything that a run needs.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Job {
    /// The conversations, and the scenarios that they point into.
    pub plan: Plan,
    /// Places in the plan of the conversations that are played, in plan order; given back once the order of play is made.
    pub places: Vec<usize>,
    /// Who answers.
    pub models: Models,
    /// What is recorded of a scenario, or is to be, by its index in the plan; none where nothing is.
    pub tapes: HashMap<u32, Arc<Tape>>,
    /// Whether what several variants would send alike is sent once.
    pub is_shared: bool,
    /// Earlier replies that later turns see in the place of live ones; none where they see those.
    pub pins: Option<Pins>,
    /// Conversations in flight.
    pub concurrency: usize,
    /// The journal as it was when the run went on; none where it begins.
    pub earlier: Option<Reader>,
    /// How many live turns are played already, by place in the plan: of conversations that have sent something, and go on.
    pub turns_done: HashMap<usize, u32>,
    /// What its calls are paid from, where there is a limit to it.
    pub budget: Option<Arc<Budget>>,
    /// Whether the first failed check stops the run.
    pub is_fail_fast: bool,
    /// Whether trials are left out that can change no verdict any more.
    pub is_until_decided: bool,
    /// Whether it is asked why replies do not have facts.
    pub is_triaged: bool,
    /// Who is asked for what checks need from outside.
    pub outsiders: Arc<Outsiders>,
    /// What sessions with bots are called that keep their history themselves.
    pub sessions: Sessions,
}

impl Job {
    /// How many calls a conversation makes at most: its live turns, and what is asked beside them.
    #[must_use]
    pub fn calls_at_most(&self, planned: &Planned) -> u32 {
        let plan = &self.plan;
        let triage = if self.is_triaged { triage_calls(plan, planned) } else { 0 };
        // No judge is asked about the embedded model.
        let model = self.models.get(plan.model(planned)).filter(|model| model.chat.is_language_model());
        let judges = model.map_or(0, |_| judge_calls(plan, planned, self.outsiders.votes));
        let replays = model.filter(|model| model.chat.keeps_history()).map_or(0, |_| replay_calls(plan, planned));
        plan.live_turns(planned).saturating_add(triage).saturating_add(judges).saturating_add(replays)
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Every conversation was played.
    Complete,
    /// It stopped at a failed check.
    FailedFast,
    /// It was told to stop.
    Interrupted,
    /// The journal could not be written.
    JournalLost,
}

/// What the workers of a run share.
struct Course {
    job: Job,
    outlet: Outlet,
    /// The conversations that are not begun.
    order: Mutex<Order>,
    /// What conversations share; none where they share nothing.
    sharing: Option<Sharing>,
    /// Where the run stops at the first failed check.
    fail_fast: Option<FailFast>,
    /// Where trials are left out that can change no verdict any more.
    until_decided: Option<UntilDecided>,
    /// A conversation has ended, and another may be begun that waited for it.
    has_ended: Notify,
    /// No new turn is begun once this is true.
    is_stopping: AtomicBool,
    has_failed_fast: AtomicBool,
    is_journal_lost: AtomicBool,
}

impl Course {
    fn new(mut job: Job, outlet: Outlet) -> Self {
        let order = Mutex::new(Order::new(&job));
        let sharing = Sharing::new(&job);
        // Whoever is to be played is in the order now.
        job.places = Vec::new();
        let fail_fast = job.is_fail_fast.then(|| failed_before(&job));
        let until_decided = job.is_until_decided.then(|| known_before(&job));
        let has_ended = Notify::new();
        let [is_stopping, has_failed_fast, is_journal_lost] = [const { AtomicBool::new(false) }; 3];
        Self {
            job,
            outlet,
            order,
            sharing,
            fail_fast,
            until_decided,
            has_ended,
            is_stopping,
            has_failed_fast,
            is_journal_lost,
        }
    }

    fn order(&self) -> MutexGuard<'_, Order> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins no new turn anywhere, and ends what waits to be sent.
    fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
        let judges = self.job.outsiders.judges.values();
        self.job.models.values().chain(judges).for_each(|model| model.chat.stop_waiting());
        self.has_ended.notify_waiters();
    }

    /// Takes in that a conversation has ended.
    fn ended(&self, slot: Slot, played: Option<&Played>) {
        if let Some(sharing) = &self.sharing {
            sharing.ended(&self.job.plan.conversations.at(slot.place));
        }
        let Some(until_decided) = &self.until_decided else { return self.order().ended(slot, slot.place, 0) };
        let variant = self.job.plan.first_trial(slot.place);
        if let Some(played) = played {
            until_decided.ended(variant, played);
        }
        self.order().ended(slot, variant, self.needed(until_decided, slot.place) as usize);
        self.has_ended.notify_waiters();
    }

    /// How many more trials of a conversation's variant may be needed.
    fn needed(&self, until_decided: &UntilDecided, place: usize) -> u32 {
        let (plan, planned) = (&self.job.plan, self.job.plan.conversations.at(place));
        until_decided.needed(plan.first_trial(place), plan.trials_of(&planned), plan.scenario(&planned).pass_rate)
    }

    /// Whether a conversation is left out. One that has begun already is played: what it took is part of the run.
    fn is_left_out(&self, place: usize) -> bool {
        let is_decided = |until_decided: &UntilDecided| self.needed(until_decided, place) == 0;
        self.until_decided.as_ref().is_some_and(is_decided) && !self.job.turns_done.contains_key(&place)
    }

    fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }
}

impl Steering for Course {
    fn script(&self, plan: u32, captured: &Variables) -> Result<Arc<Script>, String> {
        let planned = self.job.plan.conversations.at(plan as usize);
        self.job.plan.script_with(&planned, captured).map_err(first_message)
    }

    fn is_stopping(&self) -> bool {
        self.is_stopping()
    }

    fn check_failed(&self, check: &CheckDone) {
        let Some(fail_fast) = &self.fail_fast else { return };
        if failed_trial(&self.job.plan, check).is_some_and(|trial| fail_fast.has_failed(&trial)) {
            self.stop();
            if !self.has_failed_fast.swap(true, Ordering::Relaxed) {
                self.outlet.live(Live::FailedFast);
            }
        }
    }
}

/// The checks that failed before the run went on: it does not stop at them again.
fn failed_before(job: &Job) -> FailFast {
    let known = FailFast::default();
    // A line that is damaged was found before anything was sent.
    let records = job.earlier.iter().flat_map(Reader::records).filter_map(Result::ok);
    let is_such = |check: &CheckDone| check.verdict == Verdict::Fail || check.holds_in_spite();
    for check in records.flat_map(|record| record.checks).filter(is_such) {
        failed_trial(&job.plan, &check).map(|trial| known.has_failed(&trial));
    }
    known
}

/// What trials brought that ended before the run went on, and are not played again.
fn known_before(job: &Job) -> UntilDecided {
    let known = UntilDecided::default();
    // A line that is damaged was found before anything was sent.
    for record in job.earlier.iter().flat_map(Reader::records).filter_map(Result::ok) {
        if matches!(record.end(), End::Passed | End::Failed) {
            let verdict = |check: &CheckDone| if check.is_open { Verdict::Unknown } else { check.verdict };
            let verdicts = record.checks.iter().map(|check| (verdict(check), check.known_failure.is_some())).collect();
            let played = Played { verdicts, is_whole: true };
            known.ended(job.plan.first_trial(record.begin.plan as usize), &played);
        }
    }
    known
}

fn failed_trial(plan: &Plan, check: &CheckDone) -> Option<FailedTrial> {
    let planned = &plan.conversations.get(check.plan as usize)?;
    Some(FailedTrial {
        variant: plan.key(planned),
        index: check.index,
        trials: plan.trials_of(planned),
        pass_rate: plan.scenario(planned).pass_rate,
        is_marked: check.known_failure.is_some(),
    })
}

/// Plays the conversations of the job. `interrupt` ends when the run is to stop: turns in flight get ten seconds to finish
/// then. Where the journal is lost, nothing more is sent.
pub async fn dispatch(job: Job, outlet: Outlet, interrupt: impl Future<Output = ()>) -> Ended {
    let course = Arc::new(Course::new(job, outlet.clone()));
    let mut workers = JoinSet::new();
    let conversations = course.order().left();
    for _ in 0..course.job.concurrency.clamp(1, conversations.max(1)) {
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
    if course.is_journal_lost.load(Ordering::Relaxed) {
        Ended::JournalLost
    } else if interrupted {
        Ended::Interrupted
    } else if course.has_failed_fast.load(Ordering::Relaxed) {
        Ended::FailedFast
    } else {
        Ended::Complete
    }
}

async fn finish(workers: &mut JoinSet<()>) {
    while workers.join_next().await.is_some() {}
}

async fn worker(course: Arc<Course>, outlet: Outlet) {
    while !course.is_stopping() {
        let has_ended = course.has_ended.notified();
        let (next, left) = {
            let mut order = course.order();
            (order.next(), order.left())
        };
        let slot = match next {
            Some(slot) => slot,
            None if left == 0 => return,
            None => {
                has_ended.await;
                continue;
            }
        };
        let played = if course.is_left_out(slot.place) {
            leave_out(&course.job, slot.place, &outlet).map(|()| None)
        } else {
            play_one(&course, slot.place, &outlet).await
        };
        if played.is_err() {
            course.is_journal_lost.store(true, Ordering::Relaxed);
            course.stop();
        }
        course.ended(slot, played.ok().flatten().as_ref());
    }
}

/// Says of a conversation that it is not played, since the verdicts of its variant are decided without it.
fn leave_out(job: &Job, index: usize, outlet: &Outlet) -> Result<(), JournalLost> {
    let begin = bare_begin(job, index);
    let (plan, calls) = (begin.plan, job.calls_at_most(&job.plan.conversations.at(index)));
    outlet.tell(Event::Begin(Box::new(begin)))?;
    let done = ConversationDone { plan, end: End::Skipped, error: None, checks: None, left_out: Some(calls) };
    outlet.tell(Event::Conversation(done))
}

/// Plays one conversation. A panic ends this conversation and nothing else; what came of its checks is not known then.
async fn play_one(course: &Course, index: usize, outlet: &Outlet) -> Result<Option<Played>, JournalLost> {
    let job = &course.job;
    let prepared = std::panic::catch_unwind(AssertUnwindSafe(|| conversation(course, index)));
    let conversation = match prepared.unwrap_or_else(|panic| Err(broke_off(&*panic))) {
        Ok(conversation) => conversation,
        Err(error) => {
            outlet.tell(Event::Begin(Box::new(bare_begin(job, index))))?;
            return errored(outlet, index, error).await.map(|()| None);
        }
    };
    match AssertUnwindSafe(conversation::play(&conversation, outlet, course)).catch_unwind().await {
        Ok(played) => played.map(Some),
        Err(panic) => errored(outlet, index, broke_off(&*panic)).await.map(|()| None),
    }
}

/// What a panic said.
fn broke_off(panic: &(dyn Any + Send)) -> String {
    let said = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("a defect of chat-eval ended this conversation: {}", said.unwrap_or("it says nothing of itself"))
}

pub(super) fn first_message(diagnostics: Vec<Diagnostic>) -> String {
    diagnostics.into_iter().next().map_or_else(String::new, |diagnostic| diagnostic.message)
}

/// Puts together what the conversation at a place of the plan needs, or says why it cannot be played.
fn conversation(course: &Course, index: usize) -> Result<Conversation, String> {
    let job = &course.job;
    let planned = &job.plan.conversations.at(index);
    let name = job.plan.model(planned);
    let model = job.models.get(name).ok_or_else(|| format!("there is no provider for the model `{name}`"))?;
    let is_recorded = model.chat.source() != Source::Builtin && !model.chat.keeps_history();
    let so_far = so_far(job, index)?;
    // The bot that heard what was said is gone, or may be.
    let is_anew = model.chat.keeps_history() && so_far.is_begun();
    Ok(Conversation {
        tape: job.tapes.get(&planned.scenario).filter(|_| is_recorded).cloned(),
        shared: match &course.sharing {
            Some(sharing) => sharing.of(planned, job.earlier.as_ref())?,
            None => None,
        },
        pins: pinned(job, index)?,
        is_triaged: job.is_triaged,
        outsiders: Arc::clone(&job.outsiders),
        so_far: if is_anew { SoFar::default() } else { so_far },
        sessions: job.sessions.clone(),
        is_anew,
        ..alone(&job.plan, index, model)?
    })
}

/// The conversation at a place of the plan, of which nothing is recorded, shared or known.
pub(super) fn alone(plan: &Plan, index: usize, model: &Model) -> Result<Conversation, String> {
    let planned = &plan.conversations.at(index);
    let scenario = plan.scenario(planned);
    Ok(Conversation {
        plan: u32::try_from(index).unwrap_or(u32::MAX),
        key: plan.conversation_key(planned),
        trials: plan.trials_of(planned),
        pass_rate: scenario.pass_rate,
        file: scenario.source.path.clone(),
        matrix: plan.cell(planned).clone(),
        script: plan.script(planned).map_err(first_message)?,
        canaries: plan.canaries(planned),
        persona: planned.persona as usize,
        window: plan.window(planned),
        params: model.params(&scenario.params),
        stream: plan.is_streamed(planned),
        snapshot: Arc::clone(&scenario.snapshot),
        model: model.clone(),
        tape: None,
        shared: None,
        pins: Replies::new(),
        is_triaged: false,
        outsiders: Arc::default(),
        sessions: Sessions::default(),
        is_anew: false,
        so_far: SoFar::default(),
    })
}

/// What its later turns see in the place of its live replies.
fn pinned(job: &Job, index: usize) -> Result<Replies, String> {
    let Some(pins) = &job.pins else { return Ok(Replies::new()) };
    let planned = &job.plan.conversations.at(index);
    pins.of(planned.scenario, &job.plan.conversation_key(planned)).map_err(|error| error.to_string())
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
    let planned = &job.plan.conversations.at(index);
    let scenario = job.plan.scenario(planned);
    let key = job.plan.conversation_key(planned);
    Begin {
        plan: u32::try_from(index).unwrap_or(u32::MAX),
        conversation: ConversationId::new(&key).to_string(),
        key,
        trials: job.plan.trials_of(planned),
        pass_rate: scenario.pass_rate,
        file: scenario.source.path.clone(),
        matrix: job.plan.cell(planned).clone(),
        system: None,
        history: Vec::new(),
        turns: 0,
        probes: 0,
        canaries: serde_json::Map::new(),
        params: match job.models.get(job.plan.model(planned)) {
            Some(model) => model.params(&scenario.params).effective(),
            None => scenario.params.effective(),
        },
        snapshot: SnapshotRules::clone(&scenario.snapshot),
        keeps_history: false,
        is_anew: false,
    }
}

/// Ends a conversation that has begun and cannot be carried through.
async fn errored(outlet: &Outlet, index: usize, error: String) -> Result<(), JournalLost> {
    let plan = u32::try_from(index).unwrap_or(u32::MAX);
    let (end, error) = (End::Errored, Some(error));
    outlet.keep(Event::Conversation(ConversationDone { plan, end, error, checks: None, left_out: None })).await
}
