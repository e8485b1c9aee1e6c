//! Which conversations are missing where a part of a plan is: told by making the plan again from the scenarios.
//!
//! A journal names only what was begun. Where the scenarios are not here, or are not what they were, no names are told,
//! and the part's own number must do.

use std::collections::HashSet;

use super::earlier;
use crate::event::Shard;
use crate::journal::NamedRun;
use crate::run::plan::Plan;

/// So many scenarios and cases are named.
const NAMED: usize = 5;

/// The plan of several runs, and what of it they have.
pub struct Missing {
    plan: Option<Plan>,
    begun: HashSet<usize>,
}

impl Missing {
    /// Of runs of one plan.
    pub fn of(runs: &[NamedRun]) -> Self {
        let places = runs.iter().flat_map(|run| run.journal.places());
        let begun = places.filter_map(|place| usize::try_from(place).ok()).collect();
        let first = runs.first().map(|run| run.journal.manifest());
        let plan = first.and_then(|first| earlier::plan(first).filter(|plan| plan.digest() == first.plan_digest));
        Self { plan, begun }
    }

    /// How many of its conversations a part of the plan lacks, and which: ``12 of the plan's 31 conversations, `alpha`,
    /// `beta · 7` ``; `None` where that is not known.
    pub fn conversations(&self, shard: Shard) -> Option<String> {
        let (number, names) = self.lacks(shard)?;
        let of = self.plan.as_ref().map_or(0, |plan| plan.conversations.len());
        Some(format!("{number} of the plan's {of} conversations, {names}"))
    }

    /// The scenarios and cases of the conversations that a part of the plan lacks; `None` where they are not known.
    pub fn names(&self, shard: Shard) -> Option<String> {
        self.lacks(shard).map(|(_, names)| names)
    }

    fn lacks(&self, shard: Shard) -> Option<(usize, String)> {
        let plan = self.plan.as_ref()?;
        let lacks = shard.places(plan).into_iter().filter(|place| !self.begun.contains(place));
        let mut number = 0;
        let mut names: Vec<String> = Vec::new();
        for place in lacks {
            number += 1;
            let planned = &plan.conversations.at(place);
            let case = plan.case(planned);
            let case = if case.is_empty() { String::new() } else { format!(" · {case}") };
            let name = format!("`{}{case}`", plan.scenario(planned).name);
            // Those of one scenario and case stand one behind the other.
            if names.last() != Some(&name) {
                names.push(name);
            }
        }
        let more = names.len().saturating_sub(NAMED);
        names.truncate(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        (number > 0).then(|| (number, names.join(", ") + &more))
    }
}
