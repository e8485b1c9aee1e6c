//! `report`: writes the reports of a run again, from its journal.

use super::super::args::ReportArgs;
use super::super::console::Console;
use super::super::exit::Exit;
use super::super::output::{self, Said};
use super::super::runs;
use crate::journal::Reader;
use crate::report::files;
use crate::report::terminal::Around;

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
    if let Err(error) = output::say_again(&journal, &shown, args.format, console) {
        console.fatal(error);
        return Exit::NotWritten;
    }
    let shard = journal.manifest().shard;
    let around = Around { folder: &shown, wall: journal.wall(), snapshots: &snapshots, shard };
    output::say(&Said { summary: Some(&summary), around, exit_code: Exit::Passed.code() }, args.format, console);
    Exit::Passed
}
