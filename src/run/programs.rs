//! Programs that judge what was said. A program is ended with all that it started when it ends, when it takes too long, and when
//! nobody waits for it any more.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::future::join3;
use tokio::io::AsyncWriteExt;
use tokio::sync::Semaphore;

use crate::event::ProgramDone;
use crate::model::ProgramCheck;
use crate::provider::child::{Group, Kept, by_signal, command, keep};

/// How long is waited for the rest of what a program wrote once it has ended: somebody else may hold its outputs open.
const REST: Duration = Duration::from_millis(500);

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

fn text(kept: Mutex<Kept>) -> (String, bool) {
    kept.into_inner().unwrap_or_else(PoisonError::into_inner).text()
}

/// Gives a program its input. One that ends without reading all of it need not.
async fn feed(pipe: Option<impl AsyncWriteExt + Unpin>, input: &[u8]) {
    if let Some(mut pipe) = pipe {
        let _ = pipe.write_all(input).await;
        let _ = pipe.shutdown().await;
    }
}
