//! Tests of the module beside this file.

use std::fs;

use super::*;
use crate::model::TurnId;
use crate::snapshot::{Mode, check};

fn pending_file(source: &str, contents: &str) -> String {
    format!("---\nsource: {source}\nassertion_line: 3\ndescription: s / p\n---\n{contents}\n")
}

fn folder_with(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("review").tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

#[test]
fn pending_snapshots_are_found_in_order_and_nothing_else_is() {
    let ours = pending_file("s.yaml", "x");
    let of_rust = pending_file("src/lib.rs", "x");
    let folder = folder_with(&[
        (".git/HEAD", ""),
        (".gitignore", "*.snap.new\nignored/\n"),
        ("b/snapshots/s@p.m.2.snap.new", &ours),
        ("a/snapshots/t@p.m.2.snap.new", &ours),
        ("a/snapshots/t@p.m.10.snap.new", &ours),
        ("ignored/snapshots/i@p.m.2.snap.new", &ours),
        ("broken/snapshots/s@p.m.2.snap.new", "---\nsource: \"\n---\n"),
        ("a/snapshots/t@p.m.2.snap", &ours),
        ("a/snapshots/crate__test.snap.new", &ours),
        ("a/snapshots/crate__test@suffix.snap.new", &of_rust),
        ("a/elsewhere/s@p.m.2.snap.new", &ours),
        ("target/snapshots/s@p.m.2.snap.new", &ours),
        ("web/node_modules/snapshots/s@p.m.2.snap.new", &ours),
        (".hidden/snapshots/s@p.m.2.snap.new", &ours),
    ]);
    let found = find(folder.path()).unwrap();
    let found: Vec<_> = found.iter().map(|path| path.strip_prefix(folder.path()).unwrap().to_str().unwrap()).collect();
    assert_eq!(
        found,
        [
            "a/snapshots/t@p.m.10.snap.new",
            "a/snapshots/t@p.m.2.snap.new",
            "b/snapshots/s@p.m.2.snap.new",
            "broken/snapshots/s@p.m.2.snap.new",
            "ignored/snapshots/i@p.m.2.snap.new",
        ]
    );
}

#[test]
fn a_file_and_its_own_folder_can_be_named_too() {
    let folder = folder_with(&[("target/snapshots/s@p.m.2.snap.new", &pending_file("s.yaml", "x"))]);
    let file = folder.path().join("target/snapshots/s@p.m.2.snap.new");
    for root in [&file, file.parent().unwrap(), &folder.path().join("target")] {
        assert_eq!(find(root).unwrap(), std::slice::from_ref(&file));
    }
    assert!(matches!(find(&folder.path().join("nowhere")), Err(SnapshotError::Unreadable { .. })));
}

#[test]
fn accepting_replaces_the_old_one_and_the_next_run_matches() {
    let old = "---\nsource: s.yaml\n---\n# s\n\nturn 1 · sent: u1\nassistant\n  a\n";
    let folder = folder_with(&[
        ("snapshots/s@p.m.2.snap", old),
        ("snapshots/s@p.m.2.snap.new", &pending_file("s.yaml", "# s\n\nturn 1 · sent: u1\nassistant\n  b")),
    ]);
    let [path] = find(folder.path()).unwrap().try_into().unwrap();
    let pending = Pending::load(&path).unwrap();
    assert_eq!(pending.difference(), Some(Difference::Words { turns: vec![TurnId::Turn(1)] }));
    let (target, new) = (pending.target.clone(), pending.new.clone());
    pending.accept().unwrap();
    assert!(!path.exists());
    let accepted = fs::read_to_string(&target).unwrap();
    assert_eq!(accepted, "---\nsource: s.yaml\ndescription: s / p\n---\n# s\n\nturn 1 · sent: u1\nassistant\n  b\n");
    assert_eq!(check(&target, &new, Mode::No).unwrap(), crate::snapshot::Status::Matched);
}

#[test]
fn rejecting_leaves_the_old_one_as_it_was() {
    let folder = folder_with(&[
        ("snapshots/s@p.m.2.snap", "---\nsource: s.yaml\n---\nold\n"),
        ("snapshots/s@p.m.2.snap.new", &pending_file("s.yaml", "new")),
        ("snapshots/t@p.m.2.snap.new", &pending_file("t.yaml", "new")),
    ]);
    for path in find(folder.path()).unwrap() {
        Pending::load(&path).unwrap().reject().unwrap();
    }
    assert!(find(folder.path()).unwrap().is_empty());
    assert_eq!(
        fs::read_to_string(folder.path().join("snapshots/s@p.m.2.snap")).unwrap(),
        "---\nsource: s.yaml\n---\nold\n"
    );
    assert!(!folder.path().join("snapshots/t@p.m.2.snap").exists());
}

#[test]
fn both_files_come_back_as_they_were_whatever_they_hold() {
    let (old, new) = ("---\r\nsource: s.yaml\n---\nold", "no snapshot at all");
    let folder = folder_with(&[("snapshots/s@p.m.2.snap", old), ("snapshots/s@p.m.2.snap.new", new)]);
    let path = folder.path().join("snapshots/s@p.m.2.snap.new");
    let before = Files::now(&path).unwrap();
    assert!(before.is_pending());
    discard(&path).unwrap();
    fs::write(path.with_extension(""), "other").unwrap();
    assert!(!Files::now(&path).unwrap().is_pending());
    before.restore().unwrap();
    assert_eq!(Files::now(&path).unwrap(), before);
    // What was not there goes again.
    fs::remove_file(path.with_extension("")).unwrap();
    let before = Files::now(&path).unwrap();
    fs::rename(&path, path.with_extension("")).unwrap();
    before.restore().unwrap();
    assert!(Files::now(&path).unwrap() == before && !path.with_extension("").exists());
    assert!(matches!(discard(&path.with_extension("")), Err(SnapshotError::NotPending { .. })));
}

#[test]
fn of_a_long_file_only_the_beginning_says_whose_it_is() {
    let long = "\u{e4}".repeat(1 << 20);
    let folder = folder_with(&[
        ("snapshots/s@p.m.2.snap.new", &pending_file("s.yaml", &long)),
        ("snapshots/of@rust.snap.new", &pending_file("src/lib.rs", &long)),
    ]);
    assert_eq!(find(folder.path()).unwrap(), [folder.path().join("snapshots/s@p.m.2.snap.new")]);
}

#[test]
fn what_is_not_pending_or_gone_cannot_be_loaded() {
    let folder = folder_with(&[("snapshots/s@p.m.2.snap", &pending_file("s.yaml", "x"))]);
    let load = |name: &str| Pending::load(&folder.path().join("snapshots").join(name)).unwrap_err();
    assert!(matches!(load("s@p.m.2.snap"), SnapshotError::NotPending { .. }));
    assert!(matches!(load("s@p.m.2.snap.new"), SnapshotError::Unreadable { .. }));
}
