//! What turns capture of their replies: variables that nobody knows before the turn is played.
//!
//! Until then a word of ours stands in their place, so that a script can be read as a whole. A text that would need one earlier is
//! an error here, in whatever way it comes by it: by itself, or through a fact.

use std::collections::HashMap;

use super::body::Body;
use super::decode::{Findings, one_or_many};
use super::header::entry;
use super::matrix::Variables;
use super::template::names_in;
use super::tree::Tree;
use super::yaml::{Node, Value};
use crate::diagnostic::Code;
use crate::model::{Check, CheckKind, Script};

/// The names that turns give to what they capture, each with where it stands.
pub fn names(turns: &Node) -> Vec<(&str, &Node)> {
    let Value::List(items) = &turns.value else { return Vec::new() };
    let captures = items.iter().filter_map(|item| match &entry(item, "capture")?.value {
        Value::Map(entries) => Some(entries),
        _ => None,
    });
    captures.flat_map(|entries| entries.iter()).filter_map(|(name, _)| Some((name.scalar_text()?, name))).collect()
}

/// What stands for a capture that is not there yet.
pub fn placeholder(name: &str) -> String {
    format!("‹{name}›")
}

/// Placeholders for all that is not captured yet.
pub fn unknown(names: &[String], own: &Variables) -> Variables {
    let unknown = names.iter().filter(|name| !own.contains_key(name.as_str()));
    unknown.map(|name| (name.clone(), placeholder(name).into())).collect()
}

/// Finds everything that needs a capture before it is there.
pub(super) fn too_early(findings: &mut Findings, (body, tree): (&Body, &Tree), script: &Script) {
    let numbers = (1_u32..).zip(&script.turns);
    let captured =
        numbers.clone().flat_map(|(number, turn)| turn.captures.iter().map(move |capture| (&*capture.name, number)));
    let captured: HashMap<&str, u32> = captured.collect();
    let mut early = Early { findings, captured, of_facts: Vec::new() };
    for persona in body.personas(tree) {
        if let Some((node, text)) = persona.file {
            early.text(node, &names_in_text(text), 0);
        }
        early.node(persona.system, 0);
    }
    early.node(tree.get("history"), 0);
    if let Some(Value::Map(facts)) = tree.get("facts").map(|facts| &facts.value) {
        early.of_facts = facts.iter().map(|(_, fact)| early.captures_in(fact)).collect();
    }
    // Fillers unfold to several turns of one place.
    let mut places: HashMap<_, u32> = HashMap::new();
    for (number, turn) in numbers.clone() {
        places.entry(turn.position).or_insert(number);
    }
    let Some(Value::List(items)) = tree.get("turns").map(|turns| &turns.value) else { return };
    for item in items.iter() {
        let Some(number) = places.get(&item.position).copied() else { continue };
        early.node(Some(item), number);
        let turn = script.turns.get(number as usize - 1);
        turn.iter().flat_map(|turn| &turn.checks).for_each(|check| early.check(item, check, number));
    }
    let persona_checks =
        body.personas(tree).zip(&script.personas).filter_map(|(node, persona)| Some((node.expect?, &persona.checks)));
    let each_reply = tree.get("each_reply").into_iter().map(|node| (node, &script.each_reply));
    for (node, checks) in persona_checks.chain(each_reply) {
        for (item, each) in one_or_many(node).iter().zip(checks) {
            early.node(Some(item), each.from);
            early.check(item, &each.check, each.from);
        }
    }
}

fn names_in_text(text: &str) -> Vec<String> {
    let node = Node { value: Value::Scalar(super::yaml::Scalar::Text, text.into()), ..Node::NOTHING };
    names_in(&node)
}

struct Early<'f> {
    findings: &'f mut Findings,
    /// The turn that captures each.
    captured: HashMap<&'f str, u32>,
    /// What each fact is made of.
    of_facts: Vec<Vec<String>>,
}

impl Early<'_> {
    fn captures_in(&self, node: &Node) -> Vec<String> {
        names_in(node).into_iter().filter(|name| self.captured.contains_key(name.as_str())).collect()
    }

    fn node(&mut self, node: Option<&Node>, turn: u32) {
        let Some(node) = node else { return };
        let names = self.captures_in(node);
        self.text(node, &names, turn);
    }

    /// Notes each name that is not captured before a turn; 0 is before all turns.
    fn text(&mut self, at: &Node, names: &[String], turn: u32) {
        for name in names {
            let Some(captured) = self.captured.get(name.as_str()).filter(|captured| turn <= **captured) else {
                continue;
            };
            let message =
                format!("`{name}` is captured in turn {captured}, and is not known before the turn behind it");
            let help = "use it in later turns and in probes; of checks on each reply, in those with a later `from`";
            self.findings.error_help(Code::UnknownVariable, at, message, "", help);
        }
    }

    /// The facts that a check is about.
    fn check(&mut self, at: &Node, check: &Check, turn: u32) {
        let mut kind = &check.kind;
        while let CheckKind::Not(inner) = kind {
            kind = inner;
        }
        if let CheckKind::Recalls(fact) | CheckKind::Forgets(fact, _) | CheckKind::RetainsIffVisible(fact) = kind {
            let names = self.of_facts.get(fact.fact).cloned().unwrap_or_default();
            self.text(at, &names, turn);
        }
    }
}
