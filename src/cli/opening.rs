//! How a run begins on disk and in words: its folder, its journal with the manifest, the first line.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use sha2::{Digest, Sha256};

use super::commands::check::plural;
use super::commands::run::Prepared;
use super::environment::Environment;
use super::models;
use super::runs::JOURNAL;
use crate::event::{Event, FORMAT, Manifest, ReadFile, ScenarioFile};
use crate::journal::Writer;
use crate::model::ConversationId;
use crate::report::progress::first_line;
use crate::scenario::Scenario;
use crate::text::escape::{no_command, visible};

/// Makes the run's folder, named after time and chance, with its journal.
pub fn open_run(out: &Path, prepared: &Prepared, environment: &Environment) -> anyhow::Result<(PathBuf, Writer)> {
    use anyhow::Context;
    std::fs::create_dir_all(out).with_context(|| format!("cannot make the folder `{}`", out.display()))?;
    let folder = loop {
        let folder = new_name(out);
        match std::fs::create_dir(&folder) {
            Ok(()) => break folder,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot make a folder in `{}`", out.display()));
            }
        }
    };
    let first = Event::Run(Box::new(manifest(&folder, prepared, environment)));
    match Writer::create(folder.join(JOURNAL), &first) {
        Ok(journal) => Ok((folder, journal)),
        Err(error) => {
            // A folder without a journal is no run. It is empty, and if it cannot be removed either, that is not what is wrong.
            let _ = std::fs::remove_dir(&folder);
            Err(error.into())
        }
    }
}

/// A name for a run's folder that most likely no other has, of time and chance.
pub fn new_name(out: &Path) -> PathBuf {
    let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
    out.join(format!("{now}-{:04x}", fastrand::u16(..)))
}

/// A scenario's file as a manifest has it.
pub fn scenario_file(scenario: &Scenario) -> ScenarioFile {
    let digits = |sha256: [u8; 32]| ConversationId(sha256).to_string();
    ScenarioFile {
        name: scenario.name.clone(),
        path: scenario.source.path.clone(),
        sha256: digits(Sha256::digest(scenario.source.text.as_bytes()).into()),
        tags: scenario.tags.clone(),
        reads: scenario
            .reads
            .iter()
            .map(|read| ReadFile { path: read.path.clone(), sha256: digits(read.sha256) })
            .collect(),
    }
}

fn manifest(folder: &Path, prepared: &Prepared, environment: &Environment) -> Manifest {
    let Prepared { job, shard, rerun, .. } = prepared;
    let plan = &job.plan;
    Manifest {
        format: FORMAT,
        run: run_name(folder),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        arguments: arguments(),
        started: now(),
        commit: git_commit(),
        plan_digest: plan.digest(),
        conversations: prepared.conversations(),
        // Where there is nothing to play, nothing is in flight.
        concurrency: u32::try_from(job.concurrency).ok().filter(|_| !job.places.is_empty()),
        max_cost_usd: job.budget.as_ref().map(|budget| budget.cap().dollars()),
        shard: *shard,
        planned: shard.and(u32::try_from(plan.conversations.len()).ok()),
        rerun: rerun.clone(),
        recheck: None,
        merged_from: Vec::new(),
        models: models::identities(&prepared.config, plan),
        environment: environment.recorded().clone(),
        scenarios: plan.scenarios.iter().map(scenario_file).collect(),
    }
}

/// A run's id, which is the name of its folder.
pub fn run_name(folder: &Path) -> String {
    folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The arguments of this process, as given.
pub fn arguments() -> Vec<String> {
    std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect()
}

/// The time (RFC 3339, UTC).
pub fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The commit of the working directory; without git or a repository there is none.
pub fn git_commit() -> Option<String> {
    let here = env::current_dir().ok()?;
    // Where none can be, no process is started to find that out.
    if env::var_os("GIT_DIR").is_none() && !here.ancestors().any(|folder| folder.join(".git").exists()) {
        return None;
    }
    let mut git = std::process::Command::new("git");
    let output = git.args(["rev-parse", "--verify", "--quiet", "HEAD"]).stderr(Stdio::null()).output().ok()?;
    let commit = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !commit.is_empty()).then_some(commit)
}

/// The line with which a run begins.
pub fn announcement(prepared: &Prepared) -> String {
    let Prepared { job, shard, rerun, .. } = prepared;
    let plan = &job.plan;
    let mut by_model: Vec<(&str, u64)> = job.models.keys().map(|name| (name.as_str(), 0)).collect();
    by_model.sort_unstable();
    let mut calls = 0;
    let mut scenarios: Vec<u32> = Vec::new();
    for planned in job.places.iter().map(|place| plan.conversations.at(*place)) {
        if let Some((_, count)) = by_model.iter_mut().find(|(name, _)| *name == plan.model(&planned)) {
            *count += 1;
        }
        if scenarios.last() != Some(&planned.scenario) {
            scenarios.push(planned.scenario);
        }
        calls += u64::from(job.calls_at_most(&planned));
    }
    // A part of a plan need not have conversations of every model.
    by_model.retain(|(_, count)| *count > 0);
    let conversations = job.places.len() as u64;
    let line = first_line(env!("CARGO_PKG_VERSION"), scenarios.len() as u64, conversations, calls, &by_model);
    let again = rerun.as_ref().map(|rerun| format!("what {} in {}", rerun.what, rerun.run));
    let part = shard.map(|shard| format!("shard {shard} of {}", plural(plan.conversations.len(), "conversation")));
    let text = [Some(line), again, part].into_iter().flatten().collect::<Vec<_>>().join(" · ");
    // Models and runs are named by files that may be strangers'.
    no_command(&visible(&text)).into_owned()
}
