//! Fills variables into the texts of a YAML tree.
//!
//! Templates are minijinja's, strict: a name that is no variable is an error. A value is put in once and never looked
//! at again, so the values of cases and variables are data even where they look like templates.

use std::cell::{Cell, OnceCell};
use std::cmp::Ordering;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use minijinja::{Environment, ErrorKind};
use serde_json::{Map, Value as Json};

use super::decode::Findings;
use super::template_limits::{
    Bounded, FILTERS, MAX_SCRIPT, MAX_SCRIPT_GIVEN, MAX_TEXT, environment, measured, refusal,
};
use super::yaml::{Node, Scalar, Value};
use crate::diagnostic::{Code, Diagnostic};
use crate::text::nearest::nearest;

/// What was read last. A scenario's texts are filled in anew for each of its cases and cells, while the file is loaded and
/// when a conversation begins.
static READ: LazyLock<RwLock<ReadTemplates>> = LazyLock::new(|| RwLock::new(ReadTemplates::new()));

/// So many templates are kept, and so many bytes of their texts; past either all are forgotten.
const KEPT: usize = 512;
const KEPT_BYTES: usize = 1 << 20;

/// Templates that were read and are known to be allowed, by their texts.
struct ReadTemplates {
    environment: Environment<'static>,
    /// The variables that each of them needs, sorted.
    needs: HashMap<String, Vec<String>>,
    bytes: usize,
}

impl ReadTemplates {
    fn new() -> Self {
        Self { environment: environment(), needs: HashMap::new(), bytes: 0 }
    }

    fn add(&mut self, text: &str) -> Result<(), minijinja::Error> {
        if self.needs.len() >= KEPT || self.bytes + text.len() > KEPT_BYTES {
            self.environment.clear_templates();
            self.needs.clear();
            self.bytes = 0;
        }
        self.environment.add_template_owned(text.to_owned(), text.to_owned())?;
        let needed = self.environment.get_template(text)?.undeclared_variables(false);
        let mut needed: Vec<String> = needed.into_iter().collect();
        needed.sort();
        self.needs.insert(text.to_owned(), needed);
        self.bytes += text.len();
        Ok(())
    }
}

/// Names that mean something to the template language, whatever a variable of that name holds.
const WORDS: [&str; 17] = [
    "true", "True", "false", "False", "none", "None", "and", "or", "not", "in", "is", "if", "else", "loop", "self",
    "super", "import",
];

/// Whether a text has anything to fill in.
#[must_use]
pub fn is_template(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr::memchr_iter(b'{', bytes).any(|at| matches!(bytes.get(at + 1), Some(b'{' | b'%' | b'#')))
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

/// The variables that the texts of a tree need, each once or more often. Of a template that cannot be read, none.
#[must_use]
pub fn names_in(node: &Node) -> Vec<String> {
    match &node.value {
        Value::Scalar(_, text) if is_template(text) => {
            let text = &**text;
            let mut read = READ.write().unwrap_or_else(PoisonError::into_inner);
            if !read.needs.contains_key(text) && (refusal(text).is_some() || read.add(text).is_err()) {
                return Vec::new();
            }
            read.needs.get(text).cloned().unwrap_or_default()
        }
        Value::Null | Value::Scalar(..) => Vec::new(),
        Value::List(items) => items.iter().flat_map(names_in).collect(),
        Value::Map(entries) => entries.iter().flat_map(|(_, value)| names_in(value)).collect(),
    }
}

/// The items with those in the place of others that were filled in; `None` where none was.
fn with_filled<T: Clone>(items: &[T], fill: &mut dyn FnMut(&T) -> Option<T>) -> Option<Arc<[T]>> {
    let (first, filled) = items.iter().enumerate().find_map(|(at, item)| Some((at, fill(item)?)))?;
    let mut found = Some(filled);
    let all = items.iter().enumerate().map(|(at, item)| {
        let filled = match at.cmp(&first) {
            Ordering::Less => None,
            Ordering::Equal => found.take(),
            Ordering::Greater => fill(item),
        };
        filled.unwrap_or_else(|| item.clone())
    });
    Some(all.collect())
}

/// Fills variables in.
pub struct Templates<'v> {
    variables: &'v Map<String, Json>,
    /// The same, as templates see them; made where one needs the language.
    context: OnceCell<minijinja::Value>,
    /// Bytes that were filled in so far.
    filled: Cell<usize>,
    /// Bytes that filters were given so far.
    given: Cell<usize>,
}

impl<'v> Templates<'v> {
    /// For these variables.
    #[must_use]
    pub fn new(variables: &'v Map<String, Json>) -> Self {
        Self { variables, context: OnceCell::new(), filled: Cell::new(0), given: Cell::new(0) }
    }

    /// How many bytes the filters of all templates were given so far.
    #[must_use]
    pub fn given(&self) -> usize {
        self.given.get()
    }

    /// The same tree with every text filled in. A text that cannot be is noted and left as it is.
    pub fn fill(&self, findings: &mut Findings, node: &Node) -> Node {
        self.filled(findings, node).unwrap_or_else(|| node.clone())
    }

    /// The same, where there is anything to fill in: what has nothing is shared with the tree that it comes from.
    fn filled(&self, findings: &mut Findings, node: &Node) -> Option<Node> {
        let value = match &node.value {
            Value::Scalar(_, text) if is_template(text) => {
                Value::Scalar(Scalar::Text, self.fill_text(findings, node, text).unwrap_or_default().into())
            }
            Value::Null | Value::Scalar(..) => return None,
            Value::List(items) => {
                let mut fill = |item: &Node| self.filled(findings, item);
                Value::List(with_filled(items, &mut fill)?)
            }
            Value::Map(entries) => {
                let mut fill = |(key, value): &(Node, Node)| Some((key.clone(), self.filled(findings, value)?));
                Value::Map(with_filled(entries, &mut fill)?)
            }
        };
        Some(Node { value, span: node.span.clone(), position: node.position })
    }

    /// One text filled in; errors are noted at `at`.
    pub fn fill_text(&self, findings: &mut Findings, at: &Node, text: &str) -> Option<String> {
        if !is_template(text) {
            return Some(text.to_owned());
        }
        let filled = self.filled_in(findings, at, text)?;
        let (before, now) = (self.filled.get(), self.filled.get().saturating_add(filled.len()));
        self.filled.set(now);
        if now <= MAX_SCRIPT {
            return Some(filled);
        }
        // Said where it becomes too much, and not of every text behind it.
        if before <= MAX_SCRIPT {
            let message = format!("the texts of one script come to more than {} MiB with this", MAX_SCRIPT >> 20);
            findings.error(Code::TemplateError, at, message, "");
        }
        findings.unfilled(at);
        None
    }

    fn filled_in(&self, findings: &mut Findings, at: &Node, text: &str) -> Option<String> {
        if let Some(filled) = self.plain(text) {
            return Some(filled);
        }
        loop {
            {
                let read = READ.read().unwrap_or_else(PoisonError::into_inner);
                if let Some(needs) = read.needs.get(text) {
                    return self.render(findings, at, &read.environment, text, needs);
                }
            }
            // Another thread may make room meanwhile: then it is read once more.
            Self::read(findings, at, text)?;
        }
    }

    /// A text with nothing in it but names of variables that hold texts, as nearly all have, filled in without the template
    /// language; `None` for every other.
    fn plain(&self, text: &str) -> Option<String> {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = memchr::memchr(b'{', rest.as_bytes()) {
            let (before, marked) = rest.split_at(at);
            filled.push_str(before);
            let Some(inner) = marked.strip_prefix("{{") else {
                if marked.starts_with("{%") || marked.starts_with("{#") {
                    return None;
                }
                filled.push('{');
                rest = &marked[1..];
                continue;
            };
            // Not a search for `}}`: making ready for one takes longer than a name is.
            let end = memchr::memchr(b'}', inner.as_bytes()).filter(|end| inner[end + 1..].starts_with('}'))?;
            let (name, after) = (inner[..end].trim_matches(' '), &inner[end + 2..]);
            let is_name = !name.starts_with(|first: char| first.is_ascii_digit())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
                && !name.is_empty();
            match self.variables.get(name).filter(|_| is_name && !WORDS.contains(&name))? {
                Json::String(value) => filled.push_str(value),
                _ => return None,
            }
            rest = after;
        }
        filled.push_str(rest);
        (filled.len() <= MAX_TEXT).then_some(filled)
    }

    /// Reads a template; `None` where it is none, which is noted.
    fn read(findings: &mut Findings, at: &Node, text: &str) -> Option<()> {
        if let Some(reason) = refusal(text) {
            let message = format!("this template is refused: {reason}");
            let help = "templates here fill in values, choose with `if` and loop over a variable's list";
            findings.error_help(Code::TemplateRefused, at, message, "", help);
            findings.unfilled(at);
            return None;
        }
        let added = READ.write().unwrap_or_else(PoisonError::into_inner).add(text);
        if let Err(error) = added {
            let message = format!("this template cannot be read: {}", reason(&error));
            let help = "where braces are meant as they are, put them between `{% raw %}` and `{% endraw %}`";
            findings.error_help(Code::TemplateSyntax, at, message, "", help);
            findings.unfilled(at);
            return None;
        }
        Some(())
    }

    fn render(
        &self,
        findings: &mut Findings,
        at: &Node,
        environment: &Environment<'_>,
        text: &str,
        needs: &[String],
    ) -> Option<String> {
        if let Some(name) = needs.iter().find(|name| !self.variables.contains_key(name.as_str())) {
            let label = nearest(name, self.variables.keys().map(String::as_str))
                .map_or_else(String::new, |near| format!("did you mean `{near}`?"));
            let help = "variables come from `vars:`, `matrix:` and the columns of `cases:`";
            let place = place_of(name, at, &findings.source().text);
            let message = format!("`{name}` is no variable here");
            let diagnostic = Diagnostic::error(Code::UnknownVariable, message).at(findings.source(), place, label);
            findings.push(diagnostic.help(help));
            findings.unfilled(at);
            return None;
        }
        let mut filled = Bounded::default();
        let context = self.context.get_or_init(|| minijinja::Value::from(minijinja::value::Serde(self.variables)));
        let before = self.given.get();
        if before > MAX_SCRIPT_GIVEN {
            findings.unfilled(at);
            return None;
        }
        let (rendered, given) = measured(|| {
            let template = environment.get_template(text);
            template.and_then(|template| template.render_captured_to(context.clone(), &mut filled).map(drop))
        });
        self.given.set(before.saturating_add(given));
        if self.given.get() > MAX_SCRIPT_GIVEN {
            // Said here, and not of every template behind it.
            let most = MAX_SCRIPT_GIVEN >> 20;
            let message = format!("with this, the filters of one script go through more than {most} MiB");
            findings.error(Code::TemplateError, at, message, "");
            findings.unfilled(at);
            return None;
        }
        if let Err(error) = rendered {
            let message = format!("this template fails: {}", reason(&error));
            match error.kind() {
                ErrorKind::UnknownFilter => {
                    findings.error_help(Code::TemplateError, at, message, "", format!("filters are {FILTERS}"));
                }
                _ => findings.error(Code::TemplateError, at, message, ""),
            }
            findings.unfilled(at);
            return None;
        }
        filled.into_text()
    }
}

/// Where a name stands in a template of the source, else the whole of it: a template may be written with escapes, or
/// stand in a file of its own.
fn place_of(name: &str, at: &Node, source: &str) -> Range<usize> {
    let text = &source[at.span.clone()];
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let is_whole = |start: usize| !text[..start].ends_with(is_word) && !text[start + name.len()..].starts_with(is_word);
    let braces = text.find("{{").into_iter().chain(text.find("{%")).min().unwrap_or(0);
    let found = text.match_indices(name).map(|(start, _)| start).find(|start| *start > braces && is_whole(*start));
    found.map_or_else(|| at.span.clone(), |start| at.span.start + start..at.span.start + start + name.len())
}

fn reason(error: &minijinja::Error) -> String {
    let source = std::error::Error::source(error);
    match (error.kind(), error.detail(), source) {
        (ErrorKind::UndefinedError, ..) => "it names something that its variable does not have".to_owned(),
        (ErrorKind::UnknownFilter, Some(detail), _) => {
            let name = detail.trim_start_matches("filter ").trim_end_matches(" is unknown");
            format!("`{name}` is no filter")
        }
        (ErrorKind::OutOfFuel, ..) => "it takes too many steps".to_owned(),
        (ErrorKind::WriteFailure, _, Some(source)) => source.to_string(),
        (_, Some(detail), _) => detail.to_owned(),
        (kind, None, _) => kind.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::diagnostic::SourceFile;

    /// What the template language makes of a text.
    fn slow(variables: &Map<String, Json>, text: &str) -> Option<String> {
        let mut findings = Findings::new(Arc::new(SourceFile { path: "s.yaml".into(), text: String::new() }));
        let at = Node { value: Value::Null, span: 0..0, position: crate::model::Position::default() };
        let templates = Templates::new(variables);
        Templates::read(&mut findings, &at, text)?;
        let read = READ.read().unwrap();
        templates.render(&mut findings, &at, &read.environment, text, read.needs.get(text)?)
    }

    fn variables() -> Map<String, Json> {
        let variables = json!({"a": "one", "b_2": "{{ a }} <&> \r\n", "n": 3, "x": null, "é": "e", "true": "t", "loop": "l", "": "empty", "1": "number"});
        variables.as_object().unwrap().clone()
    }

    #[test]
    fn plain_texts_are_told_from_others() {
        let variables = variables();
        let templates = Templates::new(&variables);
        for (text, filled) in [
            ("Hi {{ a }}, {{b_2}}!\r\n", Some("Hi one, {{ a }} <&> \r\n!\r\n")),
            ("{ {{a}} }} {", Some("{ one }} {")),
            ("{{ n }}", None),
            ("{{ a | upper }}", None),
            ("{{- a }}", None),
            ("{{ true }}", None),
            ("{{ loop }}", None),
            ("{{ é }}", None),
            ("{{ 1 }}", None),
            ("{{ missing }}", None),
            ("{{ }}", None),
            ("{% if a %}{{ a }}{% endif %}", None),
            ("{# a #}{{ a }}", None),
            ("{{ a", None),
            ("{{{ a }}", None),
        ] {
            assert_eq!(templates.plain(text).as_deref(), filled, "{text:?}");
            assert!(filled.is_none() || slow(&variables, text).as_deref() == filled, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_plain_text_is_what_the_language_makes_of_it(
            parts in prop::collection::vec("\\{\\{ ?(a|b_2|n|not|zz||1) ?\\}\\}|[a{}%# \r\n-]{0,4}|\\PC{0,3}", 0..6)
        ) {
            let (variables, text) = (variables(), parts.concat());
            if let Some(plain) = Templates::new(&variables).plain(&text) {
                prop_assert_eq!(Some(plain), slow(&variables, &text), "{:?}", text);
            }
        }
    }
}
