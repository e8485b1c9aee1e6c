//! What was measured, as Markdown: medians, the ratios to the floor, and the targets beside them.
//!
//! A ratio is the median of the pairs' own ratios: what a noisy minute does to both of a pair does little to it.

use std::fmt::Write;
use std::time::Duration;

use super::child::Took;
use super::measure::{Pairs, Play, Reports};
use super::work::Work;

const MIB: f64 = 1_048_576.0;

/// The beginning: the machine, and how often was measured.
pub fn heading(pairs: usize, is_quick: bool) -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split(':').nth(1));
    let kind = if is_quick { "Quick: the sizes are tiny, and no figure says anything. " } else { "" };
    let processor = name.unwrap_or("unknown").trim();
    let (version, system) = (env!("CARGO_PKG_VERSION"), std::env::consts::OS);
    format!("{kind}chat-eval {version}, {cores} cores ({processor}), {system}; medians of {pairs} pairs.\n")
}

pub fn a(pairs: &Pairs) -> String {
    let targets = [at_bound(pairs), wall(pairs, 1.1), cpu(pairs, 1.6), peak(pairs, 40.0)];
    section('A', pairs, &targets)
}

pub fn b(pairs: &Pairs) -> String {
    section('B', pairs, &[cpu(pairs, 1.8), peak(pairs, 40.0)])
}

pub fn c(pairs: &Pairs, twice: &[Play]) -> String {
    let (work, peak_of) = (pairs.work, |plays: &[Play]| median(plays.iter().map(|play| mib(play.took))));
    let (more, once) = (peak_of(twice), peak_of(&pairs.ours));
    let conversations = twice.first().map_or(0, |play| play.seen.requests / work.turns);
    let each = (more - once) * MIB / (conversations - work.conversations) as f64;
    let what = format!(
        "peak with {conversations} conversations ÷ with {} ({more:.1} ÷ {once:.1} MiB: {each:.0} bytes a conversation)",
        work.conversations
    );
    // Two plays of the same size differ by a few per cent.
    let more = Target::new(&what, more / once, 1.05, "");
    section('C', pairs, &[at_bound(pairs), wall(pairs, 1.1), cpu(pairs, 1.6), peak(pairs, 160.0), more])
}

pub fn d(pairs: &Pairs, half: &Play) -> String {
    let a_turn = |play: &Play| play.journal as f64 / play.seen.requests as f64;
    let whole = median(pairs.ours.iter().map(a_turn));
    let what = format!(
        "journal, bytes a turn at {} turns ÷ at {} ({whole:.0} ÷ {:.0})",
        pairs.work.turns,
        pairs.work.turns / 2,
        a_turn(half)
    );
    section('D', pairs, &[cpu(pairs, 1.5), Target::new(&what, whole / a_turn(half), 1.05, "")])
}

pub fn e(files: usize, plays: &[Took]) -> String {
    let targets = [
        Target::new("wall", seconds(plays, |took| took.wall), 2.0, " s"),
        Target::new("CPU", seconds(plays, |took| took.cpu), f64::INFINITY, " s"),
        Target::new("peak", median(plays.iter().copied().map(mib)), 250.0, " MiB"),
    ];
    format!("### E: `check` of {files} scenario files\n\n{}", table(&targets))
}

pub fn f(version: &[Took], run: &[Took]) -> String {
    let ms = |plays: &[Took]| seconds(plays, |took| took.wall) * 1000.0;
    let targets = [
        Target::new("`--version`, wall", ms(version), 10.0, " ms"),
        Target::new("`run` of one scenario on `builtin`, wall", ms(run), 30.0, " ms"),
        Target::new("`run`, CPU", seconds(run, |took| took.cpu) * 1000.0, f64::INFINITY, " ms"),
        Target::new("`run`, peak", median(run.iter().copied().map(mib)), f64::INFINITY, " MiB"),
    ];
    format!("### F: start-up\n\n{}", table(&targets))
}

pub fn g(work: Work, reports: &Reports) -> String {
    let took = &reports.took;
    let targets = [
        Target::new("wall", seconds(took, |took| took.wall), f64::INFINITY, " s"),
        Target::new("CPU", seconds(took, |took| took.cpu), f64::INFINITY, " s"),
        Target::new("peak", median(took.iter().copied().map(mib)), f64::INFINITY, " MiB"),
    ];
    let Work { conversations, turns, .. } = work;
    let files: Vec<String> =
        reports.files.iter().map(|(name, bytes)| format!("{name} {} kB", bytes.div_ceil(1000))).collect();
    let title = format!("### G: `report --svg` of {conversations} conversations × {turns} turns");
    format!("{title}\n\n{}\n{}\n", table(&targets), files.join(", "))
}

/// Something measured, and what it is to be at most.
struct Target {
    what: String,
    measured: f64,
    most: f64,
    unit: &'static str,
}

impl Target {
    fn new(what: &str, measured: f64, most: f64, unit: &'static str) -> Self {
        Self { what: what.to_owned(), measured, most, unit }
    }
}

fn at_bound(pairs: &Pairs) -> Target {
    let over = pairs.floor.iter().map(|play| play.took.wall.as_secs_f64() / pairs.work.bound().as_secs_f64());
    Target::new("floor's wall ÷ (turns × latency ÷ concurrency)", median(over), 1.15, "")
}

fn wall(pairs: &Pairs, most: f64) -> Target {
    Target::new("wall ÷ floor's", ratio(pairs, |took| took.wall), most, "")
}

fn cpu(pairs: &Pairs, most: f64) -> Target {
    Target::new("CPU ÷ floor's", ratio(pairs, |took| took.cpu), most, "")
}

fn peak(pairs: &Pairs, most: f64) -> Target {
    Target::new("peak", median(pairs.ours.iter().map(|play| mib(play.took))), most, " MiB")
}

fn ratio(pairs: &Pairs, of: impl Fn(Took) -> Duration) -> f64 {
    let both = pairs.ours.iter().zip(&pairs.floor);
    median(both.map(|(ours, floor)| of(ours.took).as_secs_f64() / of(floor.took).as_secs_f64()))
}

fn section(name: char, pairs: &Pairs, targets: &[Target]) -> String {
    let work = pairs.work;
    let mut text = format!(
        "### {name}: {} conversations × {} turns, {} ms, {} at once\n\n\
         | | requests | most in flight | connections | wall | CPU | peak | server's CPU |\n|---|---|---|---|---|---|---|---|\n",
        work.conversations,
        work.turns,
        work.latency.as_millis(),
        work.concurrency
    );
    for (client, plays) in [("floor", &pairs.floor), ("chat-eval", &pairs.ours)] {
        let count = |of: fn(&Play) -> usize| median(plays.iter().map(|play| of(play) as f64));
        let time = |of: fn(&Play) -> Duration| median(plays.iter().map(|play| of(play).as_secs_f64()));
        let _ = writeln!(
            text,
            "| {client} | {} | {} | {} | {:.2} s | {:.2} s | {:.1} MiB | {:.2} s |",
            count(|play| play.seen.requests),
            count(|play| play.seen.most_in_flight),
            count(|play| play.seen.connections),
            time(|play| play.took.wall),
            time(|play| play.took.cpu),
            median(plays.iter().map(|play| mib(play.took))),
            time(|play| play.server_cpu),
        );
    }
    let _ = write!(text, "\n{}", table(targets));
    text
}

fn table(targets: &[Target]) -> String {
    let mut text = "| | measured | at most | |\n|---|---|---|---|\n".to_owned();
    for Target { what, measured, most, unit } in targets {
        let (most, met) = if most.is_finite() {
            (format!("{most}{unit}"), if measured <= most { "✓" } else { "✗" })
        } else {
            (String::new(), "")
        };
        let _ = writeln!(text, "| {what} | {measured:.2}{unit} | {most} | {met} |");
    }
    text
}

fn seconds(plays: &[Took], of: impl Fn(Took) -> Duration) -> f64 {
    median(plays.iter().map(|took| of(*took).as_secs_f64()))
}

fn mib(took: Took) -> f64 {
    took.peak as f64 / MIB
}

fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
}
