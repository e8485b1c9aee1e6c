//! Models behind APIs of their own: Anthropic's messages and Google's Gemini.
//!
//! What differs between them (how a request is written, how an answer or an event of a stream is read) is a [`Format`]; the way
//! through HTTP is that of all providers (`attempt`), and so are retries, gate and budget. Both keep the system prompt apart and
//! want user messages and replies in turn: a request that does not alternate is never sent, and never mended.

mod anthropic;
mod gemini;
mod unsupported;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use eventsource_stream::{EventStreamError, Eventsource};
use futures::Stream;
use futures::future::BoxFuture;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Body, Method, Request, Url};
use serde_json::Value;
use tokio::time::{Instant, timeout};

pub use self::anthropic::{DEFAULT_MAX_TOKENS, unsupported as unsupported_by_anthropic};
pub use self::gemini::unsupported as unsupported_by_gemini;
pub use self::unsupported::Unsupported;
use super::attempt::{
    ApiSettings, Came, Endpoint, ErrorObject, Exchange, Growing, KeyHeader, Next, Patience, Piece, Read, SettingsError,
    come, failure, opened, whole_body,
};
use super::budget::{Fare, Purse};
use super::chat_model::{CallError, ChatModel, ChatReply, ChatRequest, Observer, boxed_in_place};
use super::gate::{Estimate, Gate};
use super::retry::{RetryPolicy, Way, with_retries};
use crate::model::{Message, Source, Usage};
use crate::window::fault;

/// A model of Anthropic's, or of a server that speaks its Messages API.
pub type Anthropic = Native<anthropic::Messages>;

/// A model of Google's Gemini API.
pub type Gemini = Native<gemini::Content>;

/// What an answer, or one event of a streamed one, says of the reply.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    text: String,
    thinking: String,
    /// Why the reply ends, in our words where they have one for it.
    finish_reason: Option<String>,
    /// Whether nothing of the reply follows.
    is_end: bool,
}

/// How one service is asked and answers. A value of it reads one answer.
trait Format: Default + Send {
    /// Its name.
    const NAME: &'static str;
    /// The header that it takes keys in.
    const KEY: &'static str;
    /// What else it wants in the header.
    const HEADERS: &'static [(&'static str, &'static str)];
    /// What is missing where an answer is none.
    const NO_REPLY: &'static str;
    /// What is missing where a stream ends early.
    const NO_END: &'static str;

    /// The path of a request below the base URL, and what goes into its query.
    fn path(base: &str, model: &str, is_stream: bool) -> (String, &'static str);

    /// The body of a request.
    fn body(model: &str, request: &ChatRequest<'_>) -> Value;

    /// What a whole answer says; `None` where it is no reply.
    fn whole(&mut self, answer: &Value) -> Option<Said>;

    /// What one event of a stream says.
    fn event(&mut self, event: &Value) -> Said;

    /// The token counts so far, where they are known.
    fn usage(&self) -> Option<Usage>;

    /// The model that the service says it is.
    fn model(&mut self) -> Option<String>;
}

/// A model behind an API of its own.
pub struct Native<F> {
    http: reqwest::Client,
    endpoint: Arc<Endpoint>,
    model: String,
    timeout: Duration,
    retry: RetryPolicy,
    gate: Arc<Gate>,
    purse: Option<Purse>,
    format: PhantomData<fn() -> F>,
}

#[expect(private_bounds, reason = "only the formats of this room are meant")]
impl<F: Format> Native<F> {
    /// A model that is reached through `http`, which [`http_client`](super::http_client) makes and all models share.
    ///
    /// # Errors
    /// When the base URL or the key cannot be used, or the key would be sent where it could be read.
    pub fn new(settings: ApiSettings, http: &reqwest::Client) -> Result<Self, SettingsError> {
        let ApiSettings { base_url, model, api_key, timeout, retry, gate, purse } = settings;
        let endpoint = Arc::new(Endpoint::new(&base_url, api_key.as_ref(), KeyHeader::Named(F::KEY))?);
        let native = Self { http: http.clone(), endpoint, model, timeout, retry, gate, purse, format: PhantomData };
        native.url(false).map_err(|reason| SettingsError::BaseUrl { base_url, reason })?;
        Ok(native)
    }

    /// Where requests go.
    fn url(&self, is_stream: bool) -> Result<Url, String> {
        let (path, query) = F::path(self.endpoint.base(), &self.model, is_stream);
        let mut url = Url::parse(&self.endpoint.url(&path)).map_err(|error| error.to_string())?;
        let own = self.endpoint.query();
        if !own.is_empty() {
            url.query_pairs_mut().extend_pairs(own);
        }
        if let Some((name, value)) = query.split_once('=') {
            url.query_pairs_mut().append_pair(name, value);
        }
        Ok(url)
    }

    fn request(&self, request: &ChatRequest<'_>) -> Result<Request, CallError> {
        let mut sent = Request::new(Method::POST, self.url(request.stream).map_err(CallError::Malformed)?);
        let mut headers: HeaderMap = self.endpoint.headers();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in F::HEADERS {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        *sent.headers_mut() = headers;
        *sent.body_mut() = Some(Body::from(F::body(&self.model, request).to_string()));
        Ok(sent)
    }

    /// One try.
    async fn attempt(&self, request: ChatRequest<'_>, observer: &dyn Observer) -> Result<ChatReply, CallError> {
        let exchange = Arc::new(Exchange::new(&self.endpoint, request.stream));
        let result = if request.stream {
            self.streamed(request, &exchange, observer).await
        } else {
            self.whole(request, &exchange).await
        };
        result
            .map(|read| read.masked(&self.endpoint).into_reply())
            .map_err(|error| failure::polish(error, exchange.request_id(), &|text| self.endpoint.mask(text.to_owned())))
    }

    async fn whole(&self, request: ChatRequest<'_>, exchange: &Exchange) -> Result<Read, CallError> {
        let sent = self.request(&request)?;
        let started = Instant::now();
        let answered = async {
            let response = opened(&self.http, exchange, sent).await?;
            whole_body(response, &self.endpoint).await
        };
        let body = self.in_time(answered).await?;
        let latency = started.elapsed();
        read_whole::<F>(&body, exchange).map(|read| Read { latency: Some(latency), ..read })
    }

    async fn streamed(
        &self,
        request: ChatRequest<'_>,
        exchange: &Arc<Exchange>,
        observer: &dyn Observer,
    ) -> Result<Read, CallError> {
        let sent = self.request(&request)?;
        let started = Instant::now();
        let begun = async {
            let response = opened(&self.http, exchange, sent).await?;
            come(response, exchange).await
        };
        let growing = Growing::new(started, observer, exchange);
        match self.in_time(begun).await? {
            Came::Lines(lines) => {
                collect::<F>(Box::pin(lines), growing, exchange, Patience::new(self.timeout, started)).await
            }
            Came::Whole(body) => {
                let read = read_whole::<F>(&body, exchange)?;
                let mut growing = growing;
                growing.say(&read.text);
                growing.end(read.finish_reason);
                let shown = growing.whole();
                Ok(Read { thinking: read.thinking, usage: read.usage, model: read.model, ..shown })
            }
        }
    }

    async fn in_time<T>(&self, answer: impl Future<Output = Result<T, CallError>>) -> Result<T, CallError> {
        timeout(self.timeout, answer).await.unwrap_or_else(|_| Err(failure::no_answer(self.timeout)))
    }
}

/// Reads a whole answer.
fn read_whole<F: Format>(body: &[u8], exchange: &Exchange) -> Result<Read, CallError> {
    let text = || String::from_utf8_lossy(body);
    let answer: Value =
        serde_json::from_slice(body).map_err(|_| exchange.malformed("the answer is not JSON", &text()))?;
    if let Some(error) = ErrorObject::in_answer(&answer) {
        return Err(failure::of_error_object(&error));
    }
    let mut format = F::default();
    let Some(Said { text: said, thinking, finish_reason, .. }) = format.whole(&answer) else {
        return Err(exchange.malformed(F::NO_REPLY, &text()));
    };
    let (usage, model) = (format.usage(), format.model());
    Ok(Read { text: said, thinking, finish_reason, usage, model, ..Read::default() })
}

/// Collects a stream to its end. Whatever is there when it breaks is thrown away.
async fn collect<F: Format>(
    lines: impl Stream<Item = Piece> + Unpin,
    mut growing: Growing<'_>,
    exchange: &Exchange,
    mut patience: Patience,
) -> Result<Read, CallError> {
    let mut events = lines.eventsource();
    let mut format = F::default();
    let mut is_end = false;
    while let Next::Piece(event) = patience.next(&mut events).await? {
        let data = match event {
            Ok(event) if event.data.trim().is_empty() => continue,
            Ok(event) => event.data,
            Err(_) if is_end => break,
            Err(error) => return Err(broken(&error, exchange)),
        };
        let Ok(event) = serde_json::from_str::<Value>(&data) else {
            return Err(exchange.malformed("a chunk of the stream is not JSON", &data));
        };
        if let Some(error) = ErrorObject::in_answer(&event) {
            return Err(failure::of_error_object(&error));
        }
        let said = format.event(&event);
        growing.read.thinking.push_str(&said.thinking);
        growing.say(&said.text);
        growing.end(said.finish_reason);
        if said.is_end {
            is_end = true;
            patience.finished();
        }
    }
    if !is_end {
        return Err(exchange.broken().unwrap_or_else(|| CallError::Malformed(F::NO_END.to_owned())));
    }
    (growing.read.usage, growing.read.model) = (format.usage(), format.model());
    Ok(growing.whole())
}

fn broken<E: fmt::Display>(error: &EventStreamError<E>, exchange: &Exchange) -> CallError {
    exchange.broken().unwrap_or_else(|| CallError::Malformed(format!("the stream cannot be read: {error}")))
}

impl<F> fmt::Debug for Native<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Native")
            .field("base_url", &self.endpoint.base())
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

impl<F: Format> ChatModel for Native<F> {
    fn source(&self) -> Source {
        Source::Live
    }

    fn stop_waiting(&self) {
        self.gate.abandon();
    }

    fn chat<'a>(
        &'a self,
        request: ChatRequest<'a>,
        observer: &'a dyn Observer,
    ) -> BoxFuture<'a, Result<ChatReply, CallError>> {
        boxed_in_place(move || async move {
            if let Some(why) = unsendable(request.messages) {
                return Err(CallError::Unsendable(format!("not sent: {why}, and {} takes no such list", F::NAME)));
            }
            let fare = self.purse.as_ref().map_or_else(Fare::free, |purse| purse.fare(&request));
            let way = Way { gate: &self.gate, fare: &fare, call: Estimate::of(&request) };
            with_retries(self.retry, way, observer, || self.attempt(request, observer)).await
        })
    }
}

/// Why a service whose messages must alternate would not take these.
fn unsendable(messages: &[Message]) -> Option<String> {
    let (at, fault) = fault(messages.iter().map(|message| (message.role, Some(&*message.content))), true)?;
    Some(fault.in_words(&messages.iter().collect::<Vec<_>>(), at))
}

/// A token count, where it is one that a call can have.
fn count(usage: &Value, name: &str) -> Option<u64> {
    super::attempt::count(usage[name].as_u64())
}
