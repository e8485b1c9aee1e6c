//! Reads `params:`.

use super::decode::Findings;
use super::yaml::{Node, Scalar, Value};
use crate::diagnostic::Code;
use crate::model::Params;

/// The keys of `params`.
pub(super) const KEYS: &[&str] =
    &["temperature", "top_p", "max_tokens", "seed", "stop", "presence_penalty", "frequency_penalty", "extra"];
/// What the tool itself puts into a request.
pub(super) const RESERVED: &[&str] = &["model", "messages", "stream", "stream_options", "n"];

/// Reads sampling parameters.
pub fn params(findings: &mut Findings, node: &Node) -> Option<Params> {
    let fields = findings.fields(node, "`params`", KEYS)?;
    let mut number =
        |key: &str, low: f64, high: f64| fields.get(key).and_then(|node| findings.number(node, key, low..=high));
    let mut params = Params {
        temperature: number("temperature", 0.0, 2.0),
        top_p: number("top_p", 0.0, 1.0),
        presence_penalty: number("presence_penalty", -2.0, 2.0),
        frequency_penalty: number("frequency_penalty", -2.0, 2.0),
        ..Params::default()
    };
    params.max_tokens = fields
        .get("max_tokens")
        .and_then(|node| findings.whole(node, "max_tokens", 1..=1_000_000_000))
        .and_then(|n| u32::try_from(n).ok());
    params.seed = fields.get("seed").and_then(|node| seed(findings, node));
    params.stop = fields.get("stop").map_or_else(Vec::new, |node| findings.texts(node, "stop"));
    if let Some(extra) = fields.get("extra").and_then(|node| findings.open_fields(node, "`extra`")) {
        for (key, key_node, value) in extra.iter() {
            if KEYS.contains(&key) || RESERVED.contains(&key) {
                let message = format!("`{key}` cannot stand under `extra`");
                let help =
                    if KEYS.contains(&key) { "it belongs under `params` itself" } else { "the tool sets it itself" };
                findings.error_help(Code::ReservedParam, key_node, message, "", help);
            } else {
                params.extra.insert(key.to_owned(), value.to_json());
            }
        }
    }
    Some(params)
}

fn seed(findings: &mut Findings, node: &Node) -> Option<i64> {
    if let Value::Scalar(Scalar::Int(seed), _) = &node.value {
        return i64::try_from(**seed).ok();
    }
    findings.wrong_type(node, "seed", "a whole number");
    None
}
