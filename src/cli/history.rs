//! `--history`: earlier replies that are pinned, and what is missing of them, before anything is sent.

use std::collections::HashSet;

use super::args::{Cassettes, History, RunArgs};
use super::cassettes::Shelf;
use super::console::Console;
use super::exit::Exit;
use super::runs::{self, JOURNAL};
use crate::journal::Reader;
use crate::run::plan::Plan;
use crate::run::{PinnedRun, Pins};

/// How many turns are named whose reply is missing.
const NAMED: usize = 20;

/// What the run pins; nothing where it plays live.
///
/// # Errors
/// When the earlier run cannot be read, or a reply that a later turn would see is missing; that is said.
pub fn pins(
    args: &RunArgs,
    plan: &Plan,
    places: &[usize],
    (shelf, uncalled_by_nature): (&Shelf, &HashSet<&str>),
    console: &Console,
) -> Result<Option<Pins>, Exit> {
    let refused = |message: String, help: &str| {
        console.fatal(message);
        console.error(help);
        Exit::BadInput
    };
    if args.history != History::Live && args.cassettes == Cassettes::Record {
        let help = "help: record first, and pin what was recorded then";
        return Err(refused(
            "what is played on a pinned history is not recorded: nobody would say it so".to_owned(),
            help,
        ));
    }
    let pins = match &args.history {
        History::Live => return Ok(None),
        History::Recorded => shelf.pins(),
        History::Run(run) => {
            let folder = runs::find(run, args.out.as_deref(), console)?;
            let read = Reader::open(folder.join(JOURNAL)).and_then(PinnedRun::new);
            let unread =
                |error: crate::journal::JournalError| refused(error.to_string(), "help: `--history live` needs no run");
            Pins::Run(Box::new(read.map_err(unread)?))
        }
    };
    let mut missing = Vec::new();
    for planned in places.iter().map(|place| &plan.conversations[*place]) {
        // The embedded model is never recorded, and says the same anyway.
        if args.history == History::Recorded && uncalled_by_nature.contains(plan.model(planned)) {
            continue;
        }
        let key = plan.conversation_key(planned);
        let pinned = pins.of(planned.scenario, &key).map_err(|error| refused(error.to_string(), ""))?;
        let turns = plan.script(planned).map_or_else(
            |_| Vec::new(),
            |script| {
                let live = (1..).zip(&script.turns).filter(|(_, turn)| turn.reply.is_none());
                live.map(|(number, _)| number).collect::<Vec<u32>>()
            },
        );
        // Nobody sees the last one.
        let seen = turns.split_last().map_or(&[][..], |(_, seen)| seen);
        missing.extend(
            seen.iter()
                .filter(|turn| !pinned.contains_key(turn))
                .map(|turn| format!("turn {turn} of {}, trial {}", key.variant, key.trial)),
        );
    }
    if missing.is_empty() {
        return Ok(Some(pins));
    }
    let more = missing.len().saturating_sub(NAMED);
    for turn in missing.iter().take(NAMED) {
        console.fatal(format!("nothing is pinned for {turn}"));
    }
    if more > 0 {
        console.error(&format!("and for {more} turns more"));
    }
    console.error("help: `--cassettes record` records them; `--history pinned:RUN` takes them from a run");
    Err(Exit::BadInput)
}
