//! Decides checks from what was gathered outside for them: a judge's answers, a program's end.

use super::judge;
use super::view::Finding;
use crate::event::ProgramDone;
use crate::model::{CheckKind, JudgeCheck, Outside, Reply};
use crate::text::escape::quote;

/// What was gathered outside for one check on one reply or transcript.
#[derive(Debug, Clone, PartialEq)]
pub enum Gathered {
    /// What a judge answered, vote by vote, or why a vote brought no answer.
    Judge {
        /// The mark that an answer must repeat.
        mark: String,
        /// The votes, in order.
        votes: Vec<Result<Reply, String>>,
    },
    /// What came of a program.
    Program(ProgramDone),
}

/// What a check needs from outside before it can be decided on this reply; `None` where it needs nothing, or there is nothing to
/// ask about: a reply that was withheld or cut off is not judged.
#[must_use]
pub fn outside<'c>(kind: &'c CheckKind, reply: &Reply) -> Option<Outside<'c>> {
    kind.outside().filter(|_| !reply.is_withheld() && !reply.is_cut())
}

/// How much of what a program says is shown, in characters.
const SHOWN: usize = 300;

pub(super) fn judge(check: &JudgeCheck, gathered: Option<&Gathered>) -> Finding {
    match gathered {
        Some(Gathered::Judge { mark, votes }) => judge::decide(check, mark, votes),
        _ => Finding::new(None, "no judge was asked"),
    }
}

pub(super) fn program(gathered: Option<&Gathered>) -> Finding {
    let Some(Gathered::Program(done)) = gathered else { return Finding::new(None, "the program was not started") };
    let said = last_line(&done.stdout).or_else(|| last_line(&done.stderr));
    let said = said.map_or_else(String::new, |line| format!(": {}", quote(line, SHOWN)));
    let cut = if done.is_cut { "; it wrote more than is kept" } else { "" };
    match (&done.error, done.code) {
        (Some(error), _) => Finding::new(None, format!("{error}{said}{cut}")),
        (None, Some(0)) => {
            let detail = format!("the program ended well{said}{cut}");
            let note = (!said.is_empty() || done.is_cut).then(|| detail.clone().into());
            Finding { note, ..Finding::new(true, detail) }
        }
        (None, Some(code)) => Finding::new(false, format!("the program ended with exit code {code}{said}{cut}")),
        (None, None) => Finding::new(None, "nobody knows how the program ended"),
    }
}

/// What a program says last is what it came to.
fn last_line(text: &str) -> Option<&str> {
    text.lines().rfind(|line| !line.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_decides_and_the_last_line_says_why() {
        let table = [
            (Some(0), None, "", "", false, Some(true), "the program ended well"),
            (Some(0), None, "a\nscore 9\n\n", "x", false, Some(true), "the program ended well: \"score 9\""),
            (Some(1), None, "", "no such thing\n", false, Some(false), "exit code 1: \"no such thing\""),
            (Some(3), None, "bad\u{1b}[2J", "", true, Some(false), "3: \"bad‹U+001B›[2J\"; it wrote more than is kept"),
            (None, Some("took too long"), "half", "", false, None, "took too long: \"half\""),
            (None, None, "", "", false, None, "nobody knows"),
        ];
        for (code, error, stdout, stderr, is_cut, holds, detail) in table {
            let (error, stdout, stderr) = (error.map(str::to_owned), stdout.to_owned(), stderr.to_owned());
            let done = ProgramDone { code, error, stdout, stderr, is_cut, ..ProgramDone::default() };
            let found = program(Some(&Gathered::Program(done)));
            assert_eq!(found.holds, holds);
            assert!(found.detail.contains(detail), "{}", found.detail);
        }
        assert_eq!(program(None).holds, None);
    }
}
