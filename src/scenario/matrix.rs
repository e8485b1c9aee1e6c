//! Reads `vars:`, `matrix:` and `cases:`: the variables of each conversation.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::decode::Findings;
use super::header::entry;
use super::yaml::{Node, Value};
use crate::diagnostic::{Code, Diagnostic, SourceFile};

/// The most cells that a matrix may have.
pub const MAX_CELLS: usize = 10_000;
/// The most rows that a file of cases may have.
pub const MAX_CASES: usize = 100_000;

/// Variables by name, in the order of the file.
pub type Variables = Map<String, Json>;

/// One row of the cases.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Its name, and after it its columns as the text of a JSON object. There may be a great many cases, all of them held as long
    /// as the run goes on, and a map takes ten times the room of its text.
    text: Box<str>,
    /// Bytes of the name.
    name: usize,
}

impl Case {
    /// The one case of a scenario without cases.
    #[must_use]
    pub fn only() -> Self {
        Self::new("", Variables::new())
    }

    fn new(name: &str, variables: Variables) -> Self {
        Self { text: format!("{name}{}", Json::Object(variables)).into(), name: name.len() }
    }

    /// Its column `id`, else its row number; empty where the scenario has no cases.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.text[..self.name]
    }

    /// Its columns.
    #[must_use]
    pub fn variables(&self) -> Variables {
        // It was written from such a map.
        serde_json::from_str(&self.text[self.name..]).unwrap_or_default()
    }
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

/// Reads a matrix as its cells, the first name slowest. One empty cell where there is none.
pub fn cells(findings: &mut Findings, node: Option<&Node>) -> Vec<Variables> {
    let Some(fields) = node.and_then(|node| findings.open_fields(node, "`matrix`")) else {
        return vec![Variables::new()];
    };
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
        return vec![Variables::new()];
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
pub fn inline_cases(findings: &mut Findings, items: &[Node]) -> Vec<Case> {
    let rows: Vec<(Variables, &Node)> = items.iter().map(|item| (variables(findings, item, "a case"), item)).collect();
    let mut cases = Vec::with_capacity(rows.len());
    let mut seen = std::collections::HashSet::new();
    for (number, (variables, node)) in (1..).zip(rows) {
        let name = case_name(&variables, number);
        if !seen.insert(name.clone()) {
            let at = entry(node, "id").unwrap_or(node);
            findings.error(Code::DuplicateCase, at, format!("two cases are called `{name}`"), "again here");
        }
        cases.push(Case::new(&name, variables));
    }
    cases
}

/// Reads a file of cases: CSV with a header row, or one JSON object a line.
///
/// # Errors
/// The first thing that is wrong with the file.
pub fn file_cases(file: &Arc<SourceFile>) -> Result<Vec<Case>, Box<Diagnostic>> {
    let is_csv = file.path.to_lowercase().ends_with(".csv");
    let rows = if is_csv { csv_rows(file)? } else { json_rows(file, Code::InvalidCases, JSON_CASES)? };
    if rows.is_empty() {
        return Err(Box::new(Diagnostic::error(Code::NoCases, format!("`{}` has no cases", file.path))));
    }
    let mut cases: Vec<Case> = Vec::with_capacity(rows.len());
    let mut seen = std::collections::HashSet::new();
    for (number, (variables, span)) in (1..).zip(rows) {
        let name = case_name(&variables, number);
        if !seen.insert(name.clone()) {
            let diagnostic = Diagnostic::error(Code::DuplicateCase, format!("two cases are called `{name}`")).at(
                file,
                span,
                "the second one",
            );
            return Err(Box::new(diagnostic));
        }
        if cases.len() == MAX_CASES {
            let message = format!("`{}` has more than {MAX_CASES} cases", file.path);
            return Err(Box::new(Diagnostic::error(Code::TooManyCases, message)));
        }
        cases.push(Case::new(&name, variables));
    }
    Ok(cases)
}

fn case_name(variables: &Variables, number: usize) -> String {
    match variables.get("id") {
        Some(Json::String(id)) if !id.is_empty() => id.clone(),
        Some(Json::Number(id)) => id.to_string(),
        _ => number.to_string(),
    }
}

type Row = (Variables, std::ops::Range<usize>);

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

fn csv_rows(file: &Arc<SourceFile>) -> Result<Vec<Row>, Box<Diagnostic>> {
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
    if let Some(twice) = header.iter().enumerate().find(|(at, name)| header.iter().take(*at).any(|h| h == *name)) {
        let message = format!("the column `{}` is there twice", twice.1);
        return Err(Box::new(Diagnostic::error(Code::InvalidCases, message).at(file, line_span(&file.text, 0), "")));
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| problem(&error))?;
        let at = record.position().map_or(0, |at| usize::try_from(at.byte()).unwrap_or(0)) + skipped;
        let variables = header.iter().zip(&record).map(|(name, cell)| (name.to_owned(), cell.into())).collect();
        rows.push((variables, line_span(&file.text, at)));
    }
    Ok(rows)
}

const JSON_CASES: &str = "a file of cases is CSV (`.csv`), or has one JSON object a line (`.jsonl`)";

/// The objects of a file with one of them a line, each with its place. What is wrong has the code `code`, and `help` behind it.
pub(super) fn json_rows(file: &Arc<SourceFile>, code: Code, help: &str) -> Result<Vec<Row>, Box<Diagnostic>> {
    let mut rows = Vec::new();
    let mut at = 0;
    for line in file.text.split_inclusive('\n') {
        let span = line_span(&file.text, at);
        at += line.len();
        if line.trim().is_empty() {
            continue;
        }
        match serde_json::from_str::<Json>(line) {
            Ok(Json::Object(variables)) => rows.push((variables, span)),
            wrong => {
                let message = match wrong {
                    Ok(_) => "this line is JSON, but no object".to_owned(),
                    Err(error) => {
                        let error = error.to_string();
                        format!(
                            "this line is not JSON: {}",
                            error.rsplit_once(" at line ").map_or(&*error, |(what, _)| what)
                        )
                    }
                };
                return Err(Box::new(Diagnostic::error(code, message).at(file, span, "").help(help)));
            }
        }
    }
    Ok(rows)
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
        let rows = |text: &str| csv_rows(&Arc::new(SourceFile { path: "c.csv".into(), text: text.to_owned() }));
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
        fn the_columns_of_a_case_come_back_as_they_were(columns in prop::collection::vec((any::<String>(), value()), 0..5)) {
            let variables: Variables = columns.into_iter().collect();
            let back = Case::new("c", variables.clone()).variables();
            prop_assert!(back.iter().eq(variables.iter()), "{back:?} {variables:?}");
        }
    }
}
