//! `plan` says what a run takes at most, and no run takes more; `plan --requests` says what is sent, and that is sent.

use chat_eval::text::tokens::{PER_MESSAGE, Tokenizer};
use serde_json::Value;

use crate::support::answer::{Answer, completion};
use crate::support::sandbox::Sandbox;
use crate::support::server::{Request, Server};

/// What replies have at most, and have.
const LONGEST: usize = 20;

fn count(text: &str) -> usize {
    Tokenizer::default().count(text)
}

/// A reply of just so many tokens, with the usage that a provider counts.
fn longest(request: &Request) -> Answer {
    let text = " word".repeat(LONGEST);
    assert_eq!(count(&text), LONGEST);
    let sent: usize = request.messages().iter().map(|(_, content)| count(content) + PER_MESSAGE).sum();
    let mut body = completion(&text);
    let tokens = (sent + 3, LONGEST);
    body["usage"] = serde_json::json!({"prompt_tokens": tokens.0, "completion_tokens": tokens.1, "total_tokens": tokens.0 + tokens.1});
    Answer::json(&body)
}

fn plan(sandbox: &Sandbox, arguments: &[&str]) -> Vec<Value> {
    let ran = sandbox.run(&[&["plan", "s", "--format", "json"][..], arguments].concat()).expect(0);
    ran.stdout.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

/// Calls, tokens of requests and tokens of replies of the latest run, as its journal has them.
fn taken(sandbox: &Sandbox) -> [u64; 3] {
    let journal = std::fs::read_to_string(sandbox.run_folder().join("journal.jsonl")).unwrap();
    let events = journal.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let calls = events.filter(|event| {
        matches!(event["event"].as_str(), Some("turn" | "call"))
            && matches!(event["source"].as_str(), Some("live" | "builtin"))
    });
    calls.fold([0; 3], |[calls, sent, replies], call| {
        let tokens = |key: &str| call["usage"][key].as_u64().unwrap_or_default();
        [calls + 1, sent + tokens("sent"), replies + tokens("reply")]
    })
}

fn bound(line: &Value) -> [Option<u64>; 3] {
    ["max_calls", "max_tokens_sent", "max_tokens_reply"].map(|key| line[key].as_u64())
}

const WINDOWS: &str = "\
personas: [{name: short, system: Be brief.}, {name: none, system: ''}]
windows: [full, none, 1, {exchanges: 2, orphan_reply: drop}, {past_exchanges: 1}, {messages: 3, pin_first: 1}, {tokens: 70}, {tokens: 60, orphan_reply: drop, pin_first: 1}]
params: {max_tokens: 20}
trials: 2
facts: {name: {canary: person}, city: Rome}
history: [{role: user, content: Hi}, {role: assistant, content: Hello!}]
turns:
  - {user: \"My name is {{ name }}, and I live in Rome.\"}
  - {user: What do you think?, reply: It is a lovely place to live in.}
  - {filler: 2}
  - {user: And what else?}
  - {user: What's my name?, expect: [{retains_iff_visible: name}]}
probes:
  - {user: Where do I live?, expect: [{recalls: city}]}
  - {user: Who am I?}
";

#[test]
fn a_run_whose_replies_are_as_long_as_they_may_be_takes_what_the_plan_says_and_no_more() {
    let server = Server::start(longest);
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", WINDOWS);
    for (window, is_exact) in [
        ("full", true),
        ("none", true),
        ("1", true),
        ("2-drop", true),
        ("past-1", true),
        ("messages-3-pin-1", true),
        ("tokens-70", false),
        ("tokens-60-drop-pin-1", false),
    ] {
        let of_run = ["--window", window, "--no-share"];
        let lines = plan(&sandbox, &of_run);
        let total = bound(lines.last().expect("all variants"));
        sandbox.run(&[&["run", "s", "--snapshots", "off"][..], &of_run].concat()).expect(1);
        let taken = taken(&sandbox);
        for (taken, most) in taken.iter().zip(total) {
            let most = most.expect("a bound");
            assert!(*taken <= most, "{window}: {taken} of {most}");
            assert!(!is_exact || *taken == most, "{window}: {taken} of {most}, which is too much");
        }
    }
    // With triage there may be more, and with turns that are shared less.
    let lines = plan(&sandbox, &["--triage"]);
    sandbox.run(&["run", "s", "--snapshots", "off", "--triage", "--no-share"]).expect(1);
    let with_triage = taken(&sandbox);
    for (taken, most) in with_triage.iter().zip(bound(lines.last().unwrap())) {
        assert!(*taken <= most.expect("a bound"), "{taken} of {most:?}");
    }
    sandbox.run(&["run", "s", "--snapshots", "off", "--triage"]).expect(1);
    assert!(taken(&sandbox)[0] < with_triage[0]);
}

#[test]
fn what_judges_and_embeddings_are_asked_is_in_the_calls_and_their_tokens_have_no_bound() {
    let vector = serde_json::json!({"data": [{"index": 0, "embedding": [1.0, 0.5]}]});
    let server = Server::start(
        move |request| {
            if request.body["input"].is_null() { longest(request) } else { Answer::json(&vector) }
        },
    );
    let sandbox = Sandbox::with_bot(&server.base_url());
    let config = sandbox.read("chat-eval.yaml");
    sandbox.write(
        "chat-eval.yaml",
        format!("{config}judge: {{model: bot, votes: 3, params: {{max_tokens: 20}}}}\nembedding: {{model: bot}}\n"),
    );
    sandbox.write(
        "s/one.yaml",
        "\
params: {max_tokens: 20}
trials: 2
turns:
  - {user: Hello}
  - {user: Bye, expect: [{judge: is kind}, {similar: {to: Bye, min: 0.5, by: embedding}}]}
probes: [{user: Who?, expect: [{judge: {criterion: is short, votes: 1}}]}]
expect: [{always: {judge: is calm}, until: 1}, {judge: is calm}]
",
    );
    let lines = plan(&sandbox, &[]);
    let total = bound(lines.last().expect("all variants"));
    // Of each trial: three of its own, votes of 3 + 1 + 3 + 3, and two texts that are embedded.
    assert_eq!(total, [Some(2 * (3 + 10 + 2)), None, Some(2 * 15 * 20)]);
    let table = sandbox.run(&["plan", "s"]).expect(0).stdout;
    assert!(table.contains("30 calls at most") && table.contains("judges and embeddings are in the calls"), "{table}");
    // What the judge says is no verdict, and it is asked for each all the same.
    sandbox.run(&["run", "s", "--snapshots", "off"]).expect(3);
    assert_eq!(server.requests().len(), 30);
    let [_, _, replies] = taken(&sandbox);
    assert!(replies <= total[2].unwrap(), "{replies}");
    // Who cannot be asked is said by `plan` as by `run`.
    sandbox.write("chat-eval.yaml", config);
    let ran = sandbox.run(&["plan", "s"]).expect(2);
    assert!(ran.stderr.contains("missing-judge") && ran.stderr.contains("missing-embedding"), "{}", ran.stderr);
}

#[test]
fn what_the_embedded_model_takes_is_known_to_the_token() {
    let sandbox = Sandbox::shipped();
    for model in ["builtin", "builtin:echo", "builtin:amnesiac"] {
        let ran = sandbox.run(&["plan", "scenarios", "--model", model, "--format", "json"]).expect(0);
        let lines: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let total = bound(lines.last().unwrap()).map(Option::unwrap);
        let ran = sandbox.run(&["run", "scenarios", "--model", model, "--snapshots", "off"]);
        assert!(matches!(ran.code, Some(0 | 1)), "{}", ran.stderr);
        assert_eq!(taken(&sandbox), total, "{model}");
    }
}

const OUTLINED: &str = "\
persona: Be brief.
windows: [1, 2, full]
params: {max_tokens: 20}
facts: {name: Priya}
history: [{role: user, content: Hi}, {role: assistant, content: Hello!}]
turns:
  - {user: I am Priya.}
  - {user: Lovely day., reply: It is.}
  - {filler: 1}
  - {user: Who am I?, expect: [{retains_iff_visible: name}]}
  - {user: And now?}
probes: [{user: Do you know me?}]
";

#[test]
fn the_requests_that_are_foretold_are_the_requests_that_arrive() {
    let server = Server::start(longest);
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("s/one.yaml", OUTLINED);
    let lines = plan(&sandbox, &["--requests"]);
    sandbox.run(&["run", "s", "--snapshots", "off", "--no-share", "-j", "1"]).expect(1);
    let arrived = server.requests();
    let turns = lines.iter().flat_map(|line| line["turns"].as_array().cloned().unwrap_or_default());
    let foretold: Vec<Value> = turns.filter(|turn| turn["is_sent"] == true).collect();
    assert_eq!(foretold.len(), arrived.len());
    for (turn, request) in foretold.iter().zip(&arrived) {
        let messages = turn["messages"].as_array().unwrap();
        let sent = request.messages();
        assert_eq!(messages.len(), sent.len(), "{turn}");
        for (message, (role, content)) in messages.iter().zip(sent) {
            assert_eq!(message["role"], role.as_str());
            if message["known"] == "whole" {
                assert_eq!(message["content"], content.as_str());
            } else {
                assert_eq!(content, " word".repeat(LONGEST), "a live reply");
            }
        }
    }
}

#[test]
fn each_turn_is_shown_with_what_it_sends_and_what_its_facts_hang_on() {
    let sandbox = Sandbox::shipped();
    let shown = |more: &[&str]| {
        let arguments = ["plan", "scenarios/whats-my-name.yaml", "--model", "builtin", "--requests"];
        sandbox.run(&[&arguments[..], more].concat()).expect(0).stdout
    };
    insta::assert_snapshot!(shown(&[]), @r"
    whats-my-name · default · builtin · window 2                             4 calls, at most 149 tokens
               system   You are a helpful assistant.
      turn 1   system u1                        name: only in the question, u1
               u1       My name is Priya.
      turn 2   system u1 a1 u2                  name: visible in u1
               u2       I work at Google.
      turn 3   system a1 u2 a2 u3   orphan a1   name: only if <reply 1> or <reply 2> repeats it
               u3       I'm learning ML.
      turn 4   system a2 u3 a3 u4   orphan a2   name: only if <reply 2> or <reply 3> repeats it
               u4       What's my name?
               ✓ forgets name: holds unless <reply 2> or <reply 3> repeats it, or <reply 4> has it
    ");
    insta::assert_snapshot!(shown(&["-v", "--window", "1"]), @r"
    whats-my-name · default · builtin · window 1                             4 calls, at most 111 tokens
      turn 1   system u1                  name: only in the question, u1
               system   You are a helpful assistant.
               u1       My name is Priya.
      turn 2   system a1 u2   orphan a1   name: only if <reply 1> repeats it
               system   You are a helpful assistant.
               a1       <reply 1>
               u2       I work at Google.
      turn 3   system a2 u3   orphan a2   name: only if <reply 2> repeats it
               system   You are a helpful assistant.
               a2       <reply 2>
               u3       I'm learning ML.
      turn 4   system a3 u4   orphan a3   name: only if <reply 3> repeats it
               system   You are a helpful assistant.
               a3       <reply 3>
               u4       What's my name?
               ✓ forgets name: holds unless <reply 3> repeats it, or <reply 4> has it
    ");
}

#[test]
fn a_plan_is_a_table_of_its_variants_with_what_has_no_bound() {
    let sandbox = Sandbox::with_bot("http://127.0.0.1:9/v1");
    sandbox.write(
        "chat-eval.yaml",
        "model: bot\nmodels:\n  bot: {provider: openai, model: m, api_key_env: none, price: {input: 1, output: 2}}\n  free: {provider: openai, model: f, api_key_env: none}\n",
    );
    sandbox.write(
        "s/bounded.yaml",
        "models: [bot, free, builtin]\nparams: {max_tokens: 100}\ntrials: 3\nturns: [{user: Hello}, {user: Bye}]\n",
    );
    sandbox.write("s/unbounded.yaml", "windows: [2, {tokens: 50}]\nturns: [{user: Hello}, {user: Bye}]\n");
    sandbox.write(
        "s/captures.yaml",
        "params: {max_tokens: 9}\nturns:\n  - {user: Hello, capture: {x: \"(.)\"}}\n  - {user: \"{{ x }}\"}\n",
    );
    insta::assert_snapshot!(sandbox.run(&["plan", "s"]).expect(0).stdout, @r"
      scenario   persona  model    window     trials  calls      sent   replies      cost
      bounded    default  bot      full            3      6       375       600    $0.002
      bounded    default  free     full            3      6       375       600         –
      bounded    default  builtin  full            3      6        69        12         –
      captures   default  bot      full            1      2  no bound        18  no bound
      unbounded  default  bot      2               1      2  no bound  no bound  no bound
      unbounded  default  bot      tokens-50       1      2        61  no bound  no bound
      in all                                      12     24  no bound  no bound  no bound

    12 conversations, 24 calls at most, no bound on tokens, no bound on cost
    tokens as token windows count them, and 3 a request; without retries
    no bound: `params: {max_tokens: 500}` in a scenario limits its replies, and so what later turns send
    no bound on cost: a model that is called has no `price` in the config
    what a turn captures lengthens later turns, and nothing bounds it
    what variants of a scenario send alike at one place is sent once, and counted for each; see `--no-share`
    what is recorded is not called for, and counted all the same
    ");
    // The same filters as `run`.
    let plan =
        sandbox.run(&["plan", "s", "-k", "bounded", "-k", "model=free", "--trials", "1", "--format", "json"]).expect(0);
    assert_eq!(plan.stdout.lines().count(), 2, "{}", plan.stdout);
    assert!(plan.stdout.contains("\"max_cost_usd\":null"), "{}", plan.stdout);
    sandbox.run(&["plan", "s", "-k", "none"]).expect(4);
    sandbox.run(&["plan", "s", "--model", "other"]).expect(2);
    assert!(!sandbox.has("results"));
}
