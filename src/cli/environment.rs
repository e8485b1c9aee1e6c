//! What the environment says of a run. It stands between the command line and the scenarios; a variable that is empty
//! says nothing, as CI services set variables that nobody has filled.

use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::event::Manifest;

const MODEL: &str = "CHAT_EVAL_MODEL";
const CONCURRENCY: &str = "CHAT_EVAL_CONCURRENCY";

/// The variables that stand in for options: those of this process, or for a run that goes on those that it began with.
#[derive(Debug)]
pub struct Environment(Map<String, Value>);

impl Environment {
    /// As it is now.
    pub fn of_process() -> Self {
        Self(
            [MODEL, CONCURRENCY]
                .into_iter()
                .filter_map(|name| Some((name.to_owned(), variable(name)?.into())))
                .collect(),
        )
    }

    /// As it was when a run began.
    pub fn of_run(manifest: &Manifest) -> Self {
        Self(manifest.environment.clone())
    }

    /// For playing again what a run played: its model, since conversations are told by it; else as it is now.
    pub fn of_rerun(manifest: &Manifest) -> Self {
        let Self(mut now) = Self::of_process();
        now.shift_remove(MODEL);
        now.extend(manifest.environment.get(MODEL).map(|model| (MODEL.to_owned(), model.clone())));
        Self(now)
    }

    /// The variables that are set, for the manifest.
    pub fn recorded(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The model instead of the scenarios' own.
    pub fn model(&self) -> Option<String> {
        self.text(MODEL).map(str::to_owned)
    }

    /// Conversations in flight.
    ///
    /// # Errors
    /// When it is no number that may be.
    pub fn concurrency(&self) -> Result<Option<u32>, String> {
        let Some(text) = self.text(CONCURRENCY) else { return Ok(None) };
        match text.trim().parse() {
            Ok(number @ 1..=100_000) => Ok(Some(number)),
            _ => Err(format!("`{CONCURRENCY}` must be a number from 1 to 100000, and is `{text}`")),
        }
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }
}

/// Where runs' folders are made.
pub fn out() -> PathBuf {
    std::env::var_os("CHAT_EVAL_OUT").filter(|out| !out.is_empty()).map_or_else(|| "results".into(), PathBuf::from)
}

/// The file whose Markdown GitHub Actions shows of a step, where there is one.
pub fn step_summary() -> Option<PathBuf> {
    std::env::var_os("GITHUB_STEP_SUMMARY").filter(|file| !file.is_empty()).map(PathBuf::from)
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}
