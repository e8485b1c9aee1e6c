//! Who is asked for what a check needs from outside: the models that judge, and programs.

use super::models::{Model, Models};
use super::programs::Programs;
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
    /// What marks are drawn from, beside the names of their conversation.
    pub seed: u64,
    /// Starts programs, where that is allowed.
    pub programs: Option<Programs>,
}

impl Outsiders {
    /// The model that judges a check, by its name.
    pub(super) fn judge_of<'o>(&'o self, check: &'o JudgeCheck) -> Option<(&'o str, &'o Model)> {
        let name = check.model.as_deref().or(self.judge.as_deref())?;
        Some((name, self.judges.get(name)?))
    }

    /// How often it is asked.
    #[must_use]
    pub fn votes_of(&self, check: &JudgeCheck) -> u32 {
        check.votes.unwrap_or(self.votes).max(1)
    }
}
