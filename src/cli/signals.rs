//! Ctrl-C and SIGTERM: the first asks a run to stop in good order, a second ends the program at once.
//!
//! From [`listen`] on no signal is lost, and none ends the program by itself: what was done can always be written.

use tokio::sync::watch;

use super::console::Console;
use super::exit::Exit;

/// Says when the run is to stop. While one is kept, the first signal only asks; afterwards (the run is over, its
/// journal whole, and only reports are written) the first ends the program.
#[derive(Debug)]
pub struct Asked(watch::Receiver<bool>);

impl Asked {
    /// Ends when the run is asked to stop.
    pub async fn wait(mut self) {
        if self.0.wait_for(|is_asked| *is_asked).await.is_err() {
            // Signals cannot be listened for on this system; nobody will ask.
            std::future::pending::<()>().await;
        }
    }
}

/// Listens from now on. Must be called inside a runtime, and listens as long as that lives.
pub fn listen(console: Console) -> Asked {
    let (asking, asked) = watch::channel(false);
    if let Ok(mut signals) = Signals::new() {
        tokio::spawn(async move {
            signals.next().await;
            if asking.send(true).is_ok() {
                signals.next().await;
            }
            // Half a line may be on the screen.
            console.error("");
            #[expect(clippy::exit, reason = "asked twice; the journal holds everything that was acknowledged")]
            std::process::exit(Exit::Interrupted.code().into());
        });
    }
    Asked(asked)
}

#[cfg(unix)]
struct Signals(tokio::signal::unix::Signal, tokio::signal::unix::Signal);

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self(signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?))
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.0.recv() => {}
            _ = self.1.recv() => {}
        }
    }
}

#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self(tokio::signal::windows::ctrl_c()?))
    }

    async fn next(&mut self) {
        let _ = self.0.recv().await;
    }
}
