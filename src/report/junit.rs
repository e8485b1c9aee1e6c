//! `junit.xml`: a suite a scenario × variant, a test case a check, for whatever shows test results.
//!
//! A case is the decision of a check over its trials, as the exit code has it: `<failure>` for a wrong answer, `<error>`
//! where there was none to judge, `<skipped>` where it was not asked or failed as marked. A conversation that could not be
//! carried through, and a snapshot that is new or differs, are cases of their suite too. [`suite`] makes one suite; here
//! they are put together.
//!
//! Suites go to their writer one by one, as their records go by, so that memory does not grow with the run. The counts of
//! all of them stand in front of them in the file, and are known last: they are given when all is said.
//!
//! The file keeps to the schema that Jenkins' xUnit plugin validates against, so a case has no attributes for file and
//! line: the file is an attribute of the suite, and the text of a failure ends with `file:line`.

mod suite;
mod xml;

use std::collections::HashMap;
use std::io::{self, Write};
use std::time::Duration;

use self::suite::{Gathered, Names, not_begun, of_snapshots};
use self::xml::{BEHIND, Counts, Suite, front};
use super::Tally;
use crate::event::{Manifest, Record, SnapshotNote};

/// How many bytes stand in front of the suites, in every file: enough for counts of any size. Whoever writes the suites leaves
/// them free, and fills them when the counts are known.
pub const FRONT: usize = 256;

/// The suites of a run on their way to their writer.
pub struct Junit<W: Write> {
    suites: W,
    /// When the run began.
    started: String,
    gathered: Gathered,
    names: Names,
    /// Those that are of no suite yet, by place in the plan.
    snapshots: HashMap<u32, SnapshotNote>,
    /// Those that are of no conversation.
    strays: Vec<SnapshotNote>,
    /// The counts of all suites.
    counts: Counts,
}

impl<W: Write> Junit<W> {
    /// Begins the file of a run whose snapshots came out so.
    pub fn new(manifest: &Manifest, snapshots: Vec<SnapshotNote>, suites: W) -> Self {
        let (of_places, strays): (Vec<_>, Vec<_>) = snapshots.into_iter().partition(|note| note.plan.is_some());
        Self {
            suites,
            started: manifest.started.clone(),
            gathered: Gathered::default(),
            names: Names::default(),
            snapshots: of_places.into_iter().filter_map(|note| Some((note.plan?, note))).collect(),
            strays,
            counts: Counts::default(),
        }
    }

    /// Adds the next record of the plan. Where it begins another variant than the one before, that is to be closed first.
    pub fn add(&mut self, record: &Record) {
        self.gathered.add(record, self.snapshots.remove(&record.begin.plan), &mut self.names);
    }

    /// Adds the suite of a variant whose records were all added.
    ///
    /// # Errors
    /// When the writer does not take it.
    pub fn close(&mut self, tally: &Tally) -> io::Result<()> {
        let suite = std::mem::take(&mut self.gathered).suite(tally);
        self.write(suite)
    }

    /// Ends the suites. Gives their writer back, and what stands in front of them and behind them in the file.
    ///
    /// # Errors
    /// When the writer does not take the last suites.
    pub fn finish(mut self, conversations_not_begun: u64, wall: Option<Duration>) -> io::Result<Whole<W>> {
        let mut strays = std::mem::take(&mut self.strays);
        strays.extend(std::mem::take(&mut self.snapshots).into_values());
        // Nothing is the matter with the bot where one is only to be cleared away.
        strays.retain(|note| note.is_failure);
        strays.sort_by(|one, other| one.path.cmp(&other.path));
        if !strays.is_empty() {
            self.write(of_snapshots(&strays))?;
        }
        if conversations_not_begun > 0 {
            self.write(not_begun(conversations_not_begun))?;
        }
        self.suites.flush()?;
        let open = front("chat-eval", self.counts, wall);
        // Spaces may stand before the end of a tag.
        Ok(Whole { front: format!("{open:<room$}>\n", room = FRONT - 2), suites: self.suites, behind: BEHIND })
    }

    fn write(&mut self, suite: Suite) -> io::Result<()> {
        let (lines, counts) = suite.finish(&self.started);
        self.counts.add(counts);
        self.suites.write_all(lines.as_bytes())
    }
}

/// A file in three parts.
pub struct Whole<W> {
    /// What stands in front of the suites, [`FRONT`] bytes.
    pub front: String,
    /// The writer that has the suites.
    pub suites: W,
    /// What stands behind them.
    pub behind: &'static str,
}

#[cfg(test)]
mod tests;
