//! `report.html` as the binary writes it, and `report --open`. What it does in a browser is tested in `tests/browser`.

use std::os::unix::fs::PermissionsExt;

use crate::support::sandbox::{Ran, Sandbox};

const TWO: &str = "personas: [{name: a, system: A.}, {name: b, system: B.}]\nturns: [{user: Hi}, {user: Ho}]\n";

fn played() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("s/one.yaml", TWO);
    sandbox
}

#[test]
fn every_run_has_its_page_and_report_writes_the_same_bytes_again() {
    let sandbox = played();
    let ran = sandbox.run(&["run", "s", "--snapshots", "off"]).expect(0);
    let id = sandbox.run_folder().file_name().unwrap().to_string_lossy().into_owned();
    assert!(ran.stdout.ends_with(&format!("results/{id}/report.html\n")), "{}", ran.stdout);
    let page = sandbox.read("results/latest/report.html");
    assert!(page.starts_with("<!doctype html>\n") && page.ends_with("</html>\n"));
    sandbox.write("results/latest/report.html", "");
    sandbox.run(&["report"]).expect(0);
    assert!(sandbox.read("results/latest/report.html") == page);
}

/// `report --open` with a program `xdg-open` that is a shell script of these lines.
fn open_with(script: &str, sandbox: &Sandbox) -> Ran {
    let bin = sandbox.write("bin/xdg-open", format!("#!/bin/sh\n{script}\n"));
    std::fs::set_permissions(&bin, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = sandbox.command(&["report", "--open"]);
    Ran::from(command.env("PATH", bin.parent().unwrap()).output().unwrap())
}

#[test]
fn report_open_starts_a_browser_on_the_page_and_does_not_wait_for_it() {
    let sandbox = played();
    sandbox.run(&["run", "s", "--snapshots", "off"]).expect(0);
    // A browser that runs until it is told to end: the pipe's other end is opened behind the command.
    let pipe = sandbox.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let (pipe, shown) = (pipe.to_str().unwrap(), sandbox.path().join("shown"));
    let script = format!("printf %s \"$1\" > '{}'; read -r _ < '{pipe}'", shown.display());
    let ran = open_with(&script, &sandbox).expect(0);
    assert_eq!(ran.stderr, "");
    std::fs::write(pipe, "end\n").unwrap();
    let shown = std::fs::read_to_string(shown).unwrap();
    assert!(shown.starts_with('/') && shown.ends_with("/report.html"), "{shown}");
    assert!(std::fs::read_to_string(shown).unwrap().ends_with("</html>\n"));
}

#[test]
fn where_no_browser_starts_it_is_said_where_the_page_is() {
    let sandbox = played();
    sandbox.run(&["run", "s", "--snapshots", "off"]).expect(0);
    let ran = open_with("exit 3", &sandbox).expect(0);
    assert!(ran.stderr.starts_with("warning: no browser could be started (") && ran.stderr.contains("/report.html"));
    assert!(ran.stdout.contains("2 passed"), "{}", ran.stdout);
}
