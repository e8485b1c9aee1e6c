//! `promptfoo`: the tests of a `promptfooconfig.yaml`. Tests of one `metadata.conversationId`, or all of a prompt that has
//! `_conversation` in it, are the turns of one conversation; any other test is one of its own.

use std::io::{BufRead, Read};
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::super::Files;
use super::super::yaml::{self, MAX_FILE_BYTES};
use super::Importer;
use super::asserts::assertion;
use super::draft::{Draft, Step};
use super::messages::quoted;
use super::prompts::{Prompt, Template, prompt};
use crate::diagnostic::SourceFile;

const HELP: &str = "it is a `promptfooconfig.yaml`, with `prompts:` and `tests:`";
/// Keys of a test that are read, or that say nothing of what is asked and asserted.
const TEST_KEYS: [&str; 5] = ["description", "vars", "assert", "metadata", "options"];

/// A test with its place.
struct Test {
    path: String,
    fields: Map<String, Json>,
}

impl Test {
    fn conversation(&self) -> Option<String> {
        match self.fields.get("metadata")?.get("conversationId")? {
            Json::String(id) => Some(id.clone()),
            Json::Number(id) => Some(id.to_string()),
            _ => None,
        }
    }

    fn description(&self) -> Option<&str> {
        self.fields.get("description").and_then(Json::as_str)
    }
}

/// What all tests have in common.
struct Defaults {
    variables: Map<String, Json>,
    asserts: Vec<Json>,
}

/// Reads the config and all its tests.
pub fn read(importer: &mut Importer<'_>, input: &mut dyn BufRead, files: &dyn Files) {
    let Some(config) = config(importer, input) else { return };
    for (key, value) in &config {
        match key.as_str() {
            "prompts" | "tests" | "defaultTest" | "description" | "$schema" => {}
            "providers" | "targets" => {
                importer
                    .leave_out(key, format!("{}; models are named by `chat-eval.yaml` and `--model`", models(value)));
            }
            "scenarios" => importer.leave_out(key, "tests that promptfoo multiplies"),
            _ => importer.leave_out(key, format!("the setting `{key}`")),
        }
    }
    let defaults = defaults(importer, config.get("defaultTest"));
    let prompts = prompts(importer, config.get("prompts"), files);
    let tests = tests(importer, config.get("tests"), files);
    if prompts.is_empty() && importer.outcome.diagnostics.is_empty() {
        importer.wrong(format!("`{}` has no prompt that can be carried over", importer.settings.file), Some(HELP));
        say_left_out(importer);
    }
    for (label, prompt) in &prompts {
        let several = prompts.len() > 1;
        for group in groups(prompt, &tests) {
            let mut draft = draft(importer, prompt, &defaults, &group);
            if several {
                draft.hint = format!("{} {label}", draft.hint);
            }
            if draft.turns.is_empty() {
                // Why nothing of it is there has to be told elsewhere.
                importer.outcome.left_out.append(&mut draft.left_out);
            } else {
                importer.add(draft);
            }
        }
    }
}

fn config(importer: &mut Importer<'_>, input: &mut dyn BufRead) -> Option<Map<String, Json>> {
    let mut bytes = Vec::new();
    let file = importer.settings.file.clone();
    if let Err(error) = input.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes) {
        importer.wrong(format!("`{file}` cannot be read: {error}"), None);
        return None;
    }
    let Ok(text) = String::from_utf8(bytes) else {
        importer.wrong(format!("`{file}` is no text: it is not UTF-8"), Some("save it as UTF-8"));
        return None;
    };
    let source = Arc::new(SourceFile { path: file.clone(), text });
    match yaml::parse(&source).map(|node| node.to_json()) {
        Ok(Json::Object(fields)) if fields.contains_key("tests") || fields.contains_key("prompts") => Some(fields),
        Ok(_) => {
            importer.wrong(format!("`{file}` has neither `prompts` nor `tests`"), Some(HELP));
            None
        }
        Err(diagnostic) => {
            importer.push(*diagnostic);
            None
        }
    }
}

/// What was left out is why nothing is there to be made.
fn say_left_out(importer: &mut Importer<'_>) {
    for left_out in std::mem::take(&mut importer.outcome.left_out) {
        if left_out.path.starts_with("prompts") {
            importer.wrong(format!("`{}`: {}", left_out.path, left_out.what), None);
        }
    }
}

/// The providers by their names.
fn models(providers: &Json) -> String {
    let name = |provider: &Json| {
        let id = provider.as_str().or_else(|| provider.get("id").and_then(Json::as_str));
        id.map_or_else(|| "a provider of its own".to_owned(), |id| format!("`{id}`"))
    };
    match providers {
        Json::Array(items) => items.iter().map(name).collect::<Vec<_>>().join(", "),
        one => name(one),
    }
}

fn defaults(importer: &mut Importer<'_>, node: Option<&Json>) -> Defaults {
    let mut defaults = Defaults { variables: Map::new(), asserts: Vec::new() };
    match node {
        None | Some(Json::Null) => {}
        Some(Json::Object(fields)) => {
            for (key, value) in fields {
                match (key.as_str(), value) {
                    ("vars", Json::Object(variables)) => defaults.variables.clone_from(variables),
                    ("assert", Json::Array(asserts)) => defaults.asserts.clone_from(asserts),
                    _ => importer.leave_out(format!("defaultTest.{key}"), format!("the setting `{key}`")),
                }
            }
        }
        Some(_) => importer.leave_out("defaultTest", "it is in another file"),
    }
    defaults
}

/// The prompts that can be carried over, each with its label.
fn prompts(importer: &mut Importer<'_>, node: Option<&Json>, files: &dyn Files) -> Vec<(String, Prompt)> {
    let only = [Json::String("{{prompt}}".to_owned())];
    let items: &[Json] = match node {
        None => &only,
        Some(Json::Array(items)) => items,
        Some(one) => std::slice::from_ref(one),
    };
    let mut prompts = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let path = format!("prompts[{at}]");
        let raw = item.as_str().or_else(|| item.get("raw").or_else(|| item.get("id")).and_then(Json::as_str));
        let label = item.get("label").and_then(Json::as_str);
        let read = match raw {
            None => Err("a prompt that is no text".to_owned()),
            Some(raw) => prompt_text(raw, files).and_then(|text| prompt(&text)),
        };
        match read {
            Ok(prompt) => {
                prompts.push((label.map_or_else(|| format!("prompt-{}", at + 1), str::to_owned), prompt));
            }
            Err(reason) => importer.leave_out(path, format!("a prompt, and all tests with it: {reason}")),
        }
    }
    prompts
}

/// The text of a prompt, which may be in another file.
fn prompt_text(raw: &str, files: &dyn Files) -> Result<String, String> {
    let is_path = !raw.contains(char::is_whitespace)
        && [".txt", ".json", ".yaml", ".yml", ".md"].iter().any(|end| raw.ends_with(end));
    let Some(path) = raw.strip_prefix("file://").or_else(|| Some(raw).filter(|_| is_path)) else {
        return Ok(raw.to_owned());
    };
    if !is_path || path.contains('*') {
        return Err(format!("`{path}` is a program or several files"));
    }
    files.read(path).map(|file| file.text.clone()).map_err(|problem| problem.message)
}

fn tests(importer: &mut Importer<'_>, node: Option<&Json>, files: &dyn Files) -> Vec<Test> {
    let items = match node {
        // Without tests a prompt is sent once.
        None | Some(Json::Null) => return vec![Test { path: "tests".to_owned(), fields: Map::new() }],
        Some(Json::Array(items)) => items.clone(),
        Some(one) => vec![one.clone()],
    };
    let mut tests = Vec::new();
    for (at, item) in items.into_iter().enumerate() {
        let path = format!("tests[{at}]");
        match item {
            Json::Object(fields) => tests.push(Test { path, fields }),
            Json::String(name) => match test_file(&name, files) {
                Ok(inner) => tests.extend(
                    inner
                        .into_iter()
                        .enumerate()
                        .map(|(inner, fields)| Test { path: format!("{path}[{inner}]"), fields }),
                ),
                Err(reason) => importer.leave_out(path, format!("tests in another file: {reason}")),
            },
            _ => importer.leave_out(path, "a test that is no map"),
        }
    }
    tests
}

/// The tests of another file, YAML or JSON.
fn test_file(name: &str, files: &dyn Files) -> Result<Vec<Map<String, Json>>, String> {
    let path = name.strip_prefix("file://").unwrap_or(name);
    if ![".yaml", ".yml", ".json"].iter().any(|end| path.ends_with(end)) || path.contains('*') {
        return Err(format!("`{path}` is no file of YAML or JSON"));
    }
    let file = files.read(path).map_err(|problem| problem.message)?;
    let items = match yaml::parse(&file).map(|node| node.to_json()) {
        Ok(Json::Array(items)) => items,
        Ok(_) => return Err(format!("`{path}` is no list")),
        Err(diagnostic) => return Err(diagnostic.message),
    };
    let fields = items.into_iter().map(|item| match item {
        Json::Object(fields) => Ok(fields),
        _ => Err(format!("`{path}` has a test that is no map")),
    });
    fields.collect()
}

/// The tests that make one conversation each, in the order of their first ones.
fn groups<'t>(prompt: &Prompt, tests: &'t [Test]) -> Vec<Vec<&'t Test>> {
    let mut groups: Vec<(Option<String>, Vec<&Test>)> = Vec::new();
    for test in tests {
        let id = test.conversation();
        let is_joined = id.is_some() || prompt.is_conversation;
        match groups.iter_mut().find(|(other, _)| is_joined && *other == id) {
            Some((_, group)) => group.push(test),
            None => groups.push((id, vec![test])),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

fn draft(importer: &Importer<'_>, prompt: &Prompt, defaults: &Defaults, group: &[&Test]) -> Draft {
    let mut draft = Draft::default();
    let (Some(first), Some(last)) = (group.first(), group.last()) else { return draft };
    let range = if group.len() == 1 { first.path.clone() } else { format!("{} to {}", first.path, last.path) };
    draft.origin = format!("{range} of {}", importer.settings.file);
    let id = first.conversation();
    draft.hint = id.clone().or_else(|| first.description().map(str::to_owned)).unwrap_or_default();
    draft.description = first.description().filter(|text| !text.trim().is_empty()).map(str::to_owned);
    if prompt.is_one_text {
        let what = "it writes the whole conversation into one message; here earlier turns are messages of their own";
        draft.leave_out("prompts", what);
    }
    if id.is_some() && !prompt.is_conversation {
        let what = "tests of one conversation, whose prompt does not have `_conversation`: here they are its turns";
        draft.leave_out(format!("{}.metadata.conversationId", first.path), what);
    }
    for test in group.iter().skip(1) {
        let text = test.description().filter(|text| !text.trim().is_empty());
        if let Some(text) = text.filter(|text| draft.description.as_deref() != Some(*text)) {
            let what = format!("a conversation has the description of its first test alone: {}", quoted(text));
            draft.leave_out(format!("{}.description", test.path), what);
        }
    }
    for test in group {
        turn(&mut draft, prompt, defaults, test);
    }
    draft
}

/// Adds the turn of one test.
fn turn(draft: &mut Draft, prompt: &Prompt, defaults: &Defaults, test: &Test) {
    let path = &test.path;
    let mut variables = defaults.variables.clone();
    match test.fields.get("vars") {
        None | Some(Json::Null) => {}
        Some(Json::Object(own)) => variables.extend(own.clone()),
        Some(_) => return draft.leave_out(format!("{path}.vars"), "variables in another file; the turn is missing"),
    }
    if let Some((name, _)) = variables.iter().find(|(_, value)| value.is_array()) {
        let what = format!("promptfoo multiplies the test by the list `{name}`; the turn is missing");
        return draft.leave_out(format!("{path}.vars.{name}"), what);
    }
    let is_elsewhere = |value: &Json| value.as_str().is_some_and(|text| text.starts_with("file://"));
    if let Some((name, _)) = variables.iter().find(|(_, value)| is_elsewhere(value)) {
        return draft.leave_out(format!("{path}.vars.{name}"), "a variable in another file; the turn is missing");
    }
    let variables = Json::Object(variables);
    let mut fill = |template: &Template| {
        let (filled, missing) = template.fill(&variables);
        for name in missing {
            draft.leave_out(path, format!("`{name}` has no value, and is empty"));
        }
        filled
    };
    let system = prompt.system.as_ref().map(&mut fill).filter(|text| !text.trim().is_empty());
    let history: Vec<_> = prompt.history.iter().map(|(role, text)| (*role, fill(text))).collect();
    let user = fill(&prompt.user);
    if user.trim().is_empty() {
        return draft.leave_out(path, "its user message is empty; the turn is missing");
    }
    if draft.turns.is_empty() {
        draft.persona = system;
        draft.history = history.into_iter().filter(|(_, text)| !text.trim().is_empty()).collect();
    } else if draft.persona != system {
        let system = quoted(&system.unwrap_or_default());
        draft.leave_out(path, format!("another system prompt than that of the first turn: {system}"));
    }
    let own = test.fields.get("assert").and_then(Json::as_array);
    let own = own.into_iter().flatten().enumerate().map(|(at, assert)| (format!("{path}.assert[{at}]"), assert));
    let common = defaults.asserts.iter().enumerate();
    let common = common.map(|(at, assert)| (format!("defaultTest.assert[{at}]"), assert));
    let mut expect = Vec::new();
    for (path, assert) in common.chain(own) {
        let carried = assertion(assert, &variables, &path);
        expect.extend(carried.checks);
        for (path, what) in carried.left_out {
            draft.leave_out(path, what);
        }
    }
    for (key, value) in &test.fields {
        let inner: Vec<&String> = match (key.as_str(), value) {
            ("metadata", Json::Object(fields)) => fields.keys().filter(|key| *key != "conversationId").collect(),
            ("options", Json::Object(fields)) => fields.keys().collect(),
            _ => Vec::new(),
        };
        for inner in inner {
            draft.leave_out(format!("{path}.{key}.{inner}"), format!("the setting `{inner}`"));
        }
        if !TEST_KEYS.contains(&key.as_str()) {
            draft.leave_out(format!("{path}.{key}"), format!("the setting `{key}`"));
        }
    }
    draft.turns.push(Step { user, expect, ..Step::default() });
}
