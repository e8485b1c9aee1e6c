//! What a run that goes on knows of a conversation already: what of it the journal holds is neither sent nor written again.

use crate::event::{CallDone, CheckDone, Record, TurnDone};
use crate::model::{Message, Origin, Reply, Source, TurnId};

/// The turns and checks of a conversation that the journal holds; none where it was not begun.
#[derive(Debug, Clone, Default)]
pub struct SoFar {
    turns: Vec<TurnDone>,
    /// Its own list of messages, to which what its turns sent points.
    list: Option<Vec<Message>>,
    /// Its calls beside the turns.
    pub(super) calls: Vec<CallDone>,
    checks: Vec<CheckDone>,
}

impl From<Record> for SoFar {
    fn from(record: Record) -> Self {
        let list = Some(record.messages());
        Self { turns: record.turns, list, calls: record.calls, checks: record.checks }
    }
}

impl SoFar {
    /// What was said of an earlier run, and no check of it: all of them are decided anew.
    pub(super) fn unjudged(record: Record) -> Self {
        Self { checks: Vec::new(), ..Self::from(record) }
    }

    /// Whether the conversation was begun.
    pub(super) const fn is_begun(&self) -> bool {
        self.list.is_some()
    }

    /// The conversation's own list of messages as the journal has it; `None` where it was not begun.
    pub(super) fn list(&self) -> Option<&[Message]> {
        self.list.as_deref()
    }

    /// The system message and the history that stood before turn 1; `None` where the conversation was not begun.
    pub(super) fn before(&self) -> Option<(Option<Message>, Vec<Message>)> {
        let list = self.list.as_ref()?;
        let system = list.iter().find(|message| message.origin == Origin::System).cloned();
        let history = list.iter().filter(|message| matches!(message.origin, Origin::History(_)));
        Some((system, history.cloned().collect()))
    }

    /// A turn whose reply is known. One whose call failed is none: it is made again.
    pub(super) fn turn(&self, number: TurnId) -> Option<&TurnDone> {
        self.turns.iter().find(|turn| turn.turn == number && turn.reply.is_some())
    }

    /// Whether a check was decided just so.
    pub(super) fn has(&self, check: &CheckDone) -> bool {
        self.checks.iter().any(|known| known == check)
    }
}

/// The reply of a turn, as its checks saw it.
pub(super) fn reply(turn: &TurnDone) -> Reply {
    Reply { text: turn.reply.clone().unwrap_or_default(), finish_reason: turn.finish_reason.clone() }
}

/// The tokens of a turn's request as its checks saw them: what the provider said. An estimate in the place of what it did
/// not say is for reports alone; those of the embedded model are its own.
pub(super) fn tokens_sent(turn: &TurnDone) -> Option<u64> {
    turn.usage.filter(|usage| !usage.estimated || turn.source == Source::Builtin).map(|usage| usage.sent)
}
