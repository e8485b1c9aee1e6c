//! Says where in a request a fact is visible and how long ago it was last mentioned.
//!
//! A fact is in a text or it is not: nothing here judges who said it, whether it was denied, or what a model will make
//! of it.

use std::collections::HashSet;

use crate::model::{Fact, MatchKind, Message, Pattern, Role, Visibility};
use crate::text::normalise::{contains_word, fold, fold_keeping_case, is_surely_not_in};

/// One value of a fact with its spellings, ready to be looked for.
///
/// Words and texts are compared folded. An expression sees the text with its compatibility forms and white space folded
/// and ignores case, unless it says `(?-i)` itself: folding its case away would leave `T-\d+` with nothing to match.
#[derive(Debug, Clone)]
pub struct FactMatcher {
    /// Each spelling as it was given, and folded.
    spellings: Vec<(String, String)>,
    is_word: bool,
    pattern: Option<Pattern>,
}

impl FactMatcher {
    /// A matcher for a value's spellings. With [`MatchKind::Regex`] the expression is looked for, and beside it the
    /// spellings as words; without an expression only these. Spellings that are blank are never found.
    pub fn new<'v>(values: impl IntoIterator<Item = &'v str>, matching: MatchKind, regex: Option<&Pattern>) -> Self {
        let spellings = values
            .into_iter()
            .map(|value| (value.to_owned(), fold(value)))
            .filter(|(_, folded)| !folded.is_empty())
            .collect();
        let pattern = regex.filter(|_| matching == MatchKind::Regex).map(ignoring_case);
        Self { spellings, is_word: matching != MatchKind::Text, pattern }
    }

    /// The matcher for one value of a fact. The aliases, and the expression where there is one, stand for the fact's
    /// `value`; any other value has one spelling, and is looked for as a word where the fact has an expression.
    #[must_use]
    pub fn of_value(fact: &Fact, value: &str) -> Self {
        if value != fact.value && fold(value) != fold(&fact.value) {
            return Self::new([value], fact.matching, None);
        }
        let aliases = fact.aliases.iter().map(String::as_str);
        match fact.matching {
            // The value is the expression's example: where the two disagree, the expression says what counts.
            MatchKind::Regex if fact.regex.is_some() => Self::new(aliases, MatchKind::Regex, fact.regex.as_ref()),
            matching => Self::new([fact.value.as_str()].into_iter().chain(aliases), matching, None),
        }
    }

    /// All values of a fact with their matchers: `value` first, then the outdated ones.
    #[must_use]
    pub fn of_fact(fact: &Fact) -> Vec<(&str, Self)> {
        let outdated = fact.outdated.iter().map(String::as_str);
        [fact.value.as_str()].into_iter().chain(outdated).map(|value| (value, Self::of_value(fact, value))).collect()
    }

    /// Whether the value is in the text.
    #[must_use]
    pub fn is_in(&self, text: &str) -> bool {
        let is_matched = |pattern: &Pattern| find(pattern, text).is_some();
        self.pattern.as_ref().is_some_and(is_matched) || self.spelling_in(text).is_some()
    }

    /// The spelling that is in the text: as it was declared, or what the expression matched there.
    #[must_use]
    pub fn find_in(&self, text: &str) -> Option<String> {
        let matched = self.pattern.as_ref().and_then(|pattern| find(pattern, text));
        matched.or_else(|| self.spelling_in(text).map(str::to_owned))
    }

    /// The same for a text that was cut off: a spelling that is there however the text would have gone on. `Ann` at the
    /// very end may have been about to become `Anna`.
    #[must_use]
    pub fn find_in_cut(&self, beginning: &str) -> Option<String> {
        let is_certain =
            |pattern: &Pattern| pattern.is_match_whatever_follows(fold_keeping_case(beginning).trim_start());
        let pattern = self.pattern.as_ref().filter(|pattern| is_certain(pattern));
        let matched = pattern.and_then(|pattern| find(pattern, beginning));
        matched.or_else(|| {
            // What stands before a further letter stands before anything.
            let spelling = self.spelling_in(&format!("{beginning}a"))?;
            self.spelling_in(beginning).map(|_| spelling.to_owned())
        })
    }

    fn spelling_in(&self, text: &str) -> Option<&str> {
        if self.spellings.iter().all(|(_, word)| is_surely_not_in(text, word)) {
            return None;
        }
        let folded = fold(text);
        let is_found = |word: &str| if self.is_word { contains_word(&folded, word) } else { folded.contains(word) };
        self.spellings.iter().find(|(_, word)| is_found(word)).map(|(spelling, _)| spelling.as_str())
    }

    /// What else than `value` counts as it: its other spellings, and what the expression matches in these texts.
    #[must_use]
    pub fn beside<'t>(&self, value: &str, texts: impl IntoIterator<Item = &'t str>) -> Vec<String> {
        let mut others: Vec<String> = self.spellings.iter().map(|(spelling, _)| spelling.clone()).collect();
        if let Some(pattern) = &self.pattern {
            others.extend(texts.into_iter().filter_map(|text| find(pattern, text)));
        }
        let mut known = HashSet::from([value.to_owned()]);
        others.retain(|other| known.insert(other.clone()));
        others
    }

    /// Of several values, the one whose first mention is the latest, with its place among the texts: what holds now,
    /// where each of them replaced the one before. Where two are first mentioned in the same text, the one that comes
    /// first in `values`. `None` when none is mentioned.
    #[must_use]
    pub fn latest<'t>(values: &[(&str, Self)], texts: &(impl Iterator<Item = &'t str> + Clone)) -> Option<usize> {
        let first_mentions = values.iter().enumerate().filter_map(|(index, (_, matcher))| {
            texts.clone().position(|text| matcher.is_in(text)).map(|position| (position, index))
        });
        first_mentions.reduce(|best, next| if next.0 > best.0 { next } else { best }).map(|(_, index)| index)
    }
}

fn find(pattern: &Pattern, text: &str) -> Option<String> {
    pattern.find(fold_keeping_case(text).trim()).map(str::to_owned)
}

/// The same expression, case ignored; the expression itself where that made it too large.
fn ignoring_case(pattern: &Pattern) -> Pattern {
    Pattern::new(&format!("(?i){pattern}")).unwrap_or_else(|_| pattern.clone())
}

/// Where in a request a fact was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting {
    /// In whose words.
    pub visible: Visibility,
    /// The position of the message in the request, from 0; `None` exactly where it is not visible.
    pub position: Option<usize>,
}

/// Looks for a fact in a request, its own user message last.
///
/// Of the classes of messages the first of `user`, `assistant`, `system`, `question` that has it is named, and of that
/// class the first message that has it: where the fact comes from.
#[must_use]
pub fn sight(matcher: &FactMatcher, sent: &[&Message]) -> Sighting {
    let last = sent.len().saturating_sub(1);
    let class = |position: usize, message: &Message| match message.role {
        Role::User if position == last => Visibility::Question,
        Role::User => Visibility::User,
        Role::Assistant => Visibility::Assistant,
        Role::System => Visibility::System,
    };
    let carriers: Vec<(usize, Visibility)> = sent
        .iter()
        .enumerate()
        .filter(|(_, message)| matcher.is_in(&message.content))
        .map(|(position, message)| (position, class(position, message)))
        .collect();
    [Visibility::User, Visibility::Assistant, Visibility::System, Visibility::Question]
        .into_iter()
        .find_map(|visible| carriers.iter().find(|carrier| carrier.1 == visible))
        .map_or(Sighting { visible: Visibility::No, position: None }, |&(position, visible)| Sighting {
            visible,
            position: Some(position),
        })
}

/// Whole exchanges between the fact's last mention in the history and the turn that follows it: 0 for the exchange
/// before this turn. `None` where the history never mentions it.
///
/// `history` is the whole of it, without the system message, whatever was sent.
#[must_use]
pub fn distance(matcher: &FactMatcher, history: &[Message]) -> Option<u32> {
    let mention = history.iter().rposition(|message| matcher.is_in(&message.content))?;
    let exchanges = history[mention + 1..].iter().filter(|message| message.role == Role::User).count();
    Some(u32::try_from(exchanges).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Origin;

    fn messages(lines: &[(Role, &str)]) -> Vec<Message> {
        lines.iter().map(|&(role, text)| Message::new(role, Origin::System, text)).collect()
    }

    fn priya() -> FactMatcher {
        FactMatcher::new(["Priya", "P. Sharma"], MatchKind::Word, None)
    }

    fn fact(matching: MatchKind, regex: Option<&str>) -> Fact {
        Fact {
            name: "ticket".into(),
            value: "T-12".into(),
            aliases: vec!["number twelve".into()],
            matching,
            regex: regex.map(|source| Pattern::new(source).unwrap()),
            asks: vec![],
            outdated: vec!["T-7".into()],
        }
    }

    #[test]
    fn the_first_class_that_has_the_fact_is_named_and_its_first_message() {
        use Role::{Assistant, System, User};
        let table = [
            (&[(User, "Who am I?")][..], Visibility::No, None),
            (&[], Visibility::No, None),
            (&[(User, "Am I Priya?")], Visibility::Question, Some(0)),
            (&[(System, "Priya writes."), (User, "Am I Priya?")], Visibility::System, Some(0)),
            (&[(System, "Priya writes."), (Assistant, "Hi Priya"), (User, "Hm")], Visibility::Assistant, Some(1)),
            (
                &[
                    (System, "Priya."),
                    (Assistant, "Priya!"),
                    (User, "I'm P. Sharma"),
                    (Assistant, "Priya"),
                    (User, "I said Priya"),
                    (Assistant, "ok"),
                    (User, "Priya?"),
                ],
                Visibility::User,
                Some(2),
            ),
        ];
        for (lines, visible, position) in table {
            let list = messages(lines);
            let sent: Vec<&Message> = list.iter().collect();
            assert_eq!(sight(&priya(), &sent), Sighting { visible, position }, "{lines:?}");
        }
    }

    #[test]
    fn distance_counts_whole_exchanges_since_the_last_mention() {
        use Role::{Assistant, User};
        let table = [
            (&[][..], None),
            (&[(User, "hi"), (Assistant, "hi")], None),
            (&[(User, "I'm Priya"), (Assistant, "hi")], Some(0)),
            (&[(User, "hi"), (Assistant, "Priya?")], Some(0)),
            (&[(User, "I'm Priya"), (Assistant, "hi"), (User, "a"), (Assistant, "b")], Some(1)),
            (&[(User, "I'm Priya"), (Assistant, "hi"), (User, "a"), (Assistant, "Priya")], Some(0)),
            // Replies before the first user message form an exchange of their own.
            (&[(Assistant, "Hi Priya"), (User, "a"), (Assistant, "b"), (User, "a"), (Assistant, "b")], Some(2)),
        ];
        for (lines, expected) in table {
            assert_eq!(distance(&priya(), &messages(lines)), expected, "{lines:?}");
        }
    }

    #[test]
    fn the_kinds_of_matching_differ_at_the_edges_of_words() {
        for (matching, regex, text, expected) in [
            (MatchKind::Word, None, "it is t-12.", Some("T-12")),
            (MatchKind::Word, None, "it is T-123", None),
            (MatchKind::Word, None, "Number  Twelve", Some("number twelve")),
            (MatchKind::Text, None, "it is T-123", Some("T-12")),
            (MatchKind::Regex, Some(r"T-\d+"), "it is t-99\u{a0}ok", Some("t-99")),
            (MatchKind::Regex, Some(r"(?-i)T-\d+"), "it is t-99", None),
            (MatchKind::Regex, Some(r"T-1[0-1]"), "it is T-12", None),
            (MatchKind::Regex, Some(r"T-\d+"), "number twelve", Some("number twelve")),
            (MatchKind::Regex, None, "it is T-12", Some("T-12")),
        ] {
            let found = FactMatcher::of_value(&fact(matching, regex), "T-12").find_in(text);
            assert_eq!(found.as_deref(), expected, "{matching:?} {regex:?} in {text:?}");
        }
        assert!(!FactMatcher::new([" "], MatchKind::Text, None).is_in("a b"));
    }

    #[test]
    fn of_a_text_that_was_cut_off_only_what_cannot_change_is_there() {
        for (matching, regex, text, expected) in [
            (MatchKind::Word, None, "it is T-12", false),
            (MatchKind::Word, None, "it is T-12,", true),
            (MatchKind::Word, None, "it is T-12 ", true),
            (MatchKind::Text, None, "it is T-12", true),
            (MatchKind::Regex, Some(r"T-\d+"), "it is t-9", true),
            (MatchKind::Regex, Some(r"T-\d+\b"), "it is t-9", false),
            (MatchKind::Regex, Some(r"T-\d+\b"), "it is t-9 ", true),
            (MatchKind::Regex, Some(r"^t-\d+$"), " t-9", false),
        ] {
            let found = FactMatcher::of_value(&fact(matching, regex), "T-12").find_in_cut(text);
            assert_eq!(found.is_some(), expected, "{matching:?} {regex:?} in {text:?}");
        }
        assert!(FactMatcher::new(["小明"], MatchKind::Word, None).find_in_cut("你是小明").is_some());
        assert!(FactMatcher::new(["a"], MatchKind::Word, None).find_in_cut("not yet ").is_none());
    }

    #[test]
    fn aliases_and_expression_stand_for_the_last_value_only() {
        let fact = fact(MatchKind::Regex, Some("T-1."));
        let outdated = FactMatcher::of_value(&fact, "T-7");
        assert!(outdated.is_in("it was T-7"));
        assert!(!outdated.is_in("it was T-12, number twelve"));
    }

    #[test]
    fn beside_the_value_stand_its_aliases_and_what_the_expression_matched() {
        let texts = ["see T-15 now", "nothing", "t-15"];
        let beside = |matching, regex, value| FactMatcher::of_value(&fact(matching, regex), value).beside(value, texts);
        assert_eq!(beside(MatchKind::Word, None, "T-12"), ["number twelve"]);
        assert_eq!(beside(MatchKind::Regex, Some(r"T-1\d"), "T-12"), ["number twelve", "T-15", "t-15"]);
        assert!(beside(MatchKind::Word, None, "T-7").is_empty(), "an outdated value has one spelling");
    }

    #[test]
    fn the_value_that_came_up_last_is_the_latest() {
        let mut colour = fact(MatchKind::Word, None);
        colour.value = "Red".into();
        colour.outdated = vec!["Brown".into(), "Cream".into()];
        let values = FactMatcher::of_fact(&colour);
        for (texts, expected) in [
            (&["hi"][..], None),
            (&["Brown"], Some("Brown")),
            (&["Brown", "Cream"], Some("Cream")),
            (&["Brown", "Cream", "not Brown"], Some("Cream")),
            (&["Brown", "Red", "Cream"], Some("Cream")),
            (&["from Brown to Red"], Some("Red")),
        ] {
            let latest = FactMatcher::latest(&values, &texts.iter().copied()).map(|index| values[index].0);
            assert_eq!(latest, expected, "{texts:?}");
        }
    }
}
