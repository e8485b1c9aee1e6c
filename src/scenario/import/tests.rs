//! Whatever is imported, the scenario says exactly that.

use std::ops::ControlFlow;

use proptest::prelude::*;

use super::*;
use crate::model::Script;

fn settings(format: Format, replies: Replies) -> Settings {
    Settings { format, replies, file: "chats".to_owned(), stem: "chats".to_owned(), limit: None }
}

fn made(settings: &Settings, input: &str) -> (Vec<Made>, Outcome) {
    let mut made = Vec::new();
    let outcome = import(settings, &mut input.as_bytes(), &NoFiles, &mut |file| {
        made.push(file);
        ControlFlow::Continue(())
    });
    (made, outcome)
}

fn script(made: &Made) -> Arc<Script> {
    let source = Arc::new(SourceFile { path: "s.yaml".to_owned(), text: made.text.clone() });
    let (scenario, wrong) = load(&source, "s", &NoFiles);
    assert!(wrong.is_empty(), "{wrong:?}\n{}", made.text);
    scenario.unwrap().script(0, 0).unwrap()
}

/// Texts that people write, and texts that look like YAML, templates or something for a terminal.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[ \\t\\n\\r]{0,3}",
        "\\PC{0,8}",
        prop::sample::select(vec![
            "{{",
            "}}",
            "{%",
            "%}",
            "{#",
            "#}",
            "{",
            "}",
            "{% raw %}",
            "{% endraw %}",
            "{%- endraw -%}",
            "endraw",
            "{{ name }}",
            ": ",
            " #",
            "- ",
            "'",
            "\"",
            "\\",
            "|",
            ">",
            "---\n",
            "...\n",
            "&a",
            "*a",
            "!tag",
            "%YAML",
            "null",
            "true",
            "1.10",
            "\u{1b}[31m",
            "\0",
            "\u{7f}",
            "\u{85}",
            "\u{2028}",
            "\u{feff}",
            "\u{202e}",
            "\u{fffe}",
            "\u{e000}",
            "👩\u{200d}💻",
            "\r\n",
            "\n\n",
            "\n ",
            " \n",
            "\t\n",
            "\n\t",
            "word",
            "Two words. ",
            "é",
            "日本",
        ])
        .prop_map(str::to_owned),
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn filled() -> impl Strategy<Value = String> {
    hostile().prop_map(|text| if text.trim().is_empty() { format!("{text}x") } else { text })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_scenario_says_what_its_conversation_said(
        system in filled(), texts in prop::collection::vec((filled(), filled()), 1..4), is_canned in any::<bool>()
    ) {
        let mut messages = vec![serde_json::json!({"role": "system", "content": system})];
        for (user, reply) in &texts {
            messages.push(serde_json::json!({"role": "user", "content": user}));
            messages.push(serde_json::json!({"role": "assistant", "content": reply}));
        }
        let line = serde_json::json!({"id": texts[0].1, "messages": messages}).to_string();
        let replies = if is_canned { Replies::Canned } else { Replies::Live };
        let (made, outcome) = made(&settings(Format::OpenaiChat, replies), &line);
        prop_assert!(outcome.diagnostics.is_empty(), "{:?}", outcome.diagnostics);
        let script = script(&made[0]);
        // Of every persona white space at the end is cut.
        prop_assert_eq!(&*script.personas[0].system, system.trim_end(), "{}", made[0].text);
        prop_assert_eq!(script.turns.len(), texts.len());
        for (at, (turn, (user, reply))) in script.turns.iter().zip(&texts).enumerate() {
            prop_assert_eq!(&*turn.user, user.as_str(), "{}", made[0].text);
            let canned = (is_canned && at + 1 < texts.len()).then_some(reply.as_str());
            prop_assert_eq!(turn.reply.as_deref(), canned, "{}", made[0].text);
        }
    }

    #[test]
    fn a_line_of_an_imported_file_shows_all_that_is_in_it(text in hostile()) {
        let line = serde_json::json!({"messages": [
            {"role": "user", "content": "Hi"}, {"role": "assistant", "content": text, "name": text}]});
        let (made, _) = made(&settings(Format::OpenaiChat, Replies::Live), &line.to_string());
        for file in &made {
            prop_assert_eq!(crate::text::escape::visible(&file.text), file.text.as_str());
            prop_assert!(script(file).turns[0].reply.is_none());
        }
    }
}

/// The persona, the history, the turns with what was replied, the places of what was left out.
type Arranged = (Option<String>, Vec<String>, Vec<(String, Option<String>)>, Vec<String>);

/// What `messages` become.
fn arranged(messages: &[(&str, &str)]) -> Arranged {
    let said = messages.iter().enumerate().map(|(at, (by, text))| messages::Said {
        by: match *by {
            "s" => messages::Speaker::System,
            "u" => messages::Speaker::User,
            _ => messages::Speaker::Assistant,
        },
        text: (*text).to_owned(),
        path: at.to_string(),
    });
    let mut draft = Draft::default();
    messages::arrange(said.collect(), Replies::Canned, &mut draft);
    let history = draft.history.into_iter().map(|(_, text)| text).collect();
    let turns = draft.turns.into_iter().map(|turn| (turn.user, turn.recorded)).collect();
    (draft.persona, history, turns, draft.left_out.into_iter().map(|left_out| left_out.path).collect())
}

#[test]
fn messages_out_of_turn_are_kept_or_named() {
    let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    let turn = |user: &str, reply: Option<&str>| (user.to_owned(), reply.map(str::to_owned));
    let system = |text: &str| Some(text.to_owned());
    for (messages, expected) in [
        (
            vec![("s", "A"), ("s", "B"), ("a", "Hi"), ("u", "1"), ("a", "2")],
            (system("A\n\nB"), owned(&["Hi"]), vec![turn("1", Some("2"))], owned(&["1"])),
        ),
        (
            vec![("u", "1"), ("u", "2"), ("a", "3"), ("a", "4"), ("s", "late")],
            (None, vec![], vec![turn("1", None), turn("2", Some("3\n\n4"))], owned(&["1", "3", "4"])),
        ),
        (
            vec![("u", " "), ("a", "to what?"), ("u", "1"), ("a", ""), ("a", "2")],
            (None, vec![], vec![turn("1", Some("2"))], owned(&["0", "1"])),
        ),
    ] {
        assert_eq!(arranged(&messages), expected, "{messages:?}");
    }
}

#[test]
fn a_text_of_several_lines_is_a_block_and_one_of_words_is_bare() {
    let yaml = |text: &str| yaml_text::document("", &[yaml_text::Part::Entry("k".into(), yaml_text::Yaml::text(text))]);
    for (text, expected) in [
        ("Hi there.", "k: Hi there.\n"),
        ("Hello!", "k: Hello!\n"),
        ("off", "k: \"off\"\n"),
        ("12", "k: \"12\"\n"),
        ("a: b", "k: \"a: b\"\n"),
        ("a\n\nb", "k: |-\n  a\n\n  b\n"),
        ("a\n  b\n", "k: |\n  a\n    b\n"),
        ("a\r\nb", "k: \"a\\r\\n\\\n  b\"\n"),
        ("a\n b\u{200d}", "k: \"a\\n\\\n  \\ b\\u200D\"\n"),
        ("{{ x }}", "k: \"{% raw %}{{ x }}{% endraw %}\"\n"),
        ("{% endraw %}", "k: \"{{ '{%' }} endraw %}\"\n"),
    ] {
        assert_eq!(yaml(text), expected, "{text:?}");
    }
}
