//! `review`: decides on snapshots that are new or differ.

use std::path::Path;

use super::super::args::ReviewArgs;
use super::super::console::Console;
use super::super::exit::Exit;
use super::check::plural;
use crate::snapshot::{self, Difference, Pending, Sign, SnapshotError};
use crate::text::escape::{no_command, visible};

/// Lists, accepts or rejects what waits.
pub fn review(args: &ReviewArgs, console: &Console) -> Exit {
    let paths = match snapshot::find(&args.folder) {
        Ok(paths) => paths,
        Err(error) => {
            console.fatal(error);
            return Exit::BadInput;
        }
    };
    if paths.is_empty() {
        console.line("no snapshot waits for review");
        return Exit::Passed;
    }
    let mut failed = 0;
    for path in &paths {
        let decided = Pending::load(path).and_then(|pending| decide(args, pending, console));
        if let Err(error) = decided {
            console.fatal(error);
            failed += 1;
        }
    }
    let done = match (args.accept, args.reject) {
        (true, _) => "accepted",
        (_, true) => "rejected",
        _ => "waiting for review",
    };
    console.line(&format!("{} {done}", plural(paths.len() - failed, "snapshot")));
    if failed > 0 { Exit::NotWritten } else { Exit::Passed }
}

fn decide(args: &ReviewArgs, pending: Pending, console: &Console) -> Result<(), SnapshotError> {
    if args.list {
        console.line(&listing(&pending, console.is_coloured()));
        return Ok(());
    }
    let target = shown(&pending.target);
    let (sign, result) = if args.accept { ("✓", pending.accept()) } else { ("✗", pending.reject()) };
    result.inspect(|()| console.line(&format!("{sign} {target}")))
}

/// The path as `run` shows it. Folders come from strangers too, and their names may hold anything.
fn shown(path: &Path) -> String {
    let path = path.strip_prefix(".").unwrap_or(path).to_string_lossy();
    no_command(&visible(&path)).replace('\n', "‹U+000A›")
}

fn listing(pending: &Pending, is_coloured: bool) -> String {
    let what = match pending.difference() {
        None => "new".to_owned(),
        Some(Difference::Same) => "the same as the accepted one".to_owned(),
        Some(difference) => difference.to_string(),
    };
    let mut text = format!("{}\n  {}\n", shown(&pending.target), visible(&what));
    let old = pending.old.as_ref().map_or("", |old| old.contents());
    for line in snapshot::diff(old, pending.new.contents()) {
        let (sign, style) = match line.sign {
            Sign::Same => (' ', console::Style::new()),
            Sign::Removed => ('-', console::Style::new().red()),
            Sign::Added => ('+', console::Style::new().green()),
            Sign::Gap => (' ', console::Style::new().dim()),
        };
        let shown = if line.sign == Sign::Gap { "…".to_owned() } else { visible(&line.text).into_owned() };
        let line = format!("  {sign} {shown}");
        text += &style.force_styling(is_coloured).apply_to(line.trim_end()).to_string();
        text.push('\n');
    }
    text
}
