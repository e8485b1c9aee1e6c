//! The outline of a conversation: all that is known of its requests before any of them is sent.
//!
//! Scripted messages are known, live replies are not, and stand as `<reply 2>`. Which messages a window lets through is known
//! too, but for token windows, where the length of what is not known decides.

use std::sync::Arc;

use super::open::Open;
use crate::model::{Message, Origin, Role, Script, Tail, Turn, TurnId, Window};
use crate::text::tokens::PER_MESSAGE;
use crate::window::{Reach, reach};

/// How much of a message is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// All of it.
    Whole,
    /// Nothing: a live reply.
    Reply,
    /// A part: it hangs on what a turn captures.
    Open,
}

/// Something that is asked live, or was answered by the script itself.
#[derive(Debug, Clone)]
pub struct Asked<'s> {
    /// Which turn or probe.
    pub number: TurnId,
    /// What the script says of it.
    pub turn: &'s Turn,
    /// Its user message.
    pub question: Message,
    /// How much of that is known.
    pub known: Known,
    /// How many messages its history has.
    pub before: usize,
}

/// A script's messages.
#[derive(Debug)]
pub struct Outline<'s> {
    /// The script.
    pub script: &'s Script,
    /// The whole history up to the end, without the system message. That of a turn is the beginning of it.
    pub messages: Vec<Message>,
    /// How much of each is known.
    pub known: Vec<Known>,
    /// Turns and probes, in the order in which they are played.
    pub asked: Vec<Asked<'s>>,
}

/// What goes along with a question, as far as that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// How many messages the history has.
    pub before: usize,
    /// All that may go along.
    pub possible: Reach,
    /// What surely does. The same, where nothing is left open.
    pub certain: Reach,
}

impl Sent {
    /// Whether it is known just what goes along.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.possible == self.certain
    }

    /// The positions in the history of all that may go along.
    pub fn positions(&self) -> impl Iterator<Item = usize> + use<> {
        (0..self.possible.pinned).chain(self.possible.start..self.before)
    }

    /// Whether the message at one of these positions surely goes along.
    #[must_use]
    pub fn is_certain(&self, position: usize) -> bool {
        position < self.certain.pinned || position >= self.certain.start
    }
}

impl<'s> Outline<'s> {
    /// Of a script.
    #[must_use]
    pub fn new(script: &'s Script, open: &Open) -> Self {
        let mut messages: Vec<Message> = Vec::with_capacity(script.history.len() + 2 * script.turns.len());
        let history = (1..).zip(&script.history);
        messages
            .extend(history.map(|(n, (role, content))| Message::new(*role, Origin::History(n), Arc::clone(content))));
        let mut known = vec![Known::Whole; messages.len()];
        let mut asked = Vec::with_capacity(script.turns.len() + script.probes.len());
        let known_if = |is_open: bool| if is_open { Known::Open } else { Known::Whole };
        for (number, turn) in script.asked() {
            let origin = match number {
                TurnId::Turn(number) => Origin::User(number),
                TurnId::Probe(number) => Origin::Probe(number),
            };
            let question = Message::new(Role::User, origin, Arc::clone(&turn.user));
            let of_question = known_if(open.has_user(turn.position));
            asked.push(Asked { number, turn, question: question.clone(), known: of_question, before: messages.len() });
            let TurnId::Turn(reply) = number else { continue };
            messages.push(question);
            known.push(of_question);
            let (said, of_reply) = match &turn.reply {
                Some(said) => (Arc::clone(said), known_if(open.has_reply(turn.position))),
                None => (format!("<reply {reply}>").into(), Known::Reply),
            };
            messages.push(Message::new(Role::Assistant, Origin::Reply(reply), said));
            known.push(of_reply);
        }
        Self { script, messages, known, asked }
    }

    /// The system message under a persona, where there is one.
    #[must_use]
    pub fn system(&self, persona: usize) -> Option<Message> {
        let system = &self.script.personas[persona].system;
        (!system.is_empty()).then(|| Message::new(Role::System, Origin::System, Arc::clone(system)))
    }

    /// What of the history goes along with a question; `None` where that alone is too long for the window. `count` gives the
    /// tokens of a text, and is called for token windows only.
    #[must_use]
    pub fn sent(
        &self,
        asked: &Asked<'_>,
        system: Option<&Message>,
        window: Window,
        count: &dyn Fn(&str) -> usize,
    ) -> Option<Sent> {
        let history = &self.messages[..asked.before];
        let choose = |unknown: usize| {
            let tokens = |message: &Message| match self.known_of(asked, message.origin) {
                Known::Whole => count(&message.content).saturating_add(PER_MESSAGE),
                Known::Reply | Known::Open => unknown,
            };
            reach(window, system, history, &asked.question, &tokens)
        };
        // No message counts less than what stands around it, and nobody knows how much it counts at most.
        let possible = choose(PER_MESSAGE).ok()?;
        let certain = match window.tail {
            Tail::Tokens(_) => choose(usize::MAX).unwrap_or_else(|_| {
                let pinned = usize::try_from(window.pin_first).unwrap_or(usize::MAX).min(asked.before);
                Reach { pinned, start: asked.before }
            }),
            _ => possible,
        };
        Some(Sent { before: asked.before, possible, certain })
    }

    fn known_of(&self, asked: &Asked<'_>, origin: Origin) -> Known {
        let at = |n: u32, place: usize| self.script.history.len() + 2 * (n as usize - 1) + place;
        let at = match origin {
            Origin::System => return Known::Whole,
            Origin::Probe(_) => return asked.known,
            Origin::History(n) => n as usize - 1,
            Origin::User(n) => at(n, 0),
            Origin::Reply(n) => at(n, 1),
        };
        self.known.get(at).copied().unwrap_or(Known::Open)
    }
}
