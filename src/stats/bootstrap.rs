//! How far apart two pass rates may really be, where conversations of one scenario go up and down together.

use super::{Interval, float, quantile};

/// The pairs of one scenario: what is drawn as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cluster {
    /// How many pairs it has.
    pub pairs: u64,
    /// Pairs that passed on the first side alone.
    pub worsened: u64,
    /// Pairs that passed on the second side alone.
    pub improved: u64,
}

/// So many times the scenarios are drawn anew.
const DRAWS: usize = 10_000;
/// Where there are many scenarios, so many single draws are enough in all; the ends of the interval hardly move any more.
const WORK: usize = 10_000_000;
const FEWEST: usize = 1_000;

/// The 95 % interval of the difference of two pass rates, second side minus first: the percentile bootstrap over whole
/// scenarios (B. Efron, Annals of Statistics 7, 1979; drawn by clusters as in A. C. Davison and D. V. Hinkley, Bootstrap
/// Methods and their Application, 1997, 3.8). As many scenarios as there are, are drawn with replacement 10,000 times (less
/// often from more than a thousand scenarios, never less than 1,000 times); of the differences, each over all pairs that were
/// drawn, the 2.5 % and the 97.5 % quantile are the ends.
///
/// The same clusters in the same order and the same `seed` give the same interval: the numbers are those of `SplitMix64`.
///
/// With few scenarios it is too narrow: of two, what was drawn can only be one of three mixtures, and below ten or so it
/// covers the truth clearly less often than 95 times of 100. `None` where it could say nothing: with fewer than two scenarios
/// that have pairs, and where all of them differ by the same (nothing changed anywhere, say), which would be an interval
/// without any width and is no certainty.
#[must_use]
pub fn difference_interval(clusters: &[Cluster], seed: u64) -> Option<Interval> {
    let clusters: Vec<(f64, f64)> = clusters
        .iter()
        .filter(|cluster| cluster.pairs > 0)
        .map(|cluster| (float(cluster.improved) - float(cluster.worsened), float(cluster.pairs)))
        .collect();
    let (first, first_pairs) = *clusters.first()?;
    // As products: a quotient would be rounded.
    if clusters.iter().all(|(change, pairs)| (change * first_pairs - first * pairs).abs() < 0.5) {
        return None;
    }
    let mut random = SplitMix64(seed);
    let draws = (WORK / clusters.len()).clamp(FEWEST, DRAWS);
    let mut differences: Vec<f64> = (0..draws).map(|_| drawn(&clusters, &mut random)).collect();
    differences.sort_by(f64::total_cmp);
    Some(Interval { low: quantile(&differences, 0.025)?, high: quantile(&differences, 0.975)? })
}

fn drawn(clusters: &[(f64, f64)], random: &mut SplitMix64) -> f64 {
    let (mut changes, mut pairs) = (0.0, 0.0);
    for _ in 0..clusters.len() {
        let (change, of) = clusters[random.below(clusters.len())];
        changes += change;
        pairs += of;
    }
    changes / pairs
}

/// Numbers that are drawn the same in every version and on every system, which those of a library need not be: intervals
/// stand in reports that are compared (G. L. Steele, D. Lea, C. H. Flood, OOPSLA 2014).
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, all but exactly as likely as any other.
    fn below(&mut self, end: usize) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "it is below `end`")]
        let number = ((u128::from(self.next()) * end as u128) >> 64) as usize;
        number
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::reference;
    use super::*;

    fn cluster((pairs, worsened, improved): (u64, u64, u64)) -> Cluster {
        Cluster { pairs, worsened, improved }
    }

    #[test]
    fn the_numbers_are_those_of_the_published_generator() {
        // The first outputs for the seed 1234567, as in the reference implementation's test values.
        let mut random = SplitMix64(1_234_567);
        let first = [random.next(), random.next(), random.next()];
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn intervals_are_those_of_numpy_with_the_same_draws() {
        let table = reference::rows("bootstrap");
        assert!(table.len() >= 5);
        for row in table {
            let clusters: Vec<Cluster> = row["clusters"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| cluster((reference::count(&one[0]), reference::count(&one[1]), reference::count(&one[2]))))
                .collect();
            let found = difference_interval(&clusters, reference::count(&row["seed"])).unwrap();
            for (end, expected) in [(found.low, &row["low"]), (found.high, &row["high"])] {
                assert!((end - reference::number(expected)).abs() < 1e-12, "{row}: {found:?}");
            }
        }
    }

    #[test]
    fn what_could_say_nothing_gives_no_interval() {
        for clusters in [
            &[][..],
            &[(9, 3, 1)],
            &[(9, 3, 1), (0, 0, 0)],
            &[(4, 0, 0), (6, 0, 0)],
            &[(3, 1, 0), (9, 3, 0)],
            &[(2, 2, 0), (1, 1, 0)],
        ] {
            let clusters: Vec<Cluster> = clusters.iter().copied().map(cluster).collect();
            assert_eq!(difference_interval(&clusters, 1), None, "{clusters:?}");
        }
    }

    #[test]
    fn many_scenarios_take_no_longer_than_they_must() {
        let clusters: Vec<Cluster> = (0..20_000).map(|n| cluster((1, u64::from(n % 10 == 0), 0))).collect();
        let Interval { low, high } = difference_interval(&clusters, 1).unwrap();
        assert!(low < -0.1 && -0.1 < high && high - low < 0.01, "{low} to {high}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn a_seed_gives_one_interval_between_minus_1_and_1(parts in prop::collection::vec((1_u64..9, 0_u64..9, 0_u64..9), 2..9), seed: u64) {
            let clusters: Vec<Cluster> = parts
                .into_iter()
                .map(|(pairs, worsened, improved)| cluster((pairs, worsened.min(pairs), improved.min(pairs - worsened.min(pairs)))))
                .collect();
            let found = difference_interval(&clusters, seed);
            prop_assert_eq!(found, difference_interval(&clusters, seed));
            if let Some(Interval { low, high }) = found {
                prop_assert!(-1.0 <= low && low <= high && high <= 1.0);
            }
        }
    }
}
