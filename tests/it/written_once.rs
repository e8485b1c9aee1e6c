//! What a conversation says is written for the wire once, however often it is sent.

use std::sync::{Arc, Mutex};

use chat_eval::model::{Message, Source};
use chat_eval::provider::{Builtin, BuiltinKind, CallError, ChatModel, ChatReply, ChatRequest, Observer};
use futures::future::BoxFuture;

use crate::panics::play;

/// Keeps what it was sent, written for the wire as a server would have it.
#[derive(Default)]
struct Keeper(Mutex<Vec<Vec<Message>>>);

impl ChatModel for Keeper {
    fn source(&self) -> Source {
        Source::Live
    }

    fn chat<'a>(
        &'a self,
        request: ChatRequest<'a>,
        observer: &'a dyn Observer,
    ) -> BoxFuture<'a, Result<ChatReply, CallError>> {
        request.messages.iter().for_each(|message| assert!(message.wire().is_ok()));
        self.0.lock().expect("no panic").push(request.messages.to_vec());
        Box::pin(async move { Builtin::new(BuiltinKind::Reader).chat(request, observer).await })
    }
}

#[test]
fn every_later_request_has_the_messages_of_the_one_before_as_they_were_written() {
    let keeper = Arc::new(Keeper::default());
    let scenario = "persona: Be brief.\nhistory: [{role: user, content: Hi.}, {role: assistant, content: Hello.}]\nturns: [{user: I am Priya.}, {user: What \
                    is my name?}, {user: Thanks.}]\nprobes: [{user: Who am I?}]\n";
    play(&[scenario], Arc::clone(&keeper) as Arc<dyn ChatModel>, 1);
    let requests = keeper.0.lock().expect("no panic");
    let lengths: Vec<usize> = requests.iter().map(Vec::len).collect();
    assert_eq!(lengths, [4, 6, 8, 10], "the system prompt, the history, and all that was said");
    for (before, after) in requests.iter().zip(&requests[1..]) {
        for (one, same) in before.iter().zip(after) {
            assert_eq!(one, same);
            let (one, same) = (one.wire().expect("a text"), same.wire().expect("a text"));
            assert_eq!(one.get().as_ptr(), same.get().as_ptr(), "written twice: {}", one.get());
        }
    }
}
