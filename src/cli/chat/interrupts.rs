//! Signals during a talk: Ctrl-C stops the reply that comes, and nothing else; whatever else wants an end gets it at once, with
//! the terminal as it was found.
//!
//! At the prompt Ctrl-C is a key, which the line editor hears. Off a terminal there is no prompt: there every signal ends the talk.
//! Nothing but the talk is lost then, and that was said.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use tokio::sync::watch;

use super::super::console::Console;
use super::super::exit::Exit;
use super::super::signals::{Heard, Signals};
use super::mode::Mode;
use crate::provider::child::end_programs;

/// Pasted text is no longer marked, colours are as they were, and the shell begins on a line of its own.
const LEAVE: &str = "\u{1b}[?2004l\u{1b}[0m\n";

/// How long the end waits for a terminal that takes nothing.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Nothing comes.
const IDLE: u8 = 0;
/// A reply comes.
const REPLYING: u8 = 1;
/// It is to stop.
const STOPPING: u8 = 2;
/// The talk is over, and so is this process in a moment.
const ENDING: u8 = 3;

/// Says when a reply is to stop.
#[derive(Debug)]
pub struct Interrupts {
    ends: Arc<Ends>,
    stop: watch::Receiver<()>,
}

/// What the thread knows that hears signals.
#[derive(Debug)]
struct Ends {
    console: Console,
    mode: Mode,
    is_attended: bool,
    doing: AtomicU8,
}

impl Interrupts {
    /// Listens from now on, on a thread of its own. `is_attended` says whether a person is at the terminal.
    ///
    /// # Errors
    /// When the system has no room for a thread.
    pub fn listen(console: &Console, is_attended: bool) -> io::Result<Self> {
        let (console, mode, doing) = (console.clone(), Mode::found(), AtomicU8::new(IDLE));
        let ends = Arc::new(Ends { console, mode, is_attended, doing });
        let (stopping, stop) = watch::channel(());
        let (told, is_listening) = channel::<()>();
        let hearing = Arc::clone(&ends);
        let hear = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async move {
                let mut signals = Signals::new()?;
                drop(told);
                while hearing.is_harmless(signals.next().await, &stopping) {}
                hearing.end_at_once()
            })
        };
        std::thread::Builder::new().name("signals".to_owned()).spawn(hear)?;
        // Where it cannot listen, a signal does what the system has it do.
        let _ = is_listening.recv();
        Ok(Self { ends, stop })
    }

    /// A reply is asked for: Ctrl-C means it.
    pub fn begin(&mut self) {
        self.stop.mark_unchanged();
        self.ends.go_on(REPLYING);
        if self.ends.is_attended {
            self.ends.mode.quiet();
        }
    }

    /// Ends when the reply is to stop.
    pub async fn stopped(&mut self) {
        if self.stop.changed().await.is_err() {
            // Signals cannot be listened for on this system.
            std::future::pending::<()>().await;
        }
    }

    /// The reply is there, or is not to come. Where it is not since the talk is being ended, this does not return.
    pub fn end(&self) {
        if self.ends.is_attended {
            self.ends.mode.restore();
        }
        self.ends.go_on(IDLE);
    }
}

impl Ends {
    /// The talk goes on with this, unless it is being ended: a bot whose program is ended with it has not failed.
    fn go_on(&self, doing: u8) {
        if self.doing.swap(doing, Ordering::SeqCst) == ENDING {
            self.doing.store(ENDING, Ordering::SeqCst);
            loop {
                std::thread::park();
            }
        }
    }

    /// Whether the talk goes on.
    fn is_harmless(&self, heard: Heard, stopping: &watch::Sender<()>) -> bool {
        if !self.is_attended || heard != Heard::Interrupt {
            return false;
        }
        match self.doing.compare_exchange(REPLYING, STOPPING, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) => stopping.send(()).is_ok(),
            // A reply that has stopped on its own in the same moment; one that does not stop is what a second Ctrl-C is for.
            Err(doing) => doing == IDLE,
        }
    }

    fn end_at_once(self: Arc<Self>) -> io::Result<()> {
        self.doing.store(ENDING, Ordering::SeqCst);
        self.mode.restore();
        if self.is_attended {
            let (said, is_said) = channel::<()>();
            let ends = Arc::clone(&self);
            let say = move || {
                ends.console.print(LEAVE);
                drop(said);
            };
            if std::thread::Builder::new().spawn(say).is_ok() {
                let _ = is_said.recv_timeout(LAST_WORDS);
            }
        }
        end_programs();
        // Asked for an end; and a talk has nothing that only this process could keep whole.
        std::process::exit(Exit::Interrupted.code().into());
    }
}
