//! The JSON Schemas say what the decoders do: the same keys, the same files taken, and refused whatever a schema can tell.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use chat_eval::diagnostic::{Code, Diagnostic, SourceFile};
use chat_eval::scenario::{self, FileProblem, Files, yaml};
use jsonschema::Validator;
use serde_json::{Map, Value, json};

use crate::support::sandbox::Sandbox;

/// What a schema tells without knowing the rest of the file: whatever gives one of these, it must refuse.
const STRUCTURE: &[Code] = &[
    Code::EmptyFile,
    Code::UnknownKey,
    Code::MissingKey,
    Code::ExclusiveKeys,
    Code::WrongType,
    Code::OutOfRange,
    Code::EmptyText,
    Code::EmptyList,
    Code::UnknownWord,
    Code::InvalidName,
    Code::UnknownWindow,
    Code::WindowTooSmall,
    Code::ReservedParam,
    Code::NoTurns,
    Code::TurnWithoutUser,
    Code::ExpectOnCanned,
    Code::UnknownRole,
    Code::UnknownMatch,
    Code::RegexWithoutMatch,
    Code::UnknownCheck,
    Code::MisplacedCheck,
    Code::CheckWithoutKey,
    Code::SeveralChecks,
];

/// Fixtures with such a code whose error stands where no schema of the scenario looks.
const ELSEWHERE: &[(&str, &str)] =
    &[("wrong-type.fillers", "another file"), ("invalid-name.device", "names that Windows keeps for itself")];

static SCENARIO: LazyLock<Validator> = LazyLock::new(|| validator("scenario.json"));
static CONFIG: LazyLock<Validator> = LazyLock::new(|| validator("config.json"));

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn validator(file: &str) -> Validator {
    let schema = std::fs::read_to_string(root().join("schemas").join(file)).expect("a schema");
    let schema: Value = serde_json::from_str(&schema).expect("JSON");
    jsonschema::meta::validate(&schema).expect("a JSON Schema");
    jsonschema::draft202012::new(&schema).expect("a JSON Schema")
}

/// Files beside a scenario.
struct Beside(PathBuf);

impl Files for Beside {
    fn read(&self, relative: &str) -> Result<Arc<SourceFile>, FileProblem> {
        match std::fs::read_to_string(self.0.join(relative)) {
            Ok(text) => Ok(Arc::new(SourceFile { path: relative.to_owned(), text })),
            Err(error) => {
                Err(FileProblem { code: Code::MissingFile, message: format!("{relative}: {error}"), help: None })
            }
        }
    }
}

/// What the decoder says of a text.
fn decode(text: &str, folder: &Path) -> Vec<Diagnostic> {
    let source = Arc::new(SourceFile { path: "scenario.yaml".to_owned(), text: text.to_owned() });
    scenario::load(&source, "scenario", &Beside(folder.to_owned())).1
}

fn json_of(text: &str) -> Option<Value> {
    let source = Arc::new(SourceFile { path: "scenario.yaml".to_owned(), text: text.to_owned() });
    yaml::parse(&source).ok().map(|node| node.to_json())
}

/// Why the schema refuses a value; empty where it takes it.
fn refused(validator: &Validator, value: &Value) -> Vec<String> {
    validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let files =
        ignore::WalkBuilder::new(folder).standard_filters(false).build().map(|entry| entry.unwrap().into_path());
    files.filter(|path| path.extension().is_some_and(|ending| ending == "yaml")).collect()
}

/// The scenarios that users see, with the folders that they are in.
fn shipped() -> Vec<(PathBuf, String)> {
    let folders = ["scenarios", "examples"].map(|folder| yaml_files(&root().join(folder)));
    let own = root().join("src/cli/commands/init/first-name.yaml");
    let files = folders.concat().into_iter().chain([own]);
    files.map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn the_committed_schemas_are_those_that_the_binary_prints() {
    for (arguments, file) in [(&["schema"][..], "scenario.json"), (&["schema", "--config"], "config.json")] {
        let printed = Sandbox::new().run(arguments).expect(0).stdout;
        let committed = std::fs::read_to_string(root().join("schemas").join(file)).unwrap();
        let update = format!("cargo run -- {} > schemas/{file}", arguments.join(" "));
        assert!(printed == committed, "schemas/{file} is out of date: {update}");
    }
}

#[test]
fn every_key_is_described_and_every_example_is_right() {
    for file in ["scenario.json", "config.json"] {
        let schema: Value =
            serde_json::from_str(&std::fs::read_to_string(root().join("schemas").join(file)).unwrap()).unwrap();
        let mut examples = 0;
        each(&schema, &mut |object| {
            // What narrows a map that is described elsewhere says nothing of its keys.
            if object.get("additionalProperties").is_none() {
                return;
            }
            for (key, property) in object.get("properties").and_then(Value::as_object).into_iter().flatten() {
                let says = property.get("description").or(property.get("$ref")).or(property.get("const"));
                assert!(says.is_some(), "{file}: `{key}` has no words: {property}");
                let Some(own) = property.get("examples").and_then(Value::as_array) else { continue };
                let mut alone = property.clone();
                alone["$defs"] = schema["$defs"].clone();
                let alone = jsonschema::draft202012::new(&alone).unwrap();
                for example in own {
                    assert_eq!(refused(&alone, example), [""; 0], "{file}: {key}: {example}");
                    examples += 1;
                }
            }
        });
        assert!(examples > 2, "{file}: {examples}");
    }
}

fn each(value: &Value, see: &mut impl FnMut(&Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            see(object);
            object.values().for_each(|value| each(value, see));
        }
        Value::Array(items) => items.iter().for_each(|item| each(item, see)),
        _ => {}
    }
}

#[test]
fn patterns_are_such_that_every_language_reads_them_alike() {
    let mut seen = 0;
    for file in ["scenario.json", "config.json"] {
        each(&schema(file), &mut |object| {
            let Some(Value::String(pattern)) = object.get("pattern") else { return };
            let mut rest = pattern.split('\\');
            rest.next();
            // ECMA-262 has `\p` in its mode for Unicode alone, Python not at all; `\w` and `\d` mean more in Python.
            for escaped in rest {
                let is_known = escaped.starts_with(['s', 'S', 'x', '.', '+', '{', '[', '^']);
                assert!(is_known, "{file}: {pattern}");
            }
            seen += 1;
        });
    }
    assert!(seen > 100, "{seen}");
}

#[test]
fn names_are_of_any_script_and_have_no_other_marks() {
    let text = |fact: &str, variable: &str, id: &str| {
        format!("facts: {{\"{fact}\": b}}\nvars: {{\"{variable}\": b}}\nturns: [{{user: Hi, id: \"{id}\"}}]\n")
    };
    for (fact, variable, id) in [("été-1", "_été1", "1.é-ß_"), ("名前", "名前", "名前"), ("1", "a", "𝒳")]
    {
        let text = text(fact, variable, id);
        let codes: Vec<Code> = decode(&text, root()).iter().map(|found| found.code).collect();
        assert!(!codes.contains(&Code::InvalidName), "{text}: {codes:?}");
        assert_eq!(refused(&SCENARIO, &json_of(&text).unwrap()), [""; 0], "{text}");
    }
    let ascii = (b' '..=b'~').map(char::from).filter(|mark| !matches!(mark, '"' | '\\'));
    for mark in ascii.chain(['\u{7f}']) {
        let mark = if mark == '\u{7f}' { "\\x7F".to_owned() } else { mark.to_string() };
        for text in [
            text(&format!("a{mark}b"), "a", "a"),
            text("a", &format!("a{mark}b"), "a"),
            text("a", &format!("{mark}b"), "a"),
            text("a", "a", &format!("a{mark}b")),
            text("a", "a", &mark),
        ] {
            let found = decode(&text, root());
            let is_wrong = found.iter().any(|found| STRUCTURE.contains(&found.code));
            let refused = refused(&SCENARIO, &json_of(&text).unwrap());
            assert_eq!(!refused.is_empty(), is_wrong, "{text}: {found:?}");
        }
    }
}

#[test]
fn what_is_shipped_and_shown_in_the_pages_is_valid() {
    let mut seen = 0;
    for (path, text) in shipped() {
        let schema = if path.ends_with("chat-eval.yaml") { &CONFIG } else { &SCENARIO };
        assert_eq!(refused(schema, &json_of(&text).unwrap()), [""; 0], "{}", path.display());
        assert!(text.contains("# yaml-language-server: $schema="), "{} names its schema for editors", path.display());
        seen += 1;
    }
    let pages = std::fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    for page in pages.chain([root().join("README.md")]) {
        let Ok(text) = std::fs::read_to_string(&page) else { continue };
        for block in text.split("```yaml\n").skip(1).map(|block| block.split("```").next().unwrap()) {
            let Some(value) = json_of(block) else { continue };
            if value.get("turns").is_some() && decode(block, &root().join("scenarios")).is_empty() {
                assert_eq!(refused(&SCENARIO, &value), [""; 0], "{}:\n{block}", page.display());
                seen += 1;
            }
            if value.get("models").is_some_and(Value::is_object) {
                assert_eq!(refused(&CONFIG, &value), [""; 0], "{}:\n{block}", page.display());
                seen += 1;
            }
        }
    }
    assert!(seen > 15, "{seen}");
    for config in ["chat-eval.yaml", "src/cli/commands/init/chat-eval.yaml"] {
        let text = std::fs::read_to_string(root().join(config)).unwrap();
        assert_eq!(refused(&CONFIG, &json_of(&text).unwrap()), [""; 0], "{config}");
    }
}

#[test]
fn of_the_invalid_fixtures_it_refuses_those_whose_structure_is_wrong_and_takes_the_others() {
    let (mut wrong, mut right) = (0, 0);
    for path in yaml_files(&root().join("tests/fixtures/invalid")) {
        let name = path.file_name().unwrap().to_string_lossy();
        if name == "chat-eval.yaml" || name.starts_with('_') {
            continue;
        }
        let below = path.strip_prefix(root().join("tests/fixtures/invalid")).unwrap();
        let fixture = below.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
        let fixture = fixture.trim_end_matches(".yaml");
        let text = std::fs::read_to_string(&path).unwrap();
        let Some(value) = json_of(&text) else { continue };
        let codes: BTreeSet<Code> = decode(&text, path.parent().unwrap()).iter().map(|found| found.code).collect();
        // Of what is there twice it sees a part: texts that are the same, and not that two ways to write a window are.
        if codes.contains(&Code::DuplicateValue) {
            continue;
        }
        let is_wrong = codes.iter().any(|code| STRUCTURE.contains(code));
        let is_elsewhere = ELSEWHERE.iter().any(|(name, _)| *name == fixture);
        let refused = refused(&SCENARIO, &value);
        assert_eq!(!refused.is_empty(), is_wrong && !is_elsewhere, "{fixture}: {codes:?} {refused:?}\n{text}");
        *(if is_wrong { &mut wrong } else { &mut right }) += 1;
    }
    assert!(wrong > 30 && right > 15, "{wrong} {right}");
}

/// A scenario with a key `zzzz` in one of its maps, and the keys that the decoder then says that there are.
fn known(text: &str) -> BTreeSet<String> {
    let found = decode(text, Path::new("."));
    let diagnostic =
        found.iter().find(|found| found.message.contains("`zzzz`")).unwrap_or_else(|| panic!("{found:?}\n{text}"));
    words(diagnostic.help.as_deref().unwrap_or_default())
}

/// The words in backticks.
fn words(text: &str) -> BTreeSet<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn keys(schema: &Value, definition: &str) -> BTreeSet<String> {
    let map = if definition.is_empty() { schema } else { &schema["$defs"][definition] };
    let properties = map["properties"].as_object().unwrap_or_else(|| panic!("{definition} is no map"));
    properties.keys().cloned().collect()
}

fn schema(file: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(root().join("schemas").join(file)).unwrap()).unwrap()
}

#[test]
fn every_map_has_the_keys_that_the_decoder_knows() {
    let check = |check: &str| format!("facts: {{a: b}}\nturns:\n  - user: Hi\n    expect: [{check}]\n");
    let top = |line: &str| format!("{line}\nturns: [{{user: Hi}}]\n");
    let maps = [
        ("", top("zzzz: 1")),
        ("OnlyPersona", top("persona: {zzzz: 1}")),
        ("Persona", top("personas: [{name: a, zzzz: 1}]")),
        ("WindowMap", top("window: {messages: 1, zzzz: 1}")),
        ("Params", top("params: {zzzz: 1}")),
        ("Redaction", top("snapshot_redact: [{zzzz: 1}]")),
        ("Canary", top("facts: {a: {canary: word, zzzz: 1}}")),
        ("Fact", top("facts: {a: {value: b, zzzz: 1}}")),
        ("Turn", "turns: [{user: Hi, zzzz: 1}]".to_owned()),
        ("Filler", "turns: [{filler: {count: 1, zzzz: 1}}]".to_owned()),
        ("Probe", top("probes: [{user: Hi, zzzz: 1}]")),
        ("Message", top("history: [{zzzz: 1}]")),
        ("TextCase", check("{contains: {text: a, zzzz: 1}}")),
        ("JsonPath", check("{json_path: {zzzz: 1}}")),
        ("Similar", check("{similar: {zzzz: 1}}")),
        ("Sent", check("{sent: {zzzz: 1}}")),
        ("FactValue", check("{recalls: {fact: a, zzzz: 1}}")),
        ("Forgets", check("{forgets: {fact: a, zzzz: 1}}")),
        ("Judge", check("{judge: {zzzz: 1}}")),
        ("Program", check("{run: {zzzz: 1}}")),
        ("KnownFailure", check("{asks: true, known_failure: {zzzz: 1}}")),
        ("InnerCheck", check("{not: {zzzz: 1}}")),
        ("InnerTranscriptCheck", top("expect: [{not: {zzzz: 1}}]")),
        // Of what stands beside a check the decoder names the check keys alone.
        ("CheckKeys", check("{zzzz: 1}")),
        ("TranscriptKeys", top("expect: [{zzzz: 1}]")),
    ];
    let schema = schema("scenario.json");
    for (definition, text) in &maps {
        assert_eq!(keys(&schema, definition), known(text), "{definition}:\n{text}");
    }
    // What may stand beside it is what the decoder takes there.
    let beside: BTreeSet<String> = ["name", "models", "known_failure", "needs_model"].map(str::to_owned).into();
    let stretch: BTreeSet<String> = ["from", "until"].map(str::to_owned).into();
    for (definition, kinds, others) in [
        ("Check", "CheckKeys", beside.clone()),
        ("EachReply", "CheckKeys", &beside | &stretch),
        ("TranscriptCheck", "TranscriptKeys", &beside | &stretch),
    ] {
        assert_eq!(keys(&schema, definition), &keys(&schema, kinds) | &others, "{definition}");
    }
    let all = "{asks: true, name: a, models: [b], known_failure: c, needs_model: true, from: 1, until: 1}";
    assert!(decode(&top(&format!("each_reply: [{all}]")), Path::new(".")).is_empty());
    let of_turn = decode(&check(all), Path::new("."));
    assert!(of_turn.iter().all(|found| found.code == Code::UnknownCheck) && !of_turn.is_empty(), "{of_turn:?}");
    // No map of the schema is left out here.
    let mut covered: BTreeSet<&str> = maps.iter().map(|(definition, _)| *definition).collect();
    covered.extend(["Check", "EachReply", "TranscriptCheck", "Modifiers", "Stretch"]);
    let maps = schema["$defs"].as_object().unwrap().iter().filter(|(_, map)| map.get("properties").is_some());
    assert_eq!(maps.map(|(name, _)| name.as_str()).filter(|name| !covered.contains(name)).collect::<Vec<_>>(), [""; 0]);
}

/// What `check` says of a config, and whether it is right.
fn check_config(config: &str) -> (bool, String) {
    let sandbox = Sandbox::new();
    sandbox.write("chat-eval.yaml", config);
    sandbox.write("scenarios/a.yaml", "model: builtin\nturns: [{user: Hi}]\n");
    let ran = sandbox.run(&["check", "scenarios"]);
    (ran.code == Some(0), ran.stderr)
}

#[test]
fn the_config_has_the_keys_that_its_decoder_knows() {
    let schema = schema("config.json");
    let known = |config: &str| {
        let (_, said) = check_config(config);
        words(said.split("help:").nth(1).unwrap_or_else(|| panic!("{said}")))
    };
    for (definition, config) in [
        ("", "zzzz: 1"),
        ("Limits", "limits: {zzzz: 1}"),
        ("Judge", "judge: {zzzz: 1}"),
        ("Embedding", "embedding: {model: a, zzzz: 1}\nmodels: {a: {provider: openai}}"),
        ("Params", "judge: {params: {zzzz: 1}}"),
        ("Price", "models: {a: {provider: openai, price: {input: 1, output: 1, zzzz: 1}}}"),
    ] {
        assert_eq!(keys(&schema, definition), known(config), "{config}");
    }
    // Models have the keys of their provider. The decoder has one list for `openai` and `builtin`.
    let providers = schema["$defs"]["Model"]["oneOf"].as_array().unwrap();
    let of = |name: &str| -> BTreeSet<String> {
        let mut named = providers.iter().filter(|provider| provider["properties"]["provider"]["const"] == name);
        named.next().unwrap()["properties"].as_object().unwrap().keys().cloned().collect()
    };
    let both: BTreeSet<String> = of("openai").union(&of("builtin")).cloned().collect();
    assert_eq!(both, known("models: {a: {provider: openai, zzzz: 1}}"));
    for name in ["anthropic", "gemini", "azure", "http", "command"] {
        assert_eq!(of(name), known(&format!("models: {{a: {{provider: {name}, zzzz: 1}}}}")), "{name}");
    }
    for (definition, config) in [
        ("BotSession", "provider: http, session: {path: $.a, zzzz: 1}"),
        ("BotEvents", "provider: http, stream: {events: data, zzzz: 1}"),
        ("BotDoneAt", "provider: http, stream: {events: data, done: {path: $.a, equals: 1, zzzz: 1}}"),
        ("BotUsage", "provider: http, usage: {sent: $.a, reply: $.b, zzzz: 1}"),
    ] {
        let config =
            format!("models: {{a: {{url: \"http://127.0.0.1:1/{{{{ session }}}}{{{{ message }}}}\", {config}}}}}");
        assert_eq!(keys(&schema, definition), known(&config), "{config}");
    }
    let names =
        providers.iter().map(|provider| provider["properties"]["provider"]["const"].as_str().unwrap().to_owned());
    assert_eq!(names.collect::<BTreeSet<_>>(), known("models: {a: {provider: zzzz}}"));
}

#[test]
fn a_config_is_taken_or_refused_as_its_decoder_does() {
    let model = |keys: &str| format!("models: {{a: {{provider: openai, {keys}}}}}");
    for right in [
        "model: builtin".to_owned(),
        "model:\nlimits:\n".to_owned(),
        "concurrency: 3\nlimits: {rpm: 1, tpm: \"2\", max_cost_usd: 0.5}".to_owned(),
        model("model: m, base_url: \"http://127.0.0.1:1/v1\", api_key_env: none, tokenizer: o200k_base"),
        model("price: {input: 0, output: 0.6}"),
        "models: {a: {provider: openai}}\njudge: {model: a, votes: 3, params: {max_tokens: 5}}\nembedding: {model: a}"
            .to_owned(),
        "models: {a: {provider: builtin, model: \"builtin:echo\"}}".to_owned(),
        "models: {a: {provider: anthropic, model: m, max_tokens: 5, api_key_env: K, price: {input: 1, output: 1}}}".to_owned(),
        "models: {a: {provider: gemini, base_url: \"http://127.0.0.1:1\", api_key_env: none}}".to_owned(),
        "models: {a: {provider: azure, deployment: d, api_version: \"2024-10-21\", base_url: \"https://n.openai.azure.com\"}}"
            .to_owned(),
        "models: {a: {provider: http, url: \"http://127.0.0.1:1/{{ session }}\", method: PUT, headers: {X-Key: \"${K}\"}, body: {m: \"{{ message }}\", n: [1, null]}, \
         reply: $.a, session: {path: $.id, first: null}, stream: {events: $.d, done: {path: $.end, equals: true}}, finish_reason: $.f, usage: {sent: $.s, reply: $.r}}}"
            .to_owned(),
        "models: {a: {provider: http, url: \"http://127.0.0.1:1\", body: '{\"m\": {{ message }}, \"s\": {{ session }}}', reply: text, stream: text}}".to_owned(),
        "models: {a: {provider: http, url: \"http://127.0.0.1:1\", stream: {events: data, done: \"[DONE]\"}}}".to_owned(),
        "models: {a: {provider: command, command: [python3, bot.py], env: {A: \"1\", B: 2, K: \"${K}\"}}}".to_owned(),
        "models: {a: {provider: command, command: [python3, bot.py, \"\", 2], env: {A: \"\"}}}".to_owned(),
    ] {
        assert_eq!(check_config(&right), (true, String::new()), "{right}");
        assert_eq!(refused(&CONFIG, &json_of(&right).unwrap()), [""; 0], "{right}");
    }
    for wrong in [
        "modle: builtin".to_owned(),
        "concurrency: 0".to_owned(),
        "concurrency: many".to_owned(),
        "limits: 5".to_owned(),
        "limits: {rpm: 0}".to_owned(),
        "models: [a]".to_owned(),
        "models: {builtin: {provider: openai}}".to_owned(),
        "models: {a: {model: m}}".to_owned(),
        "models: {a: {provider: openia}}".to_owned(),
        "models: {a: {provider: builtin, model: \"builtin:tiny\"}}".to_owned(),
        model("base_url: \" \""),
        model("tokenizer: o200k"),
        model("price: {input: 1}"),
        model("price: {input: -1, output: 1}"),
        model("api_key: secret"),
        "models: {a: {provider: anthropic, max_tokens: 0}}".to_owned(),
        "models: {a: {provider: azure, model: m}}".to_owned(),
        "models: {a: {provider: http}}".to_owned(),
        "models: {a: {provider: http, url: \"http://127.0.0.1:1\", stream: words}}".to_owned(),
        "models: {a: {provider: http, url: \"http://127.0.0.1:1\", usage: {sent: $.s}}}".to_owned(),
        "models: {a: {provider: command}}".to_owned(),
        "models: {a: {provider: command, command: []}}".to_owned(),
        "models: {a: {provider: command, command: [\"\", bot.py]}}".to_owned(),
        "models: {a: {provider: command, command: [python3, {b: 1}]}}".to_owned(),
        "models: {a: {provider: command, command: [python3], env: {A: {b: 1}}}}".to_owned(),
        "models: {a: {provider: command, command: [python3], env: {A: [b]}}}".to_owned(),
        "judge: {votes: 0}".to_owned(),
        "judge: {params: {temperature: 3}}".to_owned(),
        "embedding: {}".to_owned(),
    ] {
        let (is_right, said) = check_config(&wrong);
        assert!(!is_right, "{wrong}: {said}");
        assert_ne!(refused(&CONFIG, &json_of(&wrong).unwrap()), [""; 0], "{wrong}");
    }
}

/// Every way into a value: the steps to each of its nodes.
fn places(value: &Value, way: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    found.push(way.clone());
    let children: Vec<(String, &Value)> = match value {
        Value::Object(object) => object.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    for (step, child) in children {
        way.push(step);
        places(child, way, found);
        way.pop();
    }
}

fn at<'v>(value: &'v mut Value, way: &[String]) -> &'v mut Value {
    way.iter().fold(value, |value, step| match value {
        Value::Object(object) => object.get_mut(step).unwrap(),
        Value::Array(items) => &mut items[step.parse::<usize>().unwrap()],
        _ => unreachable!("a way leads through lists and maps"),
    })
}

/// A scenario with one of everything, so that there is much to change.
const FULL: &str = r#"
name: full
description: all of it
tags: [a, b]
personas:
  - {name: one, system: "You are {{ city }}.", expect: [{max_words: 150, from: 1, until: 2}]}
  - {name: two}
models: [builtin, "builtin:echo"]
windows: [1, full, none, {messages: 3, orphan_reply: drop, pin_first: 1}, {tokens: 500}, {past_exchanges: 2}]
params: {temperature: 0.5, max_tokens: 10, seed: 1, stop: [x], extra: {top_k: 3}}
stream: false
trials: 2
pass_rate: 0.5
snapshot: structure
snapshot_redact: [{match: "a+", with: b}]
facts:
  name: Priya
  colour: {value: Red, aliases: [crimson], outdated: [Brown], match: word, asks: [favourite]}
  order: {value: A1, match: regex, regex: "A\\d"}
  guest: {canary: person, asks: who}
vars: {city: Lisbon}
matrix: {gap: [0, 1]}
cases: [{id: a, day: 1}, {id: b, day: 2}]
history: [{role: user, content: Hi}, {role: assistant, content: Hello}]
turns:
  - {user: "My name is Priya, in {{ city }}.", id: start, allow: [only-by-reply]}
  - {user: "{{ guest }}?", reply: Yes}
  - filler: "{{ gap }}"
  - filler: {count: 1}
  - user: Name?
    capture: {ticket: "T-(\\d+)"}
    expect:
      - {recalls: name, name: knows it, models: ["gpt-*"], needs_model: true}
      - {forgets: {fact: colour, value: Brown, admits: true}, known_failure: {why: so, models: x}}
      - {retains_iff_visible: order}
      - contains: [a, {text: b, case: true}]
      - {equals: x}
      - {matches: "a|b"}
      - {max_words: "{{ gap }}"}
      - {asks: true}
      - {json_schema: {type: object}}
      - {json_path: {path: $.a, equals: 1}}
      - {similar: {to: a b, min: 0.5, by: rouge_l}}
      - {max_cost_usd: 0.5}
      - {sent: {contains: a, max_messages: 5, first_role: user, system_first: true}}
      - {finish_reason: stop}
      - {judge: {criterion: nice, votes: 3, scale: 10, min: 7, sees: turn}}
      - {run: [./check.sh, a]}
      - {run: {program: [./check.sh], timeout_s: 3}}
      - {not: {contains: z}}
probes: [{user: Well?, expect: {recalls: name}, allow: orphan-reply}]
each_reply: [{min_words: 1, from: start, until: 3}]
expect:
  - {always: {max_words: 5}, from: 1, until: 4}
  - {never: {contains: z}}
  - {contains_in_order: [a, b]}
  - {no_repeated_reply: true}
  - {max_total_cost_usd: 1}
  - {judge: kind}
  - {not: {eventually: {asks: true}, from: 1}}
allow: [unused-fact]
"#;

/// Whatever one may be changed to.
fn others() -> [Value; 20] {
    [
        Value::Null,
        json!(true),
        json!(0),
        json!(-1),
        json!(7),
        json!(0.5),
        json!(2_000_000_000_u64),
        json!(""),
        json!("word"),
        json!("two words!"),
        json!("12"),
        json!(TEMPLATE),
        json!([]),
        json!(["word"]),
        json!([null]),
        json!({}),
        json!({"word": 1}),
        json!({"text": "a"}),
        json!({"contains": "a"}),
        json!({"user": "a"}),
    ]
}

/// What it stands for may be wrong at its place, which only the decoder sees; as of all variables.
const TEMPLATE: &str = "{{ city }}";

/// Keys that belong in some maps.
const KEYS: [&str; 11] =
    ["user", "filler", "reply", "expect", "persona", "window", "contains", "always", "from", "min", "regex"];

#[derive(Debug, Clone)]
enum Change {
    /// Another value there.
    Value(Value),
    /// The key, or item, is gone.
    Gone,
    /// The key has a letter twice.
    Misspelled,
    /// A key more beside it.
    Beside(&'static str),
}

fn changes() -> Vec<Change> {
    let values = others().into_iter().map(Change::Value);
    values.chain([Change::Gone, Change::Misspelled]).chain(KEYS.map(Change::Beside)).collect()
}

fn change(value: &mut Value, way: &[String], change: &Change) {
    let Some((last, above)) = way.split_last() else { return };
    let parent = at(value, above);
    match (change, parent) {
        (Change::Value(new), parent) => *at(parent, std::slice::from_ref(last)) = new.clone(),
        (Change::Gone, Value::Object(object)) => drop(object.shift_remove(last)),
        (Change::Gone, Value::Array(items)) => drop(items.remove(last.parse().unwrap())),
        (Change::Misspelled, Value::Object(object)) => {
            let value = object.shift_remove(last).unwrap();
            object.insert(format!("{last}{}", last.chars().last().unwrap()), value);
        }
        (Change::Beside(key), Value::Object(object)) => {
            object.entry((*key).to_owned()).or_insert_with(|| json!("word"));
        }
        _ => {}
    }
}

#[test]
fn the_scenario_with_one_of_everything_is_right() {
    let codes: Vec<Code> = decode(FULL, root()).iter().map(|found| found.code).collect();
    assert_eq!(codes, [], "{:?}", decode(FULL, root()));
    assert_eq!(refused(&SCENARIO, &json_of(FULL).unwrap()), [""; 0]);
}

/// What the schema and the decoder do not agree on, of one changed scenario.
fn disagreement(mut value: Value, way: &[String], how: &Change) -> Option<String> {
    change(&mut value, way, how);
    // JSON is YAML.
    let text = value.to_string();
    let codes: BTreeSet<Code> = decode(&text, root()).iter().map(|found| found.code).collect();
    let refused = refused(&SCENARIO, &value);
    let is_variable = ["vars", "matrix", "cases"].contains(&way.first().map_or("", String::as_str));
    let is_template = is_variable || matches!(how, Change::Value(Value::String(text)) if text == TEMPLATE);
    let is_wrong = codes.iter().any(|code| STRUCTURE.contains(code)) && !is_template;
    let disagrees = codes.is_empty() && !refused.is_empty() || is_wrong && refused.is_empty();
    disagrees.then(|| format!("{how:?} at {way:?}: {codes:?} {refused:?}"))
}

#[test]
fn what_is_changed_in_one_place_is_refused_by_both_or_by_none() {
    let value = json_of(FULL).unwrap();
    let mut ways = Vec::new();
    places(&value, &mut Vec::new(), &mut ways);
    let all = ways.iter().flat_map(|way| changes().into_iter().map(move |how| (way, how)));
    // All of them take minutes: every place is changed in some way, and every change made at some place.
    let step = if std::env::var_os("CHAT_EVAL_LARGE").is_some() { 1 } else { 17 };
    let tried: Vec<(&Vec<String>, Change)> = all.step_by(step).collect();
    let disagreements: Vec<String> = std::thread::scope(|scope| {
        let parts = tried.chunks(tried.len().div_ceil(4)).map(|part| {
            let value = &value;
            scope.spawn(move || {
                part.iter().filter_map(|(way, how)| disagreement(value.clone(), way, how)).collect::<Vec<_>>()
            })
        });
        let parts: Vec<_> = parts.collect();
        parts.into_iter().flat_map(|part| part.join().expect("a part")).collect()
    });
    assert_eq!(disagreements, [""; 0]);
    assert!(tried.len() > 400, "{}", tried.len());
}
