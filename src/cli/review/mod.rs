//! `review` on a terminal: one pending snapshot a screen, a key decides.
//!
//! What is shown and what a key means is pure ([`state`], [`screen`], [`view`]); this file does what a key asks of files.
//! Every decision is on the disk before the next key is read, so that a review may end at any moment and go on later.
//! A file that changed since it was shown is shown again before anything is decided on it.

mod keys;
mod mode;
mod rows;
mod screen;
mod state;
mod terminal;
mod view;

use std::path::{Path, PathBuf};

use super::console::{Console, shown};
use super::exit::Exit;
use crate::snapshot::{self, Files, Pending, SnapshotError, variant_of};
use crate::text::escape::visible;
use keys::Key;
use state::{Decision, Fate, Review, Step};
use terminal::{Event, Terminal};
use view::View;

/// Decisions that can be taken back.
const UNDONE_AT_MOST: usize = 20;

/// Of many files at once: so many are decided on between two looks at the keys.
const AT_ONCE: usize = 32;

/// Goes through these pending snapshots, at least one, with the person at the terminal.
pub fn review(paths: Vec<PathBuf>, console: &Console) -> Exit {
    let terminal = match Terminal::take(console) {
        Ok(terminal) => terminal,
        Err(error) => {
            console.fatal(format!("the terminal cannot be used: {error}"));
            console.error("help: `--list` shows what waits, `--accept` and `--reject` decide on it");
            return Exit::BadInput;
        }
    };
    let mut session = Session {
        review: Review::new(paths.len()),
        terminal,
        shown: None,
        decided: Vec::new(),
        failed: vec![false; paths.len()],
        paths,
    };
    let exit = session.hold();
    let Session { review, terminal, failed, .. } = session;
    drop(terminal);
    let left = review.count(Fate::Waiting) + review.count(Fate::Skipped);
    let counts = review.counts().replace(" · ", ", ");
    console.line(&format!("{counts}; {left} left for review"));
    exit.unwrap_or(if failed.contains(&true) { Exit::NotWritten } else { Exit::Passed })
}

struct Session {
    review: Review,
    terminal: Terminal,
    paths: Vec<PathBuf>,
    /// The files of the snapshot that is looked at, as they were when it was shown.
    shown: Option<Files>,
    /// What can be taken back: which snapshot, its files before the decision, and behind it.
    decided: Vec<(usize, Files, Files)>,
    /// Whether a decision on it could not be written; it waits still.
    failed: Vec<bool>,
}

impl Session {
    /// Until the person leaves; `Some` where something else ends it.
    fn hold(&mut self) -> Option<Exit> {
        loop {
            self.load();
            self.draw();
            let step = match self.terminal.next() {
                Event::Key(key) => self.review.press(key),
                Event::Redraw => Step::Stay,
                Event::Stop => return Some(Exit::Interrupted),
            };
            match step {
                Step::Stay => {}
                Step::Decide(decision) => self.decide(decision),
                Step::DecideRest(decision) => {
                    if self.decide_rest(decision) {
                        return Some(Exit::Interrupted);
                    }
                }
                Step::Undo => self.undo(),
                Step::Leave => return None,
                Step::Interrupt => return Some(Exit::Interrupted),
                Step::Suspend => {
                    if self.terminal.suspend().is_err() {
                        return Some(Exit::Interrupted);
                    }
                }
            }
        }
    }

    fn draw(&mut self) {
        let rows = self.review.draw(self.terminal.size());
        self.terminal.show(&rows);
    }

    /// Loads what is to be shown; what is gone by now is passed over.
    fn load(&mut self) {
        while let Some(at) = self.review.missing() {
            let path = &self.paths[at];
            let files = Files::now(path);
            if files.as_ref().is_ok_and(|files| !files.is_pending()) {
                self.is_gone(at);
                continue;
            }
            self.review.show(view(path));
            self.shown = files.ok();
        }
    }

    /// Somebody else decided on it.
    fn is_gone(&mut self, at: usize) {
        self.review.settle(at, Fate::Gone);
        self.review.say(format!("{} is gone: decided on elsewhere", shown(&self.paths[at])));
        self.review.go_on();
    }

    fn decide(&mut self, decision: Decision) {
        let at = self.review.at();
        let path = self.paths[at].clone();
        let now = Files::now(&path);
        match &now {
            Ok(files) if !files.is_pending() => return self.is_gone(at),
            Ok(files) if self.shown.as_ref() != Some(files) => {
                self.review.show(view(&path));
                self.shown = now.ok();
                self.review.say("its files changed since it was shown: this is how they are now; nothing was decided");
                return;
            }
            _ => {}
        }
        if let Err(error) = write(&path, decision) {
            self.failed[at] = true;
            return self.review.say(visible(&error.to_string()));
        }
        self.failed[at] = false;
        self.review.settle(at, decision.fate());
        if let (Ok(before), Ok(after)) = (now, Files::now(&path)) {
            self.decided.drain(..self.decided.len().saturating_sub(UNDONE_AT_MOST - 1));
            self.decided.push((at, before, after));
        }
        self.review.go_on();
    }

    /// Decides on all that are left. Gives whether somebody wants an end.
    fn decide_rest(&mut self, decision: Decision) -> bool {
        // Too many to be kept in memory as they were.
        self.decided.clear();
        let rest = self.review.rest();
        let mut first_error = None;
        let mut errors = 0;
        for (done, &at) in rest.iter().enumerate() {
            if done % AT_ONCE == 0 && done > 0 {
                match self.heard_meanwhile(decision, done, rest.len()) {
                    None => {}
                    Some(is_end) => return is_end,
                }
            }
            let path = &self.paths[at];
            if path.symlink_metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
                self.review.settle(at, Fate::Gone);
                continue;
            }
            match write(path, decision) {
                Ok(()) => self.review.settle(at, decision.fate()),
                Err(error) => {
                    self.failed[at] = true;
                    errors += 1;
                    first_error.get_or_insert(error);
                }
            }
        }
        if let Some(error) = first_error {
            self.review.say(format!("{errors} not decided on; the first: {}", visible(&error.to_string())));
        }
        self.review.go_on();
        false
    }

    /// Looks up from the work: `Some` where it is to stop, with whether the review is to end too.
    fn heard_meanwhile(&mut self, decision: Decision, done: usize, all: usize) -> Option<bool> {
        while let Some(event) = self.terminal.pending() {
            match event {
                Event::Stop | Event::Key(Key::Interrupt) => return Some(true),
                Event::Key(Key::Escape | Key::Char('q')) => {
                    self.review.say(format!("stopped after {done} of {all}"));
                    self.review.go_on();
                    return Some(false);
                }
                _ => {}
            }
        }
        self.review.say(format!("{} {done} of {all} …  Esc stops", decision.word()));
        self.draw();
        None
    }

    /// Takes back the last decision, unless somebody has touched its files since.
    fn undo(&mut self) {
        let Some((at, before, after)) = self.decided.pop() else {
            return self.review.say("no decision that can be taken back");
        };
        if Files::now(&self.paths[at]).ok().as_ref() != Some(&after) {
            let path = shown(&self.paths[at].with_extension(""));
            return self.review.say(format!("{path} was touched since: the decision on it stays"));
        }
        match before.restore() {
            Ok(()) => {
                self.review.take_back(at);
                self.review.say("taken back");
            }
            Err(error) => self.review.say(visible(&error.to_string())),
        }
    }
}

fn view(path: &Path) -> View {
    let variant = variant_of(path);
    match Pending::load(path) {
        Ok(pending) => View::of(&pending, variant.as_ref()),
        Err(error) => View::broken(&path.with_extension(""), variant.as_ref(), &error.to_string()),
    }
}

/// Makes a decision on the file at `path` true.
fn write(path: &Path, decision: Decision) -> Result<(), SnapshotError> {
    match decision {
        Decision::Accept => Pending::load(path)?.accept(),
        Decision::Reject => snapshot::discard(path),
    }
}
