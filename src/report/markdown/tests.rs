//! Tests of the module beside this file.

use std::convert::Infallible;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::super::sample::{check, ended, journal, key, manifest, record, retention, story, summary, turn};
use super::*;
use crate::model::{End, Outcome, Verdict};

fn page_with(records: &[Record], snapshots: &[SnapshotNote]) -> String {
    let manifest = manifest(u32::try_from(records.len()).unwrap());
    let around = Around { manifest: &manifest, wall: Some(Duration::from_millis(12_400)), snapshots };
    let record_of = |plan: u32| Ok::<_, Infallible>(records.iter().find(|record| record.begin.plan == plan).cloned());
    render(&summary(records), around, record_of).unwrap()
}

fn page(records: &[Record]) -> String {
    page_with(records, &[])
}

fn failing(plan: u32, reply: &str) -> Record {
    let mut record = record(plan, &format!("s{plan:03}"));
    turn(&mut record, "Hi", reply);
    check(&mut record, "contains", "\"x\"", Verdict::Fail).detail = "`x` is not in the reply".into();
    ended(&mut record, End::Failed);
    record
}

fn note(path: &str, is_failure: bool) -> SnapshotNote {
    SnapshotNote {
        plan: None,
        path: path.into(),
        what: "differs: words: turn 2".into(),
        is_failure,
        is_pending: false,
        ..SnapshotNote::default()
    }
}

#[test]
fn a_run_is_told_as_on_the_terminal_the_answer_first() {
    insta::assert_snapshot!(page(&story()));
}

#[test]
fn the_first_line_says_how_it_came_out() {
    let passed = record(0, "s");
    let mut asked = record(1, "t");
    turn(&mut asked, "Hi", "x");
    check(&mut asked, "contains", "\"x\"", Verdict::Pass);
    let mut cut_short = record(2, "u");
    ended(&mut cut_short, End::Interrupted);
    let first = |page: String| page.lines().next().unwrap().to_owned();
    let failed = failing(3, "y");
    for (records, words) in [
        (vec![], "✓ chat-eval: no check was asked"),
        (vec![passed], "✓ chat-eval: no check was asked"),
        (vec![asked.clone()], "✓ chat-eval: every check passed"),
        (vec![asked.clone(), cut_short], "– chat-eval: 1 conversation was not played to its end"),
        (vec![failed], "✗ chat-eval: 1 check failed"),
    ] {
        assert_eq!(first(page(&records)), format!("### {words}"));
    }
    let notes = [note("a.snap", true), note("b.snap", false)];
    let page = page_with(&[asked], &notes);
    assert_eq!(first(page.clone()), "### ✗ chat-eval: 1 snapshot failed");
    assert!(page.contains("- ✗ `a.snap`: `differs: words: turn 2`\n- `b.snap`: "), "{page}");
    assert!(!page.contains("no part of this page"), "{page}");
}

/// What a reader of Markdown makes of a page beyond plain text, code and what we put there ourselves.
fn active(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut is_fenced = false;
    for event in Parser::new_ext(page, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_MATH) {
        match event {
            Event::Start(Tag::Link { .. } | Tag::Image { .. } | Tag::Strikethrough | Tag::Emphasis | Tag::Strong)
            | Event::InlineMath(_)
            | Event::DisplayMath(_) => found.push(format!("{event:?}")),
            Event::Start(Tag::CodeBlock(_)) => is_fenced = true,
            Event::End(TagEnd::CodeBlock) => is_fenced = false,
            Event::Text(text) if !is_fenced && text.contains(['@', '<', '`', '|']) => found.push(text.into_string()),
            Event::Html(html) | Event::InlineHtml(html) => found.push(html.into_string()),
            _ => {}
        }
    }
    let ours = ["<details><summary>", "</summary>", "</details>", "<summary>"];
    let is_ours = |html: &String| {
        let html = html.trim();
        ours.contains(&html) || html.starts_with("<details><summary>transcript of the conversation, ")
    };
    found.retain(|html| !is_ours(html));
    found
}

#[test]
fn nothing_that_a_model_or_a_file_says_is_more_than_text() {
    let hostile = "@octocat `` ``` ```` [a](https://evil.example) ![b](https://evil.example/c.png)\n````\n</details>\n\
                   <script>alert(1)</script> | a | b |\n~~~\n\n# heading\n::error::x\n$`x`$ \u{1b}[2J\u{202e}\u{200b}";
    let mut all = failing(0, hostile);
    all.turns[0].user = hostile.into();
    all.begin.system = Some(hostile.into());
    all.begin.file = hostile.into();
    all.checks[0].detail = hostile.into();
    all.checks[0].name = Some(hostile.into());
    let variant = key(&mut all);
    for name in
        [&mut variant.scenario, &mut variant.case, &mut variant.persona, &mut variant.model, &mut variant.window]
    {
        *name = hostile.into();
    }
    variant.vars = serde_json::json!({ hostile: hostile }).to_string();
    retention(&mut all, "forgets", Outcome::Retained, Verdict::Fail).detail = hostile.into();
    check(&mut all, "asks", hostile, Verdict::KnownFailure).known_failure = Some(hostile.into());
    let notes = [note(hostile, true)];
    let page = page_with(&[all.clone()], &notes);
    assert_eq!(active(&page), Vec::<String>::new(), "{page}");
    assert!(page.lines().all(|line| !line.trim_start().starts_with("::")), "{page}");
    assert!(!page.contains(['\u{1b}', '\u{202e}', '\u{200b}']), "{page}");
    // The row of the variant has as many cells as there are titles.
    let bars = |line: &str| line.replace("\\|", "").matches('|').count();
    let table: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).collect();
    assert!(table.len() == 3 && table.iter().all(|line| bars(line) == bars(table[0])), "{table:?}");
}

#[test]
fn a_page_is_never_longer_than_github_takes_and_says_what_is_not_on_it() {
    let long = "A word, `and` another 世界. ".repeat(2_000);
    let mut records: Vec<Record> = (0..300).map(|plan| failing(plan, &long)).collect();
    for record in &mut records {
        let scenario = format!("{}{}", "n".repeat(95), record.begin.plan);
        key(record).scenario = scenario;
        key(record).case = "c".repeat(300);
        record.checks[0].detail = long.clone();
        check(record, "asks", "true", Verdict::KnownFailure).known_failure = Some(long.clone());
    }
    let notes: Vec<SnapshotNote> = (0..500).map(|n| note(&format!("{n}/{}", "p".repeat(300)), n == 400)).collect();
    let page = page_with(&records, &notes);
    let length = page.chars().count();
    assert!((40_000..=PAGE).contains(&length), "{length} characters");
    for text in ["all are in `summary.csv`", "more failures in `checks.csv`", "more transcript", "more known to fail"] {
        assert!(page.contains(text), "`{text}` is not in:\n{page}");
    }
    assert!(page.contains("- ✗ `400/ppp"), "a snapshot that failed is never left out for others");
    assert!(page.trim_end().ends_with("chat-eval `0.1.0` · commit `a1b2c3d`"), "{page}");
    // Small failures are all there, as on the terminal, with their transcripts.
    let records: Vec<Record> = (0..30).map(|plan| failing(plan, "No.")).collect();
    let page = self::page(&records);
    assert_eq!((page.matches("\n#### ✗ ").count(), page.matches("<details>").count()), (20, 20));
    assert!(page.contains("\n… and 10 more failures in `checks.csv` of the run\n"), "{page}");
}

#[test]
fn a_conversation_with_several_failures_has_its_transcript_once() {
    let mut twice = failing(0, "No.");
    check(&mut twice, "asks", "true", Verdict::Fail).detail = "it asks nothing".into();
    let page = page(&[twice]);
    assert_eq!((page.matches("\n#### ✗ ").count(), page.matches("<details>").count()), (2, 1), "{page}");
}

#[test]
fn a_long_plan_shows_what_did_not_pass() {
    let mut records: Vec<Record> = (0..500).map(|plan| record(plan, &format!("p{plan}"))).collect();
    records[499] = failing(499, "No.");
    let page = page(&records);
    assert!(page.contains("| ✗ | `s499` |") && !page.contains("`p3`"), "{page}");
    assert!(page.contains("\nand 499 that passed: all are in `summary.csv`\n"), "{page}");
}

#[test]
fn a_matrix_has_its_grid_in_a_fence() {
    let cell = |(plan, window, gap): (u32, &str, u32)| {
        let mut record = record(plan, "grid");
        (key(&mut record).window, key(&mut record).vars) = (window.into(), format!("{{\"gap\":{gap}}}"));
        turn(&mut record, "What's my name?", "Priya");
        retention(&mut record, "retains_iff_visible", Outcome::Retained, Verdict::Pass);
        record
    };
    let records: Vec<Record> = [(0, "1", 0), (1, "2", 0), (2, "1", 1), (3, "2", 1)].map(cell).into();
    let page = page(&records);
    assert!(page.contains("```text\nretention · grid · default · gap × window"), "{page}");
    assert!(page.contains("\nmemory: ● retained\n"), "{page}");
    // Values of a matrix and cases are two columns, each only where there are any.
    assert!(page.contains("|  | scenario | vars | model |") && page.contains("| `grid` | `gap=1` |"), "{page}");
    let mut records = records;
    key(&mut records[0]).case = "first".into();
    let page = self::page(&records);
    assert!(page.contains("|  | scenario | case | vars | model |"), "{page}");
    assert!(page.contains("| `grid` | `first` | `gap=0` |") && page.contains("| `grid` | – | `gap=1` |"), "{page}");
}

#[test]
fn a_journal_that_cannot_be_read_is_an_error() {
    let (_folder, reader) = journal(&[failing(0, "No.")]);
    let around = Around { manifest: reader.manifest(), wall: None, snapshots: &[] };
    let gone = |_| Err("gone");
    assert_eq!(render(&summary(&[failing(0, "No.")]), around, gone), Err("gone"));
}
