//! Earlier replies in the place of live ones, so that what fails in a turn is that turn's own.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::journal::{JournalError, Reader};
use crate::model::{ConversationKey, TurnId};
use crate::provider::cassette::{Cassette, Place};

/// The replies that later turns see, by turn.
pub type Replies = BTreeMap<TurnId, Pinned>;

/// An earlier reply, with what it answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    /// The user message.
    pub user: String,
    /// The reply.
    pub reply: String,
}

/// Where earlier replies come from.
///
/// A conversation gets those of its own names, turn by turn; where there are none, of the same under another window, and then under another model.
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
                let replies = cassette.entries().iter().flat_map(|entry| {
                    let places = std::iter::once(&entry.place).chain(&entry.also).filter(|place| !place.is_beside());
                    // What is asked is the last message of a request.
                    let user = entry.messages.last().map_or("", |message| message.content.as_str());
                    places.map(move |place| (place, place.turn, user, entry.reply.text.as_str()))
                });
                nearest(key, replies)
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
            alike.entry(in_common(&begin.key)).or_default().push((begin.plan, Place::whole(&begin.key)));
        }
        Ok(Self { journal, alike })
    }

    fn of(&self, key: &ConversationKey) -> Result<Replies, JournalError> {
        let Some(alike) = self.alike.get(&in_common(key)) else { return Ok(Replies::new()) };
        let mut turns = Vec::new();
        for (plan, place) in alike {
            let record = self.journal.record_of(*plan)?;
            let said = record.into_iter().flat_map(|record| record.turns);
            turns.extend(said.filter_map(|turn| Some((place, turn.turn, turn.user, turn.reply?))));
        }
        Ok(nearest(key, turns.iter().map(|(place, turn, user, reply)| (*place, *turn, user.as_str(), reply.as_str()))))
    }
}

fn in_common(key: &ConversationKey) -> String {
    let variant = &key.variant;
    serde_json::json!([variant.scenario, variant.case, variant.persona, variant.vars, key.trial]).to_string()
}

/// The replies of the conversation that is nearest by its names: of that alone, since what one said is no answer to another.
fn nearest<'r>(key: &ConversationKey, replies: impl Iterator<Item = (&'r Place, TurnId, &'r str, &'r str)>) -> Replies {
    let own = Place::whole(key);
    // Whoever comes first, of those that are equally near.
    let mut found: Option<((bool, bool), Place, Replies)> = None;
    for (place, turn, user, reply) in replies {
        let conversation = place.without_turn();
        let is_alike = Place { model: own.model.clone(), window: own.window.clone(), ..conversation.clone() } == own;
        if !is_alike {
            continue;
        }
        let pinned = || Pinned { user: user.to_owned(), reply: reply.to_owned() };
        let near = (place.model == own.model, place.window == own.window);
        match &mut found {
            Some((_, known, replies)) if *known == conversation => drop(replies.insert(turn, pinned())),
            Some((nearest, ..)) if *nearest >= near => {}
            _ => found = Some((near, conversation, Replies::from([(turn, pinned())]))),
        }
    }
    found.map(|(_, _, replies)| replies).unwrap_or_default()
}
