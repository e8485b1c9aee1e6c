//! What a run's transcripts are judged again with: its journal, and its scenarios as they are now.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::config::Config;
use super::console::Console;
use super::exit::Exit;
use super::models::resolve;
use super::runs::JOURNAL;
use super::{config, earlier, runs, show_diagnostics, sources};
use crate::event::{Manifest, Record};
use crate::journal::Reader;
use crate::provider::Builtin;
use crate::run::{self, Again, Outsiders, Refused};
use crate::scenario::Scenario;
use crate::text::escape::{no_command, visible};

/// The path of a scenario that came on standard input.
const INPUT: &str = "-";

/// So many conversations are named of those that have the same to be said of them.
const NAMED: usize = 5;

/// A run that is judged again, beside its scenarios as they are now.
pub struct Past {
    /// What was said.
    pub journal: Reader,
    /// The scenarios.
    pub scenarios: Vec<Scenario>,
    /// Their places in the list, by name.
    places: HashMap<String, usize>,
    /// Who judged in it.
    outsiders: Arc<Outsiders>,
}

impl Past {
    /// Reads the run of this name, and its scenarios from where it had them, or from other paths. Nobody is called, so that no
    /// config has to say anything.
    ///
    /// # Errors
    /// When one of them cannot be read; that is said.
    pub fn open(run: &str, paths: &[PathBuf], out: Option<&Path>, console: &Console) -> Result<Self, Exit> {
        let refused = |reason: &dyn std::fmt::Display, help: &str| {
            console.fatal(reason);
            if !help.is_empty() {
                console.error(&format!("help: {help}"));
            }
            Exit::BadInput
        };
        let folder = runs::find(run, out, console)?;
        let journal = Reader::open(folder.join(JOURNAL)).map_err(|error| refused(&error, ""))?;
        let named = "name a PATH to its scenarios";
        let paths = if paths.is_empty() {
            let paths = own_paths(journal.manifest()).map_err(|reason| refused(&reason, named))?;
            if paths.iter().any(|path| path.as_os_str() == INPUT) {
                return Err(refused(
                    &"a scenario of the run came on standard input, which has nothing more to say",
                    named,
                ));
            }
            paths
        } else {
            paths.to_vec()
        };
        let loaded = sources::load(&paths);
        if !loaded.diagnostics.is_empty() {
            show_diagnostics(console, &loaded.diagnostics);
            return Err(Exit::BadInput);
        }
        if loaded.files == 0 {
            console.fatal("no scenario found; scenarios are `*.yaml` and `*.yml`");
            return Err(Exit::NothingToDo);
        }
        if journal.places().next().is_none() {
            console.fatal(format!("`{}` has no conversation that could be judged", journal.manifest().run));
            return Err(Exit::NothingToDo);
        }
        let places = (0..).zip(&loaded.scenarios).map(|(place, scenario)| (scenario.name.clone(), place)).collect();
        Ok(Self { journal, scenarios: loaded.scenarios, places, outsiders: Arc::default() })
    }

    /// With those who judged, as the config has them: what they said stands in the journal, and is found there by what they
    /// were asked. Nobody is asked anything.
    pub fn with_judges(self, config: &Config) -> Self {
        let own = self.scenarios.iter().flat_map(|scenario| &scenario.needs.judges).filter_map(|(own, _)| own.clone());
        let names = own.chain(config.judge.model.clone());
        let earlier = earlier::command_line(earlier::plan_arguments(self.journal.manifest()));
        let outsiders = Outsiders {
            judges: names.map(|name| (name.clone(), past_judge(config, &name))).collect(),
            judge: config.judge.model.clone(),
            votes: config.judge.votes.unwrap_or(1),
            params: config.judge.params.clone(),
            embedding: config.embedding.clone().map(|name| (name, run::nobody())),
            seed: earlier.ok().and_then(|(args, _)| args.seed).unwrap_or_default(),
            programs: None,
            are_past: true,
        };
        Self { outsiders: Arc::new(outsiders), ..self }
    }

    /// The scenario of a conversation.
    pub fn scenario(&self, record: &Record) -> Option<&Scenario> {
        Some(&self.scenarios[*self.places.get(&record.begin.key.variant.scenario)?])
    }

    /// A conversation beside its scenario.
    ///
    /// # Errors
    /// Why it cannot be judged again.
    pub fn again<'a>(&'a self, record: &'a Record) -> Result<Again<'a>, Refused> {
        let model = &record.begin.key.variant.model;
        let is_builtin = Builtin::kind_of(model).is_some()
            || self.journal.manifest().models.get(model).is_some_and(|what| what.starts_with("builtin "));
        Again::new(record, self.scenario(record), !is_builtin, &self.outsiders)
    }
}

/// A judge that is not asked any more, but was asked as the config has it.
fn past_judge(config: &Config, name: &str) -> run::Model {
    let longest_reply = resolve(config, name).ok().and_then(|model| model.longest_reply());
    run::Model { longest_reply, ..run::nobody() }
}

/// Where a run had its scenarios.
fn own_paths(manifest: &Manifest) -> Result<Vec<PathBuf>, String> {
    let (args, global) = earlier::command_line(earlier::plan_arguments(manifest))?;
    if !args.paths.is_empty() {
        return Ok(args.paths.clone());
    }
    // The folder beside its config: of one that the run named nothing but its place is used.
    let folder = match &global.config {
        Some(config) => config.parent().map(Path::to_owned),
        None => config::load(None).ok().and_then(|config| config.folder().map(Path::to_owned)),
    };
    let folder = folder.unwrap_or_default().join("scenarios");
    if folder.is_dir() { Ok(vec![folder]) } else { Err("the folder of the run's scenarios is not here".to_owned()) }
}

/// What is said of single conversations, by what it is, so that a thousand alike are a few lines.
#[derive(Default)]
pub struct Remarks(Vec<(String, Vec<String>)>);

impl Remarks {
    /// Something that is so of a conversation.
    pub fn add(&mut self, what: &str, record: &Record) {
        let (key, trial) = (&record.begin.key.variant, record.begin.key.trial);
        let trial = if record.begin.trials > 1 { format!(", trial {trial}") } else { String::new() };
        let name = format!("`{key}`{trial}");
        match self.0.iter_mut().find(|(known, _)| known == what) {
            Some((_, names)) => names.push(name),
            None => self.0.push((what.to_owned(), vec![name])),
        }
    }

    /// Says all of it.
    pub fn say(&self, console: &Console) {
        for (what, names) in &self.0 {
            for name in names.iter().take(NAMED) {
                console.error(&no_command(&visible(&format!("{name}: {what}"))));
            }
            if let Some(more) = names.len().checked_sub(NAMED).filter(|more| *more > 0) {
                console.error(&no_command(&visible(&format!("… and {more} more: {what}"))));
            }
        }
    }
}

/// Where conversations of an earlier run are judged: nobody is called, and one thread does.
///
/// # Errors
/// When it cannot be had; that is said.
pub fn runtime(console: &Console) -> Result<tokio::runtime::Runtime, Exit> {
    tokio::runtime::Builder::new_current_thread().build().map_err(|error| {
        console.fatal(format!("cannot start: {error}"));
        Exit::BadInput
    })
}
