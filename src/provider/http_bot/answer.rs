//! How an answer of a bot is read: whole, as server-sent events, or as plain text that arrives in pieces. Half a reply is none.

use std::time::Duration;

use http::header::{HeaderMap, SET_COOKIE};
use reqwest::Response;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::HttpBotConfig;
use super::events::{Event, Events};
use crate::model::{JsonPath, Reply, Usage};
use crate::provider::attempt::{ErrorObject, LONGEST_BODY, count, error_body, failure, too_long};
use crate::provider::secrets::{MaskedPieces, Secrets};
use crate::provider::{CallError, ChatReply, Observer};

/// How many times as long as it may be silent a stream may take in all.
const WHOLE: u32 = 10;

/// Where the reply is in a whole answer.
#[derive(Debug, Clone, PartialEq)]
pub enum ReplyAt {
    /// The whole body is it.
    Body,
    /// What a path finds in the JSON; of several texts all, one behind the other.
    Path(JsonPath),
}

/// Where the first answer says the session's id.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionAt {
    /// What stands in its place in the first message.
    pub first: Value,
    /// Where it is said.
    pub place: SessionPlace,
}

/// Where a session's id is said.
#[derive(Debug, Clone, PartialEq)]
pub enum SessionPlace {
    /// In the JSON; of a stream in the first event that has it.
    Path(JsonPath),
    /// In a header; of `Set-Cookie` all cookies, as `Cookie` has them.
    Header(String),
}

impl SessionAt {
    /// What is wrong with an answer that says none.
    pub(super) fn missing(&self) -> CallError {
        CallError::Malformed(match &self.place {
            SessionPlace::Path(path) => format!("the first answer has no session at `{}`", path.as_str()),
            SessionPlace::Header(name) => format!("the first answer has no header `{name}`"),
        })
    }

    fn in_headers(&self, headers: &HeaderMap) -> Option<Value> {
        let SessionPlace::Header(name) = &self.place else { return None };
        let value = if name.eq_ignore_ascii_case("set-cookie") {
            cookies(headers)
        } else {
            headers.get(name)?.to_str().ok()?.trim().to_owned()
        };
        Some(value).filter(|value| !value.is_empty()).map(Value::from)
    }

    fn in_json(&self, answer: &Value) -> Option<Value> {
        let SessionPlace::Path(path) = &self.place else { return None };
        let (_, found) = path.find(answer).into_iter().next()?;
        matches!(found, Value::String(_) | Value::Number(_)).then(|| found.clone())
    }
}

/// How a streamed answer is read.
#[derive(Debug, Clone, PartialEq)]
pub enum StreamAt {
    /// The body is the reply.
    Text,
    /// Server-sent events.
    Events {
        /// Where the text is in each.
        piece: Pieces,
        /// What the last one is; `None` where the end of the body is the end.
        done: Option<Mark>,
    },
}

/// Where the text of an event is.
#[derive(Debug, Clone, PartialEq)]
pub enum Pieces {
    /// Its data is it.
    Data,
    /// What a path finds in its data, which is JSON.
    Path(JsonPath),
}

/// What the last event is.
#[derive(Debug, Clone, PartialEq)]
pub enum Mark {
    /// Its data is this text.
    Data(String),
    /// In its data, which is JSON, a path finds this value.
    At(JsonPath, Value),
}

impl Mark {
    fn is(&self, data: &str, json: Option<&Value>) -> bool {
        match self {
            Self::Data(mark) => data.trim() == mark,
            Self::At(path, wanted) => {
                json.is_some_and(|json| path.find(json).iter().any(|(_, found)| *found == wanted))
            }
        }
    }
}

/// Where the tokens are said.
#[derive(Debug, Clone, PartialEq)]
pub struct UsageAt {
    /// Those that the bot sent to its model.
    pub sent: JsonPath,
    /// Those of the reply.
    pub reply: JsonPath,
}

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Read {
    text: String,
    chunks: Vec<u32>,
    finish_reason: Option<String>,
    usage: Option<Usage>,
    ttft: Option<Duration>,
    latency: Duration,
    /// The session's id, where the answer says it.
    pub(super) session: Option<Value>,
}

impl Read {
    pub(super) fn into_reply(self) -> ChatReply {
        ChatReply {
            reply: Reply { text: self.text, finish_reason: self.finish_reason },
            chunks: self.chunks,
            thinking: None,
            usage: self.usage,
            latency: self.latency,
            ttft: self.ttft,
            model_reported: None,
            fingerprint: None,
            attempts: 1,
            reserved_usd: None,
        }
    }
}

/// All that reading an answer hangs on.
#[derive(Clone, Copy)]
pub(super) struct Reading<'r> {
    pub(super) config: &'r HttpBotConfig,
    pub(super) secrets: &'r Secrets,
    pub(super) shown: &'r str,
    pub(super) timeout: Duration,
    pub(super) started: Instant,
    pub(super) observer: &'r dyn Observer,
}

impl Reading<'_> {
    /// Reads an answer to its end.
    ///
    /// # Errors
    /// When it is no reply, or not a whole one.
    pub(super) async fn read(self, response: Response) -> Result<Read, CallError> {
        let status = response.status();
        let headers = response.headers().clone();
        if !status.is_success() {
            let body = self.secrets.mask(error_body(response).await);
            return Err(failure::of_status(status, &headers, &body));
        }
        let kind = failure::content_type(&headers).unwrap_or_default();
        if failure::is_html(&headers) {
            return Err(CallError::Malformed(format!("the answer is a page for people ({kind})")));
        }
        let session = self.config.session.as_ref().and_then(|session| session.in_headers(&headers));
        let mut read = match &self.config.stream {
            // A bot that did not stream this time has answered whole.
            Some(stream) if !kind.starts_with("application/json") => self.streamed(stream, response).await?,
            _ if kind.starts_with("text/event-stream") => {
                let help = "`stream:` in the config says how they are read";
                return Err(CallError::Malformed(format!("the answer is a stream of events; {help}")));
            }
            _ => self.whole(response).await?,
        };
        read.session = session.or(read.session);
        Ok(read)
    }

    async fn whole(self, mut response: Response) -> Result<Read, CallError> {
        let end = self.started + self.timeout;
        let mut body = Vec::new();
        while let Some(piece) = self.next(&mut response, end, || failure::no_answer(self.timeout)).await? {
            body.extend_from_slice(&piece);
            if body.len() > LONGEST_BODY {
                return Err(too_long());
            }
        }
        let latency = self.started.elapsed();
        let body = String::from_utf8_lossy(&body);
        let body = body.trim_start_matches('\u{feff}');
        let mut read = Read { latency, ..Read::default() };
        let text = match &self.config.reply {
            ReplyAt::Body => body.to_owned(),
            ReplyAt::Path(path) => {
                let malformed = |what: &str| failure::malformed(what, &self.secrets.mask(body.to_owned()));
                let answer: Value = serde_json::from_str(body).map_err(|_| malformed("the answer is not JSON"))?;
                self.note(&mut read, &answer);
                let what = || format!("the answer has no text at `{}`", path.as_str());
                text_at(path, &answer).ok_or_else(|| malformed(&what()))?
            }
        };
        read.text = self.secrets.mask(text);
        Ok(read)
    }

    async fn streamed(self, stream: &StreamAt, mut response: Response) -> Result<Read, CallError> {
        let end = self.started + self.timeout.saturating_mul(WHOLE);
        let mut growing = Growing { reading: self, masked: MaskedPieces::new(self.secrets), read: Read::default() };
        let (mut events, mut begun, mut length) = (Events::default(), Vec::new(), 0);
        let mut found = Found::default();
        loop {
            let silent = Instant::now() + self.timeout;
            let late = || {
                let (what, seconds) = if silent <= end {
                    ("the stream was silent for", self.timeout)
                } else {
                    ("the stream did not end within", self.timeout.saturating_mul(WHOLE))
                };
                CallError::Connection(format!("{what} {}", failure::seconds(seconds)))
            };
            let piece = self.next(&mut response, silent.min(end), late).await?;
            length += piece.as_ref().map_or(0, Vec::len);
            if length > LONGEST_BODY {
                return Err(too_long());
            }
            match stream {
                StreamAt::Text => {
                    begun.extend_from_slice(piece.as_deref().unwrap_or_default());
                    growing.push(&whole_characters(&mut begun, piece.is_none())?);
                }
                StreamAt::Events { piece: at, done } => {
                    let ended = match &piece {
                        Some(piece) => events.push(piece),
                        None => events.finish().into_iter().collect(),
                    };
                    for event in ended {
                        found.event(&mut growing, &event, (at, done.as_ref()))?;
                        if found.is_done {
                            break;
                        }
                    }
                }
            }
            if found.is_done || piece.is_none() {
                break;
            }
        }
        if let StreamAt::Events { piece, done } = stream {
            found.check(piece, done.as_ref())?;
        }
        Ok(growing.finish())
    }

    /// The next piece of a body; `None` at its end.
    async fn next(
        self,
        response: &mut Response,
        until: Instant,
        late: impl FnOnce() -> CallError,
    ) -> Result<Option<Vec<u8>>, CallError> {
        let piece = timeout_at(until, response.chunk()).await.map_err(|_| late())?;
        let piece = piece.map_err(|error| failure::of_transport(&error, self.shown))?;
        Ok(piece.map(|bytes| bytes.to_vec()))
    }

    /// Takes of an answer, or of an event, what is said beside the text.
    fn note(self, read: &mut Read, answer: &Value) {
        if let Some(session) = self.config.session.as_ref().filter(|_| read.session.is_none()) {
            read.session = session.in_json(answer);
        }
        if let Some(path) = &self.config.finish_reason {
            let reason = text_at(path, answer).filter(|reason| !reason.is_empty());
            read.finish_reason = reason.map(|reason| self.secrets.mask(reason)).or(read.finish_reason.take());
        }
        if let Some(at) = &self.config.usage {
            let number = |path: &JsonPath| path.find(answer).into_iter().find_map(|(_, found)| count(found.as_u64()));
            let usage = number(&at.sent).zip(number(&at.reply));
            read.usage = usage.map(|(sent, reply)| Usage { sent, reply, estimated: false }).or(read.usage);
        }
    }
}

/// What the events of a stream had.
#[derive(Default)]
struct Found {
    /// Some event had a text.
    has_text: bool,
    /// The end mark was seen.
    is_done: bool,
}

impl Found {
    fn event(
        &mut self,
        growing: &mut Growing<'_>,
        event: &Event,
        (at, done): (&Pieces, Option<&Mark>),
    ) -> Result<(), CallError> {
        let data = &*event.data;
        if event.is_error {
            return Err(told_error(growing.reading.secrets, data));
        }
        if matches!(done, Some(Mark::Data(_))) && done.is_some_and(|done| done.is(data, None)) {
            self.is_done = true;
            return Ok(());
        }
        let json: Option<Value> = serde_json::from_str(data).ok();
        if let Some(json) = &json {
            let reading = growing.reading;
            reading.note(&mut growing.read, json);
        }
        let text = match (at, &json) {
            (Pieces::Data, _) => Some(data.to_owned()),
            (Pieces::Path(path), Some(json)) => text_at(path, json),
            (Pieces::Path(_), None) if data.trim().is_empty() => None,
            (Pieces::Path(_), None) => {
                let data = growing.reading.secrets.mask(data.to_owned());
                return Err(failure::malformed("the data of an event is not JSON", &data));
            }
        };
        let has_piece = text.as_ref().is_some_and(|text| !text.is_empty());
        if !has_piece && json.as_ref().is_some_and(|json| ErrorObject::in_answer(json).is_some()) {
            return Err(told_error(growing.reading.secrets, data));
        }
        let is_last = done.is_some_and(|done| done.is(data, json.as_ref()));
        if let Some(text) = text {
            self.has_text = true;
            growing.push(&text);
        }
        self.is_done = is_last;
        Ok(())
    }

    /// Whether the stream came to its end.
    fn check(&self, at: &Pieces, done: Option<&Mark>) -> Result<(), CallError> {
        if done.is_some() && !self.is_done {
            return Err(CallError::Malformed("the stream ended without its end mark".to_owned()));
        }
        if !self.has_text {
            let place = match at {
                Pieces::Data => String::new(),
                Pieces::Path(path) => format!(" at `{}`", path.as_str()),
            };
            return Err(CallError::Malformed(format!("no event of the stream has a text{place}")));
        }
        Ok(())
    }
}

/// A streamed reply as far as it came.
struct Growing<'r> {
    reading: Reading<'r>,
    masked: MaskedPieces<'r>,
    read: Read,
}

impl Growing<'_> {
    fn push(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        self.read.ttft.get_or_insert_with(|| self.reading.started.elapsed());
        let text = self.masked.push(text);
        self.show(&text);
    }

    fn show(&mut self, text: &str) {
        if !text.is_empty() {
            self.read.text.push_str(text);
            self.read.chunks.push(u32::try_from(text.len()).unwrap_or(u32::MAX));
            self.reading.observer.delta(text);
        }
    }

    fn finish(mut self) -> Read {
        let held = self.masked.finish();
        self.show(&held);
        self.read.latency = self.reading.started.elapsed();
        self.read
    }
}

/// What a bot says of its failure in the middle of a stream, whose status was good. What came before it is no reply.
fn told_error(secrets: &Secrets, data: &str) -> CallError {
    failure::malformed("the stream has an error in it", &secrets.mask(data.to_owned()))
}

/// The cookies that an answer sets, as a client sends them back: of one name the last, and none that is taken back.
fn cookies(headers: &HeaderMap) -> String {
    let mut kept: Vec<(&str, &str)> = Vec::new();
    for line in headers.get_all(SET_COOKIE).iter().filter_map(|line| line.to_str().ok()) {
        let mut parts = line.split(';').map(str::trim);
        let Some((name, value)) = parts.next().and_then(|cookie| cookie.split_once('=')) else { continue };
        let (name, value) = (name.trim(), value.trim());
        kept.retain(|(known, _)| *known != name);
        let is_gone = |part: &str| {
            let age = part.split_once('=').filter(|(key, _)| key.trim().eq_ignore_ascii_case("max-age"));
            age.and_then(|(_, age)| age.trim().parse::<i64>().ok()).is_some_and(|age| age <= 0)
        };
        if !parts.any(is_gone) {
            kept.push((name, value));
        }
    }
    kept.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
}

/// The texts that a path finds, one behind the other; `null` is an empty one. `None` where it finds none.
fn text_at(path: &JsonPath, answer: &Value) -> Option<String> {
    let found = path.find(answer);
    let texts = found.iter().filter_map(|(_, found)| match found {
        Value::String(text) => Some(text.as_str()),
        Value::Null => Some(""),
        _ => None,
    });
    let texts: Vec<&str> = texts.collect();
    (!texts.is_empty()).then(|| texts.concat())
}

/// Takes the characters that are whole; at the end nothing may be left.
fn whole_characters(bytes: &mut Vec<u8>, is_end: bool) -> Result<String, CallError> {
    let (length, is_broken) = match str::from_utf8(bytes) {
        Ok(text) => (text.len(), false),
        Err(error) => (error.valid_up_to(), is_end || error.error_len().is_some()),
    };
    if is_broken {
        return Err(CallError::Malformed("the answer is no UTF-8 text".to_owned()));
    }
    let whole: Vec<u8> = bytes.drain(..length).collect();
    Ok(String::from_utf8(whole).unwrap_or_default())
}
