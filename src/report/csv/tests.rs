//! Tests of the module beside this file.

use proptest::prelude::*;

use super::super::sample::{RUN, check, ended, key, record, retention, story, turn};
use super::super::tally::Variants;
use super::*;
use crate::event::{CallDone, CallKind};
use crate::model::{End, Outcome, Usage, Verdict};

fn tables(records: &[Record]) -> Sheets<String> {
    let sheets = Sheets { transcripts: Vec::new(), checks: Vec::new(), retention: Vec::new(), summary: Vec::new() };
    let mut tables = Tables::new(RUN, sheets).unwrap();
    let mut variants = Variants::default();
    for record in records {
        variants.add(record).iter().for_each(|tally| tables.close(tally).unwrap());
        tables.add(record).unwrap();
    }
    variants.finish().iter().for_each(|tally| tables.close(tally).unwrap());
    let Sheets { transcripts, checks, retention, summary } = tables.finish().unwrap();
    let [transcripts, checks, retention, summary] =
        [transcripts, checks, retention, summary].map(|bytes| String::from_utf8(bytes).unwrap());
    Sheets { transcripts, checks, retention, summary }
}

/// The rows of a table as an ordinary reader of CSV sees them, by column name.
fn column(table: &str, name: &str) -> Vec<String> {
    let mut reader = ::csv::Reader::from_reader(table.as_bytes());
    let place = reader.headers().unwrap().iter().position(|header| header == name).unwrap();
    reader.records().map(|row| row.unwrap()[place].to_owned()).collect()
}

#[test]
fn the_columns_are_those_that_are_promised() {
    let empty = tables(&[]);
    let names = "run,scenario,case,persona,model,window,vars";
    for (table, columns) in [
        (
            &empty.transcripts,
            "trial,turn,user,reply,source,finish_reason,messages_sent,tokens_sent,tokens_reply,cost_usd,latency_ms,ttft_ms,attempts,error",
        ),
        (&empty.checks, "trial,turn,check,name,expected,verdict,score,detail"),
        (&empty.retention, "trial,turn,fact,value,visible,distance,recalled,outcome,expected,verdict"),
        (
            &empty.summary,
            "trials,checks,passed,failed,unknown,skipped,known_failures,pass_rate,ci_low,ci_high,retained,missed,forgotten,leaked,stale,tokens_sent,tokens_reply,tokens_full_history,cost_usd,latency_p50_ms,latency_p95_ms,ttft_p50_ms,judge_calls,judge_tokens",
        ),
    ] {
        assert_eq!(*table, format!("{names},{columns}\n"));
    }
}

#[test]
fn a_story_as_tables() {
    let Sheets { transcripts, checks, retention, summary } = tables(&story());
    insta::assert_snapshot!("transcripts", transcripts.replace('\u{1b}', "<ESC>"));
    insta::assert_snapshot!("checks", checks);
    insta::assert_snapshot!("retention", retention);
    insta::assert_snapshot!("summary", summary);
}

#[test]
fn no_cell_is_a_formula_to_a_spreadsheet() {
    for (reply, cell) in [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("+x", "'+x"),
        ("-x", "'-x"),
        ("-1 degrees", "-1 degrees"),
        ("- a list", "- a list"),
        ("+41 79", "+41 79"),
        (" =1", " =1"),
        ("a=1", "a=1"),
    ] {
        let mut record = record(0, reply);
        key(&mut record).case = reply.into();
        turn(&mut record, reply, reply).error = Some(reply.into());
        let check = retention(&mut record, "not", Outcome::Missed, Verdict::Fail);
        (check.expected, check.detail, check.name) = (reply.into(), reply.into(), Some(reply.into()));
        check.retention.as_mut().unwrap().value = reply.into();
        let Sheets { transcripts, checks, retention, summary } = tables(&[record]);
        for (table, names) in [
            (transcripts, &["scenario", "case", "user", "reply", "error"][..]),
            (checks, &["scenario", "name", "expected", "detail"]),
            (retention, &["scenario", "value", "expected"]),
            (summary, &["scenario", "case"]),
        ] {
            for name in names {
                assert_eq!(column(&table, name), [cell], "{name}");
            }
        }
    }
}

#[test]
fn trials_of_one_variant_are_one_row_of_the_summary() {
    let trial = |trial: u32, verdict: Verdict, latency: f64| {
        let mut record = record(trial, "s");
        (record.begin.key.trial, record.begin.trials) = (trial, 4);
        let turn = turn(&mut record, "Hi", "Hello");
        (turn.latency_ms, turn.ttft_ms, turn.cost_usd) = (Some(latency), Some(latency / 2.0), Some(0.1));
        turn.usage = Some(Usage { sent: 7, reply: 3, estimated: true });
        check(&mut record, "contains", "\"x\"", verdict);
        check(&mut record, "asks", "true", Verdict::KnownFailure).known_failure = Some("why".into());
        check(&mut record, "json", "true", Verdict::Skip);
        record
    };
    let mut other = record(5, "other");
    ended(&mut other, End::Skipped);
    let records = [
        trial(1, Verdict::Pass, 4.0),
        trial(2, Verdict::Fail, 1.0),
        trial(3, Verdict::Unknown, 3.0),
        trial(4, Verdict::Pass, 2.0),
        other,
    ];
    let summary = tables(&records).summary;
    for (name, values) in [
        ("trials", ["4", "1"]),
        ("checks", ["12", "0"]),
        ("passed", ["2", "0"]),
        ("failed", ["1", "0"]),
        ("unknown", ["1", "0"]),
        ("skipped", ["4", "0"]),
        ("known_failures", ["4", "0"]),
        ("pass_rate", ["0.6667", ""]),
        // Wilson for 2 of 3, as in `stats`.
        ("ci_low", ["0.2077", ""]),
        ("ci_high", ["0.9385", ""]),
        ("tokens_sent", ["28", ""]),
        ("tokens_full_history", ["640", ""]),
        ("cost_usd", ["0.400000", ""]),
        ("latency_p50_ms", ["2.500", ""]),
        ("latency_p95_ms", ["3.850", ""]),
        ("ttft_p50_ms", ["1.250", ""]),
    ] {
        assert_eq!(column(&summary, name), values, "{name}");
    }
}

proptest! {
    #[test]
    fn every_reply_reads_back_as_it_was_but_for_the_guard(replies in prop::collection::vec("(?s).{0,12}|[=@+\\-,\"\r\n\t ]{0,6}", 1..6)) {
        let mut record = record(0, "s");
        for reply in &replies {
            turn(&mut record, "Hi", reply);
        }
        let transcripts = tables(&[record]).transcripts;
        prop_assert!(transcripts.ends_with('\n'));
        let read = column(&transcripts, "reply");
        prop_assert_eq!(read.len(), replies.len());
        for (cell, reply) in read.iter().zip(&replies) {
            let is_guarded = *cell == format!("'{reply}") && reply.starts_with(['=', '@', '+', '-', '\t', '\r']);
            prop_assert!(cell == reply || is_guarded, "{:?} became {:?}", reply, cell);
        }
    }
}

#[test]
fn what_is_asked_beside_the_turns_is_counted_apart_from_what_the_window_saved() {
    let mut judged = record(0, "s");
    turn(&mut judged, "Hi", "Hello").cost_usd = Some(0.25);
    let mut vote = judged.turns[0].clone();
    (vote.usage, vote.tokens_full_history) = (Some(Usage { sent: 5000, reply: 60, estimated: false }), Some(9000));
    judged.calls.extend([CallDone::new(CallKind::Judge, vote.clone()), CallDone::new(CallKind::Triage, vote.clone())]);
    // A replayed vote is no call.
    vote.attempts = 0;
    judged.calls.push(CallDone::new(CallKind::Judge, vote));
    let summary = tables(&[judged]).summary;
    for (name, value) in [
        ("tokens_sent", "100"),
        ("tokens_reply", "10"),
        ("tokens_full_history", "160"),
        ("judge_calls", "2"),
        ("judge_tokens", "15180"),
        ("cost_usd", "1.000000"),
    ] {
        assert_eq!(column(&summary, name), [value], "{name}");
    }
}
