//! The memory lint over a plan: each claim once for its place in the file, with the variants that it holds for. Pure.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::rc::Rc;

use globset::Glob;

use super::plan::{Plan, Planned};
use words::{Found, Holds, help_of, message_of, of_sample, quoted};

use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::model::{Check, Position, Script, TranscriptKind, TurnId, Window};
use crate::scenario::Scenario;
use crate::scenario::lint::{Claim, Facts, claims, retention, throughout_claims, throughout_retention};
use crate::scenario::open::Open;
use crate::scenario::outline::Outline;
use crate::text::tokens::Tokenizer;

/// What the lint must know of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LintedModel {
    /// What token windows count with.
    pub tokenizer: Tokenizer,
    /// Whether checks are for it that need a language model.
    pub is_language_model: bool,
    /// Whether it is a bot that keeps its history itself: what it sees is not known.
    pub keeps_history: bool,
}

/// What the lint found.
#[derive(Debug, Default)]
pub struct Linted {
    /// By scenario, then by place.
    pub diagnostics: Vec<Diagnostic>,
    /// How many scripts were not looked at, since the others were enough.
    pub left_out: usize,
}

/// How much is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// Whether nothing was left out of the plan, so that what no check asks for is known.
    pub is_whole: bool,
    /// Of a scenario so many cases, each with all cells of its matrix.
    pub cases: usize,
    /// Turns of all variants together, each times the facts: a plan of a hundred thousand conversations must not be waited for.
    pub most: usize,
}

/// Looks at the variants of a plan.
#[must_use]
pub fn lint(plan: &Plan, extent: Extent, model_of: &dyn Fn(&str) -> LintedModel) -> Linted {
    let mut linted = Linted::default();
    let mut models: HashMap<String, LintedModel> = HashMap::new();
    let mut work = 0;
    let mut counts: HashMap<(Tokenizer, Box<str>), usize> = HashMap::new();
    for (_, conversations) in plan.conversations.by_scenario() {
        let Some(scenario) = conversations.clone().next().map(|first| plan.scenario(&first)) else { continue };
        if scenario.facts().is_empty() {
            continue;
        }
        let conversations: Vec<Planned> = conversations.collect();
        let (mut of_scenario, mut is_whole) = (OfScenario::new(scenario), extent.is_whole);
        let (mut cases, mut last) = (0, None);
        let mut sample = None;
        for variants in conversations.chunk_by(|one, next| one.script() == next.script()) {
            let (case, cell) = variants[0].script();
            if last.replace(case) != Some(case) {
                cases += 1;
            }
            if work > extent.most || cases > extent.cases {
                linted.left_out += 1;
                is_whole = false;
                sample = sample.or(Some(cases - 1));
                continue;
            }
            let Ok(script) = scenario.script(case, cell) else { continue };
            let firsts = variants.iter().filter(|planned| planned.trial == 1);
            work += script.facts.len() * script.turns.len() * firsts.clone().count();
            let variants: Vec<Variant<'_>> = firsts
                .map(|planned| {
                    let name = plan.model(planned);
                    let model = *models.entry(name.to_owned()).or_insert_with(|| model_of(name));
                    Variant { planned, window: plan.window(planned), name, model }
                })
                .collect();
            of_scenario.script(plan, &script, &variants, &mut counts);
            if scenario.has_one_script() {
                // What is said of the first holds for all.
                break;
            }
        }
        linted.diagnostics.extend(of_scenario.diagnostics(is_whole, sample));
    }
    linted
}

/// The same as warnings, for a run: the checks fail by themselves, each with its reason.
#[must_use]
pub fn as_warnings(diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    diagnostics.into_iter().map(|found| Diagnostic { severity: Severity::Warning, ..found }).collect()
}

struct Variant<'p> {
    planned: &'p Planned,
    window: Window,
    name: &'p str,
    model: LintedModel,
}

/// What is said, and where: of a check, or of a fact.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Place {
    Check(u32, u32, String),
    Fact(String),
}

/// What is said of a conversation's turns, and of its transcript.
type Claims<'s> = (Vec<Claim<'s>>, Vec<Claim<'s, TranscriptKind>>);

struct OfScenario<'s> {
    scenario: &'s Scenario,
    open: Open,
    lines: Vec<usize>,
    found: Vec<Found>,
    places: HashMap<(Code, Place), usize>,
    used: BTreeSet<String>,
    /// The variants that were looked at.
    all: Holds,
    /// Those in which a check is asked, by its place and the turn.
    asked: HashMap<(Position, TurnId), Holds>,
}

impl<'s> OfScenario<'s> {
    fn new(scenario: &'s Scenario) -> Self {
        Self {
            scenario,
            open: Open::of(scenario),
            lines: Vec::new(),
            found: Vec::new(),
            places: HashMap::new(),
            used: BTreeSet::new(),
            all: Holds::default(),
            asked: HashMap::new(),
        }
    }

    fn script(
        &mut self,
        plan: &Plan,
        script: &Script,
        variants: &[Variant<'_>],
        counts: &mut HashMap<(Tokenizer, Box<str>), usize>,
    ) {
        if script.facts.is_empty() {
            return;
        }
        let outline = Outline::new(script, &self.open);
        let facts = Facts::new(&outline);
        let used = self.use_facts(script);
        let unplanted: Vec<usize> = used.into_iter().filter(|fact| !facts.is_planted(*fact, &self.open)).collect();
        let mut known: HashMap<(u32, Window, Tokenizer), Claims<'_>> = HashMap::new();
        for variant in variants {
            let name: Rc<str> = name(plan, variant).into();
            self.all.add(variant.window, &name);
            self.ask(script, variant, &name);
            let tokenizer = variant.model.tokenizer;
            let key = (variant.planned.persona, variant.window, tokenizer);
            let (of_turns, of_transcript) = known.entry(key).or_insert_with(|| {
                let counts = std::cell::RefCell::new(&mut *counts);
                let count = |text: &str| {
                    *counts.borrow_mut().entry((tokenizer, text.into())).or_insert_with(|| tokenizer.count(text))
                };
                let conversation = (variant.planned.persona as usize, variant.window);
                let of_turns = claims(&outline, &facts, conversation, &self.open, &count);
                (of_turns, throughout_claims(&outline, &facts, conversation, &self.open, &count))
            });
            // Of a bot that keeps its history itself it is known what it is told, and that is in the question then.
            let is_known = |code: Code| !variant.model.keeps_history || code == Code::AnswerInQuestion;
            let claims = of_turns.iter().filter(|claim| is_known(claim.code));
            for claim in claims.filter(|claim| is_judged(claim.check, variant)) {
                let is_root = claim.code == Code::OnlyByReply && unplanted.contains(&claim.fact);
                let (number, at) = (claim.asked.number, claim.asked.turn.position);
                if !is_root && !self.scenario.allowed.has_at(claim.code, number, at) {
                    let key = claim.check.kind.key().to_owned();
                    self.claim(claim, (&key, ""), script, (variant.window, &name));
                }
            }
            // They are errors all of them, and no error can be allowed.
            let claims = of_transcript.iter().filter(|claim| is_known(claim.code));
            for claim in claims.filter(|claim| is_judged(claim.check, variant)) {
                let inner = claim.check.kind.throughout().map_or("", |stretch| stretch.kind.key());
                let key = format!("{}: {{{inner}", claim.check.kind.key());
                self.claim(claim, (&key, "}"), script, (variant.window, &name));
            }
            for fact in &unplanted {
                self.never_planted(script, *fact, (variant.window, &name));
            }
        }
    }

    /// Notes which checks on facts a variant asks, and in which turns.
    fn ask(&mut self, script: &Script, variant: &Variant<'_>, name: &Rc<str>) {
        for (number, turn) in script.asked().filter(|(_, turn)| turn.reply.is_none()) {
            let of_turn = script.checks_of(variant.planned.persona as usize, number, turn);
            let of_turn = of_turn.filter(|check| retention(&check.kind).is_some()).map(|check| check.position);
            let over = script.transcript_checks.iter().filter(|check| {
                let is_in = |turn| check.kind.throughout().is_some_and(|stretch| stretch.has(turn));
                matches!(number, TurnId::Turn(turn) if is_in(turn)) && throughout_retention(&check.kind).is_some()
            });
            for position in of_turn.chain(over.map(|check| check.position)) {
                self.asked.entry((position, number)).or_default().add(variant.window, name);
            }
        }
    }

    /// The facts that a check asks for, whatever the persona.
    fn use_facts(&mut self, script: &Script) -> BTreeSet<usize> {
        let each = script.personas.iter().flat_map(|persona| &persona.checks).chain(&script.each_reply);
        let own = script.asked().flat_map(|(_, turn)| &turn.checks);
        let checks = own.chain(each.map(|each| &each.check));
        let over = script.transcript_checks.iter().filter_map(|check| throughout_retention(&check.kind));
        let used = checks.filter_map(|check| retention(&check.kind)).map(|(_, fact, _)| fact);
        let used: BTreeSet<usize> = used.chain(over.map(|(_, fact)| fact)).map(|fact| fact.fact).collect();
        self.used.extend(used.iter().filter_map(|fact| script.facts.get(*fact)).map(|fact| fact.name.clone()));
        used
    }

    /// `key` is what stands before and behind the fact in the check.
    fn claim<K>(
        &mut self,
        claim: &Claim<'_, K>,
        (key, close): (&str, &str),
        script: &Script,
        holds: (Window, &Rc<str>),
    ) {
        let name = &script.facts[claim.fact].name;
        let position = claim.check.position;
        let at = (claim.code, Place::Check(position.line, position.column, name.clone()));
        if !self.places.contains_key(&at) {
            let is_canary = self.scenario.place_of_fact(name).1;
            let value = if is_canary { format!("`‹{name}›`") } else { format!("`{}`", quoted(&claim.value)) };
            let message = message_of(claim, &format!("`{key}: {name}{close}`"), &value);
            let place = self.span(position);
            self.places.insert(at.clone(), self.found.len());
            self.found.push(Found::new(claim.code, place, message).of_check(position, claim));
        }
        let Some(found) = self.places.get(&at).and_then(|at| self.found.get_mut(*at)) else { return };
        found.help(help_of(claim, name));
        found.carried(claim);
        found.turns.entry(claim.asked.number).or_default().add(holds.0, holds.1);
    }

    fn never_planted(&mut self, script: &Script, fact: usize, (window, name): (Window, &Rc<str>)) {
        let fact = &script.facts[fact];
        if self.scenario.allowed.has(Code::NeverPlanted) {
            return;
        }
        let at = (Code::NeverPlanted, Place::Fact(fact.name.clone()));
        if !self.places.contains_key(&at) {
            let (place, is_canary) = self.scenario.place_of_fact(&fact.name);
            let value = if is_canary { format!("‹{}›", fact.name) } else { quoted(&fact.value) };
            let message = format!("no scripted message states the fact `{}`: nothing says `{value}`", fact.name);
            let mut found = Found::new(Code::NeverPlanted, place, message);
            found.help(
                "say it in a turn, in `history:` or in the system prompt; `allow: [never-planted]` where nobody is to know it",
            );
            self.places.insert(at.clone(), self.found.len());
            self.found.push(found);
        }
        if let Some(found) = self.places.get(&at).and_then(|at| self.found.get_mut(*at)) {
            found.everywhere.add(window, name);
        }
    }

    /// `sample` is how many cases were looked at, where others were not.
    fn diagnostics(mut self, is_whole: bool, sample: Option<usize>) -> Vec<Diagnostic> {
        let source = &self.scenario.source;
        let mut diagnostics: Vec<Diagnostic> = Vec::new();
        self.found.sort_by_key(|found| (found.place.start, found.code));
        for found in &self.found {
            let make = if found.code == Code::CanNeverPass { Diagnostic::error } else { Diagnostic::warning };
            let label = [found.label(&self.all, &self.asked), sample.map(of_sample).unwrap_or_default()];
            let label = label.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ");
            diagnostics
                .push(make(found.code, &found.message).at(source, found.place.clone(), label).help(found.helps()));
        }
        if is_whole && !self.scenario.allowed.has(Code::UnusedFact) {
            for name in self.scenario.facts().into_iter().filter(|name| !self.used.contains(*name)) {
                let (place, is_canary) = self.scenario.place_of_fact(name);
                // A canary is looked for in all other conversations, whatever checks ask.
                if is_canary {
                    continue;
                }
                let help = format!(
                    "`recalls: {name}` asks for it; `allow: [unused-fact]` where it is there for the embedded model alone"
                );
                let message = format!("no check asks for the fact `{name}`");
                diagnostics.push(Diagnostic::warning(Code::UnusedFact, message).at(source, place, "").help(help));
            }
        }
        diagnostics
    }

    /// What stands at a place, to the end of its line.
    fn span(&mut self, position: Position) -> Range<usize> {
        let text = &self.scenario.source.text;
        if self.lines.is_empty() {
            self.lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        }
        let line = self.lines.get(position.line.saturating_sub(1) as usize).copied().unwrap_or(text.len());
        let column = position.column.saturating_sub(1) as usize;
        let start = text[line..].char_indices().nth(column).map_or(line, |(at, _)| line + at);
        let end = text[start..].lines().next().map_or(start, |rest| start + rest.trim_end().len());
        start..end
    }
}

/// Whether a check is judged on a variant's model, and held to.
fn is_judged<K>(check: &Check<K>, variant: &Variant<'_>) -> bool {
    let is_marked = check.known_failure.as_ref().is_some_and(|mark| is_among(&mark.models, variant.name));
    !is_marked && is_for(check, variant.name, variant.model)
}

/// Whether a check is judged on a model.
pub(super) fn is_for<K>(check: &Check<K>, name: &str, model: LintedModel) -> bool {
    is_among(&check.models, name) && (model.is_language_model || !check.needs_model)
}

fn is_among(globs: &[String], model: &str) -> bool {
    let matches = |glob: &String| Glob::new(glob).is_ok_and(|glob| glob.compile_matcher().is_match(model));
    globs.is_empty() || globs.iter().any(matches)
}

/// What tells a variant from others under the same window: `gap=2`, `case 7, tutor`.
fn name(plan: &Plan, variant: &Variant<'_>) -> String {
    let scenario = plan.scenario(variant.planned);
    let case = plan.case(variant.planned);
    let cell = plan.cell(variant.planned).iter().filter(|_| !scenario.has_one_script()).map(|(name, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        format!("{name}={value}")
    });
    let case = (!case.is_empty() && !scenario.has_one_script()).then(|| format!("case {case}"));
    let persona = &scenario.personas[variant.planned.persona as usize];
    let persona = (scenario.personas.len() > 1).then(|| persona.clone());
    case.into_iter().chain(cell).chain(persona).collect::<Vec<_>>().join(" ")
}

mod words;

#[cfg(test)]
mod tests;
