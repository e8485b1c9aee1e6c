//! Statistics of pass rates, times and trials: pure functions of numbers.

mod bootstrap;
mod interval;
mod paired;
mod quantile;
#[cfg(test)]
mod reference;
mod repeated;
mod trials;

pub use bootstrap::{Cluster, difference_interval};
pub use interval::{Interval, wilson};
pub use paired::{holm, mcnemar};
pub use quantile::quantile;
pub use repeated::{Repeated, RepeatedRate, pass_at_k, pass_hat_k};
pub use trials::{TrialCounts, decide_over_trials};

#[expect(clippy::cast_precision_loss, reason = "numbers of conversations and checks lie far below 2^52")]
fn float(count: u64) -> f64 {
    count as f64
}
