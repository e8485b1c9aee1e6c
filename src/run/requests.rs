//! What each turn of a conversation would send, as far as that is known before it is played: `plan --requests`. Pure.

use super::lint::{LintedModel, is_for};
use super::plan::{Plan, Planned};
use crate::check::expected;
use crate::model::{CheckKind, FactRef, Message, Origin, TurnId};
use crate::scenario::lint::{Answer, Facts, Sight, orphan, retention};
use crate::scenario::open::Open;
use crate::scenario::outline::{Known, Outline, Sent};

/// Messages that are named of those that have a fact.
const NAMED: usize = 6;

/// A turn or a probe.
#[derive(Debug, Clone)]
pub struct TurnOutline {
    /// Which.
    pub number: TurnId,
    /// What is sent, the system message first; of a canned turn what it adds to the history.
    pub messages: Vec<MessageOutline>,
    /// Whether it is sent: a canned turn is not.
    pub is_sent: bool,
    /// Why it cannot be sent: it is too long for its window.
    pub is_too_long: bool,
    /// The reply at the head of the window whose question is cut.
    pub orphan: Option<Origin>,
    /// Where each fact is visible.
    pub facts: Vec<FactOutline>,
    /// What its retention checks hang on.
    pub checks: Vec<CheckOutline>,
}

/// A message of a request.
#[derive(Debug, Clone)]
pub struct MessageOutline {
    /// The message; a live reply as `<reply 2>`.
    pub message: Message,
    /// How much of it is known.
    pub known: Known,
    /// Whether it surely goes along: under a token window that may hang on what is not known.
    pub is_certain: bool,
}

/// What can be seen of a fact.
#[derive(Debug, Clone)]
pub struct FactOutline {
    /// Its name.
    pub name: String,
    /// The value that counts as the present one; `None` where that is not known.
    pub value: Option<String>,
    /// How it can be answered with.
    pub answer: Answer,
    /// The messages that have it; where none does, the live replies that may.
    pub carriers: Vec<Origin>,
}

/// What a check on a fact hangs on.
#[derive(Debug, Clone)]
pub struct CheckOutline {
    /// Its key: `forgets`.
    pub key: &'static str,
    /// What it expects: `name`.
    pub expected: String,
    /// Whether it is inverted.
    pub is_inverted: bool,
    /// Which of the three it is, and how its fact can be answered with; `None` where it is not for this model.
    pub hangs_on: Option<(Retention, FactOutline)>,
}

/// The checks on facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// `recalls`
    Recalls,
    /// `forgets`
    Forgets,
    /// `retains_iff_visible`
    RetainsIffVisible,
}

/// The turns and probes of a conversation, in the order in which they are played.
#[must_use]
pub fn requests(plan: &Plan, planned: &Planned, model: LintedModel) -> Vec<TurnOutline> {
    let Ok(script) = plan.script(planned) else { return Vec::new() };
    let open = Open::of(plan.scenario(planned));
    let outline = Outline::new(&script, &open);
    let facts = Facts::new(&outline);
    let (persona, window) = (planned.persona as usize, plan.window(planned));
    let system = outline.system(persona);
    let count = |text: &str| model.tokenizer.count(text);
    let turns = outline.asked.iter().map(|asked| {
        let own = MessageOutline { message: asked.question.clone(), known: asked.known, is_certain: true };
        let mut turn = TurnOutline {
            number: asked.number,
            messages: Vec::new(),
            is_sent: asked.turn.reply.is_none(),
            is_too_long: false,
            orphan: None,
            facts: Vec::new(),
            checks: Vec::new(),
        };
        if !turn.is_sent {
            let reply = asked.before + 1;
            let reply = MessageOutline {
                message: outline.messages[reply].clone(),
                known: outline.known[reply],
                is_certain: true,
            };
            turn.messages = vec![own, reply];
            return turn;
        }
        let Some(sent) = outline.sent(asked, system.as_ref(), window, &count) else {
            turn.is_too_long = true;
            return turn;
        };
        if model.keeps_history {
            // What it sees beside the message is its own matter.
            turn.messages = vec![own];
            return turn;
        }
        let system = system.iter().map(|message| MessageOutline {
            message: message.clone(),
            known: Known::Whole,
            is_certain: true,
        });
        let history = sent.positions().map(|at| MessageOutline {
            message: outline.messages[at].clone(),
            known: outline.known[at],
            is_certain: sent.is_certain(at),
        });
        turn.messages = system.chain(history).chain([own]).collect();
        turn.orphan = orphan(&outline, &sent);
        let seen = |fact: &FactRef| {
            let name = script.facts[fact.fact].name.clone();
            let sight = (!open.has_fact(fact.fact)).then(|| facts.sight(persona, fact, asked, &sent)).flatten();
            sight.map_or(
                FactOutline { name: name.clone(), value: None, answer: Answer::Open, carriers: Vec::new() },
                |sight| fact_outline(name, &sight, &sent),
            )
        };
        turn.facts = (0..script.facts.len()).map(|fact| seen(&FactRef { fact, value: None })).collect();
        turn.checks = script
            .checks_of(persona, asked.number, asked.turn)
            .filter_map(|check| {
                let (kind, fact, is_inverted) = retention(&check.kind)?;
                let is_open = open.has_check(check.position);
                Some(CheckOutline {
                    key: kind.key(),
                    expected: expected(kind, &script.facts),
                    is_inverted,
                    hangs_on: is_for(check, plan.model(planned), model).then(|| {
                        let seen = seen(fact);
                        let seen = if is_open { FactOutline { answer: Answer::Open, ..seen } } else { seen };
                        (which(kind), seen)
                    }),
                })
            })
            .collect();
        turn
    });
    turns.collect()
}

const fn which(kind: &CheckKind) -> Retention {
    match kind {
        CheckKind::Recalls(_) => Retention::Recalls,
        CheckKind::Forgets(..) => Retention::Forgets,
        _ => Retention::RetainsIffVisible,
    }
}

fn fact_outline(name: String, sight: &Sight<'_>, sent: &Sent) -> FactOutline {
    let answer = sight.answer();
    let carriers = match answer {
        Answer::Visible | Answer::Question => sight.certain_carriers(NAMED),
        Answer::ByReply => sight.replies(NAMED),
        Answer::Open if !sent.is_exact() => sight.possible_carriers(NAMED),
        Answer::Not | Answer::Open => Vec::new(),
    };
    FactOutline { name, value: Some(sight.value.clone()), answer, carriers }
}

impl CheckOutline {
    /// Whether no reply passes it.
    #[must_use]
    pub fn can_never_pass(&self) -> bool {
        let never = match &self.hangs_on {
            Some((Retention::Recalls, fact)) => fact.answer == Answer::Not,
            Some((Retention::Forgets, fact)) => matches!(fact.answer, Answer::Visible | Answer::Question),
            _ => false,
        };
        never && !self.is_inverted
    }
}

impl MessageOutline {
    /// `system`, `u1`, `a1`, in parentheses where it may be cut.
    #[must_use]
    pub fn name(&self) -> String {
        let name = self.message.origin.to_string();
        if self.is_certain { name } else { format!("({name})") }
    }
}
