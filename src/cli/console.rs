//! The only place that prints.
//!
//! Results go to standard output, everything about the way there to standard error. A reader that went away
//! (`| head`, a terminal that is closed) ends the output and nothing else; output that is lost for another reason (a full
//! disk) is said, and [`Console::is_cut_off`] then.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use clap::ValueEnum;
use console::Term;

use crate::text::escape::{no_command, visible};

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set; everywhere, where `CLICOLOR_FORCE` is.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What systems of the Unix family say of a terminal that has gone away.
const EIO: i32 = 5;

/// The width of what is no terminal.
pub const PLAIN_WIDTH: usize = 100;
const MIN_WIDTH: usize = 40;

/// A path as people read it, on one line. Folders come from strangers too, and their names may hold anything.
#[must_use]
pub fn shown(path: &Path) -> String {
    let path = path.strip_prefix(".").unwrap_or(path).to_string_lossy();
    no_command(&visible(&path)).replace('\n', "‹U+000A›")
}

/// Where the program speaks.
#[derive(Debug, Clone)]
pub struct Console {
    color: Color,
    is_quiet: bool,
    /// Whether standard output was a terminal at the start: of one that has gone away the system does not say so.
    has_terminal: bool,
    is_cut_off: Arc<AtomicBool>,
    /// Who prints on a thread of its own and is not done.
    printing: Arc<Mutex<Option<JoinHandle<()>>>>,
}

#[expect(clippy::unused_self, reason = "whoever prints needs a console in hand: nothing prints behind its back")]
impl Console {
    /// A console; a quiet one keeps remarks to itself.
    #[must_use]
    pub fn new(color: Color, is_quiet: bool) -> Self {
        Self {
            color,
            is_quiet,
            has_terminal: io::stdout().is_terminal(),
            is_cut_off: Arc::default(),
            printing: Arc::default(),
        }
    }

    /// Leaves what is still to be printed to this thread. [`Console::settle`] waits for it.
    pub fn leave_to(&self, printing: JoinHandle<()>) {
        *self.printing.lock().unwrap_or_else(PoisonError::into_inner) = Some(printing);
    }

    /// Waits until all is printed that was left to a thread.
    pub fn settle(&self) {
        let printing = self.printing.lock().unwrap_or_else(PoisonError::into_inner).take();
        let _ = printing.map(JoinHandle::join);
    }

    /// Prints a result.
    pub fn print(&self, text: &str) {
        let mut output = io::stdout().lock();
        let printed = output.write_all(text.as_bytes()).and_then(|()| output.flush());
        if let Err(error) = printed.or_else(|error| if self.is_gone(&error) { Ok(()) } else { Err(error) })
            && !self.is_cut_off.swap(true, Ordering::Relaxed)
        {
            self.fatal(format!("cannot write to standard output: {error}"));
        }
    }

    /// Whether nobody reads any more. That is the reader's decision; what a run wrote to files does not depend on it.
    fn is_gone(&self, error: &io::Error) -> bool {
        error.kind() == io::ErrorKind::BrokenPipe || self.has_terminal && error.raw_os_error() == Some(EIO)
    }

    /// Whether a part of the results could not be printed although somebody reads them.
    #[must_use]
    pub fn is_cut_off(&self) -> bool {
        self.is_cut_off.load(Ordering::Relaxed)
    }

    /// Prints a result and a line feed.
    pub fn line(&self, text: &str) {
        self.print(&format!("{text}\n"));
    }

    /// Prints an error or a warning.
    pub fn error(&self, text: &str) {
        let _ = io::stderr().lock().write_all(format!("{}\n", text.trim_end_matches('\n')).as_bytes());
    }

    /// Prints `error: …`, for what has no place in a file.
    pub fn fatal(&self, message: impl std::fmt::Display) {
        let mark = if self.is_error_coloured() { "\u{1b}[1;31merror\u{1b}[0m" } else { "error" };
        // It names paths and quotes systems and libraries.
        self.error(&format!("{mark}: {}", no_command(&visible(&message.to_string()))));
    }

    /// Prints a remark about the way there.
    pub fn remark(&self, text: &str) {
        if !self.is_quiet {
            self.error(text);
        }
    }

    /// What the command line's parser has to say: help on standard output, errors on standard error. Gives whether
    /// somebody can have read it.
    #[must_use]
    pub fn usage(error: &clap::Error) -> bool {
        match error.print().and_then(|()| io::stdout().flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Self::new(Color::Never, false).fatal(format!("cannot write to standard output: {error}"));
                false
            }
            _ => true,
        }
    }

    /// Whether standard output is a terminal.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.has_terminal
    }

    /// Whether standard output takes colours.
    #[must_use]
    pub fn is_coloured(&self) -> bool {
        self.allows_color(io::stdout().is_terminal())
    }

    /// Whether results take colours that are shown as on a terminal, or as where there is none.
    #[must_use]
    pub fn is_coloured_as(&self, is_terminal: bool) -> bool {
        self.allows_color(is_terminal)
    }

    /// Whether standard error takes colours.
    #[must_use]
    pub fn is_error_coloured(&self) -> bool {
        self.allows_color(io::stderr().is_terminal())
    }

    fn allows_color(&self, is_terminal: bool) -> bool {
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto if is_set("NO_COLOR") => false,
            Color::Auto if std::env::var("CLICOLOR_FORCE").is_ok_and(|value| value != "0" && !value.is_empty()) => true,
            Color::Auto => is_terminal && !is_dumb(),
        }
    }

    /// Whether progress may be drawn.
    #[must_use]
    pub fn has_progress(&self) -> bool {
        !self.is_quiet && io::stderr().is_terminal() && !is_dumb()
    }

    /// Whether a person can be shown a screen and asked for keys. Else what stands in the way.
    ///
    /// # Errors
    /// What is no terminal, or that it is one which moves no cursor.
    pub fn attended(&self) -> Result<(), &'static str> {
        match (io::stdin().is_terminal(), self.has_terminal) {
            (false, _) => Err("standard input is no terminal"),
            (_, false) => Err("standard output is no terminal"),
            _ if is_dumb() => Err("this terminal moves no cursor (`TERM=dumb`)"),
            _ => Ok(()),
        }
    }

    /// Rows and columns of the terminal at the moment.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        let (rows, columns) = Term::stdout().size();
        (rows.into(), columns.into())
    }

    /// Columns of standard output.
    #[must_use]
    pub fn width(&self) -> usize {
        match Term::stdout().size_checked() {
            Some((_, columns)) if io::stdout().is_terminal() => usize::from(columns).max(MIN_WIDTH),
            _ => PLAIN_WIDTH,
        }
    }

    /// Whether the terminal shows more than ASCII.
    #[must_use]
    pub fn is_unicode(&self) -> bool {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
        match locale {
            // Files and CI logs are UTF-8 where nothing says otherwise.
            None => true,
            Some(locale) => {
                let locale = locale.to_lowercase();
                locale.contains("utf-8") || locale.contains("utf8") || !io::stdout().is_terminal()
            }
        }
    }
}

/// Whether the terminal moves no cursor and knows no colours.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}
