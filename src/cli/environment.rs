//! What the environment says of a run. It stands between the command line and the scenarios; a variable that is empty
//! says nothing, as CI services set variables that nobody has filled.

use std::path::PathBuf;

use serde_json::{Map, Value};

/// The model instead of the scenarios' own.
pub fn model() -> Option<String> {
    variable("CHAT_EVAL_MODEL")
}

/// Conversations in flight.
///
/// # Errors
/// When it is no number that may be.
pub fn concurrency() -> Result<Option<u32>, String> {
    let Some(text) = variable("CHAT_EVAL_CONCURRENCY") else { return Ok(None) };
    match text.trim().parse() {
        Ok(number @ 1..=100_000) => Ok(Some(number)),
        _ => Err(format!("`CHAT_EVAL_CONCURRENCY` must be a number from 1 to 100000, and is `{text}`")),
    }
}

/// Where runs' folders are made.
pub fn out() -> PathBuf {
    std::env::var_os("CHAT_EVAL_OUT").filter(|out| !out.is_empty()).map_or_else(|| "results".into(), PathBuf::from)
}

/// The variables that are set and change what is played, for the manifest.
pub fn recorded() -> Map<String, Value> {
    ["CHAT_EVAL_MODEL", "CHAT_EVAL_CONCURRENCY"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), variable(name)?.into())))
        .collect()
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}
