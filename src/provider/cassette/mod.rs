//! Recorded requests with their replies, for runs without a network.
//!
//! A cassette is a file of lines of JSON, one a recording, made to be read in a diff and kept under version control. What is
//! found in it is told by a key over what is really sent; nothing in it tells where that went, or with which key. [`Cassette`]
//! is pure, and so is [`recorded`], which makes recordings of a finished conversation; only `file.rs` touches files.

mod behind;
mod entry;
mod file;
mod nearest;
mod request;
mod uncalled;

use std::collections::{HashMap, HashSet};

pub use entry::{Entry, Place, Recorded, recorded};
pub use file::{CassetteError, FOLDER, names, path, read, remove, write};
pub use request::{Key, Keys, Request};
pub use uncalled::Uncalled;

use self::entry::Line;
use crate::event::FORMAT;

/// What is wrong with the text of a cassette.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct Damaged {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

/// The recordings of one scenario, in the order in which a run's plan has them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cassette {
    entries: Vec<Entry>,
    by_key: HashMap<Key, usize>,
}

impl Cassette {
    /// A cassette of these recordings. Of several with one key the first counts.
    #[must_use]
    pub fn new(entries: impl IntoIterator<Item = Entry>) -> Self {
        let mut cassette = Self::default();
        for entry in entries {
            cassette.by_key.entry(entry.key).or_insert_with(|| {
                cassette.entries.push(entry);
                cassette.entries.len() - 1
            });
        }
        cassette
    }

    /// Reads the text of a cassette. Lines may end as on Windows.
    ///
    /// # Errors
    /// The first line that is no recording, that was changed by hand, or that says another reply to a request that has one.
    pub fn parse(text: &str) -> Result<Self, Damaged> {
        let mut cassette = Self::default();
        let mut lines: HashMap<Key, usize> = HashMap::new();
        for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
            let damaged = |what: String| Damaged { line: number, what };
            if number == 1 {
                Line::check_header(line).map_err(damaged)?;
                continue;
            }
            let entry = Line::read(line).map_err(damaged)?;
            match cassette.by_key.get(&entry.key).map(|at| &cassette.entries[*at]) {
                Some(known) if known.reply != entry.reply => {
                    let first = lines.get(&entry.key).copied().unwrap_or_default();
                    return Err(damaged(format!("another reply to the request of line {first}")));
                }
                // A merge of two branches may bring one recording twice.
                Some(_) => {}
                None => {
                    lines.insert(entry.key, number);
                    cassette.by_key.insert(entry.key, cassette.entries.len());
                    cassette.entries.push(entry);
                }
            }
        }
        if cassette.entries.is_empty() && !text.trim().is_empty() && text.lines().count() > 1 {
            return Err(Damaged { line: 1, what: "a cassette without a recording".to_owned() });
        }
        Ok(cassette)
    }

    /// The text of the file.
    #[must_use]
    pub fn to_text(&self, scenario: &str) -> String {
        let header = Line::header(FORMAT, scenario);
        std::iter::once(header).chain(self.entries.iter().map(Line::written)).map(|line| line + "\n").collect()
    }

    /// Its recordings, in their order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The reply that is recorded for a request.
    #[must_use]
    pub fn reply(&self, key: &Key) -> Option<&Recorded> {
        self.by_key.get(key).map(|at| &self.entries[*at].reply)
    }

    /// Whether there is a recording of a model, other than as a judge.
    #[must_use]
    pub fn has_model(&self, model: &str) -> bool {
        self.entries.iter().any(|entry| entry.place.model == model && entry.place.judge.is_none())
    }

    /// Whether there is a recording of a model as a judge.
    #[must_use]
    pub fn has_judge(&self, model: &str) -> bool {
        self.entries.iter().any(|entry| entry.place.judge.as_deref() == Some(model))
    }

    /// In what a request that is not recorded differs from the recording that is nearest to it.
    #[must_use]
    pub fn difference(&self, request: &Request<'_>, occurrence: u32) -> String {
        nearest::difference(&self.entries, request, occurrence)
    }

    /// The same with what a run recorded, in plan order. A recording of a place that the run recorded anew (`replaced`) goes
    /// unless it is among them; all others stay where they are.
    #[must_use]
    pub fn with(&self, new: Vec<Entry>, replaced: &HashSet<Place>) -> Self {
        let known: HashSet<Key> = new.iter().map(|entry| entry.key).collect();
        // Whoever was not recorded anew still needs it.
        let kept = |entry: &Entry| {
            let places = std::iter::once(&entry.place).chain(&entry.also);
            let mut places = places.filter(|place| !replaced.contains(&place.without_turn())).cloned();
            Some(Entry { place: places.next()?, also: places.collect(), ..entry.clone() })
        };
        // What stays follows what it followed; what is new decides about its own order alone.
        let mut after: HashMap<Option<Key>, Vec<Entry>> = HashMap::new();
        let mut last = None;
        for entry in &self.entries {
            if known.contains(&entry.key) {
                last = Some(entry.key);
            } else if let Some(entry) = kept(entry) {
                after.entry(last).or_default().push(entry);
            }
        }
        let mut entries = after.remove(&None).unwrap_or_default();
        for mut entry in new {
            let key = entry.key;
            // Who had it before, and was not played this time, has it still.
            let old = self.by_key.get(&key).map(|at| &self.entries[*at]);
            let others = old.into_iter().flat_map(|old| std::iter::once(&old.place).chain(&old.also));
            let others = others.filter(|place| !replaced.contains(&place.without_turn()) && **place != entry.place);
            let others: Vec<Place> = others.filter(|place| !entry.also.contains(place)).cloned().collect();
            entry.also.extend(others);
            entries.push(entry);
            entries.extend(after.remove(&Some(key)).unwrap_or_default());
        }
        Self::new(entries)
    }

    /// The conversations that a run did not record anew (all but `replaced`) and that can be replayed no more where `new` takes
    /// the place of this cassette: they share a turn that has another reply there, and what followed the old one is all that is
    /// recorded of them.
    #[must_use]
    pub fn left_behind(&self, new: &Self, replaced: &HashSet<Place>) -> Vec<Place> {
        behind::left_behind(self, new, replaced)
    }

    /// The same with those recordings alone that are used.
    #[must_use]
    pub fn only(&self, used: &HashSet<Key>) -> Self {
        Self::new(self.entries.iter().filter(|entry| used.contains(&entry.key)).cloned())
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
