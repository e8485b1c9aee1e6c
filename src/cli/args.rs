//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, FromArgMatches, Parser, Subcommand, ValueEnum};

use super::chat_args::ChatArgs;
use super::compare_args::CompareArgs;
use super::console::Color;
use super::help;
use super::import_args::ImportArgs;
use super::judged_args::{MutateArgs, RecheckArgs};
use super::output::Format;
use super::selection::{PlanArgs, Selection};
use super::shell_args::{CompletionsArgs, ManArgs, SchemaArgs};
use crate::run::Filter;

/// Regression tests for conversations.
///
/// Replays YAML-scripted conversations against a chat model and says, from what was really sent, what the bot
/// remembered, what it forgot, and whether it should have.
#[derive(Debug, Parser)]
#[command(name = "chat-eval", version, max_term_width = 100, propagate_version = true)]
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
        let mut command = help::command();
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

/// Options that every command takes.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// The config file [default: the nearest chat-eval.yaml]
    ///
    /// It is looked for in the working directory and its parents. It says where requests go and which keys are used: it is trusted
    /// like code.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// When to use colours [env: NO_COLOR, CLICOLOR_FORCE]
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t = Color::Auto)]
    pub color: Color,
    /// Results and errors only: no announcement, no progress
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Replay scenarios, and judge them by what was really sent
    ///
    /// Every file is read and checked before the first request. What happens is written to results/<run-id>/: a journal, tables,
    /// junit.xml, a page for the browser. The summary goes to standard output, progress to standard error.
    Run(Box<RunArgs>),
    /// Read and check scenario files; send nothing
    ///
    /// Every error of every file is shown, with its place and a way to mend it. The memory lint works out where each fact can be visible,
    /// and which checks on one can therefore never pass.
    Check(CheckArgs),
    /// Say what `run` would do: conversations, calls, cost at most
    ///
    /// Nothing is sent. With --requests it shows what each turn would send, as far as that is known before anyone has answered.
    Plan(PlanArgs),
    /// Decide on snapshots that are new or differ
    ///
    /// On a terminal one by one: what changed in words, the difference below it, and a key that accepts, rejects or skips.
    Review(ReviewArgs),
    /// Write the reports of a run again, from its journal
    ///
    /// The same bytes as the run wrote itself, and its summary.
    Report(ReportArgs),
    /// Judge a run again with the checks as they are now, no call made
    ///
    /// It is a run of its own, with reports and exit codes as `run`. What the new checks cannot be judged by is said by name.
    Recheck(RecheckArgs),
    /// Find checks that pass whatever the bot says
    ///
    /// Judges a run's transcripts again with replies that were changed for the worse, without a call, and lists the checks that pass
    /// all the same.
    Mutate(MutateArgs),
    /// Put two runs, or the variants of one, side by side
    ///
    /// What got worse, what got better, what changed only in words, and whether that may be luck.
    Compare(CompareArgs),
    /// Put the shards of one plan together
    ///
    /// What `run --shard` played in parts becomes one run, with reports and exit codes as if it had never been split. What is missing or
    /// there twice is refused by name.
    Merge(MergeArgs),
    /// Show what changed in the snapshots since a git revision
    ///
    /// As Markdown, for a pull request: verdicts and outcomes first, then what was sent, then the turns that changed. It exits 0
    /// whether anything changed or not.
    Diff(DiffArgs),
    /// Talk to a persona by hand
    ///
    /// The reply streams word by word, and a line below it says what was sent and which facts were remembered. `/save FILE` writes the talk
    /// as a scenario.
    Chat(ChatArgs),
    /// Make scenarios of conversations that another tool has
    ///
    /// What cannot be carried over is listed, and nothing is overwritten.
    Import(ImportArgs),
    /// Write a first scenario, a config file and a CI workflow
    ///
    /// The scenario passes at once, with accepted snapshots. What is there already stays as it is, and is named.
    Init(InitArgs),
    /// Print the JSON Schema of the scenario file, for editors
    ///
    /// With it an editor completes keys, shows what they mean, and marks what is wrong while you type.
    Schema(SchemaArgs),
    /// Print what a shell needs to complete this command line
    Completions(CompletionsArgs),
    /// Print a manual page, or write all of them
    Man(ManArgs),
}

// Whatever takes a number takes a negative one too, and says itself that it is none: clap would call it an unknown argument.
/// `run`.
#[derive(Debug, Clone, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct RunArgs {
    /// What is played.
    #[command(flatten)]
    pub selection: Selection,
    /// Go on with a run that did not finish [default: latest]
    ///
    /// RUN is its folder, its id, `latest` or `previous`. Nothing that its journal holds is sent again. Beside it stand only
    /// -j, --rpm, --tpm, --timeout, --retries, a higher --max-cost, --format, --out and --config, which must be said again where the
    /// run began with it: it says where keys go.
    #[arg(long, value_name = "RUN", num_args = 0..=1, default_missing_value = "latest")]
    pub resume: Option<String>,
    /// Only what failed, or errored, in an earlier run
    ///
    /// RUN is its folder, its id, `latest` (where none is named) or `previous`. A variant is played again with all its trials.
    /// Where no PATH is given, the scenarios are those of that run; its --config must be said again.
    #[arg(long, value_names = ["failed|errored", "RUN"], num_args = 1..=2)]
    pub rerun: Vec<String>,
    /// How many PATHs stand before `--rerun`: its second value is one more of them where it names no run
    #[arg(skip)]
    pub paths_before_rerun: usize,
    /// What the command line really has, by the names that it is written with: `--timeout`; `PATH` for paths
    #[arg(skip)]
    pub given: Vec<String>,
    /// Conversations in flight [default: 16] [env: CHAT_EVAL_CONCURRENCY]
    ///
    /// The turns of one conversation are always in sequence.
    #[arg(short = 'j', long, value_name = "N", allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub concurrency: Option<u32>,
    /// Stream every reply
    #[arg(long, overrides_with = "no_stream")]
    pub stream: bool,
    /// Stream no reply
    #[arg(long)]
    pub no_stream: bool,
    /// Print the transcripts as they go
    ///
    /// Word by word when streaming; one conversation at a time.
    #[arg(long)]
    pub show: bool,
    /// What goes to standard output
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Auto)]
    pub format: Format,
    /// Where the run's folder is made [default: results] [env: CHAT_EVAL_OUT]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// What becomes of snapshots
    #[arg(long, value_name = "MODE", value_enum, default_value_t = Snapshots::Auto)]
    pub snapshots: Snapshots,
    /// What becomes of recordings
    #[arg(long, value_name = "MODE", value_enum, default_value_t = Cassettes::Auto)]
    pub cassettes: Cassettes,
    /// Call nobody: short for `--cassettes only`
    #[arg(long, conflicts_with = "cassettes")]
    pub offline: bool,
    /// Remove recordings that nothing uses any more
    ///
    /// It takes the whole plan: a part of it does not know what the rest uses.
    #[arg(long)]
    pub prune: bool,
    /// What a turn sees of earlier replies: live, pinned or pinned:RUN
    ///
    /// `live`, what was said in this run; `pinned`, what is recorded; `pinned:RUN`, what was said in that run. Pinned, what fails in a
    /// turn is that turn's own.
    #[arg(long, value_name = "HISTORY", default_value = "live")]
    pub history: History,
    /// Seconds for one attempt of a call
    ///
    /// For a stream, between two pieces, and ten times as long in all.
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
    /// Tokens a minute, per provider and model
    ///
    /// Estimated before a call, and corrected by what the provider counts.
    #[arg(long, value_name = "N", allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000_000))]
    pub tpm: Option<u32>,
    /// The most that the run may spend
    ///
    /// Each call reserves the most that it can cost before it is sent, so the cap holds with calls in flight. Live models need a
    /// `price` in the config then, their scenarios `params: {max_tokens: N}`.
    #[arg(long, value_name = "USD", allow_negative_numbers = true, value_parser = dollars)]
    pub max_cost: Option<f64>,
    /// Stop at the first failed check
    ///
    /// No new turn is begun; what is in flight is finished and written.
    #[arg(long)]
    pub fail_fast: bool,
    /// Leave out trials that can change no verdict any more
    ///
    /// Whatever they would bring, `pass_rate` would be reached, or missed, all the same: no approximation. A variant's trials are
    /// begun a few at a time then.
    #[arg(long)]
    pub until_decided: bool,
    /// Let `run:` checks and bots of `provider: command` start programs
    ///
    /// They come from whoever wrote the scenarios or the config, and may do whatever you may.
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

pub(super) fn seconds(text: &str) -> Result<f64, String> {
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
    /// Scenario files and folders; `-` is standard input
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// List checks on facts that cannot fail
    ///
    /// The scenarios are replayed on `builtin:amnesiac`, which knows nothing, and `builtin:omniscient`, which knows all facts.
    /// Nothing is sent, nothing is written.
    #[arg(long)]
    pub controls: bool,
    /// A larger plan is an error, before anything is sent
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
    /// Only snapshots that match, as for `run`
    ///
    /// A glob over scenario names, or persona=, model=, window= or case= with a glob; `!` in front leaves out.
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
    /// Remove snapshots whose scenario or variant is gone
    ///
    /// Waiting ones too. With --list they are only shown.
    #[arg(long, group = "decision", conflicts_with_all = ["accept", "reject"])]
    pub prune: bool,
}

/// `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The run: its folder, its id, `latest` or `previous`
    #[arg(value_name = "RUN", default_value = "latest")]
    pub run: String,
    /// Draw pictures into the run's folder, too
    ///
    /// The retention grids, tokens sent by turn, latency, time to the first token.
    #[arg(long)]
    pub svg: bool,
    /// What goes to standard output
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Auto)]
    pub format: Format,
    /// Show report.html in the browser
    #[arg(long)]
    pub open: bool,
    /// Where runs are [default: results] [env: CHAT_EVAL_OUT]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// `merge`.
#[derive(Debug, Args)]
pub struct MergeArgs {
    /// The runs of all shards
    ///
    /// Each by its folder, its id, `latest` or `previous`; a folder that holds runs means the latest of them.
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<String>,
    /// The folder of the merged run, which is made
    #[arg(short = 'o', long, value_name = "DIR")]
    pub into: PathBuf,
    /// What becomes of snapshots, as for `run`
    ///
    /// The scenarios must be where they were, seen from here.
    #[arg(long, value_name = "MODE", value_enum, default_value_t = Snapshots::Auto)]
    pub snapshots: Snapshots,
    /// What goes to standard output
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Auto)]
    pub format: Format,
    /// Where runs are [default: results] [env: CHAT_EVAL_OUT]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// `diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// A branch, tag or commit [default: where HEAD left the main branch]
    ///
    /// The working tree is compared with it. The main branch is origin/HEAD, else origin/main, main, origin/master, master.
    #[arg(value_name = "REV")]
    pub revision: Option<String>,
    /// Only snapshots below these folders, or these snapshots
    #[arg(last = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
}

/// `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Only write what lets `cargo insta` review the snapshots
    ///
    /// A stub manifest, .chat-eval/insta/Cargo.toml.
    #[arg(long)]
    pub insta: bool,
    /// The project's folder [default: the working directory]
    ///
    /// It is made where it is not there. With --insta it is the folder of the scenarios, from the project's root [default: scenarios].
    #[arg(value_name = "DIR")]
    pub folder: Option<PathBuf>,
}
