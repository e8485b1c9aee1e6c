//! No key of any provider is written or shown: each service in its own shapes, plain and streamed, with its errors, and bots that keep
//! their history themselves, with a key in a header and in a program's environment. Each says the key that it was given in every
//! spelling and every place that its answers have, and each byte that is written or said is searched, as `secrets.rs` does it.
#![cfg(unix)]

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::chat::talk;
use crate::secrets::{Searched, TELLTALE, percent, quotes};
use crate::support::answer::{Answer, completion, delta, event, finish};
use crate::support::sandbox::Sandbox;
use crate::support::server::{Request, Server};

const KEYS: [(&str, &str); 5] = [
    ("ANTHROPIC_API_KEY", r#"sk-ant-"Q9\z/q+w=3&<k>%x'~AbCdEfGh01234"#),
    ("GEMINI_API_KEY", r#"AIzaSy-"W8\y/r+v=4&<l>%u'~IjKlMnOp56789"#),
    ("AZURE_OPENAI_API_KEY", "c2stYXp1cmUtMDEyMzQ1Njc4OWFiY2RlZkdI/w=="),
    ("MY_BOT_KEY", r#"bot-"E7\x/s+u=5&<m>%t'~QrStUvWx01357"#),
    ("MY_PROGRAM_KEY", r#"prog-"R6\w/t+t=6&<n>%s'~YzAbCdEf24680"#),
];
/// So many letters stand before a key where a text is cut behind 120, 200 or 300, so that the cut goes through the key.
const PADS: [usize; 3] = [95, 175, 275];

#[derive(Clone, Copy, PartialEq)]
enum Service {
    Anthropic,
    Gemini,
    Azure,
    Bot,
}

impl Service {
    fn of(request: &Request) -> Self {
        match &request.path {
            path if path == "/v1/messages" => Self::Anthropic,
            path if path.starts_with("/v1beta/models/") => Self::Gemini,
            path if path.starts_with("/openai/deployments/") => Self::Azure,
            path if path == "/chat" => Self::Bot,
            path => panic!("{path}"),
        }
    }

    fn key(self, request: &Request) -> String {
        let name = match self {
            Self::Anthropic => "x-api-key",
            Self::Gemini => "x-goog-api-key",
            Self::Azure => "api-key",
            Self::Bot => "x-bot",
        };
        request.header(name).expect("a key").trim_start_matches("Key ").to_owned()
    }

    fn user(self, request: &Request) -> String {
        let text = match self {
            Self::Gemini => {
                &request.body["contents"].as_array().and_then(|all| all.last()).expect("contents")["parts"][0]["text"]
            }
            Self::Bot => &request.body["message"],
            Self::Anthropic | Self::Azure => return request.last_user(),
        };
        text.as_str().expect("a text").to_owned()
    }

    fn wants_stream(self, request: &Request) -> bool {
        if self == Self::Gemini { request.path.contains(":stream") } else { request.wants_stream() }
    }

    /// An error with the key in all its parts.
    fn error(self, key: &str, said: &str) -> Value {
        match self {
            Self::Anthropic => {
                json!({"type": "error", "error": {"type": key, "message": said}, "request_id": key})
            }
            Self::Gemini => json!({"error": {"code": 400, "message": said, "status": key, "details": [
                {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": key, "metadata": {"key": key}},
                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.001s"},
            ]}}),
            Self::Azure => json!({"error": {"message": said, "code": key, "type": key, "innererror":
                {"code": key, "content_filter_result": {key: {"filtered": true, "severity": key}}}}}),
            Self::Bot => json!({"error": key, "message": said}),
        }
    }

    /// A whole answer, or the events of one, with a reply that says this.
    fn full(self, key: &str, said: &str, is_stream: bool) -> Answer {
        // In pieces, so that it stands in no single one.
        let pieces = said.as_bytes().chunks(5).map(|piece| String::from_utf8_lossy(piece).into_owned());
        let hello = ["Hello ".to_owned()].into_iter().chain(pieces.clone());
        let mut events = vec![format!(": {said}\n\n")];
        match self {
            Self::Anthropic => {
                let head = json!({"id": key, "type": "message", "model": key, "role": key, "usage": {"input_tokens": 5, key: 3}});
                let thought = json!({"type": "thinking", "thinking": said, "signature": key});
                let blocks = json!([thought, {"type": "redacted_thinking", "data": key}, {"type": key, "text": said},
                    {"type": "text", "text": format!("Hello {said}")}]);
                if !is_stream {
                    let mut body = head;
                    (body["content"], body["stop_reason"]) = (blocks, key.into());
                    return Answer::json(&body);
                }
                let named = |event: Value| format!("event: {key}\ndata: {event}\n\n");
                events.push(named(json!({"type": "message_start", "message": head})));
                let piece = |kind: &str, name: &str, text: String| {
                    named(json!({"type": "content_block_delta", "index": 0, "delta": {"type": kind, name: text}}))
                };
                events.extend(pieces.map(|text| piece("thinking_delta", "thinking", text)));
                events.push(piece("signature_delta", "signature", said.to_owned()));
                events.extend(hello.map(|text| piece("text_delta", "text", text)));
                events.push(named(json!({"type": key, "said": said})));
                events.push(named(
                    json!({"type": "message_delta", "delta": {"stop_reason": key}, "usage": {"output_tokens": 3}}),
                ));
                events.push(named(json!({"type": "message_stop"})));
            }
            Self::Gemini => {
                let answer = |parts: Value, reason: Value| {
                    let candidate = json!({"index": 0, "content": {"role": key, "parts": parts}, "finishReason": reason,
                        "safetyRatings": [{"category": key}], "finishMessage": said});
                    json!({"candidates": [candidate], "modelVersion": key, "responseId": key,
                        "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 3, key: 1}})
                };
                let thought = |text: &str| json!({"text": text, "thought": true, "thoughtSignature": key});
                if !is_stream {
                    let parts =
                        json!([thought(said), {"functionCall": {"name": key}}, {"text": format!("Hello {said}")}]);
                    return Answer::json(&answer(parts, key.into()));
                }
                events.extend(pieces.map(|text| event(&answer(json!([thought(&text)]), Value::Null))));
                events.extend(hello.map(|text| event(&answer(json!([{"text": text}]), Value::Null))));
                events.push(event(&answer(json!([]), key.into())));
            }
            Self::Azure => {
                let filters = json!({key: {"filtered": false, "severity": key}});
                if !is_stream {
                    let mut body = completion(&format!("Hello {said}"));
                    (body["id"], body["model"], body["system_fingerprint"]) = (key.into(), key.into(), said.into());
                    body["prompt_filter_results"] = json!([{"content_filter_results": filters}]);
                    body["choices"][0]["content_filter_results"] = filters;
                    (body["choices"][0]["finish_reason"], body["choices"][0]["message"]["reasoning_content"]) =
                        (key.into(), said.into());
                    return Answer::json(&body);
                }
                events.push(event(&json!({"choices": [], "model": key, "system_fingerprint": key,
                    "prompt_filter_results": [{"content_filter_results": filters}]})));
                events.push(event(&delta(&json!({"reasoning_content": said}))));
                events.extend(hello.map(|text| event(&delta(&json!({"content": text})))));
                events.extend([event(&finish(key)), "data: [DONE]\n\n".to_owned()]);
            }
            Self::Bot => {
                let beside = json!({"id": key, "why": key, "t": {"in": 5, "out": 3}, "model": said});
                if !is_stream {
                    let mut body = beside;
                    body["reply"] = format!("Hello {said}").into();
                    return Answer::json(&body);
                }
                events.push(format!("event: {key}\nid: {key}\n{}", event(&beside)));
                events.extend(hello.map(|text| event(&json!({"piece": text}))));
                events.push("data: [DONE]\n\n".to_owned());
            }
        }
        Answer::events(events)
    }
}

fn answer(request: &Request) -> Answer {
    let service = Service::of(request);
    let key = service.key(request);
    let said = quotes(&key);
    let id = |answer: Answer| {
        let answer = answer.header("x-request-id", &key).header("request-id", &key).header("retry-after-ms", "1");
        answer.header("server", &key).header("set-cookie", &key)
    };
    let error = |status: u16, words: &str| {
        let body = service.error(&key, words).to_string();
        id(Answer::status(status, &[("Content-Type", "application/json")], body))
    };
    let user = service.user(request);
    if let Some((kind, pad)) = user.split_once(' ').and_then(|(kind, pad)| Some((kind, pad.parse::<usize>().ok()?))) {
        let words = format!("{TELLTALE} {}{key}", "-".repeat(pad - TELLTALE.len() - 1));
        return match kind {
            "message" => error(400, &words),
            "body" => id(Answer::body("application/json", &words)),
            _ => id(Answer::json(&json!({"odd": words}))),
        };
    }
    let is_stream = service.wants_stream(request);
    let whole = |answer: &Value| if is_stream { Answer::events([event(answer)]) } else { Answer::json(answer) };
    match user.as_str() {
        "400" => error(400, &said),
        "401" => error(401, &said),
        "404" => id(Answer::status(404, &[("Content-Type", "text/plain")], &said)),
        "429" => error(429, &said),
        "500" => {
            id(Answer::status(500, &[("Content-Type", "text/html")], format!("<html><title>{said}</title></html>")))
        }
        "302" => id(Answer::status(302, &[("Location", &format!("http://127.0.0.1:1/?key={}", percent(&key)))], &said)),
        "error" => id(whole(&service.error(&key, &said))),
        "cut" if is_stream => {
            let answer = service.full(&key, &said, true);
            let bytes = answer.body_len() - 60;
            answer.cut(bytes)
        }
        "odd" if is_stream => Answer::events([format!("event: {key}\ndata: {said}\n\n")]),
        "cut" | "odd" => id(Answer::body("application/json", &said)),
        "page" => id(Answer::body(&format!("text/html; charset={}", percent(&key)), &format!("<title>{said}</title>"))),
        "blocked" => id(whole(&json!({"promptFeedback": {"blockReason": key}, "id": key, "said": said, "type": key}))),
        _ => id(service.full(&key, &said, is_stream)),
    }
}

/// A program that says what stands in files of a folder that nobody searches: the keys stand in them.
fn program(folder: &Sandbox, key: &str) -> String {
    let said = quotes(key);
    folder.write("key", key);
    folder.write(
        "full",
        json!({"reply": format!("Hello {said}"), "finish_reason": key, "usage": {"sent": 5, "reply": 3}}).to_string()
            + "\n",
    );
    let pieces =
        said.as_bytes().chunks(5).map(|piece| json!({"delta": String::from_utf8_lossy(piece)}).to_string() + "\n");
    let end = json!({"done": true, "finish_reason": key, "model": said}).to_string() + "\n";
    folder.write(
        "stream",
        [json!({"delta": "Hello "}).to_string() + "\n"].into_iter().chain(pieces).chain([end]).collect::<String>(),
    );
    folder.write("error-0", json!({"error": said}).to_string() + "\n");
    folder.write("line-0", format!("{said}\n"));
    for pad in PADS {
        let words = format!("{TELLTALE} {}{key}", "-".repeat(pad - TELLTALE.len() - 1));
        folder.write(&format!("error-{pad}"), json!({"error": words}).to_string() + "\n");
        folder.write(&format!("line-{pad}"), format!("{words}\n"));
    }
    // What is kept of standard error ends in the middle of the key.
    let kept = 64 * 1024 - key.len() / 2 - 4;
    folder.write("much", format!("{}\n{TELLTALE} {key}\n", "-".repeat(kept - TELLTALE.len())));
    let at = folder.path().display();
    format!(
        "[ \"$KEY\" = \"key $(cat '{at}/key')\" ] || exit 9\n\
         while read -r line; do\n  n=${{line##* }}; n=${{n%%[!0-9]*}}\n  case $line in\n\
         *'\"user\":\"message '*) cat \"{at}/error-$n\";;\n\
         *'\"user\":\"body '*) cat \"{at}/line-$n\";;\n\
         *'\"user\":\"odd '*) cat \"{at}/line-$n\" >&2; exit 3;;\n\
         *'\"user\":\"400\"'*) cat '{at}/error-0';;\n\
         *'\"user\":\"odd\"'*) cat '{at}/line-0';;\n\
         *'\"user\":\"cut\"'*) head -c 60 '{at}/full'; exit 0;;\n\
         *'\"user\":\"500\"'*) cat '{at}/much' >&2; exit 4;;\n\
         *'\"user\":\"429\"'*) cat '{at}/full' '{at}/line-175';;\n\
         *'\"stream\":true'*) cat '{at}/stream';;\n\
         *) cat '{at}/full';;\n  esac\ndone\n"
    )
}

fn sandbox(server: &Server, script: &str) -> Sandbox {
    let root = server.base_url().trim_end_matches("/v1").to_owned();
    let models = ["", "lost-"].map(|name| {
        format!(
            "  {name}claude: {{provider: anthropic, model: {name}claude, base_url: \"{root}\", price: {{input: 1, output: 1}}}}\n  \
             {name}gem: {{provider: gemini, model: {name}gem, base_url: \"{root}/v1beta\"}}\n  \
             {name}azure: {{provider: azure, deployment: {name}gpt, api_version: \"2024-10-21\", base_url: \"{root}\"}}\n  \
             {name}web: {{provider: http, url: \"{root}/chat\", headers: {{X-Bot: \"Key ${{MY_BOT_KEY}}\"}}, reply: $.reply, finish_reason: $.why, \
             body: {{message: \"{{{{ message }}}}\", stream: \"{{{{ stream }}}}\", id: \"{{{{ session }}}}\"}}, session: {{path: $.id}}, \
             usage: {{sent: $.t.in, reply: $.t.out}}, stream: {{events: $.piece, done: \"[DONE]\"}}}}\n"
        )
    });
    let models = models.concat();
    let sandbox = KEYS.iter().fold(Sandbox::new(), |sandbox, (name, key)| sandbox.env(name, key));
    let sandbox = sandbox.env("RUST_BACKTRACE", "1").env("RUST_LOG", "trace").env("GITHUB_STEP_SUMMARY", "step.md");
    sandbox.write(
        "chat-eval.yaml",
        format!("models:\n{models}  prog: {{provider: command, command: [sh, bot.sh], env: {{KEY: \"key ${{MY_PROGRAM_KEY}}\"}}}}\n"),
    );
    sandbox.write("bot.sh", script);
    let file = |name: &str, user: &str, models: &str| {
        sandbox.write(&format!("s/{name}.yaml"), format!("models: [{models}]\nturns: [{{user: '{user}'}}]\n"));
    };
    let all = "claude, gem, azure, web, prog";
    sandbox.write(
        "s/full.yaml",
        format!("models: [{all}]\nfacts: {{name: Priya}}\nturns:\n  - {{user: My name is Priya., expect: [{{equals: Hello}}]}}\n  - {{user: Who am I?, expect: [{{recalls: name}}]}}\n"),
    );
    for user in ["400", "404", "429", "500", "302", "error", "cut", "odd", "page", "blocked"] {
        file(&format!("e-{user}"), user, all);
    }
    for pad in PADS {
        for kind in ["message", "body", "odd"] {
            file(&format!("e-{kind}-{pad}"), &format!("{kind} {pad}"), all);
        }
    }
    // A program that says more than it was asked is found out by the next turn.
    sandbox.write("s/e-429.yaml", format!("models: [{all}]\nturns: [{{user: '429'}}, {{user: Bye}}]\n"));
    file("e-401", "401", "lost-claude, lost-gem, lost-azure, lost-web");
    sandbox
}

#[test]
fn no_key_of_any_provider_is_in_any_file_or_output_whatever_it_says() {
    let server = Server::start(answer);
    let elsewhere = Sandbox::new();
    let sandbox = sandbox(&server, &program(&elsewhere, KEYS[4].1));
    let mut searched = Searched::of(&KEYS.map(|(_, key)| key));
    let models_of = ["-k", "model=*claude", "-k", "model=*gem", "-k", "model=*azure"];
    let bots = ["-k", "model=*web", "-k", "model=prog", "--allow-run"];
    let played = ["run", "s", "--retries", "1"];
    for arguments in [
        [&played[..], &models_of, &["--cassettes", "record", "--snapshots", "always", "--format", "plain"]].concat(),
        [&played[..], &models_of, &["--cassettes", "only", "--snapshots", "new", "--format", "github"]].concat(),
        [&played[..], &models_of, &["--cassettes", "off", "--snapshots", "new", "--format", "json", "--stream"]]
            .concat(),
        [&played[..], &models_of, &["--cassettes", "off", "--snapshots", "off", "--show", "--stream"]].concat(),
        [&played[..], &bots, &["--snapshots", "always", "--format", "plain"]].concat(),
        [&played[..], &bots, &["--snapshots", "new", "--show", "--stream"]].concat(),
        [&played[..], &bots, &["--snapshots", "off", "--format", "json", "--stream"]].concat(),
        vec!["report", "--format", "pretty"],
        vec!["report", "--format", "github"],
        vec!["recheck", "latest", "s", "--snapshots", "new"],
        vec!["compare", "--format", "markdown"],
        vec!["plan", "s", "--requests", "-v"],
        vec!["review", "s", "--list"],
    ] {
        let ran = sandbox.run(&arguments);
        assert!(matches!(ran.code, Some(0 | 1 | 3)), "{arguments:?}: {:?}\n{}\n{}", ran.code, ran.stdout, ran.stderr);
        searched.ran(&arguments.join(" "), &ran);
        if arguments[0] == "run" && !arguments.contains(&"only") {
            let rows = sandbox.rows("transcripts.csv");
            let models =
                if arguments.contains(&"--allow-run") { &["web", "prog"][..] } else { &["claude", "gem", "azure"] };
            for model in models {
                let said = rows.iter().filter(|row| row["model"] == *model && row["reply"].starts_with("Hello "));
                let said: Vec<&str> = said.map(|row| row["reply"].as_str()).collect();
                let is_told = said.iter().all(|reply| reply.contains(TELLTALE) && reply.contains("***"));
                assert!(said.len() >= 2 && is_told, "{model} in {arguments:?}: {said:?}");
            }
        }
    }
    for model in ["claude", "gem", "azure"] {
        for stream in ["", "--no-stream"] {
            let file = format!("saved-{model}{stream}.yaml");
            for (what, lines) in [
                ("a talk", &*format!("My name is Priya.\nWho am I?\n/sent\n/facts\n/save {file}\n")),
                ("an error", "400\n"),
                ("a cut answer", "cut\n"),
                ("a long error", "message 175\n"),
            ] {
                let arguments = ["--model", model, "--retries", "0", stream];
                let ran = talk(&sandbox, &arguments[..if stream.is_empty() { 4 } else { 5 }], lines);
                assert!(matches!(ran.code, Some(0 | 1 | 3)), "{model} {what}: {:?} {}", ran.code, ran.stderr);
                searched.ran(&format!("{what} with {model} {stream}"), &ran);
            }
            searched.was_told(&format!("standard output of a talk with {model} {stream}"));
            searched.was_told(&format!("standard error of a long error with {model} {stream}"));
            assert!(sandbox.has(&file), "{file}");
        }
    }
    searched.files(&sandbox);
    searched.nothing_leaked();
    for output in
        ["journal.jsonl", "transcripts.csv", "junit.xml", "report.html", "full.jsonl", ".snap ", "step.md", "saved-"]
    {
        searched.was_told(output);
    }
    let asked: BTreeSet<String> = server.requests().iter().map(|request| Service::of(request).key(request)).collect();
    assert_eq!(asked, KEYS[..4].iter().map(|(_, key)| (*key).to_owned()).collect(), "each key was really sent");
}
