//! `--format`: what goes to standard output, for people, for CI services and for programs.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::answer::Answer;
use crate::support::sandbox::{Ran, Sandbox};
use crate::support::server::Server;

const SCENARIO: &str = "\
turns:
  - user: Hi
    expect:
      - {contains: 'hello, you: 100%'}
      - {not_contains: nothing}
";

/// With a bot that says this.
fn bot(text: &'static str) -> (Server, Sandbox) {
    let server = Server::saying(text);
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", SCENARIO);
    (server, sandbox)
}

fn commands(ran: &Ran) -> Vec<&str> {
    ran.stdout.lines().filter(|line| line.trim_start().starts_with("::")).collect()
}

fn events(ran: &Ran) -> Vec<Value> {
    let event = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    ran.stdout.lines().map(event).collect()
}

/// What does not vary: no times, no run's id.
fn steady(text: &str) -> String {
    let text = regex::Regex::new(r"\d+\.\d s").unwrap().replace_all(text, "N s").into_owned();
    regex::Regex::new(r"results/\S+").unwrap().replace_all(&text, "results/ID").into_owned()
}

#[test]
fn off_a_terminal_it_is_plain_and_in_github_actions_with_annotations() {
    let (_server, sandbox) = bot("::error::gotcha\n##[error]there");
    let run = |arguments: &[&str]| sandbox.run(&[&["run", "s", "--snapshots", "off"], arguments].concat()).expect(1);
    let plain = run(&[]);
    assert_eq!(commands(&plain), Vec::<&str>::new());
    assert_eq!(steady(&plain.stdout), steady(&run(&["--format", "plain"]).stdout));
    let github = |value: &str, arguments: &[&str]| {
        let mut command = sandbox.command(&[&["run", "s", "--snapshots", "off"], arguments].concat());
        Ran::from(command.env("GITHUB_ACTIONS", value).output().unwrap()).expect(1)
    };
    let annotated = github("true", &[]);
    let annotation = "::error file=s/one.yaml,line=4,col=9,title=one · default · bot · turn 1 · contains \"hello%2C you%3A 100%25\"\
                      ::the reply does not have \"hello, you: 100%25\"%0Areply \"::error::gotcha #\\#[error]there\"";
    assert_eq!(commands(&annotated), [annotation]);
    assert_eq!(steady(&annotated.stdout), steady(&plain.stdout) + annotation + "\n");
    assert_eq!(commands(&run(&["--format", "github"])), [annotation]);
    assert!(commands(&github("false", &[])).is_empty());
    assert!(commands(&github("true", &["--format", "plain"])).is_empty());
}

#[test]
fn pretty_is_in_colour_and_plain_is_not_unless_it_is_asked_for() {
    let (_server, sandbox) = bot("no");
    let run = |arguments: &[&str]| {
        sandbox.run(&[&["run", "s", "--snapshots", "off"], arguments].concat()).expect(1).stdout.contains('\u{1b}')
    };
    assert!(run(&["--format", "pretty"]));
    assert!(!run(&["--format", "pretty", "--color", "never"]));
    assert!(!run(&["--format", "plain"]));
    assert!(run(&["--format", "plain", "--color", "always"]));
}

#[test]
fn annotations_name_files_as_seen_from_the_root_of_the_repository() {
    let (_server, sandbox) = bot("no");
    let run = |folder: &str, root: Option<&std::path::Path>| {
        let mut command = sandbox.command(&["run", "s", "--format", "github"]);
        command.current_dir(sandbox.path().join(folder)).env("CI", "true");
        command.envs(root.map(|root| ("GITHUB_WORKSPACE", root)));
        let ran = Ran::from(command.output().unwrap()).expect(1);
        commands(&ran).iter().map(|line| line.split(",title").next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let below = sandbox.path().join("elsewhere");
    std::fs::create_dir(&below).unwrap();
    sandbox.write("bots/shop/s/one.yaml", SCENARIO);
    // A snapshot is told at its scenario, which the pull request changed.
    let named = |file: &str| vec![format!("::error file={file},line=4,col=9"), format!("::error file={file},line=1")];
    assert_eq!(run("bots/shop", Some(sandbox.path())), named("bots/shop/s/one.yaml"));
    assert_eq!(run("bots/shop", None), named("s/one.yaml"));
    assert_eq!(run("bots/shop", Some(&below)), named("s/one.yaml"));
}

#[test]
fn json_is_an_event_a_line_and_the_last_says_how_it_ended() {
    let server = Server::start(|request| match request.last_user().as_str() {
        "Hi b" => Answer::error(400, "bad", "not today"),
        _ => Answer::reply(request, "hello \u{9b}31m"),
    });
    let sandbox = Sandbox::with_bot(&server.base_url());
    let scenario = "\
cases: [{id: a}, {id: b}]
turns: [{user: 'Hi {{ id }}', expect: [{contains: hello}, {contains: bye}]}]
";
    sandbox.write("s/one.yaml", scenario);
    let ran = sandbox.run(&["run", "s", "--format", "json"]).expect(1);
    assert!(ran.stderr.contains("1 scenario · 2 conversations"), "{}", ran.stderr);
    let told = events(&ran);
    let folder = format!("results/{}", sandbox.run_folder().file_name().unwrap().to_string_lossy());
    let (first, last) = (&told[0], &told[told.len() - 1]);
    assert_eq!((first["event"].as_str(), first["folder"].as_str()), (Some("run"), Some(folder.as_str())));
    assert_eq!(first["conversations"], 2);
    assert_eq!((last["event"].as_str(), last["exit_code"].as_u64()), (Some("end"), Some(1)));
    assert_eq!(last["folder"], folder.as_str());
    let manifest: Value = serde_json::from_str(&sandbox.read("results/latest/run.json")).unwrap();
    assert_eq!(last["totals"], manifest["totals"]);
    let of = |event: &str| told.iter().filter(|line| line["event"] == event).collect::<Vec<_>>();
    let ends: BTreeSet<(&str, &str)> =
        of("conversation").iter().map(|line| (line["case"].as_str().unwrap(), line["end"].as_str().unwrap())).collect();
    assert_eq!(ends, BTreeSet::from([("a", "failed"), ("b", "errored")]));
    let verdicts: Vec<&str> = of("check").iter().map(|line| line["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts.len(), 4);
    assert!(verdicts.contains(&"pass") && verdicts.contains(&"fail") && verdicts.contains(&"unknown"), "{verdicts:?}");
    assert!(of("check").iter().all(|line| line["scenario"] == "one" && line["file"] == "s/one.yaml"));
    assert_eq!(of("snapshot").len(), 1, "of the conversation that was carried through");

    // Nothing else is there later.
    let again = events(&sandbox.run(&["report", "--format", "json"]).expect(0));
    let lines = |told: &[Value]| told.iter().map(Value::to_string).collect::<BTreeSet<_>>();
    assert_eq!(lines(&again[..again.len() - 1]), lines(&told[..told.len() - 1]));
    assert_eq!(again[again.len() - 1]["exit_code"], 0, "`report` has not failed");
    assert_eq!(again[again.len() - 1]["totals"], last["totals"]);
}

#[test]
fn what_a_run_is_shown_as_is_said_anew_when_it_goes_on_or_is_merged() {
    let (_server, sandbox) = bot("no");
    sandbox.run(&["run", "s", "--snapshots", "off", "--format", "json"]).expect(1);
    let resumed = sandbox.run(&["run", "--resume"]).expect(1);
    assert!(resumed.stdout.contains("✗ one · default · bot · turn 1"), "{}", resumed.stdout);
    let resumed = events(&sandbox.run(&["run", "--resume", "--format", "json"]).expect(1));
    assert_eq!(resumed[resumed.len() - 1]["exit_code"], 1);
    let merge = ["merge", "latest", "-o", "merged", "--snapshots", "off", "--format"];
    let merged = events(&sandbox.run(&[&merge[..], &["json"]].concat()).expect(1));
    let kinds: Vec<&str> = merged.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["run", "check", "check", "conversation", "end"]);
    assert_eq!(merged[4]["folder"], "merged");
}

#[test]
fn transcripts_and_events_do_not_go_to_one_output() {
    let (server, sandbox) = bot("no");
    let ran = sandbox.run(&["run", "s", "--show", "--format", "json"]).expect(2);
    assert!(ran.stderr.contains("leave out one of them") && ran.stdout.is_empty(), "{}", ran.stderr);
    assert!(server.requests().is_empty() && !sandbox.has("results"));
}
