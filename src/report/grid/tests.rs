//! Tests of the module beside this file.

use super::super::sample::{key, record, retention, summary, turn};
use super::*;
use crate::event::Record;
use crate::model::Verdict;

const PLAIN: Look = Look { width: 80, is_coloured: false, is_ascii: false };

/// One conversation a gap and window, the fact kept where the window is larger than the gap.
fn matrix(windows: &[&str]) -> Vec<Record> {
    let mut records = Vec::new();
    for gap in [0_usize, 1, 2, 4, 8] {
        for window in windows {
            let mut record = record(u32::try_from(records.len()).unwrap(), "gaps");
            key(&mut record).window = (*window).into();
            key(&mut record).vars = format!("{{\"gap\":{gap}}}");
            turn(&mut record, "What's my name?", "?");
            let keeps = window.parse::<usize>().map_or(*window == "full", |size| size > gap + 1);
            let outcome = if keeps { Outcome::Retained } else { Outcome::Forgotten };
            retention(&mut record, "retains_iff_visible", outcome, Verdict::Pass);
            records.push(record);
        }
    }
    records
}

fn drawn(records: &[Record]) -> String {
    grids(&summary(records).rows, PLAIN).join("\n")
}

#[test]
fn a_matrix_of_one_variable_is_drawn_against_the_windows() {
    insta::assert_snapshot!(drawn(&matrix(&["1", "2", "4", "full"])), @r"
    retention · gaps · default · gap × window · builtin · 20 cells
                window
      gap       1    2    4    full
       0        ○    ●    ●    ●
       1        ○    ○    ●    ●
       2        ○    ○    ●    ●
       4        ○    ○    ○    ●
       8        ○    ○    ○    ●
      ● retained  ○ forgotten
      smallest window that keeps the fact at each gap: 2, 4, 4, full, full
    ");
}

#[test]
fn windows_that_do_not_stand_from_small_to_large_have_no_smallest_one() {
    for windows in [&["full", "2"][..], &["2", "past-2"], &["2", "2-drop"], &["4", "2"]] {
        let grid = drawn(&matrix(windows));
        assert!(grid.contains("● retained") || grid.contains("○ forgotten"), "{grid}");
        assert!(!grid.contains("smallest"), "{windows:?}: {grid}");
    }
    assert!(drawn(&matrix(&["none", "2", "full"])).contains("smallest"));
}

#[test]
fn what_is_no_single_outcome_a_cell_is_not_drawn() {
    let whole = matrix(&["2", "full"]);
    assert!(!drawn(&whole).is_empty());

    let mut two_variables = whole.clone();
    for record in &mut two_variables {
        key(record).vars = "{\"gap\":1,\"tone\":\"dry\"}".into();
    }
    let mut two_checks = whole.clone();
    retention(&mut two_checks[3], "recalls", Outcome::Missed, Verdict::Fail);
    let no_retention: Vec<Record> =
        whole.iter().cloned().map(|record| Record { checks: Vec::new(), ..record }).collect();
    let mut no_matrix = whole;
    for record in &mut no_matrix {
        key(record).vars = String::new();
    }
    for records in [two_variables, two_checks, no_retention, no_matrix, matrix(&["2"])] {
        assert_eq!(drawn(&records), "");
    }
}

#[test]
fn a_cell_without_an_outcome_says_so_and_of_trials_the_commonest_is_shown() {
    let mut records = matrix(&["2", "full"]);
    records[0].checks[0].retention.as_mut().unwrap().outcome = None;
    // Two more trials of gap 1, window 2: twice leaked against once forgotten.
    for trial in [2, 3] {
        let mut again = records[2].clone();
        again.begin.key.trial = trial;
        again.checks[0].retention.as_mut().unwrap().outcome = Some(Outcome::Leaked);
        records.insert(3, again);
    }
    let grid = drawn(&records);
    assert!(grid.contains("\n   0        ?    ●\n   1        ▲    ●\n   2        ○    ●\n"), "{grid}");
}
