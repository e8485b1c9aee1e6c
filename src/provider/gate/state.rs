//! The rules of a gate, without locks and timers: what holds an attempt back at an instant, and what each attempt changes.
//!
//! - **Rates** are paced evenly: each attempt moves the next one by its share of a minute, so that in no 60 s more than the
//!   rate is sent. Tokens are estimated before an attempt and corrected by what the provider counted.
//! - **In flight**: additive increase, multiplicative decrease (AIMD; Chiu and Jain 1989, as in TCP's congestion control).
//!   An answer that says "too many" halves what may be in flight, once for all attempts that were sent before the halving;
//!   every full window of successes allows one more, until it is what it was.

use std::time::Duration;

use tokio::time::Instant;

use super::Estimate;
use crate::event::Waiting;
use crate::model::Usage;
use crate::provider::chat_model::{CallError, OVERLOADED, TOO_MANY_REQUESTS};

/// What may be sent in a minute; `None` is not limited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rates {
    /// Requests a minute.
    pub rpm: Option<u32>,
    /// Tokens a minute, those of requests and replies together.
    pub tpm: Option<u32>,
}

/// One rate.
#[derive(Debug)]
struct Pace {
    /// How long one unit keeps the next attempt waiting.
    each: Duration,
    /// The next attempt is not sent earlier; nothing was sent yet where there is none.
    next: Option<Instant>,
}

impl Pace {
    fn new(per_minute: u32) -> Self {
        // A rate of a billion is no limit, but is no division by nothing either.
        // Rounded up: a minute of seven shares that were cut off would have room for an eighth.
        let each = Duration::from_secs(60) / per_minute.max(1) + Duration::from_nanos(1);
        Self { each, next: None }
    }

    fn take(&mut self, now: Instant, units: f64) {
        let from = self.next.map_or(now, |next| next.max(now));
        self.next = Some(from + self.each.mul_f64(units.max(0.0)));
    }

    /// Makes good for an estimate that was too high or too low.
    fn correct(&mut self, units: f64) {
        let shift = self.each.mul_f64(units.abs());
        self.next = self.next.and_then(|next| if units < 0.0 { next.checked_sub(shift) } else { Some(next + shift) });
    }

    fn holds_back(&self, now: Instant) -> Option<Instant> {
        self.next.filter(|next| *next > now)
    }
}

/// What a gate knows.
#[derive(Debug)]
pub(super) struct State {
    stopped: Option<String>,
    held_until: Option<Instant>,
    requests: Option<Pace>,
    tokens: Option<Pace>,
    learnt: Learnt,
    in_flight: u32,
    most_in_flight: u32,
    /// How many may be in flight, as a number that grows by parts of one; not limited where there is none.
    window: Option<f64>,
    /// How often the window was halved.
    generation: u64,
}

/// What the provider's counts have taught.
#[derive(Debug, Default)]
struct Learnt {
    estimated: f64,
    sent: f64,
    replies: f64,
    reply_tokens: f64,
}

impl Learnt {
    fn tokens(&self, call: Estimate) -> f64 {
        let ratio = if self.estimated > 0.0 { self.sent / self.estimated } else { 1.0 };
        let at_most = call.reply_at_most.map(as_units);
        let reply = match at_most {
            Some(most) if self.replies == 0.0 => most,
            Some(most) => (self.reply_tokens / self.replies).min(most),
            None if self.replies == 0.0 => 0.0,
            None => self.reply_tokens / self.replies,
        };
        as_units(call.sent) * ratio + reply
    }

    fn learn(&mut self, call: Estimate, usage: Usage) {
        self.estimated += as_units(call.sent);
        self.sent += as_units(usage.sent);
        self.replies += 1.0;
        self.reply_tokens += as_units(usage.reply);
    }
}

#[expect(clippy::cast_precision_loss, reason = "token counts are far below 2^52")]
pub(super) fn as_units(tokens: u64) -> f64 {
    tokens as f64
}

impl State {
    pub(super) fn new(rates: Rates) -> Self {
        Self {
            stopped: None,
            held_until: None,
            requests: rates.rpm.map(Pace::new),
            tokens: rates.tpm.map(Pace::new),
            learnt: Learnt::default(),
            in_flight: 0,
            most_in_flight: 0,
            window: None,
            generation: 0,
        }
    }

    /// Why no further call is made to the model.
    pub(super) fn stopped(&self) -> Option<&str> {
        self.stopped.as_deref()
    }

    /// The first reason stays: the others are its consequence.
    pub(super) fn stop(&mut self, reason: &str) {
        self.stopped.get_or_insert_with(|| reason.to_owned());
    }

    /// Whether nothing can hold an attempt back.
    pub(super) fn is_free(&self) -> bool {
        self.held_until.is_none() && self.requests.is_none() && self.tokens.is_none() && self.window.is_none()
    }

    /// Why an attempt must wait at this instant, and until when; `None` for the second where it is until another ends.
    pub(super) fn holds_back(&mut self, now: Instant) -> Option<(Waiting, Option<Instant>)> {
        self.held_until = self.held_until.filter(|until| *until > now);
        if let Some(until) = self.held_until {
            return Some((Waiting::Asked, Some(until)));
        }
        let paces = [&self.requests, &self.tokens];
        if let Some(until) = paces.into_iter().flatten().filter_map(|pace| pace.holds_back(now)).max() {
            return Some((Waiting::Rate, Some(until)));
        }
        self.window.is_some_and(|window| f64::from(self.in_flight) + 1.0 > window).then_some((Waiting::Crowded, None))
    }

    /// What an attempt waits for that is behind another one: what that one waits for, or waited for a moment ago.
    pub(super) fn line_waits_for(&mut self, now: Instant, is_paid: bool) -> Waiting {
        let is_rated = self.requests.is_some() || self.tokens.is_some();
        let otherwise = match (is_rated, is_paid) {
            (true, _) => Waiting::Rate,
            (false, true) => Waiting::Budget,
            (false, false) => Waiting::Crowded,
        };
        self.holds_back(now).map_or(otherwise, |(why, _)| why)
    }

    /// An attempt is sent. Gives the tokens that were counted for it, and the generation to which it belongs.
    pub(super) fn pass(&mut self, now: Instant, call: Estimate) -> (f64, u64) {
        self.in_flight += 1;
        self.most_in_flight = self.most_in_flight.max(self.in_flight);
        if let Some(pace) = &mut self.requests {
            pace.take(now, 1.0);
        }
        let tokens = match &mut self.tokens {
            Some(pace) => {
                let tokens = self.learnt.tokens(call);
                pace.take(now, tokens);
                tokens
            }
            None => 0.0,
        };
        (tokens, self.generation)
    }

    /// An attempt is not in flight any more.
    pub(super) fn left(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// An attempt brought a reply; `counted` is its estimate, the tokens counted for it then, and what the provider counted.
    pub(super) fn succeeded(&mut self, generation: u64, counted: Option<(Estimate, f64, Usage)>) {
        if let (Some(pace), Some((call, tokens, usage))) = (&mut self.tokens, counted) {
            pace.correct(as_units(usage.sent.saturating_add(usage.reply)) - tokens);
            self.learnt.learn(call, usage);
        }
        if let (Some(window), true) = (self.window, generation == self.generation) {
            let grown = window + 1.0 / window;
            self.window = Some(grown).filter(|grown| *grown < f64::from(self.most_in_flight));
        }
    }

    /// An attempt failed. What it asks for holds for every call to the model.
    pub(super) fn failed(&mut self, now: Instant, generation: u64, error: &CallError) {
        if let Some(asked) = error.retry_after().filter(|asked| !asked.is_zero()) {
            let until = now + asked;
            self.held_until = Some(self.held_until.map_or(until, |held| held.max(until)));
        }
        if says_too_many(error) && generation == self.generation {
            let window = self.window.unwrap_or_else(|| f64::from(self.in_flight));
            self.window = Some((window.min(f64::from(self.in_flight)) / 2.0).max(1.0));
            self.generation += 1;
        }
    }
}

/// 429 (also inside a 200) and 529 say that fewer calls at once would be answered. 408, 409, 425 and 503 have other causes.
fn says_too_many(error: &CallError) -> bool {
    match error {
        CallError::RateLimited { status, .. } => [200, TOO_MANY_REQUESTS].contains(status),
        CallError::Server { status, .. } => *status == OVERLOADED,
        _ => false,
    }
}
