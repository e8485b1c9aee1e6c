//! The server of pages that say `parrot`: its replies are the words of the user, so that a page can show what a check
//! says to which reply. It judges everything to be right, and finds all texts alike.

use serde_json::json;

use crate::support::answer::Answer;
use crate::support::server::{Request, Server};

/// Starts one.
pub fn start() -> Server {
    Server::start(answer)
}

fn answer(request: &Request) -> Answer {
    if request.path == "/v1/embeddings" {
        let data = json!([{"object": "embedding", "index": 0, "embedding": [1, 0]}]);
        return Answer::json(
            &json!({"object": "list", "model": "parrot", "data": data, "usage": {"prompt_tokens": 4, "total_tokens": 4}}),
        );
    }
    let user = request.last_user();
    let Some((_, question)) = user.split_once("===== data ") else { return Answer::reply(request, &user) };
    let mark = question.split(' ').next().unwrap_or_default();
    Answer::text(&json!({"mark": mark, "reason": "It says so.", "verdict": "yes"}).to_string())
}
