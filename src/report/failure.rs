//! One failure with its evidence, put together from the record in which it happened.
//!
//! It decides what a person needs to see of a failure; how that is laid out is the business of the format that shows
//! it. Its texts are as they came: nothing is escaped here.

use crate::event::{CheckDone, Record, Retention, TurnDone};
use crate::model::{Message, Origin, OrphanReply, Role, Tail, TurnId, VariantKey, Verdict, Window};
use crate::text::count::words;

use super::VerdictCounts;

/// What kind of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// A check failed.
    Failed,
    /// A check stayed unknown.
    Unknown,
    /// The conversation could not be carried through.
    Errored,
}

/// What a failure is shown with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// Nothing: the reason says it all.
    None,
    /// The exchange that was judged.
    Exchange {
        /// The user message.
        user: String,
        /// The reply.
        reply: String,
        /// How many words the reply has.
        words: usize,
    },
    /// The request behind a retention check.
    Request(Request),
}

/// What was sent, for a retention check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The messages sent.
    pub sent: Vec<Origin>,
    /// Earlier messages that the window cut.
    pub cut: Vec<Origin>,
    /// The message that carried the fact, with its text.
    pub carrier: Option<(Origin, String)>,
    /// The reply, where there was one.
    pub reply: Option<String>,
    /// The fact should have been forgotten, and a reply that the window kept without its question carried it.
    pub is_kept_by_orphan: bool,
}

/// One failure.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// What kind it is.
    pub kind: FailureKind,
    /// The place in the plan of the conversation that is shown.
    pub plan: u32,
    /// The variant.
    pub key: VariantKey,
    /// The trial that is shown, where there are several.
    pub trial: Option<u32>,
    /// The turn; none for what concerns the whole conversation.
    pub turn: Option<TurnId>,
    /// The turn whose exchange it is shown with.
    pub shown_by: Option<TurnId>,
    /// What was asserted: `forgets name`, `max_words 150`; for a conversation that errored, what did not work.
    pub title: String,
    /// The reason.
    pub detail: String,
    /// What it is shown with.
    pub evidence: Evidence,
    /// The trials of the check by verdict, where there are several.
    pub trials: Option<VerdictCounts>,
    /// How many other conversations ended for the same reason, where one error stands for all of them.
    pub others: u64,
    /// File and line.
    pub place: String,
    /// The scenario file.
    pub file: String,
    /// The line in it; none for what concerns the whole conversation.
    pub line: Option<u32>,
    /// The column in it, in characters from 1, where that is known.
    pub column: Option<u32>,
}

impl Failure {
    /// The failure that a check of a record is, or that it is a part of where it held in spite of its mark: `None` where its
    /// verdict is any other but `fail` and `unknown`.
    #[must_use]
    pub fn of_check(record: &Record, check: &CheckDone) -> Option<Self> {
        let kind = match check.verdict {
            Verdict::Fail => FailureKind::Failed,
            Verdict::Pass if check.holds_in_spite() => FailureKind::Failed,
            Verdict::Unknown => FailureKind::Unknown,
            Verdict::Pass | Verdict::Skip | Verdict::KnownFailure => return None,
        };
        let turn = check.shown_by().and_then(|number| record.turns.iter().find(|turn| turn.turn == number));
        let evidence = match (turn, &check.retention) {
            // What a bot saw that keeps its history itself is not known: neither what was sent nor what was not says it.
            (Some(turn), Some(retention)) if !record.begin.keeps_history => {
                Evidence::Request(request(record, turn, check, retention))
            }
            (Some(TurnDone { user, reply: Some(reply), .. }), _) => {
                Evidence::Exchange { user: user.clone(), reply: reply.clone(), words: words(reply) }
            }
            _ => Evidence::None,
        };
        let place = format!("{}:{}", record.begin.file, check.line);
        Some(Self {
            turn: check.turn,
            shown_by: check.shown_by(),
            title: title(check),
            detail: detail(check),
            evidence,
            line: Some(check.line),
            column: check.column,
            ..Self::bare(kind, record, place)
        })
    }

    /// The failure of a conversation that could not be carried through.
    #[must_use]
    pub fn of_conversation(record: &Record) -> Self {
        let bare = Self::bare(FailureKind::Errored, record, record.begin.file.clone());
        match record.turns.iter().find_map(|turn| turn.error.as_ref().map(|error| (turn, error))) {
            Some((turn, error)) => {
                let tries = if turn.attempts > 1 { format!(" (after {} tries)", turn.attempts) } else { String::new() };
                Self {
                    turn: Some(turn.turn),
                    shown_by: Some(turn.turn),
                    // Of a turn that has its reply, something else failed.
                    title: if turn.reply.is_none() { "the call failed" } else { "nothing was captured" }.into(),
                    detail: format!("{error}{tries}"),
                    ..bare
                }
            }
            None => Self {
                title: "the conversation broke off".into(),
                detail: record.done.as_ref().and_then(|done| done.error.clone()).unwrap_or_default(),
                ..bare
            },
        }
    }

    fn bare(kind: FailureKind, record: &Record, place: String) -> Self {
        Self {
            kind,
            plan: record.begin.plan,
            key: record.begin.key.variant.clone(),
            trial: (record.begin.trials > 1).then_some(record.begin.key.trial),
            turn: None,
            shown_by: None,
            title: String::new(),
            detail: String::new(),
            evidence: Evidence::None,
            trials: None,
            others: 0,
            place,
            file: record.begin.file.clone(),
            line: None,
            column: None,
        }
    }
}

/// The reason. Of a marked check that held, one of several trials cannot say that the mark can go; their decision can.
pub(super) fn detail(check: &CheckDone) -> String {
    let is_one_of_several = check.verdict == Verdict::Pass && check.holds_in_spite();
    if is_one_of_several { format!("{}: remove the mark", check.detail) } else { check.detail.clone() }
}

/// The user's name for a check, or its key with what it asserts.
pub(super) fn title(check: &CheckDone) -> String {
    match &check.name {
        Some(name) => name.clone(),
        None => format!("{} {}", check.check, check.expected).trim_end().to_owned(),
    }
}

fn request(record: &Record, turn: &TurnDone, check: &CheckDone, retention: &Retention) -> Request {
    let messages = record.messages();
    let sent: Vec<usize> = turn.sent_positions().filter(|position| *position < messages.len()).collect();
    let last = sent.last().copied().unwrap_or(0);
    let origins = |positions: &[usize]| positions.iter().map(|position| messages[*position].origin).collect();
    // What another probe asked was never to be sent.
    let is_of_branch = |position: &usize| !matches!(messages[*position].origin, Origin::Probe(_));
    let is_cut = |position: &usize| sent.binary_search(position).is_err() && is_of_branch(position);
    let cut: Vec<usize> = (0..last).filter(is_cut).collect();
    let carrier = retention.carrier.map(|carrier| carrier as usize).filter(|carrier| *carrier < messages.len());
    Request {
        sent: origins(&sent),
        cut: origins(&cut),
        carrier: carrier.map(|carrier| (messages[carrier].origin, messages[carrier].content.to_string())),
        reply: turn.reply.clone(),
        is_kept_by_orphan: carrier.is_some_and(|carrier| {
            check.check == "forgets"
                && keeps_orphans(&record.begin.key.variant.window)
                && is_orphan(&messages, &sent, carrier)
        }),
    }
}

/// Whether the window is one for which `orphan_reply: drop` would be something else.
fn keeps_orphans(label: &str) -> bool {
    label.parse::<Window>().is_ok_and(|window| {
        window.orphan_reply == OrphanReply::Keep
            && matches!(window.tail, Tail::Exchanges(_) | Tail::Messages(_) | Tail::Tokens(_))
    })
}

/// A reply is an orphan when, going back over replies that were sent, one comes to a message that was not.
fn is_orphan(messages: &[Message], sent: &[usize], carrier: usize) -> bool {
    let is_sent = |position: &usize| sent.binary_search(position).is_ok();
    let is_reply = |position: &usize| messages[*position].role == Role::Assistant;
    is_reply(&carrier)
        && (0..carrier)
            .rev()
            .find(|position| !(is_sent(position) && is_reply(position)))
            .is_some_and(|position| !is_sent(&position) && messages[position].role != Role::System)
}
