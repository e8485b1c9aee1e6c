//! Reads `json_schema` and `json_path`, and the files of schemas that a scenario names.

use std::collections::HashMap;

use super::decode::Findings;
use super::template::is_template;
use super::yaml::{Node, Value};
use crate::check;
use crate::diagnostic::{Code, SourceFile};
use crate::model::{CheckKind, JsonPath, Schema};

/// The schemas of files, by the paths that the scenario gives. `None` of one that is wrong, which is said already.
pub type Schemas = HashMap<String, Option<Schema>>;

/// The most values that a schema has: one of more is no description of a reply.
const MAX_VALUES: usize = 5_000;
/// The longest path, in bytes.
const MAX_PATH: usize = 1_000;

/// Where below a node `json_schema` names a file: the path, and the node that has it.
pub fn files_named<'n>(node: &'n Node, found: &mut Vec<(&'n str, &'n Node)>) {
    match &node.value {
        Value::Map(entries) => {
            for (key, value) in entries.iter() {
                match (key.scalar_text(), &value.value) {
                    (Some("json_schema"), Value::Scalar(_, path)) if !is_template(path) => found.push((path, value)),
                    _ => files_named(value, found),
                }
            }
        }
        Value::List(items) => items.iter().for_each(|item| files_named(item, found)),
        _ => {}
    }
}

/// Reads a file with a schema. What is wrong with it is said where it is named.
pub fn schema_file(findings: &mut Findings, file: &SourceFile, path: &str, named: &Node) -> Option<Schema> {
    match serde_json::from_str(&file.text) {
        Ok(value) => compile(findings, named, path, value),
        Err(error) => {
            let help = "a schema's file is JSON; a schema in YAML stands in the scenario itself";
            findings.error_help(Code::InvalidSchema, named, format!("`{path}` is no JSON: {error}"), "", help);
            None
        }
    }
}

fn compile(findings: &mut Findings, at: &Node, name: &str, value: serde_json::Value) -> Option<Schema> {
    let what = if name == INLINE { "`json_schema`".to_owned() } else { format!("`{name}`") };
    let mut refuse = |why: String, help: &str| {
        findings.error_help(Code::InvalidSchema, at, format!("{what} {why}"), "", help);
        None
    };
    if !value.is_object() {
        return refuse(
            "is no schema: a schema is a map".to_owned(),
            "write it like `{type: object, required: [name]}`",
        );
    }
    if is_larger(&value, MAX_VALUES) {
        return refuse(format!("has more than {MAX_VALUES} values"), "a schema for a reply says less");
    }
    if let Some(reference) = foreign_reference(&value) {
        let help = "nothing is fetched; put what it leads to under `$defs` and refer to it as `#/$defs/…`";
        return refuse(
            format!("refers to `{}`, outside of itself", crate::text::layout::truncate(reference, 100)),
            help,
        );
    }
    if check::is_endless(&value) {
        return refuse(
            "has a `$ref` that leads back to itself, or through too many others".to_owned(),
            "a `$ref` may lead back below `properties` or `items`",
        );
    }
    match Schema::new(name, value) {
        Ok(schema) => Some(schema),
        Err(why) => {
            let why = crate::text::layout::truncate(&why, 300);
            refuse(
                format!("is no JSON Schema: {why}"),
                "json-schema.org says what a schema may have; `pattern` is of Rust's regex crate",
            )
        }
    }
}

const INLINE: &str = "inline";

/// Reads a schema in the scenario, or the name of a file with one.
pub fn json_schema(findings: &mut Findings, node: &Node) -> Option<CheckKind> {
    if let Value::Map(_) = node.value {
        return compile(findings, node, INLINE, node.to_json()).map(CheckKind::JsonSchema);
    }
    let path = findings.filled_text(node, "json_schema")?;
    if let Some(known) = findings.schemas().get(&path) {
        return known.clone().map(CheckKind::JsonSchema);
    }
    let message = format!("`json_schema` names `{path}` by a variable");
    let help = "files are read before variables are filled in: write the path out, or the schema itself";
    findings.error_help(Code::InvalidSchema, node, message, "", help);
    None
}

/// Reads `{path, equals}`.
pub fn json_path(findings: &mut Findings, node: &Node) -> Option<CheckKind> {
    let fields = findings.fields(node, "`json_path`", &["path", "equals"])?;
    let path_node = fields.require(findings, "path", "`json_path`");
    // `equals: null` asks for null, which is not the same as no `equals`.
    let Some((_, equals)) = fields.pair("equals") else {
        fields.require(findings, "equals", "`json_path`");
        return None;
    };
    let (path_node, equals) = (path_node?, equals.to_json());
    let path = findings.filled_text(path_node, "path")?;
    if path.len() > MAX_PATH {
        findings.error(Code::InvalidPath, path_node, format!("`path` has at most {MAX_PATH} bytes"), "");
        return None;
    }
    match JsonPath::new(&path) {
        Ok(path) => Some(CheckKind::JsonPath(path, equals)),
        Err(why) => {
            let help = "paths are those of RFC 9535, such as `$.items[0].price`";
            findings.error_help(Code::InvalidPath, path_node, format!("`{path}` is no JSON path: {why}"), "", help);
            None
        }
    }
}

fn is_larger(value: &serde_json::Value, most: usize) -> bool {
    let (mut left, mut count) = (vec![value], 0);
    while let Some(value) = left.pop() {
        count += 1;
        match value {
            serde_json::Value::Array(items) => left.extend(items),
            serde_json::Value::Object(fields) => left.extend(fields.values()),
            _ => {}
        }
        if count + left.len() > most {
            return true;
        }
    }
    false
}

/// A `$ref` that leads out of the schema. What is compared with the reply is no schema, whatever it looks like.
fn foreign_reference(schema: &serde_json::Value) -> Option<&str> {
    match schema {
        serde_json::Value::Object(fields) => fields.iter().find_map(|(key, value)| match (key.as_str(), value) {
            ("const" | "enum" | "default" | "examples", _) => None,
            ("$ref" | "$dynamicRef" | "$recursiveRef", serde_json::Value::String(to)) if !to.starts_with('#') => {
                Some(to.as_str())
            }
            (_, value) => foreign_reference(value),
        }),
        serde_json::Value::Array(items) => items.iter().find_map(foreign_reference),
        _ => None,
    }
}
