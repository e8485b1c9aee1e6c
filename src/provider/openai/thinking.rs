//! Takes a leading `<think>…</think>` block out of a reply, also while the reply still arrives in pieces.
//!
//! Only a block at the very beginning counts: a reply that speaks about `<think>` later keeps its words. A block that is
//! never closed (the reply was cut by its length) is all thinking. However the text is cut into pieces, the visible parts
//! put together are the same.

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// Where in the reply the split stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Nothing but white space and perhaps a part of `<think>` was seen.
    Start,
    /// Inside the block.
    Thinking,
    /// Behind the block, where the white space before the reply proper is dropped.
    Behind,
    /// In the reply proper.
    Text,
}

/// Splits one reply. Feed it with [`Split::push`], then end it with [`Split::finish`].
#[derive(Debug)]
pub(super) struct Split {
    place: Place,
    /// What cannot be told yet to be text or thinking; inside the block all of it.
    held: String,
    /// How many bytes at the beginning of `held` are known to be white space.
    blank: usize,
    thinking: String,
}

impl Split {
    /// At the beginning of a reply.
    pub(super) const fn new() -> Self {
        Self { place: Place::Start, held: String::new(), blank: 0, thinking: String::new() }
    }

    /// Takes the next piece and gives what of the reply's text is certain now; empty where nothing is.
    pub(super) fn push(&mut self, piece: &str) -> String {
        match self.place {
            Place::Text => piece.to_owned(),
            Place::Start => self.start(piece),
            Place::Thinking => self.think(piece),
            Place::Behind => self.behind(piece),
        }
    }

    /// Ends the reply: the text that was still held back, and what was thought, if anything.
    pub(super) fn finish(mut self) -> (String, Option<String>) {
        let text = match self.place {
            Place::Start => self.held,
            Place::Thinking => {
                self.thinking = self.held;
                String::new()
            }
            Place::Behind | Place::Text => String::new(),
        };
        let thinking = self.thinking.trim();
        (text, (!thinking.is_empty()).then(|| thinking.to_owned()))
    }

    fn start(&mut self, piece: &str) -> String {
        self.held.push_str(piece);
        // What is known to be blank is not looked at again: white space may come for long, and in very small pieces.
        let begun = self.held[self.blank..].trim_start();
        self.blank = self.held.len() - begun.len();
        if let Some(rest) = begun.strip_prefix(OPEN) {
            let rest = rest.to_owned();
            self.place = Place::Thinking;
            self.held.clear();
            return self.think(&rest);
        }
        if OPEN.starts_with(begun) {
            return String::new();
        }
        self.place = Place::Text;
        std::mem::take(&mut self.held)
    }

    fn think(&mut self, piece: &str) -> String {
        // The mark may be cut in two by the pieces, so the search begins a little before the new one.
        let mut from = self.held.len().saturating_sub(CLOSE.len());
        while !self.held.is_char_boundary(from) {
            from -= 1;
        }
        self.held.push_str(piece);
        let Some(at) = self.held[from..].find(CLOSE).map(|at| from + at) else { return String::new() };
        let rest = self.held[at + CLOSE.len()..].to_owned();
        self.held.truncate(at);
        self.thinking = std::mem::take(&mut self.held);
        self.place = Place::Behind;
        self.behind(&rest)
    }

    fn behind(&mut self, piece: &str) -> String {
        let text = piece.trim_start();
        if !text.is_empty() {
            self.place = Place::Text;
        }
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(pieces: &[&str]) -> (String, Option<String>) {
        let mut split = Split::new();
        let mut text: String = pieces.iter().map(|piece| split.push(piece)).collect();
        let (rest, thinking) = split.finish();
        text.push_str(&rest);
        (text, thinking)
    }

    #[test]
    fn blanks_in_very_many_pieces_are_each_looked_at_once() {
        let mut split = Split::new();
        for _ in 0..300_000 {
            assert_eq!(split.push(" "), "");
        }
        assert_eq!(split.push("<think>Hm</think>Hi"), "Hi");
        assert_eq!(split.finish().1.as_deref(), Some("Hm"));
    }

    #[test]
    fn only_a_leading_block_is_thinking() {
        for (reply, text, thinking) in [
            ("Hello.", "Hello.", None),
            ("  Hello.\n", "  Hello.\n", None),
            ("<think>Hm.</think>Hello.", "Hello.", Some("Hm.")),
            ("\n <think>\nHm.\n</think>\n\nHello.", "Hello.", Some("Hm.")),
            ("<think>\n\n</think>\n\nHello.", "Hello.", None),
            ("<think>Hm. It was cut", "", Some("Hm. It was cut")),
            ("Use <think>x</think> here.", "Use <think>x</think> here.", None),
            ("<thinner> than that", "<thinner> than that", None),
            ("<thi", "<thi", None),
            (" \n", " \n", None),
            ("", "", None),
            ("<think>é</think>é<think>b</think>", "é<think>b</think>", Some("é")),
            ("<think>a</think>", "", Some("a")),
        ] {
            assert_eq!(split(&[reply]), (text.to_owned(), thinking.map(str::to_owned)), "{reply:?}");
        }
    }

    #[test]
    fn text_is_shown_as_soon_as_it_cannot_be_a_block() {
        let mut split = Split::new();
        assert_eq!(split.push("<t"), "");
        assert_eq!(split.push("ea"), "<tea");
        assert_eq!(split.push(" is"), " is");
    }

    proptest! {
        #[test]
        fn cutting_a_reply_into_pieces_changes_nothing(
            reply in r"[ \n]{0,2}(<think>)?[a<é/]{0,4}(</think>)?[ \n]{0,2}[a<é]{0,4}(<think>b</think>)?",
            cuts in proptest::collection::vec(0_usize..40, 0..6),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|&at| at <= reply.len() && reply.is_char_boundary(at)).collect();
            cuts.extend([0, reply.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&str> = cuts.windows(2).map(|cut| &reply[cut[0]..cut[1]]).collect();
            prop_assert_eq!(split(&pieces), split(&[&reply]));
        }
    }
}
