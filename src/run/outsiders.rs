//! Who is asked for what a check needs from outside: the models that judge, and programs.

use super::models::{Model, Models};
use super::programs::Programs;
use super::rejudge::NOT_ASKED;
use crate::model::{JudgeCheck, Params};

/// Who may be asked in a run.
#[derive(Default)]
pub struct Outsiders {
    /// The models that judge, by their names in the config.
    pub judges: Models,
    /// The model that judges where a check names none.
    pub judge: Option<String>,
    /// How often it is asked where a check does not say so.
    pub votes: u32,
    /// What goes along with the questions to a judge.
    pub params: Params,
    /// The model that makes embeddings, by its name in the config.
    pub embedding: Option<(String, Model)>,
    /// What marks are drawn from, beside the names of their conversation.
    pub seed: u64,
    /// Starts programs, where that is allowed.
    pub programs: Option<Programs>,
    /// Whether an earlier run is judged again: what was not asked then is not asked now.
    pub are_past: bool,
}

impl Outsiders {
    /// The model that judges a check, by its name.
    pub(super) fn judge_of<'o>(&'o self, check: &'o JudgeCheck) -> Option<(&'o str, &'o Model)> {
        let name = check.model.as_deref().or(self.judge.as_deref())?;
        Some((name, self.judges.get(name)?))
    }

    /// Why no program is started where there is nothing that starts any.
    pub(super) const fn no_program(&self) -> &'static str {
        if self.are_past { NOT_ASKED } else { "programs are started with `--allow-run` only" }
    }

    /// How often it is asked.
    #[must_use]
    pub fn votes_of(&self, check: &JudgeCheck) -> u32 {
        check.votes.unwrap_or(self.votes).max(1)
    }
}
