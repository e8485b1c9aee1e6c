//! Where the marks of an axis stand, and how they are worded.

use super::super::wording::grouped;

/// Marks from 0 at round steps (1, 2 or 5 times a power of ten, 1 at least), the last one at `most` or above it: so many steps at the
/// most, which is 1 or more. Of what is no number there is one step.
pub(super) fn round_marks(most: f64, steps: f64) -> Vec<f64> {
    let most = if most.is_finite() { most.max(1.0) } else { 1.0 };
    let rough = (most / steps).max(1.0);
    let decade = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|times| times * decade).into_iter().find(|step| *step >= rough);
    let step = step.unwrap_or(10.0 * decade);
    let mut marks = vec![0.0];
    while marks.last().is_some_and(|last| *last < most) && marks.len() <= 10 {
        marks.extend(marks.last().map(|last| last + step));
    }
    marks
}

/// Marks of a logarithmic axis between two numbers above 0: at 1, 2 and 5 times the powers of ten, or only at these where that
/// would be more than `most`.
pub(super) fn log_marks(low: f64, high: f64, most: usize) -> Vec<f64> {
    let marks = |times: &[f64]| -> Vec<f64> {
        let decades = -2..8;
        let all = decades.flat_map(|decade| times.iter().map(move |times| times * 10_f64.powi(decade)));
        // A mark at an end is within it, whatever the last digit.
        all.filter(|mark| (low * 0.9999..=high * 1.0001).contains(mark)).collect()
    };
    let fine = marks(&[1.0, 2.0, 5.0]);
    if fine.len() > most { marks(&[1.0]) } else { fine }
}

/// Milliseconds, short: `0.25 ms`, `810 ms`, `1.9 s`, `240 s`; two digits that count.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number above 0")]
pub(super) fn short_time(milliseconds: f64) -> String {
    // What would be rounded up to a second is one.
    let (number, unit) = if milliseconds < 995.0 { (milliseconds, "ms") } else { (milliseconds / 1000.0, "s") };
    if !number.is_finite() || number <= 0.0 {
        return format!("0 {unit}");
    }
    let decimals = usize::from(number < 9.95) + usize::from(number < 0.995);
    // Beyond two digits the others are zeros.
    let zeros = 10_f64.powf((number.log10().floor() - 1.0).max(0.0));
    let number = if zeros > 1.0 { (number / zeros).round() * zeros } else { number };
    let text = format!("{number:.decimals$}");
    if number >= 1000.0 {
        return format!("{} {unit}", grouped(number as u64));
    }
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text} {unit}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn marks_are_round() {
        for (most, steps, marks) in [
            (0.0, 3.0, &[0.0, 1.0][..]),
            (1.0, 3.0, &[0.0, 1.0]),
            (7.0, 4.0, &[0.0, 2.0, 4.0, 6.0, 8.0]),
            (1999.0, 4.0, &[0.0, 500.0, 1000.0, 1500.0, 2000.0]),
            (f64::NAN, 3.0, &[0.0, 1.0]),
        ] {
            assert_eq!(round_marks(most, steps), marks, "{most}");
        }
        for (low, high, marks) in [
            (1.0, 10.0, &[1.0, 2.0, 5.0, 10.0][..]),
            (150.0, 3000.0, &[200.0, 500.0, 1000.0, 2000.0]),
            (0.1, 100_000.0, &[0.1, 1.0, 10.0, 100.0, 1000.0, 10_000.0, 100_000.0]),
        ] {
            let found = log_marks(low, high, 7);
            assert_eq!(found.len(), marks.len(), "{found:?}");
            assert!(found.iter().zip(marks).all(|(one, other)| (one / other - 1.0).abs() < 1e-9), "{found:?}");
        }
    }

    #[test]
    fn times_have_two_digits_that_count() {
        for (milliseconds, text) in [
            (0.0, "0 ms"),
            (0.254, "0.25 ms"),
            (0.1, "0.1 ms"),
            (1.0, "1 ms"),
            (4.26, "4.3 ms"),
            (9.99, "10 ms"),
            (812.3, "810 ms"),
            (996.0, "1 s"),
            (1940.0, "1.9 s"),
            (50_000.0, "50 s"),
            (243_000.0, "240 s"),
            (1e7, "10,000 s"),
            (f64::NAN, "0 s"),
        ] {
            assert_eq!(short_time(milliseconds), text, "{milliseconds}");
        }
    }

    proptest! {
        #[test]
        fn marks_reach_and_are_few(most in 0.0..1e19, steps in 1.0..6.0) {
            let marks = round_marks(most, steps);
            prop_assert!(*marks.last().unwrap() >= most && marks.len() <= 7, "{marks:?}");
        }
    }
}
