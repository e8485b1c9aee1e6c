//! A talk through a pipe: a message or a command a line, to the end of standard input.

use std::io::BufRead;

use super::{Exit, Session, Step, entry};

/// The longest input that is read through a pipe: that of a file.
const LONGEST: u64 = crate::scenario::yaml::MAX_FILE_BYTES as u64;

impl Session {
    /// Through a pipe, to its end.
    pub(super) fn read_all(&mut self, input: impl BufRead) -> Exit {
        let mut lines = input.take(LONGEST + 1).lines();
        let mut length = 0;
        let mut text: Option<String> = None;
        loop {
            let line = match lines.next() {
                None => break,
                Some(Ok(line)) => line,
                Some(Err(error)) => return self.unreadable(&error.to_string()),
            };
            length += line.len() as u64 + 1;
            if length > LONGEST {
                return self.unreadable("it has more than 10 MiB");
            }
            let whole = text.take().map_or_else(|| line.clone(), |before| format!("{before}\n{line}"));
            if entry::is_open(&whole) {
                text = Some(whole);
            } else if let Step::End(exit) = self.take(&whole) {
                return exit;
            }
        }
        if text.is_none() {
            return Exit::Passed;
        }
        let places = "behind a backslash, or without its closing `\"\"\"`";
        self.console().fatal(format!("standard input ends in the middle of a message: {places}"));
        Exit::BadInput
    }

    fn unreadable(&self, why: &str) -> Exit {
        self.console().fatal(format!("standard input cannot be read: {why}"));
        Exit::BadInput
    }
}
