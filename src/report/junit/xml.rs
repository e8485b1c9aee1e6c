//! The elements of `junit.xml` as text. What they say is decided in [`super::suite`].
//!
//! Texts come here without what XML cannot have; they are escaped here.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use quick_xml::escape::escape;

use super::super::wording::push_fixed;

/// A text as it stands in an attribute: escaped once, however many elements have it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Escaped(Arc<str>);

impl Escaped {
    /// The text, escaped.
    pub(super) fn of(text: &str) -> Self {
        Self(escape(text).into())
    }

    /// The same with a number behind it.
    pub(super) fn numbered(&self, number: u32) -> Self {
        Self(format!("{} ({number})", self.0).into())
    }
}

/// How a case is wrong: it failed, or there was nothing to judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Failure,
    Error,
}

/// What is said of a case, or of one trial of it.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// A word for machines.
    pub(super) what: &'static str,
    /// One line.
    pub(super) message: Option<String>,
    /// As many as there are.
    pub(super) text: Option<String>,
}

/// A trial that is told beside its case.
#[derive(Debug)]
pub(super) struct Rerun {
    pub(super) kind: Kind,
    pub(super) told: Told,
}

/// What came of a case.
#[derive(Debug)]
pub(super) enum Status {
    /// It passed, though not in these trials.
    Success(Vec<Rerun>),
    /// It did not, nor in these other trials.
    Wrong(Kind, Told, Vec<Rerun>),
    Skipped(Told),
}

/// How many cases there are, and what came of them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) tests: u64,
    pub(super) skipped: u64,
    pub(super) errors: u64,
    pub(super) failures: u64,
}

impl Counts {
    pub(super) fn add(&mut self, other: Self) {
        self.tests += other.tests;
        self.skipped += other.skipped;
        self.errors += other.errors;
        self.failures += other.failures;
    }
}

/// A suite on its way to its text.
#[derive(Debug, Default)]
pub(super) struct Suite {
    name: String,
    file: Option<String>,
    time: Duration,
    counts: Counts,
    properties: String,
    cases: String,
}

impl Suite {
    /// A suite without cases, and how long it took.
    pub(super) fn new(name: &str, time: Duration) -> Self {
        Self { name: escape(name).into_owned(), time, ..Self::default() }
    }

    /// Says which file it comes from.
    pub(super) fn set_file(&mut self, file: &str) {
        self.file = Some(escape(file).into_owned());
    }

    /// Adds a property.
    pub(super) fn property(&mut self, name: &'static str, value: &str) {
        self.properties.push_str("            <property");
        attribute(&mut self.properties, "name", name);
        attribute(&mut self.properties, "value", value);
        self.properties.push_str("/>\n");
    }

    /// Adds a case.
    pub(super) fn case(&mut self, name: &Escaped, class: &Escaped, time: Duration, status: &Status) {
        let counts = &mut self.counts;
        counts.tests += 1;
        match status {
            Status::Success(_) => {}
            Status::Wrong(Kind::Failure, ..) => counts.failures += 1,
            Status::Wrong(Kind::Error, ..) => counts.errors += 1,
            Status::Skipped(_) => counts.skipped += 1,
        }
        let out = &mut self.cases;
        out.push_str("        <testcase");
        escaped_attribute(out, "name", &name.0);
        escaped_attribute(out, "classname", &class.0);
        seconds(out, time);
        match status {
            Status::Success(reruns) if reruns.is_empty() => {
                out.push_str("/>\n");
                return;
            }
            _ => out.push_str(">\n"),
        }
        let named = |kind: Kind, failure, error| if kind == Kind::Failure { failure } else { error };
        let (told, reruns) = match status {
            Status::Success(reruns) => (None, reruns.as_slice()),
            Status::Wrong(kind, told, reruns) => (Some((named(*kind, "failure", "error"), told)), reruns.as_slice()),
            Status::Skipped(told) => (Some(("skipped", told)), [].as_slice()),
        };
        let is_wrong = told.is_some();
        if let Some((tag, told)) = told {
            tell(out, tag, told);
        }
        for Rerun { kind, told } in reruns {
            let tag = if is_wrong {
                named(*kind, "rerunFailure", "rerunError")
            } else {
                named(*kind, "flakyFailure", "flakyError")
            };
            tell(out, tag, told);
        }
        out.push_str("        </testcase>\n");
    }

    /// Its lines, with the time at which the run began, and what came of its cases.
    pub(super) fn finish(self, started: &str) -> (String, Counts) {
        let Self { name, file, time, counts, properties, cases } = self;
        let Counts { tests, skipped, errors, failures } = counts;
        let mut out = String::with_capacity(properties.len() + cases.len() + 400);
        // Writing to a String cannot fail, here and below.
        let _ = write!(
            out,
            "    <testsuite name=\"{name}\" tests=\"{tests}\" skipped=\"{skipped}\" errors=\"{errors}\" failures=\"{failures}\""
        );
        seconds(&mut out, time);
        if let Some(file) = file {
            let _ = write!(out, " file=\"{file}\"");
        }
        attribute(&mut out, "timestamp", started);
        out.push_str(">\n");
        if !properties.is_empty() {
            out.push_str("        <properties>\n");
            out.push_str(&properties);
            out.push_str("        </properties>\n");
        }
        out.push_str(&cases);
        out.push_str("    </testsuite>\n");
        (out, counts)
    }
}

/// What stands in front of the suites, but for the end of the tag. No schema has a number of those that were skipped for all
/// suites together.
pub(super) fn front(name: &str, counts: Counts, wall: Option<Duration>) -> String {
    let Counts { tests, errors, failures, .. } = counts;
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites");
    attribute(&mut out, "name", name);
    let _ = write!(out, " tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\"");
    if let Some(wall) = wall {
        seconds(&mut out, wall);
    }
    out
}

/// What stands behind them.
pub(super) const BEHIND: &str = "</testsuites>\n";

fn tell(out: &mut String, tag: &str, told: &Told) {
    let _ = write!(out, "            <{tag}");
    if let Some(message) = &told.message {
        attribute(out, "message", message);
    }
    attribute(out, "type", told.what);
    match &told.text {
        Some(text) => {
            let _ = writeln!(out, ">{}</{tag}>", escape(text.as_str()));
        }
        None => out.push_str("/>\n"),
    }
}

fn attribute(out: &mut String, name: &str, value: &str) {
    escaped_attribute(out, name, &escape(value));
}

fn escaped_attribute(out: &mut String, name: &str, value: &str) {
    out.push(' ');
    out.push_str(name);
    out.push_str("=\"");
    out.push_str(value);
    out.push('"');
}

fn seconds(out: &mut String, time: Duration) {
    out.push_str(" time=\"");
    push_fixed(out, time.as_secs_f64(), 3);
    out.push('"');
}
