//! Bots that keep their history themselves: how they are connected, and what a run may not ask of them.

use std::path::Path;
use std::sync::Arc;

use secrecy::SecretString;

use super::args::{Cassettes, History, RunArgs};
use super::config::{CommandConfig, Config, ProviderConfig};
use super::console::Console;
use super::lint::linted;
use super::models::{CallSettings, placed, resolve, variable};
use crate::diagnostic::{Code, Diagnostic};
use crate::provider::command::{CommandBot, CommandSettings};
use crate::provider::http_bot::{HttpBot, HttpBotConfig, HttpBotSettings, Place, Template, Values};
use crate::provider::openai::SettingsError;
use crate::provider::{ChatModel, Gate, RetryPolicy};
use crate::run::plan::Plan;
use crate::run::unseen::unseen;
use crate::text::escape::{no_command, visible};

/// How a bot comes to know the system prompt.
pub const TELLS_SYSTEM: &str = "`{{ system }}` in its `body` tells it";

/// A bot behind a URL.
///
/// # Errors
/// When a variable that it needs is not there, or it cannot be called as it is configured.
pub fn http(
    name: &str,
    bot: &HttpBotConfig,
    settings: &CallSettings,
    client: Result<&reqwest::Client, SettingsError>,
) -> Result<Arc<dyn ChatModel>, Diagnostic> {
    let unusable = |error: &dyn std::fmt::Display| {
        Diagnostic::error(Code::UnusableModel, format!("the model `{name}` cannot be called: {error}"))
    };
    let client = client.map_err(|error| unusable(&error))?;
    let mut variables = Vec::new();
    for (_, value) in &bot.headers {
        variables.extend(known(name, value)?);
    }
    let retry = RetryPolicy { retries: settings.retries, ..RetryPolicy::default() };
    let gate = Arc::new(Gate::new(settings.rates));
    let settings = HttpBotSettings { config: bot.clone(), variables, timeout: settings.timeout, retry, gate };
    let bot = HttpBot::new(settings, client).map_err(|error| unusable(&error))?;
    Ok(Arc::new(bot))
}

/// A bot that is a program.
///
/// # Errors
/// When a variable that it needs is not there, or there is no such program.
pub fn command(name: &str, bot: &CommandConfig, settings: &CallSettings) -> Result<Arc<dyn ChatModel>, Diagnostic> {
    let (mut variables, mut secrets) = (Vec::new(), Vec::new());
    for (variable, template) in &bot.env {
        let known = known(name, template)?;
        let nothing = Values { message: "", session: &serde_json::Value::Null, turn: 0, system: None, stream: false };
        let value = template.text(&nothing, &|name| {
            use secrecy::ExposeSecret;
            let value = known.iter().find(|(known, _)| known == name);
            value.map(|(_, value)| value.expose_secret().to_owned()).unwrap_or_default()
        });
        let value = SecretString::from(value);
        // A value that is written out is no secret, and a program may say a part of one that is put together.
        if !known.is_empty() {
            secrets.push(value.clone());
        }
        secrets.extend(known.into_iter().map(|(_, value)| value));
        variables.push((variable.clone(), value));
    }
    // The folder of a config in the working directory is written as nothing at all.
    let folder = Path::new(".").join(&settings.folder);
    let folder = std::path::absolute(&folder).unwrap_or(folder);
    let program = bot.program.first().map_or("", String::as_str);
    let is_path = program.contains(std::path::is_separator);
    if is_path && !folder.join(program).is_file() {
        let message = format!("the model `{name}` cannot be called: there is no program `{program}`");
        let help = "a path is relative to the folder of the config; a bare name is looked for in `PATH`";
        return Err(Diagnostic::error(Code::UnusableModel, message).help(help));
    }
    let gate = Arc::new(Gate::new(settings.rates));
    let (program, timeout) = (bot.program.clone(), settings.timeout);
    Ok(Arc::new(CommandBot::new(CommandSettings { program, folder, variables, secrets, timeout, gate })))
}

/// The variables of the environment that a template names, with their values.
fn known(model: &str, template: &Template) -> Result<Vec<(String, SecretString)>, Diagnostic> {
    let known = template.variables().map(|name| {
        let value = variable(name).map(|value| (name.to_owned(), SecretString::from(value)));
        value.ok_or_else(|| {
            let message = format!("the model `{model}` needs the environment variable `{name}`");
            let help = "set it; `--model builtin` plays the scenarios on the embedded model";
            Diagnostic::error(Code::MissingApiKey, message).help(help)
        })
    });
    known.collect()
}

/// What is wrong with a plan whose models are such bots, whatever is done with it.
pub fn wrong(plan: &Plan, config: &Config) -> Vec<Diagnostic> {
    unseen(plan, &|name| linted(config, name))
}

/// The same, with what this run may not ask of them.
pub fn wrong_in_run(plan: &Plan, config: &Config, args: &RunArgs) -> Vec<Diagnostic> {
    let mut wrong = wrong(plan, config);
    if args.triage {
        wrong.extend(no_triage(plan, config));
    }
    let refuse = |message: &dyn Fn(&str) -> String, help: &str| -> Vec<Diagnostic> {
        let refused = bots(plan, config)
            .map(|name| placed(Diagnostic::error(Code::KeepsHistory, message(name)).help(help), plan, name));
        refused.collect()
    };
    if args.history != History::Live {
        let message = |name: &str| format!("no earlier replies can be pinned on `{name}`: it keeps its history itself");
        wrong.extend(refuse(&message, "`-k '!model=NAME'` leaves it out of the run"));
    }
    let other =
        "`-k '!model=NAME'` leaves it out of the run; `--model builtin` plays the scenarios on the embedded model";
    if args.offline || args.cassettes == Cassettes::Only {
        let message = |name: &str| {
            format!("`{name}` cannot be played offline: it keeps its history itself, and what it says is not recorded")
        };
        wrong.extend(refuse(&message, other));
    } else if args.cassettes == Cassettes::Record {
        let message =
            |name: &str| format!("what `{name}` says is not recorded: it hangs on the history that it keeps itself");
        wrong.extend(refuse(&message, other));
    }
    if !args.allow_run {
        let refused = bots(plan, config).filter_map(|name| Some(placed(not_allowed(config, name)?, plan, name)));
        wrong.extend(refused);
    }
    wrong
}

/// That a model is a program, which is not started unasked.
pub fn not_allowed(config: &Config, name: &str) -> Option<Diagnostic> {
    let is_program = resolve(config, name).is_ok_and(|model| matches!(model.provider, ProviderConfig::Command(_)));
    is_program.then(|| {
        let message = format!("the model `{name}` starts a program, and programs are started with `--allow-run` only");
        let help = "read what the config starts, then say `--allow-run`";
        Diagnostic::error(Code::ProgramNotAllowed, message).help(help)
    })
}

/// That `--triage` asks with another history than the bot's own.
pub fn no_triage(plan: &Plan, config: &Config) -> Vec<Diagnostic> {
    let refused = bots(plan, config).map(|name| {
        let message = format!("`--triage` asks with another history, and `{name}` keeps its history itself");
        placed(Diagnostic::error(Code::KeepsHistory, message).help("leave out `--triage`"), plan, name)
    });
    refused.collect()
}

/// Says what is not wrong and not meant either, and how much of it there is.
pub fn warn(plan: &Plan, config: &Config, console: &Console) -> usize {
    let warnings = warnings(plan, config);
    for warning in &warnings {
        console.error(&no_command(&visible(warning)));
    }
    warnings.len()
}

/// What is not wrong and not meant either: system prompts that a bot is not told.
fn warnings(plan: &Plan, config: &Config) -> Vec<String> {
    let untold = bots(plan, config).filter(|name| {
        let told = resolve(config, name).map(|model| match model.provider {
            ProviderConfig::Http(bot) => bot.has(Place::System),
            _ => true,
        });
        told.is_ok_and(|is_told| !is_told)
    });
    let has_system = |name: &str| {
        let mut seen = std::collections::BTreeSet::new();
        let own = plan.conversations.iter().filter(|planned| plan.model(planned) == name);
        own.filter(|planned| seen.insert((planned.scenario, planned.persona))).any(|planned| {
            plan.script(&planned).is_ok_and(|script| !script.personas[planned.persona as usize].system.is_empty())
        })
    };
    let untold = untold
        .filter(|name| has_system(name))
        .map(|name| format!("warning: `{name}` is not told the system prompts of the scenarios: {TELLS_SYSTEM}"));
    untold.collect()
}

/// The bots of a plan that keep their history themselves.
fn bots<'p>(plan: &'p Plan, config: &Config) -> impl Iterator<Item = &'p str> {
    let is_bot = |name: &&str| resolve(config, name).is_ok_and(|model| model.provider.keeps_history());
    plan.models().into_iter().filter(is_bot)
}
