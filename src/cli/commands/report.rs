//! `report`: writes the reports of a run again, from its journal.

use super::super::args::ReportArgs;
use super::super::console::Console;
use super::super::exit::Exit;
use super::super::{look, runs};
use crate::journal::Reader;
use crate::report::{files, terminal};

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
    match files::write_all(&folder, &journal) {
        Ok(summary) => {
            let shown = folder.display().to_string();
            let shard = journal.manifest().shard;
            let around = terminal::Around { folder: &shown, wall: journal.wall(), snapshots: &[], shard };
            console.print(&terminal::render(&summary, around, look(console)));
            Exit::Passed
        }
        Err(error) => {
            console.fatal(error);
            Exit::NotWritten
        }
    }
}
