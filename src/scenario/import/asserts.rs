//! The assertions of promptfoo as checks. What means the same is carried over; what only looks like it is not.

use std::sync::Arc;

use serde_json::Value as Json;

use super::NoFiles;
use super::prompts::Template;
use super::yaml_text::{Part, Yaml, document};
use super::super::load;
use crate::diagnostic::SourceFile;

/// Keys beside `type`, `value` and `threshold` that change nothing of what is asserted.
const HARMLESS: [&str; 3] = ["type", "value", "metric"];
/// Assertions whose `threshold` is a part of the check.
const WITH_THRESHOLD: [&str; 3] = ["similar", "latency", "cost"];
/// promptfoo's own limit where `similar` gives none.
const SIMILAR_ENOUGH: f64 = 0.75;

/// What became of an assertion.
#[derive(Debug, Default, PartialEq)]
pub struct Carried {
    /// The checks.
    pub checks: Vec<Yaml>,
    /// What was not carried over: the place and the reason.
    pub left_out: Vec<(String, String)>,
}

/// Carries an assertion over, with its variables filled in, where this build knows the check for it.
pub fn assertion(assert: &Json, variables: &Json, path: &str) -> Carried {
    let mut carried = Carried::default();
    let kind = assert.get("type").and_then(Json::as_str).unwrap_or("unknown");
    let weight = assert.get("weight").and_then(Json::as_f64);
    if kind == "assert-set" && assert.get("threshold").is_none() {
        for (at, inner) in assert.get("assert").and_then(Json::as_array).into_iter().flatten().enumerate() {
            let inner = assertion(inner, variables, &format!("{path}.assert[{at}]"));
            carried.checks.extend(inner.checks);
            carried.left_out.extend(inner.left_out);
        }
        return carried;
    }
    let found = match weight {
        Some(weight) if weight == 0.0 => Err("a weight of 0: it fails nothing".to_owned()),
        _ => check(kind, assert, variables),
    };
    let found = found.and_then(|checks| checks.iter().try_for_each(is_right).map(|()| checks));
    match found {
        Ok(checks) => carried.checks.extend(checks.into_iter().map(|check| named(check, assert))),
        Err(reason) => {
            carried.left_out.push((path.to_owned(), format!("the assertion `{kind}`: {reason}")));
            return carried;
        }
    }
    for (key, value) in assert.as_object().into_iter().flatten() {
        let is_one = key == "weight" && value.as_f64() == Some(1.0);
        let is_limit = key == "threshold" && WITH_THRESHOLD.contains(&kind.trim_start_matches("not-"));
        if !HARMLESS.contains(&key.as_str()) && !is_one && !is_limit {
            carried.left_out.push((format!("{path}.{key}"), format!("the field `{key}` of an assertion")));
        }
    }
    carried
}

/// The check with promptfoo's `metric` as its name.
fn named(check: Yaml, assert: &Json) -> Yaml {
    match (check, assert.get("metric").and_then(Json::as_str)) {
        (Yaml::Map(mut parts), Some(metric)) if !metric.trim().is_empty() => {
            parts.push(Part::Entry("name".into(), Yaml::text(metric)));
            Yaml::Map(parts)
        }
        (check, _) => check,
    }
}

/// Asks the reader of scenarios, who knows best.
fn is_right(check: &Yaml) -> Result<(), String> {
    let turn = Yaml::map([("user", Yaml::text("Hi")), ("expect", Yaml::List(vec![check.clone()]))]);
    let text = document("", &[Part::Entry("turns".into(), Yaml::List(vec![turn]))]);
    let source = Arc::new(SourceFile { path: "check".to_owned(), text });
    let (_, wrong) = load(&source, "check", &NoFiles);
    wrong.first().map_or(Ok(()), |first| Err(first.message.clone()))
}

/// The checks that mean what an assertion means.
fn check(kind: &str, assert: &Json, variables: &Json) -> Result<Vec<Yaml>, String> {
    if assert.get("transform").is_some() {
        return Err("`transform` changes what is looked at".to_owned());
    }
    let (is_inverted, bare) = kind.strip_prefix("not-").map_or((false, kind), |bare| (true, bare));
    let value = assert.get("value");
    let threshold = assert.get("threshold").and_then(Json::as_f64);
    let one = |key: &str, value: Yaml| Ok(vec![inverted(is_inverted, key, value)]);
    match bare {
        "contains" => one("contains", exact(&text(value, variables)?)),
        "icontains" => one("contains", Yaml::text(text(value, variables)?)),
        "contains-any" => one("contains_any", list(value, variables, exact)?),
        "icontains-any" => one("contains_any", list(value, variables, |text| Yaml::text(text))?),
        "contains-all" => all(is_inverted, list(value, variables, exact)?),
        "icontains-all" => all(is_inverted, list(value, variables, |text| Yaml::text(text))?),
        "equals" => one("equals", Yaml::text(text(value, variables)?)),
        "starts-with" => one("starts_with", Yaml::text(text(value, variables)?)),
        "regex" => one("matches", Yaml::text(text(value, variables)?)),
        "is-json" => match value {
            None | Some(Json::Null) => one("json", Yaml::Bare("true".into())),
            Some(schema @ Json::Object(_)) => one("json_schema", Yaml::from(schema.clone())),
            Some(_) => Err("its schema is in another file".to_owned()),
        },
        "similar" => {
            let to = Yaml::text(text(value, variables)?);
            let min = Yaml::Bare(threshold.unwrap_or(SIMILAR_ENOUGH).to_string());
            one("similar", Yaml::map([("to", to), ("min", min), ("by", Yaml::text("embedding"))]))
        }
        "llm-rubric" | "model-graded-closedqa" => one("judge", Yaml::text(text(value, variables)?)),
        "latency" => one("max_latency_ms", number(threshold)?),
        "cost" => one("max_cost_usd", number(threshold)?),
        "word-count" => words(is_inverted, value),
        "finish-reason" => one("finish_reason", Yaml::text(text(value, variables)?)),
        _ => Err("there is no check for it".to_owned()),
    }
}

fn inverted(is_inverted: bool, key: &str, value: Yaml) -> Yaml {
    let own = match key {
        "contains" => Some("not_contains"),
        "contains_any" => Some("not_contains_any"),
        "matches" => Some("not_matches"),
        _ => None,
    };
    match (is_inverted, own) {
        (false, _) => Yaml::map([(key, value)]),
        (true, Some(own)) => Yaml::map([(own, value)]),
        (true, None) => Yaml::map([("not", Yaml::map([(key, value)]))]),
    }
}

/// `contains` of a list wants all of it; its own inversion wants none of it, which is not the inversion of all.
fn all(is_inverted: bool, list: Yaml) -> Result<Vec<Yaml>, String> {
    let check = Yaml::map([("contains", list)]);
    Ok(vec![if is_inverted { Yaml::map([("not", check)]) } else { check }])
}

fn words(is_inverted: bool, value: Option<&Json>) -> Result<Vec<Yaml>, String> {
    if is_inverted {
        return Err("there is no check for it".to_owned());
    }
    let limit = |key: &str| value.and_then(|value| value.get(key)).and_then(Json::as_u64);
    let (min, max) = match value.and_then(Json::as_u64) {
        Some(exactly) => (Some(exactly), Some(exactly)),
        None => (limit("min"), limit("max")),
    };
    let check = |key: &str, limit: Option<u64>| limit.map(|limit| Yaml::map([(key, Yaml::Bare(limit.to_string()))]));
    let checks: Vec<Yaml> = [check("min_words", min), check("max_words", max)].into_iter().flatten().collect();
    if checks.is_empty() { Err("it has no limit".to_owned()) } else { Ok(checks) }
}

fn number(threshold: Option<f64>) -> Result<Yaml, String> {
    threshold.map(|limit| Yaml::Bare(limit.to_string())).ok_or_else(|| "it has no `threshold`".to_owned())
}

/// A text in its own case: promptfoo tells cases apart where we do not.
fn exact(text: &str) -> Yaml {
    Yaml::map([("text", Yaml::text(text)), ("case", Yaml::Bare("true".into()))])
}

fn text(value: Option<&Json>, variables: &Json) -> Result<String, String> {
    let text = match value {
        Some(Json::String(text)) => text.clone(),
        Some(value @ (Json::Number(_) | Json::Bool(_))) => value.to_string(),
        Some(_) => return Err("its value is no text".to_owned()),
        None => return Err("it has no value".to_owned()),
    };
    if text.starts_with("file://") || text.starts_with("package:") {
        return Err("its value is in another file".to_owned());
    }
    let (filled, missing) = Template::new(&text)?.fill(variables);
    match missing.first() {
        Some(name) => Err(format!("`{name}` has no value")),
        None => Ok(filled),
    }
}

/// A list, or a text with commas in it, as promptfoo reads one.
fn list(value: Option<&Json>, variables: &Json, item: impl Fn(&str) -> Yaml) -> Result<Yaml, String> {
    let texts = match value {
        Some(Json::Array(items)) => {
            items.iter().map(|item| text(Some(item), variables)).collect::<Result<Vec<_>, _>>()?
        }
        value => commas(&text(value, variables)?),
    };
    if texts.is_empty() {
        return Err("its list is empty".to_owned());
    }
    Ok(Yaml::List(texts.iter().map(|text| item(text)).collect()))
}

/// The items of a text with commas between them; one in quotes may have commas itself.
fn commas(text: &str) -> Vec<String> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).trim(csv::Trim::All).from_reader(text.as_bytes());
    let first = reader.records().next().and_then(Result::ok);
    first.iter().flatten().map(str::to_owned).collect()
}
