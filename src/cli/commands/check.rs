//! `check`: reads and checks scenario files, and sends nothing.

use super::super::args::{CheckArgs, Global};
use super::super::config;
use super::super::console::Console;
use super::super::exit::Exit;
use super::super::judges::judges_of;
use super::super::vendors::refused;
use super::super::{bots, cassettes, controls, lint, models, show_diagnostics, sources};
use super::run::{name_clashes, plan_refused};
use crate::run::overflows;
use crate::run::plan::{Overrides, Plan};

/// Checks the files and says how they are.
pub fn check(args: &CheckArgs, global: &Global, console: &Console) -> Exit {
    let config = match config::load(global.config.as_deref()) {
        Ok(config) => config,
        Err(diagnostics) => {
            show_diagnostics(console, &diagnostics);
            return Exit::BadInput;
        }
    };
    let mut loaded = sources::load(&args.paths);
    let default_model = config.model.clone().unwrap_or_else(|| "builtin".to_owned());
    let overrides = Overrides { default_model, max_conversations: args.max_conversations, ..Overrides::default() };
    let count = loaded.scenarios.len();
    let plan = match Plan::new(loaded.scenarios, &overrides) {
        Ok(plan) => plan,
        Err(error) => {
            if !loaded.diagnostics.is_empty() {
                show_diagnostics(console, &loaded.diagnostics);
            }
            plan_refused(console, &error);
            return Exit::BadInput;
        }
    };
    for model in plan.models() {
        let unknown = models::resolve(&config, model).err();
        loaded.diagnostics.extend(unknown.map(|diagnostic| models::placed(diagnostic, &plan, model)));
    }
    let tokenizer_of = |model: &str| models::resolve(&config, model).map(|model| model.tokenizer).unwrap_or_default();
    loaded.diagnostics.extend(overflows(&plan, &tokenizer_of));
    loaded.diagnostics.extend(name_clashes(&plan));
    loaded.diagnostics.extend(bots::wrong(&plan, &config));
    // It starts no program, whatever `run` may.
    let judges = judges_of(&plan, &config, true);
    loaded.diagnostics.extend(refused(&plan, &config, judges.as_ref().ok()));
    loaded.diagnostics.extend(judges.err().into_iter().flatten());
    loaded.diagnostics.extend(cassettes::damaged(&plan));
    if !loaded.diagnostics.is_empty() {
        show_diagnostics(console, &loaded.diagnostics);
        if args.controls {
            console.error("help: nothing was replayed on the controls: that takes files without errors");
        }
        return Exit::BadInput;
    }
    let linted = lint::of(&plan, &config);
    let (errors, warnings) = lint::counts(&linted);
    let warnings = warnings + bots::warn(&plan, &config, console);
    lint::show_all(&linted, console);
    if loaded.files == 0 {
        console.fatal("no scenario found; scenarios are `*.yaml` and `*.yml`");
        return Exit::NothingToDo;
    }
    let controlled = if args.controls {
        match controls::control(&plan, console) {
            Ok(told) => told,
            Err(exit) => return exit,
        }
    } else {
        String::new()
    };
    if errors > 0 {
        return Exit::BadInput;
    }
    let (files, conversations) = (plural(count, "scenario"), plural(plan.conversations.len(), "conversation"));
    let warned = if warnings == 0 { String::new() } else { format!(", {}", plural(warnings, "warning")) };
    console.line(&format!("{files}, {conversations}: no errors{warned}{controlled}"));
    Exit::Passed
}

/// `1 scenario`, `2 scenarios`.
pub fn plural(count: usize, word: &str) -> String {
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}
