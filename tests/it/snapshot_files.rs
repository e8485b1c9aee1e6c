//! The files of snapshots, as the binary writes them: what they are called, what is in them, what is not.

use serde_json::json;

use crate::support::answer::{Answer, completion};
use crate::support::sandbox::{Ran, Sandbox};
use crate::support::server::Server;

const TURNS: &str = "turns: [{user: Hello}]\n";

/// The names of the snapshots in `s/snapshots`.
fn names(sandbox: &Sandbox) -> Vec<String> {
    sandbox.files("s/snapshots")
}

#[test]
fn every_part_of_a_name_is_encoded_and_a_long_name_ends_in_a_hash() {
    let sandbox = Sandbox::new();
    let config = "models: {org/gpt-4.1: {provider: openai, base_url: 'http://127.0.0.1:9', api_key_env: none}}\n";
    sandbox.write("chat-eval.yaml", config);
    let cases = format!("cases: [{{id: ../../etc}}, {{id: 'row 1'}}, {{id: {}}}]\n", "ü".repeat(60));
    let personas = "personas: [{name: 'a/b.c'}, {name: 'Größe 😀'}]\n";
    let scenario = format!("name: v1.2_x\nmatrix: {{gap: [1]}}\n{cases}{personas}{TURNS}");
    sandbox.write("s/one.yaml", scenario);
    sandbox.run(&["run", "s", "--snapshots", "always"]).expect(0);
    let names = names(&sandbox);
    for whole in [
        "v1%2E2_x@a%2Fb%2Ec.builtin.full.%2E%2E%2F%2E%2E%2Fetc.%7B%22gap%22%3A1%7D.snap",
        "v1%2E2_x@a%2Fb%2Ec.builtin.full.row%201.%7B%22gap%22%3A1%7D.snap",
        "v1%2E2_x@Gr%C3%B6%C3%9Fe%20%F0%9F%98%80.builtin.full.row%201.%7B%22gap%22%3A1%7D.snap",
    ] {
        assert!(names.iter().any(|name| name == whole), "{whole} is not among {names:?}");
    }
    let long: Vec<&String> = names.iter().filter(|name| name.contains('~')).collect();
    assert_eq!(long.len(), 2, "{names:?}");
    for name in long {
        let (kept, hash) = name.strip_suffix(".snap").unwrap().split_once('~').unwrap();
        assert!(name.len() <= 200 && hash.len() == 16, "{name}");
        assert!(kept.starts_with("v1%2E2_x@"), "{name}");
    }
    // Nothing lies elsewhere, and all is found again: what is written is what is compared and reviewed.
    assert_eq!(sandbox.files(".").iter().filter(|file| file.contains(".snap")).count(), 6);
    let again = sandbox.run(&["run", "s"]).expect(0);
    assert!(!again.stdout.contains("snap"), "{}", again.stdout);
}

#[test]
fn a_scenario_with_a_very_long_name_is_reviewed_as_any_other() {
    let sandbox = Sandbox::new();
    sandbox.write("s/one.yaml", format!("name: {}\n{TURNS}", "a.".repeat(50)));
    sandbox.run(&["run", "s"]).expect(0);
    let accepted = sandbox.run(&["review", "s", "--accept"]).expect(0);
    assert!(accepted.stdout.ends_with("1 snapshot accepted\n"), "{}", accepted.stdout);
    sandbox.run(&["run", "s", "--snapshots", "no"]).expect(0);
    assert_eq!(sandbox.run(&["review", "--prune"]).expect(0).stdout, "no snapshot is unreferenced\n");
}

#[test]
fn source_is_relative_to_the_config_else_to_the_working_directory_and_no_part_of_the_comparison() {
    let sandbox = Sandbox::new();
    sandbox.write("project/tests/s/one.yaml", TURNS);
    let run = |folder: &str, arguments: &[&str], code: i32| {
        let mut command = sandbox.command(arguments);
        command.current_dir(sandbox.path().join(folder));
        Ran::from(command.output().unwrap()).expect(code)
    };
    let source = || {
        let text = sandbox.read("project/tests/s/snapshots/one@default.builtin.full.snap");
        text.lines().find_map(|line| line.strip_prefix("source: ").map(str::to_owned)).unwrap()
    };
    run("project/tests", &["run", "s", "--snapshots", "always"], 0);
    assert_eq!(source(), "s/one.yaml");
    // Elsewhere, with a config or without: the same snapshot.
    run("project", &["run", "tests/s", "--snapshots", "no"], 0);
    sandbox.write("project/chat-eval.yaml", "model: builtin\n");
    run("project/tests", &["run", "s/one.yaml", "--snapshots", "no"], 0);
    std::fs::remove_dir_all(sandbox.path().join("project/tests/s/snapshots")).unwrap();
    run("project/tests/s", &["run", ".", "--snapshots", "always"], 0);
    assert_eq!(source(), "tests/s/one.yaml");
}

#[test]
fn what_a_terminal_would_obey_or_nobody_would_see_is_made_visible() {
    let server = Server::saying("bell \u{7}, red \u{1b}[31m, bidi \u{202e}, zero \u{200b}, tag \u{e0041}, c1 \u{9b}.");
    let sandbox = Sandbox::with_bot(&server.base_url());
    let personas = "personas: [{name: \"p\\u200b\", system: \"be \\u202ekind\"}]\n";
    sandbox.write(
        "s/one.yaml",
        format!("{personas}turns: [{{user: \"Hi\\e[2J\", expect: [{{contains: \"\\u200b\"}}]}}]\n"),
    );
    sandbox.run(&["run", "s", "--snapshots", "always"]).expect(0);
    let text = sandbox.read("s/snapshots/one@p%E2%80%8B.bot.full.snap");
    for shown in [
        "bell ‹U+0007›, red ‹U+001B›[31m, bidi ‹U+202E›, zero ‹U+200B›, tag ‹U+E0041›, c1 ‹U+009B›.",
        "  be ‹U+202E›kind\n",
        "  Hi‹U+001B›[2J\n",
        "# one · p‹U+200B› · bot",
        "description: one / p‹U+200B› / bot",
    ] {
        assert!(text.contains(shown), "{shown} is not in:\n{text}");
    }
    let is_hidden = |c: char| c != '\n' && (c.is_control() || "\u{200b}\u{202e}\u{e0041}".contains(c));
    assert!(!text.contains(is_hidden), "{text:?}");
}

#[test]
fn times_tokens_attempts_costs_and_reasons_are_not_in_it() {
    let answer = |tokens: u32, fingerprint: &str| {
        let mut body = completion("Yes, of course.");
        body["usage"] = json!({"prompt_tokens": tokens, "completion_tokens": tokens, "total_tokens": 2 * tokens});
        body["system_fingerprint"] = fingerprint.into();
        body["model"] = fingerprint.into();
        Answer::json(&body)
    };
    let scenario = "turns: [{user: Hello, expect: [{max_words: 1, known_failure: it talks}, {contains: Yes}]}]\n";
    let first = Server::in_turn(vec![answer(7, "fp-one")]);
    let sandbox = Sandbox::with_bot(&first.base_url());
    sandbox.write("s/one.yaml", scenario);
    sandbox.run(&["run", "s", "--snapshots", "always"]).expect(0);
    let text = sandbox.read("s/snapshots/one@default.bot.full.snap");
    let check = &sandbox.rows("checks.csv")[0];
    assert_eq!(check["detail"], "the reply has 3 words");
    assert!(!text.contains("the reply has") && !text.contains("it talks") && !text.contains("fp-one"), "{text}");

    // Another count, another server, a failed try before, a price: no byte is another.
    let busy = Answer::error(503, "busy", "later").header("retry-after-ms", "1");
    let second = Server::in_turn(vec![busy, answer(4711, "fp-two")]);
    let url = second.base_url();
    let bot = format!(
        "{{provider: openai, model: other, base_url: \"{url}\", api_key_env: none, price: {{input: 9, output: 9}}}}"
    );
    sandbox.write("chat-eval.yaml", format!("model: bot\nmodels: {{bot: {bot}}}\n"));
    sandbox.run(&["run", "s", "--snapshots", "always"]).expect(0);
    assert_eq!(sandbox.rows("transcripts.csv")[0]["attempts"], "2");
    assert_eq!(sandbox.rows("transcripts.csv")[0]["tokens_sent"], "4711");
    assert_eq!(sandbox.read("s/snapshots/one@default.bot.full.snap"), text);
}

#[test]
fn what_each_mode_writes_where_ci_is_set_and_where_not() {
    for (ci, mode, code, file) in [
        (None, None, 0, Some(".snap.new")),
        (None, Some("auto"), 0, Some(".snap.new")),
        (None, Some("new"), 0, Some(".snap.new")),
        (None, Some("no"), 0, None),
        (None, Some("always"), 0, Some(".snap")),
        (None, Some("off"), 0, None),
        (Some("true"), None, 1, None),
        (Some("1"), Some("auto"), 1, None),
        (Some("true"), Some("new"), 1, Some(".snap.new")),
        (Some("true"), Some("no"), 1, None),
        (Some("true"), Some("always"), 0, Some(".snap")),
        (Some("true"), Some("off"), 0, None),
    ] {
        let sandbox = ci.into_iter().fold(Sandbox::new(), |sandbox, value| sandbox.env("CI", value));
        sandbox.write("s/one.yaml", TURNS);
        let mode_of: Vec<&str> = mode.into_iter().flat_map(|mode| ["--snapshots", mode]).collect();
        sandbox.run(&[&["run", "s"], mode_of.as_slice()].concat()).expect(code);
        let expected: Vec<String> =
            file.into_iter().map(|ending| format!("one@default.builtin.full{ending}")).collect();
        assert_eq!(names(&sandbox), expected, "CI {ci:?}, mode {mode:?}");
        assert_eq!(sandbox.has("s/snapshots"), file.is_some(), "not even a folder");
    }
}

#[test]
fn where_ci_is_set_a_difference_fails_and_writes_nothing() {
    let sandbox = Sandbox::new().env("CI", "true");
    sandbox.write("s/one.yaml", TURNS);
    sandbox.run(&["run", "s", "--snapshots", "always"]).expect(0);
    let path = "s/snapshots/one@default.builtin.full.snap";
    let other = sandbox.read(path).replace("Noted.", "Well noted.");
    sandbox.write(path, &other);
    let ran = sandbox.run(&["run", "s"]).expect(1);
    assert!(ran.stdout.contains("differs: words: turn 1"), "{}", ran.stdout);
    assert_eq!(names(&sandbox), ["one@default.builtin.full.snap"]);
    assert_eq!(sandbox.read(path), other);
}
