//! `recheck`: what was said in a run is judged with the checks as they are now, and nobody is called.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::support::answer::Answer;
use crate::support::priced::priced;
use crate::support::sandbox::{Ran, Sandbox};
use crate::support::server::{Request, Server};

const TABLES: [&str; 4] = ["transcripts.csv", "checks.csv", "retention.csv", "summary.csv"];

/// The tables of the latest run, but for its name.
fn tables(sandbox: &Sandbox) -> Vec<Vec<BTreeMap<String, String>>> {
    let table = |file: &str| {
        let mut rows = sandbox.rows(file);
        for row in &mut rows {
            row.remove("run");
        }
        rows
    };
    TABLES.map(table).to_vec()
}

fn recheck(sandbox: &Sandbox, arguments: &[&str]) -> Ran {
    sandbox.run(&[&["recheck", "latest", "--snapshots", "off"], arguments].concat())
}

fn manifest(sandbox: &Sandbox) -> Value {
    serde_json::from_str(&std::fs::read_to_string(sandbox.run_folder().join("run.json")).unwrap()).unwrap()
}

/// Plays, judges again what was said, and asserts that nothing but the run's name is another.
#[track_caller]
fn comes_out_the_same(sandbox: &Sandbox, server: &Server, run: &[&str]) {
    let ran = sandbox.run(&[&["run", "s", "--snapshots", "off"], run].concat());
    assert!(ran.code != Some(2) && ran.code != Some(5), "{run:?}\n{}", ran.stderr);
    let (asked, before, totals) = (server.requests().len(), tables(sandbox), manifest(sandbox)["totals"].clone());
    let name = sandbox.run_folder();
    let again = recheck(sandbox, &[]);
    assert_eq!(server.requests().len(), asked, "nobody is called");
    assert_eq!(tables(sandbox), before, "{run:?}\n{}", again.stderr);
    assert_eq!(manifest(sandbox)["totals"], totals);
    assert_eq!(again.code, ran.code, "{}\n{}", ran.stdout, again.stdout);
    assert_ne!(sandbox.run_folder(), name);
    assert!(!again.stderr.contains("warning"), "{}", again.stderr);
}

#[test]
fn the_shipped_scenarios_come_out_as_they_did() {
    let sandbox = Sandbox::shipped();
    sandbox.run(&["run", "scenarios", "--snapshots", "no"]).expect(0);
    let (before, folder) = (tables(&sandbox), sandbox.run_folder());
    let ran = sandbox.run(&["recheck", "latest", "--snapshots", "no"]).expect(0);
    assert!(ran.stderr.contains("judging 85 conversations of "), "{}", ran.stderr);
    assert_eq!(tables(&sandbox), before);
    let (manifest, run) = (manifest(&sandbox), folder.file_name().unwrap().to_string_lossy().into_owned());
    assert_eq!(manifest["recheck"]["run"], run);
    assert_eq!(manifest["arguments"][0], "recheck");
    assert!(!sandbox.files("results").iter().any(|file| file.contains(".draft-")));
    let files = ["checks.csv", "summary.md", "report.html", "junit.xml", "run.json"];
    let said = files.map(|file| std::fs::read(sandbox.run_folder().join(file)).unwrap());
    sandbox.run(&["report"]).expect(0);
    assert_eq!(files.map(|file| std::fs::read(sandbox.run_folder().join(file)).unwrap()), said);
    // One that was judged again is a run as any other.
    sandbox.run(&["recheck", "latest", "--snapshots", "no"]).expect(0);
    assert_eq!(tables(&sandbox), before);
    let refused = sandbox.run(&["run", "--resume"]).expect(2);
    assert!(refused.stderr.contains("this is no run that `chat-eval run` began"), "{}", refused.stderr);
}

#[test]
fn checks_are_decided_as_they_stand_now() {
    let server = Server::saying("Fine, Priya.");
    let sandbox = Sandbox::with_bot(&server.base_url());
    let script = |check: &str| format!("turns:\n  - {{user: \"Hi?\", expect: [{check}]}}\n  - {{user: Bye}}\n");
    sandbox.write("s/one.yaml", script("{contains: great}"));
    sandbox.run(&["run", "s", "--snapshots", "off"]).expect(1);
    sandbox.write("s/one.yaml", script("{contains: fine}, {max_words: 1, known_failure: chatty}"));
    let ran = recheck(&sandbox, &[]).expect(0);
    assert!(ran.stdout.contains("1/1 ~1"), "{}", ran.stdout);
    let verdicts: Vec<String> = sandbox.rows("checks.csv").iter().map(|row| row["verdict"].clone()).collect();
    assert_eq!(verdicts, ["pass", "known_failure"]);
    // Personas' checks and those on each reply are asked too, of every turn.
    sandbox.write("s/one.yaml", format!("{}each_reply: [{{not_contains: Priya}}]\n", script("{contains: fine}")));
    recheck(&sandbox, &[]).expect(1);
    let turns: Vec<String> = sandbox
        .rows("checks.csv")
        .iter()
        .filter(|row| row["verdict"] == "fail")
        .map(|row| row["turn"].clone())
        .collect();
    assert_eq!(turns, ["1", "2"]);
    assert_eq!(server.requests().len(), 2);
    let events = recheck(&sandbox, &["--format", "json"]).expect(1).stdout;
    let events: Vec<Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&events[0]["event"], &events.last().unwrap()["exit_code"]), (&"run".into(), &1.into()));
    // What does not load is said before anything is written.
    let before = sandbox.files("results");
    sandbox.write("s/one.yaml", script("{contians: fine}"));
    let ran = recheck(&sandbox, &[]).expect(2);
    assert!(ran.stderr.contains("did you mean `contains`?"), "{}", ran.stderr);
    assert_eq!(sandbox.files("results"), before);
}

#[test]
fn a_pass_rate_is_part_of_the_checks() {
    let server = Server::in_turn(vec![Answer::text("Yes."), Answer::text("No."), Answer::text("Yes.")]);
    let sandbox = Sandbox::with_bot(&server.base_url());
    let script = "trials: 3\npass_rate: 1.0\nturns:\n  - {user: Well?, expect: [{contains: \"yes\"}]}\n";
    sandbox.write("s/one.yaml", script);
    sandbox.run(&["run", "s", "-j", "1", "--snapshots", "off"]).expect(1);
    sandbox.write("s/one.yaml", script.replace("1.0", "0.6"));
    recheck(&sandbox, &[]).expect(0);
}

#[test]
fn what_cannot_be_judged_is_named_and_the_others_go_on() {
    let server = Server::saying("Fine.");
    let sandbox = Sandbox::with_bot(&server.base_url());
    let script = "turns:\n  - {user: Hi}\n  - {user: Well?, expect: [{contains: fine}]}\n";
    for name in ["good", "gone", "moved", "canned", "grown", "shrunk"] {
        sandbox.write(&format!("s/{name}.yaml"), script);
    }
    sandbox.run(&["run", "s", "--snapshots", "off"]).expect(0);
    std::fs::remove_file(sandbox.path().join("s/gone.yaml")).unwrap();
    sandbox.write("s/moved.yaml", script.replace("user: Hi", "user: Hello"));
    sandbox.write("s/canned.yaml", script.replace("{user: Hi}", "{user: Hi, reply: Ho}"));
    sandbox.write("s/grown.yaml", format!("{script}  - {{user: And?, expect: [{{contains: fine}}]}}\n"));
    sandbox.write("s/shrunk.yaml", "turns:\n  - {user: Hi, expect: [{contains: fine}]}\n");
    let ran = recheck(&sandbox, &[]).expect(3);
    let run = manifest(&sandbox)["recheck"]["run"].as_str().unwrap().to_owned();
    let name = |name: &str| format!("`{name} · default · bot · window full`: ");
    for told in [
        format!("{}cannot be judged again: the scenario `gone` is not there any more\n", name("gone")),
        format!("{}cannot be judged again: turn 1 asks something else now\n", name("moved")),
        format!("{}cannot be judged again: turn 1 is canned now\n", name("canned")),
        format!("{}turn 3 is new since {run}, and was not played\n", name("grown")),
    ] {
        assert!(ran.stderr.contains(&told), "{told}\n{}", ran.stderr);
    }
    assert!(!ran.stderr.contains("good") && !ran.stderr.contains("shrunk"), "{}", ran.stderr);
    let rows = sandbox.rows("checks.csv");
    let told: Vec<[&str; 4]> =
        rows.iter().map(|row| ["scenario", "turn", "verdict", "detail"].map(|column| row[column].as_str())).collect();
    let not_played = format!("turn 3 was not played in `{run}`");
    assert_eq!(
        told,
        [
            ["good", "2", "pass", ""],
            ["grown", "2", "pass", ""],
            ["grown", "3", "unknown", not_played.as_str()],
            ["shrunk", "1", "pass", ""],
        ]
    );
    // What was said is still there.
    assert_eq!(sandbox.rows("transcripts.csv").len(), 12);
    assert_eq!(manifest(&sandbox)["totals"]["conversations"]["errored"], 4);
    assert_eq!(server.requests().len(), 12);
}

#[test]
fn it_is_judged_by_what_was_sent_and_what_changed_since_is_told() {
    let server = Server::saying("You are Priya.");
    let sandbox = Sandbox::with_bot(&server.base_url());
    let script = "persona: You serve Priya.\nfacts: {name: Priya}\nhistory: [{role: user, content: Hi}]\nturns:\n  - {user: Hm, reply: Ha}\n  - {user: Who am I?, expect: [{recalls: name}]}\n";
    sandbox.write("s/one.yaml", script);
    sandbox.run(&["run", "s", "--snapshots", "off"]).expect(0);
    let changed =
        script.replace("You serve Priya", "You serve").replace("content: Hi", "content: Ho").replace("Ha", "Hu");
    sandbox.write("s/one.yaml", changed);
    let ran = recheck(&sandbox, &[]).expect(0);
    let told =
        "warning: judged by what was sent then; the system prompt, `history`, the canned reply of turn 1 changed since";
    assert!(ran.stderr.contains(told), "{}", ran.stderr);
    assert_eq!(sandbox.rows("retention.csv")[0]["visible"], "system");
}

/// Everything that a scenario may have beside plain turns.
const ALL_KINDS: &str = "\
cases: [{id: ann, pet: cat}, {id: bob, pet: dog}]
personas:
  - {name: kind, system: Be kind., expect: [{not_contains: ugly}]}
  - {name: terse, system: Be terse., expect: [{max_words: 4}]}
windows: [1, full]
trials: 2
pass_rate: 0.5
facts:
  code: {canary: code}
  pet: \"{{ pet }}\"
  ticket: \"{{ ticket }}\"
history: [{role: user, content: Hi}, {role: assistant, content: Hello!}]
turns:
  - {user: \"My {{ pet }} has the code {{ code }}.\", capture: {ticket: '(T-\\d+)'}}
  - {filler: 1}
  - {user: \"Close {{ ticket }}.\", expect: [{contains: \"{{ ticket }}\"}, {sent: {max_messages: 3}}]}
  - {user: What is my code?, expect: [{recalls: code}, {retains_iff_visible: pet, known_failure: it is deaf}]}
probes:
  - {user: What is my pet?, expect: [{not: {forgets: pet}}]}
  - {user: What is my ticket?, expect: [{recalls: ticket}, {contains: T, models: [other]}]}
each_reply: [{contains: T-, from: 2}]
";

/// Knows its tickets; the numbers of requests make it fail now and then.
fn moody(fails: fn(&Request) -> bool) -> Server {
    Server::start(move |request| {
        if fails(request) {
            return Answer::error(400, "bad", "not today");
        }
        let heard = request.messages().into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(" ");
        let ticket = heard.split([' ', '.']).find(|word| word.starts_with("T-")).unwrap_or("T-7");
        Answer::reply(request, &format!("{ticket} it is."))
    })
}

#[test]
fn whatever_a_scenario_has_comes_out_as_it_did() {
    for (fails, arguments) in [
        ((|_| false) as fn(&Request) -> bool, &[][..]),
        (|_| false, &["--triage"]),
        (|_| false, &["--until-decided"]),
        (|_| false, &["--fail-fast", "-j", "1"]),
        (|_| false, &["--no-share", "--stream"]),
        (|request| request.last_user().starts_with("Close"), &["--triage"]),
        (|request| request.last_user().contains("my pet"), &[]),
        (|request| request.last_user().contains("my ticket"), &["--until-decided"]),
    ] {
        let server = moody(fails);
        let sandbox = Sandbox::with_bot(&server.base_url());
        sandbox.write("s/one.yaml", ALL_KINDS);
        comes_out_the_same(&sandbox, &server, arguments);
    }
}

#[test]
fn what_was_not_captured_or_not_paid_or_pinned_comes_out_as_it_did() {
    let server = Server::saying("No ticket.");
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", ALL_KINDS);
    comes_out_the_same(&sandbox, &server, &[]);

    let server = Server::saying("Fine.");
    let sandbox = priced(&server, "");
    let script = "params: {max_tokens: 20}\nturns:\n  - {user: Hi, expect: [{contains: fine}]}\n  - {user: Ho, expect: [{contains: fine}]}\n";
    sandbox.write("s/one.yaml", script);
    comes_out_the_same(&sandbox, &server, &["--max-cost", "0"]);
    comes_out_the_same(&sandbox, &server, &[]);
    comes_out_the_same(&sandbox, &server, &["--history", "pinned:latest"]);
}

#[test]
fn canaries_that_were_found_elsewhere_are_found_again() {
    // It keeps one list for all, as a bot with a shared default argument does.
    let list = Arc::new(Mutex::new(Vec::<String>::new()));
    let server = Server::start(move |request| {
        let mut list = list.lock().unwrap();
        list.push(request.last_user());
        Answer::reply(request, &format!("So far: {}", list.join(" / ")))
    });
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", "cases: [{id: ann}, {id: bob}]\nfacts: {name: {canary: person}}\nturns:\n  - {user: \"I am {{ name }}.\"}\n  - {user: Who am I?, expect: [{recalls: name}]}\n");
    comes_out_the_same(&sandbox, &server, &["-j", "1", "--seed", "5"]);
    assert!(sandbox.rows("checks.csv").iter().any(|row| row["check"] == "contamination"));
}

#[test]
fn the_scenarios_are_where_the_run_had_them_or_where_one_says() {
    let server = Server::saying("Fine.");
    let sandbox = Sandbox::with_bot(&server.base_url());
    let script = "name: one\nturns:\n  - {user: Hi, expect: [{contains: fine}]}\n";
    sandbox.write("scenarios/one.yaml", script);
    sandbox.run(&["run", "--snapshots", "off"]).expect(0);
    recheck(&sandbox, &[]).expect(0);
    std::fs::rename(sandbox.path().join("scenarios"), sandbox.path().join("elsewhere")).unwrap();
    let ran = recheck(&sandbox, &[]).expect(2);
    assert!(ran.stderr.contains("help: name a PATH to its scenarios"), "{}", ran.stderr);
    recheck(&sandbox, &["elsewhere"]).expect(0);
    assert!(sandbox.rows("checks.csv")[0]["verdict"] == "pass");
    // What failed of a run that was judged again can be played again.
    sandbox.write("elsewhere/one.yaml", script.replace("fine", "great"));
    recheck(&sandbox, &["elsewhere"]).expect(1);
    sandbox.run(&["run", "--rerun", "failed", "latest", "elsewhere", "--snapshots", "off"]).expect(1);
    recheck(&sandbox, &["elsewhere"]).expect(1);
    let ran = sandbox.run(&["recheck", "nowhere"]).expect(2);
    assert!(ran.stderr.contains("there is no run `nowhere`"), "{}", ran.stderr);
}

#[test]
fn a_snapshot_waits_for_review_where_a_verdict_is_another() {
    let server = Server::saying("Fine.");
    let sandbox = Sandbox::with_bot(&server.base_url());
    let script = "turns:\n  - {user: Hi, expect: [{contains: fine}]}\n";
    sandbox.write("s/one.yaml", script);
    sandbox.run(&["run", "s", "--snapshots", "always"]).expect(0);
    let ran = sandbox.run(&["recheck", "latest"]).expect(0);
    assert!(!ran.stdout.contains("snapshot"), "{}", ran.stdout);
    sandbox.write("s/one.yaml", script.replace("fine", "great"));
    sandbox.run(&["recheck", "latest"]).expect(1);
    assert!(sandbox.has("s/snapshots/one@default.bot.full.snap.new"));
}

/// A bot, and a judge that finds everything good.
fn judged() -> Server {
    Server::start(|request| {
        if request.body["model"] != "j" {
            return Answer::reply(request, "Very cheap, dear.");
        }
        let user = request.last_user();
        let mark = user.split("===== data ").nth(1).and_then(|rest| rest.split(' ').next()).expect("a mark");
        Answer::text(&serde_json::json!({"mark": mark, "reason": "why not", "verdict": "yes"}).to_string())
    })
}

#[test]
fn what_a_judge_or_a_program_said_is_kept_and_nobody_is_asked_anew() {
    let server = judged();
    let sandbox = Sandbox::new();
    let model = |name: &str| {
        format!("{{provider: openai, model: {name}, base_url: \"{}\", api_key_env: none}}", server.base_url())
    };
    let config = format!(
        "model: bot\njudge: {{model: critic, votes: 2}}\nmodels:\n  bot: {}\n  critic: {}\n",
        model("b"),
        model("j")
    );
    sandbox.write("chat-eval.yaml", config);
    let program = if cfg!(unix) { ", {run: [sh, ok.sh]}" } else { "" };
    sandbox.write("s/ok.sh", "exit 0\n");
    let script = format!(
        "turns:\n  - {{user: Hello}}\n  - {{user: Is it cheap?, expect: [{{judge: is polite}}{program}]}}\nexpect: [{{judge: is a talk}}, {{always: {{max_words: 3}}}}, {{eventually: {{judge: says cheap}}}}]\n"
    );
    sandbox.write("s/one.yaml", &script);
    comes_out_the_same(&sandbox, &server, &["--allow-run", "--seed", "3"]);
    assert!(sandbox.rows("checks.csv").iter().all(|row| row["verdict"] == "pass"));
    let asked = server.requests().len();
    sandbox.write("s/one.yaml", script.replace("is polite", "is brief").replace("max_words: 3", "max_words: 2"));
    recheck(&sandbox, &[]).expect(1);
    let told: Vec<(String, String)> =
        sandbox.rows("checks.csv").iter().map(|row| (row["check"].clone(), row["verdict"].clone())).collect();
    assert_eq!(told[0], ("judge".into(), "unknown".into()));
    assert!(told.contains(&("always".into(), "fail".into())), "{told:?}");
    let detail = &sandbox.rows("checks.csv")[0]["detail"];
    assert!(detail.contains("it was not asked this in the run that is judged again"), "{detail}");
    assert_eq!(server.requests().len(), asked);
}
