//! Changes replies of an earlier run for the worse, one at a time, and looks which checks notice.
//!
//! All else stays as it was sent and said: later turns see the reply that was given, not the changed one. Nothing is drawn by
//! chance. A check that does not pass on the reply as it was has nothing to lose, and is not tried.

use std::collections::BTreeMap;

use super::other_facts::with_other_facts;
use super::other_reply::{Heard, OtherReply};
use super::rejudge::Again;
use crate::check::{Wanted, empty_json, is_on_reply, retyped, wanted};
use crate::event::{CheckDone, Record, TurnDone};
use crate::model::{Check, CheckKind, Script, Source, TranscriptCheck, TranscriptKind, TurnId, Verdict};
use crate::window::FactMatcher;

/// What is left of a reply that says nothing: an empty one would be `unknown` to every check alike, whatever it asserts.
const NOTHING_SAID: &str = "…";

/// So many replies are kept of a turn that others get in the place of their own.
const DONORS: usize = 64;

/// How a reply is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mutant {
    /// It says nothing.
    Blank,
    /// It is the reply to another question.
    Swapped,
    /// Other values stand in the place of the facts'.
    OtherFacts,
    /// It is JSON with nothing in it.
    EmptyJson,
    /// It is the same JSON with one value of another type.
    Retyped,
    /// It has what the check forbids: a fact that it must not know, a word, too many words.
    Forbidden,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Blank, Self::Swapped, Self::OtherFacts, Self::EmptyJson, Self::Retyped, Self::Forbidden];

    /// Its word, in every output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Blank => "blank",
            Self::Swapped => "swapped",
            Self::OtherFacts => "other_facts",
            Self::EmptyJson => "empty_json",
            Self::Retyped => "retyped",
            Self::Forbidden => "forbidden",
        }
    }
}

/// How many changed replies a check was shown, and how many of them it noticed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kills {
    /// Those that it was shown.
    pub mutants: u64,
    /// Those that it did not pass.
    pub killed: u64,
}

impl Kills {
    /// The share that was noticed; `None` where there was none to notice.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "no run has 2^53 replies")]
    pub fn rate(self) -> Option<f64> {
        (self.mutants > 0).then(|| self.killed as f64 / self.mutants as f64)
    }

    /// Adds others.
    pub fn add(&mut self, other: Self) {
        self.mutants += other.mutants;
        self.killed += other.killed;
    }
}

/// A check as it stands in its file, with all that was tried on it in all conversations and turns.
#[derive(Debug, Clone, PartialEq)]
pub struct Tried {
    /// The scenario's file.
    pub file: String,
    /// The scenario.
    pub scenario: String,
    /// Line and column in its file.
    pub place: (u32, u32),
    /// Its key.
    pub check: String,
    /// The user's name for it.
    pub name: Option<String>,
    /// What it asserts.
    pub expected: String,
    /// What was tried, by how the reply was changed.
    pub kills: BTreeMap<Mutant, Kills>,
}

impl Tried {
    /// All that was tried.
    #[must_use]
    pub fn all(&self) -> Kills {
        let mut all = Kills::default();
        self.kills.values().for_each(|kills| all.add(*kills));
        all
    }

    /// Whether it passed every reply that it ought to have noticed, or every JSON, where it is to say what that is like: that a
    /// reply is no JSON at all is noticed whatever it says.
    #[must_use]
    pub fn is_vacuous(&self) -> bool {
        let passed_all = |kills: Kills| kills.mutants > 0 && kills.killed == 0;
        let mut json = Kills::default();
        [Mutant::EmptyJson, Mutant::Retyped]
            .iter()
            .filter_map(|mutant| self.kills.get(mutant))
            .for_each(|of| json.add(*of));
        passed_all(self.all()) || passed_all(json)
    }
}

/// Checks of single turns that were not tried, by why.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// They do not pass on the reply as it was.
    pub not_passed: u64,
    /// They are not about what the reply says: the request, how it ended, what it took.
    pub not_on_reply: u64,
    /// They hang on what a judge or a program says, and nobody is asked.
    pub from_outside: u64,
    /// They are asked of the whole transcript, and not of each reply of a stretch.
    pub on_transcript: u64,
    /// No reply could be made that they ought to notice.
    pub no_mutant: u64,
}

/// All that was tried on a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mutation {
    /// The checks, in the order in which they were first tried.
    checks: Vec<Tried>,
    /// What was not tried.
    pub left_out: LeftOut,
    places: BTreeMap<(String, u32, u32, String), usize>,
}

/// Replies that others get in the place of their own: of each turn one for every question that was asked there.
#[derive(Debug, Default)]
pub struct Donors(BTreeMap<TurnId, Vec<Donor>>);

#[derive(Debug)]
struct Donor {
    plan: u32,
    user: String,
    reply: String,
}

impl Donors {
    /// Takes in what was said to a conversation.
    pub fn add(&mut self, record: &Record) {
        for turn in record.turns.iter().filter(|turn| turn.source != Source::Canned) {
            let Some(reply) = turn.reply.as_ref().filter(|reply| !reply.trim().is_empty()) else { continue };
            let donors = self.0.entry(turn.turn).or_default();
            if donors.len() < DONORS && donors.iter().all(|known| known.user != turn.user) {
                donors.push(Donor { plan: record.begin.plan, user: turn.user.clone(), reply: reply.clone() });
            }
        }
    }

    /// The next conversation's reply at the same turn that answers another question, in other words; where there is none, the
    /// conversation's own next reply of which that is so.
    fn other<'d>(&'d self, turn: &TurnDone, record: &'d Record) -> Option<&'d str> {
        let own = turn.reply.as_deref().unwrap_or_default();
        let donors = self.0.get(&turn.turn).map(Vec::as_slice).unwrap_or_default();
        let behind = donors.iter().filter(|donor| donor.plan > record.begin.plan);
        let before = donors.iter().filter(|donor| donor.plan <= record.begin.plan);
        let others = behind.chain(before).map(|donor| (&donor.user, &donor.reply));
        let later = record.turns.iter().filter(|other| other.turn > turn.turn);
        let earlier = record.turns.iter().filter(|other| other.turn < turn.turn);
        let live = later.chain(earlier).filter(|other| other.source != Source::Canned);
        let own_others = live.filter_map(|other| Some((&other.user, other.reply.as_ref()?)));
        let mut all = others.chain(own_others);
        all.find(|(user, reply)| **user != turn.user && *reply != own && !reply.trim().is_empty())
            .map(|(_, reply)| reply.as_str())
    }
}

impl Mutation {
    /// Tries all that can be on a conversation.
    pub async fn add(&mut self, again: &Again<'_>, record: &Record, donors: &Donors) {
        let (checks, _) = again.decide(record.clone()).await;
        let mut by_turn: BTreeMap<TurnId, Vec<&CheckDone>> = BTreeMap::new();
        for check in &checks {
            if let Some(turn) = check.turn {
                by_turn.entry(turn).or_default().push(check);
            }
        }
        let heard = Heard::of(record);
        for turn in record.turns.iter().filter(|turn| turn.source != Source::Canned) {
            if let (Some(checks), Some(reply)) = (by_turn.get(&turn.turn), turn.reply.as_deref()) {
                let other = heard.at(turn, &again.script_at(turn.turn).facts);
                self.add_turn(again, (turn, reply, donors.other(turn, record)), checks, &other);
            }
        }
        let on_transcript = checks.iter().filter(|check| check.turn.is_none());
        for (check, asserted) in on_transcript.zip(&again.whole().transcript_checks) {
            self.add_throughout(again, (record, &heard, donors), (check, asserted));
        }
    }

    /// Tries all that can be on the checks of a turn. `swapped` is the reply to something else.
    fn add_turn(
        &mut self,
        again: &Again<'_>,
        (turn, reply, swapped): (&TurnDone, &str, Option<&str>),
        checks: &[&CheckDone],
        other: &OtherReply<'_>,
    ) {
        let mut shown = Vec::new();
        for (check, asserted) in checks.iter().copied().zip(again.checks_of(turn.turn)) {
            let kind = &asserted.kind;
            if check.verdict != Verdict::Pass {
                self.left_out.not_passed += 1;
            } else if kind.outside().is_some() {
                self.left_out.from_outside += 1;
            } else if is_on_reply(kind) {
                let wanted = wanted(kind, reply, check.retention.as_ref());
                shown.push(Shown { check, asserted, wanted, has_mutant: false });
            } else {
                self.left_out.not_on_reply += 1;
            }
        }
        if shown.is_empty() {
            return;
        }
        let script = again.script_at(turn.turn);
        let replaced = with_other_facts(reply, script);
        for shown in shown {
            self.try_on(again, (script, reply, swapped, replaced.as_deref()), shown, other);
        }
    }

    /// Tries all that can be on a check of a reply.
    fn try_on(
        &mut self,
        again: &Again<'_>,
        (script, reply, swapped, replaced): (&Script, &str, Option<&str>, Option<&str>),
        mut shown: Shown<'_>,
        other: &OtherReply<'_>,
    ) {
        let alike = [
            (Mutant::Blank, Some(NOTHING_SAID).filter(|nothing| *nothing != reply)),
            (Mutant::Swapped, swapped),
            (Mutant::OtherFacts, replaced),
        ];
        for (mutant, changed) in alike {
            if let Some(changed) = changed.filter(|_| shown.ought(mutant, script, reply)) {
                let passes = other.passes(&shown.asserted.kind, changed);
                self.count(again, &mut shown, mutant, passes);
            }
        }
        if shown.wanted.is_json {
            self.add_json(again, reply, &mut shown, other);
        }
        if let Some(forbidden) = shown.wanted.forbidden.take() {
            let passes = other.passes(&shown.asserted.kind, &forbidden);
            self.count(again, &mut shown, Mutant::Forbidden, passes);
        }
        self.left_out.no_mutant += u64::from(!shown.has_mutant);
    }

    /// Tries a check on each reply of a stretch: of one that is to hold for all, the first of them is changed that it ought to
    /// notice; of one that is to hold for any, all that it holds for.
    fn add_throughout(
        &mut self,
        again: &Again<'_>,
        (record, heard, donors): (&Record, &Heard, &Donors),
        (check, asserted): (&CheckDone, &TranscriptCheck),
    ) {
        let (throughout, kind, is_any) = match &asserted.kind {
            TranscriptKind::Always(of) => (of, of.kind.clone(), false),
            TranscriptKind::Never(of) => (of, CheckKind::Not(Box::new(of.kind.clone())), false),
            TranscriptKind::Eventually(of) => (of, of.kind.clone(), true),
            _ => return self.left_out.on_transcript += 1,
        };
        if check.verdict != Verdict::Pass {
            return self.left_out.not_passed += 1;
        } else if kind.outside().is_some() {
            return self.left_out.from_outside += 1;
        } else if !is_on_reply(&kind) {
            return self.left_out.not_on_reply += 1;
        }
        let script = again.whole();
        let asserted = Check {
            kind,
            name: asserted.name.clone(),
            models: Vec::new(),
            known_failure: None,
            needs_model: false,
            position: asserted.position,
        };
        let is_in = |turn: &&TurnDone| matches!(turn.turn, TurnId::Turn(number) if throughout.has(number));
        let live = record.turns.iter().filter(is_in).filter(|turn| turn.source != Source::Canned);
        let mut replies = live.filter_map(|turn| {
            let (reply, other) = (turn.reply.as_deref()?, heard.at(turn, &script.facts));
            let given = other.given(&asserted.kind);
            let wanted = wanted(&asserted.kind, reply, given.retention.as_ref());
            (given.verdict == Verdict::Pass).then_some((turn, reply, other, wanted))
        });
        let shown = |wanted| Shown { check, asserted: &asserted, wanted, has_mutant: false };
        if is_any {
            return self.try_any(again, script, &replies.collect::<Vec<_>>(), shown);
        }
        match replies.find(|(_, _, _, wanted)| wanted.is_any()) {
            Some((turn, reply, other, wanted)) => {
                let (swapped, replaced) = (donors.other(turn, record), with_other_facts(reply, script));
                self.try_on(again, (script, reply, swapped, replaced.as_deref()), shown(wanted), &other);
            }
            None => self.left_out.no_mutant += 1,
        }
    }

    /// Tries a check that is content with any reply: all that it holds for are changed alike. Other replies are none of what it
    /// ought to notice, since one of them may be what it waits for.
    fn try_any<'c>(
        &mut self,
        again: &Again<'_>,
        script: &Script,
        replies: &[(&TurnDone, &str, OtherReply<'_>, Wanted)],
        shown: impl Fn(Wanted) -> Shown<'c>,
    ) {
        let mut counted = shown(Wanted::default());
        for mutant in [Mutant::Blank, Mutant::OtherFacts, Mutant::Forbidden] {
            let changed = replies.iter().map(|(_, reply, other, wanted)| {
                let changed = match mutant {
                    Mutant::Blank => Some(NOTHING_SAID.to_owned()).filter(|nothing| nothing != reply),
                    Mutant::OtherFacts => with_other_facts(reply, script),
                    _ => wanted.forbidden.clone(),
                };
                changed.filter(|_| shown(wanted.clone()).ought(mutant, script, reply)).map(|changed| (other, changed))
            });
            if let Some(changed) = changed.collect::<Option<Vec<_>>>().filter(|changed| !changed.is_empty()) {
                let passes = changed.iter().any(|(other, reply)| other.passes(&counted.asserted.kind, reply));
                self.count(again, &mut counted, mutant, passes);
            }
        }
        self.left_out.no_mutant += u64::from(!counted.has_mutant);
    }

    /// Tries JSON on a check that says what that is like.
    fn add_json(&mut self, again: &Again<'_>, reply: &str, shown: &mut Shown<'_>, other: &OtherReply<'_>) {
        let kind = &shown.asserted.kind;
        for empty in empty_json(reply) {
            self.count(again, shown, Mutant::EmptyJson, other.passes(kind, &empty));
        }
        // Few checks are about every value: it is enough that one of them is missed.
        let mut retyped = retyped(reply).peekable();
        if retyped.peek().is_some() {
            let passes = retyped.all(|changed| other.passes(kind, &changed));
            self.count(again, shown, Mutant::Retyped, passes);
        }
    }

    fn count(&mut self, again: &Again<'_>, shown: &mut Shown<'_>, mutant: Mutant, passes: bool) {
        shown.has_mutant = true;
        let killed = u64::from(!passes);
        self.tried(again, shown).kills.entry(mutant).or_default().add(Kills { mutants: 1, killed });
    }

    fn tried(&mut self, again: &Again<'_>, shown: &Shown<'_>) -> &mut Tried {
        let (check, place) = (shown.check, (shown.asserted.position.line, shown.asserted.position.column));
        let file = again.file();
        let key = (file.to_owned(), place.0, place.1, check.check.clone());
        let at = *self.places.entry(key).or_insert_with(|| {
            self.checks.push(Tried {
                file: file.to_owned(),
                scenario: again.name().to_owned(),
                place,
                check: check.check.clone(),
                name: check.name.clone(),
                expected: check.expected.clone(),
                kills: BTreeMap::new(),
            });
            self.checks.len() - 1
        });
        &mut self.checks[at]
    }

    /// The checks that were tried: by file in the order of the plan, and as they stand there.
    #[must_use]
    pub fn checks(&self) -> Vec<&Tried> {
        let mut files: Vec<&str> = self.checks.iter().map(|check| check.file.as_str()).collect();
        files.dedup();
        let mut checks: Vec<&Tried> = self.checks.iter().collect();
        checks.sort_by_key(|check| (files.iter().position(|file| *file == check.file), check.place));
        checks
    }

    /// What was tried on each file, in the order of the plan: its path, how many checks, and what they noticed.
    #[must_use]
    pub fn files(&self) -> Vec<(&str, u64, Kills)> {
        let mut files: Vec<(&str, u64, Kills)> = Vec::new();
        for check in &self.checks {
            let at = files.iter().position(|(file, ..)| *file == check.file).unwrap_or_else(|| {
                files.push((&check.file, 0, Kills::default()));
                files.len() - 1
            });
            files[at].1 += 1;
            files[at].2.add(check.all());
        }
        files
    }

    /// All that was tried.
    #[must_use]
    pub fn all(&self) -> Kills {
        let mut all = Kills::default();
        self.checks.iter().for_each(|check| all.add(check.all()));
        all
    }
}

/// A check that passes on a reply, and is shown changed ones.
struct Shown<'c> {
    check: &'c CheckDone,
    asserted: &'c Check,
    wanted: Wanted,
    has_mutant: bool,
}

impl Shown<'_> {
    /// Whether it ought to notice a reply that was changed so.
    fn ought(&self, mutant: Mutant, script: &Script, reply: &str) -> bool {
        match mutant {
            Mutant::Blank => self.wanted.is_something,
            Mutant::Swapped => self.wanted.is_fitting,
            Mutant::OtherFacts => {
                self.wanted.is_fact || self.wanted.is_fitting && names_a_fact(self.check, script, reply)
            }
            Mutant::EmptyJson | Mutant::Retyped => self.wanted.is_json,
            Mutant::Forbidden => self.wanted.forbidden.is_some(),
        }
    }
}

/// Whether a check on words asserts a fact that the reply has.
fn names_a_fact(check: &CheckDone, script: &Script, reply: &str) -> bool {
    let values = script.facts.iter().flat_map(FactMatcher::of_fact);
    values.map(|(_, matcher)| matcher).any(|matcher| matcher.is_in(reply) && matcher.is_in(&check.expected))
}
