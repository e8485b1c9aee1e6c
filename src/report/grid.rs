//! The retention grid as values: one matrix variable against the windows, what became of the facts in each cell.
//!
//! There is a grid for each scenario, case, persona and model with a matrix, two values of a variable and two windows at least,
//! and a retention check. Of several variables the fastest one is shown, with a grid for every value of the others. A
//! cell has the outcomes of all its retention checks in all trials; it is shown by the worst of them, and where they
//! differ by the share that was retained. `terminal` draws it in characters, `svg` as a picture.

use std::cmp::Ordering;

use indexmap::{IndexMap, IndexSet};
use serde_json::{Map, Value};

use super::OutcomeCounts;
use super::summary::Row;
use super::wording::{one_line, value_in_words};
use crate::model::{Outcome, Tail, VariantKey, Window};

/// The outcomes from best to worst.
pub(super) const WORST_LAST: [Outcome; 5] =
    [Outcome::Retained, Outcome::Forgotten, Outcome::Missed, Outcome::Stale, Outcome::Leaked];

/// One grid. Values and windows stand in plan order.
pub(super) struct Grid<'a> {
    key: &'a VariantKey,
    /// The variables that are the same in the whole grid, in words; empty where there is but one.
    fixed: String,
    /// The variable, made visible.
    pub variable: String,
    /// Its values, made visible.
    pub values: Vec<String>,
    /// The windows' labels.
    pub windows: Vec<&'a str>,
    /// By value, then window.
    cells: Vec<Vec<Cell>>,
}

/// What became of the facts in one cell; nothing, where there was no conversation or no outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Cell {
    is_played: bool,
    outcomes: OutcomeCounts,
}

impl Cell {
    /// The worst outcome; `None` where there was none.
    pub fn worst(&self) -> Option<Outcome> {
        let counts = self.outcomes.each();
        let has = |outcome: &Outcome| counts.iter().any(|(word, number)| word == outcome && *number > 0);
        WORST_LAST.into_iter().rev().find(has)
    }

    /// How many outcomes were `retained`, and how many there are.
    pub fn retained(&self) -> (u64, u64) {
        (self.outcomes.retained, self.outcomes.total())
    }

    /// `leaked`, of several outcomes `9 retained, 1 leaked`, from best to worst.
    pub fn in_words(&self) -> String {
        let counts = self.outcomes.each();
        let number =
            |outcome: Outcome| counts.iter().find(|(word, _)| *word == outcome).map_or(0, |(_, number)| *number);
        let there = WORST_LAST.into_iter().filter(|outcome| number(*outcome) > 0);
        match self.outcomes.total() {
            0 => "no outcome".to_owned(),
            1 => there.map(Outcome::as_str).collect(),
            _ => there.map(|outcome| format!("{} {outcome}", number(outcome))).collect::<Vec<_>>().join(", "),
        }
    }

    /// `9/10`, the retained among all, where the outcomes of the cell differ.
    pub fn share(&self) -> Option<String> {
        let (retained, all) = self.retained();
        let is_mixed = self.outcomes.each().iter().any(|(_, number)| *number > 0 && *number < all);
        is_mixed.then(|| format!("{retained}/{all}"))
    }
}

/// The grids of a run, in plan order.
pub(super) fn grids(rows: &[Row]) -> Vec<Grid<'_>> {
    let mut groups: IndexMap<[&str; 4], Vec<Placed<'_>>> = IndexMap::new();
    for row in rows.iter().filter(|row| !row.key.vars.is_empty()) {
        let VariantKey { scenario, case, persona, model, .. } = &row.key;
        let Ok(vars) = serde_json::from_str(&row.key.vars) else { continue };
        groups.entry([scenario, case, persona, model]).or_default().push(Placed { row, vars });
    }
    groups
        .into_values()
        .flat_map(by_fixed_variables)
        .filter_map(|(fixed, axis, rows)| Grid::of(fixed, &axis, &rows))
        .collect()
}

/// A variant with its variables.
struct Placed<'a> {
    row: &'a Row,
    vars: Map<String, Value>,
}

/// The variants cut into those of one grid, each with the variables that are the same in it, and the name of the one that
/// is not.
fn by_fixed_variables(rows: Vec<Placed<'_>>) -> Vec<(String, String, Vec<Placed<'_>>)> {
    let Some(axis) = axis(&rows) else { return Vec::new() };
    let mut parts: IndexMap<String, Vec<Placed<'_>>> = IndexMap::new();
    for placed in rows {
        let others = placed.vars.iter().filter(|(name, _)| **name != axis);
        let fixed: Vec<String> = others.map(|(name, value)| format!("{name}={}", value_in_words(value))).collect();
        parts.entry(one_line(&fixed.join(", "))).or_default().push(placed);
    }
    parts.into_iter().map(|(fixed, rows)| (fixed, axis.clone(), rows)).collect()
}

/// The last variable, which is the fastest in the plan, of those with more than one value.
fn axis(rows: &[Placed<'_>]) -> Option<String> {
    let first = &rows.first()?.vars;
    let differs = |name: &str| rows.iter().any(|placed| placed.vars.get(name) != first.get(name));
    first.keys().rev().find(|name| differs(name)).cloned()
}

impl<'a> Grid<'a> {
    fn of(fixed: String, axis: &str, rows: &[Placed<'a>]) -> Option<Self> {
        let key = &rows.first()?.row.key;
        let value = |placed: &Placed<'_>| placed.vars.get(axis).map(|value| one_line(&value_in_words(value)));
        let values: IndexSet<String> = rows.iter().filter_map(value).collect();
        let windows: IndexSet<&str> = rows.iter().map(|placed| placed.row.key.window.as_str()).collect();
        let mut cells = vec![vec![Cell::default(); windows.len()]; values.len()];
        for placed in rows {
            let line = values.get_index_of(&value(placed)?)?;
            let cell = &mut cells[line][windows.get_index_of(placed.row.key.window.as_str())?];
            cell.is_played = true;
            cell.outcomes.add(&placed.row.outcomes);
        }
        let is_grid = values.len() > 1 && windows.len() > 1;
        let has_outcomes = rows.iter().any(|placed| placed.row.retention_checks > 0);
        let grid = Self {
            key,
            fixed,
            variable: one_line(axis),
            values: values.into_iter().collect(),
            windows: windows.into_iter().collect(),
            cells,
        };
        (is_grid && has_outcomes).then_some(grid)
    }

    /// What became of the facts under a value and a window, by their places.
    pub fn cell(&self, line: usize, place: usize) -> Cell {
        self.cells[line][place]
    }

    /// All cells, one behind the other.
    pub fn each(&self) -> impl Iterator<Item = &Cell> {
        self.cells.iter().flatten()
    }

    /// How many cells were played.
    pub fn played(&self) -> usize {
        self.each().filter(|cell| cell.is_played).count()
    }

    /// Whether the outcomes of a cell differ.
    pub fn is_mixed(&self) -> bool {
        self.each().any(|cell| cell.share().is_some())
    }

    /// The worst outcomes of its cells, each once, from best to worst.
    pub fn outcomes(&self) -> impl Iterator<Item = Outcome> {
        WORST_LAST.into_iter().filter(|outcome| self.each().any(|cell| cell.worst() == Some(*outcome)))
    }

    /// What it is a grid of, made visible, without what is empty: scenario, case, persona, the variables that are the same in it.
    pub fn names(&self) -> Vec<String> {
        let VariantKey { scenario, case, persona, .. } = self.key;
        let names = [scenario, case, persona, &self.fixed].into_iter().map(|name| one_line(name));
        names.filter(|name| !name.is_empty()).collect()
    }

    /// The model, made visible.
    pub fn model(&self) -> String {
        one_line(&self.key.model)
    }

    /// Of each value the place of the smallest window under which every fact was retained, `None` where none did; `None` as
    /// a whole where the windows do not stand from small to large.
    pub fn smallest(&self) -> Option<Vec<Option<usize>>> {
        let windows: Vec<Window> = self.windows.iter().map(|label| label.parse().ok()).collect::<Option<_>>()?;
        let is_ordered = windows.windows(2).all(|pair| size_order(pair[0], pair[1]) == Some(Ordering::Less));
        let keeps = |cell: &Cell| cell.worst() == Some(Outcome::Retained);
        is_ordered.then(|| self.cells.iter().map(|line| line.iter().position(keeps)).collect())
    }

    /// The same as a list of labels, `–` where no window keeps it.
    pub fn smallest_in_words(&self) -> Option<String> {
        let labels = self.smallest()?.into_iter().map(|place| place.map_or("–", |place| self.windows[place]));
        Some(labels.collect::<Vec<_>>().join(", "))
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
