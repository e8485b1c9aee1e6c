//! Runs a program to its end and says what it took: its own time on the processors and its own peak of memory, as the
//! system counted them for this one process.
//!
//! The peak that Linux gives for a process is never below that of whoever started it, so the driver stays small.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use wait4::Wait4;

use super::server::Seen;

/// What a process took.
#[derive(Debug, Clone, Copy)]
pub struct Took {
    /// From its start to its end.
    pub wall: Duration,
    /// On the processors, in user mode and in the kernel.
    pub cpu: Duration,
    /// The most memory that it had at one time, in bytes.
    pub peak: u64,
}

/// Runs a command, with `patience` until it has ended with status 0. What it prints is read and dropped; what it says on
/// standard error is shown where it fails.
pub fn run(command: &mut Command, patience: Duration, said: &Path) -> anyhow::Result<Took> {
    let started = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(said)?).spawn()?;
    let mut out = child.stdout.take().context("no standard output")?;
    let (sender, ended) = channel();
    // A process is over when its standard output ends; nothing needs to be asked again and again.
    let reader = std::thread::spawn(move || {
        let copied = std::io::copy(&mut out, &mut std::io::sink());
        let _ = sender.send(());
        copied
    });
    let is_late = ended.recv_timeout(patience).is_err();
    if is_late {
        child.kill()?;
    }
    let resources = child.wait4()?;
    let wall = started.elapsed();
    let _ = reader.join();
    if is_late || !resources.status.success() {
        let mut text = String::new();
        File::open(said)?.read_to_string(&mut text)?;
        let why = if is_late { format!("not done after {patience:?}") } else { resources.status.to_string() };
        bail!("{command:?}: {why}\n{text}");
    }
    let rusage = resources.rusage;
    Ok(Took { wall, cpu: rusage.utime + rusage.stime, peak: rusage.maxrss })
}

/// The server, in a process of its own. It ends when this is dropped, and its standard input with it.
pub struct Server {
    child: Child,
    out: BufReader<ChildStdout>,
    port: u16,
}

impl Server {
    /// Starts it.
    pub fn start(latency: Duration) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["server", &latency.as_millis().to_string()]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut out = BufReader::new(child.stdout.take().context("no standard output")?);
        let mut port = String::new();
        out.read_line(&mut port)?;
        let port = port.trim().parse().context("the server names no port")?;
        Ok(Self { child, out, port })
    }

    /// What goes into a config as `base_url`.
    pub fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    /// Ends it, and gives what it saw and the time that it took on the processors.
    pub fn end(mut self) -> anyhow::Result<(Seen, Duration)> {
        drop(self.child.stdin.take());
        let mut said = String::new();
        self.out.read_to_string(&mut said)?;
        let rusage = self.child.wait4()?.rusage;
        Ok((serde_json::from_str(&said).context("the server says not what it saw")?, rusage.utime + rusage.stime))
    }
}
