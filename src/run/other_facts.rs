//! A reply with other values in the place of the facts' in it, that look alike and are none of theirs.

use regex::Regex;

use crate::model::{Fact, MatchKind, Script};

/// The reply with other values in the place of the facts'; `None` where it has none, or none that could be told in it.
pub(super) fn with_other_facts(reply: &str, script: &Script) -> Option<String> {
    let changed = script.facts.iter().fold(reply.to_owned(), |text, fact| without(fact, text));
    (changed != reply).then_some(changed)
}

fn without(fact: &Fact, text: String) -> String {
    let mut spellings: Vec<&str> = [fact.value.as_str()]
        .into_iter()
        .chain(fact.aliases.iter().chain(&fact.outdated).map(String::as_str))
        .filter(|spelling| !spelling.trim().is_empty())
        .collect();
    // The whole name before its first half.
    spellings.sort_by_key(|spelling| std::cmp::Reverse(spelling.len()));
    let words = spellings.iter().map(|spelling| {
        let words = spelling.split_whitespace().map(regex::escape).collect::<Vec<_>>().join(r"\s+");
        let edge = |c: Option<char>| if c.is_some_and(char::is_alphanumeric) { r"\b" } else { "" };
        match fact.matching {
            MatchKind::Text => words,
            _ => format!("{}{words}{}", edge(spelling.chars().next()), edge(spelling.chars().next_back())),
        }
    });
    let own = fact.regex.iter().map(|pattern| format!("(?:{pattern})"));
    let expression = own.chain(words).collect::<Vec<_>>().join("|");
    let Ok(expression) = Regex::new(&format!("(?i){expression}")) else { return text };
    let other = |found: &regex::Captures<'_>| if found[0].is_empty() { String::new() } else { other_value(&found[0]) };
    expression.replace_all(&text, other).into_owned()
}

/// Another value that looks alike: other letters, other digits.
fn other_value(value: &str) -> String {
    let shift = |c: char, first: u8, of: u8, by: u8| {
        let place = u8::try_from(u32::from(c)).unwrap_or(first) - first;
        char::from(first + (place + by) % of)
    };
    let other: String = value
        .chars()
        .map(|c| match c {
            'a'..='z' => shift(c, b'a', 26, 7),
            'A'..='Z' => shift(c, b'A', 26, 7),
            '0'..='9' => shift(c, b'0', 10, 3),
            other => other,
        })
        .collect();
    if other == value { "Zubrowa".to_owned() } else { other }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::FactMatcher;

    fn fact(value: &str, aliases: &[&str], matching: MatchKind) -> Fact {
        Fact {
            name: "f".into(),
            value: value.into(),
            aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
            matching,
            regex: None,
            asks: vec![],
            outdated: vec![],
        }
    }

    #[test]
    fn every_spelling_of_a_fact_is_replaced_and_nothing_else() {
        let name = fact("Priya", &["Priya Sharma"], MatchKind::Word);
        for (fact, reply, changed) in [
            (&name, "Hi Priya, PRIYA\nSharma!", "Hi Wypfh, WYPFH\nZohyth!"),
            (&name, "Priyanka is not it.", "Priyanka is not it."),
            (&fact("$2000", &["2,000"], MatchKind::Text), "It is $2000 (2,000).", "It is $5333 (5,333)."),
            (&fact("小明", &[], MatchKind::Text), "你是小明。", "你是Zubrowa。"),
        ] {
            let other = without(fact, reply.to_owned());
            assert_eq!(other, changed);
            let matcher = FactMatcher::of_value(fact, &fact.value);
            assert!(!matcher.is_in(&other), "{other}");
        }
    }
}
