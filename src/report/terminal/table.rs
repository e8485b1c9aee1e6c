//! The table: a line a variant, columns aligned, text columns cut where the terminal is narrow.
//!
//! Laid out by hand because a line must stay one line whatever the width (names are cut, never wrapped), and because
//! widths are those of the text without its colours.

use super::super::EndCounts;
use super::super::paint::{self, Look, Tone};
use super::super::summary::{ROWS_IN_FULL, Row};
use super::super::wording::{grouped, money, one_line, time_of_ms, vars_in_words};
use crate::model::End;
use crate::text::layout::{truncate, width};

/// A column of text is not cut below this before the [`DROPPED`] columns are left out: names that begin alike are
/// told apart by their ends.
const READABLE: usize = 24;
/// A column of text is never cut below this.
const NARROWEST: usize = 12;
/// The columns that go first where the terminal is narrow, in this order; `summary.csv` has them all.
const DROPPED: [&str; 3] = ["time", "cost", "tokens"];
const CASE: &str = "case";
const INDENT: &str = "  ";
const GAP: &str = "  ";

/// One cell: pieces of text with their colours.
pub(in crate::report) type Cell = Vec<(Tone, String)>;

/// A column with its cells, a line each.
type Filled = (Column, Vec<Cell>);

#[derive(Clone, Copy)]
struct Column {
    title: &'static str,
    is_number: bool,
    /// Text that may be cut.
    can_shrink: bool,
    /// Left out where no row has anything in it.
    is_optional: bool,
    cell: fn(&Row) -> Cell,
}

const COLUMNS: &[Column] = &[
    text("scenario", |row| plain(one_line(&row.key.scenario))),
    Column { is_optional: true, ..text(CASE, case) },
    text("persona", |row| plain(one_line(&row.key.persona))),
    text("model", |row| plain(one_line(&row.key.model))),
    text("window", |row| plain(one_line(&row.key.window))),
    Column { can_shrink: false, ..text("checks", checks) },
    Column { can_shrink: false, is_optional: true, ..text("memory", memory) },
    number("tokens", |row| known(row.usage.tokens().map(grouped))),
    Column { is_optional: true, ..number("cost", |row| known(row.usage.cost_usd.map(money))) },
    number("time", |row| known(row.usage.latency_ms.map(time_of_ms))),
    Column { is_optional: true, ..text("", note) },
];

const fn text(title: &'static str, cell: fn(&Row) -> Cell) -> Column {
    Column { title, is_number: false, can_shrink: true, is_optional: false, cell }
}

const fn number(title: &'static str, cell: fn(&Row) -> Cell) -> Column {
    Column { title, is_number: true, can_shrink: false, is_optional: false, cell }
}

/// The table of the variants; empty without any.
pub(super) fn table(rows: &[Row], variants: &EndCounts, look: Look) -> String {
    let is_short = variants.total() <= ROWS_IN_FULL as u64;
    let shown: Vec<&Row> = rows.iter().filter(|row| is_short || row.end != End::Passed).take(ROWS_IN_FULL).collect();
    let mut columns: Vec<Filled> = COLUMNS
        .iter()
        .map(|column| (titled(*column, &shown), shown.iter().map(|row| (column.cell)(row)).collect::<Vec<_>>()))
        .filter(|(column, cells)| !column.is_optional || cells.iter().any(has_something))
        .collect();
    let widths = fit(&mut columns, look.width);
    let mut text = String::new();
    if !shown.is_empty() {
        let titles = columns.iter().map(|(column, _)| vec![(Tone::Quiet, column.title.to_owned())]);
        text += &line(' ', Tone::Plain, &columns, titles, &widths, look);
    }
    for (place, row) in shown.iter().enumerate() {
        let (sign, tone) = paint::of_end(row.end);
        text += &line(sign, tone, &columns, columns.iter().map(|(_, cells)| cells[place].clone()), &widths, look);
    }
    text + &left_out(variants, shown.len() as u64)
}

fn left_out(variants: &EndCounts, shown: u64) -> String {
    let passed = variants.passed;
    match variants.total().saturating_sub(shown) {
        0 => String::new(),
        left_out if left_out == passed => format!("{INDENT}  and {} that passed\n", grouped(passed)),
        left_out => format!("{INDENT}  and {} more, of which {} passed\n", grouped(left_out), grouped(passed)),
    }
}

/// Leaves columns out and cuts the widest ones until the line has room; gives the widths.
fn fit(columns: &mut Vec<Filled>, room: usize) -> Vec<usize> {
    let least = |(column, width): (&Filled, usize)| if column.0.can_shrink { width.min(READABLE) } else { width };
    for title in DROPPED {
        let widths = widths(columns);
        if around(columns.len()) + columns.iter().zip(widths).map(least).sum::<usize>() > room {
            columns.retain(|(column, _)| column.title != title);
        }
    }
    let mut widths = widths(columns);
    while around(columns.len()) + widths.iter().sum::<usize>() > room {
        let can_shrink = |place: &usize| columns[*place].0.can_shrink && widths[*place] > NARROWEST;
        match (0..columns.len()).filter(can_shrink).max_by_key(|place| widths[*place]) {
            Some(widest) => widths[widest] -= 1,
            None => break,
        }
    }
    widths
}

fn widths(columns: &[Filled]) -> Vec<usize> {
    let width_of = |(column, cells): &Filled| cells.iter().map(cell_width).chain([width(column.title)]).max();
    columns.iter().map(|column| width_of(column).unwrap_or(0)).collect()
}

/// The room that is not the columns' own: indent, sign with a blank behind it, gaps.
fn around(columns: usize) -> usize {
    INDENT.len() + 2 + GAP.len() * columns.saturating_sub(1)
}

fn line(
    sign: char,
    tone: Tone,
    columns: &[Filled],
    cells: impl Iterator<Item = Cell>,
    widths: &[usize],
    look: Look,
) -> String {
    let cells = cells.zip(columns).zip(widths).map(|((cell, (column, _)), room)| {
        let blanks = " ".repeat(room.saturating_sub(cell_width(&cell)));
        let painted: String = cell.iter().map(|(tone, text)| look.paint(*tone, &fitted(text, *room, look))).collect();
        if column.is_number { blanks + &painted } else { painted + &blanks }
    });
    let line = format!("{INDENT}{} {}", look.paint(tone, &sign.to_string()), cells.collect::<Vec<_>>().join(GAP));
    format!("{}\n", line.trim_end())
}

fn fitted(text: &str, room: usize, look: Look) -> String {
    let text = truncate(text, room);
    // One sign for one, or what stands behind it would no longer be aligned.
    if look.is_ascii { text.replace('…', ".") } else { text }
}

fn cell_width(cell: &Cell) -> usize {
    cell.iter().map(|(_, text)| width(text)).sum()
}

fn has_something(cell: &Cell) -> bool {
    cell.iter().any(|(_, text)| !text.is_empty() && text != "–")
}

fn plain(text: String) -> Cell {
    vec![(Tone::Plain, text)]
}

fn known(text: Option<String>) -> Cell {
    text.map_or_else(|| vec![(Tone::Quiet, "–".into())], plain)
}

/// Cases and matrix values share a column. Where there are no cases, it is called after the values.
fn titled(column: Column, rows: &[&Row]) -> Column {
    let has_cases = rows.iter().any(|row| !row.key.case.is_empty());
    let has_vars = rows.iter().any(|row| !row.key.vars.is_empty());
    if column.title == CASE && has_vars && !has_cases { Column { title: "vars", ..column } } else { column }
}

/// `row 7, gap=4`: what tells variants of one scenario apart beside persona, model and window.
fn case(row: &Row) -> Cell {
    let mut names = vec![one_line(&row.key.case), vars_in_words(&row.key.vars)];
    names.retain(|name| !name.is_empty());
    plain(names.join(", "))
}

/// `5/6 ~2`: passed of those that were asked and not marked; known failures and skipped ones beside it.
pub(in crate::report) fn checks(row: &Row) -> Cell {
    let checks = &row.checks;
    let asked = checks.pass + checks.fail + checks.unknown;
    if checks.total() == 0 {
        // Where nothing was asked, the word says why.
        return known((row.end != End::Passed).then(|| row.end.to_string()));
    }
    let mut cell = plain(format!("{}/{asked}", checks.pass));
    for (verdict, number) in checks.each().into_iter().skip(3).filter(|(_, number)| *number > 0) {
        let (sign, tone) = paint::of_verdict(verdict);
        cell.push((tone, format!(" {sign}{number}")));
    }
    cell
}

/// `●●○` for a few outcomes, `●12 ○3` for more.
pub(in crate::report) fn memory(row: &Row) -> Cell {
    let outcomes = row.outcomes.each().into_iter().filter(|(_, number)| *number > 0);
    let are_few = row.outcomes.total() <= 5;
    let mut cell = Cell::new();
    for (outcome, number) in outcomes {
        let (sign, tone) = paint::of_outcome(outcome);
        if are_few {
            cell.extend((0..number).map(|_| (tone, sign.to_string())));
        } else {
            let gap = if cell.is_empty() { "" } else { " " };
            cell.push((tone, format!("{gap}{sign}{number}")));
        }
    }
    if cell.is_empty() { known(None) } else { cell }
}

/// What the sign and the numbers do not say by themselves.
pub(in crate::report) fn note(row: &Row) -> Cell {
    let trials = (row.trials > 1).then(|| format!("{} trials", row.trials));
    let is_cut_short = matches!(row.end, End::Skipped | End::Interrupted) && row.checks.total() > 0;
    let end = is_cut_short.then(|| row.end.to_string());
    vec![(Tone::Quiet, trials.into_iter().chain(end).collect::<Vec<_>>().join(", "))]
}
