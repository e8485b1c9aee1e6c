//! Fuzz targets: each takes any bytes as one kind of input, and says what must hold of what comes of them.
//!
//! They run as ordinary tests on the seeds and on a fixed number of changed seeds, always the same; for long they run by one
//! command, which `fuzz/README.md` names. A crash becomes a seed.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot go on has failed, its helpers too")]
#![allow(clippy::print_stdout, reason = "what was tried, and what broke, is told by the test")]

mod answers;
mod changes;
mod driver;
mod files;
mod inputs;
mod services;
