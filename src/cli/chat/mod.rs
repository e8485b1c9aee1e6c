//! `chat`: a talk with a persona, on a terminal or through a pipe.
//!
//! What was said and what the next request holds is pure ([`crate::run::talk`]), and so is what a line means ([`entry`]), how a talk
//! becomes a scenario ([`save`]) and what a person sees beside the replies ([`screen`]). This file does what a line asks for. On a
//! terminal nothing but the person ends the talk. In a pipe the replies alone go to standard output, each whole, and the first thing
//! that goes wrong ends it with the exit code that it has elsewhere: a script is not asked what it meant.

mod asking;
mod bot;
mod editor;
mod entry;
mod interrupts;
mod mode;
mod pipe;
mod save;
mod screen;
mod scripted;
mod settings;

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::config::Config;
use super::console::{Console, shown};
use super::exit::Exit;
use super::models::CallSettings;
use super::sources;
use super::staged::{NotStaged, Staged};
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::model::{Params, Reply};
use crate::provider::{self, CallError, ChatRequest};
use crate::run::Model;
use crate::run::talk::{Said, Setting, Talk, TalkRequest};
use crate::scenario::import::slug;
use crate::scenario::load;
use crate::text::escape::{no_command, visible};
use asking::{Answer, Asking, Question};
use bot::{NEW_SESSION, Sessions, unplayable};
use editor::{LineEditor, Typed};
use entry::{Command, Entry, Wrong};
use interrupts::Interrupts;
use save::Frame;
use screen::Look;

pub use bot::{connect, refused, untold};
pub use save::DEFAULT_PERSONA;
pub use scripted::{Line, Scripted, persona};

/// What a talk begins with.
pub struct Opening {
    /// The setting, the facts and the history.
    pub talk: Talk,
    /// Who answers.
    pub model: Model,
    /// How other models are called.
    pub settings: CallSettings,
    /// The config.
    pub config: Config,
    /// Sampling parameters.
    pub params: Params,
    /// Whether replies are streamed.
    pub stream: bool,
    /// Whether bots may start programs.
    pub allow_run: bool,
    /// The scenario, where there is one.
    pub scenario: Option<Scripted>,
}

/// Whether the talk goes on.
enum Step {
    On,
    End(Exit),
}

/// Holds the talk until its end.
pub fn chat(opening: Opening, console: &Console) -> Exit {
    let is_attended = console.attended().is_ok();
    let runtime = match asking::runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            console.fatal(format!("cannot start: {error}"));
            return Exit::BadInput;
        }
    };
    let interrupts = match Interrupts::listen(console, is_attended) {
        Ok(interrupts) => interrupts,
        Err(error) => {
            console.fatal(format!("cannot start: {error}"));
            return Exit::BadInput;
        }
    };
    let look = Look { width: console.width(), is_coloured: console.is_coloured(), is_ascii: !console.is_unicode() };
    let asking = Asking { runtime, interrupts, console: console.clone(), look: is_attended.then_some(look) };
    let sessions = Sessions::new();
    let mut session = Session { sessions, opening, asking, look, is_attended, sent: None, next: 0, given: None };
    if is_attended { session.hold() } else { session.read_all(io::stdin().lock()) }
}

struct Session {
    /// With a bot that keeps its history itself.
    sessions: Sessions,
    opening: Opening,
    asking: Asking,
    look: Look,
    /// Whether a person is at a terminal.
    is_attended: bool,
    /// The last request.
    sent: Option<TalkRequest>,
    /// Which of the scenario's user messages comes next.
    next: usize,
    /// What stands on the next line already: a user message of the scenario, which may be edited before it is sent.
    given: Option<Arc<str>>,
}

impl Session {
    /// With a person, line by line.
    fn hold(&mut self) -> Exit {
        let mut editor = match LineEditor::new(self.look) {
            Ok(editor) => editor,
            Err(error) => {
                self.console().fatal(format!("the terminal cannot be used: {error}"));
                return Exit::BadInput;
            }
        };
        self.greet();
        let mut is_leaving = false;
        loop {
            self.look.width = self.console().width();
            self.asking.look = Some(self.look);
            let given = self.given.clone().unwrap_or_default();
            let scripted = self.line().filter(|line| line.is_typed()).map(|line| line.user.to_string());
            let typed = match editor.read(&given, scripted) {
                Ok(typed) => typed,
                Err(error) => {
                    self.console().fatal(format!("the terminal cannot be read: {error}"));
                    return Exit::BadInput;
                }
            };
            match typed {
                Typed::End => return Exit::Passed,
                Typed::Interrupted { was_empty: true } if is_leaving => return Exit::Interrupted,
                Typed::Interrupted { was_empty } => {
                    self.given = None;
                    is_leaving = was_empty;
                    if was_empty {
                        self.aside("Ctrl-C once more ends the talk; Ctrl-D does so too");
                    }
                }
                Typed::NoText => {
                    (self.given, is_leaving) = (None, false);
                    self.aside("the line is dropped: it had bytes that are no UTF-8 text");
                }
                Typed::Text(text) => {
                    is_leaving = false;
                    if let Step::End(exit) = self.take(&text) {
                        return exit;
                    }
                }
            }
        }
    }

    /// Does what was typed.
    fn take(&mut self, text: &str) -> Step {
        let given = self.given.take();
        match entry::read(text) {
            Err(Wrong { message, help }) => self.wrong(&message, Some(&help), Exit::BadInput),
            Ok(Entry::Nothing) => Step::On,
            Ok(Entry::Say(message)) => {
                let is_scripted = given.is_some() || self.line().is_some_and(|line| *line.user == *message);
                self.say(&message, is_scripted)
            }
            Ok(Entry::Command(command)) => self.command(command),
        }
    }

    fn command(&mut self, command: Command) -> Step {
        match command {
            Command::Quit => return Step::End(Exit::Passed),
            Command::Help => screen::help().iter().for_each(|line| self.told(line)),
            Command::Window(None) => self.told(&format!("window {}", self.setting().window)),
            Command::Window(Some(window)) => return self.window(window),
            Command::Persona(None) => self.personas(),
            Command::Persona(Some(asked)) => return self.persona(&asked),
            Command::Model(None) => self.told(&format!("model {}", self.setting().model)),
            Command::Model(Some(name)) => return self.model(&name),
            Command::Fact(name, value) => {
                self.opening.talk.state(&name, &value);
                self.told(&format!("fact {name}: {value}"));
            }
            Command::Facts => return self.facts(),
            Command::Sent => match &self.sent {
                Some(sent) => {
                    let text = screen::sent(sent, self.look);
                    self.print_aside(&text);
                }
                None => self.told("nothing was sent yet"),
            },
            Command::Script => return self.script(),
            Command::Undo => return self.undo(),
            Command::Reset => {
                self.opening.talk.reset();
                self.sessions.end();
                (self.next, self.sent) = (0, None);
                let is_bot = self.opening.talk.memory.is_own();
                self.told(if is_bot { NEW_SESSION } else { "the history is as it was at the beginning" });
            }
            Command::Save { file, force } => return self.save(&file, force),
        }
        Step::On
    }

    /// Takes the last exchange back, where it is ours alone to forget.
    fn undo(&mut self) -> Step {
        if self.opening.talk.memory.is_own() && !self.opening.talk.said().is_empty() {
            let message = format!("what `{}` has heard cannot be taken back", self.setting().model);
            return self.wrong(&message, Some("`/reset` begins a new session"), Exit::BadInput);
        }
        match self.opening.talk.undo() {
            Some(said) => {
                self.next = said.scripted.unwrap_or(self.next);
                self.told(&format!("turn {} is out of the history", self.opening.talk.said().len() + 1));
            }
            None => self.told("nothing was said that could be taken back"),
        }
        Step::On
    }

    /// Sends a message and takes the reply in.
    fn say(&mut self, user: &str, is_scripted: bool) -> Step {
        let is_bot = self.opening.talk.memory.is_own();
        if is_bot && !self.sessions.is_open() && !self.opening.talk.said().is_empty() {
            self.opening.talk.reset();
            self.aside(&format!("– {NEW_SESSION}"));
        }
        let tokenizer = self.opening.model.tokenizer;
        let request = match self.opening.talk.request(user, tokenizer) {
            Ok(request) => request,
            Err(too_long) => {
                return self.wrong(&format!("not sent: {too_long}"), Some("`/window` chooses another"), Exit::Errored);
            }
        };
        let reply = match self.ask(&request) {
            Answer::Reply(reply) => reply,
            Answer::Stopped if is_bot => {
                self.sessions.end();
                self.hang_up();
                self.next = 0;
                self.aside(&format!("– stopped: {}", bot::over(&self.opening.talk)));
                return Step::On;
            }
            Answer::Stopped => {
                self.hang_up();
                self.aside("– stopped: neither this half of a reply nor your message is in the history");
                return Step::On;
            }
            Answer::Failed(error) => return self.failed(&error, user),
        };
        if !self.is_attended {
            self.console().line(&no_command(&visible(&reply.reply.text)));
        }
        let standings = self.opening.talk.standings(&request, &reply.reply);
        let took = screen::after(&reply, &request, &standings, self.opening.model.price);
        took.iter().filter(|parts| !parts.is_empty()).for_each(|parts| self.remark(&self.look.dim_parts(parts)));
        self.sent = Some(request);
        let scripted = is_scripted.then_some(self.next);
        self.next += usize::from(is_scripted);
        let (user, setting) = (user.into(), self.setting().clone());
        self.opening.talk.join(Said { user, reply: reply.reply, setting, is_canned: false, scripted, standings });
        Step::On
    }

    /// Asks the model, or tells the bot the message in its session.
    fn ask(&mut self, request: &TalkRequest) -> Answer {
        let Opening { talk, model, params, stream, .. } = &self.opening;
        let params = model.params(params);
        let said = request.messages.last().filter(|_| request.keeps_history);
        let session = said.and_then(|message| Some((message, self.sessions.go_on(&*model.chat)?)));
        let question = if let Some((message, session)) = session {
            let system = Some(&*talk.setting.system).filter(|system| !system.is_empty());
            let turn = u32::try_from(talk.said().len()).map_or(u32::MAX, |said| said.saturating_add(1));
            Question::Bot(session, provider::Said { system, user: &message.content, turn, stream: *stream })
        } else {
            let (messages, facts) = (request.messages.as_slice(), talk.facts());
            Question::Model(&*model.chat, ChatRequest { messages, params: &params, stream: *stream, facts })
        };
        self.asking.ask(question)
    }

    /// Says why there is no reply, and what becomes of the talk.
    fn failed(&mut self, error: &CallError, user: &str) -> Step {
        let mut help = Vec::new();
        if matches!(error, CallError::Unsendable(_)) {
            let tokenizer = self.opening.model.tokenizer;
            let window = self.opening.talk.alternating(user, tokenizer);
            let other = |window| format!("`/window {window}` sends a list that it takes");
            help.push(window.map_or_else(|| "`/reset` takes all exchanges out of the history".to_owned(), other));
        }
        let is_bot = self.opening.talk.memory.is_own();
        // A pipe ends with it.
        if self.is_attended {
            let of_bot = || format!("{}; arrow up brings yours back", bot::over(&self.opening.talk));
            let back = || "your message is not in the history; arrow up brings it back".to_owned();
            help.push(if is_bot { of_bot() } else { back() });
        }
        if is_bot {
            self.sessions.end();
            self.next = 0;
        }
        let help = help.join("; ");
        self.wrong(&error.to_string(), Some(&*help).filter(|help| !help.is_empty()), Exit::Errored)
    }

    /// The scenario's next user message.
    fn script(&mut self) -> Step {
        let Some(line) = self.line() else {
            let message = match &self.opening.scenario {
                Some(scenario) => format!("the scenario `{}` has no further user message", scenario.name),
                None => "this talk has no scenario".to_owned(),
            };
            return self.wrong(&message, None, Exit::BadInput);
        };
        if line.is_open {
            let message =
                "the scenario's next user message has what an earlier reply is to give, and nothing is captured here";
            return self.wrong(message, Some("write it yourself"), Exit::BadInput);
        }
        let user = Arc::clone(&line.user);
        if let Some(reply) = line.reply.clone() {
            if self.opening.talk.memory.is_own() {
                self.print_aside(&self.look.message(&user));
                let name = &self.setting().model;
                let message = format!("a canned reply cannot be given to `{name}`, which keeps its history itself");
                return self.wrong(&message, Some("say its message yourself: the bot answers it"), Exit::BadInput);
            }
            let (scripted, setting) = (Some(self.next), self.setting().clone());
            self.print_aside(&format!("{}\n{}", self.look.message(&user), self.look.message(&reply)));
            self.aside("a canned reply: nobody was asked");
            let reply = Reply { text: reply.to_string(), finish_reason: None };
            self.opening.talk.join(Said { user, reply, setting, is_canned: true, scripted, standings: Vec::new() });
            self.next += 1;
            return Step::On;
        }
        if self.is_attended && line.is_typed() {
            self.given = Some(user);
            return Step::On;
        }
        // The line editor would show it as it is, and the terminal obey it.
        self.print_aside(&self.look.message(&user));
        self.say(&user, true)
    }

    fn facts(&mut self) -> Step {
        let tokenizer = self.opening.model.tokenizer;
        if self.opening.talk.facts().is_empty() {
            self.told("no facts; `/fact name=value` adds one");
            return Step::On;
        }
        match self.opening.talk.request("", tokenizer) {
            Ok(request) => {
                let now = self.opening.talk.standings(&request, &Reply::default());
                for line in screen::facts(&self.opening.talk, &now) {
                    self.told(&line);
                }
                Step::On
            }
            Err(too_long) => self.wrong(&too_long.to_string(), Some("`/window` chooses another"), Exit::Errored),
        }
    }

    fn save(&self, file: &Path, force: bool) -> Step {
        let talk = &self.opening.talk;
        if talk.said().is_empty() {
            return self.wrong("nothing was said that could be saved", None, Exit::BadInput);
        }
        let file = if file.extension().is_none() { file.with_extension("yaml") } else { file.to_owned() };
        let stem = slug(&file.file_stem().unwrap_or_default().to_string_lossy());
        let name = if stem.is_empty() { "talk" } else { &stem };
        let stream = self.opening.scenario.as_ref().is_some_and(|scenario| scenario.stream);
        let text = save::scenario(talk, Frame { name, params: &self.opening.params, stream });
        let source = Arc::new(SourceFile { path: file.display().to_string(), text });
        let (scenario, wrong) = load(&source, name, &sources::beside(Path::new("")));
        let wrong = match scenario {
            Some(scenario) => unplayable(scenario, &self.opening.config),
            None => wrong.into_iter().next(),
        };
        if let Some(Diagnostic { message, help, .. }) = wrong {
            let message = format!("this talk cannot be played as a scenario: {message}");
            return self.wrong(&message, help.as_deref(), Exit::NotWritten);
        }
        let (folder, file_name) = (file.parent().unwrap_or(Path::new("")), file.file_name().unwrap_or_default());
        let mut staged = Staged::new(if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
        let written = staged.write(&file_name.to_string_lossy(), &source.text).and_then(|()| staged.publish(force));
        match written {
            Ok(_) => {
                let (turns, file) = (talk.said().len(), shown(&file));
                let word = if turns == 1 { "turn" } else { "turns" };
                self.told(&format!("saved {turns} {word} as {file}; next: chat-eval check {file}"));
                Step::On
            }
            Err(NotStaged::Taken(_)) => {
                let message = format!("`{}` is there already; nothing was written", file.display());
                self.wrong(&message, Some("`--force` behind the file replaces it"), Exit::BadInput)
            }
            Err(NotStaged::Failed(place, error)) => {
                self.wrong(&format!("cannot write `{}`: {error}", place.display()), None, Exit::NotWritten)
            }
        }
    }

    /// Says with whom the talk is, and what was said before it.
    fn greet(&self) {
        let scenario = self.opening.scenario.as_ref();
        let (name, variants) =
            (scenario.map(|scenario| scenario.name.as_str()), scenario.map_or(1, |known| known.variants));
        self.console().line(&screen::opening(&self.opening.talk, name));
        if variants > 1 {
            let others = "--persona, --model, --window, --case and --var name another";
            self.aside(&format!("the first of {variants} variants; {others}"));
        }
        self.aside("/help lists the commands, Ctrl-D ends the talk");
        for message in self.opening.talk.before() {
            self.aside(&format!("{} · {}", message.origin, message.role));
            self.console().line(&self.look.message(&message.content));
        }
    }

    /// The scenario's next user message.
    fn line(&self) -> Option<&Line> {
        self.opening.scenario.as_ref()?.lines.get(self.next)
    }

    fn setting(&self) -> &Setting {
        &self.opening.talk.setting
    }

    fn console(&self) -> &Console {
        &self.asking.console
    }

    /// What a command was asked for.
    fn told(&self, text: &str) {
        self.print_aside(&self.look.dim(&visible(text)));
    }

    /// A remark below a reply. Through a pipe it is left out where that is asked.
    fn aside(&self, text: &str) {
        self.remark(&self.look.dim(&visible(text)));
    }

    fn remark(&self, text: &str) {
        if self.is_attended { self.console().line(text) } else { self.console().remark(text) }
    }

    /// Whatever is no reply. In a pipe replies alone go to standard output.
    fn print_aside(&self, text: &str) {
        if self.is_attended { self.console().line(text) } else { self.console().error(text) }
    }

    /// Says what is wrong. A person may try again; a pipe ends with this code.
    fn wrong(&self, message: &str, help: Option<&str>, exit: Exit) -> Step {
        if self.is_attended {
            self.console().line(&self.look.problem(message, help));
            return Step::On;
        }
        self.console().fatal(message);
        if let Some(help) = help {
            self.console().error(&format!("help: {help}"));
        }
        Step::End(exit)
    }
}
