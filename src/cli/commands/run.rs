//! `run`: replays scenarios, writes the run's folder, prints the summary.
//!
//! Everything that can be wrong with the input is found out before anything is sent; the run's folder is made then, so
//! that a path that cannot be written fails before money is spent.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use super::super::args::{Global, RunArgs};
use super::super::bots;
use super::super::budget::{budget, nothing_to_spend};
use super::super::cassettes::{self, Shelf};
use super::super::config::{self, Config};
use super::super::console::Console;
use super::super::ending::{finish, nothing_known, what_is_safe, with_causes};
use super::super::environment::Environment;
use super::super::exit::Exit;
use super::super::judges::judges_of;
use super::super::models::{self, CallSettings};
use super::super::opening::{announcement, open_run, run_name};
use super::super::output::{Both, Format, Told};
use super::super::progress::{Aside, Bar, Show};
use super::super::selection::Selection;
use super::super::signals::{self, Asked};
use super::super::snapshots::SnapshotSettings;
use super::super::vendors::refused;
use super::super::{earlier, environment, history, limits, lint, rerun, show_diagnostics, sources};
use super::resume;
use crate::diagnostic::{Code, Diagnostic};
use crate::event::{Event, Rerun, Shard, Stopped};
use crate::journal::{Reader, Writer};
use crate::model::Source;
use crate::provider::Rates;
use crate::report::lines;
use crate::run::plan::{Overrides, Plan, PlanError};
use crate::run::{Ended, Job, Models, Outlet, Sessions, Watcher, consume, dispatch, overflows};
use crate::scenario::Scenario;
use crate::snapshot;
use crate::text::escape::{no_command, visible};
use crate::text::nearest::nearest;

const DEFAULT_CONCURRENCY: usize = 16;

/// Runs the scenarios, or goes on with a run.
pub fn run(args: &RunArgs, global: &Global, console: &Console) -> Exit {
    if let Some(run) = &args.resume {
        return resume::resume(run, args, global, console);
    }
    let begun = if args.rerun.is_empty() { anew(args, global, console) } else { again(args, global, console) };
    let (prepared, environment) = match begun {
        Ok(begun) => begun,
        Err(exit) => return exit,
    };
    let stage = match Stage::new(console) {
        Ok(stage) => stage,
        Err(exit) => return exit,
    };
    let out = args.out.clone().unwrap_or_else(environment::out);
    let (folder, journal) = match open_run(&out, &prepared, &environment) {
        Ok(opened) => opened,
        Err(error) => {
            console.fatal(with_causes(&error));
            console.error("nothing was sent; `--out DIR` names another folder");
            return Exit::BadInput;
        }
    };
    console.remark(&announcement(&prepared));
    let (is_shown, format, conversations) = (args.show, args.format.here(console), prepared.conversations());
    let shelf = &prepared.shelf;
    let part = Part { folder: &folder, journal, is_shown, format, conversations, before: 0, shelf };
    let settings = SnapshotSettings::new(args.snapshots, prepared.config.folder());
    let sessions = Sessions { run: run_name(&folder), part: 1 };
    stage.carry_out(Job { sessions, ..prepared.job }, part, &settings, console)
}

/// A run of its own.
fn anew(args: &RunArgs, global: &Global, console: &Console) -> Result<(Prepared, Environment), Exit> {
    let environment = Environment::of_process();
    Ok((prepare(args, global, &environment, None, console)?, environment))
}

/// A run of what another one came to.
fn again(args: &RunArgs, global: &Global, console: &Console) -> Result<(Prepared, Environment), Exit> {
    let again = rerun::select(args, global, console)?;
    let environment = Environment::of_rerun(&again.manifest);
    let prepared = prepare(&again.args, &again.global, &environment, Some(&again.rerun), console)?;
    for warning in again.warnings(&prepared.job.plan) {
        console.error(&no_command(&visible(&warning)));
    }
    if let Some(cap) = again.max_cost_usd.filter(|_| prepared.job.budget.is_none()) {
        let run = &again.rerun.run;
        console.remark(&format!("`{run}` might spend ${cap:.2}, and this run has no cap; `--max-cost` sets one"));
    }
    Ok((prepared, environment))
}

/// Where a run is played, with its signals heard.
pub(super) struct Stage {
    runtime: Runtime,
    asked: Asked,
}

/// A run from its beginning, or from where it goes on, to its end.
pub(super) struct Part<'p> {
    /// The run's folder.
    pub folder: &'p Path,
    /// Its journal, which says already that this part begins.
    pub journal: Writer,
    /// Whether the transcripts are printed as they go.
    pub is_shown: bool,
    /// How results are said.
    pub format: Format,
    /// The conversations of the whole run.
    pub conversations: u32,
    /// How many of them are done.
    pub before: u32,
    /// The recordings of its scenarios.
    pub shelf: &'p Shelf,
}

impl Stage {
    /// From now on a signal ends nothing by itself.
    pub(super) fn new(console: &Console) -> Result<Self, Exit> {
        // One thread for all calls: they wait nearly all of their time, and threads that pass them to one another take
        // longer than the work. The system looks names up on threads of its own.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
            console.fatal(format!("cannot start: {error}"));
            Exit::BadInput
        })?;
        let last_words = || {
            "what the journal holds stays: `--resume` goes on with it, and `chat-eval report` makes the reports of it"
                .to_owned()
        };
        let asked = signals::listen(console.clone(), last_words);
        Ok(Self { runtime, asked })
    }

    /// Plays what is to be played, writes the reports, prints the summary.
    pub(super) fn carry_out(self, job: Job, part: Part<'_>, settings: &SnapshotSettings, console: &Console) -> Exit {
        let (folder, format, recordings) = (part.folder, part.format, part.shelf);
        let has_canaries = job.plan.has_canaries();
        let played = play(job, part, console, (&self.runtime, self.asked));
        // Nothing is waited for any more; the reports have the room that connections took.
        self.runtime.shutdown_background();
        match played {
            Ok((ended, mut journal)) => {
                let kept = settle(recordings, folder, ended, console);
                finish(folder, (ended, kept), &mut journal, (settings, format, has_canaries), console)
            }
            Err(error) => {
                console.fatal(with_causes(&error));
                console.error(&what_is_safe(&error, folder));
                nothing_known(folder, Exit::NotWritten, format, console);
                Exit::NotWritten
            }
        }
    }
}

/// Writes what was recorded, and says what became of recordings.
pub(super) fn settle(shelf: &Shelf, folder: &Path, ended: Ended, console: &Console) -> Exit {
    let settled = shelf.settle(folder, ended == Ended::Complete);
    console.settle();
    settled.remarks.iter().for_each(|remark| console.remark(remark));
    settled.warnings.iter().for_each(|warning| console.error(warning));
    settled.errors.iter().for_each(|error| console.fatal(error));
    if settled.errors.is_empty() { Exit::Passed } else { Exit::NotWritten }
}

/// Everything that a run needs, known to be right.
pub struct Prepared {
    /// The config.
    pub config: Config,
    /// What is played.
    pub job: Job,
    /// The recordings of its scenarios.
    pub shelf: Shelf,
    /// Which part of the plan that is, where it is a part.
    pub shard: Option<Shard>,
    /// What of an earlier run the plan is, where it is that.
    pub rerun: Option<Rerun>,
}

impl Prepared {
    /// How many conversations are played.
    pub fn conversations(&self) -> u32 {
        u32::try_from(self.job.places.len()).unwrap_or(u32::MAX)
    }
}

/// Reads everything that the run needs, and shows everything that is wrong with it.
pub(super) fn prepare(
    args: &RunArgs,
    global: &Global,
    environment: &Environment,
    rerun: Option<&Rerun>,
    console: &Console,
) -> Result<Prepared, Exit> {
    let bad = |diagnostics: &[Diagnostic]| {
        show_diagnostics(console, diagnostics);
        Exit::BadInput
    };
    let config = config::load(global.config.as_deref()).map_err(|diagnostics| bad(&diagnostics))?;
    let paths = asked_paths(args, &config).ok_or_else(|| {
        console.fatal("which scenarios? there is no folder `scenarios` here or beside the config");
        console.error("help: `chat-eval run PATH…` names files and folders; `chat-eval init` makes a first scenario");
        Exit::BadInput
    })?;
    let scenarios = scenarios(&paths, args, console)?;
    let asked = asked_concurrency(args, &config, environment).map_err(|error| {
        console.fatal(error);
        Exit::BadInput
    })?;
    let mut plan = Plan::new(scenarios, &overrides(args, &config, environment)).map_err(|error| {
        plan_refused(console, &error);
        Exit::BadInput
    })?;
    if plan.conversations.is_empty() {
        console.fatal("the filters leave no conversation");
        return Err(Exit::NothingToDo);
    }
    let rerun = rerun.map(|rerun| narrowed(&mut plan, rerun));
    if let Some(rerun) = rerun.as_ref().filter(|rerun| rerun.variants.is_empty()) {
        console.fatal(format!("nothing that {} in `{}` is in this plan", rerun.what, rerun.run));
        return Err(Exit::NothingToDo);
    }
    let cap = args.max_cost.or(config.limits.max_cost_usd);
    let shelf =
        cassettes::load(&plan, &config, (args, &paths), environment.model().is_some()).map_err(|wrong| bad(&wrong))?;
    let wrong = bots::wrong_in_run(&plan, &config, args);
    if !wrong.is_empty() {
        return Err(bad(&wrong));
    }
    bots::warn(&plan, &config, console);
    let judges = judges_of(&plan, &config, args.allow_run).map_err(|wrong| bad(&wrong))?;
    let wrong = refused(&plan, &config, Some(&judges));
    if !wrong.is_empty() {
        return Err(bad(&wrong));
    }
    let uncalled = shelf.uncalled((&plan, &judges), &config);
    let budget = budget(&config, (&plan, &judges), cap, &uncalled).map_err(|diagnostics| bad(&diagnostics))?;
    if let Some(warning) = nothing_to_spend(&config, &plan, cap, &uncalled) {
        console.error(&no_command(&visible(&warning)));
    }
    let rates = config.limits.rates;
    let settings = CallSettings {
        timeout: Duration::from_secs_f64(args.timeout),
        retries: args.retries,
        rates: Rates { rpm: args.rpm.or(rates.rpm), tpm: args.tpm.or(rates.tpm) },
        budget: budget.clone(),
        folder: config.folder().map(Path::to_owned).unwrap_or_default(),
    };
    let models =
        models::connect(&config, (&plan, &judges), &settings, &uncalled).map_err(|diagnostics| bad(&diagnostics))?;
    let wrong = plan_errors(&plan, &models);
    if !wrong.is_empty() {
        return Err(bad(&wrong));
    }
    if args.resume.is_none() {
        lint::show_before_run(&plan, &config, console);
    }
    // One part of one is the plan.
    let shard = args.shard.filter(|shard| shard.of > 1);
    let places = shard.map_or_else(|| (0..plan.conversations.len()).collect(), |shard| shard.places(&plan));
    let of_no_provider: HashSet<&str> = plan
        .models()
        .into_iter()
        .filter(|name| models.get(*name).is_some_and(|model| model.chat.source() == Source::Builtin))
        .collect();
    let pins = history::pins(args, &plan, &places, (&shelf, &of_no_provider), console)?;
    let wanted = if args.show { 1 } else { asked.min(places.len()) };
    let concurrency = limits::calls_in_flight(wanted);
    if concurrency < wanted {
        console.error(&format!(
            "warning: {concurrency} conversations at once, not {wanted}: this system allows no more open files (`ulimit -n`)"
        ));
    }
    let outsiders = judges.outsiders(&config, &models, args);
    let job = Job {
        places,
        plan,
        models,
        tapes: shelf.tapes(None),
        is_shared: !args.no_share,
        pins,
        concurrency,
        earlier: None,
        turns_done: HashMap::new(),
        budget,
        is_fail_fast: args.fail_fast,
        is_until_decided: args.until_decided,
        is_triaged: args.triage,
        outsiders,
        sessions: Sessions::default(),
    };
    Ok(Prepared { config, job, shelf, shard, rerun })
}

/// The scenarios that are asked for; where none are, those of the project.
pub(super) fn asked_paths(args: &Selection, config: &Config) -> Option<Vec<PathBuf>> {
    if !args.paths.is_empty() {
        return Some(args.paths.clone());
    }
    let folder = config.folder().map_or_else(|| PathBuf::from("scenarios"), |folder| folder.join("scenarios"));
    folder.is_dir().then(|| vec![folder])
}

/// Leaves in the plan only what is played again, and says what of it there is.
fn narrowed(plan: &mut Plan, rerun: &Rerun) -> Rerun {
    earlier::narrow(plan, rerun);
    let mut variants: Vec<String> = plan.conversations.iter().map(|planned| plan.key(&planned).id()).collect();
    // Trials stand one behind the other.
    variants.dedup();
    Rerun { variants, ..rerun.clone() }
}

/// The scenarios at these paths, where nothing is wrong with any of them. Warns of names that are asked for and that none has.
pub(super) fn scenarios(paths: &[PathBuf], args: &Selection, console: &Console) -> Result<Vec<Scenario>, Exit> {
    let loaded = sources::load(paths);
    if !loaded.diagnostics.is_empty() {
        show_diagnostics(console, &loaded.diagnostics);
        return Err(Exit::BadInput);
    }
    if loaded.files == 0 {
        console.fatal("no scenario found; scenarios are `*.yaml` and `*.yml`");
        return Err(Exit::NothingToDo);
    }
    for warning in unknown_names(args, &loaded.scenarios) {
        console.error(&warning);
    }
    Ok(loaded.scenarios)
}

/// A warning for each persona and tag that is asked for and that no file has: beside a good one, a mistyped one would
/// leave out in silence what was meant.
fn unknown_names(args: &Selection, scenarios: &[Scenario]) -> Vec<String> {
    let personas: Vec<&str> = scenarios.iter().flat_map(|scenario| &scenario.personas).map(String::as_str).collect();
    let tags: Vec<&str> = scenarios.iter().flat_map(|scenario| &scenario.tags).map(String::as_str).collect();
    let unknown = |what: &str, asked: &[String], known: &[&str]| -> Vec<String> {
        let unknown = asked.iter().filter(|name| !known.contains(&name.as_str()));
        let warning = |name: &String| {
            let near = nearest(name, known.iter().copied());
            let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            format!("warning: no scenario has the {what} `{name}`{near}")
        };
        unknown.map(warning).collect()
    };
    [unknown("persona", &args.persona, &personas), unknown("tag", &args.tag, &tags)].concat()
}

/// Conversations in flight: the command line's word, the environment's, the config's, the default.
fn asked_concurrency(args: &RunArgs, config: &Config, environment: &Environment) -> Result<usize, String> {
    if args.show && args.concurrency.is_some_and(|n| n > 1) {
        return Err("`--show` plays one conversation at a time; leave out `-j`".to_owned());
    }
    if args.show && args.format == Format::Json {
        return Err("`--show` prints transcripts where `--format json` prints events; leave out one of them".to_owned());
    }
    let asked = match args.concurrency {
        Some(asked) => Some(asked),
        None => environment.concurrency()?,
    };
    Ok(asked.map(|n| n as usize).or(config.concurrency).unwrap_or(DEFAULT_CONCURRENCY))
}

/// What the command line and the environment say instead of the files.
pub fn overrides(args: &RunArgs, config: &Config, environment: &Environment) -> Overrides {
    let stream = match (args.stream, args.no_stream) {
        (true, _) => Some(true),
        (false, true) => Some(false),
        (false, false) => None,
    };
    Overrides { stream, ..selected(&args.selection, config, environment) }
}

/// The same of what is played alone.
pub fn selected(args: &Selection, config: &Config, environment: &Environment) -> Overrides {
    let models = if args.model.is_empty() { environment.model().into_iter().collect() } else { args.model.clone() };
    Overrides {
        models: distinct(&models),
        default_model: config.model.clone().unwrap_or_else(|| "builtin".to_owned()),
        personas: args.persona.clone(),
        windows: distinct(&args.window),
        trials: args.trials,
        stream: None,
        tags: args.tag.clone(),
        filters: args.filter.clone(),
        max_conversations: args.max_conversations,
        seed: args.seed.unwrap_or_default(),
    }
}

/// A value given twice would plan every conversation twice, under one id.
fn distinct<T: Clone + PartialEq>(values: &[T]) -> Vec<T> {
    let mut kept: Vec<T> = Vec::new();
    for value in values {
        if !kept.contains(value) {
            kept.push(value.clone());
        }
    }
    kept
}

/// Says that a plan is too large, and what allows it.
pub fn plan_refused(console: &Console, error: &PlanError) {
    console.fatal(error);
    if let PlanError::TooLarge { .. } = error {
        console.error("help: `--max-conversations N` allows a larger plan");
    }
}

/// What is wrong with a plan whose files are right.
fn plan_errors(plan: &Plan, models: &Models) -> Vec<Diagnostic> {
    let tokenizer_of = |model: &str| models.get(model).map(|model| model.tokenizer).unwrap_or_default();
    let mut wrong = overflows(plan, &tokenizer_of);
    wrong.extend(name_clashes(plan));
    wrong
}

/// Snapshots whose names differ by case alone overwrite one another on some file systems.
pub fn name_clashes(plan: &Plan) -> Vec<Diagnostic> {
    let places = plan.conversations.iter().enumerate().filter(|(_, planned)| planned.trial == 1);
    let firsts: Vec<usize> = places.map(|(place, _)| place).collect();
    let key = |number: usize| plan.key(&plan.conversations.at(firsts[number]));
    let clashes = snapshot::clashes(firsts.len(), key);
    let diagnostics = clashes.into_iter().map(|(first, second)| {
        Diagnostic::error(Code::NameClash, format!("`{first}` and `{second}` differ by upper and lower case alone"))
            .help("their snapshots would share a file on some systems: rename a persona, model or case")
    });
    diagnostics.collect()
}

/// Plays the job, with the journal's consumer beside it. Gives the journal back: nobody else may have it before
/// the reports are written.
fn play(
    job: Job,
    part: Part<'_>,
    console: &Console,
    (runtime, asked): (&Runtime, Asked),
) -> anyhow::Result<(Ended, Writer)> {
    let Part { folder, journal, is_shown, format, conversations, before, .. } = part;
    let bar = || Bar::new(console, conversations, before);
    let mut watcher: Box<dyn Watcher + Send> = if is_shown {
        Box::new(Aside::new(console, Show::new(console))?)
    } else if format == Format::Json {
        console.print(&lines::run(Reader::open(journal.path())?.manifest(), &folder.display().to_string()));
        Box::new(Both(bar(), Aside::new(console, Told::new(console))?))
    } else {
        Box::new(bar())
    };
    let (outlet, notes) = Outlet::new();
    let consumer = runtime.spawn(async move { consume(notes, journal, watcher.as_mut()).await });
    // What is still in flight when this returns is aborted, and with it the last way to the consumer.
    let started = Instant::now();
    let ended = runtime.block_on(dispatch(job, outlet.clone(), asked.wait()));
    let wall_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    // A journal that is lost is what the consumer says next.
    let _ = outlet.tell(Event::Stop(Stopped { wall_ms }));
    drop(outlet);
    match runtime.block_on(consumer) {
        Ok(Ok(journal)) => Ok((ended, journal)),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(anyhow::anyhow!("what writes the journal ended abnormally")),
    }
}
