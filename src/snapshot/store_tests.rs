//! Tests of the module beside this file.

use std::time::{Duration, SystemTime};

use super::*;
use crate::model::TurnId;
use crate::snapshot::Metadata;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn snap(&self) -> PathBuf {
        self.0.path().join("deep/snapshots/s@p.m.2.snap")
    }

    fn pending(&self) -> PathBuf {
        self.0.path().join("deep/snapshots/s@p.m.2.snap.new")
    }

    fn put(&self, path: &Path, text: &str) {
        assert!(path.starts_with(self.0.path()));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The names of all files, so that nothing is left lying about unseen.
    fn files(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.snap().parent().unwrap()) else { return Vec::new() };
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn snapshot(contents: &str) -> Snapshot {
    let metadata = Metadata { source: Some("s.yaml".into()), assertion_line: Some(3), ..Metadata::default() };
    Snapshot::new(metadata, contents)
}

/// An hour that no write of this test can fall into.
fn long_ago() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)
}

fn age(path: &Path) {
    fs::File::options().append(true).open(path).unwrap().set_modified(long_ago()).unwrap();
}

fn is_untouched(path: &Path) -> bool {
    fs::metadata(path).unwrap().modified().unwrap() == long_ago()
}

const ONE: &str = "# s\n\nturn 1 · sent: u1\nuser\n  Hi\nassistant\n  Hello";
const TWO: &str = "# s\n\nturn 1 · sent: u1\nuser\n  Hi\nassistant\n  Good day";

#[test]
fn a_new_snapshot_waits_beside_its_place_and_only_compares_writes_nothing() {
    let folder = Folder::new();
    assert_eq!(check(&folder.snap(), &snapshot(ONE), Mode::Off).unwrap(), Status::Off);
    assert_eq!(check(&folder.snap(), &snapshot(ONE), Mode::No).unwrap(), Status::Missing { pending: None });
    assert_eq!(folder.files(), [""; 0]);
    let status = check(&folder.snap(), &snapshot(ONE), Mode::New).unwrap();
    assert_eq!(status, Status::Missing { pending: Some(folder.pending()) });
    assert_eq!(folder.files(), ["s@p.m.2.snap.new"]);
    let written = fs::read_to_string(folder.pending()).unwrap();
    assert_eq!(written, format!("---\nsource: s.yaml\nassertion_line: 3\n---\n{ONE}\n"));
}

#[test]
fn always_writes_the_accepted_form_at_once() {
    let folder = Folder::new();
    assert_eq!(check(&folder.snap(), &snapshot(ONE), Mode::Always).unwrap(), Status::Written { difference: None });
    assert_eq!(fs::read_to_string(folder.snap()).unwrap(), format!("---\nsource: s.yaml\n---\n{ONE}\n"));
    folder.put(&folder.pending(), "an older one");
    let words = Difference::Words { turns: vec![TurnId::Turn(1)] };
    assert_eq!(
        check(&folder.snap(), &snapshot(TWO), Mode::Always).unwrap(),
        Status::Written { difference: Some(words) }
    );
    assert_eq!(folder.files(), ["s@p.m.2.snap"]);
}

#[test]
fn a_match_touches_nothing_but_a_pending_file_that_is_out_of_date() {
    let folder = Folder::new();
    check(&folder.snap(), &snapshot(ONE), Mode::Always).unwrap();
    age(&folder.snap());
    for mode in [Mode::No, Mode::New, Mode::Always] {
        folder.put(&folder.pending(), "out of date");
        assert_eq!(check(&folder.snap(), &snapshot(ONE), mode).unwrap(), Status::Matched, "{mode:?}");
        assert!(is_untouched(&folder.snap()), "{mode:?}");
        assert_eq!(folder.pending().exists(), mode == Mode::No, "{mode:?}");
    }
}

#[test]
fn a_difference_waits_for_review_and_leaves_the_accepted_one_alone() {
    let folder = Folder::new();
    check(&folder.snap(), &snapshot(ONE), Mode::Always).unwrap();
    age(&folder.snap());
    let difference = Difference::Words { turns: vec![TurnId::Turn(1)] };
    let status = check(&folder.snap(), &snapshot(TWO), Mode::No).unwrap();
    assert_eq!(status, Status::Differs { difference: difference.clone(), pending: None });
    assert_eq!(folder.files(), ["s@p.m.2.snap"]);
    for _ in 0..2 {
        let status = check(&folder.snap(), &snapshot(TWO), Mode::New).unwrap();
        assert_eq!(status, Status::Differs { difference: difference.clone(), pending: Some(folder.pending()) });
        assert_eq!(folder.files(), ["s@p.m.2.snap", "s@p.m.2.snap.new"]);
    }
    assert!(is_untouched(&folder.snap()));
    // The same pending snapshot again is not written again.
    age(&folder.pending());
    check(&folder.snap(), &snapshot(TWO), Mode::New).unwrap();
    assert!(is_untouched(&folder.pending()));
}

#[test]
fn where_a_run_was_started_and_how_git_ends_lines_is_no_difference() {
    let folder = Folder::new();
    let elsewhere = format!("---\nsource: sub/s.yaml\n---\n{ONE}\n").replace('\n', "\r\n");
    folder.put(&folder.snap(), &elsewhere);
    for mode in [Mode::No, Mode::New, Mode::Always] {
        assert_eq!(check(&folder.snap(), &snapshot(ONE), mode).unwrap(), Status::Matched, "{mode:?}");
    }
    assert_eq!(fs::read_to_string(folder.snap()).unwrap(), elsewhere);
}

#[test]
fn an_accepted_file_that_is_no_snapshot_is_named_and_only_always_replaces_it() {
    let folder = Folder::new();
    for bytes in [&b"---\nsource: \"a\n---\nx"[..], b"---\n---\n\xff"] {
        fs::create_dir_all(folder.snap().parent().unwrap()).unwrap();
        fs::write(folder.snap(), bytes).unwrap();
        for mode in [Mode::No, Mode::New] {
            let error = check(&folder.snap(), &snapshot(ONE), mode).unwrap_err();
            assert!(matches!(error, SnapshotError::Malformed { .. }));
            assert!(error.to_string().contains("s@p.m.2.snap` is no snapshot: "), "{error}");
        }
        assert_eq!(check(&folder.snap(), &snapshot(ONE), Mode::Always).unwrap(), Status::Written { difference: None });
    }
}

#[test]
fn what_cannot_be_written_is_an_error_that_names_the_file() {
    let folder = Folder::new();
    // A file stands where the folder should be.
    folder.put(&folder.0.path().join("deep"), "");
    let error = check(&folder.snap(), &snapshot(ONE), Mode::New).unwrap_err();
    assert!(error.to_string().contains("s@p.m.2.snap"), "{error}");
}

#[cfg(unix)]
#[test]
fn others_may_read_a_snapshot_as_they_may_read_any_new_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    check(&folder.snap(), &snapshot(ONE), Mode::Always).unwrap();
    let plain = folder.0.path().join("plain");
    fs::write(&plain, "").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&folder.snap()), mode(&plain));
}
