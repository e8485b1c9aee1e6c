//! What a reviewer reads of one pending snapshot: what changed, said in words, and below it the difference. Pure.

use std::path::Path;

use super::super::console::shown;
use super::rows::{Line, Tone};
use crate::model::{TurnId, VariantKey};
use crate::snapshot::{self, Changes, Difference, Pending, Sign};
use crate::text::escape::visible;

/// Moved verdicts that are named; more of them are counted.
const NAMED: usize = 20;

/// One pending snapshot, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Scenario, persona, model and window; the file's name where that does not tell them.
    pub title: String,
    /// The file that accepting it writes.
    pub path: String,
    /// What changed.
    pub lines: Vec<Line>,
    /// Whether it can be accepted: what cannot be read can only be rejected.
    pub is_acceptable: bool,
}

impl View {
    /// Of a snapshot that can be read.
    pub fn of(pending: &Pending, variant: Option<&VariantKey>) -> Self {
        let mut lines = match pending.difference() {
            None => vec![Line::new(Tone::Strong, "new: nothing is accepted here yet")],
            Some(Difference::Same) => vec![Line::new(Tone::Strong, "the same as the accepted one")],
            Some(Difference::Words { turns }) => said(&Changes { words: turns, ..Changes::default() }),
            Some(Difference::Substance(changes)) => said(&changes),
        };
        lines.push(Line::new(Tone::Plain, ""));
        let old = pending.old.as_ref().map_or("", |old| old.contents());
        lines.extend(by_turn(&snapshot::diff(old, pending.new.contents())).iter().map(difference));
        Self { lines, is_acceptable: true, ..Self::empty(&pending.target, variant) }
    }

    /// Of a file that cannot be read as a snapshot.
    pub fn broken(target: &Path, variant: Option<&VariantKey>, reason: &str) -> Self {
        let lines = vec![
            Line::new(Tone::Strong, "this one cannot be read"),
            Line::new(Tone::Plain, one_line(reason)),
            Line::new(Tone::Plain, ""),
            Line::new(Tone::Plain, "r throws the pending file away, s leaves it; the next run writes it anew"),
        ];
        Self { lines, is_acceptable: false, ..Self::empty(target, variant) }
    }

    fn empty(target: &Path, variant: Option<&VariantKey>) -> Self {
        let name = || target.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let title = variant.map_or_else(name, VariantKey::to_string);
        Self { title: one_line(&title), path: shown(target), lines: Vec::new(), is_acceptable: false }
    }
}

/// The answer first: how much moved of what, then each verdict that moved.
fn said(changes: &Changes) -> Vec<Line> {
    let verdicts = match changes.checks.len() {
        0 => "unchanged".to_owned(),
        moved => format!("{moved} moved"),
    };
    let script = if changes.script.is_empty() { "unchanged" } else { "changed" };
    let (sent, words) = (turns(&changes.sent), turns(&changes.words));
    let summary = format!("verdicts: {verdicts} · sent: {sent} · script: {script} · words: {words}");
    let mut lines = vec![Line::new(Tone::Strong, summary)];
    // First, since the rest may follow from it.
    let beside = Changes { checks: Vec::new(), sent: Vec::new(), words: Vec::new(), ..changes.clone() }.to_string();
    if !beside.is_empty() {
        lines.push(Line::new(Tone::Plain, format!("  {}", one_line(&beside))));
    }
    for change in changes.checks.iter().take(NAMED) {
        let tone = match change.new.as_deref() {
            Some(new) if new.starts_with('✓') => Tone::Added,
            Some(new) if new.starts_with('✗') => Tone::Removed,
            _ => Tone::Plain,
        };
        lines.push(Line::new(tone, format!("  {}", one_line(&change.to_string()))));
    }
    if changes.checks.len() > NAMED {
        lines.push(Line::new(Tone::Plain, format!("  … and {} more", changes.checks.len() - NAMED)));
    }
    lines
}

/// `turn 4`, `turns 1–3, 7`, `unchanged`. The turns are in order.
fn turns(numbers: &[TurnId]) -> String {
    let runs = numbers.chunk_by(|a, b| follow(*a, *b)).flat_map(|run| match run {
        [first, _, .., last] => vec![format!("{first}–{last}")],
        few => few.iter().map(ToString::to_string).collect(),
    });
    match numbers {
        [] => "unchanged".to_owned(),
        [turn] => turn.named().to_string(),
        [TurnId::Probe(_), ..] => format!("probes {}", runs.collect::<Vec<_>>().join(", ")),
        _ => format!("turns {}", runs.collect::<Vec<_>>().join(", ")),
    }
}

fn follow(one: TurnId, next: TurnId) -> bool {
    match (one, next) {
        (TurnId::Turn(one), TurnId::Turn(next)) | (TurnId::Probe(one), TurnId::Probe(next)) => one + 1 == next,
        _ => false,
    }
}

/// A turn in which nothing changed says nothing as the surroundings of one in which something did.
fn by_turn(lines: &[snapshot::Line]) -> Vec<snapshot::Line> {
    let begins = |line: &snapshot::Line| {
        line.text.starts_with("turn ") || line.text.starts_with("probe ") || line.text == "transcript"
    };
    let mut kept: Vec<snapshot::Line> = Vec::with_capacity(lines.len());
    for part in lines.chunk_by(|a, b| (a.sign == Sign::Gap) == (b.sign == Sign::Gap) && !begins(b)) {
        if part.iter().any(|line| matches!(line.sign, Sign::Removed | Sign::Added)) {
            kept.extend_from_slice(part);
        } else if kept.last().is_none_or(|last| last.sign != Sign::Gap) {
            kept.push(snapshot::Line { sign: Sign::Gap, text: String::new(), words: Vec::new() });
        }
    }
    kept
}

/// A line of the difference with its sign, made visible once more: files come from strangers.
fn difference(line: &snapshot::Line) -> Line {
    let (sign, tone) = match line.sign {
        Sign::Removed => ("- ", Tone::Removed),
        Sign::Added => ("+ ", Tone::Added),
        Sign::Gap => return Line { sign: "  ", ..Line::new(Tone::Quiet, "…") },
        Sign::Same if line.text.starts_with(' ') || line.text.is_empty() => ("  ", Tone::Plain),
        // A heading.
        Sign::Same => ("  ", Tone::Strong),
    };
    let mut shown = Line { sign, ..Line::new(tone, "") };
    let mut at = 0;
    for word in &line.words {
        shown.text += &one_line(&line.text[at..word.start]);
        let start = shown.text.len();
        shown.text += &one_line(&line.text[word.clone()]);
        shown.words.push(start..shown.text.len());
        at = word.end;
    }
    shown.text += &one_line(&line.text[at..]);
    shown
}

/// A text on one line that a terminal takes no orders from.
fn one_line(text: &str) -> String {
    visible(text).replace('\n', "‹U+000A›").replace('\t', "    ")
}

#[cfg(test)]
mod tests {
    use super::super::rows::drawn;
    use super::*;
    use crate::snapshot::{CheckChange, Metadata, Snapshot};

    fn snapshot(contents: &str) -> Snapshot {
        Snapshot::new(Metadata::default(), contents)
    }

    fn pending(old: Option<&str>, new: &str) -> Pending {
        let target = Path::new("./s/snapshots/s@p.m.2.snap").to_owned();
        Pending { path: target.with_extension("snap.new"), target, old: old.map(snapshot), new: snapshot(new) }
    }

    fn text(lines: &[Line]) -> String {
        let rows = lines.iter().flat_map(|line| line.wrap(78)).map(|row| drawn(&row).trim_end().to_owned() + "\n");
        rows.collect()
    }

    fn transcript(replies: [&str; 4], last_check: &str) -> String {
        let turn = |(n, reply): (usize, &str)| {
            format!("\nturn {n} · sent: system, u{n}\nuser\n  Question {n}.\nassistant\n  {reply}\n")
        };
        let turns: String = (1..).zip(replies).map(turn).collect();
        format!("# s · p · m · window 2\n\nsystem\n  Be kind.\n{turns}checks\n  {last_check}\n")
    }

    #[test]
    fn what_changed_is_said_first_and_turns_that_did_not_change_are_left_out() {
        let old =
            transcript(["Noted.", "You told me the name.", "Fine.", "I don't know it."], "✓ forgets name · forgotten");
        let new = transcript(["Noted.", "You told me your name.", "Fine.", "It is Priya."], "✗ forgets name · leaked");
        let view = View::of(&pending(Some(&old), &new), None);
        assert_eq!((view.title.as_str(), view.path.as_str()), ("s@p.m.2.snap", "s/snapshots/s@p.m.2.snap"));
        insta::assert_snapshot!(text(&view.lines), @r"
        verdicts: 1 moved · sent: unchanged · script: unchanged · words: turns 2, 4
          turn 4: forgets name ✓ forgotten → ✗ leaked

          …
          turn 2 · sent: system, u2
          user
            Question 2.
          assistant
        -   You told me [the] name.
        +   You told me [your] name.

          …
          turn 4 · sent: system, u4
          user
            Question 4.
          assistant
        -   I don't know it.
        +   It is Priya.
          checks
        -   [✓] forgets name · [forgotten]
        +   [✗] forgets name · [leaked]
        ");
    }

    #[test]
    fn a_new_one_is_shown_whole() {
        let view = View::of(&pending(None, "# s\n\nturn 1 · sent: u1"), None);
        assert_eq!(text(&view.lines), "new: nothing is accepted here yet\n\n+ # s\n+\n+ turn 1 · sent: u1\n");
        let same = View::of(&pending(Some("# s"), "# s"), None);
        assert_eq!(text(&same.lines), "the same as the accepted one\n\n");
    }

    #[test]
    fn what_a_terminal_would_obey_is_shown_wherever_it_stands() {
        let key = |text: &str| VariantKey {
            scenario: text.to_owned(),
            case: String::new(),
            persona: "p".to_owned(),
            model: "m".to_owned(),
            window: "2".to_owned(),
            vars: String::new(),
        };
        let hostile = "\u{1b}[2J\u{202e}\u{9b}\t\u{200b}\r";
        let old =
            format!("# s\n{hostile} · x\n\nturn 1 · {hostile}\nassistant\n  a {hostile}\nchecks\n  ✓ {hostile} is");
        let new = format!("# s\n{hostile} · y\n\nturn 1 · x\nassistant\n  b {hostile}\nchecks\n  ✗ {hostile} is");
        let view = View::of(&pending(Some(&old), &new), Some(&key(hostile)));
        let broken = View::broken(Path::new("a\n\u{1b}b@.snap"), Some(&key("a\nb")), &format!("line\n{hostile}"));
        for view in [view, broken] {
            let all = view.lines.iter().map(|line| line.text.as_str()).chain([&*view.title, &*view.path]);
            for text in all {
                assert!(!text.contains(char::is_control) && visible(text) == text, "{text:?}");
            }
        }
    }

    #[test]
    fn a_line_that_is_a_megabyte_long_takes_no_time() {
        let long =
            |word: &str| format!("# s\n\nturn 1 · sent: u1\nassistant\n  {}", word.repeat(1_000_000 / word.len()));
        let begun = std::time::Instant::now();
        let view = View::of(&pending(Some(&long("one two ")), &long("three four ")), None);
        assert!(view.lines.len() > 4);
        // Two searches of a second each; the rest is room for a machine with other things to do.
        assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
    }

    #[test]
    fn turns_are_named_shortly() {
        use TurnId::{Probe, Turn};
        let table: [(&[TurnId], &str); 7] = [
            (&[], "unchanged"),
            (&[Turn(4)], "turn 4"),
            (&[Turn(2), Turn(4)], "turns 2, 4"),
            (&[Turn(2), Turn(3)], "turns 2, 3"),
            (&[Turn(1), Turn(2), Turn(3), Turn(7), Probe(8)], "turns 1–3, 7, p8"),
            (&[Probe(2)], "probe p2"),
            (&[Probe(1), Probe(2), Probe(3)], "probes p1–p3"),
        ];
        for (numbers, named) in table {
            assert_eq!(turns(numbers), named);
        }
    }

    #[test]
    fn a_script_that_changed_or_a_file_edited_by_hand_is_said_before_the_verdicts() {
        let old = transcript(["Noted.", "a", "b", "c"], "✓ forgets name · forgotten");
        let new = old.replace("Question 2.", "Question two.").replace("✓", "✗").replace("# s", "elsewhere\n\n# s");
        let lines = View::of(&pending(Some(&old), &new), None).lines;
        let said: Vec<&str> = lines.iter().map(|line| line.text.as_str()).take(4).collect();
        assert_eq!(
            said,
            [
                "verdicts: 1 moved · sent: unchanged · script: changed · words: unchanged",
                "  outdated-script: turn 2's user message changed; edited by hand: elsewhere",
                "  turn 4: forgets name ✓ forgotten → ✗ forgotten",
                "",
            ]
        );
    }

    #[test]
    fn of_a_great_many_verdicts_the_first_are_named_and_the_rest_are_counted() {
        let moved = |turn| CheckChange {
            turn: Some(TurnId::Turn(turn)),
            check: "asks".into(),
            old: Some("✓".into()),
            new: None,
        };
        let changes = Changes { checks: (1..=25).map(moved).collect(), ..Changes::default() };
        let lines = said(&changes);
        assert_eq!((lines.len(), lines[21].text.as_str()), (22, "  … and 5 more"));
        assert!(lines[0].text.starts_with("verdicts: 25 moved · "));
    }
}
