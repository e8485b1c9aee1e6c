//! Reads `allow:`: which warnings of the memory lint a turn, or the whole scenario, is meant to give.
//!
//! It is no part of a script: what is allowed hangs on no variable. Probes are told apart by their numbers: those of a file all stand
//! where the scenario names it.

use std::collections::HashMap;

use super::super::decode::{Findings, one_or_many};
use super::super::header::entry;
use super::super::yaml::{Node, Value};
use crate::diagnostic::Code;
use crate::model::{Position, TurnId};

/// The warnings that can be allowed.
const WARNINGS: [Code; 5] =
    [Code::OnlyByReply, Code::AnswerInQuestion, Code::OrphanReply, Code::NeverPlanted, Code::UnusedFact];

/// Those that are about a fact of the scenario, and about no turn.
const OF_SCENARIO: [Code; 2] = [Code::NeverPlanted, Code::UnusedFact];

/// What is allowed, and where.
#[derive(Debug, Default)]
pub struct Allowed {
    everywhere: Vec<Code>,
    /// By the places of turns: one item of the list may unfold into many of them.
    turns: HashMap<Position, Vec<Code>>,
    /// By the numbers of probes, from 0.
    probes: Vec<Vec<Code>>,
}

impl Allowed {
    /// Reads what the scenario and each of its turns says. What its probes say is read with them.
    pub fn read(findings: &mut Findings, own: Option<&Node>, turns: Option<&Node>, probes: Vec<Vec<Code>>) -> Self {
        let everywhere = own.map_or_else(Vec::new, |node| words(findings, node));
        let mut at: HashMap<Position, Vec<Code>> = HashMap::new();
        if let Some(Value::List(items)) = turns.map(|list| &list.value) {
            for item in items.iter() {
                let codes = of_turn(findings, item);
                if !codes.is_empty() {
                    at.entry(item.position).or_default().extend(codes);
                }
            }
        }
        Self { everywhere, turns: at, probes }
    }

    /// Whether a warning is meant everywhere.
    #[must_use]
    pub fn has(&self, code: Code) -> bool {
        self.everywhere.contains(&code)
    }

    /// Whether a warning is meant, of the whole scenario or of a turn or probe, by its number and where it stands.
    #[must_use]
    pub fn has_at(&self, code: Code, number: TurnId, position: Position) -> bool {
        let here = match number {
            TurnId::Turn(_) => self.turns.get(&position),
            TurnId::Probe(number) => self.probes.get((number as usize).saturating_sub(1)),
        };
        self.has(code) || here.is_some_and(|codes| codes.contains(&code))
    }
}

/// What one turn or probe says.
pub fn of_turn(findings: &mut Findings, item: &Node) -> Vec<Code> {
    let Some(node) = entry(item, "allow") else { return Vec::new() };
    let codes = words(findings, node);
    for code in codes.iter().filter(|code| OF_SCENARIO.contains(code)) {
        let code = code.as_str();
        let message = format!("`{code}` is said of a fact of the whole scenario, and no turn silences it");
        findings.error_help(Code::UnknownWord, node, message, "", format!("`allow: [{code}]` at the scenario's top"));
    }
    codes
}

fn words(findings: &mut Findings, node: &Node) -> Vec<Code> {
    if let Value::List(_) = node.value {
        findings.filled_list(node, "allow");
    }
    let known = WARNINGS.map(Code::as_str);
    let words = one_or_many(node).iter().filter_map(|item| {
        let word = findings.filled_text(item, "allow")?;
        let code = WARNINGS.into_iter().find(|code| code.as_str() == word);
        if code.is_none() && word == Code::CanNeverPass.as_str() {
            let message = format!("`{word}` is an error, and no `allow` silences one");
            let help = "mark the check with `known_failure: \"why\"` where it is meant to fail";
            findings.error_help(Code::UnknownWord, item, message, "", help);
        } else if code.is_none() {
            let message = format!("`{word}` is no warning that can be allowed");
            findings.unknown_word(Code::UnknownWord, item, message, &word, &known);
        }
        code
    });
    words.collect()
}
