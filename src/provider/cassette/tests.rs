//! What of a recording makes its key, what is written and read back, and what is said of one that is missing.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::event::WireMessage;
use crate::model::{Role, TurnId, Usage};

fn message(role: Role, content: &str) -> WireMessage {
    WireMessage { role, content: content.to_owned() }
}

fn place(persona: &str, trial: u32, turn: u32) -> Place {
    Place {
        case: String::new(),
        persona: persona.to_owned(),
        model: "bot".to_owned(),
        window: "full".to_owned(),
        vars: String::new(),
        trial,
        turn: TurnId::Turn(turn),
        triage: false,
        judge: None,
    }
}

fn reply(text: &str) -> Recorded {
    Recorded {
        text: text.to_owned(),
        chunks: Vec::new(),
        thinking: None,
        finish_reason: Some("stop".to_owned()),
        usage: Some(Usage { sent: 9, reply: 2, estimated: false }),
        model: None,
        fingerprint: None,
    }
}

fn entry(persona: &str, turn: u32, asked: &str, said: &str) -> Entry {
    let (place, messages) = (place(persona, 1, turn), vec![message(Role::System, persona), message(Role::User, asked)]);
    let params = json!({"temperature": 0.0, "max_tokens": 90}).as_object().unwrap().clone();
    let key = Request { model: "bot", messages: &messages, params: &params, trial: 1 }.key(1);
    Entry { key, place, also: Vec::new(), occurrence: 1, params, messages, reply: reply(said) }
}

fn said(cassette: &Cassette) -> Vec<&str> {
    cassette.entries().iter().map(|entry| entry.reply.text.as_str()).collect()
}

#[test]
fn a_key_is_the_hash_of_canonical_json_and_of_all_that_is_sent() {
    use sha2::{Digest, Sha256};
    let messages = [message(Role::System, "Be \"brief\"."), message(Role::User, "Hi ü")];
    let params = json!({"top_p": 0.5, "max_tokens": 9, "extra": {"b": 1, "a": [2]}});
    let asked = Request { model: "bot", messages: &messages, params: params.as_object().unwrap(), trial: 2 };
    let canonical = r#"{"messages":[{"content":"Be \"brief\".","role":"system"},{"content":"Hi ü","role":"user"}],"model":"bot","occurrence":1,"params":{"extra":{"a":[2],"b":1},"max_tokens":9,"top_p":0.5},"trial":2}"#;
    let expected: String =
        Sha256::digest(canonical).iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    assert_eq!(asked.key(1).to_string(), expected);
    let other = json!({"max_tokens": 9});
    let keys = [
        asked.key(1),
        asked.key(2),
        Request { model: "other", ..asked }.key(1),
        Request { messages: &messages[..1], ..asked }.key(1),
        Request { params: other.as_object().unwrap(), ..asked }.key(1),
        Request { trial: 1, ..asked }.key(1),
    ];
    let distinct: HashSet<Key> = keys.into_iter().collect();
    assert_eq!(distinct.len(), keys.len());
}

#[test]
fn what_is_recorded_anew_replaces_what_was_there_and_the_rest_stays_where_it_was() {
    let old = Cassette::new([
        entry("a", 1, "x", "a1"),
        entry("b", 1, "x", "b1"),
        entry("c", 1, "x", "c1"),
        entry("c", 2, "y", "c2"),
    ]);
    // The same requests: in their places.
    let again = old.with(vec![entry("b", 1, "x", "b1 anew")], &HashSet::from([place("b", 1, 0)]));
    assert_eq!(said(&again), ["a1", "b1 anew", "c1", "c2"]);
    // Others: what the conversation had goes.
    let changed = old.with(vec![entry("c", 1, "z", "c1 anew")], &HashSet::from([place("c", 1, 0)]));
    assert_eq!(said(&changed), ["a1", "b1", "c1 anew"]);
    // One that broke off takes nothing away.
    let broken = old.with(vec![entry("c", 1, "z", "c1 anew")], &HashSet::new());
    assert_eq!(said(&broken), ["a1", "b1", "c1", "c2", "c1 anew"]);
    let used: HashSet<Key> = [old.entries()[1].key].into();
    assert_eq!(said(&old.only(&used)), ["b1"]);
}

#[test]
fn pieces_are_those_that_came_or_the_whole_text() {
    let pieces = |text: &str, chunks: &[u32]| -> Vec<String> {
        Recorded { chunks: chunks.to_vec(), ..reply(text) }.pieces().map(str::to_owned).collect()
    };
    assert_eq!(pieces("Bonjour", &[3, 4]), ["Bon", "jour"]);
    assert_eq!(pieces("Bonjour", &[]), ["Bonjour"]);
    for odd in [&[3, 3][..], &[3, 9], &[8], &[u32::MAX, 4]] {
        assert_eq!(pieces("Bonjour", odd), ["Bonjour"], "{odd:?}");
    }
    assert_eq!(pieces("ü!", &[1, 2]), ["ü!"], "not in the middle of a character");
    assert!(pieces("", &[]).is_empty());
}

#[test]
fn the_nearest_recording_is_the_one_that_differs_least() {
    let cassette = Cassette::new([entry("tutor", 1, "What is a map?", "x"), entry("cook", 1, "What is a pot?", "y")]);
    let params = cassette.entries()[0].params.clone();
    let differs = |model: &str, messages: &[WireMessage], trial, occurrence| {
        cassette.difference(&Request { model, messages, params: &params, trial }, occurrence)
    };
    let asked = |system: &str, user: &str| [message(Role::System, system), message(Role::User, user)];
    let table = [
        (
            differs("bot", &asked("cook", "What is a pan?"), 1, 1),
            "cook · bot · window full · trial 1 · turn 1; message 2 (user) differs at character 12: ",
        ),
        (differs("bot", &asked("tutor", "What is a map?"), 2, 1), "it is of trial 1, and this is trial 2"),
        (
            differs("bot", &asked("tutor", "What is a map?"), 1, 2),
            "it was sent once in its conversation, and this is number 2",
        ),
        (differs("new", &asked("tutor", "What is a map?"), 1, 1), "it is of the model `bot`, not `new`"),
        (
            differs("bot", &asked("tutor", "What is a map?")[1..], 1, 1),
            "message 1 is recorded from the system, and sent from the user",
        ),
        (
            differs("bot", &asked("tutors", "What is a map?"), 1, 1),
            "the system message differs at character 6: \"tutor\" is recorded, \"tutors\" is sent",
        ),
    ];
    for (shown, expected) in table {
        assert!(shown.contains(expected), "{expected:?} in {shown}");
    }
    assert_eq!(nearest::difference(&[], &cassette.entries()[0].request(), 1), "nothing is recorded of this scenario");
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(texts in proptest::collection::vec((any::<String>(), any::<String>(), any::<Option<String>>()), 1..6), extra in any::<f64>().prop_filter("JSON has numbers", |number| number.is_finite())) {
        let entries = (1..).zip(texts).map(|(turn, (asked, text, thinking))| {
            let mut entry = entry("p", turn, &asked, &text);
            entry.params.insert("extra".to_owned(), extra.into());
            entry.reply.thinking = thinking;
            entry.key = entry.request().key(entry.occurrence);
            entry
        });
        let cassette = Cassette::new(entries);
        let text = cassette.to_text("s");
        prop_assert_eq!(Cassette::parse(&text).unwrap(), cassette);
        prop_assert_eq!(crate::text::escape::visible(&text), text.as_str());
    }

    #[test]
    fn no_byte_of_a_recording_can_be_changed_unseen(at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let cassette = Cassette::new([entry("p", 1, "Hi", "Hello there"), entry("p", 2, "Ho", "Hey")]);
        let good = cassette.to_text("s");
        let mut bytes = good.clone().into_bytes();
        let at = good.lines().next().unwrap().len() + 1 + at.index(good.len() - good.lines().next().unwrap().len() - 1);
        bytes[at] = to;
        if let Some(Ok(read)) = String::from_utf8(bytes).ok().map(|text| Cassette::parse(&text)) {
            // What is left to change are places, which say for whom it was recorded, and white space.
            let same = |a: &Cassette, b: &Cassette| a.entries().iter().zip(b.entries()).all(|(a, b)| a.reply == b.reply && a.messages == b.messages);
            prop_assert!(same(&read, &cassette));
        }
    }
}

#[test]
fn half_written_files_of_a_killed_process_are_swept_and_those_that_are_written_stay() {
    let folder = tempfile::tempdir().unwrap();
    let cassette = Cassette::new([entry("p", 1, "Hi", "Hello")]);
    let [left, held, short, long, other] =
        [".cassette-aB3dE9", ".cassette-zZ9yY8", ".cassette-x", ".cassette-aB3dE9x", ".other-aB3dE9"]
            .map(|name| folder.path().join(name));
    for path in [&left, &held, &short, &long, &other] {
        std::fs::write(path, "half").unwrap();
    }
    std::fs::create_dir(folder.path().join(".cassette-folder")).unwrap();
    let writing = std::fs::File::open(&held).unwrap();
    writing.lock().unwrap();
    write(&folder.path().join("s.jsonl"), "s", &cassette).unwrap();
    assert!(!left.exists());
    assert!([&held, &short, &long, &other].iter().all(|path| path.exists()));
    drop(writing);
    write(&folder.path().join("s.jsonl"), "s", &cassette).unwrap();
    assert!(!held.exists());
}

#[test]
fn many_that_write_at_once_sweep_nothing_of_one_another() {
    let folder = tempfile::tempdir().unwrap();
    let cassette = Cassette::new([entry("p", 1, "Hi", "Hello")]);
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let (path, cassette) = (folder.path().join(format!("s{writer}.jsonl")), &cassette);
            scope.spawn(move || (0..20).for_each(|_| write(&path, "s", cassette).unwrap()));
        }
    });
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 8);
}
