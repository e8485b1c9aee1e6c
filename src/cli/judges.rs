//! Which models judge in a plan or make embeddings, whether they can, and whether programs may be started: known before anything is sent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::args::RunArgs;
use super::config::{Config, ProviderConfig};
use super::models::resolve;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::Position;
use crate::run::plan::Plan;
use crate::run::{Models, Outsiders, Programs};
use crate::scenario::Scenario;

/// The models that are asked beside the turns of a plan, by name, each with the scenarios that need it and the first check that does. The embedded
/// model is never judged: scenarios that it alone plays need no judge.
#[derive(Debug, Default)]
pub struct Judges {
    judges: BTreeMap<String, Places>,
    /// The model that makes embeddings.
    embedding: Option<(String, Places)>,
}

/// The scenarios that need a model, by index, and the first check of each that does.
type Places = BTreeMap<u32, Position>;

impl Judges {
    /// Of a plan.
    ///
    /// # Errors
    /// Checks without a judge, or with one that is none.
    pub fn new(plan: &Plan, config: &Config) -> Result<Self, Vec<Diagnostic>> {
        let mut judges = Self::default();
        let mut wrong = Vec::new();
        let (planned, on_models) = played(plan, config);
        for index in planned {
            let scenario = &plan.scenarios[index as usize];
            for (own, position) in &scenario.needs.judges {
                let place =
                    |diagnostic: Diagnostic| diagnostic.at(&scenario.source, scenario.place_of_check(*position), "");
                let Some(name) = own.as_ref().or(config.judge.model.as_ref()) else {
                    let message = "this check needs a judge, and neither it nor the config names one";
                    let help = "`judge: {model: gpt-4o-mini}` in the config names the model that judges, or `model:` \
                                beside the criterion";
                    wrong.push(place(Diagnostic::error(Code::MissingJudge, message).help(help)));
                    continue;
                };
                match resolve(config, name).map(|model| model.provider) {
                    // What is wrong with the config's own judge is said there.
                    Err(_) | Ok(ProviderConfig::Builtin(_)) if own.is_none() => {}
                    Err(unknown) => wrong.push(place(unknown)),
                    Ok(ProviderConfig::Builtin(_)) => wrong.push(place(no_judge(name))),
                    Ok(provider) if provider.keeps_history() => wrong.push(place(no_judging_bot(name))),
                    Ok(_) if on_models.contains(&index) => {
                        judges.judges.entry(name.clone()).or_default().entry(index).or_insert(*position);
                    }
                    Ok(_) => {}
                }
            }
        }
        wrong.extend(judges.add_embeddings(plan, config));
        if wrong.is_empty() { Ok(judges) } else { Err(wrong) }
    }

    /// Adds the model that makes embeddings, where one is needed.
    fn add_embeddings(&mut self, plan: &Plan, config: &Config) -> Vec<Diagnostic> {
        let (planned, on_models) = played(plan, config);
        let needs = planned.into_iter().flat_map(|index| {
            plan.scenarios[index as usize].needs.embeddings.iter().map(move |position| (index, *position))
        });
        let needs: Vec<(u32, Position)> = needs.collect();
        let Some(name) = &config.embedding else {
            let wrong = needs.into_iter().map(|(index, position)| {
                let scenario = &plan.scenarios[index as usize];
                let message = "this check needs embeddings, and the config names no model that makes them";
                Diagnostic::error(Code::MissingEmbedding, message)
                    .at(&scenario.source, scenario.place_of_check(position), "")
                    .help("`embedding: {model: text-embedding-3-small}` in the config; `by: rouge_l` needs none")
            });
            return wrong.collect();
        };
        let needs = needs.into_iter().filter(|(index, _)| on_models.contains(index)).rev();
        let places: Places = needs.collect();
        self.embedding = (!places.is_empty()).then(|| (name.clone(), places));
        Vec::new()
    }

    /// The names of all models that are asked beside the turns.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let embedding = self.embedding.iter().map(|(name, _)| name.as_str());
        self.judges().chain(embedding.filter(|name| !self.judges.contains_key(*name)))
    }

    /// The names of those that judge.
    pub fn judges(&self) -> impl Iterator<Item = &str> {
        self.judges.keys().map(String::as_str)
    }

    /// The scenarios that need a judge of this name, by their index in the plan.
    pub fn judged_by<'j>(&'j self, name: &str) -> impl Iterator<Item = u32> + use<'j> {
        self.judges.get(name).into_iter().flat_map(BTreeMap::keys).copied()
    }

    /// The scenarios that need embeddings of a model of this name.
    pub fn embedded_by<'j>(&'j self, name: &str) -> impl Iterator<Item = u32> + use<'j> {
        let own = self.embedding.as_ref().filter(|(own, _)| own == name);
        own.into_iter().flat_map(|(_, places)| places.keys()).copied()
    }

    /// Who is asked in a run with these models.
    pub fn outsiders(&self, config: &Config, models: &Models, args: &RunArgs) -> Arc<Outsiders> {
        let judges = self.judges().filter_map(|name| Some((name.to_owned(), models.get(name)?.clone())));
        Arc::new(Outsiders {
            judges: judges.collect(),
            judge: config.judge.model.clone(),
            votes: config.judge.votes.unwrap_or(1),
            params: config.judge.params.clone(),
            embedding: self.embedding.as_ref().and_then(|(name, _)| Some((name.clone(), models.get(name)?.clone()))),
            seed: args.seed.unwrap_or_default(),
            programs: args.allow_run.then(Programs::default),
            are_past: false,
        })
    }

    /// What is said of a judge, at the first check that needs it.
    pub fn placed(&self, diagnostic: Diagnostic, plan: &Plan, name: &str) -> Diagnostic {
        let embedding = || self.embedding.as_ref().filter(|(own, _)| own == name).map(|(_, places)| places);
        match self.judges.get(name).or_else(embedding).and_then(BTreeMap::first_key_value) {
            Some((index, position)) => {
                let scenario = &plan.scenarios[*index as usize];
                diagnostic.at(&scenario.source, scenario.place_of_check(*position), "")
            }
            None => diagnostic,
        }
    }
}

/// The models that judge in a plan, where nothing keeps its checks from what they need.
///
/// # Errors
/// Checks without a judge, with one that is none, or that start programs where that is not allowed.
pub fn judges_of(plan: &Plan, config: &Config, may_run: bool) -> Result<Judges, Vec<Diagnostic>> {
    let not_allowed = if may_run { Vec::new() } else { not_allowed(plan, config) };
    match Judges::new(plan, config) {
        Ok(judges) if not_allowed.is_empty() => Ok(judges),
        judges => Err(judges.err().into_iter().flatten().chain(not_allowed).collect()),
    }
}

/// The embedded model, named as a judge.
pub fn no_judge(name: &str) -> Diagnostic {
    let message =
        format!("`{name}` is the embedded model, which understands no text: it judges none and makes no embedding");
    Diagnostic::error(Code::BuiltinJudge, message).help("name a language model of the config")
}

/// A bot that keeps its history itself, named as a judge.
pub fn no_judging_bot(name: &str) -> Diagnostic {
    let message = format!("`{name}` is a bot that keeps its history itself: it judges none and makes no embedding");
    Diagnostic::error(Code::KeepsHistory, message).help("name a language model of the config")
}

/// Everything in a plan that would start a program, in a run that may not.
fn not_allowed(plan: &Plan, config: &Config) -> Vec<Diagnostic> {
    let scenarios = played(plan, config).0.into_iter().map(|index| &plan.scenarios[index as usize]);
    let wrong = scenarios.flat_map(|scenario: &Scenario| {
        scenario.needs.programs.iter().map(|position| {
            let message = "this check starts a program, and programs are started with `--allow-run` only";
            Diagnostic::error(Code::ProgramNotAllowed, message)
                .at(&scenario.source, scenario.place_of_check(*position), "")
                .help("read what the scenarios start, then say `--allow-run`: they come from whoever wrote the files")
        })
    });
    wrong.collect()
}

/// The scenarios that a plan plays, by index, and those of them that it plays on a language model.
fn played(plan: &Plan, config: &Config) -> (BTreeSet<u32>, BTreeSet<u32>) {
    let is_builtin =
        |name: &str| resolve(config, name).is_ok_and(|model| matches!(model.provider, ProviderConfig::Builtin(_)));
    let builtin: BTreeSet<&str> = plan.models().into_iter().filter(|name| is_builtin(name)).collect();
    let all = plan.conversations.iter().map(|planned| planned.scenario).collect();
    let on_models = plan.conversations.iter().filter(|planned| !builtin.contains(plan.model(planned)));
    (all, on_models.map(|planned| planned.scenario).collect())
}
