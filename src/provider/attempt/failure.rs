//! What a failure is called and which kind it is: a status with its body, an error object in a good answer, a broken
//! connection.
//!
//! What another try can help, what is final for the request and what is final for the model are told apart by the status
//! and by the error's code. Texts are put together at full length; [`polish`] makes them one visible line of bearable
//! length at the very end.

use std::error::Error;
use std::io;
use std::time::{Duration, SystemTime};

use http::StatusCode;
use http::header::{DATE, HeaderMap, RETRY_AFTER};
use serde_json::Value;

use super::error_object::ErrorObject;
use crate::provider::CallError;
use crate::text::escape;

/// How long connecting may take, TLS included.
pub(in crate::provider) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an error text may be, in characters, without the request id.
const LONGEST_TEXT: usize = 300;
/// How much of a body that is no reply is quoted, in characters.
const LONGEST_QUOTE: usize = 120;

/// The error of an answer whose status is no success.
pub(in crate::provider) fn of_status(status: StatusCode, headers: &HeaderMap, body: &str) -> CallError {
    let error = error_of_body(status, headers, body);
    let message = describe(status, &error);
    let retry_after = retry_after(headers, SystemTime::now()).or(error.wait);
    let status_code = status.as_u16();
    if is_unusable(status_code, &error) {
        return CallError::ModelUnusable { status: status_code, message };
    }
    match status_code {
        408 | 409 | 425 | 429 => CallError::RateLimited { status: status_code, message, retry_after },
        501 | 505 => CallError::Refused { status: status_code, message },
        500.. => CallError::Server { status: status_code, message, retry_after },
        _ => CallError::Refused { status: status_code, message },
    }
}

/// The error of an answer with a good status that has an error object in place of a reply, or of its rest.
pub(in crate::provider) fn of_error_object(error: &ErrorObject) -> CallError {
    let message = describe(StatusCode::OK, error);
    if error.is(&["insufficient_quota"]) || error.is_exhausted {
        return CallError::ModelUnusable { status: 200, message };
    }
    let names = [
        "rate_limit_exceeded",
        "rate_limit_error",
        "rate_limit",
        "too_many_requests",
        "resource_exhausted",
        // Anthropic says so in the middle of a stream where it would give the status 529.
        "overloaded_error",
    ];
    if error.number == Some(429) || error.is(&names) {
        return CallError::RateLimited { status: 200, message, retry_after: error.wait };
    }
    CallError::Malformed(message)
}

/// The error of a body that is not what was asked for, quoted.
pub(in crate::provider) fn malformed(what: &str, body: &str) -> CallError {
    if body.trim().is_empty() {
        return CallError::Malformed(format!("{what}: it is empty"));
    }
    CallError::Malformed(format!("{what}: {}", escape::quote(body.trim(), LONGEST_QUOTE)))
}

/// The error of a request that got no answer, or no whole one.
pub(in crate::provider) fn of_transport(error: &reqwest::Error, base: &str) -> CallError {
    let cause = cause(error);
    if error.is_connect() {
        let cause =
            if error.is_timeout() { format!("no connection within {}", seconds(CONNECT_TIMEOUT)) } else { cause };
        return CallError::Unreachable(format!("cannot connect to {base}: {cause}"));
    }
    CallError::Connection(format!("the connection to {base} broke: {cause}"))
}

/// The error of a wait that was too long.
pub(in crate::provider) fn no_answer(timeout: Duration) -> CallError {
    CallError::Connection(format!("no answer within {}", seconds(timeout)))
}

/// A duration in words: `120 s`, `0.5 s`.
pub(in crate::provider) fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

/// Makes the error's text fit to be shown: one line, nothing invisible, not too long, with the request's id behind it.
pub(in crate::provider) fn polish(
    error: CallError,
    request_id: Option<&str>,
    mask: &dyn Fn(&str) -> String,
) -> CallError {
    let line = |text: &str, limit: usize| {
        let line = mask(text).split_whitespace().collect::<Vec<_>>().join(" ");
        shorten(&escape::visible(&line), limit)
    };
    let finish = |text: String| match request_id {
        Some(id) => format!("{} (request {})", line(&text, LONGEST_TEXT), line(id, 80)),
        None => line(&text, LONGEST_TEXT),
    };
    match error {
        CallError::OverBudget(refused) => CallError::OverBudget(refused),
        CallError::Unreachable(text) => CallError::Unreachable(finish(text)),
        CallError::Connection(text) => CallError::Connection(finish(text)),
        CallError::Malformed(text) => CallError::Malformed(finish(text)),
        CallError::RateLimited { status, message, retry_after } => {
            CallError::RateLimited { status, message: finish(message), retry_after }
        }
        CallError::Server { status, message, retry_after } => {
            CallError::Server { status, message: finish(message), retry_after }
        }
        CallError::Refused { status, message } => CallError::Refused { status, message: finish(message) },
        CallError::NotAgain { status, message } => CallError::NotAgain { status, message: finish(message) },
        CallError::ModelUnusable { status, message } => CallError::ModelUnusable { status, message: finish(message) },
        unsent @ (CallError::Unsendable(_)
        | CallError::ModelStopped(_)
        | CallError::NotRecorded(_)
        | CallError::Interrupted) => unsent,
    }
}

/// The last word in a chain of causes: what really happened.
pub(in crate::provider) fn innermost(error: &(dyn Error + 'static)) -> String {
    causes(error).last().map_or_else(|| error.to_string(), ToString::to_string)
}

fn shorten(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    text.chars().take(limit).chain(['…']).collect()
}

/// `429 rate_limit_exceeded: Rate limit reached`, with what there is of it.
fn describe(status: StatusCode, error: &ErrorObject) -> String {
    let label = error.code.as_ref().or(error.kind.as_ref());
    let head = match (status, error.number) {
        (StatusCode::OK, Some(number)) => format!("200 with error {number}"),
        (StatusCode::OK, None) => "200 with an error".to_owned(),
        _ => status.as_str().to_owned(),
    };
    let joint = if status == StatusCode::OK { ": " } else { " " };
    match (label, &error.message) {
        (Some(label), Some(message)) => format!("{head}{joint}{label}: {message}"),
        (None, Some(message)) => format!("{head}: {message}"),
        (Some(label), None) => format!("{head}{joint}{label}"),
        (None, None) => format!("{head} {}", status.canonical_reason().unwrap_or("without a message")),
    }
}

fn error_of_body(status: StatusCode, headers: &HeaderMap, body: &str) -> ErrorObject {
    let body = body.trim();
    if status.is_redirection() {
        let place = headers.get(http::header::LOCATION).and_then(|place| place.to_str().ok()).unwrap_or("nowhere");
        return said(format!("redirected to {place}, and redirects are not followed"));
    }
    if body.is_empty() {
        return ErrorObject::default();
    }
    if is_html(headers) || body.starts_with("<!") || body.starts_with("<html") {
        return said(title(body).map_or_else(|| "an HTML page".to_owned(), |title| format!("an HTML page, `{title}`")));
    }
    match serde_json::from_str::<Value>(body) {
        Ok(value) => {
            let error = ErrorObject::in_error_body(&value);
            if error == ErrorObject::default() { said(escape::quote(body, LONGEST_QUOTE)) } else { error }
        }
        Err(_) => said(body.to_owned()),
    }
}

fn said(message: String) -> ErrorObject {
    ErrorObject { message: Some(message), ..ErrorObject::default() }
}

fn title(page: &str) -> Option<&str> {
    let (_, rest) = page.split_once("<title>")?;
    let (title, _) = rest.split_once("</title>")?;
    Some(title.trim()).filter(|title| !title.is_empty())
}

/// Whether the body says of itself that it is a page for people.
pub(in crate::provider) fn is_html(headers: &HeaderMap) -> bool {
    content_type(headers).is_some_and(|kind| kind.starts_with("text/html") || kind.starts_with("application/xhtml"))
}

/// The content type, in lower case.
pub(in crate::provider) fn content_type(headers: &HeaderMap) -> Option<String> {
    Some(headers.get(http::header::CONTENT_TYPE)?.to_str().ok()?.to_ascii_lowercase())
}

/// Whether every other call to the model would be refused as well.
fn is_unusable(status: u16, error: &ErrorObject) -> bool {
    match status {
        401..=403 => true,
        429 => error.is(&["insufficient_quota"]) || error.is_exhausted,
        404 => error.is(MISSING) || says_model_is_missing(error),
        // Some give the status of a bad request to what no other request could do better.
        400 => {
            error.is(MISSING) || error.is(&["API_KEY_INVALID", "FAILED_PRECONDITION"]) || says_nothing_is_paid(error)
        }
        405..=499 => error.is(MISSING),
        _ => false,
    }
}

/// What a model that is not there is called.
const MISSING: &[&str] = &["model_not_found", "DeploymentNotFound"];

/// Anthropic's words where an account has no money left.
fn says_nothing_is_paid(error: &ErrorObject) -> bool {
    error.message.as_deref().is_some_and(|message| message.contains("credit balance is too low"))
}

/// Servers that know no `model_not_found` say it in words: "model 'x' not found", "The model `x` does not exist."
fn says_model_is_missing(error: &ErrorObject) -> bool {
    let message = error.message.as_deref().unwrap_or_default().to_lowercase();
    let is_missing = error.is(&["not_found_error", "NotFoundError"])
        || ["not found", "not exist", "unknown model"].iter().any(|words| message.contains(words));
    is_missing && message.contains("model")
}

/// How long the headers ask to wait: `retry-after-ms`, else `Retry-After` in seconds or as a date. A date is taken
/// against the server's own `Date`, so that a wrong clock here does not lengthen the wait.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let header = |name: &str| Some(headers.get(name)?.to_str().ok()?.trim());
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| *number >= 0.0);
    let milliseconds = header("retry-after-ms").and_then(number).map(|milliseconds| milliseconds / 1000.0);
    if let Some(wait) = milliseconds.or_else(|| header(RETRY_AFTER.as_str()).and_then(number)) {
        return Duration::try_from_secs_f64(wait).ok();
    }
    let until = httpdate::parse_http_date(header(RETRY_AFTER.as_str())?).ok()?;
    let now = header(DATE.as_str()).and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or(now);
    Some(until.duration_since(now).unwrap_or_default())
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// What happened to a connection, in words that name no type of a library.
fn cause(error: &(dyn Error + 'static)) -> String {
    let all: Vec<_> = causes(error).collect();
    if all.iter().any(|error| error.to_string() == "dns error") {
        return "the host name is not known".to_owned();
    }
    let io: Vec<&io::Error> = all.iter().filter_map(|error| error.downcast_ref()).flat_map(nested).collect();
    // A TLS error travels inside an I/O error, which does not name it as its source.
    let tls = io.iter().find_map(|error| error.get_ref()?.downcast_ref::<rustls::Error>());
    if let Some(tls) = tls {
        return format!("TLS: {tls}");
    }
    match io.last().map(|error| error.kind()) {
        Some(io::ErrorKind::ConnectionRefused) => "connection refused".to_owned(),
        Some(io::ErrorKind::ConnectionReset) => "connection reset".to_owned(),
        Some(io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof) => "it was closed".to_owned(),
        Some(io::ErrorKind::NetworkUnreachable) => "the network cannot be reached".to_owned(),
        Some(io::ErrorKind::HostUnreachable) => "the host cannot be reached".to_owned(),
        _ => innermost(error),
    }
}

/// An I/O error with those inside it, which it does not name as its sources.
fn nested(error: &io::Error) -> impl Iterator<Item = &io::Error> {
    std::iter::successors(Some(error), |error| error.get_ref()?.downcast_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_wait_is_read_from_seconds_dates_and_milliseconds() {
        let date = "Sun, 22 Nov 2026 10:00:00 GMT";
        let now = httpdate::parse_http_date(date).unwrap();
        for (pairs, seconds) in [
            (vec![], None),
            (vec![("retry-after", "7")], Some(7.0)),
            (vec![("retry-after", " 1.5 ")], Some(1.5)),
            (vec![("retry-after", "0")], Some(0.0)),
            (vec![("retry-after", "-3")], None),
            (vec![("retry-after", "NaN")], None),
            (vec![("retry-after", "inf")], None),
            (vec![("retry-after", "1e300")], None),
            (vec![("retry-after", "soon")], None),
            (vec![("retry-after", "Sun, 22 Nov 2026 10:01:30 GMT")], Some(90.0)),
            (vec![("retry-after", "Sun, 22 Nov 2026 09:00:00 GMT")], Some(0.0)),
            (
                vec![("retry-after", "Sun, 22 Nov 2026 10:01:30 GMT"), ("date", "Sun, 22 Nov 2026 10:01:00 GMT")],
                Some(30.0),
            ),
            (vec![("retry-after-ms", "250"), ("retry-after", "7")], Some(0.25)),
            (vec![("retry-after-ms", "odd"), ("retry-after", "7")], Some(7.0)),
        ] {
            assert_eq!(retry_after(&headers(&pairs), now), seconds.map(Duration::from_secs_f64), "{pairs:?}");
        }
    }

    #[test]
    fn a_text_is_one_visible_line_and_keeps_its_request_id_when_shortened() {
        let long = format!("400: a\r\n\n  b\u{1b}[31m {}", "x".repeat(500));
        let error = CallError::Refused { status: 400, message: long };
        let text = polish(error, Some("req_1\u{7}"), &str::to_owned).to_string();
        assert!(text.starts_with("400: a b‹U+001B›[31m xxx"), "{text}");
        assert!(text.ends_with("x… (request req_1‹U+0007›)"), "{text}");
        assert!(text.chars().count() < 340);
    }
}
