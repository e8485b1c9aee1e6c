//! `--fail-fast`: when a check of a run has failed for good.
//!
//! A failed trial is no failed check as long as the others can bring the check to its `pass_rate`; a run that stopped there
//! would end without a failure, and incomplete.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::model::VariantKey;

/// Counts the failed trials of every check.
#[derive(Debug, Default)]
pub(super) struct FailFast {
    failed: Mutex<HashMap<(VariantKey, u32), u32>>,
}

/// A trial of a check whose verdict is `fail`, or that held in spite of its mark.
#[derive(Debug, Clone)]
pub(super) struct FailedTrial {
    pub(super) variant: VariantKey,
    /// The check's number in its conversation.
    pub(super) index: u32,
    /// How many trials its variant has.
    pub(super) trials: u32,
    /// The share of them in which it must pass.
    pub(super) pass_rate: f64,
    /// Whether it bears `known_failure`.
    pub(super) is_marked: bool,
}

impl FailedTrial {
    /// Whether the check has failed when so many of its trials have.
    fn fails_with(&self, failed: u32) -> bool {
        let share = |trials: u32| f64::from(trials) / f64::from(self.trials.max(1));
        // A marked check fails where it passes: it must not reach its rate.
        if self.is_marked {
            failed > 0 && share(failed) >= self.pass_rate
        } else {
            share(self.trials.saturating_sub(failed)) < self.pass_rate
        }
    }
}

impl FailFast {
    /// Takes in that a trial of a check failed. Says whether the check has failed with it, whatever the other trials bring;
    /// of one that had failed before, nothing new is said.
    pub(super) fn has_failed(&self, trial: &FailedTrial) -> bool {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = failed.entry((trial.variant.clone(), trial.index)).or_default();
        *failed += 1;
        trial.fails_with(*failed) && !trial.fails_with(*failed - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_has_failed_when_the_trials_left_cannot_bring_it_to_its_rate() {
        let variant = |persona: &str| VariantKey {
            scenario: "s".into(),
            case: String::new(),
            persona: persona.into(),
            model: "m".into(),
            window: "full".into(),
            vars: String::new(),
        };
        let (one, other) = (variant("one"), variant("other"));
        let fail_fast = FailFast::default();
        let alone = FailedTrial { variant: one, index: 0, trials: 1, pass_rate: 1.0, is_marked: false };
        assert!(fail_fast.has_failed(&alone));
        let fifth = FailedTrial { index: 1, trials: 5, pass_rate: 0.6, ..alone.clone() };
        let failing = |trial: FailedTrial| [(); 4].map(|()| fail_fast.has_failed(&trial));
        assert_eq!(failing(fifth.clone()), [false, false, true, false]);
        assert_eq!(failing(FailedTrial { index: 2, ..fifth.clone() }), [false, false, true, false], "another check");
        assert_eq!(
            failing(FailedTrial { variant: other, ..fifth.clone() }),
            [false, false, true, false],
            "another variant"
        );
        assert_eq!(failing(FailedTrial { index: 3, pass_rate: 0.0, ..fifth.clone() }), [false; 4]);
        let marked = FailedTrial { index: 4, pass_rate: 0.6, is_marked: true, ..fifth };
        assert_eq!(failing(marked), [false, false, true, false], "it passes three times in spite of its mark");
    }
}
