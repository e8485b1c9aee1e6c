//! `import`: what other tools have becomes scenarios that play, whole or not at all, and what is left out is said.

use std::io::Write;
use std::process::Stdio;

use serde_json::json;

use crate::support::sandbox::{Ran, Sandbox};
use crate::support::server::Server;

const CHATS: &str = r#"{"id": "Trip #1", "messages": [{"role": "system", "content": "You plan trips."}, {"role": "user", "content": "I like {{ cheap }} trains."}, {"role": "assistant", "content": "Trains it is.\n\nWhere to?"}, {"role": "user", "content": [{"type": "text", "text": "Look at this:"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]}, {"role": "assistant", "content": null, "tool_calls": [{"id": "1", "type": "function", "function": {"name": "find", "arguments": "{}"}}]}, {"role": "tool", "tool_call_id": "1", "content": "{}"}, {"role": "assistant", "content": "That is Lisbon."}, {"role": "user", "content": "How do I get there?"}], "temperature": 0, "model": "gpt-4o-mini"}

{"messages": [{"role": "assistant", "content": "Hello!"}, {"role": "user", "content": "My name is Priya."}, {"role": "assistant", "content": "Hi Priya."}]}
"#;

/// Runs the binary with a text on its standard input.
fn piped(sandbox: &Sandbox, arguments: &[&str], input: &str) -> Ran {
    let mut command = sandbox.command(arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    Ran::from(child.wait_with_output().unwrap())
}

/// What an import made and said, as one text.
fn shown(sandbox: &Sandbox, ran: &Ran, folder: &str) -> String {
    let files = sandbox.files(folder);
    let files = files.iter().map(|file| format!("=== {folder}/{file}\n{}", sandbox.read(&format!("{folder}/{file}"))));
    format!("{}--- standard error\n{}\n{}", ran.stdout, ran.stderr, files.collect::<Vec<_>>().concat())
}

#[test]
fn chats_become_scenarios_that_play() {
    let sandbox = Sandbox::new();
    sandbox.write("chats.jsonl", CHATS);
    let ran = sandbox.run(&["import", "openai-chat", "chats.jsonl"]).expect(0);
    insta::assert_snapshot!(shown(&sandbox, &ran, "imported"));
    sandbox.run(&["check", "imported"]).expect(0);
    sandbox.run(&["run", "imported"]).expect(0);
    let users: Vec<String> = sandbox.rows("transcripts.csv").into_iter().map(|row| row["user"].clone()).collect();
    assert_eq!(users, ["My name is Priya.", "I like {{ cheap }} trains.", "Look at this:", "How do I get there?"]);
}

#[test]
fn canned_replies_leave_one_call_a_conversation_which_is_sent_the_recording() {
    let server = Server::saying("By train.");
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("chats.jsonl", CHATS.lines().next().unwrap());
    sandbox.run(&["import", "openai-chat", "chats.jsonl", "--replies", "canned", "-o", "replayed"]).expect(0);
    sandbox.run(&["run", "replayed"]).expect(0);
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    let said = |role: &str, content: &str| (role.to_owned(), content.to_owned());
    assert_eq!(
        requests[0].messages(),
        [
            said("system", "You plan trips."),
            said("user", "I like {{ cheap }} trains."),
            said("assistant", "Trains it is.\n\nWhere to?"),
            said("user", "Look at this:"),
            said("assistant", "That is Lisbon."),
            said("user", "How do I get there?"),
        ]
    );
    assert_eq!(requests[0].body["temperature"].as_f64(), Some(0.0));
}

#[test]
fn a_file_with_anything_wrong_in_it_makes_nothing_and_all_of_it_is_said() {
    let sandbox = Sandbox::new();
    let lines = [
        r#"{"messages": [{"role": "user", "content": "Hi"}]}"#,
        "{\"messages\": [",
        "[]",
        r#"{"messages": "Hi"}"#,
        r#"{"messages": [{"role": "narrator", "content": "Once"}]}"#,
        r#"{"messages": [{"role": "user", "content": 7}]}"#,
        r#"{"messages": [{"role": "assistant", "content": "Hello!"}]}"#,
    ];
    sandbox.write("chats.jsonl", lines.join("\n"));
    let ran = sandbox.run(&["import", "openai-chat", "chats.jsonl"]).expect(2);
    insta::assert_snapshot!(ran.stderr);
    assert_eq!(ran.stdout, "");
    assert!(!sandbox.has("imported"));
    let mut bytes = lines[0].as_bytes().to_vec();
    bytes.extend(b"\n\xff\n");
    sandbox.write("chats.jsonl", bytes);
    let ran = sandbox.run(&["import", "openai-chat", "chats.jsonl"]).expect(2);
    assert!(ran.stderr.contains("line 2 of chats.jsonl is no text"), "{}", ran.stderr);
    let ran = sandbox.run(&["import", "openai-chat", "nothing.jsonl"]).expect(2);
    assert!(ran.stderr.contains("`nothing.jsonl` cannot be read"), "{}", ran.stderr);
    sandbox.write("chats.jsonl", "\n\n");
    sandbox.run(&["import", "openai-chat", "chats.jsonl"]).expect(4);
}

#[test]
fn nothing_is_overwritten_unless_that_is_asked_for() {
    let sandbox = Sandbox::new();
    sandbox.write("chats.jsonl", CHATS);
    sandbox.write("imported/chats-0002.yaml", "mine");
    let ran = sandbox.run(&["import", "openai-chat", "chats.jsonl"]).expect(2);
    assert!(ran.stderr.contains("`imported/chats-0002.yaml` is there already"), "{}", ran.stderr);
    assert_eq!(sandbox.files("imported"), ["chats-0002.yaml"]);
    assert_eq!(sandbox.read("imported/chats-0002.yaml"), "mine");
    sandbox.run(&["import", "openai-chat", "chats.jsonl", "--force"]).expect(0);
    assert_eq!(sandbox.files("imported"), ["chats-0002.yaml", "chats-trip-1.yaml"]);
    assert_ne!(sandbox.read("imported/chats-0002.yaml"), "mine");
    // A file stands where the folder should be.
    sandbox.write("taken", "");
    sandbox.run(&["import", "openai-chat", "chats.jsonl", "-o", "taken/deep"]).expect(5);
}

#[test]
fn a_strict_import_leaves_nothing_out() {
    let sandbox = Sandbox::new();
    sandbox.write("chats.jsonl", CHATS);
    let ran = sandbox.run(&["import", "openai-chat", "chats.jsonl", "--strict"]).expect(1);
    assert!(ran.stderr.contains("messages[4].tool_calls"), "{}", ran.stderr);
    assert!(!sandbox.has("imported"));
    sandbox.write("whole.jsonl", CHATS.lines().last().unwrap());
    sandbox.run(&["import", "openai-chat", "whole.jsonl", "--strict"]).expect(0);
}

#[test]
fn names_stay_in_the_folder_are_unique_and_the_same_every_time() {
    let sandbox = Sandbox::new();
    let long = "x".repeat(300);
    let ids = ["../../evil", "..", "CON", "a/b", "a b", "A B", "a b-2", "", "日本", &long, &long];
    let line = |id: &str| json!({"id": id, "messages": [{"role": "user", "content": "Hi"}]}).to_string() + "\n";
    sandbox.write("chats.jsonl", ids.map(line).concat());
    sandbox.run(&["import", "openai-chat", "chats.jsonl", "-o", "one"]).expect(0);
    sandbox.run(&["import", "openai-chat", "chats.jsonl", "-o", "two"]).expect(0);
    let files = sandbox.files("one");
    assert_eq!(files.len(), ids.len());
    assert!(files.iter().all(|file| !file.contains('/') && file.starts_with("chats-")), "{files:?}");
    for name in ["evil", "0002", "con", "a-b", "a-b-2", "a-b-3", "a-b-2-2", "0008", "0009"] {
        assert!(files.contains(&format!("chats-{name}.yaml")), "{name}: {files:?}");
    }
    for file in &files {
        assert_eq!(sandbox.read(&format!("one/{file}")), sandbox.read(&format!("two/{file}")));
    }
    assert_eq!(sandbox.files("two"), files);
    sandbox.run(&["check", "one"]).expect(0);
    sandbox.run(&["import", "openai-chat", "chats.jsonl", "-o", "three", "--limit", "2"]).expect(0);
    assert_eq!(sandbox.files("three").len(), 2);
}

#[test]
fn sharegpt_is_read_as_a_list_and_as_lines_from_a_file_and_from_a_pipe() {
    let conversation = json!({"id": 7, "system": "Be brief.", "conversations": [
        {"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello."},
        {"from": "observation", "value": "{}"}, {"from": "human", "value": "Bye"}]});
    let sandbox = Sandbox::new();
    sandbox.write("list.json", json!([conversation, conversation]).to_string());
    let ran = sandbox.run(&["import", "sharegpt", "list.json"]).expect(0);
    assert!(ran.stderr.contains("list-7: conversations[2]: a message from `observation`"), "{}", ran.stderr);
    assert!(ran.stderr.contains("(and 1 more such)"), "{}", ran.stderr);
    assert_eq!(sandbox.files("imported"), ["list-7-2.yaml", "list-7.yaml"]);
    piped(&sandbox, &["import", "sharegpt", "-", "-o", "piped"], &conversation.to_string()).expect(0);
    let file = sandbox.read("piped/sharegpt-7.yaml");
    assert!(file.contains("persona: \"Be brief.\"") || file.contains("persona: Be brief."), "{file}");
    let ran = piped(&sandbox, &["import", "sharegpt", "-", "-o", "cut"], "[{\"conversations\": [").expect(2);
    assert!(ran.stderr.contains("`standard input` is no JSON"), "{}", ran.stderr);
}

const PROMPT: &str = r#"[
  {"role": "system", "content": "You are {{ who }}."},
  {% for completion in _conversation %}
    {"role": "user", "content": "{{ completion.input }}"},
    {"role": "assistant", "content": "{{ completion.output }}"},
  {% endfor %}
  {"role": "user", "content": {{ question | dump }}}
]"#;

const PROMPTFOO: &str = r#"
description: Memory
prompts: ["file://prompts/chat.json", "file://prompts/chat.py"]
providers: [openai:gpt-4o-mini, {id: anthropic:claude}]
defaultTest:
  vars: {who: a librarian}
  assert: [{type: latency, threshold: 3000}, {type: not-icontains, value: as an AI}]
evaluateOptions: {maxConcurrency: 1}
tests:
  - description: Introductions
    vars: {question: "My name is \"Priya\". {% raw"}
    metadata: {conversationId: names, owner: me}
  - vars: {question: Which books do you like?}
    metadata: {conversationId: books}
    assert:
      - {type: contains-any, value: "Emma, \"Love, again\""}
      - {type: javascript, value: output.length < 5}
      - {type: regex, value: "(?=x)y"}
      - {type: word-count, value: {min: 1, max: 80}}
  - vars: {question: What is my name?, name: Priya}
    metadata: {conversationId: names}
    assert:
      - {type: contains, value: "{{name}}", metric: knows the name}
      - {type: not-contains-all, value: [Anna, Ben]}
      - {type: equals, value: 42, weight: 0}
  - vars: {question: [a, b]}
"#;

#[test]
fn the_conversations_of_promptfoo_become_scenarios_with_their_assertions() {
    let server = Server::saying("Emma, Priya.");
    let sandbox = Sandbox::with_bot(&server.base_url());
    sandbox.write("pf/prompts/chat.json", PROMPT);
    sandbox.write("pf/promptfooconfig.yaml", PROMPTFOO);
    let ran = sandbox.run(&["import", "promptfoo", "pf/promptfooconfig.yaml"]).expect(0);
    for part in [
        "providers: `openai:gpt-4o-mini`, `anthropic:claude`",
        "prompts[1]: a prompt, and all tests with it: `prompts/chat.py` is a program or several files",
        "evaluateOptions",
        "tests[0].metadata.owner",
        "tests[1].assert[1]: the assertion `javascript`",
        "tests[1].assert[2]: the assertion `regex`",
        "tests[2].assert[2]: the assertion `equals`: a weight of 0",
        "tests[3].vars.question: promptfoo multiplies the test",
    ] {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
    assert_eq!(sandbox.files("imported"), ["promptfooconfig-books.yaml", "promptfooconfig-names.yaml"]);
    sandbox.run(&["run", "imported"]).expect(0);
    let checks: Vec<String> = sandbox
        .rows("checks.csv")
        .into_iter()
        .map(|row| format!("{} {} {}", row["turn"], row["check"], row["verdict"]))
        .collect();
    for check in ["1 contains_any pass", "1 max_words pass", "1 min_words pass", "2 contains pass", "2 not pass"] {
        assert!(checks.iter().any(|there| there == check), "{check}: {checks:?}");
    }
    let asked = server.requests().iter().find(|request| request.last_user() == "What is my name?").unwrap().messages();
    let said: Vec<&str> = asked.iter().map(|(_, content)| content.as_str()).collect();
    assert_eq!(said, ["You are a librarian.", "My name is \"Priya\". {% raw", "Emma, Priya.", "What is my name?"]);
}

#[test]
fn a_run_of_ours_becomes_scenarios_again() {
    let server = Server::saying("=1+1");
    let sandbox = Sandbox::with_bot(&server.base_url());
    let scenario =
        "trials: 2\nwindows: [2, full]\nturns: [{user: Hi}, {filler: 1}, {user: '+Bye'}]\nprobes: [{user: Really?}]\n";
    sandbox.write("scenarios/talk.yaml", scenario);
    sandbox.run(&["run", "scenarios"]).expect(0);
    let table = sandbox.run_folder().join("transcripts.csv");
    let table = table.to_str().unwrap();
    let ran = sandbox.run(&["import", "transcripts", table, "-o", "live"]).expect(0);
    assert!(ran.stderr.contains("3 more conversations in which the users say the same"), "{}", ran.stderr);
    assert_eq!(sandbox.files("live"), ["transcripts-talk.yaml"]);
    sandbox.run(&["import", "transcripts", table, "-o", "canned", "--replies", "canned"]).expect(0);
    assert_eq!(sandbox.files("canned").len(), 4);
    let file = sandbox.read("canned/transcripts-talk.yaml");
    assert!(file.contains("window:\n  exchanges: 2\n") && file.contains("reply: \"=1+1\""), "{file}");
    let before = server.requests().len();
    sandbox.run(&["run", "live"]).expect(0);
    sandbox.run(&["run", "canned"]).expect(0);
    let asked: Vec<String> =
        server.requests()[before..].iter().map(super::support::server::Request::last_user).collect();
    let count = |text: &str| asked.iter().filter(|asked| *asked == text).count();
    // Canned, the probe alone is asked.
    assert_eq!((count("Hi"), count("+Bye"), count("Really?")), (1, 1, 5), "{asked:?}");
    sandbox.write("other.csv", "a,b\n1,2\n");
    let ran = sandbox.run(&["import", "transcripts", "other.csv"]).expect(2);
    assert!(ran.stderr.contains("`other.csv` has no column `scenario`"), "{}", ran.stderr);
}

const JUDGED: &str = r#"
prompts: ["{{ question }}"]
tests:
  - description: Tone
    vars: {question: Hello}
    metadata: {conversationId: a}
    assert:
      - {type: not-llm-rubric, value: is rude}
      - {type: similar, value: Hi there}
  - description: Later
    vars: {question: And then?}
    metadata: {conversationId: a}
"#;

#[test]
fn the_lines_of_the_config_that_assertions_need_are_named() {
    let sandbox = Sandbox::new();
    sandbox.write("promptfooconfig.yaml", JUDGED);
    let ran = sandbox.run(&["import", "promptfoo", "promptfooconfig.yaml"]).expect(0);
    let later = "tests[1].description: a conversation has the description of its first test alone: \"Later\"";
    assert!(ran.stderr.contains(later), "{}", ran.stderr);
    let file = sandbox.read(&format!("imported/{}", sandbox.files("imported")[0]));
    let lines = ["judge: {model: gpt-4o-mini}", "embedding: {model: text-embedding-3-small}"];
    for line in lines {
        assert!(
            ran.stdout.contains(&format!("add to chat-eval.yaml, with a model that you have: {line}\n")),
            "{}",
            ran.stdout
        );
        assert!(
            file.contains(&format!("# It needs in chat-eval.yaml, with a model that you have: {line}\n")),
            "{file}"
        );
    }
    sandbox.run(&["check", "imported"]).expect(2);
    let model = "models:\n  gpt-4o-mini: {provider: openai}\n  text-embedding-3-small: {provider: openai}\n";
    sandbox.write("chat-eval.yaml", format!("{}\n{model}", lines.join("\n")));
    sandbox.run(&["check", "imported"]).expect(0);
}

#[test]
#[cfg(unix)]
fn a_pipe_that_is_named_as_a_file_is_told_how_it_is_read() {
    let sandbox = Sandbox::new();
    let ran = piped(&sandbox, &["import", "openai-chat", "/dev/stdin"], "").expect(2);
    assert!(ran.stderr.contains("use `-` for standard input: `… | chat-eval import openai-chat -`"), "{}", ran.stderr);
}
