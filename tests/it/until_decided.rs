//! `--until-decided`: trials that can change no verdict any more are not run, and the run says what it would have said.

use serde_json::Value;

use crate::support::answer::Answer;
use crate::support::junit::valid;
use crate::support::priced::{journal, totals};
use crate::support::sandbox::{Ran, Sandbox};
use crate::support::server::Server;

const SCENARIO: &str = "\
trials: 10
pass_rate: RATE
turns:
  - {user: Hi}
  - {user: Go on, expect: [{contains: fine}, {max_words: 9}]}
";

/// A server that answers the n-th second turn well (`P`), badly (`F`) or not at all (`E`), and the later ones as the last.
fn answering(outcomes: &'static str) -> Server {
    let seconds = std::sync::atomic::AtomicUsize::new(0);
    Server::start(move |request| {
        if request.last_user() == "Hi" {
            return Answer::text("Hello.");
        }
        let number = seconds.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        match outcomes.as_bytes().get(number).or(outcomes.as_bytes().last()) {
            Some(b'F') => Answer::text("No."),
            Some(b'E') => Answer::error(400, "bad", "not today"),
            _ => Answer::text("Fine."),
        }
    })
}

fn sandbox(server: &Server, rate: &str) -> Sandbox {
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", SCENARIO.replace("RATE", rate));
    sandbox
}

fn run(sandbox: &Sandbox, arguments: &[&str]) -> Ran {
    sandbox.run(&[&["run", "s", "--snapshots", "off"], arguments].concat())
}

#[test]
fn one_failed_trial_of_ten_decides_a_check_that_must_always_pass() {
    for concurrency in ["1", "16"] {
        let server = answering("F");
        let sandbox = sandbox(&server, "1.0");
        let arguments = ["run", "s", "--until-decided", "-j", concurrency, "--snapshots", "always"];
        let ran = sandbox.run(&arguments).expect(1);
        // `contains` fails for good with the first, and `max_words` may fail until the last.
        assert_eq!(server.requests().len(), 20);
        assert!(!ran.stdout.contains("left out"), "{}", ran.stdout);

        let server = answering("F");
        let sandbox = Sandbox::with_bot(&server.base_url());
        sandbox.write("s/one.yaml", SCENARIO.replace("RATE", "1.0").replace(", {max_words: 9}", ""));
        let ran = sandbox.run(&arguments).expect(1);
        assert_eq!(server.requests().len(), 2);
        assert!(ran.stdout.contains("9 trials left out, decided without them: up to 18 calls saved"), "{}", ran.stdout);
        let totals = totals(&sandbox);
        let told = ["left_out", "calls_left_out", "not_begun", "calls"].map(|name| totals[name].as_u64());
        assert_eq!(told, [Some(9), Some(18), Some(0), Some(2)]);
        assert_eq!(totals["conversations"]["skipped"], 0);
        assert_eq!(sandbox.rows("summary.csv")[0]["trials"], "1");
        assert_eq!((sandbox.rows("checks.csv").len(), sandbox.rows("transcripts.csv").len()), (1, 2));
        assert_eq!(sandbox.files("s/snapshots"), ["one@default.bot.full.snap"]);
        let ends = journal(&sandbox).into_iter().filter(|line| line["event"] == "conversation");
        let left_out = ends.filter(|line| line["end"] == "skipped" && line["left_out"] == 2);
        assert_eq!(left_out.count(), 9);
        let again = sandbox.run(&["report"]).expect(0).stdout;
        assert!(again.contains("9 trials left out"), "{again}");
    }
}

/// What became of the checks, and how many second turns were asked.
fn decided(outcomes: &'static str, rate: &str, arguments: &[&str]) -> (Option<i32>, Value, usize) {
    let server = answering(outcomes);
    let sandbox = sandbox(&server, rate);
    let ran = run(&sandbox, arguments);
    let asked = server.requests().iter().filter(|request| request.last_user() == "Go on").count();
    (ran.code, totals(&sandbox)["checks"].clone(), asked)
}

#[test]
fn what_is_decided_is_what_all_trials_decide() {
    for (outcomes, rate, needed) in [
        ("PPPPPPPPPP", "0.8", 8),
        ("FPPPPPPPPP", "0.8", 9),
        ("FFFPPPPPPP", "0.8", 8),
        ("PPPPPFFFFF", "0.5", 5),
        ("FFFFFFPPPP", "0.5", 6),
        ("PFPFPFPFPF", "0.3", 5),
        ("PPPPPPPPPF", "0.95", 10),
        ("PPPPPPPPPP", "0.0", 1),
    ] {
        let (code, checks, asked) = decided(outcomes, rate, &["-j", "1"]);
        assert_eq!(asked, 10);
        let stopped = decided(outcomes, rate, &["-j", "1", "--until-decided"]);
        assert_eq!(stopped, (code, checks, needed), "{outcomes} at {rate}");
    }
}

#[test]
fn a_mark_that_is_for_another_model_decides_nothing() {
    // Trials that failed were once counted as passed in spite of the mark: five of them, and the check was taken for decided.
    for (model, code, needed) in [("gpt-*", 0, 10), ("bot", 1, 10)] {
        let server = answering("FFFFFPPPPP");
        let sandbox = Sandbox::with_bot(&server.base_url());
        let marked = format!("{{contains: fine, known_failure: {{why: moody, models: ['{model}']}}}}");
        let scenario = SCENARIO.replace("RATE", "0.5").replace("{contains: fine}", &marked);
        sandbox.write("s/one.yaml", scenario.replace(", {max_words: 9}", ""));
        run(&sandbox, &["--until-decided", "-j", "1"]).expect(code);
        assert_eq!(server.requests().len(), 2 * needed, "marked for {model}");
    }
}

#[test]
fn an_error_decides_nothing_and_is_told_all_the_same() {
    let (code, checks, asked) = decided("EPPPPPPPPP", "0.8", &["-j", "1", "--until-decided"]);
    assert_eq!((code, checks["pass"].as_u64(), asked), (Some(3), Some(2), 8 + 1));
}

#[test]
fn at_sixteen_at_once_no_trial_is_begun_that_cannot_be_needed() {
    let server = answering("F");
    let sandbox = Sandbox::with_bot(&server.base_url());
    let scenario = SCENARIO.replace("RATE", "0.5").replace(", {max_words: 9}", "");
    sandbox.write("s/one.yaml", format!("personas: [{{name: a, system: A}}, {{name: b, system: B}}]\n{scenario}"));
    run(&sandbox, &["--until-decided", "-j", "16"]).expect(1);
    // Six failures of ten cannot be made good.
    assert_eq!(server.requests().len(), 2 * 2 * 6);
    assert_eq!(totals(&sandbox)["left_out"], 8);
    assert_eq!(valid(&sandbox.read("results/latest/junit.xml")).attribute("failures"), "2");
}

#[test]
fn what_was_left_out_is_played_where_an_errored_trial_comes_out_otherwise() {
    let server = answering("EPPFP");
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", SCENARIO.replace("RATE", "0.6").replace("trials: 10", "trials: 4"));
    run(&sandbox, &["--until-decided", "-j", "1"]).expect(3);
    // Two of three that can be decided pass, whatever the fourth brings.
    assert_eq!((server.requests().len(), totals(&sandbox)["left_out"].as_u64()), (6, Some(1)));
    sandbox.run(&["run", "--rerun", "failed"]).expect(4);
    // The first fails now; of four, two are not enough.
    let ran = sandbox.run(&["run", "--resume", &sandbox.run_folder().display().to_string()]).expect(0);
    assert!(ran.stderr.contains("2 of 4 conversations are done"), "{}", ran.stderr);
    assert_eq!((server.requests().len(), totals(&sandbox)["left_out"].as_u64()), (6 + 1 + 2, None));
    assert_eq!(sandbox.rows("summary.csv")[0]["trials"], "4");
}

#[test]
fn a_run_that_was_killed_leaves_out_the_same_when_it_goes_on() {
    let server = answering("F");
    let sandbox = sandbox(&server, "0.6");
    run(&sandbox, &["--until-decided", "-j", "1"]).expect(1);
    let whole = sandbox.steady_tables();
    assert_eq!(totals(&sandbox)["left_out"], 4);
    let path = sandbox.run_folder().join("journal.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    for kept in [1, 4, 9, 23, lines.len() - 9, lines.len() - 8, lines.len() - 7, lines.len() - 2, lines.len()] {
        std::fs::write(&path, lines[..kept].join("\n") + "\n").unwrap();
        sandbox.run(&["run", "--resume"]).expect(1);
        assert_eq!(sandbox.steady_tables(), whole, "behind line {kept}");
        assert_eq!(totals(&sandbox)["left_out"], 4, "behind line {kept}");
    }
}

#[test]
fn trials_that_were_left_out_are_no_errors_of_a_run_and_go_into_a_merge() {
    let server = answering("F");
    let sandbox = sandbox(&server, "1.0");
    sandbox.write("s/one.yaml", SCENARIO.replace("RATE", "1.0").replace(", {max_words: 9}", ""));
    let json = run(&sandbox, &["--until-decided", "--format", "json"]).expect(1).stdout;
    let left_out = json.lines().filter(|line| line.contains("\"end\":\"skipped\"") && line.contains("\"left_out\":2"));
    assert_eq!(left_out.count(), 9);
    sandbox.run(&["run", "--rerun", "errored"]).expect(4);
    for shard in ["1/2", "2/2"] {
        let out = format!("parts/{}", &shard[..1]);
        sandbox.run(&["run", "s", "--until-decided", "--shard", shard, "--out", &out, "--snapshots", "off"]);
    }
    let merged = sandbox.run(&["merge", "parts/1", "parts/2", "-o", "results/merged", "--snapshots", "off"]).expect(1);
    assert!(
        merged.stdout.contains("9 trials left out, decided without them: up to 18 calls saved"),
        "{}",
        merged.stdout
    );
}

#[test]
fn with_fail_fast_and_a_cap_it_ends_as_they_say() {
    let server = answering("FPPPPPPPPP");
    let sandbox = sandbox(&server, "0.8");
    let ran = run(&sandbox, &["--until-decided", "--fail-fast", "-j", "1"]).expect(0);
    assert!(ran.stdout.contains("1 trial left out, decided without it: up to 2 calls saved"), "{}", ran.stdout);
}

#[test]
fn the_calls_that_are_saved_are_those_of_judges_too() {
    let server = Server::start(|request| {
        let user = request.last_user();
        match user.split("===== data ").nth(1).and_then(|rest| rest.split(' ').next()) {
            Some(mark) => Answer::text(&format!(r#"{{"mark": "{mark}", "reason": "so", "verdict": "no"}}"#)),
            None => Answer::text("No."),
        }
    });
    let sandbox = Sandbox::with_bot(&server.base_url());
    let config = sandbox.read("chat-eval.yaml");
    sandbox.write("chat-eval.yaml", format!("{config}\njudge: {{model: bot, votes: 3}}\n"));
    sandbox.write("s/one.yaml", "trials: 5\nturns:\n  - {user: Hi, expect: [{judge: is kind}]}\n");
    let ran = run(&sandbox, &["--until-decided", "-j", "1"]).expect(1);
    assert!(ran.stderr.contains("20 calls at most"), "{}", ran.stderr);
    assert_eq!(server.requests().len(), 4);
    assert!(ran.stdout.contains("4 trials left out, decided without them: up to 16 calls saved"), "{}", ran.stdout);
}
