//! Values that others computed: `tests/fixtures/stats/reference.json`, made by the script beside it.

use serde_json::Value;

const TABLE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/stats/reference.json"));

/// The rows of one table.
pub(super) fn rows(table: &str) -> Vec<Value> {
    let mut tables: Value = serde_json::from_str(TABLE).unwrap();
    serde_json::from_value(tables[table].take()).unwrap()
}

pub(super) fn count(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

pub(super) fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

pub(super) fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}
