//! Failures in Markdown: a heading, the evidence that the terminal shows, the place, and folded away the transcript.

use std::collections::HashSet;

use super::super::failure::{Failure, FailureKind};
use super::super::paint;
use super::super::summary::Summary;
use super::super::terminal::failure_body;
use super::super::wording::{several, vars_in_words};
use super::{LOOK, NAME, PATH, transcript};
use crate::event::Record;
use crate::model::{TurnId, VariantKey, Verdict};
use crate::text::markdown::{Page, code, fence, folded_away};

/// Puts the failures on the page as long as they have room, and then into what is left the transcripts of their
/// conversations, each once. Gives what is to be said of those that are not there.
pub(super) fn push<E>(
    page: &mut Page,
    summary: &Summary,
    run: &str,
    record_of: impl Fn(u32) -> Result<Option<Record>, E>,
) -> Result<String, E> {
    let mut blocks: Vec<String> = Vec::new();
    let mut room = page.room();
    let before = std::iter::once(None).chain(summary.failures.iter().map(Some));
    for (before, failure) in before.zip(&summary.failures) {
        let block = block(failure, before, run);
        // An empty line stands before each.
        let Some(rest) = room.checked_sub(block.chars().count() + 2) else { break };
        room = rest;
        blocks.push(block);
    }
    let mut without_transcript = 0;
    let mut shown = HashSet::new();
    for (block, failure) in blocks.iter_mut().zip(&summary.failures) {
        if !shown.insert(failure.plan) {
            continue;
        }
        let Some(record) = record_of(failure.plan)? else { continue };
        let Some(transcript) = transcript::of(&record, failure.shown_by) else { continue };
        let words = several(record.turns.len() as u64, "turn", "turns");
        let folded = folded_away(&format!("transcript of the conversation, {words}"), &fence("text", &transcript));
        match room.checked_sub(folded.chars().count() + 1) {
            Some(rest) => {
                room = rest;
                block.push('\n');
                block.push_str(&folded);
            }
            None => without_transcript += 1,
        }
    }
    for block in &blocks {
        page.push(block);
    }
    let failures = summary.more_failures + (summary.failures.len() - blocks.len()) as u64;
    Ok(left_out(failures, without_transcript))
}

fn left_out(failures: u64, transcripts: u64) -> String {
    let parts = [
        (failures, "more failure", "more failures", "checks.csv"),
        (transcripts, "more transcript", "more transcripts", "transcripts.csv"),
    ];
    let parts = parts.into_iter().filter(|(number, ..)| *number > 0);
    let parts: Vec<String> =
        parts.map(|(number, one, many, file)| format!("{} in `{file}`", several(number, one, many))).collect();
    if parts.is_empty() { String::new() } else { format!("… and {} of the run", parts.join(", ")) }
}

fn block(failure: &Failure, before: Option<&Failure>, run: &str) -> String {
    let sign = match failure.kind {
        FailureKind::Failed => Verdict::Fail,
        FailureKind::Unknown | FailureKind::Errored => Verdict::Unknown,
    };
    let name = name(&failure.key, failure.trial, failure.turn, &failure.title);
    let evidence = failure_body(failure, before, run, LOOK.width).join("\n");
    let evidence = if evidence.trim().is_empty() { String::new() } else { fence("text", &evidence) + "\n" };
    format!("#### {} {name}\n\n{evidence}{}\n", paint::of_verdict(sign).0, code(&failure.place, PATH))
}

/// What failed: names as code, without what says nothing (no case, a full window).
pub(super) fn name(key: &VariantKey, trial: Option<u32>, turn: Option<TurnId>, title: &str) -> String {
    let vars = vars_in_words(&key.vars);
    let window = if key.window == "full" { String::new() } else { format!("window {}", key.window) };
    let names = [&key.scenario, &key.case, &vars, &key.persona, &key.model, &window];
    let mut parts: Vec<String> =
        names.into_iter().filter(|name| !name.is_empty()).map(|name| code(name, NAME)).collect();
    parts.extend(trial.map(|trial| format!("trial {trial}")));
    parts.extend(turn.map(|turn| turn.named().to_string()));
    parts.push(code(title, NAME));
    parts.join(" · ")
}
