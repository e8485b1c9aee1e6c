//! What scalars of a scenario may be written as: the decoder takes any scalar for a text, a text of digits for a number, and in
//! what has variables a template for either.

use std::borrow::Cow;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

/// What begins a template.
pub const TEMPLATE: &str = r"\{[{%#]";
/// A text that is more than white space.
const FILLED: &str = r"\S";

/// Describes a type by a schema that stands where it is used.
macro_rules! described {
    ($name:ident, $schema:expr) => {
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

/// Any scalar, taken as it was written.
pub struct Text;
described!(Text, json_schema!({"type": ["string", "number", "boolean"]}));

/// The same, and not blank.
pub struct Filled;
described!(Filled, json_schema!({"type": ["string", "number", "boolean"], "pattern": FILLED}));

/// `true` or `false`.
pub struct Flag;
described!(Flag, json_schema!({"type": ["boolean", "string"], "pattern": r"^\s*(true|false)\s*$"}));

/// `true` or `false`, or a template.
pub struct OpenFlag;
described!(
    OpenFlag,
    json_schema!({"type": ["boolean", "string"], "pattern": format!(r"^\s*(true|false)\s*$|{TEMPLATE}")})
);

/// A text with a template in it.
struct Template;
described!(Template, json_schema!({"type": "string", "pattern": TEMPLATE}));

/// Any value at all.
pub struct Anything;
described!(Anything, Schema::from(true));

/// A whole number from `MIN` to `MAX`.
pub struct Whole<const MIN: u64, const MAX: u64>;

/// The same, or a template.
pub struct OpenWhole<const MIN: u64, const MAX: u64>;

/// A number up to `MAX`, or a template.
pub struct OpenNumber<const MAX: u64>;

/// One of a kind, or a template in its place.
pub struct OrTemplate<T>(PhantomData<T>);

/// A list, or one alone.
pub struct OneOrMany<T>(PhantomData<T>);

/// The same; a list has something in it.
pub struct OneOrSome<T>(PhantomData<T>);

/// A short form, or the full one.
pub struct Either<S, F>(PhantomData<(S, F)>);

fn whole(min: u64, max: u64, pattern: &str) -> Schema {
    json_schema!({"type": ["integer", "string"], "minimum": min, "maximum": max, "pattern": pattern})
}

impl<const MIN: u64, const MAX: u64> JsonSchema for Whole<MIN, MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Whole".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        whole(MIN, MAX, r"^\s*\+?[0-9]+\s*$")
    }
}

impl<const MIN: u64, const MAX: u64> JsonSchema for OpenWhole<MIN, MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "OpenWhole".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        whole(MIN, MAX, &format!(r"^\s*\+?[0-9]+\s*$|{TEMPLATE}"))
    }
}

impl<const MAX: u64> JsonSchema for OpenNumber<MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "OpenNumber".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // A text is held to no maximum: one that is small enough is told by its digits.
        let digits = if MAX == 1 {
            r"0*1(\.0*)?|0+(\.[0-9]*)?|0*\.[0-9]+"
        } else {
            r"([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
        };
        let pattern = format!(r"^\s*\+?({digits})\s*$|{TEMPLATE}");
        json_schema!({"type": ["number", "string"], "minimum": 0, "maximum": MAX, "pattern": pattern})
    }
}

/// A schema that takes what one of several takes.
fn any_of(schemas: impl IntoIterator<Item = Schema>) -> Schema {
    let schemas: Vec<Value> = schemas.into_iter().map(Schema::to_value).collect();
    json_schema!({"anyOf": schemas})
}

impl<T: JsonSchema> JsonSchema for OrTemplate<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("OrTemplate_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        any_of([generator.subschema_for::<T>(), generator.subschema_for::<Template>()])
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("OneOrMany_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let item = generator.subschema_for::<T>();
        any_of([item.clone(), json_schema!({"type": "array", "items": item})])
    }
}

impl<T: JsonSchema> JsonSchema for OneOrSome<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("OneOrSome_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let item = generator.subschema_for::<T>();
        any_of([item.clone(), json_schema!({"type": "array", "items": item, "minItems": 1})])
    }
}

impl<S: JsonSchema, F: JsonSchema> JsonSchema for Either<S, F> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Either_{}_{}", S::schema_name(), F::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        any_of([generator.subschema_for::<S>(), generator.subschema_for::<F>()])
    }
}

/// Takes `null` from what a value may be. Of most keys a missing value is a missing key; of some it is an error.
pub fn not_null(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else { return };
    if let Some(Value::Array(kinds)) = object.get_mut("type") {
        kinds.retain(|kind| kind != "null");
    }
    if let Some(Value::Array(kinds)) = object.get_mut("anyOf") {
        kinds.retain(|kind| *kind != json!({"type": "null"}));
        if let [only] = &mut kinds[..] {
            let only = only.take();
            object.remove("anyOf");
            if let Value::Object(only) = only {
                // The words that stand here are about this very key.
                for (key, value) in only {
                    object.entry(key).or_insert(value);
                }
            }
        }
    }
}

/// The same of every key of a map.
pub fn no_nulls(schema: &mut Schema) {
    for (_, property) in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        if let Ok(schema) = property.try_into() {
            not_null(schema);
        }
    }
}

/// Of these keys at most one may be there.
pub fn exclusive(schema: &mut Schema, pairs: &[[&str; 2]]) {
    let pairs: Vec<Value> = pairs.iter().map(|pair| json!({"not": {"required": pair}})).collect();
    let all = schema.ensure_object().entry("allOf").or_insert_with(|| json!([]));
    if let Value::Array(all) = all {
        all.extend(pairs);
    }
}

/// Exactly one of these keys is there.
pub fn exactly_one<'k>(schema: &mut Schema, keys: impl IntoIterator<Item = &'k str>) {
    let one: Vec<Value> = keys.into_iter().map(|key| json!({"required": [key]})).collect();
    schema.insert("oneOf".to_owned(), one.into());
}

/// Takes out what says nothing to a reader: alternatives within alternatives, and how wide a number is in Rust.
pub fn tidy(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else { return };
    object.remove("format");
    let Some(Value::Array(kinds)) = object.get_mut("anyOf") else { return };
    let flat = std::mem::take(kinds).into_iter().flat_map(|kind| match kind {
        Value::Object(mut kind) if kind.len() == 1 && kind.contains_key("anyOf") => match kind.remove("anyOf") {
            Some(Value::Array(inner)) => inner,
            _ => Vec::new(),
        },
        kind => vec![kind],
    });
    *kinds = flat.collect();
}
