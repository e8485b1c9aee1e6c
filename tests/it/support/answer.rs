//! What the test server does with a request: a good answer, an odd one, or half of one.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::server::Request;

/// How the length of a body is said.
#[derive(Debug, Clone, Copy)]
pub(super) enum Framing {
    /// `Content-Length`, with so many bytes more than there are.
    Length(usize),
    /// Each piece is a chunk.
    Chunked,
    /// No head at all, and the connection closes behind the bytes.
    Raw,
}

/// What happens when all or enough was sent.
#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    /// The connection serves the next request.
    Keep,
    /// The connection is closed behind so many bytes of the body.
    Cut(usize),
    /// Nothing more is sent behind so many bytes of the body.
    Hang(usize),
}

/// What the server does with a request.
#[derive(Debug, Clone)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    pieces: Vec<Vec<u8>>,
    pub(super) framing: Framing,
    pub(super) end: End,
    pub(super) gate: Option<Gate>,
    pub(super) until_in_flight: usize,
    pub(super) is_silent: bool,
    /// The piece that waits for a gate of its own.
    pub(super) held_piece: Option<(usize, Gate)>,
    /// What is done before this piece is sent.
    pub(super) blow: Option<(usize, Blow)>,
}

/// Something that a test does in the middle of an answer.
#[derive(Clone)]
pub(super) struct Blow(pub(super) Arc<dyn Fn() + Send + Sync>);

impl std::fmt::Debug for Blow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Blow")
    }
}

impl Answer {
    /// A whole completion with this text.
    pub fn text(text: &str) -> Self {
        Self::json(&completion(text))
    }

    /// The text as a whole completion or as a stream word by word, as the request asks.
    pub fn reply(request: &Request, text: &str) -> Self {
        if request.wants_stream() { Self::stream(text.split_inclusive(' ')) } else { Self::text(text) }
    }

    /// Any JSON with status 200.
    pub fn json(body: &Value) -> Self {
        Self::body("application/json", &body.to_string())
    }

    /// Any body with status 200.
    pub fn body(content_type: &str, body: &str) -> Self {
        Self::status(200, &[("Content-Type", content_type)], body)
    }

    /// A status with headers and a body.
    pub fn status(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Self {
        Self {
            status,
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            pieces: vec![body.as_ref().to_vec()],
            framing: Framing::Length(0),
            end: End::Keep,
            gate: None,
            until_in_flight: 0,
            is_silent: false,
            held_piece: None,
            blow: None,
        }
    }

    /// An error in OpenAI's form.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        let body = json!({"error": {"message": message, "type": "error", "param": null, "code": code}});
        Self::status(status, &[("Content-Type", "application/json")], body.to_string())
    }

    /// A streamed completion of these pieces, with finish reason, usage and `[DONE]`.
    pub fn stream<'a>(pieces: impl IntoIterator<Item = &'a str>) -> Self {
        let pieces: Vec<&str> = pieces.into_iter().collect();
        let mut events: Vec<String> = vec![event(&delta(&json!({"role": "assistant", "content": ""})))];
        events.extend(pieces.iter().map(|piece| event(&delta(&json!({"content": piece})))));
        events.push(event(&finish("stop")));
        events.push(event(&usage_chunk(7, pieces.len())));
        events.push("data: [DONE]\n\n".to_owned());
        Self::events(events)
    }

    /// Server-sent events as they stand, each sent as one chunk of HTTP.
    pub fn events<T: AsRef<[u8]>>(events: impl IntoIterator<Item = T>) -> Self {
        let mut answer = Self::status(200, &[("Content-Type", "text/event-stream")], "");
        answer.pieces = events.into_iter().map(|event| event.as_ref().to_vec()).collect();
        answer.framing = Framing::Chunked;
        answer
    }

    /// These bytes, which need not be HTTP, and then the end of the connection.
    pub fn raw(bytes: impl AsRef<[u8]>) -> Self {
        let mut answer = Self::status(200, &[], bytes);
        answer.framing = Framing::Raw;
        answer
    }

    /// Nothing, until the client goes away.
    pub fn hang() -> Self {
        let mut answer = Self::status(200, &[], "");
        answer.is_silent = true;
        answer
    }

    /// The same with another header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same, but the connection is closed behind `bytes` bytes of the body.
    pub fn cut(mut self, bytes: usize) -> Self {
        self.end = End::Cut(bytes);
        self
    }

    /// The same, but behind `bytes` bytes of the body nothing more comes, until the client goes away.
    pub fn hang_after(mut self, bytes: usize) -> Self {
        self.end = End::Hang(bytes);
        self
    }

    /// The same, but `Content-Length` promises `bytes` more than there are; the connection is closed behind the body.
    pub fn promise_more(mut self, bytes: usize) -> Self {
        self.framing = Framing::Length(bytes);
        self.end = End::Cut(usize::MAX);
        self
    }

    /// The same, but not before the gate is open.
    pub fn delay(mut self, gate: &Gate) -> Self {
        self.gate = Some(gate.clone());
        self
    }

    /// The same, but the event `event` (from 0) and all behind it not before the gate is open. In a stream the first event
    /// holds no text.
    pub fn hold_event(mut self, event: usize, gate: &Gate) -> Self {
        self.held_piece = Some((event, gate.clone()));
        self
    }

    /// The same, but before the event `event` (from 0) is sent, this is done.
    pub fn strike(mut self, event: usize, blow: impl Fn() + Send + Sync + 'static) -> Self {
        self.blow = Some((event, Blow(Arc::new(blow))));
        self
    }

    /// The same, but not before `requests` requests have been in flight at one time.
    pub fn until_in_flight(mut self, requests: usize) -> Self {
        self.until_in_flight = requests;
        self
    }

    /// The pieces of the body, each an event where it is a stream.
    pub fn pieces(&self) -> impl Iterator<Item = String> + '_ {
        self.pieces.iter().map(|piece| String::from_utf8_lossy(piece).into_owned())
    }

    /// How many bytes the body has.
    pub fn body_len(&self) -> usize {
        self.pieces.iter().map(Vec::len).sum()
    }

    fn head(&self) -> Vec<u8> {
        let length = match self.framing {
            Framing::Length(more) => format!("Content-Length: {}\r\n", self.body_len() + more),
            Framing::Chunked => "Transfer-Encoding: chunked\r\n".to_owned(),
            Framing::Raw => return Vec::new(),
        };
        let headers: Vec<String> = self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("HTTP/1.1 {} Status\r\n{}{length}\r\n", self.status, headers.concat()).into_bytes()
    }

    /// The bytes to send one after another, cut where the answer is to be cut.
    pub(super) fn frames(&self) -> Vec<Vec<u8>> {
        let mut left = match self.end {
            End::Keep => usize::MAX,
            End::Cut(bytes) | End::Hang(bytes) => bytes,
        };
        let mut frames = vec![self.head()];
        for piece in &self.pieces {
            let piece = &piece[..piece.len().min(left)];
            left -= piece.len();
            if piece.is_empty() {
                continue;
            }
            frames.push(match self.framing {
                Framing::Chunked => [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat(),
                Framing::Length(_) | Framing::Raw => piece.to_vec(),
            });
        }
        if matches!((self.framing, self.end), (Framing::Chunked, End::Keep)) {
            frames.push(b"0\r\n\r\n".to_vec());
        }
        frames
    }
}

/// The body of a whole completion.
pub fn completion(text: &str) -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "test-model-2026", "system_fingerprint": "fp_1",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
    })
}

/// A chunk whose only choice has this `delta`.
pub fn delta(delta: &Value) -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "test-model-2026",
        "choices": [{"index": 0, "delta": delta, "finish_reason": null}],
    })
}

/// The chunk that ends a reply.
pub fn finish(reason: &str) -> Value {
    json!({"model": "test-model-2026", "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
}

/// The chunk with the token counts.
pub fn usage_chunk(sent: usize, reply: usize) -> Value {
    json!({"choices": [], "usage": {"prompt_tokens": sent, "completion_tokens": reply, "total_tokens": sent + reply}})
}

/// A chunk as an event.
pub fn event(chunk: &Value) -> String {
    format!("data: {chunk}\n\n")
}

/// Holds answers back until the test opens it. Cloning gives another handle of the same gate.
#[derive(Debug, Clone)]
pub struct Gate(watch::Sender<bool>);

impl Default for Gate {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl Gate {
    /// Waits until it is open.
    pub(super) async fn opened(&self) {
        let _ = self.0.subscribe().wait_for(|is_open| *is_open).await;
    }

    /// Lets every held answer go, and every later one.
    pub fn open(&self) {
        self.0.send_replace(true);
    }
}
