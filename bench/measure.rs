//! Plays works, by the floor and by chat-eval in turn, and holds that both did all of the work and the same.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use tempfile::TempDir;

use super::child::{Server, Took, run};
use super::server::Seen;
use super::work::{self, Work};

const CHAT_EVAL: &str = env!("CARGO_BIN_EXE_chat-eval");

/// One play of a work.
#[derive(Debug, Clone, Copy)]
pub struct Play {
    /// What the client took.
    pub took: Took,
    /// What the server saw of it.
    pub seen: Seen,
    /// What the server took of the processors.
    pub server_cpu: Duration,
    /// Bytes of the journal; 0 for the floor, which has none.
    pub journal: u64,
}

/// A work, played by the floor and by chat-eval the same number of times.
#[derive(Debug)]
pub struct Pairs {
    /// What was played.
    pub work: Work,
    /// The floor's plays.
    pub floor: Vec<Play>,
    /// chat-eval's.
    pub ours: Vec<Play>,
}

/// The reports of one run, made again and again.
#[derive(Debug)]
pub struct Reports {
    /// What each time took.
    pub took: Vec<Took>,
    /// The files of the run's folder with their bytes, by name.
    pub files: Vec<(String, u64)>,
}

/// Where and how often is measured.
pub struct Bench {
    folder: TempDir,
    pairs: usize,
}

impl Bench {
    /// For so many pairs of plays.
    pub fn new(pairs: usize) -> anyhow::Result<Self> {
        // Below the build folder and not in /tmp, which may be memory: the journal is to reach a disk.
        Ok(Self { folder: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?, pairs })
    }

    /// Plays the work by the floor and by chat-eval in turn.
    pub fn against_floor(&self, work: Work) -> anyhow::Result<Pairs> {
        let mut pairs = Pairs { work, floor: Vec::new(), ours: Vec::new() };
        for _ in 0..self.pairs {
            let (floor, ours) = (self.floor(work)?, self.ours(work)?);
            ensure!(
                floor.seen.body_bytes == ours.seen.body_bytes,
                "the floor sent {} bytes, chat-eval {}: not the same work",
                floor.seen.body_bytes,
                ours.seen.body_bytes
            );
            pairs.floor.push(floor);
            pairs.ours.push(ours);
        }
        Ok(pairs)
    }

    fn floor(&self, work: Work) -> anyhow::Result<Play> {
        let server = Server::start(work.latency)?;
        let mut command = Command::new(std::env::current_exe()?);
        let numbers = [work.conversations, work.turns, work.concurrency].map(|number| number.to_string());
        command.arg("floor").args(numbers).arg(server.base_url());
        let took = run(&mut command, patience(work), &self.said())?;
        played(work, took, server, 0)
    }

    /// Plays the work by chat-eval once.
    pub fn ours(&self, work: Work) -> anyhow::Result<Play> {
        let server = Server::start(work.latency)?;
        let folder = self.fresh("play")?;
        work::write(&work, &folder, &server.base_url())?;
        let mut command = chat_eval(&folder);
        // Snapshots of thousands of conversations are nothing that anyone keeps.
        command.args(["run", "scenarios", "--snapshots", "off", "-j", &work.concurrency.to_string()]);
        let took = run(&mut command, patience(work), &self.said())?;
        let journal = fs::metadata(folder.join("results/latest/journal.jsonl"))?.len();
        played(work, took, server, journal)
    }

    /// Lets chat-eval check so many scenario files.
    pub fn check(&self, files: usize) -> anyhow::Result<Vec<Took>> {
        let folder = self.fresh("files")?;
        work::write_files(files, &folder.join("scenarios"))?;
        let check = |_| run(chat_eval(&folder).args(["check", "scenarios"]), Duration::from_secs(120), &self.said());
        (0..self.pairs).map(check).collect()
    }

    /// Lets chat-eval play the work once, and make the reports of it again.
    pub fn report(&self, work: Work) -> anyhow::Result<Reports> {
        self.ours(work)?;
        let folder = self.folder.path().join("play");
        let report = |_| run(chat_eval(&folder).args(["report", "--svg"]), Duration::from_secs(120), &self.said());
        let took = (0..self.pairs).map(report).collect::<anyhow::Result<_>>()?;
        let size = |entry: std::io::Result<fs::DirEntry>| {
            let entry = entry?;
            Ok((entry.file_name().to_string_lossy().into_owned(), entry.metadata()?.len()))
        };
        let mut files = fs::read_dir(folder.join("results/latest"))?.map(size).collect::<anyhow::Result<Vec<_>>>()?;
        files.sort();
        Ok(Reports { took, files })
    }

    /// Starts chat-eval so many times with these arguments, beside a scenario for the embedded model.
    pub fn start_up(&self, arguments: &[&str], times: usize) -> anyhow::Result<Vec<Took>> {
        let folder = self.fresh("start")?;
        fs::write(folder.join("name.yaml"), work::BUILTIN)?;
        let start = |arguments: &[&str]| run(chat_eval(&folder).args(arguments), Duration::from_secs(60), &self.said());
        // The plain case is that of a scenario whose snapshots are there and match.
        start(&["run", "name.yaml", "--snapshots", "always"])?;
        (0..times).map(|_| start(arguments)).collect()
    }

    /// Where a child's standard error goes.
    fn said(&self) -> PathBuf {
        self.folder.path().join("said")
    }

    /// An empty folder.
    fn fresh(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = self.folder.path().join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir(&folder)?;
        Ok(folder)
    }
}

/// The binary in a folder, whatever the environment says of it.
fn chat_eval(folder: &Path) -> Command {
    let mut command = Command::new(CHAT_EVAL);
    command.current_dir(folder);
    for variable in ["CHAT_EVAL_MODEL", "CHAT_EVAL_CONCURRENCY", "CHAT_EVAL_OUT"] {
        command.env_remove(variable);
    }
    command
}

/// How long a play may take before it is given up.
fn patience(work: Work) -> Duration {
    work.bound() * 10 + Duration::from_secs(120)
}

/// Holds that every turn of every conversation was asked exactly once, and by no more conversations at once than may be.
fn played(work: Work, took: Took, server: Server, journal: u64) -> anyhow::Result<Play> {
    let (seen, server_cpu) = server.end().context("the server broke off")?;
    ensure!(seen.requests == work.requests(), "{} requests arrived, not {}", seen.requests, work.requests());
    ensure!(seen.most_in_flight <= work.concurrency, "{} requests were in flight", seen.most_in_flight);
    Ok(Play { took, seen, server_cpu, journal })
}
