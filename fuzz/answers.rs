//! What servers answer: replies as streams and as plain bodies, and what judges say.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chat_eval::check::{Gathered, Measured, TurnView, decide};
use chat_eval::diagnostic::{Code, SourceFile};
use chat_eval::model::{CheckKind, Message, Origin, Params, Reply, Role, TurnId, Verdict};
use chat_eval::provider::openai::{OpenAi, http_client};
use chat_eval::provider::{ApiSettings, AttemptFailed, ChatModel, ChatRequest, Gate, Observer, RetryPolicy};
use chat_eval::scenario::{self, FileProblem, Files};
use secrecy::SecretString;

use super::driver::Target;

pub const KEY: &str = "sk-\"a/b+c&d'e-0123456789";

/// A server that gives each request the bytes that are set.
pub struct Server {
    pub address: String,
    pub answer: Arc<Mutex<Vec<u8>>>,
}

impl Server {
    /// How a model is reached that it stands for: with a key, and one try.
    pub fn settings(&self) -> ApiSettings {
        ApiSettings {
            base_url: self.address.clone(),
            model: "m".to_owned(),
            api_key: Some(SecretString::from(KEY)),
            timeout: Duration::from_secs(60),
            retry: RetryPolicy { retries: 0, base: Duration::ZERO, cap: Duration::ZERO },
            gate: Arc::new(Gate::open()),
            purse: None,
        }
    }

    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}/v1", listener.local_addr().expect("an address"));
        let answer = Arc::new(Mutex::new(Vec::new()));
        let set = Arc::clone(&answer);
        // It ends with the process.
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let _ = serve(socket, &set);
            }
        });
        Self { address, answer }
    }
}

fn serve(mut socket: TcpStream, answer: &Mutex<Vec<u8>>) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut piece = [0; 8192];
    loop {
        let read = socket.read(&mut piece)?;
        request.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&request).to_lowercase();
        let Some(head) = text.find("\r\n\r\n") else { continue };
        let length =
            text.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse::<usize>().ok());
        if read == 0 || request.len() >= head + 4 + length.unwrap_or(0) {
            break;
        }
    }
    socket.write_all(&answer.lock().expect("an answer"))
}

#[derive(Default)]
pub struct Told(pub Mutex<String>);

impl Observer for Told {
    fn delta(&self, text: &str) {
        self.0.lock().expect("deltas").push_str(text);
    }

    fn attempt_failed(&self, _: AttemptFailed) {}
}

/// The answer with this status, kind and body, whose end is the end of the connection.
pub fn answer(status: u16, kind: &str, body: &[u8]) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 {status} Status\r\nContent-Type: {kind}\r\nx-request-id: {KEY}\r\nConnection: close\r\n\r\n");
    [head.as_bytes(), body].concat()
}

pub fn has_no_key(text: &str) {
    let quoted = serde_json::Value::from(KEY).to_string();
    for key in [KEY, quoted.trim_matches('"')] {
        assert!(!text.contains(key), "a key: {text}");
    }
}

fn asked(stream: bool, status: u16, name: &'static str, words: &[&str]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let server = Server::start();
    let client = http_client().expect("a client");
    Target::new(name).words(words).run(|input| {
        let kind = if stream { "text/event-stream" } else { "application/json" };
        *server.answer.lock().expect("an answer") = answer(status, kind, input);
        let model = OpenAi::new(server.settings(), &client).expect("a model");
        let messages = [Message::new(Role::User, Origin::User(1), "Hi")];
        let (params, told) = (Params::default(), Told::default());
        let request = ChatRequest { messages: &messages, params: &params, stream, facts: &[] };
        match runtime.block_on(model.chat(request, &told)) {
            Ok(reply) => {
                assert_eq!(status, 200, "an error that became a reply");
                let text = &reply.reply.text;
                if stream {
                    assert_eq!(&*told.0.lock().expect("deltas"), text, "what is shown is what is kept");
                    let sum: usize = reply.chunks.iter().map(|length| *length as usize).sum();
                    assert_eq!(sum, text.len(), "the pieces are the text");
                    let is_done =
                        memchr::memmem::find(input, b"[DONE]").is_some() || reply.reply.finish_reason.is_some();
                    assert!(is_done || input.trim_ascii_start().starts_with(b"{"), "half a stream became a reply");
                }
                let all = [Some(text), reply.thinking.as_ref(), reply.reply.finish_reason.as_ref()];
                all.into_iter()
                    .chain([reply.model_reported.as_ref(), reply.fingerprint.as_ref()])
                    .flatten()
                    .for_each(|text| has_no_key(text));
            }
            Err(error) => {
                let text = error.to_string();
                has_no_key(&text);
                assert!(!text.is_empty() && text.chars().count() < 700, "{text}");
                assert_eq!(text.chars().find(|character| character.is_control()), None, "{text}");
            }
        }
    });
}

const WORDS: [&str; 26] = [
    "data: ",
    "\n\n",
    "data: [DONE]\n\n",
    "event: ping\n",
    ": x\n",
    "id: 1\n",
    "retry: 1\n",
    "data:{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n",
    "\"finish_reason\":\"stop\"",
    "\"finish_reason\":\"length\"",
    "{\"error\":{\"message\":\"a\"}}",
    "\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}",
    "\"usage\":{\"prompt_tokens\":-1}",
    "<think>",
    "</think>",
    "<thi",
    "\\ud83d",
    "\\ude00",
    "\"content\":[{\"type\":\"text\",\"text\":\"a\"}]",
    "\"refusal\":\"no\"",
    "\"reasoning_content\":\"b\"",
    "\"tool_calls\":[]",
    "\"index\":1",
    KEY,
    "sk-\\\"a/b+c&d'e-0123456789",
    "sk-%22a%2Fb%2Bc%26d%27e-0123456789",
];

#[test]
fn streams() {
    asked(true, 200, "stream", &WORDS);
}

#[test]
fn bodies() {
    asked(false, 200, "body", &WORDS);
}

#[test]
fn bodies_of_errors() {
    asked(false, 500, "error-body", &WORDS);
}

struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _: &str) -> Result<Arc<SourceFile>, FileProblem> {
        Err(FileProblem { code: Code::MissingFile, message: "not there".to_owned(), help: None })
    }
}

const JUDGED: &str =
    "turns: [{user: Hi, expect: [{judge: is polite}, {judge: {criterion: is short, scale: 5, min: 3}}]}]\n";

#[test]
fn verdicts_of_judges() {
    let mark = "0123456789abcdef";
    let source = Arc::new(SourceFile { path: "a.yaml".to_owned(), text: JUDGED.to_owned() });
    let scenario = scenario::load(&source, "a", &NoFiles).0.expect("a scenario");
    let script = scenario.script(0, 0).expect("a script");
    let words = [
        mark,
        "\"mark\"",
        "\"verdict\": \"yes\"",
        "\"verdict\": \"no\"",
        "\"score\": 5",
        "\"score\": 4.5",
        "```json\n",
        "\n```",
        "\"reason\": \"a\"",
        "{}",
        "[",
        "]",
        "\"yes\"",
        "\"YES\"",
    ];
    Target::new("judge").words(&words).run(|input| {
        let text = String::from_utf8_lossy(input).into_owned();
        for check in &script.turns[0].checks {
            let answer = Reply { text: text.clone(), finish_reason: Some("stop".to_owned()) };
            let gathered = Gathered::Judge { mark: mark.to_owned(), votes: vec![Ok(answer)] };
            let decision = decide(&check.kind, &view(&gathered));
            assert!(decision.detail.chars().count() < 1000, "{}", decision.detail);
            let stated = || stated(&text, mark);
            match (&check.kind, decision.verdict) {
                (_, Verdict::Unknown) => {}
                (CheckKind::Judge(judge), verdict) if judge.scale.is_none() => {
                    let word = stated().expect("a verdict of no answer")["verdict"].as_str().map(str::to_owned);
                    assert_eq!(word.as_deref(), Some(if verdict == Verdict::Pass { "yes" } else { "no" }));
                }
                (_, verdict) => {
                    let score = stated().expect("a score of no answer")["score"].as_u64().expect("a whole number");
                    assert!((1..=5).contains(&score));
                    assert_eq!(verdict == Verdict::Pass, score >= 3);
                }
            }
        }
    });
}

/// The one object that an answer is, by another reader.
fn stated(text: &str, mark: &str) -> Option<serde_json::Map<String, serde_json::Value>> {
    let (start, end) = (text.find('{')?, text.rfind('}')?);
    let around = [&text[..start], &text[end + 1..]].concat();
    assert!(
        around.trim().trim_matches('`').trim_start_matches("json").trim().trim_matches('`').is_empty(),
        "words around a verdict: {around}"
    );
    let object: serde_json::Value = serde_json::from_str(&text[start..=end]).ok()?;
    let object = object.as_object()?.clone();
    object.get("mark").is_some_and(|stated| stated == mark).then_some(object)
}

fn view(gathered: &Gathered) -> TurnView<'_> {
    static REPLY: std::sync::LazyLock<Reply> =
        std::sync::LazyLock::new(|| Reply { text: "Hello".to_owned(), finish_reason: Some("stop".to_owned()) });
    TurnView {
        turn: TurnId::Turn(1),
        sent: &[],
        history: &[],
        list_positions: &[],
        reply: &REPLY,
        facts: &[],
        system: None,
        tokens_sent: None,
        measured: Measured::default(),
        gathered: Some(gathered),
        keeps_history: false,
    }
}
