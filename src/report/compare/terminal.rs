//! A comparison as text for the terminal: the answer first, then what got worse, then the numbers.
//!
//! 80 columns suffice. Everything that a model or a file said is made visible before it is laid out.

use super::super::Flaky;
use super::super::paint::{self, Look, Tone};
use super::super::wording::{grouped, one_line, several};
use super::contrast::{Change, Contrast, LeftOut, Remembered};
use super::rows::{self, Table};
use super::wording::{self, answer, deciding, parting, rests_on, verdicts};
use super::{Comparison, Dimension};
use crate::model::{VariantKey, Verdict};
use crate::text::escape::{no_command, visible};
use crate::text::layout::{truncate, width, wrap};

/// So many are named of each list.
const SHOWN: usize = 20;
const DETAIL_LINES: usize = 3;
const INDENT: &str = "    ";
/// So many checks are named of one variant.
const CHECKS: usize = 3;
/// A longer text does not fit on a terminal as it is opened.
const SCREEN: usize = 24;
/// No name in a table is cut below this.
const NARROWEST: usize = 12;

/// The whole text, ending in a line feed.
#[must_use]
pub fn render(comparison: &Comparison, look: Look) -> String {
    let several_sides = comparison.contrasts.len() > 1;
    let mut parts = vec![heading(comparison, look)];
    parts.push(paragraphs(&comparison.remarks, "! ", Tone::Uncertain, look));
    let mut alike = None;
    if several_sides {
        alike = wording::rests_alike(&comparison.contrasts);
        let rests = lines(alike.iter().flat_map(|text| indented(text, "  ", look)));
        parts.extend([table(&rows::rates(comparison), look) + &rests, table(&rows::took(comparison), look)]);
    }
    for (place, contrast) in comparison.contrasts.iter().enumerate() {
        let before = &comparison.contrasts[..place];
        parts.push(answered(contrast, several_sides, look));
        parts.extend(lists(contrast, comparison.by, look));
        if several_sides {
            parts.push(luckily(contrast, alike.is_none(), look));
        } else {
            parts.push(table(&rows::rates(comparison), look) + &luckily(contrast, true, look));
            parts.push(table(&rows::took(comparison), look));
        }
        parts.push(by_scenario(contrast, look));
        parts.push(repeated(contrast, before, look));
        parts.push(flaky(contrast, before, comparison.by, look));
        parts.push(apart(contrast, comparison.by, look));
    }
    parts.push(alone(comparison, look));
    parts.retain(|part| !part.is_empty());
    let mut text = parts.join("\n");
    // What stands at the top has scrolled away by then.
    if text.lines().count() > SCREEN {
        let answers = comparison.contrasts.iter().map(|contrast| answered(contrast, several_sides, look));
        text.push('\n');
        text.extend(answers);
    }
    no_command(&look.spell(&text)).into_owned()
}

fn heading(comparison: &Comparison, look: Look) -> String {
    let sides: Vec<String> = match &comparison.runs[..] {
        [base, new] => {
            let side = |name: &str, run: &super::RunName| {
                let commit = run.commit.as_ref().map_or_else(String::new, |commit| format!(" @ {}", one_line(commit)));
                format!("{name} {}{commit}", one_line(&run.run))
            };
            vec![side("base", base), side("new", new)]
        }
        runs => runs.iter().map(|run| one_line(&run.run)).collect(),
    };
    let by = comparison.by.map_or_else(String::new, |by| format!(" by {}", by.as_str()));
    let text = format!("compare{by} · {}", sides.join(" · "));
    lines(wrap(&text, look.width).iter().map(|line| look.paint(Tone::Heading, line)))
}

fn answered(contrast: &Contrast, is_named: bool, look: Look) -> String {
    let sides = if is_named {
        let [base, new] = wording::sides(contrast).map(|side| one_line(&side));
        format!("{new} against {base}: ")
    } else {
        String::new()
    };
    let text = format!("{sides}{}", answer(contrast));
    lines(wrap(&text, look.width).iter().map(|line| look.paint(Tone::Heading, line)))
}

fn luckily(contrast: &Contrast, is_rest_said: bool, look: Look) -> String {
    let pairs = &contrast.pairs;
    if pairs.number() == 0 {
        return lines(wrap("no conversation was carried through on both sides: there are no rates", look.width));
    }
    let [counts, luck] = wording::changes(contrast, one_line);
    let rests = is_rest_said.then(|| rests_on(contrast));
    lines([Some(counts), Some(luck), rests].iter().flatten().flat_map(|text| indented(text, "  ", look)))
}

fn lists(contrast: &Contrast, by: Option<Dimension>, look: Look) -> Vec<String> {
    let changes = |title: &str, changes: &[Change], verdict: Verdict| {
        let shown = changes.iter().take(SHOWN).flat_map(|one| change(one, by, verdict, look));
        listed(title, shown, changes.len(), look)
    };
    let names = |title: &str, keys: &[VariantKey]| {
        let shown = keys.iter().take(SHOWN).flat_map(|key| indented(&named(key, by), "  ", look));
        listed(title, shown, keys.len(), look)
    };
    vec![
        changes("worse", &contrast.worse, Verdict::Fail),
        changes("better", &contrast.better, Verdict::Pass),
        names("decided alike, with other trials failing", &contrast.wavering),
        names("decided otherwise by marks of known failures alone", &contrast.marked),
        remembered(&contrast.remembered, by, look),
        names("changed only in words", &contrast.words),
    ]
}

fn remembered(all: &[Remembered], by: Option<Dimension>, look: Look) -> String {
    let shown = all.iter().take(SHOWN).flat_map(|one| {
        let checks = one.checks.iter().take(CHECKS).flat_map(|check| {
            let what = one_line(&wording::check(check.turn, &check.title));
            indented(&format!("{what}: {}", wording::outcomes(check, one.trials)), INDENT, look)
        });
        let more = one.checks.len().saturating_sub(CHECKS) as u64;
        let more = (more > 0).then(|| format!("{INDENT}and {}", several(more, "more check", "more checks")));
        indented(&named(&one.key, by), "  ", look).into_iter().chain(checks).chain(more).collect::<Vec<_>>()
    });
    listed("changed in what was remembered", shown, all.len(), look)
}

fn listed(title: &str, shown: impl Iterator<Item = String>, number: usize, look: Look) -> String {
    if number == 0 {
        return String::new();
    }
    let title = look.paint(Tone::Heading, &format!("{title} ({})", grouped(number as u64)));
    let more = number.saturating_sub(SHOWN);
    let more = (more > 0).then(|| format!("  … and {} more: `--format json` has them all", grouped(more as u64)));
    lines([title].into_iter().chain(shown).chain(more))
}

fn change(change: &Change, by: Option<Dimension>, verdict: Verdict, look: Look) -> Vec<String> {
    let (sign, tone) = paint::of_verdict(verdict);
    let Some(check) = deciding(change) else { return Vec::new() };
    let text = format!("{} · {}", named(&change.key, by), one_line(&wording::check(check.turn, &check.title)));
    let mut lines: Vec<String> = Vec::new();
    for (place, line) in wrap(&text, look.width.saturating_sub(2)).iter().enumerate() {
        let before = if place == 0 { look.paint(tone, &sign.to_string()) } else { " ".to_owned() };
        lines.push(format!("{before} {line}"));
    }
    let before = if verdict == Verdict::Pass { "it was: " } else { "" };
    let detail = match visible(&check.detail) {
        detail if detail.is_empty() => verdicts(check),
        detail => format!("{}; {before}{detail}", verdicts(check)),
    };
    lines.extend(indented(&detail, INDENT, look).into_iter().take(DETAIL_LINES));
    let more = change.checks.len() - 1;
    if more > 0 {
        lines.push(format!("{INDENT}and {}", several(more as u64, "more check", "more checks")));
    }
    lines.extend(parting(change).iter().flat_map(|text| indented(text, INDENT, look)));
    lines
}

fn by_scenario(contrast: &Contrast, look: Look) -> String {
    let (rows, changed) = rows::scenarios(contrast, SHOWN);
    let scenarios = contrast.scenarios.len();
    if changed == 0 || scenarios < 2 {
        return String::new();
    }
    let shown = rows.rows.len();
    let parts = [(changed - shown, "more"), (scenarios - changed, "in which nothing changed")];
    let parts = parts.into_iter().filter(|(number, _)| *number > 0);
    let parts: Vec<String> = parts.map(|(number, words)| format!("{} {words}", grouped(number as u64))).collect();
    let rest = if parts.is_empty() { String::new() } else { format!("  and {}\n", parts.join(", ")) };
    table(&rows, look) + &rest
}

fn repeated(contrast: &Contrast, before: &[Contrast], look: Look) -> String {
    let rows = rows::repeated(contrast);
    if rows.rows.is_empty() {
        return String::new();
    }
    let meaning = wording::repeated(before);
    table(&rows, look) + &lines(meaning.into_iter().flat_map(|meaning| indented(meaning, "  ", look)))
}

fn flaky(contrast: &Contrast, before: &[Contrast], by: Option<Dimension>, look: Look) -> String {
    let mut text = String::new();
    let told = usize::from(wording::is_base_told(contrast, before));
    for (side, flaky) in wording::sides(contrast).iter().zip(&contrast.flaky).skip(told) {
        let line = |one: &Flaky| {
            let check = one_line(&wording::check(one.turn, &one.title));
            let (passed, all) = (grouped(one.passed), grouped(one.passed + one.failed));
            format!("{} · {check}: {passed} of {all} passed", named(&one.key, by))
        };
        let shown = flaky.iter().take(SHOWN).flat_map(|one| indented(&line(one), "  ", look));
        text += &listed(&format!("flaky in {}", one_line(side)), shown, flaky.len(), look);
    }
    text
}

/// What is in no pair.
fn apart(contrast: &Contrast, by: Option<Dimension>, look: Look) -> String {
    let mut text = String::new();
    for on_both in [false, true] {
        let all: Vec<&LeftOut> =
            contrast.left_out.iter().filter(|one| wording::is_on_neither(one) == on_both).collect();
        let shown = all.iter().take(SHOWN).flat_map(|one| {
            let trial = if one.trial > 1 { format!(" · trial {}", one.trial) } else { String::new() };
            indented(&format!("{}{trial}: {} → {}", named(&one.key, by), one.base, one.new), "  ", look)
        });
        text += &listed(wording::left_out(on_both), shown, all.len(), look);
    }
    for (side, alone) in wording::sides(contrast).iter().zip(&contrast.unshared) {
        let names = alone.variants.iter().take(SHOWN).flat_map(|key| indented(&named(key, by), "  ", look));
        text += &listed(&format!("only in {}", one_line(side)), names, alone.variants.len(), look);
        let further = alone.conversations > alone.variants.len() as u64;
        if further {
            let number = several(alone.conversations, "conversation", "conversations");
            text += &lines(indented(&format!("{number} of {} have no counterpart", one_line(side)), "  ", look));
        }
    }
    text
}

/// What of one run has nothing beside it.
fn alone(comparison: &Comparison, look: Look) -> String {
    let Some(by) = comparison.by else { return String::new() };
    let variants = &comparison.alone.variants;
    let names = variants.iter().take(SHOWN).flat_map(|key| indented(&named(key, None), "  ", look));
    listed(&format!("with no other {} to compare with", by.as_str()), names, variants.len(), look)
}

fn named(key: &VariantKey, by: Option<Dimension>) -> String {
    wording::variant(key, by).iter().map(|name| one_line(name)).collect::<Vec<_>>().join(" · ")
}

fn paragraphs(texts: &[String], mark: &str, tone: Tone, look: Look) -> String {
    let all = texts.iter().flat_map(|text| {
        let wrapped = wrap(&one_line(text), look.width.saturating_sub(mark.len()));
        let marks = [mark].into_iter().chain(std::iter::repeat("  "));
        marks.zip(wrapped).map(|(mark, line)| look.paint(tone, &format!("{mark}{line}"))).collect::<Vec<_>>()
    });
    lines(all)
}

fn indented(text: &str, indent: &str, look: Look) -> Vec<String> {
    wrap(text, look.width.saturating_sub(indent.len())).into_iter().map(|line| format!("{indent}{line}")).collect()
}

fn lines(lines: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    lines.into_iter().fold(String::new(), |text, line| text + line.as_ref().trim_end() + "\n")
}

/// Columns aligned; the first one, which may hold names, is cut where the terminal is narrow.
fn table(table: &Table, look: Look) -> String {
    if table.rows.is_empty() {
        return String::new();
    }
    let texts: Vec<Vec<String>> = std::iter::once(table.titles.iter().map(|title| (*title).to_owned()).collect())
        .chain(table.rows.iter().map(|row| row.iter().map(|cell| one_line(cell)).collect()))
        .collect();
    let widest = |place: usize| texts.iter().map(|row: &Vec<String>| width(&row[place])).max().unwrap_or(0);
    let mut widths: Vec<usize> = (0..table.titles.len()).map(widest).collect();
    let taken: usize = widths[1..].iter().map(|width| width + 2).sum::<usize>() + 2;
    widths[0] = widths[0].min(look.width.saturating_sub(taken).max(NARROWEST));
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(place, (cell, room))| {
            let cell = truncate(cell, *room);
            // In ASCII, an ellipsis would be three.
            let cell = if look.is_ascii { cell.replace('…', ".") } else { cell };
            let blanks = " ".repeat(room.saturating_sub(width(&cell)));
            if place == 0 { format!("{cell}{blanks}") } else { format!("{blanks}{cell}") }
        });
        format!("  {}", cells.collect::<Vec<_>>().join("  "))
    };
    let titles = look.paint(Tone::Quiet, line(&texts[0]).trim_end());
    lines(std::iter::once(titles).chain(texts[1..].iter().map(line)))
}
