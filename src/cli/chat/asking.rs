//! Asks for one reply and shows it as it comes.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Runtime;

use super::super::console::Console;
use super::interrupts::Interrupts;
use super::screen::Look;
use crate::event::Waiting;
use crate::provider::{AttemptFailed, CallError, ChatModel, ChatReply, ChatRequest, Observer, Said, Session};
use crate::text::flow::Flow;

/// What is asked for, and of whom.
#[derive(Clone, Copy)]
pub enum Question<'q> {
    /// A model, with all that it is to know.
    Model(&'q dyn ChatModel, ChatRequest<'q>),
    /// A bot that keeps its history itself, in a session of its own.
    Bot(&'q dyn Session, Said<'q>),
}

impl Question<'_> {
    async fn reply(self, observer: &dyn Observer) -> Result<ChatReply, CallError> {
        match self {
            Self::Model(model, request) => model.chat(request, observer).await,
            Self::Bot(session, said) => session.say(said, observer).await,
        }
    }
}

/// What came of it.
pub enum Answer {
    /// A whole reply.
    Reply(Box<ChatReply>),
    /// None, for good.
    Failed(CallError),
    /// None: the person did not want to wait for the rest of it.
    Stopped,
}

/// Where replies are shown.
pub struct Asking {
    /// Where they come about.
    pub runtime: Runtime,
    /// Who stops them.
    pub interrupts: Interrupts,
    /// Where they are printed.
    pub console: Console,
    /// How they look, where a person reads them as they come; else they are printed whole by whoever asked.
    pub look: Option<Look>,
}

/// Where replies come about. Connections are looked after while a person thinks: one that the server closes meanwhile is not
/// asked again.
///
/// # Errors
/// When the system has no room for it.
pub fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()
}

impl Asking {
    /// Closes every connection. What was connected must be connected anew.
    ///
    /// # Errors
    /// When the system has no room for another runtime; then nothing is closed.
    pub fn hang_up(&mut self) -> io::Result<()> {
        std::mem::replace(&mut self.runtime, runtime()?).shutdown_background();
        Ok(())
    }

    /// Asks, and waits for the reply or for Ctrl-C.
    pub fn ask(&mut self, question: Question<'_>) -> Answer {
        let screen = Screen::new(&self.console, self.look);
        self.interrupts.begin();
        screen.begin();
        let interrupts = &mut self.interrupts;
        let answer = self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = interrupts.stopped() => Answer::Stopped,
                reply = question.reply(&screen) => match reply {
                    Ok(reply) => Answer::Reply(Box::new(reply)),
                    Err(error) => Answer::Failed(error),
                },
            }
        });
        if let Answer::Reply(reply) = &answer {
            screen.whole(&reply.reply.text);
        }
        screen.end();
        self.interrupts.end();
        answer
    }
}

/// A reply on its way to the terminal.
struct Screen<'s> {
    console: &'s Console,
    look: Option<Look>,
    state: Mutex<Option<State>>,
}

struct State {
    flow: Flow,
    /// Whether a piece of this try was there.
    has_begun: bool,
}

impl<'s> Screen<'s> {
    fn new(console: &'s Console, look: Option<Look>) -> Self {
        Self { console, look, state: Mutex::new(None) }
    }

    fn state(&self) -> MutexGuard<'_, Option<State>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The gutter says that it is the model's turn, before the first word is there.
    fn begin(&self) {
        if let Some(look) = self.look {
            self.console.print(look.gutter());
            *self.state() = Some(State { flow: look.flow(), has_begun: false });
        }
    }

    /// A reply that did not come in pieces.
    fn whole(&self, text: &str) {
        if let Some(state) = self.state().as_mut().filter(|state| !state.has_begun) {
            self.console.print(&state.flow.push(text));
            state.has_begun = true;
        }
    }

    /// Ends the line of the pieces.
    fn end(&self) {
        if let Some(mut state) = self.state().take() {
            self.console.line(&state.flow.end());
        }
    }

    /// Says something between two tries, and begins anew.
    fn between(&self, remark: &str) {
        match self.look {
            Some(look) => {
                let has_begun = self.state().as_ref().is_some_and(|state| state.has_begun);
                if has_begun {
                    self.end();
                } else {
                    // Nothing stands behind the gutter.
                    self.console.print("\r\u{1b}[K");
                }
                self.console.line(&look.dim(remark));
                self.begin();
            }
            None => self.console.remark(remark),
        }
    }
}

impl Observer for Screen<'_> {
    fn delta(&self, text: &str) {
        if let Some(state) = self.state().as_mut().filter(|_| !text.is_empty()) {
            state.has_begun = true;
            self.console.print(&state.flow.push(text));
        }
    }

    fn attempt_failed(&self, attempt: AttemptFailed) {
        // Of the last one the caller tells.
        if let Some(wait) = attempt.wait {
            let error = crate::text::escape::visible(&attempt.error).into_owned();
            let wait = wait.max(Duration::from_millis(100)).as_secs_f64();
            self.between(&format!("? attempt {} failed: {error}; tried again in {wait:.1} s", attempt.attempt));
        }
    }

    fn waits(&self, why: Waiting) {
        // What a try that failed waits for was said with it.
        if why != Waiting::Retry {
            self.between(&format!("– waiting {}", why.as_str()));
        }
    }
}
