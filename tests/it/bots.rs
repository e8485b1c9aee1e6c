//! Bots that keep their history themselves: each classic bug is found by the scenario that is made for it, and by no other, in a bot
//! behind a URL, in one that is a program, and in a service that speaks OpenAI's format; the good bot passes. The sessions of docs/bots.md
//! are played by `book.rs`.

use std::collections::BTreeSet;

use crate::support::sample_bots::{BUGS, Bot, Bug, http_config, programs, sandbox, server, service};
use crate::support::sandbox::Sandbox;

const RUN: [&str; 5] = ["run", "scenarios", "--snapshots", "off", "--allow-run"];

/// The checks that failed in the latest run.
fn failed(sandbox: &Sandbox) -> BTreeSet<String> {
    let rows = sandbox.rows("checks.csv").into_iter().filter(|row| row["verdict"] == "fail");
    rows.map(|row| format!("{} {} {}", row["scenario"], row["turn"], row["check"])).collect()
}

fn run(sandbox: &Sandbox, more: &[&str], is_good: bool) -> BTreeSet<String> {
    let ran = sandbox.run(&[&RUN[..], more].concat());
    let failed = failed(sandbox);
    assert_eq!(ran.code, Some(i32::from(!is_good)), "{failed:?}\n{}\n{}", ran.stdout, ran.stderr);
    failed
}

fn set(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// What fails of a bot that keeps its history itself. Played one after another: what one list for all holds hangs on who came before.
fn found(bug: Bug) -> BTreeSet<String> {
    set(match bug {
        Bug::None => &[],
        Bug::SharedList => &["strangers 1 contamination", "strangers 1 forgets", "strangers 3 forgets"],
        Bug::ReplyNotSaved | Bug::LastChunkSaved => &["own-words 3 contains"],
        Bug::SystemInTheList => &["persona-holds  always", "persona-holds 3 recalls"],
    })
}

#[test]
fn a_program_with_a_bug_fails_the_scenario_that_is_made_for_it_and_the_good_one_passes() {
    for (name, bug) in BUGS {
        let sandbox = sandbox();
        programs(&sandbox);
        assert_eq!(run(&sandbox, &["-j", "1", "--model", name], bug == Bug::None), found(bug), "{name}");
    }
}

#[test]
fn a_bot_behind_a_url_with_a_bug_fails_the_scenario_that_is_made_for_it_and_the_good_one_passes() {
    for (name, bug) in BUGS {
        let (server, sandbox) = (server(bug), sandbox());
        sandbox.write("chat-eval.yaml", http_config(&server));
        assert_eq!(run(&sandbox, &["-j", "1"], bug == Bug::None), found(bug), "{name}");
    }
}

/// Every order in which two conversations of so many turns can be asked.
fn orders(left: [usize; 2]) -> Vec<Vec<usize>> {
    if left == [0, 0] {
        return vec![Vec::new()];
    }
    let begin = |who: usize| {
        let mut rest = left;
        rest[who] -= 1;
        orders(rest).into_iter().map(move |order| [vec![who], order].concat())
    };
    (0..2).filter(|who| left[*who] > 0).flat_map(begin).collect()
}

#[test]
fn one_list_for_all_is_found_in_whatever_order_the_messages_come() {
    let talk = |own: &str, value: &str, other: &str| {
        let (ask, recall) = (format!("What's my {other}?"), format!("What's my {own}?"));
        [format!("My {own} is {value}. {ask}"), recall, ask]
    };
    let talks = [talk("name", "Ada", "alias"), talk("alias", "Bo", "name")];
    let orders = orders([3, 3]);
    assert_eq!(orders.len(), 20);
    for (bug, is_found) in [(Bug::SharedList, true), (Bug::None, false)] {
        for order in &orders {
            let (mut bot, mut told, mut found) = (Bot::new(bug), [0, 0], false);
            for who in order {
                let reply = bot.say(&who.to_string(), None, &talks[*who][told[*who]], false).concat();
                found |= reply.contains(["Bo", "Ada"][*who]);
                told[*who] += 1;
            }
            assert_eq!(found, is_found, "{bug:?} {order:?}");
        }
    }
}

#[test]
fn one_list_for_all_is_found_at_any_concurrency() {
    for (bug, jobs) in [(Bug::SharedList, "1"), (Bug::SharedList, "16"), (Bug::None, "16")] {
        let (server, sandbox) = (server(bug), sandbox());
        sandbox.write("chat-eval.yaml", http_config(&server));
        let ran = sandbox.run(&["run", "scenarios/strangers.yaml", "--snapshots", "off", "-j", jobs]);
        let is_found = failed(&sandbox).iter().any(|check| check.ends_with(" contamination"));
        assert_eq!(is_found, bug == Bug::SharedList, "{jobs}\n{}", ran.stdout);
    }
}

#[test]
fn a_chunk_that_is_lost_on_its_way_to_the_history_is_lost_only_where_the_reply_is_streamed() {
    let (server, sandbox) = (server(Bug::LastChunkSaved), sandbox());
    sandbox.write("chat-eval.yaml", http_config(&server));
    assert_eq!(run(&sandbox, &["--no-stream"], true), set(&[]));
}

#[test]
fn the_same_bugs_in_a_service_that_speaks_openai_are_found_too() {
    for (name, bug) in BUGS {
        let (server, sandbox) = (service(bug), sandbox());
        sandbox.point_bot_at(&server.base_url());
        let found: &[&str] = match bug {
            Bug::None => &[],
            // The list of all requests does not begin with the system message of this one.
            Bug::SharedList => {
                &["strangers 1 contamination", "strangers 1 forgets", "strangers 3 forgets", "persona-holds  always"]
            }
            Bug::ReplyNotSaved => &["own-words 3 contains"],
            Bug::SystemInTheList => &["persona-holds  always"],
            Bug::LastChunkSaved => &["own-words 1 matches"],
        };
        assert_eq!(run(&sandbox, &["-j", "1"], bug == Bug::None), set(found), "{name}");
    }
}

#[test]
fn the_catalogue_has_the_scenarios_as_they_are() {
    let file = |path: &str| std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).expect("a file");
    let page = file("docs/bots.md");
    for name in ["strangers", "own-words", "persona-holds"] {
        let scenario = file(&format!("examples/bots/scenarios/{name}.yaml"));
        // The last line is for editors, and leads to a place that only this repository has.
        let (shown, editor) = scenario.trim_end().rsplit_once('\n').expect("lines");
        assert!(editor.starts_with("# yaml-language-server: $schema="), "{name}");
        assert!(page.contains(shown.trim()), "the page has `{name}` as it is");
    }
}
