//! Where in its conversation something is asked: in a turn, or in a probe behind the last of them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A turn, or a probe, both counted from 1. Probes stand behind all turns.
///
/// Displays as every table and the journal have it: `3`, and `p1` for the first probe. [`Self::named`] says it in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TurnId {
    /// A turn.
    Turn(u32),
    /// A probe.
    Probe(u32),
}

impl TurnId {
    /// Whether it is a probe.
    #[must_use]
    pub const fn is_probe(self) -> bool {
        matches!(self, Self::Probe(_))
    }

    /// `turn 3`, `probe p1`.
    #[must_use]
    pub const fn named(self) -> NamedTurn {
        NamedTurn(self)
    }

    /// Reads what [`Self::named`] says; `None` of any other text.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        let (word, number) = name.split_once(' ')?;
        let turn: Self = number.parse().ok()?;
        (word == turn.word()).then_some(turn)
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Turn(_) => "turn",
            Self::Probe(_) => "probe",
        }
    }
}

impl fmt::Display for TurnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Turn(number) => write!(f, "{number}"),
            Self::Probe(number) => write!(f, "p{number}"),
        }
    }
}

/// A turn or a probe in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedTurn(TurnId);

impl fmt::Display for NamedTurn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0.word(), self.0)
    }
}

impl FromStr for TurnId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix('p') {
            Some(number) => number.parse().map(Self::Probe),
            None => text.parse().map(Self::Turn),
        }
    }
}

impl Serialize for TurnId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Turn(number) => serializer.serialize_u32(*number),
            Self::Probe(_) => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for TurnId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = TurnId;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a turn's number, or a probe's such as `p1`")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<TurnId, E> {
                let unfit = |_| E::invalid_value(de::Unexpected::Unsigned(number), &self);
                u32::try_from(number).map(TurnId::Turn).map_err(unfit)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<TurnId, E> {
                let probe = text.parse().ok().filter(|turn: &TurnId| turn.is_probe());
                probe.ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_and_read_as_tables_and_journal_have_it() {
        for (turn, json, named) in [
            (TurnId::Turn(0), "0", "turn 0"),
            (TurnId::Turn(12), "12", "turn 12"),
            (TurnId::Probe(3), "\"p3\"", "probe p3"),
        ] {
            assert_eq!(serde_json::to_string(&turn).unwrap(), json);
            assert_eq!(serde_json::from_str::<TurnId>(json).unwrap(), turn);
            assert_eq!(turn.named().to_string(), named);
            assert_eq!(TurnId::of_name(named), Some(turn));
        }
        for wrong in ["\"3\"", "-1", "1.5", "\"p\"", "\"px\"", "4294967296", "null"] {
            assert!(serde_json::from_str::<TurnId>(wrong).is_err(), "{wrong}");
        }
        assert_eq!(TurnId::of_name("turn p1").or(TurnId::of_name("probe 1")), None);
        assert!(TurnId::Turn(u32::MAX) < TurnId::Probe(1));
    }
}
