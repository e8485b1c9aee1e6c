//! Checks on the whole transcript: decided once, when all turns and probes are played or nothing more is.
//!
//! They are numbered behind all others, so that the number of a check on a turn hangs on no other turn.

use std::sync::Arc;

use super::super::outlet::JournalLost;
use super::{Cut, Stage};
use crate::check::{self, TranscriptView};
use crate::model::Verdict;

impl Stage<'_> {
    /// Decides them all. Says why the conversation has no end yet where one needs what may not be asked any more.
    pub(super) async fn transcript_checks(&mut self) -> Result<Option<Cut>, JournalLost> {
        let mut cut = None;
        let script = Arc::clone(&self.script);
        // What was not captured is not known to the checks either, so nothing is certain before the last turn.
        let has_captures = script.turns.iter().any(|turn| !turn.captures.is_empty());
        let is_open = self.ended_before.is_some() && has_captures;
        for check in &script.transcript_checks {
            let asserted = (check.kind.key(), check::expected_of_transcript(&check.kind, &script.facts));
            let done = if let Some(why) = self.not_for_this_model(check) {
                self.done(None, check, asserted, Verdict::Skip, why)
            } else if is_open {
                self.done(None, check, asserted, Verdict::Skip, check::NOT_PLAYED.to_owned())
            } else {
                let gathered = match Box::pin(self.gather_throughout(&check.kind)).await? {
                    Ok(gathered) => gathered,
                    Err(why) => {
                        let done = self.done(None, check, asserted, Verdict::Skip, why.unasked());
                        self.tell_check(done)?;
                        cut = cut.or(Some(why));
                        continue;
                    }
                };
                let view = TranscriptView {
                    system: self.system.as_ref(),
                    history: &self.history,
                    exchanges: &self.exchanges,
                    ended_before: self.ended_before,
                    facts: &script.facts,
                    keeps_history: self.keeps_history(),
                    gathered: &gathered,
                };
                let decision = check::decide_transcript(&check.kind, &view);
                self.decided(None, check, asserted, decision)
            };
            self.tell_check(done)?;
        }
        Ok(cut)
    }
}
