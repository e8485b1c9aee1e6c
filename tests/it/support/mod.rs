//! What the tests share.

pub mod answer;
pub mod child;
pub mod junit;
pub mod priced;
pub mod sandbox;
pub mod server;
