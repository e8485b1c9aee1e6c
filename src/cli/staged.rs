//! Files that appear together, whole, or not at all: each is written beside its place, and moved there when all are.

use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use tempfile::TempPath;

/// Files that are written and not yet where they belong. Dropped, they are gone, and so is the folder where it was made for them.
#[derive(Debug)]
pub struct Staged {
    folder: PathBuf,
    /// The folders that were made, the innermost first.
    made: Vec<PathBuf>,
    files: Vec<(TempPath, PathBuf)>,
    is_kept: bool,
}

/// Why files do not appear.
#[derive(Debug)]
pub enum NotStaged {
    /// These are there already.
    Taken(Vec<PathBuf>),
    /// What the system said, and of which file.
    Failed(PathBuf, io::Error),
}

impl Staged {
    /// Files of one folder.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), made: Vec::new(), files: Vec::new(), is_kept: false }
    }

    /// Writes a file beside its place.
    ///
    /// # Errors
    /// When the folder or the file cannot be written.
    pub fn write(&mut self, name: &str, text: &str) -> Result<(), NotStaged> {
        let place = self.folder.join(name);
        if self.files.is_empty()
            && let Err(error) = self.make_folder()
        {
            return Err(NotStaged::Failed(place, error));
        }
        let write = || {
            // Its name begins with a `.`: it is no scenario, also where it is left behind by a kill.
            let mut file = tempfile::Builder::new().prefix(".import-").tempfile_in(&self.folder)?;
            file.write_all(text.as_bytes())?;
            open_to_all(file.as_file())?;
            Ok(file.into_temp_path())
        };
        match write() {
            Ok(file) => {
                self.files.push((file, place));
                Ok(())
            }
            Err(error) => Err(NotStaged::Failed(place, error)),
        }
    }

    fn make_folder(&mut self) -> io::Result<()> {
        let missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
        self.made = self.folder.ancestors().take_while(missing).map(Path::to_owned).collect();
        std::fs::create_dir_all(&self.folder)
    }

    /// Moves all files to their places and gives those. Nothing that is there is replaced, unless that is asked for.
    ///
    /// # Errors
    /// When a place is taken or a file cannot be moved. Then none is there that was not there before.
    pub fn publish(mut self, replaces: bool) -> Result<Vec<PathBuf>, NotStaged> {
        let is_taken = |place: &&PathBuf| place.symlink_metadata().is_ok();
        let taken: Vec<PathBuf> = self.files.iter().map(|(_, place)| place).filter(is_taken).cloned().collect();
        if !replaces && !taken.is_empty() {
            return Err(NotStaged::Taken(taken));
        }
        let mut places = Vec::with_capacity(self.files.len());
        for (file, place) in std::mem::take(&mut self.files) {
            let moved = if replaces { file.persist(&place) } else { file.persist_noclobber(&place) };
            if let Err(error) = moved {
                for place in places.iter().filter(|place| !taken.contains(place)) {
                    // What cannot be taken back is an import's own file, and the error is said.
                    let _ = std::fs::remove_file(place);
                }
                return Err(match error.error.kind() {
                    ErrorKind::AlreadyExists => NotStaged::Taken(vec![place]),
                    _ => NotStaged::Failed(place, error.error),
                });
            }
            places.push(place);
        }
        self.is_kept = true;
        Ok(places)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        self.files.clear();
        if !self.is_kept {
            for folder in &self.made {
                // One that holds something by now stays.
                let _ = std::fs::remove_dir(folder);
            }
        }
    }
}

/// A temporary file is its owner's alone; a scenario is a file like any other.
#[cfg(unix)]
fn open_to_all(file: &std::fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn open_to_all(_: &std::fs::File) -> io::Result<()> {
    Ok(())
}
