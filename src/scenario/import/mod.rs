//! Scenarios from what people have: conversations in other tools' files.
//!
//! A reader for each format finds the conversations and makes a [`Draft`] of each; an importer gives it a name, writes its
//! file, and reads that once more: what leaves here passes `check`, beside a config that has what it needs. Whatever a scenario cannot say is named with its place.
//! Pure: lines come in through a reader, files go out through a function.

mod asserts;
mod chat;
mod draft;
mod json_stream;
mod messages;
mod promptfoo;
mod prompts;
mod sharegpt;
#[cfg(test)]
mod tests;
mod transcripts;
pub mod yaml_text;

use std::collections::HashMap;
use std::io::BufRead;
use std::ops::ControlFlow;
use std::sync::Arc;

pub use draft::{Draft, LeftOut, Step, window_yaml};

use super::{FileProblem, Files, load};
use crate::diagnostic::{Code, Diagnostic, SourceFile};

/// So many errors are shown; what follows is not looked at.
pub const MAX_ERRORS: usize = 50;
/// The most scenarios of one import: nobody reads more, and a folder of more is no use.
pub const MAX_SCENARIOS: usize = 100_000;
const MAX_NAME: usize = 80;

/// What is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A line a conversation, with `messages` as OpenAI's chat completions have them.
    OpenaiChat,
    /// A list of `{conversations: [{from, value}]}`, or one a line.
    Sharegpt,
    /// A `promptfooconfig.yaml`.
    Promptfoo,
    /// A `transcripts.csv` of a run.
    Transcripts,
}

impl Format {
    /// Its word on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenaiChat => "openai-chat",
            Self::Sharegpt => "sharegpt",
            Self::Promptfoo => "promptfoo",
            Self::Transcripts => "transcripts",
        }
    }
}

/// What becomes of replies that are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replies {
    /// Every turn is asked anew; what was said stands in a comment.
    Live,
    /// They are canned, but that of the last turn, which is asked.
    Canned,
}

/// What is imported, and how.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The format.
    pub format: Format,
    /// What becomes of recorded replies.
    pub replies: Replies,
    /// The file, as people read it.
    pub file: String,
    /// What the scenarios' names begin with: the file's stem.
    pub stem: String,
    /// So many conversations at most are taken, the first ones.
    pub limit: Option<usize>,
}

/// A scenario file that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The scenario's name, and the stem of its file.
    pub name: String,
    /// The file.
    pub text: String,
    /// What does not stand in it, or not as it was.
    pub left_out: Vec<LeftOut>,
    /// Lines of the config without which it does not pass `check`.
    pub needs: Vec<&'static str>,
}

/// Takes files as they are made; breaks where no more can be taken.
pub type Sink<'s> = &'s mut dyn FnMut(Made) -> ControlFlow<()>;

/// What an import comes to, apart from the files.
#[derive(Debug, Default)]
pub struct Outcome {
    /// How many scenarios were made.
    pub made: usize,
    /// What of the whole file was left out, and belongs to no scenario.
    pub left_out: Vec<LeftOut>,
    /// What is wrong; the files are worth nothing then.
    pub diagnostics: Vec<Diagnostic>,
}

/// Makes scenarios of all conversations of a file. Errors do not stop it, up to [`MAX_ERRORS`].
pub fn import(settings: &Settings, input: &mut dyn BufRead, files: &dyn Files, sink: Sink<'_>) -> Outcome {
    let mut importer = Importer { settings, sink, names: HashMap::new(), outcome: Outcome::default(), is_over: false };
    match settings.format {
        Format::OpenaiChat => chat::read(&mut importer, input),
        Format::Sharegpt => sharegpt::read(&mut importer, input),
        Format::Promptfoo => promptfoo::read(&mut importer, input, files),
        Format::Transcripts => transcripts::read(&mut importer, input),
    }
    importer.outcome
}

/// Gives drafts their names and makes files of them.
struct Importer<'i> {
    settings: &'i Settings,
    sink: Sink<'i>,
    /// How often each name was wanted.
    names: HashMap<String, usize>,
    outcome: Outcome,
    is_over: bool,
}

impl Importer<'_> {
    /// Whether no more conversations are wanted.
    fn is_over(&self) -> bool {
        self.is_over || self.settings.limit.is_some_and(|limit| self.outcome.made >= limit)
    }

    /// Notes what is wrong with the file.
    fn wrong(&mut self, message: impl Into<String>, help: Option<&str>) {
        let diagnostic = Diagnostic::error(Code::InvalidImport, message);
        self.push(match help {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        });
    }

    fn push(&mut self, diagnostic: Diagnostic) {
        self.outcome.diagnostics.push(diagnostic);
        self.is_over |= self.outcome.diagnostics.len() >= MAX_ERRORS;
    }

    /// Notes what of the whole file is left out.
    fn leave_out(&mut self, path: impl Into<String>, what: impl Into<String>) {
        self.outcome.left_out.push(LeftOut { path: path.into(), what: what.into() });
    }

    /// Makes the file of a draft.
    fn add(&mut self, draft: Draft) {
        if self.is_over() {
            return;
        }
        if draft.turns.is_empty() {
            let help = "a scenario has at least one user message; take the conversation out of the file";
            self.wrong(format!("{} has no user message with a text", draft.origin), Some(help));
            return;
        }
        if self.outcome.made >= MAX_SCENARIOS {
            self.wrong(
                format!("`{}` has more than {MAX_SCENARIOS} conversations", self.settings.file),
                Some("`--limit N` takes the first ones"),
            );
            self.is_over = true;
            return;
        }
        let name = self.name(&draft.hint);
        let maker = format!("chat-eval import {}", self.settings.format.as_str());
        let text = draft.to_yaml(&name, &maker, self.settings.replies);
        let source = Arc::new(SourceFile { path: format!("{name}.yaml"), text });
        let (scenario, wrong) = load(&source, &name, &NoFiles);
        if scenario.is_none() {
            let reason = wrong.first().map_or_else(String::new, |first| format!(": {}", first.message));
            self.wrong(format!("{} cannot be a scenario{reason}", draft.origin), None);
            return;
        }
        drop(scenario);
        self.outcome.made += 1;
        // What was made beside errors is thrown away, and need not be kept until then.
        if self.outcome.diagnostics.is_empty() {
            let text = Arc::try_unwrap(source).map_or_else(|source| source.text.clone(), |source| source.text);
            let needs = draft.needs();
            self.is_over |= (self.sink)(Made { name, text, left_out: draft.left_out, needs }).is_break();
        }
    }

    /// A name that no other scenario of this import has.
    fn name(&mut self, hint: &str) -> String {
        let hint = slug(hint);
        let number = self.outcome.made + 1;
        let own = if hint.is_empty() { format!("{number:04}") } else { hint };
        let mut name = format!("{}-{own}", self.settings.stem);
        name.truncate(MAX_NAME);
        let name = name.trim_end_matches(['-', '.']).to_owned();
        // A name with a number behind it may be another's own.
        let mut unique = name.clone();
        while self.names.contains_key(&unique) {
            let count = self.names.entry(name.clone()).or_insert(1);
            *count += 1;
            unique = format!("{name}-{count}");
        }
        self.names.insert(unique.clone(), 1);
        unique
    }
}

/// A text as a part of a scenario's name, and so of a file's: lower-case letters, digits and single `-`.
#[must_use]
pub fn slug(text: &str) -> String {
    let mut slug = String::new();
    for character in text.chars() {
        let character = character.to_ascii_lowercase();
        if character.is_ascii_lowercase() || character.is_ascii_digit() {
            slug.push(character);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
        if slug.len() >= MAX_NAME {
            break;
        }
    }
    slug.trim_end_matches('-').to_owned()
}

/// What is imported names no other files.
struct NoFiles;

impl Files for NoFiles {
    fn read(&self, relative: &str) -> Result<Arc<SourceFile>, FileProblem> {
        Err(FileProblem { code: Code::MissingFile, message: format!("`{relative}` is not looked for"), help: None })
    }
}
