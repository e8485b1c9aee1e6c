//! A scenario from a stranger, played: what it names is read inside of its folder alone, what it makes is written into the run's
//! folder and beside the scenarios alone, its names make no trouble on any system, and what it and its bot say is shown as text.
//!
//! What does not even load is in `hostile.rs`; links and pipes in the place of our own files are in `strangers.rs`.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::answer::Answer;
use crate::support::junit::valid;
use crate::support::sandbox::{Ran, Sandbox};
use crate::support::server::Server;

const LONGEST: Duration = Duration::from_secs(60);

/// What a command says, which must come to an end of its own, soon.
fn run(sandbox: &Sandbox, arguments: &[&str]) -> Ran {
    let started = Instant::now();
    let ran = sandbox.run(arguments);
    assert!(started.elapsed() < LONGEST, "{arguments:?} took {:?}", started.elapsed());
    assert!(ran.code.is_some(), "{arguments:?} ended by a signal: {}", ran.stderr);
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    ran
}

/// A scenario for each key that names a file.
fn naming(file: &str) -> Vec<(&'static str, String)> {
    let file = serde_json::Value::from(file).to_string();
    vec![
        ("system_file", format!("persona: {{system_file: {file}}}\nturns: [{{user: a}}]\n")),
        ("cases", format!("cases: {file}\nturns: [{{user: a}}]\n")),
        ("probes", format!("turns: [{{user: a}}]\nprobes: {file}\n")),
        ("filler", format!("turns: [{{filler: {{count: 1, from: {file}}}}}, {{user: a}}]\n")),
        ("json_schema", format!("turns: [{{user: a, expect: [{{json_schema: {file}}}]}}]\n")),
    ]
}

#[test]
fn no_key_of_a_scenario_reads_a_file_outside_of_its_folder() {
    let sandbox = Sandbox::new().env("HUNTER", "hunter2");
    // In every format that one of the keys reads, so that what keeps it out is the place alone.
    for end in ["csv", "jsonl", "json", "yaml", "md"] {
        sandbox.write(&format!("secret.{end}"), "hunter2\n");
        sandbox.write(&format!("s/.secret.{end}"), "hunter2\n");
    }
    let deep = format!("{}secret.md", "../".repeat(3000));
    let long = format!("{}.csv", "a".repeat(5000));
    let into = format!("{}x.csv", "a/".repeat(3000));
    let absolute = sandbox.path().join("secret.md").to_string_lossy().into_owned();
    let mut tried = 0;
    for end in ["csv", "jsonl", "json", "yaml", "md"] {
        for file in [
            format!("../secret.{end}"),
            format!("x/../../secret.{end}"),
            format!(".secret.{end}"),
            format!("./.secret.{end}"),
        ] {
            tried += refused(&sandbox, &file);
        }
    }
    for file in [
        &*deep,
        &long,
        &into,
        &absolute,
        "/proc/self/environ",
        "/proc/self/fd/0",
        "/dev/zero",
        "/dev/stdin",
        "/etc/passwd",
        "a\0b.csv",
        "a\nb.csv",
        "\u{202e}vsc.a",
        "~/x.csv",
        "C:\\secret.csv",
        "\\\\host\\share\\x.csv",
        "file:///etc/passwd",
        "http://127.0.0.1:1/x.csv",
        "con",
        ".",
        "..",
        "/",
    ] {
        tried += refused(&sandbox, file);
    }
    assert_eq!(tried, 5 * 41);
}

/// Each key that names this file is an error, and nothing of the file is shown. Gives how many keys there are.
fn refused(sandbox: &Sandbox, file: &str) -> usize {
    let keys = naming(file);
    for (key, text) in &keys {
        sandbox.write("s/a.yaml", text);
        let ran = run(sandbox, &["check", "s"]).expect(2);
        assert!(!ran.stderr.contains("hunter2"), "{key}: {file:?}: {}", ran.stderr);
        assert!(ran.stderr.len() < 30_000, "{key}: a message that can be read");
        let raw = ran
            .stderr
            .chars()
            .find(|character| character.is_control() && *character != '\n' || *character == '\u{202e}');
        assert_eq!(raw, None, "{key}: {}", ran.stderr);
    }
    keys.len()
}

#[cfg(unix)]
#[test]
fn no_key_of_a_scenario_waits_for_a_pipe_or_reads_through_a_link_that_leads_out() {
    let sandbox = Sandbox::new().env("HUNTER", "hunter2");
    sandbox.write("secret.csv", "hunter2\n");
    sandbox.write("s/a.yaml", "turns: [{user: a}]\n");
    for end in ["csv", "jsonl", "json", "yaml.txt", "md"] {
        let at = |name: &str| sandbox.path().join(format!("s/{name}.{end}"));
        assert!(std::process::Command::new("mkfifo").arg(at("pipe")).status().expect("mkfifo").success());
        for (name, to) in [
            ("zero", "/dev/zero"),
            ("env", "/proc/self/environ"),
            ("out", "../secret.csv"),
            ("self", "/proc/self/cwd/secret.csv"),
        ] {
            std::os::unix::fs::symlink(to, at(name)).expect("a link");
        }
        for name in ["pipe", "zero", "env", "out", "self"] {
            refused(&sandbox, &format!("{name}.{end}"));
        }
    }
}

/// All that lies in a folder, links and empty folders too.
fn everything(folder: &Path) -> BTreeSet<String> {
    let walk = ignore::WalkBuilder::new(folder).standard_filters(false).build();
    walk.map(|entry| {
        entry.expect("an entry").path().strip_prefix(folder).expect("below").to_string_lossy().into_owned()
    })
    .collect()
}

/// Names in which a path, a device, a hidden text or a command stands.
const NAMES: [&str; 16] = [
    "../../escaped",
    "/tmp/escaped",
    "..",
    "a/b",
    "a\\b",
    "con",
    "nul.txt",
    "trailing. ",
    "\u{202e}gnp.exe",
    "e\u{301}",
    "\u{e9}",
    "\u{200b}",
    "=1+1",
    "::set-output name=a::b",
    "<script>alert(1)</script>",
    "%2e%2e%2f",
];

#[test]
fn whatever_personas_cases_models_and_values_are_called_nothing_is_written_elsewhere() {
    let sandbox = Sandbox::new();
    let list =
        |make: &dyn Fn(&str) -> String| NAMES.map(|name| make(&serde_json::Value::from(name).to_string())).join(", ");
    let turns = "turns: [{user: Hi, expect: [{max_words: 100}]}]\n";
    let personas = list(&|name| format!("{{name: {name}, system: Be kind.}}"));
    sandbox.write("inner/s/personas.yaml", format!("personas: [{personas}]\n{turns}"));
    sandbox.write("inner/s/cases.yaml", format!("cases: [{}]\n{turns}", list(&|name| format!("{{id: {name}}}"))));
    sandbox.write("inner/s/matrix.yaml", format!("matrix: {{v: [{}]}}\n{turns}", list(&str::to_owned)));
    sandbox.write("inner/chat-eval.yaml", "model: builtin\n");
    let before = everything(sandbox.path());
    let arguments =
        ["run", "inner/s", "--out", "inner/results", "--snapshots", "always", "--config", "inner/chat-eval.yaml"];
    let ran = run(&sandbox, &arguments).expect(0);
    assert!(ran.stdout.contains(&format!("{} passed", 3 * NAMES.len())), "{}", ran.stdout);
    nothing_obeyed(&ran, "plain");
    for file in everything(sandbox.path()).difference(&before) {
        let inside =
            ["inner/results", "inner/s/snapshots", "inner/s/cassettes"].iter().any(|folder| file.starts_with(folder));
        assert!(inside, "{file} was written");
        let name = file.rsplit('/').next().expect("a name");
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"@._%-=".contains(&byte);
        assert!(name.bytes().all(is_plain), "{name} is a name on every system");
        assert!(!name.ends_with('.') && name.len() <= 255, "{name}");
    }
}

/// On a file system that folds case or puts letters and their marks together two variants must not share a file.
#[test]
fn names_that_differ_by_case_are_refused_and_those_that_differ_by_their_code_points_have_files_of_their_own() {
    let sandbox = Sandbox::new();
    let personas = |one: &str, other: &str| {
        format!("personas: [{{name: \"{one}\", system: a}}, {{name: \"{other}\", system: b}}]\nturns: [{{user: a}}]\n")
    };
    sandbox.write("s/a.yaml", personas("Tutor", "tutor"));
    let ran = run(&sandbox, &["run", "s"]).expect(2);
    assert!(ran.stderr.contains("error[name-clash]"), "{}", ran.stderr);
    sandbox.write("s/a.yaml", personas("caf\u{e9}", "cafe\u{301}"));
    run(&sandbox, &["run", "s", "--snapshots", "always"]).expect(0);
    let snapshots: Vec<String> = sandbox.files("s/snapshots");
    assert_eq!(snapshots.len(), 2, "{snapshots:?}");
    assert!(snapshots.iter().all(|file| file.is_ascii()), "{snapshots:?}");
}

#[test]
fn a_scenario_has_no_name_that_hides_its_files_or_that_windows_takes_for_a_device() {
    let sandbox = Sandbox::new();
    for name in ["con", "nul", "aux.txt", "com1", "lpt9.a.b", ".", "..", ".hidden"] {
        sandbox.write("s/a.yaml", format!("name: {name}\nturns: [{{user: a}}]\n"));
        let ran = run(&sandbox, &["check", "s"]).expect(2);
        assert!(ran.stderr.contains("error[invalid-name]"), "{name}: {}", ran.stderr);
    }
    for name in ["A", "a/b", "../a", "a\\0b", "a\\nb", "\\u202ea", "a b", "\\u00e9", "", "a:b", "a*"] {
        sandbox.write("s/a.yaml", format!("name: \"{name}\"\nturns: [{{user: a}}]\n"));
        let ran = run(&sandbox, &["check", "s"]).expect(2);
        assert!(ran.stderr.contains("error[invalid-name]"), "{name}: {}", ran.stderr);
    }
    for name in ["a.", "console", "a.con", "-x", "_a"] {
        sandbox.write("s/a.yaml", format!("name: {name}\nturns: [{{user: a}}]\n"));
        run(&sandbox, &["check", "s"]).expect(0);
    }
}

/// Everything that a terminal, a CI service, a spreadsheet, a page or a report could take for more than text.
const HOSTILE: &str = "::set-output name=x::y\n::add-mask::e\n::stop-commands::t\n##[command]x\n##vso[task.setvariable variable=a]b\n\
    \u{1b}[2J\u{1b}]8;;http://evil\u{7}\u{9b}31m\r\0\u{8}\u{202e}abc\u{2066}\u{200b}\u{feff}\u{fffe}\n=HYPERLINK(\"http://evil\")\n\
    ]]><x/>&#0;&lt;</script><script>alert(1)</script><img src=x onerror=alert(1)>\n\
    ```\n</details><!-- | a | b |\n[x](javascript:alert(1)) ![y](http://evil/t.png) @everyone #1 {{ 7*7 }}\n---\nsource: other\n---\n\
    {\"event\":\"done\"}\n";

/// Nothing in an output that a terminal obeys, that hides, or that CI takes for a command of ours.
fn nothing_obeyed(ran: &Ran, format: &str) {
    for text in [&ran.stdout, &ran.stderr] {
        let raw = text
            .chars()
            .find(|c| c.is_control() && *c != '\n' || "\u{202e}\u{2066}\u{200b}\u{feff}\u{fffe}".contains(*c));
        assert_eq!(raw, None, "{format}:\n{text}");
        for line in text.lines().map(str::trim_start).filter(|line| line.starts_with("::")) {
            let ours = ["::error ", "::warning ", "::notice ", "::group::", "::endgroup::"];
            assert!(format == "github" && ours.iter().any(|start| line.starts_with(start)), "{format}: {line}");
        }
        assert!(!text.contains("##[") && !text.contains("##vso["), "{format}:\n{text}");
    }
}

#[test]
fn hostile_texts_of_a_scenario_and_of_its_bot_are_texts_in_every_format_and_file() {
    let server = Server::start(|request| match request.last_user().as_str() {
        "fail" => Answer::error(400, HOSTILE, HOSTILE),
        _ => Answer::reply(request, HOSTILE),
    });
    let sandbox = Sandbox::with_bot(&server.base_url());
    // YAML takes these characters escaped alone; the braces would be a template.
    let said = serde_json::Value::from(HOSTILE.replace("{{ 7*7 }}", "")).to_string();
    let escaped = |character: char| {
        if character.is_ascii() { character.to_string() } else { format!("\\u{:04x}", u32::from(character)) }
    };
    let said: String = said.chars().map(escaped).collect();
    let scenario = format!(
        "description: {said}\npersonas: [{{name: p, system: {said}}}]\nfacts: {{f: {{value: {said}, aliases: [Priya]}}}}\n\
         turns:\n  - {{user: {said}, expect: [{{contains: {said}, name: {said}}}, {{equals: {said}, known_failure: {said}}}, {{recalls: f}}, {{matches: 'x{{9}}'}}]}}\n  - user: fail\n"
    );
    sandbox.write("s/a.yaml", scenario);
    for format in ["plain", "github", "json", "pretty"] {
        let ran = run(
            &sandbox,
            &[
                "run",
                "s",
                "--snapshots",
                "always",
                "--cassettes",
                "record",
                "--format",
                format,
                "--color",
                "never",
                "--retries",
                "0",
            ],
        );
        assert!(matches!(ran.code, Some(1 | 3)), "{format}: {:?}\n{}\n{}", ran.code, ran.stdout, ran.stderr);
        if format == "json" {
            let lines: Vec<serde_json::Value> =
                ran.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
            assert!(lines.len() > 2);
        }
        nothing_obeyed(&ran, format);
    }
    for arguments in [
        &["report", "--color", "never"][..],
        &["report", "--format", "github"],
        &["compare"],
        &["compare", "--format", "markdown"],
        &["plan", "s", "--requests"],
        &["review", "s", "--list"],
        &["check", "s"],
        &["mutate", "latest", "s"],
    ] {
        nothing_obeyed(&run(&sandbox, arguments), if arguments.contains(&"github") { "github" } else { "plain" });
    }
    for file in ["transcripts.csv", "checks.csv", "retention.csv", "summary.csv"] {
        for (column, cell) in sandbox.rows(file).into_iter().flatten() {
            assert!(!cell.starts_with(['=', '@', '\t', '\r']), "{file}: {column}: {cell}");
        }
    }
    valid(&sandbox.read("results/latest/junit.xml"));
    let page = sandbox.read("results/latest/report.html");
    assert!(
        !page.contains("alert(1)") && !page.contains("onerror"),
        "nothing of a text is in the page but in its data"
    );
    for file in sandbox.files("s/snapshots").iter().chain(&["results/latest/summary.md".to_owned()]) {
        let file = if sandbox.has(file) { file.clone() } else { format!("s/snapshots/{file}") };
        let raw = sandbox
            .read(&file)
            .chars()
            .find(|c| c.is_control() && *c != '\n' || "\u{202e}\u{2066}\u{200b}".contains(*c));
        assert_eq!(raw, None, "{file}");
    }
    let journal = sandbox.read("results/latest/journal.jsonl");
    assert!(
        journal.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()),
        "a text begins no line of its own"
    );
}

#[test]
fn facts_that_are_hostile_are_found_or_not_in_bounded_time() {
    let sandbox = Sandbox::new();
    let aliases = (0..50_000).map(|n| format!("a{n}")).collect::<Vec<_>>().join(", ");
    for (facts, code) in [
        ("{f: ''}".to_owned(), 2),
        ("{f: ' '}".to_owned(), 2),
        ("{f: \"\\u0301\"}".to_owned(), 0),
        ("{f: \"\\u200b\"}".to_owned(), 0),
        (format!("{{f: \"{}\"}}", "y".repeat(1 << 20)), 0),
        (format!("{{f: \"{}\"}}", "y \\n".repeat(1 << 18)), 0),
        (format!("{{f: {{value: x, aliases: [{aliases}]}}}}"), 2),
        (
            format!("{{f: {{value: x, aliases: [{}]}}}}", aliases.split(", ").take(900).collect::<Vec<_>>().join(", ")),
            0,
        ),
        (format!("{{f: {{value: aaa, match: regex, regex: '{}'}}}}", "(a|aa)*".repeat(50)), 0),
        ("{f: {value: aaa, match: regex, regex: '(a*)*b'}}".to_owned(), 2),
    ] {
        sandbox.write(
            "s/a.yaml",
            format!(
                "facts: {facts}\nturns: [{{user: '{}'}}, {{user: What?, expect: [{{retains_iff_visible: f}}]}}]\n",
                "y ".repeat(20_000)
            ),
        );
        let ran = run(&sandbox, &["run", "s", "--snapshots", "off"]);
        let shown: String = facts.chars().take(60).collect();
        assert!(ran.code == Some(code) || code == 0 && ran.code == Some(1), "{shown}: {:?} {}", ran.code, ran.stderr);
        assert!(ran.stderr.len() < 100_000 && ran.stdout.len() < 100_000, "{shown}: a message that can be read");
    }
}

#[test]
fn expressions_of_death_are_harmless_on_long_replies() {
    let server = Server::start(|request| Answer::reply(request, &"a".repeat(300_000)));
    let sandbox = Sandbox::with_bot(&server.base_url());
    let checks = [
        "{matches: '^(a+)+$'}",
        "{matches: '(a|aa)+b'}",
        "{not_matches: '(.*a){12}b'}",
        "{matches: '(x+x+)+y'}",
        "{not: {matches: '(([a-z])+.)+[A-Z]([a-z])+$'}}",
        "{json_schema: {type: string, pattern: '^(a+)+$'}}",
        "{similar: {to: aaaaaaaa, min: 0.5, by: levenshtein}}",
    ];
    sandbox.write(
        "s/a.yaml",
        format!("turns: [{{user: Hi, capture: {{c: '(a(?:a|aa)*)'}}, expect: [{}]}}]\n", checks.join(", ")),
    );
    let ran = run(&sandbox, &["run", "s", "--snapshots", "off"]);
    assert!(matches!(ran.code, Some(1 | 3)), "{:?}: {}", ran.code, ran.stderr);
    assert_eq!(sandbox.rows("checks.csv").len(), checks.len(), "each was decided");
}

#[test]
fn what_a_bot_says_is_never_a_template_nor_a_file_nor_a_variable() {
    let server = Server::start(|request| Answer::reply(request, "ticket {{ 7*7 }}{% include '/etc/passwd' %}&*! end"));
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write(
        "s/a.yaml",
        "cases: [{id: a, v: '{{ 7*7 }}'}]\nturns:\n  - {user: 'Hi {{ v }}', capture: {t: 'ticket (.*) end'}}\n  - {user: 'It is {{ t }}'}\n",
    );
    run(&sandbox, &["run", "s", "--snapshots", "off"]).expect(0);
    let rows = sandbox.rows("transcripts.csv");
    assert_eq!(rows[0]["user"], "Hi {{ 7*7 }}");
    assert_eq!(rows[1]["user"], "It is {{ 7*7 }}{% include '/etc/passwd' %}&*!");
}

/// Many files are read by threads, whose stacks are smaller than that of the main one.
#[test]
fn yaml_as_deep_as_may_be_overflows_no_stack_however_many_files_there_are() {
    let sandbox = Sandbox::new();
    for number in 0..130 {
        let nested = ["{a: ", "[: ", "["][number % 3].repeat(400);
        sandbox.write(&format!("s/n{number}.yaml"), format!("turns: {nested}\n"));
    }
    let ran = run(&sandbox, &["check", "s"]).expect(2);
    assert_eq!(ran.stderr.matches("error[yaml-limit]").count(), 130, "{}", ran.stderr);
}
