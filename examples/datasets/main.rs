//! Makes scenarios of published conversations: `cargo run --example datasets -- DATA OUT`. `docs/datasets.md` says what of them
//! can be played, and how.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program of its own, for people")]

mod make;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [data, out] = arguments.as_slice() else {
        eprintln!("usage: cargo run --example datasets -- DATA OUT");
        return ExitCode::from(2);
    };
    match make::all(Path::new(data), Path::new(out)) {
        Ok(left_out) => {
            for line in left_out {
                println!("left out: {line}");
            }
            println!("made the scenarios in {out}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
