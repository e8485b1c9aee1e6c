//! The plan: every conversation of a run, with its names, in a fixed order. Pure.
//!
//! The order is: scenario file, case, matrix (first name slowest), persona, model, window, trial. Everything that a
//! run writes stands in it.

mod conversations;

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::filter::{Filter, is_selected};
use crate::diagnostic::Diagnostic;
use crate::journal::MOST_CONVERSATIONS;
use crate::model::{ConversationId, ConversationKey, Script, VariantKey, Window};
use crate::scenario::{Scenario, Variables};

use conversations::Factors;
pub use conversations::{Conversations, Planned};
pub(super) use conversations::{Group, whole};

/// What the command line says instead of the files.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// Models instead of the files' own; empty for the files' own.
    pub models: Vec<String>,
    /// The model of scenarios that name none.
    pub default_model: String,
    /// Personas, by name, of those that the files have; empty for all.
    pub personas: Vec<String>,
    /// Windows instead of the files' own; empty for the files' own.
    pub windows: Vec<Window>,
    /// Trials instead of the files' own.
    pub trials: Option<u32>,
    /// Streaming instead of what the files say.
    pub stream: Option<bool>,
    /// Scenarios with one of these tags; empty for all.
    pub tags: Vec<String>,
    /// Filters over names.
    pub filters: Vec<Filter>,
    /// A larger plan is refused.
    pub max_conversations: usize,
    /// What canaries are made from, beside the names of their conversation.
    pub seed: u64,
}

/// The conversations of a run, in plan order, and the scenarios that they point into.
#[derive(Debug)]
pub struct Plan {
    /// The scenarios.
    pub scenarios: Vec<Scenario>,
    /// The conversations.
    pub conversations: Conversations,
    /// The names of the models that files and overrides name.
    models: Vec<String>,
    /// The windows that they name.
    windows: Vec<Window>,
    /// Streaming instead of what the files say.
    pub stream: Option<bool>,
    /// Trials instead of what the files say.
    pub trials: Option<u32>,
    /// What canaries are made from, beside the names of their conversation.
    seed: u64,
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// More conversations than allowed; counted before anything was expanded.
    #[error("the plan has {size} conversations, and at most {limit} are allowed")]
    TooLarge {
        /// How many there would be.
        size: u64,
        /// How many may be.
        limit: usize,
    },
    /// More conversations than a journal is read back of.
    #[error("the plan has {size} conversations, and a journal has room for {MOST_CONVERSATIONS}")]
    BeyondJournal {
        /// How many there would be.
        size: u64,
    },
}

impl Plan {
    /// Makes the plan of scenarios in the order given.
    ///
    /// # Errors
    /// When it would be larger than `overrides.max_conversations`, filters not counted, or than a journal may be.
    pub fn new(scenarios: Vec<Scenario>, overrides: &Overrides) -> Result<Self, PlanError> {
        let size = scenarios.iter().map(|scenario| size(scenario, overrides)).fold(0, u64::saturating_add);
        if size > overrides.max_conversations as u64 {
            return Err(PlanError::TooLarge { size, limit: overrides.max_conversations });
        }
        if size > MOST_CONVERSATIONS as u64 {
            return Err(PlanError::BeyondJournal { size });
        }
        let (conversations, models, windows) = (Conversations::default(), Vec::new(), Vec::new());
        let (stream, trials) = (overrides.stream, overrides.trials);
        let mut plan = Self { scenarios, conversations, models, windows, stream, trials, seed: overrides.seed };
        for index in 0..plan.scenarios.len() {
            plan.add_scenario(index, overrides);
        }
        plan.conversations.shrink();
        Ok(plan)
    }

    /// A conversation's scenario.
    #[must_use]
    pub fn scenario(&self, planned: &Planned) -> &Scenario {
        &self.scenarios[planned.scenario as usize]
    }

    /// The name of a conversation's model.
    #[must_use]
    pub fn model(&self, planned: &Planned) -> &str {
        &self.models[planned.model as usize]
    }

    /// A conversation's window.
    #[must_use]
    pub fn window(&self, planned: &Planned) -> Window {
        self.windows[planned.window as usize]
    }

    /// A conversation's matrix values.
    #[must_use]
    pub fn cell(&self, planned: &Planned) -> &Variables {
        &self.scenario(planned).cells[planned.cell as usize]
    }

    /// What a conversation plays.
    ///
    /// # Errors
    /// What is wrong with it. A scenario that loaded without errors has none.
    pub fn script(&self, planned: &Planned) -> Result<Arc<Script>, Vec<Diagnostic>> {
        self.script_with(planned, &Variables::new())
    }

    /// What a conversation plays that has captured these parts of its replies so far.
    ///
    /// # Errors
    /// What is wrong with it: what was captured may not fit where it stands.
    pub fn script_with(&self, planned: &Planned, captured: &Variables) -> Result<Arc<Script>, Vec<Diagnostic>> {
        let mut own = self.canaries(planned);
        own.extend(captured.clone());
        self.scenario(planned).script_with(planned.case as usize, planned.cell as usize, &own)
    }

    /// The canaries of a conversation, by the names of their facts.
    #[must_use]
    pub fn canaries(&self, planned: &Planned) -> Variables {
        let scenario = self.scenario(planned);
        if !scenario.has_canaries() {
            return Variables::new();
        }
        scenario.canaries(self.seed, &ConversationId::new(&self.conversation_key(planned)))
    }

    /// Whether any of its conversations has canaries.
    #[must_use]
    pub fn has_canaries(&self) -> bool {
        self.scenarios.iter().any(Scenario::has_canaries)
    }

    /// How many turns of a conversation are asked live.
    #[must_use]
    pub fn live_turns(&self, planned: &Planned) -> u32 {
        self.scenario(planned).live_turns
    }

    /// The names of a conversation's variant.
    #[must_use]
    pub fn key(&self, planned: &Planned) -> VariantKey {
        let (scenario, cell) = (self.scenario(planned), self.cell(planned));
        VariantKey {
            scenario: scenario.name.clone(),
            case: self.case(planned).to_owned(),
            persona: scenario.personas[planned.persona as usize].clone(),
            model: self.model(planned).to_owned(),
            window: self.window(planned).to_string(),
            vars: if cell.is_empty() { String::new() } else { serde_json::Value::Object(cell.clone()).to_string() },
        }
    }

    /// The names of a conversation.
    #[must_use]
    pub fn conversation_key(&self, planned: &Planned) -> ConversationKey {
        ConversationKey { variant: self.key(planned), trial: planned.trial }
    }

    /// The name of a conversation's case; empty without cases.
    #[must_use]
    pub fn case(&self, planned: &Planned) -> &str {
        self.scenario(planned).cases.name(planned.case as usize)
    }

    /// The names of the models that the plan needs, each once, in plan order.
    #[must_use]
    pub fn models(&self) -> Vec<&str> {
        let mut models: Vec<u32> = Vec::new();
        for planned in self.conversations.iter() {
            if !models.contains(&planned.model) {
                models.push(planned.model);
            }
        }
        models.into_iter().map(|model| self.models[model as usize].as_str()).collect()
    }

    /// SHA-256 over the ids of the conversations, in their order, the scenario files and the files that they read, as
    /// hexadecimal digits.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for planned in self.conversations.iter() {
            hash.update(ConversationId::new(&self.conversation_key(&planned)).0);
        }
        for scenario in &self.scenarios {
            hash.update(Sha256::digest(scenario.source.text.as_bytes()));
            scenario.reads.iter().for_each(|read| hash.update(read.sha256));
        }
        ConversationId(hash.finalize().into()).to_string()
    }

    /// How many trials a conversation's variant has.
    #[must_use]
    pub fn trials_of(&self, planned: &Planned) -> u32 {
        self.trials.unwrap_or(self.scenario(planned).trials)
    }

    /// The place of the first trial of the variant that the conversation at a place is of.
    #[must_use]
    pub fn first_trial(&self, place: usize) -> usize {
        // Trials stand one behind the other, and a plan has all of a variant or none.
        place.saturating_sub(self.conversations.at(place).trial as usize - 1)
    }

    /// Whether a conversation's replies are streamed.
    #[must_use]
    pub fn is_streamed(&self, planned: &Planned) -> bool {
        self.stream.unwrap_or(self.scenario(planned).stream)
    }

    fn add_scenario(&mut self, index: usize, overrides: &Overrides) {
        let scenario = &self.scenarios[index];
        if !overrides.tags.is_empty() && !overrides.tags.iter().any(|tag| scenario.tags.contains(tag)) {
            return;
        }
        let default_model = std::slice::from_ref(&overrides.default_model);
        let models: &[String] = match (&overrides.models, &scenario.models) {
            (asked, _) if !asked.is_empty() => asked,
            (_, own) if !own.is_empty() => own,
            _ => default_model,
        };
        let models = models.iter().map(|name| index_of(&mut self.models, name)).collect();
        let windows = if overrides.windows.is_empty() { &scenario.windows } else { &overrides.windows };
        let windows = windows.iter().map(|window| index_of(&mut self.windows, window)).collect();
        let is_asked = |persona: &String| overrides.personas.is_empty() || overrides.personas.contains(persona);
        let personas = (0..).zip(&scenario.personas).filter(|(_, persona)| is_asked(persona)).map(|(at, _)| at);
        let factors = Factors {
            scenario: whole(index),
            cases: whole(scenario.cases.len()),
            cells: whole(scenario.cells.len()),
            personas: personas.collect(),
            models,
            windows,
            trials: overrides.trials.unwrap_or(scenario.trials),
        };
        let mut conversations = std::mem::take(&mut self.conversations);
        let is_wanted = |planned: &Planned| is_selected(&overrides.filters, &self.key(planned));
        conversations.add(factors, (!overrides.filters.is_empty()).then_some(&is_wanted));
        self.conversations = conversations;
    }

    /// Leaves out variants with all their trials.
    pub fn retain(&mut self, is_kept: impl Fn(&VariantKey) -> bool) {
        let mut conversations = std::mem::take(&mut self.conversations);
        conversations.retain(|planned| is_kept(&self.key(planned)));
        self.conversations = conversations;
    }
}

/// The place of an item in a list, at whose end it is put where it is new.
fn index_of<T: PartialEq + Clone>(items: &mut Vec<T>, item: &T) -> u32 {
    let at = items.iter().position(|known| known == item).unwrap_or_else(|| {
        items.push(item.clone());
        items.len() - 1
    });
    whole(at)
}

fn size(scenario: &Scenario, overrides: &Overrides) -> u64 {
    let models = if overrides.models.is_empty() { scenario.models.len().max(1) } else { overrides.models.len() };
    let windows = if overrides.windows.is_empty() { scenario.windows.len() } else { overrides.windows.len() };
    let trials = overrides.trials.unwrap_or(scenario.trials) as usize;
    [scenario.cases.len(), scenario.cells.len(), scenario.personas.len(), models, windows, trials]
        .into_iter()
        .fold(1_u64, |size, factor| size.saturating_mul(factor as u64))
}
