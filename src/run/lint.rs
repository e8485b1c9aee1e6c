//! The memory lint over a plan: each claim once for its place in the file, with the variants that it holds for. Pure.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use globset::Glob;

use super::plan::{Plan, Planned};
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::model::{Check, Origin, Position, Script, TurnId, Window};
use crate::scenario::Scenario;
use crate::scenario::lint::{Claim, Facts, claims, retention};
use crate::scenario::open::Open;
use crate::scenario::outline::Outline;
use crate::text::escape::quote;
use crate::text::tokens::Tokenizer;

/// What the lint must know of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LintedModel {
    /// What token windows count with.
    pub tokenizer: Tokenizer,
    /// Whether checks are for it that need a language model.
    pub is_language_model: bool,
}

/// What the lint found.
#[derive(Debug, Default)]
pub struct Linted {
    /// By scenario, then by place.
    pub diagnostics: Vec<Diagnostic>,
    /// How many scripts were not looked at, since the others were work enough.
    pub left_out: usize,
}

/// Characters that are shown of a value.
const SHOWN: usize = 40;
/// So many windows, cells and turns are named.
const NAMED: usize = 5;
/// How much is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// Whether nothing was left out of the plan, so that what no check asks for is known.
    pub is_whole: bool,
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
    for conversations in plan.conversations.chunk_by(|one, next| one.scenario == next.scenario) {
        let scenario = plan.scenario(&conversations[0]);
        if scenario.facts().is_empty() {
            continue;
        }
        let (mut of_scenario, mut is_whole) = (OfScenario::new(scenario), extent.is_whole);
        for variants in conversations.chunk_by(|one, next| one.script() == next.script()) {
            if work > extent.most {
                linted.left_out += 1;
                is_whole = false;
                continue;
            }
            let (case, cell) = variants[0].script();
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
        linted.diagnostics.extend(of_scenario.diagnostics(is_whole));
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

/// What was found at one place.
struct Found {
    code: Code,
    place: Range<usize>,
    message: String,
    help: String,
    turns: BTreeSet<TurnId>,
    /// The words for what may echo the fact, of the first variant.
    detail: String,
    holds: Holds,
}

/// The variants that something holds for.
#[derive(Default)]
struct Holds {
    /// Windows, with the names of the cases and cells under each.
    windows: Vec<(Window, Vec<String>)>,
}

impl Holds {
    fn add(&mut self, window: Window, name: &str) {
        let at = self.windows.iter().position(|(known, _)| *known == window).unwrap_or_else(|| {
            self.windows.push((window, Vec::new()));
            self.windows.len() - 1
        });
        let names = &mut self.windows[at].1;
        // Variants come in the order of the plan, where those of one name stand together under each window.
        if names.last().is_none_or(|last| last != name) {
            names.push(name.to_owned());
        }
    }

    /// `window 1 (gap=1, gap=2), window 2`; cells only where it does not hold for all that `all` has under the window.
    fn words(&self, all: &Self) -> String {
        let is_all = |window: Window, names: &[String]| {
            all.windows.iter().any(|(known, whole)| *known == window && whole.len() == names.len())
        };
        let is_whole = self.windows.iter().all(|(window, names)| is_all(*window, names));
        if is_whole && self.windows.len() == all.windows.len() && self.windows.len() > 1 {
            return "under every window".to_owned();
        }
        listed(self.windows.iter().map(|(window, names)| {
            let cells = if is_all(*window, names) { String::new() } else { format!(" ({})", listed(names)) };
            format!("window {window}{cells}")
        }))
    }
}

struct OfScenario<'s> {
    scenario: &'s Scenario,
    open: Open,
    lines: Vec<usize>,
    found: Vec<Found>,
    places: HashMap<(Code, Place), usize>,
    used: BTreeSet<String>,
    /// The variants that were looked at.
    all: Holds,
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
        let mut known: HashMap<(u32, Window, Tokenizer), Vec<Claim<'_>>> = HashMap::new();
        for variant in variants {
            let name = name(plan, variant);
            self.all.add(variant.window, &name);
            let tokenizer = variant.model.tokenizer;
            let key = (variant.planned.persona, variant.window, tokenizer);
            let of_variant = known.entry(key).or_insert_with(|| {
                let counts = std::cell::RefCell::new(&mut *counts);
                let count = |text: &str| {
                    *counts.borrow_mut().entry((tokenizer, text.into())).or_insert_with(|| tokenizer.count(text))
                };
                claims(&outline, &facts, (variant.planned.persona as usize, variant.window), &self.open, &count)
            });
            for claim in of_variant.iter().filter(|claim| is_judged(claim.check, variant)) {
                let is_root = claim.code == Code::OnlyByReply && unplanted.contains(&claim.fact);
                let is_allowed = self.scenario.allowed.has(claim.code, Some(claim.asked.turn.position));
                if !is_root && !is_allowed {
                    self.claim(claim, script, (variant.window, &name));
                }
            }
            for fact in &unplanted {
                self.never_planted(script, *fact, (variant.window, &name));
            }
        }
    }

    /// The facts that a check asks for, whatever the persona.
    fn use_facts(&mut self, script: &Script) -> BTreeSet<usize> {
        let each = script.personas.iter().flat_map(|persona| &persona.checks).chain(&script.each_reply);
        let own = script.asked().flat_map(|(_, turn)| &turn.checks);
        let checks = own.chain(each.map(|each| &each.check));
        let used: BTreeSet<usize> =
            checks.filter_map(|check| retention(&check.kind)).map(|(_, fact, _)| fact.fact).collect();
        self.used.extend(used.iter().filter_map(|fact| script.facts.get(*fact)).map(|fact| fact.name.clone()));
        used
    }

    fn claim(&mut self, claim: &Claim<'_>, script: &Script, holds: (Window, &str)) {
        let fact = &script.facts[claim.fact];
        let position = claim.check.position;
        let place = Place::Check(position.line, position.column, fact.name.clone());
        let key = (claim.code, place);
        if !self.places.contains_key(&key) {
            let is_canary = self.scenario.place_of_fact(&fact.name).1;
            let value =
                if is_canary { format!("`‹{}›`", fact.name) } else { format!("`{}`", quoted(&claim.value)) };
            let (message, help) = words(claim, &fact.name, &value);
            let found = Found {
                code: claim.code,
                place: self.span(position),
                message,
                help,
                turns: BTreeSet::new(),
                detail: detail(claim),
                holds: Holds::default(),
            };
            self.places.insert(key.clone(), self.found.len());
            self.found.push(found);
        }
        self.holds(&key, Some(claim.asked.number), holds);
    }

    fn never_planted(&mut self, script: &Script, fact: usize, holds: (Window, &str)) {
        let fact = &script.facts[fact];
        if self.scenario.allowed.has(Code::NeverPlanted, None) {
            return;
        }
        let key = (Code::NeverPlanted, Place::Fact(fact.name.clone()));
        if !self.places.contains_key(&key) {
            let (place, is_canary) = self.scenario.place_of_fact(&fact.name);
            let value = if is_canary { format!("‹{}›", fact.name) } else { quoted(&fact.value) };
            let found = Found {
                code: Code::NeverPlanted,
                place,
                message: format!("no scripted message states the fact `{}`: nothing says `{value}`", fact.name),
                help: "say it in a turn, in `history:` or in the system prompt; `allow: [never-planted]` where nobody is to \
                       know it"
                    .to_owned(),
                turns: BTreeSet::new(),
                detail: String::new(),
                holds: Holds::default(),
            };
            self.places.insert(key.clone(), self.found.len());
            self.found.push(found);
        }
        self.holds(&key, None, holds);
    }

    /// Notes that it holds in one more turn or variant, too.
    fn holds(&mut self, key: &(Code, Place), turn: Option<TurnId>, (window, name): (Window, &str)) {
        let Some(found) = self.places.get(key).and_then(|at| self.found.get_mut(*at)) else { return };
        found.turns.extend(turn);
        found.holds.add(window, name);
    }

    fn diagnostics(mut self, is_whole: bool) -> Vec<Diagnostic> {
        let source = &self.scenario.source;
        let mut diagnostics: Vec<Diagnostic> = Vec::new();
        self.found.sort_by_key(|found| (found.place.start, found.code));
        for found in &self.found {
            let make = if found.code == Code::CanNeverPass { Diagnostic::error } else { Diagnostic::warning };
            let label = where_it_holds(found, &self.all);
            diagnostics.push(make(found.code, &found.message).at(source, found.place.clone(), label).help(&found.help));
        }
        if is_whole && !self.scenario.allowed.has(Code::UnusedFact, None) {
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
fn is_judged(check: &Check, variant: &Variant<'_>) -> bool {
    let is_marked = check.known_failure.as_ref().is_some_and(|mark| is_among(&mark.models, variant.name));
    !is_marked && is_for(check, variant.name, variant.model)
}

/// Whether a check is judged on a model.
pub(super) fn is_for(check: &Check, name: &str, model: LintedModel) -> bool {
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

fn quoted(value: &str) -> String {
    quote(value, SHOWN).trim_matches('"').to_owned()
}

/// The message and the help of a claim about a check.
fn words(claim: &Claim<'_>, fact: &str, value: &str) -> (String, String) {
    let key = claim.check.kind.key();
    let check = format!("`{key}: {fact}`");
    match claim.code {
        Code::CanNeverPass if claim.carriers.is_empty() => (
            format!("{check} can never pass: no message that is sent has {value}"),
            "a larger window may keep it; `forgets` says that it is cut, `retains_iff_visible` holds under every window".to_owned(),
        ),
        Code::CanNeverPass => {
            let help = match claim.carriers.first() {
                Some(Origin::System) => "no window cuts the system prompt".to_owned(),
                Some(Origin::User(number)) if TurnId::Turn(*number) == claim.asked.number => {
                    "no window cuts the question: ask without naming it".to_owned()
                }
                Some(Origin::Probe(_)) => "no window cuts the question: ask without naming it".to_owned(),
                _ => format!("a smaller window may cut it; `recalls: {fact}` says that it is kept"),
            };
            (format!("{check} can never pass: {value} is in what is sent"), help)
        }
        Code::OnlyByReply => (
            format!("{check} passes only if a live reply repeats {value}: no scripted message that is sent has it"),
            "a larger window may keep it; `allow: [only-by-reply]` on the turn where it is meant".to_owned(),
        ),
        Code::AnswerInQuestion => (
            format!("the question itself has {value}: {check} proves nothing"),
            "ask without naming it; of a check on each reply, `from:` leaves out the turn that states it".to_owned(),
        ),
        _ => (
            format!("{check} hangs on an orphan reply, whose cut question has {value}"),
            "`orphan_reply: drop` beside the window cuts it too; `allow: [orphan-reply]` on the turn where it is meant"
                .to_owned(),
        ),
    }
}

/// Which messages have the fact, or may.
fn detail(claim: &Claim<'_>) -> String {
    let is_reply = claim.code == Code::OnlyByReply || claim.code == Code::OrphanReply;
    let named = claim.carriers.iter().map(|origin| match origin {
        Origin::Reply(number) if claim.code == Code::OnlyByReply && claim.orphan == Some(*origin) => {
            format!("<reply {number}> (an orphan)")
        }
        Origin::Reply(number) if is_reply => format!("<reply {number}>"),
        origin => origin.to_string(),
    });
    let named: Vec<String> = named.collect();
    match named.len() {
        0 => String::new(),
        _ if is_reply => format!("{} may repeat it", named.join(" or ")),
        _ => format!("in {}", named.join(", ")),
    }
}

/// `turn 4, window 2, in u1, a1`.
fn where_it_holds(found: &Found, all: &Holds) -> String {
    let turns = match found.turns.len() {
        0 => String::new(),
        1 => found.turns.iter().map(|turn| turn.named().to_string()).collect(),
        _ => format!("turns {}", listed(&found.turns)),
    };
    let holds = match (found.holds.words(all), found.code) {
        (words, Code::NeverPlanted) if words == all.words(all) => String::new(),
        (words, _) => words,
    };
    [turns, holds, found.detail.clone()].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

/// The first few, and how many more.
fn listed(items: impl IntoIterator<Item = impl ToString>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    let shown = items[..items.len().min(NAMED)].join(", ");
    match items.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests;
