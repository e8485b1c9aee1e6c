//! Arguments to settings, commands, what is printed, exit codes.

mod args;
mod bots;
mod budget;
mod cassettes;
mod chat;
mod chat_args;
mod commands;
mod compare_args;
pub mod config;
mod config_bots;
mod config_schema;
mod console;
mod controls;
mod earlier;
mod ending;
mod environment;
mod exit;
mod git;
mod gone;
mod help;
mod history;
mod import_args;
mod judged;
mod judged_args;
mod judges;
mod limits;
mod lint;
mod missing;
mod models;
mod opening;
mod output;
mod progress;
mod rerun;
mod review;
mod runs;
mod selection;
mod shell_args;
mod signals;
mod snapshots;
mod sources;
mod staged;
mod unreferenced;
mod vendors;

use std::process::ExitCode;

use crate::diagnostic::{self, Diagnostic, Severity};
use args::{Cli, Command};
use console::Console;
use exit::Exit;

/// Runs the program with the arguments of the process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => {
            let is_said = Console::usage(&error);
            return if error.use_stderr() { Exit::BadInput } else { with_output(Exit::Passed, is_said) }.into();
        }
    };
    let console = Console::new(cli.global.color, cli.global.quiet);
    let exit = match cli.command {
        Command::Run(args) => commands::run::run(&args, &cli.global, &console),
        Command::Check(args) => commands::check::check(&args, &cli.global, &console),
        Command::Plan(args) => commands::plan::plan(&args, &cli.global, &console),
        Command::Review(args) if args.prune => commands::prune::prune(&args, &cli.global, &console),
        Command::Review(args) => commands::review::review(&args, &console),
        Command::Report(args) => commands::report::report(&args, &console),
        Command::Compare(args) => commands::compare::compare(&args, &console),
        Command::Recheck(args) => commands::recheck::recheck(&args, &cli.global, &console),
        Command::Mutate(args) => commands::mutate::mutate(&args, &console),
        Command::Merge(args) => commands::merge::merge(&args, &cli.global, &console),
        Command::Diff(args) => commands::diff::diff(&args, &console),
        Command::Chat(args) => commands::chat::chat(&args, &cli.global, &console),
        Command::Import(args) => commands::import::import(&args, &console),
        Command::Init(args) => commands::init::init(&args, &console),
        Command::Schema(args) => commands::schema::schema(&args, &console),
        Command::Completions(args) => commands::completions::completions(&args, &console),
        Command::Man(args) => commands::man::man(&args, &console),
    };
    with_output(exit, !console.is_cut_off()).into()
}

/// The exit of a command whose results could not all be printed.
fn with_output(exit: Exit, is_printed: bool) -> Exit {
    match exit {
        exit if is_printed => exit,
        Exit::BadInput => exit,
        exit => Exit::worst(&[exit, Exit::NotWritten]),
    }
}

/// Shows what is wrong with the input, and says how much it is.
fn show_diagnostics(console: &Console, diagnostics: &[Diagnostic]) {
    let shown = diagnostic::render(diagnostics, console.is_error_coloured());
    console.error(&shown);
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count();
    let word = if errors == 1 { "error" } else { "errors" };
    if errors > 0 {
        console.error(&format!("\n{errors} {word}; nothing was sent"));
    }
}
