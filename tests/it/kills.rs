//! `kill -9` at any moment costs at most the requests in flight: the run goes on, and comes out as if nothing had been.
//!
//! Moments are chosen by a seed among things that happen (a request arrives, a piece of a reply is sent, the journal has
//! grown so far, reports are being renamed), never by a clock.

#![cfg(unix)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use serde_json::Value;

use crate::support::answer::Answer;
use crate::support::child::Running;
use crate::support::sandbox::Sandbox;
use crate::support::server::{Request, Server};

const IN_FLIGHT: usize = 4;

/// Streamed, with a canned turn, a fact, and a check that fails.
const STREAMED: &str = "\
stream: true
persona: You are brief.
windows: [full, 1]
facts: {name: Priya}
cases: [{id: a}, {id: b}, {id: c}]
turns:
  - {user: 'My name is Priya, says {{ id }}.', expect: [{max_words: 9}]}
  - {user: 'Well, {{ id }}?', reply: Well.}
  - {user: 'Again, {{ id }}.', expect: [{contains: nowhere}]}
  - {user: \"What's my name, {{ id }}?\", expect: [{retains_iff_visible: name}, {sent: {max_tokens: 100}}]}
each_reply: [{max_words: 50}]
";

const WHOLE: &str = "\
cases: [{id: d}, {id: e}]
turns:
  - {user: 'One, {{ id }}.', expect: [{contains: one}]}
  - {user: 'Two, {{ id }}.', expect: [{contains: two}]}
";

/// The process that is to be killed, as soon as there is one.
#[derive(Clone, Default)]
struct Victim(Arc<(Mutex<Option<u32>>, Condvar)>);

impl Victim {
    fn set(&self, id: Option<u32>) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = id;
        self.0.1.notify_all();
    }

    /// The process, as soon as there is one.
    fn id(&self) -> u32 {
        let id = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let id = self.0.1.wait_while(id, |id| id.is_none()).unwrap_or_else(PoisonError::into_inner);
        id.expect("a process")
    }

    /// Kills this process, unless it has ended.
    fn kill(&self, process: u32) {
        let id = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *id == Some(process) {
            let mut kill = std::process::Command::new("kill");
            kill.args(["-9", &process.to_string()]).stderr(std::process::Stdio::null()).status().expect("kill");
        }
    }
}

/// When the process is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// The so-many-th request has arrived.
    Request(usize),
    /// Of the answer to the so-many-th request, so many pieces have been sent.
    Streaming(usize, usize),
    /// The journal has so many bytes.
    Journal(u64),
    /// The run's folder is there, its journal perhaps not yet.
    Folder,
    /// Reports are being written.
    Drafts,
    /// The first report has its name.
    Renaming,
}

impl Moment {
    fn of(random: &mut fastrand::Rng, kind: u64, calls: usize) -> Self {
        match kind % 6 {
            0 => Self::Request(random.usize(1..=calls)),
            1 => Self::Streaming(random.usize(1..=calls), random.usize(1..6)),
            2 | 3 => Self::Journal(random.u64(1..30_000)),
            4 => Self::Drafts,
            _ if random.u8(0..4) == 0 => Self::Folder,
            _ => Self::Renaming,
        }
    }

    /// Whether it has come, as far as the files show.
    fn has_come(self, results: &Path) -> bool {
        let run = std::fs::read_dir(results).ok().and_then(|mut entries| Some(entries.next()?.ok()?.path()));
        let Some(run) = run else { return false };
        let journal = run.join("journal.jsonl");
        match self {
            Self::Request(_) | Self::Streaming(..) => false,
            Self::Folder => true,
            Self::Journal(bytes) => std::fs::metadata(journal).is_ok_and(|meta| meta.len() >= bytes),
            Self::Renaming => run.join("transcripts.csv").is_file(),
            Self::Drafts => journal.is_file() && has_draft(&run),
        }
    }
}

fn has_draft(run: &Path) -> bool {
    let entries = std::fs::read_dir(run).into_iter().flatten().filter_map(Result::ok);
    entries.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with(".draft-"))
}

fn answer(request: &Request) -> Answer {
    let messages = request.messages();
    Answer::reply(request, &format!("Reply to {} after {} messages.", request.last_user(), messages.len()))
}

fn sandbox(server: &Server, trials: usize) -> Sandbox {
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/streamed.yaml", format!("trials: {trials}\n{STREAMED}"));
    sandbox.write("s/whole.yaml", format!("trials: {trials}\n{WHOLE}"));
    sandbox
}

fn arguments() -> [&'static str; 6] {
    ["run", "s", "-j", "4", "--snapshots", "off"]
}

/// How often each request came, by its messages.
fn counted(server: &Server) -> BTreeMap<Vec<(String, String)>, usize> {
    let mut counts = BTreeMap::new();
    for request in server.requests() {
        *counts.entry(request.messages()).or_default() += 1;
    }
    counts
}

/// What a run without any kill gives.
struct Undisturbed {
    trials: usize,
    requests: BTreeMap<Vec<(String, String)>, usize>,
    tables: String,
}

impl Undisturbed {
    fn run(trials: usize) -> Self {
        let server = Server::start(answer);
        let sandbox = sandbox(&server, trials);
        sandbox.run(&arguments()).expect(1);
        Self { trials, requests: counted(&server), tables: sandbox.steady_tables() }
    }

    fn calls(&self) -> usize {
        self.requests.values().sum()
    }

    /// Kills a run at the moments of a seed, lets it go on each time, and compares.
    fn survives(&self, seed: u64) {
        let mut random = fastrand::Rng::with_seed(seed);
        let kills = 1 + usize::from(random.bool());
        let moments: Vec<Moment> = (0..kills as u64).map(|n| Moment::of(&mut random, seed + n, self.calls())).collect();
        let told = std::panic::catch_unwind(|| self.survives_at(&moments));
        assert!(told.is_ok(), "seed {seed}: {moments:?}");
    }

    fn survives_at(&self, moments: &[Moment]) {
        let victim = Victim::default();
        let (of_server, ahead) = (victim.clone(), Arc::new(Mutex::new(moments.to_vec())));
        let at_server = Arc::clone(&ahead);
        let server = Server::start(move |request| {
            let mut ahead = at_server.lock().unwrap_or_else(PoisonError::into_inner);
            match ahead.first().copied() {
                Some(Moment::Request(number)) if number <= request.number => {
                    ahead.remove(0);
                    of_server.kill(of_server.id());
                    answer(request)
                }
                Some(Moment::Streaming(number, piece)) if number <= request.number && request.wants_stream() => {
                    ahead.remove(0);
                    let (victim, process) = (of_server.clone(), of_server.id());
                    answer(request).strike(piece, move || victim.kill(process))
                }
                _ => answer(request),
            }
        });
        let sandbox = sandbox(&server, self.trials);
        let results = sandbox.path().join("results");
        let mut killed = 0;
        loop {
            // A kill before the journal has its first line leaves nothing to go on with, and nothing was sent.
            let has_run = journal(&results).is_some();
            assert!(has_run || server.requests().is_empty());
            let arguments = if has_run { vec!["run", "--resume"] } else { arguments().to_vec() };
            let mut running = sandbox.start(&arguments);
            victim.set(Some(running.id()));
            watch(&mut running, &ahead, &results);
            let ran = running.finish();
            victim.set(None);
            if ran.code.is_some() {
                ran.expect(1);
                break;
            }
            killed += 1;
        }
        self.compare(&sandbox, &server, killed);
    }

    fn compare(&self, sandbox: &Sandbox, server: &Server, killed: usize) {
        assert_eq!(sandbox.steady_tables(), self.tables);
        let requests = counted(server);
        assert!(requests.keys().eq(self.requests.keys()), "a request came with a history that no run has");
        let twice = requests.values().sum::<usize>() - self.calls();
        assert!(twice <= killed * IN_FLIGHT, "{twice} requests came twice after {killed} kills");
        let run = sandbox.run_folder();
        assert!(!has_draft(&run), "nothing is left of what was not whole");
        let text = std::fs::read_to_string(run.join("journal.jsonl")).unwrap();
        let mut known = std::collections::BTreeSet::new();
        for line in text.lines() {
            let event: Value = serde_json::from_str(line).expect("whole lines");
            if event["event"] == "turn" {
                assert!(known.insert(format!("{} {}", event["plan"], event["turn"])), "a turn is there twice: {line}");
            }
            assert!(event["event"] != "check" || known.insert(line.to_owned()), "a check is there twice: {line}");
        }
    }
}

fn journal(results: &Path) -> Option<PathBuf> {
    let runs = std::fs::read_dir(results).ok()?.filter_map(Result::ok).map(|entry| entry.path());
    runs.filter(|run| !run.is_symlink()).map(|run| run.join("journal.jsonl")).find(|journal| journal.is_file())
}

/// Kills the process when the moment comes that its files show; the server knows of the others.
fn watch(running: &mut Running, ahead: &Mutex<Vec<Moment>>, results: &Path) {
    while !running.has_ended() {
        let mut ahead = ahead.lock().unwrap_or_else(PoisonError::into_inner);
        match ahead.first() {
            None => return,
            Some(moment) if moment.has_come(results) => {
                ahead.remove(0);
                running.kill();
                return;
            }
            Some(_) => {}
        }
        drop(ahead);
        std::thread::yield_now();
    }
}

fn at_moments(seeds: impl IntoIterator<Item = u64>) {
    let undisturbed = Undisturbed::run(1);
    for seed in seeds {
        undisturbed.survives(seed);
    }
}

#[test]
fn killed_at_ten_moments_a_run_comes_out_as_if_nothing_had_been() {
    at_moments(1..=10);
}

#[test]
fn killed_at_ten_more_moments_a_run_comes_out_as_if_nothing_had_been() {
    at_moments(11..=20);
}

#[test]
fn killed_at_a_large_number_of_moments_a_run_comes_out_as_if_nothing_had_been() {
    if std::env::var_os("CHAT_EVAL_LARGE").is_none() {
        return;
    }
    let undisturbed = Undisturbed::run(20);
    for seed in 1_000..1_300 {
        undisturbed.survives(seed);
    }
}
