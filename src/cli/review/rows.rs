//! Rows of a screen: pieces of text with a tone, wrapped to a width, and the codes that paint them. Pure.
//!
//! Texts are made visible before they come here. A tone never says anything alone: beside red and green stands a sign,
//! and words that changed are bold and underlined, with colours and without.

use std::ops::Range;

use console::Style;
use unicode_segmentation::UnicodeSegmentation;

use crate::report::ascii;
use crate::text::layout::{truncate, width};

#[cfg(test)]
pub(super) use tests::drawn;

/// How a piece of text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As it is.
    Plain,
    /// Less than the rest.
    Quiet,
    /// More than the rest.
    Strong,
    /// It is no more.
    Removed,
    /// Within that, what changed.
    RemovedWord,
    /// It is new.
    Added,
    /// Within that, what changed.
    AddedWord,
}

/// A piece of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// How it looks.
    pub tone: Tone,
    /// What it says.
    pub text: String,
}

/// A row of the screen.
pub type Row = Vec<Span>;

/// A line before it is wrapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What stands in front of each of its rows.
    pub sign: &'static str,
    /// How it looks.
    pub tone: Tone,
    /// What it says, visible and without tabs.
    pub text: String,
    /// Which bytes of that are words that changed, in order.
    pub words: Vec<Range<usize>>,
}

impl Line {
    /// A line without a sign.
    pub fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self { sign: "", tone, text: text.into(), words: Vec::new() }
    }

    const fn word_tone(&self) -> Tone {
        match self.tone {
            Tone::Removed => Tone::RemovedWord,
            Tone::Added => Tone::AddedWord,
            other => other,
        }
    }

    /// The line as rows of at most `columns`. All rows bear the sign, and those behind the first the line's own indent:
    /// whichever is at the top of a screen says what it is.
    pub fn wrap(&self, columns: usize) -> Vec<Row> {
        let room = columns.saturating_sub(self.sign.len()).max(1);
        let indent = self.text.len() - self.text.trim_start_matches(' ').len();
        let indent = if indent * 2 < room { indent } else { 0 };
        let mut words = self.words.iter().peekable();
        let mut rows = Vec::new();
        for range in breaks(&self.text, room, indent) {
            let lead = if rows.is_empty() { 0 } else { indent };
            let mut row = vec![Span { tone: self.tone, text: format!("{}{:lead$}", self.sign, "") }];
            let mut at = range.start;
            while let Some(word) = words.peek().filter(|word| word.start < range.end) {
                push(&mut row, self.tone, &self.text[at..word.start.max(at)]);
                let end = word.end.min(range.end);
                push(&mut row, self.word_tone(), &self.text[word.start.max(at)..end.max(at)]);
                at = end.max(at);
                if word.end > range.end {
                    break;
                }
                words.next();
            }
            push(&mut row, self.tone, &self.text[at..range.end]);
            rows.push(row);
        }
        rows
    }
}

fn push(row: &mut Row, tone: Tone, text: &str) {
    match row.last_mut() {
        _ if text.is_empty() => {}
        Some(last) if last.tone == tone => last.text.push_str(text),
        _ => row.push(Span { tone, text: text.to_owned() }),
    }
}

/// Where a text of one line is broken so that no piece is wider than `room`, those behind the first than `room` less
/// `indent`: at a blank where there is one, which is left out. At least one piece.
fn breaks(text: &str, room: usize, indent: usize) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let mut start = 0;
    while start < text.len() {
        let room = if pieces.is_empty() { room } else { room - indent };
        let end = start + fitting(&text[start..], room);
        if end == text.len() {
            pieces.push(start..end);
            return pieces;
        }
        if text[end..].starts_with(' ') {
            pieces.push(start..end);
            start = end + 1;
            continue;
        }
        // The blanks at its beginning are the line's indent, and no place to break it.
        let solid = start + text[start..end].len() - text[start..end].trim_start_matches(' ').len();
        let blank = text[solid..end].rfind(' ').map(|blank| solid + blank);
        pieces.push(start..blank.unwrap_or(end));
        start = blank.map_or(end, |blank| blank + 1);
    }
    if pieces.is_empty() {
        pieces.push(0..0);
    }
    pieces
}

/// How many bytes of the text fit, at least one character.
fn fitting(text: &str, room: usize) -> usize {
    // A line may be a megabyte: what is plain is not looked at character by character.
    if text.as_bytes()[..text.len().min(room + 1)].is_ascii() {
        return text.len().min(room);
    }
    let mut used = 0;
    let mut end = 0;
    for (at, piece) in text.grapheme_indices(true) {
        used += width(piece);
        if used > room && at > 0 {
            break;
        }
        end = at + piece.len();
    }
    end
}

/// The columns of a row.
pub fn columns(row: &Row) -> usize {
    row.iter().map(|span| width(&span.text)).sum()
}

/// A row with one text at its left, cut where it must be, and one at its right.
pub fn between(tone: Tone, left: &str, right: &str, columns: usize) -> Row {
    let right = truncate(right, columns);
    let left = truncate(left, columns.saturating_sub(width(&right) + 1));
    let gap = columns.saturating_sub(width(&left) + width(&right));
    let text = |tone, text| Span { tone, text };
    vec![text(tone, left), text(Tone::Plain, format!("{:gap$}{right}", ""))]
}

/// The end of a text, with `…` in front where it is wider than `columns`.
pub fn tail(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut used = 1;
    let kept = text.grapheme_indices(true).rev().take_while(|(_, piece)| {
        used += width(piece);
        used <= columns
    });
    let start = kept.last().map_or(text.len(), |(at, _)| at);
    format!("…{}", &text[start..])
}

/// The bytes that paint a row.
pub fn paint(row: &Row, is_coloured: bool, is_ascii: bool) -> String {
    row.iter().map(|span| paint_span(span, is_coloured, is_ascii)).collect()
}

fn paint_span(span: &Span, is_coloured: bool, is_ascii: bool) -> String {
    let style = match span.tone {
        Tone::Plain => return spelled(&span.text, is_ascii),
        Tone::Quiet => Style::new().dim(),
        Tone::Strong => Style::new().bold(),
        Tone::Removed | Tone::RemovedWord if is_coloured => Style::new().red(),
        Tone::Added | Tone::AddedWord if is_coloured => Style::new().green(),
        Tone::Removed | Tone::RemovedWord | Tone::Added | Tone::AddedWord => Style::new(),
    };
    let style = match span.tone {
        Tone::RemovedWord | Tone::AddedWord => style.bold().underlined(),
        _ => style,
    };
    // Bold and underlined are no colours.
    style.force_styling(true).apply_to(spelled(&span.text, is_ascii)).to_string()
}

/// What a terminal that is not UTF-8 would take for codes of its own is not sent to it.
fn spelled(text: &str, is_ascii: bool) -> String {
    if !is_ascii || text.is_ascii() {
        return text.to_owned();
    }
    let spell = |piece: &str| match piece.chars().next() {
        Some('…') => ".".to_owned(),
        Some(sign) if ascii(sign).is_ascii() => ascii(sign).to_string(),
        _ => "?".repeat(width(piece)),
    };
    text.graphemes(true).map(spell).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Words that changed stand in brackets.
    pub(in crate::cli::review) fn drawn(row: &Row) -> String {
        let draw = |span: &Span| match span.tone {
            Tone::RemovedWord | Tone::AddedWord => format!("[{}]", span.text),
            _ => span.text.clone(),
        };
        row.iter().map(draw).collect()
    }

    fn line(text: &str, words: &[(usize, usize)]) -> Line {
        let words = words.iter().map(|(start, end)| *start..*end).collect();
        Line { sign: "+ ", tone: Tone::Added, text: text.to_owned(), words }
    }

    #[test]
    fn every_row_has_the_sign_and_the_indent_and_marks_go_over_breaks() {
        let table = [
            ("", &[][..], 10, &["+ "][..]),
            ("one two", &[(4, 7)][..], 12, &["+ one [two]"]),
            ("  one two three", &[(6, 15)][..], 11, &["+   one [two]", "+   [three]"]),
            ("abcdefgh", &[(2, 6)][..], 6, &["+ ab[cd]", "+ [ef]gh"]),
            ("世界世界", &[(0, 3), (9, 12)][..], 6, &["+ [世]界", "+ 世[界]"]),
            ("a b  c", &[][..], 4, &["+ a", "+ b ", "+ c"][..]),
            ("世", &[][..], 3, &["+ 世"][..]),
            ("      deep", &[][..], 8, &["+       ", "+ deep"][..]),
        ];
        for (text, words, columns, rows) in table {
            let wrapped: Vec<String> = line(text, words).wrap(columns).iter().map(drawn).collect();
            assert_eq!(wrapped, rows, "{text:?} at {columns}");
        }
    }

    #[test]
    fn a_line_of_a_megabyte_is_wrapped_at_once() {
        let plain = line(&"word ".repeat(200_000), &[(0, 4), (999_990, 999_994)]);
        let rows = plain.wrap(80);
        assert!(rows.len() > 12_000 && rows.iter().all(|row| columns(row) <= 80), "{}", rows.len());
        assert_eq!(rows.iter().filter(|row| drawn(row).contains('[')).count(), 2);
    }

    #[test]
    fn colour_goes_and_the_mark_of_a_changed_word_stays() {
        let row = &line("a b", &[(2, 3)]).wrap(20)[0];
        assert_eq!(paint(row, true, false), "\u{1b}[32m+ a \u{1b}[0m\u{1b}[32m\u{1b}[1m\u{1b}[4mb\u{1b}[0m");
        assert_eq!(paint(row, false, false), "+ a \u{1b}[1m\u{1b}[4mb\u{1b}[0m");
    }

    #[test]
    fn a_terminal_that_is_not_utf_8_gets_ascii_of_the_same_width() {
        let row = vec![Span { tone: Tone::Plain, text: "✓ → ✗ … ‹U+001B› ü 世 \u{301}".to_owned() }];
        assert_eq!(paint(&row, false, true), "+ > x . <U+001B> ? ?? ".to_owned() + &"?".repeat(width("\u{301}")));
    }

    #[test]
    fn the_end_of_a_path_is_what_is_kept() {
        for (text, room, kept) in [("abc", 3, "abc"), ("abcd", 3, "…cd"), ("a世界", 4, "…界"), ("ab", 1, "…")]
        {
            assert_eq!(tail(text, room), kept);
        }
    }

    proptest! {
        #[test]
        fn no_row_is_too_wide_and_nothing_but_blanks_is_lost(
            text in "[a-z 世é]{0,60}", room in 4_usize..20, marks in prop::collection::vec(0_usize..60, 0..6),
        ) {
            let mut ends: Vec<usize> = marks.into_iter().map(|at| crate::text::layout::floor_boundary(&text, at)).collect();
            ends.sort_unstable();
            let words: Vec<(usize, usize)> = ends.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
            let line = line(&text, &words);
            let rows = line.wrap(room);
            prop_assert!(rows.iter().all(|row| columns(row) <= room));
            let solid = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            let shown: String = rows.iter().flatten().map(|span| solid(&span.text)).collect();
            prop_assert_eq!(shown.replace('+', ""), solid(&text));
            let marked: String = rows.iter().flatten().filter(|span| span.tone == Tone::AddedWord).map(|span| solid(&span.text)).collect();
            let wanted: String = words.iter().map(|word| solid(&text[word.0..word.1])).collect();
            prop_assert_eq!(marked, wanted);
        }
    }
}
