//! What an installation needs: the package, the archives of a release, the GitHub Action and the workflows.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::sandbox::{Ran, Sandbox};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn file(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn yaml(path: &str) -> Value {
    let source = chat_eval::diagnostic::SourceFile { path: path.to_owned(), text: file(path) };
    let read = chat_eval::scenario::yaml::parse(&std::sync::Arc::new(source));
    read.unwrap_or_else(|diagnostic| panic!("{path}: {}", diagnostic.message)).to_json()
}

const WORKFLOWS: [&str; 4] =
    ["action.yml", ".github/workflows/ci.yml", ".github/workflows/release.yml", "src/cli/commands/init/workflow.yml"];
const SCRIPTS: [&str; 3] = ["packaging/archive.sh", "packaging/install.sh", "packaging/play.sh"];

/// Every step of a workflow or action.
fn steps(value: &Value) -> Vec<&Value> {
    let of_jobs = value["jobs"].as_object().into_iter().flat_map(|jobs| jobs.values()).map(|job| &job["steps"]);
    let lists = of_jobs.chain([&value["runs"]["steps"]]);
    lists.filter_map(Value::as_array).flatten().collect()
}

/// Runs a program with a text on its standard input; `None` where the program is not there.
fn feed(program: &str, arguments: &[&str], text: &str) -> Option<Ran> {
    let mut script = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut script, text.as_bytes()).unwrap();
    let mut command = Command::new(program);
    match command.args(arguments).arg(script.path()).stdin(Stdio::null()).output() {
        Ok(output) => Some(Ran::from(output)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => panic!("{program}: {error}"),
    }
}

#[test]
fn what_workflows_and_scripts_have_a_shell_run_is_right_and_nothing_is_pasted_into_it() {
    let mut scripts: Vec<(String, String)> = SCRIPTS.map(|path| (path.to_owned(), file(path))).into();
    for path in WORKFLOWS {
        let value = yaml(path);
        let steps = steps(&value);
        assert!(!steps.is_empty(), "{path}");
        for step in steps {
            if let Some(script) = step["run"].as_str() {
                assert!(!script.contains("${{"), "{path}: an expression is pasted into a script:\n{script}");
                scripts.push((path.to_owned(), format!("#!/usr/bin/env bash\n{script}\n")));
            } else {
                let uses = step["uses"].as_str().unwrap_or_else(|| panic!("{path}: {step}"));
                assert!(uses == "./" || uses.starts_with("actions/") && uses.contains("@v"), "{path}: {uses}");
            }
        }
    }
    for (path, script) in &scripts {
        let parsed = feed("bash", &["-n"], script).expect("bash");
        assert_eq!(parsed.stderr, "", "{path}:\n{script}");
        // Variables of a workflow are set by it, and one of ours is split on purpose.
        let Some(checked) = feed("shellcheck", &["--exclude=SC2086"], script) else { continue };
        assert_eq!(checked.stdout, "", "{path}:\n{script}");
    }
    assert!(scripts.len() > 15, "{}", scripts.len());
}

#[test]
fn workflows_write_nothing_but_a_release_and_know_no_secret() {
    for path in WORKFLOWS {
        let text = file(path);
        // The one that there is goes to the step that publishes a release, and nowhere else.
        let is_release = path.ends_with("release.yml");
        let secrets: Vec<&str> = text.split("secrets.").skip(1).filter_map(|rest| rest.split(' ').next()).collect();
        assert_eq!(secrets, if is_release { vec!["CARGO_REGISTRY_TOKEN"] } else { vec![] }, "{path}");
        assert!(!text.contains("pull_request_target"), "{path}");
    }
    for path in [".github/workflows/ci.yml", ".github/workflows/release.yml"] {
        let value = yaml(path);
        assert_eq!(value["permissions"], serde_json::json!({"contents": "read"}), "{path}");
        for (name, job) in value["jobs"].as_object().unwrap() {
            let may_write = name == "release";
            assert_eq!(job.get("permissions").is_some(), may_write, "{path}: {name}");
            let steps = job["steps"].as_array().map_or(&[][..], Vec::as_slice);
            let steps: Vec<&str> = steps.iter().filter_map(|step| step["run"].as_str()).collect();
            assert!(
                !may_write || steps.iter().all(|run| !run.contains("cargo") && !run.contains("tar ")),
                "{path}: {name}"
            );
        }
    }
}

/// The story: a tag on a commit whose tests failed was built and released, and nothing ever came to the registry.
#[test]
fn a_release_is_tested_before_it_is_built_and_published_where_there_is_a_token() {
    let release = yaml(".github/workflows/release.yml");
    let jobs = &release["jobs"];
    let needs = |job: &str| -> Vec<String> {
        let needs = &jobs[job]["needs"];
        let one = needs.as_str().map(str::to_owned);
        let all = needs.as_array().into_iter().flatten().filter_map(|need| need.as_str().map(str::to_owned));
        one.into_iter().chain(all).collect()
    };
    for (job, before) in [("build", "test"), ("release", "build"), ("publish", "release")] {
        assert!(needs(job).iter().any(|need| need == before), "{job} waits for {before}: {:?}", needs(job));
        assert!(jobs[job].get("if").is_none(), "{job} is left out where what it needs fails");
    }
    // The same jobs as of a change, those that run the tests among them.
    assert_eq!(jobs["test"]["uses"], "./.github/workflows/ci.yml");
    let ci = yaml(".github/workflows/ci.yml");
    assert!(ci["on"].as_object().unwrap().contains_key("workflow_call"));
    assert!(steps(&ci).iter().any(|step| step["run"] == "cargo test --locked"));

    let steps = jobs["publish"]["steps"].as_array().unwrap();
    let with_token: Vec<&Value> = steps.iter().filter(|step| step["env"].to_string().contains("secrets.")).collect();
    assert_eq!((with_token.len(), jobs["publish"].get("env")), (1, None), "one step has the token");
    let script = with_token[0]["run"].as_str().unwrap();
    let sandbox = Sandbox::new();
    let cargo = sandbox.write("bin/cargo", "#!/bin/sh\necho \"cargo $*\"\n");
    assert!(Command::new("chmod").arg("+x").arg(&cargo).status().unwrap().success());
    let path = format!("{}:{}", cargo.parent().unwrap().display(), std::env::var("PATH").unwrap());
    for (token, said) in [
        ("", "::notice::the secret CARGO_REGISTRY_TOKEN is not set: nothing is published to crates.io\n"),
        // What builds was built before: nothing of another package runs beside the token.
        ("crates-token", "cargo publish --locked --no-verify\n"),
    ] {
        let mut command = Command::new("bash");
        command.args(["-e", "-c", script]).env("PATH", &path).env("CARGO_REGISTRY_TOKEN", token);
        assert_eq!(Ran::from(command.output().expect("bash")).expect(0).stdout, said);
    }
}

#[test]
fn one_name_for_the_archives_of_a_target_in_all_places() {
    let release = yaml(".github/workflows/release.yml");
    let targets = release["jobs"]["build"]["strategy"]["matrix"]["include"].as_array().unwrap();
    let targets: Vec<&str> = targets.iter().map(|entry| entry["target"].as_str().unwrap()).collect();
    assert_eq!(targets.len(), 7, "{targets:?}");
    let install = file("packaging/install.sh");
    let named: Vec<&str> = install.split("target=").skip(1).filter_map(|rest| rest.split([' ', '\n']).next()).collect();
    assert!(named.len() >= 5 && named.iter().all(|target| targets.contains(target)), "{named:?}");
    let manifest = file("Cargo.toml");
    for part in [
        "{ name }-{ version }-{ target }.tar.gz",
        "{ name }-{ version }-{ target }.zip",
        "{ name }-{ version }-{ target }/{ bin }",
    ] {
        assert!(manifest.contains(part), "{part}");
    }
    // The action installs the version that it is of.
    assert_eq!(yaml("action.yml")["inputs"]["version"]["default"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn the_package_has_what_a_build_needs_and_no_more() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let listed = Command::new(cargo)
        .args(["package", "--list", "--allow-dirty", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo");
    let listed = Ran::from(listed).expect(0).stdout;
    let files: Vec<&str> = listed.lines().collect();
    for needed in [
        "Cargo.lock",
        "Cargo.toml",
        "README.md",
        "CHANGELOG.md",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "docs/architecture.md",
        "docs/install.md",
        "schemas/scenario.json",
        "src/main.rs",
        "src/cli/commands/init/first-name.yaml",
    ] {
        assert!(files.contains(&needed), "{needed}");
    }
    for folder in ["tests/", "results/", "scenarios/", "bench/", "examples/", ".github/", ".ci/", "target/"] {
        assert!(!files.iter().any(|file| file.starts_with(folder)), "{folder}");
    }
    let bytes = |file: &&&str| std::fs::metadata(root().join(file)).map_or(0, |file| file.len());
    let size: u64 = files.iter().map(|file| bytes(&file)).sum();
    // Packed it is a quarter of that or a little more: a package of at most a megabyte.
    assert!(size < 3_300_000, "{size} bytes before they are packed");
}

/// What GitHub gives to a step: files for what it says, and a folder of its own.
struct Runner {
    sandbox: Sandbox,
}

impl Runner {
    fn new(sandbox: Sandbox) -> Self {
        std::fs::create_dir(sandbox.path().join("temp")).unwrap();
        Self { sandbox }
    }

    fn step(&self, script: &str, variables: &[(&str, &str)]) -> Ran {
        let at = |name: &str| self.sandbox.path().join(name);
        let mut path = vec![at("temp/chat-eval/bin")];
        path.push(Path::new(env!("CARGO_BIN_EXE_chat-eval")).parent().unwrap().to_owned());
        path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
        let mut command = Command::new("bash");
        command.arg(root().join(script)).current_dir(self.sandbox.path()).env_clear().stdin(Stdio::null());
        command.env("PATH", std::env::join_paths(path).unwrap()).env("CI", "true").env("GITHUB_ACTIONS", "true");
        command.env("RUNNER_TEMP", at("temp")).env("RUNNER_OS", "Linux").env("RUNNER_ARCH", "X64");
        command.env("GITHUB_OUTPUT", at("output")).env("GITHUB_PATH", at("path"));
        command.env("GITHUB_STEP_SUMMARY", at("summary.md"));
        command.envs(variables.iter().copied());
        Ran::from(command.output().expect("bash"))
    }

    fn outputs(&self) -> String {
        self.sandbox.read("output")
    }
}

#[test]
fn the_action_plays_what_it_is_told_to_and_says_where_the_results_are() {
    let runner = Runner::new(Sandbox::shipped());
    let args = "scenarios/whats-my-name.yaml  'scenarios/cooking.yaml'\n--offline --format \"github\"";
    let ran = runner.step("packaging/play.sh", &[("CHAT_EVAL_ARGS", args)]).expect(0);
    assert!(ran.stdout.contains("passed"), "{}", ran.stdout);
    let folder = runner.sandbox.run_folder().canonicalize().unwrap();
    assert_eq!(runner.outputs(), format!("results={}\nexit-code=0\n", folder.display()));
    assert!(folder.join("junit.xml").is_file());
    assert!(runner.sandbox.read("summary.md").contains("passed"));
}

#[test]
fn the_action_fails_as_chat_eval_does_and_no_argument_is_run_by_a_shell() {
    let runner = Runner::new(Sandbox::new());
    runner.sandbox.write("scenarios/a.yaml", "turns:\n  - {user: Hi, expect: [{equals: never}]}\n");
    let args = "scenarios/ --out there/$(touch hacked) ; touch hacked";
    runner.step("packaging/play.sh", &[("CHAT_EVAL_ARGS", args)]).expect(2);
    assert!(!runner.sandbox.has("hacked"));
    assert!(runner.outputs().ends_with("exit-code=2\n"));
    runner.step("packaging/play.sh", &[("CHAT_EVAL_ARGS", "scenarios/ --snapshots off --out=there")]).expect(1);
    assert!(
        runner.outputs().contains("/there/") && runner.outputs().ends_with("exit-code=1\n"),
        "{}",
        runner.outputs()
    );
    let ran = runner.step("packaging/play.sh", &[("CHAT_EVAL_ARGS", "'scenarios/")]).expect(2);
    assert!(ran.stdout.contains("never closed"), "{}", ran.stdout);
    // Without arguments it plays the folder `scenarios`.
    runner.step("packaging/play.sh", &[("CHAT_EVAL_ARGS", " "), ("CHAT_EVAL_OUT", "elsewhere")]).expect(1);
    assert!(runner.outputs().contains("/elsewhere/"), "{}", runner.outputs());
}

#[test]
fn the_action_names_no_folder_but_the_one_that_its_own_run_made() {
    let runner = Runner::new(Sandbox::new());
    runner.sandbox.write("scenarios/a.yaml", "turns: [{user: Hi}]\n");
    runner.sandbox.write("secret/journal.jsonl", "a key\n");
    // What a pull request may bring: a link, a file that names a folder, a folder with the name of a run.
    std::fs::create_dir(runner.sandbox.path().join("results")).unwrap();
    let link = |name: &str| {
        std::os::unix::fs::symlink("../secret", runner.sandbox.path().join("results").join(name)).unwrap();
    };
    link("latest");
    link("99990101T000000Z-ffff");
    runner.sandbox.write("results/LATEST", "../secret\nexit-code=0\n");
    runner.sandbox.write("results/20200101T000000Z-0000/journal.jsonl", "");
    let args = |args: &'static str| [("CHAT_EVAL_ARGS", args)];
    runner.step("packaging/play.sh", &args("scenarios/ --nonsense")).expect(2);
    assert_eq!(runner.outputs(), "exit-code=2\n");
    runner.step("packaging/play.sh", &args("scenarios/ --snapshots off")).expect(0);
    let outputs = runner.outputs();
    let named = outputs.lines().nth(1).and_then(|line| line.strip_prefix("results=")).expect("a folder");
    assert!(Path::new(named).join("report.html").is_file() && !named.contains("secret"), "{outputs}");
    // Where a run does not come about, the one before is not named in its place.
    runner.step("packaging/play.sh", &args("scenarios/ --nonsense")).expect(2);
    assert_eq!(runner.outputs(), format!("{outputs}exit-code=2\n"));
}

/// A release in a folder, whose program says its version and nothing else.
fn release(sandbox: &Sandbox, version: &str) -> PathBuf {
    let name = format!("chat-eval-{version}-x86_64-unknown-linux-musl");
    sandbox.write(&format!("pack/{name}/chat-eval"), format!("#!/bin/sh\necho 'chat-eval {version}'\n"));
    let folder = sandbox.path().join(format!("releases/v{version}"));
    std::fs::create_dir_all(&folder).unwrap();
    let pack = format!(
        "chmod +x pack/{name}/chat-eval && tar -C pack -czf releases/v{version}/{name}.tar.gz {name} && \
         cd releases/v{version} && (sha256sum {name}.tar.gz || shasum -a 256 {name}.tar.gz) > {name}.tar.gz.sha256"
    );
    let packed = Command::new("bash").args(["-c", &pack]).current_dir(sandbox.path()).output().unwrap();
    Ran::from(packed).expect(0);
    folder.join(format!("{name}.tar.gz"))
}

#[test]
fn the_action_installs_a_release_that_is_what_its_checksum_says_and_no_other() {
    let runner = Runner::new(Sandbox::new());
    let archive = release(&runner.sandbox, "9.8.7");
    let releases = format!("file://{}", runner.sandbox.path().join("releases").display());
    let install = |version: &str| {
        runner.step("packaging/install.sh", &[("CHAT_EVAL_VERSION", version), ("CHAT_EVAL_RELEASES", &releases)])
    };
    let ran = install("v9.8.7").expect(0);
    assert_eq!(ran.stdout, "chat-eval 9.8.7\n");
    let bin = runner.sandbox.path().join("temp/chat-eval/bin");
    assert_eq!(runner.sandbox.read("path"), format!("{}\n", bin.display()));
    for (version, said) in [
        ("9.9.9", "cannot download"),
        ("../../9.8.7", "version must be"),
        ("1.0.0;id", "version must be"),
        ("", "version must be"),
    ] {
        let ran = install(version).expect(1);
        assert!(
            ran.stdout.starts_with("::error::chat-eval: ") && ran.stdout.contains(said),
            "{version}: {}",
            ran.stdout
        );
    }
    // One byte more, and it is not installed.
    std::fs::remove_file(bin.join("chat-eval")).unwrap();
    let mut bytes = std::fs::read(&archive).unwrap();
    bytes.push(0);
    std::fs::write(&archive, bytes).unwrap();
    let ran = install("9.8.7").expect(1);
    assert!(ran.stdout.contains("is not what its checksum says"), "{}", ran.stdout);
    assert!(!bin.join("chat-eval").exists());
}

#[test]
fn an_archive_has_the_program_its_pages_completions_and_licences() {
    let sandbox = Sandbox::new();
    // The program itself is large before it is stripped; what it says is what counts here.
    let stand_in =
        sandbox.write("chat-eval", format!("#!/bin/sh\nexec '{}' \"$@\"\n", env!("CARGO_BIN_EXE_chat-eval")));
    let version = env!("CARGO_PKG_VERSION");
    let pack = |version: &str| {
        let mut command = Command::new("bash");
        command.arg(root().join("packaging/archive.sh")).arg(&stand_in).args([version, "some-target", "dist"]);
        Ran::from(command.current_dir(sandbox.path()).stdin(Stdio::null()).output().unwrap())
    };
    let chmod = Command::new("chmod").arg("+x").arg(&stand_in).status().unwrap();
    assert!(chmod.success());
    let ran = pack(version).expect(0);
    let name = format!("chat-eval-{version}-some-target");
    assert_eq!(ran.stdout, format!("dist/{name}.tar.gz\n"));
    let list = Command::new("tar")
        .args(["-tzf", &format!("dist/{name}.tar.gz")])
        .current_dir(sandbox.path())
        .output()
        .unwrap();
    let list = Ran::from(list).expect(0).stdout;
    for file in [
        "chat-eval",
        "README.md",
        "CHANGELOG.md",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "man/man1/chat-eval.1",
        "man/man1/chat-eval-run.1",
        "completions/chat-eval.bash",
        "completions/_chat-eval",
        "completions/chat-eval.fish",
        "completions/_chat-eval.ps1",
        "completions/chat-eval.elv",
        "schemas/scenario.json",
        "schemas/config.json",
    ] {
        assert!(list.lines().any(|line| line == format!("{name}/{file}")), "{file}:\n{list}");
    }
    assert!(sandbox.read(&format!("dist/{name}.tar.gz.sha256")).ends_with(&format!("  {name}.tar.gz\n")));
    // A release is not called after another version.
    let ran = pack("0.0.1").expect(1);
    assert!(ran.stderr.contains("and the release is `0.0.1`"), "{}", ran.stderr);
}
