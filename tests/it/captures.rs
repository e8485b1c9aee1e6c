//! `capture`: a part of a reply that later turns use.

use crate::support::answer::{Answer, Gate};
use crate::support::sandbox::{Ran, Sandbox};
use crate::support::server::{Request, Server};

const TICKET: &str = "\
facts:
  ticket: \"{{ ticket }}\"
turns:
  - user: I have a problem.
    capture: {ticket: '(T-\\d+)', clerk: 'by (.+)\\.'}
  - {user: \"Close {{ ticket }}, {{ clerk }}.\", expect: [{contains: \"{{ ticket }}\"}]}
  - {user: \"And?\", reply: \"{{ ticket }} is closed.\"}
  - {user: What was my ticket?, expect: [{recalls: ticket}]}
probes:
  - {user: \"Is {{ ticket }} closed?\", expect: [{not_contains: \"{{ clerk }}\"}]}
each_reply: [{contains: \"{{ ticket }}\", from: 2}]
";

/// Tickets count up with the requests that open one.
fn answer(request: &Request) -> Answer {
    let messages = request.messages();
    let opened = messages.iter().find_map(|(_, text)| text.split([' ', '.']).find(|word| word.starts_with("T-")));
    match opened {
        None => Answer::reply(request, &format!("It is T-{} by {{{{ clerk }}}}.", 40 + request.number)),
        Some(ticket) => Answer::reply(request, &format!("{} it is.", ticket.trim_end_matches(','))),
    }
}

fn sandbox(server: &Server) -> Sandbox {
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", TICKET);
    sandbox
}

fn run(sandbox: &Sandbox, arguments: &[&str]) -> Ran {
    sandbox.run(&[&["run", "s", "-j", "1", "--snapshots", "off"], arguments].concat())
}

fn users(server: &Server) -> Vec<String> {
    server.requests().iter().map(Request::last_user).collect()
}

#[test]
fn later_turns_canned_replies_facts_checks_and_probes_have_what_was_captured() {
    let server = Server::start(answer);
    let sandbox = sandbox(&server);
    run(&sandbox, &["--trials", "2"]).expect(0);
    let asked = |ticket: &str| {
        [
            "I have a problem.".to_owned(),
            // A value is data, whatever it looks like.
            format!("Close {ticket}, {{{{ clerk }}}}."),
            "What was my ticket?".to_owned(),
            format!("Is {ticket} closed?"),
        ]
    };
    assert_eq!(users(&server), [asked("T-41"), asked("T-45")].concat());
    let rows = sandbox.rows("transcripts.csv");
    assert_eq!(rows[2]["reply"], "T-41 is closed.");
    let retention = sandbox.rows("retention.csv");
    assert_eq!((retention[0]["value"].as_str(), retention[1]["value"].as_str()), ("T-41", "T-45"));
    assert!(retention.iter().all(|row| row["outcome"] == "retained" && row["distance"] == "0"), "{retention:?}");
    let checks = sandbox.rows("checks.csv");
    assert_eq!(checks[0]["expected"], "\"T-41\"");

    run(&sandbox, &["--cassettes", "record"]).expect(0);
    let (tables, sent) = (sandbox.steady_tables(), server.requests().len());
    run(&sandbox, &["--offline"]).expect(0);
    assert_eq!(sandbox.steady_tables().replace("cassette", "live"), tables);
    // What later turns hear is what is captured.
    run(&sandbox, &["--history", "pinned", "--cassettes", "auto"]).expect(0);
    assert_eq!(server.requests().len(), sent);
}

#[test]
#[cfg(unix)]
fn a_run_that_goes_on_has_what_was_captured_before() {
    let gate = Gate::default();
    let of_server = gate.clone();
    let server = Server::start(move |request| {
        let answer = answer(request);
        if request.number == 2 { answer.delay(&of_server) } else { answer }
    });
    let sandbox = sandbox(&server);
    let running = sandbox.start(&["run", "s", "-j", "1", "--snapshots", "off"]);
    server.wait_for_requests(2);
    running.signal("KILL");
    running.finish();
    sandbox.run(&["run", "--resume"]).expect(0);
    assert_eq!(users(&server)[2], "Close T-41, {{ clerk }}.");
    gate.open();
    assert_eq!(sandbox.rows("retention.csv")[0]["value"], "T-41");
}

#[test]
fn where_nothing_matches_the_conversation_is_errored_and_says_so() {
    let server = Server::saying("No ticket today.");
    let sandbox = sandbox(&server);
    let ran = run(&sandbox, &[]).expect(3);
    assert!(ran.stdout.contains("turn 1 · nothing was captured"), "{}", ran.stdout);
    let told = "nothing in the reply for `capture: ticket`: `(T-\\d+)` does not match";
    assert!(ran.stdout.contains(told), "{}", ran.stdout);
    let rows = sandbox.rows("transcripts.csv");
    assert_eq!((rows.len(), rows[0]["error"].as_str(), rows[0]["reply"].as_str()), (1, told, "No ticket today."));
    assert!(sandbox.rows("checks.csv").iter().all(|row| row["verdict"] == "skip"));
    // What was said is not said again, and what it lacked it lacks still.
    sandbox.run(&["run", "--resume"]).expect(3);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn what_does_not_fit_where_it_stands_ends_the_conversation_with_a_reason() {
    let sandbox = Sandbox::new();
    let scenario = "turns:\n  - {user: \"(open\", capture: {word: '(\\(?open)'}}\n  - {user: Hi, expect: [{matches: \"{{ word }}\"}]}\n";
    sandbox.write("s/one.yaml", scenario);
    let ran = run(&sandbox, &["--model", "builtin:echo"]).expect(3);
    assert!(
        ran.stdout.contains("what was captured does not fit: `matches` is no regular expression"),
        "{}",
        ran.stdout
    );
    let told = |sandbox: &Sandbox| sandbox.rows("transcripts.csv")[0]["error"].clone();
    let error = told(&sandbox);
    assert!(error.starts_with("what was captured does not fit"), "the turn says so: {error}");
    sandbox.run(&["recheck", "latest", "--snapshots", "off"]).expect(3);
    assert_eq!(told(&sandbox), error);
}

#[test]
fn what_needs_it_too_early_is_an_error_before_anything_is_sent() {
    let sandbox = Sandbox::new();
    let turn = "{user: Hi, capture: {ticket: '(\\d+)'}}";
    for (rest, line) in [
        (format!("turns:\n  - {{user: \"{{{{ ticket }}}}\"}}\n  - {turn}\n"), 2),
        ("turns:\n  - {user: \"{{ ticket }}\", capture: {ticket: '(\\d+)'}}\n".to_owned(), 2),
        (format!("persona: \"{{{{ ticket }}}}\"\nturns:\n  - {turn}\n"), 1),
        (format!("history: [{{role: user, content: \"{{{{ ticket }}}}\"}}]\nturns:\n  - {turn}\n"), 1),
        (format!("each_reply: [{{contains: \"{{{{ ticket }}}}\"}}]\nturns:\n  - {turn}\n"), 1),
        (
            format!(
                "each_reply: [{{contains: \"{{{{ ticket }}}}\", from: 4}}]\nturns:\n  - {{filler: 3}}\n  - {turn}\n"
            ),
            1,
        ),
        (
            format!(
                "facts: {{t: \"{{{{ ticket }}}}\"}}\nturns:\n  - {{user: Hi, expect: [{{forgets: t}}]}}\n  - {turn}\n"
            ),
            3,
        ),
        (format!("facts: {{t: \"{{{{ ticket }}}}\"}}\neach_reply: {{not: {{recalls: t}}}}\nturns:\n  - {turn}\n"), 2),
    ] {
        sandbox.write("s/one.yaml", &rest);
        let ran = sandbox.run(&["check", "s"]).expect(2);
        assert!(ran.stderr.contains("`ticket` is captured in turn "), "{rest}\n{}", ran.stderr);
        assert!(ran.stderr.contains(&format!("s/one.yaml:{line}:")), "{rest}\n{}", ran.stderr);
    }
    for (rest, told) in [
        ("turns: [{user: Hi, capture: {ticket: 'T-\\d+'}}]", "has no group"),
        ("turns: [{user: Hi, capture: {ticket: '(\\d+'}}]", "`capture` is no regular expression"),
        ("turns: [{user: Hi, capture: ticket}]", "`capture` must be a map"),
        ("turns: [{user: Hi, reply: Ho, capture: {ticket: '(\\d+)'}}]", "nothing to capture"),
        ("turns: [{user: Hi, capture: {t: '(\\d+)'}}, {user: Hi, capture: {t: '(\\d+)'}}]", "`t` is captured twice"),
        ("vars: {t: 1}\nturns: [{user: Hi, capture: {t: '(\\d+)'}}]", "`t` is a variable of `vars` and of `turns`"),
        ("turns: [{user: Hi, capture: {n: '(\\d+)'}}, {filler: '{{ n }}'}]", "must be a whole number"),
    ] {
        sandbox.write("s/one.yaml", rest);
        let ran = sandbox.run(&["check", "s"]).expect(2);
        assert!(ran.stderr.contains(told), "{rest}\n{}", ran.stderr);
    }
}
