//! How a run ends: each exit code by its real cause, and which one wins; marks, trials and who a check is asked of.

use std::collections::BTreeMap;

use crate::support::answer::Answer;
use crate::support::sandbox::{Ran, Sandbox};
use crate::support::server::Server;

const HELLO: &str = "turns: [{user: Hi, expect: [{contains: hello}]}]";

/// Runs one scenario against the server.
fn run(server: &Server, scenario: &str, arguments: &[&str]) -> (Sandbox, Ran) {
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", scenario);
    let ran = sandbox.run(&[&["run", "s", "--snapshots", "off"], arguments].concat());
    (sandbox, ran)
}

/// The verdict of each row of `checks.csv`, in its order.
fn verdicts(sandbox: &Sandbox) -> Vec<String> {
    sandbox.rows("checks.csv").iter().map(|row| row["verdict"].clone()).collect()
}

/// How many conversations ended so, as `run.json` has it.
fn ended(sandbox: &Sandbox, end: &str) -> u64 {
    let run: serde_json::Value = serde_json::from_str(&sandbox.read("results/latest/run.json")).unwrap();
    run["totals"]["conversations"][end].as_u64().unwrap()
}

#[test]
fn code_0_when_every_check_passed() {
    let (sandbox, ran) = run(&Server::saying("Hello!"), HELLO, &[]);
    ran.expect(0);
    assert_eq!(verdicts(&sandbox), ["pass"]);
    assert_eq!(ended(&sandbox, "passed"), 1);
}

#[test]
fn code_1_when_a_check_failed() {
    let (sandbox, ran) = run(&Server::saying("Good day."), HELLO, &[]);
    let ran = ran.expect(1);
    assert_eq!(verdicts(&sandbox), ["fail"]);
    assert_eq!(ended(&sandbox, "failed"), 1);
    assert!(ran.stdout.contains("Good day."), "the reply is quoted:\n{}", ran.stdout);
}

#[test]
fn code_2_when_the_input_is_wrong_and_nothing_was_sent() {
    let server = Server::saying("Hello!");
    let wrong = |scenario: &str, arguments: &[&str], told: &str| {
        let (sandbox, ran) = run(&server, scenario, arguments);
        let ran = ran.expect(2);
        assert!(ran.stderr.contains(told), "{}", ran.stderr);
        assert!(ran.stdout.is_empty() && !sandbox.has("results"), "{}", ran.stdout);
    };
    wrong(HELLO, &["--concurrency", "0"], "0 is not in 1..=100000");
    wrong(HELLO, &["--colour"], "unexpected argument");
    wrong("turns: []", &[], "1 error; nothing was sent");
    wrong(HELLO, &["--model", "other"], "`other` is no model");
    wrong(HELLO, &["--show", "-j", "2"], "`--show` plays one conversation at a time");
    wrong(HELLO, &["--trials", "9", "--max-conversations", "8"], "the plan has 9 conversations, and at most 8");
    // A hundred million: more than any journal is read back of, whatever is allowed.
    let values = format!("{:?}", (0..100).collect::<Vec<_>>());
    let huge = format!("matrix: {{a: {values}, b: {values}}}\ntrials: 10000\n{HELLO}");
    let told = "the plan has 100000000 conversations, and a journal has room for 67108864\n";
    wrong(&huge, &["--max-conversations", "999999999"], told);
    let (_, ran) = run(&server, &huge, &["--max-conversations", "999999999"]);
    assert!(ran.stderr.ends_with(told), "no flag allows more:\n{}", ran.stderr);
    assert!(server.requests().is_empty());
}

#[test]
fn a_number_that_is_mistyped_as_a_negative_one_is_told_what_it_may_be() {
    for (flag, value, told) in [
        ("--shard", "-1/3", "`-1/3` is no shard; `2/3` is the second of three parts"),
        ("--shard", "-1", "`-1` is no shard"),
        ("-j", "-1", "'--concurrency <N>': -1 is not in 1..=100000"),
        ("--concurrency", "-1", "'--concurrency <N>': -1 is not in 1..=100000"),
        ("--trials", "-1", "'--trials <N>': -1 is not in 1..=10000"),
        ("--rpm", "-5", "'--rpm <N>': -5 is not in 1..=1000000000"),
        ("--tpm", "-5", "'--tpm <N>': -5 is not in 1..=1000000000"),
        ("--retries", "-1", "'--retries <N>': -1 is not in 0..=100"),
        ("--timeout", "-1", "'--timeout <SECONDS>': a number of seconds from 0.001 to 86400"),
        ("--timeout", "-0.5", "'--timeout <SECONDS>': a number of seconds from 0.001 to 86400"),
        ("--max-cost", "-1", "'--max-cost <USD>': a number of US dollars from 0 to 1000000"),
        ("--max-cost", "-0.5", "'--max-cost <USD>': a number of US dollars from 0 to 1000000"),
        ("--max-conversations", "-1", "'--max-conversations <N>': a whole number of conversations, 0 or more"),
        ("--window", "-1", "'--window <WINDOW>': not a window; windows are `full`"),
    ] {
        let (sandbox, ran) = run(&Server::saying("Hello!"), HELLO, &[flag, value]);
        let ran = ran.expect(2);
        assert!(ran.stderr.starts_with(&format!("error: invalid value '{value}' for ")), "{flag}: {}", ran.stderr);
        assert!(ran.stderr.contains(told), "{flag}: {}", ran.stderr);
        assert!(!sandbox.has("results"));
    }
    let sandbox = Sandbox::new();
    sandbox.write("s/one.yaml", HELLO);
    let ran = sandbox.run(&["check", "s", "--max-conversations", "-1"]).expect(2);
    assert!(ran.stderr.contains("a whole number of conversations, 0 or more"), "{}", ran.stderr);
}

#[test]
fn code_2_when_a_key_is_missing_and_the_way_out_is_named() {
    let sandbox = Sandbox::new();
    sandbox.write("s/one.yaml", "model: gpt-4o-mini\nturns: [{user: Hi}]");
    let ran = sandbox.run(&["run", "s"]).expect(2);
    assert!(ran.stderr.contains("OPENAI_API_KEY") && ran.stderr.contains("--model builtin"), "{}", ran.stderr);
    sandbox.run(&["run", "s", "--model", "builtin"]).expect(0);
}

#[test]
fn code_3_when_a_call_failed_or_a_check_stayed_unknown() {
    let refusing = Server::start(|_| Answer::error(400, "bad", "no such thing"));
    let (sandbox, ran) = run(&refusing, HELLO, &[]);
    let ran = ran.expect(3);
    assert!(ran.stdout.contains("no such thing"), "{}", ran.stdout);
    assert_eq!(verdicts(&sandbox), ["unknown"]);

    let (sandbox, ran) = run(&Server::saying(""), HELLO, &[]);
    ran.expect(3);
    assert_eq!(verdicts(&sandbox), ["unknown"]);
    assert_eq!(ended(&sandbox, "errored"), 1);
}

#[test]
fn code_4_when_there_is_nothing_to_do() {
    let server = Server::saying("Hello!");
    let nothing = |arguments: &[&str], told: &str| {
        let ran = run(&server, HELLO, arguments).1.expect(4);
        assert!(ran.stderr.contains(told), "{}", ran.stderr);
    };
    nothing(&["--filter", "other"], "the filters leave no conversation");
    nothing(&["--tag", "smoke"], "the filters leave no conversation");
    nothing(&["--persona", "defualt"], "no scenario has the persona `defualt`; did you mean `default`?");
    let empty = Sandbox::new();
    empty.write("s/notes.txt", "no scenario");
    let ran = empty.run(&["run", "s"]).expect(4);
    assert!(ran.stderr.contains("no scenario found"), "{}", ran.stderr);
}

#[test]
fn code_5_when_a_report_cannot_be_written_and_it_wins_over_a_failure() {
    let server = Server::saying("Good day.");
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", HELLO);
    // Neither the link nor the file that names the latest run can be made.
    sandbox.write("results/latest/mine.txt", "");
    sandbox.write("results/LATEST/mine.txt", "");
    let ran = sandbox.run(&["run", "s", "--snapshots", "off"]).expect(5);
    assert!(ran.stderr.contains("cannot write") && ran.stderr.contains("journal.jsonl"), "{}", ran.stderr);
    assert!(ran.stderr.contains("`chat-eval report results/"), "{}", ran.stderr);
    assert!(ran.stdout.contains("Good day."), "the summary is printed all the same:\n{}", ran.stdout);
}

#[test]
fn a_failure_wins_over_an_outage() {
    let server = Server::start(|request| match request.last_user().as_str() {
        "Hi" => Answer::reply(request, "Good day."),
        _ => Answer::error(400, "bad", "no"),
    });
    let scenario = "{user: Hi, expect: [{contains: hello}]}";
    let (sandbox, ran) = run(&server, &format!("turns: [{scenario}, {{user: More, expect: [{{asks: true}}]}}]"), &[]);
    ran.expect(1);
    assert_eq!(verdicts(&sandbox), ["fail", "unknown"]);
}

#[test]
fn checks_for_language_models_or_for_other_models_are_skipped_elsewhere() {
    let scenario = "\
models: [bot, builtin]
turns:
  - user: Hi
    expect:
      - {contains: hello, needs_model: true}
      - {max_words: 100, models: [built*]}
";
    let (sandbox, ran) = run(&Server::saying("Hello!"), scenario, &[]);
    ran.expect(0);
    assert_eq!(verdicts(&sandbox), ["pass", "skip", "skip", "pass"]);
    let details: Vec<String> = sandbox.rows("checks.csv").iter().map(|row| row["detail"].clone()).collect();
    assert_eq!(details[1..3], ["not for this model", "needs a language model"]);
}

#[test]
fn a_known_failure_fails_nothing_until_it_passes() {
    let scenario = "turns: [{user: Hi, expect: [{contains: hello, known_failure: no manners yet}]}]";
    let (sandbox, ran) = run(&Server::saying("Good day."), scenario, &[]);
    let ran = ran.expect(0);
    assert_eq!(verdicts(&sandbox), ["known_failure"]);
    assert!(ran.stdout.contains("no manners yet"), "it is listed:\n{}", ran.stdout);

    let (sandbox, ran) = run(&Server::saying("Hello!"), scenario, &[]);
    let ran = ran.expect(1);
    assert_eq!(verdicts(&sandbox), ["fail"]);
    let detail = "passes, and is marked as a known failure (no manners yet): remove the mark";
    assert!(ran.stdout.contains(detail), "{}", ran.stdout);
    assert_eq!(sandbox.rows("checks.csv")[0]["detail"], detail, "the files say what the terminal says");
}

#[test]
fn a_known_failure_of_some_models_leaves_the_others_held_to_the_check() {
    // Neither of the two says hello; only the bot is known not to.
    let scenario = "models: [bot, builtin]\nturns: [{user: Hi, expect: [{contains: hello, known_failure: {why: no manners yet, models: [b?t]}}]}]";
    let (sandbox, ran) = run(&Server::saying("Good day."), scenario, &[]);
    let ran = ran.expect(1);
    assert_eq!(verdicts(&sandbox), ["known_failure", "fail"]);
    assert!(ran.stdout.contains("bot · turn 1 · contains \"hello\" (known: no manners yet)"), "{}", ran.stdout);
    run(&Server::saying("Good day."), scenario, &["--model", "bot"]).1.expect(0);
    // Where it is marked it must fail, and elsewhere it may pass.
    let said = "turns: [{user: Hi, expect: [{contains: noted, known_failure: {why: never does, models: [bot]}}]}]";
    let (sandbox, ran) = run(&Server::saying("Noted."), &format!("models: [bot, builtin]\n{said}"), &[]);
    let ran = ran.expect(1);
    assert_eq!(verdicts(&sandbox), ["fail", "pass"]);
    assert!(ran.stdout.contains("marked as a known failure (never does): remove the mark"), "{}", ran.stdout);
}

/// A server that answers well but to one request: in which trial that falls is chance, how many it spoils is not.
fn good_but_once() -> Server {
    Server::start(|request| Answer::reply(request, if request.number == 2 { "Good day." } else { "Hello!" }))
}

#[test]
fn trials_are_decided_against_the_pass_rate() {
    for (rate, code) in [("0.75", 0), ("0.8", 1)] {
        let (sandbox, ran) = run(&good_but_once(), &format!("trials: 4\npass_rate: {rate}\n{HELLO}"), &[]);
        ran.expect(code);
        let mut verdicts = verdicts(&sandbox);
        verdicts.sort();
        assert_eq!(verdicts, ["fail", "pass", "pass", "pass"], "every trial has its row");
        let trials: Vec<String> = sandbox.rows("checks.csv").iter().map(|row| row["trial"].clone()).collect();
        assert_eq!(trials, ["1", "2", "3", "4"]);
    }
}

#[test]
fn trials_of_the_command_line_replace_those_of_the_file() {
    let server = Server::saying("Hello!");
    let (sandbox, ran) = run(&server, &format!("trials: 4\n{HELLO}"), &["--trials", "2"]);
    ran.expect(0);
    assert_eq!((verdicts(&sandbox).len(), server.requests().len()), (2, 2));
}

#[test]
fn a_mark_on_trials_is_about_their_decision() {
    let marked = HELLO.replace("hello", "hello, known_failure: moody");
    for (rate, code) in [("0.8", 0), ("0.75", 1)] {
        let (sandbox, ran) = run(&good_but_once(), &format!("trials: 4\npass_rate: {rate}\n{marked}"), &[]);
        let ran = ran.expect(code);
        // A row says of its trial what came of it; that the mark can go is said of all of them.
        let mut verdicts = verdicts(&sandbox);
        verdicts.sort();
        assert_eq!(verdicts, ["known_failure", "pass", "pass", "pass"], "{rate}");
        assert!(sandbox.read("results/latest/transcripts.csv").contains("Good day."));
        let said = "passed in 3 of 4 trials: passes, and is marked as a known failure (moody): remove the mark";
        let junit = sandbox.read("results/latest/junit.xml");
        assert_eq!(
            (junit.contains(said), junit.contains("<failure type=\"fail\"") || junit.contains("<failure message")),
            (code == 1, code == 1),
            "{junit}"
        );
        let told = ran.stdout.contains("passes, and is marked as a known failure (moody): remove the mark");
        assert_eq!((told, ran.stdout.contains("passed in 3 of 4 trials")), (code == 1, code == 1), "{}", ran.stdout);
        assert!(ran.stdout.contains("hello\": 3 of 4 passed"), "flaky: {}", ran.stdout);
    }
}

#[test]
fn checks_of_personas_and_of_every_reply_are_asked_of_every_live_reply() {
    let scenario = "\
personas:
  - {name: brief, system: Be brief., expect: [{max_words: 1}, {min_words: 3, until: 1}]}
  - {name: free, system: Talk.}
each_reply:
  - {contains: hello, from: 2}
turns:
  - {user: One, expect: [{asks: false}]}
  - {user: Two, reply: A canned reply is not asked}
  - {user: Three}
";
    let (sandbox, ran) = run(&Server::saying("Hello you!"), scenario, &[]);
    ran.expect(1);
    let mut asked: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in sandbox.rows("checks.csv") {
        let asked = asked.entry(row["persona"].clone()).or_default();
        asked.push(format!("{} {} {}", row["turn"], row["check"], row["verdict"]));
    }
    let each = ["1 asks pass", "3 contains pass"];
    assert_eq!(asked["free"], each);
    assert_eq!(asked["brief"], [each[0], "1 max_words fail", "1 min_words fail", "3 max_words fail", each[1]]);
}

#[test]
fn without_a_path_the_scenarios_of_the_project_are_run() {
    let sandbox = Sandbox::new();
    sandbox.write("scenarios/one.yaml", "turns: [{user: Hi}]");
    sandbox.run(&["run"]).expect(0);
    sandbox.run(&["run", "--resume"]).expect(0);
    // From a folder below it too, where there is a config.
    sandbox.write("chat-eval.yaml", "model: builtin");
    sandbox.write("below/x", "");
    let mut command = sandbox.command(&["run", "--snapshots", "off"]);
    command.current_dir(sandbox.path().join("below"));
    let ran = crate::support::sandbox::Ran::from(command.output().unwrap()).expect(0);
    assert!(ran.stdout.contains("1 passed"), "{}", ran.stdout);
}
