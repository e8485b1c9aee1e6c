//! Records made by hand, for the tests of the reports.

use tempfile::TempDir;

use crate::event::{
    Attempt, Begin, CheckDone, ConversationDone, Event, FORMAT, Manifest, Record, Retention, ScenarioFile, Stopped,
    TurnDone,
};
use crate::journal::{Reader, Writer};
use crate::model::{ConversationKey, End, Outcome, Source, TurnId, Usage, VariantKey, Verdict, Visibility};

pub(super) const RUN: &str = "20261122T101500Z-3f9a";

/// A conversation that passed, with no turns yet; its fields are changed by the tests that want others.
pub(super) fn record(plan: u32, scenario: &str) -> Record {
    let variant = VariantKey {
        scenario: scenario.into(),
        case: String::new(),
        persona: "default".into(),
        model: "builtin".into(),
        window: "full".into(),
        vars: String::new(),
    };
    let mut record = Record::new(Begin {
        plan,
        conversation: format!("{plan:064}"),
        key: ConversationKey { variant, trial: 1 },
        trials: 1,
        pass_rate: 1.0,
        file: format!("scenarios/{scenario}.yaml"),
        matrix: serde_json::Map::new(),
        system: Some("You are a helpful assistant.".into()),
        history: Vec::new(),
        turns: 1,
        probes: 0,
        canaries: serde_json::Map::new(),
        params: serde_json::Map::new(),
        snapshot: crate::model::SnapshotRules::default(),
        keeps_history: false,
        is_anew: false,
    });
    ended(&mut record, End::Passed);
    record
}

pub(super) fn ended(record: &mut Record, end: End) {
    record.done = Some(ConversationDone { plan: record.begin.plan, end, error: None, checks: None, left_out: None });
}

pub(super) fn key(record: &mut Record) -> &mut VariantKey {
    &mut record.begin.key.variant
}

/// The next turn, with the whole list before it sent.
pub(super) fn turn<'a>(record: &'a mut Record, user: &str, reply: &str) -> &'a mut TurnDone {
    let number = u32::try_from(record.turns.len()).unwrap() + 1;
    let positions = u32::try_from(record.messages().len()).unwrap() + 1;
    record.turns.push(TurnDone {
        plan: record.begin.plan,
        turn: TurnId::Turn(number),
        user: user.into(),
        sent: vec![(0, positions)],
        source: Source::Builtin,
        shared_from: None,
        reply: Some(reply.into()),
        pinned: None,
        chunks: Vec::new(),
        thinking: None,
        finish_reason: Some("stop".into()),
        usage: Some(Usage { sent: 100, reply: 10, estimated: false }),
        tokens_full_history: Some(160),
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
    });
    record.turns.last_mut().unwrap()
}

/// The next check, on the last turn.
pub(super) fn check<'a>(record: &'a mut Record, key: &str, expected: &str, verdict: Verdict) -> &'a mut CheckDone {
    record.checks.push(CheckDone {
        plan: record.begin.plan,
        turn: record.turns.last().map(|turn| turn.turn),
        index: u32::try_from(record.checks.len()).unwrap(),
        check: key.into(),
        name: None,
        expected: expected.into(),
        verdict,
        score: None,
        detail: String::new(),
        known_failure: None,
        retention: None,
        decided_at: None,
        is_open: false,
        line: 12,
        column: matches!(verdict, Verdict::Fail | Verdict::Unknown).then_some(9),
    });
    record.checks.last_mut().unwrap()
}

/// The next check, on the fact `name`.
pub(super) fn retention<'a>(
    record: &'a mut Record,
    key: &str,
    outcome: Outcome,
    verdict: Verdict,
) -> &'a mut CheckDone {
    let is_visible = matches!(outcome, Outcome::Retained | Outcome::Missed);
    let check = check(record, key, "name", verdict);
    check.retention = Some(Retention {
        fact: "name".into(),
        value: "Priya".into(),
        spellings: Vec::new(),
        visible: if is_visible { Visibility::User } else { Visibility::No },
        distance: Some(2),
        recalled: Some(matches!(outcome, Outcome::Retained | Outcome::Leaked)),
        outcome: Some(outcome),
        carrier: is_visible.then_some(1),
    });
    check
}

pub(super) fn events(record: &Record) -> Vec<Event> {
    let begin = Event::Begin(Box::new(record.begin.clone()));
    let attempts = record.attempts.iter().cloned().map(Event::Attempt);
    let turns = record.turns.iter().cloned().map(|turn| Event::Turn(Box::new(turn)));
    let checks = record.checks.iter().cloned().map(|check| Event::Check(Box::new(check)));
    let done = record.done.iter().cloned().map(Event::Conversation);
    [begin].into_iter().chain(attempts).chain(turns).chain(checks).chain(done).collect()
}

pub(super) fn manifest(conversations: u32) -> Manifest {
    Manifest {
        format: FORMAT,
        run: RUN.into(),
        version: "0.1.0".into(),
        arguments: vec!["run".into(), "scenarios".into()],
        started: "2026-11-22T10:15:00Z".into(),
        commit: Some("a1b2c3d".into()),
        plan_digest: "00ff".into(),
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
        scenarios: vec![ScenarioFile {
            name: "a".into(),
            path: "scenarios/a.yaml".into(),
            sha256: "11".into(),
            tags: vec!["memory".into()],
            reads: Vec::new(),
        }],
    }
}

/// A run folder with the journal of these records.
pub(super) fn journal(records: &[Record]) -> (TempDir, Reader) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    let conversations = u32::try_from(records.len()).unwrap();
    let mut writer = Writer::create(&path, &Event::Run(Box::new(manifest(conversations)))).unwrap();
    for record in records {
        writer.append(&events(record)).unwrap();
    }
    writer.append(&[Event::Stop(Stopped { wall_ms: 12_400 })]).unwrap();
    let reader = Reader::open(&path).unwrap();
    (folder, reader)
}

/// A run with one of everything: passed, two kinds of failures, an errored, a skipped and a marked one.
pub(super) fn story() -> Vec<Record> {
    let [mut full, mut orphan, mut wordy, mut broken, mut marked, mut skipped, mut empty] = [
        (0, "whats-my-name"),
        (1, "whats-my-name"),
        (2, "tutor-or-reviewer"),
        (3, "tutor-or-reviewer"),
        (4, "travel-planner"),
        (5, "travel-planner"),
        (6, "travel-planner"),
    ]
    .map(|(plan, scenario)| record(plan, scenario));

    turn(&mut full, "My name is Priya.", "Noted.");
    turn(&mut full, "What's my name?", "Your name is Priya.");
    retention(&mut full, "retains_iff_visible", Outcome::Retained, Verdict::Pass);

    let name = key(&mut orphan);
    (name.model, name.window) = ("small".into(), "2".into());
    turn(&mut orphan, "My name is Priya.", "Nice to meet you!").source = Source::Live;
    turn(
        &mut orphan,
        "How are you?",
        "Hello Priya! I'm an AI language model, so I have no feelings, but I am happy to help you with anything.",
    )
    .source = Source::Live;
    turn(&mut orphan, "Tell me about the weather.", "It is mild.").source = Source::Canned;
    orphan.turns[2].usage = None;
    let last = turn(&mut orphan, "What's my name?", "My name is Priya.");
    (last.source, last.sent, last.tokens_full_history) = (Source::Live, vec![(0, 1), (4, 8)], Some(640));
    let forgets = retention(&mut orphan, "forgets", Outcome::Retained, Verdict::Fail);
    forgets.detail = "still visible in message 2 of 5 (assistant, turn 2, an orphan reply)".into();
    forgets.retention.as_mut().unwrap().carrier = Some(4);
    ended(&mut orphan, End::Failed);

    let name = key(&mut wordy);
    (name.persona, name.model) = ("reviewer".into(), "gpt-4o-mini".into());
    turn(&mut wordy, "What's a dictionary in Python?", "A hash map.").source = Source::Live;
    check(&mut wordy, "contains_any", "[\"hash\", \"map\"]", Verdict::Pass);
    let reply = "Yes. In Python a dictionary key can be any hashable value, so integers, floats and tuples \
                 work as well as strings.\n\n\u{1b}[31mNote\u{1b}[0m that 1 and 1.0 are the same key.\n"
        .to_owned()
        + &"And one more thing. ".repeat(20);
    let wordy_turn = turn(&mut wordy, "Can I use numbers as keys?", &reply);
    (wordy_turn.source, wordy_turn.cost_usd, wordy_turn.latency_ms) = (Source::Live, Some(0.002), Some(4100.0));
    check(&mut wordy, "max_words", "60", Verdict::Fail).detail = "the reply has 111 words".into();
    ended(&mut wordy, End::Failed);

    let name = key(&mut broken);
    (name.persona, name.model) = ("tutor".into(), "gpt-4o-mini".into());
    turn(&mut broken, "What's a dictionary in Python?", "Think of a phone book.").source = Source::Live;
    let call = turn(&mut broken, "Can I use numbers as keys?", "");
    (call.source, call.reply, call.usage, call.attempts) = (Source::Live, None, None, 6);
    call.error = Some("503 Service Unavailable:\n::error::the upstream is on fire".into());
    broken.attempts = vec![Attempt {
        plan: 3,
        turn: TurnId::Turn(2),
        attempt: 1,
        status: Some(503),
        error: "503".into(),
        latency_ms: Some(0.5),
        wait_ms: Some(500),
        reserved_usd: None,
    }];
    check(&mut broken, "max_words", "60", Verdict::Unknown).detail = "the call failed".into();
    ended(&mut broken, End::Errored);

    key(&mut marked).case = "row 7".into();
    turn(&mut marked, "Plan a trip.", "Where to?");
    check(&mut marked, "contains", "\"Lisbon\"", Verdict::KnownFailure).known_failure =
        Some("BOT-12: no memory of cities".into());
    check(&mut marked, "asks", "true", Verdict::Pass);

    key(&mut skipped).vars = "{\"gap\":4}".into();
    ended(&mut skipped, End::Skipped);

    key(&mut empty).vars = "{\"gap\":8}".into();
    turn(&mut empty, "Plan a trip.", "");
    check(&mut empty, "contains", "\"Lisbon\"", Verdict::Unknown).detail = "the reply is empty".into();
    ended(&mut empty, End::Errored);
    vec![full, orphan, wordy, broken, marked, skipped, empty]
}

/// The summary of records.
pub(super) fn summary(records: &[Record]) -> super::Summary {
    let mut builder = super::SummaryBuilder::new();
    for record in records {
        builder.add(record);
    }
    builder.finish()
}
