//! Quantiles of measured times.

/// The quantile of increasing numbers at `share` (0.5 is the median), with linear interpolation between neighbours.
///
/// This is type 7 of Hyndman and Fan (The American Statistician 50, 1996), the default of R and `NumPy`. `None` for no
/// numbers. A share outside 0 to 1 counts as the nearer of the two.
#[must_use]
pub fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    #[expect(clippy::cast_precision_loss, reason = "numbers of calls lie far below 2^52")]
    let place = share.clamp(0.0, 1.0) * last as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it lies between 0 and `last`")]
    let below = (place.floor() as usize).min(last);
    let above = (below + 1).min(last);
    Some(sorted[below] + (sorted[above] - sorted[below]) * place.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_r_and_numpy() {
        // R: quantile(x, p); NumPy: percentile(x, 100 * p).
        for (sorted, share, expected) in [
            (&[1.0, 2.0, 3.0, 4.0][..], 0.5, 2.5),
            (&[1.0, 2.0, 3.0, 4.0], 0.95, 3.85),
            (&[1.0, 2.0, 3.0, 4.0, 5.0], 0.5, 3.0),
            (&[1.0, 2.0, 3.0, 4.0, 5.0], 0.1, 1.4),
            (&[15.0, 20.0, 35.0, 40.0, 50.0], 0.4, 29.0),
            (&[7.0], 0.95, 7.0),
            (&[1.0, 9.0], 0.0, 1.0),
            (&[1.0, 9.0], 1.0, 9.0),
        ] {
            let found = quantile(sorted, share).unwrap();
            assert!((found - expected).abs() < 1e-12, "{sorted:?} at {share}: {found}");
        }
        assert_eq!(quantile(&[], 0.5), None);
    }
}
