//! The words of the domain as plain values: scenario, message, window, fact, check, verdict, plan ids.
//!
//! Nothing here reads a file, a clock or a random number, and nothing here knows a file format. Words that other
//! programs read (verdicts, outcomes, sources) serialise as the lower-case word that they display as.

mod canary;
mod check;
mod fact;
mod json;
mod message;
mod outside;
mod params;
mod pattern;
mod plan;
mod price;
mod reply;
mod script;
mod snapshot;
mod transcript;
mod turn_id;
mod verdict;
mod window;

pub use canary::CanaryKind;
pub use check::{Admits, Check, CheckKind, FactRef, KnownFailure, SentCheck, Similar, Similarity, Text};
pub use fact::{Fact, MatchKind};
pub use json::{JsonPath, Schema};
pub use message::{Content, Message, Origin, Role};
pub use outside::{JudgeCheck, Outside, ProgramCheck, Scale, Sees};
pub use params::Params;
pub use pattern::Pattern;
pub use plan::{ConversationId, ConversationKey, VariantKey};
pub use price::{Price, without_dust};
pub use reply::{Reply, Source, Usage};
pub use script::{Capture, EachReply, Persona, Position, Script, Turn};
pub use snapshot::{Redaction, SnapshotMode, SnapshotRules};
pub use transcript::{Throughout, TranscriptCheck, TranscriptKind};
pub use turn_id::{NamedTurn, TurnId};
pub use verdict::{End, Outcome, Verdict, Visibility};
pub use window::{OrphanReply, Tail, Window, WindowLabelError};
