//! What lies beside scenarios may have come with anybody's pull request: what is no file is not waited for, and a link that
//! leads elsewhere is neither read nor written through.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use crate::support::sandbox::Sandbox;

const SCENARIO: &str = "facts: {name: Priya}\nturns:\n  - user: My name is Priya.\n  - {user: What's my name?, expect: [{recalls: name}]}\n";
const SNAPSHOT: &str = "s/snapshots/one@default.builtin.full.snap";

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("s/one.yaml", SCENARIO);
    sandbox
}

fn pipe(sandbox: &Sandbox, file: &str) {
    let path = sandbox.path().join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

fn remove(sandbox: &Sandbox, file: &str) {
    fs::remove_file(sandbox.path().join(file)).unwrap();
}

#[test]
fn a_pipe_in_the_place_of_a_snapshot_fails_and_holds_nothing_up() {
    const WHAT: &str = "no snapshot: it is a pipe or a device, and no file";
    let sandbox = sandbox();
    pipe(&sandbox, SNAPSHOT);
    for mode in ["no", "new", "always"] {
        let ran = sandbox.run(&["run", "s", "--snapshots", mode]).expect(1);
        assert!(ran.stdout.contains(&format!("{SNAPSHOT}: {WHAT}")), "{mode}: {}", ran.stdout);
    }
    // The one that waits, beside an accepted one that is in order and differs.
    remove(&sandbox, SNAPSHOT);
    sandbox.run(&["run", "s", "--snapshots", "always"]).expect(0);
    let accepted = sandbox.read(SNAPSHOT).replace("My name", "Our name");
    sandbox.write(SNAPSHOT, &accepted);
    let pending = format!("{SNAPSHOT}.new");
    pipe(&sandbox, &pending);
    let ran = sandbox.run(&["run", "s", "--snapshots", "new"]).expect(1);
    assert!(ran.stdout.contains(WHAT), "{}", ran.stdout);
    // A review looks at files alone.
    let ran = sandbox.run(&["review", "s", "--list"]).expect(0);
    assert_eq!(ran.stdout, "no snapshot waits for review\n");
    remove(&sandbox, &pending);
    sandbox.run(&["run", "s", "--snapshots", "new"]).expect(1);
    remove(&sandbox, SNAPSHOT);
    pipe(&sandbox, SNAPSHOT);
    let ran = sandbox.run(&["review", "s", "--accept"]).expect(5);
    assert!(ran.stderr.contains(&format!("`{SNAPSHOT}` is {WHAT}")), "{}", ran.stderr);
    assert!(sandbox.has(&pending));
}

#[test]
fn a_pipe_in_the_place_of_another_file_is_named() {
    let sandbox = sandbox();
    pipe(&sandbox, "s/cassettes/one.jsonl");
    let ran = sandbox.run(&["run", "s", "--offline"]).expect(2);
    let said = "cannot read `s/cassettes/one.jsonl`: it is a pipe or a device, and no file";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
    remove(&sandbox, "s/cassettes/one.jsonl");
    sandbox.run(&["run", "s"]).expect(0);
    let journal = sandbox.run_folder().join("journal.jsonl");
    fs::remove_file(&journal).unwrap();
    assert!(Command::new("mkfifo").arg(&journal).status().unwrap().success());
    let folder = sandbox.run_folder().display().to_string();
    let ran = sandbox.run(&["report", &folder]);
    assert!(ran.code != Some(0), "{}", ran.stdout);
    // What is there is kept, whatever it is.
    let made = Sandbox::new();
    for file in [".gitignore", "chat-eval.yaml"] {
        pipe(&made, file);
    }
    let ran = made.run(&["init"]).expect(0);
    assert!(
        ran.stdout.contains("kept  .gitignore, which was there already and says something else\n"),
        "{}",
        ran.stdout
    );
}

#[test]
fn a_pipe_or_device_in_the_place_of_a_scenario_is_named_and_nothing_is_sent() {
    for make in [
        |sandbox: &Sandbox| pipe(sandbox, "s/deep/z.yaml"),
        |sandbox: &Sandbox| {
            fs::create_dir(sandbox.path().join("s/deep")).unwrap();
            symlink("/dev/zero", sandbox.path().join("s/deep/z.yaml")).unwrap();
        },
    ] {
        let sandbox = sandbox();
        make(&sandbox);
        for command in ["check", "run"] {
            let ran = sandbox.run(&[command, "s"]).expect(2);
            let said = "error[unreadable]: `s/deep/z.yaml` cannot be read: it is a pipe or a device, and no file";
            assert!(ran.stderr.contains(said), "{command}: {}", ran.stderr);
        }
        assert!(!sandbox.has("results"));
        // What is passed over may be anything.
        fs::rename(sandbox.path().join("s/deep/z.yaml"), sandbox.path().join("s/deep/_z.yaml")).unwrap();
        sandbox.run(&["check", "s"]).expect(0);
    }
    // A folder of such a name is one like any other.
    let sandbox = sandbox();
    sandbox.write("s/more.yaml/two.yaml", SCENARIO);
    let ran = sandbox.run(&["check", "s"]).expect(0);
    assert!(ran.stdout.contains("2 "), "{}", ran.stdout);
}

#[test]
fn a_link_that_leads_elsewhere_is_not_read() {
    let sandbox = sandbox();
    sandbox.write("secret", "---\n{}\n---\n# the key\n");
    fs::create_dir_all(sandbox.path().join("s/snapshots")).unwrap();
    symlink("../../secret", sandbox.path().join(SNAPSHOT)).unwrap();
    for mode in ["no", "new", "always"] {
        let ran = sandbox.run(&["run", "s", "--snapshots", mode]).expect(1);
        let what = "no snapshot: it lies elsewhere: it is a link, or its folder is one, that leads out of the scenario's folder";
        assert!(ran.stdout.contains(what) && !ran.stdout.contains("the key"), "{mode}: {}", ran.stdout);
    }
    assert_eq!(sandbox.read("secret"), "---\n{}\n---\n# the key\n");
    // A review shows nothing of it either.
    sandbox.write(&format!("{SNAPSHOT}.new"), "---\n{}\n---\n# new\n");
    let ran = sandbox.run(&["review", "s", "--list"]);
    assert!(
        ran.stderr.contains("it lies elsewhere") && !ran.stdout.contains("the key"),
        "{}{}",
        ran.stdout,
        ran.stderr
    );
    // Inside of the scenario's folder a link is a link.
    remove(&sandbox, SNAPSHOT);
    remove(&sandbox, &format!("{SNAPSHOT}.new"));
    sandbox.run(&["run", "s", "--snapshots", "always"]).expect(0);
    fs::rename(sandbox.path().join(SNAPSHOT), sandbox.path().join("s/kept")).unwrap();
    symlink("../kept", sandbox.path().join(SNAPSHOT)).unwrap();
    sandbox.run(&["run", "s", "--snapshots", "no"]).expect(0);
}

#[test]
fn nothing_is_written_or_removed_behind_a_linked_folder() {
    let sandbox = sandbox();
    fs::create_dir(sandbox.path().join("elsewhere")).unwrap();
    symlink("../elsewhere", sandbox.path().join("s/snapshots")).unwrap();
    for mode in ["new", "always"] {
        let ran = sandbox.run(&["run", "s", "--snapshots", mode]).expect(1);
        assert!(ran.stdout.contains("no snapshot: it lies elsewhere"), "{}", ran.stdout);
    }
    assert_eq!(sandbox.files("elsewhere"), Vec::<String>::new());
    // One that nothing here refers to may be of use there.
    sandbox.write("elsewhere/one@gone.builtin.full.snap", "---\nsource: s/one.yaml\n---\n# one\n");
    sandbox.run(&["review", "s", "--prune"]).expect(0);
    let ran = sandbox.run(&["run", "s", "--snapshots", "no"]).expect(1);
    assert!(!ran.stdout.contains("unreferenced"), "{}", ran.stdout);
    assert!(sandbox.has("elsewhere/one@gone.builtin.full.snap"));
}

#[test]
fn init_writes_through_no_link() {
    for link in ["scenarios", ".github", ".chat-eval"] {
        let sandbox = Sandbox::new();
        for folder in ["elsewhere", "here"] {
            fs::create_dir(sandbox.path().join(folder)).unwrap();
        }
        symlink("../elsewhere", sandbox.path().join("here").join(link)).unwrap();
        let arguments: &[&str] = if link == ".chat-eval" { &["init", "--insta", "."] } else { &["init"] };
        let mut command = sandbox.command(arguments);
        command.current_dir(sandbox.path().join("here"));
        let ran = crate::support::sandbox::Ran::from(command.output().unwrap()).expect(2);
        let said = format!(
            "error: `{link}` is a link, and `init` writes into no folder that lies elsewhere\nhelp: nothing was"
        );
        assert!(ran.stderr.contains(&said), "{}", ran.stderr);
        assert_eq!(sandbox.files("elsewhere"), Vec::<String>::new());
        assert_eq!(sandbox.files("here"), Vec::<String>::new());
    }
    // The folder that is asked for may be one.
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path().join("elsewhere")).unwrap();
    symlink("elsewhere", sandbox.path().join("link")).unwrap();
    sandbox.run(&["init", "link"]).expect(0);
    assert!(sandbox.has("elsewhere/scenarios/first-name.yaml"));
}
