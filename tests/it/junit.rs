//! `junit.xml`, as a run, `report` and `merge` write it: whatever happens in the run, it keeps to the schema.

use crate::support::answer::Answer;
use crate::support::junit::{Element, valid};
use crate::support::sandbox::Sandbox;
use crate::support::server::Server;

fn written(sandbox: &Sandbox) -> Element {
    valid(&sandbox.read("results/latest/junit.xml"))
}

/// `report` writes the same bytes as the run did, with nothing else left of what the run saw.
#[track_caller]
fn is_written_again(sandbox: &Sandbox) {
    let before = sandbox.read("results/latest/junit.xml");
    sandbox.write("results/latest/junit.xml", "");
    for folder in ["s/snapshots", "s"] {
        let _ = std::fs::remove_dir_all(sandbox.path().join(folder));
    }
    sandbox.run(&["report"]).expect(0);
    assert_eq!(sandbox.read("results/latest/junit.xml"), before);
}

/// A bot that says no in its second conversation and has no answer in others.
fn bot() -> Server {
    Server::start(|request| match request.last_user().as_str() {
        "refuse" => Answer::error(400, "bad", "not <today>"),
        "empty" => Answer::reply(request, ""),
        user => Answer::reply(request, &format!("You said {user} in request {}", request.number)),
    })
}

#[test]
fn every_way_to_come_out_is_a_case_that_keeps_to_the_schema() {
    let server = bot();
    let sandbox = Sandbox::with_bot(&server.base_url());
    let scenario = "\
cases: [{id: good}, {id: empty}, {id: refuse}]
persona: {name: p, system: Hi, expect: [{max_words: 9}]}
turns:
  - user: '{{ id }}'
    expect:
      - {contains: 'said {{ id }}'}
      - {contains: nothing of this, name: wrong}
      - {contains: nor this, known_failure: 'BOT-1: <soon>', name: marked}
      - {contains: said, known_failure: 'BOT-2', name: mended}
      - {contains: said, models: ['other*'], name: 'for others'}
  - {user: and then, expect: [{asks: true, name: later}]}
";
    sandbox.write("s/one.yaml", scenario);
    sandbox.write("s/two.yaml", "turns: [{user: nothing is asserted}]");
    sandbox.run(&["run", "s", "--snapshots", "off"]).expect(1);
    let root = written(&sandbox);
    let names: Vec<&str> = root.holds.iter().map(|suite| suite.attribute("name")).collect();
    assert_eq!(
        names,
        [
            "one · good · p · bot · window full",
            "one · empty · p · bot · window full",
            "one · refuse · p · bot · window full",
            "two · default · bot · window full"
        ]
    );
    let result = |suite: usize, case: &str| -> Vec<(String, String)> {
        let of = |result: &Element| (result.name.clone(), result.attribute("message").to_owned());
        root.holds[suite].case(case).holds.iter().map(of).collect()
    };
    let one = |kind: &str, message: &str| vec![(kind.to_owned(), message.to_owned())];
    assert_eq!(result(0, "contains \"said good\""), []);
    assert_eq!(result(0, "turn 1 · wrong"), one("failure", "the reply does not have \"nothing of this\""));
    assert_eq!(result(0, "turn 1 · marked"), one("skipped", "BOT-1: <soon>"));
    let mended = "passes, and is marked as a known failure (BOT-2): remove the mark";
    assert_eq!(result(0, "turn 1 · mended"), one("failure", mended));
    assert_eq!(result(0, "turn 1 · for others")[0].0, "skipped");
    assert_eq!(result(1, "turn 1 · wrong"), one("error", "the reply is empty"));
    assert_eq!(result(2, "turn 1 · wrong")[0].0, "error");
    assert_eq!(result(2, "turn 2 · later")[0].0, "skipped");
    let [(kind, message)] = &result(2, "conversation")[..] else { panic!("{root:#?}") };
    assert!(kind == "error" && message.contains("not <today>"), "{kind}: {message}");
    assert_eq!(result(3, "conversation"), []);

    let wrong = root.holds[0].case("turn 1 · wrong");
    assert!(wrong.holds[0].text.contains("user\n  good\nreply\n  You said good in request"), "{wrong:#?}");
    assert!(wrong.holds[0].text.ends_with("\n\ns/one.yaml:7\n"), "{wrong:#?}");
    assert_eq!(root.holds[0].attribute("file"), "s/one.yaml");
    is_written_again(&sandbox);
}

#[test]
fn trials_that_did_not_pass_are_told_as_flaky_or_as_reruns() {
    let server = Server::start(|request| {
        // The first of five trials fails, whichever that is.
        Answer::reply(request, if request.number == 1 { "no" } else { "yes" })
    });
    let sandbox = Sandbox::with_bot(&server.base_url());
    let scenario = "\
trials: 5
pass_rate: 0.8
turns: [{user: Hi, expect: [{contains: yes, name: mostly}, {contains: no, name: seldom}]}]
";
    sandbox.write("s/one.yaml", scenario);
    sandbox.run(&["run", "s", "-j", "1", "--snapshots", "off"]).expect(1);
    let root = written(&sandbox);
    let results = |case: &str| root.case(case).holds.iter().map(|result| result.name.as_str()).collect::<Vec<_>>();
    assert_eq!(results("mostly"), ["flakyFailure"]);
    assert_eq!(results("seldom"), ["failure", "rerunFailure", "rerunFailure", "rerunFailure"]);
    is_written_again(&sandbox);
}

#[test]
fn no_reply_breaks_the_file_whatever_it_holds() {
    let hostile = "\u{0}\u{1}\u{8}\u{b}\u{1b}[31m\u{1f}\u{7f}\u{85}\u{fffe}\u{ffff} ]]></failure><failure> &amp; &#0; <![CDATA[ \t\" '\r\n";
    let server = Server::start(move |request| match request.last_user().as_str() {
        "long" => Answer::reply(request, &"<long> ".repeat(150_000)),
        _ => Answer::reply(request, hostile),
    });
    let sandbox = Sandbox::with_bot(&server.base_url());
    let nope = "expect: [{contains: nope}]";
    sandbox.write("s/one.yaml", format!("turns: [{{user: hostile, {nope}}}, {{user: long, {nope}}}]"));
    let hostile = "turns: [{user: \"<hostile>\", expect: [{contains: \"<b>\\e ]]>\", name: \"\\e&\"}]}]";
    sandbox.write("s/two.yaml", hostile);
    sandbox.run(&["run", "s", "--snapshots", "off"]).expect(1);
    let text = sandbox.read("results/latest/junit.xml");
    assert!(text.len() < 64 * 1024, "{} bytes", text.len());
    let root = valid(&text);
    let said = &root.case("turn 1 · contains \"nope\"").holds[0].text;
    assert!(
        said.contains("‹U+0000›") && said.contains("‹U+FFFE›‹U+FFFF› ]]></failure><failure> &amp; &#0; <![CDATA["),
        "{said}"
    );
    let long = &root.case("turn 2 · contains \"nope\"").holds[0].text;
    assert!(long.contains("(cut here; 1,050,000 characters in all; turn 2 of transcripts.csv)"), "{long}");
    is_written_again(&sandbox);
}

const SCENARIO: &str = "facts: {name: Priya}\nturns:\n  - user: My name is Priya.\n  - {user: What's my name?, expect: [{recalls: name}]}\n";

#[test]
fn a_snapshot_that_fails_the_run_is_a_failed_case_and_stays_one_when_it_is_accepted() {
    let sandbox = Sandbox::new();
    sandbox.write("s/one.yaml", SCENARIO);
    let in_ci = sandbox.command(&["run", "s"]).env("CI", "true").output().unwrap();
    assert_eq!(in_ci.status.code(), Some(1));
    let root = written(&sandbox);
    let result = &root.case("snapshot").holds[0];
    assert_eq!((result.name.as_str(), result.attribute("message")), ("failure", "not accepted yet"));
    assert!(result.text.contains("s/snapshots/one@default.builtin.full.snap"), "{result:#?}");

    // A new one that waits is no failure.
    sandbox.run(&["run", "s"]).expect(0);
    assert_eq!(written(&sandbox).case("snapshot").holds[0].name, "skipped");
    sandbox.run(&["review", "--accept"]).expect(0);
    // What the run saw is in its journal: it does not change with the files.
    let told = sandbox.run(&["report"]).expect(0).stdout;
    assert!(told.contains("one@default.builtin.full.snap: new, waits for review"), "{told}");
    assert_eq!(written(&sandbox).case("snapshot").holds[0].name, "skipped");

    // One that matches is not worth a word.
    sandbox.run(&["run", "s"]).expect(0);
    assert_eq!(written(&sandbox).attribute("tests"), "1");
    assert!(!sandbox.read("results/latest/journal.jsonl").contains("\"snapshots\""));
    sandbox.write("s/one.yaml", SCENARIO.replace("My name is Priya.", "I am Priya, my name is Priya."));
    let in_ci = sandbox.command(&["run", "s"]).env("CI", "true").output().unwrap();
    assert_eq!(in_ci.status.code(), Some(1));
    let root = written(&sandbox);
    assert!(root.case("snapshot").holds[0].attribute("message").contains("the script moved"), "{root:#?}");
    is_written_again(&sandbox);
}

#[test]
fn a_run_that_goes_on_tells_what_its_snapshots_came_to_at_last() {
    let sandbox = Sandbox::new();
    sandbox.write("s/one.yaml", SCENARIO);
    sandbox.run(&["run", "s"]).expect(0);
    assert_eq!(written(&sandbox).case("snapshot").holds[0].name, "skipped");
    sandbox.run(&["review", "--accept"]).expect(0);
    // Nothing is left to play, and the snapshots are compared once more.
    sandbox.run(&["run", "--resume"]).expect(0);
    assert!(written(&sandbox).all("testcase").iter().all(|case| case.attribute("name") != "snapshot"));
    is_written_again(&sandbox);
}

#[test]
fn the_parts_of_a_plan_make_the_suites_of_the_whole() {
    let sandbox = Sandbox::new().env("CI", "true");
    for name in ["a", "b", "c", "d"] {
        sandbox.write(&format!("s/{name}.yaml"), SCENARIO);
    }
    sandbox.run(&["run", "s"]).expect(1);
    let steady =
        |text: &str| regex::Regex::new(r#" (time|timestamp)="[^"]*""#).unwrap().replace_all(text, "").into_owned();
    let whole = steady(&sandbox.read("results/latest/junit.xml"));
    for number in ["1", "2", "3"] {
        let (shard, out) = (format!("{number}/3"), format!("shards/{number}"));
        let ran = sandbox.run(&["run", "s", "--shard", &shard, "--out", &out]);
        assert!([0, 1].contains(&ran.code.unwrap()), "{}", ran.stderr);
    }
    let shards = ["shards/1/latest", "shards/2/latest", "shards/3/latest"];
    sandbox.run(&[&["merge"], &shards[..], &["-o", "merged"]].concat()).expect(1);
    let merged = sandbox.read("merged/junit.xml");
    assert_eq!(valid(&merged).all("failure").len(), 4);
    assert_eq!(steady(&merged), whole);
}

#[test]
fn conversations_that_were_not_begun_are_counted() {
    let server = Server::saying("no");
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", "cases: [{id: a}, {id: b}, {id: c}]\nturns: [{user: Hi, expect: [{contains: yes}]}]");
    sandbox.run(&["run", "s", "-j", "1", "--fail-fast", "--snapshots", "off"]).expect(1);
    let root = written(&sandbox);
    let result = &root.case("conversations").holds[0];
    assert_eq!((result.name.as_str(), result.attribute("message")), ("skipped", "2 conversations were not begun"));
    is_written_again(&sandbox);
}
