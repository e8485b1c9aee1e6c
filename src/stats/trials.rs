//! Decides one check over the trials of its variant.

use crate::model::Verdict;

/// The verdict of a check over all its trials: it passes when passed ÷ (passed + failed) reaches `pass_rate`.
///
/// Trials that are `unknown` or `skip` are not decided and stay out of the rate. Where none is decided the check is
/// `unknown`, and `skip` where it was never asked at all.
///
/// `is_marked` says that the check bears `known_failure`. The verdict of each of its trials is then already told from
/// the mark's side (`known_failure` where the check failed, `fail` where it passed in spite of its mark), and so is
/// the decision: the rate is reckoned with what really passed, and only its result is turned round. A marked check
/// that reaches its rate is a `fail`, one that does not is a `known_failure`.
#[must_use]
pub fn decide_over_trials(verdicts: impl IntoIterator<Item = Verdict>, pass_rate: f64, is_marked: bool) -> Verdict {
    let (mut passed, mut failed, mut unknown) = (0_u32, 0_u32, 0_u32);
    for verdict in verdicts {
        match (verdict, is_marked) {
            (Verdict::Pass, _) | (Verdict::Fail, true) => passed += 1,
            (Verdict::Fail, false) | (Verdict::KnownFailure, _) => failed += 1,
            (Verdict::Unknown, _) => unknown += 1,
            (Verdict::Skip, _) => {}
        }
    }
    let decided = passed + failed;
    if decided == 0 {
        return if unknown > 0 { Verdict::Unknown } else { Verdict::Skip };
    }
    let reaches = f64::from(passed) / f64::from(decided) >= pass_rate;
    match (reaches, is_marked) {
        (true, false) => Verdict::Pass,
        (false, false) | (true, true) => Verdict::Fail,
        (false, true) => Verdict::KnownFailure,
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict::{Fail, KnownFailure, Pass, Skip, Unknown};
    use super::*;

    #[test]
    fn a_check_passes_when_its_decided_trials_reach_the_rate() {
        for (verdicts, rate, expected) in [
            (&[Pass][..], 1.0, Pass),
            (&[Fail], 1.0, Fail),
            (&[Pass, Pass, Fail], 1.0, Fail),
            (&[Pass, Pass, Fail], 0.66, Pass),
            (&[Pass, Pass, Fail], 0.67, Fail),
            (&[Pass, Pass, Pass, Pass, Fail], 0.8, Pass),
            (&[Pass, Unknown, Skip, Unknown], 1.0, Pass),
            (&[Fail, Unknown, Unknown], 0.5, Fail),
            (&[Fail, Fail], 0.0, Pass),
            (&[Unknown, Skip], 1.0, Unknown),
            (&[Skip, Skip], 1.0, Skip),
            (&[], 1.0, Skip),
        ] {
            assert_eq!(decide_over_trials(verdicts.iter().copied(), rate, false), expected, "{verdicts:?} at {rate}");
        }
    }

    #[test]
    fn a_mark_turns_the_decision_and_not_the_single_trial() {
        // Under a mark `fail` is a trial that passed in spite of it.
        for (verdicts, rate, expected) in [
            (&[KnownFailure][..], 1.0, KnownFailure),
            (&[Fail], 1.0, Fail),
            // One of three passed: at a rate of 1 the check still fails as its mark says.
            (&[KnownFailure, Fail, KnownFailure], 1.0, KnownFailure),
            (&[KnownFailure, Fail, KnownFailure], 0.3, Fail),
            (&[Fail, Unknown], 1.0, Fail),
            (&[Unknown, Skip], 1.0, Unknown),
            (&[Skip], 1.0, Skip),
        ] {
            assert_eq!(decide_over_trials(verdicts.iter().copied(), rate, true), expected, "{verdicts:?} at {rate}");
        }
    }
}
