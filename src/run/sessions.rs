//! What the talks with bots are called that keep their history themselves: no two of a run, nor of two runs, have one id.

use sha2::{Digest, Sha256};

use crate::model::{ConversationId, ConversationKey};

/// Names the sessions of one part of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sessions {
    /// The run's id.
    pub run: String,
    /// Which part of the run it is, from 1: what goes on begins its talks once more.
    pub part: u32,
}

impl Sessions {
    /// The id of a conversation's talk; of a probe's own one by the number of the probe. It looks like a UUID, which some bots insist
    /// on.
    #[must_use]
    pub fn id(&self, key: &ConversationKey, probe: Option<u32>) -> String {
        let mut hash = Sha256::new();
        let number = |number: u32| number.to_be_bytes();
        hash.update((self.run.len() as u64).to_be_bytes());
        hash.update(self.run.as_bytes());
        hash.update(number(self.part));
        hash.update(ConversationId::new(key).0);
        hash.update(number(probe.unwrap_or(0)));
        uuid(&hash.finalize().into())
    }
}

/// The id of a session of a talk by hand, by its number. `talk` is the talk's own name, which no other has.
#[must_use]
pub fn session_by_hand(talk: &str, number: u32) -> String {
    let mut hash = Sha256::new();
    // A run's begin with a length, which is never so long.
    hash.update([u8::MAX; 8]);
    hash.update(number.to_be_bytes());
    hash.update(talk.as_bytes());
    uuid(&hash.finalize().into())
}

/// The first half of a hash as a UUID of version 8, which is free to be made of anything.
fn uuid(hash: &[u8; 32]) -> String {
    let mut bytes = *hash;
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let digits = ConversationId(bytes).to_string();
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..32]].join("-")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::model::VariantKey;

    fn key(scenario: &str, trial: u32) -> ConversationKey {
        let variant = VariantKey {
            scenario: scenario.to_owned(),
            case: String::new(),
            persona: "default".to_owned(),
            model: "bot".to_owned(),
            window: "full".to_owned(),
            vars: String::new(),
        };
        ConversationKey { variant, trial }
    }

    #[test]
    fn every_talk_of_every_part_of_every_run_has_an_id_of_its_own_and_the_same_each_time() {
        let mut ids = BTreeSet::new();
        let mut count = 0;
        for (run, part) in [("a", 1), ("a", 2), ("b", 1), ("", 1)] {
            let sessions = Sessions { run: run.to_owned(), part };
            for scenario in ["one", "two"] {
                for trial in [1, 2] {
                    for probe in [None, Some(1), Some(2)] {
                        let id = sessions.id(&key(scenario, trial), probe);
                        assert_eq!(id, sessions.id(&key(scenario, trial), probe));
                        assert_eq!((id.len(), &id[14..15]), (36, "8"), "{id}");
                        ids.insert(id);
                        count += 1;
                    }
                }
            }
        }
        for (talk, number) in [("a", 1), ("a", 2), ("b", 1), ("", 1)] {
            let id = session_by_hand(talk, number);
            assert_eq!((id.len(), &id[14..15]), (36, "8"), "{id}");
            ids.insert(id);
            count += 1;
        }
        assert_eq!(ids.len(), count);
    }
}
