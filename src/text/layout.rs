//! How wide a text is on a terminal, and how it is cut or wrapped to fit.
//!
//! Widths are terminal columns: a Chinese character takes two, a combining accent none. Texts come here already made
//! visible (see [`super::escape`]); colours are put on afterwards.

use textwrap::{Options, core::display_width};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// What a tab is laid out as.
const TAB: &str = "    ";

/// The columns that a one-line text takes.
#[must_use]
pub fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// The text, cut with `…` where it is wider than `width` columns, the `…` included; empty at a width of 0.
#[must_use]
pub fn truncate(text: &str, width: usize) -> String {
    // No character takes more columns than bytes.
    if text.len() <= width || self::width(text) <= width {
        return text.to_owned();
    }
    let Some(room) = width.checked_sub(1) else { return String::new() };
    let mut cut = String::new();
    let mut used = 0;
    for piece in text.graphemes(true) {
        used += self::width(piece);
        if used > room {
            break;
        }
        cut.push_str(piece);
    }
    cut.push('…');
    cut
}

/// The text as lines of at most `width` columns, broken at spaces where there are any; its own line breaks stay, tabs
/// become four spaces. A character wider than `width` has a line of its own. An empty text is one empty line.
#[must_use]
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let text = text.replace('\t', TAB);
    let options = Options::new(width.max(1)).break_words(true);
    text.split('\n').flat_map(|line| wrap_line(line, &options)).collect()
}

fn wrap_line(line: &str, options: &Options<'_>) -> Vec<String> {
    if display_width(line) <= options.width {
        return vec![line.to_owned()];
    }
    textwrap::wrap(line, options).into_iter().map(std::borrow::Cow::into_owned).collect()
}

/// The last boundary between characters at or before `byte`; the text's end where it is shorter.
#[must_use]
pub fn floor_boundary(text: &str, byte: usize) -> usize {
    (0..=byte.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_width_is_what_a_terminal_shows() {
        for (text, columns) in [("", 0), ("abc", 3), ("e\u{301}", 1), ("世界", 4), ("🙂", 2), ("‹U+001B›", 8)] {
            assert_eq!(width(text), columns, "{text}");
        }
    }

    #[test]
    fn a_text_that_is_too_wide_ends_in_an_ellipsis() {
        for (text, columns, cut) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("世界", 3, "世…"),
            ("世界", 2, "…"),
            ("ae\u{301}bc", 3, "ae\u{301}…"),
            ("abc", 1, "…"),
            ("abc", 0, ""),
            ("", 0, ""),
        ] {
            assert_eq!(truncate(text, columns), cut, "{text} at {columns}");
        }
    }

    #[test]
    fn lines_break_at_spaces_and_where_they_broke_before() {
        for (text, columns, lines) in [
            ("one two three", 8, vec!["one two", "three"]),
            ("one\n\n  two", 8, vec!["one", "", "  two"]),
            ("abcdefgh", 3, vec!["abc", "def", "gh"]),
            ("世界世界", 4, vec!["世界", "世界"]),
            ("\ta", 8, vec!["    a"]),
            ("世", 1, vec!["世"]),
            ("", 8, vec![""]),
            ("ab", 0, vec!["a", "b"]),
        ] {
            assert_eq!(wrap(text, columns), lines, "{text:?} at {columns}");
        }
    }

    #[test]
    fn a_cut_is_never_inside_a_character() {
        for (byte, boundary) in [(0, 0), (1, 1), (2, 1), (3, 1), (4, 4), (5, 5), (9, 5)] {
            assert_eq!(floor_boundary("a世b", byte), boundary);
        }
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_it_may_be(text in "[a-z 世é\n]{0,60}", columns in 2_usize..20) {
            prop_assert!(width(&truncate(&text.replace('\n', " "), columns)) <= columns);
            prop_assert!(wrap(&text, columns).iter().all(|line| width(line) <= columns));
        }

        #[test]
        fn wrapping_loses_nothing_but_blanks(text in "[a-z 世é\n]{0,60}", columns in 2_usize..20) {
            let solid = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(solid(&wrap(&text, columns).concat()), solid(&text));
        }
    }
}
