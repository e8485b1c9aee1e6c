//! The command line of `chat`.

use std::path::PathBuf;

use clap::Args;

use crate::model::Window;

/// `chat`.
#[derive(Debug, Args)]
pub struct ChatArgs {
    /// The scenario whose persona, model, window, facts, parameters and history the talk has
    #[arg(value_name = "SCENARIO")]
    pub scenario: Option<PathBuf>,
    /// One of the scenario's personas by its name, or a system prompt
    #[arg(long, value_name = "NAME|TEXT")]
    pub persona: Option<String>,
    /// A file whose text is the system prompt
    #[arg(long, value_name = "FILE", conflicts_with = "persona")]
    pub system: Option<PathBuf>,
    /// The model, by its name in the config [default: the scenario's, the config's, builtin]
    #[arg(long, value_name = "MODEL")]
    pub model: Option<String>,
    /// Which messages go along: full, none, 2, 2-drop, past-2, messages-5, tokens-4000, each with -pin-1
    #[arg(long, value_name = "WINDOW", allow_negative_numbers = true)]
    pub window: Option<Window>,
    /// The scenario's case of this name
    #[arg(long, value_name = "CASE", requires = "scenario")]
    pub case: Option<String>,
    /// The value that a variable of the scenario's matrix has; may be repeated
    #[arg(long = "var", value_name = "NAME=VALUE", requires = "scenario", value_parser = variable)]
    pub vars: Vec<(String, String)>,
    /// Ask for whole replies, from servers that stream none
    #[arg(long)]
    pub no_stream: bool,
    /// Let bots of `provider: command` start programs
    ///
    /// They come from whoever wrote the config, and may do whatever you may.
    #[arg(long)]
    pub allow_run: bool,
    /// Seconds for one attempt of a call; for a stream, between two pieces, and ten times as long in all
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, default_value_t = 120.0, value_parser = super::args::seconds)]
    pub timeout: f64,
    /// Attempts of a call after the first
    #[arg(long, value_name = "N", allow_negative_numbers = true,
        default_value_t = 5, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub retries: u32,
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a name and a value, like `gap=4`")?;
    Ok((name.to_owned(), value.to_owned()))
}
