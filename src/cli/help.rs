//! What `--help` teaches beside the words on each argument.

use clap::{Command, CommandFactory};

use super::args::Cli;

/// The command line with all that its help says.
pub fn command() -> Command {
    Cli::command()
}
