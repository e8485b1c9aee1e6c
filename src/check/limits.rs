//! Checks on what the call of a turn took: time, tokens, money.
//!
//! A reply that was replayed took nothing in this run, and its limits are passed over. Of a reply that was cut off a limit that
//! is broken already is broken; one that holds is left open, since the rest would have taken more.

use crate::event::TurnDone;
use crate::model::{Reply, Source};

use super::text::unless_cut;
use super::view::Finding;

/// What the call of a turn took.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Measured {
    /// The reply is a recording: nothing was measured.
    pub is_replayed: bool,
    /// Until the reply's end.
    pub latency_ms: Option<f64>,
    /// Until its first token; streamed replies only.
    pub ttft_ms: Option<f64>,
    /// What it cost; `None` without a price.
    pub cost_usd: Option<f64>,
    /// Tokens of the request, an estimate included.
    pub tokens_sent: Option<u64>,
    /// That they are an estimate, since the provider counted none.
    pub is_estimated: bool,
}

impl Measured {
    /// Of a turn as the journal has it.
    #[must_use]
    pub fn of(turn: &TurnDone) -> Self {
        let took = turn.took();
        Self {
            is_replayed: turn.source == Source::Cassette,
            latency_ms: took.latency_ms,
            ttft_ms: took.ttft_ms,
            cost_usd: took.cost_usd,
            tokens_sent: turn.usage.map(|usage| usage.sent),
            is_estimated: turn.usage.is_some_and(|usage| usage.estimated),
        }
    }
}

fn replayed(what: &str) -> Finding {
    let detail = format!("the reply was replayed: {what} was not measured in this run");
    Finding { is_skipped: true, ..Finding::new(None, detail) }
}

#[expect(clippy::cast_precision_loss, reason = "limits are far below 2^52")]
fn is_over(measured: f64, limit: u64) -> bool {
    measured > limit as f64
}

pub(super) fn max_latency_ms(limit: u64, measured: &Measured, reply: &Reply) -> Finding {
    match measured.latency_ms {
        _ if measured.is_replayed => replayed("its time"),
        None => Finding::new(None, "how long the call took is not known"),
        Some(ms) => unless_cut(reply, is_over(ms, limit), !is_over(ms, limit), format!("the reply took {ms:.1} ms")),
    }
}

pub(super) fn max_ttft_ms(limit: u64, measured: &Measured) -> Finding {
    match measured.ttft_ms {
        _ if measured.is_replayed => replayed("its time"),
        None => {
            let help = "`stream: true` or `--stream` has it measured";
            Finding::new(None, format!("the time to the first token is not known: the reply was not streamed; {help}"))
        }
        // However it went on, its first token had come.
        Some(ms) => Finding::new(!is_over(ms, limit), format!("the first token took {ms:.1} ms")),
    }
}

pub(super) fn max_tokens_sent(limit: u64, measured: &Measured) -> Finding {
    let Some(tokens) = measured.tokens_sent else {
        return Finding::new(None, "the number of tokens sent is not known");
    };
    let plural = if tokens == 1 { " was" } else { "s were" };
    let estimate = "by an estimate, since the provider counted none";
    let mark = if measured.is_estimated { format!(", {estimate}") } else { String::new() };
    #[expect(clippy::cast_precision_loss, reason = "token counts are far below 2^52")]
    let score = Some(tokens as f64);
    let note = measured.is_estimated.then_some(estimate);
    Finding { score, note, ..Finding::new(tokens <= limit, format!("{tokens} token{plural} sent{mark}")) }
}

pub(super) fn max_cost_usd(limit: f64, measured: &Measured, reply: &Reply) -> Finding {
    match measured.cost_usd {
        _ if measured.is_replayed => replayed("its cost"),
        None => Finding::new(None, NO_PRICE),
        Some(usd) => unless_cut(reply, usd > limit, usd <= limit, format!("the call cost {}", money(usd))),
    }
}

/// Why nobody knows what a call cost.
pub(super) const NO_PRICE: &str = "what the call cost is not known: the config gives the model no `price`";

/// `$0.0123`, with as many decimals as it takes, at most nine.
pub(super) fn money(usd: f64) -> String {
    let text = format!("{usd:.9}");
    let short = text.trim_end_matches('0').trim_end_matches('.');
    format!("${short}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A limit that is just held, or with `true` just broken.
    type Limit = fn(bool, &Measured, &Reply) -> Finding;

    fn reply(finish_reason: &str) -> Reply {
        Reply { text: "Hello".into(), finish_reason: Some(finish_reason.into()) }
    }

    /// `pass`, `fail`, `unknown` or `skip`.
    fn word(found: &Finding) -> &'static str {
        match found.holds {
            Some(true) => "pass",
            Some(false) => "fail",
            None if found.is_skipped => "skip",
            None => "unknown",
        }
    }

    #[test]
    fn each_limit_is_one_and_a_cut_reply_may_have_gone_on() {
        let known = Measured {
            latency_ms: Some(200.0),
            ttft_ms: Some(50.0),
            cost_usd: Some(0.001),
            tokens_sent: Some(10),
            ..Measured::default()
        };
        let (replayed, nothing) = (Measured { is_replayed: true, ..known }, Measured::default());
        let limits: [(Limit, [&str; 6]); 4] = [
            (
                |low, measured, reply| max_latency_ms(if low { 199 } else { 200 }, measured, reply),
                ["pass", "fail", "unknown", "fail", "skip", "unknown"],
            ),
            (
                |low, measured, _| max_ttft_ms(if low { 49 } else { 50 }, measured),
                ["pass", "fail", "pass", "fail", "skip", "unknown"],
            ),
            (
                |low, measured, _| max_tokens_sent(if low { 9 } else { 10 }, measured),
                ["pass", "fail", "pass", "fail", "pass", "unknown"],
            ),
            (
                |low, measured, reply| max_cost_usd(if low { 0.0009 } else { 0.001 }, measured, reply),
                ["pass", "fail", "unknown", "fail", "skip", "unknown"],
            ),
        ];
        for (limit, words) in limits {
            let (stop, cut) = (reply("stop"), reply("length"));
            let found = [
                limit(false, &known, &stop),
                limit(true, &known, &stop),
                limit(false, &known, &cut),
                limit(true, &known, &cut),
                limit(false, &replayed, &stop),
                limit(false, &nothing, &stop),
            ];
            assert_eq!(found.each_ref().map(word), words, "{found:?}");
        }
    }

    #[test]
    fn an_estimate_is_marked_in_either_case() {
        let measured = Measured { tokens_sent: Some(1), is_estimated: true, ..Measured::default() };
        let found = max_tokens_sent(0, &measured);
        assert_eq!(found.detail, "1 token was sent, by an estimate, since the provider counted none");
        assert!(max_tokens_sent(1, &measured).note.is_some());
    }

    #[test]
    fn money_is_shown_to_the_last_decimal_that_counts() {
        for (usd, text) in [(0.0, "$0"), (0.0123, "$0.0123"), (12.5, "$12.5"), (0.000_000_15, "$0.00000015")] {
            assert_eq!(money(usd), text);
        }
    }
}
