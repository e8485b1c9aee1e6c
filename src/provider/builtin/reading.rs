//! What the embedded model picks up by itself where a scenario declares no facts: "my X is Y", "I work at Y", "I live in
//! Y" and "call me Y". English and modest: whoever wants more declares facts.

use std::sync::LazyLock;

use regex::Regex;

use crate::model::{Message, Role};
use crate::text::normalise::{contains_word, fold};

/// Something that a message said about the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Picked {
    topic: Topic,
    value: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Topic {
    /// `my X is …`, with X folded.
    Named(String),
    Work,
    Home,
}

impl Picked {
    pub(super) fn is_asked_in(&self, question: &str) -> bool {
        let question = fold(question);
        let has = |word: &&str| contains_word(&question, word);
        match &self.topic {
            Topic::Named(name) if name == "name" => ["name", "who am i", "call me"].iter().any(has),
            Topic::Named(name) => contains_word(&question, name),
            Topic::Work => ["work", "employer", "job", "company"].iter().any(has),
            Topic::Home => ["live", "home", "city", "town"].iter().any(has),
        }
    }

    pub(super) fn sentence(&self) -> String {
        match &self.topic {
            Topic::Named(name) => format!("Your {name} is {}.", self.value),
            Topic::Work => format!("You work at {}.", self.value),
            Topic::Home => format!("You live in {}.", self.value),
        }
    }
}

/// What the messages say, in the order in which each topic first came up; of a topic the last value.
///
/// Replies are read too, where they speak to the user ("your X is Y"): an orphan reply carries what it repeats.
pub(super) fn pick_up(messages: &[Message]) -> Vec<Picked> {
    let mut picked: Vec<Picked> = Vec::new();
    for message in messages {
        let repeated = (message.role == Role::Assistant).then_some(&*REPEATED);
        let patterns = [&*SPOKEN].into_iter().chain(repeated);
        for found in patterns.flat_map(|pattern| pick_up_from(&message.content, pattern)) {
            match picked.iter_mut().find(|earlier| earlier.topic == found.topic) {
                Some(earlier) => earlier.value = found.value,
                None => picked.push(found),
            }
        }
    }
    picked
}

fn pick_up_from<'t>(text: &'t str, pattern: &'t Regex) -> impl Iterator<Item = Picked> + 't {
    pattern.captures_iter(text).filter_map(|found| {
        let value = value_at(&text[found.get(0)?.end()..])?;
        let topic = match (found.name("name"), found.name("work"), found.name("home")) {
            (Some(name), ..) => Topic::Named(fold(name.as_str())),
            (_, Some(_), _) => Topic::Work,
            (_, _, Some(_)) => Topic::Home,
            _ => Topic::Named("name".to_owned()),
        };
        Some(Picked { topic, value })
    })
}

/// The value with which a text begins: up to the end of its sentence or clause.
fn value_at(text: &str) -> Option<String> {
    let end = END.find(text).map_or(text.len(), |end| end.start());
    let value = text[..end].trim();
    (!value.is_empty() && value.chars().count() <= 100).then(|| value.to_owned())
}

/// An expression that is written in this room.
pub(super) fn compiled(source: &'static str) -> Regex {
    #[expect(clippy::expect_used, reason = "constant expressions, all compiled by this room's tests")]
    Regex::new(source).expect("valid expression")
}

/// What one says of oneself.
static SPOKEN: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?i)\b(?:my (?P<name>[\w'’-]+(?: [\w'’-]+){0,3}?) (?:is|are) |i(?: am|['’]m)? (?P<work>work(?:ing)? (?:at|for)) |i(?: am|['’]m)? (?P<home>liv(?:e|ing) in) |(?:please )?call me )",
    )
});

/// The same said back to the one who said it.
static REPEATED: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?i)\b(?:your (?P<name>[\w'’-]+(?: [\w'’-]+){0,3}?) (?:is|are) |you (?P<work>work (?:at|for)) |you (?P<home>live in) )",
    )
});

/// Where a value ends: a mark before a space or the end (`St. Louis` pays for that), or the next clause.
static END: LazyLock<Regex> =
    LazyLock::new(|| compiled(r"(?i)[.!?](?:\s|$)|[,;\n]| (?:and|but|so) (?:i|i['’]m|my|you|your|we|it|please)\b"));
