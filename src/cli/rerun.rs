//! `run --rerun`: what of an earlier run is played again.
//!
//! Conversations are told by their names, whatever became of their texts. A variant is played again with all its trials, so
//! that its checks are decided over all of them. What the plan comes from (paths, models, windows, trials,
//! streaming) is what it was in the earlier run where nothing else is said; a config that it named must be named again.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use super::args::{Global, RunArgs};
use super::commands::check::plural;
use super::console::Console;
use super::earlier::{self, command_line, plan, plan_arguments, plan_of, take_plan};
use super::exit::Exit;
use super::runs::{self, JOURNAL};
use crate::event::{Manifest, Record, Rerun, RerunWhat};
use crate::journal::{JournalError, Reader};
use crate::model::{ConversationId, End, VariantKey, Verdict};
use crate::report::Tally;
use crate::run::plan::Plan;

/// So many variants that are in no scenario any more are named.
const NAMED: usize = 5;

/// What leaves out a part of what is played again.
const NARROWER: [&str; 5] = ["--filter", "--tag", "--persona", "--model", "--window"];

/// What is played again, and with which settings.
#[derive(Debug)]
pub struct Again {
    /// The settings.
    pub args: RunArgs,
    /// The options of every command.
    pub global: Global,
    /// The earlier run.
    pub manifest: Manifest,
    /// What of it.
    pub rerun: Rerun,
    /// What that might spend, in USD.
    pub max_cost_usd: Option<f64>,
    /// The names of what is played again, by id.
    variants: IndexMap<String, VariantKey>,
}

/// Finds out what is played again.
///
/// # Errors
/// When there is no such run, it cannot be read, or has nothing of the kind; that is said.
pub fn select(given: &RunArgs, global: &Global, console: &Console) -> Result<Again, Exit> {
    let bad = |reason: &dyn std::fmt::Display| {
        console.fatal(reason);
        Exit::BadInput
    };
    let what = what(given).map_err(|reason| bad(&reason))?;
    let (name, path) = run_or_path(given);
    let mut args = RunArgs { rerun: Vec::new(), ..given.clone() };
    args.paths.splice(given.paths_before_rerun..given.paths_before_rerun, path);
    let folder = runs::find(&name, given.out.as_deref(), console)?;
    let journal = Reader::open(folder.join(JOURNAL)).map_err(|error| bad(&error))?;
    let manifest = journal.manifest().clone();
    let mut global = global.clone();
    let mut earlier = command_line(plan_arguments(&manifest)).map_err(|reason| bad(&reason))?;
    let config = earlier::config(global.config.as_deref(), earlier.1.config.as_deref());
    earlier.1.config = config.map_err(|not_given| {
        console.fatal(&not_given);
        console.error("nothing was sent");
        console.error(&not_given.help());
        Exit::BadInput
    })?;
    inherit(&mut args, &mut global, earlier);
    let (variants, untold) = match what {
        RerunWhat::Failed => failed(&journal).map(|variants| (variants, 0)),
        RerunWhat::Errored => errored(&journal, &args, &global),
    }
    .map_err(|error| bad(&error))?;
    if untold > 0 {
        let run = &manifest.run;
        let told =
            format!("{} not begun in `{run}`, and its scenarios, as they are here, do not say which", were(untold));
        if variants.is_empty() {
            console.fatal(told);
            console.error("nothing was sent");
            console.error(&format!("help: name a PATH to them, or go on with the run: `chat-eval run --resume {run}`"));
            return Err(Exit::BadInput);
        }
        console.error(&format!("warning: {told}"));
    }
    if variants.is_empty() {
        console.fatal(format!("nothing {what} in `{}`: there is nothing to play again", manifest.run));
        return Err(Exit::NothingToDo);
    }
    let rerun = Rerun {
        what,
        run: manifest.run.clone(),
        arguments: as_arguments(&args, &global),
        variants: variants.keys().cloned().collect(),
    };
    Ok(Again { args, global, max_cost_usd: journal.max_cost_usd(), manifest, rerun, variants })
}

impl Again {
    /// A warning for each variant that is in no scenario any more. What filters leave out is left out on purpose.
    pub fn warnings(&self, plan: &Plan) -> Vec<String> {
        let is_narrower = |name: &String| NARROWER.contains(&name.as_str());
        let is_filtered = self.args.given.iter().any(is_narrower);
        let planned: HashSet<VariantKey> = plan.conversations.iter().map(|planned| plan.key(&planned)).collect();
        let gone: Vec<&VariantKey> = self.variants.values().filter(|key| !planned.contains(*key)).collect();
        if is_filtered || gone.is_empty() {
            return Vec::new();
        }
        let (what, run) = (self.rerun.what, &self.rerun.run);
        let named = gone.iter().take(NAMED);
        let mut warnings: Vec<String> =
            named.map(|key| format!("warning: `{key}` {what} in `{run}`, and is no longer in the plan")).collect();
        if let Some(more) = gone.len().checked_sub(NAMED).filter(|more| *more > 0) {
            warnings.push(format!("… and {more} more"));
        }
        warnings
    }
}

fn what(given: &RunArgs) -> Result<RerunWhat, String> {
    match given.rerun.first().map(String::as_str) {
        Some("failed") => Ok(RerunWhat::Failed),
        Some("errored") => Ok(RerunWhat::Errored),
        other => Err(format!("`--rerun` takes `failed` or `errored`, and is `{}`", other.unwrap_or_default())),
    }
}

/// The run that is meant, and the path that stands where a run might: `--rerun failed scenarios/` names no run.
fn run_or_path(given: &RunArgs) -> (String, Option<PathBuf>) {
    match given.rerun.get(1) {
        Some(name) if !runs::is_run(name, given.out.as_deref()) && Path::new(name).exists() => {
            ("latest".to_owned(), Some(name.into()))
        }
        Some(name) => (name.clone(), None),
        None => ("latest".to_owned(), None),
    }
}

/// What is not said anew is as it was.
fn inherit(args: &mut RunArgs, global: &mut Global, (mut earlier, earlier_global): (RunArgs, Global)) {
    let is_given = |name: &str| args.given.iter().any(|given| given == name);
    if !args.paths.is_empty() {
        earlier.paths.clone_from(&args.paths);
    }
    if is_given("--model") {
        earlier.model.clone_from(&args.model);
    }
    if is_given("--window") {
        earlier.window.clone_from(&args.window);
    }
    earlier.trials = args.trials.or(earlier.trials);
    earlier.seed = args.seed.or(earlier.seed);
    if is_given("--max-conversations") {
        earlier.max_conversations = args.max_conversations;
    }
    if is_given("--stream") || is_given("--no-stream") {
        (earlier.stream, earlier.no_stream) = (args.stream, args.no_stream);
    }
    take_plan(args, global, (earlier, earlier_global));
}

/// What [`take_plan`] takes, as a command line: a run that goes on, or is played again itself, has it from there.
fn as_arguments(args: &RunArgs, global: &Global) -> Vec<String> {
    let mut line = vec!["run".to_owned()];
    let mut option = |name: &str, value: String| line.extend([name.to_owned(), value]);
    global.config.iter().for_each(|config| option("--config", config.display().to_string()));
    args.model.iter().for_each(|model| option("--model", model.clone()));
    args.window.iter().for_each(|window| option("--window", window.to_string()));
    args.trials.iter().for_each(|trials| option("--trials", trials.to_string()));
    args.seed.iter().for_each(|seed| option("--seed", seed.to_string()));
    option("--max-conversations", args.max_conversations.to_string());
    line.extend(args.stream.then(|| "--stream".to_owned()));
    line.extend(args.no_stream.then(|| "--no-stream".to_owned()));
    line.push("--".to_owned());
    line.extend(args.paths.iter().map(|path| path.display().to_string()));
    line
}

/// The variants with a check that failed, decided over their trials.
fn failed(journal: &Reader) -> Result<IndexMap<String, VariantKey>, JournalError> {
    let mut variants = IndexMap::new();
    let mut current: Option<Tally> = None;
    let mut close = |tally: Tally| {
        if tally.decided().any(|check| check.verdict == Verdict::Fail) {
            variants.insert(tally.key.id(), tally.key);
        }
    };
    for record in journal.records() {
        let record = record?;
        match &mut current {
            Some(tally) if tally.key == record.begin.key.variant => tally.add(&record),
            current => current.replace(Tally::of(&record)).into_iter().for_each(&mut close),
        }
    }
    current.into_iter().for_each(close);
    Ok(variants)
}

/// The variants with a conversation that was not carried through, or not begun; and how many conversations were not begun
/// beside those.
fn errored(
    journal: &Reader,
    args: &RunArgs,
    global: &Global,
) -> Result<(IndexMap<String, VariantKey>, usize), JournalError> {
    let mut variants = IndexMap::new();
    let mut begun = HashSet::new();
    let is_errored =
        |record: &Record| !matches!(record.end(), End::Passed | End::Failed) && record.left_out().is_none();
    for record in journal.records() {
        let record = record?;
        begun.insert(ConversationId::new(&record.begin.key));
        let has_unknown = record.checks.iter().any(|check| check.verdict == Verdict::Unknown);
        if is_errored(&record) || has_unknown {
            let key = record.begin.key.variant;
            variants.insert(key.id(), key);
        }
    }
    let manifest = journal.manifest();
    let lacking = (manifest.conversations as usize).saturating_sub(begun.len());
    let known: HashSet<&str> = manifest.scenarios.iter().map(|scenario| scenario.name.as_str()).collect();
    let is_own =
        |key: &VariantKey| known.contains(key.scenario.as_str()) && manifest.shard.is_none_or(|shard| shard.has(key));
    let mut told = HashSet::new();
    // Where the run's own files are not what they were, those of this command line may be.
    let plans: [&dyn Fn() -> Option<Plan>; 2] =
        [&|| plan(manifest), &|| plan_of(manifest, &args.paths, global.config.as_deref())];
    for plan in plans {
        if told.len() >= lacking {
            break;
        }
        let Some(plan) = plan() else { continue };
        for key in plan.conversations.iter().map(|planned| plan.conversation_key(&planned)) {
            let id = ConversationId::new(&key);
            if is_own(&key.variant) && !begun.contains(&id) {
                told.insert(id);
                variants.insert(key.variant.id(), key.variant);
            }
        }
    }
    Ok((variants, lacking.saturating_sub(told.len())))
}

fn were(conversations: usize) -> String {
    format!("{} {}", plural(conversations, "conversation"), if conversations == 1 { "was" } else { "were" })
}
