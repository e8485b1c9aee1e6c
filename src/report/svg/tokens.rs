//! The tokens that a turn's request had on average, and those that the whole history would have had: a panel for each window.
//!
//! Both lines of a panel are of the same requests, whatever other conversations there are, so that what lies between them is what
//! the window saved. All panels have the same scales.

use super::super::measures::{MeanTokens, Named, Turns};
use super::super::wording::{one_line, rough, several};
use super::axis::round_marks;
use super::colour::Colour;
use super::pen::{Anchor, Area, Pen, Stroke, text_width};
use super::{MARGIN, Picture, SMALL, TEXT, WIDTH};

/// Left of the panels, for the numbers of their scale.
const SCALE: f64 = 46.0;
/// Between two panels.
const GAP: f64 = 20.0;
/// Above a panel, for its heading.
const HEAD: f64 = 22.0;
/// Below a panel, for its turns.
const FOOT: f64 = 30.0;
/// Above all panels.
const KEY: f64 = 24.0;
/// So many points are dots on the line.
const DOTS: usize = 40;

const SENT: Stroke = Stroke { colour: Colour::Accent, width: 2.0, is_dashed: false };
const FULL: Stroke = Stroke { colour: Colour::Quiet, width: 1.5, is_dashed: true };

/// The picture, where any tokens are known.
pub(super) fn draw(id: &'static str, windows: &Named<Turns>) -> Option<Picture> {
    let panels: Vec<Panel<'_>> = windows.entries.iter().map(|(window, turns)| Panel::of(window, turns)).collect();
    if panels.is_empty() {
        return None;
    }
    let frame = Frame::of(&panels);
    let mut pen = Pen::new();
    frame.key(&mut pen, panels.iter().any(|panel| panel.is_cut));
    for (number, panel) in panels.iter().enumerate() {
        frame.panel(&mut pen, number, panel);
    }
    let mut height = frame.height;
    if windows.others > 0 {
        let others = several(windows.others, "conversation has another window", "conversations have other windows");
        pen.text(
            Colour::Quiet,
            (MARGIN, height + 4.0),
            Anchor::Start,
            SMALL,
            &format!("{others}."),
            WIDTH - 2.0 * MARGIN,
        );
        height += 4.0 + MARGIN;
    }
    let summary = summary(&panels, frame.last);
    Some(Picture {
        id,
        title: "Tokens sent per turn",
        names: String::new(),
        summary,
        width: WIDTH,
        height,
        body: pen.finish(),
    })
}

fn summary(panels: &[Panel<'_>], last: u32) -> String {
    let estimate = if panels.iter().any(|panel| panel.turns.is_estimate) { ", some of them estimates" } else { "" };
    let windows: Vec<String> = panels
        .iter()
        .map(|panel| format!("window {}: {} ({})", panel.window, panel.saved, panel.conversations()))
        .collect();
    let turns = if last == 1 { "one turn".to_owned() } else { format!("{last} turns") };
    format!("Mean tokens of a request over {turns}{estimate}, against the full history; {}.", windows.join("; "))
}

/// One window.
struct Panel<'a> {
    window: String,
    turns: &'a Turns,
    means: Vec<MeanTokens>,
    saved: String,
    /// Whether anything of the history was not sent.
    is_cut: bool,
}

impl<'a> Panel<'a> {
    fn of(window: &str, turns: &'a Turns) -> Self {
        let means: Vec<MeanTokens> = turns.means().collect();
        let is_cut = means.iter().any(|mean| mean.full > mean.sent);
        let saved = turns.saved().map_or(0.0, |saved| saved * 100.0);
        let saved = match saved {
            _ if !is_cut => "nothing cut".to_owned(),
            ..1.0 => "< 1 % saved".to_owned(),
            saved => format!("{:.0} % saved", saved.floor()),
        };
        Self { window: one_line(window), turns, means, saved, is_cut }
    }

    fn conversations(&self) -> String {
        several(self.turns.conversations, "conversation", "conversations")
    }
}

/// Where panels stand, and their scales.
struct Frame {
    columns: usize,
    size: (f64, f64),
    marks: Vec<f64>,
    last: u32,
    height: f64,
}

#[expect(clippy::cast_precision_loss, reason = "numbers of panels are small")]
impl Frame {
    fn of(panels: &[Panel<'_>]) -> Self {
        let means = || panels.iter().flat_map(|panel| &panel.means);
        let most = means().map(|mean| mean.full.max(mean.sent)).fold(0.0, f64::max);
        let last = panels.iter().map(|panel| panel.turns.last).max().unwrap_or(1).max(1);
        let columns = panels.len().min(2);
        let gaps = GAP * (columns - 1) as f64;
        let width = (WIDTH - SCALE - MARGIN - gaps) / columns as f64;
        let height = if columns == 1 { 170.0 } else { 96.0 };
        let rows = panels.len().div_ceil(columns) as f64;
        Self {
            columns,
            size: (width, height),
            marks: round_marks(most, if columns == 1 { 4.0 } else { 3.0 }),
            last,
            height: KEY + rows * (HEAD + height + FOOT),
        }
    }

    /// What the lines are.
    #[expect(clippy::unused_self, reason = "it is a part of the frame")]
    fn key(&self, pen: &mut Pen, has_full: bool) {
        pen.line(SENT, (MARGIN, 11.0), (MARGIN + 22.0, 11.0));
        pen.text(Colour::Quiet, (MARGIN + 28.0, 15.0), Anchor::Start, SMALL, "sent", WIDTH);
        if has_full {
            let x = MARGIN + 72.0;
            pen.line(FULL, (x, 11.0), (x + 22.0, 11.0));
            pen.text(Colour::Quiet, (x + 28.0, 15.0), Anchor::Start, SMALL, "the full history would be", WIDTH);
        }
        let unit = "mean tokens of a request";
        pen.text(Colour::Quiet, (WIDTH - MARGIN, 15.0), Anchor::End, SMALL, unit, WIDTH);
    }

    fn place(&self, number: usize) -> Area {
        let (width, height) = self.size;
        let (column, row) = ((number % self.columns) as f64, (number / self.columns) as f64);
        Area { x: SCALE + column * (width + GAP), y: KEY + HEAD + row * (HEAD + height + FOOT), width, height }
    }

    fn panel(&self, pen: &mut Pen, number: usize, panel: &Panel<'_>) {
        let area = self.place(number);
        let right = area.x + area.width;
        let is_wide = self.columns == 1;
        let said = if is_wide { format!("{}, {}", panel.saved, panel.conversations()) } else { panel.saved.clone() };
        let room = if is_wide { 250.0 } else { 74.0 };
        let name = format!("window {}", panel.window);
        let name = if text_width(&name, TEXT) > (area.width - room) * 0.95 { &panel.window } else { &name };
        pen.title(area.x, area.y - 7.0, TEXT, name, area.width - room);
        pen.text(Colour::Quiet, (right, area.y - 7.0), Anchor::End, SMALL, &said, room);
        self.scale(pen, area, number.is_multiple_of(self.columns));
        let points = |tokens: fn(&MeanTokens) -> f64| -> Vec<(f64, f64)> {
            panel.means.iter().map(|mean| (self.x(area, mean.turn), self.y(area, tokens(mean)))).collect()
        };
        let (sent, full) = (points(|mean| mean.sent), points(|mean| mean.full));
        let below = |end: Option<&(f64, f64)>| end.map(|(x, _)| (*x, area.y + area.height));
        let filled: Vec<_> =
            below(sent.first()).into_iter().chain(sent.iter().copied()).chain(below(sent.last())).collect();
        pen.shape(Colour::Accent, 0.16, &filled);
        if panel.is_cut {
            Self::curve(pen, FULL, &full);
        }
        Self::curve(pen, SENT, &sent);
    }

    fn curve(pen: &mut Pen, stroke: Stroke, points: &[(f64, f64)]) {
        pen.lines(stroke, points);
        if points.len() <= DOTS {
            for point in points {
                pen.dot(stroke.colour, *point, if points.len() <= 12 { 2.5 } else { 1.8 });
            }
        }
    }

    /// The lines of the scale, its numbers where a panel is the first of its row, and the turns below.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "marks are whole numbers of tokens and turns"
    )]
    fn scale(&self, pen: &mut Pen, area: Area, is_first: bool) {
        let right = area.x + area.width;
        for mark in &self.marks {
            let y = self.y(area, *mark);
            pen.line(Stroke::thin(Colour::Line), (area.x, y), (right, y));
            if is_first {
                pen.text(Colour::Quiet, (SCALE - 6.0, y + 4.0), Anchor::End, SMALL, &rough(*mark as u64), SCALE - 6.0);
            }
        }
        let y = area.y + area.height;
        for turn in self.turns(area.width) {
            let x = self.x(area, turn);
            pen.line(Stroke::thin(Colour::Quiet), (x, y), (x, y + 4.0));
            let name = if turn <= 1.0 { "turn 1".to_owned() } else { rough(turn as u64) };
            let (x, anchor) = match turn {
                _ if self.last == 1 => (x, Anchor::Middle),
                ..=1.0 => (area.x, Anchor::Start),
                _ if x + text_width(&name, SMALL) / 2.0 > right => (right, Anchor::End),
                _ => (x, Anchor::Middle),
            };
            pen.text(Colour::Quiet, (x, y + 16.0), anchor, SMALL, &name, area.width);
        }
    }

    /// The turns with a mark: the first, and round ones with room between them.
    fn turns(&self, width: f64) -> Vec<f64> {
        let last = f64::from(self.last);
        let round = round_marks(last, (width / 60.0).floor());
        let is_apart = |turn: &f64| (*turn - 1.0) / (last - 1.0).max(1.0) * width > 46.0;
        let round = round.into_iter().filter(|turn| *turn <= last && is_apart(turn));
        std::iter::once(1.0).chain(round).collect()
    }

    /// A line and its dots stay within the panel: they are kept off its sides by half their width.
    fn x(&self, area: Area, turn: f64) -> f64 {
        let share = if self.last > 1 { (turn - 1.0) / f64::from(self.last - 1) } else { 0.5 };
        area.x + 4.0 + share * (area.width - 8.0)
    }

    fn y(&self, area: Area, tokens: f64) -> f64 {
        let most = self.marks.last().copied().unwrap_or(1.0);
        area.y + area.height * (1.0 - (tokens / most).clamp(0.0, 1.0))
    }
}
