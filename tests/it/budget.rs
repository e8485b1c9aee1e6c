//! What a run may spend: the cap holds with calls in flight, and what can be paid is played.

use serde_json::Value;

use crate::support::answer::{Answer, Gate};
use crate::support::priced::{MOST, journal, priced, totals, used, with_usage};
use crate::support::sandbox::Sandbox;
use crate::support::server::Server;

/// The sum of a field over the journal's events of a kind.
fn sum(journal: &[Value], event: &str, field: &str) -> f64 {
    journal.iter().filter(|line| line["event"] == event).filter_map(|line| line[field].as_f64()).sum()
}

#[test]
fn the_cap_holds_at_sixteen_at_once_and_all_that_can_be_paid_is_played() {
    // Each call really costs 50 dollars. After 16 of them 200 are left, which is enough for one, and then for none.
    let server = Server::start(|_| with_usage(used(30, 20)));
    let sandbox = priced(&server, "");
    sandbox.write("s/one.yaml", "params: {max_tokens: 100}\ntrials: 60\nturns: [{user: Hi, expect: [{max_words: 3}]}]");
    let cap = 16.0 * 50.0 + 200.0;
    let ran = sandbox.run(&["run", "s", "-j", "16", "--max-cost", &cap.to_string(), "--snapshots", "off"]).expect(3);
    let journal = journal(&sandbox);
    let spent = sum(&journal, "turn", "cost_usd");
    assert!(spent <= cap && spent + MOST > cap, "{spent} of {cap}");
    assert_eq!(server.requests().len(), 17);
    assert_eq!(journal[0]["max_cost_usd"], cap);
    let ends = &totals(&sandbox)["conversations"];
    assert_eq!((&ends["passed"], &ends["skipped"]), (&17.into(), &43.into()));
    assert!(ran.stdout.contains("43 conversations skipped: the budget is spent"), "{}", ran.stdout);
    assert!(ran.stdout.contains("$850.00 of $1000.00"), "{}", ran.stdout);
    let skipped = journal.iter().find(|line| line["end"] == "skipped").expect("one that is skipped");
    assert_eq!(skipped["error"], "the budget is spent: this call can cost $182.00, and $150.00 of $1000.00 is left");
    let verdicts: Vec<String> = sandbox.rows("checks.csv").into_iter().map(|row| row["verdict"].clone()).collect();
    let count = |verdict: &str| verdicts.iter().filter(|is| *is == verdict).count();
    assert_eq!((count("pass"), count("skip")), (17, 43));
}

#[test]
fn who_is_refused_at_first_waits_for_those_in_flight() {
    // The cap has room for one call at its most, and for three at what they really cost.
    let gate = Gate::default();
    let of_server = gate.clone();
    let server = Server::start(move |_| with_usage(used(5, 5)).delay(&of_server));
    let sandbox = priced(&server, "limits: {max_cost_usd: 205}\n");
    sandbox.write("s/one.yaml", "params: {max_tokens: 100}\ntrials: 3\nturns: [{user: Hi}]");
    let running = sandbox.start(&["run", "s", "-j", "3", "--snapshots", "off"]);
    server.wait_for_requests(1);
    gate.open();
    running.finish().expect(0);
    assert_eq!(server.most_in_flight(), 1, "two could cost more than there is");
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn a_conversation_is_skipped_from_the_first_turn_that_cannot_be_paid() {
    let server = Server::start(|_| with_usage(used(10, 10)));
    let sandbox = priced(&server, "");
    let scenario = "\
params: {max_tokens: 100}
turns:
  - {user: Hi, expect: [{contains: fine}]}
  - {user: A long question with many words in it that takes a lot of money, expect: [{contains: fine}]}
  - {user: More, expect: [{contains: fine}]}
";
    sandbox.write("s/one.yaml", scenario);
    // A second scenario is small enough to be paid from what is left.
    sandbox.write("s/two.yaml", "params: {max_tokens: 1}\nturns: [{user: Hi}]");
    sandbox.run(&["run", "s", "-j", "1", "--max-cost", "220"]).expect(3);
    let verdicts: Vec<String> = sandbox.rows("checks.csv").into_iter().map(|row| row["verdict"].clone()).collect();
    assert_eq!(verdicts, ["pass", "skip", "skip"]);
    let turns: Vec<_> = sandbox.rows("transcripts.csv").into_iter().map(|row| row["scenario"].clone()).collect();
    assert_eq!(turns, ["one", "two"], "of a turn that was not paid nothing is kept");
    assert_eq!(sandbox.files("s/snapshots").len(), 1, "half a conversation has no snapshot");
    sandbox.run(&["report"]).expect(0);
}

#[test]
fn a_try_whose_usage_is_unknown_keeps_its_reservation_and_a_refused_one_does_not() {
    let slow_down = Answer::status(429, &[("retry-after-ms", "1")], "");
    let server = Server::in_turn(vec![slow_down, Answer::raw(""), with_usage(Value::Null), with_usage(used(1, 1))]);
    let sandbox = priced(&server, "");
    sandbox.write("s/one.yaml", "params: {max_tokens: 100}\ntrials: 3\nturns: [{user: Hi}]");
    // The second and the third try keep what they reserved. What is left is a dollar less than another one can cost.
    let cap = (2.0 * MOST + 181.0).to_string();
    let ran = sandbox.run(&["run", "s", "-j", "1", "--max-cost", &cap, "--snapshots", "off"]).expect(3);
    let journal = journal(&sandbox);
    assert_eq!(server.requests().len(), 3);
    let reserved: Vec<&Value> =
        journal.iter().filter(|line| line["event"] == "attempt").map(|line| &line["reserved_usd"]).collect();
    assert_eq!(reserved, [&Value::Null, &MOST.into()]);
    assert!((sum(&journal, "turn", "reserved_usd") - MOST).abs() < 1e-9);
    let totals = totals(&sandbox);
    let taken = totals["cost_usd"].as_f64().unwrap() + totals["reserved_usd"].as_f64().unwrap();
    assert!((taken - 2.0 * MOST).abs() < 1e-6, "{totals}");
    assert!(ran.stdout.contains("more reserved for calls of unknown usage"), "{}", ran.stdout);
    assert!(ran.stdout.contains("2 conversations skipped: the budget is spent"), "{}", ran.stdout);
}

#[test]
fn with_rates_and_a_server_that_misbehaves_each_conversation_ends_and_the_cap_holds() {
    let server = Server::start(|request| match request.number % 10 {
        0 | 1 => Answer::status(429, &[("retry-after-ms", "3")], ""),
        2 => Answer::status(503, &[], "busy"),
        3 => Answer::raw(""),
        _ => with_usage(used(30, 20)),
    });
    let sandbox = priced(&server, "limits: {rpm: 60000}\n");
    sandbox.write("s/one.yaml", "params: {max_tokens: 100}\ntrials: 60\nturns: [{user: Hi}, {user: Hi}]");
    let cap = 7_000.0;
    sandbox.run(&["run", "s", "-j", "32", "--max-cost", &cap.to_string(), "--retries", "90"]).expect(3);
    let (totals, journal) = (totals(&sandbox), journal(&sandbox));
    let ended = |end: &str| totals["conversations"][end].as_u64().unwrap();
    assert_eq!(ended("passed") + ended("skipped"), 60, "{totals}");
    assert!(ended("passed") > 10 && ended("skipped") > 0, "{totals}");
    let taken = totals["cost_usd"].as_f64().unwrap() + totals["reserved_usd"].as_f64().unwrap();
    assert!(taken <= cap + 1e-6 && taken > cap - 221.0, "{totals}");
    let reserved = journal.iter().filter(|line| line["event"] == "reserve").count();
    assert_eq!(reserved, server.requests().len(), "each try is in the journal");
}

#[test]
fn a_budget_needs_a_price_and_a_longest_reply_and_says_where() {
    let server = Server::saying("Fine.");
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", "name: one\nparams: {temperature: 0}\nturns: [{user: Hi}]");
    sandbox.write("s/two.yaml", "name: two\nparams: {max_tokens: 9}\nturns: [{user: Hi}]");
    let told = sandbox.run(&["run", "s", "--max-cost", "1"]).expect(2).stderr;
    assert!(told.contains("error[missing-price]: the run has a budget, and `bot` has no price"), "{told}");
    assert!(told.contains("chat-eval.yaml:3:3"), "{told}");
    assert!(told.contains("price: {input: 0.15, output: 0.60}"), "{told}");
    assert!(told.contains("error[missing-max-tokens]: the run has a budget, and `one` sets no `max_tokens`"), "{told}");
    assert!(told.contains("one.yaml:2:1"), "{told}");
    assert!(told.contains("`params: {max_tokens: 500}`") && !told.contains("`two`"), "{told}");
    assert!(server.requests().is_empty());
    assert!(!sandbox.has("results"));

    // The embedded model costs nothing.
    sandbox.run(&["run", "s", "--max-cost", "0", "--model", "builtin"]).expect(0);
    // A model that no config lists has its place in the scenario that names it.
    let sandbox = Sandbox::new().env("OPENAI_API_KEY", "k");
    sandbox.write("one.yaml", "model: gpt-x\nparams: {extra: {max_completion_tokens: 9}}\nturns: [{user: Hi}]");
    let told = sandbox.run(&["run", "one.yaml", "--max-cost", "1"]).expect(2).stderr;
    assert!(told.contains("`gpt-x` has no price") && told.contains("one.yaml:1:8"), "{told}");
    assert!(!told.contains("max_tokens"), "{told}");
}

/// What a provider says that it used is what is paid, more than it was asked for too: then nothing more is sent, and it is said.
#[test]
fn a_provider_that_counts_more_than_a_call_can_have_is_settled_at_that_and_nothing_more_is_sent() {
    let server = Server::start(|_| with_usage(used(30, 500)));
    let sandbox = priced(&server, "");
    sandbox.write("s/one.yaml", "params: {max_tokens: 100}\ntrials: 3\nturns: [{user: Hi}]");
    let ran = sandbox.run(&["run", "s", "-j", "1", "--max-cost", "400", "--snapshots", "off"]).expect(3);
    assert_eq!(server.requests().len(), 1);
    let told = "$530.00 of $400.00, which is more than it: a provider counted more tokens than it was asked for";
    assert!(ran.stdout.contains(told), "{}", ran.stdout);
    let ends = &totals(&sandbox)["conversations"];
    assert_eq!((&ends["passed"], &ends["skipped"]), (&1.into(), &2.into()));
    let journal = journal(&sandbox);
    let skipped = journal.iter().find(|line| line["end"] == "skipped").expect("one that is skipped");
    assert_eq!(skipped["error"], "the budget is spent: this call can cost $182.00, and $0.00 of $400.00 is left");
}

/// The story: `--max-cost 0` said `$0.000 of $0.000`, and of a budget of nothing that it was spent.
#[test]
fn with_a_budget_of_nothing_no_call_that_costs_is_sent_and_that_is_said() {
    let server = Server::saying("Fine.");
    let sandbox = priced(&server, "");
    sandbox.write("s/one.yaml", "models: [bot, builtin]\nparams: {max_tokens: 100}\nturns: [{user: Hi}]");
    let ran = sandbox.run(&["run", "s", "--max-cost", "0", "--snapshots", "off"]).expect(3);
    assert!(server.requests().is_empty());
    let told = "warning: the budget is $0: nothing is sent to `bot`, and conversations that would are skipped\n";
    assert!(ran.stderr.contains(told), "{}", ran.stderr);
    for said in ["1 conversation skipped: the budget is $0", "nothing spent: the budget is $0"] {
        assert!(ran.stdout.contains(said), "{}", ran.stdout);
    }
    assert!(!ran.stdout.contains("$0.000") && !ran.stdout.contains("is spent"), "{}", ran.stdout);
    let journal = journal(&sandbox);
    let skipped = journal.iter().find(|line| line["end"] == "skipped").expect("one that is skipped");
    assert_eq!(skipped["error"], "the budget is $0, and this call can cost $182.00");

    // What costs nothing is played, with a price of nothing too.
    let ran = sandbox.run(&["run", "s", "--max-cost", "0", "--model", "builtin", "--snapshots", "off"]).expect(0);
    assert!(
        !ran.stderr.contains("warning") && ran.stdout.contains("nothing spent: the budget is $0"),
        "{}",
        ran.stdout
    );
    let config = sandbox.read("chat-eval.yaml").replace("1000000", "0");
    sandbox.write("chat-eval.yaml", config);
    let ran = sandbox.run(&["run", "s", "--max-cost", "0", "--snapshots", "off"]).expect(0);
    assert!(!ran.stderr.contains("warning") && server.requests().len() == 1, "{}", ran.stderr);
}

#[test]
fn a_budget_that_is_no_amount_of_money_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("one.yaml", "turns: [{user: Hi}]");
    for wrong in ["-1", "five", "NaN", "inf"] {
        let told = sandbox.run(&["run", "one.yaml", &format!("--max-cost={wrong}")]).expect(2).stderr;
        assert!(told.contains("a number of US dollars from 0 to 1000000"), "{told}");
    }
    sandbox.write("chat-eval.yaml", "limits: {max_cost_usd: lots}");
    let told = sandbox.run(&["run", "one.yaml"]).expect(2).stderr;
    assert!(told.contains("chat-eval.yaml:1:24"), "{told}");
}
