//! A comparison as Markdown for the comment on a pull request. No text of a model, a user or a file stands outside of code, and
//! the page is no longer than GitHub takes.

use super::super::Flaky;
use super::super::wording::{grouped, several};
use super::contrast::{Change, Contrast, LeftOut, Remembered};
use super::rows::{self, Table};
use super::wording::{self, ENOUGH_SCENARIOS, answer, deciding, parting, rests_on, verdicts};
use super::{Comparison, Dimension};
use crate::model::VariantKey;
use crate::text::markdown::{PAGE, Page, code, code_in_cell, folded_away};

/// By this line a workflow finds its own comment again. Nobody sees it.
pub const MARK: &str = "<!-- chat-eval compare -->";

/// So many lines are shown of a list, and so many of one that is folded away.
const SHOWN: usize = 20;
const FOLDED: usize = 100;
/// So many checks are named of one variant.
const CHECKS: usize = 3;
/// Names and reasons are cut behind so many characters.
const NAME: usize = 120;
const DETAIL: usize = 200;

/// The whole page, ending in a line feed.
#[must_use]
pub fn render(comparison: &Comparison) -> String {
    let several_sides = comparison.contrasts.len() > 1;
    let mut page = Page::new(PAGE);
    page.push(MARK);
    page.push(&headline(comparison));
    page.push(&runs(comparison));
    let remarks: Vec<String> = comparison.remarks.iter().map(|remark| format!("- {}", code(remark, PAGE))).collect();
    page.push(&remarks.join("\n"));
    page.push(&table(&rows::rates(comparison)));
    let alike = if several_sides { wording::rests_alike(&comparison.contrasts) } else { None };
    if let Some(rests) = alike.as_ref().filter(|_| comparison.contrasts.iter().any(is_weak)) {
        page.push(rests);
    }
    let mut left_out = false;
    for contrast in &comparison.contrasts {
        let mut parts = Vec::new();
        if several_sides {
            let [base, new] = wording::sides(contrast).map(|side| code(&side, NAME));
            let sides = format!("{new} against {base}");
            parts.push(format!("#### {sides}\n\n{}", answer(contrast)));
        }
        parts.push(luckily(contrast, alike.is_none()));
        parts.extend(lists(contrast, comparison.by));
        for part in parts {
            left_out |= !page.push(&part);
        }
    }
    left_out |= !page.push(&table(&rows::took(comparison)));
    for (place, contrast) in comparison.contrasts.iter().enumerate() {
        for part in below(contrast, &comparison.contrasts[..place], comparison.by) {
            left_out |= !page.push(&part);
        }
    }
    if let Some(by) = comparison.by {
        let alone = &comparison.alone.variants;
        let names = alone.iter().map(|key| format!("- {}\n", named(key, None)));
        left_out |=
            !page.push(&list(&format!("With no other {} to compare with", by.as_str()), alone.len(), SHOWN, names));
    }
    if left_out {
        page.push("Not all had room on this page: `chat-eval compare --format json` has it.");
    }
    page.finish()
}

fn headline(comparison: &Comparison) -> String {
    let sign = if comparison.is_worse() { '✗' } else { '✓' };
    match &comparison.contrasts[..] {
        [contrast] => format!("### {sign} chat-eval compare: {}", answer(contrast)),
        contrasts => {
            let worse = contrasts.iter().filter(|contrast| !contrast.worse.is_empty()).count() as u64;
            let by = comparison.by.map_or("side", Dimension::as_str);
            let number = contrasts.len() as u64;
            let base = contrasts.first().map_or_else(String::new, |contrast| code(&wording::sides(contrast)[0], NAME));
            format!("### {sign} chat-eval compare: {} of {number} {by}s fail what {base} passes", grouped(worse))
        }
    }
}

fn runs(comparison: &Comparison) -> String {
    let name = |run: &super::RunName| {
        let commit = run.commit.as_ref().map_or_else(String::new, |commit| format!(" at {}", code(commit, NAME)));
        format!("{}{commit}", code(&run.run, NAME))
    };
    let by = comparison.by.map_or_else(String::new, |by| format!(", by {}", by.as_str()));
    match &comparison.runs[..] {
        [base, new] => format!("base {} · new {}{by}", name(base), name(new)),
        runs => format!("run {}{by}", runs.iter().map(name).collect::<Vec<_>>().join(", ")),
    }
}

/// Whether the interval of the difference is to be taken with care, or is not there.
fn is_weak(contrast: &Contrast) -> bool {
    contrast.interval.is_none() || contrast.scenarios.len() < ENOUGH_SCENARIOS
}

fn luckily(contrast: &Contrast, is_rest_said: bool) -> String {
    let pairs = &contrast.pairs;
    if pairs.number() == 0 {
        return "No conversation was carried through on both sides: there are no rates.".to_owned();
    }
    let rests = if is_rest_said && is_weak(contrast) { format!("  \n{}", rests_on(contrast)) } else { String::new() };
    let [counts, luck] = wording::changes(contrast, |name| code(name, NAME));
    format!("{counts}: **{luck}**{rests}")
}

fn lists(contrast: &Contrast, by: Option<Dimension>) -> Vec<String> {
    let changes = |title: &str, sign: char, changes: &[Change]| {
        list(title, changes.len(), SHOWN, changes.iter().filter_map(|one| change(one, sign, by)))
    };
    let names = |title: &str, keys: &[VariantKey]| {
        let lines = list("", keys.len(), FOLDED, keys.iter().map(|key| format!("- {}\n", named(key, by))));
        if keys.is_empty() {
            return String::new();
        }
        folded_away(&format!("{title} ({})", grouped(keys.len() as u64)), &lines)
    };
    vec![
        changes("Worse", '✗', &contrast.worse),
        changes("Better", '✓', &contrast.better),
        names("decided alike, with other trials failing", &contrast.wavering),
        names("decided otherwise by marks of known failures alone", &contrast.marked),
        list(
            "Changed in what was remembered",
            contrast.remembered.len(),
            SHOWN,
            contrast.remembered.iter().map(|one| remembered(one, by)),
        ),
        names("changed only in words", &contrast.words),
    ]
}

fn remembered(one: &Remembered, by: Option<Dimension>) -> String {
    let checks = one.checks.iter().take(CHECKS).map(|check| {
        let turn = check.turn.map_or_else(String::new, |turn| format!("{}, ", turn.named()));
        format!("{turn}{}: {}", code(&check.title, NAME), wording::outcomes(check, one.trials))
    });
    let mut checks: Vec<String> = checks.collect();
    let more = one.checks.len().saturating_sub(CHECKS) as u64;
    checks.extend((more > 0).then(|| format!("and {}", several(more, "more check", "more checks"))));
    format!("- {}: {}\n", named(&one.key, by), checks.join("; "))
}

fn change(change: &Change, sign: char, by: Option<Dimension>) -> Option<String> {
    let check = deciding(change)?;
    let before = if sign == '✓' { "it was: " } else { "" };
    let detail = match check.detail.as_str() {
        "" => String::new(),
        detail => format!("  \n  {before}{}", code(detail, DETAIL)),
    };
    let more = change.checks.len() - 1;
    let more =
        if more > 0 { format!(", and {}", several(more as u64, "more check", "more checks")) } else { String::new() };
    let turn = check.turn.map_or_else(String::new, |turn| format!("{}, ", turn.named()));
    let title = code(&check.title, NAME);
    let parting = parting(change).map_or_else(String::new, |text| format!("; {text}"));
    Some(format!("- {sign} {}: {turn}{title}: {}{more}{parting}{detail}\n", named(&change.key, by), verdicts(check)))
}

fn list(title: &str, number: usize, most: usize, lines: impl Iterator<Item = String>) -> String {
    if number == 0 {
        return String::new();
    }
    let title = if title.is_empty() { String::new() } else { format!("#### {title} ({})\n\n", grouped(number as u64)) };
    let more = number.saturating_sub(most);
    let more = if more > 0 { format!("- and {} more\n", grouped(more as u64)) } else { String::new() };
    title + &lines.take(most).collect::<String>() + &more
}

/// What is looked up rather than read.
fn below(contrast: &Contrast, before: &[Contrast], by: Option<Dimension>) -> Vec<String> {
    let mut parts = Vec::new();
    let (scenarios, changed) = rows::scenarios(contrast, FOLDED);
    if changed > 0 && contrast.scenarios.len() > 1 {
        let summary = format!("{} with changes", several(changed as u64, "scenario", "scenarios"));
        parts.push(folded_away(&summary, &table(&scenarios)));
    }
    let repeated = rows::repeated(contrast);
    if !repeated.rows.is_empty() {
        let meaning = wording::repeated(before).map_or_else(String::new, |meaning| format!("\n{meaning}\n"));
        parts.push(table(&repeated) + &meaning);
    }
    let sides = wording::sides(contrast);
    let told = usize::from(wording::is_base_told(contrast, before));
    for (side, flaky) in sides.iter().zip(&contrast.flaky).skip(told) {
        let line = |one: &Flaky| {
            let turn = one.turn.map_or_else(String::new, |turn| format!("{}, ", turn.named()));
            let (passed, all) = (grouped(one.passed), grouped(one.passed + one.failed));
            format!("- {}: {turn}{}: {passed} of {all} passed\n", named(&one.key, by), code(&one.title, NAME))
        };
        let title = format!("Flaky in {}", code(side, NAME));
        parts.push(list(&title, flaky.len(), SHOWN, flaky.iter().map(line)));
    }
    for on_both in [false, true] {
        let all: Vec<&LeftOut> =
            contrast.left_out.iter().filter(|one| wording::is_on_neither(one) == on_both).collect();
        let lines = all
            .iter()
            .map(|one| format!("- {}, trial {}: {} → {}\n", named(&one.key, by), one.trial, one.base, one.new));
        let title = wording::left_out(on_both).replacen('l', "L", 1);
        parts.push(list(&title, all.len(), SHOWN, lines));
    }
    for (side, alone) in sides.iter().zip(&contrast.unshared) {
        let names = alone.variants.iter().map(|key| format!("- {}\n", named(key, by)));
        parts.push(list(&format!("Only in {}", code(side, NAME)), alone.variants.len(), SHOWN, names));
    }
    parts
}

fn named(key: &VariantKey, by: Option<Dimension>) -> String {
    code(&wording::variant(key, by).join(" · "), 3 * NAME)
}

fn table(table: &Table) -> String {
    if table.rows.is_empty() {
        return String::new();
    }
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let rule = |place: usize| if place == 0 { "---" } else { "--:" }.to_owned();
    let mut text = line(table.titles.iter().map(|title| (*title).to_owned()).collect());
    text += &line((0..table.titles.len()).map(rule).collect());
    for row in &table.rows {
        let cells = row.iter().enumerate().map(|(place, cell)| match (place, table.is_named) {
            (0, true) => code_in_cell(cell, NAME),
            _ if cell.is_empty() => "–".to_owned(),
            _ => cell.clone(),
        });
        text += &line(cells.collect());
    }
    text
}
