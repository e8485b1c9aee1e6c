//! What git knows of this repository: revisions, the snapshots in one of them, those of the working tree.
//!
//! Git is a program that is called, without a shell. It changes nothing: no index is refreshed, nothing is fetched.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The branches that a pull request may be for: the first that is there.
const MAIN: [(&str, &str); 5] = [
    ("origin/HEAD", "refs/remotes/origin/HEAD"),
    ("origin/main", "refs/remotes/origin/main"),
    ("main", "refs/heads/main"),
    ("origin/master", "refs/remotes/origin/master"),
    ("master", "refs/heads/master"),
];

/// A larger file is no snapshot of ours.
const LARGEST: u64 = 10 * 1024 * 1024;

/// Why git could not tell.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The program could not be started.
    #[error("cannot start `git`: {0}")]
    NotStarted(io::Error),
    /// There is no repository with a working tree here.
    #[error("there is no git repository here: {said}")]
    NoRepository {
        /// What git said.
        said: String,
    },
    /// Nothing is called so.
    #[error("`{revision}` is no revision of this repository")]
    UnknownRevision {
        /// What was asked for.
        revision: String,
        /// Whether only a part of the history is here.
        is_shallow: bool,
    },
    /// Several commits, where one is wanted.
    #[error("`{revision}` is a range of commits, and one commit is wanted")]
    Range {
        /// What was asked for.
        revision: String,
    },
    /// No branch that a pull request could be for.
    #[error("there is no main branch to compare with: none of {} is here", MAIN.map(|(name, _)| format!("`{name}`")).join(", "))]
    NoMainBranch {
        /// Whether only a part of the history is here.
        is_shallow: bool,
    },
    /// Two histories that do not meet.
    #[error("`HEAD` and `{branch}` have no commit in common")]
    NoMergeBase {
        /// The main branch.
        branch: &'static str,
        /// Whether only a part of the history is here.
        is_shallow: bool,
    },
    /// A path that is not in the repository.
    #[error("`{}` is outside of the repository", path.display())]
    Outside {
        /// As it was given.
        path: PathBuf,
    },
    /// Git gave up, or answered what nobody understands.
    #[error("`git {command}` failed: {said}")]
    Failed {
        /// What was asked.
        command: String,
        /// What it said.
        said: String,
    },
}

impl GitError {
    /// What helps.
    pub const fn help(&self) -> &'static str {
        match self {
            Self::UnknownRevision { is_shallow: true, .. }
            | Self::NoMainBranch { is_shallow: true }
            | Self::NoMergeBase { is_shallow: true, .. } => {
                "this is a shallow clone, which has a part of the history only: `fetch-depth: 0` with actions/checkout, or \
                 `git fetch --unshallow`, brings all of it"
            }
            Self::NotStarted(_) => "it must be installed, and its folder in `PATH`",
            Self::NoRepository { .. } => {
                "snapshots are compared with those that git keeps: go to a folder of the repository"
            }
            Self::UnknownRevision { .. } => {
                "a branch, a tag or a commit: `chat-eval diff main`; paths stand behind `--`: `chat-eval diff -- scenarios`"
            }
            Self::Range { .. } => {
                "the working tree is compared with one revision: check out the newer one, and name the older, as in \
                 `chat-eval diff main`"
            }
            Self::NoMainBranch { .. } | Self::NoMergeBase { .. } => "name what to compare with: `chat-eval diff REV`",
            Self::Outside { .. } => "paths are those of snapshots, or of folders above them",
            Self::Failed { .. } => "git says why",
        }
    }
}

/// A repository with its working tree.
#[derive(Debug)]
pub struct Repository {
    top: PathBuf,
    /// The working directory, seen from the top.
    prefix: PathBuf,
    is_shallow: bool,
}

/// The snapshots of the working tree.
#[derive(Debug, Default)]
pub struct Tree {
    /// Their paths from the top; one whose file was removed may be among them.
    pub snapshots: BTreeSet<Vec<u8>>,
    /// Those that are in the repository and were not checked out: a sparse checkout.
    pub absent: BTreeSet<Vec<u8>>,
}

impl Repository {
    /// The repository of the working directory.
    ///
    /// # Errors
    /// When there is none, or no git.
    pub fn open() -> Result<Self, GitError> {
        let here = Path::new(".");
        let no_repository = |error| match error {
            GitError::Failed { said, .. } => GitError::NoRepository { said },
            other => other,
        };
        let asked = |what: &str| ask(here, &["rev-parse", what]).map_err(no_repository);
        let top = path_of(without_line_end(&asked("--show-toplevel")?));
        let prefix = path_of(without_line_end(&asked("--show-prefix")?));
        let is_shallow = asked("--is-shallow-repository")?.starts_with(b"true");
        Ok(Self { top, prefix, is_shallow })
    }

    /// The commit that a revision stands for.
    ///
    /// # Errors
    /// When it stands for none, or for several, or could be an option of git's.
    pub fn commit(&self, revision: &str) -> Result<String, GitError> {
        let unknown = || {
            let revision = revision.to_owned();
            if revision.starts_with('^') || revision.contains("..") {
                GitError::Range { revision }
            } else {
                GitError::UnknownRevision { revision, is_shallow: self.is_shallow }
            }
        };
        if revision.is_empty() || revision.starts_with('-') {
            return Err(GitError::UnknownRevision { revision: revision.to_owned(), is_shallow: false });
        }
        self.resolve(revision)?.ok_or_else(unknown)
    }

    fn resolve(&self, revision: &str) -> Result<Option<String>, GitError> {
        match ask(&self.top, &["rev-parse", "--verify", "--quiet", &format!("{revision}^{{commit}}")]) {
            Ok(commit) => {
                let commit = String::from_utf8_lossy(&commit).trim().to_owned();
                // `^HEAD`, all that is not in it, is passed on with its sign.
                Ok(commit.bytes().all(|digit| digit.is_ascii_hexdigit()).then_some(commit))
            }
            Err(GitError::Failed { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The commit at which `HEAD` left the main branch, and what that is called here.
    ///
    /// # Errors
    /// When there is no such branch, or no such commit.
    pub fn merge_base(&self) -> Result<(String, &'static str), GitError> {
        self.commit("HEAD")?;
        for (branch, reference) in MAIN {
            let Some(commit) = self.resolve(reference)? else { continue };
            return match ask(&self.top, &["merge-base", "HEAD", &commit]) {
                Ok(base) => Ok((String::from_utf8_lossy(&base).trim().to_owned(), branch)),
                Err(GitError::Failed { .. }) => Err(GitError::NoMergeBase { branch, is_shallow: self.is_shallow }),
                Err(error) => Err(error),
            };
        }
        Err(GitError::NoMainBranch { is_shallow: self.is_shallow })
    }

    /// The snapshots of a commit: their paths from the top, with the ids of their contents.
    ///
    /// # Errors
    /// When git cannot list them.
    pub fn snapshots_of(&self, commit: &str) -> Result<BTreeMap<Vec<u8>, String>, GitError> {
        let listed = ask(&self.top, &["ls-tree", "-r", "-z", "--full-tree", commit])?;
        // `100644 blob <id>\t<path>`
        let entry = |line: &[u8]| {
            let (head, path) = line.split_at_checked(line.iter().position(|byte| *byte == b'\t')?)?;
            let head = String::from_utf8_lossy(head);
            let (mode, id) = head.split_once(" blob ")?;
            // A link is no file of ours.
            (mode.starts_with("100") && is_snapshot(&path[1..])).then(|| (path[1..].to_vec(), id.to_owned()))
        };
        Ok(listed.split(|byte| *byte == 0).filter_map(entry).collect())
    }

    /// The snapshots of the working tree that git knows or does not ignore.
    ///
    /// # Errors
    /// When git cannot list them.
    pub fn snapshots_here(&self) -> Result<Tree, GitError> {
        let arguments = ["ls-files", "-z", "-t", "--cached", "--others", "--exclude-standard", "--full-name"];
        let listed = ask(&self.top, &arguments)?;
        let mut tree = Tree::default();
        // `H <path>`; S is what was not checked out.
        for line in listed.split(|byte| *byte == 0) {
            let Some((tag, path)) = line.split_at_checked(2).filter(|(_, path)| is_snapshot(path)) else { continue };
            let into = if tag == b"S " { &mut tree.absent } else { &mut tree.snapshots };
            into.insert(path.to_vec());
        }
        Ok(tree)
    }

    /// Its top folder.
    pub fn top(&self) -> &Path {
        &self.top
    }

    /// Where a path from the top is.
    pub fn place(&self, path: &[u8]) -> PathBuf {
        self.top.join(path_of(path))
    }

    /// A path that the user gave, from the top; empty for the top itself.
    ///
    /// # Errors
    /// When it leads out of the repository.
    pub fn seen_from_top(&self, path: &Path) -> Result<PathBuf, GitError> {
        let outside = || GitError::Outside { path: path.to_owned() };
        let given = if path.is_absolute() {
            let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
            path.strip_prefix(&self.top)
                .map(Path::to_owned)
                .or_else(|_| real(path).strip_prefix(real(&self.top)).map(Path::to_owned).map_err(|_| outside()))?
        } else {
            self.prefix.join(path)
        };
        let mut from_top = PathBuf::new();
        for part in given.components() {
            match part {
                Component::Normal(name) => from_top.push(name),
                Component::CurDir => {}
                Component::ParentDir if from_top.pop() => {}
                Component::ParentDir | Component::RootDir | Component::Prefix(_) => return Err(outside()),
            }
        }
        Ok(from_top)
    }

    /// Reads contents by their ids.
    ///
    /// # Errors
    /// When git cannot be started.
    pub fn contents(&self) -> Result<Contents, GitError> {
        let mut git = git(&self.top, &["cat-file", "--batch"]);
        git.stdin(Stdio::piped()).stderr(Stdio::null());
        let mut child = git.stdout(Stdio::piped()).spawn().map_err(GitError::NotStarted)?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(ids), Some(answers)) => Ok(Contents { child, ids, answers: BufReader::new(answers) }),
            _ => Err(failed(&["cat-file"], "it has no standard input or output")),
        }
    }
}

/// A git that gives contents by their ids, one at a time.
#[derive(Debug)]
pub struct Contents {
    child: Child,
    ids: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Contents {
    /// The content with this id; `None` for one too large to be a snapshot.
    ///
    /// # Errors
    /// When git does not have it.
    pub fn read(&mut self, id: &str) -> Result<Option<Vec<u8>>, GitError> {
        let broken = |error: io::Error| failed(&["cat-file", "--batch"], &error.to_string());
        writeln!(self.ids, "{id}").and_then(|()| self.ids.flush()).map_err(broken)?;
        let mut head = String::new();
        self.answers.read_line(&mut head).map_err(broken)?;
        // `<id> blob <size>`
        let size = head.trim_end().rsplit_once(' ').and_then(|(_, size)| size.parse::<u64>().ok());
        let size =
            size.ok_or_else(|| failed(&["cat-file", "--batch"], &format!("it has no `{id}`: {}", head.trim())))?;
        let mut answer = Read::by_ref(&mut self.answers).take(size + 1);
        if size > LARGEST {
            io::copy(&mut answer, &mut io::sink()).map_err(broken)?;
            return Ok(None);
        }
        let mut content = Vec::new();
        answer.read_to_end(&mut content).map_err(broken)?;
        // A line feed stands behind it.
        content.pop();
        Ok(Some(content))
    }
}

impl Drop for Contents {
    fn drop(&mut self) {
        // It waits for more ids, and has nothing to lose.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a path, seen from the top, is one that snapshots of ours have: `snapshots/<scenario>@….snap`.
fn is_snapshot(path: &[u8]) -> bool {
    let mut parts = path.rsplit(|byte| *byte == b'/');
    let name = parts.next().unwrap_or_default();
    parts.next() == Some(b"snapshots") && name.contains(&b'@') && name.ends_with(b".snap")
}

fn git(folder: &Path, arguments: &[&str]) -> Command {
    let mut git = Command::new("git");
    git.args(arguments).current_dir(folder).stdin(Stdio::null());
    // What it says is looked at, and nothing is to be written on the way.
    git.env("LC_ALL", "C").env("GIT_OPTIONAL_LOCKS", "0");
    git
}

/// What git answers.
fn ask(folder: &Path, arguments: &[&str]) -> Result<Vec<u8>, GitError> {
    let output = git(folder, arguments).output().map_err(GitError::NotStarted)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let first = said.lines().next().unwrap_or_default();
    Err(failed(arguments, first.strip_prefix("fatal: ").unwrap_or(first)))
}

fn failed(arguments: &[&str], said: &str) -> GitError {
    GitError::Failed { command: arguments.join(" "), said: said.to_owned() }
}

fn without_line_end(answer: &[u8]) -> Vec<u8> {
    answer.strip_suffix(b"\n").unwrap_or(answer).to_vec()
}

#[cfg(unix)]
fn path_of(bytes: impl AsRef<[u8]>) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    std::ffi::OsStr::from_bytes(bytes.as_ref()).into()
}

#[cfg(not(unix))]
fn path_of(bytes: impl AsRef<[u8]>) -> PathBuf {
    String::from_utf8_lossy(bytes.as_ref()).into_owned().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_are_told_by_where_they_lie_and_what_they_are_called() {
        for (path, is_ours) in [
            ("snapshots/a@b.c.full.snap", true),
            ("deep/er/snapshots/a@b.snap", true),
            ("snapshots/a.snap", false),
            ("snapshots/a@b.snap.new", false),
            ("snapshots/deep/a@b.snap", false),
            ("a@b.snap", false),
            ("notsnapshots/a@b.snap", false),
            ("", false),
        ] {
            assert_eq!(is_snapshot(path.as_bytes()), is_ours, "{path}");
        }
    }

    #[test]
    fn a_path_is_seen_from_the_top_of_the_repository() {
        let repository = Repository { top: "/repo".into(), prefix: "bots/one".into(), is_shallow: false };
        for (path, from_top) in [
            ("scenarios", Some("bots/one/scenarios")),
            ("./a/../b", Some("bots/one/b")),
            ("../../", Some("")),
            (".", Some("bots/one")),
            ("/repo/x", Some("x")),
            ("../../..", None),
            ("/elsewhere", None),
        ] {
            assert_eq!(repository.seen_from_top(Path::new(path)).ok(), from_top.map(PathBuf::from), "{path}");
        }
    }

    #[test]
    fn what_could_be_an_option_is_no_revision() {
        let repository = Repository { top: ".".into(), prefix: PathBuf::new(), is_shallow: true };
        for revision in ["--output=x", "-n", ""] {
            let error = repository.commit(revision).unwrap_err();
            assert!(matches!(error, GitError::UnknownRevision { is_shallow: false, .. }), "{error}");
        }
    }
}
