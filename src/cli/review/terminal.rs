//! The terminal under a review: single keys, the alternate screen, signals. Whatever ends the review, the terminal is
//! left as it was found.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use super::super::console::Console;
use super::keys::{Decoder, Key};
use super::mode::{Mode, listen};
use super::rows::{Row, paint};
use super::screen::Size;

/// The alternate screen; no cursor; what is too wide does not go on in the next row; pasted text is marked as such.
const ENTER: &str = "\u{1b}[?1049h\u{1b}[?25l\u{1b}[?7l\u{1b}[?2004h";
/// All that back.
const LEAVE: &str = "\u{1b}[0m\u{1b}[?2004l\u{1b}[?7h\u{1b}[?25h\u{1b}[?1049l";

/// How long the rest of a key may be on its way.
const REST_OF_A_KEY: Duration = Duration::from_millis(100);

/// How long a program that is to end waits for a terminal that takes nothing.
#[cfg_attr(not(unix), expect(dead_code, reason = "only Unix has such signals"))]
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What a review hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A key.
    Key(Key),
    /// The screen has another size, or shows something else.
    Redraw,
    /// Somebody wants an end, or the terminal has gone away.
    Stop,
}

/// What the threads hear that listen.
#[derive(Debug)]
pub(super) enum Heard {
    /// Keys, or parts of them.
    Bytes(Vec<u8>),
    /// The screen has another size.
    #[cfg_attr(not(unix), expect(dead_code, reason = "only Unix has such signals"))]
    Resized,
    /// The program goes on after it was suspended: somebody else had the terminal.
    #[cfg_attr(not(unix), expect(dead_code, reason = "only Unix has such signals"))]
    Resumed,
    /// A signal to end, or no more keys will come.
    Stop,
}

/// What brings the terminal back.
#[derive(Debug)]
pub(super) struct Guard {
    console: Console,
    mode: Mode,
    is_taken: AtomicBool,
}

impl Guard {
    fn take(&self) -> io::Result<()> {
        self.is_taken.store(true, Ordering::SeqCst);
        self.mode.raw()?;
        self.console.print(ENTER);
        Ok(())
    }

    fn give_back(&self) {
        if self.is_taken.swap(false, Ordering::SeqCst) {
            self.mode.restore();
            self.console.print(LEAVE);
        }
    }

    /// For an end at once: what is printed may have to wait for the terminal, and is not waited for long.
    #[cfg_attr(not(unix), expect(dead_code, reason = "only Unix has such signals"))]
    pub(super) fn give_back_soon(self: &Arc<Self>) {
        self.mode.restore();
        let (done, is_done) = channel::<()>();
        let guard = Arc::clone(self);
        let give_back = move || {
            guard.give_back();
            drop(done);
        };
        if thread::Builder::new().spawn(give_back).is_ok() {
            let _ = is_done.recv_timeout(LAST_WORDS);
        }
    }
}

/// A terminal that was taken for a review.
#[derive(Debug)]
pub struct Terminal {
    guard: Arc<Guard>,
    heard: Receiver<Heard>,
    decoder: Decoder,
    keys: VecDeque<Key>,
}

impl Terminal {
    /// Takes the terminal.
    ///
    /// # Errors
    /// When it cannot be had key by key.
    pub fn take(console: &Console) -> io::Result<Self> {
        let guard = Guard { console: console.clone(), mode: Mode::found()?, is_taken: AtomicBool::new(false) };
        let guard = Arc::new(guard);
        let (hearing, heard) = channel();
        listen(&hearing, &guard)?;
        give_back_on_a_panic(&guard);
        let terminal = Self { guard, heard, decoder: Decoder::default(), keys: VecDeque::new() };
        // From here on its end gives back what was taken, were it half of it.
        terminal.guard.take()?;
        read_keys(hearing)?;
        Ok(terminal)
    }

    /// Shows these rows.
    pub fn show(&self, rows: &[Row]) {
        let console = &self.guard.console;
        let (is_coloured, is_ascii) = (console.is_coloured(), !console.is_unicode());
        let row = |(n, row)| format!("\u{1b}[{n};1H\u{1b}[0m\u{1b}[K{}", paint(row, is_coloured, is_ascii));
        let rows: String = (1..).zip(rows).map(row).collect();
        console.print(&rows);
    }

    /// The size of the screen at the moment.
    pub fn size(&self) -> Size {
        let (rows, columns) = self.guard.console.size();
        Size { rows, columns }
    }

    /// What is heard next.
    pub fn next(&mut self) -> Event {
        loop {
            if let Some(key) = self.keys.pop_front() {
                return Event::Key(key);
            }
            let heard = if self.decoder.is_halfway() {
                self.heard.recv_timeout(REST_OF_A_KEY)
            } else {
                self.heard.recv().map_err(|_| RecvTimeoutError::Disconnected)
            };
            match heard {
                Err(RecvTimeoutError::Timeout) => self.keys.extend(self.decoder.give_up()),
                Err(RecvTimeoutError::Disconnected) => return Event::Stop,
                Ok(heard) => {
                    if let Some(event) = self.take_in(heard) {
                        return event;
                    }
                }
            }
        }
    }

    /// What was heard meanwhile, without waiting.
    pub fn pending(&mut self) -> Option<Event> {
        loop {
            if let Some(key) = self.keys.pop_front() {
                return Some(Event::Key(key));
            }
            let heard = self.heard.try_recv().ok()?;
            if let Some(event) = self.take_in(heard) {
                return Some(event);
            }
        }
    }

    fn take_in(&mut self, heard: Heard) -> Option<Event> {
        match heard {
            Heard::Bytes(bytes) => {
                self.keys.extend(self.decoder.push(&bytes));
                None
            }
            Heard::Resized => Some(Event::Redraw),
            Heard::Resumed => Some(if self.guard.take().is_ok() { Event::Redraw } else { Event::Stop }),
            Heard::Stop => Some(Event::Stop),
        }
    }

    /// Gives the terminal to the shell until it is asked back. Where nobody could ask (there is no shell above), nothing
    /// happens.
    ///
    /// # Errors
    /// When it cannot be taken again.
    pub fn suspend(&self) -> io::Result<()> {
        self.guard.give_back();
        super::mode::suspend();
        self.guard.take()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.guard.give_back();
    }
}

/// What a panic says is to be read where the review was not.
fn give_back_on_a_panic(guard: &Arc<Guard>) {
    let guard = Arc::downgrade(guard);
    let reviewing = thread::current().id();
    let say = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if let Some(guard) = guard.upgrade().filter(|_| thread::current().id() == reviewing) {
            guard.give_back();
        }
        say(info);
    }));
}

/// Reads on a thread of its own, so that signals are heard while no key comes.
fn read_keys(hearing: Sender<Heard>) -> io::Result<()> {
    let read = move || {
        let mut bytes = [0; 1024];
        loop {
            let heard = match io::stdin().lock().read(&mut bytes) {
                Ok(0) => Heard::Stop,
                Ok(count) => Heard::Bytes(bytes[..count].to_vec()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => Heard::Stop,
            };
            let is_end = matches!(heard, Heard::Stop);
            if hearing.send(heard).is_err() || is_end {
                break;
            }
        }
    };
    thread::Builder::new().name("keys".to_owned()).spawn(read).map(drop)
}
