//! Writes elements of SVG: numbers with one decimal, texts escaped and cut where they have no room.
//!
//! How wide a text is hangs on the reader's fonts; here a column of a text takes [`COLUMN`] of its size, which is more than letters of
//! usual fonts take on average.

use std::fmt::Write;

use minijinja::HtmlEscape;

use super::colour::Colour;
use crate::model::Outcome;
use crate::text::escape::visible;
use crate::text::layout::{truncate, width};

/// The width of a column of text, as a share of the text's size.
pub(super) const COLUMN: f64 = 0.6;

/// A text for any place in an XML file, with what nobody can see made visible.
pub(super) fn escaped(text: &str) -> String {
    HtmlEscape(&visible(text)).to_string()
}

/// How wide a text is.
#[expect(clippy::cast_precision_loss, reason = "texts are short")]
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    width(text) as f64 * size * COLUMN
}

/// A text that is cut where it is wider than its room.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "room for a text is a small number")]
pub(super) fn fitting(text: &str, size: f64, room: f64) -> String {
    truncate(&visible(text), (room / (size * COLUMN)).max(0.0) as usize)
}

/// Where a text stands, seen from its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// How a line is drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stroke {
    pub colour: Colour,
    pub width: f64,
    pub is_dashed: bool,
}

impl Stroke {
    /// A thin line.
    pub fn thin(colour: Colour) -> Self {
        Self { colour, width: 1.0, is_dashed: false }
    }

    fn attributes(self) -> String {
        let Self { colour, width, is_dashed } = self;
        let dashes = if is_dashed { " stroke-dasharray=\"4 3\"" } else { "" };
        format!("class=\"{}\" stroke=\"{}\" stroke-width=\"{width:.1}\"{dashes}", colour.line_class(), colour.light())
    }
}

/// A rectangle by its corner and its size.
#[derive(Debug, Clone, Copy)]
pub(super) struct Area {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

/// The elements written so far.
pub(super) struct Pen {
    out: String,
}

impl Pen {
    pub fn new() -> Self {
        Self { out: String::new() }
    }

    pub fn finish(self) -> String {
        self.out
    }

    fn write(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.out.write_fmt(element);
        self.out.push('\n');
    }

    /// Elements that a reader who points at them is told of.
    pub fn told(&mut self, title: &str, draw: impl FnOnce(&mut Self)) {
        self.write(format_args!("<g><title>{}</title>", escaped(title)));
        draw(self);
        self.write(format_args!("</g>"));
    }

    pub fn text(&mut self, colour: Colour, (x, y): (f64, f64), anchor: Anchor, size: f64, text: &str, room: f64) {
        self.any_text(colour, (x, y), anchor, size, "", &fitting(text, size, room));
    }

    /// A heading.
    pub fn title(&mut self, x: f64, y: f64, size: f64, text: &str, room: f64) {
        // Bold letters are wider.
        let text = fitting(text, size, room * 0.95);
        self.any_text(Colour::Ink, (x, y), Anchor::Start, size, " font-weight=\"600\"", &text);
    }

    /// A text that runs upwards from its place.
    pub fn upright(&mut self, colour: Colour, (x, y): (f64, f64), size: f64, text: &str, room: f64) {
        let turned = format!(" transform=\"rotate(-90 {x:.1} {y:.1})\"");
        self.any_text(colour, (x, y), Anchor::Start, size, &turned, &fitting(text, size, room));
    }

    fn any_text(&mut self, colour: Colour, (x, y): (f64, f64), anchor: Anchor, size: f64, more: &str, text: &str) {
        if text.is_empty() {
            return;
        }
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let (class, fill) = (colour.class(), colour.light());
        self.write(format_args!(
            "<text class=\"{class}\" fill=\"{fill}\" x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size:.0}\"{anchor}{more}>{}</text>",
            escaped(text)
        ));
    }

    pub fn area(&mut self, colour: Colour, opacity: f64, area: Area, radius: f64) {
        let Area { x, y, width, height } = area;
        let (class, fill) = (colour.class(), colour.light());
        self.write(format_args!(
            "<rect class=\"{class}\" fill=\"{fill}\" fill-opacity=\"{opacity:.2}\" x=\"{x:.1}\" y=\"{y:.1}\" \
             width=\"{width:.1}\" height=\"{height:.1}\" rx=\"{radius:.1}\"/>"
        ));
    }

    pub fn frame(&mut self, stroke: Stroke, area: Area, radius: f64) {
        let Area { x, y, width, height } = area;
        self.write(format_args!(
            "<rect {} fill=\"none\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"{radius:.1}\"/>",
            stroke.attributes()
        ));
    }

    pub fn line(&mut self, stroke: Stroke, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        self.write(format_args!(
            "<line {} x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>",
            stroke.attributes()
        ));
    }

    /// A line through points.
    pub fn lines(&mut self, stroke: Stroke, points: &[(f64, f64)]) {
        self.write(format_args!(
            "<polyline {} fill=\"none\" stroke-linejoin=\"round\" points=\"{}\"/>",
            stroke.attributes(),
            listed(points)
        ));
    }

    /// What lies within points.
    pub fn shape(&mut self, colour: Colour, opacity: f64, points: &[(f64, f64)]) {
        let (class, fill) = (colour.class(), colour.light());
        self.write(format_args!(
            "<polygon class=\"{class}\" fill=\"{fill}\" fill-opacity=\"{opacity:.2}\" points=\"{}\"/>",
            listed(points)
        ));
    }

    pub fn dot(&mut self, colour: Colour, (x, y): (f64, f64), radius: f64) {
        let (class, fill) = (colour.class(), colour.light());
        self.write(format_args!(
            "<circle class=\"{class}\" fill=\"{fill}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\"/>"
        ));
    }

    fn ring(&mut self, stroke: Stroke, (x, y): (f64, f64), radius: f64) {
        self.write(format_args!(
            "<circle {} fill=\"none\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\"/>",
            stroke.attributes()
        ));
    }

    /// The sign of an outcome (● ○ ◐ ▲ ◇), drawn, so that it looks alike in all fonts; `?` for none.
    pub fn sign(&mut self, outcome: Option<Outcome>, (x, y): (f64, f64), radius: f64) {
        let Some(outcome) = outcome else {
            return self.text(Colour::Quiet, (x, y + radius * 0.8), Anchor::Middle, TEXT_OF_SIGN * radius, "?", 99.0);
        };
        let colour = Colour::Of(outcome);
        let stroke = Stroke { colour, width: 1.6, is_dashed: false };
        match outcome {
            Outcome::Retained => self.dot(colour, (x, y), radius),
            Outcome::Forgotten => self.ring(stroke, (x, y), radius - 0.8),
            Outcome::Missed => {
                self.ring(stroke, (x, y), radius - 0.8);
                let (class, fill) = (colour.class(), colour.light());
                let (top, bottom) = (y - radius, y + radius);
                self.write(format_args!(
                    "<path class=\"{class}\" fill=\"{fill}\" d=\"M {x:.1} {top:.1} A {radius:.1} {radius:.1} 0 0 0 {x:.1} {bottom:.1} Z\"/>"
                ));
            }
            Outcome::Leaked => {
                let (side, base) = (radius * 1.1, y + radius * 0.9);
                self.shape(colour, 1.0, &[(x, y - radius * 1.1), (x + side, base), (x - side, base)]);
            }
            Outcome::Stale => {
                let reach = radius * 1.1;
                let corners = [(x, y - reach), (x + reach, y), (x, y + reach), (x - reach, y), (x, y - reach)];
                self.lines(stroke, &corners);
            }
        }
    }
}

/// The size of the sign that is a letter, seen from its radius.
const TEXT_OF_SIGN: f64 = 2.4;

fn listed(points: &[(f64, f64)]) -> String {
    points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect::<Vec<_>>().join(" ")
}
