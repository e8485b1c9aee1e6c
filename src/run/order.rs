//! Which conversation is begun next.
//!
//! A free slot goes to the model with the fewest conversations in flight, so that a slow provider never keeps the others
//! waiting; within a model those with the most turns left are first, so that a long one does not run alone at the end.
//! One at a time they are played in plan order, where the order changes nothing but what is seen first.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::dispatch::Job;
use super::plan::whole;

/// A conversation that is played, with the queue that it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    /// Its place in the plan.
    pub(super) place: usize,
    queue: usize,
}

/// The conversations of one model.
#[derive(Debug, Default)]
struct Queue {
    /// Those not begun, with the turns that each has left; the next one last.
    waiting: Vec<(u32, u32)>,
    in_flight: usize,
}

/// The conversations that are not begun, by model.
#[derive(Debug)]
pub(super) struct Order {
    /// In the order in which the plan names the models.
    queues: Vec<Queue>,
}

impl Order {
    /// Of the conversations that a job plays.
    pub(super) fn new(job: &Job) -> Self {
        let plan = &job.plan;
        let conversations = job.places.iter().map(|place| {
            let planned = &plan.conversations[*place];
            let turns = plan.live_turns(planned);
            let done = job.turns_done.get(place).copied().unwrap_or(0);
            (plan.model(planned), turns.saturating_sub(done), whole(*place))
        });
        if job.concurrency > 1 {
            Self::by_model(conversations)
        } else {
            let mut waiting: Vec<(u32, u32)> = conversations.map(|(_, turns, place)| (turns, place)).collect();
            waiting.reverse();
            Self { queues: vec![Queue { waiting, in_flight: 0 }] }
        }
    }

    /// Of conversations with their model, the turns that are left, and their place in the plan.
    fn by_model<'m>(conversations: impl Iterator<Item = (&'m str, u32, u32)>) -> Self {
        let mut known: HashMap<&str, usize> = HashMap::new();
        let mut queues: Vec<Queue> = Vec::new();
        for (model, turns, place) in conversations {
            let at = *known.entry(model).or_insert(queues.len());
            if at == queues.len() {
                queues.push(Queue::default());
            }
            queues[at].waiting.push((turns, place));
        }
        for queue in &mut queues {
            queue.waiting.sort_unstable_by_key(|(turns, place)| (*turns, Reverse(*place)));
        }
        Self { queues }
    }

    /// How many conversations are not begun.
    pub(super) fn left(&self) -> usize {
        self.queues.iter().map(|queue| queue.waiting.len()).sum()
    }

    /// The next conversation; of models with equally many in flight, that with the longest one is served first.
    pub(super) fn next(&mut self) -> Option<Slot> {
        let waiting = self.queues.iter().enumerate().filter_map(|(at, queue)| Some((at, queue, queue.waiting.last()?)));
        let (queue, ..) = waiting.min_by_key(|(_, queue, (turns, _))| (queue.in_flight, Reverse(*turns)))?;
        let (_, place) = self.queues[queue].waiting.pop()?;
        self.queues[queue].in_flight += 1;
        Some(Slot { place: place as usize, queue })
    }

    /// A conversation has ended.
    pub(super) fn ended(&mut self, slot: Slot) {
        let in_flight = &mut self.queues[slot.queue].in_flight;
        *in_flight = in_flight.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(order: &mut Order, number: usize) -> Vec<usize> {
        (0..number).filter_map(|_| order.next()).map(|slot| slot.place).collect()
    }

    #[test]
    fn within_a_model_the_most_turns_left_come_first_and_else_the_plan_decides() {
        let turns = [2, 5, 5, 1, 9];
        let conversations = (0..).zip(&turns).map(|(place, turns)| ("m", *turns, place));
        let mut order = Order::by_model(conversations);
        assert_eq!(places(&mut order, 9), [4, 1, 2, 0, 3]);
        assert_eq!(order.left(), 0);
    }

    #[test]
    fn a_free_slot_goes_to_the_model_with_the_fewest_in_flight() {
        let conversations = [("a", 1, 0), ("a", 1, 1), ("a", 1, 2), ("b", 1, 3), ("b", 1, 4), ("c", 7, 5)];
        let mut order = Order::by_model(conversations.into_iter());
        assert_eq!(places(&mut order, 4), [5, 0, 3, 1], "the longest, then by the plan");
        // Of `b` one ends, of `a` none: the next one is of `b`, though `a` has some left.
        order.ended(Slot { place: 3, queue: 1 });
        assert_eq!(places(&mut order, 9), [4, 2]);
    }

    #[test]
    fn a_hundred_thousand_conversations_are_each_begun_once() {
        let conversations = (0..100_000).map(|place| (["a", "b", "c"][place as usize % 3], place % 7, place));
        let mut order = Order::by_model(conversations);
        let mut begun = places(&mut order, 100_001);
        begun.sort_unstable();
        assert!(begun.into_iter().eq(0..100_000));
    }
}
