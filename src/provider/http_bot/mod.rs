//! A bot behind a URL that keeps its history itself: it is told one message after another, each with the id of its session.
//!
//! What is sent is a template (`template.rs`), how an answer is read is said by JSON paths (`answer.rs`). A message that may have
//! been taken is not sent again, for the bot would have heard it twice: what is tried again is a first message, in a new session,
//! and any message where no connection came about or the bot says by 429 or 503 with `Retry-After` that it did not take it.

mod answer;
mod events;
mod template;

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

pub use self::answer::{Mark, Pieces, ReplyAt, SessionAt, SessionPlace, StreamAt, UsageAt};
use self::answer::{Read, Reading};
pub use self::template::{Place, Template, TemplateError, Tree, Values};
use super::attempt::failure;
use super::budget::Fare;
use super::chat_model::{CallError, ChatModel, ChatReply, ChatRequest, Observer};
use super::gate::Gate;
use super::retry::{RetryPolicy, Way, with_retries};
use super::secrets::Secrets;
use super::session::{Said, Session, one_at_a_time};
use crate::model::{ConversationId, JsonPath, Source};

/// What the config says of such a bot.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpBotConfig {
    /// Where messages go.
    pub url: Template,
    /// By which method.
    pub method: String,
    /// Headers, whose values may name variables of the environment.
    pub headers: Vec<(String, Template)>,
    /// The body; none with a method that has none.
    pub body: Option<Tree>,
    /// Where the reply is in an answer.
    pub reply: ReplyAt,
    /// Where the first answer says the session's id; `None` where we say it.
    pub session: Option<SessionAt>,
    /// How a streamed answer is read; `None` where none is.
    pub stream: Option<StreamAt>,
    /// Where it is said why the reply ended.
    pub finish_reason: Option<JsonPath>,
    /// Where the tokens are said.
    pub usage: Option<UsageAt>,
}

impl HttpBotConfig {
    /// Whether a place stands anywhere in a request.
    #[must_use]
    pub fn has(&self, place: Place) -> bool {
        let headers = self.headers.iter().any(|(_, value)| value.has(place));
        headers || self.url.has(place) || self.body.as_ref().is_some_and(|body| body.has(place))
    }
}

/// Where a bot is, and what its calls share with others.
#[derive(Debug, Clone)]
pub struct HttpBotSettings {
    /// What the config says.
    pub config: HttpBotConfig,
    /// The values of the variables that its headers name.
    pub variables: Vec<(String, SecretString)>,
    /// The longest wait for an answer; of a stream, between two pieces, and a tenth of the longest that it may take.
    pub timeout: Duration,
    /// When and how often a failed try is followed by another.
    pub retry: RetryPolicy,
    /// What stands before every try.
    pub gate: Arc<Gate>,
}

/// Why a bot cannot be called as it is configured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpBotError {
    /// The URL is none that messages can go to.
    #[error("`{url}` is no URL of a bot: {reason}")]
    Url {
        /// The URL as it was written.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The URL has a secret in it, which would be shown.
    #[error("the URL has a user name or password in it; keys come from the environment, in `headers`")]
    PasswordInUrl,
    /// A key would travel readable through a network.
    #[error("values of the environment are sent only to https and to loopback addresses, and `{0}` is neither")]
    KeyInTheClear(String),
    /// A header that HTTP cannot send.
    #[error("the header `{0}` cannot be sent: its name or its value has characters that no header can carry")]
    Header(String),
    /// A method that is none.
    #[error("`{0}` is no HTTP method")]
    Method(String),
}

/// A bot behind a URL.
pub struct HttpBot(Arc<Bot>);

struct Bot {
    http: reqwest::Client,
    config: HttpBotConfig,
    method: Method,
    variables: Vec<(String, SecretString)>,
    secrets: Secrets,
    /// The URL as messages name it.
    shown: String,
    timeout: Duration,
    retry: RetryPolicy,
    gate: Arc<Gate>,
}

impl fmt::Debug for HttpBot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpBot").field("url", &self.0.shown).finish_non_exhaustive()
    }
}

impl HttpBot {
    /// A bot that is reached through `http`.
    ///
    /// # Errors
    /// When its URL or a header cannot be used, or a value of the environment would be sent where it could be read.
    pub fn new(settings: HttpBotSettings, http: &reqwest::Client) -> Result<Self, HttpBotError> {
        let HttpBotSettings { config, variables, timeout, retry, gate } = settings;
        let method = Method::from_bytes(config.method.as_bytes());
        let method = method.map_err(|_| HttpBotError::Method(config.method.clone()))?;
        let secrets = Secrets::new(variables.iter().map(|(_, value)| value));
        let shown = config.url.as_str().split(['?', '#']).next().unwrap_or_default().to_owned();
        let http = http.clone();
        let bot = Bot { http, config, method, variables, secrets, shown, timeout, retry, gate };
        let values = Values { message: "m", session: &Value::from("s"), turn: 1, system: None, stream: false };
        let url = bot.url(&values)?;
        if !bot.variables.is_empty() && url.scheme() != "https" && !is_loopback(&url) {
            return Err(HttpBotError::KeyInTheClear(bot.shown));
        }
        bot.headers(&values)?;
        Ok(Self(Arc::new(bot)))
    }
}

impl Bot {
    fn url(&self, values: &Values<'_>) -> Result<Url, HttpBotError> {
        let invalid = |reason: &str| HttpBotError::Url { url: self.shown.clone(), reason: reason.to_owned() };
        let url = Url::parse(&self.config.url.url(values)).map_err(|error| invalid(&error.to_string()))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(HttpBotError::PasswordInUrl);
        }
        if !matches!(url.scheme(), "http" | "https") {
            return Err(invalid("it must begin with http:// or https://"));
        }
        Ok(url)
    }

    fn headers(&self, values: &Values<'_>) -> Result<HeaderMap, HttpBotError> {
        let variable = |name: &str| {
            let value = self.variables.iter().find(|(known, _)| known == name);
            value.map(|(_, value)| value.expose_secret().to_owned()).unwrap_or_default()
        };
        let mut headers = HeaderMap::new();
        if self.config.body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for (name, template) in &self.config.headers {
            let unsendable = || HttpBotError::Header(name.clone());
            let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unsendable())?;
            let text = template.text(values, &variable);
            // A session that is not known yet is no session.
            if text.is_empty() && template.has(Place::Session) {
                continue;
            }
            let mut value = HeaderValue::from_str(&text).map_err(|_| unsendable())?;
            value.set_sensitive(template.variables().next().is_some());
            headers.insert(header, value);
        }
        Ok(headers)
    }

    /// One try.
    async fn attempt(&self, values: &Values<'_>, observer: &dyn Observer) -> Result<Read, CallError> {
        let unsendable = |error: HttpBotError| CallError::NotAgain { status: None, message: error.to_string() };
        let (url, headers) = (self.url(values).map_err(unsendable)?, self.headers(values).map_err(unsendable)?);
        let mut request = self.http.request(self.method.clone(), url).headers(headers);
        if let Some(body) = &self.config.body {
            request = request.body(body.fill(values).to_string());
        }
        let started = Instant::now();
        let response = tokio::time::timeout(self.timeout, request.send()).await;
        let response = response.map_err(|_| failure::no_answer(self.timeout))?;
        let response = response.map_err(|error| failure::of_transport(&error, &self.shown))?;
        let reading = Reading {
            config: &self.config,
            secrets: &self.secrets,
            shown: &self.shown,
            timeout: self.timeout,
            started,
            observer,
        };
        reading.read(response).await
    }
}

impl ChatModel for HttpBot {
    fn source(&self) -> Source {
        Source::Live
    }

    fn keeps_history(&self) -> bool {
        true
    }

    fn takes_system(&self) -> bool {
        self.0.config.has(Place::System)
    }

    fn session(&self, id: &str) -> Option<Box<dyn Session>> {
        Some(Box::new(Talk { bot: Arc::clone(&self.0), id: id.to_owned(), told: Mutex::default() }))
    }

    fn stop_waiting(&self) {
        self.0.gate.abandon();
    }

    fn chat<'a>(
        &'a self,
        _request: ChatRequest<'a>,
        _observer: &'a dyn Observer,
    ) -> BoxFuture<'a, Result<ChatReply, CallError>> {
        std::future::ready(Err(one_at_a_time())).boxed()
    }
}

/// A talk.
struct Talk {
    bot: Arc<Bot>,
    id: String,
    told: Mutex<Told>,
}

/// How far a talk has come.
#[derive(Debug, Default)]
struct Told {
    /// Messages that have their reply.
    replies: u32,
    /// Tries of the first message: each is a session of its own.
    tries: u32,
    /// The id that goes along with the next message.
    session: Value,
}

impl Talk {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The id that goes along with this try, and whether it is one of the first message.
    fn session(&self) -> (Value, bool) {
        let mut told = self.told();
        let is_first = told.replies == 0;
        if is_first {
            told.tries += 1;
            told.session = match &self.bot.config.session {
                Some(taken) => taken.first.clone(),
                None => nth(&self.id, told.tries).into(),
            };
        }
        (told.session.clone(), is_first)
    }

    async fn attempt(&self, said: Said<'_>, observer: &dyn Observer) -> Result<ChatReply, CallError> {
        let (session, is_first) = self.session();
        let Said { system, user, turn, stream } = said;
        let values = Values { message: user, session: &session, turn, system, stream };
        let mask = |text: &str| self.bot.secrets.mask(text.to_owned());
        let result = self.bot.attempt(&values, observer).await.and_then(|read| {
            let mut told = self.told();
            if is_first && let Some(taken) = &self.bot.config.session {
                told.session = read.session.clone().ok_or_else(|| taken.missing())?;
            }
            told.replies += 1;
            Ok(read.into_reply())
        });
        let result = result.map_err(|error| failure::polish(error, None, &mask));
        if is_first { result } else { result.map_err(unless_declined) }
    }
}

impl Session for Talk {
    fn say<'a>(&'a self, said: Said<'a>, observer: &'a dyn Observer) -> BoxFuture<'a, Result<ChatReply, CallError>> {
        async move {
            let way = Way { gate: &self.bot.gate, fare: &Fare::free(), call: said.weight() };
            with_retries(self.bot.retry, way, observer, || self.attempt(said, observer)).await
        }
        .boxed()
    }
}

/// The id of a session of which a first try failed: the bot may have begun it.
fn nth(id: &str, number: u32) -> String {
    if number <= 1 {
        return id.to_owned();
    }
    let digits = ConversationId(Sha256::digest(format!("{id}/{number}")).into()).to_string();
    // All but its version, which is a character of the id, is made anew.
    let mut digits = digits.chars();
    let anew = |(at, old): (usize, char)| if old == '-' || at == 14 { old } else { digits.next().unwrap_or('0') };
    id.chars().enumerate().map(anew).collect()
}

/// A failed try of a message behind the first, after which the bot may have heard it.
fn unless_declined(error: CallError) -> CallError {
    let is_declined = matches!(error.status(), Some(429 | 503)) && error.retry_after().is_some();
    if is_declined || matches!(error, CallError::Unreachable(_)) || !error.is_transient() {
        return error;
    }
    let message = format!("{error}; the bot may have taken the message, so it is not sent again");
    CallError::NotAgain { status: error.status(), message }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_try_of_a_first_message_has_a_session_of_its_own() {
        let id = "0b5c2d6e-1f3a-8c4d-9e5f-0123456789ab";
        let ids: std::collections::BTreeSet<String> = (1..=5).map(|number| nth(id, number)).collect();
        assert_eq!((ids.len(), nth(id, 1).as_str()), (5, id));
        assert!(ids.iter().all(|id| id.len() == 36 && &id[14..15] == "8" && id.matches('-').count() == 4), "{ids:?}");
    }

    #[test]
    fn what_may_have_been_heard_is_not_said_again() {
        let asked = Some(Duration::from_secs(1));
        let server = |status, retry_after| CallError::Server { status, message: "no".into(), retry_after };
        let limited = |retry_after| CallError::RateLimited { status: 429, message: "no".into(), retry_after };
        for (error, is_again) in [
            (CallError::Unreachable("refused".into()), true),
            (limited(asked), true),
            (server(503, asked), true),
            (limited(None), false),
            (server(503, None), false),
            (server(500, asked), false),
            (CallError::Connection("reset".into()), false),
            (CallError::Malformed("odd".into()), false),
            (CallError::RateLimited { status: 409, message: "no".into(), retry_after: asked }, false),
        ] {
            let status = error.status();
            let left = unless_declined(error);
            assert_eq!((left.is_transient(), left.status()), (is_again, status), "{left}");
            assert_eq!(left.to_string().ends_with("so it is not sent again"), !is_again);
        }
    }
}
