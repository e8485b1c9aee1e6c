//! Chooses which messages of the history travel with the next request, and says where a fact is visible in one.

mod alternation;
mod choose;
mod visibility;

pub use alternation::{Fault, fault};
pub use choose::{Choice, Reach, TooLong, choose, orphans, reach};
pub use visibility::{FactMatcher, Sighting, distance, sight};
