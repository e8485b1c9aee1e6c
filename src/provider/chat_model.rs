//! The contract between the runner and whatever answers.

use std::pin::Pin;
use std::time::Duration;

use futures::future::BoxFuture;

use super::budget::OverBudget;
use super::session::Session;
use crate::event::Waiting;
use crate::model::{Fact, Message, Params, Reply, Source, Usage};

/// One request: exactly what is sent, in its order.
#[derive(Debug, Clone, Copy)]
pub struct ChatRequest<'a> {
    /// The messages, the system message first where there is one, the user message last.
    pub messages: &'a [Message],
    /// Sampling parameters.
    pub params: &'a Params,
    /// Whether the reply is asked for as server-sent events.
    pub stream: bool,
    /// The script's facts: read by the embedded model alone, which needs to know what may be asked.
    pub facts: &'a [Fact],
}

/// A whole reply. Half a streamed reply never becomes one.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatReply {
    /// Text and finish reason.
    pub reply: Reply,
    /// The pieces in which a streamed reply came, by their bytes.
    pub chunks: Vec<u32>,
    /// What a reasoning model thought (`reasoning_content`, or a leading `<think>` block), kept out of the text.
    pub thinking: Option<String>,
    /// Token counts as the provider reports them; `None` where it reports none.
    pub usage: Option<Usage>,
    /// From the sending of the request to the end of the reply.
    pub latency: Duration,
    /// From the sending of the request to the first piece of text that is not empty; streamed replies only.
    pub ttft: Option<Duration>,
    /// The model that the server says it is.
    pub model_reported: Option<String>,
    /// The server's fingerprint.
    pub fingerprint: Option<String>,
    /// Tries, the last one included.
    pub attempts: u32,
    /// USD of the budget that the last try keeps reserved, since its usage is unknown.
    pub reserved_usd: Option<f64>,
}

/// A try that did not succeed.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptFailed {
    /// Which try, from 1.
    pub attempt: u32,
    /// The HTTP status, where one came.
    pub status: Option<u16>,
    /// What went wrong, in words.
    pub error: String,
    /// From its sending to its failure.
    pub latency: Duration,
    /// How long is waited before the next try; `None` when there is none.
    pub wait: Option<Duration>,
    /// USD of the budget that the try keeps reserved, since its usage is unknown.
    pub reserved_usd: Option<f64>,
}

/// The statuses by which a provider says that there are too many calls at once: HTTP's own, and one that several use.
pub(super) const TOO_MANY_REQUESTS: u16 = 429;
pub(super) const OVERLOADED: u16 = 529;

/// Why a call failed. The message is fit to be shown: it names what happened and has no key in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// No connection came about: nothing was sent.
    #[error("{0}")]
    Unreachable(String),
    /// The budget has not enough left for what a try can cost: it was not made.
    #[error("{0}")]
    OverBudget(#[from] OverBudget),
    /// No answer came: connection reset, a time-out, a stream that broke.
    #[error("{0}")]
    Connection(String),
    /// The provider asks to come back later (408, 409, 425, 429).
    #[error("{message}")]
    RateLimited {
        /// The HTTP status.
        status: u16,
        /// What the provider said.
        message: String,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// The provider failed (5xx).
    #[error("{message}")]
    Server {
        /// The HTTP status.
        status: u16,
        /// What the provider said.
        message: String,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// Something came back that is no reply: not JSON, an error object with status 200, no choices, a stream that
    /// ended without finish reason or `[DONE]`.
    #[error("{0}")]
    Malformed(String),
    /// The provider refuses this request (400, 404, 413, 422, …): it would refuse it again.
    #[error("{message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What the provider said.
        message: String,
    },
    /// The provider refuses every call to this model (401, 403, an unknown model, an exhausted quota).
    #[error("{message}")]
    ModelUnusable {
        /// The HTTP status.
        status: u16,
        /// What the provider said.
        message: String,
    },
    /// The request was not sent: the provider takes none of its kind, and it is not mended for it.
    #[error("{0}")]
    Unsendable(String),
    /// The call was not sent: an earlier one ended all calls to this model, for the reason given.
    #[error("not sent, since an earlier call ended all calls to this model: {0}")]
    ModelStopped(String),
    /// The call was not sent: the run stops.
    #[error("not sent, since the run stops")]
    Interrupted,
    /// The message may have been taken, or another try would come to the same: it is not sent again.
    #[error("{message}")]
    NotAgain {
        /// The HTTP status, where one came.
        status: Option<u16>,
        /// What happened.
        message: String,
    },
    /// The request is not recorded, and nothing may be sent: why not, and in what it differs from the nearest recording.
    #[error("{0}")]
    NotRecorded(String),
}

impl CallError {
    /// Whether it ends all calls to the model.
    #[must_use]
    pub const fn stops_model(&self) -> bool {
        matches!(self, Self::ModelUnusable { .. } | Self::ModelStopped(_))
    }

    /// Whether it says nothing of the request: that was not sent for a reason of the run's own.
    #[must_use]
    pub const fn is_unsent(&self) -> bool {
        matches!(self, Self::OverBudget(_) | Self::ModelStopped(_) | Self::Interrupted)
    }

    /// Whether another try can help.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable(_)
                | Self::Connection(_)
                | Self::RateLimited { .. }
                | Self::Server { .. }
                | Self::Malformed(_)
        )
    }

    /// The HTTP status, where one came.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::Unreachable(_)
            | Self::OverBudget(_)
            | Self::Connection(_)
            | Self::Malformed(_)
            | Self::Unsendable(_)
            | Self::ModelStopped(_)
            | Self::NotRecorded(_)
            | Self::Interrupted => None,
            Self::NotAgain { status, .. } => *status,
            Self::RateLimited { status, .. }
            | Self::Server { status, .. }
            | Self::Refused { status, .. }
            | Self::ModelUnusable { status, .. } => Some(*status),
        }
    }

    /// Whether it is certain that no token was used: nothing was sent, or the provider refused the request with a status
    /// of 4xx. A provider that fails with any other may have begun a reply, and may ask for its price.
    #[must_use]
    pub fn is_free(&self) -> bool {
        matches!(self, Self::Unreachable(_)) || self.status().is_some_and(|status| (400..500).contains(&status))
    }

    /// How long the provider asks to wait before the next try.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, .. } | Self::Server { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// Who watches a call while it goes on.
pub trait Observer: Send + Sync {
    /// A piece of the reply's text arrived.
    fn delta(&self, text: &str);
    /// A try failed. Pieces that it gave are void.
    fn attempt_failed(&self, attempt: AttemptFailed);
    /// A try that can cost so many USD is sent, in a run with a budget: not before this is done.
    ///
    /// # Errors
    /// When it must not be sent.
    fn reserved(&self, _usd: f64) -> BoxFuture<'_, Result<(), CallError>> {
        Box::pin(std::future::ready(Ok(())))
    }
    /// The call waits before its next try is sent. [`Observer::waited`] follows.
    fn waits(&self, _why: Waiting) {}
    /// The wait is over, after this long.
    fn waited(&self, _time: Duration) {}
}

/// A future in its box. An optimised build makes it there: of one that is made before all is moved, the kilobytes too that nothing
/// is in yet.
pub(super) fn boxed_in_place<F>(make: impl FnOnce() -> F) -> Pin<Box<F>> {
    Box::into_pin(Box::write(Box::new_uninit(), make()))
}

/// What turns a request into a reply.
///
/// An implementation holds no memory between calls: equal requests are answered as if each were the first. (A bot that keeps its
/// history itself does, and says so.) It returns whole replies only, retries by itself what another try can help, and never writes a key into an error.
pub trait ChatModel: Send + Sync {
    /// Where its replies come from.
    fn source(&self) -> Source;

    /// Whether it is a language model, so that checks on wording mean something.
    fn is_language_model(&self) -> bool {
        true
    }

    /// Whether it is a bot that keeps its history itself: it is told one message after another, in sessions
    /// ([`ChatModel::session`]), and what it sees of the earlier ones is not known.
    fn keeps_history(&self) -> bool {
        false
    }

    /// Whether a bot that keeps its history itself is told the system prompt.
    fn takes_system(&self) -> bool {
        true
    }

    /// Begins a talk with a bot that keeps its history itself. No two talks have one id. `None` of any other model, which holds
    /// no memory.
    fn session(&self, _id: &str) -> Option<Box<dyn Session>> {
        None
    }

    /// The run stops: calls that wait to be sent end with [`CallError::Interrupted`], and none is sent any more. What is in
    /// flight may finish.
    fn stop_waiting(&self) {}

    /// Answers one request.
    ///
    /// # Errors
    /// When no whole reply could be had, after all tries.
    fn chat<'a>(
        &'a self,
        request: ChatRequest<'a>,
        observer: &'a dyn Observer,
    ) -> BoxFuture<'a, Result<ChatReply, CallError>>;

    /// Gives a text as a list of numbers that stand for what it means: the text of the reply, as JSON.
    ///
    /// # Errors
    /// When they could not be had, after all tries, or it makes none.
    fn embed<'a>(&'a self, _text: &'a str, _observer: &'a dyn Observer) -> BoxFuture<'a, Result<ChatReply, CallError>> {
        Box::pin(std::future::ready(Err(CallError::Malformed("the model makes no embeddings".to_owned()))))
    }
}
