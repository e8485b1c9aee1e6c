//! The only writer of result files: the tables, `junit.xml`, `run.json`, `summary.md`, `report.html` and pictures of a run's folder,
//! the link to the latest run, and what a CI service shows of a step.
//!
//! All are written beside their places first and renamed only when every one is whole, so that a disk that is full
//! leaves what was there. Two calls on one journal give the same bytes.

use std::fs;
use std::io::{self, BufWriter, Seek, Write};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use serde::Serialize;
use tempfile::NamedTempFile;

use super::csv::{Sheets, TableError, Tables};
use super::html::{self, Html};
use super::junit::{self, Junit, Whole};
use super::summary::{Summary, SummaryBuilder, Totals};
use super::tally::Variants;
use super::{EndCounts, ReportError, SourceCounts, VerdictCounts, markdown, svg};
use crate::event::{Manifest, Record};
use crate::journal::{DRAFT, Reader};
use crate::model::without_dust;

/// The link to the latest run, beside the runs' folders.
pub const LATEST_LINK: &str = "latest";
/// The file that names the latest run, where links do not work.
pub const LATEST_FILE: &str = "LATEST";

/// The page for people, in the run's folder.
pub const PAGE: &str = "report.html";

/// How much of `junit.xml` and of the page is written at once, in bytes.
const SPOOLED: usize = 128 * 1024;

/// So many turns go to another thread together: it is seldom woken, and few are in memory.
const BATCH: usize = 256;

/// What GitHub shows of a step, in bytes.
const STEP: u64 = 1024 * 1024;

/// `run.json`: the manifest, and what the run came to.
#[derive(Serialize)]
struct RunFile<'a> {
    #[serde(flatten)]
    manifest: &'a Manifest,
    totals: RunTotals,
    #[serde(skip_serializing_if = "Option::is_none")]
    wall_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bound_ms: Option<u64>,
}

/// The sums of a run, as other programs read them.
#[derive(Serialize)]
pub(super) struct RunTotals {
    conversations: EndCounts,
    not_begun: u64,
    #[serde(skip_serializing_if = "is_none")]
    left_out: u64,
    checks: VerdictCounts,
    calls: u64,
    #[serde(skip_serializing_if = "is_none")]
    judge_calls: u64,
    #[serde(skip_serializing_if = "is_none")]
    calls_left_out: u64,
    retries: u64,
    replies: SourceCounts,
    tokens_sent: Option<u64>,
    tokens_reply: Option<u64>,
    tokens_full_history: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    judge_tokens: Option<u64>,
    cost_usd: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reserved_usd: Option<f64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes what it would write by reference")]
const fn is_none(number: &u64) -> bool {
    *number == 0
}

impl RunTotals {
    pub(super) fn of(totals: &Totals) -> Self {
        let usage = &totals.usage;
        Self {
            conversations: totals.conversations,
            not_begun: totals.not_begun,
            left_out: totals.left_out,
            checks: totals.checks,
            calls: usage.calls,
            judge_calls: usage.judge_calls,
            calls_left_out: totals.calls_left_out,
            retries: usage.retries,
            replies: usage.replies,
            tokens_sent: usage.tokens_sent,
            tokens_reply: usage.tokens_reply,
            tokens_full_history: usage.tokens_full_history,
            judge_tokens: usage.judge_tokens,
            cost_usd: usage.cost_usd.map(without_dust),
            reserved_usd: usage.reserved_usd.map(without_dust),
        }
    }
}

/// Removes what a killed process left of files that were not whole. For whoever alone writes the run: another's drafts would
/// go with it.
///
/// # Errors
/// When the folder cannot be looked at, or a file cannot be removed.
pub fn sweep(folder: &Path) -> Result<(), ReportError> {
    let swept = |path: &Path, source| ReportError::NotWritten { path: path.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(|source| swept(folder, source))? {
        let entry = entry.map_err(|source| swept(folder, source))?;
        if entry.file_name().to_string_lossy().starts_with(DRAFT) {
            fs::remove_file(entry.path()).map_err(|source| swept(&entry.path(), source))?;
        }
    }
    Ok(())
}

/// Writes all result files of a run into its folder, and gives the summary that was made on the way.
///
/// # Errors
/// When the journal cannot be read or a file cannot be written; then none of them is changed, unless renaming itself
/// fails.
pub fn write_all(folder: &Path, journal: &Reader) -> Result<Summary, ReportError> {
    write_all_unless(folder, journal, &|| false)
}

/// Does what [`write_all`] does, unless it is to stop, which is asked before each conversation is read.
///
/// # Errors
/// As those of [`write_all`], and [`ReportError::Stopped`]; none of the files is changed then.
pub fn write_all_unless(
    folder: &Path,
    journal: &Reader,
    is_to_stop: &dyn Fn() -> bool,
) -> Result<Summary, ReportError> {
    let draft = |file| Draft::new(folder, file);
    let drafts = Sheets {
        transcripts: draft("transcripts.csv")?,
        checks: draft("checks.csv")?,
        retention: draft("retention.csv")?,
        summary: draft("summary.csv")?,
    };
    let not_written = |TableError { file, source }| ReportError::NotWritten { path: folder.join(file), source };
    let mut tables = Tables::new(&journal.manifest().run, drafts).map_err(not_written)?;
    let notes = journal.snapshots()?;
    let mut summary = SummaryBuilder::new();
    let no_junit = |source| ReportError::NotWritten { path: folder.join("junit.xml"), source };
    let mut junit = BufWriter::with_capacity(SPOOLED, draft("junit.xml")?);
    junit.write_all(&[b' '; junit::FRONT]).map_err(no_junit)?;
    let mut suites = Junit::new(journal.manifest(), notes.clone(), junit);
    let no_page = |source| ReportError::NotWritten { path: folder.join(PAGE), source };
    let page = BufWriter::with_capacity(SPOOLED, draft(PAGE)?);
    let mut html = Html::new(journal.manifest(), page).map_err(no_page)?;
    // What is written has a thread of its own, behind what is read: a large run's reports are half as long waited for.
    let (summary, tables, suites, html) = thread::scope(|scope| {
        let (sender, batches) = sync_channel::<Vec<Record>>(1);
        let behind = scope.spawn(move || {
            let mut variants = Variants::default();
            for record in batches.into_iter().flatten() {
                if let Some(tally) = variants.add(&record) {
                    tables.close(&tally).map_err(not_written)?;
                    suites.close(&tally).map_err(no_junit)?;
                }
                tables.add(&record).map_err(not_written)?;
                suites.add(&record);
                html.add(record).map_err(no_page)?;
            }
            if let Some(tally) = variants.finish() {
                tables.close(&tally).map_err(not_written)?;
                suites.close(&tally).map_err(no_junit)?;
            }
            Ok::<_, ReportError>((tables, suites, html))
        });
        let read = move || {
            let mut batch = Batch::default();
            for record in journal.records() {
                if is_to_stop() {
                    return Err(ReportError::Stopped);
                }
                let record = record?;
                if let Some(calls) = record.left_out() {
                    summary.left_out(calls);
                    continue;
                }
                summary.add(&record);
                // It takes no more where it could not write: then it says why.
                if batch.add(record).is_some_and(|full| sender.send(full).is_err()) {
                    return Ok(summary);
                }
            }
            let _ = sender.send(batch.records);
            Ok(summary)
        };
        let read = read();
        // A panic there goes on here, whatever came of the reading.
        let (tables, suites, html) = behind.join().unwrap_or_else(|panic| resume_unwind(panic))?;
        Ok::<_, ReportError>((read?, tables, suites, html))
    })?;
    let sheets = tables.finish().map_err(not_written)?;
    let mut summary = summary.finish();
    let begun = summary.totals.conversations.total() + summary.totals.left_out;
    let manifest = journal.manifest();
    summary.totals.not_begun = u64::from(manifest.conversations).saturating_sub(begun);
    summary.totals.bound = journal.concurrency().map(|concurrency| summary.totals.work.bound(concurrency));
    summary.totals.max_cost_usd = journal.max_cost_usd();
    let whole = suites.finish(summary.totals.not_begun, journal.wall()).map_err(no_junit)?;
    let junit = put_together(whole).map_err(no_junit)?;
    let mut run = draft("run.json")?;
    let text = run_file(manifest, &summary.totals, journal.wall());
    text.and_then(|text| run.write_all(&text)).map_err(|source| run.not_written(source))?;
    let around = markdown::Around { manifest, wall: journal.wall(), snapshots: &notes };
    let page = markdown::render(&summary, around, |plan| journal.record_of(plan))?;
    let mut markdown = draft("summary.md")?;
    markdown.write_all(page.as_bytes()).map_err(|source| markdown.not_written(source))?;
    let charts = svg::charts(&summary);
    let around = html::Around { totals: &summary.totals, wall: journal.wall(), snapshots: &notes, charts: &charts };
    let html = html.finish(around).and_then(|spool| Ok(spool.into_inner()?)).map_err(no_page)?;
    let drafts = [sheets.transcripts, sheets.checks, sheets.retention, sheets.summary, junit, run, markdown, html];
    for draft in &drafts {
        draft.file.as_file().sync_all().map_err(|source| draft.not_written(source))?;
    }
    drafts.into_iter().try_for_each(Draft::persist)?;
    Ok(summary)
}

/// Records that go to another thread together.
#[derive(Default)]
struct Batch {
    records: Vec<Record>,
    turns: usize,
}

impl Batch {
    /// Adds a record, and gives all of them where they are enough to go.
    fn add(&mut self, record: Record) -> Option<Vec<Record>> {
        self.turns += 1 + record.turns.len();
        self.records.push(record);
        (self.turns >= BATCH).then(|| {
            self.turns = 0;
            let room = Vec::with_capacity(self.records.len());
            std::mem::replace(&mut self.records, room)
        })
    }
}

/// Writes the pictures of a run into its folder, those that there is something to show on, and gives their names. Pictures of an
/// earlier call that are not among them are removed.
///
/// # Errors
/// When a file cannot be written; then none of them is changed, unless renaming itself fails.
pub fn write_pictures(folder: &Path, summary: &Summary) -> Result<Vec<String>, ReportError> {
    let (names, drafts): (Vec<String>, Vec<Draft>) = svg::files(summary)
        .into_iter()
        .map(|(name, text)| {
            let mut draft = Draft::new(folder, &name)?;
            let written = draft.write_all(text.as_bytes()).and_then(|()| draft.file.as_file().sync_all());
            written.map_err(|source| draft.not_written(source)).map(|()| (name, draft))
        })
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .unzip();
    drafts.into_iter().try_for_each(Draft::persist)?;
    for path in svg::file_names().filter(|name| !names.contains(name)).map(|name| folder.join(name)) {
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(ReportError::NotWritten { path, source });
            }
            _ => {}
        }
    }
    Ok(names)
}

/// The counts in front of the suites are known last.
fn put_together(whole: Whole<BufWriter<Draft>>) -> io::Result<Draft> {
    let Whole { front, mut suites, behind } = whole;
    suites.write_all(behind.as_bytes())?;
    let mut junit = suites.into_inner().map_err(io::IntoInnerError::into_error)?;
    junit.file.rewind()?;
    junit.write_all(front.as_bytes())?;
    Ok(junit)
}

fn run_file(manifest: &Manifest, totals: &Totals, wall: Option<Duration>) -> io::Result<Vec<u8>> {
    let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let wall_ms = wall.map(milliseconds);
    // The bound is there to be compared.
    let bound_ms = totals.bound.filter(|_| wall.is_some()).map(milliseconds);
    let mut text = serde_json::to_vec_pretty(&RunFile { manifest, totals: RunTotals::of(totals), wall_ms, bound_ms })?;
    text.push(b'\n');
    Ok(text)
}

/// Appends a page to what GitHub Actions shows of a step. Nothing is appended that would make it too long: GitHub shows
/// nothing of the step then.
///
/// # Errors
/// When the file cannot be written, or has no room for the page.
pub fn append_to_step(file: &Path, page: &str) -> Result<(), ReportError> {
    let not_written = |source| ReportError::NotWritten { path: file.to_owned(), source };
    let append = || {
        let mut file = fs::File::options().append(true).create(true).open(file)?;
        let length = file.metadata()?.len();
        let page = if length > 0 { format!("\n{page}") } else { page.to_owned() };
        if length + page.len() as u64 > STEP {
            return Err(io::Error::other("GitHub shows 1 MiB of a step, and this would be more"));
        }
        file.write_all(page.as_bytes())
    };
    append().map_err(not_written)
}

/// Makes `latest`, beside the run's folder, name this run: a symbolic link, or the file `LATEST` where links do not
/// work. It is replaced in one step: whoever looks sees the old or the new one.
///
/// # Errors
/// When neither can be made.
pub fn point_latest(run_folder: &Path) -> Result<(), ReportError> {
    let (Some(runs), Some(name)) = (run_folder.parent(), run_folder.file_name()) else {
        let source = io::Error::new(io::ErrorKind::InvalidInput, "it names no folder of a run");
        return Err(ReportError::NotWritten { path: run_folder.to_owned(), source });
    };
    let mut fresh = std::ffi::OsString::from(".latest-");
    fresh.push(name);
    if replace_link(Path::new(name), &runs.join(fresh), &runs.join(LATEST_LINK)).is_ok() {
        return Ok(());
    }
    let mut draft = Draft::new(runs, LATEST_FILE)?;
    writeln!(draft, "{}", name.to_string_lossy()).map_err(|source| draft.not_written(source))?;
    draft.persist()
}

fn replace_link(target: &Path, fresh: &Path, link: &Path) -> io::Result<()> {
    // One that a killed run left behind.
    let _ = fs::remove_file(fresh);
    symlink(target, fresh)?;
    fs::rename(fresh, link).inspect_err(|_| {
        let _ = fs::remove_file(fresh);
    })
}

#[cfg(unix)]
fn symlink(target: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(not(unix))]
fn symlink(_target: &Path, _link: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// A file that is being written beside its place. Dropped, it leaves nothing.
struct Draft {
    path: PathBuf,
    file: NamedTempFile,
}

impl Draft {
    fn new(folder: &Path, file: &str) -> Result<Self, ReportError> {
        let path = folder.join(file);
        match drafts().tempfile_in(folder) {
            Ok(file) => Ok(Self { path, file }),
            Err(source) => Err(ReportError::NotWritten { path, source }),
        }
    }

    fn not_written(&self, source: io::Error) -> ReportError {
        ReportError::NotWritten { path: self.path.clone(), source }
    }

    fn persist(self) -> Result<(), ReportError> {
        let Self { path, file } = self;
        match file.persist(&path) {
            Ok(_) => Ok(()),
            Err(error) => Err(ReportError::NotWritten { path, source: error.error }),
        }
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Temporary files are for their owner alone; result files are as readable as any other file that the user makes.
fn drafts() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(DRAFT);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder
}

#[cfg(test)]
mod tests;
