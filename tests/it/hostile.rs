//! Inputs that nobody means well with, through the real binary: each ends in a clear error with its code, soon and without a
//! panic, and never in a stack overflow or a full memory.
//!
//! That it is soon is held by an upper limit that a busy machine keeps too; the sizes are such that work which grows with the
//! square of the input, or without end, misses it by far.

use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::sandbox::{Ran, Sandbox};

const LONGEST: Duration = Duration::from_secs(20);
const GOOD: &str = "turns:\n  - user: Hello\n";
const MIB: usize = 1 << 20;

/// What `check` says, which must come soon.
fn check(sandbox: &Sandbox, path: &str) -> Ran {
    let started = Instant::now();
    let ran = sandbox.run(&["check", path]);
    assert!(started.elapsed() < LONGEST, "{path} took {:?}", started.elapsed());
    assert!(ran.code.is_some(), "{path} ended by a signal: {}", ran.stderr);
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    ran
}

/// The scenario is refused with this code.
fn refused(text: impl AsRef<[u8]>, code: &str) -> Ran {
    let sandbox = Sandbox::new();
    sandbox.write("a.yaml", text);
    let ran = check(&sandbox, "a.yaml").expect(2);
    assert!(ran.stderr.contains(&format!("error[{code}]")), "{code}: {}", ran.stderr);
    assert!(ran.stderr.len() < 200_000, "a message that can be read");
    ran
}

/// Lines that differ by their number.
fn lines(number: usize, line: impl Fn(usize) -> String) -> String {
    (0..number).map(line).collect::<Vec<_>>().concat()
}

/// Says so past the test harness, which keeps what a test that passes prints to itself.
fn left_out(why: &str) {
    let _ = writeln!(std::io::stderr(), "\nLEFT OUT: {why}\n");
}

fn turn(user: &str) -> String {
    format!("turns:\n  - user: \"{user}\"\n")
}

#[test]
fn deep_nesting_is_refused_in_whatever_style_it_is_written() {
    for text in ["[".repeat(10 * MIB), "{a: ".repeat(2 * MIB), "- ".repeat(5 * MIB), "? ".repeat(5 * MIB)] {
        refused(text, "yaml-limit");
    }
    refused(lines(4000, |depth| " ".repeat(depth) + "a:\n"), "yaml-limit");
}

#[test]
fn aliases_that_unfold_without_end_are_refused() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for pair in names.windows(2) {
        let aliases = vec![format!("*{}", pair[0]); 10].join(", ");
        bomb.push_str(&[pair[1], ": &", pair[1], " [", &aliases, "]\n"].concat());
    }
    refused(bomb + "turns: *h\n", "yaml-limit");
    let long = format!("x: &x \"{}\"\nturns: [{}]\n", "a".repeat(MIB), "{user: *x}, ".repeat(5000));
    refused(long, "yaml-limit");
    refused("a: &a [*a]\nturns: *a\n", "invalid-yaml");
}

#[test]
fn a_file_that_is_too_large_or_no_text_is_refused() {
    refused(turn(&"a".repeat(11 * MIB)), "file-too-large");
    let bytes: Vec<u8> = (0..200_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    refused(bytes, "not-utf8");
    let ran = refused(b"turns:\n  - user: caf\xe9\n", "not-utf8");
    insta::assert_snapshot!(ran.stderr, @r"
    error[not-utf8]: `a.yaml` is no text: byte 20, in line 2, is not UTF-8
     |
     = help: save it as UTF-8

    1 error; nothing was sent
    ");
    refused(turn("a").encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>(), "invalid-yaml");
    refused("turns:\n  - user: \"a\0b\"\n", "invalid-yaml");
}

#[test]
fn a_file_with_very_many_errors_is_read_soon() {
    refused(format!("turns:\n{}", "  - usr: a\n".repeat(5_000)), "too-many-errors");
    refused(format!("{GOOD}{}", "name: a\n".repeat(10_000)), "too-many-errors");
    refused(format!("turns: [{}]", "{usr: a}, ".repeat(5_000)), "too-many-errors");
}

#[test]
fn positions_are_right_behind_a_byte_order_mark_and_with_carriage_returns() {
    let ran = refused("\u{feff}nmae: a\r\nturns:\r\n  - user: \"é世😀\"\r\n    expct: []\r\n", "unknown-key");
    insta::assert_snapshot!(ran.stderr, @r"
    error[unknown-key]: `nmae` is no key of a scenario
     --> a.yaml:1:1
      |
    1 | nmae: a
      | ^^^^ did you mean `name`?

    error[unknown-key]: `expct` is no key of a turn
     --> a.yaml:4:5
      |
    4 |     expct: []
      |     ^^^^^ did you mean `expect`?
      |
      = help: known are `user`, `reply`, `id`, `expect`, `capture`, `allow` and `filler`

    2 errors; nothing was sent
    ");
}

#[test]
fn empty_files_and_several_documents_are_said_to_be_so() {
    for text in ["", "# a\n", "---\n", "\u{feff}", "\n\n  \n"] {
        refused(text, "empty-file");
    }
    refused(format!("{GOOD}---\n{GOOD}"), "several-documents");
    refused("turns:\n\t- user: a\n", "invalid-yaml");
}

#[test]
fn templates_cannot_fill_the_memory_or_the_stack() {
    for (template, code) in [
        ("{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}".to_owned(), "template-refused"),
        ("{{ range(1000000000) }}".to_owned(), "unknown-variable"),
        ("{{ 'x' * 1000000000 }}".to_owned(), "template-refused"),
        (format!("{{% set a = 'x' %}}{}{{{{ a }}}}", "{% set a = a ~ a %}".repeat(40)), "template-refused"),
        (format!("{{{{ 'aaaaaaaaaa'{} }}}}", "|replace('a', 'aaaaaaaaaa')".repeat(12)), "template-error"),
        (format!("{{{{ 'aaaaaaaaaa'{} }}}}", "|list|join('aaaaaaaaaa')".repeat(12)), "template-error"),
        ("{{ 'x'|center(1000000000) }}".to_owned(), "template-error"),
        ("{% macro f(n) %}{{ f(n) }}{% endmacro %}{{ f(1) }}".to_owned(), "template-refused"),
        ("{% include '/etc/passwd' %}".to_owned(), "template-refused"),
        (format!("{{{{ {}1{} }}}}", "(".repeat(100_000), ")".repeat(100_000)), "template-refused"),
        (format!("{{{{ 1{} }}}}", "+1".repeat(100_000)), "template-refused"),
        (format!("{{{{ {}1 }}}}", "-".repeat(100_000)), "template-refused"),
        (format!("{{{{ v{} }}}}", "|upper".repeat(100_000)), "template-refused"),
        (format!("{{% if {}1 %}}{{% endif %}}", "not ".repeat(100_000)), "template-refused"),
        ("{% if 1 %}".repeat(100_000), "template-refused"),
        (format!("{{% if 0 %}}{}{{% endif %}}", "{% elif 0 %}".repeat(100_000)), "template-refused"),
        ("{% for a in v %}{% for b in v %}{% for c in v %}{% for d in v %}x{% endfor %}{% endfor %}{% endfor %}{% endfor %}".to_owned(), "template-error"),
    ] {
        let list = vec!["a"; 100].join(", ");
        refused(format!("vars: {{v: [{list}]}}\n{}", turn(&template)), code);
    }
}

#[test]
fn a_few_words_that_would_take_minutes_or_gigabytes_are_refused() {
    let list = |items: usize| format!("vars: {{v: [{}]}}\n", vec!["1"; items].join(","));
    let turns = |user: &str, times: usize| format!("turns:\n{}", format!("  - user: \"{user}\"\n").repeat(times));
    let all_in_each = "{% for a in v %}{% if v|join|length > 0 %}x{% endif %}{% endfor %}";
    let told = |text: String| {
        let sandbox = Sandbox::new();
        sandbox.write("a.yaml", text);
        check(&sandbox, "a.yaml").expect(2).stderr
    };
    assert!(told(list(9_000) + &turns(all_in_each, 1)).contains("its filters go through more than 16 MiB"));
    // One of them is right, and all together are too much, which is said once.
    let many = told(list(1_200) + &turns(all_in_each, 9));
    assert!(many.contains("the filters of one script go through more than 64 MiB"), "{many}");
    assert!(many.contains("\n1 error; nothing was sent"), "{many}");
    let long = told(format!("vars: {{v: {}}}\n{}", "x".repeat(400_000), turns("{{ v }}", 90)));
    assert!(long.contains("the texts of one script come to more than 32 MiB with this"), "{long}");
    assert!(long.contains("\n1 error; nothing was sent"), "{long}");
    // What fails for another reason is said of each, however many there are.
    let wrong = told(format!("vars: {{v: x}}\n{}", turns("{{ v|uper }}", 9)));
    assert_eq!(wrong.matches("`uper` is no filter").count(), 9, "{wrong}");
    // A filter that does not go through its list is not charged for it.
    let sandbox = Sandbox::new();
    let last_in_each = "{% for a in v %}{{ a|string|upper }} of {{ v|length }}{% endfor %}";
    sandbox.write("a.yaml", list(5_000) + &turns(last_in_each, 2));
    check(&sandbox, "a.yaml").expect(0);
}

#[test]
fn a_template_as_large_as_may_be_does_not_overflow_the_small_stack_of_a_worker() {
    let sandbox = Sandbox::new();
    let nested = format!("{}{{{{ n }}}}{}", "{% if n %}".repeat(60), "{% endif %}".repeat(60));
    let chained = format!("{{{{ n{} }}}}", "|abs".repeat(45));
    let either = format!("{{% if not n %}}{}{{% endif %}}", "{% elif not n %}".repeat(70));
    let template = format!("{nested}{chained}{either}");
    sandbox.write("a.yaml", format!("matrix: {{n: [1, 2]}}\n{}", turn(&template)));
    sandbox.run(&["run", "a.yaml", "--snapshots", "off"]).expect(0);
}

#[test]
fn sizes_are_bounded_before_anything_is_unfolded() {
    refused("turns:\n  - filler: 1000000000000\n  - user: a\n", "out-of-range");
    refused("turns:\n  - filler: 99999999999999999999999999999999999999999999999\n", "out-of-range");
    refused(format!("turns:\n{}", "  - filler: 10000\n".repeat(5000)), "too-many-turns");
    let axes = lines(20, |n| format!("  a{n}: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\n"));
    refused(format!("matrix:\n{axes}{GOOD}"), "too-many-cells");
    refused(format!("trials: 1000000\n{GOOD}"), "out-of-range");
    let sandbox = Sandbox::new();
    let rows = lines(1000, |n| format!("  - {{n: {n}}}\n"));
    sandbox.write("a.yaml", format!("trials: 10000\ncases:\n{rows}{GOOD}"));
    let ran = check(&sandbox, "a.yaml").expect(2);
    assert!(
        ran.stderr.contains("the plan has 10000000 conversations, and at most 100000 are allowed"),
        "{}",
        ran.stderr
    );
}

#[test]
fn expressions_and_globs_that_explode_are_refused() {
    let check = |check: &str| format!("{GOOD}    expect:\n      - {check}\n");
    refused(check("matches: '(?:a{1000}){1000}'"), "invalid-regex");
    refused(check(&format!("matches: '{}'", "(".repeat(100_000))), "invalid-regex");
    refused(check(&format!("matches: '{}'", r"\w{100}".repeat(200))), "invalid-regex");
    refused(check(&format!("{{contains: a, models: '{}'}}", "{a,".repeat(20_000))), "invalid-glob");
    refused(check(&format!("{{contains: a, models: '{}'}}", "[".repeat(20_000))), "invalid-glob");
}

fn with_cases(name: &str, text: impl AsRef<[u8]>) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write(name, text);
    sandbox.write("a.yaml", format!("cases: {name}\nturns:\n  - user: Hello {{{{ q }}}}\n"));
    sandbox
}

#[test]
fn files_of_cases_are_read_strictly() {
    for (name, text, code) in [
        ("c.csv", "id,q\n1,a\n2\n".to_owned(), "invalid-cases"),
        ("c.csv", "id,q,q\n1,a,b\n".to_owned(), "invalid-cases"),
        ("c.csv", "id,q\n".to_owned(), "no-cases"),
        ("c.csv", String::new(), "no-cases"),
        ("c.csv", "id,q\n1,a\n1,b\n".to_owned(), "duplicate-case"),
        ("c.csv", format!("id,q\n{}", lines(100_001, |n| format!("{n},a\n"))), "too-many-cases"),
        // Every row would have the long name, however short it is itself.
        ("c.csv", format!("id,{}\n{}", "x".repeat(MIB), lines(99, |n| format!("{n},a\n"))), "invalid-cases"),
        // What is wrong first is said.
        ("c.jsonl", "{\"id\":\"a\"}\n{\"id\":\"a\"}\nnot json".to_owned(), "duplicate-case"),
        ("c.csv", "id,q\na,1\na,2\nb,3,4\n".to_owned(), "duplicate-case"),
        ("c.csv", "id,question\n1,a\n".to_owned(), "unknown-variable"),
        ("c.jsonl", "{\"q\": 1}\n{\"q\":\n".to_owned(), "invalid-cases"),
        ("c.jsonl", "[1]\n".to_owned(), "invalid-cases"),
        ("c.jsonl", "{\"q\": 1, \"q\": 2}\n".to_owned(), "invalid-cases"),
        ("c.jsonl", format!("{{\"q\": {}1{}}}\n", "[".repeat(MIB), "]".repeat(MIB)), "invalid-cases"),
        ("c.jsonl", "[".repeat(MIB), "invalid-cases"),
    ] {
        let ran = check(&with_cases(name, text), "a.yaml").expect(2);
        assert!(ran.stderr.contains(&format!("error[{code}]")), "{code}: {}", ran.stderr);
        // That the columns are missing then is no second error.
        assert!(ran.stderr.contains("1 error; nothing"), "{code}: {}", ran.stderr);
    }
}

#[test]
fn cases_with_a_byte_order_mark_quotes_and_line_feeds_are_data() {
    let lines = with_cases("c.jsonl", "\u{feff}{\"id\": \"x\", \"q\": \"you\"}\n");
    check(&lines, "a.yaml").expect(0);
    let numbers = with_cases("c.jsonl", "{\"id\": 12345678901234567890123, \"q\": 2.50}\n{\"id\": 1e3, \"q\": 7}\n");
    numbers.run(&["run", "a.yaml", "--snapshots", "off"]).expect(0);
    let as_written: Vec<_> =
        numbers.rows("transcripts.csv").iter().map(|row| [row["case"].clone(), row["user"].clone()]).collect();
    assert_eq!(as_written, [["12345678901234567890123", "Hello 2.50"], ["1e3", "Hello 7"]]);
    let sandbox = with_cases("c.csv", "\u{feff}id,q\r\n\"a b\",\"He said \"\"hi\"\",\nand {{ left }}\"\r\n");
    sandbox.run(&["run", "a.yaml", "--snapshots", "off"]).expect(0);
    let rows = sandbox.rows("transcripts.csv");
    assert_eq!(rows[0]["user"].replace("\r\n", "\n"), "Hello He said \"hi\",\nand {{ left }}");
    assert_eq!(rows[0]["case"], "a b");
}

#[test]
fn folders_that_are_missing_or_empty_are_told_apart() {
    let sandbox = Sandbox::new();
    sandbox.write("empty/readme.md", "nothing");
    sandbox.write("odd/x.yaml/readme.md", "a folder that is called like a file");
    sandbox.write("odd/.hidden.yaml", "[");
    sandbox.write("odd/.git/a.yaml", "[");
    sandbox.write("odd/_draft.yaml", "[");
    sandbox.write("odd/_drafts/a.yaml", "[");
    sandbox.write("odd/snapshots/a.yaml", "[");
    sandbox.write("odd/cassettes/a.yaml", "[");
    for command in ["check", "run"] {
        let missing = sandbox.run(&[command, "nowhere"]).expect(2);
        assert!(missing.stderr.contains("error[missing-path]: `nowhere` does not exist"), "{}", missing.stderr);
        let empty = sandbox.run(&[command, "empty"]).expect(4);
        assert!(empty.stderr.contains("no scenario found"), "{}", empty.stderr);
        sandbox.run(&[command, "odd"]).expect(4);
    }
}

#[test]
fn scenarios_are_found_in_byte_order_of_their_paths_and_each_once() {
    let sandbox = Sandbox::new();
    for path in ["s/b.yaml", "s/a/z.yml", "s/a.yaml", "s/B.yaml", "s/a-b.yaml"] {
        let name = path.replace('/', "-").to_lowercase() + if path.contains('B') { "2" } else { "" };
        sandbox.write(path, format!("name: {name}\n{GOOD}"));
    }
    sandbox.run(&["run", "s", "s/a.yaml", "./s/b.yaml", "--snapshots", "off"]).expect(0);
    let names: Vec<String> = sandbox.rows("summary.csv").iter().map(|row| row["scenario"].clone()).collect();
    assert_eq!(names, ["s-b.yaml2", "s-a-b.yaml", "s-a.yaml", "s-a-z.yml", "s-b.yaml"]);
}

#[test]
fn a_scenario_on_standard_input_is_played_and_its_errors_are_shown() {
    let sandbox = Sandbox::new();
    let with_input = |text: &str| {
        let mut command = sandbox.command(&["run", "-", "--snapshots", "off"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary");
        child.stdin.take().expect("its input").write_all(text.as_bytes()).expect("it reads");
        Ran::from(child.wait_with_output().expect("its end"))
    };
    with_input(GOOD).expect(0);
    assert_eq!(sandbox.rows("summary.csv")[0]["scenario"], "stdin");
    let wrong = with_input("turns: 1\n").expect(2);
    assert!(wrong.stderr.contains(" --> -:1:8"), "{}", wrong.stderr);
    with_input("").expect(2);
}

#[test]
fn files_are_relative_to_their_scenario_and_inside_the_folder_that_was_given() {
    let sandbox = Sandbox::new();
    sandbox.write("s/personas/tutor.md", "You are patient.");
    sandbox.write("s/deep/a.yaml", format!("persona: {{system_file: ../personas/tutor.md}}\n{GOOD}"));
    check(&sandbox, "s").expect(0);
    check(&sandbox, ".").expect(0);
    for path in ["s/deep", "s/deep/a.yaml"] {
        let ran = check(&sandbox, path).expect(2);
        let said = "error[path-outside]: `../personas/tutor.md` lies outside of `s/deep`";
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
    }
}

#[cfg(unix)]
#[test]
fn links_lead_to_nothing_outside_of_the_folder() {
    use std::os::unix::fs::symlink;
    let sandbox = Sandbox::new();
    let link = |to: &str, at: &str| symlink(to, sandbox.path().join(at)).expect("a link");
    sandbox.write("secret.yaml", "password hunter2: [\n");
    sandbox.write("s/personas/tutor.md", "You are patient.");
    sandbox.write("s/.env", "KEY=hunter2");
    link("../secret.yaml", "s/outside.md");
    link(".env", "s/harmless.md");
    link("personas/tutor.md", "s/inside.md");
    let scenario = |file: &str| format!("persona: {{system_file: {file}}}\n{GOOD}");
    for (file, said) in [
        ("inside.md", ""),
        ("personas/../inside.md", ""),
        ("outside.md", "error[path-outside]"),
        ("../secret.yaml", "error[path-outside]"),
        ("personas/../../secret.yaml", "error[path-outside]"),
        ("/etc/hostname", "error[path-outside]"),
        (".env", "error[hidden-file]"),
        ("./.env", "error[hidden-file]"),
        ("harmless.md", "error[hidden-file]"),
        ("personas", "error[unreadable]"),
        ("nowhere.md", "error[missing-file]"),
    ] {
        sandbox.write("s/a.yaml", scenario(file));
        let ran = check(&sandbox, "s");
        assert_eq!(ran.code, Some(if said.is_empty() { 0 } else { 2 }), "{file}: {}", ran.stderr);
        assert!(ran.stderr.contains(said) && !ran.stderr.contains("hunter2"), "{file}: {}", ran.stderr);
    }
    sandbox.write("s/a.yaml", GOOD);
    link("../secret.yaml", "s/b.yaml");
    let ran = check(&sandbox, "s").expect(2);
    assert!(
        ran.stderr.contains("is a link that leads out of `s`") && !ran.stderr.contains("hunter2"),
        "{}",
        ran.stderr
    );
    std::fs::remove_file(sandbox.path().join("s/b.yaml")).expect("the link");
    link("b.yaml", "s/b.yaml");
    let ran = check(&sandbox, "s").expect(2);
    assert!(ran.stderr.contains("error[unreadable]: `s/b.yaml` cannot be read"), "{}", ran.stderr);
    std::fs::remove_file(sandbox.path().join("s/b.yaml")).expect("the link");
    link("nowhere.yaml", "s/b.yaml");
    let ran = check(&sandbox, "s").expect(2);
    assert!(ran.stderr.contains("error[missing-file]: `s/b.yaml` is a link that leads to nothing"), "{}", ran.stderr);
}

#[cfg(unix)]
#[test]
fn a_pipe_among_the_files_is_not_waited_for() {
    let sandbox = Sandbox::new();
    sandbox.write("s/a.yaml", format!("persona: {{system_file: pipe.yaml}}\n{GOOD}"));
    let pipe = sandbox.path().join("s/pipe.yaml");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    if !made.is_ok_and(|status| status.success()) {
        left_out("this machine has no mkfifo, so that no pipe can be tried");
        return;
    }
    let ran = check(&sandbox, "s").expect(2);
    assert!(ran.stderr.contains("error[unreadable]: `pipe.yaml` is no file"), "{}", ran.stderr);
    // It has the name of a scenario, too.
    assert!(ran.stderr.contains("error[unreadable]: `s/pipe.yaml` cannot be read: it is a pipe"), "{}", ran.stderr);
    assert!(ran.stderr.contains("2 errors;"), "{}", ran.stderr);
}

#[cfg(unix)]
#[test]
fn a_file_that_may_not_be_read_is_an_error_with_its_name() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    let sandbox = Sandbox::new();
    let path = sandbox.write("s/a.yaml", GOOD);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).expect("permissions");
    let mut command = sandbox.command(&["check", "s"]);
    if std::fs::read(&path).is_ok() {
        // Root reads everything: the check is made as the user `nobody`, who needs a way to the folder.
        std::fs::set_permissions(sandbox.path(), std::fs::Permissions::from_mode(0o755)).expect("permissions");
        command.uid(65_534).gid(65_534);
    }
    let Ok(output) = command.output() else {
        left_out("this user reads files that nobody may read (root), and cannot become another one");
        return;
    };
    let ran = Ran::from(output).expect(2);
    assert!(ran.stderr.contains("error[unreadable]: `s/a.yaml` may not be read"), "{}", ran.stderr);
}
