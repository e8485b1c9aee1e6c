//! Which characters must not be shown as they are: a terminal obeys them, or nobody can see them.
//!
//! That is the control characters but line feed and tab, and what Unicode calls *default ignorable* (zero-width and direction
//! marks, tags, variation selectors, fillers, what is not assigned among them: a font draws nothing for it), line and
//! paragraph separators, noncharacters, and characters of private use, which look like what one font makes of them. The
//! joiners of emoji and of some scripts are among them: a reviewer sees what is there.
//!
//! A variation selector that asks for the coloured or the plain look of an emoji (`❤️`, `1️⃣`) is let through directly behind
//! one: models write it all the time, and it tells nothing that is not seen. Behind anything else, or behind another selector,
//! text can be hidden in it.

/// Where the first character is that must not be shown as it is.
pub(super) fn first_hidden(text: &str) -> Option<usize> {
    let hidden = |place: usize, found: &str| {
        let before = text[..place].chars().next_back();
        found.chars().next().is_some_and(|character| is_hidden(before, character))
    };
    text.match_indices(may_be_hidden).find(|(place, found)| hidden(*place, found)).map(|(place, _)| place)
}

/// Whether a character must not be shown as it is, behind the one `before` it in its text.
pub(super) fn is_hidden(before: Option<char>, character: char) -> bool {
    may_be_hidden(character) && !(matches!(character, '\u{fe0e}' | '\u{fe0f}') && before.is_some_and(has_two_looks))
}

/// Whether a character must not be shown as it is wherever it stands, or at least not everywhere.
pub(super) fn may_be_hidden(character: char) -> bool {
    // Nearly all characters of nearly all texts.
    if character < '\u{7f}' {
        return character < ' ' && character != '\n' && character != '\t';
    }
    match character {
        // The control characters above ASCII, the soft hyphen, the joiner of graphemes, the Arabic letter mark.
        '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{34f}' | '\u{61c}'
        // Hangul fillers, Khmer vowels without a shape, Mongolian variation selectors and vowel separator.
        | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        // Zero-width characters and direction marks, line and paragraph separators with direction embeddings.
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        // Word joiner and invisible operators, direction isolates, deprecated format characters.
        | '\u{2060}'..='\u{206f}'
        // Hangul filler, private use, variation selectors, byte order mark, half-width filler.
        | '\u{3164}' | '\u{e000}'..='\u{f8ff}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        // Noncharacters; what is kept for ignorable ones, interlinear annotation.
        | '\u{fdd0}'..='\u{fdef}' | '\u{fff0}'..='\u{fffb}'
        // Controls of shorthand and of musical notation.
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        // Tags, which are ASCII that no reader sees and every model reads, and more variation selectors; private use up to
        // the end of all characters.
        | '\u{e0000}'..='\u{e0fff}' | '\u{f0000}'.. => true,
        // The last two of every plane are no characters.
        _ => u32::from(character) & 0xfffe == 0xfffe,
    }
}

/// Whether a character may be drawn as an emoji or as a plain sign: roughly, since the blocks are known that have such.
fn has_two_looks(character: char) -> bool {
    matches!(
        character,
        '0'..='9' | '#' | '*' | '©' | '®' | '‼' | '⁉' | '™' | 'ℹ' | '〰' | '〽' | '㊗' | '㊙'
        // Arrows, technical signs, enclosed letters, shapes, symbols, dingbats, more arrows.
        | '\u{2190}'..='\u{2bff}'
        | '\u{1f000}'..='\u{1faff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let mut before = None;
        text.chars().filter(|character| !is_hidden(before.replace(*character), *character)).collect()
    }

    #[test]
    fn a_selector_passes_behind_an_emoji_and_hides_nothing_elsewhere() {
        for (text, expected) in [
            ("\u{2764}\u{fe0f}\u{2600}\u{fe0e}1\u{fe0f}\u{20e3}", "\u{2764}\u{fe0f}\u{2600}\u{fe0e}1\u{fe0f}\u{20e3}"),
            ("\u{1f600}\u{fe0f}\u{fe0f}\u{fe0e}", "\u{1f600}\u{fe0f}"),
            ("\u{1f600}\u{fe01}\u{e0101}", "\u{1f600}"),
            ("a\u{fe0f}b \u{fe0e}", "ab "),
            ("\u{fe0f}", ""),
        ] {
            assert_eq!(shown(text), expected, "{text:?}");
        }
    }

    #[test]
    fn no_character_outside_of_the_words_of_a_language_is_forgotten() {
        let ignorable = "\u{ad}\u{34f}\u{61c}\u{115f}\u{1160}\u{17b4}\u{17b5}\u{180b}\u{180e}\u{180f}\u{200b}\u{200f}\u{202a}\
                         \u{202e}\u{2060}\u{2065}\u{206f}\u{3164}\u{fe00}\u{fe0f}\u{feff}\u{ffa0}\u{fff0}\u{fff8}\u{1bca0}\
                         \u{1bca3}\u{1d173}\u{1d17a}\u{e0000}\u{e0001}\u{e007f}\u{e0080}\u{e01ef}\u{e0fff}";
        let private = "\u{e000}\u{f8ff}\u{f0000}\u{ffffd}\u{100000}\u{10fffd}";
        let no_characters = "\u{fdd0}\u{fdef}\u{fffe}\u{ffff}\u{1fffe}\u{1ffff}\u{dfffe}\u{10fffe}\u{10ffff}";
        for character in
            [ignorable, private, no_characters, "\0\u{1b}\r\u{7f}\u{80}\u{9f}\u{2028}\u{fffb}"].join("").chars()
        {
            assert!(is_hidden(None, character), "{character:?}");
        }
        let plain = "\n\t ~\u{a0}é中กา한🙂\u{fdcf}\u{fdf0}\u{fffc}\u{fffd}\u{10000}\u{1fffd}\u{e1000}\u{dfffd}";
        for character in plain.chars() {
            assert!(!is_hidden(None, character), "{character:?}");
        }
    }
}
