//! What turns a request into a reply.

mod budget;
mod builtin;
pub mod cassette;
mod chat_model;
pub mod child;
pub mod command;
mod gate;
pub mod http_bot;
pub mod openai;
mod retry;
mod secrets;
mod session;

pub use budget::{Budget, Fare, OverBudget, Purse, Reservation, Sent, Usd};
pub use builtin::{Builtin, BuiltinKind};
pub use chat_model::{AttemptFailed, CallError, ChatModel, ChatReply, ChatRequest, Observer};
pub use gate::{Estimate, Gate, Rates};
pub use retry::{RetryPolicy, with_retries};
pub use session::{Said, Session};
