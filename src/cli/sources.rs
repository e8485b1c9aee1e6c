//! Finds scenario files and reads them, with all that they name.

use std::collections::HashSet;
use std::io::Read;
use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::thread::available_parallelism;

use crate::diagnostic::{Code, Diagnostic, SourceFile};
use crate::disk;
use crate::scenario::yaml::MAX_FILE_BYTES;
use crate::scenario::{self, FileProblem, Files, Scenario};

/// The config file's name: found in a folder, it is no scenario.
pub const CONFIG_FILE: &str = "chat-eval.yaml";
/// Folders in which nothing is a scenario.
const NO_SCENARIOS: [&str; 2] = ["snapshots", "cassettes"];

/// How many files a thread must have to read, to be worth its start.
const WORTH_A_THREAD: usize = 64;
/// The stack of a thread that reads, in bytes: what the main thread has. YAML may be as deep as its limit allows, and the usual stack
/// of a thread is a quarter of this: too little in a build that is not optimized.
const READER_STACK: usize = 8 << 20;

/// A scenario file that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    /// Its path, as given or found; `None` for standard input.
    path: Option<PathBuf>,
    /// The folder that files it names must lie in.
    root: PathBuf,
}

/// Everything that was read.
#[derive(Debug)]
pub struct Loaded {
    /// The scenarios without errors, in the order of their paths.
    pub scenarios: Vec<Scenario>,
    /// What is wrong with the others.
    pub diagnostics: Vec<Diagnostic>,
    /// How many files were looked at.
    pub files: usize,
}

/// Finds and reads the scenarios of these paths. Nothing stops at the first error.
#[must_use]
pub fn load(paths: &[PathBuf]) -> Loaded {
    let mut diagnostics = Vec::new();
    let mut found: Vec<Found> = Vec::new();
    let mut seen = HashSet::new();
    for path in paths {
        for file in find(path, &mut diagnostics) {
            // A file that two arguments lead to is one scenario.
            let identity = file.path.as_ref().map(|path| path.canonicalize().unwrap_or_else(|_| path.clone()));
            if seen.insert(identity) {
                found.push(file);
            }
        }
    }
    read_all_of(&found, diagnostics)
}

/// Reads the scenarios that lie in one folder, not below it. Files that they name must lie in `root`.
#[must_use]
pub fn load_beside(folder: &Path, root: &Path) -> Loaded {
    let (files, diagnostics) = in_folder(folder);
    let found: Vec<Found> = files.into_iter().map(|file| Found { path: Some(file), root: root.to_owned() }).collect();
    read_all_of(&found, diagnostics)
}

/// The files in one folder, not below it, that are scenarios, and what could not be looked at.
#[must_use]
pub fn in_folder(folder: &Path) -> (Vec<PathBuf>, Vec<Diagnostic>) {
    let (mut files, mut diagnostics) = (Vec::new(), Vec::new());
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    walk(folder, Some(1), &mut files, &mut diagnostics);
    files.sort();
    (files, diagnostics)
}

fn read_all_of(found: &[Found], mut diagnostics: Vec<Diagnostic>) -> Loaded {
    let mut shares = read_side_by_side(found).into_iter();
    let (mut scenarios, mut wrong) = shares.next().unwrap_or_default();
    diagnostics.append(&mut wrong);
    for (mut read, mut wrong) in shares {
        scenarios.reserve_exact(read.len());
        scenarios.append(&mut read);
        diagnostics.append(&mut wrong);
    }
    diagnostics.extend(scenario::duplicate_names(&scenarios));
    Loaded { scenarios, diagnostics, files: found.len() }
}

/// Reads the files on as many processors as there are, and gives what came of each share of them in their order.
fn read_side_by_side(found: &[Found]) -> Vec<(Vec<Scenario>, Vec<Diagnostic>)> {
    let read = |files: &[Found]| {
        let (mut scenarios, mut diagnostics) = (Vec::with_capacity(files.len()), Vec::new());
        for file in files {
            let (scenario, mut wrong) = read_scenario(file);
            scenarios.extend(scenario);
            diagnostics.append(&mut wrong);
        }
        (scenarios, diagnostics)
    };
    let threads = available_parallelism().map_or(1, NonZeroUsize::get).min(found.len() / WORTH_A_THREAD);
    if threads < 2 {
        return vec![read(found)];
    }
    std::thread::scope(|scope| {
        let (shares, read) = (found.chunks(found.len().div_ceil(threads)), &read);
        let start = |files| {
            let reader = std::thread::Builder::new().stack_size(READER_STACK).spawn_scoped(scope, move || read(files));
            (files, reader.ok())
        };
        let readers: Vec<_> = shares.map(start).collect();
        let joined = readers.into_iter().map(|(files, reader)| match reader {
            // A panic of a reader goes on here, as it would with one thread.
            Some(reader) => reader.join().unwrap_or_else(|panic| resume_unwind(panic)),
            // No thread is to be had: it is read here.
            None => read(files),
        });
        joined.collect()
    })
}

fn find(path: &Path, diagnostics: &mut Vec<Diagnostic>) -> Vec<Found> {
    if path == Path::new("-") {
        return vec![Found { path: None, root: PathBuf::from(".") }];
    }
    match std::fs::metadata(path) {
        Ok(meta) if meta.is_dir() => {
            let mut files = Vec::new();
            walk(path, None, &mut files, diagnostics);
            files.sort_by(|a, b| a.as_os_str().as_encoded_bytes().cmp(b.as_os_str().as_encoded_bytes()));
            files.into_iter().map(|file| Found { path: Some(file), root: path.to_owned() }).collect()
        }
        Ok(_) => {
            let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            vec![Found { path: Some(path.to_owned()), root: folder.to_owned() }]
        }
        Err(error) => {
            diagnostics.push(unreadable(Code::MissingPath, path, &error));
            Vec::new()
        }
    }
}

fn unreadable(code: Code, path: &Path, error: &std::io::Error) -> Diagnostic {
    use std::io::ErrorKind;
    let is_link = path.symlink_metadata().is_ok_and(|meta| meta.is_symlink());
    let path = path.display();
    match error.kind() {
        ErrorKind::NotFound if is_link => Diagnostic::error(code, format!("`{path}` is a link that leads to nothing")),
        ErrorKind::NotFound => Diagnostic::error(code, format!("`{path}` does not exist")),
        ErrorKind::PermissionDenied => Diagnostic::error(Code::Unreadable, format!("`{path}` may not be read"))
            .help("change its permissions, or leave it out"),
        _ => Diagnostic::error(Code::Unreadable, format!("`{path}` cannot be read: {error}")),
    }
}

fn walk(folder: &Path, max_depth: Option<usize>, files: &mut Vec<PathBuf>, diagnostics: &mut Vec<Diagnostic>) {
    let walker = ignore::WalkBuilder::new(folder)
        .standard_filters(false)
        .max_depth(max_depth)
        .filter_entry(|entry| {
            let name = entry.file_name().to_string_lossy();
            let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir());
            let is_left_out =
                name.starts_with('.') || name.starts_with('_') || is_folder && NO_SCENARIOS.contains(&&*name);
            entry.depth() == 0 || !is_left_out
        })
        .build();
    for entry in walker {
        match entry {
            Ok(entry) => {
                let is_yaml = entry.path().extension().is_some_and(|ending| ending == "yaml" || ending == "yml");
                let is_config = entry.file_name() == CONFIG_FILE;
                if !is_yaml || is_config || entry.depth() == 0 {
                    continue;
                }
                // A link to nothing is an error too, which is said where it is read.
                match disk::no_file(entry.path()) {
                    None => files.push(entry.into_path()),
                    Some(_) if entry.path().is_dir() => {}
                    Some(reason) => diagnostics.push(stranger(entry.path(), reason)),
                }
            }
            Err(error) => {
                diagnostics.push(Diagnostic::error(Code::Unreadable, format!("cannot look for scenarios: {error}")));
            }
        }
    }
}

/// What has the name of a scenario in a folder, and cannot be one: a pipe would be waited for. Whoever named it himself gets what
/// comes out of it.
fn stranger(path: &Path, reason: &str) -> Diagnostic {
    Diagnostic::error(Code::Unreadable, format!("`{}` cannot be read: {reason}", path.display()))
        .help("take it out of the folder, or begin its name with `_`: then it is passed over")
}

fn read_scenario(found: &Found) -> (Option<Scenario>, Vec<Diagnostic>) {
    let (text, path, stem) = match &found.path {
        Some(path) => {
            let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            (within(path, &found.root).and_then(|()| read_text(path)), path.display().to_string(), stem)
        }
        None => (read_input(), "-".to_owned(), "stdin".to_owned()),
    };
    let text = match text {
        Ok(text) => text,
        Err(diagnostic) => return (None, vec![*diagnostic]),
    };
    let folder = found.path.as_deref().and_then(Path::parent).unwrap_or(Path::new("")).to_owned();
    let source = Arc::new(SourceFile { path, text });
    scenario::load(&source, &stem, &Folder { folder, root: found.root.clone() })
}

/// A link in a folder of scenarios may not lead out of it: what an error quotes of the file would be shown.
fn within(path: &Path, root: &Path) -> Result<(), Box<Diagnostic>> {
    let is_link = path.symlink_metadata().is_ok_and(|meta| meta.is_symlink());
    let (Ok(real), Ok(folder)) = (path.canonicalize(), root.canonicalize()) else { return Ok(()) };
    // A file that was named on the command line is read wherever it leads.
    if !is_link || real.starts_with(folder) {
        return Ok(());
    }
    let message = format!("`{}` is a link that leads out of `{}`", path.display(), root.display());
    Err(Box::new(Diagnostic::error(Code::PathOutside, message).help("name the file itself, or leave the link out")))
}

/// Reads a text file of at most 10 MiB.
///
/// # Errors
/// Why it cannot be read.
pub fn read_text(path: &Path) -> Result<String, Box<Diagnostic>> {
    let unread = |error: std::io::Error| Box::new(unreadable(Code::MissingFile, path, &error));
    // Opening a pipe waits for whoever writes into it; asked before, since it is no attack but an accident.
    if std::fs::metadata(path).map_err(unread)?.is_dir() {
        let message = format!("`{}` is a folder, and a file is wanted", path.display());
        return Err(Box::new(Diagnostic::error(Code::Unreadable, message)));
    }
    let file = std::fs::File::open(path).map_err(unread)?;
    read_all(file, &path.display().to_string()).map_err(|error| match error {
        Unread::Io(error) => unread(error),
        Unread::Diagnostic(diagnostic) => diagnostic,
    })
}

fn read_input() -> Result<String, Box<Diagnostic>> {
    read_all(std::io::stdin().lock(), "-").map_err(|error| match error {
        Unread::Io(error) => {
            Box::new(Diagnostic::error(Code::Unreadable, format!("standard input cannot be read: {error}")))
        }
        Unread::Diagnostic(diagnostic) => diagnostic,
    })
}

enum Unread {
    Io(std::io::Error),
    Diagnostic(Box<Diagnostic>),
}

fn read_all(reader: impl Read, path: &str) -> Result<String, Unread> {
    let mut bytes = Vec::new();
    reader.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(Unread::Io)?;
    if bytes.len() > MAX_FILE_BYTES {
        let diagnostic = Diagnostic::error(Code::FileTooLarge, format!("`{path}` has more than 10 MiB"))
            .help("split it, or move long texts into files of their own");
        return Err(Unread::Diagnostic(Box::new(diagnostic)));
    }
    // What was read is held as long as the run goes on.
    bytes.shrink_to_fit();
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..at].split(|byte| *byte == b'\n').count();
        let message = format!("`{path}` is no text: byte {at}, in line {line}, is not UTF-8");
        Unread::Diagnostic(Box::new(Diagnostic::error(Code::NotUtf8, message).help("save it as UTF-8")))
    })
}

/// The files of a folder, by names that do not lead out of it.
#[must_use]
pub fn beside(folder: &Path) -> impl Files {
    let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.to_owned() };
    Folder { root: folder.clone(), folder }
}

/// The files that a scenario names.
struct Folder {
    /// The scenario's own folder.
    folder: PathBuf,
    /// The folder that must hold them, after symbolic links are resolved.
    root: PathBuf,
}

impl Files for Folder {
    fn read(&self, relative: &str) -> Result<Arc<SourceFile>, FileProblem> {
        let problem =
            |code, message: String, help: Option<&str>| FileProblem { code, message, help: help.map(str::to_owned) };
        let name = Path::new(relative);
        let is_hidden =
            |part: Component<'_>| matches!(part, Component::Normal(part) if part.to_string_lossy().starts_with('.'));
        if name.components().any(is_hidden) {
            return Err(problem(
                Code::HiddenFile,
                format!("`{relative}` is a hidden file; scenarios may not read those"),
                Some("files whose name begins with `.` often hold secrets"),
            ));
        }
        let path = self.folder.join(name);
        let outside = || {
            let help = "files that a scenario names lie in the folder given to the command";
            problem(Code::PathOutside, format!("`{relative}` lies outside of `{}`", self.root.display()), Some(help))
        };
        if name.is_absolute() {
            return Err(outside());
        }
        let unread = |error: std::io::Error| {
            let diagnostic = unreadable(Code::MissingFile, &path, &error);
            problem(diagnostic.code, diagnostic.message, Some("file names are relative to the scenario's own folder"))
        };
        let real = path.canonicalize().map_err(unread)?;
        let root = self.root.canonicalize().map_err(unread)?;
        if !real.starts_with(&root) {
            return Err(outside());
        }
        if !real.is_file() {
            return Err(problem(Code::Unreadable, format!("`{relative}` is no file"), None));
        }
        if real.strip_prefix(&root).is_ok_and(|inner| inner.components().any(is_hidden)) {
            return Err(problem(Code::HiddenFile, format!("`{relative}` leads to a hidden file"), None));
        }
        let text = read_text(&path).map_err(|diagnostic| FileProblem {
            code: diagnostic.code,
            message: diagnostic.message,
            help: diagnostic.help,
        })?;
        Ok(Arc::new(SourceFile { path: path.display().to_string(), text }))
    }
}
