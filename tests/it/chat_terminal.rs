//! `chat` on a terminal: the reply comes word by word, Ctrl-C stops it and not the program, the line can be edited, and the
//! terminal is left as it was found.

#![cfg(unix)]

use crate::support::answer::{Answer, Gate};
use crate::support::pty::OnTerminal;
use crate::support::sandbox::Sandbox;
use crate::support::server::{Request, Server};

fn start(sandbox: &Sandbox, arguments: &[&str]) -> OnTerminal {
    let mut session = OnTerminal::start(sandbox.command(&[&["chat"], arguments].concat()), 24, 80);
    session.until_said("Ctrl-D ends the talk").until_said("you › ");
    session
}

fn echo() -> Server {
    Server::start(|request| Answer::reply(request, &format!("You said: {}", request.last_user())))
}

/// What users said, in the order in which it arrived.
fn said(server: &Server) -> Vec<String> {
    server.requests().iter().map(Request::last_user).collect()
}

#[test]
fn each_word_is_on_the_screen_before_the_next_one_comes() {
    let gate = Gate::default();
    let held = gate.clone();
    let server = Server::start(move |_| Answer::stream(["Hello ", "dear ", "reader."]).hold_event(3, &held));
    let sandbox = Sandbox::with_bot(&server.base_url());
    let mut session = start(&sandbox, &[]);
    session.press("Hi\r").until_said("│ Hello dear ");
    assert!(!session.said().contains("reader"), "{}", session.said());
    gate.open();
    session.until_said("reader.").until_said("first token ").until_said("7 tokens sent, 3 in the reply");
    session.until_said("1 message sent, 0 cut").until_said("you › ").press("\u{4}");
    session.leave().expect(0);
}

#[test]
fn ctrl_c_stops_the_reply_which_is_forgotten_and_the_talk_goes_on() {
    let gate = Gate::default();
    let held = gate.clone();
    let server = Server::start(move |request| match request.number {
        1 => Answer::stream(["Once ", "upon ", "a time"]).hold_event(3, &held),
        _ => Answer::reply(request, "Good."),
    });
    let sandbox = Sandbox::with_bot(&server.base_url());
    let mut session = start(&sandbox, &[]);
    session.press("Tell me all\r").until_said("│ Once upon").signal("INT");
    session.until_said("stopped: neither this half of a reply nor your message is in the history").until_said("you › ");
    server.wait_for_hang_ups(1);
    // What was said is on the arrow key, to be said in other words.
    session.press("\u{1b}[A now\r").until_said("│ Good.").until_said("you › ");
    assert_eq!(server.requests()[1].messages(), [("user".to_owned(), "Tell me all now".to_owned())]);
    // A signal while nothing comes is no end.
    session.signal("INT").press("Still there?\r").until_said("│ Good.").until_said("you › ").press("/quit\r");
    session.leave().expect(0);
    gate.open();
}

#[test]
fn the_line_is_edited_whatever_is_typed_or_pasted() {
    let server = echo();
    let sandbox = Sandbox::with_bot(&server.base_url());
    let mut session = start(&sandbox, &[]);
    let (left, home) = ("\u{1b}[D", "\u{1}");
    for (keys, message) in [
        (format!("Helo{left}l\r"), "Hello"),
        (format!("orld{home}w\r"), "world"),
        ("世界！\u{7f}\u{7f}\r".to_owned(), "世"),
        ("\u{1b}[A\u{1b}[A\r".to_owned(), "world"),
        ("one\\\rtwo\r".to_owned(), "one\ntwo"),
        ("\"\"\"\u{1b}[200~/pasted\rlines\\\u{1b}[201~\"\"\"\r".to_owned(), "/pasted\nlines\\"),
    ] {
        session.press(&keys).until_said("tokens sent").until_said("you › ");
        assert_eq!(said(&server).last().map(String::as_str), Some(message), "{keys:?}");
    }
    session.press("\u{4}");
    session.leave().expect(0);
}

#[test]
fn a_line_with_bytes_that_are_no_text_is_dropped_and_the_talk_goes_on() {
    let server = echo();
    let sandbox = Sandbox::with_bot(&server.base_url());
    let mut session = start(&sandbox, &[]);
    for keys in [&b"caf\xe9 and more\r"[..], b"\xff", b"\xc3\r"] {
        session.press_bytes(keys).until_said("the line is dropped: it had bytes that are no UTF-8 text");
        session.until_said("you › ");
    }
    session.press("caf\u{e9}\r").until_said("│ You said: café").until_said("you › ").press("\u{4}");
    session.leave().expect(0);
    assert_eq!(said(&server), ["café"]);
}

#[test]
fn ctrl_c_at_the_prompt_drops_the_line_then_warns_then_ends() {
    let sandbox = Sandbox::new();
    let mut session = start(&sandbox, &[]);
    session
        .press("half a message\u{3}")
        .until_said("you › ")
        .press("\u{3}")
        .until_said("Ctrl-C once more ends the talk");
    session.until_said("you › ").press("Hi\r").until_said("│ Noted.").until_said("you › ");
    session.press("\u{3}").until_said("Ctrl-C once more").until_said("you › ").press("\u{3}");
    session.leave().expect(130);
}

#[test]
fn a_signal_that_wants_an_end_gets_it_with_the_terminal_as_it_was() {
    let server = Server::start(|_| Answer::stream(["Once ", "more"]).hang_after(400));
    let sandbox = Sandbox::with_bot(&server.base_url());
    for signal in ["TERM", "HUP"] {
        let mut session = start(&sandbox, &[]);
        session.press("half a line").until_said("half a line").signal(signal);
        session.leave().expect(130);
        let mut session = start(&sandbox, &[]);
        session.press("Hi\r").until_said("│ Once").signal(signal);
        session.leave().expect(130);
    }
}

#[test]
fn a_hostile_reply_gives_the_terminal_no_orders_where_it_is_cut_in_two_either() {
    let pieces = ["a\u{1b}", "[2J", "\u{1b}]0;t", "\u{7}", "\r", "b\u{9b}", "2J\u{202e}\r", "\nyou › /quit\n"];
    let server = Server::start(move |_| Answer::stream(pieces));
    let sandbox = Sandbox::with_bot(&server.base_url());
    let mut session = start(&sandbox, &["--persona", "\u{1b}[2J"]);
    session.press("Hi\r").until_said("│ a‹U+001B›[2J‹U+001B›]0;t‹U+0007›‹U+000D›b‹U+009B›2J‹U+202E›");
    session.until_said("│ you › /quit").until_said("tokens sent").until_said("you › ");
    session.press("/sent\r").until_said("│ ‹U+001B›[2J").until_said("you › ").press("\u{4}");
    let printed = session.leave().expect(0).printed;
    for order in ["\u{1b}[2J", "\u{1b}]", "\u{7}", "\u{9b}", "\u{202e}"] {
        assert!(!printed.contains(order), "{order:?} in {printed:?}");
    }
}

#[test]
fn the_script_stands_on_the_line_and_waits_for_enter() {
    let server = echo();
    let sandbox = Sandbox::with_bot(&server.base_url());
    let scenario = "turns:\n  - user: My name is Priya.\n  - user: Tea?\n    reply: Milk.\n  - user: What's my name?\n\
                    history:\n  - {role: assistant, content: Welcome.}\n";
    sandbox.write("s.yaml", scenario);
    let mut session = OnTerminal::start(sandbox.command(&["chat", "s.yaml"]), 24, 80);
    session.until_said("│ Welcome.").until_said("you › ").press("/script\r").until_said("My name is Priya.");
    assert!(server.requests().is_empty());
    session.press(" Hi!\r").until_said("│ You said: My name is Priya. Hi!").until_said("you › ");
    session.press("/script\r").until_said("│ Milk.").until_said("you › ").press("\t").until_said("What's my name?");
    session.press("\r").until_said("│ You said: What's my name?").until_said("you › ");
    session.press("/script\r").until_said("no further user message").until_said("you › ");
    session
        .press("/undo\r")
        .until_said("turn 3 is out")
        .until_said("you › ")
        .press("/sc\t\r")
        .until_said("What's my name?");
    session.press("\u{3}").until_said("you › ").press("/nonsense\r").until_said("✗ `/nonsense` is no command");
    session.until_said("you › ").press("/save t\r").until_said("saved 2 turns").until_said("you › ").press("\u{4}");
    session.leave().expect(0);
    assert!(sandbox.read("t.yaml").contains("user: My name is Priya. Hi!"));
    sandbox.run(&["check", "t.yaml"]).expect(0);
}

#[test]
fn colour_is_left_out_where_that_is_asked() {
    let sandbox = Sandbox::new();
    for (arguments, no_color, is_coloured) in [
        (&[][..], "", true),
        (&[], "1", false),
        (&["--color", "never"], "", false),
        (&["--color", "always"], "1", true),
    ] {
        let mut command = sandbox.command(&[&["chat"], arguments].concat());
        command.env("NO_COLOR", no_color);
        let mut session = OnTerminal::start(command, 24, 80);
        session.until_said("you › ").press("Hi\r").until_said("│ Noted.").until_said("you › ").press("\u{4}");
        let printed = session.leave().expect(0).printed;
        assert_eq!(printed.contains("\u{1b}[2m"), is_coloured, "{arguments:?} {no_color}: {printed:?}");
        assert!(is_coloured || !printed.contains("\u{1b}[1m"), "{printed:?}");
    }
}

#[test]
fn a_call_that_fails_is_said_and_the_person_may_try_again() {
    let answers =
        vec![Answer::error(503, "busy", "try \u{1b}[2J later"), Answer::error(400, "bad", "no"), Answer::text("Yes.")];
    let server = Server::in_turn(answers);
    let sandbox = Sandbox::with_bot(&server.base_url());
    let mut session = start(&sandbox, &["--no-stream"]);
    session.press("Hi\r").until_said("? attempt 1 failed:").until_said("✗").until_said("arrow up brings it back");
    session.until_said("you › ").press("\u{1b}[A\r").until_said("│ Yes.").until_said("you › ").press("\u{4}");
    session.leave().expect(0);
    assert_eq!(said(&server), ["Hi"; 3]);
}
