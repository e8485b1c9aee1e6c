//! Checks on facts that cannot fail: what the two controls show of them.
//!
//! `builtin:amnesiac` knows nothing, `builtin:omniscient` all facts, whatever they are sent. A `recalls` must fail under the
//! first, a `forgets` under the second, and a `retains_iff_visible`, an inverted check, or one on the transcript around any of
//! them, under one of the two. A check stands for all the turns and variants in which it is asked: it cannot fail where it can in none of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;

use super::conversation::{Steering, numbered, play};
use super::dispatch::{alone, first_message};
use super::models::Model;
use super::outlet::Outlet;
use super::plan::Plan;
use crate::event::{CheckDone, Event};
use crate::model::{Position, Script, Source, TurnId, Verdict, Visibility};
use crate::provider::{Builtin, BuiltinKind, CallError, ChatModel, ChatReply, ChatRequest, Observer};
use crate::scenario::Variables;
use crate::scenario::lint::throughout_retention;
use crate::text::escape::quote;
use crate::text::tokens::Tokenizer;
use crate::window::FactMatcher;

/// Characters of a value or a reply that are shown.
const SHOWN: usize = 60;

/// What the controls show of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Controlled {
    /// How many checks on facts were asked under both.
    pub asked: usize,
    /// Those that cannot fail, in the order of the plan.
    pub cannot_fail: Vec<CannotFail>,
    /// How many checks on facts were asked under neither: a turn captures what no control says.
    pub unasked: usize,
}

/// A check on a fact that cannot fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CannotFail {
    /// Index of its scenario in the plan.
    pub scenario: usize,
    /// Where it stands.
    pub position: Position,
    /// Its key with what it asserts: `forgets: name`.
    pub check: String,
    /// Why it cannot, in words, told of the first turn where it is asked.
    pub why: String,
    /// What helps.
    pub help: &'static str,
}

/// A check with what is known of it so far.
#[derive(Default)]
struct Seen {
    check: String,
    is_asked: bool,
    can_fail: bool,
    why: Option<(String, &'static str)>,
}

/// Plays every variant of a plan under both controls, in memory: nobody is called and nothing is kept.
pub async fn control(plan: &Plan) -> Controlled {
    // By scenario, place in its file, and key.
    let mut seen: BTreeMap<(usize, u32, u32, String), Seen> = BTreeMap::new();
    for (place, planned) in plan.conversations.iter().enumerate().filter(|(_, planned)| planned.trial == 1) {
        let Ok(script) = plan.script(&planned) else { continue };
        let amnesiac = played(plan, place, BuiltinKind::Amnesiac).await;
        let omniscient = played(plan, place, BuiltinKind::Omniscient).await;
        let asserted = numbered(&script, planned.persona as usize);
        let (forgetful, knowing) = (amnesiac.checks(), omniscient.checks());
        let of_turns =
            asserted.iter().zip(forgetful.0.iter().zip(knowing.0)).filter_map(|(check, (amnesia, omniscience))| {
                let found = verdict(amnesia, omniscience, (&amnesiac, &omniscient), &script);
                Some((check.position, amnesia, found?))
            });
        let on_transcript = script.transcript_checks.iter().zip(forgetful.1.iter().zip(knowing.1));
        let on_transcript = on_transcript.filter_map(|(check, (amnesia, omniscience))| {
            throughout_retention(&check.kind)?;
            let found = verdict_of_transcript(amnesia, omniscience, amnesiac.is_whole);
            Some((check.position, amnesia, found?))
        });
        for (Position { line, column }, amnesia, found) in of_turns.chain(on_transcript) {
            let seen = seen.entry((planned.scenario as usize, line, column, amnesia.check.clone())).or_default();
            seen.check = format!("{}: {}", amnesia.check, amnesia.expected);
            match found {
                Found::Unasked => {}
                Found::CanFail => (seen.is_asked, seen.can_fail) = (true, true),
                Found::CannotFail(why, help) => {
                    seen.is_asked = true;
                    seen.why.get_or_insert((why, help));
                }
            }
        }
    }
    let asked = seen.values().filter(|seen| seen.is_asked).count();
    let mut controlled = Controlled { asked, unasked: seen.len() - asked, cannot_fail: Vec::new() };
    for ((scenario, line, column, _), seen) in seen {
        if let Some((why, help)) = seen.why.filter(|_| !seen.can_fail) {
            let position = Position { line, column };
            controlled.cannot_fail.push(CannotFail { scenario, position, check: seen.check, why, help });
        }
    }
    controlled
}

/// What the controls show of one check in one turn.
enum Found {
    /// It was not asked: a turn captures what neither of them says.
    Unasked,
    CanFail,
    /// Why not, and what helps.
    CannotFail(String, &'static str),
}

/// `None` of a check that is on no fact, or not asked of this model.
fn verdict(
    amnesia: &CheckDone,
    omniscience: &CheckDone,
    (amnesiac, omniscient): (&Played, &Played),
    script: &Script,
) -> Option<Found> {
    const IN_QUESTION: &str = "let the question ask for the fact without its value";
    let is_on_fact = |check: &CheckDone| {
        matches!(check.check.as_str(), "recalls" | "forgets" | "retains_iff_visible") || check.retention.is_some()
    };
    if !is_on_fact(amnesia) && !is_on_fact(omniscience) {
        return None;
    }
    let (Some(found), Some(_)) = (&amnesia.retention, &omniscience.retention) else {
        let is_for_others = amnesia.verdict == Verdict::Skip && amnesiac.is_whole;
        return (!is_for_others).then_some(Found::Unasked);
    };
    let turn = amnesia.turn?;
    let (fact, value) = (&found.fact, quote(&found.value, SHOWN));
    let said = |played: &Played| quote(played.reply(turn), SHOWN);
    let (forgetful, knowing) = (passes(amnesia), passes(omniscience));
    let wants = matches!(amnesia.check.as_str(), "recalls" | "retains_iff_visible");
    Some(match amnesia.check.as_str() {
        _ if wants && found.visible == Visibility::Question => {
            let why = format!("{} itself has {value}, which a bot without any memory can repeat", turn.named());
            Found::CannotFail(why, IN_QUESTION)
        }
        "recalls" if forgetful => Found::CannotFail(
            format!("a bot that remembers nothing passes in {}: {} has `{fact}`", turn.named(), said(amnesiac)),
            "give the fact a value that no reply has by chance",
        ),
        "forgets" if knowing && !has_any_value(fact, script, omniscient.reply(turn)) => Found::CannotFail(
            format!(
                "a bot that knows all facts passes in {}, since nothing there asks for `{fact}`: {}",
                turn.named(),
                said(omniscient)
            ),
            "ask for the fact: by its name, or by a phrase under its `asks:`",
        ),
        "retains_iff_visible" | "not" if forgetful && knowing => Found::CannotFail(
            format!("a bot that remembers nothing and one that knows all facts both pass in {}", turn.named()),
            "ask for the fact, and give it a value that no reply has by chance",
        ),
        _ => Found::CanFail,
    })
}

/// The same of a check on the transcript, around one on a fact.
fn verdict_of_transcript(amnesia: &CheckDone, omniscience: &CheckDone, is_whole: bool) -> Option<Found> {
    if amnesia.verdict == Verdict::Skip || omniscience.verdict == Verdict::Skip {
        // In a conversation that came to its end it is one for other models.
        return (!is_whole).then_some(Found::Unasked);
    }
    Some(if passes(amnesia) && passes(omniscience) {
        Found::CannotFail(
            "a bot that remembers nothing and one that knows all facts both pass".to_owned(),
            "let a turn of its stretch ask for the fact, and give it a value that no reply has by chance",
        )
    } else {
        Found::CanFail
    })
}

/// Whether the assertion held, whatever mark it bears.
fn passes(check: &CheckDone) -> bool {
    match check.verdict {
        Verdict::Pass => true,
        // Under its mark what holds is a failure.
        Verdict::Fail => check.known_failure.is_some(),
        _ => false,
    }
}

/// Whether a reply has some value of a fact: whoever says another one than the check names was asked for it all the same.
fn has_any_value(fact: &str, script: &Script, reply: &str) -> bool {
    let facts = script.facts.iter().filter(|known| known.name == fact);
    facts.flat_map(FactMatcher::of_fact).any(|(_, matcher)| matcher.is_in(reply))
}

/// A conversation under a control.
#[derive(Default)]
struct Played {
    checks: Vec<CheckDone>,
    replies: Vec<(TurnId, String)>,
    /// Whether it came to its last turn.
    is_whole: bool,
}

impl Played {
    /// Those on turns and probes, and behind them those on the transcript.
    fn checks(&self) -> (&[CheckDone], &[CheckDone]) {
        let is_of_turn = |check: &CheckDone| check.turn.is_some();
        self.checks.split_at(self.checks.iter().take_while(|check| is_of_turn(check)).count())
    }

    fn reply(&self, turn: TurnId) -> &str {
        self.replies.iter().find(|(number, _)| *number == turn).map_or("", |(_, reply)| reply)
    }
}

async fn played(plan: &Plan, place: usize, kind: BuiltinKind) -> Played {
    let chat = Arc::new(Control(Builtin::new(kind)));
    let model = Model { chat, price: None, tokenizer: Tokenizer::default(), longest_reply: None };
    // A script that cannot be put together was an error of its file.
    let Ok(conversation) = alone(plan, place, &model) else { return Played::default() };
    let mut done = Played::default();
    let (outlet, notes) = Outlet::new();
    let playing = async move {
        // Nobody keeps a journal that could be lost.
        play(&conversation, &outlet, &Alone(plan)).await.is_ok_and(|played| played.is_whole)
    };
    let (is_whole, events) = futures::join!(playing, notes.gather());
    done.is_whole = is_whole;
    for event in events {
        match event {
            Event::Turn(turn) => done.replies.extend(turn.reply.map(|reply| (turn.turn, reply))),
            Event::Check(check) => done.checks.push(*check),
            _ => {}
        }
    }
    done
}

/// Nobody stops a conversation that is played by itself.
struct Alone<'p>(&'p Plan);

impl Steering for Alone<'_> {
    fn is_stopping(&self) -> bool {
        false
    }

    fn script(&self, plan: u32, captured: &Variables) -> Result<Arc<Script>, String> {
        self.0.script_with(&self.0.conversations.at(plan as usize), captured).map_err(first_message)
    }

    fn check_failed(&self, _check: &CheckDone) {}
}

/// A control in the place of whichever model a scenario names: what is asked of that model is asked of it.
struct Control(Builtin);

impl ChatModel for Control {
    fn source(&self) -> Source {
        self.0.source()
    }

    fn chat<'a>(
        &'a self,
        request: ChatRequest<'a>,
        observer: &'a dyn Observer,
    ) -> BoxFuture<'a, Result<ChatReply, CallError>> {
        self.0.chat(request, observer)
    }
}
