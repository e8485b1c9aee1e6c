//! `chat` through a pipe: a message a line, the replies alone on standard output, and the talk as a scenario.

use std::io::Write;
use std::process::Stdio;

use crate::support::answer::Answer;
use crate::support::sandbox::{Ran, Sandbox};
use crate::support::server::{Request, Server};

/// Says these lines, and waits for the end.
pub fn talk(sandbox: &Sandbox, arguments: &[&str], lines: &str) -> Ran {
    let mut command = sandbox.command(&[&["chat"], arguments].concat());
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
    let mut input = child.stdin.take().expect("its input");
    // It may end before it has read everything.
    let _ = input.write_all(lines.as_bytes());
    drop(input);
    Ran::from(child.wait_with_output().expect("its end"))
}

/// A server that repeats what it is told.
fn echo() -> Server {
    Server::start(|request| Answer::reply(request, &format!("You said: {}", request.last_user())))
}

fn sent(requests: &[Request]) -> Vec<Vec<String>> {
    let texts =
        |request: &Request| request.messages().into_iter().map(|(role, text)| format!("{role}: {text}")).collect();
    requests.iter().map(texts).collect()
}

#[test]
fn replies_alone_go_to_standard_output_and_the_window_decides_what_is_sent() {
    let server = echo();
    let sandbox = Sandbox::with_bot(&server.base_url());
    let lines = "One\n\nTwo \\\nlines\n\"\"\"\n/three\n\"\"\"\n//four\n";
    let ran = talk(&sandbox, &["--persona", "Be kind.", "--window", "1"], lines).expect(0);
    assert_eq!(ran.stdout, "You said: One\nYou said: Two \nlines\nYou said: /three\nYou said: /four\n");
    assert!(ran.stderr.contains("tokens sent") && ran.stderr.contains("3 messages sent, 1 cut"), "{}", ran.stderr);
    let requests = server.requests();
    assert!(requests.iter().all(Request::wants_stream));
    assert_eq!(
        sent(&requests)[2..],
        [
            ["system: Be kind.", "assistant: You said: Two \nlines", "user: /three"],
            ["system: Be kind.", "assistant: You said: /three", "user: /four"],
        ]
    );
    let ran = talk(&sandbox, &["--no-stream", "-q"], "Hi\n").expect(0);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("You said: Hi\n", ""));
    assert!(!server.requests()[4].wants_stream());
    assert_eq!(sent(&server.requests())[4], ["user: Hi"]);
    assert!(!sandbox.has("results"), "a talk is no run");
}

#[test]
fn a_saved_talk_passes_check_and_sends_the_same_again() {
    let server = echo();
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("persona.txt", "Be kind {{ really }}: #1\n");
    let lines = "/fact name=Priya\nMy name is Priya: {{ x }} # \u{1b}[2J \"quoted\"\n- two\\\n  lines\\\n\nWhat's my name?\n\
                 This is a mistake.\n/undo\nAnd last, {% raw %} null\n/save a talk.yaml\n";
    let ran = talk(&sandbox, &["--system", "persona.txt", "--window", "3-drop"], lines).expect(0);
    assert!(ran.stderr.contains("saved 4 turns as a talk.yaml"), "{}", ran.stderr);
    let said = sent(&server.requests());
    let file = sandbox.read("a talk.yaml");
    assert!(!file.contains('\u{1b}') && !file.contains("mistake"), "{file}");
    sandbox.run(&["check", "a talk.yaml"]).expect(0);
    sandbox.run(&["run", "a talk.yaml", "--snapshots", "off"]).expect(0);
    let mut expected = said.clone();
    expected.remove(3);
    assert_eq!(sent(&server.requests())[said.len()..], expected, "{file}");
    assert!(expected[3].iter().all(|message| !message.contains("mistake")));

    let taken = talk(&sandbox, &[], "Hi\n/save a talk.yaml\nNever said\n").expect(2);
    assert!(taken.stderr.contains("`a talk.yaml` is there already; nothing was written"), "{}", taken.stderr);
    assert_eq!(sandbox.read("a talk.yaml"), file);
    talk(&sandbox, &[], "Hi\n/save a talk.yaml --force\n").expect(0);
    assert!(sandbox.read("a talk.yaml").contains("- user: Hi\n"));
    assert_eq!(sandbox.files(".").iter().filter(|file| file.contains(".import-")).count(), 0);
}

#[test]
fn checks_are_proposed_where_the_talk_showed_that_they_hold() {
    let sandbox = Sandbox::new();
    let lines = "/fact name=Priya\nMy name is Priya.\nWhat's my name?\nI like tea.\nI like cake.\nWhat's my name?\n/facts\n/save t\n";
    let ran = talk(&sandbox, &["--window", "2"], lines).expect(0);
    assert!(ran.stderr.contains("● name recalled, visible in u1"), "{}", ran.stderr);
    assert!(ran.stderr.contains("name  \"Priya\"  not visible now · last recalled in turn 2"), "{}", ran.stderr);
    let file = sandbox.read("t.yaml");
    assert!(file.contains("- recalls: name\n") && file.contains("- forgets: name\n"), "{file}");
    sandbox.run(&["check", "t.yaml"]).expect(0);
    sandbox.run(&["run", "t.yaml", "--snapshots", "off"]).expect(0);
}

const SCENARIO: &str = "\
personas:
  - {name: tutor, system: You teach.}
  - {name: cook, system: You cook.}
window: {exchanges: 2, orphan_reply: drop}
params: {temperature: 0.5}
facts: {name: Priya}
history:
  - {role: user, content: Hi}
  - {role: assistant, content: Hello!}
matrix: {drink: [tea, milk]}
turns:
  - user: I like {{ drink }}.
  - user: Tell me of it.
    reply: It is wet.
  - user: What's my name?
    expect: [{forgets: name}]
";

#[test]
fn of_a_scenario_it_has_all_that_its_requests_are_made_of() {
    let server = echo();
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s.yaml", SCENARIO);
    let script = "/script\n/script\n/script\n";
    let ran = talk(&sandbox, &["s.yaml", "--var", "drink=milk", "--persona", "cook"], script).expect(0);
    assert_eq!(ran.stdout, "You said: I like milk.\nYou said: What's my name?\n");
    let requests = server.requests();
    assert_eq!(requests[0].body["temperature"], 0.5);
    let played = Server::start(|request| Answer::reply(request, &format!("You said: {}", request.last_user())));
    sandbox.point_bot_at(&played.base_url());
    sandbox.run(&["run", "s.yaml", "-k", "persona=cook", "--snapshots", "off"]).expect(0);
    let mut run = sent(&played.requests());
    run.retain(|request| !request.iter().any(|message| message.contains("tea")));
    assert_eq!(sent(&requests), run, "by hand the same is sent as in a run");

    let first = talk(&sandbox, &["s.yaml"], "/persona\n/window\n/persona You are kind.\nHi\n/sent\n").expect(0);
    assert!(first.stderr.contains("persona tutor; the scenario has also cook"), "{}", first.stderr);
    assert!(first.stderr.contains("window 2-drop") && first.stderr.contains("│ You are kind."), "{}", first.stderr);
}

#[test]
fn what_goes_wrong_ends_a_pipe_with_the_code_that_it_has_elsewhere() {
    let server = Server::in_turn(vec![Answer::text("Fine."), Answer::error(400, "bad", "no such thing \u{1b}[2J")]);
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s.yaml", SCENARIO);
    sandbox.write("file", "");
    let ran = talk(&sandbox, &["--no-stream"], "One\nTwo\nThree\n").expect(3);
    assert_eq!((ran.stdout.as_str(), server.requests().len()), ("Fine.\n", 2));
    assert!(ran.stderr.contains("no such thing ‹U+001B›[2J"), "{}", ran.stderr);
    let local = |arguments: &[&str], lines: &str, code: i32, said: &str| {
        let ran = talk(&sandbox, &[&["--model", "builtin"], arguments].concat(), lines).expect(code);
        assert!(ran.stderr.contains(said), "{arguments:?} {lines:?}: {}", ran.stderr);
    };
    for (arguments, lines, code, said) in [
        (&[][..], "/widnow 2\nHi\n", 2, "`/widnow` is no command; did you mean `/window`?"),
        (&[], "/model nobody\n", 2, "`nobody` is no model of this project"),
        (&[], "\"\"\"\nHi\n", 2, "in the middle of a message"),
        (&[], "Hi\\\n", 2, "in the middle of a message"),
        (&[], "/script\n", 2, "this talk has no scenario"),
        (&[], "/save x\n", 2, "nothing was said that could be saved"),
        (&[], "Hi\n/save file/x.yaml\n", 5, "cannot write `file/x.yaml`"),
        (&["--window", "tokens-2"], "Hi there, this is long\n", 3, "not sent: system, pinned and user message count"),
        (&["s.yaml", "--persona", "tutr"], "", 2, "the scenario has no persona `tutr`; did you mean `tutor`?"),
        (&["s.yaml", "--var", "drnk=tea"], "", 2, "did you mean `drink`?"),
        (&["s.yaml", "--var", "drink=beer"], "", 2, "no variant of the scenario has drink=beer"),
        (&["s.yaml", "--case", "x"], "", 2, "the scenario has no case `x`"),
        (&["-"], "", 2, "standard input is the talk itself"),
        (&["nowhere.yaml"], "", 2, "`nowhere.yaml` does not exist"),
        (&["--system", "nowhere"], "", 2, "`nowhere` does not exist"),
    ] {
        local(arguments, lines, code, said);
    }
    let keyless = Sandbox::new();
    let ran = talk(&keyless, &["--model", "gpt-4o"], "Hi\n").expect(2);
    assert!(
        ran.stderr.contains("OPENAI_API_KEY") && ran.stderr.contains("`--model builtin` talks to"),
        "{}",
        ran.stderr
    );
    let mut binary = sandbox.command(&["chat", "--model", "builtin"]);
    let mut child = binary.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"\xff\xfe\n").unwrap();
    let ran = Ran::from(child.wait_with_output().unwrap()).expect(2);
    assert!(ran.stderr.contains("standard input cannot be read"), "{}", ran.stderr);
}

#[test]
fn of_a_stream_that_breaks_no_half_is_printed_and_a_hostile_reply_gives_no_orders() {
    let cut = Answer::stream(["::error::", "half"]).cut(300);
    let server = Server::in_turn(vec![cut, Answer::stream(["::error::x\n ##[debug] \u{1b}", "[2J\u{202e}", "end"])]);
    let sandbox = Sandbox::with_bot(&server.base_url());
    let ran = talk(&sandbox, &[], "Hi\n").expect(0);
    assert_eq!(ran.stdout, "\\::error::x\n #\\#[debug] ‹U+001B›[2J‹U+202E›end\n");
    assert!(ran.stderr.contains("attempt 1 failed") && ran.stderr.contains("2 attempts"), "{}", ran.stderr);
}
