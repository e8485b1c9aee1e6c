//! Which conversations cannot be replayed any more since a turn that they share was recorded anew with another reply.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::Cassette;
use super::entry::{Entry, Place};
use super::request::Request;
use crate::event::WireMessage;
use crate::model::{Role, TurnId};

/// The conversations, of those that were not recorded anew, of which `old` has a recording that follows a reply which is
/// another one in `new`, where `new` has nothing that follows the new one; in the order of their recordings.
pub(super) fn left_behind(old: &Cassette, new: &Cassette, replaced: &HashSet<Place>) -> Vec<Place> {
    let mut shared: Vec<Place> = Vec::new();
    let mut known = HashSet::new();
    for entry in old.entries().iter().filter(|entry| says_otherwise(entry, new)) {
        let conversations = places(entry).map(Place::without_turn).filter(|place| !replaced.contains(place));
        shared.extend(conversations.filter(|place| known.insert(place.clone())));
    }
    if shared.is_empty() {
        return shared;
    }
    let mut turns: HashMap<Place, BTreeMap<TurnId, &Entry>> = HashMap::new();
    for entry in old.entries() {
        for place in places(entry).filter(|place| known.contains(&place.without_turn())) {
            turns.entry(place.without_turn()).or_default().insert(place.turn, entry);
        }
    }
    shared.retain(|place| turns.get(place).is_some_and(|turns| !is_replayed(turns, new)));
    shared
}

fn says_otherwise(entry: &Entry, new: &Cassette) -> bool {
    new.reply(&entry.key).is_some_and(|reply| reply.text != entry.reply.text)
}

fn places(entry: &Entry) -> impl Iterator<Item = &Place> {
    std::iter::once(&entry.place).chain(&entry.also).filter(|place| !place.is_beside())
}

/// What was said in a turn whose reply later turns hear.
struct Exchange<'a> {
    user: &'a str,
    /// The reply that is recorded.
    before: &'a str,
    /// The one that is recorded anew.
    now: &'a str,
}

/// Whether a conversation of these turns finds all of its requests, with the replies that it hears now.
fn is_replayed(turns: &BTreeMap<TurnId, &Entry>, new: &Cassette) -> bool {
    let mut earlier: Vec<Exchange<'_>> = Vec::new();
    turns.iter().all(|(turn, entry)| {
        let messages = as_heard(&entry.messages, &earlier);
        let asked = Request { messages: &messages, ..entry.request() };
        let Some(reply) = new.reply(&asked.key(entry.occurrence)) else { return false };
        // Nobody hears what was said to a probe.
        if !turn.is_probe() {
            let user = entry.messages.last().map_or("", |message| &message.content);
            earlier.push(Exchange { user, before: &entry.reply.text, now: &reply.text });
        }
        true
    })
}

/// The messages of a request with the replies that are recorded anew. A recording does not say of which turn a message is: as
/// windows keep the end of a history, that is told from there, by the reply and the question in front of it. Two turns may
/// have been answered alike.
fn as_heard(messages: &[WireMessage], mut earlier: &[Exchange<'_>]) -> Vec<WireMessage> {
    let mut heard: Vec<WireMessage> = Vec::with_capacity(messages.len());
    for (place, message) in messages.iter().enumerate().rev() {
        let is_reply = |one: &Exchange<'_>| message.role == Role::Assistant && one.before == message.content;
        let question = place.checked_sub(1).map(|before| messages[before].content.as_str());
        let is_exchange = |one: &Exchange<'_>| is_reply(one) && question == Some(one.user);
        // The window may have cut the question.
        let found = earlier.iter().rposition(is_exchange).or_else(|| earlier.iter().rposition(is_reply));
        heard.push(match found {
            Some(at) => WireMessage { role: message.role, content: earlier[at].now.to_owned() },
            None => message.clone(),
        });
        earlier = &earlier[..found.unwrap_or(earlier.len())];
    }
    heard.reverse();
    heard
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;
    use crate::provider::cassette::Recorded;

    fn place(window: &str, turn: u32) -> Place {
        Place {
            case: String::new(),
            persona: "default".to_owned(),
            model: "m".to_owned(),
            window: window.to_owned(),
            vars: String::new(),
            trial: 1,
            turn: TurnId::Turn(turn),
            triage: false,
            judge: None,
            embedding: None,
        }
    }

    /// A conversation of windows `full` and `9`, which send the same; each request has the last `most` messages of it.
    fn shared(exchanges: &[(&str, &str)], most: usize) -> Cassette {
        let mut list: Vec<WireMessage> = Vec::new();
        Cassette::new((1..).zip(exchanges).map(|(turn, (user, reply))| {
            list.push(WireMessage { role: Role::User, content: (*user).to_owned() });
            let messages = list[list.len().saturating_sub(most)..].to_vec();
            list.push(WireMessage { role: Role::Assistant, content: (*reply).to_owned() });
            let key = Request { model: "m", messages: &messages, params: &Map::new(), trial: 1 }.key(1);
            let reply = Recorded {
                text: (*reply).to_owned(),
                chunks: Vec::new(),
                thinking: None,
                finish_reason: None,
                usage: None,
                model: None,
                fingerprint: None,
            };
            let (place, also) = (place("full", turn), vec![place("9", turn)]);
            Entry { key, place, also, occurrence: 1, params: Map::new(), messages, reply }
        }))
    }

    #[test]
    fn turns_that_were_answered_alike_are_told_apart_where_they_are_answered_otherwise_now() {
        let replaced = HashSet::from([place("full", 1).without_turn()]);
        let said = |replies: [&'static str; 4]| -> Vec<(&'static str, &'static str)> {
            ["one", "two", "three", "four"].into_iter().zip(replies).collect()
        };
        for most in [usize::MAX, 4, 3, 2] {
            let old = shared(&said(["Noted.", "Noted.", "Fine.", "End."]), most);
            for replies in [
                ["First.", "Second.", "Fine.", "End."],
                ["Noted.", "Second.", "Noted.", "End."],
                ["Second.", "Noted.", "Third.", "Noted."],
            ] {
                let new = shared(&said(replies), most);
                assert_eq!(left_behind(&old, &new, &replaced), [], "{replies:?}, the last {most}");
            }
        }
        // What followed the old replies is all that is there.
        let old = shared(&said(["Noted.", "Noted.", "Fine.", "End."]), usize::MAX);
        let new = shared(&said(["First.", "Second.", "Fine.", "End."])[..2], usize::MAX);
        assert_eq!(left_behind(&old, &new, &replaced), [place("9", 1).without_turn()]);
    }
}
