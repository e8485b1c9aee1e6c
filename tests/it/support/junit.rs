//! Holds a `junit.xml` to the schema that Jenkins' xUnit plugin validates against (`junit-10.xsd`), as a table of what each
//! element may have, and its counts to what they count.

use std::collections::BTreeMap;

use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};

/// An element, which attributes it must and may have, which elements it may hold, and whether it holds text.
struct Rule {
    name: &'static str,
    must: &'static [&'static str],
    may: &'static [&'static str],
    holds: &'static [&'static str],
    has_text: bool,
}

const RESULTS: &[&str] = &[
    "skipped",
    "error",
    "failure",
    "rerunFailure",
    "rerunError",
    "flakyFailure",
    "flakyError",
    "system-out",
    "system-err",
];
const RERUN: &[&str] = &["stackTrace", "system-out", "system-err"];

const fn rule(
    name: &'static str,
    must: &'static [&'static str],
    may: &'static [&'static str],
    holds: &'static [&'static str],
) -> Rule {
    Rule { name, must, may, holds, has_text: false }
}

const fn text(name: &'static str, must: &'static [&'static str], may: &'static [&'static str]) -> Rule {
    Rule { name, must, may, holds: &[], has_text: true }
}

const fn rerun(name: &'static str) -> Rule {
    Rule { name, must: &["type"], may: &["message"], holds: RERUN, has_text: true }
}

const SCHEMA: &[Rule] = &[
    rule("testsuites", &[], &["name", "time", "tests", "failures", "errors"], &["testsuite"]),
    rule(
        "testsuite",
        &["name", "tests", "failures", "errors"],
        &["group", "time", "skipped", "timestamp", "hostname", "id", "package", "file", "log", "url"],
        &["testsuite", "properties", "testcase", "system-out", "system-err"],
    ),
    rule("properties", &[], &[], &["property"]),
    rule("property", &["name", "value"], &[], &[]),
    rule("testcase", &["name"], &["time", "classname", "group"], RESULTS),
    text("skipped", &[], &["type", "message"]),
    text("error", &[], &["type", "message"]),
    text("failure", &[], &["type", "message"]),
    rerun("rerunFailure"),
    rerun("rerunError"),
    rerun("flakyFailure"),
    rerun("flakyError"),
    text("stackTrace", &[], &[]),
    text("system-out", &[], &[]),
    text("system-err", &[], &[]),
];

/// An element of the file.
#[derive(Debug, Default, Clone)]
pub struct Element {
    /// Its name.
    pub name: String,
    /// Its attributes.
    pub attributes: BTreeMap<String, String>,
    /// The elements in it.
    pub holds: Vec<Element>,
    /// Its text.
    pub text: String,
}

impl Element {
    /// An attribute, which it must have.
    #[track_caller]
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).unwrap_or_else(|| panic!("no `{name}`: {self:#?}"))
    }

    /// The elements of this name at any depth.
    pub fn all(&self, name: &str) -> Vec<&Element> {
        let below = self.holds.iter().flat_map(|element| element.all(name));
        (self.name == name).then_some(self).into_iter().chain(below).collect()
    }

    /// The only test case whose name ends so.
    #[track_caller]
    pub fn case(&self, name: &str) -> &Element {
        let cases: Vec<&Element> =
            self.all("testcase").into_iter().filter(|case| case.attribute("name").ends_with(name)).collect();
        assert_eq!(cases.len(), 1, "`{name}`: {self:#?}");
        cases[0]
    }

    fn number(&self, name: &str) -> usize {
        self.attribute(name).parse().expect("a number")
    }
}

/// Reads a file that keeps to the schema, and whose counts are right.
#[track_caller]
pub fn valid(text: &str) -> Element {
    let root = parse(text);
    assert_eq!(root.name, "testsuites");
    keeps_to_schema(&root);
    counts(&root);
    for suite in &root.holds {
        counts(suite);
        let holds = suite.holds.iter().map(|element| element.name.as_str());
        assert!(holds.is_sorted_by_key(|name| name != "properties"), "properties come first: {suite:#?}");
    }
    let mut names: Vec<(&str, &str)> =
        root.all("testcase").iter().map(|case| (case.attribute("classname"), case.attribute("name"))).collect();
    let cases = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), cases, "class and name together are of one case");
    root
}

fn parse(text: &str) -> Element {
    let mut reader = Reader::from_str(text);
    let mut open = vec![Element::default()];
    let put = |open: &mut Vec<Element>, element: Element| open.last_mut().expect("a parent").holds.push(element);
    loop {
        match reader.read_event().unwrap_or_else(|error| panic!("{error}:\n{text}")) {
            Event::Start(start) => open.push(element(&start)),
            Event::Empty(start) => put(&mut open, element(&start)),
            Event::End(_) => {
                let done = open.pop().expect("an element");
                put(&mut open, done);
            }
            Event::Text(text) => open.last_mut().expect("an element").text.push_str(&text.decode().expect("UTF-8")),
            Event::GeneralRef(reference) => {
                let name = reference.decode().expect("UTF-8").into_owned();
                let resolved = quick_xml::escape::unescape(&format!("&{name};")).expect("a reference").into_owned();
                open.last_mut().expect("an element").text.push_str(&resolved);
            }
            Event::Decl(_) => {}
            Event::Eof => break,
            other => panic!("{other:?} in:\n{text}"),
        }
    }
    assert_eq!(open.len(), 1, "everything is closed");
    let [root] = &open[0].holds[..] else { panic!("one root: {open:?}") };
    root.clone()
}

fn element(start: &BytesStart<'_>) -> Element {
    let attribute = |attribute: quick_xml::events::attributes::Attribute<'_>| {
        let name = String::from_utf8(attribute.key.as_ref().to_vec()).expect("UTF-8");
        (name, attribute.normalized_value(XmlVersion::Implicit1_0).expect("a value").into_owned())
    };
    Element {
        name: String::from_utf8(start.name().as_ref().to_vec()).expect("UTF-8"),
        attributes: start.attributes().map(|found| attribute(found.expect("an attribute"))).collect(),
        ..Element::default()
    }
}

fn keeps_to_schema(element: &Element) {
    let rule = SCHEMA.iter().find(|rule| rule.name == element.name);
    let rule = rule.unwrap_or_else(|| panic!("no element of the schema: {element:#?}"));
    for name in rule.must {
        assert!(element.attributes.contains_key(*name), "`{name}` is missing: {element:#?}");
    }
    for name in element.attributes.keys() {
        assert!(rule.must.iter().chain(rule.may).any(|known| known == name), "`{name}`: {element:#?}");
    }
    let is_time = |time: &String| {
        time.split_once('.').is_some_and(|(whole, part)| {
            let is_number = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
            is_number(whole) && is_number(part) && part.len() == 3
        })
    };
    assert!(element.attributes.get("time").is_none_or(is_time), "seconds: {element:#?}");
    assert!(rule.has_text || element.text.trim().is_empty(), "text: {element:#?}");
    for child in &element.holds {
        assert!(rule.holds.contains(&child.name.as_str()), "`{}` in {element:#?}", child.name);
        keeps_to_schema(child);
    }
}

/// Whether the counts of a suite, or of all suites, are those of the cases in it.
fn counts(element: &Element) {
    let cases = element.all("testcase");
    let with = |name: &str| cases.iter().filter(|case| case.holds.iter().any(|result| result.name == name)).count();
    assert_eq!(element.number("tests"), cases.len());
    assert_eq!(element.number("failures"), with("failure"));
    assert_eq!(element.number("errors"), with("error"));
    if element.name == "testsuite" {
        assert_eq!(element.number("skipped"), with("skipped"));
    }
    for case in cases {
        let results =
            case.holds.iter().filter(|result| ["failure", "error", "skipped"].contains(&result.name.as_str()));
        assert!(results.count() <= 1, "{case:#?}");
    }
}
