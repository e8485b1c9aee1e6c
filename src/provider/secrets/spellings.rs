//! How a key may stand in what a server says: as it is, or as JSON, a URL, a page or base64 spells it.
//!
//! A server quotes the header that it was sent in whatever its language makes of it, and proxies log `Authorization` whole, in
//! base64 too. It is no promise against a server that wants to give a key away, which can spell it backwards; it keeps a key
//! out of files and logs that was quoted in good faith.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// A key shorter than this is a filler for a server that wants none (`x`, `-`): to blot it out would blot out letters.
const SHORTEST_SECRET: usize = 4;
/// A piece of base64 that is shorter than this may stand in any text.
const SHORTEST_PIECE: usize = 8;

/// All spellings of a key, each once, the longest first, so that none is torn by a shorter one inside it. Nothing where there
/// is no secret.
pub(super) fn spellings(key: &str) -> Vec<String> {
    if key.len() < SHORTEST_SECRET {
        return Vec::new();
    }
    let json = json_text(key);
    let mut all = vec![
        key.to_owned(),
        // PHP escapes the slash, Go and others what a page could take for a tag.
        json.replace('/', "\\/"),
        // An answer in JSON whose text quotes a header in JSON.
        json_text(&json),
        json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026"),
        json,
        of_page(key, "&quot;", "&#39;"),
        of_page(key, "&#34;", "&#39;"),
        // Python's `html.escape`, and pages that write all of it in hex.
        of_page(key, "&quot;", "&#x27;"),
        of_page(key, "&#x22;", "&#x27;"),
        of_page(key, "&quot;", "'"),
        of_page(key, "\"", "'"),
    ];
    // `encodeURIComponent` leaves some marks as they are that others encode, Python's `quote` the slash.
    for plain in ["", "-_.~", "-_.~/", "-_.!~*'()", "-_.", "*-._"] {
        all.push(percent(key, plain, true));
        all.push(percent(key, plain, false));
    }
    all.extend(base64(key));
    all.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    all.dedup();
    all
}

/// As JSON spells it inside of its quotes.
fn json_text(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// As a page spells it.
fn of_page(key: &str, double: &str, single: &str) -> String {
    let text = key.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', double).replace('\'', single)
}

/// As a URL spells it, with letters, digits and the `plain` marks as they are.
fn percent(key: &str, plain: &str, is_upper: bool) -> String {
    key.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || plain.as_bytes().contains(&byte) {
            text.push(char::from(byte));
        } else {
            // A text takes all that is written to it.
            let _ = if is_upper { write!(text, "%{byte:02X}") } else { write!(text, "%{byte:02x}") };
        }
        text
    })
}

/// What is the same of the key in base64, whatever stands before and behind it (`Bearer `, `user:`): three bytes make four letters,
/// so there are three ways for it to lie.
fn base64(key: &str) -> Vec<String> {
    let mut all = Vec::new();
    for before in 0..3 {
        let bytes = [&[0; 2][..before], key.as_bytes()].concat();
        // Letters that hold nothing but bits of the key.
        let (from, to) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
        for text in [STANDARD_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)] {
            all.push(text[from..to].to_owned());
        }
    }
    all.retain(|piece| piece.len() >= SHORTEST_PIECE);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "sk-\"a/b+c&<d>='e %41\\f";

    fn masked(text: &str) -> String {
        spellings(KEY).iter().fold(text.to_owned(), |text, key| text.replace(key, "***"))
    }

    #[test]
    fn every_spelling_is_known() {
        for spelled in [
            KEY,
            r#"sk-\"a/b+c&<d>='e %41\\f"#,
            r#"sk-\"a\/b+c&<d>='e %41\\f"#,
            r#"sk-\"a/b+c\u0026\u003cd\u003e='e %41\\f"#,
            "sk-%22a%2Fb%2Bc%26%3Cd%3E%3D%27e%20%2541%5Cf",
            r#"sk-\\\"a/b+c&<d>='e %41\\\\f"#,
            "sk%2D%22a%2Fb%2Bc%26%3Cd%3E%3D%27e%20%2541%5Cf",
            "sk-%22a%2fb%2bc%26%3cd%3e%3d%27e%20%2541%5cf",
            "sk-%22a%2Fb%2Bc%26%3Cd%3E%3D'e%20%2541%5Cf",
            "sk-%22a/b%2Bc%26%3Cd%3E%3D%27e%20%2541%5Cf",
            "sk-&quot;a/b+c&amp;&lt;d&gt;=&#39;e %41\\f",
            "sk-&quot;a/b+c&amp;&lt;d&gt;=&#x27;e %41\\f",
            "sk-&#x22;a/b+c&amp;&lt;d&gt;=&#x27;e %41\\f",
            "sk-\"a/b+c&amp;&lt;d&gt;='e %41\\f",
        ] {
            assert_eq!(masked(&format!("Bearer {spelled}.")), "Bearer ***.", "{spelled}");
        }
    }

    #[test]
    fn in_base64_it_is_found_wherever_it_begins() {
        for before in ["", "B", "Be", "Bearer ", "user:"] {
            for after in ["", "\n", "ab", "abc"] {
                for text in
                    [STANDARD_NO_PAD, URL_SAFE_NO_PAD].map(|engine| engine.encode([before, KEY, after].concat()))
                {
                    let left = masked(&text).replace("***", "");
                    // Of the letters around it each shares at most some bits of its first and its last one.
                    let around = [before, after].map(str::len).iter().map(|length| (length * 8).div_ceil(6) + 1).sum();
                    assert!(left.len() <= around, "{before:?} {after:?}: {left}");
                }
            }
        }
    }

    #[test]
    fn a_filler_is_no_secret_and_a_short_key_blots_out_no_pieces() {
        assert_eq!(spellings("x"), Vec::<String>::new());
        assert_eq!(spellings("abcd"), ["abcd"]);
    }

    #[test]
    fn the_longest_comes_first_and_each_once() {
        let all = spellings(KEY);
        assert!(all.windows(2).all(|pair| pair[0].len() >= pair[1].len() && pair[0] != pair[1]), "{all:?}");
    }
}
