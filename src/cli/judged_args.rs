//! The arguments of commands that judge what was said in an earlier run: `recheck` and `mutate`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::args::Snapshots;
use super::output::Format;

/// `recheck`.
#[derive(Debug, Args)]
pub struct RecheckArgs {
    /// The run: its folder, its id, `latest` or `previous`
    #[arg(value_name = "RUN")]
    pub run: String,
    /// Its scenarios as they are now [default: where it had them]
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// What becomes of snapshots, as for `run`
    #[arg(long, value_name = "MODE", value_enum, default_value_t = Snapshots::Auto)]
    pub snapshots: Snapshots,
    /// What goes to standard output
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Auto)]
    pub format: Format,
    /// Where runs are and will be [default: results] [env: CHAT_EVAL_OUT]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// `mutate`.
#[derive(Debug, Args)]
pub struct MutateArgs {
    /// The run: its folder, its id, `latest` or `previous`
    #[arg(value_name = "RUN")]
    pub run: String,
    /// Its scenarios as they are now [default: where it had them]
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Exit with 1 where less is noticed, from 0 to 1
    ///
    /// The share of the changed replies that must be noticed, over the whole run.
    #[arg(long, value_name = "RATE", allow_negative_numbers = true, value_parser = share)]
    pub min_kill: Option<f64>,
    /// What goes to standard output
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = MutateFormat::Auto)]
    pub format: MutateFormat,
    /// Where runs are [default: results] [env: CHAT_EVAL_OUT]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("a share from 0 to 1".to_owned()),
    }
}

/// `mutate --format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MutateFormat {
    /// `pretty` on a terminal, else `plain`
    Auto,
    /// As on a terminal: as wide as it is, in colours
    Pretty,
    /// 100 columns, and no colours but those that `--color` asks for
    Plain,
    /// One JSON object
    Json,
}
