//! What is wrong with an input: where, what, how to mend it; and how that is shown.
//!
//! Input errors are values and are collected; nothing here stops at the first.

mod code;
mod render;

use std::ops::Range;
use std::sync::Arc;

pub use code::Code;
pub use render::render;

/// A text that diagnostics point into.
#[derive(Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Its path as shown to the user.
    pub path: String,
    /// Its whole text.
    pub text: String,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is sent.
    Error,
    /// Said, and the run goes on.
    Warning,
}

/// A marked place with a few words on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The marked bytes of the source's text.
    pub span: Range<usize>,
    /// What is said there; may be empty.
    pub text: String,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Its stable kind.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong: lower case, no final stop, values in backticks.
    pub message: String,
    /// The text that the labels point into; `None` for what concerns no text (a missing file).
    pub source: Option<Arc<SourceFile>>,
    /// Marked places, the first of them the one that is named in the heading; only with a source.
    pub labels: Vec<Label>,
    /// Something to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error without a place.
    #[must_use]
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Self { code, severity: Severity::Error, message: message.into(), source: None, labels: Vec::new(), help: None }
    }

    /// A warning without a place.
    #[must_use]
    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    /// The same, at a place of a text.
    #[must_use]
    pub fn at(mut self, source: &Arc<SourceFile>, span: Range<usize>, label: impl Into<String>) -> Self {
        self.source = Some(Arc::clone(source));
        self.labels.push(Label { span, text: label.into() });
        self
    }

    /// The same, with something to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}
