//! The frame of checks: which are asked of a turn, of which model, and what becomes of a verdict under a mark.

use std::sync::Arc;

use globset::Glob;

use super::super::outlet::JournalLost;
use super::super::plan::{Plan, Planned};
use super::{Cut, Stage, how_many};
use crate::check::{self, Decision};
use crate::event::{CheckDone, Event, TurnDone};
use crate::model::{Check, CheckKind, Script, Turn, TurnId, Verdict};

impl Stage<'_> {
    /// A check that the journal has just so is not written twice, nor does it fail the run anew.
    pub(super) fn tell_check(&self, done: CheckDone) -> Result<(), JournalLost> {
        if self.conversation.so_far.has(&done) {
            return Ok(());
        }
        if done.verdict == Verdict::Fail || done.holds_in_spite() {
            self.steering.check_failed(&done);
        }
        self.outlet.tell(Event::Check(Box::new(done)))
    }

    /// Keeps a turn whose call failed for good; its checks have nothing to judge.
    pub(super) async fn failed(
        &mut self,
        done: Box<TurnDone>,
        number: TurnId,
        turn: &Turn,
    ) -> Result<Option<Cut>, JournalLost> {
        let error = done.error.clone().unwrap_or_default();
        self.outlet.keep(Event::Turn(done)).await?;
        let script = Arc::clone(&self.script);
        for check in checks_of(&script, self.conversation.persona, number, turn) {
            let (verdict, detail) = match self.not_for_this_model(check) {
                Some(why) => (Verdict::Skip, why),
                None => (Verdict::Unknown, format!("the call failed: {error}")),
            };
            let done = self.check_done(number, check, verdict, detail);
            self.tell_check(done)?;
        }
        Ok(Some(Cut::CallFailed))
    }

    pub(super) fn skip_checks(&mut self, number: TurnId, turn: &Turn) -> Result<(), JournalLost> {
        if turn.reply.is_some() {
            return Ok(());
        }
        let script = Arc::clone(&self.script);
        for check in checks_of(&script, self.conversation.persona, number, turn) {
            let done =
                self.check_done(number, check, Verdict::Skip, "the conversation ended before this turn".to_owned());
            self.tell_check(done)?;
        }
        Ok(())
    }

    pub(super) fn not_for_this_model<K>(&self, check: &Check<K>) -> Option<String> {
        if check.needs_model && !self.conversation.model.chat.is_language_model() {
            return Some("needs a language model".to_owned());
        }
        (!self.is_among(&check.models)).then(|| "not for this model".to_owned())
    }

    /// Why the check is expected to fail on this model, where it is.
    pub(super) fn mark<'m, K>(&self, check: &'m Check<K>) -> Option<&'m str> {
        check.known_failure.as_ref().filter(|mark| self.is_among(&mark.models)).map(|mark| mark.why.as_str())
    }

    /// Whether this model is one of those that these globs name. None name all.
    pub(super) fn is_among(&self, models: &[String]) -> bool {
        let model = &self.conversation.key.variant.model;
        let is_named = |glob: &String| Glob::new(glob).is_ok_and(|glob| glob.compile_matcher().is_match(model));
        models.is_empty() || models.iter().any(is_named)
    }

    pub(super) fn check_done(&mut self, number: TurnId, check: &Check, verdict: Verdict, detail: String) -> CheckDone {
        let asserted = (check.kind.key(), check::expected(&check.kind, &self.script.facts));
        self.done(Some(number), check, asserted, verdict, detail)
    }

    /// What the journal is told of a check of any kind that was decided. It takes the next number.
    pub(super) fn decided<K>(
        &mut self,
        turn: Option<TurnId>,
        check: &Check<K>,
        asserted: (&str, String),
        decision: Decision,
    ) -> CheckDone {
        let (verdict, detail) =
            under_mark(self.mark(check), self.conversation.trials, decision.verdict, decision.detail);
        let is_open = verdict == Verdict::Skip;
        self.open.extend(is_open.then_some(self.verdicts.len()));
        let done = self.done(turn, check, asserted, verdict, detail);
        let Decision { score, retention, decided_at, .. } = decision;
        CheckDone { score, retention, decided_at, is_open, ..done }
    }

    /// What the journal is told of a check of any kind. It takes the next number.
    pub(super) fn done<K>(
        &mut self,
        turn: Option<TurnId>,
        check: &Check<K>,
        (key, expected): (&str, String),
        verdict: Verdict,
        detail: String,
    ) -> CheckDone {
        let (index, mark) = (how_many(&self.verdicts), self.mark(check).map(str::to_owned));
        self.verdicts.push((verdict, mark.is_some()));
        CheckDone {
            plan: self.conversation.plan,
            turn,
            index,
            check: key.to_owned(),
            name: check.name.clone(),
            expected,
            verdict,
            score: None,
            detail,
            known_failure: mark,
            retention: None,
            decided_at: None,
            is_open: false,
            line: check.position.line,
            column: matches!(verdict, Verdict::Fail | Verdict::Unknown).then_some(check.position.column),
        }
    }
}

/// How many calls a conversation makes at most to say why its replies do not have facts.
#[must_use]
pub fn triage_calls(plan: &Plan, planned: &Planned) -> u32 {
    let Ok(script) = plan.script(planned) else { return 0 };
    let asked = script.asked().filter(|(_, turn)| turn.reply.is_none());
    let checks = asked.flat_map(|(number, turn)| checks_of(&script, planned.persona as usize, number, turn));
    let is_triaged = |check: &&Check| matches!(check.kind, CheckKind::Recalls(_) | CheckKind::RetainsIffVisible(_));
    u32::try_from(checks.filter(is_triaged).count()).unwrap_or(u32::MAX).saturating_mul(2)
}

/// Every check of a live turn, in the order in which they are numbered.
pub(super) fn checks_of<'c>(
    script: &'c Script,
    persona: usize,
    number: TurnId,
    turn: &'c Turn,
) -> impl Iterator<Item = &'c Check> + use<'c> {
    script.checks_of(persona, number, turn)
}

/// The checks of all live turns and probes, by their numbers.
pub(in crate::run) fn numbered(script: &Script, persona: usize) -> Vec<&Check> {
    let asked = script.asked().filter(|(_, turn)| turn.reply.is_none());
    asked.flat_map(|(number, turn)| checks_of(script, persona, number, turn)).collect()
}

/// The verdict under a `known_failure` mark. Whether it is time for the mark to go is decided over all trials: that one of several
/// held is no failure.
fn under_mark(mark: Option<&str>, trials: u32, verdict: Verdict, detail: String) -> (Verdict, String) {
    match (mark, verdict) {
        (Some(_), Verdict::Fail) => (Verdict::KnownFailure, detail),
        (Some(why), Verdict::Pass) if trials > 1 => {
            (Verdict::Pass, format!("passes, and is marked as a known failure ({why})"))
        }
        (Some(why), Verdict::Pass) => {
            (Verdict::Fail, format!("passes, and is marked as a known failure ({why}): remove the mark"))
        }
        (_, verdict) => (verdict, detail),
    }
}
