//! Shared turns: which conversations may send the same requests, and what came of those.
//!
//! They are the variants of one scenario and case, on one model, in one trial; those of a plan that has no two such are
//! passed over. What they said is kept until the last of them has ended.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::cells::Cells;
use super::dispatch::Job;
use super::models::Model;
use super::plan::{Group, Planned, whole};
use super::tape::{self, Tape};
use crate::event::Record;
use crate::journal::Reader;
use crate::model::{Message, Role, Source, TurnId};
use crate::provider::cassette::Recorded;

/// A request at its place of a conversation. Model and parameters are the same for all that may share it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Asked {
    turn: TurnId,
    messages: Vec<(Role, Arc<str>)>,
}

impl Asked {
    /// By the messages of a turn.
    pub(super) fn new<'m>(turn: TurnId, messages: impl IntoIterator<Item = &'m Message>) -> Self {
        let messages = messages.into_iter().map(|message| (message.role, Arc::clone(message.content.text()))).collect();
        Self { turn, messages }
    }
}

/// The groups of conversations that may share turns.
#[derive(Debug)]
pub(super) struct Sharing(Mutex<HashMap<Group, Members>>);

#[derive(Debug, Default)]
struct Members {
    /// All of them, in plan order, those too that ended before the run went on.
    places: Vec<u32>,
    /// How many of them have not ended.
    left: u32,
    /// What came of their requests, from the beginning of the first of them on.
    cells: Option<Arc<Cells<Asked>>>,
}

impl Sharing {
    /// Of a job; none where nothing can be shared.
    pub(super) fn new(job: &Job) -> Option<Self> {
        if !job.is_shared {
            return None;
        }
        let (plan, mut groups) = (&job.plan, HashMap::<Group, Members>::new());
        let is_called = |planned: &Planned| {
            // What a bot says that keeps its history itself is said to one conversation.
            let is_shared = |model: &Model| model.chat.source() == Source::Live && !model.chat.keeps_history();
            job.models.get(plan.model(planned)).is_some_and(is_shared)
        };
        for (places, scenario) in plan.conversations.by_scenario() {
            let is_recorded = |first: Planned| is_recorded(job, first.scenario);
            if is_one_variant(scenario.clone()) || scenario.clone().next().is_some_and(is_recorded) {
                continue;
            }
            for (place, planned) in places.zip(scenario).filter(|(_, planned)| is_called(planned)) {
                groups.entry(planned.group()).or_default().places.push(whole(place));
            }
        }
        groups.retain(|_, members| members.places.len() > 1);
        if groups.is_empty() {
            return None;
        }
        for place in &job.places {
            groups.entry(plan.conversations.at(*place).group()).and_modify(|members| members.left += 1);
        }
        Some(Self(Mutex::new(groups)))
    }

    fn groups(&self) -> MutexGuard<'_, HashMap<Group, Members>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the conversation shares with its like; none where it has no such. Where a run goes on, that is what its journal
    /// holds already.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub(super) fn of(&self, planned: &Planned, earlier: Option<&Reader>) -> Result<Option<Arc<Cells<Asked>>>, String> {
        let mut groups = self.groups();
        let Some(members) = groups.get_mut(&planned.group()) else { return Ok(None) };
        if members.cells.is_none() {
            let cells = Cells::default();
            for place in members.places.iter().filter(|_| earlier.is_some()) {
                let record = earlier.map(|journal| journal.record_of(*place)).transpose();
                record.map_err(|error| error.to_string())?.flatten().iter().for_each(|record| know(&cells, record));
            }
            members.cells = Some(Arc::new(cells));
        }
        Ok(members.cells.clone())
    }

    /// A conversation has ended.
    pub(super) fn ended(&self, planned: &Planned) {
        let (mut groups, group) = (self.groups(), planned.group());
        let Some(members) = groups.get_mut(&group) else { return };
        members.left = members.left.saturating_sub(1);
        if members.left == 0 {
            groups.remove(&group);
        }
    }
}

/// Whether the conversations of a scenario are cases and trials of one variant, or of several models.
fn is_one_variant(mut scenario: impl Iterator<Item = Planned> + Clone) -> bool {
    let first = scenario.clone().next();
    scenario.all(|planned| first.is_some_and(|first| planned.is_alike(&first)))
}

/// What is recorded is sent once already, whoever asks it.
fn is_recorded(job: &Job, scenario: u32) -> bool {
    job.tapes.get(&scenario).is_some_and(|tape| matches!(**tape, Tape::Record(_)))
}

/// Takes in what was said to a conversation before the run went on.
fn know(cells: &Cells<Asked>, record: &Record) {
    let list = record.messages();
    for turn in record.turns.iter().filter(|turn| turn.source.is_live()) {
        let sent: Option<Vec<&Message>> = turn.sent_positions().map(|at| list.get(at)).collect();
        if let (Some(sent), Some(recorded)) = (sent, Recorded::of(turn)) {
            let by = turn.shared_from.unwrap_or(record.begin.plan);
            cells.know(Asked::new(turn.turn, sent), by, tape::replayed(&recorded));
        }
    }
}
