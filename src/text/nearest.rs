//! Finds the word that was probably meant: for "did you mean …?".

use strsim::damerau_levenshtein;

/// Words beyond this many bytes are no typing errors; comparing them would take time that grows with their square.
const LONGEST: usize = 100;

/// The candidate nearest to `word`, upper and lower case alike; the first of several equally near ones.
///
/// A candidate is near when it is made from the word by few changes (a letter more, less or other, or two neighbours in
/// the wrong order): at most one for every three letters of the longer of the two, and one in any case. Where there is
/// none such, one that begins with the word, or the word with it, is near too. `None` where nothing is: a wild guess
/// helps nobody.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > LONGEST {
        return None;
    }
    let word = word.to_lowercase();
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= LONGEST)
        .filter_map(|candidate| Some((cost(&word, &candidate.to_lowercase())?, candidate)))
        .min_by_key(|&(cost, _)| cost)
        .map(|(_, candidate)| candidate)
}

/// How far apart two words are; `None` where they are not near.
fn cost(word: &str, candidate: &str) -> Option<usize> {
    let (shorter, longer) = order(word.chars().count(), candidate.chars().count());
    if shorter == 0 {
        return None;
    }
    let distance = damerau_levenshtein(word, candidate);
    // Two words of one letter each have nothing in common when that letter changes.
    if distance <= (longer / 3).max(1) && distance < longer {
        return Some(distance);
    }
    // A beginning is a weaker hint than a small error: it counts as farther off than any of those.
    let is_beginning = shorter >= 2 && (candidate.starts_with(word) || word.starts_with(candidate));
    is_beginning.then_some(LONGEST + distance)
}

fn order(one: usize, other: usize) -> (usize, usize) {
    (one.min(other), one.max(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 8] =
        ["name", "employer", "contains", "contains_any", "not_contains", "max_words", "min_words", "h"];

    #[test]
    fn a_typing_error_finds_its_word() {
        for (word, meant) in [
            ("nmae", "name"),
            ("Name", "name"),
            ("emploier", "employer"),
            ("contain", "contains"),
            ("contains-any", "contains_any"),
            ("maxwords", "max_words"),
            ("max_word", "max_words"),
            ("emp", "employer"),
            ("names_of_all", "name"),
        ] {
            assert_eq!(nearest(word, KEYS), Some(meant), "{word}");
        }
    }

    #[test]
    fn a_word_that_is_like_no_other_finds_none() {
        for word in ["", "x", "turns", "colour", "zzzz", "e"] {
            assert_eq!(nearest(word, KEYS), None, "{word}");
        }
        assert_eq!(nearest("name", []), None);
        assert_eq!(nearest("name", [""]), None);
        assert_eq!(nearest(&"name".repeat(1000), KEYS), None);
    }

    #[test]
    fn of_equally_near_words_the_first_is_taken() {
        assert_eq!(nearest("bat", ["cat", "hat"]), Some("cat"));
        assert_eq!(nearest("contains_an", ["contains_and_more", "contains_any"]), Some("contains_any"));
    }
}
