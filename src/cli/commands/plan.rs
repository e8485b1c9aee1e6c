//! `plan`: what `run` would do, at most; with `--requests`, what each turn would send. Nothing is sent.

use super::super::args::Global;
use super::super::config::{self, Config, ProviderConfig};
use super::super::console::{Console, PLAIN_WIDTH};
use super::super::environment::Environment;
use super::super::exit::Exit;
use super::super::judges::judges_of;
use super::super::selection::{PlanArgs, PlanFormat};
use super::super::vendors::refused;
use super::super::{bots, lint, models, show_diagnostics};
use super::run::{asked_paths, name_clashes, plan_refused, scenarios, selected};
use crate::report::plan::{Depth, Line, conversation, conversation_json, render, total_json, variant_json};
use crate::report::terminal::Look;
use crate::run::bounds::{Beside, Bound, BoundedModel, bounds};
use crate::run::overflows;
use crate::run::plan::Plan;
use crate::run::requests::requests;
use crate::text::tokens::Tokenizer;

/// Shows the plan.
pub fn plan(args: &PlanArgs, global: &Global, console: &Console) -> Exit {
    let (config, plan) = match prepare(args, global, console) {
        Ok(prepared) => prepared,
        Err(exit) => return exit,
    };
    let shard = args.selection.shard.filter(|shard| shard.of > 1);
    let places: Vec<usize> = shard.map_or_else(|| (0..plan.conversations.len()).collect(), |shard| shard.places(&plan));
    bots::warn(&plan, &config, console);
    lint::show_before_run(&plan, &config, console);
    let beside = Beside {
        is_triaged: args.selection.triage,
        votes: config.judge.votes.unwrap_or(1),
        longest_verdict: config.judge.params.longest_reply(),
    };
    let (variants, remarks) = bounds(&plan, &places, beside, &|name| bounded(&config, name));
    let total = variants.iter().map(|variant| variant.bound).fold(Bound::NOTHING, Bound::plus);
    let is_json = args.format == PlanFormat::Json;
    let is_pretty = args.format == PlanFormat::Pretty || args.format == PlanFormat::Auto && console.is_terminal();
    let width = if is_pretty { console.width() } else { PLAIN_WIDTH };
    let look = Look { width, is_coloured: console.is_coloured_as(is_pretty), is_ascii: !console.is_unicode() };
    let depth = if args.verbose { Depth::Whole } else { Depth::New };
    let mut lines = Vec::new();
    let mut is_first = true;
    for variant in &variants {
        let line = Line { key: plan.key(&variant.first), bound: variant.bound };
        let turns =
            args.requests.then(|| requests(&plan, &variant.first, lint::linted(&config, plan.model(&variant.first))));
        match turns {
            turns if is_json => console.print(&variant_json(&line, turns.as_deref().map(conversation_json))),
            Some(turns) => {
                let blank = if std::mem::take(&mut is_first) { "" } else { "\n" };
                console.print(&format!("{blank}{}", conversation(&line, &turns, depth, look)));
            }
            None => lines.push(line),
        }
    }
    if is_json {
        console.print(&total_json(&total, variants.len()));
    } else if !args.requests {
        let remarks =
            crate::run::bounds::Remarks { may_share: remarks.may_share && !args.selection.no_share, ..remarks };
        console.print(&render(&lines, &total, remarks, look));
    }
    Exit::Passed
}

/// Reads everything that the plan needs, and shows everything that is wrong with it. Neither keys nor recordings are needed.
fn prepare(args: &PlanArgs, global: &Global, console: &Console) -> Result<(Config, Plan), Exit> {
    let bad = |diagnostics: &[_]| {
        show_diagnostics(console, diagnostics);
        Exit::BadInput
    };
    let config = config::load(global.config.as_deref()).map_err(|diagnostics| bad(&diagnostics))?;
    let Some(paths) = asked_paths(&args.selection, &config) else {
        console.fatal("which scenarios? there is no folder `scenarios` here or beside the config");
        console.error("help: `chat-eval plan PATH…` names files and folders");
        return Err(Exit::BadInput);
    };
    let scenarios = scenarios(&paths, &args.selection, console)?;
    let overrides = selected(&args.selection, &config, &Environment::of_process());
    let plan = Plan::new(scenarios, &overrides).map_err(|error| {
        plan_refused(console, &error);
        Exit::BadInput
    })?;
    if plan.conversations.is_empty() {
        console.fatal("the filters leave no conversation");
        return Err(Exit::NothingToDo);
    }
    let unknown = plan.models().into_iter().filter_map(|name| {
        models::resolve(&config, name).err().map(|diagnostic| models::placed(diagnostic, &plan, name))
    });
    let mut wrong: Vec<_> = unknown.collect();
    let tokenizer_of = |model: &str| models::resolve(&config, model).map(|model| model.tokenizer).unwrap_or_default();
    wrong.extend(overflows(&plan, &tokenizer_of));
    wrong.extend(name_clashes(&plan));
    wrong.extend(bots::wrong(&plan, &config));
    wrong.extend(args.selection.triage.then(|| bots::no_triage(&plan, &config)).into_iter().flatten());
    // It starts no program, whatever `run` may.
    let judges = judges_of(&plan, &config, true);
    wrong.extend(refused(&plan, &config, judges.as_ref().ok()));
    wrong.extend(judges.err().into_iter().flatten());
    if wrong.is_empty() { Ok((config, plan)) } else { Err(bad(&wrong)) }
}

fn bounded(config: &Config, name: &str) -> BoundedModel {
    match models::resolve(config, name) {
        Ok(model) => BoundedModel {
            tokenizer: model.tokenizer,
            price: model.price,
            longest_reply: model.longest_reply(),
            builtin: if let ProviderConfig::Builtin(kind) = model.provider { Some(kind) } else { None },
            keeps_history: model.provider.keeps_history(),
            counts_otherwise: model.provider.counts_otherwise(),
        },
        // That it is none was said.
        Err(_) => BoundedModel {
            tokenizer: Tokenizer::default(),
            price: None,
            builtin: None,
            longest_reply: None,
            keeps_history: false,
            counts_otherwise: false,
        },
    }
}
