//! Reads a journal back, conversation by conversation in plan order.
//!
//! [`Reader::open`] passes over the file once and notes where each line stands and which conversation it belongs to.
//! [`Reader::records`] then reads one conversation at a time, so that memory does not grow with
//! what the conversations say, however they were interleaved when they were written.
//!
//! A last line without its line feed, or that is no JSON, was torn by a crash: it was never acknowledged, is passed
//! over, and [`Reader::is_torn`] says so. So it is with empty lines at the end, as an editor may leave them. Anything else that
//! is wrong is an error that names its line.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;

use super::JournalError;
use super::blocks::Blocks;
use super::index::{Index, Line, MOST_BYTES, MOST_CONVERSATIONS};
use super::senders::Senders;
use crate::disk;
use crate::event::{Begin, Event, FORMAT, Lost, Manifest, Record, SnapshotNote};

/// How much of the file is read at a time when the index is made.
const READ_AHEAD: usize = 256 * 1024;

/// All that the index needs of a line; the rest is skipped unparsed.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
    plan: Option<u32>,
    format: Option<u32>,
    wall_ms: Option<u64>,
    concurrency: Option<u32>,
    max_cost_usd: Option<f64>,
}

/// A journal that was written, whole or torn.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    blocks: Mutex<Blocks>,
    manifest: Manifest,
    index: Index,
    parts: Parts,
    whole_length: u64,
    is_torn: bool,
}

/// The parts of a run: the first, and one more each time that it was resumed.
#[derive(Debug, Clone, Copy)]
struct Parts {
    begun: u32,
    /// Those that came to their end in good order.
    stopped: u32,
    wall_ms: u64,
    /// The most that were in flight in any of them.
    concurrency: Option<u32>,
    /// The last word on what the run may spend.
    max_cost_usd: Option<f64>,
    /// Where the last word on its snapshots stands.
    snapshots: Option<u64>,
}

impl Reader {
    /// Opens a journal and makes its index.
    ///
    /// # Errors
    /// When it cannot be read, is of a newer format, does not begin with the event `run`, or has a damaged line that
    /// is not a torn last one.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, JournalError> {
        let path = path.into();
        let not_read = |source| JournalError::NotRead { path: path.clone(), source };
        let mut pass = Pass::new(&path, disk::open(&path).map_err(not_read)?);
        let manifest = pass.manifest()?;
        while pass.line()? {}
        let Pass { source, index, parts, is_torn, offset: whole_length, .. } = pass;
        Ok(Self {
            blocks: Mutex::new(Blocks::new(source.into_inner())),
            manifest,
            index: index.sorted(),
            parts,
            whole_length,
            is_torn,
            path,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the run is.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// How long the run took, all its parts together; `None` where one of them was killed, which nobody timed.
    #[must_use]
    pub fn wall(&self) -> Option<Duration> {
        let Parts { begun, stopped, wall_ms, .. } = self.parts;
        (begun == stopped).then(|| Duration::from_millis(wall_ms))
    }

    /// Of how many parts the run is so far: one more each time that it was resumed.
    #[must_use]
    pub fn parts(&self) -> u32 {
        self.parts.begun
    }

    /// How many conversations might be in flight, where that is known; of several parts, in that which had the most.
    #[must_use]
    pub fn concurrency(&self) -> Option<u32> {
        self.parts.concurrency
    }

    /// What the run may spend, in USD, as its last part has it.
    #[must_use]
    pub fn max_cost_usd(&self) -> Option<f64> {
        self.parts.max_cost_usd
    }

    /// What became of the snapshots when they were last compared; empty where all matched, or none was compared since the run
    /// went on.
    ///
    /// # Errors
    /// When that cannot be read, or its line is damaged.
    pub fn snapshots(&self) -> Result<Vec<SnapshotNote>, JournalError> {
        let Some(offset) = self.parts.snapshots else { return Ok(Vec::new()) };
        match self.event(offset)? {
            Event::Snapshots(done) => Ok(done.snapshots),
            _ => Err(self.damaged(offset, "it is no event `snapshots`")),
        }
    }

    /// Whether the last line was torn, or empty lines stand at the end: either is passed over.
    #[must_use]
    pub fn is_torn(&self) -> bool {
        self.is_torn
    }

    /// How many bytes its whole lines have: where begins what is passed over at the end.
    #[must_use]
    pub fn whole_length(&self) -> u64 {
        self.whole_length
    }

    /// The conversation at a place of the plan as it was written, read from the file; `None` where it was not begun.
    ///
    /// # Errors
    /// When it cannot be read, or a line of it is damaged.
    pub fn record_of(&self, plan: u32) -> Result<Option<Record>, JournalError> {
        let lines = self.index.of(plan);
        if lines.is_empty() { Ok(None) } else { self.record(lines).map(Some) }
    }

    /// The conversations that were begun, in plan order, each read from the file when it is asked for. Of those that share a
    /// call, the first has made it.
    pub fn records(&self) -> impl Iterator<Item = Result<Record, JournalError>> + '_ {
        let mut senders = Senders::default();
        self.index.conversations().map(move |lines| {
            let mut record = self.record(lines)?;
            senders.settle(&mut record, |plan| self.record_of(plan))?;
            Ok(record)
        })
    }

    /// The places in the plan of the conversations that were begun, in plan order.
    pub fn places(&self) -> impl Iterator<Item = u32> + '_ {
        self.index.conversations().map(|lines| lines[0].plan())
    }

    /// How the conversations began, in plan order, each read from the file when it is asked for.
    pub fn begins(&self) -> impl Iterator<Item = Result<Begin, JournalError>> + '_ {
        let firsts = self.index.conversations().map(|lines| lines[0]);
        firsts.map(|line| match self.event(line.offset())? {
            Event::Begin(begin) => Ok(*begin),
            _ => Err(self.damaged(line.offset(), "its conversation has not begun")),
        })
    }

    /// The lines of the conversation at a place of the plan, byte for byte as they were written, read from the file;
    /// empty where it was not begun.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn lines_of(&self, plan: u32) -> Result<Vec<u8>, JournalError> {
        let not_read = |source| JournalError::NotRead { path: self.path.clone(), source };
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes = Vec::new();
        for line in self.index.of(plan) {
            bytes.extend_from_slice(&blocks.line(line.offset()).map_err(not_read)?);
        }
        Ok(bytes)
    }

    fn record(&self, lines: &[Line]) -> Result<Record, JournalError> {
        let (mut record, mut impossible): (Option<Record>, _) = (None, None);
        for line in lines {
            match (&mut record, self.event(line.offset())?) {
                (Some(record), event) => {
                    impossible = impossible.or((!record.has_sent(&event)).then_some(line.offset()));
                    record.add(event);
                }
                (none, Event::Begin(begin)) => *none = Some(Record::with_room(*begin, lines.len())),
                _ => return Err(self.damaged(line.offset(), "its conversation has not begun")),
            }
        }
        let mut record = record.ok_or_else(|| JournalError::NoBeginning { path: self.path.clone() })?;
        record.checks.sort_by_key(|check| check.index);
        match (record.lost(), impossible) {
            // Where a turn is lost, what the next one sent is out of reach for that.
            (Some(lost), _) => Err(self.lost(record.begin, lost)),
            (None, Some(at)) => Err(self.damaged(at, "`sent` names messages that the conversation does not have")),
            (None, None) => Ok(record),
        }
    }

    fn lost(&self, begin: Begin, lost: Lost) -> JournalError {
        let mend = if self.manifest.merged_from.is_empty() {
            format!("remove all lines of `\"plan\":{}`, and `--resume` plays it again", begin.plan)
        } else {
            "merge its runs again".to_owned()
        };
        JournalError::Lost { path: self.path.clone(), key: Box::new(begin.key), lost, mend }
    }

    /// The event of the line at an offset.
    fn event(&self, offset: u64) -> Result<Event, JournalError> {
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        match blocks.line(offset).map(|text| Event::read(&text)) {
            Ok(Ok(event)) => Ok(event),
            Ok(Err(error)) => Err(self.damaged(offset, &error.to_string())),
            Err(source) => Err(JournalError::NotRead { path: self.path.clone(), source }),
        }
    }

    /// The error for the line at an offset. Its number is counted only now: the index need not hold what hardly anyone asks for.
    fn damaged(&self, offset: u64, reason: &str) -> JournalError {
        let count = || -> io::Result<u64> {
            let mut before = BufReader::new(File::open(&self.path)?.take(offset));
            let mut count = 1;
            loop {
                let bytes = before.fill_buf()?;
                if bytes.is_empty() {
                    return Ok(count);
                }
                count += bytes.iter().map(|byte| u64::from(*byte == b'\n')).sum::<u64>();
                let length = bytes.len();
                before.consume(length);
            }
        };
        match count() {
            Ok(line) => JournalError::DamagedLine { path: self.path.clone(), line, reason: reason.to_owned() },
            Err(source) => JournalError::NotRead { path: self.path.clone(), source },
        }
    }
}

/// The place in the plan that stands at the beginning of a line, as nearly all lines are written. Whether all of the line is
/// right is found out when it is read; of a last line, which may be torn, at once.
fn quick_plan(line: &[u8]) -> Option<u32> {
    let (_, rest) =
        line.strip_prefix(b"{\"event\":\"")?.split_at_checked(line.iter().skip(10).position(|byte| *byte == b'"')?)?;
    let rest = rest.strip_prefix(b"\",\"plan\":")?;
    let digits = rest.iter().position(|byte| !byte.is_ascii_digit()).filter(|digits| (1..=9).contains(digits))?;
    let is_whole = matches!(rest[digits], b',' | b'}') && line.ends_with(b"}\n");
    is_whole.then(|| rest[..digits].iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0')))
}

/// The one pass that makes the index.
struct Pass<'a> {
    path: &'a Path,
    source: BufReader<File>,
    text: Vec<u8>,
    number: u64,
    offset: u64,
    index: Index,
    parts: Parts,
    is_torn: bool,
}

impl<'a> Pass<'a> {
    fn new(path: &'a Path, file: File) -> Self {
        let source = BufReader::with_capacity(READ_AHEAD, file);
        let parts = Parts { begun: 1, stopped: 0, wall_ms: 0, concurrency: None, max_cost_usd: None, snapshots: None };
        let index = Index::default();
        Self { path, source, text: Vec::new(), number: 0, offset: 0, index, parts, is_torn: false }
    }

    /// Takes the next line into `text`; `false` at the end of the file or before a last line without line feed.
    fn advance(&mut self) -> Result<bool, JournalError> {
        self.offset += self.text.len() as u64;
        self.text.clear();
        self.number += 1;
        self.read_line().map_err(|source| self.not_read(source))?;
        self.is_torn = self.text.last().is_some_and(|byte| *byte != b'\n');
        Ok(!self.text.is_empty() && !self.is_torn)
    }

    /// Does what `BufRead::read_until` does, which looks for the end of a line at a few bytes at a time: half of what this pass takes.
    fn read_line(&mut self) -> io::Result<()> {
        loop {
            let bytes = match self.source.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                bytes => bytes?,
            };
            let end = memchr::memchr(b'\n', bytes).map(|at| at + 1);
            let length = end.unwrap_or(bytes.len());
            self.text.extend_from_slice(&bytes[..length]);
            self.source.consume(length);
            if end.is_some() || length == 0 {
                return Ok(());
            }
        }
    }

    /// Reads the first line. Its format is looked at before anything else: a newer one may not parse as ours.
    fn manifest(&mut self) -> Result<Manifest, JournalError> {
        let path = || self.path.to_owned();
        if !self.advance()? {
            return Err(JournalError::NoBeginning { path: self.path.to_owned() });
        }
        match serde_json::from_slice::<Head<'_>>(&self.text) {
            Ok(Head { event, format: Some(format), .. }) if event == "run" && format > FORMAT => {
                return Err(JournalError::NewerFormat { path: path(), format, known: FORMAT });
            }
            Ok(Head { event, .. }) if event == "run" => {}
            _ => return Err(JournalError::NoBeginning { path: path() }),
        }
        match serde_json::from_slice(&self.text).map_err(|error| self.damaged(error.to_string()))? {
            Event::Run(manifest) => {
                self.parts.concurrency = manifest.concurrency;
                self.parts.max_cost_usd = manifest.max_cost_usd;
                Ok(*manifest)
            }
            _ => Err(JournalError::NoBeginning { path: path() }),
        }
    }

    /// Puts the next line into the index; `false` when there is none.
    fn line(&mut self) -> Result<bool, JournalError> {
        if !self.advance()? {
            return Ok(false);
        }
        if let Some(plan) = quick_plan(&self.text)
            && !self.is_last()?
        {
            self.add(plan)?;
            return Ok(true);
        }
        if self.text.trim_ascii().is_empty() {
            self.is_torn = self.is_rest_empty()?;
            return if self.is_torn { Ok(false) } else { Err(self.damaged("it is empty".to_owned())) };
        }
        match serde_json::from_slice::<Head<'_>>(&self.text) {
            Ok(Head { event, plan: None, concurrency, max_cost_usd, .. }) if event == "resume" => {
                self.parts.begun += 1;
                self.parts.concurrency = self.parts.concurrency.max(concurrency);
                self.parts.max_cost_usd = max_cost_usd;
                self.parts.snapshots = None;
                Ok(true)
            }
            Ok(Head { event, plan: None, .. }) if event == "snapshots" => {
                self.parts.snapshots = Some(self.offset);
                Ok(true)
            }
            Ok(Head { event, plan: None, wall_ms: Some(wall_ms), .. }) if event == "stop" => {
                self.parts.stopped += 1;
                self.parts.wall_ms = self.parts.wall_ms.saturating_add(wall_ms);
                Ok(true)
            }
            Ok(Head { plan: Some(plan), .. }) => {
                self.add(plan)?;
                Ok(true)
            }
            Ok(Head { event, .. }) => Err(self.damaged(format!("the event `{event}` names no conversation"))),
            Err(error) => self.torn_or_damaged(&error).map(|()| false),
        }
    }

    /// Puts the line at hand into the index, as one of the conversation at a place of the plan.
    fn add(&mut self, plan: u32) -> Result<(), JournalError> {
        if plan as usize >= MOST_CONVERSATIONS {
            return Err(self.damaged(format!("no plan has a conversation {plan}")));
        }
        if self.offset >= MOST_BYTES {
            return Err(JournalError::TooLarge { path: self.path.to_owned() });
        }
        self.index.add(plan, self.offset);
        Ok(())
    }

    /// Whether nothing stands behind the line at hand.
    fn is_last(&mut self) -> Result<bool, JournalError> {
        match self.source.fill_buf() {
            Ok(rest) => Ok(rest.is_empty()),
            Err(source) => Err(JournalError::NotRead { path: self.path.to_owned(), source }),
        }
    }

    /// Whether nothing but empty lines stands behind the line at hand. Nothing can be read behind that any more.
    fn is_rest_empty(&mut self) -> Result<bool, JournalError> {
        while !self.is_last()? {
            let rest = self.source.buffer();
            if !rest.trim_ascii().is_empty() {
                return Ok(false);
            }
            let length = rest.len();
            self.source.consume(length);
        }
        Ok(true)
    }

    fn torn_or_damaged(&mut self, error: &serde_json::Error) -> Result<(), JournalError> {
        if self.is_last()? && !error.is_data() {
            self.is_torn = true;
            return Ok(());
        }
        Err(self.damaged(error.to_string()))
    }

    fn damaged(&self, reason: String) -> JournalError {
        JournalError::DamagedLine { path: self.path.to_owned(), line: self.number, reason }
    }

    fn not_read(&self, source: io::Error) -> JournalError {
        JournalError::NotRead { path: self.path.to_owned(), source }
    }
}

#[cfg(test)]
mod tests;
