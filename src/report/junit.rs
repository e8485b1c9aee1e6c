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

use std::collections::HashMap;
use std::io::{self, Write};
use std::time::Duration;

use memchr::{memchr_iter, memrchr};
use quick_junit::{Report, TestSuite, XmlString};

use self::suite::{Gathered, Words, not_begun, of_snapshots};
use super::tally::Variants;
use crate::event::{Manifest, Record, SnapshotNote};

/// How many bytes stand in front of the suites, in every file: enough for counts of any size. Whoever writes the suites leaves
/// them free, and fills them when the counts are known.
pub const FRONT: usize = 256;

/// What closes the list of suites.
const END: &str = "</testsuites>";

/// The suites of a run on their way to their writer.
pub struct Junit<W: Write> {
    suites: W,
    /// The attribute that says when the run began.
    started: (XmlString, XmlString),
    variants: Variants,
    gathered: Gathered,
    words: Words,
    /// Those that are of no suite yet, by place in the plan.
    snapshots: HashMap<u32, SnapshotNote>,
    /// Those that are of no conversation.
    strays: Vec<SnapshotNote>,
    /// The counts of all suites.
    counts: Report,
    /// Where a suite becomes a text.
    text: Vec<u8>,
}

impl<W: Write> Junit<W> {
    /// Begins the file of a run whose snapshots came out so.
    pub fn new(manifest: &Manifest, snapshots: Vec<SnapshotNote>, suites: W) -> Self {
        let (of_places, strays): (Vec<_>, Vec<_>) = snapshots.into_iter().partition(|note| note.plan.is_some());
        Self {
            suites,
            started: ("timestamp".into(), manifest.started.as_str().into()),
            variants: Variants::default(),
            gathered: Gathered::default(),
            words: Words::default(),
            snapshots: of_places.into_iter().filter_map(|note| Some((note.plan?, note))).collect(),
            strays,
            counts: Report::new("chat-eval"),
            text: Vec::new(),
        }
    }

    /// Adds the next record of the plan.
    ///
    /// # Errors
    /// When the writer does not take a suite.
    pub fn add(&mut self, record: &Record) -> io::Result<()> {
        if let Some(tally) = self.variants.add(record) {
            let suite = std::mem::take(&mut self.gathered).suite(&tally, &mut self.words);
            self.write(suite)?;
        }
        self.gathered.add(record, self.snapshots.remove(&record.begin.plan), &mut self.words);
        Ok(())
    }

    /// Ends the suites. Gives their writer back, and what stands in front of them and behind them in the file.
    ///
    /// # Errors
    /// When the writer does not take the last suites.
    pub fn finish(mut self, conversations_not_begun: u64, wall: Option<Duration>) -> io::Result<Whole<W>> {
        if let Some(tally) = std::mem::take(&mut self.variants).finish() {
            let suite = std::mem::take(&mut self.gathered).suite(&tally, &mut self.words);
            self.write(suite)?;
        }
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
        self.counts.time = wall;
        let (front, behind) = frame(&self.counts)?;
        Ok(Whole { front, suites: self.suites, behind })
    }

    fn write(&mut self, mut suite: TestSuite) -> io::Result<()> {
        let (timestamp, started) = self.started.clone();
        suite.extra.insert(timestamp, started);
        // The library writes whole files alone. Of one with this suite in it, the lines of the suite are what is wanted.
        let mut alone = Report::unnamed();
        alone.add_test_suite(suite);
        self.text.clear();
        alone.serialize(&mut self.text).map_err(io::Error::other)?;
        let mut starts = memchr_iter(b'\n', &self.text).map(|line_feed| line_feed + 1);
        let (from, to) = (starts.nth(1), memrchr(b'<', &self.text));
        let lines = from.zip(to).and_then(|(from, to)| Some((self.text.get(from..to)?, self.text.get(to..)?)));
        let (lines, end) = lines.ok_or_else(unexpected)?;
        if !end.starts_with(END.as_bytes()) {
            return Err(unexpected());
        }
        self.suites.write_all(lines)?;
        let counts = &mut self.counts;
        counts.tests += alone.tests;
        counts.failures += alone.failures;
        counts.errors += alone.errors;
        counts.skipped += alone.skipped;
        Ok(())
    }
}

/// A file in three parts.
pub struct Whole<W> {
    /// What stands in front of the suites, [`FRONT`] bytes.
    pub front: String,
    /// The writer that has the suites.
    pub suites: W,
    /// What stands behind them.
    pub behind: String,
}

/// What stands around the suites.
fn frame(counts: &Report) -> io::Result<(String, String)> {
    // No schema has this attribute for all suites together.
    let skipped = format!(" skipped=\"{}\"", counts.skipped);
    let empty = text(counts)?.replacen(&skipped, "", 1);
    let at = empty.rfind(END).ok_or_else(unexpected)?;
    let (front, behind) = empty.split_at(at);
    // Spaces may stand before the end of a tag.
    let open = front.trim_end().strip_suffix('>').ok_or_else(unexpected)?;
    Ok((format!("{open:<room$}>\n", room = FRONT - 2), behind.to_owned()))
}

fn text(report: &Report) -> io::Result<String> {
    report.to_string().map_err(io::Error::other)
}

fn unexpected() -> io::Error {
    io::Error::other("the XML library wrote something else than a list of suites")
}

#[cfg(test)]
mod tests;
