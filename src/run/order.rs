//! Which conversation is begun next.
//!
//! A free slot goes to the model with the fewest conversations in flight, so that a slow provider never keeps the others
//! waiting; within a model those with the most turns left are first, so that a long one does not run alone at the end. Of
//! those, first trials are before second ones: what variants of one trial share need not be kept for long.
//! One at a time they are played in plan order, where the order changes nothing but what is seen first.
//!
//! With `--until-decided` a variant has no more trials in flight than have ended, nor than may be needed, and one at least: many
//! at once would be played before the first could make them needless, and one behind the other would take their time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

use super::dispatch::Job;
use super::plan::whole;

/// A conversation that is played, with the queue that it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    /// Its place in the plan.
    pub(super) place: usize,
    queue: usize,
}

/// A conversation that waits, with what puts it before others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Waiting {
    /// The turns that it has left.
    turns: u32,
    trial: Reverse<u32>,
    place: Reverse<u32>,
}

/// The conversations of one model.
#[derive(Debug, Default)]
struct Queue {
    /// Those not begun, the next one on top.
    waiting: BinaryHeap<Waiting>,
    in_flight: usize,
}

/// The trials of a variant that are begun one after another.
#[derive(Debug, Default)]
struct Held {
    trials: VecDeque<Waiting>,
    /// Those that wait in their queue, or are in flight.
    released: usize,
    ended: usize,
}

/// The conversations that are not begun, by model.
#[derive(Debug)]
pub(super) struct Order {
    /// In the order in which the plan names the models.
    queues: Vec<Queue>,
    /// With `--until-decided` the trials of each variant, by the place of its first.
    held: HashMap<usize, Held>,
    /// How many conversations are not begun.
    left: usize,
}

impl Order {
    /// Of the conversations that a job plays.
    pub(super) fn new(job: &Job) -> Self {
        let plan = &job.plan;
        let is_one_at_a_time = job.concurrency <= 1;
        let conversations = job.places.iter().map(|place| {
            let planned = &plan.conversations.at(*place);
            if is_one_at_a_time {
                return ("", Waiting { turns: 0, trial: Reverse(0), place: Reverse(whole(*place)) });
            }
            let turns = plan.live_turns(planned);
            let done = job.turns_done.get(place).copied().unwrap_or(0);
            let turns = turns.saturating_sub(done);
            (plan.model(planned), Waiting { turns, trial: Reverse(planned.trial), place: Reverse(whole(*place)) })
        });
        let variant = |place: u32| plan.first_trial(place as usize);
        Self::by_model(conversations, job.is_until_decided.then_some(&variant))
    }

    /// Of conversations with their model. `variant` gives the place of a variant's first trial, where its trials are begun one
    /// after another.
    fn by_model<'m>(
        conversations: impl Iterator<Item = (&'m str, Waiting)>,
        variant: Option<&dyn Fn(u32) -> usize>,
    ) -> Self {
        let mut known: HashMap<&str, usize> = HashMap::new();
        let mut queues: Vec<Vec<Waiting>> = Vec::new();
        let mut held: HashMap<usize, Held> = HashMap::new();
        let mut left = 0;
        for (model, waiting) in conversations {
            let at = *known.entry(model).or_insert(queues.len());
            if at == queues.len() {
                queues.push(Vec::new());
            }
            left += 1;
            match variant.map(|variant| held.entry(variant(waiting.place.0)).or_default()) {
                Some(held) if held.released > 0 => held.trials.push_back(waiting),
                held => {
                    if let Some(held) = held {
                        held.released = 1;
                    }
                    queues[at].push(waiting);
                }
            }
        }
        let queue = |mut waiting: Vec<Waiting>| {
            waiting.shrink_to_fit();
            Queue { waiting: waiting.into(), in_flight: 0 }
        };
        Self { queues: queues.into_iter().map(queue).collect(), held, left }
    }

    /// How many conversations are not begun.
    pub(super) fn left(&self) -> usize {
        self.left
    }

    /// The next conversation; of models with equally many in flight, that with the longest one is served first. There may be
    /// none although some are left: others must end first.
    pub(super) fn next(&mut self) -> Option<Slot> {
        let waiting = self.queues.iter().enumerate().filter_map(|(at, queue)| Some((at, queue, queue.waiting.peek()?)));
        let (queue, ..) = waiting.min_by_key(|(_, queue, next)| (queue.in_flight, Reverse(next.turns)))?;
        let next = self.queues[queue].waiting.pop()?;
        self.queues[queue].in_flight += 1;
        self.left -= 1;
        Some(Slot { place: next.place.0 as usize, queue })
    }

    /// A conversation has ended, of the variant whose first trial is at a place. So many more of its trials may be needed; where
    /// none is, they need not wait for one another any longer.
    pub(super) fn ended(&mut self, slot: Slot, variant: usize, needed: usize) {
        let queue = &mut self.queues[slot.queue];
        queue.in_flight = queue.in_flight.saturating_sub(1);
        let Some(held) = self.held.get_mut(&variant) else { return };
        held.ended += 1;
        held.released -= 1;
        while (needed == 0 || held.released < held.ended.min(needed).max(1))
            && let Some(next) = held.trials.pop_front()
        {
            held.released += 1;
            queue.waiting.push(next);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(order: &mut Order, number: usize) -> Vec<usize> {
        (0..number).filter_map(|_| order.next()).map(|slot| slot.place).collect()
    }

    /// Of conversations with their model and turns, in plan order.
    fn order(conversations: impl IntoIterator<Item = (&'static str, u32)>) -> Order {
        let waiting = (0..)
            .zip(conversations)
            .map(|(place, (model, turns))| (model, Waiting { turns, trial: Reverse(1), place: Reverse(place) }));
        Order::by_model(waiting, None)
    }

    #[test]
    fn within_a_model_the_most_turns_left_come_first_and_else_the_plan_decides() {
        let mut order = order([2, 5, 5, 1, 9].map(|turns| ("m", turns)));
        assert_eq!(places(&mut order, 9), [4, 1, 2, 0, 3]);
        assert_eq!(order.left(), 0);
    }

    #[test]
    fn a_free_slot_goes_to_the_model_with_the_fewest_in_flight() {
        let mut order = order([("a", 1), ("a", 1), ("a", 1), ("b", 1), ("b", 1), ("c", 7)]);
        assert_eq!(places(&mut order, 4), [5, 0, 3, 1], "the longest, then by the plan");
        // Of `b` one ends, of `a` none: the next one is of `b`, though `a` has some left.
        order.ended(Slot { place: 3, queue: 1 }, 3, 0);
        assert_eq!(places(&mut order, 9), [4, 2]);
    }

    #[test]
    fn a_hundred_thousand_conversations_are_each_begun_once() {
        let mut order = order((0..100_000).map(|place| (["a", "b", "c"][place as usize % 3], place % 7)));
        let mut begun = places(&mut order, 100_001);
        begun.sort_unstable();
        assert!(begun.into_iter().eq(0..100_000));
    }

    /// Two variants of ten trials each, one at place 0 and one at 10, begun as needed.
    fn as_needed() -> Order {
        let waiting =
            (0..20_u32).map(|place| ("m", Waiting { turns: 1, trial: Reverse(place % 10 + 1), place: Reverse(place) }));
        Order::by_model(waiting, Some(&|place| place as usize / 10 * 10))
    }

    #[test]
    fn first_trials_are_before_second_ones() {
        let waiting =
            (0..6_u32).map(|place| ("m", Waiting { turns: 1, trial: Reverse(place % 3 + 1), place: Reverse(place) }));
        assert_eq!(places(&mut Order::by_model(waiting, None), 9), [0, 3, 1, 4, 2, 5]);
    }

    #[test]
    fn a_variant_has_no_more_trials_in_flight_than_have_ended_or_may_be_needed() {
        let mut order = as_needed();
        assert_eq!(places(&mut order, 9), [0, 10]);
        assert_eq!(order.left(), 18);
        let mut end = |place: usize, variant: usize, needed: usize, next: &[usize]| {
            order.ended(Slot { place, queue: 0 }, variant, needed);
            assert_eq!(places(&mut order, 9), next, "behind {place}");
        };
        end(0, 0, 9, &[1]);
        end(1, 0, 8, &[2, 3]);
        end(2, 0, 7, &[4, 5]);
        // Two are in flight.
        end(3, 0, 2, &[]);
        end(4, 0, 4, &[6, 7, 8]);
        end(10, 10, 9, &[11]);
    }

    #[test]
    fn trials_of_a_variant_that_is_decided_wait_for_nothing() {
        let mut order = as_needed();
        assert_eq!(places(&mut order, 9), [0, 10]);
        order.ended(Slot { place: 0, queue: 0 }, 0, 0);
        assert_eq!(places(&mut order, 99), (1..10).collect::<Vec<_>>());
    }
}
