//! Files that lie beside scenarios, and may have come with anybody's pull request: what is no file is not waited for, and it
//! is told where a link leads to.
//!
//! It guards against what was left there, not against somebody who changes it at the same moment.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Why what lies at a path is not read, which leads there by links or not: whoever opens a pipe waits for somebody to write into
/// it, and a device may have no end. `None` for a file, and where nothing can be said.
#[must_use]
pub fn no_file(path: &Path) -> Option<&'static str> {
    let kind = fs::metadata(path).ok()?;
    match (kind.is_file(), kind.is_dir()) {
        (true, _) => None,
        (_, true) => Some("it is a folder, and no file"),
        (false, false) => Some("it is a pipe or a device, and no file"),
    }
}

/// Opens a file for reading.
///
/// # Errors
/// When it cannot be opened, or is no file.
pub fn open(path: &Path) -> io::Result<File> {
    match no_file(path) {
        Some(reason) => Err(io::Error::other(reason)),
        None => File::open(path),
    }
}

/// Reads a whole file.
///
/// # Errors
/// When it cannot be read, or is no file.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    match no_file(path) {
        Some(reason) => Err(io::Error::other(reason)),
        None => fs::read(path),
    }
}

/// Whether `path`, or the folder that it lies in, is a link that leads out of `folder`, which is above both. Something of its
/// name need not be there.
#[must_use]
pub fn leads_out(path: &Path, folder: &Path) -> bool {
    let own = path.parent().unwrap_or(Path::new(""));
    if !is_link(own) && !is_link(path) {
        return false;
    }
    let here = |path: &Path| if path.as_os_str().is_empty() { PathBuf::from(".") } else { path.to_owned() };
    let real = path.canonicalize().or_else(|_| here(own).canonicalize());
    // Of a link to nothing it is not known where it would lead to.
    !matches!((real, here(folder).canonicalize()), (Ok(real), Ok(folder)) if real.starts_with(&folder))
}

/// The first of the folders between `folder` and a file below it that is a link: whoever writes that file writes elsewhere.
#[must_use]
pub fn link_above(folder: &Path, file: &Path) -> Option<PathBuf> {
    let mut between: Vec<PathBuf> = file.ancestors().skip(1).map(|above| folder.join(above)).collect();
    // The last one is the folder itself, which was asked for.
    between.pop();
    between.into_iter().rev().find(|path| is_link(path))
}

fn is_link(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|meta| meta.is_symlink())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_is_no_file_is_told_and_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "text").unwrap();
        let pipe = std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap();
        assert!(pipe.success());
        symlink(at("pipe"), at("link")).unwrap();
        assert_eq!(read(&at("file")).unwrap(), b"text");
        assert_eq!(read(&at("nothing")).unwrap_err().kind(), io::ErrorKind::NotFound);
        for name in ["pipe", "link", "/dev/zero"] {
            assert_eq!(read(&at(name)).unwrap_err().to_string(), "it is a pipe or a device, and no file", "{name}");
            assert!(open(&at(name)).is_err());
        }
        assert_eq!(no_file(folder.path()), Some("it is a folder, and no file"));
    }

    #[test]
    fn a_link_is_followed_inside_of_the_folder_only() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::create_dir_all(at("bots/snapshots")).unwrap();
        fs::create_dir_all(at("bots/kept")).unwrap();
        fs::create_dir_all(at("elsewhere")).unwrap();
        for name in ["bots/snapshots/own", "bots/kept/file", "elsewhere/file"] {
            fs::write(at(name), "").unwrap();
        }
        symlink(at("bots/kept/file"), at("bots/snapshots/inside")).unwrap();
        symlink(at("elsewhere/file"), at("bots/snapshots/outside")).unwrap();
        symlink("nothing", at("bots/snapshots/dangling")).unwrap();
        symlink("kept", at("bots/near")).unwrap();
        symlink("../elsewhere", at("bots/far")).unwrap();
        for (path, expected) in [
            ("bots/snapshots/own", false),
            ("bots/snapshots/not-there", false),
            ("bots/snapshots/inside", false),
            ("bots/snapshots/dangling", false),
            ("bots/near/file", false),
            ("bots/near/not-there", false),
            ("bots/snapshots/outside", true),
            ("bots/far/file", true),
            ("bots/far/not-there", true),
        ] {
            assert_eq!(leads_out(&at(path), &at("bots")), expected, "{path}");
        }
        assert_eq!(link_above(root.path(), Path::new("bots/far/deep/file")), Some(at("bots/far")));
        assert_eq!(link_above(root.path(), Path::new("bots/kept/file")), None);
        // The folder that was asked for may be a link.
        assert_eq!(link_above(&at("bots/far"), Path::new("a/b")), None);
    }
}
