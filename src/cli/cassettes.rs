//! Which recordings a run replays, makes, or leaves behind.
//!
//! They are read before anything is sent, and written from the journal when the run is over: so they stand in plan order,
//! whatever came first, and a run that was killed and went on records what one that was left alone would have.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::args::{Cassettes, RunArgs};
use super::commands::check::plural;
use super::config::{Config, KeyConfig, ProviderConfig};
use super::gone;
use super::judges::Judges;
use super::models::{resolve, variable};
use super::runs::JOURNAL;
use super::vendors::VendorConfig;
use crate::diagnostic::{Code, Diagnostic};
use crate::event::Record;
use crate::journal::Reader;
use crate::model::{End, Source};
use crate::provider::cassette::{self, Cassette, CassetteError, Entry, Key, Place};
use crate::run::plan::Plan;
use crate::run::{Pins, Tape};

/// What of the command line narrows a plan: a recording that such a run does not use may be another's.
const NARROWING: [&str; 11] = [
    "--filter",
    "--tag",
    "--persona",
    "--model",
    "--window",
    "--trials",
    "--shard",
    "--rerun",
    "--fail-fast",
    "--until-decided",
    "--history",
];

/// How many files are named.
const NAMED: usize = 20;

/// How many conversations are named that are to be recorded too.
const NAMED_BEHIND: usize = 5;

/// The recordings of a run's scenarios.
#[derive(Debug)]
pub struct Shelf {
    mode: Cassettes,
    /// Recordings that nothing uses go.
    is_pruned: bool,
    /// The run plays all that its files say.
    is_whole: bool,
    kept: Vec<Kept>,
    /// Recordings whose scenario is gone; none where only a part is played.
    gone: BTreeSet<PathBuf>,
}

/// One scenario's.
#[derive(Debug)]
struct Kept {
    /// The scenario's index in the plan.
    scenario: u32,
    name: String,
    /// How many conversations the plan has of it.
    conversations: usize,
    path: PathBuf,
    /// `None` where there is no file.
    cassette: Option<Arc<Cassette>>,
}

/// What is to be said when a run is over.
#[derive(Debug, Default)]
pub struct Settled {
    /// What was recorded.
    pub remarks: Vec<String>,
    /// What is used no more.
    pub warnings: Vec<String>,
    /// What could not be written.
    pub errors: Vec<String>,
}

/// Reads the recordings of all scenarios of a plan that have any, or may get some. `paths` are those of the run.
///
/// # Errors
/// What is wrong with their files.
pub fn load(
    plan: &Plan,
    config: &Config,
    (args, paths): (&RunArgs, &[PathBuf]),
    has_own_model: bool,
) -> Result<Shelf, Vec<Diagnostic>> {
    let is_narrowed = has_own_model || args.given.iter().any(|name| NARROWING.contains(&name.as_str()));
    let mode = if args.offline { Cassettes::Only } else { args.cassettes };
    let mut shelf =
        Shelf { mode, is_pruned: args.prune, is_whole: !is_narrowed, kept: Vec::new(), gone: BTreeSet::new() };
    if args.prune && is_narrowed {
        let message = "`--prune` needs the whole plan: what a part of it does not use, another part may";
        return Err(vec![
            Diagnostic::error(Code::UnusableCassette, message).help("leave out the filters, or `--prune`"),
        ]);
    }
    if mode == Cassettes::Off {
        return Ok(shelf);
    }
    if shelf.is_whole {
        shelf.gone = gone::recordings(&plan.scenarios, paths);
    }
    let mut wrong = Vec::new();
    let called: HashSet<&str> = plan.models().into_iter().filter(|model| is_called(config, model)).collect();
    let mut played: BTreeMap<u32, (usize, bool)> = BTreeMap::new();
    for planned in plan.conversations.iter() {
        let (conversations, is_any_called) = played.entry(planned.scenario).or_default();
        *conversations += 1;
        *is_any_called |= called.contains(plan.model(&planned));
    }
    for (index, (conversations, is_any_called)) in played {
        let scenario = &plan.scenarios[index as usize];
        let file = Path::new(&scenario.source.path);
        let path = cassette::path(file, &scenario.name);
        if scenario.source.path == "-" && mode == Cassettes::Record && is_any_called {
            let message = "standard input has no folder to record into";
            wrong.push(Diagnostic::error(Code::UnusableCassette, message).help("record a scenario that is a file"));
            continue;
        }
        // A scenario on standard input has no folder.
        let read = if scenario.source.path == "-" { Ok(None) } else { cassette::read(&path) };
        match read {
            // Recordings of a model that was played once may be left where none is called any more.
            Ok(None) if !is_any_called => {}
            Ok(cassette) => {
                let (scenario, name, cassette) = (index, scenario.name.clone(), cassette.map(Arc::new));
                shelf.kept.push(Kept { scenario, name, conversations, path, cassette });
            }
            Err(error) => wrong.push(unusable(&error)),
        }
    }
    if wrong.is_empty() { Ok(shelf) } else { Err(wrong) }
}

/// What is wrong with the recordings of a plan's scenarios, whoever plays them.
pub fn damaged(plan: &Plan) -> Vec<Diagnostic> {
    let files = plan.scenarios.iter().filter(|scenario| scenario.source.path != "-");
    let paths = files.map(|scenario| cassette::path(Path::new(&scenario.source.path), &scenario.name));
    paths.filter_map(|path| Some(unusable(&cassette::read(&path).err()?))).collect()
}

/// Whether a model is one that is called and recorded: neither the embedded one nor a bot that keeps its history itself.
fn is_called(config: &Config, model: &str) -> bool {
    let is_recorded =
        |provider: &ProviderConfig| !matches!(provider, ProviderConfig::Builtin(_)) && !provider.keeps_history();
    resolve(config, model).is_ok_and(|model| is_recorded(&model.provider))
}

fn unusable(error: &CassetteError) -> Diagnostic {
    let diagnostic = Diagnostic::error(Code::UnusableCassette, error.to_string());
    match error {
        CassetteError::Damaged { .. } => diagnostic.help(
            "a recording is never edited: bring the file back from version control, or remove it and record it anew with \
             `--cassettes record`",
        ),
        _ => diagnostic,
    }
}

impl Shelf {
    /// The models of a plan that are never called: under `only` all of them; under `auto` those whose key is not there and of
    /// which every scenario that names them has recordings.
    pub fn uncalled<'p>(&self, (plan, judges): (&'p Plan, &'p Judges), config: &Config) -> HashSet<&'p str> {
        let names: BTreeSet<&str> = plan.models().into_iter().chain(judges.names()).collect();
        let models = names.into_iter().filter(|model| is_called(config, model));
        match self.mode {
            Cassettes::Only => models.collect(),
            Cassettes::Auto => {
                models.filter(|model| lacks_key(config, model) && self.has_all((plan, judges), model)).collect()
            }
            Cassettes::Record | Cassettes::Off => HashSet::new(),
        }
    }

    fn has_all(&self, (plan, judges): (&Plan, &Judges), model: &str) -> bool {
        let recorded = |has: &dyn Fn(&Cassette) -> bool| -> HashSet<u32> {
            let kept = self.kept.iter().filter(|kept| kept.cassette.as_deref().is_some_and(has));
            kept.map(|kept| kept.scenario).collect()
        };
        let said = recorded(&|cassette| cassette.has_model(model));
        let verdicts = recorded(&|cassette| cassette.has_judge(model));
        let numbers = recorded(&|cassette| cassette.has_embedding(model));
        let mut asked = plan.conversations.iter().filter(|planned| plan.model(planned) == model);
        asked.all(|planned| said.contains(&planned.scenario))
            && judges.judged_by(model).all(|scenario| verdicts.contains(&scenario))
            && judges.embedded_by(model).all(|scenario| numbers.contains(&scenario))
    }

    /// What the conversations of each scenario replay, or record, by its index in the plan. `earlier` is the journal of a run
    /// that goes on.
    pub fn tapes(&self, earlier: Option<&Reader>) -> HashMap<u32, Arc<Tape>> {
        let tape = |kept: &Kept| match self.mode {
            Cassettes::Record => {
                // A line that is damaged was found before anything was sent.
                let records = earlier.into_iter().flat_map(Reader::records).filter_map(Result::ok);
                let records = records.filter(|record| record.begin.key.variant.scenario == kept.name);
                Some(Tape::recording(records))
            }
            Cassettes::Only => Some(Tape::Replay(kept.cassette.clone().unwrap_or_default())),
            Cassettes::Auto => kept.cassette.clone().map(Tape::Replay),
            Cassettes::Off => None,
        };
        self.kept.iter().filter_map(|kept| Some((kept.scenario, Arc::new(tape(kept)?)))).collect()
    }

    /// What is recorded, as earlier replies for later turns.
    pub fn pins(&self) -> Pins {
        let recorded = self.kept.iter().map(|kept| (kept.scenario, kept.cassette.clone().unwrap_or_default()));
        Pins::Cassettes(recorded.collect())
    }

    /// Writes what was recorded, and tells what is used no more, from the journal of the run in a folder, of which every
    /// conversation was played or not.
    pub fn settle(&self, folder: &Path, is_complete: bool) -> Settled {
        let mut settled = Settled::default();
        if is_complete {
            self.settle_gone(&mut settled);
        }
        if self.kept.iter().all(|kept| kept.cassette.is_none()) && self.mode != Cassettes::Record {
            return settled;
        }
        let journal = match Reader::open(folder.join(JOURNAL)) {
            Ok(journal) => journal,
            Err(error) => {
                settled.errors.push(error.to_string());
                return settled;
            }
        };
        let by_name: HashMap<&str, &Kept> = self.kept.iter().map(|kept| (kept.name.as_str(), kept)).collect();
        let mut played: HashMap<&str, Played> = HashMap::new();
        let mut current: Option<&Kept> = None;
        for record in journal.records() {
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    settled.errors.push(error.to_string());
                    return settled;
                }
            };
            let name = &record.begin.key.variant.scenario;
            let Some(kept) = by_name.get(name.as_str()).copied() else { continue };
            // Conversations stand in plan order: those of one scenario behind one another.
            if let Some(done) = current.filter(|done| done.name != kept.name) {
                self.close(done, played.remove(done.name.as_str()).unwrap_or_default(), &mut settled);
            }
            current = Some(kept);
            played.entry(&kept.name).or_default().add(&record);
        }
        if let Some(done) = current {
            self.close(done, played.remove(done.name.as_str()).unwrap_or_default(), &mut settled);
        }
        let more = settled.remarks.len().saturating_sub(NAMED);
        if more > 0 {
            settled.remarks.truncate(NAMED);
            settled.remarks.push(format!("and {} more", plural(more, "cassette")));
        }
        settled
    }

    /// Tells of recordings whose scenario is gone, or removes them.
    fn settle_gone(&self, settled: &mut Settled) {
        for path in &self.gone {
            let shown = path.display();
            let name = path.file_stem().map(|stem| stem.to_string_lossy());
            if self.kept.iter().any(|kept| name.as_deref() == Some(&kept.name)) {
                settled.warnings.push(format!("warning: {shown}: its scenario lies in another folder; move it there"));
            } else if !self.is_pruned {
                settled.warnings.push(format!("warning: {shown}: its scenario is gone; `--prune` removes it"));
            } else if let Err(error) = cassette::remove(path) {
                settled.errors.push(error.to_string());
            } else {
                settled.remarks.push(format!("removed {shown}: its scenario is gone"));
            }
        }
        let more = settled.warnings.len().saturating_sub(NAMED);
        if more > 0 {
            settled.warnings.truncate(NAMED);
            settled.warnings.push(format!("and {} more", plural(more, "cassette")));
        }
    }

    fn close(&self, kept: &Kept, played: Played, settled: &mut Settled) {
        // Another run may have recorded another part of it meanwhile.
        let old = match cassette::read(&kept.path) {
            Ok(old) => old.unwrap_or_default(),
            Err(error) => {
                settled
                    .errors
                    .push(format!("{error}; what was said is in the journal, and `--resume` records it from there"));
                return;
            }
        };
        let is_whole = self.is_whole && played.is_complete && played.conversations == kept.conversations;
        let (recorded, mut cassette) = match self.mode {
            Cassettes::Record => (played.new.len(), old.with(played.new, &played.replaced)),
            _ => (0, old.clone()),
        };
        let path = kept.path.display();
        if recorded > 0 {
            settled.warnings.extend(left_behind(&old.left_behind(&cassette, &played.replaced), &kept.name));
        }
        let unused = cassette.entries().iter().filter(|entry| !played.used.contains(&entry.key)).count();
        if unused > 0 && is_whole {
            if self.is_pruned {
                cassette = cassette.only(&played.used);
                settled.remarks.push(format!("removed {} from {path}", plural(unused, "recording")));
            } else {
                settled.warnings.push(format!(
                    "warning: {} in {path} {} used no more; `--prune` removes {}",
                    plural(unused, "recording"),
                    if unused == 1 { "is" } else { "are" },
                    if unused == 1 { "it" } else { "them" },
                ));
            }
        }
        if cassette == old {
            return;
        }
        match cassette::write(&kept.path, &kept.name, &cassette) {
            Ok(()) if recorded > 0 => {
                settled.remarks.push(format!("recorded {} in {path}", plural_replies(recorded)));
            }
            Ok(()) => {}
            Err(error) => settled.errors.push(error.to_string()),
        }
    }
}

/// What is said of conversations that hear another reply now than the one that their recordings follow.
fn left_behind(conversations: &[Place], scenario: &str) -> Option<String> {
    let named: Vec<String> =
        conversations.iter().take(NAMED_BEHIND).map(|place| format!("{scenario} · {place}")).collect();
    let more = conversations.len().saturating_sub(NAMED_BEHIND);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!named.is_empty()).then(|| {
        format!("warning: record these too, they share a turn that has another reply now: {}{more}", named.join(", "))
    })
}

fn plural_replies(number: usize) -> String {
    if number == 1 { "1 reply".to_owned() } else { format!("{number} replies") }
}

fn lacks_key(config: &Config, model: &str) -> bool {
    match resolve(config, model).map(|model| model.provider) {
        Ok(
            ProviderConfig::OpenAi { key: KeyConfig::Env(name), .. }
            | ProviderConfig::Vendor(VendorConfig { key: KeyConfig::Env(name), .. }),
        ) => variable(&name).is_none(),
        _ => false,
    }
}

/// What a run did with the recordings of one scenario.
#[derive(Debug)]
struct Played {
    /// Each once, in plan order.
    new: Vec<Entry>,
    /// Where each of them is there, by key.
    places: HashMap<Key, usize>,
    used: HashSet<Key>,
    /// The conversations that were recorded to their end.
    replaced: HashSet<Place>,
    /// How many conversations were begun.
    conversations: usize,
    /// Every one of them came to its end.
    is_complete: bool,
}

impl Default for Played {
    fn default() -> Self {
        let (new, places, used, replaced) = (Vec::new(), HashMap::new(), HashSet::new(), HashSet::new());
        Self { new, places, used, replaced, conversations: 0, is_complete: true }
    }
}

impl Played {
    fn add(&mut self, record: &Record) {
        let is_done = matches!(record.end(), End::Passed | End::Failed);
        self.is_complete &= is_done;
        self.conversations += 1;
        if is_done {
            self.replaced.insert(Place::whole(&record.begin.key));
        }
        for (entry, source) in cassette::recorded(record) {
            if self.used.insert(entry.key) {
                if source != Source::Cassette {
                    self.places.insert(entry.key, self.new.len());
                    self.new.push(entry);
                }
            } else if let Some(first) = self.places.get(&entry.key) {
                self.new[*first].also.push(entry.place);
            }
        }
    }
}
