//! Conversations in JSON, one after another: a line each, or the items of one list. The file as a whole is never in memory.

use std::fmt;
use std::io::{BufRead, Read};

use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::Value as Json;

use super::Importer;

/// The longest line, in bytes: a conversation with pictures in it may be long.
const MAX_LINE: u64 = 64 << 20;

/// Where a conversation stands: `line 3 of chats.jsonl`.
pub type Origin = String;

/// Gives each line that is JSON to `take`, with its origin.
pub fn lines(
    importer: &mut Importer<'_>,
    input: &mut dyn BufRead,
    help: &str,
    take: &mut dyn FnMut(&mut Importer<'_>, Json, Origin),
) {
    let mut number = 0_u64;
    let mut line = Vec::new();
    while !importer.is_over() {
        number += 1;
        line.clear();
        match (&mut *input).take(MAX_LINE).read_until(b'\n', &mut line) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) => {
                importer.wrong(format!("`{}` cannot be read: {error}", importer.settings.file), None);
                return;
            }
        }
        let origin = format!("line {number} of {}", importer.settings.file);
        if line.len() as u64 == MAX_LINE && !line.ends_with(b"\n") {
            importer.wrong(format!("{origin} has more than {} MiB", MAX_LINE >> 20), None);
            return;
        }
        let text = match std::str::from_utf8(&line) {
            Ok(text) => text,
            Err(error) => {
                let message = format!("{origin} is no text: byte {} is not UTF-8", error.valid_up_to() + 1);
                importer.wrong(message, Some("save it as UTF-8"));
                continue;
            }
        };
        let text = if number == 1 { text.trim_start_matches('\u{feff}') } else { text }.trim();
        if text.is_empty() {
            continue;
        }
        match serde_json::from_str(text) {
            Ok(json) => take(importer, json, origin),
            Err(error) => importer.wrong(format!("{origin} is no JSON: {}", reason(&error)), Some(help)),
        }
    }
}

/// Gives each item of a list, or each line where there is no list, to `take`.
pub fn items(
    importer: &mut Importer<'_>,
    input: &mut dyn BufRead,
    help: &str,
    take: &mut dyn FnMut(&mut Importer<'_>, Json, Origin),
) {
    match first_byte(input) {
        Ok(Some(b'[')) => {}
        Ok(_) => return lines(importer, input, help, take),
        Err(error) => {
            importer.wrong(format!("`{}` cannot be read: {error}", importer.settings.file), None);
            return;
        }
    }
    let mut reader = serde_json::Deserializer::from_reader(input);
    let list = reader.deserialize_seq(List { importer, take }).and_then(|()| reader.end());
    // Where no more are wanted, the rest is not looked at, and the reader misses it.
    if let Err(error) = list
        && !importer.is_over()
    {
        let place = format!("line {}, column {}", error.line(), error.column());
        importer.wrong(format!("`{}` is no JSON: {}, in {place}", importer.settings.file, reason(&error)), Some(help));
    }
}

/// The first byte that is no white space; what is before it is consumed, and a byte order mark too.
fn first_byte(input: &mut dyn BufRead) -> std::io::Result<Option<u8>> {
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(None);
        }
        let is_skipped = |byte: &&u8| byte.is_ascii_whitespace() || matches!(**byte, 0xef | 0xbb | 0xbf);
        let skipped = buffer.iter().take_while(is_skipped).count();
        let found = buffer.get(skipped).copied();
        // A line feed counts for the numbers of lines: of blank lines before everything nobody asks.
        input.consume(skipped);
        if found.is_some() {
            return Ok(found);
        }
    }
}

/// What the library says, without the place, which is told otherwise.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let (message, place) = text.split_once(" at line ").unwrap_or((&text, ""));
    let column = place.split_once("column ").map(|(_, column)| column);
    match column {
        Some(column) if error.line() == 1 => format!("{message} at column {column}"),
        _ => message.to_owned(),
    }
}

struct List<'l, 'i> {
    importer: &'l mut Importer<'i>,
    take: &'l mut dyn FnMut(&mut Importer<'_>, Json, Origin),
}

impl<'de> Visitor<'de> for List<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of conversations")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut number = 0_u64;
        while !self.importer.is_over() {
            let Some(item) = items.next_element::<Json>()? else { break };
            number += 1;
            let origin = format!("item {number} of {}", self.importer.settings.file);
            (self.take)(self.importer, item, origin);
        }
        Ok(())
    }
}
