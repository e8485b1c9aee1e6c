//! Which run is meant: runs are named by their folder, their id, `latest` or `previous`. A folder that holds runs means the
//! latest of them.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::console::Console;
use super::environment;
use super::exit::Exit;
use crate::report::files::LATEST_LINK;

/// The name of the journal in a run's folder.
pub const JOURNAL: &str = "journal.jsonl";

/// How a run's name begins: like this, with any digits.
const SECOND: &str = "00000000T000000Z";

/// The folder of a run, looked for below `out` where it is no folder itself.
///
/// # Errors
/// When there is none; that is said.
pub fn find(name: &str, out: Option<&Path>, console: &Console) -> Result<PathBuf, Exit> {
    let out = out.map_or_else(environment::out, Path::to_owned);
    folder_of(name, &out).ok_or_else(|| {
        console.fatal(format!("there is no run `{name}` in `{}`", out.display()));
        console.error("help: a run is named by its folder, its id, `latest` or `previous`");
        Exit::BadInput
    })
}

/// Whether a run has this name.
pub fn is_run(name: &str, out: Option<&Path>) -> bool {
    ["latest", "previous"].contains(&name)
        || folder_of(name, &out.map_or_else(environment::out, Path::to_owned)).is_some()
}

fn folder_of(name: &str, out: &Path) -> Option<PathBuf> {
    let has_journal = |folder: PathBuf| folder.join(JOURNAL).is_file().then_some(folder);
    match name {
        "latest" => latest(out, &mut runs(out)?),
        "previous" => {
            let mut runs = runs(out)?;
            latest(out, &mut runs)?;
            runs.pop()
        }
        _ => {
            let named = has_journal(PathBuf::from(name)).or_else(|| has_journal(out.join(name)));
            let folder = named.map(|folder| without_link(&folder));
            folder.or_else(|| latest(Path::new(name), &mut runs(Path::new(name))?))
        }
    }
}

/// The folder itself where a link was named: what `latest` leads to is a run, `latest` is none.
fn without_link(folder: &Path) -> PathBuf {
    // A name that ends in `/` leads through the link.
    let folder: PathBuf = folder.components().collect();
    match (std::fs::read_link(&folder), folder.parent()) {
        (Ok(target), Some(beside)) => beside.join(target),
        _ => folder,
    }
}

/// The runs below a folder, the one that began last at the end.
fn runs(out: &Path) -> Option<Vec<PathBuf>> {
    let mut runs: Vec<PathBuf> = std::fs::read_dir(out)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| !path.is_symlink() && !is_hidden(path) && path.join(JOURNAL).is_file())
        .collect();
    runs.sort_by_cached_key(|run| age(run));
    Some(runs)
}

/// Takes the latest run out of those that there are: the one that began last, or one that went on after that, to whose end
/// the link was set.
fn latest(out: &Path, runs: &mut Vec<PathBuf>) -> Option<PathBuf> {
    let last = runs.last()?;
    let link = out.join(LATEST_LINK);
    let linked = std::fs::read_link(&link).ok().map(|name| out.join(name));
    let set = std::fs::symlink_metadata(&link).and_then(|link| link.modified()).ok();
    let at = runs.iter().position(|run| Some(run) == linked.as_ref()).filter(|_| set >= written(last));
    Some(runs.remove(at.unwrap_or(runs.len() - 1)))
}

/// A run that is not whole yet, or was left so by a killed process: what is put together is hidden until it is done.
fn is_hidden(run: &Path) -> bool {
    run.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

/// What runs are ordered by: the second in which they began, with which their names begin; of one second, when each was
/// last written to. A run with a name that somebody chose, as `merge` makes them, began when it was written.
fn age(run: &Path) -> (String, Option<SystemTime>) {
    let name = run.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let written = written(run);
    let second = name.split_once('-').map_or(name.as_str(), |(second, _)| second);
    let is_time = second.len() == SECOND.len()
        && second.bytes().zip(SECOND.bytes()).all(
            |(own, like)| {
                if like == b'0' { own.is_ascii_digit() } else { own == like }
            },
        );
    let second = match written.and_then(|written| jiff::Timestamp::try_from(written).ok()) {
        Some(written) if !is_time => written.strftime("%Y%m%dT%H%M%SZ").to_string(),
        _ => second.to_owned(),
    };
    (second, written)
}

fn written(run: &Path) -> Option<SystemTime> {
    std::fs::metadata(run.join(JOURNAL)).and_then(|journal| journal.modified()).ok()
}
