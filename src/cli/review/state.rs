//! Where a review stands, and what each key does to it. Pure: what a key asks of files is handed back as a [`Step`], and
//! its result is told to the review afterwards.

use super::keys::Key;
use super::rows::Row;
use super::view::View;

/// What became of a pending snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Not decided on yet.
    Waiting,
    /// Left for the next review.
    Skipped,
    /// Decided on.
    Accepted,
    /// Decided on.
    Rejected,
    /// Somebody else decided on it meanwhile.
    Gone,
}

/// What is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It becomes the accepted one.
    Accept,
    /// It is thrown away.
    Reject,
}

impl Decision {
    /// What it makes of a snapshot.
    pub const fn fate(self) -> Fate {
        match self {
            Self::Accept => Fate::Accepted,
            Self::Reject => Fate::Rejected,
        }
    }

    /// What is asked for.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Reject => "reject",
        }
    }
}

/// What the keys mean at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A snapshot is looked at.
    Reviewing,
    /// Whether to decide on all that are left.
    Asking(Decision),
    /// The keys are explained.
    Help,
    /// All are decided on or skipped.
    Done,
}

/// What is to be done outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Stay,
    /// Decide on the one that is shown.
    Decide(Decision),
    /// Decide on [`Review::rest`].
    DecideRest(Decision),
    /// Take back the last decision.
    Undo,
    /// End the review.
    Leave,
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-Z.
    Suspend,
}

/// A review: a list of pending snapshots of which one is looked at.
#[derive(Debug)]
pub struct Review {
    pub(super) fates: Vec<Fate>,
    pub(super) at: usize,
    pub(super) mode: Mode,
    /// What is said until the next key.
    pub(super) message: Option<String>,
    /// The one that is looked at, once it is loaded.
    pub(super) view: Option<View>,
    /// Its rows, at a width.
    pub(super) rows: Option<(usize, Vec<Row>)>,
    /// The first row of it that is on the screen.
    pub(super) scroll: usize,
    /// How many of its rows are on the screen.
    pub(super) page: usize,
    /// Whether the screen is too small to show anything: nobody decides on what he cannot see.
    pub(super) is_too_small: bool,
}

impl Review {
    /// A review of so many snapshots, at least one.
    pub fn new(count: usize) -> Self {
        Self {
            fates: vec![Fate::Waiting; count],
            at: 0,
            mode: Mode::Reviewing,
            message: None,
            view: None,
            rows: None,
            scroll: 0,
            page: 1,
            is_too_small: false,
        }
    }

    /// The snapshot that is to be loaded and shown, by its number.
    pub fn missing(&self) -> Option<usize> {
        (self.view.is_none() && self.mode != Mode::Done).then_some(self.at)
    }

    /// The snapshot that is looked at, by its number.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Shows the one that is looked at.
    pub fn show(&mut self, view: View) {
        self.view = Some(view);
        self.rows = None;
    }

    /// Says something until the next key.
    pub fn say(&mut self, message: impl Into<String>) {
        self.message = Some(message.into());
    }

    /// How many have this fate.
    pub fn count(&self, fate: Fate) -> usize {
        self.fates.iter().filter(|own| **own == fate).count()
    }

    /// Those that a decision on the rest is about: the one that is looked at, and all that are neither decided on nor
    /// skipped.
    pub fn rest(&self) -> Vec<usize> {
        let others = (0..self.fates.len()).filter(|&at| at != self.at && self.fates[at] == Fate::Waiting);
        std::iter::once(self.at).chain(others).collect()
    }

    /// What became of one of them.
    pub fn settle(&mut self, at: usize, fate: Fate) {
        self.fates[at] = fate;
    }

    /// Goes to the next one that waits, from the one that is looked at on and then from the beginning.
    pub fn go_on(&mut self) {
        let count = self.fates.len();
        let next = (0..count).map(|step| (self.at + step) % count).find(|&at| self.fates[at] == Fate::Waiting);
        if let Some(at) = next {
            return self.go_to(at);
        }
        self.mode = Mode::Done;
        self.view = None;
    }

    /// Looks at this one, which has become undecided.
    pub fn take_back(&mut self, at: usize) {
        self.fates[at] = Fate::Waiting;
        self.go_to(at);
    }

    fn go_to(&mut self, at: usize) {
        self.at = at;
        self.mode = Mode::Reviewing;
        self.view = None;
        self.scroll = 0;
    }

    /// What a key does.
    pub fn press(&mut self, key: Key) -> Step {
        match key {
            Key::Interrupt => return Step::Interrupt,
            Key::Suspend => return Step::Suspend,
            Key::Char('q') if self.is_too_small => return Step::Leave,
            _ if self.is_too_small => return Step::Stay,
            _ => self.message = None,
        }
        match self.mode {
            Mode::Help => {
                self.mode = Mode::Reviewing;
                Step::Stay
            }
            Mode::Asking(decision) => self.answer(key, decision),
            Mode::Done => self.press_at_the_end(key),
            Mode::Reviewing => self.press_at_a_snapshot(key),
        }
    }

    fn answer(&mut self, key: Key, decision: Decision) -> Step {
        self.mode = Mode::Reviewing;
        if matches!(key, Key::Char('y' | 'Y')) {
            return Step::DecideRest(decision);
        }
        self.say("nothing was decided");
        Step::Stay
    }

    fn press_at_the_end(&mut self, key: Key) -> Step {
        match key {
            Key::Char('u') => Step::Undo,
            Key::Left | Key::Char('p') => {
                self.go_back(self.fates.len());
                Step::Stay
            }
            Key::Char('q' | ' ') | Key::Enter | Key::Escape => Step::Leave,
            _ => Step::Stay,
        }
    }

    fn press_at_a_snapshot(&mut self, key: Key) -> Step {
        match key {
            Key::Char('a') if !self.is_acceptable() => {
                self.say("it cannot be accepted, as it cannot be read; r rejects it");
            }
            Key::Char('a') => return Step::Decide(Decision::Accept),
            Key::Char('r') => return Step::Decide(Decision::Reject),
            Key::Char('A') => self.mode = Mode::Asking(Decision::Accept),
            Key::Char('R') => self.mode = Mode::Asking(Decision::Reject),
            Key::Char('u') => return Step::Undo,
            Key::Char('q') => return Step::Leave,
            Key::Char('s') => {
                self.settle(self.at, Fate::Skipped);
                self.go_on();
            }
            Key::Char('?' | 'h') => self.mode = Mode::Help,
            Key::Left | Key::Char('p') => self.go_back(self.at),
            Key::Right | Key::Char('n') => self.go_forth(),
            key => self.move_over(key),
        }
        Step::Stay
    }

    fn is_acceptable(&self) -> bool {
        self.view.as_ref().is_some_and(|view| view.is_acceptable)
    }

    /// Whether one can still be decided on.
    fn is_open(&self, at: usize) -> bool {
        matches!(self.fates[at], Fate::Waiting | Fate::Skipped)
    }

    fn go_back(&mut self, from: usize) {
        match (0..from).rev().find(|&at| self.is_open(at)) {
            Some(at) => self.go_to(at),
            None => self.say("there is none before this one"),
        }
    }

    fn go_forth(&mut self) {
        match (self.at + 1..self.fates.len()).find(|&at| self.is_open(at)) {
            Some(at) => self.go_to(at),
            None => self.say("this is the last one"),
        }
    }

    /// Scrolls. The screen knows where the end is.
    fn move_over(&mut self, key: Key) {
        // A row of the page before stays, for the eye to hold on to.
        let page = self.page.saturating_sub(1).max(1);
        self.scroll = match key {
            Key::Up | Key::Char('k') => self.scroll.saturating_sub(1),
            Key::Down | Key::Char('j') | Key::Enter => self.scroll + 1,
            Key::PageUp | Key::Char('b') => self.scroll.saturating_sub(page),
            Key::PageDown | Key::Char(' ') => self.scroll + page,
            Key::Home | Key::Char('g') => 0,
            Key::End | Key::Char('G') => usize::MAX,
            _ => self.scroll,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::super::rows::{Line, Tone};
    use super::*;

    /// A review of three that does what it is asked to, as long as that works.
    struct Played {
        review: Review,
        steps: Vec<Step>,
    }

    fn view(is_acceptable: bool) -> View {
        let lines = vec![Line::new(Tone::Plain, "x")];
        View { title: "s".into(), path: "s.snap".into(), lines, is_acceptable }
    }

    impl Played {
        fn new(count: usize) -> Self {
            Self { review: Review::new(count), steps: Vec::new() }
        }

        fn press(mut self, keys: &str) -> Self {
            for key in keys.chars() {
                if self.review.missing().is_some() {
                    self.review.show(view(true));
                }
                let key = match key {
                    '<' => Key::Left,
                    '>' => Key::Right,
                    '\n' => Key::Enter,
                    '!' => Key::Escape,
                    key => Key::Char(key),
                };
                let step = self.review.press(key);
                self.follow(step);
            }
            self
        }

        fn follow(&mut self, step: Step) {
            match step {
                Step::Decide(decision) => {
                    self.review.settle(self.review.at(), decision.fate());
                    self.review.go_on();
                }
                Step::DecideRest(decision) => {
                    for at in self.review.rest() {
                        self.review.settle(at, decision.fate());
                    }
                    self.review.go_on();
                }
                Step::Stay => {}
                other => self.steps.push(other),
            }
        }

        /// `a`ccepted, `r`ejected, `s`kipped, `.` waiting, with the one looked at in brackets.
        fn drawn(&self) -> String {
            let draw = |(at, fate): (usize, &Fate)| {
                let sign = match fate {
                    Fate::Waiting => '.',
                    Fate::Skipped => 's',
                    Fate::Accepted => 'a',
                    Fate::Rejected => 'r',
                    Fate::Gone => 'x',
                };
                let is_looked_at = at == self.review.at && self.review.mode != Mode::Done;
                if is_looked_at { format!("[{sign}]") } else { sign.to_string() }
            };
            self.review.fates.iter().enumerate().map(draw).collect()
        }
    }

    #[test]
    fn keys_decide_and_go_back_and_forth() {
        let table = [
            ("", "[.]..", &[][..]),
            ("a", "a[.].", &[]),
            ("ar", "ar[.]", &[]),
            ("ars", "ars", &[]),
            (">", ".[.].", &[]),
            (">>>", "..[.]", &[]),
            (">a", ".a[.]", &[]),
            (">>a", "[.].a", &[]),
            ("><", "[.]..", &[]),
            ("np", "[.]..", &[]),
            // What is decided is not gone back to, what is skipped is.
            ("as<", "a[s].", &[]),
            ("a<", "a[.].", &[]),
            ("sa<", "[s]a.", &[]),
            ("sa<a", "aa[.]", &[]),
            ("ass<", "as[s]", &[]),
            ("u", "[.]..", &[Step::Undo]),
            ("aaa\n", "aaa", &[Step::Leave]),
            ("aaa!", "aaa", &[Step::Leave]),
            ("aaau", "aaa", &[Step::Undo]),
            ("aaaaA", "aaa", &[]),
            ("q", "[.]..", &[Step::Leave]),
            ("!xyz\n", "[.]..", &[]),
        ];
        for (keys, fates, steps) in table {
            let played = Played::new(3).press(keys);
            assert_eq!((played.drawn().as_str(), &played.steps[..]), (fates, steps), "{keys:?}");
        }
    }

    #[test]
    fn the_rest_is_asked_about_and_leaves_what_was_skipped() {
        let table = [
            ("A", "[.]...."),
            ("Ay", "aaaaa"),
            ("Ry", "rrrrr"),
            ("An", "[.]...."),
            ("A\n", "[.]...."),
            ("AA", "[.]...."),
            ("Aq", "[.]...."),
            ("saAy", "saaaa"),
            ("rsRy", "rsrrr"),
            // The one that is looked at belongs to it, those before it that were passed over too.
            ("s<Ay", "aaaaa"),
            (">>Ry", "rrrrr"),
        ];
        for (keys, fates) in table {
            let played = Played::new(5).press(keys);
            assert_eq!((played.drawn().as_str(), played.steps.len()), (fates, 0), "{keys:?}");
        }
    }

    #[test]
    fn help_is_left_with_any_key_which_does_nothing_else() {
        for keys in ["?a", "?q", "?A", "?!"] {
            let played = Played::new(2).press(keys);
            assert_eq!((played.drawn().as_str(), played.review.mode, played.steps.len()), ("[.].", Mode::Reviewing, 0));
        }
    }

    #[test]
    fn what_cannot_be_read_is_rejected_and_never_accepted() {
        let mut review = Review::new(1);
        review.show(view(false));
        assert_eq!(review.press(Key::Char('a')), Step::Stay);
        assert!(review.message.is_some());
        assert_eq!(review.press(Key::Char('r')), Step::Decide(Decision::Reject));
    }

    #[test]
    fn nothing_is_decided_on_a_screen_that_shows_nothing() {
        let mut review = Review::new(2);
        review.show(view(true));
        review.is_too_small = true;
        for key in "arsARyu?".chars() {
            assert_eq!(review.press(Key::Char(key)), Step::Stay, "{key}");
        }
        assert_eq!((review.count(Fate::Waiting), review.mode), (2, Mode::Reviewing));
        assert_eq!(review.press(Key::Char('q')), Step::Leave);
    }

    #[test]
    fn ctrl_c_and_ctrl_z_are_heard_everywhere() {
        for keys in ["", "?", "A", "aa"] {
            let mut played = Played::new(2).press(keys);
            assert_eq!(played.review.press(Key::Interrupt), Step::Interrupt, "{keys}");
            assert_eq!(played.review.press(Key::Suspend), Step::Suspend, "{keys}");
        }
    }
}
