//! What the replies of both sides took, over the conversations that are compared, so that like is set beside like.

use super::outcomes::{Outcomes, Took, Trial};
use crate::stats::quantile;

/// One number of both sides; `None` where it is not known.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Both {
    /// Of the first side.
    pub base: Option<f64>,
    /// Of the second.
    pub new: Option<f64>,
}

impl Both {
    /// By which share the second is more than the first: 0.1 is a tenth more. `None` where one is not known, or the first
    /// is nothing.
    #[must_use]
    pub fn change(self) -> Option<f64> {
        let base = self.base.filter(|base| *base > 0.0)?;
        Some(self.new? / base - 1.0)
    }
}

/// What the replies of both sides took.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Measures {
    /// Words of a reply, on average.
    pub words_per_reply: Both,
    /// Tokens of the turns' requests.
    pub tokens_sent: Both,
    /// Tokens of the turns' replies.
    pub tokens_reply: Both,
    /// USD of all calls, those of judges and for embeddings among them.
    pub cost_usd: Both,
    /// The median of the milliseconds that a live reply took. One that was replayed, or that the embedded model gave, says
    /// nothing of the bot and does not count.
    pub latency_ms: Both,
}

/// Adds up pairs of conversations.
#[derive(Debug, Default)]
pub(super) struct Sums {
    replies: [u64; 2],
    words: [u64; 2],
    /// Of the pairs of which both sides know it, so that no gap looks like a saving.
    tokens_sent: Known,
    tokens_reply: Known,
    cost_usd: Known,
    latencies: [Vec<f64>; 2],
}

#[derive(Debug, Default)]
struct Known {
    pairs: u64,
    sums: [f64; 2],
}

impl Known {
    fn add(&mut self, base: Option<f64>, new: Option<f64>) {
        if let (Some(base), Some(new)) = (base, new) {
            self.pairs += 1;
            self.sums[0] += base;
            self.sums[1] += new;
        }
    }

    fn finish(&self) -> Both {
        let sum = |side: usize| (self.pairs > 0).then_some(self.sums[side]);
        Both { base: sum(0), new: sum(1) }
    }
}

impl Sums {
    pub(super) fn add(&mut self, (base_run, base): (&Outcomes, &Trial), (new_run, new): (&Outcomes, &Trial)) {
        for (side, (run, trial)) in [(base_run, base), (new_run, new)].into_iter().enumerate() {
            self.replies[side] += trial.took.replies;
            self.words[side] += trial.took.words;
            self.latencies[side].extend(run.latencies_of(trial).iter().copied().map(f64::from));
        }
        let count = |took: &Took| (took.tokens_sent.map(float), took.tokens_reply.map(float), took.cost_usd);
        let ((sent, reply, cost), (new_sent, new_reply, new_cost)) = (count(&base.took), count(&new.took));
        self.tokens_sent.add(sent, new_sent);
        self.tokens_reply.add(reply, new_reply);
        self.cost_usd.add(cost, new_cost);
    }

    pub(super) fn finish(mut self) -> Measures {
        let mean = |side: usize| (self.replies[side] > 0).then(|| float(self.words[side]) / float(self.replies[side]));
        let words_per_reply = Both { base: mean(0), new: mean(1) };
        let [base, new] = &mut self.latencies;
        let median = |times: &mut Vec<f64>| {
            times.sort_by(f64::total_cmp);
            quantile(times, 0.5)
        };
        Measures {
            words_per_reply,
            tokens_sent: self.tokens_sent.finish(),
            tokens_reply: self.tokens_reply.finish(),
            cost_usd: self.cost_usd.finish(),
            latency_ms: Both { base: median(base), new: median(new) },
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts lie far below 2^52")]
fn float(count: u64) -> f64 {
    count as f64
}
