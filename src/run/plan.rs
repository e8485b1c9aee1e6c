//! The plan: every conversation of a run, with its names, in a fixed order. Pure.
//!
//! The order is: scenario file, case, matrix (first name slowest), persona, model, window, trial. Everything that a
//! run writes stands in it.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::filter::{Filter, is_selected};
use crate::model::{ConversationId, ConversationKey, VariantKey, Window};
use crate::scenario::Scenario;

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
}

/// One conversation of the plan.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Index of its scenario.
    pub scenario: usize,
    /// Index of its case.
    pub case: usize,
    /// Index of its cell of the matrix.
    pub cell: usize,
    /// Index of its persona.
    pub persona: usize,
    /// Its window.
    pub window: Window,
    /// Its names.
    pub key: Arc<VariantKey>,
    /// The repetition, from 1.
    pub trial: u32,
}

impl Planned {
    /// Its names with the trial.
    #[must_use]
    pub fn conversation_key(&self) -> ConversationKey {
        ConversationKey { variant: (*self.key).clone(), trial: self.trial }
    }
}

/// The conversations of a run, in plan order, and the scenarios that they point into.
#[derive(Debug)]
pub struct Plan {
    /// The scenarios.
    pub scenarios: Vec<Scenario>,
    /// The conversations.
    pub conversations: Vec<Planned>,
    /// Streaming instead of what the files say.
    pub stream: Option<bool>,
    /// Trials instead of what the files say.
    pub trials: Option<u32>,
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
}

impl Plan {
    /// Makes the plan of scenarios in the order given.
    ///
    /// # Errors
    /// When it would be larger than `overrides.max_conversations`, filters not counted.
    pub fn new(scenarios: Vec<Scenario>, overrides: &Overrides) -> Result<Self, PlanError> {
        let size = scenarios.iter().map(|scenario| size(scenario, overrides)).fold(0, u64::saturating_add);
        if size > overrides.max_conversations as u64 {
            return Err(PlanError::TooLarge { size, limit: overrides.max_conversations });
        }
        let mut conversations = Vec::new();
        for (index, scenario) in scenarios.iter().enumerate() {
            add_scenario(&mut conversations, index, scenario, overrides);
        }
        Ok(Self { scenarios, conversations, stream: overrides.stream, trials: overrides.trials })
    }

    /// The names of the models that the plan needs, each once, in plan order.
    #[must_use]
    pub fn models(&self) -> Vec<&str> {
        let mut models: Vec<&str> = Vec::new();
        for planned in &self.conversations {
            if !models.contains(&planned.key.model.as_str()) {
                models.push(&planned.key.model);
            }
        }
        models
    }

    /// SHA-256 over the ids of the conversations, in their order, the scenario files and the files that they read, as
    /// hexadecimal digits.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for planned in &self.conversations {
            hash.update(ConversationId::new(&planned.conversation_key()).0);
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
        self.trials.unwrap_or(self.scenarios[planned.scenario].trials)
    }

    /// Whether a conversation's replies are streamed.
    #[must_use]
    pub fn is_streamed(&self, planned: &Planned) -> bool {
        self.stream.unwrap_or(self.scenarios[planned.scenario].stream)
    }
}

fn size(scenario: &Scenario, overrides: &Overrides) -> u64 {
    let models = if overrides.models.is_empty() { scenario.models.len().max(1) } else { overrides.models.len() };
    let windows = if overrides.windows.is_empty() { scenario.windows.len() } else { overrides.windows.len() };
    let trials = overrides.trials.unwrap_or(scenario.trials) as usize;
    [scenario.cases.len(), scenario.cells.len(), scenario.personas.len(), models, windows, trials]
        .into_iter()
        .fold(1_u64, |size, factor| size.saturating_mul(factor as u64))
}

fn add_scenario(conversations: &mut Vec<Planned>, index: usize, scenario: &Scenario, overrides: &Overrides) {
    if !overrides.tags.is_empty() && !overrides.tags.iter().any(|tag| scenario.tags.contains(tag)) {
        return;
    }
    let default_model = std::slice::from_ref(&overrides.default_model);
    let models: &[String] = match (&overrides.models, &scenario.models) {
        (asked, _) if !asked.is_empty() => asked,
        (_, own) if !own.is_empty() => own,
        _ => default_model,
    };
    let windows = if overrides.windows.is_empty() { &scenario.windows } else { &overrides.windows };
    let trials = overrides.trials.unwrap_or(scenario.trials);
    for (case_index, case) in scenario.cases.iter().enumerate() {
        for (cell_index, cell) in scenario.cells.iter().enumerate() {
            let vars =
                if cell.is_empty() { String::new() } else { serde_json::Value::Object(cell.clone()).to_string() };
            for (persona_index, persona) in scenario.personas.iter().enumerate() {
                if !overrides.personas.is_empty() && !overrides.personas.contains(persona) {
                    continue;
                }
                for model in models {
                    for window in windows {
                        let key = VariantKey {
                            scenario: scenario.name.clone(),
                            case: case.name.clone(),
                            persona: persona.clone(),
                            model: model.clone(),
                            window: window.to_string(),
                            vars: vars.clone(),
                        };
                        if !is_selected(&overrides.filters, &key) {
                            continue;
                        }
                        let key = Arc::new(key);
                        conversations.extend((1..=trials).map(|trial| Planned {
                            scenario: index,
                            case: case_index,
                            cell: cell_index,
                            persona: persona_index,
                            window: *window,
                            key: Arc::clone(&key),
                            trial,
                        }));
                    }
                }
            }
        }
    }
}
