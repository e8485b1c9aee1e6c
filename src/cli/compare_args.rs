//! The command line of `compare`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// `compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// The run to compare with, and the run to compare [default: previous latest]
    ///
    /// Each by its folder, its id, `latest` or `previous`. With --by and one RUN, or none, the variants of that run, or of the latest.
    #[arg(value_name = "RUN", num_args = 0..=2)]
    pub runs: Vec<String>,
    /// Compare the variants that differ in this
    ///
    /// Every one against the first of its scenario; with two runs, whatever each has of it.
    #[arg(long, value_name = "WHAT", value_enum)]
    pub by: Option<By>,
    /// What the others are compared with [default: the first]
    ///
    /// A persona, model or window, as --by says; else the first of each scenario.
    #[arg(long, value_name = "NAME", requires = "by")]
    pub base: Option<String>,
    /// Exit with 1 where something that passed fails now
    #[arg(long, value_name = "WHAT", value_enum)]
    pub fail_on: Option<FailOn>,
    /// What goes to standard output
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = CompareFormat::Auto)]
    pub format: CompareFormat,
    /// Where runs are [default: results] [env: CHAT_EVAL_OUT]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// `compare --by`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// Personas
    Persona,
    /// Models
    Model,
    /// Windows
    Window,
}

/// `compare --fail-on`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// A variant, or a check of one, that passed and fails now
    Worse,
}

/// `compare --format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CompareFormat {
    /// `pretty` on a terminal, else `plain`
    Auto,
    /// As on a terminal: as wide as it is, in colours
    Pretty,
    /// 100 columns, and no colours but those that `--color` asks for
    Plain,
    /// A comment for a pull request
    Markdown,
    /// One JSON object
    Json,
}
