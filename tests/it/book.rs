//! The book is true: its commands are run and print what it shows, its scenarios are right, its links lead somewhere, and its
//! reference is what the code says.
//!
//! On a page a block marked `console` has commands (`$ …`) with what they print below them; a line `…` stands for lines that are
//! left out, and `$ echo $?` shows an exit code, which must be shown where it is not 0. A block `sh` is run as a script, which must
//! exit 0. A block `yaml` is written to the file that its first line or a mark names, or is a part of a scenario or a
//! config, which is put around with what it needs; either must pass `check`. Marks are comments, a line above a block:
//!
//! - `<!-- no-run: WHY -->`: it is not run. Its commands and flags must be there all the same.
//! - `<!-- file: PATH -->`: it is written there. `<!-- wrong: WHY -->`: it is a scenario that `check` refuses.
//! - `<!-- background -->`: a server, which is started and has said that it listens when the page goes on.
//! - `<!-- talk -->`: a talk on a terminal; what stands behind its prompt is typed.
//! - `<!-- fresh -->`, `<!-- shipped -->`, `<!-- sample-bots -->`: from here on in an empty folder, in a copy of the shipped
//!   scenarios, or beside the bots of `examples/bots/` and their scenarios.
//! - `<!-- setup: COMMAND -->`: it is run before, unseen.
//! - `<!-- parrot -->`: from here on a server at port 8080 repeats what it is told.
//!
//! `CHAT_EVAL_BOOK=write cargo test --test it book::` writes what the commands print, and the generated pages, into the book.

mod links;
mod page;
mod parrot;
mod reference;
mod session;

use std::collections::BTreeSet;

use crate::support::sandbox::Sandbox;

/// Pages whose blocks other tests hold: `lint.rs`, `scale.rs`, `datasets.rs`.
const HELD_ELSEWHERE: [&str; 3] = ["memory-lint.md", "scale.md", "datasets.md"];

/// Blocks of the book and the README that are not run, each with its reason.
const NOT_RUN: usize = 12;

macro_rules! pages {
    ($($name:ident: $page:literal,)+) => {
        /// The pages with blocks that are run.
        const PLAYED: &[&str] = &[$($page),+];
        $(
            #[test]
            fn $name() {
                let played = session::play($page, Sandbox::new());
                let all = played.commands + played.scenarios + played.not_run;
                assert!(all > 0 || played.is_left_out, "{} has blocks, and none was played", $page);
            }
        )+
    };
}

pages! {
    ci: "docs/how-to/ci.md",
    cost: "docs/how-to/cost.md",
    personas: "docs/how-to/personas.md",
    own_bots: "docs/how-to/bots.md",
    record_and_replay: "docs/how-to/record-and-replay.md",
    scale: "docs/how-to/scale.md",
    tutorial: "docs/tutorial.md",
    windows: "docs/how-to/windows.md",
    checks: "docs/reference/checks.md",
    config: "docs/reference/config.md",
    exit_codes: "docs/reference/exit-codes.md",
    readme: "README.md",
    bots: "docs/bots.md",
    cassettes: "docs/cassettes.md",
    chat: "docs/chat.md",
    compare: "docs/compare.md",
    comparison: "docs/comparison.md",
    import: "docs/import.md",
    install: "docs/install.md",
    judge: "docs/judge.md",
    mutate: "docs/mutate.md",
    providers: "docs/providers.md",
    recheck: "docs/recheck.md",
    report: "docs/report.md",
    results: "docs/results.md",
    review: "docs/review.md",
    scenarios: "docs/scenarios.md",
}

#[test]
fn every_page_with_a_block_is_played() {
    let mut expected: BTreeSet<String> = BTreeSet::from(["README.md".to_owned()]);
    for page in page::pages() {
        let is_held = HELD_ELSEWHERE.contains(&page.as_str());
        let page = format!("docs/{page}");
        let languages = ["console", "sh", "yaml"];
        if !is_held && page::blocks(&page::read(&page)).iter().any(|block| languages.contains(&block.language.as_str()))
        {
            expected.insert(page);
        }
    }
    assert_eq!(PLAYED.iter().map(|page| (*page).to_owned()).collect::<BTreeSet<_>>(), expected);
}

#[test]
fn few_blocks_are_not_run_and_each_says_why() {
    let not_run: Vec<String> = PLAYED
        .iter()
        .flat_map(|page| page::blocks(&page::read(page)).into_iter().map(move |block| (page, block)))
        .filter_map(|(page, block)| Some(format!("{page}:{}: {}", block.line, block.mark("no-run")?)))
        .collect();
    assert_eq!(not_run.len(), NOT_RUN, "not run are\n{}", not_run.join("\n"));
}
