//! Checks on a whole transcript: the live replies of a conversation's turns, judged once, behind the last of them.
//!
//! Where the conversation ended before its last turn, a verdict is given only where it would be the same however the rest had
//! gone; else the check is a `skip`, as those of the turns that were not played are. A reply that cannot be judged (empty,
//! withheld, cut off) leaves open what hangs on it, and nothing else.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::model::{CheckKind, Fact, Message, Reply, Text, Throughout, TranscriptKind, TurnId, Verdict, without_dust};
use crate::text::escape::quote;
use crate::text::normalise::{fold, fold_with_edges};

use super::decide::{Decision, find};
use super::limits::{Measured, max_cost_usd, money};
use super::outside::{self, Gathered};
use super::text::{SHOWN, quoted};
use super::view::{Finding, TurnView, withheld};

/// What a check says that is left open by turns that were not played.
pub const NOT_PLAYED: &str = "the conversation ended before its last turn";

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
    /// What its call took.
    pub measured: Measured,
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
    /// Whether the bot keeps its history itself: what it saw beside what was sent is not known.
    pub keeps_history: bool,
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

/// What is left open by turns that were not played.
fn not_played() -> Found {
    Found { is_skipped: true, ..Found::new(None, None, NOT_PLAYED.to_owned()) }
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
                    Some(true) => self.in_the_last(throughout, &never.detail),
                    holds => Found { holds: holds.map(|holds| !holds), ..never },
                }
            }
            TranscriptKind::ContainsInOrder(texts) => self.in_order(texts),
            TranscriptKind::NoRepeatedReply(wanted) => {
                let found = self.distinct();
                Found { holds: found.holds.map(|holds| holds == *wanted), ..found }
            }
            TranscriptKind::MaxTotalCostUsd(limit) => self.total_cost(*limit),
            TranscriptKind::Judge(_) | TranscriptKind::Run(_) if self.ended_before.is_some() => not_played(),
            TranscriptKind::Judge(check) => Found::of(outside::judge(check, self.gathered.get(&0))),
            TranscriptKind::Run(_) => Found::of(outside::program(self.gathered.get(&0))),
            TranscriptKind::Not(inner) => {
                let found = self.find(inner);
                Found { holds: found.holds.map(|holds| !holds), ..found }
            }
        }
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
            _ if !is_played => not_played(),
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
    fn in_the_last(&self, throughout: &Throughout, never: &str) -> Found {
        let Some(last) = self.exchanges.iter().rev().find(|exchange| throughout.has(exchange.turn)) else {
            return Found::new(false, None, never.to_owned());
        };
        let found = self.find_in(last, &throughout.kind).detail;
        Found::new(false, Some(last.turn), format!("{never}; turn {}: {found}", last.turn))
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
            keeps_history: self.keeps_history,
            tokens_sent: exchange.tokens_sent,
            measured: exchange.measured,
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
            return not_played();
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

    /// Whether the calls cost at most so much together. One that is shared with other conversations counts in each.
    fn total_cost(&self, limit: f64) -> Found {
        let mut total = 0.0;
        let (mut unknown, mut skipped) = (None, None);
        for exchange in self.exchanges {
            let Measured { cost_usd, is_replayed, .. } = exchange.measured;
            total += cost_usd.filter(|_| !is_replayed).unwrap_or(0.0);
            let detail = format!("the calls up to turn {} cost {}", exchange.turn, money(total));
            if without_dust(total) > limit {
                return Found::new(false, Some(exchange.turn), detail);
            }
            // What leaves one call open leaves open the sum.
            let found = max_cost_usd(f64::MAX, &exchange.measured, &exchange.reply);
            match found.holds {
                _ if exchange.reply.is_withheld() && !is_replayed => {
                    unknown.get_or_insert((exchange.turn, withheld(&exchange.reply)));
                }
                None if found.is_skipped => {
                    skipped.get_or_insert((exchange.turn, found.detail));
                }
                None => {
                    unknown.get_or_insert((exchange.turn, found.detail));
                }
                Some(_) => {}
            }
        }
        match (unknown, skipped) {
            _ if self.ended_before.is_some() => not_played(),
            (Some((turn, why)), _) => Found::new(None, Some(turn), format!("turn {turn}: {why}")),
            (None, Some((turn, why))) => {
                Found { is_skipped: true, ..Found::new(None, Some(turn), format!("turn {turn}: {why}")) }
            }
            (None, None) => Found::new(true, None, format!("the calls cost {} together", money(total))),
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
            return not_played();
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

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(turn: u32, text: &str, finish_reason: &str) -> Exchange {
        let reply = Reply { text: text.into(), finish_reason: Some(finish_reason.into()) };
        Exchange { turn, reply, sent: vec![], before: 0, tokens_sent: None, measured: Measured::default() }
    }

    fn decided(kind: &TranscriptKind, exchanges: &[Exchange], ended_before: Option<u32>) -> (Verdict, Option<TurnId>) {
        let gathered = &HashMap::new();
        let (system, history, facts, keeps_history) = (None, &[][..], &[][..], false);
        let view = TranscriptView { system, history, exchanges, ended_before, facts, keeps_history, gathered };
        let decision = decide_transcript(kind, &view);
        (decision.verdict, decision.decided_at)
    }

    fn folded(text: &str) -> Text {
        Text { text: text.into(), case: false }
    }

    #[test]
    fn texts_in_order_are_found_in_any_script_and_none_of_them_twice() {
        let said = [exchange(1, "Die STRASSE nach Zürich, Straße 7", "stop"), exchange(2, "İyi günler ﬁn", "stop")];
        let exact = |text: &str| Text { text: text.into(), case: true };
        for (texts, holds) in [
            (vec![folded("straße"), folded("strasse")], true),
            (vec![folded("straße"), folded("strasse"), folded("strasse")], false),
            (vec![folded("zürich"), exact("Straße"), folded("FIN")], true),
            (vec![exact("Straße"), folded("zürich")], false),
            (vec![folded("günler"), folded("günler")], false),
            (vec![folded("nach"), exact("Zürich"), folded(" 7")], true),
        ] {
            let verdict = decided(&TranscriptKind::ContainsInOrder(texts.clone()), &said, None).0;
            assert_eq!(verdict == Verdict::Pass, holds, "{texts:?}");
        }
    }

    #[test]
    fn a_cut_reply_may_have_become_another_only_where_it_begins_as_that_does() {
        let kind = TranscriptKind::NoRepeatedReply(true);
        for (second, verdict) in
            [("Hello th", Verdict::Unknown), ("Bye th", Verdict::Pass), ("Hello there.", Verdict::Unknown)]
        {
            let said = [exchange(1, "Hello there.", "stop"), exchange(2, second, "length")];
            assert_eq!(decided(&kind, &said, None).0, verdict, "{second}");
        }
        let both = [exchange(1, "Hel", "length"), exchange(2, "Hello th", "length")];
        assert_eq!(decided(&kind, &both, None), (Verdict::Unknown, Some(TurnId::Turn(1))));
    }

    #[test]
    fn a_stretch_that_was_played_to_its_end_is_decided_though_the_conversation_broke_off() {
        let said = [exchange(1, "Hello", "stop"), exchange(2, "Hello", "stop")];
        let always = |until| {
            let kind = CheckKind::Contains(vec![folded("hello")]);
            TranscriptKind::Always(Throughout { kind, from: 1, until })
        };
        for (until, verdict) in [(Some(2), Verdict::Pass), (Some(3), Verdict::Skip), (None, Verdict::Skip)] {
            assert_eq!(decided(&always(until), &said, Some(3)).0, verdict, "{until:?}");
        }
    }
}
