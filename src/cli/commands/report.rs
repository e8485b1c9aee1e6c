//! `report`: writes the reports of a run again, from its journal.

use std::path::Path;

use super::super::args::ReportArgs;
use super::super::console::Console;
use super::super::exit::Exit;
use super::super::output::{self, Said};
use super::super::runs;
use crate::journal::Reader;
use crate::report::terminal::Around;
use crate::report::{ReportError, Summary, files};

/// Writes the reports and prints the summary.
pub fn report(args: &ReportArgs, console: &Console) -> Exit {
    let folder = match runs::find(&args.run, args.out.as_deref(), console) {
        Ok(folder) => folder,
        Err(exit) => return exit,
    };
    let journal = match Reader::open(folder.join(runs::JOURNAL)) {
        Ok(journal) => journal,
        Err(error) => {
            console.fatal(error);
            return Exit::BadInput;
        }
    };
    let written = files::write_all(&folder, &journal).and_then(|summary| Ok((summary, journal.snapshots()?)));
    let (summary, snapshots) = match written {
        Ok(written) => written,
        Err(error) => {
            console.fatal(error);
            return Exit::NotWritten;
        }
    };
    let shown = folder.display().to_string();
    if args.svg
        && let Err(error) = draw(&folder, &summary, console)
    {
        console.fatal(error);
        return Exit::NotWritten;
    }
    if let Err(error) = output::say_again(&journal, &shown, args.format, console) {
        console.fatal(error);
        return Exit::NotWritten;
    }
    let shard = journal.manifest().shard;
    let around = Around { folder: &shown, wall: journal.wall(), snapshots: &snapshots, shard };
    output::say(&Said { summary: Some(&summary), around, exit_code: Exit::Passed.code() }, args.format, console);
    Exit::Passed
}

/// Draws the pictures and says which there are.
fn draw(folder: &Path, summary: &Summary, console: &Console) -> Result<(), ReportError> {
    let names = files::write_pictures(folder, summary)?;
    if names.is_empty() {
        console.error("no pictures: no matrix with windows and retention checks, no token counts, no live calls");
    } else {
        console.remark(&format!("pictures: {}", names.join(", ")));
    }
    Ok(())
}
