//! Tests of the module beside this file.

use std::io::Read;

use flate2::read::DeflateDecoder;
use regex::Regex;
use serde_json::{Value, json};

use super::super::sample::{check, ended, journal, key, manifest, record, retention, story, summary, turn};
use super::*;
use crate::event::WireMessage;
use crate::model::{Outcome, Role, Verdict};

const CHART: &str = "<svg class=\"c-grid\"></svg>";

fn page_within(limits: Limits, records: &[Record]) -> String {
    let mut html = Html::within(limits, &manifest(7), Vec::new()).unwrap();
    for record in records {
        html.add(record.clone()).unwrap();
    }
    let charts = [Chart { id: "grid", title: "a < b & c".into(), summary: "<b>".into(), svg: CHART.into() }];
    let totals = summary(records).totals;
    let wall = Some(Duration::from_millis(12_400));
    let out = html.finish(Around { totals: &totals, wall, snapshots: &[], charts: &charts }).unwrap();
    String::from_utf8(out).unwrap()
}

fn page(records: &[Record]) -> String {
    page_within(LIMITS, records)
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(start).unwrap_or_else(|| panic!("no {start}"));
    rest.split_once(end).unwrap_or_else(|| panic!("no {end}")).0
}

/// The lines of the data, as the page's script reads them.
fn data(page: &str) -> Vec<Value> {
    let base64 = between(page, "id=\"data\">", "</script>");
    assert!(base64.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte)), "nothing but base64");
    let deflated = BASE64_STANDARD.decode(base64).unwrap();
    let mut text = String::new();
    DeflateDecoder::new(&*deflated).read_to_string(&mut text).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_policy_allows_the_style_and_the_script_that_are_there_and_nothing_else() {
    let page = page(&story());
    let scripts: Vec<&str> =
        page.split("<script>").skip(1).map(|rest| rest.split("</script>").next().unwrap()).collect();
    let [watch, script] = scripts[..] else { panic!("{} scripts", scripts.len()) };
    let texts = [between(&page, "<style>", "</style>"), watch, script];
    let [style, watch, script] = texts.map(|text| BASE64_STANDARD.encode(Sha256::digest(text)));
    assert_eq!(
        between(&page, "Content-Security-Policy\" content=\"", "\""),
        format!(
            "default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{watch}' 'sha256-{script}'; base-uri 'none'; \
             form-action 'none'"
        )
    );
    assert_eq!((page.matches("<style").count(), page.matches("<script").count()), (1, 3), "and the data");
}

#[test]
fn the_pages_own_parts_hold_nothing_that_the_policy_forbids_or_that_ends_them() {
    for (name, text) in [("page", PAGE), ("watch", WATCH), ("style", STYLE), ("script", SCRIPT)] {
        // A browser reads a carriage return as a line feed: the hash would be another.
        assert!(!text.contains('\r'), "{name}");
        for forbidden in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "@import",
            "url(",
            " style=",
            "<!--",
        ] {
            assert!(!text.contains(forbidden), "{name}: {forbidden}");
        }
    }
    assert!(!SCRIPT.contains("</") && !WATCH.contains("</") && !STYLE.contains("</"));
    assert_eq!(MARKS.map(|mark| PAGE.matches(mark).count()), [1; 6]);
    let addresses = Regex::new("(?i)https?:|src=|\\bimport\\b|fetch\\(").unwrap();
    for text in [PAGE, WATCH, STYLE, SCRIPT] {
        assert_eq!(addresses.find(text).map(|found| found.as_str()), None);
    }
}

#[test]
fn no_text_of_a_stranger_stands_outside_of_the_data_and_every_one_is_whole_in_it() {
    let hostile = "</script><!-- --> <img src=x onerror=alert(1)> \u{2028}\u{2029} ]]> \u{0} & \" ' \u{202e} {{data}}";
    let mut record = record(0, hostile);
    let names = key(&mut record);
    for name in [&mut names.case, &mut names.persona, &mut names.model, &mut names.window, &mut names.vars] {
        hostile.clone_into(name);
    }
    record.begin.system = Some(hostile.into());
    record.begin.history = vec![WireMessage { role: Role::User, content: hostile.into() }];
    turn(&mut record, hostile, hostile).error = Some(hostile.into());
    let asked = check(&mut record, hostile, hostile, Verdict::Fail);
    (asked.detail, asked.name, asked.known_failure) = (hostile.into(), Some(hostile.into()), Some(hostile.into()));
    ended(&mut record, End::Failed);
    let page = page(&[record]);
    let outside = page.replace(between(&page, "id=\"data\">", "</script>"), "").replace(SCRIPT, "").replace(STYLE, "");
    for text in ["alert(", "onerror", "\u{2028}", "\u{202e}", "{{"] {
        assert!(!outside.contains(text), "{text:?}");
    }
    let row = &data(&page)[1];
    let texts = |value: &Value| {
        let mut texts = 0;
        let mut rest = vec![value];
        while let Some(value) = rest.pop() {
            match value {
                Value::String(text) if text == hostile => texts += 1,
                Value::Array(values) => rest.extend(values),
                Value::Object(values) => rest.extend(values.values()),
                _ => {}
            }
        }
        texts
    };
    assert_eq!(texts(row), 6 + 2 + 3 + 5, "{row}");
}

#[test]
fn a_chart_is_on_the_page_with_its_words_escaped() {
    let page = page(&[]);
    let figure = between(&page, "<figure class=\"chart\" id=\"chart-grid\">", "</figure>");
    assert!(figure.contains(CHART) && figure.contains("<h3>a &lt; b &amp; c</h3>") && figure.contains(">&lt;b&gt;<"));
}

#[test]
fn what_the_conversation_before_said_too_is_not_said_again() {
    let played = |plan: u32, reply: &str| {
        let mut record = record(plan, "s");
        turn(&mut record, "My name is Priya.", reply);
        retention(&mut record, "recalls", Outcome::Retained, Verdict::Pass);
        record
    };
    let mut other = played(2, "C");
    other.begin.system = None;
    other.turns[0].user = "Hi".into();
    let rows = data(&page(&[played(0, "A"), played(1, "B"), other, played(3, "D")]));
    let said = |row: &Value| json!([row[4], row[6][0][1], row[6][0][2], row[7][0][0]]);
    let asserted = json!([1, "recalls", null, "name", 12, null]);
    let system = "You are a helpful assistant.";
    assert_eq!(said(&rows[1]), json!([system, "My name is Priya.", "A", asserted]));
    assert_eq!(said(&rows[2]), json!([0, 0, "B", 0]));
    assert_eq!(said(&rows[3]), json!([null, "Hi", "C", 0]));
    assert_eq!(said(&rows[4]), json!([system, "My name is Priya.", "D", 0]));
}

#[test]
fn what_the_page_knows_of_a_run() {
    let rows = data(&page(&story()));
    assert_eq!(rows.len(), 9);
    let compact: Vec<String> = rows.iter().map(Value::to_string).collect();
    insta::assert_snapshot!(compact.join("\n"));
}

#[test]
fn several_trials_come_with_what_they_came_to_together() {
    let trial = |plan: u32, number: u32, verdict: Verdict| {
        let mut record = record(plan, "s");
        (record.begin.key.trial, record.begin.trials, record.begin.pass_rate) = (number, 3, 0.5);
        turn(&mut record, "Hi", "Hello");
        check(&mut record, "asks", "true", verdict);
        ended(&mut record, if verdict == Verdict::Pass { End::Passed } else { End::Failed });
        record
    };
    let trials = [trial(0, 1, Verdict::Pass), trial(1, 2, Verdict::Fail), trial(2, 3, Verdict::Pass), record(3, "t")];
    let rows = data(&page(&trials));
    assert_eq!(rows[4], json!(["variant", "passed", [[0, "pass"]]]));
    assert_eq!(rows.len(), 7, "and none for a single one");
    assert_eq!(data(&page(&trials[..3]))[4], rows[4], "also at the end");
}

#[test]
fn a_run_too_long_for_a_page_leaves_out_what_passed_first_then_texts_then_conversations() {
    let long = |plan: u32, end: End, length: usize| {
        let mut record = record(plan, "s");
        turn(&mut record, "Hi", &"word ".repeat(length / 5)).user = format!("Hi {plan}");
        check(&mut record, "asks", "true", Verdict::Fail).detail = "it asks nothing".into();
        ended(&mut record, end);
        record
    };
    let limits = Limits { passed: 3_000, others: 6_000, all: 9_000 };
    let ends = [End::Passed, End::Passed, End::Passed, End::Passed, End::Failed, End::Passed, End::Failed, End::Failed];
    let mut records: Vec<Record> = (0..).zip(ends).map(|(plan, end)| long(plan, end, 1_000)).collect();
    records.extend((8..40).map(|plan| long(plan, End::Failed, 1_000)));
    let rows = data(&page_within(limits, &records));
    let is_whole: Vec<bool> = rows[1..rows.len() - 1].iter().map(|row| !row[6].is_null()).collect();
    assert_eq!(&is_whole[..9], [true, true, true, false, true, false, true, false, false], "{is_whole:?}");
    assert!(!is_whole[9..].contains(&true));
    // What is said again refers to what is there.
    assert_eq!((&rows[4][4], &rows[4][7][0]), (&json!(0), &json!([0, "fail", "", null])));
    assert_eq!(rows[5][6][0][1], "Hi 4");
    let left = &rows[rows.len() - 1]["left_out"];
    let shown = is_whole.len() as u64;
    assert_eq!(*left, json!({"transcripts": shown - 5, "conversations": 40 - shown}));
    assert!((10..40).contains(&shown), "{shown}");

    // One that is too long by itself takes nothing of the others' room.
    let rows = data(&page_within(limits, &[long(0, End::Failed, 9_000), long(1, End::Failed, 1_000)]));
    assert_eq!((rows[1][6].is_null(), &rows[2][6][0][1]), (true, &json!("Hi 1")));
    assert_eq!(rows[2][4], "You are a helpful assistant.");
}

#[test]
fn the_page_of_a_run_is_a_function_of_its_journal() {
    let (folder, reader) = journal(&story());
    let written = || {
        super::super::files::write_all(folder.path(), &reader).unwrap();
        std::fs::read_to_string(folder.path().join("report.html")).unwrap()
    };
    let first = written();
    assert!(first == written() && first.ends_with("</html>\n"));
    assert_eq!(data(&first).len(), 9);
}
