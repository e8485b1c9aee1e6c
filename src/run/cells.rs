//! Sees to it that the same request is sent once, however many ask for its reply at once.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use crate::provider::{CallError, ChatReply};

/// What came of each request, for all that send the same.
#[derive(Debug)]
pub struct Cells<K>(Mutex<HashMap<K, Arc<OnceCell<Sent>>>>);

/// What came of a request that was sent.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    /// Place in the plan of the conversation that sent it.
    by: u32,
    result: Result<ChatReply, CallError>,
}

impl<K> Default for Cells<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> Cells<K> {
    /// Takes in a reply that is known already. Of two to one request the first counts.
    pub(super) fn know(&self, key: K, by: u32, reply: ChatReply) {
        let _ = self.cell(key).set(Sent { by, result: Ok(reply) });
    }

    fn cell(&self, key: K) -> Arc<OnceCell<Sent>> {
        let mut cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(cells.entry(key).or_default())
    }

    /// What came of a request, from `call` where nobody has sent it yet, and who sent it where that was another. Whoever asks
    /// the same meanwhile waits for that.
    ///
    /// A call that failed has failed for all who ask the same, whether they wait for it or come later: who does which is chance.
    /// One that was not sent, was cut off or panicked is made by the next who asks.
    pub(super) async fn once(
        &self,
        key: K,
        by: u32,
        call: impl Future<Output = Result<ChatReply, CallError>>,
    ) -> (Result<ChatReply, CallError>, Option<u32>) {
        let slot = self.cell(key);
        let mut is_own = false;
        let asked = async {
            is_own = true;
            match call.await {
                Err(error) if error.is_unsent() => Err(error),
                result => Ok(Sent { by, result }),
            }
        };
        match slot.get_or_try_init(|| asked).await {
            Ok(sent) => (sent.result.clone(), (!is_own).then_some(sent.by)),
            Err(error) => (Err(error), None),
        }
    }
}

#[cfg(test)]
mod tests;
