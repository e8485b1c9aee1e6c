//! How a comparison's numbers are worded for people who are no statisticians: what they allow one to say, and no more.

use super::super::wording::{grouped, several, time_of_ms, vars_in_words};
use super::contrast::{Change, CheckChange, Contrast, LeftOut, OutcomeChange, Pairs, Rate};
use super::{Both, Dimension};
use crate::model::{End, TurnId, VariantKey, Verdict};
use crate::stats::Interval;

/// From so many changes on, all of them one way, the test's p can be below 0.05.
const ENOUGH_CHANGES: u64 = 6;
/// With fewer scenarios, an interval that is drawn from them is clearly too narrow.
pub(super) const ENOUGH_SCENARIOS: usize = 10;

/// `p = 0.34`, `p < 0.001`.
pub(super) fn p_value(p: f64) -> String {
    if p < 0.001 { "p < 0.001".to_owned() } else { format!("p = {}", p_number(p)) }
}

/// The same in a table.
pub(super) fn p_number(p: f64) -> String {
    match p {
        p if p < 0.001 => "<0.001".to_owned(),
        p if p < 0.1 => format!("{p:.3}"),
        p => format!("{p:.2}"),
    }
}

/// Whether what changed may be luck.
pub(super) fn luck(pairs: &Pairs, p: f64) -> String {
    let changes = pairs.worsened + pairs.improved;
    let words = match p {
        _ if changes == 0 => return "no conversation came out otherwise".to_owned(),
        _ if changes < ENOUGH_CHANGES => "too few changes to tell from luck",
        p if p >= 0.2 => "could well be luck",
        p if p >= 0.05 => "may be luck",
        p if p >= 0.01 => "unlikely to be luck",
        _ => "hardly luck",
    };
    format!("{words} ({})", p_value(p))
}

/// `20/23`.
pub(super) fn passed(rate: Rate) -> String {
    format!("{}/{}", grouped(rate.passed), grouped(rate.decided))
}

/// Where there are so many pairs, a tenth of a percent is worth showing.
const MANY: u64 = 1000;

fn decimals(pairs: u64) -> usize {
    usize::from(pairs >= MANY)
}

/// `87 %`.
pub(super) fn share(share: Option<f64>, pairs: u64) -> String {
    share.map_or_else(String::new, |share| format!("{:.*} %", decimals(pairs), share * 100.0))
}

/// `68 to 95 %`.
pub(super) fn range(interval: Option<Interval>, pairs: u64) -> String {
    let decimals = decimals(pairs);
    interval.map_or_else(String::new, |Interval { low, high }| {
        format!("{:.decimals$} to {:.decimals$} %", low * 100.0, high * 100.0)
    })
}

/// `+4 points`, with a sign.
pub(super) fn points(difference: Option<f64>, pairs: u64) -> String {
    difference.map_or_else(String::new, |difference| format!("{} points", signed(difference, decimals(pairs))))
}

/// `-17 to +9`, in points.
pub(super) fn points_range(interval: Option<Interval>, pairs: u64) -> String {
    let end = |share: f64| signed(share, decimals(pairs));
    interval.map_or_else(String::new, |Interval { low, high }| format!("{} to {}", end(low), end(high)))
}

/// Of what is rounded to nothing, no sign.
fn signed(share: f64, decimals: usize) -> String {
    let text = format!("{:+.decimals$}", share * 100.0);
    if text.contains(|digit| ('1'..='9').contains(&digit)) { text } else { "0".to_owned() }
}

/// `449 ms`, from a second on `4.1 s`.
pub(super) fn milliseconds(milliseconds: f64) -> String {
    if milliseconds < 1000.0 { format!("{milliseconds:.0} ms") } else { time_of_ms(milliseconds) }
}

/// A number with the change behind it, on the second side: `15.0 +22%`.
pub(super) fn measure(both: Both, is_base: bool, word: impl Fn(f64) -> String) -> String {
    let Some(number) = (if is_base { both.base } else { both.new }) else { return String::new() };
    match both.change().filter(|_| !is_base).map(|change| signed(change, 0)) {
        Some(change) if change != "0" => format!("{} {change}%", word(number)),
        _ => word(number),
    }
}

/// `of 23 pairs, 2 passed in base alone and 1 in new alone`, and whether that may be luck.
pub(super) fn changes(contrast: &Contrast, name: impl Fn(&str) -> String) -> [String; 2] {
    let [base, new] = sides(contrast).map(|side| name(&side));
    let pairs = &contrast.pairs;
    let number = several(pairs.number(), "pair", "pairs");
    let (worsened, improved) = (grouped(pairs.worsened), grouped(pairs.improved));
    let counts = format!("of {number}, {worsened} passed in {base} alone and {improved} in {new} alone");
    [counts, luck(pairs, contrast.p_holm)]
}

/// What the interval of the difference rests on.
pub(super) fn rests_on(contrast: &Contrast) -> String {
    let scenarios = contrast.scenarios.len();
    let number = several(scenarios as u64, "scenario", "scenarios");
    match contrast.interval {
        None if scenarios < 2 => {
            format!("no interval of the difference: it takes several scenarios, and there is {number}")
        }
        None => format!("no interval of the difference: it is the same in each of {number}, which is no certainty"),
        Some(_) if scenarios < ENOUGH_SCENARIOS => {
            format!("the interval of the difference is drawn from {number}: with so few it is too narrow")
        }
        Some(_) => format!("the interval of the difference is drawn from {number} (95 %)"),
    }
}

/// What the sides are called in a sentence: of a window the label alone would be a number.
pub(super) fn sides(contrast: &Contrast) -> [String; 2] {
    [&contrast.base, &contrast.new].map(|name| match contrast.by {
        Some(Dimension::Window) => format!("window {name}"),
        _ => name.clone(),
    })
}

/// What all of several intervals rest on, where that is the same: it is said once.
pub(super) fn rests_alike(contrasts: &[Contrast]) -> Option<String> {
    let mut each = contrasts.iter().filter(|contrast| contrast.pairs.number() > 0).map(rests_on);
    let first = each.next()?;
    each.all(|other| other == first).then_some(first)
}

/// Whether the flaky checks of the first side were named by one of the contrasts before.
pub(super) fn is_base_told(contrast: &Contrast, before: &[Contrast]) -> bool {
    before.iter().any(|before| before.base == contrast.base && before.flaky[0] == contrast.flaky[0])
}

/// What the rates of several tries are; none where that was said before.
pub(super) fn repeated(before: &[Contrast]) -> Option<&'static str> {
    let is_first = before.iter().all(|contrast| contrast.repeated.is_empty());
    is_first.then_some("pass@k: at least one of k trials passes; pass^k: all of k trials pass")
}

/// `forgets name: retained → forgotten`, and in how many trials.
pub(super) fn outcomes(change: &OutcomeChange, trials: u32) -> String {
    let of_trials = if trials > 1 { format!(" in {} of {trials} trials", change.trials) } else { String::new() };
    format!("{} → {}{of_trials}", change.base, change.new)
}

/// The heading of conversations that are in no pair, by whether they have a verdict on neither side.
pub(super) const fn left_out(on_both: bool) -> &'static str {
    if on_both { "left out: no verdict on either side" } else { "left out: no verdict on one side" }
}

/// Whether a conversation has a verdict on neither side.
pub(super) fn is_on_neither(one: &LeftOut) -> bool {
    [one.base, one.new].iter().all(|end| !matches!(end, End::Passed | End::Failed))
}

/// What became of the variants, in one line.
pub(super) fn answer(contrast: &Contrast) -> String {
    let counts = [
        (contrast.worse.len(), "worse"),
        (contrast.better.len(), "better"),
        (contrast.wavering.len(), "with other trials failing"),
        (contrast.marked.len(), "with other marks"),
        (contrast.remembered.len(), "changed in what was remembered"),
        (contrast.words.len(), "changed only in words"),
    ];
    let rest = [
        (contrast.same, "the same"),
        (contrast.undecided.on_one, "without a verdict on one side"),
        (contrast.undecided.on_both, "without a verdict on either side"),
    ];
    let all = counts.map(|(number, word)| (number as u64, word)).into_iter().chain(rest);
    let words: Vec<String> =
        all.filter(|(number, _)| *number > 0).map(|(number, word)| format!("{} {word}", grouped(number))).collect();
    format!("of {}, {}", several(contrast.variants, "variant", "variants"), words.join(", "))
}

/// The names of a variant, without that by which the sides differ, and without what says nothing.
pub(super) fn variant(key: &VariantKey, by: Option<Dimension>) -> Vec<String> {
    let unless = |dimension: Dimension, name: String| if by == Some(dimension) { String::new() } else { name };
    let window = if key.window == "full" { String::new() } else { format!("window {}", key.window) };
    let mut names = vec![
        key.scenario.clone(),
        key.case.clone(),
        vars_in_words(&key.vars),
        unless(Dimension::Persona, key.persona.clone()),
        unless(Dimension::Model, key.model.clone()),
        unless(Dimension::Window, window),
    ];
    names.retain(|name| !name.is_empty());
    names
}

/// `turn 4 · forgets name`.
pub(super) fn check(turn: Option<TurnId>, title: &str) -> String {
    turn.map_or_else(|| title.to_owned(), |turn| format!("{} · {title}", turn.named()))
}

/// `pass → fail`, and what else there is to say of it.
pub(super) fn verdicts(change: &CheckChange) -> String {
    let word = |verdict: Option<Verdict>| verdict.map_or("not asked", Verdict::as_str);
    if change.base == Some(Verdict::KnownFailure) && change.new == Some(Verdict::Fail) {
        return "passes in spite of its mark as a known failure, which can go".to_owned();
    }
    format!("{} → {}", word(change.base), word(change.new))
}

/// The check that decides a change: the first at the first of their turns.
pub(super) fn deciding(change: &Change) -> Option<&CheckChange> {
    change.checks.iter().min_by_key(|check| (check.turn.is_none(), check.turn))
}

/// Where the verdicts parted before the check that decides: a variant is worse by one check, and better by an earlier one.
pub(super) fn parting(change: &Change) -> Option<String> {
    let turn = change.turn.filter(|turn| deciding(change).is_some_and(|check| check.turn != Some(*turn)))?;
    Some(format!("verdicts part at turn {turn} already, for the better"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(worsened: u64, improved: u64) -> Pairs {
        Pairs { worsened, improved, ..Pairs::default() }
    }

    #[test]
    fn words_claim_no_more_than_the_numbers() {
        for (worsened, improved, words) in [
            (0, 0, "no conversation came out otherwise"),
            (1, 0, "too few changes to tell from luck (p = 1.00)"),
            (5, 0, "too few changes to tell from luck (p = 0.062)"),
            (4, 4, "could well be luck (p = 1.00)"),
            (7, 1, "may be luck (p = 0.070)"),
            (6, 0, "unlikely to be luck (p = 0.031)"),
            (10, 1, "unlikely to be luck (p = 0.012)"),
            (10, 0, "hardly luck (p = 0.002)"),
            (0, 30, "hardly luck (p < 0.001)"),
        ] {
            let pairs = pairs(worsened, improved);
            assert_eq!(luck(&pairs, pairs.p()), words, "{worsened} and {improved}");
        }
    }

    #[test]
    fn a_change_of_nothing_has_no_sign() {
        for (share, words) in
            [(0.0, "0 points"), (0.004, "0 points"), (-0.004, "0 points"), (0.33, "+33 points"), (-1.0, "-100 points")]
        {
            assert_eq!(points(Some(share), 10), words);
        }
        for (share, words) in [(0.0004, "0 points"), (0.004, "+0.4 points"), (-0.1, "-10.0 points")] {
            assert_eq!(points(Some(share), 1000), words, "of many");
        }
    }
}
