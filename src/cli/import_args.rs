//! The command line of `import`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// `import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// What the file is
    #[arg(value_name = "FORMAT", value_enum)]
    pub format: ImportFormat,
    /// The file; `-` reads standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The folder that the scenarios are written to
    ///
    /// It is made where it is not there.
    // `--out` of other commands is where a run is made.
    #[arg(short = 'o', long = "into", value_name = "DIR", default_value = "imported")]
    pub folder: PathBuf,
    /// What becomes of replies that are recorded
    #[arg(long, value_name = "HOW", value_enum, default_value_t = Recorded::Live)]
    pub replies: Recorded,
    /// Take the first N conversations only
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = conversations)]
    pub limit: Option<usize>,
    /// Replace files that are there already
    #[arg(long)]
    pub force: bool,
    /// Write nothing where anything cannot be carried over
    ///
    /// It exits with 1 then.
    #[arg(long)]
    pub strict: bool,
}

/// The formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ImportFormat {
    /// JSON lines with `messages`, as OpenAI's chat completions have them
    OpenaiChat,
    /// A JSON list, or JSON lines, of `{conversations: [{from, value}]}`
    Sharegpt,
    /// A promptfooconfig.yaml with its tests
    Promptfoo,
    /// The transcripts.csv of a run
    Transcripts,
}

/// `--replies`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Recorded {
    /// Ask every turn anew, and keep them as comments
    Live,
    /// Keep them, and ask the last turn of each conversation alone
    Canned,
}

fn conversations(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("a whole number of conversations, 1 or more".to_owned()),
    }
}
