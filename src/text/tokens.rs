//! Counts tokens: exactly, with one of OpenAI's vocabularies, or as an estimate that costs nothing.

use tiktoken_rs::{CoreBPE, cl100k_base_singleton, o200k_base_singleton, p50k_base_singleton, r50k_base_singleton};

use super::layout::floor_boundary;

/// What every message counts on top of its text.
pub const PER_MESSAGE: usize = 4;

/// The tokenizer's regular expression overflows its stack, and panics, on a run of about a million blanks: a model that
/// sends one must not end the run, so texts longer than this many bytes are counted in pieces.
const PIECE: usize = 1 << 16;

/// A vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Tokenizer {
    /// `o200k_base`: GPT-4o and later.
    #[default]
    O200kBase,
    /// `cl100k_base`: GPT-4 and GPT-3.5.
    Cl100kBase,
    /// `p50k_base`: older completion models.
    P50kBase,
    /// `r50k_base`: GPT-3.
    R50kBase,
}

impl Tokenizer {
    /// Every vocabulary with its name.
    pub const ALL: [(&'static str, Self); 4] = [
        ("o200k_base", Self::O200kBase),
        ("cl100k_base", Self::Cl100kBase),
        ("p50k_base", Self::P50kBase),
        ("r50k_base", Self::R50kBase),
    ];

    /// The tokens of a text. What looks like a special token (`<|endoftext|>`) counts as the text that it is.
    ///
    /// The first call loads the vocabulary, which takes some tenths of a second and about 50 MB. A text over 64 KiB is
    /// counted in pieces of that size, so that its count may be one too high for each piece.
    #[must_use]
    pub fn count(self, text: &str) -> usize {
        let vocabulary = match self {
            Self::O200kBase => o200k_base_singleton(),
            Self::Cl100kBase => cl100k_base_singleton(),
            Self::P50kBase => p50k_base_singleton(),
            Self::R50kBase => r50k_base_singleton(),
        };
        count_with(vocabulary, text)
    }
}

fn count_with(tokenizer: &CoreBPE, text: &str) -> usize {
    let mut tokens = 0;
    let mut rest = text;
    while rest.len() > PIECE {
        let (piece, behind) = rest.split_at(floor_boundary(rest, PIECE));
        tokens += count_piece(tokenizer, piece);
        rest = behind;
    }
    tokens + count_piece(tokenizer, rest)
}

fn count_piece(tokenizer: &CoreBPE, piece: &str) -> usize {
    tokenizer.encode_ordinary(piece).len()
}

/// A rough count for where nothing better is known: a token for every four bytes, rounded up.
#[must_use]
pub fn estimate(text: &str) -> u64 {
    (text.len() as u64).div_ceil(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str) -> usize {
        Tokenizer::default().count(text)
    }

    #[test]
    fn tokens_are_those_of_o200k_base() {
        for (text, tokens) in [("", 0), ("hello world", 2), ("tiktoken is great!", 6), ("お誕生日おめでとう", 8)]
        {
            assert_eq!(count(text), tokens, "{text}");
        }
    }

    #[test]
    fn a_special_token_is_text_like_any_other() {
        assert!(count("<|endoftext|>") > 1);
    }

    #[test]
    fn a_long_text_counts_as_its_pieces_do() {
        let line = "the quick brown fox jumps over the lazy dog\n";
        let lines = 4 * PIECE / line.len();
        let expected = count(line) * lines;
        let counted = count(&line.repeat(lines));
        assert!((expected..=expected + 8).contains(&counted), "{counted} for {expected}");
    }

    #[test]
    fn a_flood_of_blanks_is_counted_too() {
        assert!(count(&format!("{}x", " ".repeat(1_500_000))) > 0);
        assert!(count(&"世".repeat(PIECE)) > 0);
    }

    #[test]
    fn an_estimate_is_a_token_for_four_bytes() {
        for (text, tokens) in [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("世界", 2)] {
            assert_eq!(estimate(text), tokens, "{text}");
        }
    }
}
