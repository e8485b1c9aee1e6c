//! Ctrl-C, SIGTERM and a terminal that goes away: the first asks a run to stop in good order, a second Ctrl-C or SIGTERM ends
//! the program at once.
//!
//! They are heard on a thread of their own: whatever holds the run up, a terminal that takes nothing for one, Ctrl-C is heard.
//! From [`listen`] on no signal is lost, and none ends the program by itself: what was done can always be written, and what is
//! not whole be removed. That
//! holds for a limit on the size of files too, which the system enforces by a signal where nobody listens.

use tokio::sync::watch;

use super::console::Console;
use super::exit::Exit;
use crate::provider::child::end_programs;

/// How long the end of the program waits for a terminal that takes nothing.
const LAST_WORDS: std::time::Duration = std::time::Duration::from_millis(500);

/// Says when a command is to stop. While one is kept, the first signal only asks; afterwards (what must be whole is, and only
/// reports or snapshots are left) the first ends the program.
#[derive(Debug)]
pub struct Asked(watch::Receiver<bool>);

impl Asked {
    /// Whether an end is asked for by now.
    pub fn is_asked(&self) -> bool {
        *self.0.borrow()
    }

    /// Ends when the run is asked to stop.
    pub async fn wait(mut self) {
        if self.0.wait_for(|is_asked| *is_asked).await.is_err() {
            // Signals cannot be listened for on this system; nobody will ask.
            std::future::pending::<()>().await;
        }
    }
}

/// What a signal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// The terminal has gone away. The system says so, and often the shell once more: that is no second wish.
    #[cfg_attr(not(unix), expect(dead_code, reason = "only Unix has such signals"))]
    Hangup,
}

/// Listens from now on, until the program ends. Where that is at once, `last_words` are said before: what it leaves behind.
pub fn listen(console: Console, last_words: impl FnOnce() -> String + Send + 'static) -> Asked {
    let (asking, asked) = watch::channel(false);
    let (told, is_listening) = std::sync::mpsc::channel::<()>();
    let hear = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async move {
            let signals = Signals::new()?;
            drop(told);
            until_the_end(signals, &asking).await;
            end_at_once(console, last_words)
        })
    };
    // Where it cannot listen, a signal does what the system has it do.
    if std::thread::Builder::new().name("signals".to_owned()).spawn(hear).is_ok() {
        let _ = is_listening.recv();
    }
    Asked(asked)
}

/// Hears signals until one of them is to end the program.
async fn until_the_end(mut signals: Signals, asking: &watch::Sender<bool>) {
    let mut is_asked = false;
    loop {
        let heard = signals.next().await;
        let is_going_on = asking.send(true).is_ok();
        let is_last = match heard {
            Heard::Interrupt | Heard::Terminate => is_asked || !is_going_on,
            Heard::Hangup => !is_asked && !is_going_on,
        };
        if is_last {
            return;
        }
        is_asked = true;
    }
}

/// Ends the program. Half a line may be on the screen. Whether anybody takes the last words is not waited for long.
fn end_at_once(console: Console, last_words: impl FnOnce() -> String + Send + 'static) -> std::io::Result<()> {
    let (saying, is_said) = std::sync::mpsc::channel::<()>();
    let say = move || {
        console.error(&format!("\nended at once: {}", last_words()));
        drop(saying);
    };
    if std::thread::Builder::new().spawn(say).is_ok() {
        let _ = is_said.recv_timeout(LAST_WORDS);
    }
    end_programs();
    #[expect(clippy::exit, reason = "asked for an end, and nothing is left that only this process could keep whole")]
    std::process::exit(Exit::Interrupted.code().into());
}

/// The signals that want an end. From its making on they end nothing by themselves.
#[cfg(unix)]
pub(super) struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    /// None where hangups are to be ignored.
    hangup: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Signals {
    pub(super) fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        // Listened to once, it ends no process any more: the write that is too much fails instead, and says why.
        drop(signal(SignalKind::from_raw(SIGXFSZ))?);
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: if is_hangup_ignored() { None } else { Some(signal(SignalKind::hangup())?) },
        })
    }

    pub(super) async fn next(&mut self) -> Heard {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => drop(hangup.recv().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => Heard::Interrupt,
            _ = self.terminate.recv() => Heard::Terminate,
            () = hangup => Heard::Hangup,
        }
    }
}

/// A file would grow over its limit: the number of the signal on Linux, macOS and the BSDs.
#[cfg(unix)]
const SIGXFSZ: i32 = 25;

/// Whether the program was started to outlive its terminal, as by `nohup`. Told by what Linux says of the process: to ask
/// the system itself takes unsafe code. Elsewhere a hangup is heard.
#[cfg(unix)]
fn is_hangup_ignored() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores_hangup(&status))
}

/// Whether signal 1 is in the mask of ignored signals.
#[cfg(unix)]
fn ignores_hangup(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

#[cfg(windows)]
pub(super) struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self(tokio::signal::windows::ctrl_c()?))
    }

    pub(super) async fn next(&mut self) -> Heard {
        let _ = self.0.recv().await;
        Heard::Interrupt
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn the_mask_of_ignored_signals_says_whether_a_hangup_is_one() {
        for (mask, is_ignored) in [("0000000000001001", true), ("0000000000001000", false), ("", false)] {
            assert_eq!(ignores_hangup(&format!("Name:\tx\nSigIgn:\t{mask}\nSigCgt:\t0000000000000001\n")), is_ignored);
        }
    }
}
