//! One recording: the line that it is in its file, and how it is made of a conversation.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::request::{Key, Keys, Request};
use crate::event::{CallDone, CallKind, FORMAT, Record, TurnDone, WireMessage};
use crate::model::{ConversationKey, Message, Source, TurnId, Usage};
use crate::text::escape::visible_json;

/// Where in a plan a request was recorded first. It says for whom a recording was made, and is no part of its key: whoever
/// sends the same gets the same reply.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The case's name; empty without cases.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub case: String,
    /// The persona's name.
    pub persona: String,
    /// The model's name in the config.
    pub model: String,
    /// The window's label.
    pub window: String,
    /// JSON of the matrix values; empty without a matrix.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub vars: String,
    /// The repetition, from 1.
    pub trial: u32,
    /// The turn; 0 for the whole conversation.
    pub turn: TurnId,
    /// Whether the turn was asked about once more there, to say why its reply did not have a fact.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub triage: bool,
    /// The name in the config of the model that judged the turn there, where that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judge: Option<String>,
    /// The name in the config of the model that was asked for an embedding there, where that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedding: Option<String>,
}

/// Stands for the whole conversation: turns count from 1.
const WHOLE: TurnId = TurnId::Turn(0);

impl Place {
    /// A turn of a conversation.
    #[must_use]
    pub fn new(key: &ConversationKey, turn: TurnId) -> Self {
        let variant = key.variant.clone();
        Self {
            case: variant.case,
            persona: variant.persona,
            model: variant.model,
            window: variant.window,
            vars: variant.vars,
            trial: key.trial,
            turn,
            triage: false,
            judge: None,
            embedding: None,
        }
    }

    /// The whole conversation of these names.
    #[must_use]
    pub fn whole(key: &ConversationKey) -> Self {
        Self::new(key, WHOLE)
    }

    /// Whether another than the conversation's own model was asked, or it in another part.
    #[must_use]
    pub const fn is_another(&self) -> bool {
        self.judge.is_some() || self.embedding.is_some()
    }

    /// Whether it was asked beside a turn: no later turn hangs on it.
    #[must_use]
    pub const fn is_beside(&self) -> bool {
        self.triage || self.is_another()
    }

    /// The name in the config of the model that was asked.
    #[must_use]
    pub fn asked(&self) -> &str {
        self.judge.as_ref().or(self.embedding.as_ref()).unwrap_or(&self.model)
    }

    /// The whole conversation.
    #[must_use]
    pub fn without_turn(&self) -> Self {
        Self { turn: WHOLE, triage: false, judge: None, embedding: None, ..self.clone() }
    }
}

impl fmt::Display for Place {
    /// `persona · case · model · window 2 · vars · trial 1 · turn 3`, leaving out what is empty.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.persona)?;
        if !self.case.is_empty() {
            write!(f, " · {}", self.case)?;
        }
        write!(f, " · {} · window {}", self.model, self.window)?;
        if !self.vars.is_empty() {
            write!(f, " · {}", self.vars)?;
        }
        write!(f, " · trial {}", self.trial)?;
        if self.turn != WHOLE {
            write!(f, " · {}", self.turn.named())?;
        }
        if self.triage {
            f.write_str(" · triage")?;
        }
        if let Some(judge) = &self.judge {
            write!(f, " · judge {judge}")?;
        }
        if let Some(embedding) = &self.embedding {
            write!(f, " · embedding {embedding}")?;
        }
        Ok(())
    }
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    /// The text.
    pub text: String,
    /// The pieces in which it came, by their bytes; empty where it came whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chunks: Vec<u32>,
    /// What a reasoning model thought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinking: Option<String>,
    /// Why it ended, in the provider's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<String>,
    /// Token counts as the provider said them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// The model that the server said it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The server's fingerprint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
}

impl Recorded {
    /// What a turn was answered.
    #[must_use]
    pub fn of(turn: &TurnDone) -> Option<Self> {
        Some(Self {
            text: turn.reply.clone()?,
            chunks: turn.chunks.clone(),
            thinking: turn.thinking.clone(),
            finish_reason: turn.finish_reason.clone(),
            usage: turn.usage.filter(|usage| !usage.estimated),
            model: turn.model_reported.clone(),
            fingerprint: turn.fingerprint.clone(),
        })
    }

    /// The pieces of its text: as they came, or all of it where it came whole.
    pub fn pieces(&self) -> impl Iterator<Item = &str> {
        let mut rest = self.text.as_str();
        let cut = self.chunks.iter().map_while(move |bytes| {
            let (piece, left) = rest.split_at_checked(*bytes as usize)?;
            rest = left;
            Some(piece)
        });
        let pieces: Vec<&str> = cut.collect();
        let is_all = pieces.iter().map(|piece| piece.len()).sum::<usize>() == self.text.len();
        let pieces = if is_all { pieces } else { vec![self.text.as_str()] };
        pieces.into_iter().filter(|piece| !piece.is_empty())
    }
}

/// One recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// What it is found by.
    pub key: Key,
    /// Where it was recorded first.
    pub place: Place,
    /// Who sent the same in that run, and got the same reply.
    pub also: Vec<Place>,
    /// Which occurrence of its request in the conversation it is, from 1.
    pub occurrence: u32,
    /// The parameters.
    pub params: Map<String, Value>,
    /// The messages.
    pub messages: Vec<WireMessage>,
    /// The reply.
    pub reply: Recorded,
}

impl Entry {
    /// What was sent.
    #[must_use]
    pub fn request(&self) -> Request<'_> {
        let (model, trial) = (self.place.asked(), self.place.trial);
        Request { model, messages: &self.messages, params: &self.params, trial }
    }
}

/// The recordings of a conversation's turns that a provider answered, or a recording did, with where each reply came from.
#[must_use]
pub fn recorded(record: &Record) -> Vec<(Entry, Source)> {
    let mut keys = Keys::default();
    let (list, begin) = (record.messages(), &record.begin);
    let asked = record.turns.iter().filter(|turn| turn.source.is_live() || turn.source == Source::Cassette);
    let entries = asked.filter_map(|turn| {
        let sent = turn.sent_positions().map(|at| list.get(at));
        let sent = sent.map(|message| Some(WireMessage { role: message?.role, content: message?.content.to_string() }));
        let messages: Vec<WireMessage> = sent.collect::<Option<_>>()?;
        let place = Place::new(&begin.key, turn.turn);
        let (model, params, trial) = (&place.model, &begin.params, place.trial);
        let (key, occurrence) = keys.next(&Request { model, messages: &messages, params, trial });
        let reply = Recorded::of(turn)?;
        Some((Entry { key, occurrence, params: params.clone(), messages, reply, place, also: Vec::new() }, turn.source))
    });
    let beside = record.calls.iter().filter_map(|call| beside(call, record, &list));
    entries.chain(beside).collect()
}

/// The recording of a call beside the turns. Of requests that are the same, one stands for all.
fn beside(call: &CallDone, record: &Record, list: &[Message]) -> Option<(Entry, Source)> {
    let source = Some(call.done.source).filter(|source| source.is_live() || *source == Source::Cassette)?;
    match call.kind {
        CallKind::Triage => {}
        CallKind::Judge | CallKind::Embedding => return of_another(call, record, source),
        // What a program says is not recorded: it is there to be started again.
        CallKind::Program | CallKind::Replay => return None,
    }
    let sent = call.done.sent_positions().map(|at| list.get(at));
    let sent = sent.map(|message| Some(WireMessage { role: message?.role, content: message?.content.to_string() }));
    let mut messages: Vec<WireMessage> = sent.collect::<Option<_>>()?;
    let question = messages.pop()?;
    messages.extend(call.inserted.iter().cloned().chain([question]));
    let place = Place { triage: true, ..Place::new(&record.begin.key, call.done.turn) };
    let params = record.begin.params.clone();
    let key = Request { model: &place.model, messages: &messages, params: &params, trial: place.trial }.key(1);
    let reply = Recorded::of(&call.done)?;
    Some((Entry { key, occurrence: 1, params, messages, reply, place, also: Vec::new() }, source))
}

/// The recording of what another model said. Votes of a judge are the occurrences of one request.
fn of_another(call: &CallDone, record: &Record, source: Source) -> Option<(Entry, Source)> {
    let (asked, occurrence, params) = (call.model.clone()?, call.vote?, call.params.clone());
    let messages = call.inserted.clone();
    let place = Place::new(&record.begin.key, call.done.turn);
    let place = match call.kind {
        CallKind::Judge => Place { judge: Some(asked), ..place },
        _ => Place { embedding: Some(asked), ..place },
    };
    let reply = Recorded::of(&call.done)?;
    let key =
        Request { model: place.asked(), messages: &messages, params: &params, trial: place.trial }.key(occurrence);
    Some((Entry { key, occurrence, params, messages, reply, place, also: Vec::new() }, source))
}

/// A recording as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    key: String,
    place: Place,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    also: Vec<Place>,
    #[serde(default = "first", skip_serializing_if = "is_first")]
    occurrence: u32,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    params: Map<String, Value>,
    messages: Vec<WireMessage>,
    reply: Recorded,
    /// The first 16 hexadecimal digits of SHA-256 over the key and the JSON of place, `also` and reply: a recording is what a
    /// model said to that request.
    seal: String,
}

#[derive(Serialize, Deserialize)]
struct Header {
    format: u32,
    cassette: String,
}

const fn first() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes what it would write by reference")]
const fn is_first(occurrence: &u32) -> bool {
    *occurrence == 1
}

impl Line {
    pub(super) fn header(format: u32, scenario: &str) -> String {
        json(&Header { format, cassette: scenario.to_owned() })
    }

    pub(super) fn check_header(line: &str) -> Result<(), String> {
        let header: Header = serde_json::from_str(line)
            .map_err(|_| "no cassette: its first line says the format, `{\"format\":1,\"cassette\":…}`".to_owned())?;
        if header.format > FORMAT {
            return Err(format!("format {} is newer than this version reads ({FORMAT})", header.format));
        }
        Ok(())
    }

    /// Whether a line is the first one of the cassette of this scenario, of whatever format.
    pub(super) fn is_header_of(line: &str, scenario: &str) -> bool {
        serde_json::from_str(line).is_ok_and(|header: Header| header.cassette == scenario)
    }

    pub(super) fn written(entry: &Entry) -> String {
        json(&Self {
            key: entry.key.to_string(),
            place: entry.place.clone(),
            also: entry.also.clone(),
            occurrence: entry.occurrence,
            params: entry.params.clone(),
            messages: entry.messages.clone(),
            seal: seal(entry),
            reply: entry.reply.clone(),
        })
    }

    pub(super) fn read(line: &str) -> Result<Entry, String> {
        if ["<<<<<<<", "=======", ">>>>>>>"].iter().any(|mark| line.starts_with(mark)) {
            return Err(
                "a conflict of a merge: keep the lines of one side, or of both, and remove its marks".to_owned()
            );
        }
        let line: Self = serde_json::from_str(line).map_err(|error| {
            let (column, error) = (error.column(), error.to_string());
            let what = error.split(" at line ").next().unwrap_or_default();
            format!("no recording (column {column}: {what})")
        })?;
        let Self { key, place, also, occurrence, params, messages, reply, seal: sealed } = line;
        let request = Request { model: place.asked(), messages: &messages, params: &params, trial: place.trial };
        let found = request.key(occurrence);
        if found.to_string() != key {
            return Err("its request was changed: the key is that of another one".to_owned());
        }
        let entry = Entry { key: found, place, also, occurrence, params, messages, reply };
        if seal(&entry) != sealed {
            return Err("its reply was changed: that is not what the model said".to_owned());
        }
        Ok(entry)
    }
}

fn seal(entry: &Entry) -> String {
    // A recording is a plain value: it can always be written.
    let json = serde_json::to_string(&(&entry.place, &entry.also, &entry.reply)).unwrap_or_default();
    let first = Sha256::digest(format!("{}{json}", entry.key))
        .iter()
        .take(8)
        .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    format!("{first:016x}")
}

/// JSON on one line in which a reviewer sees every character.
fn json(value: &impl Serialize) -> String {
    visible_json(&serde_json::to_string(value).unwrap_or_default()).into_owned()
}
