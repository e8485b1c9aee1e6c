//! A fact: something that the script plants and later asks for.

/// How a fact's value is looked for in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MatchKind {
    /// As a whole word: not inside a longer run of letters or digits.
    #[default]
    Word,
    /// Anywhere, after normalisation.
    Text,
    /// As the regular expression beside the value.
    Regex,
}

/// A fact with all the spellings that count as it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// The name under which checks refer to it.
    pub name: String,
    /// Its value: after the script's last change of it, where it changes.
    pub value: String,
    /// Other spellings of `value`.
    pub aliases: Vec<String>,
    /// How values are looked for.
    pub matching: MatchKind,
    /// The expression to look for, with `MatchKind::Regex`.
    pub regex: Option<super::Pattern>,
    /// Phrases by which a question asks for it, beside its name; read by the embedded model only.
    pub asks: Vec<String>,
    /// Values that it had earlier in the script, in no particular order.
    pub outdated: Vec<String>,
}
