//! What is said while a run is going: the text of the progress line. The bar around it, and when it is drawn, is
//! decided by whoever prints.

use std::time::Duration;

use super::wording::{grouped, money, rough, several};
use crate::event::{Event, Live, Waiting};
use crate::model::End;

/// How far a run is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Progress {
    /// Conversations planned.
    pub total: u32,
    /// Conversations that ended.
    pub done: u32,
    /// Those of them that had ended before the run went on.
    pub before: u32,
    /// Conversations begun and not ended.
    pub in_flight: u32,
    /// Conversations that failed.
    pub failed: u32,
    /// Conversations that errored.
    pub errored: u32,
    /// Calls that wait to be sent.
    pub waiting: u32,
    /// What the last of them that began to wait waits for.
    pub waiting_for: Option<Waiting>,
    /// Tries that will be followed by another.
    pub retries: u64,
    /// Tokens of requests and replies, where known.
    pub tokens: u64,
    /// USD, where a price is known.
    pub cost_usd: f64,
}

impl Progress {
    /// The beginning of a run of so many conversations, of which so many have ended: none, unless it goes on.
    #[must_use]
    pub fn new(total: u32, before: u32) -> Self {
        Self { total, done: before, before, ..Self::default() }
    }

    /// Takes an event in.
    pub fn update(&mut self, event: &Event) {
        match event {
            Event::Run(_) | Event::Resume(_) | Event::Stop(_) | Event::Check(_) => {}
            Event::Begin(_) => self.in_flight += 1,
            Event::Attempt(attempt) => self.retries += u64::from(attempt.wait_ms.is_some()),
            Event::Turn(turn) => {
                self.tokens += turn.usage.map_or(0, |usage| usage.sent + usage.reply);
                self.cost_usd += turn.cost_usd.unwrap_or(0.0);
            }
            Event::Conversation(conversation) => {
                self.in_flight = self.in_flight.saturating_sub(1);
                self.done += 1;
                self.failed += u32::from(conversation.end == End::Failed);
                self.errored += u32::from(conversation.end == End::Errored);
            }
        }
    }

    /// Takes in what is in no journal.
    pub fn update_live(&mut self, live: &Live) {
        match live {
            Live::Waits { why, .. } => {
                self.waiting += 1;
                self.waiting_for = Some(*why);
            }
            Live::Waited { .. } => self.waiting = self.waiting.saturating_sub(1),
            Live::TurnBegins { .. } | Live::Delta { .. } | Live::Stopping { .. } | Live::FailedFast => {}
        }
    }

    /// `3 waiting as the provider asks`, while calls wait to be sent.
    fn waits(&self) -> Option<String> {
        let why = self.waiting_for.filter(|_| self.waiting > 0)?;
        Some(format!("{} waiting {}", self.waiting, why.as_str()))
    }

    /// `22/31 · 6 in flight · 1 failed · 2 retries · 41k tokens · $0.012 · 8 s left`; what there is none of is left out.
    #[must_use]
    pub fn line(&self, elapsed: Duration) -> String {
        let mut parts = vec![self.so_far(), format!("{} in flight", self.in_flight)];
        parts.extend((self.failed > 0).then(|| format!("{} failed", self.failed)));
        parts.extend((self.errored > 0).then(|| format!("{} errored", self.errored)));
        parts.extend((self.retries > 0).then(|| several(self.retries, "retry", "retries")));
        parts.extend(self.waits());
        parts.extend((self.tokens > 0).then(|| format!("{} tokens", rough(self.tokens))));
        parts.extend((self.cost_usd > 0.0).then(|| money(self.cost_usd)));
        parts.extend(self.left(elapsed).map(|left| format!("{} left", whole(left))));
        parts.join(" · ")
    }

    /// The line for where there is no terminal: `12/31 · 6 in flight · 0 failed`.
    #[must_use]
    pub fn ticker(&self) -> String {
        let mut parts = vec![self.so_far(), format!("{} in flight", self.in_flight), format!("{} failed", self.failed)];
        parts.extend((self.errored > 0).then(|| format!("{} errored", self.errored)));
        parts.extend((self.retries > 0).then(|| several(self.retries, "retry", "retries")));
        parts.extend(self.waits());
        parts.join(" · ")
    }

    /// How long the rest will take if it goes on as it went; `None` before the first conversation ended in this time and
    /// after the last.
    #[must_use]
    pub fn left(&self, elapsed: Duration) -> Option<Duration> {
        let rest = self.total.checked_sub(self.done).filter(|rest| *rest > 0)?;
        let done = self.done.checked_sub(self.before).filter(|done| *done > 0)?;
        Duration::try_from_secs_f64(elapsed.as_secs_f64() / f64::from(done) * f64::from(rest)).ok()
    }

    fn so_far(&self) -> String {
        format!("{}/{}", grouped(u64::from(self.done)), grouped(u64::from(self.total)))
    }
}

/// A guess needs no tenths: `8 s`, `3 min`.
fn whole(time: Duration) -> String {
    let seconds = time.as_secs_f64().ceil();
    if seconds < 120.0 { format!("{seconds:.0} s") } else { format!("{:.0} min", (seconds / 60.0).ceil()) }
}

/// The line with which a run begins: `chat-eval 0.1.0 · 9 scenarios · 31 conversations · 118 calls at most · builtin
/// 24, qwen 7`. `models` says how many conversations each model has.
#[must_use]
pub fn first_line(version: &str, scenarios: u64, conversations: u64, calls: u64, models: &[(&str, u64)]) -> String {
    let models: Vec<String> = models.iter().map(|(model, number)| format!("{model} {}", grouped(*number))).collect();
    let mut parts = vec![
        format!("chat-eval {version}"),
        several(scenarios, "scenario", "scenarios"),
        several(conversations, "conversation", "conversations"),
        format!("{} at most", several(calls, "call", "calls")),
        models.join(", "),
    ];
    parts.retain(|part| !part.is_empty());
    parts.join(" · ")
}

#[cfg(test)]
mod tests;
