//! `merge`: puts the shards of one plan together into a run of its own.
//!
//! The new run's folder is made beside its place and renamed when all is in it: a merge that fails, or is told to stop, leaves
//! nothing.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::super::args::{Global, MergeArgs};
use super::super::console::Console;
use super::super::ending::{compared, conclude, with_causes};
use super::super::exit::Exit;
use super::super::missing::Missing;
use super::super::opening::arguments;
use super::super::output::say_again;
use super::super::runs::{self, JOURNAL};
use super::super::signals;
use super::super::snapshots::{Compared, SnapshotSettings};
use super::super::{config, environment, show_diagnostics};
use super::check::plural;
use crate::event::{Event, Manifest};
use crate::journal::{DRAFT, JournalError, Merge, NamedRun, Problem, Reader, Writer};
use crate::report::{ReportError, Summary, files};
use crate::snapshot::Mode;

/// So many problems are said one by one.
const PROBLEMS_SHOWN: usize = 20;

/// Puts the runs together, writes the reports, prints the summary.
pub fn merge(args: &MergeArgs, global: &Global, console: &Console) -> Exit {
    put_together(args, global, console).unwrap_or_else(|exit| exit)
}

fn put_together(args: &MergeArgs, global: &Global, console: &Console) -> Result<Exit, Exit> {
    let refused = |reason: &dyn std::fmt::Display, help: &str| {
        console.fatal(reason);
        console.error(&format!("help: {help}"));
        Exit::BadInput
    };
    let unreadable = |error: JournalError| {
        console.fatal(error);
        Exit::BadInput
    };
    let place =
        Place::of(&args.into).map_err(|reason| refused(&reason, "`-o DIR` names a folder that is to be made"))?;
    let config = config::load(global.config.as_deref()).map_err(|diagnostics| {
        show_diagnostics(console, &diagnostics);
        Exit::BadInput
    })?;
    let settings = SnapshotSettings::new(args.snapshots, config.folder());
    let runs = open(args, console)?;
    let merge = match Merge::of(&runs).map_err(unreadable)? {
        Ok(merge) => merge,
        Err(problems) => {
            say(&problems, &Missing::of(&runs), console);
            return Err(Exit::BadInput);
        }
    };
    let manifest = merge.manifest(place.name.clone(), env!("CARGO_PKG_VERSION"), arguments());
    if let Some(file) = absent_scenario(&manifest).filter(|_| settings.mode != Mode::Off) {
        let reason = format!("`{file}` is not here, and its snapshots cannot be compared");
        return Err(refused(&reason, "merge where the scenarios are, or leave the snapshots out: `--snapshots off`"));
    }
    // A signal that ended the program by itself would leave half a folder behind.
    let asked = signals::listen(console.clone(), place.last_words());
    let conversations = plural(manifest.conversations as usize, "conversation");
    console.remark(&format!("{}, {conversations}", plural(runs.len(), "run")));
    let written = write(&place, &merge, manifest, &|| asked.is_asked()).map_err(|error| {
        if let Some(ReportError::Stopped) = error.downcast_ref() {
            console.error("stopped: nothing was written, and the runs are as they were");
            return Exit::Interrupted;
        }
        console.fatal(with_causes(&error));
        console.error("nothing was written");
        Exit::NotWritten
    });
    let summary = written?;
    // The run is whole and in its place. What is left can be done again, and the first signal ends it.
    drop(asked);
    let link = if place.is_among_runs(args.out.as_deref()) { files::point_latest(&place.folder).err() } else { None };
    let unwritten = |error: anyhow::Error| {
        console.fatal(with_causes(&error));
        Exit::NotWritten
    };
    let (summary, mut compared, journal) = with_snapshots(&place, summary, &settings).map_err(unwritten)?;
    compared.errors.extend(link.map(|error| error.to_string()));
    say_again(&journal, &args.into.display().to_string(), args.format, console).map_err(unwritten)?;
    Ok(conclude(&args.into, (&summary, &compared, &journal), Vec::new(), args.format, console))
}

/// Compares the snapshots of the run in its place. Where they do not all match, its reports are written once more.
fn with_snapshots(
    place: &Place,
    summary: Summary,
    settings: &SnapshotSettings,
) -> anyhow::Result<(Summary, Compared, Reader)> {
    let (mut journal, reader) = Writer::reopen(place.folder.join(JOURNAL))?;
    let (compared, reader) = compared(reader, &mut journal, settings)?;
    let summary = if compared.notes.is_empty() { summary } else { files::write_all(&place.folder, &reader)? };
    Ok((summary, compared, reader))
}

/// Where the merged run will be.
struct Place {
    folder: PathBuf,
    parent: PathBuf,
    name: String,
}

impl Place {
    fn of(into: &Path) -> Result<Self, String> {
        let shown = into.display();
        let folder = std::path::absolute(into).map_err(|error| format!("`{shown}` names no folder: {error}"))?;
        let (Some(parent), Some(name)) = (folder.parent(), folder.file_name()) else {
            return Err(format!("`{shown}` names no folder that could be made"));
        };
        match fs::read_dir(&folder).map(|mut entries| entries.next().is_some()) {
            Ok(true) => Err(format!("`{shown}` is there already, and is not empty")),
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(format!("`{shown}` is there already, and is no empty folder: {error}"))
            }
            Ok(false) | Err(_) => {
                Ok(Self { parent: parent.to_owned(), name: name.to_string_lossy().into_owned(), folder })
            }
        }
    }

    /// What is true where the program ends at once, before the run is in its place and after.
    fn last_words(&self) -> impl FnOnce() -> String + Send + 'static {
        let (folder, parent) = (self.folder.clone(), self.parent.clone());
        move || {
            if folder.join(JOURNAL).is_file() {
                return format!("the merged run is whole in {}; its snapshots may not be", folder.display());
            }
            format!(
                "nothing was merged, and the runs are as they were; a folder `{DRAFT}…` may be left in {}, which nobody needs",
                parent.display()
            )
        }
    }

    /// Whether it lies where runs are: only there is it the latest one.
    fn is_among_runs(&self, out: Option<&Path>) -> bool {
        let out = out.map_or_else(environment::out, Path::to_owned);
        matches!((out.canonicalize(), self.parent.canonicalize()), (Ok(out), Ok(parent)) if out == parent)
    }
}

/// Opens the journals. A folder that two names lead to is one run.
fn open(args: &MergeArgs, console: &Console) -> Result<Vec<NamedRun>, Exit> {
    let mut seen = HashSet::new();
    let mut runs = Vec::new();
    for name in &args.runs {
        let folder = runs::find(name, args.out.as_deref(), console)?;
        if !seen.insert(folder.canonicalize().unwrap_or_else(|_| folder.clone())) {
            continue;
        }
        match Reader::open(folder.join(JOURNAL)) {
            Ok(journal) => runs.push(NamedRun { name: name.clone(), journal }),
            Err(error) => {
                console.fatal(error);
                return Err(Exit::BadInput);
            }
        }
    }
    Ok(runs)
}

/// Says why the runs cannot be put together, and what helps.
fn say(problems: &[Problem], missing: &Missing, console: &Console) {
    for problem in problems.iter().take(PROBLEMS_SHOWN) {
        let names = match problem {
            Problem::ShardMissing { shard } => missing.conversations(*shard),
            Problem::Unfinished { shard, not_begun, .. } if *not_begun > 0 => missing.names(*shard),
            _ => None,
        };
        console.fatal(names.map_or_else(|| problem.to_string(), |names| format!("{problem}: {names}")));
    }
    if let Some(more) = problems.len().checked_sub(PROBLEMS_SHOWN).filter(|more| *more > 0) {
        console.error(&format!("… and {more} more"));
    }
    console.error("nothing was written");
    let unfinished = problems.iter().find_map(|problem| match problem {
        Problem::Unfinished { run, .. } => Some(run),
        _ => None,
    });
    if let Some(run) = unfinished {
        console.error(&format!("help: `chat-eval run --resume {run}` goes on with a run that did not finish"));
    }
}

/// A scenario that is not where it was, seen from here.
fn absent_scenario(manifest: &Manifest) -> Option<&str> {
    let files = manifest.scenarios.iter().map(|scenario| scenario.path.as_str());
    files.filter(|path| *path != "-").find(|path| !Path::new(path).is_file())
}

/// Writes the run beside its place and moves it there, unless it is to stop before that.
fn write(
    place: &Place,
    merge: &Merge<'_>,
    manifest: Manifest,
    is_to_stop: &dyn Fn() -> bool,
) -> anyhow::Result<Summary> {
    use anyhow::Context;
    let goes_on = || if is_to_stop() { Err(ReportError::Stopped) } else { Ok(()) };
    let cannot = || format!("cannot make the folder `{}`", place.folder.display());
    fs::create_dir_all(&place.parent).with_context(cannot)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(DRAFT);
    // As readable as any other folder that the user makes.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
    let draft = builder.tempdir_in(&place.parent).with_context(cannot)?;
    let path = draft.path().join(JOURNAL);
    let mut journal = Writer::create(&path, &Event::Run(Box::new(manifest)))?;
    for lines in merge.conversations() {
        goes_on()?;
        journal.append_lines(&lines?)?;
    }
    journal.append(merge.end().as_ref())?;
    journal.sync()?;
    // Closed before the folder is moved: an open file keeps some systems from that.
    drop(journal);
    let summary = files::write_all_unless(draft.path(), &Reader::open(&path)?, is_to_stop)?;
    goes_on()?;
    // Nothing but an empty folder can be there; some systems move nothing onto it.
    match fs::remove_dir(&place.folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error).with_context(cannot),
        _ => {}
    }
    fs::rename(draft.path(), &place.folder).with_context(cannot)?;
    // There is nothing left to remove.
    let _ = draft.keep();
    Ok(summary)
}
