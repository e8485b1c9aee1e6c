//! Reads `window:` and `windows:`.

use std::num::NonZeroU32;

use super::decode::Findings;
use super::yaml::{Node, Scalar, Value};
use crate::diagnostic::Code;
use crate::model::{OrphanReply, Tail, Window};

const SIZES: [&str; 4] = ["exchanges", "past_exchanges", "messages", "tokens"];
const KEYS: &[&str] = &["exchanges", "past_exchanges", "messages", "tokens", "orphan_reply", "pin_first"];
const MAX_SIZE: i128 = 1_000_000_000;

/// Reads one window.
pub fn window(findings: &mut Findings, node: &Node) -> Option<Window> {
    match &node.value {
        Value::Scalar(Scalar::Text, word) => match &**word {
            "full" => Some(Window::FULL),
            "none" => Some(Window::plain(Tail::None)),
            word if SIZES.contains(&word) => {
                let message = format!("the window `{word}` needs a size");
                findings.error_help(Code::UnknownWindow, node, message, "", format!("write it like `{{{word}: 2}}`"));
                None
            }
            word if word.parse::<Window>().is_ok() => {
                let message = format!("`{word}` is how a window is called, not how a scenario writes it");
                let help = "write it as a map, like `{past_exchanges: 2}` or `{exchanges: 2, orphan_reply: drop}`";
                findings.error_help(Code::UnknownWindow, node, message, "", help);
                None
            }
            _ => {
                let message = format!("`{word}` is no window");
                findings.unknown_word(
                    Code::UnknownWindow,
                    node,
                    message,
                    word,
                    &["full", "none", "exchanges", "past_exchanges", "messages", "tokens"],
                );
                None
            }
        },
        Value::Scalar(..) => size(findings, node, "window").map(|n| Window::plain(Tail::Exchanges(n))),
        Value::Map(_) => window_map(findings, node),
        _ => {
            findings.wrong_type(node, "window", "`full`, `none`, a number of exchanges or a map");
            None
        }
    }
}

fn window_map(findings: &mut Findings, node: &Node) -> Option<Window> {
    let fields = findings.fields(node, "a window", KEYS)?;
    let mut given = SIZES.iter().filter_map(|key| fields.get(key).map(|value| (*key, value)));
    let Some((key, value)) = given.next() else {
        if SIZES.iter().any(|key| fields.is_meant(key)) {
            return None;
        }
        let help = "a window has one of `exchanges`, `past_exchanges`, `messages` and `tokens`";
        findings.error_help(Code::MissingKey, node, "this window has no size", "", help);
        return None;
    };
    if let Some((second, _)) = given.next() {
        fields.exclude(findings, key, second);
        return None;
    }
    let n = size(findings, value, key)?;
    let tail = match key {
        "exchanges" => Tail::Exchanges(n),
        "past_exchanges" => Tail::PastExchanges(n),
        "messages" => Tail::Messages(n),
        _ => Tail::Tokens(n),
    };
    let orphan_reply = match fields.get("orphan_reply") {
        None => OrphanReply::Keep,
        Some(node) if matches!(tail, Tail::PastExchanges(_)) => {
            let message = "`orphan_reply` has no meaning here: whole exchanges never leave an orphan";
            findings.error(Code::ExclusiveKeys, fields.pair("orphan_reply").map_or(node, |(key, _)| key), message, "");
            return None;
        }
        Some(node) => match findings.filled_text(node, "orphan_reply")?.as_str() {
            "keep" => OrphanReply::Keep,
            "drop" => OrphanReply::Drop,
            word => {
                let message = format!("`orphan_reply` is `keep` or `drop`, and this is `{word}`");
                findings.unknown_word(Code::UnknownWord, node, message, word, &["keep", "drop"]);
                return None;
            }
        },
    };
    let pin_first = match fields.get("pin_first") {
        Some(node) => u32::try_from(findings.whole(node, "pin_first", 1..=1_000_000)?).ok()?,
        None => 0,
    };
    Some(Window { tail, orphan_reply, pin_first })
}

fn size(findings: &mut Findings, node: &Node, what: &str) -> Option<NonZeroU32> {
    let Value::Scalar(Scalar::Int(n), _) = &node.value else {
        findings.wrong_type(node, what, "a whole number");
        return None;
    };
    let n = **n;
    if n < 1 {
        let message = format!("`{what}` must be at least 1, and this is {n}");
        findings.error_help(Code::WindowTooSmall, node, message, "", "`window: none` sends no history at all");
        return None;
    }
    if n > MAX_SIZE {
        findings.error(Code::OutOfRange, node, format!("`{what}` must be at most {MAX_SIZE}, and this is {n}"), "");
        return None;
    }
    u32::try_from(n).ok().and_then(NonZeroU32::new)
}
