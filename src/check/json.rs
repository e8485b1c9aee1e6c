//! Checks on a reply as JSON: that it is some, that it keeps to a schema, and what stands at a path.
//!
//! A schema and a path come from a stranger, a reply from a model: together they could ask for more work than anyone waits for. How
//! much it is at most is reckoned first, and beyond a limit nothing is judged.

use serde_json::{Number, Value};

use crate::model::{JsonPath, Reply, Schema};

use super::json_work::{self, MOST};
use super::text::{unfenced, unless_cut};
use super::view::Finding;

/// How much of a place, of a value and of the words about it a detail shows, in characters.
const PLACE: usize = 120;
const SHOWN: usize = 300;

/// The reply as JSON, or what is to be said where it is none.
fn parse(reply: &Reply) -> Result<Value, Box<Finding>> {
    serde_json::from_str(unfenced(reply.text.trim()))
        .map_err(|error| unless_cut(reply, false, false, format!("the reply is not JSON: {error}")).into())
}

fn too_much(what: &str) -> Finding {
    Finding::new(None, format!("{what} asks for too much work on this reply: more than {MOST} steps"))
}

pub(super) fn json_schema(schema: &Schema, reply: &Reply) -> Finding {
    let document = match parse(reply) {
        Ok(document) => document,
        Err(found) => return *found,
    };
    if json_work::of_schema(schema.value(), &document).is_none_or(|work| work > MOST) {
        return too_much("the schema");
    }
    let (holds, detail) = match schema.first_error(&document) {
        None => (true, "the reply is valid".to_owned()),
        Some((place, _)) if place.is_empty() => {
            (false, format!("the reply is not valid: {}", short(&first_error(schema, &document), SHOWN)))
        }
        Some((place, why)) => (false, format!("not valid at {}: {}", short(&place, PLACE), short(&why, SHOWN))),
    };
    unless_cut(reply, false, holds, detail)
}

fn first_error(schema: &Schema, document: &Value) -> String {
    schema.first_error(document).map_or_else(String::new, |(_, why)| why)
}

/// Everything that the path finds is the value, and it finds something.
pub(super) fn json_path(path: &JsonPath, wanted: &Value, reply: &Reply) -> Finding {
    let document = match parse(reply) {
        Ok(document) => document,
        Err(found) => return *found,
    };
    if json_work::of_path(path.as_str(), &document) > MOST {
        return too_much("the path");
    }
    let found = path.find(&document);
    let other = found.iter().find(|(_, value)| !is_same(value, wanted));
    let (holds, detail) = match (other, found.len()) {
        (_, 0) => (false, "the path finds nothing".to_owned()),
        (Some((place, value)), all) => {
            let value = short(&value.to_string(), SHOWN);
            let of = if all > 1 { format!(", one of {all} that the path finds") } else { String::new() };
            (false, format!("{} is {value}{of}", short(place, PLACE)))
        }
        (None, 1) => (true, "the path finds the value".to_owned()),
        (None, all) => (true, format!("all {all} that the path finds are the value")),
    };
    unless_cut(reply, false, holds, detail)
}

/// A number without a fraction, exactly: as floating-point numbers many large ones are the same.
fn whole(number: &Number) -> Option<i128> {
    #[expect(clippy::cast_possible_truncation, reason = "within the range of i128, and without a fraction")]
    let of_float = |float: f64| (float.fract() == 0.0 && float.abs() < 1e38).then_some(float as i128);
    number.as_i128().or_else(|| number.as_f64().and_then(of_float))
}

/// JSON knows one kind of number: `1` is `1.0`.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => match (whole(one), whole(other)) {
            (Some(one), Some(other)) => one == other,
            (None, None) => one.as_f64() == other.as_f64(),
            _ => false,
        },
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, one)| other.get(key).is_some_and(|other| is_same(one, other)))
        }
        _ => one == other,
    }
}

fn short(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema(value: Value) -> Schema {
        Schema::new("inline", value).unwrap()
    }

    fn reply(text: &str, finish_reason: &str) -> Reply {
        Reply { text: text.into(), finish_reason: Some(finish_reason.into()) }
    }

    fn said(found: &Finding) -> (Option<bool>, &str) {
        (found.holds, &found.detail)
    }

    #[test]
    fn a_schema_says_where_and_what_is_wrong() {
        let order = schema(json!({
            "type": "object",
            "required": ["items"],
            "properties": {"items": {"type": "array", "items": {"$ref": "#/$defs/item"}}},
            "$defs": {"item": {"type": "object", "properties": {"price": {"type": "number", "minimum": 0}}}},
        }));
        for (text, holds, detail) in [
            (r#"{"items": [{"price": 1}]}"#, true, "the reply is valid"),
            ("```json\n{\"items\": []}\n```", true, "the reply is valid"),
            (
                r#"{"items": [{"price": 1}, {"price": "2"}]}"#,
                false,
                r#"not valid at /items/1/price: "2" is not of type "number""#,
            ),
            (r#"{"item": []}"#, false, r#"the reply is not valid: "items" is a required property"#),
            ("{", false, "the reply is not JSON: EOF while parsing an object at line 1 column 1"),
        ] {
            assert_eq!(said(&json_schema(&order, &reply(text, "stop"))), (Some(holds), detail), "{text}");
        }
        for text in [r#"{"items": []}"#, r#"{"items": 1}"#, r#"{"items": ["#] {
            assert_eq!(json_schema(&order, &reply(text, "length")).holds, None, "cut: {text}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_briefly_however_long_it_is() {
        let long = format!("{{\"{}\": [\"{}\"]}}", "k".repeat(100_000), "v".repeat(1_000_000));
        let found =
            json_schema(&schema(json!({"additionalProperties": {"items": {"maxLength": 3}}})), &reply(&long, "stop"));
        assert_eq!(found.holds, Some(false));
        assert!(found.detail.chars().count() < 500, "{}", found.detail.len());
    }

    #[test]
    fn schemas_that_lead_in_circles_or_grow_are_not_followed() {
        let mut doubling = serde_json::Map::new();
        for n in 0..40 {
            let next = json!({"$ref": format!("#/$defs/a{}", n + 1)});
            doubling.insert(format!("a{n}"), json!({"allOf": [next, next]}));
        }
        doubling.insert("a40".into(), json!({"type": "object"}));
        let deep = format!("{}1{}", "{\"x\":".repeat(100), "}".repeat(100));
        let twice = json!({"properties": {"x": {"$ref": "#"}}});
        for (value, text) in [
            (json!({"$ref": "#/$defs/a0", "$defs": doubling}), "{}"),
            (json!({"allOf": [twice, twice]}), deep.as_str()),
        ] {
            let found = json_schema(&schema(value), &reply(text, "stop"));
            assert_eq!(
                said(&found),
                (None, "the schema asks for too much work on this reply: more than 2000000 steps")
            );
        }
        // The longest way that is followed leaves room on the stack.
        let link = |n: usize| (format!("a{n}"), json!({"$ref": format!("#/$defs/a{}", n + 1)}));
        let mut links: serde_json::Map<String, Value> = (0..380).map(link).collect();
        links.insert("a380".into(), json!({"type": "object"}));
        let long = schema(json!({"$ref": "#/$defs/a0", "$defs": links}));
        assert_eq!(json_schema(&long, &reply("1", "stop")).holds, Some(false));
        // A tree of any depth is an ordinary schema.
        let tree = schema(json!({"properties": {"x": {"$ref": "#"}}, "type": ["object", "number"]}));
        assert_eq!(json_schema(&tree, &reply(&deep, "stop")).holds, Some(true));
    }

    #[test]
    fn whole_numbers_are_compared_exactly_however_they_are_written() {
        for (text, wanted, holds) in [
            ("9007199254740992", json!(9_007_199_254_740_993_u64), false),
            ("9007199254740993", json!(9_007_199_254_740_993_u64), true),
            ("9007199254740992.0", json!(9_007_199_254_740_993_u64), false),
            ("12345678901234567891", json!(12_345_678_901_234_567_890_u64), false),
            ("-3.0e0", json!(-3), true),
            ("0.5", json!(0.5), true),
            ("0.5", json!(0), false),
            ("1e300", json!(1e300), true),
        ] {
            let found = json_path(&JsonPath::new("$").unwrap(), &wanted, &reply(text, "stop"));
            assert_eq!(found.holds, Some(holds), "{text}");
        }
    }

    #[test]
    fn all_that_a_path_finds_must_be_the_value_and_it_must_find_something() {
        let text = r#"{"a": 1, "b": [{"c": "x"}, {"c": "x"}, {"c": "y", "d": {"e": [1, 2.0]}}]}"#;
        for (path, wanted, holds, detail) in [
            ("$.a", json!(1), true, "the path finds the value"),
            ("$.a", json!(1.0), true, "the path finds the value"),
            ("$.a", json!("1"), false, "$['a'] is 1"),
            ("$.b[:2].c", json!("x"), true, "all 2 that the path finds are the value"),
            ("$.b[*].c", json!("x"), false, "$['b'][2]['c'] is \"y\", one of 3 that the path finds"),
            ("$.b[?@.c == 'y'].d.e", json!([1, 2]), true, "the path finds the value"),
            ("$..e[0]", json!(1), true, "the path finds the value"),
            ("$.b[?search(@.c, '[yz]')].d.e[0]", json!(1), true, "the path finds the value"),
            ("$.z", json!(null), false, "the path finds nothing"),
        ] {
            let found = json_path(&JsonPath::new(path).unwrap(), &wanted, &reply(text, "stop"));
            assert_eq!(said(&found), (Some(holds), detail), "{path}");
        }
        let path = JsonPath::new("$.a").unwrap();
        assert_eq!(json_path(&path, &json!(1), &reply("so: 1", "stop")).holds, Some(false));
        assert_eq!(json_path(&path, &json!(1), &reply(text, "length")).holds, None);
    }

    #[test]
    fn paths_that_multiply_are_not_followed() {
        let wide = format!("[{}]", vec!["[1]"; 2_000].join(","));
        let deep = format!("{}1{}", "[".repeat(120), "]".repeat(120));
        for (path, text) in [
            ("$..*..*..*..*..*..*", &deep),
            ("$[?$..*]", &wide),
            ("$[?match(@[0], '(a{99}){99}')]", &wide),
            ("$[?@[?$..*]]", &wide),
            (&format!("${}", "[0,0]".repeat(100)), &deep),
        ] {
            let found = json_path(&JsonPath::new(path).unwrap(), &json!(1), &reply(text, "stop"));
            assert_eq!(found.holds, None, "{path}: {}", found.detail);
        }
    }
}
