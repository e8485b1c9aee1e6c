//! `report`: writes the reports of a run again, from its journal.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::super::args::ReportArgs;
use super::super::console::Console;
use super::super::exit::Exit;
use super::super::{environment, look};
use crate::journal::Reader;
use crate::report::{files, terminal};

/// Writes the reports and prints the summary.
pub fn report(args: &ReportArgs, console: &Console) -> Exit {
    let out = args.out.clone().unwrap_or_else(environment::out);
    let Some(folder) = find_run(&args.run, &out) else {
        console.fatal(format!("there is no run `{}` in `{}`", args.run, out.display()));
        console.error("help: a run is named by its folder, its id, `latest` or `previous`");
        return Exit::BadInput;
    };
    let journal = match Reader::open(folder.join("journal.jsonl")) {
        Ok(journal) => journal,
        Err(error) => {
            console.fatal(error);
            return Exit::BadInput;
        }
    };
    match files::write_all(&folder, &journal) {
        Ok(summary) => {
            let shown = folder.display().to_string();
            let around = terminal::Around { folder: &shown, wall: journal.wall(), snapshots: &[] };
            console.print(&terminal::render(&summary, around, look(console)));
            Exit::Passed
        }
        Err(error) => {
            console.fatal(error);
            Exit::NotWritten
        }
    }
}

/// The folder of a run.
fn find_run(name: &str, out: &Path) -> Option<PathBuf> {
    let has_journal = |folder: PathBuf| folder.join("journal.jsonl").is_file().then_some(folder);
    match name {
        "latest" | "previous" => {
            let mut runs: Vec<PathBuf> = std::fs::read_dir(out)
                .ok()?
                .filter_map(|entry| Some(entry.ok()?.path()))
                .filter(|path| !path.is_symlink() && path.join("journal.jsonl").is_file())
                .collect();
            runs.sort_by_cached_key(|run| age(run));
            let back = if name == "latest" { 1 } else { 2 };
            runs.len().checked_sub(back).map(|at| runs.swap_remove(at))
        }
        _ => has_journal(PathBuf::from(name)).or_else(|| has_journal(out.join(name))),
    }
}

/// What runs are ordered by: the second in which they began, with which their names begin; of one second, when each was
/// last written to.
fn age(run: &Path) -> (String, Option<SystemTime>) {
    let name = run.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let second = name.split_once('-').map_or(name.as_str(), |(second, _)| second).to_owned();
    let written = std::fs::metadata(run.join("journal.jsonl")).and_then(|journal| journal.modified());
    (second, written.ok())
}
