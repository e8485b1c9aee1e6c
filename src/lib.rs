#![doc = include_str!("../docs/architecture.md")]
// The rooms, lowest first. A room uses rooms above it in this list only; `tests/it/layers.rs` holds that.
pub mod text;

pub mod model;

pub mod diagnostic;
pub mod event;
pub mod stats;

pub mod window;

pub mod check;

pub mod disk;

pub mod journal;
pub mod provider;
pub mod scenario;
pub mod snapshot;

pub mod run;

pub mod report;

pub mod cli;
