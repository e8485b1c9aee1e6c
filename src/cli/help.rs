//! What `--help` teaches beside the words on each argument: groups of flags, examples, exit codes, the environment.
//!
//! The words on an argument stand with it, first in one short line for `-h`. `tests/it/help.rs` runs every example.

use clap::{Arg, ArgAction, Command, CommandFactory};

use super::args::Cli;

/// An example, and what it does.
pub type Example = (&'static str, &'static str);

/// The command line with all that its help says.
#[must_use]
pub fn command() -> Command {
    let command = with_general_options(Cli::command());
    let command = command.after_help(MORE).after_long_help(format!("{}\n\n{ABOUT}", examples_text(PROGRAM)));
    let names: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    names.into_iter().fold(command, |command, name| command.mut_subcommand(&name, |sub| taught(sub, &name)))
}

/// What the page of a command says behind its options, as sections of a manual page.
pub fn sections(name: &str) -> Vec<(&'static str, String)> {
    let examples = if name == PROGRAM_NAME { PROGRAM } else { examples(name) };
    let mut sections = vec![("EXAMPLES", lines(examples, ""))];
    match name {
        PROGRAM_NAME => sections.push(("NOTES", ABOUT.to_owned())),
        "run" => sections.push(("EXIT STATUS", EXIT_CODES.to_owned())),
        _ => {}
    }
    sections.retain(|(_, text)| !text.is_empty());
    sections
}

const PROGRAM_NAME: &str = env!("CARGO_PKG_NAME");

const MORE: &str = "`chat-eval --help` has examples, `chat-eval COMMAND --help` all about a command.";

const GENERAL: &str = "General options";

/// What stands in a group of its own, command by command: a flag that is in none is among the options.
const GROUPS: &[(&str, &[&str])] = &[
    (
        "What is played",
        &[
            "filter",
            "tag",
            "persona",
            "model",
            "window",
            "trials",
            "stream",
            "no_stream",
            "shard",
            "seed",
            "max_conversations",
            "resume",
            "rerun",
        ],
    ),
    ("Recordings and snapshots", &["cassettes", "offline", "prune", "history", "snapshots"]),
    (
        "Pace and cost",
        &["concurrency", "rpm", "tpm", "max_cost", "timeout", "retries", "fail_fast", "until_decided", "no_share"],
    ),
    ("Checks", &["triage", "allow_run"]),
    ("Output", &["show", "format", "out", "requests", "verbose"]),
];

/// The commands with so many flags that they are grouped.
const GROUPED: [&str; 2] = ["run", "plan"];

fn with_general_options(command: Command) -> Command {
    let own = |id: &'static str, short, action, words| {
        Arg::new(id).short(short).long(id).action(action).global(true).help(words).help_heading(GENERAL)
    };
    ["config", "color", "quiet"]
        .into_iter()
        .fold(command, |command, id| command.mut_arg(id, |arg| arg.help_heading(GENERAL)))
        .disable_help_flag(true)
        .disable_version_flag(true)
        .arg(own("help", 'h', ArgAction::Help, "Print help: -h in short, --help with examples"))
        .arg(own("version", 'V', ArgAction::Version, "Print the version"))
}

fn taught(command: Command, name: &str) -> Command {
    let command = if GROUPED.contains(&name) { grouped(command) } else { command };
    let examples = examples_text(examples(name));
    let text = match name {
        "run" => format!("{examples}\n\nExit codes:\n{EXIT_CODES}\n\n{INSTRUMENT}"),
        _ => examples,
    };
    if text.is_empty() { command } else { command.after_long_help(text) }
}

fn grouped(command: Command) -> Command {
    let ids: Vec<String> = command.get_arguments().map(|arg| arg.get_id().to_string()).collect();
    let groups = GROUPS.iter().flat_map(|(heading, flags)| flags.iter().map(move |flag| (*heading, *flag)));
    groups
        .filter(|(_, flag)| ids.iter().any(|id| id == flag))
        .fold(command, |command, (heading, flag)| command.mut_arg(flag, |arg| arg.help_heading(heading)))
}

fn examples_text(examples: &[Example]) -> String {
    if examples.is_empty() { String::new() } else { format!("Examples:\n{}", lines(examples, "  ")) }
}

/// Each example below what it does, as a shell takes both.
fn lines(examples: &[Example], indent: &str) -> String {
    let lines = examples.iter().map(|(command, does)| format!("{indent}# {does}\n{indent}{command}"));
    lines.collect::<Vec<_>>().join("\n\n")
}

const PROGRAM: &[Example] = &[
    ("chat-eval init", "a first scenario, a config file, a CI workflow"),
    ("chat-eval run scenarios/", "every scenario, on the models that they name"),
    ("chat-eval run scenarios/ --model gpt-4o-mini", "all of them on another model"),
    ("chat-eval run --rerun failed", "once more what failed in the latest run"),
    ("chat-eval compare previous latest", "what got worse between two runs"),
    ("chat-eval review --list", "snapshots that are new or differ; without --list, decide on them"),
    ("chat-eval chat scenarios/whats-my-name.yaml", "try its persona and its window by hand"),
];

const ABOUT: &str = "\
Environment, between these options and the files:
  CHAT_EVAL_MODEL        the model instead of the scenarios' own
  CHAT_EVAL_CONCURRENCY  conversations in flight
  CHAT_EVAL_OUT          where runs are
  OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY, AZURE_OPENAI_API_KEY
                         the key of models of that provider whose config names
                         no other variable
  OPENAI_BASE_URL, ANTHROPIC_BASE_URL, GEMINI_BASE_URL, AZURE_OPENAI_ENDPOINT
                         where that provider's API is, where no config says it
  CI                     where set, snapshots are only compared, and one that is
                         missing fails
  NO_COLOR               no colours
  CLICOLOR_FORCE         colours everywhere

`builtin`, the model where none is named, is a measuring instrument for windows
and scripts, and no language model: it answers from the messages that it is
sent, and from nothing else.

Exit codes stand in `chat-eval run --help`.";

const INSTRUMENT: &str = "\
`builtin`, the model where none is named, is a measuring instrument for windows
and scripts, and no language model.";

const EXIT_CODES: &str = "\
\u{20} 0    every check passed and every snapshot matched
  1    a check failed, or a snapshot differs
  2    the command line, a scenario or the config is wrong; nothing was sent
  3    a conversation could not be carried through, or a check stayed `unknown`
  4    no scenario found, or the filters leave none
  5    a report could not be written
  130  interrupted; `--resume` goes on
130 wins over all, then 5, then 1, then 3.";

/// The examples of a command.
pub fn examples(command: &str) -> &'static [Example] {
    match command {
        "run" => &[
            ("chat-eval run scenarios/", "every scenario, on the models that they name"),
            ("chat-eval run scenarios/ -k 'whats-*' --show", "some of them, with their transcripts"),
            ("chat-eval run scenarios/retention-grid.yaml --window 2 --window full", "two windows side by side"),
            ("chat-eval run scenarios/ --model gpt-4o-mini -j 4", "another model, four conversations at a time"),
            ("chat-eval run scenarios/ --offline", "replay recordings; whatever is not recorded is an error"),
            ("chat-eval run --rerun failed", "once more what failed in the latest run"),
            ("chat-eval run scenarios/ --shard 1/4 --out shards", "the first of four parts, for `merge`"),
        ],
        "check" => &[
            ("chat-eval check scenarios/", "every error of every file"),
            ("chat-eval check scenarios/ --controls", "and the checks on facts that cannot fail"),
            ("chat-eval check - < scenarios/whats-my-name.yaml", "one scenario on standard input"),
        ],
        "plan" => &[
            ("chat-eval plan scenarios/", "conversations, calls and tokens, a variant a line"),
            ("chat-eval plan scenarios/whats-my-name.yaml --requests", "what each turn would send"),
            ("chat-eval plan scenarios/ --model gpt-4o-mini --format json", "what another model would cost, as JSON"),
        ],
        "review" => &[
            ("chat-eval review --list", "what waits, with its differences"),
            ("chat-eval review scenarios --accept -k 'whats-*'", "accept what waits of some scenarios"),
            ("chat-eval review scenarios --prune --list", "snapshots whose scenario is gone"),
        ],
        "report" => &[
            ("chat-eval report", "the reports and the summary of the latest run"),
            ("chat-eval report previous --svg", "with pictures, of the one before"),
            ("chat-eval report latest --format json", "every conversation as a line of JSON"),
        ],
        "recheck" => &[
            ("chat-eval recheck latest", "after a check has changed"),
            ("chat-eval recheck latest --snapshots no", "the same, and no snapshot is written for review"),
        ],
        "mutate" => &[
            ("chat-eval mutate latest", "which checks would notice if the replies were worse"),
            ("chat-eval mutate latest --min-kill 0.5 --format json", "for CI"),
        ],
        "compare" => &[
            ("chat-eval compare", "the latest run with the one before"),
            ("chat-eval compare previous latest --fail-on worse", "exit with 1 where something got worse"),
            ("chat-eval compare --by window latest", "the windows of one run"),
            ("chat-eval compare previous latest --format markdown", "for a pull request"),
        ],
        "merge" => &[("chat-eval merge shards/* -o results/merged", "what `run --shard` played in parts, as one run")],
        "diff" => &[
            ("chat-eval diff origin/main", "what a branch changed"),
            ("chat-eval diff HEAD -- scenarios/snapshots", "what is not committed yet"),
        ],
        "chat" => &[
            ("chat-eval chat --persona 'You are a patient tutor.'", "a persona, on the model of the config"),
            (
                "chat-eval chat scenarios/whats-my-name.yaml",
                "its persona, window, facts and history; /script offers its turns",
            ),
            ("chat-eval chat --window 2", "what does a window of two exchanges forget?"),
            ("chat-eval chat < messages.txt", "a message a line; the replies alone on standard output"),
        ],
        "import" => &[
            ("chat-eval import openai-chat chats.jsonl", "OpenAI's chat messages, into the folder imported"),
            (
                "chat-eval import promptfoo promptfooconfig.yaml -o scenarios/promptfoo",
                "promptfoo's conversation tests",
            ),
            (
                "chat-eval import transcripts results/latest/transcripts.csv --replies canned",
                "a run, with its replies kept",
            ),
        ],
        "init" => &[
            ("chat-eval init", "in the working directory"),
            ("chat-eval init bot", "in a folder, which is made"),
            ("chat-eval init --insta scenarios", "what `cargo insta review` needs"),
        ],
        "schema" => &[
            ("chat-eval schema > scenario.schema.json", "for scenarios"),
            ("chat-eval schema --config > config.schema.json", "for chat-eval.yaml"),
        ],
        "completions" => &[
            ("chat-eval completions bash > ~/.chat-eval.bash", "for bash, where ~/.bashrc sources it"),
            ("chat-eval completions zsh > ~/.zfunc/_chat-eval", "for zsh, where ~/.zfunc is in fpath"),
            ("chat-eval completions fish > ~/.config/fish/completions/chat-eval.fish", "for fish"),
        ],
        "man" => &[
            ("chat-eval man run > chat-eval-run.1", "one page; `man ./chat-eval-run.1` shows it"),
            ("chat-eval man --out ~/.local/share/man/man1", "all of them, where `man chat-eval` finds them"),
        ],
        _ => &[],
    }
}
