//! Strings: how texts are compared, counted, escaped for the place where they go, and laid out on a terminal.
//!
//! Nothing here knows a word of the domain.

pub mod count;
pub mod escape;
pub mod file_name;
pub mod flow;
mod hidden;
pub mod layout;
pub mod markdown;
pub mod nearest;
pub mod normalise;
pub mod tokens;
