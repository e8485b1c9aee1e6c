//! Brings texts into the one form in which facts and case-insensitive checks are compared, and says where a word
//! ends.
//!
//! Folding is Unicode's: compatibility forms, full case folding, white space. It does not stem, strip accents or drop
//! punctuation: `José` is not `Jose`. Where a language glues endings to a name (Finnish, Turkish without apostrophe,
//! Bengali, …) a scenario says so with aliases or `match: text`.

use std::sync::LazyLock;

use caseless::Caseless;
use regex::Regex;
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// The text after NFKC, full case folding, every run of white space as one space, trimmed.
#[must_use]
pub fn fold(text: &str) -> String {
    let mut folded = fold_with_edges(text);
    folded.truncate(folded.trim_end().len());
    if folded.starts_with(' ') {
        folded.remove(0);
    }
    folded
}

/// As [`fold`], but white space at either end stays, as one space: a text that is looked for as `" a "` means its
/// spaces.
#[must_use]
pub fn fold_with_edges(text: &str) -> String {
    if text.is_ascii() {
        let mut folded = text.to_ascii_lowercase();
        if has_other_spaces(text) {
            folded = fold_spaces(folded.chars(), text.len());
        }
        return folded;
    }
    // Folding can undo normalisation and normalisation can bring back what folds, so Unicode's definition of a
    // compatibility caseless match does each twice.
    fold_spaces(text.nfd().default_case_fold().nfkc().default_case_fold().nfkc(), text.len())
}

/// The text after NFKC and with every run of white space as one space, its case as it was. White space at either end
/// stays, as one space.
#[must_use]
pub fn fold_keeping_case(text: &str) -> String {
    fold_spaces(text.nfkc(), text.len())
}

/// Whether a text has a folded word nowhere, told without folding it; `false` where that cannot be told so. Nearly all texts
/// that are looked through do not have what is looked for.
#[must_use]
pub fn is_surely_not_in(text: &str, folded_word: &str) -> bool {
    let (bytes, word) = (text.as_bytes(), folded_word.as_bytes());
    let Some(first) = word.first() else { return false };
    // Folding an ASCII text changes its capitals and its spaces alone.
    if !text.is_ascii() || !folded_word.is_ascii() || word.contains(&b' ') {
        return false;
    }
    let starts = memchr::memchr2_iter(*first, first.to_ascii_uppercase(), bytes);
    let is_there = |at: usize| bytes.get(at..at + word.len()).is_some_and(|found| found.eq_ignore_ascii_case(word));
    !starts.into_iter().any(is_there)
}

/// Whether white space of an ASCII text is anything but lone spaces.
fn has_other_spaces(text: &str) -> bool {
    // Many bytes at a time: no text of ordinary length is worth stopping early for.
    let is_other = |bytes: &[u8]| bytes.iter().fold(false, |found, byte| found | matches!(byte, b'\t'..=b'\r'));
    text.as_bytes().chunks(64).any(is_other) || text.contains("  ")
}

fn fold_spaces(chars: impl Iterator<Item = char>, length: usize) -> String {
    let mut folded = String::with_capacity(length);
    for c in chars {
        if !c.is_whitespace() {
            folded.push(c);
        } else if !folded.ends_with(' ') {
            folded.push(' ');
        }
    }
    folded
}

/// Whether `folded_word` stands in `folded_text` as a whole word: not inside a longer run of letters or digits. Both
/// are folded already. An empty word stands nowhere.
///
/// - An edge of the word that is no letter or digit has no boundary: `c++` stands in `c++17`, `.net` in `asp.net`. What
///   follows a letter only ends the run when it is none itself, so `c` stands in `c++` and in `c#`: the rule knows no
///   names.
/// - Combining marks belong to the letter before them.
/// - No boundary is needed where the word's own letter or its neighbour is of a script that is written without spaces
///   (Han, kana, Thai, Lao, Khmer, Myanmar and their like): there, a run of letters is a sentence, and Latin names stand
///   in it without spaces too (`我叫Priya。`).
/// - Hangul is written with spaces, but particles and the copula are glued to the end of a word (`민수는`, `Priya입니다`):
///   where Hangul follows, a word may end; where a word begins a boundary is needed.
#[must_use]
pub fn contains_word(folded_text: &str, folded_word: &str) -> bool {
    let Some(first) = folded_word.chars().next() else { return false };
    let mut from = 0;
    // Not `match_indices`: it skips occurrences that overlap one that is no whole word.
    while let Some(offset) = folded_text[from..].find(folded_word) {
        let start = from + offset;
        let (before, after) = (&folded_text[..start], &folded_text[start + folded_word.len()..]);
        if begins_word(before, first) && ends_word(folded_word, after) {
            return true;
        }
        from = start + first.len_utf8();
    }
    false
}

fn begins_word(before: &str, first: char) -> bool {
    let Some(neighbour) = last_base(before) else { return true };
    !first.is_alphanumeric() || !neighbour.is_alphanumeric() || is_unspaced(first) || is_unspaced(neighbour)
}

fn ends_word(word: &str, after: &str) -> bool {
    let Some(last) = last_base(word).filter(|c| c.is_alphanumeric()) else { return true };
    let Some(next) = after.chars().find(|&c| !is_variation_selector(c)) else { return true };
    // A mark changes the word's own last letter: it is another letter, in any script.
    if is_combining_mark(next) {
        return false;
    }
    !next.is_alphanumeric() || is_unspaced(last) || is_unspaced(next) || is_hangul(next)
}

/// The last character that is no combining mark.
fn last_base(text: &str) -> Option<char> {
    text.chars().rev().find(|&c| !is_combining_mark(c))
}

/// They choose a glyph and change no letter.
fn is_variation_selector(c: char) -> bool {
    matches!(c, '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}')
}

/// Scripts without spaces between words. By script extension, so that the long-vowel mark `ー` is among them. Tibetan
/// is not: its syllables are marked off, which bounds a word well enough.
static UNSPACED: LazyLock<Regex> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "a constant expression; every test of this file compiles it")]
    Regex::new(
        r"^[\p{scx:Han}\p{scx:Hira}\p{scx:Kana}\p{scx:Bopo}\p{scx:Yiii}\p{scx:Thai}\p{scx:Laoo}\p{scx:Khmr}\p{scx:Mymr}\p{scx:Lana}\p{scx:Tale}\p{scx:Talu}\p{scx:Java}\p{scx:Bali}]",
    )
    .expect("valid expression")
});

/// Whether the character is of a script that is written without spaces between words.
#[must_use]
pub(super) fn is_unspaced(c: char) -> bool {
    !c.is_ascii() && UNSPACED.is_match(c.encode_utf8(&mut [0; 4]))
}

fn is_hangul(c: char) -> bool {
    matches!(c, '\u{1100}'..='\u{11FF}' | '\u{3131}'..='\u{318E}' | '\u{A960}'..='\u{A97C}' | '\u{AC00}'..='\u{D7FB}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn has(text: &str, word: &str) -> bool {
        contains_word(&fold(text), &fold(word))
    }

    #[test]
    fn texts_that_people_hold_for_equal_fold_to_the_same() {
        for (text, folded) in [
            ("  My\tNAME\r\n is  Priya ", "my name is priya"),
            ("Straße", "strasse"),
            ("ＰＲＩＹＡ\u{a0}１", "priya 1"),
            ("cafe\u{301}", "caf\u{e9}"),
            ("ΣΊΣΥΦΟΣ", "σίσυφοσ"),
            ("ﬁne", "fine"),
            ("ﾏﾘｱ", "マリア"),
            ("\u{3000}東京\u{3000}", "東京"),
            ("", ""),
            (" \n ", ""),
        ] {
            assert_eq!(fold(text), folded, "{text:?}");
        }
        assert_eq!(fold_with_edges(" A \n B\u{3000}"), " a b ");
        assert_eq!(fold_keeping_case(" T－12 \n B"), " T-12 B");
    }

    proptest! {
        #[test]
        fn what_is_surely_not_in_a_text_is_not_in_it(text in "[aAbB é\t-]{0,12}|\\PC{0,12}", word in "[aAbB é-]{0,3}|\\PC{0,3}") {
            let folded = fold(&word);
            if is_surely_not_in(&text, &folded) {
                prop_assert!(!fold(&text).contains(&folded));
            } else if text.is_ascii() && folded.is_ascii() && !folded.contains(' ') && !folded.is_empty() {
                prop_assert!(fold(&text).contains(&folded), "told without need");
            }
        }
    }

    #[test]
    fn a_word_stands_alone_and_not_inside_a_longer_run() {
        for (text, word, expected) in [
            ("Hello, Priya!", "priya", true),
            ("PRIYA", "Priya", true),
            ("**Priya**", "Priya", true),
            ("priya_sharma", "priya", true),
            ("Priya's", "Priya", true),
            ("Priyanka", "Priya", false),
            ("SuPriya", "Priya", false),
            ("Priya2", "Priya", false),
            ("room 12", "2", false),
            ("room 2.", "2", true),
            ("Priyanka and Priya", "Priya", true),
            ("banana ana", "ana", true),
            ("xa-a-a", "a-a", true),
            ("New\n  York", "new york", true),
            ("New Yorker", "new york", false),
            ("Priya", "", false),
            ("", "Priya", false),
        ] {
            assert_eq!(has(text, word), expected, "{word:?} in {text:?}");
        }
    }

    #[test]
    fn an_edge_that_is_no_letter_has_no_boundary() {
        for (text, word, expected) in [
            ("C++17", "C++", true),
            ("ObjC++", "C++", false),
            ("ASP.NET core", ".NET", true),
            (".NETwork", ".NET", false),
            ("C++ and C#", "C", true),
            ("#1", "#1", true),
            ("#12", "#1", false),
            ("I ❤\u{fe0f} it", "❤", true),
        ] {
            assert_eq!(has(text, word), expected, "{word:?} in {text:?}");
        }
    }

    #[test]
    fn a_combining_mark_belongs_to_the_letter_before_it() {
        for (text, word, expected) in [
            ("Jose\u{301}", "Jose", false),
            ("Jos\u{e9}", "Jose\u{301}", true),
            // No composed form exists, so the mark stays a character of its own.
            ("x\u{324}y", "y", false),
            ("bx\u{324}", "bx", false),
            ("मेरा नाम प्रिया है", "प्रिया", true),
            ("प्रियांक", "प्रिया", false),
            ("葛\u{e0100}飾", "葛", true),
        ] {
            assert_eq!(has(text, word), expected, "{word:?} in {text:?}");
        }
    }

    #[test]
    fn scripts_without_spaces_need_no_boundary_on_either_side_of_the_edge() {
        for (text, word) in [
            ("我叫Priya。", "Priya"),
            ("你好Priya同学", "Priya"),
            ("你的名字是小明吗", "小明"),
            ("東京Tower", "東京"),
            ("私の名前は花子です", "花子"),
            ("マリアさん", "マリア"),
            ("ミーマリーです", "マリー"),
            ("ฉันชื่อมานะครับ", "มานะ"),
            ("ខ្ញុំឈ្មោះសុខា", "សុខា"),
            ("5月", "5"),
        ] {
            assert!(has(text, word), "{word:?} in {text:?}");
        }
        // Another vowel on the last consonant is another syllable.
        assert!(!has("มานี", "มาน"));
    }

    #[test]
    fn hangul_may_follow_a_word_but_not_precede_it() {
        assert!(has("제 이름은 민수입니다", "민수"));
        assert!(has("Priya는 학생이에요", "Priya"));
        assert!(!has("김민수", "민수"));
        assert!(!has("Priyanka는", "Priya"));
    }

    proptest! {
        #[test]
        fn folding_twice_is_folding_once(text in "\\PC{0,40}") {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once);
        }

        #[test]
        fn the_short_way_for_ascii_is_the_long_way(text in "[ -~\\t\\n]{0,40}") {
            let long: String = fold_spaces(text.nfd().default_case_fold().nfkc().default_case_fold().nfkc(), 0);
            prop_assert_eq!(fold_with_edges(&text), long);
        }

        #[test]
        fn a_word_between_spaces_is_found_and_between_letters_is_not(word in "[a-z]{1,8}", other in "[a-z]{0,5}") {
            let (spaced, glued) = (format!("{other} {word} {other}"), format!("0{word}0"));
            prop_assert!(contains_word(&spaced, &word));
            prop_assert!(!contains_word(&glued, &word));
        }

        #[test]
        fn whatever_is_found_is_there_and_nothing_panics(text in "\\PC{0,30}", word in "\\PC{0,3}") {
            let (text, word) = (fold(&text), fold(&word));
            prop_assert!(!contains_word(&text, &word) || text.contains(&word));
        }
    }
}
