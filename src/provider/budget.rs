//! What a run may spend: every try reserves the most that it can cost before it is sent, so that the cap holds with calls
//! in flight.
//!
//! After the reply the reservation shrinks to what the call really cost. A try whose usage is unknown (no token counts, a
//! broken connection, an interrupt, a panic) keeps its reservation; one that was never sent, or that the provider refused
//! with a status of 4xx, frees it. Who does not get a reservation waits for those in flight, in the order of asking, so
//! that small calls never starve a large one. Refused is only what would not fit if all in flight cost nothing.
//!
//! A request is reserved by its bytes, and never by a count of one vocabulary: that bounds every tokenizer. Sums are whole numbers
//! and do not drift. The cap holds as long as providers keep to `max_tokens`, and count what they were sent. One that counts more is
//! settled at what it counts: what is spent may then be above the cap, and nothing more is sent.

mod ledger;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use self::ledger::Ledger;
use super::chat_model::{CallError, ChatReply, ChatRequest};
use crate::model::Price;

/// What a chat template may put around a message, in tokens.
const AROUND_MESSAGE: u64 = 16;

/// What a chat template may put around a request (a system prompt of its own, the beginning of the reply), in tokens.
const AROUND_REQUEST: u64 = 64;

/// What a service puts before the tools that a request has, in tokens: a system prompt of its own (Anthropic's has up to 530).
const AROUND_TOOLS: u64 = 1024;

/// Money in whole millionths of a billionth of a US dollar: prices of up to nine decimals a million tokens are exact.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Usd(u128);

impl Usd {
    const EACH: f64 = 1e15;

    /// So many dollars; what is no amount of money is none.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates, below at nothing")]
    pub fn new(dollars: f64) -> Self {
        Self((dollars * Self::EACH).round() as u128)
    }

    /// In dollars.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "it is for people and for the journal; sums are made of the whole")]
    pub fn dollars(self) -> f64 {
        self.0 as f64 / Self::EACH
    }

    fn of_tokens(tokens: u64, each_million: f64) -> Self {
        Self(Self::new(each_million / 1e6).0.saturating_mul(tokens.into()))
    }

    fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for Usd {
    /// `$5.00`, `$0.00042`: two decimals at least, and as many as say it, up to nine.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:.9}", self.dollars());
        let least = text.len() - 7;
        write!(f, "${:0<least$}", text.trim_end_matches('0'))
    }
}

/// The budget has not enough left for what a call can cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.in_words())]
pub struct OverBudget {
    /// What the call can cost.
    pub most: Usd,
    /// What is left.
    pub left: Usd,
    /// The whole budget.
    pub cap: Usd,
}

impl OverBudget {
    fn in_words(&self) -> String {
        let Self { most, left, cap } = self;
        // What was never there is not spent.
        if *cap == Usd::default() {
            return format!("the budget is $0, and this call can cost {most}");
        }
        format!("the budget is spent: this call can cost {most}, and {left} of {cap} is left")
    }
}

type Waiter = oneshot::Sender<Result<Held, OverBudget>>;

/// What a run may spend, shared by all its models.
#[derive(Debug)]
pub struct Budget(Mutex<Ledger<Waiter>>);

impl Budget {
    /// A budget of `cap` dollars.
    #[must_use]
    pub fn new(cap: f64) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Ledger::new(Usd::new(cap)))))
    }

    /// Takes in what was spent before: by the earlier parts of a run that goes on.
    pub fn spend(self: &Arc<Self>, dollars: f64) {
        self.change(|ledger| ledger.settle(Usd::default(), Usd::new(dollars)));
    }

    /// All that may be spent.
    #[must_use]
    pub fn cap(&self) -> Usd {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).cap()
    }

    async fn reserve(self: &Arc<Self>, most: Usd) -> Result<Held, OverBudget> {
        let (waiter, decided) = oneshot::channel();
        let cap = self.change(|ledger| {
            ledger.ask(most, waiter);
            ledger.cap()
        });
        // Nobody is forgotten: a waiter leaves the ledger with its decision.
        decided.await.unwrap_or(Err(OverBudget { most, left: Usd::default(), cap }))
    }

    /// Changes the ledger, and tells those who need not wait any longer.
    fn change<T>(self: &Arc<Self>, change: impl FnOnce(&mut Ledger<Waiter>) -> T) -> T {
        let (result, decided) = {
            let mut ledger = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let result = change(&mut ledger);
            (result, ledger.decide(Waiter::is_closed))
        };
        // Not under the lock: a reservation that nobody waits for any more is dropped here, which changes the ledger.
        for (waiter, most, decision) in decided {
            let held = decision.map(|()| Held { budget: Arc::clone(self), most, comes_to: Usd::default() });
            drop(waiter.send(held));
        }
        result
    }
}

/// What one model's calls are paid from.
#[derive(Debug, Clone)]
pub struct Purse {
    /// The run's budget.
    pub budget: Arc<Budget>,
    /// The model's price.
    pub price: Price,
}

impl Purse {
    /// What the tries of this call cost at most.
    #[must_use]
    pub fn fare(&self, request: &ChatRequest<'_>) -> Fare {
        let reply = request.params.longest_reply().unwrap_or(u64::MAX);
        let most = self.cost(most_tokens(request), reply);
        Fare { paid: Some((self.clone(), most)) }
    }

    fn cost(&self, sent: u64, reply: u64) -> Usd {
        Usd::of_tokens(sent, self.price.input).plus(Usd::of_tokens(reply, self.price.output))
    }
}

/// How many tokens a request can have. No tokenizer that works on bytes, or falls back to them, makes more tokens of a text than
/// it has bytes in UTF-8, so this holds for services whose vocabulary nobody has (Anthropic, Gemini) as well.
fn most_tokens(request: &ChatRequest<'_>) -> u64 {
    let messages = request.messages.iter().map(|message| message.content.len() as u64 + AROUND_MESSAGE);
    let extra = &request.params.extra;
    // A schema or a list of tools is part of what the model reads.
    let extra = if extra.is_empty() { 0 } else { serde_json::to_string(extra).map_or(0, |text| text.len() as u64) };
    let tools = if request.params.extra.contains_key("tools") { AROUND_TOOLS } else { 0 };
    messages.sum::<u64>() + extra + tools + AROUND_REQUEST
}

/// What each try of one call costs at most.
#[derive(Debug, Clone)]
pub struct Fare {
    paid: Option<(Purse, Usd)>,
}

impl Fare {
    /// The fare of a run without a budget.
    #[must_use]
    pub const fn free() -> Self {
        Self { paid: None }
    }

    /// Whether there is a budget that it is paid from.
    pub(super) const fn is_paid(&self) -> bool {
        self.paid.is_some()
    }

    /// Reserves what one try can cost, as soon as there is room for it.
    ///
    /// # Errors
    /// When the budget has not enough left, those in flight waited for.
    pub async fn reserve(&self) -> Result<Reservation<'_>, OverBudget> {
        let Some((purse, most)) = &self.paid else { return Ok(Reservation::nothing()) };
        let held = purse.budget.reserve(*most).await?;
        Ok(Reservation { paid: Some((purse, held)) })
    }
}

/// The most that a try can cost. Dropped, it is free again: nothing was sent.
#[derive(Debug)]
pub struct Reservation<'f> {
    paid: Option<(&'f Purse, Held)>,
}

impl<'f> Reservation<'f> {
    /// That of a run without a budget.
    pub(super) const fn nothing() -> Self {
        Self { paid: None }
    }

    /// What it is, in USD; `None` without a budget.
    #[must_use]
    pub fn usd(&self) -> Option<f64> {
        self.paid.as_ref().map(|(_, held)| held.most.dollars())
    }

    /// The try is sent now.
    #[must_use]
    pub fn sent(self) -> Sent<'f> {
        Sent { paid: self.paid.map(|(purse, held)| (purse, Held::come_to(held, None))) }
    }
}

/// What a try that is in flight can cost. Dropped, it stays reserved: nobody knows what was used.
#[derive(Debug)]
pub struct Sent<'f> {
    paid: Option<(&'f Purse, Held)>,
}

impl Sent<'_> {
    /// Settles for what the try cost. Gives the dollars that stay reserved where that is not known.
    #[must_use]
    pub fn settle(self, result: &Result<ChatReply, CallError>) -> Option<f64> {
        let (purse, held) = self.paid?;
        let most = held.most;
        let cost = match result {
            Ok(reply) => reply.usage.map(|usage| purse.cost(usage.sent, usage.reply)),
            Err(error) => error.is_free().then(Usd::default),
        };
        drop(held.come_to(cost));
        cost.is_none().then(|| most.dollars())
    }
}

/// A reservation in the ledger, given back when it is dropped.
#[derive(Debug)]
struct Held {
    budget: Arc<Budget>,
    most: Usd,
    comes_to: Usd,
}

impl Held {
    /// The same, settled for this cost when it is dropped; `None` for all of it.
    fn come_to(mut self, cost: Option<Usd>) -> Self {
        self.comes_to = cost.unwrap_or(self.most);
        self
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.change(|ledger| ledger.settle(self.most, self.comes_to));
    }
}

#[cfg(test)]
mod stress;
#[cfg(test)]
mod tests;
