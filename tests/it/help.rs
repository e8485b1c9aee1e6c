//! `--help`: what it says, at 80 columns, and that every example in it works. Completions and manual pages, which are made from it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::readme::COMMANDS;
use crate::support::sandbox::{Ran, Sandbox};
use crate::support::server::Server;

fn said(arguments: &[&str]) -> String {
    Sandbox::new().env("COLUMNS", "80").run(arguments).expect(0).stdout
}

#[test]
fn help_of_the_program_lists_all_commands_and_these_are_all() {
    let help = said(&["-h"]);
    for command in COMMANDS {
        assert!(help.contains(&format!("\n  {command} ")), "{command}:\n{help}");
    }
    let (_, list) = help.split_once("Commands:\n").unwrap();
    let (list, _) = list.split_once("\n\n").unwrap();
    // And `help` itself.
    assert_eq!(list.lines().count(), COMMANDS.len() + 1, "a line each:\n{list}");
    assert!(help.lines().count() <= 40, "one screen:\n{help}");
}

#[test]
fn what_help_says() {
    let mut all = String::new();
    for arguments in [&["-h"][..], &["--help"], &["run", "-h"], &["run", "--help"]] {
        let _ = writeln!(all, "$ chat-eval {}\n{}", arguments.join(" "), said(arguments));
    }
    for command in COMMANDS.iter().filter(|command| **command != "run") {
        let _ = writeln!(all, "$ chat-eval {command} --help\n{}", said(&[command, "--help"]));
    }
    // Where nothing is said, the help ends lines with blanks.
    let all: Vec<&str> = all.lines().map(str::trim_end).collect();
    let is_wide = |line: &&&str| line.chars().count() > 80;
    assert_eq!(all.iter().filter(is_wide).collect::<Vec<_>>(), [&""; 0], "no line is wider than the terminal");
    // An example that is cut in two is none that can be copied.
    let mut examples = std::iter::once("").chain(COMMANDS).flat_map(examples);
    assert!(examples.all(|example| !example.ends_with('>') && !example.ends_with("-o")));
    insta::assert_snapshot!("help", all.join("\n"));
}

#[test]
fn help_says_what_builtin_is_and_which_exit_codes_there_are() {
    for arguments in [&["--help"][..], &["run", "--help"]] {
        assert!(said(arguments).replace('\n', " ").contains("no language model"), "{arguments:?}");
    }
    let run = said(&["run", "--help"]);
    for code in ["0", "1", "2", "3", "4", "5", "130"] {
        assert!(run.contains(&format!("\n  {code:<3}  ")), "{code}:\n{run}");
    }
    for variable in ["CHAT_EVAL_MODEL", "CHAT_EVAL_CONCURRENCY", "CHAT_EVAL_OUT"] {
        assert!(run.contains(&format!("{variable}]")), "{variable}:\n{run}");
    }
}

#[test]
fn every_flag_of_run_stands_in_a_group() {
    for command in ["run", "plan"] {
        let help = said(&[command, "-h"]);
        assert!(!help.contains("\nOptions:\n"), "a flag is in no group of src/cli/help.rs:\n{help}");
    }
}

/// The examples of a command's help: what stands below a line that begins with `#`.
fn examples(command: &str) -> Vec<String> {
    let help = if command.is_empty() { said(&["--help"]) } else { said(&[command, "--help"]) };
    let (_, examples) = help.split_once("Examples:\n").unwrap_or_else(|| panic!("{command} has no examples:\n{help}"));
    let lines: Vec<&str> = examples.lines().map(str::trim).collect();
    let shown = lines.windows(2).filter(|pair| pair[0].starts_with("# ")).map(|pair| pair[1].to_owned());
    let shown: Vec<String> = shown.collect();
    let is_ours = |example: &String| example.starts_with("chat-eval ") || example.contains(" | chat-eval ");
    assert!(shown.iter().all(is_ours) && !shown.is_empty(), "{shown:?}");
    shown
}

/// A project with all that the examples name: two runs, shards, a repository, files of other tools, a model that answers.
fn project(server: &Server) -> Sandbox {
    let sandbox = Sandbox::shipped()
        .env("OPENAI_API_KEY", "sk-test")
        .env("OPENAI_BASE_URL", &server.base_url())
        .env("CHAT_EVAL_OUT", "results")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("HOME", "home");
    let scenarios = ["scenarios/whats-my-name.yaml", "scenarios/retention-grid.yaml"];
    for _ in 0..2 {
        sandbox.run(&[&["run", "--offline"], &scenarios[..]].concat()).expect(0);
    }
    for shard in ["1/2", "2/2"] {
        let out = format!("shards/{}", &shard[..1]);
        sandbox
            .run(&[
                "run",
                "scenarios/whats-my-name.yaml",
                "scenarios/cooking.yaml",
                "--model",
                "builtin",
                "--snapshots",
                "off",
                "--shard",
                shard,
                "--out",
                &out,
            ])
            .expect(0);
    }
    sandbox.write("messages.txt", "Hi\nAnd you?\n");
    sandbox.write(
        "chats.jsonl",
        r#"{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}]}"#,
    );
    sandbox.write(
        "promptfooconfig.yaml",
        "prompts: ['Say {{what}}']\nproviders: [openai:gpt-4o-mini]\ntests:\n  - vars: {what: hello}\n    assert: [{type: contains, value: hello}]\n",
    );
    for folder in ["home/.zfunc", "home/.config/fish/completions", "home/.local/share/bash-completion/completions"] {
        std::fs::create_dir_all(sandbox.path().join(folder)).unwrap();
    }
    let git = "git init -q -b main . && git add scenarios chat-eval.yaml && \
               git -c user.name=a -c user.email=a@example.com commit -qm all && git update-ref refs/remotes/origin/main HEAD";
    shell(&sandbox, git).expect(0);
    sandbox
}

fn shell(sandbox: &Sandbox, line: &str) -> Ran {
    let mut command = sandbox.command(&[]);
    let binary = std::path::Path::new(command.get_program()).parent().unwrap().to_owned();
    let path = std::env::join_paths(
        std::iter::once(binary).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
    );
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", line]).current_dir(sandbox.path()).env_clear();
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("PATH", path.unwrap());
    shell.env("HOME", sandbox.path().join("home")).stdin(std::process::Stdio::null());
    command.env_clear();
    Ran::from(shell.output().expect("a shell"))
}

#[test]
fn every_example_of_the_help_works() {
    let server = Server::saying("Hello! What would you like?");
    let mut ran = BTreeMap::new();
    for command in [""].iter().chain(&COMMANDS) {
        let sandbox = project(&server);
        for example in examples(command) {
            let how = shell(&sandbox, &example);
            // A check that fails says nothing against the example: other models answer, and `--min-kill` may not be reached.
            let has_nothing_to_do = how.code == Some(4) && how.stderr.contains("nothing failed");
            assert!(
                matches!(how.code, Some(0 | 1)) || has_nothing_to_do,
                "{example}: {:?}\n{}{}",
                how.code,
                how.stdout,
                how.stderr
            );
            ran.insert(example, how.code);
        }
    }
    assert!(ran.len() > 40, "{ran:?}");
    let failed: Vec<&str> =
        ran.iter().filter(|(_, code)| **code == Some(1)).map(|(example, _)| example.as_str()).collect();
    assert!(failed.len() < 6, "{failed:?}");
}

/// Whether a program is there that a test needs, and does its part.
fn feed(program: &str, arguments: &[&str], text: &str) -> Option<Ran> {
    use std::io::Write;
    let mut command = std::process::Command::new(program);
    command.args(arguments).stdin(std::process::Stdio::piped());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => panic!("{program}: {error}"),
    };
    let mut input = child.stdin.take().unwrap();
    let text = text.to_owned();
    let writing = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let output = child.wait_with_output().unwrap();
    // A shell that only parses may have read enough.
    let _ = writing.join().unwrap();
    Some(Ran::from(output))
}

#[test]
fn shells_read_their_completions_and_each_knows_every_command() {
    for (shell, parse) in
        [("bash", Some("-n")), ("zsh", Some("-n")), ("fish", Some("-n")), ("powershell", None), ("elvish", None)]
    {
        let script = said(&["completions", shell]);
        for command in COMMANDS {
            assert!(script.contains(command), "{shell}: {command}");
        }
        assert!(script.contains("max-cost") && script.contains("min-kill"), "{shell}");
        // Where the shell is not there, the words are all that can be seen.
        let parsed = parse.and_then(|flag| {
            feed(shell, if shell == "bash" { &["-n", "/dev/stdin"] } else { std::slice::from_ref(&flag) }, &script)
        });
        if let Some(parsed) = parsed {
            let parsed = parsed.expect(0);
            assert!(parsed.stderr.is_empty(), "{shell}: {}", parsed.stderr);
        }
    }
}

#[test]
fn bash_completes_commands_flags_and_their_values() {
    let script = said(&["completions", "bash"]);
    let complete = |words: &str| {
        let line = format!(
            "{script}\nCOMP_WORDS=({words})\nCOMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n\
             _chat__eval chat-eval \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"\n"
        );
        feed("bash", &["--norc", "-s"], &line).map(|ran| ran.expect(0).stdout)
    };
    let Some(commands) = complete("chat-eval re") else { return };
    assert_eq!(commands.lines().collect::<Vec<_>>(), ["review", "report", "recheck"]);
    assert_eq!(complete("chat-eval run --snap").unwrap(), "--snapshots\n");
    assert_eq!(complete("chat-eval run --cassettes re").unwrap(), "record\n");
}

#[test]
fn there_is_a_manual_page_of_every_command_and_a_package_gets_them_all() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run(&["man", "--out", "share/man/man1"]).expect(0);
    assert_eq!(ran.stdout, format!("wrote {} pages into share/man/man1\n", COMMANDS.len() + 1));
    let mut expected: Vec<String> = COMMANDS.iter().map(|command| format!("chat-eval-{command}.1")).collect();
    expected.push("chat-eval.1".to_owned());
    expected.sort();
    assert_eq!(sandbox.files("share/man/man1"), expected);
    assert_eq!(sandbox.run(&["man"]).expect(0).stdout, sandbox.read("share/man/man1/chat-eval.1"));
    assert_eq!(sandbox.run(&["man", "run"]).expect(0).stdout, sandbox.read("share/man/man1/chat-eval-run.1"));
    let ran = sandbox.run(&["man", "walk"]).expect(2);
    assert!(ran.stderr.starts_with("error: `walk` is no command\nhelp: there are pages of `run`, "), "{}", ran.stderr);
    sandbox.write("file", "");
    sandbox.run(&["man", "--out", "file/man1"]).expect(5);
}

#[test]
fn groff_sets_the_manual_pages_without_a_warning() {
    let bold = regex::Regex::new("\u{1b}\\[[0-9;]*m|.\u{8}").unwrap();
    for command in [""].iter().chain(&COMMANDS) {
        let page = if command.is_empty() { said(&["man"]) } else { said(&["man", command]) };
        let Some(set) = feed("groff", &["-man", "-Tascii", "-ww", "-Wbreak"], &page) else { return };
        let set = set.expect(0);
        assert!(set.stderr.is_empty(), "{command}: {}", set.stderr);
        // Bold is struck over, or said by an escape.
        let text = bold.replace_all(&set.stdout, "").into_owned();
        for part in ["NAME", "SYNOPSIS", "DESCRIPTION", "EXAMPLES", "chat-eval"] {
            assert!(text.contains(part), "{command}: {part}\n{text}");
        }
    }
}
