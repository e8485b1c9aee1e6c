//! Probes: questions behind the last turn, each on its own branch, with the common turns played once.

use serde_json::Value;

use crate::support::answer::{Answer, Gate};
use crate::support::sandbox::{Ran, Sandbox};
use crate::support::server::{Request, Server};

const PROBED: &str = "\
persona: {system: Be brief., expect: [{max_words: 50}]}
window: 2
facts: {name: Priya, employer: Google}
turns:
  - {user: Hello!, expect: [{max_words: 9}]}
  - {user: I am Priya of Google.}
probes:
  - {user: What's my name?, expect: [{recalls: name}]}
  - {user: Where do I work?, expect: [{recalls: employer}]}
  - {user: What's my name?}
each_reply: [{max_chars: 90}, {min_words: 1, until: 2}]
";

fn answer(request: &Request) -> Answer {
    let text = match request.last_user().as_str() {
        "What's my name?" => "Priya.",
        "Where do I work?" => "At Google.",
        _ => "Noted.",
    };
    Answer::reply(request, text)
}

fn probed(server: &Server) -> Sandbox {
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", PROBED);
    sandbox
}

fn run(sandbox: &Sandbox, arguments: &[&str]) -> Ran {
    sandbox.run(&[&["run", "s", "-j", "1"], arguments].concat())
}

fn contents(request: &Request) -> Vec<String> {
    request.messages().into_iter().map(|(_, content)| content).collect()
}

fn column(sandbox: &Sandbox, file: &str, column: &str) -> Vec<String> {
    sandbox.rows(file).into_iter().map(|row| row[column].clone()).collect()
}

fn events(sandbox: &Sandbox, kind: &str) -> Vec<Value> {
    let journal = std::fs::read_to_string(sandbox.run_folder().join("journal.jsonl")).unwrap();
    let events = journal.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.filter(|event| event["event"] == kind).collect()
}

#[test]
fn each_is_asked_on_its_own_branch_and_the_common_turns_are_played_once() {
    let server = Server::start(answer);
    let sandbox = probed(&server);
    let ran = run(&sandbox, &["--snapshots", "always"]).expect(0);
    assert!(ran.stdout.contains("5 calls in"), "{}", ran.stdout);
    let requests = server.requests();
    assert_eq!(requests.len(), 5);
    // The last four messages of history and question, whatever other probes asked.
    for (request, asked) in requests[2..].iter().zip(["What's my name?", "Where do I work?", "What's my name?"]) {
        assert_eq!(contents(request), ["Be brief.", "Noted.", "I am Priya of Google.", "Noted.", asked]);
    }
    assert_eq!(column(&sandbox, "transcripts.csv", "turn"), ["1", "2", "p1", "p2", "p3"]);
    let checks = column(&sandbox, "checks.csv", "turn");
    // A stretch that ends does not reach the probes.
    assert_eq!(checks.join(" "), "1 1 1 1 2 2 2 p1 p1 p1 p2 p2 p2 p3 p3");
    assert_eq!(column(&sandbox, "retention.csv", "distance"), ["0", "0"]);

    let turns = events(&sandbox, "turn");
    assert_eq!(turns[3]["turn"], "p2");
    assert_eq!(turns[3]["sent"], serde_json::json!([[0, 1], [2, 5], [6, 7]]));
    assert_eq!(events(&sandbox, "begin")[0]["probes"], 3);

    let snapshot = sandbox.read("s/snapshots/one@default.bot.2.snap");
    let of_probe = "probe p2 · sent: system, a1, u2, a2, p2\nuser\n  Where do I work?\nassistant\n  At Google.\nchecks\n  \
                    ✓ recalls employer · retained · distance 0\n";
    assert!(snapshot.contains(of_probe), "{snapshot}");
    let junit = std::fs::read_to_string(sandbox.run_folder().join("junit.xml")).unwrap();
    assert!(junit.contains("name=\"probe p2 · recalls employer\""), "{junit}");
}

#[test]
fn a_probe_that_fails_says_so_and_a_reviewed_snapshot_tells_which_moved() {
    let sandbox = Sandbox::new();
    let probe = |expect: &str| {
        let scenario = "facts: {name: Priya}\nturns: [{user: My name is Priya.}]\nprobes:\n  - {user: Who are you?}\n  - {user: What's my name?, expect: [EXPECT]}\n";
        sandbox.write("s/one.yaml", scenario.replace("EXPECT", expect));
    };
    probe("{recalls: name}");
    run(&sandbox, &["--model", "builtin", "--snapshots", "always"]).expect(0);
    probe("{forgets: name}");
    let ran = run(&sandbox, &["--model", "builtin", "--snapshots", "new"]).expect(1);
    assert!(ran.stdout.contains("one · default · builtin · probe p2 · forgets name"), "{}", ran.stdout);
    assert!(ran.stdout.contains("sent    u1 · a1 · p2\n"), "what another probe asked is not cut: {}", ran.stdout);
    assert!(ran.stdout.contains("probe p2: recalls name ✓ retained → absent"), "{}", ran.stdout);
    let summary = std::fs::read_to_string(sandbox.run_folder().join("summary.md")).unwrap();
    assert!(summary.contains("· probe p2 · `forgets name`"), "{summary}");
    let listed = sandbox.run(&["review", "--list", "s"]).expect(0);
    assert!(listed.stdout.contains("probe p2"), "{}", listed.stdout);
    let shown = run(&sandbox, &["--model", "builtin", "--show", "--snapshots", "off"]).expect(1);
    assert!(shown.stdout.contains("  probe p1 · user\n  │ Who are you?"), "{}", shown.stdout);
}

#[test]
fn a_call_that_fails_ends_its_probe_alone_and_the_run_goes_on_at_it() {
    let server = Server::start(|request| {
        if request.last_user() == "What's my name?" && request.number == 3 {
            return Answer::error(400, "bad", "not today");
        }
        answer(request)
    });
    let sandbox = probed(&server);
    let ran = run(&sandbox, &[]).expect(3);
    assert!(ran.stdout.contains("probe p1 · the call failed"), "{}", ran.stdout);
    assert_eq!(server.requests().len(), 5);
    let verdicts = |sandbox: &Sandbox| {
        let checks = sandbox.rows("checks.csv").into_iter();
        checks
            .filter(|row| row["turn"].starts_with('p'))
            .map(|row| row["verdict"].clone())
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(verdicts(&sandbox), "unknown unknown unknown pass pass pass pass pass");
    assert_eq!(events(&sandbox, "conversation")[0]["end"], "errored");
    assert!(!sandbox.has("s/snapshots"), "half a conversation has no snapshot");

    sandbox.run(&["run", "--resume"]).expect(0);
    let requests = server.requests();
    assert_eq!(requests.len(), 6, "nothing is sent again but what failed");
    assert_eq!(requests[5].messages(), requests[2].messages());
    let fresh = probed(&server);
    run(&fresh, &[]).expect(0);
    assert_eq!(sandbox.steady_tables(), fresh.steady_tables());
}

#[test]
#[cfg(unix)]
fn a_run_that_is_killed_in_a_probe_goes_on_there() {
    let gate = Gate::default();
    let of_server = gate.clone();
    let server = Server::start(move |request| {
        let answer = answer(request);
        if request.number == 4 { answer.delay(&of_server) } else { answer }
    });
    let sandbox = probed(&server);
    let running = sandbox.start(&["run", "s", "-j", "1", "--snapshots", "off"]);
    server.wait_for_requests(4);
    running.signal("KILL");
    running.finish();
    sandbox.run(&["run", "--resume"]).expect(0);
    let asked: Vec<String> = server.requests().iter().map(Request::last_user).collect();
    assert_eq!(asked[3..], ["Where do I work?", "Where do I work?", "What's my name?"]);
    gate.open();
    let fresh = probed(&server);
    run(&fresh, &["--snapshots", "off"]).expect(0);
    assert_eq!(sandbox.steady_tables(), fresh.steady_tables());
}

#[test]
fn what_variants_ask_alike_is_sent_once_and_what_is_recorded_is_replayed() {
    let server = Server::start(answer);
    let sandbox = probed(&server);
    sandbox.write("s/one.yaml", PROBED.replace("window: 2", "windows: [2, 3, full]"));
    run(&sandbox, &["--snapshots", "off"]).expect(0);
    // Two turns, and the probes of the narrow window, and of the two that cut nothing.
    assert_eq!(server.requests().len(), 2 + 3 + 3);
    assert_eq!(column(&sandbox, "transcripts.csv", "source").iter().filter(|source| *source == "shared").count(), 7);

    let recorded = run(&sandbox, &["--snapshots", "off", "--cassettes", "record"]).expect(0);
    assert!(recorded.stderr.contains("recorded 8 replies"), "{}", recorded.stderr);
    let tape = sandbox.read("s/cassettes/one.jsonl");
    // The last probe asks what the first did: another occurrence of the same request.
    assert_eq!((tape.matches("\"turn\":\"p3\"").count(), tape.matches("\"occurrence\":2").count()), (3, 2), "{tape}");
    let sent = server.requests().len();
    let tables = sandbox.steady_tables();
    run(&sandbox, &["--snapshots", "off", "--offline"]).expect(0);
    assert_eq!(sandbox.steady_tables().replace("cassette", "live"), tables.replace("shared", "live"));
    assert_eq!(server.requests().len(), sent);
    // What is pinned of a turn is seen by probes; of a probe there is nothing to pin.
    run(&sandbox, &["--snapshots", "off", "--history", "pinned"]).expect(0);
    sandbox.write("s/one.yaml", PROBED.replace("I am Priya of", "I'm Priya of"));
    let ran = run(&sandbox, &["--snapshots", "off", "--history", "pinned"]).expect(2);
    assert!(ran.stderr.contains("turn 2 of one"), "the last turn is seen by the probes: {}", ran.stderr);
    assert!(!ran.stderr.contains("probe"), "{}", ran.stderr);
}

#[test]
fn they_may_stand_in_a_file_of_their_own_with_variables() {
    let sandbox = Sandbox::new();
    let scenario =
        "vars: {what: name}\nfacts: {name: Priya}\nturns: [{user: My name is Priya.}]\nprobes: questions.jsonl\n";
    sandbox.write("s/one.yaml", scenario);
    let questions = "{\"user\": \"What's my {{ what }}?\", \"expect\": [{\"recalls\": \"name\"}, {\"max_words\": 9}]}\n\n{\"user\": \"Hi\"}\n";
    sandbox.write("s/questions.jsonl", questions);
    let ran = run(&sandbox, &[]).expect(0);
    assert!(ran.stdout.contains("3 calls in"), "{}", ran.stdout);
    assert_eq!(column(&sandbox, "transcripts.csv", "user")[1..], ["What's my name?", "Hi"]);
    sandbox.write("s/questions.jsonl", questions.replace("recalls", "forgets"));
    let ran = run(&sandbox, &["--snapshots", "off"]).expect(1);
    assert!(ran.stdout.contains("s/one.yaml:4\n"), "{}", ran.stdout);
    for (questions, told) in [
        ("{\"user\": \"What's my {{ whom }}?\"}\n", "s/questions.jsonl:1"),
        ("{\"user\": \"Hi\"}\n{\"usr\": \"Hi\"}\n", "s/questions.jsonl:2"),
        ("", "has no probes"),
    ] {
        sandbox.write("s/questions.jsonl", questions);
        let ran = sandbox.run(&["check", "s"]).expect(2);
        assert!(ran.stderr.contains(told), "{}", ran.stderr);
    }
}
