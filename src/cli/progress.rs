//! What is seen while a run is going: the bar, the ticker where there is no terminal, and `--show`.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::console::Console;
use crate::event::{Event, Live};
use crate::model::{Source, Verdict};
use crate::report::progress::Progress;
use crate::run::Watcher;
use crate::text::escape::visible;

/// How often a line is printed where there is no terminal.
const TICK: Duration = Duration::from_secs(30);

/// The bar on a terminal, or a line now and then elsewhere.
pub struct Bar {
    console: Console,
    drawn: ProgressBar,
    progress: Progress,
    started: Instant,
    last_tick: Instant,
}

impl Bar {
    /// For a run of so many conversations.
    pub fn new(console: &Console, conversations: u32) -> Self {
        let target = if console.has_progress() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(u64::from(conversations)), target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {bar:24} {wide_msg}") {
            bar.set_style(style.progress_chars("━╸─"));
        }
        if console.has_progress() {
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        let now = Instant::now();
        Self {
            console: console.clone(),
            drawn: bar,
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
            self.drawn.set_message(self.progress.line(self.started.elapsed()));
        } else if self.last_tick.elapsed() >= TICK {
            self.last_tick = Instant::now();
            self.console.remark(&self.progress.ticker());
        }
    }

    fn live(&mut self, _: &Live) {}
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
}

impl Show {
    /// Nothing shown yet.
    pub fn new(console: &Console) -> Self {
        Self { console: console.clone(), is_streaming: false, is_first: true }
    }

    /// Text behind a gutter, so that a line of it is never taken for one of ours, nor for a command by a CI log.
    fn gutter(text: &str) -> String {
        visible(text).replace('\n', "\n  │ ")
    }
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
                let lost = if std::mem::take(&mut self.is_streaming) { "\n" } else { "" };
                self.console.line(&format!(
                    "{lost}  ? attempt {} failed: {}",
                    attempt.attempt,
                    visible(&attempt.error)
                ));
            }
            Event::Turn(turn) => {
                if turn.source == Source::Canned {
                    self.console.line(&format!("  turn {} · user\n  │ {}", turn.turn, Self::gutter(&turn.user)));
                }
                match (&turn.reply, &turn.error) {
                    _ if std::mem::take(&mut self.is_streaming) => self.console.line(""),
                    (Some(reply), _) => self.console.line(&format!("  assistant\n  │ {}", Self::gutter(reply))),
                    (None, error) => {
                        let error = error.as_deref().unwrap_or("no reply");
                        self.console.line(&format!("  ? {}", visible(error)));
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
                self.console.line(&visible(&format!("  {sign} {} {}{why}", check.check, check.expected)));
            }
            Event::Run(_) | Event::Conversation(_) => {}
        }
    }

    fn live(&mut self, live: &Live) {
        match live {
            Live::TurnBegins { turn, user, .. } => {
                self.console.line(&format!("  turn {turn} · user\n  │ {}", Self::gutter(user)));
            }
            Live::Delta { text, .. } => {
                let start = if self.is_streaming { "" } else { "  assistant\n  │ " };
                self.is_streaming = true;
                self.console.print(&format!("{start}{}", Self::gutter(text)));
            }
        }
    }
}
