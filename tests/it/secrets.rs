//! No key is ever written or shown: a server that quotes what it was sent in every place that an answer has, every command and
//! every format, and then each byte of each file and of each output is searched for the keys in every spelling.
//!
//! That the search finds what is there is shown by a word that the same server says beside each key. Here the provider is `openai`;
//! `secrets_providers.rs` does the same with all others.
#![cfg(unix)]

use std::collections::BTreeSet;
use std::io::Read;
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::support::answer::{Answer, Gate, completion, delta, event, finish};
use crate::support::sandbox::{Ran, Sandbox};
use crate::support::server::{Request, Server};

/// One with all the marks that JSON, URLs and pages spell in their own way; one that looks like base64, one like a part of a URL.
const KEYS: [(&str, &str); 3] = [
    ("OPENAI_API_KEY", r#"sk-proj-"A9\z/q+w=7&<k>%x'~0123456789"#),
    ("JUDGE_KEY", "c2stanVkZ2UtMDEyMzQ1Njc4OWFiY2RlZg=="),
    ("VECTOR_KEY", "sk%2Dvec%2F0123%3D456789abcdef"),
];
/// What the server says beside each key.
pub const TELLTALE: &str = "telltale";

/// The key that came with a request.
fn key(request: &Request) -> String {
    let header = request.header("authorization").expect("a key");
    header.strip_prefix("Bearer ").expect("a bearer").to_owned()
}

pub fn percent(key: &str) -> String {
    percent_encoding::utf8_percent_encode(key, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// The same with its digits of sixteen in lower case.
fn lower_percent(key: &str) -> String {
    let upper = regex::Regex::new("%[0-9A-F]{2}").unwrap();
    upper.replace_all(&percent(key), |found: &regex::Captures<'_>| found[0].to_lowercase()).into_owned()
}

fn json_text(key: &str) -> String {
    let quoted = Value::from(key).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// A key in all the ways in which a server quotes it.
pub fn quotes(key: &str) -> String {
    let of_page = key.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let bearer = STANDARD.encode(format!("Bearer {key}"));
    let (url, json) = (percent(key), json_text(key));
    let (plain, safe) = (STANDARD.encode(key), URL_SAFE_NO_PAD.encode(format!("x{key}")));
    format!("{TELLTALE} {key}, {json}, ?key={url}, {}, {of_page}, {bearer} {plain} {safe}.", lower_percent(key))
}

/// What must stand nowhere.
fn forbidden(keys: &[&str]) -> Vec<Vec<u8>> {
    let mut all = BTreeSet::new();
    for key in keys.iter().copied() {
        let of_page = key.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        all.extend([key.to_owned(), json_text(key), json_text(&json_text(key)), percent(key), lower_percent(key)]);
        all.insert(key.to_lowercase());
        all.extend([
            of_page.replace('"', "&quot;"),
            of_page,
            key.replace('"', "\"\""),
            json_text(key).replace('/', "\\/"),
        ]);
        for before in ["", "x", "xx"] {
            // Without the letters that it shares with what stands around it.
            let bytes = [before, key].concat();
            for text in [STANDARD_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)] {
                all.insert(text[3..text.len() - 3].to_owned());
            }
        }
        // Half of one is too much, too.
        all.extend([key[..key.len() / 2].to_owned(), key[key.len() / 2..].to_owned()]);
    }
    all.into_iter().map(String::into_bytes).collect()
}

/// The bytes of a file, and of a page what it holds compressed.
fn contents(sandbox: &Sandbox, file: &str) -> Vec<u8> {
    let mut bytes = std::fs::read(sandbox.path().join(file)).expect(file);
    if std::path::Path::new(file).extension().is_some_and(|extension| extension == "html") {
        let page = String::from_utf8(bytes.clone()).expect("a page");
        let data = page.split("id=\"data\">").nth(1).and_then(|rest| rest.split("</script>").next()).expect("its data");
        let data = STANDARD.decode(data).expect("base64");
        flate2::read::DeflateDecoder::new(&*data).read_to_end(&mut bytes).expect("deflated");
    }
    bytes
}

/// Everything that was written and said.
pub struct Searched {
    forbidden: Vec<Vec<u8>>,
    /// What stood in which output, in which spelling.
    leaks: Vec<String>,
    /// Outputs that have the word that stands beside the keys.
    telltales: BTreeSet<String>,
}

impl Searched {
    /// A search for these keys.
    pub fn of(keys: &[&str]) -> Self {
        Self { forbidden: forbidden(keys), leaks: Vec::new(), telltales: BTreeSet::new() }
    }

    fn search(&mut self, what: &str, bytes: &[u8]) {
        let has = |wanted: &[u8]| memchr::memmem::find(bytes, wanted);
        for wanted in &self.forbidden {
            if let Some(at) = has(wanted) {
                let around = String::from_utf8_lossy(&bytes[at.saturating_sub(60)..(at + 60).min(bytes.len())]);
                self.leaks.push(format!("{what}: {}\n    {around:?}", String::from_utf8_lossy(wanted)));
            }
        }
        if has(TELLTALE.as_bytes()).is_some() {
            self.telltales.insert(what.to_owned());
        }
    }

    pub fn ran(&mut self, what: &str, ran: &Ran) {
        self.search(&format!("standard output of {what}"), ran.stdout.as_bytes());
        self.search(&format!("standard error of {what}"), ran.stderr.as_bytes());
        assert!(!ran.stderr.contains("panicked"), "{what}: {}", ran.stderr);
    }

    pub fn files(&mut self, sandbox: &Sandbox) {
        for file in sandbox.files(".") {
            let name = file.rsplit('/').next().unwrap_or(&file).to_owned();
            self.search(&format!("file {name} ({file})"), &contents(sandbox, &file));
        }
    }

    pub fn nothing_leaked(&self) {
        assert!(self.leaks.is_empty(), "{} leaks:\n{}", self.leaks.len(), self.leaks.join("\n"));
    }

    /// The search would have found a key there: what stands beside it was found.
    pub fn was_told(&self, output: &str) {
        assert!(self.telltales.iter().any(|what| what.contains(output)), "nothing in {output}: {:?}", self.telltales);
    }
}

/// An answer with the key in every place that has room for it.
fn full(request: &Request) -> Answer {
    let key = key(request);
    let said = quotes(&key);
    let answer = if request.wants_stream() {
        let mut chunks = vec![json!({"content": "<think>"}), json!({"reasoning_content": said})];
        // In pieces, so that it stands in no single one.
        let pieces = said.as_bytes().chunks(5).map(|piece| String::from_utf8_lossy(piece).into_owned());
        chunks.extend(pieces.clone().map(|piece| json!({"content": piece})));
        chunks.push(json!({"content": "</think>Hello "}));
        chunks.extend(pieces.map(|piece| json!({"content": piece})));
        let mut events: Vec<String> = chunks.iter().map(|chunk| event(&delta(chunk))).collect();
        events.insert(
            0,
            format!(
                ": {said}\n\nevent: message\n{}",
                event(&json!({"model": key, "system_fingerprint": key, "choices": []}))
            ),
        );
        events.push(event(&finish(&key)));
        events.push("data: [DONE]\n\n".to_owned());
        Answer::events(events)
    } else {
        let mut body = completion(&format!("<think>{said}</think>Hello {said}"));
        body["model"] = Value::from(&*key);
        body["system_fingerprint"] = Value::from(&*said);
        body["id"] = Value::from(&*key);
        body["choices"][0]["finish_reason"] = Value::from(&*key);
        body["choices"][0]["message"]["reasoning_content"] = Value::from(&*said);
        Answer::json(&body)
    };
    answer.header("x-request-id", &key).header("server", &key).header("set-cookie", &key)
}

/// A judge whose reason is the key; its mark is that of the question.
fn judged(request: &Request) -> Answer {
    let user = request.last_user();
    let mark = user.split("===== data ").nth(1).and_then(|rest| rest.split(' ').next()).expect("a mark");
    let said = json!({"mark": mark, "reason": quotes(&key(request)), "verdict": "no"}).to_string();
    let mut body = completion(&said);
    body["model"] = Value::from(key(request));
    Answer::json(&body).header("x-request-id", &key(request))
}

fn answer(request: &Request) -> Answer {
    let key = key(request);
    let said = quotes(&key);
    let id = |answer: Answer| answer.header("x-request-id", &key).header("retry-after-ms", "1");
    let error = |status| id(Answer::error(status, &key, &said));
    if request.path.starts_with("/v1/embeddings") {
        return if request.body["input"] == "Certainly." { error(400) } else { Answer::json(&json!({"error": said})) };
    }
    if request.body["model"] == "critic" {
        return judged(request);
    }
    match request.last_user().as_str() {
        "400" => error(400),
        "401" => error(401),
        "404" => id(Answer::status(404, &[("Content-Type", "text/plain")], &said)),
        "429" => error(429),
        "500" => {
            id(Answer::status(500, &[("Content-Type", "text/html")], format!("<html><title>{said}</title></html>")))
        }
        "302" => id(Answer::status(302, &[("Location", &format!("http://127.0.0.1:1/?key={}", percent(&key)))], &said)),
        "event" => Answer::events([
            event(&delta(&json!({"content": "Hi"}))),
            event(&json!({"error": {"message": said, "code": key}})),
        ]),
        "cut" => Answer::events([event(&delta(&json!({"content": said})))]),
        "odd event" => Answer::events([format!("event: {key}\ndata: {said}\n\n")]),
        "200" => id(Answer::json(&json!({"error": {"message": said, "type": key, "code": key}}))),
        "text" => id(Answer::body("application/json", &said)),
        "page" => id(Answer::body(&format!("text/html; charset={}", percent(&key)), &format!("<title>{said}</title>"))),
        "none" => Answer::json(&json!({"choices": [], "id": key, "said": said})),
        _ => full(request),
    }
}

fn sandbox(server: &Server) -> Sandbox {
    let url = server.base_url();
    let model = |name: &str, key: &str| {
        format!(
            "  {name}: {{provider: openai, model: {name}, base_url: \"{url}\", api_key_env: {key}, price: {{input: 1, output: 1}}}}\n"
        )
    };
    let models = ["bot", "lost"].map(|name| model(name, "OPENAI_API_KEY")).concat();
    let config = format!(
        "model: bot\njudge: {{model: critic}}\nembedding: {{model: vec}}\nmodels:\n{models}{}{}",
        model("critic", "JUDGE_KEY"),
        model("vec", "VECTOR_KEY")
    );
    let sandbox = KEYS.iter().fold(Sandbox::new(), |sandbox, (name, key)| sandbox.env(name, key));
    let sandbox = sandbox.env("RUST_BACKTRACE", "1").env("RUST_LOG", "trace").env("GITHUB_STEP_SUMMARY", "step.md");
    sandbox.write("chat-eval.yaml", config);
    sandbox.write(
        "s/full.yaml",
        "facts: {name: Priya}\nwindow: 1\ntrials: 2\npersona: Be kind.\nturns:
  - {user: My name is Priya., capture: {said: 'Hello (.*)'}, expect: [{contains: nothing}, {equals: Hello}]}
  - {user: 'You said {{ said }}', expect: [{judge: is polite}, {similar: {to: Certainly., min: 0.9, by: embedding}}, {json: true}]}
  - {user: What's my name?, expect: [{recalls: name}]}
probes: [{user: Who am I?, expect: [{recalls: name}]}]
expect: [{never: {contains: Hello}}, {judge: {criterion: all is well, sees: transcript}}]\n",
    );
    for user in ["400", "404", "429", "500", "302", "event", "cut", "odd event", "200", "text", "page", "none"] {
        let name = user.replace(' ', "-");
        let stream = ["event", "cut", "odd event"].contains(&user);
        sandbox.write(&format!("s/e-{name}.yaml"), format!("stream: {stream}\nturns: [{{user: '{user}'}}]\n"));
    }
    sandbox.write("s/e-401.yaml", "model: lost\nturns: [{user: '401'}]\n");
    sandbox
}

#[test]
fn no_key_is_in_any_file_or_output_whatever_a_server_quotes() {
    let server = Server::start(answer);
    let sandbox = sandbox(&server);
    let mut searched = Searched::of(&KEYS.map(|(_, key)| key));
    let mut run = |arguments: &[&str]| {
        let ran = sandbox.run(arguments);
        assert!(matches!(ran.code, Some(0 | 1 | 3)), "{arguments:?}: {:?}\n{}\n{}", ran.code, ran.stdout, ran.stderr);
        searched.ran(&arguments.join(" "), &ran);
    };
    let played = ["run", "s", "--retries", "1", "--triage", "--seed", "1"];
    run(&[&played[..], &["--cassettes", "record", "--snapshots", "always", "--format", "plain"]].concat());
    run(&[&played[..], &["--cassettes", "off", "--snapshots", "new", "--format", "json", "--stream"]].concat());
    run(&[&played[..], &["--cassettes", "off", "--snapshots", "new", "--show", "--stream"]].concat());
    run(&[&played[..], &["--cassettes", "only", "--snapshots", "new", "--format", "github"]].concat());
    run(&[&played[..], &["--cassettes", "off", "--snapshots", "off", "--format", "pretty", "-j", "1"]].concat());
    for format in ["plain", "pretty", "json", "github"] {
        run(&["report", "--format", format, "--color", "always"]);
        run(&["recheck", "latest", "s", "--snapshots", "new", "--format", format]);
    }
    run(&["report", "--svg"]);
    for format in ["plain", "markdown", "json"] {
        run(&["compare", "--format", format]);
    }
    run(&["mutate", "latest", "s"]);
    run(&["mutate", "latest", "s", "--format", "json"]);
    run(&["run", "s", "--rerun", "errored", "--snapshots", "off", "--retries", "0"]);
    run(&["plan", "s", "--requests", "-v"]);
    for shard in ["1/2", "2/2"] {
        run(&[
            "run",
            "s",
            "--shard",
            shard,
            "--out",
            "parts",
            "--snapshots",
            "off",
            "--retries",
            "0",
            "--cassettes",
            "off",
        ]);
    }
    let parts: Vec<String> = std::fs::read_dir(sandbox.path().join("parts"))
        .expect("the parts")
        .map(|entry| entry.expect("a part").path())
        .filter(|path| !path.is_symlink())
        .map(|path| path.to_string_lossy().into_owned())
        .collect();
    run(&["merge", &parts[0], &parts[1], "--into", "whole", "--snapshots", "new"]);
    run(&["import", "transcripts", "whole/transcripts.csv", "--replies", "canned"]);
    run(&["review", "s", "--list"]);
    run(&["review", "s", "--accept"]);
    searched.files(&sandbox);
    searched.nothing_leaked();
    for output in [
        "journal.jsonl",
        "transcripts.csv",
        "checks.csv",
        "junit.xml",
        "report.html",
        "full.jsonl",
        ".snap ",
        "step.md",
        "imported/",
        "--format plain",
        "--format json",
        "--format github",
        "--format pretty",
        "--show --stream",
        "merge",
    ] {
        searched.was_told(output);
    }
    let mut asked: BTreeSet<String> = BTreeSet::new();
    asked.extend(server.requests().iter().map(key));
    assert_eq!(asked, KEYS.iter().map(|(_, key)| (*key).to_owned()).collect(), "each key was really sent");
}

#[test]
fn no_key_is_in_what_an_interrupted_run_leaves_and_what_its_end_says() {
    let gate = Gate::default();
    let held = Mutex::new(Some(gate.clone()));
    let server = Server::start(move |request| {
        let answer = answer(request);
        if request.last_user() != "What's my name?" {
            return answer;
        }
        match &*held.lock().unwrap() {
            Some(gate) => answer.delay(gate),
            None => answer,
        }
    });
    let sandbox = sandbox(&server);
    let mut searched = Searched::of(&KEYS.map(|(_, key)| key));
    let arguments = ["run", "s", "--retries", "0", "--snapshots", "new", "--cassettes", "record", "--show"];
    let running = sandbox.start(&arguments);
    server.wait_for(|requests| requests.iter().any(|request| request.last_user() == "What's my name?"));
    running.signal("INT");
    // What is in flight may end; the second signal waits for nothing.
    running.signal("INT");
    let ran = running.finish();
    assert!(matches!(ran.code, Some(130)), "{:?}: {}", ran.code, ran.stderr);
    searched.ran("the interrupted run", &ran);
    searched.files(&sandbox);
    gate.open();
    let ran = sandbox.run(&["run", "--resume"]);
    assert!(matches!(ran.code, Some(1 | 3)), "{:?}: {}", ran.code, ran.stderr);
    searched.ran("--resume", &ran);
    searched.files(&sandbox);
    searched.nothing_leaked();
    searched.was_told("journal.jsonl");
    searched.was_told("--resume");
}

#[test]
fn a_key_that_cannot_be_sent_is_not_shown_either() {
    let server = Server::start(answer);
    for key in ["sk-0123456789\n", "sk-01234\u{7}56789", "sk-0123456789é"] {
        let sandbox = sandbox(&server).env("OPENAI_API_KEY", key);
        let ran = sandbox.run(&["run", "s"]).expect(2);
        assert!(ran.stderr.contains("error[unusable-model]"), "{}", ran.stderr);
        for part in ["0123456789", "01234"] {
            assert!(!ran.stderr.contains(part) && !ran.stdout.contains(part), "{}", ran.stderr);
        }
        assert!(!sandbox.has("results"));
    }
    assert!(server.requests().is_empty());
}

/// Local servers want some word for a key. It is taken out of what they say, and nothing else changes.
#[test]
fn a_key_that_is_a_word_is_taken_out_of_what_the_server_says_alone() {
    let server = Server::start(|request| Answer::reply(request, "I am an ollama, not a llama."));
    let sandbox = Sandbox::new().env("OPENAI_API_KEY", "ollama").env("OPENAI_BASE_URL", &server.base_url());
    sandbox.write("s/one.yaml", "model: m\nturns: [{user: 'Is that ollama?', expect: [{contains: not a llama}]}]\n");
    sandbox.run(&["run", "s", "--snapshots", "off"]).expect(0);
    let row = sandbox.rows("transcripts.csv").remove(0);
    assert_eq!((&*row["user"], &*row["reply"]), ("Is that ollama?", "I am an ***, not a llama."));
}

#[test]
fn nothing_that_can_be_printed_for_a_developer_shows_a_key() {
    use chat_eval::provider::openai::{OpenAi, OpenAiSettings, http_client};
    use chat_eval::provider::{Gate, RetryPolicy};
    let (_, key) = KEYS[0];
    let settings = OpenAiSettings {
        base_url: "http://127.0.0.1:9/v1".to_owned(),
        model: "m".to_owned(),
        api_key: Some(secrecy::SecretString::from(key)),
        timeout: std::time::Duration::from_secs(1),
        retry: RetryPolicy::default(),
        gate: std::sync::Arc::new(Gate::open()),
        purse: None,
    };
    let shown = format!("{settings:?} {settings:#?}");
    let model = OpenAi::new(settings, &http_client().unwrap()).unwrap();
    let shown = format!("{shown} {model:?} {model:#?}");
    let mut searched = Searched::of(&KEYS.map(|(_, key)| key));
    searched.search("Debug", shown.as_bytes());
    searched.nothing_leaked();
}
