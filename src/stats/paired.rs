//! Whether two sides that played the same conversations differ by more than luck.

use super::float;

/// `McNemar`'s exact test, two-sided: how likely at least so uneven a split of the changes is, were a change as likely one
/// way as the other.
///
/// `worsened` and `improved` are the pairs that passed on one side alone; pairs that came out alike say nothing and are not
/// asked for. The number is `min(1, 2 · P(X ≤ min(worsened, improved)))` with X binomial of `worsened + improved` draws at
/// one half (Q. `McNemar`, Psychometrika 12, 1947; the exact form as in A. Agresti, Categorical Data Analysis, 10.1). 1 where
/// nothing changed. With n changes it cannot be smaller than 2^(1-n): fewer than six changes are never below 0.05.
#[must_use]
pub fn mcnemar(worsened: u64, improved: u64) -> f64 {
    let (less, all) = (worsened.min(improved), worsened + improved);
    if worsened == improved {
        return 1.0;
    }
    // ln C(all, less) - all · ln 2: as logarithms, since 2^-all is no number any more from 1,075 on.
    let choices: f64 = (1..=less).map(|k| (float(all - less + k) / float(k)).ln()).sum();
    let largest = (choices - float(all) * std::f64::consts::LN_2).exp();
    // The terms below it, each from the one before, fall faster and faster.
    let (mut sum, mut term) = (1.0, 1.0);
    for k in (1..=less).rev() {
        term *= float(k) / float(all - k + 1);
        sum += term;
        if term < sum * f64::EPSILON {
            break;
        }
    }
    (2.0 * largest * sum).min(1.0)
}

/// The p-values corrected for their number by Holm's step-down method, in the order in which they came (S. Holm,
/// Scandinavian Journal of Statistics 6, 1979): the chance that even one of those below a limit is luck stays below it.
#[must_use]
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|one, other| p_values[*one].total_cmp(&p_values[*other]));
    let mut corrected = vec![1.0; p_values.len()];
    let mut least: f64 = 0.0;
    for (rank, place) in order.iter().enumerate() {
        least = least.max(p_values[*place] * float((p_values.len() - rank) as u64)).min(1.0);
        corrected[*place] = least;
    }
    corrected
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::reference;
    use super::*;

    #[test]
    fn mcnemar_is_that_of_scipy_and_statsmodels() {
        let table = reference::rows("mcnemar");
        assert!(table.len() > 20);
        for row in table {
            let (worsened, improved) = (reference::count(&row["worsened"]), reference::count(&row["improved"]));
            let (found, p) = (mcnemar(worsened, improved), reference::number(&row["p"]));
            assert!((found - p).abs() <= p * 1e-9, "{worsened} and {improved}: {found}, and not {p}");
        }
    }

    #[test]
    fn holm_is_that_of_statsmodels() {
        for row in reference::rows("holm") {
            let (p_values, corrected) = (reference::numbers(&row["p"]), reference::numbers(&row["corrected"]));
            for (found, expected) in holm(&p_values).iter().zip(&corrected) {
                assert!((found - expected).abs() < 1e-12, "{p_values:?}: {found}, and not {expected}");
            }
        }
        assert_eq!(holm(&[]), Vec::<f64>::new());
    }

    #[test]
    fn fewer_than_six_changes_are_never_below_one_in_twenty() {
        assert!((0..6).all(|changes| mcnemar(changes, 0) > 0.05));
        assert!(mcnemar(6, 0) < 0.05);
    }

    proptest! {
        #[test]
        fn a_p_value_is_one_whichever_side_is_first(worsened in 0_u64..200_000, improved in 0_u64..200_000) {
            let p = mcnemar(worsened, improved);
            prop_assert!((0.0..=1.0).contains(&p));
            prop_assert_eq!(p.to_bits(), mcnemar(improved, worsened).to_bits());
        }

        #[test]
        fn a_correction_keeps_the_order_and_makes_nothing_surer(p_values in prop::collection::vec(0.0..=1.0, 0..20)) {
            let corrected = holm(&p_values);
            for (one, of_one) in p_values.iter().zip(&corrected) {
                prop_assert!(of_one >= one && *of_one <= 1.0);
                prop_assert!(p_values.iter().zip(&corrected).all(|(other, of_other)| one > other || of_one <= of_other));
            }
        }
    }
}
