//! The table of the variants, in Markdown: the columns that say something, names as code.

use super::super::summary::{ROWS_IN_FULL, Row, Totals};
use super::super::terminal::{self, Cell};
use super::super::wording::{grouped, money, time_of_ms, vars_in_words};
use super::super::{OutcomeCounts, paint};
use super::NAME;
use crate::model::End;
use crate::text::markdown::code_in_cell;

/// What the lines of the table may take, in characters.
const LINES: usize = 16_000;

/// A title, what aligns its column, and its cells; one in which no row has anything is left out.
type Column = (&'static str, &'static str, fn(&Row) -> Option<String>);

const PERSONA: &str = "persona";
/// What a persona is called that has no name.
const UNNAMED: &str = "default";

const LEFT: &str = "---";
const RIGHT: &str = "--:";

const COLUMNS: [Column; 13] = [
    ("", LEFT, |row| Some(paint::of_end(row.end).0.to_string())),
    ("scenario", LEFT, |row| named(&row.key.scenario)),
    ("case", LEFT, |row| named(&row.key.case)),
    ("vars", LEFT, |row| named(&vars_in_words(&row.key.vars))),
    (PERSONA, LEFT, |row| named(&row.key.persona)),
    ("model", LEFT, |row| named(&row.key.model)),
    ("window", LEFT, |row| named(&row.key.window)),
    ("checks", LEFT, |row| Some(joined(&terminal::checks(row)))),
    ("memory", LEFT, |row| (row.outcomes.total() > 0).then(|| joined(&terminal::memory(row)))),
    ("tokens", RIGHT, |row| row.usage.tokens().map(grouped)),
    ("cost", RIGHT, |row| row.usage.cost_usd.map(money)),
    ("time", RIGHT, |row| row.usage.latency_ms.map(time_of_ms)),
    ("remarks", LEFT, |row| Some(joined(&terminal::note(row))).filter(|note| !note.is_empty())),
];

/// The table, with what its signs mean; empty without any variant. Of more variants than have room, those that did not
/// pass come first.
pub(super) fn table(rows: &[Row], totals: &Totals) -> String {
    let variants = &totals.variants;
    let all: Vec<&Row> = rows.iter().take(ROWS_IN_FULL).collect();
    if variants.total() == all.len() as u64
        && let (table, true) = drawn(&all)
    {
        return table + &legend(rows);
    }
    let not_passed: Vec<&Row> = rows.iter().filter(|row| row.end != End::Passed).take(ROWS_IN_FULL).collect();
    let (table, _) = drawn(&not_passed);
    let shown = (table.lines().count() as u64).saturating_sub(2);
    let rest = variants.total().saturating_sub(shown);
    let what = if rest == variants.passed {
        "that passed".to_owned()
    } else {
        format!("more, of which {} passed", grouped(variants.passed))
    };
    let rest = format!("and {} {what}: all are in `summary.csv`\n", grouped(rest));
    if table.is_empty() { rest } else { format!("{table}\n{rest}{}", legend(rows)) }
}

/// The lines that have room, and whether these are all.
fn drawn(rows: &[&Row]) -> (String, bool) {
    if rows.is_empty() {
        return (String::new(), true);
    }
    let mut columns = COLUMNS.to_vec();
    // A comment has little room beside: where no scenario names a persona, all are called so.
    let is_named = |row: &&Row| row.key.persona != UNNAMED;
    columns
        .retain(|(title, _, cell)| rows.iter().any(|row| cell(row).is_some() && (*title != PERSONA || is_named(row))));
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut table = line(columns.iter().map(|(title, ..)| (*title).to_owned()).collect());
    table += &line(columns.iter().map(|(_, rule, _)| (*rule).to_owned()).collect());
    let mut room = LINES;
    for row in rows {
        let line = line(columns.iter().map(|(_, _, cell)| cell(row).unwrap_or_else(|| "–".to_owned())).collect());
        match room.checked_sub(line.chars().count()) {
            Some(rest) => room = rest,
            None => return (table, false),
        }
        table += &line;
    }
    (table, true)
}

/// `● retained · ○ forgotten`: what the signs of the column `memory` mean, as far as there are any.
fn legend(rows: &[Row]) -> String {
    let mut outcomes = OutcomeCounts::default();
    for row in rows {
        outcomes.add(&row.outcomes);
    }
    let outcomes = outcomes.each().into_iter().filter(|(_, number)| *number > 0);
    let words: Vec<String> =
        outcomes.map(|(outcome, _)| format!("{} {outcome}", paint::of_outcome(outcome).0)).collect();
    if words.is_empty() { String::new() } else { format!("\nmemory: {}\n", words.join(" · ")) }
}

/// A name, in code; none where it is empty.
fn named(name: &str) -> Option<String> {
    (!name.is_empty()).then(|| code_in_cell(name, NAME))
}

fn joined(cell: &Cell) -> String {
    cell.iter().map(|(_, text)| text.as_str()).collect()
}
