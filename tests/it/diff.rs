//! `diff`, in real repositories.

use std::path::Path;
use std::process::Command;

use crate::support::sandbox::{Ran, Sandbox};

const SCENARIO: &str = "facts: {name: Priya}\nturns:\n  - user: My name is Priya.\n  - {user: What's my name?, expect: [{recalls: name}]}\n";
const SNAPSHOT: &str = "bots/s/snapshots/one@default.builtin.full.snap";

/// Git without any settings but those that a commit needs.
fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut git = Command::new("git");
    git.args(["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"]);
    git.args(["-c", "commit.gpgsign=false", "-c", "protocol.file.allow=always"]).args(arguments).current_dir(folder);
    git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    let output = git.output().expect("git");
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned()
}

/// A repository whose branch `main` has an accepted snapshot, on the branch `work`.
fn repository() -> Sandbox {
    let sandbox = Sandbox::new().env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    git(sandbox.path(), &["init", "-q"]);
    sandbox.write(".gitignore", "results/\n*.snap.new\n");
    sandbox.write("bots/s/one.yaml", SCENARIO);
    sandbox.run(&["run", "bots/s", "--snapshots", "always"]).expect(0);
    commit(&sandbox);
    git(sandbox.path(), &["checkout", "-q", "-b", "work"]);
    sandbox
}

fn commit(sandbox: &Sandbox) {
    git(sandbox.path(), &["add", "-A"]);
    git(sandbox.path(), &["commit", "-q", "-m", "more"]);
}

fn change(sandbox: &Sandbox, from: &str, to: &str) {
    let text = sandbox.read(SNAPSHOT);
    assert!(text.contains(from), "{text}");
    sandbox.write(SNAPSHOT, text.replace(from, to));
}

/// The program, run in a folder of the sandbox.
fn run_in(sandbox: &Sandbox, folder: &str, arguments: &[&str]) -> Ran {
    let mut command = sandbox.command(arguments);
    command.current_dir(sandbox.path().join(folder));
    Ran::from(command.output().expect("the binary runs"))
}

#[track_caller]
fn says(ran: &Ran, text: &str) {
    assert!(ran.stdout.contains(text), "`{text}` is not in:\n{}", ran.stdout);
}

#[track_caller]
fn refuses(ran: Ran, text: &str, help: &str) {
    let ran = ran.expect(2);
    assert!(ran.stderr.contains(text) && ran.stderr.contains(help), "{}", ran.stderr);
    assert_eq!(ran.stdout, "");
}

#[test]
fn a_moved_verdict_is_shown_from_the_working_tree_and_from_a_commit_alike() {
    let sandbox = repository();
    let ran = sandbox.run(&["diff"]).expect(0);
    says(&ran, "### chat-eval: no snapshot changed (1 snapshot)\n");
    change(&sandbox, "✓ recalls name · retained", "✗ recalls name · missed");
    change(&sandbox, "Your name is Priya.", "I don't know.");
    let ran = sandbox.run(&["diff"]).expect(0);
    assert!(
        ran.stdout.starts_with("<!-- chat-eval diff -->\n\n### chat-eval: of 1 snapshot, 1 changed\n"),
        "{}",
        ran.stdout
    );
    says(&ran, "where `HEAD` left `main`");
    says(&ran, &format!("| `{SNAPSHOT}` | 2 | `recalls name` | `✓ retained` | `✗ missed` |"));
    says(&ran, "\n-  Your name is Priya.\n+  I don't know.\n");
    commit(&sandbox);
    assert_eq!(sandbox.run(&["diff"]).expect(0).stdout, ran.stdout);
    // Main went on meanwhile: what it changed is no change of this branch.
    git(sandbox.path(), &["checkout", "-q", "main"]);
    sandbox.write("bots/t/snapshots/two@d.m.full.snap", "---\n{}\n---\n# two\n");
    commit(&sandbox);
    git(sandbox.path(), &["checkout", "-q", "work"]);
    assert_eq!(sandbox.run(&["diff"]).expect(0).stdout, ran.stdout);
    says(&sandbox.run(&["diff", "main"]).expect(0), "#### Removed\n\n- `bots/t/snapshots/two@d.m.full.snap`\n");
}

#[test]
fn new_removed_and_unreadable_ones_are_named_and_what_is_not_ours_is_not() {
    let sandbox = repository();
    let rust = "---\nsource: src/lib.rs\n---\nx\n";
    sandbox.write("src/snapshots/lib__test@case.snap", rust);
    sandbox.write("bots/s/snapshots/two@d.m.full.snap", "---\n{}\n---\n# two\n");
    sandbox.write("bots/s/snapshots/three@d.m.full.snap", "---\n<<<<<<< ours\n---\n");
    sandbox.write("bots/s/snapshots/one@default.builtin.full.snap.new", "---\n{}\n---\n# pending\n");
    sandbox.write("results/x/snapshots/ignored@d.m.full.snap", "---\n{}\n---\n# ignored\n");
    sandbox.write("elsewhere/four@d.m.full.snap", "---\n{}\n---\n# no folder of ours\n");
    std::fs::remove_file(sandbox.path().join(SNAPSHOT)).unwrap();
    let ran = sandbox.run(&["diff"]).expect(0);
    says(&ran, "### chat-eval: of 3 snapshots, 1 new, 1 removed, 1 no longer readable\n");
    says(
        &ran,
        "#### New\n\n`bots/s/snapshots/two@d.m.full.snap`\n\n<details><summary>1 line</summary>\n\n```text\n# two\n",
    );
    // One that waits is said, and no more: nobody has decided on it.
    says(&ran, "no longer readable\n\n1 snapshot waits for review and is not compared: `chat-eval review`");
    assert!(!ran.stdout.contains("# pending") && !ran.stdout.contains(".snap.new"), "{}", ran.stdout);
    let elsewhere = sandbox.run(&["diff", "--", "bots/s/snapshots/two@d.m.full.snap"]).expect(0);
    assert!(!elsewhere.stdout.contains("waits"), "{}", elsewhere.stdout);
    says(&ran, &format!("#### Removed\n\n- `{SNAPSHOT}`\n"));
    says(&ran, "- `bots/s/snapshots/three@d.m.full.snap`: ``the metadata have a line");
}

#[test]
fn it_works_from_any_folder_and_with_paths() {
    let sandbox = repository();
    change(&sandbox, "Your name is Priya.", "Priya.");
    sandbox.write("bots/t/snapshots/two@d.m.full.snap", "---\n{}\n---\n# two\n");
    let whole = sandbox.run(&["diff"]).expect(0).stdout;
    assert_eq!(run_in(&sandbox, "bots/s", &["diff"]).expect(0).stdout, whole);
    assert_eq!(
        run_in(&sandbox, "bots/s", &["diff", "main", "--", "../.."]).expect(0).stdout.matches("two@d").count(),
        1
    );
    let one = run_in(&sandbox, "bots", &["diff", "--", "s"]).expect(0);
    says(&one, "of 1 snapshot, 1 changed");
    assert_eq!(run_in(&sandbox, ".", &["diff", "--", SNAPSHOT]).expect(0).stdout, one.stdout);
    let absolute = sandbox.path().join("bots/s").display().to_string();
    assert_eq!(run_in(&sandbox, ".", &["diff", "--", &absolute]).expect(0).stdout, one.stdout);
    refuses(sandbox.run(&["diff", "--", "../.."]), "`../..` is outside of the repository", "help: ");
    refuses(sandbox.run(&["diff", "--", "bots/nothing"]), "`bots/nothing` is neither here nor", "help: ");
}

#[test]
fn the_main_branch_is_the_first_that_is_there() {
    let origin = repository();
    git(origin.path(), &["branch", "-m", "main", "trunk"]);
    git(origin.path(), &["checkout", "-q", "trunk"]);
    let sandbox = Sandbox::new().env("GIT_CONFIG_GLOBAL", "/dev/null");
    let url = format!("file://{}", origin.path().display());
    git(sandbox.path(), &["clone", "-q", &url, "."]);
    says(&sandbox.run(&["diff"]).expect(0), "where `HEAD` left `origin/HEAD`");

    let sandbox = repository();
    git(sandbox.path(), &["branch", "-m", "main", "master"]);
    says(&sandbox.run(&["diff"]).expect(0), "where `HEAD` left `master`");
    git(sandbox.path(), &["branch", "-m", "master", "trunk"]);
    refuses(sandbox.run(&["diff"]), "there is no main branch", "help: name what to compare with: `chat-eval diff REV`");
    says(&sandbox.run(&["diff", "trunk"]).expect(0), "since `trunk` (`");
}

#[test]
fn what_git_does_not_know_is_said_with_a_way_out() {
    let nowhere = Sandbox::new().env("GIT_CEILING_DIRECTORIES", "/");
    refuses(nowhere.run(&["diff"]), "error: there is no git repository here: not a git repository", "help: ");
    git(nowhere.path(), &["init", "-q"]);
    refuses(nowhere.run(&["diff"]), "`HEAD` is no revision", "help: ");

    let sandbox = repository();
    refuses(sandbox.run(&["diff", "mian"]), "`mian` is no revision of this repository", "`chat-eval diff main`");
    refuses(sandbox.run(&["diff", "bots/s"]), "`bots/s` is no revision", "paths stand behind `--`");
    sandbox.run(&["diff", "--output=x"]).expect(2);
    for range in ["main..work", "main...work", "^HEAD", "^main", "..", "^"] {
        let ran = sandbox.run(&["diff", range]);
        refuses(
            ran,
            &format!("error: `{range}` is a range of commits, and one commit is wanted"),
            "`chat-eval diff main`",
        );
    }
    for revision in ["HEAD^{commit}", "HEAD@{0}", "main^0"] {
        sandbox.run(&["diff", revision]).expect(0);
    }
    assert!(!sandbox.has("x"));
    let mut without_git = sandbox.command(&["diff"]);
    without_git.env("PATH", sandbox.path());
    refuses(Ran::from(without_git.output().unwrap()), "cannot start `git`", "help: it must be installed");
    git(sandbox.path(), &["checkout", "-q", "--orphan", "alone"]);
    // In the same second, the same files would be the same commit.
    sandbox.write("alone", "");
    commit(&sandbox);
    refuses(sandbox.run(&["diff"]), "`HEAD` and `main` have no commit in common", "help: name what");
}

#[test]
fn a_shallow_clone_is_told_what_it_needs() {
    let origin = repository();
    change(&origin, "Your name is Priya.", "Priya.");
    commit(&origin);
    let sandbox = Sandbox::new().env("GIT_CONFIG_GLOBAL", "/dev/null");
    let url = format!("file://{}", origin.path().display());
    git(sandbox.path(), &["clone", "-q", "--depth", "1", "--branch", "work", &url, "."]);
    // As actions/checkout leaves it: no branch of the remote's but the one that was fetched.
    git(sandbox.path(), &["remote", "set-head", "origin", "--delete"]);
    refuses(sandbox.run(&["diff"]), "there is no main branch", "`fetch-depth: 0`");
    refuses(sandbox.run(&["diff", "HEAD~1"]), "`HEAD~1` is no revision", "`fetch-depth: 0`");
}

#[test]
fn a_transcript_can_do_nothing_to_the_page_or_to_the_log() {
    let sandbox = repository();
    change(
        &sandbox,
        "  Your name is Priya.",
        "  @octocat ````\n  </details>\n  ::error::x\n  ![a](https://evil.example/b.png)\u{1b}[2J",
    );
    let ran = sandbox.run(&["diff"]).expect(0);
    says(&ran, "`````diff\n");
    says(&ran, "+  ![a](https://evil.example/b.png)‹U+001B›[2J\n");
    assert!(ran.stdout.lines().all(|line| !line.trim_start().starts_with("::")), "{}", ran.stdout);
}

#[cfg(unix)]
#[test]
fn a_path_may_be_no_text_and_a_link_is_no_snapshot() {
    use std::os::unix::ffi::OsStrExt;
    let sandbox = repository();
    let folder = sandbox.path().join(std::ffi::OsStr::from_bytes(b"caf\xe9/snapshots"));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("two@d.m.full.snap"), "---\n{}\n---\n# two\n").unwrap();
    commit(&sandbox);
    says(&sandbox.run(&["diff", "HEAD"]).expect(0), "no snapshot changed (2 snapshots)");
    // A stranger's link would put into the pull request whatever it leads to.
    std::fs::write(sandbox.path().join("secret"), "the key\n").unwrap();
    std::fs::remove_file(sandbox.path().join(SNAPSHOT)).unwrap();
    std::os::unix::fs::symlink(sandbox.path().join("secret"), sandbox.path().join(SNAPSHOT)).unwrap();
    let ran = sandbox.run(&["diff", "HEAD"]).expect(0);
    says(&ran, &format!("- `{SNAPSHOT}`: `it is a symbolic link, which is not followed`"));
    commit(&sandbox);
    assert!(!(ran.stdout + &sandbox.run(&["diff", "HEAD"]).expect(0).stdout).contains("the key"));
}

#[test]
fn what_a_sparse_checkout_leaves_out_was_not_removed() {
    let sandbox = repository();
    git(sandbox.path(), &["update-index", "--skip-worktree", SNAPSHOT]);
    std::fs::remove_file(sandbox.path().join(SNAPSHOT)).unwrap();
    says(&sandbox.run(&["diff"]).expect(0), "no snapshot changed (0 snapshots)");
}
