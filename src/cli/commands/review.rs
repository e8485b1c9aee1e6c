//! `review`: decides on snapshots that are new or differ.

use std::path::Path;

use super::super::args::ReviewArgs;
use super::super::console::{Console, shown};
use super::super::exit::Exit;
use super::super::review::review as review_on_terminal;
use super::check::plural;
use crate::model::VariantKey;
use crate::run::{Filter, is_selected};
use crate::snapshot::{self, Difference, Pending, Sign, SnapshotError, variant_of};
use crate::text::escape::visible;

/// Lists, accepts or rejects what waits, or asks the person at the terminal about each.
pub fn review(args: &ReviewArgs, console: &Console) -> Exit {
    let is_asking = !(args.list || args.accept || args.reject);
    if let Some(reason) = console.attended().err().filter(|_| is_asking) {
        console.fatal(format!("review asks on a terminal, and {reason}"));
        console.error("help: `--list` shows what waits, `--accept` and `--reject` decide on it");
        return Exit::BadInput;
    }
    let mut paths = match snapshot::find(&args.folder) {
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
    let waiting = paths.len();
    paths.retain(|path| is_wanted(&args.filter, path));
    if paths.is_empty() {
        console
            .fatal(format!("none of the {} that wait for review is left by the filters", plural(waiting, "snapshot")));
        return Exit::NothingToDo;
    }
    if is_asking {
        return review_on_terminal(paths, console);
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

/// Whether the filters leave a snapshot. One whose name tells no variant goes by the name of its file.
fn is_wanted(filters: &[Filter], path: &Path) -> bool {
    let named_after_file = || {
        let [case, persona, model, window, vars] = [const { String::new() }; 5];
        let scenario = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        VariantKey { scenario, case, persona, model, window, vars }
    };
    filters.is_empty() || is_selected(filters, &variant_of(path).unwrap_or_else(named_after_file))
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
        let plain = console::Style::new();
        let style = match line.sign {
            Sign::Same => plain,
            Sign::Removed => plain.red(),
            Sign::Added => plain.green(),
            Sign::Gap => plain.dim(),
        };
        let sign = line.sign.mark();
        let shown = if line.sign == Sign::Gap { "…".to_owned() } else { visible(&line.text).into_owned() };
        let line = format!("  {sign} {shown}");
        text += &style.force_styling(is_coloured).apply_to(line.trim_end()).to_string();
        text.push('\n');
    }
    text
}
