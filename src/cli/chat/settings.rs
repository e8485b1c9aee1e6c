//! Under what a talk goes on: another window, another persona, another model.

use super::super::bots::TELLS_SYSTEM;
use super::super::vendors::unsupported;
use super::bot::{self, no_window, refused, untold};
use super::scripted::persona;
use super::{Exit, Session, Step};
use crate::model::Window;
use crate::run::talk::Memory;

impl Session {
    pub(super) fn window(&mut self, window: Window) -> Step {
        if self.opening.talk.memory.is_own() && window != Window::FULL {
            let (message, help) = no_window(window, &self.setting().model);
            return self.wrong(&message, Some(&help), Exit::BadInput);
        }
        self.opening.talk.setting.window = window;
        self.told(&format!("window {window}"));
        Step::On
    }

    pub(super) fn personas(&self) {
        let setting = self.setting();
        let known = self.opening.scenario.iter().flat_map(|scenario| &scenario.personas);
        let others: Vec<&str> =
            known.map(|persona| persona.name.as_str()).filter(|name| *name != setting.persona).collect();
        let others =
            if others.is_empty() { String::new() } else { format!("; the scenario has also {}", others.join(", ")) };
        self.told(&format!("persona {}{others}", setting.persona));
        let system = if setting.system.is_empty() { "(no system prompt)" } else { &setting.system };
        self.print_aside(&self.look.message(system));
    }

    pub(super) fn persona(&mut self, asked: &str) -> Step {
        let memory = self.opening.talk.memory;
        if memory == (Memory::Own { takes_system: false }) {
            let message = format!("`{}` is not told a system prompt", self.setting().model);
            return self.wrong(&message, Some(TELLS_SYSTEM), Exit::BadInput);
        }
        let known = self.opening.scenario.as_ref().map_or(&[][..], |scenario| &scenario.personas);
        let (name, system) = match persona(known, asked) {
            Ok(found) => found,
            Err(message) => {
                return self.wrong(&message, Some("a text of several words is a system prompt"), Exit::BadInput);
            }
        };
        let is_heard = memory.is_own() && !self.opening.talk.said().is_empty();
        if is_heard {
            // A bot is told one system prompt a session.
            self.next = 0;
            let what = "the next message begins a new session, in which the bot knows nothing of this one";
            self.told(&format!("persona {name}; {what}"));
        } else if memory.is_own() {
            self.told(&format!("persona {name}"));
        } else {
            self.told(&format!("persona {name}; the history stays, `/reset` begins anew"));
        }
        self.sessions.end();
        let setting = &mut self.opening.talk.setting;
        (setting.persona, setting.system) = (name, system);
        Step::On
    }

    pub(super) fn model(&mut self, name: &str) -> Step {
        let Self { opening, .. } = self;
        let model = match bot::connect(&opening.config, name, &opening.settings, opening.allow_run) {
            Ok(model) => model,
            Err(diagnostic) => return self.wrong(&diagnostic.message, diagnostic.help.as_deref(), Exit::BadInput),
        };
        if let Some(wrong) = unsupported(&opening.config, name, &opening.params).into_iter().next() {
            return self.wrong(&wrong.message, wrong.help.as_deref(), Exit::BadInput);
        }
        let talk = &mut opening.talk;
        let (before, memory) = (talk.memory, Memory::of(&*model.chat));
        if let Some((message, help)) = refused(talk, name).filter(|_| memory.is_own()) {
            return self.wrong(&message, Some(&help), Exit::BadInput);
        }
        (opening.model, talk.memory) = (model, memory);
        talk.count_anew();
        name.clone_into(&mut talk.setting.model);
        let is_heard = before.is_own() && !talk.said().is_empty();
        let untold = untold(talk);
        self.sessions.end();
        self.told(&match memory {
            Memory::Own { .. } => format!("model {name}, which keeps its history itself"),
            Memory::Sent if is_heard => format!("model {name}; what was said to the bot goes along"),
            Memory::Sent => format!("model {name}"),
        });
        if let Some(untold) = untold {
            self.aside(&format!("– {untold}"));
        }
        Step::On
    }

    /// Lets go of a call whose reply nobody waits for any more: a provider that hears nothing of it would go on, and be paid for it.
    pub(super) fn hang_up(&mut self) {
        let opening = &mut self.opening;
        let fresh = bot::connect(&opening.config, &opening.talk.setting.model, &opening.settings, opening.allow_run);
        if let (Ok(model), Ok(())) = (fresh, self.asking.hang_up()) {
            opening.model = model;
        }
    }
}
