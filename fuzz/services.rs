//! What the services with APIs of their own answer, and bots that keep their history themselves: over a socket, or as a program.

use std::sync::Arc;
use std::time::Duration;

use chat_eval::model::{JsonPath, Message, Origin, Params, Role};
use chat_eval::provider::http_bot::{
    HttpBot, HttpBotConfig, HttpBotSettings, Mark, Pieces, Place, ReplyAt, SessionAt, SessionPlace, StreamAt, Template,
    Tree, UsageAt, Values,
};
use chat_eval::provider::{
    Anthropic, ApiSettings, CallError, ChatModel, ChatReply, ChatRequest, Gate, Gemini, RetryPolicy, Said, http_client,
};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::answers::{KEY, Server, Told, answer, has_no_key};
use super::driver::Target;

const WORDS: [&str; 12] = [
    "data: ",
    "\n\n",
    "event: x\n",
    ": x\n",
    "<think>",
    "\\ud83d",
    "\\ude00",
    "{\"error\":{\"message\":\"a\",\"type\":\"overloaded_error\"}}",
    KEY,
    "sk-\\\"a/b+c&d'e-0123456789",
    "sk-%22a%2Fb%2Bc%26d%27e-0123456789",
    "18446744073709551615",
];

const ANTHROPIC: [&str; 14] = [
    "{\"type\":\"message_start\",\"message\":{\"model\":\"m\",\"usage\":{\"input_tokens\":5,\"output_tokens\":1}}}",
    "data: {\"type\":\"content_block_start\",\"content_block\":{\"type\":\"text\",\"text\":\"a\"}}\n\n",
    "data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"a\"}}\n\n",
    "data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"a\"}}\n\n",
    "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":2}}\n\n",
    "data: {\"type\":\"message_stop\"}\n\n",
    "data: {\"type\":\"ping\"}\n\n",
    "{\"type\":\"text\",\"text\":\"a\"}",
    "{\"type\":\"thinking\",\"thinking\":\"b\"}",
    "\"stop_reason\":\"refusal\"",
    "\"stop_reason\":null",
    "\"content\":[]",
    "\"cache_read_input_tokens\":-1",
    "\"type\":\"error\"",
];

const GEMINI: [&str; 12] = [
    "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}]}\n\n",
    "data: {\"candidates\":[{\"finishReason\":\"STOP\"}]}\n\n",
    "\"finishReason\":\"SAFETY\"",
    "\"finishReason\":\"FINISH_REASON_UNSPECIFIED\"",
    "{\"text\":\"a\",\"thought\":true}",
    "\"promptFeedback\":{\"blockReason\":\"OTHER\"}",
    "\"usageMetadata\":{\"promptTokenCount\":5,\"totalTokenCount\":3}",
    "\"index\":1",
    "{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":\"1e400s\"}",
    "{\"@type\":\"x.ErrorInfo\",\"reason\":\"a\"}",
    "\"quotaId\":\"PerDay\"",
    "\"candidates\":[]",
];

/// What must hold of whatever comes of an answer.
fn holds(result: Result<ChatReply, CallError>, told: &Told, is_stream: bool) {
    match result {
        Ok(reply) => {
            let text = &reply.reply.text;
            if is_stream {
                assert_eq!(&*told.0.lock().expect("deltas"), text, "what is shown is what is kept");
                let sum: usize = reply.chunks.iter().map(|length| *length as usize).sum();
                assert_eq!(sum, text.len(), "the pieces are the text");
            }
            let all = [reply.thinking.as_ref(), reply.reply.finish_reason.as_ref(), reply.model_reported.as_ref()];
            all.into_iter().flatten().chain([text]).for_each(|text| has_no_key(text));
        }
        Err(error) => {
            let text = error.to_string();
            has_no_key(&text);
            assert!(!text.is_empty() && text.chars().count() < 700, "{text}");
            assert_eq!(text.chars().find(|character| character.is_control()), None, "{text}");
        }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// A service is asked, and answers with the input. `is_whole` says whether a stream with these bytes may be a reply.
fn asked<M: ChatModel>(
    make: impl Fn(ApiSettings) -> M + Send + Sync,
    (status, is_stream): (u16, bool),
    is_whole: fn(&[u8]) -> bool,
    (name, words): (&'static str, &[&str]),
) {
    let (runtime, server) = (runtime(), Server::start());
    Target::new(name).words(&WORDS).words(words).run(|input| {
        let kind = if is_stream { "text/event-stream" } else { "application/json" };
        *server.answer.lock().expect("an answer") = answer(status, kind, input);
        let model = make(server.settings());
        let messages = [Message::new(Role::User, Origin::User(1), "Hi")];
        let (params, told) = (Params::default(), Told::default());
        let request = ChatRequest { messages: &messages, params: &params, stream: is_stream, facts: &[] };
        let result = runtime.block_on(model.chat(request, &told));
        if result.is_ok() {
            assert_eq!(status, 200, "an error that became a reply");
            let is_json = input.trim_ascii_start().starts_with(b"{") || input.starts_with(b"\xef\xbb\xbf");
            assert!(!is_stream || is_json || is_whole(input), "half a stream became a reply");
        }
        if let Some(usage) = result.as_ref().ok().and_then(|reply| reply.usage) {
            assert!(usage.sent.checked_add(usage.reply).is_some(), "{usage:?}");
        }
        holds(result, &told, is_stream);
    });
}

fn has(input: &[u8], word: &str) -> bool {
    // A JSON string may spell its letters otherwise.
    memchr::memmem::find(input, word.as_bytes()).is_some() || memchr::memmem::find(input, b"\\u").is_some()
}

fn of_anthropic(how: (u16, bool), name: &'static str) {
    let client = http_client().expect("a client");
    let make = |settings| Anthropic::new(settings, &client).expect("a model");
    asked(make, how, |input| has(input, "message_stop"), (name, &ANTHROPIC));
}

fn of_gemini(how: (u16, bool), name: &'static str) {
    let client = http_client().expect("a client");
    let make = |settings| Gemini::new(settings, &client).expect("a model");
    let is_whole = |input: &[u8]| has(input, "finishReason") || has(input, "blockReason");
    asked(make, how, is_whole, (name, &GEMINI));
}

#[test]
fn anthropic_streams() {
    of_anthropic((200, true), "anthropic-stream");
}

#[test]
fn anthropic_bodies() {
    of_anthropic((200, false), "anthropic-body");
}

#[test]
fn anthropic_errors() {
    of_anthropic((500, false), "anthropic-error");
}

#[test]
fn gemini_streams() {
    of_gemini((200, true), "gemini-stream");
}

#[test]
fn gemini_bodies() {
    of_gemini((200, false), "gemini-body");
}

#[test]
fn gemini_errors() {
    of_gemini((429, false), "gemini-error");
}

fn path(path: &str) -> JsonPath {
    JsonPath::new(path).expect("a path")
}

/// A message is said to a bot, and nothing more.
fn said(
    model: &dyn ChatModel,
    runtime: &tokio::runtime::Runtime,
    stream: bool,
) -> (Result<ChatReply, CallError>, Told) {
    let told = Told::default();
    let talk = model.session("0b5c2d6e-1f3a-8c4d-9e5f-0123456789ab").expect("a talk");
    let said = Said { system: Some("Be brief."), user: "Hi", turn: 1, stream };
    let result = runtime.block_on(talk.say(said, &told));
    (result, told)
}

fn bot(name: &'static str, stream: Option<&StreamAt>, is_whole: fn(&[u8]) -> bool, words: &[&str]) {
    let (runtime, server) = (runtime(), Server::start());
    let client = http_client().expect("a client");
    let config = HttpBotConfig {
        url: Template::new(&server.address, false).expect("a URL"),
        method: "POST".to_owned(),
        headers: vec![("X-Key".to_owned(), Template::new("Key ${BOT_KEY}", true).expect("a template"))],
        body: Some(Tree::new(json!({"message": "{{ message }}"})).expect("a body")),
        reply: ReplyAt::Path(path("$.out[*].text")),
        session: Some(SessionAt { first: Value::Null, place: SessionPlace::Path(path("$.id")) }),
        stream: stream.cloned(),
        finish_reason: Some(path("$.why")),
        usage: Some(UsageAt { sent: path("$.t.in"), reply: path("$.t.out") }),
    };
    let settings = HttpBotSettings {
        config,
        variables: vec![("BOT_KEY".to_owned(), SecretString::from(KEY))],
        timeout: Duration::from_secs(60),
        retry: RetryPolicy { retries: 0, base: Duration::ZERO, cap: Duration::ZERO },
        gate: Arc::new(Gate::open()),
    };
    let bot = HttpBot::new(settings, &client).expect("a bot");
    Target::new(name).words(&WORDS).words(words).run(|input| {
        let kind = if stream.is_some() { "text/event-stream" } else { "application/json" };
        *server.answer.lock().expect("an answer") = answer(200, kind, input);
        let (result, told) = said(&bot, &runtime, stream.is_some());
        assert!(result.is_err() || is_whole(input), "half an answer became a reply");
        holds(result, &told, stream.is_some());
    });
}

const BOT: [&str; 8] = [
    "\"id\":\"s\"",
    "\"id\":7",
    "\"out\":[{\"text\":\"a\"}]",
    "\"why\":\"length\"",
    "\"t\":{\"in\":1,\"out\":18446744073709551615}",
    "data: {\"piece\":\"a\"}\n\n",
    "data: {\"kind\":\"end\"}\n\n",
    "data: {\"id\":\"s\"}\n\n",
];

#[test]
fn bodies_of_bots() {
    bot("bot-body", None, |input| has(input, "text") && has(input, "id"), &BOT);
}

#[test]
fn streams_of_bots() {
    let done = Some(Mark::At(path("$.kind"), "end".into()));
    let events = StreamAt::Events { piece: Pieces::Path(path("$.piece")), done };
    bot("bot-stream", Some(&events), |input| has(input, "end") && has(input, "piece"), &BOT);
}

/// Whatever is said stays one string of the body and one value of the URL: the same request with other words in the same places.
#[test]
fn templates_of_bots() {
    let (mark, hostile) = ("\u{f8ff}mark\u{f8ff}", "\"}, {{ session }} ${HOME} \\\u{0}\u{2028}&a=b#/../%00");
    let words = [
        "{{ message }}",
        "{{ session }}",
        "{{turn}}",
        "{{",
        "}}",
        "{{ system }}",
        "{{ stream }}",
        "${HOME}",
        "\"a\": ",
    ];
    Target::new("bot-template").words(&words).run(|input| {
        let text = String::from_utf8_lossy(input);
        let session = Value::from("s");
        let values = |message| Values { message, session: &session, turn: 1, system: None, stream: true };
        if let Ok(tree) = Tree::of_text(&text) {
            let sent = tree.fill(&values(hostile)).to_string();
            let read: Value = serde_json::from_str(&sent).expect("JSON");
            let spelled = |text: &str| Value::from(text).to_string().trim_matches('"').to_owned();
            let inside = Value::from(hostile).to_string();
            let other = tree.fill(&values(mark)).to_string().replace(&spelled(mark), &inside[1..inside.len() - 1]);
            assert_eq!(sent, other);
            assert_eq!(read, tree.fill(&values(hostile)));
            assert_eq!(tree.has(Place::Message), tree.fill(&values(mark)).to_string().contains(mark));
        }
        if let Ok(url) = Template::new(&text, false) {
            let (sent, other) = (url.url(&values(hostile)), url.url(&values("mark-of-its-own")));
            let encoded = url::form(hostile);
            assert_eq!(sent, other.replace("mark-of-its-own", &encoded));
        }
    });
}

/// As a URL spells a value.
mod url {
    pub fn form(text: &str) -> String {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let spelled = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
        text.bytes().map(spelled).collect()
    }
}

/// The lines of a program, which is `cat`.
#[cfg(unix)]
#[test]
fn lines_of_programs() {
    use chat_eval::provider::command::{CommandBot, CommandSettings};
    let (runtime, folder) = (runtime(), tempfile::TempDir::new().expect("a folder"));
    let words = [
        "{\"reply\":\"a\"}\n",
        "{\"delta\":\"a\"}\n",
        "{\"done\":true}\n",
        "{\"error\":\"a\"}\n",
        "\"turn\":1",
        "\"turn\":2",
        "\"finish_reason\":\"length\"",
        "\"usage\":{\"sent\":1,\"reply\":2}",
    ];
    let bot = CommandBot::new(CommandSettings {
        program: ["sh", "-c", "read -r line; cat input; tail -c 100 input >&2"].map(str::to_owned).to_vec(),
        folder: folder.path().to_owned(),
        variables: Vec::new(),
        secrets: vec![SecretString::from(KEY)],
        timeout: Duration::from_secs(60),
        gate: Arc::new(Gate::open()),
    });
    Target::new("command").words(&WORDS).words(&words).run(|input| {
        std::fs::write(folder.path().join("input"), input).expect("the input");
        let (result, told) = said(&bot, &runtime, true);
        let is_whole = has(input, "reply") || has(input, "done");
        assert!(result.is_err() || is_whole, "half an answer became a reply");
        let is_streamed = result.as_ref().is_ok_and(|reply| !reply.chunks.is_empty());
        holds(result, &told, is_streamed);
    });
}
