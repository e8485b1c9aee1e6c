//! Token windows into which a scripted turn can never fit: known before anything is sent. Pure.

use std::collections::HashSet;

use super::plan::{Plan, Planned};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{Position, Tail};
use crate::text::tokens::{self, Tokenizer};

/// One error for each scenario and token window whose limit is exceeded by system prompt, pinned messages and user
/// message alone. A pinned reply that is not known yet counts as nothing here; its call finds it out.
#[must_use]
pub fn overflows(plan: &Plan, tokenizer_of: &dyn Fn(&str) -> Tokenizer) -> Vec<Diagnostic> {
    let mut seen = HashSet::new();
    let mut found = HashSet::new();
    let mut diagnostics = Vec::new();
    for planned in plan.conversations.iter() {
        if !matches!(plan.window(&planned).tail, Tail::Tokens(_)) || !seen.insert(plan.key(&planned)) {
            continue;
        }
        if let Some(diagnostic) = overflow(plan, &planned, tokenizer_of(plan.model(&planned)))
            && found.insert((planned.scenario, plan.window(&planned)))
        {
            diagnostics.push(diagnostic);
        }
    }
    diagnostics
}

fn overflow(plan: &Plan, planned: &Planned, tokenizer: Tokenizer) -> Option<Diagnostic> {
    let Tail::Tokens(limit) = plan.window(planned).tail else { return None };
    let limit = limit.get() as usize;
    let scenario = plan.scenario(planned);
    let script = plan.script(planned).ok()?;
    let count = |text: &str| tokenizer.count(text) + tokens::PER_MESSAGE;
    let system = &script.personas[planned.persona as usize].system;
    let system = if system.is_empty() { 0 } else { count(system) };
    let mut pins = Pins { left: plan.window(planned).pin_first as usize, tokens: 0 };
    script.history.iter().for_each(|(_, text)| pins.pin(|| count(text)));
    let (number, turn, needed) = script.asked().find_map(|(number, turn)| {
        let needed = system + pins.tokens + count(&turn.user);
        let overflows = turn.reply.is_none() && needed > limit;
        if !number.is_probe() {
            pins.pin(|| count(&turn.user));
            pins.pin(|| turn.reply.as_ref().map_or(0, |reply| count(reply)));
        }
        overflows.then_some((number, turn, needed))
    })?;
    let message = format!(
        "the window `{}` holds {limit} tokens, but system prompt, pinned messages and user message of {} have {needed}",
        plan.window(planned),
        number.named(),
    );
    let at = offset(&scenario.source.text, turn.position);
    let end = scenario.source.text[at..].lines().next().map_or(at, |line| at + line.len());
    Some(
        Diagnostic::error(Code::WindowOverflow, message)
            .at(&scenario.source, at..end, "")
            .help("raise the window's `tokens`, or shorten the texts"),
    )
}

/// The tokens of the first messages of the history, as far as they are pinned.
struct Pins {
    left: usize,
    tokens: usize,
}

impl Pins {
    fn pin(&mut self, count: impl FnOnce() -> usize) {
        if self.left > 0 {
            self.left -= 1;
            self.tokens += count();
        }
    }
}

fn offset(text: &str, position: Position) -> usize {
    let line = position.line.saturating_sub(1) as usize;
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let column = position.column.saturating_sub(1) as usize;
    text[start..].char_indices().nth(column).map_or(start, |(at, _)| start + at)
}
