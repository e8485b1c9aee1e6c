//! Checks that need something from outside before they can be decided: a judge's answer, a program's end.

use super::CheckKind;

/// A criterion that a model judges.
#[derive(Debug, Clone, PartialEq)]
pub struct JudgeCheck {
    /// What must hold.
    pub criterion: String,
    /// The model that judges, where the check names one.
    pub model: Option<String>,
    /// How often it is asked, where the check says so.
    pub votes: Option<u32>,
    /// A score instead of yes or no.
    pub scale: Option<Scale>,
    /// What is shown to it.
    pub sees: Sees,
}

/// A score from 1 up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// The best score.
    pub top: u32,
    /// The least that passes.
    pub min: f64,
}

/// What of a conversation a judge is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sees {
    /// The reply alone.
    #[default]
    Reply,
    /// The user message and the reply.
    Turn,
    /// All that was said up to the reply, whatever the window sent.
    Transcript,
}

/// A program that judges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramCheck {
    /// The program and its arguments; at least one.
    pub program: Vec<String>,
    /// Seconds that it may take.
    pub timeout_s: u32,
}

/// What a check needs from outside.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outside<'c> {
    /// A judge's answers.
    Judge(&'c JudgeCheck),
    /// A program's end.
    Program(&'c ProgramCheck),
}

impl CheckKind {
    /// What it needs from outside; `None` for what is decided from the conversation alone.
    #[must_use]
    pub fn outside(&self) -> Option<Outside<'_>> {
        match self {
            Self::Judge(judge) => Some(Outside::Judge(judge)),
            Self::Run(program) => Some(Outside::Program(program)),
            Self::Not(inner) => inner.outside(),
            _ => None,
        }
    }
}
