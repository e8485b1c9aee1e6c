//! Reads `allow:`: which warnings of the memory lint a turn, or the whole scenario, is meant to give.
//!
//! It is no part of a script: what is allowed hangs on no variable.

use std::collections::HashMap;

use super::super::decode::{Findings, one_or_many};
use super::super::header::entry;
use super::super::yaml::{Node, Value};
use crate::diagnostic::Code;
use crate::model::Position;

/// The warnings that can be allowed.
const WARNINGS: [Code; 5] =
    [Code::OnlyByReply, Code::AnswerInQuestion, Code::OrphanReply, Code::NeverPlanted, Code::UnusedFact];

/// What is allowed, and where.
#[derive(Debug, Default)]
pub struct Allowed {
    everywhere: Vec<Code>,
    /// By the places of turns and probes.
    at: HashMap<Position, Vec<Code>>,
}

impl Allowed {
    /// Reads what the scenario says, and what each item of these lists of turns and probes says.
    pub fn read<'n>(findings: &mut Findings, own: Option<&Node>, lists: impl IntoIterator<Item = &'n Node>) -> Self {
        let everywhere = own.map_or_else(Vec::new, |node| words(findings, node));
        let mut at: HashMap<Position, Vec<Code>> = HashMap::new();
        for list in lists {
            let Value::List(items) = &list.value else { continue };
            for item in items {
                if let Some(node) = entry(item, "allow") {
                    at.entry(item.position).or_default().extend(words(findings, node));
                }
            }
        }
        Self { everywhere, at }
    }

    /// Whether a warning is meant, of the whole scenario or of the turn at a place.
    #[must_use]
    pub fn has(&self, code: Code, turn: Option<Position>) -> bool {
        let of_turn = turn.and_then(|position| self.at.get(&position));
        self.everywhere.iter().chain(of_turn.into_iter().flatten()).any(|allowed| *allowed == code)
    }
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
