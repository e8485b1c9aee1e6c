//! `--history`: earlier replies that are pinned, and what is missing of them, before anything is sent.

use std::collections::HashSet;

use super::args::{Cassettes, History, RunArgs};
use super::cassettes::Shelf;
use super::console::Console;
use super::exit::Exit;
use super::runs::{self, JOURNAL};
use crate::journal::Reader;
use crate::model::{ConversationKey, Script, Turn, TurnId};
use crate::run::plan::Plan;
use crate::run::{PinnedRun, Pins, Replies};
use crate::text::escape::quote;

/// How many turns are named whose reply is missing.
const NAMED: usize = 20;
/// Characters that are shown of a message.
const SHOWN: usize = 60;
/// So many of them stand before the first that differs.
const BEFORE: usize = 12;

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
    let mut wrong = Wrong::default();
    for planned in places.iter().map(|place| plan.conversations.at(*place)) {
        // The embedded model is never recorded, and says the same anyway.
        if args.history == History::Recorded && uncalled_by_nature.contains(plan.model(&planned)) {
            continue;
        }
        let key = plan.conversation_key(&planned);
        let pinned = pins.of(planned.scenario, &key).map_err(|error| refused(error.to_string(), ""))?;
        if let Ok(script) = plan.script(&planned) {
            let is_open = |text: &str| plan.scenario(&planned).is_open(text);
            wrong.add(&key, (&script, &is_open), &pinned);
        }
    }
    if wrong.is_empty() { Ok(Some(pins)) } else { Err(wrong.say(&args.history, console)) }
}

/// What keeps histories from being pinned.
#[derive(Default)]
struct Wrong {
    /// Nothing is pinned for these turns.
    missing: Vec<String>,
    /// What is pinned for these is the answer to another message.
    asked_otherwise: Vec<String>,
}

impl Wrong {
    fn add(&mut self, key: &ConversationKey, (script, is_open): (&Script, &dyn Fn(&str) -> bool), pinned: &Replies) {
        let live = script.asked().filter(|(number, turn)| turn.reply.is_none() && !number.is_probe());
        let live: Vec<(TurnId, &Turn)> = live.collect();
        // Nobody sees the last one, but for probes.
        let seen = live.len().saturating_sub(usize::from(script.probes.is_empty()));
        for (number, turn) in &live[..seen] {
            let place = || format!("{} of {}, trial {}", number.named(), key.variant, key.trial);
            match pinned.get(number) {
                None => self.missing.push(format!("nothing is pinned for {}", place())),
                Some(pinned) if pinned.user != *turn.user && !is_open(&turn.user) => {
                    let (then, now) = from_difference(&pinned.user, &turn.user);
                    let place = place();
                    self.asked_otherwise.push(format!(
                        "what is pinned for {place} answers another user message: {then} then, {now} now"
                    ));
                }
                Some(_) => {}
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.asked_otherwise.is_empty()
    }

    fn say(&self, history: &History, console: &Console) -> Exit {
        for turns in [&self.asked_otherwise, &self.missing] {
            turns.iter().take(NAMED).for_each(|turn| console.fatal(turn));
            let more = turns.len().saturating_sub(NAMED);
            if more > 0 {
                console.error(&format!("and so for {more} turns more"));
            }
        }
        console.error(match history {
            History::Run(_) => {
                "help: `--history pinned:RUN` needs a run of the scenarios as they are now: play them live once more"
            }
            _ => "help: `--cassettes record` records them; `--history pinned:RUN` takes them from a run",
        });
        Exit::BadInput
    }
}

/// Both from a little before the first character that differs.
fn from_difference(then: &str, now: &str) -> (String, String) {
    let same = then.chars().zip(now.chars()).take_while(|(then, now)| then == now).count();
    let shown = |text: &str| {
        let from = same.saturating_sub(BEFORE);
        let rest: String = text.chars().skip(from).collect();
        format!("{}{}", if from > 0 { "…" } else { "" }, quote(&rest, SHOWN))
    };
    (shown(then), shown(now))
}
