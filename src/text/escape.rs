//! Makes a stranger's text safe for the place where it is written: a terminal, a CI log, a CSV cell, a file name.
//!
//! Each function guards against what one kind of reader takes for a command. They are applied as late as possible, by
//! the writer of each format: the journal keeps the exact text.

use std::borrow::Cow;
use std::fmt::Write;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use unicode_segmentation::UnicodeSegmentation;

use super::hidden::{first_hidden, is_hidden, may_be_hidden};

/// The text with every character that a terminal obeys, or that nobody can see, shown as `‹U+001B›`: control characters but
/// line feed and tab, and what else `text::hidden` says. `\r\n` becomes `\n`; a carriage return on its own is shown.
///
/// All that no XML 1.0 file may have, however it is written, is among them. What XML gives a meaning (`<`, `&`, quotes, `]]>`)
/// is left to its writer.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    visible_behind(None, text)
}

/// The same for a piece of a text that comes in pieces: `before` is the last character of what came so far, which may decide
/// how the first one of this is shown. A line end of two characters must not be cut in two.
#[must_use]
pub fn visible_behind(before: Option<char>, text: &str) -> Cow<'_, str> {
    if is_plain(text) {
        return Cow::Borrowed(text);
    }
    let Some(first) = first_hidden(text) else { return Cow::Borrowed(text) };
    let (head, tail) = text.split_at(first);
    let mut shown = String::with_capacity(text.len() + 16);
    shown.push_str(head);
    let mut before = head.chars().next_back().or(before);
    let mut characters = tail.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '\r' && characters.peek() == Some(&'\n') {
            continue;
        }
        if is_hidden(before.replace(character), character) {
            // Writing to a string cannot fail.
            let _ = write!(shown, "‹U+{:04X}›", u32::from(character));
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// JSON with every character that a terminal obeys, or that nobody can see, as `\\u001b`: it means the same, and a reviewer
/// sees what is there. The JSON has to be on one line, as ours is: then such a character can only stand inside a string.
#[must_use]
pub fn visible_json(json: &str) -> Cow<'_, str> {
    let Some(first) = first_hidden(json) else { return Cow::Borrowed(json) };
    let (head, tail) = json.split_at(first);
    let mut shown = String::with_capacity(json.len() + 16);
    shown.push_str(head);
    let mut before = head.chars().next_back();
    for character in tail.chars() {
        if is_hidden(before.replace(character), character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// The same for a line that may be read in a CI log: beside it nothing is a command to older agents, who look for one anywhere
/// in a line.
#[must_use]
pub fn json_line(line: &str) -> Cow<'_, str> {
    let shown = visible_json(line);
    if !shown.contains("##") {
        return shown;
    }
    Cow::Owned(shown.replace("##[", "#\\u0023[").replace("##vso[", "#\\u0023vso["))
}

/// Whether a text is of printable ASCII and its white space alone, as most are: its bytes are looked at many at a time.
fn is_plain(text: &str) -> bool {
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~' | b'\n' | b'\t');
    text.as_bytes().chunks(64).all(|bytes| bytes.iter().fold(true, |so_far, byte| so_far & is_plain(*byte)))
}

/// Whether a text is of ASCII words with one space between them, as names are, or of several with ` · ` between: then it is visible
/// and on one line as it is.
#[must_use]
pub fn is_one_line(text: &str) -> bool {
    let mut is_behind_space = true;
    for character in text.chars() {
        if !character.is_ascii_graphic() && character != '·' && (character != ' ' || is_behind_space) {
            return false;
        }
        is_behind_space = character == ' ';
    }
    !is_behind_space || text.is_empty()
}

/// The text with a backslash before every `::` that opens a line (blanks before it or not), because CI services take
/// such a line for a command (`::add-mask::`, `::error::`).
///
/// `##[` and `##vso[`, which older agents obey anywhere in a line, get a backslash behind the first `#`.
#[must_use]
pub fn no_command(line: &str) -> Cow<'_, str> {
    if !line.contains("::") && !line.contains("##") {
        return Cow::Borrowed(line);
    }
    let mut safe = String::with_capacity(line.len() + 1);
    for line in line.split_inclusive(['\n', '\r']) {
        let rest = line.trim_start_matches(|c: char| c.is_whitespace() || may_be_hidden(c));
        safe.push_str(&line[..line.len() - rest.len()]);
        if rest.starts_with("::") {
            safe.push('\\');
        }
        safe.push_str(rest);
    }
    Cow::Owned(safe.replace("##[", "#\\#[").replace("##vso[", "#\\#vso["))
}

/// The cell with an apostrophe in front where a spreadsheet would take it for a formula: it begins with `=`, `@`, a tab
/// or a carriage return, or with `+` or `-` followed by anything but a space or a digit.
///
/// A `+` or `-` on its own is no formula. Quoting is the CSV writer's.
#[must_use]
pub fn csv_cell(text: &str) -> Cow<'_, str> {
    let mut characters = text.chars();
    let is_formula = match characters.next() {
        Some('=' | '@' | '\t' | '\r') => true,
        Some('+' | '-') => characters.next().is_some_and(|next| next != ' ' && !next.is_ascii_digit()),
        _ => false,
    };
    if is_formula { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// What stays as it is in a part of a file name.
const FILE_NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'-');

/// The text with everything outside `[A-Za-z0-9_-]` percent-encoded, a `.` too: no part of a file name leaves its
/// folder, and two different texts never give the same part.
#[must_use]
pub fn file_name_part(text: &str) -> String {
    utf8_percent_encode(text, FILE_NAME).to_string()
}

/// The text in double quotes on one line, made visible, its runs of white space folded to one space, and cut with `…`
/// where it has more than `max_chars` characters (the quotes not counted, the `…` counted).
///
/// No character as a reader sees it (an emoji of several scalar values, an escape) is cut in two.
#[must_use]
pub fn quote(text: &str, max_chars: usize) -> String {
    // Nearly all are names and short phrases.
    if text.len() <= max_chars && is_one_line(text) {
        return ["\"", text, "\""].concat();
    }
    quote_any(text, max_chars)
}

fn quote_any(text: &str, max_chars: usize) -> String {
    // One character more than fits shows that something was cut; a reply of megabytes is not walked through.
    let folded: String = fold_blanks(text).take(max_chars.saturating_add(1)).collect();
    let mut quoted = String::from("\"");
    let mut used = 0;
    let mut fitting = quoted.len();
    let mut is_cut = false;
    for piece in folded.graphemes(true) {
        let piece = visible(piece);
        used += piece.chars().count();
        if used > max_chars {
            is_cut = true;
            break;
        }
        quoted.push_str(&piece);
        if used < max_chars {
            fitting = quoted.len();
        }
    }
    if is_cut {
        quoted.truncate(fitting);
        quoted.push('…');
    }
    quoted.push('"');
    quoted
}

/// The characters of a text without white space at its ends and with one space for each run within.
fn fold_blanks(text: &str) -> impl Iterator<Item = char> + '_ {
    text.split_whitespace().enumerate().flat_map(|(n, word)| (n > 0).then_some(' ').into_iter().chain(word.chars()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_shown() {
        for (text, shown) in [
            ("plain\ttext\nwith lines", "plain\ttext\nwith lines"),
            ("Grüße, 世界 🙂 \u{2764}\u{fe0f}", "Grüße, 世界 🙂 \u{2764}\u{fe0f}"),
            ("\u{1b}[31mred", "‹U+001B›[31mred"),
            ("\u{9b}31m", "‹U+009B›31m"),
            ("a\0b\u{7}c\u{8}d\u{7f}e", "a‹U+0000›b‹U+0007›c‹U+0008›d‹U+007F›e"),
            ("one\r\ntwo\rthree\r", "one\ntwo‹U+000D›three‹U+000D›"),
            ("\r\r\n", "‹U+000D›\n"),
        ] {
            assert_eq!(visible(text), shown, "{text:?}");
        }
    }

    #[test]
    fn what_nobody_can_see_is_shown() {
        let hidden = "\u{ad}\u{61c}\u{200b}\u{200c}\u{200d}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\
                      \u{2060}\u{2066}\u{2067}\u{2068}\u{2069}\u{feff}\u{2028}\u{2029}\u{e0041}\u{fdd0}\u{ffff}\u{e200}\u{fe01}\u{e0101}";
        for character in hidden.chars() {
            let code = u32::from(character);
            assert_eq!(visible(&format!("a{character}b")), format!("a‹U+{code:04X}›b"));
        }
    }

    #[test]
    fn a_text_with_nothing_to_hide_is_not_copied() {
        assert!(matches!(visible("Hello,\nworld"), Cow::Borrowed(_)));
        assert!(matches!(no_command("Hello: world"), Cow::Borrowed(_)));
        assert!(matches!(csv_cell("Hello"), Cow::Borrowed(_)));
    }

    #[test]
    fn no_line_is_a_command_to_a_ci_log() {
        for (line, safe) in [
            ("a::b", "a::b"),
            ("::add-mask::x", "\\::add-mask::x"),
            (" \t\u{a0}::error::x", " \t\u{a0}\\::error::x"),
            ("\u{feff}::error::x", "\u{feff}\\::error::x"),
            ("one\n::two\r::three", "one\n\\::two\r\\::three"),
            ("say ##[error]x and ##vso[task]", "say #\\#[error]x and #\\#vso[task]"),
            ("## A heading", "## A heading"),
            ("", ""),
        ] {
            assert_eq!(no_command(line), safe, "{line:?}");
        }
    }

    #[test]
    fn what_no_xml_file_may_have_is_shown() {
        // https://www.w3.org/TR/xml/#charsets
        let is_xml =
            |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
        let forbidden = ('\0'..=char::MAX).filter(|character| !is_xml(*character));
        assert_eq!(forbidden.filter(|character| visible(&character.to_string()).contains(*character)).count(), 0);
        assert_eq!(visible("a\u{fffe}b\u{ffff}c\u{fffd}<b>]]>&"), "a‹U+FFFE›b‹U+FFFF›c\u{fffd}<b>]]>&");
    }

    #[test]
    fn a_line_of_json_says_the_same_without_what_is_obeyed() {
        for (line, safe) in [
            ("{\"a\":\"## b\"}", "{\"a\":\"## b\"}"),
            ("{\"a\":\"##[b] ##vso[c]\"}", "{\"a\":\"#\\u0023[b] #\\u0023vso[c]\"}"),
            ("{\"a\":\"\u{9b}\u{e0041}\"}", "{\"a\":\"\\u009b\\udb40\\udc41\"}"),
            ("{\"\u{2764}\u{fe0f}\":\"\u{fe0f}\"}", "{\"\u{2764}\u{fe0f}\":\"\\ufe0f\"}"),
        ] {
            assert_eq!(json_line(line), safe);
            let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
            assert_eq!(read(line), read(safe));
        }
    }

    #[test]
    fn a_cell_that_a_spreadsheet_would_run_gets_an_apostrophe() {
        for text in ["=1+1", "@SUM(A1)", "\t=1", "\r=1", "+A1", "-A1", "-=1", "+\t1", "--1"] {
            assert_eq!(csv_cell(text), format!("'{text}"));
        }
        for text in ["", "-", "+", "-5", "+49 30 1", "- a list", "+ more", "a=1", " =1", "'=1", "\n=1"] {
            assert_eq!(csv_cell(text), text);
        }
    }

    #[test]
    fn a_part_of_a_file_name_stays_in_its_folder() {
        for (text, part) in [
            ("whats-my_name2", "whats-my_name2"),
            ("gpt-4.1", "gpt-4%2E1"),
            ("../../etc/passwd", "%2E%2E%2F%2E%2E%2Fetc%2Fpasswd"),
            ("a%2Eb", "a%252Eb"),
            ("é \\:*", "%C3%A9%20%5C%3A%2A"),
            ("", ""),
        ] {
            assert_eq!(file_name_part(text), part);
        }
    }

    #[test]
    fn a_quotation_is_one_short_line() {
        for (text, max, quoted) in [
            ("Hello", 5, "\"Hello\""),
            ("Hello!", 5, "\"Hell…\""),
            (" one\n\ttwo  three ", 80, "\"one two three\""),
            ("", 5, "\"\""),
            ("anything", 0, "\"…\""),
            ("a\u{1b}b", 80, "\"a‹U+001B›b\""),
            ("a\u{1b}b", 5, "\"a…\""),
            ("ae\u{301}x", 3, "\"a…\""),
            ("ae\u{301}x", 4, "\"ae\u{301}x\""),
        ] {
            assert_eq!(quote(text, max), quoted, "{text:?} at {max}");
        }
    }

    proptest! {
        #[test]
        fn nothing_hidden_is_left(text in any::<String>()) {
            prop_assert_eq!(first_hidden(&visible(&text)), None);
        }

        #[test]
        fn a_short_phrase_is_quoted_as_any_other_text(text in "[a-z ·\t]{0,8}", max in 0_usize..12) {
            prop_assert_eq!(quote(&text, max), quote_any(&text, max));
        }

        #[test]
        fn a_quotation_keeps_to_its_limit(text in any::<String>(), max in 0_usize..60) {
            let quoted = quote(&text, max);
            prop_assert!(quoted.chars().count() <= max.max(1) + 2);
            prop_assert!(!quoted.contains(['\n', '\r']));
        }

        #[test]
        fn a_cell_is_the_same_but_for_the_apostrophe(text in "[=@+\\-\t\r 0-9a-z]{0,6}") {
            let cell = csv_cell(&text);
            prop_assert!(cell == text || cell.strip_prefix('\'') == Some(&text));
        }

        #[test]
        fn a_safe_line_is_safe_already(line in "[ :#\\[\nvsoa]{0,20}") {
            let safe = no_command(&line).into_owned();
            prop_assert!(!safe.lines().any(|line| line.trim_start().starts_with("::")));
            prop_assert_eq!(no_command(&safe), safe.clone());
        }
    }
}
