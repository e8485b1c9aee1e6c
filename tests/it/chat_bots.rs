//! `chat` with bots that keep their history themselves, and with services that take no list but one that alternates.

#![cfg(unix)]

use std::fs::File;

use serde_json::{Value, json};

use crate::chat::talk;
use crate::command_bots::is_gone;
use crate::support::answer::{Answer, Gate};
use crate::support::child::Running;
use crate::support::pty::OnTerminal;
use crate::support::sample_bots::{self, Bug};
use crate::support::sandbox::Sandbox;
use crate::support::server::{Request, Server};
use crate::support::vendors::{KEY, anthropic, gemini};

const NAME: &str = "My name is Priya.\nWhat's my name?\n";

/// What a bot was told: session, system prompt and message of each turn, the sessions numbered as they came up.
fn told(server: &Server) -> Vec<String> {
    let mut sessions: Vec<String> = Vec::new();
    let of = |request: Request| {
        let text = |key: &str| request.body[key].as_str().unwrap_or("-").to_owned();
        let session = text("session");
        let at = sessions.iter().position(|known| *known == session).unwrap_or(sessions.len());
        if at == sessions.len() {
            sessions.push(session);
        }
        format!("{at} {}: {}", text("system"), text("message"))
    };
    server.requests().into_iter().map(of).collect()
}

fn http() -> (Server, Sandbox) {
    let server = sample_bots::server(Bug::None);
    let sandbox = Sandbox::new();
    sandbox.write("chat-eval.yaml", sample_bots::http_config(&server));
    (server, sandbox)
}

/// A bot that is a shell script, and leaves something behind that would outlive it.
fn program(answer: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let script = format!("echo $$ >> pids; sleep 1000 & echo $! >> pids; while read line; do {answer}; done");
    sandbox.write("bot.sh", script);
    sandbox.write("chat-eval.yaml", "model: bot\nmodels:\n  bot: {provider: command, command: [sh, bot.sh]}\n");
    sandbox
}

fn all_gone(sandbox: &Sandbox, expected: usize) {
    let pids = sandbox.read("pids");
    assert_eq!(pids.lines().count(), expected, "{pids}");
    assert!(pids.lines().all(is_gone), "{pids}");
}

#[test]
fn a_talk_is_one_session_in_which_each_message_is_told_once() {
    let (server, sandbox) = http();
    let lines = format!("/fact name=Priya\n{NAME}/facts\n/sent\n/save t\n");
    let ran = talk(&sandbox, &["--persona", "Sign every reply with --Ada."], &lines).expect(0);
    assert_eq!(ran.stdout, "Noted. --Ada\nYour name is Priya. --Ada\n");
    assert_eq!(
        told(&server),
        ["0 Sign every reply with --Ada.: My name is Priya.", "0 Sign every reply with --Ada.: What's my name?"]
    );
    for said in [
        "all · turn 1 of the session\n    – name told in your message, visible: unknown\n",
        "all · turn 2 of the session\n    ● name recalled, visible: unknown\n",
        "name  \"Priya\"  visible now: unknown · last recalled in turn 2\n",
        "    u2 · user\n    │ What's my name?\n    the bot keeps its history itself: what else it sees is not known\n",
    ] {
        assert!(ran.stderr.contains(said), "{said}\n{}", ran.stderr);
    }
    assert!(!ran.stderr.contains("tokens sent") && !ran.stderr.contains("cut"), "{}", ran.stderr);

    let file = sandbox.read("t.yaml");
    assert!(file.contains("- recalls: name\n") && !file.contains("window"), "{file}");
    sandbox.run(&["check", "t.yaml"]).expect(0);
    sandbox.run(&["run", "t.yaml", "--snapshots", "off", "--no-stream"]).expect(0);
    talk(&sandbox, &["t.yaml"], "/script\n/script\n").expect(0);
    let all = told(&server);
    let again = |session: &str| all[..2].iter().map(|line| line.replacen('0', session, 1)).collect::<Vec<_>>();
    assert_eq!(all[2..], [again("1"), again("2")].concat(), "neither a run nor another talk has the session of a talk");
}

#[test]
fn what_the_bot_is_not_to_know_any_more_begins_a_new_session() {
    let (server, sandbox) = http();
    let lines = format!("{NAME}/reset\nWhat's my name?\n/persona Be kind.\nHi\n/save t\n");
    let ran = talk(&sandbox, &["--no-stream"], &lines).expect(0);
    let unknown = "I don't know. You haven't told me.";
    assert_eq!(ran.stdout, format!("Noted.\nYour name is Priya.\n{unknown}\nNoted.\n"));
    let expected = ["0 -: My name is Priya.", "0 -: What's my name?", "1 -: What's my name?", "2 Be kind.: Hi"];
    assert_eq!(told(&server), expected);
    assert_eq!(ran.stderr.matches("a new session: the bot knows nothing of what was said before").count(), 2);
    assert!(ran.stderr.contains("persona default; the next message begins a new session"), "{}", ran.stderr);
    // The session before it is another conversation.
    assert!(!sandbox.read("t.yaml").contains("What's my name"), "{}", sandbox.read("t.yaml"));
}

#[test]
fn from_the_bot_its_words_go_along_to_a_model_and_to_it_none_do() {
    let (server, sandbox) = http();
    let ran =
        talk(&sandbox, &["--persona", "Be kind."], "Hi\n/model builtin\nHo\n/sent\n/reset\n/model bot\nHi\n").expect(0);
    assert!(ran.stderr.contains("model builtin; what was said to the bot goes along"), "{}", ran.stderr);
    assert!(ran.stderr.contains("│ Hi\n    a1 · assistant\n    │ Noted.\n    u2 · user\n    │ Ho\n"), "{}", ran.stderr);
    assert!(ran.stderr.contains("model bot, which keeps its history itself"), "{}", ran.stderr);
    assert_eq!(told(&server), ["0 Be kind.: Hi", "1 Be kind.: Hi"]);
}

#[test]
fn what_cannot_be_asked_of_a_bot_is_refused_before_it_hears_of_it() {
    let (server, sandbox) = http();
    let url = server.base_url().replace("/v1", "/chat");
    let config = sandbox.read("chat-eval.yaml");
    sandbox.write("chat-eval.yaml", format!("{config}  deaf: {{provider: http, url: \"{url}\"}}\n"));
    sandbox.write("history.yaml", "history: [{role: assistant, content: Welcome.}]\nturns: [{user: Hi}]\n");
    sandbox.write("canned.yaml", "turns: [{user: Tea?, reply: Milk.}]\n");
    sandbox.write("window.yaml", "window: {exchanges: 2}\nturns: [{user: Hi}]\n");
    let no_window = "the window `2` cannot hold: `bot` keeps its history itself";
    let no_history = "`history` cannot be given to `bot`, which keeps its history itself";
    for (arguments, lines, said) in [
        (&["--window", "2"][..], "Hi\n", no_window),
        (&["window.yaml"], "Hi\n", no_window),
        (&[], "/window 2\nHi\n", no_window),
        (&["--model", "builtin", "--window", "2"], "/model bot\nHi\n", no_window),
        (&["history.yaml"], "Hi\n", no_history),
        (&["history.yaml", "--model", "builtin"], "/model bot\nHi\n", no_history),
        (&["canned.yaml"], "/script\nHi\n", "a canned reply cannot be given to `bot`, which keeps its history itself"),
        (&["--model", "builtin"], "Hi\n/model bot\nHi\n", "what was said so far cannot be given to `bot`"),
        (&["--model", "deaf"], "/persona Be kind.\nHi\n", "`deaf` is not told a system prompt"),
    ] {
        let ran = talk(&sandbox, arguments, lines).expect(2);
        assert!(ran.stderr.contains(said) && ran.stderr.contains("help: "), "{arguments:?} {lines:?}: {}", ran.stderr);
    }
    assert_eq!(told(&server), [""; 0]);
    let ran = talk(&sandbox, &[], "/undo\nHi\n/undo\nHi\n").expect(2);
    assert!(
        ran.stderr.contains("what `bot` has heard cannot be taken back\nhelp: `/reset` begins a new session"),
        "{}",
        ran.stderr
    );
    assert_eq!(told(&server), ["0 -: Hi"]);
    let ran = talk(&sandbox, &["--model", "deaf", "--persona", "Be kind.", "--no-stream"], "Hi\n/sent\n").expect(0);
    assert!(ran.stderr.contains("warning: `deaf` is not told the system prompt: `{{ system }}`"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("│ Be kind."), "what it is not told was not sent: {}", ran.stderr);
}

#[test]
fn a_message_that_has_no_reply_ends_the_session_and_the_next_one_begins_another() {
    let gate = Gate::default();
    let held = gate.clone();
    let server = Server::start(move |request| {
        let streamed = |pieces: [&str; 2]| {
            let event = |piece: &str| format!("data: {}\n\n", json!({"delta": piece}));
            Answer::events([event(pieces[0]), event(pieces[1]), "data: [DONE]\n\n".to_owned()])
        };
        match request.number {
            2 => Answer::error(400, "bad", "not that"),
            4 => streamed(["Once ", "more"]).hold_event(1, &held),
            _ => streamed(["No", "ted."]),
        }
    });
    let sandbox = Sandbox::new();
    sandbox.write("chat-eval.yaml", sample_bots::http_config(&server));
    let mut session = OnTerminal::start(sandbox.command(&["chat", "--persona", "Be kind."]), 24, 200);
    session.until_said("bot · keeps its history itself").until_said("you › ").press("One\r").until_said("│ Noted.");
    session.until_said("you › ").press("Two\r").until_said("not that").until_said("so the session is over");
    session.until_said("arrow up").until_said("you › ").press("/save t\r").until_said("saved 1 turn");
    session.until_said("you › ").press("\u{1b}[A\u{1b}[A\r").until_said("– a new session").until_said("│ Noted.");
    session.until_said("you › ").press("Three\r").until_said("│ Once").signal("INT");
    session.until_said("– stopped: the bot may have heard your message, so the session is over").until_said("you › ");
    server.wait_for_hang_ups(1);
    session.press("Four\r").until_said("– a new session").until_said("turn 1 of the session").until_said("you › ");
    session.press("/quit\r");
    session.leave().expect(0);
    let expected = ["0 Be kind.: One", "0 Be kind.: Two", "1 Be kind.: Two", "1 Be kind.: Three", "2 Be kind.: Four"];
    assert_eq!(told(&server), expected);
    assert!(sandbox.read("t.yaml").contains("- user: One\n"));
    gate.open();
}

#[test]
fn a_program_is_started_only_where_that_is_allowed() {
    let sandbox = program("echo '{\"reply\": \"Hi\"}'");
    let refused = "the model `bot` starts a program, and programs are started with `--allow-run` only";
    for (arguments, lines) in [(&[][..], "Hi\n"), (&["--model", "builtin"], "/model bot\nHi\n")] {
        let ran = talk(&sandbox, arguments, lines).expect(2);
        assert!(ran.stderr.contains(refused) && ran.stderr.contains("then say `--allow-run`"), "{}", ran.stderr);
    }
    assert!(talk(&sandbox, &[], "").expect(2).stderr.contains("error[program-not-allowed]"));
    assert!(!sandbox.has("pids"));
}

#[test]
fn the_sample_bot_remembers_what_it_was_told_in_this_talk() {
    let sandbox = Sandbox::new();
    sample_bots::programs(&sandbox);
    let ran = talk(&sandbox, &["--allow-run"], &format!("/fact name=Priya\n{NAME}/save t\n")).expect(0);
    assert_eq!(ran.stdout, "Noted.\nYour name is Priya.\n");
    sandbox.run(&["check", "t.yaml"]).expect(0);
    sandbox.run(&["run", "t.yaml", "--allow-run", "--snapshots", "off"]).expect(0);
}

#[test]
fn a_program_ends_with_its_session_and_with_the_talk() {
    let answer = "echo \"$line\" >> told; echo '{\"reply\": \"Hi\"}'";
    for end in ["", "/quit\n", "/nonsense\n"] {
        let sandbox = program(answer);
        let code = if end == "/nonsense\n" { 2 } else { 0 };
        talk(&sandbox, &["--allow-run"], &format!("One\nTwo\n/reset\nThree\n{end}")).expect(code);
        all_gone(&sandbox, 4);
        let told = sandbox.read("told");
        let told: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let turns: Vec<_> = told.iter().map(|line| (line["turn"].as_u64(), line["user"].as_str())).collect();
        assert_eq!(turns, [(Some(1), Some("One")), (Some(2), Some("Two")), (Some(1), Some("Three"))]);
        assert!(told[0]["session"] == told[1]["session"] && told[0]["session"] != told[2]["session"]);
    }
    // Through a pipe a signal ends the talk, also while the bot thinks.
    for signal in ["INT", "TERM"] {
        let sandbox = program("echo '{\"delta\": \"Well\"}'; : > begun; wait");
        let lines = sandbox.write("lines", "Hi\n");
        let mut command = sandbox.command(&["chat", "--allow-run"]);
        command.stdin(File::open(lines).expect("lines"));
        let mut running = Running::of(command);
        while !sandbox.has("begun") {
            assert!(!running.has_ended(), "it waits");
            std::thread::yield_now();
        }
        running.signal(signal);
        running.finish().expect(130);
        all_gone(&sandbox, 2);
    }
}

#[test]
fn on_a_terminal_a_program_ends_with_the_message_that_is_stopped_and_with_the_talk() {
    for signal in ["INT", "TERM"] {
        let sandbox =
            program("case $line in *Wait*) echo '{\"delta\": \"Once \"}'; wait;; esac; echo '{\"reply\": \"Hi\"}'");
        let mut session = OnTerminal::start(sandbox.command(&["chat", "--allow-run"]), 24, 200);
        session.until_said("you › ").press("Hi\r").until_said("│ Hi").until_said("you › ").press("Wait\r");
        session.until_said("│ Once").signal(signal);
        if signal == "TERM" {
            session.leave().expect(130);
            all_gone(&sandbox, 2);
            continue;
        }
        session.until_said("so the session is over").until_said("you › ");
        all_gone(&sandbox, 2);
        session.press("Hi\r").until_said("– a new session").until_said("│ Hi").until_said("you › ");
        session.press("\u{3}").until_said("Ctrl-C once more").until_said("you › ").press("\u{3}");
        session.leave().expect(130);
        all_gone(&sandbox, 4);
    }
}

#[test]
fn a_list_that_does_not_alternate_is_not_sent_and_a_window_is_offered_that_is() {
    let answers = (
        Server::start(|request| anthropic(request, |_| "Fine.".to_owned())),
        Server::start(|request| gemini(request, |_| "Fine.".to_owned())),
    );
    let root = |server: &Server| server.base_url().trim_end_matches("/v1").to_owned();
    let sandbox = Sandbox::new().env("ANTHROPIC_API_KEY", KEY).env("GEMINI_API_KEY", KEY);
    let config = format!(
        "models:\n  claude: {{provider: anthropic, model: claude-test, base_url: \"{}\"}}\n  \
         gem: {{provider: gemini, model: gemini-test, base_url: \"{}/v1beta\"}}\n",
        root(&answers.0),
        root(&answers.1)
    );
    sandbox.write("chat-eval.yaml", config);
    for (model, name, server) in [("claude", "anthropic", &answers.0), ("gem", "gemini", &answers.1)] {
        let refused = format!("not sent: the reply `a1` comes first, and {name} takes no such list");
        let ran = talk(&sandbox, &["--model", model, "--window", "2"], "One\nTwo\nThree\n").expect(3);
        assert_eq!(ran.stdout, "Fine.\nFine.\n");
        let expected = format!("error: {refused}\nhelp: `/window 2-drop` sends a list that it takes\n");
        assert!(ran.stderr.ends_with(&expected), "{}", ran.stderr);
        assert_eq!(server.requests().len(), 2, "the third is not sent");

        let mut session = OnTerminal::start(sandbox.command(&["chat", "--model", model, "--window", "2"]), 24, 200);
        for message in ["One\r", "Two\r"] {
            session.until_said("you › ").press(message).until_said("│ Fine.");
        }
        session.until_said("you › ").press("Three\r").until_said(&refused).until_said("`/window 2-drop` sends a list");
        session.until_said("your message is not in the history").until_said("you › ").press("/window 2-drop\r");
        session.until_said("you › ").press("Four\r").until_said("│ Fine.").until_said("3 messages sent");
        // What is typed before the line is there to be typed on is lost.
        session.until_said("you › ").press("\u{4}");
        session.leave().expect(0);
        let requests = server.requests();
        let sent = serde_json::to_string(&requests[4].body).expect("JSON");
        assert!(requests.len() == 5 && sent.contains("Two") && sent.contains("Four"), "{sent}");
        assert!(!sent.contains("Three") && !sent.contains("One"), "what was not sent is not in the history: {sent}");
    }
}

#[test]
fn what_a_run_would_refuse_is_not_talked_and_not_saved() {
    let server = Server::start(|request| anthropic(request, |_| "Fine.".to_owned()));
    let sandbox = Sandbox::new().env("ANTHROPIC_API_KEY", KEY);
    sandbox.write(
        "chat-eval.yaml",
        format!(
            "models:\n  claude: {{provider: anthropic, model: claude-test, base_url: \"{}\"}}\n  \
             gone: {{provider: openai, api_key_env: NOT_THERE}}\n",
            server.base_url().trim_end_matches("/v1")
        ),
    );
    sandbox.write("odd.yaml", "model: claude\nparams: {seed: 5, temperature: 1.5}\nturns: [{user: Hi}]\n");
    let ran = talk(&sandbox, &["odd.yaml"], "Hi\n").expect(2);
    assert!(ran.stderr.contains("`seed`") && ran.stderr.contains("`temperature`"), "{}", ran.stderr);
    let ran = talk(&sandbox, &["odd.yaml", "--model", "builtin"], "/model claude\n").expect(2);
    assert!(ran.stderr.contains("is a model of `anthropic`, and `temperature` is from 0 to 1 there"), "{}", ran.stderr);
    assert!(server.requests().is_empty());

    let ran = talk(&sandbox, &["--window", "2"], "a\nb\nc\n/model claude\n/save w\n").expect(5);
    assert!(ran.stderr.contains("this talk cannot be played as a scenario"), "{}", ran.stderr);
    assert!(ran.stderr.contains("orphan_reply: drop") && !sandbox.has("w.yaml"), "{}", ran.stderr);
    talk(&sandbox, &["--window", "2"], "a\nb\nc\n/window 2-drop\n/model claude\n/save w\n").expect(0);
    sandbox.run(&["check", "w.yaml"]).expect(0);

    // The way out is one of this command's own.
    let ran = talk(&sandbox, &[], "/model gone\n").expect(2);
    assert!(ran.stderr.contains("`--model builtin` talks to") && !ran.stderr.contains("--offline"), "{}", ran.stderr);
}
