//! The least time that a run could have taken: the larger of its longest conversation, whose calls are in sequence, and of
//! all calls shared among as many as may be in flight.
//!
//! It is told from the journal: every try counts with its latency, those that failed too, and waits between tries do not.

use std::time::Duration;

use crate::event::Record;

/// Adds up calls.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Work {
    /// Milliseconds of all calls.
    all_ms: f64,
    /// Milliseconds of the calls of the longest conversation.
    longest_ms: f64,
}

impl Work {
    /// Adds the calls of a conversation.
    pub fn add(&mut self, record: &Record) {
        let failed = record.attempts.iter().filter_map(|attempt| attempt.latency_ms);
        let calls = record.turns.iter().chain(record.calls.iter().map(|call| &call.done));
        let in_sequence: f64 = calls.filter_map(|turn| turn.latency_ms).chain(failed).sum();
        self.all_ms += in_sequence;
        self.longest_ms = self.longest_ms.max(in_sequence);
    }

    /// The least time that it takes with so many conversations in flight.
    #[must_use]
    pub fn bound(&self, concurrency: u32) -> Duration {
        let shared = self.all_ms / f64::from(concurrency.max(1));
        Duration::try_from_secs_f64(self.longest_ms.max(shared) / 1000.0).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{record as conversation, turn};
    use super::*;
    use crate::event::Attempt;
    use crate::model::TurnId;

    /// A conversation whose calls take so long.
    fn record(latencies: &[f64]) -> Record {
        let mut record = conversation(0, "s");
        for latency in latencies {
            turn(&mut record, "Hi", "Hello").latency_ms = Some(*latency);
        }
        record
    }

    fn bound(records: &[Record], concurrency: u32) -> u128 {
        let mut work = Work::default();
        for record in records {
            work.add(record);
        }
        work.bound(concurrency).as_millis()
    }

    #[test]
    fn it_is_the_longest_conversation_or_all_calls_shared_whichever_is_longer() {
        let records = [record(&[100.0, 300.0]), record(&[200.0]), record(&[200.0])];
        for (concurrency, milliseconds) in [(1, 800), (2, 400), (4, 400)] {
            assert_eq!(bound(&records, concurrency), milliseconds, "{concurrency} at once");
        }
        assert_eq!(bound(&records[1..], 4), 200);
        assert_eq!(bound(&[], 4), 0);
    }

    #[test]
    fn a_failed_try_counts_and_the_wait_behind_it_does_not() {
        let mut record = record(&[100.0]);
        record.attempts.push(Attempt {
            plan: 0,
            turn: TurnId::Turn(1),
            attempt: 1,
            status: Some(503),
            error: "503".to_owned(),
            latency_ms: Some(50.0),
            wait_ms: Some(60_000),
            reserved_usd: None,
        });
        assert_eq!(bound(&[record], 1), 150);
    }
}
