//! `review` on a terminal: keys decide, what is decided is on the disk, and the terminal is left as it was found.

#![cfg(unix)]

use std::fs;

use crate::support::pty::OnTerminal;
use crate::support::sandbox::{Ran, Sandbox};

const FOLDER: &str = "s/snapshots";

fn transcript(name: &str, reply: &str, verdict: &str) -> String {
    format!(
        "---\nsource: s/{name}.yaml\nassertion_line: 4\ndescription: {name} / default / builtin / window 2\n---\n\
         # {name} · default · builtin · window 2\n\nturn 1 · sent: u1\nuser\n  My name is Priya.\nassistant\n  Noted.\n\n\
         turn 2 · sent: a1, u2\nuser\n  What's my name?\nassistant\n  {reply}\nchecks\n  {verdict} forgets name\n"
    )
}

fn file(name: &str) -> String {
    format!("{FOLDER}/{name}@default.builtin.2.snap")
}

/// With these snapshots waiting, each beside an accepted one.
fn waiting(names: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new();
    for name in names {
        sandbox.write(&file(name), transcript(name, "Your name is well known to me.", "✓"));
        sandbox.write(&format!("{}.new", file(name)), transcript(name, "Your name is Priya to me.", "✗"));
    }
    sandbox
}

fn review(sandbox: &Sandbox, arguments: &[&str]) -> OnTerminal {
    OnTerminal::start(sandbox.command(&[&["review"], arguments].concat()), 24, 80)
}

/// The names of those that wait.
fn left(sandbox: &Sandbox) -> Vec<String> {
    let files = sandbox.files(FOLDER);
    let names = files.iter().filter_map(|file| file.strip_suffix(".new")?.split('@').next());
    names.map(str::to_owned).collect()
}

#[test]
fn a_key_decides_on_what_is_shown_and_the_review_goes_on_where_it_stopped() {
    let sandbox = waiting(&["a", "b", "c", "d"]);
    let mut session = review(&sandbox, &[]);
    session.until("a · default · builtin · window 2                                          1 of 4");
    session.until("verdicts: 1 moved · sent: unchanged · script: unchanged · words: turn 2");
    session
        .until("  turn 2: forgets name ✓ → ✗")
        .until("\n-   Your name is well known to me.\n+   Your name is Priya to me.\n");
    assert!(!session.screen().contains("My name is Priya"), "turn 1 is as it was:\n{}", session.screen());
    session.press("a").until("2 of 4").until("1 accepted ").until("3 left");
    session.press("r").until("3 of 4").press("s").until("4 of 4").press("q");
    let ended = session.finish().expect(0);
    assert!(ended.printed.contains("1 accepted, 1 rejected, 1 skipped; 2 left for review\r\n"), "{:?}", ended.printed);
    assert_eq!(left(&sandbox), ["c", "d"]);

    let oracle = waiting(&["a", "b", "c", "d"]);
    let old = oracle.read(&file("b"));
    oracle.run(&["review", "--accept"]).expect(0);
    assert_eq!(sandbox.read(&file("a")), oracle.read(&file("a")), "as `--accept` writes it");
    assert_eq!(sandbox.read(&file("b")), old);

    let mut session = review(&sandbox, &["s"]);
    session
        .until("c · default")
        .until("1 of 2")
        .press("a")
        .until("2 of 2")
        .press("a")
        .until("the end of the list")
        .press("\r");
    session.finish().expect(0);
    assert_eq!(left(&sandbox), [""; 0]);
    assert_eq!(sandbox.read(&file("d")), oracle.read(&file("d")));
}

#[test]
fn the_rest_is_asked_about_once_and_what_was_skipped_stays() {
    let sandbox = waiting(&["a", "b", "c", "d"]);
    let mut session = review(&sandbox, &[]);
    session.until("1 of 4").press("s").until("2 of 4").press("A").until("accept all 3 that are left? y/n");
    session.press("n").until("nothing was decided");
    assert_eq!(left(&sandbox).len(), 4);
    session.press("Ay").until("the end of the list").until("3 accepted · 1 skipped").press("q");
    session.finish().expect(0);
    assert_eq!(left(&sandbox), ["a"]);

    let mut session = review(&sandbox, &[]);
    session
        .until("1 of 1")
        .press("R")
        .until("reject the one that is left? y/n")
        .press("y")
        .until("1 rejected")
        .press("q");
    session.finish().expect(0);
    assert!(left(&sandbox).is_empty());
}

#[test]
fn of_thousands_one_is_read_at_a_time_and_all_can_be_decided_on() {
    let names: Vec<String> = (0..2000).map(|n| format!("s{n:04}")).collect();
    let sandbox = waiting(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let mut session = review(&sandbox, &[]);
    session.until("1 of 2000").press("Ay").until("2000 accepted").press("q");
    session.finish().expect(0);
    assert!(left(&sandbox).is_empty());
}

#[test]
fn a_decision_is_taken_back_byte_for_byte() {
    let sandbox = waiting(&["a"]);
    let fresh = transcript("b", "Hello.", "✓");
    sandbox.write(&format!("{}.new", file("b")), &fresh);
    let before: Vec<String> = sandbox.files(FOLDER);
    let text = |file: &String| sandbox.read(&format!("{FOLDER}/{file}"));
    let contents: Vec<String> = before.iter().map(text).collect();
    let mut session = review(&sandbox, &[]);
    session.until("1 of 2").press("a").until("2 of 2").until("new: nothing is accepted here yet");
    session.press("a").until("the end of the list").press("u").until("taken back").until("2 of 2").press("r");
    session.until("the end of the list").press("u").until("taken back").press("u").until("1 of 2");
    session.press("u").until("no decision that can be taken back").press("q");
    session.finish().expect(0);
    assert_eq!(sandbox.files(FOLDER), before);
    assert_eq!(before.iter().map(text).collect::<Vec<_>>(), contents);
}

#[test]
fn what_somebody_else_has_touched_since_is_not_taken_back() {
    let sandbox = waiting(&["a", "b"]);
    let mut session = review(&sandbox, &[]);
    session.until("1 of 2").press("a").until("2 of 2");
    sandbox.write(&file("a"), "theirs");
    session.press("u").until("a@default.builtin.2.snap was touched since: the decision on it stays").press("q");
    session.finish().expect(0);
    assert_eq!(sandbox.read(&file("a")), "theirs");
}

#[test]
fn a_file_that_changes_or_vanishes_meanwhile_is_noticed_and_not_decided_on() {
    let sandbox = waiting(&["a", "b", "c", "d"]);
    let mut session = review(&sandbox, &[]);
    session.until("Your name is Priya to me.");
    sandbox.write(&format!("{}.new", file("a")), transcript("a", "Your name is another to me.", "✗"));
    session.press("a").until("its files changed since it was shown").until("Your name is another to me.");
    sandbox.write(&file("a"), transcript("a", "Your name is what a colleague accepted.", "✗"));
    session.press("a").until("its files changed since it was shown").until("a colleague accepted");
    assert_eq!(left(&sandbox).len(), 4);
    session.press("a").until("2 of 4");
    assert!(sandbox.read(&file("a")).contains("Your name is another to me."));
    // The one that is shown, and the one behind it.
    fs::remove_file(sandbox.path().join(format!("{}.new", file("b")))).unwrap();
    fs::remove_file(sandbox.path().join(format!("{}.new", file("c")))).unwrap();
    session.press("r").until("c@default.builtin.2.snap.new is gone: decided on elsewhere").until("4 of 4");
    session.until("1 accepted · 2 decided elsewhere").press("q");
    session.finish().expect(0);
    assert_eq!(left(&sandbox), ["d"]);
}

#[test]
fn what_cannot_be_read_is_shown_as_such_and_can_only_be_rejected() {
    let sandbox = waiting(&["b"]);
    sandbox.write(&format!("{}.new", file("a")), "---\nsource: \"\n---\n");
    let mut session = review(&sandbox, &[]);
    session.until("a · default · builtin · window 2").until("this one cannot be read");
    session.until("a@default.builtin.2.snap.new` is no snapshot: a quoted text in");
    session.press("a").until("it cannot be accepted").press("A").until("accept all 2").press("y");
    session.until("1 not decided on; the first:").press("r").until("the end of the list").press("q");
    session.finish().expect(0);
    assert_eq!(sandbox.files(FOLDER), ["b@default.builtin.2.snap"]);
}

#[test]
fn a_decision_that_cannot_be_written_is_said_and_is_the_exit_code() {
    let sandbox = waiting(&["a"]);
    let accepted = sandbox.path().join(file("a"));
    fs::remove_file(&accepted).unwrap();
    let mut session = review(&sandbox, &[]);
    session.until("new: nothing is accepted here yet");
    // Its pending file cannot be removed, whoever asks for it: it is a folder by now, which a link leads to.
    let pending = sandbox.path().join(format!("{}.new", file("a")));
    fs::rename(&pending, sandbox.path().join("elsewhere")).unwrap();
    fs::create_dir(&pending).unwrap();
    session.press("r").until("cannot write").press("q");
    session.finish().expect(5);
    assert!(pending.is_dir());
}

#[test]
fn filters_leave_what_run_would_play() {
    let sandbox = waiting(&["alpha", "beta"]);
    let cases = "s/snapshots/gamma@tutor.org%2Fmodel.full.row%201.snap.new";
    sandbox.write(cases, transcript("gamma", "Hello.", "✓"));
    let cut = format!("s/snapshots/delta@{}~0123456789abcdef.snap.new", "x".repeat(160));
    sandbox.write(&cut, transcript("delta", "Hello.", "✓").replace("default", &"x".repeat(200)));
    let listed = |filters: &[&str]| -> Vec<String> {
        let filters = filters.iter().flat_map(|filter| ["-k", filter]);
        let arguments: Vec<&str> = ["review", "--list"].into_iter().chain(filters).collect();
        let ran = sandbox.run(&arguments).expect(0);
        let paths = ran.stdout.lines().filter_map(|line| line.strip_prefix("s/snapshots/"));
        paths.map(|path| path.split('@').next().unwrap().to_owned()).collect()
    };
    for (filters, expected) in [
        (&["alpha"][..], &["alpha"][..]),
        (&["!alpha"], &["beta", "delta", "gamma"]),
        (&["*a", "persona=tutor"], &["gamma"]),
        (&["model=org/*"], &["gamma"]),
        (&["case=row 1"], &["gamma"]),
        (&["window=2", "!beta"], &["alpha", "delta"]),
        (&["model=builtin", "persona=xxx*"], &["delta"]),
    ] {
        assert_eq!(listed(filters), expected, "{filters:?}");
    }
    let ran = sandbox.run(&["review", "--accept", "-k", "nothing"]).expect(4);
    assert!(
        ran.stderr.contains("none of the 4 snapshots that wait for review is left by the filters"),
        "{}",
        ran.stderr
    );
    sandbox.run(&["review", "--list", "-k", "colour=red"]).expect(2);

    let mut session = review(&sandbox, &["-k", "beta"]);
    session
        .until("beta · default · builtin · window 2")
        .until("1 of 1")
        .press("a")
        .until("the end of the list")
        .press("q");
    session.finish().expect(0);
    sandbox.run(&["review", "--reject", "-k", "alpha"]).expect(0);
    assert_eq!(left(&sandbox), ["delta", "gamma"]);
}

#[test]
fn whatever_ends_it_leaves_the_terminal_as_it_was_and_what_was_decided_decided() {
    for end in ["\u{3}", "INT", "TERM", "HUP"] {
        let sandbox = waiting(&["a", "b", "c"]);
        let mut session = review(&sandbox, &[]);
        session.until("1 of 3").press("a").until("2 of 3").press("A").until("y/n");
        if end == "\u{3}" {
            session.press(end)
        } else {
            session.signal(end)
        };
        let ended = session.finish().expect(130);
        assert!(ended.printed.contains("1 accepted; 2 left for review"), "{end}: {:?}", ended.printed);
        assert_eq!(left(&sandbox), ["b", "c"], "{end}");
    }
}

#[test]
fn a_terminal_that_takes_nothing_keeps_no_second_signal_from_ending_it() {
    let sandbox = waiting(&["a", "b"]);
    let mut session = OnTerminal::start_slow(sandbox.command(&["review"]), 24, 80);
    session.until("q quit · ? help").press("a").until("2 of 2").until("q quit · ? help");
    // Each key is a screen of its own, and all of them are more than a terminal holds.
    session.press(&"j".repeat(2000)).signal("INT").signal("TERM");
    assert_eq!(session.end(), Some(130));
    assert_eq!(left(&sandbox), ["b"]);
}

#[test]
fn a_terminal_of_any_size_will_do_and_may_change_it() {
    let sandbox = waiting(&["a"]);
    let mut session = OnTerminal::start(sandbox.command(&["review"]), 10, 40);
    session.until("a accept · r reject · s skip · ? help").until(" 1–5 of ");
    session.press("\u{1b}[B").until(" 2–6 of ").press("G").until("+   ✗ forgets name");
    session.resize(5, 40).until("too small: 24×8 at least; q quits").press_and_see("a");
    session.resize(30, 120).until("R reject the rest").press("?").until("any key leads back").press("q");
    session.until("nothing decided yet").press("q");
    session.finish().expect(0);
    assert_eq!(left(&sandbox), ["a"], "nothing is decided where nothing can be seen");
}

#[test]
fn a_strangers_file_gives_the_terminal_no_orders() {
    let sandbox = Sandbox::new();
    let hostile = "\u{1b}]0;title\u{7}\u{1b}[2J\u{9b}2J\u{202e}\u{200b}\u{8}\u{1b}[?1049l";
    let text = transcript("a", hostile, hostile).replace("user\n", &format!("{hostile}\n"));
    sandbox.write(&format!("s/{hostile}/snapshots/%1B%5B2J@p.m.2.snap.new").replace("\u{1b}]0;title\u{7}", ""), text);
    let mut session = review(&sandbox, &[]);
    session.until("‹U+001B›[2J · p · m · window 2").until("‹U+001B›]0;title‹U+0007›‹U+001B›[2J‹U+009B›").press("q");
    let mut printed = session.finish().expect(0).printed;
    for own in ["\u{1b}[?1049l", "\u{1b}[?1049h"] {
        assert_eq!(printed.matches(own).count(), 1, "{own:?}");
        printed = printed.replace(own, "");
    }
    for order in ["\u{1b}]", "\u{7}", "\u{1b}[2J", "\u{9b}", "\u{202e}", "\u{200b}", "\u{8}"] {
        assert!(!printed.contains(order), "{order:?} in {printed:?}");
    }
}

#[test]
fn a_line_of_a_megabyte_can_be_read_and_decided_on() {
    let sandbox = Sandbox::new();
    sandbox.write(&file("a"), transcript("a", &"one two ".repeat(125_000), "✓"));
    sandbox.write(&format!("{}.new", file("a")), transcript("a", &"one three ".repeat(100_000), "✓"));
    let mut session = review(&sandbox, &[]);
    session.until("words: turn 2").press("G").until("three\n").press("a").until("the end of the list").press("q");
    session.finish().expect(0);
}

#[test]
fn colour_is_left_out_where_that_is_asked_and_words_that_changed_are_marked_all_the_same() {
    let sandbox = waiting(&["a"]);
    let printed = |arguments: &[&str], no_color: &str| {
        let mut command = sandbox.command(&[&["review"], arguments].concat());
        command.env("NO_COLOR", no_color);
        let mut session = OnTerminal::start(command, 24, 80);
        session.until("1 of 1").press("q");
        session.finish().expect(0).printed
    };
    let (red, underlined) = ("\u{1b}[31m", "\u{1b}[4mPriya");
    for (arguments, no_color, is_coloured) in [
        (&[][..], "", true),
        (&[], "1", false),
        (&["--color", "never"], "", false),
        (&["--color", "always"], "1", true),
    ] {
        let printed = printed(arguments, no_color);
        assert_eq!(
            (printed.contains(red), printed.contains(underlined)),
            (is_coloured, true),
            "{arguments:?} {no_color}"
        );
    }
}

#[test]
fn without_a_terminal_it_says_what_decides_there() {
    let sandbox = waiting(&["a"]);
    let says = |ran: Ran, reason: &str| {
        let ran = ran.expect(2);
        assert!(ran.stderr.contains(reason), "{}", ran.stderr);
        assert!(["--list", "--accept", "--reject"].iter().all(|flag| ran.stderr.contains(flag)), "{}", ran.stderr);
    };
    says(sandbox.run(&["review"]), "standard input is no terminal");
    let mut dumb = sandbox.command(&["review"]);
    dumb.env("TERM", "dumb");
    says(Ran::from(dumb.output().unwrap()), "no terminal");
    assert_eq!(left(&sandbox), ["a"]);
}

#[test]
fn one_thing_is_asked_for_at_a_time() {
    let sandbox = waiting(&["a"]);
    for flags in [["--list", "--accept"], ["--accept", "--reject"]] {
        sandbox.run(&[&["review"], &flags[..]].concat()).expect(2);
    }
    assert_eq!(left(&sandbox), ["a"]);
}
