//! Reads `vars:`, `matrix:` and `cases:`: the variables of each conversation.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json};

use super::decode::Findings;
use super::header::entry;
use super::yaml::{Node, Value};
use crate::diagnostic::{Code, Diagnostic, SourceFile};

/// The most cells that a matrix may have.
pub const MAX_CELLS: usize = 10_000;
/// The most rows that a file of cases may have.
pub const MAX_CASES: usize = 100_000;
/// The most bytes that the name of a column may have in CSV, where every row has all of them, however short it is.
const MAX_COLUMN_NAME: usize = 200;

/// Variables by name, in the order of the file.
pub type Variables = Map<String, Json>;

/// The rows of the cases; at least one in a scenario. There may be a great many, all of them held as long as the run goes on: so
/// they are one text, and a row becomes variables when it is asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cases {
    /// The names of columns, each list for as many rows one behind the other as have just these.
    columns: Vec<Box<[String]>>,
    /// Of one row after the other its name, and its cells as a JSON list.
    text: String,
    rows: Vec<Row>,
}

/// Where a row ends in the text.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Row {
    name: u32,
    cells: u32,
    /// The index of the names of its columns.
    columns: u32,
}

impl Cases {
    /// The one case, without a name, of a scenario without cases.
    #[must_use]
    pub fn only() -> Self {
        let mut only = Self::default();
        only.add("", Variables::new());
        only
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The name of the case at an index, which must be there: its column `id`, else its row number; empty where the scenario has
    /// no cases.
    #[must_use]
    pub fn name(&self, at: usize) -> &str {
        let start = at.checked_sub(1).map_or(0, |before| self.rows[before].cells as usize);
        &self.text[start..self.rows[at].name as usize]
    }

    /// Their names, in the order of the file.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|at| self.name(at))
    }

    /// The names of their columns; more than once where rows differ in them.
    pub fn columns(&self) -> impl Iterator<Item = &String> {
        self.columns.iter().flatten()
    }

    /// The columns of the case at an index, which must be there.
    #[must_use]
    pub fn variables(&self, at: usize) -> Variables {
        let Row { name, cells, columns } = self.rows[at];
        // It was written from such a list.
        let cells: Vec<Json> = serde_json::from_str(&self.text[name as usize..cells as usize]).unwrap_or_default();
        self.columns[columns as usize].iter().cloned().zip(cells).collect()
    }

    fn add(&mut self, name: &str, variables: Variables) {
        if !self.columns.last().is_some_and(|columns| columns.iter().eq(variables.keys())) {
            self.columns.push(variables.keys().cloned().collect());
        }
        self.text.push_str(name);
        let name = whole(self.text.len());
        self.text.push_str(&Json::Array(variables.into_iter().map(|(_, cell)| cell).collect()).to_string());
        self.rows.push(Row { name, cells: whole(self.text.len()), columns: whole(self.columns.len() - 1) });
    }

    /// Gives back the room that was taken in advance.
    fn trimmed(mut self) -> Self {
        self.columns.shrink_to_fit();
        self.text.shrink_to_fit();
        self.rows.shrink_to_fit();
        self
    }
}

/// A byte of a file, and of what YAML unfolds to, is six bytes of JSON at most: all of it lies far below.
fn whole(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Reads a map of variables.
pub fn variables(findings: &mut Findings, node: &Node, what: &str) -> Variables {
    let Some(fields) = findings.open_fields(node, what) else { return Variables::new() };
    let named = fields.iter().filter(|(name, key, _)| is_variable_name(findings, name, key));
    named.map(|(name, _, value)| (name.to_owned(), variable(value))).collect()
}

/// A number that is written unlike others of its value stays as it was written: the version `1.10` is not `1.1`.
fn variable(node: &Node) -> Json {
    match (node.to_json(), node.scalar_text()) {
        (Json::Number(number), Some(text)) if number.to_string() != text => text.into(),
        (json, _) => json,
    }
}

/// Whether a variable may be called so; that it may not is noted.
pub(super) fn is_variable_name(findings: &mut Findings, name: &str, at: &Node) -> bool {
    let mut letters = name.chars();
    let first = letters.next().is_some_and(|c| c.is_alphabetic() || c == '_');
    if first && letters.all(|c| c.is_alphanumeric() || c == '_') {
        return true;
    }
    let help = "names of variables have letters, digits and `_`, and start with no digit";
    findings.error_help(Code::InvalidName, at, format!("`{name}` is no name for a variable"), "", help);
    false
}

/// Reads a matrix as its cells, the first name slowest. One empty cell where there is none, and none where it cannot be read.
pub fn cells(findings: &mut Findings, node: Option<&Node>) -> Vec<Variables> {
    let Some(node) = node else { return vec![Variables::new()] };
    let Some(fields) = findings.open_fields(node, "`matrix`") else { return Vec::new() };
    let mut axes: Vec<(&str, Vec<Json>)> = Vec::new();
    let mut size = 1_usize;
    for (name, key, value) in fields.iter() {
        let Some(items) = is_variable_name(findings, name, key).then(|| findings.filled_list(value, name)).flatten()
        else {
            continue;
        };
        let values: Vec<Json> = items.iter().map(variable).collect();
        if let Some(at) = (1..values.len()).find(|at| values[..*at].contains(&values[*at])) {
            let message = format!("`{name}` has {} twice", values[at]);
            findings.error(Code::DuplicateValue, &items[at], message, "again here");
        }
        size = size.saturating_mul(values.len());
        axes.push((name, values));
    }
    if size > MAX_CELLS {
        findings.error(
            Code::TooManyCells,
            fields.node(),
            format!("this matrix has {size} cells, and at most {MAX_CELLS} are allowed"),
            "",
        );
        return Vec::new();
    }
    let mut cells = vec![Variables::new()];
    for (name, values) in axes {
        cells = cells
            .iter()
            .flat_map(|cell| {
                values.iter().map(move |value| {
                    let mut cell = cell.clone();
                    cell.insert(name.to_owned(), value.clone());
                    cell
                })
            })
            .collect();
    }
    cells
}

/// Reads cases that stand in the scenario itself.
pub fn inline_cases(findings: &mut Findings, items: &[Node]) -> Cases {
    let (mut cases, mut seen) = (Cases::default(), HashSet::new());
    for (number, node) in (1..).zip(items) {
        let variables = variables(findings, node, "a case");
        let at = entry(node, "id").unwrap_or(node);
        let Some(name) = case_name(&variables, number) else {
            findings.wrong_type(at, "id", ID);
            continue;
        };
        cases.add(&name, variables);
        if !seen.insert(name.clone()) {
            findings.error(Code::DuplicateCase, at, format!("two cases are called `{name}`"), "again here");
        }
    }
    cases.trimmed()
}

/// Reads a file of cases: CSV with a header row, or one JSON object a line.
///
/// # Errors
/// The first thing that is wrong with the file.
pub fn file_cases(file: &Arc<SourceFile>) -> Result<Cases, Box<Diagnostic>> {
    let (mut cases, mut seen) = (Cases::default(), HashSet::new());
    let mut add = |variables: Variables, span| {
        let Some(name) = case_name(&variables, cases.len() + 1) else {
            let message = format!("the `id` of a case must be {ID}");
            return Err(Box::new(Diagnostic::error(Code::InvalidCases, message).at(file, span, "in this line")));
        };
        if cases.len() == MAX_CASES {
            let message = format!("`{}` has more than {MAX_CASES} cases", file.path);
            return Err(Box::new(Diagnostic::error(Code::TooManyCases, message)));
        }
        cases.add(&name, variables);
        if !seen.insert(name.clone()) {
            let diagnostic = Diagnostic::error(Code::DuplicateCase, format!("two cases are called `{name}`"));
            return Err(Box::new(diagnostic.at(file, span, "the second one")));
        }
        Ok(())
    };
    if file.path.to_lowercase().ends_with(".csv") {
        csv_rows(file, add)?;
    } else {
        json_rows(file, Code::InvalidCases, JSON_CASES, |columns, span| {
            add(columns.into_iter().map(|(name, cell)| (name, as_spelled(&cell))).collect(), span)
        })?;
    }
    if cases.is_empty() {
        return Err(Box::new(Diagnostic::error(Code::NoCases, format!("`{}` has no cases", file.path))));
    }
    Ok(cases.trimmed())
}

/// What a case is called, by its `id`, else by its number; none where the `id` can be no name.
fn case_name(variables: &Variables, number: usize) -> Option<String> {
    match variables.get("id") {
        None | Some(Json::Null) => Some(number.to_string()),
        Some(Json::String(id)) if id.is_empty() => Some(number.to_string()),
        Some(Json::String(id)) => Some(id.clone()),
        Some(Json::Number(id)) => Some(id.to_string()),
        Some(Json::Bool(_) | Json::Array(_) | Json::Object(_)) => None,
    }
}

fn line_span(text: &str, start: usize) -> std::ops::Range<usize> {
    let start = start.min(text.len());
    let rest = &text[start..];
    start..start + rest.lines().next().unwrap_or("").len()
}

/// The library takes all that follows a quote that is never closed for one cell, and the rows in it are gone without a word.
fn unclosed_quote(file: &Arc<SourceFile>, text: &str, skipped: usize) -> Result<(), Box<Diagnostic>> {
    let (bytes, mut opened, mut begins_cell) = (text.as_bytes(), None, true);
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match opened {
            // Two of them in a row are one that is meant.
            Some(_) if bytes[at..].starts_with(b"\"\"") => at += 1,
            Some(_) if *byte == b'"' => opened = None,
            // In the middle of a cell it is a letter like others.
            None if *byte == b'"' && begins_cell => opened = Some(at),
            _ => {}
        }
        begins_cell = opened.is_none() && matches!(byte, b',' | b'\n' | b'\r');
        at += 1;
    }
    match opened {
        None => Ok(()),
        Some(at) => {
            let message = "this quote is never closed: all rows behind it would be one cell";
            let at = at + skipped;
            Err(Box::new(Diagnostic::error(Code::InvalidCases, message).at(file, at..at + 1, "")))
        }
    }
}

/// Hands on the rows of a CSV file, each with its place.
fn csv_rows(
    file: &Arc<SourceFile>,
    mut add: impl FnMut(Variables, Range<usize>) -> Result<(), Box<Diagnostic>>,
) -> Result<(), Box<Diagnostic>> {
    let text = file.text.strip_prefix('\u{feff}').unwrap_or(&file.text);
    let skipped = file.text.len() - text.len();
    let problem = |error: &csv::Error| {
        let at = error.position().map_or(0, |at| usize::try_from(at.byte()).unwrap_or(0));
        let message = match error.kind() {
            csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                format!("this row has {len} cells, and the header has {expected_len}")
            }
            _ => format!("this is not CSV: {error}"),
        };
        Box::new(Diagnostic::error(Code::InvalidCases, message).at(file, line_span(&file.text, at + skipped), ""))
    };
    unclosed_quote(file, text, skipped)?;
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| problem(&error))?.clone();
    if let Some(long) = header.iter().find(|name| name.len() > MAX_COLUMN_NAME) {
        let shown: String = long.chars().take(40).collect();
        let message = format!("the name of the column `{shown}…` has more than {MAX_COLUMN_NAME} bytes");
        return Err(Box::new(Diagnostic::error(Code::InvalidCases, message).at(file, 0..0, "in this header")));
    }
    let mut names = HashSet::new();
    if let Some(twice) = header.iter().find(|name| !names.insert(*name)) {
        let message = format!("the column `{twice}` is there twice");
        return Err(Box::new(Diagnostic::error(Code::InvalidCases, message).at(file, line_span(&file.text, 0), "")));
    }
    for record in reader.records() {
        let record = record.map_err(|error| problem(&error))?;
        let at = record.position().map_or(0, |at| usize::try_from(at.byte()).unwrap_or(0)) + skipped;
        let variables = header.iter().zip(&record).map(|(name, cell)| (name.to_owned(), cell.into())).collect();
        add(variables, line_span(&file.text, at))?;
    }
    Ok(())
}

/// What the `id` of a case must be.
const ID: &str = "a text or a number";
const JSON_CASES: &str = "a file of cases is CSV (`.csv`), or has one JSON object a line (`.jsonl`)";

/// A cell of JSON; like [`variable`] a number that is written unlike others of its value as it was written.
fn as_spelled(cell: &RawValue) -> Json {
    // It was read once: this fails for nothing.
    match serde_json::from_str(cell.get()).unwrap_or_default() {
        Json::Number(number) if number.to_string() != cell.get() => cell.get().into(),
        json => json,
    }
}

/// A JSON object in the order of its keys, with what stands there as it is written.
pub(super) struct Object(pub Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let (mut entries, mut seen) = (Vec::new(), HashSet::new());
                while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    if !seen.insert(name.clone()) {
                        return Err(A::Error::custom(format!("`{name}` is there twice")));
                    }
                    entries.push((name, value));
                }
                Ok(Object(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

/// Hands on the objects of a file with one of them a line, each with its place. What is wrong has the code `code`, and `help` behind it.
pub(super) fn json_rows(
    file: &Arc<SourceFile>,
    code: Code,
    help: &str,
    mut add: impl FnMut(Vec<(String, Box<RawValue>)>, Range<usize>) -> Result<(), Box<Diagnostic>>,
) -> Result<(), Box<Diagnostic>> {
    let text = file.text.strip_prefix('\u{feff}').unwrap_or(&file.text);
    let mut at = file.text.len() - text.len();
    for line in text.split_inclusive('\n') {
        let span = line_span(&file.text, at);
        at += line.len();
        if line.trim().is_empty() {
            continue;
        }
        // An object is read twice: what it is, and how that is written.
        let object = serde_json::from_str::<Json>(line).map(|json| json.is_object());
        match object.and_then(|is_object| if is_object { serde_json::from_str(line).map(Some) } else { Ok(None) }) {
            Ok(Some(Object(entries))) => add(entries, span)?,
            wrong => {
                let message = match wrong {
                    Ok(_) => "this line is JSON, but no object".to_owned(),
                    Err(error) => {
                        let what = error.to_string();
                        let what = what.rsplit_once(" at line ").map_or(&*what, |(what, _)| what);
                        let wrong = if error.is_data() { "in this line" } else { "this line is not JSON:" };
                        format!("{wrong} {what}")
                    }
                };
                return Err(Box::new(Diagnostic::error(code, message).at(file, span, "").help(help)));
            }
        }
    }
    Ok(())
}

/// Reads `cases:` where it is a list; a text names a file, which the caller reads.
pub fn cases_node<'n>(findings: &mut Findings, node: &'n Node) -> CasesNode<'n> {
    match &node.value {
        Value::List(_) => match findings.filled_list(node, "cases") {
            Some(items) => CasesNode::Inline(items),
            None => CasesNode::None,
        },
        Value::Scalar(..) => match findings.filled_text(node, "cases") {
            Some(path) => CasesNode::File(path),
            None => CasesNode::None,
        },
        _ => {
            findings.wrong_type(node, "cases", "a file name or a list of maps");
            CasesNode::None
        }
    }
}

/// What `cases:` holds.
#[derive(Debug)]
pub enum CasesNode<'n> {
    /// Nothing readable.
    None,
    /// Rows in the scenario itself.
    Inline(&'n [Node]),
    /// A file.
    File(String),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = Json> {
        prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            any::<u64>().prop_map(Json::from),
            any::<f64>().prop_map(Json::from),
            any::<String>().prop_map(Json::from),
            prop::collection::vec(any::<f64>(), 0..3).prop_map(Json::from),
        ]
    }

    #[test]
    fn a_quote_that_is_never_closed_is_an_error_where_it_stands() {
        let rows = |text: &str| file_cases(&Arc::new(SourceFile { path: "c.csv".into(), text: text.to_owned() }));
        for text in ["id,x\na,\"oops\nb,2\nc,3\n", "id,x\n\"a\"\",1\nb,2\n", "\u{feff}\"id,x\na,1\n"] {
            let error = rows(text).unwrap_err();
            assert!(error.message.contains("never closed"), "{text:?}: {}", error.message);
        }
        for (text, number) in [
            ("id,x\na,\"1\n2\"\nb,\"\"\"2\"\"\"\n", 2),
            ("id,x\na,5\" pipe\nb,\"\"\n", 2),
            ("\"id\",x\r\n\"a\",1\r\n", 1),
        ] {
            assert_eq!(rows(text).unwrap().len(), number, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn the_names_and_columns_of_cases_come_back_as_they_were(
            rows in prop::collection::vec((any::<String>(), prop::collection::vec((any::<String>(), value()), 0..5)), 0..5)
        ) {
            let mut cases = Cases::default();
            let rows: Vec<(String, Variables)> = rows.into_iter().map(|(name, row)| (name, row.into_iter().collect())).collect();
            for (name, variables) in &rows {
                cases.add(name, variables.clone());
            }
            let cases = cases.trimmed();
            prop_assert!(cases.names().eq(rows.iter().map(|(name, _)| name)));
            for (at, (_, variables)) in rows.iter().enumerate() {
                let back = cases.variables(at);
                prop_assert!(back.iter().eq(variables.iter()), "{back:?} {variables:?}");
            }
        }
    }
}
