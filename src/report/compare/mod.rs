//! Two runs, or the variants of one, side by side.
//!
//! [`Gathered`] takes the records of the runs one by one and keeps of each conversation a few numbers;
//! [`Gathered::between`] and [`Gathered::within`] make of them a [`Comparison`], which is pure data: pairs, lists and numbers.
//! How it is shown is the business of [`terminal`], [`markdown`] and [`json`], which escape what strangers said for their
//! format.

mod contrast;
pub mod json;
pub mod markdown;
mod measures;
mod outcomes;
mod rows;
pub mod terminal;
#[cfg(test)]
mod tests;
mod wording;

use std::collections::HashSet;

use indexmap::IndexMap;

use crate::event::{Manifest, Record};
use crate::stats::holm;
use crate::text::nearest::nearest;

pub use contrast::{
    Change, CheckChange, Contrast, LeftOut, OutcomeChange, Pairs, Rate, Remembered, ScenarioPairs, Undecided, Unshared,
};
pub use measures::{Both, Measures};
pub use outcomes::Dimension;

use self::contrast::{Side, contrast};
use self::outcomes::{Key, Names, Outcomes, Variant};

/// So many names are named in a remark or an error.
const NAMED: usize = 5;

/// Why two sides cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompareError {
    /// No conversation of one side is on the other.
    #[error("the runs share no conversation: {reason}")]
    NothingShared {
        /// What they differ in.
        reason: String,
        /// What they could be compared by, where they differ in that alone.
        by: Option<Dimension>,
    },
    /// All variants of a run have the same name there.
    #[error("the run has one {0} only, {1}: there is nothing to compare it with", dimension.as_str(), value)]
    OneOnly {
        /// What was to be compared by.
        dimension: Dimension,
        /// The one.
        value: String,
    },
    /// No variant has that name.
    #[error("the run has no {0} `{name}`; it has {known}{1}", dimension.as_str(), did_you_mean.as_ref().map_or_else(String::new, |near| format!("; did you mean `{near}`?")))]
    NoSuch {
        /// What was to be compared by.
        dimension: Dimension,
        /// The name.
        name: String,
        /// Those that there are.
        known: String,
        /// One that is near.
        did_you_mean: Option<String>,
    },
    /// A run has several where one is set against one.
    #[error("run `{run}` plays several {0}s of one scenario ({values}): which of them is meant?", dimension.as_str())]
    Several {
        /// The run.
        run: String,
        /// What was to be compared by.
        dimension: Dimension,
        /// Those that there are.
        values: String,
    },
    /// Nothing was played.
    #[error("no conversation of run `{0}` was begun")]
    Empty(String),
}

/// A run as it is shown above a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunName {
    /// Its id.
    pub run: String,
    /// When it started.
    pub started: String,
    /// The git commit.
    pub commit: Option<String>,
}

/// What was compared, and what came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The runs: the one whose variants are compared, or two.
    pub runs: Vec<RunName>,
    /// What the sides differ in, where they are variants.
    pub by: Option<Dimension>,
    /// Each side against the first; at least one.
    pub contrasts: Vec<Contrast>,
    /// Of one run: what has nothing beside it to be compared with.
    pub alone: Unshared,
    /// What a reader should know before he believes the numbers.
    pub remarks: Vec<String>,
}

impl Comparison {
    /// Whether something that passed fails now.
    #[must_use]
    pub fn is_worse(&self) -> bool {
        self.contrasts.iter().any(|contrast| !contrast.worse.is_empty())
    }

    /// Whether there is a pair at all: conversations that were carried through on both sides.
    #[must_use]
    pub fn has_pairs(&self) -> bool {
        self.contrasts.iter().any(|contrast| contrast.pairs.number() > 0)
    }
}

/// The runs that are compared, as far as they were read.
#[derive(Debug, Default)]
pub struct Gathered {
    names: Names,
    runs: Vec<(Manifest, Outcomes)>,
}

impl Gathered {
    /// Begins a run: the records that are added belong to it, until the next begins.
    pub fn begin(&mut self, manifest: Manifest) {
        self.runs.push((manifest, Outcomes::default()));
    }

    /// Adds a conversation of the run that was begun last.
    pub fn add(&mut self, record: &Record) {
        if let Some((_, outcomes)) = self.runs.last_mut() {
            outcomes.add(record, &mut self.names);
        }
    }

    /// The second run against the first; with `by`, whatever each has in that dimension. `seed` draws the bootstrap.
    ///
    /// # Errors
    /// When a run is empty, they share nothing, or a run has several variants that `by` does not tell apart.
    pub fn between(&self, by: Option<Dimension>, seed: u64) -> Result<Comparison, CompareError> {
        let sides = self
            .runs
            .iter()
            .zip(["base", "new"])
            .map(|((manifest, outcomes), name)| {
                check_begun(manifest, outcomes)?;
                let mut side = Side { name: name.to_owned(), run: outcomes, variants: IndexMap::new() };
                for (key, variant) in &outcomes.variants {
                    let shared = by.map_or(*key, |by| key.without(by));
                    if let (Some((other, _)), Some(by)) = (side.variants.insert(shared, (*key, variant)), by) {
                        let values =
                            [other, *key].map(|key| format!("`{}`", self.names.text(key.value(by)))).join(", ");
                        return Err(CompareError::Several { run: manifest.run.clone(), dimension: by, values });
                    }
                }
                Ok(side)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let [base, new] = &sides[..] else { return Err(CompareError::Empty(String::new())) };
        let contrast = contrast(base, new, &self.names, seed);
        if contrast.variants == 0 {
            return Err(self.nothing_shared(&base.variants, &new.variants));
        }
        Ok(self.comparison(by, vec![contrast]))
    }

    /// The variants of the run against one of them: of each scenario and case that which is called `base`, else the first.
    ///
    /// # Errors
    /// When the run is empty, has one such variant only or none of that name, or no scenario has two to compare.
    pub fn within(&self, by: Dimension, base: Option<&str>, seed: u64) -> Result<Comparison, CompareError> {
        let Some((manifest, outcomes)) = self.runs.first() else { return Err(CompareError::Empty(String::new())) };
        check_begun(manifest, outcomes)?;
        let base = self.named(outcomes, by, base)?;
        let mut groups: IndexMap<Key, Vec<(Key, &Variant)>> = IndexMap::new();
        for (key, variant) in &outcomes.variants {
            groups.entry(key.without(by)).or_default().push((*key, variant));
        }
        let mut sides: IndexMap<[u32; 2], [Side<'_>; 2]> = IndexMap::new();
        let mut alone = Unshared::default();
        for (shared, variants) in groups {
            let is_base = |(key, _): &(Key, _)| base.is_none_or(|base| key.value(by) == base);
            let first = variants.iter().find(|one| is_base(one)).filter(|_| variants.len() > 1);
            let Some(first) = first else {
                for (key, variant) in &variants {
                    alone.add(key.names(&self.names), variant.trials.len());
                }
                continue;
            };
            for other in variants.iter().filter(|other| other.0 != first.0) {
                let values = [first, other].map(|(key, _)| key.value(by));
                let pair = sides.entry(values).or_insert_with(|| values.map(|value| self.side(value, outcomes)));
                for (side, one) in pair.iter_mut().zip([first, other]) {
                    side.variants.insert(shared, *one);
                }
            }
        }
        if sides.is_empty() {
            let reason = format!("no scenario is played with two {}s that could be compared", by.as_str());
            return Err(CompareError::NothingShared { reason, by: None });
        }
        let mut contrasts: Vec<Contrast> =
            sides.values().map(|[base, new]| contrast(base, new, &self.names, seed)).collect();
        let corrected = holm(&contrasts.iter().map(|contrast| contrast.pairs.p()).collect::<Vec<_>>());
        for (contrast, p_holm) in contrasts.iter_mut().zip(corrected) {
            contrast.p_holm = p_holm;
            contrast.by = Some(by);
        }
        Ok(Comparison { alone, ..self.comparison(Some(by), contrasts) })
    }

    fn side<'a>(&self, value: u32, run: &'a Outcomes) -> Side<'a> {
        Side { name: self.names.text(value).to_owned(), run, variants: IndexMap::new() }
    }

    /// The number of the name that the others are compared with, where there is one.
    fn named(&self, outcomes: &Outcomes, by: Dimension, base: Option<&str>) -> Result<Option<u32>, CompareError> {
        let values = outcomes.values(by);
        let names = || values.iter().map(|value| self.names.text(*value));
        let base = base.map(|name| {
            let found = values.iter().find(|value| self.names.text(**value) == name);
            found.copied().ok_or_else(|| CompareError::NoSuch {
                dimension: by,
                name: name.to_owned(),
                known: listed(names()),
                did_you_mean: nearest(name, names()).map(str::to_owned),
            })
        });
        match base.transpose() {
            Ok(_) if values.len() == 1 => Err(CompareError::OneOnly { dimension: by, value: listed(names()) }),
            base => base,
        }
    }

    fn comparison(&self, by: Option<Dimension>, contrasts: Vec<Contrast>) -> Comparison {
        let runs = self.runs.iter().map(|(manifest, _)| RunName {
            run: manifest.run.clone(),
            started: manifest.started.clone(),
            commit: manifest.commit.clone(),
        });
        Comparison { runs: runs.collect(), by, contrasts, alone: Unshared::default(), remarks: self.remarks() }
    }

    fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        for (manifest, outcomes) in &self.runs {
            let played = outcomes.conversations - outcomes.interrupted + outcomes.left_out;
            let planned = u64::from(manifest.conversations);
            if played < planned {
                let run = &manifest.run;
                remarks.push(format!(
                    "run {run} was not played to its end: {played} of {planned} conversations are compared"
                ));
            }
        }
        for (manifest, outcomes) in self.runs.iter().filter(|(_, outcomes)| outcomes.left_out > 0) {
            let (run, left_out) = (&manifest.run, outcomes.left_out);
            remarks.push(format!(
                "run {run} left {left_out} trials out that could decide nothing: verdicts compare, rates less so"
            ));
        }
        if let [(base, _), (new, _)] = &self.runs[..] {
            let models = base.models.iter().filter_map(|(name, model)| Some((name, model, new.models.get(name)?)));
            let others = models.filter(|(_, model, other)| model != other);
            remarks.extend(others.map(|(name, model, other)| {
                format!("the model `{name}` is `{model}` in the base run, and `{other}` in the new one")
            }));
            let sha = |manifest: &Manifest| -> IndexMap<String, (String, Vec<_>)> {
                let files = manifest.scenarios.iter();
                files.map(|file| (file.name.clone(), (file.sha256.clone(), file.reads.clone()))).collect()
            };
            let (old, new) = (sha(base), sha(new));
            let changed = old.iter().filter(|(name, file)| new.get(*name).is_some_and(|new| new != *file));
            let changed: Vec<&str> = changed.map(|(name, _)| name.as_str()).collect();
            if !changed.is_empty() {
                remarks.push(format!("between the runs the files of these scenarios changed: {}", listed(changed)));
            }
        }
        remarks
    }

    /// What two runs without a common conversation differ in.
    fn nothing_shared<T>(&self, base: &IndexMap<Key, T>, new: &IndexMap<Key, T>) -> CompareError {
        for by in [Dimension::Model, Dimension::Persona, Dimension::Window] {
            let of_new: HashSet<Key> = new.keys().map(|key| key.without(by)).collect();
            if base.keys().any(|key| of_new.contains(&key.without(by))) {
                let values = |(_, outcomes): &(Manifest, Outcomes)| {
                    let values = outcomes.values(by);
                    listed(values.iter().map(|value| self.names.text(*value)))
                };
                let [base, new] = [&self.runs[0], &self.runs[1]].map(values);
                let word = by.as_str();
                let reason = format!("the {word} is {base} in the first, and {new} in the second");
                return CompareError::NothingShared { reason, by: Some(by) };
            }
        }
        let scenarios =
            |(manifest, _): &(Manifest, Outcomes)| listed(manifest.scenarios.iter().map(|file| file.name.as_str()));
        let [base, new] = [&self.runs[0], &self.runs[1]].map(scenarios);
        let reason = format!("the first plays {base}, and the second {new}");
        CompareError::NothingShared { reason, by: None }
    }
}

fn check_begun(manifest: &Manifest, outcomes: &Outcomes) -> Result<(), CompareError> {
    if outcomes.variants.is_empty() { Err(CompareError::Empty(manifest.run.clone())) } else { Ok(()) }
}

/// A few names, and how many more there are.
fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    let shown = names.iter().take(NAMED).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
