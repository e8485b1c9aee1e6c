//! How results are said on standard output: `--format`.

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::console::{Console, PLAIN_WIDTH};
use crate::event::{Event, Live, SnapshotNote};
use crate::journal::{JournalError, Reader};
use crate::report::terminal::{self, Around, Look};
use crate::report::{Summary, github, lines};
use crate::run::Watcher;

/// `--format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// `pretty` on a terminal, `github` in GitHub Actions, else `plain`
    #[default]
    Auto,
    /// As on a terminal: as wide as it is, in colours
    Pretty,
    /// 100 columns, and no colours but those that `--color` asks for
    Plain,
    /// One event a line, as JSON
    Json,
    /// `plain`, with annotations for GitHub Actions
    Github,
}

impl Format {
    /// What `auto` is here.
    #[must_use]
    pub fn here(self, console: &Console) -> Self {
        match self {
            Self::Auto if console.is_terminal() => Self::Pretty,
            Self::Auto if std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true") => Self::Github,
            Self::Auto => Self::Plain,
            said => said,
        }
    }
}

/// What is said of a run that came to its end.
pub struct Said<'a> {
    /// The run, with its reports written; `None` where they could not be.
    pub summary: Option<&'a Summary>,
    /// What stands around it.
    pub around: Around<'a>,
    /// What the program will end with.
    pub exit_code: u8,
}

/// Says what came of a run.
pub fn say(said: &Said<'_>, format: Format, console: &Console) {
    let Said { summary, around, exit_code } = said;
    let format = format.here(console);
    console.settle();
    if format == Format::Json {
        for note in around.snapshots {
            console.print(&lines::snapshot(note));
        }
        console.print(&lines::end(*summary, around.snapshots, around.wall, around.folder, *exit_code));
    } else if let Some(summary) = summary {
        console.print(&terminal::render(summary, *around, look(console, format)));
        if format == Format::Github {
            console.print(&annotations(summary, around.snapshots, around.folder));
        }
    }
}

/// Says of a run that was played before, or elsewhere, what is said of one while it is going.
///
/// # Errors
/// When the journal cannot be read.
pub fn say_again(journal: &Reader, folder: &str, format: Format, console: &Console) -> anyhow::Result<()> {
    if format.here(console) == Format::Json {
        console.print(&lines::run(journal.manifest(), folder));
        for record in journal.records() {
            console.print(&lines::conversation(&record?));
        }
    }
    Ok(())
}

/// Says an event of a conversation that is over, where events are said.
///
/// # Errors
/// When the journal cannot be read.
pub fn say_late(journal: &Reader, event: &Event, console: &Console) -> Result<(), JournalError> {
    let plan = match event {
        Event::Check(check) => check.plan,
        Event::Conversation(done) => done.plan,
        _ => return Ok(()),
    };
    if let Some(record) = journal.record_of(plan)? {
        let mut lines = lines::Lines::default();
        lines.event(&Event::Begin(Box::new(record.begin)));
        lines.event(event).iter().for_each(|line| console.print(line));
    }
    Ok(())
}

/// How reports look.
pub fn look(console: &Console, format: Format) -> Look {
    let is_pretty = format == Format::Pretty;
    let width = if is_pretty { console.width() } else { PLAIN_WIDTH };
    Look { width, is_coloured: console.is_coloured_as(is_pretty), is_ascii: !console.is_unicode() }
}

fn annotations(summary: &Summary, snapshots: &[SnapshotNote], folder: &str) -> String {
    let root = std::env::var_os("GITHUB_WORKSPACE").filter(|root| !root.is_empty()).map(PathBuf::from);
    let root = root.map(|root| root.canonicalize().unwrap_or(root));
    github::annotations(summary, snapshots, folder, &|file| in_repository(file, root.as_deref()))
}

/// A path as seen from the root of the repository; as it is where that is not known, or it lies elsewhere.
fn in_repository(file: &str, root: Option<&Path>) -> String {
    let path = Path::new(file);
    // Links are followed on both sides. A snapshot that is missing has no place yet, but a folder above it has.
    let here = |path: &Path| if path.as_os_str().is_empty() { PathBuf::from(".") } else { path.to_owned() };
    let place = path.ancestors().find_map(|above| {
        let place = here(above).canonicalize().ok()?;
        let rest = path.strip_prefix(above).ok()?;
        Some(if rest.as_os_str().is_empty() { place } else { place.join(rest) })
    });
    let below = root.zip(place.as_deref()).and_then(|(root, place)| place.strip_prefix(root).ok());
    let parts =
        below.map(|below| below.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>());
    parts.map_or_else(|| file.trim_start_matches("./").to_owned(), |parts| parts.join("/"))
}

/// Prints each event of a run that is going as a line of JSON.
pub struct Told {
    console: Console,
    lines: lines::Lines,
}

impl Told {
    /// Nothing told yet.
    pub fn new(console: &Console) -> Self {
        Self { console: console.clone(), lines: lines::Lines::default() }
    }
}

impl Watcher for Told {
    fn event(&mut self, event: &Event) {
        if let Some(line) = self.lines.event(event) {
            self.console.print(&line);
        }
    }

    fn live(&mut self, _: &Live) {}
}

/// Two who watch.
pub struct Both<A, B>(pub A, pub B);

impl<A: Watcher, B: Watcher> Watcher for Both<A, B> {
    fn event(&mut self, event: &Event) {
        self.0.event(event);
        self.1.event(event);
    }

    fn live(&mut self, live: &Live) {
        self.0.live(live);
        self.1.live(live);
    }
}
