//! What is played: the options that `run` and `plan` have in common, and those of `plan`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::args::{RunArgs, conversations};
use crate::event::Shard;
use crate::model::Window;
use crate::run::Filter;

/// What is played, and what of it counts: the same for `run` and for `plan`.
#[derive(Debug, Clone, Args)]
pub struct Selection {
    /// Scenario files and folders; `-` is standard input [default: scenarios]
    ///
    /// The default is the folder `scenarios` beside the config. In a folder, files and folders that begin with `_` or `.` are passed
    /// over.
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Only conversations that match
    ///
    /// A glob over scenario names, or persona=, model=, window= or case= with a glob; `!` in front leaves out. May be repeated.
    #[arg(short = 'k', long, value_name = "EXPR")]
    pub filter: Vec<Filter>,
    /// Only the K-th of N parts of the plan
    ///
    /// Told from the names of scenario and case, so that a new scenario moves no other. `merge` puts the parts together.
    #[arg(long, value_name = "K/N", allow_hyphen_values = true)]
    pub shard: Option<Shard>,
    /// Only scenarios with this tag
    ///
    /// May be repeated.
    #[arg(long, value_name = "TAG")]
    pub tag: Vec<String>,
    /// This model instead of the files' own [env: CHAT_EVAL_MODEL]
    ///
    /// A name from the config; without a list of models there, one of OpenAI's API. May be repeated.
    #[arg(long, value_name = "MODEL")]
    pub model: Vec<String>,
    /// Only this persona of those that the files have
    ///
    /// May be repeated.
    #[arg(long, value_name = "PERSONA")]
    pub persona: Vec<String>,
    /// This window instead of the files' own
    ///
    /// full, none, 2, 2-drop, past-2, messages-5 or tokens-4000, each with -pin-1 behind it where wanted. May be repeated.
    #[arg(long, value_name = "WINDOW", allow_negative_numbers = true)]
    pub window: Vec<Window>,
    /// Repetitions of every variant
    ///
    /// Instead of the files' own.
    #[arg(long, value_name = "N", allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub trials: Option<u32>,
    /// Make every call, also those that variants share
    ///
    /// Else what variants of a scenario would send alike, at the same place, is sent once, and all of them get the reply.
    #[arg(long)]
    pub no_share: bool,
    /// Say why a reply does not have a fact
    ///
    /// A failed `recalls` or `retains_iff_visible` is followed by up to two more calls, one with the whole history, one with the fact
    /// restated just before the question. Neither changes a verdict.
    #[arg(long)]
    pub triage: bool,
    /// What canaries are made from [default: 0]
    ///
    /// Beside the names of their conversation.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub seed: Option<u64>,
    /// A larger plan is an error, before anything is sent
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value_t = 100_000, value_parser = conversations)]
    pub max_conversations: usize,
}

// Whoever asks a run what is played need not know that `plan` asks the same.
impl std::ops::Deref for RunArgs {
    type Target = Selection;

    fn deref(&self) -> &Selection {
        &self.selection
    }
}

impl std::ops::DerefMut for RunArgs {
    fn deref_mut(&mut self) -> &mut Selection {
        &mut self.selection
    }
}

/// `plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// What is played.
    #[command(flatten)]
    pub selection: Selection,
    /// Show each turn's request instead
    ///
    /// Which messages it has, where each fact is visible, what each check on one hangs on. Replies that are not known yet stand as
    /// <reply 2>.
    #[arg(long)]
    pub requests: bool,
    /// With --requests: all messages of every request, in full
    #[arg(short, long, requires = "requests")]
    pub verbose: bool,
    /// What goes to standard output
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = PlanFormat::Auto)]
    pub format: PlanFormat,
}

/// `plan --format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PlanFormat {
    /// `pretty` on a terminal, else `plain`
    Auto,
    /// As on a terminal: as wide as it is, in colours
    Pretty,
    /// 100 columns, and no colours but those that `--color` asks for
    Plain,
    /// A line of JSON for each variant, and one for all of them
    Json,
}
