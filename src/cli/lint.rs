//! The memory lint on the command line: of which plan, and how much of it is shown.

use super::commands::check::plural;
use super::config::{Config, ProviderConfig};
use super::console::Console;
use super::models::resolve;
use super::show_diagnostics;
use crate::diagnostic::{Diagnostic, Severity};
use crate::run::lint::{Extent, Linted, LintedModel, as_warnings, lint};
use crate::run::plan::Plan;
use crate::text::escape::{no_command, visible};

/// So many warnings `check` shows in full.
const SHOWN: usize = 50;
/// So many lines of warnings stand before a run.
const SHOWN_BEFORE_RUN: usize = 10;
/// So many turns are looked at, each times its facts.
const MOST: usize = 2_000_000;
/// So many before a run, which is not to be kept waiting.
const MOST_BEFORE_RUN: usize = 100_000;
/// Of each scenario the first so many cases, as a sample: they differ by what is filled in alone.
const CASES_BEFORE_RUN: usize = 10;

/// What `check` says of a plan from which nothing was left out.
#[must_use]
pub fn of(plan: &Plan, config: &Config) -> Linted {
    lint(plan, Extent { is_whole: true, cases: usize::MAX, most: MOST }, &|name| linted(config, name))
}

/// What the lint must know of a model.
#[must_use]
pub fn linted(config: &Config, name: &str) -> LintedModel {
    let model = resolve(config, name).ok();
    let is_embedded = model.as_ref().is_some_and(|model| matches!(model.provider, ProviderConfig::Builtin(_)));
    let keeps_history = model.as_ref().is_some_and(|model| model.provider.keeps_history());
    let tokenizer = model.map(|model| model.tokenizer).unwrap_or_default();
    LintedModel { tokenizer, is_language_model: !is_embedded, keeps_history }
}

/// How many errors and how many warnings there are.
#[must_use]
pub fn counts(linted: &Linted) -> (usize, usize) {
    let errors = linted.diagnostics.iter().filter(|found| found.severity == Severity::Error).count();
    (errors, linted.diagnostics.len() - errors)
}

/// Shows each error, and the first warnings.
pub fn show_all(linted: &Linted, console: &Console) {
    let (_, warnings) = counts(linted);
    let mut left = SHOWN;
    let shown: Vec<Diagnostic> = linted
        .diagnostics
        .iter()
        .filter(|found| {
            let is_shown = found.severity == Severity::Error || left > 0;
            left = left.saturating_sub(usize::from(found.severity == Severity::Warning));
            is_shown
        })
        .cloned()
        .collect();
    if warnings > SHOWN {
        console.error(&format!("{}, of which the first {SHOWN} are shown\n", plural(warnings, "warning")));
    }
    if !shown.is_empty() {
        show_diagnostics(console, &shown);
    }
    if linted.left_out > 0 {
        let scripts = plural(linted.left_out, "script");
        console.remark(&format!("the memory lint left out {scripts} of the last cases: the others were work enough"));
    }
}

/// Shows what a run is going to meet, a line each. No error ends it: the checks fail by themselves.
pub fn show_before_run(plan: &Plan, config: &Config, console: &Console) {
    let extent = Extent { is_whole: false, cases: CASES_BEFORE_RUN, most: MOST_BEFORE_RUN };
    let found = as_warnings(lint(plan, extent, &|name| linted(config, name)).diagnostics);
    for warning in found.iter().take(SHOWN_BEFORE_RUN) {
        console.remark(&line(warning));
    }
    if let Some(more) = found.len().checked_sub(SHOWN_BEFORE_RUN).filter(|more| *more > 0) {
        console.remark(&format!("… and {} more; `chat-eval check` shows them", plural(more, "warning")));
    }
}

/// `warning[only-by-reply]: scenarios/a.yaml:12: …`.
fn line(warning: &Diagnostic) -> String {
    let label = warning.labels.first();
    let place = warning.source.as_ref().zip(label).map(|(source, label)| {
        let line = source.text[..label.span.start].matches('\n').count() + 1;
        format!("{}:{line}: ", source.path)
    });
    let at = label.map(|label| &*label.text).filter(|text| !text.is_empty());
    let at = at.map(|text| format!(" ({text})")).unwrap_or_default();
    let text = format!("warning[{}]: {}{}{at}", warning.code, place.unwrap_or_default(), warning.message);
    no_command(&visible(&text)).replace('\n', " ")
}
