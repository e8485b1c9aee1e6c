//! The server: HTTP/1.1 with connections that stay open, the same completion to every request after a fixed time.
//!
//! It reads no JSON and keeps nothing but counts, so that it takes little of the machine that it shares with what is
//! measured. It runs in a process of its own, whose CPU time is shown beside the others'.

use std::cell::Cell;
use std::io::{Read, Write};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::work::{MODEL, REPLY};

/// What was seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Requests that were read whole.
    pub requests: usize,
    /// Bytes of their bodies.
    pub body_bytes: u64,
    /// The most requests that were read whole and not yet answered, at one time.
    pub most_in_flight: usize,
    /// Connections.
    pub connections: usize,
}

#[derive(Default)]
struct Counts {
    seen: Cell<Seen>,
    in_flight: Cell<usize>,
}

impl Counts {
    fn change(&self, change: impl FnOnce(&mut Seen)) {
        let mut seen = self.seen.get();
        change(&mut seen);
        self.seen.set(seen);
    }

    fn request(&self, body: usize) {
        self.in_flight.set(self.in_flight.get() + 1);
        self.change(|seen| {
            seen.requests += 1;
            seen.body_bytes += body as u64;
            seen.most_in_flight = seen.most_in_flight.max(self.in_flight.get());
        });
    }
}

/// Serves until standard input ends. The first line on standard output is the port, the last what was seen, as JSON.
pub fn serve(latency: Duration) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let counts = Rc::new(Counts::default());
    let served = Rc::clone(&counts);
    tokio::task::LocalSet::new().block_on(&runtime, async move {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        writeln!(std::io::stdout(), "{}", listener.local_addr()?.port())?;
        let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
        tokio::select! {
            accepted = accept(listener, served, latency) => accepted,
            _ = ended => Ok(()),
        }
    })?;
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&counts.seen.get())?)?;
    Ok(())
}

async fn accept(listener: TcpListener, counts: Rc<Counts>, latency: Duration) -> anyhow::Result<()> {
    let response: Rc<[u8]> = response().into();
    loop {
        let (socket, _) = listener.accept().await.context("no connection can be taken")?;
        socket.set_nodelay(true)?;
        counts.change(|seen| seen.connections += 1);
        let (counts, response) = (Rc::clone(&counts), Rc::clone(&response));
        tokio::task::spawn_local(async move {
            // A client that goes away ends its connection and nothing else.
            let _ = answer_all(socket, &counts, &response, latency).await;
        });
    }
}

async fn answer_all(mut socket: TcpStream, counts: &Counts, response: &[u8], latency: Duration) -> anyhow::Result<()> {
    let mut buffer = Vec::with_capacity(8 << 10);
    while let Some((head, body)) = read_head(&mut socket, &mut buffer).await? {
        while buffer.len() < head + body {
            ensure!(socket.read_buf(&mut buffer).await? > 0, "half a body");
        }
        buffer.drain(..head + body);
        counts.request(body);
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        // Counted off before the answer goes out: the client's next request may be here before this task is again.
        counts.in_flight.set(counts.in_flight.get() - 1);
        socket.write_all(response).await?;
    }
    Ok(())
}

/// The lengths of the next request's head and body; `None` at the end of the connection.
async fn read_head(socket: &mut TcpStream, buffer: &mut Vec<u8>) -> anyhow::Result<Option<(usize, usize)>> {
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut request = httparse::Request::new(&mut headers);
        if let httparse::Status::Complete(head) = request.parse(buffer)? {
            let length = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
            let length = length.context("a request without content-length")?;
            return Ok(Some((head, std::str::from_utf8(length.value)?.parse()?)));
        }
        if socket.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

fn response() -> Vec<u8> {
    let body = json!({
        "id": "chatcmpl-bench",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": MODEL,
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": REPLY},
            "finish_reason": "stop",
        }],
        "usage": {"prompt_tokens": 120, "completion_tokens": 60, "total_tokens": 180},
    });
    let body = body.to_string();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
    [head, body].concat().into_bytes()
}
