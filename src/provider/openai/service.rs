//! The way of one try through HTTP, as the tower service below async-openai: request → status → what the provider asks
//! for → error body made uniform → content type → tap.
//!
//! What goes wrong here is a [`CallError`] inside the box that the library passes through. What the library does not hand
//! on (the request's id, a seen `[DONE]`, why a body broke) stands in the try's [`Exchange`].

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_openai::middleware::HttpRequestFactory;
use bytes::Bytes;
use futures::stream::{self, Stream, StreamExt};
use reqwest::{Body, Client, Response};
use tower::BoxError;

use super::endpoint::Endpoint;
use super::failure;
use crate::provider::CallError;

/// The longest body that is read, in bytes: far above any reply, and below what would fill a machine.
const LONGEST_BODY: usize = 64 << 20;
/// How much is read of an error's body, in bytes, and for how long.
const LONGEST_ERROR_BODY: usize = 64 << 10;
const ERROR_BODY_WAIT: Duration = Duration::from_secs(5);
/// What the last event of a stream is, as a line of server-sent events.
const DONE_LINES: [&[u8]; 2] = [b"data: [DONE]", b"data:[DONE]"];

/// What is learnt about one try beside its reply.
pub(super) struct Exchange {
    /// Where it goes.
    pub(super) endpoint: Arc<Endpoint>,
    is_stream: bool,
    request_id: OnceLock<String>,
    broken: OnceLock<CallError>,
    is_done: AtomicBool,
}

impl Exchange {
    /// A try that asks for a stream, or for a whole reply.
    pub(super) fn new(endpoint: &Arc<Endpoint>, is_stream: bool) -> Self {
        let (request_id, broken, is_done) = (OnceLock::new(), OnceLock::new(), AtomicBool::new(false));
        Self { endpoint: Arc::clone(endpoint), is_stream, request_id, broken, is_done }
    }

    /// The error of a body that is not what was asked for, quoted without the key.
    pub(super) fn malformed(&self, what: &str, body: &str) -> CallError {
        failure::malformed(what, &self.endpoint.mask(body))
    }

    /// The id by which the provider finds the request in its logs.
    pub(super) fn request_id(&self) -> Option<&str> {
        self.request_id.get().map(String::as_str)
    }

    /// Why the body ended before its end.
    pub(super) fn broken(&self) -> Option<CallError> {
        self.broken.get().cloned()
    }

    /// Whether the stream said that it is complete.
    pub(super) fn is_done(&self) -> bool {
        self.is_done.load(Ordering::Acquire)
    }

    fn finish(&self) {
        self.is_done.store(true, Ordering::Release);
    }

    fn note_request_id(&self, response: &Response) {
        let id =
            ["x-request-id", "request-id", "x-amzn-requestid"].iter().find_map(|name| response.headers().get(*name));
        if let Some(id) = id.and_then(|id| id.to_str().ok()).filter(|id| !id.is_empty()) {
            let _ = self.request_id.set(id.to_owned());
        }
    }
}

/// Sends one request and gives an answer that the library can take: a JSON body, or a stream of events.
///
/// # Errors
/// A [`CallError`] for everything that is no good answer.
pub(super) async fn send(
    client: Client,
    exchange: Arc<Exchange>,
    request: HttpRequestFactory,
) -> Result<Response, BoxError> {
    let endpoint = &exchange.endpoint;
    let request = request.build().await?;
    let response = client.execute(request).await.map_err(|error| failure::of_transport(&error, endpoint.base()))?;
    exchange.note_request_id(&response);
    let (status, headers) = (response.status(), response.headers().clone());
    if !status.is_success() {
        let body = error_body(response).await;
        return Err(failure::of_status(status, &headers, &endpoint.mask(&body)).into());
    }
    if failure::is_html(&headers) {
        let kind = failure::content_type(&headers).unwrap_or_default();
        return Err(CallError::Malformed(format!("the answer is a page for people ({kind}), not JSON")).into());
    }
    let pieces = Box::pin(tap(response, Arc::clone(&exchange)));
    if exchange.is_stream { as_events(pieces, &exchange).await } else { Ok(answer(Body::wrap_stream(pieces))) }
}

fn answer(body: Body) -> Response {
    http::Response::new(body).into()
}

/// What can be had of an error's body. A body that breaks or hangs must not take the status with it.
async fn error_body(mut response: Response) -> String {
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

type Piece = Result<Bytes, io::Error>;

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
                CallError::Malformed(format!("the answer is longer than {} MiB", LONGEST_BODY >> 20))
            }
            Err(error) => failure::of_transport(&error, exchange.endpoint.base()),
        };
        let _ = exchange.broken.set(error.clone());
        Err(io::Error::other(error))
    })
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

/// Makes a stream of events of what came where a stream was asked for. Servers that cannot stream answer with the whole
/// completion, or with an error object, as plain JSON: that becomes a stream of one event. Which of the two it is shows in
/// the first byte, for no line of a stream begins with a brace; the content type is often wrong.
async fn as_events(
    mut pieces: impl Stream<Item = Piece> + Send + Unpin + 'static,
    exchange: &Exchange,
) -> Result<Response, BoxError> {
    let mut head = Vec::new();
    let first = loop {
        if let Some(byte) = head.iter().copied().find(|byte: &u8| !byte.is_ascii_whitespace()) {
            break byte;
        }
        match pieces.next().await {
            Some(piece) => head.extend_from_slice(&piece.map_err(|error| broken(exchange, error))?),
            None => return Err(CallError::Malformed("the answer is empty".to_owned()).into()),
        }
    };
    if !matches!(first, b'{' | b'[') {
        return Ok(answer(Body::wrap_stream(stream::iter([Piece::Ok(head.into())]).chain(pieces))));
    }
    while let Some(piece) = pieces.next().await {
        head.extend_from_slice(&piece.map_err(|error| broken(exchange, error))?);
    }
    let whole: serde_json::Value = serde_json::from_slice(&head)
        .map_err(|_| exchange.malformed("the answer is neither a stream nor JSON", &String::from_utf8_lossy(&head)))?;
    exchange.finish();
    Ok(answer(Body::from(format!("data: {whole}\n\n"))))
}

fn broken(exchange: &Exchange, error: io::Error) -> BoxError {
    exchange.broken().map_or_else(|| error.into(), Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sees_done(pieces: &[&str]) -> bool {
        let mut line = LastLine::default();
        pieces.iter().filter(|piece| line.passes(piece.as_bytes())).count() > 0
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
