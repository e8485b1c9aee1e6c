//! One suite: what is kept of a variant's records while they go by, and the test cases that are made of it.
//!
//! Texts are cut and escaped here, when they are taken: a reply may have megabytes, and a variant thousands of trials.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::super::Tally;
use super::super::failure::{Failure, detail, title};
use super::super::tally::{Decided, is_broken};
use super::super::wording::{grouped, one_line, several};
use super::xml::{Escaped, Kind, Rerun, Status, Suite, Told};
use crate::event::{CheckDone, Record, SnapshotNote, TurnDone};
use crate::model::{TurnId, VariantKey, Verdict};
use crate::text::escape::visible;
use crate::text::layout::{floor_boundary, truncate};

/// So many trials of one case are told one by one; the message counts all.
const TRIALS_IN_FULL: usize = 10;
/// How much is kept of a reply, of what stands beside it, of a message, and of a name: the first two in bytes.
const REPLY_MOST: usize = 8 * 1024;
const TEXT_MOST: usize = 2 * 1024;
const MESSAGE_MOST: usize = 300;
const NAME_MOST: usize = 200;

/// A trial that did not pass.
#[derive(Debug)]
struct Run {
    trial: u32,
    verdict: Verdict,
    message: String,
    text: String,
}

/// A check of the variant.
#[derive(Debug, Default)]
struct Case {
    name: Escaped,
    mark: Option<String>,
    latency_ms: f64,
    runs: Vec<Run>,
}

/// How many names of cases are kept.
const NAMES_MOST: usize = 1000;

/// The names of the checks of the variant before, by their places in it: the next one nearly always has the same.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<u32, CaseName>);

impl Names {
    /// The name of a check's case.
    fn of(&mut self, check: &CheckDone) -> Escaped {
        if let Some(known) = self.0.get(&check.index).filter(|known| known.is_of(check)) {
            return known.made.clone();
        }
        let made = Escaped::of(&case_name(check));
        if self.0.len() >= NAMES_MOST {
            self.0.clear();
        }
        let CheckDone { turn, check: kind, name, expected, .. } = check;
        let (kind, name, expected) = (kind.clone(), name.clone(), expected.clone());
        self.0.insert(check.index, CaseName { turn: *turn, kind, name, expected, made: made.clone() });
        made
    }
}

/// The name of a case, and all that it is made of.
#[derive(Debug)]
struct CaseName {
    turn: Option<TurnId>,
    kind: String,
    name: Option<String>,
    expected: String,
    made: Escaped,
}

impl CaseName {
    fn is_of(&self, check: &CheckDone) -> bool {
        (self.turn, &self.kind, &self.name, &self.expected) == (check.turn, &check.check, &check.name, &check.expected)
    }
}

/// What is kept of a variant's records.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    file: String,
    checks: BTreeMap<u32, Case>,
    /// Conversations that could not be carried through.
    broken: Vec<Run>,
    snapshot: Option<SnapshotNote>,
}

impl Gathered {
    /// Adds a trial.
    pub(super) fn add(&mut self, record: &Record, snapshot: Option<SnapshotNote>, names: &mut Names) {
        self.file.clone_from(&record.begin.file);
        self.snapshot = self.snapshot.take().or(snapshot);
        if is_broken(record) && self.broken.len() < TRIALS_IN_FULL {
            self.broken.push(broken(record));
        }
        for check in &record.checks {
            let turn = check.shown_by().and_then(|number| turn_of(record, number));
            let case = self.checks.entry(check.index).or_insert_with(|| Case::of(check, names));
            // What a turn took is no check's on the whole transcript.
            let own = turn.filter(|turn| Some(turn.turn) == check.turn);
            case.latency_ms += own.and_then(|turn| turn.latency_ms).unwrap_or(0.0);
            let is_kept = |verdict: Verdict| case.runs.iter().filter(|run| run.verdict == verdict).count();
            let most = match check.verdict {
                // It is shown where the decision is that the mark can go.
                Verdict::Pass => usize::from(check.holds_in_spite()),
                // Of these one is shown.
                Verdict::Skip | Verdict::KnownFailure => 1,
                Verdict::Fail | Verdict::Unknown => TRIALS_IN_FULL,
            };
            if is_kept(check.verdict) < most {
                case.runs.push(run(record, check, turn));
            }
        }
    }

    /// The suite of the variant.
    pub(super) fn suite(mut self, tally: &Tally) -> Suite {
        let label = tally.key.to_string();
        let mut suite = Suite::new(&one_line(&label), seconds(tally.usage.latency_ms.unwrap_or(0.0)));
        if self.file != "-" {
            suite.set_file(&one_line(&self.file));
        }
        set_properties(&mut suite, &tally.key, tally.trials);
        let class = Escaped::of(&class(&tally.key, &label));
        let mut taken = HashMap::with_capacity(self.checks.len() + 2);
        let mut put = |name: Escaped, latency_ms: f64, status: &Status| {
            suite.case(&distinct(&mut taken, name), &class, seconds(latency_ms), status);
        };
        for decided in tally.decided() {
            let Some(mut case) = self.checks.remove(&decided.index) else { continue };
            let name = std::mem::take(&mut case.name);
            put(name, case.latency_ms, &case.status(&decided));
        }
        let is_empty = tally.verdicts.total() == 0 && self.snapshot.is_none();
        if let Some(status) = conversation(self.broken, tally, is_empty) {
            put(Escaped::of("conversation"), 0.0, &status);
        }
        if let Some(note) = &self.snapshot {
            put(Escaped::of("snapshot"), 0.0, &of_snapshot(note));
        }
        suite
    }
}

impl Case {
    fn of(check: &CheckDone, names: &mut Names) -> Self {
        Self { name: names.of(check), mark: check.known_failure.clone(), latency_ms: 0.0, runs: Vec::new() }
    }

    /// What the decision is to a viewer of test results.
    fn status(self, decided: &Decided) -> Status {
        let trials = &decided.trials;
        let of_trials = |number: u64, word: &str| match trials.total() {
            0 | 1 => String::new(),
            all => format!("{word} in {} of {}: ", grouped(number), several(all, "trial", "trials")),
        };
        let is_marked = self.mark.is_some();
        let wrong = |run: &Run| {
            matches!(run.verdict, Verdict::Fail | Verdict::Unknown) || is_marked && run.verdict == Verdict::Pass
        };
        match decided.verdict {
            Verdict::Pass => Status::Success(self.runs.into_iter().filter(wrong).map(rerun).collect()),
            Verdict::Fail => {
                let first = if trials.fail == 0 { Verdict::Pass } else { Verdict::Fail };
                let said =
                    if trials.fail == 0 { of_trials(trials.pass, "passed") } else { of_trials(trials.fail, "failed") };
                let what = Verdict::Fail.as_str();
                not_passed(Kind::Failure, (first, what), &said, self.runs.into_iter().filter(wrong))
            }
            Verdict::Unknown => {
                let said = of_trials(trials.unknown, "unknown");
                let what = Verdict::Unknown.as_str();
                not_passed(Kind::Error, (Verdict::Unknown, what), &said, self.runs.into_iter().filter(wrong))
            }
            Verdict::Skip | Verdict::KnownFailure => {
                let run = self.runs.into_iter().find(|run| run.verdict == decided.verdict);
                skipped(decided.verdict, self.mark.as_deref(), run)
            }
        }
    }
}

/// A status with the first run of the verdict in front, and the others as its reruns.
fn not_passed(
    kind: Kind,
    (verdict, what): (Verdict, &'static str),
    said: &str,
    runs: impl Iterator<Item = Run>,
) -> Status {
    let mut runs: Vec<Run> = runs.collect();
    let mut told = Told { what, ..Told::default() };
    if let Some(first) = runs.iter().position(|run| run.verdict == verdict) {
        let Run { message, text, .. } = runs.remove(first);
        (told.message, told.text) = (Some(format!("{said}{message}")), Some(text));
    }
    Status::Wrong(kind, told, runs.into_iter().map(rerun).collect())
}

fn rerun(run: Run) -> Rerun {
    let kind = if run.verdict == Verdict::Fail { Kind::Failure } else { Kind::Error };
    let message = format!("trial {}: {}", run.trial, run.message);
    Rerun { kind, told: Told { what: run.verdict.as_str(), message: Some(message), text: Some(run.text) } }
}

fn skipped(verdict: Verdict, mark: Option<&str>, run: Option<Run>) -> Status {
    let known = mark.filter(|_| verdict == Verdict::KnownFailure).map(message);
    let (message, text) = match (known, run) {
        (Some(reason), run) => (Some(reason), run.map(|run| run.text)),
        (None, Some(run)) if run.message.is_empty() => (Some("not asked".to_owned()), None),
        (None, Some(run)) => (Some(run.message), None),
        (None, None) => (None, None),
    };
    Status::Skipped(Told { what: verdict.as_str(), message, text })
}

/// What is to be said of the conversations themselves; `None` where the checks say it all.
fn conversation(broken: Vec<Run>, tally: &Tally, is_empty: bool) -> Option<Status> {
    let skipped =
        |what, message: &str| Status::Skipped(Told { what, message: Some(message.to_owned()), ..Told::default() });
    if tally.broken > 0 {
        let said = match tally.trials {
            1 => String::new(),
            all => format!("errored in {} of {all} trials: ", tally.broken),
        };
        Some(not_passed(Kind::Error, (Verdict::Unknown, "errored"), &said, broken.into_iter()))
    } else if tally.ends.interrupted > 0 {
        Some(skipped("interrupted", "it was cut short"))
    } else if tally.ends.skipped > 0 {
        Some(skipped("skipped", "the budget is spent"))
    } else {
        is_empty.then(|| Status::Success(Vec::new()))
    }
}

fn of_snapshot(note: &SnapshotNote) -> Status {
    if !note.is_failure && !note.is_pending {
        return Status::Success(Vec::new());
    }
    let diff = note.diff.as_ref().map_or_else(String::new, |diff| format!("\n{}\n", lines(diff, REPLY_MOST, "")));
    let path = one_line(&note.path);
    let text = Some(format!("{}\n{diff}\n{path}\n", lines(&note.what, TEXT_MOST, "")));
    let told = Told { what: "snapshot", message: Some(message(&note.what)), text };
    if note.is_failure { Status::Wrong(Kind::Failure, told, Vec::new()) } else { Status::Skipped(told) }
}

/// A suite of snapshots that belong to no conversation.
pub(super) fn of_snapshots(notes: &[SnapshotNote]) -> Suite {
    let mut suite = Suite::new("snapshots", Duration::ZERO);
    for note in notes {
        let (name, class) = (Escaped::of(&one_line(&note.path)), Escaped::of("snapshots"));
        suite.case(&name, &class, Duration::ZERO, &of_snapshot(note));
    }
    suite
}

/// A suite that says of how many conversations there is nothing to say.
pub(super) fn not_begun(conversations: u64) -> Suite {
    let said = several(conversations, "conversation was not begun", "conversations were not begun");
    let told = Told { what: "not_begun", message: Some(said), text: None };
    let mut suite = Suite::new("not begun", Duration::ZERO);
    let (name, class) = (Escaped::of("conversations"), Escaped::of("not begun"));
    suite.case(&name, &class, Duration::ZERO, &Status::Skipped(told));
    suite
}

fn run(record: &Record, check: &CheckDone, turn: Option<&TurnDone>) -> Run {
    let reason = detail(check);
    let why = lines(&reason, TEXT_MOST, "");
    let exchange = turn.map(exchange).unwrap_or_default();
    let place = format!("{}:{}", one_line(&record.begin.file), check.line);
    let parts = [why, exchange, place].into_iter().filter(|part| !part.is_empty());
    Run {
        trial: record.begin.key.trial,
        verdict: check.verdict,
        message: message(&reason),
        text: parts.collect::<Vec<_>>().join("\n\n") + "\n",
    }
}

/// What was said, and what came back.
fn exchange(turn: &TurnDone) -> String {
    let rest = format!("; {} of transcripts.csv", turn.turn.named());
    let quoted = |name: &str, text: &str| format!("{name}\n  {}", text.replace('\n', "\n  "));
    let user = quoted("user", &lines(&turn.user, TEXT_MOST, &rest));
    let back = match (&turn.reply, &turn.error) {
        (Some(reply), _) if reply.trim().is_empty() => "reply (empty)".to_owned(),
        (Some(reply), _) => quoted("reply", &lines(reply, REPLY_MOST, &rest)),
        (None, Some(error)) => quoted("error", &lines(error, TEXT_MOST, "")),
        (None, None) => return user,
    };
    format!("{user}\n{back}")
}

fn broken(record: &Record) -> Run {
    let Failure { title, turn, detail, .. } = Failure::of_conversation(record);
    let turn = turn.map_or_else(String::new, |turn| format!("{} · ", turn.named()));
    let said = format!("{turn}{title}: {detail}");
    let said = said.trim_end_matches(": ");
    Run {
        trial: record.begin.key.trial,
        verdict: Verdict::Unknown,
        message: message(said),
        text: format!("{}\n\n{}\n", lines(said, TEXT_MOST, ""), one_line(&record.begin.file)),
    }
}

fn turn_of(record: &Record, number: TurnId) -> Option<&TurnDone> {
    let at = record.turns.binary_search_by_key(&number, |turn| turn.turn).ok()?;
    record.turns.get(at)
}

fn set_properties(suite: &mut Suite, key: &VariantKey, trials: u32) {
    let VariantKey { scenario, case, persona, model, window, vars } = key;
    let names = ["scenario", "case", "persona", "model", "window", "vars"];
    let values = [scenario, case, persona, model, window, vars];
    for (name, value) in names.into_iter().zip(values).filter(|(_, value)| !value.is_empty()) {
        suite.property(name, &one_line(value));
    }
    suite.property("trials", &trials.to_string());
}

/// `scenario.variant`: viewers take what stands in front of the last dot for a package, so there is no other dot.
fn class(key: &VariantKey, label: &str) -> String {
    let variant = label.strip_prefix(&key.scenario).map_or("", |rest| rest.trim_start_matches(" · "));
    let part = |text: &str| one_line(text).replace('.', "_");
    format!("{}.{}", part(&key.scenario), part(variant))
}

/// A name that no other case of the suite has: the same may be asserted twice.
fn distinct(taken: &mut HashMap<Escaped, u32>, name: Escaped) -> Escaped {
    let count = taken.entry(name.clone()).or_default();
    *count += 1;
    if *count == 1 { name } else { name.numbered(*count) }
}

fn case_name(check: &CheckDone) -> String {
    let turn = check.turn.map_or_else(String::new, |turn| format!("{} · ", turn.named()));
    truncate(&format!("{turn}{}", one_line(&title(check))), NAME_MOST)
}

/// A text on one line, for an attribute.
fn message(text: &str) -> String {
    truncate(&one_line(&text[..floor_boundary(text, TEXT_MOST)]), MESSAGE_MOST)
}

/// The beginning of a text, as the file can have it; where that is not all of it, it is said.
fn lines(text: &str, most: usize, where_is_more: &str) -> String {
    let text = text.trim_matches('\n');
    let end = floor_boundary(text, most);
    if end == text.len() {
        return flat(text);
    }
    let all = several(text.chars().count() as u64, "character", "characters");
    format!("{}\n… (cut here; {all} in all{where_is_more})", flat(&text[..end]))
}

/// A text of several lines as the file can have it. A tab becomes four spaces: viewers differ in what they make of one.
fn flat(text: &str) -> String {
    visible(text).replace('\t', "    ")
}

fn seconds(milliseconds: f64) -> Duration {
    Duration::try_from_secs_f64(milliseconds / 1000.0).unwrap_or_default()
}
