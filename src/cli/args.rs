//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use super::console::Color;
use super::import_args::ImportArgs;
use super::judged_args::{MutateArgs, RecheckArgs};
use super::output::Format;
use super::selection::{PlanArgs, Selection};
use crate::run::Filter;

/// Regression tests for conversations.
///
/// Replays YAML-scripted conversations against a chat model and says, from what was really sent, what the bot
/// remembered, what it forgot, and whether it should have.
#[derive(Debug, Parser)]
#[command(name = "chat-eval", version, max_term_width = 100, propagate_version = true, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Options that every command takes.
    #[command(flatten)]
    pub global: Global,
}

impl Cli {
    /// Reads a command line, the program's name first.
    ///
    /// # Errors
    /// What is wrong with it; also where it only asks for help.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut command = Self::command();
        let matches = command.try_get_matches_from_mut(arguments)?;
        let mut cli = Self::from_arg_matches(&matches)?;
        if let (Command::Run(args), Some(("run", matches))) = (&mut cli.command, matches.subcommand()) {
            args.given = command.find_subcommand("run").map(|command| given(command, matches)).unwrap_or_default();
            let indexes = |id: &str| matches.indices_of(id).into_iter().flatten();
            let rerun = indexes("rerun").max().unwrap_or_default();
            args.paths_before_rerun = indexes("paths").filter(|path| *path < rerun).count();
        }
        Ok(cli)
    }
}

/// The arguments that a command line really has, by the names that they are written with.
fn given(command: &clap::Command, matches: &ArgMatches) -> Vec<String> {
    let is_given = |arg: &&clap::Arg| {
        let id = arg.get_id().as_str();
        matches.try_contains_id(id).is_ok() && matches.value_source(id) == Some(ValueSource::CommandLine)
    };
    let name = |arg: &clap::Arg| arg.get_long().map_or_else(|| "PATH".to_owned(), |long| format!("--{long}"));
    command.get_arguments().filter(is_given).map(name).collect()
}

const EXAMPLES: &str = "\
Examples:
  chat-eval init                                 a first scenario, a config file, a CI workflow
  chat-eval run scenarios/                       every scenario, on the models that they name
  chat-eval run scenarios/ -k 'whats-*' --show   one of them, word by word
  chat-eval run scenarios/ --model gpt-4o-mini   all of them on another model
  chat-eval run --resume                         go on with the latest run, which did not finish
  chat-eval merge shards/* -o results/merged     what `run --shard` played in parts, as one run
  chat-eval run --rerun failed                   once more what failed in the latest run
  chat-eval recheck latest                       judge it again with the checks as they are now, without a call
  chat-eval mutate latest                        which checks would notice if the replies were worse
  chat-eval compare previous latest              what got worse between two runs
  chat-eval diff origin/main                     what changed in the snapshots, for a pull request
  chat-eval review                               decide on snapshots that are new or differ
  chat-eval import openai-chat chats.jsonl       scenarios of conversations that you have

CHAT_EVAL_MODEL, CHAT_EVAL_CONCURRENCY and CHAT_EVAL_OUT stand between these options and the files.

`builtin`, the model where none is named, is a measuring instrument for windows and scripts, and no language model: it \
answers from the messages that it is sent, and from nothing else.";

/// Options that every command takes.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// The config file, instead of the nearest chat-eval.yaml
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// When to use colours
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t = Color::Auto)]
    pub color: Color,
    /// Show results and errors only: no announcement, no progress
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Replay scenarios, write results/<run-id>/ and print the summary
    Run(Box<RunArgs>),
    /// Read and check scenario files; send nothing
    Check(CheckArgs),
    /// Say what `run` would do: conversations, calls, tokens and cost at most; with --requests, what each turn would send
    Plan(PlanArgs),
    /// Decide on snapshots that are new or differ: on a terminal one by one, key by key
    Review(ReviewArgs),
    /// Write the reports of a run again, from its journal
    Report(ReportArgs),
    /// Judge a run's transcripts again with the checks as they are now, without a call: a run of its own
    Recheck(RecheckArgs),
    /// Judge a run's transcripts again with replies that were changed for the worse, without a call, and list the checks that
    /// pass all the same
    Mutate(MutateArgs),
    /// Put two runs, or the personas, models or windows of one, side by side: what got worse, what got better, and whether
    /// that may be luck
    Compare(CompareArgs),
    /// Put the shards of one plan together
    Merge(MergeArgs),
    /// Show what changed in the snapshots since a git revision, as Markdown for a pull request; exits 0 whether anything
    /// did or not
    Diff(DiffArgs),
    /// Make scenarios of conversations that another tool has; says what cannot be carried over, and overwrites nothing
    Import(ImportArgs),
    /// Write a first scenario with its accepted snapshots, a config file and a CI workflow; overwrites nothing
    Init(InitArgs),
}

// Whatever takes a number takes a negative one too, and says itself that it is none: clap would call it an unknown argument.
/// `run`.
#[derive(Debug, Clone, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct RunArgs {
    /// What is played.
    #[command(flatten)]
    pub selection: Selection,
    /// Go on with a run that did not finish: its folder, its id, `latest` (where none is named) or `previous`. Nothing
    /// that its journal holds is sent again; beside it stand only -j, --rpm, --tpm, --timeout, --retries, a higher --max-cost,
    /// --format, --out and --config, which must be said again where the run began with it: it says where keys go
    #[arg(long, value_name = "RUN", num_args = 0..=1, default_missing_value = "latest")]
    pub resume: Option<String>,
    /// Only what failed, or errored, in an earlier run: its folder, its id, `latest` (where none is named) or `previous`. A
    /// variant is played again with all its trials. Where no PATH is given, the scenarios are those of that run; its --config must
    /// be said again
    #[arg(long, value_names = ["failed|errored", "RUN"], num_args = 1..=2)]
    pub rerun: Vec<String>,
    /// How many PATHs stand before `--rerun`: its second value is one more of them where it names no run
    #[arg(skip)]
    pub paths_before_rerun: usize,
    /// What the command line really has, by the names that it is written with: `--timeout`; `PATH` for paths
    #[arg(skip)]
    pub given: Vec<String>,
    /// Conversations in flight [default: 16]
    #[arg(short = 'j', long, value_name = "N", allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub concurrency: Option<u32>,
    /// Stream every reply
    #[arg(long, overrides_with = "no_stream")]
    pub stream: bool,
    /// Stream no reply
    #[arg(long)]
    pub no_stream: bool,
    /// Print the transcripts as they go, word by word when streaming; one conversation at a time
    #[arg(long)]
    pub show: bool,
    /// What goes to standard output
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Auto)]
    pub format: Format,
    /// Where the run's folder is made [default: results]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// What becomes of snapshots: `new` writes .snap.new, `no` only compares, `always` overwrites, `off` skips; `auto`
    /// is `no` where CI is set, else `new`
    #[arg(long, value_name = "MODE", value_enum, default_value_t = Snapshots::Auto)]
    pub snapshots: Snapshots,
    /// What becomes of recordings: `auto` replays what is recorded and calls for the rest, `record` calls and writes, `only`
    /// replays and calls nobody, `off` neither replays nor writes
    #[arg(long, value_name = "MODE", value_enum, default_value_t = Cassettes::Auto)]
    pub cassettes: Cassettes,
    /// Short for `--cassettes only`: nobody is called
    #[arg(long, conflicts_with = "cassettes")]
    pub offline: bool,
    /// Remove recordings that nothing uses any more; takes the whole plan
    #[arg(long)]
    pub prune: bool,
    /// What a turn sees of earlier replies: `live`, what was said in this run; `pinned`, what is recorded; `pinned:RUN`, what was
    /// said in that run. Pinned, what fails in a turn is that turn's own
    #[arg(long, value_name = "HISTORY", default_value = "live")]
    pub history: History,
    /// Seconds for one attempt of a call; for a stream, between two pieces, and ten times as long in all
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, default_value_t = 120.0, value_parser = seconds)]
    pub timeout: f64,
    /// Attempts of a call after the first
    #[arg(long, value_name = "N", allow_negative_numbers = true,
        default_value_t = 5, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub retries: u32,
    /// Requests a minute, per provider and model
    #[arg(long, value_name = "N", allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000_000))]
    pub rpm: Option<u32>,
    /// Tokens a minute, per provider and model; estimated before a call, corrected by what the provider counts
    #[arg(long, value_name = "N", allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000_000))]
    pub tpm: Option<u32>,
    /// The most that the run may spend: each call reserves the most that it can cost before it is sent. Live models need a
    /// `price` then, their scenarios `params: max_tokens`
    #[arg(long, value_name = "USD", allow_negative_numbers = true, value_parser = dollars)]
    pub max_cost: Option<f64>,
    /// Stop at the first failed check: no new turn is begun
    #[arg(long)]
    pub fail_fast: bool,
    /// Leave out trials that can change no verdict against `pass_rate` any more, whatever they would bring: no approximation. A
    /// variant's trials are begun a few at a time then
    #[arg(long)]
    pub until_decided: bool,
    /// Let `run:` checks and bots of `provider: command` start programs. They come from whoever wrote the files, and may do whatever you may
    #[arg(long)]
    pub allow_run: bool,
}

fn dollars(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(dollars) if (0.0..=1e6).contains(&dollars) => Ok(dollars),
        _ => Err("a number of US dollars from 0 to 1000000".to_owned()),
    }
}

pub(super) fn conversations(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| "a whole number of conversations, 0 or more".to_owned())
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.001..=86_400.0).contains(&seconds) => Ok(seconds),
        _ => Err("a number of seconds from 0.001 to 86400".to_owned()),
    }
}

/// `--snapshots`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Snapshots {
    /// `no` where CI is set, else `new`
    Auto,
    /// Write .snap.new
    New,
    /// Only compare
    No,
    /// Overwrite
    Always,
    /// Skip
    Off,
}

/// `--history`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum History {
    /// What was said in this run.
    Live,
    /// What is recorded.
    Recorded,
    /// What was said in a run that is named.
    Run(String),
}

impl std::str::FromStr for History {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "live" => Ok(Self::Live),
            None if text == "pinned" => Ok(Self::Recorded),
            Some(("pinned", run)) if !run.is_empty() => Ok(Self::Run(run.to_owned())),
            _ => Err("`live`, `pinned` or `pinned:RUN`".to_owned()),
        }
    }
}

/// `--cassettes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Cassettes {
    /// Replay what is recorded, else call
    Auto,
    /// Call, and write
    Record,
    /// Replay; what is not recorded is an error
    Only,
    /// Neither replay nor write
    Off,
}

/// `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Scenario files and folders; `-` reads one scenario from standard input
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Replay the scenarios on `builtin:amnesiac`, which knows nothing, and `builtin:omniscient`, which knows all facts, and list
    /// every check on a fact that neither can fail; nothing is sent, nothing is written
    #[arg(long)]
    pub controls: bool,
    /// A larger plan is an error
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value_t = 100_000, value_parser = conversations)]
    pub max_conversations: usize,
}

/// `review`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(group = clap::ArgGroup::new("decision").multiple(true))]
pub struct ReviewArgs {
    /// The folder to look in
    #[arg(value_name = "DIR", default_value = ".")]
    pub folder: PathBuf,
    /// Only snapshots that match, as for `run`: a glob over scenario names, or persona=, model=, window= or case= with a
    /// glob; `!` in front leaves out
    #[arg(short = 'k', long, value_name = "EXPR", conflicts_with = "prune")]
    pub filter: Vec<Filter>,
    /// Show what waits, with its differences
    #[arg(long, group = "decision", conflicts_with_all = ["accept", "reject"])]
    pub list: bool,
    /// Accept everything that waits
    #[arg(long, group = "decision", conflicts_with = "reject")]
    pub accept: bool,
    /// Reject everything that waits
    #[arg(long, group = "decision")]
    pub reject: bool,
    /// Remove the snapshots, waiting ones too, whose scenario or variant is gone; with --list, only show them
    #[arg(long, group = "decision", conflicts_with_all = ["accept", "reject"])]
    pub prune: bool,
}

/// `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The run: its folder, its id, `latest` or `previous`
    #[arg(value_name = "RUN", default_value = "latest")]
    pub run: String,
    /// Draw pictures into the run's folder too: the retention grids, tokens sent, latency, time to the first token
    #[arg(long)]
    pub svg: bool,
    /// What goes to standard output
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Auto)]
    pub format: Format,
    /// Show report.html in the browser
    #[arg(long)]
    pub open: bool,
    /// Where runs are [default: results]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// `compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// The run to compare with, and the run to compare: each by its folder, its id, `latest` or `previous` [default: previous
    /// and latest]; with --by and one RUN, the variants of that run [default: latest]
    #[arg(value_name = "RUN", num_args = 0..=2)]
    pub runs: Vec<String>,
    /// Compare the variants that differ in this, every one against the first of its scenario; with two runs, whatever each has of it
    #[arg(long, value_name = "WHAT", value_enum)]
    pub by: Option<By>,
    /// The persona, model or window that the others are compared with [default: the first of each scenario]
    #[arg(long, value_name = "NAME", requires = "by")]
    pub base: Option<String>,
    /// Exit with 1 where something that passed fails now
    #[arg(long, value_name = "WHAT", value_enum)]
    pub fail_on: Option<FailOn>,
    /// What goes to standard output
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = CompareFormat::Auto)]
    pub format: CompareFormat,
    /// Where runs are [default: results]
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

/// `merge`.
#[derive(Debug, Args)]
pub struct MergeArgs {
    /// The runs of all shards, each by its folder, its id, `latest` or `previous`; a folder that holds runs means the
    /// latest of them
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<String>,
    /// The folder of the merged run, which is made
    #[arg(short = 'o', long, value_name = "DIR")]
    pub into: PathBuf,
    /// What becomes of snapshots, as for `run`; the scenarios must be where they were, seen from here
    #[arg(long, value_name = "MODE", value_enum, default_value_t = Snapshots::Auto)]
    pub snapshots: Snapshots,
    /// What goes to standard output
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Auto)]
    pub format: Format,
    /// Where runs are [default: results]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// `diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// What the working tree is compared with: a branch, a tag, a commit. Default: the commit at which HEAD left the main branch
    /// (origin/HEAD, else origin/main, main, origin/master, master)
    #[arg(value_name = "REV")]
    pub revision: Option<String>,
    /// Only snapshots below these folders, or these snapshots
    #[arg(last = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
}

/// `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Write only the stub manifest that lets `cargo insta` review the snapshots
    #[arg(long)]
    pub insta: bool,
    /// The project's folder, which is made where it is not there [default: the working directory]; with --insta the
    /// folder of the scenarios, from the project's root [default: scenarios]
    #[arg(value_name = "DIR")]
    pub folder: Option<PathBuf>,
}
