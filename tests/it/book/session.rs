//! Plays a page: writes its files, runs its commands in a folder of the page's own, and compares what they print.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use regex::Regex;

use super::page::{self, Block, Item};
use super::parrot;
use crate::support::child::Running;
use crate::support::pty::OnTerminal;
use crate::support::sample_bots;
use crate::support::sandbox::Sandbox;
use crate::support::server::Server;

/// The port that pages name for a server; each is given a free one.
const PORT: &str = "8080";

/// How `chat` asks for a message on a terminal.
const ASKS: &str = "you › ";

/// What became of the blocks of a page.
#[derive(Debug, Default)]
pub struct Played {
    /// Commands that were run.
    pub commands: usize,
    /// Scenarios and configs, whole ones and parts of one, that `check` was content with.
    pub scenarios: usize,
    /// Blocks that were not run.
    pub not_run: usize,
    /// Whether this machine lacks what the page takes.
    pub is_left_out: bool,
}

struct Session {
    page: String,
    sandbox: Sandbox,
    code: i32,
    address: Option<String>,
    server: Option<Server>,
    background: Vec<Running>,
    played: Played,
}

/// Plays a page. Where pages are to be written anew, what its commands print is put into it.
#[expect(clippy::print_stderr, reason = "a page that was left out must not look like one that passed")]
pub fn play(name: &str, sandbox: Sandbox) -> Played {
    let text = page::read(name);
    if text.contains("<!-- background -->") && !has_python() {
        assert!(std::env::var_os("CHAT_EVAL_REQUIRE_PYTHON").is_none(), "{name} starts a server with python3");
        eprintln!("left out: {name}, which starts a server with python3 (not found)");
        return Played { is_left_out: true, ..Played::default() };
    }
    let mut session = Session {
        page: name.to_owned(),
        sandbox,
        code: 0,
        address: None,
        server: None,
        background: Vec::new(),
        played: Played::default(),
    };
    let mut written: Vec<(usize, usize, String)> = Vec::new();
    for item in page::items(&text) {
        match item {
            Item::Mark(word, _) if word == "fresh" => session.afresh(Sandbox::new()),
            Item::Mark(word, _) if word == "shipped" => session.afresh(Sandbox::shipped()),
            Item::Mark(word, _) if word == "sample-bots" => {
                session.afresh(sample_bots::sandbox());
                sample_bots::programs(&session.sandbox);
            }
            Item::Mark(word, command) if word == "setup" => {
                let (said, code) = session.shell(&command);
                assert_eq!(code, 0, "{name}: `{command}` ends so:\n{said}");
            }
            Item::Mark(word, _) if word == "parrot" => {
                let server = parrot::start();
                session.address = Some(server.base_url().replace("http://", "").replace("/v1", ""));
                session.server = Some(server);
            }
            Item::Mark(..) => {}
            Item::Block(block) => {
                if let Some(new) = session.block(&block) {
                    written.push((block.line, block.text.lines().count(), new));
                }
            }
        }
    }
    if page::is_writing() && !written.is_empty() {
        let mut lines: Vec<&str> = text.lines().collect();
        for (line, count, new) in written.iter().rev() {
            lines.splice(*line..line + count, new.lines());
        }
        std::fs::write(page::root().join(name), lines.join("\n") + "\n").expect("the page");
    }
    for child in session.background {
        child.signal("TERM");
    }
    session.played
}

fn has_python() -> bool {
    Command::new("python3").arg("--version").output().is_ok_and(|ran| ran.status.success())
}

impl Session {
    fn afresh(&mut self, sandbox: Sandbox) {
        self.sandbox = sandbox;
        self.code = 0;
    }

    fn place(&self, block: &Block) -> String {
        format!("{}:{}", self.page, block.line)
    }

    /// The new text of a block, where it is to be written anew.
    fn block(&mut self, block: &Block) -> Option<String> {
        let place = self.place(block);
        if let Some(reason) = block.mark("no-run") {
            assert!(reason.len() > 5, "{place}: a block that is not run says why");
            commands_exist(&place, &block.text);
            self.played.not_run += 1;
            return None;
        }
        if block.mark("background").is_some() {
            self.start(block, &place);
            return None;
        }
        if block.mark("talk").is_some() {
            return self.talk(block, &place);
        }
        if let Some(file) = block.file() {
            self.sandbox.write(file, self.really(&block.text));
            let is_scenario = block.language == "yaml" && block.text.lines().any(|line| line == "turns:");
            if is_scenario && block.mark("wrong").is_none() {
                let ran = self.sandbox.run(&["check", file]);
                assert_eq!(ran.code, Some(0), "{place}: {}", ran.stderr);
                self.played.scenarios += 1;
            } else if file == "chat-eval.yaml" {
                check_part(&place, &block.text);
                self.played.scenarios += 1;
            }
            return None;
        }
        match block.language.as_str() {
            "console" => return self.console(block, &place),
            "sh" => {
                let (said, code) = self.shell(&format!("set -e\n{}", block.text));
                assert_eq!(code, 0, "{place} ends so:\n{said}");
                self.played.commands += block.text.lines().filter(|line| line.contains("chat-eval ")).count();
            }
            "yaml" => {
                check_part(&place, &block.text);
                self.played.scenarios += 1;
            }
            _ => assert!(
                !block.text.starts_with("$ "),
                "{place}: a block with a command is marked ```console, so that it is run"
            ),
        }
        None
    }

    /// Runs the commands of a block one after the other.
    fn console(&mut self, block: &Block, place: &str) -> Option<String> {
        let mut new = String::new();
        let mut is_new = false;
        for (command, shown) in commands(&block.text) {
            let (said, code) = if command == "echo $?" {
                (format!("{}\n", std::mem::take(&mut self.code)), 0)
            } else {
                assert_eq!(
                    self.code, 0,
                    "{place}: a command before `{command}` ends with {}: `echo $?` says so",
                    self.code
                );
                self.played.commands += 1;
                self.shell(&command.replace("\n> ", "\n"))
            };
            self.code = code;
            is_new |= is_other(place, &command, &shown, &said);
            let kept = if matches(&shown, &said) { &shown } else { &said };
            new.extend(["$ ", &command, "\n", kept]);
            if !new.ends_with('\n') {
                new.push('\n');
            }
        }
        assert_eq!(self.code, 0, "{place}: the last command ends with {}: `echo $?` says so", self.code);
        is_new.then_some(new)
    }

    /// Holds a talk on a terminal, in which what stands behind a prompt is typed.
    fn talk(&mut self, block: &Block, place: &str) -> Option<String> {
        let (command, shown) = commands(&block.text).pop().expect("a command");
        let mut command_line = self.command(&format!("exec {command}"));
        command_line.env("TERM", "xterm");
        let mut session = OnTerminal::start(command_line, 24, 100);
        let mut said = session.ask(None, ASKS);
        for line in shown.lines().filter_map(|line| line.strip_prefix(ASKS)) {
            let answer = session.ask(Some(line), ASKS);
            said.extend([ASKS, line, "\n", &answer]);
        }
        session.press("\u{4}");
        session.leave().expect(0);
        self.played.commands += 1;
        is_other(place, &command, &shown, &said).then(|| format!("$ {command}\n{said}"))
    }

    /// What a command prints on both its outputs, in the order in which a terminal would have it.
    fn shell(&self, command: &str) -> (String, i32) {
        let (mut reader, writer) = std::io::pipe().expect("a pipe");
        let mut shell = self.command(command);
        shell.stdout(writer.try_clone().expect("the pipe")).stderr(writer);
        let mut child = shell.spawn().expect("a shell");
        drop(shell);
        let mut said = String::new();
        reader.read_to_string(&mut said).expect("UTF-8");
        let code = child.wait().expect("its end").code().expect("a code");
        (self.as_shown(&said), code)
    }

    fn command(&self, command: &str) -> Command {
        let binary = Path::new(env!("CARGO_BIN_EXE_chat-eval")).parent().expect("a folder");
        let path = std::env::var("PATH").unwrap_or_default();
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(self.really(command)).current_dir(self.sandbox.path()).env_clear().stdin(Stdio::null());
        shell.env("PATH", format!("{}:{path}", binary.display())).env("HOME", self.sandbox.path());
        for role in ["AUTHOR", "COMMITTER"] {
            shell.env(format!("GIT_{role}_NAME"), "You").env(format!("GIT_{role}_EMAIL"), "you@example.com");
        }
        shell.env("GIT_CONFIG_NOSYSTEM", "1").env("LC_ALL", "C.UTF-8");
        shell
    }

    /// Starts a server of the page, and waits until it says that it listens, which is its first line.
    fn start(&mut self, block: &Block, place: &str) {
        let (command, shown) = commands(&block.text).pop().expect("a command");
        let free =
            std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port");
        self.address = Some(free.to_string());
        let command = command.trim_end_matches('&').trim_end();
        let mut child = Running::of(self.command(&format!("exec {command}")));
        assert!(!shown.trim().is_empty(), "{place}: a server says when it listens");
        child.until_said(&self.really(shown.trim()));
        self.background.push(child);
        self.played.commands += 1;
    }

    /// A text of the page with the port that the server really has.
    fn really(&self, text: &str) -> String {
        match self.address.as_deref().and_then(|address| address.rsplit_once(':')) {
            Some((_, port)) => text.replace(PORT, port),
            None => text.to_owned(),
        }
    }

    /// What was said, as the page shows it: with its port, and without the sandbox's folder.
    fn as_shown(&self, text: &str) -> String {
        let folder = self.sandbox.path().to_string_lossy();
        let text = text.replace(&format!("{folder}/"), "");
        match self.address.as_deref().and_then(|address| address.rsplit_once(':')) {
            Some((_, port)) => text.replace(port, PORT),
            None => text,
        }
    }
}

/// Whether a command prints something else than what is shown. That is an error, unless the page is written anew.
fn is_other(place: &str, command: &str, shown: &str, said: &str) -> bool {
    let is_other = !matches(shown, said);
    assert!(
        !is_other || page::is_writing(),
        "{place}: `{command}` prints something else; {}:\n{}",
        page::HOW,
        page::similar_diff(&steady(shown), &steady(said))
    );
    is_other
}

/// The commands of a block, each with what is shown below it. A command goes on behind a line feed where the next line
/// begins with `> `.
fn commands(text: &str) -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            commands.push((command.to_owned(), String::new()));
        } else if let Some((command, shown)) = commands.last_mut() {
            if line.starts_with("> ") && shown.is_empty() {
                command.push('\n');
                command.push_str(line);
            } else {
                shown.push_str(line);
                shown.push('\n');
            }
        }
    }
    commands
}

/// What varies from run to run, redacted: times, ids, the version, and how wide a time makes its column.
pub fn steady(text: &str) -> String {
    let mut text = text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n").trim_end().to_owned();
    for (varies, instead) in [
        (r" \(bound \d+\.\d s\)", ""),
        // A longer time may put the next part of the sums on a line of its own.
        (r"\n(\d+ % fewer tokens|\d+ calls? saved)", " · $1"),
        (r" *\d+\.\d s", " N.N s"),
        (r"\d{8}T\d{6}Z-[0-9a-f]{4}", "RUN"),
        (r"chat-eval \d+\.\d+\.\d+", "chat-eval N.N.N"),
        (r"\b[0-9a-f]{12}\b", "COMMIT"),
        (r" +time\b *", " time "),
        (r"\d+ ms", "N ms"),
    ] {
        text = Regex::new(&format!("(?m){varies}")).unwrap().replace_all(&text, instead).into_owned();
    }
    text
}

/// Whether what is shown is what was said. A line that is `…` alone stands for any lines.
fn matches(shown: &str, said: &str) -> bool {
    let (shown, said) = (steady(shown), steady(said));
    let said: Vec<&str> = said.lines().collect();
    let lines: Vec<&str> = shown.lines().collect();
    let parts: Vec<&[&str]> = lines.split(|line| line.trim() == "…").collect();
    let [first, middle @ .., last] = parts.as_slice() else { return lines == said };
    let Some(mut rest) = said.strip_prefix(*first) else { return false };
    for part in middle {
        match rest.windows(part.len().max(1)).position(|lines| lines == *part || part.is_empty()) {
            Some(start) => rest = &rest[start + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// That a command which is not run is one of ours, with flags that it has.
fn commands_exist(place: &str, text: &str) {
    let sandbox = Sandbox::new();
    let call = Regex::new(r"(?:^|[ |])chat-eval ([a-z]+)(.*)").unwrap();
    let flags = Regex::new(r"(?:^| )(--[a-z][a-z-]*)").unwrap();
    for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
        let line = line.split("  #").next().unwrap_or_default();
        let Some(command) = call.captures(line) else { continue };
        let help = sandbox.run(&[&command[1], "--help"]);
        assert_eq!(help.code, Some(0), "{place}: `{line}`: {}", help.stderr);
        for flag in flags.captures_iter(&command[2]) {
            assert!(help.stdout.contains(&flag[1]), "{place}: `{line}`: `{}` is no flag of it", &flag[1]);
        }
    }
}

/// That a scenario, a part of one or a config is right. What a part needs to be whole is put around it.
fn check_part(place: &str, text: &str) {
    let sandbox = Sandbox::new();
    let has = |keys: &[&str]| text.lines().any(|line| keys.iter().any(|key| line.starts_with(key)));
    let is_config = text.starts_with("# chat-eval.yaml\n")
        || has(&["judge:", "embedding:", "limits:", "concurrency:", "models:\n", "models: {"]) && !has(&["turns:"])
        || Regex::new(r"(?m)^models:\n").unwrap().is_match(text);
    let config = "\
judge: {model: judge}
embedding: {model: judge}
models: {judge: {provider: openai, api_key_env: none}, gpt-4o-mini: {provider: openai, api_key_env: none}}
";
    sandbox.write("chat-eval.yaml", if is_config { text } else { config });
    for (path, text) in [
        ("personas/reviewer.md", "You review Python code."),
        ("_fillers.yaml", "- {user: Nice weather., reply: Indeed.}\n- {user: And now?, reply: Rain.}\n"),
        ("question.jsonl", "{\"turns\": [\"Hello\", \"Bye\"]}\n"),
    ] {
        sandbox.write(path, text);
    }
    let turn = "turns:\n  - user: My name is Priya, and I want to go to Lisbon. What's my name?\n";
    let booking = "  - {user: Book it., id: booking}\n  - user: When?\n";
    let scenario = if is_config {
        turn.to_owned()
    } else if text.starts_with("- ") {
        let checks: String = text.lines().flat_map(|line| ["      ", line, "\n"]).collect();
        format!("facts: {{name: Priya, colour: {{value: Red, outdated: [Brown]}}}}\n{turn}    expect:\n{checks}")
    } else if has(&["turns:"]) {
        text.to_owned()
    } else {
        let facts = if has(&["facts:"]) { "" } else { "facts: {name: Priya, employer: Google}\n" };
        let allow = "allow: [unused-fact, never-planted, only-by-reply, answer-in-question]\n";
        let matrix = if text.contains("{{ city }}") { "vars: {city: Lisbon}\n" } else { "" };
        format!("{text}{facts}{allow}{matrix}{turn}{booking}")
    };
    sandbox.write("part.yaml", &scenario);
    let ran = sandbox.run(&["check", "part.yaml"]);
    assert_eq!(ran.code, Some(0), "{place}: {}", ran.stderr);
}
