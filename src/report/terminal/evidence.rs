//! A failure in words: heading, reason, what was sent and said, the place in the file.

use super::super::failure::{Evidence, Failure, FailureKind, Request};
use super::super::paint::{self, Look, Tone};
use super::super::wording::{one_line, several, vars_in_words};
use crate::model::{Origin, TurnId, VariantKey, Verdict};
use crate::text::escape::{quote, visible};
use crate::text::layout::{truncate, width, wrap};

const INDENT: &str = "    ";
/// The names before quoted messages stand in a column of this width.
const LABEL: usize = 8;
/// So many lines are shown of a user message, of a reply and of a reason.
const USER_LINES: usize = 2;
const REPLY_LINES: usize = 6;
const DETAIL_LINES: usize = 8;
/// A list of messages with more names than this is shown by its ends.
const NAMES_IN_FULL: usize = 12;

/// The failure, each line ending in a line feed. An exchange that the failure before it has shown is not shown again.
pub(super) fn failure(failure: &Failure, before: Option<&Failure>, folder: &str, look: Look) -> String {
    let (sign, tone) = paint::of_verdict(match failure.kind {
        FailureKind::Failed => Verdict::Fail,
        FailureKind::Unknown | FailureKind::Errored => Verdict::Unknown,
    });
    let heading = heading(&failure.key, failure.trial, failure.turn, &failure.title);
    let mut lines: Vec<String> = Vec::new();
    for (place, line) in wrap(&heading, look.width.saturating_sub(2)).iter().enumerate() {
        let before = if place == 0 { look.paint(tone, &sign.to_string()) } else { " ".into() };
        lines.push(format!("{before} {}", look.paint(Tone::Heading, line)));
    }
    let body = body(failure, before, folder, look.width.saturating_sub(INDENT.len()));
    lines.extend(body.into_iter().filter(|line| !line.is_empty()).map(|line| format!("{INDENT}{line}")));
    lines.push(format!("{INDENT}{}", look.paint(Tone::Quiet, &one_line(&failure.place))));
    lines.join("\n") + "\n"
}

/// The lines between a failure's heading and its place.
pub(in crate::report) fn body(failure: &Failure, before: Option<&Failure>, folder: &str, room: usize) -> Vec<String> {
    let mut body = cut_lines(&visible(&failure.detail), room, DETAIL_LINES).0;
    body.extend(trials(failure));
    body.extend(others(failure, room));
    match &failure.evidence {
        Evidence::None => {}
        Evidence::Exchange { .. } if before.is_some_and(|before| is_same_exchange(before, failure)) => {}
        Evidence::Exchange { user, reply, words } => {
            let rest = rest(*words, failure.shown_by, folder);
            body.extend(exchange(user, reply, &rest, room));
        }
        Evidence::Request(request) => body.extend(sent(request, room)),
    }
    body
}

fn is_same_exchange(one: &Failure, other: &Failure) -> bool {
    (&one.key, one.trial, one.shown_by, &one.evidence) == (&other.key, other.trial, other.shown_by, &other.evidence)
}

/// `scenario · persona · model · window 2 · turn 4 · forgets name`; without what says nothing (no case, a full window).
pub(in crate::report) fn heading(key: &VariantKey, trial: Option<u32>, turn: Option<TurnId>, title: &str) -> String {
    let mut parts = vec![one_line(&key.scenario), one_line(&key.case), vars_in_words(&key.vars)];
    parts.extend([one_line(&key.persona), one_line(&key.model)]);
    if key.window != "full" {
        parts.push(format!("window {}", one_line(&key.window)));
    }
    parts.extend(trial.map(|trial| format!("trial {trial}")));
    parts.extend(turn.map(|turn| turn.named().to_string()));
    parts.push(one_line(title));
    parts.retain(|part| !part.is_empty());
    parts.join(" · ")
}

fn trials(failure: &Failure) -> Option<String> {
    let trials = failure.trials?;
    let (number, word) = match failure.kind {
        // What fails so, passes in spite of its mark.
        FailureKind::Failed if trials.fail == 0 => (trials.pass, "passed"),
        FailureKind::Failed => (trials.fail, "failed"),
        FailureKind::Unknown | FailureKind::Errored => (trials.unknown, "unknown"),
    };
    Some(format!("{word} in {number} of {}", several(trials.total(), "trial", "trials")))
}

fn others(failure: &Failure, room: usize) -> Vec<String> {
    if failure.others == 0 {
        return Vec::new();
    }
    let (model, others) = (one_line(&failure.key.model), several(failure.others, "other", "others"));
    wrap(&format!("{others} of `{model}` ended for the same reason: no further call is made to it"), room)
}

fn exchange(user: &str, reply: &str, rest: &str, room: usize) -> Vec<String> {
    let room = room.saturating_sub(4);
    let (mut lines, is_cut) = cut_lines(&visible(user), room, USER_LINES);
    if let (true, Some(last)) = (is_cut, lines.last_mut()) {
        *last = truncate(&format!("{last} …"), room);
    }
    let reply = if reply.trim().is_empty() { "(empty)".into() } else { visible(reply) };
    let (reply, is_cut) = cut_lines(&reply, room, REPLY_LINES);
    let marks = ["→ "].into_iter().chain(std::iter::repeat("  "));
    lines.extend(marks.zip(reply).map(|(mark, line)| format!("{mark}{line}")));
    if is_cut {
        lines.push(format!("  {rest}"));
    }
    lines.into_iter().map(|line| format!("│ {line}").trim_end().to_owned()).collect()
}

fn rest(words: usize, turn: Option<TurnId>, folder: &str) -> String {
    let turn = turn.map(|turn| format!("; {} of {folder}/transcripts.csv", turn.named())).unwrap_or_default();
    format!("… ({}{turn})", several(words as u64, "word", "words"))
}

/// The first lines of a text, and whether there are more. A text of megabytes is not laid out to show six lines.
fn cut_lines(text: &str, room: usize, most: usize) -> (Vec<String>, bool) {
    let text = text.trim();
    let enough = text.char_indices().nth((room + 1) * (most + 1) * 2).map_or(text.len(), |(place, _)| place);
    let mut lines = wrap(&text[..enough], room.max(1));
    let is_cut = lines.len() > most || enough < text.len();
    lines.truncate(most);
    (lines, is_cut)
}

fn sent(request: &Request, room: usize) -> Vec<String> {
    let sent = format!("{:LABEL$}{}", "sent", names(&request.sent));
    let cut = format!("{:LABEL$}{}", "cut", names(&request.cut));
    let mut lines = match (request.cut.is_empty(), width(&sent) + LABEL + width(&cut) <= room) {
        (true, _) => vec![sent],
        (false, true) => vec![format!("{sent}{}{cut}", " ".repeat(LABEL))],
        (false, false) => vec![sent, cut],
    };
    let quoted = |name: &str, text: &str| format!("{name:LABEL$}{}", quote(text, room.saturating_sub(LABEL + 2)));
    lines.extend(request.carrier.iter().map(|(origin, text)| quoted(&origin.to_string(), text)));
    lines.extend(request.reply.iter().map(|text| quoted("reply", text)));
    if request.is_kept_by_orphan {
        lines.extend(wrap("help: the window kept a reply that repeats the fact; `orphan_reply: drop` cuts it", room));
    }
    lines
}

fn names(origins: &[Origin]) -> String {
    let join = |origins: &[Origin]| origins.iter().map(Origin::to_string).collect::<Vec<_>>().join(" · ");
    if origins.len() <= NAMES_IN_FULL {
        return join(origins);
    }
    let (head, tail) = (&origins[..3], &origins[origins.len() - 6..]);
    format!("{} · … {} more … · {}", join(head), origins.len() - 9, join(tail))
}
