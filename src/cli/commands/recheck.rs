//! `recheck`: judges a run's transcripts again with the checks as they are now, and calls nobody.
//!
//! The new run has a journal of its own, with the turns of the earlier one line for line. It is made beside its place and
//! renamed when all is in it, so that one that is told to stop leaves nothing.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::super::args::Global;
use super::super::console::Console;
use super::super::ending::{finish, with_causes};
use super::super::exit::Exit;
use super::super::judged::{Past, Remarks, runtime};
use super::super::judged_args::RecheckArgs;
use super::super::opening::{arguments, git_commit, new_name, now, scenario_file};
use super::super::output::say_again;
use super::super::runs::JOURNAL;
use super::super::snapshots::SnapshotSettings;
use super::super::{config, earlier, environment, show_diagnostics};
use super::check::plural;
use crate::event::{ConversationDone, Event, Manifest, Recheck, Record, Stopped};
use crate::journal::{DRAFT, Writer};
use crate::model::{ConversationId, End};
use crate::run::{Ended, Rejudged};

/// Judges the run, writes the reports, prints the summary.
pub fn recheck(args: &RecheckArgs, global: &Global, console: &Console) -> Exit {
    judge(args, global, console).unwrap_or_else(|exit| exit)
}

fn judge(args: &RecheckArgs, global: &Global, console: &Console) -> Result<Exit, Exit> {
    let config = config::load(global.config.as_deref()).map_err(|diagnostics| {
        show_diagnostics(console, &diagnostics);
        Exit::BadInput
    })?;
    let past = Past::open(&args.run, &args.paths, args.out.as_deref(), console)?.with_judges(&config);
    let out = args.out.clone().unwrap_or_else(environment::out);
    let runtime = runtime(console)?;
    let run = &past.journal.manifest().run;
    let conversations = plural(past.journal.places().count(), "conversation");
    console.remark(&format!("judging {conversations} of {run} again · nothing is sent"));
    let mut remarks = Remarks::default();
    let folder = write(&out, &past, &runtime, &mut remarks).map_err(|error| {
        console.fatal(with_causes(&error));
        console.error("nothing was written");
        Exit::NotWritten
    })?;
    remarks.say(console);
    let unwritten = |error: anyhow::Error| {
        console.fatal(with_causes(&error));
        Exit::NotWritten
    };
    let (mut journal, reader) = Writer::reopen(folder.join(JOURNAL)).map_err(|error| unwritten(error.into()))?;
    say_again(&reader, &folder.display().to_string(), args.format, console).map_err(unwritten)?;
    let settings = SnapshotSettings::new(args.snapshots, config.folder());
    // What the search for canaries found stands in no scenario: it is found again.
    Ok(finish(&folder, (Ended::Complete, Exit::Passed), &mut journal, (&settings, args.format, true), console))
}

/// Writes the journal of the new run and moves it into its place.
fn write(out: &Path, past: &Past, runtime: &tokio::runtime::Runtime, remarks: &mut Remarks) -> anyhow::Result<PathBuf> {
    use anyhow::Context;
    let cannot = || format!("cannot make a folder in `{}`", out.display());
    fs::create_dir_all(out).with_context(cannot)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(DRAFT);
    // As readable as any other folder that the user makes.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
    let draft = builder.tempdir_in(out).with_context(cannot)?;
    let folder = new_name(out);
    let mut journal = Writer::create(draft.path().join(JOURNAL), &Event::Run(Box::new(manifest(&folder, past))))?;
    for plan in past.journal.places() {
        if let Some(record) = past.journal.record_of(plan)? {
            judge_one(&record, past, runtime, remarks, &mut journal)?;
        }
    }
    // What was said took what it took then.
    let wall_ms = past.journal.wall().map(|wall| u64::try_from(wall.as_millis()).unwrap_or(u64::MAX));
    journal.append(wall_ms.map(|wall_ms| Event::Stop(Stopped { wall_ms })).as_ref())?;
    journal.sync()?;
    // Closed before the folder is moved: an open file keeps some systems from that.
    drop(journal);
    fs::rename(draft.path(), &folder).with_context(cannot)?;
    // There is nothing left to remove.
    let _ = draft.keep();
    Ok(folder)
}

/// Judges one conversation. One that cannot be judged is kept as it was said, errored, without a verdict.
fn judge_one(
    record: &Record,
    past: &Past,
    runtime: &tokio::runtime::Runtime,
    remarks: &mut Remarks,
    journal: &mut Writer,
) -> anyhow::Result<()> {
    let run = &past.journal.manifest().run;
    let rejudged = match past.again(record) {
        Ok(again) => runtime.block_on(again.judge(run)),
        Err(refused) => {
            let error = format!("cannot be judged again: {refused}");
            remarks.add(&error, record);
            let plan = record.begin.plan;
            let done =
                ConversationDone { plan, end: End::Errored, error: Some(error), checks: Some(0), left_out: None };
            let begin = record.begin.clone();
            Rejudged { begin, checks: Vec::new(), done, added: Vec::new(), changed: Vec::new() }
        }
    };
    if let Some(first) = rejudged.added.first() {
        let more = match rejudged.added.len() - 1 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        remarks.add(&format!("{}{more} is new since {run}, and was not played", first.named()), record);
    }
    if !rejudged.changed.is_empty() {
        let changed = rejudged.changed.join(", ");
        remarks.add(&format!("warning: judged by what was sent then; {changed} changed since"), record);
    }
    journal.append([&Event::Begin(Box::new(rejudged.begin))])?;
    journal.append_lines(&said(&past.journal.lines_of(record.begin.plan)?))?;
    let checks: Vec<Event> = rejudged.checks.into_iter().map(|check| Event::Check(Box::new(check))).collect();
    journal.append(checks.iter().chain([&Event::Conversation(rejudged.done)]))?;
    Ok(())
}

/// Of the lines of a conversation those of what was said and what that took, byte for byte.
fn said(lines: &[u8]) -> Vec<u8> {
    let is_said =
        |line: &&[u8]| !matches!(Event::read(line), Ok(Event::Begin(_) | Event::Check(_) | Event::Conversation(_)));
    lines.split_inclusive(|byte| *byte == b'\n').filter(is_said).flatten().copied().collect()
}

/// What the new run is: the earlier one, judged by the scenarios as they are now.
fn manifest(folder: &Path, past: &Past) -> Manifest {
    let was = past.journal.manifest();
    let scenarios = past.scenarios.iter().map(scenario_file).collect::<Vec<_>>();
    let mut digest = Sha256::new();
    digest.update(was.plan_digest.as_bytes());
    for file in &scenarios {
        digest.update(file.sha256.as_bytes());
        file.reads.iter().for_each(|read| digest.update(read.sha256.as_bytes()));
    }
    Manifest {
        run: folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        arguments: arguments(),
        started: now(),
        commit: git_commit(),
        plan_digest: ConversationId(digest.finalize().into()).to_string(),
        concurrency: past.journal.concurrency(),
        max_cost_usd: past.journal.max_cost_usd(),
        recheck: Some(Recheck { run: was.run.clone(), arguments: earlier::plan_arguments(was).to_vec() }),
        merged_from: Vec::new(),
        scenarios,
        ..was.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_stays_byte_for_byte_and_verdicts_go() {
        let lines = [
            r#"{"event":"begin","plan":0,"conversation":"c","scenario":"s","persona":"p","model":"m","window":"full","trial":1,"trials":1,"pass_rate":1.0,"file":"f","turns":1}"#,
            r#"{"event":"turn","plan":0,"turn":1,"user":"Hi","sent":[[0,1]],"source":"live","reply":"Ho","attempts":1,"later":"kept"}"#,
            r#"{"event":"check","plan":0,"turn":1,"index":0,"check":"contains","expected":"Ho","verdict":"pass","line":1}"#,
            r#"{"event":"attempt","plan":0,"turn":1,"attempt":1,"error":"503"}"#,
            r#"{"event":"conversation","plan":0,"end":"passed"}"#,
            "",
        ];
        let kept = said(lines.join("\n").as_bytes());
        assert_eq!(String::from_utf8(kept).unwrap(), format!("{}\n{}\n", lines[1], lines[3]));
    }
}
