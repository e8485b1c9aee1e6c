//! A script: one scenario with every variable filled in, ready to be played.

use std::sync::Arc;

use super::{Check, Fact, Outside, Pattern, Role, TranscriptCheck, TurnId};

/// A place in a scenario file, both counted from 1; columns are characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Position {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

/// A named system prompt with the checks that every live reply under it must pass.
#[derive(Debug, Clone, PartialEq)]
pub struct Persona {
    /// Its name.
    pub name: String,
    /// The system prompt; empty sends none.
    pub system: Arc<str>,
    /// Checks on every live reply under it.
    pub checks: Vec<EachReply>,
}

/// One scripted user message, and the reply where it is canned.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// The name by which the scenario refers to it.
    pub id: Option<String>,
    /// The user message.
    pub user: Arc<str>,
    /// The canned reply: no call is made.
    pub reply: Option<Arc<str>>,
    /// Checks on the live reply.
    pub checks: Vec<Check>,
    /// What of the live reply becomes variables of later turns.
    pub captures: Vec<Capture>,
    /// Where it stands in its file.
    pub position: Position,
}

/// A part of a reply that becomes a variable.
#[derive(Debug, Clone, PartialEq)]
pub struct Capture {
    /// The variable.
    pub name: String,
    /// The expression whose first group it is.
    pub pattern: Pattern,
}

impl Turn {
    /// The variables that a reply gives.
    ///
    /// # Errors
    /// What matches nothing, in words.
    pub fn capture(&self, reply: &str) -> Result<Vec<(String, String)>, String> {
        let captured = self.captures.iter().map(|Capture { name, pattern }| match pattern.first_group(reply) {
            Some(value) => Ok((name.clone(), value.to_owned())),
            None => Err(format!("nothing in the reply for `capture: {name}`: `{pattern}` does not match")),
        });
        captured.collect()
    }
}

/// A check on every live reply of a stretch of turns.
#[derive(Debug, Clone, PartialEq)]
pub struct EachReply {
    /// The check.
    pub check: Check,
    /// The first turn that it holds for, counted from 1.
    pub from: u32,
    /// The last turn that it holds for, if there is one.
    pub until: Option<u32>,
}

/// One scenario for one case and one cell of the matrix, with every variable filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Script {
    /// The facts, in the order of the file.
    pub facts: Vec<Fact>,
    /// The personas, in the order of the file; at least one.
    pub personas: Vec<Persona>,
    /// Messages that stand before turn 1.
    pub history: Vec<(Role, Arc<str>)>,
    /// The turns, fillers unfolded; at least one.
    pub turns: Vec<Turn>,
    /// What is asked behind the last turn, each on its own branch of the history.
    pub probes: Vec<Turn>,
    /// Checks on every live reply.
    pub each_reply: Vec<EachReply>,
    /// Checks on the whole transcript.
    pub transcript_checks: Vec<TranscriptCheck>,
}

impl Script {
    /// A turn or a probe.
    #[must_use]
    pub fn turn(&self, number: TurnId) -> Option<&Turn> {
        let (list, number) = match number {
            TurnId::Turn(number) => (&self.turns, number),
            TurnId::Probe(number) => (&self.probes, number),
        };
        list.get(number.checked_sub(1)? as usize)
    }

    /// The turns, then the probes, in the order in which they are played.
    pub fn asked(&self) -> impl Iterator<Item = (TurnId, &Turn)> {
        let turns = (1..).map(TurnId::Turn).zip(&self.turns);
        turns.chain((1..).map(TurnId::Probe).zip(&self.probes))
    }

    /// What its checks need from outside, those of all personas included, each with where it stands.
    pub fn outside(&self) -> impl Iterator<Item = (Outside<'_>, Position)> {
        let each = self.personas.iter().flat_map(|persona| &persona.checks).chain(&self.each_reply);
        let own = self.asked().flat_map(|(_, turn)| &turn.checks).chain(each.map(|each| &each.check));
        let own = own.filter_map(|check| Some((check.kind.outside()?, check.position)));
        own.chain(self.transcript_checks.iter().filter_map(|check| Some((check.kind.outside()?, check.position))))
    }

    /// Every check of a turn or a probe that is asked live, in the order in which they are numbered.
    pub fn checks_of<'s>(&'s self, persona: usize, number: TurnId, turn: &'s Turn) -> impl Iterator<Item = &'s Check> {
        let each = self.personas[persona].checks.iter().chain(&self.each_reply);
        // A stretch without an end goes on to the probes.
        let is_in = move |each: &&EachReply| match number {
            TurnId::Turn(number) => each.from <= number && each.until.is_none_or(|until| number <= until),
            TurnId::Probe(_) => each.until.is_none(),
        };
        turn.checks.iter().chain(each.filter(is_in).map(|each| &each.check))
    }

    /// How many turns and probes are asked live: the calls of one conversation.
    #[must_use]
    pub fn live_turns(&self) -> u32 {
        u32::try_from(self.asked().filter(|(_, turn)| turn.reply.is_none()).count()).unwrap_or(u32::MAX)
    }
}
