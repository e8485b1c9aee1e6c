//! Tests of the module beside this file.

use proptest::prelude::*;

use super::*;

fn named(source: &str) -> Metadata {
    Metadata {
        source: Some(source.to_owned()),
        description: Some("s / p / m / window 2".to_owned()),
        ..Metadata::default()
    }
}

/// What insta makes of a file's text.
fn read_by_insta(text: &str) -> insta::Snapshot {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s@p.m.2.snap");
    std::fs::write(&path, text).unwrap();
    insta::Snapshot::from_file(&path).unwrap_or_else(|error| panic!("{error} in {text:?}"))
}

/// What insta writes where it accepts a file with this text.
fn accepted_by_insta(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("accepted.snap");
    read_by_insta(text).save(&path).unwrap();
    std::fs::read_to_string(&path).unwrap()
}

fn agrees_with_insta(snapshot: &Snapshot) {
    let file = snapshot.to_string();
    let theirs = read_by_insta(&file);
    assert_eq!(theirs.as_text().unwrap().to_string(), snapshot.contents());
    assert_eq!(theirs.metadata().source(), snapshot.metadata.source.as_deref());
    assert_eq!(theirs.metadata().assertion_line(), snapshot.metadata.assertion_line);
    assert_eq!(theirs.metadata().expression(), snapshot.metadata.expression.as_deref());
    assert_eq!(theirs.metadata().input_file(), snapshot.metadata.input_file.as_deref());
    assert_eq!(theirs.metadata().description().unwrap_or(""), snapshot.metadata.description.as_deref().unwrap_or(""));
    assert_eq!(accepted_by_insta(&file), snapshot.clone().accepted().to_string());
    assert_eq!(Snapshot::parse(&file).as_ref(), Ok(snapshot));
}

#[test]
fn a_file_has_the_keys_in_their_order_and_one_line_feed_at_its_end() {
    let metadata = Metadata { assertion_line: Some(14), ..named("scenarios/whats-my-name.yaml") };
    let snapshot = Snapshot::new(metadata, "# s\n\nuser\n  Hi  \n\n");
    let expected = "---\nsource: scenarios/whats-my-name.yaml\nassertion_line: 14\ndescription: s / p / m / window 2\n---\n# s\n\nuser\n  Hi\n";
    assert_eq!(snapshot.to_string(), expected);
    assert_eq!(snapshot.clone().accepted().to_string(), expected.replace("assertion_line: 14\n", ""));
    agrees_with_insta(&snapshot);
}

#[test]
fn insta_reads_what_we_write_whatever_the_contents() {
    let long = "é".repeat(500_000) + "\n" + &"x\n".repeat(1000);
    for contents in [
        "",
        "---",
        "---\n---\n",
        "  ---\nsource: no\n---",
        "a \t\nb  \n\n c",
        "one\r\ntwo\r\n",
        "\r\r\n\r\nx",
        "\ttab",
        "'\"\\`{}[]",
        "\n\nleading",
        "naïve ☃ 🦀 \u{a0}",
        "\u{feff}bom",
        "\u{2028}\u{85}",
        "lone\rreturn",
        long.as_str(),
    ] {
        agrees_with_insta(&Snapshot::new(named("s.yaml"), contents));
    }
}

#[test]
fn insta_reads_what_we_write_whatever_the_metadata() {
    for text in [
        "",
        " ",
        " a",
        "a ",
        "-",
        "- a",
        "a-b",
        "a: b",
        "a:b",
        "#a",
        "a #b",
        "yes",
        "Null",
        "~",
        "1",
        "1.5",
        "+5",
        "-3",
        "0x1F",
        "1e5",
        "inf",
        "NaN",
        ".hidden",
        "...",
        "---",
        "@a",
        "%a",
        "!a",
        "'a'",
        "\"a\"",
        "a\\b",
        "a\nb",
        "a\tb",
        "a\rb",
        "\u{1}",
        "\u{1f}",
        "\\u0041",
        "{a}",
        "[a]",
        "a, b",
        "`a`",
        "x\"y",
        "ü",
        "🦀",
        "a=b",
        "=a",
        "2014-12-31",
        "true",
        "true story",
        "C:\\scenarios\\a.yaml",
        "y",
    ] {
        let metadata = Metadata {
            source: Some(text.to_owned()),
            assertion_line: Some(7),
            description: Some(text.to_owned()),
            expression: Some(text.to_owned()),
            input_file: Some(text.to_owned()),
            info: None,
        };
        agrees_with_insta(&Snapshot::new(metadata, "body"));
    }
    agrees_with_insta(&Snapshot::new(Metadata::default(), "body"));
}

#[test]
fn files_of_other_hands_are_accepted_as_insta_accepts_them() {
    for file in [
        "---\r\nsource: a.yaml\r\ndescription: d\r\n---\r\none\r\ntwo\r\n",
        "---\nsource: 'it''s'\nunknown: 3\n---\nx",
        "---   \nsource: a # why\n\n# comment\nassertion_line: 3\nsnapshot_kind: text\n--- \nx\n\n\n",
        "---\nsource: 12\ndescription: 0o17\nexpression: 0x1F\n---\nx\n",
        "---\nassertion_line: \"3\"\nsource: \"a\\u00e9\\x41\\t\\\"\\'\\N\"\n---\nx\n",
        "---\nsource: a.rs\ninfo:\n  a: 1\n  b:\n    - x\n    - \"y: z\"\n---\nx\n",
        "---\nsource: a.rs\ninfo: plain\ninput_file: b\n---\nx\n",
        "---\ninfo: ~\nsource: a\n---\nx\n",
        "---\ndescription: |-\n  two\n  lines\nsource: a\n---\nx\n",
        "---\ndescription: |\n  two\n\n  lines\n---\nx\n",
        "---\ndescription: |+\n  two\n\n\nsource: a\n---\nx\n",
        "---\nsource: a\n---\na\r\r\nb\rc\r\n",
        "---\nsource: a\n",
        "---\nsource: a\n---",
        "---\nsource: a\n---\nlast line ends in a carriage return\r",
        "Created: 2019\nCreator: insta\nSource: old.rs\nExpression: \"a: b\"\n\nbody\n",
        "Created: 2019\r\nSource: old.rs\r\n\r\nbody\r\n",
        "no header at all",
        "",
    ] {
        let ours = Snapshot::parse(file).unwrap_or_else(|error| panic!("{error} in {file:?}"));
        assert_eq!(ours.accepted().to_string(), accepted_by_insta(file), "{file:?}");
    }
}

#[test]
fn metadata_that_are_none_are_refused_with_their_line() {
    for (file, line, reason) in [
        ("---\nsource: a\nwhat is this\n---\nx", 3, "no `key: value`"),
        ("---\nsource: \"a\n---\nx", 2, "has no end"),
        ("---\nsource: 'a\n---\nx", 2, "has no end"),
        ("---\nsource: \"\\q\"\n---\nx", 2, "escape"),
        ("---\nsource: \"\\u12\"\n---\nx", 2, "escape"),
        ("---\nsource: \"a\" b\n---\nx", 2, "behind a quoted text"),
        ("---\nsource: a\n  b\n---\nx", 2, "next line"),
        ("---\n<<<<<<< HEAD\nsource: a\n---\nx", 2, "no `key: value`"),
        ("---\nsource: a\nextension: png\nsnapshot_kind: binary\n---\n", 4, "binary"),
    ] {
        let error = Snapshot::parse(file).unwrap_err();
        assert_eq!(error.line, line, "{file:?}");
        assert!(error.reason.contains(reason), "{error} for {file:?}");
    }
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[ -~\r\n\t]{0,40}", "[-:#&*!|>'\"%@`{},\\[\\]? 0-9a-z.]{0,12}"]
}

proptest! {
    #[test]
    fn any_contents_come_back_as_they_were(contents in any_text()) {
        let snapshot = Snapshot::new(named("s.yaml"), &contents);
        prop_assert_eq!(Snapshot::parse(&snapshot.to_string()), Ok(snapshot));
    }

    #[test]
    fn insta_agrees_on_any_contents_and_any_printable_metadata(
        contents in any_text(),
        source in "[ -~àß☃]{0,16}".prop_filter("insta itself reads these back as numbers", |text| !text.starts_with("0o")),
        description in "[-:#&*!|>'\"%@`{},\\[\\]? 0-9a-z.~=\n\t]{0,10}"
            .prop_filter("insta itself reads these back as numbers", |text| !text.starts_with("0o")),
    ) {
        let metadata = Metadata { source: Some(source), description: Some(description), ..Metadata::default() };
        agrees_with_insta(&Snapshot::new(metadata, &contents));
    }

    #[test]
    fn no_file_makes_the_reader_panic(file in any_text(), header in any_text()) {
        let _ = Snapshot::parse(&file);
        let _ = Snapshot::parse(&format!("---\n{header}\n---\n{file}"));
    }
}
