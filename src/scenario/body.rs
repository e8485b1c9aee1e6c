//! The part of a scenario that has variables in it, and how it becomes a script.

use std::sync::Arc;

use super::captures;
use super::decode::Findings;
use super::header::entry;
use super::matrix::Variables;
use super::read_fact;
use super::read_json::Schemas;
use super::read_probes::Probes;
use super::read_transcript;
use super::read_turns::{self, FillerFiles};
use super::template::{Templates, has_templates, is_template};
use super::tree::Tree;
use super::yaml::{Node, Value};
use crate::diagnostic::Diagnostic;
use crate::model::{CanaryKind, Persona, Script};

/// A persona before its variables are filled in.
pub(super) struct PersonaNode<'b> {
    pub name: &'b str,
    /// The system prompt in the scenario itself.
    pub system: Option<&'b Node>,
    /// Where a system prompt's file is named, and its text.
    pub file: Option<(&'b Node, &'b str)>,
    pub expect: Option<&'b Node>,
}

/// What of a persona is held beside the scenario's tree.
#[derive(Debug)]
pub(super) struct PersonaPart {
    pub name: String,
    /// Its index in the file.
    pub at: usize,
    /// The text of a system prompt's file.
    pub text: Option<String>,
}

/// What is left to be filled in for a case and a cell, beside the scenario's own tree.
#[derive(Debug)]
pub struct Body {
    pub(super) vars: Variables,
    /// The facts that are canaries: each conversation has its own value of them, which is a variable too.
    pub(super) canaries: Vec<(String, CanaryKind)>,
    /// The names of what turns capture.
    pub(super) captures: Vec<String>,
    pub(super) personas: Vec<PersonaPart>,
    /// Probes that are from a file.
    pub(super) probes: Option<Probes>,
    pub(super) fillers: FillerFiles,
    /// The schemas of files.
    pub(super) schemas: Arc<Schemas>,
    /// The tree, where it is large.
    pub(super) tree: Option<Tree>,
    /// The script, where it is the same for every case and cell; made when the file is loaded.
    pub(super) fixed: Option<Arc<Script>>,
}

impl Body {
    /// Whether every case and cell has the same script.
    pub(super) fn is_fixed(&self, tree: &Tree) -> bool {
        let is_open = |node: Option<&Node>| node.is_some_and(has_templates);
        let is_persona_open = |persona: PersonaNode<'_>| {
            is_open(persona.system)
                || is_open(persona.expect)
                || persona.file.is_some_and(|(_, text)| is_template(text))
        };
        self.canaries.is_empty()
            && self.captures.is_empty()
            && !["facts", "history", "turns", "each_reply", "expect"].iter().any(|key| is_open(tree.get(key)))
            && !self.personas(tree).any(is_persona_open)
            && !self.probes(tree).is_some_and(|probes| probes.have_templates())
    }

    /// Keeps the script that is the same for every case and cell, and lets go of what else it is made of, which nobody looks at again.
    pub(super) fn fix(&mut self, script: Arc<Script>) {
        self.fixed = Some(script);
        (self.personas, self.probes) = (Vec::new(), None);
        (self.fillers, self.schemas) = (FillerFiles::default(), Arc::default());
    }

    /// The personas, in the order of the file.
    pub(super) fn personas<'b>(&'b self, tree: &'b Tree) -> impl Iterator<Item = PersonaNode<'b>> {
        self.personas.iter().map(|part| {
            let node = tree.persona(part.at);
            let is_there = |value: &&Node| !matches!(value.value, Value::Null);
            let key = |key: &str| node.and_then(|node| entry(node, key)).filter(is_there);
            let own = node.filter(|node| matches!(node.value, Value::Scalar(..)));
            let file = part.text.as_deref().and_then(|text| Some((key("system_file")?, text)));
            PersonaNode { name: &part.name, system: own.or_else(|| key("system")), file, expect: key("expect") }
        })
    }

    /// The probes, where there are any.
    pub(super) fn probes(&self, tree: &Tree) -> Option<Probes> {
        let own = tree.get("probes").filter(|node| matches!(node.value, Value::List(_)));
        own.map(|list| Probes::inline(list.clone())).or_else(|| self.probes.clone())
    }

    /// The script of one case and one cell, made of the scenario's tree, and how many bytes the filters of its templates were given.
    pub(super) fn script(
        &self,
        tree: &Tree,
        case: Variables,
        cell: &Variables,
        own: &Variables,
    ) -> Result<(Script, usize), Vec<Diagnostic>> {
        let mut findings = Findings::new(Arc::clone(tree.source())).with_schemas(Arc::clone(&self.schemas));
        let (script, given) = self.fill(&mut findings, tree, case, cell, own);
        if !findings.is_empty() {
            return Err(findings.into_diagnostics());
        }
        Ok((script, given))
    }

    fn fill(
        &self,
        findings: &mut Findings,
        tree: &Tree,
        case: Variables,
        cell: &Variables,
        own: &Variables,
    ) -> (Script, usize) {
        let mut variables = self.vars.clone();
        variables.extend(case);
        variables.extend(cell.clone());
        variables.extend(own.clone());
        variables.extend(captures::unknown(&self.captures, own));
        let templates = Templates::new(&variables);
        let mut filled = |key: &str| tree.get(key).map(|node| templates.fill(findings, node));
        let (facts, history) = (filled("facts"), filled("history"));
        let (each_reply, expect) = (filled("each_reply"), filled("expect"));
        // Without turns the rest of the file is still looked at.
        let turns = filled("turns").unwrap_or(Node::NOTHING);
        let facts = facts.map_or_else(Vec::new, |node| read_fact::facts(findings, &node, own));
        let turns = read_turns::turns(findings, &turns, &facts, &self.fillers);
        let probes = self.probes(tree).map_or_else(Vec::new, |probes| probes.fill(findings, &templates, &facts));
        let personas = self.personas(tree).map(|persona| {
            let system = match (persona.system, persona.file) {
                (Some(node), _) => templates.fill(findings, node).scalar_text().unwrap_or_default().to_owned(),
                (None, Some((node, text))) => templates.fill_text(findings, node, text).unwrap_or_default(),
                (None, None) => String::new(),
            };
            let expect = persona.expect.map(|node| templates.fill(findings, node));
            Persona {
                name: persona.name.to_owned(),
                system: system.trim_end().into(),
                checks: expect.map_or_else(Vec::new, |node| read_turns::each_reply(findings, &node, &facts, &turns)),
            }
        });
        let personas = personas.collect();
        let each_reply = match each_reply {
            Some(node) => read_turns::each_reply(findings, &node, &facts, &turns),
            None => Vec::new(),
        };
        let transcript_checks =
            expect.map_or_else(Vec::new, |node| read_transcript::checks(findings, &node, &facts, &turns));
        let history = history.map_or_else(Vec::new, |node| read_turns::history(findings, &node));
        let script = Script { facts, personas, history, turns, probes, each_reply, transcript_checks };
        if !self.captures.is_empty() {
            captures::too_early(findings, (self, tree), &script);
        }
        (script, templates.given())
    }
}
