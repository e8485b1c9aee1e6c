//! Tests of the module beside this file.

use proptest::prelude::*;

use super::super::sample::{key, record, turn};
use super::*;
use crate::model::Usage;
use crate::stats;

/// A conversation in which turn `n` sent `n` tokens of twice as many.
fn growing(turns: u32) -> Record {
    let mut record = record(0, "s");
    for number in 1..=turns {
        // Not by `turn`, which counts all messages each time.
        let mut turn = record
            .turns
            .first()
            .cloned()
            .unwrap_or_else(|| turn(&mut super::super::sample::record(0, "s"), "Hi", "Hello").clone());
        turn.turn = TurnId::Turn(number);
        turn.usage = Some(Usage { sent: number.into(), reply: 1, estimated: number == 3 });
        turn.tokens_full_history = Some(2 * u64::from(number));
        record.turns.push(turn);
    }
    record
}

fn measured(records: &[Record]) -> Measures {
    let mut measures = Measures::default();
    for record in records {
        measures.add(record);
    }
    measures
}

#[test]
fn a_few_turns_are_told_one_by_one_and_averaged_over_conversations() {
    let measures = measured(&[growing(3), growing(2), growing(0)]);
    let [(window, turns)] = &measures.windows.entries[..] else { panic!("{measures:?}") };
    let means: Vec<(f64, f64, f64)> = turns.means().map(|mean| (mean.turn, mean.sent, mean.full)).collect();
    assert_eq!(means, [(1.0, 1.0, 2.0), (2.0, 2.0, 4.0), (3.0, 3.0, 6.0)]);
    assert_eq!((window.as_str(), turns.last, turns.conversations, turns.is_estimate), ("full", 3, 2, true));
    assert_eq!(turns.saved(), Some(0.5));
}

#[test]
fn many_turns_share_bins_and_none_is_lost() {
    let measures = measured(&[growing(2000)]);
    let turns = &measures.windows.entries[0].1;
    let means: Vec<MeanTokens> = turns.means().collect();
    assert!(means.len() > TURN_BINS / 2 && means.len() <= TURN_BINS, "{}", means.len());
    // What grows by one a turn is, on average, the number of the turn in the middle.
    assert!(means.iter().all(|mean| (mean.sent - mean.turn).abs() < 1e-9), "{means:?}");
    assert_eq!(turns.bins.iter().map(|bin| bin.sent).sum::<u64>(), 2000 * 2001 / 2);
    assert_eq!(turns.bins.iter().map(|bin| bin.requests).sum::<u64>(), 2000);
}

#[test]
fn only_live_calls_are_timed_and_of_many_names_the_first_are_told_apart() {
    let mut records = Vec::new();
    for model in 0..NAMED + 3 {
        let mut record = record(0, "s");
        key(&mut record).model = format!("m{model}");
        for source in [Source::Live, Source::Cassette, Source::Shared, Source::Builtin, Source::Canned] {
            turn(&mut record, "Hi", "Hello").source = source;
        }
        record.turns[0].ttft_ms = (model == 1).then_some(3.0);
        records.push(record);
    }
    let Measures { latency, first_token, .. } = measured(&records);
    assert_eq!((latency.entries.len(), latency.others), (NAMED, 3));
    assert!(latency.entries.iter().all(|(_, times)| times.count == 1));
    assert_eq!(first_token.entries.iter().map(|(model, _)| model.as_str()).collect::<Vec<_>>(), ["m1"]);
}

#[test]
fn times_beyond_the_scale_count_at_its_ends() {
    let mut times = Times::default();
    for milliseconds in [0.0, -3.0, f64::NAN, 1e-300, 0.05] {
        times.add(milliseconds);
    }
    assert_eq!(times.coarse(1), (0, vec![5]));
    for milliseconds in [1e8, f64::MAX, f64::INFINITY] {
        times.add(milliseconds);
    }
    let (first, counts) = times.coarse(50);
    assert_eq!((first, counts.len(), counts[0], counts[15]), (0, 16, 5, 3));
    assert_eq!(times.count, 8);
    assert_eq!(Times::default().coarse(10), (0, Vec::new()));
    assert_eq!(Times::default().quantile(0.5), None);
}

proptest! {
    #[test]
    fn a_quantile_is_that_of_the_times_to_the_width_of_a_bin(
        mut times in prop::collection::vec(0.2_f64..1e6, 1..200), share in prop::sample::select(vec![0.5, 0.95, 0.0, 1.0]),
    ) {
        let mut counted = Times::default();
        for time in &times {
            counted.add(*time);
        }
        times.sort_by(f64::total_cmp);
        let found = counted.quantile(share).unwrap();
        let exact = stats::quantile(&times, share).unwrap();
        prop_assert!((exact * 0.976..=exact * 1.024).contains(&found), "{found} for {exact}");
    }

    #[test]
    fn coarse_bins_hold_all(times in prop::collection::vec(-1.0_f64..1e9, 0..100), fine in prop::sample::select(vec![1, 2, 5, 50])) {
        let mut counted = Times::default();
        for time in &times {
            counted.add(*time);
        }
        let (_, counts) = counted.coarse(fine);
        prop_assert_eq!(counts.iter().sum::<u64>(), times.len() as u64);
        prop_assert!(counts.first() != Some(&0) && counts.last() != Some(&0));
    }
}
