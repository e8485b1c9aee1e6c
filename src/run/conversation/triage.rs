//! `--triage`: why a reply does not have a fact, by two more calls that change no verdict.
//!
//! The question is asked with the whole history; where that does not help, with the fact restated just before it. Whatever comes
//! back joins no history. A run that goes on asks nothing that its journal holds, and nothing is shared: who asks what here
//! hangs on what was said before.

use std::sync::Arc;

use super::super::call::CallObserver;
use super::super::outlet::JournalLost;
use super::super::tape::{self, Tape};
use super::{Request, Stage, user_message};
use crate::check::{self, TurnView};
use crate::event::{CallDone, CallKind, CheckDone, Event, WireMessage, ranges};
use crate::model::{CheckKind, FactRef, Message, Outcome, Reply, Role, Source, Turn, TurnId, Verdict};
use crate::provider::{CallError, ChatReply, ChatRequest};

/// What stands behind the restated fact, so that user and bot still take turns.
pub(in crate::run) const HEARD: &str = "Noted.";

/// How a fact is restated.
pub(in crate::run) fn restated(fact: &str, value: &str) -> String {
    format!("Remember: {} is {value}.", fact.replace('_', " "))
}

/// The turn that is asked about once more.
#[derive(Clone, Copy)]
pub(super) struct Asked<'t> {
    pub number: TurnId,
    pub turn: &'t Turn,
    pub request: &'t Request,
    /// How many messages its history had.
    pub before: usize,
}

impl Stage<'_> {
    /// Why the reply does not have the fact of a failed check, in words; `None` where that is not the question, or cannot be
    /// asked now.
    pub(super) async fn triage(
        &mut self,
        asked: Asked<'_>,
        kind: &CheckKind,
        failed: &CheckDone,
    ) -> Result<Option<String>, JournalLost> {
        let (CheckKind::Recalls(fact) | CheckKind::RetainsIffVisible(fact)) = kind else { return Ok(None) };
        let Some(found) = failed.retention.as_ref().filter(|_| failed.verdict == Verdict::Fail) else {
            return Ok(None);
        };
        if !matches!(found.outcome, Some(Outcome::Missed | Outcome::Forgotten | Outcome::Stale)) {
            return Ok(None);
        }
        let fact = FactRef { fact: fact.fact, value: Some(found.value.clone()) };
        let whole = self.whole(asked);
        if whole.positions.len() > asked.request.positions.len() {
            match self.ask_more(asked, &whole, Vec::new()).await? {
                Ok(reply) if self.recalls(asked, &fact, &whole.messages, &reply) => {
                    return Ok(Some("triage: window; with the full history the reply has it".to_owned()));
                }
                Ok(_) => {}
                Err(why) => return Ok(why),
            }
        }
        let restated = restated(&found.fact, &found.value);
        let told = [(Role::User, restated.as_str()), (Role::Assistant, HEARD)];
        let told = told.map(|(role, content)| WireMessage { role, content: content.to_owned() }).to_vec();
        let reply = match self.ask_more(asked, asked.request, told.clone()).await? {
            Ok(reply) => reply,
            Err(why) => return Ok(why),
        };
        let messages = with_inserted(&asked.request.messages, &told);
        Ok(Some(if self.recalls(asked, &fact, &messages, &reply) {
            "triage: model; only told just before the question it has it".to_owned()
        } else if reply.is_withheld() || check::admits_not_knowing(&reply.text) {
            "triage: model; told just before the question, it still does not know".to_owned()
        } else {
            "triage: question; told just before it, the reply is about something else".to_owned()
        }))
    }

    /// The question with all that stood before it.
    fn whole(&self, asked: Asked<'_>) -> Request {
        let history = &self.history[..asked.before];
        let question = user_message(asked.number, asked.turn);
        let messages: Vec<Message> = self.system.iter().chain(history).cloned().chain([question]).collect();
        let own = asked.request.positions.last().copied();
        let positions = (0..messages.len() - 1).chain(own).collect();
        Request { messages, positions }
    }

    /// The reply to one more question; where there is none, why not, in words, or nothing where it is not asked now.
    async fn ask_more(
        &mut self,
        asked: Asked<'_>,
        request: &Request,
        inserted: Vec<WireMessage>,
    ) -> Result<Result<Reply, Option<String>>, JournalLost> {
        let sent = ranges(request.positions.iter().copied());
        let is_same = |call: &&CallDone| {
            call.kind == CallKind::Triage
                && (call.done.turn, &call.done.sent, &call.inserted) == (asked.number, &sent, &inserted)
        };
        if let Some(known) = self.calls.iter().find(is_same) {
            return Ok(outcome(known));
        }
        if self.steering.is_stopping() {
            return Ok(Err(None));
        }
        let messages = with_inserted(&request.messages, &inserted);
        let observer = CallObserver::new(self.outlet, self.conversation.plan, asked.number);
        let (result, source) = self.reply_to(&observer, &messages).await;
        let mut done = self.turn_done(asked.number, asked.turn, source);
        let effort = observer.effort();
        (done.sent, done.waited_ms) = (sent, effort.waited_ms);
        match result {
            Ok(reply) => {
                self.fill(&mut done, &messages, &reply);
                // What a window saves is not what this took.
                (done.tokens_full_history, done.pinned) = (None, None);
            }
            Err(CallError::Interrupted | CallError::OverBudget(_)) => return Ok(Err(None)),
            Err(error) => (done.error, done.attempts) = (Some(error.to_string()), effort.attempts),
        }
        let call = CallDone { inserted, ..CallDone::new(CallKind::Triage, done) };
        self.outlet.keep(Event::Call(Box::new(call.clone()))).await?;
        let told = outcome(&call);
        self.calls.push(call);
        Ok(told)
    }

    /// From a recording or the provider. Of requests that are the same, one recording stands for all.
    async fn reply_to(
        &self,
        observer: &CallObserver<'_>,
        messages: &[Message],
    ) -> (Result<ChatReply, CallError>, Source) {
        let source = self.conversation.model.chat.source();
        if let Some(Tape::Replay(cassette)) = self.conversation.tape.as_deref() {
            let sent = tape::wire(messages);
            match cassette.reply(&self.asked(&sent).key(1)) {
                Some(recorded) => return (Ok(tape::replayed(recorded)), Source::Cassette),
                None if source == Source::Cassette => {
                    let why = tape::missing(cassette, &self.asked(&sent), 1);
                    return (Err(CallError::NotRecorded(why)), source);
                }
                None => {}
            }
        }
        let request =
            ChatRequest { messages, params: &self.conversation.params, stream: false, facts: &self.script.facts };
        (self.conversation.model.chat.chat(request, observer).await, source)
    }

    fn recalls(&self, asked: Asked<'_>, fact: &FactRef, messages: &[Message], reply: &Reply) -> bool {
        let sent: Vec<&Message> = messages.iter().collect();
        let view = TurnView {
            turn: asked.number,
            sent: &sent,
            history: &self.history[..asked.before],
            list_positions: &[],
            reply,
            facts: &self.script.facts,
            system: self.system.as_ref(),
            keeps_history: self.keeps_history(),
            tokens_sent: None,
            gathered: None,
            measured: check::Measured::default(),
        };
        let decision = check::decide(&CheckKind::Recalls(fact.clone()), &view);
        decision.retention.is_some_and(|found| found.recalled == Some(true))
    }
}

/// The messages with others just before the last.
fn with_inserted(messages: &[Message], inserted: &[WireMessage]) -> Vec<Message> {
    let Some((question, rest)) = messages.split_last() else { return Vec::new() };
    let inserted = inserted.iter().map(|told| Message::new(told.role, question.origin, Arc::from(&*told.content)));
    rest.iter().cloned().chain(inserted).chain([question.clone()]).collect()
}

fn outcome(call: &CallDone) -> Result<Reply, Option<String>> {
    let done = &call.done;
    match (&done.reply, &done.error) {
        (Some(text), _) => Ok(Reply { text: text.clone(), finish_reason: done.finish_reason.clone() }),
        (None, error) => Err(Some(format!("not triaged: {}", error.as_deref().unwrap_or("no reply")))),
    }
}
