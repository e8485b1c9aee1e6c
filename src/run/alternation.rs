//! Requests whose messages do not alternate, for models whose services want that: known before anything is sent, as far as the
//! script and the window make it certain. Pure.
//!
//! What hangs on a live reply (one with nothing in it, or one whose length decides where a token window begins) is found out by
//! the call itself, which then sends nothing.

use std::collections::HashSet;
use std::sync::Arc;

use super::plan::{Plan, Planned};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{Message, Origin, Role, Script, TurnId, Window};
use crate::scenario::open::Open;
use crate::scenario::outline::{Asked, Known, Outline, Sent};
use crate::text::tokens::Tokenizer;
use crate::window::{Fault, fault};

/// One error for each scenario, window and model whose requests are certain not to alternate in some turn. `model_of` gives the
/// provider's name and the tokenizer of a model whose service wants that.
#[must_use]
pub fn unsendable(plan: &Plan, model_of: &dyn Fn(&str) -> Option<(&'static str, Tokenizer)>) -> Vec<Diagnostic> {
    let mut seen = HashSet::new();
    let mut found = HashSet::new();
    let mut diagnostics = Vec::new();
    let mut last: Option<(&str, Option<(&'static str, Tokenizer)>)> = None;
    for planned in plan.conversations.iter() {
        let name = plan.model(&planned);
        if last.is_none_or(|(known, _)| known != name) {
            last = Some((name, model_of(name)));
        }
        let Some((_, Some((provider, tokenizer)))) = last else { continue };
        let place = (planned.scenario, plan.window(&planned), name);
        if found.contains(&place) || !seen.insert(plan.key(&planned)) {
            continue;
        }
        if let Some(diagnostic) = of_conversation(plan, &planned, provider, tokenizer) {
            found.insert(place);
            diagnostics.push(diagnostic);
        }
    }
    diagnostics
}

fn of_conversation(plan: &Plan, planned: &Planned, provider: &str, tokenizer: Tokenizer) -> Option<Diagnostic> {
    let script: Arc<Script> = plan.script(planned).ok()?;
    let outline = Outline::new(&script, &Open::of(plan.scenario(planned)));
    let window = plan.window(planned);
    let system = outline.system(planned.persona as usize);
    let count = |text: &str| tokenizer.count(text);
    let order = Order::of(&outline);
    let mut asked = outline.asked.iter().filter(|asked| asked.turn.reply.is_none());
    let (asked, found) = asked.find_map(|asked| {
        // That it is too long is said already.
        let sent = outline.sent(asked, system.as_ref(), window, &count)?;
        if order.is_kept(&outline, asked, system.as_ref(), &sent) {
            return None;
        }
        Some((asked, certain(&outline, asked, system.as_ref(), &sent)?))
    })?;
    let scenario = plan.scenario(planned);
    let model = plan.model(planned);
    let turn = asked.number.named();
    let why = &found.words;
    let message = format!(
        "{turn} cannot be sent to `{model}` under the window `{window}`: {why}, and `{provider}` wants user messages and replies \
         in turn"
    );
    let place = scenario.place_of_check(asked.turn.position);
    Some(
        Diagnostic::error(Code::RolesMustAlternate, message)
            .at(&scenario.source, place, "")
            .help(found.help(asked.number, window)),
    )
}

/// Where in a history roles and texts are at fault by themselves, counted, so that a long one is not gone through again for each
/// of its turns.
struct Order {
    /// How many of the messages before each position have the role of the one before them.
    in_a_row: Vec<usize>,
    /// How many of them are blank.
    blank: Vec<usize>,
}

impl Order {
    fn of(outline: &Outline<'_>) -> Self {
        let (mut in_a_row, mut blank) = (vec![0], vec![0]);
        for (at, message) in outline.messages.iter().enumerate() {
            let is_in_a_row = at > 0 && outline.messages[at - 1].role == message.role;
            in_a_row.push(in_a_row[at] + usize::from(is_in_a_row));
            blank.push(blank[at] + usize::from(is_blank(message, outline.known[at])));
        }
        Self { in_a_row, blank }
    }

    /// Whether it is plain that a request has no fault. Where it is not, it is to be looked at.
    fn is_kept(&self, outline: &Outline<'_>, asked: &Asked<'_>, system: Option<&Message>, sent: &Sent) -> bool {
        let within = |counts: &[usize], from: usize, to: usize| counts[to] - counts[from.min(to)];
        let (pinned, start, end) = (sent.possible.pinned, sent.possible.start, sent.before);
        let role = |at: usize| outline.messages[at].role;
        let first = if pinned > 0 { Some(0) } else { Some(start).filter(|start| *start < end) };
        let last = if start < end { Some(end - 1) } else { pinned.checked_sub(1) };
        let is_joined = pinned == 0 || start >= end || role(pinned - 1) != role(start);
        sent.is_exact()
            && within(&self.in_a_row, 1, pinned) + within(&self.in_a_row, start + 1, end) == 0
            && within(&self.blank, 0, pinned) + within(&self.blank, start, end) == 0
            && is_joined
            && first.is_none_or(|at| role(at) == Role::User)
            && last.is_none_or(|at| role(at) == Role::Assistant)
            && !is_blank(&asked.question, asked.known)
            && !system.is_some_and(|system| is_blank(system, Known::Whole))
    }
}

fn is_blank(message: &Message, known: Known) -> bool {
    known == Known::Whole && message.content.trim().is_empty()
}

/// What is certain to be wrong with a request.
struct Found {
    fault: Fault,
    words: String,
    /// The message.
    origin: Origin,
    role: Role,
    /// Whether the window put it where it stands: before it, something is cut.
    is_cut: bool,
}

/// The first fault of a request that is certain, whatever is not known yet.
fn certain(outline: &Outline<'_>, asked: &Asked<'_>, system: Option<&Message>, sent: &Sent) -> Option<Found> {
    let history = |at: usize| (&outline.messages[at], outline.known[at], Some(at));
    let question = (&asked.question, asked.known, None);
    let system = system.map(|system| (system, Known::Whole, None));
    let (pinned, start) = (sent.possible.pinned, sent.certain.start);
    if sent.is_exact() {
        let list = system.into_iter().chain(sent.positions().map(history)).chain([question]);
        return first_of(&list.collect::<Vec<_>>(), true);
    }
    // Where the end begins is not known: what is pinned begins the list, and the certain end goes on somewhere.
    let head: Vec<_> = system.into_iter().chain((0..pinned).map(history)).collect();
    let tail: Vec<_> = (start.max(pinned)..sent.before).map(history).chain([question]).collect();
    first_of(&head, true).or_else(|| first_of(&tail, false))
}

type Part<'m> = (&'m Message, Known, Option<usize>);

fn first_of(list: &[Part<'_>], is_whole: bool) -> Option<Found> {
    let known = |(message, known, _): &Part<'_>| (*known == Known::Whole).then_some(Arc::clone(message.content.text()));
    let texts: Vec<Option<Arc<str>>> = list.iter().map(known).collect();
    let roles = list.iter().zip(&texts).map(|((message, ..), text)| (message.role, text.as_deref()));
    let (at, fault) = fault(roles, is_whole)?;
    let messages: Vec<&Message> = list.iter().map(|(message, ..)| *message).collect();
    let position = list[at].2;
    let before = at.checked_sub(1).and_then(|before| list[before].2);
    // A question follows the whole history, and what is first in that is cut from nothing.
    let is_cut = match (before, position) {
        (Some(before), Some(position)) => position > before + 1,
        (None, Some(position)) => position > 0,
        (_, None) => false,
    };
    let words = fault.in_words(&messages, at);
    Some(Found { fault, words, origin: messages[at].origin, role: messages[at].role, is_cut })
}

impl Found {
    fn help(&self, asked: TurnId, window: Window) -> String {
        let origin = self.origin;
        match self.fault {
            Fault::BeginsWithReply if self.is_cut => {
                format!(
                    "its question is cut: `orphan_reply: drop` in the window leaves `{origin}` out too, and `past_exchanges` keeps exchanges whole"
                )
            }
            Fault::BeginsWithReply => {
                format!("put what `{origin}` says into the system prompt, or a user message before it")
            }
            Fault::InARow if self.is_cut && self.role == Role::Assistant => {
                "its question is cut: `orphan_reply: drop` in the window leaves it out too".to_owned()
            }
            Fault::InARow if self.is_cut || window.pin_first % 2 == 1 => {
                format!("the window `{window}` pins a question without its reply: pin whole exchanges, `pin_first: 2`")
            }
            Fault::InARow => {
                format!("put a message of the other side between them, or make one of both before {}", asked.named())
            }
            Fault::System => "a system prompt is the persona's, and stands first alone".to_owned(),
            Fault::Blank => "give it something to say, or leave it out".to_owned(),
        }
    }
}

#[cfg(test)]
#[path = "alternation_tests.rs"]
mod tests;
