//! How sure a pass rate is.

use super::float;

/// The 97.5 % point of the standard normal distribution: 95 % lie within it on both sides.
const Z: f64 = 1.959_963_984_540_054;

/// A range that a rate, or a difference of two, lies in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Its lower end: of a rate, at least 0.
    pub low: f64,
    /// Its upper end: of a rate, at most 1.
    pub high: f64,
}

/// Wilson's 95 % score interval, without continuity correction, for `passed` of `decided`.
///
/// It stays within 0 and 1 and says something even where all or none passed, which the textbook interval does not
/// (E. B. Wilson, JASA 22, 1927; recommended for small numbers by Brown, Cai and `DasGupta`, Statistical Science 16,
/// 2001). `None` when nothing was decided.
#[must_use]
pub fn wilson(passed: u64, decided: u64) -> Option<Interval> {
    if decided == 0 || passed > decided {
        return None;
    }
    let (n, rate) = (float(decided), float(passed) / float(decided));
    let scale = 1.0 + Z * Z / n;
    let middle = (rate + Z * Z / (2.0 * n)) / scale;
    let half = Z / scale * (rate * (1.0 - rate) / n + Z * Z / (4.0 * n * n)).sqrt();
    // At the ends the bound is exact, and rounding must not move it across.
    let low = if passed == 0 { 0.0 } else { middle - half };
    let high = if passed == decided { 1.0 } else { middle + half };
    Some(Interval { low, high })
}

#[cfg(test)]
mod tests {
    use super::super::reference;
    use super::*;

    #[test]
    fn intervals_are_those_of_statsmodels() {
        for row in reference::rows("wilson") {
            let interval = wilson(reference::count(&row["passed"]), reference::count(&row["decided"])).unwrap();
            for (end, expected) in [(interval.low, &row["low"]), (interval.high, &row["high"])] {
                assert!((end - reference::number(expected)).abs() < 1e-12, "{row}: {interval:?}");
            }
        }
    }

    #[test]
    fn intervals_are_those_that_newcombe_published() {
        // R. G. Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 3 (score, no correction).
        for (passed, decided, low, high) in
            [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)]
        {
            let interval = wilson(passed, decided).unwrap();
            assert!((interval.low - low).abs() < 5e-5, "{passed}/{decided}: {interval:?}");
            assert!((interval.high - high).abs() < 5e-5, "{passed}/{decided}: {interval:?}");
        }
    }

    #[test]
    fn small_numbers_agree_with_the_roots_of_the_score_equation() {
        // The ends are the rates p at which |passed/n - p| = z * sqrt(p(1-p)/n); solved by bisection in Python.
        for (passed, decided, low, high) in [
            (8, 10, 0.490_162, 0.943_318),
            (1, 1, 0.206_549, 1.0),
            (0, 1, 0.0, 0.793_451),
            (2, 3, 0.207_660, 0.938_508),
            (5, 5, 0.565_518, 1.0),
        ] {
            let interval = wilson(passed, decided).unwrap();
            assert!((interval.low - low).abs() < 1e-6, "{passed}/{decided}: {interval:?}");
            assert!((interval.high - high).abs() < 1e-6, "{passed}/{decided}: {interval:?}");
        }
    }

    #[test]
    fn nothing_decided_has_no_interval() {
        assert_eq!(wilson(0, 0), None);
    }

    proptest::proptest! {
        #[test]
        fn the_rate_lies_in_its_interval_and_the_interval_between_0_and_1(decided in 1_u64..5000, part in 0.0..=1.0) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a small number")]
            let passed = (float(decided) * part) as u64;
            let Interval { low, high } = wilson(passed, decided).unwrap();
            let rate = float(passed) / float(decided);
            assert!(0.0 <= low && low <= rate && rate <= high && high <= 1.0);
        }
    }
}
