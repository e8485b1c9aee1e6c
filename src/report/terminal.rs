//! The text that ends a run on the terminal: table, retention grids, failures, counts, where to look.
//!
//! The answer first, then the evidence. A pure function of the [`Summary`]: who prints it, and where, is decided
//! elsewhere. Everything that a model, a user or a file said is made visible before it is laid out, and no line can be
//! taken for a command by a CI service.

mod evidence;
mod grid;
mod table;

use std::time::Duration;

pub(super) use self::evidence::body as failure_body;
pub(super) use self::evidence::heading;
pub use self::grid::grids;
pub(super) use self::table::{Cell, checks, memory, note};
use super::files::PAGE;
use super::paint::{self, Tone};
use super::summary::{Flaky, KnownFailure, Summary, Totals};
use super::wording::{grouped, money, one_line, several, time};
use super::{EndCounts, SourceCounts};
use crate::event::{Shard, SnapshotNote};
use crate::model::{Outcome, Source, Verdict};
use crate::text::escape::no_command;
use crate::text::layout::{width, wrap};

pub use super::paint::Look;

/// So many notes on snapshots are shown.
const SNAPSHOTS_SHOWN: usize = 20;

/// So many retention grids are shown.
const GRIDS_SHOWN: usize = 20;

/// What is shown of a run beside its records.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// The run's folder, as the user may type it.
    pub folder: &'a str,
    /// How long the run took; `None` where that is not known any more.
    pub wall: Option<Duration>,
    /// What became of the snapshots.
    pub snapshots: &'a [SnapshotNote],
    /// Which part of a plan the run plays, where it plays a part.
    pub shard: Option<Shard>,
}

/// The whole text, ending in a line feed.
#[must_use]
pub fn render(summary: &Summary, around: Around<'_>, look: Look) -> String {
    let mut parts = vec![table::table(&summary.rows, &summary.totals.variants, look)];
    let grids = grids(&summary.rows, look);
    let more_grids = grids.len().saturating_sub(GRIDS_SHOWN) as u64;
    parts.extend(grids.into_iter().take(GRIDS_SHOWN));
    parts.push(more("retention grid", "retention grids", more_grids, "retention.csv", around.folder));
    let before = std::iter::once(None).chain(summary.failures.iter().map(Some));
    let failures = before.zip(&summary.failures);
    parts.extend(failures.map(|(before, failure)| evidence::failure(failure, before, around.folder, look)));
    parts.push(more("failure", "failures", summary.more_failures, "checks.csv", around.folder));
    parts.push(known_failures(summary, look));
    parts.push(flaky(summary, look));
    parts.push(snapshots(around.snapshots, look));
    parts.push(closing(summary, around, look));
    parts.retain(|part| !part.is_empty());
    let text = parts.join("\n");
    no_command(&look.spell(&text)).into_owned()
}

/// What has no room here, and where it is.
fn more(one: &str, many: &str, number: u64, file: &str, folder: &str) -> String {
    match number {
        0 => String::new(),
        1 => format!("… and 1 more {one}: see {folder}/{file}\n"),
        number => format!("… and {} more {many}: see {folder}/{file}\n", grouped(number)),
    }
}

fn known_failures(summary: &Summary, look: Look) -> String {
    let (sign, tone) = paint::of_verdict(Verdict::KnownFailure);
    let known = summary.known_failures.iter().flat_map(|KnownFailure { key, turn, title, reason }| {
        let text = format!("{} (known: {})", heading(key, None, *turn, title), one_line(reason));
        let starts = [sign].into_iter().chain(std::iter::repeat(' '));
        let lines = starts.zip(wrap(&text, look.width.saturating_sub(2)));
        lines.map(|(start, line)| look.paint(tone, &format!("{start} {line}"))).collect::<Vec<_>>()
    });
    let more = summary.more_known_failures;
    lines(known.chain((more > 0).then(|| format!("{sign} and {} more known to fail", grouped(more)))))
}

fn flaky(summary: &Summary, look: Look) -> String {
    let more = summary.more_flaky;
    if summary.flaky.is_empty() && more == 0 {
        return String::new();
    }
    let title = look.paint(Tone::Heading, "flaky: passed in some trials and failed in others");
    let named = summary.flaky.iter().flat_map(|Flaky { key, turn, title, passed, failed }| {
        let text = format!("{}: {passed} of {} passed", heading(key, None, *turn, title), passed + failed);
        wrap(&text, look.width.saturating_sub(2)).into_iter().map(|line| format!("  {line}"))
    });
    let more = (more > 0).then(|| format!("  and {} more", grouped(more)));
    lines([title].into_iter().chain(named).chain(more))
}

/// `trials: pass@1 75 % · pass@4 100 % · pass^4 50 %`; `None` where trials tell nothing more than one would.
pub(super) fn trials(totals: &Totals) -> Option<String> {
    let repeated = &totals.repeated;
    let all = repeated.rate(repeated.most_trials())?;
    let one = repeated.rate(1).filter(|_| all.at_least_one > all.all)?;
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    let (one, any, each, k) = (percent(one.all), percent(all.at_least_one), percent(all.all), all.k);
    Some(format!("trials: pass@1 {one} · pass@{k} {any} (at least one of {k}) · pass^{k} {each} (all {k})"))
}

fn snapshots(notes: &[SnapshotNote], look: Look) -> String {
    let (sign, tone) = paint::of_verdict(Verdict::Fail);
    // Those that fail the run come first: they must not be among the ones that are left out.
    let (failures, others): (Vec<_>, Vec<_>) = notes.iter().partition(|note| note.is_failure);
    let shown = failures.iter().chain(&others).take(SNAPSHOTS_SHOWN).map(|note| {
        let sign = if note.is_failure { look.paint(tone, &sign.to_string()) } else { " ".into() };
        format!("{sign} {}: {}", one_line(&note.path), one_line(&note.what))
    });
    let more = notes.len().saturating_sub(SNAPSHOTS_SHOWN);
    let more = (more > 0).then(|| format!("  … and {more} more snapshots"));
    let is_pending = notes.iter().any(|note| note.is_pending);
    let help = is_pending.then(|| {
        "  help: `chat-eval review` goes through what waits; `--list` shows it, `--accept` accepts it".to_owned()
    });
    lines(shown.chain(more).chain(help))
}

fn closing(summary: &Summary, around: Around<'_>, look: Look) -> String {
    let totals = &summary.totals;
    let counts = joined(counts(totals, around, look).into_iter(), " · ", look);
    let replies = replies(&totals.usage.replies).map(|replies| joined(replies, ", ", look));
    lines(
        [
            empty_shard(totals, around.shard),
            Some(counts),
            trials(totals),
            unseen(totals).map(|words| joined(words.into_iter(), " · ", look)),
            replies,
            Some(format!("{}/{PAGE}", around.folder)),
        ]
        .into_iter()
        .flatten(),
    )
}

/// What the signs of the column `memory` say of bots that keep their history themselves; `None` where there is none.
pub(super) fn unseen(totals: &Totals) -> Option<[String; 2]> {
    let sign = |outcome| paint::of_outcome(outcome).0;
    let (recalled, not) = (sign(Outcome::Retained), sign(Outcome::Forgotten));
    let words = [format!("memory of bots: {recalled} recalled, {not} not recalled"), "visible: unknown".to_owned()];
    totals.has_unseen.then_some(words)
}

/// What the run came to, what it took and what it saved, each a piece.
pub(super) fn counts(totals: &Totals, around: Around<'_>, look: Look) -> Vec<String> {
    let usage = &totals.usage;
    let failed_snapshots = around.snapshots.iter().filter(|note| note.is_failure).count() as u64;
    let calls = several(usage.calls, "call", "calls");
    let skipped = totals.conversations.skipped;
    let parts = [
        Some(of_shard(around.shard) + &look.paint(Tone::Heading, &ends(&totals.variants)) + &of_trials(totals)),
        (totals.not_begun > 0).then(|| several(totals.not_begun, "conversation not begun", "conversations not begun")),
        (totals.left_out > 0).then(|| left_out(totals)),
        (skipped > 0).then(|| several(skipped, "conversation", "conversations") + " skipped: " + why_skipped(totals)),
        (failed_snapshots > 0).then(|| several(failed_snapshots, "snapshot failed", "snapshots failed")),
        Some(
            around.wall.map_or_else(|| calls.clone(), |wall| format!("{calls} in {}", with_bound(wall, totals.bound))),
        ),
        (usage.replies.shared > 0)
            .then(|| several(usage.replies.shared, "call", "calls") + " saved, since another sent the same"),
        (usage.retries > 0).then(|| several(usage.retries, "retry", "retries")),
        cost(totals),
        usage.saved().and_then(saved),
    ];
    parts.into_iter().flatten().collect()
}

/// `12 trials left out, decided without them: up to 36 calls saved`.
fn left_out(totals: &Totals) -> String {
    let trials = several(totals.left_out, "trial", "trials");
    let them = if totals.left_out == 1 { "it" } else { "them" };
    format!(
        "{trials} left out, decided without {them}: up to {} saved",
        several(totals.calls_left_out, "call", "calls")
    )
}

/// `shard 2/3: `, in front of the counts.
fn of_shard(shard: Option<Shard>) -> String {
    shard.map_or_else(String::new, |shard| format!("shard {shard}: "))
}

/// Of few scenarios a part may have none, which is no mistake.
pub(super) fn empty_shard(totals: &Totals, shard: Option<Shard>) -> Option<String> {
    let is_empty = totals.conversations.total() + totals.not_begun == 0;
    let shard = shard.filter(|_| is_empty)?;
    Some(format!("no scenario or case of the plan falls into shard {shard}: there was nothing to play"))
}

/// A shorter one is shown as `0.0 s`: nothing was really called.
const LEAST_BOUND: Duration = Duration::from_millis(50);

/// `12.4 s (bound 11.8 s)`. In a run of less than a second, or without calls, it is not calls that take the time.
fn with_bound(wall: Duration, bound: Option<Duration>) -> String {
    match bound {
        Some(bound) if wall >= Duration::from_secs(1) && bound >= LEAST_BOUND => {
            format!("{} (bound {})", time(wall), time(bound))
        }
        _ => time(wall),
    }
}

/// A budget of nothing is none that could be spent.
fn why_skipped(totals: &Totals) -> &'static str {
    if has_nothing_to_spend(totals) { "the budget is $0" } else { "the budget is spent" }
}

fn has_nothing_to_spend(totals: &Totals) -> bool {
    totals.max_cost_usd.is_some_and(|cap| cap <= 0.0)
}

/// `$0.012`, and with a budget `$4.98 of $5.00, $0.020 more reserved for calls of unknown usage`.
fn cost(totals: &Totals) -> Option<String> {
    let cost = totals.usage.cost_usd;
    let Some(cap) = totals.max_cost_usd else { return cost.map(money) };
    let reserved = totals.usage.reserved_usd.filter(|usd| *usd > 0.0);
    if has_nothing_to_spend(totals) && reserved.is_none() && cost.is_none_or(|cost| cost <= 0.0) {
        return Some("nothing spent: the budget is $0".to_owned());
    }
    let reserved =
        reserved.map_or_else(String::new, |usd| format!(", {} more reserved for calls of unknown usage", money(usd)));
    let cost = cost.unwrap_or(0.0);
    // Less than any price, and more than the dust of adding up.
    let above = if cost > cap + 1e-9 {
        ", which is more than it: a provider counted more tokens than it was asked for"
    } else {
        ""
    };
    Some(format!("{} of {}{above}{reserved}", money(cost), money(cap)))
}

/// With several trials the counts are, as the signs of the table, those of variants; then it is said.
fn of_trials(totals: &Totals) -> String {
    let (variants, conversations) = (totals.variants.total(), totals.conversations.total());
    if conversations == variants {
        return String::new();
    }
    format!(" of {} ({} conversations)", several(variants, "variant", "variants"), grouped(conversations))
}

/// Parts on one line, or on as many as the width asks for.
fn joined(parts: impl Iterator<Item = String>, between: &str, look: Look) -> String {
    let plain_width = |text: &str| width(&console::strip_ansi_codes(text));
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        match lines.last_mut() {
            Some(line) if plain_width(line) + width(between) + plain_width(&part) <= look.width => {
                *line = format!("{line}{between}{part}");
            }
            _ => lines.push(part),
        }
    }
    lines.join("\n")
}

fn lines(lines: impl IntoIterator<Item = String>) -> String {
    lines.into_iter().map(|line| line + "\n").collect()
}

fn ends(ends: &EndCounts) -> String {
    let is_shown = |word: &str, number: u64| number > 0 || word == "passed";
    let words = ends.each().into_iter().filter(|(end, number)| is_shown(end.as_str(), *number));
    words.map(|(end, number)| format!("{} {end}", grouped(number))).collect::<Vec<_>>().join(", ")
}

/// Replies by where they came from; `None` without any.
pub(super) fn replies(replies: &SourceCounts) -> Option<impl Iterator<Item = String>> {
    let words = replies.each().into_iter().filter(|(_, number)| *number > 0).map(|(source, number)| match source {
        Source::Builtin => format!("{} builtin (a measuring instrument, no language model)", grouped(number)),
        other => format!("{} {other}", grouped(number)),
    });
    (replies.total() > 0).then_some(words.enumerate().map(
        |(place, word)| {
            if place == 0 { format!("replies: {word}") } else { word }
        },
    ))
}

fn saved(share: f64) -> Option<String> {
    // Something was sent: all but nothing is not all.
    let percent = (share * 100.0).round().min(99.0);
    (percent >= 1.0).then(|| format!("{percent:.0} % fewer tokens than full history"))
}

#[cfg(test)]
mod tests;
