//! A bot that is a program and keeps its history itself: one process a talk, JSON lines on its standard input and output
//! (`protocol.rs`, `process.rs`).
//!
//! Nothing is tried again: a program of this machine that fails would fail again, and one that has heard a message must not hear
//! it twice.

mod process;
mod protocol;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use secrecy::SecretString;
use tokio::sync::Mutex;
use tokio::time::Instant;

use self::process::Process;
use self::protocol::{End, Line, line_of};
use super::attempt::failure;
use super::budget::Fare;
use super::chat_model::{CallError, ChatModel, ChatReply, ChatRequest, Observer};
use super::gate::Gate;
use super::retry::{RetryPolicy, Way, with_retries};
use super::secrets::{MaskedPieces, Secrets};
use super::session::{Said, Session, one_at_a_time};
use crate::model::{Reply, Source};
use crate::text::escape;

/// How much of what a program says went wrong is quoted, in characters.
const QUOTED: usize = 200;

/// How a program is started, and what its talks share.
#[derive(Debug, Clone)]
pub struct CommandSettings {
    /// The program and its arguments.
    pub program: Vec<String>,
    /// The folder in which it runs.
    pub folder: PathBuf,
    /// The variables that it gets beside the few that every program gets.
    pub variables: Vec<(String, SecretString)>,
    /// What is shown nowhere.
    pub secrets: Vec<SecretString>,
    /// The longest that it may take for one turn.
    pub timeout: Duration,
    /// What stands before every turn.
    pub gate: Arc<Gate>,
}

/// A bot that is a program.
#[derive(Debug)]
pub struct CommandBot(Arc<Bot>);

#[derive(Debug)]
struct Bot {
    settings: CommandSettings,
    secrets: Secrets,
}

impl CommandBot {
    /// A bot that is started anew for each talk.
    #[must_use]
    pub fn new(settings: CommandSettings) -> Self {
        let secrets = Secrets::new(&settings.secrets);
        Self(Arc::new(Bot { settings, secrets }))
    }
}

impl ChatModel for CommandBot {
    fn source(&self) -> Source {
        Source::Live
    }

    fn keeps_history(&self) -> bool {
        true
    }

    fn session(&self, id: &str) -> Option<Box<dyn Session>> {
        Some(Box::new(Talk { bot: Arc::clone(&self.0), id: id.to_owned(), process: Mutex::default() }))
    }

    fn stop_waiting(&self) {
        self.0.settings.gate.abandon();
    }

    fn chat<'a>(
        &'a self,
        _request: ChatRequest<'a>,
        _observer: &'a dyn Observer,
    ) -> BoxFuture<'a, Result<ChatReply, CallError>> {
        std::future::ready(Err(one_at_a_time())).boxed()
    }
}

/// A talk: the process begins with the first message, and ends with the talk.
struct Talk {
    bot: Arc<Bot>,
    id: String,
    process: Mutex<Option<Process>>,
}

impl Talk {
    async fn attempt(&self, said: Said<'_>, observer: &dyn Observer) -> Result<ChatReply, CallError> {
        let mut process = self.process.lock().await;
        match self.talk(&mut process, said, observer).await {
            Ok(reply) => Ok(reply),
            Err(failed) => Err(self.failed(process.take(), failed).await),
        }
    }

    /// Ends a program that did what it must not: what comes later would answer what nobody asked any more.
    async fn failed(&self, process: Option<Process>, failed: String) -> CallError {
        let last_words = match process {
            Some(process) => process.last_words(&self.bot.secrets).await,
            None => String::new(),
        };
        let is_silent = last_words.is_empty() || last_words == "\"\"";
        let message = if is_silent { failed } else { format!("{failed}; its last words: {last_words}") };
        let error = CallError::NotAgain { status: None, message };
        failure::polish(error, None, &|text| self.bot.secrets.mask(text.to_owned()))
    }

    /// One turn; an error is told in words.
    async fn talk(
        &self,
        process: &mut Option<Process>,
        said: Said<'_>,
        observer: &dyn Observer,
    ) -> Result<ChatReply, String> {
        let Bot { settings, secrets } = &*self.bot;
        let process = match process {
            Some(process) => process,
            none if said.turn == 1 => {
                let started = Process::start(&settings.program, &settings.folder, &settings.variables)?;
                none.insert(started)
            }
            None => return Err("the program of this talk has ended".to_owned()),
        };
        process.is_quiet(secrets).await?;
        let started = Instant::now();
        let mut growing = Growing::new(secrets, observer, started);
        let turn = async {
            process.tell(&line_of(&said, &self.id)).await?;
            loop {
                let line = process.answer().await?;
                match Line::read(&line, said.turn, secrets).map_err(|why| format!("the program {why}"))? {
                    Line::Delta(piece) => growing.push(&piece),
                    Line::Reply(..) if growing.has_begun => {
                        return Err("the program wrote a whole `reply` behind pieces of one".to_owned());
                    }
                    Line::Reply(text, end) => {
                        growing.push_whole(&text);
                        return Ok(end);
                    }
                    Line::Done(end) => return Ok(end),
                    Line::Error(why) => {
                        return Err(format!("the program says: {}", escape::quote(&secrets.mask(why), QUOTED)));
                    }
                }
            }
        };
        let ended = tokio::time::timeout(settings.timeout, turn).await;
        let end = ended.map_err(|_| {
            let time = failure::seconds(settings.timeout);
            format!("the program took longer than {time} for one turn and was ended (an answer that stays in a buffer is none: `print(…, flush=True)`)")
        })??;
        Ok(growing.finish(end))
    }
}

impl Session for Talk {
    fn say<'a>(&'a self, said: Said<'a>, observer: &'a dyn Observer) -> BoxFuture<'a, Result<ChatReply, CallError>> {
        async move {
            let once = RetryPolicy { retries: 0, ..RetryPolicy::default() };
            let way = Way { gate: &self.bot.settings.gate, fare: &Fare::free(), call: said.weight() };
            with_retries(once, way, observer, || self.attempt(said, observer)).await
        }
        .boxed()
    }

    fn finish(&self) -> BoxFuture<'_, Result<(), CallError>> {
        async move {
            let Some(mut process) = self.process.lock().await.take() else { return Ok(()) };
            match process.finish(&self.bot.secrets).await {
                Ok(()) => Ok(()),
                Err(failed) => Err(self.failed(Some(process), failed).await),
            }
        }
        .boxed()
    }
}

/// A reply as far as it came.
struct Growing<'t> {
    observer: &'t dyn Observer,
    secrets: &'t Secrets,
    masked: MaskedPieces<'t>,
    started: Instant,
    ttft: Option<Duration>,
    text: String,
    chunks: Vec<u32>,
    has_begun: bool,
}

impl<'t> Growing<'t> {
    fn new(secrets: &'t Secrets, observer: &'t dyn Observer, started: Instant) -> Self {
        let masked = MaskedPieces::new(secrets);
        let (text, chunks) = (String::new(), Vec::new());
        Self { observer, secrets, masked, started, ttft: None, text, chunks, has_begun: false }
    }

    fn push(&mut self, piece: &str) {
        self.has_begun = true;
        if piece.is_empty() {
            return;
        }
        self.ttft.get_or_insert_with(|| self.started.elapsed());
        let piece = self.masked.push(piece);
        self.show(&piece);
    }

    /// A reply that came whole has no first piece to be timed.
    fn push_whole(&mut self, text: &str) {
        self.text = self.secrets.mask(text.to_owned());
    }

    fn show(&mut self, piece: &str) {
        if !piece.is_empty() {
            self.text.push_str(piece);
            self.chunks.push(u32::try_from(piece.len()).unwrap_or(u32::MAX));
            self.observer.delta(piece);
        }
    }

    fn finish(mut self, end: End) -> ChatReply {
        let held = self.masked.finish();
        self.show(&held);
        ChatReply {
            reply: Reply { text: self.text, finish_reason: end.finish_reason.map(|reason| self.secrets.mask(reason)) },
            chunks: self.chunks,
            thinking: None,
            usage: end.usage,
            latency: self.started.elapsed(),
            ttft: self.ttft,
            model_reported: None,
            fingerprint: None,
            attempts: 1,
            reserved_usd: None,
        }
    }
}
