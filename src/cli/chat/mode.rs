//! The terminal's mode while a reply comes: keys are kept for the next line, unseen, and Ctrl-C is a signal. What differs between
//! systems stands here.

pub use system::{Mode, forget_typed};

#[cfg(unix)]
mod system {
    use std::io;

    use rustix::termios::{LocalModes, OptionalActions, QueueSelector, Termios, tcflush, tcgetattr, tcsetattr};

    /// Drops what was typed and is not read yet: the rest of a line that is not taken.
    pub fn forget_typed() {
        let _ = tcflush(io::stdin(), QueueSelector::IFlush);
    }

    /// How the terminal was found; none where standard input is no terminal.
    #[derive(Debug)]
    pub struct Mode(Option<Termios>);

    impl Mode {
        /// As it is now.
        pub fn found() -> Self {
            Self(tcgetattr(io::stdin()).ok())
        }

        /// What is typed is not shown in the middle of a reply.
        pub fn quiet(&self) {
            if let Some(found) = &self.0 {
                let mut quiet = found.clone();
                quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ECHONL);
                let _ = tcsetattr(io::stdin(), OptionalActions::Now, &quiet);
            }
        }

        /// As it was found.
        pub fn restore(&self) {
            if let Some(found) = &self.0 {
                let _ = tcsetattr(io::stdin(), OptionalActions::Now, found);
            }
        }
    }
}

#[cfg(not(unix))]
mod system {
    /// Nothing is forgotten: there is no line elsewhere that is no text.
    pub fn forget_typed() {}

    /// Nothing is changed elsewhere but by the line editor.
    #[derive(Debug)]
    pub struct Mode;

    impl Mode {
        /// Nothing.
        pub fn found() -> Self {
            Self
        }

        /// Nothing.
        pub fn quiet(&self) {}

        /// Nothing.
        pub fn restore(&self) {}
    }
}
