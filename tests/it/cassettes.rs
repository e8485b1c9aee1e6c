//! `--cassettes auto|record|only|off`: what a model said is recorded once and replayed for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::answer::{Answer, Gate};
use crate::support::sandbox::{Ran, Sandbox};
use crate::support::server::Server;

const TAPE: &str = "s/cassettes/trip.jsonl";

const TRIP: &str = "\
persona: You plan trips. Answer under 150 words.
params: {temperature: 0, max_tokens: 90}
windows: [1, full]
trials: 2
turns:
  - user: My name is Priya.
  - user: Where to?
  - user: What's my name?
    expect: [{contains: reply}]
";

/// A server that says something new each time.
fn counting() -> Server {
    let said = AtomicUsize::new(0);
    Server::start(move |request| Answer::reply(request, &format!("reply {}", said.fetch_add(1, Ordering::Relaxed))))
}

/// A sandbox whose bot is that server, with the scenario.
fn trip(server: &Server) -> Sandbox {
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/trip.yaml", TRIP);
    sandbox
}

fn run(sandbox: &Sandbox, arguments: &[&str]) -> Ran {
    sandbox.run(&[&["run", "s", "--snapshots", "off"], arguments].concat())
}

fn sources(sandbox: &Sandbox) -> Vec<String> {
    sandbox.rows("transcripts.csv").into_iter().map(|mut row| row.remove("source").unwrap()).collect()
}

#[test]
fn what_was_recorded_is_replayed_without_a_call_and_gives_the_same_tables() {
    let server = counting();
    let sandbox = trip(&server);
    let ran = run(&sandbox, &["--cassettes", "record"]).expect(0);
    // Turn 1 is the same under both windows, and its reply then makes turn 2 the same or not.
    let asked = server.requests().len();
    assert!(ran.stderr.contains(&format!("recorded {asked} replies in s/cassettes/trip.jsonl")), "{}", ran.stderr);
    let live: Vec<String> =
        sandbox.rows("transcripts.csv").into_iter().map(|mut row| row.remove("reply").unwrap()).collect();
    for arguments in [&["--offline"][..], &["--cassettes", "only", "-j", "1"], &[], &["--stream"]] {
        run(&sandbox, arguments).expect(0);
        assert_eq!(server.requests().len(), asked, "{arguments:?}");
        assert_eq!(sources(&sandbox), vec!["cassette"; 12]);
        let rows = sandbox.rows("transcripts.csv");
        assert_eq!(rows.iter().map(|row| row["reply"].clone()).collect::<Vec<_>>(), live);
        assert!(rows.iter().all(|row| row["latency_ms"].is_empty() && row["cost_usd"].is_empty()), "{rows:?}");
        assert!(rows.iter().all(|row| !row["tokens_sent"].is_empty()));
    }
    run(&sandbox, &["--cassettes", "off"]).expect(0);
    // Of each trial the two windows share turn 1.
    assert_eq!(server.requests().len(), asked + 12 - 2);
}

#[test]
fn what_is_the_same_is_sent_once_however_many_ask_at_once_and_the_file_is_the_same() {
    // Every request has a reply of its own, whoever sends it.
    let echo =
        || Server::start(|request| Answer::reply(request, &format!("reply to {} messages", request.messages().len())));
    let mut files = Vec::new();
    for concurrency in ["1", "64"] {
        let server = echo();
        let sandbox = trip(&server);
        sandbox.write("s/trip.yaml", TRIP.replace("[1, full]", "[1, 2, 3, 4, 5, 6, 7, full]"));
        run(&sandbox, &["--cassettes", "record", "-j", concurrency]).expect(0);
        // Of each trial: turn 1; turn 2 with one message of history or all; turn 3 with none, two, or all.
        assert_eq!(server.requests().len(), 2 * (1 + 2 + 3));
        assert_eq!(sources(&sandbox).iter().filter(|source| *source == "shared").count(), 48 - 12);
        files.push(sandbox.read(TAPE));
    }
    assert_eq!(files[0], files[1]);
    let lines: Vec<&str> = files[0].lines().collect();
    assert_eq!(lines.len(), 1 + 12);
    assert!(lines[0].starts_with(r#"{"format":1,"cassette":"trip"}"#));
}

#[test]
fn trials_are_recorded_as_several_replies_and_a_request_said_twice_too() {
    let server = counting();
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/trip.yaml", "window: none\ntrials: 2\nturns: [{user: Go on}, {user: Go on}]\n");
    run(&sandbox, &["--cassettes", "record", "-j", "1"]).expect(0);
    let replies = |sandbox: &Sandbox| -> Vec<String> {
        sandbox.rows("transcripts.csv").into_iter().map(|mut row| row.remove("reply").unwrap()).collect()
    };
    assert_eq!(replies(&sandbox), ["reply 0", "reply 1", "reply 2", "reply 3"]);
    run(&sandbox, &["--offline"]).expect(0);
    assert_eq!(replies(&sandbox), ["reply 0", "reply 1", "reply 2", "reply 3"]);
}

#[test]
fn a_streamed_reply_is_replayed_in_the_pieces_in_which_it_came() {
    let server = Server::start(|_| Answer::stream(["Bon", "jour \u{202e}", "Priya"]));
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/trip.yaml", "stream: true\nturns: [{user: Hi, expect: [{contains: Priya}]}]\n");
    run(&sandbox, &["--cassettes", "record"]).expect(0);
    let text = sandbox.read(TAPE);
    assert!(text.contains(r#""text":"Bonjour \u202ePriya","chunks":[3,8,5]"#), "{text}");
    let shown = run(&sandbox, &["--offline", "--show"]).expect(0).stdout;
    assert!(shown.contains("Bonjour"), "{shown}");
}

#[test]
fn a_recording_has_no_key_no_header_and_no_host() {
    let server = Server::start(|request| {
        // A server that says back what it was sent.
        let key = request.header("authorization").unwrap_or_default().to_owned();
        Answer::reply(request, &format!("You sent {key}.")).header("x-secret", "header-secret")
    });
    let sandbox = Sandbox::new().env("BOT_KEY", "sk-very-secret-key");
    let url = server.base_url();
    sandbox.write(
        "chat-eval.yaml",
        format!("model: bot\nmodels:\n  bot: {{provider: openai, base_url: \"{url}\", api_key_env: BOT_KEY}}\n"),
    );
    sandbox.write("s/trip.yaml", "turns: [{user: Hi}]\n");
    run(&sandbox, &["--cassettes", "record"]).expect(0);
    let text = sandbox.read(TAPE);
    for secret in ["sk-very-secret-key", "header-secret", "127.0.0.1", "authorization"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    assert!(text.contains("You sent Bearer ***."), "{text}");
    // Without the key the model is replayed as offline, and where nothing is recorded it is an error.
    let bare = Sandbox::new();
    for file in ["chat-eval.yaml", "s/trip.yaml", TAPE] {
        bare.write(file, sandbox.read(file));
    }
    run(&bare, &[]).expect(0);
    assert_eq!(sources(&bare), ["cassette"]);
    bare.write("s/other.yaml", "turns: [{user: Hi}]\n");
    let ran = run(&bare, &[]).expect(2);
    assert!(ran.stderr.contains("needs the environment variable `BOT_KEY`"), "{}", ran.stderr);
    assert!(ran.stderr.contains("`--offline` replays what is recorded"), "{}", ran.stderr);
    run(&bare, &["--offline"]).expect(3);
}

#[test]
fn what_is_not_recorded_is_an_error_that_says_what_differs_and_calls_nobody() {
    let server = counting();
    let sandbox = trip(&server);
    run(&sandbox, &["--cassettes", "record"]).expect(0);
    let asked = server.requests().len();
    let says = |changed: String, words: &[&str]| {
        sandbox.write("s/trip.yaml", changed);
        let shown = run(&sandbox, &["--offline"]).expect(3).stdout;
        // However its lines are broken.
        let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        for word in words {
            assert!(shown.contains(word), "{word:?} in {shown}");
        }
    };
    says(
        TRIP.replace("under 150", "in at most 100"),
        &[
            "trip · default · bot · window 1 · trial 1 · turn 1",
            "the system message differs at character 24",
            "\"ips. Answer under 150 words.\" is recorded, \"ips. Answer in at most 100 words.\" is sent",
        ],
    );
    says(TRIP.replace("Where to?", "Where now?"), &["turn 2", "differs at character 7", "Where to?", "Where now?"]);
    says(
        TRIP.replace("temperature: 0", "temperature: 1"),
        &["the parameter `temperature` differs: `0.0` is recorded, `1.0`"],
    );
    says(TRIP.replace("trials: 2", "trials: 3"), &["trial"]);
    says(format!("name: other\n{TRIP}"), &["nothing is recorded of this scenario"]);
    assert_eq!(server.requests().len(), asked);
    // Without `--offline` what is missing is asked for, and not written.
    let before = sandbox.read(TAPE);
    sandbox.write("s/trip.yaml", TRIP.replace("trials: 2", "trials: 3"));
    run(&sandbox, &[]).expect(0);
    assert_eq!(server.requests().len(), asked + 6 - 1, "turn 1 is the same under both windows");
    assert_eq!(sandbox.read(TAPE), before);
}

#[test]
fn recording_a_part_keeps_the_rest_and_recording_anew_replaces() {
    let server = counting();
    let sandbox = trip(&server);
    let personas = |tutor: &str| {
        format!(
            "personas: [{{name: tutor, system: {tutor}}}, {{name: cook, system: Cook}}]\nturns: [{{user: Hi}}, {{user: Ho}}]\n"
        )
    };
    sandbox.write("s/trip.yaml", personas("Teach"));
    run(&sandbox, &["--cassettes", "record", "-j", "1"]).expect(0);
    let first = sandbox.read(TAPE);
    sandbox.write("s/trip.yaml", personas("Teach well"));
    let ran = run(&sandbox, &["--cassettes", "record", "-j", "1", "--persona", "tutor"]).expect(0);
    assert!(ran.stderr.contains("recorded 2 replies"), "{}", ran.stderr);
    let second = sandbox.read(TAPE);
    let lines = |text: &str, what: &str| text.lines().filter(|line| line.contains(what)).count();
    assert_eq!((lines(&second, r#""persona":"tutor""#), lines(&second, r#""persona":"cook""#)), (2, 2));
    assert_eq!((lines(&second, "\"Teach\""), lines(&second, "\"Teach well\"")), (0, 2));
    let cooks = |text: &str| text.lines().filter(|line| line.contains("cook\"")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(cooks(&first), cooks(&second));
    assert!(!ran.stderr.contains("used no more"), "{}", ran.stderr);
}

#[test]
fn what_nothing_uses_is_told_and_pruned_on_a_whole_run_only() {
    let server = counting();
    let sandbox = trip(&server);
    run(&sandbox, &["--cassettes", "record"]).expect(0);
    let before = sandbox.read(TAPE);
    sandbox.write("s/trip.yaml", TRIP.replace("trials: 2", "trials: 1"));
    let told =
        |arguments: &[&str]| run(&sandbox, arguments).expect(0).stderr.contains("used no more; `--prune` removes");
    assert!(told(&["--offline"]));
    for part in [&["-k", "trip"][..], &["--window", "full"], &["--trials", "1"], &["--shard", "1/2"]] {
        let ran = run(&sandbox, &[&["--offline"], part].concat());
        assert!(!ran.stderr.contains("used no more"), "{part:?}: {}", ran.stderr);
        let ran = run(&sandbox, &[&["--offline", "--prune"], part].concat()).expect(2);
        assert!(ran.stderr.contains("`--prune` needs the whole plan"), "{}", ran.stderr);
    }
    assert_eq!(sandbox.read(TAPE), before);
    run(&sandbox, &["--offline", "--prune"]).expect(0);
    assert!(sandbox.read(TAPE).lines().count() < before.lines().count());
    assert!(!told(&["--offline"]));
}

#[test]
fn a_damaged_cassette_is_refused_before_anything_is_sent() {
    let server = counting();
    let sandbox = trip(&server);
    run(&sandbox, &["--cassettes", "record"]).expect(0);
    let (good, asked) = (sandbox.read(TAPE), server.requests().len());
    let refused = |text: String, words: &[&str]| {
        sandbox.write(TAPE, text);
        let ran = run(&sandbox, &[]).expect(2);
        for word in words.iter().chain(&["error[unusable-cassette]", "s/cassettes/trip.jsonl", "--cassettes record"]) {
            assert!(ran.stderr.contains(word), "{word:?} in {}", ran.stderr);
        }
    };
    let second: Vec<&str> = good.lines().collect();
    refused(good.replacen("reply 1", "reply 7", 1), &["its reply was changed"]);
    refused(good.replacen("You plan", "You book", 1), &["line 2", "its request was changed"]);
    refused(good[..good.len() - 40].to_owned(), &["no recording"]);
    refused(good.replacen("\"format\":1", "\"format\":9", 1), &["line 1", "format 9 is newer"]);
    refused(second[1..].join("\n"), &["line 1", "its first line says the format"]);
    // Line ends of Windows, and a merge that brought a line twice, change nothing.
    for same in [good.replace('\n', "\r\n"), format!("{good}{}\n\n", second[1])] {
        sandbox.write(TAPE, same);
        run(&sandbox, &["--offline"]).expect(0);
    }
    assert_eq!(server.requests().len(), asked);
}

#[test]
fn two_replies_to_one_request_are_refused() {
    let sandbox = {
        let server = counting();
        let sandbox = trip(&server);
        run(&sandbox, &["--cassettes", "record"]).expect(0);
        sandbox
    };
    let first = sandbox.read(TAPE);
    let other = Server::saying("Another reply.");
    let second = {
        let sandbox = trip(&other);
        run(&sandbox, &["--cassettes", "record"]).expect(0);
        sandbox.read(TAPE)
    };
    sandbox.write(TAPE, format!("{first}{}\n", second.lines().nth(1).unwrap()));
    let ran = run(&sandbox, &["--offline"]).expect(2);
    assert!(ran.stderr.contains("another reply to the request of line 2"), "{}", ran.stderr);
}

#[test]
#[cfg(unix)]
fn recordings_are_not_written_through_a_link() {
    let server = counting();
    let sandbox = trip(&server);
    let elsewhere = Sandbox::new();
    std::os::unix::fs::symlink(elsewhere.path(), sandbox.path().join("s/cassettes")).unwrap();
    let ran = run(&sandbox, &["--cassettes", "record"]).expect(2);
    assert!(ran.stderr.contains("is a link; recordings lie in the scenario's own folder"), "{}", ran.stderr);
    assert!(elsewhere.files(".").is_empty() && server.requests().is_empty());
}

#[test]
fn a_run_that_goes_on_records_what_one_that_was_left_alone_would_have() {
    let answers = |is_down: bool| {
        Server::start(move |request| match request.last_user().as_str() {
            "What's my name?" if is_down => Answer::error(400, "bad", "not today"),
            _ => Answer::reply(request, &format!("reply to {} messages", request.messages().len())),
        })
    };
    let (up, down) = (answers(false), answers(true));
    let whole = trip(&up);
    run(&whole, &["--cassettes", "record"]).expect(0);
    let broken = trip(&down);
    run(&broken, &["--cassettes", "record"]).expect(3);
    // What was said is kept, though the conversations broke off.
    assert_eq!(broken.read(TAPE).lines().count(), 1 + 6);
    let back = answers(false);
    broken.point_bot_at(&back.base_url());
    broken.run(&["run", "--resume"]).expect(0);
    assert_eq!(broken.read(TAPE), whole.read(TAPE));
    assert_eq!(back.requests().len(), 4);
}

#[test]
fn what_one_run_recorded_meanwhile_is_not_lost_by_another() {
    let go = Arc::new(Gate::default());
    let of_server = Arc::clone(&go);
    let server = Server::start(move |request| match request.last_user().as_str() {
        "Hi slow" => Answer::reply(request, "slow").delay(&of_server),
        _ => Answer::reply(request, "quick"),
    });
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/trip.yaml", "cases: [{id: slow}, {id: quick}]\nturns: [{user: 'Hi {{ id }}'}]\n");
    let part = |case: &str| ["run", "s", "--snapshots", "off", "--cassettes", "record", "-k", case].map(str::to_owned);
    let slow = sandbox.command(&part("case=slow").each_ref().map(String::as_str)).spawn().unwrap();
    server.wait_for_requests(1);
    sandbox.run(&part("case=quick").each_ref().map(String::as_str)).expect(0);
    go.open();
    Ran::from(slow.wait_with_output().unwrap()).expect(0);
    let text = sandbox.read(TAPE);
    assert!(text.contains("\"slow\"") && text.contains("\"quick\""), "{text}");
    run(&sandbox, &["--offline"]).expect(0);
}

#[test]
fn a_run_that_stops_at_a_failure_or_sees_another_history_takes_nothing_away() {
    let server = counting();
    let sandbox = trip(&server);
    run(&sandbox, &["--cassettes", "record"]).expect(0);
    let before = sandbox.read(TAPE);
    // What was said then is not what is recorded.
    run(&sandbox, &["--cassettes", "off"]).expect(0);
    for part in [&["--history", "pinned:latest"][..], &["--fail-fast"]] {
        let ran = run(&sandbox, &[&["--prune"], part].concat()).expect(2);
        assert!(ran.stderr.contains("`--prune` needs the whole plan"), "{}", ran.stderr);
    }
    assert_eq!(sandbox.read(TAPE), before);
    // Nothing was recorded by who only took away.
    sandbox.write("s/trip.yaml", TRIP.replace("Where to?", "Where now?"));
    let ran = run(&sandbox, &["--prune"]).expect(0);
    assert!(ran.stderr.contains("removed ") && !ran.stderr.contains("recorded "), "{}", ran.stderr);
}

#[test]
fn a_model_that_is_not_there_is_told_with_what_is_not_recorded() {
    let sandbox = {
        let server = counting();
        let sandbox = trip(&server);
        run(&sandbox, &["--cassettes", "record"]).expect(0);
        sandbox
    };
    sandbox.write("s/trip.yaml", TRIP.replace("under 150", "in at most 100"));
    let shown = run(&sandbox, &["--retries", "0"]).expect(3).stdout;
    let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    for word in ["connection refused", "it is not recorded either", "the system message differs at character 24"] {
        assert!(shown.contains(word), "{word:?} in {shown}");
    }
}

#[test]
#[cfg(unix)]
fn a_run_that_was_told_to_stop_takes_no_recording_away() {
    let server = counting();
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/trip.yaml", "cases: [{id: a}, {id: b}, {id: c}]\nturns: [{user: 'Hi {{ id }}'}]\n");
    run(&sandbox, &["--cassettes", "record", "-k", "case=[bc]"]).expect(0);
    let before = sandbox.read(TAPE);
    sandbox.write("s/cassettes/gone.jsonl", before.replacen("\"trip\"", "\"gone\"", 1));
    let held = Arc::new(Gate::default());
    let of_held = Arc::clone(&held);
    let slow = Server::start(move |request| Answer::reply(request, "a").delay(&of_held));
    sandbox.point_bot_at(&slow.base_url());
    let arguments = ["run", "s", "--snapshots", "off", "-j", "1", "--prune"];
    let mut command = sandbox.command(&arguments);
    let child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    slow.wait_for_requests(1);
    assert!(std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    held.open();
    Ran::from(child.wait_with_output().unwrap()).expect(130);
    assert_eq!(sandbox.read(TAPE), before);
    assert!(sandbox.has("s/cassettes/gone.jsonl"), "whether it is of use is for a whole run to say");
}

#[test]
fn what_another_conversation_still_needs_stays_when_a_part_is_recorded_anew() {
    let server = counting();
    let sandbox = Sandbox::with_bot(&server.base_url());
    let cases = |first: &str| {
        format!(
            "cases: [{{id: one, first: {first}, second: Apples}}, {{id: two, first: Hello, second: Pears}}]\n\
             turns: [{{user: '{{{{ first }}}}'}}, {{user: '{{{{ second }}}}'}}]\n"
        )
    };
    sandbox.write("s/trip.yaml", cases("Hello"));
    run(&sandbox, &["--cassettes", "record"]).expect(0);
    // What is shared is pinned for each of those that share it.
    run(&sandbox, &["--history", "pinned", "--offline"]).expect(0);
    sandbox.write("s/trip.yaml", cases("Howdy"));
    run(&sandbox, &["--cassettes", "record", "-k", "case=one"]).expect(0);
    run(&sandbox, &["--offline"]).expect(0);
    // Two replies that changed places are no recordings.
    let text = sandbox.read(TAPE);
    let cut = |line: &str| line.find(",\"reply\"").unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let (a, b) = (lines[1], lines[2]);
    let swapped =
        [lines[0], &format!("{}{}", &a[..cut(a)], &b[cut(b)..]), &format!("{}{}", &b[..cut(b)], &a[cut(a)..])];
    sandbox.write(TAPE, swapped.join("\n"));
    let ran = run(&sandbox, &["--offline"]).expect(2);
    assert!(ran.stderr.contains("its reply was changed"), "{}", ran.stderr);
    let input = sandbox.run(&["run", "-", "--cassettes", "record"]).expect(2);
    assert!(!input.stderr.is_empty());
}
