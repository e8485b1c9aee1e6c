//! What tokens cost.

use super::Usage;

/// USD a million tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Price {
    /// Of the request.
    pub input: f64,
    /// Of the reply.
    pub output: f64,
}

/// A sum of decimal amounts, without the binary dust behind the sixth decimal.
#[must_use]
pub fn without_dust(usd: f64) -> f64 {
    (usd * 1e6).round() / 1e6
}

impl Price {
    /// Whether calls cost nothing.
    #[must_use]
    pub fn is_free(self) -> bool {
        self.input <= 0.0 && self.output <= 0.0
    }

    /// What a call with this usage cost, in USD.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "token counts are far below 2^52")]
    pub fn of(self, usage: Usage) -> f64 {
        (usage.sent as f64 * self.input + usage.reply as f64 * self.output) / 1e6
    }
}
