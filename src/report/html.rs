//! `report.html`: the whole run as one page that needs no network, for people who read and compare transcripts.
//!
//! What was said goes to the page as lines of JSON ([`rows`] says what stands in them), deflated and in base64, in an element
//! that no browser runs; the page's own script inflates it and makes what is on the screen, so that a run of ten thousand
//! conversations is a file of a few megabytes and a page of a few hundred elements. Lines go to their writer one by one, as
//! the records go by, so that memory does not grow with the run.
//!
//! Strangers' texts are nowhere in the page but in that element, where base64 leaves nothing of them that a parser of HTML could take
//! for its own; the script puts them in as text alone. A Content-Security-Policy allows the one style and the two
//! scripts that are in the page, by their SHA-256, and nothing else: no image, no font, no request. The first of the scripts stands in
//! front of the data, and does nothing but say where the rest of the file is missing.

mod rows;

use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::LazyLock;
use std::time::Duration;

use base64::engine::general_purpose::STANDARD;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use base64::write::EncoderWriter;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use serde::Serialize;
use sha2::{Digest, Sha256};

use self::rows::{Head, Left, Rows, Tail, variant};
use super::summary::Totals;
use super::svg::{self, Chart};
use super::tally::{Tally, Variants};
use crate::event::{Manifest, Record, SnapshotNote};
use crate::model::End;

const PAGE: &str = include_str!("html/page.html");
/// Says that a page is not whole. It stands in front of the data, and the rest of the script behind them.
const WATCH: &str = include_str!("html/watch.js");
const STYLE: &str = concat!(include_str!("html/page.css"), include_str!("html/transcript.css"));
/// In this order: each may use what stands before it.
const SCRIPT: &str = concat!(
    include_str!("html/data.js"),
    include_str!("html/words.js"),
    include_str!("html/overview.js"),
    include_str!("html/transcript.js"),
    include_str!("html/find.js"),
    include_str!("html/page.js"),
);

/// What stands in the template for what is filled in.
const MARKS: [&str; 6] = ["{{csp}}", "{{watch}}", "{{style}}", "{{data}}", "{{charts}}", "{{script}}"];

/// How many bytes of data a page may have, before they are deflated: more than this, and browsers take long to open it, or
/// do not.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Beyond it, what was said in conversations that passed is left out.
    passed: u64,
    /// Beyond it, what was said in any other is left out too.
    others: u64,
    /// Beyond it, conversations are only counted.
    all: u64,
}

const MIB: u64 = 1024 * 1024;
const LIMITS: Limits = Limits { passed: 64 * MIB, others: 96 * MIB, all: 128 * MIB };

/// What is known when all records have gone by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around<'a> {
    pub(super) totals: &'a Totals,
    pub(super) wall: Option<Duration>,
    pub(super) snapshots: &'a [SnapshotNote],
    pub(super) charts: &'a [Chart],
}

/// The page on its way to its writer.
pub(super) struct Html<W: Write> {
    data: DeflateEncoder<EncoderWriter<'static, base64::engine::GeneralPurpose, W>>,
    rows: Rows,
    /// The trials of the variant at hand, where it has several.
    variants: Variants,
    limits: Limits,
    /// How many bytes of data there are so far, not deflated.
    length: u64,
    left: Left,
    line: Vec<u8>,
}

impl<W: Write> Html<W> {
    /// Begins the page of a run.
    pub(super) fn new(manifest: &Manifest, out: W) -> io::Result<Self> {
        Self::within(LIMITS, manifest, out)
    }

    fn within(limits: Limits, manifest: &Manifest, mut out: W) -> io::Result<Self> {
        out.write_all(PARTS[0].as_bytes())?;
        let data = DeflateEncoder::new(EncoderWriter::new(out, &STANDARD), Compression::fast());
        let (rows, variants, left) = (Rows::default(), Variants::default(), Left::default());
        let mut html = Self { data, rows, variants, limits, length: 0, left, line: Vec::new() };
        html.say(&Head::of(manifest))?;
        Ok(html)
    }

    /// Adds the next record of the plan.
    pub(super) fn add(&mut self, record: Record) -> io::Result<()> {
        // With one trial, what it came to is what the variant came to.
        let whole = if record.begin.trials > 1 {
            self.variants.add(&record)
        } else {
            std::mem::take(&mut self.variants).finish()
        };
        whole.map_or(Ok(()), |tally| self.close(&tally))?;
        let Limits { passed, others, all } = self.limits;
        if self.length >= all {
            self.left.conversations += 1;
            return Ok(());
        }
        let room = if record.end() == End::Passed { passed } else { others };
        if self.length < room {
            self.line.clear();
            self.rows.conversation(&record, true, &mut self.line)?;
            // One may be too long by itself.
            if self.length + (self.line.len() as u64) < all {
                self.rows.keep(record);
                return self.push();
            }
        }
        self.left.transcripts += 1;
        self.line.clear();
        self.rows.conversation(&record, false, &mut self.line)?;
        self.push()
    }

    /// Ends the page, and gives its writer back.
    pub(super) fn finish(mut self, around: Around<'_>) -> io::Result<W> {
        if let Some(tally) = std::mem::take(&mut self.variants).finish() {
            self.close(&tally)?;
        }
        let left = self.left;
        self.say(&Tail::of(around, left))?;
        let mut out = self.data.finish()?.finish()?;
        let [_, behind, end] = &*PARTS;
        write!(out, "{behind}{}{end}", charts(around.charts))?;
        Ok(out)
    }

    fn close(&mut self, tally: &Tally) -> io::Result<()> {
        if self.length >= self.limits.all { Ok(()) } else { self.say(&variant(tally)) }
    }

    fn say(&mut self, line: &impl Serialize) -> io::Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, line)?;
        self.push()
    }

    fn push(&mut self) -> io::Result<()> {
        self.line.push(b'\n');
        self.length += self.line.len() as u64;
        self.data.write_all(&self.line)
    }
}

/// The page but for what differs from run to run: what stands in front of the data, what behind it, and what behind the charts.
static PARTS: LazyLock<[String; 3]> = LazyLock::new(|| {
    let style = [STYLE, &svg::style()].concat();
    let mut rest = PAGE;
    let [head, before_watch, before_style, before_data, before_charts, before_script] = MARKS.map(|mark| {
        let (piece, behind) = rest.split_once(mark).unwrap_or((rest, ""));
        rest = behind;
        piece
    });
    let policy = format!(
        "default-src 'none'; style-src {}; script-src {} {}; base-uri 'none'; form-action 'none'",
        hash(&style),
        hash(WATCH),
        hash(SCRIPT)
    );
    [
        [head, &policy, before_watch, WATCH, before_style, &style, before_data].concat(),
        before_charts.to_owned(),
        [before_script, SCRIPT, rest].concat(),
    ]
});

/// How a policy names a style or a script.
fn hash(text: &str) -> String {
    format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(text)))
}

fn charts(charts: &[Chart]) -> String {
    charts.iter().fold(String::new(), |mut page, Chart { id, title, summary, svg }| {
        let (title, summary) = (escaped(title), escaped(summary));
        // Writing to a String cannot fail.
        let _ = writeln!(
            page,
            "<figure class=\"chart\" id=\"chart-{id}\"><h3>{title}</h3><div class=\"picture\" aria-hidden=\"true\">{svg}</div>\
             <figcaption>{summary}</figcaption></figure>"
        );
        page
    })
}

/// A text as an element has it.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests;
