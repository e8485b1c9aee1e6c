//! One try through HTTP, whatever format is spoken: where it goes and with which key, what its answer is told by, what its
//! failure is called, and a reply that grows piece by piece.
//!
//! A provider adds how its requests are written and its answers read. Retries, rates and the budget stand around a try
//! ([`with_retries`](super::with_retries)); none of that is known here.

mod client;
mod endpoint;
mod error_object;
mod exchange;
pub(super) mod failure;
mod growing;
mod read;

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

pub use self::client::{http_client, plain_http_client};
pub(super) use self::endpoint::{Endpoint, KeyHeader};
pub(super) use self::error_object::{ErrorObject, text};
pub(super) use self::exchange::{Came, Exchange, LONGEST_BODY, Piece, come, error_body, opened, too_long, whole_body};
pub(super) use self::growing::{Growing, Next, Patience};
pub(super) use self::read::Read;
use super::budget::Purse;
use super::gate::Gate;
use super::retry::RetryPolicy;

/// More tokens than any call has: a number beyond it is a server's mistake.
const MOST_TOKENS: u64 = u32::MAX as u64;

/// A number of tokens as an answer says it; `None` where it is none that a call can have.
pub(super) fn count(said: Option<u64>) -> Option<u64> {
    said.filter(|count| *count <= MOST_TOKENS)
}

/// How one model is reached.
#[derive(Debug, Clone)]
pub struct ApiSettings {
    /// Where the API is: `https://api.openai.com/v1`. A query in it goes along with every request.
    pub base_url: String,
    /// The model's name as the provider knows it.
    pub model: String,
    /// The key. `None` or an empty one sends no header for it.
    pub api_key: Option<SecretString>,
    /// The longest wait for the answer to one try; for a stream, between two of its chunks, and a tenth of the longest that
    /// it may take in all.
    pub timeout: Duration,
    /// When and how often a failed try is followed by another.
    pub retry: RetryPolicy,
    /// What stands before every try: shared by all that call this model of this provider.
    pub gate: Arc<Gate>,
    /// What its calls are paid from, where the run has a budget.
    pub purse: Option<Purse>,
}

/// Why a model cannot be reached as its settings say. Nothing was sent; no text has a key in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The base URL is none that requests can go to.
    #[error("base URL `{base_url}` cannot be used: {reason}")]
    BaseUrl {
        /// The URL.
        base_url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The base URL has a secret in it, which would be shown in messages and files.
    #[error("the base URL has a user name or password in it; keys come from the environment")]
    PasswordInUrl,
    /// The key would travel readable through a network.
    #[error("keys are sent only to https and to loopback addresses, and `{base_url}` is neither")]
    KeyInTheClear {
        /// The URL.
        base_url: String,
    },
    /// The key has a line feed or another character in it that HTTP cannot send.
    #[error("key contains characters that no header can carry")]
    UnsendableKey,
    /// The file that `SSL_CERT_FILE` names.
    #[error("`SSL_CERT_FILE` names `{path}`, which cannot be used: {reason}")]
    Certificates {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A proxy of the environment. Its value is not shown: it may hold a password.
    #[error("`{variable}` is no URL of a proxy")]
    Proxy {
        /// The variable.
        variable: &'static str,
    },
    /// The HTTP client cannot be made.
    #[error("the HTTP client cannot be made: {0}")]
    Client(String),
}
