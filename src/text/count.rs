//! Counts words and sentences, and says whether a text asks a question.
//!
//! Words and sentences are Unicode's (UAX #29), which are the same for everybody and know no dictionary. So `don't`,
//! `3.14` and `snake_case` are one word, emoji and punctuation none; each Han character, each hiragana and each Thai
//! cluster is a word, a run of katakana is one. A line break ends a sentence, so each line of a list or of code with a
//! letter or digit in it is one, and `Dr. Smith` makes two.

use std::sync::LazyLock;

use regex::Regex;
use unicode_segmentation::UnicodeSegmentation;

use super::normalise::is_unspaced;

/// How many words the text has.
#[must_use]
pub fn words(text: &str) -> usize {
    if text.is_ascii() { ascii_words(text.as_bytes()) } else { text.unicode_words().count() }
}

/// What a byte of ASCII is to the rules of words.
const LETTER: u8 = 1;
const DIGIT: u8 = 2;
const UNDERSCORE: u8 = 4;
const IN_WORD: u8 = LETTER | DIGIT | UNDERSCORE;
/// Joins letters.
const MID_LETTER: u8 = 8;
/// Joins digits.
const MID_DIGIT: u8 = 16;

const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte: u8 = 0;
    while byte < 128 {
        classes[byte as usize] = match byte {
            b'a'..=b'z' | b'A'..=b'Z' => LETTER,
            b'0'..=b'9' => DIGIT,
            b'_' => UNDERSCORE,
            b':' => MID_LETTER,
            b',' | b';' => MID_DIGIT,
            b'.' | b'\'' => MID_LETTER | MID_DIGIT,
            _ => 0,
        };
        byte += 1;
    }
    classes
};

/// The words of an ASCII text by the same rules (`WB5` to `WB13b` of UAX #29), of which few are left there: every reply may be
/// counted, and most are ASCII.
fn ascii_words(text: &[u8]) -> usize {
    let class = |at: usize| text.get(at).map_or(0, |byte| CLASSES[usize::from(*byte)]);
    let (mut words, mut at) = (0, 0);
    while at < text.len() {
        // A word, with what joins its runs. A run of underscores is none, so it counts where it has a letter or digit.
        let mut seen = 0;
        loop {
            let mut mid = 0;
            while let Some(byte) = text.get(at) {
                let this = CLASSES[usize::from(*byte)];
                if this & IN_WORD == 0 {
                    mid = this;
                    break;
                }
                (seen, at) = (seen | this, at + 1);
            }
            // Nearly always a blank.
            if mid == 0 {
                break;
            }
            // Before the first byte of a run stands none of a word, so that of an empty run this is none.
            let (last, after) = (at.checked_sub(1).map_or(0, class), class(at + 1));
            let joins = |mark: u8, what: u8| mid & mark != 0 && last == what && after == what;
            if !joins(MID_LETTER, LETTER) && !joins(MID_DIGIT, DIGIT) {
                break;
            }
            at += 1;
        }
        words += usize::from(seen & (LETTER | DIGIT) != 0);
        at += 1;
    }
    words
}

/// How many sentences the text has. What has no letter or digit is none, nor is the number in front of a list's item.
#[must_use]
pub fn sentences(text: &str) -> usize {
    // The blank end goes, so that the number in an answer `42. ` is not taken for a list's.
    let text = text.trim_end();
    if text.is_empty() {
        // unicode-segmentation 1.13 overflows when asked how many bounds an empty text may have.
        return 0;
    }
    let mut at_line_start = true;
    text.split_sentence_bounds()
        .filter(|sentence| {
            let is_marker = at_line_start && is_list_marker(sentence);
            at_line_start = sentence.ends_with(['\n', '\r']);
            !is_marker && sentence.contains(char::is_alphanumeric)
        })
        .count()
}

/// `1. ` or `a. ` with something behind it on the same line; a lone `42.` is an answer.
fn is_list_marker(sentence: &str) -> bool {
    let Some(label) = sentence.trim().strip_suffix(['.', ')']) else { return false };
    let is_number = (1..=3).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_digit());
    let is_letter = label.len() == 1 && label.bytes().all(|b| b.is_ascii_alphabetic());
    (is_number || is_letter) && sentence.ends_with([' ', '\t'])
}

/// Whether the text asks at least one question: a question mark that ends a sentence, outside code and addresses.
///
/// Besides `?` these are the full-width, Arabic, Armenian, Ethiopic and Vai marks, the interrobang, and `;` after a
/// Greek letter. A mark in quotation marks counts, one alone in brackets, `(?)`, is a doubt and does not. A question
/// without its mark is not seen.
#[must_use]
pub fn asks_question(text: &str) -> bool {
    let prose = without_code(text);
    let prose = ADDRESS.replace_all(&prose, "…");
    let mut before = None;
    for (at, c) in prose.char_indices() {
        let is_asked = match c {
            '？' | '﹖' | '؟' | '፧' | '꘏' | '՞' => true,
            '?' | '‽' | '⁇' | '⁈' | '⁉' => before != Some('(') && ends_sentence(&prose[at + c.len_utf8()..]),
            ';' | '\u{37e}' => before.is_some_and(is_greek) && ends_sentence(&prose[at + c.len_utf8()..]),
            _ => false,
        };
        if is_asked {
            return true;
        }
        before = Some(c);
    }
    false
}

/// Whether a sentence can end here: closing marks, then white space, the end, or what is written without spaces.
fn ends_sentence(rest: &str) -> bool {
    let rest = rest.trim_start_matches(['?', '!', '.', '…', '"', '\'', ')', ']', '*', '_', '~', '<', '|']);
    rest.chars().next().is_none_or(|c| c.is_whitespace() || is_unspaced(c) || !c.is_ascii() && !c.is_alphanumeric())
}

fn is_greek(c: char) -> bool {
    c.is_alphabetic() && matches!(c, '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}')
}

/// Web addresses up to their last character that can hardly be the sentence's own mark.
static ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "a constant expression; every test of questions compiles it")]
    Regex::new(r#"(?i)(?:\b[a-z][a-z0-9+.-]*://|\bwww\.)[!-~&&[^<>"]]*[!-~&&[^<>"?!.,;:)\]'*_]]"#)
        .expect("valid expression")
});

/// The text without fenced blocks and code spans, each replaced by an ellipsis.
fn without_code(text: &str) -> String {
    let mut prose = String::with_capacity(text.len());
    let mut fence: Option<&str> = None;
    for line in text.split_inclusive('\n') {
        let run = fence_of(line);
        match (fence, run) {
            (None, Some(open)) => fence = Some(open),
            (Some(open), Some(run)) if run.starts_with(open) && line.trim() == run => fence = None,
            (None, None) => prose.push_str(line),
            // What stands between the fences.
            (Some(_), _) => prose.push('\n'),
        }
    }
    without_spans(&prose)
}

/// The run of at least three backticks or tildes with which a line begins. An opening line of backticks has no other
/// backtick: it would be a code span.
fn fence_of(line: &str) -> Option<&str> {
    let line = line.trim();
    let mark = line.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let info = line.trim_start_matches(mark);
    let run = &line[..line.len() - info.len()];
    (run.len() >= 3 && !(mark == '`' && info.contains('`'))).then_some(run)
}

/// Code spans: a run of backticks up to the next run of the same length. A run without its like is text.
fn without_spans(text: &str) -> String {
    let mut prose = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('`') {
        let (before, from) = rest.split_at(start);
        prose.push_str(before);
        let inside = from.trim_start_matches('`');
        let run = &from[..from.len() - inside.len()];
        rest = match end_of_span(inside, run) {
            Some(end) => {
                prose.push('…');
                &inside[end..]
            }
            None => inside,
        };
    }
    prose.push_str(rest);
    prose
}

fn end_of_span(inside: &str, run: &str) -> Option<usize> {
    let mut from = 0;
    while let Some(offset) = inside[from..].find('`') {
        let start = from + offset;
        let length = inside[start..].bytes().take_while(|&b| b == b'`').count();
        from = start + length;
        if length == run.len() {
            return Some(from);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_are_what_people_count_as_words() {
        for (text, count) in [
            ("", 0),
            ("…  — !", 0),
            ("😀 👍🏽", 0),
            ("I don't know, e.g. 3.14 or 1,000.", 7),
            ("a well-known state", 4),
            ("let my_map: HashMap<K, V> = a.b();", 6),
            ("我爱你", 3),
            ("プログラミング", 1),
        ] {
            assert_eq!(words(text), count, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn words_of_ascii_are_those_of_unicode(text in "[a-z0-9_.,;:' \r\n-]{0,24}|[ -~]{0,40}|[\x00-\x7f]{0,20}") {
            prop_assert_eq!(words(&text), text.unicode_words().count(), "{:?}", text);
        }
    }

    #[test]
    fn sentences_are_neither_blanks_nor_marks_nor_the_numbers_of_a_list() {
        for (text, count) in [
            ("", 0),
            ("\n\n  \n", 0),
            ("… !!! ?", 0),
            ("One", 1),
            ("One. Two! Three?", 3),
            ("It costs 3.14 dollars, e.g. here.", 1),
            ("Steps:\n\n1. Open it.\n2. Close it.\n", 3),
            ("  10) Open it.\n  a. Close it.", 2),
            ("42. ", 1),
            ("42.\nYes.", 2),
            ("The answer is 42. Good.", 2),
            ("Count: 3. 4. Then stop.", 3),
            ("これはペンです。それは本です。", 2),
        ] {
            assert_eq!(sentences(text), count, "{text:?}");
        }
    }

    #[test]
    fn a_question_ends_a_sentence_in_its_own_script() {
        for text in [
            "What's your budget?",
            "Really?! Yes.",
            "She asked \"why?\" and left.",
            "**Where to?**",
            "Comment ça va ?",
            "您叫什么名字？我叫小明。",
            "你好吗?我很好。",
            "ما اسمك؟",
            "Ինչպե՞ս ես",
            "Πώς σε λένε; Με λένε Άννα.",
            "Ready?🙂",
            "Have you seen https://example.com/a?",
            "Which one?\n```\nx\n```",
            "Use `a` or `b`?",
            "One stray ` here, right?",
        ] {
            assert!(asks_question(text), "{text:?}");
        }
    }

    #[test]
    fn marks_in_code_addresses_and_brackets_ask_nothing() {
        for text in [
            "",
            "No.",
            "See https://example.com/?q=1 for more.",
            "See <https://example.com/?>.",
            "See [it](https://example.com/s?a=b&c).",
            "Use `x?` or ``a ` b?`` here.",
            "```rust\nlet x = f()?;\n// why?\n```",
            "~~~\nwhy?\n~~~\nSo.",
            "````\n```\nwhy?\n```\n````",
            "```\nnever closed, why?",
            "Built around 1850 (?), it stands.",
            "Built around 1850 (?). It stands.",
            "Set a?b in the file.",
            "a; b; c",
        ] {
            assert!(!asks_question(text), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn more_text_never_takes_a_word_away(text in "[ -~éぁ漢\\n]{0,40}", more in "[ -~éぁ漢\\n]{0,10}") {
            let longer = format!("{text}{more}");
            prop_assert!(words(&text) <= words(&longer));
        }

        #[test]
        fn nothing_panics_on_odd_text(text in "[`~?\\n a(é…]{0,40}") {
            let _ = (asks_question(&text), sentences(&text));
        }
    }
}
