//! What of a request its recording is found by.

use std::collections::HashMap;
use std::fmt;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::event::WireMessage;

/// A recording's key: SHA-256 over the canonical JSON (objects with their keys in order, no blanks) of the model's name in
/// the config, the messages, the parameters, the trial, and which occurrence of that request in its conversation it is.
/// Whether the reply is streamed does not count.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key([u8; 32]);

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A request as it is really sent, whatever it is sent to.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The model's name in the config.
    pub model: &'a str,
    /// The messages.
    pub messages: &'a [WireMessage],
    /// The parameters that are sent.
    pub params: &'a Map<String, Value>,
    /// The repetition, from 1: trials are independent.
    pub trial: u32,
}

impl Request<'_> {
    /// Its key as the n-th request of its conversation that is the same, from 1.
    #[must_use]
    pub fn key(&self, occurrence: u32) -> Key {
        let mut params = Value::Object(self.params.clone());
        params.sort_all_objects();
        let mut hash = Sha256::new();
        // Nothing of it can fail to be written, and a hash takes everything.
        let _ = serde_json::to_writer(Hashed(&mut hash), &Canonical { request: self, params: &params, occurrence });
        Key(hash.finalize().into())
    }
}

struct Canonical<'a> {
    request: &'a Request<'a>,
    params: &'a Value,
    occurrence: u32,
}

impl Serialize for Canonical<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Message<'a> {
            content: &'a str,
            role: &'a str,
        }
        let messages = self.request.messages.iter();
        let messages: Vec<Message<'_>> =
            messages.map(|message| Message { content: &message.content, role: message.role.as_str() }).collect();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("messages", &messages)?;
        map.serialize_entry("model", self.request.model)?;
        map.serialize_entry("occurrence", &self.occurrence)?;
        map.serialize_entry("params", self.params)?;
        map.serialize_entry("trial", &self.request.trial)?;
        map.end()
    }
}

struct Hashed<'h>(&'h mut Sha256);

impl std::io::Write for Hashed<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Counts the requests of one conversation: two that are the same may have been answered differently.
#[derive(Debug, Clone, Default)]
pub struct Keys(HashMap<Key, u32>);

impl Keys {
    /// The key of the conversation's next request, and which occurrence of it this is.
    pub fn next(&mut self, request: &Request<'_>) -> (Key, u32) {
        let first = request.key(1);
        let occurrence = self.0.entry(first).and_modify(|number| *number += 1).or_insert(1);
        (if *occurrence == 1 { first } else { request.key(*occurrence) }, *occurrence)
    }
}
