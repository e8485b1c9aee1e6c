//! A defect in a provider or a check ends one conversation and nothing else.

use std::collections::HashMap;
use std::sync::Arc;

use chat_eval::diagnostic::SourceFile;
use chat_eval::event::{Event, Live, Record};
use chat_eval::journal::{Reader, Writer};
use chat_eval::model::{End, Source};
use chat_eval::provider::{Builtin, BuiltinKind, CallError, ChatModel, ChatReply, ChatRequest, Observer};
use chat_eval::run::plan::{Overrides, Plan};
use chat_eval::run::{Ended, Job, Model, Models, Outlet, Watcher, consume, dispatch};
use chat_eval::scenario::{self, FileProblem, Files};
use chat_eval::text::tokens::Tokenizer;
use futures::future::BoxFuture;

/// Answers, but breaks when it is told to.
struct Fragile;

impl ChatModel for Fragile {
    fn source(&self) -> Source {
        Source::Live
    }

    fn chat<'a>(
        &'a self,
        request: ChatRequest<'a>,
        observer: &'a dyn Observer,
    ) -> BoxFuture<'a, Result<ChatReply, CallError>> {
        Box::pin(async move {
            let last = request.messages.last().expect("a message");
            assert!(!last.content.contains("break"), "the provider broke");
            Builtin::new(BuiltinKind::Reader).chat(request, observer).await
        })
    }
}

/// Answers, but cannot be asked what it is: the question comes up when a check that needs a language model is decided.
struct Unsure;

impl ChatModel for Unsure {
    fn source(&self) -> Source {
        Source::Live
    }

    fn is_language_model(&self) -> bool {
        panic!("the check broke")
    }

    fn chat<'a>(
        &'a self,
        request: ChatRequest<'a>,
        observer: &'a dyn Observer,
    ) -> BoxFuture<'a, Result<ChatReply, CallError>> {
        Box::pin(async move { Builtin::new(BuiltinKind::Reader).chat(request, observer).await })
    }
}

struct NoFiles;

impl Files for NoFiles {
    fn read(&self, relative: &str) -> Result<Arc<SourceFile>, FileProblem> {
        panic!("`{relative}` is not asked for")
    }
}

#[derive(Default)]
struct Count {
    begun: usize,
    ended: usize,
}

impl Watcher for Count {
    fn event(&mut self, event: &Event) {
        self.begun += usize::from(matches!(event, Event::Begin(_)));
        self.ended += usize::from(matches!(event, Event::Conversation(_)));
    }

    fn live(&mut self, _: &Live) {}
}

/// Plays scenarios on one model, and gives their records, each of which began once and ended once.
pub(crate) fn play(texts: &[&str], chat: Arc<dyn ChatModel>, concurrency: usize) -> Vec<Record> {
    let scenarios = (0..).zip(texts).map(|(number, text)| {
        let source = Arc::new(SourceFile { path: format!("s{number}.yaml"), text: (*text).to_owned() });
        let (scenario, diagnostics) = scenario::load(&source, &format!("s{number}"), &NoFiles);
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        scenario.expect("a scenario")
    });
    let overrides = Overrides { default_model: "fragile".to_owned(), max_conversations: 100, ..Overrides::default() };
    let plan = Plan::new(scenarios.collect(), &overrides).expect("a plan");
    let planned = plan.conversations.len();
    let model = Model { chat, price: None, tokenizer: Tokenizer::default(), longest_reply: None };
    let job = Job {
        tapes: HashMap::new(),
        is_shared: true,
        pins: None,
        plan,
        places: (0..planned).collect(),
        models: Models::from([("fragile".to_owned(), model)]),
        concurrency,
        earlier: None,
        turns_done: HashMap::new(),
        budget: None,
        is_fail_fast: false,
        is_until_decided: false,
        is_triaged: false,
        outsiders: Arc::default(),
        sessions: chat_eval::run::Sessions::default(),
    };

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("journal.jsonl");
    let journal = Writer::create(&path, &Event::Run(Box::new(manifest()))).expect("a journal");
    let (outlet, notes) = Outlet::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let consumer = runtime.spawn(async move {
        let mut count = Count::default();
        consume(notes, journal, &mut count).await.expect("a journal");
        count
    });
    let ended = runtime.block_on(dispatch(job, outlet, std::future::pending()));
    let count = runtime.block_on(consumer).expect("a consumer");
    assert_eq!(ended, Ended::Complete);
    assert_eq!((count.begun, count.ended), (planned, planned), "each begins once and ends once");
    Reader::open(&path).expect("a journal").records().map(Result::unwrap).collect()
}

fn reason(record: &Record) -> &str {
    record.done.as_ref().and_then(|done| done.error.as_deref()).expect("a reason")
}

#[test]
fn a_panic_ends_its_conversation_alone_and_each_has_one_record() {
    let text = "\
cases: [{word: go}, {word: break}, {word: on}, {word: break}, {word: well}]
turns:
  - {user: Hello, expect: [{max_words: 5}]}
  - {user: \"{{ word }}\", expect: [{max_words: 5}]}
";
    let records = play(&[text], Arc::new(Fragile), 2);
    let ends: Vec<End> = records.iter().map(Record::end).collect();
    assert_eq!(ends, [End::Passed, End::Errored, End::Passed, End::Errored, End::Passed]);
    let broken = &records[1];
    assert_eq!((broken.turns.len(), broken.begin.turns), (1, 2), "what was said before is kept");
    assert_eq!(reason(broken), "a defect of chat-eval ended this conversation: the provider broke");
}

#[test]
fn a_panic_in_a_check_ends_its_conversation_alone_and_the_reply_is_kept() {
    let sound = "trials: 2\nturns: [{user: Hello, expect: [{max_words: 5}]}, {user: More}]";
    let broken = "turns: [{user: Hello, expect: [{max_words: 5}, {max_words: 5, needs_model: true}]}, {user: More}]";
    // One at a time: the slot of the one that breaks must be free for those behind it.
    for concurrency in [1, 2] {
        let records = play(&[sound, broken, sound], Arc::new(Unsure), concurrency);
        let ends: Vec<End> = records.iter().map(Record::end).collect();
        assert_eq!(ends, [End::Passed, End::Passed, End::Errored, End::Passed, End::Passed]);
        let broken = &records[2];
        assert_eq!((broken.turns.len(), broken.checks.len()), (1, 1), "the reply and the check before it are kept");
        assert!(broken.turns[0].reply.is_some());
        assert_eq!(reason(broken), "a defect of chat-eval ended this conversation: the check broke");
    }
}

fn manifest() -> chat_eval::event::Manifest {
    serde_json::from_value(serde_json::json!({
        "format": 1, "run": "r", "version": "0", "arguments": [], "started": "", "plan_digest": "", "conversations": 5,
        "scenarios": [],
    }))
    .expect("a manifest")
}
