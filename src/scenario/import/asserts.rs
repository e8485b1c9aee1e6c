//! The assertions of promptfoo as checks. What means the same is carried over; what only looks like it is not.

use std::sync::Arc;

use serde_json::Value as Json;

use super::super::load;
use super::NoFiles;
use super::prompts::Template;
use super::yaml_text::{Part, Yaml, document};
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
    if kind == "assert-set" && assert.get("threshold").is_none() && weight != Some(0.0) {
        for (at, inner) in assert.get("assert").and_then(Json::as_array).into_iter().flatten().enumerate() {
            let inner = assertion(inner, variables, &format!("{path}.assert[{at}]"));
            carried.checks.extend(inner.checks);
            carried.left_out.extend(inner.left_out);
        }
        for (key, value) in assert.as_object().into_iter().flatten() {
            let is_one = key == "weight" && value.as_f64() == Some(1.0);
            let is_read = key == "type" || (key == "assert" && value.is_array());
            if !is_read && !is_one {
                carried.left_out.push((format!("{path}.{key}"), format!("the field `{key}` of an assert-set")));
            }
        }
        return carried;
    }
    let found = match weight {
        Some(0.0) => Err("a weight of 0: it fails nothing".to_owned()),
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
        "contains-all" => Ok(all(is_inverted, list(value, variables, exact)?)),
        "icontains-all" => Ok(all(is_inverted, list(value, variables, |text| Yaml::text(text))?)),
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
fn all(is_inverted: bool, list: Yaml) -> Vec<Yaml> {
    let check = Yaml::map([("contains", list)]);
    vec![if is_inverted { Yaml::map([("not", check)]) } else { check }]
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
    let (mut items, mut item, mut is_quoted) = (Vec::new(), String::new(), false);
    for character in text.chars() {
        match character {
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => items.push(std::mem::take(&mut item)),
            _ => item.push(character),
        }
    }
    items.push(item);
    items.iter().map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What an assertion means, as one line of YAML a check, whether this build knows the check or not.
    fn meant(assert: &Json) -> Result<String, String> {
        let kind = assert["type"].as_str().unwrap();
        let checks = check(kind, assert, &json!({"name": "Priya", "deep": {"er": 7}}))?;
        let shown = checks.into_iter().map(|check| match check {
            Yaml::Map(parts) => document("", &parts).trim().replace('\n', "\\n"),
            other => panic!("{other:?}"),
        });
        Ok(shown.collect::<Vec<_>>().join(" & "))
    }

    #[test]
    fn assertions_mean_what_they_meant() {
        for (assert, expected) in [
            (json!({"type": "contains", "value": "{{name}}"}), "contains:\\n  text: Priya\\n  case: true"),
            (json!({"type": "icontains", "value": "{{ deep.er }} up"}), "contains: \"7 up\""),
            (json!({"type": "not-icontains", "value": "no"}), "not_contains: \"no\""),
            (json!({"type": "icontains-any", "value": "a, \"b, c\",,d"}), "contains_any:\\n  - a\\n  - b, c\\n  - d"),
            (json!({"type": "icontains-all", "value": ["one", 2]}), "contains:\\n  - one\\n  - \"2\""),
            (json!({"type": "not-icontains-all", "value": ["one"]}), "not:\\n  contains: [one]"),
            (json!({"type": "equals", "value": 42}), "equals: \"42\""),
            (json!({"type": "starts-with", "value": "Dear"}), "starts_with: Dear"),
            (json!({"type": "not-regex", "value": "^a+$"}), "not_matches: \"^a+$\""),
            (json!({"type": "is-json"}), "json: true"),
            (json!({"type": "is-json", "value": {"type": "object"}}), "json_schema:\\n  type: object"),
            (json!({"type": "word-count", "value": {"min": 2, "max": 9}}), "min_words: 2 & max_words: 9"),
            (json!({"type": "word-count", "value": 5}), "min_words: 5 & max_words: 5"),
            (json!({"type": "latency", "threshold": 500}), "max_latency_ms: 500"),
            (json!({"type": "cost", "threshold": 0.002}), "max_cost_usd: 0.002"),
            (json!({"type": "llm-rubric", "value": "is kind to {{name}}"}), "judge: is kind to Priya"),
            (
                json!({"type": "similar", "value": "Hi there", "threshold": 0.8}),
                "similar:\\n  to: Hi there\\n  min: 0.8\\n  by: embedding",
            ),
        ] {
            assert_eq!(meant(&assert).as_deref(), Ok(expected), "{assert}");
        }
    }

    #[test]
    fn what_means_something_else_is_left_out_with_its_reason() {
        let none = json!({});
        for (assert, reason) in [
            (json!({"type": "python", "value": "x"}), "there is no check for it"),
            (json!({"type": "contains"}), "it has no value"),
            (json!({"type": "contains", "value": "{{ who }}"}), "`who` has no value"),
            (
                json!({"type": "contains", "value": "{% if a %}b{% endif %}"}),
                "`{% if a %}b{% endif %}` is not understood",
            ),
            (json!({"type": "contains", "value": "file://a.txt"}), "its value is in another file"),
            (json!({"type": "contains", "value": " "}), "is empty"),
            (
                json!({"type": "contains", "value": "a", "transform": "output.b"}),
                "`transform` changes what is looked at",
            ),
            (json!({"type": "contains", "value": "a", "weight": 0}), "a weight of 0"),
            (json!({"type": "regex", "value": "(?=a)"}), "is no regular expression"),
            (json!({"type": "latency"}), "it has no `threshold`"),
            (json!({"type": "equals", "value": {"a": 1}}), "its value is no text"),
            (json!({"type": "assert-set", "threshold": 0.5, "assert": []}), "there is no check for it"),
            (json!({}), "the assertion `unknown`"),
        ] {
            let carried = assertion(&assert, &none, "tests[0].assert[0]");
            assert_eq!(carried.checks, []);
            assert!(carried.left_out[0].1.contains(reason), "{assert}: {carried:?}");
        }
    }

    #[test]
    fn what_stands_beside_an_assertion_is_named() {
        let assert = json!({"type": "icontains", "value": "a", "weight": 2, "metric": "tone", "threshold": 0.5});
        let carried = assertion(&assert, &json!({}), "a");
        assert_eq!(
            carried.left_out.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(),
            ["a.weight", "a.threshold"]
        );
        let check = Yaml::Map(vec![
            Part::Entry("contains".into(), Yaml::text("a")),
            Part::Entry("name".into(), Yaml::text("tone")),
        ]);
        assert_eq!(carried.checks, [check]);
        let set = json!({"type": "assert-set", "assert": [{"type": "icontains", "value": "a"}, {"type": "webhook"}]});
        let carried = assertion(&set, &json!({}), "a");
        assert_eq!((carried.checks.len(), carried.left_out[0].0.as_str()), (1, "a.assert[1]"));
    }

    #[test]
    fn what_a_set_says_of_itself_is_applied_or_named() {
        let mut set = json!({
            "type": "assert-set", "weight": 3, "metric": "tone", "transform": "output.b", "config": {},
            "assert": [{"type": "icontains", "value": "a"}],
        });
        let carried = assertion(&set, &json!({}), "a");
        let mut places: Vec<&str> = carried.left_out.iter().map(|(path, _)| path.as_str()).collect();
        places.sort_unstable();
        assert_eq!((carried.checks.len(), places), (1, vec!["a.config", "a.metric", "a.transform", "a.weight"]));
        set["weight"] = json!(0);
        let carried = assertion(&set, &json!({}), "a");
        let reason = "the assertion `assert-set`: a weight of 0: it fails nothing".to_owned();
        assert_eq!((carried.checks, carried.left_out), (vec![], vec![("a".to_owned(), reason)]));
        let carried = assertion(&json!({"type": "assert-set", "assert": "file://a.yaml"}), &json!({}), "a");
        assert_eq!(carried.left_out[0].0, "a.assert");
    }
}
