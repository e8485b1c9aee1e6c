//! Replies that are JSON too, and other than one that is: for checks that say what the JSON is like.

use serde_json::Value;

use super::text::unfenced;

/// So many values of a reply are replaced at most, each in a reply of its own.
const MOST: usize = 100;

fn parsed(reply: &str) -> Option<Value> {
    serde_json::from_str(unfenced(reply.trim())).ok()
}

/// JSON that has nothing in it, where the reply is not just that.
#[must_use]
pub fn empty_json(reply: &str) -> Vec<String> {
    let own = parsed(reply).map(|own| own.to_string());
    ["{}", "[]"].into_iter().filter(|empty| own.as_deref() != Some(*empty)).map(str::to_owned).collect()
}

/// The reply with one of its values replaced by one of another type, value by value; nothing of what is no JSON.
pub fn retyped(reply: &str) -> impl Iterator<Item = String> {
    let own = parsed(reply);
    let mut places = Vec::new();
    if let Some(own) = &own {
        find(own, &mut String::new(), &mut places);
    }
    let own = own.unwrap_or_default();
    places.into_iter().filter_map(move |place| {
        let mut other = own.clone();
        let value = other.pointer_mut(&place)?;
        *value = of_another_type(value);
        Some(other.to_string())
    })
}

/// What few schemas allow beside the other.
fn of_another_type(value: &Value) -> Value {
    if value.is_boolean() { "…".into() } else { true.into() }
}

/// The places of the values, as JSON pointers; of the whole only where there is nothing in it.
fn find(value: &Value, at: &mut String, places: &mut Vec<String>) {
    let is_whole = at.is_empty();
    let is_container = value.is_object() || value.is_array();
    if places.len() >= MOST {
        return;
    }
    if !(is_whole && is_container) {
        places.push(at.clone());
    }
    let mut inside = |key: &str, value: &Value| {
        let length = at.len();
        at.push('/');
        at.push_str(&key.replace('~', "~0").replace('/', "~1"));
        find(value, at, places);
        at.truncate(length);
    };
    match value {
        Value::Object(object) => object.iter().for_each(|(key, value)| inside(key, value)),
        Value::Array(array) => (0..MOST).zip(array).for_each(|(at, value)| inside(&at.to_string(), value)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_of_another_type_in_one_of_them() {
        let all = |reply: &str| retyped(reply).collect::<Vec<_>>();
        assert_eq!(
            all("```json\n{\"a/b\": [1, \"x\"]}\n```"),
            [r#"{"a/b":true}"#, r#"{"a/b":[true,"x"]}"#, r#"{"a/b":[1,true]}"#]
        );
        assert_eq!(all("true"), ["\"…\""]);
        assert!(all("no JSON").is_empty() && all("{}").is_empty());
        assert_eq!(all(&format!("[{}1]", "1,".repeat(999))).len(), MOST);
        assert_eq!(empty_json("{ }"), ["[]"]);
        assert_eq!(empty_json("no JSON"), ["{}", "[]"]);
    }
}
