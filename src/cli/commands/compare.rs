//! `compare`: two runs, or the variants of one, side by side.

use std::path::PathBuf;

use super::super::compare_args::{By, CompareArgs, CompareFormat};
use super::super::console::Console;
use super::super::exit::Exit;
use super::super::output::{Format, look};
use super::super::runs;
use crate::journal::Reader;
use crate::report::compare::{CompareError, Comparison, Dimension, Gathered, json, markdown, terminal};

/// What the bootstrap is drawn from: the same runs give the same intervals.
const SEED: u64 = 0;

/// Prints what got worse, what got better, and whether that may be luck.
pub fn compare(args: &CompareArgs, console: &Console) -> Exit {
    let comparison = match compared(args, console) {
        Ok(comparison) => comparison,
        Err(exit) => return exit,
    };
    let printed = match args.format {
        CompareFormat::Json => json::render(&comparison),
        CompareFormat::Markdown => Ok(markdown::render(&comparison)),
        CompareFormat::Auto => Ok(terminal::render(&comparison, look(console, terminal_format(console)))),
        CompareFormat::Pretty => Ok(terminal::render(&comparison, look(console, Format::Pretty))),
        CompareFormat::Plain => Ok(terminal::render(&comparison, look(console, Format::Plain))),
    };
    match printed {
        Ok(text) => console.print(&text),
        Err(error) => {
            console.fatal(error);
            return Exit::NotWritten;
        }
    }
    match args.fail_on {
        Some(_) if comparison.is_worse() => Exit::Failed,
        // Nothing that could have got worse was carried through: that is no all-clear.
        Some(_) if !comparison.has_pairs() => {
            console.fatal("no conversation was carried through on both sides: nothing can be said of what got worse");
            Exit::Errored
        }
        _ => Exit::Passed,
    }
}

fn terminal_format(console: &Console) -> Format {
    if console.is_terminal() { Format::Pretty } else { Format::Plain }
}

fn compared(args: &CompareArgs, console: &Console) -> Result<Comparison, Exit> {
    let by = args.by.map(dimension);
    let is_within = by.is_some() && args.runs.len() < 2;
    if args.base.is_some() && !is_within {
        return Err(refused(console, "`--base` names a variant of one run, and goes with `--by` and one RUN", ""));
    }
    let names: Vec<&str> = match (&args.runs[..], is_within) {
        ([], true) => vec!["latest"],
        ([], false) => vec!["previous", "latest"],
        ([base], false) => vec![base, "latest"],
        (named, _) => named.iter().map(String::as_str).collect(),
    };
    let folders = names.iter().map(|name| runs::find(name, args.out.as_deref(), console));
    let folders: Vec<PathBuf> = folders.collect::<Result<_, _>>()?;
    if let [base, new] = &folders[..]
        && is_same(base, new)
    {
        let help = "help: `compare BASE NEW` takes two runs; `compare --by persona|model|window RUN` one";
        return Err(refused(console, &format!("both sides are the same run, {}", base.display()), help));
    }
    let mut gathered = Gathered::default();
    for folder in &folders {
        gather(&mut gathered, folder.join(runs::JOURNAL), console)?;
    }
    let comparison = match by.filter(|_| is_within) {
        Some(by) => gathered.within(by, args.base.as_deref(), SEED),
        None => gathered.between(by, SEED),
    };
    comparison.map_err(|error| {
        let exit = match error {
            CompareError::NothingShared { .. } | CompareError::Empty(_) => Exit::NothingToDo,
            CompareError::OneOnly { .. } | CompareError::NoSuch { .. } | CompareError::Several { .. } => Exit::BadInput,
        };
        let help = help(&error);
        refused(console, &error.to_string(), &help);
        exit
    })
}

fn gather(gathered: &mut Gathered, journal: PathBuf, console: &Console) -> Result<(), Exit> {
    let unread = |error: crate::journal::JournalError| refused(console, &error.to_string(), "");
    let journal = Reader::open(journal).map_err(unread)?;
    gathered.begin(journal.manifest().clone());
    for record in journal.records() {
        gathered.add(&record.map_err(unread)?);
    }
    Ok(())
}

fn is_same(one: &PathBuf, other: &PathBuf) -> bool {
    one == other || one.canonicalize().ok().zip(other.canonicalize().ok()).is_some_and(|(one, other)| one == other)
}

fn help(error: &CompareError) -> String {
    match error {
        CompareError::NothingShared { by: Some(by), .. } => {
            format!("help: `chat-eval compare BASE NEW --by {}` pairs their conversations all the same", by.as_str())
        }
        CompareError::NothingShared { by: None, .. } => {
            "help: conversations are paired by scenario, case, matrix values, trial, persona, model and window"
                .to_owned()
        }
        CompareError::OneOnly { dimension, .. } => {
            let word = dimension.as_str();
            format!("help: two runs are compared by `chat-eval compare BASE NEW --by {word}`, each with its own {word}")
        }
        CompareError::Several { dimension, .. } => {
            format!("help: play one of them alone, with `chat-eval run --{} NAME`", dimension.as_str())
        }
        CompareError::NoSuch { .. } => String::new(),
        CompareError::Empty(_) => "help: `chat-eval run --resume` goes on with a run".to_owned(),
    }
}

fn refused(console: &Console, message: &str, help: &str) -> Exit {
    console.fatal(message);
    if !help.is_empty() {
        console.error(help);
    }
    Exit::BadInput
}

const fn dimension(by: By) -> Dimension {
    match by {
        By::Persona => Dimension::Persona,
        By::Model => Dimension::Model,
        By::Window => Dimension::Window,
    }
}
