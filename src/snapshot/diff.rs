//! The difference of two transcripts as lines for people: what changed with three lines around it, and each stretch
//! under the headings that say in which turn it is. Colours are the caller's.

use std::ops::Range;
use std::time::{Duration, Instant};

use similar::{ChangeTag, InlineChange, TextDiff};

use super::body::INDENT;

/// Unchanged lines that are shown around a change.
const CONTEXT: usize = 3;
/// How long to look for the shortest difference before a longer one will do: of lines, and then of words within lines.
const PATIENCE: Duration = Duration::from_secs(1);

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// It is in both.
    Same,
    /// It is in the accepted transcript only.
    Removed,
    /// It is in the new transcript only.
    Added,
    /// Lines that did not change are left out here; the text is empty.
    Gap,
}

impl Sign {
    /// What stands in front of such a line in a unified difference.
    #[must_use]
    pub const fn mark(self) -> char {
        match self {
            Self::Same | Self::Gap => ' ',
            Self::Removed => '-',
            Self::Added => '+',
        }
    }
}

/// One line of a difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What became of it.
    pub sign: Sign,
    /// The line, without its line end.
    pub text: String,
    /// Which bytes of the text are not in the line that this one stands for or is replaced by; empty for a line that has
    /// no counterpart alike enough.
    pub words: Vec<Range<usize>>,
}

/// The difference between the contents of two snapshots; empty for equal ones. With an empty `old`, all of `new` is
/// added.
#[must_use]
pub fn diff(old: &str, new: &str) -> Vec<Line> {
    let old: Vec<&str> = if old.is_empty() { Vec::new() } else { old.split('\n').collect() };
    let new: Vec<&str> = if new.is_empty() { Vec::new() } else { new.split('\n').collect() };
    let diff = TextDiff::configure().timeout(PATIENCE).diff_slices(&old, &new);
    let deadline = Instant::now() + PATIENCE;
    let mut lines = Vec::new();
    let mut shown = 0;
    for group in diff.grouped_ops(CONTEXT) {
        let first = group.first().map_or(0, |op| op.new_range().start);
        let headings = headings(&new, shown, first);
        if first - shown > headings.len() {
            lines.push(line(Sign::Gap, ""));
        }
        lines.extend(headings.into_iter().map(|text| line(Sign::Same, text)));
        for op in &group {
            lines.extend(diff.iter_inline_changes_deadline(op, Some(deadline)).map(|change| changed(&change)));
        }
        shown = group.last().map_or(shown, |op| op.new_range().end);
    }
    if shown < new.len() && !lines.is_empty() {
        lines.push(line(Sign::Gap, ""));
    }
    lines
}

fn line(sign: Sign, text: &str) -> Line {
    Line { sign, text: text.to_owned(), words: Vec::new() }
}

fn changed(change: &InlineChange<'_, str>) -> Line {
    let mut line = line(sign(change.tag()), "");
    // Where all that is left is blanks and stops, there is nothing that the words could stand out from.
    let stays = |(is_emphasised, part): &(bool, &str)| !is_emphasised && part.contains(char::is_alphanumeric);
    if !change.values().iter().any(stays) {
        line.text = change.values().iter().map(|(_, part)| *part).collect();
        return line;
    }
    for &(is_emphasised, part) in change.values() {
        let start = line.text.len();
        line.text.push_str(part);
        match line.words.last_mut() {
            Some(last) if is_emphasised && last.end == start => last.end = line.text.len(),
            _ if is_emphasised => line.words.push(start..line.text.len()),
            _ => {}
        }
    }
    line
}

const fn sign(tag: ChangeTag) -> Sign {
    match tag {
        ChangeTag::Equal => Sign::Same,
        ChangeTag::Delete => Sign::Removed,
        ChangeTag::Insert => Sign::Added,
    }
}

/// The headings under which the line at `first` stands, as far as they are not shown yet: its turn's, and its own.
fn headings<'a>(new: &[&'a str], shown: usize, first: usize) -> Vec<&'a str> {
    let Some(above) = new.get(shown..first) else { return Vec::new() };
    let is_heading = |line: &&&str| !line.is_empty() && !line.starts_with(INDENT);
    let begins_with_heading = new.get(first).as_ref().is_some_and(is_heading);
    let turn = above.iter().rposition(|line| line.starts_with("turn "));
    let own = above.iter().rposition(|line| is_heading(&line));
    let own = own.filter(|_| !begins_with_heading).filter(|own| Some(*own) != turn);
    let turn = turn.filter(|_| new.get(first).is_none_or(|line| !line.starts_with("turn ")));
    turn.into_iter().chain(own).map(|at| above[at]).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drawn(old: &str, new: &str) -> String {
        let draw = |line: Line| match line.sign {
            Sign::Gap => "  …\n".to_owned(),
            sign => format!("{} {}\n", sign.mark(), line.text),
        };
        diff(old, new).into_iter().map(draw).collect()
    }

    fn transcript(replies: &[&str]) -> String {
        let turn = |(n, reply): (i32, &&str)| {
            format!(
                "\nturn {n} · sent: u{n}\nuser\n  One.\n  Two.\n  Three.\nassistant\n  Four.\n  Five.\n  Six.\n  {reply}\n"
            )
        };
        (1..).zip(replies).map(turn).fold("# s".to_owned(), |all, turn| all + &turn)
    }

    #[test]
    fn a_change_deep_in_a_turn_stands_under_the_headings_of_its_turn() {
        let (old, new) = (transcript(&["a", "b", "c"]), transcript(&["a", "x", "c"]));
        assert_eq!(
            drawn(&old, &new),
            "  …\n  turn 2 · sent: u2\n  assistant\n    Four.\n    Five.\n    Six.\n-   b\n+   x\n  \n  turn 3 · sent: u3\n  user\n  …\n"
        );
    }

    #[test]
    fn a_heading_is_not_repeated_and_a_gap_hides_at_least_one_line() {
        let one = |text: &str| format!("# s\n\nturn 1 · sent: u1\nuser\n  {text}");
        let two = |text: &str| format!("{}\nassistant\n  a\n  b\n  {text}", one("Hi"));
        assert_eq!(drawn(&one("Hi"), &one("Ho")), "  # s\n  \n  turn 1 · sent: u1\n  user\n-   Hi\n+   Ho\n");
        assert_eq!(drawn(&two("c"), &two("d")), "  …\n  turn 1 · sent: u1\n  assistant\n    a\n    b\n-   c\n+   d\n");
    }

    #[test]
    fn a_turn_heading_is_shown_once_however_a_file_was_edited() {
        let edited = |text: &str| format!("# s\nturn 1 · canned\n\n\n\n  {text}");
        assert_eq!(drawn(&edited("a"), &edited("b")), "  …\n  turn 1 · canned\n  \n  \n  \n-   a\n+   b\n");
    }

    #[test]
    fn equal_transcripts_have_no_difference_and_a_new_one_is_all_added() {
        assert_eq!(drawn("a\nb", "a\nb"), "");
        assert_eq!(drawn("", "a\nb"), "+ a\n+ b\n");
    }

    #[test]
    fn words_that_changed_are_marked_where_others_in_their_line_stay() {
        for (old, new, marked) in [
            ("you told me the name", "you told me your name", "-[the] +[your]"),
            ("a b", "a b c", "+[ c]"),
            ("no word is alike.", "another sentence stands.", ""),
            ("我叫普里亚。", "我叫阿丽亚。", "-[普里] +[阿丽]"),
        ] {
            let lines = diff(old, new);
            let marks = lines.iter().filter(|line| !line.words.is_empty()).map(|line| {
                let words: Vec<&str> = line.words.iter().map(|word| &line.text[word.clone()]).collect();
                format!("{}[{}]", if line.sign == Sign::Removed { '-' } else { '+' }, words.join("]["))
            });
            assert_eq!(marks.collect::<Vec<_>>().join(" "), marked, "{old:?} {new:?}");
        }
    }

    #[test]
    fn two_transcripts_that_have_nothing_in_common_take_no_more_than_their_time() {
        let text = |seed: usize| {
            let word = |n: usize| format!("w{}{}", n * seed % 7919, if n.is_multiple_of(9) { "\n" } else { " " });
            (0..100_000).map(word).collect::<String>()
        };
        let begun = Instant::now();
        assert!(!diff(&text(7), &text(11)).is_empty());
        // Twice the time to search; the rest is room for a machine with other things to do.
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    }

    proptest! {
        #[test]
        fn lines_that_are_kept_and_added_are_lines_of_the_new_transcript_in_order(
            old in prop::collection::vec("(turn 1|user|  a|  b|)", 0..30),
            new in prop::collection::vec("(turn 1|user|  a|  b|)", 0..30),
        ) {
            let (old, new) = (old.join("\n"), new.join("\n"));
            let lines = diff(&old, &new);
            prop_assert_eq!(lines.is_empty(), old == new);
            let mut rest: &[&str] = &new.split('\n').collect::<Vec<_>>();
            for line in lines.iter().filter(|line| matches!(line.sign, Sign::Same | Sign::Added)) {
                let at = rest.iter().position(|candidate| *candidate == line.text);
                prop_assert!(at.is_some(), "{:?} is not in what is left of {:?}", line, new);
                rest = &rest[at.unwrap() + 1..];
            }
        }
    }
}
