//! Tests of the module beside this file.

use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::event::{Attempt, Begin, ConversationDone, TurnDone};
use crate::journal::Writer;
use crate::model::{ConversationKey, End, Source, TurnId, VariantKey};

fn run(conversations: u32) -> Event {
    Event::Run(Box::new(Manifest {
        format: FORMAT,
        run: "20261122T101500Z-3f9a".into(),
        version: "0.1.0".into(),
        arguments: vec!["run".into()],
        started: "2026-11-22T10:15:00Z".into(),
        commit: None,
        plan_digest: "d".into(),
        conversations,
        concurrency: Some(16),
        max_cost_usd: None,
        shard: None,
        planned: None,
        rerun: None,
        recheck: None,
        merged_from: Vec::new(),
        models: std::collections::BTreeMap::new(),
        environment: serde_json::Map::new(),
        scenarios: Vec::new(),
    }))
}

fn begin(plan: u32) -> Event {
    let variant = VariantKey {
        scenario: format!("scenario-{plan}"),
        case: String::new(),
        persona: "default".into(),
        model: "builtin".into(),
        window: "full".into(),
        vars: String::new(),
    };
    Event::Begin(Box::new(Begin {
        plan,
        conversation: format!("id-{plan}"),
        key: ConversationKey { variant, trial: 1 },
        trials: 1,
        pass_rate: 1.0,
        file: "scenarios/a.yaml".into(),
        matrix: serde_json::Map::new(),
        system: None,
        history: Vec::new(),
        turns: 3,
        probes: 0,
        canaries: serde_json::Map::new(),
        params: serde_json::Map::new(),
        snapshot: crate::model::SnapshotRules::default(),
        keeps_history: false,
        is_anew: false,
    }))
}

fn turn(plan: u32, turn: u32, reply: &str) -> Event {
    Event::Turn(Box::new(TurnDone {
        plan,
        turn: TurnId::Turn(turn),
        user: "Hi".into(),
        sent: vec![(0, 1)],
        source: Source::Builtin,
        shared_from: None,
        reply: Some(reply.into()),
        pinned: None,
        chunks: Vec::new(),
        thinking: None,
        finish_reason: None,
        usage: None,
        tokens_full_history: None,
        cost_usd: None,
        reserved_usd: None,
        attempts: 1,
        waited_ms: None,
        latency_ms: Some(0.25),
        ttft_ms: None,
        shared_took: None,
        model_reported: None,
        fingerprint: None,
        error: None,
        model_stopped: false,
    }))
}

fn done(plan: u32) -> Event {
    Event::Conversation(ConversationDone { plan, end: End::Passed, error: None, checks: None, left_out: None })
}

struct Sandbox {
    _folder: TempDir,
    path: PathBuf,
}

impl Sandbox {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        Self { _folder: folder, path }
    }

    fn with(text: &str) -> Self {
        let sandbox = Self::new();
        fs::write(&sandbox.path, text).unwrap();
        sandbox
    }

    fn error(&self) -> String {
        let message = match Reader::open(&self.path) {
            Err(error) => error.to_string(),
            Ok(reader) => reader.records().find_map(Result::err).expect("an error").to_string(),
        };
        message.replace(&self.path.display().to_string(), "JOURNAL")
    }
}

fn lines(events: &[Event]) -> String {
    events.iter().map(|event| serde_json::to_string(event).unwrap() + "\n").collect()
}

fn records(reader: &Reader) -> Vec<Record> {
    reader.records().collect::<Result<_, _>>().unwrap()
}

#[test]
fn ten_thousand_interleaved_conversations_come_back_in_plan_order() {
    const COUNT: u32 = 10_000;
    const IN_FLIGHT: u32 = 64;
    let sandbox = Sandbox::new();
    let mut writer = Writer::create(&sandbox.path, &run(COUNT)).unwrap();
    // Blocks from the last to the first, and within a block one event of each in turn.
    for block in (0..COUNT.div_ceil(IN_FLIGHT)).rev() {
        let plans = || (block * IN_FLIGHT..COUNT.min((block + 1) * IN_FLIGHT)).rev();
        plans().for_each(|plan| writer.append(&[begin(plan)]).unwrap());
        for number in 1..=3 {
            plans().for_each(|plan| writer.append(&[turn(plan, number, &format!("{plan}.{number}"))]).unwrap());
        }
        plans().for_each(|plan| writer.append(&[done(plan)]).unwrap());
    }

    let reader = Reader::open(&sandbox.path).unwrap();
    let mut expected = 0;
    for record in reader.records() {
        let record = record.unwrap();
        assert_eq!(record.begin.plan, expected);
        let replies: Vec<_> = record.turns.iter().filter_map(|turn| turn.reply.as_deref()).collect();
        assert_eq!(replies, [1, 2, 3].map(|number| format!("{expected}.{number}")));
        assert_eq!(record.end(), End::Passed);
        expected += 1;
    }
    assert_eq!(expected, COUNT);
    assert!(!reader.is_torn());
}

#[test]
fn an_acknowledged_event_can_be_read_before_the_journal_is_closed_or_synced() {
    let sandbox = Sandbox::new();
    let mut writer = Writer::create(&sandbox.path, &run(1)).unwrap();
    writer.append(&[begin(0)]).unwrap();
    assert_eq!(records(&Reader::open(&sandbox.path).unwrap()).len(), 1);
    writer.sync().unwrap();
}

#[test]
fn a_journal_torn_anywhere_in_its_last_line_gives_all_the_lines_before_it() {
    let whole = lines(&[run(1), begin(0), turn(0, 1, "Noted.")]);
    let last = lines(&[turn(0, 2, "Grüße, naïve 🤖")]);
    for cut in 1..last.len() {
        let sandbox = Sandbox::new();
        fs::write(&sandbox.path, [whole.as_bytes(), &last.as_bytes()[..cut]].concat()).unwrap();
        let reader = Reader::open(&sandbox.path).unwrap();
        assert!(reader.is_torn(), "cut at {cut}");
        let records = records(&reader);
        assert_eq!(records[0].turns.len(), 1, "cut at {cut}");
        assert_eq!(records[0].end(), End::Interrupted);
    }
}

#[test]
fn a_last_line_that_is_no_json_is_torn_though_it_has_its_line_feed() {
    let sandbox = Sandbox::with(&(lines(&[run(1), begin(0)]) + "\0\0\0\0\n"));
    let reader = Reader::open(&sandbox.path).unwrap();
    assert!(reader.is_torn());
    assert_eq!(records(&reader).len(), 1);
}

/// The story: somebody looked at a journal in an editor, which put line feeds behind it.
#[test]
fn empty_lines_at_the_end_are_no_part_of_it_and_others_are_damage() {
    let whole = lines(&[run(1), begin(0), turn(0, 1, "a"), turn(0, 2, "b"), turn(0, 3, "c"), done(0)]);
    let many = "\n".repeat(READ_AHEAD + 1);
    for tail in ["\n", "\n\n", "\r\n\r\n", "\n \t\n", "\n\n  ", &many] {
        let reader = Reader::open(&Sandbox::with(&(whole.clone() + tail)).path).unwrap();
        assert!(reader.is_torn());
        assert_eq!(reader.whole_length(), whole.len() as u64);
        assert_eq!(records(&reader)[0].end(), End::Passed);
    }
    for more in ["{", &lines(&[done(0)])] {
        let message = Sandbox::with(&format!("{whole}\n\n{more}")).error();
        assert_eq!(message, "line 7 of the journal `JOURNAL` is damaged: it is empty");
    }
}

#[test]
fn a_line_longer_than_what_is_read_at_once_is_one_line() {
    let long = "ä".repeat(READ_AHEAD);
    let whole = lines(&[run(1), begin(0), turn(0, 1, &long), turn(0, 2, "b"), turn(0, 3, "c"), done(0)]);
    let reader = Reader::open(&Sandbox::with(&whole).path).unwrap();
    assert!(!reader.is_torn());
    assert_eq!(records(&reader)[0].turns[0].reply.as_deref(), Some(long.as_str()));
    let torn = lines(&[run(1), begin(0)]) + &lines(&[turn(0, 1, &long)])[..READ_AHEAD + 7];
    assert!(Reader::open(&Sandbox::with(&torn).path).unwrap().is_torn());
}

/// The story: somebody wrote a journal to make the reader ask for more memory than there is.
#[test]
fn what_a_journal_says_of_its_length_takes_no_memory() {
    let mut first = begin(0);
    let Event::Begin(begin) = &mut first else { unreachable!() };
    (begin.turns, begin.probes) = (u32::MAX, u32::MAX);
    let record = Record::with_room((**begin).clone(), usize::MAX);
    assert!(record.turns.capacity() + record.checks.capacity() < 1000);
    assert_eq!(record, Record::new((**begin).clone()));
}

#[test]
fn a_newer_format_is_refused_by_name_even_where_the_rest_of_the_line_is_unknown() {
    let sandbox = Sandbox::with("{\"event\":\"run\",\"format\":2,\"who\":\"knows\"}\n");
    insta::assert_snapshot!(sandbox.error(), @"the journal `JOURNAL` has `format: 2`, and this version of chat-eval reads formats up to 1");
}

#[test]
fn what_has_no_manifest_is_no_journal() {
    for text in ["", "{\"event\":\"ru", "\n", "{}\n", "hello\n", &lines(&[begin(0)])] {
        let sandbox = Sandbox::with(text);
        assert!(matches!(Reader::open(&sandbox.path), Err(JournalError::NoBeginning { .. })), "{text:?}");
    }
}

#[test]
fn a_damaged_line_is_named_by_its_number() {
    let events = |broken: &str| lines(&[run(2), begin(1), begin(0)]) + broken + "\n" + &lines(&[done(0)]);
    for (broken, line) in [
        ("{\"event\":\"turn\",", 4),
        ("", 4),
        ("{\"event\":\"turn\",\"plan\":0}", 4),
        ("{\"event\":\"turn\"}", 4),
        ("{\"event\":\"dream\",\"plan\":0}", 4),
        ("{\"plan\":0}", 4),
    ] {
        let message = Sandbox::with(&events(broken)).error();
        assert!(message.starts_with(&format!("line {line} of the journal `JOURNAL` is damaged: ")), "{message}");
    }
    let unbegun = Sandbox::with(&lines(&[run(2), begin(0), done(1)])).error();
    assert_eq!(unbegun, "line 3 of the journal `JOURNAL` is damaged: its conversation has not begun");
}

#[test]
fn a_turn_that_sent_what_its_conversation_does_not_have_is_damage() {
    let read = |from: u32, to: u32| {
        let Event::Turn(mut first) = turn(0, 1, "a") else { unreachable!() };
        first.sent = vec![(0, 1), (from, to)];
        let events = [run(1), begin(0), Event::Turn(first), turn(0, 2, "b"), turn(0, 3, "c"), done(0)];
        let sandbox = Sandbox::with(&lines(&events));
        let reader = Reader::open(&sandbox.path).unwrap();
        reader.records().next().unwrap().err().map(|error| error.to_string())
    };
    for (from, to) in [(0, u32::MAX), (1, 9), (2, 1)] {
        let told = read(from, to).unwrap();
        assert!(told.starts_with("line 3 of the journal"), "{told}");
        assert!(told.ends_with("is damaged: `sent` names messages that the conversation does not have"), "{told}");
    }
    assert_eq!(read(1, 2), None);
}

#[test]
fn a_place_that_no_plan_has_is_damage() {
    let last = u32::try_from(MOST_CONVERSATIONS).unwrap() - 1;
    let sandbox = Sandbox::with(&lines(&[run(1), begin(last), done(last)]));
    assert_eq!(Reader::open(&sandbox.path).unwrap().places().collect::<Vec<_>>(), [last]);
    insta::assert_snapshot!(Sandbox::with(&lines(&[run(1), begin(last + 1)])).error(), @"line 2 of the journal `JOURNAL` is damaged: no plan has a conversation 67108864");
}

#[test]
fn checks_stand_in_the_order_of_their_index() {
    let check = |index: u32| {
        let text = format!(
            r#"{{"event":"check","plan":0,"turn":1,"index":{index},"check":"contains","expected":"x","verdict":"pass","line":3}}"#
        );
        serde_json::from_str(&text).unwrap()
    };
    let sandbox = Sandbox::with(&lines(&[run(1), begin(0), check(2), check(0), check(1)]));
    let indexes: Vec<u32> = records(&Reader::open(&sandbox.path).unwrap())[0].checks.iter().map(|c| c.index).collect();
    assert_eq!(indexes, [0, 1, 2]);
}

#[test]
fn two_iterations_at_once_do_not_disturb_each_other() {
    let sandbox = Sandbox::with(&lines(&[run(2), begin(0), begin(1), turn(0, 1, "a"), turn(1, 1, "b")]));
    let reader = Reader::open(&sandbox.path).unwrap();
    let alone = records(&reader);
    let (mut one, mut two) = (Vec::new(), Vec::new());
    for (a, b) in reader.records().zip(reader.records()) {
        one.push(a.unwrap());
        two.push(b.unwrap());
    }
    assert_eq!((&one, &two), (&alone, &alone));
}

proptest! {
    #[test]
    fn every_reply_and_error_reads_back_as_it_was(reply in any::<String>(), error in ".*", wait in any::<Option<u64>>()) {
        let attempt = Attempt { plan: 0, turn: TurnId::Turn(1), attempt: 1, status: Some(503), error, latency_ms: None, wait_ms: wait, reserved_usd: None };
        let sandbox = Sandbox::with(&lines(&[
            run(1), begin(0), Event::Attempt(attempt.clone()), turn(0, 1, &reply), turn(0, 2, ""), turn(0, 3, ""), done(0),
        ]));
        let records = records(&Reader::open(&sandbox.path).unwrap());
        prop_assert_eq!(records[0].turns[0].reply.as_deref(), Some(reply.as_str()));
        prop_assert_eq!(&records[0].attempts, &[attempt]);
    }
}

#[test]
fn an_event_reads_the_same_wherever_its_kind_stands() {
    let attempt = Attempt {
        plan: 3,
        turn: TurnId::Turn(1),
        attempt: 1,
        status: None,
        error: "e".into(),
        latency_ms: None,
        wait_ms: None,
        reserved_usd: Some(0.5),
    };
    let check = serde_json::json!({
        "event": "check", "plan": 0, "turn": 1, "index": 7, "check": "contains", "expected": "x", "verdict": "pass", "line": 3,
    });
    let check = serde_json::from_value(check).unwrap();
    for event in [run(1), begin(0), Event::Attempt(attempt), turn(0, 1, "\"event\":\"check\""), check, done(0)] {
        let line = serde_json::to_string(&event).unwrap();
        let mut fields: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&line).unwrap();
        let kind = fields.shift_remove("event").unwrap();
        fields.insert("event".into(), kind);
        let turned = serde_json::to_string(&fields).unwrap();
        assert_ne!(line, turned);
        for line in [line, turned] {
            assert_eq!(Event::read(line.as_bytes()).unwrap(), event, "{line}");
        }
    }
    for line in ["{\"event\":\"turn\"}", "{\"event\":\"turns\"}", "{\"event\":\"check\",", "{}", ""] {
        assert!(Event::read(line.as_bytes()).is_err(), "{line}");
    }
}
