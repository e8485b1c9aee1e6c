//! `init`: what it makes passes at once, and what was there stays.

use std::collections::BTreeMap;

use crate::support::sandbox::Sandbox;

const MADE: [&str; 8] = [
    ".chat-eval/config.schema.json",
    ".chat-eval/scenario.schema.json",
    ".github/workflows/chat-eval.yml",
    ".gitignore",
    "chat-eval.yaml",
    "scenarios/first-name.yaml",
    "scenarios/snapshots/first-name@concierge.builtin.2.snap",
    "scenarios/snapshots/first-name@concierge.builtin.full.snap",
];

/// All files but what runs wrote, with what they say.
fn files(sandbox: &Sandbox) -> BTreeMap<String, String> {
    let files = sandbox.files(".").into_iter().filter(|file| !file.starts_with("results/"));
    files.map(|file| (file.clone(), sandbox.read(&file))).collect()
}

#[test]
fn what_it_makes_passes_at_once_in_ci_too_and_a_run_writes_nothing_beside_results() {
    for ci in ["true", ""] {
        let sandbox = Sandbox::new().env("CI", ci);
        let ran = sandbox.run(&["init"]).expect(0);
        assert!(ran.stdout.ends_with("next:\n  chat-eval run scenarios/\n"), "{}", ran.stdout);
        let made = files(&sandbox);
        assert!(made.keys().eq(&MADE), "{made:?}");
        for file in MADE {
            assert!(ran.stdout.contains(&format!("made  {file}\n")), "{file} is not in:\n{}", ran.stdout);
        }
        sandbox.run(&["check", "scenarios/"]).expect(0);
        let ran = sandbox.run(&["run", "scenarios/"]).expect(0);
        assert!(ran.stdout.contains("2 passed") && !ran.stdout.contains("snap"), "{}", ran.stdout);
        assert_eq!(files(&sandbox), made, "CI={ci:?}");
    }
}

#[test]
fn its_scenario_forgets_with_a_window_and_remembers_without() {
    let sandbox = Sandbox::new();
    sandbox.run(&["init"]).expect(0);
    sandbox.run(&["run", "scenarios/"]).expect(0);
    let outcomes: Vec<String> = sandbox.rows("retention.csv").into_iter().map(|row| row["outcome"].clone()).collect();
    assert_eq!(outcomes, ["forgotten", "retained"]);
    // It is worth keeping: it fails for a bot that guesses, and for one that talks too much.
    sandbox.run(&["run", "scenarios/", "--model", "builtin:omniscient", "--snapshots", "off"]).expect(1);
    sandbox.run(&["run", "scenarios/", "--model", "builtin:amnesiac", "--snapshots", "off"]).expect(1);
}

#[test]
fn editors_find_the_schemas_that_it_writes() {
    let sandbox = Sandbox::new();
    sandbox.run(&["init"]).expect(0);
    for (file, arguments) in
        [("scenarios/first-name.yaml", &["schema"][..]), ("chat-eval.yaml", &["schema", "--config"])]
    {
        let text = sandbox.read(file);
        let named = text
            .lines()
            .next()
            .unwrap()
            .strip_prefix("# yaml-language-server: $schema=")
            .unwrap_or_else(|| panic!("{text}"));
        // It is relative to the file.
        let path = std::path::Path::new(file).parent().unwrap().join(named);
        let schema = std::fs::read_to_string(sandbox.path().join(path)).unwrap();
        assert_eq!(schema, sandbox.run(arguments).expect(0).stdout, "{file}");
    }
}

#[test]
fn a_second_time_changes_no_byte() {
    let sandbox = Sandbox::new();
    sandbox.run(&["init"]).expect(0);
    let made = files(&sandbox);
    let ran = sandbox.run(&["init"]).expect(0);
    assert_eq!(files(&sandbox), made);
    for file in MADE {
        assert!(ran.stdout.contains(&format!("kept  {file}, which was there already\n")), "{}", ran.stdout);
    }
}

#[test]
fn what_was_there_stays_and_is_named() {
    let sandbox = Sandbox::new();
    sandbox.write("chat-eval.yaml", "concurrency: 3\n");
    sandbox.write(".gitignore", "/target\n/results\n");
    sandbox.write("scenarios/first-name.yaml", "turns: [{user: Hi}]\n");
    let ran = sandbox.run(&["init"]).expect(0);
    for file in ["chat-eval.yaml", ".gitignore", "scenarios/first-name.yaml"] {
        let said = format!("kept  {file}, which was there already and says something else\n");
        assert!(ran.stdout.contains(&said), "{}", ran.stdout);
    }
    assert!(ran.stdout.contains("add to .gitignore: *.snap.new\n"), "{}", ran.stdout);
    assert_eq!(sandbox.read("chat-eval.yaml"), "concurrency: 3\n");
    assert_eq!(sandbox.read(".gitignore"), "/target\n/results\n");
    assert!(!sandbox.has("scenarios/snapshots"), "our snapshots are not those of this scenario");
    assert!(sandbox.has(".github/workflows/chat-eval.yml"));
}

#[test]
fn it_makes_the_folder_that_it_is_given_and_says_where_a_workflow_must_be() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path().join(".git")).unwrap();
    let ran = sandbox.run(&["init", "bots/one"]).expect(0);
    assert!(ran.stdout.contains("made  bots/one/scenarios/first-name.yaml\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("GitHub looks for workflows in "), "{}", ran.stdout);
    assert!(ran.stdout.ends_with("next:\n  cd bots/one\n  chat-eval run scenarios/\n"), "{}", ran.stdout);
    sandbox.write("file", "");
    let ran = sandbox.run(&["init", "file"]).expect(5);
    assert!(ran.stderr.contains("cannot write `file/scenarios/first-name.yaml`") && ran.stderr.contains("help: "));
}

#[test]
fn its_workflow_has_no_key_and_writes_only_where_it_runs_nothing_of_the_pull_request() {
    let sandbox = Sandbox::new();
    sandbox.run(&["init"]).expect(0);
    let workflow = sandbox.read(".github/workflows/chat-eval.yml");
    let (play, comment) = workflow.split_once("\n  comment:\n").expect("two jobs");
    assert!(play.contains("\npermissions:\n  contents: read\n") && !play.contains("write\n"), "{play}");
    assert!(play.contains("fetch-depth: 0") && play.contains("if: always()\n"), "{play}");
    assert!(comment.contains("permissions:\n      pull-requests: write\n"), "{comment}");
    for never in ["checkout", "chat-eval run", "cargo"] {
        assert!(!comment.contains(never), "{comment}");
    }
    for never in ["secrets.", "pull_request_target", "@VERSION@"] {
        assert!(!workflow.contains(never), "{workflow}");
    }
    let version = env!("CARGO_PKG_VERSION");
    let ours = format!("  CHAT_EVAL: {} --locked --version {version}\n", env!("CARGO_PKG_NAME"));
    assert!(workflow.contains(&ours) && workflow.contains("run: cargo install $CHAT_EVAL\n"), "{workflow}");
    assert!(workflow.contains(&format!("#   chat-eval --locked --git URL --tag v{version}\n")), "{workflow}");
    // It knows no host but GitHub's own actions.
    assert!(!workflow.contains("://"), "{workflow}");
    // Nothing that a pull request says is filled into a script.
    let scripts = workflow.split("run: ").skip(1).map(|step| step.split("\n      - ").next().unwrap());
    for script in scripts {
        assert!(!script.contains("${{"), "{script}");
    }
}

#[test]
fn the_config_that_it_makes_is_right_when_its_examples_are_taken() {
    let sandbox = Sandbox::new();
    sandbox.run(&["init"]).expect(0);
    let config = sandbox.read("chat-eval.yaml");
    let example =
        |line: &str| line.starts_with("# models:") || line.starts_with("#   ") || line.starts_with("# limits:");
    let taken: Vec<&str> = config.lines().map(|line| if example(line) { &line[2..] } else { line }).collect();
    let taken = taken.join("\n") + "\n";
    assert!(taken.contains("\nmodels:\n  gpt-4o-mini: ") && taken.contains("\nlimits: "), "{taken}");
    sandbox.write("chat-eval.yaml", taken);
    sandbox.run(&["run", "scenarios/"]).expect(0);
}
