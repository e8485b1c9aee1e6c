//! Reads a scenario file: everything that is said once for all its conversations, then each script to see whether
//! it is right.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use super::body::{Body, PersonaPart};
use super::decode::{Fields, Findings, one_or_many};
use super::lint::Allowed;
use super::matrix::{self, Cases, CasesNode, Variables};
use super::read_files::Remembered;
use super::read_json::{self, Schemas};
use super::read_probes::Probes;
use super::read_turns::{self, FillerFiles};
use super::tree::Tree;
use super::yaml::{self, Node, Value};
use super::{Files, Needs, Scenario, read_fact, read_params, read_snapshot, read_window};
use crate::diagnostic::{Code, Diagnostic, SourceFile};
use crate::model::{CanaryKind, Script, Window};
use crate::text::file_name::is_device;

const KEYS: &[&str] = &[
    "name",
    "description",
    "tags",
    "persona",
    "personas",
    "model",
    "models",
    "window",
    "windows",
    "params",
    "stream",
    "trials",
    "pass_rate",
    "snapshot",
    "snapshot_redact",
    "facts",
    "turns",
    "probes",
    "history",
    "vars",
    "matrix",
    "cases",
    "each_reply",
    "expect",
    "allow",
];
const MAX_NAME: usize = 100;
const MAX_TRIALS: u64 = 10_000;
/// All turns and checks of all scripts together: a small file with a large matrix must not keep the machine busy.
const MAX_WORK: usize = 2_000_000;
/// The same of what the filters of all templates are given, in bytes.
const MAX_GIVEN: usize = 1 << 30;
/// Scripts are looked at until so many errors are known, or so many of them are wrong: more would repeat what is said.
const ENOUGH_ERRORS: usize = 50;

/// Reads one scenario file. `stem` is its name where it gives none.
///
/// The scenario is there exactly when no diagnostic is an error.
pub fn load(source: &Arc<SourceFile>, stem: &str, files: &dyn Files) -> (Option<Scenario>, Vec<Diagnostic>) {
    let (tree, root) = match Tree::read(source) {
        Ok(read) => read,
        Err(diagnostic) => return (None, vec![*diagnostic]),
    };
    let mut findings = Findings::new(Arc::clone(source));
    if matches!(root.value, Value::Null) {
        let help = "the smallest scenario is `turns: [{user: Hello}]`";
        findings.error_help(Code::EmptyFile, &root, "the file has nothing in it", "", help);
        return (None, findings.into_diagnostics());
    }
    if !matches!(root.value, Value::Map(_)) {
        let message = format!("a scenario must be a map, and this is {}", root.shown());
        let help = "in a folder, a file that is no scenario is passed over where its name begins with `_`";
        findings.error_help(Code::WrongType, &root, message, "", help);
        return (None, findings.into_diagnostics());
    }
    let scenario = findings.fields(&root, "a scenario", KEYS).map(|fields| {
        let files = Remembered::new(files);
        let reader = Reader { fields: &fields, files: &files };
        let scenario = reader.scenario(&mut findings, source, stem);
        Scenario { reads: files.into_reads(), ..scenario }
    });
    let Some(mut scenario) = scenario else { return (None, findings.into_diagnostics()) };
    make_scripts(&mut findings, &mut scenario, &tree);
    let is_right = findings.is_empty();
    match tree {
        // Nobody looks at it again.
        _ if !is_right || scenario.has_one_script() => {}
        tree if tree.is_large() => scenario.body.tree = Some(tree),
        tree => tree.hold(),
    }
    (is_right.then_some(scenario), findings.into_diagnostics())
}

/// Makes each script once, to see whether it is right. A place that is wrong in one cell
/// is said once, however many cells it is wrong in.
fn make_scripts(findings: &mut Findings, scenario: &mut Scenario, tree: &Tree) {
    let is_fixed = scenario.body.is_fixed(tree);
    // What is wrong with a matrix or cases is said already; that their variables are missing would be said of each.
    let is_unread = scenario.cases.is_empty() || scenario.cells.is_empty();
    if is_unread {
        (scenario.cases, scenario.cells) = (Cases::only(), vec![Variables::new()]);
    }
    let mut places = HashSet::new();
    let (mut work, mut given, mut wrong) = (0, 0, 0);
    for case in 0..scenario.cases.len() {
        for cell in 0..scenario.cells.len() {
            match scenario.script_of(tree, case, cell, &scenario.any_canaries()) {
                Ok((script, more)) => {
                    (work, given) = (work + work_of(&script), given + more);
                    scenario.needs.add(&script);
                    scenario.live_turns = script.live_turns();
                    if is_fixed {
                        scenario.body.fix(script.into());
                        return;
                    }
                }
                Err(mut diagnostics) => {
                    wrong += 1;
                    let place = |d: &Diagnostic| (d.code, d.labels.first().map(|label| label.span.clone()));
                    diagnostics.retain(|diagnostic| !places.contains(&place(diagnostic)));
                    diagnostics.retain(|diagnostic| !is_unread || diagnostic.code != Code::UnknownVariable);
                    places.extend(diagnostics.iter().map(place));
                    findings.extend(diagnostics);
                }
            }
            if is_fixed || places.len() >= ENOUGH_ERRORS || wrong >= ENOUGH_ERRORS {
                return;
            }
            let help = "of a scenario with templates each case and cell has a script of its own: use fewer of them";
            let (code, what) = match (work > MAX_WORK, given > MAX_GIVEN) {
                (true, _) => (Code::TooManyTurns, format!("have more than {MAX_WORK} turns and checks")),
                (_, true) => (Code::TemplateError, "have filters go through more than 1 GiB".to_owned()),
                _ => continue,
            };
            let message = format!("the scripts of `{}` {what}", scenario.name);
            findings.push(Diagnostic::error(code, message).at(&scenario.source, 0..0, "").help(help));
            return;
        }
    }
}

fn work_of(script: &Script) -> usize {
    let turns = script.asked().map(|(_, turn)| 1 + turn.checks.len());
    turns.sum::<usize>()
        + script.each_reply.len()
        + script.transcript_checks.len()
        + script.personas.iter().map(|p| 1 + p.checks.len()).sum::<usize>()
}

struct Reader<'r> {
    fields: &'r Fields<'r>,
    files: &'r dyn Files,
}

impl Reader<'_> {
    fn scenario(&self, findings: &mut Findings, source: &Arc<SourceFile>, stem: &str) -> Scenario {
        let fields = self.fields;
        for (one, many) in [("persona", "personas"), ("model", "models"), ("window", "windows")] {
            fields.exclude(findings, one, many);
        }
        let name = self.name(findings, stem);
        let trials = fields.get("trials").and_then(|node| findings.whole(node, "trials", 1..=MAX_TRIALS));
        let vars = fields.get("vars").map_or_else(Variables::new, |node| matrix::variables(findings, node, "`vars`"));
        let cells = matrix::cells(findings, fields.get("matrix"));
        let cases = self.cases(findings);
        let canaries = fields.get("facts").map_or_else(Vec::new, |facts| read_fact::canaries(findings, facts));
        let personas = self.personas(findings);
        let turns = fields.require(findings, "turns", "a scenario");
        let probes = fields.get("probes").and_then(|node| self.probes(findings, node));
        let captures = turns.map_or_else(Vec::new, |turns| read_turns::captures(findings, turns));
        self.distinct_variables(findings, &vars, &cells, (&cases, &canaries, &captures));
        let of_probes = probes.as_ref().map_or_else(Vec::new, |probes| probes.allowed(findings));
        let allowed = Allowed::read(findings, fields.get("allow"), turns, of_probes);
        Scenario {
            name,
            description: fields.get("description").and_then(|node| findings.text(node, "description")),
            tags: fields.get("tags").map_or_else(Vec::new, |node| findings.texts(node, "tags")),
            source: Arc::clone(source),
            reads: Vec::new(),
            name_span: fields.get("name").map_or(0..0, |node| node.span.clone()),
            models: self.models(findings),
            model_spans: self.model_nodes().iter().map(|node| node.span.clone()).collect(),
            windows: self.windows(findings),
            params: fields.get("params").and_then(|node| read_params::params(findings, node)).unwrap_or_default(),
            params_span: self.place_of("params"),
            stream: fields.get("stream").and_then(|node| findings.flag(node, "stream")).unwrap_or(false),
            snapshot: read_snapshot::rules(findings, fields).into(),
            trials: trials.and_then(|trials| u32::try_from(trials).ok()).unwrap_or(1),
            pass_rate: fields
                .get("pass_rate")
                .and_then(|node| findings.number(node, "pass_rate", 0.0..=1.0))
                .unwrap_or(1.0),
            personas: personas.iter().map(|persona| persona.name.clone()).collect(),
            cases,
            cells,
            allowed,
            facts: fields.get("facts").map_or_else(Vec::new, read_fact::declared),
            body: Body {
                vars,
                canaries,
                captures,
                personas,
                fillers: turns.map_or_else(FillerFiles::new, |turns| self.filler_files(findings, turns)),
                schemas: self.schemas(findings, probes.as_ref()).into(),
                probes: probes.filter(|probes| probes.place().is_some()),
                tree: None,
                fixed: None,
            },
            needs: Needs::default(),
            live_turns: 0,
        }
    }

    /// Where a key stands; where it is missing, the first of the others.
    fn place_of(&self, key: &str) -> Range<usize> {
        let first = || self.fields.iter().next().map(|(_, key, _)| key);
        self.fields.pair(key).map(|(key, _)| key).or_else(first).map_or(0..0, |key| key.span.clone())
    }

    fn name(&self, findings: &mut Findings, stem: &str) -> String {
        let given = self.fields.get("name");
        let name = match given {
            Some(node) => match findings.text(node, "name") {
                Some(name) => name,
                None => return String::new(),
            },
            None => stem.to_owned(),
        };
        let is_name = (1..=MAX_NAME).contains(&name.len())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c));
        if !is_name {
            let at = given.unwrap_or_else(|| self.fields.node());
            let from = if given.is_some() { "" } else { " (the file's stem)" };
            let message = format!("`{name}`{from} is no name for a scenario");
            let help = format!("`name:` has lower-case letters, digits, `.`, `_` and `-`, at most {MAX_NAME} of them");
            findings.error_help(Code::InvalidName, at, message, "", help);
        } else if name.starts_with('.') || is_device(&name) {
            // Its recordings are a file of this name.
            let at = given.unwrap_or_else(|| self.fields.node());
            let why = if name.starts_with('.') {
                "files that begin with `.` are hidden"
            } else {
                "Windows keeps it for a device"
            };
            let message = format!("`{name}` is no name for a scenario: {why}");
            findings.error_help(Code::InvalidName, at, message, "", "give it another `name:`");
        }
        name
    }

    fn models(&self, findings: &mut Findings) -> Vec<String> {
        let Some(node) = self.model_node() else { return Vec::new() };
        if let Value::List(_) = node.value {
            findings.filled_list(node, "models");
        }
        distinct(findings, node, "model", |findings, item| findings.filled_text(item, "model"))
    }

    fn model_node(&self) -> Option<&Node> {
        self.fields.get("model").or_else(|| self.fields.get("models"))
    }

    fn model_nodes(&self) -> &[Node] {
        self.model_node().map_or(&[], one_or_many)
    }

    fn windows(&self, findings: &mut Findings) -> Vec<Window> {
        let node = match (self.fields.get("window"), self.fields.get("windows")) {
            (Some(node), _) => {
                if let Value::List(_) = node.value {
                    findings.error_help(
                        Code::WrongType,
                        node,
                        "`window` is one window",
                        "a list",
                        "`windows:` takes a list",
                    );
                    return vec![Window::FULL];
                }
                node
            }
            (None, Some(node)) => {
                if findings.filled_list(node, "windows").is_none() {
                    return vec![Window::FULL];
                }
                node
            }
            (None, None) => return vec![Window::FULL],
        };
        let windows = distinct(findings, node, "window", read_window::window);
        if windows.is_empty() { vec![Window::FULL] } else { windows }
    }

    /// None where they cannot be read.
    fn cases(&self, findings: &mut Findings) -> Cases {
        let Some(node) = self.fields.get("cases") else { return Cases::only() };
        match matrix::cases_node(findings, node) {
            CasesNode::None => Cases::default(),
            CasesNode::Inline(items) => matrix::inline_cases(findings, items),
            CasesNode::File(path) => match self.read(findings, node, &path) {
                Some(file) => matrix::file_cases(&file).unwrap_or_else(|diagnostic| {
                    findings.push(*diagnostic);
                    Cases::default()
                }),
                None => Cases::default(),
            },
        }
    }

    /// A variable that comes from two places would have two values.
    fn distinct_variables(
        &self,
        findings: &mut Findings,
        vars: &Variables,
        cells: &[Variables],
        (cases, canaries, captures): (&Cases, &[(String, CanaryKind)], &[String]),
    ) {
        let matrix = cells.first().map(|cell| cell.keys().collect::<HashSet<_>>()).unwrap_or_default();
        let canaries = canaries.iter().map(|(name, _)| name).collect();
        let cases = cases.columns().collect();
        let captures = captures.iter().collect();
        let files = [("vars", vars.keys().collect()), ("matrix", matrix), ("cases", cases)];
        let sets: Vec<_> = files.into_iter().chain([("facts", canaries), ("turns", captures)]).collect();
        for (at, (second, names)) in sets.iter().enumerate() {
            for (first, others) in &sets[..at] {
                let mut shared: Vec<&&String> = names.intersection(others).collect();
                shared.sort();
                for name in shared {
                    let message = format!("`{name}` is a variable of `{first}` and of `{second}`");
                    let node = self.fields.pair(second).map_or_else(|| self.fields.node(), |(key, _)| key);
                    findings.error_help(Code::DuplicateVariable, node, message, "", "give one of them another name");
                }
            }
        }
    }

    fn personas(&self, findings: &mut Findings) -> Vec<PersonaPart> {
        let (node, is_list) = match (self.fields.get("persona"), self.fields.get("personas")) {
            (Some(node), _) => (node, false),
            (None, Some(node)) => (node, true),
            (None, None) => {
                return vec![PersonaPart { name: "default".to_owned(), at: 0, text: None }];
            }
        };
        let items = if is_list {
            findings.filled_list(node, "personas").unwrap_or_default()
        } else {
            std::slice::from_ref(node)
        };
        let mut personas: Vec<PersonaPart> = Vec::with_capacity(items.len());
        for (at, item) in items.iter().enumerate() {
            let Some(persona) = self.persona(findings, item, is_list.then_some(at)) else { continue };
            if personas.iter().any(|other| other.name == persona.name) {
                let message = format!("two personas are called `{}`", persona.name);
                findings.error(Code::DuplicatePersona, entry(item, "name").unwrap_or(item), message, "again here");
            }
            personas.push(persona);
        }
        personas
    }

    /// A persona, with its index where it stands in a list.
    fn persona(&self, findings: &mut Findings, node: &Node, index: Option<usize>) -> Option<PersonaPart> {
        let (is_list, at) = (index.is_some(), index.unwrap_or(0));
        if let (Value::Scalar(..), false) = (&node.value, is_list) {
            return Some(PersonaPart { name: "default".to_owned(), at, text: None });
        }
        let fields = findings.fields(node, "a persona", &["name", "system", "system_file", "expect"])?;
        fields.exclude(findings, "system", "system_file");
        let name = if is_list { fields.require(findings, "name", "a persona") } else { fields.get("name") };
        let name = match name {
            Some(node) => findings.filled_text(node, "name")?,
            None if is_list => return None,
            None => "default".to_owned(),
        };
        if name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
            let message = format!("a persona's name has at most {MAX_NAME} characters and is one line");
            findings.error(Code::InvalidName, fields.get("name").unwrap_or(node), message, "");
        }
        let text = fields.get("system_file").and_then(|node| {
            let path = findings.filled_text(node, "system_file")?;
            Some(self.read(findings, node, &path)?.text.clone())
        });
        if let Some(system) = fields.get("system") {
            findings.text(system, "system");
        }
        Some(PersonaPart { name, at, text })
    }

    fn filler_files(&self, findings: &mut Findings, turns: &Node) -> FillerFiles {
        let mut files = FillerFiles::new();
        let Value::List(items) = &turns.value else { return files };
        for item in items.iter() {
            let from = entry(item, "filler").and_then(|filler| entry(filler, "from"));
            let Some((node, path)) = from.and_then(|node| Some((node, node.scalar_text()?))) else { continue };
            if files.contains_key(path) {
                continue;
            }
            let Some(file) = self.read(findings, node, path) else { continue };
            let mut inner = Findings::new(Arc::clone(&file));
            let exchanges = match yaml::parse(&file) {
                Ok(root) => read_turns::filler_file(&mut inner, &root),
                Err(diagnostic) => {
                    inner.push(*diagnostic);
                    Vec::new()
                }
            };
            findings.extend(inner.into_diagnostics());
            files.insert(path.to_owned(), exchanges);
        }
        files
    }

    /// The schemas of all files that checks name, wherever these stand.
    fn schemas(&self, findings: &mut Findings, probes: Option<&Probes>) -> Schemas {
        let mut named = Vec::new();
        let checked = ["persona", "personas", "turns", "each_reply", "expect"];
        checked.iter().filter_map(|key| self.fields.get(key)).for_each(|node| read_json::files_named(node, &mut named));
        // Of probes in a file, the place where it is named stands for theirs.
        let place = self.fields.get("probes");
        if let Some((probes, place)) = probes.zip(place) {
            let mut of_probes = Vec::new();
            read_json::files_named(probes.list(), &mut of_probes);
            let is_inline = matches!(place.value, Value::List(_));
            named.extend(of_probes.into_iter().map(|(path, node)| (path, if is_inline { node } else { place })));
        }
        let mut schemas = Schemas::new();
        for (path, node) in named {
            if path.trim().is_empty() || schemas.contains_key(path) {
                continue;
            }
            let file = self.read(findings, node, path);
            let schema = file.and_then(|file| read_json::schema_file(findings, &file, path, node));
            schemas.insert(path.to_owned(), schema);
        }
        schemas
    }

    /// A list, or a text that names a file.
    fn probes(&self, findings: &mut Findings, node: &Node) -> Option<Probes> {
        match &node.value {
            Value::List(_) => Some(Probes::inline(node.clone())),
            Value::Scalar(..) => {
                let path = findings.filled_text(node, "probes")?;
                let file = self.read(findings, node, &path)?;
                Probes::of_file(&file, node).map_err(|diagnostic| findings.push(*diagnostic)).ok()
            }
            _ => {
                findings.wrong_type(node, "probes", "a list or the name of a file");
                None
            }
        }
    }

    fn read(&self, findings: &mut Findings, at: &Node, path: &str) -> Option<Arc<SourceFile>> {
        match self.files.read(path) {
            Ok(file) => Some(file),
            Err(problem) => {
                match problem.help {
                    Some(help) => findings.error_help(problem.code, at, problem.message, "", help),
                    None => findings.error(problem.code, at, problem.message, ""),
                }
                None
            }
        }
    }
}

pub(super) fn entry<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    match &node.value {
        Value::Map(entries) => entries.iter().find(|(name, _)| name.scalar_text() == Some(key)).map(|(_, value)| value),
        _ => None,
    }
}

/// Reads values of which none may be there twice.
fn distinct<T: PartialEq + std::fmt::Display>(
    findings: &mut Findings,
    node: &Node,
    what: &str,
    read: impl Fn(&mut Findings, &Node) -> Option<T>,
) -> Vec<T> {
    let mut values: Vec<T> = Vec::new();
    for item in one_or_many(node) {
        let Some(value) = read(findings, item) else { continue };
        if values.contains(&value) {
            findings.error(Code::DuplicateValue, item, format!("the {what} `{value}` is there twice"), "again here");
        } else {
            values.push(value);
        }
    }
    values
}
