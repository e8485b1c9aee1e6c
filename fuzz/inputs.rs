//! What people write and hand in: scenarios, their templates, configs, other tools' conversations.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use chat_eval::cli::config;
use chat_eval::diagnostic::{Code, Diagnostic, Severity, SourceFile, render};
use chat_eval::run::lint::{Extent, LintedModel, lint};
use chat_eval::run::plan::{Overrides, Plan};
use chat_eval::scenario::import::{Format, Replies, Settings, import};
use chat_eval::scenario::open::Open;
use chat_eval::scenario::outline::Outline;
use chat_eval::scenario::{self, FileProblem, Files, Scenario};
use chat_eval::text::tokens::Tokenizer;

use super::driver::Target;

/// What a scenario may hold.
const WORDS: [&str; 40] = [
    "turns:\n  - user: a\n",
    "facts: {f: v}\n",
    "    expect: [{recalls: f}]\n",
    "- {filler: 3}\n",
    "matrix: {n: [1, 2, 3]}\n",
    "windows: [1, 2-drop, full, none, {tokens: 9}, {past_exchanges: 1, pin_first: 1}]\n",
    "{{ n }}",
    "{% for a in range(9) %}",
    "{% endfor %}",
    "{{ n ~ n }}",
    "{% if n %}",
    "{% raw %}",
    "&a ",
    "*a",
    "<<: *a",
    "!!str ",
    "|\n  ",
    ">-\n  ",
    "? ",
    "- - - ",
    "---\n",
    "# x\n",
    "personas: [{name: p, system: s}]\n",
    "cases: [{id: 1}]\n",
    "history: [{role: user, content: a}]\n",
    "{canary: word}",
    "capture: {c: '(a)'}",
    "{matches: '(a|b)*c'}",
    "{json_schema: {type: object}}",
    "{json_path: {path: '$..a', equals: 1}}",
    "{judge: {criterion: c, scale: 5, min: 3}}",
    "{similar: {to: a, min: 0.5}}",
    "{not: {contains: a}}",
    "probes: [{user: a}]\n",
    "expect: [{always: {asks: true}}]\n",
    "snapshot_redact: [{find: a, to: b}]\n",
    "allow: [orphan-reply]\n",
    "cases: c.csv\n",
    "system_file: p.md\n",
    "trials: 2\n",
];

/// Files that are there, whatever they are asked for as.
struct Beside;

impl Files for Beside {
    fn read(&self, relative: &str) -> Result<Arc<SourceFile>, FileProblem> {
        let text = match relative {
            "p.md" => "Be kind, {{ n }}.",
            "c.csv" => "id,n\n1,a\n2,{{ n }}\n",
            "q.jsonl" => "{\"user\": \"Who am I?\"}\n",
            _ => return Err(FileProblem { code: Code::MissingFile, message: "not there".to_owned(), help: None }),
        };
        Ok(Arc::new(SourceFile { path: relative.to_owned(), text: text.to_owned() }))
    }
}

/// Whatever is said of a text points into it, and can be shown anywhere.
fn well_said(diagnostics: &[Diagnostic]) {
    for diagnostic in diagnostics {
        for label in &diagnostic.labels {
            let text = &diagnostic.source.as_ref().expect("labels have a source").text;
            assert!(text.get(label.span.clone()).is_some(), "{diagnostic:?}");
        }
        assert!(!diagnostic.message.is_empty());
    }
    let shown = render(diagnostics, false);
    let raw =
        shown.chars().find(|character| (character.is_control() && *character != '\n') || *character == '\u{202e}');
    assert_eq!(raw, None, "{shown}");
    assert!(shown.len() <= 3000 * (diagnostics.len() + 1), "{} bytes for {}", shown.len(), diagnostics.len());
}

fn loaded(text: &str) -> Option<Scenario> {
    let source = Arc::new(SourceFile { path: "a.yaml".to_owned(), text: text.to_owned() });
    let (scenario, diagnostics) = scenario::load(&source, "a", &Beside);
    well_said(&diagnostics);
    let is_wrong = diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
    assert_eq!(scenario.is_none(), is_wrong, "a scenario, or what is wrong with it: {diagnostics:?}");
    let (_, again) = scenario::load(&source, "a", &Beside);
    assert_eq!(diagnostics, again, "the same is said of the same");
    scenario
}

/// All that is made of a scenario before anything is sent.
fn planned(text: &str) {
    let Some(scenario) = loaded(text) else { return };
    for case in 0..scenario.cases.len().min(4) {
        for cell in 0..scenario.cells.len().min(4) {
            let script = scenario.script(case, cell).unwrap_or_else(|wrong| panic!("loaded, and wrong: {wrong:?}"));
            let size: usize = script.turns.iter().map(|turn| turn.user.len()).sum();
            assert!(size < 64 << 20, "{size} bytes of turns");
            let open = Open::of(&scenario);
            let outline = Outline::new(&script, &open);
            for asked in &outline.asked {
                assert!(asked.before <= outline.messages.len());
            }
        }
    }
    let (live, trials) = (scenario.live_turns, scenario.trials);
    let overrides = Overrides { default_model: "builtin".to_owned(), max_conversations: 300, ..Overrides::default() };
    let Ok(plan) = Plan::new(vec![scenario], &overrides) else { return };
    let again = Plan::new(vec![loaded(text).expect("loaded before")], &overrides).expect("planned before");
    assert_eq!(plan.digest(), again.digest(), "the same plan of the same text");
    assert!(plan.conversations.len() % trials as usize == 0);
    if plan.scenarios[0].has_one_script() {
        assert!(plan.conversations.iter().all(|planned| plan.live_turns(&planned) == live));
    }
    let keys: HashSet<String> =
        plan.conversations.iter().map(|planned| format!("{:?}", plan.conversation_key(&planned))).collect();
    assert_eq!(keys.len(), plan.conversations.len(), "each conversation has a name of its own");
    let model =
        |_: &str| LintedModel { tokenizer: Tokenizer::default(), is_language_model: true, keeps_history: false };
    let linted = lint(&plan, Extent { is_whole: true, cases: usize::MAX, most: 20_000 }, &model);
    well_said(&linted.diagnostics);
}

#[test]
fn scenarios() {
    let target =
        Target::new("scenario").with("tests/fixtures/invalid", ".yaml").with("scenarios", ".yaml").words(&WORDS);
    target.run(|input| planned(&String::from_utf8_lossy(input)));
}

#[test]
fn templates() {
    let words = [
        "{{ n }}",
        "{% for a in v %}",
        "{% endfor %}",
        "{% if n %}",
        "{% endif %}",
        "|upper",
        "|join(v)",
        " ~ ",
        "{% set a = n ~ n %}",
        "*",
        "range(9)",
        "{#",
        "|replace('a', n)",
        "loop.index",
        "[n, n]",
        "(",
        ")",
        "{% raw %}",
        "not ",
        "**",
    ];
    Target::new("template").words(&words).run(|input| {
        let template = serde_json::Value::from(&*String::from_utf8_lossy(input)).to_string();
        // YAML reads what JSON writes, but for some characters that it wants to be escaped; those are another target's.
        let places = [
            format!("turns: [{{user: {template}}}]"),
            format!("persona: {template}\nturns: [{{user: a, reply: {template}}}, {{user: b, expect: [{{contains: {template}}}]}}]"),
        ];
        for place in places {
            planned(&format!("vars: {{n: 3, v: [a, b, c], e: ''}}\n{place}\n"));
        }
    });
}

#[test]
fn configs() {
    let words = [
        "models:\n",
        "  b: {provider: openai, base_url: 'http://127.0.0.1:1'}\n",
        "judge: {model: b, votes: 3}\n",
        "embedding: {model: b}\n",
        "limits: {rpm: 1, tpm: 2, max_cost_usd: 0.5}\n",
        "concurrency: 4\n",
        "price: {input: 1, output: 2}\n",
        "tokenizer: o200k_base\n",
        "&a ",
        "*a",
        "<<: *a",
    ];
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("chat-eval.yaml");
    Target::new("config").words(&words).run(|input| {
        std::fs::write(&path, input).expect("a file");
        match config::load(Some(&path)) {
            Ok(config) => {
                for name in config.models.iter().flat_map(|models| models.keys()) {
                    let (source, span) = config.place_of_model(name).expect("a place");
                    assert!(source.text.get(span).is_some());
                }
                assert!(config.limits.max_cost_usd.is_none_or(|most| (0.0..=1e6).contains(&most)));
            }
            Err(diagnostics) => {
                assert!(!diagnostics.is_empty(), "nothing is wrong, and there is no config");
                well_said(&diagnostics);
            }
        }
    });
}

fn imported(name: &'static str, format: Format, words: &[&str]) {
    Target::new(name).words(words).run(|input| {
        for replies in [Replies::Live, Replies::Canned] {
            let (file, stem) = ("chats".to_owned(), "chats".to_owned());
            let settings = Settings { format, replies, file, stem, limit: None };
            let mut made = Vec::new();
            let outcome = import(&settings, &mut &*input, &Beside, &mut |file| {
                made.push(file);
                ControlFlow::Continue(())
            });
            well_said(&outcome.diagnostics);
            // What was made beside errors is thrown away, and what comes behind the first is not even handed on.
            let is_whole = outcome.diagnostics.is_empty();
            assert!(if is_whole { made.len() == outcome.made } else { made.len() <= outcome.made });
            let mut names = HashSet::new();
            for file in made {
                let is_plain = |character: char| {
                    character.is_ascii_lowercase() || character.is_ascii_digit() || "._-".contains(character)
                };
                assert!(
                    file.name.chars().all(is_plain) && !file.name.starts_with('.') && file.name.len() <= 100,
                    "{}",
                    file.name
                );
                assert!(names.insert(file.name.clone()), "{} twice", file.name);
                let source = Arc::new(SourceFile { path: "s.yaml".to_owned(), text: file.text.clone() });
                let (scenario, wrong) = scenario::load(&source, &file.name, &Beside);
                let errors: Vec<_> = wrong.iter().filter(|wrong| wrong.severity == Severity::Error).collect();
                assert!(scenario.is_some(), "what was made is wrong: {errors:?}\n{}", file.text);
            }
        }
    });
}

#[test]
fn imports_of_chat_completions() {
    let words = [
        "{\"messages\": [",
        "{\"role\": \"user\", \"content\": \"a\"}",
        "\"assistant\"",
        "\"system\"",
        "\"tool_calls\": []",
        "{{",
        "%}",
        "]}",
        "[{\"type\": \"text\", \"text\": \"a\"}]",
        "null",
    ];
    imported("import-openai-chat", Format::OpenaiChat, &words);
}

#[test]
fn imports_of_sharegpt() {
    let words = [
        "{\"conversations\": [",
        "{\"from\": \"human\", \"value\": \"a\"}",
        "\"gpt\"",
        "\"system\"",
        "]}",
        "[",
        "]",
        "{{ a }}",
        "\"id\": \"a\",",
    ];
    imported("import-sharegpt", Format::Sharegpt, &words);
}

#[test]
fn imports_of_promptfoo() {
    let words = [
        "prompts: ['a {{ q }}']\n",
        "tests:\n",
        "  - vars: {q: [a, b]}\n",
        "    assert: [{type: contains, value: a}]\n",
        "type: regex\n",
        "type: javascript\n",
        "type: llm-rubric\n",
        "not-",
        "&a ",
        "*a",
        "file://a",
        "{{ q }}",
        "defaultTest:\n",
        "options: {a: b}\n",
    ];
    imported("import-promptfoo", Format::Promptfoo, &words);
}

#[test]
fn imports_of_transcripts() {
    let words = [",", "\"\"", "\"", "\n", "p1", "builtin", "canned", "full", "{{ a }}", "'=1+1"];
    imported("import-transcripts", Format::Transcripts, &words);
}
