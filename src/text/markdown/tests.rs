//! Tests of the module beside this file, held against a reader of Markdown.

use proptest::prelude::*;
use pulldown_cmark::{Event, Options, Parser, Tag};

use super::super::escape::{no_command, visible};
use super::*;

const HOSTILE: [&str; 14] = [
    "@octocat and @github/everyone",
    "[a](https://evil.example) ![b](https://evil.example/b.png) <https://evil.example> https://evil.example",
    "<img src=x onerror=alert(1)><script>alert(1)</script></details></code>",
    "a|b||c\\|d\\\\|e|",
    "`` ` ``` `````",
    "`",
    "``a",
    "~~~\n```\n````\n# heading\n- item",
    "one\ntwo\r\n\r\nthree\rfour",
    "\u{1b}[31mred\u{202e}\u{200b}\u{feff}",
    "*a* _b_ ~c~ $`d`$ $$e$$ :smile: #12 &amp; \\",
    "\\",
    "  \n\t ",
    " ::error::a\n<!-- b ##[group]",
];

/// The code that a reader finds in a text, and whether it finds anything that is not code or plain text.
fn read(markdown: &str) -> (Vec<String>, bool) {
    let mut code = Vec::new();
    let mut is_active = false;
    let mut is_fenced = false;
    for event in Parser::new_ext(markdown, Options::all() - Options::ENABLE_SMART_PUNCTUATION) {
        match event {
            Event::Start(Tag::CodeBlock(_)) => {
                is_fenced = true;
                code.push(String::new());
            }
            Event::End(pulldown_cmark::TagEnd::CodeBlock) => is_fenced = false,
            Event::Text(text) if is_fenced => code.last_mut().unwrap().push_str(&text),
            Event::Code(text) => code.push(text.into_string()),
            Event::Start(Tag::Paragraph | Tag::Table(_) | Tag::TableHead | Tag::TableRow | Tag::TableCell)
            | Event::End(_)
            | Event::Text(_) => {}
            _ => is_active = true,
        }
    }
    (code, is_active)
}

fn on_one_line(text: &str) -> String {
    no_command(&visible(&text.split_whitespace().collect::<Vec<_>>().join(" "))).into_owned()
}

#[test]
fn a_span_is_one_line_and_as_short_as_asked() {
    for (text, most, span) in [
        ("plain", 80, "`plain`"),
        (" one\n two ", 80, "`one two`"),
        ("a`b", 80, "``a`b``"),
        ("`a", 80, "`` `a ``"),
        ("", 80, "(empty)"),
        (" \n", 80, "(empty)"),
        ("\"quoted\"", 80, "`\"quoted\"`"),
        ("abcdef", 4, "`abc…`"),
        ("a\u{202e}b", 80, "`a‹U+202E›b`"),
        ("a|b", 80, "`a|b`"),
    ] {
        assert_eq!(code(text, most), span, "{text:?}");
    }
    assert_eq!(code_in_cell("a|b\\|c", 80), "`a\\|b‹U+005C›\\|c`");
}

#[test]
fn hostile_texts_are_code_wherever_they_stand() {
    for text in HOSTILE {
        let plain = on_one_line(text);
        let expected = if plain.is_empty() { Vec::new() } else { vec![plain.clone()] };
        assert_eq!(read(&format!("x {} y", code(text, 1000))), (expected.clone(), false), "{text:?}");
        let row = format!("| a | b |\n|---|---|\n| {} | `last` |\n", code_in_cell(text, 1000));
        let (found, is_active) = read(&row);
        let expected: Vec<String> = expected.iter().map(|text| text.replace("\\|", "‹U+005C›|")).collect();
        assert_eq!((found, is_active), ([expected, vec!["last".into()]].concat(), false), "{row}");
        let visible = visible(text);
        let fenced = no_command(visible.trim_end_matches('\n'));
        assert_eq!(read(&fence("text", text)), (vec![format!("{fenced}\n")], false), "{text:?}");
    }
}

#[test]
fn a_page_takes_what_has_room_and_nothing_by_halves() {
    let mut page = Page::new(12);
    assert!(page.push("äöü\n") && page.push(""));
    assert!(!page.push("a block too long"));
    assert!(page.push("four") && page.room() == 2);
    assert!(!page.push("b"), "its line feed and the empty line have no room");
    assert_eq!(page.finish(), "äöü\n\nfour\n");

    let mut page = Page::new(10);
    let reserved = page.reserve(6);
    assert!(!page.push("four"));
    page.grant(reserved);
    assert!(page.push("four"));
}

#[test]
fn a_long_line_says_what_it_leaves_out() {
    assert_eq!(with_short_lines("äbc\nabcdef\n", 3), "äbc\nabc… (3 more characters)\n");
    assert!(matches!(with_short_lines("ab\ncd", 2), Cow::Borrowed(_)));
}

proptest! {
    #[test]
    fn no_text_leaves_its_span_or_fence(text in "[`|\\\\<>\\[\\]()!@ \na-c&*_~$#:-]{0,30}") {
        let is_active = read(&format!("x {} y", code(&text, 1000))).1;
        prop_assert!(!is_active);
        let (found, is_active) = read(&format!("| a | b |\n|---|---|\n| {} | `last` |\n", code_in_cell(&text, 1000)));
        prop_assert!(!is_active && found.last().is_some_and(|last| last == "last") && found.len() <= 2);
        let (found, is_active) = read(&fence("", &text));
        prop_assert!(!is_active && found.len() == 1, "{:?}", found);
    }
}
