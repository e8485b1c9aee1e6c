//! The command lines of `schema`, `completions` and `man`: what editors, shells and packages need.

use std::path::{Path, PathBuf};

use clap::{ArgAction, Args};
use clap_complete::Shell;

/// `schema`.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// The schema of the config file instead
    // It takes the place of the `--config FILE` of all commands, and clap wants one type under one name. No file is read here.
    #[arg(long, action = ArgAction::SetTrue)]
    config: Option<PathBuf>,
}

impl SchemaArgs {
    /// Whether the schema of the config file is asked for.
    #[must_use]
    pub fn is_of_config(&self) -> bool {
        self.config.as_deref() == Some(Path::new("true"))
    }
}

/// `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    pub shell: Shell,
}

/// `man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// The page of this command; without it, of the program
    #[arg(value_name = "COMMAND", conflicts_with = "out")]
    pub command: Option<String>,
    /// Write all pages into this folder instead, for a package; it is made where it is not there
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}
