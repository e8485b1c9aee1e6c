//! A talk with a bot that keeps its history itself: its sessions, and what cannot be asked of such a bot.
//!
//! What the bot has heard it knows, and nobody can take it back. So whatever would have it know something else than what was said (an
//! exchange taken back, another persona, a message that it may have heard and that has no reply) ends the session, and the next message
//! begins one in which it knows nothing.

use super::super::bots::{self, TELLS_SYSTEM, not_allowed};
use super::super::config::Config;
use super::super::models::{CallSettings, connect_one, resolve};
use super::super::vendors;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::Window;
use crate::provider::{ChatModel, Session};
use crate::run::plan::{Overrides, Plan};
use crate::run::talk::{Memory, Talk};
use crate::run::{Model, overflows, session_by_hand};
use crate::scenario::Scenario;

const WAY_OUT: &str = "`--model builtin` talks to the embedded model, which takes no key";

/// What is said where a new session knows nothing of the one before.
pub const NEW_SESSION: &str = "a new session: the bot knows nothing of what was said before";

/// The sessions of a talk, one at a time.
pub struct Sessions {
    /// The talk's own name, which no other has.
    talk: String,
    begun: u32,
    open: Option<Box<dyn Session>>,
}

impl Sessions {
    /// None is begun yet.
    pub fn new() -> Self {
        let drawn = fastrand::u128(..);
        Self { talk: format!("{} {drawn:032x}", jiff::Timestamp::now()), begun: 0, open: None }
    }

    /// The session that goes on, or a new one; `None` of a model that keeps no history.
    pub fn go_on(&mut self, model: &dyn ChatModel) -> Option<&dyn Session> {
        if self.open.is_none() {
            self.begun += 1;
            self.open = model.session(&session_by_hand(&self.talk, self.begun));
        }
        self.open.as_deref()
    }

    /// Whether one goes on.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Ends it: a bot that is a program ends with it.
    pub fn end(&mut self) {
        self.open = None;
    }
}

/// Makes the provider of a model; one that is a program only where that is allowed.
///
/// # Errors
/// What keeps it from being called.
pub fn connect(config: &Config, name: &str, settings: &CallSettings, allow_run: bool) -> Result<Model, Diagnostic> {
    if let Some(refused) = not_allowed(config, name).filter(|_| !allow_run) {
        return Err(refused);
    }
    connect_one(config, name, settings).map_err(|error| {
        let is_without_key = error.code == Code::MissingApiKey;
        if is_without_key { error.help(WAY_OUT) } else { error }
    })
}

/// What keeps a scenario from being played as it stands, as `check` would say it.
pub fn unplayable(scenario: Scenario, config: &Config) -> Option<Diagnostic> {
    let overrides = Overrides { max_conversations: usize::MAX, ..Overrides::default() };
    let plan = Plan::new(vec![scenario], &overrides).ok()?;
    let tokenizer_of = |model: &str| resolve(config, model).map(|model| model.tokenizer).unwrap_or_default();
    let wrong = vendors::refused(&plan, config, None).into_iter().chain(bots::wrong(&plan, config));
    wrong.chain(overflows(&plan, &tokenizer_of)).next()
}

/// Why a bot that keeps its history itself cannot take a talk over as it is, and what to do about it.
pub fn refused(talk: &Talk, name: &str) -> Option<(String, String)> {
    if talk.setting.window != Window::FULL {
        return Some(no_window(talk.setting.window, name));
    }
    if !talk.before().is_empty() {
        let message = format!("`history` cannot be given to `{name}`, which keeps its history itself");
        return Some((message, "talk to it without this scenario, or to another model".to_owned()));
    }
    (!talk.said().is_empty()).then(|| {
        let message = format!("what was said so far cannot be given to `{name}`, which keeps its history itself");
        (message, "`/reset` takes it out of the history; `/save FILE` keeps it".to_owned())
    })
}

/// That a window cannot hold what a bot keeps itself.
pub fn no_window(window: Window, name: &str) -> (String, String) {
    let message = format!("the window `{window}` cannot hold: `{name}` keeps its history itself");
    (message, "`full` is the only one there".to_owned())
}

/// That the bot is not told the talk's system prompt.
pub fn untold(talk: &Talk) -> Option<String> {
    let is_untold = talk.memory == Memory::Own { takes_system: false } && !talk.setting.system.is_empty();
    is_untold.then(|| format!("`{}` is not told the system prompt: {TELLS_SYSTEM}", talk.setting.model))
}

/// What a message without a reply means for the talk.
pub fn over(talk: &Talk) -> String {
    let mut said =
        "the bot may have heard your message, so the session is over; the next message begins another".to_owned();
    if !talk.said().is_empty() {
        said += ", in which it knows nothing of this one (`/save FILE` still keeps it)";
    }
    said
}
