//! The check `sent`: limits on the request that was really sent, whatever was answered.

use crate::model::{Role, SentCheck};
use crate::text::escape::quote;

use super::text::{Haystack, SHOWN};
use super::view::{Finding, TurnView};

/// All conditions must hold. One that is broken decides; else one that cannot be known leaves the whole unknown.
pub(super) fn sent(limits: &SentCheck, view: &TurnView<'_>) -> Finding {
    let mut broken = texts(limits, view);
    broken.extend(messages(limits, view));
    broken.extend(first_role(limits, view));
    broken.extend(system_first(limits, view));
    let mut is_known = true;
    if let Some(limit) = limits.max_tokens {
        match view.tokens_sent {
            Some(tokens) if tokens > limit => broken.push(format!("{tokens} tokens were sent")),
            Some(_) => {}
            None => is_known = false,
        }
    }
    if !broken.is_empty() {
        Finding::new(false, broken.join("; "))
    } else if is_known {
        Finding::new(true, "the request is so")
    } else {
        Finding::new(None, "the number of tokens sent is not known")
    }
}

fn texts(limits: &SentCheck, view: &TurnView<'_>) -> Vec<String> {
    if limits.contains.is_empty() && limits.not_contains.is_empty() {
        return Vec::new();
    }
    let messages: Vec<Haystack<'_>> = view.sent.iter().map(|message| Haystack::new(&message.content)).collect();
    let missing = limits
        .contains
        .iter()
        .filter(|text| !messages.iter().any(|message| message.has(text)))
        .map(|text| format!("no message sent has {}", quote(&text.text, SHOWN)));
    let there = limits.not_contains.iter().filter_map(|text| {
        let position = messages.iter().position(|message| message.has(text))?;
        Some(format!("{} has {}", view.place(position), quote(&text.text, SHOWN)))
    });
    missing.chain(there).collect()
}

fn messages(limits: &SentCheck, view: &TurnView<'_>) -> Option<String> {
    let sent = u64::try_from(view.sent.len()).unwrap_or(u64::MAX);
    let plural = if sent == 1 { " was" } else { "s were" };
    limits.max_messages.filter(|&limit| sent > limit).map(|_| format!("{sent} message{plural} sent"))
}

fn first_role(limits: &SentCheck, view: &TurnView<'_>) -> Option<String> {
    let wanted = limits.first_role?;
    let first = view.sent.iter().map(|message| message.role).find(|&role| role != Role::System);
    // A request of a system message alone does not happen; were it so, that is the first of all.
    let first = first.or_else(|| view.sent.first().map(|message| message.role));
    match first {
        Some(role) if role == wanted => None,
        Some(role) => Some(format!("the first message has the role {role}")),
        None => Some("no message was sent".to_owned()),
    }
}

fn system_first(limits: &SentCheck, view: &TurnView<'_>) -> Option<String> {
    let count = view.sent.iter().filter(|message| message.role == Role::System).count();
    let is_first = view.sent.first().is_some_and(|message| message.role == Role::System);
    match (limits.system_first?, count) {
        (true, 0) => Some("no system message was sent".to_owned()),
        (true, 1) => (!is_first).then(|| "the system message is not the first".to_owned()),
        (false, 0) => None,
        (false, 1) => Some("a system message was sent".to_owned()),
        (_, more) => Some(format!("{more} system messages were sent")),
    }
}

impl TurnView<'_> {
    /// A message of the request in words: `message 2 of 5 (assistant, turn 1, an orphan reply)`.
    pub(super) fn place(&self, position: usize) -> String {
        use crate::model::Origin::{History, Probe, Reply, System, User};
        let Some(message) = self.sent.get(position) else { return "no message".to_owned() };
        let role = message.role;
        let origin = match message.origin {
            System => String::new(),
            History(n) => format!(", history {n}"),
            User(turn) | Reply(turn) => format!(", turn {turn}"),
            Probe(number) => format!(", probe p{number}"),
        };
        let orphan = if self.is_orphan(position) { ", an orphan reply" } else { "" };
        format!("message {} of {} ({role}{origin}{orphan})", position + 1, self.sent.len())
    }

    /// Whether the message is a reply that was sent without the user message that it answers. One that never answered
    /// any (a greeting at the head of `history:`) is no orphan.
    fn is_orphan(&self, position: usize) -> bool {
        let message = self.sent[position];
        if message.role != Role::Assistant {
            return false;
        }
        let before = self.history.iter().take_while(|earlier| earlier.origin != message.origin);
        let question = before.filter(|earlier| earlier.role == Role::User).last();
        question.is_some_and(|question| !self.sent.iter().any(|sent| sent.origin == question.origin))
    }
}
