//! What a terminal sends, as keys. Pure.
//!
//! A key may come in pieces (over SSH a packet may end anywhere), and what follows an escape must never be taken for a
//! letter: the end of an arrow is an `A`, and `A` accepts. Pasted text presses no keys.

/// A key, as far as a review asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// A character.
    Char(char),
    /// Arrow.
    Up,
    /// Arrow.
    Down,
    /// Arrow.
    Left,
    /// Arrow.
    Right,
    /// Page up.
    PageUp,
    /// Page down.
    PageDown,
    /// Home.
    Home,
    /// End.
    End,
    /// Return.
    Enter,
    /// Escape on its own.
    Escape,
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-Z.
    Suspend,
    /// Any other.
    Other,
}

/// No sequence of a key is longer; what is goes on as something else.
const LONGEST: usize = 32;

/// Puts keys together from bytes.
#[derive(Debug, Default)]
pub struct Decoder {
    /// The beginning of a key.
    begun: Vec<u8>,
    is_pasting: bool,
}

/// What the bytes at hand begin with.
enum Parsed {
    /// A key of so many bytes.
    Key(Key, usize),
    /// So many bytes that are no key.
    Nothing(usize),
    /// Text is pasted from behind so many bytes on, or no more.
    Paste(bool, usize),
    /// The beginning of a key.
    Half,
}

impl Decoder {
    /// The keys that are complete with these bytes.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Key> {
        self.begun.extend_from_slice(bytes);
        let mut keys = Vec::new();
        let mut done = 0;
        while done < self.begun.len() {
            let length = match parse(&self.begun[done..]) {
                Parsed::Half => break,
                Parsed::Paste(is_pasting, length) => {
                    self.is_pasting = is_pasting;
                    length
                }
                Parsed::Nothing(length) => length,
                Parsed::Key(key, length) => {
                    if !self.is_pasting || key == Key::Interrupt {
                        keys.push(key);
                    }
                    length
                }
            };
            done += length;
        }
        self.begun.drain(..done);
        keys
    }

    /// Whether a key has begun and is not complete.
    pub fn is_halfway(&self) -> bool {
        !self.begun.is_empty()
    }

    /// Nothing more came: an escape on its own is the key of that name, any other half is none.
    pub fn give_up(&mut self) -> Option<Key> {
        let begun = std::mem::take(&mut self.begun);
        (begun == [ESCAPE] && !self.is_pasting).then_some(Key::Escape)
    }
}

const ESCAPE: u8 = 0x1b;

fn parse(bytes: &[u8]) -> Parsed {
    match bytes {
        [] => Parsed::Half,
        [ESCAPE, rest @ ..] => parse_escape(rest),
        [0x03, ..] => Parsed::Key(Key::Interrupt, 1),
        [0x1a, ..] => Parsed::Key(Key::Suspend, 1),
        [b'\r' | b'\n', ..] => Parsed::Key(Key::Enter, 1),
        [first, ..] if first.is_ascii_control() => Parsed::Key(Key::Other, 1),
        [first, ..] if first.is_ascii() => Parsed::Key(Key::Char(char::from(*first)), 1),
        _ => parse_character(bytes),
    }
}

/// A character beyond ASCII.
fn parse_character(bytes: &[u8]) -> Parsed {
    let length = match bytes[0] {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return Parsed::Nothing(1),
    };
    let Some(character) = bytes.get(..length) else { return Parsed::Half };
    match std::str::from_utf8(character).ok().and_then(|text| text.chars().next()) {
        Some(character) => Parsed::Key(Key::Char(character), length),
        None => Parsed::Nothing(1),
    }
}

/// What follows an escape; lengths count the escape too.
fn parse_escape(rest: &[u8]) -> Parsed {
    match rest {
        [] | [b'[' | b'O'] => Parsed::Half,
        [ESCAPE, ..] => Parsed::Key(Key::Escape, 1),
        [b'O', last, ..] => Parsed::Key(named(*last), 3),
        // Function keys of the Linux console.
        [b'[', b'['] => Parsed::Half,
        [b'[', b'[', _, ..] => Parsed::Key(Key::Other, 4),
        [b'[', sequence @ ..] => parse_sequence(sequence),
        // A key held together with Alt.
        _ => Parsed::Key(Key::Other, 2),
    }
}

/// What follows `ESC [`: parameters and a last byte.
fn parse_sequence(sequence: &[u8]) -> Parsed {
    let Some(end) = sequence.iter().take(LONGEST).position(|byte| (0x40..=0x7e).contains(byte)) else {
        return if sequence.len() < LONGEST { Parsed::Half } else { Parsed::Nothing(sequence.len() + 2) };
    };
    let length = end + 3;
    match (&sequence[..end], sequence[end]) {
        (b"200", b'~') => Parsed::Paste(true, length),
        (b"201", b'~') => Parsed::Paste(false, length),
        (b"1" | b"7", b'~') => Parsed::Key(Key::Home, length),
        (b"4" | b"8", b'~') => Parsed::Key(Key::End, length),
        (b"5", b'~') => Parsed::Key(Key::PageUp, length),
        (b"6", b'~') => Parsed::Key(Key::PageDown, length),
        (_, last) => Parsed::Key(named(last), length),
    }
}

fn named(last: u8) -> Key {
    match last {
        b'A' => Key::Up,
        b'B' => Key::Down,
        b'C' => Key::Right,
        b'D' => Key::Left,
        b'H' => Key::Home,
        b'F' => Key::End,
        _ => Key::Other,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let mut decoder = Decoder::default();
        let mut keys = decoder.push(bytes);
        keys.extend(decoder.give_up());
        keys
    }

    #[test]
    fn what_a_terminal_sends_for_a_key_is_that_key() {
        let table: [(&[u8], Key); 24] = [
            (b"a", Key::Char('a')),
            (b"A", Key::Char('A')),
            ("ü".as_bytes(), Key::Char('ü')),
            ("世".as_bytes(), Key::Char('世')),
            ("🙂".as_bytes(), Key::Char('🙂')),
            (b"\r", Key::Enter),
            (b"\x03", Key::Interrupt),
            (b"\x1a", Key::Suspend),
            (b"\x0c", Key::Other),
            (b"\x1b", Key::Escape),
            (b"\x1b[A", Key::Up),
            (b"\x1bOA", Key::Up),
            (b"\x1b[B", Key::Down),
            (b"\x1b[C", Key::Right),
            (b"\x1b[D", Key::Left),
            (b"\x1b[1;5A", Key::Up),
            (b"\x1b[5~", Key::PageUp),
            (b"\x1b[6~", Key::PageDown),
            (b"\x1b[H", Key::Home),
            (b"\x1b[1~", Key::Home),
            (b"\x1b[4~", Key::End),
            (b"\x1b[[A", Key::Other),
            (b"\x1bA", Key::Other),
            (b"\x1b[15~", Key::Other),
        ];
        for (bytes, key) in table {
            assert_eq!(keys(bytes), [key], "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn half_a_key_is_none_and_an_escape_before_another_one_is_one() {
        for bytes in [&b"\x1b["[..], b"\x1bO", b"\x1b[1;", b"\xe4\xb8", b"\xff", b"\x1b[["] {
            assert_eq!(keys(bytes), [], "{}", bytes.escape_ascii());
        }
        assert_eq!(keys(b"\x1b\x1b[A"), [Key::Escape, Key::Up]);
        let endless = [&b"\x1b["[..], &[b'1'; 200], b"a"].concat();
        let mut decoder = Decoder::default();
        assert_eq!(decoder.push(&endless), []);
        assert_eq!(decoder.push(b"a"), [Key::Char('a')], "it takes no more than itself along");
    }

    #[test]
    fn pasted_text_presses_no_key_and_ctrl_c_is_heard_all_the_same() {
        assert_eq!(keys(b"\x1b[200~aaAy\x1b[A\x1b[201~s"), [Key::Char('s')]);
        assert_eq!(keys(b"\x1b[200~aa\x03"), [Key::Interrupt]);
    }

    proptest! {
        #[test]
        fn where_packets_end_makes_no_difference(
            parts in prop::collection::vec(prop_oneof![
                Just("\x1b[A"), Just("\x1bOB"), Just("\x1b[5~"), Just("a"), Just("世"), Just("\x1b[200~A\x1b[201~"), Just("\r"),
            ], 0..12),
            cuts in prop::collection::vec(0_usize..60, 0..6),
        ) {
            let bytes = parts.concat().into_bytes();
            let mut decoder = Decoder::default();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).chain([0, bytes.len()]).collect();
            cuts.sort_unstable();
            let pieces: Vec<Key> = cuts.windows(2).flat_map(|cut| decoder.push(&bytes[cut[0]..cut[1]])).collect();
            prop_assert_eq!(pieces, keys(&bytes));
            prop_assert!(!decoder.is_halfway());
        }
    }
}
