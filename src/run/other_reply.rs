//! A turn of an earlier conversation, whose checks are decided on other replies than its own.
//!
//! No other turn is looked at: what was sent and said stays, so that a turn takes no longer the more turns there are.

use super::so_far;
use crate::check::{self, Decision, Measured, TurnView};
use crate::event::{Record, TurnDone};
use crate::model::{CheckKind, Fact, Message, Origin, Reply, TurnId, Verdict};

/// What was said in a conversation.
pub(super) struct Heard {
    /// Its own list of messages, to which what its turns sent points.
    list: Vec<Message>,
    /// The history at its end.
    history: Vec<Message>,
    /// Whether the bot kept its history itself.
    keeps_history: bool,
}

impl Heard {
    pub(super) fn of(record: &Record) -> Self {
        let list = record.messages();
        let is_history = |message: &&Message| !matches!(message.origin, Origin::System | Origin::Probe(_));
        let keeps_history = record.begin.keeps_history;
        Self { history: list.iter().filter(is_history).cloned().collect(), list, keeps_history }
    }

    /// One of its turns, with the facts as they were known then.
    pub(super) fn at<'h>(&'h self, turn: &'h TurnDone, facts: &'h [Fact]) -> OtherReply<'h> {
        let sent = turn.sent_positions().filter_map(|at| Some((self.list.get(at)?, at)));
        let (sent, positions) = sent.unzip();
        let is_own =
            |message: &Message| matches!(turn.turn, TurnId::Turn(turn) if message.origin == Origin::User(turn));
        let before = self.history.iter().position(is_own).unwrap_or(self.history.len());
        let system = self.list.iter().find(|message| message.origin == Origin::System);
        let (history, keeps_history) = (&self.history[..before], self.keeps_history);
        OtherReply { turn, sent, positions, history, keeps_history, system, facts }
    }
}

/// All that the checks of a turn look at, but for the reply.
pub(super) struct OtherReply<'h> {
    turn: &'h TurnDone,
    sent: Vec<&'h Message>,
    positions: Vec<usize>,
    history: &'h [Message],
    keeps_history: bool,
    system: Option<&'h Message>,
    facts: &'h [Fact],
}

impl OtherReply<'_> {
    /// Whether a check still passes with this reply. It is all there, whatever became of the one that was given.
    pub(super) fn passes(&self, kind: &CheckKind, reply: &str) -> bool {
        let finish_reason = self.turn.finish_reason.as_ref().map(|_| "stop".to_owned());
        self.decide(kind, &Reply { text: reply.to_owned(), finish_reason }).verdict == Verdict::Pass
    }

    /// What becomes of a check with the reply that was given.
    pub(super) fn given(&self, kind: &CheckKind) -> Decision {
        self.decide(kind, &so_far::reply(self.turn))
    }

    fn decide(&self, kind: &CheckKind, reply: &Reply) -> Decision {
        let view = TurnView {
            turn: self.turn.turn,
            sent: &self.sent,
            history: self.history,
            list_positions: &self.positions,
            reply,
            facts: self.facts,
            system: self.system,
            keeps_history: self.keeps_history,
            tokens_sent: so_far::tokens_sent(self.turn),
            measured: Measured::of(self.turn),
            gathered: None,
        };
        check::decide(kind, &view)
    }
}
