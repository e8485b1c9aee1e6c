//! `chat`: finds out with whom the talk is, under which window, and what is known of it, before anything is said.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::args::Global;
use super::super::chat::{self, DEFAULT_PERSONA, Line, Opening, Scripted};
use super::super::chat_args::ChatArgs;
use super::super::config::{self, Config};
use super::super::console::Console;
use super::super::environment::Environment;
use super::super::exit::Exit;
use super::super::models::CallSettings;
use super::super::vendors::unsupported;
use super::super::{show_diagnostics, sources};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{Params, Window};
use crate::run::plan::{Overrides, Plan, Planned};
use crate::run::talk::{Memory, Setting, Talk};
use crate::scenario::Scenario;
use crate::text::nearest::nearest;

/// A larger plan is refused: of a talk's the first conversation counts.
const MOST: usize = 1_000_000;

/// Holds a talk.
pub fn chat(args: &ChatArgs, global: &Global, console: &Console) -> Exit {
    match open(args, global, console) {
        Ok(opening) => chat::chat(opening, console),
        Err(exit) => exit,
    }
}

fn open(args: &ChatArgs, global: &Global, console: &Console) -> Result<Opening, Exit> {
    let bad = |diagnostics: &[Diagnostic]| {
        show_diagnostics(console, diagnostics);
        Exit::BadInput
    };
    let fatal = |message: String| {
        console.fatal(message);
        Exit::BadInput
    };
    let config = config::load(global.config.as_deref()).map_err(|diagnostics| bad(&diagnostics))?;
    let system = match &args.system {
        Some(file) => Some(sources::read_text(file).map_err(|diagnostic| bad(&[*diagnostic]))?),
        None => None,
    };
    let mut known = match &args.scenario {
        Some(file) => of_scenario(file, args, &config, console)?,
        None => of_nothing(args, &config),
    };
    if let Some(asked) = &args.persona {
        let personas = known.scenario.as_ref().map_or(&[][..], |scenario| &scenario.personas);
        let (name, text) = chat::persona(personas, asked).map_err(fatal)?;
        let setting = &mut known.talk.setting;
        (setting.persona, setting.system) = (name, text);
    }
    if let Some(system) = system {
        let setting = &mut known.talk.setting;
        (setting.persona, setting.system) = (DEFAULT_PERSONA.to_owned(), system.trim_end().into());
    }
    let timeout = Duration::from_secs_f64(args.timeout);
    let folder = config.folder().map(Path::to_owned).unwrap_or_default();
    let settings = CallSettings { timeout, retries: args.retries, rates: config.limits.rates, budget: None, folder };
    let name = known.talk.setting.model.clone();
    let model = chat::connect(&config, &name, &settings, args.allow_run).map_err(|diagnostic| bad(&[diagnostic]))?;
    let wrong = unsupported(&config, &name, &known.params);
    if !wrong.is_empty() {
        return Err(bad(&wrong));
    }
    known.talk.memory = Memory::of(&*model.chat);
    if known.talk.memory.is_own() {
        if let Some((message, help)) = chat::refused(&known.talk, &name) {
            return Err(bad(&[Diagnostic::error(Code::KeepsHistory, message).help(help)]));
        }
        if let Some(untold) = chat::untold(&known.talk) {
            console.error(&format!("warning: {untold}"));
        }
    }
    let Known { talk, params, scenario } = known;
    let (stream, allow_run) = (!args.no_stream, args.allow_run);
    Ok(Opening { talk, model, settings, config, params, stream, allow_run, scenario })
}

/// What is known before a word is said.
struct Known {
    talk: Talk,
    params: Params,
    scenario: Option<Scripted>,
}

fn default_model(config: &Config) -> String {
    config.model.clone().unwrap_or_else(|| "builtin".to_owned())
}

fn of_nothing(args: &ChatArgs, config: &Config) -> Known {
    let model =
        args.model.clone().or_else(|| Environment::of_process().model()).unwrap_or_else(|| default_model(config));
    let window = args.window.unwrap_or(Window::FULL);
    let setting = Setting { persona: DEFAULT_PERSONA.to_owned(), system: "".into(), model, window };
    Known { talk: Talk::new(setting, Vec::new(), &[]), params: Params::default(), scenario: None }
}

/// The first conversation that the scenario gives under what was asked for.
fn of_scenario(file: &Path, args: &ChatArgs, config: &Config, console: &Console) -> Result<Known, Exit> {
    let fatal = |message: String, help: &str| {
        console.fatal(message);
        console.error(&format!("help: {help}"));
        Exit::BadInput
    };
    if file == Path::new("-") {
        return Err(fatal("standard input is the talk itself".to_owned(), "name the scenario's file"));
    }
    let loaded = sources::load(&[PathBuf::from(file)]);
    if !loaded.diagnostics.is_empty() {
        show_diagnostics(console, &loaded.diagnostics);
        return Err(Exit::BadInput);
    }
    if loaded.scenarios.is_empty() {
        console.fatal("no scenario found; scenarios are `*.yaml` and `*.yml`");
        return Err(Exit::NothingToDo);
    }
    if loaded.scenarios.len() > 1 {
        let message = format!("`{}` has {} scenarios, and a talk is about one", file.display(), loaded.scenarios.len());
        return Err(fatal(message, "name the file of one"));
    }
    let model = args.model.clone().or_else(|| Environment::of_process().model());
    let is_name = |persona: &&String| loaded.scenarios[0].personas.contains(*persona);
    let overrides = Overrides {
        models: model.into_iter().collect(),
        default_model: default_model(config),
        personas: args.persona.as_ref().filter(is_name).into_iter().cloned().collect(),
        windows: args.window.into_iter().collect(),
        trials: Some(1),
        max_conversations: MOST,
        ..Overrides::default()
    };
    let plan = Plan::new(loaded.scenarios, &overrides)
        .map_err(|error| fatal(error.to_string(), "such a scenario is for `run`"))?;
    let planned = first(&plan, args).map_err(|message| fatal(message, "`chat-eval plan` lists the variants"))?;
    let script = plan.script(&planned).map_err(|diagnostics| {
        show_diagnostics(console, &diagnostics);
        Exit::BadInput
    })?;
    let scenario = plan.scenario(&planned);
    let persona = &script.personas[planned.persona as usize];
    let setting = Setting {
        persona: persona.name.clone(),
        system: persona.system.clone(),
        model: plan.model(&planned).to_owned(),
        window: plan.window(&planned),
    };
    let line = |turn: &crate::model::Turn| Line {
        user: turn.user.clone(),
        reply: turn.reply.clone(),
        is_open: scenario.is_open(&turn.user) || turn.reply.as_ref().is_some_and(|reply| scenario.is_open(reply)),
    };
    let scripted = Scripted {
        name: scenario.name.clone(),
        stream: scenario.stream,
        variants: plan.conversations.len(),
        personas: script.personas.clone(),
        lines: script.asked().map(|(_, turn)| line(turn)).collect(),
    };
    let talk = Talk::new(setting, script.facts.clone(), &script.history);
    Ok(Known { talk, params: scenario.params.clone(), scenario: Some(scripted) })
}

/// The first conversation of the case and of the values that are asked for.
fn first(plan: &Plan, args: &ChatArgs) -> Result<Planned, String> {
    let scenario: &Scenario = &plan.scenarios[0];
    if let Some(case) = &args.case {
        let names: Vec<&str> = scenario.cases.names().collect();
        if !names.contains(&case.as_str()) {
            let near = nearest(case, names).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            return Err(format!("the scenario has no case `{case}`{near}"));
        }
    }
    let names = || scenario.cells.iter().flat_map(|cell| cell.keys()).map(String::as_str);
    if let Some((name, _)) = args.vars.iter().find(|(name, _)| !names().any(|known| known == name)) {
        let near = nearest(name, names()).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        return Err(format!("the scenario's matrix has no variable `{name}`{near}"));
    }
    let is_value = |planned: &Planned, name: &str, value: &str| {
        let own = plan.cell(planned).get(name);
        own.is_some_and(|own| own.as_str().map_or_else(|| own.to_string(), str::to_owned).as_str() == value)
    };
    let is_asked = |planned: &Planned| {
        args.case.as_ref().is_none_or(|case| plan.case(planned) == case)
            && args.vars.iter().all(|(name, value)| is_value(planned, name, value))
    };
    let missing = || {
        let asked: Vec<String> = args.vars.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("no variant of the scenario has {}", asked.join(", "))
    };
    plan.conversations.iter().find(is_asked).ok_or_else(missing)
}
