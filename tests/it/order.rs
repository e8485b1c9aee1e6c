//! Which conversation is begun next, and when none is.

use serde_json::Value;

use crate::support::answer::{Answer, Gate};
use crate::support::sandbox::Sandbox;
use crate::support::server::{Request, Server};

/// A sandbox with the models `slow` and `quick` at one server, told apart by the names that it is asked for.
fn two_models(server: &Server) -> Sandbox {
    let sandbox = Sandbox::new();
    let model = |name: &str| {
        let url = server.base_url();
        format!("  {name}: {{provider: openai, model: {name}, base_url: \"{url}\", api_key_env: none}}\n")
    };
    sandbox.write("chat-eval.yaml", format!("models:\n{}{}", model("slow"), model("quick")));
    sandbox
}

fn asked<'r>(requests: &'r [Request], model: &'r str) -> impl Iterator<Item = &'r Request> {
    requests.iter().filter(move |request| request.body["model"] == model)
}

#[test]
fn a_model_that_hangs_does_not_keep_another_waiting() {
    let gate = Gate::default();
    let of_server = gate.clone();
    let server = Server::start(move |request| {
        let answer = Answer::text("Fine.");
        if request.body["model"] == "slow" { answer.delay(&of_server) } else { answer }
    });
    let sandbox = two_models(&server);
    sandbox.write("s/one.yaml", "models: [slow, quick]\ntrials: 12\nturns: [{user: Hi}, {user: More}]");
    let running = sandbox.start(&["run", "s", "-j", "4", "--snapshots", "off"]);
    // All of the quick one's calls are made while the slow one has answered nothing.
    server.wait_for(|requests| asked(requests, "quick").count() == 24);
    assert!(asked(&server.requests(), "slow").all(|request| request.last_user() == "Hi"));
    gate.open();
    running.finish().expect(0);
    assert_eq!(server.requests().len(), 48);
}

#[test]
fn one_at_a_time_two_models_are_played_in_plan_order() {
    let server = Server::saying("Fine.");
    let sandbox = two_models(&server);
    sandbox.write("s/one.yaml", "models: [slow, quick]\ntrials: 2\nturns: [{user: Hi}]");
    sandbox.write("s/two.yaml", "models: [slow, quick]\nturns: [{user: Hi}, {user: More}]");
    sandbox.run(&["run", "s", "-j", "1", "--snapshots", "off"]).expect(0);
    let models: Vec<String> = server.requests().iter().map(|request| request.body["model"].to_string()).collect();
    let expected = ["slow", "slow", "quick", "quick", "slow", "slow", "quick", "quick"];
    assert_eq!(models, expected.map(|model| format!("\"{model}\"")));
}

#[test]
fn the_first_failed_check_stops_the_run_and_what_is_in_flight_is_finished() {
    let gate = Gate::default();
    let of_server = gate.clone();
    // The first turns of two conversations are in flight together. The one that fails is answered first.
    let server = Server::start(move |request| match request.last_user().as_str() {
        "bad" => Answer::text("No.").until_in_flight(2),
        _ => Answer::text("Fine.").delay(&of_server),
    });
    let sandbox = Sandbox::with_bot(&server.base_url());
    let scenario = "\
cases: [{word: bad}, {word: good}, {word: third}, {word: fourth}]
turns:
  - {user: \"{{ word }}\", expect: [{contains: fine}]}
  - {user: More, expect: [{contains: fine}]}
";
    sandbox.write("s/one.yaml", scenario);
    let mut running = sandbox.start(&["run", "s", "-j", "2", "--fail-fast"]);
    running.until_told("stopping at the first failed check: turns in flight are finished");
    gate.open();
    let ran = running.finish().expect(1);
    assert_eq!(server.requests().len(), 2, "no new turn is begun");
    assert!(ran.stdout.contains("2 conversations not begun"), "{}", ran.stdout);
    let verdicts: Vec<String> = sandbox.rows("checks.csv").into_iter().map(|row| row["verdict"].clone()).collect();
    assert_eq!(verdicts, ["fail", "skip", "pass", "skip"]);
    let run: Value = serde_json::from_str(&sandbox.read("results/latest/run.json")).unwrap();
    assert_eq!(run["totals"]["conversations"]["interrupted"], 2);
}

#[test]
fn a_failed_trial_that_the_pass_rate_allows_stops_nothing() {
    let server = Server::start(|request| Answer::text(if request.number == 1 { "No." } else { "Fine." }));
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", "pass_rate: 0.5\ntrials: 4\nturns: [{user: Hi, expect: [{contains: fine}]}]");
    sandbox.run(&["run", "s", "-j", "1", "--fail-fast", "--snapshots", "off"]).expect(0);
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn run_json_says_how_little_time_the_calls_could_have_taken() {
    let server = Server::saying("Fine.");
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", "trials: 6\nturns: [{user: Hi}, {user: More}]");
    sandbox.run(&["run", "s", "-j", "2", "--snapshots", "off"]).expect(0);
    let run: Value = serde_json::from_str(&sandbox.read("results/latest/run.json")).unwrap();
    let latencies: Vec<f64> =
        sandbox.rows("transcripts.csv").iter().map(|row| row["latency_ms"].parse().unwrap()).collect();
    let longest = latencies.chunks(2).map(|turns| turns.iter().sum::<f64>()).fold(0.0, f64::max);
    let bound = longest.max(latencies.iter().sum::<f64>() / 2.0);
    let told = run["bound_ms"].as_f64().unwrap();
    // It is told in whole milliseconds, and the table rounds to some decimals.
    assert!((bound - 1.1..=bound + 0.1).contains(&told), "{told} of {bound}");
    assert!(told <= run["wall_ms"].as_f64().unwrap() + 1.0);
}
