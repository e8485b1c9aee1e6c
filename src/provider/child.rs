//! Programs that are started: without a shell and without the keys of this process, and ended with all that they started
//! themselves.
//!
//! A program is the leader of a process group of its own. The group is ended when its [`Group`] is dropped, and by
//! [`end_programs`] where this process is about to end at once.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

/// How much of what a program writes is kept, of each of its outputs.
const KEPT: usize = 64 * 1024;

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

/// Ends every program that is running. For the last moment of this process, in which nobody waits for them any more.
pub fn end_programs() {
    #[cfg(unix)]
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(|group| end(*group));
}

/// A program with its arguments, to be started in a folder with its inputs and outputs as pipes.
#[must_use]
pub fn command(program: &[String], folder: &Path) -> Command {
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

/// The beginning of what a program wrote.
#[derive(Debug, Default)]
pub struct Kept {
    bytes: Vec<u8>,
    is_cut: bool,
}

impl Kept {
    /// The text, and whether it is cut.
    #[must_use]
    pub fn text(&self) -> (String, bool) {
        (String::from_utf8_lossy(&self.bytes).into_owned(), self.is_cut)
    }
}

/// Reads a pipe to its end, and keeps the beginning. What a program writes beyond that must not hold it up.
pub async fn keep(pipe: Option<impl AsyncRead + Unpin>, kept: &Mutex<Kept>) {
    let Some(mut pipe) = pipe else { return };
    let mut piece = vec![0; 8 * 1024];
    while let Ok(read @ 1..) = pipe.read(&mut piece).await {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        let room = read.min(KEPT - kept.bytes.len());
        kept.bytes.extend_from_slice(&piece[..room]);
        kept.is_cut |= room < read;
    }
}

/// Why a program ended that gave no exit code, in words.
#[cfg(unix)]
#[must_use]
pub fn by_signal(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    status.signal().map_or_else(
        || "nobody knows how the program ended".to_owned(),
        |signal| format!("the program was ended by signal {signal}"),
    )
}

/// Why a program ended that gave no exit code, in words.
#[cfg(not(unix))]
#[must_use]
pub fn by_signal(_: ExitStatus) -> String {
    "nobody knows how the program ended".to_owned()
}

/// The groups of the programs that are running.
#[cfg(unix)]
static RUNNING: Mutex<std::collections::BTreeSet<i32>> = Mutex::new(std::collections::BTreeSet::new());

/// The process group of a program, which ends with this.
#[derive(Debug)]
pub struct Group {
    #[cfg(unix)]
    leader: Option<i32>,
}

impl Group {
    /// Of a program that was just started.
    #[cfg(unix)]
    #[must_use]
    pub fn of(child: &Child) -> Self {
        let leader = child.id().and_then(|id| i32::try_from(id).ok());
        RUNNING.lock().unwrap_or_else(PoisonError::into_inner).extend(leader);
        Self { leader }
    }

    /// Of a program that was just started.
    #[cfg(not(unix))]
    #[must_use]
    pub fn of(_: &Child) -> Self {
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
