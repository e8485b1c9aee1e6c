//! What `mutate` found, as text for the terminal and as JSON.

use serde_json::{Value, json};

use super::paint::{Look, Tone};
use super::wording::{grouped, one_line, several};
use crate::run::{Kills, LeftOut, Mutant, Mutation, Tried};
use crate::text::escape::no_command;
use crate::text::layout::{truncate, width, wrap};

/// So many checks are named of each list.
const SHOWN: usize = 20;
/// No path is cut below this.
const NARROWEST: usize = 24;

/// What is told of a run.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// Its id.
    pub run: &'a str,
    /// What was found.
    pub mutation: &'a Mutation,
    /// How many conversations could not be judged again.
    pub refused: u64,
    /// The least share that was asked for.
    pub min_kill: Option<f64>,
}

/// The text, ending in a line feed.
#[must_use]
pub fn text(told: &Told<'_>, look: Look) -> String {
    let mutation = told.mutation;
    let mut parts = vec![table(mutation, look)];
    let (vacuous, others): (Vec<&Tried>, Vec<&Tried>) =
        mutation.checks().into_iter().partition(|check| check.is_vacuous());
    let weak: Vec<&Tried> = others.into_iter().filter(|check| check.all().killed < check.all().mutants).collect();
    let title = several(vacuous.len() as u64, "vacuous check", "vacuous checks");
    let has_json = vacuous.iter().any(|check| check.all().killed > 0);
    let or_json = if has_json { ", or whatever JSON it is" } else { "" };
    parts.push(list(&vacuous, &format!("{title}, passing whatever the reply says{or_json}"), Tone::Bad, look));
    let title = several(weak.len() as u64, "check", "checks");
    parts.push(list(&weak, &format!("{title} that noticed some of them only"), Tone::Uncertain, look));
    parts.push(closing(told, vacuous.len() as u64, look));
    parts.retain(|part| !part.is_empty());
    no_command(&look.spell(&parts.join("\n"))).into_owned()
}

/// A line a file.
fn table(mutation: &Mutation, look: Look) -> String {
    let mut rows = vec![["file", "checks", "mutants", "killed", "rate"].map(str::to_owned)];
    for (file, checks, kills) in mutation.files() {
        let rate = kills.rate().map_or_else(|| "–".to_owned(), percent);
        rows.push([one_line(file), grouped(checks), grouped(kills.mutants), grouped(kills.killed), rate]);
    }
    if rows.len() == 1 {
        return String::new();
    }
    let widest = |column: usize| rows.iter().map(|row| width(&row[column])).max().unwrap_or_default();
    let numbers: Vec<usize> = (1..5).map(widest).collect();
    let room = look.width.saturating_sub(numbers.iter().map(|number| number + 2).sum::<usize>() + 2);
    let first = widest(0).min(room.max(NARROWEST));
    let mut text = String::new();
    for (at, row) in rows.iter().enumerate() {
        let name = truncate(&row[0], first);
        let mut line = format!("  {name}{}", " ".repeat(first.saturating_sub(width(&name))));
        for (cell, room) in row[1..].iter().zip(&numbers) {
            line = line + "  " + &" ".repeat(room.saturating_sub(width(cell))) + cell;
        }
        text += &if at == 0 { look.paint(Tone::Quiet, &line) } else { line };
        text.push('\n');
    }
    text
}

fn list(checks: &[&Tried], title: &str, tone: Tone, look: Look) -> String {
    if checks.is_empty() {
        return String::new();
    }
    let mut lines = vec![look.paint(tone, title)];
    for check in checks.iter().take(SHOWN) {
        let (line, _) = check.place;
        let all = check.all();
        let name = check.name.as_ref().map_or_else(String::new, |name| format!(" ({})", one_line(name)));
        let asserted = truncate(&one_line(&check.expected), 60);
        let survived: Vec<String> = Mutant::ALL
            .iter()
            .filter_map(|mutant| Some((mutant, check.kills.get(mutant)?)))
            .filter(|(_, kills)| kills.killed < kills.mutants)
            .map(|(mutant, kills)| format!("{} {}", words(*mutant), grouped(kills.mutants - kills.killed)))
            .collect();
        let told = format!(
            "{}:{line} · {} · {} {asserted}{name} · {} of {} noticed; passed: {}",
            one_line(&check.file),
            one_line(&check.scenario),
            check.check,
            grouped(all.killed),
            grouped(all.mutants),
            survived.join(", ")
        );
        let wrapped = wrap(&told, look.width.saturating_sub(4));
        lines.extend(
            wrapped.iter().enumerate().map(|(at, line)| format!("{}{line}", if at == 0 { "  " } else { "    " })),
        );
    }
    if let Some(more) = checks.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        lines.push(format!("  … and {} more; `--format json` has all", grouped(more as u64)));
    }
    lines.push(String::new());
    lines.join("\n")
}

const fn words(mutant: Mutant) -> &'static str {
    match mutant {
        Mutant::Blank => "blank",
        Mutant::Swapped => "swapped",
        Mutant::OtherFacts => "other facts",
        Mutant::EmptyJson => "empty JSON",
        Mutant::Retyped => "other type",
        Mutant::Forbidden => "forbidden",
    }
}

fn closing(told: &Told<'_>, vacuous: u64, look: Look) -> String {
    let Told { run, mutation, refused, min_kill } = told;
    let all = mutation.all();
    let checks = mutation.checks().len() as u64;
    let mut lines = Vec::new();
    let LeftOut { not_passed, not_on_reply, from_outside, on_transcript, no_mutant } = mutation.left_out;
    let reasons = [
        (not_passed, "not passed as it was"),
        (not_on_reply, "not about what a reply says"),
        (from_outside, "hang on a judge or a program"),
        (on_transcript, "on the whole transcript"),
        (no_mutant, "no reply could be made that it ought to notice"),
    ];
    let reasons = reasons.iter().filter(|(number, _)| *number > 0);
    let reasons: Vec<String> = reasons.map(|(number, why)| format!("{} {why}", grouped(*number))).collect();
    if !reasons.is_empty() {
        lines.extend(wrap(&format!("left out, by turns: {}", reasons.join(", ")), look.width));
    }
    if *refused > 0 {
        lines.push(format!("{} could not be judged again", several(*refused, "conversation", "conversations")));
    }
    let rate = all.rate();
    let is_low = rate.zip(*min_kill).is_some_and(|(rate, least)| rate < least);
    let answer = match rate {
        None => format!("{}: no check passes that a changed reply could break", one_line(run)),
        Some(rate) => format!(
            "{}: {} of {} changed replies noticed, {}{}; {}, {vacuous} vacuous",
            one_line(run),
            grouped(all.killed),
            grouped(all.mutants),
            percent(rate),
            min_kill.map_or_else(String::new, |least| format!(" (at least {} asked for)", percent(least))),
            several(checks, "check", "checks"),
        ),
    };
    let tone = if is_low { Tone::Bad } else { Tone::Heading };
    lines.extend(wrap(&answer, look.width).iter().map(|line| look.paint(tone, line)));
    lines.push(String::new());
    lines.join("\n")
}

/// `96 %`; never rounded up to all, nor down to none.
fn percent(rate: f64) -> String {
    let rounded = (rate * 100.0).round();
    if rounded >= 100.0 && rate < 1.0 {
        "99 %".to_owned()
    } else if rounded <= 0.0 && rate > 0.0 {
        "1 %".to_owned()
    } else {
        format!("{rounded:.0} %")
    }
}

/// One JSON object, ending in a line feed.
#[must_use]
pub fn json(told: &Told<'_>) -> String {
    let Told { run, mutation, refused, min_kill } = told;
    let kills = |kills: Kills| json!({"mutants": kills.mutants, "killed": kills.killed, "kill_rate": kills.rate()});
    let with = |mut object: Value, more: Value| {
        if let (Value::Object(object), Value::Object(more)) = (&mut object, more) {
            object.extend(more);
        }
        object
    };
    let files: Vec<Value> = mutation
        .files()
        .into_iter()
        .map(|(file, checks, all)| with(json!({"file": file, "checks": checks}), kills(all)))
        .collect();
    let checks: Vec<Value> = mutation
        .checks()
        .into_iter()
        .map(|check| {
            let by = check.kills.iter().map(|(mutant, of)| (mutant.as_str().to_owned(), kills(*of)));
            let head = json!({
                "file": check.file,
                "line": check.place.0,
                "column": check.place.1,
                "scenario": check.scenario,
                "check": check.check,
                "name": check.name,
                "expected": check.expected,
                "vacuous": check.is_vacuous(),
            });
            let by: serde_json::Map<String, Value> = by.collect();
            with(with(head, kills(check.all())), json!({"by": by}))
        })
        .collect();
    let LeftOut { not_passed, not_on_reply, from_outside, on_transcript, no_mutant } = mutation.left_out;
    let head = json!({"format": 1, "run": run, "min_kill": min_kill});
    let rest = json!({
        "refused": refused,
        "left_out": {
            "not_passed": not_passed,
            "not_on_reply": not_on_reply,
            "from_outside": from_outside,
            "on_transcript": on_transcript,
            "no_mutant": no_mutant,
        },
        "files": files,
        "checks": checks,
    });
    format!("{}\n", with(with(head, kills(mutation.all())), rest))
}
