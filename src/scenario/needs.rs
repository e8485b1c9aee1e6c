//! What the checks of a scenario need from outside, so that it is known before anything is sent whether it is there.

use std::ops::Range;

use crate::diagnostic::SourceFile;
use crate::model::{Outside, Position, Script};

/// What checks need from outside, each need once, with where it stands.
#[derive(Debug, Default, PartialEq)]
pub struct Needs {
    /// Models that judge, by name; without one for that of the config.
    pub judges: Vec<(Option<String>, Position)>,
    /// Programs.
    pub programs: Vec<Position>,
}

impl Needs {
    /// Adds what the checks of a script need.
    pub(super) fn add(&mut self, script: &Script) {
        for (outside, position) in script.outside() {
            match outside {
                Outside::Judge(judge) => put(&mut self.judges, (judge.model.clone(), position)),
                Outside::Program(_) => put(&mut self.programs, position),
            }
        }
    }
}

/// Cells and cases have the same checks again and again.
fn put<T: PartialEq>(items: &mut Vec<T>, item: T) {
    if !items.contains(&item) {
        items.push(item);
    }
}

/// The bytes of a text from a place to the end of its line, or nearly so.
pub(super) fn span(source: &SourceFile, place: Position) -> Range<usize> {
    let mut from = 0;
    for line in source.text.split_inclusive('\n').take((place.line as usize).saturating_sub(1)) {
        from += line.len();
    }
    let line = source.text[from..].lines().next().unwrap_or_default();
    // What closes a list or a map around the check is not its own.
    let own = line.trim_end_matches(|character: char| character.is_whitespace() || "]},".contains(character));
    let skipped = line.chars().take((place.column as usize).saturating_sub(1)).map(char::len_utf8).sum::<usize>();
    from + skipped..from + own.len().max(skipped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_marked_to_the_end_of_its_line() {
        let source = SourceFile { path: "s.yaml".into(), text: "a: 1\r\n  ü: [{judge: x}] \r\nb".into() };
        let marked = |line, column| &source.text[span(&source, Position { line, column })];
        assert_eq!(marked(2, 7), "{judge: x");
        assert_eq!(marked(3, 1), "b");
        assert_eq!(marked(3, 9), "");
        assert_eq!(marked(9, 9), "");
    }
}
