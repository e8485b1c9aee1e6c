//! Reads server-sent events out of the pieces of a body, as the HTML standard has them. Of an event only the data counts, and
//! whether it is called an error.
//!
//! It takes time in proportion to what arrives, however it is cut. (The reader below async-openai begins an unfinished line anew
//! with each of its pieces.)

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    /// Its name is `error`.
    pub(super) is_error: bool,
    pub(super) data: String,
}

/// The reader.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// What arrived of the line that has no end yet.
    line: Vec<u8>,
    /// The data of the event that has no end yet; `None` before its first line of data.
    data: Option<String>,
    /// The event that has no end yet is called `error`.
    is_error: bool,
    /// The last line ended in a carriage return: a line feed that follows belongs to its end.
    is_return: bool,
    /// Something arrived before: no byte order mark can come any more.
    has_begun: bool,
}

impl Events {
    /// Takes a piece and gives each event that ends in it.
    pub(super) fn push(&mut self, piece: &[u8]) -> Vec<Event> {
        let mut ended = Vec::new();
        let mut rest = piece;
        while let Some(first) = rest.first() {
            if std::mem::take(&mut self.is_return) && *first == b'\n' {
                rest = &rest[1..];
                continue;
            }
            let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                self.line.extend_from_slice(rest);
                break;
            };
            self.line.extend_from_slice(&rest[..end]);
            self.is_return = rest[end] == b'\r';
            rest = &rest[end + 1..];
            ended.extend(self.end_line());
        }
        ended
    }

    /// An event that the body's end leaves without its empty line. The standard drops it; bots forget that line, and
    /// a cut body is told by its missing end mark or by the connection.
    pub(super) fn finish(&mut self) -> Option<Event> {
        if !self.line.is_empty() {
            let _ = self.end_line();
        }
        self.end_event()
    }

    /// An event without data is none, as the standard has it, but for an error: it says what it is by its name.
    fn end_event(&mut self) -> Option<Event> {
        let (is_error, data) = (std::mem::take(&mut self.is_error), self.data.take());
        let data = if is_error { Some(data.unwrap_or_default()) } else { data };
        data.map(|data| Event { is_error, data })
    }

    fn end_line(&mut self) -> Option<Event> {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        let line =
            if std::mem::replace(&mut self.has_begun, true) { &*line } else { line.trim_start_matches('\u{feff}') };
        if line.is_empty() {
            return self.end_event();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        if field == "event" {
            self.is_error = value == "error";
        } else if field == "data" {
            match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                none => *none = Some(value.to_owned()),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = "\u{feff}: hello\ndata: {\"a\": 1}\n\nevent: x\r\ndata:two\r\ndata: lines\r\n\r\nid: 7\n\n\ndata\n\rdata: ü\r\revent: error\ndata: no\n\nevent: error\r\n\r\ndata: last";

    fn read(pieces: &[&[u8]]) -> Vec<String> {
        let mut events = Events::default();
        let mut read: Vec<Event> = pieces.iter().flat_map(|piece| events.push(piece)).collect();
        read.extend(events.finish());
        read.into_iter()
            .map(|event| if event.is_error { format!("error: {}", event.data) } else { event.data })
            .collect()
    }

    #[test]
    fn events_are_the_same_however_they_are_cut() {
        let expected = ["{\"a\": 1}", "two\nlines", "", "ü", "error: no", "error: ", "last"];
        let bytes = STREAM.as_bytes();
        for at in 0..=bytes.len() {
            assert_eq!(read(&[&bytes[..at], &bytes[at..]]), expected, "cut at {at}");
        }
        let each: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(read(&each), expected);
    }
}
