//! Checks on a whole transcript: the live replies of a conversation's turns, judged once, behind the last of them.
//!
//! Where the conversation ended before its last turn, a verdict is given only where it would be the same however the rest had
//! gone; else the check is a `skip`, as those of the turns that were not played are. A reply that cannot be judged (empty,
//! withheld, cut off) leaves open what hangs on it, and nothing else.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::model::{CheckKind, Fact, Message, Reply, Text, Throughout, TranscriptKind, TurnId, Verdict};
use crate::text::escape::quote;
use crate::text::normalise::{fold, fold_with_edges};

use super::decide::{Decision, find};
use super::outside::{self, Gathered};
use super::text::{SHOWN, quoted};
use super::view::{Finding, TurnView, withheld};

/// A live turn as it went.
#[derive(Debug, Clone, PartialEq)]
pub struct Exchange {
    /// Its number.
    pub turn: u32,
    /// The reply.
    pub reply: Reply,
    /// The positions of what was sent in the conversation's own list, as half-open ranges.
    pub sent: Vec<(u32, u32)>,
    /// How many messages the history had when the request went out.
    pub before: usize,
    /// Tokens of the request; `None` where nobody counted them.
    pub tokens_sent: Option<u64>,
}

/// All of a conversation that a check on its transcript may look at.
#[derive(Debug, Clone, Copy)]
pub struct TranscriptView<'a> {
    /// The system message, where there is one.
    pub system: Option<&'a Message>,
    /// The whole history as it is at the end, without the system message.
    pub history: &'a [Message],
    /// The live turns that have their reply, in order.
    pub exchanges: &'a [Exchange],
    /// The first turn that has none because the conversation ended before it; `None` where all were played.
    pub ended_before: Option<u32>,
    /// The script's facts, to which checks point by index.
    pub facts: &'a [Fact],
    /// What was gathered outside for the check that is decided, by turn; turn 0 for the whole.
    pub gathered: &'a HashMap<u32, Gathered>,
}

/// What was found of a transcript.
struct Found {
    /// Whether the assertion holds; `None` where that cannot be known.
    holds: Option<bool>,
    /// That it is not known since turns were not played, or were measured elsewhere.
    is_skipped: bool,
    /// What was found, true in either case.
    detail: String,
    /// The turn that decided it.
    at: Option<u32>,
    score: Option<f64>,
    /// What is said even of a pass.
    note: Option<Cow<'static, str>>,
}

impl Found {
    fn new(holds: impl Into<Option<bool>>, at: Option<u32>, detail: String) -> Self {
        Self { holds: holds.into(), is_skipped: false, detail, at, score: None, note: None }
    }
}

impl Found {
    /// What was found of the whole.
    fn of(finding: Finding) -> Self {
        let Finding { holds, is_skipped, score, detail, note, .. } = finding;
        Self { holds, is_skipped, detail, at: None, score, note }
    }
}

/// Decides one check on a transcript. The verdict may be `skip` too.
#[must_use]
pub fn decide_transcript(kind: &TranscriptKind, view: &TranscriptView<'_>) -> Decision {
    let Found { holds, is_skipped, detail, at, score, note } = view.find(kind);
    let verdict = match holds {
        Some(true) => Verdict::Pass,
        Some(false) => Verdict::Fail,
        None if is_skipped => Verdict::Skip,
        None => Verdict::Unknown,
    };
    let (detail, at) =
        if verdict == Verdict::Pass { (note.unwrap_or_default().into_owned(), None) } else { (detail, at) };
    Decision { verdict, score, detail, retention: None, decided_at: at.map(TurnId::Turn) }
}

impl TranscriptView<'_> {
    fn find(&self, kind: &TranscriptKind) -> Found {
        match kind {
            TranscriptKind::Always(throughout) => self.throughout(throughout, false),
            TranscriptKind::Never(throughout) => self.throughout(throughout, true),
            // It is so sometime unless it is never so.
            TranscriptKind::Eventually(throughout) => {
                let never = self.throughout(throughout, true);
                match never.holds {
                    Some(true) => self.in_the_last(throughout, never),
                    holds => Found { holds: holds.map(|holds| !holds), ..never },
                }
            }
            TranscriptKind::ContainsInOrder(texts) => self.in_order(texts),
            TranscriptKind::NoRepeatedReply(wanted) => {
                let found = self.distinct();
                Found { holds: found.holds.map(|holds| holds == *wanted), ..found }
            }
            TranscriptKind::Judge(_) | TranscriptKind::Run(_) if self.ended_before.is_some() => self.not_played(),
            TranscriptKind::Judge(check) => Found::of(outside::judge(check, self.gathered.get(&0))),
            TranscriptKind::Run(_) => Found::of(outside::program(self.gathered.get(&0))),
            TranscriptKind::Not(inner) => {
                let found = self.find(inner);
                Found { holds: found.holds.map(|holds| !holds), ..found }
            }
        }
    }

    /// What is left open by turns that were not played.
    fn not_played(&self) -> Found {
        Found { is_skipped: true, ..Found::new(None, None, "the conversation ended before its last turn".to_owned()) }
    }

    /// Whether each reply of a stretch passes a check, or with `is_unwanted` fails it.
    fn throughout(&self, throughout: &Throughout, is_unwanted: bool) -> Found {
        let Throughout { kind, .. } = throughout;
        let (mut replies, mut broken, mut passed_over) = (0_usize, 0_usize, 0_usize);
        let (mut first, mut unknown, mut skipped) = (None, None, None);
        for exchange in self.exchanges.iter().filter(|exchange| throughout.has(exchange.turn)) {
            replies += 1;
            let found = self.find_in(exchange, kind);
            match found.holds {
                Some(holds) if holds == is_unwanted => {
                    broken += 1;
                    first.get_or_insert((exchange.turn, found.detail));
                }
                Some(_) => {}
                None if found.is_skipped => {
                    passed_over += 1;
                    skipped.get_or_insert(found.detail);
                }
                None => {
                    unknown.get_or_insert((exchange.turn, found.detail));
                }
            }
        }
        let is_played = self.ended_before.is_none_or(|turn| throughout.until.is_some_and(|until| until < turn));
        match (first, unknown, skipped) {
            (Some((turn, detail)), ..) => {
                let detail = match (is_unwanted, replies) {
                    (_, 1) => format!("turn {turn}: {detail}"),
                    (false, _) => format!("first broken in turn {turn} ({broken} of {replies} replies): {detail}"),
                    (true, _) => format!("first so in turn {turn} ({broken} of {replies} replies): {detail}"),
                };
                Found::new(false, Some(turn), detail)
            }
            _ if !is_played => self.not_played(),
            (None, Some((turn, detail)), _) => Found::new(None, Some(turn), format!("turn {turn}: {detail}")),
            (None, None, Some(detail)) if passed_over == replies => {
                Found { is_skipped: true, ..Found::new(None, None, detail) }
            }
            (None, None, _) => {
                let detail = match (is_unwanted, replies - passed_over) {
                    (false, 1) => "true of the only reply".to_owned(),
                    (true, 1) => "not true of the only reply".to_owned(),
                    (false, all) => format!("true of all {all} replies"),
                    (true, all) => format!("true of none of {all} replies"),
                };
                Found::new(true, None, detail)
            }
        }
    }

    /// That nothing of the stretch passes the check, shown by its last reply.
    fn in_the_last(&self, throughout: &Throughout, never: Found) -> Found {
        let last = self.exchanges.iter().rev().find(|exchange| throughout.has(exchange.turn));
        let detail = last.map_or(never.detail.clone(), |last| {
            format!("{}; turn {}: {}", never.detail, last.turn, self.find_in(last, &throughout.kind).detail)
        });
        Found { holds: Some(false), at: last.map(|last| last.turn), detail, ..never }
    }

    /// What a check on a reply finds in a turn.
    fn find_in(&self, exchange: &Exchange, kind: &CheckKind) -> Finding {
        let positions: Vec<usize> = exchange.sent.iter().flat_map(|(from, to)| *from as usize..*to as usize).collect();
        let offset = usize::from(self.system.is_some());
        let message = |position: &usize| match position.checked_sub(offset) {
            Some(at) => self.history.get(at),
            None => self.system,
        };
        let sent: Vec<&Message> = positions.iter().filter_map(message).collect();
        let view = TurnView {
            turn: TurnId::Turn(exchange.turn),
            sent: &sent,
            history: self.history.get(..exchange.before).unwrap_or(self.history),
            list_positions: &positions,
            reply: &exchange.reply,
            facts: self.facts,
            system: self.system,
            tokens_sent: exchange.tokens_sent,
            gathered: self.gathered.get(&exchange.turn),
        };
        find(kind, &view)
    }

    /// Whether the texts stand in the replies, each behind the one before. The earliest place of each leaves most room for the
    /// others.
    fn in_order(&self, texts: &[Text]) -> Found {
        let mut texts_left = texts.iter().peekable();
        let mut last: Option<(&Text, u32)> = None;
        for exchange in self.exchanges {
            let mut rest = exchange.reply.text.as_str();
            while let Some(text) = texts_left.peek() {
                let Some(end) = end_of(text, rest) else { break };
                rest = &rest[end..];
                last = Some((text, exchange.turn));
                texts_left.next();
            }
        }
        let Some(missing) = texts_left.peek() else {
            let all = quoted(texts);
            return Found::new(true, last.map(|(_, turn)| turn), format!("the replies have {all} in this order"));
        };
        if self.ended_before.is_some() {
            return self.not_played();
        }
        let missing = quote(&missing.text, SHOWN);
        let (at, detail) = match last {
            None => (None, format!("no reply has {missing}")),
            Some((text, turn)) => {
                let found = quote(&text.text, SHOWN);
                (Some(turn), format!("nothing behind {found} in turn {turn} has {missing}"))
            }
        };
        match self.exchanges.iter().find(|exchange| exchange.reply.is_cut() || exchange.reply.is_withheld()) {
            Some(open) => Found::new(None, Some(open.turn), format!("{}; so far {detail}", why_open(open))),
            None => Found::new(false, at, detail),
        }
    }

    /// Whether no two replies are the same, but for case and white space.
    fn distinct(&self) -> Found {
        let folded: Vec<(&Exchange, String)> = self
            .exchanges
            .iter()
            .filter(|exchange| !exchange.reply.is_withheld())
            .map(|exchange| (exchange, fold(&exchange.reply.text)))
            .collect();
        let mut seen = HashMap::new();
        for (exchange, text) in folded.iter().filter(|(exchange, _)| !exchange.reply.is_cut()) {
            if let Some(first) = seen.insert(text.as_str(), exchange.turn) {
                let said = quote(exchange.reply.text.trim(), SHOWN);
                let detail = format!("turn {} says what turn {first} says: {said}", exchange.turn);
                return Found::new(false, Some(exchange.turn), detail);
            }
        }
        if self.ended_before.is_some() {
            return self.not_played();
        }
        let open = self.exchanges.iter().find(|exchange| match exchange.reply {
            ref reply if reply.is_withheld() => true,
            ref reply if reply.is_cut() => {
                // It may have been about to become any reply that begins as it does. What a last letter becomes hangs on
                // what follows it.
                let own = fold(&reply.text);
                let begins = own.char_indices().next_back().map_or("", |(at, _)| &own[..at]);
                folded.iter().any(|(other, text)| {
                    let is_cut_alike = || other.reply.is_cut() && begins.starts_with(text.as_str());
                    other.turn != exchange.turn && (text.starts_with(begins) || is_cut_alike())
                })
            }
            _ => false,
        });
        match open {
            Some(open) => Found::new(None, Some(open.turn), why_open(open)),
            None => Found::new(true, None, format!("all {} replies differ", self.exchanges.len())),
        }
    }
}

/// Why the reply of a turn cannot be judged for what it does not have.
fn why_open(exchange: &Exchange) -> String {
    let why = if exchange.reply.is_withheld() {
        withheld(&exchange.reply)
    } else {
        "the reply was cut off by its length limit".to_owned()
    };
    format!("turn {}: {why}", exchange.turn)
}

/// Where the first occurrence of a text ends.
fn end_of(text: &Text, rest: &str) -> Option<usize> {
    if text.case {
        return rest.find(&text.text).map(|at| at + text.text.len());
    }
    let (wanted, folded) = (fold_with_edges(&text.text), fold_with_edges(rest));
    let at = folded.find(&wanted)?;
    if rest.is_ascii() && folded.len() == rest.len() {
        return Some(at + wanted.len());
    }
    // Folding changes lengths: the end is that of the shortest beginning that has the text.
    let ends: Vec<usize> = rest.char_indices().map(|(at, c)| at + c.len_utf8()).collect();
    let shortest = ends.partition_point(|end| !fold_with_edges(&rest[..*end]).contains(&wanted));
    Some(ends.get(shortest).copied().unwrap_or(rest.len()))
}
