//! Reads `probes:`: what is asked behind the last turn, from a list or from a file with one JSON object a line.

use std::sync::Arc;

use serde_json::Value as Json;

use super::decode::Findings;
use super::lint::allowed_of_turn;
use super::matrix;
use super::read_check::checks;
use super::read_turns::MAX_TURNS;
use super::template::{Templates, has_templates};
use super::yaml::{Node, Scalar, Value};
use crate::diagnostic::{Code, Diagnostic, SourceFile};
use crate::model::{Fact, Position, Turn};

/// Probes before their variables are filled in.
#[derive(Debug, Clone)]
pub struct Probes {
    /// The list.
    list: Node,
    /// The file that it is from, and where the scenario names it.
    file: Option<(Arc<SourceFile>, Position)>,
}

impl Probes {
    /// Of a list in the scenario itself.
    pub fn inline(list: Node) -> Self {
        Self { list, file: None }
    }

    /// Of a file, which is named at `named`.
    ///
    /// # Errors
    /// The first line that is no JSON object.
    pub fn of_file(file: &Arc<SourceFile>, named: &Node) -> Result<Self, Box<Diagnostic>> {
        let help = "a file of probes has one JSON object a line, such as `{\"user\": \"What's my name?\"}`";
        let mut items = Vec::new();
        matrix::json_rows(file, Code::InvalidProbes, help, |row, span| {
            let value = |text: &str| serde_json::from_str(text).unwrap_or_default();
            let row = row.into_iter().map(|(key, raw)| (key, value(raw.get()))).collect();
            items.push(node(Json::Object(row), &span));
            Ok(())
        })?;
        if items.is_empty() {
            return Err(Box::new(Diagnostic::error(Code::EmptyList, format!("`{}` has no probes", file.path))));
        }
        let list = Node { value: Value::List(items.into()), span: 0..0, position: named.position };
        Ok(Self { list, file: Some((Arc::clone(file), named.position)) })
    }

    /// The list, before its variables are filled in.
    pub const fn list(&self) -> &Node {
        &self.list
    }

    /// Where all of them stand, where they are from a file.
    pub fn place(&self) -> Option<Position> {
        self.file.as_ref().map(|(_, named)| *named)
    }

    /// The warnings that each of them is meant to give.
    pub fn allowed(&self, findings: &mut Findings) -> Vec<Vec<Code>> {
        let Value::List(items) = &self.list.value else { return Vec::new() };
        let Some((file, _)) = &self.file else {
            return items.iter().map(|item| allowed_of_turn(findings, item)).collect();
        };
        let mut inner = Findings::new(Arc::clone(file));
        let allowed = items.iter().map(|item| allowed_of_turn(&mut inner, item)).collect();
        findings.extend(inner.into_diagnostics());
        allowed
    }

    /// Whether they have variables to fill in.
    pub fn have_templates(&self) -> bool {
        has_templates(&self.list)
    }

    /// The probes with their variables filled in.
    pub fn fill(&self, findings: &mut Findings, templates: &Templates<'_>, facts: &[Fact]) -> Vec<Turn> {
        let Some((file, named)) = &self.file else {
            let list = templates.fill(findings, &self.list);
            return probes(findings, &list, facts);
        };
        let mut inner = Findings::new(Arc::clone(file)).with_schemas(Arc::clone(findings.schemas()));
        let list = templates.fill(&mut inner, &self.list);
        let mut read = probes(&mut inner, &list, facts);
        findings.extend(inner.into_diagnostics());
        // Reports know the scenario's file alone.
        for probe in &mut read {
            probe.position = *named;
            probe.checks.iter_mut().for_each(|check| check.position = *named);
        }
        read
    }
}

fn probes(findings: &mut Findings, list: &Node, facts: &[Fact]) -> Vec<Turn> {
    let Some(items) = findings.filled_list(list, "probes") else { return Vec::new() };
    if let Some(item) = items.get(MAX_TURNS) {
        findings.error(Code::TooManyTurns, item, format!("a conversation has at most {MAX_TURNS} probes"), "");
        return Vec::new();
    }
    items.iter().filter_map(|item| probe(findings, item, facts)).collect()
}

fn probe(findings: &mut Findings, node: &Node, facts: &[Fact]) -> Option<Turn> {
    let fields = findings.fields(node, "a probe", &["user", "expect", "allow"])?;
    let user = fields.require(findings, "user", "a probe");
    let checks = fields.get("expect").map_or_else(Vec::new, |expect| checks(findings, expect, facts));
    let user = findings.shared_text(user?, "user")?;
    Some(Turn { id: None, user, reply: None, checks, captures: Vec::new(), position: node.position })
}

/// A value of a line of JSON as if it stood in YAML. All of it is marked as the line.
fn node(json: Json, line: &std::ops::Range<usize>) -> Node {
    let key = |name: String| Node { value: Value::Scalar(Scalar::Text, name.into()), ..node(Json::Null, line) };
    let value = match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Scalar(Scalar::Bool(flag), flag.to_string().into()),
        Json::Number(number) => {
            let text = number.to_string();
            let whole = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
            let float = || Scalar::Float(number.as_f64().unwrap_or(f64::NAN));
            Value::Scalar(whole.map_or_else(float, |whole| Scalar::Int(Box::new(whole))), text.into())
        }
        Json::String(text) => Value::Scalar(Scalar::Text, text.into()),
        Json::Array(items) => Value::List(items.into_iter().map(|item| node(item, line)).collect()),
        Json::Object(fields) => {
            Value::Map(fields.into_iter().map(|(name, value)| (key(name), node(value, line))).collect())
        }
    };
    Node { value, span: line.clone(), position: Position::default() }
}
