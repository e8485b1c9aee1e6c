//! What is seen while a run is going: the bar, the ticker where there is no terminal, and `--show`.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

use super::console::Console;
use crate::event::{Event, Live};
use crate::model::{Source, Verdict};
use crate::report::progress::Progress;
use crate::run::Watcher;
use crate::text::escape::{no_command, visible};
use crate::text::layout::truncate;

/// How often a line is printed where there is no terminal.
const TICK: Duration = Duration::from_secs(30);

/// How often the bar is drawn.
const REDRAWN: Duration = Duration::from_millis(100);

/// How long the end of a run waits for a terminal that takes nothing.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// How often the bar is drawn at most, each second.
const DRAWN_EACH_SECOND: u8 = 20;

/// Room for what a terminal echoes of Ctrl-C, `^C`, also when it is pressed twice.
const ECHO: u16 = 4;

/// A terminal with its last columns kept free. The library fills the line of a bar with blanks up to the last column; a
/// `^C` behind that would begin a line of its own, and the bar be drawn below what is left of it.
#[derive(Debug)]
struct Narrower<T>(T);

#[rustfmt::skip]
impl<T: TermLike> TermLike for Narrower<T> {
    fn width(&self) -> u16 { self.0.width().saturating_sub(ECHO).max(1) }
    fn height(&self) -> u16 { self.0.height() }
    fn move_cursor_up(&self, n: usize) -> io::Result<()> { self.0.move_cursor_up(n) }
    fn move_cursor_down(&self, n: usize) -> io::Result<()> { self.0.move_cursor_down(n) }
    fn move_cursor_right(&self, n: usize) -> io::Result<()> { self.0.move_cursor_right(n) }
    fn move_cursor_left(&self, n: usize) -> io::Result<()> { self.0.move_cursor_left(n) }
    fn write_line(&self, line: &str) -> io::Result<()> { self.0.write_line(line) }
    fn write_str(&self, text: &str) -> io::Result<()> { self.0.write_str(text) }
    fn clear_line(&self) -> io::Result<()> { self.0.clear_line() }
    fn flush(&self) -> io::Result<()> { self.0.flush() }
}

/// The bar on a terminal, or a line now and then elsewhere.
///
/// It counts where events are, and is drawn on a thread of its own: a terminal that takes nothing, or a pipe that nobody reads,
/// must hold up no call.
pub struct Bar {
    progress: Arc<Mutex<Progress>>,
    /// What is said beside the bar. The thread ends with it.
    told: Option<Sender<String>>,
    /// Ends when the thread has.
    is_shown: Receiver<()>,
}

impl Bar {
    /// For a run of so many conversations, of which so many had ended before it went on.
    pub fn new(console: &Console, conversations: u32, before: u32) -> Self {
        let progress = Arc::new(Mutex::new(Progress::new(conversations, before)));
        let (told, lines) = channel();
        let (ended, is_shown) = channel();
        let (screen, counted) = (Screen::new(console, conversations), Arc::clone(&progress));
        let show = move || {
            screen.show(&counted, &lines);
            drop(ended);
        };
        // A system without room for a thread has none for a bar.
        let _ = std::thread::Builder::new().name("screen".to_owned()).spawn(show);
        Self { progress, told: Some(told), is_shown }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watcher for Bar {
    fn event(&mut self, event: &Event) {
        self.progress().update(event);
    }

    fn live(&mut self, live: &Live) {
        let told = match live {
            Live::Stopping { grace } => stopping(*grace),
            Live::FailedFast => FAILED_FAST.to_owned(),
            _ => return self.progress().update_live(live),
        };
        let _ = self.told.as_ref().map(|screen| screen.send(told));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        drop(self.told.take());
        // The bar is cleared before anything else is printed, unless the terminal takes nothing.
        let _ = self.is_shown.recv_timeout(LAST_WORDS);
    }
}

/// Where the bar is drawn.
struct Screen {
    console: Console,
    /// Whether the bar is drawn, or lines printed.
    is_drawn: bool,
    bar: ProgressBar,
    /// Columns for the text beside the bar.
    room: usize,
    started: Instant,
    last_tick: Instant,
}

impl Screen {
    fn new(console: &Console, conversations: u32) -> Self {
        let is_drawn = console.has_progress();
        let (bar, room) =
            if is_drawn { drawn_on(Term::buffered_stderr(), conversations) } else { (ProgressBar::hidden(), 0) };
        let now = Instant::now();
        Self { console: console.clone(), is_drawn, bar, room, started: now, last_tick: now }
    }

    fn show(mut self, progress: &Mutex<Progress>, lines: &Receiver<String>) {
        let pause = if self.is_drawn { REDRAWN } else { Duration::from_secs(1) };
        loop {
            self.update(&progress.lock().unwrap_or_else(PoisonError::into_inner).clone());
            match lines.recv_timeout(pause) {
                // Drawn over, the bar would leave half of itself on the line.
                Ok(line) => self.bar.suspend(|| self.console.error(&line)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.bar.finish_and_clear();
    }

    fn update(&mut self, progress: &Progress) {
        if self.is_drawn {
            self.bar.set_position(u64::from(progress.done));
            let line = progress.line(self.started.elapsed(), self.room);
            self.bar.set_message(truncate(&line, self.room));
            self.bar.tick();
        } else if self.last_tick.elapsed() >= TICK {
            self.last_tick = Instant::now();
            self.console.remark(&progress.ticker());
        }
    }
}

/// Another watcher on a thread of its own, which may take its time.
pub struct Aside {
    console: Console,
    sender: Option<Sender<Seen>>,
    thread: Option<JoinHandle<()>>,
}

enum Seen {
    Event(Event),
    Live(Live),
}

impl Aside {
    /// Lets a watcher watch from aside.
    ///
    /// # Errors
    /// When the system has no room for a thread.
    pub fn new(console: &Console, mut watcher: impl Watcher + Send + 'static) -> std::io::Result<Self> {
        let (sender, seen) = channel();
        let watch = move || {
            for seen in seen {
                match seen {
                    Seen::Event(event) => watcher.event(&event),
                    Seen::Live(live) => watcher.live(&live),
                }
            }
        };
        let thread = std::thread::Builder::new().name("screen".to_owned()).spawn(watch)?;
        Ok(Self { console: console.clone(), sender: Some(sender), thread: Some(thread) })
    }

    fn send(&self, seen: Seen) {
        let _ = self.sender.as_ref().map(|sender| sender.send(seen));
    }
}

impl Watcher for Aside {
    fn event(&mut self, event: &Event) {
        self.send(Seen::Event(event.clone()));
    }

    fn live(&mut self, live: &Live) {
        self.send(Seen::Live(live.clone()));
    }
}

impl Drop for Aside {
    /// What was seen is shown before the summary is, but the files of the run do not wait for whoever reads.
    fn drop(&mut self) {
        drop(self.sender.take());
        self.thread.take().into_iter().for_each(|thread| self.console.leave_to(thread));
    }
}

/// A bar on a terminal, and the columns that are left beside it.
fn drawn_on(terminal: impl TermLike + 'static, conversations: u32) -> (ProgressBar, usize) {
    let terminal = Narrower(terminal);
    let width = usize::from(terminal.width());
    let target = ProgressDrawTarget::term_like_with_hz(Box::new(terminal), DRAWN_EACH_SECOND);
    let bar = ProgressBar::with_draw_target(Some(u64::from(conversations)), target);
    let bar_width = if width > 100 { 24 } else { 10 };
    if let Ok(style) = ProgressStyle::with_template(&format!("{{spinner}} {{bar:{bar_width}}} {{msg}}")) {
        bar.set_style(style.progress_chars("━╸─"));
    }
    (bar, width.saturating_sub(bar_width + 3))
}

const FAILED_FAST: &str = "stopping at the first failed check: turns in flight are finished";

fn stopping(grace: Duration) -> String {
    format!("stopping: requests in flight get {} s to finish; a second Ctrl-C ends at once", grace.as_secs())
}

/// Prints transcripts as they go. One conversation at a time is played, so nothing is mixed.
pub struct Show {
    console: Console,
    /// Whether pieces of the reply at hand are on the screen already.
    is_streaming: bool,
    is_first: bool,
    /// The end of the last piece, as long as it may be the beginning of something that is spelled otherwise.
    held: String,
}

impl Show {
    /// Nothing shown yet.
    pub fn new(console: &Console) -> Self {
        Self { console: console.clone(), is_streaming: false, is_first: true, held: String::new() }
    }

    /// Text behind a gutter, so that a line of it is never taken for one of ours, nor for a command by a CI log.
    fn gutter(text: &str) -> String {
        no_command(&visible(text)).replace('\n', "\n  │ ")
    }

    /// Prints a piece of a reply, but for an end whose meaning the next piece decides.
    fn piece(&mut self, text: &str) {
        let start = if std::mem::replace(&mut self.is_streaming, true) { "" } else { "  assistant\n  │ " };
        let text = std::mem::take(&mut self.held) + text;
        let (now, later) = text.split_at(text.len() - held_back(&text));
        later.clone_into(&mut self.held);
        self.console.print(&format!("{start}{}", Self::gutter(now)));
    }

    /// Ends the line of the pieces, where some are on the screen.
    fn end_pieces(&mut self) -> bool {
        let held = std::mem::take(&mut self.held);
        let is_streaming = std::mem::take(&mut self.is_streaming);
        if is_streaming {
            self.console.line(&Self::gutter(&held));
        }
        is_streaming
    }
}

impl Drop for Show {
    fn drop(&mut self) {
        if !self.is_first {
            self.console.line("");
        }
    }
}

/// How many bytes at the end of a piece may begin a line end, or what old CI agents take for a command anywhere in a
/// line: told only with what comes behind it.
fn held_back(text: &str) -> usize {
    let ends = ["##vso", "##vs", "##v", "##", "#", "\r"];
    ends.into_iter().find(|end| text.ends_with(end)).map_or(0, str::len)
}

impl Watcher for Show {
    fn event(&mut self, event: &Event) {
        match event {
            Event::Begin(begin) => {
                let space = if std::mem::take(&mut self.is_first) { "" } else { "\n" };
                let trial = if begin.trials > 1 { format!(" · trial {}", begin.key.trial) } else { String::new() };
                self.console.line(&format!("{space}{}{trial}", visible(&begin.key.variant.to_string())));
            }
            Event::Attempt(attempt) => {
                self.end_pieces();
                let error = Self::gutter(&attempt.error);
                self.console.line(&format!("  ? attempt {} failed: {error}", attempt.attempt));
            }
            Event::Turn(turn) => {
                if turn.source == Source::Canned {
                    self.console.line(&format!("  {} · user\n  │ {}", turn.turn.named(), Self::gutter(&turn.user)));
                }
                match (&turn.reply, &turn.error) {
                    _ if self.end_pieces() => {}
                    (Some(reply), _) => self.console.line(&format!("  assistant\n  │ {}", Self::gutter(reply))),
                    (None, error) => {
                        let error = error.as_deref().unwrap_or("no reply");
                        self.console.line(&format!("  ? {}", Self::gutter(error)));
                    }
                }
            }
            Event::Check(check) => {
                let sign = match check.verdict {
                    Verdict::Pass => '✓',
                    Verdict::Fail => '✗',
                    Verdict::Unknown => '?',
                    Verdict::Skip => '–',
                    Verdict::KnownFailure => '~',
                };
                let why = if check.detail.is_empty() { String::new() } else { format!(" · {}", check.detail) };
                let said = format!("{} {}", check.check, check.expected);
                let title = check.name.as_deref().unwrap_or(said.trim_end());
                self.console.line(&format!("  {sign} {}", Self::gutter(&format!("{title}{why}"))));
            }
            Event::Conversation(done) => {
                if let Some(error) = &done.error {
                    self.console.line(&format!("  ? {}", Self::gutter(error)));
                }
            }
            Event::Run(_)
            | Event::Resume(_)
            | Event::Stop(_)
            | Event::Snapshots(_)
            | Event::Reserve(_)
            | Event::Call(_) => {}
        }
    }

    fn live(&mut self, live: &Live) {
        match live {
            Live::TurnBegins { turn, user, .. } => {
                self.console.line(&format!("  {} · user\n  │ {}", turn.named(), Self::gutter(user)));
            }
            Live::Delta { text, .. } => self.piece(text),
            Live::Waits { why, .. } => {
                self.end_pieces();
                self.console.line(&format!("  – waiting {}", why.as_str()));
            }
            Live::Waited { .. } => {}
            Live::Stopping { grace } => {
                let goes_on = self.is_streaming;
                self.end_pieces();
                self.console.error(&stopping(*grace));
                if goes_on {
                    self.console.print("  │ ");
                    self.is_streaming = true;
                }
            }
            Live::FailedFast => self.console.error(FAILED_FAST),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::text::layout::width;

    /// A terminal of 80 columns that remembers what stands on its line.
    #[derive(Debug, Clone, Default)]
    struct Line(Arc<Mutex<String>>);

    #[rustfmt::skip]
    impl TermLike for Line {
        fn width(&self) -> u16 { 80 }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> { Ok(()) }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> { Ok(()) }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> { Ok(()) }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> { Ok(()) }
        fn write_line(&self, _: &str) -> io::Result<()> { self.clear_line() }
        fn write_str(&self, text: &str) -> io::Result<()> {
            let mut line = self.0.lock().unwrap();
            if let Some((_, behind)) = text.rsplit_once('\r') { behind.clone_into(&mut line) } else { line.push_str(text) }
            Ok(())
        }
        fn clear_line(&self) -> io::Result<()> { self.0.lock().unwrap().clear(); Ok(()) }
        fn flush(&self) -> io::Result<()> { Ok(()) }
    }

    #[test]
    fn behind_the_bar_there_is_room_for_what_ctrl_c_echoes() {
        for message in ["22/31".to_owned(), "long ".repeat(40)] {
            let line = Line::default();
            let (bar, room) = drawn_on(line.clone(), 31);
            bar.set_message(truncate(&message, room));
            bar.tick();
            let shown = line.0.lock().unwrap().clone();
            assert!(shown.contains(&message[..5]) && width(&shown) <= 76, "{shown:?}");
        }
    }

    #[test]
    fn an_end_that_may_begin_a_command_or_a_line_end_waits_for_the_next_piece() {
        for (piece, held) in [("a", 0), ("a#", 1), ("a##", 2), ("##vso", 5), ("a\r", 1), ("## b", 0), ("##vso[", 0)] {
            assert_eq!(held_back(piece), held, "{piece:?}");
        }
    }
}
