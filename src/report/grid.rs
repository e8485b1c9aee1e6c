//! The retention grid: one matrix variable against the windows, an outcome a cell.
//!
//! A grid is drawn for each scenario, case, persona and model with a matrix of exactly one variable, at least two
//! values and two windows, and one retention check a conversation. With several variables, or several retention checks
//! a conversation, a cell would not be one outcome, and none is drawn.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::paint::{self, Look, Tone};
use super::summary::Row;
use super::wording::{one_line, value_in_words};
use crate::model::{Outcome, Tail, VariantKey, Window};
use crate::text::layout::width;

/// The outcomes from best to worst: where trials differ equally often, the worse one is shown.
const WORST_LAST: [Outcome; 5] =
    [Outcome::Retained, Outcome::Forgotten, Outcome::Missed, Outcome::Stale, Outcome::Leaked];

/// One grid. Values and windows stand in plan order.
struct Grid<'a> {
    key: &'a VariantKey,
    variable: String,
    values: Vec<String>,
    windows: Vec<&'a str>,
    /// By value, then window; `None` where there was no outcome.
    cells: Vec<Vec<Option<Outcome>>>,
}

/// The grids of a run, each ending in a line feed.
#[must_use]
pub fn grids(rows: &[Row], look: Look) -> Vec<String> {
    let mut groups: indexmap::IndexMap<[&str; 4], Vec<&Row>> = indexmap::IndexMap::new();
    for row in rows.iter().filter(|row| !row.key.vars.is_empty()) {
        let VariantKey { scenario, case, persona, model, .. } = &row.key;
        groups.entry([scenario, case, persona, model]).or_default().push(row);
    }
    groups.values().filter_map(|rows| Grid::of(rows)).map(|grid| grid.draw(look)).collect()
}

impl<'a> Grid<'a> {
    fn of(rows: &[&'a Row]) -> Option<Self> {
        let key = &rows.first()?.key;
        let mut grid =
            Self { key, variable: String::new(), values: Vec::new(), windows: Vec::new(), cells: Vec::new() };
        for row in rows {
            let vars: Map<String, Value> = serde_json::from_str(&row.key.vars).ok()?;
            let (variable, value) = vars.iter().next().filter(|_| vars.len() == 1)?;
            if row.retention_checks > 1 || !grid.variable.is_empty() && grid.variable != *variable {
                return None;
            }
            grid.variable.clone_from(variable);
            grid.put(value_in_words(value), &row.key.window, commonest(row));
        }
        let is_grid = grid.values.len() > 1 && grid.windows.len() > 1;
        let has_outcomes = rows.iter().any(|row| row.retention_checks == 1);
        (is_grid && has_outcomes).then_some(grid)
    }

    fn put(&mut self, value: String, window: &'a str, outcome: Option<Outcome>) {
        let place = self.windows.iter().position(|known| *known == window).unwrap_or_else(|| {
            self.windows.push(window);
            self.windows.len() - 1
        });
        let line = self.values.iter().position(|known| *known == value).unwrap_or_else(|| {
            self.values.push(value);
            self.cells.push(Vec::new());
            self.values.len() - 1
        });
        let cells = &mut self.cells[line];
        cells.resize(cells.len().max(place + 1), None);
        cells[place] = outcome;
    }

    fn cell(&self, line: usize, place: usize) -> Option<Outcome> {
        self.cells[line].get(place).copied().flatten()
    }

    fn draw(&self, look: Look) -> String {
        let VariantKey { scenario, case, persona, model, .. } = self.key;
        let cells: usize = self.cells.iter().map(Vec::len).sum();
        let variable = one_line(&self.variable);
        let names: Vec<String> = [scenario, case, persona].map(|name| one_line(name)).into();
        let title: Vec<String> = ["retention".to_owned()]
            .into_iter()
            .chain(names.into_iter().filter(|name| !name.is_empty()))
            .chain([format!("{variable} × window"), one_line(model), format!("{cells} cells")])
            .collect();
        let first =
            self.values.iter().map(|value| width(&one_line(value))).chain([width(&variable)]).max().unwrap_or(0);
        let first = first.max(8);
        let mut lines = vec![
            look.paint(Tone::Heading, &title.join(" · ")),
            format!("  {}  {}", " ".repeat(first), look.paint(Tone::Quiet, "window")),
            self.line(first, &variable, |place| (Tone::Plain, self.windows[place].to_owned()), look),
        ];
        lines.extend(self.values.iter().enumerate().map(|(line, value)| {
            self.line(first, &format!(" {}", one_line(value)), |place| sign(self.cell(line, place)), look)
        }));
        lines.push(self.legend(look));
        lines.extend(self.smallest());
        lines.join("\n") + "\n"
    }

    fn line(&self, first: usize, head: &str, cell: impl Fn(usize) -> (Tone, String), look: Look) -> String {
        let head = format!("  {head}{}", " ".repeat(first.saturating_sub(width(head))));
        let cells = self.windows.iter().enumerate().map(|(place, window)| {
            let (tone, text) = cell(place);
            let blanks = " ".repeat(width(window).saturating_sub(width(&text)) + 2);
            format!("  {}{blanks}", look.paint(tone, &text))
        });
        cells.fold(head, |line, cell| line + &cell).trim_end().to_owned()
    }

    fn legend(&self, look: Look) -> String {
        let is_there = |outcome: &Outcome| self.cells.iter().flatten().any(|cell| *cell == Some(*outcome));
        let words = WORST_LAST.into_iter().filter(is_there).map(|outcome| {
            let (tone, sign) = sign(Some(outcome));
            format!("{} {outcome}", look.paint(tone, &sign))
        });
        format!("  {}", words.collect::<Vec<_>>().join("  "))
    }

    /// What the grid says in one line; `None` where the windows do not stand from small to large.
    fn smallest(&self) -> Option<String> {
        let windows: Vec<Window> = self.windows.iter().map(|label| label.parse().ok()).collect::<Option<_>>()?;
        let is_ordered = windows.windows(2).all(|pair| size_order(pair[0], pair[1]) == Some(Ordering::Less));
        let smallest = |line: usize| {
            let keeps = |place: &usize| self.cell(line, *place) == Some(Outcome::Retained);
            (0..self.windows.len()).find(keeps).map_or("–", |place| self.windows[place])
        };
        let list = (0..self.values.len()).map(smallest).collect::<Vec<_>>().join(", ");
        is_ordered
            .then(|| format!("  smallest window that keeps the fact at each {}: {list}", one_line(&self.variable)))
    }
}

/// Which of two windows keeps less; `None` for two that are not measured alike.
fn size_order(one: Window, other: Window) -> Option<Ordering> {
    if one.orphan_reply != other.orphan_reply && one.tail != Tail::Full && other.tail != Tail::Full {
        return None;
    }
    match (one.tail, other.tail) {
        (Tail::Full, Tail::Full) | (Tail::None, Tail::None) => Some(Ordering::Equal),
        (Tail::Full, _) | (_, Tail::None) => Some(Ordering::Greater),
        (_, Tail::Full) | (Tail::None, _) => Some(Ordering::Less),
        _ if one.pin_first != other.pin_first => None,
        (Tail::Exchanges(one), Tail::Exchanges(other))
        | (Tail::PastExchanges(one), Tail::PastExchanges(other))
        | (Tail::Messages(one), Tail::Messages(other))
        | (Tail::Tokens(one), Tail::Tokens(other)) => Some(one.cmp(&other)),
        _ => None,
    }
}

fn commonest(row: &Row) -> Option<Outcome> {
    let counts = row.outcomes.each();
    let number = |outcome: &Outcome| counts.iter().find(|(word, _)| word == outcome).map_or(0, |(_, number)| *number);
    // Of equals the last one is taken.
    WORST_LAST.into_iter().max_by_key(number).filter(|outcome| number(outcome) > 0)
}

fn sign(outcome: Option<Outcome>) -> (Tone, String) {
    let (sign, tone) = outcome.map_or(('?', Tone::Uncertain), paint::of_outcome);
    (tone, sign.to_string())
}

#[cfg(test)]
mod tests;
