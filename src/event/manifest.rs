//! What a run is: the first line of its journal.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a run is: also the content of `run.json`, with the totals behind it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The journal's format.
    pub format: u32,
    /// The run's id, which names its folder.
    pub run: String,
    /// The tool's version.
    pub version: String,
    /// The arguments, as given.
    pub arguments: Vec<String>,
    /// When it started (RFC 3339, UTC).
    pub started: String,
    /// The git commit of the working directory, where it is a repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// SHA-256 over the plan: the conversations' ids in their order, the scenario files and the files that they read.
    pub plan_digest: String,
    /// The number of conversations that this run is to play: of a shard, its own.
    pub conversations: u32,
    /// How many conversations may be in flight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// What the run may spend, in USD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_cost_usd: Option<f64>,
    /// Which part of the plan this run plays, where it plays a part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// The number of conversations of the whole plan, where this run plays a part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned: Option<u32>,
    /// What this run plays again of an earlier one, where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rerun: Option<Rerun>,
    /// The earlier run whose transcripts this one judges again, where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recheck: Option<Recheck>,
    /// The runs that this one was put together from, in the order of their shards; empty for a run that was played.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub merged_from: Vec<MergedFrom>,
    /// What each model's name stood for: provider, its name there, and what token windows count with.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub models: BTreeMap<String, String>,
    /// The environment variables that stood in for options, with their values.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub environment: Map<String, Value>,
    /// The scenario files, in plan order.
    pub scenarios: Vec<ScenarioFile>,
}

impl Manifest {
    /// In words, that a model's name stands for something else than here: `` `m` is `openai a …` here, and `openai b …` ``.
    #[must_use]
    pub fn other_model(&self, models: &BTreeMap<String, String>) -> Option<String> {
        let others = self.models.iter().filter_map(|(name, model)| Some((name, model, models.get(name)?)));
        let mut others = others.filter(|(_, model, other)| model != other);
        others.next().map(|(name, model, other)| format!("the model `{name}` is `{model}` in it, and `{other}`"))
    }
}

/// The part `number` of `of` parts of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Which part, from 1.
    pub number: u32,
    /// How many parts there are.
    pub of: u32,
}

impl fmt::Display for Shard {
    /// `2/3`, as `--shard` takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

/// What of an earlier run is played again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rerun {
    /// What it came to there.
    pub what: RerunWhat,
    /// The earlier run's id.
    pub run: String,
    /// The arguments that the plan comes from: paths and whatever shapes the plan, the earlier run's own where nothing
    /// else was said.
    pub arguments: Vec<String>,
    /// The ids of the variants that are played again, with all their trials, in plan order.
    pub variants: Vec<String>,
}

/// An earlier run whose transcripts are judged again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recheck {
    /// Its id.
    pub run: String,
    /// The arguments that its plan comes from.
    pub arguments: Vec<String>,
}

/// Which conversations are played again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RerunWhat {
    /// Those with a failed check.
    Failed,
    /// Those that were not carried through, or not begun.
    Errored,
}

impl fmt::Display for RerunWhat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Failed => "failed",
            Self::Errored => "errored",
        })
    }
}

/// A run that was put together with others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergedFrom {
    /// Its id.
    pub run: String,
    /// Which part of the plan it played; absent where it played all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// The tool's version.
    pub version: String,
    /// Its arguments, as given.
    pub arguments: Vec<String>,
    /// When it started (RFC 3339, UTC).
    pub started: String,
    /// How many conversations it had.
    pub conversations: u32,
    /// How long it took, in milliseconds; absent where a part of it was killed, which nobody timed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wall_ms: Option<u64>,
}

/// A scenario file of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScenarioFile {
    /// The scenario's name.
    pub name: String,
    /// The path as it was given or found.
    pub path: String,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// Its tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The files that it reads, each once, in the order in which it names them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reads: Vec<ReadFile>,
}

/// A file that a scenario reads: a system prompt, cases, fillers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadFile {
    /// The path, relative to where the scenario's own is.
    pub path: String,
    /// SHA-256 of its bytes.
    pub sha256: String,
}
