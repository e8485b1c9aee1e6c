//! The colours of pictures: one of everything for light pages and one for dark ones.
//!
//! An element has a class that the style sheet knows and the colour for light pages as an attribute, which counts where there is
//! no style sheet.

use std::fmt::Write;

use crate::model::Outcome;

/// What is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    Page,
    Ink,
    Quiet,
    Line,
    Accent,
    Of(Outcome),
}

const ALL: [Colour; 10] = [
    Colour::Page,
    Colour::Ink,
    Colour::Quiet,
    Colour::Line,
    Colour::Accent,
    Colour::Of(Outcome::Retained),
    Colour::Of(Outcome::Forgotten),
    Colour::Of(Outcome::Missed),
    Colour::Of(Outcome::Leaked),
    Colour::Of(Outcome::Stale),
];

impl Colour {
    /// The class of what is filled with it.
    pub fn class(self) -> String {
        format!("c-{}", self.name())
    }

    /// The class of what is drawn with it.
    pub fn line_class(self) -> String {
        format!("c-{}-line", self.name())
    }

    fn name(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Ink => "ink",
            Self::Quiet => "quiet",
            Self::Line => "line",
            Self::Accent => "accent",
            Self::Of(outcome) => outcome.as_str(),
        }
    }

    /// On a light page.
    pub fn light(self) -> &'static str {
        match self {
            Self::Page => "#ffffff",
            Self::Ink => "#1f2328",
            Self::Quiet => "#59636e",
            Self::Line => "#d1d9e0",
            Self::Accent => "#0969da",
            Self::Of(Outcome::Retained) => "#1a7f37",
            Self::Of(Outcome::Forgotten) => "#56708f",
            Self::Of(Outcome::Missed) => "#9a6700",
            Self::Of(Outcome::Leaked) => "#cf222e",
            Self::Of(Outcome::Stale) => "#8250df",
        }
    }

    /// On a dark page.
    fn dark(self) -> &'static str {
        match self {
            Self::Page => "#0d1117",
            Self::Ink => "#e6edf3",
            Self::Quiet => "#9198a1",
            Self::Line => "#3d444d",
            Self::Accent => "#4493f8",
            Self::Of(Outcome::Retained) => "#3fb950",
            Self::Of(Outcome::Forgotten) => "#8ba4c4",
            Self::Of(Outcome::Missed) => "#d29922",
            Self::Of(Outcome::Leaked) => "#f85149",
            Self::Of(Outcome::Stale) => "#ab7df8",
        }
    }
}

/// The rules for a style sheet: what has a class of ours is in the colour that the page's variable of that name has
/// (`--c-ink`, `--c-retained`, …), or in the one for light pages.
#[must_use]
pub fn style() -> String {
    let mut rules = String::new();
    for colour in ALL {
        let value = format!("var(--c-{}, {})", colour.name(), colour.light());
        // Writing to a string cannot fail.
        let _ = writeln!(rules, ".{} {{ fill: {value} }}", colour.class());
        let _ = writeln!(rules, ".{} {{ stroke: {value} }}", colour.line_class());
    }
    rules
}

/// The variables that [`style`] reads, as declarations, for light pages or for dark ones.
#[must_use]
pub fn colours(is_dark: bool) -> String {
    let value = |colour: Colour| if is_dark { colour.dark() } else { colour.light() };
    ALL.map(|colour| format!("--c-{}: {};", colour.name(), value(colour))).join(" ")
}
