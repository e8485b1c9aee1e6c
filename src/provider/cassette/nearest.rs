//! Why a request is not recorded: what differs first from the recording that is nearest to it.

use super::entry::Entry;
use super::request::Request;
use crate::event::WireMessage;
use crate::model::Role;
use crate::text::escape::quote;

/// Characters that are shown of each side, from a few before the first that differs.
const SHOWN: usize = 60;
const BEFORE: usize = 12;

/// In words.
pub(super) fn difference(entries: &[Entry], request: &Request<'_>, occurrence: u32) -> String {
    let Some(nearest) = entries.iter().min_by_key(|entry| distance(entry, request)) else {
        return "nothing is recorded of this scenario".to_owned();
    };
    format!("nearest recording: {}; {}", nearest.place, first_difference(nearest, request, occurrence))
}

/// The smaller the nearer: another model is farther than another text, and the more messages are the same the nearer.
fn distance(entry: &Entry, request: &Request<'_>) -> (bool, usize, usize, bool, bool, usize) {
    let theirs = &entry.messages;
    let pairs = theirs.iter().zip(request.messages).filter(|(a, b)| a != b).count();
    let tail = theirs.iter().rev().zip(request.messages.iter().rev()).filter(|(a, b)| a != b).count();
    let length = theirs.len().abs_diff(request.messages.len());
    let last = theirs.last() != request.messages.last();
    (
        entry.request().model != request.model,
        pairs.min(tail) + length,
        usize::from(last),
        entry.params != *request.params,
        entry.place.trial != request.trial,
        // Of equals, that with the longest common beginning of the messages that differ.
        usize::MAX - theirs.iter().zip(request.messages).map(|(a, b)| common(&a.content, &b.content)).sum::<usize>(),
    )
}

fn common(a: &str, b: &str) -> usize {
    a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count()
}

fn first_difference(entry: &Entry, request: &Request<'_>, occurrence: u32) -> String {
    if entry.request().model != request.model {
        return format!("it is of the model `{}`, not `{}`", entry.request().model, request.model);
    }
    let pairs = (1..).zip(entry.messages.iter().zip(request.messages));
    for (number, (recorded, sent)) in pairs {
        if recorded != sent {
            return message(number, recorded, sent);
        }
    }
    let (recorded, sent) = (entry.messages.len(), request.messages.len());
    if recorded != sent {
        let number = |number: usize| if number == 1 { "1 message".to_owned() } else { format!("{number} messages") };
        return format!("{} recorded, {} sent", number(recorded), number(sent));
    }
    if let Some(params) = params(entry, request) {
        return params;
    }
    if entry.place.trial != request.trial {
        return format!("it is of trial {}, and this is trial {}", entry.place.trial, request.trial);
    }
    format!("it was sent {} in its conversation, and this is number {occurrence}", times(entry.occurrence))
}

fn times(number: u32) -> String {
    if number == 1 { "once".to_owned() } else { format!("{number} times") }
}

fn message(number: usize, recorded: &WireMessage, sent: &WireMessage) -> String {
    if recorded.role != sent.role {
        return format!("message {number} is recorded from the {}, and sent from the {}", recorded.role, sent.role);
    }
    let what = match sent.role {
        Role::System => "the system message".to_owned(),
        role => format!("message {number} ({role})"),
    };
    let (before, same) = until_difference(&recorded.content, &sent.content);
    let shown = |text: &str| {
        let rest = text.get(before..).unwrap_or_default();
        if rest.is_empty() { "nothing more".to_owned() } else { quote(rest, SHOWN) }
    };
    format!(
        "{what} differs at character {}: {} is recorded, {} is sent",
        same + 1,
        shown(&recorded.content),
        shown(&sent.content)
    )
}

/// The byte from which both are shown, and how many characters are the same.
fn until_difference(a: &str, b: &str) -> (usize, usize) {
    let starts: Vec<usize> =
        a.char_indices().zip(b.chars()).take_while(|((_, a), b)| a == b).map(|((at, _), _)| at).collect();
    let from = starts.len().saturating_sub(BEFORE);
    let end = starts.last().map_or(0, |at| at + a[*at..].chars().next().map_or(0, char::len_utf8));
    (starts.get(from).copied().unwrap_or(end), starts.len())
}

fn params(entry: &Entry, request: &Request<'_>) -> Option<String> {
    let names = request.params.keys().chain(entry.params.keys());
    let name = names.into_iter().find(|name| request.params.get(*name) != entry.params.get(*name))?;
    let shown =
        |value: Option<&serde_json::Value>| value.map_or_else(|| "nothing".to_owned(), |value| format!("`{value}`"));
    let (recorded, sent) = (shown(entry.params.get(name)), shown(request.params.get(name)));
    Some(format!("the parameter `{name}` differs: {recorded} is recorded, {sent} is sent"))
}
