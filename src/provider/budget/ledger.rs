//! The sums of a budget, and who waits for room in it. Pure: nothing here waits.

use std::collections::VecDeque;

use super::{OverBudget, Usd};

/// What is spent, what is reserved, and who waits for how much, in the order of asking.
#[derive(Debug)]
pub(super) struct Ledger<W> {
    cap: Usd,
    spent: Usd,
    reserved: Usd,
    waiting: VecDeque<(Usd, W)>,
}

impl<W> Ledger<W> {
    pub(super) const fn new(cap: Usd) -> Self {
        Self { cap, spent: Usd(0), reserved: Usd(0), waiting: VecDeque::new() }
    }

    pub(super) const fn cap(&self) -> Usd {
        self.cap
    }

    /// Puts someone at the end of the queue.
    pub(super) fn ask(&mut self, most: Usd, waiter: W) {
        self.waiting.push_back((most, waiter));
    }

    /// Turns a reservation into what it came to.
    pub(super) fn settle(&mut self, most: Usd, cost: Usd) {
        self.reserved = self.reserved.minus(most);
        self.spent = self.spent.plus(cost);
    }

    /// Those at the head of the queue who need not wait any longer, each with its decision. Whoever is gone is passed over.
    pub(super) fn decide(&mut self, is_gone: impl Fn(&W) -> bool) -> Vec<(W, Usd, Result<(), OverBudget>)> {
        let mut decided = Vec::new();
        while let Some((most, waiter)) = self.waiting.pop_front() {
            if is_gone(&waiter) {
                continue;
            }
            let spent = self.spent.plus(most);
            if spent > self.cap {
                // It would not fit if all that is in flight cost nothing.
                let left = self.cap.minus(self.spent);
                decided.push((waiter, most, Err(OverBudget { most, left, cap: self.cap })));
            } else if spent.plus(self.reserved) <= self.cap {
                self.reserved = self.reserved.plus(most);
                decided.push((waiter, most, Ok(())));
            } else {
                self.waiting.push_front((most, waiter));
                break;
            }
        }
        decided
    }

    #[cfg(test)]
    pub(super) fn taken(&self) -> Usd {
        self.spent.plus(self.reserved)
    }
}
