//! Tests of the module beside this file.

use super::super::super::sample::{key, record, retention, summary, turn};
use super::*;
use crate::event::Record;
use crate::model::Verdict;
use crate::text::layout::wrap;

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
fn what_is_no_matrix_of_outcomes_is_not_drawn() {
    let whole = matrix(&["2", "full"]);
    assert!(!drawn(&whole).is_empty());
    let no_retention: Vec<Record> =
        whole.iter().cloned().map(|record| Record { checks: Vec::new(), ..record }).collect();
    let mut no_matrix = whole.clone();
    let mut one_value = whole;
    for (no_matrix, one_value) in no_matrix.iter_mut().zip(&mut one_value) {
        key(no_matrix).vars = String::new();
        key(one_value).vars = "{\"gap\":1}".into();
    }
    for records in [one_value, no_retention, no_matrix, matrix(&["2"])] {
        assert_eq!(drawn(&records), "");
    }
}

#[test]
fn of_several_variables_the_fastest_is_drawn_a_grid_for_each_value_of_the_others() {
    let mut records = Vec::new();
    for tone in ["dry", "warm"] {
        records.extend(matrix(&["2", "full"]).into_iter().map(|mut record| {
            let gap = key(&mut record).vars.clone();
            key(&mut record).vars = format!("{{\"tone\":\"{tone}\",{}", &gap[1..]);
            record
        }));
    }
    // A third one that is the same everywhere is no axis.
    for record in &mut records {
        let vars = key(record).vars.clone();
        key(record).vars = format!("{},\"last\":1}}", vars.trim_end_matches('}'));
    }
    let grids = grids(&summary(&records).rows, PLAIN);
    let titles: Vec<&str> = grids.iter().filter_map(|grid| grid.lines().next()).collect();
    assert_eq!(
        titles,
        [
            "retention · gaps · default · tone=dry, last=1 · gap × window · builtin · 10 cells",
            "retention · gaps · default · tone=warm, last=1 · gap × window · builtin · 10 cells",
        ]
        .map(|title| wrap(title, 80)[0].clone())
    );
    assert!(grids.iter().all(|grid| grid.contains("\n   8        ○    ●\n")), "{grids:?}");
}

#[test]
fn a_cell_of_several_outcomes_has_the_worst_and_how_many_were_retained() {
    let mut records = matrix(&["2", "full"]);
    records[0].checks[0].retention.as_mut().unwrap().outcome = None;
    // Two more trials of gap 1, window full: twice retained, once leaked.
    for (trial, outcome) in [(2, Outcome::Leaked), (3, Outcome::Retained)] {
        let mut again = records[3].clone();
        again.begin.key.trial = trial;
        again.checks[0].retention.as_mut().unwrap().outcome = Some(outcome);
        records.insert(4, again);
    }
    // Two checks of one conversation, of which one outcome is as bad as the other.
    retention(records.last_mut().unwrap(), "recalls", Outcome::Missed, Verdict::Fail);
    insta::assert_snapshot!(drawn(&records), @r"
    retention · gaps · default · gap × window · builtin · 10 cells
                window
      gap       2    full
       0        ?    ●
       1        ○    ▲ 2/3
       2        ○    ●
       4        ○    ●
       8        ○    ◐ 1/2
      ● retained  ○ forgotten  ◐ missed  ▲ leaked  ? none
      several outcomes in a cell: the worst, and how many of all were retained
      smallest window that keeps the fact at each gap: full, –, full, full, –
    ");
}

#[test]
fn a_grid_that_is_wider_than_the_terminal_continues_below() {
    let windows: Vec<String> = (1..=12).map(|size| format!("tokens-{}", size * 1000)).collect();
    let windows: Vec<&str> = windows.iter().map(String::as_str).collect();
    let mut records = matrix(&windows);
    for record in &mut records {
        let vars = key(record).vars.replace("gap", "a variable whose name says what it is");
        key(record).vars = vars.replace(":8", ":\"a value that goes on and on and on\"");
    }
    insta::assert_snapshot!(drawn(&records), @r"
    retention · gaps · default · a variable whose name says what it is × window ·
    builtin · 60 cells
                                window
      a variable whose name s…  tokens-1000    tokens-2000    tokens-3000
       0                        ○              ○              ○
       1                        ○              ○              ○
       2                        ○              ○              ○
       4                        ○              ○              ○
       a value that goes on a…  ○              ○              ○
                                window
      a variable whose name s…  tokens-4000    tokens-5000    tokens-6000
       0                        ○              ○              ○
       1                        ○              ○              ○
       2                        ○              ○              ○
       4                        ○              ○              ○
       a value that goes on a…  ○              ○              ○
                                window
      a variable whose name s…  tokens-7000    tokens-8000    tokens-9000
       0                        ○              ○              ○
       1                        ○              ○              ○
       2                        ○              ○              ○
       4                        ○              ○              ○
       a value that goes on a…  ○              ○              ○
                                window
      a variable whose name s…  tokens-10000    tokens-11000    tokens-12000
       0                        ○               ○               ○
       1                        ○               ○               ○
       2                        ○               ○               ○
       4                        ○               ○               ○
       a value that goes on a…  ○               ○               ○
      ○ forgotten
      smallest window that keeps the fact at each a variable whose name says what
        it is: –, –, –, –, –
    ");
    for width in [20, 40, 60, 80, 100, 300] {
        for grid in grids(&summary(&records).rows, Look { width, ..PLAIN }) {
            let widest = grid.lines().map(crate::text::layout::width).max();
            assert!(widest <= Some(width.max(40)), "{width}: {grid}");
            assert_eq!(windows.iter().filter(|window| grid.contains(**window)).count(), windows.len());
        }
    }
}

#[test]
fn where_the_terminal_is_not_utf_8_it_is_in_letters() {
    let look = Look { is_ascii: true, ..PLAIN };
    let text = super::super::render(
        &summary(&matrix(&["2", "full"])),
        super::super::Around { folder: "results/x", wall: None, snapshots: &[], shard: None },
        look,
    );
    assert!(text.is_ascii() && text.contains("\n   8        F    R\n  R retained  F forgotten\n"), "{text}");
}
