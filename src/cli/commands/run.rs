//! `run`: replays scenarios, writes the run's folder, prints the summary.
//!
//! Everything that can be wrong with the input is found out before anything is sent; the run's folder is made then, so
//! that a path that cannot be written fails before money is spent.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tokio::runtime::Runtime;

use super::super::args::{Global, RunArgs, Snapshots};
use super::super::budget::budget;
use super::super::config::{self, Config};
use super::super::console::Console;
use super::super::environment::Environment;
use super::super::exit::Exit;
use super::super::models::{self, CallSettings};
use super::super::progress::{Bar, Show};
use super::super::runs::JOURNAL;
use super::super::signals::{self, Asked};
use super::super::snapshots::{self, Compared, SnapshotSettings};
use super::super::{environment, limits, look, show_diagnostics, sources};
use super::resume;
use crate::diagnostic::{Code, Diagnostic};
use crate::event::{Event, FORMAT, Manifest, ReadFile, ScenarioFile, Stopped};
use crate::journal::{JournalError, Reader, Writer};
use crate::model::ConversationId;
use crate::provider::Rates;
use crate::report::progress::first_line;
use crate::report::{files, terminal};
use crate::run::plan::{Overrides, Plan, PlanError};
use crate::run::{Ended, Job, Models, Outlet, Watcher, consume, dispatch, overflows};
use crate::scenario::Scenario;
use crate::snapshot;
use crate::text::nearest::nearest;

const DEFAULT_CONCURRENCY: usize = 16;

/// Runs the scenarios, or goes on with a run.
pub fn run(args: &RunArgs, global: &Global, console: &Console) -> Exit {
    if let Some(run) = &args.resume {
        return resume::resume(run, args, console);
    }
    let environment = Environment::of_process();
    let prepared = match prepare(args, global, &environment, console) {
        Ok(prepared) => prepared,
        Err(exit) => return exit,
    };
    let stage = match Stage::new(console) {
        Ok(stage) => stage,
        Err(exit) => return exit,
    };
    let out = args.out.clone().unwrap_or_else(environment::out);
    let (folder, journal) = match open_run(&out, &prepared.job, &environment) {
        Ok(opened) => opened,
        Err(error) => {
            console.fatal(with_causes(&error));
            console.error("nothing was sent; `--out DIR` names another folder");
            return Exit::BadInput;
        }
    };
    console.remark(&announcement(&prepared.job.plan, &prepared.job.models));
    let part =
        Part { folder: &folder, journal, is_shown: args.show, conversations: prepared.conversations(), before: 0 };
    let settings = SnapshotSettings::new(args.snapshots, prepared.config.folder());
    stage.carry_out(prepared.job, part, &settings, console)
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
    /// The conversations of the whole run.
    pub conversations: u32,
    /// How many of them are done.
    pub before: u32,
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
        let asked = signals::listen(console.clone());
        Ok(Self { runtime, asked })
    }

    /// Plays what is to be played, writes the reports, prints the summary.
    pub(super) fn carry_out(self, job: Job, part: Part<'_>, settings: &SnapshotSettings, console: &Console) -> Exit {
        let folder = part.folder;
        let exit = match play(job, part, console, (&self.runtime, self.asked)) {
            Ok((ended, _still_ours)) => finish(folder, ended, settings, console),
            Err(error) => {
                console.fatal(with_causes(&error));
                console.error(&what_is_safe(&error, folder));
                Exit::NotWritten
            }
        };
        // Signals were listened for until here. Nothing else is left to wait for.
        self.runtime.shutdown_background();
        exit
    }
}

/// What is left of a run that cannot be written any more, and how it goes on.
fn what_is_safe(error: &anyhow::Error, folder: &Path) -> String {
    match error.downcast_ref::<JournalError>() {
        Some(JournalError::Gone { .. }) => format!(
            "nothing more was sent; where the folder was only moved, what was done until then is in its journal, and \
             `chat-eval run --resume FOLDER` goes on with it; nothing is left in {}",
            folder.display()
        ),
        _ => format!(
            "nothing more was sent; what was done until then is in {}, and once that can be written again, \
             `chat-eval run --resume {}` goes on with it",
            folder.join(JOURNAL).display(),
            folder.display()
        ),
    }
}

/// The error with its causes, but for those that it names itself.
pub(super) fn with_causes(error: &anyhow::Error) -> String {
    error
        .chain()
        .skip(1)
        .map(ToString::to_string)
        .fold(error.to_string(), |text, cause| if text.contains(&cause) { text } else { format!("{text}: {cause}") })
}

/// Everything that a run needs, known to be right.
pub(super) struct Prepared {
    /// The config.
    pub config: Config,
    /// What is played.
    pub job: Job,
}

impl Prepared {
    /// How many conversations are played.
    pub(super) fn conversations(&self) -> u32 {
        u32::try_from(self.job.places.len()).unwrap_or(u32::MAX)
    }
}

/// Reads everything that the run needs, and shows everything that is wrong with it.
pub(super) fn prepare(
    args: &RunArgs,
    global: &Global,
    environment: &Environment,
    console: &Console,
) -> Result<Prepared, Exit> {
    let bad = |diagnostics: &[Diagnostic]| {
        show_diagnostics(console, diagnostics);
        Exit::BadInput
    };
    let config = config::load(global.config.as_deref()).map_err(|diagnostics| bad(&diagnostics))?;
    let loaded = sources::load(&args.paths);
    if !loaded.diagnostics.is_empty() {
        return Err(bad(&loaded.diagnostics));
    }
    if loaded.files == 0 {
        console.fatal("no scenario found; scenarios are `*.yaml` and `*.yml`");
        return Err(Exit::NothingToDo);
    }
    for warning in unknown_names(args, &loaded.scenarios) {
        console.error(&warning);
    }
    let asked = asked_concurrency(args, &config, environment).map_err(|error| {
        console.fatal(error);
        Exit::BadInput
    })?;
    let plan = Plan::new(loaded.scenarios, &overrides(args, &config, environment)).map_err(|error| {
        plan_refused(console, &error);
        Exit::BadInput
    })?;
    if plan.conversations.is_empty() {
        console.fatal("the filters leave no conversation");
        return Err(Exit::NothingToDo);
    }
    let cap = args.max_cost.or(config.limits.max_cost_usd);
    let budget = budget(&config, &plan, cap).map_err(|diagnostics| bad(&diagnostics))?;
    let rates = config.limits.rates;
    let settings = CallSettings {
        timeout: Duration::from_secs_f64(args.timeout),
        retries: args.retries,
        rates: Rates { rpm: args.rpm.or(rates.rpm), tpm: args.tpm.or(rates.tpm) },
        budget: budget.clone(),
    };
    let models = models::connect(&config, &plan, &settings).map_err(|diagnostics| bad(&diagnostics))?;
    let wrong = plan_errors(&plan, &models);
    if !wrong.is_empty() {
        return Err(bad(&wrong));
    }
    let wanted = if args.show { 1 } else { asked.min(plan.conversations.len()) };
    let concurrency = limits::calls_in_flight(wanted);
    if concurrency < wanted {
        console.error(&format!(
            "warning: {concurrency} conversations at once, not {wanted}: this system allows no more open files (`ulimit -n`)"
        ));
    }
    let job = Job {
        places: (0..plan.conversations.len()).collect(),
        plan,
        models,
        concurrency,
        earlier: None,
        turns_done: HashMap::new(),
        budget,
        is_fail_fast: args.fail_fast,
    };
    Ok(Prepared { config, job })
}

/// A warning for each persona and tag that is asked for and that no file has: beside a good one, a mistyped one would
/// leave out in silence what was meant.
fn unknown_names(args: &RunArgs, scenarios: &[Scenario]) -> Vec<String> {
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
    let asked = match args.concurrency {
        Some(asked) => Some(asked),
        None => environment.concurrency()?,
    };
    Ok(asked.map(|n| n as usize).or(config.concurrency).unwrap_or(DEFAULT_CONCURRENCY))
}

fn overrides(args: &RunArgs, config: &Config, environment: &Environment) -> Overrides {
    let models = if args.model.is_empty() { environment.model().into_iter().collect() } else { args.model.clone() };
    Overrides {
        models: distinct(&models),
        default_model: config.model.clone().unwrap_or_else(|| "builtin".to_owned()),
        personas: args.persona.clone(),
        windows: distinct(&args.window),
        trials: args.trials,
        stream: match (args.stream, args.no_stream) {
            (true, _) => Some(true),
            (false, true) => Some(false),
            (false, false) => None,
        },
        tags: args.tag.clone(),
        filters: args.filter.clone(),
        max_conversations: args.max_conversations,
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
    console.error("help: `--max-conversations N` allows a larger plan");
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
    let variants = plan.conversations.iter().filter(|planned| planned.trial == 1).map(|planned| &*planned.key);
    let clashes = snapshot::clashes(variants);
    let diagnostics = clashes.into_iter().map(|(first, second)| {
        Diagnostic::error(Code::NameClash, format!("`{first}` and `{second}` differ by upper and lower case alone"))
            .help("their snapshots would share a file on some systems: rename a persona, model or case")
    });
    diagnostics.collect()
}

/// Makes the run's folder, named after time and chance, with its journal.
fn open_run(out: &Path, job: &Job, environment: &Environment) -> anyhow::Result<(PathBuf, Writer)> {
    use anyhow::Context;
    std::fs::create_dir_all(out).with_context(|| format!("cannot make the folder `{}`", out.display()))?;
    let folder = loop {
        let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
        let folder = out.join(format!("{now}-{:04x}", fastrand::u16(..)));
        match std::fs::create_dir(&folder) {
            Ok(()) => break folder,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot make a folder in `{}`", out.display()));
            }
        }
    };
    let first = Event::Run(Box::new(manifest(&folder, job, environment)));
    let journal = Writer::create(folder.join(JOURNAL), &first)?;
    Ok((folder, journal))
}

fn manifest(folder: &Path, job: &Job, environment: &Environment) -> Manifest {
    let plan = &job.plan;
    let digits = |sha256: [u8; 32]| ConversationId(sha256).to_string();
    let file = |scenario: &Scenario| ScenarioFile {
        name: scenario.name.clone(),
        path: scenario.source.path.clone(),
        sha256: digits(Sha256::digest(scenario.source.text.as_bytes()).into()),
        reads: scenario
            .reads
            .iter()
            .map(|read| ReadFile { path: read.path.clone(), sha256: digits(read.sha256) })
            .collect(),
    };
    Manifest {
        format: FORMAT,
        run: folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        arguments: arguments(),
        started: now(),
        commit: git_commit(),
        plan_digest: plan.digest(),
        conversations: u32::try_from(job.places.len()).unwrap_or(u32::MAX),
        concurrency: u32::try_from(job.concurrency).ok(),
        max_cost_usd: job.budget.as_ref().map(|budget| budget.cap().dollars()),
        shard: None,
        environment: environment.recorded().clone(),
        scenarios: plan.scenarios.iter().map(file).collect(),
    }
}

/// The arguments of this process, as given.
pub(super) fn arguments() -> Vec<String> {
    std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect()
}

/// The time (RFC 3339, UTC).
pub(super) fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The commit of the working directory; without git or a repository there is none.
fn git_commit() -> Option<String> {
    let mut git = std::process::Command::new("git");
    let output = git.args(["rev-parse", "--verify", "--quiet", "HEAD"]).stderr(Stdio::null()).output().ok()?;
    let commit = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !commit.is_empty()).then_some(commit)
}

fn announcement(plan: &Plan, models: &Models) -> String {
    let mut by_model: Vec<(&str, u64)> = models.keys().map(|name| (name.as_str(), 0)).collect();
    by_model.sort_unstable();
    let mut calls = 0;
    let mut scenarios: Vec<usize> = Vec::new();
    for planned in &plan.conversations {
        if let Some((_, count)) = by_model.iter_mut().find(|(name, _)| *name == planned.key.model) {
            *count += 1;
        }
        if scenarios.last() != Some(&planned.scenario) {
            scenarios.push(planned.scenario);
        }
        calls += u64::from(plan.scenarios[planned.scenario].live_turns(planned.case, planned.cell));
    }
    let conversations = plan.conversations.len() as u64;
    first_line(env!("CARGO_PKG_VERSION"), scenarios.len() as u64, conversations, calls, &by_model)
}

/// Plays the job, with the journal's consumer beside it. Gives the journal back: nobody else may have it before
/// the reports are written.
fn play(
    job: Job,
    part: Part<'_>,
    console: &Console,
    (runtime, asked): (&Runtime, Asked),
) -> anyhow::Result<(Ended, Writer)> {
    let Part { journal, is_shown, conversations, before, .. } = part;
    let mut watcher: Box<dyn Watcher + Send> =
        if is_shown { Box::new(Show::new(console)) } else { Box::new(Bar::new(console, conversations, before)) };
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

/// Makes the reports from the journal, compares the snapshots, prints the summary.
pub(super) fn finish(folder: &Path, ended: Ended, settings: &SnapshotSettings, console: &Console) -> Exit {
    let mut outcomes = Vec::new();
    if ended == Ended::Interrupted {
        outcomes.push(Exit::Interrupted);
    }
    let journal_path = folder.join(JOURNAL);
    let mut not_written = Vec::new();
    let written = Reader::open(&journal_path)
        .map_err(anyhow::Error::from)
        .and_then(|journal| Ok((files::write_all(folder, &journal)?, journal)));
    match written {
        Err(error) => not_written.push(with_causes(&error)),
        Ok((summary, journal)) => {
            not_written.extend(files::point_latest(folder).err().map(|error| error.to_string()));
            let compared = snapshots::compare(&journal, settings)
                .unwrap_or_else(|error| Compared { errors: vec![error.to_string()], ..Compared::default() });
            let shown = folder.display().to_string();
            let around = terminal::Around { folder: &shown, wall: journal.wall(), snapshots: &compared.notes };
            console.print(&terminal::render(&summary, around, look(console)));
            not_written.extend(compared.errors);
            if summary.totals.has_failures() || compared.notes.iter().any(|note| note.is_failure) {
                outcomes.push(Exit::Failed);
            }
            if summary.totals.has_errors() {
                outcomes.push(Exit::Errored);
            }
        }
    }
    if !not_written.is_empty() {
        for error in &not_written {
            console.fatal(error);
        }
        console.error(&format!(
            "everything that was said is in {}, and `chat-eval report {}` makes the other files of it",
            journal_path.display(),
            folder.display()
        ));
        outcomes.push(Exit::NotWritten);
    }
    if ended == Ended::Interrupted {
        console.error(&format!("`chat-eval run --resume {}` goes on with it", folder.display()));
    }
    Exit::worst(&outcomes)
}

impl SnapshotSettings {
    /// From the flag and the environment. `source` in a snapshot is relative to the config's folder.
    pub(super) fn new(flag: Snapshots, config_folder: Option<&Path>) -> Self {
        let is_ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false" && value != "0");
        let mode = match flag {
            Snapshots::Auto if is_ci => snapshot::Mode::No,
            Snapshots::Auto | Snapshots::New => snapshot::Mode::New,
            Snapshots::No => snapshot::Mode::No,
            Snapshots::Always => snapshot::Mode::Always,
            Snapshots::Off => snapshot::Mode::Off,
        };
        let base = config_folder.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Self { mode, is_ci, base: base.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn a_cause_is_said_once() {
        let gone = || std::io::Error::other("the disk is full");
        let told: anyhow::Error = crate::journal::JournalError::NotRead { path: "j".into(), source: gone() }.into();
        assert_eq!(with_causes(&told), "cannot read the journal `j`: the disk is full");
        let untold = Err::<(), _>(gone()).context("cannot make the folder `r`").unwrap_err();
        assert_eq!(with_causes(&untold), "cannot make the folder `r`: the disk is full");
    }
}
