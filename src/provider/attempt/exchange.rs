//! The way of one try through HTTP: request → status → what the provider asks for → error body made uniform → content type
//! → body, whole or as the lines of a stream, with a tap on it.
//!
//! What a library between this and the reply does not hand on (the request's id, a seen `[DONE]`, why a body broke) stands in
//! the try's [`Exchange`].

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, Stream, StreamExt};
use http::header::HeaderName;
use reqwest::{Client, Request, Response};

use super::endpoint::Endpoint;
use super::failure;
use crate::provider::CallError;

/// The longest body that is read, in bytes: far above any reply, and below what would fill a machine.
pub(in crate::provider) const LONGEST_BODY: usize = 64 << 20;
/// How much is read of an error's body, in bytes, and for how long.
const LONGEST_ERROR_BODY: usize = 64 << 10;
const ERROR_BODY_WAIT: Duration = Duration::from_secs(5);
/// What the last event of a stream is, as a line of server-sent events.
const DONE_LINES: [&[u8]; 2] = [b"data: [DONE]", b"data:[DONE]"];

/// The headers that may have a request's id.
static REQUEST_ID: [HeaderName; 3] = [
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("request-id"),
    HeaderName::from_static("x-amzn-requestid"),
];

/// What is learnt about one try beside its reply.
pub(in crate::provider) struct Exchange {
    /// Where it goes.
    pub(in crate::provider) endpoint: Arc<Endpoint>,
    is_stream: bool,
    request_id: OnceLock<String>,
    broken: OnceLock<CallError>,
    is_done: AtomicBool,
}

impl Exchange {
    /// A try that asks for a stream, or for a whole reply.
    pub(in crate::provider) fn new(endpoint: &Arc<Endpoint>, is_stream: bool) -> Self {
        let (request_id, broken, is_done) = (OnceLock::new(), OnceLock::new(), AtomicBool::new(false));
        Self { endpoint: Arc::clone(endpoint), is_stream, request_id, broken, is_done }
    }

    /// The error of a body that is not what was asked for, quoted without the key.
    pub(in crate::provider) fn malformed(&self, what: &str, body: &str) -> CallError {
        failure::malformed(what, &self.endpoint.mask(body.to_owned()))
    }

    /// The id by which the provider finds the request in its logs.
    pub(in crate::provider) fn request_id(&self) -> Option<&str> {
        self.request_id.get().map(String::as_str)
    }

    /// Why the body ended before its end.
    pub(in crate::provider) fn broken(&self) -> Option<CallError> {
        self.broken.get().cloned()
    }

    /// Whether the stream said that it is complete.
    pub(in crate::provider) fn is_done(&self) -> bool {
        self.is_done.load(Ordering::Acquire)
    }

    /// Notes that the answer is complete.
    pub(in crate::provider) fn finish(&self) {
        self.is_done.store(true, Ordering::Release);
    }

    /// Whether a stream is asked for.
    pub(in crate::provider) const fn is_stream(&self) -> bool {
        self.is_stream
    }

    fn note_request_id(&self, response: &Response) {
        let id = REQUEST_ID.iter().find_map(|name| response.headers().get(name));
        if let Some(id) = id.and_then(|id| id.to_str().ok()).filter(|id| !id.is_empty()) {
            let _ = self.request_id.set(id.to_owned());
        }
    }
}

/// Sends one request and gives an answer with a good status.
///
/// # Errors
/// What everything else is.
pub(in crate::provider) async fn opened(
    client: &Client,
    exchange: &Exchange,
    request: Request,
) -> Result<Response, CallError> {
    let endpoint = &exchange.endpoint;
    let response = client.execute(request).await.map_err(|error| failure::of_transport(&error, endpoint.base()))?;
    exchange.note_request_id(&response);
    let status = response.status();
    if !status.is_success() {
        // Apart, since hardly any answer needs the room.
        return Err(Box::pin(refusal(response, endpoint)).await);
    }
    if failure::is_html(response.headers()) {
        let kind = failure::content_type(response.headers()).unwrap_or_default();
        return Err(CallError::Malformed(format!("the answer is a page for people ({kind}), not JSON")));
    }
    Ok(response)
}

/// The error of an answer whose status is no success.
async fn refusal(response: Response, endpoint: &Endpoint) -> CallError {
    let (status, headers) = (response.status(), response.headers().clone());
    let body = error_body(response).await;
    failure::of_status(status, &headers, &endpoint.mask(body))
}

/// The whole body, without a byte order mark. It comes in one piece as a rule, which is not copied then.
///
/// # Errors
/// When it breaks, or has no end.
pub(in crate::provider) async fn whole_body(mut response: Response, endpoint: &Endpoint) -> Result<Bytes, CallError> {
    let broke = |error: reqwest::Error| failure::of_transport(&error, endpoint.base());
    let first = response.chunk().await.map_err(broke)?.unwrap_or_default();
    let mut joined = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(broke)? {
        if joined.is_empty() {
            joined.extend_from_slice(&first);
        }
        joined.extend_from_slice(&piece);
        if joined.len() > LONGEST_BODY {
            return Err(too_long());
        }
    }
    let whole = if joined.is_empty() { first } else { joined.into() };
    Ok(if whole.starts_with(&BYTE_ORDER_MARK) { whole.slice(BYTE_ORDER_MARK.len()..) } else { whole })
}

/// What is wrong with a body that has no end.
pub(in crate::provider) fn too_long() -> CallError {
    CallError::Malformed(format!("the answer is longer than {} MiB", LONGEST_BODY >> 20))
}

/// What can be had of an error's body. A body that breaks or hangs must not take the status with it.
pub(in crate::provider) async fn error_body(mut response: Response) -> String {
    let mut body = Vec::new();
    let read = async {
        while let Ok(Some(piece)) = response.chunk().await {
            body.extend_from_slice(&piece);
            if body.len() >= LONGEST_ERROR_BODY {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(ERROR_BODY_WAIT, read).await;
    String::from_utf8_lossy(&body).into_owned()
}

/// A piece of a body.
pub(in crate::provider) type Piece = Result<Bytes, io::Error>;

/// Watches a body as it passes: what breaks it, how long it gets, and the `[DONE]` that the library swallows.
fn tap(response: Response, exchange: Arc<Exchange>) -> impl Stream<Item = Piece> + Send {
    let mut length = 0;
    let mut line = LastLine::default();
    response.bytes_stream().map(move |piece| {
        let error = match piece {
            Ok(piece) => {
                length += piece.len();
                if exchange.is_stream && line.passes(&piece) {
                    exchange.finish();
                }
                if length <= LONGEST_BODY {
                    return Ok(piece);
                }
                too_long()
            }
            Err(error) => failure::of_transport(&error, exchange.endpoint.base()),
        };
        let _ = exchange.broken.set(error.clone());
        Err(io::Error::other(error))
    })
}

/// What some servers put before their text. JSON has none, and the library's reader of events breaks on it.
const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// The pieces without a byte order mark before the first.
async fn without_mark(
    mut pieces: impl Stream<Item = Piece> + Send + Unpin + 'static,
) -> impl Stream<Item = Piece> + Send + Unpin + 'static {
    let mut head = Vec::new();
    let mut end = None;
    while head.len() < BYTE_ORDER_MARK.len() && BYTE_ORDER_MARK.starts_with(&head) && end.is_none() {
        match pieces.next().await {
            Some(Ok(piece)) => head.extend_from_slice(&piece),
            other => end = Some(other),
        }
    }
    let head = Bytes::from(head);
    let head = if head.starts_with(&BYTE_ORDER_MARK) { head.slice(BYTE_ORDER_MARK.len()..) } else { head };
    let head = (!head.is_empty()).then_some(Piece::Ok(head));
    stream::iter(head.into_iter().chain(end.flatten())).chain(pieces)
}

/// The same bytes, cut behind each end of a line.
///
/// The library begins an unfinished line anew with every piece of it, and moves what is left of a piece with every line
/// in it: a long line in small pieces, or a long piece of small lines, would cost the square of its length.
fn by_lines(pieces: impl Stream<Item = Piece> + Send + Unpin) -> impl Stream<Item = Piece> + Send {
    stream::unfold((pieces, Bytes::new(), Vec::new()), |(mut pieces, mut piece, mut begun)| async move {
        loop {
            if let Some(line) = take_line(&mut piece) {
                let line = if begun.is_empty() { line } else { [begun.as_slice(), &line].concat().into() };
                return Some((Ok(line), (pieces, piece, Vec::new())));
            }
            begun.extend_from_slice(&piece);
            match pieces.next().await {
                Some(Ok(next)) => piece = next,
                // The line that an error cuts off is none.
                Some(Err(error)) => return Some((Err(error), (pieces, Bytes::new(), Vec::new()))),
                None if begun.is_empty() => return None,
                None => return Some((Ok(begun.into()), (pieces, Bytes::new(), Vec::new()))),
            }
        }
    })
}

/// Takes the first line with its end off the piece; `None` where no line ends in it.
fn take_line(piece: &mut Bytes) -> Option<Bytes> {
    let end = piece.iter().position(|byte| matches!(byte, b'\n' | b'\r'))? + 1;
    let is_pair = piece[..end].ends_with(b"\r") && piece[end..].starts_with(b"\n");
    Some(piece.split_to(end + usize::from(is_pair)))
}

/// The line of a stream that is being received, as far as it is needed to know a `[DONE]`.
#[derive(Debug, Default)]
struct LastLine(Vec<u8>);

impl LastLine {
    /// Takes a piece and says whether a `[DONE]` line stood in it or ended in it.
    fn passes(&mut self, piece: &[u8]) -> bool {
        let mut lines = piece.split(|byte| matches!(byte, b'\n' | b'\r'));
        let mut is_done = self.extend(lines.next().unwrap_or_default());
        for line in lines {
            self.0.clear();
            is_done |= self.extend(line);
        }
        is_done
    }

    fn extend(&mut self, bytes: &[u8]) -> bool {
        // One byte more than the longest mark is enough to see that a line is none.
        let room = (DONE_LINES[0].len() + 1).saturating_sub(self.0.len());
        self.0.extend_from_slice(&bytes[..bytes.len().min(room)]);
        DONE_LINES.contains(&self.0.as_slice())
    }
}

/// What came where a stream was asked for.
pub(in crate::provider) enum Came<S> {
    /// Plain JSON, to its end: a whole answer or an error object, of a server that cannot stream.
    Whole(Vec<u8>),
    /// Lines of events.
    Lines(S),
}

/// Tells a stream from a whole answer. Which of the two it is shows in the first byte, for no line of a stream begins with a
/// brace; the content type is often wrong.
///
/// # Errors
/// When nothing comes, or what comes breaks.
pub(in crate::provider) async fn come(
    response: Response,
    exchange: &Arc<Exchange>,
) -> Result<Came<impl Stream<Item = Piece> + Send + 'static>, CallError> {
    let mut pieces = without_mark(Box::pin(tap(response, Arc::clone(exchange)))).await;
    let mut head = Vec::new();
    let first = loop {
        let Some(piece) = pieces.next().await else {
            return Err(CallError::Malformed("the answer is empty".to_owned()));
        };
        let piece = piece.map_err(|error| broken(exchange, &error))?;
        head.extend_from_slice(&piece);
        if let Some(byte) = piece.iter().copied().find(|byte: &u8| !byte.is_ascii_whitespace()) {
            break byte;
        }
    };
    if !matches!(first, b'{' | b'[') {
        let pieces = Box::pin(stream::iter([Piece::Ok(head.into())]).chain(pieces));
        return Ok(Came::Lines(by_lines(pieces)));
    }
    while let Some(piece) = pieces.next().await {
        head.extend_from_slice(&piece.map_err(|error| broken(exchange, &error))?);
    }
    Ok(Came::Whole(head))
}

fn broken(exchange: &Exchange, error: &io::Error) -> CallError {
    exchange.broken().unwrap_or_else(|| CallError::Connection(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sees_done(pieces: &[&str]) -> bool {
        let mut line = LastLine::default();
        pieces.iter().filter(|piece| line.passes(piece.as_bytes())).count() > 0
    }

    fn pieces(texts: &[&str]) -> impl Stream<Item = Piece> + Send + Unpin + 'static {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        stream::iter(texts.into_iter().map(|text| Ok(Bytes::from(text))))
    }

    async fn read(pieces: impl Stream<Item = Piece>) -> Vec<String> {
        let text = |piece: Piece| String::from_utf8(piece.unwrap().to_vec()).unwrap();
        pieces.map(text).collect().await
    }

    #[tokio::test]
    async fn whatever_the_pieces_are_each_line_comes_whole_and_alone() {
        for (given, lines) in [
            (&[][..], &[][..]),
            (&["a\nb\n"], &["a\n", "b\n"]),
            (&["a", "b", "", "c\n", "d"], &["abc\n", "d"]),
            (&["a\r\n\r\nb\rc"], &["a\r\n", "\r\n", "b\r", "c"]),
            (&["a\r", "\nb\n"], &["a\r", "\n", "b\n"]),
        ] {
            assert_eq!(read(by_lines(pieces(given))).await, lines, "{given:?}");
        }
    }

    #[tokio::test]
    async fn a_byte_order_mark_is_dropped_from_the_beginning_alone() {
        for (given, text) in [
            (&[][..], ""),
            (&["\u{feff}a\u{feff}"], "a\u{feff}"),
            (&["", "\u{feff}", "\u{feff}a"], "\u{feff}a"),
            (&["a", "\u{feff}b"], "a\u{feff}b"),
            (&["é", "a"], "éa"),
            (&["a"], "a"),
        ] {
            assert_eq!(read(without_mark(pieces(given)).await).await.concat(), text, "{given:?}");
        }
        let cut = stream::iter([&[0xef][..], &[0xbb], &[0xbf, b'a']].map(|bytes| Ok(Bytes::copy_from_slice(bytes))));
        assert_eq!(read(without_mark(cut).await).await.concat(), "a");
    }

    #[test]
    fn a_done_is_seen_however_the_bytes_are_cut() {
        for stream in ["data: {}\n\ndata: [DONE]\n\n", "data: {}\r\n\r\ndata:[DONE]\r\n\r\n", "data: [DONE]"] {
            for at in 0..=stream.len() {
                assert!(sees_done(&[&stream[..at], &stream[at..]]), "{stream:?} cut at {at}");
            }
        }
    }

    #[test]
    fn a_done_inside_a_text_is_none() {
        for stream in
            ["data: {\"content\": \"data: [DONE]\"}\n\n", "data: [DONE]x\n", "event: data: [DONE]\n", "data: [DON\nE]"]
        {
            assert!(!sees_done(&[stream]), "{stream:?}");
        }
    }
}
