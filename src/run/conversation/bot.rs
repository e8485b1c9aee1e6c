//! Talks with a bot that keeps its history itself.
//!
//! It is told the turns one after another in a session of the conversation's own, and of each what was sent is the message alone.
//! A probe must not hear another's words: for each the script is said once more, in a session of its own. What the bot says to that
//! goes to the journal and is not judged; the probe's reply is.

use std::sync::Arc;

use super::super::call::{CallObserver, Effort};
use super::super::plan::{Plan, Planned};
use super::answer::Answered;
use super::{Request, Stage};
use crate::event::{CallDone, CallKind, Event, ranges};
use crate::model::{Message, Role, Source, TurnId};
use crate::provider::{CallError, ChatReply, Observer, Said, Session};

/// How many turns are said once more for the probes of a conversation with a bot that keeps its history itself.
#[must_use]
pub fn replay_calls(plan: &Plan, planned: &Planned) -> u32 {
    let Ok(script) = plan.script(planned) else { return 0 };
    u32::try_from(script.probes.len().saturating_mul(script.turns.len())).unwrap_or(u32::MAX)
}

impl Stage<'_> {
    /// Whether the bot keeps its history itself.
    pub(super) fn keeps_history(&self) -> bool {
        self.conversation.model.chat.keeps_history()
    }

    /// What goes out to such a bot: the message, and the system prompt where the bot takes it.
    pub(super) fn message_alone(&self, number: TurnId, user: Message) -> Request {
        let system = self.system.iter().filter(|_| self.conversation.model.chat.takes_system());
        let last = self.position_of(number);
        let positions = system.clone().map(|_| 0).chain([last]).collect();
        Request { messages: system.cloned().chain([user]).collect(), positions }
    }

    /// What the bot says to a turn or a probe.
    pub(super) async fn said(&mut self, number: TurnId, messages: &[Message]) -> Answered {
        let observer = CallObserver::new(self.outlet, self.conversation.plan, number);
        let user = messages.last().map(|message| Arc::clone(message.content.text())).unwrap_or_default();
        let result = match number {
            TurnId::Turn(turn) => match self.session.take().or_else(|| self.begin_session(None)) {
                Some(session) => {
                    let said = self.say(&*session, (turn, &user), &observer).await;
                    if turn as usize == self.script.turns.len() {
                        finished(&*session, said).await
                    } else {
                        self.session = Some(session);
                        said
                    }
                }
                // Of a run that is over nothing is said: it knows why.
                None => self.call(&observer, messages).await,
            },
            TurnId::Probe(probe) => {
                // The common turns are over: the bot need not keep them any longer.
                self.session = None;
                match self.begin_session(Some(probe)) {
                    Some(session) => self.probe(&*session, (probe, &user), &observer).await,
                    None => self.call(&observer, messages).await,
                }
            }
        };
        Answered { result, source: Source::Live, shared_from: None, effort: observer.effort() }
    }

    fn begin_session(&self, probe: Option<u32>) -> Option<Box<dyn Session>> {
        let id = self.conversation.sessions.id(&self.conversation.key, probe);
        self.conversation.model.chat.session(&id)
    }

    async fn say(
        &self,
        session: &dyn Session,
        (turn, user): (u32, &str),
        observer: &dyn Observer,
    ) -> Result<ChatReply, CallError> {
        let system = self.system.as_ref().map(|message| &*message.content);
        session.say(Said { system, user, turn, stream: self.conversation.stream }, observer).await
    }

    /// Says the script once more, and then what the probe asks.
    async fn probe(
        &mut self,
        session: &dyn Session,
        (probe, user): (u32, &str),
        observer: &CallObserver<'_>,
    ) -> Result<ChatReply, CallError> {
        let script = Arc::clone(&self.script);
        for (number, turn) in (1..).zip(&script.turns) {
            if self.steering.is_stopping() {
                return Err(CallError::Interrupted);
            }
            let own = Aside(CallObserver::new(self.outlet, self.conversation.plan, TurnId::Probe(probe)));
            let result = self.say(session, (number, &turn.user), &own).await;
            self.keep_replay((number, probe), &turn.user, &result, own.0.effort()).await?;
            if let Err(error) = result {
                return Err(before_the_probe(number, error));
            }
        }
        let next = u32::try_from(script.turns.len()).unwrap_or(u32::MAX).saturating_add(1);
        let said = self.say(session, (next, user), observer).await;
        finished(session, said).await
    }

    /// Tells the journal of a turn that was said once more.
    async fn keep_replay(
        &mut self,
        (turn, probe): (u32, u32),
        user: &str,
        result: &Result<ChatReply, CallError>,
        effort: Effort,
    ) -> Result<(), CallError> {
        let mut done = self.bare(TurnId::Probe(probe), user, Source::Live);
        done.waited_ms = effort.waited_ms;
        let request =
            self.message_alone(TurnId::Turn(turn), Message::new(Role::User, crate::model::Origin::User(turn), user));
        // Its place in the conversation's own list is that of the turn that it is.
        let offset = usize::from(self.system.is_some());
        let own = offset + (turn as usize - 1) * 2;
        let system = request.positions.iter().take(request.positions.len() - 1).copied();
        done.sent = ranges(system.chain([own]));
        match result {
            Ok(reply) => self.fill(&mut done, &request.messages, reply),
            Err(CallError::Interrupted | CallError::OverBudget(_)) => return Ok(()),
            Err(error) => (done.error, done.attempts) = (Some(error.to_string()), effort.attempts),
        }
        let call = CallDone::new(CallKind::Replay, done);
        // Without a journal nothing more is said.
        self.outlet.keep(Event::Call(Box::new(call.clone()))).await.map_err(|_| CallError::Interrupted)?;
        self.calls.push(call);
        Ok(())
    }
}

/// The last reply of a session, which is none where the bot said more than it was asked for.
async fn finished(session: &dyn Session, said: Result<ChatReply, CallError>) -> Result<ChatReply, CallError> {
    let reply = said?;
    session.finish().await?;
    Ok(reply)
}

/// Hears of a turn that is said once more, whose words nobody is shown.
struct Aside<'c>(CallObserver<'c>);

impl Observer for Aside<'_> {
    fn delta(&self, _text: &str) {}

    fn attempt_failed(&self, attempt: crate::provider::AttemptFailed) {
        self.0.attempt_failed(attempt);
    }

    fn reserved(&self, usd: f64) -> futures::future::BoxFuture<'_, Result<(), CallError>> {
        self.0.reserved(usd)
    }

    fn waits(&self, why: crate::event::Waiting) {
        self.0.waits(why);
    }

    fn waited(&self, time: std::time::Duration) {
        self.0.waited(time);
    }
}

/// A failure while the script was said once more, told as such.
fn before_the_probe(turn: u32, error: CallError) -> CallError {
    match error {
        CallError::Interrupted
        | CallError::OverBudget(_)
        | CallError::ModelStopped(_)
        | CallError::ModelUnusable { .. } => error,
        other => CallError::NotAgain {
            status: other.status(),
            message: format!("while turn {turn} was said once more for the probe: {other}"),
        },
    }
}
