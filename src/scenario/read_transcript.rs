//! Reads the scenario's own `expect:`: checks on the whole transcript.

use super::decode::{Fields, Findings, one_or_many};
use super::read_check::{self, CHECK_KEYS, Elsewhere, framed, inner_check};
use super::read_turns::turn_number;
use super::yaml::{Node, Value};
use super::{read_outside, read_similar};
use crate::diagnostic::Code;
use crate::model::{Fact, Throughout, TranscriptCheck, TranscriptKind, Turn};

/// Every key of a check on the transcript.
pub const TRANSCRIPT_KEYS: &[&str] = &[
    "always",
    "never",
    "eventually",
    "contains_in_order",
    "no_repeated_reply",
    "max_total_cost_usd",
    "judge",
    "run",
    "not",
];
const STRETCH: &[&str] = &["from", "until"];

/// Reads a list of checks, or one check alone.
pub fn checks(findings: &mut Findings, node: &Node, facts: &[Fact], turns: &[Turn]) -> Vec<TranscriptCheck> {
    let elsewhere = Elsewhere {
        keys: CHECK_KEYS,
        what: "on one reply, and `expect` of a scenario is about the whole transcript",
        help: "`each_reply:` holds it for every reply; `eventually: {…}` around it for one of them",
    };
    let known = Known { facts, turns };
    let checks = one_or_many(node).iter().filter_map(|item| {
        let read = framed(findings, item, (TRANSCRIPT_KEYS, &elsewhere), STRETCH, |findings, key, value, fields| {
            known.kind(findings, key, value, fields)
        });
        read.map(|check| TranscriptCheck { needs_model: check.needs_model || check.kind.needs_model(), ..check })
    });
    let checks: Vec<TranscriptCheck> = checks.collect();
    // That there are no turns at all is said already.
    if !checks.is_empty() && !turns.is_empty() && turns.iter().all(|turn| turn.reply.is_some()) {
        let help = "canned replies are no answers of the bot; leave the reply of a turn out to ask it live";
        findings.error_help(Code::EmptyStretch, node, "`expect` has no live reply to check", "", help);
    }
    checks
}

/// What checks may name.
struct Known<'k> {
    facts: &'k [Fact],
    turns: &'k [Turn],
}

impl Known<'_> {
    fn kind(&self, findings: &mut Findings, key: &str, value: &Node, fields: &Fields<'_>) -> Option<TranscriptKind> {
        if !matches!(key, "always" | "never" | "eventually") {
            for (key, node) in
                STRETCH.iter().filter_map(|key| fields.pair(key)).map(|(node, _)| (node.scalar_text(), node))
            {
                let message = format!("`{}` belongs to `always`, `never` and `eventually`", key.unwrap_or_default());
                findings.error(Code::UnknownKey, node, message, "");
            }
        }
        Some(match key {
            "always" => TranscriptKind::Always(self.throughout(findings, key, value, fields)?),
            "never" => TranscriptKind::Never(self.throughout(findings, key, value, fields)?),
            "eventually" => TranscriptKind::Eventually(self.throughout(findings, key, value, fields)?),
            "contains_in_order" => TranscriptKind::ContainsInOrder(read_check::texts(findings, value, key)?),
            "no_repeated_reply" => TranscriptKind::NoRepeatedReply(findings.flag(value, key)?),
            "max_total_cost_usd" => TranscriptKind::MaxTotalCostUsd(read_similar::usd(findings, value, key)?),
            "judge" => TranscriptKind::Judge(Box::new(read_outside::judge_of_transcript(findings, value)?)),
            "run" => TranscriptKind::Run(read_outside::program(findings, value)?),
            _ => TranscriptKind::Not(Box::new(self.inverted(findings, value)?)),
        })
    }

    fn throughout(&self, findings: &mut Findings, key: &str, value: &Node, fields: &Fields<'_>) -> Option<Throughout> {
        let is_misplaced = misplaced(findings, value, key);
        let kind = if is_misplaced { None } else { inner_check(findings, value, self.facts, &format!("`{key}`")) };
        let mut turn = |key| fields.get(key).and_then(|node| turn_number(findings, node, key, self.turns));
        let (from, until) = (turn("from").unwrap_or(1), turn("until"));
        let throughout = Throughout { kind: kind?, from, until };
        let at = fields.get("until").or_else(|| fields.get("from"));
        if let (Some(until), Some(node)) = (until.filter(|until| *until < from), at) {
            let message = format!("`until` is turn {until}, before `from`, turn {from}");
            findings.error(Code::EmptyStretch, node, message, "");
        } else if let Some(node) = at {
            let mut live = (1..).zip(self.turns).filter(|(_, turn)| turn.reply.is_none());
            if !live.any(|(number, _)| throughout.has(number)) {
                let message = format!("`{key}` has no live reply to check between `from` and `until`");
                findings.error(Code::EmptyStretch, node, message, "");
            }
        }
        Some(throughout)
    }

    fn inverted(&self, findings: &mut Findings, node: &Node) -> Option<TranscriptKind> {
        let known: Vec<&str> = TRANSCRIPT_KEYS.iter().chain(STRETCH).copied().collect();
        let fields = findings.fields(node, "`not`", &known)?;
        let mut entries = fields.iter().filter(|(key, ..)| TRANSCRIPT_KEYS.contains(key));
        let Some((key, _, value)) = entries.next() else {
            // Of a key that is none it is said already.
            if fields.iter().all(|(key, ..)| STRETCH.contains(&key)) {
                findings.error(Code::CheckWithoutKey, node, "`not` has no check in it", "no check key here");
            }
            return None;
        };
        if let Some((_, second, _)) = entries.next() {
            findings.error(Code::SeveralChecks, second, "`not` takes one check", "");
            return None;
        }
        self.kind(findings, key, value, &fields)
    }
}

/// Says of what stands inside of `always` and its like, and belongs beside it or in its place, where it belongs.
fn misplaced(findings: &mut Findings, inner: &Node, outer: &str) -> bool {
    let Value::Map(entries) = &inner.value else { return false };
    let mut is_any = false;
    for (node, value) in entries.iter() {
        let Some(key) = node.scalar_text() else { continue };
        if STRETCH.contains(&key) {
            let turn =
                value.scalar_text().filter(|text| text.len() <= 20 && !text.contains(char::is_control)).unwrap_or("3");
            let help = format!("`{key}` stands beside `{outer}`: `{{{outer}: {{…}}, {key}: {turn}}}`");
            findings.error_help(Code::UnknownKey, node, format!("`{key}` is no key of `{outer}`"), "", help);
            is_any = true;
        } else if TRANSCRIPT_KEYS.contains(&key) && !CHECK_KEYS.contains(&key) {
            let message = format!("`{key}` is a check on the whole transcript, and `{outer}` takes one on a reply");
            let help = format!("write each as an item of its own: `- {key}: …`");
            findings.error_help(Code::MisplacedCheck, node, message, "", help);
            is_any = true;
        }
    }
    is_any
}
