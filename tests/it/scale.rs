//! What `docs/scale.md` shows is what works: its manifests parse, and its very scripts are run here, each engine's number set
//! by hand.

#![cfg(unix)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use regex::Regex;
use serde_json::Value;

use crate::support::sandbox::{Ran, Sandbox};

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/scale.md");
    std::fs::read_to_string(path).expect("docs/scale.md")
}

/// A section of the page.
fn section(title: &str) -> String {
    let page = page();
    let (_, rest) = page.split_once(&format!("\n## {title}\n")).unwrap_or_else(|| panic!("a section {title}"));
    rest.split("\n## ").next().expect("a section").to_owned()
}

/// The fenced blocks of a language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let block = Regex::new(&format!("(?s)```{language}\n(.*?)```")).unwrap();
    block.captures_iter(text).map(|block| block[1].to_owned()).collect()
}

/// The YAML documents of a section.
fn documents(title: &str) -> Vec<Value> {
    let blocks = blocks(&section(title), "yaml");
    let documents = blocks.iter().flat_map(|block| block.split("\n---\n"));
    documents.map(|text| serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{title}: {error}"))).collect()
}

/// Two scenarios, one of which fails; accepted snapshots; the binary on the path.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new().env("CI", "true");
    sandbox
        .write("scenarios/cases.yaml", "cases: [{id: a}, {id: b}, {id: c}, {id: d}]\nturns: [{user: 'Hi {{ id }}'}]");
    sandbox.write("scenarios/wrong.yaml", "turns: [{user: Hi, expect: [{contains: a miracle}]}]");
    sandbox.run(&["run", "scenarios/", "--snapshots", "always", "--out", "before"]).expect(1);
    sandbox
}

/// Runs a script as an engine does, with its variables set.
fn script(sandbox: &Sandbox, text: &str, variables: &[(&str, String)]) -> Ran {
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_chat-eval"));
    let mut path = vec![binary.parent().expect("a folder").to_owned()];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let mut command = Command::new("sh");
    command.args(["-c", text]).current_dir(sandbox.path()).env_clear();
    command.env("PATH", std::env::join_paths(path).expect("a path")).env("CI", "true");
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    Ran::from(command.output().expect("a shell") as Output)
}

/// Plays three parts with a script of one engine, one of them twice as after a preemption; merges; holds the result to
/// that of a run that was never split.
fn plays(sandbox: &Sandbox, shard: impl Fn(u32) -> Ran, merge: impl Fn() -> Ran) {
    let codes: Vec<i32> = (1..=3).map(|number| shard(number).code.expect("an exit code")).collect();
    let mut sorted = codes.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, [0, 0, 1], "one part has the conversation that fails");
    let merged = merge().expect(1);
    assert!(
        merged.stdout.contains("4 passed, 1 failed") && merged.stdout.ends_with("results/merged/report.html\n"),
        "{}",
        merged.stdout
    );
    let tables = sandbox.steady_tables();
    sandbox.run(&["run", "scenarios/", "--snapshots", "off"]).expect(1);
    assert_eq!(sandbox.steady_tables(), tables);
}

#[test]
fn the_scripts_for_slurm_play_each_part_go_on_with_it_and_merge() {
    let scripts = blocks(&section("Slurm"), "sh");
    let [shards, merge, submit] = &scripts[..] else { panic!("three scripts: {scripts:?}") };
    assert!(shards.contains("#SBATCH --array=1-3\n") && submit.contains("--dependency=afterany:"), "{shards}{submit}");
    let sandbox = sandbox();
    let part = |number: u32| script(&sandbox, shards, &[("SLURM_ARRAY_TASK_ID", number.to_string())]);
    plays(
        &sandbox,
        |number| {
            let first = part(number);
            let again = part(number);
            assert!(again.stderr.starts_with("going on with results/shards/"), "{}", again.stderr);
            assert_eq!((&again.stdout, again.code), (&first.stdout, first.code));
            first
        },
        || script(&sandbox, merge, &[]),
    );
}

#[test]
fn the_manifests_for_kubernetes_parse_and_their_commands_work() {
    let documents = documents("Kubernetes");
    let [shards, merge] = &documents[..] else { panic!("two Jobs: {documents:?}") };
    for job in [shards, merge] {
        assert_eq!((&job["apiVersion"], &job["kind"]), (&"batch/v1".into(), &"Job".into()));
        assert_eq!(job["spec"]["template"]["spec"]["restartPolicy"], "Never", "a pod's policy on exit codes needs it");
    }
    let spec = &shards["spec"];
    assert_eq!((&spec["completionMode"], &spec["completions"]), (&"Indexed".into(), &3.into()));
    let rules = spec["podFailurePolicy"]["rules"].as_array().unwrap();
    let rule = |action: &str| rules.iter().find(|rule| rule["action"] == action).unwrap();
    assert_eq!(rule("FailIndex")["onExitCodes"]["values"], Value::from(vec![1, 3]));
    assert_eq!(rule("FailJob")["onExitCodes"]["values"], Value::from(vec![2, 4]));
    let container = |job: &Value| job["spec"]["template"]["spec"]["containers"][0].clone();
    let command = |job: &Value| container(job)["args"][0].as_str().unwrap().to_owned();
    let parts = container(shards)["env"][0].clone();
    assert_eq!((&parts["name"], &parts["value"]), (&"SHARDS".into(), &"3".into()));
    let sandbox = sandbox();
    plays(
        &sandbox,
        |number| {
            let variables = [("JOB_COMPLETION_INDEX", (number - 1).to_string()), ("SHARDS", "3".to_owned())];
            let first = script(&sandbox, &command(shards), &variables);
            let again = script(&sandbox, &command(shards), &variables);
            assert!(again.stderr.starts_with("going on with results/shards/"), "{}", again.stderr);
            first
        },
        || script(&sandbox, &command(merge), &[]),
    );
}

#[test]
fn the_workflow_for_github_actions_parses_and_its_commands_work() {
    let documents = documents("GitHub Actions");
    let [workflow] = &documents[..] else { panic!("one workflow: {documents:?}") };
    let jobs = &workflow["jobs"];
    assert_eq!(jobs["shard"]["strategy"]["fail-fast"], false);
    assert_eq!(jobs["shard"]["strategy"]["matrix"]["shard"], Value::from(vec![1, 2, 3]));
    assert_eq!((&jobs["merge"]["needs"], &jobs["merge"]["if"]), (&"shard".into(), &"${{ !cancelled() }}".into()));
    let command = |job: &str| {
        let steps = jobs[job]["steps"].as_array().unwrap();
        let commands = steps.iter().filter_map(|step| step["run"].as_str());
        commands.filter(|command| command.starts_with("chat-eval ")).map(str::to_owned).collect::<Vec<_>>()
    };
    let ([shard], [merge]) = (&command("shard")[..], &command("merge")[..]) else { panic!("a command each") };
    let sandbox = sandbox();
    let numbered = |number: u32| shard.replace("${{ matrix.shard }}", &number.to_string());
    plays(&sandbox, |number| script(&sandbox, &numbered(number), &[]), || script(&sandbox, merge, &[]));
    let (moves, steps) = (["upload-artifact", "download-artifact"], [&jobs["shard"]["steps"], &jobs["merge"]["steps"]]);
    for (moves, steps) in moves.into_iter().zip(steps) {
        let is_it = |step: &&Value| step["uses"].as_str().is_some_and(|uses| uses.contains(moves));
        let step = steps.as_array().unwrap().iter().find(is_it).unwrap();
        assert_eq!(step["with"]["path"], "results/shards", "what is sent comes back to the same place");
    }
}

#[test]
fn the_first_example_works_too() {
    let page = page();
    let example = &blocks(&page, "sh")[0];
    let lines: Vec<&str> = example.lines().collect();
    let [shard, merge] = lines[..] else { panic!("two lines: {example}") };
    let sandbox = sandbox();
    let numbered =
        |number: u32| shard.replace("2/3", &format!("{number}/3")).replace("shards/2", &format!("shards/{number}"));
    let played = |number: u32| script(&sandbox, &(numbered(number).replace(" #", " --snapshots off #")), &[]);
    plays(&sandbox, played, || script(&sandbox, merge, &[]));
}
