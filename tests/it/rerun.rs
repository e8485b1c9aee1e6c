//! `run --rerun failed|errored [RUN]`: only what failed or errored in an earlier run is played again, told by its names.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::support::answer::Answer;
use crate::support::sandbox::{Ran, Sandbox};
use crate::support::server::Server;

const OFF: [&str; 2] = ["--snapshots", "off"];

// Windows 1 and full send another request each, so that they share none.
const CASES: &str = "\
cases: [{id: a}, {id: b}, {id: c}, {id: d}]
windows: [1, full]
history: [{role: user, content: Are you there?}, {role: assistant, content: I am.}]
turns: [{user: 'Hi {{ id }}', expect: [{contains: hello}]}]
";

/// A server that is rude to `b` and refuses `c`, until it is mended; a sandbox whose run has met it.
fn spoilt() -> (Server, Sandbox, Arc<AtomicBool>) {
    let is_mended = Arc::new(AtomicBool::new(false));
    let of_server = Arc::clone(&is_mended);
    let server = Server::start(move |request| match request.last_user().as_str() {
        "Hi b" if !of_server.load(Ordering::Relaxed) => Answer::reply(request, "Go away."),
        "Hi c" if !of_server.load(Ordering::Relaxed) => Answer::error(400, "bad", "not today"),
        _ => Answer::reply(request, "Hello!"),
    });
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/cases.yaml", CASES);
    sandbox.write("s/one.yaml", "turns: [{user: Hi, expect: [{contains: hello}]}]");
    run(&sandbox, &["s", "--trials", "2"]).expect(1);
    assert_eq!(server.requests().len(), 4 * 2 * 2 + 2);
    (server, sandbox, is_mended)
}

fn run(sandbox: &Sandbox, arguments: &[&str]) -> Ran {
    sandbox.run(&[&["run"], arguments, &OFF].concat())
}

/// What the latest run has played, as `scenario/case/window/trial`.
fn played(sandbox: &Sandbox) -> Vec<String> {
    let columns = ["scenario", "case", "window", "trial"];
    sandbox.rows("transcripts.csv").iter().map(|row| columns.map(|column| row[column].clone()).join("/")).collect()
}

fn id(sandbox: &Sandbox) -> String {
    sandbox.run_folder().file_name().unwrap().to_string_lossy().into_owned()
}

fn all_of(case: &str) -> Vec<String> {
    ["1/1", "1/2", "full/1", "full/2"].map(|rest| format!("cases/{case}/{rest}")).to_vec()
}

#[test]
fn what_failed_is_played_again_with_all_its_trials_and_nothing_else_is_sent() {
    let (server, sandbox, is_mended) = spoilt();
    let first = id(&sandbox);
    let ran = run(&sandbox, &["--rerun", "failed"]).expect(1);
    assert_eq!(played(&sandbox), all_of("b"));
    assert_eq!(server.requests().len(), 18 + 4);
    assert!(
        ran.stderr.contains(&format!(" · 4 conversations · 4 calls at most · bot 4 · what failed in {first}\n")),
        "{}",
        ran.stderr
    );
    is_mended.store(true, Ordering::Relaxed);
    run(&sandbox, &["--rerun", "failed"]).expect(0);
    assert_eq!(played(&sandbox), all_of("b"));
    let ran = run(&sandbox, &["--rerun", "failed"]).expect(4);
    let told = format!("nothing failed in `{}`: there is nothing to play again", id(&sandbox));
    assert!(ran.stderr.contains(&told), "{}", ran.stderr);
    assert_eq!(server.requests().len(), 18 + 4 + 4);
    // An older run is named.
    run(&sandbox, &["--rerun", "errored", &first]).expect(0);
    assert_eq!(played(&sandbox), all_of("c"));
}

#[test]
fn one_failed_trial_takes_all_trials_of_its_variant_with_it_unless_the_rate_allows_it() {
    let server = Server::start(|request| {
        let is_rude = request.number % 8 == 2;
        Answer::reply(request, if is_rude { "Go away." } else { "Hello!" })
    });
    let sandbox = Sandbox::with_bot(&server.base_url());
    let scenario = "trials: 4\npass_rate: 0.9\nturns: [{user: Hi, expect: [{contains: hello}]}]";
    sandbox.write("s/one.yaml", scenario);
    run(&sandbox, &["s"]).expect(1);
    run(&sandbox, &["--rerun", "failed"]).expect(0);
    assert_eq!(played(&sandbox).len(), 4);
    sandbox.write("s/one.yaml", scenario.replace("0.9", "0.7"));
    run(&sandbox, &["s"]).expect(0);
    run(&sandbox, &["--rerun", "failed"]).expect(4);
    assert_eq!(server.requests().len(), 12);
}

#[test]
fn the_second_word_is_a_run_or_else_a_path() {
    let (_server, sandbox, _) = spoilt();
    let first = id(&sandbox);
    sandbox.write("t/two.yaml", "turns: [{user: Hi, expect: [{contains: goodbye}]}]");
    sandbox.write("u/three.yaml", "turns: [{user: Hi, expect: [{contains: goodbye}]}]");
    let scenarios = || {
        let mut names: Vec<String> = sandbox.rows("summary.csv").iter().map(|row| row["scenario"].clone()).collect();
        names.dedup();
        names
    };
    run(&sandbox, &["--rerun", "failed", "s"]).expect(1);
    run(&sandbox, &["s", "--rerun", "failed"]).expect(1);
    run(&sandbox, &["--rerun=failed", "s/"]).expect(1);
    run(&sandbox, &["s", "--rerun", "failed", "latest"]).expect(1);
    run(&sandbox, &["--rerun", "failed", &format!("results/{first}"), "s"]).expect(1);
    run(&sandbox, &["--rerun", "failed", &first]).expect(1);
    run(&sandbox, &["--rerun", "failed", "previous"]).expect(1);
    assert_eq!(played(&sandbox), all_of("b"));
    run(&sandbox, &["t", "s", "u"]).expect(1);
    assert_eq!(scenarios(), ["two", "cases", "one", "three"]);
    run(&sandbox, &["t", "--rerun", "failed", "s", "u"]).expect(1);
    assert_eq!(scenarios(), ["two", "cases", "three"], "a path stays where it was among the others");
    run(&sandbox, &["--rerun", "failed", "u", "t"]).expect(1);
    assert_eq!(scenarios(), ["three", "two"]);
    let ran = run(&sandbox, &["--rerun", "failed", "absent"]).expect(2);
    assert!(ran.stderr.contains("there is no run `absent` in `results`"), "{}", ran.stderr);
    let ran = run(&sandbox, &["--rerun", "s"]).expect(2);
    assert!(ran.stderr.contains("`--rerun` takes `failed` or `errored`, and is `s`"), "{}", ran.stderr);
    let ran = run(&sandbox, &["--resume", "--rerun", "failed"]).expect(2);
    assert!(ran.stderr.contains("`--rerun` does not go with `--resume`"), "{}", ran.stderr);
}

#[test]
fn conversations_are_told_by_their_names_whatever_became_of_their_texts() {
    let (server, sandbox, _) = spoilt();
    let first = id(&sandbox);
    let other = CASES.replace("Hi {{ id }}', ", "Good day {{ id }}', ").replace("{id: a}, ", "");
    sandbox.write("s/aaa.yaml", "turns: [{user: Hi}]");
    sandbox.write("s/cases.yaml", other.replace("windows: [1, full]", "windows: [full, 2]"));
    let ran = run(&sandbox, &["--rerun", "failed", &first]).expect(0);
    assert_eq!(played(&sandbox), ["cases/b/full/1", "cases/b/full/2"]);
    assert_eq!(server.requests().last().unwrap().last_user(), "Good day b");
    let told =
        format!("warning: `cases · b · default · bot · window 1` failed in `{first}`, and is no longer in the plan\n");
    assert!(ran.stderr.starts_with(&told), "{}", ran.stderr);
    let ran = run(&sandbox, &["--rerun", "failed", &first, "-k", "window=full"]).expect(0);
    assert!(!ran.stderr.contains("warning"), "what filters leave out is left out on purpose: {}", ran.stderr);
    let ran = run(&sandbox, &["--rerun", "failed", &first, "-k", "case=d"]).expect(4);
    assert!(ran.stderr.contains(&format!("nothing that failed in `{first}` is in this plan")), "{}", ran.stderr);
    fs::rename(sandbox.path().join("s/cases.yaml"), sandbox.path().join("s/renamed.yaml")).unwrap();
    run(&sandbox, &["--rerun", "failed", &first]).expect(4);
}

#[test]
fn models_windows_trials_and_environment_are_those_of_the_earlier_run() {
    let server = Server::saying("Go away.");
    let sandbox = Sandbox::new();
    let config =
        format!("models:\n  bot: {{provider: openai, base_url: \"{}\", api_key_env: none}}\n", server.base_url());
    sandbox.write("named.yaml", config);
    sandbox.write("s/one.yaml", "turns: [{user: Hi, expect: [{contains: hello}]}]");
    let columns = ["model", "window", "trials"];
    let rows = || {
        sandbox
            .rows("summary.csv")
            .iter()
            .map(|row| columns.map(|name| row[name].clone()).join(" "))
            .collect::<Vec<_>>()
    };
    let named =
        ["s", "--config", "named.yaml", "--model", "bot", "--window", "2-drop", "--window", "past-1", "--trials", "3"];
    run(&sandbox, &named).expect(1);
    let all = ["bot 2-drop 3", "bot past-1 3"];
    assert_eq!(rows(), all);
    // A run of what another one came to is itself an earlier run.
    for _ in 0..2 {
        run(&sandbox, &["--config", "named.yaml", "--rerun", "failed"]).expect(1);
        assert_eq!(rows(), all);
    }
    run(&sandbox, &["--config", "named.yaml", "--rerun", "failed", "--window", "past-1", "--trials", "2"]).expect(1);
    assert_eq!(rows(), ["bot past-1 2"]);
    run(&sandbox, &["--config", "named.yaml", "--rerun", "failed"]).expect(1);
    assert_eq!(rows(), ["bot past-1 2"]);
    run(&sandbox, &["--config", "named.yaml", "--rerun", "failed", "--model", "builtin"]).expect(4);

    let mut command = sandbox.command(&["run", "s", "--config", "named.yaml", "--snapshots", "off"]);
    Ran::from(command.env("CHAT_EVAL_MODEL", "bot").output().unwrap()).expect(1);
    run(&sandbox, &["--config", "named.yaml", "--rerun", "failed"]).expect(1);
    let mut command = sandbox.command(&["run", "--config", "named.yaml", "--rerun", "failed", "--snapshots", "off"]);
    Ran::from(command.env("CHAT_EVAL_MODEL", "builtin").output().unwrap()).expect(1);
    assert_eq!(rows(), ["bot full 1"]);
    run(&sandbox, &["--config", "named.yaml", "--rerun", "failed"]).expect(1);
}

#[test]
fn what_was_skipped_cut_short_or_not_begun_has_errored() {
    let (server, sandbox, is_mended) = spoilt();
    let folder = sandbox.run_folder();
    let journal = fs::read_to_string(folder.join("journal.jsonl")).unwrap();
    // Killed: of the last conversations the journal has nothing, or no end.
    let is_last = |line: &&str| {
        ["\"event\":\"begin\"", "\"scenario\":\"one\"", "\"trial\":2"].iter().all(|part| line.contains(part))
    };
    let begin = journal.lines().find(is_last).unwrap();
    let plan = begin.split("\"plan\":").nth(1).unwrap().split(',').next().unwrap();
    let is_of =
        |line: &str| line.contains(&format!("\"plan\":{plan},")) || line.contains(&format!("\"plan\":{plan}}}"));
    let kept: Vec<&str> = journal.lines().filter(|line| !is_of(line) && !line.contains("\"event\":\"stop\"")).collect();
    fs::write(folder.join("journal.jsonl"), kept.join("\n") + "\n").unwrap();
    is_mended.store(true, Ordering::Relaxed);
    run(&sandbox, &["--rerun", "errored"]).expect(0);
    assert_eq!(played(&sandbox), [all_of("c"), vec!["one//full/1".into(), "one//full/2".into()]].concat());
    let sent = server.requests().len();

    // Filters and parts of the earlier run hold for what it did not begin, too.
    run(&sandbox, &["s", "-k", "cases", "-k", "case=a", "-k", "window=full"]).expect(0);
    let folder = sandbox.run_folder();
    let journal = fs::read_to_string(folder.join("journal.jsonl")).unwrap();
    fs::write(folder.join("journal.jsonl"), journal.lines().next().unwrap().to_owned() + "\n").unwrap();
    run(&sandbox, &["--rerun", "errored"]).expect(0);
    assert_eq!(played(&sandbox), ["cases/a/full/1"]);
    assert_eq!(server.requests().len(), sent + 2);
}

/// Leaves of the latest run's journal nothing but its beginning.
fn forget(sandbox: &Sandbox) {
    let journal = sandbox.run_folder().join("journal.jsonl");
    let text = fs::read_to_string(&journal).unwrap();
    fs::write(&journal, text.lines().next().unwrap().to_owned() + "\n").unwrap();
}

/// The story: of a run that was killed early, whose scenarios had been moved since, nothing had errored, and CI was green.
#[test]
fn what_was_not_begun_is_told_from_the_paths_that_are_named_or_else_said_to_be_unknown() {
    let sandbox = Sandbox::new();
    sandbox.write("s/one.yaml", "turns: [{user: Hi}]");
    sandbox.write("s/two.yaml", "trials: 2\nturns: [{user: Hi}]");
    run(&sandbox, &["s", "--max-conversations", "99"]).expect(0);
    let first = id(&sandbox);
    forget(&sandbox);
    fs::rename(sandbox.path().join("s"), sandbox.path().join("t")).unwrap();
    sandbox.write("t/new.yaml", "turns: [{user: Hi}]");
    let ran = run(&sandbox, &["--rerun", "errored"]).expect(2);
    let told = format!(
        "error: 3 conversations were not begun in `{first}`, and its scenarios, as they are here, do not say which\n"
    );
    assert!(ran.stderr.starts_with(&told) && ran.stderr.contains("help: name a PATH"), "{}", ran.stderr);
    run(&sandbox, &["--rerun", "errored", &first, "t"]).expect(0);
    assert_eq!(played(&sandbox), ["one//full/1", "two//full/1", "two//full/2"], "and what is new is not of that run");

    // Beside something that errored it is a warning.
    fs::rename(sandbox.path().join("t/one.yaml"), sandbox.path().join("t/other.yaml")).unwrap();
    let ran = run(&sandbox, &["--rerun", "errored", &first, "t"]).expect(0);
    assert!(ran.stderr.starts_with("warning: 1 conversation was not begun in `"), "{}", ran.stderr);
    assert_eq!(played(&sandbox), ["two//full/1", "two//full/2"]);
}

#[test]
fn the_size_that_a_plan_may_have_is_that_of_the_earlier_run() {
    let sandbox = Sandbox::new();
    sandbox.write("s/one.yaml", "trials: 3\nturns: [{user: Hi, expect: [{contains: goodbye}]}]");
    run(&sandbox, &["s", "--max-conversations", "3"]).expect(1);
    run(&sandbox, &["--rerun", "failed"]).expect(1);
    let first = id(&sandbox);
    let ran = run(&sandbox, &["--rerun", "failed", "--trials", "4"]).expect(2);
    assert!(ran.stderr.contains("`--max-conversations N` allows a larger plan"), "{}", ran.stderr);
    run(&sandbox, &["--rerun", "failed", "--trials", "4", "--max-conversations", "4"]).expect(1);
    assert_ne!(id(&sandbox), first);
    sandbox.run(&["run", "--resume"]).expect(1);
}

#[test]
fn a_budget_that_ran_out_leaves_what_can_be_played_again() {
    let server = Server::saying("Hello!");
    let sandbox = Sandbox::new();
    let config = format!(
        "model: bot\nmodels:\n  bot: {{provider: openai, base_url: \"{}\", api_key_env: none, price: {{input: 1, output: 100}}}}\n",
        server.base_url()
    );
    sandbox.write("chat-eval.yaml", config);
    sandbox.write("s/one.yaml", format!("params: {{max_tokens: 1000}}\n{CASES}"));
    run(&sandbox, &["s", "--max-cost", "0.1012", "-j", "1"]).expect(3);
    let played_first = sandbox.rows("transcripts.csv").iter().filter(|row| row["error"].is_empty()).count();
    let first = id(&sandbox);
    let ran = run(&sandbox, &["--rerun", "errored"]).expect(0);
    let told = format!("`{first}` might spend $0.10, and this run has no cap; `--max-cost` sets one\n");
    assert!(ran.stderr.starts_with(&told), "{}", ran.stderr);
    let played_then = sandbox.rows("transcripts.csv").len();
    assert!(played_first < 8 && played_first + played_then == 8, "{played_first} and {played_then}");
    let ran = run(&sandbox, &["--rerun", "errored", &first, "--max-cost", "9"]).expect(0);
    assert!(!ran.stderr.contains("no cap"), "{}", ran.stderr);
}

#[test]
fn a_rerun_goes_on_without_the_run_that_it_came_from_and_can_be_split_and_merged() {
    let (server, sandbox, is_mended) = spoilt();
    let first = id(&sandbox);
    run(&sandbox, &["--rerun", "errored"]).expect(3);
    let rerun = id(&sandbox);
    fs::rename(sandbox.path().join("results").join(&first), sandbox.path().join("elsewhere")).unwrap();
    is_mended.store(true, Ordering::Relaxed);
    let sent = server.requests().len();
    let ran = sandbox.run(&["run", "--resume", &rerun]).expect(0);
    assert!(ran.stderr.contains("0 of 4 conversations are done"), "{}", ran.stderr);
    assert_eq!((played(&sandbox), server.requests().len()), (all_of("c"), sent + 4));

    is_mended.store(false, Ordering::Relaxed);
    for shard in ["1/3", "2/3", "3/3"] {
        let out = format!("shards/{}", &shard[..1]);
        let ran = run(&sandbox, &["--rerun", "failed", "elsewhere", "--shard", shard, "--out", &out]);
        assert!([Some(0), Some(1)].contains(&ran.code), "{}{}", ran.stdout, ran.stderr);
    }
    let merge = ["merge", "shards/1/latest", "shards/2/latest", "shards/3/latest", "-o", "results/merged"];
    sandbox.run(&[&merge[..], &OFF].concat()).expect(1);
    assert_eq!(played(&sandbox), all_of("b"));
    run(&sandbox, &["--rerun", "failed", "merged"]).expect(1);
    assert_eq!(played(&sandbox), all_of("b"));
    let manifest: Value = serde_json::from_str(&sandbox.read("results/latest/run.json")).unwrap();
    assert_eq!((&manifest["rerun"]["what"], &manifest["rerun"]["run"]), (&"failed".into(), &"merged".into()));
}
