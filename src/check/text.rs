//! Checks on a reply's words alone.
//!
//! The reply is not withheld: there is a text. Where it was cut off, `holds` is given only where it would be the same
//! however the reply had gone on: a limit already broken, a text already there, a beginning that is already another.

use std::collections::BTreeSet;

use serde::de::IgnoredAny;

use crate::model::{Pattern, Reply, Text};
use crate::text::count;
use crate::text::escape::quote;
use crate::text::normalise::{fold, fold_with_edges};

use super::view::Finding;

/// How much of a text a detail shows, in characters.
pub(super) const SHOWN: usize = 80;

/// The texts in quotation marks, with commas.
pub(super) fn quoted<'t>(texts: impl IntoIterator<Item = &'t Text>) -> String {
    texts.into_iter().map(|text| quote(&text.text, SHOWN)).collect::<Vec<_>>().join(", ")
}

/// A text with its folded form, to look for many texts in.
pub(super) struct Haystack<'t> {
    raw: &'t str,
    folded: String,
}

impl<'t> Haystack<'t> {
    pub(super) fn new(raw: &'t str) -> Self {
        Self { raw, folded: fold_with_edges(raw) }
    }

    pub(super) fn has(&self, wanted: &Text) -> bool {
        if wanted.case { self.raw.contains(&wanted.text) } else { self.folded.contains(&fold_with_edges(&wanted.text)) }
    }
}

/// A finding that a cut reply leaves open, unless it is certain already.
pub(super) fn unless_cut(reply: &Reply, is_certain: bool, holds: bool, detail: String) -> Finding {
    if reply.is_cut() && !is_certain {
        Finding::new(None, format!("the reply was cut off by its length limit; so far {detail}"))
    } else {
        Finding::new(holds, detail)
    }
}

pub(super) fn contains(texts: &[Text], reply: &Reply) -> Finding {
    let haystack = Haystack::new(&reply.text);
    let missing: Vec<&Text> = texts.iter().filter(|text| !haystack.has(text)).collect();
    if missing.is_empty() {
        return Finding::new(true, format!("the reply has {}", quoted(texts)));
    }
    unless_cut(reply, false, false, format!("the reply does not have {}", quoted(missing)))
}

pub(super) fn contains_any(texts: &[Text], reply: &Reply) -> Finding {
    let haystack = Haystack::new(&reply.text);
    match texts.iter().find(|text| haystack.has(text)) {
        Some(text) => Finding::new(true, format!("the reply has {}", place(text, reply))),
        None if texts.len() == 1 => {
            unless_cut(reply, false, false, format!("the reply does not have {}", quoted(texts)))
        }
        None => unless_cut(reply, false, false, format!("the reply has none of {}", quoted(texts))),
    }
}

pub(super) fn not_contains(texts: &[Text], reply: &Reply) -> Finding {
    let haystack = Haystack::new(&reply.text);
    let there: Vec<String> = texts.iter().filter(|text| haystack.has(text)).map(|text| place(text, reply)).collect();
    if there.is_empty() {
        let detail = if texts.len() == 1 { "the reply does not have" } else { "the reply has none of" };
        return unless_cut(reply, false, true, format!("{detail} {}", quoted(texts)));
    }
    Finding::new(false, format!("the reply has {}", there.join(", ")))
}

/// The text, and of a reply of several lines the first that has it.
fn place(text: &Text, reply: &Reply) -> String {
    let lines: Vec<&str> = reply.text.lines().collect();
    let line = lines.iter().position(|line| Haystack::new(line).has(text));
    match line {
        Some(line) if lines.len() > 1 => {
            format!("{} in line {} of {}", quote(&text.text, SHOWN), line + 1, lines.len())
        }
        _ => quote(&text.text, SHOWN),
    }
}

/// Reply and wanted text as they are compared: trimmed, and folded where case does not matter.
fn comparable(wanted: &Text, reply: &Reply) -> (String, String) {
    let form = |text: &str| if wanted.case { text.trim().to_owned() } else { fold(text) };
    (form(&reply.text), form(&wanted.text))
}

pub(super) fn equals(wanted: &Text, reply: &Reply) -> Finding {
    let (text, whole) = comparable(wanted, reply);
    unless_cut(
        reply,
        !whole.starts_with(&text),
        text == whole,
        format!("the reply is {}", quote(reply.text.trim(), SHOWN)),
    )
}

pub(super) fn starts_with(wanted: &Text, reply: &Reply) -> Finding {
    let (text, beginning) = comparable(wanted, reply);
    let is_decided = text.starts_with(&beginning) || !beginning.starts_with(&text);
    let detail = format!("the reply begins with {}", quote(reply.text.trim(), SHOWN));
    unless_cut(reply, is_decided, text.starts_with(&beginning), detail)
}

pub(super) fn ends_with(wanted: &Text, reply: &Reply) -> Finding {
    let (text, end) = comparable(wanted, reply);
    let trimmed = reply.text.trim();
    let shown = trimmed.char_indices().rev().nth(SHOWN - 1).map_or(trimmed, |(start, _)| &trimmed[start..]);
    unless_cut(reply, false, text.ends_with(&end), format!("the reply ends with {}", quote(shown, SHOWN)))
}

pub(super) fn matches(pattern: &Pattern, reply: &Reply) -> Finding {
    let (is_certain, found) = (pattern.is_match_whatever_follows(&reply.text), pattern.find(&reply.text));
    let detail = found.map_or_else(
        || "the reply has no match".to_owned(),
        |found| format!("the reply has the match {}", quote(found, SHOWN)),
    );
    unless_cut(reply, is_certain, found.is_some(), detail)
}

pub(super) fn not_matches(pattern: &Pattern, reply: &Reply) -> Finding {
    let found = matches(pattern, reply);
    Finding { holds: found.holds.map(|holds| !holds), ..found }
}

pub(super) fn min_words(limit: u64, reply: &Reply) -> Finding {
    let words = count::words(&reply.text);
    counted(words, "word", reply, is_at_least(words, limit), is_at_least(words, limit))
}

pub(super) fn max_words(limit: u64, reply: &Reply) -> Finding {
    let words = count::words(&reply.text);
    counted(words, "word", reply, is_over(words, limit), !is_over(words, limit))
}

pub(super) fn max_chars(limit: u64, reply: &Reply) -> Finding {
    let chars = reply.text.chars().count();
    counted(chars, "character", reply, is_over(chars, limit), !is_over(chars, limit))
}

pub(super) fn max_sentences(limit: u64, reply: &Reply) -> Finding {
    let sentences = count::sentences(&reply.text);
    // A break at the very end can be undone by what follows: after `Approx. 5` a small letter makes it one sentence.
    let fewest = ["a", " a"].iter().map(|more| count::sentences(&format!("{}{more}", reply.text)));
    let is_broken = is_over(fewest.chain([sentences]).min().unwrap_or(sentences), limit);
    counted(sentences, "sentence", reply, is_broken, !is_over(sentences, limit))
}

fn is_at_least(count: usize, limit: u64) -> bool {
    u64::try_from(count).is_ok_and(|count| count >= limit)
}

fn is_over(count: usize, limit: u64) -> bool {
    u64::try_from(count).is_ok_and(|count| count > limit)
}

fn counted(count: usize, unit: &str, reply: &Reply, is_certain: bool, holds: bool) -> Finding {
    let plural = if count == 1 { "" } else { "s" };
    let found = unless_cut(reply, is_certain, holds, format!("the reply has {count} {unit}{plural}"));
    #[expect(clippy::cast_precision_loss, reason = "no reply has 2^53 words")]
    let score = count as f64;
    Finding { score: Some(score), ..found }
}

/// Lengths of runs of backticks that are looked at; of a text with more of them nothing is certain.
const RUNS_MOST: usize = 8;

/// How a text may go on so that any code span in it that is open closes; `None` where there are too many ways.
fn ends_of_spans(text: &str) -> Option<BTreeSet<String>> {
    let last = text.len() - text.trim_end_matches('`').len();
    let runs = text.split(|c: char| c != '`').map(str::len).filter(|length| *length > 0);
    let lengths: BTreeSet<usize> = runs.chain(1..=3).collect();
    let closing = lengths.iter().flat_map(|length| {
        let ticks = |count: usize| "`".repeat(count);
        let grown = length.checked_sub(last).map(|more| format!("{}a", ticks(more)));
        grown.into_iter().chain([format!("a{}", ticks(*length)), format!("{}a", ticks(*length))])
    });
    (lengths.len() <= RUNS_MOST).then(|| closing.chain(["a".to_owned()]).collect())
}

pub(super) fn asks(wanted: bool, reply: &Reply) -> Finding {
    let asks = count::asks_question(&reply.text);
    // A mark at the end may have been an address's, and an open code span may have been about to close, by a run of backticks of
    // its own length: a new one, or the last one that has come, grown.
    let asks_still = |more: &String| count::asks_question(&format!("{}{more}", reply.text));
    let is_certain =
        asks && reply.is_cut() && ends_of_spans(&reply.text).is_some_and(|ends| ends.iter().all(asks_still));
    let detail = if asks { "the reply asks a question" } else { "the reply asks no question" };
    unless_cut(reply, is_certain, asks == wanted, detail.to_owned())
}

pub(super) fn json(wanted: bool, reply: &Reply) -> Finding {
    let parsed = serde_json::from_str::<IgnoredAny>(unfenced(reply.text.trim()));
    let detail = match &parsed {
        Ok(_) => "the reply is JSON".to_owned(),
        Err(error) => format!("the reply is not JSON: {error}"),
    };
    unless_cut(reply, false, parsed.is_ok() == wanted, detail)
}

/// What stands inside a ```` ```json ```` fence that begins and ends the text; else the text.
pub(super) fn unfenced(text: &str) -> &str {
    let inside = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```"));
    let Some((info, json)) = inside.and_then(|inside| inside.split_once('\n')) else { return text };
    if info.trim().eq_ignore_ascii_case("json") { json } else { text }
}
