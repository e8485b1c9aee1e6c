//! The process behind one talk: what it writes is read line by line and bounded, what it says on standard error is kept for the
//! message of a failure, and it is ended with all that it started.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::task::JoinHandle;

use crate::provider::child::{Group, Kept, by_signal, command, keep};
use crate::provider::secrets::Secrets;
use crate::text::escape;

/// The most that a program may write in one turn, in bytes.
const LONGEST_TURN: u64 = 8 << 20;
/// How long is waited for the end of a program that has closed its output, and for the rest of its standard error.
const REST: Duration = Duration::from_millis(500);
/// How much of its standard error is quoted, in characters.
const QUOTED: usize = 200;

/// A program that is talked with.
#[derive(Debug)]
pub(super) struct Process {
    /// Before the child, so that the group is ended while its number is still the child's.
    group: Option<Group>,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    told: Arc<Mutex<Kept>>,
    telling: JoinHandle<()>,
    /// Bytes that it may still write in this turn.
    left: u64,
}

impl Process {
    /// Starts a program with these variables beside the few that every program gets.
    ///
    /// # Errors
    /// Why it cannot be started, in words.
    pub(super) fn start(
        program: &[String],
        folder: &Path,
        variables: &[(String, SecretString)],
    ) -> Result<Self, String> {
        let name = program.first().map_or("", String::as_str);
        let mut command = command(program, folder);
        command.envs(variables.iter().map(|(name, value)| (name, value.expose_secret())));
        let mut child = command.spawn().map_err(|error| format!("the program `{name}` cannot be started: {error}"))?;
        let group = Some(Group::of(&child));
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(format!("the program `{name}` has no input or no output"));
        };
        let told = Arc::new(Mutex::new(Kept::default()));
        let (kept, stderr) = (Arc::clone(&told), child.stderr.take());
        let telling = tokio::spawn(async move { keep(stderr, &kept).await });
        Ok(Self { group, child, input, output: BufReader::new(output), told, telling, left: LONGEST_TURN })
    }

    /// Writes a message. Nothing may have been written by the program since its last answer.
    ///
    /// # Errors
    /// What happened, in words.
    pub(super) async fn tell(&mut self, line: &str, secrets: &Secrets) -> Result<(), String> {
        let is_early = match self.output.fill_buf().now_or_never() {
            Some(Ok(bytes)) => !bytes.is_empty(),
            Some(Err(_)) | None => false,
        };
        if is_early {
            let line = self.line().await.unwrap_or_default().unwrap_or_default();
            // Masked before it is cut: a part of a secret is none that could be found.
            let line = secrets.mask(String::from_utf8_lossy(&line).into_owned());
            let line = escape::quote(line.trim(), QUOTED);
            return Err(format!("the program wrote before it was asked: {line}"));
        }
        self.left = LONGEST_TURN;
        let written = async {
            self.input.write_all(line.as_bytes()).await?;
            self.input.flush().await
        };
        match written.await {
            Ok(()) => Ok(()),
            // It may have ended.
            Err(_) => Err(self.ended().await),
        }
    }

    /// The next line that the program writes.
    ///
    /// # Errors
    /// What happened, in words.
    pub(super) async fn answer(&mut self) -> Result<Vec<u8>, String> {
        match self.line().await? {
            Some(line) => Ok(line),
            None => Err(self.ended().await),
        }
    }

    /// A line; `None` where the output ends before one does.
    async fn line(&mut self) -> Result<Option<Vec<u8>>, String> {
        let mut line = Vec::new();
        let read = (&mut self.output).take(self.left).read_until(b'\n', &mut line).await;
        let read = read.map_err(|error| format!("nothing can be read of the program: {error}"))?;
        self.left -= read as u64;
        if line.ends_with(b"\n") {
            return Ok(Some(line));
        }
        if self.left == 0 {
            return Err(format!("the program wrote more than {} MiB in one turn", LONGEST_TURN >> 20));
        }
        // A last line without its end is one: its writer has ended.
        Ok(Some(line).filter(|line| !line.trim_ascii().is_empty()))
    }

    /// How the program ended whose output did.
    async fn ended(&mut self) -> String {
        let ended = tokio::time::timeout(REST, self.child.wait()).await;
        // What it started may hold its outputs open; nobody waits for that.
        self.group = None;
        match ended {
            Ok(Ok(status)) => match status.code() {
                Some(code) => format!("the program ended with exit code {code} before it answered"),
                None => format!("{} before it answered", by_signal(status)),
            },
            Ok(Err(error)) => format!("nobody knows how the program ended: {error}"),
            Err(_) => "the program closed its output before it answered".to_owned(),
        }
    }

    /// Ends the program, and gives the end of what it said on standard error.
    pub(super) async fn last_words(mut self, secrets: &Secrets) -> String {
        self.group = None;
        let _ = tokio::time::timeout(REST, &mut self.telling).await;
        let (text, is_cut) = self.told.lock().unwrap_or_else(PoisonError::into_inner).text();
        // Only its beginning is kept: where that ends within a line it may end within a secret.
        let whole =
            if is_cut { text.rsplit_once('\n').map_or(text.as_str(), |(whole, _)| whole) } else { text.as_str() };
        let text = secrets.mask(whole.to_owned());
        let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        escape::quote(last.trim(), QUOTED)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.telling.abort();
    }
}
