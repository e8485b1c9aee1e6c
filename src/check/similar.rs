//! How alike a reply and a text are.
//!
//! ROUGE-L is the F1 of the longest common subsequence of words: Lin, "ROUGE: A Package for Automatic Evaluation of Summaries"
//! (2004), section 3.1, with β = 1. Of ASCII texts it is what Google's `rouge_score` gives without its stemmer. The other
//! measure is Levenshtein's distance in characters, taken from 1 and divided by the longer length.
//!
//! Case and white space count in neither. Both take time that grows with both lengths at once, so there is a limit to these.

use unicode_normalization::char::is_combining_mark;
use unicode_segmentation::UnicodeSegmentation;

use crate::model::{Reply, Similar, Similarity};
use crate::text::normalise::fold;

use super::text::unless_cut;
use super::view::Finding;

/// The most words, or characters, of a text that is compared.
pub const LONGEST: usize = 5_000;

pub(super) fn similar(wanted: &Similar, reply: &Reply) -> Finding {
    let score = match wanted.by {
        Similarity::RougeL => rouge_l(&reply.text, &wanted.to),
        Similarity::Levenshtein => levenshtein(&reply.text, &wanted.to),
    };
    match score {
        Ok(score) => {
            let detail = format!("{} with the text is {score:.4}", wanted.by.in_words());
            let found = unless_cut(reply, false, score >= wanted.min, detail);
            Finding { score: Some(score), ..found }
        }
        Err(length) => {
            let unit = wanted.by.unit();
            Finding::new(None, format!("the reply has {length} {unit}, and at most {LONGEST} are compared"))
        }
    }
}

/// How long a text is to a measure: in words, or in characters.
#[must_use]
pub fn length(by: Similarity, text: &str) -> usize {
    match by {
        Similarity::RougeL => words(&fold(text)).len(),
        Similarity::Levenshtein => fold(text).chars().count(),
    }
}

/// `Err` has the length of a text that is too long.
fn rouge_l(reply: &str, wanted: &str) -> Result<f64, usize> {
    let (reply, wanted) = (fold(reply), fold(wanted));
    let (reply, wanted) = (words(&reply), words(&wanted));
    match reply.len().max(wanted.len()) {
        0 => Ok(0.0),
        longest if longest > LONGEST => Err(longest),
        // Precision and recall share the numerator, so their harmonic mean is one division.
        _ => Ok(share(2 * common(&reply, &wanted), reply.len() + wanted.len())),
    }
}

fn levenshtein(reply: &str, wanted: &str) -> Result<f64, usize> {
    let (reply, wanted) = (fold(reply), fold(wanted));
    match reply.chars().count().max(wanted.chars().count()) {
        0 => Ok(1.0),
        longest if longest > LONGEST => Err(longest),
        longest => Ok(share(longest - strsim::levenshtein(&reply, &wanted), longest)),
    }
}

#[expect(clippy::cast_precision_loss, reason = "both are small")]
fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

/// The words of a folded text, without what is neither letter nor digit: `don't` is `don` and `t`, as `rouge_score` has it.
/// In scripts without spaces words are what Unicode takes for them.
fn words(folded: &str) -> Vec<&str> {
    let parts =
        folded.unicode_words().flat_map(|word| word.split(|c: char| !c.is_alphanumeric() && !is_combining_mark(c)));
    parts.filter(|part| !part.is_empty()).collect()
}

/// The length of the longest common subsequence.
fn common(one: &[&str], other: &[&str]) -> usize {
    let mut lengths = vec![0; other.len() + 1];
    for word in one {
        let mut diagonal = 0;
        for (at, theirs) in other.iter().enumerate() {
            let above = lengths[at + 1];
            lengths[at + 1] = if word == theirs { diagonal + 1 } else { above.max(lengths[at]) };
            diagonal = above;
        }
    }
    lengths[other.len()]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Case {
        reply: String,
        to: String,
        rouge_l: f64,
        levenshtein: f64,
    }

    #[test]
    fn scores_are_those_of_other_programs() {
        let cases: Vec<Case> =
            serde_json::from_str(include_str!("../../tests/fixtures/similar/reference.json")).unwrap();
        assert!(cases.len() > 20);
        for Case { reply, to, rouge_l: rouge, levenshtein: distance } in cases {
            assert!((rouge_l(&reply, &to).unwrap() - rouge).abs() < 1e-12, "ROUGE-L of {reply:?} and {to:?}");
            assert!(
                (levenshtein(&reply, &to).unwrap() - distance).abs() < 1e-12,
                "Levenshtein of {reply:?} and {to:?}"
            );
        }
    }

    #[test]
    fn words_are_found_in_scripts_without_spaces_and_keep_their_marks() {
        assert_eq!(words("我叫priya"), ["我", "叫", "priya"]);
        assert_eq!(words("नमस्ते दुनिया"), ["नमस्ते", "दुनिया"]);
        assert_eq!(words("don't re-use a_b, 3.14!"), ["don", "t", "re", "use", "a", "b", "3", "14"]);
    }

    #[test]
    fn a_text_that_is_too_long_is_not_compared() {
        let megabyte = "a ".repeat(500_000);
        assert_eq!(rouge_l(&megabyte, "a"), Err(500_000));
        assert_eq!(levenshtein(&megabyte, "a"), Err(999_999));
        assert!(rouge_l(&"a ".repeat(LONGEST), "a").unwrap() > 0.0);
    }

    proptest! {
        #[test]
        fn both_are_shares_and_whole_for_the_same_text(one in "[a-c ]{0,12}", other in "[a-c ]{0,12}") {
            for measure in [rouge_l, levenshtein] {
                let score = measure(&one, &other).unwrap();
                prop_assert!((0.0..=1.0).contains(&score));
                prop_assert!((score - measure(&other, &one).unwrap()).abs() < 1e-12);
            }
            prop_assert!((levenshtein(&one, &one).unwrap() - 1.0).abs() < 1e-12);
            prop_assert!(rouge_l(&one, &one).unwrap() > 0.999 || words(&one).is_empty());
        }
    }
}
