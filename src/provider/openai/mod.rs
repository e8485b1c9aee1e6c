//! Chat completions of OpenAI and of every server that speaks the same format.
//!
//! async-openai makes the request, its URL and its headers; the status, the error texts and the tap on the body are ours
//! (`service.rs`), and replies are read leniently (`wire.rs`). A call is tried again by the rules of [`with_retries`], and
//! no half reply ever leaves this room.

mod config;
mod embedding;
mod halves;
mod service;
mod stream;
mod thinking;
mod usual;
mod wire;

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_openai::Client;
use async_openai::config::Config;
use async_openai::error::OpenAIError;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::time::{Instant, timeout};

use self::thinking::Split;
pub use super::attempt::{ApiSettings as OpenAiSettings, SettingsError, http_client};
use super::attempt::{Endpoint, Exchange, KeyHeader, Read, failure};
use super::budget::{Fare, Purse};
use super::chat_model::{CallError, ChatModel, ChatReply, ChatRequest, Observer, boxed_in_place};
use super::gate::{Estimate, Gate};
use super::retry::{RetryPolicy, Way, with_retries};
use crate::model::{Message, Origin, Params, Role, Source};

/// A model behind an OpenAI-compatible API.
pub struct OpenAi {
    http: reqwest::Client,
    endpoint: Arc<Endpoint>,
    client: Client<Arc<dyn Config>>,
    model: String,
    timeout: Duration,
    retry: RetryPolicy,
    gate: Arc<Gate>,
    purse: Option<Purse>,
}

impl fmt::Debug for OpenAi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAi")
            .field("base_url", &self.endpoint.base())
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

impl OpenAi {
    /// A model that is reached through `http`, which [`http_client`] makes and all models share.
    ///
    /// # Errors
    /// When the base URL or the key cannot be used, or the key would be sent where it could be read.
    pub fn new(settings: OpenAiSettings, http: &reqwest::Client) -> Result<Self, SettingsError> {
        Self::with_key_in(KeyHeader::Bearer, settings, http)
    }

    /// The same at Azure, which takes the key in a header of its own. The base URL leads to the deployment (with
    /// `api-version` in its query), or to `/openai/v1`.
    ///
    /// # Errors
    /// As [`OpenAi::new`].
    pub fn azure(settings: OpenAiSettings, http: &reqwest::Client) -> Result<Self, SettingsError> {
        Self::with_key_in(KeyHeader::Named("api-key"), settings, http)
    }

    fn with_key_in(header: KeyHeader, settings: OpenAiSettings, http: &reqwest::Client) -> Result<Self, SettingsError> {
        let OpenAiSettings { base_url, model, api_key, timeout, retry, gate, purse } = settings;
        let endpoint = Arc::new(Endpoint::new(&base_url, api_key.as_ref(), header)?);
        let config: Arc<dyn Config> = Arc::clone(&endpoint) as Arc<dyn Config>;
        let client = Client::build(http.clone(), config);
        Ok(Self { http: http.clone(), endpoint, client, model, timeout, retry, gate, purse })
    }

    /// One try.
    async fn attempt(&self, request: ChatRequest<'_>, observer: &dyn Observer) -> Result<ChatReply, CallError> {
        let exchange = Arc::new(Exchange::new(&self.endpoint, request.stream));
        let result = if request.stream {
            // Apart, so that a whole reply, which needs half as much room, does not take it.
            boxed_in_place(|| self.streamed(request, &exchange, observer)).await
        } else {
            self.whole(request, &exchange).await
        };
        result
            .map(|read| read.masked(&self.endpoint).into_reply())
            .map_err(|error| failure::polish(error, exchange.request_id(), &|text| self.endpoint.mask(text.to_owned())))
    }

    async fn whole(&self, request: ChatRequest<'_>, exchange: &Arc<Exchange>) -> Result<Read, CallError> {
        let body = wire::RequestBody::new(&self.model, &request);
        let client = self.client(exchange);
        let chat = client.chat();
        let started = Instant::now();
        // The future has some kilobytes, which every wrapper around it would move.
        let answer = pin!(chat.create_byot(body));
        let answer = self.in_time(answer.map(halves::or_mended), exchange).await?;
        let latency = started.elapsed();
        if let Some(error) = &answer.error {
            return Err(failure::of_error_object(error));
        }
        let Some(choice) = answer.choice else {
            return Err(exchange.malformed("the answer has no choices", &answer.whole.to_string()));
        };
        let mut split = Split::new();
        let mut text = split.push(&choice.text);
        let (rest, thought) = split.finish();
        text.push_str(&rest);
        let mut read = Read {
            text,
            chunks: Vec::new(),
            thinking: choice.thinking,
            finish_reason: choice.finish_reason,
            usage: answer.usage,
            model: answer.model,
            fingerprint: answer.fingerprint,
            ttft: None,
            latency: Some(latency),
        };
        read.add_thought(thought);
        Ok(read)
    }

    async fn streamed(
        &self,
        request: ChatRequest<'_>,
        exchange: &Arc<Exchange>,
        observer: &dyn Observer,
    ) -> Result<Read, CallError> {
        let body = wire::RequestBody::new(&self.model, &request);
        let client = self.client(exchange);
        let chat = client.chat();
        let started = Instant::now();
        let chunks = {
            // In a block of its own: it would take its room as long as the stream is read.
            let answer = pin!(chat.create_stream_byot(body));
            self.in_time(answer, exchange).await?
        };
        stream::collect(chunks, exchange, self.timeout, started, observer).await
    }

    /// The library's client over a service that knows this try.
    fn client(&self, exchange: &Arc<Exchange>) -> Client<Arc<dyn Config>> {
        let (http, exchange) = (self.http.clone(), Arc::clone(exchange));
        let send = move |request| service::send(http.clone(), Arc::clone(&exchange), request);
        self.client.clone().with_http_service(tower::service_fn(send))
    }

    async fn in_time<T>(
        &self,
        answer: impl Future<Output = Result<T, OpenAIError>>,
        exchange: &Exchange,
    ) -> Result<T, CallError> {
        match timeout(self.timeout, answer).await {
            Ok(answer) => answer.map_err(|error| self.explain(error, exchange)),
            Err(_) => Err(failure::no_answer(self.timeout)),
        }
    }

    /// What an error of the library stands for. Ours come back as they went in.
    fn explain(&self, error: OpenAIError, exchange: &Exchange) -> CallError {
        if let Some(broken) = exchange.broken() {
            return broken;
        }
        match error {
            OpenAIError::Boxed(error) => match error.downcast::<CallError>() {
                Ok(error) => *error,
                Err(other) => CallError::Connection(other.to_string()),
            },
            OpenAIError::Reqwest(error) => failure::of_transport(&error, self.endpoint.base()),
            OpenAIError::JSONDeserialize(_, body) => exchange.malformed("the answer is not JSON", &body),
            other => CallError::Malformed(other.to_string()),
        }
    }
}

impl ChatModel for OpenAi {
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
            let fare = self.purse.as_ref().map_or_else(Fare::free, |purse| purse.fare(&request));
            let way = Way { gate: &self.gate, fare: &fare, call: Estimate::of(&request) };
            with_retries(self.retry, way, observer, || self.attempt(request, observer)).await
        })
    }

    fn embed<'a>(&'a self, text: &'a str, observer: &'a dyn Observer) -> BoxFuture<'a, Result<ChatReply, CallError>> {
        async move {
            // It has the weight and the price of a request that is answered with nothing.
            let messages = [Message::new(Role::User, Origin::System, text)];
            let params = Params { max_tokens: Some(0), ..Params::default() };
            let request = ChatRequest { messages: &messages, params: &params, stream: false, facts: &[] };
            let fare = self.purse.as_ref().map_or_else(Fare::free, |purse| purse.fare(&request));
            let way = Way { gate: &self.gate, fare: &fare, call: Estimate::of(&request) };
            with_retries(self.retry, way, observer, || self.embedded(text)).await
        }
        .boxed()
    }
}
