//! `--until-decided`: whether trials that are left can still change a verdict of their variant.
//!
//! Exact, and no approximation: a variant is decided when no check of it can be decided otherwise, whatever its other trials
//! bring, those in flight among them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::conversation::Played;
use crate::model::Verdict;
use crate::stats::TrialCounts;

/// The variants of a run, by the place in the plan of their first trial.
#[derive(Debug, Default)]
pub(super) struct UntilDecided(Mutex<HashMap<usize, Variant>>);

/// What the trials of a variant brought so far.
#[derive(Debug, Default)]
struct Variant {
    ended: u32,
    /// One was played to its end, so all checks are known.
    is_known: bool,
    checks: Vec<Check>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Check {
    trials: TrialCounts,
    /// It is not asked of this variant, in no trial.
    is_left_out: bool,
}

impl UntilDecided {
    fn variants(&self) -> MutexGuard<'_, HashMap<usize, Variant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A trial has ended.
    pub(super) fn ended(&self, variant: usize, played: &Played) {
        self.variants().entry(variant).or_default().add(played);
    }

    /// How many trials of a variant may be needed beside those that have ended, of so many in all, if they go on as they went.
    /// With 0 it is decided: no trial that has not ended can change a verdict.
    pub(super) fn needed(&self, variant: usize, trials: u32, pass_rate: f64) -> u32 {
        let variants = self.variants();
        variants.get(&variant).map_or(trials, |variant| variant.needed(trials, pass_rate))
    }
}

impl Variant {
    fn add(&mut self, played: &Played) {
        self.ended += 1;
        self.is_known |= played.is_whole;
        if self.checks.len() < played.verdicts.len() {
            self.checks.resize(played.verdicts.len(), Check::default());
        }
        for (check, (verdict, is_marked)) in self.checks.iter_mut().zip(&played.verdicts) {
            check.trials.count(*verdict, *is_marked);
            // Where no call failed, a check is passed over for what the model is, which is so in every trial.
            check.is_left_out |= played.is_whole && *verdict == Verdict::Skip;
        }
    }

    fn needed(&self, trials: u32, pass_rate: f64) -> u32 {
        let left = trials.saturating_sub(self.ended);
        if !self.is_known {
            return left;
        }
        let asked = self.checks.iter().filter(|check| !check.is_left_out);
        asked.map(|check| check.trials.needed(left, pass_rate)).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::Verdict::{Fail, KnownFailure, Pass, Skip, Unknown};
    use super::*;
    use crate::stats::decide_over_trials;

    fn played(verdicts: &[(Verdict, bool)], is_whole: bool) -> Played {
        Played { verdicts: verdicts.to_vec(), is_whole }
    }

    /// What of its trials decides a variant: how many of them were needed.
    fn needed(trials: &[Played], pass_rate: f64) -> usize {
        let (known, all) = (UntilDecided::default(), u32::try_from(trials.len()).unwrap());
        let is_decided_with = |trial: &Played| {
            known.ended(3, trial);
            known.needed(3, all, pass_rate) == 0
        };
        trials.iter().position(is_decided_with).map_or(trials.len(), |at| at + 1)
    }

    #[test]
    fn a_variant_is_decided_with_the_last_of_its_checks() {
        let (pass, fail) = ((Pass, false), (Fail, false));
        let ten = |verdicts: &[(Verdict, bool)]| vec![played(verdicts, true); 10];
        for (verdicts, rate, trials) in [
            (&[pass][..], 1.0, 10),
            (&[fail], 1.0, 1),
            (&[pass, fail], 1.0, 10),
            (&[pass], 0.8, 8),
            (&[fail], 0.8, 3),
            (&[pass], 0.5, 5),
            // Exactly at the rate is reached.
            (&[fail], 0.5, 6),
            (&[(Unknown, false)], 0.5, 10),
            (&[(Skip, false), fail], 1.0, 1),
            (&[(Skip, false)], 1.0, 1),
            (&[(KnownFailure, true)], 1.0, 1),
            (&[(KnownFailure, true)], 0.5, 6),
            (&[(Fail, true)], 0.5, 5),
            (&[], 1.0, 1),
        ] {
            assert_eq!(needed(&ten(verdicts), rate), trials, "{verdicts:?} at {rate}");
        }
    }

    #[test]
    fn nothing_is_decided_before_all_checks_are_known() {
        let broken = played(&[(Fail, false)], false);
        let whole = played(&[(Fail, false), (Fail, false)], true);
        assert_eq!(needed(&[broken.clone(), broken.clone(), whole, broken.clone()], 1.0), 3);
        assert_eq!(needed(&[broken.clone(), broken], 1.0), 2, "none is left");
    }

    #[test]
    fn a_variant_of_which_no_trial_has_ended_is_open() {
        assert_eq!(UntilDecided::default().needed(0, 5, 1.0), 5);
    }

    /// A variant with its checks, some marked, some never asked: trials as they come, some cut short.
    fn trials() -> impl Strategy<Value = Vec<Played>> {
        let checks = vec((any::<bool>(), any::<bool>()), 0..5);
        checks.prop_flat_map(|checks| {
            let verdicts = vec(select(vec![Pass, Fail, Unknown]), checks.len());
            let trial = (verdicts, proptest::option::weighted(0.2, 0..=checks.len()), any::<bool>());
            vec(trial, 1..10).prop_map(move |trials| {
                let trial = |(verdicts, cut, is_unknown): (Vec<Verdict>, Option<usize>, bool)| {
                    let told = (0..).zip(verdicts).zip(&checks).map(|((at, verdict), (is_marked, is_asked))| {
                        let is_cut = cut.is_some_and(|cut| at >= cut);
                        let verdict = match verdict {
                            _ if !is_asked || is_cut && !is_unknown => Skip,
                            _ if is_cut => Unknown,
                            Pass if *is_marked => KnownFailure,
                            verdict => verdict,
                        };
                        (verdict, *is_marked)
                    });
                    played(&told.collect::<Vec<_>>(), cut.is_none())
                };
                trials.into_iter().map(trial).collect()
            })
        })
    }

    proptest! {
        #[test]
        fn every_verdict_is_the_one_that_all_trials_would_have_given(trials in trials(), rate in 0.0..=1.0_f64) {
            let played = &trials[..needed(&trials, rate)];
            for at in 0..trials[0].verdicts.len() {
                let decide = |trials: &[Played]| {
                    let verdicts = trials.iter().map(|trial| (trial.verdicts[at].0, 1));
                    decide_over_trials(verdicts, rate, trials[0].verdicts[at].1)
                };
                prop_assert_eq!(decide(played), decide(&trials));
            }
        }
    }
}
