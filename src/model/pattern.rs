//! A regular expression together with the text that it was written as.

use std::fmt;
use std::ops::Range;

use regex::{Regex, RegexBuilder};
use regex_syntax::hir::{Class, Hir, HirKind};

/// A compiled regular expression of the `regex` crate: linear time, no look-around, no back-references.
#[derive(Debug, Clone)]
pub struct Pattern(Regex);

impl Pattern {
    /// Compiles `source`.
    ///
    /// # Errors
    /// When `source` is no regular expression, or one that compiles to more than 1 MiB.
    pub fn new(source: &str) -> Result<Self, regex::Error> {
        RegexBuilder::new(source).size_limit(1 << 20).build().map(Self)
    }

    /// The text that it was written as.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether it matches anywhere in `text`.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// Whether it matches in `beginning` and would in every text that goes on from there: so a text that was cut off
    /// can be judged.
    #[must_use]
    pub fn is_match_whatever_follows(&self, beginning: &str) -> bool {
        // A match is known to hold at the earliest position where the automaton needs to read no further. Beyond that
        // position it looks at one character at most, and only for an anchor or a word boundary: what holds before a
        // letter and before a space holds before anything.
        ["a", " "].iter().all(|next| {
            let known = self.0.shortest_match(&format!("{beginning}{next}"));
            known.is_some_and(|end| end <= beginning.len())
        })
    }

    /// Where it matches in `text`, one match behind the other.
    pub fn find_all<'t>(&'t self, text: &'t str) -> impl Iterator<Item = Range<usize>> + 't {
        self.0.find_iter(text).map(|found| found.range())
    }

    /// Whether it matches the empty text somewhere: `a*`, `x|`, `^`.
    #[must_use]
    pub fn may_match_nothing(&self) -> bool {
        // One that matches no text at all has no shortest match.
        regex_syntax::parse(self.as_str()).is_ok_and(|expression| expression.properties().minimum_len() == Some(0))
    }

    /// In how many places of the expression a character of a text may stand, repetitions written out: `a{3}[bc]` has 4. The
    /// states of Glushkov's automaton, all of which a search may have to follow at once.
    #[must_use]
    pub fn positions(&self) -> u64 {
        regex_syntax::parse(self.as_str()).map_or(u64::MAX, |expression| positions(&expression))
    }

    /// The most bytes that a match may have; `None` where there is no such limit.
    #[must_use]
    pub fn longest_match(&self) -> Option<usize> {
        regex_syntax::parse(self.as_str()).ok()?.properties().maximum_len()
    }

    /// Whether it has a group to capture.
    #[must_use]
    pub fn has_group(&self) -> bool {
        self.0.captures_len() > 1
    }

    /// What the first group has in the first match of `text`; `None` where nothing matches, or the group has no part in it.
    #[must_use]
    pub fn first_group<'t>(&self, text: &'t str) -> Option<&'t str> {
        Some(self.0.captures(text)?.get(1)?.as_str())
    }

    /// A short text that it matches; `None` where none could be made: it looks for borders that stand in the way, or for a text
    /// that is too long to be written out.
    #[must_use]
    pub fn example(&self) -> Option<String> {
        let mut bytes = Vec::new();
        add_example(&regex_syntax::parse(self.as_str()).ok()?, &mut bytes)?;
        let text = String::from_utf8(bytes).ok()?;
        self.is_match(&text).then_some(text)
    }

    /// The first match in `text`.
    #[must_use]
    pub fn find<'t>(&self, text: &'t str) -> Option<&'t str> {
        self.0.find(text).map(|found| found.as_str())
    }
}

/// An example may have so many bytes.
const LONGEST_EXAMPLE: usize = 10_000;

fn add_example(expression: &Hir, bytes: &mut Vec<u8>) -> Option<()> {
    match expression.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => bytes.extend_from_slice(&literal.0),
        // One that can be read, where there is one: a class that leaves something out begins with controls.
        HirKind::Class(Class::Unicode(class)) => {
            let is_plain = |c: &char| c.is_ascii_graphic();
            let mut ends = class.ranges().iter().flat_map(|range| [range.start(), range.end()]);
            let c = ends.clone().find(is_plain).or_else(|| ends.next())?;
            let c = if is_plain(&c) || !class.ranges().iter().any(|r| r.start() <= 'a' && 'a' <= r.end()) {
                c
            } else {
                'a'
            };
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
        HirKind::Class(Class::Bytes(class)) => bytes.push(class.ranges().first()?.start()),
        HirKind::Capture(capture) => add_example(&capture.sub, bytes)?,
        HirKind::Repetition(repetition) => {
            for _ in 0..repetition.min {
                add_example(&repetition.sub, bytes)?;
            }
        }
        HirKind::Concat(parts) => parts.iter().try_for_each(|part| add_example(part, bytes))?,
        HirKind::Alternation(parts) => add_example(parts.first()?, bytes)?,
    }
    (bytes.len() <= LONGEST_EXAMPLE).then_some(())
}

fn positions(expression: &Hir) -> u64 {
    match expression.kind() {
        HirKind::Empty | HirKind::Look(_) => 0,
        HirKind::Literal(literal) => literal.0.len() as u64,
        HirKind::Class(_) => 1,
        HirKind::Capture(capture) => positions(&capture.sub),
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min).max(1);
            positions(&repetition.sub).saturating_mul(times.into())
        }
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().map(positions).fold(0, u64::saturating_add)
        }
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Pattern {}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_that_may_match_nothing_is_told() {
        for (source, expected) in [
            ("a*", true),
            ("x|", true),
            ("^", true),
            (r"\b", true),
            (r"(\d+)?", true),
            ("a+", false),
            (r"\b\d{4}\b", false),
            ("^a", false),
            ("[a&&b]", false),
        ] {
            assert_eq!(Pattern::new(source).unwrap().may_match_nothing(), expected, "{source}");
        }
    }

    #[test]
    fn the_places_of_an_expression_are_counted_with_its_repetitions() {
        for (source, expected, longest) in [
            ("", 0, Some(0)),
            (r"\bnow\b", 3, Some(3)),
            (r"(?-u:\d{4})-(\pL|xy)", 8, Some(9)),
            ("a+b*", 2, None),
            ("(?:ab){2,}", 4, None),
            ("(?:(?:a{10}){10}){10}", 1000, Some(1000)),
        ] {
            let pattern = Pattern::new(source).unwrap();
            assert_eq!((pattern.positions(), pattern.longest_match()), (expected, longest), "{source}");
        }
    }

    #[test]
    fn a_match_is_certain_only_where_nothing_that_follows_can_undo_it() {
        for (source, beginning, expected) in [
            ("Priya", "I am Priya", true),
            ("Priya.*", "I am Priya and", true),
            (r"\d+", "T-1", true),
            (r"Priya\b", "I am Priya", false),
            (r"Priya\b", "I am Priya,", true),
            (r"Pri\B", "I am Pri", false),
            ("Priya$", "I am Priya", false),
            ("(?m)Priya$", "I am Priya", false),
            ("(?m)Priya$", "I am Priya\n", true),
            ("^[^!]*$", "No mark", false),
            ("^.{0,20}$", "short", false),
            ("a$|b", "b a", true),
            ("x", "none", false),
            // The letter that stands for what follows must not be taken for the text's own.
            ("Priya.", "I am Priya", false),
            ("[ a]", "none", false),
        ] {
            let pattern = Pattern::new(source).unwrap();
            assert_eq!(pattern.is_match_whatever_follows(beginning), expected, "{source} on {beginning}");
        }
    }
}
