//! What an earlier run began with, from its manifest: its command line, and the plan that its files give now.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::args::{Cli, Command, Global, RunArgs};
use super::commands::run::overrides;
use super::environment::Environment;
use super::{config, sources};
use crate::event::{Manifest, Rerun};
use crate::run::plan::Plan;

/// The settings that a command line of `run` says.
///
/// # Errors
/// When this version of the tool does not know them, or they are none of `run`.
pub fn command_line(arguments: &[String]) -> Result<(RunArgs, Global), String> {
    let arguments = ["chat-eval"].into_iter().chain(arguments.iter().map(String::as_str)).map(OsString::from);
    let cli = Cli::read(arguments).map_err(|error| {
        let error = error.to_string();
        let reason = error.lines().next().unwrap_or_default().trim_start_matches("error: ");
        format!("the run began with arguments that this version of chat-eval does not know: {reason}")
    })?;
    match cli.command {
        Command::Run(args) => Ok((*args, cli.global)),
        _ => Err("this is no run that `chat-eval run` began".to_owned()),
    }
}

/// The arguments that the plan of a run comes from.
pub fn plan_arguments(manifest: &Manifest) -> &[String] {
    if let Some(recheck) = &manifest.recheck {
        return &recheck.arguments;
    }
    match (&manifest.rerun, manifest.merged_from.first()) {
        (Some(rerun), _) => &rerun.arguments,
        (None, Some(part)) => &part.arguments,
        (None, None) => &manifest.arguments,
    }
}

/// The config with which the settings of an earlier run are used once more. It says where keys go, and the run may have come
/// from anywhere: a file that its command line names is used where this one names it too, or another one.
///
/// # Errors
/// When only the earlier run names one.
pub fn config(given: Option<&Path>, earlier: Option<&Path>) -> Result<Option<PathBuf>, ConfigNotGiven> {
    match (given, earlier) {
        (None, Some(earlier)) => Err(ConfigNotGiven(earlier.to_owned())),
        (given, _) => Ok(given.map(Path::to_owned)),
    }
}

/// An earlier run began with a config file that the command line at hand does not name.
#[derive(Debug, thiserror::Error)]
#[error("the run began with `--config {}`, which says where keys go", .0.display())]
pub struct ConfigNotGiven(PathBuf);

impl ConfigNotGiven {
    /// What helps.
    pub fn help(&self) -> String {
        format!("help: say `--config {}` to use it here too", self.0.display())
    }
}

/// Takes from another command line all that a plan comes from: paths, config, and what stands instead of the files' own.
pub fn take_plan(args: &mut RunArgs, global: &mut Global, (from, global_from): (RunArgs, Global)) {
    (args.stream, args.no_stream) = (from.stream, from.no_stream);
    let from = from.selection;
    args.paths = from.paths;
    args.model = from.model;
    args.window = from.window;
    args.trials = from.trials;
    args.seed = from.seed;
    args.max_conversations = from.max_conversations;
    global.config = global_from.config;
}

/// The whole plan of a run, as its files give it now; `None` where they do not, or came on standard input, which has
/// nothing more to say.
pub fn plan(manifest: &Manifest) -> Option<Plan> {
    let (args, global) = command_line(plan_arguments(manifest)).ok()?;
    planned(manifest, &args, global.config.as_deref())
}

/// The same plan, as other files give it.
pub fn plan_of(manifest: &Manifest, paths: &[PathBuf], config: Option<&Path>) -> Option<Plan> {
    let (mut args, _) = command_line(plan_arguments(manifest)).ok()?;
    args.paths = paths.to_vec();
    planned(manifest, &args, config)
}

fn planned(manifest: &Manifest, args: &RunArgs, config: Option<&Path>) -> Option<Plan> {
    if args.paths.iter().any(|path| path.as_os_str() == "-") {
        return None;
    }
    let config = config::load(config).ok()?;
    let loaded = sources::load(&args.paths);
    let mut plan = Plan::new(loaded.scenarios, &overrides(args, &config, &Environment::of_run(manifest))).ok()?;
    if let Some(rerun) = &manifest.rerun {
        narrow(&mut plan, rerun);
    }
    Some(plan)
}

/// Leaves in a plan only what is played again.
pub fn narrow(plan: &mut Plan, rerun: &Rerun) {
    let variants: HashSet<&str> = rerun.variants.iter().map(String::as_str).collect();
    plan.retain(|variant| variants.contains(variant.id().as_str()));
}
