//! Values that nobody guesses: what a fact is called where recalling it must not be luck.
//!
//! A value is made from the run's seed, the conversation's id and the fact's name, so that every conversation has its own,
//! and the same one in every run with the same seed. Each kind has at least 48 bits of what SHA-256 gives.

use sha2::{Digest, Sha256};

use super::ConversationId;

/// What a value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CanaryKind {
    /// `Tasoline Keduramo`
    Person,
    /// `Mirolasena Kadoberg`
    Place,
    /// `tasolinekeduramo`
    Word,
    /// Fifteen digits, of which the first is no zero.
    Number,
    /// `K7QMZ-2XW9T`
    Code,
}

/// Six bits each, so that what they make can be spoken.
const CONSONANTS: &[u8; 16] = b"bdhjklmnprstvwyz";
const VOWELS: &[u8; 4] = b"aeio";
/// Without what is easily taken for another.
const LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

impl CanaryKind {
    /// All of them, by the words that a scenario has for them.
    pub const ALL: [(&'static str, Self); 5] = [
        ("person", Self::Person),
        ("place", Self::Place),
        ("word", Self::Word),
        ("number", Self::Number),
        ("code", Self::Code),
    ];

    /// The value of a fact of a conversation.
    #[must_use]
    pub fn value(self, seed: u64, conversation: &ConversationId, fact: &str) -> String {
        let mut hash = Sha256::new();
        hash.update(seed.to_le_bytes());
        hash.update(conversation.0);
        hash.update(fact.as_bytes());
        let mut bytes = hash.finalize().into_iter();
        let mut byte = || bytes.next().unwrap_or_default();
        let mut syllables = |number: usize| -> String {
            let syllable =
                |byte: u8| [CONSONANTS[usize::from(byte >> 4)], VOWELS[usize::from(byte & 3)]].map(char::from);
            (0..number).flat_map(|_| syllable(byte())).collect()
        };
        match self {
            Self::Person => format!("{} {}", capital(&syllables(4)), capital(&syllables(4))),
            Self::Place => format!("{} {}berg", capital(&syllables(5)), capital(&syllables(3))),
            Self::Word => syllables(8),
            Self::Number => {
                const FIRST: u64 = 100_000_000_000_000;
                let number = (0..8).fold(0_u64, |number, _| number << 8 | u64::from(byte()));
                (FIRST + number % (9 * FIRST)).to_string()
            }
            Self::Code => {
                let mut letters =
                    || -> String { (0..5).map(|_| char::from(LETTERS[usize::from(byte() & 31)])).collect() };
                format!("{}-{}", letters(), letters())
            }
        }
    }
}

fn capital(word: &str) -> String {
    word[..1].to_ascii_uppercase() + &word[1..]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use regex::Regex;

    use super::*;

    #[test]
    fn each_kind_looks_like_what_it_is_and_no_two_are_the_same() {
        let form = |kind| match kind {
            CanaryKind::Person => "^[A-Z][a-z]{7} [A-Z][a-z]{7}$",
            CanaryKind::Place => "^[A-Z][a-z]{9} [A-Z][a-z]{5}berg$",
            CanaryKind::Word => "^[a-z]{16}$",
            CanaryKind::Number => "^[1-9][0-9]{14}$",
            CanaryKind::Code => "^[A-Z2-9]{5}-[A-Z2-9]{5}$",
        };
        let mut seen = HashSet::new();
        for (_, kind) in CanaryKind::ALL {
            let form = Regex::new(form(kind)).unwrap();
            for number in 0..50 {
                let (one, other) = (ConversationId([number; 32]), ConversationId([number + 100; 32]));
                for value in [
                    kind.value(0, &one, "a"),
                    kind.value(1, &one, "a"),
                    kind.value(0, &other, "a"),
                    kind.value(0, &one, "b"),
                ] {
                    assert!(form.is_match(&value), "{value}");
                    assert!(seen.insert(value), "twice");
                }
            }
            assert_eq!(kind.value(7, &ConversationId([1; 32]), "x"), kind.value(7, &ConversationId([1; 32]), "x"));
        }
    }

    #[test]
    fn a_value_stays_what_it_is_or_recordings_and_snapshots_would_be_of_nobody() {
        let id = ConversationId([9; 32]);
        let values = CanaryKind::ALL.map(|(_, kind)| kind.value(0, &id, "name"));
        insta::assert_snapshot!(values.join(" · "), @"Lipepeti Pemikiha · Lipepetipe Mikihaberg · lipepetipemikiha · 788112373465640 · YPF8K-GCJUF");
    }
}
