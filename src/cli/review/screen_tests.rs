//! Tests of the module beside this file.

use proptest::prelude::*;

use super::super::keys::Key;
use super::super::rows::{Line, drawn};
use super::super::view::View;
use super::*;

const TERMINAL: Size = Size { rows: 24, columns: 80 };
const SMALL: Size = Size { rows: 10, columns: 40 };

fn view(lines: usize) -> View {
    let line = |n| match n % 4 {
        0 => Line { sign: "  ", ..Line::new(Tone::Strong, format!("turn {n} · sent: system, u1, a1, u2")) },
        1 => Line {
            sign: "- ",
            words: std::iter::once(2..7).collect(),
            ..Line::new(Tone::Removed, "  Noted by the assistant.")
        },
        2 => Line {
            sign: "+ ",
            words: std::iter::once(2..7).collect(),
            ..Line::new(Tone::Added, "  Noted, Priya, by the assistant.")
        },
        _ => Line { sign: "  ", ..Line::new(Tone::Quiet, "…") },
    };
    View {
        title: "whats-my-name · default · builtin · window 2".to_owned(),
        path: "scenarios/snapshots/whats-my-name@default.builtin.2.snap".to_owned(),
        lines: (0..lines).map(line).collect(),
        is_acceptable: true,
    }
}

fn review(count: usize, lines: usize) -> Review {
    let mut review = Review::new(count);
    review.show(view(lines));
    review
}

fn screen(review: &mut Review, size: Size) -> String {
    let rows = review.draw(size);
    assert_eq!(rows.len(), size.rows);
    for row in &rows {
        assert!(columns(row) <= size.columns, "{row:?}");
    }
    rows.iter().map(|row| drawn(row).trim_end().to_owned() + "\n").collect()
}

#[test]
fn a_snapshot_on_a_terminal_of_80_columns() {
    let mut review = review(7, 20);
    review.settle(0, Fate::Accepted);
    review.settle(1, Fate::Rejected);
    review.at = 2;
    insta::assert_snapshot!(screen(&mut review, TERMINAL));
}

#[test]
fn a_snapshot_on_a_terminal_of_40_columns() {
    let mut review = review(7, 20);
    review.press(Key::Char('j'));
    insta::assert_snapshot!(screen(&mut review, SMALL));
}

#[test]
fn a_question_names_how_many_it_is_about() {
    let mut review = review(7, 2);
    review.settle(3, Fate::Skipped);
    review.press(Key::Char('A'));
    let shown = screen(&mut review, SMALL);
    assert!(shown.ends_with("1 skipped                         6 left\naccept all 6 that are left? y/n\n"), "{shown}");
    review.press(Key::Escape);
    let shown = screen(&mut review, TERMINAL);
    assert!(shown.contains("\nnothing was decided\n1 skipped "), "{shown}");
}

#[test]
fn scrolling_ends_where_the_text_does() {
    let mut review = review(1, 100);
    let top = |review: &mut Review| {
        screen(review, TERMINAL);
        review.scroll
    };
    for (key, scroll) in [
        (Key::Up, 0),
        (Key::Down, 1),
        (Key::PageDown, 19),
        (Key::PageUp, 1),
        (Key::End, 81),
        (Key::Down, 81),
        (Key::Char(' '), 81),
        (Key::Up, 80),
        (Key::Home, 0),
    ] {
        review.press(key);
        assert_eq!(top(&mut review), scroll, "{key:?}");
    }
    review.press(Key::End);
    assert!(screen(&mut review, TERMINAL).contains("── 82–100 of 100 ──"));
    // A screen that grows shows more of it, not nothing.
    assert!(screen(&mut review, Size { rows: 60, columns: 80 }).contains(" 46–100 of 100 "));
}

#[test]
fn the_end_says_what_became_of_all() {
    let mut review = review(4, 1);
    review.press(Key::Char('s'));
    for (at, fate) in [(1, Fate::Accepted), (2, Fate::Accepted), (3, Fate::Gone)] {
        review.settle(at, fate);
    }
    review.go_on();
    insta::assert_snapshot!(screen(&mut review, SMALL).trim_end(), @r"
    the end of the list

    2 accepted · 1 skipped · 1 decided
    elsewhere
    what was skipped waits for the next
    review



    Enter, q leave · ← back · u undo
    ");
}

#[test]
fn a_screen_that_is_too_small_says_so() {
    for (rows, columns, said) in [
        (5, 80, "too small: 24×8 at least; q quits\n"),
        (24, 20, "too small: 24×8 at\nleast; q quits\n"),
        (1, 5, "too\n"),
    ] {
        let shown = screen(&mut review(2, 9), Size { rows, columns });
        assert_eq!(shown.trim_end_matches('\n'), said.trim_end_matches('\n'));
    }
}

#[test]
fn every_hint_fits_where_it_is_shown() {
    assert!(
        hint(80).contains("A/R the rest")
            && hint(120).contains("R reject the rest")
            && hint(40).contains("s skip · ? help")
    );
    assert!(HELP.iter().all(|line| width(line) <= 80));
    let mut review = review(1, 1);
    review.press(Key::Char('?'));
    assert!(screen(&mut review, Size { rows: 14, columns: 80 }).ends_with("any key leads back\n"));
    assert!(screen(&mut review, SMALL).contains("q          quit"));
}

proptest! {
    #[test]
    fn a_screen_has_its_size_whatever_is_pressed(
        rows in 0_usize..30, columns in 0_usize..100, count in 1_usize..5, lines in 0_usize..40,
        keys in prop::collection::vec(prop::sample::select("sAyRnpjkgG? uar".chars().collect::<Vec<_>>()), 0..20),
        message in prop::option::of("[a-z ]{0,200}"),
    ) {
        let mut review = review(count, lines);
        for key in keys {
            screen(&mut review, Size { rows, columns });
            review.press(Key::Char(key));
            if review.missing().is_some() {
                review.show(view(lines));
            }
            if let Some(message) = &message {
                review.say(message.as_str());
            }
        }
        screen(&mut review, Size { rows, columns });
    }
}
