//! Chooses which messages of the history travel with the next request, and says where a fact is visible in one.

mod choose;
mod visibility;

pub use choose::{Choice, Reach, TooLong, choose, orphans, reach};
pub use visibility::{FactMatcher, Sighting, distance, sight};
