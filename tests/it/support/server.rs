//! An OpenAI-compatible server on this machine that misbehaves on order.
//!
//! It speaks HTTP/1.1 by hand on a thread of its own, so that it can cut an answer anywhere, hang, or lie about its length,
//! and so that a child process can be its client. A test gives it a handler that makes an [`Answer`] of each [`Request`];
//! everything else it learns from the recorded requests and the gauges. It stops when it is dropped.
//!
//! Nothing here sleeps: an answer that must come late is held until enough requests are in flight
//! ([`Answer::until_in_flight`]) or until the test opens a gate ([`Answer::delay`]).

use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::answer::{Answer, End, Framing};

/// How long anything is waited for before the test is called broken.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Request {
    /// `/v1/chat/completions`, with its query.
    pub path: String,
    /// Names as they were sent.
    pub headers: Vec<(String, String)>,
    /// The body; null where it was no JSON.
    pub body: Value,
    /// Which request of this server it is, from 1.
    pub number: usize,
    /// Which connection of this server it came by, from 1.
    pub connection: usize,
}

impl Request {
    /// A header's value, whatever the case of its name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Role and content of each message.
    pub fn messages(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let messages = self.body["messages"].as_array().cloned().unwrap_or_default();
        messages.iter().map(|message| (text(&message["role"]), text(&message["content"]))).collect()
    }

    /// The last user message.
    pub fn last_user(&self) -> String {
        self.messages().into_iter().rfind(|(role, _)| role == "user").map(|(_, content)| content).unwrap_or_default()
    }

    /// Whether the reply is asked for as a stream.
    pub fn wants_stream(&self) -> bool {
        self.body["stream"] == true
    }
}

/// What the server has seen so far.
#[derive(Debug, Default)]
struct Seen {
    requests: Vec<Request>,
    connections: usize,
    in_flight: usize,
    most_in_flight: usize,
    hung_up: usize,
}

struct Shared {
    handler: Box<dyn Fn(&Request) -> Answer + Send + Sync>,
    seen: Mutex<Seen>,
    changed: Condvar,
    /// The most requests that have been in flight at one time.
    most: watch::Sender<usize>,
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Seen) -> T) -> T {
        let mut seen = self.seen();
        let result = change(&mut seen);
        seen.most_in_flight = seen.most_in_flight.max(seen.in_flight);
        self.most.send_replace(seen.most_in_flight);
        drop(seen);
        self.changed.notify_all();
        result
    }
}

/// A running server.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a server on a free port that answers each request as the handler says.
    pub fn start(handler: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let shared = Arc::new(Shared {
            handler: Box::new(handler),
            seen: Mutex::default(),
            changed: Condvar::new(),
            most: watch::Sender::new(0),
        });
        let stop = watch::Sender::new(false);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a listener that does not block");
        let address = listener.local_addr().expect("an address");
        let (served, mut stopped) = (Arc::clone(&shared), stop.subscribe());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).expect("a listener");
                tokio::select! {
                    () = accept(listener, served) => {}
                    _ = stopped.wait_for(|stop| *stop) => {}
                }
            });
        });
        Self { address, shared, stop, thread: Some(thread) }
    }

    /// A server that says the same to every request, streamed where that is asked for.
    pub fn saying(text: &'static str) -> Self {
        Self::start(move |request| Answer::reply(request, text))
    }

    /// A server that gives these answers in turn, and the last one again and again.
    pub fn in_turn(answers: Vec<Answer>) -> Self {
        Self::start(move |request| answers[(request.number - 1).min(answers.len() - 1)].clone())
    }

    /// What goes into a config as `base_url`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// All requests so far, in the order in which they arrived.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.seen().requests.clone()
    }

    /// The most requests that were in flight at one time: read whole, and not yet answered whole.
    pub fn most_in_flight(&self) -> usize {
        self.shared.seen().most_in_flight
    }

    /// Waits until so many requests have arrived; panics where they never do.
    pub fn wait_for_requests(&self, requests: usize) {
        self.wait(|seen| seen.requests.len() >= requests, "requests");
    }

    /// Waits until the requests so far are such; panics where they never are.
    pub fn wait_for(&self, are_there: impl Fn(&[Request]) -> bool) {
        self.wait(|seen| are_there(&seen.requests), "requests");
    }

    /// Waits until clients have gone away from so many answers that were not whole; panics where they never do.
    pub fn wait_for_hang_ups(&self, hang_ups: usize) {
        self.wait(|seen| seen.hung_up >= hang_ups, "hang-ups");
    }

    fn wait(&self, is_there: impl Fn(&Seen) -> bool, what: &str) {
        let (seen, timeout) = self
            .shared
            .changed
            .wait_timeout_while(self.shared.seen(), PATIENCE, |seen| !is_there(seen))
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        assert!(!timeout.timed_out(), "the awaited {what} never came: {} requests", seen.requests.len());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((socket, _)) = listener.accept().await {
        // A head and a body are two writes, and the second must not wait for the client's acknowledgement of the first.
        let _ = socket.set_nodelay(true);
        let connection = shared.change(|seen| {
            seen.connections += 1;
            seen.connections
        });
        tokio::spawn(serve(socket, connection, Arc::clone(&shared)));
    }
}

/// Serves one connection until either side ends it.
async fn serve(mut socket: TcpStream, connection: usize, shared: Arc<Shared>) {
    let mut buffer = Vec::new();
    while let Some(mut request) = receive(&mut socket, &mut buffer).await {
        request.connection = connection;
        let request = shared.change(|seen| {
            request.number = seen.requests.len() + 1;
            seen.requests.push(request.clone());
            seen.in_flight += 1;
            request
        });
        let goes_on = deliver(&mut socket, &(shared.handler)(&request), &shared).await;
        shared.change(|seen| {
            seen.in_flight -= 1;
            seen.hung_up += usize::from(goes_on.is_none());
        });
        if goes_on != Some(true) {
            return;
        }
    }
}

/// Reads one whole request; `None` at the end of the connection, or where what comes is not HTTP.
async fn receive(socket: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Request> {
    loop {
        match parse(buffer) {
            Ok(Some((request, length))) => {
                buffer.drain(..length);
                return Some(request);
            }
            Ok(None) => {}
            Err(_) => {
                let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
                return None;
            }
        }
        if socket.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

/// A request and its length in the buffer; `None` while some of it is missing.
fn parse(buffer: &[u8]) -> Result<Option<(Request, usize)>, httparse::Error> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(head) = parsed.parse(buffer)? else { return Ok(None) };
    let text = |header: &httparse::Header<'_>| String::from_utf8_lossy(header.value).into_owned();
    let headers: Vec<_> = parsed.headers.iter().map(|header| (header.name.to_owned(), text(header))).collect();
    let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let end = head + length.map_or(0, |(_, length)| length.parse().expect("a length"));
    let Some(body) = buffer.get(head..end) else { return Ok(None) };
    let body = serde_json::from_slice(body).unwrap_or_default();
    let path = parsed.path.unwrap_or_default().to_owned();
    Ok(Some((Request { path, headers, body, number: 0, connection: 0 }, end)))
}

/// Sends an answer. Gives whether the connection serves another request; `None` where the client went away first.
async fn deliver(socket: &mut TcpStream, answer: &Answer, shared: &Shared) -> Option<bool> {
    if answer.is_silent {
        gone(socket).await;
        return None;
    }
    tokio::select! {
        opened = tokio::time::timeout(PATIENCE, held(answer, shared)) => opened.expect("a gate that opens"),
        () = gone(socket) => return None,
    }
    for (place, frame) in answer.frames().into_iter().enumerate() {
        if let Some((_, gate)) = answer.held_piece.as_ref().filter(|(piece, _)| piece + 1 == place) {
            tokio::select! {
                opened = tokio::time::timeout(PATIENCE, gate.opened()) => opened.expect("a gate that opens"),
                () = gone(socket) => return None,
            }
        }
        if let Some((_, blow)) = answer.blow.as_ref().filter(|(piece, _)| piece + 1 == place) {
            (blow.0)();
        }
        socket.write_all(&frame).await.ok()?;
        socket.flush().await.ok()?;
    }
    match answer.end {
        End::Hang(_) => {
            gone(socket).await;
            None
        }
        End::Cut(_) => Some(false),
        End::Keep => Some(!matches!(answer.framing, Framing::Raw)),
    }
}

/// Waits until the answer may go.
async fn held(answer: &Answer, shared: &Shared) {
    if let Some(gate) = &answer.gate {
        gate.opened().await;
    }
    let _ = shared.most.subscribe().wait_for(|most| *most >= answer.until_in_flight).await;
}

/// Waits until the client has gone away. A client that waits for an answer sends nothing.
async fn gone(socket: &TcpStream) {
    let mut byte = [0];
    while matches!(socket.peek(&mut byte).await, Ok(1..)) {
        tokio::task::yield_now().await;
    }
}
