//! Keys and other values of the environment, kept out of every text: whatever a server or a bot says, they come out as `***`.

mod spellings;

use secrecy::{ExposeSecret, SecretString};

use self::spellings::spellings;

/// Values that no text may show.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    /// As they are and as formats spell them, the longest first: one may be the beginning of another.
    spellings: Vec<SecretString>,
}

impl Secrets {
    /// Of these values.
    pub fn new<'s>(values: impl IntoIterator<Item = &'s SecretString>) -> Self {
        let values = values.into_iter();
        let mut spellings: Vec<String> = values.flat_map(|value| spellings(value.expose_secret())).collect();
        spellings.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        spellings.dedup();
        Self { spellings: spellings.into_iter().map(SecretString::from).collect() }
    }

    /// The text with `***` wherever one of them stood.
    #[must_use]
    pub fn mask(&self, text: String) -> String {
        self.spellings
            .iter()
            .map(ExposeSecret::expose_secret)
            .fold(text, |text, secret| if text.contains(secret) { text.replace(secret, "***") } else { text })
    }

    /// How many bytes at the end of a text may be the beginning of one of them.
    fn begun(&self, text: &str) -> usize {
        let begun = |secret: &str| {
            let ends = (1..secret.len()).rev().filter(|end| secret.is_char_boundary(*end));
            ends.into_iter().find(|end| text.ends_with(&secret[..*end])).unwrap_or(0)
        };
        self.spellings.iter().map(|secret| begun(secret.expose_secret())).max().unwrap_or(0)
    }
}

/// Masks a text that arrives in pieces: an end that may be the beginning of a secret waits for the next piece.
#[derive(Debug)]
pub struct MaskedPieces<'s> {
    secrets: &'s Secrets,
    held: String,
}

impl<'s> MaskedPieces<'s> {
    /// Nothing has arrived yet.
    #[must_use]
    pub const fn new(secrets: &'s Secrets) -> Self {
        Self { secrets, held: String::new() }
    }

    /// Takes the next piece and gives what of the text is certain now.
    pub fn push(&mut self, piece: &str) -> String {
        self.held.push_str(piece);
        let mut text = self.secrets.mask(std::mem::take(&mut self.held));
        self.held = text.split_off(text.len() - self.secrets.begun(&text));
        text
    }

    /// Ends the text: what was held back is no secret.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(values: &[&str]) -> Secrets {
        let values: Vec<SecretString> = values.iter().map(|value| SecretString::from(*value)).collect();
        Secrets::new(&values)
    }

    #[test]
    fn secrets_come_out_as_stars_as_they_are_and_as_json_has_them() {
        let secrets = secrets(&["bot-key-1", "bot-key-12", "a\"b\"c", "x"]);
        assert_eq!(secrets.mask("bot-key-12 bot-key-1 a\"b\"c a\\\"b\\\"c x".to_owned()), "*** *** *** *** x");
        assert!(!format!("{secrets:?}").contains("bot-key"));
    }

    #[test]
    fn however_a_text_is_cut_no_piece_shows_a_secret() {
        let secrets = secrets(&["schlüssel", "bot-key"]);
        let text = "a schlüssel, a bot-key and a schlü";
        for (at, _) in text.char_indices() {
            let mut pieces = MaskedPieces::new(&secrets);
            let said = [pieces.push(&text[..at]), pieces.push(&text[at..]), pieces.finish()].concat();
            assert_eq!(said, "a ***, a *** and a schlü", "cut at {at}");
        }
    }
}
