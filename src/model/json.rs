//! What checks know of JSON: a JSON Schema and a JSON path, each with the text that it was written as.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

/// A JSON Schema, ready to judge. It never looks outside of itself: no remote `$ref` is fetched.
#[derive(Clone)]
pub struct Schema {
    name: Arc<str>,
    value: Arc<Value>,
    validator: Arc<jsonschema::Validator>,
}

impl Schema {
    /// Compiles a schema. `name` is how outputs call it.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn new(name: &str, value: Value) -> Result<Self, String> {
        // Expressions come from strangers: the engine without back-references takes linear time.
        let patterns = jsonschema::PatternOptions::regex().size_limit(1 << 20);
        let options = jsonschema::options().offline().with_pattern_options(patterns);
        let validator = options.build(&value).map_err(|error| match error.instance_path().as_str() {
            "" => error.to_string(),
            place => format!("{error}, at `{place}`"),
        })?;
        Ok(Self { name: name.into(), value: value.into(), validator: validator.into() })
    }

    /// How outputs call it: its file, or `inline`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The schema itself.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The first thing that is wrong with a document, as a JSON pointer to the place and words; `None` where it is valid.
    #[must_use]
    pub fn first_error(&self, document: &Value) -> Option<(String, String)> {
        let error = self.validator.validate(document).err()?;
        Some((error.instance_path().as_str().to_owned(), error.to_string()))
    }
}

impl PartialEq for Schema {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.value) == (&other.name, &other.value)
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schema").field("name", &self.name).field("value", &self.value).finish_non_exhaustive()
    }
}

/// A JSON path of RFC 9535.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonPath {
    source: String,
    path: serde_json_path::JsonPath,
}

impl JsonPath {
    /// Reads a path.
    ///
    /// # Errors
    /// What is wrong with it, and at which character.
    pub fn new(source: &str) -> Result<Self, String> {
        let path = serde_json_path::JsonPath::parse(source).map_err(|error| {
            // The library counts bytes from 0, and often has no word for what is wrong.
            let before = source.get(..error.position()).unwrap_or(source);
            let at = before.chars().count() + 1;
            match error.message() {
                "parser error" => format!("it cannot be read from character {at} on"),
                why => format!("at character {at}, {why}"),
            }
        })?;
        Ok(Self { source: source.to_owned(), path })
    }

    /// The text that it was written as.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// All that it finds, each with its place as a normalised path.
    #[must_use]
    pub fn find<'d>(&self, document: &'d Value) -> Vec<(String, &'d Value)> {
        let found = self.path.query_located(document).all();
        found.into_iter().map(|found| (found.location().to_string(), found.node())).collect()
    }
}
