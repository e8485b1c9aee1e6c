//! One file a command.

pub mod chat;
pub mod check;
pub mod compare;
pub mod completions;
pub mod diff;
pub mod import;
pub mod init;
pub mod man;
pub mod merge;
pub mod mutate;
pub mod plan;
pub mod prune;
pub mod recheck;
pub mod report;
pub mod resume;
pub mod review;
pub mod run;
pub mod schema;
