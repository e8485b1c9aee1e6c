//! `provider: http`: what is sent, how answers are read, what is sent again and what never is, and what such a bot cannot be asked.

use serde_json::json;

use crate::support::answer::Answer;
use crate::support::priced::journal;
use crate::support::sandbox::{Ran, Sandbox};
use crate::support::server::{Request, Server};

const TURNS: &str = "turns:\n  - {user: \"Say \\\"{% raw %}{{ session }}{% endraw %}\\\"\\n\"}\n  - {user: Bye, expect: [{contains: bye}]}\n";

/// A folder with a bot that has these keys beside its URL.
fn sandbox(server: &Server, keys: &str) -> Sandbox {
    let sandbox = Sandbox::new().env("MY_BOT_KEY", "bot-secret-1");
    let url = server.base_url().replace("/v1", "/chat");
    let keys = keys.lines().map(|line| ["    ", line, "\n"].concat()).collect::<Vec<_>>().concat();
    sandbox.write(
        "chat-eval.yaml",
        format!("model: bot\nmodels:\n  bot:\n    provider: http\n    url: \"{url}\"\n{keys}"),
    );
    sandbox.write("s/one.yaml", TURNS);
    sandbox
}

fn run(sandbox: &Sandbox, more: &[&str]) -> Ran {
    sandbox.run(&[&["run", "s", "--snapshots", "off"], more].concat())
}

fn replies(sandbox: &Sandbox) -> Vec<String> {
    sandbox.rows("transcripts.csv").into_iter().map(|row| row["reply"].clone()).collect()
}

fn errors(sandbox: &Sandbox) -> Vec<String> {
    let errors = sandbox.rows("transcripts.csv").into_iter().map(|row| row["error"].clone());
    errors.filter(|error| !error.is_empty()).collect()
}

fn bodies(server: &Server) -> Vec<serde_json::Value> {
    server.requests().into_iter().map(|request| request.body).collect()
}

fn saying(text: &'static str) -> Server {
    Server::start(move |_| Answer::json(&json!({"reply": text})))
}

#[test]
fn messages_are_sent_as_data_and_the_key_is_shown_nowhere() {
    let server = Server::start(|request: &Request| {
        let key = request.header("authorization").unwrap_or_default().to_owned();
        Answer::json(
            &json!({"out": [{"text": "Good "}, {"text": "bye, "}, {"text": key}], "why": "end", "t": {"in": 5, "out": 2}}),
        )
    });
    let keys = "method: put\nheaders: {Authorization: \"Bearer ${MY_BOT_KEY}\", X-Turn: \"{{ turn }}\"}\n\
                body: {input: {text: \"{{ message }}\", n: \"{{ turn }}\"}, id: \"{{ session }}\", sys: \"{{ system }}\", v: 2}\n\
                reply: $.out[*].text\nfinish_reason: $.why\nusage: {sent: $.t.in, reply: $.t.out}";
    let sandbox = sandbox(&server, keys);
    run(&sandbox, &[]).expect(0);
    let requests = server.requests();
    let session = requests[0].body["id"].as_str().unwrap();
    assert_eq!(session.len(), 36);
    let body = |text: &str, turn: u32| json!({"input": {"text": text, "n": turn}, "id": session, "sys": null, "v": 2});
    assert_eq!(bodies(&server), [body("Say \"{{ session }}\"\n", 1), body("Bye", 2)]);
    assert_eq!(requests[1].header("x-turn"), Some("2"));
    assert_eq!(requests[1].header("authorization"), Some("Bearer bot-secret-1"));
    assert_eq!(replies(&sandbox), ["Good bye, Bearer ***"; 2]);
    let row = &sandbox.rows("transcripts.csv")[1];
    assert_eq!((&*row["finish_reason"], &*row["tokens_sent"], &*row["tokens_reply"]), ("end", "5", "2"));
    for file in sandbox.files("results") {
        let bytes = std::fs::read(sandbox.path().join("results").join(&file)).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("bot-secret"), "{file}");
    }
}

#[test]
fn more_tokens_than_a_call_can_have_are_none_and_a_journal_that_has_them_is_reported_and_goes_on() {
    let greatest = u64::MAX;
    let server = Server::start(move |_| Answer::json(&json!({"reply": "bye", "t": {"in": greatest, "out": greatest}})));
    let sandbox = sandbox(&server, "usage: {sent: $.t.in, reply: $.t.out}");
    run(&sandbox, &[]).expect(0);
    let tokens = |sandbox: &Sandbox| sandbox.rows("summary.csv")[0]["tokens_sent"].clone();
    assert_eq!(tokens(&sandbox), "", "nothing is known");
    let journal = sandbox.run_folder().join("journal.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap();
    let usage = format!("\"usage\":{{\"sent\":{greatest},\"reply\":{greatest}}},\"attempts\"");
    // As of a run that was killed before its end.
    let lines = text
        .lines()
        .filter(|line| !["conversation", "stop"].iter().any(|end| line.contains(&format!("{{\"event\":\"{end}\""))));
    let text: String = lines.map(|line| line.replace("\"attempts\"", &usage) + "\n").collect();
    std::fs::write(&journal, text).unwrap();
    sandbox.run(&["report", "latest"]);
    assert_eq!(tokens(&sandbox), greatest.to_string());
    // The conversation had no end, and is said anew.
    sandbox.run(&["run", "--resume"]).expect(0);
    assert_eq!(tokens(&sandbox), "");
}

#[test]
fn without_more_than_a_url_a_bot_is_sent_message_and_session_and_answers_with_a_reply() {
    let server = saying("Good bye.");
    let sandbox = sandbox(&server, "");
    run(&sandbox, &[]).expect(0);
    let sent = bodies(&server);
    assert_eq!(sent[1], json!({"message": "Bye", "session": sent[0]["session"]}));
    let begin = journal(&sandbox).into_iter().find(|event| event["event"] == "begin").unwrap();
    assert_eq!(begin["keeps_history"], true);
    let sent = journal(&sandbox).into_iter().filter(|event| event["event"] == "turn").map(|turn| turn["sent"].clone());
    assert_eq!(sent.collect::<Vec<_>>(), [json!([[0, 1]]), json!([[2, 3]])], "the message alone");
}

#[test]
fn conversations_in_flight_together_share_no_session() {
    let server = Server::start(|_| Answer::json(&json!({"reply": "bye"})).until_in_flight(8));
    let sandbox = sandbox(&server, "");
    sandbox.write("s/one.yaml", format!("trials: 8\n{TURNS}"));
    run(&sandbox, &["-j", "8"]).expect(0);
    let sessions: std::collections::BTreeSet<String> =
        bodies(&server).iter().map(|body| body["session"].as_str().unwrap().to_owned()).collect();
    assert_eq!((sessions.len(), server.requests().len()), (8, 16));
}

#[test]
fn a_session_may_be_taken_from_the_first_answer() {
    for (keys, first) in [
        ("session: {path: $.id}\n", json!(null)),
        ("session: {path: $.id, first: \"\"}\n", json!("")),
        ("session: {header: X-Session}\n", json!(null)),
    ] {
        let server = Server::start(|_| Answer::json(&json!({"reply": "bye", "id": "s-1"})).header("X-Session", "s-1"));
        let sandbox = sandbox(&server, keys);
        run(&sandbox, &[]).expect(0);
        assert_eq!(
            bodies(&server).iter().map(|body| body["session"].clone()).collect::<Vec<_>>(),
            [first, json!("s-1")]
        );
    }
    let server =
        Server::start(|_| Answer::json(&json!({"reply": "bye"})).header("Set-Cookie", "sid=7; Path=/; HttpOnly"));
    let sandbox = sandbox(
        &server,
        "headers: {Cookie: \"{{ session }}\"}\nbody: {message: \"{{ message }}\"}\nsession: {header: Set-Cookie}",
    );
    run(&sandbox, &[]).expect(0);
    let cookies: Vec<_> = server.requests().iter().map(|request| request.header("cookie").map(str::to_owned)).collect();
    assert_eq!(cookies, [None, Some("sid=7".to_owned())]);
    // One of a load balancer stands before the bot's own; one is set twice, and one is taken back.
    let server = Server::start(|request| {
        let is_known =
            request.header("cookie").is_some_and(|cookie| cookie.contains("sid=7") && cookie.contains("lb=a"));
        let reply = if is_known { "bye" } else { "Who are you?" };
        let answer = Answer::json(&json!({"reply": reply})).header("Set-Cookie", "lb=a; Path=/; HttpOnly");
        let answer = answer.header("Set-Cookie", "sid=6").header("Set-Cookie", "old=1; Max-Age=0");
        answer.header("Set-Cookie", "sid=7; Max-Age=60; Secure")
    });
    let balanced = self::sandbox(
        &server,
        "headers: {Cookie: \"{{ session }}\"}\nbody: {message: \"{{ message }}\"}\nsession: {header: Set-Cookie}",
    );
    run(&balanced, &[]).expect(0);
    assert_eq!(server.requests()[1].header("cookie"), Some("lb=a; sid=7"));
    let server = saying("bye");
    let missing = self::sandbox(&server, "session: {path: $.id}");
    run(&missing, &["--retries", "0"]).expect(3);
    assert_eq!(errors(&missing), ["the first answer has no session at `$.id`"]);
}

#[test]
fn streams_of_events_and_of_text_are_read_and_half_of_one_is_no_reply() {
    let events = |end: &'static str| {
        move |_: &Request| {
            let pieces =
                ["Good ", "bye"].map(|piece| format!("data: {}\r\n\r\n", json!({"kind": "piece", "delta": piece})));
            Answer::events([": ping\n\n".to_owned(), pieces.concat(), end.to_owned()])
        }
    };
    let path = "stream: {events: $.delta, done: \"[DONE]\"}";
    for (end, keys, expected) in [
        ("data: [DONE]\n\n", path, Ok("Good bye")),
        ("", path, Err("the stream ended without its end mark")),
        ("", "stream: {events: $.delta}", Ok("Good bye")),
        (
            "data: {\"kind\": \"end\"}\n\n",
            "stream: {events: $.delta, done: {path: $.kind, equals: end}}",
            Ok("Good bye"),
        ),
        ("data: oops\n\n", path, Err("the data of an event is not JSON: \"oops\"")),
        (
            "event: error\ndata: {\"message\": \"no model\"}\n\n",
            "stream: {events: $.delta}",
            Err("the stream has an error in it: \"{\"message\": \"no model\"}\""),
        ),
        ("event: error\n\n", "stream: {events: data}", Err("the stream has an error in it: it is empty")),
        (
            "data: {\"error\": {\"message\": \"no model\"}, \"delta\": null}\n\n",
            "stream: {events: $.delta}",
            Err("the stream has an error in it: \"{\"error\": {\"message\": \"no model\"}, \"delta\": null}\""),
        ),
        ("data: {\"error\": null}\n\n", "stream: {events: $.delta}", Ok("Good bye")),
        ("", "stream: {events: $.text}", Err("no event of the stream has a text at `$.text`")),
        ("", "", Err("the answer is a stream of events; `stream:` in the config says how they are read")),
    ] {
        let server = Server::start(events(end));
        let sandbox = self::sandbox(&server, keys);
        let ran = run(&sandbox, &["--retries", "0"]);
        match expected {
            Ok(reply) => assert_eq!(replies(&sandbox), [reply; 2], "{keys}: {}", ran.stderr),
            Err(error) => assert_eq!(errors(&sandbox), [error], "{keys}"),
        }
    }
    let text = || Answer::events(["Güd b".as_bytes().to_vec(), "ye".as_bytes().to_vec()]).header("X", "y");
    let server = Server::start(move |_| text());
    let sandbox = self::sandbox(&server, "stream: text");
    run(&sandbox, &[]).expect(0);
    assert_eq!(replies(&sandbox), ["Güd bye"; 2]);
    let server = Server::start(move |_| text().cut(3));
    let sandbox = self::sandbox(&server, "stream: text");
    run(&sandbox, &["--retries", "0"]).expect(3);
    assert!(errors(&sandbox)[0].contains("broke"), "{:?}", errors(&sandbox));
}

#[test]
fn a_first_message_is_sent_again_in_a_new_session_and_a_later_one_never() {
    let busy = || Answer::status(500, &[], "");
    let server = Server::in_turn(vec![busy(), Answer::json(&json!({"reply": "bye"}))]);
    let sandbox = sandbox(&server, "");
    run(&sandbox, &[]).expect(0);
    let sent = bodies(&server);
    assert!(sent.len() == 3 && sent[0]["session"] != sent[1]["session"] && sent[1]["session"] == sent[2]["session"]);

    let server =
        Server::in_turn(vec![Answer::json(&json!({"reply": "Hi"})), busy(), Answer::json(&json!({"reply": "bye"}))]);
    let late = self::sandbox(&server, "");
    run(&late, &[]).expect(3);
    assert_eq!(server.requests().len(), 2, "the bot may have heard it");
    let error = "500 Internal Server Error; the bot may have taken the message, so it is not sent again";
    assert_eq!(errors(&late), [error]);
    // The conversation starts again, in a new session, and nothing of the first one is left in the reports.
    late.run(&["run", "--resume"]).expect(0);
    let sent = bodies(&server);
    assert_eq!(sent.len(), 4);
    assert!(sent[0]["session"] != sent[2]["session"] && sent[2]["session"] == sent[3]["session"]);
    assert_eq!(replies(&late), ["bye"; 2]);
    assert_eq!(late.rows("checks.csv").len(), 1);
}

#[test]
fn a_later_message_that_the_bot_says_it_did_not_take_is_sent_again() {
    let hi = || Answer::json(&json!({"reply": "bye"}));
    let server = Server::in_turn(vec![hi(), Answer::status(429, &[("Retry-After", "0")], ""), hi()]);
    let sandbox = sandbox(&server, "");
    run(&sandbox, &[]).expect(0);
    let sent = bodies(&server);
    assert_eq!((sent.len(), &sent[1]), (3, &sent[2]));
}

#[test]
fn a_bot_that_keeps_its_history_is_not_asked_what_it_cannot_be_asked() {
    let server = saying("bye");
    let sandbox = sandbox(&server, "");
    let refused = |scenario: &str, more: &[&str], expected: &str| {
        sandbox.write("s/one.yaml", scenario);
        let ran = run(&sandbox, more).expect(2);
        assert!(
            ran.stderr.contains("error[keeps-history]") && ran.stderr.contains(expected),
            "{expected}\n{}",
            ran.stderr
        );
    };
    let fact = "facts: {name: Priya}\n";
    refused(
        "windows: [full, 2]\nturns: [{user: Hi}]\n",
        &[],
        "the window `2` cannot hold: `bot` keeps its history itself",
    );
    refused("history: [{role: user, content: Hi}]\nturns: [{user: Hi}]\n", &[], "`history` cannot be given to `bot`");
    refused("turns: [{user: Hi, reply: Hello}, {user: Hi}]\n", &[], "a canned reply cannot be given to `bot`");
    refused("turns: [{filler: 2}, {user: Hi}]\n", &[], "a canned reply cannot be given to `bot`");
    refused(
        "turns: [{user: Hi, expect: [{sent: {max_messages: 3}}]}]\n",
        &[],
        "`sent` looks at the request, and `bot`",
    );
    refused(
        &format!("{fact}turns: [{{user: Hi, expect: [{{not: {{retains_iff_visible: name}}}}]}}]\n"),
        &[],
        "`retains_iff_visible`",
    );
    refused(
        "turns: [{user: Hi, capture: {x: \"(.)\"}}]\nprobes: [{user: Hi}]\n",
        &[],
        "`capture` and `probes` do not go together",
    );
    refused(TURNS, &["--triage"], "`--triage` asks with another history, and `bot`");
    refused(TURNS, &["--offline"], "`bot` cannot be played offline");
    refused(TURNS, &["--cassettes", "record"], "what `bot` says is not recorded");
    refused(TURNS, &["--history", "pinned"], "no earlier replies can be pinned on `bot`");
    refused(TURNS, &["--window", "3"], "the window `3` cannot hold");
    refused(TURNS, &["--window", "3"], "help: leave `--window` or `window` out: the bot alone decides what it keeps");
    // A check that is for other models alone asks nothing of it.
    sandbox.write("s/one.yaml", "turns: [{user: Hi, expect: [{sent: {max_messages: 3}, models: [gpt-*]}]}]\n");
    run(&sandbox, &[]).expect(0);
    sandbox.write("s/one.yaml", TURNS);
    let ran = run(&sandbox, &["--max-cost", "1"]).expect(2);
    assert!(
        ran.stderr.contains("error[missing-price]") && ran.stderr.contains("keeps its history itself"),
        "{}",
        ran.stderr
    );
    let config = sandbox.read("chat-eval.yaml");
    sandbox.write("chat-eval.yaml", format!("{config}    price: {{input: 0, output: 0}}\n"));
    run(&sandbox, &["--max-cost", "1"]).expect(0);
    sandbox.write("chat-eval.yaml", format!("{config}judge: {{model: bot}}\n"));
    let ran = run(&sandbox, &[]).expect(2);
    assert!(ran.stderr.contains("`bot` is a bot that keeps its history itself: it judges none"), "{}", ran.stderr);
}

#[test]
fn what_is_wrong_with_a_bot_in_the_config_is_said_at_its_place() {
    let server = saying("bye");
    for (keys, expected) in [
        (
            "body: {message: \"{{ message }}\"}",
            "error[missing-session]: nothing in a request to `bot` says which conversation",
        ),
        ("body: {session: \"{{ session }}\"}", "error[missing-key]: nothing in a request to `bot` has the message"),
        ("body: {m: \"{{ mesage }}\"}", "did you mean `message`?"),
        ("body: {m: {{ message }}}", "needs quotes"),
        ("body: '{\"m\": {{ message }}'", "error[template-syntax]: the body is no JSON"),
        ("reply: $.[", "error[invalid-path]"),
        ("headers: {Authorization: Bearer abc}", "error[key-in-config]: the header `Authorization` carries a key"),
        ("headers: {X-Session-Token: abc}", "error[key-in-config]: the header `X-Session-Token` carries a key"),
        ("headers: {Cookie: \"id={{ turn }}\"}", "error[key-in-config]"),
        ("stream: sse", "error[unknown-word]: `stream` is `text` or a map"),
        ("session: {path: $.a, header: b}", "error[exclusive-keys]"),
        ("session: {first: x}", "error[missing-key]: `session` has neither"),
        ("base_url: x", "error[unknown-key]: `base_url` is no key of the model `bot`"),
        (
            "headers: {Authorization: \"Bearer ${NOT_THERE}\"}",
            "error[missing-api-key]: the model `bot` needs the environment variable `NOT_THERE`",
        ),
        ("headers: {\"X y\": \"1\"}", "error[unusable-model]"),
    ] {
        let ran = run(&sandbox(&server, keys), &[]).expect(2);
        assert!(ran.stderr.contains(expected), "{keys}: {expected}\n{}", ran.stderr);
    }
    // A place is no key, and neither is a name that only looks like one.
    let named =
        sandbox(&server, "headers: {X-Idempotency-Key: \"{{ session }}\", X-Key: \"{{ turn }}\", X-Author: me}");
    named.run(&["check", "s"]).expect(0);
    let url = |query: &str| {
        let config = named.read("chat-eval.yaml");
        named.write("chat-eval.yaml", config.replace("/chat\"", &format!("/chat?{query}\"")));
        let ran = named.run(&["check", "s"]);
        named.write("chat-eval.yaml", config);
        ran
    };
    url("max_tokens=5").expect(0);
    let ran = url("a=1&api_key=abc").expect(2);
    assert!(
        ran.stderr.contains("error[key-in-config]: the parameter `api_key` of the URL carries a key"),
        "{}",
        ran.stderr
    );
    let sandbox = Sandbox::new().env("MY_BOT_KEY", "bot-secret-1");
    sandbox.write("s/one.yaml", TURNS);
    sandbox.write("chat-eval.yaml", "model: bot\nmodels: {bot: {provider: http, url: \"http://example.com/\", headers: {X-Key: \"${MY_BOT_KEY}\"}}}\n");
    let ran = run(&sandbox, &[]).expect(2);
    assert!(ran.stderr.contains("sent only to https and to loopback addresses"), "{}", ran.stderr);
    assert_eq!(server.requests().len(), 0, "nothing was sent");
}

#[test]
fn a_run_with_such_a_bot_is_judged_again_and_changed_as_any_other() {
    let server = saying("Your name is Priya.");
    let sandbox = sandbox(&server, "");
    let facts =
        "facts: {name: Priya}\nturns: [{user: I'm Priya.}, {user: \"What's my name?\", expect: [{recalls: name}]}]\n";
    sandbox
        .write("s/one.yaml", format!("{facts}probes: [{{user: \"What's my name?\", expect: [{{recalls: name}}]}}]\n"));
    run(&sandbox, &[]).expect(0);
    let tables = sandbox.steady_tables();
    sandbox.run(&["recheck", "latest", "--snapshots", "off"]).expect(0);
    assert_eq!(sandbox.steady_tables(), tables);
    let ran = sandbox.run(&["mutate", "latest"]).expect(0);
    assert!(!ran.stdout.contains("vacuous") || ran.stdout.contains("0 vacuous"), "{}", ran.stdout);
    assert!(
        sandbox.rows("retention.csv").iter().all(|row| row["visible"] == "unknown" && row["outcome"] == "retained")
    );
    // What was meant to be forgotten is known to be remembered, and not why.
    sandbox.write("s/one.yaml", facts.replace("recalls", "forgets"));
    let ran = run(&sandbox, &[]).expect(1);
    assert!(
        ran.stdout.contains("retained; \"Priya\" is in the reply of a bot that keeps its history itself"),
        "{}",
        ran.stdout
    );
    assert!(!ran.stdout.contains("cut "), "nobody knows what it cut: {}", ran.stdout);
}

#[test]
fn the_system_prompt_goes_where_the_body_has_a_place_for_it_and_is_missed_aloud_elsewhere() {
    let server = saying("bye");
    let sandbox = sandbox(&server, "");
    sandbox.write("s/one.yaml", format!("persona: Be kind.\n{TURNS}"));
    let ran = run(&sandbox, &[]).expect(0);
    assert!(ran.stderr.contains("warning: `bot` is not told the system prompts of the scenarios"), "{}", ran.stderr);
    for command in ["check", "plan"] {
        let ran = sandbox.run(&[command, "s"]).expect(0);
        assert!(
            ran.stderr.contains("warning: `bot` is not told the system prompts of the scenarios"),
            "{}",
            ran.stderr
        );
        assert!(command == "plan" || ran.stdout.contains("no errors, 1 warning"), "{}", ran.stdout);
    }
    let told =
        self::sandbox(&server, "body: '{\"m\": \"{{ message }}\", \"s\": {{ session }}, \"sys\": {{ system }}}'");
    told.write("s/one.yaml", format!("persona: Be kind.\n{TURNS}"));
    let ran = run(&told, &[]).expect(0);
    assert!(!ran.stderr.contains("warning"), "{}", ran.stderr);
    assert_eq!(bodies(&server).last().unwrap()["sys"], "Be kind.");
}
