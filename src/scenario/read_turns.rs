//! Reads `turns:`, `history:` and `each_reply:` with their variables filled in.

use std::collections::HashMap;
use std::sync::Arc;

use super::captures;
use super::decode::{Findings, one_or_many};
use super::fillers::FillerSource;
use super::header::entry;
use super::matrix::is_variable_name;
use super::read_check::{self, checks, pattern};
use super::yaml::{Node, Scalar, Value};
use crate::diagnostic::Code;
use crate::model::{Capture, EachReply, Fact, Role, Turn};
use crate::text::nearest::nearest;

/// The most turns that one conversation may have.
pub const MAX_TURNS: usize = 10_000;
// What is said under `allow` belongs to no script: `lint` reads it.
const KEYS: &[&str] = &["user", "reply", "id", "expect", "capture", "allow", "filler"];

/// Exchanges of filler files, by the path that the scenario gives.
pub type FillerFiles = HashMap<String, Vec<Exchange>>;

/// A user message and the reply to it.
pub type Exchange = (Arc<str>, Arc<str>);

/// Reads the turns and unfolds fillers.
pub fn turns(findings: &mut Findings, node: &Node, facts: &[Fact], files: &FillerFiles) -> Vec<Turn> {
    if matches!(node.value, Value::Null) {
        // That they are missing is said where the scenario's keys are read.
        return Vec::new();
    }
    let Some(items) = findings.list(node, "turns") else { return Vec::new() };
    if items.is_empty() {
        findings.error_help(Code::NoTurns, node, "`turns` is empty", "", "a conversation has at least one `- user: …`");
        return Vec::new();
    }
    let mut reader = TurnReader { turns: Vec::new(), fillers: HashMap::new(), files, too_many: false };
    for item in items {
        reader.item(findings, item, facts);
    }
    let mut seen: HashMap<&str, &Turn> = HashMap::new();
    for turn in &reader.turns {
        let Some(id) = turn.id.as_deref() else { continue };
        if seen.insert(id, turn).is_some() {
            let at = items.iter().find(|item| item.position == turn.position).unwrap_or(node);
            let at = entry(at, "id").unwrap_or(at);
            findings.error(Code::DuplicateTurn, at, format!("two turns have the id `{id}`"), "again here");
        }
    }
    reader.turns
}

struct TurnReader<'f> {
    turns: Vec<Turn>,
    /// Each list goes on where the filler before it stopped, so that a script does not repeat itself.
    fillers: HashMap<String, FillerSource<'f>>,
    files: &'f FillerFiles,
    too_many: bool,
}

impl TurnReader<'_> {
    fn item(&mut self, findings: &mut Findings, node: &Node, facts: &[Fact]) {
        let Some(fields) = findings.fields(node, "a turn", KEYS) else { return };
        fields.exclude(findings, "user", "filler");
        if let Some(filler) = fields.get("filler") {
            for key in ["reply", "id", "expect", "capture", "allow"] {
                fields.exclude(findings, "filler", key);
            }
            self.filler(findings, filler, node);
            return;
        }
        let Some(user) = fields.get("user") else {
            if fields.is_meant("user") || fields.is_meant("filler") {
                return;
            }
            let help = "a turn is `- user: …`, or `- filler: N` for small talk";
            findings.error_help(Code::TurnWithoutUser, node, "this turn has no user message", "", help);
            return;
        };
        let turn = Turn {
            id: fields.get("id").and_then(|id| turn_id(findings, id)),
            user: findings.shared_text(user, "user").unwrap_or_default(),
            reply: fields.get("reply").and_then(|reply| findings.shared_text(reply, "reply")),
            checks: fields.get("expect").map_or_else(Vec::new, |expect| checks(findings, expect, facts)),
            captures: fields.get("capture").map_or_else(Vec::new, |capture| turn_captures(findings, capture)),
            position: node.position,
        };
        if let (Some(_), Some((key, _))) = (fields.get("reply"), fields.pair("capture")) {
            let help = "what a canned reply says is known: write it where it is needed";
            let message = "a turn with a canned `reply` has nothing to capture";
            findings.error_help(Code::ExpectOnCanned, key, message, "", help);
        }
        if let (Some(_), Some((key, _))) = (fields.get("reply"), fields.pair("expect")) {
            let help = "a canned reply is no answer of the bot; check a turn that is asked live";
            findings.error_help(
                Code::ExpectOnCanned,
                key,
                "a turn with a canned `reply` has nothing to check",
                "",
                help,
            );
        }
        self.push(findings, node, turn);
    }

    fn filler(&mut self, findings: &mut Findings, filler: &Node, node: &Node) {
        let (count, path) = match &filler.value {
            Value::Map(_) => {
                let Some(fields) = findings.fields(filler, "a filler", &["count", "from"]) else { return };
                let count = fields.require(findings, "count", "a filler");
                (count, fields.get("from").and_then(|from| findings.filled_text(from, "from")))
            }
            _ => (Some(filler), None),
        };
        let Some(count) = count.and_then(|count| findings.whole(count, "filler", 0..=MAX_TURNS as u64)) else { return };
        let path = path.unwrap_or_default();
        let exchanges = self.files.get(&path).map_or(&[][..], Vec::as_slice);
        let source = self.fillers.entry(path).or_insert_with(|| FillerSource::new(exchanges));
        // One more than fit says that they are too many.
        let room = (MAX_TURNS + 1).saturating_sub(self.turns.len());
        let exchanges = (0..count).take(room).map(|_| source.next_exchange());
        let turns: Vec<Turn> = exchanges
            .map(|(user, reply)| Turn {
                id: None,
                user,
                reply: Some(reply),
                checks: Vec::new(),
                captures: Vec::new(),
                position: node.position,
            })
            .collect();
        for turn in turns {
            self.push(findings, node, turn);
        }
    }

    fn push(&mut self, findings: &mut Findings, node: &Node, turn: Turn) {
        if self.turns.len() < MAX_TURNS {
            self.turns.push(turn);
        } else if !self.too_many {
            self.too_many = true;
            findings.error(Code::TooManyTurns, node, format!("a conversation has at most {MAX_TURNS} turns"), "");
        }
    }
}

/// Reads the names of all captures; whatever else is wrong with them is found where the turns are read.
pub fn captures(findings: &mut Findings, turns: &Node) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (name, at) in captures::names(turns) {
        if !is_variable_name(findings, name, at) {
            continue;
        }
        if names.iter().any(|known| known == name) {
            let message = format!("`{name}` is captured twice");
            findings.error_help(Code::DuplicateVariable, at, message, "", "give one of them another name");
        } else {
            names.push(name.to_owned());
        }
    }
    names
}

fn turn_captures(findings: &mut Findings, node: &Node) -> Vec<Capture> {
    let Some(fields) = findings.open_fields(node, "`capture`") else { return Vec::new() };
    let captures = fields.iter().filter_map(|(name, _, value)| {
        let pattern = pattern(findings, value, "capture")?;
        if !pattern.has_group() {
            let message = format!("`{pattern}` has no group, and the first group is what is captured");
            findings.error_help(Code::InvalidRegex, value, message, "", "put parentheses around it: `T-(\\d+)`");
            return None;
        }
        Some(Capture { name: name.to_owned(), pattern })
    });
    captures.collect()
}

fn turn_id(findings: &mut Findings, node: &Node) -> Option<String> {
    let id = findings.filled_text(node, "id")?;
    let is_name =
        id.chars().all(|c| c.is_alphanumeric() || "_.-".contains(c)) && !id.chars().all(|c| c.is_ascii_digit());
    if !is_name {
        let help = "ids have letters, digits, `_`, `-` and `.`, and are no number: a number means a turn's place";
        findings.error_help(Code::InvalidName, node, format!("`{id}` is no id for a turn"), "", help);
        return None;
    }
    Some(id)
}

/// Reads messages that stand before turn 1.
pub fn history(findings: &mut Findings, node: &Node) -> Vec<(Role, Arc<str>)> {
    let Some(items) = findings.list(node, "history") else { return Vec::new() };
    let messages = items.iter().filter_map(|item| {
        let fields = findings.fields(item, "a message of `history`", &["role", "content"])?;
        let role = fields.require(findings, "role", "a message of `history`");
        let content = fields.require(findings, "content", "a message of `history`");
        let role = role.and_then(|node| read_check::role(findings, node, "role"));
        let content = content.and_then(|node| findings.filled_text(node, "content"));
        Some((role?, content?.into()))
    });
    messages.collect()
}

/// Reads checks on every live reply, of a scenario or of a persona, each with the stretch of turns that it holds for.
pub fn each_reply(findings: &mut Findings, node: &Node, facts: &[Fact], turns: &[Turn]) -> Vec<EachReply> {
    let checks = one_or_many(node).iter().filter_map(|item| {
        let check = read_check::check(findings, item, facts, &["from", "until"])?;
        let fields = findings.open_fields(item, "a check")?;
        let from = fields.get("from").and_then(|at| turn_number(findings, at, "from", turns)).unwrap_or(1);
        let until = fields.get("until").and_then(|at| turn_number(findings, at, "until", turns));
        if let (Some(until), Some(node)) = (until, fields.get("until"))
            && until < from
        {
            findings.error(
                Code::EmptyStretch,
                node,
                format!("`until` is turn {until}, before `from`, turn {from}"),
                "",
            );
        }
        Some(EachReply { check, from, until })
    });
    checks.collect()
}

/// Reads a turn by its number or its `id`.
pub(super) fn turn_number(findings: &mut Findings, node: &Node, key: &str, turns: &[Turn]) -> Option<u32> {
    let is_number = match &node.value {
        Value::Scalar(Scalar::Int(_), _) => true,
        // What a template gave is a text; no id is a number.
        Value::Scalar(Scalar::Text, text) => text.trim().parse::<u64>().is_ok(),
        _ => false,
    };
    if is_number {
        let number = findings.whole(node, key, 1..=MAX_TURNS as u64).and_then(|n| u32::try_from(n).ok())?;
        if number as usize > turns.len() {
            let message = format!("`{key}` names turn {number}, and the last one is {}", turns.len());
            findings.error(Code::UnknownTurn, node, message, "");
            return None;
        }
        return Some(number);
    }
    let id = findings.filled_text(node, key)?;
    if let Some(at) = turns.iter().position(|turn| turn.id.as_deref() == Some(&id)) {
        return u32::try_from(at + 1).ok();
    }
    let label = nearest(&id, turns.iter().filter_map(|turn| turn.id.as_deref()))
        .map_or_else(String::new, |near| format!("did you mean `{near}`?"));
    let help = "name a turn by its number or by its `id:`";
    findings.error_help(Code::UnknownTurn, node, format!("`{key}` names `{id}`, which is no turn"), label, help);
    None
}

/// Reads a filler file: a list of `{user, reply}`.
pub fn filler_file(findings: &mut Findings, node: &Node) -> Vec<Exchange> {
    let Some(items) = findings.filled_list(node, "a filler file") else { return Vec::new() };
    let exchanges = items.iter().filter_map(|item| {
        let fields = findings.fields(item, "a filler", &["user", "reply"])?;
        let user = fields.require(findings, "user", "a filler").and_then(|n| findings.filled_text(n, "user"));
        let reply = fields.require(findings, "reply", "a filler").and_then(|n| findings.filled_text(n, "reply"));
        Some((user?.into(), reply?.into()))
    });
    exchanges.collect()
}
