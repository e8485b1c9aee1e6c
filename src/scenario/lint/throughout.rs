//! Checks on the transcript that hold a check on a fact for each reply of a stretch: which of them can never pass.
//!
//! `always` cannot where one live turn of its stretch is impossible, `eventually` where all are. Nothing is claimed of `never`, which
//! wants the check to fail, nor of what is inverted.

use super::super::open::Open;
use super::super::outline::Outline;
use super::{Claim, Facts, claim, is_unstated, retention};
use crate::diagnostic::Code;
use crate::model::{CheckKind, FactRef, TranscriptKind, TurnId, Window};

/// The check on a fact in a check on the transcript, whatever is inverted.
#[must_use]
pub fn throughout_retention(kind: &TranscriptKind) -> Option<(&CheckKind, &FactRef)> {
    retention(&kind.throughout()?.kind).map(|(kind, fact, _)| (kind, fact))
}

/// The checks on a conversation's transcript that can never pass, one claim for each turn that keeps them from it.
pub fn throughout_claims<'s>(
    outline: &'s Outline<'s>,
    facts: &Facts<'s>,
    (persona, window): (usize, Window),
    open: &Open,
    count: &dyn Fn(&str) -> usize,
) -> Vec<Claim<'s, TranscriptKind>> {
    let system = outline.system(persona);
    let mut claims = Vec::new();
    for check in &outline.script.transcript_checks {
        let (TranscriptKind::Always(stretch) | TranscriptKind::Eventually(stretch)) = &check.kind else { continue };
        let Some((kind, fact, false)) = retention(&stretch.kind) else { continue };
        if open.has_check(check.position) || open.has_fact(fact.fact) {
            continue;
        }
        let (mut impossible, mut live) = (Vec::new(), 0);
        for asked in &outline.asked {
            let is_in = matches!(asked.number, TurnId::Turn(number) if stretch.has(number));
            if !is_in || asked.turn.reply.is_some() {
                continue;
            }
            live += 1;
            let sent = |window| outline.sent(asked, system.as_ref(), window, count);
            // Of a turn that is too long that is said already.
            let Some(request) = sent(window) else { continue };
            let Some(sight) = facts.sight(persona, fact, asked, &request) else { continue };
            let Some((code @ Code::CanNeverPass, carriers)) = claim(kind, &sight) else { continue };
            let is_unstated =
                matches!(kind, CheckKind::Recalls(_)) && is_unstated(facts, (persona, fact, asked), &sent);
            let value = sight.value.clone();
            impossible.push(Claim { code, asked, check, fact: fact.fact, value, carriers, orphan: None, is_unstated });
        }
        if matches!(check.kind, TranscriptKind::Always(_)) || impossible.len() == live {
            claims.append(&mut impossible);
        }
    }
    claims
}
