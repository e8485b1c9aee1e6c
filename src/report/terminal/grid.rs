//! The retention grid drawn in characters. One that is wider than the terminal continues below with the other windows.

use super::super::grid::{self, Cell, Grid};
use super::super::paint::{self, Look, Tone};
use super::super::summary::Row;
use crate::model::Outcome;
use crate::text::layout::{truncate, width, wrap};

/// The column of values is as wide as its texts, between these.
const HEAD: (usize, usize) = (8, 24);
/// Between two columns.
const GAP: usize = 4;

/// The grids of a run, each ending in a line feed.
#[must_use]
pub fn grids(rows: &[Row], look: Look) -> Vec<String> {
    grid::grids(rows).iter().map(|grid| Drawing::of(grid, look).draw()).collect()
}

/// A grid on its way to the terminal.
struct Drawing<'a> {
    grid: &'a Grid<'a>,
    look: Look,
    head: usize,
    /// The width of each window's column.
    columns: Vec<usize>,
}

impl<'a> Drawing<'a> {
    fn of(grid: &'a Grid<'a>, look: Look) -> Self {
        let heads = grid.values.iter().map(|value| width(value) + 1).chain([width(&grid.variable)]);
        let head = heads.max().unwrap_or_default().clamp(HEAD.0, HEAD.1);
        let column = |(place, window): (usize, &&str)| {
            let cells = (0..grid.values.len()).map(|line| width(&sign(grid.cell(line, place)).1));
            cells.chain([width(window)]).max().unwrap_or_default()
        };
        let columns = grid.windows.iter().enumerate().map(column).collect();
        Self { grid, look, head, columns }
    }

    fn draw(&self) -> String {
        let grid = self.grid;
        let title: Vec<String> = ["retention".to_owned()]
            .into_iter()
            .chain(grid.names())
            .chain([format!("{} × window", grid.variable), grid.model(), format!("{} cells", grid.played())])
            .collect();
        let title = wrap(&title.join(" · "), self.look.width).into_iter();
        let mut lines: Vec<String> = title.map(|line| self.look.paint(Tone::Heading, &line)).collect();
        let mut rest = 0..self.columns.len();
        while !rest.is_empty() {
            let end = rest.start + self.fitting(rest.start);
            lines.extend(self.part(rest.start..end));
            rest.start = end;
        }
        lines.push(self.legend());
        if grid.is_mixed() {
            lines.extend(self.remark("several outcomes in a cell: the worst, and how many of all were retained"));
        }
        if let Some(list) = grid.smallest_in_words() {
            lines
                .extend(self.remark(&format!("smallest window that keeps the fact at each {}: {list}", grid.variable)));
        }
        lines.join("\n") + "\n"
    }

    /// How many columns fit beside one another, from this one on; one at least.
    fn fitting(&self, from: usize) -> usize {
        let ends = self.columns[from..].iter().scan(2 + self.head, |end, column| {
            *end += 2 + column;
            let fits = *end <= self.look.width;
            *end += GAP - 2;
            Some(fits)
        });
        ends.take_while(|fits| *fits).count().max(1)
    }

    fn part(&self, places: std::ops::Range<usize>) -> Vec<String> {
        let windows = |place: usize| (Tone::Plain, self.grid.windows[place].to_owned());
        let mut lines = vec![
            format!("  {}  {}", " ".repeat(self.head), self.look.paint(Tone::Quiet, "window")),
            self.line(&self.grid.variable, places.clone(), windows),
        ];
        let values = self.grid.values.iter().enumerate();
        lines.extend(values.map(|(line, value)| {
            self.line(&format!(" {value}"), places.clone(), |place| sign(self.grid.cell(line, place)))
        }));
        lines
    }

    fn line(&self, head: &str, places: std::ops::Range<usize>, cell: impl Fn(usize) -> (Tone, String)) -> String {
        let head = truncate(head, self.head);
        let head = format!("  {head}{}", " ".repeat(self.head - width(&head)));
        let cells = places.map(|place| {
            let (tone, text) = cell(place);
            let blanks = " ".repeat(self.columns[place].saturating_sub(width(&text)) + GAP - 2);
            format!("  {}{blanks}", self.look.paint(tone, &text))
        });
        cells.fold(head, |line, cell| line + &cell).trim_end().to_owned()
    }

    fn legend(&self) -> String {
        let words = self.grid.outcomes().map(|outcome| {
            let (sign, tone) = paint::of_outcome(outcome);
            format!("{} {outcome}", self.look.paint(tone, &sign.to_string()))
        });
        let unknown = self.grid.each().any(|cell| cell.worst().is_none());
        let unknown = unknown.then(|| format!("{} none", self.look.paint(Tone::Uncertain, "?")));
        format!("  {}", words.chain(unknown).collect::<Vec<_>>().join("  "))
    }

    fn remark(&self, text: &str) -> Vec<String> {
        wrap(text, self.look.width.saturating_sub(4)).into_iter().enumerate().map(indented).collect()
    }
}

fn indented((number, line): (usize, String)) -> String {
    if number == 0 { format!("  {line}") } else { format!("    {line}") }
}

/// A cell's sign, with the share of the retained where its outcomes differ.
fn sign(cell: Cell) -> (Tone, String) {
    let (sign, tone) = cell.worst().map_or(('?', Tone::Uncertain), |worst: Outcome| paint::of_outcome(worst));
    let share = cell.share().map(|share| format!(" {share}")).unwrap_or_default();
    (tone, format!("{sign}{share}"))
}

#[cfg(test)]
mod tests;
