//! The line in which a person types: rustyline, with what it must know of this talk.
//!
//! What is typed is kept for the arrow keys as long as the talk lasts, and written nowhere.

use std::cell::Cell;
use std::io::ErrorKind;

use rustyline::completion::Completer;
use rustyline::config::{BellStyle, ColorMode, CompletionType};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Config, Context, Editor, Helper};

use super::entry::{COMMANDS, is_open};
use super::mode;
use super::screen::Look;

/// So many lines are kept for the arrow keys.
const KEPT: usize = 1000;

/// What a person did at the prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typed {
    /// Lines that belong together.
    Text(String),
    /// Ctrl-C; what stood on the line is dropped.
    Interrupted {
        /// Whether nothing stood there.
        was_empty: bool,
    },
    /// Bytes that are no text; the line is dropped.
    NoText,
    /// Ctrl-D, or a terminal that has gone away.
    End,
}

/// The line editor.
pub struct LineEditor {
    editor: Editor<Talking, DefaultHistory>,
    /// Without colours, and with them.
    prompt: (&'static str, &'static str),
}

/// What the editor asks while a line is typed.
#[derive(Default)]
struct Talking {
    /// What Tab offers on an empty line: the next user message of the script.
    scripted: Option<String>,
    /// Whether the line is empty.
    is_empty: Cell<bool>,
}

impl LineEditor {
    /// An editor for this terminal.
    ///
    /// # Errors
    /// When the terminal cannot be edited on.
    pub fn new(look: Look) -> Result<Self, ReadlineError> {
        let config = Config::builder()
            .max_history_size(KEPT)?
            .auto_add_history(false)
            .completion_type(CompletionType::List)
            .completion_show_all_if_ambiguous(true)
            .bell_style(BellStyle::None)
            .color_mode(if look.is_coloured { ColorMode::Forced } else { ColorMode::Disabled })
            .build();
        let mut editor = Editor::with_config(config)?;
        editor.set_helper(Some(Talking::default()));
        let prompt = if look.is_ascii {
            ("you > ", "\u{1b}[1myou >\u{1b}[0m ")
        } else {
            ("you › ", "\u{1b}[1myou ›\u{1b}[0m ")
        };
        Ok(Self { editor, prompt })
    }

    /// What is typed next. `given` stands on the line already; Tab on an empty line offers `scripted`.
    ///
    /// # Errors
    /// When the terminal fails.
    pub fn read(&mut self, given: &str, scripted: Option<String>) -> Result<Typed, ReadlineError> {
        if let Some(talking) = self.editor.helper_mut() {
            talking.scripted = scripted;
            talking.is_empty.set(given.is_empty());
        }
        match self.editor.readline_with_initial(&self.prompt, (given, "")) {
            Ok(text) => {
                if !text.trim().is_empty() {
                    self.editor.add_history_entry(&text)?;
                }
                Ok(Typed::Text(text))
            }
            Err(ReadlineError::Interrupted) => {
                let was_empty = self.editor.helper().is_some_and(|talking| talking.is_empty.get());
                Ok(Typed::Interrupted { was_empty })
            }
            Err(ReadlineError::Eof) => Ok(Typed::End),
            Err(ReadlineError::Io(error)) if error.kind() == ErrorKind::InvalidData => {
                mode::forget_typed();
                Ok(Typed::NoText)
            }
            Err(error) => Err(error),
        }
    }
}

impl Helper for Talking {}

impl Highlighter for Talking {}

impl Validator for Talking {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let is_open = is_open(context.input());
        Ok(if is_open { ValidationResult::Incomplete } else { ValidationResult::Valid(None) })
    }
}

impl Hinter for Talking {
    type Hint = String;

    /// Gives no hint: it is asked whenever the line changes, and so learns whether that is empty.
    fn hint(&self, line: &str, _: usize, _: &Context<'_>) -> Option<String> {
        self.is_empty.set(line.is_empty());
        None
    }
}

impl Completer for Talking {
    type Candidate = String;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let typed = &line[..at];
        let offered = match &self.scripted {
            _ if typed.starts_with('/') => COMMANDS.iter().map(|(command, ..)| (*command).to_owned()).collect(),
            Some(scripted) if line.is_empty() => vec![scripted.clone()],
            _ => Vec::new(),
        };
        Ok((
            0,
            offered.into_iter().filter(|offered| offered.starts_with(typed) && !offered.starts_with("//")).collect(),
        ))
    }
}
