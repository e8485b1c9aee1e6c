//! Looks, when a run is over, for canaries of one conversation in what was said to another: histories bled into one another.
//!
//! Every word of every reply, and every two that follow one another, are looked up by their hash: time grows with what was
//! said alone, and a canary takes a few bytes, however many there are.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::event::{CheckDone, ConversationDone, Event, Record, TurnDone};
use crate::journal::{JournalError, Reader};
use crate::model::{End, Source, TurnId, VariantKey, Verdict};
use crate::text::escape::quote;

/// The key of the check that fails.
pub const CHECK: &str = "contamination";

/// Characters of a canary that are shown.
const SHOWN: usize = 60;

/// What the journal of a run is to be told of conversations to which canaries of others were said: a failed check of each, and how it
/// ended. Of what it was told before, nothing.
///
/// # Errors
/// When the journal cannot be read.
pub fn find(journal: &Reader) -> Result<Vec<Event>, JournalError> {
    let mut canaries = Canaries::default();
    for begin in journal.begins() {
        let begin = begin?;
        begin.canaries.values().filter_map(|value| value.as_str()).for_each(|value| canaries.add(value, begin.plan));
    }
    let mut events = Vec::new();
    if canaries.0.is_empty() {
        return Ok(events);
    }
    for record in journal.records() {
        let record = record?;
        if let Some(found) = canaries.first_in(&record, journal)? {
            events.extend(told(&record, &found));
        }
    }
    Ok(events)
}

/// A canary of another conversation.
struct Found {
    turn: TurnId,
    canary: String,
    fact: String,
    owner: VariantKey,
    /// Its trial, where there are several.
    trial: Option<u32>,
    /// In how many more replies there are such.
    more: usize,
}

/// Places in the plan of the conversations whose canaries they are, by the hash of their words.
#[derive(Default)]
struct Canaries(HashMap<u64, u32>);

impl Canaries {
    fn add(&mut self, value: &str, plan: u32) {
        let words: Vec<String> = words(value).collect();
        self.0.insert(hash(&words), plan);
    }

    /// Conversations other than this one whose canaries a text may have.
    fn in_text<'t>(&'t self, text: &'t str, own: u32) -> impl Iterator<Item = u32> + 't {
        let mut before: Option<String> = None;
        let owners = words(text).flat_map(move |word| {
            let alone = self.0.get(&hash(&[&word]));
            let pair = before.as_ref().and_then(|before| self.0.get(&hash(&[before, &word])));
            before = Some(word);
            [pair, alone].into_iter().flatten().copied()
        });
        owners.filter(move |owner| *owner != own)
    }

    fn first_in(&self, record: &Record, journal: &Reader) -> Result<Option<Found>, JournalError> {
        let mut first: Option<Found> = None;
        for turn in record.turns.iter().filter(|turn| turn.source != Source::Canned) {
            let text = turn.reply.as_deref().unwrap_or_default();
            for owner in self.in_text(text, record.begin.plan) {
                let Some(found) = found(turn, text, owner, journal)? else { continue };
                match &mut first {
                    Some(first) => first.more += 1,
                    none => *none = Some(found),
                }
                break;
            }
        }
        Ok(first)
    }
}

/// What of a conversation's canaries a text really has: hashes may be the same by chance.
fn found(turn: &TurnDone, text: &str, owner: u32, journal: &Reader) -> Result<Option<Found>, JournalError> {
    let Some(record) = journal.record_of(owner)? else { return Ok(None) };
    let said: Vec<String> = words(text).collect();
    let has = |canary: &str| {
        let canary: Vec<String> = words(canary).collect();
        said.windows(canary.len().max(1)).any(|words| words == canary)
    };
    let mut canaries = record.begin.canaries.iter().filter_map(|(fact, value)| Some((fact, value.as_str()?)));
    let canary = canaries.find(|(_, canary)| has(canary));
    Ok(canary.map(|(fact, canary)| Found {
        turn: turn.turn,
        canary: canary.to_owned(),
        fact: fact.clone(),
        owner: record.begin.key.variant.clone(),
        trial: (record.begin.trials > 1).then_some(record.begin.key.trial),
        more: 0,
    }))
}

/// A failed check behind all others, and the end of a conversation that had passed.
fn told(record: &Record, found: &Found) -> Vec<Event> {
    let place = record.checks.iter().position(|check| check.check == CHECK).unwrap_or(record.checks.len());
    let index = record.checks.get(place).map(|check| check.index);
    let next = record.checks.last().map_or(0, |check| check.index + 1);
    let check = CheckDone {
        plan: record.begin.plan,
        turn: Some(found.turn),
        index: index.unwrap_or(next),
        check: CHECK.to_owned(),
        name: None,
        expected: String::new(),
        verdict: Verdict::Fail,
        score: None,
        detail: detail(found),
        known_failure: None,
        retention: None,
        decided_at: None,
        is_open: false,
        line: 1,
        column: None,
    };
    let mut events = Vec::new();
    if record.checks.get(place) != Some(&check) {
        events.push(Event::Check(Box::new(check)));
    }
    if let Some(done @ ConversationDone { end: End::Passed, .. }) = &record.done {
        events.push(Event::Conversation(ConversationDone { end: End::Failed, ..done.clone() }));
    }
    events
}

fn detail(found: &Found) -> String {
    let more = match found.more {
        0 => String::new(),
        1 => ", and one more reply has such".to_owned(),
        more => format!(", and {more} more replies have such"),
    };
    let (canary, fact) = (quote(&found.canary, SHOWN), &found.fact);
    let trial = found.trial.map_or_else(String::new, |trial| format!(", trial {trial}"));
    format!("the reply has {canary}, the canary `{fact}` of another conversation, `{}`{trial}{more}", found.owner)
}

/// The words of a text in small letters.
fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

fn hash<W: AsRef<str>>(words: &[W]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for word in words {
        word.as_ref().hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canary_is_found_as_words_however_they_are_set_and_in_no_other_conversation_but_its_own() {
        let mut canaries = Canaries::default();
        canaries.add("Tasoline Keduramo", 1);
        canaries.add("K7QMZ-2XW9T", 2);
        canaries.add("123456789012345", 3);
        for (text, owners) in [
            ("You are **Tasoline** Keduramo's friend.", &[1][..]),
            ("tasoline  keduramo", &[1]),
            ("Tasoline, the Keduramo", &[]),
            ("Tasoline Keduramos", &[]),
            ("Code k7qmz 2xw9t, number 123456789012345!", &[2, 3]),
            ("1234567890123456", &[]),
            ("", &[]),
        ] {
            assert_eq!(canaries.in_text(text, 0).collect::<Vec<_>>(), owners, "{text:?}");
        }
        assert_eq!(canaries.in_text("Tasoline Keduramo K7QMZ-2XW9T", 1).collect::<Vec<_>>(), [2], "its own is no news");
    }
}
