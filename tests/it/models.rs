//! Models that cannot be called: what is known before anything is sent ends the run there; what only the server says is kept
//! with everything else, and the run goes on.

use crate::support::answer::Answer;
use crate::support::sandbox::{Ran, Sandbox};
use crate::support::server::Server;

const SCENARIO: &str = "turns:\n  - user: Hello\n    expect: {contains: hi}\n  - user: Bye\n";

fn project(config: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("chat-eval.yaml", config);
    sandbox.write("scenarios/a.yaml", SCENARIO);
    sandbox
}

fn says(ran: &Ran, expected: &[&str]) {
    for text in expected {
        assert!(ran.stderr.contains(text), "{text}\n{}", ran.stderr);
    }
}

#[test]
fn a_missing_key_names_its_variable_and_the_way_without_it() {
    let sandbox = project("model: bot\nmodels:\n  bot: {provider: openai, api_key_env: BOT_KEY}\n");
    let ran = sandbox.run(&["run", "scenarios"]).expect(2);
    says(
        &ran,
        &["error[missing-api-key]: the model `bot` needs the environment variable `BOT_KEY`", "`--model builtin`"],
    );
    assert!(!sandbox.has("results"));
    sandbox.run(&["run", "scenarios", "--model", "builtin", "--snapshots", "off"]).expect(1);
    let blank = sandbox.env("BOT_KEY", "  ");
    says(&blank.run(&["run", "scenarios"]).expect(2), &["error[missing-api-key]"]);
}

#[test]
fn without_a_config_a_name_is_one_of_openais_models_and_needs_its_key() {
    let sandbox = Sandbox::new();
    sandbox.write("a.yaml", format!("model: gpt-4o-mini\n{SCENARIO}"));
    let ran = sandbox.run(&["run", "a.yaml"]).expect(2);
    says(
        &ran,
        &[
            "error[missing-api-key]: the model `gpt-4o-mini` needs the environment variable `OPENAI_API_KEY`",
            "a.yaml:1:8",
        ],
    );
}

#[test]
fn a_model_that_the_config_does_not_list_may_not_be_used() {
    let sandbox = project("models:\n  small: {provider: openai, api_key_env: none}\n");
    let ran = sandbox.run(&["run", "scenarios", "--model", "smal"]).expect(2);
    says(&ran, &["error[unknown-model]: `smal` is no model of this project; did you mean `small`?", "under `models:`"]);
    let ran = sandbox.run(&["run", "scenarios", "--model", "builtin:ecoh"]).expect(2);
    says(&ran, &["did you mean `builtin:echo`?"]);
}

#[test]
fn a_key_goes_to_https_and_to_this_machine_only() {
    let sandbox = project(
        "model: bot\nmodels:\n  bot: {provider: openai, base_url: \"http://models.example/v1\", api_key_env: BOT_KEY}\n",
    )
    .env("BOT_KEY", "sk-very-secret");
    let ran = sandbox.run(&["run", "scenarios"]).expect(2);
    says(&ran, &["error[unusable-model]", "only to https and to loopback"]);
    assert!(!ran.stderr.contains("sk-very-secret"));
}

#[test]
fn certificates_are_read_where_an_address_may_want_them_and_nowhere_else() {
    let server = Server::start(|request| Answer::reply(request, "hi"));
    let unreadable = |sandbox: Sandbox| sandbox.env("SSL_CERT_FILE", "no-such-file.pem");
    let sandbox = unreadable(Sandbox::with_bot(&server.base_url()));
    sandbox.write("scenarios/a.yaml", SCENARIO);
    sandbox.run(&["run", "scenarios", "--snapshots", "off"]).expect(0);
    // A bot that keeps its history itself is called by the same clients.
    let listens = |scheme: &str| {
        let url = format!("url: \"{scheme}://127.0.0.1:9/{{{{ session }}}}\"");
        let config = format!(
            "model: bot\nmodels:\n  bot: {{provider: http, {url}, body: {{m: \"{{{{ message }}}}\"}}, reply: $.m}}\n"
        );
        unreadable(project(&config)).run(&["run", "scenarios", "--retries", "0"])
    };
    listens("http").expect(3);
    says(&listens("https").expect(2), &["`SSL_CERT_FILE` names `no-such-file.pem`"]);
    let config =
        "model: bot\nmodels:\n  bot: {provider: openai, base_url: \"https://127.0.0.1:9/v1\", api_key_env: none}\n";
    let ran = unreadable(project(config)).run(&["run", "scenarios"]).expect(2);
    says(&ran, &["error[unusable-model]", "`SSL_CERT_FILE` names `no-such-file.pem`, which cannot be used"]);
    // A proxy may want TLS itself.
    let proxied = unreadable(Sandbox::with_bot("http://models.example/v1")).env("HTTP_PROXY", "https://127.0.0.1:9");
    proxied.write("scenarios/a.yaml", SCENARIO);
    says(&proxied.run(&["run", "scenarios"]).expect(2), &["`SSL_CERT_FILE` names `no-such-file.pem`"]);
}

#[test]
fn a_server_that_is_not_there_ends_with_3_and_everything_is_written() {
    // Bound and closed again: nobody listens there.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    drop(listener);
    let sandbox = Sandbox::with_bot(&format!("http://{address}/v1"));
    sandbox.write("scenarios/a.yaml", SCENARIO);
    sandbox
        .write("scenarios/b.yaml", format!("model: builtin\n{}", SCENARIO.replace("contains: hi", "contains: noted")));
    let ran = sandbox.run(&["run", "scenarios", "--retries", "0"]).expect(3);
    assert!(ran.stdout.contains("1 passed, 1 errored"), "{}", ran.stdout);
    assert!(ran.stdout.to_lowercase().contains("connect"), "{}", ran.stdout);
    let rows = sandbox.rows("transcripts.csv");
    assert!(rows.iter().any(|row| row["scenario"] == "a" && row["error"].contains(&address.to_string())), "{rows:?}");
    assert!(rows.iter().any(|row| row["scenario"] == "b" && row["reply"] == "Noted."), "{rows:?}");
    let checks = sandbox.rows("checks.csv");
    assert!(checks.iter().any(|row| row["scenario"] == "a" && row["verdict"] == "unknown"), "{checks:?}");
}

fn refused_by_server(status: u16, code: &'static str, message: &'static str) -> (Ran, usize) {
    let server = Server::start(move |_| Answer::error(status, code, message));
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("scenarios/a.yaml", SCENARIO);
    let ran = sandbox.run(&["run", "scenarios", "-j", "1"]).expect(3);
    (ran, server.requests().len())
}

#[test]
fn a_model_that_the_server_does_not_know_is_not_tried_again() {
    let (ran, requests) = refused_by_server(404, "model_not_found", "The model `test-model` does not exist");
    assert!(ran.stdout.contains("The model `test-model` does not exist"), "{}", ran.stdout);
    assert_eq!(requests, 1);
}

#[test]
fn a_key_that_the_server_refuses_is_not_tried_again() {
    let (ran, requests) = refused_by_server(401, "invalid_api_key", "Incorrect API key provided");
    assert!(ran.stdout.contains("Incorrect API key provided"), "{}", ran.stdout);
    assert_eq!(requests, 1);
}
