//! Every kind of check on normal, cut, empty and filtered replies; what is said; and the rules that hold for all.

use proptest::prelude::*;

use super::{Decision, Measured, TurnView, decide};
use crate::event::Retention;
use crate::model::{
    Admits, CheckKind, Fact, FactRef, MatchKind, Message, Origin, Outcome, Pattern, Reply, Role, SentCheck, Text,
    TurnId, Verdict, Visibility,
};

fn text(text: &str) -> Text {
    Text { text: text.into(), case: false }
}

fn exact(text: &str) -> Text {
    Text { text: text.into(), case: true }
}

fn texts(wanted: &[&str]) -> Vec<Text> {
    wanted.iter().map(|wanted| text(wanted)).collect()
}

fn pattern(source: &str) -> Pattern {
    Pattern::new(source).unwrap()
}

fn not(kind: &CheckKind) -> CheckKind {
    CheckKind::Not(Box::new(kind.clone()))
}

fn reply(text: &str, finish_reason: &str) -> Reply {
    Reply { text: text.into(), finish_reason: Some(finish_reason.into()) }
}

/// A turn: `h…` lines are history, with `*` where they are sent; the last user message is always sent.
struct Scene {
    system: Option<Message>,
    history: Vec<Message>,
    is_sent: Vec<bool>,
    user: Message,
    facts: Vec<Fact>,
    tokens_sent: Option<u64>,
}

impl Scene {
    /// Lines `u: …`, `a: …`, `s: …` and, for messages of `history:`, `hu: …`, `ha: …`; with `*` in front those that the
    /// window cut. The last line is the turn's own message.
    fn new(lines: &[&str]) -> Self {
        let (mut system, mut history, mut is_sent) = (None, Vec::new(), Vec::new());
        let (mut turn, mut before) = (0, 0);
        for line in lines {
            let (who, said) = line.trim_start_matches('*').split_once(": ").unwrap();
            if who == "u" {
                turn += 1;
            }
            if who.starts_with('h') {
                before += 1;
            }
            let message = match who {
                "s" => Message::new(Role::System, Origin::System, said),
                "u" => Message::new(Role::User, Origin::User(turn), said),
                "a" => Message::new(Role::Assistant, Origin::Reply(turn), said),
                "hu" => Message::new(Role::User, Origin::History(before), said),
                _ => Message::new(Role::Assistant, Origin::History(before), said),
            };
            if who == "s" {
                system = Some(message);
            } else {
                history.push(message);
                is_sent.push(!line.starts_with('*'));
            }
        }
        let user = history.pop().unwrap();
        Self { system, history, is_sent, user, facts: vec![name(), colour()], tokens_sent: Some(40) }
    }

    fn decide(&self, kind: &CheckKind, reply: &Reply) -> Decision {
        let offset = usize::from(self.system.is_some());
        let kept = self.history.iter().enumerate().filter(|(index, _)| self.is_sent[*index]);
        let kept = kept.map(|(index, message)| (index + offset, message));
        let system = self.system.iter().map(|message| (0, message));
        let (positions, sent): (Vec<usize>, Vec<&Message>) =
            system.chain(kept).chain([(self.history.len() + offset, &self.user)]).unzip();
        decide(
            kind,
            &TurnView {
                turn: TurnId::Turn(9),
                sent: &sent,
                history: &self.history,
                list_positions: &positions,
                reply,
                facts: &self.facts,
                system: self.system.as_ref(),
                keeps_history: false,
                tokens_sent: self.tokens_sent,
                gathered: None,
                measured: Measured::default(),
            },
        )
    }
}

fn name() -> Fact {
    Fact {
        name: "name".into(),
        value: "Priya".into(),
        aliases: vec!["P. Sharma".into()],
        matching: MatchKind::Word,
        regex: None,
        asks: vec![],
        outdated: vec![],
    }
}

fn colour() -> Fact {
    let outdated = vec!["Brown".into(), "Cream".into()];
    Fact { name: "colour".into(), value: "Red".into(), aliases: vec!["Crimson".into()], outdated, ..name() }
}

const NAME: FactRef = FactRef { fact: 0, value: None };
const COLOUR: FactRef = FactRef { fact: 1, value: None };

fn blank() -> Scene {
    Scene::new(&["u: Hello."])
}

use Verdict::{Fail, Pass, Unknown};

/// Of each kind: a text that passes with its verdict when cut there, a text that fails with its verdict when cut there.
fn kinds() -> Vec<(CheckKind, &'static str, Verdict, &'static str, Verdict)> {
    use CheckKind as K;
    vec![
        (K::Contains(texts(&["red", "blue"])), "Red and BLUE", Pass, "only red", Unknown),
        (K::Contains(vec![exact("Red")]), "Red", Pass, "red", Unknown),
        (K::Contains(texts(&["two  words"])), "TWO\nWORDS", Pass, "twowords", Unknown),
        (K::Contains(texts(&[" a "])), "is a word", Pass, "banana", Unknown),
        (K::ContainsAny(texts(&["red", "blue"])), "bluebird", Pass, "green", Unknown),
        (K::NotContains(texts(&["bali"])), "Lisbon", Unknown, "to Bali", Fail),
        (K::NotContains(vec![exact("bali")]), "Bali", Unknown, "bali", Fail),
        (K::NotContainsAny(texts(&["bali", "rome"])), "Lisbon", Unknown, "to Rome", Fail),
        (K::Equals(text("yes, I do")), " Yes, I  DO\n", Unknown, "Yes, I don't", Fail),
        (K::Equals(exact("Yes")), "Yes", Unknown, "yes", Fail),
        (K::Equals(text("yes, I do")), "yes, i do", Unknown, "yes, I", Unknown),
        (K::StartsWith(text("yes, I")), "\nYes, I do", Pass, "No", Fail),
        (K::StartsWith(text("yes, I")), "yes, I", Pass, "Yes", Unknown),
        (K::EndsWith(text("bye")), "Good BYE \n", Unknown, "bye now", Unknown),
        (K::Matches(pattern(r"T-\d+")), "a T-12 b", Pass, "t-12", Unknown),
        (K::Matches(pattern(r"end$")), "the end", Unknown, "the end.", Unknown),
        (K::NotMatches(pattern(r"T-\d+")), "t-12", Unknown, "T-12", Fail),
        (K::MinWords(3), "a b c", Pass, "a b", Unknown),
        (K::MaxWords(2), "a b", Unknown, "a b c", Fail),
        (K::MaxChars(3), "äöü", Unknown, "abcd", Fail),
        (K::MaxSentences(2), "One. Two.", Unknown, "One. Two. Three. Four.", Fail),
        (K::MaxSentences(1), "One.", Unknown, "Approx. 5", Unknown),
        (K::Asks(true), "Why? So.", Pass, "No.", Unknown),
        (K::Asks(false), "No.", Unknown, "Why? So.", Fail),
        (K::Asks(false), "No.", Unknown, "Why `x? So", Unknown),
        (K::Asks(false), "No.", Unknown, "`? ``", Unknown),
        (K::Json(true), "```json\n{\"a\": 1}\n```", Unknown, "{\"a\":", Unknown),
        (K::Json(true), " [1] ", Unknown, "So: ```json\n[1]\n```", Unknown),
        (K::Json(true), "```JSON\r\n1\n```", Unknown, "```yaml\n1\n```", Unknown),
        (K::Json(false), "no", Unknown, "{}", Unknown),
    ]
}

fn inverted(verdict: Verdict) -> Verdict {
    match verdict {
        Pass => Fail,
        Fail => Pass,
        other => other,
    }
}

#[test]
fn every_check_on_text_decides_what_can_be_known() {
    let scene = blank();
    for (kind, good, good_when_cut, bad, bad_when_cut) in kinds() {
        for (said, finish, verdict) in [
            (good, "stop", Pass),
            (bad, "stop", Fail),
            (good, "length", good_when_cut),
            (bad, "length", bad_when_cut),
            ("", "stop", Unknown),
            (" \n", "length", Unknown),
            (good, "content_filter", Unknown),
            (bad, "content_filter", Unknown),
        ] {
            let decision = scene.decide(&kind, &reply(said, finish));
            assert_eq!(decision.verdict, verdict, "{kind:?} on {said:?}, {finish}");
            assert_eq!(decision.detail.is_empty(), verdict == Pass, "{kind:?} on {said:?}, {finish}");
            let opposite = scene.decide(&not(&kind), &reply(said, finish));
            assert_eq!(opposite.verdict, inverted(verdict), "not {kind:?} on {said:?}, {finish}");
            assert_eq!(opposite.detail.is_empty(), opposite.verdict == Pass, "not {kind:?} on {said:?}, {finish}");
        }
    }
}

#[test]
fn a_finish_reason_is_judged_whatever_the_reply_is() {
    let scene = blank();
    let stop = CheckKind::FinishReason("length".into());
    for (said, finish, verdict) in [
        ("a", Some("length"), Pass),
        ("", Some("length"), Pass),
        ("a", Some("content_filter"), Fail),
        ("", Some("stop"), Fail),
        ("a", None, Unknown),
    ] {
        let reply = Reply { text: said.into(), finish_reason: finish.map(str::to_owned) };
        assert_eq!(scene.decide(&stop, &reply).verdict, verdict, "{said:?} {finish:?}");
        assert_eq!(scene.decide(&not(&stop), &reply).verdict, inverted(verdict), "not: {said:?} {finish:?}");
    }
    assert_eq!(scene.decide(&stop, &reply("a", "stop")).detail, "the reply ended with `stop`");
}

#[test]
fn what_was_sent_is_judged_whatever_the_reply_is() {
    let mut scene = Scene::new(&["s: Be kind.", "*u: I'm Priya.", "a: Hi PRIYA!", "u: And now?"]);
    scene.tokens_sent = Some(40);
    let limits = SentCheck::default();
    for (limits, detail) in [
        (SentCheck { contains: texts(&["priya", "kind"]), ..limits.clone() }, ""),
        (SentCheck { contains: texts(&["I'm"]), ..limits.clone() }, "no message sent has \"I'm\""),
        (SentCheck { contains: vec![exact("Priya")], ..limits.clone() }, "no message sent has \"Priya\""),
        (SentCheck { not_contains: texts(&["I'm"]), ..limits.clone() }, ""),
        (
            SentCheck { not_contains: texts(&["priya"]), max_messages: Some(2), ..limits.clone() },
            "message 2 of 3 (assistant, turn 1, an orphan reply) has \"priya\"; 3 messages were sent",
        ),
        (SentCheck { max_messages: Some(3), max_tokens: Some(40), ..limits.clone() }, ""),
        (SentCheck { max_tokens: Some(39), ..limits.clone() }, "40 tokens were sent"),
        (SentCheck { first_role: Some(Role::Assistant), system_first: Some(true), ..limits.clone() }, ""),
        (SentCheck { first_role: Some(Role::User), ..limits.clone() }, "the first message has the role assistant"),
        (SentCheck { system_first: Some(false), ..limits.clone() }, "a system message was sent"),
    ] {
        for reply in [reply("ok", "stop"), reply("", "stop"), reply("x", "content_filter"), reply("x", "length")] {
            let decision = scene.decide(&CheckKind::Sent(limits.clone()), &reply);
            assert_eq!(decision.detail, detail, "{limits:?}");
            assert_eq!(decision.verdict, if detail.is_empty() { Pass } else { Fail }, "{limits:?}");
        }
    }
    let no_system = blank();
    let first = SentCheck { system_first: Some(true), ..SentCheck::default() };
    let none = SentCheck { system_first: Some(false), first_role: Some(Role::User), ..SentCheck::default() };
    assert_eq!(no_system.decide(&CheckKind::Sent(first), &reply("ok", "stop")).detail, "no system message was sent");
    assert_eq!(no_system.decide(&CheckKind::Sent(none), &reply("ok", "stop")).verdict, Pass);

    scene.tokens_sent = None;
    let tokens = SentCheck { max_tokens: Some(9), ..SentCheck::default() };
    let broken = SentCheck { max_messages: Some(1), ..tokens.clone() };
    assert_eq!(scene.decide(&CheckKind::Sent(tokens), &reply("ok", "stop")).verdict, Unknown);
    assert_eq!(scene.decide(&CheckKind::Sent(broken), &reply("ok", "stop")).verdict, Fail);
}

#[test]
fn a_failure_says_what_was_found() {
    use CheckKind as K;
    let scene = blank();
    for (kind, said, score, detail) in [
        (K::MaxWords(1), "two words", Some(2.0), "the reply has 2 words"),
        (K::MinWords(2), "one", Some(1.0), "the reply has 1 word"),
        (K::MaxChars(1), "äö", Some(2.0), "the reply has 2 characters"),
        (K::MaxSentences(1), "A b. C d.", Some(2.0), "the reply has 2 sentences"),
        (K::Contains(texts(&["a", "x", "y"])), "a", None, "the reply does not have \"x\", \"y\""),
        (K::ContainsAny(texts(&["x", "y"])), "a", None, "the reply has none of \"x\", \"y\""),
        (K::ContainsAny(texts(&["x"])), "a", None, "the reply does not have \"x\""),
        (K::NotContains(texts(&["Bali"])), "to bali", None, "the reply has \"Bali\""),
        (K::NotContains(texts(&["Bali"])), "Go\nto bali\n", None, "the reply has \"Bali\" in line 2 of 2"),
        (K::Equals(text("a")), " b ", None, "the reply is \"b\""),
        (K::StartsWith(text("a")), " b ", None, "the reply begins with \"b\""),
        (K::EndsWith(text("a")), " b ", None, "the reply ends with \"b\""),
        (K::Matches(pattern("x+")), "b", None, "the reply has no match"),
        (K::NotMatches(pattern("x+")), "axxb", None, "the reply has the match \"xx\""),
        (K::Asks(true), "b", None, "the reply asks no question"),
        (not(&K::Contains(texts(&["x", "y"]))), "yx", None, "the reply has \"x\", \"y\""),
        (not(&K::MaxWords(2)), "a", Some(1.0), "the reply has 1 word"),
        (not(&K::Asks(false)), "b", None, "the reply asks no question"),
    ] {
        let Decision { verdict, score: measured, detail: told, retention, .. } =
            scene.decide(&kind, &reply(said, "stop"));
        assert_eq!((verdict, measured, told.as_str(), retention), (Fail, score, detail, None), "{kind:?} on {said:?}");
    }
    let cut = scene.decide(&CheckKind::MaxWords(9), &reply("a b", "length"));
    assert_eq!(cut.detail, "the reply was cut off by its length limit; so far the reply has 2 words");
    let long = scene.decide(&CheckKind::EndsWith(text("x")), &reply(&"ä".repeat(500), "stop"));
    assert!(long.detail.chars().count() < 120, "{}", long.detail);
}

/// Requests in which the name is visible in each of the ways.
fn scenes() -> [(Visibility, Option<u32>, Option<u32>, Scene); 6] {
    use Visibility::{Assistant, No, Question, System, User};
    [
        (User, Some(0), Some(0), Scene::new(&["u: I'm Priya.", "a: Hi.", "u: My name?"])),
        (Assistant, Some(0), Some(2), Scene::new(&["s: Be kind.", "*u: I'm Priya.", "a: Hi Priya!", "u: My name?"])),
        (System, None, Some(0), Scene::new(&["s: Serve Priya.", "u: Hi.", "a: Hi.", "u: My name?"])),
        (Question, None, Some(0), Scene::new(&["u: Is my name Priya?"])),
        (No, Some(1), None, Scene::new(&["*u: I'm Priya.", "*a: Hi.", "u: Tea?", "a: Yes.", "u: My name?"])),
        (No, None, None, Scene::new(&["hu: I'm Priyanka.", "ha: Hi.", "u: My name?"])),
    ]
}

#[test]
fn retention_crosses_what_was_sent_with_what_was_recalled() {
    let recalls = CheckKind::Recalls(NAME);
    let forgets = CheckKind::Forgets(NAME, None);
    let iff = CheckKind::RetainsIffVisible(NAME);
    for (visible, distance, carrier, scene) in scenes() {
        let seen = visible.is_visible();
        let either = |yes: Verdict, no: Verdict| if seen { yes } else { no };
        let (told, untold) =
            if seen { (Outcome::Retained, Outcome::Missed) } else { (Outcome::Leaked, Outcome::Forgotten) };
        let table = [
            ("It is Priya.", "stop", Some(true), Some(told), [either(Pass, Fail), Fail, either(Pass, Fail)]),
            ("p. SHARMA", "stop", Some(true), Some(told), [either(Pass, Fail), Fail, either(Pass, Fail)]),
            ("Alice.", "stop", Some(false), Some(untold), [Fail, either(Fail, Pass), either(Fail, Pass)]),
            ("Priya, I", "length", Some(true), Some(told), [either(Pass, Fail), Fail, either(Pass, Fail)]),
            ("It is", "length", None, None, [Unknown, either(Fail, Unknown), Unknown]),
            // It may have been about to say Priyanka.
            ("It is Priya", "length", None, None, [Unknown, either(Fail, Unknown), Unknown]),
            ("", "stop", None, None, [Unknown; 3]),
            ("", "length", None, None, [Unknown; 3]),
            ("Priya", "content_filter", None, None, [Unknown; 3]),
        ];
        for (said, finish, recalled, outcome, verdicts) in table {
            for (kind, verdict) in [&recalls, &forgets, &iff].into_iter().zip(verdicts) {
                let decision = scene.decide(kind, &reply(said, finish));
                let context = format!("{} {visible} on {said:?}, {finish}", kind.key());
                assert_eq!(decision.verdict, verdict, "{context}");
                let evidence = Retention {
                    fact: "name".into(),
                    value: "Priya".into(),
                    spellings: vec!["P. Sharma".into()],
                    visible,
                    distance,
                    recalled,
                    outcome,
                    carrier,
                };
                assert_eq!(decision.retention, Some(evidence), "{context}");
                let opposite = scene.decide(&not(kind), &reply(said, finish));
                assert_eq!(opposite.verdict, inverted(verdict), "not {context}");
                assert_eq!(opposite.retention, decision.retention, "not {context}");
                let is_noted = decision.detail.contains("visible only in the question itself");
                assert_eq!(is_noted, visible == Visibility::Question, "{context}: {}", decision.detail);
                let is_quiet = decision.detail.is_empty();
                assert_eq!(is_quiet, verdict == Pass && visible != Visibility::Question, "{context}");
            }
        }
    }
}

#[test]
fn a_retention_check_that_fails_says_which_it_was_and_why() {
    let recalls = CheckKind::Recalls(NAME);
    let forgets = CheckKind::Forgets(NAME, None);
    let admits = CheckKind::Forgets(NAME, Some(Admits::Phrases));
    let cut = ["s: Be kind.", "*u: I'm Priya.", "*a: Hi.", "a: So?", "u: Tea?", "a: Yes.", "u: My name?"];
    let orphan = ["s: Be kind.", "*u: I'm Priya.", "a: Hi Priya.", "u: Tea?", "a: Yes.", "u: My name?"];
    for (lines, kind, said, detail) in [
        (&cut[..], &forgets, "Priya!", "leaked; \"Priya\" is in the reply but in none of the 5 messages sent"),
        (&cut, &recalls, "p. sharma", "leaked; \"P. Sharma\" is in the reply but in none of the 5 messages sent"),
        (&cut, &recalls, "Alice", "forgotten; none of the 5 messages sent has \"Priya\""),
        (&cut, &admits, "Alice", "invented; the reply does not admit that it does not know"),
        (&orphan, &forgets, "Alice", "still visible in message 2 of 5 (assistant, turn 1, an orphan reply)"),
        (&orphan, &admits, "I don't know.", "still visible in message 2 of 5 (assistant, turn 1, an orphan reply)"),
        (
            &["u: I'm Priya.", "a: Hi.", "u: My name?"],
            &recalls,
            "Alice",
            "missed; visible in message 1 of 3 (user, turn 1), but \"Priya\" is not in the reply",
        ),
        (&["s: Serve Priya.", "u: Me?"], &forgets, "x", "still visible in message 1 of 2 (system)"),
        (&["u: Priya?"], &forgets, "x", "still visible only in the question itself"),
        (
            &["u: Priya?"],
            &recalls,
            "x",
            "missed; visible only in the question itself, but \"Priya\" is not in the reply",
        ),
        (&["hu: I'm Priya.", "u: Me?"], &forgets, "x", "still visible in message 1 of 2 (user, history 1)"),
        (
            &["*hu: I'm Priya.", "ha: Hi Priya.", "u: Me?"],
            &forgets,
            "x",
            "still visible in message 1 of 2 (assistant, history 2, an orphan reply)",
        ),
        // A greeting answers nobody, so it is no orphan.
        (&["ha: Hi Priya.", "u: Me?"], &forgets, "x", "still visible in message 1 of 2 (assistant, history 1)"),
        (&["u: Me?"], &recalls, "x", "forgotten; the one message sent does not have \"Priya\""),
        (&["u: Me?"], &recalls, "Priya", "leaked; \"Priya\" is in the reply but not in the one message sent"),
        (
            &["u: I'm Priya.", "u: Me?"],
            &not(&recalls),
            "Priya",
            "retained; visible in message 1 of 2 (user, turn 1), and \"Priya\" is in the reply",
        ),
        (
            &cut,
            &not(&admits),
            "No idea: I don't know.",
            "forgotten; none of the 5 messages sent has \"Priya\", and the reply admits that it does not know",
        ),
    ] {
        let decision = Scene::new(lines).decide(kind, &reply(said, "stop"));
        assert_eq!((decision.verdict, decision.detail.as_str()), (Fail, detail), "{kind:?} on {said:?}");
    }
    let honest = Scene::new(&cut).decide(&admits, &reply("I don't know. You haven't told me.", "stop"));
    assert_eq!(honest.verdict, Pass);
    // More may come that leaks, so an admission alone does not decide a cut reply.
    let half = Scene::new(&cut).decide(&admits, &reply("I don't know. But", "length"));
    assert_eq!(half.verdict, Unknown);
}

#[test]
fn an_outdated_value_is_stale_and_passes_no_retention_check() {
    let changed = ["u: My bag is Brown.", "a: Noted.", "u: Now Red.", "a: Noted.", "u: Colour?"];
    let window = ["*u: My bag is Brown.", "*a: Noted.", "*u: Now Red.", "*a: Noted.", "u: Colour?"];
    let early = ["u: My bag is Brown.", "a: Red?", "u: Colour?"];
    let none = ["u: Colour?"];
    let both = ["u: Brown turned Red.", "a: Ok.", "u: Colour?"];
    for (lines, said, value, outcome) in [
        (&changed[..], "Red.", "Red", Outcome::Retained),
        (&changed, "crimson", "Red", Outcome::Retained),
        (&changed, "Brown.", "Red", Outcome::Stale),
        (&changed, "Not Brown but Red.", "Red", Outcome::Retained),
        (&changed, "Blue.", "Red", Outcome::Missed),
        // Nobody has said Cream: it is as wrong as Blue.
        (&changed, "Cream.", "Red", Outcome::Missed),
        (&window, "Brown.", "Red", Outcome::Stale),
        (&window, "Red.", "Red", Outcome::Leaked),
        (&window, "Blue.", "Red", Outcome::Forgotten),
        // The bot's own guess changes nothing, and what is yet to come is not outdated.
        (&early, "Brown.", "Brown", Outcome::Retained),
        (&early, "Red.", "Brown", Outcome::Missed),
        (&none, "Brown.", "Red", Outcome::Stale),
        (&none, "Blue.", "Red", Outcome::Forgotten),
        (&both, "Red.", "Red", Outcome::Retained),
    ] {
        let scene = Scene::new(lines);
        let decision = scene.decide(&CheckKind::Recalls(COLOUR), &reply(said, "stop"));
        let evidence = decision.retention.clone().unwrap();
        assert_eq!((evidence.value.as_str(), evidence.outcome), (value, Some(outcome)), "{lines:?} on {said:?}");
        if outcome == Outcome::Stale {
            assert_eq!(decision.detail, format!("stale; the reply has \"Brown\", the present value is \"{value}\""));
            for kind in [CheckKind::Forgets(COLOUR, None), CheckKind::RetainsIffVisible(COLOUR)] {
                let other = scene.decide(&kind, &reply(said, "stop"));
                assert_eq!((other.verdict, other.detail), (Fail, decision.detail.clone()), "{kind:?}");
            }
        }
    }
}

#[test]
fn a_check_may_say_itself_which_value_is_the_present_one() {
    let scene = Scene::new(&["u: My bag is Brown.", "a: Noted.", "u: Now Red.", "a: Noted.", "u: The old colour?"]);
    let brown = CheckKind::Recalls(FactRef { fact: 1, value: Some("brown".into()) });
    for (said, verdict, outcome) in
        [("Brown.", Pass, Outcome::Retained), ("Red.", Fail, Outcome::Stale), ("Cream.", Fail, Outcome::Stale)]
    {
        let decision = scene.decide(&brown, &reply(said, "stop"));
        assert_eq!((decision.verdict, decision.retention.unwrap().outcome), (verdict, Some(outcome)), "{said}");
    }
}

fn any_kind() -> impl Strategy<Value = CheckKind> {
    let of_text = prop::sample::select(kinds().into_iter().map(|row| row.0).collect::<Vec<_>>());
    let of_facts = prop::sample::select(vec![
        CheckKind::Recalls(NAME),
        CheckKind::Forgets(NAME, None),
        CheckKind::Forgets(NAME, Some(Admits::Phrases)),
        CheckKind::RetainsIffVisible(COLOUR),
        CheckKind::FinishReason("stop".into()),
        CheckKind::Sent(SentCheck { max_messages: Some(2), ..SentCheck::default() }),
    ]);
    prop_oneof![3 => of_text, 1 => of_facts]
}

/// Texts of the pieces that the checks above look for, in any order, cut anywhere.
fn any_text() -> impl Strategy<Value = String> {
    let pieces = vec![
        "a",
        "A b",
        " ",
        ".",
        "? ",
        "`",
        "``",
        "\n",
        "1",
        "5. ",
        "red",
        "blue",
        "Bali",
        "yes, I do",
        "bye",
        "T-1",
        "{}",
        "Priya",
        "Brown",
        "Red",
        "https://x.y/?",
        "end",
        "I don't know",
        "é",
        "漢",
    ];
    prop::collection::vec(prop::sample::select(pieces), 0..10).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn not_inverts_what_is_decided_and_decides_nothing_else(
        kind in any_kind(),
        said in any_text(),
        finish in prop::sample::select(vec![None, Some("stop"), Some("length"), Some("content_filter")]),
        scene in 0..6_usize,
    ) {
        let scene = &scenes()[scene].3;
        let reply = Reply { text: said, finish_reason: finish.map(str::to_owned) };
        let (plain, once) = (scene.decide(&kind, &reply), scene.decide(&not(&kind), &reply));
        prop_assert_eq!(once.verdict, inverted(plain.verdict));
        prop_assert_eq!(scene.decide(&not(&not(&kind)), &reply), plain);
    }

    #[test]
    fn what_is_decided_of_a_cut_reply_holds_for_the_whole_one(
        kind in any_kind(),
        beginning in any_text(),
        rest in any_text(),
        scene in 0..6_usize,
    ) {
        prop_assume!(!matches!(kind, CheckKind::FinishReason(_)));
        let scene = &scenes()[scene].3;
        let cut = scene.decide(&kind, &reply(&beginning, "length"));
        let whole = scene.decide(&kind, &reply(&format!("{beginning}{rest}"), "stop"));
        prop_assert!(
            cut.verdict == Unknown || cut.verdict == whole.verdict,
            "{:?}: cut {:?}, whole {:?}", kind, cut, whole
        );
    }
}
