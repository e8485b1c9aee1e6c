//! One suite: what is kept of a variant's records while they go by, and the test cases that are made of it.
//!
//! Texts are cut and escaped here, when they are taken: a reply may have megabytes, and a variant thousands of trials.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use quick_junit::{NonSuccessKind, Property, TestCase, TestCaseStatus, TestRerun, TestSuite, XmlString};

use super::super::Tally;
use super::super::failure::{Failure, detail, title};
use super::super::tally::{Decided, is_broken};
use super::super::wording::{grouped, one_line, several};
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
    name: String,
    mark: Option<String>,
    latency_ms: f64,
    runs: Vec<Run>,
}

/// How many short texts are kept ready.
const WORDS_MOST: usize = 1000;

/// Names of checks, personas and models, as the library wants them: it looks through each text that it is given, and
/// those of a thousand variants are the same.
#[derive(Debug, Default)]
pub(super) struct Words {
    words: HashMap<String, XmlString>,
    /// The names of the checks of the variant before, by their places in it: the next one nearly always has the same.
    names: HashMap<u32, CaseName>,
}

impl Words {
    fn of(&mut self, text: &str) -> XmlString {
        if let Some(word) = self.words.get(text) {
            return word.clone();
        }
        if self.words.len() >= WORDS_MOST {
            self.words.clear();
        }
        let word = XmlString::new(text);
        self.words.insert(text.to_owned(), word.clone());
        word
    }

    /// The name of a check's case.
    fn name(&mut self, check: &CheckDone) -> String {
        if let Some(known) = self.names.get(&check.index).filter(|known| known.is_of(check)) {
            return known.made.clone();
        }
        let made = case_name(check);
        if self.names.len() >= WORDS_MOST {
            self.names.clear();
        }
        let CheckDone { turn, check: kind, name, expected, .. } = check;
        let (kind, name, expected) = (kind.clone(), name.clone(), expected.clone());
        self.names.insert(check.index, CaseName { turn: *turn, kind, name, expected, made: made.clone() });
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
    made: String,
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
    pub(super) fn add(&mut self, record: &Record, snapshot: Option<SnapshotNote>, words: &mut Words) {
        self.file.clone_from(&record.begin.file);
        self.snapshot = self.snapshot.take().or(snapshot);
        if is_broken(record) && self.broken.len() < TRIALS_IN_FULL {
            self.broken.push(broken(record));
        }
        for check in &record.checks {
            let turn = check.shown_by().and_then(|number| turn_of(record, number));
            let case = self.checks.entry(check.index).or_insert_with(|| Case::of(check, words));
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
    pub(super) fn suite(mut self, tally: &Tally, words: &mut Words) -> TestSuite {
        let name = one_line(&tally.key.to_string());
        let mut suite = TestSuite::new(flat(&name));
        suite.set_time(seconds(tally.usage.latency_ms.unwrap_or(0.0)));
        if self.file != "-" {
            suite.extra.insert("file".into(), words.of(&flat(&one_line(&self.file))));
        }
        suite.add_properties(properties(&tally.key, tally.trials, words));
        let class = XmlString::new(class(&tally.key));
        let mut names: HashMap<String, u32> = HashMap::new();
        let mut put = |name: &str, latency_ms: f64, status: TestCaseStatus| {
            let mut case = TestCase::new(words.of(&distinct(&mut names, name)), status);
            case.set_classname(class.clone()).set_time(seconds(latency_ms));
            suite.add_test_case(case);
        };
        for decided in tally.decided() {
            let Some(mut case) = self.checks.remove(&decided.index) else { continue };
            let name = std::mem::take(&mut case.name);
            put(&name, case.latency_ms, case.status(&decided));
        }
        let is_empty = tally.verdicts.total() == 0 && self.snapshot.is_none();
        if let Some(status) = conversation(self.broken, tally, is_empty) {
            put("conversation", 0.0, status);
        }
        if let Some(note) = &self.snapshot {
            put("snapshot", 0.0, of_snapshot(note));
        }
        suite
    }
}

impl Case {
    fn of(check: &CheckDone, words: &mut Words) -> Self {
        Self { name: words.name(check), mark: check.known_failure.clone(), latency_ms: 0.0, runs: Vec::new() }
    }

    /// What the decision is to a viewer of test results.
    fn status(self, decided: &Decided) -> TestCaseStatus {
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
            Verdict::Pass => {
                let mut status = TestCaseStatus::success();
                status.add_reruns(self.runs.into_iter().filter(wrong).map(rerun));
                status
            }
            Verdict::Fail if trials.fail == 0 => {
                let (said, runs) = (of_trials(trials.pass, "passed"), self.runs.into_iter().filter(wrong));
                let mut status = non_success(NonSuccessKind::Failure, Verdict::Pass, &said, runs);
                status.set_type(Verdict::Fail.as_str());
                status
            }
            Verdict::Fail => {
                let said = of_trials(trials.fail, "failed");
                non_success(NonSuccessKind::Failure, Verdict::Fail, &said, self.runs.into_iter().filter(wrong))
            }
            Verdict::Unknown => {
                let said = of_trials(trials.unknown, "unknown");
                non_success(NonSuccessKind::Error, Verdict::Unknown, &said, self.runs.into_iter().filter(wrong))
            }
            Verdict::Skip | Verdict::KnownFailure => {
                let run = self.runs.into_iter().find(|run| run.verdict == decided.verdict);
                skipped(decided.verdict, self.mark.as_deref(), run)
            }
        }
    }
}

/// A status with the first run of the verdict in front, and the others as its reruns.
fn non_success(kind: NonSuccessKind, verdict: Verdict, said: &str, runs: impl Iterator<Item = Run>) -> TestCaseStatus {
    let mut runs: Vec<Run> = runs.collect();
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(verdict.as_str());
    if let Some(first) = runs.iter().position(|run| run.verdict == verdict) {
        let Run { message, text, .. } = runs.remove(first);
        status.set_message(format!("{said}{message}")).set_description(text);
    }
    status.add_reruns(runs.into_iter().map(rerun));
    status
}

fn rerun(run: Run) -> TestRerun {
    let kind = if run.verdict == Verdict::Fail { NonSuccessKind::Failure } else { NonSuccessKind::Error };
    let mut rerun = TestRerun::new(kind);
    let message = format!("trial {}: {}", run.trial, run.message);
    rerun.set_type(run.verdict.as_str()).set_message(message).set_description(run.text);
    rerun
}

fn skipped(verdict: Verdict, mark: Option<&str>, run: Option<Run>) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    status.set_type(verdict.as_str());
    let known = mark.filter(|_| verdict == Verdict::KnownFailure).map(message);
    match (known, run) {
        (Some(reason), Some(run)) => {
            status.set_message(reason).set_description(run.text);
        }
        (Some(reason), None) => {
            status.set_message(reason);
        }
        (None, Some(run)) => {
            status.set_message(if run.message.is_empty() { "not asked" } else { &run.message });
        }
        (None, None) => {}
    }
    status
}

/// What is to be said of the conversations themselves; `None` where the checks say it all.
fn conversation(broken: Vec<Run>, tally: &Tally, is_empty: bool) -> Option<TestCaseStatus> {
    let skipped = |verdict: &str, message: &str| {
        let mut status = TestCaseStatus::skipped();
        status.set_type(verdict).set_message(message);
        status
    };
    if tally.broken > 0 {
        let said = match tally.trials {
            1 => String::new(),
            all => format!("errored in {} of {all} trials: ", tally.broken),
        };
        let mut status = non_success(NonSuccessKind::Error, Verdict::Unknown, &said, broken.into_iter());
        status.set_type("errored");
        Some(status)
    } else if tally.ends.interrupted > 0 {
        Some(skipped("interrupted", "it was cut short"))
    } else if tally.ends.skipped > 0 {
        Some(skipped("skipped", "the budget is spent"))
    } else {
        is_empty.then(TestCaseStatus::success)
    }
}

fn of_snapshot(note: &SnapshotNote) -> TestCaseStatus {
    let what = message(&note.what);
    let mut status = match (note.is_failure, note.is_pending) {
        (true, _) => TestCaseStatus::non_success(NonSuccessKind::Failure),
        (false, true) => TestCaseStatus::skipped(),
        (false, false) => return TestCaseStatus::success(),
    };
    status.set_type("snapshot").set_message(what.as_str());
    let diff = note.diff.as_ref().map_or_else(String::new, |diff| format!("\n{}\n", lines(diff, REPLY_MOST, "")));
    let path = flat(&one_line(&note.path));
    status.set_description(format!("{}\n{diff}\n{path}\n", lines(&note.what, TEXT_MOST, "")));
    status
}

/// A suite of snapshots that belong to no conversation.
pub(super) fn of_snapshots(notes: &[SnapshotNote]) -> TestSuite {
    let mut suite = TestSuite::new("snapshots");
    suite.set_time(Duration::ZERO);
    for note in notes {
        let mut case = TestCase::new(flat(&one_line(&note.path)), of_snapshot(note));
        case.set_classname("snapshots").set_time(Duration::ZERO);
        suite.add_test_case(case);
    }
    suite
}

/// A suite that says of how many conversations there is nothing to say.
pub(super) fn not_begun(conversations: u64) -> TestSuite {
    let mut status = TestCaseStatus::skipped();
    let said = several(conversations, "conversation was not begun", "conversations were not begun");
    status.set_type("not_begun").set_message(said);
    let mut case = TestCase::new("conversations", status);
    case.set_classname("not begun").set_time(Duration::ZERO);
    let mut suite = TestSuite::new("not begun");
    suite.set_time(Duration::ZERO).add_test_case(case);
    suite
}

fn run(record: &Record, check: &CheckDone, turn: Option<&TurnDone>) -> Run {
    let reason = detail(check);
    let why = lines(&reason, TEXT_MOST, "");
    let exchange = turn.map(exchange).unwrap_or_default();
    let place = format!("{}:{}", flat(&one_line(&record.begin.file)), check.line);
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
        text: format!("{}\n\n{}\n", lines(said, TEXT_MOST, ""), flat(&one_line(&record.begin.file))),
    }
}

fn turn_of(record: &Record, number: TurnId) -> Option<&TurnDone> {
    let at = record.turns.binary_search_by_key(&number, |turn| turn.turn).ok()?;
    record.turns.get(at)
}

fn properties(key: &VariantKey, trials: u32, words: &mut Words) -> Vec<Property> {
    let VariantKey { scenario, case, persona, model, window, vars } = key;
    let names = ["scenario", "case", "persona", "model", "window", "vars"];
    let values = [scenario, case, persona, model, window, vars];
    let known = names.into_iter().zip(values).filter(|(_, value)| !value.is_empty());
    let known = known.map(|(name, value)| (name, flat(&one_line(value)))).chain([("trials", trials.to_string())]);
    known.map(|(name, value)| Property::new(words.of(name), words.of(&value))).collect()
}

/// `scenario.variant`: viewers take what stands in front of the last dot for a package, so there is no other dot.
fn class(key: &VariantKey) -> String {
    let names = key.to_string();
    let variant = names.strip_prefix(&key.scenario).map_or("", |rest| rest.trim_start_matches(" · "));
    let part = |text: &str| flat(&one_line(text)).replace('.', "_");
    format!("{}.{}", part(&key.scenario), part(variant))
}

/// A name that no other case of the suite has: the same may be asserted twice.
fn distinct(names: &mut HashMap<String, u32>, name: &str) -> String {
    let count = names.entry(name.to_owned()).or_default();
    *count += 1;
    if *count == 1 { name.to_owned() } else { format!("{name} ({count})") }
}

fn case_name(check: &CheckDone) -> String {
    let turn = check.turn.map_or_else(String::new, |turn| format!("{} · ", turn.named()));
    truncate(&flat(&format!("{turn}{}", one_line(&title(check)))), NAME_MOST)
}

/// A text on one line, for an attribute.
fn message(text: &str) -> String {
    truncate(&flat(&one_line(&text[..floor_boundary(text, TEXT_MOST)])), MESSAGE_MOST)
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

/// The text as the file can have it. A tab becomes four spaces: the library would leave it out.
fn flat(text: &str) -> String {
    visible(text).replace('\t', "    ")
}

fn seconds(milliseconds: f64) -> Duration {
    Duration::try_from_secs_f64(milliseconds / 1000.0).unwrap_or_default()
}
