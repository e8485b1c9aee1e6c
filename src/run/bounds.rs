//! What a plan takes at most: calls, tokens, dollars. Pure.
//!
//! Tokens are counted with each model's tokenizer, four more for each message as token windows have it, and three for each
//! request, as `OpenAI` counts them. Users' turns are fixed, `max_tokens` bounds replies, and windows bound the history; where one
//! of them is missing there is no bound. The embedded model says the same to the same, so what it takes is played through,
//! by the estimates that it gives itself. Retries are not in it; that equal requests of variants are sent once, and that
//! recorded replies are not called for, makes less of it.

use std::cell::RefCell;
use std::collections::HashMap;

use super::conversation::{judge_calls, replay_calls, user_message};
use super::plan::{Plan, Planned};
use crate::model::{CheckKind, Fact, Message, Origin, Price, Role, Script, Tail, TurnId, Usage, Window};
use crate::provider::{Builtin, BuiltinKind};
use crate::scenario::open::Open;
use crate::scenario::outline::{Asked, Known, Outline, Sent};
use crate::scenario::{Scenario, Variables};
use crate::text::tokens::{PER_MESSAGE, Tokenizer};
use crate::window;

/// What a request counts beside its messages.
pub const PER_REQUEST: u64 = 3;

/// What must be known of a model.
#[derive(Debug, Clone, Copy)]
pub struct BoundedModel {
    /// What its tokens are counted with.
    pub tokenizer: Tokenizer,
    /// Its price, where it is known.
    pub price: Option<Price>,
    /// Which embedded model it is, where it is one.
    pub builtin: Option<BuiltinKind>,
    /// Whether it is a bot that keeps its history itself.
    pub keeps_history: bool,
    /// The longest reply, in tokens, where a scenario sets none.
    pub longest_reply: Option<u32>,
    /// Whether its service counts with a tokenizer that nobody else has, so that `tokenizer` only estimates.
    pub counts_otherwise: bool,
}

/// What is taken at most.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bound {
    /// Conversations.
    pub conversations: u64,
    /// Calls.
    pub calls: u64,
    /// Tokens of all requests; `None` where nothing bounds them.
    pub sent: Option<u64>,
    /// Tokens of all replies; `None` where nothing bounds them.
    pub replies: Option<u64>,
    /// Whether any price is known.
    pub is_priced: bool,
    /// Dollars; `None` where nothing bounds them, or a model that is called has no price.
    pub cost_usd: Option<f64>,
}

impl Bound {
    /// Nothing at all.
    pub const NOTHING: Self =
        Self { conversations: 0, calls: 0, sent: Some(0), replies: Some(0), is_priced: false, cost_usd: Some(0.0) };

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let both = |one: Option<u64>, other: Option<u64>| Some(one?.saturating_add(other?));
        let cost_usd = self.cost_usd.zip(other.cost_usd).map(|(one, other)| one + other);
        Self {
            conversations: self.conversations + other.conversations,
            calls: self.calls.saturating_add(other.calls),
            sent: both(self.sent, other.sent),
            replies: both(self.replies, other.replies),
            is_priced: self.is_priced || other.is_priced,
            cost_usd,
        }
    }

    /// The tokens of requests and replies together.
    #[must_use]
    pub fn tokens(&self) -> Option<u64> {
        Some(self.sent?.saturating_add(self.replies?))
    }

    fn times(self, trials: u32) -> Self {
        let times = |number: u64| number.saturating_mul(u64::from(trials));
        Self {
            conversations: times(self.conversations),
            calls: times(self.calls),
            sent: self.sent.map(times),
            replies: self.replies.map(times),
            is_priced: self.is_priced,
            cost_usd: self.cost_usd.map(|usd| usd * f64::from(trials)),
        }
    }
}

/// What all trials of a variant take at most.
#[derive(Debug, Clone, Copy)]
pub struct VariantBound {
    /// Its first conversation in the plan.
    pub first: Planned,
    /// The bound.
    pub bound: Bound,
}

/// Why something has no bound, or less is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a remark of its own")]
pub struct Remarks {
    /// A scenario for a live model sets no `max_tokens`.
    pub has_no_longest_reply: bool,
    /// What a turn captures stands in later messages for a live model.
    pub has_captures: bool,
    /// Variants of a scenario may share turns.
    pub may_share: bool,
    /// Some model is called.
    pub is_live: bool,
    /// Some model that is called has no price.
    pub has_no_price: bool,
    /// Replies are shown to judges, or embedded.
    pub has_judges: bool,
    /// Some model is a bot that keeps its history itself.
    pub has_bots: bool,
    /// Some model that is called counts with a tokenizer that nobody else has.
    pub has_estimates: bool,
}

/// What is asked beside the turns.
#[derive(Debug, Clone, Copy)]
pub struct Beside {
    /// Failed checks on facts are asked about once more.
    pub is_triaged: bool,
    /// How often a judge is asked where its check does not say so.
    pub votes: u32,
    /// The longest answer of a judge, in tokens; `None` where nothing bounds it.
    pub longest_verdict: Option<u64>,
}

impl Beside {
    /// Adds what judges and embeddings of so many conversations take. They are shown replies, spelled as JSON: of how many tokens
    /// is not to be told from the tokens of the reply.
    fn add(self, bound: &mut Bound, calls: u64) {
        bound.calls = bound.calls.saturating_add(calls);
        let verdicts = self.longest_verdict.map(|longest| longest.saturating_mul(calls));
        bound.replies = bound.replies.zip(verdicts).map(|(replies, verdicts)| replies.saturating_add(verdicts));
        (bound.sent, bound.cost_usd) = (None, None);
    }
}

/// What the conversations at these places of a plan take at most, a variant each, in plan order.
#[must_use]
pub fn bounds(
    plan: &Plan,
    places: &[usize],
    beside: Beside,
    model_of: &dyn Fn(&str) -> BoundedModel,
) -> (Vec<VariantBound>, Remarks) {
    let is_triaged = beside.is_triaged;
    let mut variants: Vec<VariantBound> = Vec::new();
    let mut remarks = Remarks::default();
    let mut models: HashMap<&str, BoundedModel> = HashMap::new();
    let counts = RefCell::new(HashMap::<(Tokenizer, Box<str>), u64>::new());
    let planned = |at: usize| plan.conversations.at(at);
    let is_variant = |one: &usize, next: &usize| plan.first_trial(*one) == plan.first_trial(*next);
    let mut open: Option<(u32, Open)> = None;
    let mut known: HashMap<(u32, Window, &str), Bound> = HashMap::new();
    for trials in places.chunk_by(is_variant) {
        let first = &planned(trials[0]);
        let scenario = plan.scenario(first);
        if open.as_ref().is_none_or(|(of, _)| *of != first.scenario) {
            open = Some((first.scenario, Open::of(scenario)));
            known.clear();
        }
        let Some((_, open)) = &open else { continue };
        let name = plan.model(first);
        let model = *models.entry(name).or_insert_with(|| model_of(name));
        let one = |planned: &Planned| {
            let Ok(script) = plan.script(planned) else { return Bound::NOTHING };
            if let Some(kind) = model.builtin {
                return Played::new(plan, planned, Builtin::new(kind)).play(model.tokenizer, is_triaged);
            }
            if model.keeps_history {
                return unseen(plan, planned);
            }
            let count = |text: &str| {
                let mut counts = counts.borrow_mut();
                *counts.entry((model.tokenizer, text.into())).or_insert_with(|| model.tokenizer.count(text) as u64)
            };
            let longest = longest_reply(scenario, model);
            Live { plan, planned, script: &script, open, count: &count, price: model.price, longest }.bound(is_triaged)
        };
        let mut bound = if scenario.has_canaries() {
            // Each trial has values of its own.
            trials.iter().map(|at| one(&planned(*at))).fold(Bound::NOTHING, Bound::plus)
        } else {
            let key = (first.persona, plan.window(first), name);
            let is_same = scenario.has_one_script();
            let bound = known.get(&key).copied().filter(|_| is_same).unwrap_or_else(|| one(first));
            known.insert(key, bound);
            bound.times(u32::try_from(trials.len()).unwrap_or(u32::MAX))
        };
        if model.builtin.is_none() {
            remarks.is_live |= !model.keeps_history;
            if !(scenario.needs.judges.is_empty() && scenario.needs.embeddings.is_empty()) {
                let calls = u64::from(judge_calls(plan, first, beside.votes)).saturating_mul(trials.len() as u64);
                beside.add(&mut bound, calls);
                remarks.has_judges = true;
            }
            remarks.has_bots |= model.keeps_history;
            remarks.has_estimates |= model.counts_otherwise && bound.calls > 0;
            remarks.has_no_price |= model.price.is_none() && !model.keeps_history;
            let is_bounded = longest_reply(scenario, model).is_some() || model.keeps_history;
            remarks.has_no_longest_reply |= !is_bounded && bound.calls > 0;
            remarks.has_captures |= scenario.has_captures();
            let shares = |last: &VariantBound| last.first.group() == first.group() && !last.first.is_alike(first);
            remarks.may_share |= !model.keeps_history && variants.last().is_some_and(shares);
        }
        variants.push(VariantBound { first: *first, bound });
    }
    (variants, remarks)
}

/// A conversation with a bot that keeps its history itself: its messages are known, and not what they take.
fn unseen(plan: &Plan, planned: &Planned) -> Bound {
    let calls = u64::from(plan.live_turns(planned)) + u64::from(replay_calls(plan, planned));
    Bound { conversations: 1, calls, sent: None, replies: None, is_priced: false, cost_usd: None }
}

/// A conversation with a model whose replies nobody knows.
struct Live<'p> {
    plan: &'p Plan,
    planned: &'p Planned,
    script: &'p Script,
    open: &'p Open,
    count: &'p dyn Fn(&str) -> u64,
    price: Option<Price>,
    longest: Option<u64>,
}

/// The longest reply of a scenario on a model.
fn longest_reply(scenario: &Scenario, model: BoundedModel) -> Option<u64> {
    scenario.params.longest_reply().or(model.longest_reply.map(u64::from))
}

impl Live<'_> {
    fn bound(&self, is_triaged: bool) -> Bound {
        let outline = Outline::new(self.script, self.open);
        let persona = self.planned.persona as usize;
        let system = outline.system(persona);
        let window = self.plan.window(self.planned);
        let params = &self.plan.scenario(self.planned).params;
        let longest = self.longest;
        // A schema or a list of tools is part of what the model reads; no token is less than a byte.
        let extra = if params.extra.is_empty() {
            0
        } else {
            serde_json::to_string(&params.extra).map_or(0, |text| text.len() as u64)
        };
        let running = Running::new(&outline, longest, self.count);
        let around = PER_REQUEST + extra + system.as_ref().map_or(0, |message| self.message(&message.content));
        let count = |text: &str| usize::try_from((self.count)(text)).unwrap_or(usize::MAX);
        let mut total = Bound { conversations: 1, is_priced: self.price.is_some(), ..Bound::NOTHING };
        let mut add = |sent: Option<u64>| {
            total.calls += 1;
            let both = |sum: Option<u64>, more: Option<u64>| Some(sum?.saturating_add(more?));
            total.sent = both(total.sent, sent);
            total.replies = both(total.replies, longest);
        };
        for asked in outline.asked.iter().filter(|asked| asked.turn.reply.is_none()) {
            // What does not fit is not sent, and ends the conversation.
            let Some(sent) = outline.sent(asked, system.as_ref(), window, &count) else { break };
            let question = (asked.known == Known::Whole).then(|| self.message(&asked.question.content));
            let of = |history: Option<u64>| Some(around + question? + history?);
            let chosen = match (window.tail, of(running.within(&sent))) {
                (Tail::Tokens(limit), whole) => {
                    let most = u64::from(limit.get()) + PER_REQUEST + extra;
                    Some(whole.map_or(most, |whole| whole.min(most)))
                }
                (_, whole) => whole,
            };
            add(chosen);
            if is_triaged {
                let whole = of(running.until(asked.before));
                for fact in triaged(self.script, persona, asked) {
                    add(whole);
                    let restated = self.restated(&self.script.facts[fact]);
                    add(chosen.map(|chosen| chosen + restated));
                }
            }
        }
        let usage = total.sent.zip(total.replies).map(|(sent, reply)| Usage { sent, reply, estimated: false });
        total.cost_usd = usage.zip(self.price).map(|(usage, price)| price.of(usage));
        total
    }

    fn message(&self, text: &str) -> u64 {
        (self.count)(text) + PER_MESSAGE as u64
    }

    /// What triage says before it asks again.
    fn restated(&self, fact: &Fact) -> u64 {
        let values = std::iter::once(&fact.value).chain(&fact.outdated);
        let said = |value: &String| self.message(&super::conversation::restated(&fact.name, value));
        values.map(said).max().unwrap_or(0) + self.message(super::conversation::HEARD)
    }
}

/// The facts of the checks of a turn that triage may follow.
fn triaged<'s>(script: &'s Script, persona: usize, asked: &'s Asked<'_>) -> impl Iterator<Item = usize> + use<'s> {
    script.checks_of(persona, asked.number, asked.turn).filter_map(|check| match &check.kind {
        CheckKind::Recalls(fact) | CheckKind::RetainsIffVisible(fact) => Some(fact.fact),
        _ => None,
    })
}

/// Tokens of the messages of a history, summed up.
struct Running {
    /// Of the messages before each position, those without a bound left out.
    tokens: Vec<u64>,
    /// How many of them have no bound.
    unbounded: Vec<u64>,
}

impl Running {
    fn new(outline: &Outline<'_>, longest: Option<u64>, count: &dyn Fn(&str) -> u64) -> Self {
        let (mut tokens, mut unbounded) = (vec![0], vec![0]);
        let (mut sum, mut without) = (0_u64, 0_u64);
        for (message, known) in outline.messages.iter().zip(&outline.known) {
            let text = match known {
                Known::Whole => Some(count(&message.content)),
                Known::Reply => longest,
                Known::Open => None,
            };
            match text {
                Some(text) => sum = sum.saturating_add(text).saturating_add(PER_MESSAGE as u64),
                None => without += 1,
            }
            tokens.push(sum);
            unbounded.push(without);
        }
        Self { tokens, unbounded }
    }

    fn until(&self, end: usize) -> Option<u64> {
        (self.unbounded[end] == 0).then(|| self.tokens[end])
    }

    fn within(&self, sent: &Sent) -> Option<u64> {
        let (pinned, start) = (sent.possible.pinned, sent.possible.start);
        let of = |running: &[u64]| running[pinned] + running[sent.before] - running[start];
        (of(&self.unbounded) == 0).then(|| of(&self.tokens))
    }
}

/// A conversation with the embedded model.
struct Played<'p> {
    plan: &'p Plan,
    planned: &'p Planned,
    builtin: Builtin,
    total: Bound,
}

impl<'p> Played<'p> {
    fn new(plan: &'p Plan, planned: &'p Planned, builtin: Builtin) -> Self {
        Self { plan, planned, builtin, total: Bound { conversations: 1, ..Bound::NOTHING } }
    }

    fn ask(&mut self, messages: &[Message], facts: &[Fact]) -> String {
        let (reply, usage) = self.builtin.answer(messages, facts);
        self.total.calls += 1;
        self.total.sent = self.total.sent.map(|sent| sent + usage.sent);
        self.total.replies = self.total.replies.map(|replies| replies + usage.reply);
        reply
    }

    fn play(mut self, tokenizer: Tokenizer, is_triaged: bool) -> Bound {
        let Ok(mut script) = self.plan.script(self.planned) else { return self.total };
        let persona = self.planned.persona as usize;
        let system = &script.personas[persona].system;
        let system =
            (!system.is_empty()).then(|| Message::new(Role::System, Origin::System, std::sync::Arc::clone(system)));
        let history = (1..).zip(&script.history);
        let mut history: Vec<Message> = history
            .map(|(n, (role, text))| Message::new(*role, Origin::History(n), std::sync::Arc::clone(text)))
            .collect();
        let count = |message: &Message| tokenizer.count(&message.content) + PER_MESSAGE;
        let mut captured = Variables::new();
        let numbers: Vec<TurnId> = script.asked().map(|(number, _)| number).collect();
        for number in numbers {
            let of_turn = std::sync::Arc::clone(&script);
            let Some(turn) = of_turn.turn(number) else { continue };
            let user = user_message(number, turn);
            let reply = if let Some(reply) = &turn.reply {
                reply.to_string()
            } else {
                let window = self.plan.window(self.planned);
                let Ok(choice) = window::choose(window, system.as_ref(), &history, &user, &count) else {
                    // No other probe hangs on what one cannot send.
                    if number.is_probe() {
                        continue;
                    }
                    break;
                };
                let chosen = choice.history.iter().map(|at| history[*at].clone());
                let request: Vec<Message> = system.iter().cloned().chain(chosen).chain([user.clone()]).collect();
                let reply = self.ask(&request, &of_turn.facts);
                if is_triaged {
                    self.triage(&of_turn, (number, persona), (&request, &history, system.as_ref()));
                }
                reply
            };
            let TurnId::Turn(n) = number else { continue };
            let Ok(more) = turn.capture(&reply) else { break };
            let has_more = turn.reply.is_none() && !more.is_empty();
            history.push(user);
            history.push(Message::new(Role::Assistant, Origin::Reply(n), reply));
            if has_more {
                captured.extend(more.into_iter().map(|(name, value)| (name, value.into())));
                match self.plan.script_with(self.planned, &captured) {
                    Ok(next) => script = next,
                    Err(_) => break,
                }
            }
        }
        self.total
    }

    fn triage(
        &mut self,
        script: &Script,
        (number, persona): (TurnId, usize),
        (request, history, system): (&[Message], &[Message], Option<&Message>),
    ) {
        let (Some(turn), Some((question, rest))) = (script.turn(number), request.split_last()) else { return };
        for check in script.checks_of(persona, number, turn) {
            let (CheckKind::Recalls(fact) | CheckKind::RetainsIffVisible(fact)) = &check.kind else { continue };
            let whole: Vec<Message> = system.into_iter().chain(history).chain([question]).cloned().collect();
            self.ask(&whole, &script.facts);
            let fact = &script.facts[fact.fact];
            let longest = std::iter::once(&fact.value).chain(&fact.outdated).max_by_key(|value| value.len());
            let restated = super::conversation::restated(&fact.name, longest.map_or("", String::as_str));
            let told = [(Role::User, restated.as_str()), (Role::Assistant, super::conversation::HEARD)];
            let told = told.map(|(role, text)| Message::new(role, question.origin, text));
            let told: Vec<Message> = rest.iter().chain(&told).chain([question]).cloned().collect();
            self.ask(&told, &script.facts);
        }
    }
}
