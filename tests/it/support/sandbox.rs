//! A folder of one's own in which the real binary runs, with a clean environment.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A folder that is gone when the test is.
pub struct Sandbox {
    folder: TempDir,
    variables: Vec<(String, String)>,
}

/// How a command ended.
pub struct Ran {
    /// The exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Sandbox {
    /// An empty folder.
    pub fn new() -> Self {
        Self { folder: TempDir::new().expect("a temporary folder"), variables: Vec::new() }
    }

    /// An empty folder with a config whose model `bot` is the server at `base_url`, without a key.
    pub fn with_bot(base_url: &str) -> Self {
        let sandbox = Self::new();
        sandbox.point_bot_at(base_url);
        sandbox
    }

    /// Another server under the name `bot`.
    pub fn point_bot_at(&self, base_url: &str) {
        let config = format!(
            "model: bot\nmodels:\n  bot: {{provider: openai, model: test-model, base_url: \"{base_url}\", api_key_env: none}}\n"
        );
        self.write("chat-eval.yaml", config);
    }

    /// A copy of the shipped scenarios and their config, so that no test writes beside them.
    pub fn shipped() -> Self {
        let sandbox = Self::new();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        sandbox.write("chat-eval.yaml", std::fs::read(root.join("chat-eval.yaml")).expect("the config"));
        let root = root.join("scenarios");
        for entry in ignore::WalkBuilder::new(&root).build().map(|entry| entry.expect("a file or folder")) {
            let name = entry.path().strip_prefix(&root).expect("below").to_string_lossy();
            // A pending snapshot is its author's own; only accepted ones are shipped.
            if entry.path().is_file() && !name.ends_with(".snap.new") {
                sandbox.write(&format!("scenarios/{name}"), std::fs::read(entry.path()).expect("a file"));
            }
        }
        sandbox
    }

    /// With an environment variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file, with the folders above it.
    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        std::fs::write(&path, text).expect("a file");
        path
    }

    /// Reads a file.
    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Whether a file or folder is there.
    pub fn has(&self, path: &str) -> bool {
        self.path().join(path).symlink_metadata().is_ok()
    }

    /// The files below a folder, relative to it, sorted.
    pub fn files(&self, folder: &str) -> Vec<String> {
        let root = self.path().join(folder);
        let mut files: Vec<String> = ignore::WalkBuilder::new(&root)
            .standard_filters(false)
            .build()
            .filter_map(Result::ok)
            .filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()))
            .map(|entry| entry.path().strip_prefix(&root).expect("below").to_string_lossy().into_owned())
            .collect();
        files.sort();
        files
    }

    /// The folder of the latest run.
    pub fn run_folder(&self) -> PathBuf {
        let name = std::fs::read_link(self.path().join("results/latest")).expect("results/latest");
        self.path().join("results").join(name)
    }

    /// The folder of the only run, however far it came.
    pub fn only_run(&self) -> PathBuf {
        let runs = std::fs::read_dir(self.path().join("results")).expect("results").map(|entry| entry.unwrap().path());
        let mut runs = runs.filter(|path| !path.is_symlink());
        let run = runs.next().expect("a run");
        assert_eq!(runs.next(), None, "one run");
        run
    }

    /// The tables of the latest run without the columns that may differ between two runs with the same replies.
    pub fn steady_tables(&self) -> String {
        let varies = |column: &str| column == "run" || column == "attempts" || column.ends_with("_ms");
        let shown = ["transcripts.csv", "checks.csv", "retention.csv", "summary.csv"].map(|file| {
            let rows = self.rows(file).into_iter().map(|mut row| {
                row.retain(|column, _| !varies(column));
                format!("{file}: {row:?}\n")
            });
            rows.collect::<String>()
        });
        shown.concat()
    }

    /// The rows of a CSV file of the latest run as maps from column to cell.
    pub fn rows(&self, file: &str) -> Vec<std::collections::BTreeMap<String, String>> {
        let mut reader = csv::Reader::from_path(self.run_folder().join(file)).expect(file);
        reader.deserialize().map(|row| row.expect("a row")).collect()
    }

    /// The binary with these arguments, ready to be started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chat-eval"));
        command.args(arguments).current_dir(self.path()).env_clear().stdin(Stdio::null());
        // Windows starts no program without it.
        if let Some(root) = std::env::var_os("SystemRoot") {
            command.env("SystemRoot", root);
        }
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs the binary to its end.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::from(self.command(arguments).output().expect("the binary runs"))
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("standard output is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("standard error is UTF-8"),
        }
    }
}

impl Ran {
    /// Fails the test with all that was said, unless the code is this one.
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}
