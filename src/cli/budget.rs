//! What a run may spend: a budget needs a price for every live model and a longest reply for every call to one.

use std::collections::HashSet;
use std::sync::Arc;

use super::config::{Config, ProviderConfig};
use super::judges::Judges;
use super::models::{placed, resolve};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::Price;
use crate::provider::Budget;
use crate::run::plan::Plan;

/// The budget of `cap` dollars, where there is a cap. Models of `uncalled` cost nothing.
///
/// # Errors
/// Everything that keeps the most that a call can cost from being known.
pub fn budget(
    config: &Config,
    (plan, judges): (&Plan, &Judges),
    cap: Option<f64>,
    uncalled: &HashSet<&str>,
) -> Result<Option<Arc<Budget>>, Vec<Diagnostic>> {
    let Some(cap) = cap else { return Ok(None) };
    let mut wrong = Vec::new();
    let mut live = HashSet::new();
    for name in plan.models() {
        // A model that is none is said where it is connected.
        let Ok(model) = resolve(config, name) else { continue };
        if matches!(model.provider, ProviderConfig::Builtin(_)) || uncalled.contains(name) {
            continue;
        }
        if model.provider.keeps_history() {
            wrong.extend((!model.price.is_some_and(Price::is_free)).then(|| without_bound(config, plan, name)));
            continue;
        }
        live.insert(name);
        if model.price.is_none() {
            wrong.push(without_price(config, plan, name));
        }
    }
    let is_bounded = |name: &str| resolve(config, name).is_ok_and(|model| model.longest_reply().is_some());
    let unbounded = live.iter().copied().filter(|name| !is_bounded(name)).collect();
    wrong.extend(without_longest_reply(plan, &unbounded));
    let called: Vec<&str> = judges.names().filter(|name| !uncalled.contains(name)).collect();
    for name in called.iter().filter(|name| !live.contains(*name)) {
        if resolve(config, name).is_ok_and(|model| model.price.is_none()) {
            wrong.push(without_price(config, plan, name));
        }
    }
    let judge = judges.judges().find(|name| called.contains(name) && !is_bounded(name));
    if let Some(judge) = judge.filter(|_| config.judge.params.longest_reply().is_none()) {
        wrong.push(without_longest_answer(config, (plan, judges), judge));
    }
    if wrong.is_empty() { Ok(Some(Budget::new(cap))) } else { Err(wrong) }
}

/// A warning where nothing may be spent and models that cost are to be called. It is no error: whoever sets the cap to be safe may
/// have other models in the plan, which are played.
pub fn nothing_to_spend(config: &Config, plan: &Plan, cap: Option<f64>, uncalled: &HashSet<&str>) -> Option<String> {
    cap.filter(|cap| *cap <= 0.0)?;
    let price = |name: &str| resolve(config, name).ok().and_then(|model| model.price);
    let costs = |name: &&str| price(name).is_some_and(|price| price.input > 0.0 || price.output > 0.0);
    let called = plan.models().into_iter().filter(|name| !uncalled.contains(name));
    let names: Vec<String> = called.filter(costs).map(|name| format!("`{name}`")).collect();
    (!names.is_empty()).then(|| {
        let names = names.join(", ");
        format!("warning: the budget is $0: nothing is sent to {names}, and conversations that would are skipped")
    })
}

/// What a bot sends to its model nobody else knows.
fn without_bound(config: &Config, plan: &Plan, name: &str) -> Diagnostic {
    let message =
        format!("the run has a budget, and nothing bounds what a call to `{name}` costs: it keeps its history itself");
    let diagnostic = Diagnostic::error(Code::MissingPrice, message)
        .help("`price: {input: 0, output: 0}` says that its calls cost nothing; `--max-cost` bounds no others of it");
    match config.place_of_model(name) {
        Some((source, span)) => diagnostic.at(source, span, ""),
        None => placed(diagnostic, plan, name),
    }
}

fn without_price(config: &Config, plan: &Plan, name: &str) -> Diagnostic {
    let diagnostic = Diagnostic::error(Code::MissingPrice, format!("the run has a budget, and `{name}` has no price"))
        .help(format!(
            "`models: {{{name}: {{…, price: {{input: 0.15, output: 0.60}}}}}}` in the config, in USD a million tokens"
        ));
    match config.place_of_model(name) {
        Some((source, span)) => diagnostic.at(source, span, ""),
        None => placed(diagnostic, plan, name),
    }
}

fn without_longest_answer(config: &Config, (plan, judges): (&Plan, &Judges), name: &str) -> Diagnostic {
    let message = "the run has a budget, and nothing limits what a judge may answer";
    let diagnostic = Diagnostic::error(Code::MissingMaxTokens, message)
        .help("`judge: {model: …, params: {max_tokens: 500}}` in the config limits what an answer can cost");
    match config.place_of_judge() {
        Some((source, span)) => diagnostic.at(source, span, ""),
        None => judges.placed(diagnostic, plan, name),
    }
}

/// The scenarios that are played on a live model without a limit to its replies.
fn without_longest_reply(plan: &Plan, live: &HashSet<&str>) -> Vec<Diagnostic> {
    let played = plan.conversations.iter().filter(|planned| live.contains(plan.model(planned)));
    let mut seen = HashSet::new();
    let scenarios = played.filter(|planned| seen.insert(planned.scenario)).map(|planned| plan.scenario(&planned));
    let unlimited = scenarios.filter(|scenario| scenario.params.longest_reply().is_none());
    let diagnostics = unlimited.map(|scenario| {
        let message = format!("the run has a budget, and `{}` sets no `max_tokens`", scenario.name);
        Diagnostic::error(Code::MissingMaxTokens, message)
            .at(&scenario.source, scenario.place_of_params(), "")
            .help("`params: {max_tokens: 500}` limits what a reply of this scenario can cost")
    });
    diagnostics.collect()
}
