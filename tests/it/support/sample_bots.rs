//! The sample bots of `examples/bots/`: as a program that cargo builds, as a server, and behind a service that speaks OpenAI's format.

#[allow(dead_code, reason = "the program uses the rest")]
#[path = "../../../examples/bots/bot.rs"]
mod bot;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock};

use serde_json::json;

use super::answer::Answer;
use super::sandbox::Sandbox;
use super::server::{Request, Server};
pub use bot::{Bot, Bug};
use bot::{Message, read};

/// The bots by their names.
pub const BUGS: [(&str, Bug); 5] = [
    ("good", Bug::None),
    ("shared-list", Bug::SharedList),
    ("reply-not-saved", Bug::ReplyNotSaved),
    ("system-in-the-list", Bug::SystemInTheList),
    ("last-chunk-saved", Bug::LastChunkSaved),
];

/// The program, built where it is not.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let own = std::env::current_exe().expect("this test");
        let folder = own.parent().and_then(Path::parent).expect("a folder of targets").join("examples");
        let program = folder.join(format!("bots{}", std::env::consts::EXE_SUFFIX));
        // `cargo test` has built it with everything else; a part of the tests alone has not.
        if !program.is_file() {
            let mut cargo = Command::new(env!("CARGO"));
            cargo.args(["build", "--quiet", "--offline", "--example", "bots"]).current_dir(env!("CARGO_MANIFEST_DIR"));
            assert!(cargo.status().expect("cargo").success());
        }
        program
    })
}

/// A folder with the scenarios that catch the bugs.
pub fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    for name in ["strangers", "own-words", "persona-holds"] {
        let path = format!("{}/examples/bots/scenarios/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
        sandbox.write(&format!("scenarios/{name}.yaml"), std::fs::read(path).expect("a scenario"));
    }
    sandbox
}

/// The bots as programs, under their names.
pub fn programs(sandbox: &Sandbox) {
    let program = json!(program()).to_string();
    let bot = |(name, _): &(&str, Bug)| {
        let bug = if *name == "good" { "none" } else { name };
        format!("  {name}: {{provider: command, command: [{program}, {bug}]}}\n")
    };
    sandbox.write("chat-eval.yaml", format!("model: good\nmodels:\n{}", BUGS.iter().map(bot).collect::<String>()));
}

/// A bot as a server that takes `{session, system, message, stream}`.
pub fn server(bug: Bug) -> Server {
    let bot = Mutex::new(Bot::new(bug));
    Server::start(move |request| {
        let text = |key: &str| request.body[key].as_str().unwrap_or_default();
        let is_streamed = request.body["stream"] == true;
        let mut bot = bot.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let pieces = bot.say(text("session"), request.body["system"].as_str(), text("message"), is_streamed);
        if !is_streamed {
            return Answer::json(&json!({"reply": pieces.concat()}));
        }
        let events = pieces.iter().map(|piece| format!("data: {}\n\n", json!({"delta": piece})));
        Answer::events(events.chain(["data: [DONE]\n\n".to_owned()]).collect::<Vec<_>>())
    })
}

/// How a server of [`server`] is called `bot` in a config.
pub fn http_config(server: &Server) -> String {
    format!(
        "model: bot\nmodels:\n  bot:\n    provider: http\n    url: \"{}\"\n    body: {{session: \"{{{{ session }}}}\", \
         system: \"{{{{ system }}}}\", message: \"{{{{ message }}}}\", stream: \"{{{{ stream }}}}\"}}\n    \
         stream: {{events: $.delta, done: \"[DONE]\"}}\n",
        server.base_url().replace("/v1", "/chat")
    )
}

/// A service that speaks OpenAI's format and hands a request on to the reader, with the same bugs: it makes one list of all
/// requests, drops replies, moves the system message to the end, or hands on the last chunk of a stream alone.
pub fn service(bug: Bug) -> Server {
    let all: Mutex<Vec<Message>> = Mutex::default();
    Server::start(move |request| {
        let messages = handed_on(bug, request, &all);
        let reply = read(&messages);
        match bug {
            Bug::LastChunkSaved if request.wants_stream() => Answer::stream(reply.split_inclusive(' ').next_back()),
            _ => Answer::reply(request, &reply),
        }
    })
}

fn handed_on(bug: Bug, request: &Request, all: &Mutex<Vec<Message>>) -> Vec<Message> {
    let mut messages = request.messages();
    match bug {
        Bug::None | Bug::LastChunkSaved => {}
        Bug::SharedList => {
            let mut all = all.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let new = messages.iter().filter(|message| !all.contains(message)).cloned().collect::<Vec<_>>();
            let question = messages.pop().unwrap_or_default();
            all.extend(new);
            messages = all.iter().cloned().chain([question]).collect();
        }
        Bug::ReplyNotSaved => messages.retain(|(role, _)| role != "assistant"),
        Bug::SystemInTheList => {
            let last = messages.len().saturating_sub(1);
            let system = messages.iter().position(|(role, _)| role == "system");
            if let Some(system) = system.map(|at| messages.remove(at)) {
                messages.insert(last.saturating_sub(1), system);
            }
        }
    }
    messages
}
