//! What the README and the pages name is what the binary has. What they show as output is held by `book.rs`.

use std::collections::BTreeSet;
use std::path::Path;

use regex::Regex;

use crate::support::sandbox::Sandbox;

pub const COMMANDS: [&str; 16] = [
    "run",
    "check",
    "plan",
    "review",
    "report",
    "recheck",
    "mutate",
    "compare",
    "merge",
    "diff",
    "chat",
    "import",
    "init",
    "schema",
    "completions",
    "man",
];

fn file(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_flag_is_in_the_readme_and_every_flag_in_the_readme_is_there() {
    let flags = |text: &str| -> BTreeSet<String> {
        Regex::new(r"--[a-z][a-z-]*").unwrap().find_iter(text).map(|flag| flag.as_str().to_owned()).collect()
    };
    let sandbox = Sandbox::new();
    let help = COMMANDS.map(|command| sandbox.run(&[command, "--help"]).expect(0).stdout).concat();
    let mut there = flags(&help);
    assert!(["--help", "--version"].iter().all(|flag| there.remove(*flag)), "{help}");
    let readme = file("README.md");
    let (_, commands) = readme.split_once("\n## Commands\n").expect("a section on commands");
    let (commands, _) = commands.split_once("\n## ").expect("its end");
    assert_eq!(flags(commands), there);
}

#[test]
fn every_key_that_a_file_may_have_is_in_the_docs() {
    let sandbox = Sandbox::new();
    let scenario = "\
zzz: 1
personas: [{name: p, zzz: 1}]
window: {zzz: 1}
params: {zzz: 1}
facts: {f: {value: v, zzz: 1}}
history: [{zzz: 1}]
snapshot_redact: [{zzz: 1}]
turns:
  - {user: Hi, zzz: 1}
  - {user: Hi, expect: [{zzz: 1}, {sent: {zzz: 1}}, {judge: {zzz: 1}}, {run: {zzz: 1}}]}
  - {filler: {zzz: 1}}
";
    sandbox.write("one.yaml", scenario);
    sandbox.write(
        "config.yaml",
        "zzz: 1\njudge: {zzz: 1}\nembedding: {zzz: 1}\nlimits: {zzz: 1}\nmodels: {m: {provider: openai, zzz: 1, price: {zzz: 1}}, \
         a: {provider: anthropic, zzz: 1}, g: {provider: gemini, zzz: 1}, z: {provider: azure, zzz: 1}}",
    );
    let scenario = sandbox.run(&["check", "one.yaml"]).expect(2).stderr;
    let config = sandbox.run(&["check", "one.yaml", "--config", "config.yaml"]).expect(2).stderr;
    let pages = ["scenarios.md", "judge.md", "providers.md", "reference/config.md"];
    let docs = pages.map(|page| file(&format!("docs/{page}"))).concat();
    let known = Regex::new("= help: (?:known|checks) are (.*)").unwrap();
    let lists: Vec<&str> = [&scenario, &config]
        .iter()
        .flat_map(|said| known.captures_iter(said))
        .map(|list| list.get(1).expect("a group").as_str())
        .collect();
    assert_eq!(lists.len(), 22, "a list for each unknown key:\n{scenario}\n{config}");
    for key in lists.iter().flat_map(|list| Regex::new("`([a-z_]+)`").unwrap().captures_iter(list).collect::<Vec<_>>())
    {
        let is_there = Regex::new(&format!(r"(?m)(?:^|[`{{\[ ]){}[`:, }}\]]", &key[1])).unwrap().is_match(&docs);
        assert!(is_there, "`{}` is in no page", &key[1]);
    }
}
