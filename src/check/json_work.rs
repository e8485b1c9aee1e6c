//! How much work a schema or a path is at most on a document, reckoned without doing it.
//!
//! References, alternatives and descendants multiply: a schema of forty lines can ask for 2^40 steps, and so can a path of a
//! hundred characters. Neither library has a limit of its own.

use std::collections::HashMap;

use serde_json::Value;

/// Beyond so many steps nothing is judged: a second's work.
pub const MOST: u64 = 2_000_000;
/// The deepest way through references and values that is followed, so that no stack runs over.
const DEEPEST: usize = 400;

/// How often a subschema is applied to a part of the document at most, all in all. `None` where references lead in a circle
/// that takes nothing of the document in, or too deep.
#[must_use]
pub fn of_schema(schema: &Value, document: &Value) -> Option<u64> {
    Work { root: schema, known: HashMap::new() }.of(schema, document, 0).map(|cost| cost.steps)
}

/// Whether references lead back to where they are, or too far: no document could be judged.
#[must_use]
pub fn is_endless(schema: &Value) -> bool {
    let mut work = Work { root: schema, known: HashMap::new() };
    let mut left = vec![schema];
    while let Some(part) = left.pop() {
        match part {
            Value::Object(fields) => {
                if work.of(part, &Value::Null, 0).is_none() {
                    return true;
                }
                left.extend(fields.values());
            }
            Value::Array(items) => left.extend(items),
            _ => {}
        }
    }
    false
}

/// What applying a subschema to a part of a document takes.
#[derive(Debug, Clone, Copy)]
struct Cost {
    steps: u64,
    /// The longest way through references and values.
    height: usize,
}

impl Cost {
    const ONE: Self = Self { steps: 1, height: 1 };

    fn and(self, other: Self) -> Self {
        let height = self.height.max(other.height.saturating_add(1));
        Self { steps: self.steps.saturating_add(other.steps), height }
    }

    const fn steps(steps: u64) -> Self {
        Self { steps, height: 0 }
    }
}

struct Work<'s> {
    root: &'s Value,
    /// By the places of schema and document; `None` while it is being reckoned, and of one that has no end.
    known: HashMap<(*const Value, *const Value), Option<Cost>>,
}

impl<'s> Work<'s> {
    fn of(&mut self, schema: &'s Value, document: &Value, depth: usize) -> Option<Cost> {
        let Value::Object(fields) = schema else { return Some(Cost::ONE) };
        let place = (std::ptr::from_ref(schema), std::ptr::from_ref(document));
        if let Some(known) = self.known.get(&place) {
            return *known;
        }
        if depth > DEEPEST {
            return None;
        }
        if self.known.len() as u64 > MOST {
            return Some(Cost { steps: u64::MAX, height: 1 });
        }
        self.known.insert(place, None);
        let mut cost = Cost::ONE;
        for (key, value) in fields {
            let of_keyword = self.of_keyword(key, value, document, depth)?;
            cost = Cost { height: cost.height.max(of_keyword.height), ..cost.and(of_keyword) };
        }
        // What is left unevaluated is found by looking once more at all that stands beside it.
        if fields.keys().any(|key| key.starts_with("unevaluated")) {
            cost.steps = cost.steps.saturating_mul(2);
        }
        // A way that is known in parts is as long as in one.
        if cost.height > DEEPEST {
            return None;
        }
        self.known.insert(place, Some(cost));
        Some(cost)
    }

    fn of_keyword(&mut self, key: &str, value: &'s Value, document: &Value, depth: usize) -> Option<Cost> {
        let items = document.as_array().map_or(&[][..], Vec::as_slice);
        let mut cost = Cost::ONE;
        let mut add = |more: Option<Cost>| {
            cost = cost.and(more?);
            Some(())
        };
        match (key, value) {
            ("$ref", Value::String(reference)) => {
                if let Some(target) = resolve(self.root, reference) {
                    add(self.of(target, document, depth + 1))?;
                }
            }
            ("allOf" | "anyOf" | "oneOf", Value::Array(schemas)) => {
                for schema in schemas {
                    add(self.of(schema, document, depth + 1))?;
                }
            }
            ("not" | "if" | "then" | "else", schema) => add(self.of(schema, document, depth + 1))?,
            ("dependentSchemas" | "dependencies", Value::Object(schemas)) => {
                for schema in schemas.values() {
                    add(self.of(schema, document, depth + 1))?;
                }
            }
            ("properties", Value::Object(schemas)) => {
                for (name, schema) in schemas {
                    if let Some(child) = document.get(name) {
                        add(self.of(schema, child, depth + 1))?;
                    }
                }
            }
            ("patternProperties", Value::Object(schemas)) => {
                for schema in schemas.values() {
                    for child in document.as_object().into_iter().flat_map(serde_json::Map::values) {
                        add(self.of(schema, child, depth + 1))?;
                    }
                }
            }
            ("additionalProperties" | "unevaluatedProperties", schema) => {
                for child in document.as_object().into_iter().flat_map(serde_json::Map::values) {
                    add(self.of(schema, child, depth + 1))?;
                }
            }
            // Each name is a text, and no part of a text is looked at again.
            ("propertyNames", schema) => {
                let once = self.of(schema, &Value::Null, depth + 1)?;
                let names = document.as_object().map_or(0, serde_json::Map::len) as u64;
                add(Some(Cost { steps: once.steps.saturating_mul(names), ..once }))?;
            }
            ("items" | "prefixItems", Value::Array(schemas)) => {
                for (schema, item) in schemas.iter().zip(items) {
                    add(self.of(schema, item, depth + 1))?;
                }
            }
            ("items" | "additionalItems" | "unevaluatedItems" | "contains", schema) => {
                for item in items {
                    add(self.of(schema, item, depth + 1))?;
                }
            }
            // Each item is compared with each other, and each value with each of the list.
            ("uniqueItems", Value::Bool(true)) => add(Some(Cost::steps((items.len() as u64).saturating_mul(16))))?,
            ("enum", Value::Array(values)) => add(Some(Cost::steps(values.len() as u64)))?,
            _ => {}
        }
        Some(cost)
    }
}

/// What a reference within a schema leads to: `#`, a JSON pointer, or an anchor.
fn resolve<'s>(root: &'s Value, reference: &str) -> Option<&'s Value> {
    let fragment = reference.strip_prefix('#')?;
    let fragment = percent_encoding::percent_decode_str(fragment).decode_utf8().ok()?;
    if fragment.is_empty() || fragment.starts_with('/') {
        return root.pointer(&fragment);
    }
    let mut left = vec![root];
    while let Some(part) = left.pop() {
        match part {
            Value::Object(fields) => {
                let is_named = |key: &str, name: &str| fields.get(key).and_then(Value::as_str) == Some(name);
                if is_named("$anchor", &fragment) || is_named("$dynamicAnchor", &fragment) || is_named("$id", reference)
                {
                    return Some(part);
                }
                left.extend(fields.values());
            }
            Value::Array(items) => left.extend(items),
            _ => {}
        }
    }
    None
}

/// How many nodes a path looks at in a document at most.
#[must_use]
pub fn of_path(path: &str, document: &Value) -> u64 {
    let (nodes, depth) = size(document, 1);
    let parts = Parts::of(path);
    // One pass over all descendants finds each node once; each further one finds it once for each that it is below of.
    let mut steps = nodes as u64;
    let mut times = |factor: u64, often: usize| (0..often).for_each(|_| steps = steps.saturating_mul(factor));
    times(depth as u64, parts.descendants.saturating_sub(1));
    times(nodes as u64, parts.in_filters);
    parts.selectors.iter().for_each(|selectors| times(*selectors, 1));
    // An expression is compiled anew for each node, which takes far longer than to look at it.
    times(10_000, path.matches("match(").count() + path.matches("search(").count());
    steps
}

/// How many values a document has, and how deep it is. Readers of JSON go no deeper than the stack allows.
fn size(document: &Value, depth: usize) -> (usize, usize) {
    let add = |(nodes, deepest): (usize, usize), child: &Value| {
        let (more, depth) = size(child, depth + 1);
        (nodes + more, deepest.max(depth))
    };
    match document {
        Value::Array(items) => items.iter().fold((1, depth), add),
        Value::Object(fields) => fields.values().fold((1, depth), add),
        _ => (1, depth),
    }
}

/// What of a path multiplies.
#[derive(Debug, Default, PartialEq)]
struct Parts {
    /// `..` outside of filters.
    descendants: usize,
    /// Filters within filters, and in filters `..`, `*` and `$`: each may look at all of the document, once for each node.
    in_filters: usize,
    /// How many selectors each bracket has that has several.
    selectors: Vec<u64>,
}

impl Parts {
    fn of(path: &str) -> Self {
        let mut parts = Self::default();
        let (mut quote, mut is_escaped, mut before) = (None, false, ' ');
        // Of each open bracket, how many selectors it has.
        let mut open: Vec<u64> = Vec::new();
        let (mut is_filtering, mut is_first) = (false, true);
        for c in path.chars() {
            match quote {
                Some(_) if is_escaped => is_escaped = false,
                Some(_) if c == '\\' => is_escaped = true,
                Some(mark) if c == mark => quote = None,
                Some(_) => {}
                None => match c {
                    '\'' | '"' => quote = Some(c),
                    '[' => open.push(1),
                    ']' => {
                        parts.selectors.extend(open.pop().filter(|selectors| *selectors > 1));
                        is_filtering &= !open.is_empty();
                    }
                    ',' => open.iter_mut().last().into_iter().for_each(|selectors| *selectors += 1),
                    '.' if before == '.' && is_filtering => parts.in_filters += 1,
                    '.' if before == '.' => parts.descendants += 1,
                    '?' | '*' | '$' if is_filtering => parts.in_filters += 1,
                    '?' => is_filtering = true,
                    _ => {}
                },
            }
            before = if is_first { ' ' } else { c };
            is_first = false;
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_multiplies_in_a_path_is_counted() {
        for (path, descendants, in_filters, selectors) in [
            ("$.a.b[0]", 0, 0, &[][..]),
            ("$..a..b", 2, 0, &[]),
            ("$['a..b,c'][\"?*\"]", 0, 0, &[]),
            ("$[0,1,2][0,'a,b']", 0, 0, &[3, 2]),
            ("$[?@.a == 1]..b", 1, 0, &[]),
            ("$[?@..a == $.b]", 0, 2, &[]),
            ("$[?@[?@.a]]", 0, 1, &[]),
        ] {
            let parts = Parts { descendants, in_filters, selectors: selectors.to_vec() };
            assert_eq!(Parts::of(path), parts, "{path}");
        }
    }

    #[test]
    fn references_that_lead_in_circles_are_seen_and_those_that_take_something_in_are_none() {
        for (schema, endless) in [
            (json!({"$ref": "#"}), true),
            (json!({"properties": {"a": {"$ref": "#/properties/a"}}}), true),
            (json!({"$defs": {"a": {"allOf": [{"$ref": "#/$defs/b"}]}, "b": {"not": {"$ref": "#/$defs/a"}}}}), true),
            (json!({"$defs": {"a": {"$anchor": "x", "anyOf": [{"$ref": "#x"}]}}}), true),
            (json!({"properties": {"a": {"$ref": "#"}}}), false),
            (json!({"items": {"$ref": "#"}, "enum": [{"$ref": "#"}]}), false),
        ] {
            assert_eq!(is_endless(&schema), endless, "{schema}");
        }
    }

    #[test]
    fn a_long_way_through_references_is_refused_wherever_it_is_begun() {
        for (length, endless) in [(100, false), (2_000, true)] {
            let link = |n: usize| (format!("a{n:04}"), json!({"$ref": format!("#/$defs/a{:04}", n + 1)}));
            let mut links: serde_json::Map<String, Value> = (0..length).map(link).collect();
            links.insert(format!("a{length:04}"), json!(true));
            let schema = json!({"properties": {"x": {"$ref": "#/$defs/a0000"}}, "$defs": links});
            assert_eq!(is_endless(&schema), endless, "{length}");
            assert_eq!(of_schema(&schema, &json!({"x": 1})).is_none(), endless, "{length}");
        }
    }
}
