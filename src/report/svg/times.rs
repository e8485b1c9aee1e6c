//! Times of live calls as a histogram on a logarithmic scale, a panel for each model, with the median and the 95th percentile.

use super::super::measures::{BINS_A_DECADE, Named, Times};
use super::super::wording::{grouped, one_line, several};
use super::axis::{log_marks, short_time};
use super::colour::Colour;
use super::pen::{Anchor, Area, Pen, Stroke, text_width};
use super::{MARGIN, Picture, SMALL, TEXT, WIDTH};

/// Left of the panels, for the number of the highest bar.
const SCALE: f64 = 46.0;
/// Above a panel: its heading, and a line for each percentile.
const HEAD: f64 = 52.0;
/// How high a panel is.
const PANEL: f64 = 84.0;
/// Between two panels.
const GAP: f64 = 28.0;
/// Below the last one, for the times.
const FOOT: f64 = 34.0;
/// How many bins of the scale a bar may have: all of these are parts of a decade.
const FINE: [usize; 7] = [2, 4, 5, 10, 20, 25, 50];
/// So many bins of the scale are shown at least: two or three marks are among them.
const LEAST: usize = 70;

const MEDIAN: Stroke = Stroke { colour: Colour::Ink, width: 1.5, is_dashed: false };
const HIGH: Stroke = Stroke { colour: Colour::Ink, width: 1.5, is_dashed: true };

/// The picture, where there were live calls.
pub(super) fn draw(id: &'static str, title: &'static str, models: &Named<Times>) -> Option<Picture> {
    let panels = &models.entries;
    let frame = Frame::of(panels)?;
    let mut pen = Pen::new();
    let mut height = 0.0;
    for (model, times) in panels {
        let area = Area { x: SCALE, y: height + HEAD, width: WIDTH - SCALE - MARGIN, height: PANEL };
        frame.panel(&mut pen, area, &one_line(model), times);
        height = area.y + PANEL + GAP;
    }
    height += FOOT - GAP;
    if models.others > 0 {
        let others = several(models.others, "conversation has another model", "conversations have other models");
        pen.text(
            Colour::Quiet,
            (MARGIN, height + 2.0),
            Anchor::Start,
            SMALL,
            &format!("{others}."),
            WIDTH - 2.0 * MARGIN,
        );
        height += 2.0 + MARGIN;
    }
    let summary = summary(panels);
    Some(Picture { id, title, names: String::new(), summary, width: WIDTH, height, body: pen.finish() })
}

fn summary(panels: &[(String, Times)]) -> String {
    let panel = |(model, times): &(String, Times)| {
        let calls = several(times.count, "call", "calls");
        format!("{}: {calls}, median {}, 95th percentile {}", one_line(model), at(times, 0.5), at(times, 0.95))
    };
    format!("{}.", panels.iter().map(panel).collect::<Vec<_>>().join("; "))
}

fn at(times: &Times, share: f64) -> String {
    short_time(times.quantile(share).unwrap_or_default())
}

/// The scales that all panels have.
struct Frame {
    /// How many bins of the scale are one bar.
    fine: usize,
    /// The first bar, and the one behind the last.
    bars: (usize, usize),
}

#[expect(clippy::cast_precision_loss, reason = "numbers of bars and calls are far below 2^52")]
impl Frame {
    fn of(panels: &[(String, Times)]) -> Option<Self> {
        let most = panels.iter().map(|(_, times)| times.count).max().filter(|count| *count > 0)?;
        // As many bars as tell the shape of so many calls (Rice's rule), within what can be looked at.
        let wanted = (2.0 * (most as f64).cbrt()).clamp(10.0, 32.0);
        let ends = |fine: usize| {
            let bars = panels.iter().map(|(_, times)| times.coarse(fine)).filter(|(_, counts)| !counts.is_empty());
            bars.fold((usize::MAX, 0), |(first, end), (begin, counts)| {
                (first.min(begin), end.max(begin + counts.len()))
            })
        };
        // A bar of its own has others around it that are empty, so that there are marks on the axis.
        let padded = |fine: usize| {
            let (first, end) = ends(fine);
            (first, end, LEAST.div_ceil(fine).max(end - first))
        };
        let fine = FINE.into_iter().find(|fine| padded(*fine).2 as f64 <= wanted).unwrap_or(FINE[FINE.len() - 1]);
        let (first, end, bars) = padded(fine);
        let missing = (bars - (end - first)).div_ceil(2);
        Some(Self { fine, bars: (first.saturating_sub(missing), end + missing) })
    }

    fn panel(&self, pen: &mut Pen, area: Area, model: &str, times: &Times) {
        let right = area.x + area.width;
        pen.title(area.x, area.y - HEAD + 15.0, TEXT, model, area.width - 120.0);
        let calls = several(times.count, "call", "calls");
        pen.text(Colour::Quiet, (right, area.y - HEAD + 15.0), Anchor::End, SMALL, &calls, 120.0);
        let most = self.bars(pen, area, times);
        let bottom = area.y + area.height;
        pen.line(Stroke::thin(Colour::Line), (area.x, area.y), (right, area.y));
        pen.text(Colour::Quiet, (SCALE - 6.0, area.y + 4.0), Anchor::End, SMALL, &grouped(most), SCALE - 6.0);
        pen.text(Colour::Quiet, (SCALE - 6.0, bottom + 4.0), Anchor::End, SMALL, "0", SCALE - 6.0);
        pen.line(Stroke::thin(Colour::Quiet), (area.x, bottom), (right, bottom));
        self.marks(pen, area);
        self.percentiles(pen, area, times);
    }

    /// The bars. Gives the number of calls in the highest.
    fn bars(&self, pen: &mut Pen, area: Area, times: &Times) -> u64 {
        let (first, counts) = times.coarse(self.fine);
        let most = counts.iter().copied().max().unwrap_or_default().max(1);
        let width = area.width / (self.bars.1 - self.bars.0) as f64;
        for (place, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let bar = first + place;
            // One call is seen beside a million.
            let height = (area.height * (*count as f64 / most as f64)).max(1.5);
            let x = area.x + (bar - self.bars.0) as f64 * width;
            let y = area.y + area.height - height;
            let from = short_time(Times::begin(bar * self.fine));
            let said = format!("{from} to {}: {}", short_time(Times::begin((bar + 1) * self.fine)), grouped(*count));
            pen.told(&said, |pen| {
                let gap = (width / 8.0).min(1.0);
                pen.area(Colour::Accent, 0.6, Area { x: x + gap / 2.0, y, width: width - gap, height }, 0.0);
            });
        }
        most
    }

    fn marks(&self, pen: &mut Pen, area: Area) {
        let y = area.y + area.height;
        let (low, high) = (Times::begin(self.bars.0 * self.fine), Times::begin(self.bars.1 * self.fine));
        for mark in log_marks(low, high, 7) {
            let x = self.x(area, mark);
            pen.line(Stroke::thin(Colour::Quiet), (x, y), (x, y + 4.0));
            let text = short_time(mark);
            let half = text_width(&text, SMALL) / 2.0;
            let x = x.clamp(half, WIDTH - half - 1.0);
            pen.text(Colour::Quiet, (x, y + 16.0), Anchor::Middle, SMALL, &text, WIDTH);
        }
    }

    /// Lines through the panel at median and 95th percentile, each with its name and time above. The median is never right of
    /// the other, so its name stands left of it and no line goes through a name; at the edge it is the other way round.
    fn percentiles(&self, pen: &mut Pen, area: Area, times: &Times) {
        let (Some(median), Some(high)) = (times.quantile(0.5), times.quantile(0.95)) else { return };
        let (median_x, high_x) = (self.x(area, median), self.x(area, high));
        let (median_text, high_text) = (format!("median {}", short_time(median)), format!("95 % {}", short_time(high)));
        let is_at_edge = median_x < area.x + text_width(&median_text, SMALL) + 5.0;
        let high_anchor =
            if high_x + text_width(&high_text, SMALL) + MARGIN < WIDTH { Anchor::Start } else { Anchor::End };
        let (rows, anchor) = if is_at_edge { ((18.0, 5.0), Anchor::Start) } else { ((5.0, 18.0), Anchor::End) };
        for (stroke, x, above, anchor, text) in
            [(MEDIAN, median_x, rows.0, anchor, median_text), (HIGH, high_x, rows.1, high_anchor, high_text)]
        {
            pen.line(stroke, (x, area.y - above - 8.0), (x, area.y + area.height));
            let beside = if anchor == Anchor::End { x - 5.0 } else { x + 5.0 };
            pen.text(Colour::Ink, (beside, area.y - above), anchor, SMALL, &text, area.width);
        }
    }

    fn x(&self, area: Area, milliseconds: f64) -> f64 {
        let bins = (milliseconds / Times::begin(0)).log10() * BINS_A_DECADE as f64;
        let (first, end) = ((self.bars.0 * self.fine) as f64, (self.bars.1 * self.fine) as f64);
        area.x + ((bins - first) / (end - first)).clamp(0.0, 1.0) * area.width
    }
}
