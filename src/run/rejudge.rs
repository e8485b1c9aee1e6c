//! Judges once more what was said in an earlier run, with the checks as they are now, and calls nobody.
//!
//! A conversation is told by its names. Its checks are decided by [`conversation::play`](super::conversation::play), as those of
//! any other: each turn is taken from the record, with the messages that were really sent then. What the record does not have
//! was not said: no model stands behind it that could be asked.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::conversation::{Conversation, Steering, play};
use super::dispatch::first_message;
use super::models::Model;
use super::outlet::Outlet;
use super::outsiders::Outsiders;
use super::pins::Replies;
use super::sessions::Sessions;
use super::so_far::SoFar;
use crate::check::NOT_PLAYED;
use crate::event::{Begin, CheckDone, ConversationDone, Event, Record, TurnDone, WireMessage};
use crate::model::{Check, End, Origin, Params, Role, Script, Source, TurnId, Verdict, Window};
use crate::provider::cassette::Uncalled;
use crate::provider::{CallError, ChatModel, ChatReply, ChatRequest, Observer};
use crate::scenario::{Scenario, Variables};
use crate::text::tokens::Tokenizer;

/// Why a conversation cannot be judged again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No scenario has its name.
    #[error("the scenario `{0}` is not there any more")]
    Scenario(String),
    /// The scenario has no such case.
    #[error("the case `{0}` is not there any more")]
    Case(String),
    /// The scenario has no such cell.
    #[error("the matrix has no `{0}` any more")]
    Vars(String),
    /// The scenario has no such persona.
    #[error("the persona `{0}` is not there any more")]
    Persona(String),
    /// A turn asks something else now: what was said does not belong to it.
    #[error("{} asks something else now", .0.named())]
    Turn(TurnId),
    /// A turn that was asked is canned now, or the other way round.
    #[error("{} is {} now", .0.named(), if *.1 { "canned" } else { "asked" })]
    Canned(TurnId, bool),
    /// What turns capture is not in what was said.
    #[error("{}: {}", .0.named(), .1)]
    Capture(TurnId, String),
    /// The script cannot be put together with what the conversation had: its canaries, what it captured.
    #[error("its script cannot be put together: {0}")]
    Script(String),
}

/// A conversation with the checks as they are now.
#[derive(Debug, Clone, PartialEq)]
pub struct Rejudged {
    /// How it began, with what of the scenario belongs to its checks as it is now.
    pub begin: Begin,
    /// Its checks.
    pub checks: Vec<CheckDone>,
    /// How it ended.
    pub done: ConversationDone,
    /// Turns and probes that the scenario has and the run had not.
    pub added: Vec<TurnId>,
    /// What else was said before its turns than the scenario says now: it is judged by what was sent.
    pub changed: Vec<String>,
}

/// A conversation of an earlier run beside its scenario as it is now.
pub struct Again<'a> {
    record: &'a Record,
    scenario: &'a Scenario,
    case: usize,
    cell: usize,
    persona: usize,
    script: Arc<Script>,
    /// The same with what was captured, as it was from a turn on; by those turns.
    later: Vec<(TurnId, Arc<Script>)>,
    is_language_model: bool,
    /// Who judged: what they said is known, and nobody is asked.
    outsiders: Arc<Outsiders>,
}

impl<'a> Again<'a> {
    /// Finds a conversation's place in the scenario of its name, and whether what was said belongs to what is asked there.
    ///
    /// # Errors
    /// Why it cannot be judged again.
    pub fn new(
        record: &'a Record,
        scenario: Option<&'a Scenario>,
        is_language_model: bool,
        outsiders: &Arc<Outsiders>,
    ) -> Result<Self, Refused> {
        let key = &record.begin.key.variant;
        let scenario = scenario.ok_or_else(|| Refused::Scenario(key.scenario.clone()))?;
        let case = scenario.cases.names().position(|case| case == key.case);
        let vars = |cell: &Variables| {
            if cell.is_empty() { String::new() } else { serde_json::Value::Object(cell.clone()).to_string() }
        };
        let cell = scenario.cells.iter().position(|cell| vars(cell) == key.vars);
        let persona = scenario.personas.iter().position(|persona| *persona == key.persona);
        let case = case.ok_or_else(|| Refused::Case(key.case.clone()))?;
        let cell = cell.ok_or_else(|| Refused::Vars(key.vars.clone()))?;
        let persona = persona.ok_or_else(|| Refused::Persona(key.persona.clone()))?;
        let script = scenario.script_with(case, cell, &record.begin.canaries);
        let script = script.map_err(|wrong| Refused::Script(first_message(wrong)))?;
        let (later, outsiders) = (Vec::new(), Arc::clone(outsiders));
        let mut again = Self { record, scenario, case, cell, persona, script, later, is_language_model, outsiders };
        again.later = again.compare()?;
        Ok(again)
    }

    /// The script with what was captured so far.
    fn with(&self, captured: &Variables) -> Result<Arc<Script>, String> {
        let mut own = self.record.begin.canaries.clone();
        own.extend(captured.clone());
        self.scenario.script_with(self.case, self.cell, &own).map_err(first_message)
    }

    fn turn(&self, number: TurnId) -> Option<&'a TurnDone> {
        self.record.turns.iter().find(|turn| turn.turn == number)
    }

    /// Whether each turn asks what was asked. Gives the scripts with what was captured, by the turns behind which they hold.
    fn compare(&self) -> Result<Vec<(TurnId, Arc<Script>)>, Refused> {
        let (mut script, mut captured, mut later) = (Arc::clone(&self.script), Variables::new(), Vec::new());
        for number in self.script.asked().map(|(number, _)| number) {
            let (Some(turn), Some(known)) = (script.turn(number), self.turn(number)) else { continue };
            if *turn.user != *known.user {
                return Err(Refused::Turn(number));
            }
            if turn.reply.is_some() != (known.source == Source::Canned) {
                return Err(Refused::Canned(number, turn.reply.is_some()));
            }
            let Some(heard) = known.pinned.as_ref().or(known.reply.as_ref()).filter(|_| !turn.captures.is_empty())
            else {
                continue;
            };
            match turn.capture(heard) {
                Ok(more) => captured.extend(more.into_iter().map(|(name, value)| (name, value.into()))),
                // So it was then, and the conversation ended there.
                Err(_) if known.error.is_some() => break,
                Err(why) => return Err(Refused::Capture(number, why)),
            }
            script = match self.with(&captured) {
                Ok(script) => script,
                Err(_) if self.is_cut() => break,
                Err(why) => return Err(Refused::Script(why)),
            };
            later.push((number, Arc::clone(&script)));
        }
        Ok(later)
    }

    /// The script with all that was captured before a turn.
    pub(super) fn script_at(&self, number: TurnId) -> &Script {
        let before = self.later.iter().rev().find(|(behind, _)| *behind < number);
        before.map_or(&self.script, |(_, script)| script)
    }

    /// The script with all that was captured.
    pub(super) fn whole(&self) -> &Script {
        self.later.last().map_or(&self.script, |(_, script)| script)
    }

    /// The checks of a turn, in their order.
    pub(super) fn checks_of(&self, number: TurnId) -> Vec<&Check> {
        let script = self.script_at(number);
        script.turn(number).map(|turn| script.checks_of(self.persona, number, turn).collect()).unwrap_or_default()
    }

    /// The scenario's file.
    pub(super) fn file(&self) -> &str {
        &self.scenario.source.path
    }

    /// The scenario's name.
    pub(super) fn name(&self) -> &str {
        &self.scenario.name
    }

    /// Whether the conversation ended before its last turn for a reason that is not a call's.
    fn is_cut(&self) -> bool {
        match &self.record.done {
            None => true,
            Some(done) => matches!(done.end, End::Interrupted | End::Skipped) || done.error.is_some(),
        }
    }

    /// Whether it came to its last turn, and broke off for nothing but what a later look at it had to say.
    fn is_played(&self) -> bool {
        let begin = &self.record.begin;
        self.record.end() == End::Errored && self.record.turns.len() >= (begin.turns + begin.probes) as usize
    }

    /// Judges it. `run` is what the earlier run is called.
    ///
    /// One that was never put together, or was left out, has nothing that could be judged, and is as it was.
    pub async fn judge(&self, run: &str) -> Rejudged {
        let (added, changed) = (self.added(), self.changed());
        let begin = Begin {
            pass_rate: self.scenario.pass_rate,
            file: self.scenario.source.path.clone(),
            snapshot: (*self.scenario.snapshot).clone(),
            ..self.record.begin.clone()
        };
        let has_nothing = self.record.turns.is_empty() && self.record.checks.is_empty() && self.is_cut();
        if let Some(done) = self.record.done.as_ref().filter(|_| has_nothing) {
            return Rejudged { begin, checks: Vec::new(), done: done.clone(), added, changed };
        }
        let (mut checks, mut done) = self.decide(self.record.clone()).await;
        if done.end == End::Interrupted {
            let was = self.record.done.as_ref();
            done.end = self.record.end();
            done.error = was.and_then(|was| was.error.clone());
        }
        if self.leave_unasked(&mut checks) {
            let was = self.record.done.as_ref();
            (done.end, done.error) = (self.record.end(), was.and_then(|was| was.error.clone()));
        }
        self.end(run, &added, &mut checks, &mut done);
        Rejudged { begin, checks, done, added, changed }
    }

    /// Checks for which somebody was not asked, since the budget was spent or the run was to stop, stay so: what is known of their
    /// like decides nothing that was not decided then. Whether there are any.
    fn leave_unasked(&self, checks: &mut [CheckDone]) -> bool {
        if !matches!(self.record.end(), End::Skipped | End::Interrupted) {
            return false;
        }
        let is_like = |one: &CheckDone, other: &CheckDone| {
            (one.turn, &one.check, &one.name, &one.expected) == (other.turn, &other.check, &other.name, &other.expected)
        };
        let mut are_any = false;
        for check in checks {
            let mut was = self.record.checks.iter().filter(|was| was.verdict == Verdict::Skip);
            if let Some(was) = was.find(|was| is_like(was, check)).filter(|_| check.verdict != Verdict::Skip) {
                (check.verdict, check.is_open, check.score) = (Verdict::Skip, was.is_open, None);
                (check.decided_at, check.column) = (was.decided_at, was.column);
                check.detail.clone_from(&was.detail);
                are_any = true;
            }
        }
        are_any
    }

    /// How it ends where not all that is asked now was played: by the verdicts of what was, unless what is missing leaves a check
    /// open. Where it was broken off, or a check is open for that, the end says why.
    fn end(&self, run: &str, added: &[TurnId], checks: &mut [CheckDone], done: &mut ConversationDone) {
        let not_played = |turn: TurnId| format!("{} was not played in `{run}`", turn.named());
        for check in checks.iter_mut().filter(|check| check.verdict == Verdict::Unknown) {
            if let Some(turn) = check.turn.filter(|turn| self.turn(*turn).is_none()) {
                check.detail = not_played(turn);
            }
        }
        if done.end != End::Errored || done.error.is_some() {
            return;
        }
        let asked = || self.script.asked().filter(|(_, turn)| turn.reply.is_none()).map(|(number, _)| number);
        let mut known = asked().filter_map(|number| self.turn(number));
        if let Some(failed) = known.find(|turn| turn.reply.is_none() && turn.error.is_some()) {
            done.error.clone_from(&failed.error);
            return;
        }
        let missing: Vec<TurnId> = asked().filter(|number| self.turn(*number).is_none()).collect();
        let broken = || self.record.turns.iter().find_map(|turn| turn.error.clone());
        if let Some(turn) = missing.iter().find(|turn| !added.contains(turn)) {
            // So it was then: a turn before it broke the conversation off.
            done.error = broken().or_else(|| Some(not_played(*turn)));
            return;
        }
        let has = |checks: &[CheckDone], verdict: Verdict| checks.iter().any(|check| check.verdict == verdict);
        let Some(first) = missing.first() else {
            // Where a check is open, it says why itself.
            done.error = broken().filter(|_| !has(checks, Verdict::Unknown));
            return;
        };
        if let Some(turn) = missing.iter().find(|turn| !turn.is_probe()) {
            let is_open = |check: &&mut CheckDone| check.turn.is_none() && check.verdict == Verdict::Skip;
            for check in checks.iter_mut().filter(is_open).filter(|check| check.detail == NOT_PLAYED) {
                (check.verdict, check.is_open, check.detail) = (Verdict::Unknown, false, not_played(*turn));
            }
        }
        if has(checks, Verdict::Fail) {
            done.end = End::Failed;
        } else if !has(checks, Verdict::Unknown) {
            done.end = End::Passed;
        } else {
            let mut open = checks.iter().filter(|check| check.verdict == Verdict::Unknown);
            let is_missing = |check: &&CheckDone| check.turn.is_none_or(|turn| missing.contains(&turn));
            // Why a check on what was played is open it says itself.
            done.error = open.find(is_missing).map(|check| check.detail.clone()).or_else(|| Some(not_played(*first)));
        }
    }

    /// The checks of what a record has, and how it ends with them.
    pub(super) async fn decide(&self, record: Record) -> (Vec<CheckDone>, ConversationDone) {
        let plan = record.begin.plan;
        let said = Said { turns: record.turns.clone(), is_cut: self.is_cut() && !self.is_played() };
        let conversation = self.conversation(record, Arc::new(said));
        let (outlet, notes) = Outlet::new();
        let playing = async move {
            // Nobody keeps a journal that could be lost.
            let _ = play(&conversation, &outlet, self).await;
        };
        let ((), events) = futures::join!(playing, notes.gather());
        let mut checks = Vec::new();
        let mut done = ConversationDone { plan, end: End::Interrupted, error: None, checks: None, left_out: None };
        for event in events {
            match event {
                Event::Check(check) => checks.push(*check),
                Event::Conversation(ended) => done = ended,
                _ => {}
            }
        }
        (checks, done)
    }

    fn conversation(&self, record: Record, chat: Arc<Said>) -> Conversation {
        let begin = &record.begin;
        Conversation {
            plan: begin.plan,
            key: begin.key.clone(),
            trials: begin.trials,
            pass_rate: self.scenario.pass_rate,
            file: self.scenario.source.path.clone(),
            matrix: begin.matrix.clone(),
            script: Arc::clone(&self.script),
            canaries: begin.canaries.clone(),
            persona: self.persona,
            // Nothing is chosen any more.
            window: Window::FULL,
            params: Params::default(),
            stream: false,
            snapshot: Arc::clone(&self.scenario.snapshot),
            model: Model {
                chat: Arc::new(Silent {
                    said: chat,
                    is_language_model: self.is_language_model,
                    keeps_history: begin.keeps_history,
                }),
                price: None,
                tokenizer: Tokenizer::default(),
                longest_reply: None,
            },
            tape: None,
            shared: None,
            pins: Replies::new(),
            // Where it was asked then why a reply lacks a fact, the answers are known.
            is_triaged: true,
            outsiders: Arc::clone(&self.outsiders),
            sessions: Sessions::default(),
            is_anew: false,
            so_far: SoFar::unjudged(record),
        }
    }

    /// What the scenario asks and the run did not, where that is not for its having been cut short.
    fn added(&self) -> Vec<TurnId> {
        let was_asked = |number: TurnId| match number {
            TurnId::Turn(number) => number <= self.record.begin.turns,
            TurnId::Probe(number) => number <= self.record.begin.probes,
        };
        if self.record.begin.turns == 0 {
            return Vec::new();
        }
        let numbers = self.script.asked().map(|(number, _)| number);
        numbers.filter(|number| !was_asked(*number) && self.turn(*number).is_none()).collect()
    }

    /// What was said before the turns, or canned, and is another thing now.
    fn changed(&self) -> Vec<String> {
        let begin = &self.record.begin;
        let mut changed = Vec::new();
        if begin.turns == 0 {
            return changed;
        }
        if begin.system.as_deref().unwrap_or_default() != &*self.script.personas[self.persona].system {
            changed.push("the system prompt".to_owned());
        }
        let is_same =
            |(was, (role, content)): (&WireMessage, &(Role, Arc<str>))| was.role == *role && *was.content == **content;
        let history = &self.script.history;
        if begin.history.len() != history.len() || !begin.history.iter().zip(history).all(is_same) {
            changed.push("`history`".to_owned());
        }
        for (number, turn) in self.script.asked() {
            let (Some(canned), Some(known)) = (&turn.reply, self.turn(number)) else { continue };
            if known.reply.as_deref() != Some(&**canned) {
                changed.push(format!("the canned reply of {}", number.named()));
            }
        }
        changed
    }
}

impl Steering for Again<'_> {
    fn is_stopping(&self) -> bool {
        false
    }

    fn script(&self, _plan: u32, captured: &Variables) -> Result<Arc<Script>, String> {
        self.with(captured)
    }

    fn check_failed(&self, _check: &CheckDone) {}
}

/// What was said to a conversation.
struct Said {
    turns: Vec<TurnDone>,
    is_cut: bool,
}

/// Stands in the place of the model of an earlier run, and answers nothing: a call that failed then fails as it did.
struct Silent {
    said: Arc<Said>,
    is_language_model: bool,
    keeps_history: bool,
}

impl ChatModel for Silent {
    fn source(&self) -> Source {
        Source::Cassette
    }

    fn is_language_model(&self) -> bool {
        self.is_language_model
    }

    fn keeps_history(&self) -> bool {
        self.keeps_history
    }

    fn chat<'a>(
        &'a self,
        request: ChatRequest<'a>,
        _observer: &'a dyn Observer,
    ) -> BoxFuture<'a, Result<ChatReply, CallError>> {
        let asked = request.messages.last().and_then(|message| match message.origin {
            Origin::User(number) => Some(TurnId::Turn(number)),
            Origin::Probe(number) => Some(TurnId::Probe(number)),
            _ => None,
        });
        let known = asked.and_then(|asked| self.said.turns.iter().find(|turn| turn.turn == asked));
        let error = match known {
            Some(TurnDone { reply: None, error: Some(error), .. }) => CallError::NotRecorded(error.clone()),
            // A question about a reply that is known: nobody asks it now.
            Some(_) => CallError::Interrupted,
            None if self.said.is_cut => CallError::Interrupted,
            None => CallError::NotRecorded("it was not played".to_owned()),
        };
        std::future::ready(Err(error)).boxed()
    }
}

/// Why nobody is asked for what an earlier run did not ask for.
pub(super) const NOT_ASKED: &str = "it was not asked this in the run that is judged again, and nobody is asked now";

/// A model that is not asked any more: what it said in the earlier run is known, or nothing is.
#[must_use]
pub fn nobody() -> Model {
    Model { chat: Arc::new(Uncalled(NOT_ASKED)), price: None, tokenizer: Tokenizer::default(), longest_reply: None }
}
