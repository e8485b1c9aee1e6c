//! What is said while a run is going: the text of the progress line. The bar around it, and when it is drawn, is
//! decided by whoever prints.

use std::collections::BTreeMap;
use std::time::Duration;

use super::wording::{grouped, money, rough, several};
use crate::event::{Event, Live, TurnDone, Waiting};
use crate::model::{End, Usage};
use crate::text::layout::width;

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
    /// What calls wait for before they are sent, by their conversations' places in the plan.
    pub waiting: BTreeMap<u32, Waiting>,
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
            Event::Run(_)
            | Event::Resume(_)
            | Event::Stop(_)
            | Event::Snapshots(_)
            | Event::Reserve(_)
            | Event::Check(_) => {}
            Event::Begin(_) => self.in_flight += 1,
            Event::Attempt(attempt) => self.retries += u64::from(attempt.wait_ms.is_some()),
            Event::Turn(turn) => self.spend(turn),
            Event::Call(call) => self.spend(&call.done),
            Event::Conversation(conversation) => {
                self.in_flight = self.in_flight.saturating_sub(1);
                self.done += 1;
                self.failed += u32::from(conversation.end == End::Failed);
                self.errored += u32::from(conversation.end == End::Errored);
            }
        }
    }

    fn spend(&mut self, call: &TurnDone) {
        self.tokens = self.tokens.saturating_add(call.usage.map_or(0, Usage::total));
        self.cost_usd += call.cost_usd.unwrap_or(0.0);
    }

    /// Takes in what is in no journal.
    pub fn update_live(&mut self, live: &Live) {
        match live {
            Live::Waits { plan, why } => drop(self.waiting.insert(*plan, *why)),
            Live::Waited { plan } => drop(self.waiting.remove(plan)),
            Live::TurnBegins { .. } | Live::Delta { .. } | Live::Stopping { .. } | Live::FailedFast => {}
        }
    }

    /// `3 waiting as the provider asks`, while calls wait to be sent: what most of them wait for.
    fn waits(&self, in_words: fn(Waiting) -> &'static str) -> Option<String> {
        let mut each: BTreeMap<Waiting, usize> = BTreeMap::new();
        self.waiting.values().for_each(|why| *each.entry(*why).or_default() += 1);
        let (why, _) = each.into_iter().max_by_key(|(_, number)| *number)?;
        Some(format!("{} waiting {}", self.waiting.len(), in_words(why)))
    }

    /// `22/31 · 6 in flight · 1 failed · 2 retries · 41k tokens · $0.012 · 8 s left`; what there is none of is left out, and
    /// so is, where `room` columns are too few for all, what tells least.
    #[must_use]
    pub fn line(&self, elapsed: Duration, room: usize) -> String {
        // With how soon each is left out.
        let parts = [
            (0, Some(self.so_far())),
            (1, Some(format!("{} in flight", self.in_flight))),
            (0, (self.failed > 0).then(|| format!("{} failed", self.failed))),
            (0, (self.errored > 0).then(|| format!("{} errored", self.errored))),
            (2, (self.retries > 0).then(|| several(self.retries, "retry", "retries"))),
            (2, self.waits(Waiting::briefly)),
            (5, (self.tokens > 0).then(|| format!("{} tokens", rough(self.tokens)))),
            (4, (self.cost_usd > 0.0).then(|| money(self.cost_usd))),
            (3, self.left(elapsed).map(|left| format!("{} left", whole(left)))),
        ];
        let up_to = |least: u8| {
            let kept = parts.iter().filter(|(soon, _)| *soon <= least).filter_map(|(_, part)| part.as_deref());
            kept.collect::<Vec<_>>().join(" · ")
        };
        (1..=5).rev().map(up_to).find(|line| width(line) <= room).unwrap_or_else(|| up_to(0))
    }

    /// The line for where there is no terminal: `12/31 · 6 in flight · 0 failed`.
    #[must_use]
    pub fn ticker(&self) -> String {
        let mut parts = vec![self.so_far(), format!("{} in flight", self.in_flight), format!("{} failed", self.failed)];
        parts.extend((self.errored > 0).then(|| format!("{} errored", self.errored)));
        parts.extend((self.retries > 0).then(|| several(self.retries, "retry", "retries")));
        parts.extend(self.waits(Waiting::as_str));
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
