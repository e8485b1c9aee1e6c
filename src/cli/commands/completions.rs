//! `completions`: what a shell needs to complete our command line, made from clap's own description of it.

use clap_complete::Shell;

use super::super::console::Console;
use super::super::exit::Exit;
use super::super::help;
use super::super::shell_args::CompletionsArgs;

/// Prints the script.
pub fn completions(args: &CompletionsArgs, console: &Console) -> Exit {
    let mut command = help::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, &name, &mut script);
    let mut script = String::from_utf8_lossy(&script).into_owned();
    if args.shell == Shell::Bash {
        // clap_complete 4.6 keeps the commands of a program with a hyphen under one name and looks for them under another: behind a
        // command nothing would complete.
        script = script.replace(&name.replace('-', "__subcmd__"), &name.replace('-', "__"));
    }
    console.print(&script);
    Exit::Passed
}
