//! What of a request is certain to be at fault, held against conversations that are played.

use proptest::prelude::*;

use super::*;
use crate::model::{Persona, Position, Turn};
use crate::text::tokens::PER_MESSAGE;
use crate::window::choose;

const WINDOWS: [&str; 15] = [
    "full",
    "none",
    "1",
    "2",
    "2-drop",
    "3-pin-1",
    "2-drop-pin-1",
    "2-drop-pin-2",
    "past-1",
    "past-2-pin-1",
    "messages-2",
    "messages-3-drop",
    "tokens-20",
    "tokens-28-drop",
    "tokens-35-pin-1",
];

/// Texts are counted by their words.
fn count(text: &str) -> usize {
    text.split_whitespace().count()
}

/// A script with this history (`u` and `a` for its messages), these turns, canned where they have a reply, and probes.
fn script(system: &str, history: &str, turns: &[Option<&str>], probes: usize) -> Script {
    let turn = |reply: Option<&str>| Turn {
        id: None,
        user: "And this is said.".into(),
        reply: reply.map(Arc::from),
        checks: Vec::new(),
        captures: Vec::new(),
        position: Position::default(),
    };
    let role = |letter| if letter == 'u' { Role::User } else { Role::Assistant };
    Script {
        facts: Vec::new(),
        personas: vec![Persona { name: "default".into(), system: system.into(), checks: Vec::new() }],
        history: history.chars().map(|letter| (role(letter), "So it began.".into())).collect(),
        turns: turns.iter().map(|reply| turn(*reply)).collect(),
        probes: (0..probes).map(|_| turn(None)).collect(),
        each_reply: Vec::new(),
        transcript_checks: Vec::new(),
    }
}

/// For each live turn and probe of a script: whether its request is certain to be at fault, whether its outline is exact, and
/// whether it is at fault where live replies are these, which are taken in turn.
fn played(script: &Script, window: Window, replies: &[&str]) -> Vec<(bool, bool, bool)> {
    let outline = Outline::new(script, &Open::default());
    let system = outline.system(0);
    let mut live = replies.iter().cycle();
    let mut history: Vec<Message> = Vec::new();
    for (n, (role, text)) in (1..).zip(&script.history) {
        history.push(Message::new(*role, Origin::History(n), Arc::clone(text)));
    }
    let mut all = Vec::new();
    for asked in &outline.asked {
        let tokens = |message: &Message| count(&message.content) + PER_MESSAGE;
        if asked.turn.reply.is_none() {
            let Some(sent) = outline.sent(asked, system.as_ref(), window, &count) else { return all };
            let Ok(choice) = choose(window, system.as_ref(), &history, &asked.question, &tokens) else { return all };
            let chosen = choice.history.iter().map(|at| &history[*at]);
            let list = system.iter().chain(chosen).chain([&asked.question]);
            let is_at_fault = fault(list.map(|message| (message.role, Some(&*message.content))), true).is_some();
            let is_certain = certain(&outline, asked, system.as_ref(), &sent).is_some();
            let is_kept = Order::of(&outline).is_kept(&outline, asked, system.as_ref(), &sent);
            assert_eq!(is_kept, sent.is_exact() && !is_certain, "counting tells the same as looking");
            all.push((is_certain, sent.is_exact(), is_at_fault));
        }
        let TurnId::Turn(number) = asked.number else { continue };
        let reply = asked.turn.reply.as_deref().unwrap_or_else(|| live.next().copied().unwrap_or_default());
        history.push(asked.question.clone());
        history.push(Message::new(Role::Assistant, Origin::Reply(number), reply));
    }
    all
}

#[test]
fn each_window_is_at_fault_where_it_cuts_a_question_from_its_reply() {
    let turns = [None; 4];
    let of = |label: &str, history: &str| {
        let script = script("Be kind.", history, &turns, 1);
        let faults = played(&script, label.parse().unwrap(), &["Fine."]);
        assert!(faults.iter().all(|(is_certain, _, is_at_fault)| is_certain == is_at_fault), "{label}");
        faults.iter().map(|(is_certain, ..)| if *is_certain { '!' } else { '.' }).collect::<String>()
    };
    for (label, history, expected) in [
        ("full", "", "....."),
        ("none", "", "....."),
        ("1", "", ".!!!!"),
        ("2", "", "..!!!"),
        ("2-drop", "", "....."),
        ("past-2", "", "....."),
        ("messages-3", "", "....."),
        ("2-drop-pin-1", "", "..!!!"),
        ("2-drop-pin-2", "", "....."),
        ("full", "ua", "....."),
        ("full", "a", "!!!!!"),
        ("full", "u", "!!!!!"),
        ("full", "uua", "!!!!!"),
        ("past-1", "a", "!...."),
    ] {
        assert_eq!(of(label, history), expected, "{label} with {history:?}");
    }
}

#[test]
fn a_blank_text_is_found_in_the_system_prompt_and_in_a_canned_reply() {
    let is_certain =
        |script: &Script| played(script, Window::FULL, &["Fine."]).iter().any(|(is_certain, ..)| *is_certain);
    assert!(!is_certain(&script("", "", &[Some("Noted."), None], 0)));
    assert!(is_certain(&script(" \n", "", &[None], 0)));
    assert!(is_certain(&script("", "", &[Some(" "), None], 0)));
    assert!(!is_certain(&script("", "", &[Some(" ")], 0)), "nothing is sent");
}

proptest! {
    #[test]
    fn what_is_certain_comes_true_and_what_is_exact_is_found(
        system in prop::sample::select(vec!["", "Be kind."]),
        history in "[ua]{0,4}",
        turns in prop::collection::vec(prop::sample::select(vec![None, None, Some("Noted, of course."), Some(" ")]), 1..6),
        probes in 0_usize..3,
        window in prop::sample::select(WINDOWS.to_vec()),
        replies in prop::collection::vec(prop::sample::select(vec!["Fine.", "I see, and I shall think of it for long."]), 1..4),
    ) {
        let script = script(system, &history, &turns, probes);
        for (is_certain, is_exact, is_at_fault) in played(&script, window.parse().unwrap(), &replies) {
            prop_assert!(!is_certain || is_at_fault, "what is certain comes true");
            prop_assert!(is_certain || !is_exact || !is_at_fault, "what is known is found");
        }
    }
}
