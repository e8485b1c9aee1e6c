//! From messages in any order to turns: who says what to whom, and what becomes of messages that stand out of turn.

use super::Replies;
use super::draft::{Draft, Step};
use crate::model::Role;

/// Who says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// The instructions.
    System,
    /// The user.
    User,
    /// The bot.
    Assistant,
}

/// A message with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Who.
    pub by: Speaker,
    /// What; blank where nothing of it can be carried over.
    pub text: String,
    /// Where it stands: `messages[2]`.
    pub path: String,
}

/// Puts messages into a draft, in their order.
///
/// System messages before all others become the persona, replies before the first user message the history. Two replies
/// in a row are one; a user message without a reply is a turn like any other.
pub fn arrange(messages: Vec<Said>, replies: Replies, draft: &mut Draft) {
    let mut has_begun = false;
    // The user message of these replies could not be carried over.
    let mut is_cut = false;
    for Said { by, text, path } in messages {
        let is_blank = text.trim().is_empty();
        match by {
            Speaker::System if is_blank => {}
            Speaker::System if has_begun => {
                let what = "a system message amid the conversation; the system prompt is sent first, and only once";
                draft.leave_out(path, format!("{what}: {}", quoted(&text)));
            }
            Speaker::System => match &mut draft.persona {
                Some(persona) => {
                    persona.push_str("\n\n");
                    persona.push_str(&text);
                    draft.leave_out(path, "a second system message; joined to the first by an empty line");
                }
                persona @ None => *persona = Some(text),
            },
            Speaker::User => {
                has_begun = true;
                is_cut = is_blank;
                if is_blank {
                    draft.leave_out(path, "a user message without text; its turn is missing");
                    continue;
                }
                if let Some(before) = draft.turns.last().filter(|turn| turn.recorded.is_none())
                    && replies == Replies::Canned
                {
                    let what = format!("no reply to {} before it; that turn is asked live", quoted(&before.user));
                    draft.leave_out(&path, what);
                }
                draft.turns.push(Step { user: text, ..Step::default() });
            }
            Speaker::Assistant => {
                has_begun = true;
                if is_blank {
                    // A call of tools has no text, and is told of where it is read.
                    continue;
                }
                if is_cut {
                    draft.leave_out(path, format!("the reply to a message that is missing: {}", quoted(&text)));
                    continue;
                }
                match draft.turns.last_mut() {
                    None => draft.history.push((Role::Assistant, text)),
                    Some(Step { recorded: Some(reply), .. }) => {
                        reply.push_str("\n\n");
                        reply.push_str(&text);
                        draft.leave_out(path, "a second reply in a row; joined to the first by an empty line");
                    }
                    Some(turn) => turn.recorded = Some(text),
                }
            }
        }
    }
}

/// A text as a remark has it: short, and on one line.
pub fn quoted(text: &str) -> String {
    crate::text::escape::quote(text, 60)
}
