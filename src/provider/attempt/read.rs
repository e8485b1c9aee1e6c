//! What was read of an answer, on its way to a reply.

use std::time::Duration;

use super::endpoint::Endpoint;
use crate::model::{Reply, Usage};
use crate::provider::ChatReply;

/// What was read of an answer.
#[derive(Debug, Default)]
pub(in crate::provider) struct Read {
    pub(in crate::provider) text: String,
    pub(in crate::provider) chunks: Vec<u32>,
    pub(in crate::provider) thinking: String,
    pub(in crate::provider) finish_reason: Option<String>,
    pub(in crate::provider) usage: Option<Usage>,
    pub(in crate::provider) model: Option<String>,
    pub(in crate::provider) fingerprint: Option<String>,
    pub(in crate::provider) ttft: Option<Duration>,
    pub(in crate::provider) latency: Option<Duration>,
}

impl Read {
    /// Adds what stood in a `<think>` block to what came as thinking of its own.
    pub(in crate::provider) fn add_thought(&mut self, thought: Option<String>) {
        if let Some(thought) = thought {
            if !self.thinking.is_empty() {
                self.thinking.push('\n');
            }
            self.thinking.push_str(&thought);
        }
    }

    /// A server may say anything, the key that it was sent among it. What is kept of a reply ends up in files.
    pub(in crate::provider) fn masked(self, endpoint: &Endpoint) -> Self {
        let mask = |text: Option<String>| text.map(|text| endpoint.mask(text));
        Self {
            text: endpoint.mask(self.text),
            thinking: endpoint.mask(self.thinking),
            finish_reason: mask(self.finish_reason),
            model: mask(self.model),
            fingerprint: mask(self.fingerprint),
            ..self
        }
    }

    pub(in crate::provider) fn into_reply(self) -> ChatReply {
        ChatReply {
            reply: Reply { text: self.text, finish_reason: self.finish_reason },
            chunks: self.chunks,
            thinking: Some(self.thinking).filter(|thinking| !thinking.trim().is_empty()),
            usage: self.usage,
            latency: self.latency.unwrap_or_default(),
            ttft: self.ttft,
            model_reported: self.model,
            fingerprint: self.fingerprint,
            attempts: 1,
            reserved_usd: None,
        }
    }
}
