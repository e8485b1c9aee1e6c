//! `transcripts`: a `transcripts.csv` of a run of ours, a scenario for each conversation in it.

use std::collections::{BTreeSet, HashMap};
use std::io::BufRead;

use csv::{ReaderBuilder, StringRecord};

use super::draft::{Draft, Step};
use super::{Importer, Replies};
use crate::text::escape::csv_cell;

/// What tells conversations apart.
const KEY: [&str; 7] = ["scenario", "case", "persona", "model", "window", "vars", "trial"];
const HELP: &str = "a `transcripts.csv` lies in the folder of each run; name that file";

/// Where the columns are.
struct Columns(HashMap<String, usize>);

impl Columns {
    fn cell<'r>(&self, row: &'r StringRecord, column: &str) -> &'r str {
        let cell = self.0.get(column).and_then(|at| row.get(*at)).unwrap_or_default();
        // Where a spreadsheet would take a text for a formula, our tables have an apostrophe in front.
        match cell.strip_prefix('\'') {
            Some(bare) if csv_cell(bare) == cell => bare,
            _ => cell,
        }
    }
}

/// Reads all conversations.
pub fn read(importer: &mut Importer<'_>, input: &mut dyn BufRead) {
    let file = importer.settings.file.clone();
    let mut reader = ReaderBuilder::new().from_reader(input);
    let columns = match reader.headers() {
        Ok(names) => Columns(names.iter().enumerate().map(|(at, name)| (name.to_owned(), at)).collect()),
        Err(error) => return importer.wrong(format!("`{file}` is no CSV: {error}"), Some(HELP)),
    };
    for column in ["scenario", "turn", "user", "reply"] {
        if !columns.0.contains_key(column) {
            return importer.wrong(format!("`{file}` has no column `{column}`"), Some(HELP));
        }
    }
    let mut reading = Reading { key: Vec::new(), draft: Draft::default(), seen: BTreeSet::new(), repeated: 0 };
    for row in reader.records() {
        if importer.is_over() {
            return;
        }
        match row {
            Ok(row) => reading.row(importer, &columns, &row),
            Err(error) => {
                importer.wrong(format!("`{file}` is no CSV: {error}"), Some(HELP));
                return;
            }
        }
    }
    reading.finish(importer);
    if reading.repeated > 0 {
        let what = format!(
            "{} more conversations in which the users say the same: asked live, they are one scenario",
            reading.repeated
        );
        importer.leave_out("trial, model, window, persona", what);
    }
}

struct Reading {
    key: Vec<String>,
    draft: Draft,
    /// What was made already, where replies are asked anew.
    seen: BTreeSet<String>,
    repeated: usize,
}

impl Reading {
    fn row(&mut self, importer: &mut Importer<'_>, columns: &Columns, row: &StringRecord) {
        let key: Vec<String> = KEY.iter().map(|column| columns.cell(row, column).to_owned()).collect();
        if key != self.key {
            self.finish(importer);
            let line = row.position().map_or(0, csv::Position::line);
            self.draft = begin(importer, &key, line);
            self.key = key;
        }
        let turn = columns.cell(row, "turn");
        let (user, reply) = (columns.cell(row, "user"), columns.cell(row, "reply"));
        if user.trim().is_empty() {
            self.draft.leave_out(format!("turn {turn}"), "a user message without text; its turn is missing");
            return;
        }
        let error = columns.cell(row, "error");
        if !error.is_empty() {
            self.draft.leave_out(format!("turn {turn}"), "no reply was recorded: the call failed");
        }
        let recorded = Some(reply).filter(|reply| error.is_empty() && !reply.trim().is_empty()).map(str::to_owned);
        let is_canned = columns.cell(row, "source") == "canned" && recorded.is_some();
        let step = Step { user: user.to_owned(), recorded, is_canned, expect: Vec::new() };
        let steps = if turn.starts_with('p') { &mut self.draft.probes } else { &mut self.draft.turns };
        steps.push(step);
    }

    fn finish(&mut self, importer: &mut Importer<'_>) {
        let draft = std::mem::take(&mut self.draft);
        if draft.turns.is_empty() && draft.probes.is_empty() {
            return;
        }
        if importer.settings.replies == Replies::Live {
            let said = |step: &Step| (step.user.clone(), step.recorded.clone().filter(|_| step.is_canned));
            let script: Vec<_> = draft.turns.iter().chain(&draft.probes).map(said).collect();
            if !self.seen.insert(format!("{:?} {script:?}", &self.key[..2])) {
                self.repeated += 1;
                return;
            }
        }
        importer.add(draft);
    }
}

fn begin(importer: &Importer<'_>, key: &[String], line: u64) -> Draft {
    let [scenario, case, persona, model, window, vars, trial] = key else { return Draft::default() };
    let mut draft = Draft {
        hint: format!("{scenario} {case}"),
        origin: format!("the conversation that begins in line {line} of {}", importer.settings.file),
        description: Some(played(scenario, case, persona, model, window, trial)),
        ..Draft::default()
    };
    draft.leave_out("persona", format!("a transcript has no system prompt; add that of `{persona}`"));
    draft.leave_out("expect, facts", "a transcript has no checks");
    match window.parse() {
        Ok(window) if importer.settings.replies == Replies::Canned => draft.window = Some(window),
        _ if window == "full" || window.is_empty() => {}
        _ => draft.leave_out("window", format!("it was `{window}`; name the windows that you want")),
    }
    if !vars.is_empty() && vars != "{}" {
        draft.leave_out("vars", "variables; their values stand in the texts");
    }
    draft
}

fn played(scenario: &str, case: &str, persona: &str, model: &str, window: &str, trial: &str) -> String {
    let mut parts = vec![scenario];
    parts.extend(Some(case).filter(|case| !case.is_empty()));
    let window = format!("window {window}");
    let trial = format!("trial {trial}");
    parts.extend([persona, model, &window, &trial]);
    format!("As it was played: {}.", parts.join(" / "))
}
