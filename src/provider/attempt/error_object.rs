//! A provider's error, whatever shape it came in: what is understood of it is taken, and nothing that is missing or odd is an
//! error of its own.

use std::time::Duration;

use serde_json::{Value, json};

/// A provider's error, whatever shape it came in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::provider) struct ErrorObject {
    /// What it says in words.
    pub(in crate::provider) message: Option<String>,
    /// Its code: `rate_limit_exceeded`, `model_not_found`, …
    pub(in crate::provider) code: Option<String>,
    /// Its code where that is a number, as a rule an HTTP status.
    pub(in crate::provider) number: Option<u64>,
    /// Its type: `invalid_request_error`, …
    pub(in crate::provider) kind: Option<String>,
    /// How long it asks to wait, where it says so in its body: Google's `RetryInfo`.
    pub(in crate::provider) wait: Option<Duration>,
    /// Whether it says that no call to the model is answered for long: a quota of the day, or of more than that.
    pub(in crate::provider) is_exhausted: bool,
}

impl ErrorObject {
    /// The error inside an answer that claims to be good.
    pub(in crate::provider) fn in_answer(answer: &Value) -> Option<Self> {
        let error = &answer["error"];
        let is_marked = answer["object"] == "error" || answer["type"] == "error";
        let is_there = !matches!(error, Value::Null | Value::Bool(false)) && error != "" && *error != json!({});
        if is_there { Some(Self::read(error)) } else { is_marked.then(|| Self::read(answer)) }
    }

    /// The error of a body that came with an error status: `{"error": {…}}`, `{"error": "…"}`, `{"message": "…"}`,
    /// `{"detail": …}`, or a list with one of them.
    pub(in crate::provider) fn in_error_body(body: &Value) -> Self {
        let body = body.get(0).unwrap_or(body);
        let error = &body["error"];
        let mut read = if error.is_null() { Self::read(body) } else { Self::read(error) };
        // Some put the words beside the error's name: {"error": "bad_request", "message": "…"}.
        if let (Some(name), Some(words)) = (error.as_str(), text(&body["message"])) {
            read = Self { message: Some(words), code: Some(name.to_owned()), ..Self::default() };
        }
        read
    }

    fn read(error: &Value) -> Self {
        if let Some(message) = text(error) {
            return Self { message: Some(message), ..Self::default() };
        }
        let number = |code: &Value| code.as_u64().or_else(|| code.as_str()?.parse().ok());
        let word = |code: &Value| text(code).filter(|word| word.parse::<u64>().is_err());
        let details = Details::read(&error["details"]);
        let message = text(&error["message"]).or_else(|| detail(&error["detail"]));
        Self {
            message: with_filters(message, error),
            code: details.reason.or_else(|| word(&error["code"])).or_else(|| word(&error["status"])),
            number: number(&error["code"]),
            kind: text(&error["type"]),
            wait: details.wait,
            is_exhausted: details.is_exhausted,
        }
    }

    /// Whether the code or the type is one of these.
    pub(in crate::provider) fn is(&self, names: &[&str]) -> bool {
        [&self.code, &self.kind]
            .into_iter()
            .flatten()
            .any(|label| names.iter().any(|name| label.eq_ignore_ascii_case(name)))
    }
}

/// What Google says beside an error.
#[derive(Default)]
struct Details {
    /// Why, where that is told more closely than by the error's status.
    reason: Option<String>,
    wait: Option<Duration>,
    is_exhausted: bool,
}

impl Details {
    fn read(details: &Value) -> Self {
        let mut read = Self::default();
        for detail in details.as_array().into_iter().flatten() {
            match detail["@type"].as_str().and_then(|kind| kind.rsplit('.').next()).unwrap_or_default() {
                "ErrorInfo" => read.reason = text(&detail["reason"]),
                "RetryInfo" => read.wait = detail["retryDelay"].as_str().and_then(seconds),
                "QuotaFailure" => {
                    let violations = detail["violations"].as_array().into_iter().flatten();
                    let mut ids = violations.filter_map(|violation| violation["quotaId"].as_str());
                    read.is_exhausted = ids.any(|id| id.contains("PerDay"));
                }
                _ => {}
            }
        }
        read
    }
}

/// A duration as protocol buffers spell it in JSON: `34.5s`.
fn seconds(duration: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(duration.strip_suffix('s')?.parse().ok()?).ok()
}

/// Azure's error of a filter says in its innards which of them it was: `(filtered: jailbreak, violence high)`.
fn with_filters(message: Option<String>, error: &Value) -> Option<String> {
    let inner = &error["innererror"];
    let results = [&inner["content_filter_result"], &inner["content_filter_results"], &error["content_filter_result"]];
    let results = results.into_iter().filter_map(Value::as_object).flatten();
    let filtered = results.filter(|(_, result)| result["filtered"] == true).map(|(filter, result)| {
        result["severity"].as_str().map_or_else(|| filter.clone(), |severity| format!("{filter} {severity}"))
    });
    let filtered: Vec<String> = filtered.collect();
    if filtered.is_empty() {
        return message;
    }
    // Azure's sentences are long, and what counts would be cut off behind them.
    let filtered = format!("filtered for {}", filtered.join(", "));
    Some(message.map_or_else(|| filtered.clone(), |message| format!("{filtered}: {message}")))
}

/// The `detail` of Python frameworks: words, or a list of what is wrong where.
fn detail(detail: &Value) -> Option<String> {
    let said = |item: &Value| text(&item["msg"]).or_else(|| text(item));
    match detail {
        Value::Array(items) => {
            Some(items.iter().filter_map(said).collect::<Vec<_>>().join("; ")).filter(|all| !all.is_empty())
        }
        other => text(other).or_else(|| text(&other["message"])),
    }
}

/// A text that is there and not empty.
pub(in crate::provider) fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_google_says_beside_an_error_is_told_from_its_details() {
        let error = ErrorObject::in_error_body(&json!({"error": {
            "code": 429, "message": "You exceeded your current quota", "status": "RESOURCE_EXHAUSTED",
            "details": [
                {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel"}]},
                {"@type": "type.googleapis.com/google.rpc.Help", "links": []},
                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"},
            ],
        }}));
        assert_eq!((error.wait, error.is_exhausted), (Some(Duration::from_millis(34_500)), false));
        assert!(error.is(&["resource_exhausted"]));
        for (id, is_exhausted) in [("GenerateRequestsPerDayPerProjectPerModel-FreeTier", true), ("PerMinute", false)] {
            let details = json!([{"@type": "x.QuotaFailure", "violations": [{}, {"quotaId": id}]}]);
            assert_eq!(Details::read(&details).is_exhausted, is_exhausted, "{id}");
        }
        for odd in ["34", "s", "-1s", "1e300s", ""] {
            assert_eq!(seconds(odd), None, "{odd}");
        }
    }

    #[test]
    fn azures_filters_stand_before_its_words() {
        let error = ErrorObject::in_error_body(&json!({"error": {
            "message": "The response was filtered", "code": "content_filter", "status": 400,
            "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {
                "hate": {"filtered": true, "severity": "high"}, "jailbreak": {"filtered": true, "detected": true},
                "violence": {"filtered": false, "severity": "safe"},
            }},
        }}));
        assert_eq!(error.message.as_deref(), Some("filtered for hate high, jailbreak: The response was filtered"));
        assert!(error.is(&["content_filter"]));
    }
}
