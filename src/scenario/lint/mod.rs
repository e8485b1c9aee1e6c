//! The memory lint: what a script and a window say of retention checks before anything is sent. Pure.
//!
//! It tells for each check on a fact whether any reply can pass it, and on whose words that hangs. What it calls impossible is
//! impossible: whatever is not known (live replies, what is captured, how many messages a token window holds beside them) is taken
//! as it suits the check best. Which conversations are looked at, and how it is said, is decided elsewhere.

mod allow;
mod sight;
mod throughout;

pub use allow::{Allowed, of_turn as allowed_of_turn};
pub use sight::{Answer, Facts, Sight};
pub use throughout::{throughout_claims, throughout_retention};

use super::open::Open;
use super::outline::{Asked, Outline, Sent};
use crate::diagnostic::Code;
use crate::model::{Check, CheckKind, FactRef, Origin, Role, Window};
use crate::window::orphans;

/// So many messages are named that have a fact, or may have it.
const NAMED: usize = 4;

/// What is said of one check in one turn of one conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim<'s, K = CheckKind> {
    /// Of which kind it is.
    pub code: Code,
    /// The turn.
    pub asked: &'s Asked<'s>,
    /// The check.
    pub check: &'s Check<K>,
    /// The fact that it is about.
    pub fact: usize,
    /// The value that counts as the present one there.
    pub value: String,
    /// The messages that have it, or may; the first few of them. None where none can.
    pub carriers: Vec<Origin>,
    /// A reply among them whose question is cut.
    pub orphan: Option<Origin>,
    /// Whether the whole history has it no more than what goes along, so that no window helps.
    pub is_unstated: bool,
}

impl PartialEq for Asked<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

/// A check on a fact, and whether it is inverted.
#[must_use]
pub fn retention(kind: &CheckKind) -> Option<(&CheckKind, &FactRef, bool)> {
    let (mut kind, mut is_inverted) = (kind, false);
    while let CheckKind::Not(inner) = kind {
        (kind, is_inverted) = (inner, !is_inverted);
    }
    match kind {
        CheckKind::Recalls(fact) | CheckKind::Forgets(fact, _) | CheckKind::RetainsIffVisible(fact) => {
            Some((kind, fact, is_inverted))
        }
        _ => None,
    }
}

/// Everything that is to be said of a conversation's retention checks, whatever the model.
pub fn claims<'s>(
    outline: &'s Outline<'s>,
    facts: &Facts<'s>,
    (persona, window): (usize, Window),
    open: &Open,
    count: &dyn Fn(&str) -> usize,
) -> Vec<Claim<'s>> {
    let system = outline.system(persona);
    let mut claims = Vec::new();
    for asked in outline.asked.iter().filter(|asked| asked.turn.reply.is_none()) {
        let mut sent = None;
        for check in outline.script.checks_of(persona, asked.number, asked.turn) {
            let Some((kind, fact, false)) = retention(&check.kind) else { continue };
            if open.has_check(check.position) || open.has_fact(fact.fact) {
                continue;
            }
            let sent = *sent.get_or_insert_with(|| outline.sent(asked, system.as_ref(), window, count));
            // That it is too long is said already.
            let Some(sent) = sent else { break };
            let Some(sight) = facts.sight(persona, fact, asked, &sent) else { continue };
            let Some((code, carriers)) = claim(kind, &sight) else { continue };
            let orphan = match code {
                Code::OrphanReply => carriers.first().copied(),
                _ => orphan(outline, &sent).filter(|origin| carriers.contains(origin)),
            };
            let lacks = matches!(code, Code::OnlyByReply | Code::CanNeverPass) && matches!(kind, CheckKind::Recalls(_));
            let is_unstated = lacks
                && is_unstated(facts, (persona, fact, asked), &|window| {
                    outline.sent(asked, system.as_ref(), window, count)
                });
            let value = sight.value.clone();
            claims.push(Claim { code, asked, check, fact: fact.fact, value, carriers, orphan, is_unstated });
        }
    }
    claims
}

/// Whether no scripted message before a turn can have the fact, the question included.
fn is_unstated(
    facts: &Facts<'_>,
    (persona, fact, asked): (usize, &FactRef, &Asked<'_>),
    sent: &dyn Fn(Window) -> Option<Sent>,
) -> bool {
    let Some(sent) = sent(Window::FULL) else { return false };
    let sight = facts.sight(persona, fact, asked, &sent);
    sight.is_some_and(|sight| matches!(sight.answer(), Answer::Not | Answer::ByReply))
}

/// What is said of one check, by what can be seen of its fact.
fn claim(kind: &CheckKind, sight: &Sight<'_>) -> Option<(Code, Vec<Origin>)> {
    let answer = sight.answer();
    match kind {
        CheckKind::Forgets(..) if answer == Answer::Visible || answer == Answer::Question => {
            Some((Code::CanNeverPass, sight.certain_carriers(NAMED)))
        }
        CheckKind::Forgets(..) if answer == Answer::ByReply => {
            sight.orphan_of_carrier().map(|orphan| (Code::OrphanReply, vec![orphan]))
        }
        CheckKind::Recalls(_) if answer == Answer::Not => Some((Code::CanNeverPass, Vec::new())),
        CheckKind::Recalls(_) if answer == Answer::ByReply => Some((Code::OnlyByReply, sight.replies(NAMED))),
        CheckKind::Recalls(_) | CheckKind::RetainsIffVisible(_) if answer == Answer::Question => {
            Some((Code::AnswerInQuestion, sight.certain_carriers(NAMED)))
        }
        _ => None,
    }
}

/// The reply at the head of the window whose question is cut.
#[must_use]
pub fn orphan(outline: &Outline<'_>, sent: &Sent) -> Option<Origin> {
    if !sent.is_exact() {
        return None;
    }
    let history = &outline.messages[..sent.before];
    let orphans = orphans(history, sent.possible.start);
    history[orphans].first().map(|message| message.origin)
}

/// The question that a reply at a position answers.
fn question_of(outline: &Outline<'_>, position: usize) -> Option<usize> {
    outline.messages[..position].iter().rposition(|message| message.role == Role::User)
}
