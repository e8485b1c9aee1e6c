//! The house's rules, held by reading the sources: which room may use which, where I/O, clock, chance and printing may
//! stand, how long a file may be and how it begins.
//!
//! Each rule is also shown to fail, on a source made up for it.

mod source;

use std::collections::BTreeSet;

use source::{Source, paths, sources};

/// The rooms with their numbers. A room may use those with a smaller number.
///
/// Within room 2 of the house, `window` and `check` stand above the others: a check on a fact asks the window's rules
/// where the fact was visible, and leaves its evidence as `event` keeps it.
const ROOMS: [(&str, u32); 15] = [
    ("text", 0),
    ("model", 10),
    ("diagnostic", 20),
    ("event", 20),
    ("stats", 20),
    ("window", 25),
    ("check", 26),
    ("disk", 28),
    ("scenario", 30),
    ("snapshot", 30),
    ("provider", 30),
    ("journal", 30),
    ("run", 40),
    ("report", 50),
    ("cli", 60),
];

/// The first number of a room that may reach outside.
const OUTSIDE: u32 = 28;

/// What belongs to no room in particular; a file or folder with such a name gathers what has no place.
const NO_NAMES: [&str; 9] = ["utils", "util", "common", "helpers", "helper", "core", "misc", "shared", "lib"];

/// Paths to what is outside: files, environment, network, processes, clock, chance.
const REACHING_OUT: [&str; 14] = [
    "std::fs",
    "std::env",
    "std::net",
    "std::process",
    "std::thread",
    "Instant::now",
    "SystemTime",
    "Timestamp::now",
    "Zoned::now",
    "fastrand",
    "tempfile",
    "tokio",
    "reqwest",
    "async_openai",
];

/// What prints.
const PRINTING: [&str; 7] = ["println!", "print!", "eprintln!", "eprint!", "dbg!", "io::stdout", "io::stderr"];

/// The only file that prints.
const PRINTER: &str = "cli/console.rs";

/// The longest a file may be without its tests, in lines.
const LONGEST: usize = 500;

/// A room's number.
fn number(room: &str) -> Option<u32> {
    ROOMS.iter().find(|(name, _)| *name == room).map(|(_, number)| *number)
}

// The rules: each gives what is wrong with one file, empty where nothing is.

fn layers_point_down(source: &Source) -> Vec<String> {
    if source.is_root() {
        return Vec::new();
    }
    let modules = source.modules();
    let room = modules[0];
    let Some(own) = number(room) else { return vec![format!("`{room}` is no room of the house")] };
    // `super` leads out of a room from as many modules deep as the file is.
    let outside = "super::".repeat(modules.len());
    let by_crate = paths(&source.code).into_iter().filter_map(|path| path.strip_prefix("crate::").map(str::to_owned));
    let by_super =
        paths(&source.production).into_iter().filter_map(|path| path.strip_prefix(&outside).map(str::to_owned));
    let used: BTreeSet<String> =
        by_crate.chain(by_super).map(|path| path.split("::").next().unwrap_or_default().to_owned()).collect();
    used.into_iter()
        .filter(|used| used != room && number(used).is_none_or(|number| number >= own))
        .map(|used| format!("`{room}` uses `{used}`, which is not below it"))
        .collect()
}

fn rooms_are_called_after_what_they_hold(source: &Source) -> Vec<String> {
    if source.is_root() {
        return Vec::new();
    }
    let modules = source.modules();
    modules.iter().filter(|name| NO_NAMES.contains(name)).map(|name| format!("`{name}` says nothing")).collect()
}

fn pure_rooms_do_not_reach_outside(source: &Source) -> Vec<String> {
    let room = source.modules()[0];
    let is_pure = number(room).is_some_and(|number| number < OUTSIDE)
        || room == "scenario"
        || source.path.starts_with("run/plan");
    if is_pure { uses(source, &REACHING_OUT) } else { Vec::new() }
}

fn only_the_console_prints(source: &Source) -> Vec<String> {
    if source.path == PRINTER { Vec::new() } else { uses(source, &PRINTING) }
}

fn files_are_short(source: &Source) -> Vec<String> {
    let tests = source.code.lines().count() - source.production.lines().count();
    let lines = source.text.lines().count() - tests;
    if lines > LONGEST { vec![format!("{lines} lines without its tests: it wants to be two")] } else { Vec::new() }
}

fn files_say_what_they_decide(source: &Source) -> Vec<String> {
    let is_said = source.text.starts_with("//! ") || source.path == "lib.rs" && source.text.starts_with("#![doc");
    if is_said { Vec::new() } else { vec!["does not open with `//!`".to_owned()] }
}

/// The paths of a file, tests apart, that name one of these.
fn uses(source: &Source, names: &[&str]) -> Vec<String> {
    let is_named = |path: &String| names.iter().any(|name| format!("::{path}::").contains(&format!("::{name}::")));
    paths(&source.production).into_iter().filter(is_named).map(|path| format!("mentions `{path}`")).collect()
}

// The rules hold.

type Rule = fn(&Source) -> Vec<String>;

#[track_caller]
fn assert_holds(rule: Rule) {
    let sources = sources();
    assert!(sources.len() > 20, "only {} sources found", sources.len());
    let mut problems: Vec<String> = Vec::new();
    for source in &sources {
        problems.extend(rule(source).into_iter().map(|problem| format!("src/{}: {problem}", source.path)));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn every_layer_points_down() {
    assert_holds(layers_point_down);
}

#[test]
fn every_room_is_called_after_what_it_holds() {
    assert_holds(rooms_are_called_after_what_they_hold);
}

#[test]
fn no_pure_room_reaches_outside() {
    assert_holds(pure_rooms_do_not_reach_outside);
}

#[test]
fn nothing_but_the_console_prints() {
    assert_holds(only_the_console_prints);
}

#[test]
fn every_file_is_short() {
    assert_holds(files_are_short);
}

#[test]
fn every_file_says_what_it_decides() {
    assert_holds(files_say_what_they_decide);
}

// The rules can fail.

fn problems(rule: Rule, path: &str, text: &str) -> usize {
    rule(&Source::new(path, text)).len()
}

#[test]
fn a_layer_that_points_up_is_seen_however_it_is_written() {
    let rule = layers_point_down;
    for text in [
        "use crate::run::Plan;",
        "use crate::check;",
        "use crate::{text::escape, report::{csv, junit}};",
        "fn f() { crate::cli::main() }",
        "use super::super::journal::Writer;",
        "use crate::*;",
        "use crate::unheard_of::Thing;",
        "#[cfg(test)] mod tests { use crate::run::Plan; }",
        "const A: char = '\"'; use crate::run::Plan; const B: char = '\"';",
        "fn f<'a>(x: &'a str) { let r#type = crate::run::X; }",
    ] {
        assert_eq!(problems(rule, "window/choose.rs", text), 1, "{text}");
    }
    assert_eq!(problems(rule, "window/mod.rs", "use super::journal::Writer;"), 1);
    assert_eq!(problems(rule, "attic/mod.rs", ""), 1, "a room that the house does not have");
    for text in [
        "use crate::{model::{Message, Role}, text::escape::visible};",
        "use crate::window::Choice; use super::visibility; use super::super::model::Role;",
        "// use crate::run::Plan;\n/* crate::run /* crate::run */ crate::run */",
        "const A: &str = \"crate::run \\\" crate::run\"; const B: &str = r#\"crate::run \" crate::run\"#;",
        "pub(crate) fn f() {}",
        "#[cfg(test)] mod tests { use super::super::visibility; }",
    ] {
        assert_eq!(problems(rule, "window/choose.rs", text), 0, "{text}");
    }
    assert_eq!(problems(rule, "check/decide.rs", "use crate::{event::Retention, window::sight, stats::wilson};"), 0);
    assert_eq!(problems(rule, "window/choose.rs", "use crate::check::decide;"), 1);
    assert_eq!(problems(rule, "main.rs", "use crate::cli::main;"), 0);
}

#[test]
fn a_name_that_says_nothing_is_seen() {
    for path in ["utils/mod.rs", "text/common.rs", "cli/helpers/mod.rs", "core.rs", "run/misc.rs"] {
        assert_eq!(problems(rooms_are_called_after_what_they_hold, path, ""), 1, "{path}");
    }
    assert_eq!(problems(rooms_are_called_after_what_they_hold, "text/escape.rs", ""), 0);
}

#[test]
fn a_pure_room_that_reaches_outside_is_seen() {
    let rule = pure_rooms_do_not_reach_outside;
    for text in [
        "use std::fs;",
        "use std::{collections::HashMap, env};",
        "use std::{io::{self, Write}, net::TcpStream};",
        "fn f() { let now = std::time::Instant::now(); }",
        "use std::time::SystemTime;",
        "fn f() { jiff::Timestamp::now(); }",
        "fn f() { fastrand::u64(..); }",
        "async fn f() { tokio::time::sleep(x).await }",
        "#[cfg(test)] mod tests { fn f() { \"}\"; } } use std::fs;",
        "#[cfg(test)] use a::b; use std::fs;",
    ] {
        for path in ["text/escape.rs", "check/decide.rs", "scenario/yaml.rs", "run/plan.rs"] {
            assert_eq!(problems(rule, path, text), 1, "{path}: {text}");
        }
        assert_eq!(problems(rule, "journal/mod.rs", text), 0, "{text}");
    }
    for text in [
        "#[cfg(test)]\nmod tests { use std::fs; fn f() { if true {} } use std::env; }",
        "use std::time::{Duration, Instant}; // std::fs",
        "const A: &str = env!(\"CARGO_PKG_VERSION\"); fn tokio_like() {}",
    ] {
        assert_eq!(problems(rule, "text/escape.rs", text), 0, "{text}");
    }
    for path in ["text/tests.rs", "text/escape/tests.rs", "text/escape_tests.rs"] {
        assert_eq!(problems(rule, path, "use std::fs;"), 0, "{path}");
    }
}

#[test]
fn printing_elsewhere_is_seen() {
    let rule = only_the_console_prints;
    for text in [
        "fn f() { println!(); }",
        "fn f() { std::eprintln!(\"x\"); }",
        "fn f() { dbg!(1); }",
        "use std::io::stdout;",
        "fn f() { write!(std::io::stderr(), \"x\"); }",
    ] {
        assert_eq!(problems(rule, "report/terminal.rs", text), 1, "{text}");
        assert_eq!(problems(rule, "cli/console.rs", text), 0, "{text}");
    }
    for text in [
        "fn f() { if print != 1 {} }",
        "fn f() { writeln!(f, \"println!\"); }",
        "#[cfg(test)] mod t { fn f() { println!(); } }",
    ] {
        assert_eq!(problems(rule, "report/terminal.rs", text), 0, "{text}");
    }
}

#[test]
fn a_long_file_is_seen_and_its_tests_do_not_count() {
    let line = "fn f() {}\n";
    let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", line.repeat(LONGEST));
    assert_eq!(problems(files_are_short, "text/escape.rs", &line.repeat(LONGEST)), 0);
    assert_eq!(problems(files_are_short, "text/escape.rs", &line.repeat(LONGEST + 1)), 1);
    assert_eq!(problems(files_are_short, "text/escape.rs", &(line.repeat(LONGEST) + &tests)), 0);
    assert_eq!(problems(files_are_short, "text/escape.rs", &(line.repeat(LONGEST + 1) + &tests)), 1);
    assert_eq!(problems(files_are_short, "text/escape.rs", &"// said\n".repeat(LONGEST + 1)), 1, "comments count");
}

#[test]
fn a_file_that_does_not_say_what_it_decides_is_seen() {
    let rule = files_say_what_they_decide;
    assert_eq!(problems(rule, "text/escape.rs", "use std::fmt;\n//! Late."), 1);
    assert_eq!(problems(rule, "text/escape.rs", "#![doc = include_str!(\"x.md\")]"), 1);
    assert_eq!(problems(rule, "text/escape.rs", ""), 1);
    assert_eq!(problems(rule, "text/escape.rs", "//! Escapes.\n"), 0);
    assert_eq!(problems(rule, "lib.rs", "#![doc = include_str!(\"../docs/architecture.md\")]"), 0);
}
