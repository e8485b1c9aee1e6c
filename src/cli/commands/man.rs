//! `man`: the manual pages, made from clap's own description of the command line: one of the program, one of each command.

use std::fs;
use std::io;
use std::path::Path;

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};

use super::super::console::{Console, shown};
use super::super::exit::Exit;
use super::super::help;
use super::super::shell_args::ManArgs;

const PROGRAM: &str = env!("CARGO_PKG_NAME");
const VERSION: &str = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));

/// Prints a page, or writes all of them.
pub fn man(args: &ManArgs, console: &Console) -> Exit {
    let pages = match pages() {
        Ok(pages) => pages,
        Err(error) => return failed("make the pages", &error, console),
    };
    if let Some(folder) = &args.out {
        return match write(folder, &pages) {
            Ok(()) => {
                console.line(&format!("wrote {} pages into {}", pages.len(), shown(folder)));
                Exit::Passed
            }
            Err(error) => failed(&format!("write into `{}`", folder.display()), &error, console),
        };
    }
    let wanted = args.command.as_ref().map_or_else(|| PROGRAM.to_owned(), |command| format!("{PROGRAM}-{command}"));
    if let Some((_, page)) = pages.iter().find(|(name, _)| *name == wanted) {
        console.print(page);
        return Exit::Passed;
    }
    let command = args.command.as_deref().unwrap_or_default();
    console.fatal(format!("`{command}` is no command"));
    let known: Vec<String> =
        pages.iter().filter_map(|(name, _)| Some(format!("`{}`", name.strip_prefix("chat-eval-")?))).collect();
    console.error(&format!("help: there are pages of {}", known.join(", ")));
    Exit::BadInput
}

/// All pages, by their names.
fn pages() -> io::Result<Vec<(String, String)>> {
    let mut program = help::command();
    program.build();
    let commands: Vec<Command> =
        program.get_subcommands().filter(|command| command.get_name() != "help").cloned().collect();
    let others = commands.iter().map(|command| Ok((format!("{PROGRAM}-{}", command.get_name()), page(command, &[])?)));
    std::iter::once(page(&program, &commands).map(|page| (PROGRAM.to_owned(), page))).chain(others).collect()
}

/// A page. The library fills all text, so what has lines of its own, or is short in `--help`, is written here.
fn page(command: &Command, commands: &[Command]) -> io::Result<String> {
    let man = Man::new(command.clone()).source(VERSION).manual("chat-eval manual");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    synopsis(command).to_writer(&mut page)?;
    man.render_description_section(&mut page)?;
    if !commands.is_empty() {
        list(commands).to_writer(&mut page)?;
    }
    man.render_options_section(&mut page)?;
    for (heading, text) in help::sections(command.get_name()) {
        verbatim(heading, &text).to_writer(&mut page)?;
    }
    Ok(String::from_utf8_lossy(&page).into_owned())
}

fn synopsis(command: &Command) -> Roff {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").trim();
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]).control("nf", []).text([roman(usage)]).control("fi", []);
    roff
}

fn list(commands: &[Command]) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["COMMANDS"]);
    for command in commands {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        roff.control("TP", []).text([bold(format!("{PROGRAM}-{}(1)", command.get_name()))]).text([roman(about)]);
    }
    roff
}

fn verbatim(heading: &str, text: &str) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", [heading]).control("nf", []);
    for line in text.lines() {
        let line: Vec<Inline> = vec![roman(line)];
        roff.text(line);
    }
    roff.control("fi", []);
    roff
}

fn write(folder: &Path, pages: &[(String, String)]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    pages.iter().try_for_each(|(name, page)| fs::write(folder.join(format!("{name}.1")), page))
}

fn failed(what: &str, error: &io::Error, console: &Console) -> Exit {
    console.fatal(format!("cannot {what}: {error}"));
    Exit::NotWritten
}
