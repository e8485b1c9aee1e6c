//! `run --shard K/N`: every conversation is in one part of the plan, and stays there whatever else the plan has.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::support::answer::Answer;
use crate::support::sandbox::{Ran, Sandbox};
use crate::support::server::Server;

/// Scenarios with everything that makes several conversations of one.
fn plan() -> Sandbox {
    let sandbox = Sandbox::new();
    let cases = "\
cases: [{id: a}, {id: b}, {id: c}, {id: d}]
personas: [{name: kind, system: Be kind.}, {name: curt, system: Be curt.}]
windows: [1, full]
trials: 3
turns: [{user: 'Hi {{ id }}'}, {user: More}]
";
    sandbox.write("s/cases.yaml", cases);
    sandbox.write("s/grid.yaml", "matrix: {gap: [0, 2]}\nturns: [{user: 'Hi {{ gap }}'}]");
    for name in ["alpha", "beta", "gamma"] {
        sandbox.write(&format!("s/{name}.yaml"), "turns: [{user: Hi}]");
    }
    sandbox
}

/// What is played with these arguments: place in the plan and names of each conversation.
fn played(sandbox: &Sandbox, arguments: &[&str]) -> BTreeMap<u64, String> {
    sandbox.run(&[&["run", "s", "--snapshots", "off", "-q"], arguments].concat()).expect(0);
    let journal = std::fs::read_to_string(sandbox.run_folder().join("journal.jsonl")).unwrap();
    let events = journal.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let begun = events.filter(|event| event["event"] == "begin");
    let named = begun.map(|begin| {
        let names = ["scenario", "case", "persona", "model", "window", "vars", "trial"];
        (begin["plan"].as_u64().unwrap(), names.map(|name| begin[name].to_string()).join(" "))
    });
    named.collect()
}

fn shards(sandbox: &Sandbox, of: u32) -> Vec<BTreeMap<u64, String>> {
    (1..=of).map(|number| played(sandbox, &["--shard", &format!("{number}/{of}")])).collect()
}

fn manifest(sandbox: &Sandbox) -> Value {
    serde_json::from_str(&sandbox.read("results/latest/run.json")).unwrap()
}

#[test]
fn parts_share_nothing_and_together_are_the_plan_with_its_places() {
    let sandbox = plan();
    let whole = played(&sandbox, &[]);
    assert_eq!(whole.len(), 4 * 2 * 2 * 3 + 2 + 3);
    for of in 1..=7 {
        let parts = shards(&sandbox, of);
        assert_eq!(parts.iter().map(BTreeMap::len).sum::<usize>(), whole.len(), "of {of}");
        let together: BTreeMap<u64, String> = parts.into_iter().flatten().collect();
        assert_eq!(together, whole, "of {of}");
    }
}

#[test]
fn what_has_one_scenario_and_case_stays_together_and_a_new_scenario_moves_no_other() {
    let sandbox = plan();
    let homes = |parts: &[BTreeMap<u64, String>]| {
        let mut homes: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
        for (part, name) in parts.iter().enumerate().flat_map(|(part, names)| names.values().map(move |n| (part, n))) {
            let scenario_and_case = name.split(' ').take(2).collect::<Vec<_>>().join(" ");
            homes.entry(scenario_and_case).or_default().insert(part);
        }
        homes
    };
    let before = homes(&shards(&sandbox, 3));
    assert_eq!(before.len(), 4 + 1 + 3);
    assert!(before.values().all(|parts| parts.len() == 1), "{before:?}");
    assert!(before.values().flatten().collect::<BTreeSet<_>>().len() > 1, "it is split at all");
    // One that stands before all others in the plan, and shifts the place of each.
    sandbox.write("s/aaa.yaml", "turns: [{user: Hi}]");
    let mut after = homes(&shards(&sandbox, 3));
    after.retain(|name, _| !name.contains("aaa"));
    assert_eq!(after, before);
}

#[test]
fn a_part_has_the_digest_of_the_whole_plan_and_says_which_it_is() {
    let sandbox = plan();
    let run = |arguments: &[&str]| {
        let ran = sandbox.run(&[&["run", "s", "--snapshots", "off"], arguments].concat()).expect(0);
        (manifest(&sandbox), ran)
    };
    let (whole, ran) = run(&[]);
    assert!(whole["shard"].is_null() && whole["planned"].is_null(), "{whole}");
    assert!(!ran.stdout.contains("shard") && !ran.stderr.contains("shard"), "{}{}", ran.stdout, ran.stderr);
    let mut conversations = 0;
    for number in 1..=3 {
        let (part, ran) = run(&["--shard", &format!("{number}/3")]);
        assert_eq!(part["plan_digest"], whole["plan_digest"]);
        assert_eq!(
            (&part["shard"]["number"], &part["shard"]["of"], &part["planned"]),
            (&number.into(), &3.into(), &53.into())
        );
        conversations += part["conversations"].as_u64().unwrap();
        let told = format!(" {} conversations · ", part["conversations"]);
        assert!(ran.stderr.contains(&told), "{told}: {}", ran.stderr);
        assert!(ran.stderr.contains(&format!("shard {number}/3 of 53 conversations\n")), "{}", ran.stderr);
        assert!(ran.stdout.contains(&format!("\nshard {number}/3: ")), "{}", ran.stdout);
        assert_eq!(sandbox.run(&["report"]).expect(0).stdout, ran.stdout);
    }
    assert_eq!(conversations, 53);
    let (one, _) = run(&["--shard", "1/1"]);
    assert!(one["shard"].is_null(), "one part of one is the plan: {one}");
}

#[test]
fn what_is_no_shard_is_refused_and_the_way_out_named() {
    let sandbox = plan();
    for (value, told) in [
        ("x", "`x` is no shard; `2/3` is the second of three parts"),
        ("0/3", "`0/3` is no shard; the parts are `1/3` to `3/3`"),
        ("4/3", "`4/3` is no shard; the parts are `1/3` to `3/3`"),
        ("1/0", "`1/0` is no shard; a plan has from 1 to 10000 parts"),
    ] {
        let ran = sandbox.run(&["run", "s", "--shard", value]).expect(2);
        assert!(ran.stderr.contains(told), "{}", ran.stderr);
    }
    assert!(!sandbox.has("results"));
}

#[test]
fn a_part_without_conversations_is_a_run_all_the_same_and_fails_nothing() {
    let sandbox = Sandbox::new();
    sandbox.write("s/one.yaml", "turns: [{user: Hi}]");
    let run =
        |number: u32| sandbox.run(&["run", "s", "--snapshots", "off", "--shard", &format!("{number}/4")]).expect(0);
    let ran: Vec<Ran> = (1..=4).map(run).collect();
    let empty: Vec<&Ran> = ran.iter().filter(|ran| ran.stdout.contains("there was nothing to play")).collect();
    assert_eq!(empty.len(), 3);
    let number = (1..=4).find(|number| ran[number - 1].stdout.contains("nothing to play")).unwrap();
    let told = format!(
        "no scenario or case of the plan falls into shard {number}/4: there was nothing to play\nshard {number}/4: 0 passed · 0 calls in "
    );
    assert!(ran[number - 1].stdout.starts_with(&told), "{}", ran[number - 1].stdout);
    run(u32::try_from(number).unwrap());
    assert_eq!(manifest(&sandbox)["conversations"], 0);
    for file in ["transcripts.csv", "checks.csv", "retention.csv", "summary.csv"] {
        assert!(sandbox.rows(file).is_empty(), "{file}");
    }
    sandbox.run(&["run", "--resume"]).expect(0);
    // Filters that leave nothing of the whole plan are a mistake in every part.
    let ran = sandbox.run(&["run", "s", "-k", "other", "--shard", "1/4"]).expect(4);
    assert!(ran.stderr.contains("the filters leave no conversation"), "{}", ran.stderr);
}

#[test]
fn a_part_that_did_not_finish_goes_on_as_that_part() {
    let is_mended = Arc::new(AtomicBool::new(false));
    let of_server = Arc::clone(&is_mended);
    let server = Server::start(move |request| {
        let is_broken = request.last_user() == "More" && !of_server.load(Ordering::Relaxed);
        if is_broken { Answer::error(400, "bad", "not today") } else { Answer::reply(request, "Fine.") }
    });
    let sandbox = Sandbox::with_bot(&server.base_url());
    let cases = (1..=9).map(|id| format!("{{id: c{id}}}")).collect::<Vec<_>>().join(", ");
    sandbox.write("s/one.yaml", format!("cases: [{cases}]\nturns: [{{user: 'Hi {{{{ id }}}}'}}, {{user: More}}]"));
    sandbox.run(&["run", "s", "--snapshots", "off", "--shard", "2/3"]).expect(3);
    let conversations = usize::try_from(manifest(&sandbox)["conversations"].as_u64().unwrap()).unwrap();
    assert!((1..9).contains(&conversations), "{conversations}");
    assert_eq!(server.requests().len(), 2 * conversations);
    let refused = sandbox.run(&["run", "--resume", "--shard", "2/3"]).expect(2);
    assert!(refused.stderr.contains("`--shard` does not go with `--resume`"), "{}", refused.stderr);
    is_mended.store(true, Ordering::Relaxed);
    let ran = sandbox.run(&["run", "--resume"]).expect(0);
    assert!(ran.stderr.contains(&format!("0 of {conversations} conversations are done")), "{}", ran.stderr);
    assert!(ran.stdout.contains(&format!("\nshard 2/3: {conversations} passed")), "{}", ran.stdout);
    assert_eq!(server.requests().len(), 3 * conversations, "the second turn of each once more");
    assert_eq!(sandbox.rows("summary.csv").len(), conversations);
}
