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

/// Whether a conversation of these turns finds all of its requests, with the replies that it hears now.
fn is_replayed(turns: &BTreeMap<TurnId, &Entry>, new: &Cassette) -> bool {
    let mut heard: HashMap<&str, &str> = HashMap::new();
    turns.iter().all(|(turn, entry)| {
        let messages: Vec<WireMessage> = entry.messages.iter().map(|message| as_heard(message, &heard)).collect();
        let asked = Request { messages: &messages, ..entry.request() };
        let Some(reply) = new.reply(&asked.key(entry.occurrence)) else { return false };
        // Nobody hears what was said to a probe.
        if !turn.is_probe() {
            heard.insert(&entry.reply.text, &reply.text);
        }
        true
    })
}

fn as_heard(message: &WireMessage, heard: &HashMap<&str, &str>) -> WireMessage {
    match heard.get(message.content.as_str()) {
        Some(now) if message.role == Role::Assistant => WireMessage { role: message.role, content: (*now).to_owned() },
        _ => message.clone(),
    }
}
