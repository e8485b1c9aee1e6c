//! How much chat-eval adds to the calls that it makes: the release binary beside a floor, against a local server.
//!
//! `cargo bench --bench throughput` builds both and measures; `-- A C` only these works, `-- --pairs 3` fewer pairs,
//! `-- --quick` tiny sizes, which shows that the benchmark works and says nothing of speed. Without `--bench`, which
//! `cargo bench` adds, it is as with `--quick`. README.md has the rest.
//!
//! One executable in three roles: the driver, which is asked for by nothing, `server` and `floor`.

#![expect(clippy::cast_precision_loss, reason = "all figures lie far below 2^52")]

mod child;
mod floor;
mod measure;
mod server;
mod table;
mod work;

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, bail};

use measure::Bench;
use work::Work;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number =
        |at: usize| -> anyhow::Result<usize> { Ok(arguments.get(at).context("an argument is missing")?.parse()?) };
    match arguments.first().map(String::as_str) {
        Some("server") => server::serve(Duration::from_millis(number(1)? as u64)),
        Some("floor") => {
            let work = Work::new(number(1)?, number(2)?, 0, number(3)?);
            floor::play(work, arguments.get(4).context("the floor needs a base URL")?)
        }
        _ => drive(&Asked::read(&arguments)?),
    }
}

/// What the command line asks for.
struct Asked {
    works: Vec<char>,
    pairs: usize,
    is_quick: bool,
}

impl Asked {
    fn read(arguments: &[String]) -> anyhow::Result<Self> {
        let is_quick =
            arguments.iter().any(|word| word == "--quick") || !arguments.iter().any(|word| word == "--bench");
        let mut asked = Self { works: Vec::new(), pairs: if is_quick { 1 } else { 5 }, is_quick };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--quick" | "--bench" => {}
                "--pairs" => asked.pairs = words.next().context("`--pairs` takes a number")?.parse()?,
                "A" | "B" | "C" | "D" | "E" | "F" | "G" => asked.works.extend(word.chars()),
                _ => bail!("`{word}` is no work: A, B, C, D, E, F, G; options are `--pairs N` and `--quick`"),
            }
        }
        if asked.works.is_empty() {
            asked.works = "ABCDEFG".chars().collect();
        }
        anyhow::ensure!(asked.pairs > 0, "`--pairs` takes a number from 1");
        Ok(asked)
    }
}

/// Measures what was asked for, and prints a section for each work as soon as it is done.
fn drive(asked: &Asked) -> anyhow::Result<()> {
    let bench = Bench::new(asked.pairs)?;
    let quick = |full: Work, quick: Work| if asked.is_quick { quick } else { full };
    say(&table::heading(asked.pairs, asked.is_quick))?;
    for work in &asked.works {
        let section = match work {
            'A' => table::a(&bench.against_floor(quick(Work::new(1_000, 5, 50, 64), Work::new(60, 3, 5, 8)))?),
            'B' => table::b(&bench.against_floor(quick(Work::new(2_000, 5, 0, 64), Work::new(60, 3, 0, 8)))?),
            'C' => {
                let work = quick(Work::new(20_000, 5, 200, 1_000), Work::new(120, 3, 5, 40));
                let twice = Work { conversations: work.conversations * 2, ..work };
                let plays = (0..asked.pairs.div_ceil(2)).map(|_| bench.ours(twice));
                table::c(&bench.against_floor(work)?, &plays.collect::<anyhow::Result<Vec<_>>>()?)
            }
            'D' => {
                let work = quick(Work::new(500, 60, 0, 64), Work::new(8, 12, 0, 4));
                let half = Work { turns: work.turns / 2, ..work };
                table::d(&bench.against_floor(work)?, &bench.ours(half)?)
            }
            'E' => {
                let files = if asked.is_quick { 150 } else { 10_000 };
                table::e(files, &bench.check(files)?)
            }
            'G' => {
                let work = quick(Work::new(10_000, 5, 0, 64), Work::new(60, 3, 0, 8));
                table::g(work, &bench.report(work)?)
            }
            _ => {
                let times = if asked.is_quick { 1 } else { 20 };
                table::f(&bench.start_up(&["--version"], times)?, &bench.start_up(&["run", "name.yaml"], times)?)
            }
        };
        say(&section)?;
    }
    Ok(())
}

fn say(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}
