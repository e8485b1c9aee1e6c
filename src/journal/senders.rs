//! Who is said to have sent a request that several conversations share: the first of them in plan order.
//!
//! Which of them really sent it is chance, and in its line; two runs with the same replies have the same reports all the
//! same. What the call took goes with it: of all that share a reply, one has its cost.

use std::collections::HashMap;

use super::JournalError;
use crate::event::{Record, TurnDone};
use crate::model::{Source, TurnId};

/// A turn of the conversation at a place of the plan.
type Call = (u32, TurnId);

/// Reads records in plan order, and remembers who is said to have sent what another sent in fact.
#[derive(Debug, Default)]
pub(super) struct Senders {
    scenario: String,
    /// The first that shares a call, by who made it, as long as records of its scenario come.
    firsts: HashMap<Call, u32>,
}

impl Senders {
    /// Puts right whose calls a record's turns are. `read` gives the record of another conversation as it was written.
    ///
    /// # Errors
    /// When that cannot be read.
    pub(super) fn settle(
        &mut self,
        record: &mut Record,
        read: impl Fn(u32) -> Result<Option<Record>, JournalError>,
    ) -> Result<(), JournalError> {
        let plan = record.begin.plan;
        if !self.firsts.is_empty() && self.scenario != record.begin.key.variant.scenario {
            self.firsts.clear();
        }
        for turn in &mut record.turns {
            if let Some(sender) = turn.shared_from.filter(|sender| *sender > plan) {
                let Some(made) = made(sender, turn.turn, &read)? else { continue };
                if made.plan > plan && !self.firsts.contains_key(&(made.plan, turn.turn)) {
                    self.firsts.insert((made.plan, turn.turn), plan);
                    self.scenario.clone_from(&record.begin.key.variant.scenario);
                    give(turn, Some(&made));
                }
            } else if let Some(first) = self.firsts.get(&(plan, turn.turn)).copied() {
                give(turn, None);
                turn.shared_from = Some(first);
            }
        }
        Ok(())
    }
}

/// The turn in which a call was made that a conversation is named for; where that has it from another, of that.
fn made(
    mut sender: u32,
    turn: TurnId,
    read: &impl Fn(u32) -> Result<Option<Record>, JournalError>,
) -> Result<Option<TurnDone>, JournalError> {
    // Two steps lead to who made it; of a journal that was written by somebody else none may lead anywhere.
    for _ in 0..3 {
        let turns = read(sender)?.map(|record| record.turns).unwrap_or_default();
        match turns.into_iter().find(|known| known.turn == turn) {
            Some(TurnDone { shared_from: Some(from), .. }) => sender = from,
            found => return Ok(found.filter(|turn| turn.source == Source::Live)),
        }
    }
    Ok(None)
}

/// Makes a turn the one of the call, with what that took, or one that shares it.
fn give(turn: &mut TurnDone, made: Option<&TurnDone>) {
    turn.shared_from = None;
    turn.shared_took = if made.is_none() { Some(turn.took()) } else { None };
    turn.source = made.map_or(Source::Shared, |made| made.source);
    turn.cost_usd = made.and_then(|made| made.cost_usd);
    turn.reserved_usd = made.and_then(|made| made.reserved_usd);
    turn.attempts = made.map_or(0, |made| made.attempts);
    turn.waited_ms = made.and_then(|made| made.waited_ms);
    turn.latency_ms = made.and_then(|made| made.latency_ms);
    turn.ttft_ms = made.and_then(|made| made.ttft_ms);
}
