//! Pictures of a run as SVG: the retention grids, the tokens sent by turn, latency and time to the first token.
//!
//! A picture is drawn once, and comes in two forms: [`Chart::svg`] to stand inside of a page, whose style sheet has the colours
//! ([`style`]), and as a file of its own ([`files`]), with its title, its text alternative and its colours for light and dark
//! in it. Inside of a page nothing is needed that a Content-Security-Policy forbids: no style, no script. Without a style
//! sheet the colours are those for light pages.
//!
//! The same summary gives the same bytes: numbers have fixed decimals, and everything stands in plan order.

mod axis;
mod colour;
mod pen;
mod retention;
mod times;
mod tokens;

use super::Summary;
use super::grid;
use colour::Colour;
use pen::{Anchor, Pen, escaped};

pub use colour::{colours, style};

/// The width of a picture, of which the page's reader gets more or less: texts of 12 are read at 400 pixels and at 1200.
const WIDTH: f64 = 480.0;
/// Between the picture and its edge.
const MARGIN: f64 = 12.0;
/// The size of texts.
const TEXT: f64 = 12.0;
/// The size of what is said beside.
const SMALL: f64 = 11.0;

/// The names of the retention grids, and so how many are drawn.
const GRIDS: [&str; 12] = [
    "retention",
    "retention-2",
    "retention-3",
    "retention-4",
    "retention-5",
    "retention-6",
    "retention-7",
    "retention-8",
    "retention-9",
    "retention-10",
    "retention-11",
    "retention-12",
];
/// The names of the other pictures.
const OTHERS: [&str; 3] = ["tokens", "latency", "first-token"];

/// A picture to stand inside of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chart {
    /// Its name, which no other of the run has.
    pub id: &'static str,
    /// What it shows, as text: its reader escapes it.
    pub title: String,
    /// What is to be seen on it, one sentence of text.
    pub summary: String,
    /// An element `svg`.
    pub svg: String,
}

/// A picture before it is put into its form.
struct Picture {
    id: &'static str,
    title: &'static str,
    /// What it is a picture of, where there may be several.
    names: String,
    summary: String,
    width: f64,
    height: f64,
    body: String,
}

/// The pictures that there is something to show on, in the order in which they are shown.
#[must_use]
pub fn charts(summary: &Summary) -> Vec<Chart> {
    pictures(summary).into_iter().map(Picture::into_chart).collect()
}

/// The same as files, each with its name.
#[must_use]
pub fn files(summary: &Summary) -> Vec<(String, String)> {
    pictures(summary).into_iter().map(|picture| (file_name(picture.id), picture.into_file())).collect()
}

/// The names of all files that [`files`] may give.
pub fn file_names() -> impl Iterator<Item = String> {
    GRIDS.into_iter().chain(OTHERS).map(file_name)
}

fn file_name(id: &str) -> String {
    format!("{id}.svg")
}

fn pictures(summary: &Summary) -> Vec<Picture> {
    let [tokens, latency, first_token] = OTHERS;
    let measures = &summary.measures;
    let grids = grid::grids(&summary.rows);
    let grids = GRIDS.into_iter().zip(&grids).map(|(id, grid)| retention::draw(id, grid));
    let others = [
        tokens::draw(tokens, &measures.windows),
        times::draw(latency, "Latency of live calls", &measures.latency),
        times::draw(first_token, "Time to the first token of live calls", &measures.first_token),
    ];
    grids.chain(others.into_iter().flatten()).collect()
}

impl Picture {
    fn into_chart(self) -> Chart {
        let title = self.full_title();
        let svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"c-chart\" role=\"img\" aria-label=\"{}\" {}>\n{}</svg>\n",
            escaped(&format!("{title}. {}", self.summary)),
            self.size(0.0),
            self.body
        );
        Chart { id: self.id, title, summary: self.summary, svg }
    }

    fn into_file(self) -> String {
        let mut head = Pen::new();
        let head_height = if self.names.is_empty() { 34.0 } else { 50.0 };
        let room = self.width - 2.0 * MARGIN;
        head.title(MARGIN, 22.0 - head_height, 15.0, self.title, room);
        head.text(Colour::Quiet, (MARGIN, 39.0 - head_height), Anchor::Start, SMALL, &self.names, room);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" {}>\n<title>{}</title>\n<desc>{}</desc>\n\
             <style>\n:root {{ {} }}\n@media (prefers-color-scheme: dark) {{ :root {{ {} }} }}\n{}</style>\n\
             <rect class=\"{}\" fill=\"{}\" x=\"0\" y=\"{:.1}\" width=\"100%\" height=\"100%\"/>\n{}{}</svg>\n",
            self.size(head_height),
            escaped(&self.full_title()),
            escaped(&self.summary),
            colours(false),
            colours(true),
            style(),
            Colour::Page.class(),
            Colour::Page.light(),
            -head_height,
            head.finish(),
            self.body
        )
    }

    fn full_title(&self) -> String {
        if self.names.is_empty() { self.title.to_owned() } else { format!("{} · {}", self.title, self.names) }
    }

    /// The attributes that say how large it is, with so much room above.
    fn size(&self, above: f64) -> String {
        let (width, height) = (self.width.ceil(), (self.height + above).ceil());
        format!(
            "viewBox=\"0 {:.0} {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" \
             font-family=\"system-ui, -apple-system, 'Segoe UI', sans-serif\"",
            -above
        )
    }
}

#[cfg(test)]
mod tests;
