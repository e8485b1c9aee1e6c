//! One file a command.

pub mod check;
pub mod compare;
pub mod diff;
pub mod import;
pub mod init;
pub mod merge;
pub mod prune;
pub mod report;
pub mod resume;
pub mod review;
pub mod run;
