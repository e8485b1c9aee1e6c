//! `plan --requests`: what each turn of a conversation would send, where its facts are visible, what its checks hang on.

use serde_json::{Value, json};

use super::super::paint::{Look, Tone};
use super::super::wording::{grouped, one_line, several, vars_in_words};
use super::Line;
use crate::model::{Origin, TurnId, VariantKey};
use crate::run::requests::{CheckOutline, FactOutline, MessageOutline, Retention, TurnOutline};
use crate::scenario::lint::Answer;
use crate::scenario::outline::Known;
use crate::text::escape::{no_command, visible};
use crate::text::layout::{truncate, width, wrap};

/// Where texts begin.
const INDENT: &str = "           ";
/// Lists of messages are as wide as the widest of them, and no wider than this.
const WIDEST: usize = 44;

/// How much of the texts is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// What each turn adds, a line each.
    New,
    /// Every message of every request, whole.
    Whole,
}

/// The turns of one conversation.
#[must_use]
pub fn conversation(line: &Line, turns: &[TurnOutline], depth: Depth, look: Look) -> String {
    let mut page = heading(line, look);
    let lists: Vec<String> = turns.iter().map(list).collect();
    let room = lists.iter().map(|list| width(list)).max().unwrap_or(0).min(WIDEST);
    if depth == Depth::New
        && let Some(system) = turns.iter().find_map(|turn| turn.messages.first().filter(|first| is_system(first)))
    {
        page += &text(&format!("{INDENT}{:<8}", "system"), system, depth, look);
    }
    for (turn, list) in turns.iter().zip(&lists) {
        let name = match turn.number {
            TurnId::Turn(number) => format!("  turn {number}"),
            TurnId::Probe(number) => format!("  p{number}"),
        };
        let orphan = turn.orphan.map(|orphan| format!("orphan {orphan}")).unwrap_or_default();
        let mut facts = turn.facts.iter().map(|fact| format!("{}: {}", one_line(&fact.name), fact_words(fact)));
        let blank = " ".repeat(room.saturating_sub(width(list)));
        let mut first = format!("{name:<11}{list}{blank}   {orphan:<9}");
        let place = width(&first) + 3;
        let has_room = place + 30 <= look.width;
        if has_room {
            first.extend(facts.next().map(|fact| format!("   {fact}")));
        }
        page += first.trim_end();
        page.push('\n');
        let indent = if has_room { " ".repeat(place) } else { INDENT.to_owned() };
        page.extend(facts.map(|fact| format!("{indent}{fact}\n")));
        let is_new = |message: &&MessageOutline| match message.message.origin {
            Origin::History(_) => turn.number == TurnId::Turn(1),
            Origin::User(number) | Origin::Reply(number) => turn.number == TurnId::Turn(number),
            Origin::Probe(number) => turn.number == TurnId::Probe(number),
            Origin::System => false,
        };
        for message in turn.messages.iter().filter(|message| depth == Depth::Whole || is_new(message)) {
            page += &text(&format!("{INDENT}{:<8}", message.name()), message, depth, look);
        }
        for check in &turn.checks {
            page += &check_line(check, turn.number, look);
        }
    }
    no_command(&look.spell(&page)).into_owned()
}

fn is_system(message: &MessageOutline) -> bool {
    message.message.origin == Origin::System
}

fn heading(line: &Line, look: Look) -> String {
    let VariantKey { scenario, case, persona, model, window, vars } = &line.key;
    let case = (!case.is_empty()).then(|| format!("case {}", one_line(case)));
    let vars = (!vars.is_empty()).then(|| vars_in_words(vars));
    let names = [one_line(scenario)].into_iter().chain(case).chain(vars);
    let names = names.chain([one_line(persona), one_line(model), format!("window {window}")]);
    let names = names.collect::<Vec<_>>().join(" · ");
    let bound = &line.bound;
    let trials = (bound.conversations > 1).then(|| format!("{} trials, ", grouped(bound.conversations)));
    let tokens = bound
        .tokens()
        .map_or_else(|| "no bound on tokens".to_owned(), |tokens| format!("at most {} tokens", grouped(tokens)));
    let takes = format!("{}{}, {tokens}", trials.unwrap_or_default(), several(bound.calls, "call", "calls"));
    let gap = look.width.saturating_sub(width(&names) + width(&takes)).max(3);
    let names = look.paint(Tone::Heading, &names);
    format!("{names}{}{}\n", " ".repeat(gap), look.paint(Tone::Quiet, &takes))
}

/// `system a1 u2 a2 u3`; many messages in a row as `u1 … a40`.
fn list(turn: &TurnOutline) -> String {
    if turn.is_too_long {
        return "too long for its window".to_owned();
    }
    let names: Vec<String> = turn.messages.iter().map(MessageOutline::name).collect();
    if !turn.is_sent {
        return format!("no call: {}", names.join(" "));
    }
    let whole = names.join(" ");
    if width(&whole) <= WIDEST {
        return whole;
    }
    let (first, last) = (names.iter().take(3), names.iter().skip(names.len().saturating_sub(3)));
    format!("{} … {}", first.cloned().collect::<Vec<_>>().join(" "), last.cloned().collect::<Vec<_>>().join(" "))
}

fn text(name: &str, message: &MessageOutline, depth: Depth, look: Look) -> String {
    let name = format!("{name:<11}");
    let room = look.width.saturating_sub(width(&name) + 1).max(20);
    let open = if message.known == Known::Open { " (with what is captured)" } else { "" };
    if depth == Depth::New {
        let shown = truncate(&format!("{}{open}", one_line(&message.message.content)), room);
        return format!("{} {}\n", look.paint(Tone::Quiet, &name), look.paint(Tone::Quiet, &shown));
    }
    let lines = wrap(&format!("{}{open}", visible(&message.message.content)), room);
    let blank = " ".repeat(width(&name));
    let lines = lines.iter().enumerate().map(|(at, line)| {
        let start = if at == 0 { &name } else { &blank };
        format!("{}\n", look.paint(Tone::Quiet, format!("{start} {line}").trim_end()))
    });
    lines.collect()
}

/// `visible in u1`, `only if <reply 1> or <reply 2> repeats it`.
fn fact_words(fact: &FactOutline) -> String {
    match fact.answer {
        Answer::Visible => format!("visible in {}", names(&fact.carriers)),
        Answer::Question => format!("only in the question, {}", names(&fact.carriers)),
        Answer::Not => "not visible".to_owned(),
        Answer::ByReply => format!("only if {} repeats it", either(&fact.carriers)),
        Answer::Open if fact.value.is_none() => "not known yet".to_owned(),
        Answer::Open if fact.carriers.is_empty() => "hangs on what is captured".to_owned(),
        Answer::Open => format!("visible in {} if the window has room", names(&fact.carriers)),
    }
}

fn names(origins: &[Origin]) -> String {
    origins.iter().map(Origin::to_string).collect::<Vec<_>>().join(", ")
}

/// `<reply 1>, <reply 2> or <reply 3>`.
fn either(origins: &[Origin]) -> String {
    let replies: Vec<String> = origins
        .iter()
        .map(|origin| match origin {
            Origin::Reply(number) => format!("<reply {number}>"),
            origin => origin.to_string(),
        })
        .collect();
    match replies.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => "a reply".to_owned(),
    }
}

fn check_line(check: &CheckOutline, turn: TurnId, look: Look) -> String {
    let not = if check.is_inverted { "not " } else { "" };
    let title = format!("{not}{} {}", check.key, one_line(&check.expected));
    let (sign, tone) = match &check.hangs_on {
        None => ('–', Tone::Quiet),
        Some(_) if check.can_never_pass() => ('✗', Tone::Bad),
        Some((Retention::Recalls, fact)) if fact.answer == Answer::ByReply => ('?', Tone::Uncertain),
        Some((_, fact)) if fact.answer == Answer::Open => ('?', Tone::Uncertain),
        Some(_) => ('✓', Tone::Good),
    };
    format!("{INDENT}{} {title}: {}\n", look.paint(tone, &sign.to_string()), check_words(check, turn))
}

fn check_words(check: &CheckOutline, turn: TurnId) -> String {
    let own = match turn {
        TurnId::Turn(number) => format!("<reply {number}>"),
        TurnId::Probe(number) => format!("the reply to p{number}"),
    };
    let Some((retention, fact)) = &check.hangs_on else { return "not for this model".to_owned() };
    if check.can_never_pass() {
        return "can never pass".to_owned();
    }
    let repeats = format!("{} repeats it", either(&fact.carriers));
    let words = match (retention, fact.answer) {
        (_, Answer::Open) => "hangs on what is not known yet".to_owned(),
        (Retention::Recalls | Retention::RetainsIffVisible, Answer::Visible | Answer::Question) => {
            format!("holds if {own} has it")
        }
        (Retention::Recalls, Answer::ByReply) => format!("holds only if {repeats}, and {own} has it"),
        (Retention::Forgets, Answer::ByReply) => format!("holds unless {repeats}, or {own} has it"),
        (Retention::Forgets | Retention::RetainsIffVisible, Answer::Not) => format!("holds unless {own} has it"),
        (Retention::RetainsIffVisible, Answer::ByReply) => {
            format!("holds if {own} has it where {repeats}, and not otherwise")
        }
        (Retention::Recalls, Answer::Not) | (Retention::Forgets, Answer::Visible | Answer::Question) => {
            "never holds".to_owned()
        }
    };
    if check.is_inverted { format!("inverted: {words}") } else { words }
}

/// The turns of one conversation, for programs.
#[must_use]
pub fn conversation_json(turns: &[TurnOutline]) -> Value {
    turns.iter().map(turn_json).collect()
}

fn turn_json(turn: &TurnOutline) -> Value {
    let messages = turn.messages.iter().map(|outline| {
        let known = match outline.known {
            Known::Whole => "whole",
            Known::Reply => "reply",
            Known::Open => "open",
        };
        json!({
            "origin": outline.message.origin.to_string(),
            "role": outline.message.role,
            "content": &*outline.message.content,
            "known": known,
            "certain": outline.is_certain,
        })
    });
    let checks = turn.checks.iter().map(|check| {
        json!({
            "check": check.key,
            "expected": check.expected,
            "inverted": check.is_inverted,
            "can_never_pass": check.can_never_pass(),
            "fact": check.hangs_on.as_ref().map(|(_, fact)| fact_json(fact)),
        })
    });
    json!({
        "turn": turn.number,
        "is_sent": turn.is_sent,
        "too_long": turn.is_too_long,
        "orphan": turn.orphan.map(|orphan| orphan.to_string()),
        "messages": messages.collect::<Vec<_>>(),
        "facts": turn.facts.iter().map(fact_json).collect::<Vec<_>>(),
        "checks": checks.collect::<Vec<_>>(),
    })
}

fn fact_json(fact: &FactOutline) -> Value {
    let visible = match fact.answer {
        Answer::Visible => "yes",
        Answer::Question => "question",
        Answer::Not => "no",
        Answer::ByReply => "by_reply",
        Answer::Open => "unknown",
    };
    let carriers: Vec<String> = fact.carriers.iter().map(Origin::to_string).collect();
    json!({"fact": fact.name, "value": fact.value, "visible": visible, "carriers": carriers})
}
