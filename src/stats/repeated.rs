//! What trials of one variant say of trying several times: at least one passes, or all of them do.

use std::collections::BTreeMap;

use super::float;

/// pass@k: how likely at least one of `k` trials passes, told from `passed` of `trials` without bias: `1 - C(n-c, k) / C(n, k)`
/// (M. Chen and others, Evaluating Large Language Models Trained on Code, 2021). `None` with fewer trials than `k`, or
/// more passed than there are.
#[must_use]
pub fn pass_at_k(trials: u64, passed: u64, k: u64) -> Option<f64> {
    let failed = trials.checked_sub(passed)?;
    Some(1.0 - all_of(failed, trials, k)?)
}

/// pass^k: how likely all of `k` trials pass, told from `passed` of `trials` without bias: `C(c, k) / C(n, k)` (S. Yao and
/// others, τ-bench, 2024). `None` with fewer trials than `k`, or more passed than there are.
#[must_use]
pub fn pass_hat_k(trials: u64, passed: u64, k: u64) -> Option<f64> {
    all_of(passed, trials, k)
}

/// `C(such, k) / C(all, k)`: the share of choices of `k` in which all are such. Factor by factor: the binomials themselves
/// would be too large.
fn all_of(such: u64, all: u64, k: u64) -> Option<f64> {
    if k > all || such > all {
        return None;
    }
    if k > such {
        return Some(0.0);
    }
    Some((0..k).map(|drawn| float(such - drawn) / float(all - drawn)).product())
}

/// Trials of many variants, added up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repeated {
    /// How many variants there are of each number of trials and of passed ones.
    variants: BTreeMap<(u64, u64), u64>,
}

/// What variants come to on average for one `k`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RepeatedRate {
    /// How many trials.
    pub k: u64,
    /// The mean of pass@k.
    pub at_least_one: f64,
    /// The mean of pass^k.
    pub all: f64,
    /// Over so many variants: those with at least `k` trials.
    pub variants: u64,
}

impl Repeated {
    /// Adds a variant, by its decided trials and those that passed. One with none says nothing.
    pub fn add(&mut self, trials: u64, passed: u64) {
        if trials > 0 && passed <= trials {
            *self.variants.entry((trials, passed)).or_default() += 1;
        }
    }

    /// The most trials that any variant has; 0 without any.
    #[must_use]
    pub fn most_trials(&self) -> u64 {
        self.variants.last_key_value().map_or(0, |((trials, _), _)| *trials)
    }

    /// pass@k and pass^k, the mean over the variants that have as many trials; `None` where none has.
    #[must_use]
    pub fn rate(&self, k: u64) -> Option<RepeatedRate> {
        let (mut at_least_one, mut all, mut variants) = (0.0, 0.0, 0);
        for ((trials, passed), number) in &self.variants {
            if let (Some(one), Some(each)) = (pass_at_k(*trials, *passed, k), pass_hat_k(*trials, *passed, k)) {
                at_least_one += one * float(*number);
                all += each * float(*number);
                variants += number;
            }
        }
        let mean = |sum: f64| sum / float(variants);
        (variants > 0).then(|| RepeatedRate { k, at_least_one: mean(at_least_one), all: mean(all), variants })
    }

    /// The rates for 1, 2, 4, … and for the most trials that any variant has; empty where none has two.
    #[must_use]
    pub fn rates(&self) -> Vec<RepeatedRate> {
        let most = self.most_trials();
        if most < 2 {
            return Vec::new();
        }
        let powers = std::iter::successors(Some(1_u64), |k| k.checked_mul(2)).take_while(|k| *k < most);
        powers.chain([most]).filter_map(|k| self.rate(k)).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::reference;
    use super::*;

    #[test]
    fn both_are_those_of_exact_fractions() {
        let table = reference::rows("repeated");
        assert!(table.len() > 20);
        for row in table {
            let [trials, passed, k] = ["trials", "passed", "k"].map(|name| reference::count(&row[name]));
            for (found, expected) in
                [(pass_at_k(trials, passed, k), &row["pass_at_k"]), (pass_hat_k(trials, passed, k), &row["pass_hat_k"])]
            {
                let expected = reference::number(expected);
                assert!((found.unwrap() - expected).abs() < 1e-12, "{row}: {found:?}");
            }
        }
    }

    #[test]
    fn too_few_trials_tell_nothing() {
        for (trials, passed, k) in [(3, 2, 4), (0, 0, 1), (3, 4, 1)] {
            assert_eq!((pass_at_k(trials, passed, k), pass_hat_k(trials, passed, k)), (None, None));
        }
    }

    #[test]
    fn variants_count_alike_whatever_their_trials() {
        let mut repeated = Repeated::default();
        for (trials, passed) in [(4, 4), (4, 2), (2, 0), (0, 0)] {
            repeated.add(trials, passed);
        }
        let rates = repeated.rates();
        assert_eq!(rates.iter().map(|rate| (rate.k, rate.variants)).collect::<Vec<_>>(), [(1, 3), (2, 3), (4, 2)]);
        assert!((rates[0].all - 0.5).abs() < 1e-12 && (rates[2].all - 0.5).abs() < 1e-12, "{rates:?}");
        assert!((rates[2].at_least_one - 1.0).abs() < 1e-12, "{rates:?}");
        let mut single = Repeated::default();
        single.add(1, 1);
        assert_eq!(single.rates(), []);
    }

    proptest! {
        #[test]
        fn all_is_never_likelier_than_one(trials in 1_u64..200, passed in 0_u64..200, k in 1_u64..200) {
            let passed = passed.min(trials);
            if let (Some(one), Some(all)) = (pass_at_k(trials, passed, k), pass_hat_k(trials, passed, k)) {
                prop_assert!(0.0 <= all && all <= one + 1e-12 && one <= 1.0);
            }
        }
    }
}
