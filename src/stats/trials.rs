//! Decides one check over the trials of its variant.

use crate::model::Verdict;

/// The verdict of a check over all its trials, which are counted by their verdicts: it passes when passed ÷ (passed + failed) reaches `pass_rate`.
///
/// Trials that are `unknown` or `skip` are not decided and stay out of the rate. Where none is decided the check is
/// `unknown`, and `skip` where it was never asked at all.
///
/// `is_marked` says that the check bears `known_failure`. A trial of it that failed is then a `known_failure` already; one
/// that held is a `pass` (or a `fail`, where it is the only one). The rate is reckoned with what really held, and only its
/// result is turned round: a marked check that reaches its rate is a `fail`, one that does not is a `known_failure`.
#[must_use]
pub fn decide_over_trials(
    counts: impl IntoIterator<Item = (Verdict, u64)>,
    pass_rate: f64,
    is_marked: bool,
) -> Verdict {
    let mut trials = TrialCounts::default();
    for (verdict, number) in counts {
        trials.add(verdict, u32::try_from(number).unwrap_or(u32::MAX), is_marked);
    }
    trials.decision(pass_rate, is_marked)
}

/// The trials of a check, counted as [`decide_over_trials`] counts them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TrialCounts {
    passed: u32,
    failed: u32,
    unknown: u32,
}

impl TrialCounts {
    /// Counts one. `is_marked` says that the check bears `known_failure`.
    pub const fn count(&mut self, verdict: Verdict, is_marked: bool) {
        self.add(verdict, 1, is_marked);
    }

    const fn add(&mut self, verdict: Verdict, number: u32, is_marked: bool) {
        let sum = match (verdict, is_marked) {
            (Verdict::Pass, _) | (Verdict::Fail, true) => &mut self.passed,
            (Verdict::Fail, false) | (Verdict::KnownFailure, _) => &mut self.failed,
            (Verdict::Unknown, _) => &mut self.unknown,
            (Verdict::Skip, _) => return,
        };
        *sum = sum.saturating_add(number);
    }

    fn decision(self, pass_rate: f64, is_marked: bool) -> Verdict {
        if self.passed == 0 && self.failed == 0 {
            return if self.unknown > 0 { Verdict::Unknown } else { Verdict::Skip };
        }
        match (self.reaches(pass_rate), is_marked) {
            (true, false) => Verdict::Pass,
            (false, false) | (true, true) => Verdict::Fail,
            (false, true) => Verdict::KnownFailure,
        }
    }

    fn reaches(self, pass_rate: f64) -> bool {
        f64::from(self.passed) / (f64::from(self.passed) + f64::from(self.failed)) >= pass_rate
    }

    /// Whether nothing that `left` more trials may bring, each a pass, a failure or neither, changes the decision.
    ///
    /// The rate rises with each pass and falls with each failure, and so does its quotient when it is rounded: all that may
    /// come lies between nothing but passes and nothing but failures.
    #[must_use]
    pub fn is_settled(self, left: u32, pass_rate: f64) -> bool {
        let best = Self { passed: self.passed + left, ..self };
        let worst = Self { failed: self.failed + left, ..self };
        left == 0 || self.passed + self.failed > 0 && best.reaches(pass_rate) == worst.reaches(pass_rate)
    }

    /// The fewest of `left` more trials with which the decision is settled if they go on as most went, by the rate; 0 where it
    /// is settled.
    #[must_use]
    pub fn needed(self, left: u32, pass_rate: f64) -> u32 {
        if self.is_settled(left, pass_rate) {
            return 0;
        }
        let with = |more: u32| {
            let (passed, failed) = if self.reaches(pass_rate) { (more, 0) } else { (0, more) };
            Self { passed: self.passed + passed, failed: self.failed + failed, ..self }
        };
        let (mut low, mut high) = (1, left);
        while low < high {
            let middle = low.midpoint(high);
            if with(middle).is_settled(left - middle, pass_rate) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::Verdict::{Fail, KnownFailure, Pass, Skip, Unknown};
    use super::*;

    /// Every trial by itself.
    fn each(verdicts: &[Verdict]) -> impl Iterator<Item = (Verdict, u64)> {
        verdicts.iter().map(|verdict| (*verdict, 1))
    }

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
            assert_eq!(decide_over_trials(each(verdicts), rate, false), expected, "{verdicts:?} at {rate}");
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
            assert_eq!(decide_over_trials(each(verdicts), rate, true), expected, "{verdicts:?} at {rate}");
        }
    }

    proptest! {
        #[test]
        fn what_is_settled_is_what_all_trials_would_have_decided(
            verdicts in vec(select(vec![Pass, Fail, Unknown, Skip]), 1..12),
            rate in prop_oneof![Just(0.0), Just(1.0), 0.0..=1.0, (1..12_u32, 1..12_u32).prop_map(|(a, b)| f64::from(a.min(b)) / f64::from(b))],
            is_marked: bool,
        ) {
            // Under a mark a trial that failed is a known failure.
            let told = |verdict: Verdict| if is_marked && verdict == Pass { KnownFailure } else { verdict };
            let verdicts: Vec<Verdict> = verdicts.into_iter().map(told).collect();
            let all = decide_over_trials(each(&verdicts), rate, is_marked);
            let mut so_far = TrialCounts::default();
            for (left, verdict) in (0..u32::try_from(verdicts.len()).unwrap()).rev().zip(&verdicts) {
                so_far.count(*verdict, is_marked);
                if so_far.is_settled(left, rate) {
                    prop_assert_eq!(so_far.decision(rate, is_marked), all);
                }
            }
        }

        #[test]
        fn trials_may_be_counted_before(
            counts in vec((select(vec![Pass, Fail, KnownFailure, Unknown, Skip]), 0..5_u64), 0..6),
            rate in 0.0..=1.0_f64,
            is_marked: bool,
        ) {
            let one_by_one = counts.iter().flat_map(|(verdict, number)| (0..*number).map(|_| (*verdict, 1)));
            prop_assert_eq!(
                decide_over_trials(one_by_one, rate, is_marked),
                decide_over_trials(counts.iter().copied(), rate, is_marked)
            );
        }

        #[test]
        fn what_is_not_settled_may_still_turn(passed in 0_u32..9, failed in 0_u32..9, left in 1_u32..9, rate in 0.0..=1.0) {
            let so_far = TrialCounts { passed, failed, unknown: 0 };
            let with = |passed: u32, failed: u32| {
                let all = TrialCounts { passed: so_far.passed + passed, failed: so_far.failed + failed, unknown: 0 };
                all.decision(rate, false)
            };
            let may_be = (0..=left).flat_map(|passed| (0..=left - passed).map(move |failed| (passed, failed)));
            let is_open = may_be.into_iter().any(|(passed, failed)| with(passed, failed) != with(0, 0));
            prop_assert_eq!(so_far.is_settled(left, rate), !is_open);
        }
    }

    #[test]
    fn what_may_be_needed_is_told_by_how_it_goes() {
        for (passed, failed, left, rate, needed) in [
            (1, 0, 9, 1.0, 9),
            (0, 1, 9, 1.0, 0),
            (1, 0, 9, 0.8, 7),
            (0, 1, 9, 0.5, 5),
            (0, 5, 5, 0.5, 1),
            (0, 0, 5, 1.0, 1),
        ] {
            let so_far = TrialCounts { passed, failed, unknown: 0 };
            assert_eq!(so_far.needed(left, rate), needed, "{so_far:?} of {left} more at {rate}");
        }
    }
}
