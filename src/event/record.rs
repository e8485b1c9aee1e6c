//! One conversation put together from its events: what every report is made of.

use super::{Attempt, Begin, CallDone, CheckDone, ConversationDone, Event, TurnDone};
use crate::model::{End, Message, Origin, Role, TurnId};

/// One conversation as it went.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// How it began.
    pub begin: Begin,
    /// Its turns, in order.
    pub turns: Vec<TurnDone>,
    /// Its calls beside the turns, in order.
    pub calls: Vec<CallDone>,
    /// Its checks, in order of their index.
    pub checks: Vec<CheckDone>,
    /// Tries that did not succeed, in order.
    pub attempts: Vec<Attempt>,
    /// How it ended; absent where the run was cut off.
    pub done: Option<ConversationDone>,
    /// What tries keep reserved of which nobody knows what they came to.
    pub unsettled: Unsettled,
}

/// What tries reserved that were in flight when a run was killed, or ran out of time.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Unsettled {
    /// USD of those in earlier parts of the run.
    earlier: f64,
    /// USD of the one that was sent last, as long as nothing is known of it.
    last: Option<f64>,
}

impl Unsettled {
    /// All of it, in USD; `None` where there is none.
    #[must_use]
    pub fn usd(self) -> Option<f64> {
        Some(self.earlier + self.last.unwrap_or(0.0)).filter(|usd| *usd > 0.0)
    }

    fn send(&mut self, usd: f64) {
        // One conversation has one call in flight: nothing will be known any more of the one before.
        self.earlier += self.last.replace(usd).unwrap_or(0.0);
    }
}

/// A line that a conversation must have had, told from those that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// Of a turn.
    #[error("{}", .0.named())]
    Turn(TurnId),
    /// Of a check, by its index.
    #[error("the check of `index` {0}")]
    Check(u32),
}

impl Record {
    /// A conversation of which nothing but its beginning is known.
    #[must_use]
    pub fn new(begin: Begin) -> Self {
        Self {
            begin,
            turns: Vec::new(),
            calls: Vec::new(),
            checks: Vec::new(),
            attempts: Vec::new(),
            done: None,
            unsettled: Unsettled::default(),
        }
    }

    /// The same, with room for what so many events will bring, as far as that is little: both numbers are a journal's, which may
    /// say anything.
    #[must_use]
    pub fn with_room(begin: Begin, events: usize) -> Self {
        const MOST: usize = 64;
        let turns = (begin.turns as usize).saturating_add(begin.probes as usize).min(events).min(MOST);
        // Beside turns and checks there are its beginning and its end, as a rule.
        let checks = events.saturating_sub(turns + 2).min(MOST);
        Self { turns: Vec::with_capacity(turns), checks: Vec::with_capacity(checks), ..Self::new(begin) }
    }

    /// Adds an event of this conversation. Events of the run itself change nothing. Where a run went on, the later word
    /// counts: a second beginning takes the end back, and a turn or a check that is there already is replaced. One that begins anew
    /// has nothing of what was before.
    pub fn add(&mut self, event: Event) {
        match event {
            Event::Run(_) | Event::Resume(_) | Event::Stop(_) | Event::Snapshots(_) => {}
            Event::Begin(begin) => {
                self.done = None;
                if begin.is_anew {
                    self.forget();
                }
            }
            Event::Reserve(reserve) => self.unsettled.send(reserve.usd),
            Event::Attempt(attempt) => {
                self.unsettled.last = None;
                self.attempts.push(attempt);
            }
            Event::Turn(turn) => {
                if turn.reply.is_some() {
                    self.unsettled.last = None;
                }
                put(&mut self.turns, *turn, |turn| turn.turn);
            }
            Event::Call(call) => {
                self.unsettled.last = None;
                self.calls.push(*call);
            }
            Event::Check(check) => put(&mut self.checks, *check, |check| check.index),
            Event::Conversation(done) => self.done = Some(done),
        }
    }

    /// Whether what a turn or a call sent may be in the list of messages, as far as that goes by now. A range that goes on behind
    /// its end was written by nobody, and counting through it may take for ever.
    #[must_use]
    pub fn has_sent(&self, event: &Event) -> bool {
        let done = match event {
            Event::Turn(turn) => turn,
            Event::Call(call) => &call.done,
            _ => return true,
        };
        // The system message, the history, the exchanges, and the message itself.
        let most = 2 + self.begin.history.len() + 2 * self.turns.len();
        done.sent.iter().all(|(from, to)| from <= to && *to as usize <= most)
    }

    /// It begins once more. What it took so far is taken of a budget all the same.
    fn forget(&mut self) {
        let earlier = self.spent_usd();
        (self.turns, self.calls, self.checks, self.attempts) = Default::default();
        self.unsettled = Unsettled { earlier, last: None };
    }

    /// How it ended; `interrupted` where the journal has no end.
    #[must_use]
    pub fn end(&self) -> End {
        self.done.as_ref().map_or(End::Interrupted, |done| done.end)
    }

    /// How many calls it would have made at most, where it was left out since its variant was decided without it.
    #[must_use]
    pub fn left_out(&self) -> Option<u32> {
        self.done.as_ref()?.left_out
    }

    /// The first line that it has lost, where it has lost one: turns and checks are written in their order, and the end says
    /// how many there were.
    #[must_use]
    pub fn lost(&self) -> Option<Lost> {
        // Where nothing says what cut a conversation short, all of it was played.
        let (is_whole, checks) = match &self.done {
            Some(ConversationDone { end: End::Passed | End::Failed, checks, .. }) => (true, *checks),
            Some(ConversationDone { end: End::Errored, error: None, checks, .. }) => {
                (self.turns.iter().all(|turn| turn.error.is_none()), *checks)
            }
            Some(ConversationDone { checks, .. }) => (false, *checks),
            None => (false, None),
        };
        let (turns, probes) = if is_whole { (self.begin.turns, self.begin.probes) } else { (0, 0) };
        // A turn whose call failed was made again before all was played.
        let played = || self.turns.iter().filter(|turn| !is_whole || turn.reply.is_some()).map(|turn| turn.turn);
        let turn_numbers =
            played().filter_map(|turn| if let TurnId::Turn(number) = turn { Some(number) } else { None });
        let probe_numbers =
            played().filter_map(|turn| if let TurnId::Probe(number) = turn { Some(number) } else { None });
        // Probes are asked when all turns are played.
        let turns = if self.turns.last().is_some_and(|last| last.turn.is_probe()) { self.begin.turns } else { turns };
        let turn = gap(turn_numbers, 1, turns.saturating_add(1)).map(TurnId::Turn);
        let turn = turn.or_else(|| gap(probe_numbers, 1, probes.saturating_add(1)).map(TurnId::Probe)).map(Lost::Turn);
        turn.or_else(|| gap(self.checks.iter().map(|check| check.index), 0, checks.unwrap_or(0)).map(Lost::Check))
    }

    /// What its calls took of a budget, in USD: what they cost, and what stays reserved for those of unknown usage.
    #[must_use]
    pub fn spent_usd(&self) -> f64 {
        let calls = self.turns.iter().chain(self.calls.iter().map(|call| &call.done));
        let turns = calls.filter_map(|turn| turn.reserved_usd.or(turn.cost_usd));
        turns.chain(self.attempts.iter().filter_map(|attempt| attempt.reserved_usd)).chain(self.unsettled.usd()).sum()
    }

    /// The conversation's own list of messages, to which the ranges of [`TurnDone::sent`] point.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        let system = self.begin.system.iter().map(|text| Message::new(Role::System, Origin::System, text.as_str()));
        let history = (1..)
            .zip(&self.begin.history)
            .map(|(n, message)| Message::new(message.role, Origin::History(n), message.content.as_str()));
        let turns = self.turns.iter().flat_map(|turn| {
            let (user, reply) = match turn.turn {
                TurnId::Turn(number) => (Origin::User(number), Some(Origin::Reply(number))),
                TurnId::Probe(number) => (Origin::Probe(number), None),
            };
            // Later turns saw what was pinned, and not what was said.
            let heard = reply.zip(turn.pinned.as_ref().or(turn.reply.as_ref()));
            let user = Message::new(Role::User, user, turn.user.as_str());
            let reply = heard.map(|(origin, text)| Message::new(Role::Assistant, origin, text.as_str()));
            std::iter::once(user).chain(reply)
        });
        system.chain(history).chain(turns).collect()
    }
}

/// The first number that is missing among rising ones that begin with `first`, and go on to `end` at least.
fn gap(numbers: impl Iterator<Item = u32>, first: u32, end: u32) -> Option<u32> {
    let mut next = first;
    for number in numbers {
        if number > next {
            return Some(next);
        }
        next = number.saturating_add(1);
    }
    (next < end).then_some(next)
}

/// Puts an item where its number belongs: almost always at the end.
fn put<T, N: Ord>(items: &mut Vec<T>, item: T, number: impl Fn(&T) -> N) {
    match items.last() {
        Some(last) if number(last) >= number(&item) => match items.binary_search_by_key(&number(&item), number) {
            Ok(at) => items[at] = item,
            Err(at) => items.insert(at, item),
        },
        _ => items.push(item),
    }
}

impl CheckDone {
    /// The turn whose exchange shows why: its own, or of a check on the whole transcript the one that decided it.
    #[must_use]
    pub fn shown_by(&self) -> Option<TurnId> {
        self.turn.or(self.decided_at)
    }
}

impl TurnDone {
    /// The positions, in the conversation's own list, of the messages that were sent.
    pub fn sent_positions(&self) -> impl Iterator<Item = usize> + '_ {
        self.sent.iter().flat_map(|&(from, to)| from as usize..to as usize)
    }

    /// How many messages were sent.
    #[must_use]
    pub fn messages_sent(&self) -> u64 {
        self.sent.iter().map(|&(from, to)| u64::from(to.saturating_sub(from))).sum()
    }
}

/// Increasing positions as half-open ranges.
#[must_use]
pub fn ranges(positions: impl IntoIterator<Item = usize>) -> Vec<(u32, u32)> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for position in positions {
        let position = u32::try_from(position).unwrap_or(u32::MAX);
        match ranges.last_mut() {
            Some((_, to)) if *to == position => *to += 1,
            _ => ranges.push((position, position + 1)),
        }
    }
    ranges
}
