//! How the memory lint says what it found: once for each place, with the turns, windows and cells that it holds for.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::rc::Rc;

use crate::diagnostic::Code;
use crate::model::{Origin, Position, TurnId, Window};
use crate::scenario::lint::Claim;
use crate::text::escape::quote;

/// Characters that are shown of a value.
const SHOWN: usize = 40;
/// So many windows, cells, turns and groups of turns are named.
const NAMED: usize = 5;

/// What was found at one place.
pub(super) struct Found {
    pub code: Code,
    pub place: Range<usize>,
    pub message: String,
    /// What helps, each once: it is not the same in every turn.
    helps: Vec<Cow<'static, str>>,
    /// Where the check stands.
    position: Position,
    /// What has the fact or may echo it; `None` where that is not the same of all claims.
    carriers: Option<(Vec<Origin>, Option<Origin>)>,
    /// The variants that it holds for, by turn.
    pub turns: BTreeMap<TurnId, Holds>,
    /// The same of what is in no turn.
    pub everywhere: Holds,
}

impl Found {
    pub fn new(code: Code, place: Range<usize>, message: String) -> Self {
        Self {
            code,
            place,
            message,
            helps: Vec::new(),
            position: Position::default(),
            carriers: None,
            turns: BTreeMap::new(),
            everywhere: Holds::default(),
        }
    }

    /// The first claim about a check.
    pub fn of_check<K>(self, position: Position, claim: &Claim<'_, K>) -> Self {
        Self { position, carriers: Some((claim.carriers.clone(), claim.orphan)), ..self }
    }

    pub fn help(&mut self, help: impl Into<Cow<'static, str>>) {
        let help = help.into();
        if !self.helps.contains(&help) {
            self.helps.push(help);
        }
    }

    pub fn helps(&self) -> String {
        self.helps.join("; ")
    }

    /// Notes where the fact is in one more claim.
    pub fn carried<K>(&mut self, claim: &Claim<'_, K>) {
        let is_same =
            |(carriers, orphan): &(Vec<Origin>, Option<Origin>)| *carriers == claim.carriers && *orphan == claim.orphan;
        if !self.carriers.as_ref().is_some_and(is_same) {
            self.carriers = None;
        }
    }

    /// `turn 4, window 2, in u1, a1`; where it does not hold for the same variants in each turn,
    /// `turn 2: every window; turn 3: window 1, window 3`. `asked` has the variants in which a check is asked, `all` all.
    pub fn label(&self, all: &Holds, asked: &HashMap<(Position, TurnId), Holds>) -> String {
        let mut groups: Vec<(Vec<TurnId>, String)> = Vec::new();
        for (turn, holds) in &self.turns {
            let words = holds.words(asked.get(&(self.position, *turn)).unwrap_or(all));
            match groups.iter_mut().find(|(_, known)| *known == words) {
                Some((turns, _)) => turns.push(*turn),
                None => groups.push((vec![*turn], words)),
            }
        }
        let named = |turns: &[TurnId]| match turns {
            [turn] => turn.named().to_string(),
            _ => format!("turns {}", listed(turns)),
        };
        let detail = self.carriers.as_ref().map_or_else(String::new, |carriers| detail(self.code, carriers));
        let (parts, between) = match groups.as_slice() {
            [] => {
                let words = self.everywhere.words(all);
                (vec![if words == all.words(all) { String::new() } else { words }], ", ")
            }
            [(turns, words)] => (vec![named(turns), words.clone()], ", "),
            groups => {
                let (shown, rest) = groups.split_at(groups.len().min(NAMED));
                let shown = shown.iter().map(|(turns, words)| {
                    format!("{}: {}", named(turns), words.strip_prefix("under ").unwrap_or(words))
                });
                let rest = match rest.iter().map(|(turns, _)| turns.len()).sum() {
                    0 => String::new(),
                    1 => "… and 1 more turn".to_owned(),
                    more => format!("… and {more} more turns"),
                };
                (shown.chain([rest]).collect(), "; ")
            }
        };
        parts.into_iter().chain([detail]).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(between)
    }
}

/// The variants that something holds for.
#[derive(Default)]
pub(super) struct Holds {
    /// Windows, with the names of the cases and cells under each.
    windows: Vec<(Window, Vec<Rc<str>>)>,
}

impl Holds {
    pub fn add(&mut self, window: Window, name: &Rc<str>) {
        let at = self.windows.iter().position(|(known, _)| *known == window).unwrap_or_else(|| {
            self.windows.push((window, Vec::new()));
            self.windows.len() - 1
        });
        let names = &mut self.windows[at].1;
        // Variants come in the order of the plan, where those of one name stand together under each window.
        if names.last().is_none_or(|last| last != name) {
            names.push(Rc::clone(name));
        }
    }

    /// `window 1 (gap=1, gap=2), window 2`; cells only where it does not hold for all that `all` has under the window.
    fn words(&self, all: &Self) -> String {
        let is_all = |window: Window, names: &[Rc<str>]| {
            all.windows.iter().any(|(known, whole)| *known == window && whole.len() == names.len())
        };
        let is_whole = self.windows.iter().all(|(window, names)| is_all(*window, names));
        if is_whole && self.windows.len() == all.windows.len() && self.windows.len() > 1 {
            return "under every window".to_owned();
        }
        listed(self.windows.iter().map(|(window, names)| {
            let cells = if is_all(*window, names) { String::new() } else { format!(" ({})", listed(names)) };
            format!("window {window}{cells}")
        }))
    }
}

/// What a claim holds for where only the first cases were looked at.
pub(super) fn of_sample(cases: usize) -> String {
    match cases {
        0 | 1 => "of the first case".to_owned(),
        cases => format!("of the first {cases} cases"),
    }
}

/// A value, as far as it is shown.
pub(super) fn quoted(value: &str) -> String {
    quote(value, SHOWN).trim_matches('"').to_owned()
}

/// What is said of a check: `check` is itself in words, `value` the fact's.
pub(super) fn message_of<K>(claim: &Claim<'_, K>, check: &str, value: &str) -> String {
    match claim.code {
        Code::CanNeverPass if claim.carriers.is_empty() => {
            format!("{check} can never pass: no message that is sent has {value}")
        }
        Code::CanNeverPass => format!("{check} can never pass: {value} is in what is sent"),
        Code::OnlyByReply => {
            format!("{check} passes only if a live reply repeats {value}: no scripted message that is sent has it")
        }
        Code::AnswerInQuestion => format!("the question itself has {value}: {check} proves nothing"),
        _ => format!("{check} hangs on an orphan reply, whose cut question has {value}"),
    }
}

/// What helps.
pub(super) fn help_of<K>(claim: &Claim<'_, K>, fact: &str) -> Cow<'static, str> {
    match claim.code {
        Code::CanNeverPass if claim.carriers.is_empty() && claim.is_unstated => {
            "no scripted message states it before such a turn, whatever the window: ask in a later one, or state it \
             earlier; of a check on many replies, `from:` leaves out the turns before"
                .into()
        }
        Code::CanNeverPass if claim.carriers.is_empty() => {
            "a larger window may keep it; `forgets` says that it is cut, `retains_iff_visible` holds under every \
             window"
                .into()
        }
        Code::CanNeverPass => match claim.carriers.first() {
            Some(Origin::System) => "no window cuts the system prompt".into(),
            Some(Origin::User(number)) if TurnId::Turn(*number) == claim.asked.number => {
                "no window cuts the question: ask without naming it".into()
            }
            Some(Origin::Probe(_)) => "no window cuts the question: ask without naming it".into(),
            _ => format!("a smaller window may cut it; `recalls: {fact}` says that it is kept").into(),
        },
        Code::OnlyByReply if claim.is_unstated => {
            "no scripted message states it before such a turn, whatever the window; `allow: [only-by-reply]` on the \
             turn where it is meant"
                .into()
        }
        Code::OnlyByReply => {
            "a larger window may keep it; `allow: [only-by-reply]` on the turn where it is meant".into()
        }
        Code::AnswerInQuestion => {
            "ask without naming it; of a check on each reply, `from:` leaves out the turn that states it".into()
        }
        _ => {
            "`orphan_reply: drop` beside the window cuts it too; `allow: [orphan-reply]` on the turn where it is meant"
                .into()
        }
    }
}

/// Which messages have the fact, or may.
fn detail(code: Code, (carriers, orphan): &(Vec<Origin>, Option<Origin>)) -> String {
    let is_reply = code == Code::OnlyByReply || code == Code::OrphanReply;
    let named = carriers.iter().map(|origin| match origin {
        Origin::Reply(number) if code == Code::OnlyByReply && *orphan == Some(*origin) => {
            format!("<reply {number}> (an orphan)")
        }
        Origin::Reply(number) if is_reply => format!("<reply {number}>"),
        origin => origin.to_string(),
    });
    let named: Vec<String> = named.collect();
    match named.len() {
        0 => String::new(),
        _ if is_reply => format!("{} may repeat it", named.join(" or ")),
        _ => format!("in {}", named.join(", ")),
    }
}

/// The first few, and how many more.
fn listed(items: impl IntoIterator<Item = impl ToString>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    let shown = items[..items.len().min(NAMED)].join(", ");
    match items.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
