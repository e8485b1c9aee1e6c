//! Reads `similar`, and limits in USD.

use super::decode::Findings;
use super::yaml::{Node, Scalar, Value};
use crate::check;
use crate::diagnostic::Code;
use crate::model::{Similar, Similarity};

const WAYS: &[&str] = &["rouge_l", "levenshtein"];

/// Reads `{to, min, by}`.
pub fn similar(findings: &mut Findings, node: &Node) -> Option<Similar> {
    let fields = findings.fields(node, "`similar`", &["to", "min", "by"])?;
    let to_node = fields.require(findings, "to", "`similar`");
    let min = fields.require(findings, "min", "`similar`").and_then(|node| decimal(findings, node, "min", 1.0));
    let by = fields.require(findings, "by", "`similar`").and_then(|node| way(findings, node));
    let to_node = to_node?;
    let to = findings.filled_text(to_node, "to")?;
    let (min, by) = (min?, by?);
    match check::length(by, &to) {
        0 => {
            findings.error(Code::EmptyText, to_node, format!("`to` has no {}", by.unit()), "");
            None
        }
        length if length > check::LONGEST => {
            let message = format!("`to` has at most {} {}, and this has {length}", check::LONGEST, by.unit());
            findings.error(Code::OutOfRange, to_node, message, "");
            None
        }
        _ => Some(Similar { to, min, by }),
    }
}

fn way(findings: &mut Findings, node: &Node) -> Option<Similarity> {
    let word = findings.filled_text(node, "by")?;
    match word.as_str() {
        "rouge_l" => Some(Similarity::RougeL),
        "levenshtein" => Some(Similarity::Levenshtein),
        "embedding" => {
            let help = "`rouge_l` compares words, `levenshtein` characters";
            findings.error_help(Code::UnknownWord, node, "`by: embedding` cannot be asked for yet", "", help);
            None
        }
        _ => {
            let message = format!("`{word}` is no way to compare texts");
            findings.unknown_word(Code::UnknownWord, node, message, &word, WAYS);
            None
        }
    }
}

/// Reads an amount in USD.
pub fn usd(findings: &mut Findings, node: &Node, key: &str) -> Option<f64> {
    decimal(findings, node, key, 1_000_000.0)
}

fn decimal(findings: &mut Findings, node: &Node, key: &str, most: f64) -> Option<f64> {
    // What a template gave is a text.
    if let Value::Scalar(Scalar::Text, text) = &node.value
        && let Some(value) = text.trim().parse().ok().filter(|value| (0.0..=most).contains(value))
    {
        return Some(value);
    }
    findings.number(node, key, 0.0..=most)
}
