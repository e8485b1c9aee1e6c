//! `check --controls`: which checks on facts cannot fail, with their places.

use super::console::Console;
use super::exit::Exit;
use super::{judged, show_diagnostics};
use crate::diagnostic::{Code, Diagnostic, SourceFile};
use crate::model::Position;
use crate::run::plan::Plan;
use crate::run::{self, CannotFail, Controlled};

/// What is said of checks that can all fail.
///
/// # Errors
/// When one cannot; that is said.
pub fn control(plan: &Plan, console: &Console) -> Result<String, Exit> {
    let Controlled { asked, cannot_fail, unasked } = judged::runtime(console)?.block_on(run::control(plan));
    if !cannot_fail.is_empty() {
        let told: Vec<Diagnostic> = cannot_fail.iter().map(|found| diagnostic(found, plan)).collect();
        show_diagnostics(console, &told);
        return Err(Exit::BadInput);
    }
    let unasked = match unasked {
        0 => String::new(),
        number => format!("; {number} more could not be tried, since a turn captures what no control says"),
    };
    Ok(match asked {
        0 => format!("; no checks on facts{unasked}"),
        1 => format!("; the check on a fact can fail{unasked}"),
        number => format!("; each of {number} checks on facts can fail{unasked}"),
    })
}

fn diagnostic(found: &CannotFail, plan: &Plan) -> Diagnostic {
    let CannotFail { scenario, position, check, why, help } = found;
    let source = &plan.scenarios[*scenario].source;
    let message = format!("`{check}` cannot fail: {why}");
    Diagnostic::error(Code::CannotFail, message).at(source, span(source, *position), "").help(*help)
}

/// From a place to the end of its line.
fn span(source: &SourceFile, position: Position) -> std::ops::Range<usize> {
    let before = position.line.saturating_sub(1) as usize;
    let begin: usize = source.text.split_inclusive('\n').take(before).map(str::len).sum();
    let line = source.text[begin..].split('\n').next().unwrap_or_default();
    let chars = line.char_indices().map(|(at, _)| at);
    let from = chars.chain([line.len()]).nth(position.column.saturating_sub(1) as usize).unwrap_or(line.len());
    let end = line.trim_end().len().max(from);
    begin + from..begin + end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_marked_to_the_end_of_its_line() {
        let source = SourceFile { path: "s".into(), text: "a:\n  é: b  \nc".into() };
        for (line, column, marked) in [(1, 1, "a:"), (2, 3, "é: b"), (2, 4, ": b"), (3, 1, "c"), (9, 9, "")] {
            assert_eq!(&source.text[span(&source, Position { line, column })], marked, "{line}:{column}");
        }
    }
}
