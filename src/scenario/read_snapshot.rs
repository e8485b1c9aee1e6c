//! Reads `snapshot:` and `snapshot_redact:`.

use super::decode::{Fields, Findings};
use super::read_check::pattern;
use super::yaml::Node;
use crate::diagnostic::Code;
use crate::model::{Redaction, SnapshotMode, SnapshotRules};

const MODES: &[&str] = &["full", "structure", "off"];
/// The most redactions: each is looked for in every text.
const MAX_REDACTIONS: usize = 50;
/// The longest text that may stand in the place of another, in characters.
const MAX_WITH: usize = 200;

/// Reads what the scenario with these fields asks of its snapshots.
pub fn rules(findings: &mut Findings, fields: &Fields<'_>) -> SnapshotRules {
    let mode = fields.get("snapshot").and_then(|node| mode(findings, node));
    let redact = fields.get("snapshot_redact").map_or_else(Vec::new, |node| redactions(findings, node));
    SnapshotRules { mode: mode.unwrap_or_default(), redact }
}

fn mode(findings: &mut Findings, node: &Node) -> Option<SnapshotMode> {
    let word = findings.filled_text(node, "snapshot")?;
    match word.as_str() {
        "full" => Some(SnapshotMode::Full),
        "structure" => Some(SnapshotMode::Structure),
        "off" => Some(SnapshotMode::Off),
        _ => {
            findings.unknown_word(Code::UnknownWord, node, format!("`{word}` is no kind of snapshot"), &word, MODES);
            None
        }
    }
}

fn redactions(findings: &mut Findings, node: &Node) -> Vec<Redaction> {
    let Some(items) = findings.list(node, "snapshot_redact") else { return Vec::new() };
    if let Some(item) = items.get(MAX_REDACTIONS) {
        let message =
            format!("`snapshot_redact` has {} redactions, and at most {MAX_REDACTIONS} are read", items.len());
        findings.error_help(Code::OutOfRange, item, message, "", "one expression may have alternatives: `a|b`");
        return Vec::new();
    }
    items.iter().filter_map(|item| redaction(findings, item)).collect()
}

fn redaction(findings: &mut Findings, node: &Node) -> Option<Redaction> {
    let fields = findings.fields(node, "a redaction", &["match", "with"])?;
    let expression = fields.require(findings, "match", "a redaction");
    let with = fields.require(findings, "with", "a redaction").and_then(|node| replacement(findings, node));
    let expression = expression?;
    let pattern = pattern(findings, expression, "match")?;
    if pattern.may_match_nothing() {
        let message = format!("`{pattern}` also matches where there is nothing");
        let help = "it would match between any two characters; an expression that needs one, such as `x+`, does not";
        findings.error_help(Code::EmptyMatch, expression, message, "", help);
        return None;
    }
    Some(Redaction { pattern: pattern.as_str().to_owned(), with: with? })
}

fn replacement(findings: &mut Findings, node: &Node) -> Option<String> {
    let with = findings.text(node, "with")?;
    let length = with.chars().count();
    if length > MAX_WITH {
        let message = format!("`with` has {length} characters, and at most {MAX_WITH} may stand there");
        findings.error(Code::OutOfRange, node, message, "");
        return None;
    }
    Some(with)
}
