//! How a conversation comes by the reply to a request: from a recording, from another that sent the same, or from the provider.

use std::hash::Hash;

use super::super::call::{CallObserver, Effort};
use super::super::cells::Cells;
use super::super::sharing::Asked;
use super::super::tape::{self, Tape};
use super::Stage;
use crate::event::WireMessage;
use crate::model::{Message, Source, TurnId};
use crate::provider::cassette::{Key, Request};
use crate::provider::{CallError, ChatReply, ChatRequest, Observer};

/// What came of a request.
pub(super) struct Answered {
    pub(super) result: Result<ChatReply, CallError>,
    pub(super) source: Source,
    /// Place in the plan of the conversation that sent it, where that was another.
    pub(super) shared_from: Option<u32>,
    pub(super) effort: Effort,
}

/// What came of a request that is not recorded, where the reply came from, and who sent the request where another did.
type Reached = (Result<ChatReply, CallError>, Source, Option<u32>);

impl Stage<'_> {
    /// The reply to a request: from its recording, from whoever sent the same, or from the provider.
    pub(super) async fn answer(&mut self, number: TurnId, messages: &[Message]) -> Answered {
        if self.keeps_history() {
            // Apart, since no other model needs the room.
            return Box::pin(self.said(number, messages)).await;
        }
        let observer = CallObserver::new(self.outlet, self.conversation.plan, number);
        let tape = self.conversation.tape.clone();
        let (result, source, shared_from) = match tape.as_deref() {
            None => self.ask(&observer, number, messages).await,
            Some(Tape::Record(cells)) => {
                let (_, key, _) = self.key(messages);
                self.ask_once(cells, key, &observer, messages).await
            }
            Some(Tape::Replay(cassette)) => {
                let (sent, key, occurrence) = self.key(messages);
                match cassette.reply(&key) {
                    Some(recorded) => {
                        self.show(&observer, recorded.pieces());
                        (Ok(tape::replayed(recorded)), Source::Cassette, None)
                    }
                    // Whoever may not be called says so by where its replies come from.
                    None if self.conversation.model.chat.source() == Source::Cassette => {
                        let why = tape::missing(cassette, &self.asked(&sent), occurrence);
                        (Err(CallError::NotRecorded(why)), Source::Cassette, None)
                    }
                    None => {
                        let (result, source, from) = self.ask(&observer, number, messages).await;
                        // Where nobody is there to be called, a recording was meant to be replayed.
                        let result = result.map_err(|error| match error {
                            CallError::Unreachable(error) => {
                                let difference = cassette.difference(&self.asked(&sent), occurrence);
                                CallError::Unreachable(format!("{error}; it is not recorded either; {difference}"))
                            }
                            other => other,
                        });
                        (result, source, from)
                    }
                }
            }
        };
        Answered { result, source, shared_from, effort: observer.effort() }
    }

    /// The reply to a request that is not recorded: from whoever sent the same at this place, or from the provider.
    async fn ask(&self, observer: &CallObserver<'_>, number: TurnId, messages: &[Message]) -> Reached {
        match &self.conversation.shared {
            None => (self.call(observer, messages).await, self.conversation.model.chat.source(), None),
            Some(cells) => self.ask_once(cells, Asked::new(number, messages), observer, messages).await,
        }
    }

    async fn ask_once<K: Eq + Hash>(
        &self,
        cells: &Cells<K>,
        key: K,
        observer: &CallObserver<'_>,
        messages: &[Message],
    ) -> Reached {
        let (result, from) = cells.once(key, self.conversation.plan, self.call(observer, messages)).await;
        if let (Ok(reply), Some(_)) = (&result, from) {
            self.show(observer, [reply.reply.text.as_str()]);
        }
        (result, if from.is_some() { Source::Shared } else { Source::Live }, from)
    }

    /// A reply that is there already is shown as it would come.
    fn show<'p>(&self, observer: &CallObserver<'_>, pieces: impl IntoIterator<Item = &'p str>) {
        if self.conversation.stream {
            pieces.into_iter().for_each(|piece| observer.delta(piece));
        }
    }

    /// The key of the next request, what of it makes the key, and which occurrence of it this is.
    pub(super) fn key(&mut self, messages: &[Message]) -> (Vec<WireMessage>, Key, u32) {
        let sent = tape::wire(messages);
        let mut keys = std::mem::take(&mut self.keys);
        let (key, occurrence) = keys.next(&self.asked(&sent));
        self.keys = keys;
        (sent, key, occurrence)
    }

    pub(super) fn asked<'m>(&'m self, messages: &'m [WireMessage]) -> Request<'m> {
        let key = &self.conversation.key;
        Request { model: &key.variant.model, messages, params: &self.params, trial: key.trial }
    }

    pub(super) async fn call(&self, observer: &CallObserver<'_>, messages: &[Message]) -> Result<ChatReply, CallError> {
        let request = ChatRequest {
            messages,
            params: &self.conversation.params,
            stream: self.conversation.stream,
            facts: &self.script.facts,
        };
        self.conversation.model.chat.chat(request, observer).await
    }
}
