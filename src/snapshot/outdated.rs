//! What of a script moved under an accepted snapshot, told from the two transcripts: another thing than a bot that
//! answers otherwise. Pure.

use std::fmt;

use crate::model::TurnId;

/// So many parts are named.
const NAMED: usize = 5;

/// A part of the script that is another than when the snapshot was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScriptPart {
    /// The names in the heading: a snapshot that lies where another's should.
    Names,
    /// The window in the heading.
    Window,
    /// `snapshot:`, and with it whether replies are kept.
    Mode,
    /// `snapshot_redact:`, and with it the texts.
    Redactions,
    /// The persona's text.
    Persona,
    /// A message before turn 1.
    History(u32),
    /// A turn that was not there.
    TurnAdded(TurnId),
    /// A turn that is not there any more.
    TurnGone(TurnId),
    /// A turn's user message.
    User(TurnId),
    /// A turn's canned reply, or whether it has one.
    CannedReply(TurnId),
}

impl fmt::Display for ScriptPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Names => f.write_str("the names changed"),
            Self::Window => f.write_str("the window changed"),
            Self::Mode => f.write_str("`snapshot:` changed"),
            Self::Redactions => f.write_str("`snapshot_redact:` changed"),
            Self::Persona => f.write_str("the persona's text changed"),
            Self::History(n) => write!(f, "message {n} of the history changed"),
            Self::TurnAdded(n) => write!(f, "{} is new", n.named()),
            Self::TurnGone(n) => write!(f, "{} is gone", n.named()),
            Self::User(n) => write!(f, "{}'s user message changed", n.named()),
            Self::CannedReply(n) => write!(f, "{}'s canned reply changed", n.named()),
        }
    }
}

impl ScriptPart {
    /// Whether it is a text, which other redactions make another one though nobody changed it.
    pub(super) fn is_text(self) -> bool {
        matches!(self, Self::Persona | Self::History(_) | Self::User(_) | Self::CannedReply(_))
    }
}

/// `the persona's text changed, turn 2 is new`; of many parts the first, and how many more.
pub(super) fn in_words(parts: &[ScriptPart]) -> String {
    let mut words: Vec<String> = parts.iter().take(NAMED).map(ToString::to_string).collect();
    if let Some(more) = parts.len().checked_sub(NAMED).filter(|more| *more > 0) {
        words.push(format!("and {more} more"));
    }
    words.join(", ")
}

/// Which part of the script a block before the first turn is; `None` for one that no transcript has. Either heading is
/// empty where the block is in the other transcript only.
pub(super) fn part_of_frame(name: &str, old_heading: &str, new_heading: &str) -> Option<ScriptPart> {
    match name {
        "heading" if is_window_alone(old_heading, new_heading) => Some(ScriptPart::Window),
        "heading" => Some(ScriptPart::Names),
        "replies" => Some(ScriptPart::Mode),
        "system" => Some(ScriptPart::Persona),
        _ => name.strip_prefix('h').and_then(|number| number.parse().ok()).map(ScriptPart::History),
    }
}

/// Whether two headings have all names but the window in common.
fn is_window_alone(old: &str, new: &str) -> bool {
    let without = |heading: &str| -> Vec<String> {
        heading.split(" · ").filter(|name| !name.starts_with("window ")).map(str::to_owned).collect()
    };
    !old.is_empty() && !new.is_empty() && without(old) == without(new)
}
