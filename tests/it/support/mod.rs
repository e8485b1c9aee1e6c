//! What the tests share.

pub mod answer;
pub mod child;
pub mod sandbox;
pub mod server;
