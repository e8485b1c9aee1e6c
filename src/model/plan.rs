//! What names a conversation.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The names of one variant of one scenario and case: everything but the trial.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct VariantKey {
    /// The scenario's name.
    pub scenario: String,
    /// The case's name; empty without cases.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub case: String,
    /// The persona's name.
    pub persona: String,
    /// The model's name in the config.
    pub model: String,
    /// The window's label.
    pub window: String,
    /// JSON of the matrix values; empty without a matrix.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub vars: String,
}

impl VariantKey {
    /// The variant's id: the first 16 hexadecimal digits of SHA-256 over its names, never over any text.
    #[must_use]
    pub fn id(&self) -> String {
        let mut hash = Sha256::new();
        self.names().into_iter().for_each(|name| add_name(&mut hash, name));
        let first = hash.finalize().iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        format!("{first:016x}")
    }

    fn names(&self) -> [&str; 6] {
        [&self.scenario, &self.case, &self.persona, &self.model, &self.window, &self.vars]
    }
}

/// The length in front keeps `ab` + `c` apart from `a` + `bc`.
fn add_name(hash: &mut Sha256, name: &str) {
    hash.update((name.len() as u64).to_le_bytes());
    hash.update(name.as_bytes());
}

impl fmt::Display for VariantKey {
    /// `scenario · case · persona · model · window 2 · vars`, leaving out what is empty.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.scenario)?;
        if !self.case.is_empty() {
            write!(f, " · {}", self.case)?;
        }
        write!(f, " · {} · {} · window {}", self.persona, self.model, self.window)?;
        if !self.vars.is_empty() {
            write!(f, " · {}", self.vars)?;
        }
        Ok(())
    }
}

/// The names of one conversation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ConversationKey {
    /// Its variant.
    #[serde(flatten)]
    pub variant: VariantKey,
    /// The repetition, counted from 1.
    pub trial: u32,
}

/// A conversation's id: SHA-256 over its names, never over any text, so that editing a turn changes no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConversationId(pub [u8; 32]);

impl ConversationId {
    /// The id of the conversation with these names.
    #[must_use]
    pub fn new(key: &ConversationKey) -> Self {
        let ConversationKey { variant, trial } = key;
        let mut hash = Sha256::new();
        variant.names().into_iter().for_each(|name| add_name(&mut hash, name));
        add_name(&mut hash, &trial.to_string());
        Self(hash.finalize().into())
    }
}

impl fmt::Display for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit = |four: u8| char::from(DIGITS[usize::from(four)]);
        let hex: String = self.0.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect();
        f.write_str(&hex)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_depends_on_every_name_and_on_their_borders() {
        let variant = VariantKey {
            scenario: "ab".into(),
            case: "c".into(),
            persona: "p".into(),
            model: "m".into(),
            window: "2".into(),
            vars: String::new(),
        };
        let base = ConversationKey { variant, trial: 1 };
        let mut moved = base.clone();
        moved.variant.scenario = "a".into();
        moved.variant.case = "bc".into();
        let again = ConversationKey { trial: 2, ..base.clone() };
        let ids = [&base, &moved, &again].map(|key| ConversationId::new(key).to_string());
        assert_ne!(ids[0], ids[1]);
        assert_ne!(ids[0], ids[2]);
        assert_eq!(ids[0].len(), 64);
        assert_eq!(ids[0], ConversationId::new(&base).to_string());
        assert_eq!(base.variant.id(), again.variant.id());
        assert_ne!(base.variant.id(), moved.variant.id());
        assert_eq!(base.variant.id().len(), 16);
    }
}
