//! Programs that judge what was said: started without a shell and without the keys of this process, and ended with all that
//! they started themselves.
//!
//! A program is the leader of a process group of its own. The group is ended when its leader ends, when it takes too long, when
//! nobody waits for it any more, and by [`end_programs`] where this process is about to end at once.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::future::join3;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;

use crate::event::ProgramDone;
use crate::model::ProgramCheck;

/// How much of what a program writes is kept, of each of its two outputs.
const KEPT: usize = 64 * 1024;

/// How long is waited for the rest of what a program wrote once it has ended: somebody else may hold its outputs open.
const REST: Duration = Duration::from_millis(500);

/// The variables of the environment that a program gets: where programs and files are, and how people write. Keys are in others.
const VARIABLES: [&str; 17] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LANGUAGE",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TMPDIR",
    "TEMP",
    "TMP",
    "SystemRoot",
    "SystemDrive",
    "USERPROFILE",
    "PATHEXT",
    "COMSPEC",
];

/// Starts programs, a bounded number at once.
#[derive(Debug)]
pub struct Programs(Semaphore);

impl Default for Programs {
    /// As many at once as the machine can do at once.
    fn default() -> Self {
        Self(Semaphore::new(std::thread::available_parallelism().map_or(1, Into::into)))
    }
}

impl Programs {
    /// Starts a program in a folder, gives it its input, and waits for its end.
    pub(super) async fn start(&self, check: &ProgramCheck, folder: &Path, input: &[u8]) -> ProgramDone {
        let done = ProgramDone { program: check.program.clone(), ..ProgramDone::default() };
        // It is never closed.
        let Ok(_slot) = self.0.acquire().await else { return done };
        let mut child = match command(&check.program, folder).spawn() {
            Ok(child) => child,
            Err(error) => {
                let program = check.program.first().map_or("", String::as_str);
                let error = format!("the program `{program}` cannot be started: {error}");
                return ProgramDone { error: Some(error), ..done };
            }
        };
        let group = Group::of(&child);
        let started = Instant::now();
        let (said, told) = (Mutex::new(Kept::default()), Mutex::new(Kept::default()));
        let feed = feed(child.stdin.take(), input);
        let mut pipes = Box::pin(join3(feed, keep(child.stdout.take(), &said), keep(child.stderr.take(), &told)));
        let mut are_done = false;
        let ended = tokio::time::timeout(Duration::from_secs(check.timeout_s.into()), async {
            loop {
                tokio::select! {
                    ended = child.wait() => return ended,
                    _ = &mut pipes, if !are_done => are_done = true,
                }
            }
        });
        let ended = ended.await;
        let took_ms = u64::try_from(started.elapsed().as_millis()).ok();
        drop(group);
        if ended.is_err() {
            // It is dead by now, and only to be taken off the system's list.
            let _ = tokio::time::timeout(REST, child.wait()).await;
        }
        if !are_done {
            let _ = tokio::time::timeout(REST, &mut pipes).await;
        }
        drop(pipes);
        let (code, error) = match ended {
            Ok(Ok(status)) => match status.code() {
                Some(code) => (Some(code), None),
                None => (None, Some(by_signal(status))),
            },
            Ok(Err(error)) => (None, Some(format!("nobody knows how the program ended: {error}"))),
            Err(_) => (None, Some(format!("the program took longer than {} s and was ended", check.timeout_s))),
        };
        let ((stdout, is_cut), (stderr, is_also_cut)) = (text(said), text(told));
        ProgramDone { code, error, stdout, stderr, is_cut: is_cut || is_also_cut, took_ms, ..done }
    }
}

/// Ends every program that is running. For the last moment of this process, in which nobody waits for them any more.
pub fn end_programs() {
    #[cfg(unix)]
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(|group| end(*group));
}

fn command(program: &[String], folder: &Path) -> Command {
    // A path that is relative is so to the folder, on every system; a bare name is looked for in `PATH`.
    let name = program.first().map_or("", String::as_str);
    let is_path = name.contains(std::path::is_separator);
    let path = if is_path { folder.join(name) } else { PathBuf::from(name) };
    let mut command = Command::new(path);
    command.args(program.iter().skip(1)).current_dir(folder).env_clear();
    command.envs(VARIABLES.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    #[cfg(unix)]
    command.process_group(0);
    command
}

/// Gives a program its input. One that ends without reading all of it need not.
async fn feed(pipe: Option<impl AsyncWriteExt + Unpin>, input: &[u8]) {
    if let Some(mut pipe) = pipe {
        let _ = pipe.write_all(input).await;
        let _ = pipe.shutdown().await;
    }
}

#[derive(Default)]
struct Kept {
    bytes: Vec<u8>,
    is_cut: bool,
}

/// Reads a pipe to its end, and keeps the beginning. What a program writes beyond that must not hold it up.
async fn keep(pipe: Option<impl AsyncRead + Unpin>, kept: &Mutex<Kept>) {
    let Some(mut pipe) = pipe else { return };
    let mut piece = vec![0; 8 * 1024];
    while let Ok(read @ 1..) = pipe.read(&mut piece).await {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        let room = read.min(KEPT - kept.bytes.len());
        kept.bytes.extend_from_slice(&piece[..room]);
        kept.is_cut |= room < read;
    }
}

fn text(kept: Mutex<Kept>) -> (String, bool) {
    let Kept { bytes, is_cut } = kept.into_inner().unwrap_or_else(PoisonError::into_inner);
    (String::from_utf8_lossy(&bytes).into_owned(), is_cut)
}

#[cfg(unix)]
fn by_signal(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    status.signal().map_or_else(
        || "nobody knows how the program ended".to_owned(),
        |signal| format!("the program was ended by signal {signal}"),
    )
}

#[cfg(not(unix))]
fn by_signal(_: ExitStatus) -> String {
    "nobody knows how the program ended".to_owned()
}

/// The groups of the programs that are running.
#[cfg(unix)]
static RUNNING: Mutex<std::collections::BTreeSet<i32>> = Mutex::new(std::collections::BTreeSet::new());

/// The process group of a program, which ends with this.
struct Group {
    #[cfg(unix)]
    leader: Option<i32>,
}

impl Group {
    #[cfg(unix)]
    fn of(child: &Child) -> Self {
        let leader = child.id().and_then(|id| i32::try_from(id).ok());
        RUNNING.lock().unwrap_or_else(PoisonError::into_inner).extend(leader);
        Self { leader }
    }

    #[cfg(not(unix))]
    fn of(_: &Child) -> Self {
        Self {}
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Some(leader) = self.leader {
            // What the program left behind must not outlive it. Numbers of processes are not given again so soon.
            end(leader);
            RUNNING.lock().unwrap_or_else(PoisonError::into_inner).remove(&leader);
        }
    }
}

/// A group that is gone needs no end.
#[cfg(unix)]
fn end(leader: i32) {
    if let Some(leader) = rustix::process::Pid::from_raw(leader) {
        let _ = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL);
    }
}
