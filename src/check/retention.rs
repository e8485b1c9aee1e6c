//! Checks on facts: crosses *was it in the request?* with *is it in the reply?*.
//!
//! The evidence is what was really sent. Nothing here asks how the reply is worded, but for `admits`.

use crate::event::Retention;
use crate::model::{Admits, Fact, FactRef, Outcome, Role, Visibility};
use crate::text::escape::quote;
use crate::text::normalise::fold;
use crate::window::{FactMatcher, Sighting, distance, sight};

use super::admits::admits;
use super::text::SHOWN;
use super::view::{Finding, TurnView, withheld};

/// Said of every check on a fact that only the question itself brings, since such a check proves nothing.
const ONLY_IN_QUESTION: &str = "visible only in the question itself";

pub(super) fn recalls(fact: &FactRef, view: &TurnView<'_>) -> Finding {
    with_evidence(fact, view, |evidence| evidence.holds(|outcome| outcome == Outcome::Retained))
}

pub(super) fn retains_iff_visible(fact: &FactRef, view: &TurnView<'_>) -> Finding {
    with_evidence(fact, view, |evidence| {
        evidence.holds(|outcome| matches!(outcome, Outcome::Retained | Outcome::Forgotten))
    })
}

pub(super) fn forgets(fact: &FactRef, admission: Option<&Admits>, view: &TurnView<'_>) -> Finding {
    with_evidence(fact, view, |evidence| {
        // However a cut reply goes on, what is visible is not forgotten.
        let is_visible = evidence.sighting.visible.is_visible();
        if is_visible && !evidence.is_withheld() && evidence.outcome != Some(Outcome::Stale) {
            return (Some(false), format!("still {}", evidence.place()));
        }
        let (holds, detail) = evidence.holds(|outcome| outcome == Outcome::Forgotten);
        match admission {
            Some(admission) if holds == Some(true) && admits(admission, &view.reply.text) => {
                (holds, format!("{detail}, and the reply admits that it does not know"))
            }
            Some(_) if holds == Some(true) => {
                (Some(false), "invented; the reply does not admit that it does not know".to_owned())
            }
            _ => (holds, detail),
        }
    })
}

fn with_evidence(
    reference: &FactRef,
    view: &TurnView<'_>,
    decide: impl FnOnce(&Evidence<'_>) -> (Option<bool>, String),
) -> Finding {
    let Some(fact) = view.facts.get(reference.fact) else {
        return Finding::new(None, "the scenario has no such fact");
    };
    let evidence = Evidence::new(fact, reference.value.as_deref(), view);
    let (holds, detail) = decide(&evidence);
    let note = (evidence.sighting.visible == Visibility::Question).then_some(ONLY_IN_QUESTION.into());
    Finding { holds, is_skipped: false, score: None, detail, note, retention: Some(evidence.record()) }
}

/// All that a turn says about one fact.
struct Evidence<'a> {
    view: &'a TurnView<'a>,
    fact: &'a Fact,
    /// The value that counts as the present one.
    present: String,
    /// What else counted as it.
    spellings: Vec<String>,
    sighting: Sighting,
    distance: Option<u32>,
    /// The spelling of the present value that the reply has.
    recalled: Option<String>,
    /// The outdated value that the reply has instead of the present one.
    stale: Option<String>,
    /// What became of the fact; `None` where the reply leaves that open.
    outcome: Option<Outcome>,
}

impl<'a> Evidence<'a> {
    fn new(fact: &'a Fact, named: Option<&str>, view: &'a TurnView<'a>) -> Self {
        let Values { present, matcher, outdated } = Values::at(fact, named, view);
        let sighting = if view.keeps_history {
            Sighting { visible: Visibility::Unknown, position: None }
        } else {
            sight(&matcher, view.sent)
        };
        let (text, is_cut) = (view.reply.text.as_str(), view.reply.is_cut());
        let recalled = if is_cut { matcher.find_in_cut(text) } else { matcher.find_in(text) };
        let stale = recalled.is_none().then(|| outdated.iter().find_map(|matcher| matcher.find_in(text))).flatten();
        let outcome = match (sighting.visible.is_visible(), recalled.is_some()) {
            _ if view.reply.is_withheld() => None,
            // Of a bot that keeps its history itself it is known whether it remembers, and not whether it could.
            (_, true) if view.keeps_history => Some(Outcome::Retained),
            (true, true) => Some(Outcome::Retained),
            (false, true) => Some(Outcome::Leaked),
            // The value may have been about to come.
            (_, false) if is_cut => None,
            (_, false) if stale.is_some() => Some(Outcome::Stale),
            (true, false) => Some(Outcome::Missed),
            (false, false) => Some(Outcome::Forgotten),
        };
        let distance = distance(&matcher, view.history);
        let carrier = sighting.position.and_then(|position| view.sent.get(position));
        let spellings =
            matcher.beside(&present, [Some(text), carrier.map(|message| &*message.content)].into_iter().flatten());
        Self { view, fact, present, spellings, sighting, distance, recalled, stale, outcome }
    }

    fn is_withheld(&self) -> bool {
        self.view.reply.is_withheld()
    }

    fn holds(&self, is_wanted: impl Fn(Outcome) -> bool) -> (Option<bool>, String) {
        (self.outcome.map(is_wanted), self.detail())
    }

    fn record(&self) -> Retention {
        let carrier = self.sighting.position.and_then(|position| self.view.list_positions.get(position));
        Retention {
            fact: self.fact.name.clone(),
            value: self.present.clone(),
            spellings: self.spellings.clone(),
            visible: self.sighting.visible,
            distance: self.distance,
            recalled: self.outcome.map(|_| self.recalled.is_some()),
            outcome: self.outcome,
            carrier: carrier.and_then(|&position| u32::try_from(position).ok()),
        }
    }

    /// Where the fact is visible: `visible in message 2 of 5 (user, turn 1)`.
    fn place(&self) -> String {
        match self.sighting.position {
            Some(_) if self.sighting.visible == Visibility::Question => ONLY_IN_QUESTION.to_owned(),
            Some(position) => format!("visible in {}", self.view.place(position)),
            None => "visible nowhere".to_owned(),
        }
    }

    fn detail(&self) -> String {
        let present = quote(&self.present, SHOWN);
        let sent = self.view.sent.len();
        match self.outcome {
            None if self.is_withheld() => withheld(self.view.reply) + &self.question_note(),
            None => {
                let note = self.question_note();
                format!("the reply was cut off by its length limit; so far it does not have {present}{note}")
            }
            Some(Outcome::Retained) if self.view.keeps_history => {
                format!("retained; {} is in the reply of a bot that keeps its history itself", self.spelling())
            }
            Some(Outcome::Forgotten) if self.view.keeps_history => {
                format!("forgotten; {present} is not in the reply of a bot that keeps its history itself")
            }
            Some(Outcome::Retained) => format!("retained; {}, and {} is in the reply", self.place(), self.spelling()),
            Some(Outcome::Missed) => format!("missed; {}, but {present} is not in the reply", self.place()),
            Some(Outcome::Forgotten) if sent == 1 => {
                format!("forgotten; the one message sent does not have {present}")
            }
            Some(Outcome::Forgotten) => format!("forgotten; none of the {sent} messages sent has {present}"),
            Some(Outcome::Leaked) if sent == 1 => {
                format!("leaked; {} is in the reply but not in the one message sent", self.spelling())
            }
            Some(Outcome::Leaked) => {
                format!("leaked; {} is in the reply but in none of the {sent} messages sent", self.spelling())
            }
            Some(Outcome::Stale) => {
                let old = quote(self.stale.as_deref().unwrap_or_default(), SHOWN);
                format!("stale; the reply has {old}, the present value is {present}{}", self.question_note())
            }
        }
    }

    fn question_note(&self) -> String {
        match self.sighting.visible {
            Visibility::Question => format!(", {ONLY_IN_QUESTION}"),
            _ => String::new(),
        }
    }

    fn spelling(&self) -> String {
        quote(self.recalled.as_deref().unwrap_or(&self.present), SHOWN)
    }
}

/// The values of a fact at one turn.
struct Values {
    present: String,
    matcher: FactMatcher,
    outdated: Vec<FactMatcher>,
}

impl Values {
    /// The present value is the one that the check names; else, of those that the script has stated before this turn,
    /// the one whose first statement is the latest; else the fact's own.
    ///
    /// Stated by the script is what stands in the system message, in `history:` and in user messages. Replies state
    /// nothing, or a bot that guesses would change what is true; this turn's own message may only ask.
    ///
    /// Outdated are the other values that were stated: one that the script has yet to come to is not. Where nothing was
    /// stated, or the check says itself what holds, all the others are.
    fn at(fact: &Fact, named: Option<&str>, view: &TurnView<'_>) -> Self {
        if let Some(named) = named {
            let outdated = FactMatcher::of_fact(fact).into_iter().filter(|(value, _)| fold(value) != fold(named));
            let outdated = outdated.map(|(_, matcher)| matcher).collect();
            return Self { present: named.to_owned(), matcher: FactMatcher::of_value(fact, named), outdated };
        }
        let mut values = FactMatcher::of_fact(fact);
        let texts = stated(view);
        // A fact that never changes needs no search.
        let latest = if values.len() == 1 { None } else { FactMatcher::latest(&values, &texts) };
        let (present, matcher) = values.remove(latest.unwrap_or(0));
        let is_outdated = |matcher: &FactMatcher| latest.is_none() || texts.clone().any(|text| matcher.is_in(text));
        let outdated = values.into_iter().map(|(_, matcher)| matcher).filter(|matcher| is_outdated(matcher)).collect();
        Self { present: present.to_owned(), matcher, outdated }
    }
}

/// What the script has said before this turn, oldest first.
fn stated<'a>(view: &TurnView<'a>) -> impl Iterator<Item = &'a str> + Clone + use<'a> {
    use crate::model::Origin;
    let history = view.history.iter().filter(|message| !matches!(message.origin, Origin::Reply(_)));
    let system = view.system.filter(|message| message.role == Role::System);
    system.into_iter().chain(history).map(|message| &*message.content)
}
