//! What differs between systems: how a terminal gives single keys, and which signals there are.

pub use system::{Mode, listen, suspend};

#[cfg(unix)]
mod system {
    use std::io;
    use std::sync::Arc;
    use std::sync::mpsc::{Sender, channel};

    use rustix::process::{Signal, kill_current_process_group};
    use rustix::termios::{OptionalActions, QueueSelector, Termios, tcflush, tcgetattr, tcsetattr};
    use tokio::signal::unix::{SignalKind, signal};

    use crate::cli::exit::Exit;
    use crate::cli::review::terminal::{Guard, Heard};
    use crate::cli::signals::Signals;

    /// How the terminal was found.
    #[derive(Debug)]
    pub struct Mode(Termios);

    impl Mode {
        /// As it is now.
        pub fn found() -> io::Result<Self> {
            Ok(Self(tcgetattr(io::stdin())?))
        }

        /// Every key comes at once, unseen, and none is a signal.
        pub fn raw(&self) -> io::Result<()> {
            let mut raw = self.0.clone();
            raw.make_raw();
            // What is printed beside the screen still begins at the left edge.
            raw.output_modes = self.0.output_modes;
            Ok(tcsetattr(io::stdin(), OptionalActions::Now, &raw)?)
        }

        /// As it was found. Keys that nobody has read were meant for the review and not for the shell.
        pub fn restore(&self) {
            let _ = tcflush(io::stdin(), QueueSelector::IFlush);
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
        }
    }

    /// Stops the program, and those that it was started with, until the shell has them go on.
    pub fn suspend() {
        let _ = kill_current_process_group(Signal::TSTP);
    }

    /// Listens to signals on a thread of its own: also while a review is busy, or held up by a terminal that takes nothing.
    /// The first that wants an end asks for it, the second ends the program at once.
    pub fn listen(hearing: &Sender<Heard>, guard: &Arc<Guard>) -> io::Result<()> {
        let (hearing, guard) = (hearing.clone(), Arc::clone(guard));
        let (told, is_listening) = channel::<()>();
        let hear = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async move {
                let mut ends = Signals::new()?;
                let mut resized = signal(SignalKind::window_change())?;
                let mut resumed = signal(SignalKind::from_raw(Signal::CONT.as_raw()))?;
                drop(told);
                let mut is_asked = false;
                loop {
                    let heard = tokio::select! {
                        _ = ends.next() => Heard::Stop,
                        _ = resized.recv() => Heard::Resized,
                        _ = resumed.recv() => Heard::Resumed,
                    };
                    let is_end = matches!(heard, Heard::Stop);
                    let is_heard = hearing.send(heard).is_ok();
                    if is_end && (is_asked || !is_heard) {
                        return Ok::<(), io::Error>(());
                    }
                    is_asked |= is_end;
                }
            })
        };
        let listen = move || {
            if hear().is_ok() {
                guard.give_back_soon();
                #[expect(clippy::exit, reason = "asked twice, or after the review: what was decided is on the disk")]
                std::process::exit(Exit::Interrupted.code().into());
            }
        };
        std::thread::Builder::new().name("signals".to_owned()).spawn(listen)?;
        // Where it cannot listen, a signal does what the system has it do.
        let _ = is_listening.recv();
        Ok(())
    }
}

#[cfg(not(unix))]
mod system {
    use std::io;
    use std::sync::Arc;
    use std::sync::mpsc::Sender;

    use crate::cli::review::terminal::{Guard, Heard};

    /// Nothing is known of terminals elsewhere.
    #[derive(Debug)]
    pub struct Mode;

    impl Mode {
        /// No terminal can be had.
        pub fn found() -> io::Result<Self> {
            Err(io::Error::other("reviewing on a terminal needs Linux, macOS or another system of the Unix family"))
        }

        /// Nothing.
        pub fn raw(&self) -> io::Result<()> {
            Ok(())
        }

        /// Nothing.
        pub fn restore(&self) {}
    }

    /// Nothing.
    pub fn suspend() {}

    /// Nothing.
    pub fn listen(_: &Sender<Heard>, _: &Arc<Guard>) -> io::Result<()> {
        Ok(())
    }
}
