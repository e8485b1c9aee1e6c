//! What the tests share.

pub mod answer;
pub mod child;
pub mod junit;
pub mod priced;
#[cfg(unix)]
pub mod pty;
pub mod sample_bots;
pub mod sandbox;
pub mod server;
pub mod vendors;
