//! Fills variables into the texts of a YAML tree.
//!
//! Templates are minijinja's, strict: a name that is no variable is an error. A value is put in once and never looked
//! at again, so the values of cases and variables are data even where they look like templates.

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, ErrorKind, UndefinedBehavior};
use serde_json::{Map, Value as Json};

use super::decode::Findings;
use super::yaml::{Node, Scalar, Value};
use crate::diagnostic::Code;
use crate::text::nearest::nearest;

/// Steps of one template, so that a loop within a loop ends.
const FUEL: u64 = 100_000;
/// The longest text that a template may give, in bytes.
const MAX_TEXT: usize = 1 << 20;

/// Whether a text has anything to fill in.
#[must_use]
pub fn is_template(text: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|mark| text.contains(mark))
}

/// Whether any text of the tree has anything to fill in.
#[must_use]
pub fn has_templates(node: &Node) -> bool {
    match &node.value {
        Value::Null => false,
        Value::Scalar(_, text) => is_template(text),
        Value::List(items) => items.iter().any(has_templates),
        Value::Map(entries) => entries.iter().any(|(_, value)| has_templates(value)),
    }
}

/// Fills variables in.
pub struct Templates<'v> {
    environment: Environment<'static>,
    variables: &'v Map<String, Json>,
}

impl<'v> Templates<'v> {
    /// For these variables.
    #[must_use]
    pub fn new(variables: &'v Map<String, Json>) -> Self {
        let mut environment = Environment::new();
        // A text's own line feed at its end is the author's.
        let syntax = SyntaxConfig::builder().keep_trailing_newline(true).build();
        if let Ok(syntax) = syntax {
            environment.set_syntax(syntax);
        }
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        Self { environment, variables }
    }

    /// The same tree with every text filled in. A text that cannot be is noted and left as it is.
    pub fn fill(&self, findings: &mut Findings, node: &Node) -> Node {
        let value = match &node.value {
            Value::Scalar(_, text) if is_template(text) => {
                let filled = self.fill_text(findings, node, text).unwrap_or_default();
                Value::Scalar(Scalar::Text, filled)
            }
            Value::List(items) => Value::List(items.iter().map(|item| self.fill(findings, item)).collect()),
            Value::Map(entries) => {
                Value::Map(entries.iter().map(|(key, value)| (key.clone(), self.fill(findings, value))).collect())
            }
            other => other.clone(),
        };
        Node { value, span: node.span.clone(), position: node.position }
    }

    /// One text filled in; errors are noted at `at`.
    pub fn fill_text(&self, findings: &mut Findings, at: &Node, text: &str) -> Option<String> {
        if !is_template(text) {
            return Some(text.to_owned());
        }
        let template = match self.environment.template_from_str(text) {
            Ok(template) => template,
            Err(error) => {
                let message = format!("this template cannot be read: {}", reason(&error));
                let help = "where braces are meant as they are, put them between `{% raw %}` and `{% endraw %}`";
                findings.error_help(Code::TemplateSyntax, at, message, "", help);
                return None;
            }
        };
        let is_global = |name: &str| self.environment.globals().any(|(global, _)| global == name);
        let mut unknown: Vec<String> = template
            .undeclared_variables(false)
            .into_iter()
            .filter(|name| !self.variables.contains_key(name) && !is_global(name))
            .collect();
        unknown.sort();
        if let Some(name) = unknown.first() {
            let label = nearest(name, self.variables.keys().map(String::as_str))
                .map_or_else(String::new, |near| format!("did you mean `{near}`?"));
            let help = "variables come from `vars:`, `matrix:` and the columns of `cases:`";
            findings.error_help(Code::UnknownVariable, at, format!("`{name}` is no variable here"), label, help);
            return None;
        }
        match template.render(minijinja::Value::from(minijinja::value::Serde(self.variables))) {
            Ok(filled) if filled.len() > MAX_TEXT => {
                findings.error(Code::TemplateError, at, "this template gives more than 1 MiB of text", "");
                None
            }
            Ok(filled) => Some(filled),
            Err(error) => {
                findings.error(Code::TemplateError, at, format!("this template fails: {}", reason(&error)), "");
                None
            }
        }
    }
}

fn reason(error: &minijinja::Error) -> String {
    match (error.kind(), error.detail()) {
        (ErrorKind::OutOfFuel, _) => "it takes too many steps".to_owned(),
        (_, Some(detail)) => detail.to_owned(),
        (kind, None) => kind.to_string(),
    }
}
