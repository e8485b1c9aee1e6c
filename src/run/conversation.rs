//! One conversation, from its first turn to its last: the heart of the tool.
//!
//! Each turn: the window chooses what goes along, the provider answers, the exchange joins the history, the journal
//! takes the turn, the checks are decided. Turns are strictly in sequence and the history belongs to this
//! conversation alone. Nothing here prints or touches a file.

mod answer;

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use globset::Glob;

use self::answer::Answered;
use super::cells::Cells;
use super::models::Model;
use super::outlet::{JournalLost, Outlet};
use super::pins::Replies;
use super::sharing::Asked;
use super::so_far::{self, SoFar};
use super::tape::Tape;
use crate::check::{self, TurnView};
use crate::event::{Begin, CheckDone, ConversationDone, Event, Live, TurnDone, WireMessage, ranges};
use crate::model::{
    Check, ConversationId, ConversationKey, End, Message, Origin, Params, Persona, Reply, Role, Script, SnapshotRules,
    Source, Turn, Usage, Verdict, Window,
};
use crate::provider::cassette::Keys;
use crate::provider::{CallError, ChatReply, OverBudget};
use crate::text::tokens;
use crate::window;

/// Everything that one conversation needs; it shares nothing that another could change.
#[derive(Clone)]
pub struct Conversation {
    /// Place in the plan, from 0.
    pub plan: u32,
    /// Its names.
    pub key: ConversationKey,
    /// How many trials its variant has.
    pub trials: u32,
    /// The share of decided trials in which a check must pass.
    pub pass_rate: f64,
    /// The scenario file, as given or found.
    pub file: String,
    /// The matrix values.
    pub matrix: serde_json::Map<String, serde_json::Value>,
    /// What is played.
    pub script: Arc<Script>,
    /// Index of the persona in the script.
    pub persona: usize,
    /// Which messages go along.
    pub window: Window,
    /// Sampling parameters.
    pub params: Params,
    /// Whether replies are streamed.
    pub stream: bool,
    /// What the scenario asks of its snapshot.
    pub snapshot: Arc<SnapshotRules>,
    /// Who answers.
    pub model: Model,
    /// What is recorded of its scenario, or is to be.
    pub tape: Option<Arc<Tape>>,
    /// What came of the requests that it shares with others; none where it has nobody to share with.
    pub shared: Option<Arc<Cells<Asked>>>,
    /// What later turns see in the place of its replies.
    pub pins: Replies,
    /// What was played of it before the run went on.
    pub so_far: SoFar,
}

/// What a conversation hears of the run that it belongs to, and tells it.
pub trait Steering: Sync {
    /// Whether no new turn may be begun. Asked before each call.
    fn is_stopping(&self) -> bool;
    /// A check's verdict is `fail`.
    fn check_failed(&self, check: &CheckDone);
}

/// Plays a conversation to its end, from its first turn without a reply on.
///
/// # Errors
/// When the journal is lost: the conversation has no end then.
pub async fn play(
    conversation: &Conversation,
    outlet: &Outlet,
    steering: &dyn Steering,
) -> Result<Played, JournalLost> {
    outlet.tell(Event::Begin(Box::new(begin(conversation))))?;
    let mut stage = Stage::new(conversation, outlet, steering);
    let mut cut: Option<Cut> = None;
    for (number, turn) in (1..).zip(&conversation.script.turns) {
        let known = conversation.so_far.turn(number);
        if cut.is_none() && turn.reply.is_none() && known.is_none() && steering.is_stopping() {
            cut = Some(Cut::Stopped);
        }
        match (&turn.reply, known) {
            _ if cut.is_some() => stage.skip_checks(number, turn)?,
            (Some(reply), _) => stage.canned(number, turn, reply)?,
            (None, Some(known)) => stage.known(number, turn, known)?,
            (None, None) => cut = stage.live(number, turn).await?,
        }
    }
    let Stage { verdicts, .. } = stage;
    let has = |wanted: Verdict| verdicts.iter().any(|(verdict, _)| *verdict == wanted);
    let is_whole = cut.is_none();
    let (end, error) = match cut {
        Some(Cut::Stopped) => (End::Interrupted, None),
        Some(Cut::OverBudget(refused)) => (End::Skipped, Some(refused.to_string())),
        None if has(Verdict::Fail) => (End::Failed, None),
        None if !has(Verdict::Unknown) => (End::Passed, None),
        Some(Cut::CallFailed) | None => (End::Errored, None),
    };
    let checks = Some(how_many(&verdicts));
    let done = ConversationDone { plan: conversation.plan, end, error, checks, left_out: None };
    outlet.keep(Event::Conversation(done)).await?;
    Ok(Played { verdicts, is_whole })
}

/// What came of a conversation.
#[derive(Debug, Clone)]
pub struct Played {
    /// The verdict of each check, by its number, and whether the check bears `known_failure` for this model.
    pub verdicts: Vec<(Verdict, bool)>,
    /// Whether it came to its last turn, so that each check was asked, or passed over for what the model is.
    pub is_whole: bool,
}

/// How many verdicts there are, which is the number of the next one.
fn how_many(verdicts: &[(Verdict, bool)]) -> u32 {
    u32::try_from(verdicts.len()).unwrap_or(u32::MAX)
}

/// Why a conversation does not go on to its last turn.
enum Cut {
    /// The run is to stop.
    Stopped,
    /// The next call cannot be paid.
    OverBudget(OverBudget),
    /// A call failed for good.
    CallFailed,
}

fn begin(conversation: &Conversation) -> Begin {
    let persona = &conversation.script.personas[conversation.persona];
    Begin {
        plan: conversation.plan,
        conversation: ConversationId::new(&conversation.key).to_string(),
        key: conversation.key.clone(),
        trials: conversation.trials,
        pass_rate: conversation.pass_rate,
        file: conversation.file.clone(),
        matrix: conversation.matrix.clone(),
        system: (!persona.system.is_empty()).then(|| persona.system.to_string()),
        history: conversation
            .script
            .history
            .iter()
            .map(|(role, content)| WireMessage { role: *role, content: content.to_string() })
            .collect(),
        turns: u32::try_from(conversation.script.turns.len()).unwrap_or(u32::MAX),
        params: conversation.params.effective(),
        snapshot: SnapshotRules::clone(&conversation.snapshot),
    }
}

/// A conversation while it is played.
struct Stage<'c> {
    conversation: &'c Conversation,
    outlet: &'c Outlet,
    steering: &'c dyn Steering,
    persona: &'c Persona,
    system: Option<Message>,
    history: Vec<Message>,
    /// The verdicts so far, by the numbers of the checks, which are the same in every trial.
    verdicts: Vec<(Verdict, bool)>,
    /// Tokens of each message, counted once, for token windows.
    tokens: HashMap<Origin, usize>,
    /// The keys of its requests so far, where they are recorded.
    keys: Keys,
    /// The parameters that are sent.
    params: serde_json::Map<String, serde_json::Value>,
}

impl<'c> Stage<'c> {
    fn new(conversation: &'c Conversation, outlet: &'c Outlet, steering: &'c dyn Steering) -> Self {
        let script = &conversation.script;
        let persona = &script.personas[conversation.persona];
        let system = (!persona.system.is_empty())
            .then(|| Message::new(Role::System, Origin::System, Arc::clone(&persona.system)));
        let history = (1..)
            .zip(&script.history)
            .map(|(n, (role, content))| Message::new(*role, Origin::History(n), Arc::clone(content)))
            .collect();
        Self {
            conversation,
            outlet,
            steering,
            persona,
            system,
            history,
            verdicts: Vec::new(),
            tokens: HashMap::new(),
            keys: Keys::default(),
            params: conversation.tape.as_ref().map(|_| conversation.params.effective()).unwrap_or_default(),
        }
    }

    fn canned(&mut self, number: u32, turn: &Turn, reply: &Arc<str>) -> Result<(), JournalLost> {
        self.history.push(Message::new(Role::User, Origin::User(number), Arc::clone(&turn.user)));
        self.history.push(Message::new(Role::Assistant, Origin::Reply(number), Arc::clone(reply)));
        if self.conversation.so_far.turn(number).is_some() {
            return Ok(());
        }
        let mut done = self.turn_done(number, turn, Source::Canned);
        done.reply = Some(reply.to_string());
        self.outlet.tell(Event::Turn(Box::new(done)))
    }

    /// Takes in a turn that the journal holds. Its checks are decided from what was sent and said then.
    fn known(&mut self, number: u32, turn: &Turn, known: &TurnDone) -> Result<(), JournalLost> {
        let user = Message::new(Role::User, Origin::User(number), Arc::clone(&turn.user));
        let list: Vec<&Message> = self.system.iter().chain(&self.history).chain([&user]).collect();
        let positions: Vec<usize> = known.sent_positions().filter(|at| *at < list.len()).collect();
        let request = Request { messages: positions.iter().map(|at| list[*at].clone()).collect(), positions };
        let reply = so_far::reply(known);
        if self.conversation.tape.is_some() {
            self.key(&request.messages);
        }
        let heard = known.pinned.as_deref().unwrap_or(&reply.text);
        self.exchange(number, turn, &request, (&reply, heard), so_far::tokens_sent(known))
    }

    /// Plays one live turn. Says why the conversation cannot go on where no reply came.
    async fn live(&mut self, number: u32, turn: &Turn) -> Result<Option<Cut>, JournalLost> {
        let user = Message::new(Role::User, Origin::User(number), Arc::clone(&turn.user));
        let mut done = self.turn_done(number, turn, self.conversation.model.chat.source());
        let request = match self.request(user) {
            Ok(request) => request,
            Err(too_long) => {
                done.error = Some(too_long.to_string());
                return self.failed(done, number, turn).await;
            }
        };
        done.sent = ranges(request.positions.iter().copied());
        self.outlet.live(Live::TurnBegins { plan: self.conversation.plan, turn: number, user: turn.user.to_string() });
        let Answered { result, source, shared_from, effort } = self.answer(number, &request.messages).await;
        (done.source, done.shared_from, done.waited_ms) = (source, shared_from, effort.waited_ms);
        let cut = match result {
            Ok(reply) => {
                self.keep_reply(done, &request, &reply).await?;
                let said = &reply.reply;
                let heard = self.conversation.pins.get(&number).map_or(said.text.as_str(), |pinned| &pinned.reply);
                self.exchange(number, turn, &request, (said, heard), reply.usage.map(|usage| usage.sent))?;
                return Ok(None);
            }
            Err(CallError::Interrupted) => Cut::Stopped,
            Err(CallError::OverBudget(refused)) => Cut::OverBudget(refused),
            Err(error) => {
                done.error = Some(error.to_string());
                done.attempts = effort.attempts;
                done.model_stopped = error.stops_model();
                return self.failed(done, number, turn).await;
            }
        };
        // Nothing was asked, so nothing of the turn is kept: it is played when the run goes on.
        self.skip_checks(number, turn)?;
        Ok(Some(cut))
    }

    /// The exchange joins the history before its checks run: a check that panics must not take the evidence with it. The
    /// checks see the history as it was when the request went out. `heard` is what later turns see in the reply's place.
    fn exchange(
        &mut self,
        number: u32,
        turn: &Turn,
        request: &Request,
        (reply, heard): (&Reply, &str),
        tokens_sent: Option<u64>,
    ) -> Result<(), JournalLost> {
        let before = self.history.len();
        self.history.push(Message::new(Role::User, Origin::User(number), Arc::clone(&turn.user)));
        self.history.push(Message::new(Role::Assistant, Origin::Reply(number), heard));
        let sent: Vec<&Message> = request.messages.iter().collect();
        for check in checks_of(self.conversation, self.persona, number, turn) {
            let done = if let Some(why) = self.not_for_this_model(check) {
                self.check_done(number, check, Verdict::Skip, why)
            } else {
                let view = TurnView {
                    turn: number,
                    sent: &sent,
                    history: &self.history[..before],
                    list_positions: &request.positions,
                    reply,
                    facts: &self.conversation.script.facts,
                    system: self.system.as_ref(),
                    tokens_sent,
                };
                let decision = check::decide(&check.kind, &view);
                let (verdict, detail) = under_mark(self.mark(check), decision.verdict, decision.detail);
                let mut done = self.check_done(number, check, verdict, detail);
                done.score = decision.score;
                done.retention = decision.retention;
                done
            };
            self.tell_check(done)?;
        }
        Ok(())
    }

    /// A check that the journal has just so is not written twice, nor does it fail the run anew.
    fn tell_check(&self, done: CheckDone) -> Result<(), JournalLost> {
        if self.conversation.so_far.has(&done) {
            return Ok(());
        }
        if done.verdict == Verdict::Fail {
            self.steering.check_failed(&done);
        }
        self.outlet.tell(Event::Check(Box::new(done)))
    }

    fn turn_done(&self, number: u32, turn: &Turn, source: Source) -> TurnDone {
        TurnDone {
            plan: self.conversation.plan,
            turn: number,
            user: turn.user.to_string(),
            sent: Vec::new(),
            source,
            shared_from: None,
            reply: None,
            pinned: None,
            chunks: Vec::new(),
            thinking: None,
            finish_reason: None,
            usage: None,
            tokens_full_history: None,
            cost_usd: None,
            reserved_usd: None,
            attempts: 0,
            waited_ms: None,
            latency_ms: None,
            ttft_ms: None,
            model_reported: None,
            fingerprint: None,
            error: None,
            model_stopped: false,
        }
    }

    /// What goes out for this turn.
    fn request(&mut self, user: Message) -> Result<Request, window::TooLong> {
        let tokenizer = self.conversation.model.tokenizer;
        let counted = RefCell::new(std::mem::take(&mut self.tokens));
        let count = |message: &Message| {
            let mut counted = counted.borrow_mut();
            *counted.entry(message.origin).or_insert_with(|| tokenizer.count(&message.content) + tokens::PER_MESSAGE)
        };
        let choice = window::choose(self.conversation.window, self.system.as_ref(), &self.history, &user, &count);
        self.tokens = counted.into_inner();
        let choice = choice?;
        let offset = usize::from(self.system.is_some());
        let last = offset + self.history.len();
        let positions = (0..offset).chain(choice.history.iter().map(|at| at + offset)).chain([last]).collect();
        let chosen = choice.history.iter().map(|at| self.history[*at].clone());
        let messages = self.system.iter().cloned().chain(chosen).chain([user]).collect();
        Ok(Request { messages, positions })
    }

    async fn keep_reply(&self, mut done: TurnDone, request: &Request, reply: &ChatReply) -> Result<(), JournalLost> {
        let estimate = |message: &Message| tokens::estimate(&message.content) + tokens::PER_MESSAGE as u64;
        let usage = reply.usage.unwrap_or_else(|| Usage {
            sent: request.messages.iter().map(estimate).sum(),
            reply: tokens::estimate(&reply.reply.text),
            estimated: true,
        });
        let all = self.history.iter().map(estimate).sum::<u64>();
        let sent_history: u64 = request.messages.iter().filter(|m| m.role != Role::System).map(estimate).sum::<u64>()
            - request.messages.last().map_or(0, estimate);
        let pinned = self.conversation.pins.get(&done.turn).map(|pinned| &pinned.reply);
        done.pinned = pinned.filter(|pinned| **pinned != reply.reply.text).cloned();
        done.reply = Some(reply.reply.text.clone());
        done.thinking.clone_from(&reply.thinking);
        done.finish_reason.clone_from(&reply.reply.finish_reason);
        done.usage = Some(usage);
        done.tokens_full_history = Some(usage.sent + all.saturating_sub(sent_history));
        if matches!(self.conversation.tape.as_deref(), Some(Tape::Record(_))) {
            done.chunks.clone_from(&reply.chunks);
        }
        // What was not asked for cost nothing and took no time.
        if matches!(done.source, Source::Live | Source::Builtin) {
            done.cost_usd = self.conversation.model.price.map(|price| price.of(usage));
            done.reserved_usd = reply.reserved_usd;
            done.attempts = reply.attempts;
            done.latency_ms = Some(reply.latency.as_secs_f64() * 1000.0);
            done.ttft_ms = reply.ttft.map(|ttft| ttft.as_secs_f64() * 1000.0);
        }
        done.model_reported.clone_from(&reply.model_reported);
        done.fingerprint.clone_from(&reply.fingerprint);
        self.outlet.keep(Event::Turn(Box::new(done))).await
    }

    /// Keeps a turn whose call failed for good; its checks have nothing to judge.
    async fn failed(&mut self, done: TurnDone, number: u32, turn: &Turn) -> Result<Option<Cut>, JournalLost> {
        let error = done.error.clone().unwrap_or_default();
        self.outlet.keep(Event::Turn(Box::new(done))).await?;
        for check in checks_of(self.conversation, self.persona, number, turn) {
            let (verdict, detail) = match self.not_for_this_model(check) {
                Some(why) => (Verdict::Skip, why),
                None => (Verdict::Unknown, format!("the call failed: {error}")),
            };
            let done = self.check_done(number, check, verdict, detail);
            self.tell_check(done)?;
        }
        Ok(Some(Cut::CallFailed))
    }

    fn skip_checks(&mut self, number: u32, turn: &Turn) -> Result<(), JournalLost> {
        if turn.reply.is_some() {
            return Ok(());
        }
        for check in checks_of(self.conversation, self.persona, number, turn) {
            let done =
                self.check_done(number, check, Verdict::Skip, "the conversation ended before this turn".to_owned());
            self.tell_check(done)?;
        }
        Ok(())
    }

    fn not_for_this_model(&self, check: &Check) -> Option<String> {
        if check.needs_model && !self.conversation.model.chat.is_language_model() {
            return Some("needs a language model".to_owned());
        }
        (!self.is_among(&check.models)).then(|| "not for this model".to_owned())
    }

    /// Why the check is expected to fail on this model, where it is.
    fn mark<'m>(&self, check: &'m Check) -> Option<&'m str> {
        check.known_failure.as_ref().filter(|mark| self.is_among(&mark.models)).map(|mark| mark.why.as_str())
    }

    /// Whether this model is one of those that these globs name. None name all.
    fn is_among(&self, models: &[String]) -> bool {
        let model = &self.conversation.key.variant.model;
        let is_named = |glob: &String| Glob::new(glob).is_ok_and(|glob| glob.compile_matcher().is_match(model));
        models.is_empty() || models.iter().any(is_named)
    }

    fn check_done(&mut self, number: u32, check: &Check, verdict: Verdict, detail: String) -> CheckDone {
        let (index, mark) = (how_many(&self.verdicts), self.mark(check).map(str::to_owned));
        self.verdicts.push((verdict, mark.is_some()));
        CheckDone {
            plan: self.conversation.plan,
            turn: Some(number),
            index,
            check: check.kind.key().to_owned(),
            name: check.name.clone(),
            expected: check::expected(&check.kind, &self.conversation.script.facts),
            verdict,
            score: None,
            detail,
            known_failure: mark,
            retention: None,
            line: check.position.line,
            column: matches!(verdict, Verdict::Fail | Verdict::Unknown).then_some(check.position.column),
        }
    }
}

/// Every check of a live turn, in the order in which they are numbered.
fn checks_of<'c>(
    conversation: &'c Conversation,
    persona: &'c Persona,
    number: u32,
    turn: &'c Turn,
) -> impl Iterator<Item = &'c Check> + use<'c> {
    let each = persona.checks.iter().chain(&conversation.script.each_reply);
    let each = each.filter(move |each| each.from <= number && each.until.is_none_or(|until| number <= until));
    turn.checks.iter().chain(each.map(|each| &each.check))
}

/// The verdict under a `known_failure` mark.
fn under_mark(mark: Option<&str>, verdict: Verdict, detail: String) -> (Verdict, String) {
    match (mark, verdict) {
        (Some(_), Verdict::Fail) => (Verdict::KnownFailure, detail),
        (Some(why), Verdict::Pass) => {
            (Verdict::Fail, format!("passes, and is marked as a known failure ({why}): remove the mark"))
        }
        (_, verdict) => (verdict, detail),
    }
}

/// The messages of one request, and their positions in the conversation's own list.
struct Request {
    messages: Vec<Message>,
    positions: Vec<usize>,
}
