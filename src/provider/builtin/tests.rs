//! The embedded model's answers, and that they are what the window let through.

use std::sync::Mutex;

use proptest::prelude::*;

use super::*;
use crate::check::{TurnView, decide};
use crate::model::{CheckKind, FactRef, MatchKind, Origin, Outcome, Params, TurnId};
use crate::provider::AttemptFailed;

#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Observer for Heard {
    fn delta(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }

    fn attempt_failed(&self, attempt: AttemptFailed) {
        panic!("{attempt:?}");
    }
}

fn fact(name: &str, value: &str) -> Fact {
    Fact {
        name: name.into(),
        value: value.into(),
        aliases: vec![],
        matching: MatchKind::Word,
        regex: None,
        asks: vec![],
        outdated: vec![],
    }
}

/// Messages from lines: `s:`, `u:` and `a:` say who speaks.
fn messages(lines: &[&str]) -> Vec<Message> {
    let mut turn = 0;
    let message = |line: &&str| {
        let (who, text) = line.split_once(": ").unwrap();
        match who {
            "s" => Message::new(Role::System, Origin::System, text),
            "a" => Message::new(Role::Assistant, Origin::Reply(turn), text),
            _ => {
                turn += 1;
                Message::new(Role::User, Origin::User(turn), text)
            }
        }
    };
    lines.iter().map(message).collect()
}

fn says(kind: BuiltinKind, facts: &[Fact], lines: &[&str]) -> String {
    Builtin::new(kind).reply(&messages(lines), facts)
}

#[test]
fn the_reader_names_what_stands_before_the_question_and_nothing_else() {
    let mut employer = fact("employer", "Google");
    employer.asks = vec!["where do I work".into()];
    let facts = [fact("name", "Priya"), employer, fact("dog_name", "Rex")];
    let introduced = ["u: I'm priya.", "a: Noted.", "u: I work at Google.", "a: Noted."];
    for (question, reply) in [
        ("u: What's my name?", "Your name is Priya."),
        ("u: Where do I work?", "Your employer is Google."),
        ("u: Tell me my employer and my name", "Your name is Priya. Your employer is Google."),
        ("u: Who am I?", "Your name is Priya. Your employer is Google."),
        ("u: remind me: who am I", "Your name is Priya. Your employer is Google."),
        // `dog name` has the word `name` in it.
        ("u: What is my dog name?", "Your name is Priya."),
        ("u: My dog is Rex.", "Noted."),
        ("u: Whatever.", "Noted."),
        ("u: Is my NAME known？", "Your name is Priya."),
    ] {
        let lines: Vec<&str> = introduced.iter().copied().chain([question]).collect();
        assert_eq!(says(BuiltinKind::Reader, &facts, &lines), reply, "{question}");
    }
    assert_eq!(says(BuiltinKind::Reader, &facts, &["u: Is my name Priya?"]), UNKNOWN);
    assert_eq!(says(BuiltinKind::Reader, &facts, &["s: Priya is here.", "u: My name?"]), "Your name is Priya.");
    assert_eq!(says(BuiltinKind::Reader, &facts, &["s: Be kind."]), NOTED);
}

#[test]
fn of_several_values_the_reader_names_the_one_that_came_up_last() {
    let mut colour = fact("colour", "Red");
    colour.outdated = vec!["Brown".into()];
    for (lines, reply) in [
        (&["u: It is Brown.", "a: Noted.", "u: What colour?"][..], "Your colour is Brown."),
        (&["u: It is Brown.", "a: Noted.", "u: Now Red.", "a: Noted.", "u: What colour?"], "Your colour is Red."),
        (&["u: It is Red.", "a: Noted.", "u: Not Brown.", "a: Noted.", "u: What colour?"], "Your colour is Brown."),
    ] {
        assert_eq!(says(BuiltinKind::Reader, std::slice::from_ref(&colour), lines), reply, "{lines:?}");
    }
}

#[test]
fn the_controls_and_the_echo_answer_as_their_names_say() {
    let facts = [fact("name", "Priya"), fact("employer", "Google")];
    let question = ["u: I'm Priya.", "a: Noted.", "u: What's my name?"];
    let blank = ["u: What's my name?"];
    let statement = ["u: My name is Priya."];
    for (kind, lines, reply) in [
        (BuiltinKind::Echo, &statement[..], "You said: My name is Priya."),
        (BuiltinKind::Echo, &question, "Your name is Priya."),
        (BuiltinKind::Echo, &blank, UNKNOWN),
        (BuiltinKind::Amnesiac, &statement, NOTED),
        (BuiltinKind::Amnesiac, &question, UNKNOWN),
        (BuiltinKind::Omniscient, &statement, NOTED),
        (BuiltinKind::Omniscient, &blank, "Your name is Priya."),
        (BuiltinKind::Omniscient, &["u: Who am I?"], "Your name is Priya. Your employer is Google."),
    ] {
        assert_eq!(says(kind, &facts, lines), reply, "{kind:?} {lines:?}");
    }
}

#[test]
fn without_facts_it_picks_up_what_is_plainly_said() {
    for (lines, reply) in [
        (&["u: Hi! My name is Priya and I work at Google.", "u: What's my name?"][..], "Your name is Priya."),
        (&["u: Hi! My name is Priya and I work at Google.", "u: Where do I work?"], "You work at Google."),
        (&["u: I live in New York, near a park.", "u: Where do I live?"], "You live in New York."),
        (&["u: Please call me Al.", "u: What's my name?"], "Your name is Al."),
        (&["u: My favourite colour is dark red!", "u: my favourite colour?"], "Your favourite colour is dark red."),
        (&["u: My cat is Tom.", "a: Noted.", "u: My cat is Tim.", "u: my cat?"], "Your cat is Tim."),
        (&["a: Your name is Priya.", "u: my name?"], "Your name is Priya."),
        (&["a: You said: My name is Priya.", "u: my name?"], "Your name is Priya."),
        (&["u: My cat is Tom. I work for Google.com.", "u: Well?"], "Your cat is Tom. You work at Google.com."),
        (&["u: Your name is Bot.", "u: my name?"], UNKNOWN),
        (&["u: Is my name Priya?"], UNKNOWN),
    ] {
        assert_eq!(says(BuiltinKind::Reader, &[], lines), reply, "{lines:?}");
    }
}

#[test]
fn its_names_are_known_and_no_others() {
    assert_eq!(Builtin::kind_of("builtin"), Some(BuiltinKind::Reader));
    assert!(Builtin::MODELS.iter().all(|model| Builtin::kind_of(model).is_some()));
    for model in ["", "Builtin", "builtin:", "builtin:reader", "builtin:nope", "gpt-4o-mini"] {
        assert_eq!(Builtin::kind_of(model), None, "{model}");
    }
}

#[test]
fn a_streamed_reply_comes_word_by_word_and_is_the_whole() {
    let list = messages(&["u: I'm Priya.", "u: My name?"]);
    let params = Params { max_tokens: Some(1), ..Params::default() };
    let facts = [fact("name", "Priya")];
    for stream in [true, false] {
        let heard = Heard::default();
        let request = ChatRequest { messages: &list, params: &params, stream, facts: &facts };
        let reply = Builtin::new(BuiltinKind::Reader).chat(request, &heard).now_or_never().unwrap().unwrap();
        let pieces = heard.0.into_inner().unwrap();
        assert_eq!(reply.reply.text, "Your name is Priya.");
        assert_eq!(reply.reply.finish_reason.as_deref(), Some("stop"));
        assert_eq!(pieces, if stream { vec!["Your ", "name ", "is ", "Priya."] } else { vec![] });
        assert_eq!(reply.ttft.is_some(), stream);
        assert!(reply.ttft.is_none_or(|ttft| ttft <= reply.latency));
        assert_eq!(reply.attempts, 1);
        // 10 and 8 bytes are 3 and 2 tokens, 4 more each; the reply's 19 bytes are 5.
        let expected = Usage { sent: 3 + 2 + 2 * tokens::PER_MESSAGE as u64, reply: 5, estimated: true };
        assert_eq!(reply.usage, Some(expected));
    }
}

/// A conversation of so many turns that states the fact where `plants` says so, asks last, and sends the messages of the
/// history that `window` keeps.
fn outcome(kind: BuiltinKind, plants: &[bool], window: &[bool], system: bool) -> (Outcome, bool) {
    let facts = [fact("name", "Priya")];
    let mut history = Vec::new();
    for (turn, &plant) in (1..).zip(plants) {
        let text = if plant { "I am Priya, hello." } else { "I like Priyanka's tea." };
        history.push(Message::new(Role::User, Origin::User(turn), text));
        let reply = Builtin::new(kind).reply(&history, &facts);
        history.push(Message::new(Role::Assistant, Origin::Reply(turn), reply));
    }
    let turn = u32::try_from(plants.len()).unwrap() + 1;
    let user = Message::new(Role::User, Origin::User(turn), "What's my name?");
    let system = Message::new(Role::System, Origin::System, if system { "You serve Priya." } else { "Be kind." });
    let kept = history.iter().zip(window).filter(|(_, keep)| **keep).map(|(message, _)| message);
    let sent: Vec<&Message> = [&system].into_iter().chain(kept).chain([&user]).collect();
    let request: Vec<Message> = sent.iter().copied().cloned().collect();
    let text = Builtin::new(BuiltinKind::Reader).reply(&request, &facts);
    let view = TurnView {
        turn: TurnId::Turn(turn),
        sent: &sent,
        history: &history,
        list_positions: &[],
        reply: &Reply { text, finish_reason: Some("stop".into()) },
        facts: &facts,
        system: Some(&system),
        keeps_history: false,
        tokens_sent: None,
        gathered: None,
        measured: crate::check::Measured::default(),
    };
    let retention = decide(&CheckKind::Recalls(FactRef { fact: 0, value: None }), &view).retention.unwrap();
    let is_carried = request[..request.len() - 1].iter().any(|message| message.content.contains("Priya,"));
    (retention.outcome.unwrap(), is_carried || system.content.contains("Priya."))
}

proptest! {
    #[test]
    fn the_reader_recalls_exactly_what_it_is_sent(
        plants in prop::collection::vec(any::<bool>(), 0..8),
        window in prop::collection::vec(any::<bool>(), 16),
        system in prop::bool::weighted(0.2),
        is_echo in any::<bool>(),
    ) {
        let kind = if is_echo { BuiltinKind::Echo } else { BuiltinKind::Reader };
        let (outcome, is_carried) = outcome(kind, &plants, &window, system);
        prop_assert_eq!(outcome, if is_carried { Outcome::Retained } else { Outcome::Forgotten });
    }
}
