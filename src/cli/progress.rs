//! What is seen while a run is going: the bar, the ticker where there is no terminal, and `--show`.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::console::Console;
use crate::event::{Event, Live};
use crate::model::{Source, Verdict};
use crate::report::progress::Progress;
use crate::run::Watcher;
use crate::text::escape::{no_command, visible};
use crate::text::layout::truncate;

/// How often a line is printed where there is no terminal.
const TICK: Duration = Duration::from_secs(30);

/// The bar on a terminal, or a line now and then elsewhere.
pub struct Bar {
    console: Console,
    drawn: ProgressBar,
    /// Columns for the text beside the bar.
    room: usize,
    progress: Progress,
    started: Instant,
    last_tick: Instant,
}

impl Bar {
    /// For a run of so many conversations.
    pub fn new(console: &Console, conversations: u32) -> Self {
        let target = if console.has_progress() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(u64::from(conversations)), target);
        // The line never fills the terminal: the `^C` that a terminal echoes must not begin a line of its own, for the
        // bar would then be drawn below what is left of it.
        let width = console.error_width().saturating_sub(4);
        let bar_width = if width > 100 { 24 } else { 10 };
        if let Ok(style) = ProgressStyle::with_template(&format!("{{spinner}} {{bar:{bar_width}}} {{msg}}")) {
            bar.set_style(style.progress_chars("━╸─"));
        }
        if console.has_progress() {
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        let now = Instant::now();
        Self {
            console: console.clone(),
            drawn: bar,
            room: width.saturating_sub(bar_width + 3),
            progress: Progress::new(conversations),
            started: now,
            last_tick: now,
        }
    }
}

impl Watcher for Bar {
    fn event(&mut self, event: &Event) {
        self.progress.update(event);
        if self.console.has_progress() {
            self.drawn.set_position(u64::from(self.progress.done));
            self.drawn.set_message(truncate(&self.progress.line(self.started.elapsed()), self.room));
        } else if self.last_tick.elapsed() >= TICK {
            self.last_tick = Instant::now();
            self.console.remark(&self.progress.ticker());
        }
    }

    fn live(&mut self, live: &Live) {
        if let Live::Stopping { grace } = live {
            // Drawn over, the bar would leave half of itself on the line.
            self.drawn.suspend(|| self.console.error(&stopping(*grace)));
        }
    }
}

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
            Event::Run(_) => {}
        }
    }

    fn live(&mut self, live: &Live) {
        match live {
            Live::TurnBegins { turn, user, .. } => {
                self.console.line(&format!("  turn {turn} · user\n  │ {}", Self::gutter(user)));
            }
            Live::Delta { text, .. } => self.piece(text),
            Live::Stopping { grace } => {
                let goes_on = self.is_streaming;
                self.end_pieces();
                self.console.error(&stopping(*grace));
                if goes_on {
                    self.console.print("  │ ");
                    self.is_streaming = true;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_that_may_begin_a_command_or_a_line_end_waits_for_the_next_piece() {
        for (piece, held) in [("a", 0), ("a#", 1), ("a##", 2), ("##vso", 5), ("a\r", 1), ("## b", 0), ("##vso[", 0)] {
            assert_eq!(held_back(piece), held, "{piece:?}");
        }
    }
}
