//! Replaces what varies in the texts of a transcript, as its scenario asks. Pure.
//!
//! Redactions are applied one behind the other, each to what the one before it left. A search takes the text's length times
//! the expression's, all matches of a hostile expression together may take as many times as much as there are matches, and a
//! replacement may make a text longer: all this has limits, beyond which there is no snapshot rather than one that is redacted
//! in part. It is counted, not timed, so that the same conversation has the same snapshot everywhere.

use std::borrow::Cow;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::model::{Pattern, Redaction};

/// The most work in all texts of a conversation: bytes looked at, each times the places of the expression in which it may
/// stand. The worst expressions that were found take 8 to 17 ns for one, so this takes some seconds at most. Ten
/// ordinary redactions on a hundred kilobytes come to a tenth of it.
const MAX_WORK: u64 = 512 << 20;
/// What a byte takes beside, however short the expression is.
const LEAST: u64 = 8;
/// A text may grow up to so many bytes.
const MAX_TEXT: usize = 4 << 20;

/// A redaction that cannot be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RedactError {
    /// The expression is none for this version of the tool.
    #[error("`{pattern}` under `snapshot_redact` is no regular expression")]
    Invalid {
        /// The expression.
        pattern: String,
    },
    /// It would take too long, or make too long a text.
    #[error(
        "`{pattern}` under `snapshot_redact` is too much work for texts as long as these: a shorter expression is less, and \
         one that matches less often"
    )]
    TooMuch {
        /// The expression.
        pattern: String,
    },
}

/// The redactions of a scenario, ready to be applied.
#[derive(Debug, Default)]
pub(super) struct Redactions {
    rules: Vec<Redaction>,
    expressions: Vec<Expression>,
    digest: Option<String>,
}

/// An expression with what looking for it takes.
#[derive(Debug)]
struct Expression {
    pattern: Pattern,
    /// For a byte that is looked at.
    work: u64,
    /// So many bytes behind a match may be looked at before it is known to be one.
    ahead: usize,
}

impl From<Pattern> for Expression {
    fn from(pattern: Pattern) -> Self {
        let work = pattern.positions().saturating_add(LEAST);
        Self { work, ahead: pattern.longest_match().unwrap_or(usize::MAX), pattern }
    }
}

impl Redactions {
    /// Makes these redactions ready; where they are those that are ready already, nothing is done.
    pub(super) fn prepare(&mut self, rules: &[Redaction]) -> Result<(), RedactError> {
        if self.rules == rules {
            return Ok(());
        }
        let expressions = rules.iter().map(|rule| {
            Pattern::new(&rule.pattern)
                .map(Expression::from)
                .map_err(|_| RedactError::Invalid { pattern: rule.pattern.clone() })
        });
        self.expressions = expressions.collect::<Result<_, _>>()?;
        self.rules = rules.to_vec();
        self.digest = (!rules.is_empty()).then(|| digest(rules));
        Ok(())
    }

    /// What tells these redactions from others; `None` where there are none.
    pub(super) fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// For the texts of a conversation with these canaries, by the names of their facts.
    pub(super) fn begin(&self, canaries: &Map<String, Value>) -> Texts<'_> {
        let named =
            |(name, value): (&String, &Value)| Some((value.as_str()?.to_ascii_lowercase(), format!("‹{name}›")));
        let mut canaries: Vec<(String, String)> = canaries.iter().filter_map(named).collect();
        canaries.retain(|(value, _)| !value.is_empty());
        Texts { redactions: self, canaries, work_left: MAX_WORK }
    }
}

/// The first 16 hexadecimal digits of SHA-256 over the JSON of the rules.
fn digest(rules: &[Redaction]) -> String {
    // Texts can always be written.
    let json = serde_json::to_string(rules).unwrap_or_default();
    let first = Sha256::digest(json).iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    format!("sha256-{first:016x}")
}

/// Redacts the texts of one conversation.
pub(super) struct Texts<'r> {
    redactions: &'r Redactions,
    /// What a canary is in small letters, and what stands in its place.
    canaries: Vec<(String, String)>,
    work_left: u64,
}

impl Texts<'_> {
    /// The text with everything replaced that is to be.
    pub(super) fn redact<'t>(&mut self, text: &'t str) -> Result<Cow<'t, str>, RedactError> {
        let mut text = self.without_canaries(text);
        for (rule, expression) in self.redactions.rules.iter().zip(&self.redactions.expressions) {
            let replaced = replace(expression, &rule.with, &text, &mut self.work_left);
            let replaced = replaced.ok_or_else(|| RedactError::TooMuch { pattern: rule.pattern.clone() })?;
            if let Some(replaced) = replaced {
                text = Cow::Owned(replaced);
            }
        }
        Ok(text)
    }

    /// The text with `‹name›` in the place of each canary, however it is capitalised: another seed makes no other transcript.
    pub(super) fn without_canaries<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut text = Cow::Borrowed(text);
        for (value, name) in &self.canaries {
            // Places stay where they are: only ASCII changes.
            let low = text.to_ascii_lowercase();
            if let Some(first) = low.find(value) {
                let (mut replaced, mut kept) = (text[..first].to_owned(), first);
                for (at, found) in low[first..].match_indices(value).map(|(at, found)| (first + at, found)) {
                    replaced.push_str(&text[kept..at]);
                    replaced.push_str(name);
                    kept = at + found.len();
                }
                replaced.push_str(&text[kept..]);
                text = Cow::Owned(replaced);
            }
        }
        text
    }
}

/// The text with every match replaced: `Some(None)` where there is none, `None` where that is too much.
#[expect(clippy::option_option, reason = "too much is not the same as nothing")]
fn replace(expression: &Expression, with: &str, text: &str, work_left: &mut u64) -> Option<Option<String>> {
    let mut spend = |bytes: usize| {
        *work_left = work_left.checked_sub((bytes as u64).saturating_mul(expression.work))?;
        Some(())
    };
    spend(text.len())?;
    let mut replaced = String::new();
    let mut kept = 0;
    // Expressions that match nothing at all are refused at load time; in a journal there may be one.
    for found in expression.pattern.find_all(text).filter(|found| !found.is_empty()) {
        // What was looked at behind it is looked at again.
        spend(expression.ahead.min(text.len() - found.end))?;
        replaced.push_str(&text[kept..found.start]);
        replaced.push_str(with);
        kept = found.end;
        if replaced.len() > text.len().max(MAX_TEXT) {
            return None;
        }
    }
    if kept == 0 {
        return Some(None);
    }
    replaced.push_str(&text[kept..]);
    Some(Some(replaced))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redact(rules: &[(&str, &str)], text: &str) -> Result<String, RedactError> {
        let rule = |(pattern, with): &(&str, &str)| Redaction { pattern: (*pattern).into(), with: (*with).into() };
        let mut redactions = Redactions::default();
        redactions.prepare(&rules.iter().map(rule).collect::<Vec<_>>())?;
        Ok(redactions.begin(&Map::new()).redact(text)?.into_owned())
    }

    #[test]
    fn every_match_is_replaced_and_what_stands_there_is_taken_as_it_is() {
        for (rules, text, expected) in [
            (&[][..], "2026-11-25", "2026-11-25"),
            (&[(r"\d{4}-\d{2}-\d{2}", "[date]")], "2026-11-25, 2026-11-26.", "[date], [date]."),
            (&[(r"(\w+)@\w+", "$1 \\1 ${0}")], "me@here", "$1 \\1 ${0}"),
            (&[("x+", "")], "axxbx", "ab"),
            // One behind the other.
            (&[("a", "b"), ("bb", "c")], "ab", "c"),
            (&[("(?s)<.*?>", "[tag]")], "<a\nb> é <c>", "[tag] é [tag]"),
            // What surrounds a match counts.
            (&[(r"\bno\b", "yes")], "no nono no", "yes nono yes"),
            // Nothing is put where nothing was.
            (&[("a*", "-")], "baab", "b-b"),
        ] {
            assert_eq!(redact(rules, text).unwrap(), expected, "{rules:?} on {text}");
        }
    }

    #[test]
    fn what_takes_too_long_or_grows_too_much_is_refused_and_not_done_in_part() {
        let after = |expression: &str, text: &str, work: u64| {
            let expression = Expression::from(Pattern::new(expression).unwrap());
            let mut work_left = work * expression.work;
            let replaced = replace(&expression, "b", text, &mut work_left);
            (replaced, work_left / expression.work)
        };
        // 4 bytes, and of 3 + 2 + 1 behind the matches one each, since no match is longer.
        assert_eq!(after("a", "aaaa", 9), (Some(Some("bbbb".into())), 2));
        // Or all of them, where one may be as long as anything.
        assert_eq!(after("ac?|ac+d", "aaaa", 12), (Some(Some("bbbb".into())), 2));
        assert_eq!(after("ac?|ac+d", "aaaa", 9).0, None);
        assert_eq!(after("x", "aaaa", 4), (Some(None), 0));
        assert_eq!(after("x", "aaaa", 3).0, None);
        let doubling = [("a", "aa"); 40];
        assert_eq!(redact(&doubling, "a"), Err(RedactError::TooMuch { pattern: "a".into() }));
    }

    #[test]
    fn a_hostile_expression_is_refused_soon_and_an_ordinary_one_never_in_an_ordinary_conversation() {
        // Every second character may be the first of a match until the text ends.
        let text: String =
            (0..200_000_u32).map(|n| if n.wrapping_mul(2_654_435_761) >> 31 == 0 { 'a' } else { 'b' }).collect();
        let hostile = [("[ab]*a[ab]{5000}c", "x"); 50];
        assert!(matches!(redact(&hostile, &text), Err(RedactError::TooMuch { .. })));
        assert!(matches!(redact(&[("a|a[ab]{3000}c", "x")], &text), Err(RedactError::TooMuch { .. })));
        let log = "2026-11-25 order-81732 for me@example.com: $12.50\n".repeat(500);
        let ordinary =
            [(r"\d{4}-\d{2}-\d{2}", "[date]"), (r"order-\d{1,9}", "[order]"), (r"\$\d{1,6}\.\d\d", "[price]")];
        assert!(redact(&ordinary, &log).unwrap().starts_with("[date] [order] for me@example.com: [price]\n"));
        let unbounded = [(r"order-\d+", "[order]"), (r"\w+@[a-z]{1,20}\.com", "[mail]")];
        assert!(redact(&unbounded, &log[..10_000]).is_ok());
    }

    #[test]
    fn an_expression_of_another_version_is_named() {
        let error = redact(&[("(?<", "x")], "text").unwrap_err();
        assert_eq!(error.to_string(), "`(?<` under `snapshot_redact` is no regular expression");
    }
}
