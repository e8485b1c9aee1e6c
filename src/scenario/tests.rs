//! What valid files mean.

mod broken;

use std::collections::HashMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::diagnostic::Code;
use crate::model::{Admits, CheckKind, FactRef, KnownFailure, MatchKind, OrphanReply, Role, Tail, Text};

/// Files in memory.
#[derive(Default)]
struct Memory(HashMap<&'static str, &'static str>);

impl Files for Memory {
    fn read(&self, relative: &str) -> Result<Arc<SourceFile>, FileProblem> {
        match self.0.get(relative) {
            Some(text) => Ok(source(relative, text)),
            None => Err(FileProblem {
                code: Code::MissingFile,
                message: format!("`{relative}` does not exist"),
                help: None,
            }),
        }
    }
}

fn source(path: &str, text: &str) -> Arc<SourceFile> {
    Arc::new(SourceFile { path: path.to_owned(), text: text.to_owned() })
}

fn scenario_with(text: &str, files: &[(&'static str, &'static str)]) -> Scenario {
    let (scenario, diagnostics) = load(&source("a.yaml", text), "a", &Memory(files.iter().copied().collect()));
    scenario.unwrap_or_else(|| panic!("{text}\n{diagnostics:#?}"))
}

fn scenario(text: &str) -> Scenario {
    scenario_with(text, &[])
}

fn script(text: &str) -> Arc<Script> {
    scenario(text).script(0, 0).unwrap()
}

const TURN: &str = "turns: [{user: Hello}]\n";

fn codes(text: &str) -> Vec<Code> {
    load(&source("a.yaml", text), "a", &Memory::default()).1.iter().map(|diagnostic| diagnostic.code).collect()
}

#[test]
fn a_file_that_says_little_has_the_defaults() {
    let scenario = scenario(TURN);
    assert_eq!((scenario.name.as_str(), scenario.description.as_deref()), ("a", None));
    assert_eq!((scenario.trials, scenario.stream), (1, false));
    assert!((scenario.pass_rate - 1.0).abs() < f64::EPSILON);
    assert_eq!(
        (scenario.personas.as_slice(), scenario.windows.as_slice()),
        (&["default".to_owned()][..], &[Window::FULL][..])
    );
    assert_eq!((scenario.models.len(), scenario.tags.len(), scenario.params), (0, 0, Params::default()));
    assert_eq!((scenario.cases, scenario.cells), (Cases::only(), vec![Variables::new()]));
    let script = script(TURN);
    assert_eq!((&*script.personas[0].system, &*script.turns[0].user), ("", "Hello"));
}

#[test]
fn a_large_tree_is_held_by_its_scenario() {
    let large = scenario(&format!("vars: {{x: 1}}\nturns:\n{}", "- {user: '{{ x }}'}\n".repeat(2000)));
    let turns = || std::ptr::from_ref(large.tree().unwrap().get("turns").unwrap());
    assert!(large.body.tree.is_some());
    assert_eq!(turns(), turns());
}

#[test]
fn a_key_with_nothing_behind_it_counts_as_absent() {
    let empty = "facts:\nhistory:\nprobes:\neach_reply:\nexpect:\ncases:\nmatrix:\nvars:\n";
    for persona in
        ["persona:\n", "personas: [{name: default, system: , expect: }]\n", "persona: {name: , system_file: }\n"]
    {
        let with = script(&format!("{empty}{persona}turns: [{{user: Hello, expect: }}]\n"));
        assert_eq!(
            format!("{:?} {:?}", with.personas, with.facts),
            format!("{:?} []", script(TURN).personas),
            "{persona}"
        );
    }
}

#[test]
fn short_forms_mean_what_long_forms_mean() {
    for (short, long) in [
        ("persona: Be kind.\n", "personas: [{name: default, system: Be kind.}]\n"),
        ("persona: Be kind.\n", "persona: {name: default, system: Be kind.}\n"),
        ("model: builtin\n", "models: [builtin]\n"),
        ("window: 2\n", "windows: [{exchanges: 2}]\n"),
        ("window: 2\n", "windows: [{exchanges: 2, orphan_reply: keep}]\n"),
        ("tags: a\n", "tags: [a]\n"),
        ("facts: {name: Priya}\n", "facts: {name: {value: Priya, aliases: [], match: word, asks: []}}\n"),
        ("each_reply: {max_words: 3}\n", "each_reply: [{max_words: 3, from: 1}]\n"),
        ("vars:\n", ""),
    ] {
        let (one, other) = (scenario(&format!("{short}{TURN}")), scenario(&format!("{long}{TURN}")));
        assert_eq!((&one.models, &one.windows, &one.tags), (&other.models, &other.windows, &other.tags), "{short}");
        let (mut one, mut other) = ((*one.script(0, 0).unwrap()).clone(), (*other.script(0, 0).unwrap()).clone());
        for script in [&mut one, &mut other] {
            script.turns.clear();
            script.each_reply.iter_mut().for_each(|each| each.check.position = crate::model::Position::default());
        }
        assert_eq!(one, other, "{short}");
    }
}

#[test]
fn every_form_of_a_window_is_read() {
    let n = |n: u32| std::num::NonZeroU32::new(n).unwrap();
    for (text, tail, orphan_reply, pin_first, label) in [
        ("full", Tail::Full, OrphanReply::Keep, 0, "full"),
        ("none", Tail::None, OrphanReply::Keep, 0, "none"),
        ("3", Tail::Exchanges(n(3)), OrphanReply::Keep, 0, "3"),
        ("{exchanges: 2, orphan_reply: drop}", Tail::Exchanges(n(2)), OrphanReply::Drop, 0, "2-drop"),
        ("{past_exchanges: 2}", Tail::PastExchanges(n(2)), OrphanReply::Keep, 0, "past-2"),
        ("{messages: 5, pin_first: 1}", Tail::Messages(n(5)), OrphanReply::Keep, 1, "messages-5-pin-1"),
        ("{tokens: 4000, orphan_reply: drop}", Tail::Tokens(n(4000)), OrphanReply::Drop, 0, "tokens-4000-drop"),
    ] {
        let windows = scenario(&format!("window: {text}\n{TURN}")).windows;
        assert_eq!(windows, [Window { tail, orphan_reply, pin_first }], "{text}");
        assert_eq!(windows[0].to_string(), label);
    }
}

#[test]
fn params_are_checked_and_extra_ones_go_along_as_they_are() {
    let text = "params: {temperature: 0, top_p: 0.5, max_tokens: 300, seed: -7, stop: END, presence_penalty: -1, \
                extra: {top_k: 40, thinking: {type: off, budget: 1.5}}}\n";
    let params = scenario(&format!("{text}{TURN}")).params;
    assert_eq!((params.temperature, params.top_p, params.presence_penalty), (Some(0.0), Some(0.5), Some(-1.0)));
    assert_eq!(
        (params.max_tokens, params.seed, params.stop.as_slice()),
        (Some(300), Some(-7), &["END".to_owned()][..])
    );
    assert_eq!(
        serde_json::to_value(&params.extra).unwrap(),
        json!({"top_k": 40, "thinking": {"type": "off", "budget": 1.5}})
    );
}

#[test]
fn turns_are_live_canned_or_filler() {
    let text = "history: [{role: user, content: Hi}, {role: assistant, content: Hello!}]\n\
                turns:\n  - {user: A, id: start}\n  - {user: B, reply: C}\n  - filler: 2\n  - filler: {count: 1}\n  \
                - filler: {count: 3, from: talk.yaml}\n  - filler: 0\n  - user: 1.10\n";
    let files = [("talk.yaml", "- {user: U1, reply: R1}\n- {user: U2, reply: R2}\n")];
    let script = scenario_with(text, &files).script(0, 0).unwrap();
    let turns: Vec<(&str, Option<&str>)> =
        script.turns.iter().map(|turn| (&*turn.user, turn.reply.as_deref())).collect();
    let built_in = |at: usize| (fillers::FILLERS[at].0, Some(fillers::FILLERS[at].1));
    // One list goes on where the filler before it stopped, and a number stays the text that it was written as.
    let expected = [
        ("A", None),
        ("B", Some("C")),
        built_in(0),
        built_in(1),
        built_in(2),
        ("U1", Some("R1")),
        ("U2", Some("R2")),
        ("U1", Some("R1")),
        ("1.10", None),
    ];
    assert_eq!(turns, expected);
    assert_eq!(script.turns[0].id.as_deref(), Some("start"));
    assert_eq!(script.history, [(Role::User, "Hi".into()), (Role::Assistant, "Hello!".into())]);
}

#[test]
fn every_form_of_a_fact_is_read() {
    let text = "facts:\n  name: Priya\n  room: 12\n  city: {value: Lisbon, aliases: [Lisboa, LX], match: text, asks: where do I live}\n  \
                colour: {value: Red, outdated: [Brown, Cream]}\n  ticket: {value: T-12, match: regex, regex: 'T-?12'}\n";
    let script = script(&format!("{text}{TURN}"));
    let shown: Vec<_> =
        script.facts.iter().map(|fact| (fact.name.as_str(), fact.value.as_str(), fact.matching)).collect();
    assert_eq!(
        shown,
        [
            ("name", "Priya", MatchKind::Word),
            ("room", "12", MatchKind::Word),
            ("city", "Lisbon", MatchKind::Text),
            ("colour", "Red", MatchKind::Word),
            ("ticket", "T-12", MatchKind::Regex),
        ]
    );
    assert_eq!(
        (&script.facts[2].aliases, &script.facts[2].asks),
        (&vec!["Lisboa".into(), "LX".into()], &vec!["where do I live".into()])
    );
    assert_eq!(script.facts[3].outdated, ["Brown", "Cream"]);
    assert_eq!(script.facts[4].regex.as_ref().map(crate::model::Pattern::as_str), Some("T-?12"));
}

fn check(check: &str) -> CheckKind {
    let text =
        format!("facts: {{name: {{value: Priya, outdated: [Maria]}}}}\nturns:\n  - user: Hello\n    expect: {check}\n");
    let script = script(&text);
    script.turns[0].checks[0].kind.clone()
}

#[test]
fn every_kind_of_check_is_read() {
    let text = |text: &str, case| Text { text: text.to_owned(), case };
    let any = |words: &[&str]| words.iter().map(|word| text(word, false)).collect::<Vec<_>>();
    let fact = |value: Option<&str>| FactRef { fact: 0, value: value.map(str::to_owned) };
    let pattern = |source: &str| crate::model::Pattern::new(source).unwrap();
    for (written, expected) in [
        ("{contains: x}", CheckKind::Contains(any(&["x"]))),
        ("{contains: [x, {text: Y, case: true}]}", CheckKind::Contains(vec![text("x", false), text("Y", true)])),
        ("{contains_any: [x, 7]}", CheckKind::ContainsAny(any(&["x", "7"]))),
        ("{not_contains: x}", CheckKind::NotContains(any(&["x"]))),
        ("{not_contains_any: [x, y]}", CheckKind::NotContainsAny(any(&["x", "y"]))),
        ("{equals: x}", CheckKind::Equals(text("x", true))),
        ("{starts_with: {text: x, case: false}}", CheckKind::StartsWith(text("x", false))),
        ("{ends_with: x}", CheckKind::EndsWith(text("x", true))),
        ("{matches: '^a+$'}", CheckKind::Matches(pattern("^a+$"))),
        ("{not_matches: b}", CheckKind::NotMatches(pattern("b"))),
        ("{min_words: 1}", CheckKind::MinWords(1)),
        ("{max_words: 150}", CheckKind::MaxWords(150)),
        ("{max_chars: 9}", CheckKind::MaxChars(9)),
        ("{max_sentences: 2}", CheckKind::MaxSentences(2)),
        ("{asks: true}", CheckKind::Asks(true)),
        ("{json: false}", CheckKind::Json(false)),
        ("{finish_reason: stop}", CheckKind::FinishReason("stop".to_owned())),
        ("{recalls: name}", CheckKind::Recalls(fact(None))),
        ("{recalls: {fact: name, value: Maria}}", CheckKind::Recalls(fact(Some("Maria")))),
        ("{forgets: name}", CheckKind::Forgets(fact(None), None)),
        ("{forgets: {fact: name, admits: false}}", CheckKind::Forgets(fact(None), None)),
        ("{forgets: {fact: name, admits: true}}", CheckKind::Forgets(fact(None), Some(Admits::Phrases))),
        (
            "{forgets: {fact: name, admits: sorry}}",
            CheckKind::Forgets(fact(None), Some(Admits::Pattern(pattern("sorry")))),
        ),
        ("{retains_iff_visible: name}", CheckKind::RetainsIffVisible(fact(None))),
        ("{not: {not: {asks: true}}}", CheckKind::Not(Box::new(CheckKind::Not(Box::new(CheckKind::Asks(true)))))),
    ] {
        assert_eq!(check(written), expected, "{written}");
        let [list, block] = [format!("[{written}]"), format!("\n      - {}", &written[1..written.len() - 1])];
        assert_eq!((check(&list), check(&block)), (expected.clone(), expected), "{written}");
    }
    let CheckKind::Sent(sent) = check(
        "{sent: {contains: a, not_contains: [b], max_messages: 5, max_tokens: 9, first_role: user, system_first: true}}",
    ) else {
        panic!("no check on what was sent")
    };
    assert_eq!((sent.contains, sent.not_contains), (any(&["a"]), any(&["b"])));
    assert_eq!(
        (sent.max_messages, sent.max_tokens, sent.first_role, sent.system_first),
        (Some(5), Some(9), Some(Role::User), Some(true))
    );
}

#[test]
fn what_stands_beside_a_check_is_read() {
    let text = "turns:\n  - user: Hello\n    expect: {asks: true, name: polite, models: 'gpt-*', known_failure: it does not, needs_model: true}\n";
    let script = script(text);
    let check = &script.turns[0].checks[0];
    assert_eq!(
        (check.name.as_deref(), check.known_failure.clone(), check.needs_model),
        (Some("polite"), Some(KnownFailure { why: "it does not".into(), models: Vec::new() }), true)
    );
    let marked = |mark: &str| format!("turns: [{{user: Hi, expect: {{asks: true, known_failure: {mark}}}}}]");
    let of_some = self::script(&marked("{why: shy, models: ['gpt-*', small]}")).turns[0].checks[0].clone();
    let models = vec!["gpt-*".to_owned(), "small".to_owned()];
    assert_eq!(of_some.known_failure, Some(KnownFailure { why: "shy".into(), models }));
    for (mark, code) in [
        ("{models: [small]}", Code::MissingKey),
        ("{why: shy, models: []}", Code::EmptyList),
        ("{why: shy, models: 'gpt-[4'}", Code::InvalidGlob),
        ("{why: shy, model: small}", Code::UnknownKey),
        ("[shy]", Code::WrongType),
    ] {
        assert_eq!(codes(&marked(mark)), [code], "{mark}");
    }
    assert_eq!(
        (check.models.as_slice(), check.position.line, check.position.column),
        (&["gpt-*".to_owned()][..], 3, 13)
    );
}

#[test]
fn a_stretch_is_named_by_numbers_and_by_ids() {
    let turns = "turns: [{user: A}, {user: B, id: b}, {user: C, id: c}]\n";
    let checks = "[{asks: true, from: b, until: 3}, {asks: true, from: 2, until: c}, {asks: true}]";
    let script = script(&format!("each_reply: {checks}\npersonas: [{{name: p, expect: {checks}}}]\n{turns}"));
    for each in [&script.each_reply, &script.personas[0].checks] {
        let stretches: Vec<_> = each.iter().map(|each| (each.from, each.until)).collect();
        assert_eq!(stretches, [(2, Some(3)), (2, Some(3)), (1, None)]);
    }
}

#[test]
fn personas_have_their_prompts_inline_or_in_files_with_variables_in_both() {
    let text = "vars: {city: Lisbon}\npersonas:\n  - {name: a, system: 'You live in {{ city }}.', expect: {max_words: 9}}\n  \
                - {name: b, system_file: b.md}\n  - {name: c}\nturns: [{user: Hello}]\n";
    let scenario = scenario_with(text, &[("b.md", "In {{ city }}\nsince 1990.\n\n")]);
    assert_eq!(scenario.personas, ["a", "b", "c"]);
    let script = scenario.script(0, 0).unwrap();
    let systems: Vec<&str> = script.personas.iter().map(|persona| &*persona.system).collect();
    assert_eq!(systems, ["You live in Lisbon.", "In Lisbon\nsince 1990.", ""]);
    assert_eq!(script.personas[0].checks.len(), 1);
}

#[test]
fn the_first_name_of_a_matrix_changes_slowest_and_types_are_kept() {
    let text = "matrix: {gap: [0, 2], word: [a, true, 1.5]}\nturns: [{filler: '{{ gap }}'}, {user: '{{ word }}'}]\n";
    let scenario = scenario(text);
    assert_eq!(serde_json::to_value(&scenario.cells).unwrap()[1], json!({"gap": 0, "word": true}));
    let played: Vec<_> = (0..6)
        .map(|cell| scenario.script(0, cell).unwrap())
        .map(|script| (script.turns.len(), script.turns.last().unwrap().user.to_string()))
        .collect();
    let expected = [(1, "a"), (1, "true"), (1, "1.5"), (3, "a"), (3, "true"), (3, "1.5")];
    assert_eq!(played, expected.map(|(turns, word)| (turns, word.to_owned())));
}

#[test]
fn values_are_data_even_where_they_look_like_templates() {
    let text =
        "vars: {raw: '{{ q }}'}\ncases: cases.csv\nturns: [{user: '{{ q }} {{ raw }} {% raw %}{{ q }}{% endraw %}'}]\n";
    let scenario = scenario_with(text, &[("cases.csv", "id,q\nfirst,{{ raw }}\nsecond,\"{% if %}, 'x'\"\n")]);
    assert_eq!(scenario.cases.names().collect::<Vec<_>>(), ["first", "second"]);
    let user = |case| scenario.script(case, 0).unwrap().turns[0].user.to_string();
    assert_eq!((user(0).as_str(), user(1).as_str()), ("{{ raw }} {{ q }} {{ q }}", "{% if %}, 'x' {{ q }} {{ q }}"));
}

#[test]
fn all_scripts_of_a_scenario_have_as_many_live_turns_whatever_is_filled_in() {
    let scenario = scenario(
        "matrix: {m: [0, 3]}\ncases: [{n: 1, r: Yes}, {n: 4, r: ~}]\nprobes: [{user: Who?}]\nturns: [{user: Hi}, {user: '{{ n }}', reply: \
         '{{ r }}'}, {filler: '{{ n }}'}, {filler: '{{ m }}'}, {user: '{{ m }}'}]\n",
    );
    for (case, cell) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        assert_eq!(scenario.script(case, cell).unwrap().live_turns(), 3, "{case} {cell}");
    }
    assert_eq!(scenario.live_turns, 3);
    // A reply of nothing is an error, and no turn that is live.
    for nothing in ["''", "' '"] {
        let text = format!("cases: [{{r: Yes}}, {{r: {nothing}}}]\nturns: [{{user: Hi, reply: '{{{{ r }}}}'}}]\n");
        assert!(!codes(&text).is_empty(), "{nothing}");
    }
}

#[test]
fn a_script_is_the_same_when_the_tree_of_its_file_was_let_go() {
    let files = [
        ("guide.md", "You guide {{ who }}.\n"),
        ("probes.jsonl", "{\"user\": \"Who is {{ who }}?\", \"expect\": [{\"recalls\": \"name\"}]}\n"),
        ("small-talk.yaml", "- {user: Hm, reply: Ah}\n"),
        ("shape.json", "{\"type\": \"object\"}"),
    ];
    let text = "
        personas:
          - {name: a, system_file: guide.md, expect: [{max_words: 9}]}
          - {name: b, system: 'Be kind to {{ who }}'}
        facts: {name: '{{ who }}', code: {canary: code}}
        history: [{role: user, content: 'I am {{ who }}'}, {role: assistant, content: Noted}]
        matrix: {who: [Ada, Bo]}
        cases: [{id: x, town: Rome}, {id: y, town: Oslo}]
        turns:
          - {user: 'A ticket to {{ town }}, {{ code }}', capture: {ticket: '([0-9]+)'}, expect: [{json_schema: shape.json}]}
          - filler: {count: 2, from: small-talk.yaml}
          - {user: 'Is {{ ticket }} it?', expect: [{contains: '{{ ticket }}'}]}
        probes: probes.jsonl
        each_reply: [{not: {contains: '{{ town }}!'}}]
        expect: [{eventually: {recalls: name}}]";
    let scenario = scenario_with(text, &files);
    let scripts = || {
        let all = (0..4).map(|at| scenario.script(at / 2, at % 2).unwrap_or_else(|wrong| panic!("{wrong:#?}")));
        all.map(|script| format!("{script:#?}")).collect::<Vec<_>>()
    };
    let open = || {
        let (open, script) = (open::Open::of(&scenario), scenario.script(0, 0).unwrap());
        let last = &script.turns[3];
        [open.has_user(last.position), open.has_check(last.checks[0].position)]
    };
    let tree = || scenario.tree().unwrap();
    let (held, before) = (tree(), (scripts(), open()));
    // More of them than are held.
    for number in 0..200 {
        scenario_with(&format!("vars: {{x: {number}}}\nturns:\n{}", "- {user: '{{ x }}'}\n".repeat(120)), &[]);
    }
    assert!(!std::ptr::eq(held.get("turns").unwrap(), tree().get("turns").unwrap()), "it is made anew");
    assert_eq!((scripts(), open()), before);
    assert_eq!(open(), [true, true], "what is captured is not known");
}

#[test]
fn cases_come_from_lists_and_lines_too_and_are_named_by_id_or_row() {
    let list = scenario("cases: [{id: 7, n: 1}, {n: 2}]\nturns: [{user: '{{ n }}'}]\n");
    assert_eq!(list.cases.names().collect::<Vec<_>>(), ["7", "2"]);
    let lines = "{\"id\": \"x\", \"items\": [\"a\", \"b\"]}\n\n{\"items\": [\"c\"]}";
    let text = "cases: c.jsonl\nturns: [{user: '{% for i in items %}{{ i|upper }};{% endfor %}'}]\n";
    let lines = scenario_with(text, &[("c.jsonl", lines)]);
    assert_eq!(lines.cases.names().collect::<Vec<_>>(), ["x", "2"]);
    assert_eq!(&*lines.script(0, 0).unwrap().turns[0].user, "A;B;");
}

#[test]
fn a_case_is_called_by_a_text_or_a_number() {
    for id in ["true", "[a]", "{a: 1}"] {
        let (_, found) = load(
            &source("a.yaml", &format!("cases: [{{id: {id}, who: Ada}}]\nturns: [{{user: '{{{{ who }}}}'}}]\n")),
            "a",
            &Memory::default(),
        );
        let said: Vec<&str> = found.iter().map(|found| found.message.as_str()).collect();
        assert!(matches!(said[..], [one] if one.starts_with("`id` must be a text or a number")), "{id}: {said:?}");
    }
    let rows: HashMap<_, _> = [("cases.jsonl", "{\"id\": 7}\n{\"id\": null}\n{\"id\": false}\n")].into();
    let (_, found) = load(&source("a.yaml", &format!("cases: cases.jsonl\n{TURN}")), "a", &Memory(rows));
    assert_eq!(
        found.iter().map(|found| found.message.as_str()).collect::<Vec<_>>(),
        ["the `id` of a case must be a text or a number"]
    );
    let named = scenario(&format!("cases: [{{id: a}}, {{id: 1.50}}, {{id: ''}}, {{id: }}, {{who: Ada}}]\n{TURN}"));
    assert_eq!(named.cases.names().collect::<Vec<_>>(), ["a", "1.50", "3", "4", "5"]);
}

#[test]
fn templates_choose_and_filter() {
    for (template, expected) in [
        ("{{ city|upper }}", "LISBON"),
        ("{{ n + 1 }} {{ n - 1 }}", "4 2"),
        ("{% if n > 2 %}many{% else %}few{% endif %}", "many"),
        ("{{ items|join(', ') }}", "a, b"),
        ("{{ city|replace('L', 'l') }}", "lisbon"),
        ("{{ items|length }}{# said to nobody #}", "2"),
        ("{{ items|sort(reverse=true)|join('') }} {{ home|tojson(indent=0) }}", "ba {\n\"city\": \"Pune\"\n}"),
        ("{{ home.village|default('none') }} {{ '7'|int(default=0) }}", "none 7"),
        ("{% for i in items|reverse %}{{ loop.index }}{{ i }}{% endfor %}", "1b2a"),
        ("{{ home.city }} {{ items[0] }} {{ 'a' in items }}", "Pune a true"),
        ("{{ city|default('x') }}", "Lisbon"),
        ("{{ version }} {{ yes }} {{ nothing }} {{ city.name is defined }}", "1.10 true null false"),
        ("a { b } }}", "a { b } }}"),
    ] {
        let vars =
            "vars: {city: Lisbon, n: 3, items: [a, b], home: {city: Pune}, version: 1.10, yes: true, nothing: ~}\n";
        let script = script(&format!("{vars}turns: [{{user: {}}}]\n", json!(template)));
        assert_eq!(&*script.turns[0].user, expected, "{template}");
    }
}

#[test]
fn what_templates_give_counts_as_the_number_or_the_flag_that_it_looks_like() {
    let text = "vars: {n: 2, yes: true}\neach_reply: {max_words: '{{ n }}', from: '{{ n }}'}\n\
                turns: [{filler: '{{ n }}'}, {user: A, expect: {asks: '{{ yes }}'}}]\n";
    let script = script(text);
    assert_eq!((script.turns.len(), script.each_reply[0].from), (3, 2));
    assert_eq!(script.turns[2].checks[0].kind, CheckKind::Asks(true));
}
