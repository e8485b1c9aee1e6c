//! YAML text to scenarios, with everything that is wrong with it. Pure: files come in through [`Files`].

mod body;
mod captures;
pub mod decode;
mod fillers;
mod header;
pub mod import;
pub mod lint;
mod matrix;
mod needs;
pub mod open;
pub mod outline;
mod read_check;
mod read_fact;
mod read_files;
mod read_json;
pub mod read_outside;
pub mod read_params;
mod read_probes;
mod read_similar;
mod read_snapshot;
mod read_transcript;
mod read_turns;
mod read_window;
pub mod schema;
mod template;
mod template_limits;
#[cfg(test)]
mod tests;
mod tree;
pub mod yaml;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic, SourceFile};
use crate::model::{ConversationId, Params, Position, Script, SnapshotRules, Window};

pub use body::Body;
pub use header::load;
pub use matrix::{Cases, Variables};
pub use needs::Needs;
pub use read_files::ReadFile;
use tree::Tree;

/// Reads the files that a scenario names, relative to its own place.
pub trait Files {
    /// The text of a file.
    ///
    /// # Errors
    /// Why it cannot be had; the place is added by the caller.
    fn read(&self, relative: &str) -> Result<Arc<SourceFile>, FileProblem>;
}

/// Why a file cannot be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileProblem {
    /// The diagnostic's code.
    pub code: Code,
    /// What is wrong.
    pub message: String,
    /// Something to do about it.
    pub help: Option<String>,
}

/// A scenario without errors: everything that a plan is made of.
#[derive(Debug)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// Where its name stands; empty where the file gives it none.
    name_span: Range<usize>,
    /// What it is about.
    pub description: Option<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// The file.
    pub source: Arc<SourceFile>,
    /// The other files that it is made of, each once, in the order in which it names them.
    pub reads: Vec<ReadFile>,
    /// The models that it names; empty for the config's.
    pub models: Vec<String>,
    /// Where each of them stands.
    model_spans: Vec<Range<usize>>,
    /// Its windows; at least one.
    pub windows: Vec<Window>,
    /// Sampling parameters.
    pub params: Params,
    /// Where they stand, or would.
    params_span: Range<usize>,
    /// Whether replies are streamed.
    pub stream: bool,
    /// What it asks of its snapshots.
    pub snapshot: Arc<SnapshotRules>,
    /// Repetitions of each variant.
    pub trials: u32,
    /// The share of its decided trials in which a check must pass.
    pub pass_rate: f64,
    /// The personas' names, in the order of the file; at least one.
    pub personas: Vec<String>,
    /// The cases; one without a name where there are none.
    pub cases: Cases,
    /// The cells of the matrix; one without variables where there is none.
    pub cells: Vec<Variables>,
    /// Which warnings of the memory lint are meant.
    pub allowed: lint::Allowed,
    /// The names of its facts, in the order of the file, and where they stand.
    facts: Vec<(String, Range<usize>)>,
    /// What is left to be filled in for a case and a cell.
    pub(super) body: Body,
    /// What its checks need from outside.
    pub needs: Needs,
    /// How many turns of a conversation are asked live. That hangs on no variable: a reply that is canned is so whatever it says.
    pub live_turns: u32,
}

impl Scenario {
    /// Where it names a model.
    #[must_use]
    pub fn place_of_model(&self, model: &str) -> Option<Range<usize>> {
        let at = self.models.iter().position(|name| name == model)?;
        self.model_spans.get(at).cloned()
    }

    /// Where its sampling parameters stand; without any, where the scenario begins.
    #[must_use]
    pub fn place_of_params(&self) -> Range<usize> {
        self.params_span.clone()
    }

    /// The rest of a line from where a check stands.
    #[must_use]
    pub fn place_of_check(&self, place: Position) -> Range<usize> {
        needs::span(&self.source, place)
    }

    /// Whether all its cases and cells have the same script.
    #[must_use]
    pub fn has_one_script(&self) -> bool {
        self.body.fixed.is_some()
    }

    /// The names of its facts, in the order of the file.
    #[must_use]
    pub fn facts(&self) -> Vec<&str> {
        self.facts.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// Where a fact is declared, and whether it is a canary.
    #[must_use]
    pub fn place_of_fact(&self, name: &str) -> (Range<usize>, bool) {
        let place = self.facts.iter().find(|(fact, _)| fact == name).map_or(0..0, |(_, place)| place.clone());
        (place, self.body.canaries.iter().any(|(canary, _)| canary == name))
    }

    /// The script of one case and one cell of the matrix, both as indexes, with canaries such as any conversation might have.
    ///
    /// # Errors
    /// What is wrong with it. A scenario that loaded without errors has none.
    pub fn script(&self, case: usize, cell: usize) -> Result<Arc<Script>, Vec<Diagnostic>> {
        self.script_with(case, cell, &self.any_canaries())
    }

    /// The same of one conversation. `own` are variables of its alone: its canaries, and what it has
    /// captured so far.
    ///
    /// # Errors
    /// What is wrong with it. A scenario that loaded without errors has none.
    pub fn script_with(&self, case: usize, cell: usize, own: &Variables) -> Result<Arc<Script>, Vec<Diagnostic>> {
        if let Some(script) = &self.body.fixed {
            return Ok(Arc::clone(script));
        }
        self.script_of(&self.tree()?, case, cell, own).map(|(script, _)| Arc::new(script))
    }

    /// The tree that scripts are made of.
    fn tree(&self) -> Result<Tree, Vec<Diagnostic>> {
        match &self.body.tree {
            Some(tree) => Ok(tree.clone()),
            None => Tree::of(&self.source).map_err(|diagnostic| vec![*diagnostic]),
        }
    }

    /// The script of a case and a cell, made of the file's tree, and how many bytes the filters of its templates were given.
    fn script_of(
        &self,
        tree: &Tree,
        case: usize,
        cell: usize,
        own: &Variables,
    ) -> Result<(Script, usize), Vec<Diagnostic>> {
        self.body.script(tree, self.cases.variables(case), &self.cells[cell], own)
    }

    /// Canaries such as any conversation might have.
    fn any_canaries(&self) -> Variables {
        self.canaries(0, &ConversationId([0; 32]))
    }

    /// Whether turns capture parts of their replies.
    #[must_use]
    pub fn has_captures(&self) -> bool {
        !self.body.captures.is_empty()
    }

    /// Whether a text is not known before what stands in it is captured.
    #[must_use]
    pub fn is_open(&self, text: &str) -> bool {
        self.body.captures.iter().any(|name| text.contains(&captures::placeholder(name)))
    }

    /// Whether it has facts that are canaries.
    #[must_use]
    pub fn has_canaries(&self) -> bool {
        !self.body.canaries.is_empty()
    }

    /// The canaries of a conversation, by the names of the facts.
    #[must_use]
    pub fn canaries(&self, seed: u64, conversation: &ConversationId) -> Variables {
        let canaries = self.body.canaries.iter();
        canaries.map(|(name, kind)| (name.clone(), kind.value(seed, conversation, name).into())).collect()
    }
}

/// Finds scenarios that share a name.
#[must_use]
pub fn duplicate_names(scenarios: &[Scenario]) -> Vec<Diagnostic> {
    let mut seen: HashMap<&str, &Scenario> = HashMap::new();
    let twice = scenarios.iter().filter_map(|scenario| {
        let first = seen.insert(&scenario.name, scenario)?;
        let message =
            format!("`{}` and `{}` are both called `{}`", first.source.path, scenario.source.path, scenario.name);
        Some(
            Diagnostic::error(Code::DuplicateScenario, message)
                .at(&scenario.source, scenario.name_span.clone(), "")
                .help("give one of them another `name:`; without one, the file's stem is the name"),
        )
    });
    twice.collect()
}
