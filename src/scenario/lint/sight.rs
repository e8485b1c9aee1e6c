//! Where a fact can be seen in a request, as far as that is known before it is sent.
//!
//! Each value of a fact is looked for once in each message; what a window lets through is then a matter of counting, so that a
//! grid of windows over a long conversation costs little more than one of them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::super::open::Open;
use super::super::outline::{Asked, Known, Outline, Sent};
use super::question_of;
use crate::model::{Fact, FactRef, Message, Origin};
use crate::window::{FactMatcher, orphans};

/// How a question can be answered with a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// A message that surely goes along has it.
    Visible,
    /// Of what is known, only the question itself has it.
    Question,
    /// No message that can go along has it.
    Not,
    /// No scripted message that can go along has it, and live replies may.
    ByReply,
    /// That is not known.
    Open,
}

/// The facts of a script, and which of its messages have them.
pub struct Facts<'s> {
    outline: &'s Outline<'s>,
    /// How many of the messages before each position are live replies.
    replies: Vec<usize>,
    /// How many of them are open.
    open: Vec<usize>,
    /// How many of them are open and state something: a changed fact may change there.
    open_statements: Vec<usize>,
    values: RefCell<HashMap<(usize, String), Rc<Carriers>>>,
    /// Of each fact that changes, the first message that states each value.
    first: RefCell<HashMap<usize, Rc<Vec<Option<usize>>>>>,
}

/// The messages that have one value of a fact.
struct Carriers {
    matcher: FactMatcher,
    /// How many of the messages before each position have it.
    before: Vec<usize>,
}

/// What can be seen of a fact with one question.
#[expect(clippy::struct_excessive_bools, reason = "each is seen by itself")]
pub struct Sight<'f> {
    outline: &'f Outline<'f>,
    asked: &'f Asked<'f>,
    sent: Sent,
    carriers: Rc<Carriers>,
    /// The value that counts as the present one.
    pub value: String,
    in_system: bool,
    in_question: bool,
    /// Whether what goes along has live replies.
    has_replies: bool,
    /// Whether it has what is known in part.
    has_open: bool,
}

impl<'s> Facts<'s> {
    /// Of a script.
    #[must_use]
    pub fn new(outline: &'s Outline<'s>) -> Self {
        let messages = || outline.messages.iter().zip(&outline.known);
        let states = |message: &Message| !matches!(message.origin, Origin::Reply(_));
        Self {
            outline,
            replies: running(messages().map(|(_, known)| *known == Known::Reply)),
            open: running(messages().map(|(_, known)| *known == Known::Open)),
            open_statements: running(messages().map(|(message, known)| *known == Known::Open && states(message))),
            values: RefCell::default(),
            first: RefCell::default(),
        }
    }

    /// What can be seen of a fact with a question under a persona; `None` where its present value is not known.
    pub fn sight<'f>(&'f self, persona: usize, fact: &FactRef, asked: &'f Asked<'f>, sent: &Sent) -> Option<Sight<'f>> {
        let system = &*self.outline.script.personas[persona].system;
        let value = self.present(system, fact, asked)?;
        let carriers = self.carriers(fact.fact, &value);
        let in_question = asked.known == Known::Whole && carriers.matcher.is_in(&asked.question.content);
        Some(Sight {
            outline: self.outline,
            asked,
            sent: *sent,
            in_system: carriers.matcher.is_in(system),
            in_question,
            has_replies: within(&self.replies, sent.possible.pinned, sent.possible.start, sent.before) > 0,
            has_open: asked.known == Known::Open
                || within(&self.open, sent.possible.pinned, sent.possible.start, sent.before) > 0,
            carriers,
            value,
        })
    }

    /// Whether a scripted message, a system prompt or a text that is not known yet says the value of a fact.
    #[must_use]
    pub fn is_planted(&self, fact: usize, open: &Open) -> bool {
        let script = self.outline.script;
        if open.has_fact(fact) || self.open.last().is_some_and(|count| *count > 0) {
            return true;
        }
        let carriers = self.carriers(fact, &script.facts[fact].value);
        carriers.before.last().is_some_and(|count| *count > 0)
            || script.personas.iter().any(|persona| carriers.matcher.is_in(&persona.system))
    }

    fn carriers(&self, fact: usize, value: &str) -> Rc<Carriers> {
        let mut values = self.values.borrow_mut();
        let carriers = values.entry((fact, value.to_owned())).or_insert_with(|| {
            let matcher = FactMatcher::of_value(&self.outline.script.facts[fact], value);
            let messages = self.outline.messages.iter().zip(&self.outline.known);
            let has = messages.map(|(message, known)| *known == Known::Whole && matcher.is_in(&message.content));
            let before = running(has);
            Rc::new(Carriers { matcher, before })
        });
        Rc::clone(carriers)
    }

    /// The value that counts as the present one: as checks have it, which see what was stated before the turn.
    fn present(&self, system: &str, reference: &FactRef, asked: &Asked<'_>) -> Option<String> {
        let fact = &self.outline.script.facts[reference.fact];
        if let Some(named) = &reference.value {
            return Some(named.clone());
        }
        if fact.outdated.is_empty() {
            return Some(fact.value.clone());
        }
        if self.open_statements[asked.before] > 0 {
            return None;
        }
        let first = self.first_statements(reference.fact, fact);
        let in_system = FactMatcher::of_fact(fact).into_iter().map(|(_, matcher)| matcher.is_in(system));
        // The system message stands before all others.
        let places = first.iter().zip(in_system).map(|(first, in_system)| match first {
            _ if in_system => Some(0),
            Some(at) if *at < asked.before => Some(at + 1),
            _ => None,
        });
        let stated = places.enumerate().filter_map(|(index, place)| Some((place?, index)));
        let latest = stated.reduce(|best, next| if next.0 > best.0 { next } else { best });
        let mut values = std::iter::once(&fact.value).chain(&fact.outdated);
        let (_, index) = latest.unwrap_or_default();
        values.nth(index).cloned()
    }

    fn first_statements(&self, index: usize, fact: &Fact) -> Rc<Vec<Option<usize>>> {
        let mut first = self.first.borrow_mut();
        let found = first.entry(index).or_insert_with(|| {
            let is_stated = |message: &Message| !matches!(message.origin, Origin::Reply(_));
            let values = FactMatcher::of_fact(fact).into_iter();
            let first_of = |matcher: &FactMatcher| {
                self.outline.messages.iter().position(|message| is_stated(message) && matcher.is_in(&message.content))
            };
            Rc::new(values.map(|(_, matcher)| first_of(&matcher)).collect())
        });
        Rc::clone(found)
    }
}

impl Sight<'_> {
    /// How the question can be answered.
    #[must_use]
    pub fn answer(&self) -> Answer {
        let (possible, certain) = (&self.sent.possible, &self.sent.certain);
        let known = |pinned, start| within(&self.carriers.before, pinned, start, self.sent.before) > 0;
        if self.in_system || known(certain.pinned, certain.start) {
            Answer::Visible
        } else if self.in_question && !known(possible.pinned, possible.start) && !self.has_open {
            Answer::Question
        } else if self.in_question {
            Answer::Visible
        } else if self.has_open || known(possible.pinned, possible.start) {
            Answer::Open
        } else if self.has_replies {
            Answer::ByReply
        } else {
            Answer::Not
        }
    }

    /// The first messages that surely go along and have it, the question last.
    #[must_use]
    pub fn certain_carriers(&self, most: usize) -> Vec<Origin> {
        let system = self.in_system.then_some(Origin::System);
        let is_certain = |at: &usize| self.sent.is_certain(*at);
        let question = self.in_question.then_some(self.asked.question.origin);
        system.into_iter().chain(self.known_carriers(is_certain)).chain(question).take(most).collect()
    }

    /// The messages that go along only where the window has room for them, and have it.
    #[must_use]
    pub fn possible_carriers(&self, most: usize) -> Vec<Origin> {
        self.known_carriers(|at| !self.sent.is_certain(*at)).take(most).collect()
    }

    fn known_carriers<'f>(&'f self, is_wanted: impl Fn(&usize) -> bool + 'f) -> impl Iterator<Item = Origin> + 'f {
        let before = &self.carriers.before;
        let has = move |at: &usize| before[at + 1] > before[*at];
        self.sent.positions().filter(has).filter(is_wanted).map(|at| self.outline.messages[at].origin)
    }

    /// The first live replies that may go along.
    #[must_use]
    pub fn replies(&self, most: usize) -> Vec<Origin> {
        let is_live = |at: &usize| self.outline.known[*at] == Known::Reply;
        let at = self.sent.positions().filter(is_live).take(most);
        at.map(|at| self.outline.messages[at].origin).collect()
    }

    /// A live reply at the head of the window whose question is cut and has it: what is likely to repeat it.
    #[must_use]
    pub fn orphan_of_carrier(&self) -> Option<Origin> {
        if !self.sent.is_exact() {
            return None;
        }
        let history = &self.outline.messages[..self.sent.before];
        let mut orphans = orphans(history, self.sent.possible.start);
        let live = orphans.find(|at| self.outline.known[*at] == Known::Reply)?;
        let question = question_of(self.outline, live)?;
        let has = self.carriers.before[question + 1] > self.carriers.before[question];
        has.then_some(history[live].origin)
    }
}

/// How many of the first items hold, for each number of them.
fn running(items: impl Iterator<Item = bool>) -> Vec<usize> {
    let mut count = 0;
    let counts = items.map(|holds| {
        count += usize::from(holds);
        count
    });
    std::iter::once(0).chain(counts).collect()
}

/// How many hold of the first `pinned` and of those from `start` to `end`.
fn within(running: &[usize], pinned: usize, start: usize, end: usize) -> usize {
    let start = start.min(end);
    running[pinned.min(end)] + running[end] - running[start]
}
