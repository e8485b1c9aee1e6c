//! What stands before every attempt of a call: one gate for each provider and model, whoever calls it.
//!
//! An attempt goes through when the model was not stopped, nothing holds it back (a `Retry-After`), the rates have room
//! (`--rpm`, `--tpm`), not too many are in flight (while the provider answers 429), and it is paid for. Those that wait go
//! through in the order in which they came. The rules are those of [`state::State`], which knows neither locks nor timers.
//!
//! Nobody waits for ever: every rule lets one attempt through after a bounded time, and [`Gate::abandon`] ends all waits.

mod state;
#[cfg(test)]
mod tests;

use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

use super::budget::{Fare, OverBudget, Reservation};
use super::chat_model::{CallError, ChatReply, ChatRequest, Observer};
use crate::event::Waiting;
use crate::model::Usage;
use crate::text::tokens;

pub use self::state::Rates;
use self::state::State;

/// The longest wait that a provider may ask for. Past it no further call is made to the model: a run that sits still for
/// an hour looks hung, and a quota that is gone for the day does not come back within one.
pub(super) const LONGEST_ASKED: Duration = Duration::from_secs(600);

/// The gate before one model.
#[derive(Debug)]
pub struct Gate {
    state: Mutex<State>,
    /// Held by the one that is next; the others wait for it in their order.
    line: tokio::sync::Mutex<()>,
    /// Told when the one that is next should look again.
    changed: Notify,
    is_abandoned: watch::Sender<bool>,
    /// Whether no further call is made to the model, for those that wait for something else than the gate.
    is_stopped: watch::Sender<bool>,
}

/// What a call will take, as far as that can be known before it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// Tokens of the request, roughly.
    pub sent: u64,
    /// Tokens of the reply at most, where that is bounded.
    pub reply_at_most: Option<u64>,
}

impl Estimate {
    /// The estimate for a request. It costs a walk over the messages and no tokenizer: what the provider counts corrects it,
    /// and the estimates that follow.
    #[must_use]
    pub fn of(request: &ChatRequest<'_>) -> Self {
        let of_message = |text: &str| tokens::estimate(text) + tokens::PER_MESSAGE as u64;
        Self {
            sent: request.messages.iter().map(|message| of_message(&message.content)).sum(),
            reply_at_most: request.params.max_tokens.map(u64::from),
        }
    }
}

impl Gate {
    /// A gate with these rates.
    #[must_use]
    pub fn new(rates: Rates) -> Self {
        Self {
            state: Mutex::new(State::new(rates)),
            line: tokio::sync::Mutex::new(()),
            changed: Notify::new(),
            is_abandoned: watch::Sender::new(false),
            is_stopped: watch::Sender::new(false),
        }
    }

    /// A gate that nothing narrows from the beginning.
    #[must_use]
    pub fn open() -> Self {
        Self::new(Rates::default())
    }

    /// Waits until an attempt may be sent, and is paid for. It is in flight as long as the permit is kept.
    ///
    /// Money is asked for by the one that is next, once nothing else holds it back: what waits here keeps none of it from
    /// calls to other models. Only what is in flight has any, which comes to its end by itself.
    ///
    /// # Errors
    /// When no further call is made to the model, the budget has not enough left, or the run stops.
    pub(super) async fn admit<'f>(
        &self,
        call: Estimate,
        fare: &'f Fare,
        observer: &dyn Observer,
    ) -> Result<(Reservation<'f>, Permit<'_>), CallError> {
        self.check()?;
        if !fare.is_paid()
            && let Some(permit) = self.pass_freely(call)
        {
            return Ok((Reservation::nothing(), permit));
        }
        let since = Instant::now();
        let mut waiting = Wait { observer, since, is_told: false };
        let _next = if let Ok(next) = self.line.try_lock() {
            next
        } else {
            waiting.tell(self.state().line_waits_for(since, fare.is_paid()));
            self.line.lock().await
        };
        loop {
            self.check()?;
            let held = self.state().holds_back(Instant::now());
            let Some((why, until)) = held else {
                let Some(reserved) = self.pay(fare, &mut waiting).await else { continue };
                let reservation = reserved?;
                // It may be held back again since; then the reservation is given back.
                if let Some(permit) = self.pass(call) {
                    return Ok((reservation, permit));
                }
                continue;
            };
            waiting.tell(why);
            tokio::select! {
                () = until_or_never(until) => {}
                () = self.changed.notified() => {}
                () = raised(&self.is_abandoned) => {}
            }
        }
    }

    /// Waits for the money; `None` where that is not needed any more.
    async fn pay<'f>(&self, fare: &'f Fare, waiting: &mut Wait<'_>) -> Option<Result<Reservation<'f>, OverBudget>> {
        let mut reserve = pin!(fare.reserve());
        if let Poll::Ready(reserved) = futures::poll!(reserve.as_mut()) {
            return Some(reserved);
        }
        waiting.tell(Waiting::Budget);
        tokio::select! {
            reserved = reserve => Some(reserved),
            () = raised(&self.is_abandoned) => None,
            () = raised(&self.is_stopped) => None,
        }
    }

    /// Waits for something that a try needs before it asks to be admitted.
    ///
    /// # Errors
    /// When the run stops, or no further call is made to the model.
    pub(super) async fn wait_for<T>(
        &self,
        what: impl Future<Output = T>,
        why: Waiting,
        observer: &dyn Observer,
    ) -> Result<T, CallError> {
        self.check()?;
        let mut what = pin!(what);
        if let Poll::Ready(come) = futures::poll!(what.as_mut()) {
            return Ok(come);
        }
        let mut waiting = Wait { observer, since: Instant::now(), is_told: false };
        waiting.tell(why);
        tokio::select! {
            come = what => Ok(come),
            () = raised(&self.is_abandoned) => Err(CallError::Interrupted),
            () = raised(&self.is_stopped) => self.check().and(Err(CallError::Interrupted)),
        }
    }

    /// Ends all waits, and lets nothing through any more: the run stops. What is in flight stays in flight.
    pub fn abandon(&self) {
        self.is_abandoned.send_replace(true);
    }

    /// No further call is made to the model, for this reason.
    fn stop(&self, reason: &str) {
        self.state().stop(reason);
        self.is_stopped.send_replace(true);
        self.changed.notify_one();
    }

    fn check(&self) -> Result<(), CallError> {
        if *self.is_abandoned.borrow() {
            return Err(CallError::Interrupted);
        }
        match self.state().stopped() {
            Some(reason) => Err(CallError::ModelStopped(reason.to_owned())),
            None => Ok(()),
        }
    }

    /// The way of almost every attempt: nothing narrows the gate.
    fn pass_freely(&self, call: Estimate) -> Option<Permit<'_>> {
        let mut state = self.state();
        if !state.is_free() {
            return None;
        }
        let (tokens, generation) = state.pass(Instant::now(), call);
        Some(Permit { gate: self, call, tokens, generation })
    }

    /// The way of the one that is next, unless something holds it back.
    fn pass(&self, call: Estimate) -> Option<Permit<'_>> {
        let (now, mut state) = (Instant::now(), self.state());
        if state.holds_back(now).is_some() {
            return None;
        }
        let (tokens, generation) = state.pass(now, call);
        Some(Permit { gate: self, call, tokens, generation })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn raised(flag: &watch::Sender<bool>) {
    // The sender lives as long as the gate does.
    let _ = flag.subscribe().wait_for(|is_raised| *is_raised).await;
}

async fn until_or_never(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}

/// A wait that the observer hears of, its end too, however it ends.
struct Wait<'o> {
    observer: &'o dyn Observer,
    since: Instant,
    is_told: bool,
}

impl Wait<'_> {
    fn tell(&mut self, why: Waiting) {
        if !std::mem::replace(&mut self.is_told, true) {
            self.observer.waits(why);
        }
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        if self.is_told {
            self.observer.waited(self.since.elapsed());
        }
    }
}

/// An attempt that may be sent, and is in flight until this is dropped.
#[derive(Debug)]
pub(super) struct Permit<'g> {
    gate: &'g Gate,
    call: Estimate,
    /// The tokens that were counted for it.
    tokens: f64,
    generation: u64,
}

impl Permit<'_> {
    /// Tells how the attempt went.
    pub(super) fn done(&self, result: Result<&ChatReply, &CallError>) {
        match result {
            Ok(reply) => self.gate.state().succeeded(
                self.generation,
                reply.usage.filter(is_counted).map(|usage| (self.call, self.tokens, usage)),
            ),
            Err(CallError::ModelUnusable { message, .. }) => self.gate.stop(message),
            Err(error) => self.gate.state().failed(Instant::now(), self.generation, error),
        }
    }
}

fn is_counted(usage: &Usage) -> bool {
    !usage.estimated
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.gate.state().left();
        self.gate.changed.notify_one();
    }
}
