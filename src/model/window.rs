//! Window policies as values, with the label that names each in every output.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

/// Which end of the history goes along with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tail {
    /// The whole history.
    Full,
    /// Nothing but the new user message.
    None,
    /// The last 2N messages of history and new user message together.
    Exchanges(NonZeroU32),
    /// The last K whole exchanges of the history, and the new user message on top.
    PastExchanges(NonZeroU32),
    /// The last N messages of history and new user message together.
    Messages(NonZeroU32),
    /// The longest end of history and new user message that keeps the whole request within N tokens.
    Tokens(NonZeroU32),
}

/// What becomes of replies at the head of the window whose user message was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OrphanReply {
    /// They are sent.
    #[default]
    Keep,
    /// They are cut too.
    Drop,
}

/// A window policy: the tail, what to do with orphans at its head, and how many first messages stay for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Window {
    /// Which end of the history goes along.
    pub tail: Tail,
    /// Orphan replies at the head of the tail. Always `Keep` for tails that cannot have one.
    pub orphan_reply: OrphanReply,
    /// The first messages of the history that are sent whatever the tail is; 0 for none.
    pub pin_first: u32,
}

impl Window {
    /// The whole history: the default.
    pub const FULL: Self = Self::plain(Tail::Full);

    /// A tail without pins that keeps orphans.
    #[must_use]
    pub const fn plain(tail: Tail) -> Self {
        Self { tail, orphan_reply: OrphanReply::Keep, pin_first: 0 }
    }
}

impl fmt::Display for Window {
    /// The label: `full`, `none`, `2`, `2-drop`, `past-2`, `messages-5`, `tokens-4000`, with `-pin-1` behind it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.tail {
            Tail::Full => f.write_str("full")?,
            Tail::None => f.write_str("none")?,
            Tail::Exchanges(n) => write!(f, "{n}")?,
            Tail::PastExchanges(n) => write!(f, "past-{n}")?,
            Tail::Messages(n) => write!(f, "messages-{n}")?,
            Tail::Tokens(n) => write!(f, "tokens-{n}")?,
        }
        if self.orphan_reply == OrphanReply::Drop {
            f.write_str("-drop")?;
        }
        if self.pin_first > 0 {
            write!(f, "-pin-{}", self.pin_first)?;
        }
        Ok(())
    }
}

/// A text that is no window label.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WindowLabelError {
    /// A size of 0.
    #[error("a window of 0 is not possible; `none` sends no history")]
    Zero,
    /// Anything else.
    #[error(
        "not a window; windows are `full`, `none`, `2`, `2-drop`, `past-2`, `messages-5`, `tokens-4000`, each with `-pin-1` where messages are pinned"
    )]
    Unknown,
}

impl FromStr for Window {
    type Err = WindowLabelError;

    /// Reads a label back; the command line's `--window` takes them.
    fn from_str(label: &str) -> Result<Self, Self::Err> {
        let (rest, pin_first) = match label.rsplit_once("-pin-") {
            Some((rest, pin)) => (rest, size(pin)?.get()),
            None => (label, 0),
        };
        let (rest, orphan_reply) = match rest.strip_suffix("-drop") {
            Some(rest) => (rest, OrphanReply::Drop),
            None => (rest, OrphanReply::Keep),
        };
        let tail = match rest {
            "full" => Tail::Full,
            "none" => Tail::None,
            _ => match rest.rsplit_once('-') {
                Some(("past", n)) => Tail::PastExchanges(size(n)?),
                Some(("messages", n)) => Tail::Messages(size(n)?),
                Some(("tokens", n)) => Tail::Tokens(size(n)?),
                Some(_) => return Err(WindowLabelError::Unknown),
                None => Tail::Exchanges(size(rest)?),
            },
        };
        let can_orphan = matches!(tail, Tail::Exchanges(_) | Tail::Messages(_) | Tail::Tokens(_));
        if orphan_reply == OrphanReply::Drop && !can_orphan || pin_first > 0 && matches!(tail, Tail::Full | Tail::None)
        {
            return Err(WindowLabelError::Unknown);
        }
        Ok(Self { tail, orphan_reply, pin_first })
    }
}

fn size(digits: &str) -> Result<NonZeroU32, WindowLabelError> {
    if digits.starts_with('+') {
        return Err(WindowLabelError::Unknown);
    }
    let n: u32 = digits.parse().map_err(|_| WindowLabelError::Unknown)?;
    NonZeroU32::new(n).ok_or(WindowLabelError::Zero)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_label_reads_back_as_the_window_that_it_names() {
        for label in [
            "full",
            "none",
            "2",
            "2-drop",
            "past-2",
            "messages-5",
            "messages-5-drop",
            "tokens-4000",
            "tokens-9-drop",
            "2-pin-1",
            "2-drop-pin-3",
            "past-2-pin-1",
            "tokens-40-drop-pin-2",
        ] {
            assert_eq!(label.parse::<Window>().map(|w| w.to_string()).as_deref(), Ok(label));
        }
    }

    #[test]
    fn what_is_no_label_is_refused_and_zero_by_name() {
        for label in ["", "-1", "+2", "2.0", "past", "past-", "full-drop", "past-2-drop", "none-pin-1", "2-pin-", "x-2"]
        {
            assert_eq!(label.parse::<Window>(), Err(WindowLabelError::Unknown), "{label}");
        }
        for label in ["0", "past-0", "tokens-0", "2-pin-0"] {
            assert_eq!(label.parse::<Window>(), Err(WindowLabelError::Zero), "{label}");
        }
    }
}
