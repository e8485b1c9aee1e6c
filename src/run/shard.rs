//! `--shard K/N`: which conversations of a plan belong to one of its parts. Pure.
//!
//! The part is told from the names of scenario and case alone, so that trials and variants that share their beginning stay
//! together, and adding a scenario moves no other conversation. The rule is the same on every system and in every
//! version, since the parts of one plan are played by many machines: SHA-256 over scenario and case, each with its length in
//! bytes in front (64 bits, little-endian); the first eight bytes of that as a big-endian number, modulo N, plus 1.

use std::str::FromStr;

use sha2::{Digest, Sha256};

use super::plan::{Plan, Planned};
use crate::event::Shard;
use crate::model::VariantKey;

/// So many parts a plan has at most.
const MOST: u32 = 10_000;

/// A text that is no shard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShardError {
    /// It is no pair of numbers.
    #[error("`{0}` is no shard; `2/3` is the second of three parts")]
    Form(String),
    /// There are no parts, or too many.
    #[error("`{0}` is no shard; a plan has from 1 to {MOST} parts")]
    Parts(String),
    /// There is no part of this number.
    #[error("`{text}` is no shard; the parts are `1/{of}` to `{of}/{of}`")]
    Number {
        /// What was given.
        text: String,
        /// How many parts there are.
        of: u32,
    },
}

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, ShardError> {
        let form = || ShardError::Form(text.to_owned());
        let digits = |part: &str| {
            let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            // A number that is too large for its type is too large.
            if is_number { Ok(part.parse().unwrap_or(u32::MAX)) } else { Err(form()) }
        };
        let (number, of) = text.split_once('/').ok_or_else(form)?;
        let (number, of) = (digits(number)?, digits(of)?);
        match of {
            1..=MOST if (1..=of).contains(&number) => Ok(Self { number, of }),
            1..=MOST => Err(ShardError::Number { text: text.to_owned(), of }),
            _ => Err(ShardError::Parts(text.to_owned())),
        }
    }
}

impl Shard {
    /// Whether a variant belongs to this part.
    #[must_use]
    pub fn has(self, key: &VariantKey) -> bool {
        self.has_case(&key.scenario, &key.case)
    }

    fn has_case(self, scenario: &str, case: &str) -> bool {
        let mut hash = Sha256::new();
        for name in [scenario, case] {
            // The length in front keeps `ab` + `c` apart from `a` + `bc`.
            hash.update((name.len() as u64).to_le_bytes());
            hash.update(name.as_bytes());
        }
        let first = hash.finalize().iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        first % u64::from(self.of.max(1)) + 1 == u64::from(self.number)
    }

    /// The places in the plan of the conversations of this part, in plan order.
    #[must_use]
    pub fn places(self, plan: &Plan) -> Vec<usize> {
        let is_own = |planned: &Planned| self.has_case(&plan.scenario(planned).name, plan.case(planned));
        let own = plan.conversations.iter().enumerate().filter(|(_, planned)| is_own(planned));
        own.map(|(place, _)| place).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(scenario: &str, case: &str, of: u32) -> u32 {
        let own: Vec<u32> = (1..=of).filter(|&number| Shard { number, of }.has_case(scenario, case)).collect();
        assert_eq!(own.len(), 1, "`{scenario}` `{case}` is in one part of {of}: {own:?}");
        own[0]
    }

    #[test]
    fn the_rule_is_fixed() {
        // Told by another program; the machines of one run may have other versions of this one.
        for (scenario, case, of, expected) in [
            ("whats-my-name", "", 3, 1),
            ("whats-my-name", "", 7, 3),
            ("cities", "Zürich", 3, 3),
            ("cities", "7", 10_000, 3414),
        ] {
            assert_eq!(number(scenario, case, of), expected, "{scenario} {case} of {of}");
        }
    }

    #[test]
    fn what_is_no_shard_is_refused() {
        let refused = |text: &str| text.parse::<Shard>().unwrap_err().to_string();
        for text in ["x", "", "3", "1/", "/3", "1/x", "-1/3", "+1/3", "1/3/3", "1 / 3", "1.0/3"] {
            assert_eq!(refused(text), format!("`{text}` is no shard; `2/3` is the second of three parts"));
        }
        assert_eq!(refused("0/3"), "`0/3` is no shard; the parts are `1/3` to `3/3`");
        assert_eq!(refused("4/3"), "`4/3` is no shard; the parts are `1/3` to `3/3`");
        assert_eq!(refused("99999999999/3"), "`99999999999/3` is no shard; the parts are `1/3` to `3/3`");
        assert_eq!(refused("1/0"), "`1/0` is no shard; a plan has from 1 to 10000 parts");
        assert_eq!(refused("1/10001"), "`1/10001` is no shard; a plan has from 1 to 10000 parts");
        assert_eq!("3/3".parse(), Ok(Shard { number: 3, of: 3 }));
    }

    #[test]
    fn parts_are_about_equal() {
        for of in 2..=7 {
            let mut sizes = vec![0_u32; of as usize];
            for case in 0..7000 {
                sizes[number("cities", &case.to_string(), of) as usize - 1] += 1;
            }
            let fair = 7000 / of;
            assert!(sizes.iter().all(|size| size.abs_diff(fair) < fair / 5), "{sizes:?}");
        }
    }

    proptest! {
        #[test]
        fn every_scenario_and_case_is_in_one_part(scenario in ".{0,12}", case in ".{0,12}", of in 1_u32..=7) {
            number(&scenario, &case, of);
        }
    }
}
