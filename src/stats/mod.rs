//! Statistics of pass rates, times and trials: pure functions of numbers.

mod interval;
mod quantile;
mod trials;

pub use interval::{Interval, wilson};
pub use quantile::quantile;
pub use trials::{TrialCounts, decide_over_trials};
