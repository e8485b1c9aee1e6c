//! What is said of files that are wrong, and that no file whatever does harm.

use super::*;

#[test]
fn of_a_key_that_is_there_twice_the_first_counts() {
    let twice = "turns:\nturns:\n  - {user: A, capture: {t: '(.)'}}\n  - {user: 'B {{ t }}'}\n";
    assert_eq!(codes(twice), [Code::DuplicateKey, Code::MissingKey]);
}

#[test]
fn one_mistake_is_one_error() {
    for (text, expected) in [
        ("vars: {a: 1}\nturns: [{user: '{{ b }}'}]\n", vec![Code::UnknownVariable]),
        ("facts: {name: {valeu: Priya}}\nturns: [{user: A, expect: {recalls: name}}]\n", vec![Code::UnknownKey]),
        ("facts: {name: ''}\nturns: [{user: A, expect: {recalls: {fact: name, value: x}}}]\n", vec![Code::EmptyText]),
        ("window: {mesages: 2}\nturns: [{user: A}]\n", vec![Code::UnknownKey]),
        ("name: []\nturns: [{user: A}]\n", vec![Code::WrongType]),
        ("matrix: {n: [1, 2, 3]}\nturns: [{user: '{{ n }}', expect: {asks: 7}}]\n", vec![Code::WrongType]),
        ("matrix: {n: [-1, -2]}\nturns: [{filler: '{{ n }}'}, {user: A}]\n", vec![Code::OutOfRange]),
        ("turns: [{user: {{ city }}}]\n", vec![Code::WrongType]),
        ("vars: {home: {city: Pune}}\nturns: [{user: '{{ home.town }}'}]\n", vec![Code::TemplateError]),
    ] {
        assert_eq!(codes(text), expected, "{text}");
    }
}

#[test]
fn several_mistakes_are_several_errors_even_at_one_place() {
    assert_eq!(codes("history: [{}]\n"), [Code::MissingKey, Code::MissingKey, Code::MissingKey]);
}

/// A file in which everything is used, to be broken.
const WHOLE: &str = "name: whole
description: All of it
tags: [a, b]
personas:
  - {name: tutor, system: \"You live in {{ city }}.\", expect: [{max_words: 150}]}
  - name: other
model: builtin
windows: [1, {tokens: 400, pin_first: 1}, full]
params: {temperature: 0.5, extra: {top_k: 4}}
trials: 2
pass_rate: 0.5
vars: {city: &city Lisbon}
matrix: {gap: [0, 2]}
cases: [{id: x, q: \"é世😀\"}]
facts:
  name: {value: Priya, aliases: [P], outdated: [Maria]}
  town: *city
each_reply: {max_chars: 900, from: start}
history:
  - {role: user, content: Hi}
turns:
  - user: My name is {{ q }}.
    id: start
  - filler: \"{{ gap }}\"
  - user: >
      What's my name?
    expect:
      - forgets: {fact: name, admits: true}
      - not: {matches: \"a+\"}
";

fn whole_labels(text: &str) -> Result<(), TestCaseError> {
    let source = source("a.yaml", text);
    let (scenario, diagnostics) = load(&source, "a", &Memory::default());
    prop_assert_eq!(scenario.is_some(), diagnostics.is_empty(), "a scenario, or what is wrong with it");
    for diagnostic in &diagnostics {
        for label in &diagnostic.labels {
            prop_assert!(label.span.start <= label.span.end && label.span.end <= text.len(), "{diagnostic:?}");
            prop_assert!(text.is_char_boundary(label.span.start) && text.is_char_boundary(label.span.end));
        }
    }
    let _shown = crate::diagnostic::render(&diagnostics, false);
    let (again, same) = load(&source, "a", &Memory::default());
    prop_assert_eq!(diagnostics, same, "reading is deterministic");
    if let (Some(one), Some(other)) = (scenario, again) {
        prop_assert_eq!(one.script(0, 0).ok(), other.script(0, 0).ok());
    }
    Ok(())
}

#[test]
fn the_file_that_is_broken_below_is_right() {
    assert_eq!(codes(WHOLE), []);
}

fn fragments() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "turns",
        "user",
        "expect",
        "facts",
        "name",
        "filler",
        "window",
        "persona",
        "cases",
        "matrix",
        "vars",
        "each_reply",
        "from",
        "not",
        "contains",
        "recalls",
        ": ",
        ":\n",
        "- ",
        "\n",
        "\n  ",
        "\n    ",
        "{",
        "}",
        "[",
        "]",
        ", ",
        "\"",
        "'",
        "{{ ",
        " }}",
        "{% if ",
        "{% endif %}",
        "|",
        "&a ",
        "*a",
        "!t ",
        "? ",
        "# ",
        "---\n",
        "~",
        "0",
        "-1",
        "1e9",
        "true",
        "世",
        "\t",
        "\r\n",
        "\u{feff}",
        "<<: ",
        ">\n",
        "|-\n",
    ]);
    prop::collection::vec(words, 0..40).prop_map(|words| words.concat())
}

/// `WHOLE` with pieces of it cut, doubled or replaced.
fn mutations() -> impl Strategy<Value = String> {
    let change = (any::<prop::sample::Index>(), 0_usize..12, fragments(), any::<bool>());
    prop::collection::vec(change, 1..4).prop_map(|changes| {
        let mut text: Vec<char> = WHOLE.chars().collect();
        for (at, length, new, is_replaced) in changes {
            let start = at.index(text.len() + 1);
            let end = (start + length).min(text.len());
            let new: Vec<char> = if is_replaced { new.chars().take(12).collect() } else { text[start..end].repeat(2) };
            text.splice(start..end, new);
        }
        text.into_iter().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn no_text_does_harm(text in "\\PC{0,80}") {
        whole_labels(&text)?;
    }

    #[test]
    fn no_bytes_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        whole_labels(&String::from_utf8_lossy(&bytes))?;
    }

    #[test]
    fn no_pieces_of_yaml_do_harm(text in fragments()) {
        whole_labels(&text)?;
    }

    #[test]
    fn no_broken_file_does_harm(text in mutations()) {
        whole_labels(&text)?;
    }
}
