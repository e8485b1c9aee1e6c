//! `diff`: the snapshots of a git revision against those of the working tree, as Markdown for a pull request.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::super::args::DiffArgs;
use super::super::console::Console;
use super::super::exit::Exit;
use super::super::git::{Contents, GitError, Repository};
use crate::report::changes::{self, Changed, Kind};
use crate::snapshot::{self, Difference, FormatError, Snapshot};

/// Prints what changed. Whether anything did is no matter of the exit code.
pub fn diff(args: &DiffArgs, console: &Console) -> Exit {
    match page(args) {
        Ok(page) => {
            console.print(&page);
            Exit::Passed
        }
        Err((error, help)) => {
            console.fatal(error);
            console.error(&format!("help: {help}"));
            Exit::BadInput
        }
    }
}

/// What is wrong, and what helps.
type Refusal = (String, &'static str);

impl From<GitError> for Refusal {
    fn from(error: GitError) -> Self {
        (error.to_string(), error.help())
    }
}

fn page(args: &DiffArgs) -> Result<String, Refusal> {
    let repository = Repository::open()?;
    let (commit, base) = if let Some(revision) = &args.revision {
        (repository.commit(revision)?, changes::Base::Revision(revision))
    } else {
        let (commit, branch) = repository.merge_base()?;
        (commit, changes::Base::MergeBase(branch))
    };
    let mut sides = Sides::of(&repository, &commit, &args.paths)?;
    let (changed, compared) = sides.changed()?;
    let waiting = waiting(&repository, &args.paths);
    let around = changes::Around { commit: &commit, base, compared, waiting };
    Ok(changes::render(&changed, around, |path| sides.texts(path))?)
}

/// How many snapshots wait for review: git does not look at them, and who comments on a pull request should know. A folder
/// that may not be read has none: nothing else hangs on it.
fn waiting(repository: &Repository, paths: &[PathBuf]) -> u64 {
    let all = || vec![repository.top().to_owned()];
    let roots = if paths.is_empty() { all() } else { paths.iter().filter(|path| path.exists()).cloned().collect() };
    roots.iter().map(|root| snapshot::find(root).map_or(0, |found| found.len() as u64)).sum()
}

/// The snapshots of both sides, by their paths from the top of the repository.
struct Sides<'r> {
    repository: &'r Repository,
    contents: Contents,
    /// Those of the revision, with the ids of their contents.
    old: BTreeMap<Vec<u8>, String>,
    /// Those of the working tree.
    new: BTreeSet<Vec<u8>>,
}

impl<'r> Sides<'r> {
    fn of(repository: &'r Repository, commit: &str, paths: &[PathBuf]) -> Result<Self, Refusal> {
        let mut old = repository.snapshots_of(commit)?;
        let here = repository.snapshots_here()?;
        let mut new = here.snapshots;
        // What was not checked out is as it was, as far as this working tree knows.
        old.retain(|path, _| !here.absent.contains(path));
        let mut wanted = Vec::new();
        for path in paths {
            let from_top = repository.seen_from_top(path)?;
            let is_below = |snapshot: &Vec<u8>| is_below(snapshot, &from_top);
            if !path.exists() && !old.keys().chain(&new).any(is_below) {
                let reason = format!("`{}` is neither here nor a snapshot of that revision", path.display());
                return Err((reason, "a path names a snapshot, or a folder above some"));
            }
            wanted.push(from_top);
        }
        if !wanted.is_empty() {
            let is_wanted = |snapshot: &Vec<u8>| wanted.iter().any(|path| is_below(snapshot, path));
            old.retain(|path, _| is_wanted(path));
            new.retain(is_wanted);
        }
        Ok(Self { repository, contents: repository.contents()?, old, new })
    }

    /// What changed, in byte order of the paths, and how many snapshots there are in all.
    fn changed(&mut self) -> Result<(Vec<Changed>, u64), GitError> {
        let paths: BTreeSet<Vec<u8>> = self.old.keys().chain(&self.new).cloned().collect();
        let mut changed = Vec::new();
        let mut compared = 0;
        for path in paths {
            let (old, new) = (self.old_side(&path)?, self.new_side(&path));
            let kind = match (old, new) {
                (Side::OfRust, _) | (_, Side::OfRust) | (Side::None, Side::None) => continue,
                (_, Side::Unreadable(reason)) => Kind::Unreadable(reason),
                (Side::Unreadable(_) | Side::None, Side::Snapshot(_)) => Kind::New,
                (_, Side::None) => Kind::Removed,
                (Side::Snapshot(old), Side::Snapshot(new)) => match snapshot::compare(&old, &new) {
                    Difference::Same => {
                        compared += 1;
                        continue;
                    }
                    difference => Kind::Differs(difference),
                },
            };
            compared += 1;
            changed.push(Changed { path, kind });
        }
        Ok((changed, compared))
    }

    /// The texts of a snapshot on both sides; empty where there is none.
    fn texts(&mut self, path: &[u8]) -> Result<(String, String), GitError> {
        let text = |side| match side {
            Side::Snapshot(snapshot) => snapshot.contents().to_owned(),
            Side::None | Side::OfRust | Side::Unreadable(_) => String::new(),
        };
        Ok((text(self.old_side(path)?), text(self.new_side(path))))
    }

    fn old_side(&mut self, path: &[u8]) -> Result<Side, GitError> {
        let Some(id) = self.old.get(path) else { return Ok(Side::None) };
        let Some(content) = self.contents.read(id)? else { return Ok(Side::Unreadable("it is too large".into())) };
        let not_text = FormatError { line: 1, reason: "it is not UTF-8" };
        let parsed = String::from_utf8(content).map_err(|_| not_text).and_then(|file| Snapshot::parse(&file));
        Ok(parsed.map_or_else(|error| Side::Unreadable(error.to_string()), Side::of))
    }

    fn new_side(&self, path: &[u8]) -> Side {
        if !self.new.contains(path) {
            return Side::None;
        }
        let place = self.repository.place(path);
        // A stranger's link would put into the pull request whatever it leads to.
        if place.symlink_metadata().is_ok_and(|place| place.is_symlink()) {
            return Side::Unreadable("it is a symbolic link, which is not followed".into());
        }
        match snapshot::read(&place) {
            Ok(Some(snapshot)) => Side::of(snapshot),
            Ok(None) => Side::None,
            Err(snapshot::SnapshotError::Malformed { source, .. }) => Side::Unreadable(source.to_string()),
            Err(error) => Side::Unreadable(error.to_string()),
        }
    }
}

/// A snapshot on one of the sides.
enum Side {
    None,
    Snapshot(Box<Snapshot>),
    /// One of a Rust test, which is no business of ours.
    OfRust,
    /// It is there and is no snapshot, with the reason.
    Unreadable(String),
}

impl Side {
    fn of(snapshot: Snapshot) -> Self {
        let source = snapshot.metadata.source.as_deref().map(Path::new);
        let is_rust = source.and_then(Path::extension).is_some_and(|extension| extension == OsStr::new("rs"));
        if is_rust { Self::OfRust } else { Self::Snapshot(Box::new(snapshot)) }
    }
}

/// Whether a snapshot is this path or below it. Git separates with `/` on every system.
fn is_below(snapshot: &[u8], path: &Path) -> bool {
    let parts: Vec<&[u8]> = path.components().map(|part| part.as_os_str().as_encoded_bytes()).collect();
    let own: Vec<&[u8]> = snapshot.split(|byte| *byte == b'/').collect();
    own.starts_with(&parts)
}
