//! What of a script is open until replies are there: the texts, checks and facts that hang on what a turn captures.
//!
//! Told from the templates, not from what they give: a text that only chooses by a capture (`{% if %}`) shows no trace of it.

use std::collections::HashSet;

use super::Scenario;
use super::decode::one_or_many;
use super::header::entry;
use super::template::names_in;
use super::yaml::{Node, Value};
use crate::model::Position;

/// The places that hang on captures. Empty for a scenario without any.
#[derive(Debug, Default)]
pub struct Open {
    /// Turns and probes whose user message is open.
    users: HashSet<Position>,
    /// Turns whose canned reply is open.
    replies: HashSet<Position>,
    /// Checks that are open.
    checks: HashSet<Position>,
    /// Facts, by index, whose values are open.
    facts: Vec<bool>,
}

impl Open {
    /// Of a scenario.
    #[must_use]
    pub fn of(scenario: &Scenario) -> Self {
        let (mut open, body) = (Self::default(), &scenario.body);
        if body.captures.is_empty() {
            return open;
        }
        let Ok(tree) = scenario.tree() else {
            // It was one when the file was loaded.
            return open;
        };
        let hangs = |node: &Node| names_in(node).iter().any(|name| body.captures.contains(name));
        let probes = body.probes(&tree);
        let probes = probes.as_ref().map(|probes| (probes.list(), probes.place()));
        for (list, place) in tree.get("turns").map(|turns| (turns, None)).into_iter().chain(probes) {
            let Value::List(items) = &list.value else { continue };
            for item in items.iter() {
                // Probes of a file all stand where it is named.
                let at = |node: &Node| place.unwrap_or(node.position);
                let part = |key: &str| entry(item, key);
                open.users.extend(part("user").filter(|node| hangs(node)).map(|_| at(item)));
                open.replies.extend(part("reply").filter(|node| hangs(node)).map(|_| at(item)));
                open.checks.extend(part("expect").into_iter().flat_map(one_or_many).filter(|node| hangs(node)).map(at));
            }
        }
        let each = body.personas(&tree).filter_map(|persona| persona.expect);
        let each = each.chain(tree.get("each_reply")).chain(tree.get("expect"));
        open.checks.extend(each.flat_map(one_or_many).filter(|node| hangs(node)).map(|node| node.position));
        if let Some(Value::Map(facts)) = tree.get("facts").map(|node| &node.value) {
            open.facts = facts.iter().map(|(_, fact)| hangs(fact)).collect();
        }
        open
    }

    /// Whether the user message of the turn or probe at a place is open.
    #[must_use]
    pub fn has_user(&self, turn: Position) -> bool {
        self.users.contains(&turn)
    }

    /// Whether the canned reply of the turn at a place is open.
    #[must_use]
    pub fn has_reply(&self, turn: Position) -> bool {
        self.replies.contains(&turn)
    }

    /// Whether the check at a place is open.
    #[must_use]
    pub fn has_check(&self, check: Position) -> bool {
        self.checks.contains(&check)
    }

    /// Whether the values of the fact at an index are open.
    #[must_use]
    pub fn has_fact(&self, fact: usize) -> bool {
        self.facts.get(fact).copied().unwrap_or(false)
    }
}
