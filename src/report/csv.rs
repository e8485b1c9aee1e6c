//! The four CSV tables, written while the records go by.
//!
//! Columns are a promise: they are only ever added at the end. Every cell that holds text goes through the formula
//! guard; numbers have a fixed number of decimals; an empty cell means *not known*.

use std::fmt::{Display, Write as _};
use std::io::{self, Write};

use csv::{ByteRecord, Terminator, WriterBuilder};

use super::Tally;
use super::wording::push_fixed;
use crate::event::{CheckDone, Record, Retention, TurnDone};
use crate::model::{TurnId, VariantKey};
use crate::stats::{quantile, wilson};
use crate::text::escape::csv_cell;

/// How much of a table is written at once, in bytes.
const BUFFER: usize = 128 * 1024;

const NAMES: [&str; 7] = ["run", "scenario", "case", "persona", "model", "window", "vars"];

const TRANSCRIPTS: &[&str] = &[
    "trial",
    "turn",
    "user",
    "reply",
    "source",
    "finish_reason",
    "messages_sent",
    "tokens_sent",
    "tokens_reply",
    "cost_usd",
    "latency_ms",
    "ttft_ms",
    "attempts",
    "error",
];

const CHECKS: &[&str] = &["trial", "turn", "check", "name", "expected", "verdict", "score", "detail"];

const RETENTION: &[&str] =
    &["trial", "turn", "fact", "value", "visible", "distance", "recalled", "outcome", "expected", "verdict"];

const SUMMARY: &[&str] = &[
    "trials",
    "checks",
    "passed",
    "failed",
    "unknown",
    "skipped",
    "known_failures",
    "pass_rate",
    "ci_low",
    "ci_high",
    "retained",
    "missed",
    "forgotten",
    "leaked",
    "stale",
    "tokens_sent",
    "tokens_reply",
    "tokens_full_history",
    "cost_usd",
    "latency_p50_ms",
    "latency_p95_ms",
    "ttft_p50_ms",
    "judge_calls",
    "judge_tokens",
];

/// A table could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {file}: {source}")]
pub struct TableError {
    /// The table's file name.
    pub file: &'static str,
    /// What its writer said.
    pub source: io::Error,
}

/// The four tables, each going to its own writer.
pub struct Tables<W: Write> {
    run: String,
    transcripts: Table<W>,
    checks: Table<W>,
    retention: Table<W>,
    summary: Table<W>,
}

/// The writers behind the four tables.
#[derive(Debug)]
pub struct Sheets<W> {
    /// `transcripts.csv`, a row a turn.
    pub transcripts: W,
    /// `checks.csv`, a row a check and trial.
    pub checks: W,
    /// `retention.csv`, a row a retention check and trial.
    pub retention: W,
    /// `summary.csv`, a row a scenario and variant.
    pub summary: W,
}

impl<W: Write> Tables<W> {
    /// Begins the tables of a run with their header rows.
    ///
    /// # Errors
    /// When a writer does not take them.
    pub fn new(run: &str, sheets: Sheets<W>) -> Result<Self, TableError> {
        Ok(Self {
            run: run.to_owned(),
            transcripts: Table::new("transcripts.csv", sheets.transcripts, TRANSCRIPTS)?,
            checks: Table::new("checks.csv", sheets.checks, CHECKS)?,
            retention: Table::new("retention.csv", sheets.retention, RETENTION)?,
            summary: Table::new("summary.csv", sheets.summary, SUMMARY)?,
        })
    }

    /// Adds the next record of the plan.
    ///
    /// # Errors
    /// When a writer does not take its rows.
    pub fn add(&mut self, record: &Record) -> Result<(), TableError> {
        let mut row = Cells::of(&self.run, &record.begin.key.variant).number(Some(record.begin.key.trial));
        let names = row.cells.len();
        for turn in &record.turns {
            row = transcript_row(row.first(names), turn);
            self.transcripts.add(&row)?;
        }
        for check in &record.checks {
            row = check_row(row.first(names), check);
            self.checks.add(&row)?;
            if let Some(retention) = &check.retention {
                row = retention_row(row.first(names), check, retention);
                self.retention.add(&row)?;
            }
        }
        Ok(())
    }

    /// Adds a variant whose records were all added.
    ///
    /// # Errors
    /// When a writer does not take its row.
    pub fn close(&mut self, tally: &Tally) -> Result<(), TableError> {
        self.summary.add(&summary_row(&self.run, tally))
    }

    /// Ends the tables and gives the writers back.
    ///
    /// # Errors
    /// When a writer does not take the last rows.
    pub fn finish(self) -> Result<Sheets<W>, TableError> {
        Ok(Sheets {
            transcripts: self.transcripts.finish()?,
            checks: self.checks.finish()?,
            retention: self.retention.finish()?,
            summary: self.summary.finish()?,
        })
    }
}

/// One table on its way to its writer.
struct Table<W: Write> {
    file: &'static str,
    rows: csv::Writer<W>,
}

impl<W: Write> Table<W> {
    fn new(file: &'static str, sheet: W, columns: &[&str]) -> Result<Self, TableError> {
        let mut builder = WriterBuilder::new();
        let rows = builder.terminator(Terminator::Any(b'\n')).buffer_capacity(BUFFER).from_writer(sheet);
        let mut table = Self { file, rows };
        table.add(&NAMES.iter().chain(columns).fold(Cells::empty(), |cells, name| cells.text(name)))?;
        Ok(table)
    }

    fn add(&mut self, row: &Cells) -> Result<(), TableError> {
        self.rows.write_byte_record(&row.cells).map_err(|error| TableError { file: self.file, source: error.into() })
    }

    fn finish(self) -> Result<W, TableError> {
        let Self { file, rows } = self;
        // The error of the crate holds the writer; its own error is what happened.
        rows.into_inner().map_err(|error| {
            let source = io::Error::new(error.error().kind(), error.error().to_string());
            TableError { file, source }
        })
    }
}

/// A row in the making.
struct Cells {
    cells: ByteRecord,
    /// Where a number becomes a text.
    text: String,
}

impl Cells {
    fn empty() -> Self {
        Self { cells: ByteRecord::with_capacity(1024, 32), text: String::new() }
    }

    fn of(run: &str, key: &VariantKey) -> Self {
        let VariantKey { scenario, case, persona, model, window, vars } = key;
        [run, scenario, case, persona, model, window, vars].into_iter().fold(Self::empty(), Self::text)
    }

    /// The row's first cells, to begin another with.
    fn first(mut self, count: usize) -> Self {
        self.cells.truncate(count);
        self
    }

    /// A stranger's text, or one that may have come from a stranger's file.
    fn text(mut self, text: &str) -> Self {
        self.cells.push_field(csv_cell(text).as_bytes());
        self
    }

    /// A word of ours.
    fn word(self, word: impl Display + Copy) -> Self {
        self.known(Some(word))
    }

    /// A turn or a probe. Nearly all are turns, whose numbers are written sooner.
    fn turn(self, turn: Option<TurnId>) -> Self {
        match turn {
            Some(TurnId::Turn(number)) => self.number(Some(number)),
            probe => self.known(probe),
        }
    }

    /// A number, where it is known.
    fn number(mut self, number: Option<impl Into<u64>>) -> Self {
        let mut digits = itoa::Buffer::new();
        let text = number.map_or("", |number| digits.format(number.into()));
        self.cells.push_field(text.as_bytes());
        self
    }

    fn known(mut self, word: Option<impl Display + Copy>) -> Self {
        self.text.clear();
        // Nothing can fail to be written into a text.
        let _ = word.map(|word| write!(self.text, "{word}"));
        self.cells.push_field(self.text.as_bytes());
        self
    }

    fn fixed(mut self, number: Option<f64>, decimals: usize) -> Self {
        self.text.clear();
        if let Some(number) = number {
            push_fixed(&mut self.text, number, decimals);
        }
        self.cells.push_field(self.text.as_bytes());
        self
    }

    fn ms(self, milliseconds: Option<f64>) -> Self {
        self.fixed(milliseconds, 3)
    }

    fn usd(self, usd: Option<f64>) -> Self {
        self.fixed(usd, 6)
    }

    fn rate(self, rate: Option<f64>) -> Self {
        self.fixed(rate, 4)
    }
}

fn transcript_row(names: Cells, turn: &TurnDone) -> Cells {
    names
        .turn(Some(turn.turn))
        .text(&turn.user)
        .text(turn.reply.as_deref().unwrap_or_default())
        .word(turn.source)
        .text(turn.finish_reason.as_deref().unwrap_or_default())
        .word(turn.messages_sent())
        .number(turn.usage.map(|usage| usage.sent))
        .number(turn.usage.map(|usage| usage.reply))
        .usd(turn.cost_usd)
        .ms(turn.latency_ms)
        .ms(turn.ttft_ms)
        .number(Some(turn.attempts))
        .text(turn.error.as_deref().unwrap_or_default())
}

fn check_row(names: Cells, check: &CheckDone) -> Cells {
    names
        .turn(check.turn)
        .text(&check.check)
        .text(check.name.as_deref().unwrap_or_default())
        .text(&check.expected)
        .word(check.verdict)
        .rate(check.score)
        .text(&check.detail)
}

fn retention_row(names: Cells, check: &CheckDone, retention: &Retention) -> Cells {
    names
        .turn(check.turn)
        .text(&retention.fact)
        .text(&retention.value)
        .word(retention.visible)
        .number(retention.distance)
        .known(retention.recalled)
        .known(retention.outcome)
        .text(expected_outcome(check))
        .word(check.verdict)
}

/// The outcome that the check wants, so that it can be read against the column `outcome`; an inverted check says what
/// it inverts.
fn expected_outcome(check: &CheckDone) -> &str {
    match check.check.as_str() {
        "recalls" => "retained",
        "forgets" => "forgotten",
        "retains_iff_visible" => "retained or forgotten",
        _ => &check.expected,
    }
}

fn summary_row(run: &str, tally: &Tally) -> Cells {
    let sorted = |times: &[f64]| {
        let mut times = times.to_vec();
        times.sort_by(f64::total_cmp);
        times
    };
    let (latencies, ttfts) = (sorted(&tally.latencies_ms), sorted(&tally.ttfts_ms));
    let (verdicts, outcomes, usage) = (&tally.verdicts, &tally.outcomes, &tally.usage);
    let decided = verdicts.pass + verdicts.fail;
    #[expect(clippy::cast_precision_loss, reason = "numbers of checks lie far below 2^52")]
    let rate = (decided > 0).then(|| verdicts.pass as f64 / decided as f64);
    let interval = wilson(verdicts.pass, decided);
    Cells::of(run, &tally.key)
        .number(Some(tally.trials))
        .number(Some(verdicts.total()))
        .number(Some(verdicts.pass))
        .number(Some(verdicts.fail))
        .number(Some(verdicts.unknown))
        .number(Some(verdicts.skip))
        .number(Some(verdicts.known_failure))
        .rate(rate)
        .rate(interval.map(|interval| interval.low))
        .rate(interval.map(|interval| interval.high))
        .number(Some(outcomes.retained))
        .number(Some(outcomes.missed))
        .number(Some(outcomes.forgotten))
        .number(Some(outcomes.leaked))
        .number(Some(outcomes.stale))
        .number(usage.tokens_sent)
        .number(usage.tokens_reply)
        .number(usage.tokens_full_history)
        .usd(usage.cost_usd)
        .ms(quantile(&latencies, 0.5))
        .ms(quantile(&latencies, 0.95))
        .ms(quantile(&ttfts, 0.5))
        .number(Some(usage.judge_calls))
        .number(usage.judge_tokens)
}

#[cfg(test)]
mod tests;
