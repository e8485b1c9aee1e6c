//! `mutate`: judges a run's transcripts again with replies that were changed for the worse, and lists the checks that do not notice.

use super::super::console::Console;
use super::super::exit::Exit;
use super::super::judged::{Past, Remarks, runtime};
use super::super::judged_args::{MutateArgs, MutateFormat};
use super::super::output::{Format, look};
use crate::journal::JournalError;
use crate::report::mutation::{self, Told};
use crate::run::{Donors, Mutation};

/// Prints which checks notice what, and ends as `--min-kill` says.
pub fn mutate(args: &MutateArgs, console: &Console) -> Exit {
    tried(args, console).unwrap_or_else(|exit| exit)
}

fn tried(args: &MutateArgs, console: &Console) -> Result<Exit, Exit> {
    let past = Past::open(&args.run, &args.paths, args.out.as_deref(), console)?;
    let runtime = runtime(console)?;
    let mut remarks = Remarks::default();
    let mut mutation = Mutation::default();
    let unread = |error: JournalError| {
        console.fatal(error);
        Exit::BadInput
    };
    let donors = donors(&past).map_err(unread)?;
    let mut refused = 0;
    for plan in past.journal.places() {
        let Some(record) = past.journal.record_of(plan).map_err(unread)? else { continue };
        match past.again(&record) {
            Ok(again) => runtime.block_on(mutation.add(&again, &record, &donors)),
            Err(why) => {
                refused += 1;
                remarks.add(&format!("cannot be judged again: {why}"), &record);
            }
        }
    }
    remarks.say(console);
    let run = &past.journal.manifest().run;
    let told = Told { run, mutation: &mutation, refused, min_kill: args.min_kill };
    let text = match args.format {
        MutateFormat::Json => mutation::json(&told),
        MutateFormat::Pretty => mutation::text(&told, look(console, Format::Pretty)),
        MutateFormat::Auto if console.is_terminal() => mutation::text(&told, look(console, Format::Pretty)),
        MutateFormat::Auto | MutateFormat::Plain => mutation::text(&told, look(console, Format::Plain)),
    };
    console.print(&text);
    let rate = mutation.all().rate();
    let mut outcomes = Vec::new();
    outcomes.extend(args.min_kill.zip(rate).filter(|(least, rate)| rate < least).map(|_| Exit::Failed));
    // What could not be measured is no all-clear.
    let is_unknown = args.min_kill.is_some() && rate.is_none();
    outcomes.extend((refused > 0 || is_unknown).then_some(Exit::Errored));
    Ok(Exit::worst(&outcomes))
}

fn donors(past: &Past) -> Result<Donors, JournalError> {
    let mut donors = Donors::default();
    for plan in past.journal.places() {
        past.journal.record_of(plan)?.iter().for_each(|record| donors.add(record));
    }
    Ok(donors)
}
