//! The floor: the least that a client of the same HTTP stack can do for the same requests.
//!
//! The same reqwest client, tokio and `serde_json`; each conversation is a loop over its turns with its messages in a
//! vector. It retries nothing, checks nothing and keeps nothing.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context;
use chat_eval::provider::plain_http_client;
use reqwest::Client;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::work::{self, MODEL, SYSTEM, Work};

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    messages: &'a [Message],
}

#[derive(Serialize)]
struct Message {
    role: &'static str,
    content: Cow<'static, str>,
}

#[derive(Deserialize)]
struct Answer {
    choices: Vec<Choice>,
    usage: Usage,
}

#[derive(Deserialize)]
struct Choice {
    message: Said,
}

#[derive(Deserialize)]
struct Said {
    content: String,
}

#[derive(Deserialize)]
struct Usage {
    prompt_tokens: u64,
}

/// Plays the work against the server at `base_url`.
pub fn play(work: Work, base_url: &str) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    rlimit::increase_nofile_limit(u64::MAX)?;
    let client = plain_http_client()?;
    let url: Arc<str> = format!("{base_url}/chat/completions").into();
    runtime.block_on(async {
        let next = Arc::new(AtomicUsize::new(0));
        let mut workers = JoinSet::new();
        for _ in 0..work.concurrency.min(work.conversations) {
            let (client, url, next) = (client.clone(), Arc::clone(&url), Arc::clone(&next));
            workers.spawn(async move {
                loop {
                    let conversation = next.fetch_add(1, Ordering::Relaxed);
                    if conversation >= work.conversations {
                        return anyhow::Ok(());
                    }
                    converse(&client, &url, conversation, work.turns).await?;
                }
            });
        }
        while let Some(worker) = workers.join_next().await {
            worker??;
        }
        Ok(())
    })
}

async fn converse(client: &Client, url: &str, conversation: usize, turns: usize) -> anyhow::Result<()> {
    let party = work::party(conversation);
    let mut messages = vec![Message { role: "system", content: SYSTEM.into() }];
    for turn in 1..=turns {
        messages.push(Message { role: "user", content: work::user(turn, &party).into() });
        let body = serde_json::to_vec(&Request { model: MODEL, messages: &messages })?;
        let request = client.post(url).header("content-type", "application/json").body(body);
        let answer = request.send().await?.error_for_status()?.bytes().await?;
        let answer: Answer = serde_json::from_slice(&answer)?;
        let choice = answer.choices.into_iter().next().context("no choice")?;
        anyhow::ensure!(answer.usage.prompt_tokens > 0, "no usage");
        messages.push(Message { role: "assistant", content: choice.message.content.into() });
    }
    Ok(())
}
