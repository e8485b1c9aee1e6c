//! What a failure tells, and what a bot's or a server's text can never do to the one who reads it.

use crate::support::answer::{Answer, delta, event, finish};
use crate::support::sandbox::Sandbox;
use crate::support::server::Server;
use serde_json::json;

#[test]
fn a_failed_retention_check_names_the_carrier_and_what_the_window_cut() {
    let server = Server::start(|request| {
        let text = if request.messages().len() == 1 { "Hello Priya, nice to meet you!" } else { "Your name is Priya." };
        Answer::reply(request, text)
    });
    let sandbox = Sandbox::with_bot(&server.base_url());
    let scenario = "\
facts: {name: Priya}
window: 1
turns:
  - user: My name is Priya.
  - {user: What's my name?, expect: [{forgets: name}]}
";
    sandbox.write("s/one.yaml", scenario);
    let ran = sandbox.run(&["run", "s", "--snapshots", "off"]).expect(1);
    let (_, failure) = ran.stdout.split_once("\n\n").expect("a failure below the table");
    let (failure, _) = failure.split_once("\n\n").expect("sums below it");
    insta::assert_snapshot!(failure, @r#"
    ✗ one · default · bot · window 1 · turn 2 · forgets name
        still visible in message 1 of 2 (assistant, turn 1, an orphan reply)
        sent    a1 · u2        cut     u1
        a1      "Hello Priya, nice to meet you!"
        reply   "Your name is Priya."
        help: the window kept a reply that repeats the fact; `orphan_reply: drop` cuts it
        s/one.yaml:5
    "#);
}

#[test]
fn a_failed_text_check_quotes_the_exchange() {
    let server = Server::saying("Python is a language.\nIt has generators.");
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", "turns:\n  - user: What is Rust?\n    expect:\n      - contains: crab\n");
    let ran = sandbox.run(&["run", "s", "--snapshots", "off"]).expect(1);
    let (_, failure) = ran.stdout.split_once("\n\n").expect("a failure below the table");
    let (failure, _) = failure.split_once("\n\n").expect("sums below it");
    insta::assert_snapshot!(failure, @r#"
    ✗ one · default · bot · turn 1 · contains "crab"
        the reply does not have "crab"
        │ What is Rust?
        │ → Python is a language.
        │   It has generators.
        s/one.yaml:4
    "#);
}

/// Escape sequences, bells, carriage returns, direction marks, and what CI services take for commands.
const HOSTILE: &str = "::error::gotcha\n\u{1b}[2J\u{1b}]0;title\u{7}\r\u{202e}abc\u{200b}\u{9b}31m\n  ::add-mask::x ##[error]y ##vso[task]z";

#[test]
fn no_text_of_a_bot_reaches_the_terminal_as_it_is() {
    let server = Server::start(|request| match request.last_user().as_str() {
        "Fail" => Answer::error(400, "bad", HOSTILE),
        // Cut where a command or an escape would be put together again.
        _ if request.wants_stream() => Answer::stream([
            "::",
            "error::gotcha\n\u{1b}",
            "[2J\r",
            "\n::add-mask::x #",
            "#[",
            "error]y ##v",
            "so[task]z",
        ]),
        _ => Answer::text(HOSTILE),
    });
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", "turns:\n  - {user: Hi, expect: [{contains: nothing}, {recalls: name}]}\n  - user: Fail\nfacts: {name: Priya}\n");
    for arguments in [&["--color", "never"][..], &["--show"], &["--show", "--stream"]] {
        let ran = sandbox.run(&[&["run", "s", "--snapshots", "off"], arguments].concat()).expect(1);
        for text in [&ran.stdout, &ran.stderr] {
            let raw = text.chars().find(|c| c.is_control() && *c != '\n' || "\u{202e}\u{200b}".contains(*c));
            assert_eq!(raw, None, "{arguments:?}:\n{text}");
            assert!(text.lines().all(|line| !line.trim_start().starts_with("::")), "{arguments:?}:\n{text}");
            assert!(!text.contains("##[") && !text.contains("##vso["), "{arguments:?}:\n{text}");
        }
        assert!(ran.stdout.contains("‹U+001B›[2J"), "it is made visible:\n{}", ran.stdout);
    }
    sandbox.run(&["report"]).expect(0);
}

#[test]
fn a_server_that_asks_to_come_back_is_asked_again() {
    let busy = Answer::error(429, "slow", "slow down").header("retry-after-ms", "1");
    let server = Server::in_turn(vec![busy, Answer::text("Hello!")]);
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", "turns: [{user: Hi, expect: [{contains: hello}]}]");
    let ran = sandbox.run(&["run", "s", "--snapshots", "off"]).expect(0);
    assert!(ran.stdout.contains("1 retry"), "{}", ran.stdout);
    assert_eq!(sandbox.rows("transcripts.csv")[0]["attempts"], "2");
    let bodies: Vec<_> = server.requests().into_iter().map(|request| request.body).collect();
    assert_eq!(bodies[0], bodies[1]);
    let journal = std::fs::read_to_string(sandbox.run_folder().join("journal.jsonl")).unwrap();
    let attempts: Vec<&str> = journal.lines().filter(|line| line.contains("\"event\":\"attempt\"")).collect();
    assert!(matches!(attempts[..], [one] if one.contains("\"status\":429")), "{attempts:?}");
}

#[test]
fn half_a_streamed_reply_is_in_no_history_and_no_snapshot() {
    let half =
        Answer::events([event(&delta(&json!({"content": "Nice to "}))), event(&delta(&json!({"content": "meet"})))]);
    let whole = || {
        let pieces = ["Nice to ", "meet you."].map(|piece| event(&delta(&json!({"content": piece}))));
        Answer::events(pieces.into_iter().chain([event(&finish("stop")), "data: [DONE]\n\n".to_owned()]))
    };
    let server = Server::in_turn(vec![half, whole(), whole()]);
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", "stream: true\nturns: [{user: Hi}, {user: And you?}]");
    let ran = sandbox.run(&["run", "s", "--show", "--snapshots", "always"]).expect(0);
    let last = server.requests().pop().unwrap().messages();
    let texts: Vec<&str> = last.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts, ["Hi", "Nice to meet you.", "And you?"]);
    let snapshot = sandbox.read("s/snapshots/one@default.bot.full.snap");
    assert_eq!(snapshot.matches("Nice to").count(), 2, "one for each turn:\n{snapshot}");
    let shown = "  assistant\n  │ Nice to meet\n  ? attempt 1 failed: ";
    assert!(ran.stdout.contains(shown), "what was shown is said to be void:\n{}", ran.stdout);
}

#[test]
fn a_call_that_failed_ends_its_conversation_and_no_other() {
    let server = Server::start(|request| match request.last_user().as_str() {
        "Two of b" => Answer::error(422, "bad", "the context is too long by 12 tokens"),
        user => Answer::reply(request, user),
    });
    let sandbox = Sandbox::with_bot(&server.base_url());
    let scenario = "\
cases: [{id: a}, {id: b}, {id: c}]
turns:
  - {user: \"One of {{ id }}\", expect: [{contains: one}]}
  - {user: \"Two of {{ id }}\", expect: [{contains: two}]}
  - {user: A canned turn, reply: Yes.}
  - {user: \"Three of {{ id }}\", expect: [{contains: three}]}
each_reply: [{max_words: 9}]
";
    sandbox.write("s/one.yaml", scenario);
    let ran = sandbox.run(&["run", "s", "--snapshots", "off"]).expect(3);
    assert!(ran.stdout.contains("the context is too long by 12 tokens"), "{}", ran.stdout);
    assert!(ran.stdout.contains("2 passed, 1 errored"), "{}", ran.stdout);
    let of = |case: &str, file: &str, columns: &[&str]| -> Vec<String> {
        let rows = sandbox.rows(file).into_iter().filter(|row| row["case"] == case);
        rows.map(|row| columns.iter().map(|column| row[*column].as_str()).collect::<Vec<_>>().join(" ")).collect()
    };
    let checks = |case: &str| of(case, "checks.csv", &["turn", "check", "verdict"]);
    assert_eq!(
        checks("b"),
        [
            "1 contains pass",
            "1 max_words pass",
            "2 contains unknown",
            "2 max_words unknown",
            "4 contains skip",
            "4 max_words skip",
        ]
    );
    assert!(checks("a").iter().chain(&checks("c")).all(|check| check.ends_with("pass")));
    let turns = of("b", "transcripts.csv", &["turn", "reply", "error"]);
    assert_eq!(turns.len(), 2, "{turns:?}");
    assert!(turns[1].starts_with("2  ") && turns[1].contains("422"), "{turns:?}");
    assert_eq!(server.requests().len(), 8, "a refusal is not asked again");
}

#[test]
fn a_token_window_too_small_for_what_a_reply_pinned_ends_its_conversation_without_a_call() {
    let server = Server::saying("a long reply of very many words that nobody could know before it came");
    let sandbox = Sandbox::with_bot(&server.base_url());
    let scenario = "window: {tokens: 14, pin_first: 2}\nturns: [{user: Hi}, {user: More, expect: [{asks: false}]}]";
    sandbox.write("s/one.yaml", scenario);
    let ran = sandbox.run(&["run", "s", "--snapshots", "off"]).expect(3);
    assert_eq!(server.requests().len(), 1);
    assert!(ran.stdout.contains("14"), "the limit is named:\n{}", ran.stdout);
    assert_eq!(sandbox.rows("checks.csv")[0]["verdict"], "unknown");
}
