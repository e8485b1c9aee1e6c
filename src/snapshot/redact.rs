//! Replaces what varies in the texts of a transcript, as its scenario asks. Pure.
//!
//! Redactions are applied one behind the other, each to what the one before it left. A search is linear in the text, but
//! all matches of a hostile expression together are not, and a replacement may make a text longer: both have limits,
//! beyond which there is no snapshot rather than one that is redacted in part.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use crate::model::{Pattern, Redaction};

/// The most bytes that are looked at again behind matches, in all texts of a conversation. Texts of a few kilobytes never
/// come near it.
const MAX_WORK: u64 = 4 << 30;
/// A text may grow up to so many bytes.
const MAX_TEXT: usize = 16 << 20;

/// A redaction that cannot be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RedactError {
    /// The expression is none for this version of the tool.
    #[error("`{pattern}` under `snapshot_redact` is no regular expression")]
    Invalid {
        /// The expression.
        pattern: String,
    },
    /// It matches too often in too long a text.
    #[error("`{pattern}` under `snapshot_redact` matches too often in so long a text")]
    TooMuch {
        /// The expression.
        pattern: String,
    },
}

/// The redactions of a scenario, ready to be applied.
#[derive(Debug, Default)]
pub(super) struct Redactions {
    rules: Vec<Redaction>,
    patterns: Vec<Pattern>,
    digest: Option<String>,
}

impl Redactions {
    /// Makes these redactions ready; where they are those that are ready already, nothing is done.
    pub(super) fn prepare(&mut self, rules: &[Redaction]) -> Result<(), RedactError> {
        if self.rules == rules {
            return Ok(());
        }
        let patterns = rules.iter().map(|rule| {
            Pattern::new(&rule.pattern).map_err(|_| RedactError::Invalid { pattern: rule.pattern.clone() })
        });
        self.patterns = patterns.collect::<Result<_, _>>()?;
        self.rules = rules.to_vec();
        self.digest = (!rules.is_empty()).then(|| digest(rules));
        Ok(())
    }

    /// What tells these redactions from others; `None` where there are none.
    pub(super) fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// For the texts of one conversation.
    pub(super) fn begin(&self) -> Texts<'_> {
        Texts { redactions: self, work_left: MAX_WORK }
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
    work_left: u64,
}

impl Texts<'_> {
    /// The text with everything replaced that is to be.
    pub(super) fn redact<'t>(&mut self, text: &'t str) -> Result<Cow<'t, str>, RedactError> {
        let mut text = Cow::Borrowed(text);
        for (rule, pattern) in self.redactions.rules.iter().zip(&self.redactions.patterns) {
            let replaced = replace(pattern, &rule.with, &text, &mut self.work_left);
            let replaced = replaced.ok_or_else(|| RedactError::TooMuch { pattern: rule.pattern.clone() })?;
            if let Some(replaced) = replaced {
                text = Cow::Owned(replaced);
            }
        }
        Ok(text)
    }
}

/// The text with every match replaced: `Some(None)` where there is none, `None` where that is too much.
#[expect(clippy::option_option, reason = "too much is not the same as nothing")]
fn replace(pattern: &Pattern, with: &str, text: &str, work_left: &mut u64) -> Option<Option<String>> {
    let mut replaced = String::new();
    let mut kept = 0;
    // Expressions that match nothing at all are refused at load time; in a journal there may be one.
    for found in pattern.find_all(text).filter(|found| !found.is_empty()) {
        // To find the next one, all that follows may be looked at.
        *work_left = work_left.checked_sub((text.len() - found.end) as u64)?;
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
        Ok(redactions.begin().redact(text)?.into_owned())
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
        let mut work_left = 9;
        let all = Pattern::new("a").unwrap();
        assert_eq!(replace(&all, "b", "aaaa", &mut work_left), Some(Some("bbbb".into())));
        // 3 + 2 + 1 + 0 bytes were looked at behind the matches.
        assert_eq!(work_left, 3);
        assert_eq!(replace(&all, "b", "aaaaa", &mut work_left), None);
        let doubling = [("a", "aa"); 40];
        assert_eq!(redact(&doubling, "a"), Err(RedactError::TooMuch { pattern: "a".into() }));
    }

    #[test]
    fn an_expression_of_another_version_is_named() {
        let error = redact(&[("(?<", "x")], "text").unwrap_err();
        assert_eq!(error.to_string(), "`(?<` under `snapshot_redact` is no regular expression");
    }
}
