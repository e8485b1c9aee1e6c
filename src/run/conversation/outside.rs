//! What a check needs from outside is gathered here, before the check is decided: a judge's answers, embeddings, a program's end.
//!
//! A judge is asked through its provider as any model is, or its recording is replayed. Whatever comes back is data: it joins no
//! history, and what the journal holds is not asked again.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::super::call::CallObserver;
use super::super::models::Model;
use super::super::outlet::JournalLost;
use super::super::plan::{Plan, Planned};
use super::super::tape::{self, Tape};
use super::checks::checks_of;
use super::triage::Asked;
use super::{Cut, Request as RequestSent, Stage};
use crate::check::{self, Gathered, judge};
use crate::event::{CallDone, CallKind, Event, WireMessage};
use crate::model::{
    ConversationId, JudgeCheck, Message, Origin, Outside, ProgramCheck, Reply, Role, Source, TranscriptKind, TurnId,
    Usage,
};
use crate::provider::cassette::Request;
use crate::provider::{CallError, ChatReply, ChatRequest};
use crate::text::tokens;

/// Stands for the whole transcript: turns count from 1.
const WHOLE: TurnId = TurnId::Turn(0);

/// What is asked about: a turn, or the whole transcript.
struct Subject<'s> {
    /// The turn; 0 for the whole transcript.
    turn: TurnId,
    user: &'s str,
}

/// What came of something that is asked: an answer, or why nothing may be asked now.
type Unless<T> = Result<Result<T, Cut>, JournalLost>;

/// One question to another model.
struct Question<'q> {
    kind: CallKind,
    name: &'q str,
    model: &'q Model,
    messages: Vec<WireMessage>,
    params: serde_json::Map<String, Value>,
    vote: u32,
}

impl Question<'_> {
    fn is_of(&self, call: &CallDone, turn: TurnId) -> bool {
        // A judge's mark is of its turn; an embedding is the same wherever it is asked for.
        call.kind == self.kind
            && (self.kind == CallKind::Embedding || call.done.turn == turn)
            && call.vote == Some(self.vote)
            && call.model.as_deref() == Some(self.name)
            && call.inserted == self.messages
            && call.params == self.params
    }
}

impl Stage<'_> {
    /// What a check on a reply needs from outside.
    pub(super) async fn gather(&mut self, asked: Asked<'_>, outside: Outside<'_>, reply: &Reply) -> Unless<Gathered> {
        let subject = Subject { turn: asked.number, user: &asked.turn.user };
        match outside {
            Outside::Judge(check) => {
                let before = self.system.iter().chain(&self.history[..asked.before]);
                let shown = judge::shown(check.sees, before, &asked.turn.user, &reply.text);
                self.judged(&subject, check, &shown).await
            }
            Outside::Embeddings(similar) => self.embedded(&subject, &similar.to, &reply.text).await,
            Outside::Program(check) => {
                let input = self.input_of_turn(asked, reply);
                self.programmed(&subject, check, &input).await
            }
        }
    }

    /// What a check on the transcript needs from outside, by turn; turn 0 for the whole. Nothing is asked about a conversation
    /// that broke off: it may go on.
    pub(super) async fn gather_throughout(&mut self, kind: &TranscriptKind) -> Unless<HashMap<u32, Gathered>> {
        let mut all = HashMap::new();
        let Some(outside) = kind.outside().filter(|_| self.ended_before.is_none()) else { return Ok(Ok(all)) };
        let Some(throughout) = kind.throughout() else {
            let subject = Subject { turn: WHOLE, user: "" };
            let messages: Vec<Value> = self.system.iter().chain(&self.history).map(message).collect();
            let gathered = match outside {
                Outside::Judge(check) => self.judged(&subject, check, &json!({"messages": messages})).await?,
                // It is one of a reply, and stands in none of the whole.
                Outside::Embeddings(_) => return Ok(Ok(all)),
                Outside::Program(check) => {
                    let input = self.input(json!({"turn": null, "messages": messages}));
                    self.programmed(&subject, check, &input).await?
                }
            };
            return Ok(gathered.map(|gathered| HashMap::from([(0, gathered)])));
        };
        for exchange in self.exchanges.clone() {
            if !throughout.has(exchange.turn) {
                continue;
            }
            let Some(outside) = check::outside(&throughout.kind, &exchange.reply) else { continue };
            let number = TurnId::Turn(exchange.turn);
            let script = Arc::clone(&self.script);
            let Some(turn) = script.turn(number) else { continue };
            let positions: Vec<usize> =
                exchange.sent.iter().flat_map(|(from, to)| *from as usize..*to as usize).collect();
            let list: Vec<&Message> = self.system.iter().chain(&self.history).collect();
            let messages = positions.iter().filter_map(|at| list.get(*at).copied().cloned()).collect();
            let request = RequestSent { messages, positions };
            let asked = Asked { number, turn, request: &request, before: exchange.before };
            match self.gather(asked, outside, &exchange.reply).await? {
                Ok(gathered) => {
                    all.insert(exchange.turn, gathered);
                }
                Err(cut) => return Ok(Err(cut)),
            }
        }
        Ok(Ok(all))
    }

    /// Asks a judge as often as it has votes.
    async fn judged(&mut self, subject: &Subject<'_>, check: &JudgeCheck, shown: &Value) -> Unless<Gathered> {
        let outsiders = Arc::clone(&self.conversation.outsiders);
        let id = ConversationId::new(&self.conversation.key).to_string();
        let mark = judge::mark(outsiders.seed, &id, &subject.turn.to_string(), &check.criterion, shown);
        let Some((name, model)) = outsiders.judge_of(check) else {
            let votes = vec![Err("there is no provider for its model".to_owned())];
            return Ok(Ok(Gathered::Judge { mark, votes }));
        };
        let (messages, params) = (judge::question(check, shown, &mark), model.params(&outsiders.params).effective());
        let mut question = Question { kind: CallKind::Judge, name, model, messages, params, vote: 0 };
        let mut votes = Vec::new();
        for vote in 1..=outsiders.votes_of(check) {
            question.vote = vote;
            match self.vote(subject, &question).await? {
                Ok(answer) => votes.push(answer),
                Err(cut) => return Ok(Err(cut)),
            }
        }
        Ok(Ok(Gathered::Judge { mark, votes }))
    }

    /// The embeddings of a reply and of the text that it is held against.
    async fn embedded(&mut self, subject: &Subject<'_>, to: &str, reply: &str) -> Unless<Gathered> {
        let outsiders = Arc::clone(&self.conversation.outsiders);
        let Some((name, model)) = &outsiders.embedding else {
            let why = || Err("there is no model that makes any".to_owned());
            return Ok(Ok(Gathered::Embeddings { reply: why(), to: why() }));
        };
        let mut texts = Vec::new();
        for text in [reply, to] {
            let messages = vec![WireMessage { role: Role::User, content: text.to_owned() }];
            // What is asked of a model that chats too is another request.
            let params = serde_json::Map::from_iter([("endpoint".to_owned(), "embeddings".into())]);
            let question = Question { kind: CallKind::Embedding, name, model, messages, params, vote: 1 };
            match self.vote(subject, &question).await? {
                Ok(answer) => texts.push(answer),
                Err(cut) => return Ok(Err(cut)),
            }
        }
        let none = || Err("no answer".to_owned());
        let to = texts.pop().unwrap_or_else(none);
        Ok(Ok(Gathered::Embeddings { reply: texts.pop().unwrap_or_else(none), to }))
    }

    /// One answer of a model that is asked beside the turns, or why none came.
    async fn vote(&mut self, subject: &Subject<'_>, question: &Question<'_>) -> Unless<Result<Reply, String>> {
        // A call that failed is made again, unless an earlier run is judged again, which asks nobody.
        let mut known = self.calls.iter().filter(|call| question.is_of(call, subject.turn));
        let answered = known.clone().find(|call| call.done.reply.is_some());
        let failed = || known.next_back().filter(|_| self.conversation.outsiders.are_past);
        if let Some(known) = answered.or_else(failed) {
            return Ok(Ok(answer(known)));
        }
        if self.steering.is_stopping() {
            return Ok(Err(Cut::Stopped));
        }
        let observer = CallObserver::new(self.outlet, self.conversation.plan, subject.turn);
        let (result, source) = self.ask_judge(&observer, question).await;
        let effort = observer.effort();
        let mut done = self.bare(subject.turn, subject.user, source);
        done.waited_ms = effort.waited_ms;
        match result {
            Ok(reply) => {
                done.reply = Some(reply.reply.text.clone());
                done.thinking.clone_from(&reply.thinking);
                done.finish_reason.clone_from(&reply.reply.finish_reason);
                let usage = reply.usage.unwrap_or_else(|| estimated(&question.messages, &reply.reply.text));
                done.usage = Some(usage);
                if source == Source::Live {
                    done.cost_usd = question.model.price.map(|price| price.of(usage));
                    done.reserved_usd = reply.reserved_usd;
                    done.attempts = reply.attempts;
                    done.latency_ms = Some(reply.latency.as_secs_f64() * 1000.0);
                }
                done.model_reported = reply.model_reported;
                done.fingerprint = reply.fingerprint;
            }
            Err(CallError::Interrupted) => return Ok(Err(Cut::Stopped)),
            Err(CallError::OverBudget(refused)) => return Ok(Err(Cut::OverBudget(refused))),
            Err(error) => (done.error, done.attempts) = (Some(error.to_string()), effort.attempts),
        }
        let call = CallDone {
            inserted: question.messages.clone(),
            model: Some(question.name.to_owned()),
            params: question.params.clone(),
            prompt: (question.kind == CallKind::Judge).then(|| judge::PROMPT.to_owned()),
            vote: Some(question.vote),
            ..CallDone::new(question.kind, done)
        };
        let told = answer(&call);
        self.keep_call(call).await?;
        Ok(Ok(told))
    }

    /// From a recording or the provider.
    async fn ask_judge(
        &self,
        observer: &CallObserver<'_>,
        question: &Question<'_>,
    ) -> (Result<ChatReply, CallError>, Source) {
        let source = question.model.chat.source();
        if let Some(Tape::Replay(cassette)) = self.conversation.tape.as_deref() {
            let trial = self.conversation.key.trial;
            let request =
                Request { model: question.name, messages: &question.messages, params: &question.params, trial };
            match cassette.reply(&request.key(question.vote)) {
                Some(recorded) => return (Ok(tape::replayed(recorded)), Source::Cassette),
                None if source == Source::Cassette => {
                    let why = tape::missing(cassette, &request, question.vote);
                    return (Err(CallError::NotRecorded(why)), source);
                }
                None => {}
            }
        }
        if question.kind == CallKind::Embedding {
            let text = question.messages.first().map_or("", |message| message.content.as_str());
            return (question.model.chat.embed(text, observer).await, source);
        }
        let messages = question.messages.iter();
        let messages: Vec<Message> =
            messages.map(|asked| Message::new(asked.role, Origin::System, asked.content.as_str())).collect();
        let params = question.model.params(&self.conversation.outsiders.params);
        let request = ChatRequest { messages: &messages, params: &params, stream: false, facts: &[] };
        (question.model.chat.chat(request, observer).await, source)
    }

    /// Starts a program, unless it had the same to judge before.
    async fn programmed(&mut self, subject: &Subject<'_>, check: &ProgramCheck, input: &Value) -> Unless<Gathered> {
        let input = format!("{input}\n");
        let input_sha256 = ConversationId(Sha256::digest(&input).into()).to_string();
        let known = self.calls.iter().filter(|call| call.done.turn == subject.turn);
        let known = known
            .filter_map(|call| call.program.as_ref())
            .find(|known| known.code.is_some() && known.program == check.program && known.input_sha256 == input_sha256);
        if let Some(known) = known {
            return Ok(Ok(Gathered::Program(known.clone())));
        }
        if self.steering.is_stopping() {
            return Ok(Err(Cut::Stopped));
        }
        let outsiders = Arc::clone(&self.conversation.outsiders);
        let Some(programs) = &outsiders.programs else {
            let error = Some(outsiders.no_program().to_owned());
            return Ok(Ok(Gathered::Program(crate::event::ProgramDone { error, ..Default::default() })));
        };
        let folder = Path::new(&self.conversation.file).parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = std::path::absolute(folder.unwrap_or(Path::new("."))).unwrap_or_default();
        let program = programs.start(check, &folder, input.as_bytes()).await;
        let program = crate::event::ProgramDone { input_sha256, ..program };
        let done = self.bare(subject.turn, subject.user, Source::Live);
        let call = CallDone { program: Some(program.clone()), ..CallDone::new(CallKind::Program, done) };
        self.keep_call(call).await?;
        Ok(Ok(Gathered::Program(program)))
    }

    async fn keep_call(&mut self, call: CallDone) -> Result<(), JournalLost> {
        self.outlet.keep(Event::Call(Box::new(call.clone()))).await?;
        self.calls.push(call);
        Ok(())
    }

    /// What a program reads of a turn.
    fn input_of_turn(&self, asked: Asked<'_>, reply: &Reply) -> Value {
        let messages: Vec<Value> = asked.request.messages.iter().map(message).collect();
        self.input(json!({
            "turn": asked.number.to_string(),
            "user": *asked.turn.user,
            "reply": reply.text,
            "finish_reason": reply.finish_reason,
            "messages": messages,
        }))
    }

    /// What a program reads: which conversation it is, and what is asked about.
    fn input(&self, about: Value) -> Value {
        let key = &self.conversation.key;
        let mut input = json!({
            "format": 1,
            "scenario": key.variant.scenario,
            "case": key.variant.case,
            "persona": key.variant.persona,
            "model": key.variant.model,
            "window": key.variant.window,
            "vars": self.conversation.matrix,
            "trial": key.trial,
        });
        if let (Value::Object(input), Value::Object(about)) = (&mut input, about) {
            input.extend(about);
        }
        input
    }
}

fn message(message: &Message) -> Value {
    json!({"role": message.role.as_str(), "content": *message.content})
}

fn answer(call: &CallDone) -> Result<Reply, String> {
    let done = &call.done;
    match (&done.reply, &done.error) {
        (Some(text), _) => Ok(Reply { text: text.clone(), finish_reason: done.finish_reason.clone() }),
        (None, error) => Err(error.clone().unwrap_or_else(|| "no answer".to_owned())),
    }
}

fn estimated(messages: &[WireMessage], reply: &str) -> Usage {
    let sent = messages.iter().map(|message| tokens::estimate(&message.content) + tokens::PER_MESSAGE as u64).sum();
    Usage { sent, reply: tokens::estimate(reply), estimated: true }
}

/// How many calls a conversation makes at most to other models, where a judge whose check does not say so has so many votes.
#[must_use]
pub fn judge_calls(plan: &Plan, planned: &Planned, votes: u32) -> u32 {
    let needs = &plan.scenario(planned).needs;
    if needs.judges.is_empty() && needs.embeddings.is_empty() {
        // Of most scenarios; their scripts need not be made for it.
        return 0;
    }
    let Ok(script) = plan.script(planned) else { return 0 };
    let live: Vec<_> = script.asked().filter(|(_, turn)| turn.reply.is_none()).collect();
    let votes = |outside: Option<Outside<'_>>| match outside {
        Some(Outside::Judge(judge)) => judge.votes.unwrap_or(votes).max(1),
        Some(Outside::Embeddings(_)) => 2,
        _ => 0,
    };
    let persona = planned.persona as usize;
    let checks = live.iter().flat_map(|(number, turn)| checks_of(&script, persona, *number, turn));
    let of_turns = checks.map(|check| votes(check.kind.outside()));
    let of_transcript = script.transcript_checks.iter().map(|check| {
        let is_in = |turn: TurnId| match (turn, check.kind.throughout()) {
            (TurnId::Turn(turn), Some(throughout)) => throughout.has(turn),
            _ => false,
        };
        let times = check.kind.throughout().map_or(1, |_| live.iter().filter(|(turn, _)| is_in(*turn)).count());
        votes(check.kind.outside()).saturating_mul(u32::try_from(times).unwrap_or(u32::MAX))
    });
    of_turns.chain(of_transcript).fold(0, u32::saturating_add)
}
