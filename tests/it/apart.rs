//! Conversations that run at once: each keeps its own history, and how many there are at once changes no result.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::sync::Arc;

use crate::support::answer::{Answer, Gate};
use crate::support::sandbox::{Ran, Sandbox};
use crate::support::server::{Request, Server};

const CONVERSATIONS: usize = 64;

fn name(place: usize) -> String {
    format!("Name{place:02}x")
}

fn scenario(conversations: usize) -> String {
    let mut text = "\
persona: You are terse.
facts: {name: \"{{ called }}\"}
turns:
  - user: My name is {{ called }}.
  - user: I work with {{ tool }}.
  - user: What's my name?
    expect: [{retains_iff_visible: name}, {max_words: 3}]
cases:
"
    .to_owned();
    for place in 0..conversations {
        writeln!(text, "  - {{id: c{place:02}, called: {}, tool: tool{place:02}}}", name(place)).unwrap();
    }
    text
}

/// The name that the first user message gives.
fn called(request: &Request) -> String {
    let (_, first) = request.messages().into_iter().find(|(role, _)| role == "user").unwrap();
    first.trim_start_matches("My name is ").trim_end_matches('.').to_owned()
}

/// Three words, so that a stream of words counts as many tokens as a whole reply of this server.
fn reply(request: &Request) -> Answer {
    let turn = request.messages().iter().filter(|(role, _)| role == "user").count();
    Answer::reply(request, &format!("Reply {turn} {}", called(request)))
}

fn assert_own_history(server: &Server, conversations: usize) {
    let mut turns: HashMap<String, usize> = HashMap::new();
    for request in server.requests() {
        let called = called(&request);
        let turn = turns.entry(called.clone()).or_default();
        *turn += 1;
        let place: usize = called[4..6].parse().unwrap();
        let users =
            [format!("My name is {called}."), format!("I work with tool{place:02}."), "What's my name?".to_owned()];
        let mut expected = vec![("system".to_owned(), "You are terse.".to_owned())];
        for (before, user) in users.iter().take(*turn).enumerate() {
            if before > 0 {
                expected.push(("assistant".to_owned(), format!("Reply {before} {called}")));
            }
            expected.push(("user".to_owned(), user.clone()));
        }
        assert_eq!(request.messages(), expected);
    }
    assert_eq!(turns.len(), conversations);
    assert!(turns.values().all(|turns| *turns == 3));
}

#[test]
fn sixty_four_conversations_in_flight_together_never_carry_each_others_names() {
    let server = Server::start(|request| reply(request).until_in_flight(CONVERSATIONS));
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/apart.yaml", scenario(CONVERSATIONS));
    sandbox.run(&["run", "s", "-j", "64"]).expect(0);
    assert_eq!(server.most_in_flight(), CONVERSATIONS);
    assert_own_history(&server, CONVERSATIONS);
}

#[test]
fn no_more_are_in_flight_than_asked_for() {
    const ASKED: usize = 5;
    const ROUNDS: usize = 36;
    // Requests are let go five at a time, when five are there: all five conversations take each step together.
    let gates: Arc<Vec<Gate>> = Arc::new((0..ROUNDS).map(|_| Gate::default()).collect());
    let of_server = Arc::clone(&gates);
    let server = Server::start(move |request| reply(request).delay(&of_server[(request.number - 1) / ASKED]));
    let sandbox = Sandbox::with_bot(&server.base_url());
    let conversations = ROUNDS * ASKED / 3;
    sandbox.write("s/apart.yaml", scenario(conversations));
    let running = sandbox.start(&["run", "s", "-j", "5", "--snapshots", "off"]);
    for (gate, round) in gates.iter().zip(1..) {
        server.wait_for_requests(round * ASKED);
        gate.open();
    }
    running.finish().expect(0);
    assert_eq!(server.most_in_flight(), ASKED);
    assert_own_history(&server, conversations);
}

const VARYING: [&str; 6] = ["run", "latency_ms", "ttft_ms", "latency_p50_ms", "latency_p95_ms", "ttft_p50_ms"];

type Rows = Vec<BTreeMap<String, String>>;

/// The rows of all tables without what may vary, and every snapshot.
fn results(sandbox: &Sandbox) -> (BTreeMap<&'static str, Rows>, BTreeMap<String, String>) {
    let tables = ["transcripts.csv", "checks.csv", "retention.csv", "summary.csv"];
    let rows = tables.map(|table| {
        let mut rows = sandbox.rows(table);
        for row in &mut rows {
            row.retain(|column, _| !VARYING.contains(&column.as_str()));
        }
        (table, rows)
    });
    let snapshots = sandbox.files("s/snapshots").into_iter();
    let snapshots = snapshots.map(|file| (file.clone(), sandbox.read(&format!("s/snapshots/{file}"))));
    (rows.into(), snapshots.collect())
}

#[test]
fn one_at_a_time_many_at_once_and_streaming_give_the_same_rows_and_snapshots() {
    let server = Server::start(reply);
    let one_by_one = Sandbox::with_bot(&server.base_url());
    one_by_one.write("s/apart.yaml", scenario(CONVERSATIONS));
    one_by_one.run(&["run", "s", "-j", "1"]).expect(0);
    assert_eq!(server.most_in_flight(), 1);
    let expected = results(&one_by_one);
    assert_eq!(expected.1.len(), CONVERSATIONS, "a snapshot for every case");
    let cases: Vec<&str> = expected.0["checks.csv"].iter().step_by(2).map(|row| row["case"].as_str()).collect();
    assert!(cases.is_sorted(), "rows stand in plan order");

    let streamed = Sandbox::with_bot(&server.base_url());
    streamed.write("s/apart.yaml", scenario(CONVERSATIONS));
    streamed.run(&["run", "s", "--stream"]).expect(0);
    assert!(results(&streamed) == expected, "a stream gives the same as a whole reply");
    let has_ttft = |sandbox: &Sandbox| sandbox.rows("transcripts.csv").iter().all(|row| !row["ttft_ms"].is_empty());
    assert!(has_ttft(&streamed));
    assert!(one_by_one.rows("transcripts.csv").iter().all(|row| row["ttft_ms"].is_empty()));

    let (scrambled, order) = answered_in_scrambled_order();
    assert!(results(&scrambled) == expected, "the order of answers changes nothing");
    let journal = scrambled.run_folder().join("journal.jsonl");
    let events = std::fs::read_to_string(journal).unwrap();
    let finished: Vec<usize> = events
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter(|event| event["event"] == "turn" && event["turn"] == 1)
        .map(|event| event["plan"].as_u64().unwrap().try_into().unwrap())
        .collect();
    assert_eq!(finished, order, "the journal has them as they were answered");
}

/// All first turns are held, and let go one by one in an order that is not the plan's.
fn answered_in_scrambled_order() -> (Sandbox, Vec<usize>) {
    let gates: Arc<HashMap<String, Gate>> =
        Arc::new((0..CONVERSATIONS).map(|place| (name(place), Gate::default())).collect());
    let of_server = Arc::clone(&gates);
    let server = Server::start(move |request| {
        let is_first = request.messages().len() == 2;
        if is_first { reply(request).delay(&of_server[&called(request)]) } else { reply(request) }
    });
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/apart.yaml", scenario(CONVERSATIONS));
    let running = sandbox.start(&["run", "s", "-j", "64"]);
    server.wait_for_requests(CONVERSATIONS);
    // 37 has no divisor in common with 64: every place comes up once.
    let order: Vec<usize> = (0..CONVERSATIONS).map(|place| (place * 37 + 11) % CONVERSATIONS).collect();
    for place in &order {
        let has_gone_on = |request: &Request| called(request) == name(*place) && request.messages().len() > 2;
        gates[&name(*place)].open();
        server.wait_for(|requests| requests.iter().any(has_gone_on));
    }
    running.finish().expect(0);
    (sandbox, order)
}

#[test]
fn the_longest_conversations_are_begun_first_and_rows_stay_in_plan_order() {
    for (concurrency, first) in [("2", ["Long", "a"]), ("1", ["a", "b"])] {
        // The first two wait for one another where they can, so that no third is begun before them.
        let together = concurrency.parse().expect("a number");
        let server = Server::start(move |request| {
            let answer = Answer::text("Fine.");
            if request.number <= together { answer.until_in_flight(together) } else { answer }
        });
        let sandbox = Sandbox::with_bot(&server.base_url());
        for name in ["a", "b", "c"] {
            sandbox.write(&format!("s/{name}.yaml"), format!("turns:\n  - user: {name}\n"));
        }
        sandbox.write("s/z.yaml", "turns:\n  - user: Long\n  - user: Longer\n  - user: Longest\n");
        sandbox.run(&["run", "s", "-j", concurrency, "--snapshots", "off"]).expect(0);
        let mut begun: Vec<String> = server.requests()[..2].iter().map(Request::last_user).collect();
        begun.sort();
        assert_eq!(begun, first, "-j {concurrency}");
        let rows: Vec<String> = sandbox.rows("transcripts.csv").iter().map(|row| row["scenario"].clone()).collect();
        assert_eq!(rows, ["a", "b", "c", "z", "z", "z"]);
    }
}

/// The story: with the 256 open files that some systems allow at first, a thousand conversations were refused theirs.
#[cfg(unix)]
#[test]
fn more_conversations_are_in_flight_than_files_were_allowed_at_first() {
    let server = Server::start(|_| Answer::text("Hello!").until_in_flight(80));
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", "trials: 80\nturns: [{user: Hi}]");
    let limited = "ulimit -Sn 40; exec \"$0\" \"$@\"";
    let mut command = std::process::Command::new("sh");
    let run = ["run", "s", "-j", "80", "--retries", "0", "--snapshots", "off"];
    command.args(["-c", limited, env!("CARGO_BIN_EXE_chat-eval")]).args(run).current_dir(sandbox.path());
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    Ran::from(command.output().unwrap()).expect(0);
    assert_eq!(server.requests().len(), 80);
}
