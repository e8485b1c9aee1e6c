//! A run as lines of JSON, one event each, for programs that follow it.
//!
//! The fields are those of the journal, in which a check and the end of a conversation name their place in the plan alone;
//! here the conversation's names stand beside it, so that each line can be read by itself. Replies are in the journal, and
//! not here.

use std::collections::HashMap;

use serde::Serialize;

use super::EndCounts;
use super::files::RunTotals;
use super::summary::Summary;
use crate::event::{Begin, CheckDone, ConversationDone, Event, Manifest, Record, SnapshotNote};
use crate::model::ConversationKey;
use crate::text::escape::json_line;

/// One line.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line<'a> {
    Run {
        folder: &'a str,
        #[serde(flatten)]
        manifest: &'a Manifest,
    },
    Check {
        #[serde(flatten)]
        names: &'a Names,
        #[serde(flatten)]
        check: &'a CheckDone,
    },
    Conversation {
        #[serde(flatten)]
        names: &'a Names,
        #[serde(flatten)]
        done: &'a ConversationDone,
    },
    Snapshot {
        #[serde(flatten)]
        note: &'a SnapshotNote,
    },
    End(Box<End<'a>>),
}

/// The last line.
#[derive(Serialize)]
struct End<'a> {
    folder: &'a str,
    exit_code: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    wall_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    totals: Option<RunTotals>,
    #[serde(skip_serializing_if = "Option::is_none")]
    variants: Option<EndCounts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed_snapshots: Option<usize>,
}

/// What names a conversation.
#[derive(Debug, Clone, Serialize)]
struct Names {
    #[serde(flatten)]
    key: ConversationKey,
    file: String,
}

impl Names {
    fn of(begin: &Begin) -> Self {
        Self { key: begin.key.clone(), file: begin.file.clone() }
    }
}

/// The line with which a run begins.
#[must_use]
pub fn run(manifest: &Manifest, folder: &str) -> String {
    text(&Line::Run { folder, manifest })
}

/// The line of what became of a snapshot.
#[must_use]
pub fn snapshot(note: &SnapshotNote) -> String {
    text(&Line::Snapshot { note })
}

/// The last line. Without a summary nothing is known of the run but where its journal is.
#[must_use]
pub fn end(
    summary: Option<&Summary>,
    snapshots: &[SnapshotNote],
    wall: Option<std::time::Duration>,
    folder: &str,
    exit_code: u8,
) -> String {
    let totals = summary.map(|summary| &summary.totals);
    text(&Line::End(Box::new(End {
        folder,
        exit_code,
        wall_ms: wall.map(|wall| u64::try_from(wall.as_millis()).unwrap_or(u64::MAX)),
        totals: totals.map(RunTotals::of),
        variants: totals.map(|totals| totals.variants),
        failed_snapshots: totals.map(|_| snapshots.iter().filter(|note| note.is_failure).count()),
    })))
}

/// All lines of a conversation of which everything is known.
#[must_use]
pub fn conversation(record: &Record) -> String {
    let names = Names::of(&record.begin);
    let cut_off =
        ConversationDone { plan: record.begin.plan, end: record.end(), error: None, checks: None, left_out: None };
    let done = record.done.as_ref().unwrap_or(&cut_off);
    let checks = record.checks.iter().map(|check| text(&Line::Check { names: &names, check }));
    checks.chain([text(&Line::Conversation { names: &names, done })]).collect()
}

/// The lines of a run that is going: it knows the conversations that have begun and not ended.
#[derive(Debug, Default)]
pub struct Lines {
    names: HashMap<u32, Names>,
}

impl Lines {
    /// The line of an event; `None` for one that is not told.
    pub fn event(&mut self, event: &Event) -> Option<String> {
        match event {
            Event::Begin(begin) => {
                self.names.insert(begin.plan, Names::of(begin));
                None
            }
            Event::Check(check) => {
                let names = self.names.get(&check.plan)?;
                Some(text(&Line::Check { names, check }))
            }
            Event::Conversation(done) => {
                let names = self.names.remove(&done.plan)?;
                Some(text(&Line::Conversation { names: &names, done }))
            }
            _ => None,
        }
    }
}

/// The line with its line feed.
fn text(line: &Line<'_>) -> String {
    // Texts and numbers alone, which JSON takes.
    let json = serde_json::to_string(line).unwrap_or_default();
    format!("{}\n", json_line(&json))
}

#[cfg(test)]
mod tests;
