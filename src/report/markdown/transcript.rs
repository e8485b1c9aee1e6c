//! The transcript of a conversation that failed, cut to what a page has room for.

use std::fmt::Write;

use crate::event::{Record, TurnDone};
use crate::model::TurnId;
use crate::snapshot;
use crate::text::markdown::with_short_lines;

/// So much of one transcript is shown, in characters, and of one line.
const MOST: usize = 10_000;
const LINE: usize = 2_000;

/// The transcript as snapshots have it, with the turn at hand in it whatever must be cut; `None` where nothing was played.
pub(super) fn of(record: &Record, turn: Option<TurnId>) -> Option<String> {
    let mut record = record.clone();
    let failed: Vec<TurnDone> =
        record.turns.extract_if(.., |turn| turn.error.is_some() && turn.reply.is_none()).collect();
    if record.turns.is_empty() && failed.is_empty() {
        return None;
    }
    let mut text = snapshot::transcript(&record);
    for TurnDone { turn, user, error, .. } in failed {
        let (user, error) = (user.replace('\n', "\n  "), error.unwrap_or_default().replace('\n', "\n  "));
        // Writing to a String cannot fail.
        let _ = write!(text, "\n{} · the call failed\nuser\n  {user}\nerror\n  {error}\n", turn.named());
    }
    Some(cut(&with_short_lines(&text, LINE), turn))
}

/// The lines that have room: those up to the end of the turn first, the last ones before it rather than the first ones,
/// and then those behind it.
fn cut(text: &str, turn: Option<TurnId>) -> String {
    let lines: Vec<&str> = text.trim_end().split('\n').collect();
    let begin = turn.and_then(|turn| lines.iter().position(|line| begun(line) == Some(turn)));
    let is_next = |line: &&str| begun(line).is_some() || *line == "transcript";
    let end = begin.and_then(|begin| Some(begin + 1 + lines[begin + 1..].iter().position(is_next)?));
    let end = end.unwrap_or(lines.len());
    let mut room = MOST;
    let mut fits = |line: &&str| {
        let rest = room.checked_sub(line.chars().count() + 1);
        room = rest.unwrap_or(0);
        rest.is_some()
    };
    // Of a turn that has no room itself, the beginning is shown.
    let own = begin.map_or(0, |begin| lines[begin..end].iter().take_while(|line| fits(line)).count());
    let begin = begin.unwrap_or(end);
    let is_whole = begin + own == end;
    let above = if is_whole { lines[..begin].iter().rev().take_while(|line| fits(line)).count() } else { 0 };
    let below = if above == begin { lines[end..].iter().take_while(|line| fits(line)).count() } else { 0 };
    let (from, to) = (begin - above, if is_whole { end + below } else { begin + own });
    let gap = |number: usize| (number > 0).then(|| format!("… {number} more lines in transcripts.csv"));
    let shown = lines[from..to].iter().map(|line| (*line).to_owned());
    gap(from).into_iter().chain(shown).chain(gap(lines.len() - to)).collect::<Vec<_>>().join("\n")
}

/// The turn that begins with a line.
fn begun(line: &str) -> Option<TurnId> {
    TurnId::of_name(line.split_once(" · ")?.0)
}

#[cfg(test)]
mod tests {
    use super::super::super::sample::{check, record, turn};
    use super::*;
    use crate::model::Verdict;

    fn played(turns: usize, reply: &str) -> Record {
        let mut record = record(0, "s");
        for _ in 0..turns {
            turn(&mut record, "Hi", reply);
        }
        record
    }

    #[test]
    fn a_short_one_is_shown_whole_with_calls_that_failed() {
        let mut record = played(1, "Hello");
        check(&mut record, "contains", "\"x\"", Verdict::Fail);
        let call = turn(&mut record, "And\nnow?", "");
        (call.reply, call.error) = (None, Some("503:\n::error::on fire".into()));
        let text = of(&record, Some(TurnId::Turn(1))).unwrap();
        assert_eq!(
            text,
            "# s · default · builtin · window full\n\nsystem\n  You are a helpful assistant.\n\n\
             turn 1 · sent: system, u1\nuser\n  Hi\nassistant\n  Hello\nchecks\n  ✗ contains \"x\"\n\n\
             turn 2 · the call failed\nuser\n  And\n  now?\nerror\n  503:\n  ::error::on fire"
        );
        assert_eq!(of(&super::super::super::sample::record(0, "s"), None), None);
    }

    #[test]
    fn a_long_one_keeps_the_turn_at_hand_and_says_what_is_cut() {
        let record = played(400, "Once more, with a few words in it.");
        for (number, above, below) in [(1, false, true), (200, true, true), (400, true, false)] {
            let text = of(&record, Some(TurnId::Turn(number))).unwrap();
            assert!(text.chars().count() < MOST + 100, "{}", text.chars().count());
            assert!(text.contains(&format!("\nturn {number} · ")), "{text}");
            assert_eq!(text.starts_with("… "), above, "turn {number}");
            assert_eq!(text.ends_with(" more lines in transcripts.csv"), below, "turn {number}");
        }
        assert!(of(&record, None).unwrap().contains("\nturn 400 · "));
    }

    #[test]
    fn a_turn_that_is_too_long_itself_shows_its_beginning() {
        let record = played(1, &"word\n".repeat(5_000));
        let text = of(&record, Some(TurnId::Turn(1))).unwrap();
        assert!(text.starts_with("… 5 more lines in transcripts.csv\nturn 1 · "), "{}", &text[..100]);
        assert!(text.contains("\n  word\n… ") && text.chars().count() < MOST + 100);
        let record = played(1, &"x".repeat(50_000));
        assert!(of(&record, Some(TurnId::Turn(1))).unwrap().contains("x… (48002 more characters)"));
    }
}
