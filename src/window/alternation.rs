//! Whether the messages of a request alternate, as the services of some models want it: the system prompt apart, a user message
//! first, then replies and user messages in turn, each with something in it.
//!
//! Nothing is mended here: a list that is merged, cut or filled up is another than the one that the script and its window gave.

use crate::model::{Message, Role};

/// What keeps a list of messages from alternating.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A reply comes first.
    BeginsWithReply,
    /// The message has the role of the one before it.
    InARow,
    /// A system message that is not the first of all.
    System,
    /// A message with nothing but white space in it.
    Blank,
}

/// The first message that keeps a list from alternating, by its position. Of a message whose text is not known yet the text is
/// `None`. Of a list whose beginning is not known (`is_whole` is false) the first message may be a reply.
#[must_use]
pub fn fault<'m>(list: impl IntoIterator<Item = (Role, Option<&'m str>)>, is_whole: bool) -> Option<(usize, Fault)> {
    let mut before = None;
    for (at, (role, text)) in list.into_iter().enumerate() {
        let is_first = before.is_none_or(|before| before == Role::System);
        let fault = match role {
            Role::System if at > 0 || !is_whole => Some(Fault::System),
            Role::Assistant if is_first && is_whole => Some(Fault::BeginsWithReply),
            _ if before == Some(role) => Some(Fault::InARow),
            _ => text.filter(|text| text.trim().is_empty()).map(|_| Fault::Blank),
        };
        if let Some(fault) = fault {
            return Some((at, fault));
        }
        before = Some(role);
    }
    None
}

impl Fault {
    /// What is wrong with the message at a position of a list, in words.
    #[must_use]
    pub fn in_words(self, list: &[&Message], at: usize) -> String {
        let origin = list[at].origin;
        match self {
            Self::BeginsWithReply => format!("the reply `{origin}` comes first"),
            Self::InARow => {
                let both = if list[at].role == Role::User { "user messages" } else { "replies" };
                format!("two {both} stand in a row, `{}` and `{origin}`", list[at - 1].origin)
            }
            Self::System => format!("`{origin}` is a system message behind others"),
            Self::Blank => format!("`{origin}` has no text in it"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Origin;

    /// `s`, `u`, `a` for a message of each role; upper case for one without a text, `?` behind one whose text is not known.
    fn found(list: &str, is_whole: bool) -> Option<(usize, Fault)> {
        let roles: Vec<char> = list.chars().filter(|letter| *letter != '?').collect();
        let unknown: Vec<bool> = list
            .char_indices()
            .filter(|(_, letter)| *letter != '?')
            .map(|(at, _)| list[at + 1..].starts_with('?'))
            .collect();
        let messages = roles.iter().zip(unknown).map(|(letter, is_unknown)| {
            let role = match letter.to_ascii_lowercase() {
                's' => Role::System,
                'u' => Role::User,
                _ => Role::Assistant,
            };
            let text = if letter.is_ascii_uppercase() { " \n" } else { "text" };
            (role, (!is_unknown).then_some(text))
        });
        fault(messages, is_whole)
    }

    #[test]
    fn a_list_alternates_or_its_first_fault_is_named() {
        for (list, expected) in [
            ("", None),
            ("u", None),
            ("su", None),
            ("suau", None),
            ("ua?u", None),
            ("au", Some((0, Fault::BeginsWithReply))),
            ("sau", Some((1, Fault::BeginsWithReply))),
            ("uu", Some((1, Fault::InARow))),
            ("suaau", Some((3, Fault::InARow))),
            ("ssu", Some((1, Fault::System))),
            ("uasu", Some((2, Fault::System))),
            ("U", Some((0, Fault::Blank))),
            ("Su", Some((0, Fault::Blank))),
            ("uAu", Some((1, Fault::Blank))),
            ("aUu", Some((0, Fault::BeginsWithReply))),
        ] {
            assert_eq!(found(list, true), expected, "{list}");
        }
    }

    #[test]
    fn where_a_list_begins_later_its_first_message_may_be_a_reply() {
        for (list, expected) in [
            ("au", None),
            ("aau", Some((1, Fault::InARow))),
            ("A", Some((0, Fault::Blank))),
            ("su", Some((0, Fault::System))),
        ] {
            assert_eq!(found(list, false), expected, "{list}");
        }
    }

    #[test]
    fn a_fault_is_said_with_the_messages_that_it_is_about() {
        let message = |role, origin| Message::new(role, origin, "x");
        let list = [
            message(Role::Assistant, Origin::Reply(1)),
            message(Role::User, Origin::History(2)),
            message(Role::User, Origin::User(1)),
        ];
        let list: Vec<&Message> = list.iter().collect();
        assert_eq!(Fault::BeginsWithReply.in_words(&list, 0), "the reply `a1` comes first");
        assert_eq!(Fault::InARow.in_words(&list, 2), "two user messages stand in a row, `h2` and `u1`");
        assert_eq!(Fault::Blank.in_words(&list, 1), "`h2` has no text in it");
    }
}
