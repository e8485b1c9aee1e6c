//! The real binary while it runs, for tests that act in between.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};

use super::sandbox::{Ran, Sandbox};

/// A binary that was started. It is ended when the test is.
pub struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: BufReader<ChildStderr>,
    said: String,
    told: String,
}

impl Sandbox {
    /// Starts the binary with these arguments.
    pub fn start(&self, arguments: &[&str]) -> Running {
        Running::of(self.command(arguments))
    }
}

impl Running {
    /// Starts a command.
    pub fn of(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        let stdout = BufReader::new(child.stdout.take().expect("standard output"));
        let stderr = BufReader::new(child.stderr.take().expect("standard error"));
        Self { child, stdout, stderr, said: String::new(), told: String::new() }
    }

    /// Reads standard error until a line has this text.
    pub fn until_told(&mut self, text: &str) {
        loop {
            let start = self.told.len();
            let read = self.stderr.read_line(&mut self.told).expect("standard error");
            assert!(read > 0, "it ended without telling `{text}`:\n{}", self.told);
            if self.told[start..].contains(text) {
                return;
            }
        }
    }

    /// Reads standard output, not line by line, until it ends in this text.
    pub fn until_said(&mut self, text: &str) {
        let mut bytes = std::mem::take(&mut self.said).into_bytes();
        while !bytes.ends_with(text.as_bytes()) {
            let mut byte = [0];
            let read = self.stdout.read(&mut byte).expect("standard output");
            assert!(read > 0, "it ended without saying `{text}`:\n{}", String::from_utf8_lossy(&bytes));
            bytes.push(byte[0]);
        }
        self.said = String::from_utf8(bytes).expect("standard output is UTF-8");
    }

    /// The process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_some()
    }

    /// Ends it as `kill -9` does.
    pub fn kill(&mut self) {
        self.child.kill().expect("a child");
    }

    /// Sends a signal: `INT`, `TERM`.
    #[cfg(unix)]
    pub fn signal(&self, name: &str) {
        let command = format!("kill -{name} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &command]).status().expect("a shell");
        assert!(status.success(), "{command}");
    }

    /// Waits for its end.
    pub fn finish(mut self) -> Ran {
        self.stderr.read_to_string(&mut self.told).expect("standard error");
        self.stdout.read_to_string(&mut self.said).expect("standard output");
        let status = self.child.wait().expect("its end");
        Ran { code: status.code(), stdout: std::mem::take(&mut self.said), stderr: std::mem::take(&mut self.told) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
