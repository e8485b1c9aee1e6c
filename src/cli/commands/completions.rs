//! `completions`: what a shell needs to complete our command line, made from clap's own description of it.

use super::super::console::Console;
use super::super::exit::Exit;
use super::super::help;
use super::super::shell_args::CompletionsArgs;

/// Prints the script.
pub fn completions(args: &CompletionsArgs, console: &Console) -> Exit {
    let mut command = help::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    console.print(&String::from_utf8_lossy(&script));
    Exit::Passed
}
