//! The process behind one talk: what it writes is read line by line and bounded, what it says on standard error is kept for the
//! message of a failure, and it is ended with all that it started.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::task::JoinHandle;

use crate::provider::child::{Group, Kept, by_signal, command, keep};
use crate::provider::secrets::Secrets;
use crate::text::escape;

/// The most that a program may write in one turn, in bytes.
const LONGEST_TURN: u64 = 8 << 20;
/// How long is waited for the end of a program that has closed its output, or whose input was closed, and for the rest of its
/// standard error.
const REST: Duration = Duration::from_millis(500);
/// How long is read what a program left behind that has ended: it is in the pipe already, which something that it started may
/// hold open.
const LEFT_BEHIND: Duration = Duration::from_millis(100);
/// How long is looked before each message for what was written unasked. What comes later is one line too many at the end.
const LOOK: Duration = Duration::from_millis(5);
/// How much of its standard error is quoted, in characters.
const QUOTED: usize = 200;

/// A program that is talked with.
#[derive(Debug)]
pub(super) struct Process {
    /// Before the child, so that the group is ended while its number is still the child's.
    group: Option<Group>,
    child: Child,
    /// `None` once it is closed.
    input: Option<ChildStdin>,
    output: Output,
    told: Arc<Mutex<Kept>>,
    telling: JoinHandle<()>,
}

/// What a program writes, line by line.
#[derive(Debug)]
struct Output {
    pipe: BufReader<ChildStdout>,
    /// The beginning of a line, kept where nobody waited for its end.
    begun: Vec<u8>,
    /// Bytes that it may still write in this turn, with those of the line that is begun.
    left: u64,
}

impl Output {
    /// A line; `None` where the output ends before one does. Nothing is lost where this is given up half-way.
    async fn line(&mut self) -> Result<Option<Vec<u8>>, String> {
        let room = self.left.saturating_sub(self.begun.len() as u64);
        let read = (&mut self.pipe).take(room).read_until(b'\n', &mut self.begun).await;
        read.map_err(|error| format!("nothing can be read of the program: {error}"))?;
        if !self.begun.ends_with(b"\n") && self.begun.len() as u64 >= self.left {
            return Err(format!("the program wrote more than {} MiB in one turn", LONGEST_TURN >> 20));
        }
        Ok(self.take())
    }

    /// What there is of a line. A last one without its end is one: its writer has ended.
    fn take(&mut self) -> Option<Vec<u8>> {
        let line = std::mem::take(&mut self.begun);
        self.left -= line.len() as u64;
        Some(line).filter(|line| line.ends_with(b"\n") || !line.trim_ascii().is_empty())
    }
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
        let output = Output { pipe: BufReader::new(output), begun: Vec::new(), left: LONGEST_TURN };
        Ok(Self { group, child, input: Some(input), output, told, telling })
    }

    /// Looks whether the program has written since its last answer, or its start.
    ///
    /// # Errors
    /// What it wrote, in words.
    pub(super) async fn is_quiet(&mut self, secrets: &Secrets) -> Result<(), String> {
        self.output.left = LONGEST_TURN + self.output.begun.len() as u64;
        let is_early = match tokio::time::timeout(LOOK, self.output.pipe.fill_buf()).await {
            Ok(Ok(bytes)) => !bytes.is_empty(),
            Ok(Err(_)) | Err(_) => false,
        };
        if !is_early {
            return Ok(());
        }
        let line = self.line_within(REST).await?.unwrap_or_default();
        Err(format!("the program wrote before it was asked: {}", quoted(&line, secrets)))
    }

    /// Writes a message.
    ///
    /// # Errors
    /// What happened, in words.
    pub(super) async fn tell(&mut self, line: &str) -> Result<(), String> {
        let Some(input) = &mut self.input else { return Err("the program of this talk has ended".to_owned()) };
        let written = async {
            input.write_all(line.as_bytes()).await?;
            input.flush().await
        };
        let is_written = tokio::select! {
            biased;
            written = written => written.is_ok(),
            // What it started may hold its input, and read nothing.
            _ = self.child.wait() => false,
        };
        if is_written { Ok(()) } else { Err(self.ended().await) }
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

    /// Closes the input of a program that is asked nothing more, and reads what it still writes.
    ///
    /// # Errors
    /// What it wrote beside its answers, in words.
    pub(super) async fn finish(&mut self, secrets: &Secrets) -> Result<(), String> {
        self.input = None;
        match self.line_within(REST).await? {
            Some(line) => {
                Err(format!("the program wrote more than the answers it was asked for: {}", quoted(&line, secrets)))
            }
            None => Ok(()),
        }
    }

    /// A line; `None` where the output ends before one does, or the program does, whoever holds its output then.
    async fn line(&mut self) -> Result<Option<Vec<u8>>, String> {
        tokio::select! {
            biased;
            line = self.output.line() => return line,
            _ = self.child.wait() => {}
        }
        self.line_of_output_within(LEFT_BEHIND).await
    }

    /// The same, of what is written in this time: half a line where that is all.
    async fn line_within(&mut self, time: Duration) -> Result<Option<Vec<u8>>, String> {
        match tokio::time::timeout(time, self.line()).await {
            Ok(line) => line,
            Err(_) => Ok(self.output.take()),
        }
    }

    async fn line_of_output_within(&mut self, time: Duration) -> Result<Option<Vec<u8>>, String> {
        match tokio::time::timeout(time, self.output.line()).await {
            Ok(line) => line,
            Err(_) => Ok(self.output.take()),
        }
    }

    /// How the program ended, or its output.
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

/// A line as a message shows it. It is masked before it is cut: a part of a secret is none that could be found.
fn quoted(line: &[u8], secrets: &Secrets) -> String {
    escape::quote(secrets.mask(String::from_utf8_lossy(line).into_owned()).trim(), QUOTED)
}

impl Drop for Process {
    fn drop(&mut self) {
        self.telling.abort();
    }
}
