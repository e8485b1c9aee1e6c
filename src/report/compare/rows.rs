//! The tables of a comparison as plain texts, which each format lays out.

use super::super::wording::{grouped, money};
use super::contrast::{Contrast, ScenarioPairs};
use super::wording::{measure, milliseconds, p_number, passed, points, points_range, range, share};
use super::{Comparison, Measures, Rate};

/// A table. What stands in its first column may be a stranger's text, as `is_named` says; all else is ours.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) is_named: bool,
    pub(super) titles: Vec<&'static str>,
    pub(super) rows: Vec<Vec<String>>,
}

impl Table {
    fn new(is_named: bool, titles: &[&'static str], rows: Vec<Vec<String>>) -> Self {
        let mut table = Self { is_named, titles: titles.to_vec(), rows };
        table.leave_out_empty();
        table
    }

    /// Without columns in which nothing is known.
    fn leave_out_empty(&mut self) {
        let is_there: Vec<bool> = (0..self.titles.len())
            .map(|place| place == 0 || self.rows.iter().any(|row| !row[place].is_empty()))
            .collect();
        let keep = |place: &usize| is_there[*place];
        self.titles = (0..self.titles.len()).filter(keep).map(|place| self.titles[place]).collect();
        for row in &mut self.rows {
            *row = (0..row.len()).filter(keep).map(|place| std::mem::take(&mut row[place])).collect();
        }
    }
}

/// The sides by their rates.
pub(super) fn rates(comparison: &Comparison) -> Table {
    let mut rows: Vec<Vec<String>> = Vec::new();
    let side = |name: &str, rate: Rate| {
        vec![name.to_owned(), passed(rate), share(rate.share(), rate.decided), range(rate.interval(), rate.decided)]
    };
    for (contrast, is_first) in with_first(comparison) {
        if is_first {
            let mut base = side(&contrast.base, contrast.pairs.base);
            base.extend([String::new(), String::new(), String::new()]);
            rows.push(base);
        }
        let mut new = side(&contrast.new, contrast.pairs.new);
        new.extend([
            points(contrast.pairs.difference(), contrast.pairs.number()),
            points_range(contrast.interval, contrast.pairs.number()),
            if contrast.pairs.number() == 0 { String::new() } else { p_number(contrast.p_holm) },
        ]);
        rows.push(new);
    }
    let p = if comparison.contrasts.len() > 1 { "p (Holm)" } else { "p" };
    let first = comparison.by.map_or("", super::Dimension::as_str);
    Table::new(true, &[first, "passed", "rate", "95 % interval", "difference", "95 % interval", p], rows)
}

/// The sides by what they took; without rows where nothing is known.
pub(super) fn took(comparison: &Comparison) -> Table {
    let mut rows = Vec::new();
    let side = |name: &str, measures: &Measures, is_base: bool| {
        vec![
            name.to_owned(),
            measure(measures.words_per_reply, is_base, |words| format!("{words:.1}")),
            measure(measures.tokens_sent, is_base, whole),
            measure(measures.tokens_reply, is_base, whole),
            measure(measures.cost_usd, is_base, money),
            measure(measures.latency_ms, is_base, milliseconds),
        ]
    };
    for (contrast, is_first) in with_first(comparison) {
        if is_first {
            rows.push(side(&contrast.base, &contrast.measures, true));
        }
        rows.push(side(&contrast.new, &contrast.measures, false));
    }
    rows.retain(|row| row[1..].iter().any(|cell| !cell.is_empty()));
    let first = comparison.by.map_or("", super::Dimension::as_str);
    Table::new(true, &[first, "words/reply", "turn tokens sent", "turn tokens reply", "cost", "latency"], rows)
}

/// Each contrast, and whether the first side has its line in front of it: once, and again where it has other pairs with
/// this one than with the one before.
fn with_first(comparison: &Comparison) -> impl Iterator<Item = (&Contrast, bool)> {
    let before = std::iter::once(None).chain(comparison.contrasts.iter().map(Some));
    before.zip(&comparison.contrasts).map(|(before, contrast)| {
        (
            contrast,
            before.is_none_or(|before| (&before.base, before.pairs.base) != (&contrast.base, contrast.pairs.base)),
        )
    })
}

/// The scenarios in which something changed, those that are least likely luck first; and how many these are.
pub(super) fn scenarios(contrast: &Contrast, most: usize) -> (Table, usize) {
    let is_changed = |one: &&ScenarioPairs| one.pairs.worsened + one.pairs.improved > 0;
    let mut changed: Vec<&ScenarioPairs> = contrast.scenarios.iter().filter(is_changed).collect();
    changed.sort_by(|one, other| one.pairs.p().total_cmp(&other.pairs.p()));
    let rows = changed.iter().take(most).map(|one| {
        let pairs = &one.pairs;
        vec![
            one.scenario.clone(),
            passed(pairs.base),
            passed(pairs.new),
            grouped(pairs.worsened),
            grouped(pairs.improved),
            p_number(one.p_holm),
        ]
    });
    let titles = ["scenario", "base", "new", "base alone", "new alone", "p (Holm)"];
    (Table::new(true, &titles, rows.collect()), changed.len())
}

/// What trying several times comes to.
pub(super) fn repeated(contrast: &Contrast) -> Table {
    let rows = contrast.repeated.iter().map(|(base, new)| {
        let percent = |rate: f64| share(Some(rate), 0);
        vec![
            base.k.to_string(),
            percent(base.at_least_one),
            percent(new.at_least_one),
            percent(base.all),
            percent(new.all),
            grouped(base.variants),
        ]
    });
    let titles = ["k", "pass@k base", "pass@k new", "pass^k base", "pass^k new", "variants"];
    Table::new(false, &titles, rows.collect())
}

fn whole(number: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a sum of counts")]
    let number = number.round() as u64;
    grouped(number)
}
