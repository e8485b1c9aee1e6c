//! A run that goes on under a budget, with `--fail-fast`, longest first: what happened before counts.

#![cfg(unix)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::answer::{Answer, Gate};
use crate::support::priced::{MOST, journal, priced, totals, used, with_usage};
use crate::support::sandbox::Sandbox;
use crate::support::server::Server;

#[test]
fn what_was_skipped_goes_on_with_a_higher_cap_and_what_was_spent_before_counts() {
    // Each call costs 50 dollars. At most, a first turn can cost 182, a second one with its history 221.
    let server = Server::start(|_| with_usage(used(30, 20)));
    let sandbox = priced(&server, "");
    sandbox.write("s/one.yaml", "params: {max_tokens: 100}\ntrials: 4\nturns: [{user: Hi}, {user: Hi}]");
    let ran = sandbox.run(&["run", "s", "-j", "1", "--max-cost", "300", "--snapshots", "off"]).expect(3);
    assert!(ran.stdout.contains("$150.00 of $300.00"), "{}", ran.stdout);
    assert_eq!(server.requests().len(), 3, "the second conversation is skipped at its second turn");

    let ran = sandbox.run(&["run", "--resume", "--max-cost", "250"]).expect(2);
    assert!(ran.stderr.contains("`--max-cost 250` is less than the 300 that the run may spend"), "{}", ran.stderr);
    let ran = sandbox.run(&["run", "--resume"]).expect(3);
    assert!(ran.stdout.contains("$150.00 of $300.00"), "its cap stays: {}", ran.stdout);
    assert_eq!(server.requests().len(), 3);

    let ran = sandbox.run(&["run", "--resume", "-j", "1", "--max-cost", "471"]).expect(3);
    assert!(ran.stdout.contains("$300.00 of $471.00"), "{}", ran.stdout);
    let requests = server.requests();
    assert_eq!(requests.len(), 6, "to the last that can be paid");
    assert_eq!(requests[3].messages().len(), 3, "it goes on at the turn that could not be paid");
    let ran = sandbox.run(&["run", "--resume", "--max-cost", "470"]).expect(2);
    assert!(ran.stderr.contains("less than the 471"), "the last cap counts: {}", ran.stderr);

    let ran = sandbox.run(&["run", "--resume", "--max-cost", "1000"]).expect(0);
    assert!(ran.stdout.contains("$400.00 of $1000.00"), "{}", ran.stdout);
    assert_eq!(server.requests().len(), 8, "nothing was sent twice");
    assert_eq!(totals(&sandbox)["conversations"]["passed"], 4);
}

/// The story: what a provider is asked for and a kill keeps from the journal costs money all the same. A run that was
/// killed and went on, again and again, could spend its cap each time.
#[test]
fn what_was_in_flight_when_a_run_was_killed_stays_reserved_when_it_goes_on() {
    let server = Server::start(|request| if request.number == 2 { Answer::hang() } else { with_usage(used(10, 10)) });
    let sandbox = priced(&server, "");
    sandbox.write("s/one.yaml", "params: {max_tokens: 100}\ntrials: 2\nturns: [{user: Hi}]");
    // A dollar less than another call can cost.
    let cap = 20.0 + MOST + 181.0;
    let mut running = sandbox.start(&["run", "s", "-j", "1", "--max-cost", &cap.to_string(), "--snapshots", "off"]);
    server.wait_for_requests(2);
    running.kill();
    running.finish();

    let ran = sandbox.run(&["run", "--resume"]).expect(3);
    assert_eq!(server.requests().len(), 2, "{}", ran.stdout);
    let told = "$20.00 of $383.00, $182.00 more reserved for calls of unknown usage";
    assert!(ran.stdout.contains(told), "{}", ran.stdout);
    let ran = sandbox.run(&["run", "--resume", "--max-cost", "384"]).expect(0);
    assert_eq!(server.requests().len(), 3);
    assert!(ran.stdout.contains("$40.00 of $384.00, $182.00 more reserved"), "{}", ran.stdout);
    assert_eq!(totals(&sandbox)["reserved_usd"], MOST);
    let reserved = journal(&sandbox).iter().filter(|line| line["event"] == "reserve").count();
    assert_eq!(reserved, 3, "once for each try");
}

#[test]
fn without_a_budget_nothing_is_reserved() {
    let server = Server::start(|_| with_usage(used(10, 10)));
    let sandbox = priced(&server, "");
    sandbox.write("s/one.yaml", "turns: [{user: Hi}]");
    sandbox.run(&["run", "s", "--snapshots", "off"]).expect(0);
    assert!(journal(&sandbox).iter().all(|line| line["event"] != "reserve"));
}

#[test]
fn a_run_that_stopped_at_a_failed_check_goes_on_to_the_next_one() {
    let server =
        Server::start(|request| Answer::text(if request.last_user().starts_with("bad") { "No." } else { "Fine." }));
    let sandbox = Sandbox::with_bot(&server.base_url());
    let scenario = "\
cases: [{word: bad}, {word: good}, {word: bad too}, {word: fine}]
turns:
  - {user: \"{{ word }}\", expect: [{contains: fine}]}
  - {user: More, expect: [{contains: fine}]}
";
    sandbox.write("s/one.yaml", scenario);
    sandbox.run(&["run", "s", "-j", "1", "--fail-fast", "--snapshots", "off"]).expect(1);
    assert_eq!(server.requests().len(), 1, "it stops at once");
    let ran = sandbox.run(&["run", "--resume", "-j", "1"]).expect(1);
    assert!(ran.stderr.contains("stopping at the first failed check"), "{}", ran.stderr);
    assert_eq!(server.requests().len(), 5, "past the failure that it knows, to the next");
    let ran = sandbox.run(&["run", "--resume", "-j", "1"]).expect(1);
    assert!(!ran.stderr.contains("stopping"), "{}", ran.stderr);
    assert_eq!(server.requests().len(), 8, "to its end");
    sandbox.run(&["run", "--resume"]).expect(1);
    assert_eq!(server.requests().len(), 8, "its failures are known, and none is new");
    let ends = &totals(&sandbox)["conversations"];
    assert_eq!((&ends["passed"], &ends["failed"], &ends["interrupted"]), (&2.into(), &2.into(), &0.into()));
}

#[test]
fn with_fail_fast_the_trials_that_failed_before_the_run_went_on_count() {
    let server = Server::start(|request| if request.number == 3 { Answer::hang() } else { Answer::text("No.") });
    let sandbox = Sandbox::with_bot(&server.base_url());
    let check = "expect: [{contains: fine}]";
    // Of five trials two may fail: with the third the check has failed, and the others cannot change that.
    sandbox.write("s/a.yaml", format!("pass_rate: 0.6\ntrials: 5\nturns: [{{user: Hi, {check}}}]"));
    sandbox.write("s/b.yaml", format!("turns: [{{user: Hi, {check}}}, {{user: More}}]"));
    let mut running = sandbox.start(&["run", "s", "-j", "1", "--fail-fast", "--snapshots", "off"]);
    server.wait_for_requests(3);
    running.kill();
    running.finish();
    let ran = sandbox.run(&["run", "--resume", "-j", "1"]).expect(1);
    assert!(ran.stderr.contains("stopping at the first failed check"), "{}", ran.stderr);
    assert_eq!(server.requests().len(), 4, "the third trial");
    sandbox.run(&["run", "--resume", "-j", "1"]).expect(1);
    assert_eq!(server.requests().len(), 7, "the rest of its trials, and the first turn of the next that fails");
}

#[test]
fn when_a_run_goes_on_those_with_the_most_turns_left_are_first() {
    let (is_mended, gate) = (Arc::new(AtomicBool::new(false)), Gate::default());
    let (mended, held) = (Arc::clone(&is_mended), gate.clone());
    // Of the long one the last turn is left, of the short ones all.
    let server = Server::start(move |request| match request.last_user().as_str() {
        "last" | "short" if !mended.load(Ordering::Relaxed) => Answer::error(400, "bad", "not today"),
        "short" => Answer::text("Fine.").delay(&held),
        _ => Answer::text("Fine."),
    });
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/a.yaml", "turns: [{user: long}, {user: long}, {user: long}, {user: last}]");
    sandbox.write("s/b.yaml", "trials: 2\nturns: [{user: short}, {user: More}]");
    sandbox.run(&["run", "s", "-j", "2", "--snapshots", "off"]).expect(3);
    assert_eq!(server.requests().len(), 6);
    is_mended.store(true, Ordering::Relaxed);
    let running = sandbox.start(&["run", "--resume", "-j", "2"]);
    server.wait_for_requests(8);
    assert!(server.requests()[6..].iter().all(|request| request.last_user() == "short"));
    gate.open();
    running.finish().expect(0);
    assert_eq!(server.requests().len(), 11);
}

#[test]
fn a_model_whose_name_stands_for_another_one_now_is_refused_by_name() {
    let server =
        Server::start(
            |request| {
                if request.number == 1 { Answer::error(400, "bad", "not today") } else { Answer::text("Fine.") }
            },
        );
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/a.yaml", "turns: [{user: Hi}]");
    sandbox.run(&["run", "s", "--snapshots", "off"]).expect(3);
    let config = |model: &str| {
        let url = server.base_url();
        let bot = format!("{{provider: openai, model: {model}, base_url: \"{url}\", api_key_env: none}}");
        sandbox.write("chat-eval.yaml", format!("model: bot\nmodels:\n  bot: {bot}\n"));
    };
    config("another");
    let told = sandbox.run(&["run", "--resume"]).expect(2).stderr;
    assert!(told.contains("the model `bot` is `openai ") && told.contains("and `openai another, "), "{told}");
    assert_eq!(server.requests().len(), 1, "nothing was sent");
    let first = server.requests()[0].body["model"].as_str().unwrap().to_owned();
    config(&first);
    sandbox.run(&["run", "--resume"]).expect(0);
}
