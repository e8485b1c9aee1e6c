//! Shows diagnostics: heading, place, the marked line, what to do about it.
//!
//! A file may come from a stranger: whatever of it is shown is made visible first and cut to a width that can be read.
//! What is drawn depends on the diagnostics alone; how many there are is said by the caller.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::renderer::{DEFAULT_LINE_NUM_STYLE, Renderer};
use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Snippet};

use super::{Diagnostic, Label, Severity, SourceFile};
use crate::text::{escape::visible, layout::floor_boundary};

/// The longest piece of a source line that is shown, in characters.
const LONGEST_LINE: usize = 76;
/// How much is shown of what is said, in characters: a value that is quoted in it may be as long as its file.
const LONGEST_MESSAGE: usize = 1000;
/// How much of a cut line is shown before its mark, in characters.
const BEFORE_MARK: usize = 24;
/// How far from a marked line other lines are still shown, where they stand between two marked ones.
const NEAR: usize = 2;

/// The diagnostics, ordered by path and place (those without a source first), a blank line between two of them. Every
/// line, the last one too, ends in a line feed; no diagnostics are an empty text.
#[must_use]
pub fn render(diagnostics: &[Diagnostic], color: bool) -> String {
    let mut ordered: Vec<&Diagnostic> = diagnostics.iter().collect();
    ordered.sort_by_key(|diagnostic| {
        let path = diagnostic.source.as_ref().map(|source| source.path.as_str());
        (path, diagnostic.labels.first().map(|label| label.span.start))
    });
    let mut lines = LineCache::default();
    let shown: Vec<String> = ordered.into_iter().map(|diagnostic| render_one(diagnostic, &mut lines, color)).collect();
    shown.join("\n")
}

fn render_one(diagnostic: &Diagnostic, lines: &mut LineCache, color: bool) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(one_line(&diagnostic.message)).id(diagnostic.code.as_str()));
    let mut place = String::new();
    if let Some(source) = &diagnostic.source {
        let lines = lines.of(source);
        place = arrow(source, &diagnostic.labels, lines, color);
        if !diagnostic.labels.is_empty() {
            group = group.element(excerpt(&source.text, &diagnostic.labels, lines));
        }
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(one_line(help)));
    }
    let text = renderer(color).render(&[group]);
    // The heading is one line: the message was made so.
    let (heading, body) = text.split_once('\n').unwrap_or((&text, ""));
    let mut shown = String::new();
    for part in [heading, &place, body].into_iter().filter(|part| !part.is_empty()) {
        shown.push_str(part);
        shown.push('\n');
    }
    shown
}

const fn renderer(color: bool) -> Renderer {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    // Lines are cut here, around their marks: the renderer cuts a line only beside its mark, however long that is.
    renderer.term_width(usize::MAX / 4)
}

/// The line that names the place of the first label. The renderer's own would count columns in what is shown of the
/// line, which may be cut, and escaped.
fn arrow(source: &SourceFile, labels: &[Label], lines: &Lines, color: bool) -> String {
    let arrow = if color { format!("{DEFAULT_LINE_NUM_STYLE}-->{DEFAULT_LINE_NUM_STYLE:#}") } else { "-->".to_owned() };
    let path = one_line(&source.path);
    let Some(first) = labels.first() else { return format!(" {arrow} {path}") };
    let (line, marked) = mark(&source.text, &first.span, lines);
    let before = &source.text[lines.range(&source.text, line).start..marked.start];
    let last = labels.iter().map(|label| mark(&source.text, &label.span, lines).0).max().unwrap_or(line);
    // The arrow stands where the line numbers end.
    let indent = " ".repeat((last + 1).to_string().len());
    format!("{indent}{arrow} {path}:{}:{}", line + 1, before.chars().count() + 1)
}

/// The marked lines, with the marks where they are in what is shown of each.
fn excerpt<'a>(text: &str, labels: &'a [Label], lines: &Lines) -> Snippet<'a, Annotation<'a>> {
    let marks: Vec<(usize, Range<usize>)> = labels.iter().map(|label| mark(text, &label.span, lines)).collect();
    let numbers = || marks.iter().map(|(line, _)| *line);
    let (first, last) = (numbers().min().unwrap_or(0), numbers().max().unwrap_or(0));
    let mut shown = String::new();
    let mut annotations = Vec::with_capacity(labels.len());
    for line in first..=last {
        if line > first {
            shown.push('\n');
        }
        if !numbers().any(|marked| marked.abs_diff(line) <= NEAR) {
            // The renderer leaves such a line out; it stands for its number only.
            continue;
        }
        let range = lines.range(text, line);
        let on_line: Vec<usize> = (0..labels.len()).filter(|&index| marks[index].0 == line).collect();
        let start = on_line.iter().map(|&index| marks[index].1.start).min().unwrap_or(range.start);
        let piece = Piece::around(text, range, start);
        for index in on_line {
            let (start, end) = (piece.place(text, marks[index].1.start), piece.place(text, marks[index].1.end));
            let kind = if index == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
            let annotation = kind.span(shown.len() + start..shown.len() + end.max(start));
            let label = &labels[index].text;
            annotations.push(if label.is_empty() { annotation } else { annotation.label(one_line(label)) });
        }
        shown.push_str(&piece.shown(text));
    }
    Snippet::source(shown).line_start(first + 1).annotations(annotations)
}

/// The line, from 0, that a span begins in, and the bytes of it that lie in that line: a span over several lines is
/// marked in its first.
fn mark(text: &str, span: &Range<usize>, lines: &Lines) -> (usize, Range<usize>) {
    // A wrong span must not hide the error that it belongs to.
    let start = floor_boundary(text, span.start);
    let line = lines.at(start);
    let range = lines.range(text, line);
    let start = start.clamp(range.start, range.end);
    (line, start..floor_boundary(text, span.end).clamp(start, range.end))
}

/// What is shown of one line.
struct Piece {
    /// The bytes of the text that are shown.
    range: Range<usize>,
    /// Whether something before it is left out.
    is_cut_before: bool,
    /// Whether something behind it is left out.
    is_cut_behind: bool,
}

impl Piece {
    /// The whole line where it is short, else the piece of it around `mark`.
    fn around(text: &str, line: Range<usize>, mark: usize) -> Self {
        if text[line.clone()].chars().nth(LONGEST_LINE).is_none() {
            return Self { range: line, is_cut_before: false, is_cut_behind: false };
        }
        let before = text[line.start..mark].char_indices().rev().nth(BEFORE_MARK - 1);
        let start = before.map_or(line.start, |(at, _)| line.start + at);
        let behind = text[start..line.end].char_indices().nth(LONGEST_LINE);
        let end = behind.map_or(line.end, |(at, _)| start + at);
        Self { is_cut_before: start > line.start, is_cut_behind: end < line.end, range: start..end }
    }

    fn shown(&self, text: &str) -> String {
        let (before, behind) = (dots(self.is_cut_before), dots(self.is_cut_behind));
        format!("{before}{}{behind}", visible(&text[self.range.clone()]))
    }

    /// Where in what is shown a byte of the text stands; the nearest end where it was cut.
    fn place(&self, text: &str, byte: usize) -> usize {
        let byte = byte.clamp(self.range.start, self.range.end);
        dots(self.is_cut_before).len() + visible(&text[self.range.start..byte]).len()
    }
}

const fn dots(is_cut: bool) -> &'static str {
    if is_cut { "…" } else { "" }
}

/// Where the lines of a text begin.
struct Lines(Vec<usize>);

impl Lines {
    fn new(text: &str) -> Self {
        // A byte order mark is no column of the first line.
        let first = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        Self(std::iter::once(first).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect())
    }

    /// The line, from 0, that a byte stands in.
    fn at(&self, byte: usize) -> usize {
        self.0.partition_point(|&start| start <= byte).saturating_sub(1)
    }

    /// The bytes of a line, its end (`\n` or `\r\n`) not included.
    fn range(&self, text: &str, line: usize) -> Range<usize> {
        let start = self.0[line];
        let end = self.0.get(line + 1).map_or(text.len(), |next| next - 1);
        let end = if text[start..end].ends_with('\r') { end - 1 } else { end };
        start..end
    }
}

/// The lines of the text that was looked at last: diagnostics come ordered, and a large file with many errors is not
/// searched for its line ends again for each.
#[derive(Default)]
struct LineCache(Option<(Arc<SourceFile>, Lines)>);

impl LineCache {
    fn of(&mut self, source: &Arc<SourceFile>) -> &Lines {
        if self.0.as_ref().is_some_and(|(cached, _)| !Arc::ptr_eq(cached, source)) {
            self.0 = None;
        }
        &self.0.get_or_insert_with(|| (Arc::clone(source), Lines::new(&source.text))).1
    }
}

/// A message on one line, so that nothing in it can pass for a line of its own.
fn one_line(text: &str) -> Cow<'_, str> {
    let shown = visible(text);
    let cut = shown.char_indices().nth(LONGEST_MESSAGE).map(|(at, _)| format!("{}…", &shown[..at]));
    let shown = cut.map_or(shown, Cow::Owned);
    if shown.contains('\n') { Cow::Owned(shown.replace('\n', " ")) } else { shown }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Code;
    use super::*;

    #[test]
    fn a_message_that_quotes_a_whole_file_is_cut() {
        let long = "é\u{1b}\n".repeat(LONGEST_MESSAGE);
        let shown = render(&[Diagnostic::error(Code::UnknownWord, &*long).help(&*long)], false);
        let lengths: Vec<usize> = shown.lines().map(|line| line.matches('é').count()).collect();
        assert!(lengths.iter().all(|length| *length <= LONGEST_MESSAGE.div_ceil(3)), "{lengths:?}");
        assert!(shown.lines().next().is_some_and(|line| line.ends_with('…')), "{shown}");
    }

    fn file(path: &str, text: &str) -> Arc<SourceFile> {
        Arc::new(SourceFile { path: path.to_owned(), text: text.to_owned() })
    }

    /// An error at the first place where `marked` stands in `text`.
    fn error(text: &str, marked: &str, label: &str) -> Diagnostic {
        let start = text.find(marked).expect("it stands there");
        Diagnostic::error(Code::UnknownFact, "something is wrong").at(
            &file("a.yaml", text),
            start..start + marked.len(),
            label,
        )
    }

    const SCENARIO: &str =
        "name: x\nfacts:\n  name: Priya\nturns:\n  - user: Who am I?\n    expect:\n      - forgets: nmae\n";

    #[test]
    fn an_error_shows_its_place_and_what_to_do() {
        let diagnostic = error(SCENARIO, "nmae", "did you mean `name`?").help("facts are declared under `facts:`");
        insta::assert_snapshot!(render(&[diagnostic], false), @r"
        error[unknown-fact]: something is wrong
         --> a.yaml:7:18
          |
        7 |       - forgets: nmae
          |                  ^^^^ did you mean `name`?
          |
          = help: facts are declared under `facts:`
        ");
    }

    #[test]
    fn marks_on_several_lines_leave_out_what_lies_between() {
        let source = file("a.yaml", SCENARIO);
        let twice =
            Diagnostic { severity: Severity::Warning, ..Diagnostic::error(Code::DuplicateKey, "`name` is used twice") };
        let span = |text: &str| SCENARIO.find(text).map(|at| at..at + 4).expect("it stands there");
        insta::assert_snapshot!(render(&[twice.at(&source, span("nmae"), "").at(&source, span("name"), "first here")], false), @r"
        warning[duplicate-key]: `name` is used twice
         --> a.yaml:7:18
          |
        1 | name: x
          | ---- first here
        ...
        7 |       - forgets: nmae
          |                  ^^^^
        ");
    }

    #[test]
    fn what_concerns_no_text_is_a_heading_and_help() {
        let missing = Diagnostic::error(Code::MissingPath, "`b.yaml` does not exist").help("name a file or a folder");
        let unreadable =
            Diagnostic { source: Some(file("a.yaml", "")), ..Diagnostic::error(Code::EmptyFile, "the file is empty") };
        insta::assert_snapshot!(render(&[unreadable, missing], false), @r"
        error[missing-path]: `b.yaml` does not exist
         |
         = help: name a file or a folder

        error[empty-file]: the file is empty
         --> a.yaml
        ");
        assert_eq!(render(&[], false), "");
    }

    #[test]
    fn a_long_line_is_cut_around_its_mark_and_its_column_stays_true() {
        let line = format!("first: line\nuser: {}nmae{}\n", "世x ".repeat(50), "z".repeat(200));
        insta::assert_snapshot!(render(&[error(&line, "nmae", "here")], false), @r"
        error[unknown-fact]: something is wrong
         --> a.yaml:2:157
          |
        2 | …世x 世x 世x 世x 世x 世x 世x 世x nmaezzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz…
          |                                  ^^^^ here
        ");
        let marked_whole = render(&[error(&line, &line[18..], "all of it")], false);
        assert!(marked_whole.lines().all(|line| line.chars().count() < 120), "{marked_whole}");
    }

    #[test]
    fn what_a_terminal_obeys_is_shown_and_the_mark_stands_where_it_should() {
        let line = "a: \u{1b}[31m\u{202e}x\u{9b}\té: nmae\r\nb: 1\r\n";
        let source = file("\u{1b}a\n.yaml", line);
        let at = line.find("nmae").expect("it stands there");
        let diagnostic = Diagnostic::error(Code::EmptyText, "`\u{7}`\n::error::is bad")
            .at(&source, at..at + 99, "\u{200b}\r")
            .help("\u{8}");
        insta::assert_snapshot!(render(&[diagnostic], false), @r"
        error[empty-text]: `‹U+0007›` ::error::is bad
         --> ‹U+001B›a .yaml:1:16
          |
        1 | a: ‹U+001B›[31m‹U+202E›x‹U+009B›    é: nmae
          |                                        ^^^^ ‹U+200B›‹U+000D›
          |
          = help: ‹U+0008›
        ");
    }

    #[test]
    fn diagnostics_stand_in_order_of_path_and_place() {
        let (one, two) = (file("1.yaml", SCENARIO), file("2.yaml", "a\nb\nc\n"));
        let at =
            |source: &Arc<SourceFile>, place| Diagnostic::error(Code::EmptyText, "x").at(source, place..place + 1, "");
        let shown = render(&[at(&two, 4), at(&one, 20), at(&one, 3), Diagnostic::error(Code::EmptyText, "y")], false);
        let places: Vec<&str> = shown.lines().filter_map(|line| line.trim_start().strip_prefix("--> ")).collect();
        assert_eq!(places, ["1.yaml:1:4", "1.yaml:3:6", "2.yaml:3:1"]);
        assert!(shown.starts_with("error[empty-text]: y\n\nerror[empty-text]"), "{shown}");
        assert!(shown.ends_with('\n') && !shown.ends_with("\n\n"));
    }

    #[test]
    fn colour_changes_nothing_but_colour() {
        let diagnostics = [error(SCENARIO, "nmae", "here").help("mend it"), Diagnostic::error(Code::EmptyText, "y")];
        let colored = render(&diagnostics, true);
        assert!(colored.contains('\u{1b}'));
        let stripped = colored.split('\u{1b}').enumerate().map(|(n, piece)| match piece.split_once('m') {
            Some((_, text)) if n > 0 => text,
            _ => piece,
        });
        assert_eq!(stripped.collect::<String>(), render(&diagnostics, false));
    }

    #[test]
    fn a_byte_order_mark_is_no_column() {
        let shown = render(&[error("\u{feff}nmae: 1", "nmae", "")], false);
        assert!(shown.contains("--> a.yaml:1:1\n") && shown.contains("1 | nmae: 1\n"), "{shown}");
    }

    proptest! {
        #[test]
        fn any_text_and_any_span_can_be_shown(
            text in "[a-z世é\u{1b}\u{202e}\u{feff}\t\r\n ]{0,200}",
            spans in prop::collection::vec((0..250_usize, 0..250_usize), 0..4),
        ) {
            let source = file("a.yaml", &text);
            let diagnostic = spans.into_iter().fold(Diagnostic::error(Code::EmptyText, "x"), |d, (a, b)| d.at(&source, a..b, "here"));
            let shown = render(&[diagnostic], false);
            prop_assert_eq!(visible(&shown), shown.as_str());
        }
    }
}
