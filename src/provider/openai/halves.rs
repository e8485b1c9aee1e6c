//! Characters beyond the first 65,536 are two halves where JSON spells them by escapes: `"\ud83d\ude42"`. Servers that cut a
//! text by such units send one half in a chunk and the other in the next, or the first alone at the end of a reply that was
//! cut; strictly that is no JSON.
//!
//! Looked at only where an answer is no JSON otherwise. In a stream a half is kept as a mark until its other half comes; one
//! that stays alone becomes `U+FFFD`.

use async_openai::error::OpenAIError;

use super::usual::Usual;
use super::wire::Answer;

/// What stands for a half that is alone.
const UNKNOWN: char = char::REPLACEMENT_CHARACTER;

/// The private character that stands for the first half of all until the other half comes.
const MARKS: u32 = 0x0010_d800;

/// The whole answer, of whatever shape; where it is no JSON, with every half that is alone as [`UNKNOWN`], where nothing else
/// kept it from being JSON.
pub(super) fn or_mended(answer: Result<Usual, OpenAIError>) -> Result<Answer, OpenAIError> {
    answer.map(|Usual(answer)| answer).or_else(|error| {
        let again = match &error {
            OpenAIError::JSONDeserialize(reason, json) if reason.is_data() => serde_json::from_str(json).ok(),
            _ => None,
        };
        again.or_else(|| mended(&error, |_| UNKNOWN)).ok_or(error)
    })
}

/// The bytes of a whole answer as JSON, mended as by [`or_mended`].
pub(super) fn read(json: &[u8]) -> Option<serde_json::Value> {
    serde_json::from_slice(json).ok().or_else(|| {
        let json = std::str::from_utf8(json).ok()?;
        serde_json::from_str(&mend(json, |_| UNKNOWN)?).ok()
    })
}

/// The chunk of a stream again, with every half that is alone as a mark, for [`Halves`].
pub(super) fn mended_chunk(error: &OpenAIError) -> Option<Answer> {
    let chunk = mended(error, |half| char::from_u32(MARKS + u32::from(half - FIRST)).unwrap_or(UNKNOWN))?;
    // No text goes on in an error.
    if chunk.error.is_some() { mended(error, |_| UNKNOWN) } else { Some(chunk) }
}

fn mended(error: &OpenAIError, stand_in: impl Fn(u16) -> char) -> Option<Answer> {
    let OpenAIError::JSONDeserialize(_, json) = error else { return None };
    serde_json::from_str(&mend(json, stand_in)?).ok()
}

const FIRST: u16 = 0xd800;
const SECOND: u16 = 0xdc00;
const LAST: u16 = 0xdfff;

/// The text with something in the place of every escaped half that is alone; `None` where none is.
fn mend(json: &str, stand_in: impl Fn(u16) -> char) -> Option<String> {
    let mut mended = String::with_capacity(json.len());
    let mut is_mended = false;
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        mended.push_str(before);
        let half = unit(escape).filter(|unit| (FIRST..=LAST).contains(unit));
        let other = half.filter(|half| *half < SECOND).and_then(|_| unit(&escape[6..]));
        let length = match (half, other) {
            (None, _) => 1 + escape.chars().nth(1).map_or(0, char::len_utf8),
            (Some(_), Some(SECOND..=LAST)) => 12,
            (Some(half), _) => {
                is_mended = true;
                mended.push(stand_in(half));
                rest = &escape[6..];
                continue;
            }
        };
        mended.push_str(&escape[..length]);
        rest = &escape[length..];
    }
    mended.push_str(rest);
    is_mended.then_some(mended)
}

/// The unit that a text begins with, spelled `\u` and four digits.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    // A sign is no digit, whatever the library says.
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
}

/// Joins the halves of a text that arrives in pieces: a first half at the end of one waits for the next.
#[derive(Debug, Default)]
pub(super) struct Halves {
    first: Option<u16>,
}

impl Halves {
    /// Takes the next piece and gives what of the text is certain now.
    pub(super) fn push(&mut self, piece: &str) -> String {
        let mut text = String::with_capacity(piece.len());
        for character in piece.chars() {
            let half = half_of(character);
            if let Some(first) = self.first.take() {
                if let Some(whole) = half.and_then(|second| join(first, second)) {
                    text.push(whole);
                    continue;
                }
                text.push(UNKNOWN);
            }
            match half {
                None => text.push(character),
                Some(first @ FIRST..SECOND) => self.first = Some(first),
                Some(_) => text.push(UNKNOWN),
            }
        }
        text
    }

    /// Ends the text: a half that still waits is alone.
    pub(super) fn finish(&mut self) -> &'static str {
        self.first.take().map_or("", |_| "\u{fffd}")
    }
}

fn half_of(character: char) -> Option<u16> {
    let half = u32::from(character).checked_sub(MARKS)?;
    u16::try_from(half).ok()?.checked_add(FIRST).filter(|half| *half <= LAST)
}

fn join(first: u16, second: u16) -> Option<char> {
    char::decode_utf16([first, second]).next()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_halves_that_are_alone_are_mended() {
        for (json, mended) in [
            (r#""Hi""#, None),
            (r#""\ud83d\ude42 \n \u00e9""#, None),
            (r#""\\ud83d""#, None),
            (r#""\ud83d""#, Some(r#""?""#)),
            (r#""\ude42\uD83D\ud83d\ude42\\""#, Some(r#""??\ud83d\ude42\\""#)),
            (r#""\ud83d\u0041\ud83dé""#, Some(r#""?\u0041?é""#)),
            (r#""\ud83d\\ude42""#, Some(r#""?\\ude42""#)),
            (r#""\ud8"#, None),
            (r"\", None),
            (r"\é\u+123\ud83", None),
        ] {
            assert_eq!(mend(json, |_| '?').as_deref(), mended, "{json}");
        }
    }

    #[test]
    fn halves_are_joined_across_pieces_and_alone_they_are_unknown() {
        let mark = |half: u16| char::from_u32(MARKS + u32::from(half - FIRST)).unwrap();
        let (first, second) = (mark(0xd83d), mark(0xde42));
        for (pieces, text) in [
            (vec![format!("a{first}"), format!("{second}b")], "a🙂b"),
            (vec![format!("{first}{second}")], "🙂"),
            (vec![format!("{first}"), String::new(), format!("{second}")], "🙂"),
            (vec![format!("{first}"), "b".to_owned()], "\u{fffd}b"),
            (vec![format!("{first}{first}{second}")], "\u{fffd}🙂"),
            (vec![format!("{second}a{first}")], "\u{fffd}a\u{fffd}"),
        ] {
            let mut halves = Halves::default();
            let joined: String = pieces.iter().map(|piece| halves.push(piece)).collect();
            assert_eq!(joined + halves.finish(), text, "{pieces:?}");
        }
    }
}
