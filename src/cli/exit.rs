//! The only table of exit codes.

use std::process::ExitCode;

/// How the program ends. The first that holds, in the order of [`Exit::PRECEDENCE`], is the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Every check passed and every snapshot matched.
    Passed,
    /// A check failed, or a snapshot differs.
    Failed,
    /// The command line, a scenario or the config is wrong; nothing was sent.
    BadInput,
    /// A conversation could not be carried through, or a check stayed unknown.
    Errored,
    /// No scenario found, or the filters leave none.
    NothingToDo,
    /// A report could not be written.
    NotWritten,
    /// Ctrl-C or SIGTERM.
    Interrupted,
}

impl Exit {
    /// Which outcome of a run wins over which: a pipeline that tolerates outages must not let a regression through.
    pub const PRECEDENCE: [Self; 4] = [Self::Interrupted, Self::NotWritten, Self::Failed, Self::Errored];

    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::Failed => 1,
            Self::BadInput => 2,
            Self::Errored => 3,
            Self::NothingToDo => 4,
            Self::NotWritten => 5,
            Self::Interrupted => 130,
        }
    }

    /// The winning one of several outcomes of one run.
    #[must_use]
    pub fn worst(outcomes: &[Self]) -> Self {
        Self::PRECEDENCE.into_iter().find(|exit| outcomes.contains(exit)).unwrap_or(Self::Passed)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_regression_wins_over_an_outage_and_an_interrupt_over_all() {
        assert_eq!(Exit::worst(&[]), Exit::Passed);
        assert_eq!(Exit::worst(&[Exit::Errored, Exit::Failed]), Exit::Failed);
        assert_eq!(Exit::worst(&[Exit::Failed, Exit::NotWritten]), Exit::NotWritten);
        assert_eq!(Exit::worst(&[Exit::NotWritten, Exit::Interrupted, Exit::Failed]), Exit::Interrupted);
    }
}
