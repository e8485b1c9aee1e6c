//! What a scenario may not ask of a bot that keeps its history itself: whatever decides what it sees, or looks at that. Pure.

use std::collections::BTreeSet;
use std::ops::Range;

use super::lint::{LintedModel, is_for};
use super::plan::{Plan, Planned};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{Check, CheckKind, Position, Script, Window};
use crate::scenario::Scenario;

/// Everything in a plan that a bot cannot be asked, each thing once. `model_of` says which models are such bots.
#[must_use]
pub fn unseen(plan: &Plan, model_of: &dyn Fn(&str) -> LintedModel) -> Vec<Diagnostic> {
    let mut wrong = Vec::new();
    for (_, conversations) in plan.conversations.by_scenario() {
        let is_bot = |planned: &Planned| model_of(plan.model(planned)).keeps_history;
        let mut bots: Vec<(&str, LintedModel)> = Vec::new();
        let mut windows = BTreeSet::new();
        for planned in conversations.clone().filter(|planned| planned.trial == 1).filter(is_bot) {
            let name = plan.model(&planned);
            if bots.iter().all(|(known, _)| *known != name) {
                bots.push((name, model_of(name)));
            }
            if plan.window(&planned) != Window::FULL {
                windows.insert(plan.window(&planned).to_string());
            }
        }
        let (Some((first, _)), Some(of)) = (bots.first().copied(), conversations.clone().next()) else { continue };
        let scenario = plan.scenario(&of);
        let mut found = Found { scenario, bots: &bots, wrong: Vec::new(), seen: BTreeSet::new() };
        for window in windows {
            let message = format!("the window `{window}` cannot hold: `{first}` keeps its history itself");
            let place = found.place_of_key(&["window", "windows"]);
            let help = "leave `--window` or `window` out: the bot alone decides what it keeps";
            found.push(message, place, help);
        }
        let mut scripts: Vec<(usize, usize)> = Vec::new();
        for planned in conversations.filter(is_bot) {
            if scripts.last() == Some(&planned.script()) {
                continue;
            }
            scripts.push(planned.script());
            if let Ok(script) = plan.script(&planned) {
                found.script(&script, first);
            }
            if scenario.has_one_script() {
                break;
            }
        }
        wrong.extend(found.wrong);
    }
    wrong
}

struct Found<'p> {
    scenario: &'p Scenario,
    bots: &'p [(&'p str, LintedModel)],
    wrong: Vec<Diagnostic>,
    seen: BTreeSet<(String, usize)>,
}

impl Found<'_> {
    fn push(&mut self, message: String, place: Option<Range<usize>>, help: &str) {
        if !self.seen.insert((message.clone(), place.as_ref().map_or(0, |place| place.start))) {
            return;
        }
        let diagnostic = Diagnostic::error(Code::KeepsHistory, message).help(help);
        self.wrong.push(match place {
            Some(place) => diagnostic.at(&self.scenario.source, place, ""),
            None => diagnostic,
        });
    }

    /// Where a key of the scenario stands, which nothing else remembers.
    fn place_of_key(&self, keys: &[&str]) -> Option<Range<usize>> {
        let mut start = 0;
        for line in self.scenario.source.text.split_inclusive('\n') {
            let word = line.split(':').next().unwrap_or_default();
            if line.contains(':') && keys.contains(&word) {
                return Some(start..start + line.trim_end().len());
            }
            start += line.len();
        }
        None
    }

    fn script(&mut self, script: &Script, bot: &str) {
        if !script.history.is_empty() {
            let message = format!("`history` cannot be given to `{bot}`, which keeps its history itself");
            let place = self.place_of_key(&["history"]);
            self.push(message, place, "say it in turns: what the bot answers to them is its own");
        }
        for (_, turn) in script.asked() {
            let place = Some(self.scenario.place_of_check(turn.position));
            if turn.reply.is_some() {
                let message = format!("a canned reply cannot be given to `{bot}`, which keeps its history itself");
                self.push(message, place, "leave out `reply`; in the place of `filler` write turns that are asked");
            } else if !turn.captures.is_empty() && !script.probes.is_empty() {
                let message =
                    format!("`capture` and `probes` do not go together on `{bot}`, which keeps its history itself");
                let help = "each probe hears the script in a session of its own, where the bot answers something else; ask in a turn";
                self.push(message, place, help);
            }
            turn.checks.iter().for_each(|check| self.check(check));
        }
        let each = script.personas.iter().flat_map(|persona| &persona.checks).chain(&script.each_reply);
        each.for_each(|each| self.check(&each.check));
        for check in &script.transcript_checks {
            let inner = check.kind.throughout().map(|stretch| &stretch.kind);
            self.asserted(check, inner);
        }
    }

    fn check(&mut self, check: &Check) {
        self.asserted(check, Some(&check.kind));
    }

    fn asserted<K>(&mut self, check: &Check<K>, kind: Option<&CheckKind>) {
        let mut kind = kind;
        while let Some(CheckKind::Not(inner)) = kind {
            kind = Some(inner);
        }
        let what = match kind {
            Some(CheckKind::Sent(_)) => "`sent` looks at the request",
            Some(CheckKind::RetainsIffVisible(_)) => "`retains_iff_visible` needs to know what is in the request",
            _ => return,
        };
        let Some((bot, _)) = self.bots.iter().find(|(name, model)| is_for(check, name, *model)) else { return };
        let message = format!("{what}, and `{bot}` keeps its history itself");
        let help =
            "`recalls` and `forgets` look at the reply; `models: [GLOB]` beside a check says for which models it is";
        let place = self.place(check.position);
        self.push(message, Some(place), help);
    }

    fn place(&self, position: Position) -> Range<usize> {
        self.scenario.place_of_check(position)
    }
}
