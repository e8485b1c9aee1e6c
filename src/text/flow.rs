//! Lays a text out for a terminal while it comes, piece by piece: behind a gutter, broken at spaces, made visible.
//!
//! What is printed does not hang on where the pieces are cut: a character that decides with the next one how it is shown waits
//! for that, and so does a word at the right edge, which may have to begin the next line. Everywhere else a piece is shown as
//! soon as it is there. Every line of the text stands behind the gutter, so that none is taken for one of ours.

use unicode_width::UnicodeWidthChar;

use super::escape::visible_behind;

/// So many columns before the right edge a word waits until it is whole.
const EDGE: usize = 16;
/// The fewest columns that a text gets, however narrow the terminal is.
const LEAST: usize = 8;
/// What a tab is laid out as.
const TAB: &str = "    ";

/// A text on its way to the screen.
#[derive(Debug, Clone)]
pub struct Flow {
    gutter: &'static str,
    /// Columns beside the gutter.
    room: usize,
    /// Columns of the line that are taken.
    column: usize,
    /// A carriage return that may be half of a line end.
    has_return: bool,
    /// The last character that came.
    before: Option<char>,
    /// The word that waits, and its columns.
    word: String,
    word_width: usize,
    /// A beginning of this word is on the screen: it cannot move to the next line any more.
    is_begun: bool,
}

impl Flow {
    /// A text behind a gutter of so many columns, on a terminal of so many. The gutter of the first line is printed by the caller.
    #[must_use]
    pub fn new(gutter: &'static str, gutter_width: usize, width: usize) -> Self {
        // In its last column a terminal may break the line by itself.
        let room = width.saturating_sub(gutter_width + 1).max(LEAST);
        let (before, word) = (None, String::new());
        Self { gutter, room, column: 0, has_return: false, before, word, word_width: 0, is_begun: false }
    }

    /// What is to be printed now that this piece came.
    #[must_use]
    pub fn push(&mut self, piece: &str) -> String {
        let returned = std::mem::take(&mut self.has_return);
        let mut raw = if returned { format!("\r{piece}") } else { piece.to_owned() };
        if raw.ends_with('\r') {
            raw.pop();
            self.has_return = true;
        }
        self.lay_out(&raw)
    }

    /// What is still to be printed at the end of the text.
    #[must_use]
    pub fn end(&mut self) -> String {
        let rest = if std::mem::take(&mut self.has_return) { "\r" } else { "" };
        let mut out = self.lay_out(rest);
        self.release(&mut out);
        out
    }

    fn lay_out(&mut self, raw: &str) -> String {
        let shown = visible_behind(self.before, raw).replace('\t', TAB);
        self.before = raw.chars().next_back().or(self.before);
        let mut out = String::with_capacity(shown.len());
        for character in shown.chars() {
            match character {
                '\n' => {
                    self.end_word(&mut out);
                    self.break_line(&mut out);
                }
                ' ' => {
                    self.end_word(&mut out);
                    // A blank that has no room is what the line breaks at.
                    if self.column < self.room {
                        out.push(' ');
                        self.column += 1;
                    } else {
                        self.break_line(&mut out);
                    }
                }
                _ => self.add(&mut out, character),
            }
        }
        out
    }

    /// Adds a character to the word at hand.
    fn add(&mut self, out: &mut String, character: char) {
        // The selector that asks for the coloured look of an emoji makes that a column wider.
        let selects = character == '\u{fe0f}';
        let width = if selects { 1 } else { character.width().unwrap_or(0) };
        // Scripts of wide characters are written without blanks, and break anywhere.
        let is_own_word = width > 1;
        if is_own_word {
            self.end_word(out);
        }
        // What is drawn upon another character stays with that; a column is spared for it.
        if !selects && width > 0 && self.column + self.word_width + width > self.room {
            self.break_line(out);
        }
        self.word.push(character);
        self.word_width += width;
        let is_far_from_edge = self.column + self.word_width + EDGE <= self.room;
        if is_own_word || self.is_begun || self.column == 0 || is_far_from_edge {
            self.release(out);
        }
        if is_own_word {
            self.end_word(out);
        }
    }

    fn release(&mut self, out: &mut String) {
        out.push_str(&self.word);
        self.column += self.word_width;
        self.word.clear();
        self.word_width = 0;
        self.is_begun = true;
    }

    fn end_word(&mut self, out: &mut String) {
        self.release(out);
        self.is_begun = false;
    }

    fn break_line(&mut self, out: &mut String) {
        let blank = out.trim_end_matches(' ').len();
        out.truncate(blank);
        out.push('\n');
        out.push_str(self.gutter);
        self.column = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::escape::visible;
    use crate::text::layout::width;

    fn all(pieces: &[&str], columns: usize) -> (Vec<String>, String) {
        let mut flow = Flow::new("| ", 2, columns);
        let mut printed: Vec<String> = pieces.iter().map(|piece| flow.push(piece)).collect();
        printed.push(flow.end());
        let text = printed.concat();
        (printed, text)
    }

    #[test]
    fn a_piece_is_shown_at_once_unless_what_follows_decides_how() {
        for (pieces, printed) in [
            (&["Hel", "lo ", "you"][..], &["Hel", "lo ", "you", ""][..]),
            (&["a\r", "\nb"], &["a", "\n| b", ""]),
            (&["a\r", "b\r"], &["a", "‹U+000D›b", "‹U+000D›"]),
            (&["\u{1b}", "[31m", "x"], &["‹U+001B›", "[31m", "x", ""]),
            (&["\u{2764}", "\u{fe0f}"], &["\u{2764}", "\u{fe0f}", ""]),
            (&["a", "\u{fe0f}"], &["a", "‹U+FE0F›", ""]),
            (&["a\tb"], &["a    b", ""]),
        ] {
            assert_eq!(all(pieces, 80).0, printed, "{pieces:?}");
        }
    }

    #[test]
    fn lines_break_at_blanks_and_words_at_the_edge_wait_until_they_are_whole() {
        for (text, columns, shown) in [
            ("one two three four five", 23, "one two three four\n| five"),
            ("one two three fourteen", 23, "one two three\n| fourteen"),
            ("abcdefghijklmnop", 11, "abcdefgh\n| ijklmnop"),
            ("世界世界世界", 11, "世界世界\n| 世界"),
            ("a\n\nb", 20, "a\n|\n| b"),
            ("", 20, ""),
        ] {
            assert_eq!(all(&[text], columns).1, shown, "{text:?}");
        }
        let (printed, _) = all(&["one two three four", "teen"], 23);
        assert_eq!(printed, ["one two three ", "\n| fourteen", ""]);
    }

    proptest! {
        #[test]
        fn nothing_hangs_on_where_pieces_are_cut(
            pieces in prop::collection::vec("[a-z 世é\n\r\t\u{1b}\u{2764}\u{fe0f}]{0,12}", 0..8), columns in 11_usize..60
        ) {
            let whole = pieces.concat();
            let cut: Vec<&str> = pieces.iter().map(String::as_str).collect();
            let (_, text) = all(&cut, columns);
            let solid = |text: &str| text.chars().filter(|c| !c.is_whitespace() && *c != '|').collect::<String>();
            prop_assert_eq!(solid(&text), solid(&visible(&whole)));
            let is_obeyed = text.contains(['\u{1b}', '\r']);
            prop_assert!(!is_obeyed);
            let trimmed = |text: &str| text.split('\n').map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
            prop_assert_eq!(trimmed(&text), trimmed(&all(&[&whole], columns).1));
            prop_assert!(text.split('\n').all(|line| width(line.strip_prefix("| ").unwrap_or(line)) <= columns - 2));
        }
    }
}
