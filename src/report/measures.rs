//! What pictures show of a run beside its outcomes: tokens by turn and window, times by model.
//!
//! Gathered in the one pass over the records, in room that does not grow with the run: the turns of long conversations share
//! bins, times are counted on a logarithmic scale, and of many windows or models the first [`NAMED`] are told apart.

use crate::event::{Record, TurnDone};
use crate::model::{Source, TurnId};

/// So many windows, and so many models, are told apart.
pub(super) const NAMED: usize = 8;

/// So many bins the turns of a window have at most.
const TURN_BINS: usize = 128;

/// The scale of times: bins to a power of ten.
pub(super) const BINS_A_DECADE: usize = 100;
/// The lower end of the first bin, as a power of ten milliseconds: 0.1 ms. What takes less counts there.
const FIRST_DECADE: i32 = -1;
/// How many powers of ten there are, up to 10,000 s. What takes longer counts in the last bin.
const DECADES: usize = 8;

/// What is gathered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Measures {
    pub(super) windows: Named<Turns>,
    pub(super) latency: Named<Times>,
    pub(super) first_token: Named<Times>,
}

impl Measures {
    /// Adds the next record of the plan.
    pub(super) fn add(&mut self, record: &Record) {
        let variant = &record.begin.key.variant;
        let mut tokens = record.turns.iter().filter_map(|turn| tokens(turn, record.begin.turns)).peekable();
        if tokens.peek().is_some() {
            self.windows.with(&variant.window, |turns| turns.add(tokens));
        }
        let live = || record.turns.iter().filter(|turn| turn.source == Source::Live);
        let times = [
            (&mut self.latency, live().find_map(|turn| turn.latency_ms).is_some()),
            (&mut self.first_token, live().find_map(|turn| turn.ttft_ms).is_some()),
        ];
        let [(latency, has_latency), (first_token, has_first_token)] = times;
        if has_latency {
            latency
                .with(&variant.model, |times| live().filter_map(|turn| turn.latency_ms).for_each(|ms| times.add(ms)));
        }
        if has_first_token {
            first_token
                .with(&variant.model, |times| live().filter_map(|turn| turn.ttft_ms).for_each(|ms| times.add(ms)));
        }
    }
}

/// The number of a turn with its tokens: those sent, and those that the whole history would have had.
/// Each probe follows the last turn.
fn tokens(turn: &TurnDone, turns: u32) -> Option<Request> {
    let (usage, full) = (turn.usage?, turn.tokens_full_history?);
    let number = match turn.turn {
        TurnId::Turn(number) => number,
        TurnId::Probe(_) => turns.saturating_add(1),
    };
    Some(Request { turn: number, sent: usage.sent, full, is_estimate: usage.estimated })
}

/// A request whose tokens are known.
struct Request {
    turn: u32,
    sent: u64,
    full: u64,
    is_estimate: bool,
}

/// Things by name, in the order in which the names came.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Named<T> {
    pub entries: Vec<(String, T)>,
    /// How many conversations bore other names.
    pub others: u64,
}

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), others: 0 }
    }
}

impl<T: Default> Named<T> {
    fn with(&mut self, name: &str, add: impl FnOnce(&mut T)) {
        match self.entries.iter().position(|(known, _)| known == name) {
            Some(at) => add(&mut self.entries[at].1),
            None if self.entries.len() < NAMED => {
                let mut entry = T::default();
                add(&mut entry);
                self.entries.push((name.to_owned(), entry));
            }
            None => self.others += 1,
        }
    }
}

/// The tokens of requests by turn, over conversations.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Turns {
    bins: Vec<TurnBin>,
    /// How many turns share a bin: a power of two.
    bin_width: u32,
    /// The last turn that there is.
    pub last: u32,
    /// How many conversations there are.
    pub conversations: u64,
    /// Whether some of the numbers are our estimates.
    pub is_estimate: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct TurnBin {
    requests: u64,
    sent: u64,
    full: u64,
}

/// Requests of neighbouring turns on average.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct MeanTokens {
    /// The turn, or the middle of the turns.
    pub turn: f64,
    /// Tokens sent.
    pub sent: f64,
    /// Tokens of the whole history.
    pub full: f64,
}

impl Default for Turns {
    fn default() -> Self {
        Self { bins: Vec::new(), bin_width: 1, last: 0, conversations: 0, is_estimate: false }
    }
}

impl Turns {
    fn add(&mut self, turns: impl Iterator<Item = Request>) {
        self.conversations += 1;
        for Request { turn, sent, full, is_estimate } in turns {
            self.last = self.last.max(turn);
            self.is_estimate |= is_estimate;
            let bin = self.bin(turn);
            bin.requests += 1;
            bin.sent = bin.sent.saturating_add(sent);
            bin.full = bin.full.saturating_add(full);
        }
    }

    /// The bin of a turn; with more turns than bins have room for, two become one, as often as it takes.
    fn bin(&mut self, turn: u32) -> &mut TurnBin {
        let place = loop {
            let place = (turn.saturating_sub(1) / self.bin_width) as usize;
            if place < TURN_BINS {
                break place;
            }
            self.bin_width *= 2;
            self.bins = self.bins.chunks(2).map(TurnBin::sum).collect();
        };
        if self.bins.len() <= place {
            self.bins.resize(place + 1, TurnBin::default());
        }
        &mut self.bins[place]
    }

    /// The averages, in order; of turns without requests there is none.
    #[expect(clippy::cast_precision_loss, reason = "averages are drawn")]
    pub fn means(&self) -> impl Iterator<Item = MeanTokens> + '_ {
        self.bins.iter().enumerate().filter(|(_, bin)| bin.requests > 0).map(|(place, bin)| {
            let first = place as f64 * f64::from(self.bin_width) + 1.0;
            let last = (first + f64::from(self.bin_width) - 1.0).min(f64::from(self.last.max(1)));
            let requests = bin.requests as f64;
            MeanTokens {
                turn: f64::midpoint(first, last),
                sent: bin.sent as f64 / requests,
                full: bin.full as f64 / requests,
            }
        })
    }

    /// The share of the whole history's tokens that were not sent, 0 to 1; `None` where there were none.
    #[expect(clippy::cast_precision_loss, reason = "it is shown in whole percent")]
    pub fn saved(&self) -> Option<f64> {
        let sum = |tokens: fn(&TurnBin) -> u64| self.bins.iter().map(|bin| tokens(bin) as f64).sum::<f64>();
        let full = sum(|bin| bin.full);
        (full > 0.0).then(|| 1.0 - sum(|bin| bin.sent) / full)
    }
}

impl TurnBin {
    fn sum(bins: &[Self]) -> Self {
        bins.iter().fold(Self::default(), |sum, bin| Self {
            requests: sum.requests + bin.requests,
            sent: sum.sent.saturating_add(bin.sent),
            full: sum.full.saturating_add(bin.full),
        })
    }
}

/// Times of calls, counted on a logarithmic scale.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Times {
    /// Empty or one for each bin of the scale.
    bins: Vec<u32>,
    /// How many there are.
    pub count: u64,
}

impl Times {
    fn add(&mut self, milliseconds: f64) {
        if self.bins.is_empty() {
            self.bins = vec![0; DECADES * BINS_A_DECADE];
        }
        #[expect(clippy::cast_precision_loss, reason = "small constants")]
        let place = (milliseconds.log10() - f64::from(FIRST_DECADE)) * BINS_A_DECADE as f64;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a cast of a float ends at the ends of the type, and NaN is 0"
        )]
        let place = (place as usize).min(self.bins.len() - 1);
        self.bins[place] = self.bins[place].saturating_add(1);
        self.count += 1;
    }

    /// The counts of bins that are `fine` of the scale's together, from the first to the last with anything in it, and the
    /// place of the first: bin `n` begins at [`Self::begin`] of `n * fine`.
    pub fn coarse(&self, fine: usize) -> (usize, Vec<u64>) {
        let counts: Vec<u64> =
            self.bins.chunks(fine.max(1)).map(|bins| bins.iter().map(|count| u64::from(*count)).sum()).collect();
        let first = counts.iter().position(|count| *count > 0).unwrap_or_default();
        let last = counts.iter().rposition(|count| *count > 0).map_or(first, |last| last + 1);
        (first, counts[first.min(counts.len())..last.min(counts.len())].to_vec())
    }

    /// Milliseconds at which a bin of the scale begins.
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    pub fn begin(bin: usize) -> f64 {
        10_f64.powf(bin as f64 / BINS_A_DECADE as f64 + f64::from(FIRST_DECADE))
    }

    /// The quantile at `share`, in milliseconds, as [`crate::stats::quantile`] has it, exact to the width of a bin, 2.3 %; `None`
    /// of no times.
    #[expect(clippy::cast_precision_loss, reason = "numbers of calls lie far below 2^52")]
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let place = share.clamp(0.0, 1.0) * self.count.checked_sub(1)? as f64;
        let (below, above) = (self.at(place.floor())?, self.at(place.ceil())?);
        Some(below + (above - below) * place.fract())
    }

    /// The time at a place among all, from 0. Those of one bin are taken to be spread evenly on the scale.
    #[expect(clippy::cast_precision_loss, reason = "a small constant")]
    fn at(&self, place: f64) -> Option<f64> {
        let mut before = 0.0;
        for (bin, count) in self.bins.iter().enumerate() {
            let count = f64::from(*count);
            if place < before + count {
                let within = (place - before + 0.5) / count / BINS_A_DECADE as f64;
                return Some(Self::begin(bin) * 10_f64.powf(within));
            }
            before += count;
        }
        None
    }
}

#[cfg(test)]
mod tests;
