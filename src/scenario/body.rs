//! The part of a scenario that has variables in it, and how it becomes a script.

use std::sync::Arc;

use super::captures;
use super::decode::Findings;
use super::matrix::Variables;
use super::read_fact;
use super::read_json::Schemas;
use super::read_probes::Probes;
use super::read_transcript;
use super::read_turns::{self, FillerFiles};
use super::template::{Templates, has_templates, is_template};
use super::yaml::Node;
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::model::{CanaryKind, Persona, Script};

/// A persona before its variables are filled in.
#[derive(Debug)]
pub(super) struct PersonaNode {
    pub name: String,
    /// The system prompt in the scenario itself.
    pub system: Option<Node>,
    /// Where a system prompt's file is named, and its text.
    pub file: Option<(Node, String)>,
    pub expect: Option<Node>,
}

/// What is left to be filled in for a case and a cell.
#[derive(Debug)]
pub struct Body {
    pub(super) vars: Variables,
    /// The facts that are canaries: each conversation has its own value of them, which is a variable too.
    pub(super) canaries: Vec<(String, CanaryKind)>,
    /// The names of what turns capture.
    pub(super) captures: Vec<String>,
    pub(super) facts: Option<Node>,
    pub(super) personas: Vec<PersonaNode>,
    pub(super) history: Option<Node>,
    pub(super) turns: Node,
    pub(super) probes: Option<Probes>,
    pub(super) each_reply: Option<Node>,
    /// Checks on the whole transcript.
    pub(super) expect: Option<Node>,
    pub(super) fillers: FillerFiles,
    /// The schemas of files.
    pub(super) schemas: Arc<Schemas>,
    /// The script, where it is the same for every case and cell; made when the file is loaded.
    pub(super) fixed: Option<Arc<Script>>,
}

impl Body {
    /// Whether every case and cell has the same script.
    pub(super) fn is_fixed(&self) -> bool {
        let nodes = [&self.facts, &self.history, &self.each_reply, &self.expect].into_iter().flatten();
        let personas =
            self.personas.iter().flat_map(|persona| [&persona.system, &persona.expect].into_iter().flatten());
        let files = self.personas.iter().filter_map(|persona| persona.file.as_ref());
        self.canaries.is_empty()
            && self.captures.is_empty()
            && !nodes.chain(personas).chain([&self.turns]).any(has_templates)
            && !self.probes.as_ref().is_some_and(Probes::have_templates)
            && !files.into_iter().any(|(_, text)| is_template(text))
    }

    /// Keeps the script that is the same for every case and cell, and lets go of the tree that it is made of, which nobody looks
    /// at again; but for the facts, whose places are asked for.
    pub(super) fn fix(&mut self, script: Arc<Script>) {
        self.fixed = Some(script);
        (self.turns, self.personas) = (Node::NOTHING, Vec::new());
        (self.history, self.each_reply, self.expect, self.probes) = (None, None, None, None);
        (self.fillers, self.schemas) = (FillerFiles::default(), Arc::default());
    }

    /// The script of one case and one cell, and how many bytes the filters of its templates were given.
    pub(super) fn script(
        &self,
        source: &Arc<SourceFile>,
        case: impl FnOnce() -> Variables,
        cell: &Variables,
        own: &Variables,
    ) -> Result<(Arc<Script>, usize), Vec<Diagnostic>> {
        if let Some(script) = &self.fixed {
            return Ok((Arc::clone(script), 0));
        }
        let mut findings = Findings::new(Arc::clone(source)).with_schemas(Arc::clone(&self.schemas));
        let (script, given) = self.fill(&mut findings, case(), cell, own);
        if !findings.is_empty() {
            return Err(findings.into_diagnostics());
        }
        Ok((Arc::new(script), given))
    }

    fn fill(&self, findings: &mut Findings, case: Variables, cell: &Variables, own: &Variables) -> (Script, usize) {
        let mut variables = self.vars.clone();
        variables.extend(case);
        variables.extend(cell.clone());
        variables.extend(own.clone());
        variables.extend(captures::unknown(&self.captures, own));
        let templates = Templates::new(&variables);
        let mut filled = |node: &Option<Node>| node.as_ref().map(|node| templates.fill(findings, node));
        let (facts, history) = (filled(&self.facts), filled(&self.history));
        let (each_reply, expect) = (filled(&self.each_reply), filled(&self.expect));
        let turns = templates.fill(findings, &self.turns);
        let facts = facts.map_or_else(Vec::new, |node| read_fact::facts(findings, &node, own));
        let turns = read_turns::turns(findings, &turns, &facts, &self.fillers);
        let probes = self.probes.as_ref().map_or_else(Vec::new, |probes| probes.fill(findings, &templates, &facts));
        let personas = self.personas.iter().map(|persona| {
            let system = match (&persona.system, &persona.file) {
                (Some(node), _) => templates.fill(findings, node).scalar_text().unwrap_or_default().to_owned(),
                (None, Some((node, text))) => templates.fill_text(findings, node, text).unwrap_or_default(),
                (None, None) => String::new(),
            };
            let expect = persona.expect.as_ref().map(|node| templates.fill(findings, node));
            Persona {
                name: persona.name.clone(),
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
            captures::too_early(findings, self, &script);
        }
        (script, templates.given())
    }
}
