//! A message of a conversation, and where in the script it comes from.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The persona's system prompt.
    System,
    /// The scripted user.
    User,
    /// The bot.
    Assistant,
}

impl Role {
    /// The role as it is spelled on the wire and in every output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where in its conversation a message comes from; displays as the short name used in snapshots and failures:
/// `system`, `h1` (first message of `history:`), `u1` (user message of turn 1), `a1` (its reply), `p1` (what probe 1 asks).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Origin {
    /// The system prompt.
    System,
    /// The n-th message of `history:`, counted from 1.
    History(u32),
    /// The user message of a turn, counted from 1.
    User(u32),
    /// The reply of a turn, counted from 1.
    Reply(u32),
    /// The user message of a probe, counted from 1. Its reply is in no history.
    Probe(u32),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("system"),
            Self::History(n) => write!(f, "h{n}"),
            Self::User(n) => write!(f, "u{n}"),
            Self::Reply(n) => write!(f, "a{n}"),
            Self::Probe(n) => write!(f, "p{n}"),
        }
    }
}

/// The longest text of which is kept what it is on the wire, in bytes: a system prompt is one text for all conversations, and this is
/// each one's own.
const KEPT: usize = 16 * 1024;

/// One message. Cloning is cheap: what is said is shared. It is not changed once it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// Where it comes from.
    pub origin: Origin,
    /// What is said.
    pub content: Content,
}

/// What a message says; a text for whoever reads it. Copies share it.
#[derive(Clone)]
pub struct Content(Arc<Shared>);

/// One allocation, so that a copy of a message touches one count: each request takes one of every message of its history.
struct Shared {
    text: Arc<str>,
    /// The message on the wire, once that was asked for, and whose it is.
    wire: OnceLock<(Role, Box<RawValue>)>,
}

impl Content {
    /// The text itself.
    #[must_use]
    pub fn text(&self) -> &Arc<str> {
        &self.0.text
    }
}

impl Deref for Content {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0.text
    }
}

impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        self.0.text == other.0.text
    }
}

impl Eq for Content {}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0.text, f)
    }
}

impl Message {
    /// A message.
    #[must_use]
    pub fn new(role: Role, origin: Origin, content: impl Into<Arc<str>>) -> Self {
        let content = Content(Arc::new(Shared { text: content.into(), wire: OnceLock::new() }));
        Self { role, origin, content }
    }

    /// The message as chat completions take it: `{"role": "user", "content": "…"}`. It is written once, since every later request of
    /// its conversation has it again; a very long one each time.
    ///
    /// # Errors
    /// As of the library; a role and a text can always be written.
    pub fn wire(&self) -> serde_json::Result<Cow<'_, RawValue>> {
        #[derive(Serialize)]
        struct Wire<'a> {
            role: Role,
            content: &'a str,
        }
        let Shared { text, wire: kept } = &*self.content.0;
        if let Some((role, wire)) = kept.get()
            && *role == self.role
        {
            return Ok(Cow::Borrowed(wire));
        }
        let wire = to_raw_value(&Wire { role: self.role, content: text })?;
        // What another role has said already in the same words keeps its place.
        if text.len() > KEPT || kept.get().is_some() {
            return Ok(Cow::Owned(wire));
        }
        Ok(Cow::Borrowed(&kept.get_or_init(|| (self.role, wire)).1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_goes_on_the_wire_is_written_once_for_all_copies() {
        let message = Message::new(Role::User, Origin::User(1), "My name is \"Priya\".\n");
        let copy = message.clone();
        assert_eq!(copy.wire().unwrap().get(), r#"{"role":"user","content":"My name is \"Priya\".\n"}"#);
        assert_eq!(message.wire().unwrap().get().as_ptr(), copy.wire().unwrap().get().as_ptr());
        assert_eq!(message, Message::new(Role::User, Origin::User(1), "My name is \"Priya\".\n"));
        assert_ne!(message, Message::new(Role::User, Origin::User(2), "My name is \"Priya\".\n"));
    }

    #[test]
    fn the_same_content_is_each_role_s_own_on_the_wire() {
        let user = Message::new(Role::User, Origin::User(1), "Hi");
        assert_eq!(user.wire().unwrap().get(), r#"{"role":"user","content":"Hi"}"#);
        let reply = Message { role: Role::Assistant, origin: Origin::Reply(1), content: user.content.clone() };
        assert_eq!(reply.wire().unwrap().get(), r#"{"role":"assistant","content":"Hi"}"#);
        assert_eq!(user.wire().unwrap().get(), r#"{"role":"user","content":"Hi"}"#);
    }

    #[test]
    fn of_a_very_long_one_nothing_is_kept() {
        let long = Message::new(Role::System, Origin::System, "a".repeat(KEPT + 1));
        assert!(matches!(long.wire().unwrap(), Cow::Owned(_)) && long.content.0.wire.get().is_none());
        let last = Message::new(Role::System, Origin::System, "a".repeat(KEPT));
        assert!(matches!(last.wire().unwrap(), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn it_has_any_text_as_it_is(text in "\\PC*|.*") {
            for role in [Role::System, Role::User, Role::Assistant] {
                let message = Message::new(role, Origin::System, text.as_str());
                let wire: serde_json::Value = serde_json::from_str(message.wire().unwrap().get()).unwrap();
                prop_assert_eq!(wire, json!({"role": role.as_str(), "content": text.as_str()}));
            }
        }
    }
}
