//! What turns a request into a reply.

mod attempt;
mod budget;
mod builtin;
pub mod cassette;
mod chat_model;
pub mod child;
pub mod command;
mod gate;
pub mod http_bot;
mod native;
pub mod openai;
mod retry;
mod secrets;
mod session;

pub use attempt::{ApiSettings, SettingsError, http_client, plain_http_client};
pub use budget::{Budget, Fare, OverBudget, Purse, Reservation, Sent, Usd};
pub use builtin::{Builtin, BuiltinKind};
pub use chat_model::{AttemptFailed, CallError, ChatModel, ChatReply, ChatRequest, Observer};
pub use gate::{Estimate, Gate, Rates};
pub use native::{Anthropic, DEFAULT_MAX_TOKENS, Gemini, Unsupported, unsupported_by_anthropic, unsupported_by_gemini};
pub use retry::{RetryPolicy, with_retries};
pub use session::{Said, Session};
