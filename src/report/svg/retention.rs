//! A retention grid as a heat map: a value a row, a window a column, the worst outcome's sign in each cell.
//!
//! A cell is filled with the colour of `retained` from below as far as the share of the retained goes, the rest with that of its
//! worst outcome. Where its outcomes differ, the share stands beside the sign. The smallest window that keeps the
//! fact has a frame.

use super::super::grid::{Cell, Grid};
use super::colour::Colour;
use super::pen::{Anchor, Area, Pen, Stroke, fitting, text_width};
use super::{MARGIN, Picture, SMALL, TEXT, WIDTH};
use crate::model::Outcome;
use crate::text::layout::wrap;

/// So many values and windows are drawn.
const SHOWN: (usize, usize) = (60, 24);
/// The column of values is so wide, at least and at most.
const HEAD: (f64, f64) = (44.0, 150.0);
/// So is a cell.
const CELL: (f64, f64) = (18.0, 96.0);
/// The most room for the labels of windows, where they run upwards.
const UPRIGHT: f64 = 140.0;
/// How high a line of the legend is.
const LINE: f64 = 18.0;

/// The picture of a grid.
pub(super) fn draw(id: &'static str, grid: &Grid<'_>) -> Picture {
    let map = Map::of(grid);
    let mut pen = Pen::new();
    map.labels(&mut pen);
    map.cells(&mut pen);
    map.smallest(&mut pen);
    let height = map.legend(&mut pen);
    let names = grid.names().into_iter().chain([format!("{} × window", grid.variable), grid.model()]);
    let names = names.collect::<Vec<_>>().join(" · ");
    Picture { id, title: "Retention", names, summary: summary(grid), width: map.width, height, body: pen.finish() }
}

/// What a grid says, in a sentence.
fn summary(grid: &Grid<'_>) -> String {
    let number = |outcome| grid.each().filter(|cell| cell.worst() == Some(outcome)).count();
    let counts: Vec<String> = grid.outcomes().map(|outcome| format!("{} {outcome}", number(outcome))).collect();
    let cells = grid.played();
    let what = if cells == 1 { "cell" } else { "cells" };
    let worst = if grid.is_mixed() { " at worst" } else { "" };
    let smallest = grid.smallest_in_words().filter(|_| grid.values.len() <= 12);
    let smallest = smallest.map_or_else(String::new, |list| {
        format!("; smallest window that keeps the fact at {} {}: {list}", grid.variable, grid.values.join(", "))
    });
    format!("{cells} {what} of {} by window, {}{worst}{smallest}.", grid.variable, counts.join(", "))
}

/// Where everything stands.
struct Map<'a> {
    grid: &'a Grid<'a>,
    values: usize,
    windows: usize,
    head: f64,
    top: f64,
    cell: (f64, f64),
    is_upright: bool,
    width: f64,
}

#[expect(clippy::cast_precision_loss, reason = "numbers of cells are small")]
impl<'a> Map<'a> {
    fn of(grid: &'a Grid<'a>) -> Self {
        let (values, windows) = (grid.values.len().min(SHOWN.0), grid.windows.len().min(SHOWN.1));
        let widest =
            |texts: &mut dyn Iterator<Item = &str>| texts.map(|text| text_width(text, TEXT)).fold(0.0, f64::max);
        let mut heads = grid.values[..values].iter().map(String::as_str).chain([grid.variable.as_str()]);
        let head = (widest(&mut heads) + 2.0 * MARGIN).clamp(HEAD.0, HEAD.1);
        let width = ((WIDTH - head - MARGIN) / windows as f64).clamp(CELL.0, CELL.1);
        let label = widest(&mut grid.windows[..windows].iter().copied());
        let is_upright = label + 4.0 > width;
        let height = if values <= 12 { 30.0 } else { 20.0 };
        let top = if is_upright { label.min(UPRIGHT) + 30.0 } else { 42.0 };
        let whole = (head + width * windows as f64 + MARGIN).max(WIDTH);
        Self { grid, values, windows, head, top, cell: (width, height), is_upright, width: whole }
    }

    /// A cell without the gaps around it.
    fn area(&self, line: usize, place: usize) -> Area {
        let (width, height) = self.cell;
        let (x, y) = (self.head + place as f64 * width, self.top + line as f64 * height);
        Area { x: x + 1.0, y: y + 1.0, width: width - 2.0, height: height - 2.0 }
    }

    fn labels(&self, pen: &mut Pen) {
        let (width, height) = self.cell;
        pen.text(Colour::Quiet, (self.head + 1.0, 14.0), Anchor::Start, SMALL, "window", WIDTH - self.head);
        let head = (self.head - 8.0, self.head - 16.0);
        pen.text(Colour::Quiet, (head.0, self.top - 9.0), Anchor::End, SMALL, &self.grid.variable, head.1);
        for (place, window) in self.grid.windows[..self.windows].iter().enumerate() {
            let x = self.head + (place as f64 + 0.5) * width;
            if self.is_upright {
                pen.upright(Colour::Ink, (x + 4.0, self.top - 6.0), TEXT, window, UPRIGHT);
            } else {
                pen.text(Colour::Ink, (x, self.top - 9.0), Anchor::Middle, TEXT, window, width);
            }
        }
        for (line, value) in self.grid.values[..self.values].iter().enumerate() {
            let y = self.top + (line as f64 + 0.5) * height + 4.0;
            pen.text(Colour::Ink, (head.0, y), Anchor::End, TEXT, value, head.1);
        }
    }

    fn cells(&self, pen: &mut Pen) {
        for line in 0..self.values {
            for place in 0..self.windows {
                let cell = self.grid.cell(line, place);
                let said = self.said(line, place, cell);
                pen.told(&said, |pen| draw_cell(pen, cell, self.area(line, place)));
            }
        }
    }

    /// What a cell shows, in words.
    fn said(&self, line: usize, place: usize, cell: Cell) -> String {
        let Grid { variable, values, windows, .. } = self.grid;
        format!("{variable} {}, window {}: {}", values[line], windows[place], cell.in_words())
    }

    fn smallest(&self, pen: &mut Pen) {
        let places = self.grid.smallest().unwrap_or_default();
        for (line, place) in places.into_iter().take(self.values).enumerate() {
            if let Some(place) = place.filter(|place| *place < self.windows) {
                pen.frame(FRAME, self.area(line, place), 4.0);
            }
        }
    }

    /// The signs with their words, and what has no room. Gives the height of the whole.
    fn legend(&self, pen: &mut Pen) -> f64 {
        let grid = self.grid;
        let mut y = self.top + self.values as f64 * self.cell.1 + 22.0;
        let mut x = MARGIN;
        let mut next = |text: &str| {
            let width = text_width(text, SMALL) + 30.0;
            if x > MARGIN && x + width > WIDTH {
                (x, y) = (MARGIN, y + LINE);
            }
            x += width;
            (x - width, y)
        };
        let mut entries: Vec<(Option<Outcome>, &str)> =
            grid.outcomes().map(|worst| (Some(worst), worst.as_str())).collect();
        entries.extend(grid.each().any(|cell| cell.worst().is_none()).then_some((None, "no outcome")));
        for (outcome, word) in entries {
            let (x, y) = next(word);
            pen.sign(outcome, (x + 6.0, y - 4.0), 5.0);
            pen.text(Colour::Quiet, (x + 17.0, y), Anchor::Start, SMALL, word, WIDTH);
        }
        if grid.smallest().is_some_and(|places| places.iter().any(Option::is_some)) {
            let text = "smallest window that keeps the fact";
            let (x, y) = next(text);
            pen.frame(FRAME, Area { x: x + 1.0, y: y - 9.5, width: 11.0, height: 11.0 }, 3.0);
            pen.text(Colour::Quiet, (x + 17.0, y), Anchor::Start, SMALL, text, WIDTH);
        }
        for remark in self.remarks() {
            y += LINE;
            pen.text(Colour::Quiet, (MARGIN, y), Anchor::Start, SMALL, &remark, WIDTH - 2.0 * MARGIN);
        }
        y + MARGIN
    }

    fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if self.grid.is_mixed() {
            let text = "A cell of several outcomes has the sign of the worst, and says how many of all were retained.";
            remarks.extend(wrap(text, 68));
        }
        let more = |shown: usize, all: usize, what: &str| (all > shown).then(|| format!("{} more {what}", all - shown));
        let values = more(self.values, self.grid.values.len(), "values");
        let windows = more(self.windows, self.grid.windows.len(), "windows");
        let left_out: Vec<String> = values.into_iter().chain(windows).collect();
        remarks.extend((!left_out.is_empty()).then(|| format!("And {}: retention.csv has them.", left_out.join(", "))));
        remarks
    }
}

/// Around the smallest window that keeps the fact.
const FRAME: Stroke = Stroke { colour: Colour::Accent, width: 2.0, is_dashed: false };

#[expect(clippy::cast_precision_loss, reason = "numbers of outcomes are small")]
fn draw_cell(pen: &mut Pen, cell: Cell, area: Area) {
    let Area { x, y, width, height } = area;
    let (retained, all) = cell.retained();
    let share = if all > 0 { retained as f64 / all as f64 } else { 0.0 };
    let colour = cell.worst().map_or(Colour::Line, Colour::Of);
    if cell.share().is_none() {
        pen.area(colour, 0.22, area, 4.0);
    } else {
        pen.area(colour, 0.22, Area { height: height * (1.0 - share), ..area }, 0.0);
        let below = Area { y: y + height * (1.0 - share), height: height * share, ..area };
        pen.area(Colour::Of(Outcome::Retained), 0.3, below, 0.0);
    }
    let radius = (height.min(width) / 4.0).min(6.0);
    let text = cell.share().map(|share| fitting(&share, SMALL, width)).unwrap_or_default();
    let text_room = text_width(&text, SMALL);
    // Where both have no room beside one another, the words of the cell have the share.
    let (x, y) = (x + width / 2.0, y + height / 2.0);
    if text.is_empty() || text_room + 3.0 * radius + 4.0 > width {
        pen.sign(cell.worst(), (x, y), radius);
    } else {
        pen.sign(cell.worst(), (x - text_room / 2.0 - 2.0, y), radius);
        pen.text(Colour::Ink, (x - text_room / 2.0 + radius + 3.0, y + 4.0), Anchor::Start, SMALL, &text, width);
    }
}
