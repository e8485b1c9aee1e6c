//! Tests of the module beside this file.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use quick_xml::XmlVersion;
use quick_xml::events::Event;

use super::super::sample::{key, record, retention, summary, turn};
use super::pen::text_width;
use super::*;
use crate::event::Record;
use crate::model::{Outcome, Source, TurnId, Usage, Verdict};

/// An element with its attributes and its text.
struct Element {
    name: String,
    attributes: BTreeMap<String, String>,
    text: String,
}

/// The elements of a file, which is read by another's reader of XML.
fn elements(svg: &str) -> Vec<Element> {
    let mut reader = quick_xml::Reader::from_str(svg);
    let mut elements: Vec<Element> = Vec::new();
    let mut depth = 0;
    loop {
        let event = reader.read_event().unwrap_or_else(|error| panic!("{error}: {svg}"));
        depth += match &event {
            Event::Start(_) => 1,
            Event::End(_) => -1,
            _ => 0,
        };
        match event {
            Event::Start(tag) | Event::Empty(tag) => {
                let attribute = |attribute: quick_xml::events::attributes::Attribute<'_>| {
                    let value = attribute.normalized_value(XmlVersion::Explicit1_0).unwrap().into_owned();
                    (String::from_utf8(attribute.key.as_ref().to_vec()).unwrap(), value)
                };
                let attributes = tag.attributes().map(|found| attribute(found.unwrap())).collect();
                let name = String::from_utf8(tag.name().as_ref().to_vec()).unwrap();
                elements.push(Element { name, attributes, text: String::new() });
            }
            Event::Text(text) => elements.last_mut().unwrap().text += text.decode().unwrap().trim_end_matches('\n'),
            Event::GeneralRef(name) => {
                let name = format!("&{};", name.decode().unwrap());
                elements.last_mut().unwrap().text += &quick_xml::escape::unescape(&name).unwrap();
            }
            Event::Eof => break,
            Event::End(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(depth, 0);
    elements
}

impl Element {
    fn number(&self, name: &str) -> f64 {
        let number: f64 = self.attributes[name].parse().unwrap_or_else(|_| panic!("{name} of {:?}", self.attributes));
        assert!(number.is_finite());
        number
    }

    /// The points that it reaches to.
    fn reaches(&self) -> Vec<(f64, f64)> {
        let number = |name| self.number(name);
        match self.name.as_str() {
            "rect" if self.attributes["width"] == "100%" => Vec::new(),
            "rect" => {
                assert!(number("width") >= 0.0 && number("height") >= 0.0, "{:?}", self.attributes);
                vec![(number("x"), number("y")), (number("x") + number("width"), number("y") + number("height"))]
            }
            "line" => vec![(number("x1"), number("y1")), (number("x2"), number("y2"))],
            "circle" => {
                let (x, y, radius) = (number("cx"), number("cy"), number("r"));
                vec![(x - radius, y - radius), (x + radius, y + radius)]
            }
            "polyline" | "polygon" => {
                let points = self.attributes["points"].split(' ').map(|point| point.split_once(',').unwrap());
                points.map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap())).collect()
            }
            "path" => {
                let numbers = self.attributes["d"].split(' ').filter_map(|part| part.parse().ok());
                let numbers: Vec<f64> = numbers.collect();
                vec![(numbers[0], numbers[1]), (numbers[7], numbers[8])]
            }
            "text" => {
                let (x, y, width) = (number("x"), number("y"), text_width(&self.text, number("font-size")));
                if self.attributes.contains_key("transform") {
                    return vec![(x, y), (x, y - width)];
                }
                let start = match self.attributes.get("text-anchor").map(String::as_str) {
                    Some("end") => x - width,
                    Some("middle") => x - width / 2.0,
                    _ => x,
                };
                vec![(start, y), (start + width, y - number("font-size") * 0.7)]
            }
            _ => Vec::new(),
        }
    }
}

/// Everything is within the picture.
fn assert_fits(svg: &str) {
    let elements = elements(svg);
    let view: Vec<f64> = elements[0].attributes["viewBox"].split(' ').map(|part| part.parse().unwrap()).collect();
    let (left, top, right, bottom) = (view[0], view[1], view[0] + view[2], view[1] + view[3]);
    for element in &elements {
        for (x, y) in element.reaches() {
            let is_within = (left..=right).contains(&x) && (top..=bottom).contains(&y);
            assert!(is_within, "{x},{y} of {} {:?} {:?} in {view:?}", element.name, element.attributes, element.text);
        }
    }
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
}

fn texts(svg: &str) -> Vec<String> {
    elements(svg).into_iter().filter(|element| element.name == "text").map(|element| element.text).collect()
}

/// A matrix of outcomes, a turn for each that was live.
fn matrix(values: &[&str], windows: &[&str], outcomes: &[Outcome]) -> Vec<Record> {
    let mut records = Vec::new();
    for value in values {
        for window in windows {
            let mut record = record(u32::try_from(records.len()).unwrap(), "gaps");
            key(&mut record).window = (*window).into();
            key(&mut record).vars = serde_json::json!({ "gap": value }).to_string();
            let live = turn(&mut record, "What's my name?", "?");
            (live.source, live.latency_ms, live.ttft_ms) = (Source::Live, Some(812.0), Some(120.0));
            retention(&mut record, "recalls", outcomes[records.len() % outcomes.len()], Verdict::Pass);
            records.push(record);
        }
    }
    records
}

const ALL_OUTCOMES: [Outcome; 5] =
    [Outcome::Retained, Outcome::Missed, Outcome::Forgotten, Outcome::Leaked, Outcome::Stale];

#[test]
fn a_run_has_the_pictures_that_there_is_something_to_show_on() {
    let ids = |records: &[Record]| -> Vec<&str> { charts(&summary(records)).iter().map(|chart| chart.id).collect() };
    let live = matrix(&["0", "1"], &["2", "full"], &ALL_OUTCOMES);
    assert_eq!(ids(&live), ["retention", "tokens", "latency", "first-token"]);
    let change = |change: fn(&mut Record)| {
        let mut records = live.clone();
        records.iter_mut().for_each(change);
        ids(&records)
    };
    assert_eq!(change(|record| record.turns[0].source = Source::Cassette), ["retention", "tokens"]);
    assert_eq!(change(|record| record.turns[0].ttft_ms = None), ["retention", "tokens", "latency"]);
    assert_eq!(change(|record| record.turns[0].usage = None), ["retention", "latency", "first-token"]);
    assert_eq!(change(|record| record.checks.clear()), ["tokens", "latency", "first-token"]);
    assert_eq!(ids(&[]), [""; 0]);
}

#[test]
fn every_picture_says_in_a_sentence_what_is_to_be_seen() {
    let mut records = matrix(&["0", "4"], &["2", "full"], &[Outcome::Retained, Outcome::Forgotten, Outcome::Forgotten]);
    records[3].turns[0].latency_ms = Some(2400.0);
    let said: Vec<String> =
        charts(&summary(&records)).into_iter().map(|chart| format!("{}: {}", chart.title, chart.summary)).collect();
    insta::assert_snapshot!(said.join("\n"), @r"
    Retention · gaps · default · gap × window · builtin: 4 cells of gap by window, 2 retained, 2 forgotten; smallest window that keeps the fact at gap 0, 4: 2, full.
    Tokens sent per turn: Mean tokens of a request over one turn, against the full history; window 2: 37 % saved (2 conversations); window full: 37 % saved (2 conversations).
    Latency of live calls: builtin: 4 calls, median 810 ms, 95th percentile 2.2 s.
    Time to the first token of live calls: builtin: 4 calls, median 120 ms, 95th percentile 120 ms.
    ");
}

#[test]
fn a_cell_has_its_sign_its_words_and_a_share_where_outcomes_differ() {
    let mut records = matrix(&["0", "1"], &["1", "2", "4", "full"], &ALL_OUTCOMES);
    retention(&mut records[0], "recalls", Outcome::Leaked, Verdict::Fail);
    records[7].checks[0].retention.as_mut().unwrap().outcome = None;
    let [retention, ..] = &charts(&summary(&records))[..] else { panic!() };
    let titles: Vec<String> = elements(&retention.svg)
        .into_iter()
        .filter(|element| element.name == "title")
        .map(|title| title.text)
        .collect();
    assert_eq!(
        titles,
        [
            "gap 0, window 1: 1 retained, 1 leaked",
            "gap 0, window 2: missed",
            "gap 0, window 4: forgotten",
            "gap 0, window full: leaked",
            "gap 1, window 1: stale",
            "gap 1, window 2: retained",
            "gap 1, window 4: missed",
            "gap 1, window full: no outcome",
        ]
    );
    let texts = texts(&retention.svg);
    for text in ["1/2", "?", "retained", "leaked", "stale", "missed", "forgotten", "no outcome"] {
        assert!(texts.iter().any(|found| found == text), "{text}: {texts:?}");
    }
    // The frames around the smallest windows: one in the grid, one that explains it.
    let frames = elements(&retention.svg);
    assert_eq!(
        frames.iter().filter(|frame| frame.attributes.get("class").is_some_and(|c| c == "c-accent-line")).count(),
        2
    );
}

#[test]
fn inside_of_a_page_nothing_is_styled_or_run_and_every_class_has_its_rule() {
    let summary = summary(&matrix(&["0", "1"], &["2", "full"], &ALL_OUTCOMES));
    let style = style();
    for chart in charts(&summary) {
        for element in elements(&chart.svg) {
            assert!(!["style", "script", "image", "a", "foreignObject"].contains(&element.name.as_str()));
            for (name, value) in &element.attributes {
                assert!(!["style", "href", "id"].contains(&name.as_str()) && !name.starts_with("on"), "{name}={value}");
                let is_known = value == "c-chart" || style.contains(&format!(".{value} {{"));
                assert!(name != "class" || is_known, "{value}");
            }
        }
    }
    let variables: BTreeSet<&str> = style.split("var(").skip(1).filter_map(|rest| rest.split(',').next()).collect();
    for colours in [colours(false), colours(true)] {
        assert!(variables.iter().all(|name| colours.contains(&format!("{name}: #"))), "{colours}");
    }
}

#[test]
fn a_file_stands_for_itself() {
    let summary = summary(&matrix(&["0", "1"], &["2", "full"], &ALL_OUTCOMES));
    assert_eq!(files(&summary), files(&summary));
    let known: Vec<String> = file_names().collect();
    for ((name, svg), chart) in files(&summary).into_iter().zip(charts(&summary)) {
        assert_eq!(name, format!("{}.svg", chart.id));
        assert!(known.contains(&name) && svg.ends_with("</svg>\n"));
        let elements = elements(&svg);
        let text = |name: &str| &elements.iter().find(|element| element.name == name).unwrap().text;
        assert_eq!((text("title"), text("desc")), (&chart.title, &chart.summary));
        assert!(text("style").contains("prefers-color-scheme: dark"));
        assert_fits(&svg);
    }
}

#[test]
fn of_many_grids_the_first_are_drawn_and_of_a_large_one_what_has_room() {
    let values: Vec<String> = (0..130).map(|value| value.to_string()).collect();
    let windows: Vec<String> = (1..=50).map(|window| window.to_string()).collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let windows: Vec<&str> = windows.iter().map(String::as_str).collect();
    let large = charts(&summary(&matrix(&values, &windows, &ALL_OUTCOMES)));
    let texts = texts(&large[0].svg);
    assert!(
        texts.iter().any(|text| text == "And 70 more values, 26 more windows: retention.csv has them."),
        "{texts:?}"
    );
    assert_fits(&large[0].svg);

    let mut records = Vec::new();
    for scenario in 0..20 {
        records.extend(matrix(&["0", "1"], &["2", "full"], &ALL_OUTCOMES).into_iter().map(|mut record| {
            key(&mut record).scenario = format!("gaps-{scenario}");
            record
        }));
    }
    let charts = charts(&summary(&records));
    let ids: BTreeSet<&str> = charts.iter().map(|chart| chart.id).collect();
    assert_eq!((charts.len(), ids.len()), (GRIDS.len() + OTHERS.len(), charts.len()));
}

/// Texts that somebody might wish to be taken for something else.
fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        Just("</text></svg><script>alert(1)</script>".to_owned()),
        Just("\" onload=\"alert(1)".to_owned()),
        Just("]]>&amp;&#0;\u{0}\u{1b}[31m\u{202e}\u{fffe}".to_owned()),
        Just("世界".repeat(80)),
        Just("x".repeat(3000)),
    ]
}

fn extreme_number() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(1), Just(u64::MAX), 0_u64..5000, any::<u64>()]
}

fn extreme_time() -> impl Strategy<Value = f64> {
    prop_oneof![Just(0.0), Just(-1.0), Just(1e-300), Just(f64::MAX), 0.0..60_000.0, proptest::num::f64::NORMAL]
}

prop_compose! {
    fn any_turn()(number in prop_oneof![1_u32..4, 1_u32..2000, Just(u32::MAX)], sent in extreme_number(),
        full in extreme_number(), latency in extreme_time(), first in extreme_time()) -> (u32, u64, u64, f64, f64) {
        (number, sent, full, latency, first)
    }
}

prop_compose! {
    fn any_record()(
        names in [hostile(), hostile(), hostile(), hostile()],
        window in prop_oneof![Just("2".to_owned()), Just("full".to_owned()), hostile()],
        gap in prop_oneof![Just("0".to_owned()), Just("4".to_owned()), hostile()],
        turns in prop::collection::vec(any_turn(), 0..6),
        outcomes in prop::collection::vec(prop::option::of(0_usize..5), 0..4),
    ) -> Record {
        let mut record = record(0, "s");
        let own = key(&mut record);
        [own.persona, own.model, own.case] = [names[0].clone(), names[1].clone(), names[2].clone()];
        own.window = window;
        own.vars = serde_json::json!({ names[3].clone(): gap }).to_string();
        for (number, sent, full, latency, first) in turns {
            let turn = turn(&mut record, "Hi", "Hello");
            (turn.turn, turn.source) = (TurnId::Turn(number), Source::Live);
            turn.usage = Some(Usage { sent, reply: 1, estimated: false });
            turn.tokens_full_history = Some(full);
            (turn.latency_ms, turn.ttft_ms) = (Some(latency), Some(first));
        }
        for outcome in outcomes {
            let check = retention(&mut record, "recalls", Outcome::Retained, Verdict::Pass);
            check.retention.as_mut().unwrap().outcome = outcome.map(|outcome| ALL_OUTCOMES[outcome]);
        }
        record
    }
}

/// The measures and rows of records, without what else is told of them: sums of tokens beyond all bounds are no business here.
fn pictures_of(records: &[Record]) -> Vec<Picture> {
    let mut small = records.to_vec();
    for record in &mut small {
        record.turns.clear();
    }
    let mut summary = summary(&small);
    for record in records {
        summary.measures.add(record);
    }
    pictures(&summary)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_was_measured_and_however_it_is_called_a_picture_is_whole(
        records in prop::collection::vec(any_record(), 1..6), gaps in prop::collection::vec(hostile(), 1..4), name in hostile(),
    ) {
        // Some of one matrix, so that there are grids.
        let mut all = records.clone();
        for (record, gap) in records.iter().zip(gaps.iter().cycle()) {
            for window in ["2", "full", "tokens-4000-drop"] {
                let mut record = record.clone();
                let own = key(&mut record);
                own.window = window.into();
                own.model.clone_from(&name);
                (own.persona, own.case) = (name.clone(), name.clone());
                own.vars = serde_json::json!({ "gap": gap }).to_string();
                all.push(record);
            }
        }
        for picture in pictures_of(&all) {
            assert_fits(&picture.into_file());
        }
        for picture in pictures_of(&all) {
            assert_fits(&picture.into_chart().svg);
        }
    }
}
