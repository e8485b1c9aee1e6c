//! The journals of the parts of one plan as one: whether they belong together and are all there, and what their run is.
//!
//! A merged journal has the lines of every conversation as they were written, in plan order, behind a manifest that
//! says which runs they came from. So every report of it is that of a run that was never split. Only places are held in
//! memory; what conversations say is read and written one after another.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use super::{JournalError, Reader};
use crate::event::{Begin, Event, FORMAT, Manifest, MergedFrom, ScenarioFile, Shard, Stopped};
use crate::model::{ConversationKey, End, without_dust};

/// A run with the name by which it was asked for.
#[derive(Debug)]
pub struct NamedRun {
    /// The name.
    pub name: String,
    /// Its journal.
    pub journal: Reader,
}

impl NamedRun {
    /// Which part of its plan it played: all of it is the first of one.
    fn shard(&self) -> Shard {
        self.journal.manifest().shard.unwrap_or(Shard { number: 1, of: 1 })
    }
}

/// Why runs cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// They are of different plans.
    #[error("`{run}` is of another plan than `{first}`: {why}")]
    OtherPlan {
        /// The run.
        run: String,
        /// The first run.
        first: String,
        /// What differs.
        why: String,
    },
    /// Their plans are cut into different numbers of parts.
    #[error("`{run}` is {}, and `{first}` is {}", part(*shard), part(*first_shard))]
    OtherParts {
        /// The run.
        run: String,
        /// Its part.
        shard: Shard,
        /// The first run.
        first: String,
        /// The part of that.
        first_shard: Shard,
    },
    /// Two runs played the same part.
    #[error("{} is there twice: `{first}` and `{second}`", part(*shard))]
    ShardTwice {
        /// The part.
        shard: Shard,
        /// The run that has it.
        first: String,
        /// The other run that has it.
        second: String,
    },
    /// No run played this part.
    #[error("shard {shard} is missing")]
    ShardMissing {
        /// The part.
        shard: Shard,
    },
    /// A run did not come to its end.
    #[error("`{run}` did not finish: {}", unfinished(without_end, *not_begun))]
    Unfinished {
        /// The run.
        run: String,
        /// Its part.
        shard: Shard,
        /// Conversations that were begun and have no end, or were interrupted.
        without_end: Vec<ConversationKey>,
        /// How many were not begun.
        not_begun: u32,
    },
    /// A conversation is of a file that its run does not have. Snapshots would be written beside it.
    #[error("`{key}` in `{run}` is of the file `{file}`, which is none of that run's scenarios", key = named(key))]
    OtherFile {
        /// The conversation.
        key: Box<ConversationKey>,
        /// Its run.
        run: String,
        /// The file.
        file: String,
    },
    /// A conversation is in two runs.
    #[error("`{key}` is there twice: in `{first}` and in `{second}`", key = named(key))]
    ConversationTwice {
        /// The conversation.
        key: Box<ConversationKey>,
        /// The run that has it.
        first: String,
        /// The other run that has it.
        second: String,
    },
    /// A place of the plan is in no run, though all are there.
    #[error("the conversation at place {place} of the plan is in none of the runs")]
    ConversationMissing {
        /// The place, from 0.
        place: u32,
    },
}

fn part(shard: Shard) -> String {
    if shard.of == 1 { "a whole run".to_owned() } else { format!("shard {shard}") }
}

/// `whats-my-name · default · builtin · window 2 · trial 3`.
pub(super) fn named(key: &ConversationKey) -> String {
    format!("{} · trial {}", key.variant, key.trial)
}

fn unfinished(without_end: &[ConversationKey], not_begun: u32) -> String {
    let ended = match without_end {
        [] => None,
        [one] => Some(format!("`{}` was not played to its end", named(one))),
        [one, more @ ..] => Some(format!("`{}` and {} more were not played to their end", named(one), more.len())),
    };
    let begun = match not_begun {
        0 => None,
        1 => Some("1 conversation was not begun".to_owned()),
        several => Some(format!("{several} conversations were not begun")),
    };
    [ended, begun].into_iter().flatten().collect::<Vec<_>>().join(", and ")
}

/// Runs that belong together and have every conversation of their plan once.
#[derive(Debug)]
pub struct Merge<'r> {
    /// In the order of their shards.
    runs: Vec<&'r NamedRun>,
    /// Each place of the plan with the run that has it, by its place in `runs`.
    places: Vec<(u32, usize)>,
}

impl<'r> Merge<'r> {
    /// Looks whether the runs can be put together.
    ///
    /// # Errors
    /// When a journal cannot be read; inside, everything that keeps them apart.
    pub fn of(runs: &'r [NamedRun]) -> Result<Result<Self, Vec<Problem>>, JournalError> {
        let problems = apart(runs);
        if !problems.is_empty() {
            return Ok(Err(problems));
        }
        let mut problems = parts(runs);
        for run in runs {
            problems.extend(wrong_inside(run)?);
        }
        if !problems.is_empty() {
            return Ok(Err(problems));
        }
        let mut runs: Vec<&NamedRun> = runs.iter().collect();
        runs.sort_by_key(|run| run.shard().number);
        let each = runs.iter().enumerate().flat_map(|(at, run)| run.journal.places().map(move |place| (place, at)));
        let mut places: Vec<(u32, usize)> = each.collect();
        places.sort_unstable();
        let merge = Self { runs, places };
        let problems = merge.gaps()?;
        Ok(if problems.is_empty() { Ok(merge) } else { Err(problems) })
    }

    /// Places of the plan that are there twice or not at all. Machines with other versions of the tool might have cut the
    /// plan in another way.
    fn gaps(&self) -> Result<Vec<Problem>, JournalError> {
        let mut problems = Vec::new();
        for two in self.places.windows(2).filter(|two| two[0].0 == two[1].0) {
            let [first, second] = [&self.runs[two[0].1], &self.runs[two[1].1]];
            let record = first.journal.record_of(two[0].0)?;
            problems.extend(record.map(|record| Problem::ConversationTwice {
                key: Box::new(record.begin.key),
                first: first.name.clone(),
                second: second.name.clone(),
            }));
        }
        let planned = self.runs.iter().filter_map(|run| run.journal.manifest().planned).max();
        let size = planned.unwrap_or_else(|| u32::try_from(self.places.len()).unwrap_or(u32::MAX));
        let mut next = 0;
        for place in self.places.iter().map(|(place, _)| *place).chain([size]) {
            problems.extend((next < place).then_some(Problem::ConversationMissing { place: next }));
            next = next.max(place.saturating_add(1));
        }
        Ok(problems)
    }

    /// The manifest of the merged run. What varies between its runs is taken as if they had been one: the earliest start,
    /// in flight as many as in all of them together, the sum of what each might spend.
    #[must_use]
    pub fn manifest(&self, run: String, version: &str, arguments: Vec<String>) -> Manifest {
        let manifests = || self.runs.iter().map(|run| run.journal.manifest());
        let first = self.runs[0].journal.manifest();
        let of_all = |same: bool| same.then_some(first);
        // A part without conversations had nothing in flight.
        let busy = self.runs.iter().filter(|run| run.journal.manifest().conversations > 0);
        let models = manifests().flat_map(|manifest| manifest.models.clone()).collect();
        Manifest {
            models,
            format: FORMAT,
            run,
            version: version.to_owned(),
            arguments,
            started: manifests().map(|manifest| manifest.started.clone()).min().unwrap_or_default(),
            commit: of_all(manifests().all(|manifest| manifest.commit == first.commit))
                .and_then(|manifest| manifest.commit.clone()),
            plan_digest: first.plan_digest.clone(),
            conversations: manifests().map(|manifest| manifest.conversations).fold(0, u32::saturating_add),
            concurrency: busy
                .map(|run| run.journal.concurrency())
                .try_fold(0_u32, |sum, n| Some(sum.saturating_add(n?))),
            max_cost_usd: self.runs.iter().map(|run| run.journal.max_cost_usd()).sum::<Option<f64>>().map(without_dust),
            shard: None,
            planned: None,
            rerun: first.rerun.clone(),
            recheck: None,
            merged_from: self.runs.iter().map(|run| merged_from(&run.journal)).collect(),
            environment: of_all(manifests().all(|manifest| manifest.environment == first.environment))
                .map(|manifest| manifest.environment.clone())
                .unwrap_or_default(),
            scenarios: first.scenarios.clone(),
        }
    }

    /// How long the runs took beside one another; `None` where one of them has a part that nobody timed.
    #[must_use]
    pub fn wall(&self) -> Option<Duration> {
        let walls: Option<Vec<Duration>> = self.runs.iter().map(|run| run.journal.wall()).collect();
        walls.and_then(|walls| walls.into_iter().max())
    }

    /// The lines of every conversation, in plan order, each read when it is asked for: what stands in the merged journal
    /// behind the manifest.
    pub fn conversations(&self) -> impl Iterator<Item = Result<Vec<u8>, JournalError>> + '_ {
        self.places.iter().map(|(place, run)| self.runs[*run].journal.lines_of(*place))
    }

    /// What stands behind the conversations: the end, where somebody timed it.
    #[must_use]
    pub fn end(&self) -> Option<Event> {
        let wall_ms = |wall: Duration| u64::try_from(wall.as_millis()).unwrap_or(u64::MAX);
        self.wall().map(|wall| Event::Stop(Stopped { wall_ms: wall_ms(wall) }))
    }
}

fn merged_from(journal: &Reader) -> MergedFrom {
    let manifest = journal.manifest();
    MergedFrom {
        run: manifest.run.clone(),
        shard: manifest.shard,
        version: manifest.version.clone(),
        arguments: manifest.arguments.clone(),
        started: manifest.started.clone(),
        conversations: manifest.conversations,
        wall_ms: journal.wall().map(|wall| u64::try_from(wall.as_millis()).unwrap_or(u64::MAX)),
    }
}

/// Runs that are not of one plan, or not of as many parts.
fn apart(runs: &[NamedRun]) -> Vec<Problem> {
    let Some(first) = runs.first() else { return Vec::new() };
    let (manifest, first_shard) = (first.journal.manifest(), first.shard());
    let problems = runs.iter().filter_map(|run| {
        let (name, shard) = (run.name.clone(), run.shard());
        let first = first.name.clone();
        if let Some(why) = run.journal.manifest().other_model(&manifest.models) {
            Some(Problem::OtherPlan { run: name, first, why: format!("{why} in the other") })
        } else if run.journal.manifest().plan_digest != manifest.plan_digest {
            Some(Problem::OtherPlan { run: name, first, why: difference(run.journal.manifest(), manifest) })
        } else if shard.of != first_shard.of {
            Some(Problem::OtherParts { run: name, shard, first, first_shard })
        } else {
            None
        }
    });
    problems.collect()
}

/// Why two plans differ, as far as manifests tell it.
fn difference(manifest: &Manifest, first: &Manifest) -> String {
    let by_name = |manifest: &'_ Manifest| -> BTreeMap<String, ScenarioFile> {
        manifest.scenarios.iter().map(|file| (file.name.clone(), file.clone())).collect()
    };
    let (own, other) = (by_name(manifest), by_name(first));
    let texts = |file: &ScenarioFile| {
        let reads: Vec<String> = file.reads.iter().map(|read| read.sha256.clone()).collect();
        (file.sha256.clone(), reads)
    };
    let changed = own.iter().find(|(name, file)| other.get(*name).is_some_and(|known| texts(file) != texts(known)));
    if let Some((_, file)) = changed {
        return format!("`{}`, or a file that it reads, is not the same in both", file.path);
    }
    if let Some((name, _)) = own.iter().find(|(name, _)| !other.contains_key(*name)) {
        return format!("it alone has the scenario `{name}`");
    }
    if let Some((name, _)) = other.iter().find(|(name, _)| !own.contains_key(*name)) {
        return format!("it lacks the scenario `{name}`");
    }
    let began = |manifest: &Manifest| manifest.arguments.join(" ");
    format!("it began with `{}`, the other with `{}`, or their config files differ", began(manifest), began(first))
}

/// Parts that are there twice or not at all.
fn parts(runs: &[NamedRun]) -> Vec<Problem> {
    let mut known: BTreeMap<u32, &NamedRun> = BTreeMap::new();
    let mut problems = Vec::new();
    for run in runs {
        match known.get(&run.shard().number) {
            Some(first) => problems.push(Problem::ShardTwice {
                shard: run.shard(),
                first: first.name.clone(),
                second: run.name.clone(),
            }),
            None => drop(known.insert(run.shard().number, run)),
        }
    }
    let of = runs.first().map_or(0, |run| run.shard().of);
    let missing = (1..=of).filter(|number| !known.contains_key(number));
    problems.extend(missing.map(|number| Problem::ShardMissing { shard: Shard { number, of } }));
    problems
}

/// What is wrong with a run by itself: a conversation of a file that it does not have, or no end. It came to its end with
/// every conversation of its part; one that errored, or was skipped for want of money, has an end.
fn wrong_inside(run: &NamedRun) -> Result<Vec<Problem>, JournalError> {
    let manifest = run.journal.manifest();
    let files: HashSet<&str> = manifest.scenarios.iter().map(|scenario| scenario.path.as_str()).collect();
    let mut problems = Vec::new();
    let mut without_end = Vec::new();
    let mut begun = 0;
    for record in run.journal.records() {
        let record = record?;
        begun += 1;
        let is_interrupted = record.end() == End::Interrupted;
        let Begin { key, file, .. } = record.begin;
        if !files.contains(file.as_str()) {
            problems.push(Problem::OtherFile { key: Box::new(key.clone()), run: run.name.clone(), file });
        }
        if is_interrupted {
            without_end.push(key);
        }
    }
    let not_begun = manifest.conversations.saturating_sub(begun);
    if !without_end.is_empty() || not_begun > 0 {
        problems.push(Problem::Unfinished { run: run.name.clone(), shard: run.shard(), without_end, not_begun });
    }
    Ok(problems)
}
