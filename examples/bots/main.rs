//! A bot that is a program, as `provider: command` talks with it: `cargo run --example bots -- none`. The argument names what is
//! wrong with it: `none`, `shared-list`, `reply-not-saved`, `system-in-the-list`, `last-chunk-saved`.
//!
//! It keeps each session in a file of the working directory, as a bot would in a database: so one that has one list for all
//! sessions has it in every process.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks on its standard output")]

mod bot;

use std::io::{BufRead, Write};
use std::process::ExitCode;

use bot::{Bot, Bug, Message};
use serde_json::{Value, json};

fn main() -> ExitCode {
    let name = std::env::args().nth(1).unwrap_or_default();
    let Some(bug) = Bug::of(&name) else {
        eprintln!("no bot is called `{name}`");
        return ExitCode::FAILURE;
    };
    match talk(bug) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn talk(bug: Bug) -> Result<(), Box<dyn std::error::Error>> {
    let mut bot = Bot::new(bug);
    let mut output = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let message: Value = serde_json::from_str(&line?)?;
        let text = |key: &str| message[key].as_str().unwrap_or_default();
        let (session, is_streamed) = (text("session"), message["stream"] == true);
        let file = format!("session-{}.json", bot.key(session));
        if let Ok(kept) = std::fs::read(&file) {
            let kept: Vec<Message> = serde_json::from_slice(&kept)?;
            bot.put_back(session, kept);
        }
        let pieces = bot.say(session, message["system"].as_str(), text("user"), is_streamed);
        std::fs::write(&file, serde_json::to_vec(bot.messages(session))?)?;
        let turn = &message["turn"];
        if is_streamed {
            for piece in &pieces {
                writeln!(output, "{}", json!({"turn": turn, "delta": piece}))?;
            }
            writeln!(output, "{}", json!({"turn": turn, "done": true, "finish_reason": "stop"}))?;
        } else {
            writeln!(output, "{}", json!({"turn": turn, "reply": pieces.concat()}))?;
        }
        output.flush()?;
    }
    Ok(())
}
