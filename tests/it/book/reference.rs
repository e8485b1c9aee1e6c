//! The reference is what the code says: two of its pages are written from it, the others are held to it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use chat_eval::diagnostic::Code;
use regex::Regex;

use super::page::{blocks, hold, read, root};
use crate::readme::COMMANDS;
use crate::support::sandbox::Sandbox;

const GENERATED: &str = "<!-- Written by `CHAT_EVAL_BOOK=write cargo test --test it book::`; do not edit. -->\n\n";

#[test]
fn the_command_line_is_what_help_says() {
    let sandbox = Sandbox::new();
    let mut page = "# The command line\n\n".to_owned() + GENERATED;
    page += "This page is what `chat-eval COMMAND --help` prints. `chat-eval COMMAND -h` is shorter.\n\n";
    page += "A command and its flags with what they are for are in the [how-tos](../how-to/ci.md); exit codes are on [a page of their own](exit-codes.md).\n";
    let help = |arguments: &[&str]| sandbox.run(arguments).expect(0).stdout;
    let mut add = |title: &str, text: &str| {
        write!(page, "\n## `{title}`\n\n```text\n{}\n```\n", text.trim_end()).expect("a text");
    };
    add("chat-eval", &help(&["--help"]));
    for command in COMMANDS {
        add(&format!("chat-eval {command}"), &help(&[command, "--help"]));
    }
    hold("docs/reference/command-line.md", &page);
}

/// Of each code its group, its sentence and its word, as `code.rs` has them.
fn codes() -> Vec<(String, String, String)> {
    let source = read("src/diagnostic/code.rs");
    let (_, list) = source.split_once("\ncodes! {\n").expect("the list of codes");
    let (mut group, mut sentence, mut codes) = (String::new(), String::new(), Vec::new());
    for line in list.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("/// ") {
            sentence = format!("{sentence} {text}");
        } else if let Some(text) = line.strip_prefix("// ") {
            text.trim_end_matches('.').clone_into(&mut group);
        } else if let Some((_, word)) = line.split_once(" = \"") {
            let word = word.trim_end_matches("\",").to_owned();
            codes.push((group.clone(), std::mem::take(&mut sentence).trim().to_owned(), word));
        }
    }
    codes
}

/// Codes that the page on the memory lint has an example of.
const LINT: [&str; 6] =
    ["can-never-pass", "only-by-reply", "answer-in-question", "orphan-reply", "never-planted", "unused-fact"];

/// What no file in a repository can show: the situation, and what is said then.
fn made(word: &str) -> Option<(&'static str, String)> {
    let sandbox = if word == "unusable-cassette" { Sandbox::shipped() } else { Sandbox::new() };
    let (situation, arguments): (_, &[&str]) = match word {
        "missing-path" => ("`chat-eval check nowhere.yaml`", &["check", "nowhere.yaml"]),
        "unreadable" => {
            let pipe = sandbox.write("scenarios/pipe.yaml", "");
            std::fs::remove_file(&pipe).expect("the file");
            let made = std::process::Command::new("mkfifo").arg(&pipe).status();
            assert!(made.expect("mkfifo").success());
            ("A pipe with the name of a scenario:", &["check", "scenarios"])
        }
        "file-too-large" => {
            sandbox.write("large.yaml", "# a comment\n".repeat(1024 * 1024));
            ("A scenario of 12 MiB:", &["check", "large.yaml"])
        }
        "not-utf8" => {
            sandbox.write("latin.yaml", b"turns:\n  - user: Gr\xfc\xdfe\n");
            ("A file that was saved as Latin-1:", &["check", "latin.yaml"])
        }
        "too-many-cases" => {
            sandbox.write("one.yaml", "cases: cases.csv\nturns:\n  - user: Hello\n");
            sandbox.write("cases.csv", "city\n".to_owned() + &"Lisbon\n".repeat(100_001));
            ("A file of cases with 100,001 rows:", &["check", "one.yaml"])
        }
        "unusable-cassette" => {
            let path = "scenarios/cassettes/whats-my-name.jsonl";
            sandbox.write(path, sandbox.read(path).replace("Priya", "Maria"));
            ("A recording that was edited by hand:", &["check", "scenarios/whats-my-name.yaml"])
        }
        "cannot-fail" => {
            let scenario = "facts: {name: told}\nturns:\n  - user: My name is told.\n  - user: What's my name?\n    expect: [{recalls: name}]\n";
            sandbox.write("one.yaml", scenario);
            let situation =
                "`chat-eval check --controls`, where the value is among the words of whoever knows nothing:";
            (situation, &["check", "--controls", "one.yaml"])
        }
        "invalid-import" => {
            sandbox.write("chats.jsonl", "{\"messages\": [\n");
            (
                "`chat-eval import openai-chat chats.jsonl`, where a line is no JSON:",
                &["import", "openai-chat", "chats.jsonl"],
            )
        }
        _ => return None,
    };
    Some((situation, sandbox.run(arguments).expect(2).stderr))
}

/// The longest file and message that the page shows whole, in lines.
const LONGEST: usize = 24;

/// The files of a fixture, each with its path.
fn fixture(word: &str) -> Option<(String, Vec<(String, String)>)> {
    let folder = root().join("tests/fixtures/invalid");
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .expect("the fixtures")
        .map(|entry| entry.expect("a fixture").file_name().to_string_lossy().trim_end_matches(".yaml").to_owned())
        .filter(|name| name.split('.').next() == Some(word))
        .collect();
    names.sort();
    let name = names.into_iter().next()?;
    let file = folder.join(format!("{name}.yaml"));
    if file.is_file() {
        return Some((
            name.clone(),
            vec![(format!("scenarios/{name}.yaml"), std::fs::read_to_string(file).expect("a file"))],
        ));
    }
    let inner = folder.join(&name);
    let mut files: Vec<(String, String)> = ignore::WalkBuilder::new(&inner)
        .standard_filters(false)
        .build()
        .filter_map(Result::ok)
        .filter(|entry| entry.path().is_file())
        .map(|entry| {
            let path = entry.path().strip_prefix(&inner).expect("below").to_string_lossy().into_owned();
            (path, std::fs::read_to_string(entry.path()).expect("a text"))
        })
        .collect();
    files.sort();
    Some((name, files))
}

fn cut(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    if lines.len() <= LONGEST { lines.join("\n") } else { format!("{}\n…", lines[..LONGEST - 4].join("\n")) }
}

/// A block whose fence is longer than any within.
fn fenced(language: &str, text: &str) -> String {
    let fence = if text.contains("```") { "````" } else { "```" };
    format!("{fence}{language}\n{text}\n{fence}\n")
}

#[test]
fn every_diagnostic_is_on_its_page_with_an_example() {
    let mut page = "# Diagnostics\n\n".to_owned() + GENERATED;
    page += "Whatever is wrong with a scenario, a file beside it or the config is said before anything is sent: what, where, and mostly how to mend it. \
             All errors of all files are shown; the exit code is 2. The word in brackets is stable, so that it can be searched for. Each stands here with a file \
             that makes it and with what is said then.\n";
    let codes = codes();
    assert_eq!(
        codes.iter().map(|(.., word)| word.as_str()).collect::<Vec<_>>(),
        Code::ALL.iter().map(|code| code.as_str()).collect::<Vec<_>>()
    );
    let mut last = String::new();
    for (group, sentence, word) in codes {
        if group != last {
            write!(page, "\n## {group}\n").expect("a text");
            last = group;
        }
        write!(page, "\n### {word}\n\n{sentence}\n\n").expect("a text");
        if LINT.contains(&word.as_str()) {
            writeln!(page, "[The memory lint](../memory-lint.md#{word}) has an example.").expect("a text");
            continue;
        }
        if let Some((situation, said)) = made(&word) {
            assert!(fixture(&word).is_none(), "{word} has a fixture");
            write!(page, "{situation}\n\n{}", fenced("text", &cut(&first_of(&said, &word)))).expect("a text");
            continue;
        }
        let (name, files) = fixture(&word).unwrap_or_else(|| panic!("`{word}` has no example: add one to `made`"));
        for (path, text) in files.iter().filter(|(_, text)| text.lines().count() <= LONGEST || files.len() == 1) {
            let comment = if Path::new(path).extension().is_some_and(|extension| extension == "yaml") {
                format!("# {path}\n")
            } else {
                String::new()
            };
            if comment.is_empty() {
                write!(page, "`{path}`:\n\n").expect("a text");
            }
            // Of no language: these are not to be taken for scenarios that are right.
            page += &fenced("text", &cut(&format!("{comment}{text}")));
            page.push('\n');
        }
        let said = read(&format!("tests/it/snapshots/invalid/{name}.snap"));
        let (_, said) = said.splitn(3, "---\n").nth(2).and_then(|text| text.split_once('\n')).expect("a command");
        let (said, _) = said.rsplit_once("\n\nexit code").expect("its exit code");
        page += &fenced("text", &cut(&first_of(said, &word)));
    }
    hold("docs/reference/diagnostics.md", &page);
}

/// The message of a code, of all those that a file makes.
fn first_of(said: &str, word: &str) -> String {
    let start = said.find(&format!("error[{word}]")).unwrap_or_else(|| panic!("{word}: {said}"));
    let said = &said[start..];
    said.split("\n\n").next().unwrap_or(said).to_owned()
}

/// The words of a list such as "known are `a`, `b` and `c`".
fn words(list: &str) -> Vec<String> {
    Regex::new("`([^`]+)`").unwrap().captures_iter(list).map(|word| word[1].to_owned()).collect()
}

#[test]
fn every_check_is_on_its_page_with_an_example_that_runs() {
    let sandbox = Sandbox::new();
    sandbox.write("one.yaml", "turns:\n  - {user: Hi, expect: [{zzz: 1}]}\nexpect: [{zzz: 1}]\n");
    let said = sandbox.run(&["check", "one.yaml"]).expect(2).stderr;
    let lists: Vec<&str> = said.lines().filter(|line| line.contains("help: checks are ")).collect();
    assert_eq!(lists.len(), 2, "{said}");
    let page = read("docs/reference/checks.md");
    let examples: String =
        blocks(&page).into_iter().filter(|block| block.language == "yaml").map(|block| block.text).collect();
    for check in lists.iter().flat_map(|list| words(list)) {
        assert!(page.contains(&format!("`{check}")), "`{check}` is not on the page");
        let is_shown = Regex::new(&format!(r"[\[{{ ]{check}:")).unwrap().is_match(&examples);
        assert!(is_shown, "`{check}` has no example");
    }
}

#[test]
fn every_key_of_the_config_is_on_its_page() {
    let sandbox = Sandbox::new();
    sandbox.write("one.yaml", "turns:\n  - user: Hi\n");
    let config = "\
zzz: 1
judge: {zzz: 1}
embedding: {zzz: 1}
limits: {zzz: 1}
models:
  m: {provider: openai, zzz: 1, price: {zzz: 1}}
  anthropic: {provider: anthropic, zzz: 1}
  gemini: {provider: gemini, zzz: 1}
  azure: {provider: azure, zzz: 1}
  http:
    {provider: http, url: \"http://127.0.0.1/\", zzz: 1, session: {path: $.id, zzz: 1}, usage: {zzz: 1},
     stream: {events: data, done: {path: $.end, equals: true, zzz: 1}, zzz: 1}}
  command: {provider: command, command: [bot], zzz: 1}
";
    sandbox.write("chat-eval.yaml", config);
    let said = sandbox.run(&["check", "one.yaml"]).expect(2).stderr;
    let page = read("docs/reference/config.md");
    let lists: Vec<&str> = said.lines().filter(|line| line.contains("help: known are ")).collect();
    assert_eq!(lists.len(), 15, "{said}");
    for key in lists.iter().flat_map(|list| words(list)) {
        assert!(page.contains(&format!("`{key}`")), "`{key}` is not on the page");
    }
}

#[test]
fn the_exit_codes_are_those_of_the_code() {
    let source = read("src/cli/exit.rs");
    let codes: BTreeSet<String> =
        Regex::new(r"Self::\w+ => (\d+),").unwrap().captures_iter(&source).map(|code| code[1].to_owned()).collect();
    let row = Regex::new(r"(?m)^\| (\d+) \|").unwrap();
    for page in ["docs/reference/exit-codes.md", "README.md"] {
        let there: BTreeSet<String> = row.captures_iter(&read(page)).map(|code| code[1].to_owned()).collect();
        assert_eq!(there, codes, "{page}");
    }
}

#[test]
fn the_columns_of_the_tables_are_those_that_a_run_writes() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "one.yaml",
        "facts: {name: Priya}\nturns:\n  - user: My name is Priya. What's my name?\n    expect: [{forgets: name}]\n",
    );
    sandbox.run(&["run", "one.yaml"]).expect(1);
    let page = read("docs/reference/files.md");
    let row = Regex::new(r"(?m)^\| `([a-z0-9_]+)` \|").unwrap();
    for table in ["transcripts.csv", "checks.csv", "retention.csv", "summary.csv"] {
        let text = std::fs::read_to_string(sandbox.run_folder().join(table)).expect(table);
        let written: Vec<String> = text.lines().next().expect("a header").split(',').map(ToOwned::to_owned).collect();
        let (_, section) =
            page.split_once(&format!("\n## {table}\n")).unwrap_or_else(|| panic!("no section on {table}"));
        let section = section.split("\n## ").next().expect("a section");
        let shown: Vec<String> = row.captures_iter(section).map(|column| column[1].to_owned()).collect();
        assert_eq!(shown, written, "{table}");
    }
}
