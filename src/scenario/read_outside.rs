//! Reads checks that need something from outside: `judge` and `run`.

use super::decode::Findings;
use super::yaml::{Node, Value};
use crate::diagnostic::Code;
use crate::model::{JudgeCheck, ProgramCheck, Scale, Sees};

/// The most votes of one check: each is a call.
pub const MAX_VOTES: u64 = 99;
/// The most steps of a scale.
const MAX_SCALE: u64 = 100;
/// The longest that a program may take, in seconds, and what it may take where nothing is said.
const MAX_TIMEOUT: u64 = 3_600;
const TIMEOUT: u32 = 30;

/// Reads a criterion, or `{criterion, model, votes, scale, min, sees}`.
pub fn judge(findings: &mut Findings, node: &Node) -> Option<JudgeCheck> {
    if !matches!(node.value, Value::Map(_)) {
        let criterion = findings.filled_text(node, "judge")?;
        return Some(JudgeCheck { criterion, model: None, votes: None, scale: None, sees: Sees::default() });
    }
    let fields = findings.fields(node, "`judge`", &["criterion", "model", "votes", "scale", "min", "sees"])?;
    let criterion = fields.require(findings, "criterion", "`judge`");
    let criterion = criterion.and_then(|node| findings.filled_text(node, "criterion"));
    let model = fields.get("model").and_then(|node| findings.filled_text(node, "model"));
    let votes = fields.get("votes").and_then(|node| votes(findings, node));
    let scale = match (fields.get("scale"), fields.get("min")) {
        (Some(scale), min) => {
            let top = findings.whole(scale, "scale", 2..=MAX_SCALE).and_then(|top| u32::try_from(top).ok());
            // A score that passes whatever it is would assert nothing.
            let min = min.or_else(|| fields.require(findings, "min", "`judge` with a `scale`"));
            let range = 1.0..=top.map_or(100.0, f64::from);
            let min = min.and_then(|node| findings.number(node, "min", range));
            Some(Scale { top: top?, min: min? })
        }
        (None, Some(min)) => {
            let help = "`scale: 10` has the judge give 1 to 10; without it, it says yes or no";
            findings.error_help(Code::MissingKey, min, "`min` needs a `scale`", "", help);
            return None;
        }
        (None, None) => None,
    };
    let sees = match fields.get("sees") {
        Some(node) => sees(findings, node)?,
        None => Sees::default(),
    };
    Some(JudgeCheck { criterion: criterion?, model, votes, scale, sees })
}

/// Reads a criterion for the whole transcript, which its judge sees.
pub fn judge_of_transcript(findings: &mut Findings, node: &Node) -> Option<JudgeCheck> {
    let check = judge(findings, node)?;
    let sees = match &node.value {
        Value::Map(entries) => entries.iter().find(|(key, _)| key.scalar_text() == Some("sees")),
        _ => None,
    };
    if let Some((_, sees)) = sees.filter(|_| check.sees != Sees::Transcript) {
        let help = "a check on a turn can show less to its judge; `always: {judge: …}` asks about each reply";
        findings.error_help(Code::UnknownWord, sees, "a judge of the whole transcript sees all of it", "", help);
        return None;
    }
    Some(JudgeCheck { sees: Sees::Transcript, ..check })
}

/// Reads how often a judge is asked.
pub fn votes(findings: &mut Findings, node: &Node) -> Option<u32> {
    u32::try_from(findings.whole(node, "votes", 1..=MAX_VOTES)?).ok()
}

fn sees(findings: &mut Findings, node: &Node) -> Option<Sees> {
    let word = findings.filled_text(node, "sees")?;
    match word.as_str() {
        "reply" => Some(Sees::Reply),
        "turn" => Some(Sees::Turn),
        "transcript" => Some(Sees::Transcript),
        _ => {
            let message = format!("`{word}` is nothing that a judge can see");
            findings.unknown_word(Code::UnknownWord, node, message, &word, &["reply", "turn", "transcript"]);
            None
        }
    }
}

/// Reads a program with its arguments, or `{program, timeout_s}`.
pub fn program(findings: &mut Findings, node: &Node) -> Option<ProgramCheck> {
    let (program, timeout_s) = if matches!(node.value, Value::Map(_)) {
        let fields = findings.fields(node, "`run`", &["program", "timeout_s"])?;
        let timeout = fields.get("timeout_s").map(|node| findings.whole(node, "timeout_s", 1..=MAX_TIMEOUT));
        let timeout = timeout.map_or(Some(TIMEOUT), |given| u32::try_from(given?).ok());
        (fields.require(findings, "program", "`run`")?, timeout?)
    } else {
        (node, TIMEOUT)
    };
    let Value::List(_) = program.value else {
        let message = format!("`run` must be a list of a program and its arguments, and this is {}", program.shown());
        let help = "write it like `- run: [./check.sh, --strict]`: no shell takes a line apart";
        findings.error_help(Code::WrongType, program, message, "", help);
        return None;
    };
    let items = findings.filled_list(program, "run")?;
    let words: Vec<String> = items.iter().filter_map(|item| findings.text(item, "run")).collect();
    if words.first().is_some_and(|word| word.trim().is_empty()) {
        findings.error(Code::EmptyText, &items[0], "the program of `run` is empty", "");
        return None;
    }
    (words.len() == items.len()).then_some(ProgramCheck { program: words, timeout_s })
}
