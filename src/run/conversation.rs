//! One conversation, from its first turn to its last: the heart of the tool.
//!
//! Each turn: the window chooses what goes along, the provider answers, the exchange joins the history, the journal
//! takes the turn, the checks are decided. Turns are strictly in sequence and the history belongs to this
//! conversation alone. Probes follow, one behind the other, each on its own branch: none is in the history of another.
//! Nothing here prints or touches a file.

mod answer;
mod bot;
mod checks;
mod outside;
mod told;
mod transcript;
mod triage;

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use self::answer::Answered;
pub use self::bot::replay_calls;
use self::checks::checks_of;
pub(super) use self::checks::numbered;
pub use self::checks::triage_calls;
pub use self::outside::judge_calls;
use self::told::begin;
use self::triage::Asked;
pub(super) use self::triage::{HEARD, restated};
use super::cells::Cells;
use super::models::Model;
use super::outlet::{JournalLost, Outlet};
use super::outsiders::Outsiders;
use super::pins::Replies;
use super::sessions::Sessions;
use super::sharing;
use super::so_far::{self, SoFar};
use super::tape::Tape;
use crate::check::{self, Exchange, Measured, TurnView};
use crate::event::{CallDone, CheckDone, ConversationDone, Event, Live, TurnDone, ranges};
use crate::model::{
    ConversationKey, End, Message, Origin, Params, Persona, Reply, Role, Script, SnapshotRules, Source, Turn, TurnId,
    Verdict, Window,
};
use crate::provider::cassette::Keys;
use crate::provider::{CallError, OverBudget, Session};
use crate::scenario::Variables;
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
    /// The values of its facts that are canaries.
    pub canaries: serde_json::Map<String, serde_json::Value>,
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
    pub shared: Option<Arc<Cells<sharing::Asked>>>,
    /// What later turns see in the place of its replies.
    pub pins: Replies,
    /// Whether it is asked why a reply does not have a fact.
    pub is_triaged: bool,
    /// Who is asked for what its checks need from outside.
    pub outsiders: Arc<Outsiders>,
    /// What its sessions with a bot that keeps its history itself are called.
    pub sessions: Sessions,
    /// Whether it was begun before and is begun once more, since the bot that it talked with is gone.
    pub is_anew: bool,
    /// What was played of it before the run went on.
    pub so_far: SoFar,
}

/// What a conversation hears of the run that it belongs to, and tells it.
pub trait Steering: Sync {
    /// Whether no new turn may be begun. Asked before each call.
    fn is_stopping(&self) -> bool;
    /// The script of the conversation at a place of the plan, with what it has captured so far.
    ///
    /// # Errors
    /// When what was captured does not fit where it stands: why not.
    fn script(&self, plan: u32, captured: &Variables) -> Result<Arc<Script>, String>;
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
    let mut has_failed_probe = false;
    let (turns, probes) = (&conversation.script.turns, &conversation.script.probes);
    let numbers = (1..).zip(turns).map(|(number, _)| TurnId::Turn(number));
    let numbers = numbers.chain((1..).zip(probes).map(|(number, _)| TurnId::Probe(number)));
    for number in numbers {
        // What is captured makes another script of as many turns.
        let script = Arc::clone(&stage.script);
        let Some(turn) = script.turn(number) else { continue };
        let known = conversation.so_far.turn(number);
        if cut.is_none() && turn.reply.is_none() && known.is_none() && steering.is_stopping() {
            cut = Some(Cut::Stopped);
        }
        let was_cut = cut.is_some();
        match (&turn.reply, known) {
            _ if was_cut => stage.skip_checks(number, turn)?,
            (Some(reply), _) => stage.canned(number, turn, reply)?,
            (None, Some(known)) => cut = stage.known(number, turn, known).await?,
            (None, None) => cut = stage.live(number, turn).await?,
        }
        if let (TurnId::Turn(turn), Some(_)) = (number, &cut) {
            stage.ended_before.get_or_insert(turn);
        }
        // On no probe's reply does another hang; on those of turns all do.
        if number.is_probe() && !was_cut && matches!(cut, Some(Cut::CallFailed)) {
            (cut, has_failed_probe) = (None, true);
        }
    }
    cut = stage.transcript_checks().await?.or(cut);
    let Stage { mut verdicts, open, .. } = stage;
    let has = |wanted: Verdict| verdicts.iter().any(|(verdict, _)| *verdict == wanted);
    let cut = cut.or(has_failed_probe.then_some(Cut::CallFailed));
    let is_whole = cut.is_none();
    let (end, error) = match cut {
        Some(Cut::Stopped) => (End::Interrupted, None),
        Some(Cut::OverBudget(refused)) => (End::Skipped, Some(refused.to_string())),
        None if has(Verdict::Fail) => (End::Failed, None),
        None if !has(Verdict::Unknown) => (End::Passed, None),
        Some(Cut::Unfit(why)) => (End::Errored, Some(why)),
        Some(Cut::CallFailed | Cut::NotCaptured) | None => (End::Errored, None),
    };
    let checks = Some(how_many(&verdicts));
    let done = ConversationDone { plan: conversation.plan, end, error, checks, left_out: None };
    outlet.keep(Event::Conversation(done)).await?;
    for at in open {
        verdicts[at].0 = Verdict::Unknown;
    }
    Ok(Played { verdicts, is_whole })
}

/// What came of a conversation.
#[derive(Debug, Clone)]
pub struct Played {
    /// The verdict of each check, by its number, and whether the check bears `known_failure` for this model. One that was passed
    /// over for what this trial is alone counts as unknown: another may be asked.
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
    /// A reply does not have what was to be captured, which its turn says.
    NotCaptured,
    /// What was captured does not fit where it stands.
    Unfit(String),
}

impl Cut {
    /// Why nobody was asked what a check needs, in words.
    fn unasked(&self) -> String {
        match self {
            Self::OverBudget(refused) => format!("not asked: {refused}"),
            _ => "not asked: the run was told to stop".to_owned(),
        }
    }
}

/// A conversation while it is played.
struct Stage<'c> {
    conversation: &'c Conversation,
    outlet: &'c Outlet,
    steering: &'c dyn Steering,
    /// What is played, with what was captured so far.
    script: Arc<Script>,
    captured: Variables,
    system: Option<Message>,
    history: Vec<Message>,
    /// The verdicts so far, by the numbers of the checks, which are the same in every trial.
    verdicts: Vec<(Verdict, bool)>,
    /// The numbers of those that were passed over for what this trial is alone.
    open: Vec<usize>,
    /// Tokens of each message, counted once, for token windows.
    tokens: HashMap<Origin, usize>,
    /// Its calls beside the turns.
    calls: Vec<CallDone>,
    /// Its live turns so far, where checks on the transcript ask for them.
    exchanges: Vec<Exchange>,
    /// The turn before which it ended, where it did not come to its last one.
    ended_before: Option<u32>,
    /// The keys of its requests so far, where they are recorded.
    keys: Keys,
    /// The parameters that are sent.
    params: serde_json::Map<String, serde_json::Value>,
    /// The talk with a bot that keeps its history itself, once it has begun.
    session: Option<Box<dyn Session>>,
}

impl<'c> Stage<'c> {
    fn new(conversation: &'c Conversation, outlet: &'c Outlet, steering: &'c dyn Steering) -> Self {
        let script = &conversation.script;
        let (system, history) =
            conversation.so_far.before().unwrap_or_else(|| before(script, &script.personas[conversation.persona]));
        Self {
            conversation,
            outlet,
            steering,
            script: Arc::clone(script),
            captured: Variables::new(),
            system,
            history,
            verdicts: Vec::new(),
            open: Vec::new(),
            tokens: HashMap::new(),
            calls: conversation.so_far.calls.clone(),
            exchanges: Vec::new(),
            ended_before: None,
            keys: Keys::default(),
            params: conversation.tape.as_ref().map(|_| conversation.params.effective()).unwrap_or_default(),
            session: None,
        }
    }

    fn canned(&mut self, number: TurnId, turn: &Turn, reply: &Arc<str>) -> Result<(), JournalLost> {
        if let Some(known) = self.conversation.so_far.turn(number) {
            self.join(number, user_message(number, turn), so_far::reply(known).text);
            return Ok(());
        }
        self.join(number, user_message(number, turn), Arc::clone(reply));
        let mut done = self.turn_done(number, turn, Source::Canned);
        done.reply = Some(reply.to_string());
        self.outlet.tell(Event::Turn(Box::new(done)))
    }

    /// Takes in a turn that the journal holds. Its checks are decided from what was sent and said then.
    async fn known(&mut self, number: TurnId, turn: &Turn, known: &TurnDone) -> Result<Option<Cut>, JournalLost> {
        let list = self.conversation.so_far.list().unwrap_or_default();
        let sent = known.sent_positions().filter_map(|at| Some((list.get(at)?.clone(), at)));
        let (messages, positions) = sent.unzip();
        let request = Request { messages, positions };
        let reply = so_far::reply(known);
        if self.conversation.tape.is_some() {
            self.key(&request.messages);
        }
        let heard = known.pinned.as_deref().unwrap_or(&reply.text);
        let took = (so_far::tokens_sent(known), Measured::of(known));
        let cut = self.exchange(number, turn, &request, (&reply, heard), took).await?;
        let captured = turn.capture(heard);
        // The turn has said already what does not fit.
        let captured =
            if known.error.is_some() { captured.and_then(|captured| self.fitting(captured)) } else { captured };
        Ok(cut.or_else(|| self.take(captured)))
    }

    /// What was captured, where it fits the places in which it stands.
    fn fitting(&self, captured: Vec<(String, String)>) -> Result<Vec<(String, String)>, String> {
        if !captured.is_empty() {
            let mut all = self.captured.clone();
            all.extend(captured.iter().map(|(name, value)| (name.clone(), value.clone().into())));
            let script = self.steering.script(self.conversation.plan, &all);
            script.map_err(|why| format!("what was captured does not fit: {why}"))?;
        }
        Ok(captured)
    }

    /// Goes on with what was captured.
    fn take(&mut self, captured: Result<Vec<(String, String)>, String>) -> Option<Cut> {
        let Ok(captured) = captured else { return Some(Cut::NotCaptured) };
        if captured.is_empty() {
            return None;
        }
        self.captured.extend(captured.into_iter().map(|(name, value)| (name, value.into())));
        match self.steering.script(self.conversation.plan, &self.captured) {
            Ok(script) => self.script = script,
            Err(why) => return Some(Cut::Unfit(format!("what was captured does not fit: {why}"))),
        }
        None
    }

    /// Plays one live turn. Says why the conversation cannot go on where no reply came.
    async fn live(&mut self, number: TurnId, turn: &Turn) -> Result<Option<Cut>, JournalLost> {
        let request = match self.request(number, user_message(number, turn)) {
            Ok(request) => request,
            Err(too_long) => {
                let bare = self.turn_done(number, turn, self.conversation.model.chat.source());
                let done = TurnDone { error: Some(too_long.to_string()), ..bare };
                return self.failed(done.into(), number, turn).await;
            }
        };
        let (plan, user) = (self.conversation.plan, Arc::clone(&turn.user));
        self.outlet.live(Live::TurnBegins { plan, turn: number, user });
        let Answered { result, source, shared_from, effort } = self.answer(number, &request.messages).await;
        // Made behind the call, so that nothing of it lies about while there is nothing to do but to wait.
        let mut done = Box::new(self.turn_done(number, turn, source));
        done.sent = ranges(request.positions.iter().copied());
        (done.shared_from, done.waited_ms) = (shared_from, effort.waited_ms);
        let cut = match result {
            Ok(reply) => {
                let said = &reply.reply;
                let heard = self.pinned(number).unwrap_or(&said.text);
                let captured = turn.capture(heard).and_then(|captured| self.fitting(captured));
                done.error = captured.as_ref().err().cloned();
                self.fill(&mut done, &request.messages, &reply);
                let took = (reply.usage.map(|usage| usage.sent), Measured::of(&done));
                self.outlet.keep(Event::Turn(done)).await?;
                let cut = self.exchange(number, turn, &request, (said, heard), took).await?;
                return Ok(cut.or_else(|| self.take(captured)));
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
    /// checks see the history as it was when the request went out. `heard` is what later turns see in the reply's place. Says why
    /// the conversation cannot go on where a check needs what may not be asked any more.
    async fn exchange(
        &mut self,
        number: TurnId,
        turn: &Turn,
        request: &Request,
        (reply, heard): (&Reply, &str),
        (tokens_sent, measured): (Option<u64>, Measured),
    ) -> Result<Option<Cut>, JournalLost> {
        let mut cut = None;
        let before = self.history.len();
        // The one that went out, last of all, is written for the wire already. A list from the journal has the text once more.
        let went_out = request.messages.last().filter(|last| Arc::ptr_eq(last.content.text(), &turn.user));
        self.join(number, went_out.cloned().unwrap_or_else(|| user_message(number, turn)), heard);
        if let (TurnId::Turn(turn), false) = (number, self.script.transcript_checks.is_empty()) {
            let sent = ranges(request.positions.iter().copied());
            self.exchanges.push(Exchange { turn, reply: reply.clone(), sent, before, tokens_sent, measured });
        }
        let sent: Vec<&Message> = request.messages.iter().collect();
        let script = Arc::clone(&self.script);
        for check in checks_of(&script, self.conversation.persona, number, turn) {
            let done = if let Some(why) = self.not_for_this_model(check) {
                self.check_done(number, check, Verdict::Skip, why)
            } else {
                let asked = Asked { number, turn, request, before };
                let gathered = match check::outside(&check.kind, reply) {
                    None => None,
                    // Apart, since hardly any check needs the room.
                    Some(outside) => match Box::pin(self.gather(asked, outside, reply)).await? {
                        Ok(gathered) => Some(gathered),
                        Err(why) => {
                            let done = self.check_done(number, check, Verdict::Skip, why.unasked());
                            self.tell_check(done)?;
                            cut = cut.or(Some(why));
                            continue;
                        }
                    },
                };
                let view = TurnView {
                    turn: number,
                    sent: &sent,
                    history: &self.history[..before],
                    list_positions: &request.positions,
                    reply,
                    facts: &script.facts,
                    system: self.system.as_ref(),
                    keeps_history: self.keeps_history(),
                    tokens_sent,
                    measured,
                    gathered: gathered.as_ref(),
                };
                let decision = check::decide(&check.kind, &view);
                let asserted = (check.kind.key(), check::expected(&check.kind, &script.facts));
                let mut done = self.decided(Some(number), check, asserted, decision);
                if self.conversation.is_triaged {
                    let why = Box::pin(self.triage(asked, &check.kind, &done)).await?;
                    if let Some(why) = why {
                        done.detail = format!("{}; {why}", done.detail);
                    }
                }
                done
            };
            self.tell_check(done)?;
        }
        Ok(cut)
    }

    /// Adds an exchange to the history; one of a probe is in none.
    fn join(&mut self, number: TurnId, user: Message, heard: impl Into<Arc<str>>) {
        let TurnId::Turn(reply) = number else { return };
        self.history.push(user);
        self.history.push(Message::new(Role::Assistant, Origin::Reply(reply), heard));
    }

    /// The position of a user message in the conversation's own list, once all before it is in the history.
    fn position_of(&self, number: TurnId) -> usize {
        let probes = match number {
            TurnId::Turn(_) => 0,
            TurnId::Probe(number) => number as usize - 1,
        };
        usize::from(self.system.is_some()) + self.history.len() + probes
    }

    /// What later turns see in the place of a turn's reply, where that is another.
    fn pinned(&self, number: TurnId) -> Option<&'c str> {
        let pinned = self.conversation.pins.get(&number).filter(|_| !number.is_probe());
        pinned.map(|pinned| pinned.reply.as_str())
    }

    /// What goes out for this turn.
    fn request(&mut self, number: TurnId, user: Message) -> Result<Request, window::TooLong> {
        if self.keeps_history() {
            return Ok(self.message_alone(number, user));
        }
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
        let last = self.position_of(number);
        let positions = (0..offset).chain(choice.history.iter().map(|at| at + offset)).chain([last]).collect();
        let chosen = choice.history.iter().map(|at| self.history[*at].clone());
        let messages = self.system.iter().cloned().chain(chosen).chain([user]).collect();
        Ok(Request { messages, positions })
    }
}

/// The system message and the history with which a script begins.
fn before(script: &Script, persona: &Persona) -> (Option<Message>, Vec<Message>) {
    let system = Message::new(Role::System, Origin::System, Arc::clone(&persona.system));
    let history = (1..).zip(&script.history);
    let history = history.map(|(n, (role, content))| Message::new(*role, Origin::History(n), Arc::clone(content)));
    ((!persona.system.is_empty()).then_some(system), history.collect())
}

pub(super) fn user_message(number: TurnId, turn: &Turn) -> Message {
    let origin = match number {
        TurnId::Turn(number) => Origin::User(number),
        TurnId::Probe(number) => Origin::Probe(number),
    };
    Message::new(Role::User, origin, Arc::clone(&turn.user))
}

/// The messages of one request, and their positions in the conversation's own list.
struct Request {
    messages: Vec<Message>,
    positions: Vec<usize>,
}
