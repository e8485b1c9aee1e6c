//! Earlier replies in the place of live ones, so that what fails in a turn is that turn's own.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::journal::{JournalError, Reader};
use crate::model::ConversationKey;
use crate::provider::cassette::{Cassette, Place};

/// The replies that later turns see, by turn.
pub type Replies = BTreeMap<u32, String>;

/// Where earlier replies come from.
///
/// A conversation gets those of its own names, turn by turn; where there are none, of the same under another window (a recording
/// that two share stands under the first of them), and then under another model.
#[derive(Debug)]
pub enum Pins {
    /// What is recorded of each scenario, by its index in the plan.
    Cassettes(HashMap<u32, Arc<Cassette>>),
    /// An earlier run.
    Run(Box<PinnedRun>),
}

impl Pins {
    /// What is pinned of a conversation of the scenario at an index.
    ///
    /// # Errors
    /// When the earlier run's journal cannot be read.
    pub fn of(&self, scenario: u32, key: &ConversationKey) -> Result<Replies, JournalError> {
        match self {
            Self::Cassettes(cassettes) => Ok(cassettes.get(&scenario).map_or_else(Replies::new, |cassette| {
                let entries = cassette.entries().iter();
                nearest(key, entries.map(|entry| (&entry.place, entry.place.turn, entry.reply.text.as_str())))
            })),
            Self::Run(run) => run.of(key),
        }
    }
}

/// An earlier run, by the names of its conversations.
#[derive(Debug)]
pub struct PinnedRun {
    journal: Reader,
    /// Their places in its plan, by what they have in common whatever window and model.
    alike: HashMap<String, Vec<(u32, Place)>>,
}

impl PinnedRun {
    /// Of a journal.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn new(journal: Reader) -> Result<Self, JournalError> {
        let mut alike: HashMap<String, Vec<(u32, Place)>> = HashMap::new();
        for record in journal.records() {
            let begin = record?.begin;
            alike.entry(in_common(&begin.key)).or_default().push((begin.plan, Place::new(&begin.key, 0)));
        }
        Ok(Self { journal, alike })
    }

    fn of(&self, key: &ConversationKey) -> Result<Replies, JournalError> {
        let Some(alike) = self.alike.get(&in_common(key)) else { return Ok(Replies::new()) };
        let mut turns = Vec::new();
        for (plan, place) in alike {
            let record = self.journal.record_of(*plan)?;
            let said = record.into_iter().flat_map(|record| record.turns);
            turns.extend(said.filter_map(|turn| Some((place, turn.turn, turn.reply?))));
        }
        Ok(nearest(key, turns.iter().map(|(place, turn, reply)| (*place, *turn, reply.as_str()))))
    }
}

fn in_common(key: &ConversationKey) -> String {
    let variant = &key.variant;
    serde_json::json!([variant.scenario, variant.case, variant.persona, variant.vars, key.trial]).to_string()
}

/// Of each turn the reply of the conversation that is nearest by its names.
fn nearest<'r>(key: &ConversationKey, replies: impl Iterator<Item = (&'r Place, u32, &'r str)>) -> Replies {
    let own = Place::new(key, 0);
    let mut found: BTreeMap<u32, ((bool, bool), &str)> = BTreeMap::new();
    for (place, turn, reply) in replies {
        let is_alike = Place { model: own.model.clone(), window: own.window.clone(), turn: 0, ..place.clone() } == own;
        if !is_alike {
            continue;
        }
        let near = (place.model == own.model, place.window == own.window);
        let known = found.entry(turn).or_insert((near, reply));
        if near > known.0 {
            *known = (near, reply);
        }
    }
    found.into_iter().map(|(turn, (_, reply))| (turn, reply.to_owned())).collect()
}
