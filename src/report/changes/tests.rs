//! Tests of the module beside this file.

use std::cell::Cell;
use std::convert::Infallible;

use super::*;
use crate::snapshot::{self, Difference, Metadata, Snapshot};

const AROUND: Around<'_> =
    Around { commit: "a1b2c3d4e5f60718293a", base: Base::MergeBase("origin/main"), compared: 34, waiting: 0 };

fn transcript(replies: &[&str], sent: &str, check: &str) -> String {
    let turn = |(n, reply): (i32, &&str)| {
        format!("\nturn {n} · sent: {sent}\nuser\n  Question {n}?\nassistant\n  {}\n", reply.replace('\n', "\n  "))
    };
    let turns: String = (1..).zip(replies).map(turn).collect();
    format!("# s · default · bot · window 2\n\nsystem\n  Be kind.\n{turns}checks\n  {check}")
}

fn compare(old: &str, new: &str) -> Difference {
    let [old, new] = [old, new].map(|text| Snapshot::new(Metadata::default(), text));
    snapshot::compare(&old, &new)
}

type Texts = Vec<(String, String, String)>;

/// The page of snapshots with their names, their old and their new text, which are empty where there is none.
fn page(all: &Texts) -> String {
    let changed: Vec<Changed> = all
        .iter()
        .map(|(path, old, new)| Changed {
            path: path.as_bytes().to_vec(),
            kind: match (old.is_empty(), new.is_empty()) {
                (true, _) => Kind::New,
                (_, true) => Kind::Removed,
                _ => Kind::Differs(compare(old, new)),
            },
        })
        .collect();
    let texts = |path: &[u8]| {
        let (_, old, new) = all.iter().find(|(known, ..)| known.as_bytes() == path).unwrap();
        Ok::<_, Infallible>((old.clone(), new.clone()))
    };
    render(&changed, AROUND, texts).unwrap()
}

fn snapshot(path: &str, old: &str, new: &str) -> (String, String, String) {
    (format!("s/snapshots/{path}@default.bot.2.snap"), old.into(), new.into())
}

#[test]
fn verdicts_come_first_then_what_was_sent_then_the_words() {
    let kept = "✓ forgets name · forgotten · distance 2";
    let base = transcript(&["One.", "Two.", "Three."], "system, u1", kept);
    let all = vec![
        snapshot("a-words", &base, &transcript(&["One.", "Two, dear.", "Three."], "system, u1", kept)),
        snapshot("b-sent", &base, &transcript(&["One.", "Two.", "Three."], "system, a1, u1", kept)),
        snapshot("c-better", &transcript(&["One."], "u1", "✗ asks true"), &transcript(&["One?"], "u1", "✓ asks true")),
        snapshot("d-new", "", &base),
        snapshot(
            "e-worse",
            &base,
            &transcript(&["One.", "Two.", "Priya!"], "system, u1", "✗ forgets name · leaked · distance 2"),
        ),
        snapshot("f-removed", &base, ""),
    ];
    insta::assert_snapshot!(page(&all));
}

#[test]
fn nothing_that_changed_is_said_in_one_line() {
    let page = page(&Vec::new());
    assert_eq!(
        page,
        "<!-- chat-eval diff -->\n\n### chat-eval: no snapshot changed (34 snapshots)\n\n\
         since `a1b2c3d4e5f6`, where `HEAD` left `origin/main`\n"
    );
    let none = |_: &[u8]| Ok::<_, Infallible>((String::new(), String::new()));
    let around = Around { base: Base::Revision("v1 `x`"), ..AROUND };
    assert!(render(&[], around, none).unwrap().contains("since `` v1 `x` `` (`a1b2c3d4e5f6`)"));
}

#[test]
fn what_waits_for_review_is_said_before_all_else() {
    let none = |_: &[u8]| Ok::<_, Infallible>((String::new(), String::new()));
    for (waiting, said) in
        [(1, "1 snapshot waits for review and is not compared: `"), (1_200, "1,200 snapshots wait for")]
    {
        let page = render(&[], Around { waiting, ..AROUND }, none).unwrap();
        assert!(page.contains(&format!("(34 snapshots)\n\n{said}")) && page.contains("`chat-eval review`"), "{page}");
    }
}

#[test]
fn a_new_transcript_is_shown_folded_away_and_a_long_one_cut() {
    let text = transcript(&["Hello ```", "::error::x"], "u1", "✓ asks true");
    let page_of_new = page(&vec![snapshot("a", "", &text), snapshot("b", "", &text)]);
    let block =
        "#### New\n\n`s/snapshots/a@default.bot.2.snap`\n\n<details><summary>18 lines</summary>\n\n````text\n# s · ";
    assert!(page_of_new.contains(block), "{page_of_new}");
    assert!(page_of_new.contains("\n  Hello ```\n") && page_of_new.contains("\n  \\::error::x\n"), "{page_of_new}");
    assert_eq!(page_of_new.matches("<details>").count(), 2);
    assert_eq!(page_of_new.matches("#### New").count(), 1);
    let huge = transcript(&[&"word\n".repeat(60_000)], "u1", "✓ asks true");
    let page_of_huge = page(&vec![snapshot("a", "", &huge)]);
    assert!(page_of_huge.chars().count() < ONE + 1_000 && page_of_huge.contains(" more lines\n"), "{page_of_huge}");
    // Those that have no room any more are named.
    let all: Texts = (0..30).map(|n| snapshot(&format!("{n}"), "", &huge)).collect();
    let page_of_many = page(&all);
    assert!(page_of_many.contains("#### New, and too much for this page\n\n- `"), "{page_of_many}");
    assert!(page_of_many.chars().count() <= PAGE);
}

#[test]
fn a_long_reply_is_folded_away_and_a_very_long_one_cut() {
    let long = |word: &str| transcript(&[&format!("{word}\n").repeat(60)], "u1", "✓ asks true");
    let page_of_long = page(&vec![snapshot("a", &long("old"), &long("new"))]);
    assert!(page_of_long.contains("<details><summary>1"), "{page_of_long}");
    let huge = |word: &str| transcript(&[&format!("{word}\n").repeat(60_000)], "u1", "✓ asks true");
    let page_of_huge = page(&vec![snapshot("a", &huge("old"), &huge("new"))]);
    assert!(page_of_huge.chars().count() < ONE + 1_000 && page_of_huge.contains(" more lines\n"), "{page_of_huge}");
    let line = |word: &str| transcript(&[&word.repeat(60_000)], "u1", "✓ asks true");
    let page_of_line = page(&vec![snapshot("a", &line("old"), &line("new"))]);
    assert!(page_of_line.contains("more characters)") && page_of_line.chars().count() < PAGE, "{page_of_line}");
}

#[test]
fn what_a_transcript_says_stays_in_its_fence() {
    let hostile = "@octocat ```\n`````\n</details>\n::error::x\n\u{1b}[2J\u{202e}";
    let all = vec![snapshot(
        "a",
        &transcript(&["One."], "u1", "✓ contains `x` | y · forgotten"),
        &transcript(&[hostile], "u1", "✗ contains `x` | y · leaked"),
    )];
    let page = page(&all);
    assert!(page.contains("\n``````diff\n") && page.contains("\n+  @octocat ```\n+  `````\n+  </details>\n"), "{page}");
    assert!(page.contains("| ``contains `x` \\| y`` | `✓ forgotten` | `✗ leaked` |"), "{page}");
    assert!(!page.contains(['\u{1b}', '\u{202e}']), "{page}");
    // In an unchanged line, the blank in front would not keep a CI service from obeying it.
    let beside = |reply: &str| transcript(&[&format!("::error::x\n{reply}")], "u1", "✓ asks true");
    let page = self::page(&vec![snapshot("a", &beside("a"), &beside("b"))]);
    assert!(page.contains("   \\::error::x\n"), "{page}");
}

#[test]
fn a_page_is_never_longer_than_github_takes_and_names_the_rest() {
    let old = transcript(&["One."], "u1", "✓ forgets name · forgotten");
    let new = transcript(&[&"Another word, 世界. ".repeat(100)], "u2", "✗ forgets name · leaked");
    let all: Texts = (0..3_000)
        .map(|n| {
            let name = format!("{n:04}{}", "n".repeat(120));
            match n % 3 {
                0 => snapshot(&name, &old, &new),
                1 => snapshot(&name, "", &new),
                _ => snapshot(&name, &old, ""),
            }
        })
        .collect();
    let read = Cell::new(0);
    let changed: Vec<Changed> = all
        .iter()
        .map(|(path, old, new)| {
            let kind = match (old.is_empty(), new.is_empty()) {
                (true, _) => Kind::New,
                (_, true) => Kind::Removed,
                _ => Kind::Differs(compare(old, new)),
            };
            Changed { path: path.as_bytes().to_vec(), kind }
        })
        .collect();
    let texts = |_: &[u8]| {
        read.set(read.get() + 1);
        Ok::<_, Infallible>((old.clone(), new.clone()))
    };
    let page = render(&changed, AROUND, texts).unwrap();
    let length = page.chars().count();
    assert!((30_000..=PAGE).contains(&length), "{length} characters");
    assert!(page.contains("### chat-eval: of 34 snapshots, 1,000 changed, 1,000 new, 1,000 removed\n"), "{page}");
    for title in ["New", "Removed", "Changed, and too much for this page"] {
        let (_, list) = page.split_once(&format!("#### {title}\n\n- `")).expect(title);
        let list = list.split("\n####").next().unwrap();
        assert!(list.trim_end().lines().last().unwrap().starts_with("- and "), "{title}:\n{list}");
    }
    assert!(read.get() < 100, "{} transcripts were read for a page that is full", read.get());
}

#[test]
fn a_transcript_that_cannot_be_had_is_an_error() {
    let changed = [Changed { path: b"a".to_vec(), kind: Kind::Differs(compare("# a", "# b")) }];
    assert_eq!(render(&changed, AROUND, |_| Err("gone")), Err("gone"));
}
