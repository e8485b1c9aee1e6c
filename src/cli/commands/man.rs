//! `man`: the manual pages, made from clap's own description of the command line: one of the program, one of each command.

use std::fs;
use std::io;
use std::path::Path;

use clap_mangen::Man;

use super::super::console::{Console, shown};
use super::super::exit::Exit;
use super::super::help;
use super::super::shell_args::ManArgs;

/// Prints a page, or writes all of them.
pub fn man(args: &ManArgs, console: &Console) -> Exit {
    if let Some(folder) = &args.out {
        return write(folder, console);
    }
    let pages = match pages() {
        Ok(pages) => pages,
        Err(error) => return failed("make the page", &error, console),
    };
    let wanted = args.command.as_ref().map_or_else(|| PROGRAM.to_owned(), |command| format!("{PROGRAM}-{command}"));
    let Some((_, page)) = pages.iter().find(|(name, _)| *name == wanted) else {
        let command = args.command.as_deref().unwrap_or_default();
        console.fatal(format!("`{command}` is no command"));
        let known: Vec<&str> = pages.iter().filter_map(|(name, _)| name.strip_prefix("chat-eval-")).collect();
        console.error(&format!("help: there are pages of {}", known.join(", ")));
        return Exit::BadInput;
    };
    console.print(page);
    Exit::Passed
}

const PROGRAM: &str = env!("CARGO_PKG_NAME");
const VERSION: &str = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));

/// All pages, by their names.
fn pages() -> io::Result<Vec<(String, String)>> {
    let mut program = help::command();
    program.build();
    let commands = program.get_subcommands().filter(|command| command.get_name() != "help").cloned();
    let commands: Vec<clap::Command> = commands.collect();
    let page = |name: String, command: clap::Command| {
        let mut page = Vec::new();
        Man::new(command).source(VERSION).manual("chat-eval").render(&mut page)?;
        Ok((name, String::from_utf8_lossy(&page).into_owned()))
    };
    let own = std::iter::once((PROGRAM.to_owned(), program));
    let others = commands.into_iter().map(|command| (format!("{PROGRAM}-{}", command.get_name()), command));
    own.chain(others).map(|(name, command)| page(name, command)).collect()
}

fn write(folder: &Path, console: &Console) -> Exit {
    let written = pages().and_then(|pages| {
        fs::create_dir_all(folder)?;
        for (name, page) in &pages {
            fs::write(folder.join(format!("{name}.1")), page)?;
        }
        Ok(pages.len())
    });
    match written {
        Ok(count) => {
            console.line(&format!("wrote {count} pages into {}", shown(folder)));
            Exit::Passed
        }
        Err(error) => failed(&format!("write into `{}`", folder.display()), &error, console),
    }
}

fn failed(what: &str, error: &io::Error, console: &Console) -> Exit {
    console.fatal(format!("cannot {what}: {error}"));
    Exit::NotWritten
}
