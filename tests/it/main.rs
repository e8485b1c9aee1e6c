//! The integration tests, one binary.
//!
//! - All: `cargo test --test it`; one room of them: `cargo test --test it layers::`.
//! - A snapshot has changed on purpose: `cargo insta review` (or `INSTA_UPDATE=always cargo test --test it`), then read the diff.
//! - Random moments of a kill, in numbers: `CHAT_EVAL_LARGE=1 cargo test --test it large`.
//! - To see what a test prints: `cargo test --test it NAME -- --nocapture`.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot go on has failed, its helpers too")]

mod answer_checks;
mod apart;
#[cfg(unix)]
mod book;
mod bots;
mod budget;
mod canaries;
mod captures;
mod cassette_files;
mod cassettes;
mod chat;
mod chat_bots;
mod chat_terminal;
mod command_bots;
mod compare;
mod controls;
mod datasets;
mod diff;
mod disk;
mod embeddings;
mod exit_codes;
mod failures;
mod flaky;
mod formats;
#[cfg(unix)]
mod help;
mod hostile;
mod hostile_scenarios;
mod http_bots;
mod import;
mod init;
mod insta_oracle;
mod interrupts;
mod invalid;
mod journal_first;
mod judge;
mod junit;
mod kills;
mod layers;
mod lint;
mod markdown;
mod merge;
mod models;
mod mutate;
mod mutate_kinds;
mod native;
mod order;
mod outcomes;
#[cfg(unix)]
mod packaging;
mod panics;
mod pictures;
mod pinned;
mod plan;
mod probes;
mod programs;
mod provider;
mod rates;
mod readme;
mod real_input;
mod recheck;
mod recheck_reasons;
#[cfg(unix)]
mod report_page;
mod requests;
mod rerun;
mod resume;
mod resume_settings;
mod review;
mod scale;
mod schema;
mod secrets;
mod secrets_providers;
mod settings;
mod shards;
mod share;
mod snapshot_files;
mod snapshot_modes;
mod snapshots_of_runs;
mod strangers;
mod supply_chain;
mod support;
mod transcript_checks;
mod triage;
mod unreferenced;
mod until_decided;
mod window_cases;
mod written_once;
