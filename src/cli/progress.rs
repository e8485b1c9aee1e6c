//! What is seen while a run is going: the bar, the ticker where there is no terminal, and `--show`.

use std::io;
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
pub struct Bar {
    console: Console,
    /// Whether the bar is drawn; asked once, since each answer is a question to the system and events are many.
    is_drawn: bool,
    drawn: ProgressBar,
    /// Columns for the text beside the bar.
    room: usize,
    progress: Progress,
    started: Instant,
    last_tick: Instant,
}

impl Bar {
    /// For a run of so many conversations, of which so many had ended before it went on.
    pub fn new(console: &Console, conversations: u32, before: u32) -> Self {
        let is_drawn = console.has_progress();
        let (bar, room) =
            if is_drawn { drawn_on(Term::buffered_stderr(), conversations) } else { (ProgressBar::hidden(), 0) };
        if is_drawn {
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        let now = Instant::now();
        Self {
            console: console.clone(),
            is_drawn,
            drawn: bar,
            room,
            progress: Progress::new(conversations, before),
            started: now,
            last_tick: now,
        }
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

impl Watcher for Bar {
    fn event(&mut self, event: &Event) {
        self.progress.update(event);
        self.draw();
    }

    fn tick(&mut self) {
        // A provider that hangs gives no event, and that is when somebody reads the log of a CI job.
        if !self.is_drawn && self.last_tick.elapsed() >= TICK {
            self.last_tick = Instant::now();
            self.console.remark(&self.progress.ticker());
        }
    }

    fn live(&mut self, live: &Live) {
        let told = match live {
            Live::Stopping { grace } => stopping(*grace),
            Live::FailedFast => FAILED_FAST.to_owned(),
            Live::Waits { .. } | Live::Waited { .. } => {
                self.progress.update_live(live);
                return self.draw();
            }
            Live::TurnBegins { .. } | Live::Delta { .. } => return,
        };
        // Drawn over, the bar would leave half of itself on the line.
        self.drawn.suspend(|| self.console.error(&told));
    }
}

impl Bar {
    fn draw(&self) {
        if self.is_drawn {
            self.drawn.set_position(u64::from(self.progress.done));
            let line = self.progress.line(self.started.elapsed(), self.room);
            self.drawn.set_message(truncate(&line, self.room));
        }
    }
}

const FAILED_FAST: &str = "stopping at the first failed check: turns in flight are finished";

fn stopping(grace: Duration) -> String {
    format!("stopping: requests in flight get {} s to finish; a second Ctrl-C ends at once", grace.as_secs())
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.drawn.finish_and_clear();
    }
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
                    self.console.line(&format!("  turn {} · user\n  │ {}", turn.turn, Self::gutter(&turn.user)));
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
            Event::Run(_) | Event::Resume(_) | Event::Stop(_) | Event::Reserve(_) => {}
        }
    }

    fn live(&mut self, live: &Live) {
        match live {
            Live::TurnBegins { turn, user, .. } => {
                self.console.line(&format!("  turn {turn} · user\n  │ {}", Self::gutter(user)));
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
