//! What the journal is told of a conversation: how it begins, and each of its turns.

use super::super::tape::Tape;
use super::{Conversation, Stage};
use crate::event::{Begin, Took, TurnDone, WireMessage};
use crate::model::{ConversationId, Message, Role, SnapshotRules, Source, Turn, TurnId, Usage};
use crate::provider::ChatReply;
use crate::text::tokens;

pub(super) fn begin(conversation: &Conversation) -> Begin {
    let persona = &conversation.script.personas[conversation.persona];
    let keeps_history = conversation.model.chat.keeps_history();
    Begin {
        plan: conversation.plan,
        conversation: ConversationId::new(&conversation.key).to_string(),
        key: conversation.key.clone(),
        trials: conversation.trials,
        pass_rate: conversation.pass_rate,
        file: conversation.file.clone(),
        matrix: conversation.matrix.clone(),
        system: (!persona.system.is_empty()).then(|| persona.system.to_string()),
        history: conversation
            .script
            .history
            .iter()
            .map(|(role, content)| WireMessage { role: *role, content: content.to_string() })
            .collect(),
        turns: u32::try_from(conversation.script.turns.len()).unwrap_or(u32::MAX),
        probes: u32::try_from(conversation.script.probes.len()).unwrap_or(u32::MAX),
        canaries: conversation.canaries.clone(),
        // A bot that keeps its history itself is sent none.
        params: if keeps_history { serde_json::Map::new() } else { conversation.params.effective() },
        snapshot: SnapshotRules::clone(&conversation.snapshot),
        keeps_history,
        is_anew: conversation.is_anew,
    }
}

impl Stage<'_> {
    pub(super) fn turn_done(&self, number: TurnId, turn: &Turn, source: Source) -> TurnDone {
        self.bare(number, &turn.user, source)
    }

    /// A turn, or what is asked beside one, of which nothing more is known.
    pub(super) fn bare(&self, number: TurnId, user: &str, source: Source) -> TurnDone {
        TurnDone {
            plan: self.conversation.plan,
            turn: number,
            user: user.to_owned(),
            sent: Vec::new(),
            source,
            shared_from: None,
            reply: None,
            pinned: None,
            chunks: Vec::new(),
            thinking: None,
            finish_reason: None,
            usage: None,
            tokens_full_history: None,
            cost_usd: None,
            reserved_usd: None,
            attempts: 0,
            waited_ms: None,
            latency_ms: None,
            ttft_ms: None,
            shared_took: None,
            model_reported: None,
            fingerprint: None,
            error: None,
            model_stopped: false,
        }
    }

    /// Puts what came back into what the journal is told of it.
    pub(super) fn fill(&self, done: &mut TurnDone, messages: &[Message], reply: &ChatReply) {
        let estimate = |message: &Message| tokens::estimate(&message.content) + tokens::PER_MESSAGE as u64;
        // What a bot reads that keeps its history itself is its own matter: there is nothing to estimate.
        let estimated = || {
            let sent = messages.iter().map(estimate).sum();
            Usage { sent, reply: tokens::estimate(&reply.reply.text), estimated: true }
        };
        let usage = reply.usage.or_else(|| (!self.keeps_history()).then(estimated));
        let all = self.history.iter().map(estimate).sum::<u64>();
        let sent_history: u64 = messages.iter().filter(|m| m.role != Role::System).map(estimate).sum::<u64>()
            - messages.last().map_or(0, estimate);
        done.pinned = self.pinned(done.turn).filter(|pinned| *pinned != reply.reply.text).map(str::to_owned);
        done.reply = Some(reply.reply.text.clone());
        done.thinking.clone_from(&reply.thinking);
        done.finish_reason.clone_from(&reply.reply.finish_reason);
        done.usage = usage;
        let full = |usage: Usage| usage.sent.saturating_add(all.saturating_sub(sent_history));
        done.tokens_full_history = usage.filter(|_| !self.keeps_history()).map(full);
        if matches!(self.conversation.tape.as_deref(), Some(Tape::Record(_))) {
            done.chunks.clone_from(&reply.chunks);
        }
        let took = Took {
            latency_ms: Some(reply.latency.as_secs_f64() * 1000.0),
            ttft_ms: reply.ttft.map(|ttft| ttft.as_secs_f64() * 1000.0),
            cost_usd: self.conversation.model.price.zip(usage).map(|(price, usage)| price.of(usage)),
        };
        // What was not asked for cost nothing and took no time.
        if matches!(done.source, Source::Live | Source::Builtin) {
            done.reserved_usd = reply.reserved_usd;
            done.attempts = reply.attempts;
            (done.latency_ms, done.ttft_ms, done.cost_usd) = (took.latency_ms, took.ttft_ms, took.cost_usd);
        }
        // Who of those that share a call made it is chance, and no verdict may hang on that.
        if done.source == Source::Shared {
            done.shared_took = Some(took);
        }
        done.model_reported.clone_from(&reply.model_reported);
        done.fingerprint.clone_from(&reply.fingerprint);
    }
}
