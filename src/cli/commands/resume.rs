//! `run --resume`: goes on with a run that did not finish.
//!
//! A run goes on with what it began with: its arguments and the environment of that time are in its manifest, and its
//! scenarios must give the same plan. Nothing that its journal holds is sent again. Whatever stands against that is said
//! before anything is sent.

use std::collections::HashMap;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::super::args::{Global, RunArgs};
use super::super::console::Console;
use super::super::earlier;
use super::super::ending::finish;
use super::super::environment::Environment;
use super::super::exit::Exit;
use super::super::models;
use super::super::opening::{arguments, now};
use super::super::runs::{self, JOURNAL};
use super::super::snapshots::SnapshotSettings;
use super::run::{Part, Stage, prepare, settle};
use crate::disk;
use crate::event::{Event, Manifest, Resumed, TurnDone};
use crate::journal::{JournalError, Reader, Writer};
use crate::model::{ConversationId, End, Source, VariantKey};
use crate::report::files;
use crate::run::plan::Plan;
use crate::run::{Ended, Job, Sessions};

/// What may be said beside `--resume`: where the run is, how it is shown, what changes no result, and the config, which must
/// be said again where the run began with one that was named.
const BESIDE: [&str; 13] = [
    "--resume",
    "--config",
    "--out",
    "--color",
    "--format",
    "--quiet",
    "--concurrency",
    "--rpm",
    "--tpm",
    "--timeout",
    "--retries",
    "--max-cost",
    "--allow-run",
];

/// The path of a scenario that came on standard input.
const INPUT: &str = "-";

/// Goes on with the run of this name.
pub fn resume(run: &str, given: &RunArgs, global: &Global, console: &Console) -> Exit {
    go_on(run, given, global, console).unwrap_or_else(|exit| exit)
}

fn go_on(run: &str, given: &RunArgs, given_global: &Global, console: &Console) -> Result<Exit, Exit> {
    let refused = |reasons: &[String]| {
        for reason in reasons {
            console.fatal(reason);
        }
        console.error("nothing was sent");
        Exit::BadInput
    };
    let unreadable = |error: JournalError| refused(&[error.to_string()]);
    beside(given).map_err(|reason| refused(&[reason]))?;
    let folder = runs::find(run, given.out.as_deref(), console)?;
    let (mut journal, earlier) = Writer::reopen(folder.join(JOURNAL)).map_err(unreadable)?;
    if earlier.is_torn() {
        console.error("the journal did not end in a whole line: what stood behind the last one was cut off");
    }
    let manifest = earlier.manifest();
    let (args, mut global) = settings(&earlier, given).map_err(|reason| refused(&[reason]))?;
    let config = earlier::config(given_global.config.as_deref(), global.config.as_deref());
    global.config = config.map_err(|not_given| {
        let exit = refused(&[not_given.to_string()]);
        console.error(&not_given.help());
        exit
    })?;
    let changed = changed_files(manifest);
    if !changed.is_empty() {
        let exit = refused(&changed);
        console.error("help: a run goes on with the files that it began with, from the folder where it began");
        return Err(exit);
    }
    let mut prepared = prepare(&args, &global, &Environment::of_run(manifest), manifest.rerun.as_ref(), console)?;
    let plan = &prepared.job.plan;
    let begun = Begun::read(&earlier, plan).map_err(unreadable)?;
    if plan.digest() != manifest.plan_digest {
        return Err(refused(&another_plan(manifest, plan, &begun)));
    }
    if let Some(why) = manifest.other_model(&models::identities(&prepared.config, plan)) {
        return Err(refused(&[format!(
            "{why} as the config has it now: a run goes on with the model that it began with"
        )]));
    }
    let conversations = manifest.conversations;
    prepared.job.places.retain(|place| !begun.is_done[*place]);
    if let Some(budget) = &prepared.job.budget {
        budget.spend(begun.spent_usd);
    }
    prepared.job.turns_done = begun.turns_done;
    let before = conversations.saturating_sub(prepared.conversations());
    console.remark(&format!("going on with {}: {before} of {conversations} conversations are done", folder.display()));
    let stage = Stage::new(console)?;
    files::sweep(&folder).map_err(|error| refused(&[error.to_string()]))?;
    let settings = SnapshotSettings::new(args.snapshots, prepared.config.folder());
    if prepared.job.places.is_empty() {
        // Nothing is stopped in good order any more: the first signal ends the program, as behind any run.
        drop(stage);
        let kept = settle(&prepared.shelf, &folder, Ended::Complete, console);
        let ending = (&settings, args.format, prepared.job.plan.has_canaries());
        return Ok(finish(&folder, (Ended::Complete, kept), &mut journal, ending, console));
    }
    prepared.job.tapes = prepared.shelf.tapes(Some(&earlier));
    let (shelf, format) = (&prepared.shelf, args.format.here(console));
    let mut part = Part { folder: &folder, journal, is_shown: args.show, format, conversations, before, shelf };
    part.journal.append(&[resumed(&prepared.job)]).map_err(unreadable)?;
    let sessions = Sessions { run: manifest.run.clone(), part: earlier.parts().saturating_add(1) };
    Ok(stage.carry_out(Job { sessions, earlier: Some(earlier), ..prepared.job }, part, &settings, console))
}

/// Whether all that was said goes together with `--resume`.
fn beside(given: &RunArgs) -> Result<(), String> {
    match given.given.iter().find(|name| !BESIDE.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) if name == "PATH" => {
            Err("`--resume` takes no PATH: a run goes on with the scenarios that it began with".to_owned())
        }
        Some(name) => Err(format!("`{name}` does not go with `--resume`: a run goes on as it began")),
    }
}

/// The settings that the run began with, but for what was said anew.
fn settings(journal: &Reader, given: &RunArgs) -> Result<(RunArgs, Global), String> {
    let manifest = journal.manifest();
    if !manifest.merged_from.is_empty() {
        return Err(merged(manifest));
    }
    let (mut args, mut global) = earlier::command_line(&manifest.arguments)?;
    if let Some(rerun) = &manifest.rerun {
        earlier::take_plan(&mut args, &mut global, earlier::command_line(&rerun.arguments)?);
    }
    args.format = given.format;
    // The run may have come from anywhere: what it was allowed elsewhere it is not allowed here.
    args.allow_run = given.allow_run;
    let is_anew = |name: &str| given.given.iter().any(|given| given == name);
    if is_anew("--concurrency") {
        args.concurrency = given.concurrency;
    }
    args.rpm = given.rpm.or(args.rpm);
    args.tpm = given.tpm.or(args.tpm);
    args.max_cost = cap(given.max_cost, journal.max_cost_usd())?;
    if is_anew("--timeout") {
        args.timeout = given.timeout;
    }
    if is_anew("--retries") {
        args.retries = given.retries;
    }
    Ok((args, global))
}

/// Why a merged run does not go on.
fn merged(manifest: &Manifest) -> String {
    let runs: Vec<String> = manifest.merged_from.iter().map(|from| format!("`{}`", from.run)).collect();
    format!(
        "`{}` was put together by `merge` and has nothing to go on with; go on with the runs that it was made of ({}), and \
         merge them again",
        manifest.run,
        runs.join(", ")
    )
}

/// What the run may spend from now on.
fn cap(given: Option<f64>, so_far: Option<f64>) -> Result<Option<f64>, String> {
    match (given, so_far) {
        (Some(given), Some(so_far)) if given < so_far => Err(format!(
            "`--max-cost {given}` is less than the {so_far} that the run may spend already; a higher cap may be given"
        )),
        (given, so_far) => Ok(given.or(so_far)),
    }
}

/// The files of the run that are not what they were, each in a sentence.
fn changed_files(manifest: &Manifest) -> Vec<String> {
    let scenarios = manifest.scenarios.iter().filter(|scenario| scenario.path != INPUT);
    let files = scenarios.flat_map(|scenario| {
        let own = (&scenario.path, &scenario.sha256, None);
        let reads = scenario.reads.iter().map(|read| (&read.path, &read.sha256, Some(&scenario.path)));
        [own].into_iter().chain(reads)
    });
    let changed = files.filter_map(|(path, sha256, scenario)| {
        let what = match disk::read(Path::new(path)) {
            Ok(bytes) if digits(&bytes) == *sha256 => return None,
            Ok(_) => "has changed since the run began".to_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => "is gone".to_owned(),
            Err(error) => format!("cannot be read: {error}"),
        };
        let read_by = scenario.map_or_else(String::new, |scenario| format!(", which `{scenario}` reads,"));
        Some(format!("`{path}`{read_by} {what}"))
    });
    changed.collect()
}

fn digits(bytes: &[u8]) -> String {
    ConversationId(Sha256::digest(bytes).into()).to_string()
}

/// What the journal says of the conversations of the plan.
struct Begun {
    /// Whether nothing is to be done for it any more: it passed or failed.
    is_done: Vec<bool>,
    /// How many live turns each of the others has replies to that sent anything, by place.
    turns_done: HashMap<usize, u32>,
    /// What all of them took of a budget.
    spent_usd: f64,
    /// The first that is another one now: what it was.
    other: Option<(usize, VariantKey)>,
}

impl Begun {
    /// Reads the whole journal once, so that a damaged line is found before anything is sent.
    fn read(journal: &Reader, plan: &Plan) -> Result<Self, JournalError> {
        let is_done = vec![false; plan.conversations.len()];
        let mut begun = Self { is_done, turns_done: HashMap::new(), spent_usd: 0.0, other: None };
        let mut left_out = Vec::new();
        for record in journal.records() {
            let record = record?;
            let place = usize::try_from(record.begin.plan).unwrap_or(usize::MAX);
            if let Some(is_done) = begun.is_done.get_mut(place) {
                *is_done = matches!(record.end(), End::Passed | End::Failed);
                if record.left_out().is_some() {
                    left_out.push(place);
                } else if !*is_done {
                    let live = |turn: &&TurnDone| turn.source != Source::Canned && turn.reply.is_some();
                    let live = u32::try_from(record.turns.iter().filter(live).count()).unwrap_or(u32::MAX);
                    if live > 0 || !record.attempts.is_empty() || record.unsettled.usd().is_some() {
                        begun.turns_done.insert(place, live);
                    }
                }
            }
            begun.spent_usd += record.spent_usd();
            let is_other =
                plan.conversations.get(place).is_none_or(|planned| plan.key(&planned) != record.begin.key.variant);
            if is_other && begun.other.is_none() {
                begun.other = Some((place, record.begin.key.variant));
            }
        }
        begun.settle(plan, &left_out);
        Ok(begun)
    }

    /// Trials that were left out are left out still, unless one is played again that was part of the decision.
    fn settle(&mut self, plan: &Plan, left_out: &[usize]) {
        for places in left_out.chunk_by(|one, next| plan.first_trial(*one) == plan.first_trial(*next)) {
            let first = plan.first_trial(places[0]);
            let trials = first..first + plan.trials_of(&plan.conversations.at(first)) as usize;
            let is_open = |place: usize| !self.is_done[place] && !places.contains(&place);
            let is_settled = !trials.into_iter().any(is_open);
            for place in places {
                self.is_done[*place] = is_settled;
            }
        }
    }
}

/// Why files that are what they were give another plan, each reason in a sentence.
fn another_plan(manifest: &Manifest, plan: &Plan, begun: &Begun) -> Vec<String> {
    let mut reasons = Vec::new();
    for scenario in &plan.scenarios {
        let path = &scenario.source.path;
        match manifest.scenarios.iter().find(|known| known.path == *path) {
            None => reasons.push(format!("`{path}` is new since the run began")),
            Some(known) if known.sha256 != digits(scenario.source.text.as_bytes()) => {
                reasons.push("the scenario on standard input is another than when the run began".to_owned());
            }
            Some(_) => {}
        }
    }
    let is_left = |path: &String| plan.scenarios.iter().any(|scenario| scenario.source.path == *path);
    let left_out = manifest.scenarios.iter().filter(|known| !is_left(&known.path));
    reasons.extend(left_out.map(|known| format!("`{}` is no longer among the scenarios", known.path)));
    if reasons.is_empty() {
        reasons.push(match &begun.other {
            Some((place, was)) => {
                let is = plan
                    .conversations
                    .get(*place)
                    .map_or_else(|| "nothing".to_owned(), |now| plan.key(&now).to_string());
                format!("where `{was}` was planned when the run began, the config file now makes it `{is}`")
            }
            None => "the config file or this version of chat-eval now makes another plan of the same files".to_owned(),
        });
    }
    reasons
}

fn resumed(job: &Job) -> Event {
    Event::Resume(Box::new(Resumed {
        arguments: arguments(),
        started: now(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        concurrency: u32::try_from(job.concurrency).unwrap_or(u32::MAX),
        max_cost_usd: job.budget.as_ref().map(|budget| budget.cap().dollars()),
    }))
}
